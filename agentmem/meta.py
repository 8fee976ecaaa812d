"""
What a file knows about itself: its clock, its devices, its encoder.  Owns the tables `meta` and `devices`.

No stamp is ever used twice.  A file cannot tell whether it is a copy, or a restored backup, of one that lives on: what
would tell them apart is copied as well.  So a device is no more than one run of a program that writes, and the process
remembers, outside of the file, up to where it wrote.  Where the file says otherwise, it is not the one that it was, and
the next write is that of a new device.

Functions take a connection that `Database.read` or `Database.transaction` lent.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from .records import new_id, tick

MOST_WITNESSES = 10_000  # files that a process remembers; the ones before get a new device, no more

Connection = Any  # db's


@dataclass(frozen=True, slots=True)
class Stamp:
    """When and where a write happened, comparable across devices."""

    hlc: int  # hybrid logical clock, see records.tick
    device: int  # devices.id, local to the file


class Witness(NamedTuple):
    """As whom this process wrote last in a file."""

    device: str  # uid
    hlc: int  # of the write


class Witnesses:
    """What this process remembers of the files that it wrote in."""

    def __init__(self) -> None:
        self._of: dict[tuple[int, str], Witness] = {}

    def get(self, file: tuple[int, str]) -> Witness | None:
        """Return the last write in *file*: the process, which a fork changes, and the path."""
        return self._of.get(file)

    def put(self, file: tuple[int, str], witness: Witness) -> None:
        """Remember a write that is committed."""
        self._of.pop(file, None)
        self._of[file] = witness
        if len(self._of) > MOST_WITNESSES:
            self._of.pop(next(iter(self._of)), None)


class Seen(NamedTuple):
    """What of a device's writes a file has, in clocks."""

    began: int = 0  # of the first one; 0 is unknown
    last: int = 0  # all up to this one; 0 is unknown
    partly: int = 0  # some, up to this one: a merge broke off


def name_device(connection: Connection, now: int) -> Witness:
    """Begin a new file's clock, and name who makes it."""
    device = new_id(now)
    connection.execute("insert into devices (uid) values (?)", (device,))
    connection.executemany("insert into meta (key, value) values (?, ?)", [("device", device), ("clock", "0")])
    return Witness(device, 0)


def stamp(connection: Connection, witness: Witness | None, now: int) -> tuple[Stamp, Witness]:
    """
    Return the stamp of a write, later than every stamp in the file, and whom it is by.

    Args:
        witness: whom this process's last write in the file was by.
    """
    hlc = tick(clock(connection), now)
    connection.execute("update meta set value = ? where key = 'clock'", (str(hlc),))
    row = witness and connection.execute("select id from devices where uid = ? and seen = ?", witness).fetchone()
    if witness is None or row is None:
        witness = Witness(new_id(now), hlc)
        connection.execute("insert into devices (uid, began) values (?, ?)", witness)
        connection.execute("update meta set value = ? where key = 'device'", (witness.device,))
        row = (connection.last_insert_rowid(),)
    connection.execute(
        "update devices set seen = :hlc, began = iif(began = 0, :hlc, began) where id = :id", {"hlc": hlc, "id": row[0]}
    )
    return Stamp(hlc, int(row[0])), witness._replace(hlc=hlc)


def clock(connection: Connection) -> int:
    """Return the latest stamp that the file has, or has seen."""
    return int(connection.execute("select value from meta where key = 'clock'").get)


def advance(connection: Connection, hlc: int) -> None:
    """Let every later stamp of the file be later than *hlc*, too."""
    connection.execute("update meta set value = max(cast(value as integer), ?) where key = 'clock'", (hlc,))


def number_devices(connection: Connection, uids: Iterable[str]) -> dict[str, int]:
    """Return the local numbers of the devices *uids*; those that are new here get one."""
    wanted = list(uids)
    connection.executemany("insert or ignore into devices (uid) values (?)", [(uid,) for uid in wanted])
    rows = connection.execute(
        "select uid, id from devices where uid in (select value from json_each(?))", (json.dumps(wanted),)
    )
    return dict(rows)


def seen(connection: Connection) -> dict[str, Seen]:
    """Return what the file has of every device, by uid."""
    return {uid: Seen(*rest) for uid, *rest in connection.execute("select uid, began, seen, partly from devices")}


def mark_seen(connection: Connection, seen: Mapping[str, Seen]) -> None:
    """Note that the file has, beside what it had, what *seen* says of devices."""
    number_devices(connection, seen)
    connection.executemany(
        """update devices set seen = max(seen, :last), partly = max(partly, :partly),
               began = case when began > 0 and :began > 0 then min(began, :began) else max(began, :began) end
           where uid = :uid""",
        [{"uid": uid} | each._asdict() for uid, each in seen.items()],
    )


def mark_erased(connection: Connection, stamp: Stamp) -> None:
    """Note that records went or were read anew: what is held in memory of the file must be read again."""
    connection.execute("insert or replace into meta (key, value) values ('erased', ?)", (str(stamp.hlc),))


def encoder_id(connection: Connection) -> str | None:
    """Return the id of the encoder that the file's vectors were made with; None before the first."""
    row = connection.execute("select value from meta where key = 'encoder'").fetchone()
    return None if row is None else str(row[0])


def set_encoder_id(connection: Connection, id: str) -> None:
    """Note which encoder the file's vectors are made with."""
    connection.execute("insert or replace into meta (key, value) values ('encoder', ?)", (id,))
