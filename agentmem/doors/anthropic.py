"""
Anthropic's memory tool (memory_20250818) on one SQLite file: what Claude writes under /memories is found with all else.

    tool = MemoryTool(agentmem.Memory("me.db", user="ana"))
    client.beta.messages.run_tools(model=…, messages=…, tools=[tool]).until_done()

A file is kept in parts of about a paragraph, each a record of kind "file", so that a search finds the part and not the
whole.  An edit is a revision; what is deleted is erased.  Claude's words are no evidence for facts.
"""

from __future__ import annotations

import asyncio
import functools
import posixpath
import re
import secrets
from collections.abc import Callable, Coroutine
from itertools import zip_longest
from typing import Any

from agentmem import AgentmemError, Memory, Record

from .extra import missing

try:
    from anthropic.tools import BetaAbstractMemoryTool, BetaAsyncAbstractMemoryTool, ToolError
except ImportError as error:
    raise missing("anthropic", "anthropic") from error

__all__ = ["AsyncMemoryTool", "MemoryTool"]
ROOT = "/memories"
KIND, PATH, PART, BLANK = "file", "memory_file", "part", "blank"  # of a record, and of its metadata
PART_CHARS = 1_200  # about what the encoder reads
MOST_PARTS = 60  # of a file; the parts of a large one are larger
MAX_LINES = 999_999
ABSENT = "The path {} does not exist. Please provide a valid path."


class Files:
    """
    Text files by path, in records.

    Args:
        scope: user, agent and session, as `Memory` takes them.
        trust: 0..1, of what is written.

    Every method returns the words that Claude reads, those of Anthropic's own tool, or raises ToolError with them.
    """

    def __init__(self, memory: Memory, scope: dict[str, Any], trust: float) -> None:
        self._memory, self._scope, self._trust = memory, scope, trust

    def view(self, path: str, lines: list[int] | None = None) -> str:
        """Return a file's lines, numbered, from *lines*[0] to *lines*[1] where given; or what a directory holds."""
        place, files = _place(path), self._all()
        if place not in files:
            return self._listed(path, place, files)
        found = _text(files[place]).split("\n")
        if len(found) > MAX_LINES:
            raise ToolError(f"File {path} exceeds maximum line limit of 999,999 lines.")
        first, last = lines if lines and len(lines) == 2 else (1, -1)
        start = max(1, first) - 1
        shown = found[start : len(found) if last == -1 else last]
        return f"Here's the content of {path} with line numbers:\n" + _numbered(shown, start + 1)

    def create(self, path: str, text: str) -> str:
        """Make a file."""
        place, files = _place(path), self._all()
        if place in files or _under(place, files) or place == ROOT:
            raise ToolError(f"File {path} already exists")
        self._write(place, [], text)
        return f"File created successfully at: {path}"

    def str_replace(self, path: str, old: str, new: str) -> str:
        """Put *new* in the place of *old*, which stands once in the file."""
        place, parts = self._file(path)
        text = _text(parts)
        if (count := text.count(old)) == 0 or not old:
            raise ToolError(f"No replacement was performed, old_str `{old}` did not appear verbatim in {path}.")
        if count > 1:
            places = [match.start() for match in re.finditer(f"(?={re.escape(old)})", text)]
            lines = ", ".join(str(text.count("\n", 0, at) + 1) for at in places)
            raise ToolError(
                f"No replacement was performed. Multiple occurrences of old_str `{old}` in lines: {lines}. "
                "Please ensure it is unique"
            )
        line = text.count("\n", 0, text.index(old))
        changed = text.replace(old, new)
        self._write(place, parts, changed)
        start = max(0, line - 2)
        snippet = _numbered(changed.split("\n")[start : line + 3], start + 1)
        return (
            f"The memory file has been edited. Here is the snippet showing the change (with line numbers):\n{snippet}"
        )

    def insert(self, path: str, line: int, text: str) -> str:
        """Insert *text* behind that line; 0 is the beginning."""
        place, parts = self._file(path)
        lines = _text(parts).removesuffix("\n").split("\n") if _text(parts) else []
        if not 0 <= line <= len(lines):
            raise ToolError(
                f"Invalid `insert_line` parameter: {line}. It should be within the range [0, {len(lines)}]."
            )
        lines.insert(line, text.rstrip("\n"))
        self._write(place, parts, "\n".join(lines) + ("" if lines[-1].endswith("\n") else "\n"))
        return f"The file {path} has been edited."

    def delete(self, path: str) -> str:
        """Erase a file, or a directory with all in it, with all earlier versions."""
        place, files = _place(path), self._all()
        if place == ROOT:
            raise ToolError(f"Cannot delete the {ROOT} directory itself")
        gone = [place] if place in files else _under(place, files)
        if not gone:
            raise ToolError(f"The path {path} does not exist")
        self._memory.forget(where={PATH: {"in": gone}}, **self._scope)
        return f"Successfully deleted {path}"

    def rename(self, old: str, new: str) -> str:
        """Move a file, or a directory with all in it."""
        source, target, files = _place(old), _place(new), self._all()
        if source == ROOT:
            raise ToolError(f"Cannot rename the {ROOT} directory itself")
        if target in files or target == ROOT or _under(target, files):
            raise ToolError(f"The destination {new} already exists")
        moved = [source] if source in files else _under(source, files)
        if not moved:
            raise ToolError(f"The path {old} does not exist")
        if target.startswith(f"{source}/"):
            raise ToolError(f"The destination {new} is within {old}")
        for path in moved:
            for part in files[path]:
                about = {**part.metadata, PATH: target + path.removeprefix(source)}
                self._memory.revise(part.id, part.text, metadata=about, **self._scope)
        return f"Successfully renamed {old} to {new}"

    def clear(self) -> str:
        """Erase every file."""
        self._memory.forget(where={PATH: {"ne": None}}, **self._scope)
        return "All memory cleared"

    def texts(self) -> dict[str, str]:
        """Return the text of every file by its path."""
        return {path: _text(parts) for path, parts in self._all().items()}

    # -- records ------------------------------------------------------------------------------------------------

    def _all(self) -> dict[str, list[Record]]:
        """Return the parts of every file, in order, by its path; the paths are sorted."""
        found = self._memory.list(
            kinds=[KIND], where={PATH: {"ne": None}}, shared=False, limit=1_000_000, **self._scope
        )
        files: dict[str, list[Record]] = {}
        for record in sorted(found, key=lambda record: (str(record.metadata[PATH]), record.metadata.get(PART, 0))):
            files.setdefault(str(record.metadata[PATH]), []).append(record)
        return files

    def _file(self, path: str) -> tuple[str, list[Record]]:
        place, files = _place(path), self._all()
        if place in files:
            return place, files[place]
        isdir = place == ROOT or _under(place, files)
        raise ToolError(f"The path {path} is not a file." if isdir else ABSENT.format(path))

    def _listed(self, path: str, place: str, files: dict[str, list[Record]]) -> str:
        inside = _under(place, files)
        if not inside and place != ROOT:
            raise ToolError(ABSENT.format(path))
        sizes: dict[str, int] = {}
        for each in inside:
            steps = each.removeprefix(f"{place}/").split("/")
            visible = next((n for n, step in enumerate(steps) if step.startswith(".")), len(steps))
            for depth in range(1, min(visible, 2) + 1):
                name = "/".join(steps[:depth]) + ("/" if depth < len(steps) else "")
                sizes[name] = sizes.get(name, 0) + len(_text(files[each]).encode())
        total = sum(len(_text(files[each]).encode()) for each in inside)
        lines = [f"{_size(total)}\t{path}", *(f"{_size(size)}\t{path}/{name}" for name, size in sizes.items())]
        head = f"Here're the files and directories up to 2 levels deep in {path}, excluding hidden items:"
        return "\n".join([head, *lines])

    def _write(self, path: str, old: list[Record], text: str) -> None:
        """Let the parts of a file say *text*: those that are the same stay, the others are revised, added or erased."""
        new: list[dict[str, Any]] = []
        for number, (was, part) in enumerate(zip_longest(old, _parts(text))):
            # A record has words, so what has none is kept in metadata, and the record says the path.
            about = {PATH: path, PART: number, **({} if part is None or part.strip() else {BLANK: part})}
            words = part if part is None or part.strip() else path
            if was is None:
                # The same words in two places are two: without a source of its own the second would be known already.
                source = f"anthropic:{secrets.token_hex(8)}"
                fields = {"kind": KIND, "role": "assistant", "source": source, "trust": self._trust}
                new.append({"text": words, "metadata": about, **fields})
            elif part is None:
                self._memory.forget(was.id, **self._scope)
            elif (was.text, was.metadata) != (words, about):
                self._memory.revise(was.id, words, metadata=about, **self._scope)
        if new:
            self._memory.remember_many(new, **self._scope)


class MemoryTool(BetaAbstractMemoryTool):
    """
    Anthropic's memory tool.

    Args:
        memory: where the files are kept.
        user, agent, session: whose they are; default is the memory's own scope.
        trust: 0..1, of what Claude writes.
        cache_control: as Anthropic's own tool takes it.
    """

    def __init__(
        self, memory: Memory, *, user: str | None = None, agent: str | None = None, session: str | None = None,
        trust: float = 1.0, cache_control: Any = None,
    ) -> None:  # fmt: skip
        super().__init__(cache_control=cache_control)
        self.files = _files(memory, trust, user=user, agent=agent, session=session)

    def execute(self, command: Any) -> Any:
        """Carry out a command; what agentmem refuses is told to Claude."""
        try:
            return super().execute(command)
        except (AgentmemError, ValueError, TypeError) as error:
            raise ToolError(str(error)) from error

    def view(self, command: Any) -> str:
        """Return the lines of a file, or what a directory holds."""
        return self.files.view(command.path, command.view_range)

    def create(self, command: Any) -> str:
        """Make a file."""
        return self.files.create(command.path, command.file_text)

    def str_replace(self, command: Any) -> str:
        """Replace a text that stands once in a file."""
        return self.files.str_replace(command.path, command.old_str, command.new_str)

    def insert(self, command: Any) -> str:
        """Insert a text behind a line."""
        return self.files.insert(command.path, command.insert_line, command.insert_text)

    def delete(self, command: Any) -> str:
        """Erase a file or directory."""
        return self.files.delete(command.path)

    def rename(self, command: Any) -> str:
        """Move a file or directory."""
        return self.files.rename(command.old_path, command.new_path)

    def clear_all_memory(self) -> str:
        """Erase every file."""
        return self.files.clear()


def _awaited(verb: Callable[..., str]) -> Callable[..., Coroutine[Any, Any, str]]:
    @functools.wraps(verb)
    async def method(self: AsyncMemoryTool, *command: Any) -> str:
        return await asyncio.to_thread(verb, self, *command)

    return method


class AsyncMemoryTool(BetaAsyncAbstractMemoryTool):
    """Anthropic's memory tool, awaited; the arguments are those of `MemoryTool`."""

    def __init__(
        self, memory: Memory, *, user: str | None = None, agent: str | None = None, session: str | None = None,
        trust: float = 1.0, cache_control: Any = None,
    ) -> None:  # fmt: skip
        super().__init__(cache_control=cache_control)
        self.files = _files(memory, trust, user=user, agent=agent, session=session)

    async def execute(self, command: Any) -> Any:
        """Carry out a command; what agentmem refuses is told to Claude."""
        try:
            return await super().execute(command)
        except (AgentmemError, ValueError, TypeError) as error:
            raise ToolError(str(error)) from error

    view = _awaited(MemoryTool.view)
    create = _awaited(MemoryTool.create)
    str_replace = _awaited(MemoryTool.str_replace)
    insert = _awaited(MemoryTool.insert)
    delete = _awaited(MemoryTool.delete)
    rename = _awaited(MemoryTool.rename)
    clear_all_memory = _awaited(MemoryTool.clear_all_memory)


def _files(memory: Memory, trust: float, **scope: str | None) -> Files:
    return Files(memory, {name: value for name, value in scope.items() if value is not None}, trust)


def _place(path: str) -> str:
    """Return *path* without "." and "..", or raise where it leads out of /memories."""
    if path != ROOT and not path.startswith(f"{ROOT}/"):
        raise ToolError(f"Path must start with {ROOT}, got: {path}")
    place = posixpath.normpath(path)
    if place != ROOT and not place.startswith(f"{ROOT}/"):
        raise ToolError(f"Path {path} would escape {ROOT} directory")
    return place


def _under(place: str, files: dict[str, list[Record]]) -> list[str]:
    return [path for path in files if path.startswith(f"{place}/")]


def _text(parts: list[Record]) -> str:
    return "".join(str(part.metadata.get(BLANK, part.text)) for part in parts)


def _parts(text: str) -> list[str]:
    """Cut *text* between paragraphs, or else lines, into parts of about a size; each but a lone one has words."""
    size = max(PART_CHARS, len(text) // MOST_PARTS + 1)
    parts = [""]
    for paragraph in re.split(r"(?<=\n\n)(?=\S)", text):
        for line in [paragraph] if len(paragraph) <= size else paragraph.splitlines(keepends=True):
            for start in range(0, len(line), size):
                piece = line[start : start + size]
                if len(parts[-1]) + len(piece) <= size or not (parts[-1].strip() and piece.strip()):
                    parts[-1] += piece
                else:
                    parts.append(piece)
    return parts


def _numbered(lines: list[str], first: int) -> str:
    return "\n".join(f"{number:>6}\t{line}" for number, line in enumerate(lines, first))


def _size(count: int) -> str:
    """Return a count of bytes as Anthropic's tool shows it: 0B, 512B, 1.5K, 2M."""
    step = min(max(count.bit_length() - 1, 0) // 10, 3)
    size = count / 1024**step
    return f"{int(size) if size == int(size) else f'{size:.1f}'}{'BKMG'[step]}"
