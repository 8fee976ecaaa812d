"""
Pure ranking: from the signals of each candidate to one score, in two steps.

`shortlist` scores every candidate from what the indexes say of it and its neighbours, cheaply; `final` adds late
interaction for the best of them and sums all signals by WEIGHTS.  Every function takes and returns arrays over the
same n candidates; none reads a file or a clock.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Places = NDArray[np.int64]

COSINE_FLOOR = 0.1  # what MiniLM gives texts that have nothing to do with each other
SHORT_CHARS = 250  # below this a turn leans on its neighbours in full, above it with (250 / length)²

# The first step.  Chosen by hand where all four dev sets agree (`python -m bench recall`).
LEXICAL_SHARE = 0.6  # of the fused score; the rest is the vector's
PREVIOUS, NEXT = 0.4, 0.1  # share of a neighbour's score that a short turn takes over
SESSION_SHARE, SESSION_BEST = 0.3, 3  # a conversation's three best candidates vouch for the others
ASKED_SHARE = 0.2  # for a turn of the one whom the question is about

# What has no turn before it leans on itself, by this share: with 0, a note would stand back behind conversations;
# with 1, the first turn of each would push forward.
ALONE = 0.5

# Late interaction: how much a match in the turn before or after counts.
PREVIOUS_TOKENS, NEXT_TOKENS = 0.6, 0.5

# The second step.  Fitted by listwise softmax regression (Cao et al. 2007, ListNet, https://doi.org/10.1145/1273496.1273513)
# on locomo-dev, longmemeval-pool-dev, SciFact and NFCorpus together, each set weighing the same; fitted on one half of
# a set and asked on the other, results differ by less than .01.
WEIGHTS: Mapping[str, float] = {
    "lexical": 2.1,  # BM25, as a share of the best
    "cosine": 1.3,  # of the sentence vectors, as a share of the best
    "previous lexical": 1.3,  # of the turn before, for a short turn
    "previous cosine": 0.4,
    "earlier lexical": 1.4,  # of the turn before that
    "late": 3.3,  # mean over the query's tokens of their best match in the turn or, discounted, beside it
    "weakest": 0.6,  # the query token that the turn matches least: does it answer the whole question?
    "session": 1.4,  # mean late interaction of the conversation's three best
    "named": 1.8,  # said by the one speaker whom the question names
    "role": 1.6,  # "I" asks about what the user said, "you" about the assistant
    "answers": 0.4,  # the turn before ends with a question mark
}
IMPORTANCE_SHARE, CONFIDENCE_SHARE = 0.1, 0.1  # the most that these can move a score: a tenth


@dataclass(frozen=True, slots=True)
class Signals:
    """What is known of n candidates before late interaction."""

    lexical: Floats  # (n,) BM25, higher is better, 0 where no word matches
    cosine: Floats  # (n,) -1..1
    session: Places  # (n,) equal for turns of one conversation, negative outside any
    turns: Places  # (n,) how many its conversation has, at least as far as 3; 1 outside any
    previous: Places  # (n,) index of the turn before among the candidates, or -1
    next: Places  # (n,) index of the turn after, or -1
    length: Floats  # (n,) characters
    asks: Floats  # (n,) 1 where the text ends with a question mark
    named: Floats  # (n,) 1 where the speaker is the only one whom the query names
    role: Floats  # (n,) 1 where the role is the one that the query asks about
    importance: Floats  # (n,) 0..1
    confidence: Floats  # (n,) 0..1


def shortlist(signals: Signals) -> Floats:
    """Return (n,) scores from the indexes alone, the best 1 before what is added for whom the question is about."""
    score = lift_sessions(lean_on_neighbours(fuse(signals.lexical, signals.cosine), signals), signals)
    return np.asarray(_by_best(score) + ASKED_SHARE * (signals.named + signals.role), np.float32)


def fuse(lexical: Floats, cosine: Floats) -> Floats:
    """
    Return (n,) the weighted sum of both arms, each divided by its own best.

    Scores, not ranks: reciprocal rank fusion forgets how sure an arm is (.600 against .680 at 10 on locomo-dev).
    Source: convex combination, Bruch et al. 2023, https://arxiv.org/abs/2210.11934.
    """
    return LEXICAL_SHARE * _by_best(lexical) + (1 - LEXICAL_SHARE) * _by_best(_above_floor(cosine))


def lean_on_neighbours(score: Floats, signals: Signals) -> Floats:
    """
    Return (n,) scores to which the turns before and after have lent a share.

    "Yes, last summer!" is found by the question before it.  The shorter a turn, the more it leans.  Lending scores
    does what indexing each turn together with its neighbours does (.766 against .765 at 10), with no text stored
    twice, so that nothing of a forgotten turn lives on in another.
    """
    lent = PREVIOUS * _at(score, signals.previous, 0) + NEXT * _at(score, signals.next, 0)
    return np.asarray(score + _need(signals) * lent, np.float32)


def lift_sessions(score: Floats, signals: Signals) -> Floats:
    """Return (n,) scores plus a share of `session_mean`."""
    if len(np.unique(_conversations(signals))) < 2:
        return score
    return np.asarray(score + SESSION_SHARE * session_mean(score, signals), np.float32)


def session_mean(score: Floats, signals: Signals) -> Floats:
    """
    Return (n,) the mean of the three best scores of the same conversation.

    A shorter conversation has a mean of fewer, and what stands alone is a conversation of one, so that neither is
    set back against a long conversation.
    """
    names, place = np.unique(_conversations(signals), return_inverse=True)
    order = np.lexsort((-score, place))
    rank_in_session = np.arange(len(order)) - np.searchsorted(place[order], place[order])
    best = order[rank_in_session < SESSION_BEST]
    total = np.bincount(place[best], weights=score[best], minlength=len(names))[place]
    found = np.bincount(place[best], minlength=len(names))[place]
    return np.asarray(total / np.clip(signals.turns, found, SESSION_BEST), np.float32)


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
    products = np.empty((len(packed) * 8 // width, len(query)), np.float32)  # (t, q)
    # 64 tokens at a time: their floats stay in the cache, and the product is too small for OpenBLAS to share out
    # among threads, which wait for each other when the machine is busy (1.5 ms against 39 ms).
    step = 64 * width // 8
    for start in range(0, len(packed), step):
        bits = np.unpackbits(packed[start : start + step]).reshape(-1, width)
        first = start * 8 // width
        np.matmul(bits.astype(np.float32), query.T, out=products[first : first + len(bits)])
    similarity = 2 * products - query.sum(1)  # q·sign = 2 q·bit - Σq
    filled = np.flatnonzero(counts)
    starts = np.concatenate(([0], np.cumsum(counts[filled])[:-1]))
    found[:, filled] = np.maximum.reduceat(similarity, starts, axis=0).T / np.float32(np.sqrt(width))
    return found


def final(
    signals: Signals, top: Places, own: Floats, previous: Floats, following: Floats
) -> tuple[Floats, dict[str, Floats]]:
    """
    Return (m,) final scores 0..1 of the candidates *top*, and for each signal in WEIGHTS its part of them.

    Args:
        signals: of all n candidates.
        top: (m,) indexes of those to be scored.
        own, previous, following: (q, m) `max_similarity` of each, and of the turns before and after it, 0 where
            there is none.

    A score is the share of what a candidate would have that is best by every signal which tells any apart.
    Importance and confidence lower it by up to a tenth each, so that they never bury a strong match.
    """
    values = _values(signals, top, own, previous, following)
    telling = [name for name, value in values.items() if value.max() > 0]
    most = sum(WEIGHTS[name] for name in telling) or 1.0
    doubt = IMPORTANCE_SHARE * (1 - signals.importance[top]) + CONFIDENCE_SHARE * (1 - signals.confidence[top])
    parts = {name: WEIGHTS[name] * value * (1 - doubt) / most for name, value in values.items()}
    return np.sum(list(parts.values()), axis=0, dtype=np.float32), parts


def _values(signals: Signals, top: Places, own: Floats, previous: Floats, following: Floats) -> dict[str, Floats]:
    lexical, cosine, need = _by_best(signals.lexical), _by_best(_above_floor(signals.cosine)), _need(signals)
    window = np.maximum(own, np.maximum(PREVIOUS_TOKENS * previous, NEXT_TOKENS * following))
    before = np.where(signals.previous >= 0, signals.previous[np.maximum(signals.previous, 0)], -1)
    return {
        "lexical": lexical[top],
        "cosine": cosine[top],
        "previous lexical": (need * _at(lexical, signals.previous, ALONE * lexical))[top],
        "previous cosine": (need * _at(cosine, signals.previous, ALONE * cosine))[top],
        "earlier lexical": (need * _at(lexical, before, ALONE * lexical))[top],
        "late": _spread(window.mean(0)),
        "weakest": _spread(own.min(0)),
        "session": session_mean(_spread(own.mean(0)), _take(signals, top)),
        "named": signals.named[top],
        "role": signals.role[top],
        "answers": _at(signals.asks, signals.previous, ALONE * signals.asks)[top],
    }


def _take(signals: Signals, top: Places) -> Signals:
    return Signals(**{name: getattr(signals, name)[top] for name in Signals.__dataclass_fields__})


def _conversations(signals: Signals) -> Places:
    """A number for each conversation, and one of its own for what stands outside any."""
    return np.where(signals.session >= 0, signals.session, -1 - np.arange(len(signals.session)))


def _need(signals: Signals) -> Floats:
    """How much a turn leans on its neighbours: 1 up to SHORT_CHARS, falling with the square of its length."""
    return np.asarray(np.minimum(1, (SHORT_CHARS / np.maximum(signals.length, 1)) ** 2), np.float32)


def _above_floor(cosine: Floats) -> Floats:
    return np.asarray(np.maximum(cosine - np.float32(COSINE_FLOOR), 0), np.float32)


def _by_best(score: Floats) -> Floats:
    best = score.max(initial=0)
    return score / best if best > 0 else score


def _spread(score: Floats) -> Floats:
    """Spread *score* over 0..1; what is equal everywhere tells nothing and is 1."""
    spread = np.ptp(score)
    return np.asarray((score - score.min()) / spread if spread > 1e-9 else np.ones_like(score), np.float32)


def _at(score: Floats, index: Places, missing: Floats | float) -> Floats:
    return np.where(index >= 0, score[np.maximum(index, 0)], missing).astype(np.float32)
