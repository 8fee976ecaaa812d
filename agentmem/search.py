"""
Find candidates: by words (FTS5) and by meaning (vectors).  Owns the derived tables, which `rebuild` can make again:
`records_fts`, `vectors` and `token_codes`.

Functions take a connection that `Database.read` or `Database.transaction` lent.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from .db import Connection, DamagedError
from .records import Row
from .scope import Predicate
from .words import STOPWORDS, WORD

MAX_TERMS = 64  # distinct words of one query that are looked up; a pasted page must not scan the whole index


@dataclass(frozen=True, slots=True)
class Place:
    """Where a candidate stands, and what ranking asks of it."""

    scope: int  # scopes.id
    position: int | None  # within its conversation; None outside one
    turns: int  # of its conversation, counted as far as 3; 1 outside one
    length: int  # characters
    asks: bool  # ends with a question mark
    role: str
    speaker: str | None
    importance: float
    confidence: float


def match_expression(query: str) -> str | None:
    """
    Turn any text into an FTS5 query that matches each of its words, or None where it has no word.

    Every word is quoted, so that AND, NEAR, *, quotes and colons are text like any other.
    """
    words = list(dict.fromkeys(WORD.findall(query.replace("\0", " ").lower())))
    telling = [word for word in words if word not in STOPWORDS] or words
    return " OR ".join(f'"{word}"' for word in telling[:MAX_TERMS]) or None


def lexical(connection: Connection, query: str, seen: Predicate, limit: int) -> dict[int, float]:
    """
    Return row id → BM25 (higher is better) of the *limit* best of what *seen* sees, ties by row id.

    Source: Okapi BM25 as in https://sqlite.org/fts5.html#the_bm25_function (k1 1.2, b 0.75).
    """
    match = match_expression(query)
    if match is None:
        return {}
    rows = connection.execute(
        f"""select r.id, -bm25(records_fts) as score
            from records_fts join records as r on r.id = records_fts.rowid
            where records_fts match :match and {seen.sql}
            order by score desc, r.id limit :limit""",
        {**seen.bindings, "match": match, "limit": limit},
    )
    return dict(rows)


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


def cosines(connection: Connection, vector: bytes, ids: Sequence[int]) -> dict[int, float]:
    """Return row id → cosine to *vector* (int8[384]) for the records *ids*."""
    rows = connection.execute(
        """select id, 1 - vec_distance_cosine(vec_int8(vector), vec_int8(:vector)) from vectors
           where id in (select value from json_each(:ids))""",
        {"vector": vector, "ids": json.dumps(list(ids))},
    )
    return dict(rows)


def with_neighbours(connection: Connection, ids: Sequence[int], seen: Predicate) -> dict[int, Place]:
    """Return the places of *ids* and of the turns directly before and after each that *seen* sees, by row id."""
    rows = connection.execute(
        f"""with pool (id) as (
                select value from json_each(:ids)
                union
                select n.id from records as c join records as n
                    on n.scope = c.scope and n.position between c.position - 1 and c.position + 1
                where c.id in (select value from json_each(:ids)))
            select r.id, r.scope, r.position,
                case when r.position is null then 1
                else (select count(*) from (select 1 from records as n where n.scope = r.scope limit 3)) end,
                length(r.text), rtrim(r.text) glob '*[?]', r.role, r.speaker, r.importance, r.confidence
            from records as r
            where r.id in (select id from pool) and {seen.sql}
            order by r.id""",
        {**seen.bindings, "ids": json.dumps(list(ids))},
    )
    return {row[0]: Place(*row[1:]) for row in rows}


def codes(connection: Connection, ids: Sequence[int]) -> dict[int, bytes]:
    """Return row id → 1-bit token codes, 48 bytes each, of the records *ids*."""
    return dict(
        connection.execute(
            "select id, codes from token_codes where id in (select value from json_each(?))", (json.dumps(list(ids)),)
        )
    )


def index(connection: Connection, row: Row, vector: bytes, token_codes: bytes) -> None:
    """Enter a record into every index."""
    connection.execute(
        "insert into records_fts (rowid, speaker, text) values (?, ?, ?)", (row.id, row.speaker, row.text)
    )
    connection.execute("insert into vectors (id, vector) values (?, ?)", (row.id, vector))
    connection.execute("insert into token_codes (id, codes) values (?, ?)", (row.id, token_codes))


def write_vectors(connection: Connection, id: int, vector: bytes, token_codes: bytes) -> None:
    """Set what the encoder made of the record with row id *id*, if it is still here."""
    for table, column, value in (("vectors", "vector", vector), ("token_codes", "codes", token_codes)):
        connection.execute(
            f"insert or replace into {table} (id, {column}) select id, ? from records where id = ?", (value, id)
        )


def unindex(connection: Connection, rows: Sequence[Row]) -> None:
    """
    Take records out of every index, down to the bytes.

    FTS5 marks a deleted entry and keeps its words until segments are merged; `optimize` merges all of them.  Its
    secure-delete option would do without, but moves the index to a format that SQLite before 3.42 refuses.
    """
    for row in rows:
        connection.execute(
            "insert into records_fts (records_fts, rowid, speaker, text) values ('delete', ?, ?, ?)",
            (row.id, row.speaker, row.text),
        )
        connection.execute("delete from vectors where id = ?", (row.id,))
        connection.execute("delete from token_codes where id = ?", (row.id,))
    if rows:
        connection.execute("insert into records_fts (records_fts) values ('optimize')")


def words_agree(connection: Connection) -> bool:
    """Return whether the full-text index holds exactly the words of the records."""
    try:
        # Rank 1 compares with the content table; the plain check looks at the index alone.
        connection.execute("insert into records_fts (records_fts, rank) values ('integrity-check', 1)")
    except DamagedError:
        return False
    return True


def rebuild_words(connection: Connection) -> None:
    """Make the full-text index again from the records."""
    connection.execute("insert into records_fts (records_fts) values ('rebuild')")


def clear_vectors(connection: Connection) -> None:
    """Delete all vectors and codes."""
    connection.execute("delete from vectors")
    connection.execute("delete from token_codes")


def without_vectors(connection: Connection) -> Iterator[Row]:
    """Yield the records that have no vector, by row id."""
    sql = "select id, speaker, text from records where id not in (select id from vectors) order by id"
    for row in connection.execute(sql):
        yield Row(*row)
