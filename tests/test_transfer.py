"""What `transfer.read` makes of real-looking exports, odd files and damaged ones."""

from __future__ import annotations

import json
import re
import tempfile
import time
import zipfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agentmem import exports, transfer
from agentmem.errors import ImportFormatError
from agentmem.transfer import FORMATS, MAX_CHARS, Conversation, read

EXPORTS = Path(__file__).parent / "exports"


def load(path: Path, format: str | None = None) -> tuple[list[Conversation], dict[str, int]]:
    skipped: Counter[str] = Counter()
    return list(read(path, format=format, skipped=skipped)), dict(skipped)


def put(folder: Path, name: str, content: str | bytes | list[object] | dict[str, object]) -> Path:
    path = folder / name
    if isinstance(content, (list, dict)):
        content = json.dumps(content)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def field(conversation: Conversation, key: str) -> list[object]:
    return [message.get(key) for message in conversation.messages]


def until_error(found: Iterator[Conversation]) -> tuple[list[Conversation], str]:
    before = []
    with pytest.raises(ImportFormatError) as caught:
        for each in found:
            before.append(each)
    return before, str(caught.value)


def one(folder: Path, name: str, content: str) -> Conversation:
    (found,), _ = load(put(folder, name, content))
    return found


# --- ChatGPT ---


def test_chatgpt_takes_only_the_branch_shown() -> None:
    (plants, _), _ = load(EXPORTS / "chatgpt.json")
    assert plants.session == "6458f1b0-aaaa"
    assert plants.title == "Plantas de sombra"
    assert plants.source == "chatgpt:chatgpt.json"
    assert plants.kind == "turn"
    assert field(plants, "id") == ["u1", "a1", "u2", "a2", "u5", "a5"]
    assert field(plants, "role") == ["user", "assistant"] * 3
    assert plants.messages[0] == {
        "role": "user",
        "content": "Qué planta aguanta la sombra? 🌿",
        "at": "2023-05-08T13:56:02.123Z",
        "id": "u1",
    }


def test_chatgpt_counts_everything_it_leaves_out() -> None:
    _, skipped = load(EXPORTS / "chatgpt.json")
    assert skipped == {
        "regenerated branch": 3,
        "hidden system message": 1,
        "custom instructions": 1,
        "model context": 1,
        "thoughts": 2,
        "tool call": 1,
        "tool result": 2,
        "image without text": 1,
        "empty message": 1,
        "hidden message": 1,
        "conversation without messages": 1,
    }


def test_chatgpt_marks_an_image_beside_words_and_reads_what_was_spoken() -> None:
    (plants, _), _ = load(EXPORTS / "chatgpt.json")
    assert plants.messages[2]["content"] == "[image]\n¿Y esta de la foto?"
    assert plants.messages[4]["content"] == "और पानी कितना?"


def test_chatgpt_says_none_where_the_export_has_no_time() -> None:
    (plants, _), _ = load(EXPORTS / "chatgpt.json")
    assert field(plants, "at")[3:5] == [None, "2023-05-08T14:00:00Z"]


def test_chatgpt_without_a_current_node_takes_the_newest_leaf() -> None:
    (_, colours), _ = load(EXPORTS / "chatgpt.json")
    assert colours.session == "conv-two"
    assert colours.title is None
    assert field(colours, "content") == ["Name a colour", "Blue"]


def chatgpt_message(words: object, role: str = "user", **more: object) -> dict[str, object]:
    content = {"content_type": "text", "parts": [words]}
    return {"author": {"role": role}, "content": content, **more}


def chatgpt_chain(length: int) -> dict[str, object]:
    nodes = {
        f"n{place}": {"parent": f"n{place - 1}", "message": chatgpt_message(f"word {place}")}
        for place in range(length)
    }
    return {"id": "long", "title": "Long", "mapping": nodes, "current_node": f"n{length - 1}"}


def test_chatgpt_walks_a_chain_of_thousands(tmp_path: Path) -> None:
    chain = chatgpt_chain(20_000)
    (known,), _ = load(put(tmp_path, "known.json", [chain]))
    (unknown,), _ = load(put(tmp_path, "unknown.json", [{**chain, "current_node": "gone"}]))
    assert field(known, "id") == field(unknown, "id") == [f"n{place}" for place in range(20_000)]


def test_chatgpt_prefers_a_newer_leaf_to_a_deeper_one(tmp_path: Path) -> None:
    chain = {**chatgpt_chain(3), "current_node": "gone"}
    newer = {"parent": "n0", "message": chatgpt_message("newer", create_time=1_700_000_000.0)}
    chain["mapping"] = {"newer": newer, **chatgpt_chain(3)["mapping"]}  # type: ignore[dict-item]
    (found,), _ = load(put(tmp_path, "c.json", [chain]))
    assert field(found, "id") == ["n0", "newer"]


def test_chatgpt_without_times_takes_the_deepest_leaf(tmp_path: Path) -> None:
    chain = chatgpt_chain(3)
    chain["mapping"]["short"] = {"parent": "n0", "message": chatgpt_message("short")}  # type: ignore[index]
    del chain["current_node"]
    (found,), skipped = load(put(tmp_path, "c.json", [chain]))
    assert field(found, "id") == ["n0", "n1", "n2"]
    assert skipped == {"regenerated branch": 1}


@pytest.mark.parametrize("current", ["a", None])
def test_chatgpt_ends_at_a_cycle(tmp_path: Path, current: str | None) -> None:
    nodes = {
        "a": {"parent": "b", "message": chatgpt_message("one")},
        "b": {"parent": "a", "message": chatgpt_message("two")},
    }
    (found,), _ = load(put(tmp_path, "c.json", [{"id": "x", "mapping": nodes, "current_node": current}]))
    assert sorted(map(str, field(found, "content"))) == ["one", "two"]


def test_chatgpt_reads_a_single_conversation_outside_a_list(tmp_path: Path) -> None:
    (found,), _ = load(put(tmp_path, "c.json", chatgpt_chain(2)))
    assert (found.session, len(found.messages)) == ("long", 2)


def test_chatgpt_counts_unknown_roles_and_contents_and_audio_alone(tmp_path: Path) -> None:
    odd = [
        chatgpt_message("x", role="critic"),
        {"author": {"role": "user"}, "content": {"content_type": "hologram", "parts": ["x"]}},
        {"author": {"role": "user"}, "content": {"content_type": "text", "parts": [{"content_type": "new"}]}},
        chatgpt_message({"content_type": "audio_asset_pointer"}),
        chatgpt_message("kept"),
    ]
    nodes = {
        str(place): {"parent": str(place - 1), "message": message} for place, message in enumerate(odd)
    }
    (found,), skipped = load(put(tmp_path, "c.json", [{"mapping": nodes, "current_node": "4"}]))
    assert found.session == "c/1"
    assert field(found, "content") == ["kept"]
    assert skipped == {"unknown role": 1, "unknown content": 2, "audio without text": 1}


@pytest.mark.parametrize(
    ("bad", "what"),
    [
        ({"title": "Broken", "mapping": [1]}, '"mapping" is not an object'),
        ({"title": "Broken", "mapping": {"n": 1}}, "node 'n'"),
        ({"title": "Broken", "mapping": {"n": {"message": "words"}}}, "node 'n'"),
        ("words", "it is not an object"),
    ],
)
def test_a_misshapen_conversation_is_named_after_the_good_ones(
    tmp_path: Path, bad: object, what: str
) -> None:
    path = put(tmp_path, "conversations.json", [chatgpt_chain(1), bad])
    before, error = until_error(read(path))
    assert [each.session for each in before] == ["long"]
    title = "untitled" if bad == "words" else "Broken"
    assert f"conversations.json: conversation 2 ('{title}')" in error
    assert what in error


# --- Claude ---


def test_claude_takes_the_blocks_and_not_the_placeholder_text() -> None:
    (lease, _), _ = load(EXPORTS / "claude.json")
    assert (lease.session, lease.title) == ("c1-uuid", "Lease review")
    assert lease.source == "claude:claude.json"
    assert lease.messages[2] == {
        "role": "assistant",
        "content": "Reading.\nDone: 押金是两个月。",
        "at": "2024-03-01T09:00:20Z",
        "id": "m2",
    }


def test_claude_keeps_an_attachment_as_a_message_of_its_own() -> None:
    (lease, _), _ = load(EXPORTS / "claude.json")
    assert lease.messages[1] == {
        "role": "user",
        "content": "The rent is 900 euro.\nDeposit: two months.",
        "at": "2024-03-01T09:00:00.123456Z",
        "id": "m1/attachment-0",
        "metadata": {"attachment": "lease.txt"},
    }
    assert field(lease, "id") == ["m1", "m1/attachment-0", "m2", "m3/attachment-0", "m5", "m9"]
    assert lease.messages[4]["content"] == "What is this?\n[image]"


def test_claude_reads_exports_from_before_there_were_blocks() -> None:
    (_, old), _ = load(EXPORTS / "claude.json")
    assert old.title is None
    assert field(old, "content") == ["שלום, old export", "Hi!"]


def test_claude_counts_everything_it_leaves_out() -> None:
    _, skipped = load(EXPORTS / "claude.json")
    assert skipped == {
        "no text in attachment": 1,
        "thoughts": 1,
        "tool call": 2,
        "tool result": 1,
        "image without text": 1,
        "file without text": 1,
        "empty message": 1,
        "unknown role": 1,
        "unreadable time": 1,
        "unknown content": 1,
        "conversation without messages": 1,
    }


def test_claude_names_a_misshapen_message(tmp_path: Path) -> None:
    good = {"uuid": "g", "chat_messages": [{"uuid": "m", "text": "hi", "sender": "human"}]}
    bad = {"name": "Odd", "chat_messages": [7]}
    before, error = until_error(read(put(tmp_path, "c.json", [good, bad])))
    assert len(before) == 1
    assert "conversation 2 ('Odd')" in error
    assert "message 1 is not an object" in error


def test_a_given_format_is_not_guessed_again() -> None:
    _, error = until_error(read(EXPORTS / "chatgpt.json", format="claude"))
    assert "conversation 1 ('Plantas de sombra')" in error
    assert '"chat_messages" is not a list' in error


# --- OpenAI-style messages ---


def test_chat_reads_words_names_and_times_of_every_kind() -> None:
    (found,), _ = load(EXPORTS / "chat.json")
    assert (found.session, found.title, found.kind) == ("chat", None, "turn")
    rows = [[each.get(key) for key in ("id", "role", "name", "at", "content")] for each in found.messages]
    assert rows == [
        ["msg_a", "user", "Ola", "2023-11-14T22:13:20Z", "Weather in Łódź?"],
        ["7", "assistant", None, "2023-11-14T22:13:25+01:00", "12 °C ☁️\nBring a coat."],
        ["8", "user", None, "2023-11-14T22:13:30.123Z", "And here?\n[image]"],
        ["11", "user", None, "2023-11-15", "spoken words"],
        ["14", "assistant", None, None, "I cannot."],
        ["15", "user", "customer", None, "My order is late"],
        ["16", "assistant", "Bot", None, "Sorry!"],
        ["17", "user", None, None, "see file"],
    ]
    assert all("name" not in each for each in found.messages if each["id"] in ("7", "8"))


def test_chat_counts_everything_it_leaves_out() -> None:
    _, skipped = load(EXPORTS / "chat.json")
    assert skipped == {
        "system message": 2,
        "tool call": 1,
        "tool result": 2,
        "image without text": 1,
        "audio without text": 1,
        "empty message": 2,
        "unreadable time": 1,
        "file without text": 1,
        "unknown content": 1,
    }


def test_chat_lists_give_each_conversation_its_session() -> None:
    found, skipped = load(EXPORTS / "chats.json")
    assert [(each.session, each.title) for each in found] == [("s-1", "First"), ("chats/2", None)]
    assert [field(each, "id") for each in found] == [["s-1/1", "s-1/2"], ["chats/2/1"]]
    assert skipped == {"empty message": 1, "conversation without messages": 1}


def test_chat_reads_one_object_with_messages(tmp_path: Path) -> None:
    (found,), _ = load(put(tmp_path, "x.json", {"messages": [{"role": "user", "content": "hi"}]}))
    assert (found.session, field(found, "id")) == ("x", ["1"])


def test_chat_reads_an_object_that_fills_many_lines(tmp_path: Path) -> None:
    text = json.dumps({"id": "s", "messages": [{"speaker": "Human", "content": "hi"}]}, indent=2)
    found = one(tmp_path, "x.json", text)
    assert found.session == "s"
    assert found.messages == [{"role": "user", "content": "hi", "at": None, "id": "1"}]


def test_chat_reads_a_single_message(tmp_path: Path) -> None:
    for name in ("x.json", "x.jsonl"):
        (found,), _ = load(put(tmp_path, name, {"role": "user", "content": "hi"}))
        assert (found.session, found.messages) == (
            "x",
            [{"role": "user", "content": "hi", "at": None, "id": "1"}],
        )


def test_chat_lines_with_messages_are_conversations() -> None:
    found, skipped = load(EXPORTS / "finetune.jsonl")
    assert [each.session for each in found] == ["finetune/1", "finetune/2"]
    assert [field(each, "content") for each in found] == [["q1", "a1"], ["q2", "a2"]]
    assert field(found[1], "id") == ["finetune/2/2", "finetune/2/3"]
    assert skipped == {"system message": 2}


def test_chat_lines_are_grouped_by_session() -> None:
    found, skipped = load(EXPORTS / "log.jsonl")
    assert [each.session for each in found] == ["mon", "tue", "log", "mon"]
    assert [field(each, "id") for each in found] == [["1", "2"], ["3"], ["4"], ["5"]]
    assert found[0].messages[0]["at"] == "2024-05-06T08:00:00Z"
    assert skipped == {}


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ('{"role": "user", "content": "cut o', "not valid JSON"),
        ("[1]", "not a message"),
        ('{"level": "info"}', "not a message"),
        ("[" * 100_000, "not valid JSON"),
    ],
)
def test_what_stands_before_a_broken_line_is_read(tmp_path: Path, line: str, what: str) -> None:
    good = '{"role": "user", "content": "kept"}\n\n'
    before, error = until_error(read(put(tmp_path, "log.jsonl", good + line)))
    assert [field(each, "content") for each in before] == [["kept"]]
    assert f"log.jsonl: line 3 is {what}" in error


def test_chat_names_a_misshapen_message(tmp_path: Path) -> None:
    _, error = until_error(read(put(tmp_path, "x.json", [{"role": "user", "content": "hi"}, "words"])))
    assert "message 2 is not an object" in error


@pytest.mark.parametrize(
    ("given_time", "expected"),
    [
        (1_700_000_000, "2023-11-14T22:13:20Z"),
        (1_700_000_000.25, "2023-11-14T22:13:20.250Z"),
        (1_700_000_000_000, "2023-11-14T22:13:20Z"),
        ("1700000000", "2023-11-14T22:13:20Z"),
        ("2024-05-01", "2024-05-01"),
        ("2024-05-01 08:30", "2024-05-01T08:30:00"),
        ("2024-05-01T08:30:00.5+02:00", "2024-05-01T08:30:00.500000+02:00"),
    ],
)
def test_times_keep_what_the_file_says(tmp_path: Path, given_time: object, expected: str) -> None:
    message = {"role": "user", "content": "x", "timestamp": given_time}
    (found,), skipped = load(put(tmp_path, "x.json", [message]))
    assert (found.messages[0]["at"], skipped) == (expected, {})


@pytest.mark.parametrize("given_time", [12, -5, True, float("nan"), 10**400, "May 1st", {"a": 1}, "9" * 15])
def test_times_are_never_invented(tmp_path: Path, given_time: object) -> None:
    message = {"role": "user", "content": "x", "timestamp": given_time}
    (found,), skipped = load(put(tmp_path, "x.json", [message]))
    assert (found.messages[0]["at"], skipped) == (None, {"unreadable time": 1})


# --- WhatsApp ---


def test_whatsapp_from_ios_splits_sessions_at_pauses_of_six_hours() -> None:
    found, skipped = load(EXPORTS / "WhatsApp Chat - Ana.txt")
    assert [each.session for each in found] == [
        "WhatsApp Chat - Ana/2023-05-08T13:56:02",
        "WhatsApp Chat - Ana/2023-05-09T01:59:59",
    ]
    assert {(each.source, each.kind) for each in found} == {("whatsapp:WhatsApp Chat - Ana.txt", "turn")}
    rows = [[each[key] for key in ("id", "name", "at", "content")] for each in found[0].messages]
    assert rows == [
        ["2", "Ana", "2023-05-08T13:56:02", "Kommst du morgen?\nBring bitte den Schlüssel mit.\n\nDanke 🙏"],
        ["4", "Ben", "2023-05-08T13:58:30", "Ja!"],
        ["6", "Ana", "2023-05-08T13:59:30", "Unser Garten [media]"],
        ["8", "Ben", "2023-05-08T19:59:59", "Kurz vor der Pause"],
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
    assert found.session == "WhatsApp Chat with Trip/2023-05-13T13:57"
    rows = [[each[key] for key in ("id", "name", "at", "content")] for each in found.messages]
    assert rows == [
        ["3", "Ana", "2023-05-13T13:57", "Who drives? 12/5/23, 1:56 PM is too late"],
        ["4", "+49 151 2345678", "2023-05-13T13:58", "I do"],
        ["7", "Ana", "2023-05-13T14:01", "[media]\nthe car"],
        ["8", "Ana", "2023-05-13T00:30", "https://example.org: look"],
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
            "id": "2",
            "metadata": {"heading": "Garden > Beds > North"},
        },
        {
            "role": "user",
            "content": "```python\n# not a heading\nx = 1\n\ny = 2\n```",
            "at": "2024-04-30",
            "id": "3",
            "metadata": {"heading": "Garden > Beds > North"},
        },
    ]
    assert skipped == {"front matter": 1, "separator line": 1, "heading without text": 1}


def test_text_dates_what_stands_under_a_heading_that_is_a_date() -> None:
    (found,), _ = load(EXPORTS / "2024-05-01.md")
    at = dict(zip(field(found, "id"), field(found, "at"), strict=True))
    assert (at["3"], at["4"], at["5.10"], at["6"]) == ("2024-04-30", "2024-05-02", "2024-05-02", "2024-04-30")
    assert found.messages[-1]["metadata"] == {"heading": "Seeds"}


def test_text_splits_only_lists_of_more_than_eight() -> None:
    (found,), _ = load(EXPORTS / "2024-05-01.md")
    texts = dict(zip(field(found, "id"), field(found, "content"), strict=True))
    assert [texts[f"5.{place}"] for place in (1, 2, 3, 5, 10)] == [
        "Shopping for nine:",
        "- one",
        "- two\n  more about two",
        "- four\n  - four a",
        "- nine",
    ]
    assert texts["6"] == "1. basil\n2. chives"
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
    assert (field(found, "id"), skipped) == (["1", "2", "3", "5"], {"empty message": 1})


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


# --- what every format shares ---


def test_text_is_cleaned_of_what_sqlite_cannot_hold(tmp_path: Path) -> None:
    content = " a\0b\ud800c👩‍👩‍👧 שלום 你好\n"
    (found,), _ = load(put(tmp_path, "x.json", [{"content": content, "name": "x\udfff", "id": "i\0"}]))
    assert found.messages == [
        {"role": "user", "content": "a�b�c👩‍👩‍👧 שלום 你好", "name": "x�", "id": "i�", "at": None}
    ]


@pytest.mark.parametrize("bound", ["\n\n", "\n", " ", ""])
def test_a_long_message_is_split_without_losing_words(tmp_path: Path, bound: str) -> None:
    words = bound.join(f"{place:09}" for place in range(MAX_CHARS // 4))
    (found,), _ = load(put(tmp_path, "x.json", [{"role": "user", "content": words, "id": "m"}]))
    parts = [str(part) for part in field(found, "content")]
    assert field(found, "id") == [f"m/{number}" for number in range(1, len(parts) + 1)]
    assert len(parts) > 1
    assert max(map(len, parts)) <= MAX_CHARS
    assert bound.join(parts) == words


def test_a_paragraph_is_a_better_place_to_split_than_a_space(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exports, "MAX_CHARS", 20)
    message = {"role": "user", "content": "twelve chars\n\nand\nmore words"}
    found = one(tmp_path, "x.json", json.dumps([message]))
    assert field(found, "content") == ["twelve chars", "and\nmore words"]


def test_a_message_of_the_greatest_length_stays_whole(tmp_path: Path) -> None:
    (found,), _ = load(put(tmp_path, "x.json", [{"role": "user", "content": "x" * MAX_CHARS}]))
    assert field(found, "id") == ["1"]


def test_ids_are_unique_within_the_file(tmp_path: Path) -> None:
    message = {"role": "user", "content": "x", "id": "same"}
    path = put(tmp_path, "x.json", [{"id": name, "messages": [message] * 3} for name in ("s", "t")])
    found, _ = load(path)
    assert [field(each, "id") for each in found] == [
        ["same", "s/same", "same#2"],
        ["t/same", "same#3", "same#4"],
    ]


@pytest.mark.parametrize("path", sorted(EXPORTS.iterdir()), ids=lambda path: path.name)
def test_every_export_reads_the_same_twice_and_keeps_the_contract(path: Path) -> None:
    found, _ = load(path)
    assert load(path)[0] == found
    ids = [message["id"] for each in found for message in each.messages]
    assert len(set(ids)) == len(ids) > 0
    for each in found:
        assert each.source.partition(":")[0] in FORMATS
        for message in each.messages:
            assert {"role", "content", "at", "id"} <= message.keys()
            assert message.keys() <= {"role", "content", "at", "id", "name", "metadata"}


@pytest.mark.parametrize(
    ("name", "more"),
    [
        ("log.jsonl", '{"session": "mon", "role": "user", "content": "new"}\n'),
        ("finetune.jsonl", '{"messages": [{"role": "user", "content": "new"}]}\n'),
        ("WhatsApp Chat - Ana.txt", "[09.05.23, 02:05:00] Ana: neu\r\n"),
        ("call.txt", "\n**Ana:** Thanks.\n"),
        ("2024-05-01.md", "\nNew words.\n"),
    ],
)
def test_an_export_grown_at_its_end_keeps_the_ids_it_had(tmp_path: Path, name: str, more: str) -> None:
    def rows(path: Path) -> list[tuple[object, ...]]:
        return [(each.session, m["id"], m["content"]) for each in load(path)[0] for m in each.messages]

    old = (EXPORTS / name).read_bytes()
    before, after = rows(EXPORTS / name), rows(put(tmp_path, name, old + more.encode()))
    assert after[: len(before)] == before
    assert len(after) == len(before) + 1


def test_a_list_grown_long_keeps_the_ids_after_it(tmp_path: Path) -> None:
    short = one(tmp_path, "a.md", "- x\n" * 8 + "\nafter")
    long = one(tmp_path, "a.md", "- x\n" * 9 + "\nafter")
    assert short.messages[-1] == long.messages[-1]
    assert (len(short.messages), len(long.messages)) == (2, 10)


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


def zipped(path: Path, members: dict[str, str]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in members.items():
            archive.writestr(name, text)
    return path


@pytest.mark.parametrize("name", ["chatgpt", "claude"])
def test_a_zip_gives_its_conversations(tmp_path: Path, name: str) -> None:
    text = (EXPORTS / f"{name}.json").read_text()
    path = zipped(tmp_path / "export.zip", {"user.json": "{}", "export/conversations.json": text})
    found, skipped = load(path)
    plain, plain_skipped = load(put(tmp_path, "conversations.json", text))
    assert (found, skipped) == (plain, plain_skipped)
    assert found[0].source == f"{name}:conversations.json"


def test_a_zip_of_numbered_parts_gives_them_in_order(tmp_path: Path) -> None:
    parts = {
        f"conversations-00{number}.json": json.dumps([{**chatgpt_chain(1), "id": f"c{number}"}])
        for number in (1, 0)
    }
    found, _ = load(zipped(tmp_path / "export.zip", {**parts, "chat.html": "<html>"}))
    assert [(each.session, field(each, "id")) for each in found] == [("c0", ["n0"]), ("c1", ["c1/n0"])]


def test_a_whatsapp_zip_is_named_by_the_zip(tmp_path: Path) -> None:
    chat = (EXPORTS / "WhatsApp Chat - Ana.txt").read_text()
    found, _ = load(zipped(tmp_path / "WhatsApp Chat - Ana.zip", {"_chat.txt": chat, "0001.opus": ""}))
    assert found[0].session == "WhatsApp Chat - Ana/2023-05-08T13:56:02"
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
    messages = [message for each in found for message in each.messages]
    ids = [str(message["id"]) for message in messages]
    assert len(set(ids)) == len(ids)
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
def test_any_json_is_read_or_refused_and_always_alike(
    data: object, name: str, format: str | None, twice: bool
) -> None:
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
