"""
The same records, vectors and questions through what else one would pick: all embedded, local, with the same encoder.

Each peer stores in one process and is asked in another, so that what a process takes is its own.  Their defaults, with
the indexes that their documentation advises.  Peers are not installed with agentmem: `pip install '.[peers]'`.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from agentmem import Memory, encoder, recall, scope
from agentmem.encoder import Encoding
from agentmem.records import batches

from .made import texts

QUERIES = 200
WORDS = 8  # of a record, that it is asked by
K = 10
WARM = 5  # questions before those that are timed
PATIENCE = 120  # seconds after which no more is asked
BATCH = 1_000
MISSING = 75  # exit code: not installed

Vectors = NDArray[np.float32]


class Peer(Protocol):
    """One way to store texts and to ask for them; made with the folder where it may keep files."""

    searches: str  # what it looks at

    def store(self, ids: Sequence[int], texts: Sequence[str], vectors: Vectors) -> None:
        """Store a batch."""

    def ready(self) -> None:
        """Make what searching needs, once all is stored."""

    def ask(self, query: str) -> list[int]:
        """Return the numbers of the ten best, the query encoded here."""

    def nearest(self, query: str) -> list[int] | None:
        """Return the ten nearest by its index of vectors alone; None where it does not say."""


def encoded(query: str) -> Vectors:
    """Return the query's vector (384,), float32."""
    return encoder.shared().encode([query])[0].vector


class Agentmem:
    searches = "words and vectors"

    def __init__(self, folder: Path) -> None:
        self._memory = Memory(folder / "memory.db", encoder=Prepared(folder.parent))

    def store(self, ids: Sequence[int], texts: Sequence[str], vectors: Vectors) -> None:
        self._memory.remember_many({"text": t, "metadata": {"n": n}} for n, t in zip(ids, texts, strict=True))

    def ready(self) -> None:
        self._memory.close()

    def ask(self, query: str) -> list[int]:
        return [int(str(hit.metadata["n"])) for hit in self._memory.recall(query, k=K)]

    def nearest(self, query: str) -> list[int] | None:
        self._memory.recall(query)
        finder, vector = self._memory._recalling(), encoded(query)
        with self._memory._db.read() as connection:
            view = finder._index.view(connection, scope.within(scope.Scope()))
            some = view.near(vector, recall.NEAR_DEPTH)
            read = dict(
                connection.execute(
                    "select id, vec_distance_cosine(vec_int8(vector), vec_int8(?)) from vectors where id in "
                    "(select value from json_each(?))",
                    (Encoding(vector, vector[None]).quantised, json.dumps(some.tolist())),
                )
            )
        return [id - 1 for id in sorted(read, key=lambda id: (read[id], id))[:K]]


class Prepared:
    """The shipped encoder; for stored texts, what it said before."""

    def __init__(self, folder: Path) -> None:
        self.id = encoder.shared().id
        self._folder = folder
        self._ready: dict[str, Encoding] | None = None

    def encode(self, texts: Sequence[str]) -> list[Encoding]:
        if len(texts) == 1:
            return encoder.shared().encode(texts)
        if self._ready is None:
            self._ready = dict(_prepared(self._folder))
        return [self._ready.pop(text) for text in texts]

    def count_tokens(self, text: str) -> int:
        return encoder.shared().count_tokens(text)


class Fused:
    """Plain SQLite: a vec0 table, an FTS5 table, and their ranks fused; what most write themselves."""

    searches = "words and vectors"

    def __init__(self, folder: Path) -> None:
        self._db = _sqlite().connect(folder / "fused.db", isolation_level=None)
        self._db.enable_load_extension(True)
        import_module("sqlite_vec").load(self._db)
        self._db.execute("pragma journal_mode = wal")
        self._db.execute("pragma synchronous = normal")
        self._db.execute("create virtual table if not exists v using vec0 (e float[384] distance_metric=cosine)")
        self._db.execute("create virtual table if not exists t using fts5 (text, tokenize='porter unicode61')")

    def store(self, ids: Sequence[int], texts: Sequence[str], vectors: Vectors) -> None:
        self._db.execute("begin")
        rows = [(n + 1, v.tobytes()) for n, v in zip(ids, vectors, strict=True)]
        self._db.executemany("insert into v (rowid, e) values (?, ?)", rows)
        self._db.executemany("insert into t (rowid, text) values (?, ?)", zip([n + 1 for n in ids], texts, strict=True))
        self._db.execute("commit")

    def ready(self) -> None:
        self._db.close()

    def ask(self, query: str) -> list[int]:
        said = " OR ".join(f'"{word}"' for word in query.replace('"', " ").split())
        words = self._db.execute("select rowid from t where t match ? order by rank limit 50", (said,)).fetchall()
        fused: dict[int, float] = {}
        for rows in (words, self._near(query, 50)):
            for place, (row,) in enumerate(rows):
                fused[row] = fused.get(row, 0) + 1 / (61 + place)
        best = sorted(fused, key=lambda row: -fused[row])[:K]
        texts = {row: self._db.execute("select text from t where rowid = ?", (row,)).fetchone() for row in best}
        return [row - 1 for row in texts]

    def nearest(self, query: str) -> list[int] | None:
        return [row - 1 for (row,) in self._near(query, K)]

    def _near(self, query: str, k: int) -> list[tuple[int]]:
        sql = "select rowid from v where e match ? and k = ? order by distance"
        rows: list[tuple[int]] = self._db.execute(sql, (encoded(query).tobytes(), k)).fetchall()
        return rows


class LangGraph:
    """langgraph-checkpoint-sqlite: SqliteStore with an index."""

    searches = "vectors"

    def __init__(self, folder: Path) -> None:
        sys.modules["sqlite3"] = _sqlite()
        base = import_module("langgraph.store.sqlite.base")
        connection = _sqlite().connect(folder / "store.db", check_same_thread=False, isolation_level=None)
        self._given: dict[str, Vectors] = {}
        self._store = base.SqliteStore(connection, index={"dims": 384, "embed": self._embed})
        self._store.setup()
        self._put = import_module("langgraph.store.base").PutOp

    def _embed(self, said: Sequence[str]) -> list[list[float]]:
        return [(self._given[text] if text in self._given else encoded(text)).tolist() for text in said]

    def store(self, ids: Sequence[int], texts: Sequence[str], vectors: Vectors) -> None:
        self._given = dict(zip(texts, vectors, strict=True))
        # Of its option "fields", which its documentation has, version 3.1 takes no notice.
        puts = [self._put(("r",), str(n), {"text": t}, index=["text"]) for n, t in zip(ids, texts, strict=True)]
        self._store.batch(puts)
        self._given = {}

    def ready(self) -> None:
        pass

    def ask(self, query: str) -> list[int]:
        return [int(item.key) for item in self._store.search(("r",), query=query, limit=K)]

    nearest = ask


class Chroma:
    """chromadb: PersistentClient, HNSW as it comes, by cosine."""

    searches = "vectors"

    def __init__(self, folder: Path) -> None:
        chroma, config = import_module("chromadb"), import_module("chromadb.config")
        client = chroma.PersistentClient(str(folder), settings=config.Settings(anonymized_telemetry=False))
        self._records = client.get_or_create_collection(
            "records", embedding_function=None, configuration={"hnsw": {"space": "cosine"}}
        )

    def store(self, ids: Sequence[int], texts: Sequence[str], vectors: Vectors) -> None:
        self._records.add(ids=[str(n) for n in ids], documents=list(texts), embeddings=vectors)

    def ready(self) -> None:
        pass

    def ask(self, query: str) -> list[int]:
        return [int(id) for id in self._records.query(query_embeddings=[encoded(query)], n_results=K)["ids"][0]]

    nearest = ask


class Lance:
    """lancedb: hybrid search, its full-text index, its reciprocal rank fusion; vectors compared one by one."""

    searches = "words and vectors"

    def __init__(self, folder: Path) -> None:
        self._arrow = import_module("pyarrow")
        self._db = import_module("lancedb").connect(str(folder))
        self._table: Any = self._db.open_table("r") if (folder / "r.lance").exists() else None

    def store(self, ids: Sequence[int], texts: Sequence[str], vectors: Vectors) -> None:
        wide = self._arrow.FixedSizeListArray.from_arrays(self._arrow.array(vectors.ravel()), 384)
        rows = self._arrow.table({"n": list(ids), "text": list(texts), "vector": wide})
        if self._table is None:
            self._table = self._db.create_table("r", rows)
        else:
            self._table.add(rows)

    def ready(self) -> None:
        self._table.create_fts_index("text")
        self._table.optimize()

    def ask(self, query: str) -> list[int]:
        asked = self._table.search(query_type="hybrid").vector(encoded(query)).text(query).distance_type("cosine")
        return [row["n"] for row in asked.limit(K).to_list()]

    def nearest(self, query: str) -> list[int] | None:
        rows = self._table.search(encoded(query)).distance_type("cosine").select(["n"]).limit(K).to_list()
        return [row["n"] for row in rows]


class AgentRecall:
    """agentrecall-db: SQLite, FTS5, sqlite-vec and reciprocal rank fusion."""

    searches = "words and vectors"

    def __init__(self, folder: Path) -> None:
        sys.modules["sqlite3"] = _sqlite()
        self.dim = 384
        self._given: dict[str, Vectors] = {}
        self._memory = import_module("agentrecall").Memory(folder / "m.db", embeddings=True, embedder=self)

    def embed(self, said: Sequence[str]) -> list[list[float]]:
        return [(self._given[text] if text in self._given else encoded(text)).tolist() for text in said]

    def store(self, ids: Sequence[int], texts: Sequence[str], vectors: Vectors) -> None:
        self._given = dict(zip(texts, vectors, strict=True))
        self._memory.add_many([{"content": t, "metadata": {"n": n}} for n, t in zip(ids, texts, strict=True)])
        self._given = {}

    def ready(self) -> None:
        self._memory.close()

    def ask(self, query: str) -> list[int]:
        return [hit.metadata["n"] for hit in self._memory.search(query, k=K)]

    def nearest(self, query: str) -> list[int] | None:
        return None


PEERS: dict[str, Callable[[Path], Peer]] = {
    "agentmem": Agentmem,
    "vec0 + FTS5, RRF": Fused,
    "LanceDB": Lance,
    "agentrecall-db": AgentRecall,
    "LangGraph SqliteStore": LangGraph,
    "Chroma": Chroma,
}


def measure(items: int, progress: Callable[[str], None]) -> list[dict[str, Any]]:
    """Return each installed peer's figures; "p50" is None for one that is not installed or gave up."""
    with tempfile.TemporaryDirectory() as work:
        folder = Path(work)
        progress(f"encoding {items:,} records")
        encode_all(folder, items)
        return [measure_one(name, folder, items, progress) for name in PEERS]


def measure_one(name: str, folder: Path, items: int, progress: Callable[[str], None]) -> dict[str, Any]:
    """Let *name* store in one process, and ask it in another."""
    result: dict[str, Any] = {"items": items, "peer": name, "p50": None}
    for step in ("store", "ask"):
        progress(f"{items:,} records: {name}, {step}")
        command = [sys.executable, "-m", "bench.peers", step, name, str(folder)]
        run = subprocess.run(command, capture_output=True, text=True, check=False)
        if run.returncode:
            last = run.stderr.strip().splitlines()[-1:] or ["?"]
            return result | {"note": "not installed" if run.returncode == MISSING else last[0][:200]}
        result |= json.loads(run.stdout.splitlines()[-1])
    return result


def encode_all(folder: Path, items: int) -> None:
    """Write texts, vectors, codes and questions, the same for all."""
    said = list(texts(items))
    vectors, codes, counts = np.empty((items, encoder.WIDTH), np.float32), [], []
    for batch in batches(range(items), BATCH):
        for place, made in zip(batch, encoder.shared().encode([said[i] for i in batch]), strict=True):
            vectors[place] = made.vector
            codes.append(made.codes)
            counts.append(len(made.codes))
    np.savez(folder / "encoded.npz", vectors=vectors, codes=np.frombuffer(b"".join(codes), np.uint8), counts=counts)
    asked = [items * place // QUERIES for place in range(QUERIES)]
    (folder / "texts.json").write_text(json.dumps(said), "utf-8")
    queries = [" ".join(said[n].split()[:WORDS]) for n in asked]
    near = np.concatenate([np.argsort(-(vectors @ encoded(q)), kind="stable")[None, :K] for q in queries])
    (folder / "asked.json").write_text(json.dumps([asked, queries, near.tolist()]), "utf-8")


def _prepared(folder: Path) -> Iterable[tuple[str, Encoding]]:
    """Yield each stored text with what was made of it."""
    with np.load(folder / "encoded.npz") as made:
        vectors, codes = made["vectors"], made["codes"]
        ends = np.cumsum(made["counts"])
    for n, text in enumerate(json.loads((folder / "texts.json").read_text("utf-8"))):
        encoding = Encoding(vectors[n], np.empty((0, encoder.WIDTH), np.float32))
        encoding.__dict__["codes"] = codes[ends[n - 1] if n else 0 : ends[n]].tobytes()
        yield text, encoding


def _store(peer: Peer, folder: Path) -> dict[str, Any]:
    said = json.loads((folder / "texts.json").read_text("utf-8"))
    with np.load(folder / "encoded.npz") as made:
        vectors = made["vectors"]
    spent = 0.0
    for batch in batches(range(len(said)), BATCH):
        some = [said[n] for n in batch]
        began = time.perf_counter()
        peer.store(batch, some, vectors[batch[0] : batch[-1] + 1])
        spent += time.perf_counter() - began
    began = time.perf_counter()
    peer.ready()
    return {"stored/s": round(len(said) / (spent + time.perf_counter() - began))}


def _ask(peer: Peer, folder: Path, own: Path) -> dict[str, Any]:
    asked, queries, near = json.loads((folder / "asked.json").read_text("utf-8"))
    spent, found = [], 0
    for query in queries[:WARM]:
        peer.ask(query)
    deadline = time.monotonic() + PATIENCE
    for number, query in zip(asked, queries, strict=True):
        began = time.perf_counter()
        best = peer.ask(query)
        spent.append((time.perf_counter() - began) * 1e3)
        found += number in best
        if time.monotonic() > deadline:
            break
    peak = _peak()
    right: list[float] | None = []
    for query, true in zip(queries[: len(spent)], near, strict=False):
        ours = peer.nearest(query)
        right = None if ours is None or right is None else [*right, len(set(ours) & set(true)) / K]
    p50, p95 = np.percentile(spent, (50, 95))
    return {
        "p50": round(float(p50), 2),
        "p95": round(float(p95), 2),
        "queries": len(spent),
        "found": round(found / len(spent), 3),
        "nearest": None if right is None else round(float(np.mean(right)), 3),
        "RSS, MB": round(peak / 1e6),
        "disk, MB": round(sum(p.stat().st_size for p in own.rglob("*") if p.is_file()) / 1e6, 1),
        "searches": peer.searches,
    }


def _peak() -> int:
    """Return the most bytes that this process ever had in memory."""
    if sys.platform == "linux":
        lines = Path("/proc/self/status").read_text("ascii").splitlines()
        return next(int(line.split()[1]) << 10 for line in lines if line.startswith("VmHWM"))
    resource = import_module("resource")
    return int(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)


def _sqlite() -> Any:
    """Return Python's sqlite3, or where that cannot load extensions, pysqlite3."""
    plain = import_module("sqlite3")
    return plain if hasattr(plain.Connection, "enable_load_extension") else import_module("pysqlite3")


def _child(step: str, name: str, where: str) -> None:
    folder = Path(where)
    own = folder / "".join(filter(str.isalnum, name))
    own.mkdir(exist_ok=True)
    try:
        peer = PEERS[name](own)
    except ImportError as error:
        print(error, file=sys.stderr)
        sys.exit(MISSING)
    print(json.dumps(_store(peer, folder) if step == "store" else _ask(peer, folder, own)))


if __name__ == "__main__":
    _child(*sys.argv[1:])
