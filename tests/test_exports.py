"""What becomes of chat programs' JSON exports, and what keeps a message recognisable at the next import."""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from transfer_files import (
    EXPORTS,
    FIXTURES,
    chatgpt_chain,
    chatgpt_message,
    field,
    identities,
    load,
    one,
    put,
    until_error,
    zipped,
)

from agentmem import exports
from agentmem.transfer import FORMATS, MAX_CHARS, read

# --- ChatGPT ---


def test_chatgpt_takes_only_the_branch_shown() -> None:
    (plants, _), _ = load(EXPORTS / "chatgpt.json")
    assert plants.session == "6458f1b0-aaaa"
    assert plants.title == "Plantas de sombra"
    assert plants.source == "chatgpt"
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
    nodes = {str(place): {"parent": str(place - 1), "message": message} for place, message in enumerate(odd)}
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
def test_a_misshapen_conversation_is_named_after_the_good_ones(tmp_path: Path, bad: object, what: str) -> None:
    path = put(tmp_path, "conversations.json", [chatgpt_chain(1), bad])
    before, error = until_error(read(path))
    assert [each.session for each in before] == ["long"]
    title = "untitled" if bad == "words" else "Broken"
    assert f"conversations.json: conversation 2 ('{title}')" in error
    assert what in error


CITED = [
    ("Rain.\ue200cite\ue202turn0search1\ue201", "Rain."),
    ("Rain \ue200cite\ue202turn0search1\ue202turn0news2\ue201\ue200cite\ue202turn0view0\ue201 and", "Rain and"),
    ("\ue203It rains.\ue204 \ue200filecite\ue202turn0file0\ue202L8-L13\ue201\nBye.", "It rains.\nBye."),
    ("Rain【12†source】, sun 【4:0†a b.pdf】 and snow【3†L1-L9】.", "Rain, sun and snow."),
    ("Cut off \ue200cite\ue202turn0sea", "Cut off"),
    ("\ue200cite\ue202never closed, so these are words", "citenever closed, so these are words"),
    ('By \ue200entity\ue202["people","Ada \\"A.\\" Lovelace",0]\ue201.', 'By Ada "A." Lovelace.'),
    ("In \ue200entity\ue202Oz\ue201, see \ue200url\ue202the site\ue202https://x.org\ue201.", "In Oz, see the site."),
    ("In \ue200entity\ue202[5]\ue201", "In [5]"),
    ("【注】 and \uf8ff and [1] stay", "【注】 and \uf8ff and [1] stay"),
]


@pytest.mark.parametrize(("written", "shown"), CITED)
def test_chatgpt_leaves_out_the_marks_of_citations(tmp_path: Path, written: str, shown: str) -> None:
    nodes = {"a": {"message": chatgpt_message(written, "assistant")}}
    (found,), skipped = load(put(tmp_path, "c.json", [{"id": "x", "mapping": nodes}]))
    assert (field(found, "content"), skipped) == ([shown], {})


def test_chatgpt_counts_an_answer_of_citations_alone_as_empty(tmp_path: Path) -> None:
    nodes = {"a": {"message": chatgpt_message("【12†source】", "assistant")}}
    _, skipped = load(put(tmp_path, "c.json", [{"id": "x", "mapping": nodes}]))
    assert skipped == {"empty message": 1, "conversation without messages": 1}


# --- Claude ---


def test_claude_takes_the_blocks_and_not_the_placeholder_text() -> None:
    (lease, _), _ = load(EXPORTS / "claude.json")
    assert (lease.session, lease.title) == ("c1-uuid", "Lease review")
    assert lease.source == "claude"
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


def test_claude_without_message_ids_counts_what_is_the_same(tmp_path: Path) -> None:
    paste = {"file_name": "a.txt", "extracted_content": "pasted"}
    said = {"text": "hi", "sender": "human", "attachments": [paste, paste]}
    (found,), _ = load(put(tmp_path, "c.json", [{"uuid": "g", "chat_messages": [said, said]}]))
    assert field(found, "content") == ["hi", "pasted", "pasted"] * 2
    assert field(found, "id") == ["1", "1", "2", "2", "3", "4"]


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
        ["1", "assistant", None, "2023-11-14T22:13:25+01:00", "12 °C ☁️\nBring a coat."],
        ["1", "user", None, "2023-11-14T22:13:30.123Z", "And here?\n[image]"],
        ["1", "user", None, "2023-11-15", "spoken words"],
        ["1", "assistant", None, None, "I cannot."],
        ["1", "user", "customer", None, "My order is late"],
        ["1", "assistant", "Bot", None, "Sorry!"],
        ["1", "user", None, None, "see file"],
    ]
    assert all("name" not in each for each in found.messages[1:3])


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
    assert [field(each, "id") for each in found] == [["1", "1"], ["1"]]
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
    assert field(found[1], "id") == ["1", "1"]
    assert skipped == {"system message": 2}


def test_chat_lines_are_grouped_by_session() -> None:
    found, skipped = load(EXPORTS / "log.jsonl")
    assert [each.session for each in found] == ["mon", "tue", "log", "mon"]
    assert [field(each, "content") for each in found] == [["monday", "ok"], ["tuesday"], ["no session"], ["again"]]
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


def test_a_paragraph_is_a_better_place_to_split_than_a_space(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exports, "MAX_CHARS", 20)
    message = {"role": "user", "content": "twelve chars\n\nand\nmore words"}
    found = one(tmp_path, "x.json", json.dumps([message]))
    assert field(found, "content") == ["twelve chars", "and\nmore words"]


def test_a_message_of_the_greatest_length_stays_whole(tmp_path: Path) -> None:
    (found,), _ = load(put(tmp_path, "x.json", [{"role": "user", "content": "x" * MAX_CHARS}]))
    assert field(found, "id") == ["1"]


def test_a_long_message_without_an_id_is_counted_part_by_part(tmp_path: Path) -> None:
    message = {"role": "user", "content": "x" * MAX_CHARS * 2 + "y"}
    (found,), _ = load(put(tmp_path, "x.json", [message]))
    assert field(found, "id") == ["1", "2", "1"]


def test_equal_ids_are_told_apart_within_a_session_only(tmp_path: Path) -> None:
    message = {"role": "user", "content": "x", "id": "same"}
    path = put(tmp_path, "x.json", [{"id": name, "messages": [message] * 3} for name in ("s", "t")])
    found, _ = load(path)
    assert [field(each, "id") for each in found] == [["same", "same#2", "same#3"]] * 2


def test_an_id_that_looks_like_another_stays_apart_from_it(tmp_path: Path) -> None:
    own: list[object] = [{"content": "x", "id": ident} for ident in ("a#2", "a", "a", "a#2")]
    assert field(load(put(tmp_path, "own.json", own))[0][0], "id") == ["a#2", "a", "a#3", "a#2#2"]
    counted: list[object] = [{"content": "x", "id": "2"}, {"content": "x"}, {"content": "x"}, {"content": "x", "id": 1}]
    assert field(load(put(tmp_path, "counted.json", counted))[0][0], "id") == ["2", "1", "3", "1#2"]


def test_the_same_said_again_is_counted_for_each_speaker_time_and_session(tmp_path: Path) -> None:
    ok = {"role": "user", "content": "ok"}
    rows = [ok, ok, {**ok, "name": "Ana"}, {**ok, "role": "assistant"}, {**ok, "at": "2024-05-01"}, ok]
    (first, second), _ = load(put(tmp_path, "x.json", [{"messages": rows}, {"messages": [ok]}]))
    assert (field(first, "id"), field(second, "id")) == (["1", "2", "1", "1", "1", "3"], ["1"])


@pytest.mark.parametrize("name", FIXTURES)
def test_every_export_reads_the_same_twice_and_keeps_the_contract(name: str) -> None:
    found, _ = load(EXPORTS / name)
    assert load(EXPORTS / name)[0] == found
    told_apart = identities(EXPORTS / name)
    assert len(set(told_apart)) == len(told_apart) > 0
    for each in found:
        assert each.source.partition(":")[0] in FORMATS
        for message in each.messages:
            assert {"role", "content", "at", "id"} <= message.keys()
            assert message.keys() <= {"role", "content", "at", "id", "name", "metadata"}


# --- a second import: what makes a message recognisable stays ---


def grown_chatgpt(data: Any) -> Any:
    """The export of a later day: a new conversation comes first, and an old one goes on."""
    goes_on = {"parent": "new", "message": chatgpt_message("Why?")}
    old = {**data[1], "mapping": {**data[1]["mapping"], "more": goes_on}, "current_node": "more"}
    return [chatgpt_chain(2), data[0], old, *data[2:]]


def grown_claude(data: Any) -> Any:
    said = {"uuid": "m10", "text": "And the garden?", "sender": "human", "created_at": "2024-03-02T09:00:00Z"}
    return [{**data[0], "chat_messages": [*data[0]["chat_messages"], said]}, *data[1:]]


def grown_chats(data: Any) -> Any:
    ok = {"role": "user", "content": "hi"}
    return [{**data[0], "messages": [*data[0]["messages"], ok]}, *data[1:], {"messages": [ok]}]


GROWN: dict[str, str | Callable[[Any], Any]] = {
    "2024-05-01.md": "\nRain 🌧 all day. 雨天。\n\nNew words.\n",
    "WhatsApp Chat - Ana.txt": "[09.05.23, 02:05:00] Ana: Ja!\r\n[10.05.23, 02:05:00] Ana: neu\r\n",
    "WhatsApp Chat with Trip.txt": "5/13/23, 1:58 PM - +49 151 2345678: I do\n",
    "call.txt": "\n**Ana:** Can I see it?\n\n**Ana:** Thanks.\n",
    "chat.json": lambda data: [*data, data[-1], {"role": "user", "content": "new"}],
    "chatgpt.json": grown_chatgpt,
    "chats.json": grown_chats,
    "claude.json": grown_claude,
    "finetune.jsonl": '{"messages": [{"role": "user", "content": "q1"}]}\n',
    "log.jsonl": '{"session": "mon", "role": "user", "content": "again"}\n',
    "pasted.txt": "User: Thanks\n",
}


@pytest.mark.parametrize("name", FIXTURES)
def test_an_export_grown_at_its_end_keeps_what_it_had(tmp_path: Path, name: str) -> None:
    old, more = (EXPORTS / name).read_text("utf-8"), GROWN[name]
    new = old + more if isinstance(more, str) else json.dumps(more(json.loads(old)))
    before, after = identities(EXPORTS / name), identities(put(tmp_path, name, new))
    assert [each for each in after if each in before] == before
    assert len(set(after)) == len(after) > len(before)


@pytest.mark.parametrize("mark", [" (1)", "(2)", " (1) (12)"])
@pytest.mark.parametrize("name", FIXTURES)
def test_a_copy_that_a_browser_numbered_is_the_same(tmp_path: Path, name: str, mark: str) -> None:
    path = EXPORTS / name
    assert load(put(tmp_path, f"{path.stem}{mark}{path.suffix}", path.read_bytes())) == load(path)


def test_a_zip_that_a_browser_numbered_is_the_same(tmp_path: Path) -> None:
    members = {"_chat.txt": (EXPORTS / "WhatsApp Chat - Ana.txt").read_text("utf-8")}
    chat, copy = zipped(tmp_path / "Ana.zip", members), zipped(tmp_path / "Ana (1).zip", members)
    assert load(copy) == load(chat)
    members = {"conversations.json": '[{"role": "user", "content": "x"}]'}
    log, copy = zipped(tmp_path / "log.zip", members), zipped(tmp_path / "log (1).zip", members)
    assert load(copy) == load(log)


@pytest.mark.parametrize("name", ["Report (2024).md", "(1).md", "f(x).md", "Chapter (1) draft.md"])
def test_other_brackets_in_a_name_stay(tmp_path: Path, name: str) -> None:
    assert one(tmp_path, name, "words").source == f"text:{name}"


def test_an_error_names_the_copy(tmp_path: Path) -> None:
    _, error = until_error(read(put(tmp_path, "log (1).jsonl", '{"content": "x"}\n{')))
    assert error.startswith("log (1).jsonl: line 2")


CHATTER = st.tuples(st.integers(0, 600), st.sampled_from(["Ana", "Ben"]), st.sampled_from(["ok", "yes", "Why?\nSay!"]))


@given(st.lists(CHATTER, min_size=1, max_size=30), st.data())
@settings(max_examples=200, deadline=None)
def test_whatsapp_cut_off_at_its_start_keeps_the_sessions_after(said: list[tuple[int, str, str]], data: Any) -> None:
    now, lines = datetime(2024, 5, 1, 20), []
    for minutes, name, words in said:
        now += timedelta(minutes=minutes)
        lines.append(f"[{now:%Y-%m-%d, %H:%M:%S}] {name}: {words}\n")
    cut = data.draw(st.integers(0, len(lines) - 1))
    with tempfile.TemporaryDirectory() as folder:
        whole = identities(put(Path(folder), "chat.txt", "".join(lines)))
        trimmed = put(Path(folder), "chat.txt", "".join(lines[cut:]))
        later = load(trimmed)[0][0].messages
        assert set(identities(trimmed)[len(later) :]) <= set(whole)
        new = lines[cut].replace(": ", ": new ", 1)
        put(Path(folder), "chat.txt", "".join([*lines[: cut + 1], new, *lines[cut + 1 :]]))
        assert set(whole) < set(identities(trimmed))


def test_whatsapp_cut_off_within_a_day_keeps_that_day_too(tmp_path: Path) -> None:
    lines = [f"[2024-05-0{day}, 1{hour}:00:00] Ana: hello\n" for day in (1, 2) for hour in (0, 1, 9)]
    whole = identities(put(tmp_path, "a.txt", "".join(lines)))
    assert [each[1] for each in whole] == ["a/2024-05-01"] * 3 + ["a/2024-05-02"] * 3
    for cut in range(6):
        assert identities(put(tmp_path, "a.txt", "".join(lines[cut:]))) == whole[cut:]


PARAGRAPHS = st.lists(st.sampled_from(["one", "two\nlines", "- a\n- b", "- x\n" * 9 + "- y", "---"]), max_size=12)


@given(PARAGRAPHS, PARAGRAPHS, st.sampled_from(["one", "two\nlines", "new", "- x\n" * 10]))
@settings(max_examples=200, deadline=None)
def test_text_edited_anywhere_keeps_the_paragraphs_elsewhere(before: list[str], after: list[str], new: str) -> None:
    def note(*paragraphs: str) -> set[tuple[object, ...]]:
        text = "# Diary\n\n## 2024-05-01\n\n" + "\n\n".join([*paragraphs, "last"])
        with tempfile.TemporaryDirectory() as folder:
            told_apart = identities(put(Path(folder), "a.md", text))
        assert len(set(told_apart)) == len(told_apart)
        return set(told_apart)

    whole = note(*before, *after)
    assert note(*after) <= whole < note(*before, new, *after)


@pytest.mark.parametrize(
    ("name", "place", "new", "cut"),
    [
        ("2024-05-01.md", "## 2024-05-02", "A new thing.\n\n", r"The beds[^#]*"),
        ("2024-05-01.md", "- five", "- a new thing\n", r"(?s)- peas.*(?=## 2024)"),
        ("call.txt", "**Ana:** Can", "**Ana:** A new thing.\n\n", r"Call.*\n"),
    ],
)
def test_an_export_edited_keeps_what_was_left_alone(tmp_path: Path, name: str, place: str, new: str, cut: str) -> None:
    text, whole = (EXPORTS / name).read_text("utf-8"), identities(EXPORTS / name)
    added = identities(put(tmp_path, name, text.replace(place, new + place)))
    trimmed = identities(put(tmp_path, name, re.sub(cut, "", text)))
    assert [each for each in added if each in whole] == whole
    assert (len(added), len(trimmed) < len(whole)) == (len(whole) + 1, True)
    assert [each for each in whole if each in trimmed] == trimmed
