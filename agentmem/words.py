"""
Text and words: what can be stored, what counts as a word, which say nothing about what is sought, and how what is not
plain English is spelt so that it is found by its parts.

Pure.  Scripts are told apart by their Unicode blocks.
"""

import re
import unicodedata
from collections.abc import Iterator
from itertools import islice

WORD = re.compile(r"\w+")
LONGEST = 20_000  # characters of a query that are read for words: more than a page, and less than 0.1 s
LONGEST_WORD = 64  # letters of a query's word, where it is looked for by its parts

_FREQUENT = """
    a an the and or but if of to in on at for with from by is are was were be been being do does did has have had
    what when where who whom which why how that this these those it its he she they them his her their i you we me
    my your our us as about into than then so not no can could would should will may might also just s t
"""
STOPWORDS = frozenset(_FREQUENT.split())  # so frequent in English that they match every record and token vector

_OF_ASSISTANT = frozenset(["you", "your", "yours"])
_OF_USER = frozenset(["i", "me", "my", "mine", "we", "us", "our"])
# Asks something of the assistant, not about it.
_REQUEST = r"\b(?:(?:can|could|would|will|please) you|do you (?:have|know|think))\b"

# Patterns are strings, which `re` compiles when first used and keeps: together they take 10 ms of an import.
# Marks that people leave out: accents, Hebrew points, Arabic vowel signs and the stretching tatweel.
_MARKS = "\u0300-\u036f\u0483-\u0487\u0591-\u05bd\u05bf-\u05c7\u0610-\u061a\u0640\u064b-\u065f\u0670\u06d6-\u06ed"
_UNSEEN = "\u00ad\u200c\u200d\ufe00-\ufe0f"  # soft hyphen, zero-width joiners, variation selectors
# Python's \w leaves out the vowel signs that are part of a word from Devanagari to Khmer, and kana's sound marks.
_SIGNS = "\u0900-\u0963\u0966-\u0e3e\u0e40-\u109f\u1780-\u17d3\u3099\u309a"
# Written without spaces, or a syllable a character: Thai to Burmese, Khmer, Han, kana, Hangul.
_DENSE = (
    "\u0e00-\u109f\u1780-\u17ff\u3005-\u3007\u3040-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\ua9e0-\ua9ff"
    "\uaa60-\uaa7f\uac00-\ud7a3\uf900-\ufaff\U00020000-\U0003ffff"
)
_LATIN = "a-z0-9\u00df-\u02af\u1e00-\u1eff"
_SYMBOL = "[\u2190-\u2bff\U0001f000-\U0001faff]"  # arrows to emoji

_LETTER = rf"[\w{_MARKS}{_UNSEEN}{_SIGNS}]"
_PART = rf"(?:(?!_){_LETTER})+"  # SQLite's unicode61 splits at "_" too
_CHAIN = rf"{_LETTER}+(?:[-.@/:\\]+{_LETTER}+)*"  # ids, paths, addresses, compounds
_TOKEN = rf"[A-Za-z]+(?:\+\+|#)(?![A-Za-z0-9_])|{_SYMBOL}|{_LETTER}+"  # C++ and C# are not C
_RUN = rf"([{_DENSE}]+)|([{_LATIN}]+)|((?:(?![_{_DENSE}{_LATIN}])[\w{_SIGNS}])+)"
# Letters that are no letter and a mark to Unicode, but to people and keyboards; Arabic ones that Persian writes so.
_ALIKE = str.maketrans(dict(zip("łøđħıىیكة", "lodhiييکه", strict=True)) | {"æ": "ae", "œ": "oe"})
# What `unicode61 remove_diacritics 2` takes off a Latin letter, composed or not.
_KNOWN_MARKS = "[\u0300-\u0304\u0306-\u030c\u030f\u0311\u031b\u0323-\u0328\u032d\u032e\u0330\u0331]"


def is_unicode(text: str) -> bool:
    """Return whether *text* can be stored: it holds no lone surrogate."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def asked_role(query: str) -> str | None:
    """
    Return whose words *query* asks about: "what did you suggest" the assistant's, "what did I say" the user's.

    Who asks for advice ("can you recommend a film?") is helped by what the user said.
    """
    asked, requests = re.subn(_REQUEST, " ", query[:LONGEST].lower())
    words = set(WORD.findall(asked))
    if words & _OF_ASSISTANT:
        return "assistant"
    return "user" if requests or words & _OF_USER else None


def plain_phrases(query: str, limit: int) -> tuple[list[str], list[str]]:
    """
    Return what to look up of *query* in the index of plain words, each once, the first *limit* of a long query.

    Returns:
        What it says: its telling words, and as phrases what punctuation joins: "inv 20 3", "inv", "20", "3" and
        "paid" of "Is INV-20/3 paid?".  And what it may mean by them: neighbours written in one, such as "inv203", or
        "healthcare" for "health care".
    """
    text = unicodedata.normalize("NFC", query[:LONGEST]).lower()
    said: dict[str, None] = {}  # in order, each once
    meant: dict[str, None] = {}
    before = ""
    for match in re.finditer(_CHAIN, text):
        chain = re.findall(_PART, match[0])
        telling = [word for word in chain if word not in STOPWORDS]
        if len(said) >= limit:
            break
        if telling and len(chain) > 1:
            said[" ".join(chain)] = meant["".join(chain)] = None
        elif telling and before:
            meant[before + chain[0]] = None
        said |= dict.fromkeys(telling)
        before = chain[0] if telling and len(chain) == 1 else ""
    return list(said or dict.fromkeys(re.findall(_PART, text)))[:limit], list(meant)[:limit]


def folded_terms(text: str) -> str:
    """
    Return what the index of plain words cannot find of *text*, as terms between spaces; "" for plain English.

    - Of scripts without spaces and of Hangul, each character with the next one, and the last alone: then one
      character is found as the beginning of a pair, and no single ones need to be kept.
    - Of other scripts, each three letters of a word in order: any part of a word is a phrase of them.
    - Latin words that touch another script ("私はPythonを"), or that folding changes by more than an accent ("Łódź").
    - C++ and C#, and symbols such as emoji.

    A file keeps what this returned when a record was written, and deleting it takes the same again: change this
    function, and a migration must rebuild the table.
    """
    if text.isascii() and "++" not in text and "#" not in text:
        return ""
    return " ".join(term for token in re.findall(_TOKEN, unicodedata.normalize("NFC", text)) for term in _terms(token))


def folded_phrases(query: str, limit: int) -> list[str]:
    """Return the first *limit* FTS5 phrases that find *query*'s words, or parts, among `folded_terms`, each once."""
    found: dict[str, None] = {}
    for token in re.finditer(_TOKEN, unicodedata.normalize("NFC", query[:LONGEST])):
        if len(found) >= limit:
            break
        found |= dict.fromkeys(islice(_phrases(token[0]), limit))
    return list(found)[:limit]


def _terms(token: str) -> Iterator[str]:
    if token.isascii():
        if not token[-1].isalnum() and token[-1] != "_":
            yield token.lower()
        return
    if re.match(_SYMBOL, token):
        yield token.lower()  # the ascii tokenizer takes it for a letter, and does not fold it
    runs = _runs(token)
    for kind, run in runs:
        if kind != "latin":
            yield from _grams(kind, run)
        elif len(runs) > 1 or run != re.sub(_KNOWN_MARKS, "", unicodedata.normalize("NFD", token.lower())):
            yield run


def _phrases(token: str) -> Iterator[str]:
    if token[-1] in "+#" or re.match(_SYMBOL, token):
        yield f'"{token.lower()}"'
        return
    for kind, run in _runs(token):
        if kind == "latin":
            if run not in STOPWORDS:
                yield f'"{run}"'
        elif kind == "dense":
            pairs = _grams(kind, run)[:-1]
            yield from (f'"{pair}"' for pair in pairs) if pairs else [f'"{run}"*']
        elif len(run) < 3:
            yield f'"{run}"*' if len(run) == 2 else f'"{run}"'
        else:
            # Endings change, and Arabic writes its article as part of the word.
            run = run[:LONGEST_WORD]
            stem = run.removeprefix("ال") if len(run) > 4 else run
            for part in dict.fromkeys((run, stem, stem[: max(4, len(stem) - 2)])):
                yield f'"{" ".join(_grams(kind, part))}"'


def _grams(kind: str, run: str) -> list[str]:
    if kind == "dense":
        return [run[i : i + 2] for i in range(len(run))]
    return [run[i : i + 3] for i in range(max(1, len(run) - 2))]


def _runs(token: str) -> list[tuple[str, str]]:
    """Split a token, folded, where the kind of its script changes: "dense", "latin" or "spaced"."""
    found = re.findall(_RUN, _fold(token))
    return [(kind, run) for runs in found for kind, run in zip(("dense", "latin", "spaced"), runs, strict=True) if run]


def _fold(token: str) -> str:
    """Return *token* without what people leave out or write in two ways: case, width, marks, similar letters."""
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", token).casefold())
    # Taken apart for the marks, put together again for what keeps them, such as Hangul and kana.
    bare = re.sub(f"[{_MARKS}{_UNSEEN}]", "", unicodedata.normalize("NFD", folded))
    return unicodedata.normalize("NFC", bare).translate(_ALIKE)
