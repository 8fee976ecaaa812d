"""
What is in the file, is it sound, if a derived index is not: make it again; and take no more space than is needed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from . import audit, claims, fulltext, grants, kinds, search, store
from .db import Connection, Database
from .errors import StorageError
from .records import Stats, batches, moment_or_none
from .scope import Scope, within
from .tables import CHANGED, SYNCED

if TYPE_CHECKING:  # numpy: a doctor that only looks need not wait for it
    from .encoder import Encoder

BATCH = 256  # texts encoded between two transactions

STAMPS = " union all ".join(
    [
        *(f"select hlc from {table.name}" for table in SYNCED),
        f"select {CHANGED} as hlc from records where stamps is not null",
        "select seen from devices",
    ]
)
# What integrity_check does not see: each finds the rows that are wrong.
CHECKS = {
    "records have no vector; run rebuild": "records where id not in (select id from vectors)",
    "records have no token codes; run rebuild": "records where id not in (select id from token_codes)",
    "vectors belong to no record; run rebuild": "vectors where id not in (select id from records)",
    "token codes belong to no record; run rebuild": "token_codes where id not in (select id from records)",
    "records have no traits; run rebuild": "records where id not in (select id from traits)",
    "traits belong to no record; run rebuild": "traits where id not in (select id from records)",
    "times belong to no record; run rebuild": "times where id not in (select id from records)",
    "claims belong to no record; run rebuild": "claims where record not in (select id from records)",
    "keys belong to no record; run rebuild": "keys where record not in (select id from records)",
    "scopes belong to no record": "scopes where id not in (select scope from records)",
    "vectors have other signs than are noted; run rebuild": """vectors as v join traits as t on t.id = v.id
        where t.signs is not vec_quantize_binary(vec_int8(v.vector))""",
    "vectors are zero; run rebuild": "vectors where vector = zeroblob(384)",
    "forgotten records are still here": "records where uid in (select uid from tombstones)",
    "versions of erased blocks are still here": "blocks where block in (select uid from tombstones)",
    "records hold both now and no longer": "records where status = 'active' and valid_to is not null",
    "records replace one that is neither here nor forgotten": """records where supersedes is not null
        and supersedes not in (select uid from records) and supersedes not in (select uid from tombstones)""",
    "records hold, though another one took their place; merge again what broke off": """records where
        status = 'active' and uid in (select supersedes from records where supersedes is not null)""",
    "stamps lie after the file's own clock": f"""({STAMPS})
        where hlc > (select cast(value as integer) from meta where key = 'clock')""",
    "stamps lie after what is noted of their device": """records as r join devices as d on d.id = r.device
        where d.seen > 0 and r.hlc > max(d.seen, d.partly)""",
    "changes are stamped by no device": """records as r, json_each(r.stamps) as s
        where r.stamps is not null and s.value ->> 1 not in (select uid from devices)""",
}


def stats(db: Database, whose: Scope, *, now: int) -> Stats:
    """Return what a read by *whose* sees, counted, and what the whole file takes."""
    with db.read() as connection:
        seen = grants.with_granted(connection, within(whose, now=now), now=now)
        counts = store.counts(connection, seen)
        sessions, first, last = store.span(connection, seen)
        tables = db.table_sizes(connection)
        encoder = db.encoder_id(connection)
    return Stats(
        records=counts["status"].get("active", 0),
        superseded=counts["status"].get("superseded", 0),
        kinds=counts["kind"],
        speakers=counts["speaker"],
        sessions=sessions,
        first_at=moment_or_none(first),
        last_at=moment_or_none(last),
        file_bytes=db.size(),
        tables=tables,
        encoder=encoder,
        schema=db.schema,
    )


def verify(db: Database) -> list[str]:
    """
    Return what is wrong with the file, one sentence each; an empty list is a sound file.

    Looks at SQLite's own structure, foreign keys, the full-text indexes against the records' text, orphans between
    records, vectors and codes both ways, grants that cannot be read, and the chain of the audit trail.
    """
    problems: list[str] = []
    for check in (_structure, _references, _rows, _words, _parts, _grants, audit.broken):
        try:
            # FTS5 takes its check as a write.
            with db.transaction() if check is _words else db.read(fresh=True) as connection:
                problems += check(connection)
        except StorageError as error:
            problems.append(str(error))
    return problems


def _structure(connection: Connection) -> list[str]:
    return [f"SQLite: {row[0]}" for row in connection.execute("pragma integrity_check") if row[0] != "ok"]


def _references(connection: Connection) -> list[str]:
    return [f"a row of {row[0]} refers to nothing" for row in connection.execute("pragma foreign_key_check")]


def _rows(connection: Connection) -> list[str]:
    counts = {says: connection.execute(f"select count(*) from {wrong}").get for says, wrong in CHECKS.items()}
    return [f"{count} {says}" for says, count in counts.items() if count]


def _words(connection: Connection) -> list[str]:
    agree = fulltext.words_agree(connection)
    return [] if agree else ["the full-text index does not agree with the records; run rebuild"]


def _parts(connection: Connection) -> list[str]:
    agree = fulltext.parts_agree(connection, store.every_row(connection))
    return [] if agree else ["the full-text index of other languages does not agree with the records; run rebuild"]


def _grants(connection: Connection) -> list[str]:
    count = grants.unreadable(connection)
    return [f"{count} grants have a filter that cannot be read and grant nothing; revoke them"] if count else []


def compact(db: Database) -> int:
    """Rewrite the file without free space, and return by how many bytes it is smaller, with its log."""
    before = db.size()
    with db.transaction() as connection:
        fulltext.merge(connection)
    db.vacuum()
    db.empty_log()
    return before - db.size()


def rebuild(db: Database, encoder: Encoder, progress: Callable[[int, int], None] | None = None) -> None:
    """
    Make every derived index again from the records, with *encoder*.

    Searching goes on meanwhile, by words alone for what has no vector yet.  An interrupted run leaves `verify` saying
    so; the next one finishes.

    Args:
        progress: called with how many records are encoded, and how many there are.
    """
    from . import meaning  # numpy, which the encoder has loaded already
    from .encoder import read

    with db.transaction() as connection:
        fulltext.rebuild(connection, store.every_row(connection))
        search.rebuild_traits(connection, store.every_row(connection))
        claims.clear(connection)
        db.mark_erased(connection, db.stamp(connection))
        search.clear_vectors(connection)
        db.set_encoder_id(connection, encoder.id)
    with db.read() as connection:
        rows = list(search.without_vectors(connection))
    done = 0
    for batch in batches(rows, BATCH):
        ids = [row.id for row in batch]
        with db.read() as connection:
            said, defined = store.said(connection, ids), kinds.every(connection)
        evidence = {
            id: claims.evident(about.pop("role"), about["kind"], defined=about["kind"] in defined)
            for id, about in said.items()
        }
        found = read(encoder, [row.indexed_text for row in batch], [evidence.get(id, False) for id in ids])
        topics = meaning.topics(encoder, [row.text for row in batch], [encoding.vector for encoding, _ in found])
        with db.transaction() as connection:
            here = store.said(connection, ids)  # again: some may have been forgotten meanwhile
            for row, (encoding, marks), about in zip(batch, found, topics, strict=True):
                if row.id in here:
                    search.write_vectors(connection, row.id, encoding.quantised, encoding.codes, about)
                    claims.index(connection, row.id, claims.of(marks=marks, evidence=evidence[row.id], **said[row.id]))
        done += len(batch)
        if progress is not None:
            progress(done, len(rows))
    with db.transaction() as connection:
        db.mark_erased(connection, db.stamp(connection))  # for those who looked meanwhile
