"""
Speed: what each stage of a recall takes at several sizes, against the least that it could take; what a process and a
file take; how soon the first recall is there; and how fast records are written.

Texts are made (see `made`).  Up to ENCODED records they are encoded for real; beyond, their vectors are made of their
words'.  Queries are encoded for real at every size.
"""

from __future__ import annotations

import json
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agentmem import Memory, encoder, index, lexical, rank, recall, scope, search
from agentmem import store as memory_store

from .made import WordEncoder, texts
from .sets import read_set, store

QUERIES = 200
ENCODED = 100_000  # records that are encoded for real
SMALL = 100  # records of a user among all others
BARE = 1_000  # texts that the bare encoder is timed by
CHILDREN = 5  # processes that each make a first recall
STAGES = ("encode", "index", "words", "vector", "rank", "fetch", "total", "floor")
COLD = """
import json, sys, time
import agentmem
began = time.perf_counter()
memory = agentmem.Memory(sys.argv[1], index=sys.argv[2])
memory.recall(sys.argv[3])
first = time.perf_counter() - began
for query in json.loads(sys.argv[4]):
    memory.recall(query)
if sys.platform == "linux":  # ru_maxrss would be that of the process that began this one
    peak = int(next(line for line in open("/proc/self/status") if line.startswith("VmHWM")).split()[1]) * 1024
else:
    import resource
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(json.dumps([first * 1e3, peak]))
"""
PARTS = """
import json, sqlite3, sys, time
import agentmem
began = time.perf_counter()
from agentmem import encoder
encoder.shared().encode([sys.argv[2]])
connection = sqlite3.connect(sys.argv[1])
b"".join([row[0] for row in connection.execute("select signs from traits order by id")])
print(json.dumps([(time.perf_counter() - began) * 1e3]))
"""

Vectors = list[NDArray[np.float32]]


class Recording:
    """The encoder given, and the float32 vectors that it made."""

    def __init__(self, encoder: encoder.Encoder) -> None:
        self._encoder = encoder
        self.id = encoder.id
        self.vectors: Vectors = []

    def encode(self, texts: Sequence[str]) -> list[encoder.Encoding]:
        encodings = self._encoder.encode(texts)
        self.vectors += [encoding.vector for encoding in encodings]
        return encodings

    def count_tokens(self, text: str) -> int:
        return self._encoder.count_tokens(text)


def measure(items: int, progress: Callable[[str], None]) -> dict[str, Any]:
    """Store *items* records, ask 200 questions, and return every figure."""
    encoder.shared().encode(["warm"])
    real = items <= ENCODED
    writer = Recording(encoder.shared() if real else WordEncoder())
    queries = [" ".join(text.split()[:8]) for text in texts(QUERIES, seed=2)]
    with tempfile.TemporaryDirectory() as work:
        path = Path(work) / "speed.db"
        progress(f"storing {items:,} records")
        with Memory(path, encoder=writer) as memory:
            memory.remember_many(texts(SMALL, seed=3), user="small")
            writer.vectors.clear()
            stored, rate = _store(memory, items, progress)
            stats = memory.stats()
        size = path.stat().st_size  # without the log, which is gone now
        progress(f"{items:,} records: asking")
        with Memory(path) as memory:
            stages = ask(memory, queries)
            asked = {
                "found of the ten nearest": nearest_found(memory, writer.vectors, queries),
                "of a user with 100 records, p50": median(
                    timed_calls(lambda q: memory.recall(q, user="small"), queries)
                ),
                "after another's write, p50": after_a_write(memory, path, queries),
                "remember one / encode it": remembering(memory),
            }
        progress(f"{items:,} records: first recalls")
        return {
            "items": items,
            "vectors": "encoded" if real else "made of their words'",
            "stages": {name: percentiles(values) for name, values in stages.items()},
            "total / floor": round(median(stages["total"]) / median(stages["floor"]), 2),
            "ranking as a share of encoding": ranking_share(stages),
            **asked,
            **first_recalls(path, queries),
            "records per second": round(rate),
            "bare encoder per second": round(throughput(list(texts(BARE, seed=4)))) if real else None,
            "bytes per record": round(size / stored),
            "bytes per record by table": {name: round(size / stored) for name, size in stats.tables.items()},
            "python": platform.python_version(),
            "machine": platform.machine(),
        }


def _store(memory: Memory, items: int, progress: Callable[[str], None]) -> tuple[int, float]:
    """Store the records and return how many there are, and how many a second were stored."""
    began, source, done = time.perf_counter(), texts(items), 0
    while batch := list(islice(source, 20_000)):  # what it returns need not be kept
        memory.remember_many(batch)
        done += len(batch)
        progress(f"storing {items:,} records: {done:,}")
    return items + SMALL, items / (time.perf_counter() - began)


def measure_writing(folder: Path) -> dict[str, Any]:
    """Store a memory set through `observe`, and encode the same texts with the bare model; both per second."""
    kind, parts = read_set(folder)
    texts = [f"{item['speaker']}: {item['text']}" for part in parts for item in part.items]
    encoder.shared().encode(texts[:8])
    with tempfile.TemporaryDirectory() as work:
        began = time.perf_counter()
        for number, part in enumerate(parts):
            with Memory(Path(work) / f"{number}.db") as memory:
                store(memory, part, kind)
        stored = len(texts) / (time.perf_counter() - began)
    bare = throughput(texts)
    return {"texts": len(texts), "stored/s": round(stored), "bare/s": round(bare), "ratio": round(stored / bare, 3)}


def ask(memory: Memory, queries: Sequence[str]) -> dict[str, list[float]]:
    """
    Return milliseconds per stage for each query.

    "total" is a plain recall, timed by itself; "floor" the bare model for the same query, and one pass over the signs.
    Words are searched while the query is encoded, so that the stages' sum is more than the total.
    """
    for query in queries[:20]:
        memory.recall(query)
    taken: dict[str, list[float]] = {name: [] for name in STAGES}
    for query in queries:
        taken["total"] += timed_calls(memory.recall, [query])
        taken["floor"] += timed_calls(lambda text: floor(memory, text), [query])
    with (
        timed(encoder.MiniLM, "encode") as encode,
        timed(index.InMemory, "view") as view,
        timed(lexical, "search") as words,
        timed(index.Loaded, "near") as near,
        timed(recall, "best") as best,
        timed(memory_store, "fetch") as fetch,
    ):
        watched = (encode, view, words, near, best, fetch)
        for query in queries:
            before = [sum(stage) for stage in watched]
            memory.recall(query)
            spent = [sum(stage) - b for stage, b in zip(watched, before, strict=True)]
            spent[4] -= spent[3]
            for name, value in zip(STAGES, spent, strict=False):
                taken[name].append(value)
    return taken


def floor(memory: Memory, query: str) -> None:
    """Do what no recall by this encoder can do without."""
    model, finder = encoder.shared(), memory._finder
    assert finder is not None and isinstance(finder._index, index.InMemory)
    pooled, *_ = model._session.run(None, {"input_ids": np.array([model._tokenizer.encode(query).ids], np.int64)})
    index._distances(finder._index._roster.signs, encoder.signs(pooled[0]))


def nearest_found(memory: Memory, vectors: Vectors, queries: Sequence[str]) -> float:
    """Return the mean share of the ten records nearest by float32 cosine that the index finds."""
    table, found = np.stack(vectors), []
    finder = memory._finder
    assert finder is not None
    with memory._db.read() as connection:
        first = connection.execute("select max(id) from records").get - len(vectors) + 1
        seen = scope.visible(scope.Scope(), now=0)
        view = finder._index.view(connection, seen)
        for query in queries:
            vector = encoder.shared().encode([query])[0].vector
            true = np.concatenate([table[i : i + 50_000] @ vector for i in range(0, len(table), 50_000)])
            nearest = first + np.argpartition(-true, 10)[:10]
            near = search.encoded(connection, view.near(vector, recall.NEAR_DEPTH), seen)
            cosine = rank.true_cosine(vector, [stored for stored, _ in near.values()])
            ours = np.array(list(near))[np.argsort(-cosine)[:10]]
            found.append(len(np.intersect1d(ours, nearest)) / 10)
    return round(float(np.mean(found)), 4)


def after_a_write(memory: Memory, path: Path, queries: Sequence[str]) -> float:
    """Return how many milliseconds a recall takes more, p50, when another has written since the last one."""
    written, plain = [], []
    with Memory(path) as other:
        for number, query in enumerate(queries[:50]):
            other.remember(f"something new, number {number}")
            written += timed_calls(memory.recall, [query])
            plain += timed_calls(memory.recall, [query])
    return round(median(written) - median(plain), 3)


def remembering(memory: Memory) -> float:
    """Return what remembering one record takes, as a multiple of encoding it, p50."""
    some = list(texts(50, seed=5))
    return round(
        median(timed_calls(memory.remember, some)) / median(timed_calls(lambda t: encoder.shared().encode([t]), some)),
        2,
    )


def first_recalls(path: Path, queries: Sequence[str]) -> dict[str, Any]:
    """Return what open and a first recall take in a new process, after the import, and how much memory it then has."""

    def child(code: str, *arguments: str) -> list[float]:
        run = subprocess.run([sys.executable, "-c", code, str(path), *arguments], capture_output=True, check=True)
        return list(json.loads(run.stdout))

    some = json.dumps(list(queries[:20]))
    loaded = [child(COLD, "memory", queries[0], some) for _ in range(CHILDREN)]
    queried = child(COLD, "sql", queries[0], "[]")
    return {
        "open and first recall, ms": round(median([first for first, _ in loaded])),
        "model, one encoding, codes read, ms": round(median([child(PARTS, queries[0])[0] for _ in range(CHILDREN)])),
        "peak RSS of a process that recalls, MB": round(median([peak for _, peak in loaded]) / 1e6),
        'the same with index="sql", MB': round(queried[1] / 1e6),
    }


def ranking_share(stages: dict[str, list[float]]) -> dict[str, float]:
    """Return what neighbours, late interaction and ranking take, as a share of encoding the query."""
    rank, encode = np.array(stages["rank"]), np.array(stages["encode"])
    return {
        "of medians": round(float(np.median(rank) / np.median(encode)), 3),
        "median": round(float(np.median(rank / encode)), 3),
    }


@contextmanager
def timed(owner: Any, name: str) -> Iterator[list[float]]:
    """Let calls of owner.name add their milliseconds to the list."""
    original, spent = getattr(owner, name), []

    def wrapper(*args: Any, **kwargs: Any) -> Any:
        began = time.perf_counter()
        try:
            return original(*args, **kwargs)
        finally:
            spent.append((time.perf_counter() - began) * 1e3)

    setattr(owner, name, wrapper)
    try:
        yield spent
    finally:
        setattr(owner, name, original)


def timed_calls(call: Callable[[str], Any], arguments: Sequence[str]) -> list[float]:
    taken = []
    for argument in arguments:
        began = time.perf_counter()
        call(argument)
        taken.append((time.perf_counter() - began) * 1e3)
    return taken


def throughput(batch: list[str]) -> float:
    """Return texts per second of the bare model on as many threads as there are cores: no library, no storing."""
    model = encoder.shared()
    model.encode(batch[:8])
    session, tokenizer = model._session, model._tokenizer

    def one(text: str) -> None:
        session.run(None, {"input_ids": np.array([tokenizer.encode(text).ids], np.int64)})

    with ThreadPoolExecutor(model._threads) as pool:
        began = time.perf_counter()
        list(pool.map(one, batch))
        return len(batch) / (time.perf_counter() - began)


def median(values: Sequence[float]) -> float:
    """Return the median."""
    return float(np.median(values))


def percentiles(values: list[float]) -> dict[str, float]:
    """Return p50 and p95, in milliseconds."""
    p50, p95 = np.percentile(values, (50, 95))
    return {"p50": round(float(p50), 3), "p95": round(float(p95), 3)}
