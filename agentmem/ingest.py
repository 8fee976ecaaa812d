"""
Take in: what a caller says → drafts → screened → encoded → stored and indexed.  The write half of what `recall` is to
reading.
"""

from __future__ import annotations

import dataclasses
import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

from . import audit, candidates, claims, fulltext, kinds, policies, quarantine, screening, search, store, summaries
from .candidates import Extract
from .db import Connection, Database, Stamp
from .draft import REMEMBER_FIELDS, Draft, draft, json_object, merged, read_message
from .errors import PolicyError
from .policies import Rules
from .records import Record, Row, batches, moment
from .scope import Predicate, Scope
from .screening import Judged, Screen

if TYPE_CHECKING:  # numpy: the encoder comes as an argument
    from .encoder import Encoder
    from .traits import Traits

BATCH = 256  # records encoded together and written in one transaction


class Reader(NamedTuple):
    """Who reads what is taken in."""

    encoder: Encoder
    extract: Extract | None = None  # finds what turns state, beside the tagger
    screen: Screen | None = None  # finds secrets, beside ours


class Written(NamedTuple):
    """What became of some drafts."""

    records: list[Record]  # one per draft, new or here already; none for what may not be stored, or not come back
    added: int
    given: int  # how many drafts
    kept_out: Counter[tuple[str, str]]  # (action, rule) → how many
    aside: list[str]  # ids of what was put aside


class Derived(NamedTuple):
    """What is derived of a draft, and stored beside it."""

    vector: bytes  # int8[384]
    codes: bytes  # 48 bytes a token
    traits: Traits
    claims: list[claims.Made]
    metadata: str  # a JSON object: what the caller gave, and what `Reader.extract` found
    topics: tuple[str, ...]


Derivations = dict[bytes, Derived]  # by content hash


class Taken(NamedTuple):
    """What the policy makes of some drafts, and what is derived of the new ones."""

    judged: list[Judged]  # one per draft
    derived: Derivations

    @property
    def writes(self) -> bool:
        """Whether anything is to be stored or counted."""
        return bool(self.derived) or any(each.refused for each in self.judged)


class Fate(NamedTuple):
    """What became of one draft."""

    row: int | None = None  # of the record that it is now, or repeats
    added: bool = False
    kept_out: tuple[tuple[str, str], ...] = ()  # (action, rule)
    aside: str | None = None  # its id, where it was put aside


class Terms(NamedTuple):
    """On which terms drafts are stored."""

    restore: bool = True  # also what was forgotten: a person may say it again, a history or file may not
    reviewed: bool = False  # a person has looked at them: nothing is put aside, or refused for its topic
    verb: str = "remember"  # what the audit trail calls it
    anew: frozenset[bytes] = frozenset()  # content hashes of those that are encoded though they are here


class _Changed(Exception):
    """What was here at the first look, of this content hash, is so no more."""


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

    terms = Terms(restore=restore, verb=verb)
    source = batches(drafts, BATCH)
    waiting: tuple[list[Draft], Callable[[], Taken]] | None = None

    def stored() -> Iterator[Written]:
        if waiting:
            yield _store(db, reader, waiting[0], waiting[1](), now=now(), terms=terms)

    with ThreadPoolExecutor(1, "agentmem-ahead") as ahead:
        while True:
            try:
                batch = next(source, None)
            except BaseException:
                list(stored())
                raise
            future = ahead.submit(_take, db, reader, batch, now=now(), terms=terms) if batch else None
            yield from stored()
            if batch is None or future is None:
                return
            waiting = batch, future.result


def write(
    db: Database,
    reader: Reader,
    drafts: Sequence[Draft],
    *,
    now: int,
    terms: Terms = Terms(),  # noqa: B008, immutable
) -> Written:
    """Store the drafts that are not here yet and that the policy lets in, encoded before the transaction."""
    return _store(db, reader, drafts, _take(db, reader, drafts, now=now, terms=terms), now=now, terms=terms)


def write_one(
    db: Database,
    reader: Reader,
    made: Draft,
    *,
    now: int,
    terms: Terms = Terms(),  # noqa: B008, immutable
) -> Record:
    """Store *made*, or return the record that it repeats; PolicyError where the policy keeps it out."""
    written = write(db, reader, [made], now=now, terms=terms)
    if written.records:
        return written.records[0]
    if written.aside:
        ((_, rule),) = written.kept_out
        id = written.aside[0]
        raise PolicyError(f"it was put aside: {rule}. A person may accept it: review(accept={id!r})", id)
    if written.kept_out:
        raise refusal(next(iter(written.kept_out))[1])
    raise PolicyError("it was put aside before, and waits for a person: see review()")


def clean(db: Database, reader: Reader, drafts: Sequence[Draft]) -> list[Draft]:
    """Return *drafts* as they would be stored: without the secrets that the policy takes out."""
    with db.read() as connection:
        rules = policies.every(connection)
    return [screening.screened(made, rules.of(made.scope.user), reader.screen).made for made in drafts]


def refusal(rule: str) -> PolicyError:
    """Return the error that says that *rule* keeps a record out."""
    return PolicyError(f"the policy of this memory refuses it: {rule}. Nothing was stored; policy() shows the rules")


def _take(db: Database, reader: Reader, drafts: Sequence[Draft], *, now: int, terms: Terms) -> Taken:
    """Return what the policy makes of *drafts*, and what is derived of those that are not here."""
    with db.read() as connection:
        rules = policies.every(connection)
        judged = [screening.screened(made, rules.of(made.scope.user), reader.screen) for made in drafts]
        new = {
            each.made.content_hash: each
            for each in judged
            if not each.refused and _is_new(connection, each.made, now=now, terms=terms)
        }
    weighed, derived = _weigh(db, reader, list(new.values()), rules, now=now, reviewed=terms.reviewed)
    verdicts = {each.made.content_hash: each for each in weighed}
    return Taken([verdicts.get(each.made.content_hash, each) for each in judged], derived)


def _is_new(connection: Connection, made: Draft, *, now: int, terms: Terms) -> bool:
    if made.content_hash in terms.anew:
        return True
    if _here(connection, made, now=now) is not None or (not terms.restore and store.forgotten(connection, made)):
        return False
    return terms.reviewed or not quarantine.waiting(connection, made)


def _weigh(
    db: Database, reader: Reader, new: Sequence[Judged], rules: Rules, *, now: int, reviewed: bool = False
) -> tuple[list[Judged], Derivations]:
    """Return what the policy makes of *new* by what they mean, and what is derived of them."""
    derived = made_of(reader, [each.made for each in new])
    if reviewed:
        return list(new), derived
    by_topic = [
        screening.by_topic(each, derived[each.made.content_hash].topics, rules.of(each.made.scope.user)) for each in new
    ]
    return screening.looked_at(db, by_topic, rules, now=now), derived


def _store(db: Database, reader: Reader, drafts: Sequence[Draft], taken: Taken, *, now: int, terms: Terms) -> Written:
    """Store those of *taken* that are still not here, in one transaction; where nothing is to be stored, only read."""
    try:
        with db.transaction() if taken.writes else db.read() as connection:
            kinds.confirm(connection, [each.made for each in taken.judged])
            stamp = claim(db, connection, reader.encoder) if taken.writes else None
            fates = [
                _store_one(connection, each, taken.derived, now=now, stamp=stamp, terms=terms) for each in taken.judged
            ]
            here = [fate.row for fate in fates if fate.row is not None]
            records = store.fetch(connection, here)
            added = [records[fate.row] for fate in fates if fate.added and fate.row is not None]
            audit.note_records(connection, terms.verb, added, at=now)
    except _Changed as changed:
        return write(db, reader, drafts, now=now, terms=terms._replace(anew=terms.anew | {changed.args[0]}))
    return Written(
        [records[row] for row in here],
        len(added),
        len(drafts),
        Counter(each for fate in fates for each in fate.kept_out),
        [fate.aside for fate in fates if fate.aside is not None],
    )


def _store_one(
    connection: Connection, each: Judged, derived: Derivations, *, now: int, stamp: Stamp | None, terms: Terms
) -> Fate:
    """Store, put aside or leave out one draft, and count what was kept out."""
    made, found = each.made, derived.get(each.made.content_hash)
    fate = Fate(kept_out=((policies.REFUSED, each.refused),)) if each.refused else None
    if fate is None:
        # Again: another process may have stored or forgotten it meanwhile.
        row = _here(connection, made, now=now)
        if row is not None or (not terms.restore and store.forgotten(connection, made)):
            return Fate(row)
        if found is None or stamp is None:
            if quarantine.waiting(connection, made):
                return Fate()
            raise _Changed(made.content_hash)
        if each.aside:
            id = quarantine.put(connection, made, each.aside, vector=found.vector, now=now, stamp=stamp)
            fate = Fate(aside=id, kept_out=((policies.ASIDE, each.aside),)) if id else Fate()
        else:
            held = kinds.holder(connection, made, now=now)
            row = _put(connection, made, found, now=now, stamp=stamp, instead_of=held.uid if held else None)
            fate = Fate(row, True, tuple((policies.REDACTED, name) for name in each.redacted))
    for action, rule in fate.kept_out:
        assert stamp is not None
        policies.count(connection, made.scope.user, action, rule, now=now, stamp=stamp)
    return fate


def _here(connection: Connection, made: Draft, *, now: int) -> int | None:
    """Return the row id of the record that *made* repeats, in its words or, where its kind has a key, its fields."""
    row = store.known(connection, made, now=now)
    if row is None and (held := kinds.holder(connection, made, now=now)) and kinds.repeats(made, held):
        return held.row
    return row


def replace(db: Database, reader: Reader, old: Record, made: Draft, own: Predicate, *, now: int) -> Record:
    """
    Store *made* in the place of *old*, which must still be the version that holds.

    Raises:
        PolicyError: the policy keeps it out.  It is not put aside: a record cannot wait for its new version.
    """
    _check_start(made, now)
    with db.read() as connection:
        rules = policies.every(connection)
    judged = screening.screened(made, rules.of(made.scope.user), reader.screen)
    derived: Derivations = {}
    if not judged.refused:
        ((judged,), derived) = _weigh(db, reader, [judged], rules, now=now)
    made, out = judged.made, judged.refused or judged.aside
    with db.transaction() as connection:
        stamp = claim(db, connection, reader.encoder)
        for action, rule in (
            [(policies.REFUSED, out)] if out else [(policies.REDACTED, name) for name in judged.redacted]
        ):
            policies.count(connection, made.scope.user, action, rule, now=now, stamp=stamp)
        if not out:
            store.current(connection, old.id, own)  # again: another process may have revised or forgotten it meanwhile
            kinds.confirm(connection, [made])
            held = kinds.holder(connection, made, now=now)
            if held and held.uid != old.id:
                raise ValueError(f"record {held.uid} has this key already; revise that one, or forget it first")
            row = _put(connection, made, derived[made.content_hash], now=now, stamp=stamp, instead_of=old.id)
            summaries.unindex(connection, [row])
            record = store.fetch(connection, [row])[row]
            audit.note(connection, "revise", made.scope, [old.id, record.id], at=now, count=1)
            return record
    raise refusal(out)


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
    search.index(connection, row, derived.vector, derived.codes, derived.traits, derived.topics)
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
    from . import meaning  # numpy, which the encoder has loaded already
    from .encoder import read
    from .traits import traits  # its patterns take 0.02 s: only those who write pay for them

    stated = [claims.evident(made.role, made.kind, defined=made.definition is not None) for made in drafts]
    found = read(reader.encoder, [made.indexed_text for made in drafts], stated)
    topics = meaning.topics(reader.encoder, [made.text for made in drafts], [each.vector for each, _ in found])
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
            spoken_of,
        )
        for made, evidence, (encoding, marks), about, spoken_of in zip(
            drafts, stated, found, metadata, topics, strict=True
        )
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
