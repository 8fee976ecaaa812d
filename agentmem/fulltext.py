"""
Find candidates by words: SQLite's FTS5, in two indexes.  Owns the derived tables `records_fts`, all records' words, and
`records_folded`, what that cannot find of text that is not plain English.

Functions take a connection that `Database.read` or `Database.transaction` lent.
"""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import accumulate

from .db import Connection, DamagedError
from .records import Row
from .scope import Predicate
from .words import folded_phrases, folded_terms, plain_phrases

MAX_TERMS = 64  # phrases of one query that are looked up in an index; a pasted page must not scan the whole of it
MAX_UNKNOWN = 4  # words of one query that are looked for as beginnings and in two
# What may be the beginning of a word: numbers are found exactly, other scripts by parts, and of a word such as "lies"
# Porter's stemmer leaves two letters, which begin many.
BEGINNING = re.compile(r"(?!\d+$|\w{0,2}(?:ies|es|ed|ing|s|e)$)[a-z0-9\u00df-\u024f\u1e00-\u1eff]{3,32}")
LOOK = 200  # records of a word that are looked at for one that may be seen
ENOUGH = 1000  # records of a phrase that are counted
MAX_ROWS = 20_000  # entries of the index of parts that one query adds up, about 2 µs each


def lexical(connection: Connection, query: str, seen: Predicate, limit: int) -> dict[int, float]:
    """
    Return row id → score (higher is better) of the *limit* best of what *seen* sees by words, ties by row id.

    Any text is a query: every word is quoted, so that AND, NEAR, *, quotes and colons are text like any other.  A
    score is BM25 in the index of plain words plus what `_by_parts` adds, nothing for a file in plain English.

    Source: Okapi BM25 as in https://sqlite.org/fts5.html#the_bm25_function (k1 1.2, b 0.75).
    """
    found = _by_parts(connection, query, seen, limit)
    if phrases := _phrases(connection, query, seen):
        rows = connection.execute(
            f"""select r.id, -bm25(records_fts) as score
                from records_fts join records as r on r.id = records_fts.rowid
                where records_fts match :match and {seen.sql}
                order by score desc, r.id limit :limit""",
            {**seen.bindings, "match": " OR ".join(phrases), "limit": limit},
        )
        for id, score in rows:
            found[id] = found.get(id, 0.0) + score
    return dict(sorted(found.items(), key=lambda item: (-item[1], item[0]))[:limit])


def _phrases(connection: Connection, query: str, seen: Predicate) -> list[str]:
    """
    Return the FTS5 phrases to look for in the index of plain words.

    They are what the query says, those neighbours in it that *seen* has as one word, and for a word that it has not,
    words that begin so and the two that it may be made of.  Not words that end so: "thon" does not mean Python, and
    to find it SQLite would need an entry for every three letters of every record, or to read all of its words.
    """
    said, meant = plain_phrases(query, MAX_TERMS)
    meant = meant[: MAX_TERMS - len(said)]
    known = _known(connection, [*said, *meant], seen)
    unknown = [word for word in said if word not in known and BEGINNING.fullmatch(word)][:MAX_UNKNOWN]
    phrases = said + [phrase for phrase in meant if phrase in known]
    phrases += [f"{word[:i]} {word[i:]}" for word in unknown for i in range(1, len(word))]
    return [f'"{phrase}"' for phrase in phrases] + [f'"{word}"*' for word in unknown]


def _known(connection: Connection, phrases: Sequence[str], seen: Predicate) -> set[str]:
    """Return those of *phrases* that *seen* has, as far as the first LOOK records of each show."""
    rows = connection.execute(
        f"""select p.value from json_each(:phrases) as p where exists (
                select 1 from records as r where {seen.sql} and r.id in (
                    select rowid from records_fts where records_fts match '"' || p.value || '"' limit :look))""",
        {**seen.bindings, "phrases": json.dumps(phrases), "look": LOOK},
    )
    return {row[0] for row in rows}


def _by_parts(connection: Connection, query: str, seen: Predicate, limit: int) -> dict[int, float]:
    """
    Return row id → score of the *limit* best by what `records_folded` holds: other scripts, other spellings.

    The score of a record is the sum of the weights, as BM25 has them, of the query's phrases that it holds.  Not
    FTS5's own BM25, which would weigh by the records in this index alone: next to nothing, where they are few.
    """
    if not connection.execute("select exists (select 1 from records_folded)").get:
        return {}
    total = connection.execute("select max(id) from records").get  # about how many there are, without counting
    counts = _rarest(connection, folded_phrases(query, MAX_TERMS), total)
    weights = {phrase: math.log(1 + (total - count + 0.5) / (count + 0.5)) for phrase, count in counts.items()}
    rows = connection.execute(
        f"""select r.id, sum(w.value) as score
            from json_each(:weights) as w cross join records_folded as f cross join records as r on r.id = f.rowid
            where f.records_folded match w.key and {seen.sql}
            group by r.id order by score desc, r.id limit :limit""",
        {**seen.bindings, "weights": json.dumps(weights), "limit": limit},
    )
    return dict(rows)


def _rarest(connection: Connection, phrases: Sequence[str], total: int) -> dict[str, float]:
    """Return phrase → about how many of *total* records hold it, of the rarest, MAX_ROWS in all or one phrase."""
    counts: dict[str, float] = {}
    for phrase in phrases:
        count, last = connection.execute(
            "select count(*), max(rowid) from (select rowid from records_folded where records_folded match ? limit ?)",
            (phrase, ENOUGH),
        ).get
        if count:
            # Beyond ENOUGH: as many more in the rest of the file as in the part up to there.
            counts[phrase] = count if count < ENOUGH else count * total / last
    rarest = sorted(counts, key=lambda phrase: counts[phrase])
    sums = list(accumulate(counts[phrase] for phrase in rarest))
    return {phrase: counts[phrase] for phrase, rows in zip(rarest, sums, strict=True) if rows <= max(MAX_ROWS, sums[0])}


def index(connection: Connection, row: Row) -> None:
    """Enter a record's words."""
    connection.execute(
        "insert into records_fts (rowid, speaker, text) values (?, ?, ?)", (row.id, row.speaker, row.text)
    )
    _index_parts(connection, row)


def _index_parts(connection: Connection, row: Row) -> None:
    if terms := folded_terms(row.indexed_text):
        connection.execute("insert into records_folded (rowid, terms) values (?, ?)", (row.id, terms))


def unindex(connection: Connection, rows: Sequence[Row]) -> None:
    """
    Take records' words out, down to the bytes.

    FTS5 marks a deleted entry and keeps its words until segments are merged; `optimize` merges all of them.  Its
    secure-delete option would do without, but moves the index to a format that SQLite before 3.42 refuses.
    """
    for row in rows:
        connection.execute(
            "insert into records_fts (records_fts, rowid, speaker, text) values ('delete', ?, ?, ?)",
            (row.id, row.speaker, row.text),
        )
        if terms := folded_terms(row.indexed_text):
            connection.execute(
                "insert into records_folded (records_folded, rowid, terms) values ('delete', ?, ?)", (row.id, terms)
            )
    if rows:
        connection.execute("insert into records_fts (records_fts) values ('optimize')")
        connection.execute("insert into records_folded (records_folded) values ('optimize')")


def words_agree(connection: Connection) -> bool:
    """Return whether the index of plain words holds exactly those of the records, and that of parts is sound."""
    try:
        # Rank 1 compares with the content table; the plain check looks at the index alone.
        connection.execute("insert into records_fts (records_fts, rank) values ('integrity-check', 1)")
        connection.execute("insert into records_folded (records_folded) values ('integrity-check')")
    except DamagedError:
        return False
    return True


def parts_agree(connection: Connection, rows: Iterable[Row]) -> bool:
    """
    Return whether as many records hold each term in the index of parts as do of *rows*, which are all.

    A contentless table does not say which terms a record has.  Call it within `Database.read`, which takes the
    temporary view of the terms away again: it folds every record, too long to keep writers waiting.
    """
    due = Counter(term for row in rows for term in set(folded_terms(row.indexed_text).split()))
    connection.execute("create virtual table temp.parts using fts5vocab(main, records_folded, row)")
    return dict(connection.execute("select term, doc from temp.parts")) == due


def rebuild(connection: Connection, rows: Iterable[Row]) -> None:
    """Make the indexes of words again from *rows*, which are all."""
    connection.execute("insert into records_fts (records_fts) values ('rebuild')")
    connection.execute("insert into records_folded (records_folded) values ('delete-all')")
    for row in rows:
        _index_parts(connection, row)
