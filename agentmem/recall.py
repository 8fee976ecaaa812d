"""
One query → ranked row ids: find candidates by words, by meaning and by time, unite them, score each by every signal.

The place to change when recall is to become better; the formulas are in `rank`, the searches in `lexical` and `index`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np

from . import grants, lexical, rank, search, store
from .db import Connection, Database
from .encoder import WIDTH, Encoder, Encoding, encode
from .index import Index, View
from .records import Hit, Strategy
from .roster import ASKS, ASSISTANT, DATED, NO_TIME, POSITIONS, STATES, TELLS, USER, Roster
from .scope import Seen
from .times import asks_when, named_times
from .traits import MOST_TELLS
from .words import WORD, asked_role

DEPTH, NEAR_DEPTH = 250, 400  # candidates by words, and by meaning: .988 of the ten nearest of 100,000 are among them
DEEPER = 4  # times as many, where too few of them are visible
LATE_DEPTH = 150  # of the shortlist, re-ranked by their token vectors
DAY_MS = 86_400_000
NEAR_DAYS = 15_000  # a question without a year is asked of the years around
LONG_AGO = 1e9  # days, of what has no known time

T = TypeVar("T")
Late = tuple[rank.Floats, rank.Floats, rank.Floats]  # similarities of tokens: own, of the turn before, of the one after
Encoded = dict[int, tuple[bytes | None, bytes | None]]  # row id → vector and token codes


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
    """Finds records of one file; threads share it, and what its index has read of the file."""

    def __init__(self, db: Database, index: Index) -> None:
        self._db = db
        self._index = index
        self._pool = ThreadPoolExecutor(os.cpu_count() or 1, "agentmem-words")
        self._last: tuple[str, rank.Floats] | None = None  # the query that was asked last, and its vector

    def hits(
        self,
        text: str,
        encoder: Encoder,
        seen: Seen,
        *,
        now: int,
        half_life_days: float,
        k: int,
        min_score: float = 0.0,
        explain: bool = False,
        strategy: Strategy | None = None,
    ) -> list[Hit]:
        """
        Return up to *k* hits for *text* of at least *min_score*, in the order of *strategy* where one is given.

        They are of what is *seen*, and of what is granted to its reader.

        Words are looked up while the query is encoded: both take milliseconds outside of Python.
        """
        with self._db.read() as connection:
            self._db.match_encoder(connection, encoder.id)
            seen = grants.with_granted(connection, seen, now=now)
            with self._meanwhile(lambda: self.look(connection, text, seen)) as look:
                question = Question(text, encode(encoder, [text])[0], now, half_life_days)
                self._last = (text, question.encoding.vector)
                view, words = look()
            ranked = best(connection, view, question, words, seen, k=max(k, LATE_DEPTH) if strategy else k)
            good = [found for found in ranked if found.score >= min_score]
            records = store.fetch(connection, [found.id for found in good])
        told = explain or strategy is not None
        hits = [Hit(records[found.id], found.score, found.why if told else None) for found in good]
        return hits if strategy is None else _by_strategy(strategy, text, hits)[:k]

    def vector(self, text: str, encoder: Encoder) -> rank.Floats:
        """Return the vector (384,) of *text*, which was made already if it is the query that was asked last."""
        last = self._last
        return last[1] if last and last[0] == text else encode(encoder, [text])[0].vector

    def look(self, connection: Connection, text: str, seen: Seen) -> tuple[View, lexical.Found]:
        """Return what ranking needs beside the query's encoding: what may be seen, and what *text*'s words find."""
        view = self._index.view(connection, seen)
        return view, lexical.search(connection, text, view)

    @contextmanager
    def _meanwhile(self, task: Callable[[], T]) -> Iterator[Callable[[], T]]:
        """Let another thread do *task* during the block, which may ask for the result; do it then if none is free."""
        future: Future[T] = self._pool.submit(task)
        try:
            yield lambda: task() if future.cancel() else future.result()
        finally:
            if not future.cancel():
                wait([future])  # it uses the connection, which goes back now


def checked(query: object) -> str:
    """Return *query* as it can be encoded and looked up; TypeError or ValueError where it is no text, or blank."""
    if not isinstance(query, str):
        raise TypeError(f"the query is a string, not {query!r}")
    if not query.strip():
        raise ValueError("the query is empty; `list` shows what there is")
    return query.replace("\0", " ").encode("utf-8", "replace").decode()


def _by_strategy(strategy: Strategy, query: str, hits: list[Hit]) -> list[Hit]:
    """Return what *strategy* chooses of *hits*, in its order, each once."""
    known = {hit.id for hit in hits}
    chosen = strategy(query, list(hits))
    if isinstance(chosen, str | bytes) or not isinstance(chosen, Iterable):
        raise TypeError(f"a strategy returns a list of hits, not {chosen!r:.80}")
    first: dict[str, Hit] = {}
    for hit in chosen:
        if not isinstance(hit, Hit) or hit.id not in known:
            raise TypeError(f"a strategy returns some of the hits that it was given, best first, not {hit!r:.80}")
        first.setdefault(hit.id, hit)
    return list(first.values())


def best(
    connection: Connection,
    view: View,
    question: Question,
    words: lexical.Found,
    seen: Seen,
    *,
    k: int,
    weights: Mapping[str, float] = rank.WEIGHTS,
) -> list[Ranked]:
    """
    Return up to *k* candidates that *seen* sees, best first, ties by row id.

    Args:
        view: of this state of the file or a later one.
        words: what the query's words find in *view*.
        weights: of the signals, see `rank.final`; without one, its signal does not count.
    """
    limit, most = max(DEPTH, 2 * k), max(LATE_DEPTH, k)
    asked = _asked_times(view, question)
    while True:
        ids = _candidates(view, question, words, asked, limit)
        if not len(ids):
            return []
        roster = view.roster(ids)
        ids = _with_neighbours(roster, ids, view if seen.granted else None)
        rows = roster.rows(ids)
        spots = roster.spots(rows)
        signals = _signals(connection, view, roster, question, rows, spots, words, asked)
        order = np.argsort(-rank.shortlist(signals), kind="stable")
        top, around, encoded = _read(connection, ids, spots, order, seen, most)
        if len(top) == most or limit >= view.count:
            break
        limit *= DEEPER
    if not len(top):
        return []
    kept = np.union1d(top, around)
    top, ids, spots = np.searchsorted(kept, top), ids[kept], spots[kept]
    signals = replace(signals.take(kept), previous=_places(spots, -1), next=_places(spots, 1))
    signals, late = _late(question, ids, signals, top, encoded) if question.encoding.known else _shared(signals, top)
    score, parts = rank.final(signals, top, *late, weights)
    order = np.lexsort((ids[top], -score))[:k]
    why = (dict(zip(parts, part, strict=True)) for part in np.array(list(parts.values()))[:, order].T.tolist())
    return list(map(Ranked, ids[top[order]].tolist(), score[order].tolist(), why))


def _candidates(
    view: View, question: Question, words: lexical.Found, asked: list[search.Interval], limit: int
) -> rank.Places:
    """Return the ids, ascending, of the *limit* best by words, by meaning, and half as many of the times *asked*."""
    vector = question.encoding.vector
    arms = [words.ids[rank.top(words.score, limit)]]
    if question.encoding.known:
        arms.append(view.near(vector, limit * NEAR_DEPTH // DEPTH, asked))
    return np.unique(np.concatenate(arms))


def _with_neighbours(roster: Roster, ids: rank.Places, parted: View | None) -> rank.Places:
    """
    Return *ids* and those of the turns directly before and after each, ascending.

    Args:
        parted: a view of conversations that are seen in part only; what it has not may lend nothing.
    """
    rows = roster.rows(ids)
    beside = roster.id[np.concatenate((roster.beside(rows, -1), roster.beside(rows, 1)))]
    if parted is not None:
        beside = np.unique(beside)
        beside = beside[parted.known(beside)[0]]
    return np.union1d(ids, beside) if len(beside) else ids


def _read(
    connection: Connection, ids: rank.Places, spots: rank.Places, order: rank.Places, seen: Seen, most: int
) -> tuple[rank.Places, rank.Places, Encoded]:
    """
    Read the first *most* of *ids*, in *order*, that *seen* sees.

    Returns:
        Their places, ascending; those of the visible turns directly beside them, and of those before the turns before;
        and what the encoder made of all but the last.
    """
    top = np.empty(0, np.int64)
    encoded: Encoded = {}
    first, size = 0, most
    while len(top) < most and first < len(order):
        some = order[first : first + size]
        read = np.union1d(some, _at(spots, spots[some], -1, 1))
        encoded |= search.encoded(connection, ids[read], seen)
        top = np.concatenate((top, some[[id in encoded for id in ids[some].tolist()]]))
        first, size = first + size, size * DEEPER
    top = np.sort(top[:most])
    beside = _at(spots, spots[top], -1, 1)
    if not len(beside):
        return top, beside, encoded
    beside = beside[[id in encoded for id in ids[beside].tolist()]]
    earlier = np.setdiff1d(_at(spots, spots[top], -2), np.concatenate((top, beside)))
    earlier = earlier[np.isin(ids[earlier], search.visible(connection, ids[earlier], seen))]
    return top, np.concatenate((beside, earlier)), encoded


def _at(spots: rank.Places, around: rank.Places, *steps: int) -> rank.Places:
    """Return the places among *spots* of those that are one of *steps* on from one of *around*, in all versions."""
    around = around[around >= 0]
    if not len(around):
        return np.empty(0, np.int64)
    return np.flatnonzero(np.isin(spots, np.concatenate([around + step for step in steps])))


def _signals(
    connection: Connection,
    view: View,
    roster: Roster,
    question: Question,
    rows: rank.Places,
    spots: rank.Places,
    words: lexical.Found,
    asked: Sequence[search.Interval],
) -> rank.Signals:
    """Return the signals of the candidates at *rows* of *roster*, which stand at *spots* of conversations."""
    ids, flags, at = roster.id[rows], roster.flags[rows], roster.at[rows]
    named, role = _asked(roster, rows, question.text)
    age = np.where(at == NO_TIME, LONG_AGO, np.maximum(question.now - at, 0) / DAY_MS)
    with np.errstate(over="ignore"):  # a half-life of next to nothing
        recency = np.exp2(-age / question.half_life_days).astype(np.float32)

    def bit(which: int) -> rank.Floats:
        return (flags & which > 0).astype(np.float32)

    return rank.Signals(
        lexical=_looked_up(ids, words.ids, words.score),
        cosine=rank.cosine(question.encoding.vector, roster.signs[:, rows])
        if question.encoding.known
        else np.sqrt(_looked_up(ids, words.ids, words.share)),
        session=np.where(spots >= 0, spots // POSITIONS, -1),
        turns=_turns(view, spots),
        previous=_places(spots, -1),
        next=_places(spots, 1),
        length=roster.length[rows].astype(np.float32),
        asks=bit(ASKS),
        named=(roster.speaker[rows] == named).astype(np.float32) if named >= 0 else np.zeros(len(rows), np.float32),
        role=bit(role),
        time=_share_of_times(roster, rows, asked),
        when=bit(DATED if asks_when(question.text) else 0),
        states=bit(STATES),
        tells=np.asarray((flags >> TELLS) / MOST_TELLS, np.float32),
        importance=roster.importance[rows],
        confidence=roster.confidence[rows],
        recency=recency,
    )


def _looked_up(ids: rank.Places, found: rank.Places, score: rank.Floats) -> rank.Floats:
    """Return the score of each of *ids*, 0 for those not *found*."""
    if not len(found):
        return np.zeros(len(ids), np.float32)
    place = np.minimum(np.searchsorted(found, ids), len(found) - 1)
    return np.where(found[place] == ids, score[place], 0).astype(np.float32)


def _turns(view: View, spots: rank.Places) -> rank.Places:
    """Return how many turns the conversation of each of *spots* has, as far as matters; 1 outside any."""
    if (spots < 0).all():
        return np.ones(len(spots), np.int64)
    scopes, place = np.unique(np.where(spots >= 0, spots // POSITIONS, -1), return_inverse=True)
    return np.where(spots >= 0, np.maximum(view.turns(scopes, rank.SESSION_BEST), 1)[place], 1)


def _places(spots: rank.Places, step: int) -> rank.Places:
    """Return the place among *spots* of the one *step* on from each, of its newest version, or -1."""
    order = np.argsort(spots, kind="stable")
    place = np.searchsorted(spots[order], spots + step, "right") - 1
    found = order[np.maximum(place, 0)]
    return np.where((spots >= 0) & (spots[found] == spots + step), found, -1)


def _asked(roster: Roster, rows: rank.Places, query: str) -> tuple[int, int]:
    """Return the only speaker among *rows* whom the query names, or -1, and the flag of the role that it asks about."""
    words = set(WORD.findall(query.lower()))
    speakers = [number for number in np.unique(roster.speaker[rows]).tolist() if number >= 0]
    named = [number for number in speakers if words & set(WORD.findall(roster.speakers[number].lower()))]
    role = {"assistant": ASSISTANT, "user": USER, None: 0}[asked_role(query)]
    roles = np.bitwise_or.reduce(roster.flags[rows])
    return named[0] if len(named) == 1 else -1, role if roles & USER and roles & ASSISTANT else 0


def _asked_times(view: View, question: Question) -> list[search.Interval]:
    """Return the times that the query names: "last week" by the present, "in May" of every year that there is."""

    def known() -> search.Interval:
        # One record of the year 1 must not make the May of every year since a candidate.
        near = NEAR_DAYS * DAY_MS
        return view.span(question.now - near, question.now + near) or (question.now, question.now)

    return named_times(question.text, question.now, known)


def _share_of_times(roster: Roster, rows: rank.Places, asked: Sequence[search.Interval]) -> rank.Floats:
    """Return how much of what each of *rows* speaks of lies in the times *asked*, and 1 where it was said then."""
    share = np.zeros(len(rows), np.float32)
    if not asked:
        return share
    at = roster.at[rows]
    place, first, end = roster.times(rows)
    for since, until in asked:
        share[(at >= since) & (at < until)] = 1
        common = np.minimum(until, end) - np.maximum(since, first)
        np.maximum.at(share, place, (common / (end - first)).astype(np.float32))
    return share


def _late(
    question: Question, ids: rank.Places, signals: rank.Signals, top: rank.Places, encoded: Encoded
) -> tuple[rank.Signals, Late]:
    """
    Return the *signals*, with cosines in the place of estimates where vectors were read, and the similarities of the
    tokens of *top*, and of the turns before and after each.
    """
    read = np.flatnonzero([id in encoded for id in ids.tolist()])
    vectors, codes = zip(*(encoded[id] for id in ids[read].tolist()), strict=True)
    cosine = signals.cosine.copy()
    cosine[read] = rank.true_cosine(question.encoding.vector, vectors)
    # A query may have no token at all: a zero-width space, say.
    tokens = question.encoding.tokens
    tokens = tokens if len(tokens) else np.zeros((1, WIDTH), np.float32)
    similarity = np.zeros((len(tokens), len(ids) + 1), np.float32)  # the last for what has no turn beside it
    similarity[:, read] = rank.max_similarity(tokens, codes, WIDTH)
    before, after = signals.previous[top], signals.next[top]
    return replace(signals, cosine=cosine), (similarity[:, top], similarity[:, before], similarity[:, after])


def _shared(signals: rank.Signals, top: rank.Places) -> tuple[rank.Signals, Late]:
    """Return what `_late` does for a query that the encoder does not know: how much of it each holds, in words."""
    share = np.append(signals.cosine, np.float32(0))[None]
    return signals, (share[:, top], share[:, signals.previous[top]], share[:, signals.next[top]])
