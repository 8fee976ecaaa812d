"""
What ranking asks of a text beside its words, read once when it is stored: does it ask, does it tell, of which times.

Pure, English, by rule.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from .times import spoken_of
from .words import WORD

READ = 20_000  # characters that are read; what a longer text tells, it tells by then
MOST_TELLS = 2  # more are not counted
MOST_TIMES = 16  # a text that speaks of more is a table or a bibliography, and is found by its words

SENTENCE = re.compile(r"[^.!?\n]+(?:[.!?\n]|\Z)")
# "I moved", "we've just bought", "my sister has lost": past tense after who speaks.  Regular verbs by their ending.
TELLS = re.compile(
    r"\b(?:i|we|i['’]ve|we['’]ve|i['’]m|my \w+)"
    r"(?: (?:have|has|had|just|recently|also|finally|actually|already|only)){0,4} "
    r"(?:\w+ed|went|got|had|was|were|saw|did|made|took|started|bought|found|met|gave|told|came|became|began|felt|kept|left|"
    r"lost|won|read|wrote|ran|flew|drove|ate|built|caught|chose|grew|heard|held|knew|paid|sold|sent|spent|stood|taught|"
    r"thought|wore|broke|brought|taken|seen|done|been|gone)\b",
    re.IGNORECASE,
)


class Traits(NamedTuple):
    """What ranking asks of one text."""

    length: int  # characters
    asks: bool  # ends with a question mark
    states: bool  # holds more than questions
    tells: int  # how often somebody says what they did or what happened to them, as far as 2
    times: tuple[tuple[int, int], ...]  # half-open intervals, UTC ms, that it speaks of, each once


def traits(text: str, at: int | None) -> Traits:
    """
    Read *text*, said at *at* (UTC ms; None where nobody knows, then "yesterday" is no time).

    What stands in a question is not told.
    """
    read = text[:READ]
    stated = " ".join(sentence for sentence in SENTENCE.findall(read) if not sentence.endswith("?"))
    tells = sum(1 for _, _ in zip(TELLS.finditer(stated), range(MOST_TELLS), strict=False))
    times = dict.fromkeys((span.since, span.until) for span in spoken_of(read, at))
    return Traits(
        len(text),
        text.rstrip().endswith("?"),
        WORD.search(stated) is not None,
        tells,
        tuple(times) if len(times) <= MOST_TIMES else (),
    )
