"""
A text and its marks → the claims that it makes: whose, what, whether it holds.  Without an LLM.

The tagger has marked what is stated (see `marks`); here a mark becomes a claim with a subject's name.  What everybody
has one of and few speak of ("my shoe size is 44") is read by a rule.  Precision before recall: what is not marked
stays what it is, a sentence that recall finds.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from .candidates import Candidate
from .marks import Mark
from .predicates import FORMER, RELATION, SURE, single
from .words import STOPWORDS

MOST = 24  # claims of one text; what makes more is a list or a form
LONGEST = 80  # characters of an object
GIVEN = 0.7  # of what a model found: it is known to stand in the text, not to be so
READ = 20_000  # characters of a text that rules look at

_NAMED = {"phone number": "phone", "mobile number": "phone", "cell number": "phone", "mobile": "phone",
          "cell phone": "phone", "cell": "phone", "mobile phone": "phone", "number": "phone", "e-mail": "email",
          "email address": "email", "e-mail address": "email", "home address": "address", "postal address": "address",
          "native tongue": "native language", "mother tongue": "native language", "first language": "native language",
          "blood group": "blood type", "zodiac sign": "star sign"}  # fmt: skip
_ATTRIBUTE = (
    r"favou?rite [\w-]+(?: [\w-]+)?|(?:home |postal )?address|(?:phone|mobile|cell)(?: phone)?(?: number)?|"
    r"e-?mail(?: address)?|pronouns|(?:native|first) language|(?:native|mother) tongue|blood (?:type|group)|shoe size|"
    r"height|(?:star|zodiac) sign"
)
_STATED = re.compile(
    rf"(?:^|[.!,;:–—]\s+|\b(?:and|but|so|well|fyi|btw),? )(?P<whose>my|his|her|their|[A-ZÀ-ÖØ-Þ][\w-]+['’]s) "
    rf"(?P<what>{_ATTRIBUTE}) (?:is|are|has changed to|changed to)(?: now)? (?P<object>[^.!?;\n]+(?:\.\w[^.!?;\n\s]*)*)"
    r"(?P<end>[.!?;]|$)",
    re.IGNORECASE | re.MULTILINE,
)
_NOT_STATED = re.compile(
    r"\b(?:not|maybe|perhaps|probably|might|may|would|could|think|guess|if|whether|sure|unless|wish|hope)\b|^(?:so|the|a)$",
    re.IGNORECASE,
)
_LONG = frozenset(["address", "home address", "postal address"])  # may have a comma
_JOKE = re.compile(r"\b(?:just|only|was) (?:kidding|joking)\b|\bj/?k\b", re.IGNORECASE)
_TRAILING = re.compile(r"^(?:the|a|an|my|our|some) (?=\S)|[ .,!;:]+$|^[ .,]+", re.IGNORECASE)
_WITHIN = "-'’/&@._"  # stand inside a word
_CALLED = re.compile(r",? (?:called|named) |, ")
_SELF = frozenset(["i", "me", "my", "we", "us", "our", "myself"])
_PAST = re.compile(  # "I lived in Ghent", and not "I've lived in Ghent"
    r"(?<!have )(?<!has )(?<!['’]ve )(?<!['’]s )\b(?:lived|worked|studied|drove|owned)\b[^.;:!?]{0,30}\Z", re.IGNORECASE
)
_NEVER = re.compile(r"\bnever\b[^.;:!?]{0,30}\Z", re.IGNORECASE)  # "I never lived in Rome"
_NOT_LIKED = re.compile(r"\b(?:do|does)(?: not|n['’]?t) (?:really |even )?(?:like|love|enjoy)\b[^.;!?]{0,30}\Z", re.I)
_TASTE = re.compile(
    r"(?P<not>\b(?:do|does|did)(?: not|n['’]?t) (?:really |even )?)?\b(?:(?P<liked>(?:love|like|enjoy|adore)s?)"
    r"|(?:hate|dislike|detest|loathe)s?|can(?:not| not|['’]?t) (?:stand|bear))\b(?=[^.;!?]*\Z)",
    re.IGNORECASE,
)
_HEARSAY = re.compile(  # "Juri said I live in Riga": that is his word, and not the speaker's
    r"(?<!\bI )\b(?:said|says|claims|claimed|told \w+|thinks|thought|believes|believed|reckons|assumes|insists|swears) "
    r"(?:that )?(?:I|i|we)\b[^.!?;\n]*\Z"
)
_LASTING = frozenset(["lives in", "works at", "works as", "studies", "studies at", "drives", "owns"])
_PRONOUN = frozenset(["he", "she", "they", "him", "her", "them", "his", "their", "hers", "that one"])
_POSSESSIVE = re.compile(r"['’]s?$")
_WORD = re.compile(r"[^\W\d_][\w'’-]*")
_OF_ANOTHER = re.compile(r"^\w+ \w+['’]s \w")  # "my sister's boss"
_NAME = r"[A-ZÀ-ÖØ-Þ][\w’'-]*[\w](?: [A-ZÀ-ÖØ-Þ][\w’'-]*[\w])?"
_SENTENCE_WORDS = frozenset(
    ["I", "We", "They", "He", "She", "It", "The", "My", "And", "But", "So", "Then", "This", "That"]
)
_BY = r"(?:[Ee]very(?:one|body)|[Pp]eople|[Ww]e|[Tt]hey|[Ff]riends|I|(?:[Mm]y|[Hh]er|[Hh]is) \w+)(?: all)?"
_ALIASES = [  # long name, short one, in any order
    re.compile(pattern)
    for pattern in (
        rf"\b{_BY} calls? (?P<long>{_NAME}) (?:just )?(?P<short>{_NAME})",
        rf"(?P<short>{_NAME}),? (?:is|as in|being) short for (?P<long>{_NAME})",
        rf"(?P<long>{_NAME}),? (?:or )?(?P<short>{_NAME}),? for short",
        rf"(?P<long>{_NAME}),? (?:or )?(?P<short>{_NAME}),? to (?:\w+ )?(?:friends|family|everyone|us)\b",
        rf"(?P<long>{_NAME}),? or (?P<short>{_NAME})(?:,)? as (?:{_BY}) (?:calls?|says?)",
        rf"(?P<short>{_NAME}),? as {_BY} calls? (?P<long>{_NAME})",
        rf"(?P<short>{_NAME}) is what {_BY} calls? (?P<long>{_NAME})",
        rf"everyone shortens (?P<long>{_NAME}) to (?P<short>{_NAME})",
        rf"(?P<short>{_NAME})(?: is|['’]s) (?P<long>{_NAME}) (?:really|actually|in full|on paper)\b",
    )
]


class Claim(NamedTuple):
    """One claim of a text."""

    subject: str  # "I", "my sister", "my sister Mel", "Mel"
    predicate: str  # "lives in", "likes", "sister", "favourite colour" …
    object: str  # as it was said
    holds: bool  # False: it is not so, or no longer
    ended: bool  # it was so until then
    confidence: float  # 0..1
    start: int  # of the object in the text
    end: int


def claims(text: str, marks: Sequence[Mark], found: Sequence[Candidate] = ()) -> list[Claim]:
    """
    Return what *text* claims, in order, each once; where it gives two values for one thing, the surer.

    Args:
        found: what `Memory(extract=…)` found in it.
    """
    given = [
        Claim(who, predicate, object, state == "holds", state == "ended", GIVEN, text.find(object), len(text))
        for who, predicate, object, state in found
    ]
    joke = [match.end() for match in _JOKE.finditer(text[:READ])]
    marks = [mark for mark in marks if not joke or mark.start > joke[-1]]  # what was said before it was meant as one
    best: dict[tuple[str, ...], Claim] = {}
    for claim in sorted(
        [*_marked(text, marks), *_attributes(text), *_aliases(text), *given], key=lambda claim: -claim.confidence
    ):
        one = single(claim.predicate) and claim.holds
        place = (claim.subject, claim.predicate) if one else (claim.subject, claim.predicate, claim.object.lower())
        if 0 < len(claim.object) <= LONGEST:
            best.setdefault(place, claim)
    return sorted(best.values(), key=lambda claim: (claim.start, claim.predicate))[:MOST]


def _marked(text: str, marks: Sequence[Mark]) -> Iterator[Claim]:
    last: str | None = None  # the other person spoken of last
    pets: list[Claim] = []
    for mark in marks:
        subject = "I" if mark.subject is None else _name(text[slice(*_whole(text, *mark.subject))], last)
        before = text[: mark.start]
        if subject is None or (subject == "I" and _HEARSAY.search(before)):
            continue
        last = last if subject == "I" else subject
        over = mark.state == "ended" or (mark.predicate in _LASTING and bool(_PAST.search(before)))
        state = mark.state == "holds" and not over, over and not _NEVER.search(before)
        if mark.predicate == "dislikes" and over and _NOT_LIKED.search(before):
            mark = mark._replace(predicate="likes")  # "I don't like figs any more"
        elif mark.predicate in ("likes", "dislikes") and state[0] and (verbs := list(_TASTE.finditer(before))):
            # In "I hate plums but love figs" the tagger sees one of two tempers; the nearest verb knows.
            mark = mark._replace(predicate="likes" if verbs[-1]["liked"] and not verbs[-1]["not"] else "dislikes")
        object = _plain(text[slice(*_whole(text, mark.start, mark.end))])
        if not _says_something(object):
            continue
        claim = Claim(subject, mark.predicate, object, *state, SURE * mark.confidence, mark.start, mark.end)
        if claim.predicate == "pet":
            pets.append(claim._replace(object=_CALLED.sub(" ", claim.object)))
        else:
            yield claim
    yield from _pets(pets)


def _whole(text: str, start: int, end: int) -> tuple[int, int]:
    """Widen a stretch to whole words, as people write them: "Hyun-woo", "she/her", "b.ward@example.com"."""
    while start > 1 and (text[start - 1].isalnum() or (text[start - 1] in _WITHIN and text[start - 2].isalnum())):
        start -= 1
    while end + 1 < len(text) and (text[end].isalnum() or (text[end] in _WITHIN and text[end + 1].isalnum())):
        if text[end] in "'’" and text[end + 1 : end + 3].rstrip(" .,!?") == "s":
            break  # "Tom's"
        end += 1
    return start, end + (end < len(text) and text[end].isalnum())


def _says_something(object: str) -> bool:
    return any(word.lower() not in STOPWORDS for word in re.findall(r"\w+", object))


def _pets(said: Sequence[Claim]) -> Iterator[Claim]:
    """Yield pets, kind before name: "a cat named Miso" and "Miso the cat" are both "cat Miso"."""
    waiting: Claim | None = None
    for claim in said:
        named, is_named = (waiting.object, claim.object) if waiting else ("", "")
        if (
            waiting
            and waiting[:2] + waiting[3:5] == claim[:2] + claim[3:5]
            and claim.start - waiting.end < 40
            and named.islower() != is_named.islower()
        ):
            both = f"{named} {is_named}" if named.islower() else f"{is_named} {named}"
            yield claim._replace(object=both, start=waiting.start)
            waiting = None
            continue
        if waiting:
            yield waiting
        waiting = claim
    if waiting:
        yield waiting


def _name(said: str, last: str | None) -> str | None:
    """Return how claims name the person whom a text calls *said*; None is one who cannot be told."""
    words = [_POSSESSIVE.sub("", word) for word in _WORD.findall(said)]
    small = [word.lower() for word in words]
    if not words or small[0] in _PRONOUN or (small == ["the"]):
        return last
    if small[0] not in _SELF:
        return " ".join(words[1:] if small[0] in ("the", "a", "an") else words) or None
    if len(words) == 1:
        return "I"
    relation = next((RELATION[word] for word in small[1:] if word in RELATION), None)
    named = " ".join(word for word in words[1:] if word[0].isupper() and word.lower() not in RELATION)
    if relation is None or any(word in FORMER for word in small) or _OF_ANOTHER.search(said):
        return named or f"my {' '.join(small[1:])}"
    return f"my {relation} {named}".strip()


def _attributes(text: str) -> Iterator[Claim]:
    """Yield what is said in so many words of what everybody has one of."""
    for match in _STATED.finditer(text[:READ]):
        if match["end"] == "?" or _NOT_STATED.search(match["object"]):
            continue
        whose = match["whose"].lower()
        subject = "I" if whose == "my" else None if whose in _PRONOUN else _POSSESSIVE.sub("", match["whose"])
        what = match["what"].lower().replace("favorite", "favourite")
        object = match["object"]
        object = _plain(object if what in _LONG else object.split(", ")[0].split(" and ")[0])
        if subject:
            yield Claim(subject, _NAMED.get(what, what), object, True, False, SURE, match.start(), match.end())


def _aliases(text: str) -> Iterator[Claim]:
    """Yield which two names text says to be one's."""
    for pattern in _ALIASES:
        for match in pattern.finditer(text[:READ]):
            if match["long"] != match["short"] and not {match["long"], match["short"]} & _SENTENCE_WORDS:
                yield Claim(match["long"], "called", match["short"], True, False, SURE, *match.span("short"))


def _plain(object: str) -> str:
    object = object.strip()
    while (shorter := _TRAILING.sub("", object)) != object:
        object = shorter
    return object
