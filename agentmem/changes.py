"""
What of one file another one lacks: rows with their stamps, free of local numbers.  Only reads.

A file knows of every device up to which clock it has all that was written there.  What another file lacks is what lies
beyond, and is found by indexes: it costs what has changed, not what there is.
"""

from __future__ import annotations

import json
from array import array
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from . import meta, tables
from .db import Connection, bound
from .errors import StorageError
from .meta import Seen
from .records import batches
from .tables import CHANGED, Table

BATCH = 1_000  # rows that travel together, and are written in one transaction
FIRST = (  # tables of every schema
    "meta", "devices", "scopes", "records", "tombstones", "kinds", "vectors", "token_codes", "traits", "times",
    "claims",
)  # fmt: skip
LAST_CLOCK = 1 << 62  # about the year 4199; a later stamp leaves no room for those to come
Value = Any  # what SQLite holds
Values = dict[str, Any]  # column → value of a row that travels
# Of what a column is that is looked at before SQLite has checked the row.
KINDS = {"uid": str, "content_hash": bytes, "text": str, "metadata": str, "recorded_at": int, "forgotten_at": int}
KINDS |= dict.fromkeys(("user", "agent", "session", "kind", "role"), str)
NEEDED = {
    "tombstones": ("content_hash", "forgotten_at"),
    "records": (
        "user", "agent", "session", "position", "kind", "role", "speaker", "text", "occurred_at", "recorded_at",
        "valid_from", "valid_to", "status", "supersedes", "importance", "confidence", "trust", "source", "expires_at",
        "metadata", "content_hash", "stamps",
    ),
}  # fmt: skip


class Batch(NamedTuple):
    """Rows of one table."""

    table: Table
    columns: Sequence[str]  # of the rows; device is a uid, scope is user, agent, session
    rows: Sequence[Sequence[Value]]
    derived: Mapping[str, Carried]  # table → what is made of the records among the rows


class Carried(NamedTuple):
    """Rows of a derived table."""

    columns: Sequence[str]  # without the one that names the record
    rows: Sequence[Sequence[Value]]  # each begins with the record's uid


class Origin(NamedTuple):
    """Where rows come from."""

    schema: int
    encoder: str | None  # that its vectors are made with
    seen: Mapping[str, Seen]  # what it has of which device


def origin(connection: Connection) -> Origin:
    """Return what a file says of itself; StorageError where it lacks tables that it should have."""
    kinds = dict(connection.execute("select name, sql from sqlite_schema where type = 'table'"))
    for name in FIRST:
        if "create table" not in str(kinds.get(name)).lower():
            raise StorageError(f"the other file has no table {name}; it is damaged, or no memory")
    schema = int(connection.pragma("user_version"))
    # A file of before schema 6 does not say what it has seen: all of it is looked through.
    known = "seen" in tables.columns(connection, "devices")
    seen = meta.seen(connection) if known else {
        uid: Seen() for (uid,) in connection.execute("select uid from devices")
    }  # fmt: skip
    return Origin(schema, meta.encoder_id(connection), seen)


def since(connection: Connection, have: Mapping[str, Seen], *, carried: bool) -> Iterator[Batch]:
    """
    Yield what the file has beyond *have*, table by table, in the order of the clock.

    Args:
        have: device uid → what the receiver has of it.
        carried: whether to give what is derived of records, too.
    """
    if not _note(connection, have):
        return
    there = {name for (name,) in connection.execute("select name from sqlite_schema where type = 'table'")}
    for table in tables.SYNCED:
        if table.name not in there:
            continue  # a file of an older schema
        if table.name == "records":
            names = (*(tables.CARRIED if carried else ()), *(name for name in tables.ATTACHED if name in there))
            yield from _records(connection, table, names)
            continue
        columns = tables.columns(connection, table.name)
        listed = ", ".join(tables.portable(table.name, name) for name in columns)
        rows = connection.execute(
            f"""select {listed} from temp.wanted as h
                cross join {table.name} as t on t.device = h.device and t.hlc > h.seen
                join devices as d on d.id = t.device order by t.hlc, d.uid"""
        )
        for some in batches(rows, BATCH):
            yield Batch(table, columns, some, {})


def _note(connection: Connection, have: Mapping[str, Seen]) -> int:
    """Note in a temporary table from which clock on which device's writes are wanted; return of how many devices."""
    connection.execute("drop table if exists temp.wanted")
    connection.execute("create table temp.wanted (device integer primary key, uid text, seen integer, began integer)")
    theirs = origin(connection).seen
    numbers = dict(connection.execute("select uid, id from devices"))
    wanted = []
    for uid, (began, last, partly) in theirs.items():
        mine = have.get(uid, Seen()).last if last or partly else 0
        if max(last, partly) > mine or not mine:
            wanted.append((numbers[uid], uid, mine, began))
    connection.executemany("insert into temp.wanted values (?, ?, ?, ?)", wanted)
    return len(wanted)


def _records(connection: Connection, table: Table, made: Sequence[str]) -> Iterator[Batch]:
    """Yield the records that are wanted, with what the tables *made* have of them."""
    columns = tables.columns(connection, "records")
    listed = ", ".join(tables.portable("records", name) for name in columns)
    ids = [
        row[0]
        for row in connection.execute(
            f"""select found.id from (
                    select r.id, r.hlc, r.device, r.uid from temp.wanted as h
                    cross join records as r on r.device = h.device and r.hlc > h.seen
                    union
                    select r.id, r.hlc, r.device, r.uid from records as r
                    where r.stamps is not null
                        and {CHANGED} > (select min(max(seen, began - 1)) from temp.wanted)
                        and exists (select 1 from json_each(r.stamps) as e
                            join temp.wanted as h on h.uid = e.value ->> 1 and e.value ->> 0 > h.seen)) as found
                join devices as d on d.id = found.device order by found.hlc, d.uid, found.uid"""
        )
    ]
    for first in range(0, len(ids), BATCH):
        some = array("q", ids[first : first + BATCH])
        rows = connection.execute(
            f"""select {listed} from {tables.source("records")}
                where t.id in carray(:ids) order by t.hlc, d.uid, t.uid""",
            {"ids": bound(some)},
        )
        derived = {name: _carried(connection, name, some) for name in made}
        yield Batch(table, columns, list(rows), derived)


def _carried(connection: Connection, name: str, ids: array[int]) -> Carried:
    record = tables.DERIVED.get(name) or tables.ATTACHED[name]
    columns = [column for column in tables.columns(connection, name) if column != record]
    rows = connection.execute(
        f"""select r.uid, {", ".join(f"t.{column}" for column in columns)}
            from carray(:ids) as i cross join {name} as t on t.{record} = i.value
            cross join records as r on r.id = i.value""",
        {"ids": bound(ids)},
    )
    return Carried(columns, list(rows))


def checked(table: Table, row: Values) -> Values:
    """Return a row that came from elsewhere; StorageError where it is not what a row of this table is."""
    if missing := {*table.key, *NEEDED.get(table.name, ())} - row.keys():
        raise StorageError(f"the other file is damaged: {table.name} has no {', '.join(sorted(missing))}")
    stamps = json.loads(row["stamps"]) if row.get("stamps") else {}
    pairs = [(row.get("hlc"), row.get("device"))]
    if not isinstance(stamps, dict):
        raise StorageError(f"the other file is damaged: stamps are {row['stamps']!r:.80}")
    for pair in stamps.values():
        if not isinstance(pair, list) or len(pair) != 2:
            raise StorageError(f"the other file is damaged: a stamp is {pair!r:.80}")
        pairs.append((pair[0], pair[1]))
    for hlc, device in pairs:
        if type(hlc) is not int or not 0 <= hlc < LAST_CLOCK or not isinstance(device, str):
            raise StorageError(f"the other file is damaged: a row was written at {hlc!r:.80} by {device!r:.80}")
    for name, kind in KINDS.items() if table.name in ("records", "tombstones") else ():
        if name in row and type(row[name]) is not kind:
            raise StorageError(f"the other file is damaged: {name} is {row[name]!r:.80}")
    return row | {"stamps": stamps} if "stamps" in row else row
