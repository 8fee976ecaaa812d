"""
Pure packing: facts, hits and what else an agent should see → a text for a prompt, within a token budget.

Everything that could be said is put into one order, which depends on neither budget nor tokenizer; the text holds as
much of it, from the first on, as fits.  So a larger budget never loses what a smaller one had.  Of records sentences
are taken.  What is likely to be sought and speaks of most that is asked for comes first, the shorter before the longer.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from heapq import heapify, heappop, heappush, merge
from itertools import accumulate, groupby
from types import MappingProxyType

from . import templates
from .passages import sentences, stems
from .predicates import single
from .records import Block, Context, Hit, Line, Record
from .stated import Known, Stated, day, stated
from .templates import Template, name, plain

SHARES = {"core": 3.0, "recent": 2.0, "earlier": 2.0, "found": 5.0}  # of the text, where there is enough of each
UNTRUSTED = 0.5  # what is trusted less stands apart
CUT = 8  # tokens that a line must keep to be worth cutting
HEAD = 11.0  # tokens that date and speaker take, about
# Fitted on the questions of longmemeval-pool-dev that have a short answer, see bench/packing.py.
SURE, SHARED, LENGTH = 0.5, 0.3, 0.3  # exponents of a hit's score, of the stems shared with the query, of the length
# Worth of a fact that a hit speaks of, against that of the hit's words: a state must stand beside what it was before.
STATE, SPOKEN = 1.5, 0.3
TELLING = 2  # stems of a sentence below which it may be said again: "Yes." answers many questions
NEWS = 1  # stems of a sentence beyond which it says more than the fact that follows from it


@dataclass(frozen=True, slots=True)
class Piece:
    """What goes into the text as a whole: a line, or a sentence of a record's line."""

    line: Line
    cost: float  # tokens, about
    worth: float = 1.0  # 0..1
    fact: Stated | None = None
    hit: Hit | None = None
    place: tuple[int, int] = (0, 0)  # of the sentence
    asked: str = ""  # the question that the record answers
    folded: bool = False  # something before it says the same

    @property
    def rank(self) -> float:
        """What is less stands first."""
        return -self.worth / math.pow(max(self.cost, 1), LENGTH)


@dataclass(frozen=True, slots=True)
class Sought:
    """A hit, and how much of what is asked its sentences hold."""

    hit: Hit
    score: float
    spans: list[tuple[int, int]]
    shared: list[int]  # stems with the query, by sentence
    most: int  # the largest of these

    def worth(self, shared: int) -> float:
        """Return what words are worth that share so many stems with the query: less than the best words of the hit."""
        return math.pow(self.score, SURE) * math.exp(SHARED * (shared - self.most))

    def worth_of(self, words: str) -> float:
        """Return what the sentence is worth in which *words* stand."""
        there = [
            n for (begin, end), n in zip(self.spans, self.shared, strict=True) if words in self.hit.text[begin:end]
        ]
        return self.worth(max(there, default=0))


def pack(
    hits: Sequence[Hit],
    *,
    budget_tokens: int,
    count_tokens: Callable[[str], int],
    query: str = "",
    template: Template = templates.text,
    known: Known | None = None,
    past: Mapping[str, str] = MappingProxyType({}),
    asked: Mapping[str, str] = MappingProxyType({}),
    blocks: Sequence[Block] = (),
    recent: Sequence[Record] = (),
    earlier: Sequence[Line] = (),
    reader: str | None = None,
) -> Context:
    """
    Put as much as fits into a text of *budget_tokens*; nothing to say gives an empty text.

    Args:
        hits: best first.
        past: what is past in a record, by its id.
        asked: the question that a record answers, by the record's id.
        blocks: what stands before everything else.
        recent: turns that stand whole, oldest first.
        earlier: lines of what a conversation began with, oldest first.
        reader: the user whom the text is for: "I" in what others shared is not he.
    """
    sought = list(_sought(hits, stems(query)))
    said = _said(sought, past, asked, reader)
    queues = {
        "core": _core(blocks),
        "recent": iter([Piece(_quoted(each, "recent", past), HEAD + _cost(each.text)) for each in reversed(recent)]),
        "earlier": iter([Piece(line, HEAD + _cost(line.text)) for line in reversed(earlier)]),
        "found": merge(_facts(sought, known or Known()), said, key=lambda piece: piece.rank),
    }
    order = list(_folded(_shared_out(queues)))
    count = _most(order, budget_tokens, lambda some: count_tokens(template(_lines(order[:some]))))
    chosen, lines = order[:count], _lines(order[:count])
    if not count and order:
        chosen = order[:1]
        lines = [*_cut(_lines(chosen), lambda line: count_tokens(template([line])) <= budget_tokens, count_tokens)]
    text = template(lines) if lines else ""
    there = {piece.hit.id for piece in chosen if piece.hit and lines}
    return Context(
        text=text,
        tokens=count_tokens(text) if text else 0,
        hits=tuple(hit for hit in hits if hit.id in there),
        facts=tuple(dict.fromkeys(fact for piece in chosen if piece.fact and lines for fact in piece.fact.facts)),
        blocks=tuple(block for block in blocks if any(_is_of(block, line) for line in lines)),
        lines=tuple(line for _, group in templates.sections(lines) for line in group),
    )


# -- what there is to say, best first -------------------------------------------------------------------------------


def _sought(hits: Sequence[Hit], query: frozenset[str]) -> Iterator[Sought]:
    score = 1.0
    for hit in hits:
        score = min(score, hit.score)  # a strategy's order counts, not its scores
        spans = sentences(hit.text)
        shared = [len(query & stems(hit.text[begin:end])) for begin, end in spans]
        yield Sought(hit, score, spans, shared, max(shared, default=0))


def _core(blocks: Sequence[Block]) -> Iterator[Piece]:
    """Yield the blocks line by line, so that one too large for a budget stands there as far as it goes."""
    for block in blocks:
        for text in map(plain, block.text.splitlines()):
            if text:
                yield Piece(Line("core", text, speaker=name(block.label)), _cost(text) + 2)


def _is_of(block: Block, line: Line) -> bool:
    return line.section == "core" and line.speaker == name(block.label)


def _facts(sought: Sequence[Sought], known: Known) -> list[Piece]:
    """Return the lines of facts: one is worth what is asked for it, or the sentence of a hit that states the like."""
    of_record = {each.hit.id: each for each in sought}
    pieces = []
    for each in stated(known):
        factor = STATE if single(each.about[1]) else SPOKEN
        spoken = [factor * of_record[id].worth_of(object) for id, object in known.spoken.get(each.about, ())]
        worth = max([known.asked.get(each.about, 0.0), each.least, *spoken])
        contested = any(fact.status == "contested" for fact in each.facts)
        unsafe = min(fact.trust for fact in each.facts) < UNTRUSTED
        section = "untrusted" if unsafe else "contested" if contested else "known"
        pieces.append(Piece(Line(section, each.text), _cost(each.text), worth, fact=each))
    return sorted(pieces, key=lambda piece: piece.rank)


def _said(
    sought: Sequence[Sought], past: Mapping[str, str], asked: Mapping[str, str], reader: str | None
) -> Iterator[Piece]:
    """Yield the sentences of the hits; the first of a record also pays for date and speaker."""
    queues: list[list[Piece]] = []
    for each in sought:
        record = each.hit.record
        line = _quoted(record, "untrusted" if record.trust < UNTRUSTED else "said", past, reader)
        question = asked.get(record.id, "")
        pieces = [
            Piece(line, _cost(record.text[a:b]), each.worth(shared), hit=each.hit, place=(a, b), asked=question)
            for (a, b), shared in zip(each.spans, each.shared, strict=True)
        ]
        pieces.sort(key=lambda piece: piece.rank)
        if pieces:
            queues.append([replace(pieces[0], cost=pieces[0].cost + HEAD), *pieces[1:]])
    heap = [(queue[0].rank, number, 0) for number, queue in enumerate(queues)]
    heapify(heap)
    while heap:
        _, number, index = heappop(heap)
        yield queues[number][index]
        if index + 1 < len(queues[number]):
            heappush(heap, (queues[number][index + 1].rank, number, index + 1))


def _shared_out(queues: Mapping[str, Iterator[Piece]]) -> Iterator[Piece]:
    """Yield the pieces of all *queues*, each queue as often as its share allows."""
    spent = [(0.0, number, queue) for number, queue in enumerate(queues)]
    while spent:
        used, number, queue = heappop(spent)
        piece = next(queues[queue], None)
        if piece is not None:
            heappush(spent, (used + piece.cost / SHARES[queue], number, queue))
            yield piece


def _folded(pieces: Iterable[Piece]) -> Iterator[Piece]:
    """Yield *pieces*, those folded that say what was said before: the same words, or a fact and what it comes from."""
    facts: dict[str, frozenset[str]] = {}  # id of a record → the stems that facts say of it
    said: dict[str, frozenset[str]] = {}  # and those that its sentences say
    words: set[str] = set()
    for piece in pieces:
        told = stems(piece.line.text)
        if piece.fact:
            ids = [id for fact in piece.fact.facts for id in fact.evidence]
            quoted = piece.fact.plain and all(
                any(stems(fact.object) <= said.get(id, frozenset()) for id in fact.evidence)
                for fact in piece.fact.facts
            )
            facts |= {} if quoted else {id: facts.get(id, frozenset()) | told for id in ids}
            yield replace(piece, folded=quoted)
        elif piece.hit:
            sentence = piece.hit.text[slice(*piece.place)]
            flat, more, id = _flat(sentence), stems(sentence), piece.hit.id
            if piece.asked and _flat(piece.asked) in words:
                piece = replace(piece, asked="")
            words.add(_flat(piece.asked))
            again = (flat in words and len(more) >= TELLING) or (id in facts and len(more - facts[id]) <= NEWS)
            words.add(flat)
            said |= {} if again else {id: said.get(id, frozenset()) | more}
            yield replace(piece, folded=again)
        else:
            words.add(_flat(piece.line.text))
            yield piece


# -- how much of it fits --------------------------------------------------------------------------------------------


def _most(order: Sequence[Piece], budget: int, tokens: Callable[[int], int]) -> int:
    """Return how many pieces of *order* take at most *budget* tokens; *tokens* never falls as their number grows."""
    costs = list(accumulate(piece.cost for piece in order))
    low, high, scale = 0, len(order), 1.0
    while low < high:
        guess = min(max(bisect_right(costs, budget / scale), low + 1), high)
        used = tokens(guess)
        scale = used / costs[guess - 1]  # what costs are off by
        low, high = (guess, high) if used <= budget else (low, guess - 1)
    return low


def by_line(count_tokens: Callable[[str], int]) -> Callable[[str], int]:
    """Return *count_tokens* for texts that have many lines in common, of a tokenizer of which no token spans a line."""
    known: dict[str, int] = {}

    def count(text: str) -> int:
        lines = text.split("\n")
        known.update((line, count_tokens(line)) for line in lines if line not in known)
        return sum(known[line] for line in lines)

    return count


def _cut(lines: Iterable[Line], fits: Callable[[Line], bool], count_tokens: Callable[[str], int]) -> Iterator[Line]:
    """Yield the only line with the longest beginning of its words that fits, by halving; nothing if it is too short."""
    for line in lines:
        low, high = 0, len(line.text)
        while low < high:
            middle = (low + high + 1) // 2
            low, high = (middle, high) if fits(replace(line, text=line.text[:middle] + "…")) else (low, middle - 1)
        if low and count_tokens(line.text[:low]) >= CUT:
            yield replace(line, text=line.text[:low] + "…")


def _flat(text: str) -> str:
    return " ".join(text.split()).casefold()


def _cost(text: str) -> float:
    """Return about how many tokens *text* takes: four letters each, or one where a letter is not ASCII."""
    plain = len(text) if text.isascii() else sum(map(str.isascii, text))
    return plain / 4 + (len(text) - plain)


# -- pieces → lines -------------------------------------------------------------------------------------------------


def _lines(pieces: Sequence[Piece]) -> list[Line]:
    """
    Return the lines of *pieces*: records with their sentences in order, the best first and the second best last.

    Models read the middle of a long text least (Liu et al. 2023, Lost in the Middle).
    """
    places: dict[str, list[Piece]] = {}
    others: list[Line] = []
    for piece in pieces:
        if piece.hit is None and not piece.folded:
            others.append(piece.line)
        elif piece.hit and not piece.folded:
            places.setdefault(piece.hit.id, []).append(piece)
    said = [_excerpt(some) for some in places.values()]
    said = [*said[::2], *said[1::2][::-1]]
    core = [line for line in others if line.section == "core"]
    back = [line for line in others if line.section in ("recent", "summary")][::-1]  # the newest were taken first
    rest = [line for line in others if line.section in ("known", "contested", "untrusted")]
    return [*_blocks(core), *rest, *said, *back]


def _blocks(lines: Iterable[Line]) -> Iterator[Line]:
    """Yield one line a core block, of all of *lines* that it has."""
    for label, some in groupby(lines, key=lambda line: line.speaker):
        yield Line("core", "\n".join(line.text for line in some), speaker=label)


def _excerpt(pieces: Sequence[Piece]) -> Line:
    """Return the line of the record that all *pieces* are of: its sentences in order, "…" where some are left out."""
    line, text = pieces[0].line, pieces[0].hit.text if pieces[0].hit else ""
    asked = "" if any(not piece.asked for piece in pieces) else f'(asked "{plain(pieces[0].asked)}")'
    parts = [asked]
    last = 0
    for begin, end in sorted(piece.place for piece in pieces):
        parts += ["…"] if text[last:begin].strip() else []
        parts.append(plain(text[begin:end]))
        last = end
    parts += ["…"] if text[last:].strip() else []
    return replace(line, text=" ".join(filter(None, parts)))


def _quoted(record: Record, section: str, past: Mapping[str, str], reader: str | None = None) -> Line:
    """Return the line of *record*; of one that is found, without words yet."""
    shared = "" if reader in (None, record.user) else f", shared by {name(record.user) or 'the default user'}"
    return Line(
        section,
        plain(record.text) if section == "recent" else "",
        speaker=name(record.speaker or record.role) + shared,
        day=day(record.occurred_at) or "date unknown",
        mark=f"until {day(record.valid_to)}" if record.valid_to else plain(past.get(record.id, "")),
        source=name(record.source or ""),
        id=record.id,
    )
