"""Copies of a memory that went apart and come together again; `bench mesh` does it in every order."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import apsw
import pytest
from conftest import TinyEncoder
from hypothesis import given
from hypothesis import strategies as st

from agentmem import Memory, MergeReport, ModelError, OpenError, StorageError, changes, meta, schema, store, tables
from agentmem.encoder import Encoding
from agentmem.merge import _joined
from agentmem.scope import Scope, within
from bench import mesh
from bench.mesh import state

START = 1_700_000_000_000
HOUR = 3_600_000
DAY = 24 * HOUR


class Counting(TinyEncoder):
    """Counts what it encodes."""

    def __init__(self, id: str = "tiny") -> None:
        self.id = id
        self.count = 0

    def encode(self, texts: Sequence[str]) -> list[Encoding]:
        self.count += len(texts)
        return super().encode(texts)


class Pair:
    """Two files that begin as one."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.now = folder, START
        self.a = self.open("a")

    def open(self, name: str, skew: int = 0, encoder: TinyEncoder | None = None) -> Memory:
        def now() -> int:
            self.now += 1
            return self.now + skew

        return Memory(self.folder / f"{name}.db", encoder=encoder or TinyEncoder(), now=now)

    def copy(self, name: str = "b", skew: int = 0) -> Memory:
        """Copy the file of a, as `cp` does, and open the copy."""
        assert self.a._db.empty_log()
        shutil.copyfile(self.a._db.path, self.folder / f"{name}.db")
        return self.open(name, skew)


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Pair]:
    pair = Pair(tmp_path)
    with pair.a:
        yield pair


def exchange(*memories: Memory) -> list[MergeReport]:
    """Let all take in all until nothing comes any more, check that they hold the same, and return the reports."""
    reports: list[MergeReport] = []
    for _ in range(4):
        reports += [a.merge(b._db.path) for a in memories for b in memories if a is not b]
    first = state(memories[0])
    for memory in memories:
        assert state(memory) == first
        assert memory.verify() == []
    assert not (reports[-1].added or reports[-1].changed or reports[-1].forgotten or reports[-1].other)
    return reports


def texts(memory: Memory, **narrow: Any) -> list[str]:
    return sorted(record.text for record in memory.list(limit=1_000, **narrow))


# -- what comes together --------------------------------------------------------------------------------------------


def test_each_side_gets_what_the_other_wrote(pair: Pair) -> None:
    pair.a.remember("before")
    b = pair.copy()
    pair.a.remember("on a", user="ana", metadata={"n": 1})
    b.remember("on b", session="s", agent="helper")
    into, back, *_ = exchange(pair.a, b)
    assert (into.added, back.added, into.conflicts) == (1, 1, ())
    assert texts(pair.a) == texts(b) == ["before", "on b"]
    assert [r.metadata for r in b.list(user="ana")] == [{"n": 1}]


def test_two_memories_that_never_were_one_come_together_too(pair: Pair) -> None:
    other = pair.open("other")
    pair.a.remember("from a")
    other.remember("from the other")
    exchange(pair.a, other)
    assert texts(other) == ["from a", "from the other"]


def test_a_memory_without_a_file_takes_in_one(pair: Pair) -> None:
    pair.a.remember("in a file")
    with Memory(":memory:", encoder=TinyEncoder()) as memory:
        memory.merge(pair.a._db.path)
        assert texts(memory) == ["in a file"]


def test_what_came_is_found_at_once(pair: Pair) -> None:
    pair.a.remember("old news")
    b = pair.copy()
    assert len(pair.a.recall("news about herons")) == 1  # the index is in memory
    b.remember("news about herons")
    pair.a.merge(b._db.path)
    assert pair.a.recall("news about herons")[0].text == "news about herons"


def test_of_two_revisions_the_later_holds_and_the_other_is_history(pair: Pair) -> None:
    first = pair.a.remember("Ana lives in Porto")
    b = pair.copy()
    lost = pair.a.revise(first.id, "Ana lives in Oslo")
    kept = b.revise(first.id, "Ana lives in Bergen")
    into, back, *_ = exchange(pair.a, b)
    (conflict,) = into.conflicts
    assert (conflict.why, conflict.lost, conflict.kept) == ("revised twice", lost.id, kept.id)
    assert back.conflicts == ()  # it was decided
    for memory in (pair.a, b):
        assert texts(memory) == ["Ana lives in Bergen"]
        history = memory.history(kept.id)
        assert {r.text for r in history} == {"Ana lives in Porto", "Ana lives in Oslo", "Ana lives in Bergen"}
        assert [r.text for r in memory.list(as_of=lost.valid_from)] == ["Ana lives in Oslo"]


def test_a_revision_of_what_came_wins_though_its_clock_is_days_behind(pair: Pair) -> None:
    slow = pair.copy(skew=-3 * DAY)
    first = pair.a.remember("one")
    slow.merge(pair.a._db.path)
    slow.revise(first.id, "two")
    exchange(pair.a, slow)
    assert texts(pair.a) == ["two"]


def test_the_same_words_on_both_sides_are_one_record_with_two_versions(pair: Pair) -> None:
    b = pair.copy()
    one, other = pair.a.remember("I like herons"), b.remember("I like herons")
    into, *_ = exchange(pair.a, b)
    assert into.duplicates == 1 and into.conflicts == ()
    assert texts(pair.a) == ["I like herons"]
    assert sorted(b.forget(one.id).ids) == sorted([one.id, other.id])
    exchange(pair.a, b)
    assert pair.a.list() == []


def test_a_chat_that_both_imported_is_there_once_in_its_order(pair: Pair) -> None:
    b = pair.copy()
    chat = [{"role": "user", "content": f"turn {i}", "at": START + i} for i in range(5)]
    pair.a.observe(chat, session="s")
    pair.now += HOUR
    turns = b.observe([{"role": "user", "content": "began earlier here", "at": START - 1}, *chat], session="s")
    exchange(pair.a, b)
    assert texts(pair.a, session="s") == sorted(turn.text for turn in turns)
    with b._db.read() as connection:
        places = connection.execute(
            "select position from records where status = 'active' and position is not null order by position"
        ).fetchall()
    assert [place for (place,) in places] == list(dict.fromkeys(place for (place,) in places))


def test_an_import_does_not_bring_back_what_was_revised_elsewhere(pair: Pair) -> None:
    turn = {"role": "user", "content": "I live in Porto", "at": START - DAY}
    b = pair.copy()
    (first,) = b.observe([turn], session="s")
    b.revise(first.id, "I live in Oslo")
    pair.a.observe([turn], session="s")
    exchange(pair.a, b)
    assert texts(pair.a, session="s") == ["I live in Oslo"]


def test_what_is_said_again_after_a_change_is_news(pair: Pair) -> None:
    first = pair.a.remember("I drink tea")
    b = pair.copy()
    b.revise(first.id, "I drink coffee")
    exchange(pair.a, b)
    b.remember("I drink tea")
    exchange(pair.a, b)
    assert texts(pair.a) == ["I drink coffee", "I drink tea"]


def test_of_one_key_the_later_record_holds(pair: Pair) -> None:
    fields = {
        "type": "object",
        "properties": {"name": {"type": "string"}, "n": {"type": "integer"}},
        "required": ["name"],
    }
    pair.a.define("setting", fields, key="name")
    b = pair.copy()
    lost = pair.a.remember(kind="setting", metadata={"name": "volume", "n": 3})
    kept = b.remember(kind="setting", metadata={"name": "volume", "n": 5})
    into, *_ = exchange(pair.a, b)
    assert [(c.why, c.lost, c.kept) for c in into.conflicts] == [("same key", lost.id, kept.id)]
    assert [r.metadata["n"] for r in pair.a.list()] == [5]
    assert pair.a.remember(kind="setting", metadata={"name": "volume", "n": 6}).supersedes == kept.id


def test_of_a_kind_that_both_defined_the_later_definition_holds(pair: Pair) -> None:
    b = pair.copy()
    pair.a.define("case", {"type": "object", "properties": {"a": {"type": "string"}}})
    b.define("case", {"type": "object", "properties": {"b": {"type": "string"}}, "required": ["b"]}, key="b")
    record = pair.a.remember(kind="case", metadata={"a": "x"})
    into, *_ = exchange(pair.a, b)
    assert [kind.key for kind in pair.a.kinds()] == [("b",)]
    (conflict,) = into.conflicts
    assert (conflict.what, conflict.key, conflict.why) == ("kinds", "case", "written twice")
    assert '"a"' in json.loads(conflict.lost)["schema"]
    assert b.get(record.id).metadata == {"a": "x"}  # it does not fit, and is kept


def test_of_what_is_changed_in_a_record_the_later_value_holds(pair: Pair) -> None:
    record = pair.a.remember("herons")
    b = pair.copy()
    for memory, trust, importance in ((pair.a, 0.2, 0.9), (b, 0.4, 0.5), (pair.a, 0.6, 0.5)):
        with memory._db.transaction() as connection:
            stamp = memory._db.stamp(connection)
            store.change(connection, "trust", {1: trust}, stamp)
            store.change(connection, "importance", {1: importance}, stamp)
    b.recall("herons")
    exchange(pair.a, b)
    assert (b.get(record.id).trust, b.get(record.id).importance) == (0.6, 0.5)


def test_turns_stand_in_the_order_in_which_they_were_said(pair: Pair) -> None:
    pair.a.observe([{"role": "user", "content": "start"}], session="s")
    b = pair.copy()
    for number in range(3):
        for memory, name in ((pair.a, "a"), (b, "b")):
            memory.observe([{"role": "user", "content": f"{number} {name}"}], session="s")
    exchange(pair.a, b)
    with pair.a._db.read() as connection:
        rows = connection.execute("select text, position from records order by position").fetchall()
    said = ["start", *(f"{number} {name}" for number in range(3) for name in "ab")]
    assert rows == list(zip(said, range(1, 8), strict=True))


def test_neighbours_of_a_turn_are_right_in_an_index_that_was_in_memory(pair: Pair) -> None:
    pair.a.observe([{"role": "user", "content": "zero"}], session="s")
    b = pair.copy()
    b.observe([{"role": "user", "content": "one"}], session="s")
    pair.a.observe([{"role": "user", "content": "two"}], session="s")
    pair.a.recall("zero")
    pair.a.merge(b._db.path)
    with pair.a._db.read() as connection:
        view = pair.a._recalling()._index.view(connection, within(Scope(session="s")))
        assert sorted(view.roster(view.ids()).position.tolist()) == [1, 2, 3]


# -- forgetting -----------------------------------------------------------------------------------------------------


def in_file(memory: Memory, words: str) -> bool:
    path = Path(memory._db.path)
    return any(words.encode() in p.read_bytes() for p in (path, Path(f"{path}-wal")) if p.exists())


def test_forgetting_wins_against_a_revision_and_leaves_no_byte(pair: Pair) -> None:
    first = pair.a.remember("zqvkxwjmhtrpgznk")
    b = pair.copy()
    pair.a.forget(first.id)
    revised = b.revise(first.id, "wvxkqjzphmtgrnwz")
    c = pair.open("c")
    c.merge(b._db.path)
    exchange(pair.a, b, c)
    assert pair.a.list() == b.list() == c.list() == []
    for memory in (pair.a, b, c):
        assert not in_file(memory, "zqvkxwjmhtrpgznk") and not in_file(memory, "wvxkqjzphmtgrnwz")
        with memory._db.read() as connection:
            gone = {row[0] for row in connection.execute("select uid from tombstones")}
        assert gone == {first.id, revised.id}


def test_what_was_forgotten_goes_where_it_was_said_by_itself(pair: Pair) -> None:
    b = pair.copy()
    gone = pair.a.remember("zqvkxwjmhtrpgznk").id
    b.remember("zqvkxwjmhtrpgznk")
    pair.a.forget(gone)
    b.merge(pair.a._db.path)
    assert b.list() == [] and not in_file(b, "zqvkxwjmhtrpgznk")
    pair.a.merge(b._db.path)
    assert pair.a.list() == []


def test_what_was_forgotten_does_not_come_from_where_it_was_said_by_itself(pair: Pair) -> None:
    b = pair.copy()
    said = b.remember("zqvkxwjmhtrpgznk")
    later = b.revise(said.id, "wvxkqjzphmtgrnwz")
    pair.a.forget(pair.a.remember("zqvkxwjmhtrpgznk").id)
    pair.a.merge(b._db.path)
    assert pair.a.list() == [] and not in_file(pair.a, "zqvkxwjmhtrpgznk") and not in_file(pair.a, "wvxkqjzphmtgrnwz")
    exchange(pair.a, b)
    with b._db.read() as connection:
        assert {said.id, later.id} < {row[0] for row in connection.execute("select uid from tombstones")}


def test_forgetting_travels_without_the_older_thing_that_says_the_same(pair: Pair) -> None:
    first = pair.a.remember("I drink tea")
    pair.a.revise(first.id, "I drink coffee")
    again = pair.a.remember("I drink tea")
    b = pair.copy()
    pair.a.forget(again.id)  # and not the first, which is history of another thing
    b.merge(pair.a._db.path)
    assert texts(b) == ["I drink coffee"] and len(b.history(first.id)) == 2
    exchange(pair.a, b)


def test_what_is_said_again_after_it_was_forgotten_stays(pair: Pair) -> None:
    b = pair.copy()
    pair.a.forget(pair.a.remember("zqvkxwjmhtrpgznk").id)
    pair.now += HOUR
    b.remember("zqvkxwjmhtrpgznk")
    exchange(pair.a, b)
    assert texts(pair.a) == ["zqvkxwjmhtrpgznk"]


def test_forgetting_a_thing_leaves_the_older_one_that_was_known_to_be_another(pair: Pair) -> None:
    first = pair.a.remember("I drink tea")
    pair.a.revise(first.id, "I drink coffee")
    again = pair.a.remember("I drink tea")
    pair.a.forget(again.id)
    b = pair.open("b")
    exchange(pair.a, b)
    assert texts(b) == ["I drink coffee"] and len(b.history(first.id)) == 2


def test_what_is_swept_goes_alone_on_every_side(pair: Pair) -> None:
    first = pair.a.remember("zqvkxwjmhtrpgznk")
    b, c = pair.copy(), pair.copy("c")
    b.revise(first.id, "one")
    pair.a.revise(first.id, "two")
    pair.a.sweep(superseded=True)
    exchange(pair.a, b, c)
    assert texts(b) == texts(c) == ["two"]
    for memory in (pair.a, b, c):
        assert not in_file(memory, "zqvkxwjmhtrpgznk")
        assert {r.text for r in memory.history(memory.list()[0].id)} == {"one", "two"}
    pair.a.forget(pair.a.list()[0].id)
    exchange(pair.a, b, c)
    with b._db.read() as connection:
        assert connection.execute("select count(*) from records").get == 0


def test_vectors_of_ones_own_come_with_a_record(pair: Pair) -> None:
    b = pair.copy()
    record = pair.a.remember("herons")
    pair.a.attach({record.id: [[1.0, 2.0, 3.0]]})
    b.merge(pair.a._db.path)
    assert b.nearest([1.0, 2.0, 3.0])[0].id == record.id


def test_grants_travel_and_so_does_their_end(pair: Pair) -> None:
    b = pair.copy()
    pair.a.remember("of ana", user="ana")
    given = pair.a.grant(to="ben", user="ana")
    exchange(pair.a, b)
    assert [r.text for r in b.list(user="ben")] == ["of ana"]
    b.revoke(given.id, user="ana")
    exchange(pair.a, b)
    assert pair.a.list(user="ben") == []


def test_an_old_backup_does_not_bring_back_what_was_forgotten(pair: Pair) -> None:
    id = pair.a.remember("zqvkxwjmhtrpgznk").id
    pair.a.backup(pair.folder / "old.db")
    pair.a.forget(id)
    pair.a.merge(pair.folder / "old.db")
    assert pair.a.list() == [] and not in_file(pair.a, "zqvkxwjmhtrpgznk")


# -- devices --------------------------------------------------------------------------------------------------------


def stamps(memory: Memory) -> dict[tuple[int, str], str]:
    with memory._db.read() as connection:
        rows = connection.execute("select r.hlc, d.uid, r.uid from records as r join devices as d on d.id = r.device")
        return {(hlc, device): uid for hlc, device, uid in rows}


def test_a_plain_copy_writes_as_another_device_while_the_original_lives_on(pair: Pair) -> None:
    pair.a.remember("before")
    b = pair.copy()
    frozen = pair.now
    pair.a.remember("on a")
    pair.now = frozen  # the very same moment
    b.remember("on b")
    one, other = stamps(pair.a), stamps(b)
    assert all(one[stamp] == other[stamp] for stamp in one.keys() & other.keys())
    exchange(pair.a, b)
    assert texts(b) == ["before", "on a", "on b"]


@pytest.mark.parametrize("way", [shutil.copyfile, shutil.copy2, os.replace])
def test_an_old_state_put_back_in_place_writes_as_another_device(pair: Pair, way: Callable[..., Any]) -> None:
    """The trap: after it the same stamps would be used again, and what they name would never travel."""
    pair.a.remember("before")
    b = pair.copy()
    saved = pair.folder / "saved.db"
    assert pair.a._db.empty_log()
    shutil.copy2(pair.a._db.path, saved)
    frozen = pair.now
    pair.a.remember("lost by the old state")
    b.merge(pair.a._db.path)
    pair.a.close()
    way(saved, pair.folder / "a.db")
    pair.now = frozen
    pair.a = pair.open("a")
    pair.a.remember("written after the old state")
    exchange(pair.a, b)
    assert texts(b) == ["before", "lost by the old state", "written after the old state"]


def test_one_program_stays_one_device_however_often_it_opens_the_file(pair: Pair) -> None:
    for number in range(5):
        with pair.open("often") as memory:
            memory.remember(f"number {number}")
    with memory.__class__(pair.folder / "often.db", encoder=TinyEncoder()) as memory, memory._db.read() as connection:
        assert connection.execute("select count(*) from devices").get == 1


def test_a_write_that_is_undone_uses_no_stamp_twice(pair: Pair) -> None:
    pair.a.remember("kept")
    with pytest.raises(RuntimeError), pair.a._db.transaction() as connection:
        first = pair.a._db.stamp(connection)
        raise RuntimeError
    with pair.a._db.transaction() as connection:
        assert pair.a._db.stamp(connection).device == first.device
        assert pair.a._db.stamp(connection).hlc > first.hlc
        assert connection.execute("select count(*) from devices").get == 1


def test_devices_whose_clock_is_off_are_named(pair: Pair) -> None:
    ahead, behind = pair.copy("ahead", 2 * DAY), pair.copy("behind", -HOUR)
    pair.a.remember("now")
    record = ahead.remember("later")
    (skew,) = pair.a.merge(ahead._db.path).clocks
    assert skew.record == record.id and skew.seconds == pytest.approx(2 * 86_400, abs=60)
    with pair.open("c") as c:
        record = c.remember("now")
        behind.merge(c._db.path)
        late = behind.remember("an hour ago")
        (skew,) = c.merge(behind._db.path).clocks
        assert skew.record == late.id and skew.seconds == pytest.approx(-3600, abs=60)


# -- what it costs --------------------------------------------------------------------------------------------------


def test_vectors_travel_and_nothing_is_encoded(pair: Pair) -> None:
    b = pair.copy()
    pair.a.remember_many([f"herons and storks {number}" for number in range(20)])
    b.close()
    counting = Counting()
    with pair.open("b", encoder=counting) as b:
        assert b.merge(pair.a._db.path).encoded == 0 and counting.count == 0
        assert state(b)["derived"] == state(pair.a)["derived"]


def test_facts_travel(pair: Pair) -> None:
    b = pair.copy()
    pair.a.remember("I live in Oslo", speaker="Ana")
    b.merge(pair.a._db.path)
    assert [(f.predicate, f.object) for f in b.facts("Ana")] == [("lives in", "Oslo")]


def test_vectors_of_another_encoder_are_made_again(pair: Pair) -> None:
    pair.a.remember("I live in Oslo", speaker="Ana", at="2026-05-02")
    counting = Counting("another")
    with pair.open("other", encoder=counting) as other:
        other.remember("mine")
        assert other.merge(pair.a._db.path).encoded == 1
        assert counting.count == 2
        assert other.verify() == []
        assert [f.object for f in other.facts("Ana")] == ["Oslo"]


def test_a_memory_whose_own_vectors_are_another_encoders_says_so(pair: Pair) -> None:
    pair.a.remember("one")
    b = pair.copy()
    pair.a.remember("two")
    pair.a.rebuild()
    b.close()
    with pair.open("b", encoder=Counting("third")) as b, pytest.raises(ModelError), pair.open("x") as x:
        x.close()
        with pair.open("c", encoder=Counting("fourth")) as c:
            c.remember("another's")
        b.merge(pair.folder / "c.db")


def test_nothing_new_costs_nothing(pair: Pair) -> None:
    pair.a.remember_many([f"number {number}" for number in range(50)])
    b = pair.copy()
    b.remember("new")
    pair.a.merge(b._db.path)
    with pair.a._db.read() as connection:
        clock = meta.clock(connection)
    done: list[int] = []
    report = pair.a.merge(b._db.path, progress=done.append)
    assert done == [] and report.added == report.changed == 0
    with pair.a._db.read() as connection:
        assert meta.clock(connection) == clock
    b.remember("one more")
    pair.a.merge(b._db.path, progress=done.append)
    assert done == [1]


def test_changes_are_found_by_indexes(pair: Pair) -> None:
    with pair.a._db.read() as connection:
        changes._note(connection, {})
        plans = [
            row[-1]
            for sql in (
                "from temp.wanted as h cross join records as r on r.device = h.device and r.hlc > h.seen",
                f"from records as r where r.stamps is not null and {tables.CHANGED} > 5",
                "from temp.wanted as h cross join tombstones as r on r.device = h.device and r.hlc > h.seen",
            )
            for row in connection.execute(f"explain query plan select r.uid {sql}")
        ]
    for index in ("records_written", "records_changed", "tombstones_written"):
        assert any(index in plan for plan in plans), plans


# -- tables to come -------------------------------------------------------------------------------------------------


def test_any_table_that_is_named_travels(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    """The later row wins, of two alike that with the lower key stays, and what rests on the forgotten goes."""
    pins = tables.Table("pins", ("uid",), ("record",), ("slot",))
    monkeypatch.setattr(tables, "SYNCED", (*tables.SYNCED, pins))
    record = pair.a.remember("pinned")
    with pair.a._db.transaction() as connection:
        connection.execute("""create table pins (uid text primary key, record text, slot integer unique, note text,
            hlc integer not null, device integer not null references devices (id)) strict""")
    b = pair.copy()

    def pin(memory: Memory, uid: str, slot: int, note: str, on: str | None = None) -> None:
        with memory._db.transaction() as connection:
            stamp = memory._db.stamp(connection)
            row = (uid, on, slot, note, stamp.hlc, stamp.device)
            connection.execute("insert or replace into pins values (?, ?, ?, ?, ?, ?)", row)

    pin(pair.a, "one", 1, "of a")
    pin(b, "one", 1, "of b, later")
    pin(pair.a, "high", 2, "of a")
    pin(b, "above", 2, "of b")
    pin(b, "resting", 3, "on it", on=record.id)
    pair.a.forget(record.id)
    into, *_ = exchange(pair.a, b)
    assert [(c.what, c.key) for c in into.conflicts] == [("pins", "one")]
    with pair.a._db.read() as connection:
        assert connection.execute("select uid, note from pins order by slot").fetchall() == [
            ("one", "of b, later"), ("above", "of b"),
        ]  # fmt: skip


# -- broken off -----------------------------------------------------------------------------------------------------


def test_a_merge_that_broke_off_is_finished_by_the_next(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(changes, "BATCH", 2)
    b = pair.copy()
    pair.a.remember_many([f"number {number}" for number in range(10)])
    with pytest.raises(InterruptedError):
        b.merge(pair.a._db.path, progress=raising(after=4))
    assert len(b.list()) == 4
    b.merge(pair.a._db.path)
    assert len(b.list()) == 10
    exchange(pair.a, b)


def raising(after: int) -> Callable[[int], None]:
    def progress(done: int) -> None:
        if done >= after:
            raise InterruptedError

    return progress


def test_what_came_before_a_merge_broke_off_is_passed_on(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file that it came from may be gone by then."""
    monkeypatch.setattr(changes, "BATCH", 2)
    b = pair.copy()
    c = pair.copy("c")
    pair.a.remember_many([f"number {number}" for number in range(10)])
    with pytest.raises(InterruptedError):
        b.merge(pair.a._db.path, progress=raising(after=4))
    c.merge(b._db.path)
    assert len(c.list()) == 4
    exchange(pair.a, b, c)
    assert len(c.list()) == 10


# -- the other file -------------------------------------------------------------------------------------------------


def test_the_other_file_is_left_untouched(pair: Pair) -> None:
    b = pair.copy()
    b.remember("new")
    b.close()
    path = pair.folder / "b.db"
    before, listed = path.read_bytes(), sorted(pair.folder.iterdir())
    path.chmod(0o400)
    pair.a.merge(path)
    assert path.read_bytes() == before
    assert sorted(pair.folder.iterdir()) == listed


def test_a_file_of_an_older_schema_is_taken_in(pair: Pair) -> None:
    """It says nothing of what it has seen, so that all of it is looked at, each time."""
    first = pair.a.remember("before")
    b = pair.copy()
    b.revise(first.id, "after")
    gone = b.remember("forgotten").id
    b.forget(gone)
    b.close()
    connection = sqlite3.connect(pair.folder / "b.db")
    for index in ("records_written", "records_changed", "tombstones_written"):
        connection.execute(f"drop index {index}")
    for table in ("policies", "kept_out", "quarantine", "topics"):
        connection.execute(f"drop table {table}")
    for column in ("began", "seen", "partly"):
        connection.execute(f"alter table devices drop column {column}")
    for column in ("reach", "alone"):
        connection.execute(f"alter table tombstones drop column {column}")
    connection.execute("pragma user_version = 5")
    connection.commit()
    connection.close()
    for _ in range(2):
        pair.a.merge(pair.folder / "b.db")
        assert texts(pair.a) == ["after"] and pair.a.verify() == []
    with pair.open("b") as b:  # which brings it to the present schema
        exchange(pair.a, b)
        assert texts(b) == ["after"]


def test_a_file_of_a_newer_schema_is_refused_before_anything_is_taken(pair: Pair) -> None:
    b = pair.copy()
    b.remember("new")
    b.close()
    edit(pair.folder / "b.db", f"pragma user_version = {schema.newest() + 1}")
    with pytest.raises(OpenError, match="pip install -U"):
        pair.a.merge(pair.folder / "b.db")
    assert pair.a.list() == []


def edit(path: Path, *statements: str) -> None:
    connection = apsw.Connection(str(path))
    for statement in statements:
        connection.execute(statement)
    connection.close()


@contextmanager
def hostile(pair: Pair, *statements: str) -> Iterator[Path]:
    """Lend another memory's file that somebody has edited; taking it in must change nothing, and say why."""
    pair.a.remember("mine")
    b = pair.copy()
    b.observe([{"role": "user", "content": f"theirs {i}"} for i in range(3)], session="s")
    b.close()
    edit(pair.folder / "b.db", *statements)
    before = state(pair.a)
    yield pair.folder / "b.db"
    assert state(pair.a) == before
    assert pair.a.verify() == []
    assert pair.a.remember("goes on").text == "goes on"


@pytest.mark.parametrize(
    "statement",
    [
        "update records set hlc = 9223372036854775807",
        "alter table records rename to others; create view records as select * from others",
        "drop table records_fts; alter table records rename to others; create table records (uid, hlc, device)",
        "drop table tombstones",
        """update records set stamps = '{"status": 7}'""",
        """update records set stamps = '{"status": [9223372036854775807, "x"]}'""",
        "update devices set uid = 'x' || uid; update records set device = 99",
    ],
)
def test_a_hostile_file_is_refused(pair: Pair, statement: str) -> None:
    off = "pragma foreign_keys = off; pragma ignore_check_constraints = on; pragma writable_schema = on; "
    with hostile(pair, off + statement) as path:
        if statement.startswith("update devices"):
            pair.a.merge(path)  # rows of nobody are no rows
        else:
            with pytest.raises((StorageError, OpenError)):
                pair.a.merge(path)


def test_views_and_triggers_of_the_other_file_are_not_run(pair: Pair) -> None:
    pair.a.remember("mine")
    b = pair.copy()
    b.remember("theirs")
    b.close()
    edit(
        pair.folder / "b.db",
        "drop view memories",
        "create view memories as with recursive n(i) as (select 1 union all select i + 1 from n) select i from n",
        "create trigger t after insert on records begin delete from records; end",
    )
    pair.a.merge(pair.folder / "b.db")
    assert texts(pair.a) == ["mine", "theirs"]


@pytest.mark.parametrize(
    ("content", "error"),
    [(b"", "empty"), (b"no database" * 999, "not an SQLite file"), (None, "does not exist")],
)
def test_what_is_no_memory_is_refused(pair: Pair, content: bytes | None, error: str) -> None:
    path = pair.folder / "other.db"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(OpenError, match=error):
        pair.a.merge(path)
    if content is not None:
        assert path.read_bytes() == content


def test_another_programs_database_is_refused(pair: Pair) -> None:
    edit(pair.folder / "other.db", "create table t (x)")
    with pytest.raises(OpenError, match="another program"):
        pair.a.merge(pair.folder / "other.db")


def test_a_cut_file_is_refused(pair: Pair) -> None:
    b = pair.copy()
    b.remember_many([f"number {number} " * 20 for number in range(100)])
    b.close()
    path = pair.folder / "b.db"
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises((StorageError, OpenError)):
        pair.a.merge(path)


def test_a_memory_does_not_merge_with_itself(pair: Pair) -> None:
    with pytest.raises(ValueError, match="this memory itself"):
        pair.a.merge(pair.a._db.path)


# -- registers ------------------------------------------------------------------------------------------------------

WRITES = st.tuples(st.integers(1, 4), st.sampled_from("abc"))  # clock and device; the value follows from them
COLUMNS = {"valid_to": lambda hlc, device: 10 * hlc % 7 + ord(device), "importance": lambda hlc, device: hlc % 3}


def row_of(writes: dict[str, tuple[int, str]]) -> dict[str, Any]:
    row: dict[str, Any] = dict.fromkeys(tables.REGISTERS) | {"hlc": 0, "device": "a", "importance": 9, "stamps": {}}
    for name, write in writes.items():
        row[name] = COLUMNS[name](*write)
        row["stamps"][name] = list(write)
    return row


@given(st.lists(st.dictionaries(st.sampled_from(sorted(COLUMNS)), WRITES), min_size=3, max_size=3))
def test_columns_of_a_record_come_together_in_any_order(writes: list[dict[str, tuple[int, str]]]) -> None:
    def join(one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
        return {**one, **_joined(one, other)}

    a, b, c = map(row_of, writes)

    def values(row: dict[str, Any]) -> list[Any]:
        return [row[name] for name in COLUMNS]

    assert values(join(a, b)) == values(join(b, a))
    assert values(join(join(a, b), c)) == values(join(a, join(b, c)))
    assert join(join(a, b), b) == join(a, b)
    for name, (hlc, device) in join(join(a, b), c)["stamps"].items():  # a stamp names the value that was written then
        assert COLUMNS[name](hlc, device) == join(join(a, b), c)[name]
    ends = [row["valid_to"] for row in (a, b, c) if row["valid_to"] is not None]
    assert join(join(a, b), c)["valid_to"] == min(ends, default=None)


# -- in any order ---------------------------------------------------------------------------------------------------


def test_registers_are_those_that_the_index_covers() -> None:
    sql = next(sql for _, sql in schema.migrations() if "records_changed" in sql)
    assert set(tables.REGISTERS) == {part.split("[")[0] for part in sql.split("'$.")[1:]}


def test_in_any_order_with_everything_that_people_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(changes, "BATCH", 3)
    mesh.run(40)


@pytest.mark.parametrize("seed", range(12))
def test_in_an_order_of_its_own(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(changes, "BATCH", 3)
    mesh.wander(seed)
