"""
What the file has for searching by meaning and for ranking.  Owns the derived tables `vectors`, `token_codes`, `traits`,
`times` and `topics`, which `rebuild` can make again.

Functions take a connection that `Database.read` or `Database.transaction` lent.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from .db import Connection, bound
from .records import Row
from .scope import Predicate

if TYPE_CHECKING:  # numpy, 0.1 s: those who only write need not wait for it
    import numpy as np
    from numpy.typing import NDArray

    from .traits import Traits

    Ids = NDArray[np.int64]  # row ids

Interval = tuple[int, int]
SIGNS = "(select vec_quantize_binary(vec_int8(v)) from (select ? as v) where v is not null)"  # of a vector


def visible(connection: Connection, ids: Ids, seen: Predicate) -> list[int]:
    """Return those of the records *ids* that *seen* sees, in order."""
    rows = connection.execute(
        f"select r.id from carray(:ids) as i cross join records as r on r.id = i.value where {seen.sql}",
        {**seen.bindings, "ids": bound(ids)},
    )
    return [row[0] for row in rows]


def encoded(connection: Connection, ids: Ids, seen: Predicate) -> dict[int, tuple[bytes | None, bytes | None]]:
    """Return row id → vector, int8[384], and codes, 48 bytes a token, of those of the records *ids* that are *seen*."""
    rows = connection.execute(
        f"""select r.id, v.vector, t.codes
            from carray(:ids) as i cross join records as r on r.id = i.value
            left join vectors as v on v.id = r.id left join token_codes as t on t.id = r.id
            where {seen.sql}""",
        {**seen.bindings, "ids": bound(ids)},
    )
    return {id: (vector, codes) for id, vector, codes in rows}


# -- without anything in memory, see `index.InSQL` ----------------------------------------------------------------


def nearest_signs(
    connection: Connection, signs: bytes, seen: Predicate, limit: int, among: Ids | None
) -> dict[int, bytes]:
    """
    Return row id → signs of the *limit* records of *seen* whose vectors differ from *signs* in the fewest.

    Args:
        signs: 48 bytes, from `encoder.signs`.
        among: only these records; None is all.
    """
    which = "" if among is None else "and r.id in carray(:among)"
    rows = connection.execute(
        f"""select id, signs from (
                select r.id as id, ifnull(t.signs, zeroblob(48)) as signs
                from records as r left join traits as t on t.id = r.id where {seen.sql} {which})
            order by vec_distance_hamming(vec_bit(signs), vec_bit(:signs)), id limit :limit""",
        {
            **seen.bindings,
            "signs": signs,
            "limit": limit,
            **({} if among is None else {"among": bound(among)}),
        },
    )
    return dict(rows)


def lengths(connection: Connection, ids: Ids, seen: Predicate) -> dict[int, int]:
    """Return row id → characters of those of the records *ids* that are *seen*."""
    rows = connection.execute(
        f"""select r.id, ifnull(t.length, length(r.text))
            from carray(:ids) as i cross join records as r on r.id = i.value left join traits as t on t.id = r.id
            where {seen.sql}""",
        {**seen.bindings, "ids": bound(ids)},
    )
    return dict(rows)


def around(ids: Ids) -> Predicate:
    """Return what sees the records *ids*, and the turns directly before and after each in all of their versions."""
    sql = """r.id in carray(:ids) or r.id in (
        select n.id from carray(:ids) as i cross join records as c on c.id = i.value
        cross join records as n on n.scope = c.scope and n.position in (c.position - 1, c.position + 1))"""
    return Predicate(sql, {"ids": bound(ids)})


def turns(connection: Connection, scopes: Ids, most: int, seen: Predicate | None) -> list[int]:
    """Return how many turns that are *seen* each of the conversations *scopes* has, as far as *most*, in order."""
    rows = connection.execute(
        f"""select (select count(*) from (
               select 1 from records as r where r.scope = s.value and r.position is not null
               {f"and {seen.sql}" if seen else ""} limit :most))
           from carray(:scopes) as s""",
        {**(seen.bindings if seen else {}), "most": most, "scopes": bound(scopes)},
    )
    return [row[0] for row in rows]


def speaking_of(connection: Connection, asked: Sequence[Interval]) -> str:
    """Return the ids of the records that speak of a time in one of the intervals *asked*, between commas."""
    sql = """select group_concat(t.id) from json_each(?) as a
             cross join times as t on t.until > a.value ->> 0 and t.since < a.value ->> 1"""
    return str(connection.execute(sql, (json.dumps(list(asked)),)).get or "")


def said(connection: Connection, asked: Sequence[Interval]) -> str:
    """Return the ids of the records that were said in one of the intervals *asked*, between commas."""
    sql = """select group_concat(r.id) from json_each(?) as a
             cross join records as r on r.occurred_at >= a.value ->> 0 and r.occurred_at < a.value ->> 1"""
    return str(connection.execute(sql, (json.dumps(list(asked)),)).get or "")


def span(connection: Connection, since: int, until: int, seen: Predicate) -> Interval | None:
    """Return the first and last known time, from *since* to before *until*, of the records that *seen* sees."""
    first, last = connection.execute(
        f"""select min(r.occurred_at), max(r.occurred_at) from records as r
            where {seen.sql} and r.occurred_at >= :since and r.occurred_at < :until""",
        {**seen.bindings, "since": since, "until": until},
    ).get
    return None if first is None else (first, last)


def count(connection: Connection, seen: Predicate) -> int:
    """Return how many records *seen* sees."""
    sql = f"select count(*) from records as r where {seen.sql}"
    return int(connection.execute(sql, seen.bindings).get)


def ids(connection: Connection, seen: Predicate) -> list[int]:
    """Return the ids of the records that *seen* sees, ascending."""
    sql = f"select r.id from records as r where {seen.sql} order by r.id"
    return [row[0] for row in connection.execute(sql, seen.bindings)]


# -- writing --------------------------------------------------------------------------------------------------------


def index(
    connection: Connection, id: int, vector: bytes, token_codes: bytes, traits: Traits, topics: Sequence[str] = ()
) -> None:
    """Enter a record into the indexes of meaning."""
    connection.execute("insert into vectors (id, vector) values (?, ?)", (id, vector))
    connection.execute("insert into token_codes (id, codes) values (?, ?)", (id, token_codes))
    _index_topics(connection, id, topics)
    _index_traits(connection, id, traits, vector)


def _index_topics(connection: Connection, id: int, topics: Sequence[str]) -> None:
    for topic in topics:
        connection.execute("insert or ignore into topics (id, topic) values (?, ?)", (id, topic))


def _index_traits(connection: Connection, id: int, traits: Traits, vector: bytes | None) -> None:
    connection.execute(
        f"insert into traits (id, length, asks, states, tells, dated, signs) values (?, ?, ?, ?, ?, ?, {SIGNS})",
        (id, traits.length, traits.asks, traits.states, traits.tells, bool(traits.times), vector),
    )
    for since, until in traits.times:
        connection.execute("insert into times (id, since, until) values (?, ?, ?)", (id, since, until))


def adopt(connection: Connection, table: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Write rows of *table* as another file has them, each beginning with the row id of its record here."""
    connection.executemany(
        f"insert into {table} (id, {', '.join(columns)}) values ({', '.join('?' * (len(columns) + 1))})", rows
    )


def write_vectors(
    connection: Connection, id: int, vector: bytes, token_codes: bytes, topics: Sequence[str] = ()
) -> None:
    """Set what the encoder made of the record with row id *id*."""
    _index_topics(connection, id, topics)
    for table, column, value in (("vectors", "vector", vector), ("token_codes", "codes", token_codes)):
        connection.execute(f"insert or replace into {table} (id, {column}) values (?, ?)", (id, value))
    connection.execute(f"update traits set signs = {SIGNS} where id = ?", (vector, id))


def unindex(connection: Connection, rows: Sequence[Row]) -> None:
    """Take records out of the indexes of meaning."""
    for row in rows:
        for table in ("vectors", "token_codes", "traits", "times", "topics"):
            connection.execute(f"delete from {table} where id = ?", (row.id,))


def rebuild_traits(connection: Connection, rows: Iterable[Row]) -> None:
    """Read the traits and times again from *rows*, which are all."""
    from .traits import traits  # its patterns take 0.02 s: only those who write pay for them

    connection.execute("delete from traits")
    connection.execute("delete from times")
    for row in rows:
        _index_traits(connection, row.id, traits(row.text, row.at), None)


def clear_vectors(connection: Connection) -> None:
    """Delete all vectors and codes, and the topics that follow from them."""
    connection.execute("delete from topics")
    connection.execute("delete from vectors")
    connection.execute("delete from token_codes")


def without_vectors(connection: Connection) -> Iterator[Row]:
    """Yield the records that have no vector, by row id."""
    sql = """select id, speaker, text, occurred_at from records
             where id not in (select id from vectors) order by id"""
    for row in connection.execute(sql):
        yield Row(*row)
