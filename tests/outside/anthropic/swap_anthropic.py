"""
A pytest plugin that lets anthropic's own tests of its memory tool run against ours: `pytest -p swap_anthropic`.

The tests make a tool with `base_path=` and look at files beneath it.  The class in its place keeps a memory there;
where a test writes or reads a file by itself, it writes to the memory and reads what the memory holds.
"""

from __future__ import annotations

from pathlib import Path

import anthropic.lib.tools._beta_builtin_memory_tool as host
import pytest

from agentmem import Memory
from agentmem.doors.anthropic import AsyncMemoryTool, MemoryTool

open_tools: dict[str, MemoryTool | AsyncMemoryTool] = {}


class Root(type(Path())):
    """The folder of the memories, of which the tests ask for nothing but a file, and whether it is there."""

    awaited = False

    def is_dir(self):
        async def answer() -> bool:
            return True

        return answer() if self.awaited else True


class File:
    """A file in the memory, written and read as one on disk is."""

    def __init__(self, path: Path) -> None:
        self.path, self.files = f"/memories/{path.name}", open_tools[str(path.parent.parent)].files

    def write_bytes(self, data: bytes) -> None:
        self.files.create(self.path, data.decode())

    def read_bytes(self) -> bytes:
        return self.files.texts()[self.path].encode()


def opened(tool: MemoryTool | AsyncMemoryTool, base_path: str, awaited: bool) -> Memory:
    open_tools[str(base_path)] = tool
    tool.base_path = Path(base_path)
    tool.memory_root = Root(base_path, "memories")
    tool.memory_root.awaited = awaited
    return Memory(tool.base_path / "m.db")


class Sync(MemoryTool):
    def __init__(self, base_path: str = "./memory") -> None:
        super().__init__(opened(self, base_path, awaited=False))


class Async(AsyncMemoryTool):
    def __init__(self, base_path: str = "./memory") -> None:
        super().__init__(opened(self, base_path, awaited=True))


# Only these name a file that they write themselves.
pathlib_write, pathlib_read = Path.write_bytes, Path.read_bytes


def in_memory(path: Path) -> bool:
    return path.parent.name == "memories" and str(path.parent.parent) in open_tools


def write_bytes(path: Path, data: bytes) -> int:
    return File(path).write_bytes(data) or len(data) if in_memory(path) else pathlib_write(path, data)


def read_bytes(path: Path) -> bytes:
    return File(path).read_bytes() if in_memory(path) else pathlib_read(path)


Path.write_bytes, Path.read_bytes = write_bytes, read_bytes
host.BetaLocalFilesystemMemoryTool = Sync
host.BetaAsyncLocalFilesystemMemoryTool = Async


def snapshot(base_path: str) -> dict[str, str]:
    return {path.lstrip("/"): text for path, text in open_tools[base_path].files.texts().items()}


LEFT_OUT = {  # part of a test's name → why it says nothing about a tool without a folder
    "symlink": "makes a link in the folder of the memories; a memory has none",
    "umask": "looks at the modes of the folders that Anthropic's tool makes",
}


def pytest_collection_modifyitems(items) -> None:
    for item in items:
        for part, reason in LEFT_OUT.items():
            if part in item.name:
                item.add_marker(pytest.mark.skip(reason=reason))
        if hasattr(item.module, "get_directory_snapshot"):
            item.module.get_directory_snapshot = snapshot
