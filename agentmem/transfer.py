"""
Turn a file that a person has into conversations that the library can store.

    read(path)   bytes → text → parsed → conversations, one at a time, in file order

The format is found from the content. Nothing is left out silently: each thing that is not kept is
counted under a short reason. Parsers of JSON exports are in `exports`, those of plain text here.
"""

from __future__ import annotations

import json
import os
import re
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import chain, pairwise
from pathlib import Path

from . import exports
from .errors import ImportFormatError
from .exports import ASSISTANT_NAMES, MAX_CHARS, PLAIN_NAMES, Conversation, Message, Origin, message, when

__all__ = ["FORMATS", "MAX_CHARS", "MAX_ZIP_BYTES", "Conversation", "read"]

FORMATS: tuple[str, ...] = ("chatgpt", "claude", "chat", "whatsapp", "text")
_COPY = re.compile(r"(?<=\S)(?: ?\([0-9]{1,3}\))+(?=(\.[^.]*)?$)")  # a browser makes "log (1).jsonl" of a second
_BINARY = (b"\x89PNG", b"\xff\xd8\xff", b"GIF8", b"%PDF-", b"\x1f\x8b", b"SQLite format 3\0")
MAX_ZIP_BYTES = 2 * 1024**3  # 2 GiB unpacked; a small zip can claim to hold more than the disk

_KNOWN = (
    "known forms: ChatGPT's and Claude's conversations.json (or the zip that holds it), "
    'lists of {"role": …, "content": …} as JSON or JSON lines, WhatsApp text exports, Markdown and plain text'
)
_JSON_PARSERS = {"chatgpt": exports.chatgpt, "claude": exports.claude, "chat": exports.chat}


def read(
    path: str | os.PathLike[str], *, format: str | None = None, skipped: Counter[str] | None = None
) -> Iterator[Conversation]:
    """
    Read the conversations of one file, in file order.

    The file is opened and its format found before this returns; conversations are made as they are asked for.

    Args:
        path: an export, a chat log, a document, or a zip that holds conversations.json.
        format: one of FORMATS; without it the format is found from the content.
        skipped: counts, by reason, what was not kept; it is filled while the iterator is used.

    Returns:
        An iterator of conversations that hold at least one message. No two messages are alike in session,
        role, name, at, content and id. These and the source are the same at every reading, also from a copy
        that a browser has numbered, and after messages were added, changed or cut off elsewhere in the file.
        Times are those of the file, without a zone where it names none, and None where it does not say.

    Raises:
        ImportFormatError: the file is missing, damaged or of an unknown form; the message says where. While
            iterating: one conversation or line is of the wrong shape, and those before it were yielded.
        ValueError: *format* is not one of FORMATS.
    """
    if format is not None and format not in FORMATS:
        raise ValueError(f"format must be one of {', '.join(FORMATS)}, not {format!r}")
    file = Path(path)
    counts = Counter[str]() if skipped is None else skipped
    stem = Path(_COPY.sub("", file.name)).stem
    found = []
    for name, data in _load(file):
        origin = Origin(name, _COPY.sub("", name), stem, counts)
        found.append(_parsed(_decode(data, name), format, origin))
    return exports.finished(chain.from_iterable(found), counts)


# --- bytes ---


def _load(path: Path) -> list[tuple[str, bytes]]:
    """Return the content with the name that identifies it, unpacked if it is in a zip."""
    try:
        if path.is_dir():
            raise ImportFormatError(f"{path}: is a folder. Give one file in it, such as conversations.json")
        data = path.read_bytes() if path.is_file() else None
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        raise ImportFormatError(f"{path}: cannot be read ({error}). Check its permissions") from error
    if data is None:
        raise ImportFormatError(f"{path}: no such file. Check the path")
    if data.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return _unzip(path)
    return [(path.name, data)]


def _unzip(path: Path) -> list[tuple[str, bytes]]:
    """Return conversations.json, or ChatGPT's numbered parts of it, or a WhatsApp chat, out of the zip."""
    found, room = [], MAX_ZIP_BYTES
    try:
        with zipfile.ZipFile(path) as archive:
            for member in _members(archive.namelist(), path.name):
                if archive.getinfo(member).compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                    raise zipfile.BadZipFile("packed in an unusual way")  # LZMA has errors of its own
                with archive.open(member) as stream:
                    data = stream.read(room + 1)
                room -= len(data)
                if room < 0:
                    what = f"unpacks to more than {MAX_ZIP_BYTES:,} bytes. Unpack it and import its parts"
                    raise ImportFormatError(f"{path.name}: {what}")
                # iOS names every chat _chat.txt, so only the zip's own name tells chats apart.
                found.append((Path(member).name if member.endswith(".json") else path.name, data))
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError, ValueError) as error:
        # RuntimeError: encrypted, or (NotImplementedError) packed in a way that zipfile lacks
        what = f"not a readable zip ({error}). Download it again, or unpack it yourself"
        raise ImportFormatError(f"{path.name}: {what}") from error
    return found


def _members(names: list[str], zip_name: str) -> list[str]:
    for pattern in (r"conversations\.json", r"conversations-\d+\.json", r"_chat\.txt|WhatsApp.*\.txt"):
        found = sorted(name for name in names if re.fullmatch(pattern, name.rpartition("/")[2]))
        if found:
            return found if "-" in pattern else found[:1]
    raise ImportFormatError(f"{zip_name}: the zip holds no conversations.json. Unpack it; {_KNOWN}")


def _decode(data: bytes, name: str) -> str:
    """Decode UTF-8 with or without BOM, or UTF-16 with one."""
    encoding, start = "utf-8", 0
    if data.startswith(b"\xef\xbb\xbf"):
        start = 3
    elif data.startswith((b"\xff\xfe", b"\xfe\xff")) and data[2:4] != b"\0\0":  # that would be UTF-32
        encoding, start = ("utf-16-le" if data[0] == 0xFF else "utf-16-be"), 2
    elif data.startswith(_BINARY) or data[:8192].count(0) * 20 > len(data[:8192]):  # a crashed log has a few
        raise ImportFormatError(f"{name}: is a binary file, not text. Export it as text or JSON; {_KNOWN}")
    try:
        text = data[start:].decode(encoding)
    except UnicodeDecodeError as error:
        what = f"byte {start + error.start} is not valid {encoding.upper()}. Save the file as UTF-8"
        raise ImportFormatError(f"{name}: {what}") from error
    if not text.strip():
        raise ImportFormatError(f"{name}: is empty. Export or download it again")
    return text


# --- which format ---


def _parsed(text: str, format: str | None, origin: Origin) -> Iterator[Conversation]:
    """Return the conversations of *text* by the parser that *format*, or else the content, calls for."""
    if format in ("whatsapp", "text") or (format is None and not _looks_like_json(text, origin.file)):
        lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
        if format == "whatsapp" or (format is None and _is_whatsapp(lines)):
            return _whatsapp(lines, origin)
        if format is None and re.match(r"\s*<(!doctype html|html)\b", text, re.IGNORECASE):
            raise ImportFormatError(f"{origin.file}: is a web page. Export it as text or JSON; {_KNOWN}")
        return _document(lines, origin)
    if format in ("chat", None) and _is_json_lines(text, origin.file):
        return exports.chat_lines(text, origin)
    data = _json(text, origin.file)
    found = format or _json_format(data)
    if not data or found is None:
        what = "holds no conversations" if not data else "is JSON of an unknown form"
        raise ImportFormatError(f"{origin.file}: {what}. Choose another file; {_KNOWN}")
    return _JSON_PARSERS[found](data, origin)


def _looks_like_json(text: str, name: str) -> bool:
    # Markdown may start with "[": a link, "[ ]" or "[[page]]". JSON cut off must not pass for a document.
    opening = re.match(r'\s*(\[\s*([{"]|\]\s*$)|\{\s*("|\}\s*$))', text)
    return bool(opening) or name.lower().endswith((".json", ".jsonl", ".ndjson"))


def _is_json_lines(text: str, name: str) -> bool:
    """Tell whether the first line is an object of its own and either more follow or the name says so."""
    first, _, rest = text.strip().partition("\n")
    if not first.startswith("{"):
        return False
    if name.lower().endswith((".jsonl", ".ndjson")):
        return first.rstrip() != "{"  # a broken first line is an error of that line
    try:
        return bool(rest.strip()) and isinstance(json.loads(first), dict)
    except (ValueError, RecursionError):
        return False


def _json(text: str, name: str) -> object:
    try:
        data: object = json.loads(text)
    except json.JSONDecodeError as error:
        raise ImportFormatError(
            f"{name}: not valid JSON at line {error.lineno} column {error.colno}: {error.msg}; "
            "the file may be cut off – download the export again"
        ) from error
    except (RecursionError, ValueError) as error:  # nested too deeply, a number of more than 4,300 digits
        raise ImportFormatError(f"{name}: JSON no export would hold ({error}); {_KNOWN}") from error
    return data


def _json_format(data: object) -> str | None:
    """Name the format by the first item that has the mark of one."""
    for item in data if isinstance(data, list) else [data]:
        if not isinstance(item, dict):
            continue
        for key, format in (("mapping", "chatgpt"), ("chat_messages", "claude"), ("messages", "chat")):
            if key in item:
                return format
        if exports.is_chat_message(item):
            return "chat"
    return None


# --- WhatsApp ---

_MARKS = "\u200e\u200f\u202a-\u202e\u2066-\u2069"  # direction marks around names and stamps
_STAMP = re.compile(
    rf"""[{_MARKS}]* (\[)? [{_MARKS}]*
    (\d{{1,4}}) ([./-])\s? (\d{{1,2}}) \3\s? (\d{{1,4}}) ([,،])? \s{{1,2}} (?:(?:à|klo|um)\s)?
    (上午|下午|오전|오후)? \s?
    (\d{{1,2}}) [:.] (\d\d) (?:[:.](\d\d))? (?:\s?([ap])\.?\s?m\.?)? (?(1) \]\s? | \s[-–]\s ) (.*)""",
    re.VERBOSE | re.IGNORECASE,
)
_SPEAKER = re.compile(rf"[{_MARKS}]*~?\s?([^:\n]{{1,100}}):(?:\s|$|(?=[{_MARKS}]))(.*)", re.DOTALL)
_SYSTEM = re.compile(  # iOS gives these a speaker, and starts them with a direction mark
    r"end-to-end|Ende-zu-Ende|extremo a extremo|bout en bout|ponta a ponta|created (this )?group|"
    r"changed (the|this|their|your)|\b(added|removed|joined|left)\b|(voice|video) call|security code",
    re.IGNORECASE,
)
_DELETED = re.compile(
    r"(This message was deleted|You deleted this message|Diese Nachricht wurde gelöscht|"
    r"Du hast diese Nachricht gelöscht|Se eliminó este mensaje|Eliminaste este mensaje|"
    r"(Es[st]a )?mensagem (foi )?apagada|Você apagou esta mensagem|Ce message a été supprimé|"
    r"Vous avez supprimé ce message|Questo messaggio è stato eliminato|Hai eliminato questo messaggio|"
    r"Dit bericht is verwijderd|Je hebt dit bericht verwijderd)\.?",
    re.IGNORECASE,
)
_MEDIA = re.compile(
    rf"""[{_MARKS}]{{0,3}}(?:
    <(?:media\ (?:omitted|omessi|weggelaten)|medien\ ausgeschlossen|multimedia\ omitido|médias\ omis|
    (?:arquivo\ de\ )?mídia\ ocult[ao]|без\ медиафайлов|pominięto\ multimedia|medya\ dahil\ edilmedi)>
    | <[^<>:\n]{{2,20}}:\ ?[^<>\n]+\.\w{{2,5}}>                                   # <attached: 0001-PHOTO.jpg>
    | ^(?:.{{0,150}}[{_MARKS}])?(?:image|video|audio|gif|sticker|document|contact\ card|bild|imagen|imagem|
      immagine|afbeelding)\ (?:omitted|weggelassen|omitid[ao]|ocultad[ao]|absente?|omess[ao]|weggelaten)$
    | ^\S+\.\w{{2,5}}\ \((?:file\ attached|datei\ angehängt|archivo\ adjunto|arquivo\ anexado|fichier\ joint|
      file\ allegato|bestand\ bijgevoegd)\)
    | ^null$ )""",  # null: what Android writes for media that was shown once
    re.VERBOSE | re.IGNORECASE | re.MULTILINE,
)
_EDITED = re.compile(rf"[{_MARKS}]{{0,3}}<(This message was edited|Diese Nachricht wurde bearbeitet)\.?>")
_BLANK = " \t\r\n\u200e"
_PAUSE = timedelta(hours=6)  # a longer silence starts a new session
_Entry = tuple[re.Match[str], list[str]]  # the stamped line, and the lines under it


def _is_whatsapp(lines: list[str]) -> bool:
    # A diary may stamp its lines as "2024-05-01 09:00 - words": no comma after the year, and no speaker.
    first = _STAMP.match(next(filter(str.strip, lines)))
    if not first or (len(first[2]) == 4 and not (first[1] or first[6])):
        return False
    return any(_SPEAKER.match(found[12]) for line in lines if (found := _STAMP.match(line)))


def _whatsapp(lines: list[str], origin: Origin) -> Iterator[Conversation]:
    entries: list[_Entry] = []
    for line in lines:
        stamp = _STAMP.match(line)
        if stamp and (_moment(stamp, True) or _moment(stamp, False)):
            entries.append((stamp, []))
        elif entries:
            entries[-1][1].append(line)
        elif line.strip():
            origin.skipped["text before the first message"] += 1
    if not entries:
        raise ImportFormatError(f"{origin.file}: has no lines as WhatsApp writes them. Leave out format=")
    return _sessions(entries, origin)


def _sessions(entries: list[_Entry], origin: Origin) -> Iterator[Conversation]:
    """Yield the messages between two pauses as one conversation."""
    day_first = _day_first([stamp for stamp, _ in entries])
    session: list[Message] = []
    last: datetime | None = None
    for stamp, more in entries:
        moment = _moment(stamp, day_first) or _moment(stamp, not day_first)
        spoken = _spoken("\n".join([stamp[12], *more]))
        if spoken is None or moment is None:
            origin.skipped["WhatsApp system line"] += 1
            continue
        if session and last and moment - last >= _PAUSE:
            yield _session(session, origin)
            session = []
        last = moment
        name, words = spoken
        if _DELETED.fullmatch(words):
            origin.skipped["deleted message"] += 1
        elif not _MEDIA.sub("", words).strip(_BLANK):
            origin.skipped["media without text" if words else "empty message"] += 1
        else:
            at = moment.isoformat(timespec="seconds" if stamp[10] else "minutes")
            session.append(message("user", _MEDIA.sub("[media]", words), at, name=name))
    if session:
        yield _session(session, origin)


def _session(messages: list[Message], origin: Origin) -> Conversation:
    # The day alone: a file cut off within its first session, as those of over 40,000 messages are, keeps the id.
    ident = f"{origin.stem}/{str(messages[0]['at'])[:10]}"
    return Conversation(ident, origin.stem, f"whatsapp:{origin.name}", "turn", messages)


def _spoken(text: str) -> tuple[str, str] | None:
    """Return speaker and words, or None for a line of WhatsApp's own."""
    found = _SPEAKER.match(text)
    if not found or re.search('["“„«]', found[1]):  # Ana changed the subject to "Trip: June"
        return None
    if found[2].startswith("\u200e") and _SYSTEM.search(found[2]) and not _MEDIA.search(found[2]):
        return None
    return re.sub(f"[{_MARKS}]", "", found[1]).strip(), _EDITED.sub("", found[2]).strip(_BLANK)


def _moment(stamp: re.Match[str], day_first: bool) -> datetime | None:
    first, second, third = stamp[2], stamp[4], stamp[5]
    if len(first) == 4:
        year, month, day = int(first), int(second), int(third)
    else:
        year = int(third) + (2000 if len(third) == 2 else 0)
        day, month = (int(first), int(second)) if day_first else (int(second), int(first))
    hour, half = int(stamp[8]), (stamp[11] or stamp[7] or "").casefold()
    if half:
        hour = hour % 12 + (12 if half in ("p", "下午", "오후") else 0)
    try:
        return datetime(year, month, day, hour, int(stamp[9]), int(stamp[10] or 0))
    except ValueError:
        return None


def _day_first(stamps: list[re.Match[str]]) -> bool:
    """Tell from the whole file whether 5/8 is the fifth of August."""
    stamps = [stamp for stamp in stamps if len(stamp[2]) < 4]
    days_first = sum(int(stamp[2]) > 12 for stamp in stamps)
    days_second = sum(int(stamp[4]) > 12 for stamp in stamps)
    if days_first != days_second:
        return days_first > days_second
    dates = {order: [at.date() for each in stamps if (at := _moment(each, order))] for order in (True, False)}
    ordered = [order for order, read in dates.items() if read == sorted(read)]
    if len(ordered) == 1:
        return ordered[0]
    return not any(stamp[3] == "/" and (stamp[11] or stamp[7]) for stamp in stamps)


# --- Markdown and plain text ---

_FENCE = re.compile(r"\s*(`{3,}(?!.*`)|~{3,})")
_HEADING = re.compile(r" {0,3}(#{1,6})[ \t]+(\S.*)")
_RULE = re.compile(r"\s{0,3}([-*_])(\s*\1){2,}\s*")
_ITEM = re.compile(r"(\s*)([-*+•]|\d{1,3}[.)])\s+\S")
_FIELD = re.compile(r"([\w-]+)\s*:(.*)")
_NAME = r"[^\W\d_][\w.'’ -]{0,39}"
_LABEL = re.compile(rf"\s{{0,3}}(?:\*\*({_NAME})(?::\*\*|\*\*:)|({_NAME})(?::(?=\s|$)|：))\s*(.*)")
_NOT_NAMES = {"note", "example", "ps", "edit", "update", "todo", "source", "date", "time", "title", "author"}
_LONG_LIST = 8  # items; a longer list is split, each item a message


@dataclass(frozen=True, slots=True)
class _Block:
    lines: list[str]
    heading: str | None  # "H1 > H2"
    at: str | None


def _document(lines: list[str], origin: Origin) -> Iterator[Conversation]:
    title, at, body = _front_matter(lines, origin)
    blocks = list(_blocks(body, at, origin.skipped))
    source = f"text:{origin.name}"
    if _is_transcript(blocks):
        yield Conversation(origin.stem, title, source, "turn", list(_turns(blocks)))
    else:
        yield Conversation(None, title, source, "note", list(_notes(blocks)))


def _front_matter(lines: list[str], origin: Origin) -> tuple[str | None, str | None, list[str]]:
    """Return title, date and the lines under the front matter; a file named for a day has its date."""
    named = origin.stem if _is_date(origin.stem) else None
    ends = (number for number, line in enumerate(lines) if number and line.rstrip() in ("---", "..."))
    end = next(ends, 0) if lines[0].rstrip() == "---" else 0
    found = [_FIELD.fullmatch(line) for line in lines[1:end] if line.strip() and line[0] not in " \t-#"]
    if not found or None in found:
        return None, named, lines
    fields = {each[1].casefold(): each[2].strip().strip("\"'") for each in found if each}
    if fields.keys() - {"title", "date"}:
        origin.skipped["front matter"] += 1
    return fields.get("title"), when(fields.get("date"), origin.skipped) or named, lines[end + 1 :]


def _is_date(text: str) -> bool:
    try:
        return date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False


def _blocks(lines: list[str], base: str | None, skipped: Counter[str]) -> Iterator[_Block]:
    """Yield the paragraphs under their headings; a heading that is a date dates what is under it."""
    path: list[tuple[int, str]] = []  # (level, heading)
    used = 0  # how many of the path's headings have text under them
    for chunk in _chunks(lines):
        if heading := _HEADING.fullmatch(chunk[0]):
            kept = [each for each in path if each[0] < len(heading[1])]
            skipped.update(["heading without text"] * (len(path) - max(used, len(kept))))
            used = min(used, len(kept))
            path = [*kept, (len(heading[1]), re.sub(r"\s#+$", "", heading[2].strip()).strip())]
        elif _RULE.fullmatch(chunk[0]):
            skipped["separator line"] += 1
        else:
            used = len(path)
            dates = [text for _, text in path if _is_date(text)]
            yield _Block(chunk, " > ".join(text for _, text in path) or None, dates[-1] if dates else base)
    skipped.update(["heading without text"] * (len(path) - used))


def _chunks(lines: list[str]) -> Iterator[list[str]]:
    """Yield lines between blank ones; headings and rules alone; fenced code with its blank lines."""
    chunk: list[str] = []
    fence = ""
    for line in lines:
        opening = _FENCE.match(line)
        if fence or opening:
            chunk.append(line)
            closes = fence and line.strip().startswith(fence) and not line.strip().strip(fence[0])
            fence = "" if closes else fence or (opening[1] if opening else "")
        elif re.fullmatch(r"={2,}\s*", line) and len(chunk) == 1:
            yield [f"# {chunk.pop().strip()}"]
        elif not line.strip() or _HEADING.fullmatch(line) or _RULE.fullmatch(line):
            yield from [chunk] if chunk else []
            yield from [[line]] if line.strip() else []
            chunk = []
        else:
            chunk.append(line)
    yield from [chunk] if chunk else []


def _about(block: _Block) -> Message | None:
    return {"heading": block.heading} if block.heading else None


def _notes(blocks: list[_Block]) -> Iterator[Message]:
    for block in blocks:
        for text in _items(block.lines):
            yield message("user", text, block.at, metadata=_about(block))


def _items(lines: list[str]) -> list[str]:
    """Return the items of a long list, each with the lines under it; else the lines as one text."""
    found = [(len(item[1]), place) for place, line in enumerate(lines) if (item := _ITEM.match(line))]
    least = min(found, default=(0, 0))[0]
    outer = [place for indent, place in found if indent == least]
    if len(outer) <= _LONG_LIST or any(map(_FENCE.match, lines)):
        return ["\n".join(lines)]
    starts = sorted({0, *outer})
    return ["\n".join(lines[start:end]) for start, end in pairwise([*starts, len(lines)])]


def _label(line: str) -> tuple[str, str] | None:
    """Return name and words of a line "Name: words"; a bold name or a role may stand alone on its line."""
    found = _LABEL.fullmatch(line)
    if not found:
        return None
    name, words = (found[1] or found[2]).strip(), found[3]
    role = name.casefold() in ASSISTANT_NAMES | PLAIN_NAMES
    if len(name.split()) > 4 or name.casefold() in _NOT_NAMES or not (words or found[1] or role):
        return None
    return name, words


def _is_transcript(blocks: list[_Block]) -> bool:
    labels = [_label(line) for block in blocks for line in block.lines]
    named = Counter(label[0].casefold() for label in labels if label)
    recurring = {name for name, count in named.items() if count > 1}
    firsts = [_label(block.lines[0]) for block in blocks]
    opened = sum(1 for label in firsts if label and label[0].casefold() in recurring)
    return len(recurring) > 1 and opened * 2 > len(blocks)


def _turns(blocks: list[_Block]) -> Iterator[Message]:
    """Yield a message for each label; what has no label of its own belongs to the speaker before it."""
    turns: list[tuple[str, list[str], _Block]] = []
    for block in blocks:
        fenced = False
        for place, line in enumerate(block.lines):
            fenced ^= bool(_FENCE.match(line))
            label = None if fenced else _label(line)
            if label or not turns:
                name, words = label or ("", line)
                turns.append((name, [words], block))
            else:
                turns[-1][1].extend([line] if place else ["", line])
    for name, words_, block in turns:
        role = "assistant" if name.casefold() in ASSISTANT_NAMES else "user"
        shown = None if name.casefold() in PLAIN_NAMES else name
        yield message(role, "\n".join(words_), block.at, name=shown, metadata=_about(block))
