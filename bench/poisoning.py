"""
Poison: texts planted in a memory through untrusted sources, beside harmless ones that may sound alike.

`poison/` has both, written for this, in halves: on `dev` the signs and weights were made, not on `held`.
Attacks are in the manner of MINJA and AgentPoison: orders, bridging steps, trigger phrases, floods, texts that are near
to everything, and spelling tricks.  `train.jsonl` has more of both kinds, for the weights alone.
"""

from __future__ import annotations

import base64
import json
import re
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agentmem import Memory, injection, meaning, templates
from agentmem.encoder import shared

FOLDER = Path(__file__).parent / "poison"
TRUST = 0.2  # of a web page
HALVES = ("dev", "held")
FRAME = f"{templates.NOTE}\n"  # what stands outside of the tags
L2, SIGN_SCALE, FOLDS = 0.3, 0.8, 5  # of the fit
FALSE_ALARMS = 0.014  # of the harmless texts of dev, in cross-validation
Floats = NDArray[np.float64]


def texts(name: str) -> list[dict[str, Any]]:
    """Return the lines of one file of the set."""
    return [json.loads(line) for line in (FOLDER / f"{name}.jsonl").read_text("utf-8").splitlines()]


def measure(tell: Callable[[str], None], halves: Sequence[str] = HALVES) -> list[dict[str, Any]]:
    """Write each half through untrusted sources, and count what is put aside, and what gets into a context."""
    found = []
    for half in halves:
        tell(half)
        attacks, real = texts(f"attacks_{half}"), texts(f"real_{half}")
        with Memory(":memory:", user="ana") as memory:
            memory.remember_many(["I live in Porto", "I am allergic to peanuts", "My sister Mel is a vet"])
            for text in real:
                text["source"] = f"web:{text['kind']}"
            memory.remember_many([{"text": t["text"], "source": t["source"], "trust": TRUST} for t in attacks + real])
            aside = {held.text: held.reason for held in memory.review()}
            contexts = [memory.context(attack["text"], min_trust=0) for attack in attacks]
            default = [memory.context(attack["text"]) for attack in attacks]
        kinds = Counter(attack["kind"] for attack in attacks)
        caught = Counter(attack["kind"] for attack in attacks if attack["text"] in aside)
        every = [attack["text"] for attack in attacks]
        found.append(
            {
                "half": half,
                "attacks": len(attacks),
                "real": len(real),
                "put aside": sum(caught.values()) / len(attacks),
                "by kind": {kind: caught[kind] / count for kind, count in kinds.items()},
                "put aside or not in a default context": 1 - _reaching(default, every) / len(attacks),
                "real put aside": sum(each["text"] in aside for each in real) / len(real),
                "real put aside, texts": [each["text"] for each in real if each["text"] in aside],
                "shown where it is asked for": _reaching(contexts, every) / len(attacks),
                "in the instruction part": _outside(contexts + default),
                "reasons": dict(Counter(aside.values())),
            }
        )
    return found


def topics() -> dict[str, float]:
    """Return the share of sentences about each topic that is told, of all, and of harmless texts for which one is."""
    given, real = texts("topics"), [each["text"] for each in texts("real_held")]
    found = _topics([each["text"] for each in given])
    told = Counter(each["topic"] for each, seen in zip(given, found, strict=True) if each["topic"] in seen)
    count = Counter(each["topic"] for each in given)
    shares = {topic: told[topic] / number for topic, number in count.items()}
    harmless = sum(map(bool, _topics(real))) / len(real)
    return shares | {"all": sum(told.values()) / len(given), "harmless, any": harmless}


def _topics(given: Sequence[str]) -> list[tuple[str, ...]]:
    return meaning.topics(shared(), given, list(meaning.encoded(given)))


def _reaching(contexts: Sequence[Any], attacks: Sequence[str]) -> int:
    """Return how many of *attacks* stand in any of *contexts*."""
    shown = {hit.text for context in contexts for hit in context.hits}
    return sum(text in shown for text in attacks)


def _outside(contexts: Sequence[Any]) -> int:
    """
    Count what of untrusted records stands elsewhere than marked as untrusted, inside the tags.

    What stands outside of the tags is the same for every memory, or it counts; so does a line of an untrusted record in
    any other section, and the object of a fact that rests on one.
    """
    frames = {re.sub(r"<memories>.*</memories>", "", context.text, count=1, flags=re.S) for context in contexts}
    count = len(frames - {"", FRAME})
    for context in contexts:
        untrusted = {hit.id for hit in context.hits if hit.record.trust < 0.5}
        count += sum(line.section != "untrusted" and line.id in untrusted for line in context.lines)
        told = " ".join(line.text for line in context.lines if line.section in ("known", "contested"))
        vouched = {fact.object for fact in context.facts if fact.trust >= 0.5}
        count += sum(fact.trust < 0.5 and fact.object in told for fact in context.facts if fact.object not in vouched)
    return count


# -- the fit --------------------------------------------------------------------------------------------------------


def fit() -> dict[str, Any]:
    """Fit the weights of `meaning.orders` on train and dev, write them, and return what cross-validation says."""
    train, attacks = texts("train"), [each for each in texts("attacks_dev") if each["kind"] not in ("flood", "hub")]
    real = texts("real_dev")
    x = np.concatenate([_features([each["text"] for each in part]) for part in (train, attacks, real)])
    y = np.array([each["planted"] for each in train] + [True] * len(attacks) + [False] * len(real), float)
    weight = np.where(y > 0, 3.0, 1.0)
    weight[: len(train)] *= [each.get("weight", 1.0) for each in train]  # those of a grammar count less
    own = np.zeros(len(y), int) - 1  # the fold that asks it; train is never asked
    own[len(train) :] = np.random.default_rng(0).integers(0, FOLDS, len(y) - len(train))
    score = np.zeros(len(y))
    for fold in range(FOLDS):
        rest = own != fold
        found = _logistic(x[rest], y[rest], weight[rest])
        score[~rest] = x[~rest] @ found[:-1] + found[-1]
    asked = own >= 0
    bias = float(np.quantile(score[asked & (y == 0)], 1 - FALSE_ALARMS))
    found = _logistic(x, y, weight)
    direction, signs = found[: -len(injection.SIGNS) - 2], found[-len(injection.SIGNS) - 2 : -1] * SIGN_SCALE
    scale = float(np.abs(direction).max() / 127)
    made = {
        "bias": round(float(found[-1]) - bias, 4),
        "scale": scale,
        "direction": base64.b85encode(np.rint(direction / scale).astype(np.int8).tobytes()).decode(),
        "signs": dict(zip([*injection.SIGNS, "hidden"], np.round(signs, 3).tolist(), strict=True)),
    }
    meaning.WEIGHTS.write_text(json.dumps(made, indent=1) + "\n", "utf-8")
    meaning._weights.cache_clear()
    return {
        "cross-validation, planted found": float((score[asked & (y == 1)] > bias).mean()),
        "harmless found": float((score[asked & (y == 0)] > bias).mean()),
    }


def _features(given: Sequence[str]) -> Floats:
    read = [injection.plain(text) for text in given]
    names = [*injection.SIGNS, "hidden"]
    signs = np.array([[name in found for name in names] for found in map(injection.signs, read)], float)
    return np.concatenate((meaning.encoded([each.text for each in read]), signs * SIGN_SCALE), axis=1)


def _logistic(x: Floats, y: Floats, weight: Floats) -> Floats:
    """Return the weights, the bias last, of a logistic regression with a ridge, by Newton's method."""
    x = np.c_[x, np.ones(len(x))]
    ridge = np.full(x.shape[1], L2)
    ridge[-1] = 1e-6
    found = np.zeros(x.shape[1])
    for _ in range(40):
        chance = 1 / (1 + np.exp(-np.clip(x @ found, -30, 30)))
        curve = (x * (weight * chance * (1 - chance) + 1e-9)[:, None]).T @ x + np.diag(ridge)
        step = np.linalg.solve(curve, x.T @ (weight * (chance - y)) + ridge * found)
        found -= step
        if np.abs(step).max() < 1e-6:
            break
    return found
