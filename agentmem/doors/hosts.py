"""
Where the hosts of MCP servers keep their configuration, and how ours is written there.
"""

from __future__ import annotations

import difflib
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

NAME = "agentmem"


@dataclass(frozen=True, slots=True)
class Host:
    """A program that starts MCP servers."""

    title: str
    file: Path  # its configuration, JSON
    key: str = "mcpServers"  # of the object of servers in it
    more: Mapping[str, str] | None = None  # what it wants said of a server besides the command


@dataclass(frozen=True, slots=True)
class Change:
    """What an installation would write, or wrote."""

    host: str
    file: Path
    before: str
    after: str
    backup: Path | None = None

    @property
    def diff(self) -> str:
        """The change, as `diff -u` shows it; empty where there is none."""
        lines = (self.before.splitlines(keepends=True), self.after.splitlines(keepends=True))
        return "".join(difflib.unified_diff(*lines, str(self.file), str(self.file)))


def hosts(project: Path | None = None) -> dict[str, Host]:
    """Return the hosts by the name that `agentmem mcp install` takes; with *project*, those that have files there."""
    if project is not None:
        return {
            "claude-code": Host("Claude Code", project / ".mcp.json"),
            "cursor": Host("Cursor", project / ".cursor" / "mcp.json"),
            "vscode": Host("VS Code", project / ".vscode" / "mcp.json", "servers", {"type": "stdio"}),
        }
    home = Path.home()
    apps = {
        "darwin": home / "Library" / "Application Support",
        "win32": Path(os.environ.get("APPDATA") or home / "AppData" / "Roaming"),
    }.get(sys.platform, Path(os.environ.get("XDG_CONFIG_HOME") or home / ".config"))
    return {
        "claude": Host("Claude Desktop", apps / "Claude" / "claude_desktop_config.json"),
        "claude-code": Host("Claude Code", home / ".claude.json"),
        "cursor": Host("Cursor", home / ".cursor" / "mcp.json"),
        "vscode": Host("VS Code", apps / "Code" / "User" / "mcp.json", "servers", {"type": "stdio"}),
        "windsurf": Host("Windsurf", home / ".codeium" / "windsurf" / "mcp_config.json"),
        "gemini": Host("Gemini CLI", home / ".gemini" / "settings.json"),
    }


def entry(host: Host, arguments: list[str]) -> dict[str, Any]:
    """Return how *host* starts the server: by this Python, so that it needs nothing on its PATH."""
    return {**(host.more or {}), "command": sys.executable, "args": ["-m", "agentmem", *arguments]}


def planned(host: Host, arguments: list[str]) -> Change:
    """
    Return what an installation would write, and write nothing.

    Raises:
        ValueError: the file is not plain JSON, and so cannot be changed without losing what else it says.
    """
    before = host.file.read_text("utf-8-sig") if host.file.is_file() else ""
    ours = entry(host, arguments)
    try:
        config = json.loads(before) if before.strip() else {}
    except ValueError as error:
        added = json.dumps({NAME: ours}, indent=2)
        raise ValueError(
            f"{host.file} is not plain JSON ({error}); add to its {host.key!r} by hand:\n{added}"
        ) from None
    if not isinstance(config, dict) or not isinstance(config.get(host.key, {}), dict):
        raise ValueError(f"{host.file} has no object {host.key!r}; nothing was changed")
    config[host.key] = {**config.get(host.key, {}), NAME: ours}
    after = json.dumps(config, indent=2, ensure_ascii=False) + "\n"
    return Change(host.title, host.file, before, before if before and json.loads(before) == config else after)


def written(change: Change) -> Change:
    """Write *change*, after putting the old file beside it; return it with the name of that copy."""
    file = change.file.resolve()  # a link stays one
    file.parent.mkdir(parents=True, exist_ok=True)
    backup = None
    if file.exists():
        backup = file.with_name(f"{file.name}.{datetime.now():%Y%m%d-%H%M%S-%f}.bak")
        shutil.copy2(file, backup)
    handle, name = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}.")
    with os.fdopen(handle, "w", encoding="utf-8") as out:
        out.write(change.after)
    if backup:
        shutil.copymode(backup, name)
    Path(name).replace(file)
    return Change(change.host, change.file, change.before, change.after, backup)
