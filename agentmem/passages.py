"""
Pure: a text → its sentences, and how much of what a query asks each of them speaks of.

A long turn seldom answers with all of its words: a context has room for more answers where it takes sentences.
"""

from __future__ import annotations

import re
import unicodedata

from .words import STOPWORDS, WORD

LONGEST = 320  # characters of a passage; a longer sentence is cut at a space
STEM = 5  # letters by which two words count as one: "moved" and "moving", "allergic" and "allergies"
_END = re.compile(r"(?<=[.!?…])[\"')\]]*\s+|(?<=[。！？])|\n+")


def sentences(text: str) -> list[tuple[int, int]]:
    """Return where each sentence of *text* begins and ends, without the space around it; none of them is blank."""
    found: list[tuple[int, int]] = []
    begin = 0
    for end in [*(match.end() for match in _END.finditer(text)), len(text)]:
        while end - begin > LONGEST:
            space = text.rfind(" ", begin + 1, begin + LONGEST) + 1
            found.append((begin, space or begin + LONGEST))
            begin = found[-1][1]
        found.append((begin, end))
        begin = end
    return [place for place in (_stripped(text, *each) for each in found) if place[0] < place[1]]


def stems(text: str) -> frozenset[str]:
    """Return the beginnings of the telling words in *text*, without case and accents."""
    plain = text.casefold()
    if not plain.isascii():
        plain = "".join(c for c in unicodedata.normalize("NFKD", plain) if not unicodedata.combining(c))
    return frozenset(word[:STEM] for word in WORD.findall(plain) if word not in STOPWORDS)


def _stripped(text: str, begin: int, end: int) -> tuple[int, int]:
    part = text[begin:end]
    return begin + len(part) - len(part.lstrip()), begin + len(part.rstrip())
