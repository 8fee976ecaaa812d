"""
`Granting`: the verbs about who may read what of others, and about who did what when.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from . import audit, grants, scope
from .opened import Opened
from .records import FIRST_INSTANT, LAST_INSTANT, AuditEntry, Grant, Instant, instant
from .scope import Scope


class Granting(Opened):
    """What an open memory shows to whom."""

    def grant(
        self,
        *,
        to: str,
        what: Mapping[str, object] | None = None,
        kinds: Sequence[str] | None = None,
        until: Instant | None = None,
        to_agent: str | None = None,
        user: str | None = None,
        agent: str | None = None,
        session: str | None = None,
    ) -> Grant:
        """
        Let another user read records, those that are here and those to come; never change them, or grant them on.

        Args:
            to: the user.
            what: only what fits this filter over metadata, see `recall`; None is all.
            kinds: only these kinds of record; None is all.
            until: it ends then; None is until `revoke`.
            to_agent: only when he reads as this agent.
            user, agent, session: whose records, and only those of this agent or conversation.

        Raises:
            TypeError, ValueError: an argument is not what it should be, or *to* has 50 grants of this user already.
        """
        now = self._now()
        owner, reader = self._default.narrowed(user, agent, session), Scope().narrowed(to, to_agent)
        if not reader.user:
            raise ValueError('to is the name of a user; to "", which is whoever names none, nothing can be granted')
        if reader.user == owner.user:
            raise ValueError(f"{to!r} reads these records already: they are his own")
        listed, where = grants.described(kinds, what)
        end = None if until is None else instant(until)
        if end is not None and end <= now:
            raise ValueError(f"until is over already: {until!r:.80}")
        with self._db.transaction() as connection:
            made = grants.add(
                connection, owner, reader, kinds=listed, where=where, until=end, now=now,
                stamp=self._db.stamp(connection),
            )  # fmt: skip
            audit.note(connection, "grant", owner, [made.id], at=now, to=reader)
        return made

    def revoke(self, id: str, *, user: str | None = None) -> Grant:
        """
        End a grant: the next read by anybody does not see what it showed.  One that has ended stays as it is.

        Raises:
            NotFoundError: this user has given no such grant.
        """
        if not isinstance(id, str):
            raise TypeError(f"an id is a string, not {id!r:.80}")
        now, owner = self._now(), self._default.narrowed(user)
        with self._db.transaction() as connection:
            held = grants.find(connection, id, owner.user)
            if held.revoked_at is not None:
                return held
            grants.revoke(connection, id, now=now, stamp=self._db.stamp(connection))
            audit.note(connection, "revoke", owner, [id], at=now, to=Scope(held.to or "", held.to_agent or ""))
            return grants.find(connection, id, owner.user)

    def grants(self, *, ended: bool = False, user: str | None = None) -> list[Grant]:
        """
        Return the grants that this user has given and received, oldest first.

        Args:
            ended: also those that are revoked or over.
        """
        if not isinstance(ended, bool):
            raise TypeError(f"ended is True or False, not {ended!r:.80}")
        with self._db.read() as connection:
            return grants.every(connection, self._default.narrowed(user).user, ended=ended, now=self._now())

    def audit(
        self,
        *,
        verbs: Sequence[str] | None = None,
        since: Instant | None = None,
        until: Instant | None = None,
        limit: int = 100,
        offset: int = 0,
        everyone: bool = False,
        user: str | None = None,
        agent: str | None = None,
    ) -> list[AuditEntry]:
        """
        Return who did what, the newest first; `verify` checks that nobody changed it.

        A user sees what he did, what was granted to him, and, where reads are audited, who read records of his.

        Args:
            verbs: only these, such as ["forget", "grant"].
            since, until: only since <= at < until.
            everyone: what every user of this file did, for whoever keeps the file.
        """
        if verbs is not None and (isinstance(verbs, str) or not all(isinstance(verb, str) for verb in verbs)):
            raise TypeError(f"verbs is a list of strings, such as ['forget'], not {verbs!r:.80}")
        if not isinstance(everyone, bool):
            raise TypeError(f"everyone is True or False, not {everyone!r:.80}")
        scope.check_count("limit", limit, 0)
        scope.check_count("offset", offset, 0)
        whose = self._default.narrowed(user, agent)
        with self._db.read() as connection:
            return audit.entries(
                connection,
                scope.within(Scope(whose.user, whose.agent)),
                None if everyone else whose,
                verbs=verbs,
                since=FIRST_INSTANT if since is None else instant(since),
                until=LAST_INSTANT + 1 if until is None else instant(until),
                limit=limit,
                offset=offset,
            )
