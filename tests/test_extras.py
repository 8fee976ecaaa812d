"""Doors to other programs: opened only by who wants them, cheap, and clear about what is missing."""

import importlib.util
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
EXTRAS = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
DOORS = {"mem0": None, "anthropic": "anthropic", "mcp": "mcp"}  # door → the package that it opens to


def run(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)


@pytest.mark.parametrize("door", [door for door, host in DOORS.items() if host])
def test_without_its_host_a_door_names_the_command_that_installs_it(door):
    failed = run(f"import sys; sys.modules[{DOORS[door]!r}] = None; import agentmem.doors.{door}").stderr
    (extra,) = re.findall(r"ImportError: .*; run: pip install 'agentmem-sqlite\[(\w+)\]'$", failed.strip(), re.M)
    assert any(package.startswith(DOORS[door]) for package in EXTRAS[extra])


def test_the_command_line_says_it_without_a_traceback(tmp_path):
    code = "import sys; sys.modules['mcp'] = None; from agentmem.doors.cli import main; main(['mcp'])"
    failed = run(f"{code}")
    assert failed.returncode == 1 and "pip install 'agentmem-sqlite[mcp]'" in failed.stderr
    assert "Traceback" not in failed.stderr


def test_the_library_opens_no_door():
    loaded = run("import sys, agentmem; print(*sys.modules)").stdout.split()
    assert not [name for name in loaded if name.startswith("agentmem.doors")]


@pytest.mark.parametrize("door", DOORS)
def test_a_door_adds_at_most_60_ms_to_what_its_host_takes(door):
    host = DOORS[door]
    if host and importlib.util.find_spec(host) is None:
        pytest.skip(f"{host} is not installed")
    first = {"mcp": "import mcp.server, mcp.server.session, uvicorn, pydantic, importlib\n"
                    "for name in ('mcp.server.mcpserver', 'mcp.server.fastmcp'):\n"
                    "    try: importlib.import_module(name)\n    except ImportError: pass",
             "anthropic": "import anthropic.tools"}.get(door, "pass")  # fmt: skip
    code = f"{first}\nimport asyncio, agentmem, time\nt = time.perf_counter()\nimport agentmem.doors.{door}\n"
    times = [float(run(f"{code}print(time.perf_counter() - t)").stdout) for _ in range(3)]
    assert min(times) < 0.060, times
