"""
Search by words: the records that hold a query's words, the rarest words first, weighed as BM25 weighs them.

FTS5 says which records hold a word; what they weigh is reckoned here.  Its own bm25() reads the length of every record
that matches, one by one, and goes through all that hold a word again to count them: ten times what finding takes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from .db import Connection, bound, stems
from .rank import Floats, Places
from .words import folded_phrases, folded_terms, plain_phrases

NO_IDS = np.empty(0, np.int64)
K1, B = 1.2, 0.75  # of BM25, as FTS5 has them
MAX_TERMS = 64  # phrases of one query that are looked up in an index; a pasted page must not scan the whole of it
MAX_UNKNOWN = 4  # words of one query that are looked for as beginnings and in two
# What may be the beginning of a word: numbers are found exactly, other scripts by parts, and of a word such as "lies"
# Porter's stemmer leaves two letters, which begin many.
BEGINNING = re.compile(r"(?!\d+$|\w{0,2}(?:ies|es|ed|ing|s|e)$)[a-z0-9\u00df-\u024f\u1e00-\u1eff]{3,32}")
LONG_TEXT = 500  # characters in the mean, from which it tells how often a text holds a word
FIRST = 500  # entries of a phrase by which it is counted
FEW = 200  # records whose texts are read, where too many others hold a word
MAX_ENTRIES = 10_000  # entries of the indexes that one query adds up, about 0.2 µs each


class Records(Protocol):
    """Those that count, see `index.View`."""

    @property
    def count(self) -> int: ...

    def ids(self) -> Places: ...

    def known(self, ids: Places) -> tuple[NDArray[np.bool_], Places]: ...


@dataclass(frozen=True, slots=True)
class Posting:
    """The records that hold a phrase, as far as they were read."""

    phrase: str
    plain: bool  # of the index of plain words; else of that of parts
    ids: Places  # (n,) ascending
    total: float  # about how many records hold it, n where all were read


@dataclass(frozen=True, slots=True)
class Found:
    """The records that hold words of a query."""

    ids: Places  # (n,) ascending
    score: Floats  # (n,) higher is better
    share: Floats  # (n,) 0..1, how much each holds of what the index of parts was searched for, by weight


def search(connection: Connection, query: str, among: Records) -> Found:
    """
    Find those of the records *among* that hold words of *query*.

    Any text is a query: every word is quoted, so that AND, NEAR, *, quotes and colons are text like any other.

    A phrase of the index of plain words counts as BM25 has it; one of that of parts by its rarity alone.  Lengths are
    in characters, against the mean of those found.  How often a text holds a phrase is read where texts are long: in
    a sentence it says nothing, and reading it takes three times as long.  The rarest phrases come first; those that
    more records hold than MAX_ENTRIES leaves room for do not count.

    Source: Okapi BM25, Robertson & Zaragoza 2009, https://doi.org/10.1561/1500000019, with Lucene's inverse document
    frequency, which is never negative.
    """
    records = connection.execute("select ifnull(max(id), 0) from records").get  # about how many, without counting
    postings = _within_budget(connection, _postings(connection, query, among, records), among, records)
    sizes = [len(posting.ids) for posting in postings]
    ids, place = np.unique(np.concatenate([NO_IDS, *(posting.ids for posting in postings)]), return_inverse=True)
    counts, length = among.known(ids)
    if not counts.any():
        return Found(NO_IDS, np.empty(0, np.float32), np.empty(0, np.float32))
    weights = [np.log(1 + (max(records - posting.total, 0) + 0.5) / (posting.total + 0.5)) for posting in postings]
    weight, plain = np.repeat(weights, sizes), np.repeat([posting.plain for posting in postings], sizes)
    mean = max(float(length[counts].mean()), 1)
    often = np.concatenate([_often(connection, posting, long=mean > LONG_TEXT) for posting in postings])
    norm = K1 * (1 - B + B * length[place] / mean)
    score = np.bincount(place, np.where(plain, weight * often * (K1 + 1) / (often + norm), weight))
    sought = sum(weight for weight, posting in zip(weights, postings, strict=True) if not posting.plain)
    share = np.bincount(place, np.where(plain, 0, weight)) / max(sought, 1e-9)
    return Found(ids[counts], score[counts].astype(np.float32), np.minimum(share[counts], 1).astype(np.float32))


def _postings(connection: Connection, query: str, among: Records, records: int) -> list[Posting]:
    """
    Return the first entries of the phrases to look for.

    In the index of plain words they are what the query says, those neighbours in it that are known as one word, and
    for a word that is not known, words that begin so and the two that it may be made of.  Not words that end so:
    "thon" does not mean Python, and to find it SQLite would need an entry for every three letters of every record, or
    to read all of its words.
    """

    def read(phrases: Iterable[str], *, plain: bool = True) -> list[Posting]:
        return [_read(connection, phrase, plain, FIRST, records) for phrase in phrases]

    said, meant = plain_phrases(query, MAX_TERMS)
    found = read(f'"{phrase}"' for phrase in said)
    unknown = [
        word
        for word, posting in zip(said, found, strict=True)
        if posting.total < FIRST and not among.known(posting.ids)[0].any() and BEGINNING.fullmatch(word)
    ][:MAX_UNKNOWN]
    joined = read(f'"{phrase}"' for phrase in meant[: MAX_TERMS - len(said)])
    found += [posting for posting in joined if among.known(posting.ids)[0].any()]
    found += read(f'"{word[:i]} {word[i:]}"' for word in unknown for i in range(1, len(word)))
    found += read(f'"{word}"*' for word in unknown)
    if connection.execute("select exists (select 1 from records_folded)").get:
        found += read(folded_phrases(query, MAX_TERMS), plain=False)
    return found


def _within_budget(connection: Connection, found: list[Posting], among: Records, records: int) -> list[Posting]:
    """
    Return the postings read to their end, the rarest first, as far as MAX_ENTRIES goes; at least a part of one.

    Where few records count, what is too much to read is looked for in their texts.
    """
    kept: list[Posting] = []
    left = MAX_ENTRIES
    whole = sorted(found, key=lambda posting: posting.total)
    for place, posting in enumerate(whole):
        if posting.total > left and among.count <= FEW:
            return kept + _in_texts(connection, whole[place:], among.ids())
        if posting.total > left and kept:
            break
        if posting.total > left:
            posting = _newest(connection, posting, left)
        elif posting.total >= FIRST:
            posting = _read(connection, posting.phrase, posting.plain, left, records)
        kept.append(posting)
        left -= len(posting.ids)
    return kept


def _in_texts(connection: Connection, postings: Sequence[Posting], ids: Places) -> list[Posting]:
    """Return *postings* with those of the records *ids* that hold their phrases."""
    rows = connection.execute(
        "select id, ifnull(speaker || ' ', '') || text from records where id in carray(?) order by id", (bound(ids),)
    ).fetchall()
    plain = [(id, f" {' '.join(stems(connection, str(text)))} ") for id, text in rows]
    parts = [(id, f" {folded_terms(str(text))} ") for id, text in rows]

    def holding(posting: Posting) -> Places:
        phrase = posting.phrase.rstrip("*").strip('"')
        words = f" {' '.join(stems(connection, phrase)) if posting.plain else phrase}"
        words += "" if posting.phrase.endswith("*") else " "
        return np.array([id for id, text in (plain if posting.plain else parts) if words in text], np.int64)

    return [replace(posting, ids=holding(posting)) for posting in postings]


def _read(connection: Connection, phrase: str, plain: bool, limit: int, records: int) -> Posting:
    """Read the first *limit* entries of *phrase*."""
    table = "records_fts" if plain else "records_folded"
    ids = _ids(connection, f"select rowid as id from {table} where {table} match ?", phrase, limit)
    total = float(len(ids))
    if len(ids) == limit:  # as many more in the rest of the file as in the part up to there
        total = max(total * records / max(int(ids[-1]), 1), limit)
    return Posting(phrase, plain, ids, total)


def _newest(connection: Connection, posting: Posting, limit: int) -> Posting:
    """Read the last *limit* entries of a phrase."""
    table = "records_fts" if posting.plain else "records_folded"
    sql = f"select rowid as id from {table} where {table} match ? order by rowid desc"
    return replace(posting, ids=_ids(connection, sql, posting.phrase, limit)[::-1])


def _often(connection: Connection, posting: Posting, *, long: bool) -> Places:
    """Return (n,) how often each record of *posting* holds its phrase, 1 where that does not matter."""
    words = stems(connection, posting.phrase) if long and posting.plain else []
    if len(words) == 1 and len(posting.ids) == posting.total and not posting.phrase.endswith("*"):
        ids = _ids(connection, "select doc as id from temp.spoken where term = ?", words[0], -1)
        return np.diff(np.searchsorted(ids, posting.ids), append=len(ids))
    return np.ones(len(posting.ids), np.int64)


def _ids(connection: Connection, sql: str, value: str, limit: int) -> Places:
    # As one text: numpy reads it in a third of the time that rows take.
    text = connection.execute(f"select group_concat(id) from ({sql} limit ?)", (value, limit)).get
    return np.fromstring(text or "", np.int64, sep=",")
