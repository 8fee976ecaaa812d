"""
Records that were written apart and are now in one file: which holds, and where each stands.

What is decided follows from the records alone, and only ever goes one way, so that every copy of a file decides the
same, whatever came first.

- The same words said once on each side are one thing: the others are joined to the first, as later versions of it.
- Of the versions of a record, and of records with the same key, the last one written holds; each earlier one ends where
  the first that came after it began.  So does `store.supersede`.
- Turns of a conversation stand in the order in which they were written.
"""

from __future__ import annotations

import json
from array import array
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from . import store
from .db import Connection, Stamp, bound
from .draft import identity, with_fields
from .fields import canonical
from .scope import Scope

Rank = tuple[object, ...]


class Lost(NamedTuple):
    """A record that no longer holds, as another one, written apart from it, does."""

    uid: str
    kept: str  # uid of the one that holds
    why: str  # "revised twice" or "same key"


class _Row(NamedTuple):
    id: int
    uid: str
    supersedes: str | None
    hash: bytes  # of the content
    key: bytes | None  # where its kind has one
    hlc: int
    device: str
    valid_from: int
    valid_to: int | None
    active: bool
    recorded_at: int
    expires_at: int | None

    @property
    def written(self) -> Rank:
        return self.hlc, self.device, self.uid

    def seen_by(self, later: _Row) -> bool:
        """Return whether it had not expired when *later* was written."""
        return self.expires_at is None or self.expires_at > later.recorded_at


class Settled(NamedTuple):
    """What was decided."""

    lost: list[Lost]
    joined: int  # records that say what another one says


def settle(connection: Connection, ids: Iterable[int], stamp: Stamp) -> Settled:
    """Decide which records hold among the records *ids*, which came in, and those that they have to do with."""
    new = _involved(connection, ids)
    if not new:
        return Settled([], 0)
    joined = _join(connection, _load(connection, _same(connection, new, "content_hash")), stamp)
    near = _versions(connection, new | joined) | _same_key(connection, new)
    rows = _load(connection, _versions(connection, near) | _same_key(connection, near))
    group = _groups(rows)
    ranks = _ranks(rows, group)
    sharing: dict[bytes | None, list[_Row]] = defaultdict(list)
    for row in rows.values():
        if row.key is not None:
            sharing[row.key].append(row)
    children = {row.supersedes for row in rows.values()}
    ends: dict[int, object] = {}
    lost = []
    for uid in (row.uid for row in rows.values() if row.id in near):
        row = rows[uid]
        versions = [rows[other] for other in group[uid] if ranks[other] > ranks[uid]]
        rivals = [each for each in sharing[row.key] if row.key and ranks[each.uid] > ranks[uid] and row.seen_by(each)]
        if not versions and not rivals:
            continue
        end = max(row.valid_from, min(each.valid_from for each in versions + rivals))
        if row.active or row.valid_to is None or row.valid_to > end:
            ends[row.id] = end
        if row.active and uid not in children:
            kept = max(versions or rivals, key=lambda each: ranks[each.uid])
            if row.id not in joined and kept.hash != row.hash:
                lost.append(Lost(uid, kept.uid, "revised twice" if versions else "same key"))
    store.change(connection, "status", dict.fromkeys(ends, "superseded"), stamp)
    store.change(connection, "valid_to", ends, stamp)
    return Settled(lost, len(joined))


def _involved(connection: Connection, ids: Iterable[int]) -> set[int]:
    """Return those of the records *ids* that share a chain, a key or their content with another."""
    rows = connection.execute(
        """select r.id from carray(:ids) as i cross join records as r on r.id = i.value
           left join keys as k on k.record = r.id
           where r.supersedes is not null
               or exists (select 1 from records as o where o.supersedes = r.uid)
               or exists (select 1 from records as o where o.content_hash = r.content_hash and o.id <> r.id)
               or exists (select 1 from keys as o where o.hash = k.hash and o.record <> r.id)""",
        {"ids": bound(array("q", ids))},
    )
    return {row[0] for row in rows}


def _same(connection: Connection, ids: Iterable[int], column: str) -> set[int]:
    rows = connection.execute(
        f"""select o.id from carray(:ids) as i cross join records as r on r.id = i.value
            cross join records as o on o.{column} = r.{column}""",
        {"ids": bound(array("q", ids))},
    )
    return {row[0] for row in rows}


def _same_key(connection: Connection, ids: Iterable[int]) -> set[int]:
    rows = connection.execute(
        """select o.record from carray(:ids) as i cross join keys as k on k.record = i.value
           cross join keys as o on o.hash = k.hash""",
        {"ids": bound(array("q", ids))},
    )
    return {row[0] for row in rows}


def _versions(connection: Connection, ids: Iterable[int]) -> set[int]:
    uids = connection.execute(
        "select r.uid from carray(:ids) as i cross join records as r on r.id = i.value",
        {"ids": bound(array("q", ids))},
    )
    named = json.dumps([uid for (uid,) in uids])
    sql = f"with recursive {store.CHAIN} select r.id from chain as c cross join records as r on r.uid = c.uid"
    return {row[0] for row in connection.execute(sql, {"uids": named})}


def _load(connection: Connection, ids: Iterable[int]) -> dict[str, _Row]:
    rows = connection.execute(
        """select r.id, r.uid, r.supersedes, r.content_hash, k.hash, r.hlc, d.uid, r.valid_from, r.valid_to,
               r.status = 'active', r.recorded_at, r.expires_at
           from carray(:ids) as i cross join records as r on r.id = i.value join devices as d on d.id = r.device
           left join keys as k on k.record = r.id""",
        {"ids": bound(array("q", ids))},
    )
    return {row[1]: _Row(*row) for row in rows}


# -- the same thing said twice --------------------------------------------------------------------------------------


def _join(connection: Connection, rows: Mapping[str, _Row], stamp: Stamp) -> set[int]:
    """
    Give those of *rows* that say the same for a first time the first of them as the version before.

    What carries its own time or key is the same for good.  What carries neither is the same only while both hold: said
    again after a change, it is news.
    """
    alike = defaultdict(list)
    for row in rows.values():
        before = rows.get(row.supersedes or "")
        if row.supersedes is None or (before is not None and before.hash == row.hash):
            alike[row.hash].append(row)
    joined: dict[int, object] = {}
    for group in alike.values():
        if len(group) < 2:
            continue
        lasting = _lasting(connection, group[0])
        firsts = {row.supersedes for row in group}  # with those that were joined to others before
        same = [row for row in group if lasting or row.active or row.supersedes or row.uid in firsts]
        first = min(same, key=lambda row: row.uid, default=group[0])
        for row in same:
            if row.uid != first.uid and row.supersedes != first.uid and first.seen_by(row) and row.seen_by(first):
                joined[row.id] = first.uid
    store.change(connection, "supersedes", joined, stamp)
    return set(joined)


def _lasting(connection: Connection, row: _Row) -> bool:
    """Return whether a record carries its own time or key: then its content hash is not that of its words alone."""
    user, agent, session, kind, role, speaker, source, text, metadata = connection.execute(
        """select s.user, s.agent, s.session, r.kind, r.role, r.speaker, r.source, r.text, r.metadata
           from records as r join scopes as s on s.id = r.scope where r.id = ?""",
        (row.id,),
    ).get
    plain = identity(Scope(user, agent, session), kind, role, speaker, source, text)
    return row.hash not in (plain, with_fields(plain, canonical(json.loads(metadata))))


# -- versions -------------------------------------------------------------------------------------------------------


def _groups(rows: Mapping[str, _Row]) -> dict[str, set[str]]:
    """Return of each record all of its versions, itself among them, and of one that is gone those that are here."""
    group = {uid: {uid} for uid in rows}
    for row in rows.values():
        if row.supersedes is None:
            continue
        before = group.setdefault(row.supersedes, set())
        if before is not group[row.uid]:
            small, large = sorted((before, group[row.uid]), key=len)
            large |= small
            for uid in {*small, row.supersedes, row.uid}:
                group[uid] = large
    return group


def _ranks(rows: Mapping[str, _Row], group: Mapping[str, set[str]]) -> dict[str, Rank]:
    """Return the order in which versions were written; what was joined to a first one comes right after that."""
    ranks: dict[str, Rank] = {}
    for uid, row in rows.items():
        first = rows.get(row.supersedes or "")
        joined = first is not None and first.hash == row.hash
        ranks[uid] = (first.written if first is not None and joined else row.written, joined, row.written)
    return ranks


# -- places in a conversation ---------------------------------------------------------------------------------------


def place(connection: Connection, ids: Iterable[int], stamp: Stamp) -> int:
    """
    Give the turns of the conversations of the records *ids* places in the order in which they were written.

    A turn that stands behind a later one, or where another one stands, moves back; its versions stand where it stands.

    Returns:
        How many records have another place than before.
    """
    moved: dict[int, object] = {}
    scopes = connection.execute(
        """select distinct r.scope from carray(:ids) as i cross join records as r on r.id = i.value
           where r.position is not null""",
        {"ids": bound(array("q", ids))},
    )
    for (scope,) in list(scopes):
        moved |= _moved(
            connection.execute(
                """select r.id, r.uid, r.supersedes, r.position, r.hlc, d.uid
                   from records as r join devices as d on d.id = r.device
                   where r.scope = ? and r.position is not null order by r.hlc, d.uid, r.uid""",
                (scope,),
            ).fetchall()
        )
    store.change(connection, "position", moved, stamp)
    return len(moved)


def _moved(turns: Sequence[Any]) -> dict[int, object]:
    before = {uid: supersedes for _, uid, supersedes, *_ in turns}
    places: dict[str, int] = {}
    moved: dict[int, object] = {}
    last = 0
    for _, uid, supersedes, position, *_ in turns:
        if supersedes is None:
            places[uid] = last = max(position, last + 1)
    for id, uid, _, position, *_ in turns:
        first, steps = uid, 0
        while (earlier := before[first]) in before and steps < len(turns):
            first, steps = earlier, steps + 1
        if places.get(first, position) != position:  # one whose first version is gone stays where it is
            moved[id] = places[first]
    return moved
