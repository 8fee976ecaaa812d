"""
Longterm: after months of talk, is the answer in a context of 400 tokens, and what is no longer so marked as past?

The people are those of `drift`: what they state changes, turns back, is repeated, hedged, said of others, echoed by an
assistant, and drowned in small talk.  Asked is for what holds now, what was said in the first sessions, what held
before, and for two things at once that were said in different sessions.
"""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any, NamedTuple

from agentmem import Memory
from agentmem.claims import key

from .drift import START, Person
from .phrasings import CHATTER, QUESTIONS

SESSIONS, TURNS = 120, 8
DAY_TURNS = 300
EARLY = 10  # sessions that count as the first ones
BUDGET = 400  # tokens
PAST_MARKS = ("no longer", "earlier", " until ")
# Written for this: of what held before, and of two things at once.
BEFORE = {
    "lives in": ["Where did I live before this?", "Which town did I move away from?"],
    "works at": ["Who did I work for before?", "What was my previous employer?"],
    "works as": ["What was my job before this one?", "What did I do for a living earlier?"],
    "drives": ["What did I drive before?", "What was my previous car?"],
    "diet": ["How did I eat before I changed my diet?", "What diet did I follow earlier?"],
    "boss": ["Who was my boss before?", "What was my previous manager called?"],
}
TOGETHER = [
    ("Plan a dinner for me: think of my diet and my allergies.", ("diet", "allergic to")),
    ("Write a short bio: where I live and what I do for work.", ("lives in", "works as")),
    ("Draft an introduction of me with my employer and my hometown now.", ("works at", "lives in")),
    ("Suggest a present: my favourite colour and an instrument or game I play.", ("favourite colour", "plays")),
    ("What should the pet sitter know: my pets, and my address town?", ("pet", "lives in")),
    ("Whom should I invite, my partner and my sister, what are they called?", ("partner", "sister")),
]


class Asked(NamedTuple):
    """A question, and what its context should and should not hold."""

    kind: str
    text: str
    due: list[str]  # one of these each: "a|b" is either
    stale: list[str]  # not without a mark


def measure(people: int, progress: Callable[[str], None]) -> dict[str, Any]:
    """Return for each variant how many questions of each kind found their answer in the context."""
    variants = {"120 sessions": _sessions(SESSIONS, timedelta(days=3)), "one day": _sessions(DAY_TURNS // TURNS, None)}
    found: dict[str, dict[str, Counter[str]]] = {}
    for variant, times in variants.items():
        found[variant] = defaultdict(Counter)
        for number in range(people):
            progress(f"{variant}: person {number + 1} of {people}")
            _live(1000 + number, times, found[variant])
    return {
        "people": people,
        "variants": {name: {k: dict(c) for k, c in kinds.items()} for name, kinds in found.items()},
    }


def _sessions(count: int, apart: timedelta | None) -> list[timedelta]:
    return [number * (apart or timedelta(minutes=35)) for number in range(count)]


def _live(seed: int, times: list[timedelta], found: dict[str, Counter[str]]) -> None:
    person = Person(random.Random(seed))
    early: dict[str, list[str]] = {}
    with Memory(":memory:", user="ana") as memory:
        for number, after in enumerate(times):
            messages = []
            for turn, text in enumerate(person.turns()):
                at = START + after + timedelta(minutes=2 * turn)
                messages.append({"role": "user", "content": text, "at": at.isoformat()})
                reply = {"role": "assistant", "content": person.reply(), "at": (at + timedelta(minutes=1)).isoformat()}
                messages += [reply, _chatter(person, at)]
            memory.observe(messages, session=f"s{number}")
            if number + 1 == EARLY:
                early = {p: [v for v, holds in values.items() if holds] for p, values in person.several.items()}
        for asked in _questions(person, early):
            context = memory.context(asked.text, budget_tokens=BUDGET)
            _judge(asked, context.text, found[asked.kind])
            found[asked.kind]["tokens"] += context.tokens


def _chatter(person: Person, at: Any) -> dict[str, str]:
    return {"role": "user", "content": person.draw.choice(CHATTER), "at": (at + timedelta(seconds=90)).isoformat()}


def _questions(person: Person, early: dict[str, list[str]]) -> Iterator[Asked]:
    for predicate, value in sorted(person.now.items()):
        stale = [old for old in person.before[predicate] if old != value]
        yield Asked("now", person.draw.choice(QUESTIONS[predicate]), [value], stale)
        if predicate in BEFORE and stale:
            yield Asked("before", person.draw.choice(BEFORE[predicate]), ["|".join(stale[-2:])], [])
    for predicate, values in sorted(early.items()):
        still = [value for value in values if person.several[predicate][value]]
        if still:
            yield Asked("first sessions", person.draw.choice(QUESTIONS[predicate]), [person.draw.choice(still)], [])
    for text, predicates in TOGETHER:
        due = []
        for predicate in predicates:
            holding = [v for v, holds in person.several[predicate].items() if holds]
            due += [person.now[predicate]] if predicate in person.now else ["|".join(holding)] if holding else []
        if len(due) == len(predicates):
            yield Asked("two at once", text, due, [])


def _judge(asked: Asked, text: str, counts: Counter[str]) -> None:
    lines = [key(line) for line in text.splitlines()]
    whole = " ".join(lines)
    counts["asked"] += 1
    right = all(any(_named(value, whole) for value in each.split("|")) for each in asked.due)
    counts["answered"] += right
    stale = [
        line
        for line in lines
        for old in asked.stale
        if _named(old, line) and not _named(asked.due[0], line) and not any(mark in line for mark in PAST_MARKS)
    ]
    counts["stale"] += bool(stale)


def _named(value: str, text: str) -> bool:
    """Whether *text* names *value*, of a pet either its kind and name or its name."""
    return key(value) in text or (" " in value and value.split()[0].islower() and key(value.split(" ", 1)[1]) in text)
