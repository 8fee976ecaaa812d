"""
How the command line shows things: to a person, to a program, and as JSON.

What is shown came out of a memory, so it is data: `clean` takes out what a terminal would obey, and it reaches rich
as Text, never as markup.  On a terminal there are tables; in a pipe one record a line, tab-separated, whole.
rich takes 0.1 s to import, so only what a person looks at does.
"""

from __future__ import annotations

import io
import json
import os
import re
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import click

from agentmem import Block, Context, Erasure, Hit, ImportReport, Kind, Record, Stats

if TYPE_CHECKING:
    from rich.console import Console

CUT = 300  # characters of a text in a table on a terminal
WIDE = 96  # columns of a terminal from which there is room for more than the least
NARROW = 64  # columns below which the bar gives way to the text
SHORT_ID = 8  # the end of an id: its beginning is the time, and alike among neighbours
PREVIEW = 5  # records shown before they are erased
MOST = 8  # names of speakers or kinds on one line
ESCAPES = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]"  # CSI: colours, cursor
    r"|\x1b[\]PX^_].*?(?:\x07|\x1b\\|$)"  # OSC and the other strings: titles, links, clipboard
    r"|\x1b[ -/]*[0-~]?",  # the rest
    re.DOTALL,
)
TURNING = "\u202a-\u202e\u2066-\u2069"  # what turns the direction of writing around
CONTROLS = re.compile(f"[\x00-\x08\x0b-\x1f\x7f-\x9f{TURNING}]")  # all but newline and tab
UNSAFE_JSON = re.compile(f"[\x7f-\x9f\u2028\u2029{TURNING}]")  # what json.dumps leaves as it is


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table."""

    title: str
    plain: Callable[[Any], object]  # of an item, for a pipe
    shown: Callable[[Any], str] | None = None  # of an item, for a terminal; else as in a pipe
    style: str = ""
    width: int | None = None  # at most; None takes what is left
    right: bool = False
    wrap: bool = False


# -- text and numbers -----------------------------------------------------------------------------------------------


def clean(text: str) -> str:
    """Return *text* without escape sequences and control characters; newlines and tabs stay."""
    return CONTROLS.sub("", ESCAPES.sub("", text))


def flat(value: object) -> str:
    """Return *value* as one clean line without tabs; None is empty, an instant ISO 8601."""
    if value is None:
        return ""
    if isinstance(value, datetime):
        return value.isoformat()
    text = to_json(value, indent=None) if isinstance(value, Mapping) else str(value)
    return clean(" ".join(text.split()))


def cut(text: str, limit: int = CUT) -> str:
    """Return *text* on one line, at most *limit* characters of it."""
    line = flat(text)
    return line if len(line) <= limit else line[: limit - 1].rstrip() + "…"


def age(value: datetime | None, now: datetime | None = None) -> str:
    """Return how long ago *value* was, in one unit: "3 d", "5 mo"; "in 3 d" lies ahead; "–" is unknown."""
    if value is None:
        return "–"
    ago = (now or datetime.now(UTC)) - value
    seconds = abs(ago) // timedelta(seconds=1)
    units = ((31_557_600, "y"), (2_629_800, "mo"), (86_400, "d"), (3_600, "h"), (60, "min"))
    text = next((f"{seconds // size} {name}" for size, name in units if seconds >= size), "now")
    return f"in {text}" if ago <= -timedelta(minutes=1) else text


def day(value: datetime | None) -> str:
    """Return the UTC day of *value*, or a dash."""
    return value.date().isoformat() if value else "–"


def size(count: int) -> str:
    """Return a number of bytes for people: "1.6 MB"."""
    if count < 1_000:
        return f"{count} bytes"
    return f"{count / 1_000:,.0f} kB" if count < 1_000_000 else f"{count / 1_000_000:,.1f} MB"


def plural(count: int, noun: str) -> str:
    """Return "1 record", "1,200 records"."""
    return f"{count:,} {noun}" + ("" if count == 1 else "s")


def counted(counts: Mapping[str, int]) -> str:
    """Return names with their counts on one line, the most frequent first."""
    most = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    rest = [f"and {len(most) - MOST:,} more"] if len(most) > MOST else []
    return ", ".join([f"{flat(name)} {count:,}" for name, count in most[:MOST]] + rest) or "–"


def bar(score: float, width: int = 6) -> str:
    """Return a bar of up to *width* characters for a score of 0..1."""
    eighths = round(min(max(score, 0.0), 1.0) * width * 8)
    return "█" * (eighths // 8) + " ▏▎▍▌▋▊▉"[eighths % 8].strip()


def to_json(value: object, *, indent: int | None = 2) -> str:
    """Return nouns of agentmem, or lists and mappings of them, as one JSON document that is safe to look at."""
    text = json.dumps(value, ensure_ascii=False, indent=indent, default=_simple)
    return UNSAFE_JSON.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def _simple(value: object) -> object:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Hit):
        why = {} if value.why is None else {"why": value.why}
        return {"score": value.score, **why, **fields_of(value.record)}
    return fields_of(value)


def fields_of(noun: Any) -> dict[str, object]:
    """Return the fields of one of agentmem's nouns by name."""
    return {each.name: getattr(noun, each.name) for each in fields(noun)}


# -- where to -------------------------------------------------------------------------------------------------------


def speak_utf8() -> None:
    """Let pipes carry UTF-8 on Windows too, and let no letter that a terminal cannot spell end a command."""
    if isinstance(sys.stdin, io.TextIOWrapper) and not sys.stdin.isatty():
        sys.stdin.reconfigure(encoding="utf-8-sig", errors="strict")  # -sig: PowerShell begins with a mark
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(encoding=None if sys.stdout.isatty() else "utf-8", errors="replace")


def is_terminal() -> bool:
    """Return whether a person is looking."""
    return sys.stdout.isatty()


def console() -> Console:
    """Return rich's console, which takes nothing for markup, an emoji's name or a thing to colour."""
    from rich.console import Console

    return Console(highlight=False, markup=False, emoji=False)


def width() -> int:
    """Return the columns of the terminal; 0 in a pipe."""
    return console().width if is_terminal() else 0


def note(message: str, *, error: bool = False) -> None:
    """Say something on stderr that is no part of the answer."""
    colour = sys.stderr.isatty() and "NO_COLOR" not in os.environ
    style: dict[str, Any] = ({"fg": "red"} if error else {"dim": True}) if colour else {}
    click.secho(clean(message), err=True, **style)


def lines(found: Sequence[str]) -> None:
    """Print *found* at once, a line each."""
    click.echo("".join(f"{line}\n" for line in found), nl=False)


def table(items: Sequence[Any], columns: Sequence[Column]) -> None:
    """Print *items*: as a table on a terminal, else one a line."""
    if not is_terminal():
        lines(["\t".join(flat(column.plain(item)) for column in columns) for item in items])
        return
    from rich.table import Table
    from rich.text import Text

    made = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim", expand=True)
    for column in columns:
        made.add_column(
            column.title, style=column.style, max_width=column.width, ratio=None if column.width else 1,
            no_wrap=not column.wrap, overflow="fold" if column.wrap else "ellipsis",
            justify="right" if column.right else "left",
        )  # fmt: skip
    for item in items:
        made.add_row(*(Text(flat((column.shown or column.plain)(item))) for column in columns))
    console().print(made)


def tree(paths: Sequence[tuple[str, ...]]) -> None:
    """Print paths of steps as a tree; of each the part before its last step comes first."""
    from rich.text import Text
    from rich.tree import Tree

    root = Tree("", hide_root=True, guide_style="dim")
    branches: dict[tuple[str, ...], Tree] = {(): root}
    for steps in paths:
        branches[steps] = branches.get(steps[:-1], root).add(Text(clean(steps[-1])))
    console().print(root)


def pairs(shown: Mapping[str, object], plain: Mapping[str, object]) -> None:
    """Print names with values: *shown* on a terminal, *plain* in a pipe."""
    if not is_terminal():
        lines([f"{name}\t{flat(value)}" for name, value in plain.items()])
        return
    from rich.table import Table
    from rich.text import Text

    made = Table.grid(padding=(0, 2, 0, 0))
    for name, value in shown.items():
        made.add_row(Text(name, "dim"), Text("–" if value in (None, "") else clean(str(value))))
    console().print(made)


@contextmanager
def progress(title: str, unit: str) -> Iterator[Callable[..., None] | None]:
    """Yield a callback for how many are done (and of how many), which draws on a terminal; None elsewhere."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn

    text = TextColumn("{task.description}", markup=False)
    start = time.perf_counter()
    with Progress(SpinnerColumn(), text, BarColumn(20), console=Console(stderr=True), transient=True) as drawn:
        task = drawn.add_task(flat(title), total=None)

        def tick(done: int, total: int | None = None) -> None:
            rate = done / max(time.perf_counter() - start, 0.001)
            drawn.update(
                task, completed=done, total=total, description=f"{flat(title)}  {done:,} {unit}, {rate:,.0f}/s"
            )

        yield tick


# -- answers --------------------------------------------------------------------------------------------------------


def _columns(of: Callable[[Any], Record], *, wrap: bool) -> list[Column]:
    """Return the columns of the record that *of* finds in an item."""
    wide = not is_terminal() or width() >= WIDE
    title = Column("from", lambda i: origin(of(i)), None, "dim", 16)
    return [
        Column("age", lambda i: of(i).occurred_at, lambda i: age(of(i).occurred_at), "dim", 6, right=True),
        Column("who", lambda i: who(of(i)), None, "cyan", 12),
        *([title] if wide else []),
        Column("text", lambda i: of(i).text, lambda i: cut(of(i).text), wrap=wrap),
        Column("id", lambda i: of(i).id, lambda i: of(i).id[-SHORT_ID:], "dim", SHORT_ID),
    ]


def who(record: Record) -> str:
    """Return who said it: by name, or by whose record it is, as another may have granted it; else in what role."""
    return record.speaker or (record.user if record.role == "user" else "") or record.role


def origin(record: Record) -> object:
    """Return what the record came from, in the words that say most: a title, a session, a source."""
    return record.metadata.get("title") or record.session or record.source


def records(found: Sequence[Record]) -> None:
    """Print records, one a line."""
    if found:
        table(found, _columns(lambda record: record, wrap=False))
    else:
        note("Nothing here.  `agentmem import FILE` fills it; `agentmem demo` shows how it works.")


def hits(found: Sequence[Hit]) -> None:
    """Print hits, best first, and where they were explained what told most; in a pipe, every signal."""
    if not found:
        note("Nothing found.")
        return
    names = list(found[0].why or {})
    score = [Column("score", lambda hit: f"{hit.score:.3f}", lambda hit: f"{hit.score:.2f}", "bold", 5)]
    if width() >= NARROW and not names:
        score.append(Column("", lambda hit: "", lambda hit: bar(hit.score), "cyan", 6))
    rest = _columns(lambda hit: hit.record, wrap=True)
    if names and is_terminal():
        score.append(Column("what told most", _told_most, _told_most, "cyan", None))
        rest = [column for column in rest if column.title in ("text", "id")]
    else:
        score += [_signal(name) for name in names]
    table(found, [*score, *rest])


def _signal(name: str) -> Column:
    """Return the column of one signal; in a pipe, which has no headings, it names itself."""
    return Column(name, lambda hit: f"{name}={hit.why[name]:.4f}", lambda hit: f"{hit.why[name]:.2f}", "cyan", 5)


def _told_most(hit: Hit) -> str:
    """Return the signals with the largest parts, but for "known", which is the same for all hits."""
    parts = {name: part for name, part in (hit.why or {}).items() if name != "known" and part >= 0.05}
    return ", ".join(f"{name} {parts[name]:.1f}" for name in sorted(parts, key=lambda name: -parts[name])[:3])


def context(block: Context) -> None:
    """Print the text alone."""
    if block.text:
        click.echo(clean(block.text))
    else:
        note("Nothing found that fits.")


def id_of(record: Record) -> None:
    """Print the record's id."""
    click.echo(record.id)


def versions(found: Sequence[Record]) -> None:
    """Print the versions of one record, with the days between which each held."""
    until = Column("until", lambda r: r.valid_to, lambda r: day(r.valid_to) if r.valid_to else "holds", "cyan", 10)
    first = Column("from", lambda r: r.valid_from, lambda r: day(r.valid_from), "dim", 10)
    table(found, [first, until, *_columns(lambda record: record, wrap=True)[-2:]])


def details(record: Record) -> None:
    """Print every field of a record, its text last."""
    found = {name: value for name, value in fields_of(record).items() if name != "text"}
    shown = {
        name: f"{value:%Y-%m-%d %H:%M:%S} UTC" if isinstance(value, datetime)
        else to_json(value, indent=None) if isinstance(value, Mapping) else value
        for name, value in found.items()
    }  # fmt: skip
    pairs({**shown, "text": record.text}, {**found, "text": record.text})


def imported(reports: Sequence[Mapping[str, Any]]) -> None:
    """Print what an import did, a file a line; what failed was said already."""
    done = [report for report in reports if "error" not in report]
    columns = [
        Column("file", lambda report: report["file"]),
        Column("conversations", lambda report: report["conversations"], None, "", 13, right=True),
        Column("added", lambda report: report["added"], lambda r: f"{r['added']:,}", "bold", 9, right=True),
        Column("already here", lambda report: report["known"], lambda r: f"{r['known']:,}", "", 12, right=True),
        Column("skipped", lambda report: report["skipped"], lambda r: counted(r["skipped"]), "dim", 30, wrap=True),
        Column("kept out", lambda report: report["kept_out"], lambda r: counted(r["kept_out"]), "dim", 20, wrap=True),
    ]
    if done:
        table(done, columns)


def doomed(found: Sequence[Record], blocks: Sequence[Block] = ()) -> None:
    """Say on stderr what is about to be erased."""
    if blocks:
        labels = ", ".join(flat(block.label) for block in blocks[:MOST]) + (", …" if len(blocks) > MOST else "")
        note(f"{plural(len(blocks), 'core block')} to erase, with earlier versions: {labels}")
    note(f"{plural(len(found), 'record')} to erase, with earlier versions:")
    for record in found[:PREVIEW]:
        note(f"  {day(record.occurred_at)}  {flat(record.speaker or record.role)}: {cut(record.text, 70)}")
    if len(found) > PREVIEW:
        note(f"  and {len(found) - PREVIEW:,} more")


def erased(erasure: Erasure) -> None:
    """Print how much went."""
    counts = [plural(erasure.count, "record")] if erasure.ids or not erasure.blocks else []
    counts += [plural(len(erasure.blocks), "core block")] if erasure.blocks else []
    click.echo(f"Erased {' and '.join(counts)}.")
    if not erasure.log_truncated:
        note("Another program is reading: what was erased stays in the -wal file until it is done.")


def kinds(found: Sequence[Kind]) -> None:
    """Print kinds of record, one a line."""
    columns = [
        Column("kind", lambda kind: kind.name, None, "cyan", 20),
        Column("fields", lambda kind: ", ".join(kind.schema.get("properties", {})), wrap=True),
        Column("key", lambda kind: ", ".join(kind.key), None, "", 20),
        Column("searchable", lambda kind: ", ".join(kind.searchable), None, "dim", 20),
        Column("", lambda kind: "single" if kind.single else "", None, "dim", 6),
    ]
    if found:
        table(found, columns)
    else:
        note("No kind has fields of its own; a program gives them with `define`.")


def stats(found: Stats) -> None:
    """Print what a scope holds, and what the file takes."""
    tables = sorted(found.tables.items(), key=lambda item: -item[1])
    shown = {
        "records": f"{found.records:,}" + (f" and {found.superseded:,} earlier versions" if found.superseded else ""),
        "kinds": counted(found.kinds),
        "speakers": counted(found.speakers),
        "sessions": f"{found.sessions:,}",
        "span": f"{day(found.first_at)} to {day(found.last_at)}",
        "file": size(found.file_bytes),
        "tables": ", ".join(f"{name} {size(count)}" for name, count in tables),
        "encoder": found.encoder,
        "schema": found.schema,
        "kept out": f"{sum(each.count for each in found.kept_out):,}, see agentmem policy"
        if found.kept_out
        else "nothing",
    }
    pairs(shown, fields_of(found))


def health(found: Mapping[str, Any]) -> None:
    """Print what is wrong with the file, or that nothing is."""
    if "freed_bytes" in found:
        freed = found["freed_bytes"]
        note(
            f"{size(freed)} smaller." if freed >= 0 else "Another program is reading: the file shrinks when it is done."
        )
    lines([clean(problem) for problem in found["problems"]] or ["sound"])


# -- the demo -------------------------------------------------------------------------------------------------------


def demo_start(report: ImportReport, took: float, loading: float) -> None:
    """Say what the demo is about to ask."""
    out = console()
    out.print("\nAna, a physiotherapist in Porto, talks with Juno, her assistant, in March and April.\n", style="bold")
    talk = f"{plural(report.added, 'message')} of {plural(report.conversations, 'conversation')}"
    out.print(f"{loading:5.2f} s  to read the model, once per process")
    out.print(f"{took:5.2f} s  to take in {talk}, {report.added / took:,.0f} a second")


def demo_answer(question: str, answer: str, found: Sequence[Hit], took: float) -> None:
    """Show a question with its hits; the words that answer it stand out."""
    from rich.table import Table
    from rich.text import Text

    out = console()
    out.print(Text.assemble("\n", (question, "bold"), (f"  {took * 1000:.0f} ms", "dim")))
    made = Table.grid(padding=(0, 2, 0, 0))
    for hit in found:
        text = Text(cut(hit.text, 160))
        text.highlight_words([answer], "bold green")
        score = Text.assemble(f"  {hit.score:.2f} ", (f"{bar(hit.score):6}", "cyan"))
        made.add_row(score, Text(day(hit.record.occurred_at), "dim"), Text(hit.record.speaker or "", "cyan"), text)
    out.print(made)


def demo_block(block: Context, took: float, task: str) -> None:
    """Show a block of text for a prompt."""
    from rich.text import Text

    title = f"{task}: a block of {plural(block.tokens, 'token')} for a prompt"
    out = console()
    out.print(Text.assemble("\n", (title, "bold"), (f"  {took * 1000:.0f} ms\n", "dim")))
    out.print(clean(block.text), style="green")


def demo_end(found: Stats, file_bytes: int, right: Sequence[bool], kept: str | None) -> None:
    """Say what it came to, and what to try next."""
    out = console()
    out.print(f"\n{plural(found.records, 'record')} take {size(file_bytes)} on disk.")
    out.print(f"Of {plural(len(right), 'question')} that come with them, {sum(right)} find their answer in 3 hits.")
    out.print("\nNow with your own:\n", style="bold")
    out.print("  agentmem import conversations.json    (ChatGPT, Claude, WhatsApp, text …)")
    out.print('  agentmem remember "Ana likes the sea"')
    out.print('  agentmem recall "What does Ana like?"')
    if kept:
        out.print(f'\nThe demo is kept: agentmem --db {clean(kept)} recall "Who is Bolota?"')
