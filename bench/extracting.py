"""
Extraction: what texts claim, against labels that were written without knowing the forms of words.

`claims/dev.jsonl` was looked at while the forms were written; of `claims/held.jsonl` only these figures were.
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import numpy as np

from agentmem import encoder
from agentmem.claims import key
from agentmem.extract import claims

FOLDER = Path(__file__).parent / "claims"
Labels = set[tuple[str, str, str, str]]


def measure() -> list[dict[str, Any]]:
    """Return precision and recall on each set, and what extraction takes against encoding, p50."""
    return [measure_one(path) for path in sorted(FOLDER.glob("*.jsonl"))]


def measure_one(path: Path) -> dict[str, Any]:
    """Compare what every text of *path* claims with its labels."""
    lines = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    right = made = labelled = invented = 0
    taken, encoding = [], []
    for line in lines:
        began = time.perf_counter()
        found = claimed(line["text"])
        taken.append(time.perf_counter() - began)
        began = time.perf_counter()
        encoder.shared().encode([line["text"]])
        encoding.append(time.perf_counter() - began)
        due: Labels = {_label(*claim) for claim in line["claims"]}
        right, made, labelled = right + len(found & due), made + len(found), labelled + len(due)
        invented += line["trap"] is not None and bool(found - due)
    return {
        "set": path.stem,
        "texts": len(lines),
        "traps": sum(line["trap"] is not None for line in lines),
        "claims": labelled,
        "precision": right / made,
        "recall": right / labelled,
        "traps fallen into": invented,
        "of encoding": float(np.median(taken) / np.median(encoding)),
    }


def claimed(text: str) -> Labels:
    """Return what *text* claims, as labels have it."""
    return {
        _label(c.subject, c.predicate, c.object, "holds" if c.holds else "ended" if c.ended else "not")
        for c in claims(text)
    }


def _label(subject: str, predicate: str, object: str, state: str) -> tuple[str, str, str, str]:
    return (subject.lower(), predicate, key(object).replace("-", " "), state)
