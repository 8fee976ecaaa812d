"""
Evaluation sets: read from a folder, and stored as a user would.

A memory set is a folder with `items.jsonl` and `questions.jsonl`, an IR set one with `corpus.jsonl` and
`queries.jsonl`.  A memory set's scopes are separate memories.
"""

from __future__ import annotations

import json
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agentmem import Memory


@dataclass(frozen=True, slots=True)
class Question:
    """One question, and the grade of each item that answers it."""

    text: str
    relevant: Mapping[str, int]
    type: str
    answers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Part:
    """Items that are one memory, and the questions asked of it."""

    items: Sequence[Mapping[str, Any]]
    questions: Sequence[Question]


def is_set(folder: Path) -> bool:
    """Return whether *folder* holds an evaluation set."""
    return is_memory(folder) or (folder / "corpus.jsonl").exists()


def is_memory(folder: Path) -> bool:
    """Return whether *folder* holds a memory set."""
    return (folder / "items.jsonl").exists()


def read_set(folder: Path) -> tuple[str, list[Part]]:
    """Return ("memory" or "ir", the set's parts)."""
    if is_memory(folder):
        items, asked = defaultdict(list), defaultdict(list)
        for item in _lines(folder / "items.jsonl"):
            items[item["scope"]].append(item)
        for q in _lines(folder / "questions.jsonl"):
            given = q.get("answer") or []
            answers = tuple(map(str, given if isinstance(given, list) else [given]))
            asked[q["scope"]].append(Question(q["question"], dict.fromkeys(q["gold"], 1), str(q["type"]), answers))
        return "memory", [Part(items[scope], asked[scope]) for scope in items if asked[scope]]
    queries = [Question(q["text"], q["relevant"], "all") for q in _lines(folder / "queries.jsonl")]
    return "ir", [Part(list(_lines(folder / "corpus.jsonl")), queries)]


@contextmanager
def stored(part: Part, kind: str) -> Iterator[tuple[Memory, dict[str, str]]]:
    """Lend a memory of the part's items in a file of its own, and record id → the item's id."""
    with tempfile.TemporaryDirectory() as work, Memory(Path(work) / "bench.db") as memory:
        yield memory, store(memory, part, kind)


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


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    with path.open(encoding="utf-8") as file:
        for line in file:
            yield json.loads(line)
