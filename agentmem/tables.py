"""
Which tables of a file travel to its other copies, and by what a row is known there.

A row that travels has no local numbers: its device is a uid, its scope is user, agent and session.  Of two versions of
a row the later wins, whole, by (hlc, device uid); tombstones are final; records are only added, and of their columns
the registers change each by itself, with stamps of their own.
"""

from __future__ import annotations

from typing import Any, NamedTuple

Connection = Any  # db's


class Table(NamedTuple):
    """A table of truth that every copy of the file has alike."""

    name: str
    key: tuple[str, ...]  # columns that name a row in every copy
    rests_on: tuple[str, ...] = ()  # columns with a uid: where that is forgotten, so is the row
    unique: tuple[str, ...] = ()  # columns in which no two rows are alike: the one with the lowest key stays


# In the order in which they travel: what is forgotten first, so that it does not come in to be taken out.
SYNCED = (
    Table("tombstones", ("uid",)),
    Table("kinds", ("name",)),
    Table("blocks", ("uid",), ("block",)),
    Table("grants", ("uid",)),
    Table("policies", ("user",)),
    Table("records", ("uid",), ("supersedes",)),
)
# What belongs to one file, and why.
LOCAL = {
    "meta": "each file's own; the clock is moved on",
    "devices": "noted with what was seen of each",
    "scopes": "every record carries its own",
    "audit": "who did what in this file",
    "kept_out": "what the policy kept out of this file",
    "quarantine": "it waits for a person where it came in",
    "embeddings": "a caller's own; they come with a record that is new",
}
# What is made of the records, and the column that names the record, or its scope; None: an index of words.
DERIVED = {
    "vectors": "id",
    "token_codes": "id",
    "traits": "id",
    "times": "id",
    "topics": "id",
    "claims": "record",
    "keys": "record",
    "summaries": "scope",
    "records_fts": None,
    "records_folded": None,
}
# Of those, what need not be made again where both files have the same encoder and schema.
CARRIED = ("vectors", "token_codes", "traits", "times", "topics", "claims")
ATTACHED = {"embeddings": "record"}  # what comes with a new record in any case
# Columns of records that change.  Some only ever go one way, so that the order does not matter: a record is superseded
# for good, ends earlier, moves back in its conversation, and has the first of its duplicates for the one before.  Of
# the others the later value holds, see `store.change`.
DIRECTED = ("status", "valid_to", "position", "supersedes")
REGISTERS = (*DIRECTED, "importance", "confidence", "trust", "expires_at")
CHANGED = f"max({', '.join(f'''ifnull(stamps ->> '$.{name}[0]', 0)''' for name in REGISTERS)})"  # as it is indexed

LOCAL_COLUMNS = {"scope": ("user", "agent", "session")}  # of records: what says the same in every copy


def columns(connection: Connection, table: str) -> list[str]:
    """Return the columns of a table, as a row that travels has them."""
    rows = connection.execute("select name from pragma_table_info(?)", (table,))
    names = [row[0] for row in rows]
    if table != "records":
        return names
    return [each for name in names if name != "id" for each in LOCAL_COLUMNS.get(name, (name,))]


def source(table: str) -> str:
    """Return the SQL that a table is read from to travel: itself as t, its device as d, its scope as s."""
    scopes = " join scopes as s on s.id = t.scope" if table == "records" else ""
    return f"{table} as t join devices as d on d.id = t.device{scopes}"


def portable(table: str, column: str) -> str:
    """Return a column of a row that travels as SQL over `source`."""
    if table == "records" and column in LOCAL_COLUMNS["scope"]:
        return f"s.{column}"
    return "d.uid" if column == "device" else f"t.{column}"
