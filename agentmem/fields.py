"""
The fields of a kind of record: their JSON Schema, checked when it is given, and values checked against it.

    type                            string, number, integer, boolean, array, object, null, or a list of these
    enum                            the values there are
    minLength, maxLength            of text, in characters
    format                          of text: date (2026-03-01) or date-time (2026-03-01T09:00:00Z), RFC 3339
    minimum, maximum                of numbers
    items                           of arrays: the schema of each
    properties, required            of objects: fields with their schemas, and those that must be there
    additionalProperties            of objects: whether others may be there (if not said, they may), or their schema
    title, description, $schema     say nothing about values

Any other keyword is refused: what would not be checked must not look as if it were.

Source: https://json-schema.org/draft/2020-12/json-schema-validation, by which 5.0 is an integer, and a keyword says
nothing about values of another type.
"""

from __future__ import annotations

import dataclasses
import json
import re
import types
import typing
from collections.abc import Callable, Iterable, Mapping
from datetime import date, datetime

from .draft import json_object
from .records import instant, moment

Schema = Mapping[str, typing.Any]
MAX_DEPTH = 16  # schemas in schemas
EXACT = 2**53  # from here on not every whole number is a float

TYPES: dict[str, Callable[[object], bool]] = {
    "string": lambda value: isinstance(value, str),
    "number": lambda value: isinstance(value, int | float) and not isinstance(value, bool),
    "integer": lambda value: TYPES["number"](value) and value == value // 1,  # type: ignore[operator]
    "boolean": lambda value: isinstance(value, bool),
    "array": lambda value: isinstance(value, list),
    "object": lambda value: isinstance(value, dict),
    "null": lambda value: value is None,
}
FORMATS: dict[str, tuple[str, Callable[[str], object], str]] = {  # name → how it looks, what reads it, in words
    "date": (r"\d{4}-\d\d-\d\d", date.fromisoformat, "a date such as 2026-03-01"),
    "date-time": (
        r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)",
        datetime.fromisoformat,
        "a date and time with its zone, such as 2026-03-01T09:00:00Z",
    ),
}
OF_HINT: dict[object, Schema] = {
    str: {"type": "string"},
    int: {"type": "integer"},
    float: {"type": "number"},
    bool: {"type": "boolean"},
    list: {"type": "array"},
    date: {"type": "string", "format": "date"},
    datetime: {"type": "string", "format": "date-time"},
}


# -- schemas --------------------------------------------------------------------------------------------------------


def _are_types(value: object) -> bool:
    return bool(value) and all(isinstance(name, str) and name in TYPES for name in _listed(value))


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _are_names(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(name, str) for name in value)


def _listed(value: object) -> list[typing.Any]:
    return value if isinstance(value, list) else [value]


KEYWORDS: dict[str, tuple[Callable[[object], bool], str]] = {  # name → whether it may be so, and what it takes
    "type": (_are_types, f"one of {', '.join(TYPES)}, or a list of them"),
    "enum": (lambda value: isinstance(value, list) and bool(value), "a list of values"),
    "minLength": (_is_count, "a whole number from 0"),
    "maxLength": (_is_count, "a whole number from 0"),
    "format": (lambda value: isinstance(value, str) and value in FORMATS, f"one of {', '.join(FORMATS)}"),
    "minimum": (TYPES["number"], "a number"),
    "maximum": (TYPES["number"], "a number"),
    "items": (TYPES["object"], "a schema"),
    "properties": (TYPES["object"], "a mapping of fields to schemas"),
    "required": (_are_names, "a list of fields"),
    "additionalProperties": (lambda value: isinstance(value, bool | dict), "true, false or a schema"),
    "title": (TYPES["string"], "text"),
    "description": (TYPES["string"], "text"),
    "$schema": (TYPES["string"], "text"),
}


def checked(schema: object) -> dict[str, typing.Any]:
    """
    Return *schema*, a JSON Schema of an object or a dataclass, as a JSON Schema in plain JSON values.

    Raises:
        TypeError, ValueError: it is none, or has a keyword that is not checked here; the message names the place.
    """
    if isinstance(schema, type) and dataclasses.is_dataclass(schema):
        schema = _of_dataclass(schema)
    if not isinstance(schema, Mapping):
        raise TypeError(f"the schema is a JSON Schema or a dataclass, not {schema!r:.80}")
    clean = _parsed(json_object("the schema", schema), "the schema")
    if clean.get("type", "object") != "object":
        raise ValueError(f'the schema of a record is of type "object", not {clean["type"]!r:.80}')
    _check_schema(clean, "the schema", 0)
    return clean


def _check_schema(schema: Schema, at: str, depth: int) -> None:
    if not isinstance(schema, dict):
        raise TypeError(f"{at} is a mapping of keywords, not {schema!r:.80}")
    if depth > MAX_DEPTH:
        raise ValueError(f"{at:.80}…: the schema is nested more than {MAX_DEPTH} deep")
    for word, value in schema.items():
        if word not in KEYWORDS:
            raise ValueError(f"{at}: {word!r:.80} is not checked by agentmem; there are: {', '.join(KEYWORDS)}")
        fits, takes = KEYWORDS[word]
        if not fits(value):
            raise ValueError(f"{at}: {word} takes {takes}, not {value!r:.80}")
    for name, part in schema.get("properties", {}).items():
        _check_schema(part, f"{at}.{name}", depth + 1)
    for word in ("items", "additionalProperties"):
        if not isinstance(schema.get(word, True), bool):
            _check_schema(schema[word], f"{at}.{word}", depth + 1)


def _of_dataclass(made: type) -> Schema:
    """Return the schema of a dataclass; fields with a default may be left out, and others than its own not be there."""
    try:
        hints = typing.get_type_hints(made)
    except (NameError, TypeError) as error:
        raise ValueError(f"the types of {made.__name__} cannot be read ({error}); give a JSON Schema") from None
    listed = dataclasses.fields(made)
    none = dataclasses.MISSING
    return {
        "type": "object",
        "properties": {each.name: _of_hint(hints[each.name], f"{made.__name__}.{each.name}") for each in listed},
        "required": [each.name for each in listed if each.default is none and each.default_factory is none],
        "additionalProperties": False,
    }


def _of_hint(hint: object, at: str) -> Schema:
    """Return the schema of a type, of the field *at*."""
    if isinstance(hint, type) and hint in OF_HINT:
        return OF_HINT[hint]
    origin, parts = typing.get_origin(hint), typing.get_args(hint)
    if origin is typing.Literal:
        return {"enum": list(parts)}
    if origin is list:
        return {"type": "array", "items": _of_hint(parts[0], at)}
    if origin in (typing.Union, types.UnionType) and len(parts) == 2 and types.NoneType in parts:
        rest = _of_hint(next(part for part in parts if part is not types.NoneType), at)
        return {"enum": [*rest["enum"], None]} if "enum" in rest else {**rest, "type": [rest["type"], "null"]}
    raise TypeError(
        f"{at} is of type {hint}; there are str, int, float, bool, date, datetime, Literal, list[…] and X | None. "
        "A JSON Schema can say more"
    )


# -- values ---------------------------------------------------------------------------------------------------------


def plain(metadata: object) -> dict[str, typing.Any]:
    """Return *metadata* in plain JSON values: a date as ISO 8601, a datetime too, in UTC and to the millisecond."""
    return _parsed(json_object("metadata", metadata, spell=_spell), "metadata")


def _parsed(text: str, name: str) -> dict[str, typing.Any]:
    try:
        return dict(json.loads(text))
    except RecursionError:
        raise ValueError(f"{name} is nested too deep") from None


def _spell(value: object) -> str:
    if isinstance(value, datetime):
        return moment(instant(value)).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    if isinstance(value, date):
        return value.isoformat()
    raise TypeError(f"{value!r:.80} is not one")


def check(schema: Schema, value: typing.Any, at: str) -> None:
    """Raise ValueError where *value*, of plain JSON, does not fit *schema*; the message says where, from *at* on."""
    wanted = _listed(schema.get("type", []))
    if wanted and not any(TYPES[name](value) for name in wanted):
        raise ValueError(f"{at} is of type {' or '.join(wanted)}, not {value!r:.80}")
    if "enum" in schema and canonical(value) not in map(canonical, schema["enum"]):
        raise ValueError(f"{at} is one of {', '.join(map(repr, schema['enum'])):.400}, not {value!r:.80}")
    if isinstance(value, str):
        _check_text(schema, value, at)
    elif isinstance(value, list) and "items" in schema:
        for number, item in enumerate(value):
            check(schema["items"], item, f"{at}[{number}]")
    elif isinstance(value, dict):
        _check_object(schema, value, at)
    elif TYPES["number"](value):
        if "minimum" in schema and value < schema["minimum"]:
            raise ValueError(f"{at} is at least {schema['minimum']}, not {value}")
        if "maximum" in schema and value > schema["maximum"]:
            raise ValueError(f"{at} is at most {schema['maximum']}, not {value}")


def _check_text(schema: Schema, value: str, at: str) -> None:
    least, most = schema.get("minLength", 0), schema.get("maxLength", len(value))
    if not least <= len(value) <= most:
        bound = f"at least {least}" if len(value) < least else f"at most {most}"
        raise ValueError(f"{at} has {bound} characters, not {len(value):,}")
    if "format" in schema and not _is_of(schema["format"], value):
        raise ValueError(f"{at} is {FORMATS[schema['format']][2]}, not {value!r:.80}")


def _is_of(format: str, value: str) -> bool:
    looks, read, _ = FORMATS[format]
    try:
        return re.fullmatch(looks, value, re.ASCII) is not None and read(value) is not None
    except ValueError:
        return False


def _check_object(schema: Schema, value: Mapping[str, object], at: str) -> None:
    known = schema.get("properties", {})
    for name in schema.get("required", ()):
        if name not in value:
            raise ValueError(f"{at}.{name} is missing")
    others = schema.get("additionalProperties", True)
    for name, each in value.items():
        if name in known:
            check(known[name], each, f"{at}.{name}")
        elif others is False:
            raise ValueError(f"{at}.{name:.80} is not one of its fields, which are: {', '.join(known) or 'none'}")
        elif others is not True:
            check(others, each, f"{at}.{name}")


def canonical(value: object) -> str:
    """Return JSON that is the same for equal values: fields in order, 5.0 as 5; 1 and true are not equal."""
    return json.dumps(json.loads(json.dumps(value), parse_float=_shortest), sort_keys=True, ensure_ascii=False)


def _shortest(digits: str) -> float:
    number = float(digits)
    return int(number) if number.is_integer() and abs(number) < EXACT else number


# -- text -----------------------------------------------------------------------------------------------------------


def in_words(fields: Mapping[str, object], names: Iterable[str], text: str = "") -> str:
    """Return *text*, and behind it what it does not hold of the fields *names*: "name: metoprolol; dose: 50 mg"."""
    said = [(name.replace("_", " "), _spoken(fields.get(name))) for name in names]
    held = _words(text)
    rest = "; ".join(f"{name}: {words}" for name, words in said if words and _words(words) not in held)
    return "\n".join(filter(None, (text, rest)))


def _spoken(value: object) -> str:
    if value is None or isinstance(value, bool):
        return {None: "", True: "yes", False: "no"}[value]
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, list) and not any(isinstance(item, list | dict) for item in value):
        return ", ".join(filter(None, map(_spoken, value)))
    return json.dumps(value, ensure_ascii=False)


def _words(text: str) -> str:
    """Return *text* in lower case, each word and sign between spaces: " 5 " is in that of "5 mg", not of "50 mg"."""
    return " ".join(["", *re.findall(r"\w+|[^\w\s]", text.casefold()), ""])
