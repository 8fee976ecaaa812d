"""Ranking: pure functions over arrays."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agentmem import rank
from agentmem.encoder import Encoding

SCORES = st.floats(0, 50, width=32)
SHARES = st.floats(0, 1, width=32)
# Signals that stand for themselves, each any share from 0 to 1.
FREE = ["asks", "named", "role", "time", "when", "states", "tells", "importance", "confidence", "recency"]
MOST_DOUBT = rank.IMPORTANCE_SHARE + rank.CONFIDENCE_SHARE + rank.RECENCY_SHARE


def signals(lexical, cosine, **given):
    """Signals of n candidates; what is not given is neutral."""
    n = len(lexical)
    neutral = {
        "session": -1, "turns": 1, "previous": -1, "next": -1, "length": 40, "asks": 0, "named": 0, "role": 0,
        "time": 0, "when": 0, "states": 1, "tells": 0, "importance": 0.5, "confidence": 1, "recency": 1,
    }  # fmt: skip
    whole = {"session", "turns", "previous", "next"}
    columns = {name: given.get(name, [fill] * n) for name, fill in neutral.items()}
    arrays = {name: np.array(value, np.int64 if name in whole else np.float32) for name, value in columns.items()}
    return rank.Signals(lexical=np.array(lexical, np.float32), cosine=np.array(cosine, np.float32), **arrays)


def final(given_signals, own=None, previous=None, following=None):
    """Final scores of all candidates; similarities are (q, n), by default one query token that matches nothing."""
    n = len(given_signals.lexical)
    nothing = np.zeros((1, n), np.float32)
    tokens = [nothing if each is None else np.array(each, np.float32) for each in (own, previous, following)]
    return rank.final(given_signals, np.arange(n), *tokens)


@st.composite
def candidates(draw):
    n = draw(st.integers(1, 30))
    column = st.lists(SCORES, min_size=n, max_size=n)
    order = draw(st.permutations(range(n)))
    chain = draw(st.lists(st.integers(-1, n - 1), min_size=n, max_size=n))
    return (
        signals(
            draw(column),
            [min(1, x / 50) for x in draw(column)],
            session=draw(st.lists(st.integers(-1, 4), min_size=n, max_size=n)),
            turns=draw(st.lists(st.integers(1, 3), min_size=n, max_size=n)),
            previous=[p if p != i else -1 for i, p in enumerate(chain)],
            length=[1 + x for x in draw(column)],
            **{name: draw(st.lists(SHARES, min_size=n, max_size=n)) for name in FREE},
        ),
        np.array(order),
    )


def shuffled(given_signals, order):
    """The same candidates in another order."""
    place = np.empty_like(order)
    place[order] = np.arange(len(order))

    def moved(index):
        return np.where(index[order] >= 0, place[np.maximum(index[order], 0)], -1)

    columns = {name: getattr(given_signals, name)[order] for name in rank.Signals.__dataclass_fields__}
    columns |= {name: moved(getattr(given_signals, name)) for name in ("previous", "next")}
    return rank.Signals(**columns)


@settings(deadline=None)
@given(candidates(), st.integers(1, 4), st.randoms(use_true_random=False))
def test_scores_do_not_depend_on_the_order_of_the_candidates(drawn, tokens, random):
    given_signals, order = drawn
    similar = [np.array([[random.uniform(-1, 1) for _ in order] for _ in range(tokens)], np.float32) for _ in range(3)]
    mixed = shuffled(given_signals, order)
    assert np.allclose(rank.shortlist(given_signals)[order], rank.shortlist(mixed), atol=1e-4)
    plain, other = final(given_signals, *similar)[0], final(mixed, *(each[:, order] for each in similar))[0]
    assert np.allclose(plain[order], other, atol=1e-4)


@settings(deadline=None)
@given(candidates(), st.randoms(use_true_random=False))
def test_scores_lie_between_0_and_1_and_parts_between_0_and_their_weights(drawn, random):
    given_signals, order = drawn
    score, parts = final(given_signals, [[random.uniform(-1, 1) for _ in order]])
    known = parts.pop("known")
    assert set(parts) == set(rank.WEIGHTS)
    for name, part in parts.items():
        assert (
            part.min() >= 0 and part.max() <= rank.SCALE * rank.WEIGHTS[name] * (1 + 1e-5) and np.isfinite(part).all()
        ), name
    assert np.isfinite(known).all() and np.ptp(known) == 0
    assert score.min() >= 0 and score.max() <= 1 and np.isfinite(score).all()


@settings(deadline=None)
@given(candidates(), st.randoms(use_true_random=False))
def test_parts_sum_to_the_log_odds_of_the_score(drawn, random):
    """Compared as chances, in float64: near 0 and 1 a float32 has no room for log-odds."""
    given_signals, order = drawn
    score, parts = final(given_signals, [[random.uniform(-1, 1) for _ in order]])
    odds = np.sum([part.astype(np.float64) for part in parts.values()], axis=0)
    assert np.allclose(score, 1 / (1 + np.exp(-odds)), rtol=1e-4, atol=1e-6)
    middle = np.abs(odds) < 8
    with np.errstate(divide="ignore"):
        logit = np.log(score.astype(np.float64)) - np.log1p(-score.astype(np.float64))
    assert np.allclose(logit[middle], odds[middle], atol=2e-3)


@settings(deadline=None)
@given(candidates(), st.randoms(use_true_random=False))
def test_more_log_odds_are_never_a_lower_score(drawn, random):
    given_signals, order = drawn
    score, parts = final(given_signals, [[random.uniform(-1, 1) for _ in order]])
    odds = np.sum(list(parts.values()), axis=0, dtype=np.float64)
    assert (np.diff(score[np.argsort(odds)]) >= -1e-6).all()


def test_every_signal_has_a_weight_and_lifts_the_candidate_that_has_it():
    neutral = signals([1, 1], [0.5, 0.5], states=[0, 0])
    assert set(final(neutral)[1]) == {*rank.WEIGHTS, "known"}
    for name in ("named", "role", "time", "when", "states", "tells"):
        score, parts = final(signals([1, 1], [0.5, 0.5], **{"states": [0, 0], name: [0, 1]}))
        assert score[1] > score[0] and parts[name].tolist() == [
            0,
            pytest.approx(rank.SCALE * rank.WEIGHTS[name] * 0.95),
        ], name
    for lexical, cosine in (([1, 2], [0.5, 0.5]), ([1, 1], [0.4, 0.6])):
        score = final(signals(lexical, cosine))[0]
        assert score[1] > score[0]
    score = final(neutral, [[0.2, 0.6], [0.1, 0.4]])[0]
    assert score[1] > score[0]


@given(candidates(), st.sampled_from(sorted(rank.WEIGHTS)))
@settings(deadline=None)
def test_a_signal_without_a_weight_has_no_part_and_leaves_the_others_as_they_are(drawn, without):
    given_signals, order = drawn
    n = len(order)
    tokens = np.linspace(-1, 1, 2 * n, dtype=np.float32).reshape(2, n)
    whole = rank.final(given_signals, np.arange(n), tokens, tokens, tokens)[1]
    weights = {name: weight for name, weight in rank.WEIGHTS.items() if name != without}
    parts = rank.final(given_signals, np.arange(n), tokens, tokens, tokens, weights)[1]
    assert set(parts) == set(whole) - {without}
    assert all(np.array_equal(part, whole[name]) for name, part in parts.items())


def test_the_time_that_the_query_names_lifts_a_candidate_into_the_shortlist():
    base = rank.shortlist(signals([1, 1], [0.5, 0.5], time=[0, 0.5]))
    assert base[1] == pytest.approx(base[0] + rank.TIME_SHARE / 2)


def test_a_question_alone_does_not_lean_on_what_a_turn_before_it_would_have():
    """Without a turn before them, what states something is given the usual share of one, and what only asks none."""
    parts = final(signals([1, 1], [0.5, 0.5], states=[0, 1], asks=[1, 0]))[1]
    for name in ("previous lexical", "previous cosine", "earlier lexical"):
        assert parts[name][0] == 0 < parts[name][1], name
    assert parts["answers"].tolist() == [0, 0]


def test_known_rises_with_the_best_match_and_is_the_same_for_all():
    near = final(signals([1, 1], [0.9, 0.1]), [[0.8, 0.1]])
    far = final(signals([1, 1], [0.3, 0.1]), [[0.3, 0.1]])
    assert near[1]["known"][0] == near[1]["known"][1] > far[1]["known"][0] == far[1]["known"][1]
    assert near[0][0] > far[0][0]


def test_an_answer_stands_above_what_is_said_as_plainly_elsewhere():
    """The question before it shares the query's words; the answer is as bare as the other turn."""
    asked = signals([5, 0, 5, 0], [0.8, 0.2, 0.8, 0.2], previous=[-1, 0, -1, 2], asks=[1, 0, 0, 0], length=[20] * 4)
    score = final(asked)[0]
    assert score[1] > score[3]


def test_standing_alone_is_neither_a_drawback_nor_a_merit():
    """Beside a turn whose neighbour has nothing to do with the query, and one whose neighbour has everything."""
    three = signals([5, 5, 5, 0], [0.8, 0.8, 0.8, 0.1], previous=[3, -1, 1, -1], length=[20] * 4)
    score = final(three)[0]
    assert score[0] < score[1] < score[2]


def test_a_hit_of_one_arm_alone_can_win():
    fused = rank.fuse(np.array([9, 1, 0], np.float32), np.array([0, 0.3, 0.2], np.float32))
    assert fused.argmax() == 0
    fused = rank.fuse(np.array([0.5, 0.5, 0], np.float32), np.array([0.1, 0.2, 0.9], np.float32))
    assert fused[2] > 0


def test_a_match_in_neither_arm_scores_nothing():
    assert rank.fuse(np.zeros(3, np.float32), np.zeros(3, np.float32)).tolist() == [0, 0, 0]


def test_an_answer_leans_on_the_question_before_it():
    given_signals = signals([5, 0, 0], [0.8, 0.1, 0.1], previous=[-1, 0, -1], length=[40, 15, 15])
    leaned = rank.lean_on_neighbours(rank.fuse(given_signals.lexical, given_signals.cosine), given_signals)
    assert leaned[1] > leaned[2]


def test_a_long_turn_leans_less_than_a_short_one():
    given_signals = signals([5, 0, 5, 0], [0.8, 0, 0.8, 0], previous=[-1, 0, -1, 2], length=[40, 20, 40, 2_000])
    leaned = rank.lean_on_neighbours(rank.fuse(given_signals.lexical, given_signals.cosine), given_signals)
    assert leaned[1] > 5 * leaned[3] > 0


def test_a_conversation_with_strong_hits_lifts_its_other_turns():
    score = np.array([1, 0.9, 0.2, 0.2], np.float32)
    lifted = rank.lift_sessions(score, signals(score, score, session=[1, 1, 1, 2], turns=[3, 3, 3, 3]))
    assert lifted[2] > lifted[3]


def test_what_stands_alone_is_not_set_back_against_a_conversation():
    score = np.array([0.6, 0.5, 0.4, 0.55, 0.55], np.float32)
    lifted = rank.lift_sessions(score, signals(score, score, session=[1, 1, 1, 2, -1], turns=[3, 3, 3, 1, 1]))
    assert lifted.argsort().tolist() == score.argsort().tolist()


def test_one_conversation_alone_lifts_nothing():
    score = np.array([1, 0.9], np.float32)
    assert np.array_equal(rank.lift_sessions(score, signals(score, score, session=[1, 1], turns=[2, 2])), score)


def rounded(query):
    """Query components on four levels, -3/2 to 3/2 steps of a third of the reach each, ends included."""
    reach = 0.6 * np.abs(query).max(1, keepdims=True)
    edges = np.array([-2 / 3, 0, 2 / 3])  # halfway between the levels at -1, -1/3, 1/3 and 1 of the reach
    return np.searchsorted(edges, query / reach) - 1.5


def drawn_tokens(random, counts):
    """Unit vectors: some lists of them, by their lengths."""
    tokens = [random.standard_normal((n, 384)).astype(np.float32) for n in counts]
    return [each / np.linalg.norm(each, axis=1, keepdims=True) for each in tokens]


def codes_of(tokens):
    return [Encoding(np.ones(384, np.float32), each).codes for each in tokens]


@settings(deadline=None, max_examples=30)
@given(
    st.integers(0, 2**32 - 1),
    st.integers(1, 40),
    st.lists(st.integers(0, 6), min_size=1, max_size=12),
    st.sampled_from([1e-3, 1, 1e3]),
)
def test_late_interaction_equals_the_product_of_the_query_levels_with_the_signs(seed, queries, counts, length):
    """Whatever the length of the query's vectors, and however many are counted at once."""
    random = np.random.default_rng(seed)
    (query,) = drawn_tokens(random, [queries])
    tokens = drawn_tokens(random, counts)
    found = rank.max_similarity(query * np.float32(length), [*codes_of(tokens), None, b""], 384)
    assert found.shape == (queries, len(counts) + 2)
    level = rounded(query.astype(np.float64))
    level /= np.linalg.norm(level, axis=1, keepdims=True)
    for column, each in enumerate(tokens):
        signs = np.where(each > 0, 1, -1) / np.sqrt(384)
        expected = (level @ signs.T).max(1) if len(each) else np.zeros(queries)
        # A component that rounding puts on an edge between two levels may fall on either side: one step of it.
        assert np.allclose(found[:, column], expected, atol=5e-3)
        assert queries < 5 or np.median(np.abs(found[:, column] - expected)) < 1e-5
    assert not found[:, len(counts) :].any()


def test_late_interaction_follows_the_cosine():
    """Tokens at all angles to the query's: the estimate rises with the cosine, and is .8 of it or less."""
    random = np.random.default_rng(3)
    (query,) = drawn_tokens(random, [1])
    noise = drawn_tokens(random, [1] * 400)
    tokens = [query * share + each * (1 - share) for each, share in zip(noise, np.linspace(0, 1, 400), strict=True)]
    tokens = [(each / np.linalg.norm(each)).astype(np.float32) for each in tokens]
    cosine = np.array([(query @ each.T)[0, 0] for each in tokens])
    found = rank.max_similarity(query, codes_of(tokens), 384)[0]
    assert np.corrcoef(found, cosine)[0, 1] > 0.98
    assert found[-1] > 0.75 and abs(found[:20].mean()) < 0.1 and found.max() <= 1


def test_late_interaction_of_nothing_with_nothing_is_nothing():
    (query,) = drawn_tokens(np.random.default_rng(1), [2])
    assert rank.max_similarity(query, [None, b""], 384).tolist() == [[0, 0], [0, 0]]
    codes = codes_of(drawn_tokens(np.random.default_rng(1), [3]))
    nowhere = rank.max_similarity(np.zeros((1, 384), np.float32), codes, 384)
    assert np.isfinite(nowhere).all()


def test_a_match_beside_a_turn_counts_at_a_discount():
    """What is matched in the turn itself, before it, after it; each has a turn on both sides that matches nothing."""
    inside = signals([1] * 4, [0] * 4, previous=[3] * 4, next=[3] * 4)
    late = final(inside, [[0, 0.9, 0, 0]], [[0.9, 0, 0, 0]], [[0, 0, 0.9, 0]])[1]["late"]
    usual = (1 + rank.PREVIOUS_TOKENS + rank.NEXT_TOKENS) / 4
    expected = np.maximum(np.array([rank.PREVIOUS_TOKENS, 1, rank.NEXT_TOKENS, 0]) - usual, 0)
    assert np.allclose(late / late.max(), expected / expected.max(), atol=1e-5)
    assert late[1] > late[0] > 0


@given(st.floats(0, 1), st.floats(0, 1), st.floats(0, 1))
def test_importance_confidence_and_recency_never_bury_a_strong_match(importance, confidence, recency):
    given_signals = signals(
        [5, 2], [0.9, 0.4], importance=[0, importance], confidence=[0.5, confidence], recency=[0, recency]
    )
    score = final(given_signals, [[0.8, 0.4]])[0]
    assert score[0] > score[1]


@settings(deadline=None)
@given(candidates())
def test_doubt_takes_at_most_a_quarter_off_each_part(drawn):
    given_signals, order = drawn
    sure = dataclasses.replace(given_signals, **{name: np.ones(len(order), np.float32) for name in FREE[-3:]})
    doubted, undoubted = final(given_signals)[1], final(sure)[1]
    for name in rank.WEIGHTS:
        assert (doubted[name] <= undoubted[name] * (1 + 1e-5)).all()
        assert (doubted[name] >= undoubted[name] * (1 - MOST_DOUBT) * (1 - 1e-5) - 1e-30).all()
    assert np.array_equal(doubted["known"], undoubted["known"])


def test_between_equal_matches_the_more_important_and_the_surer_stand_first():
    score = final(signals([5, 5, 5], [0.5] * 3, importance=[0.1, 0.9, 0.9], confidence=[1, 1, 0.5]))[0]
    assert score[1] > score[2] > score[0] or score[1] > score[0] > score[2]


def test_between_equal_matches_the_newer_stands_first():
    score = final(signals([5, 5], [0.5] * 2, recency=[0.2, 0.9]))[0]
    assert score[1] > score[0]
