"""What an agent is given: what holds now, what is past and marked so, and what is reached over another fact."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from agentmem import Memory


@pytest.fixture
def mem(tmp_path: Path) -> Iterator[Memory]:
    with Memory(tmp_path / "m.db", user="ana", now=lambda: "2026-01-01") as memory:
        yield memory


def told(memory: Memory, *texts: str) -> None:
    """One message a month, by Ana."""
    for month, text in enumerate(texts, 1):
        at = f"2025-{month:02}-01"
        memory.observe([{"role": "user", "content": text, "at": at, "name": "Ana"}], session=f"s{month}")


def test_what_holds_now_stands_first_with_what_held_before(mem: Memory) -> None:
    told(mem, "I live in Porto.", "We've moved to Oslo!")
    lines = mem.context("Where does Ana live?").text.splitlines()
    assert lines[3] == "- Ana: lives in Oslo (since 2025-02-01; earlier Porto (2025-01-01 to 2025-02-01))"
    assert not any("I live in Porto" in line for line in lines)  # the line above says it
    assert "- [2025-02-01] Ana: We've moved to Oslo!" in lines


def test_an_assistants_echo_of_what_is_past_is_marked(mem: Memory) -> None:
    told(mem, "I live in Porto.", "We've moved to Oslo!")
    mem.observe([{"role": "assistant", "content": "As you live in Porto, take the metro.", "at": "2025-03-01"}])
    assert "[2025-03-01, earlier: porto] assistant:" in mem.context("Where does Ana live?").text


def test_what_held_then_is_given_for_then(mem: Memory) -> None:
    told(mem, "I live in Porto.", "We've moved to Oslo!")
    text = mem.context("Where does Ana live?", as_of="2025-01-15").text
    assert "lives in Porto" in text and "Oslo" not in text


def test_a_filter_keeps_facts_out_too(mem: Memory) -> None:
    mem.remember("I live in Porto.", at="2025-01-01", metadata={"about": "home"})
    mem.remember("We've moved to Oslo!", at="2025-02-01", metadata={"about": "secret"})
    assert "Oslo" in mem.context("Where does Ana live?").text
    assert "Oslo" not in mem.context("Where does Ana live?", where={"about": "home"}).text


def test_another_users_facts_stay_out(mem: Memory) -> None:
    told(mem, "I live in Porto.")
    mem.remember("I live in Rome.", user="rui", at="2025-02-01")
    assert "Rome" not in mem.context("Where does Ana live?").text


REACHED = [
    ("works on", "Project Heron", "prefers", "Python", "Which language for Project Heron?"),
    ("works on", "the Lisbon report", "prefers", "short sentences", "Draft the intro of the Lisbon report"),
    ("coaches", "the Falcons", "dislikes", "early mornings", "When should the Falcons train?"),
    ("organises", "the choir trip", "allergic to", "peanuts", "Order snacks for the choir trip"),
    ("teaches", "class 7b", "speaks", "Catalan", "A welcome letter for class 7b"),
    ("runs", "the harbour cafe", "avoids", "plastic", "Cups for the harbour cafe"),
    ("writes", "the Monday column", "uses", "Markdown", "Format of the Monday column"),
    ("leads", "team Orion", "prefers", "video calls", "How does team Orion meet?"),
    ("cooks for", "the night shelter", "diet", "vegan", "A menu for the night shelter"),
    ("plays for", "the Otters", "has", "asthma", "Training plan for the Otters"),
    ("edits", "Blue Lamp", "dislikes", "adverbs", "House style for Blue Lamp"),
]


@pytest.mark.parametrize(("way", "thing", "predicate", "value", "query"), REACHED)
def test_what_somebody_minds_is_brought_by_what_he_has_to_do_with(
    mem: Memory, way: str, thing: str, predicate: str, value: str, query: str
) -> None:
    mem.correct(predicate, value, subject="Mel", at="2025-01-01")
    mem.correct(way, thing, subject="Mel", at="2025-03-01")
    for number in range(30):  # so that recall alone does not bring everything
        mem.remember(f"{query} Note {number}, nothing decided yet.", at="2025-04-01")
    assert f"- Mel: {predicate} {value} (who {way} {thing})" in mem.context(query, k=20, budget_tokens=400).text


def test_what_is_over_brings_nothing(mem: Memory) -> None:
    mem.correct("prefers", "Python", subject="Mel", at="2025-01-01")
    mem.correct("works on", "Heron", subject="Mel", at="2025-02-01")
    mem.correct("works on", "Heron", subject="Mel", holds=False, at="2025-03-01")
    assert "Python" not in mem.context("Which language for Heron?", k=1).text.split("Said:")[0]


def test_core_blocks_stand_before_everything_else(mem: Memory) -> None:
    told(mem, "I live in Porto.")
    mem.blocks.set("persona", "Patient.\nBrief.")
    mem.blocks.set("project", "Ship agentmem.", agent="coder")
    context = mem.context("Where does Ana live?")
    assert context.text.splitlines()[2:5] == ["Always in view:", "- persona: Patient.", "  Brief."]
    assert [block.label for block in context.blocks] == ["persona"]
    assert "Ship agentmem." in mem.context("Where does Ana live?", agent="coder").text


def test_a_block_too_large_for_the_budget_leaves_room_for_what_was_found(mem: Memory) -> None:
    told(mem, "I live in Porto.")
    mem.blocks.set("persona", "\n".join(f"Line number {n} of who I am." for n in range(60)))
    context = mem.context("Where does Ana live?", budget_tokens=120)
    assert "Porto" in context.text and "Line number 0" in context.text and context.tokens <= 120


def test_what_the_prompt_holds_already_is_not_said_again(mem: Memory) -> None:
    told(mem, "I live in Porto.", "The boiler in Porto is broken.")
    first = mem.list()[-1]
    text = mem.context("What about Porto?", exclude=[first]).text
    assert "boiler" in text and "live" not in text
    assert text == mem.context("What about Porto?", exclude=[first.id]).text


def test_the_last_turns_of_a_session_stand_whole(mem: Memory) -> None:
    turns = ("One.", "Two.", "Three.")
    mem.observe([{"role": "user", "content": text, "at": "2025-05-05"} for text in turns], session="s")
    lines = mem.context("Anything?", session="s", recent=2).text.splitlines()
    assert lines[-4:-1] == ["Said just before:", "- [2025-05-05] user: Two.", "- [2025-05-05] user: Three."]
    with pytest.raises(ValueError, match="session"):
        mem.context("Anything?", recent=2)


def test_tokens_are_counted_by_the_callers_tokenizer(mem: Memory) -> None:
    told(mem, "I live in Porto.", "We've moved to Oslo!")
    context = mem.context("Where does Ana live?", budget_tokens=200, count_tokens=len)
    assert context.tokens == len(context.text) <= 200


@pytest.mark.parametrize(
    "wrong",
    [{"template": "yaml"}, {"template": 5}, {"count_tokens": 5}, {"exclude": "id"}, {"exclude": [5]}, {"recent": -1}],
)
def test_a_wrong_argument_is_named(mem: Memory, wrong: dict[str, object]) -> None:
    with pytest.raises((TypeError, ValueError), match=next(iter(wrong))):
        mem.context("Where?", **wrong)  # type: ignore[arg-type]
