"""
Merging: two copies of one file that went apart, and what it takes to bring them together again, at several sizes.

It must follow what has changed, not what there is: so the same changes are merged in files of several sizes.  Vectors
are made of their words', as for the largest sizes of `speed`, and travel.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import Any

from agentmem import Memory, MergeReport, encoder

from .made import WordEncoder, texts

AT_ONCE = 20_000
TURNS = 50  # of a conversation
REVISED = 20  # one in so many changes is a revision


def measure(items: int, changes: int, progress: Callable[[str], None]) -> dict[str, Any]:
    """Return what it takes to merge two copies of a file of *items* records, each with *changes* of its own."""
    encoder.shared().encode(["warm"])
    with tempfile.TemporaryDirectory() as work:
        one, other = Path(work) / "one.db", Path(work) / "other.db"
        with Memory(one, encoder=WordEncoder()) as memory:
            source = islice(texts(items + 2 * changes), items)
            number = 0
            while batch := list(islice(source, AT_ONCE)):
                add(memory, batch, number)
                number += len(batch)
                progress(f"storing {number:,} of {items:,} records")
        shutil.copyfile(one, other)
        fresh = list(islice(texts(items + 2 * changes), items, None))
        with Memory(one, encoder=WordEncoder()) as a, Memory(other, encoder=WordEncoder()) as b:
            for which, memory in enumerate((a, b)):
                progress(f"{items:,} records: {changes:,} changes in each copy")
                change(memory, fresh[which * changes : (which + 1) * changes], (which + 1) * 10_000_000)
            progress(f"{items:,} records: merging")
            into, took, worked = timed(lambda: a.merge(other))
            back, took_back, _ = timed(lambda: b.merge(one))
            a.merge(other)  # what was decided over there
            count = into.added + into.changed
            return {
                "items": items,
                "changes": count,
                "seconds": took,
                "a second": count / took,
                "a second of CPU": count / worked,
                "back a second": (back.added + back.changed) / took_back,
                "nothing new ms": timed(lambda: a.merge(other))[1] * 1e3,
                "conflicts": len(into.conflicts),
                "encoded": into.encoded + back.encoded,
                "sound": items > 100_000 or not (a.verify() or b.verify()),
            }


def add(memory: Memory, said: list[str], number: int) -> None:
    """Store texts as turns of conversations, a tool's: so no time goes into reading what they claim."""
    memory.remember_many(
        {"text": text, "role": "tool", "kind": "turn", "session": f"s{(number + place) // TURNS}"}
        for place, text in enumerate(said)
    )


def change(memory: Memory, said: list[str], number: int) -> None:
    """Write new records, and revise old ones."""
    revised = len(said) // REVISED
    for old, text in zip(memory.list(limit=revised, offset=revised), said[:revised], strict=True):
        memory.revise(old.id, text)
    add(memory, said[revised:], number)


def timed(call: Callable[[], MergeReport]) -> tuple[MergeReport, float, float]:
    """Return what *call* returns, and the seconds that it took, and of those the ones of this process."""
    began, worked = time.perf_counter(), time.process_time()
    report = call()
    return report, time.perf_counter() - began, time.process_time() - worked
