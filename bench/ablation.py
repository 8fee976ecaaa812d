"""What each signal gives: the figures with it off, against the whole, on the same candidates of the same memory."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from .asking import SIGNALS, WHOLE, Asked, Floats
from .scores import Column, columns, difference, main_metrics

GROUPS: Mapping[str, tuple[str, ...]] = {
    "late interaction and all that uses it": ("late", "weakest", "session"),
    "time signals": ("time", "when"),
    "neighbours": ("previous lexical", "previous cosine", "earlier lexical", "answers"),
    "whom": ("named", "role"),
}


def ablations(kind: str, asked: Sequence[Asked]) -> dict[str, dict[str, list[float]]]:
    """
    Return what is off → metric → [difference to the whole, and the ends of its 95 % interval].

    A signal is off in the second step, `rank.final`; the shortlist stays as it is, which takes words, vectors,
    neighbours, conversations, whom and when into account by rules of its own.
    """
    whole = _ranked(kind, asked, WHOLE)
    off = {name: (name,) for name in SIGNALS} | dict(GROUPS)
    return {name: difference(_ranked(kind, asked, without(names)), whole) for name, names in off.items()}


def without(names: Iterable[str]) -> Floats:
    """Return the shipped weights, those of *names* 0."""
    off = set(names)
    return np.array([0 if name in off else weight for name, weight in zip(SIGNALS, WHOLE, strict=True)], np.float32)


def _ranked(kind: str, asked: Sequence[Asked], weights: Floats) -> dict[str, Column]:
    values = columns(kind, ((one.question, one.ranked(weights)) for one in asked))
    return {name: values[name] for name in main_metrics(kind)}
