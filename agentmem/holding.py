"""
`Holding`: what an agent always has in view: its core blocks.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from . import audit, blocks, erase
from .db import Connection
from .opened import Opened
from .records import Block, Erasure
from .scope import Scope

Listed = list[Block]  # in the class below, `list` is a verb


class Blocks:
    """
    The core blocks of a memory: small labelled texts that stay in view, such as "user", "persona" or "project".

    A block belongs to a user and, where they are named, to an agent and a session; one without agent is shared by all
    of the user's agents, one without session by all conversations.  `set` writes the block of just the scope that it
    names.  Every other verb takes the one that its scope has in view: of several with one label the most particular,
    first by session, then by agent.

    Every change is a version, and kept.  What changes nothing adds none.
    """

    def __init__(self, memory: Opened) -> None:
        self._memory = memory

    def set(
        self,
        label: str,
        text: str,
        *,
        description: str | None = None,
        limit: int | None = None,
        read_only: bool | None = None,
        user: str | None = None,
        agent: str | None = None,
        session: str | None = None,
    ) -> Block:
        """
        Make the block *label*, or let it say *text* from now on.

        Args:
            label: 1 to 64 visible characters on one line.
            text: may be empty.
            description: what belongs in it, for the model, at most 1,000 characters; default: as before, at first "".
            limit: characters that it may hold, 1 to 200,000; default: as before, at first 2,000.
            read_only: whether `append`, `replace` and `restore` are refused, and `set` where it leaves this out;
                default: as before, at first False.
            agent, session: "" for a block that is shared, where the memory was opened for one.

        Raises:
            TypeError, ValueError: an argument is not what it should be.
            BlockError: the text is longer than the limit, or the block is read-only.
        """

        memory = self._memory
        own = self._scope(user, agent, session)
        new = blocks.empty(label, own)
        with memory._db.transaction() as connection:
            held = blocks.at(connection, own, label)
            said = blocks.changed(held or new, text, description=description, limit=limit, read_only=read_only)
            if held is not None and said != held and read_only is None:
                blocks.check_open(held)
            return self._keep(connection, said, held or new)

    def append(
        self, label: str, text: str, *, user: str | None = None, agent: str | None = None, session: str | None = None
    ) -> Block:
        """
        Add *text* to the block *label* as its last line.

        Raises:
            NotFoundError: there is no such block in view; the message says which there are.
            BlockError: it is full or read-only; the message says by how much, and what it holds.
        """
        return self._edit(self._scope(user, agent, session), label, lambda _, held: blocks.appended(held, text))

    def replace(
        self,
        label: str,
        old: str,
        new: str,
        *,
        user: str | None = None,
        agent: str | None = None,
        session: str | None = None,
    ) -> Block:
        """
        Put *new* in the place of *old*, which the block *label* holds letter for letter and just once.

        Raises:
            ValueError: it does not hold *old*, or several times.
            NotFoundError, BlockError: as for `append`.
        """
        return self._edit(self._scope(user, agent, session), label, lambda _, held: blocks.replaced(held, old, new))

    def get(
        self, label: str, *, user: str | None = None, agent: str | None = None, session: str | None = None
    ) -> Block:
        """Return the block *label*; NotFoundError where there is none in view."""
        with self._memory._db.read() as connection:
            return blocks.find(connection, self._scope(user, agent, session), label)

    def list(
        self,
        *,
        user: str | None = None,
        agent: str | None = None,
        session: str | None = None,
        everywhere: bool = False,
    ) -> Listed:
        """
        Return the blocks in view, by label, each as it holds.

        Args:
            everywhere: all blocks of the user instead, those of every agent and session, or of the ones named.
        """
        own = self._scope(user, agent, session)
        with self._memory._db.read() as connection:
            if everywhere:
                return blocks.every(connection, own.owns)
            return [*blocks.in_view(connection, own).values()]

    def history(
        self, label: str, *, user: str | None = None, agent: str | None = None, session: str | None = None
    ) -> Listed:
        """Return every version of the block *label*, oldest first; NotFoundError where there is none in view."""
        with self._memory._db.read() as connection:
            return blocks.versions(connection, blocks.find(connection, self._scope(user, agent, session), label))

    def restore(
        self,
        label: str,
        version: int,
        *,
        user: str | None = None,
        agent: str | None = None,
        session: str | None = None,
    ) -> Block:
        """
        Let the block *label* be as it was in *version*, its description and limit too, as a new version.

        Raises:
            NotFoundError: there is no such block in view, or it has no such version.
            BlockError: it is read-only.
        """
        own = self._scope(user, agent, session)
        return self._edit(own, label, lambda connection, held: blocks.version(connection, held, version))

    def delete(
        self, label: str, *, user: str | None = None, agent: str | None = None, session: str | None = None
    ) -> Erasure:
        """Erase the block *label* with all versions, down to the bytes; NotFoundError where none is in view."""
        memory = self._memory
        return erase.block(memory._db, self._scope(user, agent, session), label, now=memory._now())

    def _scope(self, user: str | None, agent: str | None, session: str | None) -> Scope:
        return self._memory._default.narrowed(user, agent, session)

    def _edit(self, own: Scope, label: str, edit: Callable[[Connection, Block], Block]) -> Block:
        with self._memory._db.transaction() as connection:
            held = blocks.find(connection, own, label)
            blocks.check_open(held)
            return self._keep(connection, edit(connection, held), held)

    def _keep(self, connection: Connection, block: Block, held: Block) -> Block:
        """Write *block* as the version after *held*, where it says something else."""
        block = replace(block, version=held.version, updated_at=held.updated_at)
        if block == held and held.version:
            return held
        blocks.check_fits(block, held)
        memory = self._memory
        now = memory._now()
        audit.note(connection, "block", Scope(block.user, block.agent or ""), at=now, count=1)
        return blocks.write(connection, block, now=now, stamp=memory._db.stamp(connection))


class Holding(Opened):
    """What an open memory keeps in view."""

    @property
    def blocks(self) -> Blocks:
        """The core blocks: small labelled texts that an agent always has in view, see `Blocks`."""
        return Blocks(self)
