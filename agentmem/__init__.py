"""
agentmem: a memory for AI agents that is one SQLite file and one import.

    errors      everything raised on purpose
    records     the nouns: Record, Hit, Context, Erasure, Stats, ImportReport; ids and instants
    words       what counts as a word of a query
    scope       who may see what, as one SQL predicate
    draft       what a caller hands in, checked
    encoder     text → vectors
    db          the file: open, read, write, migrate
    rank        candidates' signals → one score
    pack        hits → a block of text for a prompt
    exports     the shapes of other programs' exports
    store       records: write, read, revise, forget
    search      candidates by words and by meaning
    ingest      what a caller says → stored and indexed
    recall      query → ranked row ids
    transfer    files → conversations
    doctor      verify and rebuild
    memory      Memory: the verbs
    aio         AsyncMemory
    doors/      ways in: the command line

Imports go down this list, never up.
"""

from .aio import AsyncMemory
from .errors import AgentmemError, ImportFormatError, ModelError, NotFoundError, OpenError, StorageError
from .memory import Memory
from .records import Context, Erasure, Hit, ImportReport, Record, Stats

__all__ = [
    "AgentmemError",
    "AsyncMemory",
    "Context",
    "Erasure",
    "Hit",
    "ImportFormatError",
    "ImportReport",
    "Memory",
    "ModelError",
    "NotFoundError",
    "OpenError",
    "Record",
    "Stats",
    "StorageError",
]
__version__ = "0.1.0"
