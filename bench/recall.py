"""Recall quality on evaluation sets: what is found, for each kind of question, and how sure that is."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from .ablation import ablations
from .asking import METHODS, Asked, ask
from .scores import columns, difference, intervals, main_metrics, means
from .sets import read_set, stored

Progress = Callable[[str], None]


def asked_of(folder: Path, progress: Progress) -> tuple[str, list[list[Asked]], int]:
    """Return ("memory" or "ir", what each part's questions found, how many items there are)."""
    kind, parts = read_set(folder)
    answered = []
    for number, part in enumerate(parts):
        where = f"{folder.name}, part {number + 1} of {len(parts)}: "
        progress(f"{where}storing {len(part.items):,} items")
        with stored(part, kind) as (memory, names):
            progress(f"{where}asking {len(part.questions):,} questions")
            answered.append([ask(memory, question, names) for question in part.questions])
    return kind, answered, sum(len(part.items) for part in parts)


def measure(folder: Path, progress: Progress, *, ablation: bool = False) -> dict[str, Any]:
    """
    Return the set's figures.

    "methods": {method: {metric: mean}}; "intervals": {metric: [low, high]} of ours; "over": {method: {metric:
    [difference, low, high]}}; "types": {type: {"n": questions, method: {metric: mean}}}; "ablation" as `ablations`.
    """
    began = time.perf_counter()
    kind, parts, items = asked_of(folder, progress)
    asked = [one for part in parts for one in part]
    result = {
        "set": folder.name,
        "kind": kind,
        "items": items,
        "questions": len(asked),
        "seconds": round(time.perf_counter() - began, 1),
        **summary(kind, asked),
    }
    if ablation:
        progress(f"{folder.name}: ablation")
        result["ablation"] = ablations(kind, asked)
    return result


def summary(kind: str, asked: Sequence[Asked]) -> dict[str, Any]:
    """Return means, intervals, differences to others and means by type of question."""
    values = {method: columns(kind, ((one.question, one.found[method]) for one in asked)) for method in METHODS}
    ours = values["agentmem"]
    return {
        "methods": {method: means(column) for method, column in values.items()},
        "intervals": {name: [round(low, 4), round(high, 4)] for name, (low, high) in intervals(ours).items()},
        "over": {method: difference(ours, values[method]) for method in METHODS if method != "agentmem"},
        "types": by_type(kind, asked),
    }


def by_type(kind: str, asked: Sequence[Asked]) -> dict[str, dict[str, Any]]:
    """Return type → {"n": how many questions, method: {metric: mean}}."""
    types: dict[str, dict[str, Any]] = {}
    for name in sorted({one.question.type for one in asked}):
        some = [one for one in asked if one.question.type == name]
        types[name] = {"n": len(some)}
        for method in METHODS:
            values = columns(kind, ((one.question, one.found[method]) for one in some))
            types[name][method] = means({metric: values[metric] for metric in main_metrics(kind)})
    return types
