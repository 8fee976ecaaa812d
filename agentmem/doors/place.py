"""
Where the memory is, where nobody says so: one file for the command line, the MCP server and the mem0 facade.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path


def default_db() -> str:
    """Return the memory file in the platform's folder for a user's data."""
    home, local, xdg = Path.home(), os.environ.get("LOCALAPPDATA"), os.environ.get("XDG_DATA_HOME")
    apart = {
        "darwin": home / "Library" / "Application Support",
        "win32": Path(local) if local else home / "AppData" / "Local",
    }
    data = apart.get(sys.platform, Path(xdg) if xdg else home / ".local" / "share")
    return str(data / "agentmem" / "memory.db")


def made(db: str) -> str:
    """Return *db*, after making the folder of the default one."""
    if db == default_db():
        Path(db).parent.mkdir(parents=True, exist_ok=True)
    return db
