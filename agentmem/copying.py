"""
`Copying`: the verbs about other copies of a memory: make one, put one back, take in what another one has.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

from . import scope
from .db import other
from .opened import Opened
from .places import MEMORY
from .records import Backup, MergeReport


class Copying(Opened):
    """What an open memory has to do with its copies."""

    def backup(
        self,
        path: str | os.PathLike[str],
        *,
        keep: int | None = None,
        progress: Callable[[int, int], None] | None = None,
    ) -> Backup:
        """
        Write a copy of the whole file, all users in it, read it back, and only then put it in place.

        Others read and write meanwhile; the copy is of the moment at which it began.

        Args:
            path: the copy, which may take the place of an earlier one; or a folder, where it is named by the time.
            keep: of the copies in the folder, leave the last so many; default is all.
            progress: called with how many pages are written, and how many there are.

        Raises:
            ValueError: *path* is the memory itself, or *keep* is given and *path* is no folder.
            OpenError: there is something at *path* that is no memory.
            StorageError: the copy cannot be written, or does not read back; what was at *path* is still there.
        """
        from . import backup  # few need it

        if keep is not None:
            scope.check_count("keep", keep, 1)
            if not Path(path).is_dir():
                raise ValueError(f"keep is for a folder of copies, and {os.fspath(path)} is none")
        return backup.backup(self._db, path, keep=keep, now=self._now(), progress=progress)

    @staticmethod
    def restore(
        path: str | os.PathLike[str],
        to: str | os.PathLike[str],
        *,
        replace: bool = False,
        progress: Callable[[int, int], None] | None = None,
    ) -> Backup:
        """
        Put the copy *path* where a memory lives; what is written there from now on is as of a new device.

        Args:
            to: where the memory is to be.
            replace: whether what is there may go.  Where both are of use, open it and `merge` the copy instead.
            progress: called with how many pages are written, and how many there are.

        Raises:
            OpenError: *path* is no memory, or there is one at *to*.
            StorageError: *path* is damaged, or *to* is open elsewhere; what was there still is.
        """
        from . import backup

        now = time.time_ns() // 1_000_000
        return backup.restore(path, to, replace=replace, now=now, progress=progress)

    def merge(self, path: str | os.PathLike[str], *, progress: Callable[[int], None] | None = None) -> MergeReport:
        """
        Take in what another copy of this memory has, or another memory: records, what was forgotten, kinds.

        The other file is only read.  Do the same there, and both hold the same; the order does not matter, nor how
        often.  What was forgotten on one side goes on the other, with its versions.  Of what was changed on both, the
        later change holds; the other one stays as history, and is reported.

        Args:
            path: the other memory's file.
            progress: called with how many rows are taken in.

        Returns:
            What came, what conflicted, and whose clock is off.

        Raises:
            ValueError: it is this file.
            OpenError: it is no memory, or of a newer agentmem: update here first, lest something be left behind.
            StorageError: it is damaged, or was written meanwhile; what was taken in is kept, and merging again
                goes on from there.
            ModelError: its vectors have to be made again, and this file's are of another encoder than this memory's.
        """
        from . import changes, meta
        from .merge import Merge, take_in, target_encoder

        if self._db.path != MEMORY and Path(path).exists() and Path(path).samefile(self._db.path):
            raise ValueError(f"path is {os.fspath(path)}, this memory itself; name another one")
        with other(path) as theirs:
            origin = changes.origin(theirs)
            with self._db.read() as connection:
                have = meta.seen(connection)
            target = target_encoder(self._db, self._encoder)
            same = origin.encoder == target and origin.schema == self._db.schema
            merge = Merge(self._db, origin, target, self._encoder, self._now())
            return take_in(merge, changes.since(theirs, have, carried=same), progress)
