"""
Grants: what a user lets another one read of his.  Owns the table `grants`.

A grant is of one's own alone: what was granted to somebody is not his to grant on.  It is looked up with each read, in
the state of the file that the read sees, so that it ends for everybody at once.

Functions take a connection that `Database.read` or `Database.transaction` lent.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping, Sequence
from typing import Any

from .db import Connection, Stamp
from .errors import NotFoundError
from .records import Grant, moment, moment_or_none, new_id
from .scope import Granted, Scope, Seen, metadata_filter

MOST = 50  # grants that hold, from one user to another: each filter costs a read some 0.3 ms
MAX_FILTER = 65_536  # characters of JSON
COLUMNS = "uid, user, agent, session, grantee, grantee_agent, kinds, filter, granted_at, until, revoked_at"
HOLDS = "revoked_at is null and (until is null or until > :now)"


def with_granted(connection: Connection, seen: Seen, *, now: int) -> Seen:
    """
    Return *seen* with what is granted to its reader at *now*.

    The default user is whoever names none, so that nothing can be granted to him.  A grant that cannot be read, by a
    newer agentmem or of a damaged file, grants nothing.
    """
    reader = seen.scope
    if not reader.user:
        return seen
    rows = connection.execute(
        f"""select distinct user, agent, iif(:session = '', session, :session), kinds, filter from grants
            where grantee = :user and grantee_agent in ('', :agent) and {HOLDS}
            and (:session = '' or session in ('', :session)) order by 1, 2, 3, 4, 5""",
        {"user": reader.user, "agent": reader.agent, "session": reader.session, "now": now},
    )
    return seen.with_granted(
        [Granted(Scope(*whose), kinds, where) for *whose, kinds, where in rows if where is None or _is_filter(where)]
    )


def add(
    connection: Connection, owner: Scope, to: Scope, *, kinds: str | None, where: str | None, until: int | None,
    now: int, stamp: Stamp,
) -> Grant:  # fmt: skip
    """Write a grant from *owner* to the user, and the agent if there is one, of *to*; ValueError beyond MOST."""
    between = {"user": owner.user, "grantee": to.user, "now": now}
    held = connection.execute(
        f"select count(*) from grants where user = :user and grantee = :grantee and {HOLDS}", between
    ).get
    if held >= MOST:
        raise ValueError(f"{to.user!r} has {held} grants from this user already; revoke some, or grant more with one")
    uid = new_id(now)
    connection.execute(
        """insert into grants (uid, user, agent, session, grantee, grantee_agent, kinds, filter, granted_at, until,
               hlc, device)
           values (:uid, :user, :agent, :session, :grantee, :grantee_agent, :kinds, :filter, :now, :until,
               :hlc, :device)""",
        {
            **between,
            "uid": uid,
            "agent": owner.agent,
            "session": owner.session,
            "grantee_agent": to.agent,
            "kinds": kinds,
            "filter": where,
            "until": until,
            "hlc": stamp.hlc,
            "device": stamp.device,
        },
    )
    return find(connection, uid, owner.user)


def revoke(connection: Connection, uid: str, *, now: int, stamp: Stamp) -> None:
    """End a grant, unless it was ended already."""
    connection.execute(
        """update grants set revoked_at = :now, hlc = :hlc, device = :device
           where uid = :uid and revoked_at is null""",
        {"uid": uid, "now": now, "hlc": stamp.hlc, "device": stamp.device},
    )


def find(connection: Connection, uid: str, owner: str) -> Grant:
    """Return the grant *uid* of the user *owner*, or raise NotFoundError."""
    row = connection.execute(
        f"select {COLUMNS} from grants where uid = :uid and user = :owner", {"uid": uid, "owner": owner}
    ).fetchone()
    if row is None:
        raise NotFoundError(f"this user has given no grant {uid!r:.80}; `grants` shows what there is")
    return _grant(row)


def every(connection: Connection, user: str, *, ended: bool, now: int) -> list[Grant]:
    """Return the grants that *user* has given and received, oldest first; with *ended*, those too that hold no more."""
    rows = connection.execute(
        f"""select {COLUMNS} from grants
            where (user = :user or grantee = :user and :user <> '') and ({HOLDS} or :ended) order by uid""",
        {"user": user, "now": now, "ended": ended},
    )
    return [_grant(row) for row in rows]


def forget(connection: Connection, user: str, *, now: int, stamp: Stamp) -> bool:
    """
    End every grant from and to *user*, and take out of it who and what it was about; return whether there was one.

    The row stays, so that another copy of this memory cannot bring the grant back.
    """
    connection.execute(
        """update grants set user = nullif(user, :user), agent = '', session = '', grantee = nullif(grantee, :user),
               grantee_agent = '', kinds = null, filter = null, revoked_at = ifnull(revoked_at, :now), hlc = :hlc,
               device = :device
           where user = :user or grantee = :user""",
        {"user": user, "now": now, "hlc": stamp.hlc, "device": stamp.device},
    )
    return connection.changes() > 0


def unreadable(connection: Connection) -> int:
    """Return how many grants have a filter that cannot be read, so that they grant nothing."""
    filters = connection.execute("select filter from grants where filter is not null")
    return sum(not _is_filter(row[0]) for row in filters)


def described(kinds: object, what: object) -> tuple[str | None, str | None]:
    """Return *kinds* and the filter *what* as JSON; TypeError or ValueError where they are none, or say nothing."""
    if kinds is not None and (
        not isinstance(kinds, list | tuple | set | frozenset) or not all(isinstance(kind, str) for kind in kinds)
    ):
        raise TypeError(f"kinds is a list of strings, such as ['note'], not {kinds!r:.80}")
    if what is not None and not isinstance(what, Mapping):
        raise TypeError(f"what is a filter over metadata, not {what!r:.80}")
    for name, given in (("kinds", kinds), ("what", what)):
        if given is not None and not given:  # an unset variable must not grant everything
            raise ValueError(f"{name} is empty; leave it out to grant all")
    if isinstance(what, Mapping):
        metadata_filter(what)
    where = None if what is None else json.dumps(what, ensure_ascii=False, default=list)
    if where is not None and len(where) > MAX_FILTER:
        raise ValueError(f"what has {len(where):,} characters as JSON, more than {MAX_FILTER:,}")
    return None if kinds is None else json.dumps(sorted(kinds)), where


@functools.lru_cache(1024)
def _is_filter(where: str) -> bool:
    try:
        metadata_filter(json.loads(where))
    except (TypeError, ValueError, RecursionError):
        return False
    return True


def _grant(row: Sequence[Any]) -> Grant:
    uid, user, agent, session, to, to_agent, kinds, where, granted_at, until, revoked_at = row
    return Grant(
        id=uid,
        user=user,
        agent=agent or None,
        session=session or None,
        to=to,
        to_agent=to_agent or None,
        what=None if where is None else json.loads(where),
        kinds=None if kinds is None else tuple(json.loads(kinds)),
        granted_at=moment(granted_at),
        until=moment_or_none(until),
        revoked_at=moment_or_none(revoked_at),
    )
