"""
The policies of a file, and how often they kept something out.  Owns the tables `policies` and `kept_out`.

Functions take a connection that `Database.read` or `Database.transaction` lent.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from . import policy
from .db import Connection, Stamp
from .policy import Policy
from .records import KeptOut, moment
from .scope import Scope

EVERYBODY = ""  # whose policy holds for those without one of their own
REDACTED, REFUSED, ASIDE = "redacted", "refused", "put aside"


class Rules(NamedTuple):
    """Whose rules are which, as TOML."""

    texts: Mapping[str, str]  # by user

    def text(self, user: str) -> str:
        """Return the policy that holds for *user*, as it was written."""
        return self.texts.get(user, self.texts.get(EVERYBODY, policy.DEFAULT))

    def of(self, user: str) -> Policy:
        """Return the policy that holds for *user*."""
        return policy.read(self.text(user))


def every(connection: Connection) -> Rules:
    """Return the policies in this file."""
    return Rules(dict(connection.execute("select user, text from policies where text is not null")))


def put(connection: Connection, user: str, text: str | None, *, stamp: Stamp) -> None:
    """Write *user*'s policy, in the place of the one before; None says that he has none of his own."""
    connection.execute(
        "insert or replace into policies (user, text, hlc, device) values (?, ?, ?, ?)",
        (user, text, stamp.hlc, stamp.device),
    )


def count(connection: Connection, user: str, action: str, rule: str, *, now: int, stamp: Stamp) -> None:
    """Count once more that a *rule* kept something of *user*'s out today."""
    connection.execute(
        """insert into kept_out (user, day, action, rule, device, count, hlc)
           values (:user, :day, :action, :rule, :device, 1, :hlc)
           on conflict do update set count = count + 1, hlc = excluded.hlc""",
        {
            "user": user,
            "day": moment(now).date().isoformat(),
            "action": action,
            "rule": rule,
            "device": stamp.device,
            "hlc": stamp.hlc,
        },
    )


def kept_out(connection: Connection, user: str) -> tuple[KeptOut, ...]:
    """Return what was kept out of *user*'s memory, all devices together, by day."""
    rows = connection.execute(
        """select day, action, rule, sum(count) from kept_out where user = ?
           group by day, action, rule order by day, action, rule""",
        (user,),
    )
    return tuple(KeptOut(*row) for row in rows)


def forget(connection: Connection, scope: Scope) -> None:
    """Erase what is counted of *scope*'s user, and his own rules, where *scope* is all of him."""
    if not (scope.agent or scope.session):
        connection.execute("delete from kept_out where user = ?", (scope.user,))
        connection.execute("delete from policies where user = ? and user <> ''", (scope.user,))
