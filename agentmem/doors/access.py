"""
The commands about access: who may read what of others, and who did what when.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC
from typing import Any

import click

from agentmem import AuditEntry, Grant, Memory

from . import show
from .frame import MIN_ID, Failure, json_object, nonempty, verb
from .show import Column

FORGOTTEN = "(forgotten)"
DEFAULT = "(default)"


def _name(name: str | None) -> str:
    return FORGOTTEN if name is None else name or DEFAULT


def _parts(grant: Grant) -> str:
    """Return what a grant is of, in words."""
    parts = [f"{name} {value}" for name, value in (("agent", grant.agent), ("session", grant.session)) if value]
    parts += [f"kind {', '.join(grant.kinds)}"] if grant.kinds else []
    parts += [show.to_json(grant.what, indent=None)] if grant.what else []
    return "; ".join(parts) or "everything"


def _end(grant: Grant) -> str:
    if grant.revoked_at:
        return f"revoked {show.day(grant.revoked_at)}"
    return show.day(grant.until) if grant.until else ""


GRANTS = (
    Column("from", lambda grant: grant.user, lambda grant: _name(grant.user), "cyan", 14),
    Column("to", lambda grant: grant.to, lambda grant: _name(grant.to), "cyan", 14),
    Column("what", _parts, wrap=True),
    Column("until", lambda grant: grant.revoked_at or grant.until, _end, "", 18),
    Column("id", lambda grant: grant.id, lambda grant: grant.id[-show.SHORT_ID :], "dim", show.SHORT_ID),
)


def show_grants(found: Sequence[Grant]) -> None:
    """Print grants, one a line."""
    if found:
        show.table(found, GRANTS)
    else:
        show.note("Nothing is granted, by you or to you.")


def show_grant(grant: Grant) -> None:
    """Print the id of a grant."""
    click.echo(grant.id)


@verb(show_grant)
@click.argument("to")
@click.option("--where", "what", metavar="JSON", callback=json_object, help="Only what this filter over metadata fits.")
@click.option("--kind", "kinds", multiple=True, help="Only this kind of record; repeatable.")
@click.option("--agent", callback=nonempty, help="Only records of this agent of yours.")
@click.option("--session", callback=nonempty, help="Only this conversation.")
@click.option("--to-agent", callback=nonempty, help="Only when they read as this agent of theirs.")
@click.option("--until", metavar="DATE", help="It ends then; default: when you revoke it.")
def grant(memory: Memory, to: str, kinds: tuple[str, ...], **options: Any) -> Grant:
    """
    Let another user read records, and print the grant's id.

    They read them, those to come too, and cannot change them or grant them on.

    \b
    Examples:
      agentmem --user ana grant ben --where '{"trip": "Oslo"}' --until 2026-09-01
      agentmem --user ana grant doctor --kind medication
    """
    return memory.grant(to=to, kinds=list(kinds) or None, **options)


@verb(show_grant)
@click.argument("id")
def revoke(memory: Memory, id: str) -> Grant:
    """
    End a grant, at once.

    ID is an id, or at least 6 characters of its end or beginning.

    \b
    Examples:
      agentmem --user ana revoke 1f6b0c9e
    """
    part = id.strip().lower()
    if len(part) < MIN_ID:
        raise Failure(f"{part!r} is too short for an id; give at least {MIN_ID} characters of its beginning or end")
    fitting = [each.id for each in memory.grants(ended=True) if each.id.startswith(part) or each.id.endswith(part)]
    if len(fitting) > 1:
        raise Failure(f"{part!r} fits {len(fitting)} grants; which one?\n  " + "\n  ".join(fitting))
    return memory.revoke(fitting[0] if fitting else id)


@verb(show_grants)
@click.option("--ended", is_flag=True, help="Also those that are revoked or over.")
def grants(memory: Memory, ended: bool) -> list[Grant]:
    """
    Show what you let others read, and they you.

    In a pipe: from, to, what, until, id.

    \b
    Examples:
      agentmem --user ana grants
    """
    return memory.grants(ended=ended)


def _when(entry: AuditEntry) -> str:
    return entry.at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")


def _who(entry: AuditEntry) -> str:
    return _name(entry.user) + (f" / {entry.agent}" if entry.agent else "")


def _about(entry: AuditEntry) -> str:
    """Return what an entry is about, in few words."""
    if entry.verb in ("grant", "revoke"):
        return f"to {_name(entry.to)}, {' '.join(id[-show.SHORT_ID :] for id in entry.ids)}"
    gone = entry.count - len(entry.ids)
    named = " ".join(id[-show.SHORT_ID :] for id in entry.ids[:3]) + (" …" if len(entry.ids) > 3 else "")
    left = f" ({gone} forgotten since)" if entry.ids and gone > 0 and entry.verb != "revise" else ""
    return named + left


AUDIT = (
    Column("", lambda entry: entry.number, None, "dim", 6, right=True),
    Column("when, UTC", lambda entry: entry.at, _when, "dim", 19),
    Column("who", lambda entry: entry.user, _who, "cyan", 16),
    Column("did", lambda entry: entry.verb, None, "bold", 10),
    Column("records", lambda entry: entry.count, lambda entry: f"{entry.count:,}", "", 7, right=True),
    Column("which", lambda entry: " ".join(entry.ids), _about, "dim", wrap=True),
    Column("hash", lambda entry: entry.hash, lambda entry: entry.hash[:8], "dim", 8),
)


def show_audit(found: Sequence[AuditEntry]) -> None:
    """Print entries, one a line."""
    if found:
        show.table(found, AUDIT)
    else:
        show.note("Nothing is noted.")


@verb(show_audit)
@click.option("--verb", "verbs", multiple=True, metavar="VERB", help="Only this, such as forget; repeatable.")
@click.option("--since", metavar="DATE", help="Only what was done then or later.")
@click.option("--until", metavar="DATE", help="Only what was done before.")
@click.option("--limit", default=20, show_default=True, type=click.IntRange(min=1), help="At most this many.")
@click.option("--everyone", is_flag=True, help="What every user of the file did.")
def audit(memory: Memory, verbs: tuple[str, ...], **options: Any) -> list[AuditEntry]:
    """
    Show who did what when, the newest first.

    Entries have ids and counts, never a text.  Each has a hash over itself and the one before: `doctor` tells where
    the chain is broken.  Note the newest hash elsewhere, and you can tell whether all was made anew.

    In a pipe: number, when, who, verb, records, ids, hash.

    \b
    Examples:
      agentmem --user ana audit --verb forget --verb grant
      agentmem audit --everyone --since 2026-03-01 --json
    """
    return memory.audit(verbs=list(verbs) or None, **options)
