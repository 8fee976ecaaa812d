"""
What records claim of people and things: written beside each record, read for one subject.  Owns the derived table
`claims`, which `rebuild` can make again.

A claim belongs to its record: what a read may not see of records it does not see of claims, and with a record its
claims are forgotten.  "I" in a record that somebody else granted is he, by his name; and what others' records say is
never a claim about the reader: a Ben of theirs may be another.

Functions take a connection that `Database.read` or `Database.transaction` lent.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

from . import candidates
from .db import Connection
from .predicates import FORMER, HINT, RELATION, RELATIONS
from .records import Row
from .scope import Predicate, Seen
from .words import STOPWORDS

if TYPE_CHECKING:  # numpy
    from .marks import Mark

CORRECTION = "correction"  # kind of a record by which a person says what is so; its metadata has the claim
STEPS = 3  # from one name to another
QUERY_WORDS, NAME_WORDS = 40, 3  # of a query that are looked at, and of a name
LATELY = 100  # claims that are looked through, of one predicate or by one speaker
WORD = re.compile(r"\w+(?:['’.-]\w+)*")
SELF = ""  # key of the user, where nobody is named
NAMELESS = "default user"  # key of the user who has no name, for those to whom he granted something


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
    own: bool  # said by the subject itself
    hint: bool  # too unsure to be known: it casts doubt on what is
    confidence: float
    at: int  # UTC ms, from when it holds or no longer holds
    recorded_at: int  # UTC ms
    until: int | None  # UTC ms, when a revision took the record's place
    position: int
    uid: str  # of the record
    trust: float
    by_hand: bool  # a person corrected what was known
    granted: bool = False  # somebody else's record says so


def key(name: str) -> str:
    """Return *name* without case, accents and articles: by what it is compared."""
    marked = unicodedata.normalize("NFKD", name).casefold()
    words = "".join(letter for letter in marked if not unicodedata.combining(letter)).split()
    return " ".join(words[1:] if len(words) > 1 and words[0] in ("the", "a", "an") else words)


def evident(role: str, kind: str, *, defined: bool) -> bool:
    """
    Return whether what a record of that role and kind states is evidence, so that it is to be marked.

    What an assistant, a system or a tool says is none: it may repeat what it was told, or got wrong.  Neither are the
    fields of a kind that is *defined*: they are not speech.
    """
    return role == "user" and kind != CORRECTION and not defined


def of(
    text: str, marks: Sequence[Mark], *, evidence: bool, speaker: str | None, kind: str, metadata: str
) -> list[Made]:
    """
    Return the claims of a record.

    Args:
        marks: of its indexed text, which begins with the speaker's name.
        evidence: whether what it states is evidence, see `evident`.
    """
    if kind == CORRECTION:
        given = json.loads(metadata).get("claim")
        if not isinstance(given, list) or [type(each) for each in given] != [str, str, str, bool, bool]:
            return []  # a record of that kind by somebody else
        subject, predicate, object, holds, ended = given
        return [Made(subject, predicate, object, holds, ended, own=False, confidence=1.0)]
    if not evidence:
        return []
    from .extract import claims  # numpy, which the encoder has loaded already
    from .marks import behind

    me = key(speaker or SELF)
    found = candidates.kept(metadata, text)
    stated = behind(marks, len(Row(0, speaker, text).indexed_text) - len(text))
    made = claims(text, stated, found)
    return [
        Made(key_of(each.subject, me), *each[1:5], own=each.subject == "I", confidence=each.confidence) for each in made
    ]


def key_of(subject: str, me: str = SELF) -> str:
    """
    Return the key of whom a text calls *subject*; *me* is the speaker's.

    "my sister Mel" of Ana is "ana's sister mel", not "mel": there may be another.
    """
    if subject == "I":
        return me
    if subject.startswith("my "):
        words = subject[3:].split()
        for place, word in enumerate(words):
            if word.endswith(("'s", "’s")) or word in FORMER:
                break  # "my sister's boss" and "my old boss" are not my boss
            if word in RELATION:  # "my best friend Mel"
                name = " ".join(words[place + 1 :])
                return f"{me}'s {RELATION[word]} {key(name)}".strip()
        return f"{me}'s {' '.join(words)}"
    return key(subject)


def index(connection: Connection, id: int, made: Iterable[Made]) -> None:
    """Write the claims of the record with row id *id*, which has none yet."""
    for number, claim in enumerate(made):
        connection.execute(
            """insert into claims
                   (record, number, subject, predicate, object, object_key, own, holds, ended, confidence)
               values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)""",
            (id, number, claim.subject, claim.predicate, claim.object, key(claim.object), claim.own, claim.holds,
             claim.ended, claim.confidence),
        )  # fmt: skip


def adopt(connection: Connection, _table: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Write claims as another file has them, each beginning with the row id of its record here."""
    connection.executemany(
        f"insert into claims (record, {', '.join(columns)}) values ({', '.join('?' * (len(columns) + 1))})", rows
    )


def unindex(connection: Connection, ids: Sequence[int]) -> None:
    """Take the claims of records out."""
    for id in ids:
        connection.execute("delete from claims where record = ?", (id,))


def clear(connection: Connection) -> None:
    """Take out every claim: they are read again with the records' vectors."""
    connection.execute("delete from claims")


def speakers(connection: Connection, seen: Seen) -> list[str]:
    """Return the keys of those who spoke of themselves lately in the reader's own records, the last first."""
    own = _own(seen)
    rows = connection.execute(
        f"""select distinct subject from (
                select c.subject from claims as c join records as r on r.id = c.record
                where c.own and {own.sql} order by c.record desc limit {LATELY})""",
        own.bindings,
    )
    return [row[0] for row in rows]


class Stated(NamedTuple):
    """A claim of a record, without who said it when."""

    uid: str  # of the record
    subject: str  # key
    predicate: str
    key: str  # of the object
    holds: bool


def stated(connection: Connection, seen: Seen, uids: Sequence[str]) -> list[Stated]:
    """Return what those of the records *uids* that *seen* sees claim, in their order."""
    found: list[tuple[int, int, Stated]] = []
    for owner, part in _by_owner(seen):
        rows = connection.execute(
            f"""select asked.key, c.number, r.uid, c.subject, c.predicate, c.object_key, c.holds
                from json_each(:uids) as asked cross join records as r on r.uid = asked.value
                cross join claims as c on c.record = r.id where c.confidence >= {HINT} and {part.sql}""",
            {**part.bindings, "uids": json.dumps(list(uids))},
        )
        found += [
            (place, number, Stated(uid, _by_name(subject, owner), *rest)) for place, number, uid, subject, *rest in rows
        ]
    return [each for *_, each in sorted(found, key=lambda row: row[:2])]


def naming(connection: Connection, seen: Seen, keys: Sequence[str]) -> list[Said]:
    """
    Return the claims that say who one of *keys* is: his names, and of whom he is the sister or boss.

    Args:
        keys: names, and roles as "ana's sister".  Looks some steps far: from "mel" to "ana's sister", and to whom else
            Ana has for a sister.
    """
    found: dict[tuple[str, str, str], Said] = {}
    known, waiting = set(keys), set(keys)
    for _ in range(STEPS):
        roles = {
            (whose, role.split()[0]) for whose, of, role in (key.rpartition("'s ") for key in waiting) if of and role
        }
        rows = _read(connection, seen, sorted(waiting), _OF_NAMES)
        rows += _of_roles(connection, seen, sorted(roles)) if roles else []
        found.update({(claim.uid, claim.subject, claim.key): claim for claim in rows})
        waiting = {name for claim in rows for name in _names(claim)} - known
        known |= waiting
        if not waiting:
            break
    return list(found.values())


_OF_ROLES = "(c.subject, c.predicate) in (select value ->> 0, value ->> 1 from json_each(:roles)) and"
_OF_NAMES = f"""
    (c.subject in (select value from json_each(:keys)) and c.predicate in ('name', 'called')
     or c.object_key in (select value from json_each(:keys)) and c.predicate in ('name', 'called')
     or c.object_key in (select value from json_each(:keys))
        and c.predicate in (select value from json_each('{json.dumps(sorted(RELATIONS))}'))) and"""


def _names(claim: Said) -> Sequence[str]:
    """Return what a claim says to be one: two names; or a role, who has it, and both."""
    if claim.predicate not in RELATIONS:
        return claim.subject, claim.key
    role = f"{claim.subject}'s {claim.predicate}"
    return role, claim.key, f"{role} {claim.key}"


def said(connection: Connection, seen: Seen, subjects: Sequence[str], predicates: Sequence[str] | None) -> list[Said]:
    """Return what the records that *seen* sees claim of him whom *subjects* mean, in any order."""
    which = "c.subject in (select value from json_each(:keys)) and"
    which += "" if predicates is None else " c.predicate in (select value from json_each(:predicates)) and"
    return _read(connection, seen, subjects, which, {"predicates": json.dumps(predicates)})


def lately(connection: Connection, seen: Seen, subjects: Sequence[str], predicates: Iterable[str]) -> list[Said]:
    """Return what `said` does, of each predicate the last few that were taken in: as many as a prompt can show."""
    wanted, mine = list(predicates), SELF in subjects
    return [
        claim
        for subject in subjects
        for predicate in wanted
        for claim in _lately(connection, seen, subject, predicate, mine=mine)
    ]


def predicates_of(connection: Connection, seen: Seen, subjects: Sequence[str]) -> list[str]:
    """Return which predicates the reader's own records have of *subjects*."""
    own = _own(seen)
    rows = connection.execute(
        f"""select predicate from (
                select distinct predicate from claims where subject in (select value from json_each(:keys))) as p
            where exists (
                select 1 from json_each(:keys) as k cross join claims as c cross join records as r on r.id = c.record
                where c.subject = k.value and c.predicate = p.predicate and {own.sql})
            order by predicate""",
        {**own.bindings, "keys": json.dumps(list(subjects))},
    )
    return [row[0] for row in rows]


def with_object(connection: Connection, seen: Seen, keys: Sequence[str]) -> list[Said]:
    """
    Return what the records that *seen* sees claim of anybody with one of *keys* for an object: the reader's own first,
    the newest first.
    """
    which = "c.object_key in (select value from json_each(:keys)) and c.object_key <> '' and"
    found = _read(connection, seen, keys, which)
    return sorted(found, key=lambda claim: (claim.granted, -claim.at, claim.uid))


def names_in(text: str) -> list[str]:
    """Return the keys that *text* may name: its runs of up to three words that do not end in words of the grammar."""
    words = WORD.findall(key(text))[:QUERY_WORDS]
    runs = [words[at : at + size] for size in range(1, NAME_WORDS + 1) for at in range(len(words) - size + 1)]
    return list(dict.fromkeys(" ".join(run) for run in runs if not {run[0], run[-1]} & STOPWORDS))


# -- whose records ------------------------------------------------------------------------------------------------


def _own(seen: Seen) -> Predicate:
    return next(part for _, part in seen.by_owner())


def _by_owner(seen: Seen) -> Iterator[tuple[str, Predicate]]:
    """Yield by what key the reader knows an owner, first himself as SELF, and what he sees of his records."""
    for user, part in seen.by_owner():
        yield SELF if user is None else key(user) or NAMELESS, part


def _called(keys: Sequence[str], owner: str) -> list[str]:
    """Return what the records of *owner* call those whom *keys* mean to the reader: himself they call "I" too."""
    if owner == SELF:
        return list(keys)
    if SELF in keys:
        return []
    others = [each for each in keys if not each.startswith("'s ")]  # without the reader's sister
    return others + [each.removeprefix(owner) for each in others if each == owner or each.startswith(f"{owner}'s ")]


def _by_name(subject: str, owner: str) -> str:
    """Return the key that a *subject* of *owner*'s records has for the reader."""
    return f"{owner}{subject}" if subject == SELF or subject.startswith("'s ") else subject


def _lately(connection: Connection, seen: Seen, subject: str, predicate: str, *, mine: bool = False) -> list[Said]:
    """Return the last claims of *subject*; with *mine*, it means the reader, of whom others' records say nothing."""
    found: list[Said] = []
    for owner, part in _by_owner(seen):
        for called in [subject] if owner == SELF else [] if mine else _called([subject], owner):
            which = "c.subject = :subject and c.predicate = :predicate and"
            where = {"subject": called, "predicate": predicate}
            found += _rows(connection, part, owner, which, where, last=LATELY)
    return found


def _of_roles(connection: Connection, seen: Seen, roles: Sequence[tuple[str, str]]) -> list[Said]:
    """Return the last claims that say who has one of *roles*: whose, and what."""
    found: list[Said] = []
    for owner, part in _by_owner(seen):
        pairs = [(called, role) for whose, role in roles for called in _called([whose], owner)]
        if pairs:
            found += _rows(connection, part, owner, _OF_ROLES, {"roles": json.dumps(pairs)}, last=LATELY * len(pairs))
    return found


def _read(
    connection: Connection, seen: Seen, keys: Sequence[str], which: str,
    bindings: Mapping[str, str] = MappingProxyType({}),
) -> list[Said]:  # fmt: skip
    """Return the claims that the SQL *which* picks by :keys."""
    found: list[Said] = []
    for owner, part in _by_owner(seen):
        if called := _called(keys, owner):
            found += _rows(connection, part, owner, which, {**bindings, "keys": json.dumps(called)})
    return found


def _rows(
    connection: Connection, part: Predicate, owner: str, which: str, bindings: Mapping[str, str], *, last: int = -1
) -> list[Said]:
    rows = connection.execute(
        f"""select c.subject, c.predicate, c.object, c.object_key, c.holds, c.ended, c.own,
                c.confidence < {HINT}, c.confidence * r.confidence, ifnull(r.occurred_at, r.recorded_at),
                r.recorded_at, r.valid_to, ifnull(r.position, 0), r.uid, r.trust, r.kind = :correction
            from claims as c cross join records as r on r.id = c.record -- cross: begin with the claims
            where {which} {part.sql} {"order by c.record desc limit :last" if last >= 0 else ""}""",
        {**part.bindings, **bindings, "correction": CORRECTION} | ({"last": last} if last >= 0 else {}),
    )
    if owner == SELF:
        return [Said(*row) for row in rows]
    return [_granted(Said(*row), owner) for row in rows]


def _granted(claim: Said, owner: str) -> Said:
    """Return a claim of *owner*'s records as the reader has it; by hand he outranks others on himself alone."""
    subject = _by_name(claim.subject, owner)
    his = subject == owner or subject.startswith(f"{owner}'s ")
    return claim._replace(subject=subject, by_hand=claim.by_hand and his, granted=True)
