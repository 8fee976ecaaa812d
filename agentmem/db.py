"""
The file: open it, read it, write it.  The one module that knows apsw and sqlite-vec.

Threads share a `Database`.  Each read or write borrows a connection from a small pool, so that readers run side by
side; WAL lets them go on while one writer writes.  Every write is one short `begin immediate` transaction: a plain
`begin` that reads before it writes fails under contention whatever the busy timeout (383 of 600 contended writes
failed so, none with immediate).
"""

from __future__ import annotations

import importlib.util
import os
import threading
import time
from array import array
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import apsw

from .errors import ModelError, OpenError, StorageError
from .records import new_id, tick
from .words import is_unicode

Connection = apsw.Connection
DamagedError = apsw.CorruptError  # what SQLite says of a damaged page or index
NONE = array("q", [0])  # no row has this id

APPLICATION_ID = 0x61676D31  # "agm1"; `file` prints it
MIGRATIONS = Path(__file__).parent / "migrations"
BUSY_TIMEOUT_MS = 30_000  # half a minute: writes are short, so only a stuck writer lasts longer
DURABILITY = {"normal": "normal", "full": "full"}  # name → PRAGMA synchronous
MEMORY = ":memory:"

# What to tell a person when opening, and later reading or writing, fails; any other SQLite error is a fault of ours.
OPEN_HINTS: dict[type[apsw.Error], str] = {
    apsw.NotADBError: "is not an SQLite file, or it is encrypted; choose another path",
    apsw.CantOpenError: "cannot be opened; may you write in its folder?",
    apsw.ReadOnlyError: "is read-only; make it and its folder writable, or copy it to where you can write",
    apsw.CorruptError: "is damaged; go back to a backup",
    apsw.BusyError: "is locked by another program; close that one and repeat",
    apsw.FullError: "cannot be prepared, the disk is full; free some space and repeat",
    apsw.IOError: "cannot be prepared, the disk failed; is it sound?",
}
DAMAGED = "is damaged. Run `agentmem doctor`, or go back to a backup"
# Of SQLite's plain errors, those that a damaged file gives.
SIGNS_OF_DAMAGE = ("vtable constructor failed", "malformed JSON", "no such table: ", "no such fts5 table: ")
STORAGE_HINTS: dict[type[apsw.Error], str] = {
    apsw.FullError: "could not grow, the disk is full; nothing of this call was kept. Free some space and repeat",
    apsw.BusyError: "is being written by another program for too long; nothing of this call was kept. Repeat it",
    apsw.ReadOnlyError: "has become read-only; nothing of this call was kept. Make it writable and repeat",
    apsw.CorruptError: DAMAGED,
    apsw.NotADBError: DAMAGED,
    apsw.CantOpenError: "can no longer be opened; nothing of this call was kept. Is its folder still there?",
    apsw.IOError: "could not be read or written, the disk failed; nothing of this call was kept",
}


@dataclass(frozen=True, slots=True)
class Stamp:
    """When and where a write happened, comparable across devices."""

    hlc: int  # hybrid logical clock, see records.tick
    device: int  # devices.id, local to the file


class Database:
    """
    One SQLite file with agentmem's schema, safe to share between threads, not across a fork.

    Args:
        path: the file; made if it does not exist.  ":memory:" is a memory that ends with the object.
        durability: "normal" survives a killed process, and a power cut without damage (the last commits may go);
            "full" also keeps every commit through a power cut, and waits for the disk each time.
        now: returns UTC milliseconds.

    Raises:
        OpenError: not a file of ours, made by a newer agentmem, a folder, or not writable.
    """

    def __init__(self, path: str | os.PathLike[str], *, durability: str, now: Callable[[], int]) -> None:
        if not isinstance(durability, str) or durability not in DURABILITY:
            raise ValueError(f"durability is one of {', '.join(DURABILITY)}, not {durability!r}")
        self.path = _check_path(path)
        self._durability, self._now = durability, now
        self._flags = apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_CREATE
        # Memory that is not a file has one connection, which threads take in turn: SQLite's shared kind (memdb) knows
        # no write-ahead log, so that readers and writers would run into each other.
        self._turn = threading.Lock() if self.path == MEMORY else nullcontext()
        self._pid = os.getpid()
        self._idle: list[Connection] = []
        self._pool_lock = threading.Lock()
        # In-process writers queue here in turn; SQLite's own wait is a poll that can starve one of them.
        self._write_lock = threading.Lock()
        self._closed = False
        try:
            with self._open_errors():
                self._prepare()
        except BaseException:
            self.close()
            raise

    @contextmanager
    def read(self, *, fresh: bool = False) -> Iterator[Connection]:
        """
        Lend a connection that sees one unchanging state of the file until the block ends.

        Args:
            fresh: make one for this block alone.  One that has searched FTS5 before another connection wrote
                makes integrity_check report damage where there is none.
        """
        with self._borrow(fresh) as connection, self._storage_errors():
            connection.execute("begin")
            try:
                yield connection
            finally:
                connection.execute("rollback")

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """
        Lend a connection whose writes are kept together when the block ends, or not at all if it raises.

        Keep it short, and encode nothing inside: other processes wait for it.
        """
        with self._write_lock, self._borrow() as connection, self._storage_errors():
            connection.execute("begin immediate")
            try:
                yield connection
                connection.execute("commit")
            except BaseException:
                # A full disk or an I/O error may have rolled back already.
                if connection.in_transaction:
                    connection.execute("rollback")
                raise

    def stamp(self, connection: Connection) -> Stamp:
        """Return the stamp of the write under way on *connection*, later than every stamp in the file."""
        last, device = connection.execute(
            """select (select value from meta where key = 'clock'),
                      (select d.id from devices as d join meta as m on m.value = d.uid where m.key = 'device')"""
        ).get
        hlc = tick(int(last), self._now())
        connection.execute("update meta set value = ? where key = 'clock'", (str(hlc),))
        return Stamp(hlc, int(device))

    def mark_erased(self, connection: Connection, stamp: Stamp) -> None:
        """Note that records went or were read anew: what is held in memory of the file must be read again."""
        connection.execute("insert or replace into meta (key, value) values ('erased', ?)", (str(stamp.hlc),))

    def encoder_id(self, connection: Connection) -> str | None:
        """Return the id of the encoder that the file's vectors were made with; None before the first."""
        row = connection.execute("select value from meta where key = 'encoder'").fetchone()
        return None if row is None else str(row[0])

    def set_encoder_id(self, connection: Connection, id: str) -> None:
        """Note which encoder the file's vectors are made with."""
        connection.execute("insert or replace into meta (key, value) values ('encoder', ?)", (id,))

    def match_encoder(self, connection: Connection, id: str) -> None:
        """Raise ModelError where the file's vectors are of another encoder than *id*: the two cannot be compared."""
        found = self.encoder_id(connection)
        if found not in (None, id):
            raise ModelError(f"{self.path} holds vectors of {found}, this is {id}; rebuild() makes them again")

    def empty_log(self) -> bool:
        """Write the -wal back and truncate it; return False where a reader still holds it open."""
        with self._write_lock, self._borrow() as connection, self._storage_errors():
            busy, _, _ = connection.execute("pragma wal_checkpoint(truncate)").get
            return not busy

    def vacuum(self) -> None:
        """Rewrite the file without its free pages; what it writes meanwhile is kept in memory, see `_configure`."""
        with self._write_lock, self._borrow() as connection, self._storage_errors():
            connection.execute("vacuum")

    @property
    def schema(self) -> int:
        """The number of the newest migration, which an open file has."""
        return migrations()[-1][0]

    def table_sizes(self, connection: Connection) -> dict[str, int]:
        """Return the bytes of each table's pages, indexes and shadow tables counted to their table."""
        rows = connection.execute(
            """select coalesce(v.name, s.tbl_name, d.name), d.pgsize
               from dbstat as d
               left join sqlite_schema as s on s.name = d.name
               left join sqlite_schema as v
                   on v.sql like 'create virtual table%' and s.tbl_name glob v.name || '_*'
               where d.aggregate = true"""
        )
        sizes: dict[str, int] = {}
        for name, size in rows:
            sizes[name] = sizes.get(name, 0) + size
        return dict(sorted(sizes.items(), key=lambda item: -item[1]))

    def size(self) -> int:
        """Return the bytes of the file and its -wal."""
        if self.path == MEMORY:
            with self.read() as connection:
                return int(connection.pragma("page_count")) * int(connection.pragma("page_size"))
        return sum(os.path.getsize(p) for p in (self.path, f"{self.path}-wal") if os.path.exists(p))

    def close(self) -> None:
        """Close the file.  The last connection to it writes the -wal back and removes it."""
        with self._pool_lock:
            self._closed = True
            while self._idle:  # those lent out are closed when they come back
                self._idle.pop().close()

    # -- connections --------------------------------------------------------------------------------------------

    @contextmanager
    def _borrow(self, fresh: bool = False) -> Iterator[Connection]:
        if os.getpid() != self._pid:
            raise OpenError(f"{self.path} was opened before a fork; open it again in each process")
        # The only connection of a memory without a file cannot be stale, and is the memory.
        pooled = not fresh or self.path == MEMORY
        with self._turn:
            with self._pool_lock:
                if self._closed:
                    raise OpenError(f"{self.path} is closed; open it again with Memory({self.path!r})")
                connection = self._idle.pop() if pooled and self._idle else None
            connection = connection or self._connect()
            try:
                yield connection
            finally:
                with self._pool_lock:
                    if pooled and not self._closed:
                        self._idle.append(connection)
                    else:
                        connection.close()

    def _connect(self) -> Connection:
        connection = Connection(self.path, self._flags)
        try:
            with self._open_errors():
                _configure(connection, DURABILITY[self._durability])
        except BaseException:
            connection.close()
            raise
        return connection

    def _prepare(self) -> None:
        _check_owner(self.path)
        _make_private(self.path)
        with self._borrow() as connection:
            if connection.readonly("main"):
                raise OpenError(f"{self.path} is read-only; make it writable, or copy it to where you can write")
            _write_ahead(connection)
            _migrate(connection, self._now())

    # -- errors -------------------------------------------------------------------------------------------------

    @contextmanager
    def _open_errors(self) -> Iterator[None]:
        try:
            yield
        except tuple(OPEN_HINTS) as error:
            raise OpenError(f"{self.path} {_hint(OPEN_HINTS, error)} ({error})") from error

    @contextmanager
    def _storage_errors(self) -> Iterator[None]:
        try:
            yield
        except tuple(STORAGE_HINTS) as error:
            raise StorageError(f"{self.path} {_hint(STORAGE_HINTS, error)} ({error})") from error
        except UnicodeDecodeError as error:
            raise StorageError(f"{self.path} {DAMAGED} (text that is not UTF-8)") from error
        except apsw.SQLError as error:
            if not any(sign in str(error) for sign in SIGNS_OF_DAMAGE):
                raise  # a mistake in our SQL, not in the file
            raise StorageError(f"{self.path} {DAMAGED} ({error})") from error


def bound(ids: Any) -> object:
    """Return *ids*, an int64 array, as a value that SQL reads as a table, "from carray(:ids)"; an empty one as [0]."""
    return apsw.carray(ids if len(ids) else NONE)


def stems(connection: Connection, text: str) -> list[str]:
    """Return the terms that the index of plain words has for *text*, in order."""
    tokenizer = connection.fts5_tokenizer("porter", ["unicode61", "remove_diacritics", "2"])
    return [str(term) for token in tokenizer(text.encode(), apsw.FTS5_TOKENIZE_QUERY, None) for term in token[2:]]


def _hint(hints: dict[type[apsw.Error], str], error: Exception) -> str:
    return next(hint for kind, hint in hints.items() if isinstance(error, kind))


def migrations() -> list[tuple[int, str]]:
    """Return (version, SQL) of each migration, in order."""
    return [(int(path.name[:4]), path.read_text("utf-8")) for path in sorted(MIGRATIONS.glob("[0-9]*.sql"))]


def _check_path(path: object) -> str:
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


def _configure(connection: Connection, synchronous: str) -> None:
    """Set what SQLite forgets with each connection, and close every door that a hostile file could use."""
    connection.set_busy_timeout(BUSY_TIMEOUT_MS)
    connection.config(apsw.SQLITE_DBCONFIG_DEFENSIVE, 1)  # no writes to shadow tables or the schema
    connection.config(apsw.SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0)  # a stranger's view cannot call our functions
    connection.pragma("foreign_keys", True)
    connection.pragma("synchronous", synchronous)
    connection.pragma("secure_delete", True)  # deleted bytes are overwritten, not just unlinked
    connection.pragma("temp_store", 2)  # in memory: nothing of a person's life in a temporary file
    # SQLite's lower() knows ASCII only.
    connection.create_scalar_function("casefold", _casefold, 1, deterministic=True)
    connection.enable_load_extension(True)
    connection.load_extension(_vector_extension())
    connection.enable_load_extension(False)
    # Made with the connection: what a transaction makes, its end takes away.
    connection.execute("create virtual table temp.spoken using fts5vocab(main, records_fts, instance)")


def _casefold(*values: object) -> str:
    return str(values[0]).casefold()


def _vector_extension() -> str:
    # Found, not imported: `import sqlite_vec` imports numpy, 0.1 s that a plain `list` need not pay.
    spec = importlib.util.find_spec("sqlite_vec")
    if spec is None or spec.origin is None:
        raise OpenError("the package sqlite-vec is missing; install it with: pip install sqlite-vec")
    return str(Path(spec.origin).parent / "vec0")


def _make_private(path: str) -> None:
    """Make a new file readable by its owner alone; its -wal and -shm get the same rights from SQLite."""
    if path != MEMORY and not os.path.exists(path):
        with suppress(OSError):  # SQLite will meet the same obstacle, and is asked for words
            os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o600))


def _check_owner(path: str) -> None:
    """Refuse another program's database, and one of a newer agentmem, before a byte of it or its log is written."""
    if path == MEMORY or not os.path.exists(path) or not os.path.getsize(path):
        return
    owner, found, tables = _read_owner(path)
    if owner != APPLICATION_ID and (tables or found):
        raise OpenError(f"{path} is another program's database, with {tables} tables and indexes; choose another path")
    newest = migrations()[-1][0]
    if found > newest:
        raise OpenError(
            f"{path} has schema {found}, this agentmem knows up to {newest}; run: pip install -U agentmem-sqlite"
        )


def _read_owner(path: str, attempts: int = 5) -> tuple[int, int, int]:
    """Return the file's application id, its version, and how many tables and indexes it has."""
    # Without a log beside it the file is at rest, and can be read without leaving a -wal and -shm of our own.
    at_rest = not os.path.exists(f"{path}-wal")
    name = f"{Path(path).absolute().as_uri()}?immutable=1" if at_rest else path
    connection = Connection(name, apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI)
    try:
        connection.set_busy_timeout(BUSY_TIMEOUT_MS)
        connection.execute("begin")  # one state for all three
        owner, found = connection.pragma("application_id"), connection.pragma("user_version")
        return owner, found, connection.execute("select count(*) from sqlite_schema").get
    except (apsw.NotADBError, apsw.CorruptError, apsw.IOError):
        # Not at rest after all, perhaps: another process may be making the file at this moment.
        if not (at_rest and attempts):
            raise
    finally:
        connection.close()
    time.sleep(0.05)
    return _read_owner(path, attempts - 1)


def _write_ahead(connection: Connection) -> None:
    """Turn the write-ahead log on, waiting for others who do so: here SQLite itself gives up at once."""
    deadline = time.monotonic() + BUSY_TIMEOUT_MS / 1000
    while True:
        try:
            connection.pragma("journal_mode", "wal")
            return
        except apsw.BusyError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.01)


def _migrate(connection: Connection, now: int) -> None:
    """Bring the file to the newest schema; each step is one transaction with the version it leads to."""
    for version, sql in migrations():
        if connection.pragma("user_version") >= version:
            continue
        connection.execute("begin immediate")
        try:
            # Read again: another process may have done the step while this one waited for the lock.
            if connection.pragma("user_version") < version:
                connection.execute(sql)
                if version == 1:
                    _name_device(connection, now)
                connection.pragma("user_version", version)
            connection.execute("commit")
        except BaseException:
            if connection.in_transaction:
                connection.execute("rollback")
            raise


def _name_device(connection: Connection, now: int) -> None:
    device = new_id(now)
    connection.pragma("application_id", APPLICATION_ID)
    connection.execute("insert into devices (uid) values (?)", (device,))
    connection.executemany("insert into meta (key, value) values (?, ?)", [("device", device), ("clock", "0")])
