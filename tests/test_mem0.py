"""mem0's Memory on a file of ours: a script that was written for mem0 runs, and what it gets has mem0's shape."""

import asyncio
import importlib.util
import inspect
from datetime import UTC, datetime, timedelta

import pytest

import agentmem
from agentmem.doors.mem0 import AsyncMemory, Memory

PLAIN = {"id", "memory", "hash", "metadata", "created_at", "updated_at", "user_id"}
SIGNATURES = {  # of mem0ai 2.2.1's Memory, as inspect shows them
    "search": "(self, query: str, *, top_k: int = 20, filters: Optional[Dict[str, Any]] = None, "
    "threshold: float = 0.1, rerank: bool = False, explain: bool = False, reference_date: Optional[Any] = None, "
    "show_expired: bool = False, **kwargs)",
    "add": "(self, messages, *, user_id: Optional[str] = None, agent_id: Optional[str] = None, "
    "run_id: Optional[str] = None, metadata: Optional[Dict[str, Any]] = None, timestamp: Optional[Any] = None, "
    "expiration_date: Optional[Any] = None, infer: bool = True, memory_type: Optional[str] = None, "
    "prompt: Optional[str] = None)",
    "get_all": "(self, *, filters: Optional[Dict[str, Any]] = None, top_k: int = 20, show_expired: bool = False, "
    "**kwargs)",
    "delete_all": "(self, user_id: Optional[str] = None, agent_id: Optional[str] = None, run_id: Optional[str] = None)",
    "get": "(self, memory_id)",
    "delete": "(self, memory_id)",
    "history": "(self, memory_id)",
    "reset": "(self)",
}
SCRIPT = """
from mem0 import Memory

m = Memory.from_config({"vector_store": {"provider": "qdrant", "config": {"path": FOLDER}}, "llm": {"provider": "x"}})
added = m.add("I'm allergic to peanuts", user_id="ana", metadata={"topic": "food", "stars": 5})
m.add([{"role": "user", "content": "I live in Oslo"}, {"role": "assistant", "content": "Nice!"}],
      user_id="ana", run_id="monday")
m.add("I like jazz", user_id="bob", infer=False)
first = added["results"][0]["id"]
found = m.search("what food makes Ana ill?", filters={"user_id": "ana", "topic": "food", "stars": {"gte": 4}})
everything = m.get_all(filters={"user_id": "ana"})
told = m.update(first, text="I'm allergic to peanuts and shrimps")
now, history = m.get(first), m.history(first)
gone = m.delete(first)
nothing = m.get(first)
m.reset()
left = [m.get_all(filters={"user_id": user})["results"] for user in ("ana", "bob")]
"""


@pytest.fixture
def mem0(memory: agentmem.Memory) -> Memory:
    return Memory(memory)


def add(mem0: Memory, text: str, **more: object) -> str:
    return mem0.add(text, infer=False, **{"user_id": "ana", **more})["results"][0]["id"]


def texts(answer: dict) -> list[str]:
    return [each["memory"] for each in answer["results"]]


def test_a_script_for_mem0_runs_with_another_import(tmp_path):
    names = {"FOLDER": str(tmp_path)}
    exec(SCRIPT.replace("from mem0 import", "from agentmem.doors.mem0 import"), names)
    assert names["added"]["results"] == [{"id": names["first"], "memory": "I'm allergic to peanuts", "event": "ADD"}]
    (hit,) = names["found"]["results"]
    assert set(hit) == {*PLAIN, "score"} and hit["metadata"] == {"topic": "food", "stars": 5} and 0 < hit["score"] <= 1
    assert texts(names["everything"]) == ["Nice!", "I live in Oslo", "I'm allergic to peanuts"]
    assert all("score" not in each for each in names["everything"]["results"])
    assert names["told"] == {"message": "Memory updated successfully!"}
    assert names["now"]["id"] == names["first"] and names["now"]["memory"].endswith("shrimps")
    assert names["now"]["metadata"] == {"topic": "food", "stars": 5} and names["now"]["score"] is None
    assert [(each["event"], each["old_memory"], each["new_memory"]) for each in names["history"]] == [
        ("ADD", None, "I'm allergic to peanuts"),
        ("UPDATE", "I'm allergic to peanuts", "I'm allergic to peanuts and shrimps"),
    ]
    assert names["gone"] == {"message": "Memory deleted successfully!"} and names["nothing"] is None
    assert names["left"] == [[], []]
    assert (tmp_path / "agentmem.db").exists()


@pytest.mark.parametrize("verb", SIGNATURES)
def test_signatures_are_those_of_mem0_2_2(verb):
    shown = str(inspect.signature(getattr(Memory, verb)))
    assert shown.replace("typing.", "") == SIGNATURES[verb]


@pytest.mark.skipif(importlib.util.find_spec("mem0") is None, reason="mem0ai is not installed")
def test_signatures_equal_those_of_the_mem0_that_is_installed():
    import mem0 as host

    for name, verb in inspect.getmembers(host.Memory, lambda each: inspect.isfunction(each) or inspect.ismethod(each)):
        if not name.startswith("_"):
            assert inspect.signature(verb) == inspect.signature(getattr(Memory, name)), name


def test_an_id_stays_over_updates_and_its_history_names_it(mem0):
    id = add(mem0, "I live in Oslo")
    for place in ("Bergen", "Rome"):
        mem0.update(id, text=f"I live in {place}")
    assert mem0.get_all(filters={"user_id": "ana"})["results"][0]["id"] == id
    assert mem0.search("live in Rome", filters={"user_id": "ana"}, threshold=0)["results"][0]["id"] == id
    assert {each["memory_id"] for each in mem0.history(id)} == {id}
    mem0.delete(id)
    assert mem0.history(id) == []


def test_update_keeps_what_it_is_not_told(mem0):
    id = add(mem0, "tea", metadata={"a": 1, "b": 2})
    mem0.update(id, metadata={"b": 3, "user_id": "eve"})
    assert (mem0.get(id)["memory"], mem0.get(id)["metadata"], mem0.get(id)["user_id"]) == (
        "tea",
        {"a": 1, "b": 3},
        "ana",
    )
    with pytest.raises(ValueError, match="At least one of"):
        mem0.update(id)
    with pytest.raises(ValueError, match="not found"):
        mem0.update("nobody", text="x")


def test_users_agents_and_runs_are_apart(mem0):
    add(mem0, "of Ana and the bot", agent_id="bot", run_id="r1")
    add(mem0, "of Ana")
    add(mem0, "of Bob and the bot", user_id="bob", agent_id="bot")
    mem0.add("of the bot alone", agent_id="bot", infer=False)
    assert texts(mem0.get_all(filters={"user_id": "ana", "agent_id": "bot"})) == ["of Ana and the bot"]
    assert len(texts(mem0.get_all(filters={"user_id": "ana"}))) == 2
    assert set(texts(mem0.get_all(filters={"agent_id": "bot"}))) == {
        "of Ana and the bot", "of Bob and the bot", "of the bot alone",
    }  # fmt: skip
    assert len(mem0.search("the bot", filters={"agent_id": "bot"}, threshold=0, top_k=2)["results"]) == 2
    mem0.delete_all(agent_id="bot")
    assert texts(mem0.get_all(filters={"user_id": "ana"})) == ["of Ana"] and mem0.agentmem.users() == ["ana"]


@pytest.mark.parametrize(
    ("filters", "found"),
    [
        ({"n": 1}, {"one"}),
        ({"n": {"in": [1, 2]}, "name": {"icontains": "TW"}}, {"two"}),
        ({"AND": [{"n": {"gt": 0}}, {"NOT": [{"n": 2}]}]}, {"one"}),
        ({"OR": [{"n": 1}, {"n": 2}]}, {"one", "two"}),
        ({"name": "*"}, {"two"}),
        ({"role": "user"}, {"one", "two"}),
    ],
)
def test_filters_take_mem0s_operators(mem0, filters, found):
    add(mem0, "one", metadata={"n": 1})
    add(mem0, "two", metadata={"n": 2, "name": "twice"})
    assert set(texts(mem0.get_all(filters={"user_id": "ana", **filters}))) == found


def test_what_expired_is_shown_only_when_asked_for(mem0):
    today = datetime.now(UTC).date()
    id = add(mem0, "until yesterday", expiration_date=today - timedelta(days=1))
    add(mem0, "until today", expiration_date=today.isoformat())
    assert texts(mem0.get_all(filters={"user_id": "ana"})) == ["until today"]
    assert len(texts(mem0.get_all(filters={"user_id": "ana"}, show_expired=True))) == 2
    mem0.update(id, expiration_date=None)
    assert len(texts(mem0.get_all(filters={"user_id": "ana"}))) == 2
    with pytest.raises(ValueError, match="YYYY-MM-DD"):
        add(mem0, "x", expiration_date="soon")


def test_infer_keeps_what_was_said_reads_facts_and_adds_nothing_twice(tmp_path):
    with Memory(str(tmp_path / "m.db")) as mem0:
        said = [{"role": "system", "content": "Be kind"}, {"role": "user", "content": "I live in Oslo"}]
        assert len(mem0.add(said, user_id="ana")["results"]) == 1
        assert mem0.add(said, user_id="ana")["results"] == []
        assert [str(fact) for fact in mem0.agentmem.facts(user="ana")] == ["ana lives in Oslo"]
        assert len({add(mem0, "the same"), add(mem0, "the same")}) == 2  # without it each call is a memory, as in mem0


@pytest.mark.parametrize(
    "wrong",
    [
        lambda m: m.add("x"),
        lambda m: m.add(7, user_id="ana"),
        lambda m: m.add("x", user_id="a b"),
        lambda m: m.add("x", user_id="ana", memory_type="procedural_memory"),
        lambda m: m.search("x", user_id="ana"),
        lambda m: m.search("x", filters={"topic": "food"}),
        lambda m: m.search("x", filters={"user_id": "ana", "OR": [{"agent_id": "bot"}]}),
        lambda m: m.search(" ", filters={"user_id": "ana"}),
        lambda m: m.search("x", filters={"user_id": "ana"}, threshold=2),
        lambda m: m.search("x", filters={"user_id": "ana"}, reference_date="2026-01-01"),
        lambda m: m.get_all(filters={"user_id": "ana"}, top_k=-1),
        lambda m: m.delete("nobody"),
        lambda m: m.delete_all(),
    ],
)
def test_wrong_calls_are_refused_as_mem0_refuses_them(mem0, wrong):
    with pytest.raises(ValueError):
        wrong(mem0)
    assert mem0.agentmem.users() == []


def test_the_verbs_can_be_awaited(memory):
    async def story() -> list[str]:
        async with AsyncMemory(memory) as mem0:
            await mem0.add("tea", user_id="ana")
            return texts(await mem0.get_all(filters={"user_id": "ana"}))

    assert asyncio.run(story()) == ["tea"]
