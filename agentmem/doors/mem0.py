"""
mem0's Memory on one SQLite file: `from agentmem.doors.mem0 import Memory` in the place of `from mem0 import Memory`.

Signatures and results are those of mem0ai 2.2; mem0 need not be installed.  No LLM, embedder or vector store of a
configuration is asked.  `infer=True` keeps each message as it was said, and the facts in it are read by agentmem's own
extraction (`memory.agentmem.facts()`); `infer=False` keeps them too, each as a note.
An id stays that of the first version, as in mem0; what is deleted is erased, from `history` too.
"""

import asyncio
import functools
import hashlib
import secrets
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, Dict, Optional

import agentmem
from agentmem import Hit, NotFoundError, Record

from . import place

__all__ = ["AsyncMemory", "Memory"]
SCOPE = {"user_id": "user", "agent_id": "agent", "run_id": "session"}  # mem0's name → ours
PROMOTED = ("actor_id", "role", "attributed_to", "expiration_date")  # of metadata, shown beside the text
FILE = "agentmem.db"
SPREAD = 6  # the root of a chance that spreads as mem0's scores do
MOST = 1_000  # hits that one search can ask for


class _Unset:
    """Not given.  It equals mem0's own, which is a bare object, so that the signatures are equal."""

    def __eq__(self, other: object) -> bool:
        return type(other) in (object, _Unset)

    def __hash__(self) -> int:
        return 0


_UNSET: Any = _Unset()


class Memory:
    """
    mem0's verbs.

    Args:
        config: a path of a file; an `agentmem.Memory`; or mem0's configuration, of which the path of the vector store
            counts: agentmem.db is in that folder.  Without one, it is the file of the command line.
    """

    def __init__(self, config: Any = None):
        self.config = config
        self.agentmem = config if isinstance(config, agentmem.Memory) else agentmem.Memory(_file(config))

    @classmethod
    def from_config(cls, config_dict: Dict[str, Any]):
        """Return a Memory in the folder that mem0's configuration names for the vector store."""
        return cls(config_dict)

    def add(
        self,
        messages,
        *,
        user_id: Optional[str] = None,
        agent_id: Optional[str] = None,
        run_id: Optional[str] = None,
        metadata: Optional[Dict[str, Any]] = None,
        timestamp: Optional[Any] = None,
        expiration_date: Optional[Any] = None,
        infer: bool = True,
        memory_type: Optional[str] = None,
        prompt: Optional[str] = None,
    ):
        """
        Keep messages; the results are what was added, so with infer=True what is here already is not among them.

        *timestamp* is when it was said.  *prompt* is for an LLM, and is not used.
        """
        names = {"user_id": user_id, "agent_id": agent_id, "run_id": run_id}
        whose: dict[str, Any] = {SCOPE[key]: _name(value, key) for key, value in names.items() if value is not None}
        if not whose:
            raise ValueError("At least one of 'user_id', 'agent_id', or 'run_id' must be provided.")
        if memory_type is not None:
            raise ValueError("memory_type is not supported: a procedural memory is written by an LLM")
        about = {key: value for key, value in (metadata or {}).items() if key not in (*SCOPE, "actor_id")}
        at = about.pop("created_at", None) if timestamp is None else _instant(timestamp)
        if expiration_date is not None:
            about["expiration_date"] = _day(expiration_date)
        turns = [turn for turn in _messages(messages) if turn["role"] != "system"]
        return {"results": self._told(turns, whose, about, at) if infer else self._noted(turns, whose, about, at)}

    def search(
        self,
        query: str,
        *,
        top_k: int = 20,
        filters: Optional[Dict[str, Any]] = None,
        threshold: float = 0.1,
        rerank: bool = False,
        explain: bool = False,
        reference_date: Optional[Any] = None,
        show_expired: bool = False,
        **kwargs,
    ):
        """
        Find memories: what *filters* names of user_id, agent_id and run_id, and fits the rest over metadata.

        A score is the sixth root of the chance that the memory is what was sought: it spreads as cosines do, .1 to .3
        for what is unrelated, so that a *threshold* keeps about its meaning.  *rerank* changes nothing: the best are
        always ranked again.
        """
        if reference_date is not None:
            raise ValueError("reference_date is not supported; say the date in the query")
        _check(kwargs, "search", top_k=top_k, threshold=threshold)
        if not isinstance(query, str) or not query.strip():
            raise ValueError("Invalid query: must be a non-empty string.")
        whose, where = _split(filters, show_expired)
        least = 0.1 if threshold is None else threshold
        hits: list[Hit] = []
        for scope in self._scopes(whose) if top_k else ():
            hits += self.agentmem.recall(
                query.strip(), k=min(top_k, MOST), where=where, min_score=least**SPREAD, explain=explain, **scope
            )
        hits = list({hit.id: hit for hit in hits}.values())  # what one user shares with another is found twice
        best = sorted(hits, key=lambda hit: -hit.score)[:top_k]
        return {"results": [self._shown(hit.record, score=hit.score ** (1 / SPREAD), why=hit.why) for hit in best]}

    def get_all(
        self, *, filters: Optional[Dict[str, Any]] = None, top_k: int = 20, show_expired: bool = False, **kwargs
    ):
        """Return the newest memories of what *filters* names."""
        _check(kwargs, "get_all", top_k=top_k)
        whose, where = _split(filters, show_expired)
        scopes = self._scopes(whose)
        found = [
            record for scope in scopes for record in self.agentmem.list(where=where, shared=False, limit=top_k, **scope)
        ]
        found.sort(key=lambda record: record.occurred_at or record.recorded_at, reverse=True)
        return {"results": [_without(self._shown(record), "score") for record in found[:top_k]]}

    def get(self, memory_id):
        """Return a memory, or None."""
        found = self._versions(memory_id)
        return self._shown(found[-1], found) if found else None

    def update(
        self,
        memory_id,
        text: Optional[str] = None,
        metadata: Optional[Dict[str, Any]] = None,
        expiration_date: Any = _UNSET,
        data: Optional[str] = None,
    ):
        """Put another text in a memory's place, or other fields into its metadata; the former stays in `history`."""
        words = data if text is None else text
        if words is None and metadata is None and expiration_date is _UNSET:
            raise ValueError("At least one of text, metadata, or expiration_date must be provided.")
        found = self._versions(memory_id)
        if not found:
            raise ValueError(f"Memory with id {memory_id} not found. Please provide a valid 'memory_id'")
        about = {**found[-1].metadata, **{k: v for k, v in (metadata or {}).items() if k not in (*SCOPE, "actor_id")}}
        if expiration_date is not _UNSET:
            about["expiration_date"] = None if expiration_date is None else _day(expiration_date)
        newest = found[-1]
        self.agentmem.revise(newest.id, newest.text if words is None else words, metadata=about, user=newest.user)
        return {"message": "Memory updated successfully!"}

    def delete(self, memory_id):
        """Erase a memory with all of its versions."""
        found = self._versions(memory_id)
        if not found:
            raise ValueError(f"Memory with id {memory_id} not found")
        self.agentmem.forget(found[-1].id, user=found[-1].user)
        return {"message": "Memory deleted successfully!"}

    def delete_all(self, user_id: Optional[str] = None, agent_id: Optional[str] = None, run_id: Optional[str] = None):
        """Erase everything of a user, an agent or a run."""
        names = {"user_id": user_id, "agent_id": agent_id, "run_id": run_id}
        whose: dict[str, Any] = {SCOPE[key]: _name(value, key) for key, value in names.items() if value is not None}
        if not whose:
            raise ValueError("At least one filter is required to delete all memories; `reset()` deletes everything.")
        for scope in self._scopes(whose):
            self.agentmem.forget(**scope)
        return {"message": "Memories deleted successfully!"}

    def history(self, memory_id):
        """Return what a memory said, and when that changed, oldest first."""
        found = self._versions(memory_id)
        created = _when(found[0]) if found else None
        before: list[Optional[str]] = [None, *(record.text for record in found)]
        return [
            {
                "id": record.id,
                "memory_id": found[0].id,
                "old_memory": old,
                "new_memory": record.text,
                "event": "ADD" if old is None else "UPDATE",
                "created_at": created,
                "updated_at": _when(record),
                "is_deleted": False,
                "actor_id": record.speaker,
                "role": record.role,
            }
            for old, record in zip(before, found, strict=False)
        ]

    def reset(self):
        """Erase everything of everybody in the file."""
        for user in self.agentmem.users():
            self.agentmem.forget(user=user)

    def close(self):
        """Close the file."""
        self.agentmem.close()

    def chat(self, query):
        """Is not implemented, as in mem0."""
        raise NotImplementedError("Chat function not implemented yet.")

    def __enter__(self):
        return self

    def __exit__(self, exc_type, exc_val, exc_tb):
        self.close()
        return False

    # -- parts of the recipes -----------------------------------------------------------------------------------

    def _told(self, turns: list[dict[str, Any]], whose: dict[str, Any], about: dict[str, Any], at: Any):
        start = datetime.now(UTC) - timedelta(milliseconds=1)  # a record's time is cut to milliseconds
        told = [turn if at is None else {**turn, "at": at} for turn in turns]
        kept = self.agentmem.observe(told, metadata=about, source="mem0", **whose)
        new = {record.id: record for record in kept if record.recorded_at >= start}
        return [{"id": record.id, "memory": record.text, "event": "ADD"} for record in new.values()]

    def _noted(self, turns: list[dict[str, Any]], whose: dict[str, Any], about: dict[str, Any], at: Any):
        notes = [
            {
                "text": turn["content"], "speaker": turn.get("name"), "role": turn["role"], "at": at,
                "source": f"mem0:{secrets.token_hex(8)}",  # said again it is another memory, as in mem0
                "metadata": {**about, "role": turn["role"], **({"actor_id": turn["name"]} if "name" in turn else {})},
            }
            for turn in turns
        ]  # fmt: skip
        kept = self.agentmem.remember_many(notes, **whose)
        return [
            {"id": record.id, "memory": record.text, "event": "ADD", "actor_id": record.speaker, "role": record.role}
            for record in kept
        ]

    def _scopes(self, whose: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Return the scopes to ask: of the user who is named, or of each who has to do with the agent or run."""
        if "user" in whose:
            return [dict(whose)]
        return [{"user": user, **whose} for user in self.agentmem.users(**whose)]

    def _versions(self, memory_id: Any) -> list[Record]:
        """Return the versions of a memory, oldest first, by the id of any; none where there is none such."""
        try:
            return [
                record
                for user in self.agentmem.users(id=str(memory_id))
                for record in self.agentmem.history(str(memory_id), user=user)
            ]
        except NotFoundError:
            return []

    def _shown(self, record: Record, versions: Optional[list[Record]] = None, *, score=None, why=None):
        first = record
        if record.supersedes:
            first = (versions or self.agentmem.history(record.id, user=record.user))[0]
        rest = {key: value for key, value in record.metadata.items() if key not in (*PROMOTED, "claims")}
        names = {"user_id": record.user, "agent_id": record.agent, "run_id": record.session}
        return {
            "id": first.id,
            "memory": record.text,
            "hash": hashlib.md5(record.text.encode()).hexdigest(),
            "metadata": rest or None,
            "score": score,
            "created_at": _when(first),
            "updated_at": _when(record),
            **{key: value for key, value in names.items() if value},
            **{key: record.metadata[key] for key in PROMOTED if record.metadata.get(key) is not None},
            **({} if why is None else {"score_details": dict(why)}),
        }


def _awaited(verb: Callable[..., Any]) -> Any:
    @functools.wraps(verb)
    async def method(self, *args, **kwargs):
        return await asyncio.to_thread(verb, self._memory, *args, **kwargs)

    return method


class AsyncMemory:
    """mem0's AsyncMemory: the verbs of `Memory`, awaited."""

    def __init__(self, config: Any = None):
        self._memory = Memory(config)
        self.config, self.agentmem = config, self._memory.agentmem

    @classmethod
    def from_config(cls, config_dict: Dict[str, Any]):
        """Return an AsyncMemory in the folder that mem0's configuration names for the vector store."""
        return cls(config_dict)

    add = _awaited(Memory.add)
    search = _awaited(Memory.search)
    get = _awaited(Memory.get)
    get_all = _awaited(Memory.get_all)
    update = _awaited(Memory.update)
    delete = _awaited(Memory.delete)
    delete_all = _awaited(Memory.delete_all)
    history = _awaited(Memory.history)
    reset = _awaited(Memory.reset)
    chat = _awaited(Memory.chat)

    def close(self):
        """Close the file."""
        self._memory.close()

    async def __aenter__(self):
        return self

    async def __aexit__(self, exc_type, exc_val, exc_tb):
        self.close()


# -- what is handed in ----------------------------------------------------------------------------------------------


def _file(config: Any) -> str:
    """Return the file that a configuration means."""
    if isinstance(config, str | Path):
        return str(config)
    if hasattr(config, "model_dump"):
        config = config.model_dump()
    store = config.get("vector_store") if isinstance(config, Mapping) else None
    given = store.get("config") if isinstance(store, Mapping) else None
    folder = given.get("path") if isinstance(given, Mapping) else None
    if folder is None:
        return place.made(place.default_db())
    Path(folder).mkdir(parents=True, exist_ok=True)
    return str(Path(folder) / FILE)


def _messages(given: Any) -> Iterator[dict[str, Any]]:
    """Yield the messages with words, each with role, content and name where it has one."""
    if isinstance(given, str):
        given = [{"role": "user", "content": given}]
    elif isinstance(given, dict):
        given = [given]
    elif not isinstance(given, list):
        raise ValueError("messages must be str, dict, or list[dict]")
    for message in given:
        if isinstance(message, dict) and message.get("role") is not None and message.get("content") is not None:
            content = message["content"]
            if not isinstance(content, str):
                parts = content if isinstance(content, list) else [content]
                content = "\n".join(str(part["text"]) for part in parts if isinstance(part, dict) and "text" in part)
            if content.strip():
                name = {"name": message["name"]} if message.get("name") else {}
                yield {"role": message["role"], "content": content, **name}


def _split(filters: Optional[Mapping[str, Any]], show_expired: bool) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return whose memories are meant, and the filter over metadata."""
    given = dict(filters or {})
    whose = {SCOPE[key]: _name(given.pop(key), key) for key in SCOPE if key in given}
    if not whose:
        raise ValueError(
            "filters must contain at least one of: user_id, agent_id, run_id. Example: filters={'user_id': 'u1'}"
        )
    where = _plain(given)
    if not show_expired:
        today = {"gte": datetime.now(UTC).date().isoformat()}
        where = {"AND": [where, {"OR": [{"expiration_date": None}, {"expiration_date": today}]}]}
    return whose, where


def _plain(filters: Mapping[str, Any]) -> dict[str, Any]:
    """Return a filter in `recall`'s form: "*" is any value."""
    found: dict[str, Any] = {}
    for key, value in filters.items():
        if key in SCOPE:
            raise ValueError(f"{key} stands at the top of filters, not within AND, OR and NOT")
        if key in ("AND", "OR", "NOT"):
            found[key] = [_plain(part) for part in ([value] if isinstance(value, Mapping) else value)]
        else:
            found[key] = {"ne": None} if value == "*" else value
    return found


def _check(others: Mapping[str, Any], verb: str, *, top_k: Any, threshold: Any = None) -> None:
    if wrong := sorted(SCOPE.keys() & others):
        raise ValueError(
            f"Top-level entity parameters {set(wrong)} are not supported in {verb}(). "
            "Use filters={'user_id': '...'} instead."
        )
    if isinstance(top_k, bool) or not isinstance(top_k, int) or top_k < 0:
        raise ValueError(f"Invalid top_k: {top_k}. Must be a non-negative integer.")
    if threshold is not None and (not isinstance(threshold, int | float) or not 0 <= threshold <= 1):
        raise ValueError(f"Invalid threshold: {threshold}. Must be between 0 and 1 (inclusive).")


def _name(value: Any, key: str) -> str:
    name = str(value).strip()
    if not name or any(letter.isspace() for letter in name):
        raise ValueError(f"Invalid {key}: it is neither empty nor does it contain whitespace.")
    return name


def _day(value: Any) -> str:
    if isinstance(value, datetime):
        value = value.date()
    try:
        return (value if isinstance(value, date) else date.fromisoformat(value)).isoformat()
    except (TypeError, ValueError):
        raise ValueError("expiration_date must be a valid date in YYYY-MM-DD format.") from None


def _instant(timestamp: Any) -> Any:
    """Return a timestamp, of which mem0 gives numbers in seconds, as `remember` takes it."""
    return int(timestamp * 1000) if isinstance(timestamp, int | float) else timestamp


def _when(record: Record) -> str:
    return (record.occurred_at or record.recorded_at).isoformat()


def _without(shown: dict[str, Any], key: str) -> dict[str, Any]:
    return {name: value for name, value in shown.items() if name != key}
