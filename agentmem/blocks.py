"""
Core blocks: small labelled texts that an agent always has in view.  Owns the table `blocks`.

A row is a version and is never changed: writing is adding one, and the latest holds.  So nothing that two processes
or devices write is lost.  Functions take a connection that `Database.read` or `Database.transaction` lent.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from .db import Connection, Stamp
from .draft import MAX_TEXT
from .errors import BlockError, NotFoundError
from .records import Block, moment, new_id
from .scope import Predicate, Scope, check_count
from .words import is_unicode

LIMIT = 2_000  # characters of a block, where nobody says otherwise: about 500 tokens
MAX_LABEL = 64  # characters
MAX_DESCRIPTION = 1_000  # characters
SHOWN = 4_000  # characters of what a block holds that an error names
COLUMNS = """b.label, b.text, b.description, b.capacity, b.read_only, {version}, b.user, b.agent, b.session,
    b.recorded_at"""


# -- what a block may be --------------------------------------------------------------------------------------------


def check_label(label: object) -> None:
    """Raise TypeError or ValueError where *label* is not one line of visible text: it becomes a heading."""
    if not isinstance(label, str):
        raise TypeError(f"a label is a string, not {label!r:.80}")
    if not label or len(label) > MAX_LABEL or label != label.strip() or not label.isprintable():
        raise ValueError(f"a label is 1 to {MAX_LABEL} visible characters on one line, not {label[:MAX_LABEL]!r}")


def empty(label: str, scope: Scope) -> Block:
    """Return the block *label* of *scope* as it is before its first version."""
    check_label(label)
    return Block(label, "", "", LIMIT, False, 0, scope.user, scope.agent or None, scope.session or None, moment(0))


def changed(block: Block, text: str, *, description: str | None, limit: int | None, read_only: bool | None) -> Block:
    """Return *block* with this text; what else is given takes its place too, and None leaves it."""
    _check_text("the text of a block", text, MAX_TEXT)
    _check_text("a description", "" if description is None else description, MAX_DESCRIPTION)
    if limit is not None:
        check_count("limit", limit, 1, MAX_TEXT)
    if read_only is not None and not isinstance(read_only, bool):
        raise TypeError(f"read_only is True, False or None, not {read_only!r:.80}")
    given = {"text": text, "description": description, "limit": limit, "read_only": read_only}
    news: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    return replace(block, **news)


def appended(block: Block, text: str) -> Block:
    """Return *block* with *text* as its last line."""
    _check_text("the text to append", text, MAX_TEXT)
    if not text.strip():
        raise ValueError("the text to append is empty")
    return replace(block, text=f"{block.text}\n{text}" if block.text else text)


def replaced(block: Block, old: str, new: str) -> Block:
    """Return *block* with *new* in the place of *old*, which it must hold just once."""
    _check_text("the text to replace", old, MAX_TEXT)
    _check_text("the new text", new, MAX_TEXT)
    if not old:
        raise ValueError("the text to replace is empty; append adds to a block")
    at = block.text.find(old)
    if at < 0:
        problem = "is not in the block {}; it must be there letter for letter"
    elif block.text.find(old, at + 1) >= 0:
        problem = "is in the block {} more than once; take more of the text around it"
    else:
        return replace(block, text=block.text[:at] + new + block.text[at + len(old) :])
    raise ValueError(f"{old!r:.200} {problem.format(repr(block.label))}. {_holds(block)}")


def check_fits(block: Block, held: Block) -> None:
    """Raise BlockError where the text of *block*, which is to follow on *held*, is longer than its limit."""
    if (over := len(block.text) - block.limit) > 0:
        raise BlockError(
            f"the block {block.label!r} may have {block.limit:,} characters; this would make {len(block.text):,}, "
            f"{over:,} too many. Shorten what it holds, or say less. {_holds(held)}"
        )


def check_open(block: Block) -> None:
    """Raise BlockError where *block* is read-only."""
    if block.read_only:
        raise BlockError(f"the block {block.label!r} is read-only; only a program that says read_only= may set it")


def _holds(block: Block) -> str:
    if not block.text:
        return "It is empty."
    more = "…" if len(block.text) > SHOWN else ""
    return f"It holds {len(block.text):,}:\n{block.text[:SHOWN]}{more}"


def _check_text(name: str, text: object, limit: int) -> None:
    if not isinstance(text, str):
        raise TypeError(f"{name} is a string, not {text!r:.80}")
    if len(text) > limit or "\0" in text or not is_unicode(text):
        raise ValueError(f"{name} has at most {limit:,} characters of text, without NUL and halves of surrogate pairs")


# -- the table ------------------------------------------------------------------------------------------------------


def every(connection: Connection, whose: Predicate) -> list[Block]:
    """Return the blocks in *whose*, as they hold, by label; of one label the most particular first."""
    rows = connection.execute(
        f"""with held as (
                select user, agent, session, label, max(hlc) as hlc, count(*) as version
                from blocks where {whose.sql} group by user, agent, session, label)
            select {COLUMNS.format(version="held.version")}
            from held join blocks as b using (user, agent, session, label, hlc)
            order by b.label, b.session = '', b.agent = '', b.session, b.agent, b.uid desc""",
        whose.bindings,
    )
    first: dict[tuple[str, str | None, str | None], Block] = {}
    for row in rows:
        block = _block(row)
        first.setdefault((block.label, block.agent, block.session), block)  # two devices at one tick: the later uid
    return list(first.values())


def in_view(connection: Connection, scope: Scope) -> dict[str, Block]:
    """Return the blocks that *scope* has in view, by label: its own, and those shared with it that they do not hide."""
    first: dict[str, Block] = {}
    for block in every(connection, scope.shares):
        first.setdefault(block.label, block)
    return first


def at(connection: Connection, scope: Scope, label: str) -> Block | None:
    """Return the block *label* of just this scope, where there is one."""
    return next((block for block in every(connection, scope.exactly) if block.label == label), None)


def find(connection: Connection, scope: Scope, label: str) -> Block:
    """Return the block *label* that *scope* has in view; NotFoundError where there is none."""
    check_label(label)
    known = in_view(connection, scope)
    if label not in known:
        there = ", ".join(map(repr, known)) or "none"
        raise NotFoundError(f"there is no block {label!r} in view; there are: {there}")
    return known[label]


def versions(connection: Connection, block: Block) -> list[Block]:
    """Return all versions of *block*, oldest first."""
    rows = connection.execute(
        f"""select {COLUMNS.format(version="row_number() over (order by b.hlc, b.uid)")}
            from blocks as b
            where b.user = :user and b.agent = :agent and b.session = :session and b.label = :label
            order by b.hlc, b.uid""",
        _place(block),
    )
    return [_block(row) for row in rows]


def version(connection: Connection, block: Block, number: int) -> Block:
    """Return version *number* of *block*; NotFoundError where it has none such."""
    check_count("version", number, 1)
    every = versions(connection, block)
    if number > len(every):
        raise NotFoundError(f"the block {block.label!r} has versions 1 to {len(every)}, none with number {number}")
    return every[number - 1]


def write(connection: Connection, block: Block, *, now: int, stamp: Stamp) -> Block:
    """Add *block* as the version that holds from now on, and return it with its number."""
    connection.execute(
        """insert into blocks (uid, block, user, agent, session, label, text, description, capacity, read_only,
               recorded_at, hlc, device)
           values (:uid,
               coalesce((select block from blocks
                         where user = :user and agent = :agent and session = :session and label = :label
                         order by hlc desc, uid desc limit 1), :uid),
               :user, :agent, :session, :label, :text, :description, :limit, :read_only, :now, :hlc, :device)""",
        {
            **_place(block),
            "uid": new_id(now),
            "text": block.text,
            "description": block.description,
            "limit": block.limit,
            "read_only": block.read_only,
            "now": now,
            "hlc": stamp.hlc,
            "device": stamp.device,
        },
    )
    return replace(block, version=block.version + 1, updated_at=moment(now))


def erase(connection: Connection, whose: Predicate, label: str | None = None) -> tuple[list[str], list[str]]:
    """Take the blocks in *whose*, or the one *label* of them, out with all versions; return their uids and labels."""
    named = "" if label is None else "and label = :label"
    rows = connection.execute(
        f"delete from blocks where {whose.sql} {named} returning block, label", {**whose.bindings, "label": label}
    ).fetchall()
    return sorted({str(uid) for uid, _ in rows}), sorted({str(label) for _, label in rows})


def _place(block: Block) -> dict[str, Any]:
    return {"user": block.user, "agent": block.agent or "", "session": block.session or "", "label": block.label}


def _block(row: tuple[Any, ...]) -> Block:
    label, text, description, limit, read_only, version, user, agent, session, at = row
    return Block(
        label, text, description, limit, bool(read_only), version, user, agent or None, session or None, moment(at)
    )
