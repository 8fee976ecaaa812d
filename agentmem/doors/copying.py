"""
The commands about other copies of a memory: make one, put one back, take in what another one has.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from agentmem import Backup, Conflict, Memory, MergeReport

from . import show
from .frame import Failure, exit_with, given, opened, standing_alone, verb


def show_backup(made: Backup) -> None:
    """Print where a copy is; what is wrong with it, or was deleted for it, on stderr."""
    show.lines([made.path])
    held = f"{show.plural(made.records, 'record')}, {show.size(made.file_bytes)}"
    show.note(f"{held}, read back{'' if made.problems else ' and sound'}.")
    for problem in made.problems:
        show.note(f"  {show.clean(problem)}")
    if made.removed:
        show.note(f"Deleted {show.plural(len(made.removed), 'older copy').replace('copys', 'copies')}.")


@verb(show_backup)
@click.argument("path", required=False, metavar="[PATH]")
@click.option("--to", "folder", metavar="DIR", help="Write into this folder, under a name with the time.")
@click.option("--keep", type=click.IntRange(1), help="With --to: leave only the last so many copies there.")
def backup(memory: Memory, path: str | None, folder: str | None, keep: int | None) -> Backup:
    """
    Write a copy of the memory, and read it back.

    Of all users; others may write meanwhile.  Prints where it is.

    Exits with 1 where something is wrong with the memory itself; `agentmem doctor` says how to mend it.

    \b
    Examples:
      agentmem backup /media/stick/memory.db
      agentmem backup --to ~/backups --keep 7
    """
    if (path is None) == (folder is None):
        raise click.UsageError("Give a PATH, or --to DIR.")
    if keep is not None and folder is None:
        raise click.UsageError("--keep goes with --to DIR.")
    if folder is not None and not Path(folder).is_dir():
        raise Failure(f"{folder} is no folder; make it first")
    with show.progress("Copying", "pages") as tick:
        made = memory.backup(folder or path or "", keep=keep, progress=tick)
    exit_with(1 if made.problems else 0)
    return made


@standing_alone
@click.argument("path", metavar="BACKUP")
@click.option("--replace", is_flag=True, help="Let it take the place of the memory that is there.")
@click.pass_context
def restore(ctx: click.Context, /, path: str, replace: bool, **_shared: Any) -> None:
    """
    Put a backup where the memory lives, and read it back.

    To have what is in both, the backup and the memory, use merge instead.

    \b
    Examples:
      agentmem restore /media/stick/memory.db
      agentmem --db other.db restore backups/memory-20260502T090000000Z.db
    """
    to = given(ctx, "db")
    if Path(to).exists() and not replace:
        raise Failure(
            f"{to} exists already; --replace lets it go, `agentmem merge {path}` takes in what the backup has"
        )
    with show.progress("Copying", "pages") as tick:
        made = Memory.restore(path, to, replace=replace, progress=tick)
    if given(ctx, "as_json"):
        click.echo(show.to_json(made))
    else:
        show_backup(made)


def show_merged(found: MergeReport) -> None:
    """Print what came: on a terminal in words, in a pipe a line for each count."""
    counts = {"new": found.added, "changed": found.changed, "forgotten": found.forgotten}
    counts |= {"said on both sides": found.duplicates, **found.other}
    if not show.is_terminal():
        show.lines([f"{name}\t{count}" for name, count in counts.items()])
    else:
        told = ", ".join(f"{count:,} {name}" for name, count in counts.items() if count)
        show.lines([told or "Nothing that was not here."])
    for conflict in found.conflicts:
        show.note(f"Both sides {_told(conflict)}")
    for skew in found.clocks:
        side = "ahead of this one" if skew.seconds > 0 else "behind what it had seen"
        show.note(f"The clock of the device that wrote {skew.record} is {_span(abs(skew.seconds))} {side}.")
    if not found.log_truncated:
        show.note("Another program is reading: what was forgotten leaves the log when it is done.")


def _told(conflict: Conflict) -> str:
    if conflict.what == "records":
        what = "revised" if conflict.why == "revised twice" else "have one of the same key as"
        return f"{what} a record: {conflict.kept} holds, {conflict.lost} is kept as history."
    return f"wrote {conflict.what} {show.flat(conflict.key)}: the later one holds.  Lost: {show.cut(conflict.lost)}"


def _span(seconds: float) -> str:
    return f"{seconds / 86_400:.0f} days" if seconds >= 2 * 86_400 else f"{seconds / 60:.0f} minutes"


@standing_alone
@click.argument("files", nargs=-1, required=True, metavar="[INTO] FROM...")
@click.pass_context
def merge(ctx: click.Context, /, files: tuple[str, ...], **_shared: Any) -> None:
    """
    Take in what other copies of a memory have.

    They are only read.  With one file, into the memory of --db; with more, into the first.  What was forgotten on one
    side goes on the other.  Of what was changed on both, the later change holds, and the other is kept as history.

    \b
    Examples:
      agentmem merge /media/stick/memory.db
      agentmem merge laptop.db phone.db
    """
    into, sources = (files[0], files[1:]) if len(files) > 1 else (given(ctx, "db"), files)
    if len(files) > 1 and not Path(into).exists():
        raise Failure(
            f"{into} does not exist; to begin it as a copy of {sources[0]}: agentmem --db {into} restore {sources[0]}"
        )
    reports = []
    with opened(into, None) as memory:
        for source in sources:
            with show.progress(Path(source).name, "rows") as tick:
                reports.append(memory.merge(source, progress=tick))
            if not given(ctx, "as_json"):
                show_merged(reports[-1])
    if given(ctx, "as_json"):
        found = [json.loads(show.to_json(report)) for report in reports]
        click.echo(show.to_json(found[0] if len(found) == 1 else found))
