"""
The sentences that the tagger is trained on: read, checked, and varied.

One line is one message, with marks:

    [lives in: Porto]   it is so now          [plays~ the violin]   it was so and is over
    [diet! vegan]       it is denied          {My sister Ana}       whom the facts are of, if not the speaker

What only asks, hedges, supposes, jokes or quotes has no mark.  All were written for this project.
"""

import random
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

FOLDER = Path(__file__).parent / "sentences"
STATES = ":~!"  # as in agentmem.marks.STATES
MARK = re.compile(r"\[([a-z ]+)([:~!]) ([^\[\]]+)\]")
# Values that are bound to the words around them, and cannot be put for one another.
BOUND = frozenset(["habit", "plans", "status", "pet", "has", "diet", "owns", "uses", "prefers"])
KEPT, LOWERED, JOINED, NAMED = 0.25, 0.12, 0.35, 0.25  # shares of the variants
LONGEST = 300  # characters of two messages that are joined


class Value(NamedTuple):
    """A stretch of a text that is the value of a predicate."""

    start: int
    end: int
    predicate: str
    state: int  # index of STATES
    other: bool = False  # of one of the sentence's subjects, not of the speaker


class Sentence(NamedTuple):
    """A message, what it states, and of whom."""

    text: str
    values: list[Value]
    subjects: list[tuple[int, int]]


def parse(line: str) -> Sentence:
    """Read one marked line; ValueError where a mark is not one."""
    text, values, subjects, opened, place = "", list[Value](), list[tuple[int, int]](), None, 0
    while place < len(line):
        character = line[place]
        if character == "[":
            match = MARK.match(line, place)
            if match is None:
                raise ValueError(f"not a mark: {line[place : place + 40]!r}")
            values.append(Value(len(text), len(text) + len(match[3]), match[1], STATES.index(match[2])))
            text += match[3]
            place = match.end()
            continue
        if character in "]}" and not (character == "}" and opened is not None):
            raise ValueError(f"{character} without its beginning: {line!r}")
        if character == "{":
            opened = len(text)
        elif character == "}" and opened is not None:
            subjects.append((opened, len(text)))
            opened = None
        else:
            text += character
        place += 1
    if opened is not None:
        raise ValueError(f"{{ without its end: {line!r}")
    for place, value in enumerate(values):
        named = any(start <= value.start and value.end <= end for start, end in subjects)
        values[place] = value._replace(other=bool(subjects) and not named)  # "my sister Ana": she is the speaker's
    return Sentence(text, values, subjects)


def read(paths: list[Path]) -> list[Sentence]:
    """Read every line of *paths*."""
    return [parse(line) for path in paths for line in path.read_text("utf-8").splitlines() if line.strip()]


def varied(sentences: list[Sentence], seed: int) -> Iterator[Sentence]:
    """Yield a variant of each sentence: other values, no capitals, a speaker's name before it, another after it."""
    draw = random.Random(seed)
    values = by_predicate(sentences)
    for sentence in sentences:
        made = _replaced(sentence, values, draw)
        if draw.random() < LOWERED and len(made.text.lower()) == len(made.text):
            made = made._replace(text=made.text.lower())
        other = draw.choice(sentences)
        if draw.random() < JOINED and len(made.text) + len(other.text) < LONGEST:
            between = " " if made.text[-1:] in ".!?" else draw.choice([". ", "! ", "... ", "\n"])
            made = joined(made, other, between)
        if draw.random() < NAMED:
            made = joined(Sentence(draw.choice(values["name"]).title(), [], []), made, ": ")
        yield made


def by_predicate(sentences: list[Sentence]) -> dict[str, list[str]]:
    """Return the values of up to three words, by predicate."""
    values = defaultdict(list)
    for sentence in sentences:
        for value in sentence.values:
            said = sentence.text[value.start : value.end]
            if len(said.split()) <= 3:
                values[value.predicate].append(said)
    return values


def _replaced(sentence: Sentence, values: dict[str, list[str]], draw: random.Random) -> Sentence:
    """Put other values of their predicates for some of the sentence's."""
    text, place, small = "", 0, sentence.text == sentence.text.lower()
    moved: list[tuple[Value, Value]] = []
    for value in sorted(sentence.values):
        said = sentence.text[value.start : value.end]
        if value.predicate not in BOUND and draw.random() >= KEPT and value.predicate in values:
            said = draw.choice(values[value.predicate])
            said = said.lower() if small else said
        text += sentence.text[place : value.start]
        moved.append((value, value._replace(start=len(text), end=len(text) + len(said))))
        text += said
        place = value.end
    text += sentence.text[place:]

    def at(character: int, end: bool) -> int:
        shift = 0
        for old, new in moved:
            if character >= old.end:
                shift = new.end - old.end
            elif character > old.start:
                return new.end if end else new.start
        return character + shift

    subjects = [(at(start, False), at(end, True)) for start, end in sentence.subjects]
    return Sentence(text, [new for _, new in moved], subjects)


def joined(one: Sentence, other: Sentence, between: str) -> Sentence:
    """Put two sentences together, with *between* between them."""
    by = len(one.text) + len(between)
    return Sentence(
        one.text + between + other.text,
        one.values + [value._replace(start=value.start + by, end=value.end + by) for value in other.values],
        one.subjects + [(start + by, end + by) for start, end in other.subjects],
    )
