"""
Extraction: what texts claim, against labels that were written without knowing the sentences the tagger learns from.

`claims/dev.jsonl` was looked at while it was made; of `claims/held.jsonl` only these figures were.
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
from agentmem.predicates import HINT, RELATION

FOLDER = Path(__file__).parent / "claims"
KINDS = frozenset(["dog", "cat", "puppy", "kitten", "rabbit", "parrot", "hamster", "horse", "tortoise", "turtle"])
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
        text = line["text"]
        began = time.perf_counter()
        encoder.shared().read([text], [False])
        encoded = time.perf_counter()
        found = claimed(text)  # which encodes as well
        encoding.append(encoded - began)
        taken.append(time.perf_counter() - encoded - encoding[-1])
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
    ((_, marks),) = encoder.shared().read([text], [True])
    return {
        _label(c.subject, c.predicate, c.object, "holds" if c.holds else "ended" if c.ended else "not")
        for c in claims(text, marks)
        if c.confidence >= HINT  # below, it only casts doubt
    }


def _label(subject: str, predicate: str, object: str, state: str) -> tuple[str, str, str, str]:
    """Return a claim as it is compared: "mum" is mother, and whom one is married to is not asked the sex of."""
    predicate = RELATION.get(predicate, predicate)
    if predicate in KINDS:  # "my dog Rex"
        predicate, object = "pet", f"{predicate} {object}"
    predicate = "partner" if predicate in ("married to", "wife", "husband") else predicate
    if subject.startswith("my "):
        subject = " ".join(RELATION.get(word, word) for word in subject.split())
    return (subject.lower(), predicate.replace("movie", "film"), key(object).replace("-", " "), state)
