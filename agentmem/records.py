"""
The nouns of agentmem, and the two things every noun needs: an id and an instant.

Nothing here reads a file or a clock.  Inside the library an instant is an int, UTC milliseconds since 1970;
at the public face it is accepted in three forms (see `instant`) and returned as an aware datetime.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from itertools import islice
from typing import Any, TypeVar

Instant = str | int | datetime | date
T = TypeVar("T")

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
LAST_INSTANT = 253_402_300_799_999  # 9999-12-31T23:59:59.999Z, the last one that a datetime can hold
FIRST_INSTANT = -62_135_596_800_000  # 0001-01-01T00:00:00Z


class Noun:
    """What dataclasses would each write anew, 0.3 ms of an import for every one."""

    __slots__: tuple[str, ...] = ()  # of each noun, the names of its fields

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{name}={getattr(self, name)!r}' for name in self.__slots__)})"

    def __eq__(self, other: object) -> bool:
        return self._values() == other._values() if isinstance(other, type(self)) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._values())

    def _values(self) -> tuple[Any, ...]:
        return tuple(getattr(self, name) for name in self.__slots__)


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class Record(Noun):
    """One thing that was said or noted.  Its text never changes; a revision is another record."""

    id: str  # UUIDv7, unique across devices
    text: str
    kind: str  # "turn" of a conversation, "note", or a kind of the user's own
    role: str  # user, assistant, system or tool
    speaker: str | None
    user: str  # "" is the default user
    agent: str | None
    session: str | None
    occurred_at: datetime | None  # when it was said or happened; None where the source does not say
    recorded_at: datetime  # when this file took it in
    valid_from: datetime
    valid_to: datetime | None  # None: still holds
    status: str  # "active" or "superseded"
    supersedes: str | None  # id of the record that this one replaced
    importance: float  # 0..1
    confidence: float  # 0..1
    trust: float  # 0..1
    source: str | None
    expires_at: datetime | None
    metadata: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class Row(Noun):
    """What the derived indexes hold of a record; never leaves the library."""

    id: int  # local row number
    speaker: str | None
    text: str
    at: int | None = None  # UTC ms, when it was said

    @property
    def indexed_text(self) -> str:
        """What is encoded: the speaker's name belongs to the words."""
        return f"{self.speaker}: {self.text}" if self.speaker else self.text


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class Hit(Noun):
    """A record that recall found, and how well it fits the query."""

    record: Record
    score: float  # 0..1, higher is better: the chance that it is what was sought
    why: Mapping[str, float] | None = (
        None  # with explain=True: each signal's part; score = 1 / (1 + exp(-sum of parts))
    )

    @property
    def id(self) -> str:
        """The record's id."""
        return self.record.id

    @property
    def text(self) -> str:
        """The record's text."""
        return self.record.text

    @property
    def metadata(self) -> Mapping[str, object]:
        """The record's metadata."""
        return self.record.metadata


# What `recall` takes to rank in its stead: the query and the candidates, best first, with every signal in `why` → those
# that it wants, best first.
Strategy = Callable[[str, list[Hit]], Iterable[Hit]]


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class Fact(Noun):
    """What records amount to, about one subject.  Derived each time, stored nowhere."""

    subject: str  # a name; "" is the user, where no name is known
    predicate: str  # "lives in", "likes", "sister" …
    object: str
    holds: bool  # False: it is said not to be so
    status: str  # "current", "past", "wrong" (corrected by hand) or "contested"
    valid_from: datetime | None  # None: nobody said since when
    valid_to: datetime | None  # None: still holds
    confidence: float  # 0..1
    trust: float  # 0..1, the least of its evidence
    evidence: tuple[str, ...]  # ids of the records that say so, and of that by which it ended, oldest first

    @property
    def live(self) -> bool:
        """Whether it may hold now: it is current, or contested."""
        return self.status in ("current", "contested")

    def __str__(self) -> str:
        return f"{self.subject or 'the user'} {'' if self.holds else 'not: '}{self.predicate} {self.object}"


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class Entity(Noun):
    """Somebody or something that records speak of."""

    name: str  # as it was asked for
    kind: str  # "person", "animal", "place", "organisation" or "thing"
    aliases: tuple[str, ...]  # what else means the same, without case and accents
    facts: tuple[Fact, ...]  # about it, as `Memory.facts` returns them
    mentions: tuple[str, ...]  # ids of the records that state something with it, oldest first


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class Related(Noun):
    """An entity that another one leads to."""

    name: str
    path: tuple[Fact, ...]  # the facts that lead there, one a hop


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class Kind(Noun):
    """A kind of record whose metadata has fields of its own, as `define` took it."""

    name: str
    schema: Mapping[str, Any]  # JSON Schema of the metadata
    key: tuple[str, ...]  # fields by which a record takes the place of the one before; empty: none does
    searchable: tuple[str, ...]  # fields whose values belong to the text
    single: bool  # each record takes the place of the one before


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class Line(Noun):
    """One line of a context, as a template takes it: every text in it is on one line, and safe to quote."""

    section: str  # "core", "known", "contested", "summary", "said", "untrusted" or "recent"
    text: str  # the words; of a core block all of its lines
    speaker: str = ""  # who said it; of a core block its label
    day: str = ""  # of what was said: "2026-03-01", or "date unknown"
    mark: str = ""  # where it no longer holds: "until 2026-04-02"
    source: str = ""  # where it came from
    id: str = ""  # of the record that it quotes


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class Block(Noun):
    """A piece of text that an agent always has in view, in one of its versions."""

    label: str  # "user", "persona", "project" …
    text: str
    description: str  # what belongs in it, for the model; "" where nobody said
    limit: int  # characters that it may hold
    read_only: bool  # appending and replacing are refused
    version: int  # from 1 on
    user: str  # "" is the default user
    agent: str | None  # None: shared by all of the user's agents
    session: str | None  # None: shared by all conversations
    updated_at: datetime  # when this version was written


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class Context(Noun):
    """A block of text for a prompt, and what it was made of."""

    text: str
    tokens: int  # of text, as `count_tokens` has them
    hits: tuple[Hit, ...]  # those in the text, best first
    facts: tuple[Fact, ...] = ()  # those in the text
    blocks: tuple[Block, ...] = ()  # those in the text, whole or cut
    lines: tuple[Line, ...] = ()  # of the text, in its order

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class Erasure(Noun):
    """What a forget took away."""

    ids: tuple[str, ...]  # the forgotten records, earlier versions included
    log_truncated: bool  # True: the write-ahead log was emptied too; False: a reader kept it open
    blocks: tuple[str, ...] = ()  # labels of the core blocks that went with their versions

    @property
    def count(self) -> int:
        """How many records went, earlier versions included."""
        return len(self.ids)


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class Held(Noun):
    """What was put aside until a person has looked at it; no read shows it."""

    id: str  # UUIDv7, not that of the record which it may become
    text: str
    reason: str  # "reads like instructions", "health" …
    user: str
    agent: str | None
    session: str | None
    source: str | None
    trust: float  # 0..1, with which it was written
    put_at: datetime
    fields: Mapping[str, Any] = field(default_factory=dict)  # what was handed in beside the text


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class KeptOut(Noun):
    """How often a rule of the policy kept something out on one day; what it was is not known."""

    day: str  # UTC, 2026-03-01
    action: str  # "redacted", "refused" or "put aside"
    rule: str  # "card number", "health", "reads like instructions" …
    count: int


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class Retention(Noun):
    """What is too old by a policy, or was, and is erased."""

    kinds: Mapping[str, int]  # kind → records, earlier versions not counted
    erasure: Erasure | None  # None where it was only asked

    @property
    def count(self) -> int:
        """How many records are too old, earlier versions not counted."""
        return sum(self.kinds.values())


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class Stats(Noun):
    """What one scope holds, and what the file takes."""

    records: int  # active ones
    superseded: int
    kinds: Mapping[str, int]
    speakers: Mapping[str, int]
    sessions: int
    first_at: datetime | None  # earliest occurred_at
    last_at: datetime | None
    file_bytes: int  # of the file and its -wal, all scopes together
    tables: Mapping[str, int]  # bytes by table, its indexes included
    encoder: str | None  # id of the encoder that the vectors were made with
    schema: int
    kept_out: tuple[KeptOut, ...] = ()  # of the user's memory, by the policy


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class Grant(Noun):
    """What a user lets another one read of his, until when."""

    id: str  # UUIDv7
    user: str | None  # whose records; None where he was forgotten, which ended it
    agent: str | None  # only those of this agent of his
    session: str | None  # only those of this conversation
    to: str | None  # who may read them; None as for user
    to_agent: str | None  # only when he reads as this agent
    what: Mapping[str, object] | None  # only what fits this filter over metadata
    kinds: tuple[str, ...] | None  # only these kinds of record
    granted_at: datetime
    until: datetime | None  # to before then; None: without end
    revoked_at: datetime | None  # when it was ended; None: it was not


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class AuditEntry(Noun):
    """Who did what when: one entry of the audit trail."""

    number: int  # place in the chain, from 1
    at: datetime
    verb: str  # "remember", "observe", "revise", "correct", "forget", "import", "block", "grant" … or a read's
    user: str | None  # who did it; "" is the default user, None one who is forgotten
    agent: str | None
    to: str | None  # to whom something was granted
    ids: tuple[str, ...]  # of the records, or of the grant, without those forgotten since
    count: int  # how many records it was about, those forgotten since included
    hash: str  # hexadecimal: sha256 of this entry and of the hash of the one before


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class ImportReport(Noun):
    """What an import did with a file."""

    conversations: int
    added: int
    known: int  # already here, or forgotten on purpose
    skipped: Mapping[str, int]  # reason → count
    kept_out: Mapping[str, int] = field(default_factory=dict)  # by the policy: "refused: health" → count


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class Conflict(Noun):
    """Two values, written apart, of which one now holds."""

    what: str  # "records", or what else they are: kinds …
    key: str  # of two records, the id of the one that no longer holds; of anything else, its name
    why: str  # "revised twice", "same key" or "written twice"
    lost: str  # of a record its id: it is kept as history; of anything else what it said, as JSON
    kept: str  # the same of what holds


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class Skew(Noun):
    """A device whose clock is off."""

    device: str  # its id, of one run of a program
    record: str  # id of what it wrote then
    seconds: float  # ahead of this device's clock; below 0: behind what it had seen itself


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class MergeReport(Noun):
    """What a merge took in."""

    added: int  # records
    changed: int  # records that were here, and are superseded or moved since
    forgotten: int  # records that were here, and were forgotten elsewhere
    duplicates: int  # records that say what another one says: joined to it
    encoded: int  # records whose vectors were made here
    other: Mapping[str, int]  # table → rows of anything else
    conflicts: tuple[Conflict, ...]
    clocks: tuple[Skew, ...]  # devices whose clock is more than five minutes off
    log_truncated: bool  # False: a reader keeps the write-ahead log open, and what was forgotten in it


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class Backup(Noun):
    """A copy of a memory file, read back."""

    path: str
    file_bytes: int
    records: int  # of all users, superseded ones too
    problems: tuple[str, ...]  # what `verify` says of it; empty is sound
    removed: tuple[str, ...]  # older ones that were deleted


def instant(value: Instant) -> int:
    """
    Turn *value* into UTC milliseconds since 1970.

    Args:
        value: ISO 8601 text ("2026-03-01", "2026-03-01T09:00:00Z"), a datetime, a date, or an int of milliseconds.
            What names no zone is taken as UTC; a date is its first moment.

    Raises:
        TypeError: another type.
        ValueError: text that is not ISO 8601, or outside the years 1 to 9999.
    """
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value.strip())
        except ValueError:
            raise ValueError(f"{value!r} is not an ISO 8601 date or time, such as 2026-03-01T09:00:00Z") from None
    if isinstance(value, date) and not isinstance(value, datetime):
        value = datetime(value.year, value.month, value.day, tzinfo=UTC)
    if isinstance(value, datetime):
        aware = value if value.tzinfo else value.replace(tzinfo=UTC)
        value = (aware - EPOCH) // timedelta(milliseconds=1)
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"an instant is ISO 8601 text, a datetime or an int of milliseconds, not {value!r}")
    if not FIRST_INSTANT <= value <= LAST_INSTANT:
        raise ValueError(f"{value} ms since 1970 lies outside the years 1 to 9999 UTC; is it in another unit?")
    return value


def moment(milliseconds: int) -> datetime:
    """Turn UTC milliseconds since 1970 into an aware datetime."""
    return EPOCH + timedelta(milliseconds=milliseconds)


def moment_or_none(milliseconds: int | None) -> datetime | None:
    """Turn UTC milliseconds, where there are any, into an aware datetime."""
    return None if milliseconds is None else moment(milliseconds)


_last_id = 0
_id_lock = threading.Lock()


def new_id(now: int) -> str:
    """
    Make a UUIDv7 (RFC 9562 §5.7) for the moment *now*, in UTC milliseconds.

    Ids of one process rise strictly, also within a millisecond and when the clock steps back: the 12 bits after
    the version count on from the last id (RFC 9562 §6.2, method 1), and carry into the milliseconds.
    """
    global _last_id
    with _id_lock:
        _last_id = max(_last_id + 1, max(now, 0) << 12)
        stamp, count = _last_id >> 12, _last_id & 0xFFF
    tail = int.from_bytes(os.urandom(8), "big") & (1 << 62) - 1
    number = (stamp & (1 << 48) - 1) << 80 | 0x7 << 76 | count << 64 | 0b10 << 62 | tail
    digits = f"{number:032x}"
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def tick(last: int, now: int) -> int:
    """
    Return the next hybrid logical clock value: UTC milliseconds in the high 48 bits, a counter in the low 16.

    It is later than *last* and not earlier than *now* (Kulkarni et al. 2014, Logical Physical Clocks).
    A full counter carries into the milliseconds.
    """
    return max(last + 1, now << 16)


def sha256(data: bytes) -> bytes:
    """Return the SHA-256 digest of *data*, 32 bytes."""
    import hashlib  # 3 ms, and no read needs it

    return hashlib.sha256(data).digest()


def batches(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """Yield *items* in lists of up to *size*, reading no further than each."""
    iterator = iter(items)
    while batch := list(islice(iterator, size)):
        yield batch
