"""Marks: what the tagger's scores say of a text, whatever the text."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agentmem import encoder
from agentmem.marks import STATES, Mark, Scores, behind, distances, features, marks, shapes, words

PREDICATES = ["lives in", "likes"]
TEXT, SPANS = "Mel moved to Porto", [(0, 3), (4, 9), (10, 12), (13, 18)]


def scored(
    values: list[int],
    states: list[int] | None = None,
    others: list[int] | None = None,
    subjects: list[int] | None = None,
) -> Scores:
    """Scores that are sure of these labels."""
    count = len(values)

    def sure(labels: list[int] | None, size: int) -> np.ndarray:
        return 20 * np.eye(size, dtype=np.float32)[labels or [0] * count]

    return Scores(sure(values, 5), sure(states, 3), sure(others, 2), sure(subjects, 3))


def test_a_value_is_marked_with_its_state_and_whose_it_is() -> None:
    found = marks(TEXT, SPANS, scored([0, 0, 0, 1], [0, 0, 0, 1], [0, 0, 0, 1], [1, 0, 0, 0]), PREDICATES)
    assert [mark[:5] for mark in found] == [(13, 18, "lives in", "ended", (0, 3))] and found[0].confidence > 0.99


def test_further_words_belong_to_the_value_and_a_first_one_begins_another() -> None:
    found = marks(TEXT, SPANS, scored([1, 2, 1, 3]), PREDICATES)
    assert [mark[:3] for mark in found] == [(0, 9, "lives in"), (10, 12, "lives in"), (13, 18, "likes")]
    assert all(mark.subject is None and mark.state == STATES[0] for mark in found)


def test_what_is_of_another_and_not_said_of_whom_is_not_marked() -> None:
    assert marks(TEXT, SPANS, scored([0, 0, 0, 1], others=[0, 0, 0, 1]), PREDICATES) == ()


def test_what_is_too_unsure_is_not_marked() -> None:
    doubtful = scored([0, 0, 0, 1])._replace(states=np.zeros((4, 3), np.float32))  # a third each
    assert marks(TEXT, SPANS, doubtful, PREDICATES, least=0.5) == ()
    assert marks(TEXT, SPANS, doubtful, PREDICATES, least=0.3)[0].confidence == pytest.approx(1 / 3, abs=0.01)


def test_the_nearest_subject_before_a_value_is_whose_it_is() -> None:
    found = marks(TEXT, SPANS, scored([0, 1, 0, 1], others=[1] * 4, subjects=[1, 0, 1, 0]), PREDICATES)
    assert [mark.subject for mark in found] == [(0, 3), (10, 12)]


def test_what_i_say_of_myself_is_mine_though_another_is_spoken_of_elsewhere() -> None:
    text = "I left Porto. Mel stays"
    scores = scored([0, 0, 1, 0, 0], others=[0, 0, 1, 0, 0], subjects=[0, 0, 0, 1, 0])
    spans = [(0, 1), (2, 6), (7, 12), (14, 17), (18, 23)]
    assert marks(text, spans, scores, PREDICATES)[0].subject is None
    assert marks(text.replace("I", "A"), spans, scores, PREDICATES)[0].subject == (14, 17)


def test_behind_a_speakers_name_places_are_of_the_text_and_the_name_is_the_speaker() -> None:
    mark = Mark(10, 14, "likes", "holds", (0, 3), 0.9)
    assert behind([mark], 5) == [mark._replace(start=5, end=9, subject=None)]
    assert behind([mark._replace(subject=(6, 9))], 5)[0].subject == (1, 4)
    assert behind([mark._replace(start=2, end=4)], 5) == []


def test_words_are_runs_of_pieces() -> None:
    assert words([None, 0, 0, 1, 2, 2, 2, None]) == [(1, 3), (3, 4), (4, 7)]
    assert words([None, None]) == []


def test_features_are_means_of_pieces_and_the_shape() -> None:
    hidden = np.arange(4 * 384, dtype=np.float32).reshape(4, 384)
    made = features("Ana swims", [(0, 3), (4, 9)], [(0, 1), (1, 3)], hidden, -hidden)
    assert made.shape == (2, 774)
    assert np.array_equal(made[1, :384], (hidden[1] + hidden[2]) / 2) and np.array_equal(made[0, 384:768], -hidden[0])
    assert np.array_equal(made[:, 768:], shapes("Ana swims", [(0, 3), (4, 9)]))


def test_shapes_see_capitals_digits_and_where_a_sentence_begins() -> None:
    text = "ok. Ana, USA 7"
    assert shapes(text, [(0, 2), (4, 7), (9, 12), (13, 14)]).tolist() == [
        [1, 0, 0, 0, 1, 0], [1, 1, 0, 0, 1, 0], [1, 1, 1, 0, 0, 0], [1, 0, 0, 1, 0, 0],
    ]  # fmt: skip


def test_distances_end_where_all_is_far() -> None:
    made = distances(40)
    assert made.shape == (40, 40) and made[0, 0] == 16 and made[0, 39] == 32 and made[39, 0] == 0


@settings(deadline=None, max_examples=150)
@given(
    st.text(max_size=200)
    | st.lists(
        st.sampled_from(["I", "live", "in", "Oslo", "not", "my", "sister", "Mel", "?", "…", "東京", "é́", "\x00"])
    ).map(" ".join)
)
def test_any_text_is_read_and_marks_lie_within_it(text: str) -> None:
    ((_, found),) = encoder.shared().read([text], [True])
    for mark in found:
        assert 0 <= mark.start < mark.end <= len(text) and mark.state in STATES and 0 < mark.confidence <= 1
        assert mark.subject is None or 0 <= mark.subject[0] < mark.subject[1] <= len(text)


def test_the_same_text_is_marked_alike_alone_and_among_others() -> None:
    lines = (Path(encoder.__file__).parent / "demo" / "conversation.jsonl").read_text("utf-8").splitlines()
    texts = [json.loads(line)["content"] for line in lines[:40]]
    together = [found for _, found in encoder.shared().read(texts, [True] * len(texts))]
    assert together == [encoder.shared().read([text], [True])[0][1] for text in texts]
    assert any(together)


def test_only_what_is_asked_for_is_marked() -> None:
    (_, first), (_, second) = encoder.shared().read(["I live in Oslo."] * 2, [True, False])
    assert [mark.predicate for mark in first] == ["lives in"] and second == ()


def test_a_fact_in_a_long_message_is_read() -> None:
    chat = " The weather was nice today and we walked."
    for text in ("I'm allergic to nuts." + 12 * chat, 6 * chat + " I'm allergic to nuts." + 6 * chat):
        ((_, found),) = encoder.shared().read([text], [True])
        assert [(mark.predicate, text[mark.start : mark.end]) for mark in found] == [("allergic to", "nuts")]
