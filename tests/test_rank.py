"""Ranking: pure functions over arrays."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from agentmem import rank
from agentmem.encoder import Encoding

SCORES = st.floats(0, 50, width=32)


def signals(lexical, cosine, **given):
    """Signals of n candidates; what is not given is neutral."""
    n = len(lexical)
    neutral = {
        "session": -1, "turns": 1, "previous": -1, "next": -1, "length": 40, "asks": 0, "named": 0, "role": 0,
        "importance": 0.5, "confidence": 1,
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
def test_final_scores_and_signals_lie_between_0_and_1(drawn, random):
    given_signals, order = drawn
    score, parts = final(given_signals, [[random.uniform(-1, 1) for _ in order]])
    for column in (score, *parts.values()):
        assert column.min() >= 0 and column.max() <= 1 + 1e-5 and np.isfinite(column).all()
    assert np.allclose(score, sum(parts.values()), atol=1e-5)


def test_every_signal_has_a_weight_and_lifts_the_candidate_that_has_it():
    neutral = signals([1, 1], [0.5, 0.5])
    assert set(final(neutral)[1]) == set(rank.WEIGHTS)
    for name in ("named", "role"):
        score = final(signals([1, 1], [0.5, 0.5], **{name: [0, 1]}))[0]
        assert score[1] > score[0], name
    for lexical, cosine in (([1, 2], [0.5, 0.5]), ([1, 1], [0.4, 0.6])):
        score = final(signals(lexical, cosine))[0]
        assert score[1] > score[0]
    score = final(neutral, [[0.2, 0.6], [0.1, 0.4]])[0]
    assert score[1] > score[0]


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


def test_a_match_beside_a_turn_counts_at_a_discount():
    late = final(signals([1, 1, 1], [0, 0, 0]), [[0, 0.9, 0]], [[0.9, 0, 0]], [[0, 0, 0.9]])[1]["late"]
    assert np.allclose(
        late / late.max(), [(rank.PREVIOUS_TOKENS - rank.NEXT_TOKENS) / (1 - rank.NEXT_TOKENS), 1, 0], atol=1e-5
    )


@given(st.floats(0, 1), st.floats(0, 1))
def test_importance_and_confidence_never_bury_a_strong_match(importance, confidence):
    given_signals = signals([5, 2], [0.9, 0.4], importance=[0, importance], confidence=[0.5, confidence])
    score = final(given_signals, [[0.8, 0.4]])[0]
    assert score[0] > score[1]


def test_between_equal_matches_the_more_important_and_the_surer_stand_first():
    score = final(signals([5, 5, 5], [0.5] * 3, importance=[0.1, 0.9, 0.9], confidence=[1, 1, 0.5]))[0]
    assert score[1] > score[2] > score[0] or score[1] > score[0] > score[2]
