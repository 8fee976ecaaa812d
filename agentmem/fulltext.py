"""
Index words for searching: SQLite's FTS5, in two indexes.  Owns the derived tables `records_fts`, all records' words,
and `records_folded`, what that cannot find of text that is not plain English.  `lexical` searches them.

Functions take a connection that `Database.read` or `Database.transaction` lent.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence

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


def unindex(connection: Connection, rows: Sequence[Row], rest: Callable[[], Iterable[Row]]) -> None:
    """
    Take records' words out, down to the bytes; the records themselves must be gone.

    FTS5 marks a deleted entry and keeps its words until segments are merged; see `_merged`.  Its secure-delete option
    would do without, but moves the index to a format that SQLite before 3.42 refuses.

    Args:
        rest: returns what the indexes hold of all other records; asked for where the index is so small that it has to
            be made again.
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
    if rows and not _merged(connection, "records_fts", "text"):
        _rebuild_words(connection)
    if rows and not _merged(connection, "records_folded", "terms"):
        _rebuild_parts(connection, rest())


def _merged(connection: Connection, table: str, column: str) -> bool:
    """
    Merge all of an index into one segment, and return whether the marks of what was deleted are gone.

    FTS5 drops the marks where it merges into its highest level.  `optimize` merges into the next one, where all
    segments are on one level, though there may be higher, empty ones; where they are on several, it makes a new
    highest level.  So an entry that is gone again at once, on the lowest level, brings the rest to the highest, unless
    the rest is as small as that and is taken to the lowest level as well.
    """
    for again in (False, True):
        if again:
            connection.execute(f"insert into {table} (rowid, {column}) values (0, 'a')")
            connection.execute(f"insert into {table} ({table}, rowid, {column}) values ('delete', 0, 'a')")
        connection.execute(f"insert into {table} ({table}) values ('optimize')")
        if _on_top(connection.execute(f"select block from {table}_data where id = 10").get):
            return True
    return False


def _on_top(structure: bytes) -> bool:
    """
    Return whether no level of an FTS5 index is above its segments.

    Source: "STRUCTURE RECORD" in https://sqlite.org/src/file/ext/fts5/fts5_index.c: a cookie of four bytes, then the
    numbers of levels and of segments, a counter, and for each level two numbers and three for each segment.
    """
    numbers: list[int] = []
    value = 0
    for byte in structure[4:]:
        value = value << 7 | byte & 0x7F
        if byte < 0x80:
            numbers.append(value)
            value = 0
    levels, _, _, *rest = numbers
    for level in range(levels):
        _, segments, *rest = rest
        rest = rest[3 * segments :]
        if segments:
            return level == levels - 1
    return True


def merge(connection: Connection) -> None:
    """Merge what was written bit by bit, so that the indexes are small and quick to read."""
    for table in ("records_fts", "records_folded"):
        connection.execute(f"insert into {table} ({table}) values ('optimize')")


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
    _rebuild_words(connection)
    _rebuild_parts(connection, rows)


def _rebuild_words(connection: Connection) -> None:
    connection.execute("insert into records_fts (records_fts) values ('rebuild')")


def _rebuild_parts(connection: Connection, rows: Iterable[Row]) -> None:
    connection.execute("insert into records_folded (records_folded) values ('delete-all')")
    for row in rows:
        _index_parts(connection, row)
