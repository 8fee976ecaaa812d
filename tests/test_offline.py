"""With the network cut everything still works: nothing is looked up, fetched or sent."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
STORY = """
import sys
def no_network(event, args):
    if event.startswith("socket.") or event.startswith("urllib"):
        raise SystemExit(f"touched the network: {event} {args}")
sys.addaudithook(no_network)
from agentmem import Memory
with Memory(sys.argv[1]) as memory:
    memory.remember_many(["I'm allergic to peanuts", "The boiler is broken"])
    assert memory.recall("which food makes me ill?")[0].text == "I'm allergic to peanuts"
    assert memory.context("boiler", budget_tokens=100).hits
    memory.rebuild()
    assert memory.verify() == []
from agentmem.doors.cli import main
main(["--db", sys.argv[1], "demo"])
"""


def run(command, tmp_path):
    return subprocess.run(
        [*command, sys.executable, "-c", STORY, str(tmp_path / "m.db")], capture_output=True, text=True, cwd=ROOT
    )


def test_no_socket_is_ever_touched(tmp_path):
    done = run([], tmp_path)
    assert done.returncode == 0, done.stderr
    assert "touched the network" not in done.stderr


def test_it_works_in_a_network_namespace_without_any_interface(tmp_path):
    if not shutil.which("unshare") or subprocess.run(["unshare", "-rn", "true"], capture_output=True).returncode:
        pytest.skip("unshare -rn is not to be had here")
    done = run(["unshare", "-rn"], tmp_path)
    assert done.returncode == 0, done.stderr
