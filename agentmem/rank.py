"""
Pure ranking: from the signals of each candidate to one score, in two steps.

`shortlist` scores every candidate from what the indexes say of it and its neighbours, cheaply; `final` adds late
interaction for the best of them, sums all signals by WEIGHTS, and turns the sum into the chance that the candidate is
what was sought.  Every function takes and returns arrays over the same n candidates; none reads a file or a clock.
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
TIME_SHARE = 0.3  # for a turn of the time that the question names

# What has no turn before it leans on what that would be expected to have: among candidates of locomo-dev, the turn
# before has .80 of a turn's own lexical score and .59 of its cosine (.86 and .79 on longmemeval-pool-dev), and the
# turns beside it raise its late interaction by .012 (.015).  With less, a note would stand back behind conversations.
# What only asks leans on nothing: it is no answer to anything.
ALONE_LEXICAL, ALONE_COSINE, ALONE_TOKENS = 0.8, 0.7, 0.015
ALONE_ANSWER = 0.5  # of what asks itself

LEAST_SPREAD = 0.1  # between the best and the least similarity of tokens; in a small memory it may all be noise
ECHO = 0.35  # what is left of a match with what only asks: it is like the question, and no answer
TOKENS_AT_ONCE = 16  # of the query, so that what is counted stays in the cache
TOKEN_BITS, VECTOR_BITS = 2, 4  # kept of a query's components
REACH = {2: 0.6, 4: 1.0}  # of the largest component, by bits; what lies beyond is cut
SIGNS_COSINE = 0.79  # of a vector and its signs, as estimated here

# Late interaction: how much a match in the turn before or after counts.
PREVIOUS_TOKENS, NEXT_TOKENS = 0.6, 0.5

# The second step.  Fitted by listwise softmax regression (Cao et al. 2007, ListNet,
# https://doi.org/10.1145/1273496.1273513) on locomo-dev, longmemeval-pool-dev, SciFact and NFCorpus together, where
# the memory sets weigh twice; bench/RESULTS.md has what each signal gives, and what a fit on one half of the sets
# gives on the other.
WEIGHTS: Mapping[str, float] = {
    "lexical": 1.6,  # BM25, as a share of the best
    "cosine": 0.9,  # of the sentence vectors, as a share of the best
    "previous lexical": 1.2,  # of the turn before, for a short turn
    "previous cosine": 0.7,
    "earlier lexical": 1.1,  # of the turn before that
    "late": 2.7,  # how far the query's tokens are matched, in the turn or beside it, better than by other candidates
    "weakest": 0.7,  # the query token that the turn matches least: does it answer the whole question?
    "session": 2.0,  # mean late interaction of the conversation's three best
    "named": 2.2,  # said by the one speaker whom the question names
    "role": 1.8,  # "I" asks about what the user said, "you" about the assistant
    "answers": 0.5,  # the turn before ends with a question mark
    "time": 3.6,  # said at, or speaking of, the time that the question names
    "when": 1.8,  # speaks of a time, where the question asks for one
    "states": 0.7,  # holds more than questions
    "tells": 0.4,  # says what somebody did or what happened to them
}
# From a sum of weighted signals to a chance: logistic regression (Platt 1999) on the first ten hits of locomo-dev's
# questions, asked of their own conversation and of another one.
SCALE = 0.83
KNOWN, KNOWN_BIAS = (5.6, 0.8), -12.8  # of the best late interaction and the best cosine
LIKELY = 0.045  # a min_score that keeps 92 % of found answers; what it lets through: `python -m bench known`

IMPORTANCE_SHARE, CONFIDENCE_SHARE, RECENCY_SHARE = 0.1, 0.1, 0.05  # the most that these can take off a sum


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
    time: Floats  # (n,) 0..1, how much of its time lies in the time that the query names
    when: Floats  # (n,) 1 where it speaks of a time and the query asks for one
    states: Floats  # (n,) 1 where it holds more than questions
    tells: Floats  # (n,) 0..1, how much it says of what happened
    importance: Floats  # (n,) 0..1
    confidence: Floats  # (n,) 0..1
    recency: Floats  # (n,) 0..1

    def take(self, places: Places) -> Signals:
        """Return the signals of *places* (m,); `previous` and `next` go on counting in all."""
        return Signals(**{name: getattr(self, name)[places] for name in self.__slots__})


def top(score: Floats, limit: int) -> Places:
    """Return the places of the *limit* highest of *score* (n,), ascending; of equal ones the first."""
    if len(score) <= limit:
        return np.arange(len(score))
    least = np.partition(score, len(score) - limit)[len(score) - limit]
    above = np.flatnonzero(score > least)
    return np.sort(np.concatenate((above, np.flatnonzero(score == least)[: limit - len(above)])))


def shortlist(signals: Signals) -> Floats:
    """Return (n,) scores from the indexes alone, the best 1 before what is added for whom and when the query names."""
    score = lift_sessions(lean_on_neighbours(fuse(signals.lexical, signals.cosine), signals), signals)
    asked = ASKED_SHARE * (signals.named + signals.role) + TIME_SHARE * signals.time
    return np.asarray(_by_best(score) + asked, np.float32)


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
    if (signals.session < 0).all() or (signals.session == signals.session[:1]).all():
        return score
    return np.asarray(score + SESSION_SHARE * session_mean(score, signals.session, signals.turns), np.float32)


def session_mean(score: Floats, session: Places, turns: Places) -> Floats:
    """
    Return (n,) the mean of the three best scores of the same conversation.

    A shorter conversation has a mean of fewer, and what stands alone is a conversation of one, so that neither is
    set back against a long conversation.
    """
    if (session < 0).all():
        return score
    conversations = np.where(session >= 0, session, -1 - np.arange(len(session)))
    names, place = np.unique(conversations, return_inverse=True)
    order = np.lexsort((-score, place))
    rank_in_session = np.arange(len(order)) - np.searchsorted(place[order], place[order])
    best = order[rank_in_session < SESSION_BEST]
    total = np.bincount(place[best], weights=score[best], minlength=len(names))[place]
    found = np.bincount(place[best], minlength=len(names))[place]
    return np.asarray(total / np.clip(turns, found, SESSION_BEST), np.float32)


def max_similarity(query: Floats, codes: Sequence[bytes | None], width: int) -> Floats:
    """
    Return (q, n): for each query token and candidate, the largest similarity to one of the candidate's tokens.

    Args:
        query: (q, width) vectors of the query's tokens, of any length; width is a multiple of 64.
        codes: n blobs of width/8 bytes a token, the signs of its vector; None or b"" scores 0.

    A token's signs and a query token's levels (see `_levels`) stand for their vectors, so that a dot product is a count
    of bits: an estimate of the cosine.  Source: MaxSim, Khattab & Zaharia 2020 (ColBERT),
    https://arxiv.org/abs/2004.12832; more bits on the query's side than on the stored one, as in RaBitQ, Gao & Long
    2024, https://arxiv.org/abs/2405.12497.  On the dev sets floats on the query's side differ by less than .008.
    """
    counts = np.array([len(code or b"") * 8 // width for code in codes])
    found = np.zeros((len(query), len(codes)), np.float32)
    if not counts.any():
        return found
    bits = np.frombuffer(b"".join(code for code in codes if code), np.uint64).reshape(-1, width // 64)
    words = np.ascontiguousarray(bits.T)  # (width / 64, t)
    filled = np.flatnonzero(counts)
    starts = np.concatenate(([0], np.cumsum(counts[filled])[:-1]))
    for first in range(0, len(query), TOKENS_AT_ONCE):
        some = slice(first, first + TOKENS_AT_ONCE)
        found[some, filled] = _agreement(query[some], TOKEN_BITS, words, starts)
    return found


def cosine(query: Floats, signs: NDArray[np.uint64]) -> Floats:
    """
    Return (n,) estimates of the cosines of *query* (384,) with vectors of which *signs* (6, n) are known.

    Source: as `max_similarity`.  Of a vector with normally distributed components the signs, as a vector, have the
    cosine √(2/π) with it; of these vectors about SIGNS_COSINE.
    """
    return np.asarray(_agreement(query[None], VECTOR_BITS, signs, None)[0] / SIGNS_COSINE, np.float32)


def true_cosine(query: Floats, vectors: Sequence[bytes | None]) -> Floats:
    """Return (n,) cosines of *query* (384,), of length 1, with *vectors*, each int8[384]; 0 for None."""
    found = np.zeros(len(vectors), np.float32)
    some = [vector for vector in vectors if vector]
    if some:
        table = np.frombuffer(b"".join(some), np.int8).reshape(len(some), -1).astype(np.float32)
        length = np.sqrt(np.einsum("ij,ij->i", table, table))
        found[[place for place, vector in enumerate(vectors) if vector]] = table @ query / np.maximum(length, 1)
    return found


def _agreement(query: Floats, bits: int, words: NDArray[np.uint64], starts: Places | None) -> Floats:
    """
    Return (q, t) cosines of each of *query* (q, width) with the signs in *words* (width / 64, t).

    Args:
        bits: that are kept of each of the query's components.
        starts: where to begin the runs of *words* of which only the best counts, (q, runs); None for each alone.
    """
    planes, total, scale = _levels(query, bits)
    ones = np.bitwise_count(words).sum(0, dtype=np.int16)  # (t,)
    counts = np.zeros((len(planes), len(ones)), np.int16)
    for word, plane in zip(words, planes.T, strict=True):
        counts += np.bitwise_count(plane[:, None] & word)
    dot = counts[bits - 1 :: bits] << (bits - 1)  # Σ level × sign's bit, at most 15 × 384
    for power in range(bits - 1):
        dot += counts[power::bits] << power
    # Σ (level - most / 2) (2 bit - 1) = 2 Σ level × bit - Σ level - most × Σ bit + most / 2 × width
    most = (1 << bits) - 1
    parts = 2 * dot - most * ones
    best = parts if starts is None else np.maximum.reduceat(parts, starts, axis=1)
    return np.asarray((best - total[:, None] + most / 2 * query.shape[1]) * scale[:, None], np.float32)


def _levels(query: Floats, bits: int) -> tuple[NDArray[np.uint64], Floats, Floats]:
    """
    Round each component to one of 2^bits levels, evenly spaced around 0.

    Returns:
        The bits of each one's levels, from the lowest (q bits, width / 64); the levels' sums (q,); and what makes a
        cosine of a dot product (q,).
    """
    most = (1 << bits) - 1
    reach = np.maximum(REACH[bits] * np.abs(query).max(1, keepdims=True), 1e-12)
    level = np.clip(np.rint((query / reach + 1) * (most / 2)), 0, most).astype(np.uint8)
    length = np.sqrt(np.square(level - np.float32(most / 2)).sum(1) * query.shape[1])
    planes = (level[:, None] >> np.arange(bits, dtype=np.uint8)[:, None] & 1).reshape(-1, query.shape[1])
    packed = np.packbits(planes, axis=1, bitorder="little").view(np.uint64)
    return packed, level.sum(1, dtype=np.float32), (1 / length).astype(np.float32)


def final(
    signals: Signals,
    top: Places,
    own: Floats,
    previous: Floats,
    following: Floats,
    weights: Mapping[str, float] = WEIGHTS,
) -> tuple[Floats, dict[str, Floats]]:
    """
    Return (m,) chances 0..1 that each of the candidates *top* is what was sought, and what each signal adds to it.

    Args:
        signals: of all n candidates.
        top: (m,) indexes of those to be scored.
        own, previous, following: (q, m) `max_similarity` of each, and of the turns before and after it, 0 where
            there is none.
        weights: of the signals; one that is left out does not count.

    Returns:
        The chance, 1 / (1 + exp(-sum of parts)), and the parts (m,) of each signal and of "known", in log-odds.
        "known" is the same for all: how well the best candidates fit, by a measure that compares across queries.

    Importance, confidence and recency take up to a tenth, a tenth and a twentieth off a sum, so that they never bury a
    strong match.
    """
    window = np.maximum(own, np.maximum(PREVIOUS_TOKENS * previous, NEXT_TOKENS * following))
    alone = (signals.previous[top] < 0).astype(np.float32) + (signals.next[top] < 0)
    window += ALONE_TOKENS / 2 * alone
    values = _values(signals, top, own, window)
    doubt = (
        IMPORTANCE_SHARE * (1 - signals.importance[top])
        + CONFIDENCE_SHARE * (1 - signals.confidence[top])
        + RECENCY_SHARE * (1 - signals.recency[top])
    )
    sure = SCALE * (1 - doubt)
    weighed = np.array(list(weights.values()), np.float32)[:, None] * [values[name] for name in weights] * sure
    parts = dict(zip(weights, weighed, strict=True))
    parts["known"] = np.full(len(top), known(window, signals.cosine), np.float32)
    odds = weighed.sum(0) + parts["known"]
    return np.asarray(1 / (1 + np.exp(-odds)), np.float32), parts


def known(window: Floats, cosine: Floats) -> float:
    """
    Return log-odds that the memory knows what is asked, from the best that any candidate has.

    Args:
        window: (q, m) similarities of the query's tokens with the best candidates and their neighbours.
        cosine: (n,) of all candidates.
    """
    late, whole = KNOWN
    return float(late * window.mean(0).max() + whole * cosine.max() + KNOWN_BIAS)


def _values(signals: Signals, top: Places, own: Floats, window: Floats) -> dict[str, Floats]:
    lexical, cosine, need = _by_best(signals.lexical), _by_best(_above_floor(signals.cosine)), _need(signals)
    before = np.where(signals.previous >= 0, signals.previous[np.maximum(signals.previous, 0)], -1)
    usual = window.mean(1, keepdims=True)  # what a query token finds in any candidate says nothing
    told = (ECHO + (1 - ECHO) * signals.states)[top]
    return {
        "lexical": told * lexical[top],
        "cosine": cosine[top],
        "previous lexical": (need * _at(lexical, signals.previous, ALONE_LEXICAL * lexical * signals.states))[top],
        "previous cosine": (need * _at(cosine, signals.previous, ALONE_COSINE * cosine * signals.states))[top],
        "earlier lexical": (need * _at(lexical, before, ALONE_LEXICAL * lexical * signals.states))[top],
        "late": told * _spread(np.maximum(window - usual, 0).mean(0)),
        "weakest": _spread(own.min(0)),
        "session": session_mean(_spread(own.mean(0)), signals.session[top], signals.turns[top]),
        "named": signals.named[top],
        "role": signals.role[top],
        "answers": _at(signals.asks, signals.previous, ALONE_ANSWER * signals.asks * signals.states)[top],
        "time": signals.time[top],
        "when": signals.when[top],
        "states": signals.states[top],
        "tells": signals.tells[top],
    }


def _need(signals: Signals) -> Floats:
    """How much a turn leans on its neighbours: 1 up to SHORT_CHARS, falling with the square of its length."""
    return np.asarray(np.minimum(1, (SHORT_CHARS / np.maximum(signals.length, 1)) ** 2), np.float32)


def _above_floor(cosine: Floats) -> Floats:
    return np.asarray(np.maximum(cosine - np.float32(COSINE_FLOOR), 0), np.float32)


def _by_best(score: Floats) -> Floats:
    best = score.max(initial=0)
    return score / best if best > 0 else score


def _spread(score: Floats) -> Floats:
    """Spread *score* from 0 for the least to 1 for the best; what differs by less than LEAST_SPREAD tells less."""
    return np.asarray((score - score.min()) / max(np.ptp(score), LEAST_SPREAD), np.float32)


def _at(score: Floats, index: Places, missing: Floats | float) -> Floats:
    return np.where(index >= 0, score[np.maximum(index, 0)], missing).astype(np.float32)
