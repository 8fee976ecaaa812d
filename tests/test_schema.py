"""The file as other programs see it, and the schema as documentation."""

import json
import re
import sqlite3
import subprocess
import sys
from pathlib import Path

import apsw
import pytest

import agentmem
from agentmem import Memory, OpenError, schema

MIGRATIONS = sorted((Path(agentmem.__file__).parent / "migrations").glob("*.sql"))
TABLES = {
    "meta", "devices", "scopes", "records", "tombstones", "vectors", "token_codes", "traits", "times", "records_fts",
    "records_folded", "claims", "kinds", "keys", "blocks", "grants", "audit", "embeddings",
    "policies", "kept_out", "quarantine", "topics",
}  # fmt: skip
CONSTRAINTS = ("unique (", "primary key (")  # of a whole table: no column, no comment


@pytest.fixture
def path(tmp_path):
    """A closed file with three turns, made with the real encoder."""
    path = tmp_path / "m.db"
    with Memory(path, user="ana") as memory:
        memory.observe(
            [
                {"role": "user", "name": "Ana", "content": "I moved to Oslo in May", "at": "2026-05-02T09:00:00Z"},
                {"role": "assistant", "content": "How is the weather?", "at": "2026-05-02T09:01:00Z"},
                {"role": "user", "name": "Ana", "content": "Raining, as always", "at": "2026-05-02T09:02:00Z"},
            ],
            session="s-1",
        )
    return path


def test_no_two_migrations_have_one_number():
    """The second would never run."""
    numbers = [path.name[:4] for path in MIGRATIONS]
    assert len(set(numbers)) == len(numbers)


def test_every_table_and_column_has_a_comment():
    sql = "".join(path.read_text("utf-8") for path in MIGRATIONS)
    for name, body in re.findall(r"create (?:virtual )?(?:table|view) (\w+)(.*?)^(?:\)|order)", sql, re.S | re.M):
        first, *lines = body.splitlines()
        assert "--" in first, f"{name} has no comment"
        for line in lines:
            assert "--" in line or line.strip().startswith(
                (*CONSTRAINTS, "and ", "select", "from ", "join ", "where ")
            ), f"{name}: {line}"


def test_comments_survive_in_the_file(path):
    sql = sqlite3.connect(path).execute("select sql from sqlite_schema where name = 'records'").fetchone()[0]
    assert "-- what was said or noted" in sql and "-- how far the source is trusted" in sql


def test_the_file_carries_its_own_application_id_and_version(path):
    connection = sqlite3.connect(path)
    assert connection.execute("pragma application_id").fetchone()[0] == 0x61676D31
    assert connection.execute("pragma user_version").fetchone()[0] == schema.newest()


def test_the_stdlib_reads_every_table_without_any_extension(path):
    connection = sqlite3.connect(path)
    names = {row[0] for row in connection.execute("select name from sqlite_schema where type in ('table', 'view')")}
    assert names >= TABLES | {"memories"}
    for name in names:
        connection.execute(f"select * from {name} limit 5").fetchall()
    found = connection.execute(
        "select r.text from records as r join records_fts as f on f.rowid = r.id where records_fts match 'rain'"
    )
    assert found.fetchall() == [("Raining, as always",)]
    assert connection.execute("select speaker, text, occurred from memories limit 1").fetchone() == (
        "Ana",
        "Raining, as always",
        "2026-05-02T09:02:00Z",
    )


def test_there_is_no_vec0_table(path):
    rows = sqlite3.connect(path).execute("select sql from sqlite_schema where sql like '%using%'").fetchall()
    assert [row for row in rows if "fts5" not in row[0]] == []


def test_sqlite_utils_finds_the_full_text_index(path):
    sqlite_utils = pytest.importorskip("sqlite_utils")
    database = sqlite_utils.Database(path)
    assert database["records"].detect_fts() == "records_fts"
    assert [row["text"] for row in database["records"].search("oslo")] == ["I moved to Oslo in May"]
    assert database["records"].count == 3


def test_datasette_opens_it_and_searches(path):
    pytest.importorskip("datasette")
    for query, expected in (("_search=oslo", 1), ("_size=5", 3)):
        url = f"/m/records.json?_shape=array&{query}"
        command = [sys.executable, "-W", "ignore", "-m", "datasette", str(path), "--get", url]
        out = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        assert len(json.loads(out)) == expected


def test_a_newer_schema_is_refused_and_left_alone(path):
    connection = apsw.Connection(str(path))
    connection.pragma("user_version", 99)
    connection.close()
    before = path.read_bytes()
    with pytest.raises(OpenError, match=r"schema 99.*pip install -U agentmem-sqlite"):
        Memory(path)
    assert path.read_bytes() == before
