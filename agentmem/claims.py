"""
What records claim of people and things: written beside each record, read for one subject.  Owns the derived table
`claims`, which `rebuild` can make again.

A claim belongs to its record: what a read may not see of records it does not see of claims, and with a record its
claims are forgotten.  Functions take a connection that `Database.read` or `Database.transaction` lent.
"""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from .db import Connection
from .predicates import RELATIONS
from .scope import Predicate

CORRECTION = "correction"  # kind of a record by which a person says what is so; its metadata has the claim
LATELY = 100  # claims that are looked through
SELF = ""  # key of the user, where nobody is named
NAMING = ("name", "called", *RELATIONS)  # predicates that say that two names mean one


class Made(NamedTuple):
    """A claim as it is stored."""

    subject: str  # key
    predicate: str
    object: str
    holds: bool
    ended: bool
    own: bool  # said by the subject itself
    confidence: float


class Said(NamedTuple):
    """A claim, and who said it when."""

    subject: str  # key
    predicate: str
    object: str
    key: str  # of the object
    holds: bool
    ended: bool
    confidence: float
    at: int  # UTC ms, from when it holds or no longer holds
    recorded_at: int  # UTC ms
    until: int | None  # UTC ms, when a revision took the record's place
    position: int
    uid: str  # of the record
    trust: float
    by_hand: bool  # a person corrected what was known


def key(name: str) -> str:
    """Return *name* without case, accents and articles: by what it is compared."""
    marked = unicodedata.normalize("NFKD", name).casefold()
    words = "".join(letter for letter in marked if not unicodedata.combining(letter)).split()
    return " ".join(words[1:] if len(words) > 1 and words[0] in ("the", "a", "an") else words)


def of(text: str, *, role: str, speaker: str | None, kind: str, metadata: str) -> list[Made]:
    """
    Return the claims of a record.

    What an assistant, a system or a tool says is no evidence: it may repeat what it was told, or got wrong.
    """
    if kind == CORRECTION:
        given = json.loads(metadata).get("claim")
        if not isinstance(given, list) or [type(each) for each in given] != [str, str, str, bool, bool]:
            return []  # a record of that kind by somebody else
        subject, predicate, object, holds, ended = given
        return [Made(subject, predicate, object, holds, ended, own=False, confidence=1.0)]
    if role != "user":
        return []
    from .extract import claims  # its patterns take 0.05 s: only those who write pay for them

    me = key(speaker or SELF)
    return [
        Made(
            key_of(made.subject, me),
            made.predicate,
            made.object,
            made.holds,
            made.ended,
            made.subject == "I",
            made.confidence,
        )
        for made in claims(text)
    ]


def key_of(subject: str, me: str) -> str:
    """Return the key of whom a text calls *subject*; *me* is the speaker's."""
    if subject == "I":
        return me
    if subject.startswith("my "):
        relation, _, name = subject[3:].partition(" ")
        for known in RELATIONS:  # of several words, too: "best friend"
            if subject[3:].startswith(known) and len(known) > len(relation):
                relation, name = known, subject[3 + len(known) :].strip()
        return key(name) if name else f"{me}'s {relation}"
    return key(subject)


def index(connection: Connection, id: int, made: Iterable[Made]) -> None:
    """Write the claims of the record with row id *id*."""
    for number, claim in enumerate(made):
        connection.execute(
            """insert into claims
                   (record, number, subject, predicate, object, object_key, own, holds, ended, confidence)
               values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)""",
            (id, number, claim.subject, claim.predicate, claim.object, key(claim.object), claim.own, claim.holds,
             claim.ended, claim.confidence),
        )  # fmt: skip


def unindex(connection: Connection, ids: Sequence[int]) -> None:
    """Take the claims of records out."""
    for id in ids:
        connection.execute("delete from claims where record = ?", (id,))


def rebuild(connection: Connection, rows: Iterable[tuple[int, Mapping[str, Any]]]) -> None:
    """Read the claims again from *rows*, row id and what `of` takes, which are all."""
    connection.execute("delete from claims")
    for id, row in rows:
        index(connection, id, of(**row))


def speakers(connection: Connection, seen: Predicate) -> list[str]:
    """Return the keys of those who spoke of themselves lately, the last first."""
    rows = connection.execute(
        f"""select distinct subject from (
                select c.subject from claims as c join records as r on r.id = c.record
                where c.own and {seen.sql} order by c.record desc limit {LATELY})""",
        seen.bindings,
    )
    return [row[0] for row in rows]


def said(
    connection: Connection, seen: Predicate, subjects: Sequence[str] | None, predicates: Sequence[str] | None
) -> list[Said]:
    """Return what the records that *seen* sees claim of *subjects*, in any order; None is of all."""
    which = "" if subjects is None else "c.subject in (select value from json_each(:subjects)) and"
    which += "" if predicates is None else " c.predicate in (select value from json_each(:predicates)) and"
    rows = connection.execute(
        f"""select c.subject, c.predicate, c.object, c.object_key, c.holds, c.ended, c.confidence * r.confidence,
                ifnull(r.occurred_at, r.recorded_at), r.recorded_at, r.valid_to, ifnull(r.position, 0), r.uid, r.trust,
                r.kind = :correction
            from claims as c join records as r on r.id = c.record
            where {which} {seen.sql}""",
        {
            **seen.bindings,
            "subjects": json.dumps(subjects),
            "predicates": json.dumps(predicates),
            "correction": CORRECTION,
        },
    )
    return [Said(*row) for row in rows]
