"""`agentmem mcp install`: the host's file says our server too, and nothing that it said before is lost."""

import json
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from agentmem.doors import hosts
from agentmem.doors.cli import main


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    return tmp_path


def run(*args: str):
    return CliRunner().invoke(main, list(args))


@pytest.mark.parametrize("name", hosts.hosts())
def test_every_host_gets_a_server_that_this_python_starts(name, home):
    result = run("--db", "m.db", "--user", "ana", "mcp", "--trust", "0.7", "--read-only", "install", name)
    assert result.exit_code == 0, result.output
    host = hosts.hosts()[name]
    entry = json.loads(host.file.read_text())[host.key]["agentmem"]
    assert entry["command"] == sys.executable
    assert entry["args"] == ["-m", "agentmem", "mcp", "--db", str(Path("m.db").absolute()), "--user", "ana",
                             "--trust", "0.7", "--read-only"]  # fmt: skip
    assert entry.get("type") == ("stdio" if name == "vscode" else None)


def test_what_the_file_said_stays_and_the_old_one_is_kept(home):
    file = home / ".cursor" / "mcp.json"
    file.parent.mkdir()
    before = '{"mcpServers": {"other": {"command": "x"}}, "möbel": [1]}'
    file.write_text(before, "utf-8")
    result = run("mcp", "install", "cursor")
    assert '+    "agentmem": {' in result.output
    config = json.loads(file.read_text("utf-8"))
    assert config["mcpServers"]["other"] == {"command": "x"} and config["möbel"] == [1]
    (backup,) = file.parent.glob("mcp.json.*.bak")
    assert backup.read_text("utf-8") == before and str(backup) in result.output
    again = run("mcp", "install", "cursor")
    assert "has it already" in again.output and len(list(file.parent.iterdir())) == 2


def test_a_dry_run_shows_the_change_and_writes_nothing(home):
    result = run("mcp", "install", "claude", "--dry-run")
    assert '+    "agentmem": {' in result.output and "Nothing was written" in result.output
    assert list(home.rglob("*")) == []


@pytest.mark.parametrize("text", ['{"mcpServers": {} // mine\n}', "[]", '{"mcpServers": []}'])
def test_a_file_that_cannot_be_kept_whole_is_left_alone(home, text):
    file = home / ".cursor" / "mcp.json"
    file.parent.mkdir()
    file.write_text(text)
    result = run("mcp", "install", "cursor")
    assert result.exit_code == 1 and str(file) in result.output
    assert file.read_text() == text and list(file.parent.iterdir()) == [file]


def test_a_project_has_its_own_file(tmp_path):
    assert run("mcp", "install", "vscode", "--project", str(tmp_path)).exit_code == 0
    assert json.loads((tmp_path / ".vscode" / "mcp.json").read_text())["servers"]["agentmem"]["type"] == "stdio"
    assert "no file in a project" in run("mcp", "install", "claude", "--project", str(tmp_path)).output
