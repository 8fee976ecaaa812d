"""
Records: write, read, revise, forget.  Owns the tables `records`, `scopes` and `tombstones`.

Functions take a connection that `Database.read` or `Database.transaction` lent.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from .db import Connection, Stamp
from .draft import Draft
from .errors import NotFoundError
from .records import Record, Row, moment, moment_or_none, new_id
from .scope import Predicate, Scope, metadata_filter
from .words import is_unicode

COLUMNS = """r.uid, r.text, r.kind, r.role, r.speaker, s.user, s.agent, s.session, r.occurred_at, r.recorded_at,
    r.valid_from, r.valid_to, r.status, r.supersedes, r.importance, r.confidence, r.trust, r.source, r.expires_at,
    r.metadata"""
# All versions of the records :uids: back to the first ones, one that is gone among them, then forward again.
CHAIN = """
    back (uid, supersedes) as (
        select uid, supersedes from records where uid in (select value from json_each(:uids))
        union select r.uid, r.supersedes from records as r join back on r.uid = back.supersedes),
    chain (uid) as (
        select uid from back
        union select supersedes from back where supersedes is not null
        union select r.uid from records as r join chain on r.supersedes = chain.uid)"""


def insert(connection: Connection, draft: Draft, *, now: int, stamp: Stamp, supersedes: str | None = None) -> int:
    """Write *draft* as a new active record, in the place of the one it *supersedes*, and return its row id."""
    scope = _scope_id(connection, draft.scope)
    connection.execute(
        """insert into records (uid, scope, position, kind, role, speaker, text, occurred_at, recorded_at, valid_from,
               status, supersedes, importance, confidence, trust, source, expires_at, metadata, content_hash, hlc,
               device)
           values (:uid, :scope,
               -- A revision stands where the old version stood; other turns go to the end of their conversation.
               case when :supersedes is not null then (select position from records where uid = :supersedes)
                    when :session <> '' then (select coalesce(max(position), 0) + 1 from records where scope = :scope)
               end,
               :kind, :role, :speaker, :text, :occurred_at, :now, :valid_from,
               'active', :supersedes, :importance, :confidence, :trust, :source, :expires_at, :metadata, :hash, :hlc,
               :device)""",
        {
            "uid": new_id(now),
            "scope": scope,
            "session": draft.scope.session,
            "kind": draft.kind,
            "role": draft.role,
            "speaker": draft.speaker,
            "text": draft.text,
            "occurred_at": draft.occurred_at,
            "now": now,
            "valid_from": now if draft.occurred_at is None else draft.occurred_at,
            "supersedes": supersedes,
            "importance": draft.importance,
            "confidence": draft.confidence,
            "trust": draft.trust,
            "source": draft.source,
            "expires_at": draft.expires_at,
            "metadata": draft.metadata,
            "hash": draft.content_hash,
            "hlc": stamp.hlc,
            "device": stamp.device,
        },
    )
    return int(connection.last_insert_rowid())


def known(connection: Connection, draft: Draft, *, now: int) -> int | None:
    """
    Return the row id of the record that *draft* repeats, or None.

    What carries its own time or key is known for good, also when superseded since: reading an old conversation
    again must not bring an old value back.  What carries neither is known only while it holds: said again after
    a change, it is news.  What expired by *now* is known no more.
    """
    row = connection.execute(
        """select r.id from records as r
           where r.content_hash = :hash and (r.status = 'active' or not :repeatable)
               and (r.expires_at is null or r.expires_at > :now)
           order by r.status, r.id limit 1""",
        {"hash": draft.content_hash, "repeatable": draft.repeatable, "now": now},
    ).fetchone()
    return None if row is None else int(row[0])


def forgotten(connection: Connection, draft: Draft) -> bool:
    """Return whether just this was forgotten, so that no import may bring it back."""
    found = connection.execute("select 1 from tombstones where content_hash = ?", (draft.content_hash,)).fetchone()
    return found is not None


def supersede(connection: Connection, uid: str, *, at: int, stamp: Stamp) -> None:
    """
    Mark the record as replaced from *at* on, in UTC milliseconds; its row stays as history.

    Earlier versions end there too, where they still held: what is said last is right about all that follows *at*.
    """
    connection.execute(
        f"""with recursive {CHAIN}
            update records
            set status = 'superseded', valid_to = max(valid_from, :at),
                stamps = json_set(coalesce(stamps, '{{}}'), '$.status', json_array(:hlc, d.uid),
                                  '$.valid_to', json_array(:hlc, d.uid))
            from devices as d
            where d.id = :device and records.uid in (select uid from chain)
            and (records.valid_to is null or records.valid_to > :at)""",
        {"uids": json.dumps([uid]), "at": at, "hlc": stamp.hlc, "device": stamp.device},
    )


def expire(connection: Connection, uid: str, *, at: int | None, stamp: Stamp) -> None:
    """Let the record *uid* expire at *at*, in UTC milliseconds; None is never."""
    connection.execute(
        """update records
           set expires_at = :at,
               stamps = json_set(coalesce(stamps, '{}'), '$.expires_at', json_array(:hlc, d.uid))
           from devices as d
           where d.id = :device and records.uid = :uid""",
        {"uid": uid, "at": at, "hlc": stamp.hlc, "device": stamp.device},
    )


def fetch(connection: Connection, ids: Sequence[int]) -> dict[int, Record]:
    """Return the records with these row ids, by row id."""
    rows = connection.execute(
        f"""select r.id, {COLUMNS} from records as r join scopes as s on s.id = r.scope
            where r.id in (select value from json_each(?))""",
        (json.dumps(list(ids)),),
    )
    return {row[0]: _record(row[1:]) for row in rows}


def find(connection: Connection, uid: str, own: Predicate) -> tuple[int, Record]:
    """Return the row id and record of *uid*, or raise NotFoundError where *own* does not see it."""
    if not isinstance(uid, str):
        raise TypeError(f"an id is a string, not {uid!r}")
    row = (
        is_unicode(uid)
        and connection.execute(
            f"""select r.id, {COLUMNS} from records as r join scopes as s on s.id = r.scope
            where r.uid = :uid and {own.sql}""",
            {**own.bindings, "uid": uid},
        ).fetchone()
    )
    if not row:
        raise NotFoundError(f"there is no record {uid!r} for this user; `list` shows what there is")
    return row[0], _record(row[1:])


def current(connection: Connection, uid: str, own: Predicate) -> Record:
    """Return the record *uid*; NotFoundError where *own* does not see it, ValueError where it was revised already."""
    record = find(connection, uid, own)[1]
    if record.status != "active":
        newest = versions(connection, [uid], own)[-1]
        raise ValueError(f"record {uid} was revised already; revise {newest.id}, the version that holds")
    return record


def select(connection: Connection, seen: Predicate, *, limit: int, offset: int) -> list[Record]:
    """Return the records that *seen* sees, newest first, ties by row id."""
    rows = connection.execute(
        f"""select {COLUMNS} from records as r join scopes as s on s.id = r.scope
            where {seen.sql}
            order by coalesce(r.occurred_at, r.recorded_at) desc, r.id desc limit :limit offset :offset""",
        {**seen.bindings, "limit": limit, "offset": offset},
    )
    return [_record(row) for row in rows]


def versions(connection: Connection, uids: Sequence[str], own: Predicate) -> list[Record]:
    """Return every version of the records *uids* that *own* sees, from any of their versions, oldest first."""
    rows = connection.execute(
        f"""with recursive {CHAIN}
            select {COLUMNS} from records as r join scopes as s on s.id = r.scope
            where r.uid in (select uid from chain) and {own.sql}
            order by r.id""",
        {**own.bindings, "uids": json.dumps(list(uids))},
    )
    return [_record(row) for row in rows]


def turns(
    connection: Connection, number: int, seen: Predicate, *, limit: int, after: int = 0, before: int | None = None
) -> list[tuple[int, Record]]:
    """
    Return records of the conversation *number* that *seen* sees, with their positions, in order.

    Args:
        number: of its scope.
        limit: at most so many: the last ones, or where *before* is given the first ones after position *after*.
    """
    span, order = ("", "desc") if before is None else ("and r.position > :after and r.position < :before", "asc")
    rows = connection.execute(
        f"""select r.position, {COLUMNS} from records as r join scopes as s on s.id = r.scope
            where r.scope = :number and r.position is not null {span} and {seen.sql}
            order by r.position {order}, r.id {order} limit :limit""",
        {**seen.bindings, "number": number, "after": after, "before": before, "limit": limit},
    ).fetchall()
    found: list[Any] = rows[::-1] if before is None else rows
    return [(row[0], _record(row[1:])) for row in found]


def has_all(connection: Connection, uids: Sequence[str]) -> bool:
    """Return whether all of the records *uids* are there."""
    found = "select count(*) from records where uid in (select value from json_each(?))"
    return int(connection.execute(found, (json.dumps(list(uids)),)).get) == len(set(uids))


def before(connection: Connection, uids: Sequence[str], seen: Predicate) -> dict[str, str]:
    """Return the text that *seen* sees directly before each of the records *uids* in its conversation, by uid."""
    rows = connection.execute(
        f"""select h.uid, r.text from records as h
            join records as r on r.scope = h.scope and r.position = h.position - 1
            where h.uid in (select value from json_each(:uids)) and {seen.sql}""",
        {**seen.bindings, "uids": json.dumps(list(uids))},
    )
    return dict(iter(rows))


def fits_nothing_in_particular(connection: Connection, where: Mapping[str, object]) -> bool:
    """Return whether the filter *where* also holds for a record without metadata."""
    wanted = metadata_filter(where)
    return bool(connection.execute(f"select {wanted.sql} from (select '{{}}' as metadata) as r", wanted.bindings).get)


def matching(connection: Connection, seen: Predicate) -> list[str]:
    """Return the uids of the records that *seen* sees."""
    rows = connection.execute(f"select r.uid from records as r where {seen.sql} order by r.id", seen.bindings)
    return [row[0] for row in rows]


def rows(connection: Connection, uids: Iterable[str]) -> list[Row]:
    """Return what the indexes hold of the records *uids*."""
    found = connection.execute(
        "select id, speaker, text, occurred_at from records where uid in (select value from json_each(?)) order by id",
        (json.dumps(list(uids)),),
    )
    return [Row(*row) for row in found]


def every_row(connection: Connection) -> Iterator[Row]:
    """Yield what the indexes hold of every record, by row id."""
    for row in connection.execute("select id, speaker, text, occurred_at from records order by id"):
        yield Row(*row)


def said(connection: Connection, ids: Sequence[int]) -> dict[int, dict[str, Any]]:
    """Return what the claims of records are read of, by row id."""
    sql = "select id, text, role, speaker, kind, metadata from records where id in (select value from json_each(?))"
    names = ("text", "role", "speaker", "kind", "metadata")
    return {id: dict(zip(names, rest, strict=True)) for id, *rest in connection.execute(sql, (json.dumps(list(ids)),))}


class Grave(NamedTuple):
    """What a tombstone says, beside when and where it was set."""

    uid: str
    hash: bytes  # of the content, which no import may bring in again
    reach: int | None = None  # the same content written up to this clock goes, too; None: the clock of the tombstone
    alone: bool = False  # its other versions stay


def delete(
    connection: Connection,
    uids: Sequence[str],
    *,
    now: int,
    stamp: Stamp,
    reach: Mapping[str, int],
    alone: Collection[str],
) -> None:
    """Take the records *uids* out for good and leave a tombstone for each; their index entries must be gone."""
    named = json.dumps(list(uids))
    rows = connection.execute(
        "select uid, content_hash from records where uid in (select value from json_each(?))", (named,)
    )
    graves = [Grave(uid, hash, 0 if uid in alone else reach.get(uid), uid in alone) for uid, hash in rows]
    bury(connection, graves, now=now, stamp=stamp)
    connection.execute("delete from records where uid in (select value from json_each(?))", (named,))
    # A name is a memory too: of a user without records none remains.
    connection.execute("delete from scopes where not exists (select 1 from records where scope = scopes.id)")


def bury(connection: Connection, graves: Iterable[Grave], *, now: int, stamp: Stamp) -> None:
    """Leave tombstones, where there are none yet; those of what is no record have no hash."""
    connection.executemany(
        """insert or ignore into tombstones (uid, content_hash, reach, alone, forgotten_at, hlc, device)
           values (?, ?, ?, ?, ?, ?, ?)""",
        [(*grave, now, stamp.hlc, stamp.device) for grave in graves],
    )


def adopt(connection: Connection, rows: Sequence[Mapping[str, Any]], numbers: Mapping[str, int]) -> None:
    """
    Write records as another file has them.

    Args:
        rows: column → value; the scope as user, agent and session, the device as its uid, stamps as a mapping.
        numbers: device uid → devices.id.
    """
    scopes = {key: _scope_id(connection, Scope(*key)) for key in {_whose(row) for row in rows}}
    columns = [name for (name,) in connection.execute("select name from pragma_table_info('records')") if name != "id"]
    local = [
        {**row, "scope": scopes[_whose(row)], "device": numbers[row["device"]], "stamps": _stamps(row["stamps"])}
        for row in rows
    ]
    named = [name for name in columns if not local or name in local[0]]
    connection.executemany(
        f"insert into records ({', '.join(named)}) values ({', '.join('?' * len(named))})",
        [[row[name] for name in named] for row in local],
    )


def _whose(row: Mapping[str, Any]) -> tuple[str, str, str]:
    return row["user"], row["agent"], row["session"]


def _stamps(stamps: Mapping[str, Any]) -> str | None:
    return json.dumps(stamps) if stamps else None


def overwrite(connection: Connection, id: int, values: Mapping[str, Any]) -> None:
    """Set columns of a record, stamps among them."""
    connection.execute(
        f"update records set {', '.join(f'{name} = :{name}' for name in values)} where id = :id",
        {**values, "stamps": _stamps(values["stamps"]), "id": id},
    )


def adopt_tombstones(connection: Connection, rows: Sequence[Mapping[str, Any]], numbers: Mapping[str, int]) -> None:
    """Write tombstones as another file has them, over those that are here."""
    connection.executemany(
        """insert or replace into tombstones (uid, content_hash, reach, alone, forgotten_at, hlc, device)
           values (:uid, :content_hash, :reach, :alone, :forgotten_at, :hlc, :device)""",
        [{**row, "device": numbers[row["device"]]} for row in rows],
    )


def change(connection: Connection, column: str, values: Mapping[int, object], stamp: Stamp) -> None:
    """Set one *column* of records, by row id, and note when and where."""
    connection.executemany(
        f"""update records
            set {column} = :value, stamps = json_set(coalesce(stamps, '{{}}'), '$.{column}', json_array(:hlc, d.uid))
            from devices as d where d.id = :device and records.id = :id""",
        [{"id": id, "value": value, "hlc": stamp.hlc, "device": stamp.device} for id, value in values.items()],
    )


def kinds(connection: Connection, own: Predicate) -> list[str]:
    """Return the kinds of the records that *own* sees."""
    rows = connection.execute(f"select distinct r.kind from records as r where {own.sql} order by 1", own.bindings)
    return [row[0] for row in rows]


def counts(connection: Connection, own: Predicate) -> dict[str, dict[str, int]]:
    """Count what *own* sees: {"status": …, "kind": …, "speaker": …} → value → how many; the last two active only."""
    found: dict[str, dict[str, int]] = {}
    for column, active in (("status", "true"), ("kind", "r.status = 'active'"), ("speaker", "r.status = 'active'")):
        found[column] = dict(
            connection.execute(
                f"""select r.{column}, count(*) from records as r
                    where {own.sql} and {active} and r.{column} is not null group by 1 order by 2 desc, 1""",
                own.bindings,
            )
        )
    return found


def span(connection: Connection, own: Predicate) -> tuple[int, int | None, int | None]:
    """Return how many sessions *own* sees, and the first and last known time in them, in UTC milliseconds."""
    sessions, first, last = connection.execute(
        f"""select count(distinct nullif(s.session, '')), min(r.occurred_at), max(r.occurred_at)
            from records as r join scopes as s on s.id = r.scope where {own.sql} and r.status = 'active'""",
        own.bindings,
    ).get
    return sessions, first, last


def scope_number(connection: Connection, scope: Scope) -> int:
    """Return the number of just this scope, 0 where it holds nothing."""
    key = (scope.user, scope.agent, scope.session)
    row = connection.execute("select id from scopes where user = ? and agent = ? and session = ?", key).fetchone()
    return 0 if row is None else int(row[0])


def users(connection: Connection, *, uid: str | None, agent: str | None, session: str | None) -> list[str]:
    """Return the names of the users who have records, of *agent*, of *session*, or just the record *uid*."""
    if uid is not None and not is_unicode(uid):
        return []
    rows = connection.execute(
        """select distinct user from scopes
           where (:agent is null or agent = :agent) and (:session is null or session = :session)
               and (:uid is null or id = (select scope from records where uid = :uid)) order by user""",
        {"uid": uid, "agent": agent, "session": session},
    )
    return [row[0] for row in rows]


def scope_numbers(connection: Connection, scope: Scope, *, after: int = 0) -> list[int]:
    """Return the numbers above *after* of the scopes within *scope*, ascending."""
    sql = f"select id from scopes where {scope.owns.sql} and id > :after order by id"
    return [row[0] for row in connection.execute(sql, {**scope.owns.bindings, "after": after})]


def _scope_id(connection: Connection, scope: Scope) -> int:
    if number := scope_number(connection, scope):
        return number
    key = (scope.user, scope.agent, scope.session)
    connection.execute("insert into scopes (user, agent, session) values (?, ?, ?)", key)
    return int(connection.last_insert_rowid())


def _record(row: Sequence[Any]) -> Record:
    (uid, text, kind, role, speaker, user, agent, session, occurred, recorded, valid_from, valid_to, status, supersedes,
     importance, confidence, trust, source, expires, metadata) = row  # fmt: skip
    return Record(
        id=uid,
        text=text,
        kind=kind,
        role=role,
        speaker=speaker,
        user=user,
        agent=agent or None,
        session=session or None,
        occurred_at=moment_or_none(occurred),
        recorded_at=moment(recorded),
        valid_from=moment(valid_from),
        valid_to=moment_or_none(valid_to),
        status=status,
        supersedes=supersedes,
        importance=importance,
        confidence=confidence,
        trust=trust,
        source=source,
        expires_at=moment_or_none(expires),
        metadata=json.loads(metadata),
    )
