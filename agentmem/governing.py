"""
`Governing`: the verbs about the policy: what is stored, shown and kept for how long, and what waits for a person.
"""

from __future__ import annotations

from collections.abc import Iterable

from . import erase, ingest, kinds, policies, policy, quarantine, scope, store
from .opened import Opened
from .records import Erasure, Held, Retention
from .scope import Scope

DAY_MS = 86_400_000


class Governing(Opened):
    """What may be in an open memory."""

    def policy(self, *, user: str | None = None) -> str:
        """Return the policy that holds for the user, as TOML: his own, else everybody's, else the default."""
        return self._rules().text(self._default.narrowed(user).user)

    def set_policy(self, text: str | None, *, user: str | None = None) -> None:
        """
        Write the user's policy, in the place of the one before.

        It holds for what is written from then on.  That of the default user "" is everybody's without one of their own.

        Args:
            text: TOML as `policy` returns it; what is left out is as in the default.  None takes the user's own away.

        Raises:
            TypeError, ValueError: it is not what it should be; the message names the line and the field.
        """
        if text is not None:
            policy.read(text)
        whose = self._default.narrowed(user).user
        with self._db.transaction() as connection:
            policies.put(connection, whose, text, stamp=self._db.stamp(connection))

    def apply_policy(self, *, dry_run: bool = False, user: str | None = None) -> Retention:
        """
        Erase what this file has kept for longer than the user's policy has it, down to the bytes, as `forget` does.

        A record's age counts from when its newest version was stored.  Opening a file erases nothing: call this as
        often as you mean it.

        Args:
            dry_run: only say what would go.
        """
        now, whose = self._now(), Scope(self._default.narrowed(user).user)
        rules = self._rules().of(whose.user)
        own = scope.within(whose)
        with self._db.read() as connection:
            held = store.kinds(connection, own)
        wanted = {
            kind: scope.stale(whose, kind, before=now - int(days * DAY_MS))
            for kind in held
            if (days := rules.days(kind))
        }
        with self._db.read() as connection:
            old = {kind: len(store.matching(connection, each)) for kind, each in wanted.items()}
        old = {kind: count for kind, count in old.items() if count}
        if dry_run:
            return Retention(old, None)
        done = [erase.forget(self._db, None, wanted[kind], own, by=whose, whole=False, now=now) for kind in old]
        ids = tuple(id for each in done for id in each.ids)
        return Retention(old, Erasure(ids, all(each.log_truncated for each in done)))

    def review(
        self,
        *,
        accept: str | Iterable[str] = (),
        reject: str | Iterable[str] = (),
        user: str | None = None,
        agent: str | None = None,
        session: str | None = None,
    ) -> list[Held]:
        """
        Return what the policy has put aside and waits for a person, the oldest first.

        Args:
            accept: ids that are stored first, with the trust that they were written with.
            reject: ids that are erased first; an import or a chat history does not bring them back.

        Raises:
            NotFoundError: nothing waits under such an id, for this user.
        """
        now, own = self._now(), self._default.narrowed(user, agent, session)
        taken, refused = _ids("accept", accept), _ids("reject", reject)
        with self._db.read() as connection:
            accepted = [quarantine.find(connection, id, own) for id in taken]
            rejected = [quarantine.find(connection, id, own) for id in refused]
            known = kinds.every(connection)
        for held in accepted:
            made = kinds.drafted(
                known, held.text, Scope(held.user, held.agent or "", held.session or ""),
                now=int(held.put_at.timestamp() * 1000), **held.fields,
            )  # fmt: skip
            ingest.write_one(self._db, self._reader(), made, now=now, terms=ingest.Terms(reviewed=True, verb="review"))
        if accepted or rejected:
            with self._db.transaction() as connection:
                stamp = self._db.stamp(connection)
                quarantine.delete(connection, [held.id for held in accepted])
                graves = [store.Grave(*gone) for gone in quarantine.delete(connection, [held.id for held in rejected])]
                store.bury(connection, graves, now=now, stamp=stamp)
            self._db.empty_log()
        with self._db.read() as connection:
            return quarantine.held(connection, own)

    # -- parts of the recipes -----------------------------------------------------------------------------------

    def _rules(self) -> policies.Rules:
        with self._db.read() as connection:
            return policies.every(connection)

    def _trusted(self, user: str | None) -> float:
        """Return how far a record must be trusted to come into a context."""
        return self._rules().of(self._default.narrowed(user).user).min_trust

    def _withheld(self, purpose: str | None, user: str | None) -> tuple[str, ...]:
        """Return the topics that the user's policy does not show for *purpose*."""
        if purpose is None:
            return ()
        if not isinstance(purpose, str) or not purpose.strip():
            raise TypeError(f"purpose is a word such as 'persuasion', not {purpose!r:.80}")
        return self._rules().of(self._default.narrowed(user).user).withholds(purpose)


def _ids(name: str, given: str | Iterable[str]) -> list[str]:
    ids = [given] if isinstance(given, str) else given
    if not isinstance(ids, list | tuple | set | frozenset) or not all(isinstance(each, str) for each in ids):
        raise TypeError(f"{name} is an id or a list of them, not {given!r:.80}")
    return list(dict.fromkeys(ids))
