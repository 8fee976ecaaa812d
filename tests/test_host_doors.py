"""
The doors of LangGraph, LangChain and the OpenAI Agents SDK, where those are installed.

Their own tests are run against ours by tests/outside/run; here is what those do not ask.
"""

import asyncio
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from conftest import TinyEncoder
from test_erasure import left

from agentmem import Memory

ROOT = Path(__file__).parent.parent
NEEDS = {
    "langgraph": ("langgraph.store.base", "langgraph"),
    "langchain": ("langchain_core.documents", "langchain"),
    "langchain_middleware": ("langchain.agents.middleware", "langchain"),
    "openai_agents": ("agents", "openai"),
}


def door(name):
    """Import a door, or skip the test that needs it."""
    module, extra = NEEDS[name]
    pytest.importorskip(module, reason=f"pip install 'agentmem-sqlite[{extra}]'")
    return __import__(f"agentmem.doors.{name}", fromlist=["*"])


@pytest.fixture
def memory(tmp_path):
    with Memory(tmp_path / "m.db", user="ana", encoder=TinyEncoder()) as memory:
        yield memory


# -- all ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NEEDS)
def test_without_its_extra_a_door_says_what_to_install(name):
    module, extra = NEEDS[name]
    hide = f"import sys; sys.modules[{module.split('.')[0]!r}] = None; import agentmem.doors.{name}"
    done = subprocess.run([sys.executable, "-c", hide], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 1
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("ImportError") and last.endswith(f": pip install 'agentmem-sqlite[{extra}]'")


def test_importing_agentmem_imports_no_host():
    code = "import sys, agentmem; print(*{name.split('.')[0] for name in sys.modules})"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT).stdout
    assert not {"langgraph", "langchain", "langchain_core", "agents"} & set(loaded.split())


@pytest.mark.parametrize("name", NEEDS)
def test_a_door_adds_under_60_ms_to_agentmem_and_its_host(name):
    """Or, where the machine is slow at the moment, little more than `import asyncio`, 40 ms on a calm one."""
    door(name)
    command = [sys.executable, "-X", "importtime", "-c", f"import asyncio, agentmem.doors.{name}"]

    def cheap():
        lines = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT).stderr.splitlines()
        times = [line.removeprefix("import time:").split("|") for line in lines if "|" in line and "[us]" not in line]
        asyncio_ms = next(int(whole) / 1000 for _, whole, module in times if module.strip() == "asyncio")
        ours = [int(own) / 1000 for own, _, module in times if "agentmem.doors" in module]
        assert len(ours) >= 3  # the package, what the doors share, the door; each without what it imports
        return sum(ours) < max(60, 1.3 * asyncio_ms)

    assert any(cheap() for _ in range(3))


# -- LangGraph --------------------------------------------------------------------------------------------------------


def test_items_are_records_of_the_memory(memory):
    store = door("langgraph").AgentmemStore(memory)
    store.put(("users", "ana"), "food", {"text": "rye bread", "n": 3})
    (hit,) = memory.recall("bread", kinds=["langgraph"], where={"n": 3})
    assert hit.text == "text: rye bread; n: 3" and hit.record.user == "ana"
    with Memory(memory._db.path, user="eve", encoder=TinyEncoder()) as eves:
        assert door("langgraph").AgentmemStore(eves).search(()) == []


def test_without_an_embedder_agentmem_ranks_what_is_to_be_searched(memory):
    store = door("langgraph").AgentmemStore(memory, index={"fields": ["text"]})
    store.put(("a",), "1", {"text": "the boiler", "color": "red"})
    store.put(("a",), "2", {"text": "the tap", "color": "boiler"})
    store.put(("a",), "3", {"text": "the boiler"}, index=False)
    store.put(("a",), "4", {"text": "boiler", "note": "roof"}, index=["note"])
    found = store.search(("a",), query="boiler")
    assert found[0].key == "1" and 0 < found[0].score <= 1
    assert [item.key for item in found][-1] == "3" and found[-1].score is None
    assert [item.key for item in store.search(("a",), query="boiler", filter={"color": {"$ne": "red"}}, limit=1)] != [
        "1"
    ]
    assert store.search(("a",), query="roof")[0].key == "4"


FILTERS = [
    ({"n": 3}, "ac"), ({"n": {"$gte": 3, "$lt": 4}}, "ac"), ({"n": {"$ne": 3}}, "bd"), ({"s": "x"}, "ab"),
    ({"s": None}, "cd"), ({"flag": True}, "a"), ({"tags": ["x", "y"]}, "b"), ({"tags": ["x"]}, ""),
    ({"deep.er": 1}, "d"), ({"deep": {"er": 1}}, "d"), ({"deep": {"er": {"$gt": 0}}}, "d"),
    ({"s": "x", "deep.er": None}, "ab"), ({"n": {"$lt": float("inf")}}, "ac"), ({"n": {"$gt": "a"}}, "b"),
    ({"AND": 1}, "c"), ({"s": {"$eq": "x"}, "n": 3}, "a"),
]  # fmt: skip


@pytest.mark.parametrize(("wanted", "keys"), FILTERS)
def test_filters(memory, wanted, keys):
    store = door("langgraph").AgentmemStore(memory)
    store.put(("x",), "a", {"n": 3, "s": "x", "flag": True})
    store.put(("x",), "b", {"n": "b", "s": "x", "flag": False, "tags": ["x", "y"]})
    store.put(("x",), "c", {"n": 3.0, "AND": 1})
    store.put(("x",), "d", {"deep": {"er": 1}})
    assert "".join(sorted(item.key for item in store.search(("x",), filter=wanted))) == keys


def test_an_unknown_operator_is_refused(memory):
    with pytest.raises(ValueError, match=r"\$near"):
        door("langgraph").AgentmemStore(memory).search(("x",), filter={"n": {"$near": 3}})


def test_a_read_lets_an_item_live_on_where_the_store_is_told_so(tmp_path):
    now = [datetime(2026, 1, 1, tzinfo=UTC)]
    with Memory(tmp_path / "m.db", encoder=TinyEncoder(), now=lambda: now[0]) as memory:
        store = door("langgraph").AgentmemStore(
            memory, ttl={"default_ttl": 10, "refresh_on_read": True}, now=lambda: now[0]
        )
        store.put(("a",), "k", {"n": 1})
        for _ in range(3):
            now[0] += timedelta(minutes=6)
            assert store.get(("a",), "k") and len(store.search(("a",), refresh_ttl=False)) == 1
        now[0] += timedelta(minutes=11)
        assert store.get(("a",), "k") is None and store.sweep_ttl() == 1


def test_the_sweeper_sweeps_and_stops(memory):
    store = door("langgraph").AgentmemStore(memory, ttl={"sweep_interval_minutes": 0.02 / 60})
    store.put(("a",), "k", {"text": "quagga"}, ttl=0.001 / 60)
    done = store.start_ttl_sweeper()
    assert store.start_ttl_sweeper().done()  # one is enough
    deadline = time.monotonic() + 10
    while left(memory, ["quagga"]) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert left(memory, ["quagga"]) == []
    done.cancel()
    assert store.stop_ttl_sweeper()


def test_sync_and_async_are_one_store(tmp_path):
    async def story():
        async with door("langgraph").AgentmemStore.from_conn_string(str(tmp_path / "m.db")) as store:
            await asyncio.gather(*(store.aput(("a",), f"k{n}", {"n": n}) for n in range(5)))
            store.put(("a",), "k5", {"n": 5})
            return len(await store.asearch(("a",))), store.get(("a",), "k3").value

    assert asyncio.run(story()) == (6, {"n": 3})


def test_an_agents_tools_reach_the_store(memory):
    door("langchain_middleware")
    from langchain.agents import create_agent
    from langchain.tools import ToolRuntime, tool
    from langchain_core.messages import AIMessage

    @tool
    def note(text: str, runtime: ToolRuntime) -> str:
        """Keep a note."""
        runtime.store.put(("notes",), "1", {"text": text})
        return "kept"

    call = AIMessage("", tool_calls=[{"name": "note", "args": {"text": "rye bread"}, "id": "1"}])
    store = door("langgraph").AgentmemStore(memory)
    agent = create_agent(model(call, AIMessage("Done.")), tools=[note], store=store)
    agent.invoke({"messages": [("user", "keep that")]})
    assert store.search((), query="bread")[0].value == {"text": "rye bread"}


def test_langmem_keeps_its_memories_in_the_store(memory):
    pytest.importorskip("langmem", reason="langmem is not installed")
    from langmem import create_manage_memory_tool, create_search_memory_tool

    store = door("langgraph").AgentmemStore(memory)
    create_manage_memory_tool(("memories",), store=store).invoke({"content": "Ana likes rye bread", "action": "create"})
    assert "Ana likes rye bread" in create_search_memory_tool(("memories",), store=store).invoke({"query": "bread"})


def test_what_is_imported_from_langgraphs_own_store_is_in_ours(memory, tmp_path):
    import sqlite3

    with sqlite3.connect(tmp_path / "store.db") as db:
        db.execute("create table store (prefix, key, value, created_at, updated_at, primary key (prefix, key))")
        row = ("memories.ana", "k", '{"text": "likes tea", "n": 1}', "2026-03-01 09:00:00", "2026-03-02 09:00:00")
        db.execute("insert into store values (?, ?, ?, ?, ?)", row)
    db.close()
    memory.load(tmp_path / "store.db", format="langgraph")
    store = door("langgraph").AgentmemStore(memory)
    held = store.get(("memories", "ana"), "k")
    assert held.value == {"text": "likes tea", "n": 1} and held.created_at == datetime(2026, 3, 1, 9, tzinfo=UTC)
    assert store.search(("memories",), query="tea")[0].key == "k"
    store.put(("memories", "ana"), "k", {"text": "likes coffee"})
    assert [item.value for item in store.search(())] == [{"text": "likes coffee"}]


# -- LangChain --------------------------------------------------------------------------------------------------------


def model(*answers, seen=None):
    """A chat model that gives these answers, and notes what it was asked."""
    from langchain_core.language_models.fake_chat_models import GenericFakeChatModel

    class Model(GenericFakeChatModel):
        def _generate(self, messages, *args, **more):
            if seen is not None:
                seen.append([message.text for message in messages])
            return super()._generate(messages, *args, **more)

        def bind_tools(self, tools, **_):
            return self

    return Model(messages=iter(answers))


def test_documents_are_filtered_before_they_are_ranked(memory):
    langchain = door("langchain")
    store = langchain.AgentmemVectorStore(memory)
    store.add_texts([f"the boiler {n}" for n in range(20)], [{"n": n} for n in range(20)])
    assert {each.metadata["n"] for each in store.similarity_search("boiler", k=3, filter={"n": {"gt": 16}})} == {
        17,
        18,
        19,
    }
    assert store.similarity_search(" ") == []
    other = langchain.AgentmemVectorStore(memory, collection="other")
    assert other.similarity_search("boiler") == [] and other.delete() and len(store.similarity_search("boiler")) == 4
    with pytest.raises(ValueError, match="dot"):
        langchain.AgentmemVectorStore(memory, collection="a.b")


def test_an_embedding_ranks_by_its_cosine_and_by_marginal_relevance(memory):
    from math import sqrt

    langchain = door("langchain")
    from langchain_core.embeddings import Embeddings

    class Plane(Embeddings):
        def embed_documents(self, texts):
            return [self.embed_query(text) for text in texts]

        def embed_query(self, text):
            return list(map(float, text.split(",")))

    store = langchain.AgentmemVectorStore.from_texts(["1,0", "1,0.1", "0,1", "-1,0"], Plane(), memory=memory)
    assert [(each.page_content, round(score, 4)) for each, score in store.similarity_search_with_score("1,1", k=2)] == [
        ("1,0.1", round(1.1 / sqrt(2) / sqrt(1.01), 4)),
        ("1,0", round(1 / sqrt(2), 4)),
    ]
    near = store.max_marginal_relevance_search("1,0.5", k=2, lambda_mult=0.6)
    assert [each.page_content for each in near] == ["1,0.1", "0,1"]
    with pytest.raises(ValueError, match="embedding"):
        langchain.AgentmemVectorStore(memory).max_marginal_relevance_search("1,0")


def test_bytes_are_kept_and_no_query_finds_them(memory):
    store = door("langchain").AgentmemByteStore(memory)
    store.mset([("a/1", b"quagga \xff"), ("a/2", b""), ("b", b"x")])
    assert store.mget(["a/1", "a/2", "c"]) == [b"quagga \xff", b"", None]
    assert sorted(store.yield_keys(prefix="a/")) == ["a/1", "a/2"]
    assert not any("quagga" in hit.text for hit in memory.recall("quagga"))


def test_the_model_is_shown_what_is_known_and_what_is_said_is_kept(memory):
    middleware = door("langchain_middleware").AgentmemMiddleware(memory)
    from langchain.agents import create_agent
    from langchain_core.messages import AIMessage

    memory.remember("peanuts make me ill", user="bo")
    memory.remember("a secret of hers about peanuts", user="eve")
    seen = []
    agent = create_agent(model(AIMessage("Rice."), AIMessage("Soup."), seen=seen), middleware=[middleware])
    configured = {"configurable": {"user_id": "bo", "thread_id": "monday"}}
    first = agent.invoke({"messages": [("user", "cook without peanuts")]}, configured)
    assert len(seen[0]) == 2 and "peanuts make me ill" in seen[0][0] and seen[0][1] == "cook without peanuts"
    assert "secret" not in seen[0][0] and [message.text for message in first["messages"]] == [seen[0][1], "Rice."]
    asked = {"messages": [*first["messages"], ("user", "and without rice and peanuts?")]}
    asyncio.run(agent.ainvoke(asked, configured))
    assert "peanuts make me ill" in seen[1][2] and "cook without" not in seen[1][2]  # that is before it already
    turns = memory.list(user="bo", session="monday", kinds=["turn"])
    assert [(turn.role, turn.text) for turn in reversed(turns)] == [
        ("user", "cook without peanuts"), ("assistant", "Rice."),
        ("user", "and without rice and peanuts?"), ("assistant", "Soup."),
    ]  # fmt: skip
    assert memory.list(user="ana") == []


# -- OpenAI Agents ----------------------------------------------------------------------------------------------------

ITEMS = [
    {"role": "user", "content": "ok"},
    {"role": "user", "content": "ok"},
    {"type": "function_call", "name": "look_up", "arguments": '{"city": "Oslo"}', "call_id": "1"},
    {"type": "function_call_output", "call_id": "1", "output": "rain\0and wind"},
    {"type": "reasoning", "id": "r", "summary": []},
    {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "It rains."}]},
    {"role": "developer", "content": [{"type": "input_image", "image_url": "data:" + "x" * 300_000}]},
]


def test_items_come_back_as_they_were_and_what_they_say_is_found(memory):
    session = door("openai_agents").AgentmemSession("monday", memory)
    items = [{**item, "output": "rain and wind"} if "output" in item else item for item in ITEMS]
    asyncio.run(session.add_items(items))
    assert asyncio.run(session.get_items()) == items
    assert asyncio.run(session.get_items(limit=2)) == items[-2:]
    assert [record.role for record in reversed(memory.list())] == [
        "user", "user", "assistant", "tool", "assistant", "assistant", "system",
    ]  # fmt: skip
    assert memory.recall("Oslo", k=1)[0].text == 'look_up({"city": "Oslo"})'


def test_an_answer_stands_behind_its_question_though_the_clock_is_set_back(memory, monkeypatch):
    openai = door("openai_agents")
    session = openai.AgentmemSession("monday", memory)
    asyncio.run(session.add_items([{"role": "user", "content": "first"}]))

    class Earlier(datetime):
        @classmethod
        def now(cls, zone=None):
            return datetime(2020, 1, 1, tzinfo=zone)

    monkeypatch.setattr(openai, "datetime", Earlier)
    asyncio.run(session.add_items([{"role": "assistant", "content": "second"}]))
    assert [item["content"] for item in asyncio.run(session.get_items())] == ["first", "second"]


def test_what_is_popped_or_cleared_is_erased_and_nothing_else(memory):
    session = door("openai_agents").AgentmemSession("monday", memory)
    other = door("openai_agents").AgentmemSession("friday", memory)
    note = memory.remember("a note", session="monday")
    asyncio.run(session.add_items([{"role": "user", "content": word} for word in ("quagga", "aurochs")]))
    asyncio.run(other.add_items([{"role": "user", "content": "dodo"}]))
    assert asyncio.run(session.pop_item()) == {"role": "user", "content": "aurochs"}
    assert left(memory, ["quagga", "aurochs"]) == ["quagga"]
    asyncio.run(session.clear_session())
    assert asyncio.run(session.pop_item()) is None and asyncio.run(session.get_items()) == []
    assert left(memory, ["quagga", "dodo"]) == ["dodo"] and memory.get(note.id)
