"""What `transfer.read` makes of real-looking exports, odd files and damaged ones."""

from __future__ import annotations

import json
import re
import tempfile
import time
import zipfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from transfer_files import EXPORTS, chatgpt_chain, field, identities, load, one, put, zipped

from agentmem import transfer
from agentmem.errors import ImportFormatError
from agentmem.transfer import FORMATS, Conversation, read

# --- WhatsApp ---


def test_whatsapp_from_ios_splits_sessions_at_pauses_of_six_hours() -> None:
    found, skipped = load(EXPORTS / "WhatsApp Chat - Ana.txt")
    assert [each.session for each in found] == [
        "WhatsApp Chat - Ana/2023-05-08",
        "WhatsApp Chat - Ana/2023-05-09",
    ]
    assert {(each.source, each.kind) for each in found} == {("whatsapp:WhatsApp Chat - Ana.txt", "turn")}
    rows = [[each[key] for key in ("id", "name", "at", "content")] for each in found[0].messages]
    assert rows == [
        ["1", "Ana", "2023-05-08T13:56:02", "Kommst du morgen?\nBring bitte den Schlüssel mit.\n\nDanke 🙏"],
        ["1", "Ben", "2023-05-08T13:58:30", "Ja!"],
        ["1", "Ana", "2023-05-08T13:59:30", "Unser Garten [media]"],
        ["1", "Ben", "2023-05-08T19:59:59", "Kurz vor der Pause"],
    ]
    assert field(found[1], "content") == ["مرحبا بالصباح"]
    assert skipped == {
        "WhatsApp system line": 2,
        "media without text": 3,
        "deleted message": 1,
        "empty message": 1,
    }


def test_whatsapp_from_android_reads_american_dates() -> None:
    (found,), skipped = load(EXPORTS / "WhatsApp Chat with Trip.txt")
    assert found.session == "WhatsApp Chat with Trip/2023-05-13"
    rows = [[each[key] for key in ("id", "name", "at", "content")] for each in found.messages]
    assert rows == [
        ["1", "Ana", "2023-05-13T13:57", "Who drives? 12/5/23, 1:56 PM is too late"],
        ["1", "+49 151 2345678", "2023-05-13T13:58", "I do"],
        ["1", "Ana", "2023-05-13T14:01", "[media]\nthe car"],
        ["1", "Ana", "2023-05-13T00:30", "https://example.org: look"],
    ]
    assert skipped == {"WhatsApp system line": 2, "media without text": 1, "deleted message": 1}


@pytest.mark.parametrize(
    ("lines", "first"),
    [
        ("08/05/2023, 13:56 - A: x\n13/05/2023, 13:56 - A: y", "2023-05-08T13:56"),
        ("05/08/2023, 13:56 - A: x\n05/13/2023, 13:56 - A: y", "2023-05-08T13:56"),
        ("08/05/2023, 13:56 - A: x", "2023-05-08T13:56"),
        ("08-05-2023 13:56 - A: x", "2023-05-08T13:56"),
        ("[08.05.23, 1:56:02 PM] A: x", "2023-05-08T13:56:02"),
        ("[5/8/23, 1:56:02 PM] A: x", "2023-05-08T13:56:02"),
        ("5/8/23, 12:05 a. m. - A: x", "2023-05-08T00:05"),
        ("[2023-05-08, 13:56:02] A: x", "2023-05-08T13:56:02"),
        ("2023/05/08, 13:56 - A: x", "2023-05-08T13:56"),
        ("[2023/5/8 下午1:56:02] A: x", "2023-05-08T13:56:02"),
        ("08.05.2023 klo 13.56 - A: x", "2023-05-08T13:56"),
        # only the order of the lines tells: as days first, the second would go back in time
        ("3/4/23, 10:00 - A: x\n4/2/23, 10:00 - A: y", "2023-03-04T10:00"),
        ("3/4/23, 1:00 PM - A: x\n2/5/23, 1:00 PM - A: y", "2023-04-03T13:00"),
    ],
)
def test_whatsapp_finds_the_order_of_day_and_month(tmp_path: Path, lines: str, first: str) -> None:
    found, _ = load(put(tmp_path, "chat.txt", lines + "\n"))
    assert found[0].source == "whatsapp:chat.txt"
    assert found[0].messages[0]["at"] == first


def test_whatsapp_treats_an_impossible_stamp_as_words(tmp_path: Path) -> None:
    text = "08/05/2023, 13:56 - A: x\n45/45/2023, 13:56 - A: y\n"
    assert one(tmp_path, "chat.txt", text).messages[0]["content"] == "x\n45/45/2023, 13:56 - A: y"


def test_whatsapp_keeps_words_about_omitted_media(tmp_path: Path) -> None:
    text = "08/05/2023, 13:56 - A: the video was omitted, <sorry>\n"
    assert one(tmp_path, "chat.txt", text).messages[0]["content"] == "the video was omitted, <sorry>"


def test_whatsapp_counts_what_stands_before_the_first_message(tmp_path: Path) -> None:
    path = put(tmp_path, "chat.txt", "Chat history\n08/05/2023, 13:56 - A: x\n")
    found, skipped = load(path, "whatsapp")
    assert (len(found), skipped) == (1, {"text before the first message": 1})


def test_whatsapp_refuses_a_file_without_stamps() -> None:
    with pytest.raises(ImportFormatError, match="no lines as WhatsApp writes them"):
        read(EXPORTS / "call.txt", format="whatsapp")


@pytest.mark.parametrize("text", ["2024-05-01 09:00 - coffee: good\n", "08/05/2023, 13:56 - went out\n"])
def test_a_diary_with_times_is_not_whatsapp(tmp_path: Path, text: str) -> None:
    found = one(tmp_path, "diary.txt", text)
    assert (found.kind, found.messages[0]["content"]) == ("note", text.strip())


# --- documents ---


def test_text_gives_paragraphs_under_their_headings() -> None:
    (found,), skipped = load(EXPORTS / "2024-05-01.md")
    assert (found.session, found.title, found.kind) == (None, "Garden diary", "note")
    assert found.source == "text:2024-05-01.md"
    assert found.messages[:3] == [
        {
            "role": "user",
            "content": "The beds are dug. Next: compost.\nSecond line of the same paragraph.",
            "at": "2024-04-30",
            "id": "1",
            "metadata": {"heading": "Garden"},
        },
        {
            "role": "user",
            "content": "- peas\n- beans",
            "at": "2024-04-30",
            "id": "1",
            "metadata": {"heading": "Garden > Beds > North"},
        },
        {
            "role": "user",
            "content": "```python\n# not a heading\nx = 1\n\ny = 2\n```",
            "at": "2024-04-30",
            "id": "1",
            "metadata": {"heading": "Garden > Beds > North"},
        },
    ]
    assert skipped == {"front matter": 1, "separator line": 1, "heading without text": 1}


def test_text_dates_what_stands_under_a_heading_that_is_a_date() -> None:
    (found,), _ = load(EXPORTS / "2024-05-01.md")
    at = dict(zip(field(found, "content"), field(found, "at"), strict=True))
    assert (at["- peas\n- beans"], at["1. basil\n2. chives"]) == ("2024-04-30", "2024-04-30")
    assert (at["Rain 🌧 all day. 雨天。"], at["- nine"]) == ("2024-05-02", "2024-05-02")
    assert found.messages[-1]["metadata"] == {"heading": "Seeds"}


def test_text_splits_only_lists_of_more_than_eight() -> None:
    (found,), _ = load(EXPORTS / "2024-05-01.md")
    texts = field(found, "content")
    assert [texts[place] for place in (4, 5, 6, 8, 13)] == [
        "Shopping for nine:",
        "- one",
        "- two\n  more about two",
        "- four\n  - four a",
        "- nine",
    ]
    assert texts[14] == "1. basil\n2. chives"
    assert len(texts) == 15


def test_text_takes_the_date_of_a_daily_note_from_its_name(tmp_path: Path) -> None:
    assert one(tmp_path, "2024-05-03.md", "Sun.").messages[0]["at"] == "2024-05-03"
    assert one(tmp_path, "2024-13-03.md", "Sun.").messages[0]["at"] is None


def test_text_takes_the_nearest_of_two_dates(tmp_path: Path) -> None:
    found = one(tmp_path, "a.md", "# 2024-05-01\n\n## 2024-05-02\n\nx\n\n# Other\n\ny\n")
    assert field(found, "at") == ["2024-05-02", None]


def test_text_counts_headings_that_have_nothing_under_them(tmp_path: Path) -> None:
    found, skipped = load(put(tmp_path, "a.md", "# A\n\n## B\n\nx\n\n## C\n\n# D\n\n## E\n"))
    assert [each.messages[0]["metadata"] for each in found] == [{"heading": "A > B"}]
    assert skipped == {"heading without text": 3}


@pytest.mark.parametrize(
    "text", ["---\nnot a field\n---\n\nwords", "words\n\n---\n\ntitle: x\n\n---", "---\ntitle: never closed"]
)
def test_text_does_not_take_a_rule_for_front_matter(tmp_path: Path, text: str) -> None:
    found = one(tmp_path, "a.md", text)
    assert found.title is None
    assert found.messages[0]["content"] != "title: x"


def test_text_reports_a_front_matter_date_it_cannot_read(tmp_path: Path) -> None:
    found, skipped = load(put(tmp_path, "a.md", "---\ndate: last May\n---\nwords"))
    assert (found[0].messages[0]["at"], skipped) == (None, {"unreadable time": 1})


def test_text_keeps_an_unclosed_fence_and_a_windows_file_whole(tmp_path: Path) -> None:
    found = one(tmp_path, "a.md", "intro\r\n\r\n~~~\r\n# x\r\n\r\ny\r\n")
    assert field(found, "content") == ["intro", "~~~\n# x\n\ny"]


def test_a_transcript_is_read_as_turns() -> None:
    (found,), skipped = load(EXPORTS / "call.txt")
    assert (found.session, found.kind, found.source) == ("call", "turn", "text:call.txt")
    assert [(each.get("name"), each["content"]) for each in found.messages] == [
        (None, "Call about the flat"),
        ("Ana", "Is the flat free?"),
        ("Agent", "Yes, from June.\nIt has a balcony.\n\nIt is quiet, too."),
        ("Ana", "Can I see it?"),
        ("Agent", "Note: bring an id."),
        ("Agent", "Saturday at ten. شكرا"),
    ]
    assert set(field(found, "role")) == {"user"}
    assert skipped == {}


def test_a_pasted_chat_gets_roles_and_leaves_code_alone() -> None:
    (found,), _ = load(EXPORTS / "pasted.txt")
    assert field(found, "role") == ["user", "assistant"] * 2
    assert field(found, "name") == [None] * 4
    assert found.messages[3]["content"] == "It is:\n```\nBase: 100\n```"


def test_an_assistant_with_a_name_of_its_own_keeps_it(tmp_path: Path) -> None:
    text = "Ana: a\nChatGPT: b\nAna: c\nChatGPT: d\nHuman: e\n**Bot:**\nlast"
    found = one(tmp_path, "a.txt", text)
    assert [(each["role"], each.get("name"), each["content"]) for each in found.messages] == [
        ("user", "Ana", "a"),
        ("assistant", "ChatGPT", "b"),
        ("user", "Ana", "c"),
        ("assistant", "ChatGPT", "d"),
        ("user", None, "e"),
        ("assistant", "Bot", "last"),
    ]


def test_a_speaker_without_words_is_counted(tmp_path: Path) -> None:
    text = "User: a\nAssistant: b\nUser: c\nAssistant:\nUser: d"
    (found,), skipped = load(put(tmp_path, "a.txt", text))
    assert (field(found, "content"), skipped) == (["a", "b", "c", "d"], {"empty message": 1})


@pytest.mark.parametrize(
    "text",
    [
        "Ana: once\n\nBen: once",
        "Ana: a\n\nAna: b\n\nAna: c",
        "Ana: a\n\nBen: b\n\nAna: c\n\nBen: d\n\n" + "plain\n\n" * 9,
        "Note: a\nDate: b\n\nNote: c\nDate: d",
    ],
)
def test_a_text_with_few_labels_stays_a_note(tmp_path: Path, text: str) -> None:
    found = one(tmp_path, "a.txt", text)
    assert (found.kind, found.session) == ("note", None)


def test_markdown_that_starts_with_a_bracket_is_not_json(tmp_path: Path) -> None:
    for text in ("[[Page]] and words", "[ ] call Ana", "[a](b) link", "{curly} words"):
        assert one(tmp_path, "a.md", text).messages[0]["content"] == text


def test_a_given_text_format_reads_anything_as_a_document(tmp_path: Path) -> None:
    (found,), _ = load(put(tmp_path, "a.json", "[1, 2]"), "text")
    assert (found.source, field(found, "content")) == ("text:a.json", ["[1, 2]"])


# --- files, whatever is in them ---


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_text_of_each_known_encoding_is_read(tmp_path: Path, encoding: str) -> None:
    (found,), _ = load(put(tmp_path, "a.txt", "Grüße 🌿 你好".encode(encoding)))
    assert field(found, "content") == ["Grüße 🌿 你好"]


def test_conversations_are_yielded_one_at_a_time(tmp_path: Path) -> None:
    path = put(tmp_path, "c.json", [chatgpt_chain(1), {"mapping": 3}])
    assert next(read(path)).session == "long"


def test_nothing_in_a_hostile_file_takes_more_than_seconds(tmp_path: Path) -> None:
    hostile = [
        "-" + " " * 200_000 + "x",
        "# " + " #" * 100_000 + "x",
        "- x\n" * 50_000,
        "a:" * 100_000,
        "08/05/2023, 13:56 - A: " + "\u200e" * 200_000 + "x" + "." * 200_000,
    ]
    start = time.perf_counter()
    for number, text in enumerate(hostile):
        load(put(tmp_path, f"{number}.txt", text))
    load(put(tmp_path, "same.json", [{"role": "user", "content": "x", "id": "same"}] * 50_000))
    assert time.perf_counter() - start < 20


# --- zips ---


@pytest.mark.parametrize("name", ["chatgpt", "claude"])
def test_a_zip_gives_its_conversations(tmp_path: Path, name: str) -> None:
    text = (EXPORTS / f"{name}.json").read_text()
    path = zipped(tmp_path / "export.zip", {"user.json": "{}", "export/conversations.json": text})
    found, skipped = load(path)
    plain, plain_skipped = load(put(tmp_path, "conversations.json", text))
    assert (found, skipped) == (plain, plain_skipped)
    assert found[0].source == name


def test_a_zip_of_numbered_parts_gives_them_in_order(tmp_path: Path) -> None:
    parts = {
        f"conversations-00{number}.json": json.dumps([{**chatgpt_chain(1), "id": f"c{number}"}]) for number in (1, 0)
    }
    found, _ = load(zipped(tmp_path / "export.zip", {**parts, "chat.html": "<html>"}))
    assert [(each.session, field(each, "id")) for each in found] == [("c0", ["n0"]), ("c1", ["n0"])]


def test_a_whatsapp_zip_is_named_by_the_zip(tmp_path: Path) -> None:
    chat = (EXPORTS / "WhatsApp Chat - Ana.txt").read_text()
    found, _ = load(zipped(tmp_path / "WhatsApp Chat - Ana.zip", {"_chat.txt": chat, "0001.opus": ""}))
    assert found[0].session == "WhatsApp Chat - Ana/2023-05-08"
    assert found[0].source == "whatsapp:WhatsApp Chat - Ana.zip"


def test_a_zip_without_conversations_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ImportFormatError, match=r"export\.zip: the zip holds no conversations\.json"):
        read(zipped(tmp_path / "export.zip", {"a.txt": "words"}))


def test_a_zip_that_unpacks_too_large_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transfer, "MAX_ZIP_BYTES", 100)
    path = zipped(tmp_path / "export.zip", {"conversations.json": "[" + " " * 100 + "]"})
    with pytest.raises(ImportFormatError, match="more than 100 bytes"):
        read(path)


def test_a_damaged_zip_is_refused(tmp_path: Path) -> None:
    whole = zipped(tmp_path / "export.zip", {"conversations.json": "[" + "1," * 999 + "1]"}).read_bytes()
    flipped = bytearray(whole)
    flipped[60] ^= 0xFF
    encrypted = bytearray(whole)
    encrypted[whole.index(b"PK\x01\x02") + 8] |= 1
    for content in (whole[:60], bytes(flipped), bytes(encrypted), b"PK\x03\x04"):
        with pytest.raises(ImportFormatError, match="not a readable zip"):
            read(put(tmp_path, "bad.zip", content))


def test_a_zip_packed_in_another_way_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_BZIP2) as archive:
        archive.writestr("conversations.json", "[]")
    with pytest.raises(ImportFormatError, match="unusual way"):
        read(tmp_path / "a.zip")


# --- files that cannot be read ---


def test_a_missing_file_and_a_folder_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ImportFormatError, match="no such file"):
        read(tmp_path / "gone.json")
    with pytest.raises(ImportFormatError, match="is a folder"):
        read(tmp_path)
    with pytest.raises(ImportFormatError, match=r"no such file|cannot be read"):
        read("nul\0byte")
    with pytest.raises(ImportFormatError, match="cannot be read"):
        read("long" * 5_000)


@pytest.mark.parametrize("content", [b"", b" \n\t", b"\xef\xbb\xbf", b"\xff\xfe"])
def test_an_empty_file_is_refused(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(ImportFormatError, match=r"a\.txt: is empty"):
        read(put(tmp_path, "a.txt", content))


@pytest.mark.parametrize(
    "content",
    [b"\x89PNG\r\n\x1a\n", b"%PDF-1.7\n", b"SQLite format 3\0" + b"x" * 400, b"a\0b\0", "x".encode("utf-32")],
)
def test_a_binary_file_is_refused(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(ImportFormatError, match=r"a\.txt: is a binary file"):
        read(put(tmp_path, "a.txt", content))


@pytest.mark.parametrize(
    ("content", "place"),
    [
        ("grün".encode("latin-1"), "byte 2 is not valid UTF-8"),
        (b"\xef\xbb\xbfab\xff", "byte 5 is not valid UTF-8"),
        (b"\xff\xfea\0\x00\xd8b\0", "byte 4 is not valid UTF-16-LE"),
        (b"\xfe\xff\0a\0", "byte 4 is not valid UTF-16-BE"),
    ],
)
def test_a_wrong_encoding_is_named_by_its_byte(tmp_path: Path, content: bytes, place: str) -> None:
    with pytest.raises(ImportFormatError, match=place):
        read(put(tmp_path, "a.txt", content))


def test_a_few_nuls_do_not_make_a_log_binary(tmp_path: Path) -> None:
    assert one(tmp_path, "a.txt", "x" * 100 + "\0").messages[0]["content"] == "x" * 100 + "�"


def test_json_cut_off_is_named_by_line_and_column(tmp_path: Path) -> None:
    whole = (EXPORTS / "chatgpt.json").read_text()
    cut = whole[: len(whole) // 2]
    line = cut.count("\n") + 1
    for name in ("conversations.json", "no-suffix"):
        with pytest.raises(ImportFormatError) as caught:
            read(put(tmp_path, name, cut))
        assert f"{name}: not valid JSON at line {line} column " in str(caught.value)
        assert "the file may be cut off – download the export again" in str(caught.value)


@pytest.mark.parametrize("content", ["5", "[1, 2]", '{"a": 1}', '[{"text_": "x"}]', '"words"'])
def test_json_of_an_unknown_form_names_the_known_ones(tmp_path: Path, content: str) -> None:
    with pytest.raises(ImportFormatError, match=r"unknown form.*ChatGPT.*Claude.*JSON lines.*WhatsApp"):
        read(put(tmp_path, "a.json", content))


@pytest.mark.parametrize("content", ["[]", "{}", "null"])
def test_json_without_conversations_is_refused(tmp_path: Path, content: str) -> None:
    with pytest.raises(ImportFormatError, match="holds no conversations"):
        read(put(tmp_path, "a.json", content))


@pytest.mark.parametrize("content", ["[" * 100_000, '{"mapping":' * 100_000, "[" + "9" * 5000 + "]"])
def test_a_json_bomb_is_refused(tmp_path: Path, content: str) -> None:
    with pytest.raises(ImportFormatError, match="JSON no export would hold"):
        read(put(tmp_path, "a.json", content))


def test_a_web_page_is_refused_unless_asked_for(tmp_path: Path) -> None:
    path = put(tmp_path, "chat.html", "<!DOCTYPE html>\n<html>words</html>")
    with pytest.raises(ImportFormatError, match="is a web page"):
        read(path)
    assert len(load(path, "text")[0]) == 1


def test_an_unknown_format_is_a_wrong_argument() -> None:
    with pytest.raises(ValueError, match=re.escape("chatgpt, claude, chat, whatsapp, text")):
        read(EXPORTS / "chat.json", format="slack")


# --- any file at all ---

KEYS = st.sampled_from(
    """mapping message parent current_node author role content content_type parts recipient metadata
    chat_messages uuid text sender type attachments files messages id session at timestamp create_time
    created_at name title tool_calls""".split()  # noqa: SIM905
)
WORDS = st.sampled_from(["a", "user", "assistant", "text", "human", "image", "all"]) | st.text(max_size=5)
LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | WORDS
JSON = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=6),
    max_leaves=40,
)
LINES = st.lists(
    st.sampled_from(["# A", "## 2024-05-01", "- x", "```", "---", "===", "", "Ana: hi", "**Bot:** yo"])
    | st.sampled_from(["08/05/2023, 13:56 - A: x", "[08.05.23, 13:56:02] B: \u200ey", "1/13/23, 1:56 PM - c"])
    | st.text(max_size=20),
    max_size=30,
).map("\n".join)
NAMES = st.sampled_from(["a.json", "a.jsonl", "a.txt", "2024-05-01.md"])


def outcome(path: Path, format: str | None) -> tuple[list[Conversation], str | None]:
    found: list[Conversation] = []
    try:
        for each in read(path, format=format):
            found.append(each)
    except ImportFormatError as error:
        return found, str(error)
    return found, None


def check_any(content: bytes, name: str, format: str | None) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = put(Path(folder), name, content)
        found, error = outcome(path, format)
        assert outcome(path, format) == (found, error)
    told_apart = identities(found)
    messages = [message for each in found for message in each.messages]
    assert len(set(told_apart)) == len(told_apart) == len(messages)
    for message in messages:
        text = str(message["content"])
        assert text.strip() == text != ""
        assert "\0" not in text
        json.dumps(message, ensure_ascii=False).encode()  # no lone surrogate anywhere
        assert "at" in message


@given(st.text() | LINES, NAMES, st.none() | st.sampled_from(FORMATS))
@settings(max_examples=300, deadline=None)
def test_any_text_is_read_or_refused_and_always_alike(text: str, name: str, format: str | None) -> None:
    check_any(text.encode("utf-8", "surrogatepass"), name, format)


@given(JSON, NAMES, st.none() | st.sampled_from(FORMATS), st.booleans())
@settings(max_examples=500, deadline=None)
def test_any_json_is_read_or_refused_and_always_alike(data: object, name: str, format: str | None, twice: bool) -> None:
    check_any("\n".join([json.dumps(data)] * (1 + twice)).encode(), name, format)


@given(st.binary(max_size=200) | st.binary(max_size=200).map(lambda tail: b"PK\x03\x04" + tail), NAMES)
@settings(max_examples=200, deadline=None)
def test_any_bytes_are_read_or_refused_and_always_alike(content: bytes, name: str) -> None:
    check_any(content, name, None)


@given(st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), min_size=1, max_size=4))
@settings(max_examples=200, deadline=None)
def test_any_damage_to_a_zip_is_refused_or_harmless(changes: list[tuple[int, int]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = zipped(Path(folder, "a.zip"), {"conversations.json": json.dumps([chatgpt_chain(2)])})
        content = bytearray(path.read_bytes())
        for place, value in changes:
            content[place % len(content)] = value
        check_any(bytes(content), "a.zip", None)
