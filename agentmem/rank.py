"""
Pure ranking: from the signals of each candidate to one score.

Every function takes and returns arrays over the same n candidates; none reads a file or a clock.
The constants were chosen on `locomo-dev` and `longmemeval-pool-dev` with SciFact and NFCorpus beside them
(`python -m bench recall`); each is where those agree, not where one of them peaks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

LEXICAL_SHARE = 0.6  # of the fused score; the rest is the vector's
COSINE_FLOOR = 0.1  # what MiniLM gives texts that have nothing to do with each other
PREVIOUS, NEXT = 0.4, 0.1  # share of a neighbour's score that a short turn takes over
SHORT_CHARS = 250  # below this a turn leans on its neighbours in full, above it with (250 / length)²
SESSION_SHARE, SESSION_BEST = 0.3, 3  # a conversation's three best candidates vouch for the others
LATE_SHARE = 0.5  # of the final score
PREVIOUS_TOKENS = 0.6  # how much a match in the previous turn counts
IMPORTANCE_SHARE, CONFIDENCE_SHARE = 0.1, 0.1  # the most that these can move a score: a tenth


@dataclass(frozen=True, slots=True)
class Signals:
    """What is known of n candidates before they are ranked."""

    lexical: Floats  # (n,) BM25, higher is better, 0 where no word matches
    cosine: Floats  # (n,) -1..1
    session: NDArray[np.int64]  # (n,) equal for turns of one conversation, negative outside any
    turns: NDArray[np.int64]  # (n,) how many its conversation has, at least as far as 3; 1 outside any
    previous: NDArray[np.int64]  # (n,) index of the turn before among the candidates, or -1
    next: NDArray[np.int64]  # (n,) index of the turn after, or -1
    length: Floats  # (n,) characters
    importance: Floats  # (n,) 0..1
    confidence: Floats  # (n,) 0..1


def fuse(lexical: Floats, cosine: Floats) -> Floats:
    """
    Return (n,) the weighted sum of both arms, each divided by its own best.

    Scores, not ranks: reciprocal rank fusion forgets how sure an arm is (.600 against .680 at 10 on locomo-dev).
    Source: convex combination, Bruch et al. 2023, https://arxiv.org/abs/2210.11934.
    """
    near = np.maximum(cosine - np.float32(COSINE_FLOOR), 0)
    return LEXICAL_SHARE * _by_best(lexical) + (1 - LEXICAL_SHARE) * _by_best(near)


def lean_on_neighbours(score: Floats, signals: Signals) -> Floats:
    """
    Return (n,) scores to which the turns before and after have lent a share.

    "Yes, last summer!" is found by the question before it.  The shorter a turn, the more it leans.  Lending scores
    does what indexing each turn together with its neighbours does (.766 against .765 at 10), with no text stored
    twice, so that nothing of a forgotten turn lives on in another.
    """
    need = np.minimum(1, (SHORT_CHARS / np.maximum(signals.length, 1)) ** 2)
    lent = PREVIOUS * _at(score, signals.previous) + NEXT * _at(score, signals.next)
    return np.asarray(score + need * lent, np.float32)


def lift_sessions(score: Floats, signals: Signals) -> Floats:
    """
    Return (n,) scores plus a share of the mean of the three best of the same conversation.

    A shorter conversation has a mean of fewer, and what stands alone is a conversation of one, so that neither is
    set back against a long conversation.
    """
    session = np.where(signals.session >= 0, signals.session, -1 - np.arange(len(score)))
    names, place = np.unique(session, return_inverse=True)
    if len(names) < 2:
        return score
    order = np.lexsort((-score, place))
    rank_in_session = np.arange(len(order)) - np.searchsorted(place[order], place[order])
    best = order[rank_in_session < SESSION_BEST]
    total = np.bincount(place[best], weights=score[best], minlength=len(names))[place]
    mean = total / np.clip(signals.turns, 1, SESSION_BEST)
    return np.asarray(score + SESSION_SHARE * mean, np.float32)


def max_similarity(query: Floats, codes: Sequence[bytes | None], width: int) -> Floats:
    """
    Return (q, n): for each query token and candidate, the largest similarity to one of the candidate's tokens.

    Args:
        query: (q, width) unit vectors of the query's tokens.
        codes: n blobs of width/8 bytes a token, the signs of its vector; None or b"" scores 0.

    The sign vector of a token, divided by √width, has length 1, so the dot product is an estimate of the cosine.
    Source: MaxSim, Khattab & Zaharia 2020 (ColBERT), https://arxiv.org/abs/2004.12832; one bit per component loses
    nothing measurable here (.762 against .762 at 10 on LoCoMo).
    """
    counts = np.array([len(code or b"") * 8 // width for code in codes])
    found = np.zeros((len(query), len(codes)), np.float32)
    if not counts.any():
        return found
    packed = np.frombuffer(b"".join(code for code in codes if code), np.uint8)
    bits = np.unpackbits(packed).reshape(-1, width)  # (t, width)
    # q·sign = 2 q·bit - Σq
    sums = 2 * (query @ bits.T.astype(np.float32)) - query.sum(1, keepdims=True)  # (q, t)
    filled = np.flatnonzero(counts)
    starts = np.concatenate(([0], np.cumsum(counts[filled])[:-1]))
    found[:, filled] = np.maximum.reduceat(sums, starts, axis=1) / np.float32(np.sqrt(width))
    return found


def late(similarity: Floats, previous: NDArray[np.int64]) -> Floats:
    """
    Return (n,) the mean over query tokens of their best match in a candidate, or, at a discount, in the turn before.

    Args:
        similarity: (q, m) from `max_similarity`; the first n columns are the candidates.
        previous: (n,) column of the turn before, or -1.
    """
    own = similarity[:, : len(previous)]
    before = np.where(previous >= 0, similarity[:, np.maximum(previous, 0)], 0)
    return np.asarray(np.maximum(own, PREVIOUS_TOKENS * before).mean(0), np.float32)


def finish(base: Floats, similarity: Floats, signals: Signals) -> Floats:
    """
    Return (n,) final scores, 0..1 up to a tenth for importance and confidence, which never bury a strong match.

    Args:
        base: (n,) the fused scores of candidates that late interaction looked at.
        similarity: (n,) from `late`.
        signals: of the same candidates.
    """
    spread = np.ptp(similarity)
    relative = (similarity - similarity.min()) / spread if spread > 1e-9 else np.ones_like(similarity)
    score = (1 - LATE_SHARE) * _by_best(base) + LATE_SHARE * relative
    doubt = IMPORTANCE_SHARE * (1 - signals.importance) + CONFIDENCE_SHARE * (1 - signals.confidence)
    return np.asarray(score * (1 - doubt), np.float32)


def _by_best(score: Floats) -> Floats:
    best = score.max(initial=0)
    return score / best if best > 0 else score


def _at(score: Floats, index: NDArray[np.int64]) -> Floats:
    return np.where(index >= 0, score[np.maximum(index, 0)], 0).astype(np.float32)
