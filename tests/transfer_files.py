"""What the tests of imports share: the example files, and how to write and read others."""

from __future__ import annotations

import json
import zipfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from agentmem.errors import ImportFormatError
from agentmem.transfer import Conversation, read

EXPORTS = Path(__file__).parent / "exports"
FIXTURES = sorted(path.name for path in EXPORTS.iterdir())


def load(path: Path, format: str | None = None) -> tuple[list[Conversation], dict[str, int]]:
    skipped: Counter[str] = Counter()
    return list(read(path, format=format, skipped=skipped)), dict(skipped)


def put(folder: Path, name: str, content: str | bytes | list[object] | dict[str, object]) -> Path:
    path = folder / name
    if isinstance(content, (list, dict)):
        content = json.dumps(content)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def field(conversation: Conversation, key: str) -> list[object]:
    return [message.get(key) for message in conversation.messages]


def until_error(found: Iterator[Conversation]) -> tuple[list[Conversation], str]:
    before = []
    with pytest.raises(ImportFormatError) as caught:
        for each in found:
            before.append(each)
    return before, str(caught.value)


def one(folder: Path, name: str, content: str) -> Conversation:
    (found,), _ = load(put(folder, name, content))
    return found


def identities(found: Path | list[Conversation]) -> list[tuple[object, ...]]:
    """Return what each message is recognised by when it is imported again."""
    found = load(found)[0] if isinstance(found, Path) else found
    keys = ("role", "name", "at", "content", "id")
    return [(each.source, each.session, *map(said.get, keys)) for each in found for said in each.messages]


def chatgpt_message(words: object, role: str = "user", **more: object) -> dict[str, object]:
    content = {"content_type": "text", "parts": [words]}
    return {"author": {"role": role}, "content": content, **more}


def chatgpt_chain(length: int) -> dict[str, object]:
    nodes = {
        f"n{place}": {"parent": f"n{place - 1}", "message": chatgpt_message(f"word {place}")} for place in range(length)
    }
    return {"id": "long", "title": "Long", "mapping": nodes, "current_node": f"n{length - 1}"}


def zipped(path: Path, members: dict[str, str]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in members.items():
            archive.writestr(name, text)
    return path
