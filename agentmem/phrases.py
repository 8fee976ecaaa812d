"""
The forms of words that name a time, each a function under its pattern.

A blank in a pattern stands for any white space.  A function takes the place that its pattern fits and the pattern's
groups, and returns days, or None where the words mean something else.  It lets ValueError pass where there is no
such day: 30 February, the year 10000, "yesterday" in a text of unknown date.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from functools import cache

from . import days
from .days import HOLIDAY, MONTH, NUMBER, SEASON, WEEKDAY, Days, count

Resolve = Callable[..., Days | None]

CLAUSE_CHARS = 120  # how far to either side a sentence is searched for its tense
BEFORE_CHARS = 40  # how far back the words that narrow a time may start: "the second Wednesday of the month of"

_TH = "(?:st|nd|rd|th)"
_YEAR = r"((?:1[5-9]|20|21)\d\d)\b(?![-–/:.,]\d| \d)"
_OF_YEAR = r"(?:\.?,? ?(?:of )?(\d{4})\b(?![:.]\d))?"
_COUNTED = (  # what follows a number that is no year
    "(?! (?:words?|people|dollars|euros|pounds|bucks|steps|miles|k?m|met(?:er|re)s|feet|calories|points|pages|lines|"
    "copies|items|times|users|tokens|square|years|months|days|hours|minutes|seconds|lbs|kg)\\b| ?[%€$£])"
)
_WHICH = "(last|past|next|coming|this(?: past| coming)?)"


def compile_words(pattern: str) -> re.Pattern[str]:
    """Compile *pattern*, in which a blank stands for any white space."""
    return re.compile(pattern.replace(" ", r"\s"))


TENSE = compile_words(
    r"\b(?:(?P<ahead>will|won['’]t|shall|gonna|plans?|planning|hope|hoping|forward|wait|upcoming|about to|want|might|"
    r"deadline|due|starts|schedul\w+|soon|coming|['’]ll|(?:is|are)(?= (?:in|on|at|by|for) )|"
    r"(?:am|are|is|['’](?:m|re|s)) (?:\w+ )?\w{2,}ing)|"
    r"(?P<behind>was|were|had|did|didn['’]t|been|went|got|saw|met|made|took|came|said|told|gave|found|ate|bought|ran|won|"
    r"lost|began|left|felt|wrote|drove|flew|sent|spent|swam|sang|slept|kept|paid|heard|knew|grew|stood|taught|caught|sold|"
    r"built|broke|chose|fell|rode|wore|drank|\w{2,}[^\We]ed))\b"
)
SENTENCE_END = re.compile(r"[.!?;\n]")

# The words before a name or a number that make it a time, or make it none.
IN_TIME = compile_words(
    r"(?:^|\W)(?:(?:in|since|during|until|till|by|before|after|around|through|between)(?: early| mid| late)?|early|mid|"
    r"late|(?:end|start|beginning|middle|rest|most|half|quarter|week|weekend|month|day) of) $|\bmid-$"
)
IN_YEAR = compile_words(r"(?:^|\W)(?:from|year) $")
IN_ROUND_YEAR = compile_words(r"(?:^|\W)(?:in|since|year) $")
ON_DAY = compile_words(
    r"(?:^|\W)(?:on|by|until|till|since|from|before|after|around|for|at|over|(?:week|weekend|day|night) of) (?:the )?$"
)
IN_THE = compile_words(r"(?:^|\W)(?:in|over|during|for|within|throughout) (?:the|this|my|our) $")
IN_SEASON = compile_words(r"(?:^|\W)(?:in|over|during|of|by|until|since|early|late|mid) the $")
NOT_THE_DAY = compile_words(
    r"\b(?:every|each|most|some|any|an?|one|other|that|black|good|cyber|ash|fat|super|taco|palm|casual) $|"
    rf"\b{WEEKDAY}s?(?: (?:to|through|thru|and|or) |[-–/])$"
)
COMPOUND = compile_words(r"(?:day|week|month|year)s?,? and $")
AMBIGUOUS = re.compile(r"\b(?:may|march|mar|sun|sat|wed|mon)\b")  # in small letters


@dataclass(frozen=True, slots=True)
class Place:
    """The words of one time, in their text."""

    text: str
    lowered: str  # as long as text
    start: int
    end: int
    at: int | None

    @property
    def today(self) -> int:
        """The day on which it was said; ValueError where nobody knows."""
        if self.at is None:
            raise ValueError("relative to an unknown day")
        return self.at // days.DAY_MS + days.EPOCH_DAY

    def after(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        """Search *pattern*, which ends with $, in the words just before."""
        return pattern.search(self.lowered[max(0, self.start - BEFORE_CHARS) : self.start])

    def says(self, pattern: re.Pattern[str]) -> bool:
        """Return whether *pattern* is in the words as they were written."""
        return pattern.search(self.text[self.start : self.end]) is not None

    def tense(self) -> str:
        """Return whether the sentence looks "ahead" or "behind", by the last cue before or the first after; or ""."""
        before = SENTENCE_END.split(self.lowered[max(0, self.start - CLAUSE_CHARS) : self.start])[-1]
        rest = SENTENCE_END.split(self.lowered[self.end : self.end + CLAUSE_CHARS], maxsplit=1)[0]
        cues = [*TENSE.finditer(before)][-1:] or [*TENSE.finditer(rest)][:1]
        return (cues[0].lastgroup or "") if cues else ""


def _steps(which: str) -> int:
    return 0 if which == "this" else -1 if which.endswith(("last", "past")) else 1


_FORMS: list[tuple[str, Resolve]] = []  # the first that fits at a place wins


def _form(pattern: str) -> Callable[[Resolve], Resolve]:
    """Register the function below as what resolves *pattern*; it takes the place and the pattern's groups."""

    def register(resolve: Resolve) -> Resolve:
        _FORMS.append((pattern, resolve))
        return resolve

    return register


@_form(r"(?<![\d./-])(\d{4})[-/](\d{1,2})[-/](\d{1,2})(?![\d/-])")
def _iso(_: Place, year: str, month: str, day: str) -> Days:
    return days.day(int(year), int(month), int(day))


@_form(r"(?<![\d./-])(\d{1,2})(?:/(\d{1,2})/(\d{4}|\d\d)|[.-](\d{1,2})[.-](\d{4}))(?![-./]?\d)")
def _slashed(_: Place, one: str, *rest: str | None) -> Days | None:
    other, year = (int(number) for number in rest if number)
    day, month = max(int(one), other), min(int(one), other)
    return days.day(year if year > 99 else 2000 + year, month, day) if day > 12 or day == month else None


@_form(rf"(?<![\d.,:/$€£#])(?:(\d{{1,2}}){_TH}? ?(?:-|–|to) ?)?(\d{{1,2}})({_TH}?) ?(of )?({MONTH})\b{_OF_YEAR}")
def _day_month(place: Place, first: str, last: str, th: str, of: str, month: str, year: str) -> Days | None:
    sure = th or of or year or not place.says(AMBIGUOUS)  # "at least 20 may come"
    return _dated(place, first or last, last, month, year) if sure else None


@_form(
    rf"({MONTH})\b\.? (?:the )?(\d{{1,2}})({_TH}?)(?: ?(?:-|–|to) ?(\d{{1,2}}){_TH}?)?\b(?![:%/]|\.\d| ?[ap]m\b)"
    + _OF_YEAR
)
def _month_day(place: Place, month: str, first: str, th: str, last: str, year: str) -> Days | None:
    sure = th or year or not place.says(AMBIGUOUS)
    return _dated(place, first, last or first, month, year) if sure else None


def _dated(place: Place, first: str, last: str, month: str, year: str | None) -> Days | None:
    """Return the day, or the days, of a month; without a year the one that the sentence is about."""
    name = days.MONTHS.index(month[:3]) + 1

    def make(number: int) -> Days:
        return days.day(number, name, int(first))[0], days.day(number, name, int(last))[1]

    found = make(int(year)) if year else _choose_yearly(place, make)
    return found if found and found[0] < found[1] else None


def _choose_yearly(place: Place, make: Callable[[int], Days], way: str = "") -> Days | None:
    return days.choose(days.yearly(make, place.today), place.today, way or place.tense() or "nearest")


@_form(
    rf"(?<=the )(\d{{1,2}}){_TH}\b"
    r"(?=[.,!?;)]|$| (?:and|at|in|with|for|to|we|i|she|he|they|it|after|before|when|my|our|the)\b)"
)
def _nth_of_month(place: Place, number: str) -> Days | None:
    that = date.fromordinal(place.today)
    months = [days.month(that.year, that.month + steps) for steps in range(-2, 3)]
    every = [(first + int(number) - 1, first + int(number)) for first, end in months if first + int(number) <= end]
    return days.choose(every, place.today, place.tense() or "nearest") if place.after(ON_DAY) else None


@_form(rf"({MONTH}|{SEASON}|{HOLIDAY})\b\.?,? (?:of |in )?{_YEAR}{_COUNTED}")
def _named_year(place: Place, name: str, year: str) -> Days | None:
    return None if place.says(AMBIGUOUS) and not place.after(IN_TIME) else days.named(name, int(year))


@_form(rf"(?:between|from) {_YEAR} (?:and|to|until) {_YEAR}{_COUNTED}")
def _years(_: Place, first: str, last: str) -> Days | None:
    return (days.year(int(first))[0], days.year(int(last))[1]) if int(first) < int(last) else None


@_form(rf"{_YEAR}{_COUNTED}")
def _bare_year(place: Place, year: str) -> Days | None:
    # A multiple of 100 counts something more often than it names a year.
    led = place.after(IN_ROUND_YEAR) if year.endswith("00") else place.after(IN_TIME) or place.after(IN_YEAR)
    return days.year(int(year)) if led else None


@_form(r"((?:1[5-9]|20)\d0)s\b")
def _decade(_: Place, year: str) -> Days:
    return days.year(int(year))[0], days.year(int(year) + (99 if year.endswith("00") else 9))[1]


@_form(r"(yesterday|today|tonight|tonite|tomorrow|tmrw|this (?:morning|afternoon|evening)|last (?:night|evening))\b")
def _near_day(place: Place, words: str) -> Days:
    return days.unit("day", place.today, -1 if words[0] in "yl" else 1 if words in ("tomorrow", "tmrw") else 0)


@_form(rf"{_WHICH} (?:{NUMBER} )?(day|week|weekend|month|year)(s?)\b(?! of\b)")
def _which_unit(place: Place, which: str, number: str | None, unit: str, many: str) -> Days | None:
    steps, the = _steps(which), place.lowered.endswith("the ", 0, place.start)
    running = number or ("past" in which and not many) or (the and not many and place.after(IN_THE))
    if steps and unit != "weekend" and running:
        return days.stretch(unit, place.today, steps * count(number or "one")[1])
    if number or many or unit == "day" or (the and which in ("last", "next")):  # "the last week was the best"
        return None
    if which == "this" and unit == "weekend" and (place.today - 1) % 7 < 3 and place.tense() == "behind":
        steps = -1
    return days.unit(unit, place.today, steps)


@_form(rf"{_WHICH} ({WEEKDAY}|{MONTH}|{SEASON}|{HOLIDAY})\b")
def _which_name(place: Place, which: str, name: str) -> Days | None:
    the = place.lowered.endswith("the ", 0, place.start) and which in ("last", "next")
    if the or (place.says(AMBIGUOUS) and (name not in ("may", "march") or which == "this")):
        return None  # "the last Friday of term", "this may be"
    way = {-1: "last", 1: "next"}.get(_steps(which), "")
    if name[:3] not in days.WEEKDAYS:
        return _choose_yearly(place, lambda year: days.named(name, year), way)
    if which == "next":
        return days.weekday(name, place.today, 1)
    return _choose_weekday(name, place.today, way or ("last" if place.tense() == "behind" else "ahead"))


def _choose_weekday(name: str, today: int, way: str) -> Days | None:
    return days.choose((days.weekday(name, today, steps) for steps in range(-1, 2)), today, way)


@_form(
    rf"({WEEKDAY})\b(?! (?:to|through|thru)\b|[-–/]\w|,? (?:the )?\d{{1,2}}(?:{_TH}| (?:of )?{MONTH})\b)"
    rf"(?!,? {MONTH}\b| before last| after next| ?[:|*])"
)
def _weekday(place: Place, name: str) -> Days | None:
    """A weekday alone, but not the heading of a timetable."""
    if place.after(NOT_THE_DAY) or place.says(AMBIGUOUS) or (len(name) < 6 and not place.after(ON_DAY)):
        return None
    way = {"ahead": "next", "behind": "last"}.get(place.tense(), "nearest")
    return _choose_weekday(name, place.today, way)


@_form(rf"the (week|weekend|month|year|{WEEKDAY}) (before last|after next)\b")
def _before_last(place: Place, name: str, words: str) -> Days | None:
    if name in ("week", "weekend", "month", "year"):
        return days.unit(name, place.today, -2 if words[0] == "b" else 2)
    return days.weekday(name, place.today, 2) if words[0] == "a" else _choose_weekday(name, place.today - 7, "last")


@_form(r"(?:over|during|for|on|at) the weekend\b(?! (?:of|before|after)\b)")
def _weekend(place: Place) -> Days | None:
    way = place.tense() or ("behind" if (place.today - 1) % 7 < 4 else "nearest")
    return days.choose((days.unit("weekend", place.today, steps) for steps in (-1, 0, 1)), place.today, way)


@_form(r"(beginning|start|middle|end) of the (week|month|year)\b(?! \d)")
def _part_of_this(place: Place, name: str, unit: str) -> Days:
    return days.part(name, days.unit(unit, place.today, 0))


@_form(
    rf"(?:{NUMBER} ?(?:-|–|or|to) ?)?{NUMBER} (day|week|weekend|month|year)s? "
    r"(ago|from now|now|back\b(?! (?:and|at|in|to|home|then)\b))\b"
)
def _ago(place: Place, first: str | None, number: str, unit: str, words: str) -> Days | None:
    least, most = count(first or number)[0], count(number)[1]
    if place.after(COMPOUND) or (words == "now" and number in ("a", "an")):
        return None  # "a year and two months ago", "for just under a year now"
    return _within(unit, place.today, least, most) if words == "from now" else _within(unit, place.today, -most, -least)


@_form(rf"in (?:about )?{NUMBER} (day|week|month|year)(?:s|['’]s|s['’])?( time)?\b(?! ago\b)")
def _in_units(place: Place, number: str, unit: str, time: str | None) -> Days | None:
    sure = time or place.tense() == "ahead"  # not "I read it in two weeks"
    return _within(unit, place.today, *count(number)) if sure else None


def _within(unit: str, today: int, first: int, last: int) -> Days:
    return days.unit(unit, today, first)[0], days.unit(unit, today, last)[1]


@_form(rf"(?<=the )({SEASON})\b")
def _the_season(place: Place, name: str) -> Days | None:
    sure = place.after(IN_SEASON) and name != "fall"  # "hurt in the fall"
    return _choose_yearly(place, lambda year: days.named(name, year)) if sure else None


@_form(
    rf"(?<![a-ce-z][-–/])({MONTH}|{HOLIDAY})\b(?![-–/]\w)"  # a range, but "mid-June"
    r"(?! ?(?:tree|card|song|music|movie|light|deco|carol|costume|candy|egg|bunny|island))"
)
def _bare_name(place: Place, name: str) -> Days | None:
    """A month alone is the latest that has begun; most also name people or mean something else, so "in" must lead."""
    if name[:3] in days.MONTHS:
        sure = name in ("january", "february", "september", "october", "november", "december") or place.after(IN_TIME)
        way = "ahead" if sure and place.tense() == "ahead" else "behind"
    else:
        sure, way = name.endswith((" day", " eve")) or place.after(ON_DAY), ""
    return _choose_yearly(place, lambda year: days.named(name, year), way) if sure else None


@cache
def _any() -> re.Pattern[str]:
    """Compile all forms into one pattern, not before a text needs it: it takes some 20 ms."""
    return compile_words(rf"\b(?=\w)(?:{'|'.join(f'({pattern})' for pattern, _ in _FORMS)})")


_BY_GROUP: dict[int, tuple[Resolve, int]] = {}  # by the number of a form's group in that: its function, its own groups
for _pattern, _function in _FORMS:
    _group = 1 + sum(own + 1 for _, own in _BY_GROUP.values())
    _BY_GROUP[_group] = _function, len(re.findall(r"\((?!\?)", _pattern))  # compiling each is slow


def find(text: str, lowered: str, at: int | None) -> Iterator[tuple[Place, Days]]:
    """Yield the places in *text* that name a time, in order, and the days that each names by itself."""
    for match in _any().finditer(lowered):
        group = match.lastindex or 0  # the one that closed last is the form's own
        resolve, own = _BY_GROUP[group]
        place, found = Place(text, lowered, match.start(), match.end(), at), None
        with suppress(ValueError):
            found = resolve(place, *match.groups()[group : group + own])
        if found:
            yield place, found
