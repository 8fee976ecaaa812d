"""
What ranking asks of every record, in memory: a few numbers each and the signs of its vector, in columns, by row id.

Built from the file on first use, about 100 bytes a record; later only what is new is read.  It holds every scope's
records, and nothing of their text: what a read may see is for its predicate to say, never for this table.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .db import Connection, bound
from .rank import Places

NO_TIME = np.iinfo(np.int64).min  # of a record whose time is not known
ASKS, DATED, USER, ASSISTANT, STATES = 1, 2, 4, 8, 16  # bits of `flags`
TELLS = 5  # `tells` stands above them, shifted by so many bits
POSITIONS = 1 << 32  # a conversation has fewer turns
WORDS = 6  # of 64 bits, in the signs of a vector
SHARE = 10_000  # importance and confidence are read in steps of 1 / SHARE
AT_ONCE = 16_384  # rows read together, 5 MB while they are
GROWTH = 8  # a column has room for an eighth more; a run of turns takes in what is more than an eighth as long

COLUMNS: Mapping[str, tuple[type, str]] = {  # name → dtype, SQL over records r and traits t
    "id": (np.int64, "r.id"),
    "scope": (np.int32, "r.scope"),
    "position": (np.int32, "ifnull(r.position, -1)"),
    "at": (np.int64, f"ifnull(r.occurred_at, {NO_TIME})"),
    "length": (np.int32, "ifnull(t.length, length(r.text))"),
    "flags": (
        np.uint8,
        f"""ifnull(t.asks * {ASKS} + t.dated * {DATED} + t.states * {STATES} + (t.tells << {TELLS}), 0)
            + (r.role = 'user') * {USER} + (r.role = 'assistant') * {ASSISTANT}""",
    ),
    "importance": (np.float32, f"ifnull(cast(round(r.importance * {SHARE}) as integer), 0)"),
    "confidence": (np.float32, f"ifnull(cast(round(r.confidence * {SHARE}) as integer), 0)"),
}


@dataclass(frozen=True, slots=True)
class Run:
    """Turns of conversations, in order of their spots, then of their ids."""

    spots: Places  # (m,) scope × 2³² + position
    rows: NDArray[np.int32]  # (m,)


@dataclass(frozen=True, slots=True)
class Spoken:
    """Times that records speak of, in order of their rows; half-open, UTC ms."""

    rows: NDArray[np.int32]  # (t,)
    since: Places  # (t,)
    until: Places  # (t,)


@dataclass(frozen=True, slots=True)
class Roster:
    """Columns over n records, ascending by row id; one state of the file, never changed."""

    clock: int  # the file's, when it was read
    erased: int  # the clock of the last forgetting before it
    id: Places  # (n,)
    scope: NDArray[np.int32]  # (n,)
    position: NDArray[np.int32]  # (n,) in a conversation; -1 outside
    at: Places  # (n,) UTC ms when it occurred, or NO_TIME
    length: NDArray[np.int32]  # (n,) characters
    flags: NDArray[np.uint8]  # (n,)
    importance: NDArray[np.float32]  # (n,) 0..1
    confidence: NDArray[np.float32]  # (n,) 0..1
    speaker: NDArray[np.int32]  # (n,) index into `speakers`, -1 for none
    signs: NDArray[np.uint64]  # (6, n) of the sentence vector, as sqlite-vec packs them; 0 where there is none yet
    speakers: tuple[str, ...]
    spoken: Spoken
    runs: tuple[Run, ...]  # all turns, in few runs

    def rows(self, ids: Sequence[int] | Places) -> Places:
        """Return the row in this table of each of *ids*, all of which it must have."""
        return np.searchsorted(self.id, np.asarray(ids, np.int64))

    def spots(self, rows: Places) -> Places:
        """Return scope × 2³² + position of *rows*, negative outside a conversation."""
        position = self.position[rows].astype(np.int64)
        return np.where(position < 0, -1, self.scope[rows] * np.int64(POSITIONS) + position)

    def beside(self, rows: Places, step: int) -> Places:
        """Return the rows of the turns *step* places on from *rows*, in all of their versions."""
        spots = self.spots(rows)
        wanted = spots[spots >= 0] + step
        found = [np.empty(0, np.int64)]
        for run in self.runs:
            found.append(run.rows[_equal(run.spots, wanted)[1]].astype(np.int64))
        return np.concatenate(found)

    def times(self, rows: Places) -> tuple[Places, Places, Places]:
        """Return the times (t,) that *rows* speak of: whose, as a place in *rows*; since when; and until when."""
        place, found = _equal(self.spoken.rows, rows)
        return place, self.spoken.since[found], self.spoken.until[found]

    def turns(self, scopes: Places, most: int) -> Places:
        """Return how many turns each of the conversations *scopes* (n,) has, as far as *most*."""
        first = scopes.astype(np.int64) * POSITIONS
        count = np.zeros(len(scopes), np.int64)
        for run in self.runs:
            count += np.searchsorted(run.spots, first + POSITIONS) - np.searchsorted(run.spots, first)
        return np.minimum(count, most)


def empty(room: int = 0) -> Roster:
    """Return a roster of nothing, which `refreshed` fills; *room* records fit in without a copy."""
    columns: Any = {name: np.empty(room, kind)[:0] for name, (kind, _) in COLUMNS.items()}
    spoken = Spoken(np.empty(0, np.int32), np.empty(0, np.int64), np.empty(0, np.int64))
    return Roster(
        clock=-1,
        erased=0,
        **columns,
        speaker=np.empty(room, np.int32)[:0],
        signs=np.empty((WORDS, room), np.uint64)[:, :0],
        speakers=(),
        spoken=spoken,
        runs=(),
    )


def clocks(connection: Connection) -> tuple[int, int]:
    """Return the file's clock, and what it was at the last forgetting."""
    sql = """select (select value from meta where key = 'clock'),
                    ifnull((select value from meta where key = 'erased'), '0')"""
    clock, erased = connection.execute(sql).get
    return int(clock), int(erased)


def refreshed(roster: Roster, connection: Connection) -> Roster:
    """
    Return *roster* with what the file has beyond it; itself where that is nothing.

    A row id is never used again and rises with each commit, so what is new lies above the last one.  Where something
    was forgotten since, all is read again: its scope's number may have a new owner.  Of the rosters made of one,
    only the last may be refreshed: they share what they have in common.
    """
    clock, erased = clocks(connection)
    if erased != roster.erased:  # since the roster was read, or since this state, which another thread has left behind
        roster = empty()
    if clock <= roster.clock:
        return roster
    if not len(roster.id):
        count = connection.execute("select count(*) from records").get
        roster = replace(empty(count + count // GROWTH), erased=erased)
    more = AT_ONCE
    while more == AT_ONCE:
        size, last = len(roster.id), int(roster.id[-1]) if len(roster.id) else 0
        roster = with_rows(roster, connection, f"where r.id > :last order by r.id limit {AT_ONCE}", {"last": last})
        more = len(roster.id) - size
    return replace(roster, clock=clock)


def with_rows(roster: Roster, connection: Connection, which: str, bindings: Mapping[str, Any]) -> Roster:
    """
    Return *roster* with the rows that the SQL *which* selects, in ascending order and above its own.

    SQLite writes each column as one text, and numpy reads that: a third of the time that rows of numbers take.
    """
    source = "from records as r left join traits as t on t.id = r.id"
    inner = ", ".join(f"{sql} as {name}" for name, (_, sql) in COLUMNS.items())
    outer = ", ".join(f"group_concat({name})" for name in COLUMNS)
    texts = connection.execute(f"select {outer} from (select {inner} {source} {which})", bindings).get
    if texts[0] is None:
        return roster
    numbers: dict[str, NDArray[Any]] = {
        name: np.fromstring(text, np.int64, sep=",") for name, text in zip(COLUMNS, texts, strict=True)
    }
    for name in ("importance", "confidence"):
        numbers[name] = np.clip(numbers[name], 0, SHARE) / SHARE  # a damaged file may hold any number
    names, signs = zip(*connection.execute(f"select r.speaker, t.signs {source} {which}", bindings), strict=True)
    speakers = {name: number for number, name in enumerate(roster.speakers)}
    numbers["speaker"] = np.array(
        [-1 if name is None else speakers.setdefault(name, len(speakers)) for name in names], np.int64
    )
    bits = np.frombuffer(b"".join([code or bytes(8 * WORDS) for code in signs]), np.uint64).reshape(-1, WORDS)
    run = _run(numbers["scope"], numbers["position"], len(roster.id))
    return Roster(
        roster.clock,
        roster.erased,
        **{name: extended(getattr(roster, name), values) for name, values in numbers.items()},
        signs=extended(roster.signs, bits.T),
        speakers=tuple(speakers),
        spoken=_spoken(roster, connection, numbers["id"]),
        runs=_merged((*roster.runs, run)),
    )


def _spoken(roster: Roster, connection: Connection, ids: Places) -> Spoken:
    """Return the times that *roster*'s records speak of, and those that *ids* do, which come after them."""
    sql = """select group_concat(id), group_concat(since), group_concat(until) from
             (select id, since, until from times where id between :first and :last"""
    if 2 * len(ids) < ids[-1] - ids[0]:  # few of many
        sql += " and id in carray(:ids)"
    bindings = {"first": int(ids[0]), "last": int(ids[-1]), "ids": bound(ids)}
    texts = connection.execute(f"{sql} order by id, since, until)", bindings).get
    if texts[0] is None:
        return roster.spoken
    id, since, until = (np.fromstring(text, np.int64, sep=",") for text in texts)
    kept = np.isin(id, ids)
    rows = len(roster.id) + np.searchsorted(ids, id[kept])
    old = roster.spoken
    return Spoken(extended(old.rows, rows), extended(old.since, since[kept]), extended(old.until, until[kept]))


def _equal(sorted: Places | NDArray[np.int32], wanted: Places) -> tuple[Places, Places]:
    """Return places in *wanted*, and in *sorted*, of all that are equal."""
    first, last = (np.searchsorted(sorted, wanted, side) for side in ("left", "right"))
    count = last - first
    within = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count)
    return np.repeat(np.arange(len(wanted)), count), np.repeat(first, count) + within


def extended(column: NDArray[Any], values: NDArray[Any]) -> NDArray[Any]:
    """Return *column* and *values*, in the same place where it has room behind it: a shorter roster ends before."""
    size, more = column.shape[-1], values.shape[-1]
    buffer = column if column.base is None else column.base
    if buffer.shape[-1] < size + more:
        buffer = np.empty((*column.shape[:-1], (size + more) * (GROWTH + 1) // GROWTH), column.dtype)
        buffer[..., :size] = column
    buffer[..., size : size + more] = values
    return buffer[..., : size + more]


def _run(scope: Places, position: Places, first: int) -> Run:
    turns = np.flatnonzero(position >= 0)
    spots = scope[turns] * POSITIONS + position[turns]
    order = np.argsort(spots, kind="stable")
    return Run(spots[order], (first + turns[order]).astype(np.int32))


def _merged(runs: tuple[Run, ...]) -> tuple[Run, ...]:
    """Merge the last runs until each is much longer than the next: few to look through, and few merges of long ones."""
    while len(runs) > 1 and len(runs[-2].spots) < GROWTH * len(runs[-1].spots):
        spots = np.concatenate((runs[-2].spots, runs[-1].spots))
        order = np.argsort(spots, kind="stable")
        rows = np.concatenate((runs[-2].rows, runs[-1].rows))
        runs = (*runs[:-2], Run(spots[order], rows[order]))
    return runs if not runs or len(runs[-1].spots) else runs[:-1]
