"""Core blocks: what is in view of whom, what a block refuses, and that no version is lost before it is erased."""

from __future__ import annotations

import asyncio
import inspect
import multiprocessing
import shutil
import sqlite3
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from conftest import TinyEncoder
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agentmem import AgentmemError, AsyncMemory, BlockError, Memory, NotFoundError, aio, blocks, holding, schema

START = 1_700_000_000_000
VERBS = [name for name, _ in inspect.getmembers(holding.Blocks, inspect.isfunction) if not name.startswith("_")]


def on_disk(path: Path) -> bytes:
    return b"".join(part.read_bytes() for part in (path, path.with_name(f"{path.name}-wal")) if part.exists())


# -- editing --------------------------------------------------------------------------------------------------------


def test_a_block_is_set_appended_to_replaced_in_and_restored(tmp_path: Path) -> None:
    clock = iter(range(START, START + 100))
    with Memory(tmp_path / "m.db", user="ana", now=lambda: next(clock)) as memory:
        made = memory.blocks.set("user", "Name: Ana", description="who the user is", limit=100)
        assert (made.label, made.text, made.description, made.limit) == ("user", "Name: Ana", "who the user is", 100)
        assert (made.version, made.read_only, made.user, made.agent, made.session) == (1, False, "ana", None, None)
        assert memory.blocks.append("user", "Lives in Porto").text == "Name: Ana\nLives in Porto"
        assert memory.blocks.replace("user", "Porto", "Oslo").text == "Name: Ana\nLives in Oslo"
        restored = memory.blocks.restore("user", 2)
        history = memory.blocks.history("user")
        assert restored == history[-1]
        assert [block.version for block in history] == [1, 2, 3, 4]
        assert [block.text.rpartition("\n")[2] for block in history] == [
            "Name: Ana", "Lives in Porto", "Lives in Oslo", "Lives in Porto",
        ]  # fmt: skip
        assert memory.blocks.get("user") == history[-1] and memory.blocks.list() == [history[-1]]
        times = [block.updated_at for block in history]
        assert times == sorted(set(times))


def test_what_set_does_not_name_stays(memory: Memory) -> None:
    memory.blocks.set("user", "a", description="about", limit=50)
    block = memory.blocks.set("user", "b")
    assert (block.text, block.description, block.limit, block.version) == ("b", "about", 50, 2)
    assert memory.blocks.set("user", "b", description="").description == ""


def test_what_changes_nothing_adds_no_version(memory: Memory) -> None:
    first = memory.blocks.set("rules", "be kind", read_only=True)
    assert memory.blocks.set("rules", "be kind") == memory.blocks.set("rules", "be kind", read_only=True) == first
    memory.blocks.set("user", "a b")
    assert memory.blocks.replace("user", "a", "a").version == memory.blocks.restore("user", 1).version == 1
    assert len(memory.blocks.history("user")) == 1
    memory.blocks.append("user", "c")
    memory.blocks.restore("user", 1)
    assert memory.blocks.restore("user", 1).version == memory.blocks.restore("user", 3).version == 3


def test_an_empty_block_is_one(memory: Memory) -> None:
    assert memory.blocks.set("user", "").version == 1
    assert memory.blocks.append("user", "first").text == "first"
    assert memory.blocks.replace("user", "first", "").text == ""


@pytest.mark.parametrize(
    ("old", "says"),
    [
        ("Rome", "'Rome' is not in the block 'user'; it must be there letter for letter. It holds 12:\nanana Porto\n"),
        ("ana", "'ana' is in the block 'user' more than once; take more of the text around it. It holds 12:\nanana"),
        ("", "the text to replace is empty"),
    ],
)
def test_replace_says_what_is_wrong_and_what_the_block_holds(memory: Memory, old: str, says: str) -> None:
    """Of "ana" in "anana" nobody can say which is meant."""
    memory.blocks.set("user", "anana Porto\n")
    with pytest.raises(ValueError) as error:
        memory.blocks.replace("user", old, "x")
    assert says in str(error.value)
    assert memory.blocks.get("user").version == 1


def test_replace_puts_the_new_text_in_as_it_is(memory: Memory) -> None:
    memory.blocks.set("user", r"a (b) \1 c")
    assert memory.blocks.replace("user", r"(b) \1", r"\g<0> $1").text == r"a \g<0> $1 c"


def test_a_full_block_says_how_much_is_over_and_what_it_holds(memory: Memory) -> None:
    memory.blocks.set("user", "x" * 15, limit=20)
    says = r"'user' may have 20 characters; this would make 27, 7 too many\. .* It holds 15:\nx{15}$"
    for edit in (
        lambda: memory.blocks.append("user", "y" * 11),
        lambda: memory.blocks.set("user", "z" * 27),
        lambda: memory.blocks.replace("user", "x" * 15, "z" * 27),
    ):
        with pytest.raises(BlockError, match=says):
            edit()
    with pytest.raises(BlockError, match="may have 9 characters"):
        memory.blocks.set("user", "x" * 15, limit=9)
    with pytest.raises(BlockError, match=r"3,000.*It is empty"):
        memory.blocks.set("new", "x" * 3_000)
    assert memory.blocks.append("user", "yyyy").text == "x" * 15 + "\nyyyy"
    assert [block.label for block in memory.blocks.list()] == ["user"]


def test_a_limit_counts_characters_as_people_do(memory: Memory) -> None:
    assert memory.blocks.set("user", "Łódź 🐶", limit=6).text == "Łódź 🐶"
    with pytest.raises(BlockError, match="1 too many"):
        memory.blocks.replace("user", "🐶", "🐶🐶")


def test_a_read_only_block_is_changed_only_by_who_says_read_only(memory: Memory) -> None:
    memory.blocks.set("rules", "be kind")
    memory.blocks.set("rules", "be kind and brief", read_only=True)
    for edit in (
        lambda: memory.blocks.append("rules", "obey me"),
        lambda: memory.blocks.replace("rules", "kind", "mean"),
        lambda: memory.blocks.restore("rules", 1),
        lambda: memory.blocks.set("rules", "obey me"),
        lambda: memory.blocks.set("rules", "be kind and brief", limit=5_000),
    ):
        with pytest.raises(BlockError, match="'rules' is read-only"):
            edit()
    assert memory.blocks.get("rules").version == 2
    assert memory.blocks.set("rules", "be brief", read_only=True).read_only
    assert not memory.blocks.set("rules", "be brief", read_only=False).read_only
    assert memory.blocks.append("rules", "please").version == 5


def test_what_is_not_there_is_said_with_what_is(memory: Memory) -> None:
    with pytest.raises(NotFoundError, match="no block 'user' in view; there are: none"):
        memory.blocks.get("user")
    memory.blocks.set("persona", "")
    for verb in ("get", "history", "delete"):
        with pytest.raises(NotFoundError, match="no block 'user' in view; there are: 'persona'"):
            getattr(memory.blocks, verb)("user")
    with pytest.raises(NotFoundError, match="versions 1 to 1, none with number 2"):
        memory.blocks.restore("persona", 2)


@pytest.mark.parametrize(
    "label", ["", " ", " a", "a\n", "a\nb", "a\tb", "a\0", "x" * 65, "\u202eabc", "\ud800", "a\u2028"]
)
def test_a_label_is_one_line_that_can_be_seen(memory: Memory, label: str) -> None:
    for edit in (
        lambda: memory.blocks.set(label, "x"),
        lambda: memory.blocks.append(label, "x"),
        lambda: memory.blocks.get(label),
    ):
        with pytest.raises(ValueError, match="a label is 1 to 64"):
            edit()


@pytest.mark.parametrize(
    ("call", "error", "says"),
    [
        (lambda b: b.set(3, "x"), TypeError, "label"),
        (lambda b: b.set("user", None), TypeError, "text"),
        (lambda b: b.set("user", "a\0"), ValueError, "NUL"),
        (lambda b: b.set("user", "\udc80"), ValueError, "surrogate"),
        (lambda b: b.set("user", "x", description="\0"), ValueError, "description"),
        (lambda b: b.set("user", "x", description="d" * 1001), ValueError, "description"),
        (lambda b: b.set("user", "x", limit=0), ValueError, "limit"),
        (lambda b: b.set("user", "x", limit=True), TypeError, "limit"),
        (lambda b: b.set("user", "x", limit=200_001), ValueError, "limit"),
        (lambda b: b.set("user", "x" * 200_001, limit=200_000), ValueError, "200,000"),
        (lambda b: b.set("user", "x", read_only=1), TypeError, "read_only"),
        (lambda b: b.set("user", "x", agent=3), TypeError, "agent"),
        (lambda b: b.append("there", "  "), ValueError, "append"),
        (lambda b: b.append("there", b"x"), TypeError, "append"),
        (lambda b: b.append("there", "\ud800"), ValueError, "surrogate"),
        (lambda b: b.replace("there", "text", "\0"), ValueError, "new text"),
        (lambda b: b.replace("there", 1, ""), TypeError, "replace"),
        (lambda b: b.restore("there", 0), ValueError, "version"),
        (lambda b: b.restore("there", "1"), TypeError, "version"),
    ],
)
def test_wrong_arguments_are_named_and_change_nothing(memory: Memory, call: Any, error: type, says: str) -> None:
    there = memory.blocks.set("there", "text")
    with pytest.raises(error, match=says):
        call(memory.blocks)
    assert memory.blocks.list() == [there]


# -- scopes ---------------------------------------------------------------------------------------------------------


def test_a_block_without_agent_is_shared_by_all_the_users_agents(tmp_path: Path) -> None:
    path = tmp_path / "m.db"
    with Memory(path, user="ana", agent="coder") as coder, Memory(path, user="ana", agent="cook") as cook:
        coder.blocks.set("user", "Ana", agent="")
        coder.blocks.set("persona", "I write code")
        assert cook.blocks.append("user", "allergic to peanuts").agent is None
        assert coder.blocks.get("user").text == "Ana\nallergic to peanuts"
        assert [block.label for block in cook.blocks.list()] == ["user"]
        assert [block.label for block in cook.blocks.list(agent="")] == ["user"]
        assert [block.label for block in cook.blocks.list(agent="", everywhere=True)] == ["persona", "user"]


def test_the_most_particular_block_is_in_view(memory: Memory) -> None:
    places = [("", ""), ("coder", ""), ("", "monday"), ("coder", "monday")]  # the later, the more particular
    for number, (agent, session) in enumerate(places):
        memory.blocks.set("user", str(number), agent=agent, session=session)
        assert memory.blocks.get("user", agent="coder", session="monday").text == str(number)
    seen = [memory.blocks.get("user", agent=agent, session=session).text for agent, session in places]
    assert seen == ["0", "1", "2", "3"]
    assert memory.blocks.get("user", agent="cook", session="monday").text == "2"
    assert memory.blocks.get("user", agent="cook", session="friday").text == "0"
    for number in (3, 2, 1, 0):
        memory.blocks.delete("user", agent="coder", session="monday")
        assert len(memory.blocks.list(everywhere=True)) == number


@dataclass
class Oracle:
    """What blocks are to be, in plain Python."""

    versions: dict[tuple[str, str, str, str], list[str]] = field(default_factory=dict)

    def seen(self, user: str, agent: str, session: str, label: str) -> tuple[str, str, str, str] | None:
        for place in ((user, agent, session), (user, "", session), (user, agent, ""), (user, "", "")):
            if (*place, label) in self.versions:
                return (*place, label)
        return None

    def write(self, key: tuple[str, str, str, str], text: str) -> None:
        if (kept := self.versions.setdefault(key, []))[-1:] != [text]:
            kept.append(text)


NAMES = st.sampled_from(["", "a", "b"])
VERB = st.sampled_from(["set", "append", "replace", "restore", "delete", "forget"])
EDITS = st.tuples(
    VERB, st.sampled_from(["ana", "ben"]), NAMES, NAMES, st.sampled_from(["user", "persona"]),
    st.sampled_from(["x", "yy", "x\nz"]), st.integers(1, 3),
)  # fmt: skip


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(edits=st.lists(EDITS, min_size=1, max_size=25))
def test_whatever_is_done_everybody_sees_what_the_oracle_says(edits: list[Any]) -> None:
    oracle = Oracle()
    with Memory(":memory:", encoder=TinyEncoder()) as memory:
        for verb, user, agent, session, label, text, number in edits:
            whose = {"user": user, "agent": agent, "session": session}
            key = oracle.seen(user, agent, session, label)
            if verb == "set":
                memory.blocks.set(label, text, limit=12, **whose)
                oracle.write((user, agent, session, label), text)
            elif verb == "forget":
                if number == 1:
                    memory.forget(**whose)
                    gone = [
                        k for k in oracle.versions if k[0] == user and agent in ("", k[1]) and session in ("", k[2])
                    ]
                    for each in gone:
                        del oracle.versions[each]
            else:
                held = oracle.versions[key][-1] if key else None
                arguments = {"append": [text], "replace": [text, "new"], "restore": [number], "delete": []}[verb]
                try:
                    getattr(memory.blocks, verb)(label, *arguments, **whose)
                except (AgentmemError, ValueError):
                    assert (
                        held is None
                        or (verb == "append" and len(f"{held}\n{text}") > 12)
                        or (verb == "replace" and (held.count(text) != 1 or len(held) - len(text) + 3 > 12))
                        or (verb == "restore" and number > len(oracle.versions[key]))
                    )
                    continue
                assert key is not None and held is not None
                if verb == "delete":
                    del oracle.versions[key]
                else:
                    oracle.write(key, {
                        "append": f"{held}\n{text}", "replace": held.replace(text, "new"),
                        "restore": (oracle.versions[key] + [""] * 3)[number - 1],
                    }[verb])  # fmt: skip
        for user in ("ana", "ben", "eve"):
            for agent in ("", "a", "b"):
                for session in ("", "a", "b"):
                    keys = [oracle.seen(user, agent, session, label) for label in ("persona", "user")]
                    expected = [(key[3], oracle.versions[key][-1], len(oracle.versions[key])) for key in keys if key]
                    found = memory.blocks.list(user=user, agent=agent, session=session)
                    assert [(block.label, block.text, block.version) for block in found] == expected
            every = memory.blocks.list(user=user, everywhere=True)
            places = {(block.user, block.agent or "", block.session or "", block.label) for block in every}
            assert places == {key for key in oracle.versions if key[0] == user}


# -- many writers ---------------------------------------------------------------------------------------------------


def _append(path: str, name: str, count: int) -> None:
    with Memory(path) as memory:
        for number in range(count):
            memory.blocks.append("log", f"{name}{number}")


def test_two_processes_lose_no_version(tmp_path: Path) -> None:
    path = str(tmp_path / "m.db")
    with Memory(path) as memory:
        memory.blocks.set("log", "", limit=10_000)
        context = multiprocessing.get_context("spawn")
        writers = [context.Process(target=_append, args=(path, name, 40)) for name in "ab"]
        for writer in writers:
            writer.start()
        for writer in writers:
            writer.join(60)
            assert writer.exitcode == 0
        lines = memory.blocks.get("log").text.splitlines()
        assert sorted(lines) == sorted(f"{name}{number}" for name in "ab" for number in range(40))
        history = memory.blocks.history("log")
        assert [block.version for block in history] == list(range(1, 82))
        assert [len(block.text.splitlines()) for block in history] == list(range(81))


def test_the_rows_of_two_copies_together_say_the_same_in_both(tmp_path: Path) -> None:
    """Rows are never changed, so a merge has only to unite them; the latest holds, also where clocks stand alike."""
    one, other = tmp_path / "one.db", tmp_path / "other.db"
    with Memory(one, now=lambda: START) as memory:
        memory.blocks.set("user", "both")
    shutil.copy(one, other)
    for path, name in ((one, "one"), (other, "other")):
        with Memory(path, now=lambda: START + 5) as memory:
            memory.blocks.append("user", name)
    rows = {path: sqlite3.connect(path).execute("select * from blocks").fetchall() for path in (one, other)}
    assert len({row[11] for found in rows.values() for row in found}) == 2  # two writes bear the same stamp
    for path, others in ((one, other), (other, one)):
        with sqlite3.connect(path) as connection:
            connection.executemany(f"insert or ignore into blocks values ({', '.join('?' * 13)})", rows[others])
        connection.close()
    with Memory(one) as left, Memory(other) as right:
        assert left.blocks.history("user") == right.blocks.history("user")
        assert left.blocks.get("user") == right.blocks.get("user") == left.blocks.history("user")[-1]
        assert [block.version for block in left.blocks.history("user")] == [1, 2, 3]
        assert left.blocks.append("user", "on").version == 4


# -- erasing --------------------------------------------------------------------------------------------------------

SECRETS = [f"zq{n}vkxwjmhtrpgznk" for n in range(60)]


def test_delete_takes_every_version_down_to_the_bytes(tmp_path: Path) -> None:
    path = tmp_path / "m.db"
    with Memory(path, encoder=TinyEncoder()) as memory:
        memory.blocks.set("kept", "something kept", limit=9_000)
        memory.blocks.set("xjtqzrkwvg", "", description="kgzxvqwtnjrm", limit=9_000)
        for secret in SECRETS:
            memory.blocks.append("xjtqzrkwvg", secret + "." * 90)
            memory.blocks.append("kept", "line")
        memory.blocks.set("xjtqzrkwvg", "nothing any more")
        assert SECRETS[0].encode() in on_disk(path)  # the history has it
        gone = memory.blocks.delete("xjtqzrkwvg")
        assert (gone.ids, gone.blocks, gone.log_truncated) == ((), ("xjtqzrkwvg",), True)
        left = on_disk(path)
        assert [word for word in [*SECRETS, "xjtqzrkwvg", "kgzxvqwtnjrm"] if word.encode() in left] == []
        assert memory.blocks.get("kept").version == 61 and memory.verify() == []
        assert memory.blocks.set("xjtqzrkwvg", "").version == 1  # and may be made anew
    assert not any(word.encode() in on_disk(path) for word in SECRETS)


def test_forgetting_a_user_takes_their_blocks_and_nobody_elses(tmp_path: Path) -> None:
    path = tmp_path / "m.db"
    with Memory(path, encoder=TinyEncoder()) as memory:
        for user in ("ana-zqvkxw", "ben"):
            for agent, session in (("", ""), ("wvxkqjzp", ""), ("", "kgzxvqwt")):
                for number, secret in enumerate(SECRETS[:20]):
                    text = f"{user} {secret * 20}" if user != "ben" else f"ben {number}"
                    memory.blocks.set("user", text, user=user, agent=agent, session=session)
        memory.remember("Ana likes the sea", user="ana-zqvkxw")
        gone = memory.forget(user="ana-zqvkxw")
        assert gone.count == 1 and gone.blocks == ("user",) and gone.log_truncated
        assert memory.blocks.list(user="ana-zqvkxw", everywhere=True) == []
        assert [block.version for block in memory.blocks.list(user="ben", everywhere=True)] == [20, 20, 20]
        left = on_disk(path)
        assert [word for word in [*SECRETS, "ana-zqvkxw"] if word.encode() in left] == []
        assert memory.verify() == []


def test_forgetting_takes_the_blocks_of_what_it_names_and_no_others(memory: Memory) -> None:
    for agent, session in (("", ""), ("coder", ""), ("coder", "monday"), ("", "monday")):
        memory.blocks.set("user", f"{agent}/{session}", agent=agent, session=session)
    record = memory.remember("x", metadata={"a": 1}, session="monday")
    memory.remember("y", metadata={"a": 2}, session="monday")
    assert memory.forget(record.id).blocks == ()
    assert memory.forget(session="monday", where={"a": 2}).blocks == ()
    assert len(memory.blocks.list(everywhere=True)) == 4
    assert memory.forget(session="monday").blocks == ("user",)
    assert [block.text for block in memory.blocks.list(everywhere=True)] == ["coder/", "/"]
    assert memory.forget(agent="coder").count == 0
    assert [block.text for block in memory.blocks.list(everywhere=True)] == ["/"]


def test_what_was_erased_leaves_one_tombstone_a_block(memory: Memory) -> None:
    """By which another copy of the file knows all versions, also those that were written there meanwhile."""
    memory.blocks.set("user", "a")
    memory.blocks.append("user", "b")
    with memory._db.read() as connection:
        (first, second), uids = connection.execute("select block from blocks").fetchall(), [
            row[0] for row in connection.execute("select uid from blocks order by hlc")
        ]  # fmt: skip
    assert first == second == (uids[0],)
    memory.blocks.delete("user")
    with memory._db.read() as connection:
        assert connection.execute("select uid, content_hash from tombstones").fetchall() == [(uids[0], b"")]


# -- the file -------------------------------------------------------------------------------------------------------


def test_a_file_of_the_first_schema_gets_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "old.db"
    with monkeypatch.context() as patched:
        first = schema.migrations()[:1]
        patched.setattr(schema, "migrations", lambda: first)
        Memory(path, encoder=TinyEncoder()).close()
    with Memory(path, encoder=TinyEncoder()) as memory:
        memory.remember("kept")
        assert memory.blocks.set("user", "Ana").version == 1
        assert [record.text for record in memory.list()] == ["kept"] and memory.verify() == []


def test_verify_finds_a_version_that_came_back(memory: Memory) -> None:
    memory.blocks.set("user", "a")
    with memory._db.transaction() as connection:
        rows = connection.execute("select * from blocks").fetchall()
    memory.blocks.delete("user")
    assert memory.verify() == []
    with memory._db.transaction() as connection:
        connection.execute(f"insert into blocks values ({', '.join('?' * 13)})", rows[0])
    assert memory.verify() == ["1 versions of erased blocks are still here"]


def test_a_block_survives_rebuild_and_compact(memory: Memory) -> None:
    memory.remember("x")
    block = memory.blocks.set("user", "Ana")
    memory.rebuild()
    memory.compact()
    assert memory.blocks.list() == [block]


# -- awaited --------------------------------------------------------------------------------------------------------


def test_the_verbs_of_blocks_are_documented_and_awaited_alike() -> None:
    assert VERBS == ["append", "delete", "get", "history", "list", "replace", "restore", "set"]
    for verb in VERBS:
        plain, awaited = getattr(holding.Blocks, verb), getattr(aio.AsyncBlocks, verb)
        assert inspect.getdoc(plain) and inspect.getdoc(plain) == inspect.getdoc(awaited)
        assert inspect.signature(plain) == inspect.signature(awaited)
        assert inspect.iscoroutinefunction(awaited)


def test_blocks_and_tools_are_awaited(tmp_path: Path) -> None:
    async def main() -> None:
        async with AsyncMemory(tmp_path / "m.db", encoder=TinyEncoder()) as memory:
            await memory.blocks.set("user", "Ana")
            said = await memory.call("core_memory_append", {"label": "user", "content": "lives in Oslo"})
            assert said.startswith("Added.") and len(await memory.tools()) == 6
            assert [block.text for block in await memory.blocks.list()] == ["Ana\nlives in Oslo"]
            with pytest.raises(NotFoundError):
                await memory.blocks.get("nothing")

    asyncio.run(main())


def test_the_limits_are_those_that_are_documented() -> None:
    assert (blocks.LIMIT, blocks.MAX_LABEL, blocks.MAX_DESCRIPTION, blocks.MAX_TEXT) == (2_000, 64, 1_000, 200_000)
