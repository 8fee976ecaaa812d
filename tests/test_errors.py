"""Every way a verb can fail: the error is one of ours, names what is wrong, and nothing that was stored has changed."""

from __future__ import annotations

import os
import random
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import apsw
import numpy as np
import pytest
from conftest import TinyEncoder

from agentmem import AgentmemError, Memory, ModelError, NotFoundError, OpenError, Record, StorageError, db, schema
from agentmem.draft import MAX_TEXT
from agentmem.encoder import Encoding

ROOT = Path(__file__).parent.parent
NOBODY = 65534
UNKNOWN = "01890000-0000-7000-8000-000000000000"
Verb = Callable[[Memory], object]


def everything(memory: Memory) -> list[Record]:
    active = memory.list(limit=1_000)
    return active + [version for record in active for version in memory.history(record.id)]


@contextmanager
def refused(memory: Memory, *errors: type[Exception], says: str) -> Iterator[None]:
    """Expect one of *errors* exactly (UnicodeError is a ValueError), with *says* in it; the memory stays as it was."""
    before = everything(memory)
    with pytest.raises(Exception) as caught:
        yield
    assert type(caught.value) in errors, repr(caught.value)
    assert says.lower() in str(caught.value).lower()
    assert everything(memory) == before
    assert memory.verify() == []


def fill(memory: Memory) -> None:
    first = memory.remember("the first version", metadata={"n": 1})
    memory.revise(first.id, "the second version")
    memory.remember("a note that stays", speaker="Ada", source="book")
    memory.observe([{"role": "user", "content": f"turn {i}"} for i in range(3)], session="talk")


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Memory]:
    """One memory for all the refusals: each checks that it changed nothing."""
    with Memory(tmp_path_factory.mktemp("full") / "m.db", encoder=TinyEncoder()) as memory:
        fill(memory)
        yield memory


def note(memory: Memory) -> str:
    return next(record.id for record in memory.list() if record.text == "a note that stays")


# -- ids ------------------------------------------------------------------------------------------------------------

BY_ID: dict[str, Callable[[Memory, Any], object]] = {
    "get": lambda m, id: m.get(id),
    "revise": lambda m, id: m.revise(id, "new words"),
    "forget": lambda m, id: m.forget(id),
    "history": lambda m, id: m.history(id),
}


@pytest.mark.parametrize("id", [UNKNOWN, "", "x", "' or 1=1 --", "a\0b", "%", "🧠"])
@pytest.mark.parametrize("verb", BY_ID)
def test_an_unknown_id_is_not_found(full: Memory, verb: str, id: str) -> None:
    with refused(full, NotFoundError, says="there is no record"):
        BY_ID[verb](full, id)


@pytest.mark.parametrize("verb", BY_ID)
def test_an_id_that_is_no_unicode_is_refused_in_words(full: Memory, verb: str) -> None:
    with refused(full, NotFoundError, ValueError, says="\\ud800"):
        BY_ID[verb](full, "\ud800")


@pytest.mark.parametrize("id", [5, 1.5, b"x", ["x"], True])
@pytest.mark.parametrize("verb", BY_ID)
def test_an_id_that_is_no_string_is_a_type_error(full: Memory, verb: str, id: object) -> None:
    with refused(full, TypeError, says="id is a string"):
        BY_ID[verb](full, id)


@pytest.mark.parametrize("verb", ["get", "revise", "history"])
def test_none_is_no_id(full: Memory, verb: str) -> None:
    with refused(full, TypeError, says="id is a string"):
        BY_ID[verb](full, None)


@pytest.mark.parametrize("verb", BY_ID)
def test_another_users_id_is_not_found(full: Memory, verb: str) -> None:
    id = note(full)
    with (
        Memory(full._db.path, user="eve", encoder=TinyEncoder()) as eves,
        refused(full, NotFoundError, says="there is no record"),
    ):
        BY_ID[verb](eves, id)


@pytest.mark.parametrize("verb", BY_ID)
def test_a_forgotten_id_is_not_found(memory: Memory, verb: str) -> None:
    fill(memory)
    id = note(memory)
    memory.forget(id)
    with refused(memory, NotFoundError, says=id):
        BY_ID[verb](memory, id)


@pytest.mark.parametrize("verb", ["get", "revise", "history"])
def test_an_expired_id_is_not_found(tmp_path: Path, encoder: TinyEncoder, verb: str) -> None:
    now = [1_000]
    with Memory(tmp_path / "m.db", encoder=encoder, now=lambda: now[0]) as memory:
        id = memory.remember("for a while", expires_at=2_000).id
        now[0] = 2_000
        with refused(memory, NotFoundError, says=id):
            BY_ID[verb](memory, id)


def test_revising_an_old_version_names_the_one_that_holds(memory: Memory) -> None:
    first = memory.remember("one")
    second = memory.revise(first.id, "two")
    third = memory.revise(second.id, "three")
    for old in (first, second):
        with refused(memory, ValueError, says=third.id):
            memory.revise(old.id, "four")


def test_forget_of_nothing_in_particular_is_refused(full: Memory) -> None:
    with refused(full, ValueError, says="forget takes an id"):
        full.forget()


@pytest.mark.parametrize("too_wide", [{"where": {}}, {"session": ""}, {"agent": ""}, {"where": {"AND": []}}])
def test_an_empty_condition_does_not_forget_a_whole_user(memory: Memory, too_wide: dict[str, Any]) -> None:
    """A variable that happened to be empty must not erase every conversation."""
    memory.remember("said elsewhere", session="talk", agent="planner", metadata={"n": 1})
    with pytest.raises(ValueError, match="forget"):
        memory.forget(**too_wide)
    assert [record.text for record in memory.list()] == ["said elsewhere"]


# -- text -----------------------------------------------------------------------------------------------------------

WRITERS: dict[str, Callable[[Memory, Any], Record]] = {
    "remember": lambda m, text: m.remember(text),
    "remember_many": lambda m, text: m.remember_many(["fine", {"text": text}])[1],
    "observe": lambda m, text: m.observe([{"content": "fine"}, {"role": "user", "content": text}])[1],
    "revise": lambda m, text: m.revise(note(m), text),
}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("x" * 1_000_000, "1,000,000 characters, more than 200,000"),
        ("é" * (MAX_TEXT + 1), "200,001 characters"),
        ("a\0b", "NUL character at 1"),
        ("a\ud800b", "surrogate"),
        ("\udfff\ud800", "surrogate"),
    ],
    ids=["1 MB", "limit+1", "NUL", "surrogate", "pair reversed"],
)
@pytest.mark.parametrize("writer", WRITERS)
def test_a_text_that_cannot_be_kept_is_refused(full: Memory, writer: str, text: str, says: str) -> None:
    with refused(full, ValueError, says=says):
        WRITERS[writer](full, text)


@pytest.mark.parametrize("text", ["", " ", "\n\t\r", "\u2003\u00a0"])
@pytest.mark.parametrize("writer", ["remember", "remember_many", "revise"])
def test_an_empty_text_is_refused(full: Memory, writer: str, text: str) -> None:
    with refused(full, ValueError, says="text is empty"):
        WRITERS[writer](full, text)


@pytest.mark.parametrize("text", [None, 5, b"bytes", ["words"], {"text": "x"}])
@pytest.mark.parametrize("writer", ["remember", "remember_many", "revise"])
def test_a_text_that_is_no_string_is_a_type_error(full: Memory, writer: str, text: object) -> None:
    with refused(full, TypeError, says="text is a string"):
        WRITERS[writer](full, text)


@pytest.mark.parametrize("content", [5, b"bytes", {"text": "x"}, True])
def test_content_that_is_neither_text_nor_parts_is_a_type_error(full: Memory, content: object) -> None:
    with refused(full, TypeError, says="message 1: a message's content"):
        WRITERS["observe"](full, content)


@pytest.mark.parametrize("content", ["", "  ", None, [], [{"type": "image"}]])
def test_a_message_without_words_is_passed_over(full: Memory, content: object) -> None:
    before = everything(full)
    assert full.observe([{"role": "user", "content": content}]) == []
    assert everything(full) == before


@pytest.mark.parametrize("character", ["x", "é", "🧠", "\u200b"])
@pytest.mark.parametrize("writer", WRITERS)
def test_a_text_at_the_limit_is_kept_whole(memory: Memory, writer: str, character: str) -> None:
    memory.remember("a note that stays")
    text = character * (MAX_TEXT - 1) + "."
    written = WRITERS[writer](memory, text)
    assert memory.get(written.id).text == text
    assert memory.verify() == []


# -- arguments ------------------------------------------------------------------------------------------------------

SCOPED: dict[str, Callable[..., object]] = {
    "remember": lambda m, **a: m.remember("x", **a),
    "remember_many": lambda m, **a: m.remember_many(["x"], **a),
    "remember_many item": lambda m, **a: m.remember_many([{"text": "x", **a}]),
    "observe": lambda m, **a: m.observe([{"content": "x"}], **a),
    "revise": lambda m, **a: m.revise(note(m), "x", **a),
    "forget": lambda m, **a: m.forget(**a),
    "recall": lambda m, **a: m.recall("x", **a),
    "context": lambda m, **a: m.context("x", **a),
    "get": lambda m, **a: m.get(note(m), **a),
    "list": lambda m, **a: m.list(**a),
    "history": lambda m, **a: m.history(note(m), **a),
    "stats": lambda m, **a: m.stats(**a),
    "Memory": lambda m, **a: Memory(m._db.path, **a).close(),
}


@pytest.mark.parametrize("name", ["user", "agent", "session"])
@pytest.mark.parametrize("verb", SCOPED)
def test_a_scope_name_of_another_type_is_a_type_error(full: Memory, verb: str, name: str) -> None:
    """0 and False too: taken for "not given", they would open the default user's memory."""
    for value in (5, 0, False, b"", b"ada", ["ada"], []):
        with refused(full, TypeError, says=f"{name} is a string"):
            SCOPED[verb](full, **{name: value})


@pytest.mark.parametrize("name", ["user", "agent", "session"])
@pytest.mark.parametrize("verb", SCOPED)
def test_a_scope_name_that_cannot_be_kept_is_refused(full: Memory, verb: str, name: str) -> None:
    for value in ("a\0b", "\ud800", "x" * 513):
        with refused(full, ValueError, says=f"{name} is at most 512"):
            SCOPED[verb](full, **{name: value})


NO_INSTANTS: list[tuple[object, type[Exception]]] = [
    ("yesterday", ValueError),
    ("", ValueError),
    ("2026-13-01", ValueError),
    ("\ud800", ValueError),
    (1.5, TypeError),
    (True, TypeError),
    (b"2026", TypeError),
    ([], TypeError),
    (10**18, ValueError),
    (-(10**18), ValueError),
]
OUT_OF_RANGE: list[object] = [
    datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=5))),
    datetime(9999, 12, 31, 23, 59, tzinfo=timezone(timedelta(hours=-5))),
    "0001-01-01T00:00:00+05:00",
    "9999-12-31T23:59:59-05:00",
]
WRITE_INSTANTS: dict[str, Callable[[Memory, Any], object]] = {
    "remember at": lambda m, t: m.remember("x", at=t),
    "remember expires_at": lambda m, t: m.remember("x", expires_at=t),
    "remember_many at": lambda m, t: m.remember_many([{"text": "x", "at": t}]),
    "observe at": lambda m, t: m.observe([{"content": "x", "at": t}]),
    "revise at": lambda m, t: m.revise(note(m), "x", at=t),
}
READ_INSTANTS: dict[str, Callable[[Memory, Any], object]] = {
    f"{verb} {name}": (
        lambda m, t, verb=verb, name=name: getattr(m, verb)(*([] if verb == "list" else ["x"]), **{name: t})
    )
    for verb in ("list", "recall", "context")
    for name in ("since", "until", "as_of")
}
INSTANTS = WRITE_INSTANTS | READ_INSTANTS


@pytest.mark.parametrize("use", INSTANTS)
def test_what_is_no_instant_is_refused(full: Memory, use: str) -> None:
    for value, error in NO_INSTANTS:
        with refused(full, error, says="years 1 to 9999" if isinstance(value, int) and value is not True else "ISO"):
            INSTANTS[use](full, value)


@pytest.mark.parametrize("value", OUT_OF_RANGE, ids=str)
@pytest.mark.parametrize("use", WRITE_INSTANTS)
def test_an_instant_that_its_zone_moves_out_of_range_is_refused(full: Memory, use: str, value: object) -> None:
    with refused(full, ValueError, says="years 1 to 9999"):
        INSTANTS[use](full, value)


NAMES = [5, b"x", "", " ", "a\0", "\ud800", "x" * 3_000, ["x"]]
DEEP: dict[str, object] = {}
for _ in range(5_000):
    DEEP = {"a": DEEP}
REMEMBER: dict[str, list[object]] = {
    "role": [5, None, "", "User", "robot", ["user"]],
    "kind": [None, *NAMES],
    "speaker": NAMES,
    "source": NAMES,
    "importance": [-0.01, 1.01, float("nan"), float("inf"), "0.5", True, None, [1], 10**400],
    "confidence": [-0.01, 1.01, float("nan"), float("-inf"), "1", False, None],
    "trust": [-1, 2, float("nan"), "high", True, None],
    "metadata": [
        "x", 5, [1], [("a", 1)], {1: 2}, {"a": object()}, {"a": b""}, {"a": {1, 2}}, {"a": float("nan")},
        {"a": float("inf")}, {"a": "\0"}, {"\0": 1}, {"a": "\ud800"}, {"\ud800": 1}, {"a": "x" * (1 << 24)}, DEEP,
    ],
}  # fmt: skip


@pytest.mark.parametrize("name", REMEMBER)
@pytest.mark.parametrize("verb", ["remember", "remember_many"])
def test_remember_names_the_wrong_argument(full: Memory, verb: str, name: str) -> None:
    for value in REMEMBER[name]:
        with refused(full, TypeError, ValueError, says=name):
            if verb == "remember":
                full.remember("x", **{name: value})  # type: ignore[arg-type]
            else:
                full.remember_many([{"text": "x", name: value}])


@pytest.mark.parametrize("name", ["confidence", "metadata"])
def test_revise_names_the_wrong_argument(full: Memory, name: str) -> None:
    for value in REMEMBER[name]:
        if value is not None:  # "as the old one's"
            with refused(full, TypeError, ValueError, says=name):
                full.revise(note(full), "x", **{name: value})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("message", "says"),
    [
        ("words", "message 1: a message is a mapping"),
        (None, "message 1: a message is a mapping"),
        ({"role": "user"}, "needs its content"),
        ({"content": "x", "time": 5}, "'time'"),
        ({"content": "x", 5: 5}, "'5'"),
        ({"content": "x", "role": "robot"}, "role is one of"),
        ({"content": "x", "role": ["user"]}, "role is one of"),
        ({"content": "x", "name": 5}, "message 1: speaker"),
        ({"content": "x", "name": ["Ada"]}, "message 1: speaker"),
        ({"content": "x", "id": 5}, "message 1: id"),
        ({"content": "x", "id": ""}, "message 1: id"),
        ({"content": "x", "metadata": "x"}, "message 1: metadata"),
        ({"content": "x", "metadata": [1]}, "message 1: metadata"),
        ({"content": "x", "metadata": {"a": b""}}, "message 1: metadata"),
    ],
)
def test_observe_names_the_wrong_message(full: Memory, message: Any, says: str) -> None:
    with refused(full, TypeError, ValueError, says=says):
        full.observe([{"content": "fine"}, message])


@pytest.mark.parametrize(
    ("name", "value"),
    [("source", 5), ("source", ""), ("trust", 2), ("trust", "x"), ("metadata", "x"), ("metadata", [1])],
)
def test_observe_names_the_wrong_argument(full: Memory, name: str, value: Any) -> None:
    with refused(full, TypeError, ValueError, says=name):
        full.observe([{"content": "fine"}], **{name: value})


@pytest.mark.parametrize("items", ["hello", b"hello", {"text": "hello"}, 5, None], ids=repr)
def test_remember_many_refuses_one_item_in_place_of_many(full: Memory, items: Any) -> None:
    """A string is iterable: it would be kept letter by letter."""
    with refused(full, TypeError, says="items"):
        full.remember_many(items)


@pytest.mark.parametrize("messages", ["hello", {"role": "user", "content": "hello"}, 5, None], ids=repr)
def test_observe_refuses_one_message_in_place_of_many(full: Memory, messages: Any) -> None:
    with refused(full, TypeError, says="message"):
        full.observe(messages)


@pytest.mark.parametrize(
    ("item", "says"),
    [
        (5, "item 1: an item is a text"),
        (None, "item 1: an item is a text"),
        ({}, "item 1: an item is a text"),
        ({"text": "x", "tags": []}, "item 1: unknown field 'tags'"),
        ({"text": "x", "scope": 5}, "item 1: unknown field 'scope'"),
        ({"text": "x", "now": 5}, "item 1: unknown field 'now'"),
        ({"text": "x", 5: 5}, "item 1: unknown field '5'"),
    ],
)
def test_remember_many_names_the_wrong_item(full: Memory, item: Any, says: str) -> None:
    with refused(full, TypeError, ValueError, says=says):
        full.remember_many(["fine", item])


def test_remember_many_keeps_the_batches_before_a_wrong_item(memory: Memory) -> None:
    items = [f"item {i}" for i in range(300)]
    with pytest.raises(ValueError, match="item 290: the text is empty"):
        memory.remember_many([*items[:290], "", *items[291:]])
    assert memory.stats().records == 256
    memory.remember_many(items)
    assert memory.stats().records == 300
    assert memory.verify() == []


READERS: dict[str, Callable[..., object]] = {
    "recall": lambda m, **a: m.recall("note", **a),
    "context": lambda m, **a: m.context("note", **a),
    "list": lambda m, **a: m.list(**a),
}
NO_FILTERS: list[Any] = [
    "x", 5, ["a"], [("a", 1)], {1: 2}, {None: 2}, {"a": {"like": 1}}, {"a": {5: 1}}, {"a": [1]}, {"a": {"b": object}},
    {"a": {"in": "x"}}, {"a": {"in": 5}}, {"a": {"nin": None}}, {"a": {"gt": None}}, {"a": {"contains": None}},
    {"a": {"in": [[1]]}}, {"AND": {}}, {"OR": "x"}, {"OR": [5]}, {"NOT": 5}, {"a": b"x"}, {"a": "\ud800"},
    {"a": {"contains": "\ud800"}}, {"a\ud800": 1},
]  # fmt: skip


@pytest.mark.parametrize("where", NO_FILTERS, ids=repr)
@pytest.mark.parametrize("verb", [*READERS, "forget"])
def test_what_is_no_filter_is_refused(full: Memory, verb: str, where: Any) -> None:
    with refused(full, TypeError, ValueError, says=""):
        full.forget(where=where) if verb == "forget" else READERS[verb](full, where=where)


@pytest.mark.parametrize("verb", READERS)
def test_a_filter_that_holds_itself_is_refused(full: Memory, verb: str) -> None:
    where: dict[str, Any] = {}
    where["AND"] = [where]
    with refused(full, ValueError, says="nested more than 16"):
        READERS[verb](full, where=where)


@pytest.mark.parametrize("kinds", ["note", b"note", 5, [5], [b"x"], [None]], ids=repr)
@pytest.mark.parametrize("verb", READERS)
def test_kinds_is_a_list_of_strings(full: Memory, verb: str, kinds: Any) -> None:
    with refused(full, TypeError, ValueError, says="kinds"):
        READERS[verb](full, kinds=kinds)


@pytest.mark.parametrize("value", ["x", None, float("nan"), 2, -1, [0]], ids=repr)
@pytest.mark.parametrize("verb", READERS)
def test_min_trust_is_a_share(full: Memory, verb: str, value: Any) -> None:
    if verb == "context" and value is None:  # there it means what the policy says
        value = True
    with refused(full, TypeError, ValueError, says="min_trust"):
        READERS[verb](full, min_trust=value)


@pytest.mark.parametrize("value", ["x", None, float("nan"), 2, -1, [0]], ids=repr)
@pytest.mark.parametrize("verb", ["recall", "context"])
def test_min_score_is_a_share_also_where_nothing_is_found(full: Memory, verb: str, value: Any) -> None:
    for user in ("", "nobody"):
        with refused(full, TypeError, ValueError, says="min_score"):
            READERS[verb](full, min_score=value, user=user)


COUNTS: list[tuple[str, str, list[object]]] = [
    ("recall", "k", [0, -1, 1_001, 1.5, 1.0, "3", True, None, 10**30]),
    ("context", "k", [0, -1, 1_001, 1.5, "3", True, None]),
    ("context", "budget_tokens", [0, -1, 1.5, "3", True, None]),
    ("list", "limit", [-1, 1.5, "3", True, None, 10**30]),
    ("list", "offset", [-1, 1.5, "3", True, None, 10**30]),
]


@pytest.mark.parametrize(("verb", "name", "values"), COUNTS)
def test_a_count_is_a_whole_number_within_its_bounds(full: Memory, verb: str, name: str, values: list[object]) -> None:
    for value in values:
        with refused(full, TypeError, ValueError, says=name):
            READERS[verb](full, **{name: value})


@pytest.mark.parametrize(("query", "error"), [("", ValueError), ("\n", ValueError), (5, TypeError), (None, TypeError)])
@pytest.mark.parametrize("verb", ["recall", "context"])
def test_a_query_is_text_that_is_not_blank(full: Memory, verb: str, query: Any, error: type[Exception]) -> None:
    with refused(full, error, says="the query is"):
        getattr(full, verb)(query)


@pytest.mark.parametrize("query", ["\ud800", "a\0b", "\0", "x " * 100_000, '"', "AND", "x*", "NEAR(a b)", "a:b", "?"])
@pytest.mark.parametrize("verb", ["recall", "context"])
def test_any_other_text_is_a_query(full: Memory, verb: str, query: str) -> None:
    assert getattr(full, verb)(query) is not None


# -- the file -------------------------------------------------------------------------------------------------------


def opening(path: Any, **options: Any) -> Exception:
    with pytest.raises(Exception) as caught:
        Memory(path, encoder=TinyEncoder(), **options).close()
    return caught.value


def refuses_to_open(path: Path, says: str) -> None:
    """Opening raises OpenError with the path and *says*, and leaves the file and its folder alone."""
    before = path.read_bytes()
    beside = sorted(path.parent.iterdir())
    error = opening(path)
    assert type(error) is OpenError, repr(error)
    assert str(path) in str(error)
    assert says in str(error)
    assert path.read_bytes() == before
    assert sorted(path.parent.iterdir()) == beside


def test_a_folder_is_no_memory(tmp_path: Path) -> None:
    error = opening(tmp_path)
    assert type(error) is OpenError
    assert "is a folder; name a file in it" in str(error)


def test_a_missing_folder_is_named_and_not_made(tmp_path: Path) -> None:
    error = opening(tmp_path / "no" / "m.db")
    assert type(error) is OpenError
    assert f"{tmp_path / 'no'} does not exist" in str(error)
    assert list(tmp_path.iterdir()) == []


def test_a_path_through_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    assert type(opening(tmp_path / "file" / "m.db")) is OpenError


@pytest.mark.parametrize(
    ("path", "errors"),
    [
        ("", (OpenError,)),
        ("a\0b", (OpenError,)),
        (5, (TypeError,)),
        (None, (TypeError,)),
        (b"m.db", (TypeError,)),
        ("/dev/null", (OpenError,)),
        ("/dev/full", (OpenError,)),
        ("x" * 300, (OpenError,)),
    ],
    ids=str,
)
def test_what_names_no_file_is_refused(path: Any, errors: tuple[type[Exception], ...], tmp_path: Path) -> None:
    error = opening(tmp_path / path if path == "x" * 300 else path)
    assert type(error) in errors, repr(error)
    assert "bytes-like object is required" not in str(error)


def test_a_file_name_that_is_no_utf8_opens_or_is_refused_in_words(tmp_path: Path) -> None:
    path = os.fsdecode(os.fsencode(tmp_path) + b"/\xff.db")
    try:
        Memory(path, encoder=TinyEncoder()).close()
    except OpenError as error:
        assert "file name" in str(error)


@pytest.mark.parametrize("durability", ["", "FULL", "off", None, 5, []])
def test_an_unknown_durability_is_refused(tmp_path: Path, durability: Any) -> None:
    error = opening(tmp_path / "m.db", durability=durability)
    assert type(error) in (ValueError, TypeError)
    assert "durability is one of" in str(error)


@pytest.mark.parametrize(
    "content",
    [random.Random(1).randbytes(8_192), b"dear diary, today I " * 500, b"my", b"SQLite format 3\0" + b"x" * 5_000],
    ids=["random", "text", "two bytes", "header only"],
)
def test_a_file_that_is_no_database_is_refused_untouched(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "m.db"
    path.write_bytes(content)
    refuses_to_open(path, "choose another path")


def other_program(path: Path, *statements: str) -> None:
    connection = sqlite3.connect(path)
    for statement in statements:
        connection.execute(statement)
    connection.commit()
    connection.close()


@pytest.mark.parametrize(
    "statements",
    [
        ["create table bookmarks (url text)", "insert into bookmarks values ('x')"],
        ["create table records (id integer primary key, text text)", "pragma user_version = 1"],
        ["pragma user_version = 7"],
        ["pragma journal_mode = wal", "create table t (x)"],
        ["pragma application_id = 5", "create table t (x)"],
    ],
)
def test_another_programs_database_is_left_byte_for_byte(tmp_path: Path, statements: list[str]) -> None:
    path = tmp_path / "places.sqlite"
    other_program(path, *statements)
    refuses_to_open(path, "another program's database")


def test_another_programs_log_is_not_written_back(tmp_path: Path) -> None:
    """Its -wal is as much its own as the file: a crashed program wants to find both."""
    source = sqlite3.connect(tmp_path / "live.db")
    source.execute("pragma journal_mode = wal")
    source.execute("create table t (x)")
    source.commit()
    copies = tmp_path / "copies"
    copies.mkdir()
    for end in ("", "-wal"):
        shutil.copy(tmp_path / f"live.db{end}", copies / f"o.db{end}")
    source.close()
    log = (copies / "o.db-wal").read_bytes()
    before = (copies / "o.db").read_bytes()
    assert type(opening(copies / "o.db")) is OpenError
    assert (copies / "o.db").read_bytes() == before
    assert (copies / "o.db-wal").read_bytes() == log


@pytest.mark.parametrize("journal", ["wal", "delete"])
def test_a_newer_schema_is_refused_untouched(tmp_path: Path, memory: Memory, journal: str) -> None:
    fill(memory)
    memory.close()
    path = tmp_path / "m.db"
    newest = schema.migrations()[-1][0]
    other_program(path, f"pragma journal_mode = {journal}", f"pragma user_version = {newest + 1}")
    refuses_to_open(path, f"has schema {newest + 1}, this agentmem knows up to {newest}; run: pip install -U")
    other_program(path, f"pragma user_version = {newest}")
    with Memory(path, encoder=TinyEncoder()) as again:
        assert again.verify() == []
        assert again.stats().records == 5


def test_an_encrypted_file_is_refused_untouched(tmp_path: Path) -> None:
    path = tmp_path / "m.db"
    connection = apsw.Connection(str(path))
    connection.pragma("key", "secret")
    connection.execute("create table t (x)")
    connection.close()
    refuses_to_open(path, "encrypted")


def damaged(path: Path, *, keep: int | None = None, page: int | None = None) -> Path:
    """Copy the file at *path* with only *keep* bytes, or with garbage for the page number *page* (from 0)."""
    content = bytearray(path.read_bytes()[:keep])
    if page is not None:
        content[page * 4096 : (page + 1) * 4096] = random.Random(page).randbytes(4096)
    bad = path.with_name("bad.db")
    for end in ("", "-wal", "-shm"):
        bad.with_name(f"bad.db{end}").unlink(missing_ok=True)
    bad.write_bytes(content)
    return bad


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A closed memory with trees of several pages and a text that flows over into pages of its own."""
    path = tmp_path_factory.mktemp("sound") / "m.db"
    with Memory(path, encoder=TinyEncoder()) as memory:
        fill(memory)
        memory.remember_many([f"fact number {i} " + "long text " * (800 if i == 20 else 5) for i in range(40)])
        memory.remember("labelled", metadata={"label": "long metadata " * 1_000})
    return path


VERBS: dict[str, Verb] = {
    "list": lambda m: m.list(limit=1_000),
    "recall": lambda m: m.recall("fact number"),
    "context": lambda m: m.context("fact number"),
    "get": lambda m: m.get(UNKNOWN),
    "history": lambda m: m.history(UNKNOWN),
    "stats": lambda m: m.stats(),
    "verify": lambda m: m.verify(),
    "remember": lambda m: m.remember("new words"),
    "remember_many": lambda m: m.remember_many(["more new words"]),
    "observe": lambda m: m.observe([{"content": "heard"}]),
    "revise": lambda m: m.revise(UNKNOWN, "new words"),
    "rebuild": lambda m: m.rebuild(),
    "forget": lambda m: m.forget(user=""),
}


@pytest.mark.parametrize("share", [0.0001, 0.01, 0.1, 0.5, 0.9])
def test_a_truncated_file_is_refused(sound: Path, share: float) -> None:
    bad = damaged(sound, keep=int(sound.stat().st_size * share))
    error = opening(bad)
    assert type(error) is OpenError
    assert "backup" in str(error) or "choose another path" in str(error)


def after_damage(sound: Path, verbs: dict[str, Verb]) -> Iterator[tuple[int, str, object]]:
    """Yield (page, verb, what it returned or raised) for garbage in each page of the file in turn."""
    for page in range(sound.stat().st_size // 4096):
        try:
            memory = Memory(damaged(sound, page=page), encoder=TinyEncoder())
        except Exception as error:  # noqa: BLE001 - the test looks at what it is
            yield page, "open", error
            continue
        with memory:
            for verb, use in verbs.items():
                try:
                    yield page, verb, use(memory)
                except Exception as error:  # noqa: BLE001 - the test looks at what it is
                    yield page, verb, error


def test_a_page_of_garbage_raises_nothing_but_our_own_errors(sound: Path) -> None:
    outcomes = list(after_damage(sound, VERBS))
    raised = [(page, verb, error) for page, verb, error in outcomes if isinstance(error, Exception)]
    assert len(raised) > 50  # the damage is felt
    foreign = {
        (verb, type(error).__name__): page for page, verb, error in raised if not isinstance(error, AgentmemError)
    }
    assert foreign == {}, "verb and error → a page"


def test_verify_reports_a_page_of_garbage_wherever_it_is(sound: Path) -> None:
    """It returns what is wrong, and does not itself trip over the damage that it is there to find."""
    wrong = {
        page: repr(found)
        for page, verb, found in after_damage(sound, {"verify": VERBS["verify"]})
        if verb == "verify" and not (isinstance(found, list) and found)
    }
    assert wrong == {}, "page → what verify did instead"


# -- not allowed ----------------------------------------------------------------------------------------------------


@pytest.fixture
def public() -> Iterator[Path]:
    """A folder that every user may enter; pytest's own are private."""
    folder = Path(tempfile.mkdtemp(prefix="agentmem-", dir="/tmp"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


CANNOT_READ = 77


def unprivileged(script: str, *arguments: object) -> str:
    """Run *script* as nobody (where we are root) and return what it prints."""
    prelude = f"""
        import os, sys
        sys.path[:0] = [{str(ROOT)!r}, {str(ROOT / "tests")!r}]
        from agentmem import AgentmemError, Memory
        from conftest import TinyEncoder
        with Memory(":memory:", encoder=TinyEncoder()) as warm:  # import everything while we may read it
            warm.remember("x"), warm.recall("x"), warm.verify(), warm.stats()
        import sqlite_vec  # its extension is loaded anew with each connection
        if os.geteuid() == 0:
            os.setgroups([]), os.setgid({NOBODY}), os.setuid({NOBODY})
        if not os.access(os.path.dirname(sqlite_vec.__file__), os.R_OK | os.X_OK):
            raise SystemExit({CANNOT_READ})
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(prelude) + textwrap.dedent(script), *map(str, arguments)],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    if done.returncode == CANNOT_READ:
        pytest.skip("this Python's packages are installed where only root may read them")
    assert done.returncode == 0, done.stderr
    return done.stdout


TRY_OPEN = """
    try:
        Memory(sys.argv[1], encoder=TinyEncoder()).remember("x")
        print("written")
    except AgentmemError as error:
        print(type(error).__name__, error)
"""


@pytest.mark.parametrize(
    ("folder", "file", "says"),
    [
        (0o777, 0o444, "is read-only; make it"),
        (0o555, 0o666, "folder"),
        (0o555, 0o444, "is read-only"),
        (0o755, 0o600, "may you"),
        (0o700, 0o666, ""),
        (0o555, None, "may you write in its folder?"),
    ],
    ids=["read-only file", "read-only folder", "both", "private file", "private folder", "new in read-only folder"],
)
def test_a_file_that_may_not_be_written_is_refused(public: Path, folder: int, file: int | None, says: str) -> None:
    inside = public / "inside"
    inside.mkdir()
    path = inside / "m.db"
    if file is not None:
        with Memory(path, encoder=TinyEncoder()) as memory:
            fill(memory)
            before = everything(memory)
        path.chmod(file)
    inside.chmod(folder)
    said = unprivileged(TRY_OPEN, path)
    inside.chmod(0o755)
    assert said.startswith("OpenError"), said
    assert str(inside) in said
    assert says in said
    if file is not None:
        path.chmod(0o644)
        with Memory(path, encoder=TinyEncoder()) as memory:
            assert everything(memory) == before
            assert memory.verify() == []


def test_the_unprivileged_process_can_write_where_it_may(public: Path) -> None:
    """Else the refusals above would show nothing."""
    public.chmod(0o777)
    assert unprivileged(TRY_OPEN, public / "m.db") == "written\n"


# -- full disk, locks -----------------------------------------------------------------------------------------------


def limit_pages(memory: Memory, pages: int) -> None:
    for connection in memory._db._idle:
        connection.pragma("max_page_count", pages)


WRITE_MUCH: dict[str, Verb] = {
    "remember": lambda m: m.remember("much " * 30_000),
    "remember_many": lambda m: m.remember_many(["fine", "much " * 30_000]),
    "observe": lambda m: m.observe([{"content": "fine"}, {"content": "much " * 30_000}]),
    "revise": lambda m: m.revise(note(m), "much " * 30_000),
}


@pytest.mark.parametrize("verb", WRITE_MUCH)
def test_a_full_disk_keeps_what_was_there_and_writing_goes_on_after(memory: Memory, verb: str) -> None:
    fill(memory)
    limit_pages(memory, 1)  # SQLite takes the present size for it
    with refused(memory, StorageError, says="disk is full"):
        WRITE_MUCH[verb](memory)
    limit_pages(memory, 1 << 20)
    WRITE_MUCH[verb](memory)
    assert memory.verify() == []


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)], capture_output=True, text=True, check=False
    ) if shutil.which("mount") else None  # fmt: skip
    if mounted is None or mounted.returncode != 0:
        pytest.skip(f"no tmpfs can be mounted here: {mounted.stderr.strip() if mounted else 'there is no mount'}")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_real_full_disk_loses_nothing(small_disk: Path) -> None:
    path = small_disk / "m.db"
    kept: list[str] = []
    with Memory(path, encoder=TinyEncoder()) as memory:
        with pytest.raises(StorageError, match=r"disk is full|disk failed"):
            for i in range(1_000):
                kept.append(memory.remember(f"number {i} " + "words " * 500).id)
        assert kept
        assert {record.id for record in memory.list(limit=1_000)} == set(kept)
    with Memory(path, encoder=TinyEncoder()) as memory:
        assert {record.id for record in memory.list(limit=1_000)} == set(kept)
        assert memory.verify() == []


def test_a_disk_too_full_to_make_a_memory_says_so(small_disk: Path) -> None:
    (small_disk / "ballast").write_bytes(b"x" * (1 << 20))
    error = opening(small_disk / "m.db")
    assert type(error) is OpenError
    assert "disk" in str(error)


def test_a_file_locked_for_too_long_is_reported(
    tmp_path: Path, encoder: TinyEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(db, "BUSY_TIMEOUT_MS", 50)
    with Memory(tmp_path / "m.db", encoder=encoder) as memory:
        fill(memory)
        holder = apsw.Connection(str(tmp_path / "m.db"))  # of the same library: in one process two do not see locks
        holder.execute("begin immediate")
        before = everything(memory)
        for verb in ("remember", "remember_many", "observe", "forget", "rebuild"):
            with pytest.raises(StorageError, match="another program for too long"):
                VERBS[verb](memory)
        assert everything(memory) == before  # and readers go on
        holder.execute("rollback")
        holder.close()
        memory.remember("free again")
        assert memory.verify() == []


# -- closed, forked, another encoder --------------------------------------------------------------------------------


@pytest.mark.parametrize("verb", VERBS)
def test_a_closed_memory_says_that_it_is_closed(tmp_path: Path, memory: Memory, verb: str) -> None:
    fill(memory)
    before = everything(memory)
    memory.close()
    with pytest.raises(OpenError, match="is closed; open it again"):
        VERBS[verb](memory)
    memory.close()  # twice does no harm
    with Memory(tmp_path / "m.db", encoder=TinyEncoder()) as again:
        assert everything(again) == before
        assert again.verify() == []


FORK = """
    import os, sys
    from agentmem import Memory, OpenError
    from conftest import TinyEncoder
    from test_errors import VERBS
    memory = Memory(sys.argv[1], encoder=TinyEncoder())
    memory.remember("before")
    child = os.fork()
    if child == 0:
        done = 0
        for verb, use in VERBS.items():
            try:
                use(memory)
            except OpenError as error:
                done += "opened before a fork; open it again" in str(error)
        memory.close()  # as `with` would: the parent's file stays open and whole
        with Memory(sys.argv[1], encoder=TinyEncoder()) as own:
            own.remember("by the child")
        os._exit(0 if done == len(VERBS) else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    memory.remember("after")
    assert sorted(record.text for record in memory.list()) == ["after", "before", "by the child"], memory.list()
    assert memory.verify() == []
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_a_forked_child_is_told_to_open_the_file_again(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", textwrap.dedent(FORK), str(tmp_path / "m.db")],
        env={**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'tests'}"},
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


class Other(TinyEncoder):
    id = "other"


@pytest.mark.parametrize(
    "verb", ["remember", "remember_many", "observe", "revise", "recall", "context"]
)  # fmt: skip
def test_vectors_of_two_encoders_are_not_mixed(full: Memory, verb: str) -> None:
    with Memory(full._db.path, encoder=Other()) as other, refused(full, ModelError, says="rebuild"):
        other.revise(note(full), "x") if verb == "revise" else VERBS[verb](other)


@pytest.mark.parametrize("verb", ["list", "stats", "verify"])
def test_what_needs_no_vectors_works_with_any_encoder(full: Memory, verb: str) -> None:
    with Memory(full._db.path, encoder=Other()) as other:
        assert VERBS[verb](other) == VERBS[verb](full)


def test_rebuild_takes_the_file_over_to_another_encoder(tmp_path: Path, memory: Memory) -> None:
    fill(memory)
    with Memory(tmp_path / "m.db", encoder=Other()) as other:
        other.rebuild()
        assert other.recall("note that stays")[0].text == "a note that stays"
        assert other.stats().encoder == "other"
        assert other.verify() == []
    with pytest.raises(ModelError, match="holds vectors of other, this is tiny"):
        memory.recall("note")


def narrow(each: Encoding) -> Encoding:
    return Encoding(each.vector[:256], each.tokens[:, :256])


def wide_tokens(each: Encoding) -> Encoding:
    return Encoding(each.vector, np.hstack([each.tokens, each.tokens]))


FAULTS: dict[str, Callable[[list[Encoding]], object]] = {
    "256 wide": lambda all: [narrow(each) for each in all],
    "tokens of another width": lambda all: [wide_tokens(each) for each in all],
    "not a number": lambda all: [Encoding(each.vector * np.float32("nan"), each.tokens) for each in all],
    "zero": lambda all: [Encoding(each.vector * 0, each.tokens) for each in all],
    "one too few": lambda all: all[:-1],
    "none at all": lambda all: None,
}


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("verb", ["remember", "observe"])
def test_an_encoder_that_gives_nonsense_is_named(memory: Memory, verb: str, fault: str) -> None:
    class Faulty(TinyEncoder):
        def encode(self, texts: Any) -> Any:
            return FAULTS[fault](super().encode(texts))

    fill(memory)
    with (
        Memory(memory._db.path, encoder=Faulty()) as faulty,
        refused(memory, ModelError, TypeError, ValueError, says="encoder"),
    ):
        VERBS[verb](faulty)


@pytest.mark.skipif(os.name == "nt", reason="Windows keeps an open file")
def test_a_file_that_is_deleted_while_it_is_open_is_reported(tmp_path: Path) -> None:
    path = tmp_path / "m.db"
    with Memory(path, encoder=TinyEncoder()) as memory:
        memory.remember("hello")
        path.unlink()
        assert memory.verify() and all("no such table" in problem for problem in memory.verify())
