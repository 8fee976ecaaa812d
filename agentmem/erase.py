"""
Forget: records, their versions and all that was derived from them, down to the bytes.
"""

from __future__ import annotations

from . import claims, fulltext, kinds, search, store
from .db import Database
from .records import Erasure
from .scope import Predicate


def forget(db: Database, id: str | None, wanted: Predicate, own: Predicate, *, now: int) -> Erasure:
    """
    Erase the record *id*, or all that *wanted* sees, with every version that *own* sees, and empty the log.

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
            store.delete(connection, uids, now=now, stamp=stamp)
            fulltext.unindex(connection, rows, lambda: store.every_row(connection))
            db.mark_erased(connection, stamp)
    return Erasure(tuple(uids), db.empty_log())
