"""
Who is who: of the ways in which short conversations name people, which are taken for one.

`entities.jsonl` was written by one who knew nothing of the rules: half of its conversations are traps, two people of
one name, a former and a new boss, a pet with a person's name.
"""

from __future__ import annotations

import json
from collections import Counter
from itertools import combinations
from pathlib import Path
from typing import Any

from agentmem import Memory

SET = Path(__file__).parent / "entities.jsonl"


def measure() -> dict[str, Any]:
    """Count pairs of ways of naming: joined or not, of one or of two."""
    counts: Counter[str] = Counter()
    lines = SET.read_text("utf-8").splitlines()
    for line in lines:
        given = json.loads(line)
        ways = [(way, who) for who, named in given["who"].items() for way in named]
        counts["ways"] += len(ways)
        with Memory(":memory:", user="ana") as memory:
            memory.observe([{"role": "user", "content": text} for text in given["turns"]], session="s")
            meant = {way: {way.casefold(), *(a.casefold() for a in memory.entity(way).aliases)} for way, _ in ways}
        for (one, who), (other, whose) in combinations(ways, 2):
            joined = not meant[one].isdisjoint(meant[other])
            counts[f"{'joined' if joined else 'apart'}, {'one' if who == whose else 'two'}"] += 1
    return {
        "conversations": len(lines),
        "ways of naming": counts["ways"],
        "of one, joined": counts["joined, one"] / (counts["joined, one"] + counts["apart, one"]),
        "of two, joined": counts["joined, two"],
        "pairs of two": counts["joined, two"] + counts["apart, two"],
    }
