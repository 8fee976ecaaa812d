"""
Forget: records, their versions and all that was derived from them, down to the bytes.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from . import audit, blocks, claims, embeddings, fulltext, grants, kinds, policies, quarantine, search, store, summaries
from .db import Connection, Database, Stamp
from .records import Block, Erasure
from .scope import Predicate, Scope, Seen


def forget(
    db: Database, id: str | None, wanted: Predicate, own: Predicate, *, by: Scope, whole: bool, now: int
) -> Erasure:
    """
    Erase the record *id*, or all that *wanted* sees, with every version that *own* sees, and empty the log.

    Args:
        by: who forgets.
        whole: everything of that scope.  Its core blocks go too, and where it is no conversation alone, the name of the
            user, or of that agent of his, wherever it stands.

    Raises:
        NotFoundError: *wanted* does not see the record *id*.
    """
    with db.transaction() as connection:
        if id is not None:
            store.find(connection, id, wanted)
        named = store.matching(connection, wanted) if id is None else [id]
        uids = [record.id for record in store.versions(connection, named, own)]
        if uids:
            take(db, connection, uids, now=now, stamp=db.stamp(connection))
        labels = _blocks(db, connection, by.owns, now=now) if whole else []
        if whole:
            quarantine.forget(connection, by)
            policies.forget(connection, by)
        nameless = by if whole and not by.session else None
        named_all = nameless is not None and not nameless.agent
        ended = named_all and grants.forget(connection, by.user, now=now, stamp=db.stamp(connection))
        hidden = audit.hide(connection, uids, nameless)
        if uids or labels or ended or hidden:
            audit.note(connection, "forget", by, at=now, count=len(uids) + len(labels), forgotten=nameless)
    return Erasure(tuple(uids), db.empty_log(), tuple(labels))


def block(db: Database, scope: Scope, label: str, *, now: int) -> Erasure:
    """Erase the block *label* that *scope* has in view, with all versions; NotFoundError where there is none."""
    with db.transaction() as connection:
        found: Block = blocks.find(connection, scope, label)
        place = Scope(found.user, found.agent or "", found.session or "")
        labels = _blocks(db, connection, place.exactly, label, now=now)
        audit.note(connection, "forget", scope, at=now, count=len(labels))
    return Erasure((), db.empty_log(), tuple(labels))


def _blocks(db: Database, connection: Connection, whose: Predicate, label: str | None = None, *, now: int) -> list[str]:
    uids, labels = blocks.erase(connection, whose, label)
    if uids:
        store.bury(connection, [store.Grave(uid, b"") for uid in uids], now=now, stamp=db.stamp(connection))
    return labels


def sweep(db: Database, spent: Predicate, expired: Predicate, own: Seen, *, now: int) -> Erasure:
    """
    Erase what is *spent*, and all versions of the records that *expired* as they held; where nothing is, only read.

    An expired record that another has replaced goes alone: its newer versions hold.
    """
    with db.read() as connection:
        if not store.matching(connection, spent):
            return Erasure((), True)
    with db.transaction() as connection:
        whole = [record.id for record in store.versions(connection, store.matching(connection, expired), own)]
        uids = list(dict.fromkeys([*whole, *store.matching(connection, spent)]))
        if uids:
            alone = {*uids} - {*whole}
            take(db, connection, uids, now=now, stamp=db.stamp(connection), alone=alone)
        audit.hide(connection, uids, None)
        audit.note(connection, "sweep", own.scope, at=now, count=len(uids))
    return Erasure(tuple(uids), db.empty_log())


def take(
    db: Database,
    connection: Connection,
    uids: Sequence[str],
    *,
    now: int,
    stamp: Stamp,
    reach: Mapping[str, int] | None = None,
    alone: Collection[str] = (),
) -> None:
    """
    Take the records *uids* out with all that was derived from them, and leave a tombstone for each that has none.

    Args:
        reach: uid → up to which clock the same content goes too, where that is not the stamp's own.
        alone: of those that go without their other versions, and without what says the same.
    """
    rows = store.rows(connection, uids)
    ids = [row.id for row in rows]
    search.unindex(connection, rows)
    embeddings.unindex(connection, rows)
    claims.unindex(connection, ids)
    kinds.unindex(connection, ids)
    summaries.unindex(connection, ids)
    store.delete(connection, uids, now=now, stamp=stamp, reach=reach or {}, alone=alone)
    fulltext.unindex(connection, rows, lambda: store.every_row(connection))
    db.mark_erased(connection, stamp)
