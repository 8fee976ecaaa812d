"""
A text → the claims that it makes: whose, what, whether it holds.  Without an LLM.

Pure, English, by rule: `clauses` cuts the text, `forms` has the forms of words.  A claim says what its sentence
says and no more.  Precision before recall: what no form fits stays what it is, a sentence that recall finds.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from .clauses import Clause, clauses
from .forms import (
    ATTRIBUTES,
    DRINK,
    FORMS,
    HAS_PERSON,
    INTRODUCED,
    IS_PERSON,
    NO_OBJECT,
    NOT_MEANT,
    OF_LISTS,
    PERSON,
    TRAILING,
)
from .predicates import MENTIONED, RELATIONS, SAID, TOLD

MOST = 24  # claims of one text; what makes more is a list or a form
LONGEST = 80  # characters of an object
ATTRIBUTE_NAMES = {"phone number": "phone", "mobile number": "phone", "cell number": "phone", "mobile": "phone",
                   "cell phone": "phone", "cell": "phone", "mobile phone": "phone", "phone": "phone", "number": "phone",
                   "e-mail": "email", "email address": "email", "e-mail address": "email", "home address": "address",
                   "postal address": "address", "full name": "name", "first name": "name", "nickname": "called",
                   "job": "works as", "profession": "works as", "occupation": "works as", "home town": "comes from",
                   "hometown": "comes from", "native tongue": "native language", "mother tongue": "native language",
                   "first language": "native language", "blood group": "blood type",
                   "zodiac sign": "star sign"}  # fmt: skip
SPLIT = re.compile(r",? and |, (?:and )?| or ")
FROM_THE_PAST = re.compile(r"(?:lived|worked|studied|owned|drove|played|spoke) ", re.IGNORECASE)


class Claim(NamedTuple):
    """One claim of a text."""

    subject: str  # "I", "my sister", "my sister Mel", "Mel"
    predicate: str  # "lives in", "likes", "sister", "favourite colour" …
    object: str  # as it was said
    holds: bool  # False: it is not so, or no longer
    ended: bool  # it was so until then
    confidence: float  # 0..1
    start: int  # of the sentence in the text
    end: int


def claims(text: str) -> list[Claim]:
    """Return what *text* claims, in order, each once."""
    found: dict[tuple[str, str, str], Claim] = {}
    for clause in clauses(text):
        for claim in _of(clause):
            if 0 < len(claim.object) <= LONGEST and len(found) < MOST:
                found[claim.subject, claim.predicate, claim.object.lower()] = claim
    return list(found.values())


def _of(clause: Clause) -> Iterator[Claim]:
    """Yield what one clause claims."""
    made = Claim(
        clause.who, "", "", clause.holds, clause.ended, TOLD if clause.told else SAID, clause.start, clause.end
    )
    if match := PERSON.search(clause.whole):
        yield _person(made, match, MENTIONED)
    if match := IS_PERSON.match(clause.whole):
        yield _person(made, match, SAID)
        return
    if match := INTRODUCED.match(clause.whole):
        yield made._replace(predicate="name", object=_plain(match["o"] or match["o2"]))
        return
    if match := ATTRIBUTES.match(clause.says):
        yield from _attribute(made, _spelt(match["a"]), _plain(match["o"]))
        return
    if (match := HAS_PERSON.match(clause.says)) and match["n"]:
        for name in SPLIT.split(match["n"]):
            yield made._replace(predicate=match["r"].lower(), object=name)
    for predicate, form in FORMS:
        if match := form.match(clause.says):
            yield from _filled(made, predicate, match, clause)
            return


def _person(made: Claim, match: re.Match[str], sure: float) -> Claim:
    """Return who somebody is to the speaker."""
    return made._replace(
        subject="I", predicate=match["r"].lower(), object=match["n"], holds=True, ended=False, confidence=sure
    )


def _attribute(made: Claim, noun: str, object: str) -> Iterator[Claim]:
    if noun == "name" and made.subject.lower().startswith("my "):  # "my sister's name is Mel"
        yield made._replace(subject="I", predicate=made.subject[3:], object=object)
    else:
        yield made._replace(predicate=ATTRIBUTE_NAMES.get(noun, noun), object=object)


def _filled(made: Claim, predicate: str, match: re.Match[str], clause: Clause) -> Iterator[Claim]:
    """Yield what a form of words claims, with what it says is over."""
    groups = match.groupdict()
    said = next((groups[name] for name in ("o", "o2", "o3") if groups.get(name)), "")
    over = next((groups[name] for name in ("over", "over2", "f", "f2") if groups.get(name)), "")
    relation = made.subject[3:] if made.subject.startswith("my ") and made.subject == made.subject.lower() else ""
    if predicate == "called" and relation:  # "my dog is called Rex"
        for name in SPLIT.split(_plain(said)):
            yield made._replace(
                subject="I", predicate=relation if relation in RELATIONS else relation.removesuffix("s"), object=name
            )
        return
    if predicate == "switch":
        predicate = "drinks" if DRINK.search(said) else "uses"
    elif predicate == "prefers":
        over = ""
    if over:
        yield made._replace(predicate=predicate, object=_plain(over), holds=False, ended=True)
    if FROM_THE_PAST.match(clause.says) and clause.holds:
        made = made._replace(holds=False, ended=True)
    if groups.get("n"):
        said = f"{said} {groups['n']}"
    for object in SPLIT.split(said) if predicate in OF_LISTS else [said]:
        if (predicate not in OF_LISTS or not _says_nothing(predicate, object)) and _plain(object):
            yield made._replace(predicate=predicate, object=_plain(object))
    for also, group in (("studies at", "at"), ("works at", "employer"), ("works as", "job")):
        if groups.get(group):
            yield made._replace(predicate=also, object=_plain(groups[group]))


def _says_nothing(predicate: str, object: str) -> bool:
    """Whether it is a turn of phrase: "I love how you explain", "I hate to say it", "allergic to Mondays"."""
    if predicate == "dislikes" and object.startswith("to "):
        return True
    return bool(NO_OBJECT.match(object) or (predicate == "allergic to" and NOT_MEANT.match(object)))


def _spelt(noun: str) -> str:
    return noun.lower().replace("favorite", "favourite")


def _plain(object: str) -> str:
    while (shorter := TRAILING.sub("", object.strip())) != object:
        object = shorter
    return object
