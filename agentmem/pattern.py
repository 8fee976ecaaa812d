"""
Match a regular expression in time that grows with the text alone.

Python's own `re` goes back over what it has tried: "(a+)+$" takes it ages over 40 characters, and nothing can stop it.
Here all that a pattern may mean is followed at once, a step a character (Thompson 1968, Regular Expression Search
Algorithm; https://swtch.com/~rsc/regexp/regexp2.html).  That leaves out what needs more than that: references back, and
looking ahead and behind.

The syntax is that part of JSON Schema's (ECMA-262) which Python spells alike:

    a . ^ $ | ( ) (?: )    * + ? {2} {2,} {2,5}, also with a "?" behind, which makes no difference here
    [a-z] [^a-z]           \\d \\D \\w \\W \\s \\S, of ASCII; \\n \\r \\t \\f \\v; \\ before a sign, to mean it itself
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from typing import NamedTuple, NoReturn

MAX_PATTERN = 500  # characters
MAX_STEPS = 1_000  # of a pattern with its repetitions written out
MAX_TEXT = 1_000  # characters; with as many steps they take half a second
MAX_DEPTH = 16  # groups in groups

# Strings, which `re` compiles when first used and keeps: an import need not wait for it.
_ESCAPE = r"\\(?:[dDwWsSnrtfv]|[^\w\s])"
_ONE = rf"(?a:{_ESCAPE}|\[\^?(?:{_ESCAPE}|[^]\\])+\]|[^][(){{}}\\*+?|^$])"  # what one character fits
_TIMES = r"([*+?])\??|\{([0-9]{1,4})(?:(,)([0-9]{1,4})?)?\}\??"
_DOUBTFUL = r"\[\^?\[|--|&&|~~|\|\|"  # in a set `re` warns of these, which it may read in another way one day


class _Step(NamedTuple):
    """One step of a pattern."""

    test: Callable[[str], object] | None = None  # takes a character, and says whether it will do; None takes none
    edge: str = ""  # "^" or "$": goes on only there
    ways: tuple[int, ...] = (1,)  # where to go on, in steps from here


def matches(pattern: str, text: str) -> bool:
    """
    Return whether *text* holds a match of *pattern*, anywhere.

    Raises:
        ValueError: *pattern* is not of the syntax above, or one of the two is too long.
    """
    steps = _steps(pattern)
    if len(text) > MAX_TEXT:
        raise ValueError(f"has {len(text):,} characters; a pattern is looked for in up to {MAX_TEXT:,}")
    before: set[int] = set()  # steps that the character before leads to
    for place in range(len(text) + 1):
        reached = _reached(steps, {0, *before}, start=place == 0, end=place == len(text))  # a match may begin anywhere
        if len(steps) in reached:
            return True
        letter = text[place : place + 1]
        before = {number + 1 for number in reached if (test := steps[number].test) and letter and test(letter)}
    return False


def _reached(steps: tuple[_Step, ...], first: set[int], *, start: bool, end: bool) -> set[int]:
    """Return the numbers of the *steps* that *first* lead to without a character; len(steps) is a match."""
    reached, waiting = set[int](), list(first)
    while waiting:
        number = waiting.pop()
        if number in reached:
            continue
        reached.add(number)
        if number < len(steps) and (step := steps[number]).test is None:
            passes = {"^": start, "$": end}.get(step.edge, True)
            waiting += [number + way for way in step.ways if passes]
    return reached


@functools.lru_cache(256)
def _steps(pattern: str) -> tuple[_Step, ...]:
    if len(pattern) > MAX_PATTERN:
        raise ValueError(f"the pattern has {len(pattern):,} characters, more than {MAX_PATTERN}")
    return tuple(_Reader(pattern).whole())


class _Reader:
    """Reads a pattern from the front.  Ways are relative, so that parts are put together, and repeated, as they are."""

    def __init__(self, pattern: str) -> None:
        self.pattern, self.place = pattern, 0

    def whole(self) -> list[_Step]:
        steps = self.either(0)
        return steps if self.place == len(self.pattern) else self.fail("no group is open")

    def either(self, depth: int) -> list[_Step]:
        parts = [self.sequence(depth)]
        while self.took("|"):
            parts.append(self.sequence(depth))
        steps = parts.pop()
        while parts:
            part = parts.pop()
            steps = [_Step(ways=(1, len(part) + 2)), *part, _Step(ways=(len(steps) + 1,)), *steps]
        return steps

    def sequence(self, depth: int) -> list[_Step]:
        steps: list[_Step] = []
        while self.place < len(self.pattern) and self.pattern[self.place] not in "|)":
            steps += self.part(depth)
            if len(steps) > MAX_STEPS:
                self.fail(f"all of it takes more than {MAX_STEPS:,} steps")
        return steps

    def part(self, depth: int) -> list[_Step]:
        if self.took("^"):
            return [_Step(edge="^")]
        if self.took("$"):
            return [_Step(edge="$")]
        if not (self.took("(?:") or self.took("(")):
            return self.repeated([_Step(self.one())])
        if depth == MAX_DEPTH:
            self.fail(f"groups are nested more than {MAX_DEPTH} deep")
        group = self.either(depth + 1)
        return self.repeated(group) if self.took(")") else self.fail("a group is open")

    def repeated(self, part: list[_Step]) -> list[_Step]:
        """Write *part* out as often as the pattern says behind it."""
        times = re.compile(_TIMES).match(self.pattern, self.place)
        if times is None:
            return part
        sign, least, comma, most = times.groups()
        low = {"+": 1}.get(sign, 0) if sign else int(least)
        high = {"?": 1}.get(sign) if sign else int(most) if most else None if comma else low
        if high is not None and high < low:
            self.fail("the second number is less than the first")
        if len(part) * (max(low, high or 0) + 1) > MAX_STEPS:
            self.fail(f"that often, it takes more than {MAX_STEPS:,} steps")
        self.place = times.end()
        if high is None:
            return part * low + [_Step(ways=(1, len(part) + 2)), *part, _Step(ways=(-len(part) - 1,))]
        return part * low + [_Step(ways=(1, len(part) + 1)), *part] * (high - low)

    def one(self) -> Callable[[str], object]:
        """Read what one character fits, and return the test of it."""
        found = re.compile(_ONE).match(self.pattern, self.place)
        if found is None:
            self.fail("that is not supported; a \\ makes it a plain character")
        self.place = found.end()
        if found[0].startswith("[") and re.search(_DOUBTFUL, found[0]):
            self.fail("[ or a doubled sign in a set; put a \\ before it")
        try:
            return re.compile(found[0], re.ASCII).match
        except re.error as error:
            self.fail(str(error))

    def took(self, sign: str) -> bool:
        there = self.pattern.startswith(sign, self.place)
        self.place += len(sign) * there
        return there

    def fail(self, why: str) -> NoReturn:
        raise ValueError(f"the pattern {self.pattern!r:.80} fails at {self.pattern[self.place :]!r:.20}: {why}")
