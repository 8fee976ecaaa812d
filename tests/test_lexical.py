"""Search by words: it finds what FTS5 finds, weighs as BM25 does, and reads no more than it may."""

from __future__ import annotations

import math
from collections.abc import Sequence
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentmem import Memory, lexical
from agentmem.index import InMemory
from agentmem.scope import Scope, within
from agentmem.words import plain_phrases

WORDS = ["boiler", "cats", "garden", "soup", "letters", "running", "piano"]


def scores(memory: Memory, query: str, user: str = "") -> dict[str, float]:
    with memory._db.read() as connection:
        found = lexical.search(connection, query, InMemory().view(connection, within(Scope(user))))
        texts = dict(connection.execute("select id, text from records"))
    return {texts[id]: score for id, score in zip(found.ids.tolist(), found.score.tolist(), strict=True)}


def fts5(memory: Memory, query: str) -> dict[str, float]:
    """What FTS5 itself finds and says of the query's words."""
    match = " OR ".join(f'"{phrase}"' for phrase in plain_phrases(query, 64)[0])
    sql = """select r.text, -bm25(records_fts) from records_fts join records as r on r.id = records_fts.rowid
             where records_fts match ?"""
    with memory._db.read() as connection:
        return dict(connection.execute(sql, (match,)))


def order(found: dict[str, float], texts: Sequence[str]) -> list[str]:
    return sorted(found, key=lambda text: (-round(found[text], 5), texts.index(text)))


def test_of_long_texts_it_is_bm25(memory: Memory) -> None:
    """How often a word is said, in how long a text."""
    filler = "and so on it went without an end in sight that day " * 12
    texts = [f"{filler} {'boiler ' * n} {'garden ' * m} {'x ' * (n * 40)}" for n, m in ((0, 1), (1, 0), (2, 1), (5, 0))]
    memory.remember_many([*texts, *(f"{filler} {number}" for number in range(30))])
    ours, theirs = scores(memory, "boiler garden"), fts5(memory, "boiler garden")
    assert order(ours, texts) == order(theirs, texts) and len(ours) == 4
    assert max(ours.values()) / min(ours.values()) == pytest.approx(
        max(theirs.values()) / min(theirs.values()), rel=0.2
    )


@given(texts=st.lists(st.lists(st.sampled_from(WORDS), min_size=1, max_size=6).map(" ".join), max_size=12, unique=True))
def test_it_finds_what_fts5_finds(texts: list[str]) -> None:
    from conftest import TinyEncoder

    with Memory(":memory:", encoder=TinyEncoder()) as memory:
        memory.remember_many(texts)
        for query in ("cat", "boilers and letters", "run in the garden", "zebra", "piano soup piano"):
            assert set(scores(memory, query)) == set(fts5(memory, query))


def test_a_rare_word_weighs_more_than_a_common_one_and_a_short_text_more_than_a_long_one(memory: Memory) -> None:
    common = [f"the boiler hums {number}" for number in range(20)]
    memory.remember_many([*common, "a letter came", "a letter about nothing in particular came today", "nothing"])
    found = scores(memory, "boiler letter")
    assert found["a letter came"] > found["a letter about nothing in particular came today"] > found[common[0]] > 0


def test_words_of_others_do_not_count(memory: Memory) -> None:
    memory.remember("the boiler hums", user="other")
    memory.remember("a boiler", user="me")
    assert list(scores(memory, "boiler", "me")) == ["a boiler"]
    assert scores(memory, "boiler", "nobody") == scores(memory, "zebra") == {}


# -- with more records than may be read


@pytest.fixture
def many(memory: Memory) -> Memory:
    """100 records of a common word, 30 of a rarer one, 3 of a rare one."""
    for number in range(100):
        rarer = "garden" if number % 3 == 0 else ""
        memory.remember(f"boiler {rarer} {'zebra' if number % 40 == 0 else ''} {number}")
    return memory


def limited(memory: Memory, query: str, entries: int, first: int = 10) -> dict[str, float]:
    with (
        patch.object(lexical, "MAX_ENTRIES", entries),
        patch.object(lexical, "FIRST", first),
        patch.object(lexical, "FEW", 0),
    ):
        return scores(memory, query)


def test_the_rarest_words_are_read_first_and_to_their_end(many: Memory) -> None:
    whole = scores(many, "boiler garden zebra")
    assert limited(many, "boiler garden zebra", 200) == pytest.approx(whole)
    some = limited(many, "boiler garden zebra", 60)
    assert {text for text in whole if "garden" in text or "zebra" in text} == set(some)
    assert set(limited(many, "boiler garden zebra", 20)) == {text for text in whole if "zebra" in text}


def test_of_one_word_that_too_many_hold_the_newest_are_read(many: Memory) -> None:
    found = limited(many, "boiler", 25)
    assert sorted(int(text.split()[-1]) for text in found) == list(range(75, 100))


def test_how_many_hold_a_word_is_reckoned_from_the_first_that_do(many: Memory) -> None:
    with many._db.read() as connection, patch.object(lexical, "FIRST", 10):
        view = InMemory().view(connection, within(Scope()))
        found = {posting.phrase: posting.total for posting in lexical._postings(connection, "boiler garden", view, 100)}
    assert found['"boiler"'] == pytest.approx(100, rel=0.1) and found['"garden"'] == pytest.approx(34, rel=0.2)


def test_weights_are_lucenes(memory: Memory) -> None:
    memory.remember_many(["boiler", "garden", "soup", "piano"])
    expected = math.log(1 + (4 - 1 + 0.5) / (1 + 0.5))  # said once, in a text of the usual length
    assert scores(memory, "boiler") == {"boiler": pytest.approx(expected)}
    assert np.isfinite(list(scores(memory, "boiler garden soup piano").values())).all()


def test_of_few_records_among_many_every_word_is_found(many: Memory) -> None:
    """However many others hold the words; in their texts, where the index has too much to read."""
    texts = ["the boilers hum", "a garden, a boiler", "Łódź has a boiler", "no such thing", "Бойлер шумит"]
    many.remember_many(texts, user="me")
    for query in ("boiler", "boiler garden", "the boiler of Łódź", "бойлер", "boil"):
        with patch.object(lexical, "FEW", 0):
            whole = scores(many, query, "me")
        with patch.object(lexical, "MAX_ENTRIES", 1), patch.object(lexical, "FIRST", 2):
            found = scores(many, query, "me")
        assert set(found) == set(whole) and found, query
