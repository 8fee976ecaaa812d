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
LEAST, SURE = 0.3, 0.5  # cosines: below the one it is not asked for, above the other it is
_vectors: dict[tuple[str, str], NDArray[np.float32]] = {}  # by encoder and predicate: few, and the same each time


def nearest(query: NDArray[np.float32], known: Sequence[str], encoder: Encoder) -> dict[str, float]:
    """
    Return those of the predicates *known* that a query asks for, the nearest first, and how surely, 0..1.

    Args:
        query: its vector (384,), of length 1.
    """
    if not known:
        return {}
    new = [predicate for predicate in known if (encoder.id, predicate) not in _vectors]
    encodings = encode(encoder, [*map(_words, new)])
    _vectors.update({(encoder.id, predicate): each.vector for predicate, each in zip(new, encodings, strict=True)})
    cosines = np.stack([_vectors[encoder.id, predicate] for predicate in known]) @ query
    order = [place for place in np.argsort(-cosines, kind="stable")[:MOST] if cosines[place] >= LEAST]
    return {known[place]: min(1.0, float((cosines[place] - LEAST) / (SURE - LEAST))) for place in order}


def _words(predicate: str) -> str:
    if predicate in RELATIONS:
        names = [noun for noun, role in RELATION.items() if role == predicate]
        return f"who is my {', '.join(names)}, what is my {predicate} called"
    return ASKED.get(predicate, f"my {predicate}")
