"""
Pure: facts → the lines that a context has of them, and how much of what is asked each of them says.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import groupby

from .predicates import single
from .records import Fact, Related
from .templates import name, plain

LISTED = 12  # values of one predicate
REACHED = 0.8  # worth of what is reached over what the query names
EARLIER = 1  # past values that are named beside the one that holds


Which = tuple[str, str]  # a subject, as facts name it, and a predicate


@dataclass(frozen=True, slots=True)
class Known:
    """The facts that have to do with a query, and why they do."""

    facts: Sequence[Fact] = ()  # in order of subject and predicate, newest first
    asked: Mapping[Which, float] = field(default_factory=dict)  # how surely the query asks for them, 0..1
    spoken: Mapping[Which, Sequence[tuple[str, str]]] = field(default_factory=dict)  # by it, hits' ids and objects
    related: Sequence[Related] = ()  # facts that are reached over another one


@dataclass(frozen=True, slots=True)
class Stated:
    """One line about facts."""

    text: str
    facts: tuple[Fact, ...]
    plain: bool = True  # says nothing but that they hold: no past value, no denial
    least: float = 0.0  # what it is worth to whoever asks, 0..1

    @property
    def about(self) -> Which:
        """Whom, and which predicate."""
        return self.facts[0].subject, self.facts[0].predicate


def stated(known: Known) -> Iterator[Stated]:
    """Yield a line for each thing that is known; lists have only what a hit states, unless all is asked for."""
    there = {_three(fact) for fact in known.facts}
    for which, group in groupby(known.facts, key=lambda fact: (fact.subject, fact.predicate)):
        every = list(group)
        if which not in known.asked and not single(which[1]):
            ids = {id for id, _ in known.spoken.get(which, ())}
            every = [fact for fact in every if not ids.isdisjoint(fact.evidence)]
        yield from _known(*which, every)
    for each in known.related:
        if _three(each.path[-1]) not in there:
            yield Stated(_over(each), (each.path[-1],), least=REACHED)


def _known(subject: str, predicate: str, facts: Sequence[Fact]) -> Iterator[Stated]:
    now = [fact for fact in facts if fact.live]
    past = [fact for fact in facts if fact.status == "past" and fact.holds][:EARLIER]
    if single(predicate) and len(now) == 1:
        yield Stated(_line(subject, predicate, now[0], past), (now[0], *past), plain=not past and now[0].holds)
        return
    holding = [fact for fact in now if fact.holds and fact.status == "current"]
    if len(holding) > 1:
        some = holding[:LISTED]
        yield Stated(f"{_named(subject)}: {plain(predicate)} {_listed(some)}", tuple(some))
    for fact in now:
        if len(holding) < 2 or fact not in holding:
            yield Stated(_line(subject, predicate, fact, ()), (fact,), plain=fact.holds and fact.status == "current")
    if past:
        yield Stated(f"{_named(subject)} no longer: {plain(predicate)} {_listed(past)}", tuple(past), plain=False)


def _listed(facts: Sequence[Fact]) -> str:
    return ", ".join(plain(fact.object) for fact in facts)


def _three(fact: Fact) -> tuple[str, str, str]:
    return fact.subject, fact.predicate, fact.object


def _over(related: Related) -> str:
    way, fact = related.path[0], related.path[-1]
    return f"{_named(fact.subject)}: {_phrase(fact.predicate, fact)} (who {_phrase(way.predicate, way)})"


def _line(subject: str, predicate: str, fact: Fact, past: Sequence[Fact]) -> str:
    marks = [f"since {day(fact.valid_from)}"] if fact.valid_from else []
    marks += ["earlier " + ", ".join(f"{plain(old.object)} ({_span(old)})" for old in past)] if past else []
    end = f" ({'; '.join(marks)})" if marks else ""
    return f"{_named(subject)}: {'' if fact.holds else 'not '}{_phrase(predicate, fact)}{end}"


def _phrase(predicate: str, fact: Fact) -> str:
    return f"{plain(predicate)} {plain(fact.object)}"


def _named(subject: str) -> str:
    return name(subject[:1].upper() + subject[1:]) or "The user"


def _span(fact: Fact) -> str:
    begun, over = day(fact.valid_from), day(fact.valid_to)
    return f"{begun} to {over}" if begun else f"until {over}"


def day(at: datetime | None) -> str:
    return at.date().isoformat() if at else ""
