"""Forgetting, down to the bytes: whatever was stored and forgotten before, no word is left in the file or its log."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from conftest import TinyEncoder

from agentmem import Memory, fulltext


def left(memory: Memory, words: list[str]) -> list[str]:
    """Return those of *words* that a raw look at the file and its log still finds."""
    path = Path(memory._db.path)
    data = b"".join(part.read_bytes() for part in (path, path.with_name(f"{path.name}-wal")) if part.exists())
    return [word for word in words if word.encode() in data]


def test_what_spans_several_pages_and_what_was_forgotten_before_it(memory: Memory) -> None:
    """FTS5 then has levels above the one that it merges into, and would keep the words of what is gone."""
    long = memory.remember(" ".join(f"w{number}" for number in range(2000)))
    memory.forget(memory.remember("coffee").id)
    secret = memory.remember("zebraquux is secret")
    memory.forget(long.id)
    memory.forget(secret.id)
    assert left(memory, ["zebraquux", "secret", "w1999"]) == []
    memory.close()
    assert left(memory, ["zebraquux", "secret", "w1999"]) == []


@pytest.mark.parametrize("seed", range(12))
def test_whatever_is_stored_and_forgotten_in_between(tmp_path: Path, seed: int) -> None:
    draw = np.random.default_rng(seed)
    number = 0

    def text() -> str:
        nonlocal number
        words = []
        for _ in range(draw.choice([3, 30, 200, 1500])):
            number += 1
            words.append(f"{draw.choice(['q', 'Łó', 'Жы'])}{number}x{seed}")
        return " ".join(words)

    with Memory(tmp_path / "m.db", encoder=TinyEncoder()) as memory:
        for _ in range(25):
            records = memory.list(limit=1000)
            if records and draw.random() < 0.5:
                gone = records[draw.integers(len(records))]
                memory.forget(gone.id)
                words = gone.text.lower().replace("łó", "lo").replace("жы", "жы").split()
                assert left(memory, [word for word in words if word.isascii()] + gone.text.split()) == []
            elif draw.random() < 0.1:
                memory.compact()
            else:
                memory.remember_many([text() for _ in range(draw.integers(1, 4))])
        assert memory.verify() == []
        kept = memory.list(limit=1000)
        assert all(memory.recall(record.text.split()[0], k=1)[0].id == record.id for record in kept)


def test_an_index_is_on_top_when_no_level_is_above_its_segment() -> None:
    head = bytes(4)
    assert fulltext._on_top(head + bytes([0, 0, 0]))  # nothing at all
    assert fulltext._on_top(head + bytes([2, 1, 9, 0, 0, 0, 1, 2, 1, 1]))
    assert not fulltext._on_top(head + bytes([3, 1, 0x81, 0x00, 0, 0, 0, 1, 2, 1, 0x81, 0x01, 0, 0]))
