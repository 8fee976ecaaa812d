"""
What an LLM, or any other callable, says that turns state → claims that may be kept.

`Memory(extract=…)` hands it the turns of a batch and SCHEMA, and takes back candidates.  A candidate is kept if its
object stands in the turn that it names, word for word, and its subject does too or is the speaker; so a model that
invents has nothing stored.  Who said it, when, how far it is trusted and how sure it is are never the model's to say.
A model that fails costs its own candidates and nothing else.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from .errors import warn
from .predicates import STATES
from .records import moment_or_none

Extract = Callable[[list[dict[str, Any]], dict[str, Any]], Any]

FIELD = "claims"  # of a record's metadata, where candidates are kept
AT_ONCE = 20  # turns that are handed over in one call
MOST = 12  # candidates of one turn
LONGEST = 80  # characters of a subject, predicate or object
SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "facts": {
            "type": "array",
            "description": "Lasting facts that the turns state about people. Nothing that is only asked, supposed, "
            "hoped, joked or quoted.",
            "items": {
                "type": "object",
                "properties": {
                    "turn": {"type": "integer", "description": "number of the turn that states it"},
                    "subject": {"type": "string", "description": '"I" for who speaks, "my sister", or a name'},
                    "predicate": {
                        "type": "string",
                        "description": 'lower case: "lives in", "works at", "likes", "allergic to", "sister", …',
                    },
                    "object": {"type": "string", "description": "word for word as in the turn"},
                    "state": {"type": "string", "enum": list(STATES)},
                },
                "required": ["turn", "subject", "predicate", "object", "state"],
                "additionalProperties": False,
            },
        }
    },
    "required": ["facts"],
    "additionalProperties": False,
}
_PREDICATE = re.compile(r"[a-z][a-z' -]*")
_FENCE = re.compile(r"\A\s*```\w*\s*(.*?)\s*```\s*\Z", re.DOTALL)


class Turn(NamedTuple):
    """What is handed over of a record."""

    text: str
    speaker: str | None
    role: str
    at: int | None  # UTC ms
    evident: bool  # whether what it states is evidence


class Candidate(NamedTuple):
    """A claim that a callable found and that its text bears out."""

    subject: str
    predicate: str
    object: str
    state: str


def asked(extract: Extract, turns: Sequence[Turn]) -> list[list[Candidate]]:
    """
    Return what *extract* finds in each of *turns*, checked; nothing for a call that fails.

    A failure is logged to "agentmem", without a word of the turns.
    """
    found: list[list[Candidate]] = []
    for start in range(0, len(turns), AT_ONCE):
        part = turns[start : start + AT_ONCE]
        kept: list[list[Candidate]] = [[] for _ in part]
        try:
            if any(turn.evident for turn in part):
                for number, candidate in _read(extract([_shown(n, turn) for n, turn in enumerate(part)], SCHEMA)):
                    if 0 <= number < len(part) and part[number].evident and borne_out(candidate, part[number].text):
                        kept[number].append(candidate)
        except Exception as error:  # noqa: BLE001  a caller's function: whatever it raises, the turns are stored
            warn("extract failed on %d turns: %s", len(part), type(error).__name__)
        found += [each[:MOST] for each in kept]
    return found


def kept(metadata: str, text: str) -> list[Candidate]:
    """Return the candidates in a record's *metadata*, a JSON object, that its *text* bears out."""
    if f'"{FIELD}"' not in metadata:
        return []
    given = json.loads(metadata).get(FIELD)
    if not isinstance(given, list):
        return []  # somebody else's field
    rows = [Candidate(*each) for each in given if isinstance(each, list) and [*map(type, each)] == [str] * 4]
    return [candidate for candidate in rows if borne_out(candidate, text)][:MOST]


def borne_out(candidate: Candidate, text: str) -> bool:
    """Return whether *text* has the words of *candidate*."""
    words = _words(text)
    subject = [] if candidate.subject == "I" else _words(candidate.subject)
    return (
        all(0 < len(part) <= LONGEST for part in candidate)
        and candidate.state in STATES
        and _PREDICATE.fullmatch(candidate.predicate) is not None
        and _stand_in(_words(candidate.object), words)
        and (candidate.subject == "I" or (bool(subject) and set(subject) <= set(words)))
    )


def _shown(number: int, turn: Turn) -> dict[str, Any]:
    at = moment_or_none(turn.at)
    return {
        "turn": number,
        "role": turn.role,
        "speaker": turn.speaker,
        "at": at.isoformat() if at else None,
        "text": turn.text,
    }


def _read(answer: Any) -> Iterator[tuple[int, Candidate]]:
    """Yield the candidates of an answer: JSON text, {"facts": […]} or the list itself; what is none is left out."""
    if isinstance(answer, str | bytes):
        text = answer if isinstance(answer, str) else answer.decode("utf-8")
        fenced = _FENCE.match(text)
        answer = json.loads(fenced[1] if fenced else text)
    given = answer.get("facts") if isinstance(answer, Mapping) else answer
    if not isinstance(given, list):
        raise TypeError("no list of facts")
    for each in given:
        if isinstance(each, Mapping) and type(each.get("turn")) is int:
            parts = [each.get(name) for name in Candidate._fields]
            if all(isinstance(part, str) for part in parts):
                yield each["turn"], Candidate(*(str(part).strip() for part in parts))


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", text.casefold())


def _stand_in(words: Sequence[str], text: Sequence[str]) -> bool:
    size = len(words)
    return size > 0 and any(text[at : at + size] == words for at in range(len(text) - size + 1))
