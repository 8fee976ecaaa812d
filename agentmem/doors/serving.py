"""
The commands that serve a memory to other programs: the MCP server, and its entry in a host's configuration.
"""

from __future__ import annotations

import asyncio
import secrets
from pathlib import Path
from typing import Any

import click

from agentmem import AsyncMemory

from . import hosts, show
from .frame import Failure, given, nonempty
from .place import made

SHARE = click.FloatRange(0, 1)
PORT = 8765


@click.group(invoke_without_command=True)
@click.option("--db", metavar="FILE", help="The memory file.")
@click.option("--user", metavar="NAME", callback=nonempty, help="Whose memory.")
@click.option("--agent", metavar="NAME", callback=nonempty, help="Only this agent's records, and what is added is its.")
@click.option("--trust", default=0.5, show_default=True, type=SHARE, help="How far what a model adds is trusted.")
@click.option(
    "--min-trust", default=0.0, show_default=True, type=SHARE, help="A model sees only what is trusted so far."
)
@click.option("--role", type=click.Choice(["user", "assistant"]), default="user", show_default=True,
              help="Who said what a model adds; of an assistant's words no facts are read.")  # fmt: skip
@click.option("--read-only", is_flag=True, help="Without the tools that add, change and erase.")
@click.option("--http", is_flag=True, help="Over HTTP on 127.0.0.1, at /mcp, in the place of stdio.")
@click.option("--port", default=PORT, show_default=True, type=click.IntRange(1, 65535), help="With --http.")
@click.option("--token", envvar="AGENTMEM_TOKEN", show_envvar=True, callback=nonempty,
              help="With --http, what a client must send; default: a new one, which is printed.")  # fmt: skip
@click.option("--no-token", is_flag=True, help="With --http, let every program of this machine in.")
@click.pass_context
def mcp(ctx: click.Context, /, **options: Any) -> None:
    """
    Serve the memory to Claude, Cursor and others, by MCP.

    Over stdio, as a host starts it; `install` writes it into a host's configuration.  Whose memory it is and how far a
    model is trusted are said here, and no tool can change them.  A tool that erases asks the user first.

    \b
    Examples:
      agentmem mcp install claude
      agentmem --user ana mcp
      agentmem mcp --http --port 8765
    """
    if ctx.invoked_subcommand is not None:
        return
    try:
        from .mcp import Policy, serve
    except ImportError as error:
        raise Failure(str(error)) from error
    policy = Policy(options["trust"], options["min_trust"], options["role"], options["read_only"])
    memory = AsyncMemory(made(given(ctx, "db")), user=given(ctx, "user"), agent=options["agent"])
    port, token = (options["port"] if options["http"] else None), None
    if port:
        token = None if options["no_token"] else options["token"] or secrets.token_urlsafe(24)
        show.note(f"http://127.0.0.1:{port}/mcp{f'  Authorization: Bearer {token}' if token else ''}")
    try:
        serve(memory, policy, port=port, token=token)
    finally:
        asyncio.run(memory.close())


@mcp.command()
@click.argument("host", type=click.Choice(list(hosts.hosts())))
@click.option("--project", metavar="DIR", type=click.Path(exists=True, file_okay=False, path_type=Path),
              help="For this project only: Claude Code, Cursor, VS Code.")  # fmt: skip
@click.option("--dry-run", is_flag=True, help="Show the change and write nothing.")
@click.pass_context
def install(ctx: click.Context, host: str, project: Path | None, dry_run: bool) -> None:
    """
    Write the server into a host's configuration.

    Shows the change, and keeps the old file beside the new one.  What --db, --user and the other options before
    `install` say is what the host will start the server with.

    \b
    Examples:
      agentmem mcp install claude --dry-run
      agentmem --user ana mcp --read-only install cursor
      agentmem mcp install vscode --project .
    """
    known = hosts.hosts(project)
    if host not in known:
        raise click.UsageError(f"{known and host} has no file in a project; there are: {', '.join(known)}")
    change = hosts.planned(known[host], _arguments(ctx))
    if not change.diff:
        show.note(f"{change.file} has it already.")
        return
    click.echo(change.diff, nl=False)
    if dry_run:
        show.note("Nothing was written.")
        return
    done = hosts.written(change)
    show.note(f"Written{f'; the old file is {done.backup}' if done.backup else ''}. Restart {done.host}.")


def _arguments(ctx: click.Context) -> list[str]:
    """Return the arguments that the host starts the server with: those of `mcp` that were given, and whose memory."""
    assert ctx.parent is not None
    above = ctx.parent.params
    words = ["mcp", "--db", str(Path(given(ctx.parent, "db")).absolute())]
    for name, default in (("user", None), ("agent", None), ("trust", 0.5), ("min_trust", 0.0), ("role", "user")):
        value = given(ctx.parent, "user") if name == "user" else above[name]
        if value != default:
            words += [f"--{name.replace('_', '-')}", str(value)]
    return [*words, *(["--read-only"] if above["read_only"] else [])]
