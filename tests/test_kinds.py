"""Kinds of record with fields of their own: checked on write, found, superseded by key, kept with the file."""

from __future__ import annotations

import asyncio
import json
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, Literal

import apsw
import pytest
from conftest import TinyEncoder
from hypothesis import given, settings
from hypothesis import strategies as st

from agentmem import AsyncMemory, Kind, Memory, StorageError, kinds
from agentmem.scope import Scope

MARCH, APRIL, MAY = "2026-03-01T00:00:00Z", "2026-04-01T00:00:00Z", "2026-05-01T00:00:00Z"


@dataclass
class Medication:
    name: str
    dose: str
    since: date | None = None
    status: Literal["taken", "stopped"] = "taken"


CASE = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "minLength": 1},
        "citation": {"type": "string", "minLength": 5},
        "year": {"type": "integer", "minimum": 1754},
        "issues": {"type": "array", "items": {"type": "string"}},
    },
    "required": ["name", "citation"],
    "additionalProperties": False,
}
ROE = {"name": "Roe v. Wade", "citation": "410 U.S. 113", "year": 1973, "issues": ["privacy", "abortion"]}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "kinds.db"


@pytest.fixture
def clock() -> list[str]:
    return [MAY]


@pytest.fixture
def mem(path: Path, clock: list[str]) -> Iterator[Memory]:
    with Memory(path, user="ana", encoder=TinyEncoder(), now=lambda: clock[0]) as memory:
        memory.define("medication", Medication, key="name")
        memory.define("case", CASE, key="citation", searchable=["name", "issues"])
        yield memory
        assert memory.verify() == []


def take(memory: Memory, name: str, dose: str, **more: Any) -> Any:
    return memory.remember(kind="medication", metadata={"name": name, "dose": dose}, **more)


def doses(memory: Memory, **which: Any) -> list[object]:
    return sorted(str(record.metadata["dose"]) for record in memory.list(kinds=["medication"], **which))


def sql(path: Path, query: str) -> list[Any]:
    """Run *query* with the library's own SQLite: another one in this process would drop its locks on the file."""
    connection = apsw.Connection(str(path))
    try:
        return connection.execute(query).fetchall()
    finally:
        connection.close()


# -- define


def test_a_definition_is_there_when_the_file_is_opened_again(mem: Memory, path: Path) -> None:
    known = mem.kinds()
    assert [(kind.name, kind.key, kind.searchable, kind.single) for kind in known] == [
        ("case", ("citation",), ("name", "issues"), False),
        ("medication", ("name",), (), False),
    ]
    assert known[0].schema == CASE
    with Memory(path, user="bob", encoder=TinyEncoder()) as other:
        assert other.kinds() == known
        with pytest.raises(ValueError, match=r"medication.dose is missing"):
            other.remember(kind="medication", metadata={"name": "aspirin"})


def test_defining_the_same_again_writes_nothing(mem: Memory, path: Path) -> None:
    before = sql(path, "select * from kinds")
    (kind, _) = mem.kinds()
    assert mem.define("case", CASE, key=["citation"], searchable=("name", "issues")) == kind
    assert sql(path, "select * from kinds") == before


@pytest.mark.parametrize(
    ("arguments", "error", "says"),
    [
        ({"kind": 5, "schema": {}}, TypeError, "kind is a string"),
        ({"kind": "", "schema": {}}, ValueError, "kind is 1 to 512"),
        ({"kind": "note", "schema": {}}, ValueError, "'note' is a kind of agentmem's own"),
        ({"kind": "turn", "schema": {}}, ValueError, "'turn' is a kind of agentmem's own"),
        ({"kind": "correction", "schema": {}}, ValueError, "'correction' is a kind of agentmem's own"),
        ({"kind": "k", "schema": "string"}, TypeError, "the schema is a JSON Schema or a dataclass"),
        ({"kind": "k", "schema": {"propertys": {}}}, ValueError, "'propertys' is not checked"),
        ({"kind": "k", "schema": CASE, "key": 5}, TypeError, "key is a field or a list of fields"),
        ({"kind": "k", "schema": CASE, "key": "citatoin"}, ValueError, "'citatoin' is none of the schema's properties"),
        (
            {"kind": "k", "schema": CASE, "key": "year"},
            ValueError,
            "the key 'year' must be one of the schema's required",
        ),
        ({"kind": "k", "schema": CASE, "searchable": ["x"]}, ValueError, "searchable: 'x' is none of"),
        ({"kind": "k", "schema": CASE, "single": 1}, TypeError, "single is True or False"),
        ({"kind": "k", "schema": CASE, "key": "name", "single": True}, ValueError, "take key or single"),
    ],
)
def test_a_wrong_definition_is_refused_by_name(mem: Memory, arguments: Any, error: type[Exception], says: str) -> None:
    with pytest.raises(error) as caught:
        mem.define(**arguments)
    assert says in str(caught.value)
    assert [kind.name for kind in mem.kinds()] == ["case", "medication"]


def test_a_kind_is_defined_anew_where_its_records_fit(mem: Memory) -> None:
    record = take(mem, "metoprolol", "50 mg")
    mem.define("medication", {"properties": {"dose": {"enum": ["50 mg", "100 mg", "5 mg"]}}})
    assert take(mem, "metoprolol", "100 mg").supersedes is None  # there is no key any more
    with pytest.raises(ValueError, match=r"medication.dose is one of .*, not '5 g'"):
        take(mem, "x", "5 g")
    assert mem.get(record.id) == record


def test_a_kind_is_not_defined_anew_where_a_record_does_not_fit(mem: Memory) -> None:
    before = mem.kinds()
    take(mem, "aspirin", "100 mg")
    odd = take(mem, "insulin", "5 units", user="bob")
    with pytest.raises(ValueError, match=rf"record {odd.id} of user 'bob' does not fit: that user can see why"):
        mem.define("medication", {"properties": {"dose": {"enum": ["50 mg", "100 mg", "5 mg"]}}})
    with pytest.raises(ValueError, match=r"medication.dose is one of .*, not '100 mg'"):  # his own he may see
        mem.define("medication", {"properties": {"dose": {"enum": ["50 mg"]}}})
    assert mem.kinds() == before
    assert take(mem, "aspirin", "50 mg").supersedes is not None  # the key is as it was
    mem.revise(odd.id, metadata={"name": "insulin", "dose": "5 mg"}, user="bob")
    mem.define(
        "medication", {"properties": {"dose": {"enum": ["50 mg", "100 mg", "5 mg"]}}}
    )  # what was does not matter


def test_records_from_before_are_checked_and_take_part(mem: Memory) -> None:
    old = mem.remember("I sleep at ten", kind="habit", metadata={"name": "sleep", "hour": 22})
    twin = mem.remember("I sleep at eleven", kind="habit", metadata={"name": "sleep", "hour": 23})
    schema = {"properties": {"name": {"type": "string"}, "hour": {"type": "integer"}}, "required": ["name"]}
    with pytest.raises(ValueError, match=f"records {old.id} and {twin.id} of user 'ana' would take each other's place"):
        mem.define("habit", schema, key="name")
    with pytest.raises(ValueError, match=f"records {old.id} and {twin.id}"):
        mem.define("habit", schema, single=True)
    mem.forget(old.id)
    mem.define("habit", schema, key="name")
    assert mem.remember(kind="habit", metadata={"name": "sleep", "hour": 21}).supersedes == twin.id


def test_what_expired_neither_hinders_a_definition_nor_holds_a_key(mem: Memory, clock: list[str]) -> None:
    mem.remember("x", kind="visit", metadata={"name": 5}, expires_at=APRIL)
    schema = {"properties": {"name": {"type": "string"}}, "required": ["name"]}
    mem.define("visit", schema, key="name")
    clock[0] = MARCH
    first = mem.remember(kind="visit", metadata={"name": "dentist"}, expires_at=APRIL)
    clock[0] = MAY
    second = mem.remember(kind="visit", metadata={"name": "dentist"})
    assert second.id != first.id and second.supersedes is None
    mem.define("visit", schema, single=True)
    mem.define("visit", {})
    clock[0] = MARCH
    with pytest.raises(ValueError, match=r"does not fit: visit.name is of type string, not 5"):
        mem.define("visit", schema)


# -- validation


@pytest.mark.parametrize(
    ("metadata", "says"),
    [
        (None, "medication.name is missing"),
        ({"name": "aspirin"}, "medication.dose is missing"),
        ({"name": "aspirin", "dose": 100}, "medication.dose is of type string, not 100"),
        ({"name": "a", "dose": "b", "since": "May"}, "medication.since is a date such as 2026-03-01, not 'May'"),
        ({"name": "a", "dose": "b", "status": "x"}, "medication.status is one of 'taken', 'stopped', not 'x'"),
        ({"name": "a", "dose": "b", "sicne": "x"}, "medication.sicne is not one of its fields"),
        ({"name": "a", "dose": float("nan")}, "metadata must be plain JSON values"),
        ({"name": "a", "dose": b"b"}, "metadata must be plain JSON values"),
        (["name"], "metadata is a mapping"),
    ],
)
@pytest.mark.parametrize("verb", ["remember", "remember_many", "revise"])
def test_a_field_that_is_not_as_defined_is_named_and_nothing_is_kept(
    mem: Memory, verb: str, metadata: Any, says: str
) -> None:
    record = take(mem, "metoprolol", "50 mg")
    if verb == "revise" and metadata is None:
        return  # keeps the old version's
    with pytest.raises((TypeError, ValueError)) as caught:
        if verb == "remember":
            mem.remember("some text", kind="medication", metadata=metadata)
        elif verb == "revise":
            mem.revise(record.id, "some text", metadata=metadata)
        else:
            mem.remember_many(["fine", {"kind": "medication", "metadata": metadata}])
    assert says in str(caught.value)
    assert ("item 1: " in str(caught.value)) == (verb == "remember_many")
    assert mem.list() == [record]


def test_metadata_of_any_depth_is_kept_or_refused(mem: Memory) -> None:
    """Where the stack ends within one of the steps, too."""
    mem.define("free", {"properties": {"a": {}}, "required": ["a"]}, key="a")
    for depth in (10, *range(600, 1_000), 5_000):
        value: list[Any] = []
        for _ in range(depth):
            value = [value]
        try:
            kinds.drafted({"free": mem.kinds()[1]}, "x", Scope(), now=0, kind="free", metadata={"a": value})
        except ValueError as error:
            assert "nested too deep" in str(error) or "maximum recursion depth" in str(error)


def test_other_kinds_are_as_free_as_before(mem: Memory) -> None:
    assert mem.remember("x", kind="diary", metadata={"dose": 5}).metadata == {"dose": 5}
    for text in (None, 5, ""):
        with pytest.raises((TypeError, ValueError), match="the text is"):
            mem.remember(text, kind="diary")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="item 0: the text is a string; only"):
        mem.remember_many([{"kind": "diary"}])


def test_a_definition_that_changes_while_a_record_is_encoded_is_heeded(path: Path) -> None:
    class Slow(TinyEncoder):
        def encode(self, texts: Any) -> Any:
            with Memory(path, encoder=TinyEncoder()) as other:
                other.define("medication", {"properties": {"dose": {"type": "number"}}})
            return super().encode(texts)

    with Memory(path, encoder=Slow()) as memory:
        memory.define("medication", Medication)
        with pytest.raises(StorageError, match="'medication' was defined anew at this moment; repeat the call"):
            take(memory, "metoprolol", "50 mg")
        with pytest.raises(ValueError, match=r"medication.dose is of type number"):
            take(memory, "metoprolol", "50 mg")
        assert memory.list() == []


# -- text


def test_a_text_is_made_of_the_searchable_fields(mem: Memory) -> None:
    assert mem.remember(kind="case", metadata=ROE).text == "name: Roe v. Wade; issues: privacy, abortion"
    (found,) = mem.recall("privacy", k=1, kinds=["case"])
    assert found.metadata == ROE


def test_a_text_is_made_of_all_fields_where_none_is_said_to_be_searchable(mem: Memory) -> None:
    since = mem.remember(kind="medication", metadata={"since": date(2026, 1, 12), "dose": "5 mg", "name": "x"})
    assert since.text == "name: x; dose: 5 mg; since: 2026-01-12"
    mem.define("free", {})
    assert mem.remember(kind="free", metadata={"b": 1, "a": True}).text == "a: yes; b: 1"
    with pytest.raises(ValueError, match="the text is empty"):
        mem.remember(kind="free", metadata={"a": None})


def test_a_given_text_stays_and_what_it_lacks_of_the_searchable_is_put_behind_it(mem: Memory) -> None:
    assert mem.remember("The right to privacy", kind="case", metadata=ROE).text == (
        "The right to privacy\nname: Roe v. Wade; issues: privacy, abortion"
    )
    assert take(mem, "metoprolol", "50 mg", text="My heart pills").text == "My heart pills"


def test_a_revision_makes_its_text_of_the_new_fields(mem: Memory) -> None:
    old = take(mem, "metoprolol", "50 mg")
    new = mem.revise(old.id, metadata={"name": "metoprolol", "dose": "75 mg"})
    assert new.text == "name: metoprolol; dose: 75 mg"
    assert mem.revise(new.id, "Half of it in the evening").metadata == new.metadata
    note = mem.remember("plain")
    with pytest.raises(TypeError, match="the text is a string; only"):
        mem.revise(note.id)


# -- where


def test_records_are_filtered_by_their_fields(mem: Memory) -> None:
    mem.remember_many(
        {"kind": "case", "metadata": {"name": name, "citation": f"{number} U.S. 1", "year": year}}
        for name, number, year in (("A v. B", 1, 1900), ("C v. D", 2, 1950), ("E v. F", 3, 2000))
    )
    take(mem, "aspirin", "1 g", text="for A")
    assert {hit.metadata["name"] for hit in mem.recall("v", kinds=["case"], where={"year": {"gte": 1950}})} == {
        "C v. D",
        "E v. F",
    }
    assert [record.metadata["name"] for record in mem.list(where={"citation": "1 U.S. 1"})] == ["A v. B"]


# -- keys


def test_a_record_takes_the_place_of_the_one_with_its_key(mem: Memory, clock: list[str]) -> None:
    first = take(mem, "metoprolol", "50 mg", at=MARCH)
    other = take(mem, "aspirin", "100 mg", at=MARCH)
    second = take(mem, "metoprolol", "75 mg", at=APRIL)
    assert second.supersedes == first.id
    assert mem.list() == [second, other]
    assert [record.id for record in mem.history(first.id)] == [first.id, second.id]
    assert doses(mem, as_of="2026-03-15") == ["100 mg", "50 mg"]
    assert doses(mem, as_of=APRIL) == ["100 mg", "75 mg"]
    assert [hit.id for hit in mem.recall("metoprolol 50", k=1)] == [second.id]


def test_the_same_fields_again_change_nothing(mem: Memory) -> None:
    said = take(mem, "metoprolol", "50 mg", text="My heart pills")
    for again in ({}, {"at": MARCH}, {"speaker": "Dr. Wu", "source": "letter"}, {"text": "My heart pills"}):
        assert take(mem, "metoprolol", "50 mg", **again) == said
    assert len(mem.history(said.id)) == 1
    assert take(mem, "metoprolol", "50 mg", text="For the heart").supersedes == said.id  # another text is news


def test_a_value_may_come_back(mem: Memory) -> None:
    ids = [take(mem, "metoprolol", dose).id for dose in ("50 mg", "75 mg", "50 mg")]
    assert [(r.id, r.metadata["dose"]) for r in mem.history(ids[0])] == list(
        zip(ids, ("50 mg", "75 mg", "50 mg"), strict=True)
    )
    assert doses(mem) == ["50 mg"]


def test_one_call_may_say_a_key_several_times(mem: Memory) -> None:
    texts = [("a", "1"), ("b", "1"), ("a", "2"), ("a", "1"), ("b", "1")]
    records = mem.remember_many({"kind": "medication", "metadata": {"name": n, "dose": d}} for n, d in texts)
    assert [(r.metadata["name"], r.metadata["dose"]) for r in records] == texts
    assert len({record.id for record in records}) == 4
    assert len(mem.history(records[0].id)) == 3


def test_a_key_is_of_one_user_agent_and_session(mem: Memory) -> None:
    take(mem, "metoprolol", "1")
    for scope in ({"user": "bob"}, {"agent": "nurse"}, {"session": "s"}):
        assert take(mem, "metoprolol", "2", **scope).supersedes is None
        assert take(mem, "metoprolol", "3", **scope).supersedes is not None
    assert doses(mem) == ["1", "3", "3"] and doses(mem, user="bob") == ["3"]


def test_equal_numbers_are_one_key_and_a_truth_value_is_another(mem: Memory) -> None:
    mem.define("n", {"properties": {"n": {}, "x": {}}, "required": ["n"]}, key="n")
    first = mem.remember(kind="n", metadata={"n": 1})
    assert mem.remember(kind="n", metadata={"n": 1.0}) == first
    assert mem.remember(kind="n", metadata={"n": 1.0, "x": 2}).supersedes == first.id
    assert mem.remember(kind="n", metadata={"n": True}).supersedes is None
    assert mem.remember(kind="n", metadata={"n": "1"}).supersedes is None


def test_a_key_may_have_several_fields(mem: Memory) -> None:
    mem.define("dose", Medication, key=["name", "dose"])
    one = mem.remember(kind="dose", metadata={"name": "a", "dose": "b"})
    assert mem.remember(kind="dose", metadata={"name": "b", "dose": "a"}).supersedes is None
    assert mem.remember(kind="dose", metadata={"name": "a", "dose": "b", "status": "stopped"}).supersedes == one.id


def test_of_a_single_kind_one_record_holds(mem: Memory) -> None:
    mem.define("profile", {"properties": {"city": {"type": "string"}}}, single=True)
    oslo = mem.remember(kind="profile", metadata={"city": "Oslo"}, at=MARCH)
    rome = mem.remember(kind="profile", metadata={"city": "Rome"})
    assert rome.supersedes == oslo.id
    assert mem.list(kinds=["profile"]) == [rome]
    assert mem.list(kinds=["profile"], as_of=APRIL) == [mem.get(oslo.id)]


def test_what_takes_a_place_holds_from_now_on_or_earlier(mem: Memory) -> None:
    record = take(mem, "metoprolol", "50 mg")
    with pytest.raises(ValueError, match=r"2027-01-01 00:00:00.* is to come"):
        take(mem, "metoprolol", "75 mg", at="2027-01-01")
    assert mem.list() == [record]


def test_a_revision_does_not_take_the_key_of_another_record(mem: Memory) -> None:
    one, two = take(mem, "a", "1"), take(mem, "b", "1")
    with pytest.raises(ValueError, match=f"record {two.id} has this key already"):
        mem.revise(one.id, metadata={"name": "b", "dose": "2"})
    moved = mem.revise(one.id, metadata={"name": "c", "dose": "2"})
    assert moved.supersedes == one.id
    assert take(mem, "a", "3").supersedes is None  # the key is free again
    assert take(mem, "c", "3").supersedes == moved.id


def test_many_writers_of_one_key_leave_one_record_and_all_versions(path: Path) -> None:
    with Memory(path, encoder=TinyEncoder()) as first:
        first.define("medication", Medication, key="name")

    def write(number: int) -> None:
        with Memory(path, encoder=TinyEncoder()) as memory:
            for part in range(5):
                take(memory, "metoprolol", f"{number}.{part}")

    threads = [threading.Thread(target=write, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with Memory(path, encoder=TinyEncoder()) as memory:
        (record,) = memory.list()
        assert len(memory.history(record.id)) == 20
        assert memory.verify() == []


# -- care


def test_what_is_forgotten_frees_its_key_and_leaves_no_word(mem: Memory, path: Path) -> None:
    take(mem, "zqvkxwjmhtrp", "50 mg")
    record = take(mem, "zqvkxwjmhtrp", "75 mg")
    assert mem.forget(record.id).count == 2
    content = b"".join(part.read_bytes() for part in path.parent.glob("kinds.db*"))
    assert b"zqvkxwjmhtrp" not in content
    assert sql(path, "select * from keys") == []
    assert take(mem, "zqvkxwjmhtrp", "50 mg").supersedes is None


def test_rebuild_makes_the_keys_again(path: Path) -> None:
    with Memory(path, encoder=TinyEncoder()) as memory:
        memory.define("medication", Medication, key="name")
        record = take(memory, "metoprolol", "50 mg")
        sql(path, "delete from keys")
        assert memory.verify() == ["1 records have no key; run rebuild"]
        memory.rebuild()
        assert memory.verify() == []
        assert take(memory, "metoprolol", "75 mg").supersedes == record.id


def copied(memory: Memory, path: Path) -> Memory:
    """Return a new memory with the kinds of *memory*, and its records by way of lines of JSON."""
    lines = [json.dumps(line) for record in reversed(memory.list(limit=1_000)) for line in versions(memory, record.id)]
    other = Memory(path, user="ana", encoder=TinyEncoder())
    for kind in memory.kinds():
        other.define(kind.name, json.loads(json.dumps(kind.schema)), key=kind.key, searchable=kind.searchable,
                     single=kind.single)  # fmt: skip
    other.remember_many(json.loads(line) for line in lines)
    return other


def versions(memory: Memory, id: str) -> list[dict[str, Any]]:
    return [
        {"text": each.text, "kind": each.kind, "metadata": each.metadata, "at": each.valid_from.isoformat()}
        for each in memory.history(id)
    ]


WORDS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=8)
TAKEN = st.fixed_dictionaries(
    {"name": st.sampled_from(["a", "b", "Ångström", "{}", "50"]), "dose": WORDS},
    optional={"since": st.dates(), "status": st.sampled_from(["taken", "stopped"])},
)


@settings(max_examples=25, deadline=None, database=None)
@given(st.lists(st.tuples(TAKEN, WORDS | st.none()), max_size=8))
def test_records_survive_the_way_through_lines_of_json(said: list[tuple[dict[str, Any], str | None]]) -> None:
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        days = iter(range(1, 10))
        with Memory(Path(folder) / "a.db", user="ana", encoder=TinyEncoder()) as memory:
            memory.define("medication", Medication, key="name", searchable=["name", "dose"])
            for metadata, text in said:
                text = text if text and text.strip() else None
                memory.remember(text, kind="medication", metadata=metadata, at=f"2026-01-0{next(days)}")
            active = [record.metadata for record in memory.list()]
            assert len({json.dumps(each["name"]) for each in active}) == len(active)
            with copied(memory, Path(folder) / "b.db") as other:
                assert other.kinds() == memory.kinds()
                assert [r.metadata for r in other.list()] == active
                for mine, theirs in zip(memory.list(), other.list(), strict=True):
                    assert versions(other, theirs.id) == versions(memory, mine.id)
                assert other.verify() == []


def test_the_verbs_are_awaited_too(path: Path) -> None:
    async def story() -> list[Kind]:
        async with AsyncMemory(path, encoder=TinyEncoder()) as memory:
            await memory.define("medication", Medication, key="name")
            with pytest.raises(ValueError, match=r"medication.dose is missing"):
                await memory.remember(kind="medication", metadata={"name": "a"})
            return await memory.kinds()

    assert [kind.key for kind in asyncio.run(story())] == [("name",)]


def test_the_fields_of_a_record_are_no_evidence_and_stay_none_after_a_rebuild(mem: Memory) -> None:
    mem.define("caption", {"properties": {"line": {"type": "string"}}}, searchable="line")
    mem.remember("I live in Porto. My email is a@example.com.", kind="caption", metadata={})
    assert mem.facts() == []
    mem.rebuild()
    assert mem.facts() == []
