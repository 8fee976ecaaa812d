"""
Fuzz: strings that nobody would think of, as queries.  None may raise, and none may take long.

The records are those of `speed`, with some in other scripts among them, so that every index has something to find.
The strings are made here: random characters of every script, FTS5's syntax, cuttings of the records, pasted pages.
"""

from __future__ import annotations

import random
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from agentmem import Memory

from .made import texts
from .speed import percentiles

SYNTAX = [
    '"',
    "'",
    "*",
    "^",
    ":",
    "(",
    ")",
    "+",
    "-",
    "AND",
    "OR",
    "NOT",
    "NEAR(",
    "text:",
    "{speaker text}:",
    "\\",
    "%",
]
BLOCKS = [(0x20, 0x7E), (0xA0, 0x24F), (0x300, 0x36F), (0x370, 0x52F), (0x590, 0x6FF), (0x900, 0xDFF), (0xE00, 0xEFF),
          (0x1780, 0x17FF), (0x2000, 0x2BFF), (0x3040, 0x30FF), (0x4E00, 0x4FFF), (0xAC00, 0xADFF), (0xD800, 0xDFFF),
          (0xFE00, 0xFE0F), (0xFF00, 0xFFEF), (0x1F300, 0x1F6FF), (0x1, 0x1F), (0x10000, 0x10FFFF)]  # fmt: skip
FOREIGN = 10  # one record in so many is in another script
SLOW_MS = 1000.0


def measure(items: int, queries: int, progress: Callable[[str], None]) -> dict[str, Any]:
    """Ask *queries* strings of *items* records; return how long they took, and each that raised or took a second."""
    draw = random.Random(7)
    with tempfile.TemporaryDirectory() as work, Memory(Path(work) / "fuzz.db") as memory:
        progress(f"storing {items:,} records")
        kept = [foreign(draw) if number % FOREIGN == 0 else text for number, text in enumerate(texts(items))]
        memory.remember_many(kept)
        taken: list[float] = []
        failures: list[str] = []
        for number, query in enumerate(strings(draw, kept, queries)):
            if number % 100 == 0:
                progress(f"query {number:,} of {queries:,}, {len(failures)} failed")
            began = time.perf_counter()
            try:
                memory.recall(query)
            except Exception as error:  # noqa: BLE001 - any is what is looked for
                failures.append(f"{error!r}: {query[:80]!r}")
            taken.append((time.perf_counter() - began) * 1e3)
            if taken[-1] > SLOW_MS:
                failures.append(f"{taken[-1]:.0f} ms: {query[:80]!r}")
    return {"items": items, "queries": queries, **percentiles(taken), "max": round(max(taken), 1), "failures": failures}


def strings(draw: random.Random, kept: list[str], count: int) -> Iterator[str]:
    """Yield *count* strings that are not blank."""
    kinds = [noise, syntax, cutting, foreign_question, page]
    weights = [30, 30, 20, 19, 1]
    while count:
        query = draw.choices(kinds, weights)[0](draw, kept)
        if query.strip():
            count -= 1
            yield query


def noise(draw: random.Random, kept: list[str]) -> str:
    """Characters of any one or of all blocks, lone surrogates and control characters among them."""
    blocks = draw.sample(BLOCKS, draw.choice([1, 2, len(BLOCKS)]))
    return "".join(chr(draw.randint(*draw.choice(blocks))) for _ in range(draw.randint(1, 60)))


def syntax(draw: random.Random, kept: list[str]) -> str:
    """What FTS5 would read as a query, mostly a wrong one."""
    words = [*draw.choice(kept).split()[:6], *draw.choices(SYNTAX, k=draw.randint(1, 8))]
    draw.shuffle(words)
    return draw.choice(["", " "]).join(words)


def cutting(draw: random.Random, kept: list[str]) -> str:
    """A piece of a record, cut anywhere."""
    text = draw.choice(kept)
    start = draw.randrange(len(text))
    return text[start : start + draw.randint(1, 40)]


def foreign_question(draw: random.Random, kept: list[str]) -> str:
    """Words of another script, and English ones."""
    return f"{foreign(draw)[: draw.randint(1, 80)]} {cutting(draw, kept)}"


def page(draw: random.Random, kept: list[str]) -> str:
    """A pasted page of some 2,000 words."""
    return "\n".join(draw.choices(kept, k=70))


def foreign(draw: random.Random) -> str:
    """Words of one script, of which few characters make up most, as in any language."""
    letters = [chr(c) for c in range(*draw.choice([(0x430, 0x450), (0x5D0, 0x5EB), (0x905, 0x950), (0x4E00, 0x4F00)]))]
    weights = [1 / (place + 1) for place in range(len(letters))]
    return " ".join("".join(draw.choices(letters, weights, k=draw.randint(1, 9))) for _ in range(25))
