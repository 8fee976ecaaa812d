"""
`Opened`: an open memory file: whose it is, its clock, its encoder, its index, and its care.
"""

from __future__ import annotations

import dataclasses
import functools
import os
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import TracebackType
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, Self, TypeVar

from . import audit, doctor, grants, ingest, kinds, places, policies, scope, store
from .candidates import Extract
from .db import Connection, Database
from .errors import StorageError
from .records import Instant, Stats, instant
from .scope import Scope, Seen
from .screening import Screen

if TYPE_CHECKING:
    from .encoder import Encoder
    from .recall import Finder

INDEXES = {"memory": "InMemory", "sql": "InSQL"}  # name → class of `index`
Texts = list[str]
P = ParamSpec("P")
R = TypeVar("R")


def noted(verb: Callable[Concatenate[Any, P], R]) -> Callable[Concatenate[Any, P], R]:
    """Let a *verb* that reads enter into the audit trail what it showed, where the memory is to audit reads."""

    @functools.wraps(verb)
    def read(self: Any, /, *args: P.args, **kwargs: P.kwargs) -> R:
        answer = verb(self, *args, **kwargs)
        if self._audit_reads:
            whose = {name: kwargs.get(name) for name in ("user", "agent")}
            self._note(verb.__name__, self._default.narrowed(**whose), audit.ids_of(answer))
        return answer

    return read


class Opened:
    """An open file, and what every verb of `Memory` needs of it."""

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        user: str | None = None,
        agent: str | None = None,
        session: str | None = None,
        durability: str = "normal",
        encoder: Encoder | None = None,
        index: str = "memory",
        extract: Extract | None = None,
        audit_reads: bool = False,
        screen: Screen | None = None,
        now: Callable[[], Instant] | None = None,
    ) -> None:
        if index not in INDEXES:
            raise ValueError(f"index is {' or '.join(map(repr, INDEXES))}, not {index!r:.80}")
        self._index = index
        if now is not None and not callable(now):
            raise TypeError(f"now is a function that returns an instant, not {now!r:.80}")
        if extract is not None and not callable(extract):
            raise TypeError(f"extract is a function of turns and a JSON Schema, not {extract!r:.80}")
        if screen is not None and not callable(screen):
            raise TypeError(f"screen is a function from a text to the secrets in it, not {screen!r:.80}")
        self._clock = now
        self._audit_reads = audit_reads
        self._extract = extract
        self._screen = screen
        self._default = Scope().narrowed(user, agent, session)
        self._given_encoder = encoder
        self._finder: Finder | None = None  # made by the first recall
        self._db = Database(path, durability=durability, now=self._now)
        if risk := places.danger(self._db.path):
            warnings.warn(risk, stacklevel=2)

    @noted
    def stats(self, *, user: str | None = None, agent: str | None = None, session: str | None = None) -> Stats:
        """Return what the scope holds, what its user's policy kept out, and what the file takes."""
        own = self._default.narrowed(user, agent, session)
        found = doctor.stats(self._db, own, now=self._now())
        with self._db.read() as connection:
            return dataclasses.replace(found, kept_out=policies.kept_out(connection, own.user))

    def users(self, *, id: str | None = None, agent: str | None = None, session: str | None = None) -> Texts:
        """
        Return the users who have records here, by name; "" is the default user.

        It is for whoever keeps the file: the one read that looks beyond a single user, at names and nothing else.

        Args:
            id: only the one whose record this is.
            agent, session: only those with records of these.
        """
        for name, value in (("id", id), ("agent", agent), ("session", session)):
            if value is not None and not isinstance(value, str):
                raise TypeError(f"{name} is a string, not {value!r:.80}")
        with self._db.read() as connection:
            return store.users(connection, uid=id, agent=agent, session=session)

    def verify(self) -> Texts:
        """Return what is wrong with the whole file, a sentence each; empty is sound.  See `doctor.verify`."""
        problems = doctor.verify(self._db)
        try:
            with self._db.read(fresh=True) as connection:
                count = kinds.without_key(connection)
        except StorageError as error:
            return problems if str(error) in problems else [*problems, str(error)]
        return [*problems, f"{count} records have no key; run rebuild"] if count else problems

    def rebuild(self, progress: Callable[[int, int], None] | None = None) -> None:
        """
        Make the full-text index, the keys, the vectors and the token codes again from the records.

        Args:
            progress: called with how many records are encoded, and how many there are.
        """
        with self._db.transaction() as connection:
            kinds.rebuild(connection)
        doctor.rebuild(self._db, self._encoder(), progress)

    def compact(self) -> int:
        """
        Rewrite the file without the space that forgetting left in it, and return by how many bytes it is smaller.

        Others may read meanwhile, not write; the file shrinks when none still reads the old state.  It takes as much
        memory as the new file has bytes: a temporary file would leave words behind where no forgetting reaches them.
        """
        return doctor.compact(self._db)

    def close(self) -> None:
        """Close the file.  Nothing is lost without: a write is kept when its verb returns."""
        self._finder = None  # and its threads
        self._db.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Memory({self._db.path!r}, user={self._default.user!r})"

    # -- parts of the recipes, see `Memory` ---------------------------------------------------------------------

    def _now(self) -> int:
        return time.time_ns() // 1_000_000 if self._clock is None else instant(self._clock())

    @contextmanager
    def _reading(self, whose: Scope) -> Iterator[tuple[Connection, Seen]]:
        """Lend a connection, and what a read by *whose* sees there: his own, and what is granted to him."""
        now = self._now()
        with self._db.read() as connection:
            yield connection, grants.with_granted(connection, scope.within(whose, now=now), now=now)

    def _note(self, verb: str, by: Scope, ids: Sequence[str]) -> None:
        with self._db.transaction() as connection:
            audit.note(connection, verb, by, ids, at=self._now())

    def _encoder(self) -> Encoder:
        if self._given_encoder is not None:
            return self._given_encoder
        from . import encoder  # numpy, 0.1 s: only those who encode pay for it

        return encoder.shared()

    def _reader(self) -> ingest.Reader:
        return ingest.Reader(self._encoder(), self._extract, self._screen)

    def _recalling(self) -> Finder:
        from . import index, recall  # numpy again

        if self._finder is None:
            self._finder = recall.Finder(self._db, getattr(index, INDEXES[self._index])())
        return self._finder
