"""
Recall quality on evaluation sets, through the public face in its default configuration.

A memory set is a folder with `items.jsonl` and `questions.jsonl`, an IR set one with `corpus.jsonl` and
`queries.jsonl`.  A memory set's scopes are separate memories.  Beside ours stand, on the same records and the same
vectors: FTS5 alone, vectors alone, and their reciprocal rank fusion, which is what most others ship.
"""

from __future__ import annotations

import json
import math
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

from agentmem import Memory
from agentmem.db import Connection
from agentmem.encoder import Encoding, shared
from agentmem.scope import Scope, visible
from agentmem.search import lexical, nearest

CUTS = (1, 5, 10, 20)
RRF_K = 60  # Cormack et al. 2009
DEPTH = 200  # of each list that is fused by rank
METHODS = ("agentmem", "fts5", "vector", "rrf")


@dataclass(frozen=True, slots=True)
class Question:
    """One question, and the grade of each item that answers it."""

    text: str
    relevant: Mapping[str, int]
    type: str


@dataclass(frozen=True, slots=True)
class Part:
    """Items that are one memory, and the questions asked of it."""

    items: Sequence[Mapping[str, Any]]
    questions: Sequence[Question]


def read_set(folder: Path) -> tuple[str, list[Part]]:
    """Return ("memory" or "ir", the set's parts)."""
    if (folder / "items.jsonl").exists():
        items, asked = defaultdict(list), defaultdict(list)
        for item in _lines(folder / "items.jsonl"):
            items[item["scope"]].append(item)
        for q in _lines(folder / "questions.jsonl"):
            asked[q["scope"]].append(Question(q["question"], dict.fromkeys(q["gold"], 1), str(q["type"])))
        return "memory", [Part(items[scope], asked[scope]) for scope in items if asked[scope]]
    queries = [Question(q["text"], q["relevant"], "all") for q in _lines(folder / "queries.jsonl")]
    return "ir", [Part(list(_lines(folder / "corpus.jsonl")), queries)]


def measure(folder: Path) -> dict[str, Any]:
    """Return the set's figures: {"set", "kind", "questions", "items", "methods": {method: {metric: value}}}."""
    kind, parts = read_set(folder)
    found: dict[str, list[tuple[Question, list[str]]]] = {method: [] for method in METHODS}
    began = time.perf_counter()
    for part in parts:
        with tempfile.TemporaryDirectory() as work, Memory(Path(work) / "bench.db") as memory:
            names = store(memory, part, kind)
            for question in part.questions:
                for method, ids in answers(memory, question.text, names).items():
                    found[method].append((question, ids))
    score = memory_scores if kind == "memory" else ir_scores
    return {
        "set": folder.name,
        "kind": kind,
        "items": sum(len(part.items) for part in parts),
        "questions": sum(len(part.questions) for part in parts),
        "seconds": round(time.perf_counter() - began, 1),
        "methods": {method: score(answered) for method, answered in found.items()},
    }


def store(memory: Memory, part: Part, kind: str) -> dict[str, str]:
    """Store the items as a user would; return record id → the item's id, which is never indexed."""
    if kind == "ir":
        records = memory.remember_many(
            {"text": item["text"], "source": f"doc {number}"} for number, item in enumerate(part.items)
        )
        return {record.id: item["id"] for record, item in zip(records, part.items, strict=True)}
    names: dict[str, str] = {}
    by_session: dict[str, list[Mapping[str, Any]]] = {}
    for number, item in enumerate(part.items):
        # An item outside any session is a conversation of its own.
        by_session.setdefault(item["session"] or f"item {number}", []).append(item)
    for session, items in by_session.items():
        messages = (
            {"role": item["role"], "content": item["text"], "at": item["at"], "id": str(number)}
            | ({"name": item["speaker"]} if item["speaker"] else {})
            for number, item in enumerate(items)
        )
        records = memory.observe(messages, session=session)
        names |= {record.id: item["id"] for record, item in zip(records, items, strict=True)}
    return names


def answers(memory: Memory, query: str, names: Mapping[str, str]) -> dict[str, list[str]]:
    """Return method → ids of the items found, best first."""
    encoding = shared().encode([query])[0]
    lists: dict[str, list[str]] = {"agentmem": [names[hit.id] for hit in memory.recall(query, k=max(CUTS))]}
    with memory._db.read() as connection:
        uids = dict(connection.execute("select id, uid from records"))
        arms = baselines(connection, query, encoding)
        lists |= {method: [names[uids[row]] for row in rows] for method, rows in arms.items()}
    return lists


def baselines(connection: Connection, query: str, encoding: Encoding) -> dict[str, list[int]]:
    """Return row ids, best first, for each arm alone and for their reciprocal rank fusion."""
    seen = visible(Scope(), now=0)
    words = list(lexical(connection, query, seen, DEPTH))
    near = list(nearest(connection, encoding.quantised, seen, DEPTH))
    fused: dict[int, float] = defaultdict(float)
    for rows in (words, near):
        for place, row in enumerate(rows):
            fused[row] += 1 / (RRF_K + 1 + place)
    return {"fts5": words, "vector": near, "rrf": sorted(fused, key=lambda row: (-fused[row], row))}


def memory_scores(answered: Iterable[tuple[Question, list[str]]]) -> dict[str, float]:
    """Return the mean fraction of the gold items found, and how often any or all were, in the first k."""
    scores: dict[str, list[float]] = defaultdict(list)
    for question, ids in answered:
        gold = set(question.relevant)
        for cut in CUTS:
            hits = len(gold & set(ids[:cut]))
            scores[f"fraction@{cut}"].append(hits / len(gold))
            scores[f"any@{cut}"].append(float(hits > 0))
            scores[f"all@{cut}"].append(float(hits == len(gold)))
            scores[f"type {question.type} fraction@{cut}"].append(hits / len(gold))
    return {name: round(fmean(values), 4) for name, values in scores.items()}


def ir_scores(answered: Iterable[tuple[Question, list[str]]]) -> dict[str, float]:
    """Return nDCG@10 with the grades as gains (Järvelin & Kekäläinen 2002), as trec_eval computes it."""
    scores = []
    for question, ids in answered:
        gains = [question.relevant.get(id, 0) for id in ids[:10]]
        ideal = sorted(question.relevant.values(), reverse=True)[:10]
        scores.append(discounted(gains) / discounted(ideal))
    return {"nDCG@10": round(fmean(scores), 4)}


def discounted(gains: Sequence[int]) -> float:
    """Return Σ gain / log2(rank + 1)."""
    return sum(gain / math.log2(rank + 2) for rank, gain in enumerate(gains))


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    with path.open(encoding="utf-8") as file:
        for line in file:
            yield json.loads(line)
