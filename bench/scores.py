"""The metrics of an answer, and how far a mean of them can be trusted."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from .sets import Question

CUTS = (1, 5, 10, 20)
CURVE = tuple(range(1, 21))
RESAMPLES = 1_000
SEED = 7

Column = NDArray[np.float64]  # (n,) one value a question
Interval = tuple[float, float]


def main_metrics(kind: str) -> list[str]:
    """Return the names of the metrics that a set of *kind* is judged by."""
    return ["nDCG@10"] if kind == "ir" else [f"fraction@{cut}" for cut in CUTS]


def columns(kind: str, answered: Iterable[tuple[Question, Sequence[str]]]) -> dict[str, Column]:
    """Return metric → its value for each question."""
    score = ir_scores if kind == "ir" else memory_scores
    rows = [score(question, ids) for question, ids in answered]
    return {name: np.array([row[name] for row in rows]) for name in rows[0]} if rows else {}


def memory_scores(question: Question, ids: Sequence[str]) -> dict[str, float]:
    """Return the fraction of the gold items that is found, and whether any or all are, in the first k."""
    gold = set(question.relevant)
    hits = {cut: len(gold & set(ids[:cut])) for cut in CURVE}
    scores = {f"fraction@{cut}": hits[cut] / len(gold) for cut in CURVE}
    for cut in CUTS:
        scores |= {f"any@{cut}": float(hits[cut] > 0), f"all@{cut}": float(hits[cut] == len(gold))}
    return scores


def ir_scores(question: Question, ids: Sequence[str]) -> dict[str, float]:
    """Return nDCG@10 with the grades as gains (Järvelin & Kekäläinen 2002), as trec_eval computes it."""
    gains = [question.relevant.get(id, 0) for id in ids[:10]]
    ideal = sorted(question.relevant.values(), reverse=True)[:10]
    return {"nDCG@10": discounted(gains) / discounted(ideal)}


def discounted(gains: Sequence[int]) -> float:
    """Return Σ gain / log2(rank + 1)."""
    return sum(gain / math.log2(rank + 2) for rank, gain in enumerate(gains))


def intervals(values: Mapping[str, Column]) -> dict[str, Interval]:
    """
    Return the 95 % bootstrap interval of each column's mean, over the same resamples of the questions.

    Source: the percentile bootstrap, Efron & Tibshirani 1993; seeded, so that a run can be repeated.
    """
    if not values:
        return {}
    matrix = np.stack(list(values.values()), axis=1)  # (n, columns)
    n = len(matrix)
    drawn = np.random.default_rng(SEED).multinomial(n, np.full(n, 1 / n), RESAMPLES) / n  # (resamples, n)
    low, high = np.percentile(drawn @ matrix, (2.5, 97.5), axis=0)
    return {name: (float(a), float(b)) for name, a, b in zip(values, low, high, strict=True)}


def difference(ours: Mapping[str, Column], theirs: Mapping[str, Column]) -> dict[str, list[float]]:
    """Return metric → [mean difference, low, high], paired by question."""
    gap = {name: ours[name] - theirs[name] for name in ours}
    return {
        name: [round(float(gap[name].mean()), 4), round(low, 4), round(high, 4)]
        for name, (low, high) in intervals(gap).items()
    }


def means(values: Mapping[str, Column]) -> dict[str, float]:
    """Return metric → its mean over the questions."""
    return {name: round(float(column.mean()), 4) for name, column in values.items()}
