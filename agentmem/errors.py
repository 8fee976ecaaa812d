"""
Everything that agentmem raises on purpose.

    AgentmemError
    ├── OpenError          the file cannot be opened: not ours, too new, a folder, read-only
    ├── StorageError       SQLite refused a write or read: full disk, damage, locked too long
    ├── NotFoundError      no record with that id, or block with that label, in this scope
    ├── BlockError         a core block takes no such change: it is full, or read-only
    ├── ModelError         the encoder's file is missing, damaged, or not the one the file was made with
    ├── PolicyError        the policy of this memory does not let it be stored, or puts it aside for review
    └── ImportFormatError  a file to import is not what it claims to be; the message names the place

Wrong arguments raise TypeError or ValueError.
A message says what happened, to which file or id, and what to do next.
"""


class AgentmemError(Exception):
    """The root: catch this to catch everything below."""


class OpenError(AgentmemError):
    """The memory file cannot be opened."""


class StorageError(AgentmemError):
    """SQLite could not read or write; the verb that raised this changed nothing."""


class NotFoundError(AgentmemError):
    """There is no such record or block for this scope."""


class BlockError(AgentmemError):
    """A core block is full, or read-only; it is as it was."""


class ModelError(AgentmemError):
    """The encoder cannot be loaded, or does not fit the vectors in the file."""


class ImportFormatError(AgentmemError):
    """A file to import is damaged or of an unknown shape."""


class PolicyError(AgentmemError):
    """
    The policy keeps this out.  `id` is what `review` shows it as, where it was put aside; None where it was refused.
    """

    def __init__(self, message: str, id: str | None = None) -> None:
        super().__init__(message)
        self.id = id


def warn(message: str, *about: object) -> None:
    """Log that something of a caller's failed and what was done in its stead; nothing that is remembered is named."""
    import logging  # 4 ms of an import, for what seldom happens

    logging.getLogger("agentmem").warning(message, *about)
