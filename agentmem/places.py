"""
Where a memory file lies: whether SQLite takes the name, who else may read it there, and what endangers it.

A database that is written lives in three files that belong together, and SQLite keeps them so by locks.  A program that
copies a folder to other devices copies one without the others, and half-written; a network file system may not lock.
"""

from __future__ import annotations

import os
import sys
from contextlib import nullcontext, suppress
from functools import lru_cache
from pathlib import Path

from .errors import OpenError
from .words import is_unicode

MEMORY = ":memory:"
# Folders that other programs keep alike on several devices: beginnings of names, and what such a program puts there.
SYNCED = {
    "Dropbox": "Dropbox",
    "OneDrive": "OneDrive",
    "Mobile Documents": "iCloud Drive",
    "iCloudDrive": "iCloud Drive",
    "CloudStorage": "a cloud drive",
    "Google Drive": "Google Drive",
    "GoogleDrive": "Google Drive",
    "My Drive": "Google Drive",
    "Nextcloud": "Nextcloud",
    "ownCloud": "ownCloud",
    "pCloud": "pCloud",
    "MEGAsync": "MEGA",
}
MARKERS = {
    ".stfolder": "Syncthing",
    ".dropbox": "Dropbox",
    ".dropbox.cache": "Dropbox",
    ".owncloudsync.log": "ownCloud or Nextcloud",
    ".nextcloudsync.log": "Nextcloud",
    ".sync": "Resilio Sync",
}
MOUNTS = Path("/proc/self/mounts")  # of Linux
REMOTE = 4  # DRIVE_REMOTE, of Windows
NETWORK = frozenset((
    "nfs", "nfs3", "nfs4", "cifs", "smb", "smb2", "smb3", "smbfs", "afs", "ncpfs", "9p", "ceph", "glusterfs", "lustre",
    "davfs", "fuse.sshfs", "fuse.davfs2", "fuse.rclone", "fuse.s3fs", "fuse.glusterfs", "fuse.gvfsd-fuse",
))  # fmt: skip


def checked(path: object) -> str:
    """Return *path* as a name that SQLite takes; TypeError or OpenError, and why, where it is none."""
    name = os.fspath(path) if isinstance(path, os.PathLike) else path
    if not isinstance(name, str):
        raise TypeError(f"the path is a string or a Path, not {path!r}")
    if name == MEMORY:
        return name
    if not name or "\0" in name or not is_unicode(name):
        raise OpenError(f"{name!r} is no file name that SQLite takes: text, not empty, without NUL")
    if os.path.isdir(name):
        raise OpenError(f"{name} is a folder; name a file in it, such as {os.path.join(name, 'memory.db')}")
    folder = os.path.dirname(os.path.abspath(name))
    if not os.path.isdir(folder):
        raise OpenError(f"{folder} does not exist; make the folder first")
    return name


def make_private(path: str) -> None:
    """Make a new file readable by its owner alone; its -wal and -shm get the same rights from SQLite."""
    if path != MEMORY and not os.path.exists(path):
        with suppress(OSError):  # SQLite will meet the same obstacle, and is asked for words
            os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o600))


def flush(path: str) -> None:
    """Wait until the disk has the file or, where the system can say so, the folder *path*."""
    flags = os.O_RDONLY if os.path.isdir(path) else os.O_RDWR
    with suppress(OSError) if os.path.isdir(path) else nullcontext():
        descriptor = os.open(path, flags)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def danger(path: str) -> str | None:
    """Return what endangers a live memory file at *path*, and what to do instead; None where nothing is known to."""
    if path == MEMORY:
        return None
    risk = _risk(Path(os.path.realpath(path)).parent)
    return risk and f"{path} lies {risk}; keep it on a disk of this device, and carry it over with `backup` and `merge`"


@lru_cache(1_000)
def _risk(folder: Path) -> str | None:
    if name := _synced(folder):
        return f"in a folder that {name} syncs, which copies a file while it is being written"
    if kind := _network(folder):
        return f"on a network file system ({kind}), whose locks cannot be relied on"
    return None


def _synced(path: Path) -> str | None:
    for folder in (path, *path.parents):
        if found := next((name for start, name in SYNCED.items() if folder.name.startswith(start)), None):
            return found
        if found := next((name for marker, name in MARKERS.items() if os.path.exists(folder / marker)), None):
            return found
    return None


def _network(path: Path) -> str | None:
    if sys.platform == "win32":
        import ctypes

        return "a share" if ctypes.windll.kernel32.GetDriveTypeW(path.anchor) == REMOTE else None
    with suppress(OSError, UnicodeDecodeError):
        mounts = [line.split() for line in MOUNTS.read_text("utf-8").splitlines()]
        over = [(len(at), kind) for _, at, kind, *_ in mounts if path.is_relative_to(at.replace("\\040", " "))]
        kind = max(over, default=(0, ""))[1]
        return kind if kind in NETWORK else None
    return None
