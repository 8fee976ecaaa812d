"""
Window: a conversation of thousands of turns in a window of fixed size.  Is it ever over, is what was said in the first
turns there when it is asked for at the end, and what does a turn cost, in recalls?
"""

from __future__ import annotations

import random
import tempfile
from collections.abc import Callable
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

from agentmem import Memory

from .made import texts

TURNS, WINDOW = 2_000, 4_096
FACTS, EARLY = 100, 200
TIMED = 200
ROOMS = ("cellar", "attic", "kitchen", "porch", "barn", "greenhouse", "garage", "workshop", "pantry", "studio")
THINGS = ("ladder", "toolbox", "kettle", "lantern", "sled", "telescope", "typewriter", "accordion", "compass", "swing")
ASKED = "Where did I put the {thing} of {owner}?"
SAID = [
    "By the way, {owner}'s {thing} is in the {room} of house {number} now.",
    "I have put the {thing} that belongs to {owner} into the {room} of house {number}.",
    "Before I forget it: the {thing} of {owner} lies in the {room}, house {number}.",
    "{owner} will ask for the {thing} one day; it's in house {number}, in the {room}.",
]
OWNERS = ("Ada", "Bruno", "Chidi", "Dagny", "Emre", "Fatima", "Goran", "Hanna", "Ines", "Jonas")


def measure(progress: Callable[[str], None]) -> dict[str, Any]:
    """Return what came of one conversation."""
    draw = random.Random(7)
    facts = _facts(draw)
    early = dict(zip(sorted(draw.sample(range(EARLY), FACTS)), facts, strict=True))
    over = 0
    with tempfile.TemporaryDirectory() as work, Memory(Path(work) / "talk.db", user="ana") as memory:
        talk = memory.conversation("talk", window_tokens=WINDOW, system="You are a helpful assistant.")
        for number, text in enumerate(texts(TURNS // 2)):
            fact = early.get(number)
            said = draw.choice(SAID).format(**fact) if fact else text
            sent = talk.turn(said)
            over += talk.tokens(sent) > WINDOW
            talk.reply(f"All right. {' '.join(text.split()[:12])}")
            if number % 50 == 0:
                progress(f"turn {2 * number:,} of {TURNS:,}")
        found = sum(_asked(talk, fact) for fact in facts)
        took = _times(memory, talk, facts)
    return {"turns": TURNS, "window": WINDOW, "over": over, "facts": FACTS, "found": found / FACTS, **took}


def _facts(draw: random.Random) -> list[dict[str, str]]:
    pairs = [(owner, thing) for owner in OWNERS for thing in THINGS]
    return [
        {"owner": owner, "thing": thing, "room": draw.choice(ROOMS), "number": str(draw.randrange(100, 999))}
        for owner, thing in draw.sample(pairs, FACTS)
    ]


def _asked(talk: Any, fact: dict[str, str]) -> bool:
    sent = talk.turn(ASKED.format(**fact))
    talk.reply("Let me see.")
    return any(f"{fact['number']}" in str(message["content"]) for message in sent)


def _times(memory: Memory, talk: Any, facts: list[dict[str, str]]) -> dict[str, float]:
    """Return the p50 of `messages` and of a recall of the same question, in ms, in turns."""
    sent, recalled = [], []
    for number in range(TIMED):
        question = ASKED.format(**facts[number % FACTS])
        talk.add(question)
        begun = perf_counter()
        talk.messages()
        between = perf_counter()
        memory.recall(question)
        sent.append(between - begun)
        recalled.append(perf_counter() - between)
    return {"messages ms": median(sent) * 1_000, "recall ms": median(recalled) * 1_000,
            "ratio": median(sent) / median(recalled)}  # fmt: skip
