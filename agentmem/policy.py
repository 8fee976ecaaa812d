"""
What a memory keeps and shows, as a person writes it down: readable TOML → a Policy.  Pure.

DEFAULT says what may stand in it; whatever is left out is as it is there.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from . import secrecy
from .prototypes import TOPICS

TOPIC_NAMES = tuple(TOPICS)
SECRET_ACTIONS = ("redact", "refuse", "store")
TOPIC_ACTIONS = ("store", "ask", "never")
MAX_POLICY = 65_536  # characters
EVERY = "*"  # kind: those that are not named

DEFAULT = """\
# What this memory keeps, what it shows, and what leaves it.

[secrets]                   # api key, private key, JWT, password, card number, IBAN
action = "redact"           # redact: "[card number]" in its place; refuse: the whole record; store: as it is
# only = ["password"]       # these alone; default is all

[secrets.patterns]          # your own, each repetition with bounds
# "staff number" = 'EMP-\\d{6}'

[topics]                    # store; ask: put aside until a person accepts it; never
health = "store"
sexuality = "store"
religion = "store"
politics = "store"
finances = "store"
distress = "store"          # vulnerability and distress

[retention]                 # days by kind; apply_policy() erases what is older
# turn = 365
# "*" = 3650                # kinds that are not named

[recall.withhold]           # purpose → topics that recall(purpose=…) and context(purpose=…) leave out
persuasion = ["distress"]
advertising = ["distress"]
marketing = ["distress"]
sales = ["distress"]
fundraising = ["distress"]
campaigning = ["distress"]

[context]
min_trust = 0.5             # what is trusted less is in a context only where it is asked for: context(min_trust=0)

[sharing]                   # what may never be granted to others, or leave in a bundle
# kinds = ["diary"]
# topics = ["health", "sexuality", "distress"]

[quarantine]
below = 0.5                 # trust under which a write is looked at; 0 is never
instructions = true         # put aside what reads like instructions to an assistant,
floods = true               # what one source repeats in short time,
hubs = true                 # and what is near to everything
"""


@dataclass(frozen=True, slots=True)
class Policy:
    """One user's rules, or a whole file's."""

    secrets: str  # redact, refuse or store
    only: tuple[str, ...]  # kinds of secrets that are looked for
    patterns: Mapping[str, str]  # name → pattern of the user's own
    topics: Mapping[str, str]  # topic → store, ask or never
    retention: Mapping[str, float]  # kind, or EVERY → days
    withheld: Mapping[str, tuple[str, ...]]  # purpose → topics
    private_kinds: frozenset[str]  # that may not be shared
    private_topics: frozenset[str]
    min_trust: float  # of what comes into a context, where the call does not say
    below: float  # trust under which a write may be put aside
    checks: frozenset[str] = field(default_factory=frozenset)  # of those: instructions, floods, hubs

    @property
    def minded(self) -> tuple[str, ...]:
        """The topics that are asked about, or never stored."""
        return tuple(topic for topic, action in self.topics.items() if action != "store")

    def withholds(self, purpose: str | None) -> tuple[str, ...]:
        """Return the topics that may not be recalled for *purpose*, written in any case."""
        return () if purpose is None else self.withheld.get(purpose.strip().casefold(), ())

    def may_share(self, kind: str, topics: Iterable[str] = ()) -> bool:
        """Return whether a record of *kind* that speaks of *topics* may be granted to others, or leave in a bundle."""
        return kind not in self.private_kinds and self.private_topics.isdisjoint(topics)

    def days(self, kind: str) -> float | None:
        """Return for how many days records of *kind* are kept; None is for good."""
        return self.retention.get(kind, self.retention.get(EVERY))


@functools.lru_cache(256)
def read(text: str) -> Policy:
    """
    Return the Policy that *text*, TOML, is.

    Raises:
        TypeError, ValueError: it is none; the message names the line and the field.
    """
    import tomllib  # 0.01 s: a plain `list` need not pay

    if not isinstance(text, str):
        raise TypeError(f"a policy is TOML text, not {text!r:.80}")
    if len(text) > MAX_POLICY:
        raise ValueError(f"the policy has {len(text):,} characters, more than {MAX_POLICY:,}")
    try:
        given = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise ValueError(f"the policy is no TOML: {error}") from None
    return _Reader(text, given).policy()


class _Reader:
    """Takes a parsed policy apart; what is wrong is said with its line."""

    def __init__(self, text: str, given: Mapping[str, Any]) -> None:
        self.text, self.given = text, given

    def policy(self) -> Policy:
        self.names(self.given, "", ("secrets", "topics", "retention", "recall", "context", "sharing", "quarantine"))
        secrets = self.table("secrets", ("action", "only", "patterns"))
        recall = self.table("recall", ("withhold",))
        sharing = self.table("sharing", ("kinds", "topics"))
        context = self.table("context", ("min_trust",))
        quarantine = self.table("quarantine", ("below", "instructions", "floods", "hubs"))
        topics = self.table("topics", TOPIC_NAMES)
        withheld = {} if recall.get("withhold") is None else self.mapping("recall.withhold", recall["withhold"])
        return Policy(
            secrets=self.one_of("secrets.action", secrets.get("action", "redact"), SECRET_ACTIONS),
            only=self.some_of("secrets.only", secrets.get("only", list(secrecy.KINDS)), secrecy.KINDS),
            patterns=self.patterns(secrets.get("patterns", {})),
            topics={name: self.one_of(f"topics.{name}", topics.get(name, "store"), TOPIC_ACTIONS) for name in TOPICS},
            retention={kind: self.days(kind, value) for kind, value in self.table("retention").items()},
            withheld={
                name.strip().casefold(): self.some_of(f"recall.withhold.{name}", value, TOPIC_NAMES)
                for name, value in (withheld if "withhold" in recall else _default_withheld()).items()
            },
            private_kinds=frozenset(self.some_of("sharing.kinds", sharing.get("kinds", []))),
            private_topics=frozenset(self.some_of("sharing.topics", sharing.get("topics", []), TOPIC_NAMES)),
            min_trust=self.share("context.min_trust", context.get("min_trust", 0.5)),
            below=self.share("quarantine.below", quarantine.get("below", 0.5)),
            checks=frozenset(
                name
                for name in ("instructions", "floods", "hubs")
                if self.truth(f"quarantine.{name}", quarantine.get(name, True))
            ),
        )

    def fail(self, at: str, says: str) -> ValueError:
        return ValueError(f"the policy, line {_line(self.text, at)}: {at} {says}")

    def names(self, given: Mapping[str, Any], at: str, known: Iterable[str]) -> None:
        for name in given:
            if name not in tuple(known):
                raise self.fail(f"{at}{name}", f"is no field; there are: {', '.join(known)}")

    def mapping(self, at: str, value: object) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise self.fail(at, f"is a table, not {value!r:.80}")
        return value

    def table(self, name: str, known: Iterable[str] | None = None) -> dict[str, Any]:
        found = self.mapping(name, self.given.get(name, {}))
        if known is not None:
            self.names(found, f"{name}.", known)
        return found

    def one_of(self, at: str, value: object, known: Iterable[str]) -> str:
        if value not in tuple(known):
            raise self.fail(at, f"is one of {', '.join(known)}, not {value!r:.80}")
        return str(value)

    def some_of(self, at: str, value: object, known: Iterable[str] | None = None) -> tuple[str, ...]:
        if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
            raise self.fail(at, f"is a list of text, not {value!r:.80}")
        return tuple(value if known is None else [self.one_of(at, each, known) for each in value])

    def truth(self, at: str, value: object) -> bool:
        if not isinstance(value, bool):
            raise self.fail(at, f"is true or false, not {value!r:.80}")
        return value

    def number(self, at: str, value: object, says: str, fits: Callable[[float], bool]) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float) or not fits(value):
            raise self.fail(at, f"is {says}, not {value!r:.80}")
        return float(value)

    def share(self, at: str, value: object) -> float:
        return self.number(at, value, "a number from 0 to 1", lambda share: 0 <= share <= 1)

    def days(self, kind: str, value: object) -> float:
        return self.number(f"retention.{kind}", value, "a number of days above 0", lambda days: 0 < days < 1e6)

    def patterns(self, value: object) -> dict[str, str]:
        found = self.mapping("secrets.patterns", value)
        for name, pattern in found.items():
            try:
                secrecy.check_pattern(pattern)
            except ValueError as error:
                raise self.fail(f"secrets.patterns.{name}", f"cannot be used: {error}") from None
            if "[" in name or "]" in name or not name.strip():
                raise self.fail(
                    f"secrets.patterns.{name}", "is no name: it stands in brackets in place of what is found"
                )
        return found


@functools.cache
def _default_withheld() -> dict[str, list[str]]:
    import tomllib

    return dict(tomllib.loads(DEFAULT)["recall"]["withhold"])


def _line(text: str, at: str) -> int:
    """Return the number of the line of *text* that sets the field *at*, or of the nearest table above it; 1 if none."""
    table, found = "", 1
    for number, line in enumerate(text.splitlines(), 1):
        if header := re.match(r"\s*\[\s*([^\[\]]+?)\s*\]", line):
            table = re.sub(r"[\"' ]", "", header[1])
            if at == table or at.startswith(f"{table}."):
                found = number
        elif key := re.match(r"\s*(\"[^\"]*\"|'[^']*'|[\w.-]+)\s*=", line):
            name = f"{table}.{key[1].strip(chr(34) + chr(39))}".lstrip(".")
            if at == name or at.startswith(f"{name}."):
                return number
    return found
