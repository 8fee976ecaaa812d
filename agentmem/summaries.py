"""
Summaries: what left the window of a conversation, in few words.  Owns the table `summaries`.

A summary stands for a stretch of turns.  It goes when one of them is forgotten or revised, and is made again.
Functions take a connection that `Database.read` or `Database.transaction` lent.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from .db import Connection
from .passages import sentences, stems
from .records import Record
from .stated import day
from .templates import name, plain

SHARE = 5  # a summary has one of so many characters
LEAST = 160  # characters that it has in any case
STATING = 1.5  # worth of a sentence of a record that states something, against another


class Said(NamedTuple):
    """A line of a summary."""

    id: str | None  # of the record that it quotes; None: in the words of the caller's model
    day: str
    speaker: str
    words: str


def extract(turns: Sequence[Record], stating: frozenset[str]) -> list[Said]:
    """
    Return the sentences of *turns* that hold most of what the others speak of, in order.

    A sentence is worth how often its stems occur in the stretch, for its length; what a chosen one said counts half
    from then on (Nenkova & Vanderwende 2005, SumBasic).

    Args:
        stating: ids of the records that state facts.
    """
    found = [(turn, turn.text[begin:end]) for turn in turns for begin, end in sentences(turn.text)]
    parts = [(turn, words, stems(words)) for turn, words in found if not words.endswith("?")]
    weight = {stem: float(count) for stem, count in Counter(s for *_, own in parts for s in own).items()}
    room = max(LEAST, sum(len(words) for _, words in found) // SHARE)
    chosen: set[int] = set()
    left = set(range(len(parts)))

    def worth(number: int) -> float:
        turn, _, own = parts[number]
        return sum(weight[stem] for stem in own) / (len(own) + 3) * (STATING if turn.id in stating else 1)

    while left:
        best = max(left, key=lambda number: (worth(number), -number))
        left.discard(best)
        if len(parts[best][1]) <= room:
            room -= len(parts[best][1])
            chosen.add(best)
            weight |= {stem: weight[stem] / 2 for stem in parts[best][2]}
    return [_said(*parts[number][:2]) for number in sorted(chosen)]


def _said(turn: Record, words: str) -> Said:
    return Said(turn.id, day(turn.occurred_at), name(turn.speaker or turn.role), plain(words))


def covered(connection: Connection, scope: int) -> int:
    """Return the position of the last turn in the conversation *scope* that a summary stands for; 0 without any."""
    return int(connection.execute("select coalesce(max(last), 0) from summaries where scope = ?", (scope,)).get)


def write(connection: Connection, scope: int, first: int, last: int, lines: Sequence[Said]) -> None:
    """Keep *lines* for the turns from *first* to *last*, where another process has not done so."""
    row = (scope, first, last, json.dumps(lines, ensure_ascii=False))
    connection.execute("insert or ignore into summaries (scope, first, last, lines) values (?, ?, ?, ?)", row)


def newest(connection: Connection, scope: int, before: int, limit: int) -> list[Said]:
    """Return the lines of the *limit* last summaries of turns before position *before*, oldest first."""
    rows = connection.execute(
        "select lines from summaries where scope = ? and last < ? order by first desc limit ?", (scope, before, limit)
    ).fetchall()
    return [Said(*line) for (lines,) in reversed(rows) for line in json.loads(lines)]


def unindex(connection: Connection, ids: Sequence[int]) -> None:
    """Take out what stands for one of the records *ids*, while these are there."""
    connection.execute(
        """delete from summaries where exists (
               select 1 from records as r where r.id in (select value from json_each(?))
               and r.scope = summaries.scope and r.position between summaries.first and summaries.last)""",
        (json.dumps(list(ids)),),
    )
