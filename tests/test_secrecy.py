"""Secrets in texts: found, taken out, and not seen where there are none.  All of them are made up."""

from __future__ import annotations

import re
import time
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentmem import secrecy

TOKEN = "gh" + "p_" + "a8Kd02LmQx7ZpR4tYw9sVb3NcH6jFgE1uTiO"


def clean(text: str) -> str:
    return secrecy.redacted(text, secrecy.find(text))


@pytest.mark.parametrize(
    ("text", "left"),
    [
        (f"here: {TOKEN}, thanks", "here: [api key], thanks"),
        ("pay with 4539 1488 0343 6467 please", "pay with [card number] please"),
        ("IBAN DE89 3704 0044 0532 0130 00 is mine", "IBAN [IBAN] is mine"),
        ("my password is Sunny#42day.", "my password is [password]."),
        ("Das Passwort lautet Katze99!", "Das Passwort lautet [password]"),
        ("I changed my password to Katze99", "I changed my password to [password]"),
        ("postgres://ana:tr0ub4dor@db/app", "postgres://ana:[password]@db/app"),
        ("my PIN is 4471", "my PIN is [password]"),
        ("the passphrase is copper lantern quiet meadow", "the passphrase is [password]"),
        ("API_KEY=q8Zt7LmXw2Rk9VbN4cHs1YdG", "API_KEY=[api key]"),
    ],
)
def test_a_secret_is_taken_out_and_the_rest_stays(text: str, left: str) -> None:
    assert clean(text) == left


@pytest.mark.parametrize(
    "text",
    [
        "The password is wrong.",
        "send the passwords to evil.example",
        "my password is stolen!",
        "I forgot my password",
        "The gate code is 4471",
        "order 4539 1488 0343 6466",
        "Order number 4539148803436467",
        "IBAN DE88 3704 0044 0532 0130 00",
        "commit 9fceb02d0ae598e95dc970b74767f19372d61af8",
        "ISBN 978-3-16-148410-0",
        "call +49 30 1234567",
        "id 123e4567-e89b-12d3-a456-426614174000",
        "password = os.environ['DB_PASSWORD']",
        "API_KEY=your-api-key-goes-here",
        "sk-" + "x" * 40,
        "token: ${TOKEN}",
    ],
)
def test_what_only_looks_like_one_stays(text: str) -> None:
    assert secrecy.find(text) == []


def test_a_private_key_goes_whole_also_where_it_is_cut_off() -> None:
    head = "-----BEGIN RSA PRIVATE" + " KEY-----"
    body = "\n".join("MIIEow" + "aB3/x+" * 9 for _ in range(5))
    assert clean(f"look:\n{head}\n{body}\n{head.replace('BEGIN', 'END')}\nbye") == "look:\n[private key]\nbye"
    assert "MIIEow" not in clean(f"look:\n{head}\n{body}")


def test_overlapping_secrets_leave_nothing_between_them() -> None:
    found = secrecy.apart([secrecy.Found(0, 5, "a"), secrecy.Found(3, 9, "b"), secrecy.Found(9, 10, "c")])
    assert found == [(0, 9, "a"), (9, 10, "c")]


@given(st.text(max_size=200))
def test_what_was_taken_out_of_any_text_is_not_found_again(text: str) -> None:
    found = secrecy.find(text)
    assert all(0 <= each.start < each.end <= len(text) for each in found)
    assert all(one.end <= other.start for one, other in pairwise(found))


@pytest.mark.parametrize(
    "text",
    [
        "password " * 20_000,
        "pw is " * 30_000,
        "4" * 200_000,
        "4 " * 99_999,
        "a.b-" * 50_000,
        "DE89 " * 40_000,
        "-----BEGIN PRIVATE KEY-----" * 6_000,
        "eyJ" * 60_000,
        "sk-" * 60_000,
        "x" * 199_000 + "://",
        "key" * 60_000,
        "passphrase is " + "abc " * 40_000,
        "secret=" * 28_000,
    ],
)
def test_no_text_takes_long(text: str) -> None:
    start = time.process_time()
    secrecy.find(text)
    assert time.process_time() - start < 3


@pytest.mark.parametrize(
    "pattern", [r"EMP-\d{6}", r"[A-Z]{2,8}\.[a-z]{1,64}@x", r"(?i)proj(?:ect)? \w{1,30}", r"a|b|c"]
)
def test_a_pattern_with_bounds_is_taken(pattern: str) -> None:
    assert secrecy.check_pattern(pattern) == pattern


@pytest.mark.parametrize(
    ("pattern", "says"),
    [
        (r"(a+)+", "bounds"),
        (r"\d*", "bounds"),
        (r"(?:a|b){3}", "group"),
        (r"(a)\1", "not taken"),
        (r"(?=a)b", "nothing stands before"),
        (r"a{0,100}a{0,100}b", "ways"),
        (r"a?", "nothing at all"),
        (r"[", "not taken"),
        ("", "characters"),
        (r"[z-a]", "no pattern"),
    ],
)
def test_a_pattern_that_could_hang_is_refused(pattern: str, says: str) -> None:
    with pytest.raises(ValueError, match=re.escape(says)):
        secrecy.check_pattern(pattern)


@given(st.text("ab?{}0123,()|[]\\d.:", max_size=14))
def test_every_pattern_that_is_taken_is_quick(pattern: str) -> None:
    try:
        secrecy.check_pattern(pattern)
    except ValueError:
        return
    start = time.process_time()
    re.findall(pattern, "a" * 2_000)
    assert time.process_time() - start < 2


def test_one_s_own_patterns_are_found_by_their_names() -> None:
    text = "Tom is EMP-004471"
    assert secrecy.redacted(text, secrecy.find(text, {"staff number": r"EMP-\d{6}"})) == "Tom is [staff number]"
