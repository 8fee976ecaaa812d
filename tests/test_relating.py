"""Entities: who is who, who is not, and what leads from one to another."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import TinyEncoder

from agentmem import Memory


@pytest.fixture
def mem(tmp_path: Path) -> Iterator[Memory]:
    with Memory(tmp_path / "m.db", user="ana", encoder=TinyEncoder(), now=lambda: "2026-01-01") as memory:
        yield memory


def know(memory: Memory, *facts: tuple[str | None, str, str]) -> None:
    """Facts by hand, so that nothing depends on how a sentence is read."""
    for subject, predicate, object in facts:
        memory.correct(predicate, object, subject=subject, at="2025-06-01")


def paths(memory: Memory, name: str | None, **how: object) -> dict[str, list[str]]:
    return {each.name: [str(fact) for fact in each.path] for each in memory.neighbours(name, **how)}  # type: ignore[arg-type]


def test_an_entity_has_names_facts_and_the_records_that_say_so(mem: Memory) -> None:
    know(mem, (None, "sister", "Mel"), ("Mel", "called", "Melanie"), ("Melanie", "lives in", "Lyon"))
    mel = mem.entity("Mel")
    assert (mel.name, mel.kind, mel.aliases) == ("Mel", "person", ("Ana's sister", "Ana's sister Mel", "Melanie"))
    assert {(f.predicate, f.object) for f in mel.facts} == {("called", "Melanie"), ("lives in", "Lyon")}
    assert len(mel.mentions) == 3
    for name in ("mel", "Melanie", "my sister", "my sister Mel"):
        assert [f.object for f in mem.facts(name, "lives in")] == ["Lyon"], name


@pytest.mark.parametrize(
    ("predicate", "kind"), [("lives in", "place"), ("works at", "organisation"), ("pet", "animal"), ("uses", "thing")]
)
def test_what_an_entity_is_follows_from_what_is_said_with_it(mem: Memory, predicate: str, kind: str) -> None:
    know(mem, (None, predicate, "Kestrel"))
    assert mem.entity("Kestrel").kind == kind


def test_who_is_not_known_is_an_entity_without_facts(mem: Memory) -> None:
    nobody = mem.entity("Zoe")
    assert (nobody.kind, nobody.facts, nobody.mentions) == ("thing", (), ())


def test_two_of_one_name_stay_two(mem: Memory) -> None:
    know(
        mem,
        (None, "sister", "Anna"), (None, "boss", "Anna"),
        ("my sister Anna", "plays", "chess"), ("my boss Anna", "drives", "Volvo"),
    )  # fmt: skip
    assert [f.object for f in mem.facts("my sister Anna")] == ["chess"] == [f.object for f in mem.facts("my sister")]
    assert [f.object for f in mem.facts("my boss Anna")] == ["Volvo"]
    assert mem.facts("Anna") == []  # nobody said which


def test_a_friend_who_is_a_colleague_is_one(mem: Memory) -> None:
    know(mem, (None, "friend", "Bo"), (None, "colleague", "Bo"), ("my friend Bo", "plays", "chess"))
    assert [f.object for f in mem.facts("Bo")] == ["chess"] == [f.object for f in mem.facts("my colleague")]


def test_merged_by_hand_and_undone(mem: Memory) -> None:
    know(mem, ("Xan", "lives in", "Riga"))
    merged = mem.merge_entities("Alexander", "Xan")
    assert [f.object for f in mem.facts("Alexander", "lives in")] == ["Riga"]
    mem.forget(merged.id)
    assert mem.facts("Alexander", "lives in") == []


def test_split_by_hand_and_undone(mem: Memory) -> None:
    know(mem, ("Mel", "called", "Melanie"), ("Melanie", "lives in", "Lyon"))
    split = mem.split_entities("Mel", "Melanie")
    assert mem.facts("Mel", "lives in") == []
    mem.forget(split.id)
    assert [f.object for f in mem.facts("Mel", "lives in")] == ["Lyon"]


def test_neighbours_come_nearest_first_with_the_facts_that_lead_there(mem: Memory) -> None:
    know(mem, (None, "works on", "Heron"), ("Mel", "works on", "Heron"), ("Mel", "lives in", "Lyon"))
    assert paths(mem, None) == {
        "Heron": ["ana works on Heron"],
        "Mel": ["ana works on Heron", "Mel works on Heron"],
    }
    assert paths(mem, None, hops=3)["Lyon"] == ["ana works on Heron", "Mel works on Heron", "Mel lives in Lyon"]
    assert list(paths(mem, "Heron", hops=1)) == ["ana", "Mel"] or list(paths(mem, "Heron", hops=1)) == ["Mel", "ana"]
    assert paths(mem, "Mel", hops=1, predicates=["lives in"]) == {"Lyon": ["Mel lives in Lyon"]}


def test_nobody_is_his_own_neighbour(mem: Memory) -> None:
    mem.observe([{"role": "user", "content": "My sister Mel lives in Rome.", "at": "2025-01-01", "name": "Ana"}])
    assert list(paths(mem, "Mel")) == ["Rome", "ana"] and list(paths(mem, None)) == ["Mel", "Rome"]


def test_what_is_over_leads_nowhere(mem: Memory) -> None:
    mem.correct("lives in", "Porto", at="2025-01-01")
    mem.correct("lives in", "Oslo", at="2025-06-01")
    assert list(paths(mem, None)) == ["Oslo"]


def test_another_users_facts_are_not_led_to(mem: Memory) -> None:
    know(mem, (None, "works on", "Heron"))
    mem.correct("works on", "Heron", user="rui")
    assert list(paths(mem, "Heron")) == ["ana"]


@pytest.mark.parametrize("hops", [0, 5, True])
def test_hops_are_one_to_four(mem: Memory, hops: int) -> None:
    with pytest.raises((ValueError, TypeError), match="hops"):
        mem.neighbours(hops=hops)
