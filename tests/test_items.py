"""Values under keys, as the doors of key-value hosts share them; no host is needed."""

from datetime import UTC, datetime, timedelta

import pytest
from conftest import TinyEncoder
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from test_erasure import left

from agentmem import Memory
from agentmem.doors import items
from agentmem.doors.items import Asked, Entry, Items, words


class Clock:
    def __init__(self):
        self.now = datetime(2026, 1, 1, tzinfo=UTC)

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def memory(tmp_path, clock):
    with Memory(tmp_path / "m.db", encoder=TinyEncoder(), now=clock) as memory:
        yield memory


@pytest.fixture
def kept(memory, clock):
    return Items(memory, "shelf", now=clock)


def test_a_value_takes_the_place_of_the_one_with_its_key_and_the_key_keeps_its_age(kept, clock):
    kept.put([Entry(("a",), "k", {"n": 1}, "one"), Entry(("a", "b"), "k", {"n": 2}, "two")])
    first = kept.get(("a",), "k")
    clock.now += timedelta(hours=1)
    kept.put([Entry(("a",), "k", {"n": 0}), Entry(("a",), "k", {"n": 3}, "three")])
    held = kept.get(("a",), "k")
    assert kept.value(held) == {"n": 3} and kept.text(held) == "three"
    assert kept.created(held) == first.recorded_at < held.recorded_at == clock.now
    assert kept.value(kept.get(("a", "b"), "k")) == {"n": 2} and kept.namespace(held) == ("a",)
    assert kept.get(("a",), "other") is None


def test_the_same_value_again_is_the_same_record(kept, clock):
    entry = Entry(("a",), "k", {"n": 1}, "one")
    kept.put([entry])
    kept.put([Entry(("a",), "k", {"n": 2}, "one")])
    held = kept.get(("a",), "k")
    clock.now += timedelta(hours=1)
    kept.put([Entry(("a",), "k", {"n": 2}, "one")])
    assert kept.get(("a",), "k") == held


def test_what_was_replaced_is_erased_many_at_a_time(kept, memory, monkeypatch):
    monkeypatch.setattr(items, "REPLACED", 4)
    for number in range(4):
        kept.put([Entry((), "k", {"n": number}, f"quagga{number}")])
    assert len(memory.history(kept.get((), "k").id)) == 4
    kept.put([Entry((), "k", {"n": 4}, "quagga4")])
    assert memory.history(kept.get((), "k").id) == [kept.get((), "k")]
    assert left(memory, [f"quagga{number}" for number in range(5)]) == ["quagga4"]
    kept.put([Entry((), "k", {"n": 5}, "dodo")])
    kept.close()
    assert left(memory, ["quagga4", "dodo"]) == ["dodo"]
    assert memory.verify() == []


def test_deleting_erases_at_once_and_only_that(kept, memory):
    kept.put([Entry(("a",), key, {}, f"{key} words") for key in ("quagga", "dodo")])
    kept.put([Entry(("a", "b"), "quagga", {}, "another")])
    note = memory.remember("a note")
    kept.delete(("a",), ["quagga", "nothing"])
    assert [kept.key(record) for record in kept.scan(Asked(("a",)))] == ["quagga", "dodo"]
    assert kept.get(("a",), "quagga") is None and memory.get(note.id)
    assert left(memory, ["quagga words"]) == []


def test_a_time_to_live_ends_unless_it_is_begun_anew(kept, memory, clock):
    kept.put([Entry((), key, {}, ttl=2) for key in "abc"] + [Entry((), "d", {})])
    clock.now += timedelta(minutes=1)
    kept.refresh([kept.get((), "a"), kept.get((), "d")])
    kept.put([Entry((), "b", {}, ttl=2)])  # the same again
    clock.now += timedelta(minutes=1.5)
    assert [kept.key(record) for record in kept.scan()] == ["d", "b", "a"]
    assert kept.sweep() == 1
    clock.now += timedelta(days=1)
    assert [kept.key(record) for record in kept.scan()] == ["d"]


def test_a_time_to_live_begins_when_the_value_is_stored(tmp_path, clock):
    class Slow(TinyEncoder):
        def encode(self, texts):
            clock.now += timedelta(seconds=30)
            return super().encode(texts)

    with Memory(tmp_path / "m.db", encoder=Slow(), now=clock) as memory:
        kept = Items(memory, "shelf", now=clock)
        kept.put([Entry((), "k", {}, "words", ttl=0.1)])
        assert kept.get((), "k").expires_at == clock.now + timedelta(seconds=6)


def test_prefixes_end_where_a_label_ends(kept):
    for namespace in [("foo",), ("foo", "child"), ("foobar",), ("foo2",), ("foo-x",), ("foo/",), ("Foo",)]:
        kept.put([Entry(namespace, "k", {})])
    assert {kept.namespace(record) for record in kept.scan(Asked(("foo",)))} == {("foo",), ("foo", "child")}


def test_what_has_no_text_is_found_by_filters_alone(kept):
    kept.put([Entry((), "quagga", {"n": 1}), Entry((), "dodo", {"n": 2}, "a quagga")])
    assert [kept.key(record) for record, _ in kept.recall("quagga", Asked(), k=9)] == ["dodo"]
    assert [kept.key(record) for record in kept.scan(searched=False)] == ["quagga"]
    assert [kept.key(record) for record in kept.scan(Asked(where={"n": {"gt": 1}}))] == ["dodo"]
    assert [kept.key(record) for record in kept.scan(Asked(fits=lambda value: value["n"] < 2))] == ["quagga"]


def test_vectors_are_those_of_the_value_that_holds(kept):
    kept.put([Entry((), "a", {}, "x", [[1, 0]]), Entry((), "b", {}, "x", [[0, 1], [1, 1]])])
    kept.put([Entry((), "a", {"n": 1}, "x", [[0, 2]])])
    assert [(kept.key(record), round(score, 2)) for record, score in kept.nearest([0, 1], Asked(), k=9)] == [
        ("b", 1.0),
        ("a", 1.0),
    ]
    assert [kept.key(record) for record, _ in kept.nearest([0, 1], Asked(fits=lambda value: value), k=1)] == ["a"]


@pytest.mark.parametrize("text", ["x" * 300_000, "a\0b", "half \ud800", " \n", ""])
def test_any_text_can_be_kept(kept, text):
    kept.put([Entry((), "k", {"n": 1}, text)])
    clean = text.replace("\0", " ").replace("\ud800", "?")
    assert kept.text(kept.get((), "k")) == (clean if clean.strip() else "")


def test_many_pages_are_read_to_the_end(kept, monkeypatch):
    monkeypatch.setattr(items, "PAGE", 3)
    kept.put([Entry((), f"k{number}", {}) for number in range(40)])
    assert len({kept.key(record) for record in kept.scan()}) == 40


def test_a_field_of_the_items_own_is_refused(kept):
    with pytest.raises(ValueError, match=r"shelf\.key"):
        kept.put([Entry((), "k", {"shelf.key": 1})])


def test_kinds_do_not_see_each_other(kept, memory, clock):
    kept.put([Entry((), "k", {"n": 1})])
    other = Items(memory, "drawer", now=clock)
    other.put([Entry((), "k", {"n": 2})])
    other.delete((), ["k"])
    assert kept.value(kept.get((), "k")) == {"n": 1} and list(other.scan()) == []


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ({"text": "tea"}, "tea"),
        ({"name": "metoprolol", "dose_mg": 50, "ok": True, "none": None}, "name: metoprolol; dose mg: 50; ok: True"),
        ({"a": {"b": [{"c": "x"}, {"c": "y"}]}, "d": " "}, "c: x; c: y"),
        ({}, ""),
    ],
)
def test_words_are_what_a_value_says(value, said):
    assert words(value) == said


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(1 << 53), 1 << 53) | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abc.", max_size=3), inner, max_size=3),
    max_leaves=6,
)  # fmt: skip
KEYS, LABELS = st.sampled_from(["a", "b", "ü"]), st.lists(st.sampled_from(["x", "y", "x-y"]), max_size=2).map(tuple)


@settings(max_examples=15, stateful_step_count=12, deadline=None)
class LikeADictionary(RuleBasedStateMachine):
    """Whatever is put and deleted, the items are those of a dictionary."""

    def __init__(self):
        super().__init__()
        self.memory = Memory(":memory:", encoder=TinyEncoder())
        self.items = Items(self.memory, "shelf")
        self.model = {}

    @rule(namespace=LABELS, key=KEYS, value=st.dictionaries(st.text("fgh", max_size=2), json_values, max_size=3))
    def put(self, namespace, key, value):
        self.items.put([Entry(namespace, key, value, words(value))])
        self.model[namespace, key] = value

    @rule(namespace=LABELS, keys=st.lists(KEYS))
    def delete(self, namespace, keys):
        self.items.delete(namespace, keys)
        for key in keys:
            self.model.pop((namespace, key), None)

    @rule()
    def sweep(self):
        assert self.items.sweep() == 0

    @invariant()
    def agree(self):
        held = self.items
        assert {(held.namespace(each), held.key(each)): held.value(each) for each in held.scan()} == self.model
        assert all(held.value(held.get(*key)) == value for key, value in self.model.items())

    def teardown(self):
        assert self.memory.verify() == []
        self.memory.close()


TestLikeADictionary = LikeADictionary.TestCase


@settings(max_examples=30)
@given(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=30))
def test_any_key_finds_its_own(key):
    with Memory(":memory:", encoder=TinyEncoder()) as memory:
        kept = Items(memory, "shelf")
        kept.put([Entry((), key, {}), Entry((), f"{key}x", {})])
        kept.delete((), [key])
        assert [kept.key(record) for record in kept.scan()] == [f"{key}x"]
