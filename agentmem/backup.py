"""
Copies of a memory file: make one while others write, put one back, and keep the last few.

A copy is written beside its place, read back, and only then put there, in one step: whenever the machine stops, what
stands under the name is whole.  What a stopped run leaves behind, NAME.part, the next one writes over.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from . import doctor, places
from .db import Connection, Database, copy, other, release
from .errors import OpenError, StorageError
from .records import Backup, moment

COUNTED = ("records", "tombstones", "kinds", "vectors", "token_codes", "traits", "claims")
SIDES = ("-wal", "-shm", "-journal")  # what SQLite keeps beside a file
Progress = Callable[[int, int], None]  # pages done, of how many


def backup(
    db: Database, path: str | os.PathLike[str], *, keep: int | None, now: int, progress: Progress | None
) -> Backup:
    """
    Write a copy of the file to *path*, or, where that is a folder, into it under a name with the time.

    Args:
        keep: how many copies by such a name to leave in the folder, the new one among them; None is all.

    Raises:
        OpenError: there is something at *path* that is no memory.
        StorageError: the copy cannot be written, or does not read back as it was; what was at *path* is still there.
    """
    given = Path(path)
    stem = "memory" if db.path == places.MEMORY else Path(db.path).stem
    target = given / f"{stem}-{moment(now):%Y%m%dT%H%M%S}{now % 1000:03}Z.db" if given.is_dir() else given
    _check_target(places.checked(target), db.path)
    with _part_of(str(target)) as part, db.read() as source:
        counts = _counts(source)
        copy(source, part, progress)
        problems = _read_back(part, counts, now)
    removed = _rotate(target.parent, stem, keep) if given.is_dir() and keep is not None else []
    return Backup(str(target), target.stat().st_size, counts["records"], tuple(problems), tuple(removed))


def restore(
    path: str | os.PathLike[str], to: str | os.PathLike[str], *, replace: bool, now: int, progress: Progress | None
) -> Backup:
    """
    Write the backup *path* to where a memory lives.

    Raises:
        OpenError: *path* is no memory, or there is something at *to*, and *replace* does not say that it may go.
        StorageError: the copy does not read back as it was, or what is at *to* is in use; it is still there.
    """
    target = places.checked(to)
    if os.path.exists(target) and not replace:
        raise OpenError(f"{target} exists already; restore to another path, or say that it may be replaced")
    with _part_of(target) as part:
        with other(path) as source:
            counts = _counts(source)
            copy(source, part, progress)
        problems = _read_back(part, counts, now)
    return Backup(target, Path(target).stat().st_size, counts["records"], tuple(problems), ())


def _check_target(target: str, live: str) -> None:
    if not os.path.exists(target):
        return
    if live != places.MEMORY and Path(target).samefile(live):
        raise ValueError(f"path is {target}, the memory itself; a backup needs another name")
    with suppress(StorageError), other(target):  # a damaged backup may be replaced, anything else may not
        pass


@contextmanager
def _part_of(target: str) -> Iterator[str]:
    """Lend the name of a file to write, which takes the place of *target* when the block ends."""
    part = f"{target}.part"
    release(part)  # of a run that was stopped, or of one that is under way
    _remove(part)
    try:
        yield part
        release(target)
        Path(part).replace(target)
    except BaseException:
        _remove(part)
        raise
    places.flush(str(Path(target).absolute().parent))


def _remove(path: str) -> None:
    for each in ("", *SIDES):
        with suppress(FileNotFoundError):
            Path(f"{path}{each}").unlink()


def _counts(connection: Connection) -> dict[str, int]:
    return {name: connection.execute(f"select count(*) from {name}").get for name in COUNTED}


def _read_back(part: str, counts: dict[str, int], now: int) -> list[str]:
    """Return what is wrong with a copy; StorageError where it is not what was copied."""
    written = Database(part, durability="normal", now=lambda: now)
    try:
        problems = doctor.verify(written)
        with written.read() as connection:
            found = _counts(connection)
    finally:
        written.close()
    if found != counts or any(problem.startswith("SQLite: ") for problem in problems):
        raise StorageError(f"the copy {part} does not read back as it was ({'; '.join(problems[:3])}); repeat the call")
    return problems


def _rotate(folder: Path, stem: str, keep: int) -> list[str]:
    """Delete all but the last *keep* copies; return those that went."""
    ours = re.compile(re.escape(stem) + r"-\d{8}T\d{9}Z\.db")
    old = sorted(path for path in folder.iterdir() if ours.fullmatch(path.name))[:-keep]
    for path in old:
        _remove(str(path))
    return [str(path) for path in old]
