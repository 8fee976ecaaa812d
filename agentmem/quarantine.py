"""
What was put aside until a person has looked at it: drafts, not records, so that no read can show them.  Owns the table
`quarantine`.

Functions take a connection that `Database.read` or `Database.transaction` lent.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

from .db import Connection, Stamp
from .draft import Draft
from .errors import NotFoundError
from .records import Held, moment, new_id
from .scope import Scope

COLUMNS = "uid, user, agent, session, source, reason, draft, put_at"


def put(
    connection: Connection, made: Draft, reason: str, *, vector: bytes | None, now: int, stamp: Stamp
) -> str | None:
    """Put *made* aside and return its id; None where it is here already."""
    if waiting(connection, made):
        return None
    uid = new_id(now)
    connection.execute(
        """insert into quarantine (uid, user, agent, session, source, reason, draft, vector, content_hash, put_at, hlc,
               device)
           values (:uid, :user, :agent, :session, :source, :reason, :draft, :vector, :hash, :now, :hlc, :device)""",
        {
            "uid": uid,
            "user": made.scope.user,
            "agent": made.scope.agent,
            "session": made.scope.session,
            "source": made.source,
            "reason": reason,
            "draft": json.dumps({"text": made.text, **made.arguments}, ensure_ascii=False),
            "vector": vector,
            "hash": made.content_hash,
            "now": now,
            "hlc": stamp.hlc,
            "device": stamp.device,
        },
    )
    return uid


def waiting(connection: Connection, made: Draft) -> bool:
    """Return whether just this is put aside already."""
    found = connection.execute("select 1 from quarantine where content_hash = ?", (made.content_hash,)).fetchone()
    return found is not None


def held(connection: Connection, scope: Scope) -> list[Held]:
    """Return what is put aside of *scope*, the oldest first."""
    rows = connection.execute(
        f"select {COLUMNS} from quarantine where {scope.owns.sql} order by put_at, uid", scope.owns.bindings
    )
    return [_held(*row) for row in rows]


def find(connection: Connection, uid: str, scope: Scope) -> Held:
    """Return what was put aside as *uid*; NotFoundError where *scope* has none such."""
    row = connection.execute(
        f"select {COLUMNS} from quarantine where uid = :uid and {scope.owns.sql}", {**scope.owns.bindings, "uid": uid}
    ).fetchone()
    if row is None:
        raise NotFoundError(f"nothing is put aside as {uid!r:.80} for this user; `review` shows what is")
    return _held(*row)


def vectors(connection: Connection, scope: Scope, source: str | None, *, since: int, limit: int) -> list[bytes]:
    """Return the vectors of the last *limit* writes from *source* to *scope*'s user since then, put aside or stored."""
    given = {"user": scope.user, "source": source, "since": since, "limit": limit}
    rows = connection.execute(
        """select vector from quarantine
           where user = :user and source is :source and put_at >= :since and vector is not null
           union all select v.vector from (
               select r.id from records as r join scopes as s on s.id = r.scope
               where r.id > (select max(id) from records) - :limit
                   and s.user = :user and r.source is :source and r.recorded_at >= :since) as r
           join vectors as v on v.id = r.id
           limit :limit""",
        given,
    )
    return [row[0] for row in rows]


def delete(connection: Connection, uids: Iterable[str]) -> list[tuple[str, bytes]]:
    """Erase what was put aside as *uids*, and return each id with its content hash."""
    sql = "delete from quarantine where uid in (select value from json_each(?)) returning uid, content_hash"
    rows: list[Any] = connection.execute(sql, (json.dumps(list(uids)),)).fetchall()
    return [(uid, hash) for uid, hash in rows]


def forget(connection: Connection, scope: Scope, *, source: str | None = None) -> Sequence[str]:
    """Erase what is put aside of *scope*, or what of it came from *source*, and return the ids."""
    rows: list[Any] = connection.execute(
        f"""delete from quarantine where {scope.owns.sql} and (:source is null or source = :source) returning uid""",
        {**scope.owns.bindings, "source": source},
    ).fetchall()
    return [row[0] for row in rows]


def _held(
    uid: str, user: str, agent: str, session: str, source: str | None, reason: str, draft: str, put_at: int
) -> Held:
    given: dict[str, Any] = json.loads(draft)
    return Held(
        id=uid,
        text=given.pop("text"),
        reason=reason,
        user=user,
        agent=agent or None,
        session=session or None,
        source=source,
        trust=given["trust"],
        put_at=moment(put_at),
        fields=given,
    )
