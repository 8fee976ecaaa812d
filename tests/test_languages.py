"""Text that is not plain English, and queries as people and agents write them: found, or refused, as the table says."""

from __future__ import annotations

import sqlite3
import time
import unicodedata
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import TinyEncoder
from hypothesis import given, settings
from hypothesis import strategies as st

from agentmem import Memory, rank
from agentmem.index import InMemory
from agentmem.lexical import search
from agentmem.scope import Scope, within
from agentmem.words import folded_phrases, folded_terms


def nfc(text: str) -> str:
    return unicodedata.normalize("NFC", text)


def nfd(text: str) -> str:
    return unicodedata.normalize("NFD", text)


PAGE = " ".join(f"word{number} lies beside the boiler of house {number % 97}" for number in range(250))

# Sentences of our own: in each script a word that is there and one that is not, beside English, taken apart (NFD).
CASES = {
    "a Japanese word": ("妹は京都で陶芸を教えている", "陶芸", True),
    "a Japanese word that is not there": ("妹は京都で陶芸を教えている", "水泳", False),
    "a Chinese word": ("爷爷每天早上去公园打太极拳", "太极拳", True),
    "a Chinese word that is not there": ("爷爷每天早上去公园打太极拳", "图书馆", False),
    "a Korean word": ("우리 고양이는 창가에서 잡니다", "창가에서", True),
    "a Russian word": ("Бабушка печёт пироги по воскресеньям", "пироги", True),
    "Japanese before English": ("花子 rents a flat above the Odeon", "花子", True),
    "English after Japanese": ("花子 rents a flat above the Odeon", "Odeon", True),
    "English within Japanese": ("父はGuitarをVeniceで買った", "Guitar", True),
    "the same in another case": ("父はGuitarをVeniceで買った", "venice", True),
    "English within Chinese": ("她用Blender画了一座灯塔", "blender", True),
    "Japanese beside English": ("父はGuitarをVeniceで買った", "買った", True),
    "English that is not there": ("父はGuitarをVeniceで買った", "Piano", False),
    "the end of an English word": ("We anchored off the Lizard.", "zard", False),
    "the end of one within Japanese": ("父はGuitarをVeniceで買った", "itar", False),
    "taken apart, within Japanese": (nfd("母はSoufflé講座をLyonで開く"), "Soufflé", True),
    "taken apart, in another case": (nfd("母はSoufflé講座をLyonで開く"), "soufflé", True),
    "taken apart, and not there": (nfd("母はSoufflé講座をLyonで開く"), "Paris", False),
    "an accent taken apart": (nfd("Her fiancé keeps bees"), "fiancé", True),
    "a query taken apart": ("Her fiancé keeps bees", nfd("fiancé"), True),
    "kana taken apart": (nfd("ビデオゲームをやめた"), "ビデオゲーム", True),
    "Hangul taken apart": (nfd("우리 고양이는 창가에서 잡니다"), "창가에서", True),
    "a query in Hangul taken apart": ("우리 고양이는 창가에서 잡니다", nfd("창가에서"), True),
    # Other scripts, and parts of words in them.
    "one Han character": ("爷爷每天早上去公园打太极拳", "园", True),
    "the last one": ("爷爷每天早上去公园打太极拳", "拳", True),
    "one Han character that is not there": ("爷爷每天早上去公园打太极拳", "书", False),
    "a Chinese question": ("我最喜欢的颜色是蓝色", "你喜欢什么颜色？", True),
    "half-width kana": ("ﾋﾞﾃﾞｵｹﾞｰﾑをやめた", "ビデオゲーム", True),
    "a Korean name without its particle": ("내일 지영이가 떡볶이를 만듭니다", "지영", True),
    "a Thai word": ("ฉันชอบกินข้าวผัดกุ้ง", "ข้าวผัด", True),
    "a Thai word that is not there": ("ฉันชอบกินข้าวผัดกุ้ง", "โรงเรียน", False),
    "a Hindi word": ("मैं हिन्दी में लिखता हूँ", "हिन्दी", True),
    "a Hindi word that is not there": ("मैं हिन्दी में लिखता हूँ", "पानी", False),
    "an inflected Russian word": ("Мы купили новую машину", "машина", True),
    "the middle of a Russian word": ("Бабушка печёт пироги по воскресеньям", "скресен", True),
    "two letters of a Russian word": ("Бабушка печёт пироги по воскресеньям", "пи", True),
    "ё written as е": ("Ёлка стоит у окна", "елка", True),
    "a Greek word without its accent": ("Η Αθήνα είναι όμορφη", "αθηνα", True),
    "a Greek word in capitals": ("Η Αθήνα είναι όμορφη", "ΑΘΗΝΑ", True),
    "an Arabic word without its article": ("قرأت الكتاب أمس", "كتاب", True),
    "an Arabic word with an article": ("هذا كتاب جميل", "الكتاب", True),
    "an Arabic word without its vowels": ("قَرَأْتُ الكِتَابَ", "الكتاب", True),
    "an Arabic word that is not there": ("قرأت الكتاب أمس", "مدرسة", False),
    "a Hebrew word without its points": ("שָׁלוֹם עולם", "שלום", True),
    "a Persian word without its joiner": ("می‌خواهم بروم", "میخواهم", True),
    "German ß as ss": ("Die Straße ist lang", "strasse", True),
    "Polish letters as on an English keyboard": ("Jutro jadę do Łodzi", "lodzi", True),
    "Vietnamese without its marks": ("Tôi thích phở Hà Nội", "pho ha noi", True),
    "a dotted capital I": ("İstanbul güzel", "istanbul", True),
    "full-width letters": ("ＡＢＣ社に勤める", "abc", True),
    "an emoji": ("We won 🎉", "🎉", True),
    "an emoji that is not there": ("We won 🎉", "😀", False),
    # English as people write it.
    "another form of a word": ("The boilers were leaking", "leak boiler", True),
    "the beginning of a word": ("The boiler makes a noise", "boil", True),
    "the beginning of an accented word": ("Herr Müller kommt", "müll", True),
    "the middle of a word": ("The boiler makes a noise", "oile", False),
    "two words for one": ("Her healthcare is paid", "health care", True),
    "one word for two": ("Her health care is paid", "healthcare", True),
    "a hyphen left out": ("Send me an e-mail", "email", True),
    "a hyphen put in": ("Send me an email", "e-mail", True),
    "a number": ("The gate code is 4471", "4471", True),
    "the beginning of a number": ("The gate code is 4471", "447", False),
    "an identifier": ("Invoice INV-2024-0042 is paid", "inv-2024-0042", True),
    "a name in code": ("call foo_bar first", "foo_bar", True),
    "one word of it": ("call foo_bar first", "bar", True),
    "an e-mail address": ("Write to user@example.com", "user@example.com", True),
    "an IP address": ("The router is 192.168.0.1", "192.168.0.1", True),
    "C++": ("She writes C++ at work", "C++", True),
    "a path": ("It is in /etc/nginx/sites", "/etc/nginx", True),
    # Odd queries.
    "FTS5's own words": ("The boiler is NEAR the door", 'boiler AND NEAR("door" *) OR NOT ^x:', True),
    "quotes": ("The boiler makes a noise", '"boiler" \'noise\' "', True),
    "a pasted page": ("The boiler makes a noise", PAGE, True),
    "a question": ("The boiler makes a noise", "What is it that the boiler does?", True),
    "stop words alone": ("What is it that he does", "what is it", True),
    "punctuation alone": ("The boiler makes a noise!", "?! … — ()", False),
    "a variation selector alone": ("The boiler makes a noise", "\ufe0f", False),
    "a zero byte": ("The boiler makes a noise", "boiler\0", True),
    "a lone surrogate": ("The boiler makes a noise", "boiler \ud800", True),
    "nothing": ("The boiler makes a noise", "", False),
}
OTHERS = ["The cat sleeps on the sofa", "明日は雨が降る", "Завтра будет дождь", "Zürich liegt am See"]
# The encoder knows nothing of these words, and what it takes them for outweighs that they are there.
OUTWEIGHED = {"Polish letters as on an English keyboard", "full-width letters"}

SCRIPTS = "abcxyzABCéüßŁøñİǆ 的园拳고양이もビがー게กข้ำาहिन्दीعربيָשЁёйαάς٣4-_.'\"🎉"
TEXTS = st.text(st.one_of(st.sampled_from(SCRIPTS), st.characters(exclude_categories=["Cs", "Cn", "Cc"])), max_size=12)


def lexical(memory: Memory, query: str) -> list[str]:
    """Return the texts that the words of *query* find, best first."""
    with memory._db.read() as connection:
        found = search(connection, query, InMemory().view(connection, within(Scope())))
        texts = dict(connection.execute("select id, text from records"))
    return [texts[id] for id in found.ids[np.lexsort((found.ids, -found.score))].tolist()]


@pytest.mark.parametrize(("text", "query", "found"), CASES.values(), ids=CASES)
def test_words_find_what_they_should(memory: Memory, text: str, query: str, found: bool) -> None:
    memory.remember_many([*OTHERS, text])
    texts = lexical(memory, query)
    assert texts[:1] == [text] if found else text not in texts
    assert memory.verify() == []


@pytest.mark.parametrize("name", [name for name in CASES if CASES[name][2] and name not in OUTWEIGHED])
def test_recall_ranks_what_words_find_first(name: str) -> None:
    text, query, _ = CASES[name]
    with Memory(":memory:") as memory:
        memory.remember_many([*OTHERS, text])
        assert memory.recall(query, k=1)[0].text == text


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Memory]:
    with Memory(tmp_path_factory.mktemp("languages") / "m.db", encoder=TinyEncoder()) as memory:
        yield memory


@settings(max_examples=150, deadline=None)
@given(text=TEXTS.filter(str.strip), query=TEXTS)
def test_composed_and_decomposed_find_the_same(shared: Memory, text: str, query: str) -> None:
    """What is asked in one form finds what was said in the other; a query of the text itself among them."""
    found = set()
    for said in (nfc, nfd):
        record = shared.remember(said(text))
        for asked in (nfc, nfd):
            found.add((bool(lexical(shared, asked(query))), bool(lexical(shared, asked(text)))))
        shared.forget(record.id)
    assert len(found) == 1, (text, query, found)


@settings(max_examples=150, deadline=None)
@given(text=TEXTS)
def test_folding_is_the_same_for_both_forms_and_leaves_english_alone(text: str) -> None:
    assert folded_phrases(nfc(text), 99) == folded_phrases(nfd(text), 99)
    assert all(" " not in term and term.casefold() == term for term in folded_terms(text).split(" "))
    assert folded_terms(text.encode("ascii", "ignore").decode().replace("+", "").replace("#", "")) == ""


@settings(max_examples=300, deadline=None)
@given(query=st.text(max_size=40))
def test_any_text_is_a_query(shared: Memory, query: str) -> None:
    """The short form of `python -m bench fuzz`."""
    if not shared.list(limit=1):
        shared.remember_many([text for text, _, _ in CASES.values()])
    began = time.perf_counter()
    lexical(shared, query)
    assert time.perf_counter() - began < 1


def test_another_user_of_a_word_does_not_hide_that_it_begins_ones_own(memory: Memory) -> None:
    memory.remember("It must boil", user="ben")
    memory.remember("The boiler makes a noise")
    assert lexical(memory, "boil") == ["The boiler makes a noise"]


def test_an_identifier_comes_before_its_pieces(memory: Memory) -> None:
    memory.remember_many(["0042 was paid in 2024, inv. 7", "INV-2024-0043", "INV-2024-0042 is open", "2024 0042 INV"])
    assert lexical(memory, "INV-2024-0042")[0] == "INV-2024-0042 is open"


def test_one_foreign_record_among_english_ones_is_found_by_all_its_weight(memory: Memory) -> None:
    memory.remember_many([f"Tokyo note {number}" for number in range(50)])
    memory.remember("花子は東京に住んでいる")
    assert lexical(memory, "Tokyo 花子")[0] == "花子は東京に住んでいる"


def test_forgetting_leaves_no_part_of_a_word_in_the_file(memory: Memory, tmp_path: Path) -> None:
    secret, kept = "パスワードは秘密です Łukaszów", "Завтра будет дождь"
    record = memory.remember(secret, speaker="Тамара")
    memory.remember(kept)
    memory.forget(record.id)
    assert memory.verify() == []
    data = b"".join(path.read_bytes() for path in tmp_path.glob("m.db*"))
    for gone in ["パス", "秘密", "тамара", "мар", "lukaszow"]:
        assert gone.encode() not in data
    assert lexical(memory, "завтра") == [kept] and lexical(memory, "秘密") == lexical(memory, "Тамара") == []


def test_verify_sees_what_the_index_of_parts_lacks_and_rebuild_makes_it_again(memory: Memory) -> None:
    memory.remember_many(["妹は京都で陶芸を教えている", "plain", "Бабушка печёт пироги"])
    before = lexical(memory, "陶芸")
    for damage in (
        "insert into records_folded (records_folded) values ('delete-all')",
        "insert into records_folded (rowid, terms) values (2, 'more')",
    ):
        with memory._db.transaction() as connection:
            connection.execute(damage)
        assert "full-text" in " ".join(memory.verify())
        memory.rebuild()
        assert memory.verify() == [] and lexical(memory, "陶芸") == before


def test_english_has_no_row_in_the_index_of_parts(memory: Memory) -> None:
    memory.remember_many(["It’s “fine” — she said", "Her fiancé keeps bees", "C is a language"])
    with memory._db.read() as connection:
        assert connection.execute("select count(*) from records_folded").get == 0
    assert memory.stats().tables["records_folded"] > 0


def test_other_programs_search_the_index_of_parts(memory: Memory, tmp_path: Path) -> None:
    memory.remember("父はGuitarを弾く")
    with closing(sqlite3.connect(tmp_path / "m.db")) as connection:
        sql = "select rowid from records_folded where records_folded match ?"
        assert [connection.execute(sql, (words,)).fetchall() for words in ("弾く", "guitar")] == [[(1,)], [(1,)]]


# -- what the encoder does not know


def by_the_real_encoder(texts: list[str], query: str, **options: Any) -> list[str]:
    with Memory(":memory:") as memory:
        memory.remember_many(texts)
        return [hit.text for hit in memory.recall(query, **options)]


FOREIGN = [
    "ฉันชอบกินผัดไทยที่กรุงเทพ",
    "🍕🎉 party on saturday",
    "我的猫叫咪咪",
    "ድመቴ ስሟ ሚሚ ነው",
    "ነገ ሐኪም ጋር እሄዳለሁ",
    "Ana likes the sea",
]


@pytest.mark.parametrize(("query", "found"), [("กรุงเทพ", 0), ("🍕", 1), ("猫", 2), ("ሚሚ", 3), ("ሐኪም", 4)])
def test_a_word_that_the_encoder_does_not_know_is_found_by_itself_alone(query: str, found: int) -> None:
    """All that it does not know is alike to it, and would come before the record that holds the word."""
    assert by_the_real_encoder(FOREIGN, query) == [FOREIGN[found]]
    assert by_the_real_encoder(FOREIGN, query, min_score=rank.LIKELY) == [FOREIGN[found]]


@pytest.mark.parametrize("query", ["🦖", "狗", "东京的天气怎么样", "ቡና", "Где мой телефон?"])
def test_of_what_is_not_there_in_a_script_that_the_encoder_does_not_know_nothing_is_found(query: str) -> None:
    assert by_the_real_encoder(FOREIGN, query) == []


def test_of_two_records_the_one_that_holds_more_of_the_question_comes_first() -> None:
    texts = ["妈妈住在上海", "爸爸住在北京", "妈妈喜欢喝茶", "我的狗叫旺财", "Ana likes the sea"]
    assert by_the_real_encoder(texts, "妈妈住在哪里？", k=1) == [texts[0]]


def test_an_encoder_that_knows_every_script_is_believed() -> None:
    with Memory(":memory:", encoder=TinyEncoder()) as memory:
        memory.remember_many(FOREIGN)
        assert len(memory.recall("狗")) == len(FOREIGN)
