"""
What a caller hands in, checked: a Draft is everything of a record but its place in a file.

Nothing is stored that did not pass here, so the error names the field and says what it takes.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from .records import Instant, Kind, Row, instant, sha256
from .scope import Scope, check_share
from .words import is_unicode

MAX_TEXT = 200_000  # characters; a book chapter.  Longer texts are split by whoever knows where (agentmem import does)
MAX_METADATA = 1 << 24  # bytes of JSON; a picture in a message of an agent framework's must fit
ROLES = ("user", "assistant", "system", "tool")
ESCAPED_NUL = re.compile(r"(?<!\\)(?:\\\\)*\\u0000")  # in JSON text; \\\\u0000 is a backslash and five letters
ROLE_NAMES = {"developer": "system", "function": "tool"}  # OpenAI's other words for the same
MESSAGE_FIELDS = frozenset({"role", "content", "name", "at", "id", "metadata"})
REMEMBER_FIELDS = frozenset(
    {"text", "speaker", "role", "kind", "at", "importance", "confidence", "expires_at", "source", "trust", "metadata"}
)
IGNORED_FIELDS = frozenset({"tool_calls", "tool_call_id", "function_call", "refusal", "annotations", "audio"})


@dataclass(frozen=True, slots=True)
class Draft:
    """A checked record to be.  Instants are UTC milliseconds."""

    scope: Scope
    kind: str
    role: str
    speaker: str | None
    text: str
    occurred_at: int | None
    importance: float
    confidence: float
    trust: float
    source: str | None
    expires_at: int | None
    metadata: str  # a JSON object
    content_hash: bytes  # sha256: equal for the same thing said twice
    repeatable: bool  # nothing tells this from the same words said earlier: only an active one counts as known
    at: int | None = None  # when the caller says that it was
    key: str | None = None  # what the caller tells it from the same words by
    definition: Kind | None = None  # what its fields were checked against
    key_hash: bytes | None = None  # sha256: equal for those that take each other's place

    @property
    def indexed_text(self) -> str:
        """What is encoded: the speaker's name belongs to the words."""
        return Row(0, self.speaker, self.text).indexed_text

    @property
    def arguments(self) -> dict[str, Any]:
        """What `draft` makes the same of again, beside text, scope and now, in plain JSON."""
        names = (
            "kind", "role", "speaker", "at", "key", "importance", "confidence", "trust", "expires_at", "source",
        )  # fmt: skip
        return {
            **{name: getattr(self, name) for name in names},
            "unknown_time": self.occurred_at is None,
            "metadata": json.loads(self.metadata),
        }


def draft(
    text: str,
    scope: Scope,
    *,
    now: int,
    kind: str = "note",
    role: str = "user",
    speaker: str | None = None,
    at: Instant | None = None,
    unknown_time: bool = False,
    key: str | None = None,
    importance: float = 0.5,
    confidence: float = 1.0,
    trust: float = 1.0,
    expires_at: Instant | None = None,
    source: str | None = None,
    metadata: Mapping[str, object] | None = None,
) -> Draft:
    """
    Check every field and make a Draft.

    Args:
        now: UTC milliseconds; stands in for *at*, unless *unknown_time*.
        key: what tells this from the same words said at another moment: an id in the source, or a count.
            Without it, *at* does; without both, the same words are the same thing for as long as they hold.

    Raises:
        TypeError, ValueError: a field is of the wrong type, or outside its bounds; nothing is stored.
    """
    if not isinstance(scope, Scope):
        raise TypeError(f"scope is a Scope, not {scope!r}")
    check_text(text)
    if role not in ROLES:
        raise ValueError(f"role is one of {', '.join(ROLES)}, not {role!r}")
    check_name("kind", kind)
    for name, value in (("speaker", speaker), ("source", source), ("id", key)):
        if value is not None:
            check_name(name, value, 2048)
    moment = None if at is None else instant(at)
    return Draft(
        scope=scope,
        kind=kind,
        role=role,
        speaker=speaker,
        text=text,
        occurred_at=moment if moment is not None or unknown_time else now,
        importance=check_share("importance", importance),
        confidence=check_share("confidence", confidence),
        trust=check_share("trust", trust),
        source=source,
        expires_at=None if expires_at is None else instant(expires_at),
        metadata=json_object("metadata", {} if metadata is None else metadata),
        content_hash=identity(scope, kind, role, speaker, source, text, moment, key),
        repeatable=moment is None and key is None,
        at=moment,
        key=key,
    )


def identity(
    scope: Scope, kind: str, role: str, speaker: str | None, source: str | None, text: str,
    moment: int | None = None, key: str | None = None,
) -> bytes:  # fmt: skip
    """Return the sha256 of what makes something the same thing said twice."""
    parts = [scope.user, scope.agent, scope.session, kind, role, speaker, source, text, moment, key]
    return sha256(json.dumps(parts, ensure_ascii=False).encode())


def with_fields(identity: bytes, values: str) -> bytes:
    """Return the identity of something that has fields, too: *values* is their canonical JSON."""
    return sha256(identity + values.encode())


def check_text(text: object) -> str:
    """Return *text*, or raise TypeError or ValueError where it cannot be a record's text."""
    if text is None:
        raise TypeError("the text is a string; only of a kind that `define` made may it be left out")
    if not isinstance(text, str):
        raise TypeError(f"the text is a string, not {type(text).__name__}")
    if not text.strip():
        raise ValueError("the text is empty; there is nothing to remember")
    if len(text) > MAX_TEXT:
        raise ValueError(
            f"the text has {len(text):,} characters, more than {MAX_TEXT:,}; split it where it makes sense"
        )
    if "\0" in text:
        raise ValueError(f"the text holds a NUL character at {text.index(chr(0))}; take it out first")
    if not is_unicode(text):
        raise ValueError("the text holds half of a surrogate pair; decode it again, or with errors='replace'")
    return text


def json_object(name: str, value: object, *, spell: Callable[[object], object] | None = None) -> str:
    """
    Return *value* as a JSON object, or raise TypeError or ValueError saying why it cannot be one.

    Args:
        name: what the error calls it.
        spell: returns in plain JSON values what is none.
    """
    if not isinstance(value, Mapping):
        raise TypeError(f"{name} is a mapping, not {value!r:.80}")
    if not all(isinstance(field, str) for field in value):
        raise TypeError(f"{name} has a field whose name is not a string")
    try:
        text = json.dumps(dict(value), ensure_ascii=False, allow_nan=False, default=spell)
    except (TypeError, ValueError, RecursionError) as error:
        raise ValueError(f"{name} must be plain JSON values: {error}") from None
    if not is_unicode(text) or ESCAPED_NUL.search(text):
        raise ValueError(f"{name} holds a NUL character or half of a surrogate pair")
    if len(text.encode()) > MAX_METADATA:
        raise ValueError(
            f"{name} takes more than {MAX_METADATA:,} bytes; keep large things in files and store their names"
        )
    return text


def merged(common: object, own: object) -> dict[str, object]:
    """Return the metadata of a whole call and of one message as one; the message's own wins."""
    for metadata in (common, own):
        if metadata is not None and not isinstance(metadata, Mapping):
            raise TypeError(f"metadata is a mapping, not {metadata!r:.80}")
    return {**(common or {}), **(own or {})}  # type: ignore[dict-item]


def read_message(message: object) -> dict[str, Any] | None:
    """
    Turn a chat message into arguments for `draft`, or None where it has no words (a bare tool call, say).

    A message is {role, content, name?, at?, id?, metadata?}.  Content is text, or a list of parts of which those
    of text count.  "at": None says that the time is not known; without the key it is said now.
    A key that no chat interface knows is an error, lest a misspelt `at` be lost in silence.
    """
    if not isinstance(message, Mapping):
        raise TypeError(f"a message is a mapping with role and content, not {message!r}")
    if unknown := set(message) - MESSAGE_FIELDS - IGNORED_FIELDS:
        raise ValueError(f"unknown message field {sorted(map(str, unknown))[0]!r}; put your own into metadata. "
                         f"There are: {', '.join(sorted(MESSAGE_FIELDS))}")  # fmt: skip
    if "content" not in message:
        raise ValueError("a message needs its content; None says that it has none")
    text = _words(message["content"])
    if not text.strip():
        return None
    role = message.get("role", "user")
    return {
        "text": text,
        "role": ROLE_NAMES.get(role, role) if isinstance(role, str) else role,
        "speaker": message.get("name"),
        "at": message.get("at"),
        "unknown_time": "at" in message and message["at"] is None,
        "key": message.get("id"),
        "metadata": message.get("metadata"),
    }


def _words(content: object) -> str:
    if content is None:
        return ""
    if isinstance(content, str):
        return content
    if not isinstance(content, list | tuple):
        raise TypeError(f"a message's content is text or a list of parts, not {content!r}")
    parts = (part.get("text") if isinstance(part, Mapping) else part for part in content)
    return "\n".join(part for part in parts if isinstance(part, str))


def check_name(name: str, value: object, limit: int = 512) -> None:
    """Raise TypeError or ValueError where *value* is not text of 1 to *limit* characters; *name* is what it is."""
    if not isinstance(value, str):
        raise TypeError(f"{name} is a string, not {value!r}")
    if not value.strip() or len(value) > limit or "\0" in value or not is_unicode(value):
        raise ValueError(f"{name} is 1 to {limit} characters of text, without NUL: {value[:40]!r}")
