"""The audit trail: who did what when, never in words; whoever changes it is found out, and forgetting is not."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import apsw
import pytest
from click.testing import CliRunner
from conftest import TinyEncoder
from hypothesis import given, settings
from hypothesis import strategies as st

from agentmem import Memory
from agentmem.doors.cli import main

START = 1_750_000_000_000


@pytest.fixture
def mem(tmp_path: Path) -> Iterator[Memory]:
    with Memory(tmp_path / "m.db", user="ana", encoder=TinyEncoder(), now=lambda: START) as memory:
        yield memory


def did(memory: Memory, **which: Any) -> list[tuple[str, str | None, int]]:
    """Return verb, user and count of each entry, the oldest first."""
    return [(entry.verb, entry.user, entry.count) for entry in reversed(memory.audit(**which))]


def test_every_write_is_noted_with_who_and_which(mem: Memory, tmp_path: Path) -> None:
    one = mem.remember("I live in Oslo", agent="coach")
    mem.remember("I live in Oslo", agent="coach")  # adds nothing
    two = mem.revise(one.id, "I live in Bergen", agent="coach")
    mem.remember_many(["a", {"text": "b", "user": "ben"}, "c"])
    mem.observe([{"content": "hello"}, {"content": "there"}], session="s")
    (tmp_path / "chat.json").write_text(json.dumps([{"role": "user", "content": "hi"}]))
    mem.load(tmp_path / "chat.json")
    mem.correct("lives in", "Bergen")
    mem.define("k", {"properties": {}})
    given = mem.grant(to="ben")
    mem.revoke(given.id)
    mem.forget(where={"never": 1})  # takes nothing
    mem.forget(two.id)
    assert did(mem, everyone=True) == [
        ("remember", "ana", 1), ("revise", "ana", 1), ("remember", "ana", 2), ("remember", "ben", 1),
        ("observe", "ana", 2), ("import", "ana", 1), ("correct", "ana", 1), ("define", "ana", 0), ("grant", "ana", 1),
        ("revoke", "ana", 1), ("forget", "ana", 2),
    ]  # fmt: skip
    entries = mem.audit(everyone=True)
    assert [entry.number for entry in entries] == list(range(11, 0, -1))
    assert entries[-1].agent == "coach" and entries[-1].at == datetime.fromtimestamp(START / 1000, UTC)
    assert (entries[2].to, entries[2].ids) == ("ben", (given.id,))
    assert mem.verify() == []


def test_a_write_that_fails_is_not_noted(mem: Memory) -> None:
    with pytest.raises(ValueError, match="importance"):
        mem.remember_many(["fine"] * 256 + [{"text": "not", "importance": 7}])
    with pytest.raises(ValueError, match="until is over"):
        mem.grant(to="ben", until=1)
    assert did(mem) == [("remember", "ana", 1)]  # the batch before the error is kept


def test_it_holds_no_word_of_what_was_said(mem: Memory, tmp_path: Path) -> None:
    mem.remember("zebraquux is secret", speaker="Zoltanquux", metadata={"key": "valuequux"}, source="filequux")
    mem.recall("zebraquux")
    rows = str(apsw.Connection(str(tmp_path / "m.db")).execute("select * from audit").fetchall())
    assert "quux" not in rows and "secret" not in rows


def test_a_user_sees_what_he_did_and_what_concerns_him(tmp_path: Path) -> None:
    with Memory(tmp_path / "m.db", encoder=TinyEncoder(), audit_reads=True) as memory:
        hers = memory.remember("the boiler is old", user="ana")
        his = memory.remember("the boiler is new", user="ben")
        assert did(memory, user="ana") == [("remember", "ana", 1)]
        memory.grant(to="ben", user="ana")
        assert len(memory.recall("boiler", user="ben")) == 2
        assert did(memory, user="ben") == [("remember", "ben", 1), ("grant", "ana", 1), ("recall", "ben", 2)]
        assert did(memory, user="ana") == [("remember", "ana", 1), ("grant", "ana", 1), ("recall", "ben", 1)]
        assert memory.audit(user="ana")[0].ids == (hers.id,)  # not what else he read
        assert set(memory.audit(user="ben")[0].ids) == {hers.id, his.id}
        assert did(memory, user="cat") == did(memory) == []
        assert did(memory, user="ana", agent="coach") == []


def test_reads_are_noted_where_that_is_asked_for(tmp_path: Path) -> None:
    with Memory(tmp_path / "m.db", user="ana", encoder=TinyEncoder(), audit_reads=True) as memory:
        record = memory.remember("I live in Oslo.")
        memory.recall("Oslo")
        memory.get(record.id)
        memory.list()
        memory.history(record.id)
        memory.stats()
        memory.facts()
        memory.entity()
        memory.neighbours()
        memory.list(limit=0)
        entries = memory.audit()[::-1]
        verbs = ["remember", "recall", "get", "list", "history", "stats", "facts", "entity", "neighbours", "list"]
        assert [entry.verb for entry in entries] == verbs
        assert [entry.ids for entry in entries] == [() if n in (5, 9) else (record.id,) for n in range(10)]
        memory.context("where does Ana live?")
        assert [(entry.verb, entry.ids) for entry in memory.audit()[1::-1]] == [
            ("recall", (record.id,)), ("context", (record.id,))]  # fmt: skip
        assert memory.verify() == []


def test_entries_are_narrowed_by_verb_time_and_place(tmp_path: Path) -> None:
    now = [START]
    with Memory(tmp_path / "m.db", encoder=TinyEncoder(), now=lambda: now[0]) as memory:
        for number in range(5):
            now[0] = START + number
            memory.remember(f"number {number}")
        memory.forget(memory.list()[0].id)
        assert did(memory, verbs=["forget"]) == [("forget", "", 1)] and did(memory, verbs=[]) == []
        assert [e.number for e in memory.audit(since=START + 1, until=START + 3)] == [3, 2]
        assert [e.number for e in memory.audit(limit=2, offset=1)] == [5, 4]
        for wrong in ({"verbs": "forget"}, {"everyone": 1}):
            with pytest.raises(TypeError):
                memory.audit(**wrong)


# -- the chain ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ("update audit set count = 7 where id = 3", "breaks at entry 3: it was changed"),
        ("update audit set at = at + 1 where id = 3", "breaks at entry 3: it was changed"),
        ("update audit set verb = 'recall' where id = 3", "breaks at entry 3: it was changed"),
        ("update audit set names = '{}' where id = 3", "breaks at entry 3: it was changed"),
        ("update audit set ids = '[]' where id = 3", "breaks at entry 3: it was changed"),
        ("update audit set names = replace(names, 'ana', 'bob') where id = 3", "breaks at entry 3: it was changed"),
        ("update audit set names = '[]' where id = 3", "constraint"),
        ("update audit set names = '{\"user\": 7}' where id = 3", "breaks at entry 3: it was changed"),
        ("update audit set hash = zeroblob(32) where id = 6", "breaks at entry 6: it was changed"),
        ("delete from audit where id = 3", "breaks at entry 3: 1 are missing"),
        ("delete from audit where id in (1, 2)", "breaks at entry 1: 2 are missing"),
        ("delete from audit where id >= 5", "breaks at entry 5: 2 are missing at its end"),
        ("delete from audit", "breaks at entry 1: 6 are missing at its end"),
    ],
)
def test_what_was_changed_is_found(mem: Memory, tmp_path: Path, change: str, says: str) -> None:
    for number in range(6):
        mem.remember(f"number {number}")
    assert mem.verify() == []
    try:
        apsw.Connection(str(tmp_path / "m.db")).execute(change)
    except apsw.ConstraintError as error:
        assert says in str(error).lower()
        return
    assert any(says in problem for problem in mem.verify()), mem.verify()
    mem.remember("later")  # does not heal it
    assert any(says.removesuffix(" at its end") in problem for problem in mem.verify()), mem.verify()


def test_hiding_what_nobody_forgot_is_found(mem: Memory, tmp_path: Path) -> None:
    from agentmem import audit

    record = mem.remember("number one")
    connection = apsw.Connection(str(tmp_path / "m.db"))
    audit.hide(connection, [record.id], None)
    assert mem.verify() == ["entry 1 of the audit trail hides an id that was never forgotten"]
    mem.forget(record.id)
    assert mem.verify() == []
    mem.remember("number two")
    seal = audit._seal(json.loads(connection.execute("select names from audit where id = 3").get)["user"])
    connection.execute("update audit set names = ? where id = 3", (json.dumps({"user": seal}),))
    assert mem.verify() == ["entry 3 of the audit trail hides a name, and nobody was forgotten since"]


def test_forgetting_takes_ids_out_and_breaks_nothing(mem: Memory, tmp_path: Path) -> None:
    one, two = mem.remember_many(["number one", "number two"])
    assert mem.audit()[0].ids == (one.id, two.id)
    mem.forget(one.id)
    entry = mem.audit()[1]
    assert (entry.ids, entry.count) == ((two.id,), 2)
    assert mem.verify() == []
    rows = str(apsw.Connection(str(tmp_path / "m.db")).execute("select * from audit").fetchall())
    assert one.id not in rows and two.id in rows


def test_forgetting_a_user_or_an_agent_leaves_no_name(tmp_path: Path) -> None:
    path = tmp_path / "m.db"
    with Memory(path, encoder=TinyEncoder()) as memory:
        for agent in ("", "zqvkxcoach", "zqvkxcook"):
            memory.remember(f"number {agent[5:]}", user="zqvkxana", agent=agent)
        memory.grant(to="zqvkxana", to_agent="zqvkxcook", user="ben")
        memory.forget(user="zqvkxana", agent="zqvkxcoach")
        assert b"zqvkxcoach" not in path.read_bytes() and b"zqvkxana" in path.read_bytes()
        assert [(e.verb, e.user, e.agent) for e in memory.audit(user="zqvkxana")[:2]] == [
            ("forget", "zqvkxana", None),
            ("grant", "ben", None),
        ]
        assert memory.verify() == []
        memory.forget(user="zqvkxana")
        assert b"zqvkx" not in path.read_bytes()
        assert memory.verify() == []
        assert did(memory, everyone=True)[-1] == ("forget", None, 2)
        assert memory.audit(user="zqvkxana") == [] and memory.audit() == []


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["remember", "revise", "forget", "grant", "revoke", "recall", "forget user", "forget agent"]),
        st.integers(0, 3), st.integers(0, 99),
    ),
    max_size=25,
)  # fmt: skip
NAMES = ["zqvkxwa", "wvxkqzb", "kgzxvqc", "xjtqzrd"]


@settings(max_examples=25, deadline=None)
@given(steps=STEPS)
def test_whatever_is_written_and_forgotten_the_chain_holds_and_no_name_is_left(
    steps: list[tuple[str, int, int]],
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "m.db"
        memory = Memory(path, encoder=TinyEncoder(), audit_reads=True, now=lambda: START)
        there: set[str] = set()
        with memory:
            for verb, who, which in steps:
                user, other = NAMES[who], NAMES[(who + 1 + which % 3) % 4]
                agent = f"{user}{which % 2}"
                mine = [record for record in memory.list(user=user) if record.user == user]
                there.add(user)
                if verb == "remember":
                    memory.remember(f"number {which}", user=user, agent=agent)
                elif verb == "grant":
                    memory.grant(to=other, user=user, to_agent=f"{other}1")
                    there.add(other)
                elif verb == "recall":
                    memory.recall("number", user=user)
                elif verb == "revoke" and (given := [g for g in memory.grants(user=user) if g.user == user]):
                    memory.revoke(given[0].id, user=user)
                elif verb == "revise" and mine:
                    memory.revise(mine[which % len(mine)].id, f"now {which}", user=user)
                elif verb == "forget" and mine:
                    memory.forget(mine[which % len(mine)].id, user=user)
                elif verb == "forget user":
                    memory.forget(user=user)
                    there.discard(user)
                    content = path.read_bytes() + path.with_name("m.db-wal").read_bytes()
                    assert user.encode() not in content
                elif verb == "forget agent":
                    memory.forget(user=user, agent=agent)
            assert memory.verify() == []
        content = path.read_bytes()
        assert [name for name in NAMES if name not in there and name.encode() in content] == []


# -- the command line -----------------------------------------------------------------------------------------------


def test_audit_as_a_command(tmp_path: Path) -> None:
    db = str(tmp_path / "m.db")

    def out(*args: str) -> str:
        result = CliRunner().invoke(main, ["--db", db, *args])
        assert result.exit_code == 0, result.output
        return result.output.strip()

    id = out("--user", "ana", "remember", "The gate code is 4471")
    out("--user", "ana", "grant", "ben")
    out("--user", "ben", "remember", "I like figs")
    id = id.splitlines()[-1]
    lines = out("--user", "ana", "audit").splitlines()
    assert [line.split("\t")[2:5] for line in lines] == [["ana", "grant", "1"], ["ana", "remember", "1"]]
    assert lines[1].split("\t")[5] == id
    assert out("--user", "cat", "audit") == "Nothing is noted."
    assert len(out("audit", "--everyone", "--limit", "2").splitlines()) == 2
    (entry,) = json.loads(out("--user", "ana", "audit", "--verb", "grant", "--json"))
    assert (entry["verb"], entry["to"], len(entry["hash"])) == ("grant", "ben", 64)
    assert out("doctor") == "sound"
    apsw.Connection(db).execute("update audit set count = 3 where id = 1")
    broken = CliRunner().invoke(main, ["--db", db, "doctor"])
    assert broken.exit_code == 1 and "the audit trail breaks at entry 1: it was changed" in broken.output
