"""
Made-up records with a natural distribution of words: deterministic, of any number, and free of any licence.

Most words are the sample conversation's, with their own frequencies; the rest are invented ones, whose frequencies
fall as those of names and rare words do (Zipf's law), so that a larger memory has more words, as a real one has.
"""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import agentmem
from agentmem import encoder
from agentmem.encoder import Encoding

SENTENCES = Path(agentmem.__file__).parent / "demo" / "conversation.jsonl"
WORDS_PER_RECORD = 30
INVENTED = 200_000  # words
INVENTED_SHARE = 0.06  # of all words said
SYLLABLES = [a + b for a in "bdfgklmnprstvz" for b in ("a", "e", "i", "o", "u", "an", "el", "or")]


def texts(count: int, seed: int = 1) -> Iterator[str]:
    """Yield *count* texts of about 30 words."""
    lines = SENTENCES.read_text("utf-8").splitlines()
    words = Counter(word for line in lines for word in json.loads(line)["content"].split())
    vocabulary, weights = list(words), np.cumsum(list(words.values())).tolist()
    draw = random.Random(seed)
    for number in range(count):
        length = max(5, round(draw.gauss(WORDS_PER_RECORD, 8)))
        said = draw.choices(vocabulary, cum_weights=weights, k=length)
        for place in range(length):
            if draw.random() < INVENTED_SHARE:
                said[place] = invented(int(INVENTED ** draw.random()))  # rank r with a chance of about 1 / r
        yield " ".join(said) + f" ({number})"


def invented(rank: int) -> str:
    """Return a word that nobody says, the same for the same *rank*."""
    syllables: list[str] = []
    while rank or len(syllables) < 2:
        rank, place = divmod(rank, len(SYLLABLES))
        syllables.append(SYLLABLES[place])
    return "".join(syllables)


class WordEncoder:
    """
    Makes a text's vector of its words', each encoded once, and some noise: for more texts than there is time to encode.

    Queries are encoded by the real encoder, to which this one is alike enough to be searched by.
    """

    def __init__(self) -> None:
        self.id = encoder.shared().id
        self._words: dict[str, NDArray[np.float32]] = {}
        self._noise = np.random.default_rng(1)

    def encode(self, texts: Sequence[str]) -> list[Encoding]:
        said = [text.split() for text in texts]
        new = sorted({word for words in said for word in words} - self._words.keys())
        for word in new:
            known = not word.startswith("(") and len(self._words) < 5_000
            noise = self._noise.standard_normal(encoder.WIDTH).astype(np.float32)
            self._words[word] = encoder.shared().encode([word])[0].vector if known else noise / np.linalg.norm(noise)
        encoded = [self._encoded(words) for words in said]
        for word in new:
            if word.startswith("("):
                del self._words[word]
        return encoded

    def count_tokens(self, text: str) -> int:
        return encoder.shared().count_tokens(text)

    def _encoded(self, words: Sequence[str]) -> Encoding:
        tokens = np.stack([self._words[word] for word in words])
        vector = tokens.mean(0) + 0.012 * self._noise.standard_normal(encoder.WIDTH).astype(np.float32)
        return Encoding(vector / np.linalg.norm(vector), tokens[: WORDS_PER_RECORD * 4 // 5])
