"""
A session of the OpenAI Agents SDK in a memory: what is said in it is recalled with everything else.

    from agentmem.doors.openai_agents import AgentmemSession
    session = AgentmemSession("monday", "me.db")
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, cast
from uuid import uuid4

from agentmem import Memory, NotFoundError, Record

from .extra import missing

try:
    from agents import SessionSettings, TResponseInputItem
except ImportError as error:
    raise missing("the OpenAI Agents SDK", "openai") from error

from .items import MAX_TEXT, opened

FIELD = "openai.item"  # of metadata: the item as it was given
ITS_ITEMS = {FIELD: {"ne": None}}
EVERY = 1 << 62


class AgentmemSession:
    """
    The conversation *session_id*, as the SDK's `Session` protocol has it; arguments are those of SQLiteSession.

    Each item is a turn of the memory's session of that name: facts are read of what the user says, and `recall` and
    `context` find it from any other session of the same user.  `pop_item` and `clear_session` erase for good.

    Args:
        memory: a Memory, whose user the conversation is with, or the path of its file.
        session_settings: SessionSettings, or a mapping of them.
    """

    def __init__(
        self,
        session_id: str,
        memory: Memory | str | os.PathLike[str] = ":memory:",
        *,
        session_settings: SessionSettings | dict[str, Any] | None = None,
    ) -> None:
        self.session_id = session_id
        self.session_settings: SessionSettings | None = SessionSettings().resolve(session_settings)
        self._memory, self._ours = opened(memory)

    async def get_items(self, limit: int | None = None) -> list[TResponseInputItem]:
        """Return the latest *limit* items, by default those of the settings or all, the oldest first."""
        if limit is None and self.session_settings is not None:
            limit = self.session_settings.limit
        records = await asyncio.to_thread(self._newest, EVERY if limit is None or limit < 0 else limit)
        return [_item(record) for record in reversed(records)]

    async def add_items(self, items: list[TResponseInputItem]) -> None:
        """Add items behind those that are there."""
        if items:
            await asyncio.to_thread(self._add, items)

    async def pop_item(self) -> TResponseInputItem | None:
        """Take the latest item out, and return it; None where there is none."""
        return await asyncio.to_thread(self._pop)

    async def clear_session(self) -> None:
        """Erase all items, and nothing else that the memory has of this session."""
        await asyncio.to_thread(self._memory.forget, where=ITS_ITEMS, session=self.session_id)

    def close(self) -> None:
        """Close the memory if it was given as a path."""
        if self._ours:
            self._memory.close()

    def _newest(self, limit: int) -> list[Record]:
        return self._memory.list(session=self.session_id, where=ITS_ITEMS, limit=limit)

    def _add(self, items: Sequence[TResponseInputItem]) -> None:
        last, now = self._newest(1), datetime.now(UTC)
        # Items stand in the order of their times: a clock that was set back must not put an answer before its question.
        at = max([now, *(record.occurred_at for record in last if record.occurred_at)])
        messages = [_message(cast(Mapping[str, Any], item), at) for item in items]
        self._memory.observe(messages, session=self.session_id)

    def _pop(self) -> TResponseInputItem | None:
        while records := self._newest(1):
            try:
                self._memory.forget(records[0].id, session=self.session_id)
            except NotFoundError:
                continue  # somebody else took it at this moment
            return _item(records[0])
        return None


def _item(record: Record) -> TResponseInputItem:
    return cast(TResponseInputItem, record.metadata[FIELD])


def _message(item: Mapping[str, Any], at: datetime) -> dict[str, object]:
    """Return an item as `observe` takes it; its id tells it from the same words said before."""
    role = item.get("role") or ("tool" if str(item.get("type", "")).endswith("_output") else "assistant")
    text = _text(item).replace("\0", " ").encode("utf-8", "replace").decode()[:MAX_TEXT]
    metadata = {FIELD: dict(item)}
    return {"role": role, "content": text, "at": at, "id": uuid4().hex, "metadata": metadata}


def _text(item: Mapping[str, Any]) -> str:
    """Return what an item says: its words, the call of a tool and what that returned, or at least its type."""
    if "name" in item and "arguments" in item:
        return f"{item['name']}({item['arguments']})"
    said = next((item[name] for name in ("content", "output", "summary") if item.get(name)), "")
    if isinstance(said, list | tuple):
        texts = [part.get("text") if isinstance(part, Mapping) else part for part in said]
        said = "\n".join(text for text in texts if isinstance(text, str))
    text = said if isinstance(said, str) else json.dumps(said, ensure_ascii=False, default=str)
    return text if text.strip() else f"[{item.get('type', 'nothing said')}]"
