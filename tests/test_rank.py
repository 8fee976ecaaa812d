"""Ranking: pure functions over arrays."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from agentmem import rank
from agentmem.encoder import Encoding

SCORES = st.floats(0, 50, width=32)


def signals(
    lexical,
    cosine,
    *,
    session=None,
    turns=None,
    previous=None,
    next=None,
    length=None,
    importance=None,
    confidence=None,
):
    """Signals of n candidates; what is not given is neutral."""
    n = len(lexical)

    def column(values, fill):
        return np.array([fill] * n if values is None else values, np.float32)

    def places(values):
        return np.array([-1] * n if values is None else values, np.int64)

    return rank.Signals(
        column(lexical, 0), column(cosine, 0), places(session), places(turns or [1] * n), places(previous),
        places(next), column(length, 40), column(importance, 0.5), column(confidence, 1),
    )  # fmt: skip


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
        ),
        np.array(order),
    )


def shuffled(given_signals, order):
    """The same candidates in another order."""
    place = np.empty_like(order)
    place[order] = np.arange(len(order))

    def moved(index):
        return np.where(index[order] >= 0, place[np.maximum(index[order], 0)], -1)

    return rank.Signals(
        given_signals.lexical[order], given_signals.cosine[order], given_signals.session[order],
        given_signals.turns[order],
        moved(given_signals.previous), moved(given_signals.next), given_signals.length[order],
        given_signals.importance[order], given_signals.confidence[order],
    )  # fmt: skip


def base(given_signals):
    fused = rank.fuse(given_signals.lexical, given_signals.cosine)
    return rank.lift_sessions(rank.lean_on_neighbours(fused, given_signals), given_signals)


@settings(deadline=None)
@given(candidates())
def test_scores_do_not_depend_on_the_order_of_the_candidates(drawn):
    given_signals, order = drawn
    assert np.allclose(base(given_signals)[order], base(shuffled(given_signals, order)), atol=1e-5)


@settings(deadline=None)
@given(candidates())
def test_final_scores_lie_between_0_and_1(drawn):
    given_signals, _ = drawn
    late = given_signals.cosine
    score = rank.finish(base(given_signals), late, given_signals)
    assert score.min() >= 0 and score.max() <= 1 + 1e-6 and np.isfinite(score).all()


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


def test_one_bit_late_interaction_equals_the_product_with_the_signs():
    draw = np.random.default_rng(3)
    tokens = [draw.standard_normal((n, 384)).astype(np.float32) for n in (5, 1, 0, 9)]
    query = draw.standard_normal((4, 384)).astype(np.float32)
    query /= np.linalg.norm(query, axis=1, keepdims=True)
    codes = [Encoding(np.ones(384, np.float32), t).codes for t in tokens]
    found = rank.max_similarity(query, [*codes, None], 384)
    assert found.shape == (4, 5)
    for column, t in enumerate(tokens):
        signs = np.where(t > 0, 1, -1) / np.sqrt(384)
        expected = (query @ signs.T).max(1) if len(t) else np.zeros(4)
        assert np.allclose(found[:, column], expected, atol=1e-5)
    assert found[:, 4].tolist() == [0, 0, 0, 0]


def test_the_turn_before_counts_at_a_discount():
    similarity = np.array([[0.2, 0.9, 0.1]], np.float32)
    late = rank.late(similarity, np.array([1, -1, -1]))
    assert np.allclose(late, [rank.PREVIOUS_TOKENS * 0.9, 0.9, 0.1])


@given(st.floats(0, 1), st.floats(0, 1))
def test_importance_and_confidence_never_bury_a_strong_match(importance, confidence):
    given_signals = signals([5, 3], [0.9, 0.5], importance=[0, importance], confidence=[0.5, confidence])
    score = rank.finish(np.array([1, 0.5], np.float32), np.array([0.8, 0.4], np.float32), given_signals)
    assert score[0] > score[1]
