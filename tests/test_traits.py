"""Traits: what ranking asks of a text beside its words."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentmem.records import FIRST_INSTANT, LAST_INSTANT, instant
from agentmem.traits import MOST_TELLS, MOST_TIMES, READ, traits

SAID = instant("2023-05-08T13:00:00Z")
DAY = 86_400_000

# text → asks, states, tells, times
TABLE = {
    "a question": ("Where did you leave the ladder?", True, False, 0, 0),
    "a question, then blanks": ("Where is it? \n", True, False, 0, 0),
    "two questions": ("Really? Where did I put it?", True, False, 0, 0),
    "an answer": ("It stands behind the shed.", False, True, 0, 0),
    "an answer and a question": ("It stands behind the shed. Why do you ask?", True, True, 0, 0),
    "a question and an answer": ("Guess what? I found the ladder.", False, True, 1, 0),
    "a question mark within": ("The sign says ? and nothing else.", False, True, 0, 0),
    "a question on its own line": ("Shopping list\nmilk?", True, True, 0, 0),
    "question marks alone": ("???", True, False, 0, 0),
    "no word": ("…!", False, False, 0, 0),
    "a regular verb": ("I planted leeks.", False, True, 1, 0),
    "an irregular verb": ("We went home.", False, True, 1, 0),
    "words between": ("I have just recently sold the van.", False, True, 1, 0),
    "a short form": ("We’ve bought a tent.", False, True, 1, 0),
    "a straight short form": ("I've been to Lima.", False, True, 1, 0),
    "somebody of mine": ("My sister lost her ring.", False, True, 1, 0),
    "two": ("I ran, and then I ate.", False, True, 2, 0),
    "more than two": ("I ran, I ate, I slept, I left.", False, True, MOST_TELLS, 0),
    "in capitals": ("I BROKE the vase", False, True, 1, 0),
    "told in a question": ("Did I tell you that I moved?", True, False, 0, 0),
    "told beside a question": ("Do you know that I moved? I sold the flat.", False, True, 1, 0),
    "the present": ("I live in Oslo and we run daily.", False, True, 0, 0),
    "somebody else": ("He went home and she planted leeks.", False, True, 0, 0),
    "within a word": ("Hawaii went quiet; the swei had it", False, True, 0, 0),
    "yesterday": ("I planted leeks yesterday.", False, True, 1, 1),
    "a time in a question": ("Are you free tomorrow?", True, False, 0, 1),
    "two times": ("From 7 May 2021 on, and again last week.", False, True, 0, 2),
    "the same time twice": ("Yesterday! It was yesterday.", False, True, 0, 1),
}  # fmt: skip


@pytest.mark.parametrize(("text", "asks", "states", "tells", "times"), TABLE.values(), ids=TABLE)
def test_a_text_asks_states_tells_and_speaks_of_times(
    text: str, asks: bool, states: bool, tells: int, times: int
) -> None:
    found = traits(text, SAID)
    assert (found.length, found.asks, found.states, found.tells, len(found.times)) == (
        len(text), asks, states, tells, times,
    )  # fmt: skip


def test_times_are_half_open_intervals_by_the_day_it_was_said() -> None:
    midnight = instant("2023-05-07")
    assert traits("We sailed yesterday", SAID).times == ((midnight, midnight + DAY),)
    assert traits("We sailed yesterday", SAID - DAY).times == ((midnight - DAY, midnight),)


def test_where_nobody_knows_when_it_was_said_only_a_year_is_a_time() -> None:
    assert traits("We sailed yesterday", None).times == ()
    assert traits("We sailed in 2019", None).times == ((instant("2019-01-01"), instant("2020-01-01")),)


def test_a_text_of_too_many_times_speaks_of_none() -> None:
    def years(count: int) -> str:
        return "; ".join(f"we sailed in {1990 + n}" for n in range(count))

    assert len(traits(years(MOST_TIMES), None).times) == MOST_TIMES
    assert traits(years(MOST_TIMES + 1), None).times == ()


def test_of_a_long_text_the_beginning_is_read_and_the_end_asks() -> None:
    long = "word " * (READ // 5)
    found = traits(f"{long}I moved yesterday. Why?", SAID)
    assert (found.length, found.asks, found.states, found.tells, found.times) == (len(long) + 23, True, True, 0, ())
    assert traits(f"I moved yesterday. {long}", SAID)[2:4] == (True, 1)


WORDS = ["I", "we've", "my dog", "went", "?", ".", "\n", "just", "yesterday"]


@given(st.text() | st.lists(st.sampled_from(WORDS)).map(" ".join), st.none() | st.integers(FIRST_INSTANT, LAST_INSTANT))
def test_any_text_has_traits(text: str, at: int | None) -> None:
    found = traits(text, at)
    assert found.length == len(text) and 0 <= found.tells <= MOST_TELLS
    assert found.states or not found.tells  # what is told is stated
    assert len(set(found.times)) == len(found.times) <= MOST_TIMES
    assert all(FIRST_INSTANT <= since < until <= LAST_INSTANT for since, until in found.times)


@pytest.mark.parametrize("unit", ["a", "a ", "I have just ", "my ", "?", ".", "\n", "i've only already ", "why "])
def test_long_texts_take_no_time(unit: str) -> None:
    """200,000 characters, the most that a record holds: some ms, where no pattern goes back over what it has read."""
    text = (unit * 200_000)[:200_000]
    began = time.process_time()
    traits(text, SAID)
    assert time.process_time() - began < 0.5
