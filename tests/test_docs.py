"""The README and the pages in docs/ do what they say: every block in them is run."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text("utf-8")
FENCED = re.compile(r"(<!-- set-up -->\n)?```(\w+)\n(.*?)```(?:\n\n```text\n(.*?)```)?", re.S)
BLOCKS = FENCED.findall(README)
PAGES = sorted(set((ROOT / "docs").glob("*.md")) - {ROOT / "docs" / "switching.md"})  # test_switching.py runs that one
SHELL = [line for set_up, language, code, _ in BLOCKS if language == "sh" and not set_up for line in code.splitlines()]
EXPORT = ROOT / "tests" / "exports" / "chatgpt.json"


def test_every_block_is_of_a_kind_that_is_run():
    assert {language for _, language, _, _ in BLOCKS} == {"sh", "python"}
    assert README.count("```") == 2 * len(BLOCKS) + 2 * sum(bool(printed) for *_, printed in BLOCKS)


@pytest.mark.parametrize("page", [ROOT / "README.md", *PAGES], ids=lambda page: page.stem)
def test_the_python_blocks_print_what_they_show(page, tmp_path):
    blocks = FENCED.findall(page.read_text("utf-8"))
    python = [(code, printed) for _, language, code, printed in blocks if language == "python"]
    story = "\n".join(f"{code}\nprint('====')" for code, _ in python)
    done = subprocess.run(
        [sys.executable, "-X", "utf8", "-c", story], capture_output=True, text=True, cwd=tmp_path, env=environment()
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split("====\n")[:-1] == [printed for _, printed in python]


def test_the_commands_run(tmp_path):
    shutil.copy(EXPORT, tmp_path / "conversations.json")
    for line in SHELL:
        done = run(line.split("#")[0], tmp_path)
        assert done.returncode == 0, f"{line}\n{done.stderr}"
        assert done.stdout, line


def test_the_second_import_adds_nothing(tmp_path):
    shutil.copy(EXPORT, tmp_path / "conversations.json")
    first, second = (json.loads(run("agentmem import conversations.json --json", tmp_path).stdout) for _ in range(2))
    assert first[0]["added"] > 0 and second[0]["added"] == 0


def test_the_set_up_block_has_the_two_commands_that_ci_runs():
    (set_up,) = [code.strip().splitlines() for marked, _, code, _ in BLOCKS if marked]
    assert set_up == ["pip install . && agentmem demo", "pip install '.[test]' && python -m pytest -n 2"]
    ci = (ROOT / ".ci" / "run").read_text("utf-8")
    assert 'bash -c "$(command_of 1)"' in ci and 'bash -c "$(command_of 2)"' in ci


@pytest.mark.parametrize("page", [ROOT / "README.md", *PAGES], ids=lambda page: page.stem)
def test_the_links_lead_to_files(page):
    for target in re.findall(r"\]\((?!http)([^)#]+)\)", page.read_text("utf-8")):
        assert (page.parent / target).exists(), target


@pytest.mark.parametrize("command", sorted(set(re.findall(r"`(python -m bench [^`]+)`", README))))
def test_the_benchmark_commands_run(command, tmp_path):
    small_sets(tmp_path / "DIR")
    command = re.sub(r"--items \S+", "--items 200", command).replace("DIR/locomo-dev", "DIR/memory")
    command = re.sub(r"bench (drift|longterm)", r"bench \1 --people 1", command)
    done = run(f"{command} --json out.json", tmp_path)
    assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "out.json").read_text())


def small_sets(folder):
    """One memory set and one IR set of three items each."""
    texts = ["I moved to Oslo in May", "The boiler is broken", "I'm allergic to peanuts"]
    (folder / "memory").mkdir(parents=True)
    (folder / "ir").mkdir()
    items = [
        {"scope": "a", "id": f"i{n}", "session": "s", "speaker": "Ana", "role": "user", "text": text, "at": None}
        for n, text in enumerate(texts)
    ]
    question = {"scope": "a", "id": "q", "question": "Where did Ana move?", "gold": ["i0"], "type": "1"}
    documents = [{"id": f"d{n}", "text": text} for n, text in enumerate(texts)]
    query = {"id": "q", "text": "broken heating", "relevant": {"d1": 1}}
    for path, lines in (
        ("memory/items.jsonl", items),
        ("memory/questions.jsonl", [question]),
        ("ir/corpus.jsonl", documents),
        ("ir/queries.jsonl", [query]),
    ):
        (folder / path).write_text("".join(json.dumps(line) + "\n" for line in lines))


def environment():
    return {**os.environ, "PYTHONPATH": str(ROOT), "XDG_DATA_HOME": "data", "NO_COLOR": "1", "COLUMNS": "120"}


def run(line, folder):
    """Run a documented command as a shell would, with this Python."""
    name, *arguments = shlex.split(line)
    program = {"agentmem": ["-m", "agentmem.doors.cli"], "python": []}[name]
    command = [sys.executable, *program, *arguments]
    return subprocess.run(
        command, capture_output=True, text=True, cwd=folder, env=environment(), stdin=subprocess.DEVNULL
    )
