"""
Access: users who grant and revoke at random, and random reads by every verb, against what plain Python says they see.

A leak is a record, or anything made of one, that a read shows and its reader may not see; wrongly hidden is one that
he may see and that a read which must show all of them does not.  One `Memory` reads from an index in memory, one by
SQL; a third writes, as another process would.
"""

from __future__ import annotations

import random
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from agentmem import Grant, Memory, NotFoundError, Record
from agentmem.encoder import Encoder, Encoding, shared
from agentmem.records import moment

from .made import invented

START = 1_750_000_000_000  # UTC ms
MINUTE = 60_000
AGENTS, SESSIONS, KINDS = ("", "", "coach", "cook"), ("", "", "s1", "s2"), ("note", "note", "diary", "plan")
ROOMS, SHELF_TOP = ("cellar", "attic", "garden"), 9
EVERYTHING = 1_000  # more than anybody sees
CHANGES_PER_READ = 0.15
Scope = Mapping[str, Any]
Seen = list[Record]
KEPT_SHARE = 0.75  # of the changes are new grants, while few hold


class Recalled:
    """The encoder given; of a text that was asked before it knows the answer."""

    def __init__(self, encoder: Encoder) -> None:
        self._encoder, self.id = encoder, encoder.id
        self._known: dict[str, Encoding] = {}

    def encode(self, texts: list[str]) -> list[Encoding]:
        new = [text for text in dict.fromkeys(texts) if text not in self._known]
        self._known |= dict(zip(new, self._encoder.encode(new), strict=True))
        return [self._known[text] for text in texts]

    def count_tokens(self, text: str) -> int:
        return len(text.split())


@dataclass
class Kept:
    """A record as the oracle has it."""

    record: Record
    word: str  # which no other record has
    until: datetime | None = None  # when a revision took its place
    gone: bool = False
    states: bool = False  # something of its user
    hints: bool = False  # at something of its user, or states it


@dataclass
class Oracle:
    """What there is, and who may see what of it."""

    now: int = START
    kept: dict[str, Kept] = field(default_factory=dict)
    grants: dict[str, Grant] = field(default_factory=dict)

    def seen(self, user: str, agent: str, session: str) -> Seen:
        """Return what a read in that scope may see, superseded or not."""
        now = moment(self.now)
        given = [
            grant for grant in self.grants.values()
            if grant.to == user and grant.to_agent in (None, agent) and grant.revoked_at is None
            and (grant.until is None or grant.until > now)
        ]  # fmt: skip
        found = []
        for record in (each.record for each in self.kept.values() if not each.gone):
            if (record.expires_at is not None and record.expires_at <= now) or (session and record.session != session):
                continue
            own = record.user == user and (not agent or record.agent == agent)
            if own or (record.user != user and any(lets(grant, record) for grant in given)):
                found.append(record)
        return found

    def active(self, records: Iterable[Record]) -> set[str]:
        return {record.id for record in records if self.kept[record.id].until is None}


def lets(grant: Grant, record: Record) -> bool:
    """Return whether a grant is of *record*."""
    return (
        grant.user == record.user
        and grant.agent in (None, record.agent)
        and grant.session in (None, record.session)
        and (grant.kinds is None or record.kind in grant.kinds)
        and (grant.what is None or fits(grant.what, record.metadata))
    )


def fits(what: Mapping[str, object], metadata: Mapping[str, object]) -> bool:
    """Return whether *metadata* fits a filter, of those that are granted here."""
    for name, wanted in what.items():
        if name == "OR":
            assert isinstance(wanted, list)
            if not any(fits(each, metadata) for each in wanted):
                return False
        elif name == "NOT":
            assert isinstance(wanted, Mapping)
            if fits(wanted, metadata):
                return False
        elif isinstance(wanted, Mapping):
            held = metadata.get(name)
            if not isinstance(held, int) or not held >= wanted["gte"]:
                return False
        elif metadata.get(name) != wanted:
            return False
    return True


class Fuzz:
    """One run."""

    def __init__(self, folder: Path, users: int, records: int, encoder: Encoder, seed: int) -> None:
        self.draw = random.Random(seed)
        self.oracle = Oracle()
        self.users = [f"{invented(900 + 7 * number)}" for number in range(users)]
        self.wrong: list[str] = []
        self.counts: Counter[str] = Counter()
        self.number = 0
        known = Recalled(encoder)
        options: dict[str, Any] = {"encoder": known, "now": lambda: self.oracle.now}
        self.writer = Memory(folder / "access.db", **options)
        self.readers = [Memory(folder / "access.db", index=index, **options) for index in ("memory", "sql")]
        for _ in range(records):
            self.remember()

    # -- changes ------------------------------------------------------------------------------------------------

    def change(self) -> None:
        """Let a minute or more pass, and somebody grant, revoke, remember, revise or forget."""
        self.oracle.now += self.draw.randint(1, 90) * MINUTE
        live = [grant for grant in self.oracle.grants.values() if grant.revoked_at is None]
        if self.draw.random() < (KEPT_SHARE if len(live) < 4 * len(self.users) else 0.2):
            self.grant()
        elif live and self.draw.random() < 0.8:
            given = self.draw.choice(live)
            self.oracle.grants[given.id] = self.writer.revoke(given.id, user=given.user)
            self.counts["revoked"] += 1
        else:
            self.draw.choice((self.remember, self.revise, self.forget))()

    def grant(self) -> None:
        owner, to = self.draw.sample(self.users, 2)
        what = self.draw.choice((
            None, {"room": self.draw.choice(ROOMS)}, {"shelf": {"gte": self.draw.randint(2, SHELF_TOP)}},
            {"OR": [{"room": "attic"}, {"shelf": 3}]}, {"NOT": {"room": "cellar"}},
        ))  # fmt: skip
        made = self.writer.grant(
            to=to, user=owner, what=what, kinds=self.draw.choice((None, None, ["diary"], ["plan", "note"])),
            until=None if self.draw.random() < 0.4 else self.oracle.now + self.draw.randint(1, 4000) * MINUTE,
            agent=self.draw.choice(AGENTS), session=self.draw.choice(SESSIONS), to_agent=self.draw.choice(AGENTS),
        )  # fmt: skip
        self.oracle.grants[made.id] = made
        self.counts["granted"] += 1

    def text(self) -> str:
        """Return a statement with a word that no other has."""
        self.number += 1
        word = f"{invented(50_000 + self.number)}{self.number}"
        said = self.draw.choice(
            ("I live in {}.", "I work at {}.", "I like {}.", "The code is {}", "Buy {} for the {room}")
        )
        return said.format(word.title(), room=self.draw.choice(ROOMS))

    def remember(self) -> None:
        metadata: dict[str, object] = {"room": self.draw.choice(ROOMS)} if self.draw.random() < 0.7 else {}
        if self.draw.random() < 0.6:
            metadata["shelf"] = self.draw.randint(1, SHELF_TOP)
        self.keep(self.writer.remember(
            self.text(), user=self.draw.choice(self.users), agent=self.draw.choice(AGENTS),
            session=self.draw.choice(SESSIONS), kind=self.draw.choice(KINDS), metadata=metadata, at=self.oracle.now,
            expires_at=None if self.draw.random() < 0.9 else self.oracle.now + self.draw.randint(1, 9000) * MINUTE,
        ))  # fmt: skip

    def revise(self) -> None:
        old = self.any_active()
        if old is not None:
            self.keep(self.writer.revise(old.id, self.text(), user=old.user))
            self.oracle.kept[old.id].until = moment(self.oracle.now)

    def forget(self) -> None:
        old = self.any_active()
        if old is not None:
            for id in self.writer.forget(old.id, user=old.user).ids:
                self.oracle.kept[id].gone = True

    def keep(self, record: Record) -> None:
        known = self.writer.facts(user=record.user)
        states = any(record.id in fact.evidence for fact in known)
        hints = record.id in self.writer.entity(user=record.user).mentions
        self.oracle.kept[record.id] = Kept(record, f"{self.number}", states=states, hints=hints)

    def any_active(self) -> Record | None:
        user = self.draw.choice(self.users)
        mine = [record for record in self.oracle.seen(user, "", "") if record.user == user]
        mine = [record for record in mine if self.oracle.kept[record.id].until is None]
        return self.draw.choice(mine) if mine else None

    # -- reads --------------------------------------------------------------------------------------------------

    def read(self) -> None:
        """Read by one verb as somebody, and compare."""
        whose: dict[str, Any] = {"user": self.draw.choice(self.users), "agent": self.draw.choice(AGENTS),
                 "session": self.draw.choice(("", "", *SESSIONS))}  # fmt: skip
        memory = self.draw.choice(self.readers)
        verb = self.draw.choice(VERBS)
        seen = self.oracle.seen(**whose)
        self.counts["reads"] += 1
        self.counts[verb.__name__] += 1
        self.counts["of others"] += any(record.user != whose["user"] for record in seen)
        verb(self, memory, whose, seen)

    def compare(
        self, verb: str, whose: Scope, found: Iterable[str], allowed: Iterable[str], *, all: bool = True
    ) -> None:
        """Note what was found and not allowed, and with *all*, what was allowed and not found."""
        found, allowed = set(found), set(allowed)
        self.wrong += [f"leak: {verb} by {dict(whose)} shows {id}" for id in found - allowed]
        if all:
            self.wrong += [f"hidden: {verb} by {dict(whose)} lacks {id}" for id in allowed - found]
        self.counts["leaks"] += len(found - allowed)
        self.counts["hidden"] += len(allowed - found) if all else 0

    def words(self, verb: str, whose: Scope, text: str, seen: Iterable[Record]) -> None:
        """Note each record that is not seen, and whose word stands in *text*."""
        allowed = {record.id for record in seen}
        written = set("".join(c if c.isalnum() else " " for c in text).split())
        for id, each in self.oracle.kept.items():
            named = {word for word in each.record.text.replace(".", "").split() if word.endswith(each.word)}
            if id not in allowed and named & written:
                self.wrong.append(f"leak: {verb} by {dict(whose)} names {id}")
                self.counts["leaks"] += 1

    def any_record(self) -> Record:
        return self.draw.choice(list(self.oracle.kept.values())).record

    def any_query(self) -> str:
        return self.draw.choice((self.any_record().text, "Where do I live?", "the code", "what is in the cellar"))


def recall(fuzz: Fuzz, memory: Memory, whose: Scope, seen: Seen) -> None:
    hits = memory.recall(fuzz.any_query(), k=EVERYTHING, **whose)
    fuzz.compare("recall", whose, [hit.id for hit in hits], fuzz.oracle.active(seen))


def recall_filtered(fuzz: Fuzz, memory: Memory, whose: Scope, seen: Seen) -> None:
    hits = memory.recall(fuzz.any_query(), k=EVERYTHING, where={"room": "attic"}, kinds=["note"], **whose)
    fitting = [r for r in seen if r.metadata.get("room") == "attic" and r.kind == "note"]
    fuzz.compare("recall", whose, [hit.id for hit in hits], fuzz.oracle.active(fitting))


def recall_best(fuzz: Fuzz, memory: Memory, whose: Scope, seen: Seen) -> None:
    """The words of a record that is seen find it first; of one that is not, only others."""
    record = fuzz.any_record()
    hits = memory.recall(record.text, k=3, **whose)
    active = fuzz.oracle.active(seen)
    fuzz.compare("recall", whose, [hit.id for hit in hits], active, all=False)
    if record.id in active:
        fuzz.compare("recall", whose, [record.id for hit in hits if hit.id == record.id], [record.id])


def context(fuzz: Fuzz, memory: Memory, whose: Scope, seen: Seen) -> None:
    found = memory.context(fuzz.any_query(), budget_tokens=2_000, **whose)
    fuzz.compare("context", whose, [hit.id for hit in found.hits], fuzz.oracle.active(seen), all=False)
    fuzz.words("context", whose, str(found), seen)


def listed(fuzz: Fuzz, memory: Memory, whose: Scope, seen: Seen) -> None:
    found = memory.list(limit=EVERYTHING, **whose)
    fuzz.compare("list", whose, [record.id for record in found], fuzz.oracle.active(seen))


def listed_then(fuzz: Fuzz, memory: Memory, whose: Scope, seen: Seen) -> None:
    then = START + fuzz.draw.randint(0, max(fuzz.oracle.now - START, 1))
    held = [r.id for r in seen if r.valid_from <= moment(then) and (
        (until := fuzz.oracle.kept[r.id].until) is None or max(until, r.valid_from) > moment(then))]  # fmt: skip
    fuzz.compare("list", whose, [r.id for r in memory.list(limit=EVERYTHING, as_of=then, **whose)], held)


def got(fuzz: Fuzz, memory: Memory, whose: Scope, seen: Seen) -> None:
    record = fuzz.any_record()
    try:
        found = [memory.get(record.id, **whose).id]
    except NotFoundError:
        found = []
    fuzz.compare("get", whose, found, {record.id} & {each.id for each in seen})


def history(fuzz: Fuzz, memory: Memory, whose: Scope, seen: Seen) -> None:
    record = fuzz.any_record()
    by_id, allowed = {each: kept.record for each, kept in fuzz.oracle.kept.items()}, {each.id for each in seen}
    first: Record = record
    while first.supersedes is not None:
        first = by_id[first.supersedes]
    chain, last = {first.id}, first.id
    while more := [each.id for each in by_id.values() if each.supersedes == last]:
        last = more[0]
        chain.add(last)
    try:
        found = [each.id for each in memory.history(record.id, **whose)]
    except NotFoundError:
        found = []
    fuzz.compare("history", whose, found, chain & allowed if record.id in allowed else ())


def stats(fuzz: Fuzz, memory: Memory, whose: Scope, seen: Seen) -> None:
    found, active = memory.stats(**whose), fuzz.oracle.active(seen)
    kinds = Counter(record.kind for record in seen if record.id in active)
    sessions = {(r.user, r.agent, r.session) for r in seen if r.id in active and r.session}
    told = (found.records, found.superseded, sorted(found.kinds.items()), found.sessions)
    right = (len(active), len(seen) - len(active), sorted(kinds.items()), len({session for *_, session in sessions}))
    fuzz.compare("stats", whose, [str(told)], [str(right)])


def facts(fuzz: Fuzz, memory: Memory, whose: Scope, seen: Seen) -> None:
    """Of the reader himself only his own records say something; of another, those of his that are granted."""
    other = fuzz.draw.choice(fuzz.users)
    mine = {record.id for record in seen if record.user == whose["user"]}
    found = memory.facts(**whose)
    fuzz.compare("facts", whose, [id for fact in found for id in fact.evidence], mine & stating(fuzz))
    theirs = {record.id for record in seen if record.user == other}
    found = memory.facts(other, **whose)
    fuzz.compare("facts", whose, [id for fact in found for id in fact.evidence], theirs & stating(fuzz))


def stating(fuzz: Fuzz) -> set[str]:
    """Return the records that state something of their user."""
    return {id for id, kept in fuzz.oracle.kept.items() if kept.states}


def conflicts(fuzz: Fuzz, memory: Memory, whose: Scope, seen: Seen) -> None:
    found = [*memory.conflicts(**whose), *memory.conflicts(fuzz.draw.choice(fuzz.users), **whose)]
    fuzz.compare("conflicts", whose, [i for fact in found for i in fact.evidence], [r.id for r in seen], all=False)


def entity(fuzz: Fuzz, memory: Memory, whose: Scope, seen: Seen) -> None:
    other = fuzz.draw.choice(fuzz.users)
    found = memory.entity(other, **whose)
    theirs = {record.id for record in seen if record.user == other and fuzz.oracle.kept[record.id].hints}
    fuzz.compare("entity", whose, found.mentions, theirs)
    fuzz.words("entity", whose, str(found), seen)


def neighbours(fuzz: Fuzz, memory: Memory, whose: Scope, seen: Seen) -> None:
    found = memory.neighbours(fuzz.draw.choice((None, *fuzz.users)), **whose)
    ids = [id for related in found for fact in related.path for id in fact.evidence]
    fuzz.compare("neighbours", whose, ids, [record.id for record in seen], all=False)
    fuzz.words("neighbours", whose, str([related.name for related in found]), seen)


def granted(fuzz: Fuzz, memory: Memory, whose: Scope, seen: Seen) -> None:
    found = memory.grants(ended=True, user=whose["user"])
    mine = [grant.id for grant in fuzz.oracle.grants.values() if whose["user"] in (grant.user, grant.to)]
    fuzz.compare("grants", whose, [grant.id for grant in found], mine)


def audited(fuzz: Fuzz, memory: Memory, whose: Scope, seen: Seen) -> None:
    found = memory.audit(user=whose["user"], limit=EVERYTHING)
    mine = {id for id, kept in fuzz.oracle.kept.items() if kept.record.user == whose["user"]}
    mine |= {grant.id for grant in fuzz.oracle.grants.values() if whose["user"] in (grant.user, grant.to)}
    fuzz.compare("audit", whose, [id for entry in found for id in entry.ids], mine, all=False)


def refused(fuzz: Fuzz, memory: Memory, whose: Scope, seen: Seen) -> None:
    """What is another's cannot be changed, granted or not."""
    record = fuzz.any_record()
    if record.user == whose["user"]:
        return
    for write in (lambda: memory.revise(record.id, "no", user=whose["user"]),
                  lambda: memory.forget(record.id, user=whose["user"])):  # fmt: skip
        try:
            write()
            fuzz.wrong.append(f"{whose} changed {record.id} of {record.user}")
        except NotFoundError:
            pass


VERBS: tuple[Callable[[Fuzz, Memory, Scope, Seen], None], ...] = (
    recall, recall_filtered, recall_best, context, listed, listed_then, got, history, stats, facts, conflicts, entity,
    neighbours, granted, audited, refused,
)  # fmt: skip


def measure(
    users: int, reads: int, progress: Callable[[str], None], *, records: int = 500, encoder: Encoder | None = None,
    seed: int = 7,
) -> dict[str, Any]:  # fmt: skip
    """Run *reads* random reads by *users*, with changes between them; return what was counted, and what was wrong."""
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        progress(f"{records} records")
        fuzz = Fuzz(Path(folder), users, records, encoder or shared(), seed)
        for _ in range(2 * users):
            fuzz.grant()
        for number in range(reads):
            if fuzz.draw.random() < CHANGES_PER_READ:
                fuzz.change()
            fuzz.read()
            if number % 100 == 0:
                progress(f"read {number:,} of {reads:,}, {len(fuzz.wrong)} wrong")
        problems = fuzz.writer.verify()
        for memory in (fuzz.writer, *fuzz.readers):
            memory.close()
    return {
        "users": users,
        **fuzz.counts,
        "seconds": round(time.perf_counter() - began),
        "wrong": fuzz.wrong + problems,
    }
