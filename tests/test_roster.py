"""The roster: the file's records in columns, the same whether read at once or bit by bit."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from conftest import TinyEncoder, forget_or_revise
from hypothesis import given, settings
from hypothesis import strategies as st

from agentmem import Memory
from agentmem.db import Connection
from agentmem.roster import (
    ASKS,
    ASSISTANT,
    COLUMNS,
    DATED,
    NO_TIME,
    STATES,
    TELLS,
    USER,
    Roster,
    empty,
    refreshed,
)
from agentmem.traits import traits

NOW = "2023-05-08T13:00:00Z"
TEXTS = ["Shall we?", "I moved yesterday", "Yes. And you?", "ok", "We met in 2019, and I lost", "İ ?\n", "日本"]
NAMES = [None, "Ana", "Ben", "ana"]


@contextmanager
def opened(path: Path) -> Iterator[Memory]:
    with Memory(path, encoder=TinyEncoder(), now=lambda: NOW) as memory:
        yield memory


@pytest.fixture
def clocked(tmp_path: Path) -> Iterator[Memory]:
    with opened(tmp_path / "m.db") as memory:
        yield memory


def whole(memory: Memory) -> Roster:
    """A roster built at once."""
    with memory._db.read() as connection:
        return refreshed(empty(), connection)


def columns(roster: Roster) -> dict[int, tuple[object, ...]]:
    """What the roster says of each record, by row id, names in the place of numbers."""
    names = [None if number < 0 else roster.speakers[number] for number in roster.speaker.tolist()]
    spots = roster.spots(np.arange(len(roster.id)))
    listed = (spots, roster.at, roster.length, roster.flags, roster.importance, roster.confidence)
    signs = [bytes(np.ascontiguousarray(column)) for column in roster.signs.T]
    times: dict[int, list[tuple[int, int]]] = {}
    for place, since, until in zip(*roster.times(np.arange(len(roster.id))), strict=True):
        times.setdefault(int(place), []).append((int(since), int(until)))
    spoken = [times.get(row, []) for row in range(len(roster.id))]
    rows = zip(*(column.tolist() for column in listed), names, signs, spoken, strict=True)
    return dict(zip(roster.id.tolist(), rows, strict=True))


def expected(connection: Connection) -> dict[int, tuple[object, ...]]:
    """The same, said by the records alone."""
    rows = connection.execute(
        """select r.id, scope, position, occurred_at, text, role, importance, confidence, speaker, vector
           from records as r join vectors as v on v.id = r.id order by r.id"""
    )
    found: dict[int, tuple[object, ...]] = {}
    for id, scope, position, at, text, role, importance, confidence, speaker, vector in rows:
        read = traits(text, at)
        bits = {ASKS: read.asks, DATED: read.times, USER: role == "user", ASSISTANT: role == "assistant"}
        flags = sum(bit for bit, set_ in {**bits, STATES: read.states}.items() if set_) + (read.tells << TELLS)
        spot = -1 if position is None else (scope << 32) + position
        shares = (pytest.approx(importance, abs=1e-4), pytest.approx(confidence, abs=1e-4))
        signs = bytes(np.packbits(np.frombuffer(vector, np.int8) > 0, bitorder="little"))
        found[id] = (spot, NO_TIME if at is None else at, len(text), flags, *shares, speaker, signs, sorted(read.times))
    return found


def beside(roster: Roster, step: int) -> dict[int, set[int]]:
    """Row id → row ids of the turn *step* places on, in all of its versions."""
    found = {int(id): roster.beside(np.array([row]), step) for row, id in enumerate(roster.id)}
    return {id: set(roster.id[rows].tolist()) for id, rows in found.items()}


def expected_beside(connection: Connection, step: int) -> dict[int, set[int]]:
    found: dict[int, set[int]] = {id: set() for (id,) in connection.execute("select id from records")}
    sql = """select r.id, n.id from records as r join records as n
             on n.scope = r.scope and n.position = r.position + ?"""
    for id, other in connection.execute(sql, (step,)):
        found[id].add(other)
    return found


def turns(roster: Roster) -> dict[int, int]:
    found = roster.turns(roster.scope, 3)
    return dict(zip(roster.id.tolist(), found.tolist(), strict=True))


def expected_turns(connection: Connection) -> dict[int, int]:
    sql = """select r.id, min(3, (select count(*) from records as n
             where n.scope = r.scope and n.position is not null)) from records as r"""
    return dict(connection.execute(sql))


MESSAGES = st.lists(
    st.fixed_dictionaries(
        {"content": st.sampled_from(TEXTS), "role": st.sampled_from(["user", "assistant", "tool"])},
        optional={"name": st.sampled_from(NAMES), "at": st.sampled_from([None, "2023-05-07", "1969-01-01", "2020"])},
    ),
    max_size=4,
)
NUMBERS = st.integers(0, 99)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("observe"), st.sampled_from(["s", "t", "u"]), MESSAGES),
        st.tuples(
            st.just("remember"),
            st.sampled_from([None, "s"]),
            st.tuples(st.sampled_from(TEXTS), st.floats(0, 1), st.floats(0, 1)),
        ),
        st.tuples(st.just("revise"), NUMBERS, st.sampled_from(TEXTS)),
        st.tuples(st.just("forget"), NUMBERS, st.none()),
        st.tuples(st.just("forget session"), st.sampled_from(["s", "t", "u"]), st.none()),
    ),
    max_size=12,
)


def take(memory: Memory, step: tuple[str, object, object], number: int) -> None:
    """Do one step, on one of two users' records."""
    verb, which, what = step
    user = "ab"[number % 2]
    if verb == "observe":
        messages = [{**message, "id": f"{number}.{i}"} for i, message in enumerate(what)]
        messages = [{**m, "at": "2020-01-01"} if m.get("at") == "2020" else m for m in messages]
        memory.observe(messages, session=which, user=user)
    elif verb == "remember":
        text, importance, confidence = what
        memory.remember(text, session=which, user=user, importance=importance, confidence=confidence)
    elif verb == "forget session":
        memory.forget(session=which, user=user)
    else:
        forget_or_revise(memory, verb, which, f"{what} ({number})", user)


@settings(max_examples=60, deadline=None)
@given(
    steps=STEPS,
    writers=st.lists(st.booleans(), min_size=12, max_size=12),
    looks=st.lists(st.booleans(), min_size=12, max_size=12),
)
def test_what_is_read_bit_by_bit_is_what_the_records_say(
    steps: list[tuple[str, object, object]], writers: list[bool], looks: list[bool]
) -> None:
    """Whoever writes, and however much is written or forgotten between two looks."""
    with (
        tempfile.TemporaryDirectory() as folder,
        opened(Path(folder) / "m.db") as one,
        opened(Path(folder) / "m.db") as two,
    ):
        roster = empty()
        for number, (step, own, look) in enumerate(zip(steps, writers, looks, strict=False)):
            take(one if own else two, step, number)
            if not look and number < len(steps) - 1:
                continue
            with one._db.read() as connection:
                roster, fresh = refreshed(roster, connection), refreshed(empty(), connection)
                records = expected(connection)
                assert columns(fresh) == columns(roster) == records
                for distance in (-1, 1):
                    assert beside(fresh, distance) == beside(roster, distance) == expected_beside(connection, distance)
                assert turns(fresh) == turns(roster) == expected_turns(connection)
            for name in ("clock", "erased", *COLUMNS, "signs"):
                assert np.array_equal(getattr(roster, name), getattr(fresh, name)), name


@settings(max_examples=40, deadline=None)
@given(steps=STEPS.map(lambda steps: [step for step in steps if not step[0].startswith("forget")]))
def test_where_nothing_is_forgotten_bit_by_bit_is_the_same_as_at_once(steps: list[tuple[str, object, object]]) -> None:
    with tempfile.TemporaryDirectory() as folder, opened(Path(folder) / "m.db") as memory:
        roster = whole(memory)
        for number, step in enumerate(steps):
            take(memory, step, number)
            with memory._db.read() as connection:
                roster = refreshed(roster, connection)
        fresh = whole(memory)
        assert roster.speakers == fresh.speakers
        for name in (*COLUMNS, "speaker", "signs"):
            assert np.array_equal(getattr(roster, name), getattr(fresh, name)), name
            assert getattr(roster, name).dtype == getattr(fresh, name).dtype, name


def test_turns_do_not_count_what_was_forgotten(clocked: Memory) -> None:
    """Else a conversation would rank differently in the process that forgot a part of it."""
    records = clocked.observe([{"content": f"turn {n}"} for n in range(3)], session="s")
    roster = whole(clocked)
    for record in records[:2]:
        clocked.forget(record.id)
    with clocked._db.read() as connection:
        roster = refreshed(roster, connection)
    assert turns(roster) == turns(whole(clocked)) == {3: 1}


def test_a_new_conversation_in_a_forgotten_ones_place_has_its_own_turns_alone(clocked: Memory) -> None:
    """SQLite gives a new scope the number of one that is gone."""
    clocked.observe([{"content": f"turn {n}"} for n in range(3)], session="s")
    roster = whole(clocked)
    clocked.forget(session="s")
    clocked.observe([{"content": "alone"}], session="t")
    with clocked._db.read() as connection:
        roster = refreshed(roster, connection)
    assert turns(roster) == {4: 1}


def test_nothing_new_gives_the_same_roster_and_something_new_leaves_the_old_one_as_it_was(clocked: Memory) -> None:
    clocked.remember("first", speaker="Ana")
    first = whole(clocked)
    kept = replace(first, **{name: np.copy(getattr(first, name)) for name in (*COLUMNS, "speaker", "signs")})
    with clocked._db.read() as connection:
        assert refreshed(first, connection) is first
    clocked.observe([{"content": "second", "name": "Ben"}], session="s")
    with clocked._db.read() as connection:
        second = refreshed(first, connection)
    assert second.id.tolist() == [1, 2] and second.speakers == ("Ana", "Ben") and second.clock > first.clock
    for name in (*COLUMNS, "speaker", "signs", "speakers", "runs"):
        assert np.array_equal(getattr(first, name), getattr(kept, name)), name


def test_a_reader_of_an_earlier_state_gets_the_later_roster(clocked: Memory) -> None:
    clocked.remember("first")
    with clocked._db.read() as earlier:
        assert earlier.execute("select count(*) from records").get == 1  # its state is now fixed
        clocked.remember("second")
        later = whole(clocked)
        assert later.id.tolist() == [1, 2]
        assert refreshed(later, earlier) is later
        assert refreshed(empty(), earlier).id.tolist() == [1]


def test_forgetting_alone_moves_the_clock_and_adds_nothing(clocked: Memory) -> None:
    record = clocked.remember("first")
    first = whole(clocked)
    clocked.forget(record.id)
    with clocked._db.read() as connection:
        second = refreshed(first, connection)
        assert second.clock > first.clock and refreshed(second, connection) is second


def near(roster: Roster, row: int, step: int) -> list[int]:
    return roster.beside(np.array([row]), step).tolist()


def test_beside_is_the_turn_before_or_after_in_the_same_conversation(clocked: Memory) -> None:
    clocked.observe([{"content": word} for word in ("a1", "a2", "a3")], session="a")  # rows 0, 1, 2
    clocked.observe([{"content": word} for word in ("b1", "b2")], session="b")  # rows 3, 4
    clocked.remember("a note")  # row 5
    roster = whole(clocked)
    assert [near(roster, row, -1) for row in range(6)] == [[], [0], [1], [], [3], []]
    assert [near(roster, row, 1) for row in range(6)] == [[1], [2], [], [4], [], []]
    assert [near(roster, row, 2) for row in range(6)] == [[2], [], [], [], [], []]
    assert sorted(roster.beside(np.array([4, 5, 1]), -1).tolist()) == [0, 3]


def test_beside_is_every_version_of_a_turn(clocked: Memory) -> None:
    """Which of them holds is for the predicate of a read to say."""
    first, _ = clocked.observe([{"content": "one"}, {"content": "two"}], session="s")
    clocked.revise(clocked.revise(first.id, "one, again").id, "one, at last")
    roster = whole(clocked)
    assert near(roster, 1, -1) == [0, 2, 3]
    assert [near(roster, row, 1) for row in (0, 2, 3)] == [[1], [1], [1]]


def test_users_and_agents_do_not_share_a_conversation_of_the_same_name(clocked: Memory) -> None:
    for user, agent in (("a", None), ("b", None), ("a", "x")):
        clocked.observe([{"content": f"{user} {agent}"}], session="s", user=user, agent=agent)
    roster = whole(clocked)
    for step in (-1, 1):
        assert roster.beside(np.arange(3), step).tolist() == []
    assert turns(roster) == {1: 1, 2: 1, 3: 1}


def test_turns_are_counted_as_far_as_is_asked(clocked: Memory) -> None:
    clocked.observe([{"content": f"{n}"} for n in range(5)], session="long")
    clocked.observe([{"content": f"{n}"} for n in range(2)], session="short")
    clocked.remember("a note")
    roster = whole(clocked)
    long, short, none = roster.scope[[0, 5, 7]]
    assert roster.turns(np.array([long, short, none]), 3).tolist() == [3, 2, 0]
    assert roster.turns(np.array([short, long]), 9).tolist() == [2, 5]
    assert roster.turns(np.array([long, short]), 1).tolist() == [1, 1]


def test_an_empty_roster_has_no_rows(clocked: Memory) -> None:
    roster = whole(clocked)
    none = np.empty(0, np.int64)
    assert len(roster.id) == 0 and roster.beside(none, 1).tolist() == roster.turns(none, 3).tolist() == []
    clocked.remember("no conversation at all")
    assert whole(clocked).beside(np.array([0]), 1).tolist() == []


def test_a_reader_of_the_past_finds_what_was_forgotten_since(clocked: Memory) -> None:
    """A recall may have begun before another thread forgot and recalled."""
    first, second = clocked.remember("one"), clocked.remember("two")
    with clocked._db.read() as past:
        ids = [row[0] for row in past.execute("select id from records order by id")]
        clocked.forget(second.id)
        clocked.remember("three")
        later = whole(clocked)
        assert later.id.tolist() != ids
        assert refreshed(later, past).id.tolist() == ids
    assert first.id != second.id
