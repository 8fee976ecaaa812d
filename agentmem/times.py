"""
The times that a text speaks of: "yesterday", said on 8 May 2023, is 7 May 2023.

English, by rule.  Each form of words is one function under its pattern; `spoken_of` tries them all in one pass.
What could mean something else is left out ("I may go", "4/5", "at 5 pm"): a time too many misleads more than one
too few.  Where people themselves disagree, the rule is:

- Days are UTC days, weeks start on Monday, a weekend is Saturday and Sunday, seasons are the northern ones.
- "last week" is the calendar week before this one, "two months ago" the calendar month two before, "a year ago" a
  year; "the past two weeks" run up to today.  "a few" is 2 to 5, "a couple" 2 or 3, "several" 3 to 7.
- "last Friday" is the latest before today, "next Friday" that of the next week, "on Friday" the nearest, or the one
  that the sentence's tense asks for; so are "7 May" and "Christmas".  "in May" is the latest that has begun, unless
  the sentence looks ahead.
- "since 2016" and "for 3 years now" speak of when it began; "for 3 years" of no time.
- 13/05/2023 and 05/13/2023 are dates; 07/05/2023, which could be either of two, is none.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date

from . import days
from .days import HOLIDAY, MONTH, NUMBER, SEASON, WEEKDAY, Days, count
from .phrases import Place, compile_words, find
from .records import LAST_INSTANT, instant, moment

TRIGGER = compile_words(  # cheap, and found in every text that one of the forms fits
    r"\d|day|week|month|year|\b(?:tonight|tonite|tomorrow|tmrw|(?:this|last) (?:morning|afternoon|evening|night)|"
    rf"{WEEKDAY}|{MONTH}|{SEASON}|{HOLIDAY})\b"
)

ORDER = {"first": 0, "1st": 0, "second": 1, "2nd": 1, "third": 2, "3rd": 2, "fourth": 3, "4th": 3, "last": -1}

# The words before a time that name a part of it, or a time beside it.
PART_OF = compile_words(r"\b(early|mid|late|(?:beginning|start|middle|end) of)(?: in)?(?: | the |-)$")
NTH_OF = compile_words(rf"\b({'|'.join(ORDER)}) (day|week|weekend|{WEEKDAY}) (?:of|in) $")
BESIDE = compile_words(
    rf"\b(?:the |{NUMBER} )?(day|night|week|weekend|month|year|{WEEKDAY})s? (before|after|of) (?:the )?$"
)
DAY_OF_WEEK = compile_words(rf"\b({WEEKDAY}),?(?: of)? $")

ASKS_WHEN = compile_words(
    r"\b(?:when(?: (?:did|does|do|is|was|were|are|will|would|has|have|had|can|could|should)\b|['’]s\b)|since when\b|"
    r"(?:tell me|know|idea|sure|wonder) when\b|"
    r"(?:what|which) (?:exact |other )?(?:dates?|days?|weekday|weekend|weeks?|months?|years?|season|decade)\b(?!-)|"
    r"what(?: is|['’]s| was) the (?:exact )?(?:date|day|month|year)\b|"
    r"how (?:long|many (?:days|weeks|months|years)) (?:ago|has|have|had|did|since)\b)"
)


EVERY_YEAR = compile_words(rf"\b(?:{MONTH}|{SEASON}|{HOLIDAY})\b")
ONE_YEAR = compile_words(r"\d{4}|\b(?:last|past|next|this|coming|ago)\b")
MOST_YEARS = 40  # that a question without a year is asked of


@dataclass(frozen=True, slots=True)
class Span:
    """A half-open interval of time that a text speaks of, and where."""

    since: int  # UTC ms
    until: int  # UTC ms
    start: int  # offset of the words in the text
    end: int


def spoken_of(text: str, at: int | None) -> list[Span]:
    """
    Find the times that *text* speaks of.

    Args:
        text: of any length; what it takes grows with the length, not faster.
        at: when it was said, UTC ms; None finds only what names a year.

    Returns:
        Spans in order of the text, which do not overlap in it.
    """
    lowered = text.lower()
    if not TRIGGER.search(lowered):
        return []
    if len(lowered) != len(text):  # "İ" becomes two characters
        lowered = "".join(letter.lower()[0] for letter in text)
    spans: list[Span] = []
    for place, found in find(text, lowered, at):
        try:
            span = _narrow(place, found)
        except ValueError:  # "the fourth weekend of" what has three, or a day outside the years 1 to 9999
            continue
        while spans and spans[-1].end > span.start:
            spans.pop()  # "last week of May" is not last week
        spans.append(span)
    return spans


def named_times(query: str, now: int, known: Callable[[], tuple[int, int]]) -> list[tuple[int, int]]:
    """
    Return the times that a question names, half-open, UTC ms, each once.

    Args:
        now: when it is asked, UTC ms; "last week" is the one before.
        known: returns the first and the last time that may be asked about, UTC ms: "in May", without a year, is the
            May of every year there.  Not called where no such time is named.
    """
    found: dict[tuple[int, int], None] = {}
    for span in spoken_of(query, now):
        words = query[span.start : span.end].lower()
        found[span.since, span.until] = None
        if EVERY_YEAR.search(words) and not ONE_YEAR.search(words):
            first, last = known()
            years = range(max(moment(first).year - 1, 1), min(moment(last).year + 1, 9998) + 1)
            for year in years[-MOST_YEARS:]:
                # A year's own "in May" is found from one half of it or the other.
                for month in (1, 7):
                    for other in spoken_of(query, instant(date(year, month, 1))):
                        if other.start == span.start:
                            found[other.since, other.until] = None
    return list(found)


def asks_when(query: str) -> bool:
    """Return whether *query* asks for a date or a duration; the time of day does not count."""
    return ASKS_WHEN.search(query.lower()) is not None


def _narrow(place: Place, found: Days) -> Span:
    """Make a span of *found*, or of what the words before make of it: "the week before", "early", "first Monday of"."""
    length = found[1] - found[0]
    match = place.after(NTH_OF) if length > 7 else None
    if match:
        found = days.nth(match[2], ORDER[match[1]], found)
    elif length > 2 and (match := place.after(PART_OF)):
        found = days.part(match[1], found)
    elif length == 7 and (match := place.after(DAY_OF_WEEK)):
        found = days.weekday(match[1], found[0])
    elif match := place.after(BESIDE):
        found = _beside(match[1], match[2], match[3], found)
    since, until = ((ordinal - days.EPOCH_DAY) * days.DAY_MS for ordinal in found)
    date.fromordinal(found[0])  # or ValueError
    return Span(since, min(until, LAST_INSTANT), place.start - len(match[0]) if match else place.start, place.end)


def _beside(number: str | None, name: str, side: str, found: Days) -> Days:
    """Return the unit or weekday *name* before, after or of *found*."""
    name = "day" if name == "night" else name
    if side == "of":
        return days.unit(name, found[0], 0) if name in ("week", "weekend") and found[1] - found[0] == 1 else found
    before = side == "before"
    edge = found[0] if before else found[1] - 1
    if (name != "month" and name[:3] in days.WEEKDAYS) or (name == "weekend" and not number):
        every = (days.weekday(name, edge, n) if name != "weekend" else days.unit(name, edge, n) for n in (-1, 0, 1))
        return days.choose(every, edge, "last" if before else "next") or found
    least, most = count(number or "one")
    if not number and name == "week":
        return (edge - 7, edge) if before else (edge + 1, edge + 8)
    near, far = (-most, -least) if before else (least, most)
    return days.unit(name, edge, near)[0], days.unit(name, edge, far)[1]
