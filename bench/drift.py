"""
Drift: simulated people whose facts change over many sessions, and what a memory then takes for true.

Every person states facts, repeats them, changes them, takes them back, speaks of others, supposes, asks and chats; the
assistant echoes what is no longer so; some sessions arrive late.  After each session every fact that was stated so far
is looked up and compared with the truth.  Phrasings are in `phrasings`, which the forms of words in `predicates` were
not written against.
"""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

from agentmem import Fact, Memory, encoder
from agentmem.claims import key

from .phrasings import (
    ASKS,
    ASSISTANT,
    CHANGES,
    CHATTER,
    ECHOES,
    ENDS,
    HEDGES,
    OTHERS,
    PAST,
    QUESTIONS,
    SAYS,
    VALUES,
    WHO,
)

SESSIONS = 50
TURNS = 8  # of the user, in a session
LATE = 0.08  # share of the sessions that arrive some sessions later
SINGLE = tuple(CHANGES)
MULTIPLE = tuple(name for name in SAYS if name not in CHANGES)
START = datetime(2024, 1, 8, 9, tzinfo=UTC)
SIMILAR = 0.8  # cosine from which the baseline takes two statements for one


@dataclass
class Person:
    """Somebody, and what is true of him."""

    draw: random.Random
    now: dict[str, str] = field(default_factory=dict)  # single-valued: what holds
    before: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))  # what held earlier
    several: dict[str, dict[str, bool]] = field(default_factory=lambda: defaultdict(dict))  # value → holds

    def turns(self) -> Iterator[str]:
        """Yield what is said in one session, and let the truth go on with it."""
        for _ in range(TURNS):
            yield self._one()

    def _one(self) -> str:
        kind = self.draw.random()
        if kind < 0.12:
            return self._change()
        if kind < 0.24:
            return self._several()
        if kind < 0.34:
            return self._repeat()
        if kind < 0.42:
            return self._end()
        if kind < 0.62:
            return self._noise()
        return self.draw.choice(CHATTER)

    def _change(self) -> str:
        predicate = self.draw.choice(SINGLE)
        old = self.now.get(predicate)
        reverted = old is not None and self.before[predicate] and self.draw.random() < 0.15
        new = str(self.draw.choice(self.before[predicate] if reverted else VALUES[predicate]))
        if old is None:
            self.now[predicate] = new
            return self.draw.choice(SAYS[predicate]).format(new=new)
        if new == old:
            return self.draw.choice(SAYS[predicate]).format(new=old)
        self.before[predicate].append(old)
        self.now[predicate] = new
        return self.draw.choice(CHANGES[predicate]).format(new=new, old=old)

    def _several(self) -> str:
        predicate = self.draw.choice(MULTIPLE)
        value = self.draw.choice(VALUES[predicate])
        self.several[predicate][_name(value)] = True
        return self.draw.choice(SAYS[predicate]).format(**_filled(value))

    def _repeat(self) -> str:
        if not self.now:
            return self.draw.choice(CHATTER)
        predicate = self.draw.choice(sorted(self.now))
        return self.draw.choice(SAYS[predicate]).format(new=self.now[predicate])

    def _end(self) -> str:
        held = [(p, v) for p in ENDS if p in self.several for v, holds in self.several[p].items() if holds]
        if not held:
            return self.draw.choice(CHATTER)
        predicate, value = self.draw.choice(held)
        self.several[predicate][value] = False
        kind, _, name = value.partition(" ")
        return self.draw.choice(ENDS[predicate]).format(old=value, kind=kind, name=name)

    def _noise(self) -> str:
        source = self.draw.choice((HEDGES, ASKS, OTHERS, PAST))
        predicate = self.draw.choice(sorted(source))
        old = self.before[predicate]
        if source is PAST and not old:
            return self.draw.choice(CHATTER)
        words = {"who": self.draw.choice(WHO), "old": old[-1] if old else ""}
        return self.draw.choice(source[predicate]).format(**words, **_filled(self.draw.choice(VALUES[predicate])))

    def reply(self) -> str:
        """Return what the assistant says: small talk, or an echo of what is no longer so."""
        stale = [p for p in ECHOES if self.before[p]]
        if stale and self.draw.random() < 0.2:
            predicate = self.draw.choice(stale)
            return self.draw.choice(ECHOES[predicate]).format(old=self.draw.choice(self.before[predicate]))
        return self.draw.choice(ASSISTANT)


def _filled(value: Any) -> dict[str, str]:
    return {"kind": value[0], "name": value[1], "new": value[1]} if isinstance(value, tuple) else {"new": value}


def _name(value: Any) -> str:
    return " ".join(value) if isinstance(value, tuple) else str(value)


def measure(people: int, progress: Callable[[str], None], *, sessions: int = SESSIONS) -> dict[str, Any]:
    """Return, for each method, what was right and wrong after each session, summed over *people*."""
    counts: dict[str, list[Counter[str]]] = {name: [Counter() for _ in range(sessions)] for name in METHODS}
    for number in range(people):
        progress(f"person {number + 1} of {people}")
        _live(Person(random.Random(number)), sessions, counts)
    return {"people": people, "sessions": sessions, "methods": {n: [dict(c) for c in cs] for n, cs in counts.items()}}


def _live(person: Person, sessions: int, counts: dict[str, list[Counter[str]]]) -> None:
    late: list[tuple[int, list[dict[str, str]]]] = []
    with Memory(":memory:", user="ana") as memory:
        written = Written()
        for session in range(sessions):
            begun = START + timedelta(days=7 * session)
            messages = []
            for turn, text in enumerate(person.turns()):
                at = begun + timedelta(minutes=2 * turn)
                messages.append({"role": "user", "content": text, "at": at.isoformat()})
                reply = person.reply()
                messages.append({"role": "assistant", "content": reply, "at": (at + timedelta(minutes=1)).isoformat()})
            if person.draw.random() < LATE and session < sessions - 3:
                late.append((session + 2, messages))
            else:
                memory.observe(messages, session=f"s{session}")
                written.take(messages)
            for due, older in [each for each in late if each[0] == session]:
                memory.observe(older, session=f"s{due - 2}")
                written.take(older)
            late = [each for each in late if each[0] > session]
            if not late:  # what has not arrived cannot be known
                for name, method in METHODS.items():
                    counts[name][session].update(method(person, memory, written))


class Written:
    """The baseline that most memories are: a statement replaces the one most like it."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.vectors = np.empty((0, encoder.WIDTH), np.float32)

    def take(self, messages: list[dict[str, str]]) -> None:
        """Take in what the user said, each in the place of what it is most like."""
        said = [message["content"] for message in messages if message["role"] == "user"]
        for text, made in zip(said, encoder.shared().encode(said), strict=True):
            near = self.vectors @ made.vector
            if len(near) and near.max() >= SIMILAR:
                place = int(near.argmax())
                self.texts[place], self.vectors[place] = text, made.vector
            else:
                self.texts.append(text)
                self.vectors = np.vstack((self.vectors, made.vector))

    def best(self, query: str) -> str:
        """Return the statement nearest to *query*."""
        return self.texts[int((self.vectors @ encoder.shared().encode([query])[0].vector).argmax())]


def by_facts(person: Person, memory: Memory, _: Written) -> Counter[str]:
    """Count what `facts` says of each fact that was stated."""
    known = memory.facts()
    found: Counter[str] = Counter()
    for predicate, value in person.now.items():
        about = [fact for fact in known if fact.predicate == predicate]
        current = [fact.object for fact in about if _now(fact)]
        found.update([_verdict(current[0] if current else "", value, person.before[predicate])])
        for old in person.before[predicate]:
            found["old"] += 1
            found["lost"] += not any(key(fact.object) == key(old) for fact in about)
    for predicate, values in person.several.items():
        current = [fact.object for fact in known if fact.predicate == predicate and _now(fact)]
        for value, holds in values.items():
            there = any(key(value) == key(object) for object in current)
            found.update(["right" if there and holds else "missing" if holds else "wrong" if there else "ended"])
    return found


def _now(fact: Fact) -> bool:
    return fact.status == "current" and fact.holds


def _verdict(said: str, value: str, before: list[str]) -> str:
    """Say what *said* is: the current value, an old one, another, or nothing."""
    if key(value) in key(said):
        return "right"
    if not said:
        return "missing"
    return "resurrected" if any(key(old) in key(said) for old in before) else "wrong"


def by_text(answer: Callable[[str, Memory, Written], str]) -> Callable[[Person, Memory, Written], Counter[str]]:
    """Make a method of one that answers with a text, which is right where it has the current value."""

    def method(person: Person, memory: Memory, written: Written) -> Counter[str]:
        found: Counter[str] = Counter()
        for predicate, value in person.now.items():
            text = answer(QUESTIONS[predicate][0], memory, written)
            others = [other for other in VALUES[predicate] if other != value and key(str(other)) in key(text)]
            right = key(value) in key(text)
            old = any(key(other) in key(text) for other in person.before[predicate] if other != value)
            found.update(["right" if right else "resurrected" if old else "wrong" if others else "missing"])
        return found

    return method


METHODS: dict[str, Callable[[Person, Memory, Written], Counter[str]]] = {
    "facts": by_facts,
    "first hit of recall": by_text(lambda query, memory, _: memory.recall(query, k=1)[0].text),
    "last write wins": by_text(lambda query, _, written: written.best(query)),
}


def summary(result: dict[str, Any]) -> dict[str, dict[str, float]]:
    """Return, for each method, shares of the facts stated, in the last session that was looked at."""
    found = {}
    for name, sessions in result["methods"].items():
        last = next(counts for counts in reversed(sessions) if counts)
        stated = sum(last.get(verdict, 0) for verdict in ("right", "wrong", "resurrected", "missing"))
        found[name] = {
            "stated": stated,
            "right": last.get("right", 0) / stated,
            "wrong": (last.get("wrong", 0) + last.get("resurrected", 0)) / stated,
            "resurrected": last.get("resurrected", 0) / stated,
            "missing": last.get("missing", 0) / stated,
            "lost": last.get("lost", 0) / max(last.get("old", 0), 1),
        }
    return found
