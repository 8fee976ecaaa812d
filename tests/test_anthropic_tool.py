"""Anthropic's memory tool on a file of ours: what Claude writes is a file to Claude, and records to everybody else."""

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("anthropic", reason="anthropic is not installed: pip install 'agentmem-sqlite[anthropic]'")

from anthropic.tools import ToolError

from agentmem import Memory
from agentmem.doors.anthropic import AsyncMemoryTool, MemoryTool, _parts

NOTES = "/memories/notes.md"


@pytest.fixture
def tool(memory: Memory) -> MemoryTool:
    return MemoryTool(memory, user="ana", trust=0.6)


def do(tool: MemoryTool, command: str, **fields: object) -> str:
    return tool.call({"command": command, **fields})


def test_what_claude_writes_is_found_with_everything_else(tool, memory):
    memory.remember("The boiler makes a noise", user="ana")
    text = "\n\n".join(f"{topic}: {'word ' * 150}" for topic in ("cheese", "boiler repair on Friday", "jazz"))
    do(tool, "create", path=NOTES, file_text=text)
    hits = memory.recall("boiler", user="ana", k=2)
    assert {hit.record.kind for hit in hits} == {"note", "file"}
    part = next(hit.record for hit in hits if hit.record.kind == "file")
    assert part.metadata["memory_file"] == NOTES and "cheese" not in part.text  # the part that says so, not the whole
    assert (part.role, part.trust) == ("assistant", 0.6)
    assert memory.recall("boiler", user="bob") == []


def test_an_edit_is_a_revision_of_the_part_that_it_changes(tool, memory):
    do(tool, "create", path=NOTES, file_text=f"{'a ' * 595}\n\nlives in Oslo")
    first, second = sorted(memory.list(user="ana"), key=lambda record: record.metadata["part"])
    shown = do(tool, "str_replace", path=NOTES, old_str="Oslo", new_str="Rome")
    assert shown.endswith("     3\tlives in Rome")
    assert [record.text for record in memory.history(second.id, user="ana")] == ["lives in Oslo", "lives in Rome"]
    assert len(memory.history(first.id, user="ana")) == 1


def test_the_same_words_in_two_files_are_two(tool):
    for path in (NOTES, "/memories/b.md"):
        do(tool, "create", path=path, file_text="tea")
    do(tool, "delete", path=NOTES)
    assert tool.files.texts() == {"/memories/b.md": "tea"}


def test_a_deleted_file_is_erased(tool, memory, tmp_path):
    do(tool, "create", path="/memories/a/x.md", file_text="zebrafish")
    do(tool, "str_replace", path="/memories/a/x.md", old_str="zebrafish", new_str="quokka")
    memory.remember("stays", user="ana", metadata={"part": 0})
    do(tool, "delete", path="/memories/a")
    assert [record.text for record in memory.list(user="ana")] == ["stays"]
    assert not any(word in file.read_bytes() for file in tmp_path.glob("m.db*") for word in (b"zebrafish", b"quokka"))


def test_directories_move_and_list(tool):
    for path in ("a/x.md", "a/b/y.md", "a/b/c/z.md", ".hidden"):
        do(tool, "create", path=f"/memories/{path}", file_text="12345")
    assert do(tool, "view", path="/memories").splitlines()[1:] == [
        "20B\t/memories", "15B\t/memories/a/", "10B\t/memories/a/b/", "5B\t/memories/a/x.md",
    ]  # fmt: skip
    do(tool, "rename", old_path="/memories/a", new_path="/memories/z")
    assert list(tool.files.texts()) == ["/memories/.hidden", "/memories/z/b/c/z.md", "/memories/z/b/y.md",
                                        "/memories/z/x.md"]  # fmt: skip
    with pytest.raises(ToolError, match="is within"):
        do(tool, "rename", old_path="/memories/z", new_path="/memories/z/deep")


@pytest.mark.parametrize("path", ["/etc/passwd", "/memories/../x", "/memoriesx", "memories/x"])
def test_paths_lead_nowhere_else(tool, path):
    with pytest.raises(ToolError, match="Path"):
        do(tool, "create", path=path, file_text="x")
    assert tool.files.texts() == {}


def test_what_a_record_cannot_hold_is_told_to_claude(tool):
    with pytest.raises(ToolError, match="NUL"):
        do(tool, "create", path=NOTES, file_text="a\0b")


def test_clearing_leaves_other_records(tool, memory):
    memory.remember("stays", user="ana")
    do(tool, "create", path=NOTES, file_text="goes")
    assert tool.clear_all_memory() == "All memory cleared"
    assert [record.text for record in memory.list(user="ana")] == ["stays"]


def test_the_commands_can_be_awaited(memory):
    tool = AsyncMemoryTool(memory, user="ana")
    asyncio.run(tool.call({"command": "create", "path": NOTES, "file_text": "tea\n"}))
    assert asyncio.run(tool.call({"command": "view", "path": NOTES})).endswith("     1\ttea\n     2\t")
    assert tool.to_dict() == {"type": "memory_20250818", "name": "memory"}


TEXTS = st.text(st.sampled_from("ab \n\t\r\u2028é"), max_size=60).flatmap(
    lambda text: st.integers(1, 400).map(lambda times: text * times)
)


@given(TEXTS)
def test_parts_are_the_whole_text_and_each_has_words(text):
    parts = _parts(text)
    assert "".join(parts) == text
    assert len(parts) == 1 or all(part.strip() for part in parts)


@settings(max_examples=25, deadline=None)
@given(st.lists(TEXTS, min_size=1, max_size=3))
def test_a_file_reads_as_it_was_written_last(texts):
    from conftest import TinyEncoder

    with Memory(":memory:", encoder=TinyEncoder()) as memory:
        files = MemoryTool(memory).files
        files.create(NOTES, texts[0])
        for text in texts[1:]:
            files._write(NOTES, files._all()[NOTES], text)
        assert files.texts() == {NOTES: texts[-1]}
