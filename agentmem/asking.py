"""
A question → the predicates that it asks for, by meaning.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from .encoder import Encoder, encode
from .predicates import ASKED, RELATION, RELATIONS

MOST = 6  # predicates
LEAST = 0.3  # cosine
_vectors: dict[tuple[str, str], NDArray[np.float32]] = {}  # by encoder and predicate: few, and the same each time


def nearest(query: str, known: Sequence[str], encoder: Encoder) -> list[str]:
    """Return those of the predicates *known* that *query* asks for, the nearest first."""
    if not known:
        return []
    new = [predicate for predicate in known if (encoder.id, predicate) not in _vectors]
    encodings = encode(encoder, [query, *map(_words, new)])
    _vectors.update({(encoder.id, predicate): each.vector for predicate, each in zip(new, encodings[1:], strict=True)})
    cosines = np.stack([_vectors[encoder.id, predicate] for predicate in known]) @ encodings[0].vector
    return [known[place] for place in np.argsort(-cosines, kind="stable")[:MOST] if cosines[place] >= LEAST]


def _words(predicate: str) -> str:
    if predicate in RELATIONS:
        names = [noun for noun, role in RELATION.items() if role == predicate]
        return f"who is my {', '.join(names)}, what is my {predicate} called"
    return ASKED.get(predicate, f"my {predicate}")
