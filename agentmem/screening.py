"""
What the policy makes of what is about to be stored: as it is, without its secrets, put aside until a person has looked
at it, or not at all.

Secrets go first, before anything is hashed, encoded or handed to an LLM.  What only the meaning of the words tells,
topics and what reads like instructions, is weighed when the encoder has read them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from . import injection, kinds, quarantine, secrecy
from .db import Connection, Database
from .draft import Draft
from .policies import Rules
from .policy import Policy

if TYPE_CHECKING:  # numpy
    import numpy as np
    from numpy.typing import NDArray

Screen = Callable[[str], Iterable[tuple[int, int, str]]]  # a text → the secrets in it: start, end, name
MARK = "redacted"  # field of the metadata that names what was taken out
ORDERS, FLOOD, HUB = "reads like instructions", "is one of a flood", "is near to everything"
ENOUGH = 0.0  # log-odds of being instructions
LONG = 200  # characters from which on a text is also read by sentences
MOST_PIECES = 32  # sentences of a text that are read one by one
FLOOD_COUNT, FLOOD_COSINE, FLOOD_MS, FLOOD_DEPTH = (
    5,
    0.8,
    3_600_000,
    500,
)  # near-alike writes of a source within an hour
HUB_WORDS, HUB_COSINE = (
    10,
    0.15,
)  # words at the least, and cosine with all probes, in the mean: .995 of harmless texts have less


class Judged(NamedTuple):
    """A draft, and what the policy says of it."""

    made: Draft  # without its secrets
    redacted: tuple[str, ...] = ()  # what was taken out
    refused: str = ""  # why it may not be stored
    aside: str = ""  # why it waits until a person has looked at it

    @property
    def kept(self) -> bool:
        """Whether it is to be stored as a record."""
        return not (self.refused or self.aside)


# -- secrets --------------------------------------------------------------------------------------------------------


def screened(made: Draft, policy: Policy, screen: Screen | None = None) -> Judged:
    """Return *made* without the secrets in its text, metadata and source, or as refused for them."""
    found: dict[str, None] = {}  # names, in order, each once

    def clean(text: str) -> str:
        secrets = _secrets(text, policy, screen)
        found.update(dict.fromkeys(secret.kind for secret in secrets))
        return secrecy.redacted(text, secrets) if secrets else text

    text = clean(made.text)
    source = made.source and clean(made.source)
    metadata = {} if made.metadata == "{}" else _each_text(json.loads(made.metadata), clean)
    if not found:
        return Judged(made)
    names = tuple(found)
    if policy.secrets == "refuse":
        return Judged(made, refused=names[0])
    # A kind of the caller's own may have no room for the mark, or none for what is left.
    for marked in ({MARK: list(names), **metadata}, metadata):
        try:
            return Judged(kinds.reworded(made, text, source=source, metadata=marked), redacted=names)
        except (TypeError, ValueError):
            continue
    return Judged(made, refused=names[0])


def _secrets(text: str, policy: Policy, screen: Screen | None) -> list[secrecy.Found]:
    found = [] if policy.secrets == "store" else secrecy.find(text, policy.patterns)
    found = [secret for secret in found if secret.kind in policy.only or secret.kind in policy.patterns]
    return found if screen is None else secrecy.apart([*found, *_asked(screen, text)])


def _asked(screen: Screen, text: str) -> list[secrecy.Found]:
    given = list(screen(text))
    for each in given:
        if not (isinstance(each, tuple) and len(each) == 3 and isinstance(each[2], str) and each[2].strip()):
            raise TypeError(f"screen returns (start, end, name) of each secret, not {type(each).__name__}")
        if not (isinstance(each[0], int) and isinstance(each[1], int) and 0 <= each[0] < each[1] <= len(text)):
            raise ValueError(
                f"screen returns places in the text of {len(text)} characters, not {each[0]!r}, {each[1]!r}"
            )
    return [secrecy.Found(*each) for each in given]


def _each_text(value: Any, clean: Callable[[str], str]) -> Any:
    """Return *value*, plain JSON, with each text in it cleaned; the names of fields stay."""
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, list):
        return [_each_text(each, clean) for each in value]
    if isinstance(value, dict):
        return {name: _each_text(each, clean) for name, each in value.items()}
    return value


# -- topics, and what was planted -----------------------------------------------------------------------------------


def by_topic(judged: Judged, topics: Sequence[str], policy: Policy) -> Judged:
    """Return *judged* as its policy has it for what speaks of *topics*: never before ask before store."""
    actions = {policy.topics[topic]: topic for topic in reversed(topics)}
    if never := actions.get("never"):
        return judged._replace(refused=never)
    return judged._replace(aside=actions.get("ask", ""))


def looked_at(db: Database, judged: list[Judged], rules: Rules, *, now: int) -> list[Judged]:
    """Return *judged*, with those put aside that are trusted little and look planted."""
    looked = [each for each in judged if each.kept and each.made.trust < rules.of(each.made.scope.user).below]
    if not looked:
        return judged
    from . import meaning  # numpy, which the encoder has loaded already

    vectors = meaning.encoded([each.made.text for each in looked])
    reasons: dict[bytes, str] = {}
    with db.read() as connection:
        for user in dict.fromkeys(each.made.scope.user for each in looked):
            places = [place for place, each in enumerate(looked) if each.made.scope.user == user]
            some = [looked[place] for place in places]
            found = doubtful(connection, some, vectors[places], rules.of(user), now=now)
            reasons |= {each.made.content_hash: reason for each, reason in zip(some, found, strict=True)}
    return [each._replace(aside=reasons.get(each.made.content_hash) or each.aside) for each in judged]


def planted(texts: Sequence[str]) -> list[float]:
    """Return how much each of *texts* reads like instructions to an assistant; from ENOUGH on it is put aside."""
    from . import meaning  # numpy, which the encoder has loaded already

    pieces = [(place, part) for place, text in enumerate(texts) for part in _pieces(injection.plain(text))]
    found = [float("-inf")] * len(texts)
    for (place, _), score in zip(pieces, meaning.orders([part for _, part in pieces]), strict=True):
        found[place] = max(found[place], float(score))
    return found


def _pieces(read: injection.Plain) -> list[injection.Plain]:
    """Return *read*, and the sentences of a long one: an order is one of many there, and the vector of all hides it."""
    if len(read.text) < LONG:
        return [read]
    parts = [part.strip() for part in re.split(r"(?<=[.!?;])\s+|\n+", read.text)]
    return [read, *(read._replace(text=part) for part in parts if len(part.split()) > 3)][:MOST_PIECES]


def doubtful(
    connection: Connection, looked: Sequence[Judged], vectors: NDArray[np.float32], policy: Policy, *, now: int
) -> list[str]:
    """
    Return why each of *looked* is to be put aside, "" where nothing speaks against it.

    Args:
        looked: of one user.
        vectors: (n, 384) of them, by the shipped encoder.
    """
    from . import meaning

    reasons = [""] * len(looked)
    if "hubs" in policy.checks:
        reasons = [
            HUB if cosine >= HUB_COSINE and len(each.made.text.split()) >= HUB_WORDS else ""
            for each, cosine in zip(looked, meaning.breadth(vectors), strict=True)
        ]
    if "floods" in policy.checks:
        floods = _floods(connection, looked, vectors, now=now)
        reasons = [FLOOD if flood else reason for flood, reason in zip(floods, reasons, strict=True)]
    if "instructions" in policy.checks:
        scores = planted([each.made.text for each in looked])
        reasons = [ORDERS if score >= ENOUGH else reason for score, reason in zip(scores, reasons, strict=True)]
    return reasons


def _floods(connection: Connection, looked: Sequence[Judged], vectors: NDArray[np.float32], *, now: int) -> list[bool]:
    """Return which of *looked* are alike many that their source wrote lately, or writes with them."""
    import numpy as np

    flooding = [False] * len(looked)
    by_source: dict[str | None, list[int]] = {}
    for place, each in enumerate(looked):
        by_source.setdefault(each.made.source, []).append(place)
    for source, places in by_source.items():
        scope = looked[places[0]].made.scope
        before = quarantine.vectors(connection, scope, source, since=now - FLOOD_MS, limit=FLOOD_DEPTH)
        own = vectors[places]
        known = np.frombuffer(b"".join(before), np.int8).reshape(-1, own.shape[1]).astype(np.float32)
        known /= np.maximum(np.linalg.norm(known, axis=1, keepdims=True), 1e-12)
        alike = (own @ np.concatenate((own, known)).T >= FLOOD_COSINE).sum(axis=1)  # itself is one of them
        for place, count in zip(places, alike.tolist(), strict=True):
            flooding[place] = count >= FLOOD_COUNT
    return flooding
