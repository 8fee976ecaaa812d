"""docs/switching.md does what it says: what stands after a change runs and prints what is shown."""

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "switching.md").read_text("utf-8")
BLOCK = re.compile(r"```(\w+)\n(.*?)```(?:\n\n```text\n(.*?)```)?", re.S)
BLOCKS = [(section.partition("\n")[0], *found.groups()) for section in PAGE.split("\n## ") for found in
          BLOCK.finditer(section)]  # fmt: skip
AFTER = [(title, code, printed) for title, language, code, printed in BLOCKS if language == "python"]
HOSTS = {  # section → the package that it needs
    "Anthropic's memory tool": "anthropic",
    "LangGraph's store": "langgraph",
    "LangChain's vector stores": "langchain_core",
    "LangChain's retrievers": "langchain_core",
    "LangChain's agents": "langchain",
    "The OpenAI Agents SDK's sessions": "agents",
}


def test_every_block_is_of_a_kind_that_is_checked():
    assert {language for _, language, *_ in BLOCKS} <= {"python", "py", "json", "text"}
    assert PAGE.count("```") == 2 * len(BLOCKS) + 2 * sum(bool(printed) for *_, printed in BLOCKS)


@pytest.mark.parametrize(("title", "code", "printed"), AFTER, ids=[title for title, *_ in AFTER])
def test_what_stands_after_a_change_runs(title, code, printed, tmp_path):
    host = HOSTS.get(title)
    if host and importlib.util.find_spec(host) is None:
        pytest.skip(f"{host} is not installed")
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-X", "utf8", "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=environment)
    assert done.returncode == 0, done.stderr
    assert done.stdout == (printed or "")


@pytest.mark.parametrize("code", [code for _, language, code, _ in BLOCKS if language == "py"])
def test_what_stands_before_is_python(code):
    compile(code, "before", "exec")


def test_the_commands_are_known():
    from agentmem.doors.cli import main

    for line in re.findall(r"^    agentmem (.+)$", PAGE, re.M):
        name, *arguments = line.split()
        assert name in main.commands, line
        if "--from" in arguments:
            choices = next(each for each in main.commands["import"].params if each.name == "format").type.choices
            assert arguments[arguments.index("--from") + 1] in choices
