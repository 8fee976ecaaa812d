"""
Days, and the names for them: weeks, months, seasons, holidays, and how many.

A day is an ordinal of datetime.date, where 1 is 1 January 0001, a Monday, so that all is arithmetic on ints.  An
interval is half-open.  Whatever lies outside the years 1 to 9999, and "30 February", raises ValueError.
"""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Callable, Iterable
from contextlib import suppress
from datetime import date

Days = tuple[int, int]

DAY_MS = 86_400_000
EPOCH_DAY = date(1970, 1, 1).toordinal()

MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
SEASONS = {"spring": 3, "summer": 6, "autumn": 9, "fall": 9, "winter": 12}  # first month, in the northern half
HOLIDAYS = {
    "christmas eve": (12, 24), "christmas day": (12, 25), "christmas": (12, 25), "xmas": (12, 25),
    "boxing day": (12, 26), "new years eve": (12, 31), "new years day": (1, 1), "valentines day": (2, 14),
    "halloween": (10, 31),
}  # fmt: skip
MOVING = ("thanksgiving", "easter")
NUMBERS = {"a": 1, "an": 1, "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8,
           "nine": 9, "ten": 10, "eleven": 11, "twelve": 12, "twenty": 20, "thirty": 30}  # fmt: skip
ABOUT = {"couple": (2, 3), "few": (2, 5), "several": (3, 7)}

# How they are written, in small letters.
MONTH = (
    "(?:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?|"
    "nov(?:ember)?|dec(?:ember)?)"
)
WEEKDAY = (
    "(?:mon(?:day)?|tue(?:s(?:day)?)?|wed(?:nesday)?|thu(?:r(?:s(?:day)?)?)?|fri(?:day)?|sat(?:urday)?|sun(?:day)?)"
)
SEASON = f"(?:{'|'.join(SEASONS)})"
HOLIDAY = f"(?:{'|'.join((*HOLIDAYS, *MOVING))})".replace("years", "year['’]?s").replace("tines", "tine['’]?s")
NUMBER = rf"(\d{{1,3}}|{'|'.join(NUMBERS)}|(?:a )?(?:couple(?: of)?|few)|several)"

UNIT_DAYS = {"day": 1.0, "week": 7.0, "month": 30.44, "year": 365.25}


def day(year: int, month: int, number: int) -> Days:
    """Return one day of the calendar."""
    first = date(year, month, number).toordinal()
    return first, first + 1


def month(year: int, number: int) -> Days:
    """Return a month; numbers below 1 and above 12 count on into other years."""
    year, number = year + (number - 1) // 12, (number - 1) % 12 + 1
    first = date(year, number, 1).toordinal()
    return first, first + monthrange(year, number)[1]


def year(number: int) -> Days:
    """Return a year."""
    return date(number, 1, 1).toordinal(), date(number, 12, 31).toordinal() + 1


def weekday(name: str, today: int, steps: int = 0) -> Days:
    """Return the day *name* of the week that lies *steps* weeks from that of *today*."""
    first = today - (today - 1) % 7 + 7 * steps + WEEKDAYS.index(name[:3])
    return first, first + 1


def unit(name: str, today: int, steps: int) -> Days:
    """Return the calendar's day, week, weekend, month or year that lies *steps* from that of *today*."""
    if name == "day":
        return today + steps, today + steps + 1
    if name in ("week", "weekend"):
        monday = weekday("mon", today, steps)[0]
        return (monday if name == "week" else monday + 5), monday + 7
    that = date.fromordinal(today)
    return month(that.year, that.month + steps) if name == "month" else year(that.year + steps)


def stretch(name: str, today: int, steps: int) -> Days:
    """Return the days from *today* on, or with negative steps up to it, that make so many weeks, months or years."""
    length = round(abs(steps) * UNIT_DAYS[name])
    return (today - length, today + 1) if steps < 0 else (today, today + length + 1)


def part(name: str, whole: Days) -> Days:
    """Return the early, middle or late third of *whole*."""
    third = (whole[1] - whole[0]) // 3
    if name.startswith(("early", "beg", "start")):
        return whole[0], whole[0] + third
    if name.startswith("mid"):
        return whole[0] + third, whole[1] - third
    return whole[1] - third, whole[1]


def nth(name: str, place: int, whole: Days) -> Days:
    """Return the day, week, weekend or weekday *name* at *place* in *whole*: 0 the first, -1 the last."""
    length = {"week": 7, "weekend": 2}.get(name, 1)
    if name in ("day", "week"):
        first = whole[0] + length * place if place >= 0 else whole[1] - length
        return first, first + length
    wanted = weekday("sat" if name == "weekend" else name, whole[0])[0]
    firsts = range(wanted + 7 * (wanted < whole[0]), whole[1], 7)
    if not -1 <= place < len(firsts):
        raise ValueError(f"no such {name}")
    return firsts[place], firsts[place] + length


def named(name: str, number: int) -> Days:
    """Return the month, season or holiday *name* of the year *number*."""
    name = name.replace("’", "").replace("'", "")
    if name in HOLIDAYS:
        return day(number, *HOLIDAYS[name])
    if name == "thanksgiving":  # of the United States
        return nth("thu", 3, month(number, 11))
    if name == "easter":
        return easter(number)
    if name in SEASONS:
        return month(number, SEASONS[name])[0], month(number, SEASONS[name] + 2)[1]
    return month(number, MONTHS.index(name[:3]) + 1)


def easter(number: int) -> Days:
    """Return Easter Sunday.  Source: Meeus/Jones/Butcher, Astronomical Algorithms (1991), chapter 8."""
    century, golden = number // 100, number % 19
    moon = (19 * golden + century - century // 4 - (century - (century + 8) // 25 + 1) // 3 + 15) % 30
    week = (32 + 2 * (century % 4) + 2 * (number % 100 // 4) - moon - number % 4) % 7
    late = (golden + 11 * moon + 22 * week) // 451
    total = moon + week - 7 * late + 114
    return day(number, total // 31, total % 31 + 1)


def yearly(make: Callable[[int], Days], today: int) -> list[Days]:
    """Return what *make* makes of each year up to four from that of *today*, where it exists: think of 29 February."""
    that = date.fromordinal(today).year
    found = []
    for number in range(that - 4, that + 5):
        with suppress(ValueError):
            found.append(make(number))
    return found


def choose(candidates: Iterable[Days], today: int, way: str) -> Days | None:
    """
    Choose one of several intervals.

    Args:
        candidates: in order of time.
        today: the day to compare with.
        way: "last" ended before today, "next" begins after it, "behind" has begun, "ahead" has not ended, "nearest".
    """
    every = list(candidates)
    if way == "nearest":
        return min(every, key=lambda days: max(days[0] - today, today - days[1] + 1, 0), default=None)
    if way in ("last", "behind"):
        past = [days for days in every if (days[1] if way == "last" else days[0]) <= today]
        return past[-1] if past else None
    return next((days for days in every if (days[0] if way == "next" else days[1]) > today), None)


def count(number: str) -> tuple[int, int]:
    """Return the least and the most that *number* says."""
    if number.isdecimal():
        return int(number), int(number)
    word = number.removeprefix("a ").removesuffix("of").strip()
    return ABOUT.get(word) or (NUMBERS[word], NUMBERS[word])
