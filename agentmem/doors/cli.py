"""
The command line: each command reads its arguments, calls one verb of `Memory`, and hands the answer to `show`.

The docstrings are the help texts.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from agentmem import Context, Erasure, Hit, ImportFormatError, Kind, Memory, Record, Stats

from . import access, blocks, copying, knowing, policy, serving, show
from .frame import (
    INTERRUPTED,
    Failure,
    confirm,
    everything,
    exit_with,
    find,
    given,
    json_object,
    key_values,
    main,
    narrowed,
    nonempty,
    verb,
)

__all__ = ["main"]
T = TypeVar("T")
DEMO = Path(__file__).parent.parent / "demo"
DEMO_SHOWN = ("allergic to peanuts", "the 26th", "I drink decaf now", "on the 20th", "QX7LRM")  # answers
DEMO_TASK = "Plan the trip to Oslo"


@click.command()
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
@click.option("--from", "--format", "format", type=click.Choice([
                  "chatgpt", "claude", "chat", "whatsapp", "text", "mem0", "letta", "langgraph", "mcp-memory"]),
              help="What the files are; of chats and texts, default: told from their content.")  # fmt: skip
def import_(memory: Memory, files: tuple[str, ...], format: str | None) -> list[dict[str, object]]:
    """
    Take in exports, chat logs, and what another memory kept.

    Reads ChatGPT's and Claude's exports (conversations.json, or the zip), chats as JSON or JSON lines, WhatsApp's text
    exports, Markdown and plain text.  A second run adds nothing, an interrupted one is finished by the next, and what
    was forgotten does not come back.

    With --from, takes over another memory: the folder of mem0's Qdrant (and history.db in it or beside it), a Letta
    agent file, a file of LangGraph's SqliteStore, or the memory.jsonl of MCP's reference server.

    In a pipe: file, conversations, added, already here, skipped.

    \b
    Examples:
      agentmem import conversations.json
      agentmem import --format whatsapp _chat.txt
      agentmem import --from mem0 /tmp/qdrant
      agentmem import --from mcp-memory memory.jsonl
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
@click.argument("text", required=False)
@click.option("--speaker", help="Who said it.")
@click.option("--kind", default="note", show_default=True, help="A word to filter by.")
@click.option("--at", metavar="DATE", help="When it was said or happened; default: now.")
@click.option("--source", help="Where it came from: a tool, a file, an address.")
@click.option("--importance", default=0.5, show_default=True, help="0 to 1.")
@click.option("--expires", "expires_at", metavar="DATE", help="From then on nothing shows it.")
@click.option("--meta", multiple=True, callback=key_values, metavar="KEY=VALUE",
              help="A field of your own, as JSON or text; repeatable.")  # fmt: skip
@click.option("--session", callback=nonempty, help="The conversation it belongs to.")
def remember(memory: Memory, text: str | None, meta: dict[str, object], **fields: Any) -> Record:
    """
    Keep one statement, and print its id.

    TEXT may be - to read it from standard input.  The same statement again adds nothing.
    Of a kind that has fields of its own (see kinds) TEXT may be left out, and says the fields.

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
    --session and --where together erase what fits both.  --all, or --session alone, take core blocks too.

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
        held = [] if uid or "where" in named else memory.blocks.list(everywhere=True, **named)
        show.doomed(memory.history(uid) if uid else list(everything(memory, shared=False, **named)), held)
        confirm("Erase for good?")
    if whole:
        named["user"] = given(click.get_current_context(), "user") or ""
    return memory.forget(uid, **named)


@verb(show.kinds)
def kinds(memory: Memory) -> list[Kind]:
    """
    Show the kinds of record that have fields of their own.

    A program defines them with `Memory.define`.  With --json, their schemas too.

    In a pipe: kind, fields, key, searchable fields, whether it is single.

    \b
    Examples:
      agentmem kinds --json
    """
    return memory.kinds()


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
@click.option("--compact", is_flag=True, help="First give the space back that forgetting left in the file.")
def doctor(memory: Memory, rebuild: bool, compact: bool) -> dict[str, object]:
    """
    Check the whole file; exit with 1 where something is wrong.

    \b
    Examples:
      agentmem doctor --rebuild
    """
    if rebuild:
        with show.progress("Rebuilding", "records") as tick:
            memory.rebuild(tick)
    freed = memory.compact() if compact else None
    problems = memory.verify()
    exit_with(1 if problems else 0)
    return {"sound": not problems, "problems": problems, **({} if freed is None else {"freed_bytes": freed})}


COMMANDS = (
    demo, import_, remember, recall, context, list_, show_, history, revise, forget,
    knowing.facts, knowing.about, knowing.timeline, knowing.neighbours, knowing.conflicts, knowing.correct,
    blocks.blocks, access.grant, access.revoke, access.grants, access.audit, policy.policy,
    policy.review, kinds, stats, doctor,
    copying.backup, copying.restore, copying.merge, serving.mcp,
)  # fmt: skip
for each in COMMANDS:
    main.add_command(each)


if __name__ == "__main__":
    main()
