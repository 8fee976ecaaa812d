"""
Secrets in a text: what nobody should find again in a memory, and the same text without it.

    api key      of the providers below, by how each writes its own; or as the value of a name such as API_KEY
    private key  PEM, OpenPGP and age
    JWT          whose header can be read
    password     that is stated as such, or stands in an address
    card number  of a known network, by its Luhn checksum (ISO/IEC 7812-1)
    IBAN         by its country's length and checksum (ISO 13616)

Pure.  A pattern is only tried where a plain `in` finds what it begins with, so that an ordinary text costs a few µs;
and each repetition has a bound or ends at a sign that it cannot take, so that time grows with the text alone.
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import NamedTuple

from .words import STOPWORDS

API_KEY, PRIVATE_KEY, JWT, PASSWORD, CARD, IBAN = (
    "api key", "private key", "JWT", "password", "card number", "IBAN",
)  # fmt: skip
KINDS = (API_KEY, PRIVATE_KEY, JWT, PASSWORD, CARD, IBAN)
MOST_WAYS = 1_000  # in which a pattern of the user's own may be tried from one place
MAX_PATTERN = 500  # characters


class Found(NamedTuple):
    """A secret, at text[start:end]."""

    start: int
    end: int
    kind: str


def find(text: str, own: Mapping[str, str] = MappingProxyType({})) -> list[Found]:
    """
    Return the secrets in *text*, in order, without those that lie in another.

    Args:
        own: further ones, name → pattern, each passed by `check_pattern`.
    """
    found = [secret for search in _SEARCHES for secret in search(text)]
    for name, pattern in own.items():
        found += [Found(*match.span(), name) for match in re.finditer(pattern, text) if match[0]]
    return apart(found)


def apart(found: Iterable[Found]) -> list[Found]:
    """Return *found* in order, of those that overlap the first and longest."""
    kept: list[Found] = []
    for secret in sorted(found, key=lambda each: (each.start, -each.end)):
        if not kept or secret.start >= kept[-1].end:
            kept.append(secret)
        elif secret.end > kept[-1].end:  # what sticks out behind goes too
            kept[-1] = kept[-1]._replace(end=secret.end)
    return kept


def redacted(text: str, found: Iterable[Found]) -> str:
    """Return *text* with "[card number]" in the place of a card number, and so on."""
    parts, end = [], 0
    for secret in found:
        parts += [text[end : secret.start], f"[{secret.kind}]"]
        end = secret.end
    return "".join([*parts, text[end:]])


# -- keys that say what they are ------------------------------------------------------------------------------------

# What each begins with → how it goes on.  Split, where a scanner of repositories would take the beginning for a key.
_PROVIDERS = {
    "AKIA": r"AKIA[A-Z0-9]{16}(?![A-Za-z0-9])",  # AWS
    "ASIA": r"ASIA[A-Z0-9]{16}(?![A-Za-z0-9])",
    "gh": r"gh[pousr]_[A-Za-z0-9]{36,255}",  # GitHub
    "github_pat_": r"github_pat_[A-Za-z0-9_]{60,100}",
    "gl": r"gl(?:pat|ptt|rt|dt|soat|cbt)-[\w-]{20,100}",  # GitLab
    "xo": r"xox[abeoprs]-[A-Za-z0-9-]{10,250}",  # Slack
    "xapp-": r"xapp-\d-[A-Za-z0-9-]{20,250}",
    "hooks.slack.com": r"hooks\.slack\.com/(?:services|workflows)/[\w/]{30,120}",
    "sk-": r"sk-(?:proj-|svcacct-|admin-|ant-|or-v1-)?[A-Za-z0-9][\w-]{18,250}",  # OpenAI, Anthropic, OpenRouter
    "k_": r"[srp]k_(?:live|test)_[A-Za-z0-9]{16,250}",  # Stripe
    "whsec_": r"whsec_[A-Za-z0-9+/=]{24,80}",
    "AIza": r"AIza[\w-]{35}",  # Google
    "GOCSPX-": r"GOCSPX-[\w-]{28}",
    "ya29.": r"ya29\.[\w-]{20,250}",
    "hf_": r"hf_[A-Za-z0-9]{30,60}",  # Hugging Face
    "r8_": r"r8_[A-Za-z0-9]{37}",  # Replicate
    "gsk_": r"gsk_[A-Za-z0-9]{40,60}",  # Groq
    "pplx-": r"pplx-[A-Za-z0-9]{40,60}",  # Perplexity
    "xai-": r"xai-[A-Za-z0-9]{60,100}",
    "SG.": r"SG\.[\w-]{16,24}\.[\w-]{30,50}",  # SendGrid
    "SK": r"SK[0-9a-f]{32}(?![0-9a-f])",  # Twilio
    "key-": r"key-[0-9a-f]{32}(?![0-9a-f])",  # Mailgun
    "-us": r"[0-9a-f]{32}-us\d{1,2}(?!\d)",  # Mailchimp
    "npm_": r"npm_[A-Za-z0-9]{36}",
    "pypi-": r"pypi-AgE[\w-]{40,250}",
    "_v1_": r"do[opr]_v1_[0-9a-f]{64}",  # DigitalOcean
    "shp": r"shp(?:at|ca|pa|ss)_[0-9a-fA-F]{32}",  # Shopify
    "sq0": r"sq0(?:atp|csp|idp)-[\w-]{22,43}",  # Square
    ":AA": r"\d{8,10}:AA[\w-]{33}",  # Telegram
    "dapi": r"dapi[0-9a-f]{32}",  # Databricks
    "lin_api_": r"lin_api_[A-Za-z0-9]{40}",  # Linear
    "ntn_": r"ntn_[A-Za-z0-9]{40,60}",  # Notion
    "pat": r"pat[A-Za-z0-9]{14}\.[0-9a-f]{64}",  # Airtable
    "hv": r"hv[sb]\.[\w-]{24,200}",  # Vault
    "AccountKey=": r"AccountKey=[A-Za-z0-9+/]{86}==",  # Azure
    "PMAK-": r"PMAK-[0-9a-f]{24}-[0-9a-f]{34}",  # Postman
    "NRAK-": r"NRAK-[A-Z0-9]{27}",  # New Relic
    "glsa_": r"glsa_[A-Za-z0-9]{32}_[0-9a-fA-F]{8}",  # Grafana
    "figd_": r"figd_[\w-]{40,60}",  # Figma
    "sbp_": r"sbp_[0-9a-f]{40}",  # Supabase
    "tskey-": r"tskey-[a-z]+-[\w-]{20,80}",  # Tailscale
    "dckr_": r"dckr_pat_[\w-]{27}",  # Docker
}
_EXAMPLE = r"(?i)example|your|placeholder|changeme|dummy|redacted|x{4}|\*{3}|\.{3}|0{6}|1234567|abcdef"
_DISTINCT = 8  # characters that a key has at the least: "sk-aaaaaaaaaaaaaaaaaaaaaaaa" is none


def _providers(text: str) -> Iterator[Found]:
    for beginning, pattern in _PROVIDERS.items():
        if beginning in text:
            for match in re.finditer(rf"(?<![A-Za-z0-9_]){pattern}", text, re.ASCII):
                if _random(match[0]):
                    yield Found(*match.span(), API_KEY)


def _random(value: str) -> bool:
    """Return whether *value* may be a key, and is not made up for an example."""
    return len(set(value)) >= _DISTINCT and not re.search(_EXAMPLE, value)


def _private(text: str) -> Iterator[Found]:
    if "PRIVATE KEY" in text:
        for match in re.finditer(r"-----BEGIN [A-Z0-9 ]{0,30}PRIVATE KEY(?: BLOCK)?-----", text):
            rest = re.compile(r"(?:[^-]|-(?!----)){0,20000}-----END [A-Z0-9 ]{0,40}-----").match(text, match.end())
            # Cut off: as far as there are lines of base64.
            rest = rest or re.compile(r"(?:\s{0,4}[A-Za-z0-9+/=]{16,})*").match(text, match.end())
            yield Found(match.start(), rest.end() if rest else match.end(), PRIVATE_KEY)
    if "AGE-SECRET-KEY-1" in text:
        for match in re.finditer(r"AGE-SECRET-KEY-1[A-Z0-9]{58}", text):
            yield Found(*match.span(), PRIVATE_KEY)


def _tokens(text: str) -> Iterator[Found]:
    if "eyJ" not in text:
        return
    for match in re.finditer(r"\b(eyJ[\w-]{8,2000})\.[\w-]{4,8000}(?:\.[\w-]{10,2000})?", text, re.ASCII):
        try:
            import base64  # 2 ms, and few texts have such a thing

            header = json.loads(base64.urlsafe_b64decode(match[1] + "=" * (-len(match[1]) % 4)))
        except ValueError:
            continue
        if isinstance(header, dict) and "alg" in header:
            yield Found(*match.span(), JWT)


# Patterns are strings, which `re` compiles when first used and keeps: an import need not wait for them.
# -- what is stated as secret ---------------------------------------------------------------------------------------

_NAMES = (
    "password pw passwort passphrase passcode kennwort pwd pin cvv cvc contraseña senha wachtwoord hasło пароль "
    "passwd mot+de+passe parola+d'ordine seed+phrase recovery+phrase security+code card+code 密码 パスワード"
).replace("+", r"\s")  # fmt: skip
_NAMED = rf"\b(?:{'|'.join(_NAMES.split())})s?(?:\s(?:code|number|nummer))?\b"
_BETWEEN = r"""(?:\s(?:for|of|to|on|at|für|vom|zum|de|del|du|di|per|pour|para)(?:\s[\w'’.@-]{1,30}){1,5}?)?"""
_SAYS = (
    r"""["'`]?\s?(?:[:=：]|\b(?:is|was|are|(?P<to>to)|ist|war|lautet|es|est|é|è)\b:?|=>|-)"""
    r"""\s?(?:now\s|still\s|set\sto\s)?"""
)
_NOW = r"(?:\s(?:now|still|then))?"
_VALUE = r"""(?P<value>"[^"\n]{3,80}"|'[^'\n]{3,80}'|`[^`\n]{3,80}`|\S{3,80})"""
_STATED = rf"(?i)({_NAMED}){_BETWEEN}{_NOW}\s?{_SAYS}\s?{_VALUE}"
_SETS = r"(?i)\b(?:chang|set|reset|updat|switch)\w{0,6}\b[^.!?]*$"  # "I changed my password to …"
_ADDRESS_LIKE = r"(?i)\S{1,60}@\S{1,60}|(?:[a-z0-9-]{1,40}\.){1,4}[a-z]{2,12}"
_BESIDE = (
    r"(?i)\b(?:password|passwort|passwd|pwd|pw|kennwort)\s"
    r"((?=\S{0,40}\d)(?=\S{0,40}[a-z])[^\s\[\]<>(){}:=]{6,80}\b[!?#$%&*]*)"
)
_PLAIN_STATED = ("пароль", "密码", "パスワード")
_HINTS = (
    "pw", "passw", "passp", "passc", "passe", "kennw", "pin", "cvv", "cvc", "contrase", "senha", "wachtw", "hasło",
    "parola", "phrase", "code", *_PLAIN_STATED,
)  # fmt: skip
# What is said of a password without saying it.
_SPOKEN = """
    a an the in on at by not no my your his her our their its it that this these those there what where when why
    how to too very quite now still also again always never only just so as if or and but for from with without
    of up out was were been being will would should must may can could has have had does do did wrong incorrect
    invalid correct right required needed necessary missing empty blank unknown optional mandatory weak strong
    secure safe insecure unsafe strength simple easy hard difficult short long complex random unique same
    different old new good bad great fine okay ok stolen leaked lost forgotten compromised expired expiring
    changed reset updated saved stored written kept hidden shown visible encrypted hashed protected locked
    blocked disabled enabled case-sensitive case sensitive set unset here somewhere elsewhere gone known public
    private secret confidential personal ready used useless obsolete outdated temporary default generated
    managed handled shared another something anything nothing everything someone somebody longer shorter better
    worse under inside behind between entered typed accepted rejected refused asked checked verified validated
    confirmed rotated managers manager policy policies rules rule hygiene field prompt protected-by mine yours
    theirs hers
"""
_OF_PASSWORDS = frozenset(_SPOKEN.split())
_ASSIGNED = r"""(?ix)(?:api[_\- ]?key|apikey|secret(?:[_-]?(?:access)?[_-]?key)?|access[_-]?(?:key|token)|auth[_-]?token
        |client[_-]?secret|private[_-]?token|bearer|token|passwd|password|pwd)
        [\w-]{0,30}["']?\s{0,3}(?::|=>|=|\s|\bis\b)\s{0,3}["'`]?([\w+/=.~!@#$%^&*-]{10,300})"""
_ADDRESS = r"(?a)\b[a-z][a-z0-9+.-]{1,20}://[^\s:/@]{1,80}:([^\s:/@]{3,120})@"


def _stated(text: str) -> Iterator[Found]:
    lower = text.lower()
    if any(hint in lower for hint in _HINTS):
        for match in re.finditer(_STATED, text):
            if span := _value(match):
                yield Found(*span, PASSWORD)
        for match in re.finditer(_BESIDE, text):  # without a verb, what nobody would take for a word
            yield Found(*match.span(1), PASSWORD)
        yield from _phrases(text)
    if "://" in text:
        for match in re.finditer(_ADDRESS, text):
            if not re.match(r"[<{$%\[*]", match[1]) and not re.search(_EXAMPLE, match[1]):
                yield Found(*match.span(1), PASSWORD)
    if "key" in lower or "secret" in lower or "token" in lower or "bearer" in lower or "passw" in lower:
        for match in re.finditer(_ASSIGNED, text):
            value = match[1].rstrip(".,;!")
            if _random(value) and _mixed(value):
                yield Found(match.start(1), match.start(1) + len(value), API_KEY)


def _value(match: re.Match[str]) -> tuple[int, int] | None:
    """Return where the password stands that a text states, or None where it only speaks of one."""
    value, start = match["value"], match.start("value")
    if match["to"] and not re.search(_SETS, match.string[max(0, match.start() - 40) : match.start()]):
        return None
    if value[0] in "\"'`" and value[-1] == value[0]:
        return start + 1, match.end() - 1
    start += len(value) - len(value.lstrip("\"'`([{"))
    value = value.lstrip("\"'`([{")
    bare = value.rstrip(".,;:!?)]}\"'`…")
    if re.match(r"(?i)pin|cvv|cvc|security|card", match[1]):
        return (start, start + len(bare)) if re.fullmatch(r"\d{3,8}", bare) else None
    if not _may_be_password(
        bare, ends=value != bare or re.match(r"\s*(?:$|\n)", match.string[match.end() :]) is not None
    ):
        return None
    end = start + len(bare)
    return start, end + (value[len(bare) :].startswith("!") and not bare.isalpha())  # it may well belong to it


def _may_be_password(bare: str, *, ends: bool) -> bool:
    """Return whether what stands behind "the password is" is one; a plain word only where the sentence *ends* there."""
    word = bare.lower()
    if len(bare) < 3 or re.match(r"[<{$%\[*_]|https?://|[a-z_.]{2,40}[\[(]", bare) or re.fullmatch(_EXAMPLE, bare):
        return False
    if re.fullmatch(_ADDRESS_LIKE, bare):
        return False
    if not bare.isalpha() or re.search(r"[a-z][A-Z]", bare):
        return bool(re.search(r"[\d\W_]|[a-z][A-Z]", bare)) and word.replace("-", "") not in _OF_PASSWORDS
    said = word in _OF_PASSWORDS or word.endswith(("ed", "ing", "ly", "able", "ible"))
    return ends and not said and len(word) > 3 and bare[1:].islower()


def _phrases(text: str) -> Iterator[Found]:
    """Yield pass phrases: four or more plain words behind their name."""
    named = r"(?i)\b(?:pass ?phrase|seed phrase|recovery (?:phrase|words))\b[\w\s'’]{0,30}?(?:\bis\b|[:=])\s?"
    for match in re.finditer(named + r"((?:[a-z]{3,12}[ -]){3,23}[a-z]{3,12})\b", text):
        words = set(re.split(r"[ -]", match[1].lower()))
        if not words & STOPWORDS and len(words & _OF_PASSWORDS) < 2:
            yield Found(*match.span(1), PASSWORD)


def _mixed(value: str) -> bool:
    """Return whether *value* looks drawn at random: letters and digits, and no path, address or plain name."""
    if not (re.search(r"\d", value) and re.search(r"[A-Za-z]", value)) or value.count(".") > 2 or value[0] in "./~":
        return False
    words = re.findall(r"[A-Za-z]{3,}", value)
    return sum(map(len, words)) < 0.8 * len(value) or any(
        re.search(r"[a-z][A-Z]|[A-Z]{2}[a-z]", word) for word in words
    )


# -- numbers with a checksum ----------------------------------------------------------------------------------------

_CARD = r"(?<![\w.,/+-])\d(?:[ -]?\d){12,18}(?![\w/]|[.,-]\d)"
_NETWORKS = (  # beginning and length of each network's numbers
    r"4\d{12}|4\d{15}|4\d{18}|5[1-5]\d{14}|(?:222[1-9]|22[3-9]\d|2[3-6]\d\d|27[01]\d|2720)\d{12}|3[47]\d{13}"
    r"|6(?:011|5\d\d|4[4-9]\d)\d{12}|35(?:2[89]|[3-8]\d)\d{12}|3(?:0[0-5]|[689]\d)\d{11}|62\d{14,17}"
    r"|(?:5018|5020|5038|6304|6759|676[1-3])\d{8,15}"
)
_GROUPS = r"\d{13,19}|(?:\d{4}[ -]){3}\d{1,4}(?:[ -]\d{3})?|\d{4}[ -]\d{6}[ -]\d{4,5}|\d{6}[ -]\d{7,13}"
_NOT_CARD = (
    r"(?i)\b(?:order|invoice|tracking|parcel|shipment|serial|imei|isbn|ean|gtin|upc|sku|ticket|case|reference|ref|phone"
    r"|tel|batch|lot|meter|id|uuid|account|policy|contract|timestamp|version|build|commit|bestell\w*|rechnung\w*)\b"
    r"[\w\s]{0,20}[:#.]?\s?#?$"
)
_IBAN = r"(?i)(?<![A-Za-z0-9])[A-Z]{2}\d{2}(?:[ -]?[A-Z0-9]){11,30}(?![A-Za-z0-9])"
_IBAN_LENGTHS = {
    code: int(length)
    for length, codes in {
        "15": "NO", "16": "BE", "18": "DK FI FO GL NL SD", "19": "MK SI", "20": "AT BA EE KZ LT LU XK",
        "21": "CH CR HR LI LV", "22": "BG BH DE GB GE IE ME RS VA", "23": "AE GI IL IQ OM TL",
        "24": "AD CZ ES MD PK RO SA SE SK TN VG", "25": "LY PT ST", "26": "IS TR", "27": "FR GR IT MC MR SM",
        "28": "AL AZ BY CY DO GT HU LB PL SV", "29": "BR EG PS QA UA", "30": "JO KW MU", "31": "MT SC", "32": "LC",
        "33": "RU",
    }.items()
    for code in codes.split()
}  # fmt: skip


def _cards(text: str) -> Iterator[Found]:
    for match in re.finditer(_CARD, text):
        digits = re.sub(r"\D", "", match[0])
        if not (
            re.fullmatch(_NETWORKS, digits)
            and re.fullmatch(_GROUPS, match[0])
            and len(set(digits)) > 2
            and luhn(digits)
        ):
            continue
        if not re.search(_NOT_CARD, text[max(0, match.start() - 48) : match.start()]):
            yield Found(*match.span(), CARD)


def luhn(digits: str) -> bool:
    """Return whether the last of *digits* is the check digit of the others (ISO/IEC 7812-1, annex B)."""
    numbers = [int(digit) for digit in reversed(digits)]
    return (sum(numbers[::2]) + sum(sum(divmod(2 * number, 10)) for number in numbers[1::2])) % 10 == 0


def _ibans(text: str) -> Iterator[Found]:
    for match in re.finditer(_IBAN, text):
        letters = re.sub(r"[ -]", "", match[0]).upper()
        length = _IBAN_LENGTHS.get(letters[:2], 0)
        if length and len(letters) >= length and iban(letters[:length]):
            end = match.start()  # a word behind it may have been taken along
            for _ in range(length):
                end = next(place for place in range(end, match.end()) if text[place].isalnum()) + 1
            yield Found(match.start(), end, IBAN)


def iban(letters: str) -> bool:
    """Return whether *letters*, without spaces, have the checksum of an IBAN (ISO 7064, mod 97-10)."""
    return int("".join(str(int(each, 36)) for each in letters[4:] + letters[:4])) % 97 == 1


_SEARCHES = (_providers, _private, _tokens, _cards, _ibans, _stated)


# -- patterns of one's own ------------------------------------------------------------------------------------------

_PART = r"""(?x)
    (?P<escape>\\[dDwWsSbB.\\^$|()\[\]{}*+?/"'\ -]) | (?P<set>\[\^?(?:\\.|[^]\\[&~|])+\]) | (?P<open>\((?:\?:)?)
    | (?P<close>\)) | (?P<or>\|) | (?P<times>\{(\d{1,3})(?:,(\d{1,3}))?\}\??|\?\??) | (?P<one>[^\\\[\](){}*+?|])"""


@functools.lru_cache(256)
def check_pattern(pattern: str) -> str:
    r"""
    Return *pattern*, or raise ValueError saying what it may not hold.

    Python's `re` goes back over what it has tried, for ages where a pattern nests what repeats.  So every repetition
    has its bounds, as in \d{6} or [A-Z]{2,8}, a group may only be repeated by "?", there are no references back and
    no looking around, and the product of all choices, of how often and of which way, is at most 1,000: from no place
    of a text are there more ways to try.  A beginning (?i) takes small letters for capitals.
    """
    if not isinstance(pattern, str) or not 0 < len(pattern) <= MAX_PATTERN:
        raise ValueError(f"a pattern is text of 1 to {MAX_PATTERN} characters, not {pattern!r:.80}")
    place, ways, last = 4 if pattern.startswith("(?i)") else 0, 1, ""
    while place < len(pattern):
        part = re.compile(_PART).match(pattern, place)
        if part is None:
            raise ValueError(
                f"{pattern[place : place + 4]!r} at {place} is not taken in a pattern: write +, * and {{2,}} with "
                "bounds, such as {1,20}, and a sign that is meant itself with a \\ before it"
            )
        if part.lastgroup == "times":
            least, most = (int(part[7]), int(part[8] or part[7])) if part[7] else (0, 1)
            if last in ("", "open", "or", "times"):
                raise ValueError(f"{part[0]!r} at {place} is not taken there: nothing stands before it to be repeated")
            if last == "close" and part[0][0] != "?":
                raise ValueError(f"a group may only be repeated by '?', not {part[0]!r} at {place}")
            ways *= max(1, most - least + 1)
        ways *= 2 if part.lastgroup == "or" else 1
        place, last = part.end(), str(part.lastgroup)
    if ways > MOST_WAYS:
        raise ValueError(f"the pattern can be tried in {ways:,} ways from one place, more than {MOST_WAYS:,}")
    try:
        compiled = re.compile(pattern)
    except re.error as error:
        raise ValueError(f"{pattern!r:.80} is no pattern: {error}") from None
    if compiled.search("") is not None:
        raise ValueError(f"{pattern!r:.80} fits nothing at all, too")
    return pattern
