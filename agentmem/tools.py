"""
Pure: the tools by which a model edits its memory, what it may say to them, and how what they found is told.

A model fills in arguments and nothing else: whose memory it is, and how far what it writes is trusted, is for the
calling code to say.  What was found is data: a record is one line of JSON, which no text in it can end or imitate.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from . import fields
from .draft import json_object
from .records import Record

LIMIT = 5  # records that a search returns, where the model does not say
MOST = 20  # records that it may ask for
MAX_INSERT = 4_000  # characters of what a model may insert at once: a statement, not a document
MAX_ANSWER = 8_000  # characters of an answer, about 2,000 tokens
DOUBTED = 0.5  # records trusted less say so
FORMATS = ("openai", "anthropic", "json-schema")
# What ends a tag or a turn in prompts, turns the direction of writing, or a terminal obeys: written as \uXXXX.
UNSAFE = re.compile("<(?=[A-Za-z/|!?])|[\x7f-\x9f\u00ad\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff"
                    "\ufff9-\ufffb\U000e0000-\U000e007f]")  # fmt: skip

_TEXT = {"type": "string"}
_LIMIT = {"type": "integer", "minimum": 1, "maximum": MOST, "description": f"default {LIMIT}"}
_DAY = {"type": "string", "format": "date"}
_SPAN = {"since": {**_DAY, "description": "first day"}, "until": {**_DAY, "description": "last day"}}


def _object(required: Sequence[str], properties: Mapping[str, object]) -> fields.Schema:
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


TOOLS: dict[str, tuple[str, fields.Schema]] = {  # name → what it does, JSON Schema of its arguments
    "core_memory_append": (
        "Add a line to a core memory block, which is always in view. Blocks are small: only what matters every time.",
        _object(["label", "content"], {"label": _TEXT, "content": _TEXT}),
    ),
    "core_memory_replace": (
        "Correct a core memory block: replace old_content, which must be in it word for word and once. "
        'new_content "" removes it.',
        _object(
            ["label", "old_content", "new_content"],
            {"label": _TEXT, "old_content": _TEXT, "new_content": _TEXT},
        ),
    ),
    "memory_search": (
        "Search all that is remembered, by words and meaning. Use it before saying that you do not know.",
        _object(["query"], {"query": _TEXT, "limit": _LIMIT, **_SPAN}),
    ),
    "memory_insert": (
        "Remember something lasting for later conversations, in a sentence clear by itself: names, no pronouns.",
        _object(["content"], {"content": {**_TEXT, "maxLength": MAX_INSERT}}),
    ),
    "memory_forget": (
        "Erase records for good. The first call erases nothing: it returns what would go and a confirmation. Ask the "
        "person; only if they agree, call again with the same ids and the confirmation.",
        _object(
            ["ids"],
            {
                "ids": {"type": "array", "items": _TEXT, "description": f"1 to {MOST} ids from a search"},
                "confirmation": _TEXT,
            },
        ),
    ),
    "conversation_search": (
        "Search what was said in conversations, also long ago. Without query, the latest.",
        _object([], {"query": _TEXT, "limit": _LIMIT, **_SPAN}),
    ),
}


def definitions(format: str) -> list[dict[str, Any]]:
    """Return the tools as *format* has them; ValueError where there is no such format."""
    if format == "openai":
        return [
            {"type": "function", "function": {"name": name, "description": does, "parameters": _copy(schema)}}
            for name, (does, schema) in TOOLS.items()
        ]
    if format == "anthropic":
        return [
            {"name": name, "description": does, "input_schema": _copy(schema)} for name, (does, schema) in TOOLS.items()
        ]
    if format == "json-schema":
        return [{"title": name, "description": does, **_copy(schema)} for name, (does, schema) in TOOLS.items()]
    raise ValueError(f"format is one of {', '.join(FORMATS)}, not {format!r:.80}")


def _copy(schema: fields.Schema) -> dict[str, Any]:
    return dict(json.loads(json.dumps(schema)))  # the caller may change what it gets


def checked(name: object, arguments: object) -> dict[str, Any]:
    """
    Return the arguments of a call, plain and as the tool's schema has them.

    Args:
        arguments: a mapping, or JSON of one; None and blank text are none.  A null says that an argument is left out.

    Raises:
        TypeError, ValueError: there is no such tool, or an argument is not what it should be; the message names it.
    """
    if not isinstance(name, str) or name not in TOOLS:
        raise ValueError(f"there is no tool {name!r:.80}; there are: {', '.join(TOOLS)}")
    schema = TOOLS[name][1]
    given = _read(name, arguments)
    optional = schema["properties"].keys() - set(schema["required"])
    said = {field: value for field, value in given.items() if value is not None or field not in optional}
    fields.check(schema, said, name)
    for field in said.keys() & {"content", "query", "label"}:
        if not said[field].strip():
            raise ValueError(f"{name}.{field} is blank")
    return said


def _read(name: str, arguments: object) -> dict[str, Any]:
    what = f"the input of {name}"
    try:
        if isinstance(arguments, str):
            arguments = json.loads(arguments) if arguments.strip() else {}
        # Through JSON in any case: what is no plain value, text that cannot be stored, and too much stop here.
        return dict(json.loads(json_object(what, {} if arguments is None else arguments)))
    except RecursionError:
        raise ValueError(f"{what} is nested too deep") from None
    except json.JSONDecodeError as error:
        raise ValueError(f"{what} is not JSON: {error}") from None


def told(records: Sequence[Record], reader: str) -> str:
    """
    Return records, a line of JSON each, within MAX_ANSWER characters together: the fewer, the more of each.

    Args:
        reader: the user; what others shared with him says so.
    """
    room = MAX_ANSWER // max(len(records), 1) - 1
    return "\n".join(_line(record, reader, room) for record in records)


def _line(record: Record, reader: str, room: int) -> str:
    about = {
        "id": record.id,
        "at": f"{record.occurred_at:%Y-%m-%d %H:%M}" if record.occurred_at else None,
        "by": (record.speaker or record.role)[:40],
        **({} if record.user == reader else {"shared by": (record.user or "the default user")[:40]}),
        **({"trust": record.trust} if record.trust < DOUBTED else {}),
    }
    text = record.text
    while len(line := _json({**about, "text": text})) > room and text != "…":
        text = text[: min(len(text) * room // len(line), len(text) - 2)] + "…"  # escapes are longer than what they say
    return line


def _json(value: object) -> str:
    return UNSAFE.sub(_escaped, json.dumps(value, ensure_ascii=False))


def _escaped(found: re.Match[str]) -> str:
    return "".join(f"\\u{unit}" for unit in re.findall("....", found[0].encode("utf-16-be").hex()))
