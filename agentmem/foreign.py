"""
Read what other memories keep: mem0's store, Letta's agent files, LangGraph's SqliteStore, MCP's memory.jsonl.

Each reader yields what is kept, one at a time, with its versions and whose it is.  The other program need not be
installed, and nothing of its files is run: what is pickled in them is read without its classes.
"""

from __future__ import annotations

import datetime
import io
import json
import pickle
import sqlite3
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .errors import ImportFormatError
from .exports import when

Fields = dict[str, Any]  # what `draft.draft` takes of a record
_DAMAGE = (sqlite3.Error, pickle.UnpicklingError, EOFError)


@dataclass(frozen=True, slots=True)
class Kept:
    """One memory of another store."""

    versions: list[Fields]  # oldest first; the last one holds
    whose: Mapping[str, str] = field(default_factory=dict)  # "user", "agent" and "session", where the store says


def read(path: Path, format: str, skipped: Counter[str]) -> Iterator[Kept]:
    """
    Yield what is kept at *path*, in the order of the store; *skipped* counts by reason what is not.

    Args:
        format:
            mem0: the folder of its Qdrant store, with history.db in it or beside it where there is one.
            letta: an agent file.  langgraph: a file of SqliteStore.  mcp-memory: the reference server's memory.jsonl.

    Raises:
        ImportFormatError: there is nothing of that format; the message says what was looked for.
    """
    if not path.exists():
        raise ImportFormatError(f"{path}: no such file. Check the path")
    readers = {"mem0": _mem0, "letta": _letta, "langgraph": _langgraph, "mcp-memory": _graph}
    try:
        yield from readers[format](path, skipped)
    except (*_DAMAGE, OSError, ValueError, TypeError, AttributeError, LookupError, RecursionError) as error:
        raise ImportFormatError(f"{path}: cannot be read as {format} ({error})") from error


def _rows(path: Path, sql: str) -> list[tuple[Any, ...]]:
    """Return the rows of a foreign SQLite file, which is only read."""
    if not path.is_file():
        raise ImportFormatError(f"{path}: no such file. Check the path, or what --from says")
    with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as connection:
        return connection.execute(sql).fetchall()


def _at(value: object, skipped: Counter[str]) -> Fields:
    found = when(value, skipped)
    return {"at": found} if found else {"unknown_time": True}


# --- mem0: points in Qdrant's local files, and a history of their texts ---

_OURS = frozenset({"data", "hash", "created_at", "updated_at", "text_lemmatized", "user_id", "agent_id", "run_id"})
_NAMES = {"user_id": "user", "agent_id": "agent", "run_id": "session"}


def _mem0(path: Path, skipped: Counter[str]) -> Iterator[Kept]:
    folder = path if path.is_dir() else path.parent
    found = sorted([*folder.glob("collection/*/storage.sqlite"), *folder.glob("storage.sqlite")])
    # Beside a store there is one of the entities that its memories name, and one of mem0's own telemetry.
    own = [
        file for file in found if file.parent.name != "mem0migrations" and not file.parent.name.endswith("_entities")
    ]
    if not own:
        raise ImportFormatError(f"{path}: holds no collection/NAME/storage.sqlite. Give the folder of mem0's Qdrant")
    places = (folder / "history.db", folder.parent / "history.db", Path.home() / ".mem0" / "history.db")
    history = next((place for place in places if place.is_file()), None)
    texts = _mem0_history(history) if history else {}
    for file in own:
        for (blob,) in _rows(file, "select point from points order by rowid"):
            point = _Plain(io.BytesIO(blob)).load()
            payload = getattr(point, "payload", None)
            if not isinstance(payload, dict) or not str(payload.get("data") or "").strip():
                skipped["no text"] += 1
                continue
            yield _mem0_kept(str(getattr(point, "id", "")), payload, texts, skipped)


def _mem0_kept(id: str, payload: Fields, texts: Mapping[str, list[tuple[str, str]]], skipped: Counter[str]) -> Kept:
    """Return a memory with the texts that it had before; its metadata belongs to each, as mem0 keeps only the last."""
    role = payload.get("role")
    common = {
        "kind": "note",
        "role": role if role in ("user", "assistant", "system", "tool") else "user",
        "speaker": payload.get("actor_id"),
        "source": f"mem0:{id}",
        "metadata": {key: value for key, value in _json(payload).items() if key not in _OURS and value is not None},
    }
    created, now = payload.get("created_at"), str(payload["data"])
    before = texts.get(id, [])
    if not before or before[-1][0] != now:  # the history is of another store, or was cut off
        before = [(now, str(payload.get("updated_at") or created))]
    versions = [
        {**common, "text": text, **_at(created if n == 0 else at, skipped)} for n, (text, at) in enumerate(before)
    ]
    return Kept(versions, {_NAMES[key]: str(payload[key]) for key in _NAMES if payload.get(key)})


def _mem0_history(path: Path) -> dict[str, list[tuple[str, str]]]:
    """Return the texts that each memory had, with when each came; a text that is changed to itself is one."""
    found: dict[str, list[tuple[str, str]]] = {}
    sql = """select memory_id, new_memory, updated_at from history
             where event in ('ADD', 'UPDATE') and new_memory is not null order by created_at, updated_at, rowid"""
    for id, text, at in _rows(path, sql):
        known = found.setdefault(id, [])
        if not known or known[-1][0] != text:
            known.append((text, at))
    return found


class _Inert:
    """Stands in for every class that a pickle names: it holds what was pickled, and does nothing."""

    def __setstate__(self, state: Any) -> None:
        held = state.get("__dict__") if isinstance(state, dict) else None
        self.__dict__.update(held if isinstance(held, dict) else {})


class _Plain(pickle.Unpickler):
    """Reads plain values out of a pickle, and none of the code that a pickle can call."""

    def find_class(self, module: str, name: str) -> type:
        if module == "datetime" and name in ("date", "datetime", "timedelta", "timezone"):
            return getattr(datetime, name)  # type: ignore[no-any-return]
        if not module.startswith("qdrant_client."):
            raise pickle.UnpicklingError(f"it names {module}.{name}, which no store of mem0 does")
        return _Inert


def _json(value: Fields) -> Fields:
    """Return *value* in plain JSON: dates as text."""
    return json.loads(json.dumps(value, default=str))  # type: ignore[no-any-return]


# --- Letta: an agent file, of its first form (one agent) or its second (agents, and blocks that they share) ---


def _letta(path: Path, skipped: Counter[str]) -> Iterator[Kept]:
    data = json.loads(path.read_text("utf-8"))
    if not isinstance(data, dict) or not ("agents" in data or "core_memory" in data):
        raise ImportFormatError(f"{path}: is no agent file: it has neither agents nor core_memory")
    agents = data.get("agents", [data])
    blocks = {str(block.get("id")): block for block in _objects(data.get("blocks"))}
    for agent in _objects(agents):
        name = str(agent.get("name") or path.stem)
        own = _objects(agent.get("core_memory")) or [
            blocks[id] for id in map(str, agent.get("block_ids") or []) if id in blocks
        ]
        for block in own:
            if kept := _block(block, name, skipped):
                yield kept
        for message in _objects(agent.get("messages")):
            if kept := _letta_message(message, name, skipped):
                yield kept


def _block(block: Fields, agent: str, skipped: Counter[str]) -> Kept | None:
    text = str(block.get("value") or "").strip()
    if not text:
        skipped["empty block"] += 1
        return None
    label = str(block.get("label") or "block")
    about = {"label": label, "description": block.get("description"), "limit": block.get("limit")}
    # An agent wrote it, so it is no evidence: facts are read of what the user says in the messages.
    return Kept(
        [{
            "text": text, "kind": "block", "role": "assistant", "source": f"letta:{agent}/{label}",
            "metadata": {key: value for key, value in about.items() if value is not None},
            **_at(block.get("updated_at"), skipped),
        }],
        {"agent": agent},
    )  # fmt: skip


def _letta_message(message: Fields, agent: str, skipped: Counter[str]) -> Kept | None:
    role = str(message.get("role"))
    text = _said(message) if role in ("user", "assistant") else ""
    if not text:
        skipped["system message" if role == "system" else "tool result" if role == "tool" else "no words"] += 1
        return None
    fields: Fields = {
        "text": text, "kind": "turn", "role": role, "speaker": message.get("name"),
        "key": str(message["id"]) if message.get("id") else None, "source": f"letta:{agent}",
        **_at(message.get("created_at"), skipped),
    }  # fmt: skip
    return Kept([fields], {"agent": agent, "session": f"letta:{agent}"})


def _said(message: Fields) -> str:
    """Return the words of a message: its text, what is wrapped in JSON with a time, and what send_message is given."""
    content = message.get("content", message.get("text"))
    parts = content if isinstance(content, list) else [{"type": "text", "text": content}]
    words = [str(part.get("text") or "") for part in _objects(parts) if part.get("type", "text") == "text"]
    if message["role"] == "user":
        words = [_unwrapped(each) for each in words]
    for call in _objects(message.get("tool_calls")):
        function = call.get("function")
        if isinstance(function, dict) and function.get("name") == "send_message":
            given = _object(function.get("arguments"))
            words = [str(given.get("message") or "")]  # what stands beside it are its thoughts
    return "\n".join(each.strip() for each in words if each.strip())


def _unwrapped(text: str) -> str:
    held = _object(text)
    if held.get("type") in ("user_message", "system_alert", "heartbeat", "login"):
        return str(held.get("message") or "") if held["type"] == "user_message" else ""
    return text


def _object(text: object) -> Fields:
    try:
        found = json.loads(text) if isinstance(text, str | bytes) else text
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _objects(value: object) -> list[Fields]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


# --- LangGraph: the table of SqliteStore, whose namespaces are joined by dots ---


def _langgraph(path: Path, skipped: Counter[str]) -> Iterator[Kept]:
    """Yield items in the form in which our own LangGraph store keeps them, so that it has them too."""
    sql = "select prefix, key, value, created_at, updated_at from store order by created_at, rowid"
    for prefix, key, value, created, updated in _rows(path, sql):
        held = _object(value)
        text = _in_words(held)
        if not text:
            skipped["no words"] += 1
            continue
        about = {"namespace": f"{prefix}.", "key": key, "searched": True, "created": when(created, skipped)}
        yield Kept(
            [{
                "text": text, "kind": "langgraph", "role": "assistant", "source": f"langgraph:{prefix}/{key}",
                "metadata": {**held, **{f"langgraph.{name}": each for name, each in about.items() if each}},
                **_at(updated, skipped),
            }]
        )  # fmt: skip


def _in_words(value: Fields) -> str:
    """Return what an item says: "name: metoprolol; dose: 50 mg", or the value of a lone field."""
    said = {
        name: each if isinstance(each, str) else json.dumps(each, ensure_ascii=False) for name, each in value.items()
    }
    return next(iter(said.values())) if len(said) == 1 else "; ".join(f"{name}: {each}" for name, each in said.items())


# --- MCP: the reference server's graph, an entity or a relation a line ---


def _graph(path: Path, skipped: Counter[str]) -> Iterator[Kept]:
    for number, line in enumerate(path.read_text("utf-8").splitlines(), 1):
        if not line.strip():
            continue
        held = _object(line)
        if held.get("type") == "entity":
            yield from _observed(held, skipped)
        elif held.get("type") == "relation":
            yield _related(*(str(held.get(name) or "") for name in ("from", "relationType", "to")))
        else:
            raise ImportFormatError(
                f"{path}: line {number} is neither an entity nor a relation; those before were read"
            )


def _observed(entity: Fields, skipped: Counter[str]) -> Iterator[Kept]:
    name = str(entity.get("name") or "")
    observations = [each for each in entity.get("observations") or [] if isinstance(each, str) and each.strip()]
    if not observations:
        skipped["entity without observations"] += 1
    for text in observations:
        # A model wrote it down, so it is no evidence for facts; it is found by its words and the name.
        yield Kept(
            [{
                "text": text if name.casefold() in text.casefold() else f"{name}: {text}", "kind": "observation",
                "role": "assistant", "source": f"mcp-memory:{name}", "unknown_time": True, "key": text[:1000],
                "metadata": {"entity": name, "type": str(entity.get("entityType") or "")},
            }]
        )  # fmt: skip


def _related(subject: str, relation: str, object: str) -> Kept:
    """Return a relation as a sentence that bears out the claim that it makes, which `facts` then has."""
    predicate = " ".join(relation.replace("_", " ").replace("-", " ").lower().split())
    return Kept(
        [{
            "text": f"{subject} {predicate} {object}", "kind": "relation", "unknown_time": True,
            "source": "mcp-memory", "key": f"{subject}\n{relation}\n{object}"[:1000],
            "metadata": {"claims": [[subject, predicate, object, "holds"]]},
        }]
    )  # fmt: skip
