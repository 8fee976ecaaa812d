"""
Half of the memory forgotten: are size, speed and what is found in proportion, once `compact` has given the space back?

Vectors are made of their words', as for the largest sizes of `speed`; questions are encoded for real.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import Any

from agentmem import Memory, encoder

from .made import WordEncoder, texts
from .speed import percentiles, timed_calls

QUERIES = 200
AT_ONCE = 20_000


def measure(items: int, progress: Callable[[str], None]) -> list[dict[str, Any]]:
    """Return the figures of a memory of *items* records, of what is left when half are forgotten, and compacted."""
    encoder.shared().encode(["warm"])
    with tempfile.TemporaryDirectory() as work:
        path = Path(work) / "half.db"
        with Memory(path, encoder=WordEncoder()) as memory:
            source, number = enumerate(texts(items)), 0
            while batch := list(islice(source, AT_ONCE)):
                memory.remember_many({"text": text, "metadata": {"half": n % 2}} for n, text in batch)
                number += len(batch)
                progress(f"storing {number:,} of {items:,} records")
        found = [asked(path, "all", items, progress)]
        progress("forgetting half")
        began = time.perf_counter()
        with Memory(path, encoder=WordEncoder()) as memory:
            erased = memory.forget(where={"half": 1}).count
        found.append(asked(path, "half forgotten", items, progress) | {"seconds": time.perf_counter() - began})
        began = time.perf_counter()
        progress("compacting")
        with Memory(path, encoder=WordEncoder()) as memory:
            memory.compact()
        found.append(asked(path, "compacted", items, progress) | {"seconds": time.perf_counter() - began})
        return [result | {"forgotten": erased} for result in found]


def asked(path: Path, state: str, items: int, progress: Callable[[str], None]) -> dict[str, Any]:
    """Ask 200 questions, each the first words of a record that stays; return what they take and what is found."""
    progress(f"{state}: asking")
    wanted = {items * n // QUERIES // 2 * 2 for n in range(QUERIES)}
    said = [text for n, text in enumerate(texts(items)) if n in wanted]
    queries = [" ".join(text.split()[:8]) for text in said]
    with Memory(path) as memory:
        bytes_ = memory.stats().file_bytes
        for query in queries[:20]:
            memory.recall(query)
        taken = timed_calls(memory.recall, queries)
        right = [any(hit.text == text for hit in memory.recall(q)) for q, text in zip(queries, said, strict=True)]
        sound = not memory.verify() if items <= 100_000 else None  # takes minutes at a million
    share = sum(right) / len(right)
    return {"state": state, "MB": bytes_ / 1e6, **percentiles(taken), "found": share, "sound": sound}
