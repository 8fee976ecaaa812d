"""
Who may see what: one SQL predicate over the alias `r` of `records`, carried by every read.

A scope is (user, agent, session).  The user always counts: reads and writes without one belong to the default
user "".  An agent or a session narrows a read only when it is named.  The predicate filters *before* ranking, so
that another user's nearer records can never crowd out one's own.

Between users everything is denied but what one granted to another: a read sees that too, a write never does.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from .records import FIRST_INSTANT, LAST_INSTANT, Instant, instant
from .words import is_unicode

Value = object  # what SQLite binds: str, int, float, bytes, None, and `db.bound`'s arrays
MAX_NAME = 512  # characters of a user, agent or session
MAX_DEPTH = 16  # levels of AND, OR and NOT in a filter
MAX_CONDITIONS = 500  # of a filter; SQLite takes expressions up to 1,000 deep


@dataclass(frozen=True, slots=True)
class Scope:
    """Whose memory: "" is the default user, no particular agent, outside any conversation."""

    user: str = ""
    agent: str = ""
    session: str = ""

    def __post_init__(self) -> None:
        for name in ("user", "agent", "session"):
            value = getattr(self, name)
            if not isinstance(value, str):
                raise TypeError(f"{name} is a string, not {value!r}")
            if len(value) > MAX_NAME or "\0" in value or (not value.isascii() and not is_unicode(value)):
                raise ValueError(f"{name} is at most {MAX_NAME} characters of text, without NUL: {value[:40]!r}")

    def narrowed(self, user: str | None = None, agent: str | None = None, session: str | None = None) -> Scope:
        """Return this scope with those fields put in its place that are given; None is not given, "" is nobody."""
        return Scope(
            self.user if user is None else user,
            self.agent if agent is None else agent,
            self.session if session is None else session,
        )

    @property
    def owns(self) -> Predicate:
        """The rows of the table `scopes` that are in this scope."""
        bindings: dict[str, Value] = {"user": self.user}
        bindings |= {name: value for name in ("agent", "session") if (value := getattr(self, name))}
        return Predicate(" and ".join(f"{name} = :{name}" for name in bindings), bindings)

    @property
    def exactly(self) -> Predicate:
        """The rows of just this user, agent and session."""
        return Predicate(
            "user = :user and agent = :agent and session = :session",
            {"user": self.user, "agent": self.agent, "session": self.session},
        )

    @property
    def shares(self) -> Predicate:
        """The rows that this scope has in view: its own, and those of the user that name no agent or no session."""
        return Predicate("user = :user and agent in ('', :agent) and session in ('', :session)", self.exactly.bindings)


NOBODY = Scope()


@dataclass(frozen=True, slots=True)
class Predicate:
    """A condition in SQL over the alias `r` of `records`, and the values that it binds."""

    sql: str
    bindings: Mapping[str, Value]


@dataclass(frozen=True, slots=True)
class Granted:
    """What somebody else lets a read see of his."""

    owner: Scope  # an agent or session of "" is any
    kinds: str | None  # a JSON list; None is all
    where: str | None  # a filter over metadata, as JSON; None is all


@dataclass(frozen=True, slots=True)
class Seen(Predicate):
    """What a read may see: what fits, of its own scope and of what was granted to it."""

    scope: Scope
    fits: Predicate
    granted: tuple[Granted, ...] = ()

    def with_granted(self, granted: Sequence[Granted]) -> Seen:
        """Return this with what was *granted*; itself where that is nothing."""
        if not granted:
            return self
        whole = _joined(_granted(granted, self.scope), self.fits)
        return replace(self, sql=whole.sql, bindings=whole.bindings, granted=tuple(granted))

    @property
    def whole(self) -> Seen:
        """All that is the reader's own or granted to him, whether or not it fits."""
        return within(self.scope).with_granted(self.granted)

    def by_owner(self) -> Iterator[tuple[str | None, Predicate]]:
        """Yield what is seen of each owner by himself: first what is the reader's own, as None; then by user."""
        yield None, _joined(_of(self.scope), self.fits)
        for user in sorted({each.owner.user for each in self.granted}):
            yield user, _joined(_granted([each for each in self.granted if each.owner.user == user]), self.fits)


def _of(scope: Scope) -> Predicate:
    return Predicate(f"r.scope in (select id from scopes where {scope.owns.sql})", scope.owns.bindings)


def _joined(whose: Predicate, fits: Predicate) -> Predicate:
    return Predicate(whose.sql + fits.sql, {**whose.bindings, **fits.bindings})


def _granted(granted: Sequence[Granted], own: Scope | None = None) -> Predicate:
    """
    Return the rows that are *granted*, and those of the scope *own*.

    All scopes come first, by which SQLite finds the rows; then what each group of owners has granted of them, which it
    looks at row by row: of many conditions it would make a plan for longer than reading takes.
    """
    owners: dict[tuple[str | None, str | None], list[Scope]] = {}
    for each in granted:
        owners.setdefault((each.kinds, each.where), []).append(each.owner)
    groups: dict[tuple[Scope, ...], list[tuple[str | None, str | None]]] = {}
    for what, whose in owners.items():
        groups.setdefault(tuple(whose), []).append(what)
    bindings: dict[str, Value] = {}
    first = "" if own is None else f"select id from scopes where {own.owns.sql}"
    clauses = [] if own is None else [f"+r.scope in ({first})"]
    bindings |= {} if own is None else own.owns.bindings
    for number, (those, whats) in enumerate(groups.items()):
        name = f"g{number}"
        bindings[name] = json.dumps([[one.user, one.agent, one.session] for one in those])
        fitting = [_fitting(*what, f"{name}w{place}_") for place, what in enumerate(whats)]
        for fits in fitting:
            bindings |= fits.bindings
        any_of = _balanced("or", [fits.sql for fits in fitting])
        clauses.append(f"(+r.scope in ({_OWNED.format(name=name)}) and {any_of})")
    scopes = " union all ".join([*([first] if first else []), _OWNED.format(name="g")])
    bindings["g"] = json.dumps(sorted({(each.owner.user, each.owner.agent, each.owner.session) for each in granted}))
    return Predicate(f"r.scope in ({scopes}) and {_balanced('or', clauses)}", bindings)


_OWNED = """select s.id from json_each(:{name}) as o cross join scopes as s
    on s.user = o.value ->> 0 and o.value ->> 1 in ('', s.agent) and o.value ->> 2 in ('', s.session)"""


def _fitting(kinds: str | None, where: str | None, prefix: str) -> Predicate:
    """Return what fits a grant of *kinds* and of the filter *where*, both JSON."""
    wanted = Predicate("true", {}) if where is None else metadata_filter(json.loads(where), prefix)
    if kinds is None:
        return wanted
    sql = f"(r.kind in (select value from json_each(:{prefix}k)) and {wanted.sql})"
    return Predicate(sql, {**wanted.bindings, f"{prefix}k": kinds})


def _balanced(word: str, parts: Sequence[str]) -> str:
    """Join *parts* as a tree, not as a chain: SQLite takes expressions up to 1,000 deep."""
    if len(parts) < 3:
        return _join(word, list(parts), "false")
    half = len(parts) // 2
    return f"({_balanced(word, parts[:half])} {word} {_balanced(word, parts[half:])})"


def check_share(name: str, value: object) -> float:
    """Return *value* as a float from 0 to 1; TypeError or ValueError where it is not one."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{name} is a number from 0 to 1, not {value!r:.80}")
    if not 0 <= value <= 1:
        raise ValueError(f"{name} is a number from 0 to 1, not {value!r}")
    return float(value)


def check_count(name: str, value: object, lowest: int, highest: int = (1 << 63) - 1) -> None:
    """Raise TypeError or ValueError where *value* is not a whole number from *lowest* to *highest*."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{name} is a whole number, not {value!r}")
    if not lowest <= value <= highest:
        raise ValueError(f"{name} is from {lowest} to {highest:,}, not {value:,}")


def check_days(name: str, value: object) -> float:
    """Return *value*, a number above 0, as a float; ValueError where it is not one."""
    large = isinstance(value, int) and value.bit_length() > 1000  # more than a float can hold
    if isinstance(value, bool) or not isinstance(value, int | float) or not value > 0 or large:
        raise ValueError(f"{name} is a number of days above 0, not {value!r:.80}")
    return float(value)


def within(
    scope: Scope, *, now: int | None = None, where: Mapping[str, object] | None = None, active: bool = False
) -> Seen:
    """The rows of *scope* that fit *where*; with *now*, without those expired by then; with *active*, as they hold."""
    sql = ""
    bindings: dict[str, Value] = {}
    if now is not None:
        sql += " and (r.expires_at is null or r.expires_at > :now)"
        bindings["now"] = now
    if active:
        sql += " and r.status = 'active'"
    if where is not None:
        wanted = metadata_filter(where)
        sql += f" and {wanted.sql}"
        bindings.update(wanted.bindings)
    return _seen(scope, sql, bindings)


def _seen(scope: Scope, fits: str, bindings: Mapping[str, Value]) -> Seen:
    whole = _joined(_of(scope), Predicate(fits, bindings))
    return Seen(whole.sql, whole.bindings, scope, Predicate(fits, bindings))


def visible(
    scope: Scope,
    *,
    now: int,
    kinds: Sequence[str] | None = None,
    where: Mapping[str, object] | None = None,
    since: Instant | None = None,
    until: Instant | None = None,
    as_of: Instant | None = None,
    min_trust: float = 0.0,
    without: Sequence[str] = (),
) -> Seen:
    """
    What a read of *scope* sees of its own; see `Seen.with_granted` for what is others'.

    Args:
        now: UTC milliseconds; records that expired by then are out.
        kinds: only these kinds; None is all.
        where: a filter over metadata, see `metadata_filter`.
        since, until: only what occurred, or speaks of a time, in since <= t < until.
        as_of: what held at that moment, superseded since or not; None is what is active now.
        min_trust: 0..1.
        without: topics; what speaks of one of them is out.
    """
    fits = within(scope, now=now, where=where, active=as_of is None).fits
    clauses, bindings = [fits.sql], dict(fits.bindings)
    if as_of is not None:
        clauses.append("r.valid_from <= :as_of and (r.valid_to is null or r.valid_to > :as_of)")
        bindings["as_of"] = instant(as_of)
    if kinds is not None:
        clauses.append(_OF_KINDS)
        bindings["kinds"] = _listed_kinds(kinds)
    if since is not None or until is not None:
        # Without a bound on one side, that one is beyond every time.
        bindings["since"] = FIRST_INSTANT if since is None else instant(since)
        bindings["until"] = LAST_INSTANT + 1 if until is None else instant(until)
        clauses.append(
            """:since < :until and (r.occurred_at >= :since and r.occurred_at < :until or exists (
            select 1 from times as t where t.id = r.id and t.until > :since and t.since < :until))"""
        )
    if check_share("min_trust", min_trust) > 0:
        clauses.append("r.trust >= :min_trust")
        bindings["min_trust"] = min_trust
    if without:
        clauses.append(
            "r.id not in (select id from topics where topic in (select value from json_each(:without_topics)))"
        )
        bindings["without_topics"] = json.dumps(list(without))
    return _seen(scope, " and ".join(clauses), bindings)


def spent(scope: Scope, *, now: int, kinds: Sequence[str] | None = None, superseded: bool = False) -> Seen:
    """The rows of *scope* that have expired by *now*; with *superseded*, those too whose place another has taken."""
    replaced = "r.status = 'superseded'" if superseded else "false"
    fits = f" and (r.expires_at <= :now or {replaced})"
    bindings: dict[str, Value] = {"now": now}
    if kinds is not None:
        fits += f" and {_OF_KINDS}"
        bindings["kinds"] = _listed_kinds(kinds)
    return _seen(scope, fits, bindings)


def stale(scope: Scope, kind: str, *, before: int) -> Seen:
    """The rows of *scope* and *kind* that hold and were stored before then, in UTC milliseconds."""
    fits = " and r.status = 'active' and r.kind = :kind and r.recorded_at < :before"
    return _seen(scope, fits, {"kind": kind, "before": before})


_OF_KINDS = "r.kind in (select value from json_each(:kinds))"


def _listed_kinds(kinds: Sequence[str]) -> str:
    if not isinstance(kinds, list | tuple | set | frozenset) or not all(isinstance(kind, str) for kind in kinds):
        raise TypeError(f"kinds is a list of strings, such as ['note'], not {kinds!r:.80}")
    return json.dumps(list(kinds))


def metadata_filter(where: Mapping[str, object], prefix: str = "w") -> Predicate:
    """
    Turn a filter over metadata into SQL, whose bindings' names begin with *prefix*.

    {"field": value} asks for equality, {"field": {"gte": 3, "lt": 9}} for all of its operators:
    eq ne in nin gt gte lt lte contains icontains (mem0's names).  `contains` looks for a substring of text, or for
    an element of a list.  Text is compared with text, and numbers with numbers (True is 1, False is 0).
    {"AND": [filter, …]}, {"OR": […]} and {"NOT": filter or […]} combine.  Several keys of one mapping must all hold.
     A record without the field fulfils only `ne`, `nin` and `eq: None`.

    Raises:
        TypeError, ValueError: an unknown operator, or a value that the operator cannot take.
    """
    return _Compiler(prefix).compile(where)


class _Compiler:
    """Holds the bindings while a filter is walked; every value of the caller's is bound, never spliced."""

    def __init__(self, prefix: str) -> None:
        self.prefix = prefix
        self.bindings: dict[str, Value] = {}
        self.conditions = 0

    def compile(self, where: Mapping[str, object]) -> Predicate:
        return Predicate(self.all_of(where, 0), self.bindings)

    def bind(self, value: Value) -> str:
        name = f"{self.prefix}{len(self.bindings)}"
        self.bindings[name] = value
        return f":{name}"

    def all_of(self, where: object, depth: int) -> str:
        if not isinstance(where, Mapping):
            raise TypeError(f"a filter is a mapping of metadata fields to values, not {where!r:.80}")
        if depth > MAX_DEPTH:
            raise ValueError(f"the filter is nested more than {MAX_DEPTH} levels deep")
        return _join("and", [self.entry(key, value, depth) for key, value in where.items()], "true")

    def entry(self, key: object, value: object, depth: int) -> str:
        if not isinstance(key, str):
            raise TypeError(f"a metadata field is named by a string, not {key!r:.80}")
        if key in ("AND", "OR"):
            parts = [self.all_of(part, depth + 1) for part in _sequence(key, value)]
            return _join(key.lower(), parts, "true" if key == "AND" else "false")
        if key == "NOT":
            excluded = value if isinstance(value, list | tuple) else [value]
            return f"not {_join('or', [self.all_of(part, depth + 1) for part in excluded], 'false')}"
        # Compared by key, not by JSON path: a path has no way to write every quote and backslash.
        name = self.bind(_scalar("a field", key))
        operators = value if isinstance(value, Mapping) else {"eq": value}
        self.conditions += len(operators)
        if self.conditions > MAX_CONDITIONS:
            raise ValueError(f'the filter has more than {MAX_CONDITIONS} conditions; use "in" with a list')
        return _join("and", [self.operator(name, sign, operand) for sign, operand in operators.items()], "true")

    def operator(self, name: str, sign: object, operand: object) -> str:
        if sign in ("ne", "nin"):
            return f"not {self.operator(name, 'eq' if sign == 'ne' else 'in', operand)}"
        if sign == "eq" and operand is None:
            return f"not {_field(name, _NOT_NULL)}"
        if sign in COMPARISONS:
            value = _scalar(sign, operand)
            return _field(name, f"m.type in {_types(value)} and m.value {COMPARISONS[sign]} {self.bind(value)}")
        if sign == "in":
            values = self.bind(json.dumps([_scalar(sign, item) for item in _sequence(sign, operand)]))
            # Two lists, each read once, not one that is read for every record to compare types.
            same = f"m.value in (select value from json_each({values}) where type"
            text, other = f"{same} = 'text')", f"{same} <> 'text')"
            return _field(name, f"m.type not in ('null', 'array', 'object') and iif(m.type = 'text', {text}, {other})")
        if sign in ("contains", "icontains"):
            return self.contains(name, _scalar(sign, operand), fold=sign == "icontains")
        raise ValueError(f"unknown filter operator {sign!r:.80}; there are: {', '.join(OPERATORS)}")

    def contains(self, name: str, operand: Value, *, fold: bool) -> str:
        folds = fold and isinstance(operand, str)
        case: Callable[[str], str] = (lambda sql: f"casefold({sql})") if folds else (lambda sql: sql)
        wanted = self.bind(operand.casefold() if fold and isinstance(operand, str) else operand)
        same = f"e.type in {_types(operand)} and {case('e.value')} = {wanted}"
        found = f"m.type = 'array' and exists (select 1 from json_each(m.value) as e where {same})"
        if isinstance(operand, str):
            found += f" or m.type = 'text' and instr({case('m.value')}, {wanted}) > 0"
        return _field(name, f"({found})")


def _field(name: str, condition: str) -> str:
    """The record has a metadata field of that name, whose `m.type` and `m.value` fulfil the condition."""
    return f"exists (select 1 from json_each(r.metadata) as m where m.key = {name} and {condition})"


def _types(value: Value) -> str:
    """JSON types that can equal *value*, or be more or less; text is never compared with numbers."""
    return "('text')" if isinstance(value, str) else "('integer', 'real', 'true', 'false')"


_NOT_NULL = "m.type <> 'null'"
COMPARISONS: dict[object, str] = {"eq": "=", "gt": ">", "gte": ">=", "lt": "<", "lte": "<="}
OPERATORS = ("eq", "ne", "in", "nin", "gt", "gte", "lt", "lte", "contains", "icontains", "AND", "OR", "NOT")


def _join(word: str, parts: list[str], empty: str) -> str:
    return "(" + f" {word} ".join(parts or [empty]) + ")"


def _sequence(name: object, value: object) -> Sequence[object]:
    if not isinstance(value, list | tuple | set | frozenset):
        raise TypeError(f"{name!r} takes a list, not {value!r:.80}")
    return list(value)


def _scalar(name: object, value: object) -> Value:
    if isinstance(value, bool):
        return int(value)  # JSON's true and false are read as 1 and 0
    if isinstance(value, str) and ("\0" in value or not is_unicode(value)):
        raise ValueError(f"{name!r} takes text without NUL and lone surrogates, not {value!r:.80}")
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"{name!r} takes a finite number, not {value!r}")
    if isinstance(value, str | float) or (isinstance(value, int) and -(1 << 63) <= value < 1 << 63):
        return value
    raise TypeError(f"{name!r} takes text, a number of up to 64 bits or a truth value, not {value!r:.80}")
