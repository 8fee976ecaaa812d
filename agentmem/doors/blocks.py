"""
The commands about core blocks: what an agent always has in view, and editing it.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import click

from agentmem import Block, Erasure, Memory

from . import show
from .frame import confirm, group, nonempty, verb
from .show import Column

T = TypeVar("T")


def _size(block: Block) -> str:
    return f"{len(block.text):,} of {block.limit:,}"


def _whose(block: Block) -> str:
    names = [block.agent or "", f"in {block.session}" if block.session else ""]
    return " ".join(filter(None, names)) or "all agents"


TEXT = Column("text", lambda block: block.text, lambda block: show.cut(block.text), wrap=True)
COLUMNS = (  # columns of a terminal from which there is room for it, and what it is
    (0, Column("block", lambda block: block.label, None, "cyan", 16)),
    (0, TEXT),
    (show.NARROW, Column("characters", lambda block: len(block.text), _size, "dim", 16, right=True)),
    (show.WIDE, Column("", lambda block: "read-only" if block.read_only else "", None, "dim", 9)),
    (show.WIDE, Column("of", _whose, None, "dim", 16)),
)
VERSIONS = (
    Column("version", lambda block: block.version, None, "cyan", 7, right=True),
    Column("age", lambda block: block.updated_at, lambda block: show.age(block.updated_at), "dim", 6, right=True),
    TEXT,
)


def show_blocks(found: Sequence[Block]) -> None:
    """Print blocks, one a line."""
    if found:
        show.table(found, [each for least, each in COLUMNS if not show.is_terminal() or show.width() >= least])
    else:
        show.note("No blocks.  `agentmem blocks set user TEXT` makes one.")


def show_versions(found: Sequence[Block]) -> None:
    """Print the versions of one block."""
    show.table(found, VERSIONS)


def show_text(block: Block) -> None:
    """Print the text alone."""
    click.echo(show.clean(block.text))


def show_size(block: Block) -> None:
    """Say what became of a block."""
    click.echo(f"{show.flat(block.label)}: version {block.version}, {_size(block)} characters")


def scoped(function: Callable[..., T]) -> Callable[..., T]:
    """Add the options that say whose block it is."""
    for option in (
        click.option("--session", callback=nonempty, help="Of this conversation."),
        click.option("--agent", callback=nonempty, help="Of this agent; default: shared by all."),
    ):
        function = option(function)
    return function


@group
@verb(show_blocks)
@scoped
def blocks(memory: Memory, **whose: str | None) -> list[Block]:
    """
    Show and edit core blocks, which an agent always sees.

    Shows all of the user's; with --agent and --session, those which that agent has in view there.

    In a pipe: label, text, characters, whether it is read-only, whose.

    \b
    Examples:
      agentmem blocks
      agentmem blocks set user "Ana, physiotherapist in Porto"
      agentmem blocks append user "Prefers short answers"
    """
    return memory.blocks.list(everywhere=not any(whose.values()), **whose)


@blocks.verb(show_text)
@click.argument("label")
@scoped
def show_(memory: Memory, label: str, **whose: str | None) -> Block:
    """
    Print the text of a block.

    \b
    Examples:
      agentmem blocks show user
    """
    return memory.blocks.get(label, **whose)


@blocks.verb(show_size)
@click.argument("label")
@click.argument("text")
@click.option("--description", help="What belongs in it, for the model.")
@click.option("--limit", type=int, help="Characters that it may hold; of a new block 2,000.")
@click.option("--read-only/--writable", default=None, help="Whether it takes no edits.")
@scoped
def set_(memory: Memory, label: str, text: str, **options: Any) -> Block:
    """
    Make a block, or replace its whole text.

    TEXT may be - to read it from standard input.

    \b
    Examples:
      agentmem blocks set user "Ana, physiotherapist in Porto"
      agentmem blocks set rules - --read-only < rules.txt
    """
    return memory.blocks.set(label, sys.stdin.read().strip() if text == "-" else text, **options)


@blocks.verb(show_size)
@click.argument("label")
@click.argument("text")
@scoped
def append(memory: Memory, label: str, text: str, **whose: str | None) -> Block:
    """
    Add a line to a block.

    \b
    Examples:
      agentmem blocks append user "Prefers short answers"
    """
    return memory.blocks.append(label, text, **whose)


@blocks.verb(show_size)
@click.argument("label")
@click.argument("old")
@click.argument("new")
@scoped
def replace(memory: Memory, label: str, old: str, new: str, **whose: str | None) -> Block:
    """
    Replace a piece of a block's text.

    OLD must be there word for word, and once.

    \b
    Examples:
      agentmem blocks replace user Porto Oslo
    """
    return memory.blocks.replace(label, old, new, **whose)


@blocks.verb(show_versions)
@click.argument("label")
@scoped
def history(memory: Memory, label: str, **whose: str | None) -> list[Block]:
    """
    Show the versions of a block, oldest first.

    In a pipe: version, time, text.

    \b
    Examples:
      agentmem blocks history user
    """
    return memory.blocks.history(label, **whose)


@blocks.verb(show_size)
@click.argument("label")
@click.argument("version", type=int)
@scoped
def restore(memory: Memory, label: str, version: int, **whose: str | None) -> Block:
    """
    Put an earlier version of a block back in force.

    \b
    Examples:
      agentmem blocks restore user 1
    """
    return memory.blocks.restore(label, version, **whose)


@blocks.verb(show.erased)
@click.argument("label")
@click.option("--yes", is_flag=True, help="Do not ask.")
@scoped
def delete(memory: Memory, label: str, yes: bool, **whose: str | None) -> Erasure:
    """
    Erase a block for good, with all its versions.

    \b
    Examples:
      agentmem blocks delete project
    """
    versions = memory.blocks.history(label, **whose)
    if not yes:
        show.note(f"{_whose(versions[-1])}: {show.cut(versions[-1].text, 70)}")
        confirm(f"Erase {label!r} with {show.plural(len(versions), 'version')} for good?")
    return memory.blocks.delete(label, **whose)
