"""
The records that one may see, his own and what was granted to him, as recall searches and ranks them: all of them in
memory, or read from the file each time.

Both give the same candidates and the same numbers.  In memory a search by meaning is one pass over the signs of the
vectors, 48 bytes a record; in SQL nothing is kept, and a search reads the whole table.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from . import rank, search, store
from .db import Connection
from .encoder import signs
from .roster import WORDS, Roster, clocks, empty, extended, refreshed, with_rows
from .scope import Granted, Scope, Seen
from .search import Interval

NEAREST = 6  # so many times more are taken by the distance of signs than by the better estimate
FEW = 8  # a scope that has less than this part of all records is searched by itself
BLOCK = 65_536  # records whose signs are compared at a time, so that what is counted stays in the cache
SAMPLE = 16  # of so many distances one tells how the others lie
SCOPES = 16  # whose records are kept marked


class View(Protocol):
    """The records that one may see in one state of the file."""

    @property
    def count(self) -> int:
        """How many there are, in any state."""

    def ids(self) -> rank.Places:
        """Return all of their ids, ascending."""

    def known(self, ids: rank.Places) -> tuple[NDArray[np.bool_], rank.Places]:
        """Return which of *ids* (n,), ascending, may be seen, and their characters (n,)."""

    def near(self, vector: rank.Floats, limit: int, asked: Sequence[Interval] = ()) -> rank.Places:
        """
        Return the ids, ascending, of about the *limit* nearest to *vector* (384,), and of half as many nearest of those
        that were said in, or speak of, one of the intervals *asked*.
        """

    def roster(self, ids: rank.Places) -> Roster:
        """Return a roster that has the records *ids*, which may be seen, and the turns around them, seen or not."""

    def turns(self, scopes: rank.Places, most: int) -> rank.Places:
        """Return how many turns each of the conversations *scopes* (n,) has, as far as *most*."""

    def span(self, since: int, until: int) -> Interval | None:
        """Return the first and the last time between *since* and *until* that is known of a record."""


class Index(Protocol):
    """Gives views; threads share it."""

    def view(self, connection: Connection, seen: Seen) -> View:
        """Return the records whose owners *seen* sees, in the state that *connection* sees, or in a later one."""


class InSQL:
    """Keeps nothing in memory."""

    def view(self, connection: Connection, seen: Seen) -> View:
        return Queried(connection, seen.whole)


class InMemory:
    """Keeps the roster of the file, about 100 bytes a record, and who sees what of it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._roster = empty()
        self._marks: dict[tuple[Scope, tuple[Granted, ...]], _Mark] = {}

    def view(self, connection: Connection, seen: Seen) -> View:
        whose = seen.scope, seen.granted
        with self._lock:
            before, self._roster = self._roster, refreshed(self._roster, connection)
            if self._roster.erased != before.erased:
                self._marks.clear()  # rows moved, and a scope's number may have a new owner
            old = self._marks.pop(whose, None) or _Mark(0, np.empty(0, np.int64), np.empty(0, bool))
            mark = _marked(old, self._roster, connection, seen)
            # A reader of an earlier state than the roster's does not see every scope that it has.
            behind = mark is not old and clocks(connection)[0] < self._roster.clock
            self._marks[whose] = old if behind else mark
            if len(self._marks) > SCOPES:
                del self._marks[next(iter(self._marks))]  # the one not used for longest
            return Loaded(connection, self._roster, mark.rows, parted=bool(seen.granted))


@dataclass(frozen=True, slots=True)
class _Mark:
    """Which rows of a roster may be seen."""

    last: int  # number of the last scope that was looked at
    scopes: rank.Places  # the numbers of those in it
    rows: NDArray[np.bool_]  # (n,)


def _marked(mark: _Mark, roster: Roster, connection: Connection, seen: Seen) -> _Mark:
    """Return *mark* with what *roster* has beyond it."""
    first = len(mark.rows)
    if first == len(roster.id):
        return mark
    if seen.granted:  # filters are SQL's to read
        new = roster.id[first:]
        found = search.visible(connection, new, seen.whole) if first else search.ids(connection, seen.whole)
        return _Mark(0, mark.scopes, extended(mark.rows, np.isin(new, np.array(found, np.int64))))
    more = store.scope_numbers(connection, seen.scope, after=mark.last)
    scopes = np.concatenate((mark.scopes, np.array(more, np.int64)))
    rows = extended(mark.rows, np.isin(roster.scope[first:], scopes))
    return _Mark(max(mark.last, int(roster.scope[first:].max())), scopes, rows)


class Loaded:
    """A view of a roster in memory."""

    def __init__(self, connection: Connection, roster: Roster, mark: NDArray[np.bool_], *, parted: bool) -> None:
        self._connection = connection
        self._roster = roster
        self._mark = mark
        self._parted = parted  # a conversation may be seen in part
        self.count = int(np.count_nonzero(mark))

    def ids(self) -> rank.Places:
        return self._roster.id[self._mark]

    def known(self, ids: rank.Places) -> tuple[NDArray[np.bool_], rank.Places]:
        roster = self._roster
        if not len(roster.id):
            return np.zeros(len(ids), bool), np.zeros(len(ids), np.int64)
        rows = np.minimum(roster.rows(ids), len(roster.id) - 1)
        return self._mark[rows] & (roster.id[rows] == ids), roster.length[rows].astype(np.int64)

    def near(self, vector: rank.Floats, limit: int, asked: Sequence[Interval] = ()) -> rank.Places:
        roster, mark = self._roster, self._mark
        rows = np.flatnonzero(mark) if self.count * FEW < len(mark) else slice(None)
        distance = _distances(roster.signs[:, rows], signs(vector))

        def nearest(mark: NDArray[np.bool_], limit: int) -> rank.Places:
            first = _first(distance, mark[rows], NEAREST * limit)
            first = first if isinstance(rows, slice) else rows[first]
            return _nearest(roster.id[first], vector, roster.signs[:, first], limit)

        found = nearest(mark, limit)
        return np.union1d(found, nearest(mark & self._of_times(asked), limit // 2)) if asked else found

    def roster(self, ids: rank.Places) -> Roster:
        return self._roster

    def turns(self, scopes: rank.Places, most: int) -> rank.Places:
        if not self._parted:
            return self._roster.turns(scopes, most)
        found = np.sort(self._roster.scope[self._mark & (self._roster.position >= 0)])
        count = np.searchsorted(found, scopes, "right") - np.searchsorted(found, scopes)
        return np.asarray(np.minimum(count, most), np.int64)

    def span(self, since: int, until: int) -> Interval | None:
        at = self._roster.at
        at = at[(at >= since) & (at < until) & self._mark]
        return (int(at.min()), int(at.max())) if len(at) else None

    def _of_times(self, asked: Sequence[Interval]) -> NDArray[np.bool_]:
        """Return (n,) which rows were said in, or speak of, one of the intervals *asked*."""
        at, spoken, found = self._roster.at, self._roster.spoken, np.zeros(len(self._mark), bool)
        for since, until in asked:
            found |= (at >= since) & (at < until)
            found[spoken.rows[(spoken.until > since) & (spoken.since < until)]] = True
        return found


class Queried:
    """A view that reads the file."""

    def __init__(self, connection: Connection, seen: Seen) -> None:
        self._connection = connection
        self._seen = seen

    @cached_property
    def count(self) -> int:
        return search.count(self._connection, self._seen)

    def ids(self) -> rank.Places:
        return np.array(search.ids(self._connection, self._seen), np.int64)

    def known(self, ids: rank.Places) -> tuple[NDArray[np.bool_], rank.Places]:
        lengths = search.lengths(self._connection, ids, self._seen)
        found = np.array([lengths.get(id, -1) for id in ids.tolist()], np.int64)
        return found >= 0, found

    def near(self, vector: rank.Floats, limit: int, asked: Sequence[Interval] = ()) -> rank.Places:
        found = self._nearest(vector, limit, None)
        return np.union1d(found, self._nearest(vector, limit // 2, self._of_times(asked))) if asked else found

    def _nearest(self, vector: rank.Floats, limit: int, among: rank.Places | None) -> rank.Places:
        found = search.nearest_signs(self._connection, bytes(signs(vector)), self._seen, NEAREST * limit, among)
        ids = np.array(sorted(found), np.int64)
        bits = np.frombuffer(b"".join(found[id] for id in ids.tolist()), np.uint64).reshape(-1, WORDS)
        return _nearest(ids, vector, bits.T, limit)

    def roster(self, ids: rank.Places) -> Roster:
        which = search.around(ids)
        return with_rows(empty(), self._connection, f"where {which.sql} order by r.id", which.bindings)

    def turns(self, scopes: rank.Places, most: int) -> rank.Places:
        parted = self._seen if self._seen.granted else None
        return np.array(search.turns(self._connection, scopes, most, parted), np.int64)

    def _of_times(self, asked: Sequence[Interval]) -> rank.Places:
        listed = (search.speaking_of(self._connection, asked), search.said(self._connection, asked))
        ids = np.union1d(*map(_ids, listed))
        return ids[self.known(ids)[0]]

    def span(self, since: int, until: int) -> Interval | None:
        return search.span(self._connection, since, until, self._seen)


def _ids(text: str) -> rank.Places:
    """Read ids that SQLite wrote as one text, which takes a third of the time that rows do."""
    return np.fromstring(text, np.int64, sep=",")


def _distances(bits: NDArray[np.uint64], code: NDArray[np.uint64]) -> NDArray[np.uint16]:
    """Return (n,) in how many signs each column of *bits* (6, n) differs from *code* (6,)."""
    distance = np.zeros(bits.shape[1], np.uint16)
    for first in range(0, bits.shape[1], BLOCK):
        some = slice(first, first + BLOCK)
        for word, other in zip(bits[:, some], code, strict=True):
            distance[some] += np.bitwise_count(word ^ other)
    return distance


def _first(distance: NDArray[np.uint16], mark: NDArray[np.bool_], limit: int) -> rank.Places:
    """
    Return the places of the *limit* least of *distance* (n,) that *mark* (n,) has, ascending; of equal ones the first.

    A sample tells how far to look, so that all but a few are only compared once.
    """
    sample = np.sort(distance[::SAMPLE][mark[::SAMPLE]])
    reach = limit * 3 // (2 * SAMPLE) + SAMPLE
    near = mark & (distance <= sample[reach]) if reach < len(sample) else mark
    places = np.flatnonzero(near)
    if len(places) < limit:
        places = np.flatnonzero(mark)
    return places[rank.top(-distance[places].astype(np.float32), limit)]


def _nearest(ids: rank.Places, vector: rank.Floats, bits: NDArray[np.uint64], limit: int) -> rank.Places:
    return ids[rank.top(rank.cosine(vector, bits), limit)]
