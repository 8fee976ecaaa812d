"""
One query → ranked row ids: find candidates by words, by meaning and by time, unite them, score each by every signal.

The place to change when recall is to become better; the formulas are in `rank`, the SQL in `fulltext` and `search`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from . import fulltext, rank, search, store
from .db import Connection, Database
from .encoder import WIDTH, Encoding
from .records import Hit, Strategy
from .roster import ASKS, ASSISTANT, DATED, NO_TIME, POSITIONS, STATES, TELLS, USER, Roster, empty, refreshed
from .scope import Predicate
from .times import asks_when, named_times, spoken_of
from .traits import MOST_TELLS
from .words import WORD, asked_role

DEPTH = 200  # candidates from each arm
LATE_DEPTH = 100  # of the shortlist, re-ranked by their token vectors
DAY_MS = 86_400_000
NEAR_DAYS = 15_000  # a question without a year is asked of the years around
LONG_AGO = 1e9  # days, of what has no known time


@dataclass(frozen=True, slots=True)
class Ranked:
    """One ranked candidate."""

    id: int  # row id
    score: float  # 0..1
    why: Mapping[str, float]  # the part of the score that each signal made, in log-odds


@dataclass(frozen=True, slots=True)
class Question:
    """A query as ranking takes it."""

    text: str
    encoding: Encoding
    now: int  # UTC ms
    half_life_days: float  # age at which recency has fallen to a half


class Finder:
    """Finds records of one file; threads share it, and what it has read of the file."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._roster = empty()

    def hits(
        self,
        question: Question,
        encoder_id: str,
        seen: Predicate,
        *,
        k: int,
        min_score: float = 0.0,
        explain: bool = False,
        strategy: Strategy | None = None,
    ) -> list[Hit]:
        """Return up to *k* hits of at least *min_score*, in the order of *strategy* where one is given."""
        with self._db.read() as connection:
            self._db.match_encoder(connection, encoder_id)
            ranked = best(connection, self.roster(connection), question, seen, k=max(k, LATE_DEPTH) if strategy else k)
            good = [found for found in ranked if found.score >= min_score]
            records = store.fetch(connection, [found.id for found in good])
        told = explain or strategy is not None
        hits = [Hit(records[found.id], found.score, found.why if told else None) for found in good]
        return hits if strategy is None else _by_strategy(strategy, question.text, hits)[:k]

    def roster(self, connection: Connection) -> Roster:
        """Return the roster of the state that *connection* sees, or a later one."""
        roster = self._roster = refreshed(self._roster, connection)
        return roster


def _by_strategy(strategy: Strategy, query: str, hits: list[Hit]) -> list[Hit]:
    known = {hit.id for hit in hits}
    chosen = list(strategy(query, list(hits)))
    for hit in chosen:
        if not isinstance(hit, Hit) or hit.id not in known:
            raise TypeError(f"a strategy returns some of the hits that it was given, best first, not {hit!r:.80}")
    return chosen


def best(
    connection: Connection,
    roster: Roster,
    question: Question,
    seen: Predicate,
    *,
    k: int,
    weights: Mapping[str, float] = rank.WEIGHTS,
) -> list[Ranked]:
    """
    Return up to *k* candidates that *seen* sees, best first, ties by row id.

    Args:
        roster: of this state of the file or a later one.
        weights: of the signals, see `rank.final`; without one, its signal does not count.
    """
    vector, depth = question.encoding.quantised, max(DEPTH, 2 * k)
    asked = _asked_times(roster, question)
    words = fulltext.lexical(connection, question.text, seen, depth)
    near = search.nearest(connection, vector, seen, depth)
    if asked:
        near |= search.nearest_of_times(connection, vector, seen, asked, depth // 2)
    ids = _with_neighbours(connection, roster, np.array(sorted(words.keys() | near.keys()), np.int64), seen)
    if not len(ids):
        return []
    near |= search.cosines(connection, vector, [id for id in ids.tolist() if id not in near])
    signals = _signals(roster, question, ids, _column(ids, words), _column(ids, near))
    if asked:
        signals.time[:] = _share_of_times(connection, roster, ids, asked)
    base = rank.shortlist(signals)
    top = np.argsort(-base, kind="stable")[: max(LATE_DEPTH, k)]
    score, parts = rank.final(signals, top, *_late(connection, question, ids, signals, top), weights)
    order = np.lexsort((top, -score))[:k]
    return [
        Ranked(int(ids[top[i]]), float(score[i]), {name: float(part[i]) for name, part in parts.items()}) for i in order
    ]


def _with_neighbours(connection: Connection, roster: Roster, ids: rank.Places, seen: Predicate) -> rank.Places:
    """Return *ids* and those of the turns directly before and after each that *seen* sees, ascending."""
    rows = roster.rows(ids)
    beside = np.concatenate((roster.beside(rows, -1), roster.beside(rows, 1)))
    more = np.setdiff1d(roster.id[beside], ids)
    return np.union1d(ids, search.visible(connection, more.tolist(), seen)).astype(np.int64) if len(more) else ids


def _column(ids: rank.Places, values: Mapping[int, float]) -> rank.Floats:
    return np.array([values.get(id, 0.0) for id in ids.tolist()], np.float32)


def _signals(
    roster: Roster, question: Question, ids: rank.Places, lexical: rank.Floats, cosine: rank.Floats
) -> rank.Signals:
    rows = roster.rows(ids)
    flags = roster.flags[rows]
    named, role = _asked(roster, rows, question.text)
    age = np.where(roster.at[rows] == NO_TIME, LONG_AGO, np.maximum(question.now - roster.at[rows], 0) / DAY_MS)
    with np.errstate(over="ignore"):  # a half-life of next to nothing
        recency = np.exp2(-age / question.half_life_days).astype(np.float32)

    def bit(which: int) -> rank.Floats:
        return (flags & which > 0).astype(np.float32)

    return rank.Signals(
        lexical=lexical,
        cosine=cosine,
        session=np.where(roster.spot[rows] >= 0, roster.spot[rows] // POSITIONS, -1),
        turns=roster.turns(rows, rank.SESSION_BEST),
        previous=_places(roster.spot[rows], -1),
        next=_places(roster.spot[rows], 1),
        length=roster.length[rows].astype(np.float32),
        asks=bit(ASKS),
        named=(roster.speaker[rows] == named).astype(np.float32) if named >= 0 else np.zeros(len(rows), np.float32),
        role=bit(role),
        time=np.zeros(len(rows), np.float32),
        when=bit(DATED if asks_when(question.text) else 0),
        states=bit(STATES),
        tells=np.asarray((flags >> TELLS) / MOST_TELLS, np.float32),
        importance=roster.importance[rows],
        confidence=roster.confidence[rows],
        recency=recency,
    )


def _places(spots: rank.Places, step: int) -> rank.Places:
    """Return the place among *spots* of the one *step* on from each, or -1; a reader sees one version of a turn."""
    order = np.argsort(spots, kind="stable")
    place = np.searchsorted(spots[order], spots + step)
    found = order[np.minimum(place, len(spots) - 1)]
    return np.where((spots >= 0) & (spots[found] == spots + step), found, -1)


def _asked(roster: Roster, rows: rank.Places, query: str) -> tuple[int, int]:
    """Return the only speaker among *rows* whom the query names, or -1, and the flag of the role that it asks about."""
    words = set(WORD.findall(query.lower()))
    speakers = [number for number in np.unique(roster.speaker[rows]).tolist() if number >= 0]
    named = [number for number in speakers if words & set(WORD.findall(roster.speakers[number].lower()))]
    role = {"assistant": ASSISTANT, "user": USER, None: 0}[asked_role(query)]
    roles = np.bitwise_or.reduce(roster.flags[rows])
    return named[0] if len(named) == 1 else -1, role if roles & USER and roles & ASSISTANT else 0


def _asked_times(roster: Roster, question: Question) -> list[search.Interval]:
    """Return the times that the query names: "last week" by the present, "in May" of every year that there is."""
    if not spoken_of(question.text, question.now):
        return []  # as of most queries: the roster's times need not be looked through
    # One record of the year 1 must not make the May of every year since a candidate.
    near = np.abs(roster.at // DAY_MS - question.now // DAY_MS) < NEAR_DAYS
    known = roster.at[near] if near.any() else np.array([question.now])
    return named_times(question.text, question.now, int(known.min()), int(known.max()))


def _share_of_times(
    connection: Connection, roster: Roster, ids: rank.Places, asked: Sequence[search.Interval]
) -> rank.Floats:
    """Return how much of what each of *ids* speaks of lies in the times *asked*, and 1 where it was said then."""
    at, spoken = roster.at[roster.rows(ids)], search.times(connection, ids.tolist())
    share = np.zeros(len(ids), np.float32)
    for since, until in asked:
        share[(at >= since) & (at < until)] = 1
        for place, id in enumerate(ids.tolist()):
            for first, end in spoken.get(id, ()):
                common = min(until, end) - max(since, first)
                share[place] = max(share[place], common / (end - first))
    return share


def _late(
    connection: Connection, question: Question, ids: rank.Places, signals: rank.Signals, top: rank.Places
) -> tuple[rank.Floats, rank.Floats, rank.Floats]:
    """Return the similarities of *top*, and of the turns before and after each, which may lie outside *top*."""
    beside = (signals.previous[top], signals.next[top])
    wanted = np.unique(np.concatenate((top, *beside)))
    wanted = wanted[wanted >= 0]
    codes = search.codes(connection, ids[wanted].tolist())
    # A query may have no token at all: a zero-width space, say.
    tokens = question.encoding.tokens
    tokens = tokens if len(tokens) else np.zeros((1, WIDTH), np.float32)
    similarity = rank.max_similarity(tokens, [codes.get(id) for id in ids[wanted].tolist()], WIDTH)

    def of(index: rank.Places) -> rank.Floats:
        column = np.searchsorted(wanted, np.maximum(index, wanted[0]))
        return np.where(index >= 0, similarity[:, np.minimum(column, len(wanted) - 1)], 0).astype(np.float32)

    return of(top), of(beside[0]), of(beside[1])
