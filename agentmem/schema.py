"""
The schema of a file: the migrations in the folder of that name, in order.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from .meta import Witness, name_device

APPLICATION_ID = 0x61676D31  # "agm1"; `file` prints it
MIGRATIONS = Path(__file__).parent / "migrations"


def migrations() -> list[tuple[int, str]]:
    """Return (version, SQL) of each migration, in order."""
    return [(int(path.name[:4]), path.read_text("utf-8")) for path in sorted(MIGRATIONS.glob("[0-9]*.sql"))]


def newest() -> int:
    """Return the number of the newest migration, which an open file has."""
    return migrations()[-1][0]


def migrate(connection: Any, now: int) -> Witness | None:
    """
    Bring the file to the newest schema; each step is one transaction with the version it leads to.

    Returns:
        Who made the file, where it is new.
    """
    made = None
    for version, sql in migrations():
        if connection.pragma("user_version") >= version:
            continue
        connection.execute("begin immediate")
        try:
            # Read again: another process may have done the step while this one waited for the lock.
            if connection.pragma("user_version") < version:
                connection.execute(sql)
                if version == 1:
                    connection.pragma("application_id", APPLICATION_ID)
                    made = name_device(connection, now)
                connection.pragma("user_version", version)
            connection.execute("commit")
        except BaseException:
            if connection.in_transaction:
                connection.execute("rollback")
            raise
    return made
