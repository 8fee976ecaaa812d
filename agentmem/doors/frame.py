"""
What the commands share: the group that they belong to, how one is made of a verb, and how arguments are read.
"""

from __future__ import annotations

import functools
import json
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import click

from agentmem import AgentmemError, Memory, Record, __version__

from . import show
from .place import default_db, made

T = TypeVar("T")
PAGE = 10_000  # records read at a time where all are looked through
MIN_ID = 6  # characters of an id that are enough to ask for
INTERRUPTED = 130  # 128 + SIGINT, what a shell expects


class Failure(click.ClickException):
    """What went wrong, for a person: one red line on stderr, exit code 1."""

    def show(self, file: object = None) -> None:
        show.note(f"Error: {self.message}", error=True)


class InOrder(click.Group):
    """Keeps its commands in their order."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)

    def verb(self, shown: Callable[[Any], None]) -> Callable[[Callable[..., Any]], click.Command]:
        """Make a command as `verb` does, and take it in."""

        def decorate(function: Callable[..., Any]) -> click.Command:
            self.add_command(made := verb(shown)(function))
            return made

        return decorate


class Door(InOrder):
    """Turns what agentmem raises into a Failure."""

    def make_context(self, info_name: str | None, args: list[str], *rest: Any, **extra: Any) -> click.Context:
        return super().make_context("agentmem", args, *rest, **extra)  # also where python -m runs it

    def invoke(self, ctx: click.Context) -> Any:
        show.speak_utf8()
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            raise  # click ends in silence
        except (AgentmemError, ValueError, TypeError, OSError) as error:
            raise Failure(str(error)) from error
        except KeyboardInterrupt:
            ctx.exit(INTERRUPTED)


def nonempty(_ctx: click.Context, _param: click.Parameter, value: str | None) -> str | None:
    """Refuse an empty name: an unset variable in a script must not widen what a command does."""
    if value == "":
        raise click.BadParameter("is empty; leave the option out instead")
    return value


def json_object(_ctx: click.Context, _param: click.Parameter, value: str | None) -> dict[str, object] | None:
    """Read a filter: a JSON object with at least one field."""
    if value is None:
        return None
    try:
        found = json.loads(value)
    except (ValueError, RecursionError) as error:
        raise click.BadParameter(f"{value!r} is not JSON ({error})") from None
    if not isinstance(found, dict) or not found:
        raise click.BadParameter(f"{value!r} is not a JSON object that names a field")
    return found


def key_values(_ctx: click.Context, _param: click.Parameter, value: tuple[str, ...]) -> dict[str, object]:
    """Read KEY=VALUE pairs; a value is JSON where it can be, else text."""
    found: dict[str, object] = {}
    for pair in value:
        key, equals, text = pair.partition("=")
        if not equals or not key:
            raise click.BadParameter(f"{pair!r} is not KEY=VALUE")
        try:
            found[key] = json.loads(text, parse_constant=int)  # int("NaN") is a ValueError: NaN is text
        except (ValueError, RecursionError):
            found[key] = text
    return found


@click.group(cls=Door, invoke_without_command=True, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--db", metavar="FILE", default=default_db, envvar="AGENTMEM_DB", show_envvar=True,
              show_default=default_db(), help="The memory file; made if it does not exist.")  # fmt: skip
@click.option("--user", metavar="NAME", callback=nonempty, help="Whose memory; each user sees only their own.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.version_option(__version__, prog_name="agentmem")
@click.pass_context
def main(ctx: click.Context, /, **_given: Any) -> None:
    """
    A memory for AI agents in one SQLite file: offline, no server, no LLM.

    --db, --user and --json stand before a command or after it.  Dates are ISO 8601, in UTC where they name no zone.
    In a pipe, tables become lines with tabs between the columns.

    \b
    Examples:
      agentmem demo
      agentmem import conversations.json
      agentmem recall "Where does Ana live?"
    """
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())


def verb(shown: Callable[[Any], None]) -> Callable[[Callable[..., Any]], click.Command]:
    """Make a command of a function from a memory and options to an answer, which is *shown*, or printed as JSON."""

    def decorate(function: Callable[..., Any]) -> click.Command:
        @click.pass_context
        @functools.wraps(function)
        def run(ctx: click.Context, /, **arguments: Any) -> None:
            options = {name: value for name, value in arguments.items() if name not in ("db", "user", "as_json")}
            with opened(given(ctx, "db"), given(ctx, "user")) as memory:
                answer = function(memory, **options)
            if given(ctx, "as_json"):
                click.echo(show.to_json(answer))
            else:
                shown(answer)
            ctx.exit(ctx.obj or 0)

        return standing_alone(run)

    return decorate


def group(alone: click.Command) -> InOrder:
    """Make a group of a command, which does what the command did where none of the group's is named."""

    @click.pass_context
    def run(ctx: click.Context, /, **arguments: Any) -> None:
        if ctx.invoked_subcommand is None:
            ctx.invoke(alone.callback, **arguments)  # type: ignore[arg-type]
        elif any(value for name, value in arguments.items() if name not in ("db", "user", "as_json")):
            raise click.UsageError(f"put the options behind {ctx.invoked_subcommand!r}, which takes its own")

    return InOrder(alone.name, callback=run, params=alone.params, help=alone.help, invoke_without_command=True)


def standing_alone(function: Callable[..., Any]) -> click.Command:
    """Make a command of a function, with the options that stand before it too; it opens by itself what it needs."""
    made = click.command(function.__name__.rstrip("_"))(function)
    made.params += [
        click.Option(["--db"], metavar="FILE", help="The memory file."),
        click.Option(["--user"], metavar="NAME", callback=nonempty, help="Whose memory."),
        click.Option(["--json", "as_json"], is_flag=True, help="Print JSON."),
    ]
    return made


def given(ctx: click.Context, name: str) -> Any:
    """Return the option *name* as it stands after the command, or else before it."""
    while not ctx.params.get(name) and ctx.parent is not None:
        ctx = ctx.parent
    return ctx.params[name]


def confirm(question: str) -> None:
    """Ask before something is erased; without a person to ask, or a yes, nothing is."""
    if not sys.stdin.isatty():
        raise Failure("nothing was erased, as nobody is here to ask; add --yes")
    click.confirm(question, abort=True, err=True)


def exit_with(code: int) -> None:
    """Let the running command end with *code*, once its answer is shown."""
    click.get_current_context().obj = code


def narrowed(function: Callable[..., T]) -> Callable[..., T]:
    """Add the options that narrow what a command reads, named as in `Memory`."""
    for option in reversed((
        click.option("--session", callback=nonempty, help="Only this conversation."),
        click.option("--kind", "kinds", multiple=True, callback=lambda _ctx, _param, value: list(value) or None,
                     help="Only this kind, such as turn or note; repeatable."),
        click.option("--since", metavar="DATE", help="Only what occurred then or later."),
        click.option("--until", metavar="DATE", help="Only what occurred before."),
        click.option("--as-of", metavar="DATE", help="What held then, revised since or not."),
        click.option("--where", metavar="JSON", callback=json_object,
                     help='Only what this filter over metadata fits, such as \'{"stars": {"gte": 3}}\'.'),
    )):  # fmt: skip
        function = option(function)
    return function


@contextmanager
def opened(db: str, user: str | None) -> Iterator[Memory]:
    """Open the memory file, and say so where it is a new one: a misspelt name should not pass unseen."""
    new = db != ":memory:" and not Path(db).exists()
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        memory = Memory(made(db), user=user)
    with memory:
        for warning in said:
            show.note(f"Warning: {warning.message}", error=True)
        if new:
            show.note(f"New memory: {db}")
        yield memory


def everything(memory: Memory, **narrow: Any) -> Iterator[Record]:
    """Yield the records that hold now, newest first."""
    offset = 0
    while page := memory.list(limit=PAGE, offset=offset, **narrow):
        yield from page
        offset += len(page)


def find(memory: Memory, part: str) -> str:
    """Return the id that begins or ends with *part*, of a record or an earlier version of one."""
    part = part.strip().lower()
    if len(part) == 36:
        return memory.get(part).id
    if len(part) < MIN_ID:
        raise Failure(f"{part!r} is too short for an id; give at least {MIN_ID} characters of its beginning or end")
    found = {}
    for record in everything(memory):
        for each in memory.history(record.id) if record.supersedes else [record]:
            if each.id.startswith(part) or each.id.endswith(part):
                found[each.id] = each
    if not found:
        raise Failure(f"no record's id begins or ends with {part!r}; `agentmem list` shows them")
    if len(found) > 1:
        lines = [f"  {each.id}  {show.cut(each.text, 60)}" for each in found.values()]
        raise Failure("\n".join([f"{part!r} fits {len(found)} records; which one?", *lines[:20]]))
    return next(iter(found))
