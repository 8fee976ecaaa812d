"""
Index words for searching: SQLite's FTS5, in two indexes.  Owns the derived tables `records_fts`, all records' words,
and `records_folded`, what that cannot find of text that is not plain English.  `lexical` searches them.

Functions take a connection that `Database.read` or `Database.transaction` lent.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from .db import Connection, DamagedError
from .records import Row
from .words import folded_terms


def index(connection: Connection, row: Row) -> None:
    """Enter a record's words."""
    connection.execute(
        "insert into records_fts (rowid, speaker, text) values (?, ?, ?)", (row.id, row.speaker, row.text)
    )
    _index_parts(connection, row)


def _index_parts(connection: Connection, row: Row) -> None:
    if terms := folded_terms(row.indexed_text):
        connection.execute("insert into records_folded (rowid, terms) values (?, ?)", (row.id, terms))


def unindex(connection: Connection, rows: Sequence[Row]) -> None:
    """
    Take records' words out, down to the bytes.

    FTS5 marks a deleted entry and keeps its words until segments are merged; `optimize` merges all of them.  Its
    secure-delete option would do without, but moves the index to a format that SQLite before 3.42 refuses.
    """
    for row in rows:
        connection.execute(
            "insert into records_fts (records_fts, rowid, speaker, text) values ('delete', ?, ?, ?)",
            (row.id, row.speaker, row.text),
        )
        if terms := folded_terms(row.indexed_text):
            connection.execute(
                "insert into records_folded (records_folded, rowid, terms) values ('delete', ?, ?)", (row.id, terms)
            )
    if rows:
        connection.execute("insert into records_fts (records_fts) values ('optimize')")
        connection.execute("insert into records_folded (records_folded) values ('optimize')")


def words_agree(connection: Connection) -> bool:
    """Return whether the index of plain words holds exactly those of the records, and that of parts is sound."""
    try:
        # Rank 1 compares with the content table; the plain check looks at the index alone.
        connection.execute("insert into records_fts (records_fts, rank) values ('integrity-check', 1)")
        connection.execute("insert into records_folded (records_folded) values ('integrity-check')")
    except DamagedError:
        return False
    return True


def parts_agree(connection: Connection, rows: Iterable[Row]) -> bool:
    """
    Return whether as many records hold each term in the index of parts as do of *rows*, which are all.

    A contentless table does not say which terms a record has.  Call it within `Database.read`, which takes the
    temporary view of the terms away again: it folds every record, too long to keep writers waiting.
    """
    due = Counter(term for row in rows for term in set(folded_terms(row.indexed_text).split()))
    connection.execute("create virtual table temp.parts using fts5vocab(main, records_folded, row)")
    return dict(connection.execute("select term, doc from temp.parts")) == due


def rebuild(connection: Connection, rows: Iterable[Row]) -> None:
    """Make the indexes of words again from *rows*, which are all."""
    connection.execute("insert into records_fts (records_fts) values ('rebuild')")
    connection.execute("insert into records_folded (records_folded) values ('delete-all')")
    for row in rows:
        _index_parts(connection, row)
