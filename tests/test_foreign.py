"""What other memories keep comes over: how much, whose, since when, and what it was before."""

import json
import pickle
import sqlite3
from pathlib import Path

import pytest

from agentmem import ImportFormatError, Memory

OSLO = [("ADD", None, "I live in Oslo", "2026-03-01T09:00:00+00:00"),
        ("UPDATE", "I live in Oslo", "I live in Bergen", "2026-04-01T09:00:00+00:00")]  # fmt: skip


class PointStruct:
    """What Qdrant pickles, by the name that it has there."""

    def __init__(self, id: str, payload: dict) -> None:
        self.held = {"id": id, "vector": [0.1], "payload": payload}

    def __getstate__(self) -> dict:
        return {"__dict__": self.held, "__pydantic_extra__": None}


def pickled(id: str, payload: dict, module: str = "qdrant_client.http.models.models") -> bytes:
    data = pickle.dumps(PointStruct(id, payload), protocol=4)
    name = __name__.encode()
    # In the place of this module's name: a short text of a pickle is its length in a byte, then the text; a frame has
    # its length too, and without frames it need not.
    start = data.index(b"\x8c" + bytes([len(name)]) + name)
    renamed = data[:start] + b"\x8c" + bytes([len(module)]) + module.encode() + data[start + 2 + len(name) :]
    return renamed[:2] + renamed[11:] if renamed[2:3] == b"\x95" else renamed


def mem0_store(folder: Path, points: list[bytes], history: list[tuple] = ()) -> Path:
    place = folder / "qdrant" / "collection" / "mem0"
    place.mkdir(parents=True)
    (folder / "qdrant" / "collection" / "mem0_entities").mkdir()
    for file, rows in ((place, points), (place.parent / "mem0_entities", [pickled("e", {"data": "Oslo"})])):
        with sqlite3.connect(file / "storage.sqlite") as db:
            db.execute("create table points (id text primary key, point blob)")
            db.executemany("insert into points values (?, ?)", list(enumerate(rows)))
        db.close()
    if history:
        with sqlite3.connect(folder / "history.db") as db:
            db.execute("create table history (memory_id, old_memory, new_memory, event, created_at, updated_at)")
            db.executemany("insert into history values (?, ?, ?, ?, ?, ?)", history)
        db.close()
    return folder / "qdrant"


def payload(text: str, **more: object) -> dict:
    at = {"created_at": "2026-03-01T09:00:00+00:00", "updated_at": "2026-04-01T09:00:00+00:00"}
    return {"data": text, "hash": "x", "text_lemmatized": text, "user_id": "ana", **at, **more}


def test_mem0_comes_with_owners_metadata_and_history(memory, tmp_path):
    points = [pickled("m1", payload("I live in Bergen", agent_id="bot", run_id="r1", actor_id="Ana", stars=4)),
              pickled("m2", payload("tea", user_id="bob", role="assistant")), pickled("m3", {"vector": 1})]  # fmt: skip
    history = [("m1", old, new, event, OSLO[0][3], at) for event, old, new, at in OSLO]
    store = mem0_store(tmp_path, points, history)
    report = memory.load(store, format="mem0")
    assert (report.added, report.known, report.skipped) == (2, 0, {"no text": 1})
    (record,) = memory.list(user="ana")
    assert (record.agent, record.session, record.speaker, record.source) == ("bot", "r1", "Ana", "mem0:m1")
    assert record.metadata == {"actor_id": "Ana", "stars": 4}
    assert [(each.text, each.occurred_at.month) for each in memory.history(record.id, user="ana")] == [
        ("I live in Oslo", 3), ("I live in Bergen", 4),
    ]  # fmt: skip
    assert memory.list(user="bob")[0].role == "assistant"
    assert memory.verify() == []


def test_a_second_import_adds_nothing_follows_changes_and_brings_nothing_back(memory, tmp_path):
    points = [pickled("m1", payload("I live in Bergen")), pickled("m2", payload("tea"))]
    history = [("m1", old, new, event, OSLO[0][3], at) for event, old, new, at in OSLO]
    store = mem0_store(tmp_path / "a", points, history)
    memory.load(store, format="mem0")
    assert memory.load(store, format="mem0").added == 0
    assert len(memory.list(user="ana")) == 2
    later = [*history, ("m1", "I live in Bergen", "I live in Rome", "UPDATE", OSLO[0][3], "2026-05-01T09:00:00+00:00")]
    changed = mem0_store(tmp_path / "b", [pickled("m1", payload("I live in Rome")), points[1]], later)
    assert memory.load(changed, format="mem0").added == 0
    newest = next(record for record in memory.list(user="ana") if "live" in record.text)
    assert len(memory.history(newest.id, user="ana")) == 3 and newest.text == "I live in Rome"
    memory.forget(newest.id, user="ana")
    memory.load(changed, format="mem0")
    assert [record.text for record in memory.list(user="ana")] == ["tea"]


def test_what_was_revised_here_is_not_revised_by_an_import(memory, tmp_path):
    history = [("m1", old, new, event, OSLO[0][3], at) for event, old, new, at in OSLO]
    store = mem0_store(tmp_path / "a", [pickled("m1", payload("I live in Oslo"))], history[:1])
    memory.load(store, format="mem0")
    memory.revise(memory.list(user="ana")[0].id, "I live in Paris", user="ana")
    memory.load(mem0_store(tmp_path / "b", [pickled("m1", payload("I live in Bergen"))], history), format="mem0")
    assert [record.text for record in memory.list(user="ana")] == ["I live in Paris"]


def test_a_pickle_runs_nothing(memory, tmp_path):
    class Harm:
        def __reduce__(self):
            return Path.touch, (tmp_path / "harmed",)

    store = mem0_store(tmp_path, [pickle.dumps(Harm())])
    with pytest.raises(ImportFormatError, match="which no store of mem0 does"):
        memory.load(store, format="mem0")
    assert not (tmp_path / "harmed").exists()


def test_letta_agents_come_with_blocks_and_what_was_said(memory, tmp_path):
    said = json.dumps({"type": "user_message", "message": "I live in Oslo", "time": "…"})
    call = {"function": {"name": "send_message", "arguments": json.dumps({"message": "Nice!"})}}
    messages = [
        {"id": "1", "role": "system", "content": [{"type": "text", "text": "You are Sam"}]},
        {"id": "2", "role": "user", "content": [{"type": "text", "text": said}], "created_at": "2026-03-01T09:00:00Z"},
        {"id": "3", "role": "assistant", "content": [{"type": "text", "text": "He moved"}], "tool_calls": [call]},
        {"id": "4", "role": "user", "content": [{"type": "text", "text": '{"type": "heartbeat", "reason": "x"}'}]},
        {"id": "5", "role": "assistant", "content": "Anything else?"},
    ]
    blocks = [{"id": "b0", "label": "human", "value": "Name: Chad", "limit": 5000}, {"id": "b1", "value": " "}]
    file = tmp_path / "sam.af"
    agent = {"name": "Sam", "messages": messages, "block_ids": ["b0", "b1"]}
    file.write_text(json.dumps({"agents": [agent], "blocks": blocks, "tools": []}))
    report = memory.load(file, format="letta", user="chad")
    assert report.added == 4 and report.skipped == {"empty block": 1, "system message": 1, "no words": 1}
    (block,) = memory.list(user="chad", agent="Sam", kinds=["block"])
    assert (block.text, block.metadata) == ("Name: Chad", {"label": "human", "limit": 5000})
    turns = memory.list(user="chad", session="letta:Sam", kinds=["turn"])
    assert {(turn.role, turn.text) for turn in turns} == {
        ("user", "I live in Oslo"), ("assistant", "Nice!"), ("assistant", "Anything else?"),
    }  # fmt: skip
    first = {"name": "Sam", "core_memory": [{"label": "human", "value": "Name: Eve"}], "messages": messages[1:2]}
    (tmp_path / "old.af").write_text(json.dumps(first))
    assert memory.load(tmp_path / "old.af", format="letta", user="eve").added == 2


def test_langgraph_items_come_with_namespace_key_and_value(memory, tmp_path):
    with sqlite3.connect(tmp_path / "store.db") as db:
        db.execute("create table store (prefix, key, value, created_at, updated_at, primary key (prefix, key))")
        rows = [("memories.ana", "k1", b'{"text": "likes tea", "n": 1}'), ("memories.ana", "k2", '{"n": 2}')]
        db.executemany("insert into store values (?, ?, ?, '2026-03-01 09:00:00', '2026-03-02 09:00:00')", rows)
    db.close()
    assert memory.load(tmp_path / "store.db", format="langgraph", user="ana").added == 2
    (record,) = memory.list(user="ana", where={"langgraph.key": "k1"})
    assert record.text == "text: likes tea; n: 1" and record.occurred_at.day == 2
    assert record.metadata == {
        "text": "likes tea", "n": 1, "langgraph.namespace": "memories.ana.", "langgraph.key": "k1",
        "langgraph.searched": True, "langgraph.created": "2026-03-01T09:00:00",
    }  # fmt: skip
    assert memory.list(user="ana", where={"n": 2})[0].text == "2"
    assert memory.load(tmp_path / "store.db", format="langgraph", user="ana").added == 0


def test_an_import_keeps_to_kinds_that_are_defined(memory, tmp_path):
    schema = {"properties": {"langgraph.namespace": {"type": "string"}, "langgraph.key": {"type": "string"}},
              "required": ["langgraph.namespace", "langgraph.key"]}  # fmt: skip
    memory.define("langgraph", schema, key=["langgraph.namespace", "langgraph.key"])
    for number, text in enumerate(("tea", "coffee")):
        with sqlite3.connect(tmp_path / f"{number}.db") as db:
            db.execute("create table store (prefix, key, value, created_at, updated_at, primary key (prefix, key))")
            row = ("ana", "k", json.dumps({"text": text}), "2026-03-01", f"2026-03-0{number + 1}")
            db.execute("insert into store values (?, ?, ?, ?, ?)", row)
        db.close()
        memory.load(tmp_path / f"{number}.db", format="langgraph")
    (record,) = memory.list()
    assert [each.text for each in memory.history(record.id)] == ["tea", "coffee"]


def test_an_mcp_graph_comes_as_observations_and_facts(tmp_path):
    lines = [{"type": "entity", "name": "Mel", "entityType": "person", "observations": ["plays chess", "Mel is a vet"]},
             {"type": "entity", "name": "Acme", "entityType": "firm", "observations": []},
             {"type": "relation", "from": "Mel", "to": "Acme", "relationType": "works_at"}]  # fmt: skip
    file = tmp_path / "memory.jsonl"
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    with Memory(tmp_path / "m.db") as memory:
        report = memory.load(file, format="mcp-memory")
        assert report.added == 3 and report.skipped == {"entity without observations": 1}
        assert {record.text for record in memory.list()} == {"Mel: plays chess", "Mel is a vet", "Mel works at Acme"}
        assert [str(fact) for fact in memory.facts("Mel")] == ["Mel works at Acme"]
        assert memory.load(file, format="mcp-memory").added == 0


@pytest.mark.parametrize("format", ["mem0", "letta", "langgraph", "mcp-memory"])
def test_what_is_none_of_it_is_refused_by_name(memory, tmp_path, format):
    file = tmp_path / "x"
    file.write_text('{"a": 1}')
    for path in (file, tmp_path / "absent"):
        with pytest.raises(ImportFormatError, match=path.name):
            memory.load(path, format=format)
    assert memory.list() == []


def test_users_are_named_by_what_they_hold(memory):
    assert memory.users() == []
    record = memory.remember("tea", user="ana", agent="bot")
    memory.remember("coffee", user="bob")
    memory.remember("water")
    assert memory.users() == ["", "ana", "bob"] and memory.users(agent="bot") == ["ana"]
    assert memory.users(id=record.id) == ["ana"] and memory.users(id="nobody") == [] and memory.users(id="\ud800") == []
    memory.forget(user="ana")
    assert memory.users() == ["", "bob"]
    with pytest.raises(TypeError, match="agent"):
        memory.users(agent=7)


def test_a_revision_can_have_less_trust_and_another_source(memory):
    old = memory.remember("I live in Oslo", source="diary")
    new = memory.revise(old.id, "I live in Rome", role="assistant", trust=0.3, source="mcp")
    assert (new.role, new.trust, new.source) == ("assistant", 0.3, "mcp")
    kept = memory.revise(new.id, "I live in Bonn")
    assert (kept.role, kept.trust, kept.source) == ("assistant", 0.3, "mcp")
