"""
`Keeping`: the verbs of those who bring keys, times to live, and vectors of their own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from . import audit, embeddings, erase, kinds, scope, store
from .opened import Opened
from .records import Erasure, Hit, Instant, Record, instant
from .scope import Predicate


class Keeping(Opened):
    """What an open memory keeps, under which key and for how long."""

    def find(
        self,
        kind: str,
        key: Mapping[str, object],
        *,
        user: str | None = None,
        agent: str | None = None,
        session: str | None = None,
    ) -> Record | None:
        """
        Return the record that holds *key* now, or None; in no time, however many there are.

        Args:
            kind: one that `define` made with a key, or as single.
            key: the values of all fields of its key; {} of a single kind.
            user, agent, session: those of the record, not more.

        Raises:
            ValueError: the kind is not defined or has no key, or *key* does not name its fields.
        """
        whose, now = self._default.narrowed(user, agent, session), self._now()
        with self._db.read() as connection:
            row = kinds.found(connection, kind, key, whose, now=now)
            return None if row is None else store.fetch(connection, [row])[row]

    def expire(
        self,
        id: str | list[str] | tuple[str, ...],
        at: Instant | None,
        *,
        user: str | None = None,
        agent: str | None = None,
        session: str | None = None,
    ) -> None:
        """
        Say anew when records expire: from *at* on no read shows them, and `sweep` erases them.

        Args:
            id: one, or a list of them.
            at: None is never.

        Raises:
            NotFoundError: there is no such record for this user, or it expired already; then nothing is changed.
        """
        own = scope.within(self._default.narrowed(user, agent, session), now=self._now())
        until = None if at is None else instant(at)
        with self._db.transaction() as connection:
            stamp = self._db.stamp(connection)
            for uid in id if isinstance(id, list | tuple) else [id]:
                store.find(connection, uid, own)
                store.expire(connection, uid, at=until, stamp=stamp)
            audit.note(
                connection, "expire", own.scope, list(id) if isinstance(id, list | tuple) else [id], at=self._now()
            )

    def sweep(
        self,
        *,
        kinds: Sequence[str] | None = None,
        superseded: bool = False,
        user: str | None = None,
        agent: str | None = None,
        session: str | None = None,
    ) -> Erasure:
        """
        Erase for good, as `forget` does, what has expired.

        Args:
            kinds: only these kinds of record.
            superseded: erase too what a revision, or a record with the same key, has taken the place of: `history`
                and `as_of` know it no more.
        """
        whose, now = self._default.narrowed(user, agent, session), self._now()
        spent = scope.spent(whose, now=now, kinds=kinds, superseded=superseded)
        gone = scope.spent(whose, now=now, kinds=kinds)
        expired = Predicate(f"{gone.sql} and r.status = 'active'", gone.bindings)
        return erase.sweep(self._db, spent, expired, scope.within(whose), now=now)

    def attach(
        self,
        vectors: Mapping[str, Sequence[Sequence[float]]],
        *,
        user: str | None = None,
        agent: str | None = None,
        session: str | None = None,
    ) -> None:
        """
        Keep vectors of an encoder of your own beside records, for `nearest`; `recall` ranks by its own as before.

        Args:
            vectors: id → vectors of the record, one or one of each of its parts, in the place of those it had.  They
                go with the record when it is forgotten.

        Raises:
            NotFoundError: there is no such record for this user; then nothing is kept.
        """
        own = scope.within(self._default.narrowed(user, agent, session), now=self._now())
        made = {id: [embeddings.packed("a vector", each) for each in given] for id, given in vectors.items()}
        with self._db.transaction() as connection:
            for uid, given in made.items():
                embeddings.write(connection, store.find(connection, uid, own)[0], given)

    def nearest(
        self,
        vector: Sequence[float],
        *,
        k: int = 10,
        user: str | None = None,
        agent: str | None = None,
        session: str | None = None,
        kinds: Sequence[str] | None = None,
        where: Mapping[str, object] | None = None,
        min_trust: float = 0.0,
    ) -> list[Hit]:
        """
        Find one's own records whose attached vectors are nearest to *vector*.

        Args:
            vector: of the encoder that made those; of another length it finds nothing.
            The others are those of `recall`.

        Returns:
            Hits, best first, ties by age in the file.  Their score is the exact cosine, -1 to 1, of the nearest of
            a record's vectors, and not a chance.
        """
        scope.check_count("k", k, 1)
        whose = self._default.narrowed(user, agent, session)
        seen = scope.visible(whose, now=self._now(), kinds=kinds, where=where, min_trust=min_trust)
        sought = embeddings.packed("vector", vector)
        with self._db.read() as connection:
            found = embeddings.nearest(connection, sought, seen, k=k)
            records = store.fetch(connection, list(found))
        return [Hit(records[row], cosine) for row, cosine in found.items()]
