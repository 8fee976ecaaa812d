"""
Take in what another copy of a memory has: rows with their stamps, from a file or from anywhere else.

Commutative, associative and idempotent: copies that have taken in each other's rows, in any order and as often as one
likes, hold the same.  Nothing is lost on the way: rows are written a thousand at a time, and only when all are here is
it noted what was seen; a run that breaks off is finished by the next.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from . import audit, changes, claims, embeddings, erase, fulltext, ingest, kinds, meta, search, store, summaries, tables
from .changes import Batch, Carried, Origin, Values
from .db import Connection, Database, Stamp
from .draft import Draft
from .errors import StorageError
from .meta import Seen
from .records import Conflict, MergeReport, Row, Skew
from .scope import Scope
from .settle import place, settle
from .tables import Table

if TYPE_CHECKING:
    from .encoder import Encoder

SKEW_MS = 300_000  # 5 minutes: no clock that is kept in time is off so far
DRAFTED = (
    "kind", "role", "speaker", "text", "occurred_at", "importance", "confidence", "trust", "source", "expires_at",
    "metadata",
)  # fmt: skip
OWNERS = {"claims": claims.adopt, "embeddings": embeddings.adopt}
IN_MEMORY = {"importance", "confidence"}  # columns that `roster` has read
WHOLE = ("vectors", "token_codes", "traits")  # derived tables that have a row of every record
Made = ingest.Derivations


@dataclass(slots=True)
class Tally:
    """What a merge has done so far."""

    count: Counter[str] = field(default_factory=Counter)
    conflicts: list[Conflict] = field(default_factory=list)
    clocks: dict[str, Skew] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Merge:
    """One merge under way."""

    db: Database
    origin: Origin
    target: str  # id of the encoder that the file's vectors are, or will be, made with
    encoder: Callable[[], Encoder]
    now: int
    tally: Tally = field(default_factory=Tally)
    buried: set[str] = field(default_factory=set)  # tombstones that came
    touched: set[int] = field(default_factory=set)  # records that came, new or not


def target_encoder(db: Database, encoder: Callable[[], Encoder]) -> str:
    """Return the id of the encoder that the file's vectors are, or will be, made with."""
    with db.read() as connection:
        return db.encoder_id(connection) or encoder().id


def take_in(merge: Merge, rows: Iterable[Batch], progress: Callable[[int], None] | None = None) -> MergeReport:
    """
    Write what came from elsewhere.

    Args:
        rows: tables in the order of `tables.SYNCED`, each in the order of the clock.
        progress: called with how many rows are done.

    Raises:
        StorageError: a row is not what it should be; what came before is kept, and merging again goes on from there.
    """
    done = 0
    # Until all is here, what is here may be gone where it came from: it has to be passed on from here.
    partly = {uid: Seen(each.began, 0, max(each.last, each.partly)) for uid, each in merge.origin.seen.items()}
    for batch in rows:
        checked = [changes.checked(batch.table, dict(zip(batch.columns, row, strict=True))) for row in batch.rows]
        made = _made(merge, checked, batch.derived) if batch.table.name == "records" else {}
        with merge.db.transaction() as connection:
            if not done:
                meta.mark_seen(connection, partly)
            meta.advance(connection, max(row["hlc"] for row in checked))
            if batch.table.name == "tombstones":
                _take_tombstones(merge, connection, checked)
            elif batch.table.name == "records":
                _take_records(merge, connection, checked, batch.derived, made)
            else:
                _take_rows(merge, connection, batch.table, checked)
        done += len(checked)
        if progress is not None:
            progress(done)
    return _finished(merge)


def _finished(merge: Merge) -> MergeReport:
    db, tally = merge.db, merge.tally
    with db.read() as connection:
        before = meta.seen(connection)
    unseen = {uid: seen for uid, seen in merge.origin.seen.items() if uid not in before or seen.last > before[uid].last}
    if unseen or merge.touched:
        with db.transaction() as connection:
            if merge.touched:
                _settle(merge, connection)
            meta.mark_seen(connection, unseen)
            meta.advance(connection, max((seen.last for seen in unseen.values()), default=0))
    emptied = db.empty_log() if merge.buried or tally.count["forgotten"] else True
    names = {table.name for table in tables.SYNCED} - {"records", "tombstones"}
    return MergeReport(
        added=tally.count["added"],
        changed=tally.count["changed"],
        forgotten=tally.count["forgotten"],
        duplicates=tally.count["duplicates"],
        encoded=tally.count["encoded"],
        other={name: tally.count[name] for name in sorted(names) if tally.count[name]},
        conflicts=tuple(tally.conflicts),
        clocks=tuple(tally.clocks[device] for device in sorted(tally.clocks)),
        log_truncated=emptied,
    )


def _settle(merge: Merge, connection: Connection) -> None:
    """Decide which records hold; only when all are here, lest it depend on which came first."""
    here = sorted(merge.touched)
    stamp = merge.db.stamp(connection)
    settled = settle(connection, here, stamp)
    merge.tally.count["duplicates"] += settled.joined
    merge.tally.conflicts += [Conflict("records", each.uid, each.why, each.uid, each.kept) for each in settled.lost]
    summaries.unindex(connection, here)  # where they stood
    if place(connection, here, stamp):
        summaries.unindex(connection, here)
        merge.db.mark_erased(connection, stamp)


def _note_clocks(merge: Merge, rows: Sequence[Values]) -> None:
    """Note of each device the record at which its clock was furthest off."""
    for row in rows:
        ahead = row["recorded_at"] - merge.now
        behind = (row["hlc"] >> 16) - row["recorded_at"]
        if ahead <= SKEW_MS and row["hlc"] >> 16 > merge.now + SKEW_MS:
            continue  # it had seen another's clock that is ahead
        off = ahead if ahead > SKEW_MS else -behind if behind > SKEW_MS else 0
        before = merge.tally.clocks.get(row["device"])
        if off and (before is None or abs(off) > abs(before.seconds) * 1000):
            merge.tally.clocks[row["device"]] = Skew(row["device"], row["uid"], off / 1000)


# -- tombstones -----------------------------------------------------------------------------------------------------


def _take_tombstones(merge: Merge, connection: Connection, rows: Sequence[Values]) -> None:
    """Take in what was forgotten elsewhere, and forget here what it was, its versions, and what rests on it."""
    uids = [row["uid"] for row in rows]
    merge.buried.update(uids)
    known = {
        uid: rest
        for uid, *rest in connection.execute(
            """select t.uid, t.hlc, d.uid, ifnull(t.reach, t.hlc), t.alone
               from tombstones as t join devices as d on d.id = t.device
               where t.uid in (select value from json_each(?))""",
            (json.dumps(uids),),
        )
    }
    for row in rows:
        row["reach"] = row["hlc"] if row.get("reach") is None else row["reach"]
        row["alone"] = row.get("alone", 0)
        if row["uid"] in known:
            hlc, device, reach, alone = known[row["uid"]]
            row["reach"], row["alone"] = max(row["reach"], reach), min(row["alone"], alone)
            row["hlc"], row["device"] = max((row["hlc"], row["device"]), (hlc, device))
    store.adopt_tombstones(connection, rows, meta.number_devices(connection, {row["device"] for row in rows}))
    _take_out(merge, connection, _victims(merge, connection, rows))
    _drop_resting(connection, uids)


def _take_out(merge: Merge, connection: Connection, victims: Mapping[str, int]) -> None:
    """Take records out: uid → up to which clock the same content goes."""
    if victims:
        merge.tally.count["forgotten"] += len(victims)
        stamp = merge.db.stamp(connection)
        erase.take(merge.db, connection, list(victims), now=merge.now, stamp=stamp, reach=victims)
        audit.hide(connection, list(victims), None)


def _victims(merge: Merge, connection: Connection, rows: Sequence[Values]) -> dict[str, int]:
    """Return the records that go with tombstones: uid → up to which clock the same content goes."""
    here: list[Any] = connection.execute(
        """select r.uid, r.content_hash, r.hlc, d.uid from records as r join devices as d on d.id = r.device
           where r.uid in (select value from json_each(:uids))
               or r.content_hash in (select unhex(value) from json_each(:hashes))""",
        {
            "uids": json.dumps([row["uid"] for row in rows]),
            "hashes": json.dumps([row["content_hash"].hex() for row in rows]),
        },
    ).fetchall()
    reaches = {row["uid"]: row["reach"] for row in rows}
    said: dict[bytes, int] = {}
    for row in rows:
        said[row["content_hash"]] = max(said.get(row["content_hash"], 0), row["reach"])
    found = {
        uid: reaches.get(uid, said.get(hash, 0))
        for uid, hash, hlc, device in here
        if uid in reaches or (not _known(merge.origin, device, hlc) and hlc <= said.get(hash, -1))
    }
    alone = {row["uid"] for row in rows if row["alone"]}
    ends = {uid: reach for uid, reach in {**reaches, **found}.items() if uid not in alone}
    return found | _descendants(connection, ends)


def _descendants(connection: Connection, forgotten: Mapping[str, int]) -> dict[str, int]:
    """Return the records that came as later versions after *forgotten* ones, with what reaches those."""
    found: dict[str, int] = {}
    waiting = dict(forgotten)
    while waiting:
        later: list[Any] = connection.execute(
            "select uid, supersedes from records where supersedes in (select value from json_each(?))",
            (json.dumps(list(waiting)),),
        ).fetchall()
        waiting = {uid: waiting[before] for uid, before in later if uid not in found}
        found |= waiting
    return found


def _known(origin: Origin, device: str, hlc: int) -> bool:
    """Return whether where rows come from had this write: then it was not forgotten there, or is forgotten already."""
    return device in origin.seen and hlc <= origin.seen[device].last


def _drop_resting(connection: Connection, uids: Sequence[str]) -> None:
    for table in tables.SYNCED:
        if table.name not in ("records", "tombstones"):
            for column in {*table.rests_on, *({"uid"} & {*table.key})}:
                connection.execute(
                    f"delete from {table.name} where {column} in (select value from json_each(?))", (json.dumps(uids),)
                )


# -- rows that are written whole ------------------------------------------------------------------------------------


def _take_rows(merge: Merge, connection: Connection, table: Table, rows: Sequence[Values]) -> None:
    """Take in rows of which the later one wins."""
    numbers = meta.number_devices(connection, {row["device"] for row in rows})
    ours = tables.columns(connection, table.name)
    gone = _forgotten(connection, {row[name] for row in rows for name in table.rests_on + table.key})
    for row in rows:
        if any(row[name] in gone for name in table.rests_on + table.key) or not _gives_way(connection, table, row):
            continue
        here = _found(connection, table, ours, row)
        if here is not None and (row["hlc"], row["device"]) == (here["hlc"], here["device"]):
            continue  # it is the same
        wins = here is None or (row["hlc"], row["device"]) > (here["hlc"], here["device"])
        if here is not None and not _known(merge.origin, here["device"], here["hlc"]):
            lost, kept = (here, row) if wins else (row, here)
            key = "/".join(str(row[name]) for name in table.key)
            merge.tally.conflicts.append(Conflict(table.name, key, "written twice", _shown(lost), _shown(kept)))
        if wins:
            merge.tally.count[table.name] += 1
            named = [name for name in ours if name in row]
            connection.execute(
                f"""insert or replace into {table.name} ({", ".join(named)})
                    values ({", ".join(f":{name}" for name in named)})""",
                {name: numbers[row["device"]] if name == "device" else row[name] for name in named},
            )
            if table.name == "kinds":
                _redefine(merge, connection, row["name"])


def _found(connection: Connection, table: Table, columns: Sequence[str], row: Values) -> Values | None:
    """Return the row here that has the key of *row*."""
    listed = ", ".join(tables.portable(table.name, name) for name in columns)
    which = " and ".join(f"{tables.portable(table.name, name)} is :{name}" for name in table.key)
    found = connection.execute(
        f"select {listed} from {tables.source(table.name)} where {which}", {name: row[name] for name in table.key}
    ).fetchone()
    return dict(zip(columns, found, strict=True)) if found else None


def _gives_way(connection: Connection, table: Table, row: Values) -> bool:
    """Return whether no row of a lower key is here that says the same; take those of higher keys out."""
    if not table.unique:
        return True
    same = " and ".join(f"{name} is :{name}" for name in table.unique)
    others = f"from {table.name} where {same} and {table.key[0]}"
    values = {name: row[name] for name in (table.key[0], *table.unique)}
    if connection.execute(f"select 1 {others} < :{table.key[0]}", values).fetchone():
        return False
    connection.execute(f"delete {others} > :{table.key[0]}", values)
    return True


def _shown(row: Values) -> str:
    plain = {name: value for name, value in row.items() if name not in ("hlc", "device", "stamps")}
    return json.dumps(plain, ensure_ascii=False, default=repr)


def _redefine(merge: Merge, connection: Connection, name: str) -> None:
    """Make the keys of a kind's records again, as it is defined now, and see which of them hold."""
    try:
        made = kinds.every(connection)[name]
        kinds.described(name, made.schema, key=made.key, searchable=made.searchable, single=made.single)
        merge.touched.update(kinds.rekey(connection, made))
    except (TypeError, ValueError, KeyError) as error:
        raise StorageError(f"the other file is damaged: the kind {name!r:.80} is none: {error}") from error


# -- records --------------------------------------------------------------------------------------------------------


def _take_records(
    merge: Merge, connection: Connection, rows: Sequence[Values], carried: Mapping[str, Carried], made: Made
) -> None:
    """Take in records: add those that are new, and join what was changed of the others."""
    # A stamp in any case, so that who holds the records in memory sees that there are more.
    stamp = ingest.claim(merge.db, connection, merge.encoder()) if made else merge.db.stamp(connection)
    if merge.db.encoder_id(connection) is None:
        merge.db.set_encoder_id(connection, merge.target)
    _note_clocks(merge, rows)
    kept = _kept(merge, connection, rows, stamp)
    here = _here(connection, [row["uid"] for row in kept])
    new = [row for row in kept if row["uid"] not in here]
    store.adopt(connection, new, meta.number_devices(connection, {row["device"] for row in new}))
    ids = _ids(connection, [row["uid"] for row in new])
    _index(connection, new, ids, carried, made)
    changed = []
    for row in kept:
        if row["uid"] in here and (values := _joined(here[row["uid"]], row)):
            id = here[row["uid"]]["id"]
            store.overwrite(connection, id, values)
            changed.append(id)
            if values.keys() & IN_MEMORY:
                merge.db.mark_erased(connection, stamp)
    merge.tally.count["added"] += len(new)
    merge.tally.count["changed"] += len(changed)
    # Also those that were here: a run before this one may have been broken off.
    merge.touched.update(ids.values(), (each["id"] for each in here.values()))


def _kept(merge: Merge, connection: Connection, rows: Sequence[Values], stamp: Stamp) -> list[Values]:
    """Return those of *rows* that are not forgotten, and forget what rests on forgotten ones."""
    named = {row[name] for row in rows for name in ("uid", "supersedes")}
    gone, ended = _forgotten(connection, named), _forgotten(connection, named, alone=False)
    said: dict[bytes, int] = {}
    for uid, hash, hlc, device, until in connection.execute(
        """select t.uid, t.content_hash, t.hlc, d.uid, ifnull(t.reach, t.hlc)
           from tombstones as t join devices as d on d.id = t.device
           where t.content_hash in (select unhex(value) from json_each(?))""",
        (json.dumps([row["content_hash"].hex() for row in rows]),),
    ):
        if uid not in merge.buried and not _known(merge.origin, device, hlc):
            said[hash] = max(until, said.get(hash, 0))
    here = _ids(connection, [row["uid"] for row in rows])
    kept, new = [], {}
    for row in rows:
        uid, hash = row["uid"], row["content_hash"]
        if uid in gone:
            continue
        if row["supersedes"] in ended:
            ended[uid] = ended[row["supersedes"]]
        elif uid not in here and row["hlc"] <= said.get(hash, -1):
            ended[uid] = said[hash]
        else:
            kept.append(row)
            continue
        new[uid] = store.Grave(uid, hash, ended[uid])
    store.bury(connection, new.values(), now=merge.now, stamp=stamp)
    fallen = {uid: ended[uid] for uid in new}
    _take_out(merge, connection, {uid: fallen[uid] for uid in fallen if uid in here} | _descendants(connection, fallen))
    return kept


def _forgotten(connection: Connection, uids: Iterable[object], *, alone: bool = True) -> dict[str, int]:
    """
    Return those of *uids* that are forgotten, and up to which clock the same content is.

    Args:
        alone: also those whose other versions stay.
    """
    rows = connection.execute(
        """select uid, ifnull(reach, hlc) from tombstones
           where uid in (select value from json_each(:uids)) and (:alone or not alone)""",
        {"uids": json.dumps([uid for uid in uids if isinstance(uid, str)]), "alone": alone},
    )
    return dict(rows)


def _here(connection: Connection, uids: Sequence[str]) -> dict[str, Values]:
    names = tables.columns(connection, "records")
    listed = ", ".join(tables.portable("records", name) for name in names)
    rows = connection.execute(
        f"select t.id, {listed} from {tables.source('records')} where t.uid in (select value from json_each(?))",
        (json.dumps(uids),),
    )
    found = (dict(zip(["id", *names], row, strict=True)) for row in rows)
    return {row["uid"]: row | {"stamps": json.loads(row["stamps"] or "{}")} for row in found}


def _ids(connection: Connection, uids: Sequence[str]) -> dict[str, int]:
    rows = connection.execute(
        "select uid, id from records where uid in (select value from json_each(?))", (json.dumps(uids),)
    )
    return dict(rows)


def _joined(here: Values, row: Values) -> Values:
    """
    Return what changes of a record that is here as *here*, and elsewhere as *row*.

    A value keeps the stamp of who wrote it, not a later one of a value that did not win: else it would not travel to
    those who know the later one.
    """
    changed: Values = {}
    stamps = dict(here["stamps"])
    for name in tables.REGISTERS:
        theirs, ours = row["stamps"].get(name), stamps.get(name, [here["hlc"], here["device"]])
        if theirs is None:
            continue
        if row[name] == here[name]:
            stamps[name] = max(stamps.get(name, theirs), theirs)
        elif (further(here[name], row[name]) == row[name]) if (further := FURTHER.get(name)) else theirs > ours:
            changed[name], stamps[name] = row[name], theirs
    return changed | {"stamps": stamps} if stamps != here["stamps"] else {}


def _given(choose: Callable[[Iterable[Any]], Any]) -> Callable[[Any, Any], Any]:
    return lambda one, other: choose(value for value in (one, other) if value is not None)


# Of columns that only ever go one way, the value that is further on it, of two of which one at least is given.
FURTHER: dict[str, Callable[[Any, Any], Any]] = {
    "status": max,  # "active" < "superseded"
    "valid_to": _given(min),
    "supersedes": _given(min),
    "position": _given(max),
}


# -- what is derived of them ----------------------------------------------------------------------------------------


def _index(
    connection: Connection, rows: Sequence[Values], ids: Mapping[str, int], carried: Mapping[str, Carried], made: Made
) -> None:
    for row in rows:
        id = ids[row["uid"]]
        fulltext.index(connection, Row(id, row["speaker"], row["text"], row["occurred_at"]))
        if derived := made.get(row["uid"].encode()):
            search.index(connection, id, derived.vector, derived.codes, derived.traits, derived.topics)
            claims.index(connection, id, derived.claims)
    for name, (columns, derived_rows) in carried.items():
        here = [(ids[uid], *rest) for uid, *rest in derived_rows if uid in ids and uid.encode() not in made]
        OWNERS.get(name, search.adopt)(connection, name, columns, here)
    kinds.enter(connection, list(ids.values()))


def _made(merge: Merge, rows: Sequence[Values], carried: Mapping[str, Carried]) -> Made:
    """Return what is derived of those of *rows* that are new here, and come without it; by uid."""
    have = {row["uid"] for row in rows}
    for name in WHOLE:
        have &= {uid for uid, *_ in carried[name].rows} if name in carried else set()
    with merge.db.read() as connection:
        have.update(
            _ids(connection, [row["uid"] for row in rows]), _forgotten(connection, [row["uid"] for row in rows])
        )
        known = kinds.every(connection)
    missing = [_draft(row, known) for row in rows if row["uid"] not in have]
    merge.tally.count["encoded"] += len(missing)
    return ingest.made_of(ingest.Reader(merge.encoder()), missing) if missing else {}


def _draft(row: Values, known: kinds.Kinds) -> Draft:
    """Return a record as what it was made of; found by its uid, where others have the same content."""
    return Draft(
        scope=Scope(row["user"], row["agent"], row["session"]),
        content_hash=row["uid"].encode(),
        repeatable=False,
        definition=known.get(row["kind"]),
        **{name: row[name] for name in DRAFTED},
    )
