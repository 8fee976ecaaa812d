"""
LangGraph's long-term store in a memory: `AgentmemStore` is a `BaseStore` for sync and async code.

    from agentmem.doors.langgraph import AgentmemStore
    store = AgentmemStore("me.db")
"""

from __future__ import annotations

import asyncio
import logging
import os
import re
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from datetime import datetime
from itertools import chain
from typing import Any, Self

from agentmem import AgentmemError, Memory, Record

from .extra import missing

try:
    from langgraph.store.base import (
        BaseStore,
        GetOp,
        IndexConfig,
        Item,
        ListNamespacesOp,
        MatchCondition,
        Op,
        PutOp,
        Result,
        SearchItem,
        SearchOp,
        TTLConfig,
        ensure_embeddings,
        get_text_at_path,
        tokenize_path,
        validate_op_namespace,
    )
except ImportError as error:
    raise missing("LangGraph", "langgraph") from error

from .items import Asked, Entry, Fits, Items, Vector, opened, page, words

SIGNS = {"$eq": "eq", "$ne": "ne", "$gt": "gt", "$gte": "gte", "$lt": "lt", "$lte": "lte"}  # theirs → ours
FIELD = re.compile(r"[a-zA-Z0-9_.-]+")
SWEEP_MINUTES = 5.0
logger = logging.getLogger("agentmem")


class AgentmemStore(BaseStore):
    """
    A LangGraph store whose items are records of a memory, found by `Memory.recall` too.

    Args:
        memory: a Memory, whose user is the items' user, or the path of its file.
        index: LangGraph's own configuration.  With `embed`, a query ranks by the cosine of its vectors, as in other
            stores.  Without it, or without `index`, agentmem ranks, by words and meaning, and a score is the chance
            that the item is what was sought; `fields` says what of a value is searched, by default all of it.
        ttl: LangGraph's own configuration.
        now: returns the present instant, for times to live; default is the clock.

    A value that is put replaces the one before, which is erased, up to 256 at a time; `delete` erases at once.
    The same value again changes nothing but its time to live.
    """

    supports_ttl = True

    def __init__(
        self,
        memory: Memory | str | os.PathLike[str],
        *,
        index: IndexConfig | None = None,
        ttl: TTLConfig | None = None,
        now: Callable[[], datetime] | None = None,
    ) -> None:
        self._memory, self._ours = opened(memory)
        self._items = Items(self._memory, "langgraph", now=now)
        self.index_config, self.ttl_config = index, ttl
        config: Mapping[str, Any] = index or {}
        self.embeddings = ensure_embeddings(config["embed"]) if config.get("embed") else None
        # SqliteStore calls them text_fields.
        self._fields: Sequence[str] = config.get("fields") or config.get("text_fields") or ["$"]
        self._stop = threading.Event()
        self._sweeper: threading.Thread | None = None

    @classmethod
    def from_conn_string(
        cls, conn_string: str, *, index: IndexConfig | None = None, ttl: TTLConfig | None = None
    ) -> Self:
        """Open the file *conn_string*; for `with` and `async with`, as of SqliteStore and AsyncSqliteStore."""
        return cls(conn_string, index=index, ttl=ttl)

    def setup(self) -> None:
        """Do nothing: the file is ready.  It is here because other stores ask for it."""

    def close(self) -> None:
        """Stop the sweeper, erase what was replaced, and close the memory if it was given as a path."""
        self._stopped()
        self._items.close()
        if self._ours:
            self._memory.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await asyncio.to_thread(self.close)

    # -- the operations ----------------------------------------------------------------------------------------

    def batch(self, ops: Iterable[Op]) -> list[Result]:
        """Do the operations: first all that read, then all that write, of which the last of one key wins."""
        checked = _checked(ops)
        texts = self._to_embed(checked)
        vectors = self.embeddings.embed_documents(texts) if texts and self.embeddings else []
        return self._done(checked, dict(zip(texts, vectors, strict=True)))

    async def abatch(self, ops: Iterable[Op]) -> list[Result]:
        """Do as `batch` does, while the event loop goes on."""
        checked = _checked(ops)
        texts = self._to_embed(checked)
        vectors = await self.embeddings.aembed_documents(texts) if texts and self.embeddings else []
        return await asyncio.to_thread(self._done, checked, dict(zip(texts, vectors, strict=True)))

    def _to_embed(self, ops: Sequence[Op]) -> list[str]:
        if self.embeddings is None:
            return []
        wanted = chain.from_iterable(
            self._texts(op) if isinstance(op, PutOp) else [op.query] if isinstance(op, SearchOp) and op.query else []
            for op in ops
        )
        return list(dict.fromkeys(wanted))

    def _texts(self, op: PutOp) -> list[str]:
        if op.value is None or op.index is False:
            return []
        fields = self._fields if op.index is None else op.index
        return [text for field in fields for text in get_text_at_path(op.value, _path(field))]

    def _done(self, ops: Sequence[Op], vectors: Mapping[str, Vector]) -> list[Result]:
        results: list[Result] = []
        for op in ops:
            if isinstance(op, GetOp):
                results.append(self._get(op))
            elif isinstance(op, SearchOp):
                results.append(self._search(op, vectors))
            elif isinstance(op, ListNamespacesOp):
                results.append(self._namespaces(op))
            else:
                results.append(None)
        self._put({(op.namespace, op.key): op for op in ops if isinstance(op, PutOp)}.values(), vectors)
        return results

    def _get(self, op: GetOp) -> Item | None:
        record = self._items.get(tuple(op.namespace), op.key)
        if record is None:
            return None
        self._refresh(op.refresh_ttl, [record])
        return Item(**self._parts(record))

    def _search(self, op: SearchOp, vectors: Mapping[str, Vector]) -> list[SearchItem]:
        asked = Asked(tuple(op.namespace_prefix), *_filter(op.filter or {}))
        found: Iterator[tuple[Record, float | None]]
        if not (op.query and op.query.strip()):
            found = ((record, None) for record in self._items.scan(asked))
        else:
            k = max(op.offset + op.limit, 1)
            if self.embeddings is not None:
                ranked = self._items.nearest(vectors[op.query], asked, k=k)
            else:
                ranked = self._items.recall(op.query, asked, k=k)
            # As in LangGraph's own store: what no query can find fills the rest.
            rest = self._items.scan(asked, searched=False)
            found = chain(ranked, ((record, None) for record in rest))
        chosen = page(found, op.offset, op.limit)
        self._refresh(op.refresh_ttl, [record for record, _ in chosen])
        return [SearchItem(**self._parts(record), score=score) for record, score in chosen]

    def _namespaces(self, op: ListNamespacesOp) -> list[tuple[str, ...]]:
        every = {self._items.namespace(record) for record in self._items.scan()}
        kept = [name for name in every if all(_matches(each, name) for each in op.match_conditions or ())]
        return page(sorted({name[: op.max_depth] for name in kept}), op.offset, op.limit)

    def _put(self, ops: Iterable[PutOp], vectors: Mapping[str, Vector]) -> None:
        gone: dict[tuple[str, ...], list[str]] = {}
        entries = []
        for op in ops:
            namespace = tuple(op.namespace)
            if op.value is None:
                gone.setdefault(namespace, []).append(op.key)
                continue
            texts = self._texts(op)
            whole = (self._fields if op.index is None else op.index) == ["$"]
            text = words(op.value) if texts and whole else "\n".join(texts)
            embedded = [vectors[each] for each in texts if each in vectors]
            entries.append(Entry(namespace, op.key, dict(op.value), text, embedded, op.ttl))
        for namespace, keys in gone.items():
            self._items.delete(namespace, keys)
        self._items.put(entries)

    def _parts(self, record: Record) -> dict[str, Any]:
        return {
            "namespace": self._items.namespace(record),
            "key": self._items.key(record),
            "value": self._items.value(record),
            "created_at": self._items.created(record),
            "updated_at": record.recorded_at,
        }

    # -- time to live ------------------------------------------------------------------------------------------

    def _refresh(self, wanted: bool, records: Sequence[Record]) -> None:
        if wanted and self.ttl_config and self.ttl_config.get("refresh_on_read"):
            self._items.refresh(records)

    def sweep_ttl(self) -> int:
        """Erase what has expired, which no read shows any more, and return how many items that were."""
        return self._items.sweep()

    def start_ttl_sweeper(self, sweep_interval_minutes: float | None = None) -> Future[None]:
        """Sweep every so often, on a thread of its own, until `stop_ttl_sweeper` or the future's `cancel`."""
        return self._sweeping(sweep_interval_minutes)

    def stop_ttl_sweeper(self, timeout: float | None = None) -> bool:
        """Stop sweeping; return whether it has ended within *timeout* seconds, by default however long it takes."""
        return self._stopped(timeout)

    def _sweeping(self, minutes: float | None) -> Future[None]:
        done: Future[None] = Future()
        if not self.ttl_config or (self._sweeper and self._sweeper.is_alive()):
            done.set_result(None)
            return done
        every = 60 * (minutes or self.ttl_config.get("sweep_interval_minutes") or SWEEP_MINUTES)

        def sweep() -> None:
            while not self._stop.wait(every):
                try:
                    self._items.sweep()
                except AgentmemError:  # another process keeps the file locked, say: the next turn comes
                    logger.exception("sweeping failed")
            with suppress(InvalidStateError):  # it was cancelled
                done.set_result(None)

        done.add_done_callback(lambda _: self._stop.set())
        self._stop.clear()
        self._sweeper = threading.Thread(target=sweep, name="agentmem-sweeper", daemon=True)
        self._sweeper.start()
        return done

    def _stopped(self, timeout: float | None = None) -> bool:
        self._stop.set()
        if self._sweeper is not None:
            self._sweeper.join(timeout)
        return self._sweeper is None or not self._sweeper.is_alive()


class AsyncAgentmemStore(AgentmemStore):
    """The same store for those who await, as of AsyncSqliteStore: setup, sweep_ttl and the sweeper too."""

    async def setup(self) -> None:  # type: ignore[override]
        """Do nothing: the file is ready."""

    async def sweep_ttl(self) -> int:  # type: ignore[override]
        """Erase what has expired, and return how many items that were."""
        return await asyncio.to_thread(self._items.sweep)

    async def start_ttl_sweeper(  # type: ignore[override]
        self, sweep_interval_minutes: float | None = None
    ) -> asyncio.Future[None]:
        """Sweep every so often, on a thread of its own, until `stop_ttl_sweeper` or the future's `cancel`."""
        return asyncio.wrap_future(self._sweeping(sweep_interval_minutes))

    async def stop_ttl_sweeper(self, timeout: float | None = None) -> bool:  # type: ignore[override]
        """Stop sweeping; return whether it has ended within *timeout* seconds."""
        return await asyncio.to_thread(self._stopped, timeout)


def _checked(ops: Iterable[Op]) -> list[Op]:
    """Return the operations; what is wrong with one is raised before any is done."""
    checked = list(ops)
    for op in checked:
        validate_op_namespace(op)
    return checked


def _path(field: str) -> str | list[str]:
    return "$" if field == "$" else tokenize_path(field)


def _matches(condition: MatchCondition, namespace: tuple[str, ...]) -> bool:
    path = tuple(condition.path)
    if condition.match_type not in ("prefix", "suffix"):
        raise ValueError(f"a namespace is matched by prefix or suffix, not by {condition.match_type!r}")
    part = namespace[: len(path)] if condition.match_type == "prefix" else namespace[-len(path) :] if path else ()
    return len(part) == len(path) and all(wanted in ("*", label) for wanted, label in zip(path, part, strict=True))


# -- filters -----------------------------------------------------------------------------------------------------------


def _filter(wanted: Mapping[str, Any]) -> tuple[dict[str, object], Fits | None]:
    """Return what of a filter SQL can ask, as `where` takes it, and the rest as a function of a value, or None."""
    where: dict[str, object] = {}
    rest = []
    for name, condition in wanted.items():
        if not FIELD.fullmatch(name):
            raise ValueError(f"Invalid filter key: {name!r}; it has letters, digits, and _ . - only")
        signs = _signs(condition)
        if "." not in name and name not in ("AND", "OR", "NOT") and all(map(_plain, signs.values())):
            where[name] = {SIGNS[sign]: value for sign, value in signs.items()}
        else:
            rest.append((name, condition))
    return where, (lambda value: all(_fits(_at(value, name), each) for name, each in rest)) if rest else None


def _signs(condition: object) -> Mapping[str, Any]:
    """Return a condition as signs and what they compare with; equality where it has none."""
    if not (isinstance(condition, Mapping) and any(str(sign).startswith("$") for sign in condition)):
        return {"$eq": condition}
    if unknown := set(condition) - set(SIGNS):
        raise ValueError(f"unknown filter operator {sorted(unknown)[0]!r}; there are: {', '.join(SIGNS)}")
    return condition


def _plain(value: object) -> bool:
    """Return whether SQL compares with *value* as Python does."""
    if isinstance(value, str):
        return "\0" not in value and value.encode("utf-8", "replace").decode() == value
    return isinstance(value, bool) or (isinstance(value, int | float) and abs(value) < 1 << 53)


def _at(value: Mapping[str, Any], name: str) -> Any:
    """Return the field *name* of a value, or None; one with dots may be nested."""
    if name in value:
        return value[name]
    inner: Any = value
    for part in name.split("."):
        inner = inner.get(part) if isinstance(inner, Mapping) else None
    return inner


def _fits(value: Any, condition: object) -> bool:
    signs = _signs(condition)
    return all(_compares(value, sign, other) for sign, other in signs.items())


def _compares(value: Any, sign: str, other: Any) -> bool:
    if sign == "$eq" and isinstance(other, Mapping):
        return isinstance(value, Mapping) and all(_fits(value.get(name), each) for name, each in other.items())
    if sign == "$eq" and isinstance(other, list | tuple):
        return isinstance(value, list) and len(value) == len(other) and all(map(_fits, value, other))
    if sign in ("$eq", "$ne"):
        return bool(value == other) is (sign == "$eq")
    try:
        return bool({"$gt": value > other, "$gte": value >= other, "$lt": value < other, "$lte": value <= other}[sign])
    except TypeError:
        return False  # text with a number, or nothing with something
