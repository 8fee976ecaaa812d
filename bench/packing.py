"""
Packing: does a context of few tokens hold the answer, against the best whole turns that fit into as many?

Asked are the questions of a memory set that have an answer of up to five words which stands in one of their gold items.
A context holds the answer where a line of a gold item, or a fact, does.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from statistics import mean
from typing import Any

from agentmem import Memory

from .sets import Question, read_set, stored

BUDGETS = (245, 400, 800)  # tokens; 245 is 3 % of 8,192
SHORT = 5  # words of an answer
K = 20


def measure(folder: Path, progress: Callable[[str], None]) -> dict[str, Any]:
    """Return for each budget which share of the questions is answered by each way."""
    kind, parts = read_set(folder)
    found: dict[int, dict[str, list[bool]]] = {budget: {"context": [], "whole turns": []} for budget in BUDGETS}
    tokens: dict[int, list[int]] = {budget: [] for budget in BUDGETS}
    for number, part in enumerate(parts):
        texts = {str(item["id"]): str(item["text"]) for item in part.items}
        asked = [(question, answers) for question in part.questions if (answers := _short(question, texts))]
        progress(f"{folder.name}: {len(part.items):,} items of memory {number + 1} of {len(parts)}")
        with stored(part, kind) as (memory, names):
            for question, answers in asked:
                for budget in BUDGETS:
                    context = memory.context(question.text, budget_tokens=budget, k=K)
                    tokens[budget].append(context.tokens)
                    lines = [line.text for line in context.lines if not line.id or names[line.id] in question.relevant]
                    found[budget]["context"].append(_holds(lines, answers))
                    lines = _whole(memory, names, question, budget)
                    found[budget]["whole turns"].append(_holds(lines, answers))
    return {
        "set": folder.name,
        "questions": len(tokens[BUDGETS[0]]),
        "budgets": {
            str(budget): {**{way: mean(held) for way, held in ways.items()}, "tokens": mean(tokens[budget])}
            for budget, ways in found.items()
        },
    }


def _short(question: Question, texts: dict[str, str]) -> list[str]:
    gold = _plain(" ".join(texts[id] for id in question.relevant if id in texts))
    answers = [_plain(answer) for answer in question.answers]
    return [answer for answer in answers if 0 < len(answer.split()) <= SHORT and f" {answer} " in f" {gold} "]


def _whole(memory: Memory, names: dict[str, str], question: Question, budget: int) -> list[str]:
    """Return the gold ones of the best whole turns that fit."""
    lines: list[str] = []
    used = 0
    for hit in memory.recall(question.text, k=K):
        at = hit.record.occurred_at
        line = f"- [{at.date() if at else 'date unknown'}] {hit.record.speaker or hit.record.role}: {hit.text}"
        used += memory._encoder().count_tokens(line)
        if used > budget:
            break
        lines += [line] if names[hit.id] in question.relevant else []
    return lines


def _holds(lines: list[str], answers: list[str]) -> bool:
    text = f" {' / '.join(map(_plain, lines))} "
    return any(f" {answer} " in text for answer in answers)


def _plain(text: str) -> str:
    return " ".join(re.findall(r"\w+", text.casefold()))
