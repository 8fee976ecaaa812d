"""Copies of a file made while others write, put back, and what happens when the process is killed in the middle."""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

import apsw
import pytest
from click.testing import CliRunner
from conftest import TinyEncoder

from agentmem import Memory, OpenError, StorageError, backup, db, places
from agentmem.doors.cli import main

WRITERS = 4


def texts(path: Path) -> list[str]:
    with Memory(path, encoder=TinyEncoder()) as memory:
        assert memory.verify() == []
        return sorted(record.text for record in memory.list(limit=10_000))


# -- backup ---------------------------------------------------------------------------------------------------------


def test_a_backup_holds_what_the_memory_held_and_is_read_back(memory: Memory, tmp_path: Path) -> None:
    memory.remember("one", user="ana")
    memory.revise(memory.remember("two").id, "two again")
    steps: list[tuple[int, int]] = []
    made = memory.backup(tmp_path / "copy.db", progress=lambda done, whole: steps.append((done, whole)))
    memory.remember("after")
    assert (made.records, made.problems, made.removed) == (3, (), ())
    assert made.file_bytes == (tmp_path / "copy.db").stat().st_size
    assert steps[-1][0] == steps[-1][1] > 0
    assert texts(tmp_path / "copy.db") == ["two again"]
    assert sorted(p.name for p in tmp_path.iterdir() if "copy" in p.name) == ["copy.db"]


def test_a_backup_can_be_read_by_its_owner_alone(memory: Memory, tmp_path: Path) -> None:
    memory.backup(tmp_path / "copy.db")
    assert os.name == "nt" or (tmp_path / "copy.db").stat().st_mode & 0o077 == 0


def test_a_memory_without_a_file_is_saved_by_a_backup(tmp_path: Path) -> None:
    with Memory(":memory:", encoder=TinyEncoder()) as memory:
        memory.remember("kept")
        memory.backup(tmp_path / "copy.db")
    assert texts(tmp_path / "copy.db") == ["kept"]


@pytest.mark.parametrize("count", [4, pytest.param(50, marks=pytest.mark.slow)])
def test_backups_under_four_writers_are_sound(tmp_path: Path, count: int) -> None:
    stop = threading.Event()
    errors: list[BaseException] = []

    def write(name: str) -> None:
        try:
            with Memory(tmp_path / "m.db", encoder=TinyEncoder()) as memory:
                number = 0
                while not stop.is_set():
                    record = memory.remember(f"{name} {number}")
                    if number % 3 == 0:
                        memory.forget(record.id)
                    number += 1
        except BaseException as error:  # noqa: BLE001 - asserted below
            errors.append(error)

    with Memory(tmp_path / "m.db", encoder=TinyEncoder()) as memory:
        threads = [threading.Thread(target=write, args=(f"w{n}",)) for n in range(WRITERS)]
        for thread in threads:
            thread.start()
        try:
            for number in range(count):
                path = tmp_path / f"copy{number}.db"
                made = memory.backup(path)
                assert made.problems == ()
                assert len(texts(path)) == made.records
                path.unlink()
        finally:
            stop.set()
            for thread in threads:
                thread.join()
    assert errors == []


def test_the_last_few_of_a_folder_are_kept(memory: Memory, tmp_path: Path) -> None:
    folder = tmp_path / "copies"
    folder.mkdir()
    (folder / "m-notes.db").write_text("mine")
    made = []
    for number in range(4):
        memory.remember(f"number {number}")
        made.append(memory.backup(folder, keep=2))
        time.sleep(0.002)  # their names have the millisecond
    assert made[-1].removed == (made[1].path,)
    assert sorted(p.name for p in folder.iterdir()) == sorted([Path(m.path).name for m in made[2:]] + ["m-notes.db"])


def test_keep_is_for_folders(memory: Memory, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="folder"):
        memory.backup(tmp_path / "copy.db", keep=2)
    with pytest.raises(ValueError, match="keep"):
        memory.backup(tmp_path, keep=0)


def test_a_backup_does_not_take_the_place_of_the_memory_or_of_anything_else(memory: Memory, tmp_path: Path) -> None:
    memory.remember("kept")
    (tmp_path / "letter.txt").write_text("dear Ana")
    apsw.Connection(str(tmp_path / "their.db")).execute("create table t (x)")
    with pytest.raises(ValueError, match="the memory itself"):
        memory.backup(memory._db.path)
    for name in ("letter.txt", "their.db"):
        before = (tmp_path / name).read_bytes()
        with pytest.raises(OpenError):
            memory.backup(tmp_path / name)
        assert (tmp_path / name).read_bytes() == before
    with pytest.raises(OpenError, match="make the folder first"):
        memory.backup(tmp_path / "nowhere" / "copy.db")
    assert [r.text for r in memory.list()] == ["kept"]


def test_a_copy_that_does_not_read_back_leaves_the_earlier_one(
    memory: Memory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    memory.remember("first")
    memory.backup(tmp_path / "copy.db")
    memory.remember_many([f"a longer text, number {number}" for number in range(300)])

    def torn(source: db.Connection, path: str, progress: object) -> None:
        db.copy(source, path)
        with Path(path).open("r+b") as file:
            file.seek(20 * 4096)
            file.write(os.urandom(30 * 4096))

    monkeypatch.setattr(backup, "copy", torn)
    with pytest.raises((StorageError, OpenError)):
        memory.backup(tmp_path / "copy.db")
    monkeypatch.undo()
    assert texts(tmp_path / "copy.db") == ["first"]
    assert not (tmp_path / "copy.db.part").exists()


def test_what_a_backup_says_of_indexes_is_no_reason_not_to_make_it(memory: Memory, tmp_path: Path) -> None:
    memory.remember("one")
    with memory._db.transaction() as connection:
        connection.execute("delete from vectors")
    (problem,) = memory.backup(tmp_path / "copy.db").problems
    assert "rebuild" in problem
    with Memory(tmp_path / "copy.db", encoder=TinyEncoder()) as copy:
        copy.rebuild()
        assert copy.verify() == []


# -- restore --------------------------------------------------------------------------------------------------------


def test_a_restored_backup_is_the_memory_of_that_time(memory: Memory, tmp_path: Path) -> None:
    memory.remember("before")
    memory.backup(tmp_path / "copy.db")
    memory.remember("after")
    made = Memory.restore(tmp_path / "copy.db", tmp_path / "new.db")
    assert (made.records, made.problems) == (1, ())
    assert texts(tmp_path / "new.db") == ["before"]


def test_what_is_there_is_only_replaced_where_one_says_so(memory: Memory, tmp_path: Path) -> None:
    memory.remember("before")
    memory.backup(tmp_path / "copy.db")
    memory.remember("after")
    memory.close()
    path = tmp_path / "m.db"
    with pytest.raises(OpenError, match="exists already"):
        Memory.restore(tmp_path / "copy.db", path)
    assert texts(path) == ["after", "before"]
    Memory.restore(tmp_path / "copy.db", path, replace=True)
    assert texts(path) == ["before"]


def test_a_memory_in_use_is_not_replaced(memory: Memory, tmp_path: Path) -> None:
    memory.remember("before")
    memory.backup(tmp_path / "copy.db")
    memory.remember("after")
    with pytest.raises(StorageError, match="in use"):
        Memory.restore(tmp_path / "copy.db", tmp_path / "m.db", replace=True)
    assert len(memory.list()) == 2 and memory.verify() == []


def test_a_damaged_memory_is_replaced(memory: Memory, tmp_path: Path) -> None:
    memory.remember("before")
    memory.backup(tmp_path / "copy.db")
    memory.close()
    (tmp_path / "m.db").write_bytes(os.urandom(50_000))
    (tmp_path / "m.db-wal").write_bytes(os.urandom(50_000))
    Memory.restore(tmp_path / "copy.db", tmp_path / "m.db", replace=True)
    assert texts(tmp_path / "m.db") == ["before"]


def test_a_damaged_backup_replaces_nothing(memory: Memory, tmp_path: Path) -> None:
    memory.remember_many([f"a longer text, number {number}" for number in range(300)])
    memory.backup(tmp_path / "copy.db")
    memory.close()
    with (tmp_path / "copy.db").open("r+b") as file:
        file.seek(20 * 4096)
        file.write(os.urandom(30 * 4096))
    with pytest.raises((StorageError, OpenError)):
        Memory.restore(tmp_path / "copy.db", tmp_path / "m.db", replace=True)
    assert len(texts(tmp_path / "m.db")) == 300


# -- kill -9 --------------------------------------------------------------------------------------------------------

KILLED = """
    import shutil, sys
    from pathlib import Path
    sys.path.insert(0, {tests!r})
    from conftest import TinyEncoder
    from agentmem import Memory, changes
    changes.BATCH = 20
    folder = Path({folder!r})
    print("ready", flush=True)
    number = 0
    while True:
        number += 1
        with Memory(folder / "m.db", encoder=TinyEncoder()) as memory:
            if {verb!r} == "backup":
                memory.backup(folder / "copy.db")
            elif {verb!r} == "merge":
                memory.merge(folder / "other.db")
                memory.forget(session="other")
                with Memory(folder / "other.db", encoder=TinyEncoder()) as other:
                    other.remember_many({{"text": f"new {{number}} {{n}}", "session": "other"}} for n in range(100))
        if {verb!r} == "restore":
            Memory.restore(folder / "copy.db", folder / "m.db", replace=True)
"""


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a memory, a backup of it, and another copy that has more."""
    folder = tmp_path_factory.mktemp("start")
    with Memory(folder / "m.db", encoder=TinyEncoder()) as memory:
        memory.remember_many([f"number {number}" for number in range(100)])
        memory.backup(folder / "copy.db")
        memory.backup(folder / "other.db")
    with Memory(folder / "other.db", encoder=TinyEncoder()) as other:
        other.remember_many({"text": f"more {number}", "session": "more"} for number in range(100))
    return folder


@pytest.mark.parametrize("verb", ["backup", "restore", "merge"])
@pytest.mark.parametrize("count", [2, pytest.param(100, marks=pytest.mark.slow)])
def test_killed_at_any_moment_nothing_is_lost_and_the_next_run_finishes(
    start: Path, tmp_path: Path, verb: str, count: int
) -> None:
    draw = random.Random(verb)
    shutil.copytree(start, tmp_path, dirs_exist_ok=True)
    code = "\n".join(line[4:] for line in KILLED.splitlines())
    code = code.format(tests=str(Path(__file__).parent), folder=str(tmp_path), verb=verb)
    for _ in range(count):
        process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
        assert process.stdout is not None and process.stdout.readline()
        time.sleep(draw.random() * 0.5)
        process.kill()
        process.communicate()
        check_killed(tmp_path, verb)


def check_killed(folder: Path, verb: str) -> None:
    first = {f"number {number}" for number in range(100)}
    for name in ("m.db", "copy.db"):
        assert first <= set(texts(folder / name)), name
    with Memory(folder / "m.db", encoder=TinyEncoder()) as memory:
        if verb == "backup":
            memory.backup(folder / "copy.db")
        if verb == "merge":
            memory.merge(folder / "other.db")
            assert first | {f"more {number}" for number in range(100)} <= {r.text for r in memory.list(limit=10_000)}
            gone = memory.forget(session="other")
            with Memory(folder / "other.db", encoder=TinyEncoder()) as other:
                other.merge(folder / "m.db")
                assert other.list(session="other") == [] and not gone.count < 0
                assert other.verify() == []
        assert memory.verify() == []
    if verb == "restore":
        Memory.restore(folder / "copy.db", folder / "m.db", replace=True)
    assert first <= set(texts(folder / "m.db"))
    assert not (folder / "copy.db.part").exists() or verb == "restore"


# -- where the file lies --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("folder", "marker", "who"),
    [
        ("Dropbox", None, "Dropbox"),
        ("OneDrive - Heron Ltd", None, "OneDrive"),
        ("Mobile Documents", None, "iCloud Drive"),
        ("shared", ".stfolder", "Syncthing"),
        ("shared", ".dropbox.cache", "Dropbox"),
        ("Nextcloud/notes", None, "Nextcloud"),
    ],
)
def test_a_live_file_in_a_synced_folder_is_warned_of(tmp_path: Path, folder: str, marker: str | None, who: str) -> None:
    (tmp_path / folder / "deep").mkdir(parents=True)
    if marker:
        (tmp_path / folder / marker).mkdir()
    with pytest.warns(UserWarning, match=f"{who} syncs.*`backup` and `merge`"):
        Memory(tmp_path / folder / "deep" / "m.db", encoder=TinyEncoder()).close()


def test_a_network_file_system_is_warned_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mounts = f"none / ext4 rw 0 0\nserver:/home {tmp_path} nfs4 rw 0 0\nnone {tmp_path}/local ext4 rw 0 0\n"
    monkeypatch.setattr(places, "MOUNTS", tmp_path / "mounts")
    monkeypatch.setattr(sys, "platform", "linux")
    (tmp_path / "mounts").write_text(mounts)
    (tmp_path / "local").mkdir()
    places._risk.cache_clear()
    assert "nfs4" in (places.danger(str(tmp_path / "m.db")) or "")
    assert places.danger(str(tmp_path / "local" / "m.db")) is None
    places._risk.cache_clear()


def test_a_backup_into_a_synced_folder_is_fine(memory: Memory, tmp_path: Path) -> None:
    (tmp_path / "Dropbox").mkdir()
    assert memory.backup(tmp_path / "Dropbox" / "copy.db").problems == ()


# -- the command line -----------------------------------------------------------------------------------------------


def run(*arguments: str, code: int = 0) -> str:
    result = CliRunner().invoke(main, list(arguments))
    assert result.exit_code == code, result.output
    assert "Traceback" not in result.output
    return result.output


def test_two_devices_by_the_command_line_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    run("--db", "laptop.db", "remember", "I live in Oslo")
    assert "1 record" in run("--db", "laptop.db", "backup", "phone.db")
    run("--db", "laptop.db", "remember", "I work at Equinor")
    run("--db", "phone.db", "remember", "I like jazz")
    assert "new\t1" in run("merge", "laptop.db", "phone.db")
    assert json.loads(run("--db", "phone.db", "--json", "merge", "laptop.db"))["added"] == 1
    for name in ("laptop.db", "phone.db"):
        assert run("--db", name, "list").count("\n") == 3
    assert "exists already" in run("--db", "phone.db", "restore", "laptop.db", code=1)
    run("--db", "phone.db", "restore", "laptop.db", "--replace")
    (tmp_path / "copies").mkdir()
    for _ in range(3):
        run("--db", "phone.db", "backup", "--to", "copies", "--keep", "2")
    assert len(list((tmp_path / "copies").iterdir())) == 2


@pytest.mark.parametrize(
    "arguments",
    [
        ("backup",),
        ("backup", "a.db", "--to", "b"),
        ("backup", "a.db", "--keep", "2"),
        ("backup", "--to", "nowhere"),
        ("restore", "nowhere.db"),
        ("merge", "nowhere.db"),
        ("merge", "nowhere.db", "m.db"),
    ],
)
def test_what_makes_no_sense_is_said_in_a_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...]
) -> None:
    monkeypatch.chdir(tmp_path)
    run("--db", "m.db", "remember", "I live in Oslo")
    result = CliRunner().invoke(main, ["--db", "new.db" if arguments[0] == "restore" else "m.db", *arguments])
    assert result.exit_code in (1, 2) and "Error" in result.output and "Traceback" not in result.output
