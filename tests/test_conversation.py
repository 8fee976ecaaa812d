"""A conversation of any length in a window of fixed size: nothing said is lost, and what matters comes back."""

from __future__ import annotations

import asyncio
import json
import random
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import TinyEncoder

from agentmem import AsyncMemory, Memory
from agentmem.conversation import CUT, FRAME, STRETCH

NOW = "2026-01-01"


@pytest.fixture
def mem(tmp_path: Path) -> Iterator[Memory]:
    with Memory(tmp_path / "m.db", user="ana", encoder=TinyEncoder(), now=lambda: NOW) as memory:
        yield memory


def words(text: str) -> int:
    return len(text.split())


def small(memory: Memory, **options: Any) -> Any:
    return memory.conversation("s", window_tokens=300, count_tokens=words, **options)


def test_the_last_messages_stand_whole_after_a_system_message(mem: Memory) -> None:
    talk = mem.conversation("s", system="You are kind.")
    sent = talk.turn("Hello, I'm Ana.")
    assert sent == [{"role": "system", "content": "You are kind."}, {"role": "user", "content": "Hello, I'm Ana."}]
    talk.reply("Hello Ana!")
    sent = talk.turn({"role": "user", "content": "How are you?", "name": "Ana"})
    assert sent[1:] == [
        {"role": "user", "content": "Hello, I'm Ana."},
        {"role": "assistant", "content": "Hello Ana!"},
        {"role": "user", "content": "How are you?", "name": "Ana"},
    ]


def test_it_is_never_over_its_window_and_what_left_is_in_the_file(mem: Memory) -> None:
    talk, draw = small(mem), random.Random(1)
    for number in range(80):
        sent = talk.turn(f"Message {number}: " + " ".join(draw.choice(["tea", "boat", "fern"]) for _ in range(20)))
        assert talk.tokens(sent) <= 300 and sent[-1]["content"].startswith(f"Message {number}:")
        talk.reply("I see.")
    assert mem.stats().records == 160


def test_what_left_the_window_comes_back_when_it_matters(mem: Memory) -> None:
    talk = small(mem)
    talk.add("The alarm code of the barn is 4711.")
    for number in range(60):
        talk.add(f"We talked about the weather and the harvest of field number {number} at length.")
    sent = talk.turn("What was the alarm code of the barn?")
    assert "4711" in sent[0]["content"] and len(sent) < 30


def test_what_left_the_window_is_summed_up_with_its_sources(mem: Memory) -> None:
    talk = small(mem, memory_tokens=150)
    for number in range(4 * STRETCH):
        talk.add(f"The ferry to Oslo leaves from pier {number}. Some more words to fill this message up a little.")
    text = talk.turn("Tell me a joke.")[0]["content"]
    assert "Said earlier in this conversation:" in text and "The ferry to Oslo leaves" in text


def test_the_callers_model_may_sum_up_and_its_failure_loses_nothing(mem: Memory) -> None:
    calls: list[int] = []

    def model(messages: list[dict[str, Any]]) -> str:
        calls.append(len(messages))
        if len(calls) == 1:
            raise RuntimeError("no model today")
        return f"They spoke of {len(messages)} piers."

    talk = small(mem, memory_tokens=150, summarise=model)
    for number in range(5 * STRETCH):
        talk.turn(f"The ferry to Oslo leaves from pier {number}, and more words fill this message up a little.")
    text = talk.messages()[0]["content"]
    assert calls[:2] == [STRETCH, STRETCH] and f"They spoke of {STRETCH} piers." in text
    assert "The ferry to Oslo leaves from pier" in text  # the stretch of which no model spoke


def test_a_summary_goes_with_what_it_quotes(mem: Memory, tmp_path: Path) -> None:
    talk = small(mem, memory_tokens=150)
    secret = talk.add("The ferry password is xyzzyplugh.")
    for number in range(5 * STRETCH):
        talk.turn(f"The ferry password matters on pier {number}, and more words fill this message up.")
    mem.forget(secret.id)
    assert "xyzzyplugh" not in talk.messages()[0]["content"]
    assert b"xyzzyplugh" not in (tmp_path / "m.db").read_bytes()


CALL = {"id": "c1", "type": "function", "function": {"name": "weather", "arguments": '{"city": "Oslo"}'}}


def test_tool_calls_and_their_results_stand_together(mem: Memory) -> None:
    talk = small(mem)
    talk.add("What's the weather?")
    talk.add({"role": "assistant", "content": None, "tool_calls": [CALL]})
    for part in range(3):
        talk.add({"role": "tool", "tool_call_id": "c1", "content": f"Result {part}: " + "rain " * 30})
    sent = talk.messages()
    assert sent[-4] == {"role": "assistant", "content": None, "tool_calls": [CALL]}
    assert [message["tool_call_id"] for message in sent[-3:]] == ["c1"] * 3
    for number in range(12):
        sent = talk.turn(f"Turn {number} " + "and so on " * 6)
        at = [number for number, message in enumerate(sent) if message["role"] == "tool"]
        assert not at or sent[at[0] - 1].get("tool_calls")
    assert not at  # they left together


def test_a_message_too_long_for_the_window_is_cut_there_and_whole_in_the_file(mem: Memory) -> None:
    talk = small(mem)
    record = talk.add("word " * 5_000)
    sent = talk.messages()
    assert talk.tokens(sent) <= 300 and sent[-1]["content"].endswith(CUT)
    assert len(mem.get(record.id).text.split()) == 5_000


def test_parts_of_content_come_back_as_they_were(mem: Memory) -> None:
    talk = mem.conversation("s")
    parts = [{"type": "text", "text": "What is this?"}, {"type": "image_url", "image_url": {"url": "http://a/b.png"}}]
    assert talk.turn({"role": "user", "content": parts})[-1] == {"role": "user", "content": parts}


def test_the_same_words_are_two_messages_and_the_same_id_is_one(mem: Memory) -> None:
    talk = mem.conversation("s")
    for _ in range(2):
        talk.add("yes")
        talk.add({"role": "user", "content": "no", "id": "m1"})
    assert [message["content"] for message in talk.messages()] == ["yes", "no", "yes"]


def test_other_conversations_and_core_blocks_are_in_view(mem: Memory) -> None:
    mem.blocks.set("persona", "Patient and brief.")
    mem.conversation("old").add("My boat is called Heron.")
    text = mem.conversation("new").turn("What is my boat called?")[0]["content"]
    assert "Patient and brief." in text and "Heron" in text


def test_another_users_conversation_is_another_one(mem: Memory) -> None:
    mem.conversation("s").add("My boat is called Heron.")
    sent = mem.conversation("s", user="ben").turn("What is my boat called?")
    assert sent == [{"role": "user", "content": "What is my boat called?"}]


def test_it_goes_on_after_it_was_closed(tmp_path: Path) -> None:
    for number in range(3):
        with Memory(tmp_path / "m.db", encoder=TinyEncoder(), now=lambda: NOW) as memory:
            sent = memory.conversation("s").turn(f"Turn {number}")
    assert [message["content"] for message in sent] == ["Turn 0", "Turn 1", "Turn 2"]


def test_two_objects_may_go_on_with_one_conversation(mem: Memory) -> None:
    one, other = small(mem), small(mem)
    for number in range(40):
        one.turn(f"One {number} " + "says this and that " * 3)
        other.turn(f"Other {number} " + "says this and that " * 3)
    assert one.messages() == other.messages()
    assert mem.stats().records == 80


@pytest.mark.parametrize(
    ("options", "says"),
    [({"window_tokens": 10}, "window_tokens"), ({"window_tokens": "8k"}, "window_tokens"), ({"system": 5}, "system"),
     ({"memory_tokens": 9_000}, "memory_tokens"), ({"summarise": 5}, "summarise"),
     ({"count_tokens": 5}, "count_tokens"), ({"system": "word " * 9_000}, "system"),
     ({"template": "yaml"}, "template")],
)  # fmt: skip
def test_a_wrong_argument_is_named(mem: Memory, options: dict[str, Any], says: str) -> None:
    with pytest.raises((TypeError, ValueError), match=says):
        mem.conversation("s", **options).turn("Hello")


@pytest.mark.parametrize("message", [5, None, {"role": "user"}, {"role": "robot", "content": "x"}, {"content": ""}, ""])
def test_what_is_no_message_is_refused_and_keeps_nothing(mem: Memory, message: Any) -> None:
    with pytest.raises((TypeError, ValueError)):
        mem.conversation("s").add(message)
    assert mem.stats().records == 0


def test_it_can_be_awaited(tmp_path: Path) -> None:
    async def talk() -> list[dict[str, Any]]:
        async with AsyncMemory(tmp_path / "m.db", encoder=TinyEncoder()) as memory:
            conversation = await memory.conversation("s")
            await conversation.turn("Hello")
            await conversation.reply("Hi!")
            return await conversation.messages()

    assert [message["content"] for message in asyncio.run(talk())] == ["Hello", "Hi!"]


TALKER = textwrap.dedent("""
    import sys
    from conftest import TinyEncoder
    from agentmem import Memory

    memory = Memory(sys.argv[1], encoder=TinyEncoder())
    talk = memory.conversation("s", window_tokens=300)
    for number in range(int(sys.argv[2]), 10_000):
        talk.turn({"role": "user", "content": f"Message {number} of many, with words.", "id": f"u{number}"})
        talk.reply({"role": "assistant", "content": f"Answer {number}.", "id": f"a{number}"})
        print(number, flush=True)
""")


def test_killed_at_any_point_nothing_said_is_missing_or_doubled(tmp_path: Path) -> None:
    draw, told = random.Random(3), -1
    for _ in range(6):
        command = [sys.executable, "-c", TALKER, str(tmp_path / "m.db"), str(max(told, 0))]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parent) as process:
            assert process.stdout
            first = process.stdout.readline()  # it is up
            time.sleep(draw.uniform(0.02, 0.4))
            process.send_signal(signal.SIGKILL)
            said = [int(line) for line in [first, *process.stdout.read().splitlines()]]
        told = max([told, *said])
    with Memory(tmp_path / "m.db", encoder=TinyEncoder()) as memory:
        texts = [record.text for record in memory.list(session="s", limit=100_000)]
        assert len(texts) == len(set(texts)) and memory.verify() == []
        for number in range(told + 1):
            assert f"Message {number} of many, with words." in texts and f"Answer {number}." in texts


def test_a_message_takes_its_words_its_calls_and_a_frame(mem: Memory) -> None:
    talk = small(mem)
    message = {"role": "assistant", "content": "one two", "tool_calls": [CALL]}
    assert talk.tokens([message]) == FRAME + 2 + words(json.dumps([CALL]))


def test_the_documented_agent_runs_for_a_thousand_turns(mem: Memory) -> None:
    page = (Path(__file__).parent.parent / "docs" / "conversation.md").read_text("utf-8")
    code = page[page.index("import json") : page.index('with Memory("talk.db"')]
    assert len(code[: code.index("def scripted")].splitlines()) < 50
    names: dict[str, Any] = {}
    exec(compile(code, "conversation.md", "exec"), names)
    sizes: list[int] = []

    def complete(messages: list[dict[str, Any]], tools: list[dict[str, Any]]) -> dict[str, Any]:
        sizes.append(small(mem).tokens(messages))
        return dict(names["scripted"](messages, tools))

    lines = [
        f"Remember: the boat number {n} is at pier {n}." if n % 50 == 0 else f"Turn {n}, hello." for n in range(1_000)
    ]
    names["Memory"] = None
    answers = list(names["agent"](mem, complete, lines, window_tokens=512))
    assert len(answers) == 1_000 and answers[0] == "Remembered" and max(sizes) <= 512
    assert mem.stats().kinds["note"] == 20
