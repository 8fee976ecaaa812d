"""
Does a score say that the memory does not know?

The questions of each memory are asked of it, and of another, in which nothing answers them.  A score that is a chance
is low there, and among the hits of the own memory as often right as it says.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from agentmem import Memory, rank

from .recall import Progress
from .scores import Column
from .sets import Question, is_memory, read_set, stored

DEFAULT = rank.LIKELY  # the documented threshold
THRESHOLDS = (0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
FIRST = 10  # hits of a question that are looked at
BINS = 10  # of a reliability table

Found = Sequence[tuple[float, bool]]  # (score, gold?) of a question's first hits, best first


@dataclass(frozen=True, slots=True)
class Store:
    """One scope of a set in a file of its own, and the questions asked of it."""

    memory: Memory
    names: Mapping[str, str]  # record id → the item's id
    questions: Sequence[Question]


def measure(folders: Sequence[Path], progress: Progress) -> list[dict[str, Any]]:
    """Return one result for each pair of own and other memory, then one for each set's reliability."""
    with ExitStack() as files:
        sets: dict[str, list[Store]] = {}
        for folder in filter(is_memory, folders):
            kind, parts = read_set(folder)
            sets[folder.name] = []
            for number, part in enumerate(parts):
                progress(f"{folder.name}: storing part {number + 1} of {len(parts)}")
                memory, names = files.enter_context(stored(part, kind))
                sets[folder.name].append(Store(memory, names, part.questions))
        own = {}
        for name, stores in sets.items():
            progress(f"{name}: asking its own memory")
            own[name] = [answer(store, q) for store in stores for q in store.questions]
        results = []
        for name, title, others in pairs(sets):
            progress(f"{name} → {title}")
            asked = zip(sets[name], others, strict=True)
            foreign = [answer(other, q, foreign=True) for store, other in asked for q in store.questions]
            results.append({"set": name, "asked of": title, **compared(own[name], foreign)})
        results += [{"set": name, "reliability": reliability(found)} for name, found in own.items()]
    return results


def pairs(sets: Mapping[str, Sequence[Store]]) -> Iterator[tuple[str, str, Sequence[Store]]]:
    """Yield (set, what its questions are asked of, the other memory of each of its own)."""
    for name, stores in sets.items():
        if len(stores) > 1:
            yield name, "the next conversation", [*stores[1:], stores[0]]
        for other, there in sets.items():
            if other != name and min(len(stores), len(there)) == 1:
                yield name, f"the first memory of {other}", [there[0]] * len(stores)


def answer(store: Store, question: Question, *, foreign: bool = False) -> Found:
    """Return the first hits; of a memory that is *foreign* to the question, none is gold, whatever its id."""
    hits = store.memory.recall(question.text, k=FIRST)
    return [(hit.score, not foreign and store.names[hit.id] in question.relevant) for hit in hits]


def compared(own: Sequence[Found], foreign: Sequence[Found]) -> dict[str, Any]:
    """Return the AUROC of the best hit's score, and what each threshold lets through."""
    return {
        "questions": len(own),
        "auroc": round(auroc(_best(own), _best(foreign)), 4),
        "default": DEFAULT,
        "thresholds": [passing(own, foreign, least) for least in sorted({*THRESHOLDS, DEFAULT})],
    }


def passing(own: Sequence[Found], foreign: Sequence[Found], least: float) -> dict[str, Any]:
    """Return what a threshold of *least* lets through; shares, None where there is nothing to share."""
    answered = [found for found in own if any(gold for _, gold in found)]
    kept = [any(gold and score >= least for score, gold in found) for found in answered]
    passed = [gold for found in own for score, gold in found if score >= least]
    wrong = sum(score >= least for found in foreign for score, _ in found)
    return {
        "threshold": least,
        "unanswerable with a hit": _share(int((_best(foreign) >= least).sum()), len(foreign)),
        "answered keeping gold": _share(sum(kept), len(answered)),
        "precision, own": _share(sum(passed), len(passed)),
        "precision, both": _share(sum(passed), len(passed) + wrong),
        "hits, own": len(passed),
        "hits, other": wrong,
    }


def auroc(own: Column, foreign: Column) -> float:
    """Return the chance that a question's best score is higher in its own memory than any in the other; ties half."""
    order = np.sort(foreign)
    below = np.searchsorted(order, own, "left")
    ties = np.searchsorted(order, own, "right") - below
    return float((below + ties / 2).mean() / len(foreign))


def reliability(own: Sequence[Found]) -> list[dict[str, Any]]:
    """Return, for each tenth of the scores: how many hits, their mean score, and the share of them that is gold."""
    hits = [hit for found in own for hit in found]
    bins = []
    for number in range(BINS):
        some = [(score, gold) for score, gold in hits if min(int(score * BINS), BINS - 1) == number]
        bins.append(
            {
                "from": number / BINS,
                "to": (number + 1) / BINS,
                "hits": len(some),
                "mean score": round(float(np.mean([score for score, _ in some])), 3) if some else None,
                "gold": _share(sum(gold for _, gold in some), len(some)),
            }
        )
    return bins


def _best(asked: Sequence[Found]) -> Column:
    return np.array([found[0][0] if found else 0.0 for found in asked])


def _share(part: int, whole: int) -> float | None:
    return round(part / whole, 4) if whole else None
