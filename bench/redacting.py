"""
Secrets: 300 made-up true ones and 300 look-alikes in sentences, half of each held out.

All are drawn at random, with correct checksums where there are any, and none was ever in use; beginnings by which
scanners of repositories know keys are put together here.  Look-alikes are order numbers, UUIDs, hashes, telephone
numbers, ISBNs, IBANs and cards with a wrong checksum, keys of an example, and sentences about passwords.
"""

from __future__ import annotations

import base64
import json
import random
import string
import time
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from agentmem import meaning, policy, screening, secrecy
from agentmem.draft import draft
from agentmem.encoder import read, shared
from agentmem.scope import Scope

HALVES = {"dev": 11, "held": 12}  # half → seed
EACH = 150  # of a half
ALNUM, HEX, B64 = string.ascii_letters + string.digits, "0123456789abcdef", string.ascii_letters + string.digits + "+/"
URL = ALNUM + "-_"
Draw = random.Random


class Case(NamedTuple):
    """A sentence, and the secret in it; "" is none."""

    text: str
    secret: str
    kind: str


def _some(draw: Draw, letters: str, count: int) -> str:
    return "".join(draw.choice(letters) for _ in range(count))


def _digits(draw: Draw, beginning: str, length: int, *, wrong: bool = False) -> str:
    """Return a number of *length* whose last digit is, or is not, its Luhn check digit."""
    body = beginning + _some(draw, string.digits, length - 1 - len(beginning))
    right = next(digit for digit in string.digits if secrecy.luhn(body + digit))
    return body + (draw.choice([digit for digit in string.digits if digit != right]) if wrong else right)


def _card(draw: Draw, *, wrong: bool = False) -> str:
    number = _digits(draw, draw.choice(["4", "51", "55", "2221", "6011", "3530"]), 16, wrong=wrong)
    if draw.random() < 0.2:
        number = _digits(draw, draw.choice(["34", "37"]), 15, wrong=wrong)
        return draw.choice([number, f"{number[:4]} {number[4:10]} {number[10:]}"])
    sign = draw.choice(["", " ", "-"])
    return sign.join(number[place : place + 4] for place in range(0, 16, 4))


def _iban(draw: Draw, *, wrong: bool = False) -> str:
    country, length, letters = draw.choice(
        [
            ("DE", 22, ""),
            ("NO", 15, ""),
            ("AT", 20, ""),
            ("ES", 24, ""),
            ("PT", 25, ""),
            ("NL", 18, "ABNA"),
            ("GB", 22, "NWBK"),
        ]
    )
    body = letters + _some(draw, string.digits, length - 4 - len(letters))
    check = next(f"{number:02}" for number in range(2, 99) if secrecy.iban(f"{country}{number:02}{body}"))
    if wrong:
        check = f"{(int(check) + draw.randrange(1, 90) - 2) % 97 + 2:02}"
        if secrecy.iban(country + check + body):
            check = f"{int(check) % 96 + 2:02}"
    whole = country + check + body
    return whole if draw.random() < 0.4 else " ".join(whole[place : place + 4] for place in range(0, length, 4))


def _jwt(draw: Draw) -> str:
    def part(value: object) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")

    claims = {"sub": _some(draw, string.digits, 8), "iat": draw.randrange(1_600_000_000, 1_800_000_000)}
    header = {"alg": draw.choice(["HS256", "RS256", "ES256"]), "typ": "JWT"}
    return f"{part(header)}.{part(claims)}.{_some(draw, URL, 43)}"


def _pem(draw: Draw) -> str:
    name = draw.choice(["RSA ", "EC ", "OPENSSH ", "", "ENCRYPTED "]) + "PRIVATE" + " KEY"
    lines = "\n".join(_some(draw, B64, 64) for _ in range(draw.randrange(3, 12)))
    return f"-----BEGIN {name}-----\n{lines}\n-----END {name}-----"


def _password(draw: Draw) -> str:
    word = draw.choice(
        ["sunny", "tiger", "harbor", "Maple", "rocket", "Winter", "coffee", "dragon", "Monday", "purple"]
    )
    return draw.choice(
        [
            word + _some(draw, string.digits, draw.choice([2, 4])) + draw.choice("!?#$%&*"),
            word.title() + draw.choice("-_.") + _some(draw, string.digits, 3),
            _some(draw, ALNUM + "!#$%&*+-=?@^_", draw.randrange(10, 20)),
            word + _some(draw, string.digits, 3),
        ]
    )


# Beginnings are put together, so that no scanner takes this file for what it looks for.
KEYS: Sequence[Callable[[Draw], str]] = (
    lambda d: "AK" + "IA" + _some(d, string.ascii_uppercase + "234567", 16),
    lambda d: "gh" + d.choice("pous") + "_" + _some(d, ALNUM, 36),
    lambda d: "github_" + "pat_" + _some(d, ALNUM, 22) + "_" + _some(d, ALNUM, 59),
    lambda d: "gl" + "pat-" + _some(d, URL, 20),
    lambda d: (
        "xo" + "xb-" + _some(d, string.digits, 11) + "-" + _some(d, string.digits, 12) + "-" + _some(d, ALNUM, 24)
    ),
    lambda d: "sk" + "-" + _some(d, ALNUM, 48),
    lambda d: "sk" + "-proj-" + _some(d, URL, 60),
    lambda d: "sk" + "-ant-" + "api03-" + _some(d, URL, 93),
    lambda d: "sk" + "_live_" + _some(d, ALNUM, 24),
    lambda d: "AI" + "za" + _some(d, URL, 35),
    lambda d: "hf" + "_" + _some(d, string.ascii_letters, 34),
    lambda d: "SG" + "." + _some(d, URL, 22) + "." + _some(d, URL, 43),
    lambda d: "np" + "m_" + _some(d, ALNUM, 36),
    lambda d: "py" + "pi-AgEIcHlwaS5vcmc" + _some(d, URL, 70),
    lambda d: "do" + "p_v1_" + _some(d, HEX, 64),
    lambda d: "gs" + "k_" + _some(d, ALNUM, 52),
    lambda d: "r8" + "_" + _some(d, ALNUM, 37),
    lambda d: "SK" + _some(d, HEX, 32),
    lambda d: _some(d, HEX, 32) + "-us" + d.choice("123456789"),
    lambda d: _some(d, string.digits, 10) + ":AA" + _some(d, URL, 33),
    lambda d: "shp" + "at_" + _some(d, HEX, 32),
    lambda d: "hv" + "s." + _some(d, URL, 90),
)
NAMED_KEYS = (
    "API_KEY={}", "export SERVICE_TOKEN={}", '"client_secret": "{}",', "Authorization: Bearer {}", "secret_key: {}",
    "the api key is {}", "x-api-key: {}", "AUTH_TOKEN = '{}'",
)  # fmt: skip
SAID = (
    "here you go: {}",
    "please keep {} for me",
    "My key: {}",
    "I set it to {} yesterday.",
    "{}",
    "use {} for the deploy",
    "The old one was {}, it still works",
    "token ({})",
    "remember this: {}, thanks",
)
PASSWORDS = (
    "my password is {}",
    "The password for the wifi is {}.",
    "password: {}",
    "Passwort: {}",
    "pwd={}",
    "pw changed, password now is: {}",
    "My Netflix password is {}, don't tell Jo",
    "das Kennwort lautet {}",
    "mot de passe : {}",
    "la contraseña es {}",
    "passcode: {}",
    'The password is "{}"',
    "login ana, password {}",
    "postgres://ana:{}@db.host:5432/app",
    "Her password was {}",
    "I changed my password to {}",
    "{} is my password",
)
CARDS = (
    "my card number is {}",
    "{}, valid until 04/28",
    "Visa {}",
    "pay with {} please",
    "Karte: {}",
    "The card {} is blocked.",
    "{}",
)
IBANS = (
    "my IBAN is {}",
    "please transfer it to {} by Friday",
    "{}",
    "IBAN: {}",
    "Konto {} bei der Sparkasse",
    "rent goes to {}.",
)
PINS = ("my PIN is {}", "PIN: {}", "The pin for the card is {}", "the pin code is {}", "CVV {}", "security code: {}")
PHRASES = (
    "the passphrase is copper lantern quiet meadow",
    "seed phrase: orbit velvet canyon maple drift anchor lemon pistol grape tunnel hawk ribbon",
    "my passphrase is walrus eleven teapot gravity",
)

HARMLESS = (
    "The password is wrong.",
    "I forgot my password again.",
    "Your password must have eight characters.",
    "the password is required",
    "My password is too short, they say",
    "Passwords are hashed and salted.",
    "password reset link sent",
    "The PIN is on the letter.",
    "I wrote the password down on the blue note",
    "a token of my love",
    "The secret is to stir slowly",
    "API keys expire after a year",
    "the api key is missing",
    "Set API_KEY=your-api-key-here and start",
    "export TOKEN=<your token>",
    "password: ********",
    "password = os.environ['DB_PASSWORD']",
    "token: ${GITHUB_TOKEN}",
    "the key is under the mat",
    "She pinned 4471 posts.",
    "The gate code is 4471",
    "Room 4471 on floor 44",
    "secret: none",
    "My password is stolen!",
    "Kennwort vergessen",
    "The password is hers.",
    "client_secret is empty",
    "Bearer bonds were sold in 1998",
    "The password manager is great",
    "password: required, min. 8 characters",
    "postgres://localhost:5432/app",
    "https://ana@example.com/path",
    "mailto:ana@example.com",
    "Her password was never found.",
    "skating-on-the-frozen-lake-is-fun",
    "sk-learn is a library",
    "SG.1 is the first episode",
    "hf_hub downloads are slow",
    "AKIA is not a word",
    "ghp_ is how they begin",
    "npm_config_registry is a setting",
    "-----BEGIN CERTIFICATE-----",
    "eyJ is base64",
)


def _alike(draw: Draw) -> str:
    """Return a sentence with something that only looks like a secret."""
    number = _some(draw, string.digits, 16)
    uuid = "-".join(_some(draw, HEX, count) for count in (8, 4, 4, 4, 12))
    phone = f"+{draw.randrange(1, 99)} {_some(draw, '123456789', 3)} {_some(draw, string.digits, 7)}"
    isbn = (
        f"978-{draw.randrange(10)}-{_some(draw, string.digits, 2)}-{_some(draw, string.digits, 6)}-{draw.randrange(10)}"
    )
    day = f"202{draw.randrange(10)}-0{draw.randrange(1, 9)}-1{draw.randrange(9)}"
    return draw.choice(
        [
            f"Order number {number}",
            f"order {number[:4]}-{number[4:12]}",
            f"your order #{_digits(draw, '4', 16)} has shipped",
            f"request id {uuid}",
            uuid,
            f"commit {_some(draw, HEX, 40)}",
            f"fixed in {_some(draw, HEX, 8)}",
            f"sha256:{_some(draw, HEX, 64)}",
            f"call me at {phone}",
            f"ISBN {isbn}",
            f"IMEI {_digits(draw, '35', 15)}",
            f"my card number is {_card(draw, wrong=True)}",
            f"Visa {_card(draw, wrong=True)}",
            f"IBAN: {_iban(draw, wrong=True)}",
            f"transfer to {_iban(draw, wrong=True)}",
            f"invoice {day}-{_some(draw, string.digits, 5)}",
            f"tracking no. JD{number}",
            f"the sum is {draw.randrange(10**6)}.{_some(draw, string.digits, 14)}",
            f"timestamp {draw.randrange(17 * 10**11, 18 * 10**11)}",
            "sk-" + "x" * 32,
            f"AKIA{'EXAMPLE'}{_some(draw, string.ascii_uppercase, 4)}EXAMPLE"[:20],
            f"meter reading {_some(draw, string.digits, 8)}",
            f"from {day} to 2029-01-01",
            f"build 1.{number[:2]}.{number[2:6]}",
            f"img_{number[:8]}_{number[8:14]}.jpg",
            f"EAN {_some(draw, string.digits, 13)}",
            f"lat 59.{number[:6]}, lon 10.{number[6:12]}",
            f"parcel {_digits(draw, '5', 16)}",
            f"https://example.com/p/{_some(draw, ALNUM, 22)}",
            f"session {_some(draw, HEX, 24)} ended",
            f"tax id {number[:11]}",
        ]
    )


def cases(half: str) -> list[Case]:
    """Return the sentences of one half: EACH with a secret, EACH without."""
    draw = random.Random(HALVES[half])
    made: list[Case] = []
    for number in range(EACH):
        kind = (["api key"] * 5 + ["password"] * 4 + ["card number"] * 3 + ["IBAN"] * 2 + ["JWT"] + ["private key"])[
            number % 16
        ]
        made.append(_true(draw, kind))
    # Sentences of one half are not those of the other.
    own = [text for place, text in enumerate(HARMLESS) if place % 2 == (half == "held")]
    made += [Case(text, "", "none") for text in own]
    made += [Case(_alike(draw), "", "none") for _ in range(EACH - len(own))]
    return made


def _true(draw: Draw, kind: str) -> Case:
    frames: Sequence[str] = SAID
    if kind == "api key":
        named = draw.random() < 0.2
        secret, frames = (
            (_some(draw, ALNUM, draw.choice([32, 40])), NAMED_KEYS) if named else (draw.choice(KEYS)(draw), SAID)
        )
    elif kind == "password":
        which = draw.random()
        if which < 0.15:
            secret, frames = _some(draw, string.digits, draw.choice([3, 4, 6])), PINS
        elif which < 0.22:
            return Case(text := draw.choice(PHRASES), text.partition(" is ")[2] or text.partition(": ")[2], kind)
        else:
            secret, frames = _password(draw), PASSWORDS
    elif kind == "card number":
        secret, frames = _card(draw), CARDS
    elif kind == "IBAN":
        secret, frames = _iban(draw), IBANS
    else:
        secret = _jwt(draw) if kind == "JWT" else _pem(draw)
    return Case(draw.choice(frames).format(secret), secret, kind)


def measure() -> list[dict[str, Any]]:
    """Ask which cases hold a secret, by half: found where something was, whole where nothing of it is left."""
    results = []
    for half in HALVES:
        given = cases(half)
        found = [(case, secrecy.find(case.text)) for case in given]
        right = [case for case, secrets in found if case.secret and secrets]
        wrong = [case for case, secrets in found if not case.secret and secrets]
        missed = [case for case, secrets in found if case.secret and not secrets]
        whole = [
            c for c, secrets in found if c.secret and c.secret not in secrecy.redacted(c.text, secrets) and secrets
        ]
        kinds = Counter(case.kind for case in given if case.secret)
        results.append(
            {
                "half": half,
                "true": sum(kinds.values()),
                "alike": len(given) - sum(kinds.values()),
                "precision": len(right) / (len(right) + len(wrong)),
                "recall": len(right) / (len(right) + len(missed)),
                "not a trace left": len(whole) / sum(kinds.values()),
                "by kind": {kind: sum(case.kind == kind for case in right) / count for kind, count in kinds.items()},
                "wrong": [case.text for case in wrong],
                "missed": [case.text for case in missed],
            }
        )
    return results


def cost(rounds: int = 5) -> dict[str, float]:
    """Measure what screening by the default policy takes of a text, against encoding it; the best of *rounds* each."""
    from .poisoning import texts

    given = [each["text"] for each in texts("real_dev")][:300]
    drafts = [draft(text, Scope(), now=0) for text in given]
    rules, encoder = policy.read(policy.DEFAULT), shared()
    meaning.topics(encoder, given, [e.vector for e, _ in read(encoder, given, [True] * len(given))])
    spent: dict[str, list[float]] = {"screen": [], "encode": [], "topics": []}
    for _ in range(rounds):
        start = time.perf_counter()
        for each in drafts:
            screening.screened(each, rules)
        spent["screen"].append(time.perf_counter() - start)
        start = time.perf_counter()
        found = read(encoder, given, [True] * len(given))
        spent["encode"].append(time.perf_counter() - start)
        start = time.perf_counter()
        meaning.topics(encoder, given, [encoding.vector for encoding, _ in found])
        spent["topics"].append(time.perf_counter() - start)
    screen, encode, topics = (min(times) / len(given) * 1e6 for times in spent.values())
    return {"screen_us": screen, "topics_us": topics, "encode_us": encode, "share": (screen + topics) / encode}
