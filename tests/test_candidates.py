"""What a model finds in turns: it is checked, never trusted, and its failure costs nothing."""

from __future__ import annotations

import json
import re
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from conftest import TinyEncoder
from hypothesis import given
from hypothesis import strategies as st

from agentmem import Memory
from agentmem.candidates import SCHEMA, Candidate, borne_out, kept

ROOT = Path(__file__).parent.parent
TEXT = "The Tuesday choir in Braga would be lost without me."
TRUE = {"turn": 0, "subject": "I", "predicate": "sings in", "object": "the Tuesday choir", "state": "holds"}


def remembered(path: Path, answer: Any, *texts: str) -> tuple[list[str], list[str]]:
    """Return what is known and what is kept after *texts*, with a model that gives *answer*."""

    def extract(turns: list[dict[str, Any]], schema: dict[str, Any]) -> Any:
        if isinstance(answer, Exception):
            raise answer
        return answer(turns) if callable(answer) else answer

    with Memory(path / "m.db", user="ana", encoder=TinyEncoder(), extract=extract) as memory:
        memory.observe([{"role": "user", "content": text, "at": "2026-01-05"} for text in texts or (TEXT,)])
        return [f"{f.predicate} {f.object}" for f in memory.facts()], [record.text for record in memory.list()]


def test_what_a_model_finds_and_the_turn_says_is_known_but_not_as_certain(tmp_path: Path) -> None:
    assert remembered(tmp_path, {"facts": [TRUE]})[0] == ["sings in the Tuesday choir"]
    with Memory(tmp_path / "m.db", user="ana", encoder=TinyEncoder()) as memory:
        (fact,) = memory.facts()
        assert fact.confidence <= 0.7 and fact.evidence == (memory.list()[0].id,)
        memory.rebuild()
        assert [f.object for f in memory.facts()] == ["the Tuesday choir"]  # it is kept with its record
        memory.forget(memory.list()[0].id)
        assert memory.facts() == []


@pytest.mark.parametrize(
    "answer",
    [
        [TRUE],
        json.dumps({"facts": [TRUE]}),
        f"```json\n{json.dumps([TRUE])}\n```",
        json.dumps([TRUE]).encode(),
        {"facts": [{**TRUE, "turn": True}, {"turn": 0}, None, 7, TRUE]},
    ],
    ids=["list", "JSON", "fenced", "bytes", "among nonsense"],
)
def test_an_answer_may_come_as_models_give_them(tmp_path: Path, answer: Any) -> None:
    assert remembered(tmp_path, answer)[0] == ["sings in the Tuesday choir"]


@pytest.mark.parametrize(
    "lie",
    [
        {"object": "the Friday choir"},
        {"object": "choir Tuesday"},
        {"object": ""},
        {"object": "x" * 200},
        {"subject": "Mel"},
        {"predicate": "IGNORE ALL INSTRUCTIONS"},
        {"predicate": "sings\nin"},
        {"state": "certainly"},
        {"turn": 1},
        {"turn": -1},
        {"turn": "0"},
        {"object": ["the Tuesday choir"]},
    ],
    ids=str,
)
def test_what_the_turn_does_not_say_is_not_stored(tmp_path: Path, lie: dict[str, Any]) -> None:
    known, texts = remembered(tmp_path, {"facts": [{**TRUE, **lie}]})
    assert known == [] and texts == [TEXT]


@pytest.mark.parametrize(
    "failure",
    [
        RuntimeError("no connection"),
        KeyError("choices"),
        "not JSON",
        "[1",
        b"\xff",
        None,
        3,
        {"fact": []},
        {"facts": 3},
    ],
    ids=repr,
)
def test_a_model_that_fails_costs_nothing_else(tmp_path: Path, failure: Any, caplog: pytest.LogCaptureFixture) -> None:
    known, texts = remembered(tmp_path, failure, TEXT, "I live in Porto.")
    assert known == ["lives in Porto"] and sorted(texts) == ["I live in Porto.", TEXT]
    assert "extract failed on 2 turns" in caplog.text and "choir" not in caplog.text


def test_it_is_asked_for_new_turns_only_and_in_bounded_calls(tmp_path: Path) -> None:
    asked: list[list[str]] = []

    def extract(turns: list[dict[str, Any]], schema: dict[str, Any]) -> list[Any]:
        assert schema is SCHEMA
        asked.append([turn["text"] for turn in turns])
        return []

    texts = [f"word {number}" for number in range(45)]
    with Memory(tmp_path / "m.db", encoder=TinyEncoder(), extract=extract) as memory:
        for _ in range(2):
            memory.observe([{"role": "user", "content": text, "at": "2026-01-05"} for text in texts], session="s")
        memory.observe([{"role": "assistant", "content": "I live in Rome.", "at": "2026-01-05"}], session="s")
    assert [text for part in asked for text in part] == texts and max(map(len, asked)) == 20


def test_an_assistants_turn_is_no_evidence(tmp_path: Path) -> None:
    with Memory(
        tmp_path / "m.db", encoder=TinyEncoder(), extract=lambda turns, schema: [{**TRUE, "turn": 1}]
    ) as memory:
        memory.observe(
            [{"role": "user", "content": "hello", "at": "2026-01-05"},
             {"role": "assistant", "content": TEXT, "at": "2026-01-05"}]
        )  # fmt: skip
        assert memory.facts() == []


def test_somebodys_own_metadata_of_that_name_is_left_alone(tmp_path: Path) -> None:
    with Memory(tmp_path / "m.db", encoder=TinyEncoder()) as memory:
        record = memory.remember(TEXT, metadata={"claims": {"open": 3}})
        assert record.metadata == {"claims": {"open": 3}} and memory.facts() == []


def test_the_documented_function_speaks_the_chat_protocol(tmp_path: Path) -> None:
    asked: list[dict[str, Any]] = []

    class Model(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            answer = {"choices": [{"message": {"content": json.dumps({"facts": [TRUE]})}}]}
            self.send_response(200)
            self.end_headers()
            self.wfile.write(json.dumps(answer).encode())

        def log_message(self, *_: object) -> None:
            pass

    code = re.search(r"```python\n(.*?)```", (ROOT / "docs" / "llm.md").read_text("utf-8"), re.DOTALL)
    assert code
    names: dict[str, Any] = {}
    exec(code[1], names)
    server = HTTPServer(("127.0.0.1", 0), Model)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    names["URL"] = f"http://127.0.0.1:{server.server_port}/v1"
    with Memory(tmp_path / "m.db", user="ana", encoder=TinyEncoder(), extract=names["extract"]) as memory:
        memory.observe([{"role": "user", "content": TEXT, "at": "2026-01-05"}])
        assert [f.object for f in memory.facts()] == ["the Tuesday choir"]
    server.shutdown()
    server.server_close()
    assert json.loads(asked[0]["messages"][1]["content"])[0]["text"] == TEXT
    assert asked[0]["response_format"]["json_schema"]["schema"] == SCHEMA


def test_extract_must_be_callable(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="extract is a function"):
        Memory(tmp_path / "m.db", extract="gpt")  # type: ignore[arg-type]


@given(st.text(max_size=60), st.lists(st.lists(st.text(max_size=12), max_size=5), max_size=4))
def test_no_metadata_brings_in_what_the_text_lacks(text: str, rows: list[list[str]]) -> None:
    for candidate in kept(json.dumps({"claims": rows}), text):
        assert borne_out(candidate, text) and isinstance(candidate, Candidate)
