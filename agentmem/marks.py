"""
Pure: word vectors → marks, the stretches of a text that name what is so of somebody.

The tagger is a small network on top of the encoder's own hidden states, trained on sentences written for this project
(`models/train.py`).  This module has what stands before and after it: the vectors of words, and what its scores say.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .predicates import STATES

WHOLE, PART = 30, 12  # words that are read together: of a text, of sentences of a longer one
_ENDS = frozenset([".", "!", "?", "…"])
MOST = 256  # words of a text: the encoder reads no more pieces
FAR = 16  # words; further apart is all the same to the tagger
SHAPES = 6  # how a word is written, see `shapes`
LEAST = 0.25  # confidence of a mark; below HINT of `predicates` it only casts doubt

_SELF = re.compile(r"\b(?:I|i|[Ww]e)(?:\b|['’])")
_PLACES = np.arange(MOST)
_DISTANCES: NDArray[np.int64] = np.clip(_PLACES[None] - _PLACES[:, None], -FAR, FAR) + FAR


class Mark(NamedTuple):
    """A stretch of a text that is the value of a predicate."""

    start: int  # characters of the text
    end: int
    predicate: str
    state: str  # of STATES
    subject: tuple[int, int] | None  # the stretch that names whom it is of; None is the speaker
    confidence: float  # 0..1, that all of this is right


class Scores(NamedTuple):
    """What the tagger says of the n words of a text, as logits."""

    values: NDArray[np.float32]  # (n, 1 + 2p): no value; for each of p predicates, its first word and the further ones
    states: NDArray[np.float32]  # (n, 3)
    others: NDArray[np.float32]  # (n, 2): of the speaker, of another
    subjects: NDArray[np.float32]  # (n, 3): no subject, its first word, a further one


def words(pieces: Sequence[int | None]) -> list[tuple[int, int]]:
    """Return the first piece of each word and the one after its last, from each piece's word number."""
    found: list[tuple[int, int]] = []
    last = None
    for place, number in enumerate(pieces):
        if number is not None:
            if number == last:
                found[-1] = (found[-1][0], place + 1)
            else:
                found.append((place, place + 1))
        last = number
    return found


def features(
    text: str, spans: Sequence[tuple[int, int]], pieces: Sequence[tuple[int, int]], *hidden: NDArray[np.float32]
) -> NDArray[np.float32]:
    """
    Return (n, k × 384 + 6) what the tagger reads of each word: the means of its pieces' *hidden* (t, 384), its shape.

    Args:
        spans: n stretches of *text*, one for each word.
        pieces: n of `words`.
    """
    width = hidden[0].shape[1]
    made = np.empty((len(pieces), len(hidden) * width + SHAPES), np.float32)
    firsts = [first for first, _ in pieces]
    for place, each in enumerate(hidden):
        made[:, place * width : (place + 1) * width] = each[firsts]
    for row, (first, end) in enumerate(pieces):
        if end - first > 1:  # few words are of several pieces
            for place, each in enumerate(hidden):
                made[row, place * width : (place + 1) * width] = each[first:end].sum(0) / (end - first)
    made[:, -SHAPES:] = shapes(text, spans)
    return made


def parts(text: str, spans: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """
    Return the first word and the one after the last of each part of a text.

    A short text is one; of a longer one each has as many sentences as PART words hold.
    """
    if len(spans) <= WHOLE:
        return [(0, len(spans))]
    ends = [place + 1 for place, (start, end) in enumerate(spans) if text[start:end] in _ENDS] + [len(spans)]
    found: list[tuple[int, int]] = []
    begun = 0
    for place, end in enumerate(ends):
        following = ends[place + 1] if place + 1 < len(ends) else end
        if end > begun and (following - begun > PART or end == len(spans)):
            found.append((begun, end))
            begun = end
    return found


def shapes(text: str, spans: Sequence[tuple[int, int]]) -> NDArray[np.float32]:
    """Return (n, 6) how words are written, which an encoder without capitals does not see."""
    small = text == text.lower()
    made = []
    for start, end in spans:
        before = text[max(start - 2, 0) : start]
        opens = not before.strip() if start < 3 else before.strip()[-1:] in (".", "!", "?", "…", ":")
        made.append(
            (
                not before[-1:].isalnum(),
                text[start].isupper(),
                end - start > 1 and text[start:end].isupper(),
                text[start].isdigit(),
                opens,
                small,
            )
        )
    return np.array(made, np.float32).reshape(-1, SHAPES)


def distances(count: int) -> NDArray[np.int64]:
    """Return (n, n) how far each word stands behind another, 0..2 × FAR."""
    return _DISTANCES[:count, :count]


def marks(
    text: str, spans: Sequence[tuple[int, int]], scores: Scores, predicates: Sequence[str], *, least: float = LEAST
) -> tuple[Mark, ...]:
    """Return what the *scores* of the words of *text*, at *spans*, mark, in order."""
    best = scores.values.argmax(1)
    if not best.any():
        return ()
    subjects = _subjects(spans, scores.subjects.argmax(1))
    found = []
    for first, end in _stretches(best.tolist()):
        predicate = (int(best[first]) - 1) // 2
        chance = _softmax(scores.values[first:end])[:, 1 + 2 * predicate : 3 + 2 * predicate].sum(1).min()
        state = _softmax(scores.states[first:end]).mean(0)
        other = _softmax(scores.others[first:end]).mean(0)
        start, stop = spans[first][0], spans[end - 1][1]
        whose, certain = _whose(text, start, subjects, float(other[1]))
        sure = float(chance * state.max() * certain)
        if sure >= least:
            found.append(Mark(start, stop, predicates[predicate], STATES[int(state.argmax())], whose, sure))
    return tuple(found)


def behind(marks: Sequence[Mark], start: int) -> list[Mark]:
    """Return the marks of the text that begins at *start*, after its speaker's name: whom that names is the speaker."""
    return [
        mark._replace(
            start=mark.start - start,
            end=mark.end - start,
            subject=(mark.subject[0] - start, mark.subject[1] - start)
            if mark.subject and mark.subject[0] >= start
            else None,
        )
        for mark in marks
        if mark.start >= start
    ]


def _stretches(best: Sequence[int]) -> list[tuple[int, int]]:
    """Return the first word and the one after the last of each value; the further words' label is even."""
    found = []
    place, count = 0, len(best)
    while place < count:
        end = place + 1
        if best[place]:
            further = (best[place] - 1) // 2 * 2 + 2
            while end < count and best[end] == further:
                end += 1
            found.append((place, end))
        place = end
    return found


def _subjects(spans: Sequence[tuple[int, int]], labels: NDArray[np.intp]) -> list[tuple[int, int]]:
    found: list[tuple[int, int]] = []
    for place, label in enumerate(labels.tolist()):
        if label == 2 and place and labels[place - 1] and found:
            found[-1] = found[-1][0], spans[place][1]
        elif label:
            found.append(spans[place])
    return found


def _whose(
    text: str, start: int, subjects: Sequence[tuple[int, int]], other: float
) -> tuple[tuple[int, int] | None, float]:
    """
    Return the stretch that names whose a value is, None for the speaker, and how sure that is, 0..1.

    Args:
        start: of the value.
        other: 0..1, that it is of another than the speaker.
    """
    opens = max(text.rfind(sign, 0, start) for sign in ".!?;\n") + 1
    if subjects and _SELF.search(text, opens, start) and not any(opens <= each[0] <= start for each in subjects):
        return None, 1.0  # "I live in Porto, and my sister Mel …": another is spoken of elsewhere
    if other <= 0.5:
        return None, 1 - other
    before = [each for each in subjects if each[0] <= start]
    nearest = before[-1] if before else subjects[0] if subjects else None
    return nearest, other if nearest else 0.0  # of somebody else, and not said of whom


def _softmax(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    raised = np.exp(logits - logits.max(1, keepdims=True))
    found: NDArray[np.float32] = raised / raised.sum(1, keepdims=True)
    return found
