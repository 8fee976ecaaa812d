"""
Forget: records, their versions and all that was derived from them, down to the bytes.
"""

from __future__ import annotations

from . import blocks, claims, fulltext, kinds, search, store, summaries
from .db import Connection, Database
from .records import Block, Erasure
from .scope import Predicate, Scope


def forget(
    db: Database, id: str | None, wanted: Predicate, own: Predicate, *, now: int, whole: Scope | None = None
) -> Erasure:
    """
    Erase the record *id*, or all that *wanted* sees, with every version that *own* sees, and empty the log.

    Args:
        whole: the core blocks of this scope go too.

    Raises:
        NotFoundError: *wanted* does not see the record *id*.
    """
    with db.transaction() as connection:
        if id is not None:
            store.find(connection, id, wanted)
        named = store.matching(connection, wanted) if id is None else [id]
        uids = [record.id for record in store.versions(connection, named, own)]
        if uids:
            rows = store.rows(connection, uids)
            stamp = db.stamp(connection)
            search.unindex(connection, rows)
            claims.unindex(connection, [row.id for row in rows])
            kinds.unindex(connection, [row.id for row in rows])
            summaries.unindex(connection, [row.id for row in rows])
            store.delete(connection, uids, now=now, stamp=stamp)
            fulltext.unindex(connection, rows, lambda: store.every_row(connection))
            db.mark_erased(connection, stamp)
        labels = [] if whole is None else _blocks(db, connection, whole.owns, now=now)
    return Erasure(tuple(uids), db.empty_log(), tuple(labels))


def block(db: Database, scope: Scope, label: str, *, now: int) -> Erasure:
    """Erase the block *label* that *scope* has in view, with all versions; NotFoundError where there is none."""
    with db.transaction() as connection:
        found: Block = blocks.find(connection, scope, label)
        place = Scope(found.user, found.agent or "", found.session or "")
        labels = _blocks(db, connection, place.exactly, label, now=now)
    return Erasure((), db.empty_log(), tuple(labels))


def _blocks(db: Database, connection: Connection, whose: Predicate, label: str | None = None, *, now: int) -> list[str]:
    uids, labels = blocks.erase(connection, whose, label)
    if uids:
        store.bury(connection, uids, now=now, stamp=db.stamp(connection))
    return labels
