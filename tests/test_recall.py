"""Recall: times, recency, strategies, neighbours, and what two objects on one file see."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import TinyEncoder

from agentmem import Hit, Memory, lexical, rank, recall, scope
from agentmem.encoder import encode
from agentmem.index import InMemory
from agentmem.recall import LATE_DEPTH, Question
from agentmem.records import instant

NOW = "2023-12-01T12:00:00Z"
NAMES = {*rank.WEIGHTS, "known"}


class Clock:
    """A clock that a test winds."""

    def __init__(self, at: str = NOW) -> None:
        self.at = at

    def __call__(self) -> str:
        return self.at


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def mem(tmp_path: Path, clock: Clock, encoder: TinyEncoder) -> Iterator[Memory]:
    with Memory(tmp_path / "m.db", user="ana", now=clock, encoder=encoder) as memory:
        yield memory


def texts(hits: list[Hit]) -> list[str]:
    return [hit.text for hit in hits]


def why(memory: Memory, query: str, **given: Any) -> dict[str, dict[str, float]]:
    """Text → each signal's part."""
    return {hit.text: dict(hit.why or {}) for hit in memory.recall(query, explain=True, k=50, **given)}


def observe(memory: Memory, *turns: str, session: str = "s", **given: Any) -> list[Any]:
    """Keep turns that the user and the assistant say in turn."""
    roles = ("user", "assistant")
    messages = [{"role": roles[n % 2], "content": text} for n, text in enumerate(turns)]
    return memory.observe(messages, session=session, **given)


# -- times


def days(hits: list[Hit]) -> list[str]:
    return [hit.record.occurred_at.date().isoformat() for hit in hits if hit.record.occurred_at]


def dated_why(memory: Memory, query: str, signal: str) -> dict[str, float]:
    """Day → the signal's part."""
    hits = memory.recall(query, explain=True, k=50)
    return dict(zip(days(hits), [(hit.why or {})[signal] for hit in hits], strict=True))


@pytest.fixture
def garden(mem: Memory) -> Memory:
    """The same words on four days, so that only times tell them apart; the first in the file is the oldest."""
    for at in ("2021-09-10", "2022-05-20", "2023-04-02", "2023-05-08T13:00:00Z"):
        mem.remember("We planted the tomatoes yesterday", at=at)
    return mem


@pytest.mark.parametrize(
    ("query", "day"),
    [
        ("What did we plant on 7 May 2023?", "2023-05-08"),
        ("planted 2023-05-07", "2023-05-08"),
        ("tomatoes on April 1st", "2023-04-02"),
        ("19/05/2022", "2022-05-20"),
        ("Who planted tomatoes on 9 September?", "2021-09-10"),
    ],
)
def test_yesterday_is_found_by_its_date(garden: Memory, query: str, day: str) -> None:
    assert days(garden.recall(query, k=1)) == [day]
    assert {at: part > 0 for at, part in dated_why(garden, query, "time").items()} == {
        at: at == day for at in ("2021-09-10", "2022-05-20", "2023-04-02", "2023-05-08")
    }


def test_the_date_of_a_question_is_counted_from_when_it_is_asked(garden: Memory, clock: Clock) -> None:
    for now, day in (("2023-05-15", "2023-05-08"), ("2022-05-23", "2022-05-20"), ("2021-09-13", "2021-09-10")):
        clock.at = now
        assert days(garden.recall("What did we plant last week?", k=1)) == [day]


def test_a_date_finds_what_was_said_then_or_speaks_of_it_and_of_a_part_less(mem: Memory) -> None:
    mem.remember("the boiler, yesterday", at="2023-05-08")
    mem.remember("the boiler, said that day", at="2023-05-07T09:00:00Z")
    mem.remember("the boiler, in May 2023", at="2023-11-01")
    mem.remember("the boiler, the day after", at="2023-05-08T00:00:00Z")
    mem.remember("the boiler, the day before", at="2023-05-06T23:59:59Z")
    parts = {text: part["time"] for text, part in why(mem, "the boiler on 7 May 2023").items()}
    assert parts["the boiler, yesterday"] > parts["the boiler, in May 2023"] > 0
    assert parts["the boiler, said that day"] > parts["the boiler, in May 2023"]
    assert parts["the boiler, the day after"] == parts["the boiler, the day before"] == 0


def test_a_date_finds_what_neither_words_nor_meaning_find(mem: Memory) -> None:
    """Among more records than either of them looks at."""
    mem.remember_many([{"text": f"lemons, crate number {n}", "at": "2023-04-02"} for n in range(1000, 1500)])
    mem.remember("The kitchen flooded yesterday", at="2023-05-08")
    assert mem.recall("7 May?", k=1)[0].text == "The kitchen flooded yesterday"


def test_a_month_without_a_year_finds_that_of_any_year(garden: Memory) -> None:
    assert set(days(garden.recall("What did we plant in May?", k=2))) == {"2022-05-20", "2023-05-08"}
    assert days(garden.recall("What did we plant in September?", k=1)) == ["2021-09-10"]


def test_a_month_with_a_year_finds_that_years_alone(garden: Memory) -> None:
    parts = dated_why(garden, "What did we plant in May 2022?", "time")
    assert [day for day, part in parts.items() if part > 0] == ["2022-05-20"]


@pytest.mark.parametrize("far", [{"user": "ben"}, {}], ids=["of another user", "of one's own"])
def test_a_record_of_a_far_year_does_not_hide_every_other_years_may(garden: Memory, far: dict[str, str]) -> None:
    garden.remember("An appointment in another age", at="9990-01-01", **far)
    assert dated_why(garden, "What did we plant in May?", "time")["2022-05-20"] > 0


def test_a_question_of_no_time_has_no_part_of_time(garden: Memory) -> None:
    assert set(dated_why(garden, "What did we plant?", "time").values()) == {0}
    assert set(dated_why(garden, "What did we plant in May?", "when").values()) == {0}


def test_where_no_time_is_known_a_date_is_only_words(mem: Memory) -> None:
    mem.observe([{"role": "user", "content": "the boiler broke", "at": None}], session="s")
    assert why(mem, "the boiler in May")["the boiler broke"]["time"] == 0


def test_a_question_for_a_time_prefers_the_turn_that_speaks_of_one(mem: Memory) -> None:
    """The other is shorter, and stands first otherwise."""
    mem.remember("We adopted the parrot, a loud and clever one, in 2019")
    mem.remember("We adopted the parrot, a loud one")
    assert mem.recall("Who adopted the parrot?")[0].text == "We adopted the parrot, a loud one"
    assert mem.recall("When did we adopt the parrot, adopted?")[0].text.endswith("in 2019")
    parts = why(mem, "When did we adopt the parrot, adopted?")
    assert {text: part["when"] > 0 for text, part in parts.items()} == {
        "We adopted the parrot, a loud and clever one, in 2019": True,
        "We adopted the parrot, a loud one": False,
    }


# -- since and until


@pytest.fixture
def dated(mem: Memory) -> Memory:
    mem.remember("We sailed yesterday", at="2023-05-08T13:00:00Z")
    mem.remember("We will sail in June 2024", at="2023-05-20")
    mem.observe([{"role": "user", "content": "We sailed in 2019, I think", "at": None}], session="s")
    return mem


@pytest.mark.parametrize(
    ("since", "until", "found"),
    [
        ("2023-05-07", "2023-05-08", {"yesterday"}),  # speaks of it
        ("2023-05-08", "2023-05-09", {"yesterday"}),  # was said then
        ("2023-05-06", "2023-05-07", set()),  # up to where it begins
        ("2023-05-09", "2023-05-20", set()),
        ("2023-05-07T23:59:59.999Z", "2023-05-08", {"yesterday"}),  # its last moment
        ("2023-05-08", "2023-05-08T13:00:00Z", set()),  # it ends there, and was said from there on
        ("2024-06-30", "2024-07-01", {"in June 2024"}),
        ("2024-07-01", None, set()),
        ("2024-01-01", None, {"in June 2024"}),
        (None, "2020-01-01", {"I think"}),
        (None, "2019-01-01", set()),
        ("2019-06-01", "2019-06-02", {"I think"}),  # within it
        (None, "2023-05-08", {"I think", "yesterday"}),
        ("2023-01-01", None, {"yesterday", "in June 2024"}),
        (None, None, {"I think", "yesterday", "in June 2024"}),
        ("0001-01-01", "9999-12-31T23:59:59.999Z", {"I think", "yesterday", "in June 2024"}),
    ],
)
def test_since_and_until_take_what_was_said_then_or_speaks_of_then(
    dated: Memory, since: str | None, until: str | None, found: set[str]
) -> None:
    for read in (dated.list(since=since, until=until), dated.recall("sailed", since=since, until=until)):
        assert {
            next(end for end in ("yesterday", "in June 2024", "I think") if one.text.endswith(end)) for one in read
        } == found


@pytest.mark.parametrize(("since", "until"), [("2024-06-10", "2024-06-10"), ("2024-06-20", "2024-06-10")])
def test_an_empty_interval_holds_nothing(dated: Memory, since: str, until: str) -> None:
    assert dated.list(since=since, until=until) == dated.recall("sail", since=since, until=until) == []


def test_what_a_revision_or_forgetting_took_away_is_not_found_by_its_time(mem: Memory) -> None:
    may = {"since": "2023-05-07", "until": "2023-05-08"}
    record = mem.remember("We sailed yesterday", at="2023-05-08")
    new = mem.revise(record.id, "We sailed, or so I thought", at="2023-06-01")
    assert mem.list(**may) == mem.recall("sailed", **may) == []
    assert [r.text for r in mem.list(**may, as_of="2023-05-10")] == ["We sailed yesterday"]
    mem.forget(new.id)
    assert mem.list(**may, as_of="2023-05-10") == []
    with mem._db.read() as connection:
        assert connection.execute("select count(*) from times").get == 0


def test_times_of_another_user_stay_his(mem: Memory) -> None:
    mem.remember("We sailed yesterday", at="2023-05-08", user="ben")
    mem.remember("We sailed at last", at="2022-01-01")
    assert mem.list(since="2023-05-07", until="2023-05-08") == []
    assert texts(mem.recall("Who sailed on 7 May?")) == ["We sailed at last"]


def test_rebuild_reads_the_same_times_again(dated: Memory) -> None:
    def read() -> list[tuple[object, ...]]:
        with dated._db.read() as connection:
            return [
                *connection.execute("select * from times order by 1, 2, 3").fetchall(),
                *connection.execute("select * from traits order by 1").fetchall(),
            ]

    before = read()
    with dated._db.transaction() as connection:
        connection.execute("delete from times")
        connection.execute("delete from traits where id = 2")
    assert dated.verify() != []
    dated.rebuild()
    assert read() == before and dated.verify() == []


@pytest.mark.parametrize("first", [False, True])
def test_recall_goes_on_where_traits_are_lost_and_finds_all_again_after_rebuild(mem: Memory, first: bool) -> None:
    """`verify` says that they are missing and to run rebuild; until then, and after, every record can be found."""
    mem.remember_many(["the boiler leaks", "the boiler is new", "a boiler of brass"])
    if first:
        assert len(mem.recall("boiler")) == 3
    with mem._db.transaction() as connection:
        connection.execute("delete from traits where id >= 2")
    assert mem.verify() == ["2 records have no traits; run rebuild"]
    assert len(mem.recall("boiler")) > 0
    mem.rebuild()
    assert mem.verify() == [] and len(mem.recall("boiler")) == 3


# -- recency


@pytest.fixture
def twice(mem: Memory) -> Memory:
    """The same words, the older first in the file."""
    mem.remember("the boiler leaks", at="2021-12-01")
    mem.remember("the boiler leaks", at="2023-11-30")
    return mem


def years(hits: list[Hit]) -> list[int]:
    return [hit.record.occurred_at.year for hit in hits if hit.record.occurred_at]


def test_between_equals_the_newer_comes_first(twice: Memory) -> None:
    assert years(twice.recall("boiler")) == [2023, 2021]
    assert years(twice.recall("boiler", half_life_days=3650)) == [2023, 2021]


def test_an_endless_half_life_switches_recency_off(twice: Memory) -> None:
    hits = twice.recall("boiler", half_life_days=math.inf)
    assert years(hits) == [2021, 2023] and hits[0].score == hits[1].score


def test_the_half_life_says_how_fast_it_falls(mem: Memory) -> None:
    """Two ages, one of them a half-life: what recency takes off is half of the most."""
    for at in ("2023-12-01T12:00:00Z", "2023-11-21T12:00:00Z", "1900-01-01"):
        mem.remember("the boiler leaks", at=at)
    sums = [sum(part for name, part in (hit.why or {}).items() if name != "known")
            for hit in mem.recall("boiler", half_life_days=10, explain=True)]  # fmt: skip
    assert (sums[0] - sums[1]) / (sums[0] - sums[2]) == pytest.approx(0.5, abs=1e-3)
    assert (sums[0] - sums[2]) / sums[0] == pytest.approx(rank.RECENCY_SHARE / 0.95, abs=1e-3)


def test_what_is_to_come_is_as_new_as_now(mem: Memory) -> None:
    for at in ("2030-01-01", NOW):
        mem.remember("the boiler leaks", at=at)
    hits = mem.recall("boiler", half_life_days=1)
    assert years(hits) == [2030, 2023] and hits[0].score == hits[1].score


def test_recency_never_buries_a_strong_match(mem: Memory) -> None:
    mem.remember("the boiler of the red house leaks", at="0001-01-01")
    mem.remember_many([{"text": f"the boiler {n} works", "at": NOW} for n in range(20)])
    for days in (0.001, 1, 90):
        hits = mem.recall("does the boiler of the red house leak", half_life_days=days)
        assert hits[0].text == "the boiler of the red house leaks"


@pytest.mark.parametrize("days", [5e-324, 1e-3, 1, 90, 1e308, math.inf])
def test_any_half_life_above_0_gives_finite_scores(twice: Memory, days: float) -> None:
    """Also of what has no time."""
    twice.observe([{"role": "user", "content": "the boiler leaks", "at": None}], session="s")
    hits = twice.recall("boiler", half_life_days=days, explain=True)
    assert len(hits) == 3
    assert all(0 <= hit.score <= 1 and all(map(math.isfinite, (hit.why or {}).values())) for hit in hits)


def test_what_has_no_time_is_the_oldest(mem: Memory) -> None:
    mem.observe([{"role": "user", "content": "the boiler leaks", "at": None}], session="s")
    mem.observe([{"role": "user", "content": "the boiler leaks", "at": "2022-01-01"}], session="t")
    assert mem.recall("boiler")[0].record.session == "t"


@pytest.mark.parametrize("days", [0, -1, -math.inf, math.nan, "90", None, [], True, 10**400, 1j])
def test_another_half_life_is_refused(twice: Memory, days: Any) -> None:
    with pytest.raises((TypeError, ValueError), match="half_life_days"):
        twice.recall("boiler", half_life_days=days)
    with pytest.raises((TypeError, ValueError), match="half_life_days"):
        twice.recall("boiler", user="nobody", half_life_days=days)


# -- scores


def test_hits_come_in_the_order_of_their_log_odds(mem: Memory) -> None:
    """Also near 1, where a float32 has no room for the difference."""
    for n in range(6):
        mem.remember(
            "I planted the tall red tomatoes yesterday", speaker="Ana", at="2023-05-08", source=f"{n}", importance=n / 5
        )
    mem.remember("Something else", speaker="Ben", role="assistant", at="2020-01-01")
    hits = mem.recall("When was it that I, Ana, planted the tall red tomatoes on 7 May 2023?", explain=True)
    sums = [sum((hit.why or {}).values()) for hit in hits]
    assert sums == sorted(sums, reverse=True)
    assert [hit.record.source for hit in hits[:6]] == ["5", "4", "3", "2", "1", "0"]


def test_min_score_cuts_at_the_score(mem: Memory) -> None:
    mem.remember_many(["the boiler leaks", "the boiler is new", "a cat", "a dog barks"])
    hits = mem.recall("does the boiler leak")
    assert len({hit.score for hit in hits}) == 4
    for n, hit in enumerate(hits):
        assert texts(mem.recall("does the boiler leak", min_score=hit.score)) == texts(hits[: n + 1])
    assert mem.recall("does the boiler leak", min_score=1) == []
    assert mem.recall("does the boiler leak", min_score=hits[0].score, k=1)[0] == hits[0]


def test_a_question_that_the_memory_cannot_answer_scores_less(tmp_path: Path) -> None:
    """With the real encoder: a threshold can tell the two apart."""
    with Memory(tmp_path / "m.db", now=lambda: NOW) as memory:
        memory.remember_many(["I'm allergic to peanuts", "My sister lives in Oslo", "The boiler is from 1998"])
        known = memory.recall("Where does my sister live?")[0].score
        unknown = memory.recall("What is the capital of Mongolia?")[0].score
        assert known > 2 * unknown


# -- questions and answers


def test_a_turn_that_only_asks_does_not_outrank_its_answer(tmp_path: Path) -> None:
    with Memory(tmp_path / "m.db", now=lambda: NOW) as memory:
        observe(memory, "Where do you keep the spare key?", "The spare key hangs in the shed.", "Fine, thanks.")
        observe(memory, "What colour is the shed?", "Green, since last year.", session="t")
        hits = memory.recall("Where is the spare key?")
        assert hits[0].text == "The spare key hangs in the shed."
        assert why(memory, "Where is the spare key?")["Where do you keep the spare key?"]["states"] == 0


def test_the_answer_to_the_very_question_comes_first(tmp_path: Path) -> None:
    with Memory(tmp_path / "m.db", now=lambda: NOW) as memory:
        observe(memory, "Where is the spare key?", "It hangs in the shed.")
        memory.remember("The shed is green")
        assert memory.recall("Where is the spare key?")[0].text == "It hangs in the shed."


# -- neighbours


def lent(memory: Memory, text: str, query: str = "mend the boiler", **given: Any) -> tuple[float, ...]:
    """What the turn before, and the one before that, lend to the turn *text*."""
    parts = why(memory, query, **given)
    assert text in parts
    names = ("previous lexical", "previous cosine", "earlier lexical", "answers")
    return tuple(round(parts[text][name], 6) for name in names)


@pytest.fixture
def bare(tmp_path: Path, clock: Clock, encoder: TinyEncoder) -> Memory:
    """The same as `talk`, without the turn that is not to be seen; and a note, so that a word of the query is found."""
    with Memory(":memory:", user="ana", now=clock, encoder=encoder) as memory:
        memory.remember("a boiler")
        memory.remember("Yes, soon.", session="s", role="assistant")
        yield memory


HIDE: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {  # how the turn is kept, and how it is read
    "expired": ({"expires_at": "2023-12-24"}, {}),
    "of another user": ({"user": "ben"}, {}),
    "of another agent": ({"agent": "cook"}, {"agent": "gardener"}),
    "of another session": ({"session": "t"}, {"session": "s"}),
    "not trusted": ({"trust": 0.1}, {"min_trust": 0.5}),
    "of another kind": ({"kind": "draft"}, {"kinds": ["note"]}),
    "out of the filter": ({"metadata": {"secret": True}}, {"where": {"secret": {"ne": True}}}),
}


@pytest.mark.parametrize(("kept", "read"), HIDE.values(), ids=HIDE)
def test_a_turn_that_is_not_seen_is_not_found_and_lends_nothing(
    mem: Memory, bare: Memory, clock: Clock, kept: dict[str, Any], read: dict[str, Any]
) -> None:
    secret, ours = "Shall we mend the boiler?", {name: read[name] for name in ("agent", "session") if name in read}
    mem.remember(secret, **{"session": "s", **kept})
    mem.remember("Yes, soon.", role="assistant", **{"session": "s", **ours})
    mem.remember("a boiler", **ours)
    if "expires_at" in kept:
        assert lent(mem, "Yes, soon.")[0] > 0  # it lends while it is seen
        clock.at = "2023-12-25"
    assert secret not in texts(mem.recall("mend the boiler", k=50, **read))
    assert lent(mem, "Yes, soon.", **read) == lent(bare, "Yes, soon.")


def test_the_turn_before_lends_where_it_is_seen(mem: Memory, bare: Memory) -> None:
    """Else the test above could not fail."""
    mem.remember("a boiler")
    observe(mem, "Shall we mend the boiler?", "Yes, soon.")
    ours, theirs = lent(mem, "Yes, soon."), lent(bare, "Yes, soon.")
    assert all(
        mine > other for mine, other in zip((ours[0], ours[1], ours[3]), (theirs[0], theirs[1], theirs[3]), strict=True)
    )


@pytest.mark.parametrize("by_another", [False, True])
def test_a_forgotten_turn_is_not_found_and_lends_nothing(
    mem: Memory, bare: Memory, tmp_path: Path, clock: Clock, by_another: bool
) -> None:
    """Also where another object forgot it, after this one has read its place."""
    mem.remember("a boiler")
    question, _ = observe(mem, "Shall we mend the boiler?", "Yes, soon.")
    assert lent(mem, "Yes, soon.")[0] > 0
    if by_another:
        with Memory(tmp_path / "m.db", user="ana", now=clock, encoder=TinyEncoder()) as other:
            other.forget(question.id)
    else:
        mem.forget(question.id)
    assert lent(mem, "Yes, soon.") == lent(bare, "Yes, soon.")
    assert "Shall we mend the boiler?" not in texts(mem.recall("mend the boiler", k=50))


def test_what_is_said_in_a_forgotten_turns_place_lends_its_own_words(mem: Memory) -> None:
    mem.remember("a boiler")
    observe(mem, "It rains.", "Shall we mend the boiler?")
    lent(mem, "It rains.")
    mem.forget(
        mem.list(session="s")[0].id if mem.list(session="s")[0].text != "It rains." else mem.list(session="s")[1].id
    )
    observe(mem, "A cat sleeps.", "Yes, soon.")
    assert "Shall we mend the boiler?" not in why(mem, "mend the boiler")
    assert lent(mem, "Yes, soon.")[0] == lent(mem, "A cat sleeps.")[0] == 0


def test_after_forgetting_the_process_that_forgot_ranks_as_one_that_opens_the_file(
    mem: Memory, tmp_path: Path, clock: Clock
) -> None:
    turns = observe(mem, *(f"the boiler leaks, part {n}" for n in range(5)))
    observe(mem, "hello", "goodbye", session="t")
    mem.remember("a note on the boiler")
    mem.recall("boiler")
    for turn in turns[:4]:
        mem.forget(turn.id)
    with Memory(tmp_path / "m.db", user="ana", now=clock, encoder=TinyEncoder()) as fresh:
        assert mem.recall("boiler hello", explain=True) == fresh.recall("boiler hello", explain=True)


def test_in_the_past_a_turn_leans_on_the_version_that_held_then(mem: Memory, clock: Clock) -> None:
    clock.at = "2023-05-01"
    mem.remember("a boiler")
    question, _ = observe(mem, "Shall we mend the boiler?", "Yes, soon.")
    before = lent(mem, "Yes, soon.", half_life_days=math.inf)
    clock.at = "2023-06-01"
    mem.revise(question.id, "Shall we buy a cat?")
    assert before[0] > 0 and lent(mem, "Yes, soon.", half_life_days=math.inf)[0] == 0
    assert lent(mem, "Yes, soon.", as_of="2023-05-02", half_life_days=math.inf) == before


def test_a_revised_turn_lends_its_new_words(mem: Memory) -> None:
    mem.remember("a boiler")
    question, _ = observe(mem, "Shall we buy a cat?", "Yes, soon.")
    assert lent(mem, "Yes, soon.")[0] == 0
    mem.revise(question.id, "Shall we mend the boiler?")
    assert lent(mem, "Yes, soon.")[0] > 0


# -- two objects on one file


def test_two_objects_see_each_others_records_in_the_next_recall(mem: Memory, tmp_path: Path, clock: Clock) -> None:
    with Memory(tmp_path / "m.db", user="ana", now=clock, encoder=TinyEncoder()) as other:
        assert mem.recall("boiler") == other.recall("boiler") == []
        for n in range(3):
            writer, reader = (mem, other) if n % 2 else (other, mem)
            record = writer.remember(f"boiler {n}")
            assert record.id in {hit.id for hit in reader.recall("boiler")}
            assert len(reader.recall("boiler")) == len(writer.recall("boiler")) == n + 1
        new = other.revise(record.id, "boiler, revised")
        assert new.id in {hit.id for hit in mem.recall("boiler")} and record.id not in {
            h.id for h in mem.recall("boiler")
        }
        mem.forget(new.id)
        assert new.id not in {hit.id for hit in other.recall("boiler")}
        assert mem.recall("boiler", explain=True) == other.recall("boiler", explain=True)


def test_a_turn_that_another_object_adds_leans_on_what_was_here(mem: Memory, tmp_path: Path, clock: Clock) -> None:
    mem.remember("a boiler")
    observe(mem, "Shall we mend the boiler?")
    mem.recall("boiler")
    with Memory(tmp_path / "m.db", user="ana", now=clock, encoder=TinyEncoder()) as other:
        other.observe([{"role": "assistant", "content": "Yes, soon."}], session="s")
    assert lent(mem, "Yes, soon.")[0] > 0


# -- strategies


@pytest.fixture
def boilers(mem: Memory) -> Memory:
    mem.remember_many([f"the boiler number {n} leaks" for n in range(30)])
    mem.remember("a cat sleeps")
    return mem


def test_a_strategy_is_given_the_query_and_hits_best_first_with_every_signal(boilers: Memory) -> None:
    given: list[tuple[str, list[Hit]]] = []

    def strategy(query: str, hits: list[Hit]) -> list[Hit]:
        given.append((query, hits))
        return []

    assert boilers.recall("which boiler leaks?", k=2, strategy=strategy) == []
    ((query, hits),) = given
    assert query == "which boiler leaks?" and len(hits) == 31
    assert hits == boilers.recall("which boiler leaks?", k=100, explain=True)
    assert all(set(hit.why or {}) == NAMES for hit in hits)


def test_a_strategys_order_holds_and_is_cut_at_k(boilers: Memory) -> None:
    whole = boilers.recall("boiler", k=100)
    last = boilers.recall("boiler", k=3, strategy=lambda query, hits: reversed(hits))
    assert [hit.id for hit in last] == [hit.id for hit in whole[::-1][:3]]
    assert texts(boilers.recall("boiler", k=3, strategy=lambda query, hits: hits[:1])) == texts(whole[:1])
    one = boilers.recall("boiler", strategy=lambda query, hits: (hit for hit in hits if "17" in hit.text))
    assert texts(one) == ["the boiler number 17 leaks"]


def test_a_strategys_hits_are_told_why(boilers: Memory) -> None:
    for hit in boilers.recall("boiler", k=3, strategy=lambda query, hits: hits):
        assert set(hit.why or {}) == NAMES


def test_a_strategy_is_given_what_is_re_ranked_or_k_where_that_is_more(mem: Memory) -> None:
    mem.remember_many([f"boiler {n}" for n in range(250)])
    counts: list[int] = []

    def strategy(query: str, hits: list[Hit]) -> list[Hit]:
        counts.append(len(hits))
        return hits

    assert len(mem.recall("boiler", k=1, strategy=strategy)) == 1
    assert len(mem.recall("boiler", k=200, strategy=strategy)) == 200
    assert counts == [LATE_DEPTH, 200]


def test_a_strategy_may_ask_for_less_by_min_score(boilers: Memory) -> None:
    best = boilers.recall("boiler 3", k=1)[0].score
    given: list[Hit] = []
    boilers.recall("boiler 3", min_score=best, strategy=lambda query, hits: given.extend(hits) or hits)
    assert given and all(hit.score >= best for hit in given)


def test_a_strategy_may_change_the_list_that_it_is_given(boilers: Memory) -> None:
    def strategy(query: str, hits: list[Hit]) -> list[Hit]:
        return [hits.pop(), hits.pop()]

    whole = boilers.recall("boiler", k=100)
    assert [hit.id for hit in boilers.recall("boiler", strategy=strategy)] == [hit.id for hit in (whole[-1], whole[-2])]


@pytest.fixture
def foreign(boilers: Memory) -> Hit:
    """A hit of another user's."""
    boilers.remember("the boiler of Ben's", user="ben")
    return boilers.recall("boiler", user="ben")[0]


def slipped_in(query: str, hits: list[Hit], foreign: Hit) -> list[Hit]:
    hits.append(foreign)
    return hits


WRONG: dict[str, Callable[[str, list[Hit], Hit], object]] = {
    "another user's hit": lambda query, hits, foreign: [foreign],
    "another user's hit, last": lambda query, hits, foreign: [*hits, foreign],
    "another user's hit, put into what it was given": slipped_in,
    "an id": lambda query, hits, foreign: [hits[0].id],
    "a record": lambda query, hits, foreign: [hits[0].record],
    "None in the list": lambda query, hits, foreign: [None],
    "None": lambda query, hits, foreign: None,
    "a number": lambda query, hits, foreign: 3,
    "a text": lambda query, hits, foreign: "best first",
    "a dictionary": lambda query, hits, foreign: {hit.id: hit for hit in hits},
}


@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG)
def test_a_strategy_that_returns_what_it_was_not_given_is_refused(
    boilers: Memory, foreign: Hit, wrong: Callable[[str, list[Hit], Hit], Any]
) -> None:
    with pytest.raises(TypeError):
        boilers.recall("boiler", k=100, strategy=lambda query, hits: wrong(query, hits, foreign))
    assert len(boilers.recall("boiler", k=100)) == 31 and boilers.verify() == []


@pytest.mark.parametrize(
    "error", [ValueError("no"), KeyError("why"), RuntimeError("out of memory"), KeyboardInterrupt()]
)
@pytest.mark.parametrize("late", [False, True])
def test_an_exception_of_a_strategy_passes_unchanged_and_nothing_breaks(
    boilers: Memory, error: BaseException, late: bool
) -> None:
    """Raised in the call, or while its result is read."""

    def failing(query: str, hits: list[Hit]) -> Iterator[Hit]:
        yield hits[0]
        raise error

    def strategy(query: str, hits: list[Hit]) -> list[Hit]:
        raise error

    before = boilers.recall("boiler", explain=True)
    with pytest.raises(type(error)) as caught:
        boilers.recall("boiler", strategy=failing if late else strategy)
    assert caught.value is error
    assert boilers.recall("boiler", explain=True) == before
    boilers.remember("still here")
    assert boilers.verify() == []


@pytest.mark.parametrize("path", ["file.db", ":memory:"])
def test_a_strategy_may_use_the_memory(tmp_path: Path, encoder: TinyEncoder, path: str) -> None:
    """No connection is held while it runs, not even the only one of a memory without a file."""
    with Memory(path if path == ":memory:" else tmp_path / path, encoder=encoder) as memory:
        memory.remember_many(["the boiler leaks", "a cat sleeps"])

        def strategy(query: str, hits: list[Hit]) -> list[Hit]:
            memory.remember(f"asked: {query}")
            return [hit for hit in hits if hit.id in {other.id for other in memory.recall("cat", k=1)}]

        assert texts(memory.recall("boiler", strategy=strategy)) == ["a cat sleeps"]
        assert "asked: boiler" in {record.text for record in memory.list()}


def test_where_nothing_is_found_a_strategy_is_given_nothing(mem: Memory) -> None:
    given: list[list[Hit]] = []
    assert mem.recall("boiler", strategy=lambda query, hits: given.append(list(hits)) or hits) == []
    assert given in ([], [[]])


def test_context_takes_a_strategy(boilers: Memory) -> None:
    found = boilers.context("boiler", strategy=lambda query, hits: [hit for hit in hits if "number 7" in hit.text])
    assert texts(list(found.hits)) == ["the boiler number 7 leaks"]


# -- weights


@pytest.mark.parametrize("without", sorted(rank.WEIGHTS))
def test_without_a_weight_a_signal_is_left_out(garden: Memory, without: str) -> None:
    observe(garden, "When did we plant?", "In May.")
    text = "When did we plant the tomatoes in May?"
    asked = Question(text, encode(TinyEncoder(), [text])[0], instant(NOW), 90.0)
    seen = scope.visible(scope.Scope("ana"), now=instant(NOW))
    weights = {name: weight for name, weight in rank.WEIGHTS.items() if name != without}
    with garden._db.read() as connection:
        view = InMemory().view(connection, seen)
        given = (connection, view, asked, lexical.search(connection, text, view), seen)
        whole = {found.id: found for found in recall.best(*given, k=10)}
        ablated = recall.best(*given, k=10, weights=weights)
    assert {found.id for found in ablated} == set(whole)
    for found in ablated:
        others = dict(whole[found.id].why)
        part = others.pop(without)
        assert found.why == others
        total = sum(whole[found.id].why.values()) - part
        assert found.score == pytest.approx(1 / (1 + math.exp(-total)), abs=1e-5)


@pytest.mark.parametrize("wrong", [None, "hits", 5])
def test_a_strategy_that_returns_no_list_is_refused(boilers: Memory, wrong: Any) -> None:
    with pytest.raises(TypeError, match="a strategy returns a list of hits, not"):
        boilers.recall("boiler", strategy=lambda query, hits: wrong)


def test_a_strategy_is_a_function(boilers: Memory) -> None:
    with pytest.raises(TypeError, match="strategy is a function"):
        boilers.recall("boiler", strategy="best")  # type: ignore[arg-type]


def test_a_hit_that_a_strategy_returns_twice_is_one(boilers: Memory) -> None:
    whole = boilers.recall("boiler", k=3)
    assert [hit.id for hit in boilers.recall("boiler", k=3, strategy=lambda query, hits: [*hits, *hits])] == [
        hit.id for hit in whole
    ]
