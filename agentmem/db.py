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
from pathlib import Path
from typing import Any

import apsw

from . import meta, places, schema
from .errors import ModelError, OpenError, StorageError
from .meta import Stamp, Witness
from .places import MEMORY

__all__ = ["Connection", "DamagedError", "Database", "Stamp", "bound", "copy", "other", "release", "stems"]

Connection = apsw.Connection
DamagedError = apsw.CorruptError  # what SQLite says of a damaged page or index
NONE = array("q", [0])  # no row has this id

BUSY_TIMEOUT_MS = 30_000  # half a minute: writes are short, so only a stuck writer lasts longer
DURABILITY = {"normal": "normal", "full": "full"}  # name → PRAGMA synchronous
PAGES_AT_ONCE = 1_000  # of a copy, 4 MB
MOST_VALUE = 16 << 20  # bytes of one value of a stranger's file; ours are under 1 MB

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
WITNESSES = meta.Witnesses()


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
        self.path = places.checked(path)
        self._durability, self._now = durability, now
        self._flags = apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_CREATE
        # Memory that is not a file has one connection, which threads take in turn: SQLite's shared kind (memdb) knows
        # no write-ahead log, so that readers and writers would run into each other.
        self._turn = threading.Lock() if self.path == MEMORY else nullcontext()
        self._pid = os.getpid()
        self._file = (self._pid, f"{MEMORY}{id(self)}" if self.path == MEMORY else os.path.realpath(self.path))
        self._written: Witness | None = None  # by the transaction under way
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
            self._written = None
            try:
                yield connection
                connection.execute("commit")
                if self._written is not None:
                    WITNESSES.put(self._file, self._written)
            except BaseException:
                # A full disk or an I/O error may have rolled back already.
                if connection.in_transaction:
                    connection.execute("rollback")
                raise

    def stamp(self, connection: Connection) -> Stamp:
        """Return the stamp of the write under way on *connection*, later than every stamp in the file; see `meta`."""
        stamp, self._written = meta.stamp(connection, self._written or WITNESSES.get(self._file), self._now())
        return stamp

    def mark_erased(self, connection: Connection, stamp: Stamp) -> None:
        """Note that records went or were read anew: what is held in memory of the file must be read again."""
        meta.mark_erased(connection, stamp)

    def encoder_id(self, connection: Connection) -> str | None:
        """Return the id of the encoder that the file's vectors were made with; None before the first."""
        return meta.encoder_id(connection)

    def set_encoder_id(self, connection: Connection, id: str) -> None:
        """Note which encoder the file's vectors are made with."""
        meta.set_encoder_id(connection, id)

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
        return schema.newest()

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
        places.make_private(self.path)
        with self._borrow() as connection:
            if connection.readonly("main"):
                raise OpenError(f"{self.path} is read-only; make it writable, or copy it to where you can write")
            _write_ahead(connection)
            if named := schema.migrate(connection, self._now()):
                WITNESSES.put(self._file, named)

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


@contextmanager
def other(path: str | os.PathLike[str]) -> Iterator[Connection]:
    """
    Lend a connection that sees one state of another memory's file, which is only read and left as it is.

    The file may be anybody's: what it holds is data, and bounded; nothing in its schema is run.

    Raises:
        OpenError: not a file of ours, made by a newer agentmem, a folder, or not there.
        StorageError: it is damaged, or was written meanwhile.
    """
    name = places.checked(path)
    if not Path(name).is_file():
        raise OpenError(f"{name} does not exist")
    with _errors_of(name):
        _check_owner(name)
        if not os.path.getsize(name):
            raise OpenError(f"{name} is empty; it is no memory")
        # Without a log beside it the file is at rest, and can be read without leaving a -wal and -shm of our own.
        at_rest = not os.path.exists(f"{name}-wal")
        before = Path(name).stat()
        uri = f"{Path(name).absolute().as_uri()}?immutable=1" if at_rest else name
        connection = Connection(uri, apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI)
        try:
            _confine(connection)
            connection.execute("begin")
            connection.execute("select count(*) from sqlite_schema").fetchone()
            yield connection
        finally:
            connection.close()
        after = Path(name).stat()
        if at_rest and (os.path.exists(f"{name}-wal") or (before.st_size, before.st_mtime_ns) != (
            after.st_size, after.st_mtime_ns)):  # fmt: skip
            raise StorageError(f"{name} was written while it was read; repeat the call")


@contextmanager
def _errors_of(path: str) -> Iterator[None]:
    """Name the file where reading it fails; whatever SQLite says of a stranger's file is the file's fault."""
    try:
        yield
    except tuple(OPEN_HINTS) as error:
        raise OpenError(f"{path} {_hint(OPEN_HINTS, error)} ({error})") from error
    except (apsw.Error, UnicodeDecodeError) as error:
        raise StorageError(f"{path} {DAMAGED} ({error})") from error


def _confine(connection: Connection) -> None:
    """Bound what a stranger's file can do to the process that reads it."""
    connection.set_busy_timeout(BUSY_TIMEOUT_MS)
    connection.config(apsw.SQLITE_DBCONFIG_DEFENSIVE, 1)
    connection.config(apsw.SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0)
    connection.config(apsw.SQLITE_DBCONFIG_ENABLE_VIEW, 0)
    connection.config(apsw.SQLITE_DBCONFIG_ENABLE_TRIGGER, 0)
    connection.pragma("cell_size_check", True)
    connection.pragma("temp_store", 2)
    connection.limit(apsw.SQLITE_LIMIT_LENGTH, MOST_VALUE)


def copy(source: Connection, path: str, progress: Callable[[int, int], None] | None = None) -> None:
    """Write what *source* sees to the file *path*, over what is there, and wait until the disk has it."""
    places.make_private(path)
    target = Connection(path, apsw.SQLITE_OPEN_READWRITE)
    try:
        target.set_busy_timeout(0)
        target.pragma("journal_mode", "off")  # a copy that is not finished is thrown away
        with target.backup("main", source, "main") as backup:
            while not backup.done:
                backup.step(PAGES_AT_ONCE)
                if progress is not None:
                    progress(backup.page_count - backup.remaining, backup.page_count)
    finally:
        target.close()
    places.flush(path)


def release(path: str) -> None:
    """
    Write the log of the memory file *path* back, and remove it: then another file may take its place.

    Raises:
        StorageError: another program has it open.
    """
    if os.path.exists(path):
        connection = Connection(path, apsw.SQLITE_OPEN_READWRITE)
        try:
            connection.set_busy_timeout(0)
            connection.pragma("journal_mode", "delete")
        except apsw.BusyError as error:
            raise StorageError(f"{path} is in use by another program; close that one and repeat") from error
        except (apsw.NotADBError, apsw.CorruptError):
            pass  # it is what is to be replaced
        finally:
            connection.close()
    for side in ("-wal", "-shm"):
        with suppress(FileNotFoundError):
            Path(f"{path}{side}").unlink()


def _hint(hints: dict[type[apsw.Error], str], error: Exception) -> str:
    return next(hint for kind, hint in hints.items() if isinstance(error, kind))


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


def _check_owner(path: str) -> None:
    """Refuse another program's database, and one of a newer agentmem, before a byte of it or its log is written."""
    if path == MEMORY or not os.path.exists(path) or not os.path.getsize(path):
        return
    owner, found, tables = _read_owner(path)
    if owner != schema.APPLICATION_ID and (tables or found):
        raise OpenError(f"{path} is another program's database, with {tables} tables and indexes; choose another path")
    newest = schema.newest()
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
