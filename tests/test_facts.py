"""Facts: what is true now, what was true then, and that nothing is overwritten."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from conftest import TinyEncoder
from hypothesis import given, settings
from hypothesis import strategies as st

from agentmem import AsyncMemory, Fact, Memory
from agentmem.claims import Said
from agentmem.facts import fold

DAYS = [datetime(2025, month, 1, tzinfo=UTC) for month in range(1, 13)]


@pytest.fixture
def mem(tmp_path: Path) -> Iterator[Memory]:
    with Memory(tmp_path / "m.db", user="ana", encoder=TinyEncoder(), now=lambda: "2026-01-01") as memory:
        yield memory


def say(memory: Memory, *texts: str, name: str | None = "Ana", role: str = "user", month: int = 0) -> None:
    """One message a month."""
    for number, text in enumerate(texts):
        named = {} if name is None else {"name": name}
        memory.observe([{"role": role, "content": text, "at": DAYS[month + number].isoformat(), **named}], session="s")


def short(facts: list[Fact]) -> list[tuple[str, str, str, int | None, int | None]]:
    return [
        (f.predicate, f.object, f.status, f.valid_from and f.valid_from.month, f.valid_to and f.valid_to.month)
        for f in facts
    ]


# -- what is true now, and was true then ----------------------------------------------------------------------------


def test_a_later_value_ends_the_earlier_one_and_keeps_it(mem: Memory) -> None:
    say(mem, "I live in Porto.", "We've moved to Oslo.")
    assert short(mem.facts()) == [("lives in", "Oslo", "current", 2, None), ("lives in", "Porto", "past", 1, 2)]
    assert short(mem.facts(as_of="2025-01-15")) == [("lives in", "Porto", "past", 1, 2)]
    assert mem.facts(as_of="2024-01-01") == []


def test_what_arrives_late_lands_where_it_belongs_in_time(mem: Memory) -> None:
    say(mem, "We've moved to Oslo.", month=5)
    say(mem, "I live in Porto.", month=1)
    assert short(mem.facts()) == [("lives in", "Oslo", "current", 6, None), ("lives in", "Porto", "past", 2, 6)]


def test_what_was_believed_then_does_not_know_what_came_later(tmp_path: Path) -> None:
    now = ["2025-01-01"]
    with Memory(tmp_path / "m.db", encoder=TinyEncoder(), now=lambda: now[0]) as memory:
        memory.remember("I live in Porto.", at="2024-05-01")
        now[0] = "2025-06-01"
        memory.remember("I moved to Oslo.", at="2024-06-01")
        assert [f.object for f in memory.facts(as_of="2024-12-01", believed_at="2025-02-01")] == ["Porto"]
        assert [f.object for f in memory.facts(as_of="2024-12-01")] == ["Oslo"]


def test_going_back_is_a_new_interval_and_not_the_old_one(mem: Memory) -> None:
    say(mem, "I live in Porto.", "I moved to Oslo.", "I've moved back to Porto.")
    assert short(mem.facts()) == [
        ("lives in", "Porto", "current", 3, None),
        ("lives in", "Oslo", "past", 2, 3),
        ("lives in", "Porto", "past", 1, 2),
    ]


def test_several_values_stand_side_by_side_until_one_ends(mem: Memory) -> None:
    say(mem, "I like figs.", "I like chess.", "I don't like figs any more.")
    assert short(mem.facts(predicate="likes")) == [
        ("likes", "chess", "current", 2, None),
        ("likes", "figs", "past", 1, 3),
    ]


def test_liking_ends_where_disliking_begins(mem: Memory) -> None:
    say(mem, "I love coriander.", "I hate coriander.")
    assert short(mem.facts()) == [
        ("dislikes", "coriander", "current", 2, None),
        ("likes", "coriander", "past", 1, 2),
    ]


def test_what_has_ended_without_a_beginning_is_past(mem: Memory) -> None:
    say(mem, "I used to live in Rome.")
    assert short(mem.facts()) == [("lives in", "Rome", "past", None, 1)]


def test_what_is_denied_is_known_not_to_be_so(mem: Memory) -> None:
    say(mem, "I'm not vegan.")
    (fact,) = mem.facts()
    assert (fact.predicate, fact.object, fact.holds, fact.status) == ("diet", "vegan", False, "current")


def test_said_again_makes_surer_and_names_every_record(mem: Memory) -> None:
    say(mem, "I'm allergic to peanuts.")
    once = mem.facts()[0]
    say(mem, "No nuts please, I am allergic to peanuts.", month=1)
    again = mem.facts()[0]
    assert again.confidence > once.confidence and len(again.evidence) == 2 and again.valid_from == once.valid_from
    assert [mem.get(id).text for id in again.evidence] == [
        "I'm allergic to peanuts.",
        "No nuts please, I am allergic to peanuts.",
    ]


# -- whose word counts ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("role", ["assistant", "system", "tool"])
def test_what_an_assistant_or_a_tool_says_is_no_evidence(mem: Memory, role: str) -> None:
    say(mem, "I live in Porto.")
    say(mem, "I live in Berlin.", "Ana lives in Berlin.", role=role, month=1, name=None)
    assert [f.object for f in mem.facts()] == ["Porto"]


def claimed(object: str, day: int, *, hint: bool = False, holds: bool = True, own: bool = True) -> Said:
    return Said(
        subject="ana", predicate="lives in", object=object, key=object.lower(), holds=holds, ended=not holds, own=own,
        hint=hint, confidence=0.3 if hint else 0.8, at=day, recorded_at=day, until=None, position=0, uid=f"{day}",
        trust=1.0, by_hand=False,
    )  # fmt: skip


def test_a_hint_of_change_casts_doubt_until_it_is_said_again() -> None:
    said = [claimed("Porto", 1), claimed("Faro", 2, hint=True)]
    assert [(f.object, f.status) for f in fold(said, "ana")] == [("Porto", "contested")]
    assert [f.status for f in fold([*said, claimed("Porto", 3)], "ana")] == ["current"]
    assert [(f.object, f.status) for f in fold([*said, claimed("Faro", 3)], "ana")] == [
        ("Faro", "current"), ("Porto", "past"),
    ]  # fmt: skip
    assert [f.status for f in fold([claimed("Porto", 1), claimed("Porto", 2, hint=True, holds=False)], "ana")] == [
        "contested"
    ]


def test_a_hint_alone_says_nothing_and_neither_does_one_by_others() -> None:
    assert fold([claimed("Faro", 1, hint=True)], "ana") == []
    assert [f.status for f in fold([claimed("Porto", 1), claimed("Porto", 2, hint=True)], "ana")] == ["current"]
    by_others = claimed("Faro", 2, hint=True, own=False)
    assert [f.status for f in fold([claimed("Porto", 1), by_others], "ana")] == ["current"]


def test_what_another_says_is_contested_and_ends_nothing(mem: Memory) -> None:
    say(mem, "I live in Porto.")
    say(mem, "Ana lives in Faro.", name="Rui", month=1)
    assert {(f.object, f.status) for f in mem.facts()} == {("Porto", "current"), ("Faro", "contested")}
    assert {f.object for f in mem.conflicts()} == {"Porto", "Faro"}
    assert next(f.confidence for f in mem.facts() if f.object == "Faro") < 0.5
    say(mem, "I live in Porto, as ever.", month=2)
    assert [f.object for f in mem.facts() if f.status == "current"] == ["Porto"]


def test_what_is_corrected_again_counts_again(mem: Memory) -> None:
    for town in ("Oslo", "Rome", "Oslo"):
        mem.correct("lives in", town)
    assert [f.object for f in mem.facts() if f.status == "current"] == ["Oslo"]
    for holds in (True, False, True):
        mem.correct("likes", "tea", holds=holds)
    assert [f.holds for f in mem.facts(predicate="likes") if f.status == "current"] == [True]


def test_a_correction_of_my_sister_is_of_her_who_has_the_name(mem: Memory) -> None:
    say(mem, "My sister Mel lives in Rome.")
    mem.correct("lives in", "Pisa", subject="my sister")
    for subject in ("Mel", "my sister", "my sister Mel"):
        assert [f.object for f in mem.facts(subject) if f.status == "current"] == ["Pisa"], subject


def test_a_place_said_more_fully_is_the_same() -> None:
    assert [f.status for f in fold([claimed("Oslo", 1), claimed("Oslo, Norway", 2, hint=True)], "ana")] == ["current"]
    assert [f.status for f in fold([claimed("Oslo", 1), claimed("Oslo, Norway", 2)], "ana")] == ["current"]


def test_what_is_confirmed_is_settled(mem: Memory) -> None:
    say(mem, "I live in Porto.")
    say(mem, "Ana lives in Faro.", name="Rui", month=1)
    mem.confirm(next(fact for fact in mem.conflicts() if fact.object == "Faro"))
    assert mem.conflicts() == []
    assert [f.object for f in mem.facts() if f.status == "current"] == ["Faro"]


def test_what_is_past_is_not_confirmed(mem: Memory) -> None:
    say(mem, "I live in Porto.", "We've moved to Oslo.")
    with pytest.raises(ValueError, match="is past"):
        mem.confirm(mem.facts()[1])


@pytest.mark.parametrize(
    ("call", "error", "says"),
    [
        (lambda m: m.correct("likes", "tea", holds="no"), TypeError, "holds is True or False"),
        (lambda m: m.correct("lives in", "Rome", at="2099-01-01"), ValueError, "is to come"),
        (lambda m: m.facts(5), TypeError, "is a name"),
        (lambda m: m.facts(" "), ValueError, "is blank"),
        (lambda m: m.facts(predicate=5), TypeError, "predicate is one"),
        (lambda m: m.confirm("lives in"), TypeError, "fact is a Fact"),
        (lambda m: m.neighbours(5), TypeError, "is a name"),
        (lambda m: m.entity(""), ValueError, "is blank"),
    ],
)
def test_what_cannot_be_meant_is_refused(mem: Memory, call: object, error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=says):
        call(mem)  # type: ignore[operator]
    assert mem.list() == []


def test_a_correction_by_hand_outranks_and_marks_what_was_wrong(mem: Memory) -> None:
    say(mem, "I live in Porto.")
    mem.correct("lives in", "Oslo", at="2025-05-01")
    assert {(f.object, f.status) for f in mem.facts()} == {("Oslo", "current"), ("Porto", "wrong")}
    say(mem, "Ana told me she moved to Faro.", name="Rui", month=7)
    assert [f.object for f in mem.facts() if f.status == "current"] == ["Oslo"]
    say(mem, "We moved to Bergen.", month=9)
    assert [f.object for f in mem.facts() if f.status == "current"] == ["Bergen"]


def test_a_correction_can_be_forgotten(mem: Memory) -> None:
    say(mem, "I live in Porto.")
    mem.forget(mem.correct("lives in", "Oslo").id)
    assert [(f.object, f.status) for f in mem.facts()] == [("Porto", "current")]


def test_what_is_not_so_can_be_said_by_hand(mem: Memory) -> None:
    say(mem, "I like coriander.")
    mem.correct("likes", "coriander", holds=False, at="2025-05-01")
    assert [(f.object, f.status) for f in mem.facts()] == [("coriander", "wrong")]


def test_confirmed_is_as_sure_as_can_be(mem: Memory) -> None:
    say(mem, "I live in Porto.")
    mem.confirm(mem.facts()[0])
    (fact,) = mem.facts()
    assert fact.confidence == 0.99 and fact.status == "current" and len(fact.evidence) == 2


@pytest.mark.parametrize("claim", [None, 7, [], ["", "lives in", "Oslo", True], ["", "lives in", 7, True, False]])
def test_a_record_that_only_looks_like_a_correction_claims_nothing(mem: Memory, claim: object) -> None:
    mem.remember("x", kind="correction", metadata={"claim": claim})
    assert mem.facts() == [] and mem.verify() == []


@pytest.mark.parametrize("arguments", [("", "x"), ("lives in", ""), ("lives in", "x" * 201)])
def test_a_correction_needs_words(mem: Memory, arguments: tuple[str, str]) -> None:
    with pytest.raises(ValueError, match="up to 200 characters"):
        mem.correct(*arguments)
    assert mem.list() == []


# -- evidence goes, facts go ----------------------------------------------------------------------------------------


def test_with_its_evidence_a_fact_is_forgotten(mem: Memory) -> None:
    say(mem, "I live in Porto.", "We've moved to Oslo.")
    mem.forget(mem.facts()[0].evidence[0])
    assert short(mem.facts()) == [("lives in", "Porto", "current", 1, None)]
    mem.forget(user="ana")
    assert mem.facts() == []


def test_a_revision_ends_what_the_old_text_said(mem: Memory) -> None:
    record = mem.remember("I like figs.", at="2025-01-01")
    mem.revise(record.id, "I like dates.", at="2025-03-01")
    assert short(mem.facts()) == [("likes", "dates", "current", 3, None), ("likes", "figs", "past", 1, 3)]


def test_facts_of_one_user_are_not_those_of_another(mem: Memory) -> None:
    say(mem, "I live in Porto.")
    mem.remember("I live in Rome.", user="ben")
    assert [f.object for f in mem.facts()] == ["Porto"] and [f.object for f in mem.facts(user="ben")] == ["Rome"]
    assert mem.facts("Ana", user="ben") == []


def test_what_is_trusted_too_little_is_left_out(mem: Memory) -> None:
    mem.remember("I live in Rome.", trust=0.2)
    assert mem.facts(min_trust=0.5) == [] and [f.trust for f in mem.facts()] == [0.2]


def test_rebuild_reads_the_same_claims_again(mem: Memory) -> None:
    say(mem, "My sister Mel lives in Braga.", "I play the cello.")
    mem.correct("plays", "piano")
    before = mem.facts(), mem.facts("Mel")
    with mem._db.transaction() as connection:
        connection.execute("delete from claims")
    assert mem.facts() == []
    mem.rebuild()
    assert (mem.facts(), mem.facts("Mel")) == before and mem.verify() == []


# -- names ----------------------------------------------------------------------------------------------------------


def test_a_relation_and_a_name_are_one_where_there_is_one(mem: Memory) -> None:
    say(mem, "My sister Mel lives in Braga.", "My sister works at Kestrel.")
    for subject in ("Mel", "my sister", "mel"):
        assert {f.object for f in mem.facts(subject)} == {"Braga", "Kestrel"}


def test_two_sisters_stay_two(mem: Memory) -> None:
    say(mem, "My sister Mel lives in Braga.", "My sister Eva lives in Faro.", "My sister plays chess.")
    assert {f.object for f in mem.facts("Mel")} == {"Braga"} and {f.object for f in mem.facts("Eva")} == {"Faro"}
    assert {f.object for f in mem.facts("my sister")} == {"chess"}


def test_a_short_name_is_the_long_one_where_somebody_says_so(mem: Memory) -> None:
    say(mem, "Mel lives in Braga.", "Melanie plays tennis.")
    assert {f.object for f in mem.facts("Mel")} == {"Braga"}
    say(mem, "Mel is short for Melanie.", month=3)
    assert {f.object for f in mem.facts("Mel")} >= {"Braga", "tennis"}


def test_the_user_without_a_name_is_the_one_who_speaks(tmp_path: Path) -> None:
    with Memory(tmp_path / "m.db", encoder=TinyEncoder()) as memory:
        say(memory, "I live in Porto.", name="Ana")
        assert [(f.subject, f.object) for f in memory.facts()] == [("Ana", "Porto")]
        say(memory, "I live in Rome.", name="Ben")
        assert memory.facts() == [] and [f.object for f in memory.facts("Ben")] == ["Rome"]


# -- no drift -------------------------------------------------------------------------------------------------------

SAID = (
    "I live in Porto.",
    "I moved to Oslo.",
    "I've moved from Oslo to Rome.",
    "I work at Nordhavn.",
    "I no longer work at Nordhavn.",
    "I like figs.",
    "I hate figs.",
    "My sister Mel lives in Braga.",
    "Mel lives in Faro.",
    "Might I live in Paris one day?",
)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.sampled_from(SAID), min_size=1, max_size=12), st.randoms(use_true_random=False), st.integers(1, 5))
def test_the_same_turns_give_the_same_facts_however_they_arrive(
    texts: list[str], draw: random.Random, size: int
) -> None:
    turns = [
        {"role": "user", "content": text, "at": 1_700_000_000_000 + 1000 * number, "id": str(number)}
        for number, text in enumerate(texts)
    ]
    shuffled = draw.sample(turns, len(turns))
    found = []
    for batches in ([turns], [[turn] for turn in turns], [shuffled[i : i + size] for i in range(0, len(turns), size)]):
        with Memory(":memory:", user="ana", encoder=TinyEncoder()) as memory:
            for batch in batches:
                memory.observe(batch, session="s")
            facts = memory.facts() + memory.facts("Mel")
            found.append([(str(f), f.status, f.valid_from, f.valid_to, f.confidence) for f in facts])
    assert found[0] == found[1] == found[2]


async def _asked(path: Path) -> list[str]:
    async with AsyncMemory(path, encoder=TinyEncoder()) as memory:
        await memory.remember("I live in Porto.")
        await memory.correct("lives in", "Oslo")
        return [fact.object for fact in await memory.facts() if fact.status == "current"]


def test_facts_can_be_awaited(tmp_path: Path) -> None:
    import asyncio

    assert asyncio.run(_asked(tmp_path / "m.db")) == ["Oslo"]
