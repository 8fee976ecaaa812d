"""
The command line: each command reads its arguments, calls one verb of `Memory`, and hands the answer to `show`.

The docstrings are the help texts.
"""

from __future__ import annotations

import functools
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import click

from agentmem import AgentmemError, Context, Erasure, Hit, ImportFormatError, Memory, Record, Stats, __version__

from . import show

T = TypeVar("T")
PAGE = 10_000  # records read at a time where all are looked through
MIN_ID = 6  # characters of an id that are enough to ask for
DEMO = Path(__file__).parent.parent / "demo"
DEMO_SHOWN = ("allergic to peanuts", "the 26th", "I drink decaf now", "on the 20th", "QX7LRM")  # answers
DEMO_TASK = "Plan the trip to Oslo"
INTERRUPTED = 130  # 128 + SIGINT, what a shell expects


class Failure(click.ClickException):
    """What went wrong, for a person: one red line on stderr, exit code 1."""

    def show(self, file: object = None) -> None:
        show.note(f"Error: {self.message}", error=True)


class Door(click.Group):
    """Keeps the commands in their order, and turns what agentmem raises into a Failure."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)

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


def default_db() -> str:
    """Return the memory file in the platform's folder for a user's data."""
    home, local, xdg = Path.home(), os.environ.get("LOCALAPPDATA"), os.environ.get("XDG_DATA_HOME")
    apart = {
        "darwin": home / "Library" / "Application Support",
        "win32": Path(local) if local else home / "AppData" / "Local",
    }
    data = apart.get(sys.platform, Path(xdg) if xdg else home / ".local" / "share")
    return str(data / "agentmem" / "memory.db")


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

        made = main.command(function.__name__.rstrip("_"))(run)
        made.params += [
            click.Option(["--db"], metavar="FILE", help="The memory file."),
            click.Option(["--user"], metavar="NAME", callback=nonempty, help="Whose memory."),
            click.Option(["--json", "as_json"], is_flag=True, help="Print JSON."),
        ]
        return made

    return decorate


def given(ctx: click.Context, name: str) -> Any:
    """Return the option *name* as it stands after the command, or else before it."""
    return ctx.params[name] or ctx.find_root().params[name]


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
    if db == default_db():
        Path(db).parent.mkdir(parents=True, exist_ok=True)
    new = db != ":memory:" and not Path(db).exists()
    with Memory(db, user=user) as memory:
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


@main.command()
@click.option("--keep", metavar="FILE", help="Keep the memory in this new file; else it is gone afterwards.")
def demo(keep: str | None) -> None:
    """
    See it work: import a conversation, ask it questions.

    The conversation ships with agentmem.  Needs no network and no account.  The times are measured while you watch.

    \b
    Examples:
      agentmem demo
      agentmem demo --keep demo.db
    """
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        path = Path(keep or Path(folder) / "memory.db")
        if path.exists():
            raise Failure(f"{path} exists already; --keep takes a new file")
        with Memory(path) as memory:
            loading = timed(lambda: memory.recall("reads the model"))[1]
            show.demo_start(*timed(lambda: memory.load(DEMO / "conversation.jsonl")), loading)
            questions = json.loads((DEMO / "questions.json").read_text("utf-8"))
            found = [ask(memory, **each) for each in questions]
            show.demo_block(*timed(lambda: memory.context(DEMO_TASK, budget_tokens=160)), DEMO_TASK)
            stats = memory.stats()
        show.demo_end(stats, path.stat().st_size, found, keep)


def ask(memory: Memory, *, question: str, answer_contains: str, **_session: str) -> bool:
    """Ask one question of the demo's, show it if it is one to show, and return whether the answer was found."""
    hits, took = timed(lambda: memory.recall(question, k=3))
    if answer_contains in DEMO_SHOWN:
        show.demo_answer(question, answer_contains, hits, took)
    return any(answer_contains in hit.text for hit in hits)


def timed(call: Callable[[], T]) -> tuple[T, float]:
    """Return what *call* returns, and the seconds that it took."""
    start = time.perf_counter()
    return call(), time.perf_counter() - start


@verb(show.imported)
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@click.option("--format", type=click.Choice(["chatgpt", "claude", "chat", "whatsapp", "text"]),
              help="What the files are; default: told from their content.")  # fmt: skip
def import_(memory: Memory, files: tuple[str, ...], format: str | None) -> list[dict[str, object]]:
    """
    Take in exports and chat logs.

    Reads ChatGPT's and Claude's exports (conversations.json, or the zip), chats as JSON or JSON lines, WhatsApp's text
    exports, Markdown and plain text.  A second run adds nothing, an interrupted one is finished by the next, and what
    was forgotten does not come back.

    In a pipe: file, conversations, added, already here, skipped.

    \b
    Examples:
      agentmem import conversations.json
      agentmem import --format whatsapp _chat.txt
    """
    reports: list[dict[str, object]] = []
    for file in files:
        try:
            with show.progress(Path(file).name, "messages") as tick:
                report = memory.load(file, format=format, progress=tick)
            reports.append({"file": file, **show.fields_of(report)})
        except (ImportFormatError, ValueError, TypeError) as error:
            message = str(error) if Path(file).name in str(error) else f"{file}: {error}"
            reports.append({"file": file, "error": message})
            Failure(message).show()
            exit_with(1)
        except KeyboardInterrupt:
            show.note("Interrupted.  What was imported is kept; run the same command again for the rest.")
            exit_with(INTERRUPTED)
            break
    return reports


@verb(show.id_of)
@click.argument("text")
@click.option("--speaker", help="Who said it.")
@click.option("--kind", default="note", show_default=True, help="A word to filter by.")
@click.option("--at", metavar="DATE", help="When it was said or happened; default: now.")
@click.option("--source", help="Where it came from: a tool, a file, an address.")
@click.option("--importance", default=0.5, show_default=True, help="0 to 1.")
@click.option("--expires", "expires_at", metavar="DATE", help="From then on nothing shows it.")
@click.option("--meta", multiple=True, callback=key_values, metavar="KEY=VALUE",
              help="A field of your own, as JSON or text; repeatable.")  # fmt: skip
@click.option("--session", callback=nonempty, help="The conversation it belongs to.")
def remember(memory: Memory, text: str, meta: dict[str, object], **fields: Any) -> Record:
    """
    Keep one statement, and print its id.

    TEXT may be - to read it from standard input.  The same statement again adds nothing.

    \b
    Examples:
      agentmem remember "Ana is allergic to peanuts" --speaker Ana
      agentmem remember - --kind diary --at 2026-03-01 --meta stars=4 < today.txt
    """
    words = sys.stdin.read().strip() if text == "-" else text
    return memory.remember(words, metadata=meta, **fields)


@verb(show.hits)
@click.argument("query")
@click.option("-k", default=10, show_default=True, help="At most this many.")
@click.option("--min-score", default=0.0, help="Only what scores at least this, 0 to 1.")
@click.option("--explain", is_flag=True, help="Show each signal that the score is made of.")
@narrowed
def recall(memory: Memory, query: str, **options: Any) -> list[Hit]:
    """
    Find what fits a question best, by words and by meaning.

    A score is the chance that the hit is what was sought. With --min-score 0.045, nothing is found where nothing fits.

    In a pipe: score, signals with --explain, time, speaker, where from, text, id.

    \b
    Examples:
      agentmem recall "What is Ana allergic to?"
      agentmem recall budget -k 3 --since 2026-01-01 --where '{"team": "sales"}'
      agentmem recall budget --json | jq -r '.[].text'
    """
    return memory.recall(query, **options)


@verb(show.context)
@click.argument("query")
@click.option("--budget", "budget_tokens", default=800, show_default=True, help="At most this many tokens.")
@narrowed
def context(memory: Memory, query: str, **options: Any) -> Context:
    """
    Print what is recalled as a block of text for a prompt.

    \b
    Examples:
      agentmem context "Plan the trip to Oslo" --budget 400 > prompt.txt
    """
    return memory.context(query, **options)


@verb(show.records)
@click.option("--limit", default=20, show_default=True, type=click.IntRange(min=1), help="At most this many.")
@narrowed
def list_(memory: Memory, **options: Any) -> list[Record]:
    """
    Show records, newest first.

    In a pipe: time, speaker, where from, text, id.

    \b
    Examples:
      agentmem list --limit 5
      agentmem list --kind note --since 2026-01-01 --json
    """
    return memory.list(**options)


@verb(show.details)
@click.argument("id")
def show_(memory: Memory, id: str) -> Record:
    """
    Show every field of one record.

    ID is an id, or at least 6 characters of its end or beginning; so it is wherever an ID is taken.

    \b
    Examples:
      agentmem show 1f6b0c9e
    """
    return memory.get(find(memory, id))


@verb(show.versions)
@click.argument("id")
def history(memory: Memory, id: str) -> list[Record]:
    """
    Show the versions of a record and when each held.

    The oldest comes first.

    In a pipe: from, until, text, id.

    \b
    Examples:
      agentmem history 1f6b0c9e
    """
    return memory.history(find(memory, id))


@verb(show.id_of)
@click.argument("id")
@click.argument("text")
@click.option("--at", metavar="DATE", help="When it changed; default: now.")
def revise(memory: Memory, id: str, text: str, at: str | None) -> Record:
    """
    Replace a record by what holds now, and print the new id.

    The old version stays in `history`, and in what --as-of shows.

    \b
    Examples:
      agentmem revise 1f6b0c9e "Ana lives in Oslo" --at 2026-08-17
    """
    return memory.revise(find(memory, id), text, at=at)


@verb(show.erased)
@click.argument("id", required=False)
@click.option("--session", callback=nonempty, help="Everything of this conversation.")
@click.option("--where", metavar="JSON", callback=json_object, help="Everything that this filter over metadata fits.")
@click.option("--all", "whole", is_flag=True, help="Everything of the user.")
@click.option("--yes", is_flag=True, help="Do not ask.")
def forget(memory: Memory, id: str | None, whole: bool, yes: bool, **wanted: Any) -> Erasure:
    """
    Erase records for good, with all their versions.

    They go down to the bytes, in the indexes too.  Shows what would go, and asks.
    --session and --where together erase what fits both.

    \b
    Examples:
      agentmem forget 1f6b0c9e
      agentmem forget --session 2026-03-11
      agentmem --user ana forget --all --yes
    """
    named = {name: value for name, value in wanted.items() if value is not None}
    if (id is not None) + whole + bool(named) != 1:
        raise click.UsageError("give an ID, or --session or --where, or --all")
    uid = None if id is None else find(memory, id)
    if not yes:
        show.doomed(memory.history(uid) if uid else list(everything(memory, **named)))
        if not sys.stdin.isatty():
            raise Failure("nothing was erased, as nobody is here to ask; add --yes")
        click.confirm("Erase for good?", abort=True, err=True)
    if whole:
        named["user"] = given(click.get_current_context(), "user") or ""
    return memory.forget(uid, **named)


@verb(show.stats)
def stats(memory: Memory) -> Stats:
    """
    Show what a user's memory holds, and what the file takes.

    \b
    Examples:
      agentmem --user ana stats
    """
    return memory.stats()


@verb(show.health)
@click.option("--rebuild", is_flag=True, help="First make the indexes again from the records.")
def doctor(memory: Memory, rebuild: bool) -> dict[str, object]:
    """
    Check the whole file; exit with 1 where something is wrong.

    \b
    Examples:
      agentmem doctor --rebuild
    """
    if rebuild:
        with show.progress("Rebuilding", "records") as tick:
            memory.rebuild(tick)
    problems = memory.verify()
    exit_with(1 if problems else 0)
    return {"sound": not problems, "problems": problems}


if __name__ == "__main__":
    main()
