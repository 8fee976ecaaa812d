"""
The commands about the policy: what is kept, what was kept out, and what waits for a person.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from agentmem import Held, KeptOut, Memory, Retention

from . import show
from .frame import Failure, verb
from .show import Column

HELD = (
    Column("when", lambda held: held.put_at, lambda held: show.day(held.put_at), width=10),
    Column("why", lambda held: held.reason, style="cyan", width=22),
    Column("from", lambda held: held.source or "", style="dim", width=16),
    Column("trust", lambda held: held.trust, lambda held: f"{held.trust:.2f}", right=True, width=5),
    Column("text", lambda held: held.text, wrap=True),
    Column("id", lambda held: held.id, lambda held: held.id[-8:], style="dim", width=8),
)


def show_policy(found: dict[str, Any]) -> None:
    """Print a policy, and what it kept out; or what is too old by it."""
    if "too_old" in found:
        old: Retention = found["too_old"]
        done = "too old" if old.erasure is None else "erased"
        click.echo(
            f"{show.plural(old.count, 'record')} {done}" + (f": {show.counted(old.kinds)}" if old.count else ".")
        )
        return
    click.echo(found["policy"].rstrip("\n"))
    for kept in _totals(found["kept_out"]):  # comments: what is printed can be set again
        click.echo(f"# {kept.action}: {show.flat(kept.rule)}, {kept.count:,} times, last on {kept.day}")


def _totals(found: Sequence[KeptOut]) -> list[KeptOut]:
    """Return the sums over all days, the most frequent first, with the last day of each."""
    counts: Counter[tuple[str, str]] = Counter()
    for each in found:
        counts[each.action, each.rule] += each.count
    last = {(each.action, each.rule): each.day for each in found}
    return [KeptOut(last[key], *key, count) for key, count in counts.most_common()]


@verb(show_policy)
@click.option("--set", "file", type=click.Path(exists=True, dir_okay=False), help="Take the policy in this file.")
@click.option("--edit", is_flag=True, help="Open it in your editor.")
@click.option("--apply", "applied", is_flag=True, help="Erase what was kept for longer than it says.")
@click.option("--dry-run", is_flag=True, help="With --apply: only say what would go.")
def policy(memory: Memory, file: str | None, edit: bool, applied: bool, dry_run: bool) -> dict[str, Any]:
    """
    Show what this memory may keep, and what it kept out so far.

    The policy is TOML, kept in the file: secrets, sensitive topics, for how long, for which purposes, what is shared.
    With --user, that of one user; else everybody's who has none of their own.

    \b
    Examples:
      agentmem policy > policy.toml
      agentmem policy --set policy.toml
      agentmem policy --apply --dry-run
    """
    if (file is not None) + edit + applied > 1 or (dry_run and not applied):
        raise click.UsageError("give one of --set, --edit and --apply; --dry-run goes with --apply")
    if applied:
        return {"too_old": memory.apply_policy(dry_run=dry_run)}
    if file is not None:
        memory.set_policy(_read(file))
    elif edit and (text := click.edit(memory.policy(), extension=".toml")) is not None:
        memory.set_policy(text)
    return {"policy": memory.policy(), "kept_out": memory.stats().kept_out}


def _read(file: str) -> str:
    try:
        return Path(file).read_text("utf-8")
    except UnicodeDecodeError:
        raise Failure(f"{file} is not UTF-8 text") from None


def show_held(found: Sequence[Held]) -> None:
    """Print what waits for a person."""
    if not found:
        show.note("Nothing waits.")
        return
    show.table(found, HELD)


@verb(show_held)
@click.option("--accept", multiple=True, metavar="ID", help="Store it; repeatable.")
@click.option("--reject", multiple=True, metavar="ID", help="Erase it; repeatable.")
def review(memory: Memory, accept: tuple[str, ...], reject: tuple[str, ...]) -> list[Held]:
    """
    Show what the policy has put aside, accept or reject it.

    It is no part of the memory, and no other command shows it, until it is accepted.  ID is an id, or 6 characters or
    more of its end.  What is accepted keeps the trust that it was written with.

    In a pipe: time, reason, source, trust, text, id.

    \b
    Examples:
      agentmem review
      agentmem review --accept 3e1f0c9a --reject b17d2240
    """
    waiting = memory.review()
    return memory.review(accept=[_find(waiting, part) for part in accept], reject=[_find(waiting, p) for p in reject])


def _find(waiting: Sequence[Held], part: str) -> str:
    found = [held.id for held in waiting if held.id == part or (len(part) >= 6 and held.id.endswith(part.lower()))]
    if len(found) != 1:
        raise Failure(f"{part!r} fits {show.plural(len(found), 'id')} of what waits; `agentmem review` shows them")
    return found[0]
