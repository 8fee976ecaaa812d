"""Extraction: what a text claims, and above all what it does not."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentmem import encoder
from agentmem.extract import LONGEST, MOST, Claim
from agentmem.extract import claims as claimed
from agentmem.predicates import HINT


def claims(text: str) -> list[Claim]:
    ((_, marks),) = encoder.shared().read([text], [True])
    return claimed(text, marks)


def said(text: str) -> list[str]:
    """ "I: lives in Oslo", "-" before what is not so, "†" before what has ended."""
    marks = {(True, False): "", (False, False): "-", (False, True): "†"}
    return [
        f"{c.subject}: {marks[c.holds, c.ended]}{c.predicate} {c.object}" for c in claims(text) if c.confidence >= HINT
    ]


STATED = {
    "I live in Tartu.": ["I: lives in Tartu"],
    "We moved from Tartu to Pärnu last spring.": ["I: †lives in Tartu", "I: lives in Pärnu"],
    "I've lived in Ghent since 2019": ["I: lives in Ghent"],
    "I lived in Ghent for two years.": ["I: †lives in Ghent"],
    "I used to live in Ghent, but now I live in Bruges.": ["I: †lives in Ghent", "I: lives in Bruges"],
    "I'm a data scientist at Spotify": ["I: works as data scientist", "I: works at Spotify"],
    "I used to be a baker, now I'm a paramedic.": ["I: †works as baker", "I: works as paramedic"],
    "I no longer work at Kestrel.": ["I: †works at Kestrel"],
    "I don't eat rabbit.": ["I: avoids rabbit"],
    "I told you I live in Tartu.": ["I: lives in Tartu"],
    "I don't like celery any more.": ["I: †likes celery"],
    "I hate mushrooms but I love olives.": ["I: dislikes mushrooms", "I: likes olives"],
    "I never lived in Rome.": ["I: -lives in Rome"],
    "I stopped drinking coffee.": ["I: †drinks coffee"],
    "I like plums and rye bread": ["I: likes plums", "I: likes rye bread"],
    "I can't stand celery.": ["I: dislikes celery"],
    "I prefer trains to planes": ["I: prefers trains"],
    "I'm allergic to latex": ["I: allergic to latex"],
    "My brother Juri speaks Estonian and Finnish.": [
        "I: brother Juri", "my brother Juri: speaks Estonian", "my brother Juri: speaks Finnish",
    ],
    "Juri is my brother.": ["I: brother Juri"],
    "My boss is called Ruth.": ["I: boss Ruth"],
    "Juri said he moved to Riga.": ["Juri: lives in Riga"],
    "Teal is my favourite colour.": ["I: favourite colour Teal"],
    "I'm 41, how much sleep do I need?": ["I: age 41"],
    "I'm a plumber, but if I won the lottery I'd stop.": ["I: works as plumber"],
    "Please call me Kit.": ["I: called Kit"],
    "My friends call me Kit.": ["I: called Kit"],
    "Juri's favourite colour is teal.": ["Juri: favourite colour teal"],
    "i live in tartu": ["I: lives in tartu"],
}  # fmt: skip


@pytest.mark.parametrize("text", STATED, ids=str)
def test_what_a_text_states_is_claimed(text: str) -> None:
    assert said(text) == STATED[text]


@pytest.mark.parametrize(
    "text",
    [
        "I might be allergic to latex.",
        "Maybe I live in the wrong city.",
        "If I lived in Riga, I'd learn Latvian.",
        "I'd love to work at Kestrel.",
        "Do I like plums?",
        "Is it true that I live in Tartu?",
        "I own a submarine. Just kidding!",
        "I'm a vegan. Only joking!",
        '"I live in Paris", she sang.',
        "Juri thinks I live in Riga.",
        "Juri said I live in Riga.",
        "In my dream I lived in Riga.",
        "I love how you explain this.",
        "I hate to say it.",
        "I live in hope.",
        "It moved me to tears.",
        "Translate: I live in Berlin.",
        "I'm allergic to Mondays.",
        "I like it.",
        "",
        "…",
    ],
)
def test_what_a_text_does_not_assert_is_not_claimed(text: str) -> None:
    assert said(text) == []


@given(
    st.text(max_size=400)
    | st.lists(
        st.sampled_from(["I", "am", "my", "not", "like", "Ana", "said", ",", ".", "?", "if", "to", "in", "Oslo", "and"])
    ).map(" ".join)
)
def test_any_text_is_read(text: str) -> None:
    found = claims(text)
    assert len(found) <= MOST and all(0 < len(c.object) <= LONGEST and not (c.holds and c.ended) for c in found)


@pytest.mark.parametrize(
    "unit", ["I like ", "my sister ", "and I ", "Ana Maria ", "I said that ", "(", '"', "I have a "]
)
def test_long_texts_take_no_longer_than_their_length(unit: str) -> None:
    began = time.perf_counter()
    claims(unit * 10_000)
    assert time.perf_counter() - began < 2
