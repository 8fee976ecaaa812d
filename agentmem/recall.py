"""
One query → ranked row ids: find candidates by both arms, unite them, score each by every signal.

The place to change when recall is to become better; the formulas are in `rank`, the SQL in `search`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from . import rank, search
from .db import Connection
from .encoder import WIDTH, Encoding, encode
from .scope import Predicate

__all__ = ["Ranked", "best", "encode"]

DEPTH = 400  # candidates from each arm
LATE_DEPTH = 100  # of the fused list, re-ranked by their token vectors


@dataclass(frozen=True, slots=True)
class Ranked:
    """One ranked candidate."""

    id: int  # row id
    score: float  # 0..1
    why: Mapping[str, float]  # each signal before weighing


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
    rest = search.cosines(connection, vector, [id for id in ids if id not in near])
    signals = _signals(ids, places, words, near | rest)
    fused = rank.fuse(signals.lexical, signals.cosine)
    base = rank.lift_sessions(rank.lean_on_neighbours(fused, signals), signals)
    top = np.argsort(-base, kind="stable")[: max(LATE_DEPTH, k)]
    similarity = _late(connection, encoding, ids, signals.previous, top)
    chosen = _take(signals, top)
    score = rank.finish(base[top], similarity, chosen)
    order = np.lexsort((top, -score))[:k]
    return [
        Ranked(
            ids[top[i]],
            float(score[i]),
            {
                "lexical": float(chosen.lexical[i]),
                "cosine": float(chosen.cosine[i]),
                "fused": float(fused[top[i]]),
                "context": float(base[top[i]] - fused[top[i]]),
                "late": float(similarity[i]),
                "importance": float(chosen.importance[i]),
                "confidence": float(chosen.confidence[i]),
            },
        )
        for i in order
    ]


def _signals(
    ids: Sequence[int], places: Mapping[int, search.Place], words: Mapping[int, float], cosines: Mapping[int, float]
) -> rank.Signals:
    spots = {(p.scope, p.position): i for i, p in enumerate(places.values()) if p.position is not None}

    def column(values: Sequence[float]) -> NDArray[np.float32]:
        return np.array(values, np.float32)

    def beside(step: int) -> NDArray[np.int64]:
        return np.array(
            [-1 if p.position is None else spots.get((p.scope, p.position + step), -1) for p in places.values()]
        )

    return rank.Signals(
        lexical=column([words.get(id, 0.0) for id in ids]),
        cosine=column([cosines.get(id, 0.0) for id in ids]),
        session=np.array([-1 if p.position is None else p.scope for p in places.values()]),
        turns=np.array([p.turns for p in places.values()]),
        previous=beside(-1),
        next=beside(1),
        length=column([p.length for p in places.values()]),
        importance=column([p.importance for p in places.values()]),
        confidence=column([p.confidence for p in places.values()]),
    )


def _late(
    connection: Connection, encoding: Encoding, ids: Sequence[int], previous: NDArray[np.int64], top: NDArray[np.int64]
) -> rank.Floats:
    """Late interaction over the candidates *top*, each with the turn before it, which may lie outside *top*."""
    before = previous[top]
    wanted = np.concatenate((top, np.setdiff1d(before[before >= 0], top)))
    column = {place: i for i, place in enumerate(wanted.tolist())}
    codes = search.codes(connection, [ids[i] for i in wanted])
    similarity = rank.max_similarity(encoding.tokens, [codes.get(ids[i]) for i in wanted], WIDTH)
    return rank.late(similarity, np.array([column.get(i, -1) for i in before.tolist()]))


def _take(signals: rank.Signals, top: NDArray[np.int64]) -> rank.Signals:
    return rank.Signals(**{name: getattr(signals, name)[top] for name in rank.Signals.__dataclass_fields__})
