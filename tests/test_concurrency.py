"""Several processes and threads on one file: no error, nothing lost, and the file sound at the end."""

from __future__ import annotations

import multiprocessing
import os
import random
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Sequence
from multiprocessing.queues import Queue
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any

import pytest
from conftest import TinyEncoder

from agentmem import Memory, NotFoundError, OpenError, ingest
from agentmem.encoder import Encoding

SECONDS, SLOW_SECONDS = 2.5, 60.0
PROCESSES, THREADS = 4, 8
OPENINGS = 120  # new files that all processes open at the same moment
KILLS = 10
SPAWN = multiprocessing.get_context("spawn")  # a fork would share connections, which Memory refuses
ROOT = Path(__file__).parent.parent


class Ledger:
    """What one worker was told is kept, and what is gone."""

    def __init__(self) -> None:
        self.kept: dict[str, str] = {}  # id → text
        self.gone: set[str] = set()
        self.calls = 0


def work(memory: Memory, name: str, until: float, seed: int) -> Ledger:
    """Use every verb at random until the clock says *until*; a worker changes only what it wrote itself."""
    chance, ledger, n = random.Random(seed), Ledger(), 0
    while time.monotonic() < until:
        n += 1
        verb = chance.choice(["remember", "remember", "many", "observe", "revise", "forget", "recall", "list", "stats"])
        if verb == "remember":
            record = memory.remember(f"{name} note {n}", metadata={"n": n})
            ledger.kept[record.id] = record.text
        elif verb == "many":
            for record in memory.remember_many([f"{name} item {n} {i}" for i in range(5)]):
                ledger.kept[record.id] = record.text
        elif verb == "observe":
            for record in memory.observe([{"content": f"{name} turn {n} {i}"} for i in range(3)], session="together"):
                ledger.kept[record.id] = record.text
        elif verb == "revise" and ledger.kept:
            old = chance.choice(list(ledger.kept))
            if memory.get(old).status == "active":
                record = memory.revise(old, f"{name} changed {n}")
                ledger.kept[record.id] = record.text
        elif verb == "forget" and ledger.kept:
            for id in memory.forget(chance.choice(list(ledger.kept))).ids:
                del ledger.kept[id]
                ledger.gone.add(id)
        elif verb == "recall":
            memory.recall(f"{name} note", k=5)
        elif verb == "list":
            memory.list(limit=20)
        else:
            memory.stats()
        ledger.calls += 1
    return ledger


def check(memory: Memory, ledgers: Sequence[Ledger]) -> None:
    kept = {id: text for ledger in ledgers for id, text in ledger.kept.items()}
    gone = {id for ledger in ledgers for id in ledger.gone}
    assert len(kept) == sum(len(ledger.kept) for ledger in ledgers)  # no id was given twice
    assert all(ledger.calls > 5 for ledger in ledgers)  # none was starved
    assert {id: memory.get(id).text for id in kept} == kept
    stats = memory.stats()
    assert stats.records + stats.superseded == len(kept)
    for id in gone:
        with pytest.raises(NotFoundError):
            memory.get(id)
    assert memory.verify() == []


def process_worker(path: str, name: str, seconds: float, start: Barrier, answers: Queue[Any]) -> None:
    try:
        with Memory(path, encoder=TinyEncoder()) as memory:
            start.wait()
            answers.put(work(memory, name, time.monotonic() + seconds, sum(name.encode())))
    except BaseException as error:  # noqa: BLE001 - the parent asserts that there is none
        start.abort()
        answers.put(f"{type(error).__name__}: {error}")


def run_processes(target: Callable[..., None], *arguments: Any, seconds: float) -> list[Any]:
    """Run PROCESSES processes at once and return what each put into the queue."""
    start, answers = SPAWN.Barrier(PROCESSES), SPAWN.Queue()
    processes = [
        SPAWN.Process(target=target, args=(arguments[0], f"p{i}", *arguments[1:], start, answers))
        for i in range(PROCESSES)
    ]
    for process in processes:
        process.start()
    try:
        return [answers.get(timeout=seconds + 60) for _ in processes]
    finally:
        for process in processes:
            process.join(20)
            if process.is_alive():
                process.kill()


@pytest.mark.parametrize("seconds", [SECONDS, pytest.param(SLOW_SECONDS, marks=pytest.mark.slow)])
def test_processes_write_and_read_one_file_at_once(tmp_path: Path, seconds: float) -> None:
    ledgers = run_processes(process_worker, str(tmp_path / "m.db"), seconds, seconds=seconds)
    assert [ledger for ledger in ledgers if isinstance(ledger, str)] == []
    with Memory(tmp_path / "m.db", encoder=TinyEncoder()) as memory:
        check(memory, ledgers)
        positions = {}
        with memory._db.read() as connection:
            for id, position in connection.execute("select uid, position from records where supersedes is null"):
                positions.setdefault(position, []).append(id)
        positions.pop(None, None)
        assert all(len(ids) == 1 for ids in positions.values())  # two turns never take one place


@pytest.mark.parametrize("seconds", [SECONDS, pytest.param(SLOW_SECONDS, marks=pytest.mark.slow)])
@pytest.mark.parametrize("where", ["file", ":memory:"])
def test_threads_share_one_memory(tmp_path: Path, where: str, seconds: float) -> None:
    path = ":memory:" if where == ":memory:" else tmp_path / "m.db"
    ledgers: list[Ledger] = []
    errors: list[BaseException] = []

    def run(memory: Memory, name: str, until: float) -> None:
        try:
            ledgers.append(work(memory, name, until, sum(name.encode())))
        except BaseException as error:  # noqa: BLE001 - asserted below
            errors.append(error)

    with Memory(path, encoder=TinyEncoder()) as memory:
        until = time.monotonic() + seconds
        in_threads(*(lambda i=i: run(memory, f"t{i}", until) for i in range(THREADS)))  # type: ignore[misc]
        assert errors == []
        assert len(ledgers) == THREADS
        check(memory, ledgers)


def in_threads(*calls: Callable[[], object]) -> None:
    threads = [threading.Thread(target=call, daemon=True) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert not any(thread.is_alive() for thread in threads)


def opener(folder: str, name: str, start: Barrier, answers: Queue[Any]) -> None:
    errors = []
    for i in range(OPENINGS):
        start.wait(60)
        try:
            with Memory(Path(folder) / f"{i}.db", encoder=TinyEncoder()) as memory:
                memory.remember(f"from {name}")
        except Exception as error:  # noqa: BLE001 - the parent asserts that there is none
            errors.append(f"{type(error).__name__}: {error}".replace(folder, ""))
    answers.put(errors)


def test_a_new_file_can_be_opened_by_several_processes_at_once(tmp_path: Path) -> None:
    answers = run_processes(opener, str(tmp_path), seconds=60)
    assert [error for errors in answers for error in errors] == []
    for i in range(OPENINGS):
        with Memory(tmp_path / f"{i}.db", encoder=TinyEncoder()) as memory:
            assert memory.stats().records == PROCESSES
            with memory._db.read() as connection:
                assert connection.execute("select count(*) from devices").get == PROCESSES  # each wrote
            assert memory.verify() == []


# -- kill -9 --------------------------------------------------------------------------------------------------------

WRITER = """
    import sys
    from agentmem import Memory
    from conftest import TinyEncoder
    memory = Memory(sys.argv[1], encoder=TinyEncoder())
    round, old = int(sys.argv[2]), None
    for n in range(1_000_000):
        records = memory.remember_many([f"round {round} batch {n} item {i} " + "words " * 200 for i in range(20)])
        print("kept", *(record.id for record in records), flush=True)
        if n % 3 == 1:
            new = memory.revise(records[0].id, f"round {round} batch {n} changed")
            print("kept", new.id, flush=True)
        if n % 3 == 2:
            print("gone", *memory.forget(records[1].id).ids, flush=True)
"""


def test_a_writer_killed_in_the_middle_loses_nothing_that_it_acknowledged(tmp_path: Path) -> None:
    path = tmp_path / "m.db"
    chance = random.Random(1)
    kept: set[str] = set()
    gone: set[str] = set()
    for round in range(KILLS):
        with subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(WRITER), str(path), str(round)],
            env={**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'tests'}"},
            stdout=subprocess.PIPE, text=True,
        ) as writer:  # fmt: skip
            assert writer.stdout is not None
            lines = [writer.stdout.readline()]  # the first acknowledgement: it is at work
            time.sleep(chance.uniform(0, 0.15))
            writer.send_signal(signal.SIGKILL)
            lines += writer.stdout.readlines()
        assert writer.returncode == -signal.SIGKILL
        in_doubt = ""  # what a forget that is done but not acknowledged would have taken
        for line in lines:
            if line.endswith("\n"):  # else the kill cut the acknowledgement itself
                word, *ids = line.split()
                (kept if word == "kept" else gone).update(ids)
                if len(ids) == 20:
                    in_doubt = ids[1]
        with Memory(path, encoder=TinyEncoder()) as memory:
            assert memory.verify() == []
            records = memory.list(limit=1_000_000)
            here = {version.id for record in records for version in memory.history(record.id)}
            missing = kept - gone - here
            assert missing <= {in_doubt}
            gone |= missing
            assert gone & here == set()
            items = [record.text for record in records if record.text.startswith(f"round {round} batch ")]
            whole = {text.split(" item ")[0] for text in items if " item " in text}
            for batch in whole:  # a batch is one transaction: all of it, but for one revised or forgotten
                assert sum(text.startswith(f"{batch} item ") for text in items) >= 19
    assert len(kept) >= 20 * KILLS


# -- races, made to happen ------------------------------------------------------------------------------------------


class Hooked(TinyEncoder):
    """Calls *hook* whenever it encodes: the moment between a verb's first look at the file and its write."""

    def __init__(self, hook: Callable[[], object]) -> None:
        self.hook = hook

    def encode(self, texts: Sequence[str]) -> list[Encoding]:
        self.hook()
        return super().encode(texts)


def outcomes(*calls: Callable[[], object]) -> list[object]:
    """Run *calls* in threads at once; return what each returned or raised."""
    found: list[object] = [None] * len(calls)

    def run(i: int) -> None:
        try:
            found[i] = calls[i]()
        except Exception as error:  # noqa: BLE001 - the caller looks at it
            found[i] = error

    in_threads(*(lambda i=i: run(i) for i in range(len(calls))))  # type: ignore[misc]
    return found


def test_of_two_revisions_at_once_one_holds_and_the_other_is_told(tmp_path: Path) -> None:
    both = threading.Barrier(2)
    with Memory(tmp_path / "m.db", encoder=TinyEncoder()) as memory:
        id = memory.remember("one").id
        with Memory(tmp_path / "m.db", encoder=Hooked(lambda: both.wait(30))) as racing:
            found = outcomes(lambda: racing.revise(id, "two"), lambda: racing.revise(id, "three"))
        (loser,) = [each for each in found if isinstance(each, Exception)]
        assert type(loser) is ValueError
        assert "revised already" in str(loser)
        assert len(memory.history(id)) == 2
        assert len(memory.list()) == 1
        assert memory.verify() == []


def test_the_same_words_remembered_by_two_at_once_are_one_record(tmp_path: Path) -> None:
    both = threading.Barrier(2)
    with Memory(tmp_path / "m.db", encoder=Hooked(lambda: both.wait(30))) as memory:
        first, second = outcomes(lambda: memory.remember("same"), lambda: memory.remember("same"))
        assert first == second
        assert len(memory.list()) == 1
        assert memory.verify() == []


def test_revising_what_is_forgotten_meanwhile_brings_nothing_back(tmp_path: Path) -> None:
    with Memory(tmp_path / "m.db", encoder=TinyEncoder()) as memory:
        id = memory.remember("one").id
        with (
            Memory(tmp_path / "m.db", encoder=Hooked(lambda: memory.forget(id))) as racing,
            pytest.raises(NotFoundError),
        ):
            racing.revise(id, "two")
        assert memory.list() == []
        assert memory.verify() == []


def test_remembering_what_is_forgotten_meanwhile_keeps_it_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It was known at the first look, so nothing was to be written; at the second it is gone."""
    derived = ingest.made_of
    with Memory(tmp_path / "m.db", encoder=TinyEncoder()) as memory:
        id = memory.remember("said again").id

        def forget_first(*arguments: Any) -> Any:
            monkeypatch.setattr(ingest, "made_of", derived)
            memory.forget(id)
            return derived(*arguments)

        monkeypatch.setattr(ingest, "made_of", forget_first)
        assert memory.remember("said again").text == "said again"
        assert [record.text for record in memory.list()] == ["said again"]
        assert memory.verify() == []


@pytest.mark.parametrize("verb", ["forget", "remember", "revise"])
def test_rebuild_goes_on_while_others_write(tmp_path: Path, verb: str) -> None:
    with Memory(tmp_path / "m.db", encoder=TinyEncoder()) as memory:
        ids = [record.id for record in memory.remember_many([f"fact {i}" for i in range(300)])]

        def interfere() -> None:
            id = ids.pop()
            if verb == "forget":
                memory.forget(id)
            elif verb == "remember":
                memory.remember(f"another {id}")
            else:
                memory.revise(id, f"changed {id}")

        with Memory(tmp_path / "m.db", encoder=Hooked(interfere)) as racing:
            racing.rebuild()
        assert len(ids) < 300
        assert memory.verify() == []
        assert len(memory.recall("fact", k=1_000)) == memory.stats().records


@pytest.mark.parametrize("where", ["file", ":memory:"])
def test_closing_while_others_read_and_write_ends_in_nothing_but_open_errors(tmp_path: Path, where: str) -> None:
    memory = Memory(":memory:" if where == ":memory:" else tmp_path / "m.db", encoder=TinyEncoder())
    memory.remember_many([f"fact {i}" for i in range(200)])
    errors: list[BaseException] = []
    kept: set[str] = set()
    stop = time.monotonic() + 20

    def use(name: str) -> None:
        n = 0
        try:
            while time.monotonic() < stop:
                n += 1
                kept.add(memory.remember(f"{name} {n}").id)
                memory.recall(f"fact {n}")
        except BaseException as error:  # noqa: BLE001 - asserted below
            errors.append(error)

    def close() -> None:
        time.sleep(0.3)
        try:
            memory.close()
        except BaseException as error:  # noqa: BLE001 - asserted below
            errors.append(error)

    in_threads(close, *(lambda i=i: use(f"t{i}") for i in range(4)))  # type: ignore[misc]
    assert {type(error) for error in errors} == {OpenError}
    if where == "file":
        with Memory(tmp_path / "m.db", encoder=TinyEncoder()) as again:
            assert kept <= {record.id for record in again.list(limit=1_000_000)}
            assert again.verify() == []


def test_a_reader_sees_one_state_while_another_process_writes(tmp_path: Path) -> None:
    """A batch is there whole or not at all."""
    path = tmp_path / "m.db"
    with Memory(path, encoder=TinyEncoder()) as memory, Memory(path, encoder=TinyEncoder()) as other:
        done = threading.Event()
        seen: list[int] = []

        def read() -> None:
            while not done.is_set():
                seen.append(len(other.list(limit=10_000)))

        def write() -> None:
            for n in range(40):
                memory.remember_many([f"batch {n} item {i}" for i in range(10)])
            done.set()

        in_threads(read, write)
        assert len(set(seen)) > 2
        assert {count % 10 for count in seen} == {0}
        assert seen == sorted(seen)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_a_forked_child_encodes_with_threads_of_its_own(tmp_path: Path) -> None:
    """Of the parent's threads it has none, and would wait for them for ever."""
    code = f"""
import os, sys
from agentmem import Memory
with Memory({str(tmp_path / "parent.db")!r}) as memory:
    memory.remember_many(["one", "two", "three"])
    memory.recall("one")
pid = os.fork()
if pid == 0:
    with Memory({str(tmp_path / "child.db")!r}) as memory:
        memory.remember_many(["four", "five", "six"])
        assert memory.recall("four", k=1)[0].text == "four"
    os._exit(7)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
"""
    assert subprocess.run([sys.executable, "-c", code], timeout=60).returncode == 7
