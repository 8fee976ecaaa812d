"""
Are the weights fitted to their sets?  Fit them again on one half of every set, and ask the other half.

The weights of `rank.WEIGHTS` were found in this way, on all of every set.  A memory set of several scopes is halved by
conversations, so that no half knows anything of the other; other sets by even and odd questions.

The loss is that of listwise softmax regression (ListNet, Cao et al. 2007, https://doi.org/10.1145/1273496.1273513): the
cross entropy between the softmax of the candidates' sums and the uniform distribution over the gold ones among them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agentmem import rank

from .asking import SIGNALS, WHOLE, Asked, Floats
from .recall import Progress, asked_of
from .scores import Column, columns, difference, main_metrics, means

KIND_WEIGHT = {"memory": 2.0, "ir": 1.0}  # how much a set's mean loss weighs
PENALTY = 3e-4  # times the weights' sum of squares
MOST_STEPS = 150
CLOSE = 1e-7  # a step that changes the loss by less is the last
HALVES = ("even", "odd")

Doubles = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Halved:
    """One set, and its questions in two halves."""

    name: str
    kind: str
    halves: tuple[Sequence[Asked], Sequence[Asked]]


@dataclass(frozen=True, slots=True)
class Examples:
    """What is fitted on: the candidates of n questions, padded to the longest list."""

    signals: Doubles  # (n, m, s)
    padding: NDArray[np.bool_]  # (n, m)
    gold: Doubles  # (n, m) the distribution that is sought, rows of sum 1
    share: Doubles  # (n,) how much each question weighs; sum 1


def measure(folders: Sequence[Path], progress: Progress) -> list[dict[str, Any]]:
    """Ask every set, fit on either half and on all, and return [figures of each set ..., {"weights": ...}]."""
    sets = []
    for folder in folders:
        kind, parts, _ = asked_of(folder, progress)
        sets.append(Halved(folder.name, kind, halves(parts)))
    progress("fitting")
    fits = [fit([(one.kind, one.halves[side]) for one in sets]) for side in (0, 1)]
    whole = fit([(one.kind, [*one.halves[0], *one.halves[1]]) for one in sets])
    table = {name: round(float(weight), 1) for name, weight in zip(SIGNALS, whole, strict=True)}
    by_half = {
        half: {name: round(float(weight), 2) for name, weight in zip(SIGNALS, weights, strict=True)}
        for half, weights in zip(HALVES, fits, strict=True)
    }
    weights = {"weights": table, "weights by half": by_half, "shipped": dict(rank.WEIGHTS)}
    return [compared(one, fits, whole) for one in sets] + [weights]


def halves(parts: Sequence[Sequence[Asked]]) -> tuple[list[Asked], list[Asked]]:
    """Return the questions of even and of odd conversations, or the even and the odd questions of the only one."""
    if len(parts) > 1:
        even, odd = ([one for part in parts[side::2] for one in part] for side in (0, 1))
        return even, odd
    return list(parts[0][::2]), list(parts[0][1::2])


def compared(one: Halved, fits: Sequence[Floats], whole: Floats) -> dict[str, Any]:
    """
    Return each half's figures by the weights fitted on it, on the other half, on all, and as shipped.

    "both" holds every question once: by weights that were fitted on it, and by weights that were not.
    """
    rows: dict[str, Any] = {}
    ways: dict[str, list[dict[str, Column]]] = {name: [] for name in ("seen", "unseen", "all", "shipped")}
    for side, half in enumerate(one.halves):
        for way, weights in zip(ways, (fits[side], fits[1 - side], whole, WHOLE), strict=True):
            ways[way].append(_values(one.kind, half, weights))
        rows[HALVES[side]] = _row({way: values[side] for way, values in ways.items()})
    rows["both"] = _row({way: _joined(values) for way, values in ways.items()})
    return {"set": one.name, "kind": one.kind, "halves": rows}


def _values(kind: str, asked: Sequence[Asked], weights: Floats) -> dict[str, Column]:
    values = columns(kind, ((one.question, one.ranked(weights)) for one in asked))
    return {name: values[name] for name in main_metrics(kind)} if values else {}


def _joined(values: Sequence[Mapping[str, Column]]) -> dict[str, Column]:
    full = [part for part in values if part]
    return {name: np.concatenate([part[name] for part in full]) for name in full[0]} if full else {}


def _row(ways: Mapping[str, Mapping[str, Column]]) -> dict[str, Any]:
    seen = ways["seen"]
    return {
        "n": len(next(iter(seen.values()))) if seen else 0,
        **{way: means(values) for way, values in ways.items()},
        "unseen - seen": difference(ways["unseen"], seen),
    }


def fit(sets: Sequence[tuple[str, Sequence[Asked]]]) -> Floats:
    """
    Return the weights (s,), none below 0, of least mean loss plus penalty over (kind, questions) of each set.

    Newton's method on what is not held at 0, with the step halved until the loss falls: the loss is convex.
    """
    examples = _examples(sets)
    weights = WHOLE.astype(np.float64)
    if examples is None:  # no question has gold among its candidates
        return WHOLE
    value, slope, curve = _loss(examples, weights)
    for _ in range(MOST_STEPS):
        free = (weights > 0) | (slope < 0)
        step = np.zeros_like(weights)
        step[free] = np.linalg.solve(curve[np.ix_(free, free)], -slope[free])
        scale, fallen = 1.0, 0.0
        while scale > 1e-6:
            moved = np.maximum(weights + scale * step, 0)
            fallen = value - (after := _loss(examples, moved))[0]
            if fallen > 0:
                weights, (value, slope, curve) = moved, after
                break
            scale /= 2
        if fallen < CLOSE:
            break
    return weights.astype(np.float32)


def _loss(examples: Examples, weights: Doubles) -> tuple[float, Doubles, Doubles]:
    """Return the loss, its gradient (s,) and its Hessian (s, s)."""
    odds = np.where(examples.padding, -np.inf, examples.signals @ weights)
    odds -= odds.max(1, keepdims=True)
    chance = np.exp(odds)
    total = chance.sum(1, keepdims=True)
    chance /= total
    log = np.where(examples.padding, 0, odds - np.log(total))
    loss = -(examples.share * (examples.gold * log).sum(1)).sum() + PENALTY * (weights @ weights)
    expected = np.einsum("nm,nms->ns", chance, examples.signals)
    sought = np.einsum("nm,nms->ns", examples.gold, examples.signals)
    slope = examples.share @ (expected - sought) + 2 * PENALTY * weights
    flat = examples.signals.reshape(-1, len(weights))
    square = flat.T @ (flat * (chance * examples.share[:, None]).reshape(-1, 1))
    curve = square - (expected * examples.share[:, None]).T @ expected + 2 * PENALTY * np.eye(len(weights))
    return float(loss), slope, curve


def _examples(sets: Sequence[tuple[str, Sequence[Asked]]]) -> Examples | None:
    shown: list[tuple[Asked, Doubles, float]] = []
    for kind, asked in sets:
        marked = [
            (one, np.array([id in one.question.relevant for id in one.candidates], np.float64))
            for one in asked
            if any(id in one.question.relevant for id in one.candidates)
        ]
        shown += [(one, gold / gold.sum(), KIND_WEIGHT[kind] / len(marked)) for one, gold in marked]
    if not shown:
        return None
    longest = max(len(one.candidates) for one, _, _ in shown)
    signals = np.zeros((len(shown), longest, len(SIGNALS)))
    padding = np.ones((len(shown), longest), np.bool_)
    sought = np.zeros((len(shown), longest))
    for row, (one, gold, _) in enumerate(shown):
        signals[row, : len(gold)] = one.values
        padding[row, : len(gold)] = False
        sought[row, : len(gold)] = gold
    share = np.array([part for _, _, part in shown])
    return Examples(signals, padding, sought, share / share.sum())
