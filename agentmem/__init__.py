"""
agentmem: a memory for AI agents that is one SQLite file and one import.

    errors      everything raised on purpose
    records     the nouns: Record, Hit, Block, Context, Erasure, Stats, ImportReport; ids and instants
    words       what counts as a word of a query
    days        names of days, weeks, months and years → days
    predicates  what people say of themselves and of each other
    prototypes  sentences by which the encoder tells what a text is about
    secrecy     the secrets in a text
    phrases     the forms of words that name a time
    candidates  what an LLM finds in turns, checked
    marks       word vectors → the stretches of a text that state something
    policy      TOML → what a memory keeps, shows and shares
    injection   the form of texts that give an assistant instructions
    scope       who may see what, as one SQL predicate
    times       text → the times that it speaks of
    traits      what ranking asks of a text beside its words
    draft       what a caller hands in, checked
    encoder     text → vectors and marks
    meta        what a file knows of itself: its clock, its devices
    tables      which tables travel between copies of a file
    places      where a file lies, and what endangers it there
    schema      the migrations
    db          the file: open, read, write, migrate
    rank        candidates' signals → one score
    pack        hits → a block of text for a prompt
    extract     a text and its marks → the claims that it makes
    exports     the shapes of other programs' exports
    foreign     what other memories keep: mem0, Letta, LangGraph, MCP's reference server
    store       records: write, read, revise, forget
    search      the tables of vectors, codes, traits and times
    fulltext    the tables of words
    embeddings  the table of vectors that callers bring
    roster      what ranking asks of every record, in memory
    lexical     query → records by words
    policies    the policies of a file, and what they kept out
    quarantine  what waits until a person has looked at it
    meaning     vectors → the topics of a text, and whether it reads like instructions
    asking      a question → the predicates that it asks for
    claims      the table of claims: what records say of whom
    blocks      the table of core blocks: what an agent always has in view
    grants      what a user lets others read
    audit       who did what when, in a chain
    fields      the fields of a kind of record: JSON Schema, checked
    kinds       which kinds are defined, and which record takes the place of which
    tools       the tools of a model: their definitions, its arguments, checked
    facts       claims → what is true now, what was true then
    screening   what the policy makes of what is about to be stored
    index       the records of one scope, in memory or in SQL; query → records by meaning
    ingest      what a caller says → stored and indexed
    erase       forget
    changes     what of one file another one lacks
    settle      records written apart → which holds, and where each stands
    transfer    files → conversations
    doctor      verify, rebuild, compact
    merge       what another copy has → taken in
    backup      copies of the file, read back
    recall      query → ranked row ids
    opened      an open file: its clock, encoder, index, and its care
    knowing     the verbs about facts
    relating    the verbs about entities and what leads from one to another
    recalling   the verbs that find, and make of it what an agent sees
    defining    the verbs about kinds of record
    loading     the verb that takes in what other programs kept
    holding     the verbs about core blocks
    calling     the tools by which a model edits its own memory
    conversation  a window of fixed size on a conversation of any length
    granting    the verbs about who may read what, and who did what
    keeping     the verbs of those who bring keys, times to live and vectors
    copying     the verbs about copies: backup, restore, merge
    governing   the verbs about the policy, and what it put aside
    memory      Memory: the verbs
    aio         AsyncMemory
    doors/      ways in: the command line, and a file for each framework of agents

Imports go down this list, never up.
"""

from .aio import AsyncMemory
from .errors import (
    AgentmemError,
    BlockError,
    ImportFormatError,
    ModelError,
    NotFoundError,
    OpenError,
    PolicyError,
    StorageError,
)
from .memory import Memory
from .records import (
    AuditEntry,
    Backup,
    Block,
    Conflict,
    Context,
    Entity,
    Erasure,
    Fact,
    Grant,
    Held,
    Hit,
    ImportReport,
    KeptOut,
    Kind,
    Line,
    MergeReport,
    Record,
    Related,
    Retention,
    Skew,
    Stats,
)

__all__ = [
    "AgentmemError",
    "AsyncMemory",
    "AuditEntry",
    "Backup",
    "Block",
    "BlockError",
    "Conflict",
    "Context",
    "Entity",
    "Erasure",
    "Fact",
    "Grant",
    "Held",
    "Hit",
    "ImportFormatError",
    "ImportReport",
    "KeptOut",
    "Kind",
    "Line",
    "Memory",
    "MergeReport",
    "ModelError",
    "NotFoundError",
    "OpenError",
    "PolicyError",
    "Record",
    "Related",
    "Retention",
    "Skew",
    "Stats",
    "StorageError",
]
__version__ = "0.1.0"
