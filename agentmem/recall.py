"""
One query → ranked row ids: find candidates by both arms, unite them, score each by every signal.

The place to change when recall is to become better; the formulas are in `rank`, the SQL in `search`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from . import rank, search
from .db import Connection
from .encoder import WIDTH, Encoding
from .scope import Predicate
from .words import OF_ASSISTANT, OF_USER, WORD

DEPTH = 400  # candidates from each arm
LATE_DEPTH = 150  # of the shortlist, re-ranked by their token vectors


@dataclass(frozen=True, slots=True)
class Ranked:
    """One ranked candidate."""

    id: int  # row id
    score: float  # 0..1
    why: Mapping[str, float]  # the part of the score that each signal made


def best(connection: Connection, query: str, encoding: Encoding, seen: Predicate, *, k: int) -> list[Ranked]:
    """
    Return up to *k* candidates that *seen* sees, best first, ties by row id.

    Args:
        query: any text; its words are looked up as they are.
        encoding: of *query*.
    """
    vector = encoding.quantised
    depth = max(DEPTH, 2 * k)
    words = search.lexical(connection, query, seen, depth)
    near = search.nearest(connection, vector, seen, depth)
    places = search.with_neighbours(connection, list(words.keys() | near.keys()), seen)
    if not places:
        return []
    ids = list(places)  # ascending, so that a stable sort breaks ties by row id
    cosines = near | search.cosines(connection, vector, [id for id in ids if id not in near])
    signals = _signals(query, places, [words.get(id, 0.0) for id in ids], [cosines.get(id, 0.0) for id in ids])
    base = rank.shortlist(signals)
    top = np.argsort(-base, kind="stable")[: max(LATE_DEPTH, k)]
    score, parts = rank.final(signals, top, *_late(connection, encoding, ids, signals, top))
    order = np.lexsort((top, -score))[:k]
    return [Ranked(ids[top[i]], float(score[i]), {name: float(part[i]) for name, part in parts.items()}) for i in order]


def _signals(
    query: str, places: Mapping[int, search.Place], lexical: Sequence[float], cosine: Sequence[float]
) -> rank.Signals:
    found = list(places.values())
    spots = {(p.scope, p.position): i for i, p in enumerate(found) if p.position is not None}
    named, role = _asked(query, found)

    def column(values: Iterable[float]) -> NDArray[np.float32]:
        return np.array(list(values), np.float32)

    def beside(step: int) -> NDArray[np.int64]:
        return np.array([-1 if p.position is None else spots.get((p.scope, p.position + step), -1) for p in found])

    return rank.Signals(
        lexical=column(lexical),
        cosine=column(cosine),
        session=np.array([-1 if p.position is None else p.scope for p in found]),
        turns=np.array([p.turns for p in found]),
        previous=beside(-1),
        next=beside(1),
        length=column(p.length for p in found),
        asks=column(p.asks for p in found),
        named=column(p.speaker is not None and p.speaker == named for p in found),
        role=column(p.role == role for p in found),
        importance=column(p.importance for p in found),
        confidence=column(p.confidence for p in found),
    )


def _asked(query: str, places: Sequence[search.Place]) -> tuple[str | None, str | None]:
    """Return the only speaker among the candidates whom the query names, and the role that it asks about."""
    words = set(WORD.findall(query.lower()))
    speakers = {p.speaker for p in places if p.speaker}
    named = [speaker for speaker in speakers if words & set(WORD.findall(speaker.lower()))]
    role = "assistant" if words & OF_ASSISTANT else "user" if words & OF_USER else None
    both = {"user", "assistant"} <= {p.role for p in places}
    return named[0] if len(named) == 1 else None, role if both else None


def _late(
    connection: Connection, encoding: Encoding, ids: Sequence[int], signals: rank.Signals, top: NDArray[np.int64]
) -> tuple[rank.Floats, rank.Floats, rank.Floats]:
    """Return the similarities of *top*, and of the turns before and after each, which may lie outside *top*."""
    beside = (signals.previous[top], signals.next[top])
    wanted = np.unique(np.concatenate((top, *beside)))
    wanted = wanted[wanted >= 0]
    codes = search.codes(connection, [ids[i] for i in wanted])
    # A query may have no token at all: a zero-width space, say.
    tokens = encoding.tokens if len(encoding.tokens) else np.zeros((1, WIDTH), np.float32)
    similarity = rank.max_similarity(tokens, [codes.get(ids[i]) for i in wanted], WIDTH)

    def of(index: NDArray[np.int64]) -> rank.Floats:
        column = np.searchsorted(wanted, np.maximum(index, wanted[0]))
        return np.where(index >= 0, similarity[:, np.minimum(column, len(wanted) - 1)], 0).astype(np.float32)

    return of(top), of(beside[0]), of(beside[1])
