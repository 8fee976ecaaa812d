"""
What a text is about, by how near its vector is to those of `prototypes`, which the shipped encoder makes.

Another encoder's vectors cannot be compared with them: its texts are encoded again, those in which a word points to a
topic.
"""

from __future__ import annotations

import base64
import functools
import json
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from . import injection
from .encoder import Encoder, MiniLM, shared
from .injection import Plain
from .prototypes import PROBES, TOPIC_WORDS, TOPICS

Vectors = NDArray[np.float32]  # (n, 384), of length 1
NEAR, NEAR_WITH_WORD = 0.45, 0.25  # cosine to the nearest prototype of a topic
WEIGHTS = Path(__file__).parent / "orders.json"


def topics(encoder: Encoder, texts: Sequence[str], vectors: Sequence[Vectors]) -> list[tuple[str, ...]]:
    """
    Return the sensitive topics that each of *texts* speaks of.

    Args:
        vectors: of the texts, by *encoder*.
    """
    if not texts:
        return []
    if isinstance(encoder, MiniLM):
        return _topics(texts, np.stack(vectors))
    pointing = [place for place, text in enumerate(texts) if any(map(functools.partial(_points, text), TOPICS))]
    some = [texts[place] for place in pointing]
    found = dict(zip(pointing, _topics(some, encoded(some)), strict=True)) if some else {}
    return [found.get(place, ()) for place in range(len(texts))]


def orders(read: Sequence[Plain]) -> NDArray[np.float64]:
    """Return for each of the texts *read* how much it reads like instructions to an assistant, in log-odds."""
    weights, direction, bias = _weights()
    vectors = encoded([each.text for each in read])
    signs = np.array([sum(weights[name] for name in injection.signs(each)) for each in read])
    return np.asarray(vectors @ direction + signs + bias, np.float64)


def breadth(vectors: Vectors) -> Vectors:
    """Return the mean cosine of each of *vectors* (n, 384), by the shipped encoder, with questions about anything."""
    return np.asarray((vectors @ _matrix(PROBES).T).mean(axis=1), np.float32)


def encoded(texts: Sequence[str]) -> Vectors:
    """Return the vectors of *texts* by the shipped encoder."""
    return np.stack([each.vector for each in shared().encode(texts)])


def _topics(texts: Sequence[str], vectors: Vectors) -> list[tuple[str, ...]]:
    near = {topic: (vectors @ _matrix(sentences).T).max(axis=1) for topic, sentences in TOPICS.items()}
    return [
        tuple(
            topic
            for topic, cosine in near.items()
            if cosine[place] >= NEAR or (cosine[place] >= NEAR_WITH_WORD and _points(text, topic))
        )
        for place, text in enumerate(texts)
    ]


def _points(text: str, topic: str) -> bool:
    return re.search(rf"\b(?:{TOPIC_WORDS[topic]})\b", text, re.IGNORECASE) is not None


@functools.cache
def _matrix(sentences: tuple[str, ...]) -> Vectors:
    return encoded(sentences)


@functools.cache
def _weights() -> tuple[dict[str, float], NDArray[np.float64], float]:
    """Return what `python -m bench poison --fit` found: weights of signs, the direction of orders (384), the bias."""
    given = json.loads(WEIGHTS.read_text("utf-8"))
    direction = np.frombuffer(base64.b85decode(given["direction"]), np.int8) * given["scale"]
    return given["signs"], direction, given["bias"]
