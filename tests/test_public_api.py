"""What `import agentmem` offers, and what it costs."""

import inspect
import os
import subprocess
import sys
from pathlib import Path

import agentmem
from agentmem import AsyncMemory, Memory

VERBS = (
    "remember remember_many observe load recall context revise forget get list history stats users verify rebuild "
    "compact close facts conflicts correct confirm entity neighbours merge_entities split_entities define kinds "
    "tools call conversation grant revoke grants audit find expire sweep attach nearest "
    "backup restore merge "
    "policy set_policy apply_policy review"
)
HEAVY = {"onnxruntime", "tokenizers", "numpy", "sqlite_vec", "click", "rich"}


def run(code: str, *flags: str) -> subprocess.CompletedProcess[str]:
    root = Path(agentmem.__file__).parent.parent
    # Where no bytecode may be written, no cache is ever warm.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    command = [sys.executable, *flags, "-c", code]
    return subprocess.run(command, capture_output=True, text=True, check=True, cwd=root, env=environment)


def test_all_is_sorted_and_importable():
    assert agentmem.__all__ == sorted(agentmem.__all__)
    assert all(hasattr(agentmem, name) for name in agentmem.__all__)


def test_memory_has_exactly_the_documented_verbs():
    public = {name for name, _ in inspect.getmembers(Memory, inspect.isfunction) if not name.startswith("_")}
    assert public == set(VERBS.split())


def test_every_public_name_is_documented():
    for name in agentmem.__all__:
        assert inspect.getdoc(getattr(agentmem, name)), name
    for verb in VERBS.split():
        assert inspect.getdoc(getattr(Memory, verb)), verb


def test_async_verbs_have_the_signatures_and_docs_of_the_sync_ones():
    for verb in VERBS.split():
        plain, awaited = getattr(Memory, verb), getattr(AsyncMemory, verb)
        assert inspect.signature(plain) == inspect.signature(awaited), verb
        assert inspect.getdoc(plain) == inspect.getdoc(awaited)
        assert inspect.iscoroutinefunction(awaited)


def test_options_are_keyword_only():
    for verb in VERBS.split():
        positional = [
            p.name
            for p in inspect.signature(getattr(Memory, verb)).parameters.values()
            if p.kind == p.POSITIONAL_OR_KEYWORD
        ]
        subjects = {
            "session",
            "text",
            "items",
            "messages",
            "path",
            "to",
            "id",
            "query",
            "progress",
            "format",
            "arguments",
        }
        facts = {"subject", "predicate", "object", "fact", "name", "other"}
        assert set(positional) <= {"self", *subjects, *facts, "kind", "schema", "key", "at", "vectors", "vector"}, verb


def test_import_loads_nothing_heavy():
    loaded = run("import sys, agentmem; print(*{name.split('.')[0] for name in sys.modules})").stdout.split()
    assert not HEAVY & set(loaded)


def test_reading_a_list_loads_no_model(tmp_path):
    code = f"import sys; from agentmem import Memory; Memory({str(tmp_path / 'm.db')!r}).list(); print(*sys.modules)"
    assert not {"onnxruntime", "tokenizers", "numpy"} & set(run(code).stdout.split())


def test_import_takes_under_60_ms_on_a_warm_cache():
    """Or, where the machine is slow at the moment, little more than `import asyncio`, 40 ms on a calm one."""

    def cost(name: str) -> float:
        lines = run(f"import {name}", "-X", "importtime").stderr.splitlines()
        return int(next(line for line in lines if line.endswith(f"| {name}")).split("|")[1]) / 1000

    ours, asyncio = (min(times) for times in zip(*((cost("agentmem"), cost("asyncio")) for _ in range(5)), strict=True))
    assert ours < max(60, 1.3 * asyncio)
