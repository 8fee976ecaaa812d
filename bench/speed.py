"""
Speed: what each stage of a recall takes, what a process and a file take, and how fast records are written.

The texts are made here, from the words of the sample conversation with their own frequencies: deterministic, with a
natural distribution of words, and free of any licence.  The encoder is the real one.
"""

from __future__ import annotations

import json
import platform
import random
import resource
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

import agentmem
from agentmem import Memory, encoder, index, lexical, recall
from agentmem import store as memory_store

from .sets import read_set, store

WORDS_PER_RECORD = 30
QUERIES = 200
STAGES = ("encode", "index", "words", "vector", "rank", "fetch", "total")  # "rank": all between search and fetch
SENTENCES = Path(agentmem.__file__).parent / "demo" / "conversation.jsonl"


def texts(count: int, seed: int = 1) -> Iterator[str]:
    """Yield *count* texts of about 30 words, drawn from the sample conversation's words by their frequency."""
    lines = SENTENCES.read_text("utf-8").splitlines()
    words = Counter(word for line in lines for word in json.loads(line)["content"].split())
    draw = random.Random(seed)
    vocabulary, weights = list(words), list(words.values())
    for number in range(count):
        length = max(5, round(draw.gauss(WORDS_PER_RECORD, 8)))
        yield " ".join(draw.choices(vocabulary, weights, k=length)) + f" ({number})"


def measure(items: int, progress: Callable[[str], None]) -> dict[str, Any]:
    """Store *items* records, ask 200 questions, and return every figure."""
    with tempfile.TemporaryDirectory() as work, Memory(Path(work) / "speed.db") as memory:
        encoder.shared().encode(["warm"])
        progress(f"storing {items:,} records")
        began = time.perf_counter()
        memory.remember_many(texts(items))
        stored = time.perf_counter() - began
        progress("bare encoder, for comparison")
        bare = throughput(list(texts(min(items, 2_000))))
        progress(f"asking {QUERIES} questions")
        stages = ask(memory, [" ".join(text.split()[:8]) for text in texts(QUERIES, seed=2)])
        stats = memory.stats()
        return {
            "items": items,
            "stages": {name: percentiles(values) for name, values in stages.items()},
            "ranking as a share of encoding": ranking_share(stages),
            "records per second": round(items / stored),
            "bare encoder per second": round(bare),
            "bytes per record": round(stats.file_bytes / items),
            "bytes per record by table": {name: round(size / items) for name, size in stats.tables.items()},
            "peak RSS MB": peak_rss_mb(),
            "python": platform.python_version(),
            "machine": platform.machine(),
        }


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


def ask(memory: Memory, queries: list[str]) -> dict[str, list[float]]:
    """Return milliseconds per stage for each query; "total" is a plain recall, timed by itself."""
    taken: dict[str, list[float]] = {name: [] for name in STAGES}
    for query in queries:
        began = time.perf_counter()
        memory.recall(query)
        taken["total"].append((time.perf_counter() - began) * 1e3)
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


def percentiles(values: list[float]) -> dict[str, float]:
    """Return p50 and p95, in milliseconds."""
    p50, p95 = np.percentile(values, (50, 95))
    return {"p50": round(float(p50), 3), "p95": round(float(p95), 3)}


def peak_rss_mb() -> int:
    """Return the largest resident set that this process has had, in MB."""
    unit = 1 if sys.platform == "darwin" else 1024  # bytes on macOS, KiB elsewhere
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6)
