"""
Vectors that a caller made of records with an encoder of its own.  Owns the table `embeddings`.

Only the caller can make them again: `rebuild` leaves them as they are.
Functions take a connection that `Database.read` or `Database.transaction` lent.
"""

from __future__ import annotations

import math
import sys
from array import array
from collections.abc import Iterable, Sequence

from .db import Connection
from .records import Row
from .scope import Predicate


def packed(name: str, vector: object) -> bytes:
    """Return *vector* as sqlite-vec reads it; TypeError or ValueError where it is none, calling it *name*."""
    if isinstance(vector, str | bytes) or not isinstance(vector, Iterable):
        raise TypeError(f"{name} is a list of numbers, not {vector!r:.80}")
    try:
        numbers = array("f", vector)
    except TypeError:
        raise TypeError(f"{name} is a list of numbers, not {vector!r:.80}") from None
    if not numbers or not all(map(math.isfinite, numbers)):
        raise ValueError(f"{name} has at least one number, and none that a float32 cannot hold")
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers.tobytes()


def write(connection: Connection, id: int, vectors: Sequence[bytes]) -> None:
    """Set the vectors of the record with row id *id*."""
    connection.execute("delete from embeddings where record = ?", (id,))
    for number, vector in enumerate(vectors):
        connection.execute("insert into embeddings (record, number, vector) values (?, ?, ?)", (id, number, vector))


def adopt(connection: Connection, _table: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Write vectors as another file has them, each row beginning with the row id of its record here."""
    connection.executemany(
        f"insert into embeddings (record, {', '.join(columns)}) values ({', '.join('?' * (len(columns) + 1))})", rows
    )


def nearest(connection: Connection, vector: bytes, seen: Predicate, *, k: int) -> dict[int, float]:
    """
    Return row id → cosine of the *k* records that *seen* sees whose nearest vector is nearest to *vector*, best first.

    Vectors of another length are of another encoder, and not looked at; the cosine with one that is zero is 0.
    """
    rows = connection.execute(
        f"""select r.id, max(ifnull(1 - vec_distance_cosine(e.vector, :vector), 0)) as cosine
            from records as r join embeddings as e on e.record = r.id
            where length(e.vector) = length(:vector) and {seen.sql}
            group by r.id order by cosine desc, r.id limit :k""",
        {**seen.bindings, "vector": vector, "k": k},
    )
    return dict(rows)


def unindex(connection: Connection, rows: Sequence[Row]) -> None:
    """Take the vectors of records out."""
    for row in rows:
        connection.execute("delete from embeddings where record = ?", (row.id,))
