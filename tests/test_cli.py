"""The command line as a user meets it: in a pipe, on a terminal, with odd input and with interruptions."""

from __future__ import annotations

import json
import os
import re
import select
import signal
import struct
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

import agentmem
from agentmem import Memory
from agentmem.doors import show
from agentmem.doors.cli import main
from agentmem.doors.frame import default_db

ROOT = Path(__file__).parent.parent
EXPORTS = Path(__file__).parent / "exports"
NASTY = "plain [bold red]markup[/] :smile: \x1b[31mred\x1b[0m \x1b]0;title\x07 \x9b5m \u202eback tab\there\nsecond line"
COMMANDS = sorted(main.commands)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No test reads or writes the memory of whoever runs it."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path / "data"))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("AGENTMEM_DB", raising=False)
    return tmp_path


@pytest.fixture
def db(tmp_path: Path) -> str:
    return str(tmp_path / "m.db")


def run(*args: str, input: str | None = None) -> Result:
    result = CliRunner().invoke(main, args, input=input)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


def out(*args: str, input: str | None = None) -> str:
    result = run(*args, input=input)
    assert result.exit_code == 0, result.output
    return result.stdout


def data(*args: str) -> Any:
    return json.loads(out(*args, "--json"))


def remember(db: str, text: str, *args: str) -> str:
    return out("--db", db, "remember", text, *args).strip()


def command(*args: str) -> list[str]:
    return [sys.executable, "-m", "agentmem.doors.cli", *args]


def on_terminal(*args: str, width: int = 100, answer: str = "") -> tuple[int, str]:
    """Run the command in a pseudo-terminal, and return its exit code and what stands there, without colours."""
    pty = pytest.importorskip("pty")
    fcntl, termios = pytest.importorskip("fcntl"), pytest.importorskip("termios")
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, width, 0, 0))
    env = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "NO_COLOR")}
    process = subprocess.Popen(command(*args), stdin=theirs, stdout=theirs, stderr=theirs, cwd=ROOT,
                               env={**env, "TERM": "xterm-256color"})  # fmt: skip
    os.close(theirs)
    os.write(ours, answer.encode())
    chunks = []
    while select.select([ours], [], [], 60)[0]:
        try:
            chunk = os.read(ours, 65_536)
        except OSError:  # Linux: the other end is closed
            break
        if not chunk:
            break
        chunks.append(chunk)
    os.close(ours)
    return process.wait(60), b"".join(chunks).decode().replace("\r\n", "\n")


def without_style(text: str) -> str:
    """Remove what rich and click themselves put there."""
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text)


# -- the door -------------------------------------------------------------------------------------------------------


def test_no_command_shows_help() -> None:
    result = run()
    assert result.exit_code == 0
    assert "Usage: agentmem [OPTIONS]" in result.stdout and "Commands:" in result.stdout


def test_help_names_the_place_of_the_memory() -> None:
    assert "memory.db" in re.sub(r"\s+", "", out("--help"))


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_a_summary_that_fits_and_an_example(name: str) -> None:
    text = out(name, "--help")
    assert "Examples:\n    agentmem " in text
    (line,) = [line for line in out("--help").splitlines() if line.startswith(f"  {name} ")]
    assert line.endswith(".") and not line.endswith("...")


def test_commands_stand_in_the_order_in_which_one_meets_them() -> None:
    text = out("--help")
    names = re.findall(r"^  (\w+)  ", text[text.index("Commands:") :], re.MULTILINE)
    assert names == ["demo", "import", "remember", "recall", "context", "list", "show", "history", "revise", "forget",
                     "facts", "about", "timeline", "neighbours", "conflicts", "correct", "blocks", "grant",
                     "revoke", "grants", "audit", "policy", "review", "kinds", "stats", "doctor",
                     "backup", "restore", "merge", "mcp"]  # fmt: skip


def test_version() -> None:
    assert out("--version").split()[-1] == agentmem.__version__


def test_default_file_lies_in_the_users_data_folder_and_is_made(tmp_path: Path) -> None:
    remember_id = out("remember", "Ana likes the sea").strip()
    assert Path(default_db()).is_file() and tmp_path in Path(default_db()).parents
    assert data("list")[0]["id"] == remember_id


@pytest.mark.parametrize(
    ("platform", "end"),
    [("darwin", "Library/Application Support"), ("linux", "data"), ("win32", "data")],
)
def test_default_file_follows_the_platform(platform: str, end: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", platform)
    assert Path(default_db()).as_posix().endswith(f"{end}/agentmem/memory.db")


def test_options_hold_before_and_after_the_command_and_the_later_wins(db: str, tmp_path: Path) -> None:
    out("remember", "one", "--db", db, "--user", "ana")
    assert data("list", "--db", db, "--user", "ana")[0]["text"] == "one"
    assert json.loads(out("--db", db, "--user", "ana", "--json", "list"))[0]["user"] == "ana"
    assert data("--db", str(tmp_path / "other.db"), "--user", "zoe", "list", "--db", db, "--user", "ana")
    assert data("--db", db, "list") == []


def test_environment_names_the_file(db: str, monkeypatch: pytest.MonkeyPatch) -> None:
    remember(db, "one")
    monkeypatch.setenv("AGENTMEM_DB", db)
    assert len(data("list")) == 1


def test_a_new_file_is_announced_lest_a_misspelt_name_pass(db: str) -> None:
    first, second = run("--db", db, "list"), run("--db", db, "list")
    assert "New memory" in first.stderr and first.stdout == ""
    assert "New memory" not in second.stderr


@pytest.mark.parametrize(
    ("args", "code", "says"),
    [
        (["nonsense"], 2, "No such command"),
        (["recall"], 2, "QUERY"),
        (["recall", "  "], 1, "the query is empty"),
        (["recall", "x", "-k", "0"], 1, "k is "),
        (["recall", "x", "--where", "{"], 2, "is not JSON"),
        (["recall", "x", "--where", "[1]"], 2, "is not a JSON object"),
        (["recall", "x", "--where", "[" * 100_000], 2, "is not JSON"),
        (["recall", "x", "--where", '{"a": {"near": 1}}'], 1, "unknown filter operator"),
        (["list", "--since", "yesterday"], 1, "is not an ISO 8601 date"),
        (["list", "--limit", "0"], 2, "limit"),
        (["list", "--session", ""], 2, "is empty"),
        (["list", "--user", ""], 2, "is empty"),
        (["context", "x", "--budget", "0"], 1, "budget_tokens"),
        (["remember", " "], 1, "the text is empty"),
        (["remember", "x", "--importance", "2"], 1, "importance"),
        (["remember", "x", "--meta", "stars"], 2, "is not KEY=VALUE"),
        (["show", "abc"], 1, "too short"),
        (["show", "abcdef01"], 1, "no record's id"),
        (["show", "01a20698-991b-7000-97e1-44fb093455b6"], 1, "Error: "),
        (["forget"], 2, "give an ID"),
        (["forget", "abcdef", "--all"], 2, "give an ID"),
        (["forget", "--all", "--session", "s"], 2, "give an ID"),
        (["forget", "--session", "", "--yes"], 2, "is empty"),
        (["forget", "--where", "{}", "--yes"], 2, "names a field"),
        (["import"], 2, "FILE"),
        (["import", "x", "--format", "docx"], 2, "format"),
    ],
)
def test_mistakes_are_named_on_stderr_without_a_traceback(args: list[str], code: int, says: str, db: str) -> None:
    result = run("--db", db, *args)
    assert (result.exit_code, result.stdout) == (code, "")
    assert says in result.stderr and "Error: " in result.stderr and "Traceback" not in result.stderr


def test_a_file_that_is_no_memory_is_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("just some notes, and no database " * 100)
    for args in (["list"], ["doctor"], ["remember", "x"]):
        result = run("--db", str(tmp_path / "notes.txt"), *args)
        assert (result.exit_code, result.stdout) == (1, "") and result.stderr.startswith("Error: ")
    assert run("--db", str(tmp_path), "list").exit_code == 1
    assert run("--db", str(tmp_path / "no" / "m.db"), "list").exit_code == 1


# -- writing --------------------------------------------------------------------------------------------------------


def test_remember_keeps_every_field_and_prints_the_id(db: str) -> None:
    uid = remember(
        db, "Ana likes the sea", "--speaker", "Ana", "--kind", "fact", "--at", "2026-03-01", "--source", "chat",
        "--importance", "0.9", "--expires", "2999-01-01", "--session", "s1", "--meta", "stars=4", "--meta", "a=b=c",
        "--meta", 'tags=["x", "y"]', "--meta", "odd=NaN", "--meta", "empty=",
    )  # fmt: skip
    record = data("--db", db, "show", uid)
    assert {name: record[name] for name in ("speaker", "kind", "source", "importance", "session")} == {
        "speaker": "Ana", "kind": "fact", "source": "chat", "importance": 0.9, "session": "s1",
    }  # fmt: skip
    assert record["occurred_at"] == "2026-03-01T00:00:00+00:00" and record["expires_at"].startswith("2999-01-01")
    assert record["metadata"] == {"stars": 4, "a": "b=c", "tags": ["x", "y"], "odd": "NaN", "empty": ""}


def test_a_defined_kind_is_listed_and_needs_no_text(db: str) -> None:
    assert run("--db", db, "kinds").stdout == "" and data("--db", db, "kinds") == []
    schema = {"properties": {"name": {"type": "string"}, "dose": {"type": "string"}}, "required": ["name"]}
    with Memory(db) as memory:
        memory.define("medication", schema, key="name", searchable=["name"])
        memory.define("profile", {}, single=True)
    assert out("--db", db, "kinds").splitlines() == ["medication\tname, dose\tname\tname\t", "profile\t\t\t\tsingle"]
    assert data("--db", db, "kinds")[0]["schema"] == schema
    uid = out("--db", db, "remember", "--kind", "medication", "--meta", "name=aspirin").strip()
    assert data("--db", db, "show", uid)["text"] == "name: aspirin"
    wrong = run("--db", db, "remember", "--kind", "medication", "--meta", "name=5")
    assert (wrong.exit_code, wrong.stderr) == (1, "Error: medication.name is of type string, not 5\n")
    assert run("--db", db, "remember").stderr.startswith("Error: the text is a string; only ")


def test_remember_reads_standard_input(db: str) -> None:
    uid = out("--db", db, "remember", "-", input="\ufeffTwo\nlinés 🐶\n").strip()
    assert data("--db", db, "show", uid)["text"] == "Two\nlinés 🐶"


def test_revise_prints_the_new_id_and_history_tells_until_when_each_held(db: str) -> None:
    old = remember(db, "Ana lives in Porto", "--at", "2026-01-01")
    new = out("--db", db, "revise", old[-8:], "Ana lives in Oslo", "--at", "2026-08-17").strip()
    lines = [line.split("\t") for line in out("--db", db, "history", old[-8:]).splitlines()]
    assert lines == [
        ["2026-01-01T00:00:00+00:00", "2026-08-17T00:00:00+00:00", "Ana lives in Porto", old],
        ["2026-08-17T00:00:00+00:00", "", "Ana lives in Oslo", new],
    ]
    assert [each["id"] for each in data("--db", db, "history", new)] == [old, new]
    assert [each["text"] for each in data("--db", db, "list", "--as-of", "2026-02-01")] == ["Ana lives in Porto"]
    assert run("--db", db, "revise", old, "Ana lives in Rome").exit_code == 1


def test_an_id_is_found_by_its_end_or_beginning(db: str) -> None:
    one = remember(db, "one")
    assert data("--db", db, "show", one[-8:].upper())["id"] == one
    assert data("--db", db, "show", one[:14])["id"] == one
    remember(db, "one", "--user", "zoe")
    assert data("--db", db, "show", one[-6:])["id"] == one


def test_an_ambiguous_id_lists_what_it_could_be(db: str) -> None:
    ids = {remember(db, "one"), remember(db, "two")}
    result = run("--db", db, "show", next(iter(ids))[:6])
    assert result.exit_code == 1 and "fits 2 records" in result.stderr
    assert all(uid in result.stderr for uid in ids)


# -- importing ------------------------------------------------------------------------------------------------------


def chat(path: Path, count: int) -> Path:
    turns = ({"role": "user", "content": f"Turn {i} of a long talk", "id": str(i), "session": f"s{i // 50}"}
             for i in range(count))  # fmt: skip
    path.write_text("".join(json.dumps(turn) + "\n" for turn in turns))
    return path


def test_import_reports_each_file_and_a_second_run_adds_nothing(db: str) -> None:
    files = [str(EXPORTS / "claude.json"), str(EXPORTS / "chatgpt.json")]
    first, second = data("--db", db, "import", *files), data("--db", db, "import", *files)
    assert [report["file"] for report in first] == files
    assert all(report["added"] and not report["known"] for report in first)
    assert [report["known"] for report in second] == [report["added"] for report in first]
    assert not any(report["added"] for report in second)
    assert first[1]["skipped"]
    cells = out("--db", db, "import", files[0]).rstrip("\n").split("\t")
    assert cells[0] == files[0] and cells[2] == "0" and json.loads(cells[4]) == first[0]["skipped"]


def test_a_broken_file_does_not_keep_the_others_out(db: str, tmp_path: Path) -> None:
    broken = tmp_path / "broken.json"
    broken.write_text('[{"role": "user", "content": ')
    result = run("--db", db, "import", str(tmp_path / "none.json"), str(broken), str(EXPORTS / "claude.json"))
    assert result.exit_code == 1
    assert "none.json" in result.stderr and "broken.json" in result.stderr and "Traceback" not in result.stderr
    (line,) = result.stdout.splitlines()
    assert line.startswith(str(EXPORTS / "claude.json")) and data("--db", db, "list")
    reports = json.loads(run("--db", db, "import", str(broken), "--json").stdout)
    assert "broken.json" in reports[0]["error"]


def test_import_takes_the_format_that_it_is_told(db: str) -> None:
    (report,) = data("--db", db, "import", "--format", "text", str(EXPORTS / "call.txt"))
    assert report["added"]
    assert run("--db", db, "import", "--format", "claude", str(EXPORTS / "call.txt")).exit_code == 1


@pytest.mark.skipif(sys.platform == "win32", reason="SIGINT to a child is POSIX")
def test_an_interrupted_import_keeps_what_it_had_and_the_next_finishes(db: str, tmp_path: Path) -> None:
    file = chat(tmp_path / "chat.jsonl", 3_000)
    process = subprocess.Popen(command("--db", db, "import", str(file)), stderr=subprocess.PIPE, text=True, cwd=ROOT,
                               preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler))  # fmt: skip
    deadline = time.monotonic() + 60
    kept = 0
    while not kept and time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.05)
        if Path(db).exists():
            with Memory(db) as memory:
                kept = memory.stats().records
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130 and "kept" in errors and "again" in errors and "Traceback" not in errors
    with Memory(db) as memory:
        kept = memory.stats().records
    (report,) = data("--db", db, "import", str(chat(file, kept + 20)))
    assert 0 < kept < 3_000 and (report["known"], report["added"]) == (kept, 20)


# -- reading --------------------------------------------------------------------------------------------------------


@pytest.fixture
def talk(db: str) -> str:
    remember(db, "I am allergic to peanuts", "--speaker", "Ana", "--at", "2026-03-01", "--meta", "team=sales")
    remember(db, "The flight to Oslo leaves at ten", "--speaker", "Juno", "--at", "2026-04-01", "--session", "trip")
    remember(db, "Bolota is a brown dog", "--kind", "fact", "--at", "2026-05-01", "--source", "diary.md")
    return db


def test_recall_in_a_pipe_is_one_whole_record_a_line(talk: str) -> None:
    lines = [line.split("\t") for line in out("--db", talk, "recall", "When is the flight to Oslo?").splitlines()]
    best = lines[0]
    assert len(lines) == 3 and {len(line) for line in lines} == {6}
    assert 0 < float(best[0]) <= 1
    assert best[1:5] == ["2026-04-01T00:00:00+00:00", "Juno", "trip", "The flight to Oslo leaves at ten"]
    assert len(best[5]) == 36


def test_recall_explains_each_signal(talk: str) -> None:
    (hit,) = data("--db", talk, "recall", "peanuts", "-k", "1", "--explain")
    assert hit["text"] == "I am allergic to peanuts" and {"lexical", "cosine"} <= set(hit["why"])
    cells = out("--db", talk, "recall", "peanuts", "-k", "1", "--explain").split("\t")
    assert [cell.split("=")[0] for cell in cells[1 : len(hit["why"]) + 1]] == list(hit["why"])
    assert "why" not in data("--db", talk, "recall", "peanuts")[0]


@pytest.mark.parametrize("name", ["recall", "context", "list"])
@pytest.mark.parametrize(
    ("options", "texts"),
    [
        (["--session", "trip"], ["The flight to Oslo leaves at ten"]),
        (["--kind", "fact"], ["Bolota is a brown dog"]),
        (["--kind", "fact", "--session", "trip"], []),
        (["--since", "2026-04-02"], ["Bolota is a brown dog"]),
        (["--until", "2026-03-02"], ["I am allergic to peanuts"]),
        (["--as-of", "2026-03-15"], ["I am allergic to peanuts"]),
        (["--where", '{"team": {"in": ["sales"]}}'], ["I am allergic to peanuts"]),
    ],
)
def test_what_is_read_can_be_narrowed(name: str, options: list[str], texts: list[str], talk: str) -> None:
    found = data("--db", talk, name, *(["Oslo"] if name != "list" else []), *options)
    assert [each["text"] for each in (found["hits"] if name == "context" else found)] == texts


def test_recall_leaves_out_low_scores_and_says_where_nothing_is_left(talk: str) -> None:
    result = run("--db", talk, "recall", "peanuts", "--min-score", "1")
    assert (result.exit_code, result.stdout) == (0, "") and "Nothing found" in result.stderr
    assert len(data("--db", talk, "recall", "peanuts", "--min-score", "0.1")) == 1


def test_context_prints_the_text_alone(talk: str) -> None:
    text = out("--db", talk, "context", "flight", "--budget", "60")
    block = data("--db", talk, "context", "flight", "--budget", "60")
    assert text == block["text"] + "\n" and "[2026-04-01] Juno" in text
    assert block["tokens"] <= 60 and block["hits"][0]["text"] in text
    empty = run("--db", talk, "context", "flight", "--user", "zoe")
    assert empty.stdout == "" and "Nothing" in empty.stderr


def test_list_is_newest_first_and_limited(talk: str) -> None:
    lines = out("--db", talk, "list", "--limit", "2").splitlines()
    assert [line.split("\t")[3] for line in lines] == ["Bolota is a brown dog", "The flight to Oslo leaves at ten"]
    assert lines[0].split("\t")[2] == "diary.md"
    assert "agentmem demo" in run("--db", talk, "list", "--user", "zoe").stderr


def test_show_prints_every_field(talk: str) -> None:
    (newest,) = data("--db", talk, "list", "--limit", "1")
    fields = dict(line.split("\t") for line in out("--db", talk, "show", newest["id"]).splitlines())
    assert set(fields) == set(newest) and fields["kind"] == "fact" and fields["session"] == ""


def test_stats_count_and_measure(talk: str) -> None:
    found = data("--db", talk, "stats")
    assert (found["records"], found["kinds"]) == (3, {"note": 2, "fact": 1})
    assert found["first_at"] == "2026-03-01T00:00:00+00:00" and found["file_bytes"] > 0 and found["tables"]["records"]
    lines = dict(line.split("\t") for line in out("--db", talk, "stats").splitlines())
    assert lines["records"] == "3" and json.loads(lines["kinds"]) == found["kinds"]


# -- forgetting -----------------------------------------------------------------------------------------------------


def test_forget_refuses_in_a_pipe_and_shows_what_would_go(talk: str) -> None:
    result = run("--db", talk, "forget", "--session", "trip")
    assert result.exit_code == 1 and "--yes" in result.stderr
    assert "1 record" in result.stderr and "The flight to Oslo" in result.stderr
    assert run("--db", talk, "forget", "--all", input="y\n").exit_code == 1
    assert len(data("--db", talk, "list")) == 3


@pytest.mark.parametrize(
    ("wanted", "left"),
    [
        (["--session", "trip"], 2),
        (["--where", '{"team": "sales"}'], 2),
        (["--where", '{"team": "sales"}', "--session", "trip"], 3),
        (["--all"], 0),
    ],
)
def test_forget_erases_what_is_named_and_nothing_of_others(wanted: list[str], left: int, talk: str) -> None:
    remember(talk, "Zoe's own", "--user", "zoe", "--session", "trip", "--meta", "team=sales")
    assert out("--db", talk, "forget", *wanted, "--yes").startswith("Erased ")
    assert len(data("--db", talk, "list")) == left
    assert len(data("--db", talk, "list", "--user", "zoe")) == 1


def test_forget_all_takes_the_named_user_only(talk: str) -> None:
    remember(talk, "Zoe's own", "--user", "zoe")
    assert len(data("--db", talk, "--user", "zoe", "forget", "--all", "--yes")["ids"]) == 1
    assert len(data("--db", talk, "list")) == 3 and data("--db", talk, "list", "--user", "zoe") == []


def test_forget_takes_a_record_with_its_versions_by_the_end_of_its_id(db: str) -> None:
    old = remember(db, "Ana lives in Porto")
    new = out("--db", db, "revise", old, "Ana lives in Oslo").strip()
    assert "2 records" in run("--db", db, "forget", new[-8:]).stderr
    assert out("--db", db, "forget", old[-8:], "--yes") == "Erased 2 records.\n"
    assert data("--db", db, "list") == []


@pytest.mark.skipif(sys.platform == "win32", reason="pseudo-terminals are POSIX")
@pytest.mark.parametrize(("answer", "code", "left"), [("y\n", 0, 0), ("n\n", 1, 3), ("\n", 1, 3)])
def test_forget_asks_on_a_terminal(answer: str, code: int, left: int, talk: str) -> None:
    found, text = on_terminal("--db", talk, "forget", "--all", answer=answer)
    assert found == code and "3 records" in text and "Erase for good? [y/N]" in text
    assert len(data("--db", talk, "list")) == left


# -- care -----------------------------------------------------------------------------------------------------------


def test_doctor_finds_a_sound_file_sound(talk: str) -> None:
    assert out("--db", talk, "doctor") == "sound\n"
    assert data("--db", talk, "doctor", "--rebuild") == {"sound": True, "problems": []}


def test_doctor_gives_space_back(talk: str) -> None:
    run("--db", talk, "forget", "--all", "--yes")
    result = run("--db", talk, "doctor", "--compact")
    assert result.stdout == "sound\n" and re.fullmatch(r"[\d.]+ (bytes|kB|MB) smaller.\n", result.stderr)
    assert data("--db", talk, "doctor", "--compact").keys() == {"sound", "problems", "freed_bytes"}


def test_doctor_exits_with_1_where_something_is_wrong(talk: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Memory, "verify", lambda self: ["3 records have no vector; run rebuild"])
    result = run("--db", talk, "doctor")
    assert (result.exit_code, result.stdout) == (1, "3 records have no vector; run rebuild\n")
    result = run("--db", talk, "doctor", "--json")
    assert result.exit_code == 1 and json.loads(result.stdout)["sound"] is False


# -- the demo -------------------------------------------------------------------------------------------------------


def test_demo_answers_questions_and_leaves_nothing(home: Path) -> None:
    text = re.sub(r"\s+", " ", out("demo"))
    assert "What am I allergic to?" in text and "allergic to peanuts" in text
    assert "read the model" in text and " ms" in text and "<memories>" in text
    assert "151 records take" in text and "agentmem import" in text
    assert "\x1b" not in text
    assert list(home.iterdir()) == []


def test_demo_keeps_its_file_where_told_but_never_over_another(db: str) -> None:
    assert f"--db {db}" in re.sub(r"\n", "", out("demo", "--keep", db))
    assert data("--db", db, "stats")["records"] == 151
    result = run("demo", "--keep", db)
    assert result.exit_code == 1 and "exists already" in result.stderr


# -- what is stored is data -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("args", [["list"], ["recall", "markup"], ["context", "markup"], ["show"], ["history"]])
def test_a_pipe_gets_stored_text_on_one_line_without_escapes(args: list[str], db: str) -> None:
    uid = remember(db, NASTY, "--speaker", "A\x1b[2Jna\n", "--meta", "title=\x1b[1mtop")
    text = out("--db", db, *args, *([uid] if args[0] in ("show", "history") else []))
    assert "plain [bold red]markup[/] :smile: " in text
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202e]", text)
    if args[0] in ("list", "recall", "history"):
        assert text.count("\n") == 1 and "back tab here second line" in text


def test_json_keeps_the_text_as_it_is_but_sends_no_control_character(db: str) -> None:
    uid = remember(db, NASTY)
    text = out("--db", db, "show", uid, "--json")
    assert json.loads(text)["text"] == NASTY
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]", text)


@pytest.mark.skipif(sys.platform == "win32", reason="pseudo-terminals are POSIX")
def test_a_terminal_gets_stored_text_as_data(db: str) -> None:
    uid = remember(db, NASTY, "--speaker", "[red]Ana[/red]", "--at", "2026-01-02")
    for args in (["list"], ["recall", "markup"], ["show", uid], ["history", uid], ["context", "markup"]):
        code, text = on_terminal("--db", db, *args, width=160)
        seen = without_style(text)
        assert code == 0 and "plain [bold red]markup[/] :smile: " in seen, seen
        assert "\x1b]0;" not in text and "\x9b" not in text and "\x1b" not in seen
        # In a context a name may hold nothing that sets it apart from the words after it.
        assert args[0] == "history" or ("red Ana /red" if args[0] == "context" else "[red]Ana[/r") in seen


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("a\x1b[1;31mb\x1b[0m", "ab"),
        ("a\x1b]8;;http://x\x1b\\link\x1b]8;;\x07b", "alinkb"),
        ("a\x1bPq secret\x1b\\b", "ab"),
        ("a\x1bcb\x1b", "ab"),
        ("a\x9b31mb\x00\x07\x08", "a31mb"),
        ("a\r\nb\tc\nd", "a\nb\tc\nd"),
        ("Olá 🐶 שלום नमस्ते", "Olá 🐶 שלום नमस्ते"),
    ],
)
def test_clean_takes_out_what_a_terminal_obeys(given: str, kept: str) -> None:
    assert show.clean(given) == kept


# -- core blocks ----------------------------------------------------------------------------------------------------


def test_blocks_are_set_edited_shown_and_restored(db: str) -> None:
    whole = "user: version {}, {} of 50 characters\n"
    assert out("--db", db, "blocks", "set", "user", "Ana in Porto", "--limit", "50") == whole.format(1, 12)
    assert out("--db", db, "blocks", "append", "user", "short answers") == whole.format(2, 26)
    assert out("--db", db, "blocks", "replace", "user", "Porto", "Oslo") == whole.format(3, 25)
    assert out("--db", db, "blocks", "show", "user") == "Ana in Oslo\nshort answers\n"
    assert out("--db", db, "blocks", "restore", "user", "1") == whole.format(4, 12)
    lines = out("--db", db, "blocks", "history", "user").splitlines()
    assert [line.split("\t")[::2] for line in lines] == [
        ["1", "Ana in Porto"], ["2", "Ana in Porto short answers"], ["3", "Ana in Oslo short answers"],
        ["4", "Ana in Porto"],
    ]  # fmt: skip
    assert out("--db", db, "blocks") == "user\tAna in Porto\t12\t\tall agents\n"
    assert data("--db", db, "blocks", "show", "user")["version"] == 4


def test_a_block_is_read_from_standard_input_and_may_be_read_only(db: str) -> None:
    out("--db", db, "blocks", "set", "rules", "-", "--read-only", input="be kind\nbe brief\n")
    assert out("--db", db, "blocks", "show", "rules") == "be kind\nbe brief\n"
    refused = run("--db", db, "blocks", "append", "rules", "x")
    assert refused.exit_code == 1 and refused.stderr.startswith("Error: the block 'rules' is read-only")
    assert out("--db", db, "blocks", "set", "rules", "x", "--writable").startswith("rules: version 2")


def test_blocks_are_listed_of_all_agents_or_as_one_has_them_in_view(db: str) -> None:
    out("--db", db, "blocks", "set", "user", "shared")
    out("--db", db, "blocks", "set", "user", "the coder's", "--agent", "coder")
    out("--db", db, "blocks", "set", "user", "monday's", "--agent", "cook", "--session", "monday")
    out("--db", db, "--user", "ben", "blocks", "set", "user", "Ben")
    assert [line.split("\t")[1::3] for line in out("--db", db, "blocks").splitlines()] == [
        ["monday's", "cook in monday"], ["the coder's", "coder"], ["shared", "all agents"],
    ]  # fmt: skip
    assert out("--db", db, "blocks", "--agent", "coder").split("\t")[1] == "the coder's"
    assert out("--db", db, "blocks", "show", "user", "--agent", "cook") == "shared\n"
    assert "put the options behind 'show'" in run("--db", db, "blocks", "--agent", "coder", "show", "user").stderr
    assert [block["text"] for block in data("blocks", "--db", db, "--user", "ben")] == ["Ben"]
    assert out("blocks", "--db", db, "--user", "ben", "show", "user") == "Ben\n"


def test_a_block_is_deleted_after_asking(db: str) -> None:
    out("--db", db, "blocks", "set", "user", "zqvkxwjm")
    refused = run("--db", db, "blocks", "delete", "user")
    assert refused.exit_code == 1 and "zqvkxwjm" in refused.stderr and "add --yes" in refused.stderr
    assert out("--db", db, "blocks", "delete", "user", "--yes") == "Erased 1 core block.\n"
    assert b"zqvkxwjm" not in Path(db).read_bytes()
    gone = run("--db", db, "blocks", "show", "user")
    assert gone.exit_code == 1 and "no block 'user' in view; there are: none" in gone.stderr


def test_forgetting_everything_says_that_blocks_go_too(db: str) -> None:
    remember(db, "x")
    out("--db", db, "blocks", "set", "user", "a")
    out("--db", db, "blocks", "set", "rules", "b", "--agent", "coder")
    assert "2 core blocks to erase, with earlier versions: rules, user" in run("--db", db, "forget", "--all").stderr
    assert out("--db", db, "forget", "--all", "--yes") == "Erased 1 record and 2 core blocks.\n"
    assert "No blocks." in run("--db", db, "blocks").stderr


@pytest.mark.skipif(sys.platform == "win32", reason="pseudo-terminals are POSIX")
@pytest.mark.parametrize("width", [40, 100])
def test_tables_of_blocks_keep_within_the_terminal_and_obey_no_text(db: str, width: int) -> None:
    out("--db", db, "blocks", "set", "a label as long as it may be", NASTY * 5)
    for args in (["blocks"], ["blocks", "history", "a label as long as it may be"]):
        text = on_terminal("--db", db, *args, width=width)[1]
        lines = without_style(text).splitlines()
        assert lines and max(len(line) for line in lines) <= width
        assert "\x1b]0;" not in text and ":smile:" in text


# -- on a terminal and in a pipe ------------------------------------------------------------------------------------


@pytest.mark.skipif(sys.platform == "win32", reason="pseudo-terminals are POSIX")
@pytest.mark.parametrize("width", [40, 80, 100])
def test_tables_keep_within_the_terminal(width: int, talk: str) -> None:
    remember(
        talk, "A very long memory of many words " * 40, "--speaker", "Ana Maria de Jesus e Silva", "--at", "2026-01-01"
    )
    for args in (["list"], ["recall", "Oslo"], ["recall", "Oslo", "--explain"], ["stats"]):
        _, text = on_terminal("--db", talk, *args, width=width)
        lines = without_style(text).splitlines()
        assert lines and max(len(line) for line in lines) <= width, args
        assert "\t" not in text


@pytest.mark.skipif(sys.platform == "win32", reason="pseudo-terminals are POSIX")
def test_a_terminal_shows_headings_ages_bars_and_short_ids(talk: str) -> None:
    (newest,) = data("--db", talk, "list", "--limit", "1")
    text = without_style(on_terminal("--db", talk, "recall", "brown dog", "-k", "1")[1])
    assert text.split()[:6] == ["score", "age", "who", "from", "text", "id"]
    assert "█" in text and newest["id"][-8:] in text and newest["id"] not in text


@pytest.mark.skipif(sys.platform == "win32", reason="pseudo-terminals are POSIX")
def test_errors_are_red_on_a_terminal_unless_colour_is_off(db: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "\x1b[31mError: " in on_terminal("--db", db, "list", "--since", "x")[1]


@pytest.mark.skipif(sys.platform == "win32", reason="closed pipes differ")
def test_a_closed_pipe_ends_in_silence(db: str, tmp_path: Path) -> None:
    with Memory(db) as memory:
        memory.remember("x" * 100_000)
        memory.remember("y" * 100_000)
    process = subprocess.Popen(command("--db", db, "list"), stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=ROOT)
    assert process.stdout is not None and process.stderr is not None
    process.stdout.read(10)
    process.stdout.close()
    assert process.stderr.read() == b""
    process.stderr.close()
    assert process.wait(60) in (0, 1)


def test_a_pipe_carries_utf8_whatever_the_locale(db: str) -> None:
    remember(db, "Olá 🐶")
    env = {**os.environ, "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}
    done = subprocess.run(command("--db", db, "list"), capture_output=True, cwd=ROOT, env=env, check=True)
    assert "Olá 🐶" in done.stdout.decode() and done.stderr == b""


def test_help_and_list_load_neither_numpy_nor_rich_nor_the_model(talk: str) -> None:
    code = (
        "import sys; from agentmem.doors.cli import main\n"
        "try: main(sys.argv[1:])\n"
        "except SystemExit: pass\n"
        "print(sorted({'numpy', 'rich', 'onnxruntime', 'tokenizers'} & set(sys.modules)), file=sys.stderr)"
    )
    for args in (["--help"], ["--db", talk, "list"]):
        done = subprocess.run([sys.executable, "-c", code, *args], capture_output=True, text=True, cwd=ROOT, check=True)
        assert done.stderr == "[]\n"


# -- small parts ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ago", "text"),
    [
        (timedelta(seconds=20), "now"),
        (timedelta(minutes=5), "5 min"),
        (timedelta(hours=7), "7 h"),
        (timedelta(days=3), "3 d"),
        (timedelta(days=160), "5 mo"),
        (timedelta(days=900), "2 y"),
        (timedelta(days=-3), "in 3 d"),
    ],
)
def test_age_is_told_in_one_unit(ago: timedelta, text: str) -> None:
    now = datetime(2026, 6, 1, tzinfo=UTC)
    assert show.age(now - ago, now) == text


def test_an_unknown_age_is_a_dash() -> None:
    assert show.age(None) == "–"


@pytest.mark.parametrize(
    ("score", "text"), [(0, ""), (1, "██████"), (0.5, "███"), (0.25, "█▌"), (2, "██████"), (-1, "")]
)
def test_bar_grows_by_eighths(score: float, text: str) -> None:
    assert show.bar(score, 6) == text


def test_counts_name_the_most_frequent_and_how_many_are_left_out() -> None:
    assert show.counted({"Ana": 2, "Bo": 3}) == "Bo 3, Ana 2"
    assert show.counted({str(i): 1 for i in range(10)}).endswith("and 2 more")
    assert show.counted({}) == "–"
