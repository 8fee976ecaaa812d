"""The index: what it finds, that it is the same in memory and in SQL, and that only what may be seen comes first."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from conftest import TinyEncoder, forget_or_revise
from hypothesis import given, settings
from hypothesis import strategies as st

from agentmem import Memory, index, rank
from agentmem.encoder import encode, signs
from agentmem.index import InMemory, InSQL
from agentmem.roster import WORDS
from agentmem.scope import Scope, within

NOW = "2023-05-08T13:00:00Z"
WORDS_SAID = (
    "boiler",
    "cat",
    "garden",
    "soup",
    "letter",
    "train",
    "piano",
    "winter",
    "blue",
    "yesterday",
    "2019",
    "May",
)


@contextmanager
def opened(path: Path, kind: str = "memory") -> Iterator[Memory]:
    with Memory(path, encoder=TinyEncoder(), index=kind, now=lambda: NOW) as memory:
        yield memory


def said(memory: Memory, query: str, **options: object) -> list[tuple[object, ...]]:
    hits = memory.recall(query, explain=True, **options)
    return [(hit.id, hit.score, hit.why) for hit in hits]


SENTENCES = st.lists(st.sampled_from(WORDS_SAID), min_size=1, max_size=6).map(" ".join)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("observe"), st.sampled_from("stu"), st.lists(SENTENCES, min_size=1, max_size=5)),
        st.tuples(st.just("remember"), st.none(), SENTENCES),
        st.tuples(st.just("revise"), st.integers(0, 99), SENTENCES),
        st.tuples(st.just("forget"), st.integers(0, 99), st.none()),
    ),
    min_size=1,
    max_size=10,
)
OPTIONS = st.fixed_dictionaries(
    {},
    optional={
        "k": st.integers(1, 30),
        "kinds": st.just(["note"]),
        "as_of": st.just("2023-05-08T12:00:00Z"),
        "since": st.just("2023-05-01"),
        "session": st.sampled_from("st"),
    },
)


def take(memory: Memory, steps: list[tuple[str, object, object]]) -> None:
    for number, (verb, which, what) in enumerate(steps):
        user = "ab"[number % 4 == 3]
        if verb == "observe":
            messages = [
                {"content": text, "role": "user", "name": "Ana", "id": f"{number}.{i}"} for i, text in enumerate(what)
            ]
            memory.observe(messages, session=which, user=user)
        elif verb == "remember":
            memory.remember(what, user=user, importance=0.3, at="2023-05-08T11:00:00Z")
        else:
            forget_or_revise(memory, verb, which, f"{what} ({number})", user)


@settings(max_examples=60, deadline=None)
@given(steps=STEPS, query=SENTENCES, options=OPTIONS)
def test_in_memory_and_in_sql_the_ranking_is_the_same(
    steps: list[tuple[str, object, object]], query: str, options: dict[str, object]
) -> None:
    with (
        tempfile.TemporaryDirectory() as folder,
        opened(Path(folder) / "m.db") as loaded,
        opened(Path(folder) / "m.db", "sql") as queried,
    ):
        for first in range(0, len(steps), 4):  # the one in memory reads bit by bit
            take(loaded, steps[first : first + 4])
            assert said(loaded, query, user="a", **options) == said(queried, query, user="a", **options)


def test_the_ranking_is_the_same_with_more_records_than_are_looked_at(tmp_path: Path) -> None:
    draw = np.random.default_rng(1)
    texts = [" ".join(draw.choice(WORDS_SAID, 5)) + f" {number}" for number in range(2_500)]
    with opened(tmp_path / "m.db") as loaded, opened(tmp_path / "m.db", "sql") as queried:
        loaded.remember_many(texts)
        for query in ("winter piano train", "the cat", "7", "soup and letters in May", "nothing of this"):
            assert said(loaded, query) == said(queried, query)
            assert said(loaded, query, k=400) == said(queried, query, k=400)


def test_an_unknown_index_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="index is 'memory' or 'sql', not 'ram'"):
        Memory(tmp_path / "m.db", index="ram")


def test_without_an_index_in_memory_none_is_made(tmp_path: Path) -> None:
    with opened(tmp_path / "m.db", "sql") as memory:
        memory.remember("a boiler")
        assert memory.recall("boiler")
        assert isinstance(memory._finder._index, InSQL) and not vars(memory._finder._index)


# -- what is seen comes first


def test_many_replaced_versions_do_not_hide_the_one_that_holds(tmp_path: Path) -> None:
    with opened(tmp_path / "m.db") as memory:
        record = memory.remember("my weight is 0 kilos")
        for number in range(1, 900):
            record = memory.revise(record.id, f"my weight is {number} kilos")
        memory.remember_many([f"a letter about {number}" for number in range(300)])
        assert memory.recall("my weight in kilos")[0].record.id == record.id


@pytest.mark.parametrize("kind", ["memory", "sql"])
def test_a_filter_that_few_of_many_fit_finds_them(tmp_path: Path, kind: str) -> None:
    with opened(tmp_path / "m.db", kind) as memory:
        items = [{"text": f"the boiler, part {number}", "metadata": {"n": number}} for number in range(3_000)]
        memory.remember_many(items)
        memory.remember("the garden", metadata={"n": -1})
        hits = memory.recall("the boiler", where={"n": {"lt": 0}})
        assert [hit.text for hit in hits] == ["the garden"]
        assert {hit.record.metadata["n"] for hit in memory.recall("garden", k=50, where={"n": {"gte": 2_990}})} == set(
            range(2_990, 3_000)
        )


@pytest.mark.parametrize("kind", ["memory", "sql"])
def test_a_small_scope_among_many_records_is_searched_whole(tmp_path: Path, kind: str) -> None:
    with opened(tmp_path / "m.db", kind) as memory:
        memory.remember_many([f"the boiler, part {number}" for number in range(3_000)], user="other")
        mine = memory.remember("the boiler hums", user="me")
        memory.remember("a cat", user="me")
        assert memory.recall("the boiler", user="me")[0].id == mine.id
        assert len(memory.recall("the boiler", user="me")) == 2


# -- the parts


@given(st.lists(st.integers(0, 9), max_size=40), st.integers(1, 50))
def test_top_is_the_highest_and_of_equal_ones_the_first(values: list[int], limit: int) -> None:
    score = np.array(values, np.float32)
    assert rank.top(score, limit).tolist() == sorted(np.argsort(-score, kind="stable")[:limit].tolist())


@given(
    st.integers(0, 9), st.integers(0, 5_000), st.integers(1, 385), st.sampled_from([0, 0.1, 0.5, 1]), st.integers(1, 50)
)
def test_first_is_the_nearest_and_of_equal_ones_the_first(
    seed: int, size: int, distances: int, marked: float, limit: int
) -> None:
    draw = np.random.default_rng(seed)
    distance = draw.integers(0, distances, size).astype(np.uint16)
    distance[: size // 2].sort()  # so that a sample does not tell all
    mark = draw.random(size) < marked
    order = [place for place in np.argsort(distance, kind="stable").tolist() if mark[place]]
    assert index._first(distance, mark, limit).tolist() == sorted(order[:limit])


def test_distance_is_the_number_of_signs_that_differ() -> None:
    vectors = np.random.default_rng(0).standard_normal((70_000, 64 * WORDS)).astype(np.float32)
    bits = signs(vectors).T
    expected = ((vectors > 0) != (vectors[0] > 0)).sum(1)
    assert (index._distances(bits, signs(vectors[0])) == expected).all()


def test_the_estimated_cosine_is_near_the_true_one() -> None:
    draw = np.random.default_rng(0)
    query = draw.standard_normal(384).astype(np.float32)
    query /= np.linalg.norm(query)
    vectors = (
        draw.standard_normal((500, 384)).astype(np.float32) + draw.uniform(0, 20, (500, 1)).astype(np.float32) * query
    )
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    quantised = [bytes(np.rint(vector * 127 / np.abs(vector).max()).astype(np.int8)) for vector in vectors]
    true = rank.true_cosine(query, [*quantised, None])
    assert np.abs(true[:-1] - vectors @ query).max() < 0.003 and true[-1] == 0
    estimated = rank.cosine(query, signs(vectors).T)
    assert np.corrcoef(estimated, true[:-1])[0, 1] > 0.95


def test_a_scope_that_comes_later_is_seen_at_once(tmp_path: Path) -> None:
    with opened(tmp_path / "m.db") as one, opened(tmp_path / "m.db") as two:
        one.observe([{"content": "boiler one"}], session="s")
        assert len(one.recall("boiler")) == 1
        two.observe([{"content": "boiler two"}], session="t")
        two.remember("boiler three", user="other")
        assert {hit.text for hit in one.recall("boiler")} == {"boiler one", "boiler two"}
        assert [hit.text for hit in one.recall("boiler", user="other")] == ["boiler three"]


def test_a_reader_of_an_earlier_state_does_not_spoil_what_later_ones_see(tmp_path: Path) -> None:
    """It does not see the newest scopes, whose records the roster has already."""
    found = InMemory()
    with opened(tmp_path / "m.db") as memory:
        memory.observe([{"content": "one"}], session="s")
        with memory._db.read() as earlier:
            assert earlier.execute("select count(*) from records").get == 1  # its state is now fixed
            memory.observe([{"content": "two"}], session="t")
            with memory._db.read() as later:
                found.view(later, within(Scope(session="t")))  # the roster has both
            found.view(earlier, within(Scope()))
        with memory._db.read() as later:
            view = found.view(later, within(Scope()))
            vector = encode(TinyEncoder(), ["two"])[0].vector
            assert view.count == 2 and view.near(vector, 10).tolist() == [1, 2]


def test_no_more_scopes_are_kept_marked_than_needed(tmp_path: Path) -> None:
    found = InMemory()
    with opened(tmp_path / "m.db") as memory:
        for number in range(index.SCOPES * 2):
            memory.remember("a boiler", user=str(number))
        with memory._db.read() as connection:
            for number in range(index.SCOPES * 2):
                assert found.view(connection, within(Scope(str(number)))).count == 1
        assert len(found._marks) == index.SCOPES


def test_what_is_recalled_while_all_is_rebuilt_does_not_stay_without_vectors(tmp_path: Path) -> None:
    """Whoever looks in the middle finds no vectors, and must read them when they are there."""
    with opened(tmp_path / "m.db") as memory, opened(tmp_path / "m.db") as other:
        memory.remember_many([f"{word} {number}" for number in range(30) for word in WORDS_SAID])
        before = said(other, "the boiler")
        memory.rebuild(progress=lambda done, total: other.recall("the boiler"))
        assert said(other, "the boiler") == said(memory, "the boiler") == before
        with memory._db.read() as connection:
            held, fresh = (
                found.view(connection, within(Scope())).roster(None) for found in (other._finder._index, InMemory())
            )
            assert np.array_equal(held.signs, fresh.signs)


@pytest.mark.parametrize("wrong", ["null", "zeroblob(48)"])
def test_verify_sees_signs_that_are_not_those_of_the_vector(tmp_path: Path, wrong: str) -> None:
    with opened(tmp_path / "m.db") as memory:
        memory.remember_many(["a boiler", "a cat"])
        with memory._db.transaction() as connection:
            connection.execute(f"update traits set signs = {wrong} where id = 2")
        assert memory.verify() == ["1 vectors have other signs than are noted; run rebuild"]
        memory.rebuild()
        assert memory.verify() == []
