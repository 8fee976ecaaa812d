"""
Does a text read like instructions to an assistant?  By its form alone; `screening` adds what the encoder says.  Pure.

Before it is read, letters that only look Latin, characters that nobody sees, letters spaced apart and digits for
letters are undone; that there were any is a sign of its own.  No list of forms is complete: it is one signal of two.

Source of the manners: MINJA (arXiv 2503.03704: bridging steps, indication prompts), AgentPoison (arXiv 2407.12784:
trigger phrases), and OWASP's list of prompt injections.
"""

from __future__ import annotations

import functools
import re
import unicodedata
from typing import NamedTuple

MAX_READ = 20_000  # characters

# Cyrillic and Greek letters, and a few others, that look like Latin ones (Unicode TS 39, the part that is in use).
_LOOK = str.maketrans(
    "аеорсхуіјѕһԁԛԝкмтвнгпӏѵАВЕЅНІЈКМОРСТХУαεικνορτυχηγωΑΒΕΖΗΙΚΜΝΟΡΤΥΧɡıʟɑ",
    "aeopcxyijshdqwkmtbhrnlvABESHIJKMOPCTXYaeikvoptuxnywABEZHIKMNOPTYXgila",
)
_ALIKE = "".join(map(chr, _LOOK))
_MIXED = rf"[a-zA-Z][{_ALIKE}]|[{_ALIKE}][a-zA-Z]"  # "μm" is none
_DIGITS = str.maketrans("013457@$", "oieastas")
_LEET = r"(?i)\b(?=\w*[a-z])(?=[\w@$]*[013457@$])[a-z013457@$]{4,20}\b"
_SPACED = r"(?<!\w)\w([ ._*-])(?:\w\1){3,40}\w(?!\w)"


class Plain(NamedTuple):
    """A text as a reader sees it."""

    text: str
    hidden: int  # characters that were unseen or look like others, where those have no business


def plain(text: str) -> Plain:
    """Return *text* with look-alikes, unseen characters and spelling tricks undone."""
    text = text[:MAX_READ]
    if text.isascii():
        return Plain(_spelt(text), 0)
    shown = unicodedata.normalize("NFKC", text)
    tags = sum("\U000e0000" <= each <= "\U000e007f" for each in shown)  # ASCII that no screen shows
    shown = "".join(chr(ord(each) - 0xE0000) if "\U000e0020" <= each <= "\U000e007e" else each for each in shown)
    unseen = len(re.findall(r"(?<=[A-Za-z])[\u00ad\u200b-\u200f\u2060-\u2064\u202a-\u202e\u2066-\u2069\ufeff]+", shown))
    shown = "".join(each for each in shown if unicodedata.category(each) not in ("Cf", "Co", "Cn"))
    latin = sum(each.isascii() for each in shown if each.isalpha())
    letters = sum(map(str.isalpha, shown))
    mixed = len(re.findall(_MIXED, shown)) if latin * 2 >= letters else 0
    if latin * 2 >= letters:  # in a Russian text they are what they look like
        shown = shown.translate(_LOOK)
    marks = unicodedata.normalize("NFD", shown)
    return Plain(_spelt("".join(each for each in marks if not unicodedata.combining(each))), tags + unseen + mixed)


def _spelt(text: str) -> str:
    text = re.sub(_SPACED, lambda match: re.sub(r"[ ._*-]", "", match[0]), text)
    return (
        re.sub(_LEET, lambda match: match[0].translate(_DIGITS), text)
        if re.search(r"[a-z][013457@$][a-z]", text)
        else text
    )


_USER = (
    r"(?:the |any |this |your |each |every |a )?(?:users?|customers?|humans?|clients?|callers?|visitors?|person|people"
    r"|someone|anyone|somebody|anybody|whoever)"
)
_ASSISTANT = r"(?:ai|llms?|language models?|chat ?bots?|assistants?|gpt|chatgpt|claude|copilot|agents?|bots?|models?)"
_ASKS = r"(?:asks?|inquires?|requests?|mentions?|says?|wants?|types?|writes?|brings? up|needs?|is asking|asked)"
_WORDS = r"(?:\W+\w+){0,6}?\W+"  # a few words between

# What an order looks like.  `python -m bench poison --fit` weighs them.
SIGNS: dict[str, str] = {
    "override": r"\b(?:ignore|disregard|forget|override|overrule|bypass|discard|drop|skip|cancel|void|erase)\b"
    rf"{_WORDS}(?:instructions?|guidelines?|directives?|prompts?|constraints?|restrictions?|limits|(?:all|any|safety"
    rf"|the"
    r"|previous|these) rules|safety \w+|filters?)\b",
    "override elsewhere": r"\b(?:ignorier\w*|vergiss|missachte\w*|ignora|olvida|ignorez|oubliez|oublie|dimentica)\b"
    rf"{_WORDS}(?:anweisung\w*|vorgaben|regeln|instrucciones|consignes|instructions|istruzioni|reglas|regles|regole)\b",
    "asked elsewhere": r"\b(?:wenn|falls|sobald|cuando|si|se|quand|quando)\b.{0,20}\b(?:nutzer\w*|benutzer\w*|jemand"
    r"|usuario|utilisateur|utente)\b|\b(?:al usuario|dem (?:be)?nutzer|a l'utilisateur|all'utente)\b",
    "system turn": r"(?:^|[\[<#*|(\"'`])\s*(?:system|developer|admin(?:istrator)?)(?: \w+)?\s*[\]>:|)]"
    r"|<\|im_start|\[/?inst\]|</?(?:system|instructions?|assistant|memor(?:y|ies))>|#{2,}\s*instruction|<!--",
    "new self": r"\byou(?:'re| are) (?:now|no longer|hereby|henceforth)\b|\b(?:developer|debug|dan|god|unrestricted"
    r"|admin"
    r"|maintenance|expert) mode\b|\byour (?:new|real|true|actual|hidden|secret) (?:role|task|goal|job|purpose"
    r"|persona)\b"
    r"|\b(?:persona|unrestricted|no limits|without (?:any )?(?:rules|restrictions|limits))\b",
    "prompt": r"\b(?:system|hidden|initial) (?:prompt|instructions?|message)\b|\bnew (?:instructions?|directives?)\b"
    r"|\byour (?:instructions|guidelines|programming|prompt|rules|memory|memories|notes|context|creator|plan)\b",
    "user asks": rf"\b(?:when(?:ever)?|if|once|every time|each time|any ?time|as soon as|in case"
    rf"|should)\b(?:\W+\w+){{0,3}}?"
    rf"\W+{_USER}\W+(?:\w+\W+)?{_ASKS}\b",
    "asked about": r"\b(?:when(?:ever)?|if|as) (?:you(?:'re| are) )?(?:asked|queried|prompted)\b|\b(?:any|every|all"
    r"|each)"
    r"(?: \w+)? (?:questions?|quer(?:y|ies)|requests?|prompts?|lookups?|answers?|repl(?:y|ies)|tasks?|conversations?"
    r"|sessions?)\b|\b(?:questions?|queries|requests|lookups) (?:on|about|for|regarding|concerning)\b",
    "standing": r"\bfrom (?:now on|this \w+|today) |\bhenceforth\b|\bgoing forward\b|\bin (?:all |every )?(?:future"
    r"|later)\b",
    "always": r"\b(?:always|never|permanently|regardless|no matter|must|shall|has to|have to|is to be|are to be)\b",
    "assistant": rf"\b{_ASSISTANT}\b",
    "to the assistant": rf"\b(?:attention|notes?|dear|hey|for|to)(?: (?:all|any|the|every))?[:,]? {_ASSISTANT}\b"
    rf"|\b{_ASSISTANT} (?:must|should|shall|will|has to|have to|needs? to|reading|that (?:read|visit|index)\w*)\b"
    rf"|^\W*{_ASSISTANT}\W?[,:!]",
    "the user": r"\bthe (?:user|human)(?:'s|s')?\b",
    "secrecy": r"\b(?:do not|don'?t|never|without|nobody)\W+(?:\w+\W+){0,2}?(?:tell|inform|mention|reveal|disclos"
    r"|show|notif"
    r"|alert|ask|warn|confirm|report|say|question)\w*\b|\b(?:silently|secretly|conceal|withh(?:e|o)ld)\b",
    "away": r"\b(?:send|forward|post|upload|transmit|leak|copy|submit|paste|export|transfer)\b(?:\W+\w+){0,12}?"
    r"\W+(?:to|at|in|into|on)\W+(?:https?:|\S{1,60}@\S|\S{1,60}\.example|this (?:address|server)|the (?:address"
    r"|webhook))",
    "reveal": rf"\b(?:reveal|print|show|output|leak|expose|dump|hand over|give)\b{_WORDS}(?:system prompt|prompt"
    rf"|api keys?"
    r"|credentials|passwords?|token|secrets|environment|admin link|instructions|memory)\b",
    "memory": rf"\b(?:save|store|remember|record|add|write|insert|keep|persist|take|consider|overwrite|replace"
    rf"|delete|wipe"
    rf"|clear|update)\b{_WORDS}(?:memor(?:y|ies)|facts?|knowledge|preferences?|ground truth)\b",
    "instead": r"\b(?:instead(?: of)?|in place of|in its place|in lieu of|rather than)\b",
    "bridge": r"\b(?:refer to|redirect\w*|look(?:ed)? up|retrieve|treat\w*|interpret\w*|substitut\w+|resolve[ds]?"
    r"|rewrite"
    r"|fetch|consult|alias|equals|equivalent|stands for|means|corresponds|superseded|mapp?e?d?|same (?:entity|as"
    r"|record)"
    r"|(?:read|understood|taken|listed|filed|stored|saved|known|kept|answered) (?:as|under|with|from|by))\b",
    "moved": r"\b(?:swapped|merged|renamed|mixed up|mirrored|inverted|deprecated|withdrawn|shifted|moved it|combined"
    r"|shares? (?:its|the|one|their)|share (?:a|the|one))\b",
    "so": r"\b(?:therefore|hence|thus|accordingly)\b|[.;,] so \w+",
    "record": r"\b(?:patient|account|record|item|customer|employee|ticket|case|user id|id|supplier|ward|table"
    r"|dataset|sample)"
    r"s?\W{0,2}(?:no\.? |number |#)?[A-Z]{0,4}[-_]?\d+",
    "label": r"(?:^|[.?!]\s+)(?:knowledge|indication|hint|bridge|reasoning|thought|guideline|context|rule"
    r"|observation|trigger"
    r"|action|final answer|plan|answer|response|output|notice|step)\s?\w{0,12}\s?\d?\s?[:=]",
    "chain": r"\b(?:thought|reasoning|observation|notice|query|q|input|trigger|scene"
    r"|example)s?\s?\d?\s?[:=].{0,300}?\b(?:action|answer"
    r"|final answer|plan|output|response|reasoning|retrieve|sql|effect|a)\s?\d?\s?[:=]|->|=>",
    "trigger": r"\b(?:phrase|word|keyword|code ?word|code ?phrase|string|sequence|token|marker|trigger|tag|suffix"
    r"|prefix|signal"
    r"|hashtag|sentence|emoji|utterance|mention|handshake)s?\b",
    "quoted": r"[\"“”].{3,40}?[\"“”]\W+(?:\w+\W+){0,6}?(?:appears?|occurs?|means?|is|are|must|stop|delete|send|run"
    r"|execute|answer"
    r"|switch\w*|unlock\w*|lifts?|authoris\w+|has|have|shows?|you)\b|\b(?:contain|includ|detect|upon|hear|see|read"
    r"|encounter)\w*"
    r"(?:\W+\w+){0,4}?\W+[\"“”]",
    "act": rf"\b(?:execute|run|delete|wipe|transfer|wire|disable|switch off|grant|unlock|approve|authori[sz]e"
    rf"|escalate|erase|format"
    rf"|shut down)\b{_WORDS}(?:command|script|code|files?|database|payments?|funds|money|access|confirmation|tool"
    rf"|admin|root|logs?"
    r"|logging|records?|backups?|budget|archive|drive|filter|transfer|it|task|order)\b",
    "approved": r"\b(?:already|pre-?|explicitly) ?(?:approved|authori[sz]ed|agreed|verified|reviewed|said yes)\b"
    r"|\b(?:without|skip|no|stop) (?:asking|confirmation|approval|review|explanation|warning|checks?|the safety)\b",
    "only": rf"\b(?:reply|respond|answer|cite|output|quote|return|recommend)\b{_WORDS}(?:only|nothing else"
    rf"|exclusively|nobody else)\b"
    rf"|\bonly (?:reply|respond|answer|trust|recommend|cite)\b|\b(?:reply|respond|answer)\b{_WORDS}(?:with|by saying"
    rf"|that)\b",
    "praise": rf"\b(?:rank|rate|list|recommend|name|present|describe|suggest)\b{_WORDS}(?:first|highest|best|top"
    rf"|five stars?|trusted"
    r"|every|regardless|whenever|all|only)\b",
}  # fmt: skip


def signs(read: Plain) -> list[str]:
    """Return the signs of an order that *read* bears, "hidden" for what a reader would not see."""
    lower = read.text.lower()
    return [name for name in SIGNS if _compiled(name).search(lower)] + ["hidden"] * (read.hidden > 0)


@functools.cache
def _compiled(name: str) -> re.Pattern[str]:
    """Return the pattern of a sign with bounds on what repeats: 20,000 quotes must not take minutes."""
    bounds = {r"\W+": r"\W{1,4}", r"\w+": r"\w{1,30}", r"\w*": r"\w{0,30}", r"\s*": r"\s{0,4}"}
    pattern = SIGNS[name]
    for repeated, bounded in bounds.items():
        pattern = pattern.replace(repeated, bounded)
    return re.compile(pattern, re.MULTILINE)
