"""
Pure: claims → what is true now, what was true then, and what is contested.

Nothing is stored: facts follow from the claims of the records that a read may see, each time.  So nothing is ever
overwritten, the order of arrival does not matter, and what is forgotten takes its facts with it.

A subject's claims are gone through in order of their time.  Of a single-valued predicate a later claim of another
object ends the one before; of the others each object has a time of its own.  Three ranks: what a person corrected by
hand, what somebody says of himself, what others say.  A lower rank does not end what a higher one said: it is shown as
contested.  So is what a later hint casts doubt on, until it is said again.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from .claims import SELF, WORD, Said, Stated, key, key_of
from .predicates import COUPLES, MET, OPPOSITE, RELATIONS, TASTES, single
from .records import Fact, moment_or_none

SUREST = 0.99
DOUBT = 0.5  # of a contested fact's confidence that is left
BY_HAND, OWN, BY_OTHERS = 2, 1, 0


@dataclass(slots=True)
class _Open:
    """A fact under way."""

    first: Said
    since: int | None
    until: int | None = None
    wrong: bool = False
    contested: bool = False
    evidence: list[Said] = field(default_factory=list)


def names_of(subject: str | None, user: Sequence[str], naming: Sequence[Said]) -> list[str]:
    """
    Return every key that means *subject*, its own first.

    Args:
        subject: a name, or "my sister"; None is the user.
        user: keys that mean the user.
        naming: the claims that `claims.naming` returns.  "Mel is short for Melanie" makes two names one; so does "my
            sister Mel" of "my sister" where there is no other sister, and of "Mel" where there is no other Mel.
            By what others granted the user gets no name more: whoever is called Ben there may be another.
    """
    links = _links(user, [claim for claim in naming if not claim.granted])
    if any(claim.granted for claim in naming):
        mine = set(_reached([SELF], links))
        others = [claim for claim in naming if claim.granted and mine.isdisjoint((claim.subject, claim.key))]
        links = _links(user, [*(claim for claim in naming if not claim.granted), *others])
    if subject is None or not subject.lower().startswith("my "):
        return _reached([SELF if subject is None else key(subject)], links)
    return _reached([key_of(f"my {subject[3:].lower()}", me) for me in _reached([SELF], links)], links)


def _links(user: Sequence[str], naming: Sequence[Said]) -> Mapping[str, set[str]]:
    """Return which keys mean the same as which."""
    links: dict[str, set[str]] = defaultdict(set)
    holders: dict[str, set[str]] = defaultdict(set)  # of a role: names
    roles: dict[str, set[tuple[str, str]]] = defaultdict(set)  # of a name: whose, what
    apart: set[frozenset[str]] = {
        frozenset((claim.subject, claim.key)) for claim in naming if claim.by_hand and not claim.holds
    }

    def link(one: str, other: str) -> None:
        if frozenset((one, other)) not in apart:
            links[one].add(other)
            links[other].add(one)

    for name in user:
        link(SELF, name)
    for claim in naming:
        if not claim.holds or claim.hint:
            continue
        if claim.predicate in RELATIONS:
            holders[f"{claim.subject}'s {claim.predicate}"].add(claim.key)
            roles[claim.key].add((claim.subject, claim.predicate))
        else:
            link(claim.subject, claim.key)
    for role, names in holders.items():
        for name in names:
            if len(names) == 1:
                link(role, f"{role} {name}")
            if _one_person(roles[name]):
                link(name, f"{role} {name}")
    return links


def _one_person(roles: Collection[tuple[str, str]]) -> bool:
    """Return whether one person can have all these *roles*: Ana's sister and Ana's boss are two, of one name."""
    return len(roles) == 1 or all(role in MET for _, role in roles)


def _reached(names: Iterable[str], links: Mapping[str, set[str]]) -> list[str]:
    found = dict.fromkeys(names)
    waiting = list(found)
    while waiting:
        for other in sorted(links.get(waiting.pop(), ())):
            if other not in found:
                found[other] = None
                waiting.append(other)
    return list(found)


def name_of(subject: str | None, keys: Sequence[str], naming: Iterable[Said], user: str) -> str:
    """Return how facts are to name *subject*, whom *keys* mean: as asked, or as the user is called."""
    if subject is not None:
        return subject
    named = [claim for claim in naming if claim.predicate == "name" and claim.holds and not claim.hint]
    called = [claim.object for claim in named if claim.subject in keys]
    return called[-1] if called else user or next((name.title() for name in keys if name), "")


def shown(name: str, user: str) -> str:
    """Return a key as a name: "'s sister mel" is "Ana's sister Mel" where the user is Ana."""
    whose = f"{user or 'the user'}{name}" if name.startswith("'s ") else name
    words = [word if word in RELATIONS or word == "the" else word[:1].upper() + word[1:] for word in whose.split()]
    return " ".join(words)


def fold(claims: Iterable[Said], name: str, *, as_of: int | None = None, believed_at: int | None = None) -> list[Fact]:
    """
    Return the facts that *claims*, all about one subject, amount to, by predicate, the newest first.

    Args:
        name: of the subject, as facts are to show it.
        as_of: UTC ms: only what held then; None is all, past and present.
        believed_at: UTC ms: as the file would have said then.
    """
    known = [claim for claim in claims if believed_at is None or claim.recorded_at <= believed_at]
    groups: dict[tuple[str, str], list[Said]] = defaultdict(list)
    for claim in sorted(known, key=lambda claim: (claim.at, claim.position, claim.uid, claim.key)):
        groups[claim.predicate, _of_its_own(claim.predicate, claim.key)].append(claim)
        for predicate, only_doubt in _touched(claim):
            over = claim._replace(holds=False, ended=True, hint=claim.hint or only_doubt)
            groups[predicate, _of_its_own(predicate, claim.key)].append(over)
    found = [fact for (predicate, _), group in groups.items() for fact in _timeline(predicate, group, name)]
    if as_of is not None:
        found = [fact for fact in found if _held(fact, as_of)]
    return sorted(found, key=_order)


def _of_its_own(predicate: str, object: str) -> str:
    """Return what objects of *predicate* that exclude or continue each other have in common."""
    if single(predicate):
        return ""
    return object.split()[-1] if predicate == "pet" and object else object  # "the cat Miso" and "Miso"


def _touched(claim: Said) -> Iterator[tuple[str, bool]]:
    """Yield the other predicates of which a claim says that they are over, and whether it only casts doubt."""
    if claim.holds and claim.predicate in OPPOSITE:
        yield OPPOSITE[claim.predicate], False
    elif claim.holds and claim.predicate == "ex":
        yield from ((each, False) for each in COUPLES)
    elif claim.ended and claim.predicate in COUPLES:
        yield from ((each, False) for each in COUPLES - {claim.predicate})
    elif claim.ended and claim.predicate in TASTES:  # "I've had my fill of figs" may be of liking or of eating
        yield from ((each, True) for each in TASTES - {claim.predicate})


def past_in(texts: Mapping[str, str], stated: Iterable[Stated], known: Sequence[Fact]) -> dict[str, str]:
    """
    Return what is past in records, by id: "no longer so" where nothing holds of what it states, else the past value
    that it names without stating it, as an assistant's words do.

    Args:
        texts: of the records, by id.
        stated: what they claim.
        known: the facts about those of whom they speak.
    """
    live = {(fact.predicate, key(fact.object)) for fact in known if fact.live}
    values = {key(fact.object) for fact in known if fact.live}
    gone = {key(fact.object) for fact in known if fact.status == "past" and single(fact.predicate)} - values
    holds: dict[str, bool] = {}
    for claim in stated:
        if claim.holds:
            holds[claim.uid] = holds.get(claim.uid, False) or (claim.predicate, claim.key) in live
    found = {uid: "no longer so" for uid, still in holds.items() if not still}
    for uid, text in texts.items():
        if uid not in holds:
            words = f" {' '.join(WORD.findall(key(text)))} "
            named = [value for value in sorted(gone) if f" {value} " in words]
            if named and not any(f" {value} " in words for value in values):
                found[uid] = f"earlier: {', '.join(named)}"
    return found


def _timeline(predicate: str, claims: Sequence[Said], name: str) -> list[Fact]:
    """Return the facts of *predicate*, or of one object of it, from claims in order of time; some of the opposite."""
    opened: list[_Open] = []
    current: _Open | None = None
    for claim in claims:
        same = current is not None and _same(current.first, claim)
        if claim.hint:
            if current is not None and claim.holds != same and _rank(claim) >= _rank_of(current):
                current.contested = True  # perhaps another now, or over
            continue
        if claim.by_hand and single(predicate):  # what others said of it is settled
            for one in opened:
                if one is not current and one.contested and one.until is None:
                    one.until, one.wrong = claim.at, True
        if claim.holds and same and current is not None:
            current.evidence.append(claim)
            current.contested = False  # said again, whatever cast doubt on it
        elif claim.holds and (current is None or _rank(claim) >= _rank_of(current)):
            if current is not None:
                current.until, current.wrong = claim.at, claim.by_hand
            current = _Open(claim, claim.at, evidence=[claim])
            opened.append(current)
        elif claim.holds and current is not None:
            opened.append(_Open(claim, claim.at, contested=True, evidence=[claim]))
        elif same and current is not None and _rank(claim) >= _rank_of(current):
            current.until, current.wrong = claim.at, claim.by_hand and not claim.ended
            current.evidence.append(claim)
            current = None
        elif claim.predicate != predicate:
            continue  # "I hate figs" ends that one likes them, and does not say that one ever did
        elif claim.ended and not any(_same(one.first, claim) for one in opened):
            opened.append(_Open(claim, None, until=claim.at, evidence=[claim]))
        elif not claim.ended and not same:
            opened.append(_Open(claim, claim.at, evidence=[claim]))
    for one in opened:
        gone = [claim.until for claim in one.evidence if claim.until is not None]
        if one.until is None and len(gone) == len(one.evidence):  # every record that says so was revised
            one.until = max(gone)
    return [_fact(one, name) for one in opened]


def _same(one: Said, other: Said) -> bool:
    """Whether two claims name one object: "Oslo" and "Oslo, Norway"."""
    if one.key == other.key:
        return True
    long, short = sorted((WORD.findall(one.key), WORD.findall(other.key)), key=len, reverse=True)
    return bool(short) and (long[: len(short)] == short or long[-len(short) :] == short)


def _rank(claim: Said) -> int:
    return BY_HAND if claim.by_hand else OWN if claim.own else BY_OTHERS


def _rank_of(fact: _Open) -> int:
    """Own later words may end what a person corrected; those of others may not."""
    return min(max(_rank(claim) for claim in fact.evidence if claim.holds), OWN)


def _fact(one: _Open, name: str) -> Fact:
    holds = [claim for claim in one.evidence if claim.holds] or one.evidence
    doubt = 1.0
    for claim in {claim.uid: claim for claim in holds}.values():  # once a record, however often it says so
        doubt *= 1 - min(claim.confidence, SUREST)
    confidence = min(1 - doubt, SUREST) * (DOUBT if one.contested else 1)
    status = "wrong" if one.wrong else "past" if one.until is not None else "contested" if one.contested else "current"
    last = holds[-1]
    return Fact(
        subject=name,
        predicate=last.predicate,
        object=last.object,
        holds=bool(one.first.holds or one.first.ended),
        status=status,
        valid_from=moment_or_none(one.since),
        valid_to=moment_or_none(one.until),
        confidence=round(confidence, 4),
        trust=min(claim.trust for claim in holds),
        evidence=tuple(dict.fromkeys(claim.uid for claim in one.evidence)),
    )


def _held(fact: Fact, as_of: int) -> bool:
    at = moment_or_none(as_of)
    assert at is not None
    begun = fact.valid_from is None or fact.valid_from <= at
    return begun and fact.status != "wrong" and (fact.valid_to is None or at < fact.valid_to)


def _order(fact: Fact) -> tuple[object, ...]:
    since = fact.valid_from.timestamp() if fact.valid_from else float("-inf")
    return (fact.predicate, not fact.live, -since, fact.object)
