"""
Turn the JSON exports of chat programs into conversations: ChatGPT, Claude, OpenAI-style logs.

Each parser takes what was read from the file and an `Origin`, yields conversations in file order and
counts what it leaves out in `origin.skipped`. `transfer.read` finds the parser; `finished` cleans what
the parsers yield, and gives an id to each message that has none in its source.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from .errors import ImportFormatError

Message = dict[str, object]
Part = tuple[str, str]  # ("text", words), ("image", ""), or (reason to leave it out, "")

ASSISTANT_NAMES = frozenset({"assistant", "chatgpt", "claude", "ai", "bot"})
PLAIN_NAMES = frozenset({"user", "human", "assistant"})  # a role, not somebody's name
MAX_CHARS = 100_000  # a longer message is split: about 25,000 tokens, more than any prompt wants at once
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Conversation:
    """One conversation or document, its messages in order, ready for the library to store."""

    session: str | None  # stable id of the conversation in its source; None for documents
    title: str | None
    source: str  # "chatgpt", "claude", or "format:file name"
    kind: str  # "turn" for conversations, "note" for documents
    messages: list[Message]  # role, content, at, id; name and metadata where known


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a parser's input comes from, and the count of what it leaves out."""

    file: str  # name without folder, for errors
    name: str  # for the source: the same for a copy that a browser numbered
    stem: str  # for sessions, likewise
    skipped: Counter[str]


def message(role: str, content: str, at: str | None, ident: str | None = None, **more: object) -> Message:
    """Build a message; *ident* is its own id in the source, *more* is "name" and "metadata" where there is one."""
    return {"role": role, "content": content, "at": at, "id": ident} | {k: v for k, v in more.items() if v}


def when(value: object, skipped: Counter[str]) -> str | None:
    """
    Return ISO 8601 for an ISO string or for seconds or milliseconds since 1970, else None.

    Numbers before 1973 are taken for offsets, not dates. A date alone stays a date.
    """
    if value is None or value == "":
        return None
    if isinstance(value, str) and re.fullmatch(r"[0-9]{9,15}(\.[0-9]+)?", value.strip()):
        value = float(value)
    found = None
    if isinstance(value, str):
        found = _iso(value.strip())
    elif isinstance(value, (int, float)) and 1e8 <= value < 253_402_300_800_000:  # year 9999 in ms
        ms = round(value if value >= 1e11 else value * 1000)
        moment = _EPOCH + timedelta(milliseconds=ms)
        found = moment.isoformat(timespec="milliseconds" if ms % 1000 else "seconds").replace("+00:00", "Z")
    if found is None:
        skipped["unreadable time"] += 1
    return found


def _iso(text: str) -> str | None:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment.date().isoformat() if len(text) <= 10 else moment.isoformat().replace("+00:00", "Z")


def _string(value: object) -> str | None:
    return value if isinstance(value, str) and value.strip() else None


def _key(holder: Message, *keys: str) -> str | None:
    """Return the first of *keys* that holds an id: text, or a whole number as text."""
    for value in map(holder.get, keys):
        if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 10**30:
            return str(value)
        if text := _string(value):
            return text
    return None


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else []


def _dict(value: object) -> Message:
    return value if isinstance(value, dict) else {}


def _words(parts: Iterable[Part], skipped: Counter[str]) -> str | None:
    """Join the text of *parts*, "[image]" where one stood; None, and a reason counted, without words."""
    parts = [part for part in parts if part[0] != "text" or part[1].strip()]
    others = [kind for kind, _ in parts if kind not in ("text", "image")]
    skipped.update(others)
    if any(kind == "text" for kind, _ in parts):
        shown = [part for part in parts if part[0] not in others]
        return "\n".join(words if kind == "text" else "[image]" for kind, words in shown)
    if not others:
        skipped["image without text" if parts else "empty message"] += 1
    return None


def _conversations(data: object, origin: Origin, key: str, kind: type) -> Iterator[tuple[int, Message]]:
    """Yield (ordinal, conversation) of a list, after checking that *key* holds a *kind*."""
    items = data if isinstance(data, list) else [data]
    for number, item in enumerate(items, 1):
        held = _dict(item)
        if not isinstance(held.get(key), kind):
            expected = "an object" if kind is dict else "a list"
            what = f'its "{key}" is not {expected}' if held else "it is not an object"
            raise _wrong(origin, number, held, what)
        yield number, held


def _wrong(origin: Origin, number: int, held: Message, what: str) -> ImportFormatError:
    title = _string(held.get("title")) or _string(held.get("name")) or "untitled"
    return ImportFormatError(
        f"{origin.file}: conversation {number} ({title[:80]!r}) has an unknown shape: {what}; "
        "the conversations before it were read. Download the export again, or remove this one"
    )


# --- ChatGPT: conversations.json, a tree of messages for each conversation ---

_CHATGPT_LEFT_OUT = {
    "code": "tool call",
    **dict.fromkeys(("execution_output", "tether_browsing_display", "tether_quote", "system_error"), "tool result"),
    **dict.fromkeys(("thoughts", "reasoning_recap"), "thoughts"),
    "user_editable_context": "custom instructions",
    "model_editable_context": "model context",
}
_MARKER = re.compile(  # what stands in the text for a citation, a link or a name: kind, then what it holds
    r" ?(?:\ue200([a-z_]{1,40})\ue202(?:([^\ue200\ue201]*)\ue201|[^\s\ue200\ue201]*\Z)"  # \Z: the answer was stopped
    r"|【[0-9]+(?::[0-9]+)?†[^】\n]{0,200}】)|[\ue200-\ue206]"
)


def chatgpt(data: object, origin: Origin) -> Iterator[Conversation]:
    """Yield each conversation of a ChatGPT export, only the branch that its owner last saw."""
    for number, held in _conversations(data, origin, "mapping", dict):
        nodes = _dict(held["mapping"])
        for ident, node in nodes.items():
            if not isinstance(node, dict) or not isinstance(node.get("message"), (dict, type(None))):
                raise _wrong(origin, number, held, f"node {ident[:80]!r} is not an object with a message")
        session = _key(held, "conversation_id", "id") or f"{origin.stem}/{number}"
        branch = _branch(nodes, held.get("current_node"))
        shown = set(branch)
        others = sum(1 for ident, node in nodes.items() if ident not in shown and _dict(node).get("message"))
        if others:
            origin.skipped["regenerated branch"] += others
        found = (_chatgpt_message(ident, _dict(nodes[ident]), origin) for ident in branch)
        messages = [each for each in found if each]
        yield Conversation(session, _string(held.get("title")), "chatgpt", "turn", messages)


def _branch(nodes: Message, current: object) -> list[str]:
    """Return the ids from the root to *current*, or to the newest, then deepest, leaf without it."""
    at: object = current if isinstance(current, str) and current in nodes else _newest_leaf(nodes)
    branch: dict[str, None] = {}
    while isinstance(at, str) and at in nodes and at not in branch:  # `not in branch` ends a cycle
        branch[at] = None
        at = _dict(nodes[at]).get("parent")
    return list(branch)[::-1]


def _newest_leaf(nodes: Message) -> str | None:
    reach: dict[str, tuple[float, int]] = {}  # newest time on the way from the root, depth
    for start in nodes:
        chain: dict[str, None] = {}
        at: object = start
        while isinstance(at, str) and at in nodes and at not in reach and at not in chain:
            chain[at] = None
            at = _dict(nodes[at]).get("parent")
        time, depth = reach.get(at, (0.0, 0)) if isinstance(at, str) else (0.0, 0)
        for ident in reversed(chain):
            made = _dict(_dict(nodes[ident]).get("message")).get("create_time")
            time, depth = max(time, made) if isinstance(made, (int, float)) else time, depth + 1
            reach[ident] = (time, depth)
    parents = {each for node in nodes.values() if isinstance(each := _dict(node).get("parent"), str)}
    leaves = [ident for ident in nodes if ident not in parents] or list(nodes)
    return max(reversed(leaves), key=reach.__getitem__, default=None)


def _chatgpt_message(ident: str, node: Message, origin: Origin) -> Message | None:
    held = _dict(node.get("message"))
    if not held:
        return None  # the root node, and nodes that only hold the tree together
    author, content = _dict(held.get("author")), _dict(held.get("content"))
    role, kind = author.get("role"), content.get("content_type")
    if reason := _chatgpt_reason(role, kind, held):
        origin.skipped[reason] += 1
        return None
    words = _words(_chatgpt_parts(content), origin.skipped)
    if words is None:
        return None
    at = when(held.get("create_time"), origin.skipped)
    return message(str(role), words, at, _key(held, "id") or ident, name=_string(author.get("name")))


def _chatgpt_reason(role: object, kind: object, held: Message) -> str | None:
    """Return why a message is not the words of the user or the assistant, or None if it is."""
    if role == "system":
        return "hidden system message"
    if role == "tool":
        return "tool result"
    if role not in ("user", "assistant"):
        return "unknown role"
    if role == "assistant" and held.get("recipient") not in (None, "all"):
        return "tool call"
    if isinstance(kind, str) and kind in _CHATGPT_LEFT_OUT:
        return _CHATGPT_LEFT_OUT[kind]
    if _dict(held.get("metadata")).get("is_visually_hidden_from_conversation"):
        return "hidden message"
    return None if kind in ("text", "multimodal_text", None) else "unknown content"


def _chatgpt_parts(content: Message) -> list[Part]:
    parts = [_chatgpt_part(part) for part in _list(content.get("parts"))]
    if any(kind == "text" and words.strip() for kind, words in parts):
        return [part for part in parts if part[0] != "audio without text"]  # its transcription is there
    return parts


def _chatgpt_part(part: object) -> Part:
    if isinstance(part, str):
        return ("text", _MARKER.sub(_marked, part))
    held = _dict(part)
    kind = str(held.get("content_type"))
    if "image" in kind:
        return ("image", "")
    if isinstance(words := held.get("text"), str):  # audio_transcription
        return ("text", words)
    return ("audio without text" if "audio" in kind else "unknown content", "")


def _marked(marker: re.Match[str]) -> str:
    """Return the words in a marker: those of a link, a person's or a place's name; none of a citation."""
    kind, held = marker[1], marker[2] or ""
    if kind == "entity":
        with suppress(ValueError, TypeError, LookupError, RecursionError):
            held = str(json.loads(held)[1])  # ["people", "Ada Lovelace", …]
    elif kind not in ("url", "link_title"):
        return ""
    return " " * marker[0].startswith(" ") + held.partition("\ue202")[0]


# --- Claude: conversations.json, a flat list of messages for each conversation ---

_BLOCKS_LEFT_OUT = {
    **dict.fromkeys(("tool_use", "tool_call"), "tool call"),
    "tool_result": "tool result",
    **dict.fromkeys(("thinking", "redacted_thinking", "reasoning"), "thoughts"),
    **dict.fromkeys(("input_audio", "audio"), "audio without text"),
    **dict.fromkeys(("file", "input_file"), "file without text"),
}
_IMAGE_NAME = re.compile(r"\.(png|jpe?g|gif|webp|heic|bmp|tiff?)$", re.IGNORECASE)


def claude(data: object, origin: Origin) -> Iterator[Conversation]:
    """Yield each conversation of a Claude export; a pasted document is a message of its own."""
    for number, held in _conversations(data, origin, "chat_messages", list):
        session = _key(held, "uuid") or f"{origin.stem}/{number}"
        messages: list[Message] = []
        for place, each in enumerate(_list(held["chat_messages"]), 1):
            if not isinstance(each, dict):
                raise _wrong(origin, number, held, f"message {place} is not an object")
            messages += _claude_messages(each, _key(each, "uuid"), origin)
        yield Conversation(session, _string(held.get("name")), "claude", "turn", messages)


def _claude_messages(held: Message, ident: str | None, origin: Origin) -> Iterator[Message]:
    role = {"human": "user", "assistant": "assistant"}.get(str(held.get("sender")))
    if role is None:
        origin.skipped["unknown role"] += 1
        return
    at = when(held.get("created_at"), origin.skipped)
    attachments = [_dict(each) for each in _list(held.get("attachments"))]
    parts = _claude_parts(held, {str(each.get("file_name")) for each in attachments})
    if (parts or not attachments) and (words := _words(parts, origin.skipped)):
        yield message(role, words, at, ident)
    for place, each in enumerate(attachments):
        if words := _string(each.get("extracted_content")):
            named: Message = {"attachment": _string(each.get("file_name")) or "unnamed"}
            yield message(role, words, at, ident and f"{ident}/attachment-{place}", metadata=named)
        else:
            origin.skipped["no text in attachment"] += 1


def _claude_parts(held: Message, attached: set[str]) -> list[Part]:
    # "text" repeats the blocks with "This block is not supported on your current device yet" for tools,
    # so it counts only where an old export has no blocks.
    parts = [_block(_dict(block)) for block in _list(held.get("content"))]
    parts = parts or [("text", _string(held.get("text")) or "")]
    for file in map(_dict, _list(held.get("files"))):
        name = str(file.get("file_name"))
        if name not in attached:
            image = file.get("file_kind") == "image" or _IMAGE_NAME.search(name)
            parts.append(("image" if image else "file without text", ""))
    return [part for part in parts if part[0] != "text" or part[1].strip()]


# --- OpenAI-style message lists, as JSON or as JSON lines ---

_CHAT_TIMES = ("at", "timestamp", "created_at", "create_time", "time", "date")
_ROLES = {"system": "system", "developer": "system", "tool": "tool", "function": "tool", "model": "assistant"}
_ROLES |= dict.fromkeys(ASSISTANT_NAMES, "assistant")
_SESSION_KEYS = ("id", "session", "conversation_id")


def _block(block: Message) -> Part:
    """Read one typed content block of the Claude or OpenAI kind."""
    kind = str(block.get("type"))
    if kind in _BLOCKS_LEFT_OUT:
        words = _string(block.get("transcript"))  # spoken words, where the log has them
        return ("text", words) if words else (_BLOCKS_LEFT_OUT[kind], "")
    if "image" in kind:
        return ("image", "")
    words = _string(block.get("text")) or _string(block.get("refusal"))
    return ("text", words or "") if words or "text" in kind else ("unknown content", "")


def chat(data: object, origin: Origin) -> Iterator[Conversation]:
    """Yield the conversations of a parsed JSON value: one list of messages, or several in objects."""
    if is_chat_message(data) and "messages" not in _dict(data):
        data = [data]  # a log with a single line so far
    if isinstance(data, list) and not any("messages" in _dict(item) for item in data):
        yield _chat_conversation({"messages": data}, 1, origin.stem, origin)
    else:
        for number, held in _conversations(data, origin, "messages", list):
            session = f"{origin.stem}/{number}" if isinstance(data, list) else origin.stem
            yield _chat_conversation(held, number, _key(held, *_SESSION_KEYS) or session, origin)


def _chat_conversation(held: Message, number: int, session: str, origin: Origin) -> Conversation:
    messages: list[Message] = []
    for place, each in enumerate(_list(held["messages"]), 1):
        if not is_chat_message(each):
            raise _wrong(origin, number, held, f'message {place} is not an object with "role" and "content"')
        if read := _chat_message(_dict(each), origin.skipped):
            messages.append(read)
    return Conversation(session, _string(held.get("title")), f"chat:{origin.name}", "turn", messages)


def is_chat_message(value: object) -> bool:
    """Tell whether *value* is an object with a role, a content or a text."""
    return isinstance(value, dict) and any(key in value for key in ("role", "content", "text"))


def chat_lines(text: str, origin: Origin) -> Iterator[Conversation]:
    """Yield the conversations of JSON lines: a message a line, or an object with "messages" a line."""
    group: list[Message] = []
    session, count, source = origin.stem, 0, f"chat:{origin.name}"
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        count += 1
        held: Message | ImportFormatError = _chat_line(line, number, origin)
        own = None if isinstance(held, ImportFormatError) else _key(held, "session") or origin.stem
        whole = isinstance(_dict(held).get("messages"), list)
        if group and (own != session or whole):
            yield Conversation(session, None, source, "turn", group)
            group = []
        if isinstance(held, ImportFormatError):
            raise held
        if whole:
            named = _key(held, *_SESSION_KEYS) or f"{origin.stem}/{count}"
            yield _chat_conversation(held, count, named, origin)
        else:
            session = own or origin.stem
            group += [read] if (read := _chat_message(held, origin.skipped)) else []
    if group:
        yield Conversation(session, None, source, "turn", group)


def _chat_line(line: str, number: int, origin: Origin) -> Message | ImportFormatError:
    """Parse one line; an error is returned, so that the lines before it can be handed over first."""
    try:
        held = json.loads(line)
    except (ValueError, RecursionError) as error:
        what = f"is not valid JSON ({error})"
    else:
        if is_chat_message(held) or isinstance(_dict(held).get("messages"), list):
            return _dict(held)
        what = 'is not a message ({"role": …, "content": …}) or a list of them ({"messages": […]})'
    return ImportFormatError(
        f"{origin.file}: line {number} {what}; the lines before it were read. Mend or remove the line"
    )


def _chat_message(held: Message, skipped: Counter[str]) -> Message | None:
    role, name = _chat_role(held)
    if role in ("tool", "system"):
        skipped["tool result" if role == "tool" else "system message"] += 1
        return None
    content = held.get("content", held.get("text"))
    parts: list[Part]
    if isinstance(content, list):
        parts = [("text", p) if isinstance(p, str) else _block(_dict(p)) for p in content]
    else:
        parts = [("text", content)] if isinstance(content, str) and content.strip() else []
    if not parts and (held.get("tool_calls") or held.get("function_call")):
        skipped["tool call"] += 1
        return None
    words = _words(parts, skipped)
    if words is None:
        return None
    at = when(next((held[key] for key in _CHAT_TIMES if held.get(key) is not None), None), skipped)
    return message(role, words, at, _key(held, "id"), name=name)


def _chat_role(held: Message) -> tuple[str, str | None]:
    """Return role and speaker; a role that is no role ("customer") is taken for the speaker's name."""
    name = next((found for key in ("name", "speaker", "author") if (found := _string(held.get(key)))), None)
    given = _string(held.get("role")) or name or "user"
    role = given.strip().casefold()
    if role in PLAIN_NAMES and name == given:
        name = None
    if role in _ROLES:
        return _ROLES[role], name
    return "user", name or (None if role in PLAIN_NAMES else given)


# --- what every format shares: clean, split, ids ---


def finished(found: Iterator[Conversation], skipped: Counter[str]) -> Iterator[Conversation]:
    """
    Yield each conversation that has a message, cleaned, with long messages split and an id for each.

    A message without an id in its source has the count of how often the same was said so far, at the same time
    and by the same in the session: unlike a place in the file, it stays when others come or go before it.
    """
    seen: Counter[tuple[object, ...]] = Counter()
    for each in found:
        session, title = each.session and _clean(each.session), each.title and _clean(each.title)
        pieces = (piece for raw in each.messages for piece in _pieces(raw, skipped))
        messages = [{**piece, "id": _ident(piece, session, seen)} for piece in pieces]
        if messages:
            yield replace(each, session=session, title=title, source=_clean(each.source), messages=messages)
        else:
            skipped["conversation without messages"] += 1


def _clean(text: str) -> str:
    """Replace what SQLite's text cannot hold: NUL and lone surrogates."""
    return re.sub("[\0\ud800-\udfff]", "\ufffd", text).strip()


def _pieces(raw: Message, skipped: Counter[str]) -> Iterator[Message]:
    """Yield *raw* cleaned, in parts if it is too long, nothing if it is empty."""
    cleaned = {key: _clean(value) if isinstance(value, str) else value for key, value in raw.items()}
    metadata = raw.get("metadata")
    if isinstance(metadata, dict):
        cleaned["metadata"] = {key: _clean(str(value)) for key, value in metadata.items()}
    parts, own = _split(str(cleaned["content"])), cleaned["id"]
    if not parts:
        skipped["empty message"] += 1
    for number, part in enumerate(parts, 1):
        yield {**cleaned, "content": part, "id": f"{own}/{number}" if own and len(parts) > 1 else own}


def _split(text: str) -> list[str]:
    """Cut *text* into parts of at most MAX_CHARS at the last paragraph, line or space of each."""
    parts = []
    while len(text) > MAX_CHARS:
        places = (text.rfind(bound, MAX_CHARS // 2, MAX_CHARS) for bound in ("\n\n", "\n", " "))
        cut = next((place for place in places if place > 0), MAX_CHARS)
        parts.append(text[:cut].rstrip())
        text = text[cut:].lstrip()
    return [*parts, text] if text else parts


def _ident(piece: Message, session: str | None, seen: Counter[tuple[object, ...]]) -> str:
    """Return the id of *piece*, "#2" added if the session has it already, or the count of its like."""
    own, said = piece["id"], (session, *map(piece.get, ("role", "name", "at", "content")))
    key = said if own is None else (session, own)
    found = None
    while found is None or (*said, found) in seen or (own not in (None, found) and (session, found) in seen):
        seen[key] += 1
        found = str(seen[key] if own is None else own if seen[key] == 1 else f"{own}#{seen[key]}")
    seen.update({(*said, found), (session, own and found)} - {key})
    return found
