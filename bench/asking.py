"""
Ask one question, through the public face in its default configuration, and keep what ranking saw.

Beside ours stand, on the same records and the same vectors: FTS5 alone, vectors alone, and their reciprocal rank
fusion, which is what most others ship.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from unittest.mock import patch

import numpy as np
from numpy.typing import NDArray

from agentmem import Memory, rank, recall
from agentmem.encoder import Encoding
from agentmem.words import plain_phrases

from .sets import Question

RRF_K = 60  # Cormack et al. 2009
DEPTH = 200  # of each list that is fused by rank
MOST = 20  # hits of each method that are kept
METHODS = ("agentmem", "fts5", "vector", "rrf")
SIGNALS = tuple(rank.WEIGHTS)
WHOLE = np.array([rank.WEIGHTS[name] for name in SIGNALS], np.float32)  # the shipped weights, (s,)

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Asked:
    """A question, what each method found, and the m candidates that ours ranked, by row id."""

    question: Question
    found: Mapping[str, Sequence[str]]  # method → ids of items, best first
    candidates: Sequence[str]  # (m,) ids of items
    values: Floats  # (m, s) of each signal, as the weights were fitted to them
    parts: Floats  # (m, s) what is weighted and summed: a value, what importance and so on take off it, and SCALE
    known: float  # the part that is the same for all

    def ranked(self, weights: Floats) -> list[str]:
        """Return the ids of the first candidates by other *weights* (s,) of the signals; `final` without a search."""
        odds = self.parts @ weights + np.float32(self.known)
        score = 1 / (1 + np.exp(-odds))  # as `rank.final` has it, so that its ties are ties here
        return [self.candidates[place] for place in np.argsort(-score, kind="stable")[:MOST]]


def ask(memory: Memory, question: Question, names: Mapping[str, str]) -> Asked:
    """
    Ask *question* of *memory*.

    Args:
        names: record id → the item's id.
    """
    best, final = recall.best, rank.final
    seen: list[tuple[Encoding, list[recall.Ranked], tuple[Any, ...]]] = []
    scored: list[tuple[Any, ...]] = []

    def watched_best(connection: Any, view: Any, asked: recall.Question, *rest: Any, k: int) -> list[recall.Ranked]:
        ranked = best(connection, view, asked, *rest, k=max(k, recall.LATE_DEPTH))
        seen.append((asked.encoding, ranked, scored[0] if scored else ()))
        return ranked[:k]

    def watched_final(*arguments: Any) -> Any:
        scored.append(arguments)
        return final(*arguments)

    with patch.object(recall, "best", watched_best), patch.object(rank, "final", watched_final):
        ours = [hit.id for hit in memory.recall(question.text, k=MOST)]
    encoding, ranked, arguments = seen[0]
    with memory._db.read() as connection:
        uids = dict(connection.execute("select id, uid from records"))
        arms = baselines(connection, question.text, encoding)
    found = {"agentmem": [names[id] for id in ours]} | {
        method: [names[uids[row]] for row in rows[:MOST]] for method, rows in arms.items()
    }
    rows, values, parts, known = _candidates(ranked, arguments)
    return Asked(question, found, [names[uids[row]] for row in rows], values, parts, known)


def _candidates(ranked: Sequence[recall.Ranked], arguments: tuple[Any, ...]) -> tuple[list[int], Floats, Floats, float]:
    """Return the candidates' row ids, ascending, their signals (m, s), their parts (m, s), and what all have alike."""
    if not ranked:
        nothing = np.empty((0, len(SIGNALS)), np.float32)
        return [], nothing, nothing, 0.0
    signals, top, own, previous, following, weights = arguments
    by_row = np.argsort(top)  # candidates are numbered by row id
    whole = np.ones(len(signals.lexical), np.float32)  # of which nothing is taken off
    sound = replace(signals, importance=whole, confidence=whole, recency=whole)
    scales = dict.fromkeys(SIGNALS, 1.0)
    rest = (top, own, previous, following)
    values, parts = (
        np.stack([found[name] for name in SIGNALS], axis=1)[by_row].astype(np.float32)
        for found in (rank.final(some, *rest, scales)[1] for some in (sound, signals))
    )
    score, why = rank.final(signals, *rest, weights)
    rows = sorted(candidate.id for candidate in ranked)
    # The order of *ranked* must be that of the scores, or else what follows would measure something else.
    order = [rows[place] for place in np.argsort(-score[by_row], kind="stable")]
    if order != [candidate.id for candidate in ranked]:
        raise AssertionError("recall.best orders its candidates otherwise than by rank.final, ties by row id")
    return rows, values / np.float32(rank.SCALE), parts, float(why["known"][0])


def baselines(connection: Any, query: str, encoding: Encoding) -> dict[str, list[int]]:
    """Return row ids, best first, of FTS5's BM25, of the exact cosine, and of their reciprocal rank fusion."""
    match = " OR ".join(f'"{phrase}"' for phrase in plain_phrases(query, DEPTH)[0])
    sql = "select rowid from records_fts where records_fts match ? order by rank limit ?"
    words = [row[0] for row in connection.execute(sql, (match, DEPTH))] if match else []
    sql = "select id from vectors order by vec_distance_cosine(vec_int8(vector), vec_int8(?)), id limit ?"
    near = [row[0] for row in connection.execute(sql, (encoding.quantised, DEPTH))]
    fused: dict[int, float] = defaultdict(float)
    for rows in (words, near):
        for place, row in enumerate(rows):
            fused[row] += 1 / (RRF_K + 1 + place)
    return {"fts5": words, "vector": near, "rrf": sorted(fused, key=lambda row: (-fused[row], row))}
