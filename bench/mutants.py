"""
Faults put into merging on purpose, one at a time: the tests and the mesh must notice each of them.

What nobody notices is not tested.  Each is a change of one place in a copy of the package.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).parent.parent
MESH = """
import sys
from bench import mesh
mesh.changes.BATCH = 3
for seed in range(int(sys.argv[1])):
    mesh.wander(seed)
"""
SLOW = ("order_of", "everything", "killed", "writers")  # and what the mesh does itself
DIRECTED = [
    "-x", "-q", "-p", "no:cacheprovider", "-k", " and ".join(f"not {name}" for name in SLOW), "tests/test_merge.py",
    "tests/test_backup.py",
]  # fmt: skip
SECONDS = 900


class Fault(NamedTuple):
    """A change of one place."""

    what: str
    module: str
    old: str
    new: str


FAULTS = (
    Fault("what rests on the forgotten comes in", "merge", 'if row["supersedes"] in reach:', "if False:"),
    Fault("tombstones take nothing out", "merge", "    if victims:\n", "    if False:\n"),
    Fault("later versions of the forgotten stay", "merge", "    while waiting:\n", "    while False:\n"),
    Fault("the same, said apart, is not forgotten", "merge", 'elif row["uid"] not in here and row["hlc"] <=',
          'elif False and row["hlc"] <='),
    Fault("what was kept on purpose is forgotten, too", "merge", "(not _known(merge.origin, device, hlc) and hlc",
          "(True and hlc"),
    Fault("the log keeps what was forgotten", "merge", "emptied = db.empty_log() if", "emptied = True if"),
    Fault("the clock is not moved on", "meta", "max(cast(value as integer), ?)", "max(cast(value as integer), ? * 0)"),
    Fault("a copy writes as the original", "meta", "    hlc = tick(clock(connection), now)\n",
          """    hlc = tick(clock(connection), now)
    device = connection.execute("select value from meta where key = 'device'").get
    witness = Witness(device, connection.execute("select seen from devices where uid = ?", (device,)).get)
"""),
    Fault("all is noted as seen after the first rows", "merge", "meta.mark_seen(connection, partly)",
          "meta.mark_seen(connection, merge.origin.seen)"),
    Fault("what came in part is not passed on", "merge", "meta.mark_seen(connection, partly)", "pass"),
    Fault("what was seen is never noted", "merge", "            meta.mark_seen(connection, unseen)\n", ""),
    Fault("changes of old records do not travel", "changes", "where r.stamps is not null", "where false"),
    Fault("changes of old records are not joined", "merge", '(values := _joined(here[row["uid"]], row))',
          "(values := {})"),
    Fault("a value gets the stamp of one that lost", "merge", "changed[name], stamps[name] = row[name], theirs",
          "changed[name], stamps[name] = row[name], max(ours, theirs)"),
    Fault("what ends twice ends at the later time", "merge", '"valid_to": _given(min)', '"valid_to": _given(max)'),
    Fault("of two values the one that came last holds", "merge", "else theirs > ours:", "else True:"),
    Fault("whoever came last wins", "settle", "return self.hlc, self.device, self.uid", "return (self.id,)"),
    Fault("duplicates are ordered by their ids alone", "settle",
          "(first.written if first is not None and joined else row.written, joined, row.written)",
          "(row.written, joined, row.written)"),
    Fault("two versions hold", "settle", 'store.change(connection, "status", dict.fromkeys(ends, "superseded"), stamp)',
          "pass"),
    Fault("duplicates stay apart", "settle", 'store.change(connection, "supersedes", joined, stamp)', "joined = {}"),
    Fault("two records have one key", "settle", "ranks[each.uid] > ranks[uid] and row.seen_by(each)", "False"),
    Fault("turns stand where they stood", "merge", "if place(connection, here, stamp):", "if False:"),
    Fault("two turns stand in one place", "settle", "places[uid] = last = max(position, last + 1)",
          "places[uid] = last = position"),
    Fault("what is in memory is not read again", "merge",
          "        summaries.unindex(connection, here)\n        merge.db.mark_erased(connection, stamp)",
          "        summaries.unindex(connection, here)"),
    Fault("words are not indexed", "merge", "fulltext.index(connection,", "(lambda *_: None)(connection,"),
    Fault("keys are not entered", "merge", "    kinds.enter(connection, list(ids.values()))\n", ""),
    Fault("of two definitions the one that came last holds", "merge",
          "wins = here is None or", "wins = True or"),
    Fault("a new definition leaves the keys", "merge", "merge.touched.update(kinds.rekey(connection, made))", "pass"),
    Fault("vectors of any encoder are taken", "keeping", "same = origin.encoder == target and", "same = "),
    Fault("the log of before stays beside what is restored", "db", 'in ("-wal", "-shm"):', "in ():"),
)  # fmt: skip


def measure(episodes: int, progress: Callable[[str], None], only: str = "") -> Iterator[dict[str, Any]]:
    """Yield of each fault by what it was caught: the mesh, of up to *episodes* episodes, the tests, or nothing."""
    for fault in FAULTS:
        if only in fault.what:
            yield _caught(fault, episodes, progress)


def _caught(fault: Fault, episodes: int, progress: Callable[[str], None]) -> dict[str, Any]:
    progress(fault.what)
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        for name in ("agentmem", "bench", "tests", "models"):
            shutil.copytree(ROOT / name, root / name, ignore=shutil.ignore_patterns("__pycache__", "*.onnx"))
        for model in (ROOT / "models").glob("*.onnx"):
            os.link(model, root / "models" / model.name) if _links(model, root) else shutil.copy(model, root / "models")
        shutil.copy(ROOT / "pyproject.toml", root)
        path = root / "agentmem" / f"{fault.module}.py"
        source = path.read_text("utf-8")
        if source.count(fault.old) != 1:
            raise ValueError(f"{fault.what}: {fault.module} has {source.count(fault.old)} times {fault.old!r}")
        path.write_text(source.replace(fault.old, fault.new), "utf-8")
        commands = {
            "mesh": [sys.executable, "-c", MESH, str(episodes)],
            "tests": [sys.executable, "-m", "pytest", *DIRECTED],
        }
        environment = {**os.environ, "PYTHONPATH": folder, "PYTHONDONTWRITEBYTECODE": "1"}
        found = (
            name
            for name, command in commands.items()
            if subprocess.run(command, cwd=root, env=environment, capture_output=True, timeout=SECONDS).returncode
        )
        caught = next(found, "")
    return {"fault": fault.what, "caught by": caught, "seconds": round(time.perf_counter() - began, 1)}


def _links(model: Path, root: Path) -> bool:
    return model.stat().st_dev == root.stat().st_dev
