"""
The commands about facts: what is known, since when, from where; and setting it right.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import click

from agentmem import Fact, Memory, Record, Related

from . import show
from .frame import nonempty, verb
from .show import Column

SURE = {"current": "", "past": "past", "wrong": "corrected", "contested": "contested"}


def _object(fact: Fact) -> str:
    return fact.object if fact.holds else f"not {fact.object}"


FACTS = (
    Column("what", lambda fact: fact.predicate, style="cyan", width=18),
    Column("", _object, wrap=True),
    Column("status", lambda fact: fact.status, lambda fact: SURE[fact.status], style="dim", width=9),
    Column("since", lambda fact: fact.valid_from, lambda fact: show.day(fact.valid_from), width=10),
    Column("until", lambda fact: fact.valid_to, lambda fact: show.day(fact.valid_to), width=10),
    Column("sure", lambda fact: fact.confidence, lambda fact: f"{fact.confidence:.2f}", right=True, width=4),
    Column(
        "from", lambda fact: " ".join(fact.evidence), lambda fact: f"{fact.evidence[-1][-8:]}", style="dim", width=8
    ),
)


def show_facts(found: Sequence[Fact]) -> None:
    """Print facts, one a line."""
    if not found:
        show.note("Nothing is known.")
        return
    show.table(found, FACTS)


def show_page(found: Sequence[Fact]) -> None:
    """Print what is known of one, what holds now before what was."""
    show_facts(sorted(found, key=lambda fact: not fact.live))


def show_timeline(found: Sequence[Fact]) -> None:
    """Print facts in order of time."""
    show_facts(sorted(found, key=lambda fact: (fact.valid_from or fact.valid_to).timestamp()))  # type: ignore[union-attr]


@verb(show_facts)
@click.argument("predicate", nargs=-1)
@click.option(
    "--of", "subject", metavar="NAME", callback=nonempty, help='Of whom: a name, or "my sister"; default: you.'
)
@click.option("--as-of", metavar="DATE", help="What held then.")
@click.option("--believed-at", metavar="DATE", help="What this memory would have said then.")
def facts(memory: Memory, predicate: tuple[str, ...], **options: Any) -> list[Fact]:
    """
    Show what is known, now and before.

    Facts follow from what people said, not from what assistants did.
    In a pipe: what, value, status, since, until, confidence, ids of the records.

    \b
    Examples:
      agentmem facts
      agentmem facts "lives in" "works at" --as-of 2025-06-01
    """
    return memory.facts(predicate=list(predicate) or None, **options)


@verb(show_page)
@click.argument("name")
def about(memory: Memory, name: str) -> list[Fact]:
    """
    Show all that is known of somebody.

    With since when, and the end of the id of the record that it is from.

    \b
    Examples:
      agentmem about Mel
      agentmem about "my sister"
    """
    return memory.facts(name)


@verb(show_timeline)
@click.option("--of", "subject", metavar="NAME", callback=nonempty, help="Of whom; default: you.")
def timeline(memory: Memory, subject: str | None) -> list[Fact]:
    """
    Show what became true when, the earliest first.

    \b
    Examples:
      agentmem timeline --of Mel
    """
    return memory.facts(subject)


@verb(show_facts)
@click.option("--of", "subject", metavar="NAME", callback=nonempty, help="Of whom; default: you.")
def conflicts(memory: Memory, subject: str | None) -> list[Fact]:
    """
    Show what is contested: one said so, another otherwise.

    \b
    Examples:
      agentmem conflicts
    """
    return memory.conflicts(subject)


def show_tree(found: Sequence[Related]) -> None:
    """Print what leads where: as a tree on a terminal, else a path a line."""
    if not found:
        show.note("Nothing leads on from there.")
    elif not show.is_terminal():
        show.lines(["\t".join([show.flat(each.name), *(show.flat(str(fact)) for fact in each.path)]) for each in found])
    else:
        show.tree([tuple(str(fact) for fact in each.path) for each in found])


@verb(show_tree)
@click.argument("name", required=False)
@click.option("--hops", default=2, show_default=True, type=click.IntRange(1, 4), help="How far.")
@click.option("--by", "predicates", multiple=True, metavar="WHAT", help="Only along this predicate; may be repeated.")
def neighbours(memory: Memory, name: str | None, hops: int, predicates: tuple[str, ...]) -> list[Related]:
    """
    Show what leads on from somebody or something.

    In a pipe: a name, and the facts that lead there.

    \b
    Examples:
      agentmem neighbours Mel
      agentmem neighbours "Project Heron" --hops 3 --by "works on" --by prefers
    """
    return memory.neighbours(name, hops=hops, predicates=list(predicates) or None)


@verb(show.id_of)
@click.argument("predicate")
@click.argument("value")
@click.option("--of", "subject", metavar="NAME", callback=nonempty, help="Of whom; default: you.")
@click.option("--not", "denied", is_flag=True, help="It is not so.")
@click.option("--at", metavar="DATE", help="From when on; default: now.")
def correct(memory: Memory, predicate: str, value: str, subject: str | None, denied: bool, at: str | None) -> Record:
    """
    Say what is so; it outranks all that was inferred.  Prints the id of the correction.

    \b
    Examples:
      agentmem correct "lives in" Oslo
      agentmem correct likes coriander --not
    """
    return memory.correct(predicate, value, subject=subject, holds=not denied, at=at)
