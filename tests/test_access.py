"""Access: nothing of another is seen but what he granted, by no read, and then it is read and never written."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import apsw
import pytest
from click.testing import CliRunner
from conftest import TinyEncoder

from agentmem import Grant, Memory, NotFoundError
from agentmem.doors.cli import main
from agentmem.scope import Granted, Scope, within

sys.path.insert(0, str(Path(__file__).parent.parent))

START = 1_750_000_000_000
DAY = 86_400_000
INDEXES = ("memory", "sql")


class Clock:
    now = START

    def __call__(self) -> int:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(params=INDEXES)
def mem(tmp_path: Path, clock: Clock, request: pytest.FixtureRequest) -> Iterator[Memory]:
    with Memory(tmp_path / "m.db", encoder=TinyEncoder(), index=request.param, now=clock) as memory:
        yield memory


def texts(memory: Memory, query: str = "boiler", **whose: Any) -> set[str]:
    return {hit.text for hit in memory.recall(query, k=1_000, **whose)}


# -- every read -----------------------------------------------------------------------------------------------------


def test_random_reads_by_every_verb_show_what_they_may_and_all_of_it() -> None:
    from bench import access

    result = access.measure(8, 300, lambda _: None, records=70, encoder=TinyEncoder())
    assert result["wrong"] == []
    assert result["of others"] > 80 and result["revoked"] > 0  # so that there was something to leak, and to hide


def test_a_thousand_nearer_records_of_another_do_not_hide_the_one_that_was_granted(mem: Memory) -> None:
    said = "the boiler makes a noise at night, number"
    near = [{"text": f"{said} {n}", "user": "ana", "role": "assistant"} for n in range(1_000)]
    mem.remember_many(near)
    right = mem.remember("a boiler", user="ana", metadata={"shared": True})
    own = mem.remember("the boiler of mine", user="ben")
    assert [hit.id for hit in mem.recall("the boiler makes a noise at night", user="ben")] == [own.id]
    mem.grant(to="ben", user="ana", what={"shared": True})
    assert {hit.id for hit in mem.recall("the boiler makes a noise at night", user="ben")} == {own.id, right.id}
    assert {hit.id for hit in mem.recall("noise", user="ben", k=5)} == {own.id, right.id}
    assert mem.stats(user="ben").records == 2


def test_in_memory_and_in_sql_what_is_granted_ranks_the_same(tmp_path: Path, clock: Clock) -> None:
    loaded, queried = (
        Memory(tmp_path / "m.db", encoder=TinyEncoder(), index=index, now=clock, user="ben") for index in INDEXES
    )
    with loaded, queried:
        for number in range(16):
            said = [{"content": f"{word} {number}", "name": "Ana", "metadata": {"n": turn}} for turn, word in
                    enumerate(("boiler noise", "garden soup", "the boiler", "winter train", "a letter"))]  # fmt: skip
            said = [{**each, "role": "assistant"} for each in said]  # in which no facts are looked for
            loaded.observe(said, session=f"s{number % 7}", user="ana")
            if number % 4 == 0:
                loaded.grant(to="ben", user="ana", what={"n": {"in": [0, number // 4 + 1]}})
            for query in ("boiler", "winter letter 7", "soup"):
                one, other = (
                    [(hit.id, hit.score, hit.why) for hit in memory.recall(query, explain=True, k=30)]
                    for memory in (loaded, queried)
                )
                assert one == other and (number < 3 or one)


def test_turns_that_are_not_seen_lend_nothing_to_those_that_are(tmp_path: Path, clock: Clock) -> None:
    """What stands beside a granted turn, or elsewhere, is all the same to whoever may not see it."""

    def told(beside: bool, index: str) -> list[Any]:
        path = tmp_path / f"{beside}{index}.db"
        with Memory(path, encoder=TinyEncoder(), index=index, now=clock) as memory:
            hidden = {"content": "does the boiler make a noise?", "name": "Zoe"}
            memory.observe([hidden], session="s" if beside else "t", user="ana")
            memory.observe([{"content": "yes", "metadata": {"open": 1}}], session="s", user="ana")
            memory.observe([hidden | {"content": "what a noise"}], session="s" if beside else "t", user="ana")
            memory.grant(to="ben", user="ana", what={"open": 1})
            hits = memory.recall("is Zoe hearing a noise of the boiler?", user="ben", explain=True)
            return [(hit.text, hit.score, hit.why) for hit in hits]

    assert told(True, "memory") == told(False, "memory") == told(True, "sql") == told(False, "sql")
    assert len(told(True, "sql")) == 1


# -- when and for whom ----------------------------------------------------------------------------------------------


def test_a_grant_ends_at_once_for_everybody_who_has_the_file_open(tmp_path: Path, clock: Clock, mem: Memory) -> None:
    mem.remember("the boiler is old", user="ana")
    with Memory(tmp_path / "m.db", encoder=TinyEncoder(), user="ben", now=clock) as other:
        assert texts(other) == set()
        given = mem.grant(to="ben", user="ana")
        assert texts(other) == {"the boiler is old"}
        mem.remember("the boiler is new", user="ana")
        assert len(texts(other)) == len(other.list()) == 2
        mem.revoke(given.id, user="ana")
        assert texts(other) == set() and other.list() == []
        mem.grant(to="ben", user="ana", until=clock.now + DAY)
        assert len(texts(other)) == 2
        clock.now += DAY  # half-open: then it is over
        assert texts(other) == set() and other.list() == [] and other.stats().records == 0


def test_what_was_granted_is_read_and_never_changed(mem: Memory) -> None:
    record = mem.remember("the boiler is old", user="ana", metadata={"room": "cellar"})
    mem.grant(to="ben", user="ana")
    assert mem.get(record.id, user="ben") == record
    assert mem.list(user="ben") == [record] and mem.list(user="ben", shared=False) == []
    with pytest.raises(NotFoundError):
        mem.revise(record.id, "the boiler is new", user="ben")
    with pytest.raises(NotFoundError):
        mem.forget(record.id, user="ben")
    assert mem.forget(where={"room": "cellar"}, user="ben").count == 0
    assert mem.forget(user="ben").count == 0
    assert mem.list(user="ana") == [record]


def test_what_was_granted_cannot_be_granted_on(mem: Memory) -> None:
    mem.remember("the boiler is old", user="ana")
    mem.grant(to="ben", user="ana")
    mem.grant(to="cat", user="ben")
    assert len(mem.list(user="ben")) == 1 and mem.list(user="cat") == []


def test_a_grant_is_of_the_parts_that_it_names(mem: Memory) -> None:
    for agent in ("", "cook"):
        for session in ("", "s1"):
            mem.remember(f"boiler {agent} {session}", user="ana", agent=agent, session=session)
    mem.remember("boiler plan", user="ana", kind="plan")
    both = {"agent": "cook", "session": "s1"}
    for narrow, count in (({"agent": "cook"}, 2), ({"session": "s1"}, 2), (both, 1), ({"kinds": ["plan"]}, 1), ({}, 5)):
        given = mem.grant(to="ben", user="ana", **narrow)
        assert len(texts(mem, user="ben")) == len(mem.list(user="ben")) == count, narrow
        # A conversation is one, whose ever it is.
        assert all(record.session == "s1" for record in mem.list(user="ben", session="s1"))
        mem.revoke(given.id, user="ana")


def test_a_grant_to_an_agent_is_for_reads_as_that_agent(mem: Memory) -> None:
    mem.remember("the boiler is old", user="ana")
    mem.grant(to="ben", to_agent="coach", user="ana")
    assert texts(mem, user="ben") == texts(mem, user="ben", agent="cook") == set()
    assert texts(mem, user="ben", agent="coach") == {"the boiler is old"}
    assert mem.history(mem.list(user="ana")[0].id, user="ben", agent="coach")


def test_only_its_owner_ends_a_grant_and_both_see_it(mem: Memory, clock: Clock) -> None:
    given = mem.grant(to="ben", user="ana", what={"room": {"in": {"cellar"}}}, kinds=("note",), until="2030-01-01")
    assert isinstance(given, Grant) and (given.user, given.to, given.kinds) == ("ana", "ben", ("note",))
    assert given.what == {"room": {"in": ["cellar"]}}
    assert mem.grants(user="ana") == mem.grants(user="ben") == [given] and mem.grants(user="cat") == mem.grants() == []
    for stranger in ("ben", "cat", ""):
        with pytest.raises(NotFoundError, match="this user has given no grant"):
            mem.revoke(given.id, user=stranger)
    ended = mem.revoke(given.id, user="ana")
    clock.now += DAY
    assert mem.revoke(given.id, user="ana") == ended and ended.revoked_at is not None
    assert mem.grants(user="ana") == [] and mem.grants(user="ben", ended=True) == [ended]


@pytest.mark.parametrize(
    ("arguments", "error", "says"),
    [
        ({"to": ""}, ValueError, "to is the name of a user"),
        ({"to": "ana"}, ValueError, "they are his own"),
        ({"to": None}, ValueError, "to is the name"),
        ({"to": 7}, TypeError, "user is a string"),
        ({"to": "ben", "what": {}}, ValueError, "what is empty"),
        ({"to": "ben", "what": "room"}, TypeError, "what is a filter"),
        ({"to": "ben", "what": {"room": {"near": 1}}}, ValueError, "unknown filter operator 'near'"),
        ({"to": "ben", "kinds": []}, ValueError, "kinds is empty"),
        ({"to": "ben", "kinds": "note"}, TypeError, "kinds is a list"),
        ({"to": "ben", "until": START}, ValueError, "until is over already"),
    ],
)
def test_a_wrong_grant_is_refused(mem: Memory, arguments: dict[str, Any], error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=says):
        mem.grant(user="ana", **arguments)
    assert mem.grants(user="ana", ended=True) == [] and mem.audit(everyone=True) == []


def test_many_grants_with_many_filters_are_one_read(mem: Memory) -> None:
    wanted = set()
    for owner in range(3):
        mem.remember_many([{"text": f"boiler {n}", "role": "assistant"} for n in range(3)], user=f"u{owner}")
        for n in range(50):
            mem.grant(to="ben", user=f"u{owner}", what={"n": {"gte": n}, "owner": owner})
        wanted.add(mem.remember(f"boiler of {owner}", user=f"u{owner}", metadata={"n": owner, "owner": owner}).text)
    assert texts(mem, user="ben") == {record.text for record in mem.list(user="ben")} == wanted
    with pytest.raises(ValueError, match="'ben' has 50 grants from this user already"):
        mem.grant(to="ben", user="u2")


def test_more_filters_than_sqlite_takes_in_one_chain(mem: Memory) -> None:
    mem.remember("the boiler is old", user="ana", kind="k7")
    granted = [Granted(Scope("ana"), f'["k{n}"]', None) for n in range(1_200)]
    seen = within(Scope("ben")).with_granted(granted)
    with mem._db.read() as connection:
        found = connection.execute(f"select r.text from records as r where {seen.sql}", seen.bindings).fetchall()
    assert found == [("the boiler is old",)]


def test_a_grant_that_cannot_be_read_grants_nothing(tmp_path: Path, clock: Clock, mem: Memory) -> None:
    mem.remember("the boiler is old", user="ana", metadata={"n": 1})
    mem.remember("my boiler", user="ben")
    mem.grant(to="ben", user="ana", what={"n": 1})
    assert len(texts(mem, user="ben")) == 2
    connection = apsw.Connection(str(tmp_path / "m.db"))
    connection.execute("""update grants set filter = '{"n": {"of a newer version": 1}}'""")
    assert texts(mem, user="ben") == {"my boiler"}
    assert mem.verify() == ["1 grants have a filter that cannot be read and grant nothing; revoke them"]


def test_the_predicate_of_a_read_without_grants_is_as_short_as_ever() -> None:
    seen = within(Scope("ana"), now=START)
    assert seen.with_granted([]) is seen
    more = seen.with_granted([Granted(Scope("ben"), None, None), Granted(Scope("cat"), None, None)])
    assert more.sql.count("r.scope in") == 3  # all together, his own, and one for all owners of one filter


def test_an_error_does_not_tell_what_is_in_anothers_record(mem: Memory) -> None:
    mem.remember("insulin", user="bob", kind="medication", metadata={"dose": "5 secret units"})
    with pytest.raises(ValueError, match="that user can see why") as failed:
        mem.define("medication", {"properties": {"dose": {"enum": ["1"]}}})
    assert "secret" not in str(failed.value)


# -- facts ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def two(tmp_path: Path, clock: Clock) -> Iterator[Memory]:
    """Ana's memory, all of it granted to Ben."""
    with Memory(tmp_path / "m.db", encoder=TinyEncoder(), now=clock) as memory:
        memory.grant(to="ben", user="ana")
        yield memory


def known(memory: Memory, subject: str | None = None, user: str = "ben") -> list[str]:
    return [str(fact) for fact in memory.facts(subject, user=user)]


def test_what_another_says_of_himself_is_a_fact_about_him(two: Memory) -> None:
    two.remember("I live in Oslo. My sister Mel is a vet.", user="ana")
    two.remember("I live in Rome.", user="ben")
    assert known(two) == ["ben lives in Rome"]
    assert known(two, "Ana") == ["Ana lives in Oslo", "Ana sister Mel"]
    assert known(two, "Mel") == ["Mel works as vet"]
    assert known(two, "my sister") == [] and known(two, "ana's sister") == ["ana's sister works as vet"]
    assert known(two, user="ana") == ["ana lives in Oslo", "ana sister Mel"]
    assert known(two, "Ben", user="ana") == []
    text = str(two.context("where do I live?", user="ben"))
    assert "Ana: lives in Oslo" in text and "Ben: lives in Rome" in text and "Ben: lives in Oslo" not in text
    assert {each.name for each in two.neighbours("Ana", user="ben")} == {"Oslo", "Mel", "vet"}
    assert [each.name for each in two.neighbours(user="ben")] == ["Rome"]


def test_the_sisters_of_two_users_stay_two(two: Memory) -> None:
    two.remember("My sister Mel lives in Lyon.", user="ana")
    two.remember("My sister Mel lives in Bonn.", user="ben")
    assert known(two, "my sister") == ["my sister lives in Bonn"]
    assert known(two, "ana's sister") == ["ana's sister lives in Lyon"]


@pytest.mark.parametrize("text", ["My name is Ben.", "I'm called Ben. I live in Oslo.", "Ben lives in Oslo."])
def test_others_records_make_no_fact_about_the_reader(two: Memory, text: str) -> None:
    """Whoever is called Ben there may be another; and it is no way to put words into somebody's mouth."""
    two.remember(text, user="ana", speaker="Ben")
    two.remember(text, user="ana")
    two.correct("lives in", "Oslo", subject="Ben", user="ana")
    two.merge_entities("Ben", "Ana", user="ana")
    two.remember("I live in Rome.", user="ben")
    assert known(two) == known(two, "Ben")[:1] == ["ben lives in Rome"] or known(two, "Ben") == ["Ben lives in Rome"]
    assert two.conflicts(user="ben") == []
    mine = {record.id for record in two.list(user="ben") if record.user == "ben"}
    assert {id for fact in two.facts(user="ben") for id in fact.evidence} <= mine
    assert set(two.entity(user="ben").mentions) <= mine


def test_what_another_corrects_by_hand_does_not_outrank_the_reader_on_third_parties(two: Memory) -> None:
    two.correct("lives in", "Lyon", subject="Mel", user="ben")
    two.correct("lives in", "Bonn", subject="Mel", user="ana")
    assert [str(fact) for fact in two.facts("Mel", user="ben") if fact.status == "current"] == ["Mel lives in Lyon"]


def test_the_default_user_has_a_name_for_those_to_whom_he_grants(tmp_path: Path) -> None:
    with Memory(tmp_path / "m.db", encoder=TinyEncoder()) as memory:
        memory.remember("I live in Oslo.")
        memory.grant(to="ben")
        assert known(memory) == [] and known(memory, "the default user") == ["the default user lives in Oslo"]
        memory.remember("The gate code is 4471")
        assert "] user, shared by the default user: The gate code" in str(memory.context("gate code", user="ben"))


@pytest.mark.parametrize("template", ["text", "markdown", "xml", "json"])
def test_a_context_says_whose_the_words_of_others_are(two: Memory, template: str) -> None:
    two.remember("The gate code is 4471", user="ana")
    two.remember("The code of the boiler is 12", user="ben", speaker="Zoe")
    text = str(two.context("which code?", template=template, user="ben"))
    assert "user, shared by ana" in text and "Zoe" in text and "Zoe, shared" not in text
    assert "shared" not in str(two.context("which code?", template=template, user="ana"))


def test_users_whose_names_differ_in_case_alone_stay_two(tmp_path: Path) -> None:
    with Memory(tmp_path / "m.db", encoder=TinyEncoder()) as memory:
        memory.remember("I live in Oslo.", user="Ben")
        memory.grant(to="ben", user="Ben")
        assert known(memory) == known(memory, "Ben") == []
        assert len(memory.list(user="ben")) == 1


def test_what_others_say_does_not_crowd_out_what_a_context_is_asked_for(two: Memory) -> None:
    """Predicates of records that are not seen do not count among the few that a question is nearest to."""
    from agentmem import claims

    two.remember("I live in Oslo.", user="cat")
    two.remember("I like figs.", user="ben")
    with two._db.read() as connection:
        assert claims.predicates_of(connection, within(Scope("ben")), ["", "ben"]) == ["likes"]


def test_a_model_is_told_whose_words_it_finds_and_erases_none_of_others(two: Memory) -> None:
    record = two.remember("The gate code is 4471", user="ana")
    two.observe([{"content": "The boiler code is 12"}], user="ben")
    found = [json.loads(line) for line in two.call("memory_search", {"query": "code"}, user="ben").splitlines()[1:]]
    assert {line["text"]: line.get("shared by") for line in found} == {
        "The gate code is 4471": "ana", "The boiler code is 12": None}  # fmt: skip
    assert "is shared by somebody else" in two.call("memory_forget", {"ids": [record.id]}, user="ben")
    assert len(two.list(user="ana")) == 1


def test_core_blocks_are_granted_to_nobody_and_their_changes_are_noted(two: Memory) -> None:
    two.blocks.set("human", "Ana has a secret", user="ana")
    assert two.blocks.list(user="ben") == two.blocks.list(user="ben", everywhere=True) == []
    assert "secret" not in str(two.context("Ana", user="ben"))
    two.blocks.delete("human", user="ana")
    assert [entry.verb for entry in two.audit(user="ana")[1::-1]] == ["block", "forget"] and two.verify() == []


# -- forgetting -----------------------------------------------------------------------------------------------------


def test_forgetting_a_user_ends_his_grants_and_leaves_no_name(tmp_path: Path, clock: Clock) -> None:
    path = tmp_path / "m.db"
    with Memory(path, encoder=TinyEncoder(), now=clock) as memory:
        memory.remember("the boiler is old", user="zqvkxana")
        memory.grant(to="zqvkxben", to_agent="zqvkxcoach", user="zqvkxana", what={"name": "zqvkxben"})
        memory.grant(to="zqvkxana", user="zqvkxben")
        memory.forget(user="zqvkxben")
        assert b"zqvkxben" not in path.read_bytes() and b"zqvkxcoach" not in path.read_bytes()
        assert [(each.user, each.to) for each in memory.grants(user="zqvkxana", ended=True)] == [
            ("zqvkxana", None), (None, "zqvkxana")]  # fmt: skip
        assert memory.grants(user="zqvkxana") == memory.grants(ended=True) == []
        memory.forget(user="zqvkxana")
        assert b"zqvkx" not in path.read_bytes() and memory.verify() == []
        memory.grant(to="zqvkxben", user="dan")  # a new start
        assert len(memory.grants(user="zqvkxben")) == 1


# -- the command line -----------------------------------------------------------------------------------------------


def out(db: str, *args: str, code: int = 0) -> str:
    result = CliRunner().invoke(main, ["--db", db, *args])
    assert result.exit_code == code, result.output
    return result.output.strip()


def test_grant_grants_and_revoke_as_commands(tmp_path: Path) -> None:
    db = str(tmp_path / "m.db")
    out(db, "--user", "ana", "remember", "The gate code is 4471", "--kind", "plan", "--meta", "trip=Oslo")
    id = out(
        db, "--user", "ana", "grant", "ben", "--where", '{"trip": "Oslo"}', "--kind", "plan", "--until", "2099-01-01"
    )
    assert out(db, "--user", "ben", "list").split("\t")[1] == "ana"  # whose it is, where nobody is named
    assert "4471" in out(db, "--user", "ben", "list") and out(db, "--user", "cat", "list").startswith("Nothing here")
    assert out(db, "--user", "ben", "grants").split("\t")[:3] == ["ana", "ben", 'kind plan; {"trip": "Oslo"}']
    assert json.loads(out(db, "--user", "ana", "grants", "--json"))[0]["id"] == id
    assert "no grant" in out(db, "--user", "ben", "revoke", id, code=1)
    assert out(db, "--user", "ana", "revoke", id[-8:]) == id
    assert "4471" not in out(db, "--user", "ben", "list")
    assert out(db, "--user", "ana", "grants") == "Nothing is granted, by you or to you."
    assert "too short" in out(db, "--user", "ana", "revoke", "12", code=1)


def test_forget_shows_only_what_would_go(tmp_path: Path) -> None:
    db = str(tmp_path / "m.db")
    out(db, "--user", "ana", "remember", "The gate code is 4471")
    out(db, "--user", "ben", "remember", "I like figs")
    out(db, "--user", "ana", "grant", "ben")
    shown = out(db, "--user", "ben", "forget", "--all", code=1)
    assert "figs" in shown and "4471" not in shown
