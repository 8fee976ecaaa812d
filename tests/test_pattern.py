"""Regular expressions that cannot hang, against Python's own."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agentmem.pattern import MAX_TEXT, matches

ONES = ["a", "b", "é", ".", "-", " ", "[ab]", "[^a]", "[a-c1]", r"[\d.]", r"[|&~]", r"\d", r"\W", r"\s", r"\.", r"\\"]
TIMES = ["", "*", "+", "?", "*?", "{2}", "{0}", "{1,}", "{0,2}", "{1,3}?"]


def groups(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    repeated = st.builds("({}){}".format, inner, st.sampled_from(TIMES))
    return st.one_of(repeated, st.builds("(?:{}|{})".format, inner, inner), st.builds("{}{}".format, inner, inner))


PATTERNS = st.recursive(st.builds("{}{}".format, st.sampled_from(ONES), st.sampled_from(TIMES)), groups, max_leaves=6)
ANCHORED = st.builds("{}{}{}".format, st.sampled_from(["", "^"]), PATTERNS, st.sampled_from(["", "$", "$|b", "|^$"]))


@settings(max_examples=1_000, deadline=None, database=None)
@given(ANCHORED, st.text("abcé1-. |\\", max_size=8))
def test_a_pattern_matches_what_it_matches_for_python(pattern: str, text: str) -> None:
    assert matches(pattern, text) == (re.search(pattern, text, re.ASCII) is not None)


@pytest.mark.parametrize(
    "pattern", ["(a+)+$", "(a|a)*b", "(a*)*b", "(.*.*.*.*.*.*.*.*.*.*){20}b", "a?" * 200 + "a{200}b"]
)
def test_no_pattern_hangs(pattern: str) -> None:
    """Python's `re` would take longer than the universe is old over the first."""
    start = time.perf_counter()
    assert not matches(pattern, "a" * (MAX_TEXT - 1) + "c")
    assert time.perf_counter() - start < 10


@pytest.mark.parametrize(
    ("pattern", "why"),
    [
        ("(a", "a group is open"),
        ("a)", "no group is open"),
        ("*a", "not supported"),
        ("a**", "not supported"),
        ("^*", "not supported"),
        ("[a", "not supported"),
        ("[]", "not supported"),
        ("a{2", "not supported"),
        ("(?=a)b", "not supported"),
        ("(?<!a)b", "not supported"),
        ("(?i)a", "not supported"),
        (r"(a)\1", "not supported"),
        (r"\p{L}", "not supported"),
        (r"\bword\b", "not supported"),
        ("[z-a]", "bad character range"),
        ("[a--b]", "doubled sign"),
        ("[[a]", "doubled sign"),
        ("a{3,2}", "second number is less"),
        ("a{9999}", "more than 1,000 steps"),
        ("(a{30}){40}", "more than 1,000 steps"),
        ("a{600}b{600}", "more than 1,000 steps"),
        ("(" * 20 + ")" * 20, "more than 16 deep"),
        ("a" * 501, "501 characters"),
    ],
)
def test_what_is_not_supported_is_refused_and_says_where(pattern: str, why: str) -> None:
    with pytest.raises(ValueError, match=re.escape(why)):
        matches(pattern, "")


def test_a_text_is_only_so_long() -> None:
    with pytest.raises(ValueError, match="1,001 characters"):
        matches("a", "a" * 1_001)


def test_the_end_is_the_end_and_not_a_newline_before_it() -> None:
    assert not matches("a$", "a\n")
    assert matches("^a$|^b$", "b")
