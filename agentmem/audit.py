"""
The audit trail: who did what when, as a chain that shows where somebody changed it.  Owns the table `audit`.

An entry has ids, counts and names, never a text.  Its hash is over the hash of the entry before and over *digests* of
what can be forgotten: of each id, and of each name with a salt of its own.  So forgetting puts the digest in the place
of an id or name, deletes the salt, and breaks nothing: what a digest without its salt was made of cannot be guessed.
That an id was hidden without its record being forgotten shows, as tombstones keep the ids of what was.

Who can write the file can make a whole new chain; who keeps the hash of an entry elsewhere can tell.

Functions take a connection that `Database.read` or `Database.transaction` lent.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from .db import Connection
from .records import AuditEntry, Context, Entity, Fact, Hit, Record, Related, moment, sha256
from .scope import NOBODY, Predicate, Scope

FIRST = bytes(32)  # what stands before the first entry
HIDDEN = "-"  # before the digest of a forgotten id
SHOWN = 10  # breaks that are told one by one
Names = Mapping[str, Sequence[str]]  # {"user": [name, salt]}; a digest in the place of a list is hidden


def note(
    connection: Connection, verb: str, by: Scope, ids: Sequence[str] = (), *, at: int, to: Scope = NOBODY,
    count: int | None = None, forgotten: Scope | None = None,
) -> None:  # fmt: skip
    """
    Add an entry.

    Args:
        by: who does it, by user and agent.
        ids: of records, or of a grant.
        at: UTC milliseconds.
        to: to whom something is granted.
        count: how many records it is about; default is as many as *ids*.
        forgotten: who goes with it, see `hide`: of his names there are digests only.
    """
    given = {"user": by.user, "agent": by.agent, "to": to.user, "to agent": to.agent}
    names: Names = {name: [value, os.urandom(16).hex()] for name, value in given.items() if value}
    if forgotten is not None:
        names = _without(names, forgotten)
    number, before = connection.execute(
        """select ifnull((select seq from sqlite_sequence where name = 'audit'), 0) + 1,
                  (select hash from audit order by id desc limit 1)"""
    ).get
    count = len(ids) if count is None else count
    connection.execute(
        "insert into audit (id, at, verb, names, ids, count, hash) values (?, ?, ?, ?, ?, ?, ?)",
        (number, at, verb, json.dumps(names, ensure_ascii=False), json.dumps(list(ids)), count,
         _hash(before or FIRST, number, at, verb, names, ids, count)),
    )  # fmt: skip


def note_records(connection: Connection, verb: str, records: Sequence[Record], *, at: int) -> None:
    """Add an entry for each user and agent that has some of *records*, which were written together."""
    groups: dict[Scope, list[str]] = {}
    for record in records:
        groups.setdefault(Scope(record.user, record.agent or ""), []).append(record.id)
    for by, ids in groups.items():
        note(connection, verb, by, ids, at=at)


def hide(connection: Connection, uids: Sequence[str], whose: Scope | None) -> bool:
    """
    Put digests in the place of the ids *uids* and of the names in *whose*: his agent's if it has one, or else all that
    is noted of that user.  Return whether there was any such name.
    """
    forgotten = set(uids)
    rows = (
        []
        if not uids
        else connection.execute(
            """select distinct a.id, a.ids from audit as a, json_each(a.ids) as i
           where i.value in (select value from json_each(?))""",
            (json.dumps(list(uids)),),
        ).fetchall()
    )
    for number, ids in rows:
        left = [_digest(id) if id in forgotten else id for id in json.loads(str(ids))]
        connection.execute("update audit set ids = ? where id = ?", (json.dumps(left), number))
    return whose is not None and _hide_names(connection, whose)


def _hide_names(connection: Connection, whose: Scope) -> bool:
    rows = connection.execute(
        """select id, names from audit
           where ifnull(names ->> '$.user[0]', '') = :user or names ->> '$.to[0]' = :user""",
        {"user": whose.user},
    ).fetchall()
    found = False
    for number, text in rows:
        names: Names = json.loads(str(text))
        left = _without(names, whose)
        if left != names:
            sql = "update audit set names = ? where id = ?"
            connection.execute(sql, (json.dumps(left, ensure_ascii=False), number))
            found = True
    return found


def _without(names: Names, whose: Scope) -> Names:
    return {name: _seal(parts) if _is_of(name, names, whose) else parts for name, parts in names.items()}


def _is_of(name: str, names: Names, whose: Scope) -> bool:
    """Return whether the name that *name* stands for goes with *whose*."""
    owner, agent = ("to", "to agent") if name.startswith("to") else ("user", "agent")
    if _name(names, owner) != whose.user or (owner == "to" and not whose.user):
        return False
    return not whose.agent or (name == agent and _name(names, agent) == whose.agent)


def _name(names: Names, name: str) -> str | None:
    """Return who *name* stands for: "" is nobody in particular, None is hidden."""
    parts = names.get(name, ("", ""))
    return None if isinstance(parts, str) else parts[0]


def entries(
    connection: Connection, own: Predicate, by: Scope | None, *, verbs: Sequence[str] | None, since: int, until: int,
    limit: int, offset: int,
) -> list[AuditEntry]:  # fmt: skip
    """
    Return entries, the newest first.

    Args:
        own: the reader's own records.
        by: what this user, as this agent if there is one, did, what was granted to him, and what others read of his
            records, with no ids but those.  None is everybody's.
        verbs: only these; None is all.
        since, until: UTC milliseconds; since <= at < until.
    """
    mine = "ifnull(a.names ->> '$.user[0]', iif(a.names ->> '$.user' is null, '', null)) is :by_user"
    mine += " and a.names ->> '$.agent[0]' = :by_agent" if by is not None and by.agent else ""
    concerns = f"({mine} or a.names ->> '$.to[0]' = :by_user)" if by is not None else "true"
    rows = connection.execute(
        f"""select id, at, verb, names, iif(whole, ids, own), iif(whole, count, json_array_length(own)), hash
            from (select a.*, {concerns} as whole, (
                      select json_group_array(i.value) from json_each(a.ids) as i
                      cross join records as r on r.uid = i.value where {own.sql}) as own
                  from audit as a where a.at >= :since and a.at < :until
                  and (:verbs is null or a.verb in (select value from json_each(:verbs))))
            where whole or own <> '[]' order by id desc limit :limit offset :offset""",
        {**own.bindings, "by_user": by.user if by else "", "by_agent": by.agent if by else "",
         "since": since, "until": until, "limit": limit, "offset": offset,
         "verbs": None if verbs is None else json.dumps(list(verbs))},
    )  # fmt: skip
    return [_entry(*row) for row in rows]


def _entry(number: int, at: int, verb: str, names: str, ids: str, count: int, hash: bytes) -> AuditEntry:
    known: Names = json.loads(names)
    return AuditEntry(
        number=number,
        at=moment(at),
        verb=verb,
        user=_name(known, "user"),
        agent=_name(known, "agent") or None,
        to=_name(known, "to") or None,
        ids=tuple(id for id in json.loads(ids) if not id.startswith(HIDDEN)),
        count=count,
        hash=hash.hex(),
    )


def ids_of(answer: object) -> list[str]:
    """Return the ids of the records that the *answer* of a read shows, each once."""
    return list(dict.fromkeys(_ids(answer)))


def _ids(answer: object) -> Iterator[str]:
    match answer:
        case Record() | Hit():
            yield answer.id
        case Fact():
            yield from answer.evidence
        case Entity():
            yield from (*answer.mentions, *_ids(answer.facts))
        case Related():
            yield from _ids(answer.path)
        case Context():
            yield from (*_ids(answer.hits), *_ids(answer.facts), *(line.id for line in answer.lines if line.id))
        case list() | tuple():
            for each in answer:
                yield from _ids(each)


# -- the chain ------------------------------------------------------------------------------------------------------


def broken(connection: Connection) -> list[str]:
    """Return where the chain breaks, a sentence each; nothing where it is whole."""
    found = list(_breaks(connection))
    more = len(found) - SHOWN
    return found[:SHOWN] + ([f"and {more} more breaks of the audit trail"] if more > 0 else [])


def _breaks(connection: Connection) -> Iterator[str]:
    before, expected, hidden = FIRST, 1, dict[str, int]()
    nameless = forgetting = 0  # the last entries that hide a name, and that forget
    for number, at, verb, names, ids, count, hash in connection.execute(
        "select id, at, verb, names, ids, count, hash from audit order by id"
    ):
        if number > expected:
            yield f"the audit trail breaks at entry {expected}: {number - expected} are missing"
        try:
            holds = _hash(before, number, at, verb, json.loads(names), json.loads(ids), count) == hash
        except (ValueError, TypeError, AttributeError, IndexError):
            holds = False
        if not holds and number == expected:
            yield f"the audit trail breaks at entry {number}: it was changed"
        elif holds:
            hidden |= {id: number for id in json.loads(ids) if id.startswith(HIDDEN)}
            nameless = number if any(isinstance(parts, str) for parts in json.loads(names).values()) else nameless
        forgetting = number if verb == "forget" else forgetting
        before, expected = hash, number + 1
    last = connection.execute("select ifnull((select seq from sqlite_sequence where name = 'audit'), 0)").get
    if last >= expected:
        yield f"the audit trail breaks at entry {expected}: {last - expected + 1} are missing at its end"
    if hidden:
        known = {_digest(row[0]) for row in connection.execute("select uid from tombstones")}
        for number in sorted({number for id, number in hidden.items() if id not in known}):
            yield f"entry {number} of the audit trail hides an id that was never forgotten"
    if nameless > forgetting:
        yield f"entry {nameless} of the audit trail hides a name, and nobody was forgotten since"


def _hash(before: bytes, number: int, at: int, verb: str, names: Names, ids: Sequence[str], count: int) -> bytes:
    leaves = "".join(id if id.startswith(HIDDEN) else _digest(id) for id in ids)
    seals = {name: _seal(parts) for name, parts in sorted(names.items())}
    content: list[Any] = [number, at, verb, seals, sha256(leaves.encode()).hex(), count]
    return sha256(before + json.dumps(content).encode())


def _seal(parts: Sequence[str]) -> str:
    """Return the digest of [name, salt], or what is one already."""
    return parts if isinstance(parts, str) else sha256(f"{parts[1]}{parts[0]}".encode()).hex()


def _digest(id: str) -> str:
    return HIDDEN + sha256(id.encode()).hex()[:32]
