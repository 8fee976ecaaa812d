"""
Find candidates by meaning, and what ranking asks of them.  Owns the derived tables `vectors`, `token_codes`, `traits`
and `times`, which `rebuild` can make again.

Functions take a connection that `Database.read` or `Database.transaction` lent.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence

from .db import Connection
from .records import Row
from .scope import Predicate

Interval = tuple[int, int]


def nearest(connection: Connection, vector: bytes, seen: Predicate, limit: int) -> dict[int, float]:
    """
    Return row id → cosine (higher is better) of the *limit* nearest of what *seen* sees, ties by row id.

    Args:
        vector: int8[384], from `encoder.quantise`.
    """
    rows = connection.execute(
        f"""select r.id, 1 - vec_distance_cosine(vec_int8(v.vector), vec_int8(:vector)) as score
            from records as r join vectors as v on v.id = r.id
            where {seen.sql}
            order by score desc, r.id limit :limit""",
        {**seen.bindings, "vector": vector, "limit": limit},
    )
    return dict(rows)


def nearest_of_times(
    connection: Connection, vector: bytes, seen: Predicate, asked: Sequence[Interval], limit: int
) -> dict[int, float]:
    """Return what `nearest` does, of the records that were said in, or speak of, one of the intervals *asked*."""
    found = f"""r.id in (
            select t.id from json_each(:asked) as a cross join times as t
                on t.until > a.value ->> 0 and t.since < a.value ->> 1
            union select o.id from json_each(:asked) as a cross join records as o
                on o.occurred_at >= a.value ->> 0 and o.occurred_at < a.value ->> 1)
        and {seen.sql}"""
    return nearest(connection, vector, Predicate(found, {**seen.bindings, "asked": json.dumps(list(asked))}), limit)


def cosines(connection: Connection, vector: bytes, ids: Sequence[int]) -> dict[int, float]:
    """Return row id → cosine to *vector* (int8[384]) for the records *ids*."""
    rows = connection.execute(
        """select id, 1 - vec_distance_cosine(vec_int8(vector), vec_int8(:vector)) from vectors
           where id in (select value from json_each(:ids))""",
        {"vector": vector, "ids": json.dumps(list(ids))},
    )
    return dict(rows)


def visible(connection: Connection, ids: Sequence[int], seen: Predicate) -> list[int]:
    """Return those of the records *ids* that *seen* sees."""
    rows = connection.execute(
        f"select r.id from json_each(:ids) as i cross join records as r on r.id = i.value where {seen.sql}",
        {**seen.bindings, "ids": json.dumps(list(ids))},
    )
    return [row[0] for row in rows]


def codes(connection: Connection, ids: Sequence[int]) -> dict[int, bytes]:
    """Return row id → 1-bit token codes, 48 bytes each, of the records *ids*."""
    return dict(
        connection.execute(
            "select id, codes from token_codes where id in (select value from json_each(?))", (json.dumps(list(ids)),)
        )
    )


def times(connection: Connection, ids: Sequence[int]) -> dict[int, list[Interval]]:
    """Return row id → the times that it speaks of, half-open, UTC ms, for those of the records *ids* that do."""
    found: dict[int, list[Interval]] = defaultdict(list)
    rows = connection.execute(
        "select id, since, until from times where id in (select value from json_each(?))", (json.dumps(list(ids)),)
    )
    for id, since, until in rows:
        found[id].append((since, until))
    return found


def index(connection: Connection, row: Row, vector: bytes, token_codes: bytes) -> None:
    """Enter a record into the indexes of meaning."""
    connection.execute("insert into vectors (id, vector) values (?, ?)", (row.id, vector))
    connection.execute("insert into token_codes (id, codes) values (?, ?)", (row.id, token_codes))
    _index_traits(connection, row)


def _index_traits(connection: Connection, row: Row) -> None:
    from .traits import traits  # its patterns take 0.02 s: only those who write pay for them

    found = traits(row.text, row.at)
    connection.execute(
        "insert into traits (id, length, asks, states, tells, dated) values (?, ?, ?, ?, ?, ?)",
        (row.id, found.length, found.asks, found.states, found.tells, bool(found.times)),
    )
    for since, until in found.times:
        connection.execute("insert into times (id, since, until) values (?, ?, ?)", (row.id, since, until))


def write_vectors(connection: Connection, id: int, vector: bytes, token_codes: bytes) -> None:
    """Set what the encoder made of the record with row id *id*, if it is still here."""
    for table, column, value in (("vectors", "vector", vector), ("token_codes", "codes", token_codes)):
        connection.execute(
            f"insert or replace into {table} (id, {column}) select id, ? from records where id = ?", (value, id)
        )


def unindex(connection: Connection, rows: Sequence[Row]) -> None:
    """Take records out of the indexes of meaning."""
    for row in rows:
        for table in ("vectors", "token_codes", "traits", "times"):
            connection.execute(f"delete from {table} where id = ?", (row.id,))


def rebuild_traits(connection: Connection, rows: Iterable[Row]) -> None:
    """Read the traits and times again from *rows*, which are all."""
    connection.execute("delete from traits")
    connection.execute("delete from times")
    for row in rows:
        _index_traits(connection, row)


def clear_vectors(connection: Connection) -> None:
    """Delete all vectors and codes."""
    connection.execute("delete from vectors")
    connection.execute("delete from token_codes")


def without_vectors(connection: Connection) -> Iterator[Row]:
    """Yield the records that have no vector, by row id."""
    sql = """select id, speaker, text, occurred_at from records
             where id not in (select id from vectors) order by id"""
    for row in connection.execute(sql):
        yield Row(*row)
