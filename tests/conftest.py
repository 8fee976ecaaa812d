"""What several test files share: an encoder that needs no model, and a memory that uses it."""

from __future__ import annotations

import functools
import re
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from agentmem import Memory
from agentmem.encoder import WIDTH, Encoding


class TinyEncoder:
    """
    Hashes each word to a fixed direction; a text is the sum of its words.  The same words give the same vector.

    Directions are dense, so that the bytes of a vector and of its codes can be looked for in a file.
    """

    id = "tiny"

    def encode(self, texts: Sequence[str]) -> list[Encoding]:
        return [self._encode_one(text) for text in texts]

    def count_tokens(self, text: str) -> int:
        return len(text.split())

    def _encode_one(self, text: str) -> Encoding:
        words = re.findall(r"\w+", text.lower())[:256] or [text[:64]]
        tokens = np.stack([direction(word) for word in words])  # (t, 384)
        total = tokens.sum(0)
        return Encoding(total / np.linalg.norm(total), tokens)


@functools.lru_cache(4096)
def direction(word: str) -> NDArray[np.float32]:
    """Return a unit vector that depends on *word* alone, in every process."""
    seed = zlib.crc32(word.encode("utf-8", "surrogatepass"))
    vector = np.random.default_rng(seed).standard_normal(WIDTH).astype(np.float32)
    return vector / np.linalg.norm(vector)


@pytest.fixture
def encoder() -> TinyEncoder:
    return TinyEncoder()


@pytest.fixture
def memory(tmp_path: Path, encoder: TinyEncoder) -> Iterator[Memory]:
    with Memory(tmp_path / "m.db", encoder=encoder) as memory:
        yield memory


def forget_or_revise(memory: Memory, verb: object, which: int, text: str, user: str) -> None:
    """Forget one of *user*'s records where *verb* says so, or else let it say *text* from now on."""
    if records := memory.list(user=user):
        record = records[which % len(records)]
        if verb == "forget":
            memory.forget(record.id, user=user)
        else:
            memory.revise(record.id, text, user=user)
