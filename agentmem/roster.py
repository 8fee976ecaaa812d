"""
What ranking asks of every record, in memory: a few numbers each, in columns, by row id.

Built from the file on first use, about 50 bytes a record; later only what is new is read.  It holds every scope's
records, and nothing of their text: what a read may see is for its predicate to say, never for this table.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .db import Connection

Whole = NDArray[np.int64]

NO_TIME = np.iinfo(np.int64).min  # of a record whose time is not known
ASKS, DATED, USER, ASSISTANT, STATES = 1, 2, 4, 8, 16  # bits of `flags`
TELLS = 5  # `tells` stands above them, shifted by so many bits
POSITIONS = 1 << 32  # a conversation has fewer turns


@dataclass(frozen=True, slots=True)
class Roster:
    """Columns over n records, ascending by row id; one state of the file, never changed."""

    clock: int  # the file's, when it was read
    erased: int  # the clock of the last forgetting before it
    id: Whole  # (n,)
    spot: Whole  # (n,) scope × 2³² + position; negative outside a conversation
    at: Whole  # (n,) UTC ms when it occurred, or NO_TIME
    length: NDArray[np.int32]  # (n,) characters
    flags: NDArray[np.uint8]  # (n,)
    speaker: NDArray[np.int32]  # (n,) index into `speakers`, -1 for none
    importance: NDArray[np.float32]  # (n,) 0..1
    confidence: NDArray[np.float32]  # (n,) 0..1
    speakers: tuple[str, ...]
    by_spot: Whole  # (m,) rows in a conversation, in order of their spots, then of their ids
    spots: Whole  # (m,) the spots of `by_spot`

    def rows(self, ids: Sequence[int] | Whole) -> Whole:
        """Return the row in this table of each of *ids*, all of which it must have."""
        return np.searchsorted(self.id, np.asarray(ids, np.int64))

    def beside(self, rows: Whole, step: int) -> Whole:
        """Return the rows of the turns *step* places on from *rows*, in all of their versions."""
        spots = self.spot[rows]
        wanted = spots[spots >= 0] + step
        first, last = (np.searchsorted(self.spots, wanted, side) for side in ("left", "right"))
        versions = last - first
        run = np.arange(versions.sum()) - np.repeat(np.cumsum(versions) - versions, versions)
        return np.asarray(self.by_spot[np.repeat(first, versions) + run], np.int64)

    def turns(self, rows: Whole, most: int) -> Whole:
        """Return how many turns the conversation of each of *rows* has, as far as *most*; 1 outside any."""
        scope = self.spot[rows] // POSITIONS
        first = np.searchsorted(self.spots, scope * POSITIONS)
        last = np.searchsorted(self.spots, (scope + 1) * POSITIONS)
        return np.where(scope >= 0, np.clip(last - first, 1, most), 1)


def empty() -> Roster:
    """Return a roster of nothing, which `refreshed` fills."""
    whole, small = np.empty(0, np.int64), np.empty(0, np.float32)
    return Roster(
        -1, 0, whole, whole, whole, np.empty(0, np.int32), np.empty(0, np.uint8), np.empty(0, np.int32),
        small, small, (), whole, whole,
    )  # fmt: skip


def refreshed(roster: Roster, connection: Connection) -> Roster:
    """
    Return *roster* with what the file has beyond it; itself where that is nothing.

    A row id is never used again and rises with each commit, so what is new lies above the last one.  Where something
    was forgotten since, all is read again: its scope's number may have a new owner.
    """
    clock, erased = (
        int(value)
        for value in connection.execute(
            """select (select value from meta where key = 'clock'),
                      ifnull((select value from meta where key = 'erased'), '0')"""
        ).get
    )
    if erased != roster.erased:  # since the roster was read, or since this state, which another thread has left behind
        roster = replace(empty(), erased=erased)
    elif clock <= roster.clock:
        return roster
    last = int(roster.id[-1]) if len(roster.id) else 0
    rows = connection.execute(
        f"""select r.id, iif(r.position is null, -1, r.scope * {POSITIONS} + r.position), r.occurred_at,
               ifnull(t.length, length(r.text)),
               ifnull(t.asks * {ASKS} + t.dated * {DATED} + t.states * {STATES} + (t.tells << {TELLS}), 0)
                   + (r.role = 'user') * {USER} + (r.role = 'assistant') * {ASSISTANT},
               r.speaker, r.importance, r.confidence
           from records as r left join traits as t on t.id = r.id where r.id > ? order by r.id""",
        (last,),
    ).fetchall()
    return _extended(roster, clock, list(zip(*rows, strict=True))) if rows else replace(roster, clock=clock)


def _extended(roster: Roster, clock: int, new: Sequence[Sequence[object]]) -> Roster:
    ids, spots, times, lengths, flags, names, importance, confidence = new
    speakers = {name: number for number, name in enumerate(roster.speakers)}
    numbers = [-1 if name is None else speakers.setdefault(str(name), len(speakers)) for name in names]
    known = [NO_TIME if at is None else at for at in times]

    def joined(name: str, values: Any) -> Any:
        old = getattr(roster, name)
        return np.concatenate((old, np.array(values, old.dtype)))

    spot = joined("spot", spots)
    by_spot = np.flatnonzero(spot >= 0)
    by_spot = by_spot[np.argsort(spot[by_spot], kind="stable")]
    return Roster(
        clock, roster.erased, joined("id", ids), spot, joined("at", known), joined("length", lengths),
        joined("flags", flags), joined("speaker", numbers), joined("importance", _shares(importance)),
        joined("confidence", _shares(confidence)), tuple(speakers), by_spot, spot[by_spot],
    )  # fmt: skip


def _shares(values: Sequence[Any]) -> NDArray[np.float64]:
    """Return *values* within 0..1; a damaged file may hold any number."""
    return np.clip(np.nan_to_num(np.array(values, np.float64)), 0, 1)
