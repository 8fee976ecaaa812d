"""
Values of JSON under a namespace and a key, kept as records.  What the doors of key-value hosts share.

An item is a record of a kind of its own.  The fields of its value are the record's metadata, so that `where` filters
by them, and beside them stand the item's own, which begin with the kind's name: "langgraph.key".  Its text is what is
searched.  A value takes the place of the one with its key; what it replaced is erased, many at a time.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any, NamedTuple

from agentmem import Hit, Memory, NotFoundError, Record

Where = Mapping[str, object]
Namespace = tuple[str, ...]  # labels, without dots
Fits = Callable[[Mapping[str, Any]], bool]  # what a filter asks of a value
Vector = Sequence[float]
Scored = list[tuple[Record, float]]  # best first

PAGE, DEEPER = 1_000, 8  # records read first where many are looked through, and how many times as many next: each sorts
MOST, EVERY = 1_000, 1 << 62  # hits that a recall can return; no bound
SLACK = 1.0  # minutes
MAX_TEXT = 200_000  # characters of a record; what is longer is searched as far as that
REPLACED = 256  # versions erased at once: one erasure takes time by the size of the index


class Entry(NamedTuple):
    """An item to put."""

    namespace: Namespace
    key: str
    value: Mapping[str, Any]
    text: str = ""  # what is searched; without any, the item is found by its key and by filters alone
    vectors: Sequence[Vector] = ()  # the host's own, of its texts
    ttl: float | None = None  # minutes


class Asked(NamedTuple):
    """Which items a read is about."""

    below: Namespace = ()  # those of this namespace and of what lies below it
    where: Where | None = None  # as `Memory.recall` takes it, over the fields of a value
    fits: Fits | None = None  # what `where` cannot say, of a whole value


EVERYTHING = Asked()


class Items:
    """The items of one host in a memory, in the scope that the memory has by default."""

    def __init__(self, memory: Memory, kind: str, *, now: Callable[[], datetime] | None = None) -> None:
        self.memory, self.kind = memory, kind
        self._now = now or (lambda: datetime.now(UTC))
        self._replaced = 0  # by this object, and not erased yet
        self._namespace, self._key, self._created, self._ttl, self._searched, self._text = (
            f"{kind}.{name}" for name in ("namespace", "key", "created", "ttl", "searched", "text")
        )
        key = [self._namespace, self._key]
        properties = {name: {"type": "string"} for name in key}
        memory.define(kind, {"properties": properties, "required": key}, key=key)

    # -- one item, and its parts -------------------------------------------------------------------------------

    def get(self, namespace: Namespace, key: str) -> Record | None:
        """Return the item, or None."""
        return self.memory.find(self.kind, {self._namespace: _path(namespace), self._key: key})

    def namespace(self, record: Record) -> Namespace:
        """Return the namespace of an item."""
        return tuple(str(record.metadata[self._namespace]).split(".")[:-1])

    def key(self, record: Record) -> str:
        """Return the key of an item."""
        return str(record.metadata[self._key])

    def value(self, record: Record) -> dict[str, Any]:
        """Return the value of an item."""
        return {name: each for name, each in record.metadata.items() if not name.startswith(f"{self.kind}.")}

    def text(self, record: Record) -> str:
        """Return the text that an item was put with."""
        return str(record.metadata.get(self._text, record.text if record.metadata[self._searched] else ""))

    def created(self, record: Record) -> datetime:
        """Return when the first value was put under the item's key."""
        first = record.metadata.get(self._created)
        if first is None:
            return record.recorded_at
        moment = datetime.fromisoformat(str(first))
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)

    # -- writing -----------------------------------------------------------------------------------------------

    def put(self, entries: Iterable[Entry]) -> None:
        """Keep the entries, each in the place of the one with its key; the last of one key wins."""
        wanted = {(entry.namespace, entry.key): entry for entry in entries}
        if not wanted:
            return
        held = {key: self.get(*key) for key in wanted}
        records = self.memory.remember_many([self._made(entry, held[key]) for key, entry in wanted.items()])
        for record, entry in zip(records, wanted.values(), strict=True):
            # Only now does its time begin, also of a value that is here already.
            until = None if entry.ttl is None else self._in(entry.ttl)
            if record.expires_at != until:
                with suppress(NotFoundError):  # erased at this moment
                    self.memory.expire(record.id, until)
        vectors = {record.id: entry.vectors for record, entry in zip(records, wanted.values(), strict=True)}
        if any(vectors.values()):
            self.memory.attach(vectors)
        new = {record.id for record in records}
        self._replaced += sum(old is not None and old.id not in new for old in held.values())
        if self._replaced >= REPLACED:
            self.erase_replaced()

    def _made(self, entry: Entry, old: Record | None) -> dict[str, Any]:
        for name in entry.value:
            if isinstance(name, str) and name.startswith(f"{self.kind}."):
                raise ValueError(f"a field may not begin with {self.kind + '.'!r}, as {name!r:.80} does")
        whole = _storable(entry.text)
        text = whole[:MAX_TEXT]
        metadata = {
            **entry.value,
            self._namespace: _path(entry.namespace),
            self._key: entry.key,
            self._searched: bool(text),
        }
        if entry.ttl is not None:
            metadata[self._ttl] = entry.ttl
        if whole != text:
            metadata[self._text] = whole
        if old is not None:
            same = metadata == {name: each for name, each in old.metadata.items() if name != self._created}
            if not same or self._created in old.metadata:
                metadata[self._created] = self.created(old).isoformat()
        return {
            "kind": self.kind,
            "text": text or _storable(entry.key)[:MAX_TEXT] or "-",
            "metadata": metadata,
            # A little later than it is to be: reading a text may take longer than the shortest time to live.
            "expires_at": None if entry.ttl is None else self._in(entry.ttl + SLACK),
        }

    def delete(self, namespace: Namespace, keys: Sequence[str]) -> None:
        """Erase items for good; those that are not there are passed over."""
        found = [record for key in keys if (record := self.get(namespace, key)) is not None]
        for record in found:
            with suppress(NotFoundError):  # erased, or expired, at this moment
                self.memory.expire(record.id, 0)
        if found:
            self.memory.sweep(kinds=[self.kind])

    def refresh(self, records: Iterable[Record]) -> None:
        """Let those of the items that have a time to live begin it anew."""
        for record in records:
            ttl = record.metadata.get(self._ttl)
            if isinstance(ttl, int | float):
                with suppress(NotFoundError):  # erased, or expired, at this moment
                    self.memory.expire(record.id, self._in(ttl))

    def _in(self, minutes: float) -> datetime:
        return self._now() + timedelta(minutes=minutes)

    def sweep(self) -> int:
        """Erase what has expired, and what was replaced; return how many records had expired."""
        expired = self.memory.sweep(kinds=[self.kind]).count
        self.erase_replaced()
        return expired

    def erase_replaced(self) -> None:
        """Erase the values that others have taken the place of."""
        self._replaced = 0
        self.memory.sweep(kinds=[self.kind], superseded=True)

    def close(self) -> None:
        """Erase what this object has replaced."""
        if self._replaced:
            self.erase_replaced()

    # -- reading -----------------------------------------------------------------------------------------------

    def scan(self, asked: Asked = EVERYTHING, *, searched: bool | None = None) -> Iterator[Record]:
        """Yield the items *asked* for, the newest first; those only that queries find, or do not."""
        where = self._where(asked, {} if searched is None else {self._searched: searched})
        offset, size = 0, PAGE
        while True:
            found = self.memory.list(kinds=[self.kind], where=where, limit=size, offset=offset)
            yield from (record for record in found if asked.fits is None or asked.fits(self.value(record)))
            if len(found) < size:
                return
            offset, size = offset + size, size * DEEPER

    def recall(self, query: str, asked: Asked, *, k: int) -> Scored:
        """Return up to *k* of the items *asked* for that fit *query*, by agentmem's own ranking, best first."""
        most = MOST if asked.fits else min(k, MOST)
        hits = self.memory.recall(query, k=most, kinds=[self.kind], where=self._where(asked, {self._searched: True}))
        return self._chosen(hits, asked, k)

    def nearest(self, vector: Vector, asked: Asked, *, k: int) -> Scored:
        """Return up to *k* of the items *asked* for that have vectors, by the cosine of their nearest, best first."""
        most = EVERY if asked.fits else k
        hits = self.memory.nearest(vector, k=most, kinds=[self.kind], where=self._where(asked, {}))
        return self._chosen(hits, asked, k)

    def _chosen(self, hits: Iterable[Hit], asked: Asked, k: int) -> Scored:
        fitting = (hit for hit in hits if asked.fits is None or asked.fits(self.value(hit.record)))
        return [(hit.record, hit.score) for hit in islice(fitting, k)]

    def _where(self, asked: Asked, where: Where) -> Where:
        """Return what SQL asks of the items *asked* for."""
        parts = [where, asked.where or {}]
        if asked.below:
            # "/" is what comes after ".": users.ana. and users.ana.food. lie between users.ana. and users.ana/
            parts.append({self._namespace: {"gte": _path(asked.below), "lt": f"{'.'.join(asked.below)}/"}})
        return {"AND": parts}


def opened(memory: Memory | str | os.PathLike[str]) -> tuple[Memory, bool]:
    """Return the memory, opened where *memory* is its path, and whether it was opened here."""
    return (memory, False) if isinstance(memory, Memory) else (Memory(memory), True)


def words(value: object) -> str:
    """Return what a value of JSON says, without its signs: "name: metoprolol; dose: 50 mg"."""
    said = list(_said("", value))
    return said[0][1] if len(said) == 1 else "; ".join(f"{name}: {text}" if name else text for name, text in said)


def _said(name: str, value: object) -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping):
        for inner, each in value.items():
            yield from _said(str(inner).replace("_", " "), each)
    elif isinstance(value, list | tuple):
        for each in value:
            yield from _said(name, each)
    elif value is not None and str(value).strip():
        yield name, str(value)


def _path(namespace: Namespace) -> str:
    return "".join(f"{label}." for label in namespace)


def _storable(text: str) -> str:
    """Return *text* as a record can hold it, of any length, or "" where there is nothing to see in it."""
    clean = text.replace("\0", " ").encode("utf-8", "replace").decode()
    return clean if clean.strip() else ""


def page(items: Iterable[Any], offset: int, limit: int) -> list[Any]:
    """Return the *limit* of *items* that follow the first *offset*."""
    return list(islice(items, offset, offset + limit))
