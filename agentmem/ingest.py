"""
Take in: what a caller says → drafts → encoded → stored and indexed.  The write half of what `recall` is to reading.
"""

from __future__ import annotations

import dataclasses
import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

from . import audit, candidates, claims, fulltext, kinds, search, store, summaries
from .candidates import Extract
from .db import Connection, Database, Stamp
from .draft import REMEMBER_FIELDS, Draft, draft, json_object, merged, read_message
from .records import Record, Row, batches, moment
from .scope import Predicate, Scope

if TYPE_CHECKING:  # numpy: the encoder comes as an argument
    from .encoder import Encoder
    from .traits import Traits

BATCH = 256  # records encoded together and written in one transaction


class Reader(NamedTuple):
    """Who reads what is taken in."""

    encoder: Encoder
    extract: Extract | None = None  # finds what turns state, beside the tagger


class Written(NamedTuple):
    """What became of some drafts."""

    records: list[Record]  # one per draft, new or here already; none for what was forgotten and may not come back
    added: int
    given: int  # how many drafts


class Derived(NamedTuple):
    """What is derived of a draft, and stored beside it."""

    vector: bytes  # int8[384]
    codes: bytes  # 48 bytes a token
    traits: Traits
    claims: list[claims.Made]
    metadata: str  # a JSON object: what the caller gave, and what `Reader.extract` found


Derivations = dict[bytes, Derived]  # by content hash


def items(given: Iterable[str | Mapping[str, Any]], own: Scope, known: kinds.Kinds, *, now: int) -> Iterator[Draft]:
    """
    Yield a draft for each text, or mapping of `remember`'s arguments; an error names the item by its index.

    Args:
        known: the kinds that are defined.
    """
    if isinstance(given, str | bytes | Mapping) or not isinstance(given, Iterable):
        raise TypeError(f"items is a list of texts or mappings, not {given!r:.80}; remember() takes a single one")
    for index, item in enumerate(given):
        with _naming(f"item {index}"):
            if isinstance(item, str):
                yield draft(item, own, now=now)
                continue
            if not isinstance(item, Mapping) or not item.keys() & {"text", "kind"}:
                raise TypeError(f"an item is a text, or a mapping with a text, not {item!r}")
            fields = {"text": None, **item}
            names = {name: fields.pop(name, None) for name in ("user", "agent", "session")}
            if unknown := set(fields) - REMEMBER_FIELDS:
                raise ValueError(f"unknown field {sorted(map(str, unknown))[0]!r}; put your own into metadata")
            yield kinds.drafted(known, scope=own.narrowed(**names), now=now, **fields)


def under_heading(message: Mapping[str, Any]) -> Mapping[str, Any]:
    """Begin a document's paragraph with the heading that it stands under, which often holds the word that is sought."""
    about = message.get("metadata")
    heading = about.get("heading") if isinstance(about, Mapping) else None
    if not isinstance(heading, str):
        return message
    return {**message, "content": f"{heading.rpartition(' > ')[2]}: {message['content']}"}


def turns(
    messages: Iterable[Mapping[str, Any]],
    own: Scope,
    metadata: Mapping[str, object] | None,
    *,
    now: int,
    kind: str = "turn",
    **common: Any,
) -> Iterator[Draft]:
    """Yield a draft for each chat message with words; an error names the message by its index."""
    if isinstance(messages, str | bytes | Mapping) or not isinstance(messages, Iterable):
        raise TypeError(f"messages is a list of chat messages, not {messages!r:.80}")
    said: Counter[tuple[str, ...]] = Counter()
    for index, message in enumerate(messages):
        with _naming(f"message {index}"):
            fields = read_message(message)
            if fields is None:
                continue
            if fields["key"] is None and fields["at"] is None:
                # "ok" twice in one call is two turns, and handing the same list over again is not four.
                words = (str(fields["role"]), str(fields["speaker"]), fields["text"])
                said[words] += 1
                fields["key"] = f"#{said[words]}" if said[words] > 1 else None
            fields["metadata"] = merged(metadata, fields["metadata"])
            yield draft(scope=own, now=now, kind=kind, **common, **fields)


def write_all(
    db: Database, reader: Reader, drafts: Iterable[Draft], *, now: Callable[[], int], restore: bool = True,
    verb: str = "remember",
) -> Iterator[Written]:  # fmt: skip
    """
    Write *drafts* as `write` does, BATCH in one transaction, and yield what became of each batch.

    A batch is encoded while the one before is stored.  Where *drafts* raises, the batches before are stored first.
    """
    from concurrent.futures import ThreadPoolExecutor  # which the encoder has loaded already

    source = batches(drafts, BATCH)
    waiting: tuple[list[Draft], Callable[[], Derivations]] | None = None

    def stored() -> Iterator[Written]:
        if waiting:
            yield _store(db, reader, waiting[0], waiting[1](), now=now(), restore=restore, verb=verb)

    with ThreadPoolExecutor(1, "agentmem-ahead") as ahead:
        while True:
            try:
                batch = next(source, None)
            except BaseException:
                list(stored())
                raise
            future = ahead.submit(_derive, db, reader, batch, now=now(), restore=restore) if batch else None
            yield from stored()
            if batch is None or future is None:
                return
            waiting = batch, future.result


def write(
    db: Database, reader: Reader, drafts: Sequence[Draft], *, now: int, restore: bool = True, verb: str = "remember"
) -> Written:
    """
    Store the drafts that are not here yet, encoded before the transaction.

    Args:
        restore: whether what was forgotten may be stored anew: a person may say it again, a history or file may not.
        verb: what the audit trail calls it.
    """
    derived = _derive(db, reader, drafts, now=now, restore=restore)
    return _store(db, reader, drafts, derived, now=now, restore=restore, verb=verb)


def _derive(db: Database, reader: Reader, drafts: Sequence[Draft], *, now: int, restore: bool) -> Derivations:
    """Return what is derived of those *drafts* that are not here, by content hash."""
    with db.read() as connection:
        new = {
            made.content_hash: made
            for made in drafts
            if _here(connection, made, now=now) is None and (restore or not store.forgotten(connection, made))
        }
    return made_of(reader, list(new.values()))


def _store(
    db: Database, reader: Reader, drafts: Sequence[Draft], derived: Derivations, *, now: int, restore: bool, verb: str
) -> Written:
    """Store those of *drafts* that are still not here, in one transaction; where nothing is to be stored, only read."""
    added, rows = list[int](), list[int | None]()
    with db.transaction() if derived else db.read() as connection:
        kinds.confirm(connection, drafts)
        stamp = claim(db, connection, reader.encoder) if derived else None
        for made in drafts:
            # Again: another process may have stored or forgotten it meanwhile.
            row = _here(connection, made, now=now)
            if row is None and (restore or not store.forgotten(connection, made)):
                if stamp is None:
                    break
                found = derived.get(made.content_hash) or made_of(reader, [made])[made.content_hash]
                held = kinds.holder(connection, made, now=now)
                row = _put(connection, made, found, now=now, stamp=stamp, instead_of=held.uid if held else None)
                added.append(row)
            rows.append(row)
        else:
            here = [row for row in rows if row is not None]
            records = store.fetch(connection, here)
            audit.note_records(connection, verb, [records[row] for row in added], at=now)
            return Written([records[row] for row in here], len(added), len(drafts))
    return write(db, reader, drafts, now=now, restore=restore, verb=verb)  # it was here at the first look


def _here(connection: Connection, made: Draft, *, now: int) -> int | None:
    """Return the row id of the record that *made* repeats, in its words or, where its kind has a key, its fields."""
    row = store.known(connection, made, now=now)
    if row is None and (held := kinds.holder(connection, made, now=now)) and kinds.repeats(made, held):
        return held.row
    return row


def replace(db: Database, reader: Reader, old: Record, made: Draft, own: Predicate, *, now: int) -> Record:
    """Store *made* in the place of *old*, which must still be the version that holds."""
    _check_start(made, now)
    derived = made_of(reader, [made])[made.content_hash]
    with db.transaction() as connection:
        store.current(connection, old.id, own)  # again: another process may have revised or forgotten it meanwhile
        kinds.confirm(connection, [made])
        held = kinds.holder(connection, made, now=now)
        if held and held.uid != old.id:
            raise ValueError(f"record {held.uid} has this key already; revise that one, or forget it first")
        stamp = claim(db, connection, reader.encoder)
        row = _put(connection, made, derived, now=now, stamp=stamp, instead_of=old.id)
        summaries.unindex(connection, [row])
        record = store.fetch(connection, [row])[row]
        audit.note(connection, "revise", made.scope, [old.id, record.id], at=now, count=1)
        return record


def _check_start(made: Draft, now: int) -> None:
    if made.occurred_at is not None and made.occurred_at > now:
        raise ValueError(f"a revision holds from now on or earlier, and {moment(made.occurred_at)} is to come")


def _put(
    connection: Connection, made: Draft, derived: Derived, *, now: int, stamp: Stamp, instead_of: str | None
) -> int:
    """Write a record with its index entries, in the place of the one with the uid *instead_of*; return its row id."""
    if instead_of is not None:
        _check_start(made, now)
        store.supersede(connection, instead_of, at=now if made.occurred_at is None else made.occurred_at, stamp=stamp)
    row = store.insert(connection, _with(made, derived), now=now, stamp=stamp, supersedes=instead_of)
    fulltext.index(connection, Row(row, made.speaker, made.text, made.occurred_at))
    search.index(connection, row, derived.vector, derived.codes, derived.traits)
    claims.index(connection, row, derived.claims)
    if made.key_hash is not None:
        kinds.index(connection, row, made.key_hash)
    return row


def claim(db: Database, connection: Connection, encoder: Encoder) -> Stamp:
    """Return the stamp for a write, after seeing to it that the file's vectors are *encoder*'s."""
    if db.encoder_id(connection) is None:
        db.set_encoder_id(connection, encoder.id)
    db.match_encoder(connection, encoder.id)
    return db.stamp(connection)


def _with(made: Draft, derived: Derived) -> Draft:
    return made if made.metadata == derived.metadata else dataclasses.replace(made, metadata=derived.metadata)


def made_of(reader: Reader, drafts: Sequence[Draft]) -> Derivations:
    """Return what is derived of *drafts*, by content hash; encoded, so outside of any transaction."""
    if not drafts:
        return {}
    from .encoder import read  # numpy, which the encoder has loaded already
    from .traits import traits  # its patterns take 0.02 s: only those who write pay for them

    stated = [claims.evident(made.role, made.kind, defined=made.definition is not None) for made in drafts]
    found = read(reader.encoder, [made.indexed_text for made in drafts], stated)
    metadata = [made.metadata for made in drafts]
    if reader.extract is not None:
        metadata = _extracted(reader.extract, drafts, stated)
    return {
        made.content_hash: Derived(
            encoding.quantised,
            encoding.codes,
            traits(made.text, made.occurred_at),
            claims.of(
                made.text,
                marks,
                evidence=evidence,
                speaker=made.speaker,
                kind=made.kind,
                metadata=about,
            ),
            about,
        )
        for made, evidence, (encoding, marks), about in zip(drafts, stated, found, metadata, strict=True)
    }


def _extracted(extract: Extract, drafts: Sequence[Draft], stated: Sequence[bool]) -> list[str]:
    """Return the drafts' metadata, with what *extract* finds: it is kept with the record, not asked for again."""
    turns = [
        candidates.Turn(made.text, made.speaker, made.role, made.occurred_at, evident)
        for made, evident in zip(drafts, stated, strict=True)
    ]
    found = candidates.asked(extract, turns)
    return [_with_candidates(made.metadata, kept) for made, kept in zip(drafts, found, strict=True)]


def _with_candidates(metadata: str, kept: Sequence[candidates.Candidate]) -> str:
    given = json.loads(metadata)
    if not kept or candidates.FIELD in given:  # the caller's own field of that name stays
        return metadata
    try:
        return json_object("metadata", {**given, candidates.FIELD: [list(each) for each in kept]})
    except ValueError:  # too large with them: the record matters more
        return metadata


@contextmanager
def _naming(what: str) -> Iterator[None]:
    """Begin the message of a wrong argument with the item that it was found in."""
    try:
        yield
    except (TypeError, ValueError) as error:
        raise type(error)(f"{what}: {error}") from None
