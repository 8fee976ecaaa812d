"""
Kinds of record that a caller defined: what their fields are, and which record takes the place of which.  Owns the
tables `kinds`, and `keys`, which is derived.

Functions take a connection that `Database.read` or `Database.transaction` lent.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from . import fields
from .claims import CORRECTION
from .db import Connection, Stamp
from .draft import Draft, check_name, check_text, draft, with_fields
from .errors import StorageError
from .records import Kind, sha256
from .scope import Scope

OURS = ("turn", "note", CORRECTION)  # kinds that agentmem writes itself
Kinds = Mapping[str, Kind]


class Holder(NamedTuple):
    """The record that holds a key."""

    row: int  # records.id
    uid: str
    text: str
    metadata: str  # a JSON object


# -- definitions ----------------------------------------------------------------------------------------------------


def described(
    name: str, schema: object, *, key: str | Sequence[str], searchable: str | Sequence[str], single: bool
) -> Kind:
    """Make a Kind of what a caller says, or raise TypeError or ValueError saying what is wrong with it."""
    check_name("kind", name)
    if name in OURS:
        raise ValueError(f"{name!r} is a kind of agentmem's own; choose another name")
    if not isinstance(single, bool):
        raise TypeError(f"single is True or False, not {single!r:.80}")
    clean = fields.checked(schema)
    made = Kind(name, clean, _names("key", key, clean), _names("searchable", searchable, clean), single)
    if single and made.key:
        raise ValueError("of a single record there is one, of records with a key one for each: take key or single")
    if missing := set(made.key) - set(clean.get("required", ())):
        raise ValueError(f"the key {sorted(missing)[0]!r} must be one of the schema's required fields")
    return made


def _names(what: str, given: str | Sequence[str], schema: fields.Schema) -> tuple[str, ...]:
    names = (given,) if isinstance(given, str) else given
    if not isinstance(names, list | tuple) or not all(isinstance(name, str) for name in names):
        raise TypeError(f"{what} is a field or a list of fields, not {given!r:.80}")
    known = schema.get("properties", {})
    for name in names:
        if name not in known:
            raise ValueError(f"{what}: {name!r:.80} is none of the schema's properties: {', '.join(known) or 'none'}")
    return tuple(dict.fromkeys(names))


def every(connection: Connection) -> dict[str, Kind]:
    """Return the kinds that are defined in this file, by name."""
    rows = connection.execute("select name, schema, key, searchable, single from kinds order by name")
    return {
        name: Kind(name, json.loads(schema), tuple(json.loads(key)), tuple(json.loads(searchable)), bool(single))
        for name, schema, key, searchable, single in rows
    }


def define(connection: Connection, kind: Kind, *, by: str, now: int, stamp: Stamp) -> None:
    """
    Write *kind*, in the place of the one of its name.

    Raises:
        ValueError: a record that holds does not fit it, or two would take each other's place; the message names them,
            and what is in them where they are of the user *by*.
    """
    _check_fit(connection, kind, by=by, now=now)
    rekey(connection, kind)
    connection.execute(
        """insert or replace into kinds (name, schema, key, searchable, single, hlc, device)
           values (:name, :schema, :key, :searchable, :single, :hlc, :device)""",
        {
            "name": kind.name,
            "schema": json.dumps(kind.schema, ensure_ascii=False),
            "key": json.dumps(kind.key, ensure_ascii=False),
            "searchable": json.dumps(kind.searchable, ensure_ascii=False),
            "single": kind.single,
            "hlc": stamp.hlc,
            "device": stamp.device,
        },
    )


def _check_fit(connection: Connection, kind: Kind, *, by: str, now: int) -> None:
    """Raise ValueError where a record that holds does not fit *kind*, or two share a key."""
    holders: dict[bytes, str] = {}
    for one in _records(connection, kind.name):
        if not one.active or (one.expires is not None and one.expires <= now):
            continue  # it is history, or nobody sees it any more
        try:
            fields.check(kind.schema, one.values, kind.name)
        except ValueError as error:
            why = error if one.whose.user == by else "that user can see why"
            raise ValueError(f"record {one.uid} of user {one.whose.user!r} does not fit: {why}") from None
        hash = _key_hash(kind, one.whose, one.values)
        if hash is not None and (other := holders.setdefault(hash, one.uid)) != one.uid:
            raise ValueError(
                f"records {other} and {one.uid} of user {one.whose.user!r} would take each other's place; "
                "forget one first"
            )


def confirm(connection: Connection, drafts: Iterable[Draft]) -> None:
    """Raise StorageError where a kind was defined anew since *drafts* were checked."""
    known = every(connection)
    for made in drafts:
        if known.get(made.kind) != made.definition:
            raise StorageError(f"the kind {made.kind!r} was defined anew at this moment; repeat the call")


# -- records --------------------------------------------------------------------------------------------------------


def drafted(
    known: Kinds,
    text: str | None,
    scope: Scope,
    *,
    kind: str = "note",
    metadata: Mapping[str, object] | None = None,
    **said: Any,
) -> Draft:
    """
    Make a Draft as `draft` does; of a kind that is *known*, its fields are checked, and belong to the text.

    Args:
        text: None is made of the fields, where the kind is known.
        said: what `draft` takes beside.

    Raises:
        TypeError, ValueError: as `draft`, or a field is not as its kind has it; the message names it.
    """
    definition = known.get(kind) if isinstance(kind, str) else None
    if definition is None:
        return draft(check_text(text), scope, kind=kind, metadata=metadata, **said)
    try:
        return _drafted(definition, text, scope, {} if metadata is None else metadata, said)
    except RecursionError:
        raise ValueError("metadata is nested too deep") from None


def reworded(made: Draft, text: str, **other: Any) -> Draft:
    """Return *made* with *text* and *other* arguments of `draft` in the place of its own, checked as `drafted` does."""
    known = {made.kind: made.definition} if made.definition else {}
    now = made.occurred_at or 0  # stands in where no time was given, as it did before
    return drafted(known, text, made.scope, now=now, **{**made.arguments, **other})


def _drafted(
    kind: Kind, text: str | None, scope: Scope, metadata: Mapping[str, object], said: Mapping[str, Any]
) -> Draft:
    values = fields.plain(metadata)
    fields.check(kind.schema, values, kind.name)
    whole = _made_text(kind, values) if text is None else fields.in_words(values, kind.searchable, check_text(text))
    made = draft(whole, scope, kind=kind.name, metadata=values, **said)
    return dataclasses.replace(
        made,
        definition=kind,
        key_hash=_key_hash(kind, scope, values),
        content_hash=with_fields(made.content_hash, fields.canonical(values)),
    )


def _made_text(kind: Kind, values: Mapping[str, object]) -> str:
    listed = kind.schema.get("properties", {})
    return fields.in_words(values, kind.searchable or [*listed, *sorted(values.keys() - listed)])


def _key_hash(kind: Kind, scope: Scope, values: Mapping[str, object]) -> bytes | None:
    if not (kind.key or kind.single):
        return None
    key = [scope.user, scope.agent, scope.session, kind.name, *(values.get(name) for name in kind.key)]
    return sha256(fields.canonical(key).encode())


def holder(connection: Connection, made: Draft, *, now: int) -> Holder | None:
    """Return the record that holds, at *now*, the key of *made*; None where there is none, or *made* has no key."""
    return None if made.key_hash is None else _holder(connection, made.key_hash, now)


def found(connection: Connection, name: str, key: Mapping[str, object], scope: Scope, *, now: int) -> int | None:
    """
    Return the row id of the record of a kind that holds *key*, at *now*, in just this *scope*; None where none does.

    Raises:
        ValueError: the kind is not defined, or *key* does not name the fields of its key.
    """
    kind = every(connection).get(name)
    if kind is None or not (kind.key or kind.single):
        raise ValueError(f"{name!r:.80} is no kind with a key; `kinds` lists those that are defined")
    if set(key) != set(kind.key):
        raise ValueError(f"the key of {name!r:.80} is {', '.join(kind.key) or 'none, it is single'}, not {key!r:.80}")
    hash = _key_hash(kind, scope, fields.plain(key))
    held = None if hash is None else _holder(connection, hash, now)
    return None if held is None else held.row


def _holder(connection: Connection, hash: bytes, now: int) -> Holder | None:
    row = connection.execute(
        """select r.id, r.uid, r.text, r.metadata from keys as k join records as r on r.id = k.record
           where k.hash = :hash and r.status = 'active' and (r.expires_at is null or r.expires_at > :now)
           order by r.id desc limit 1""",
        {"hash": hash, "now": now},
    ).fetchone()
    return None if row is None else Holder(*row)


def repeats(made: Draft, held: Holder) -> bool:
    """Return whether *made* says no more than *held*: the same fields, and no other text."""
    values = json.loads(made.metadata)
    if made.definition is None or fields.canonical(values) != fields.canonical(json.loads(held.metadata)):
        return False
    return made.text in (held.text, _made_text(made.definition, values))


def index(connection: Connection, row: int, hash: bytes) -> None:
    """Enter the key of the record with row id *row*."""
    connection.execute("insert into keys (record, hash) values (?, ?)", (row, hash))


def unindex(connection: Connection, rows: Sequence[int]) -> None:
    """Take the keys of records out."""
    for row in rows:
        connection.execute("delete from keys where record = ?", (row,))


def rebuild(connection: Connection) -> None:
    """Make the keys again from the records."""
    connection.execute("delete from keys")
    for kind in every(connection).values():
        _enter(connection, kind, _records(connection, kind.name))


def rekey(connection: Connection, kind: Kind) -> list[int]:
    """Make the keys of one kind's records again, as *kind* has them; return the row ids of its records."""
    found = list(_records(connection, kind.name))
    unindex(connection, [one.row for one in found])
    _enter(connection, kind, found)
    return [one.row for one in found]


def enter(connection: Connection, rows: Sequence[int]) -> None:
    """Enter the keys of records, which have none yet, where their kinds have one."""
    known = every(connection)
    for one in _records(connection, rows) if known else ():
        if one.kind in known:
            _enter(connection, known[one.kind], [one])


def _enter(connection: Connection, kind: Kind, found: Iterable[_Keyed]) -> None:
    for one in found:
        if (hash := _key_hash(kind, one.whose, one.values)) is not None:
            index(connection, one.row, hash)


def without_key(connection: Connection) -> int:
    """Return how many records that hold lack the key that their kind has."""
    return int(
        connection.execute(
            """select count(*) from records as r join kinds as k on k.name = r.kind
               where r.status = 'active' and (k.key <> '[]' or k.single) and r.id not in (select record from keys)"""
        ).get
    )


class _Keyed(NamedTuple):
    """What of a record its key is made of."""

    row: int  # records.id
    uid: str
    kind: str
    whose: Scope
    values: dict[str, Any]
    active: bool
    expires: int | None  # UTC ms


def _records(connection: Connection, which: str | Sequence[int]) -> Iterator[_Keyed]:
    """Yield the records of a kind, or with these row ids, the oldest first."""
    named = isinstance(which, str)
    rows = connection.execute(
        f"""select r.id, r.uid, r.kind, s.user, s.agent, s.session, r.metadata, r.status = 'active', r.expires_at
            from records as r join scopes as s on s.id = r.scope
            where {"r.kind = ?" if named else "r.id in (select value from json_each(?))"} order by r.id""",
        (which if named else json.dumps(list(which)),),
    )
    for row, uid, kind, user, agent, session, metadata, active, expires in rows:
        yield _Keyed(row, uid, kind, Scope(user, agent, session), json.loads(metadata), bool(active), expires)
