"""JSON Schema, as far as it goes here, and dataclasses in its place."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any, Literal, Optional

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agentmem import fields

TEXT = {"type": "string"}


def of(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties}


# -- schemas


@pytest.mark.parametrize(
    ("schema", "says"),
    [
        (5, "the schema is a JSON Schema or a dataclass"),
        (int, "the schema is a JSON Schema or a dataclass"),
        ({5: 5}, "name is not a string"),
        ({"type": "array"}, "of type \"object\", not 'array'"),
        ({"oneOf": []}, "the schema: 'oneOf' is not checked"),
        (of(name=True), "the schema.name is a mapping of keywords"),
        (of(items={"x": 1}) | {"items": TEXT}, "the schema.items: 'x' is not checked"),
        (of(name={"typ": "string"}), "the schema.name: 'typ' is not checked"),
        (of(name={"default": 5}), "the schema.name: 'default' is not checked"),
        (of(name="string"), "the schema.name is a mapping of keywords"),
        (of(name={"type": "text"}), "the schema.name: type takes one of string"),
        (of(name={"type": []}), "the schema.name: type takes"),
        (of(name={"type": ["string", 5]}), "the schema.name: type takes"),
        (of(name={"enum": []}), "the schema.name: enum takes a list"),
        (of(name={"enum": "ab"}), "the schema.name: enum takes a list"),
        (of(name={"minLength": -1}), "the schema.name: minLength takes a whole number"),
        (of(name={"maxLength": True}), "the schema.name: maxLength takes a whole number"),
        (of(name={"minimum": "5"}), "the schema.name: minimum takes a number"),
        (of(name={"maximum": float("nan")}), "plain JSON"),
        (of(name={"format": "email"}), "the schema.name: format takes one of date, date-time"),
        (of(name={"pattern": "a+"}), "the schema.name: 'pattern' is not checked by agentmem"),
        (of(name={"items": [TEXT]}), "the schema.name: items takes a schema"),
        (of(tags={"type": "array", "items": {"type": "x"}}), "the schema.tags.items: type takes"),
        (of(who=of(name={"x": 1})), "the schema.who.name: 'x' is not checked"),
        ({"required": "name"}, "the schema: required takes a list of fields"),
        ({"additionalProperties": "no"}, "the schema: additionalProperties takes"),
        ({"additionalProperties": {"x": 1}}, "the schema.additionalProperties: 'x' is not checked"),
        ({"properties": {"a": {"enum": [date(2026, 1, 1)]}}}, "plain JSON"),
        ({"title": "x" * (1 << 24)}, "more than 16,777,216 bytes"),
    ],
)
def test_a_schema_that_would_not_be_checked_is_refused(schema: Any, says: str) -> None:
    with pytest.raises((TypeError, ValueError)) as caught:
        fields.checked(schema)
    assert says in str(caught.value)


def test_a_schema_is_nested_only_so_deep() -> None:
    deep: dict[str, Any] = TEXT
    for _ in range(30):
        deep = {"type": "array", "items": deep}
    with pytest.raises(ValueError, match="more than 16 deep"):
        fields.checked(of(name=deep))
    round_about: dict[str, Any] = {}
    round_about["properties"] = {"self": round_about}
    with pytest.raises(ValueError, match="plain JSON"):
        fields.checked(round_about)


# -- dataclasses


@dataclass
class Case:
    name: str
    pages: int
    weight: float
    open: bool
    decided: date
    read_at: datetime
    court: Literal["district", "supreme"]
    issues: list[str]
    notes: list  # type: ignore[type-arg]
    judge: str | None
    chance: Optional[float] = None  # noqa: UP045
    side: Literal[1, 2] | None = None
    tags: list[str] = field(default_factory=list)


def test_a_dataclass_is_a_schema() -> None:
    schema = fields.checked(Case)
    assert schema["properties"] == {
        "name": TEXT,
        "pages": {"type": "integer"},
        "weight": {"type": "number"},
        "open": {"type": "boolean"},
        "decided": {"type": "string", "format": "date"},
        "read_at": {"type": "string", "format": "date-time"},
        "court": {"enum": ["district", "supreme"]},
        "issues": {"type": "array", "items": TEXT},
        "notes": {"type": "array"},
        "judge": {"type": ["string", "null"]},
        "chance": {"type": ["number", "null"]},
        "side": {"enum": [1, 2, None]},
        "tags": {"type": "array", "items": TEXT},
    }
    assert schema["required"] == [each.name for each in dataclasses.fields(Case)][:10]
    assert schema["additionalProperties"] is False
    assert fields.checked(schema) == schema


def test_what_a_dataclass_holds_fits_its_schema() -> None:
    case = Case(
        "Roe", 5, 1, True, date(1973, 1, 22), datetime(2026, 3, 1, tzinfo=UTC), "supreme", ["privacy"], [], None
    )
    values = fields.plain(vars(case))
    fields.check(fields.checked(Case), values, "case")
    assert (values["decided"], values["read_at"]) == ("1973-01-22", "2026-03-01T00:00:00.000Z")


def test_a_type_that_makes_no_schema_is_refused_by_name() -> None:
    @dataclass
    class Odd:
        name: dict[str, int]

    with pytest.raises(TypeError, match=r"Odd.name is of type dict\[str, int\]"):
        fields.checked(Odd)
    Odd.__annotations__["name"] = "Nowhere"
    with pytest.raises(ValueError, match="types of Odd cannot be read"):
        fields.checked(Odd)


# -- values


@pytest.mark.parametrize(
    ("schema", "good", "bad", "says"),
    [
        ({"type": "string"}, ["", "ü"], [5, None, [], {}], "k.f is of type string, not"),
        ({"type": "number"}, [5, -1.5, 10**400], ["5", True, None], "k.f is of type number, not"),
        ({"type": "integer"}, [5, 5.0, -0.0, 10**400], [5.5, True, "5"], "k.f is of type integer, not"),
        ({"type": "boolean"}, [True, False], [0, 1, "yes"], "k.f is of type boolean, not"),
        ({"type": "array"}, [[], [1, "a"]], ["a", {}], "k.f is of type array, not"),
        ({"type": "object"}, [{}, {"a": 1}], ["a", []], "k.f is of type object, not"),
        ({"type": ["string", "null"]}, ["a", None], [5, False], "k.f is of type string or null, not"),
        (
            {"enum": [1, "a", None, [1]]},
            [1, 1.0, "a", None, [1.0]],
            [True, "A", 0, [True]],
            "k.f is one of 1, 'a', None",
        ),
        ({"minLength": 2}, ["ab", "éé", 5, None], ["", "a"], "k.f has at least 2 characters, not"),
        ({"maxLength": 2}, ["", "ab", [1, 2, 3]], ["abc"], "k.f has at most 2 characters, not 3"),
        ({"minimum": 2}, [2, 2.5, "1", True], [1, -5, 1.99], "k.f is at least 2, not"),
        ({"maximum": 2.5}, [2.5, -1, "3"], [3, 2.51], "k.f is at most 2.5, not"),
        (
            {"format": "date"},
            ["2026-03-01", "2024-02-29", 5],
            ["2026-3-1", "20260301", "2026-02-29", "2026-W10-1", "2026-03-01T00:00:00Z", "", "٢٠٢٦-03-01"],
            "k.f is a date such as 2026-03-01, not",
        ),
        (
            {"format": "date-time"},
            ["2026-03-01T09:00:00Z", "2026-03-01T09:00:00.5+02:00", "2026-03-01T09:00:00.123456789-11:30"],
            ["2026-03-01", "2026-03-01T09:00:00", "2026-03-01T25:00:00Z", "2026-03-01 09:00:00Z", "now"],
            "k.f is a date and time with its zone",
        ),
        ({"items": TEXT}, [[], ["a"], "a"], [["a", 5]], "k.f[1] is of type string, not 5"),
        (of(name=TEXT), [{}, {"name": "a", "x": 1}], [{"name": 5}], "k.f.name is of type string, not 5"),
        ({"required": ["name"]}, [{"name": None}], [{}, {"Name": 1}], "k.f.name is missing"),
        ({"additionalProperties": False}, [{}], [{"x": 1}], "k.f.x is not one of its fields, which are: none"),
        ({"additionalProperties": TEXT}, [{"x": "a"}], [{"x": 1}], "k.f.x is of type string, not 1"),
        (
            of(doses={"type": "array", "items": of(amount={"minimum": 0})}),
            [{"doses": [{"amount": 0}]}],
            [{"doses": [{"amount": 1}, {"amount": -1}]}],
            "k.f.doses[1].amount is at least 0, not -1",
        ),
    ],
)
def test_a_value_fits_or_the_error_names_its_field(schema: Any, good: list[Any], bad: list[Any], says: str) -> None:
    clean = fields.checked(of(f=schema))
    for value in good:
        fields.check(clean, {"f": value}, "k")
    for value in bad:
        with pytest.raises(ValueError) as caught:
            fields.check(clean, {"f": value}, "k")
        assert says in str(caught.value), value


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


def described(value: Any) -> dict[str, Any]:
    """Return the narrowest schema that *value* fits."""
    if isinstance(value, dict):
        parts = {name: described(part) for name, part in value.items()}
        return {"type": "object", "properties": parts, "required": [*value], "additionalProperties": False}
    if isinstance(value, list):
        return {"type": "array", "items": described(value[0])} if len(value) == 1 else {"type": "array"}
    if isinstance(value, str):
        return {"type": "string", "minLength": len(value), "maxLength": len(value), "enum": [value]}
    if isinstance(value, int | float) and not isinstance(value, bool):
        return {"type": "number", "minimum": value, "maximum": value}
    return {"enum": [value]}


@settings(max_examples=300, deadline=None, database=None)
@given(st.dictionaries(st.text(max_size=5), VALUES, max_size=4), VALUES)
def test_a_value_fits_its_own_schema_and_no_other_does(value: dict[str, Any], other: Any) -> None:
    schema = described(value)
    fields._check_schema(schema, "schema", 0)
    fields.check(json.loads(json.dumps(schema)), value, "value")
    for name, part in value.items():
        if type(other) is not type(part) and not (fields.TYPES["number"](other) and fields.TYPES["number"](part)):
            with pytest.raises(ValueError, match=r"value\."):
                fields.check(schema, {**value, name: other}, "value")
    with pytest.raises(ValueError, match=r"value\."):
        fields.check(schema, {**value, "another name": other}, "value")


@settings(max_examples=300, deadline=None, database=None)
@given(VALUES)
def test_equal_values_have_one_canonical_form(value: Any) -> None:
    assert fields.canonical(json.loads(fields.canonical(value))) == fields.canonical(value)
    assert fields.canonical([value, 5.0]) == fields.canonical([value, 5])
    assert fields.canonical({"a": value, "b": 1}) == fields.canonical({"b": 1, "a": value})
    assert fields.canonical(True) != fields.canonical(1)


def test_dates_are_spelt_in_utc() -> None:
    here = timezone(timedelta(hours=2))
    assert fields.plain(
        {"a": date(2026, 3, 1), "b": [datetime(2026, 3, 1, 1, tzinfo=here)], "c": datetime(2026, 3, 1)}
    ) == {
        "a": "2026-03-01",
        "b": ["2026-02-28T23:00:00.000Z"],
        "c": "2026-03-01T00:00:00.000Z",
    }
    with pytest.raises(ValueError, match="metadata must be plain JSON values"):
        fields.plain({"a": b"bytes"})


# -- text


def test_fields_in_words() -> None:
    values = {
        "name": "metoprolol",
        "dose_mg": 50,
        "taken": True,
        "for": ["heart", "sleep"],
        "until": None,
        "by": {"a": 1},
    }
    assert (
        fields.in_words(values, values) == 'name: metoprolol; dose mg: 50; taken: yes; for: heart, sleep; by: {"a": 1}'
    )
    assert fields.in_words(values, ["nothing", "until"]) == ""


def test_what_a_text_holds_is_not_said_again() -> None:
    values = {"name": "metoprolol", "dose": 5}
    assert fields.in_words(values, values, "Metoprolol, 5 a day") == "Metoprolol, 5 a day"
    assert fields.in_words(values, values, "metoprolol, 50 a day") == "metoprolol, 50 a day\ndose: 5"
    assert fields.in_words(values, [], "a text") == "a text"
    assert fields.in_words({"of": "C++"}, ["of"], "C") == "C\nof: C++"
    long = {"of": "a " * 20_000 + "b"}
    assert fields.in_words(long, ["of"], "a " * 90_000).endswith("a b")


@settings(max_examples=300, deadline=None, database=None)
@given(st.dictionaries(st.text(max_size=4), VALUES, max_size=4), st.text(max_size=10))
def test_words_are_put_behind_a_text_once(values: dict[str, Any], text: str) -> None:
    once = fields.in_words(values, values, text)
    assert fields.in_words(values, values, once) == once
