"""The MCP server: what its tools cost and do, what a model cannot do, and who may come in over HTTP."""

import asyncio
import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

pytest.importorskip("mcp", reason="mcp is not installed: pip install 'agentmem-sqlite[mcp]'")

import mcp.types as types
from mcp import ClientSession, StdioServerParameters
from mcp.client.stdio import stdio_client

from agentmem import AsyncMemory, Memory
from agentmem.doors import mcp as door
from agentmem.encoder import shared

ROOT = Path(__file__).parent.parent
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT)}
MOST_TOKENS = 1_200
TOOLS = ["search_memories", "get_context", "get_facts", "list_memories", "get_memory", "add_memory", "update_memory",
         "delete_memory"]  # fmt: skip


def listed(policy: door.Policy, tmp_path: Path) -> list[dict]:
    memory = AsyncMemory(tmp_path / "listed.db")
    tools = asyncio.run(door.build(memory, policy).list_tools())
    asyncio.run(memory.close())
    return [tool.model_dump(mode="json", by_alias=True, exclude_none=True) for tool in tools]


@asynccontextmanager
async def client(db: Path, *options: str, **more: object):
    command = ["-m", "agentmem", "--db", str(db), "--user", "ana", "mcp", *options]
    server = StdioServerParameters(command=sys.executable, args=command, env=ENVIRONMENT)
    async with stdio_client(server) as streams, ClientSession(*streams, **more) as session:
        await session.initialize()
        yield session


async def call(session: ClientSession, tool: str, **arguments: object) -> dict:
    found = (await session.call_tool(tool, arguments)).model_dump(by_alias=True)
    if found["isError"]:
        raise RuntimeError(found["content"][0]["text"])
    assert json.loads(found["content"][0]["text"]) == found["structuredContent"]
    return found["structuredContent"]


def test_all_descriptions_and_schemas_cost_at_most_1200_tokens(tmp_path):
    tools = listed(door.Policy(), tmp_path)
    assert [tool["name"] for tool in tools] == TOOLS
    cost = sum(
        shared().count_tokens(json.dumps({name: tool[name] for name in ("name", "description", "inputSchema",
                                                                        "outputSchema")}, separators=(",", ":")))
        for tool in tools
    )  # fmt: skip
    assert cost <= MOST_TOKENS, cost


def test_no_tool_has_an_argument_for_whose_it_is_or_how_far_it_is_trusted(tmp_path):
    fixed = {"user", "agent", "session", "trust", "min_trust", "role", "source", "speaker"}
    for tool in listed(door.Policy(), tmp_path):
        assert not fixed & set(tool["inputSchema"]["properties"]), tool["name"]
        assert tool["outputSchema"]["type"] == "object" and tool["title"]


def test_annotations_say_what_a_tool_does(tmp_path):
    hints = {tool["name"]: tool["annotations"] for tool in listed(door.Policy(), tmp_path)}
    assert [name for name in TOOLS if hints[name]["readOnlyHint"]] == TOOLS[:5]
    assert [name for name in TOOLS if hints[name].get("destructiveHint")] == ["delete_memory"]
    assert [tool["name"] for tool in listed(door.Policy(read_only=True), tmp_path)] == TOOLS[:5]


def test_a_client_uses_every_tool_over_stdio(tmp_path):
    async def story() -> None:
        async with client(tmp_path / "m.db") as session:
            said = await call(session, "add_memory", text="I live in Oslo", at="2026-03-01")
            (added,) = said["memories"]
            assert (added["text"], added["at"]) == ("I live in Oslo", "2026-03-01T00:00:00+00:00")
            (new,) = (await call(session, "update_memory", id=added["id"], text="I live in Bergen"))["memories"]
            versions = (await call(session, "get_memory", id=added["id"]))["memories"]
            assert [each["text"] for each in versions] == ["I live in Oslo", "I live in Bergen"]
            (hit,) = (await call(session, "search_memories", query="where do I live?"))["memories"]
            assert hit["id"] == new["id"] and 0 < hit["score"] < 1
            assert "lives in Bergen" in (await call(session, "get_context", query="where do I live?"))["text"]
            facts = (await call(session, "get_facts"))["facts"]
            assert [(fact["fact"], fact["status"]) for fact in facts] == [
                ("ana lives in Bergen", "current"), ("ana lives in Oslo", "past"),
            ]  # fmt: skip
            assert len((await call(session, "list_memories", limit=1))["memories"]) == 1
            with pytest.raises(RuntimeError, match="the query is empty"):
                await call(session, "search_memories", query=" ")
            page = await session.read_resource("memory://about")  # type: ignore[arg-type]
            assert "# ana\n\n## Now\n\n- lives in Bergen" in page.contents[0].text
            prompt = await session.get_prompt("use_memory")
            assert "add_memory" in prompt.messages[0].content.text
            unsure = await call(session, "delete_memory", id=new["id"])
            assert unsure["erased"] == 0 and "Ask the user" in unsure["message"]
            assert (await call(session, "delete_memory", id=new["id"], confirm=True))["erased"] == 2

    asyncio.run(story())
    with Memory(tmp_path / "m.db", user="ana") as memory:
        assert memory.list() == [] and memory.users() == []


def test_the_user_is_asked_before_something_is_erased_whatever_the_model_says(tmp_path):
    questions = []
    answers = [("decline", None), ("accept", {"erase": False}), ("accept", {"erase": True})]

    async def ask(_context: object, params: object) -> types.ElicitResult:
        action, content = answers[len(questions)]
        questions.append(params.message)
        return types.ElicitResult(action=action, content=content)

    async def story() -> list[int]:
        async with client(tmp_path / "m.db", elicitation_callback=ask) as session:
            (added,) = (await call(session, "add_memory", text="tea"))["memories"]
            return [(await call(session, "delete_memory", id=added["id"], confirm=True))["erased"] for _ in answers]

    assert asyncio.run(story()) == [0, 0, 1]
    assert len(questions) == 3 and all("tea" in question for question in questions)


def test_a_model_raises_no_trust_and_reaches_nothing_below_its_own(tmp_path):
    with Memory(tmp_path / "m.db", user="ana") as memory:
        sure, unsure = memory.remember("I live in Oslo"), memory.remember("The code is 4471", trust=0.1)

    async def story() -> None:
        async with client(tmp_path / "m.db", "--trust", "0.3", "--min-trust", "0.2") as session:
            (new,) = (await call(session, "update_memory", id=sure.id, text="I live in Rome"))["memories"]
            assert new["id"] != sure.id
            assert (await call(session, "search_memories", query="The code is 4471"))["memories"][0]["id"] == new["id"]
            for tool, more in (("update_memory", {"text": "x"}), ("delete_memory", {"confirm": True})):
                with pytest.raises(RuntimeError, match="no record"):
                    await call(session, tool, id=unsure.id, **more)
            assert (await call(session, "get_memory", id=unsure.id))["memories"] == []

    asyncio.run(story())
    with Memory(tmp_path / "m.db", user="ana") as memory:
        now = next(record for record in memory.list() if "Rome" in record.text)
        assert (now.trust, now.source, now.role) == (0.3, "mcp", "user")


def test_a_page_tells_what_holds_what_did_and_who_said_it(tmp_path):
    async def story() -> str:
        async with AsyncMemory(tmp_path / "m.db", user="ana") as memory:
            await memory.remember("I live in Porto", at="2025-01-01", speaker="Ana")
            await memory.remember("I live in Oslo", at="2026-01-01", speaker="Ana")
            assert await door.page(memory, "Zoe") == "# Zoe\n\nNothing is known.\n"
            return await door.page(memory, None)

    assert asyncio.run(story()) == (
        "# ana\n\n## Now\n\n- lives in Oslo (since 2026-01-01)\n\n"
        "## Before\n\n- lives in Porto (since 2025-01-01, until 2026-01-01)\n\n"
        "## Said\n\n- [2026-01-01] Ana: I live in Oslo\n- [2025-01-01] Ana: I live in Porto\n"
    )


HELLO = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
    "protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}}}  # fmt: skip


def status(port: int, **headers: str) -> int:
    given = {"Content-Type": "application/json", "Accept": "application/json, text/event-stream", **headers}
    request = urllib.request.Request(f"http://127.0.0.1:{port}/mcp", json.dumps(HELLO).encode(), given)
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        with error:
            return error.code


def test_over_http_only_the_loopback_and_the_token_let_one_in(tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "agentmem", "--db", str(tmp_path / "m.db"), "mcp", "--http", "--port", str(port)]
    environment = {**ENVIRONMENT, "AGENTMEM_TOKEN": "sesame"}
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as server:
        try:
            for _ in range(200):
                with socket.socket() as probe:
                    if probe.connect_ex(("127.0.0.1", port)) == 0:
                        break
                time.sleep(0.1)
            token = {"Authorization": "Bearer sesame"}
            assert status(port, **token) == 200
            assert status(port) == status(port, Authorization="Bearer guess") == 401
            assert status(port, **token, Host="evil.example") in (403, 421)
            assert status(port, **token, Origin="https://evil.example") == 403
            assert status(port, **token, Origin=f"http://localhost:{port}") == 200
        finally:
            server.terminate()
        assert f"http://127.0.0.1:{port}/mcp" in server.stderr.read()
