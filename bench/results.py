"""
`bench/RESULTS.md`: a page of figures, and how each was made.

Each command writes its own section, under a line that says when and where it was run, and leaves the others as they
are.  What was tried and left out is written by hand, in `left_out.md`, and included word for word.
"""

from __future__ import annotations

import os
import platform
import re
import shlex
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import agentmem
from agentmem import encoder

from .tables import Table

ROOT = Path(__file__).parent.parent
LEFT_OUT = Path(__file__).parent / "left_out.md"
HEAD = """\
# Results

Written by the commands named under each heading; [README.md](README.md) says where the sets come from.
Fraction@k is the share of a question's gold turns among the first k hits, averaged over questions; any@k and all@k,
the share of questions of which one or every gold turn is among them. In brackets and under "95 %": bootstrap intervals
over questions, 1,000 resamples, differences paired by question. Questions about one conversation are not independent
of each other, so the true intervals are somewhat wider. The weights were fitted on these same sets: see "Fit".
"""
SECTIONS = {
    "recall": ("Recall", "What is found, with the default configuration on every set, against others on the same "
               "records and vectors. Ablation turns signals off in the second step of ranking alone: the shortlist of "
               "150 stays as it is. Bold: the interval of the difference excludes 0."),
    "fit": ("Fit", "The weights fitted again on one half of every set: conversations of a set that has several, "
            "otherwise every other question. A fit does not see how its signals and constants were chosen, by hand "
            "and on the same sets, so this measures the weights alone."),
    "known": ("Knowing that it does not know", "Questions asked of a memory that cannot answer them, beside the same "
              "asked of their own. AUROC: how often the best hit's score is higher in the own memory. The first ten "
              "hits count. Of the other memory: the share of questions for which any hit passes min_score. Of the own: "
              "the share of those with gold in the first ten that keep some (kept); the share of gold among all hits "
              "that pass (gold), and the same with the other memory's hits among them."),
    "claims": ("What texts claim", "Facts are read out of texts by the tagger, without an LLM. The labels were "
               "written by one who had not seen the sentences that it learns from, those by others who had not seen "
               "the labels. A claim counts if subject, predicate, object and state are all right."),
    "drift": ("Drift", "Simulated people state facts, repeat, change and take them back, speak of others, suppose, ask "
              "and chat; the assistant echoes old values; some sessions arrive late. The phrasings were written by one "
              "who knew nothing of the tagger's sentences, and those by others who had not seen these. The other "
              "methods answer with a text, which is right where it has the current value: the best hit of recall, and "
              "the nearest of statements of which a later one replaces the one that it is most like (cosine from .8)."),
    "who": ("Who is who", "Fifty short conversations, half of them traps, written by one who knew nothing of the "
            "rules; the first 24 were looked at. Pairs of ways of naming that mean one and are taken for one, and "
            "pairs that mean two and are taken for one."),
    "longterm": ("Longterm", "The people of drift, with small talk between, over 120 sessions and in one day of 300 "
                 "turns. Answered: the context of 400 tokens has the answer (for two at once, both). Stale: a line of "
                 "it has a value that no longer holds, without the one that does and without a mark that it is past."),
    "packing": ("Small contexts", "Questions with an answer of up to five words that stands in one of their gold "
                "items. The context has it where a line of a gold item or a fact has; of the best whole turns as many "
                "are taken, in order, as fit."),
    "window": ("A long conversation", "Made-up talk; 100 facts in its first 200 turns are asked for at the end. Found: "
               "the number of the house is in what is sent. Times are p50, of the same questions, in turns."),
    "peers": ("Others", "The same records of 30 words, vectors and questions, each in a process of its own; what a "
              "question takes includes encoding it, the same for all; storing does not. A question is the first 8 "
              "words of a record; found: the share of questions that have it among their ten; nearest: the share of "
              "the ten nearest by float32 cosine that the index of vectors gives; words: searched beside vectors. "
              "Where 200 questions take longer than two minutes, the rest is not asked."),
    "speed": ("Speed", "Texts made from the sample conversation's words, the real encoder, one process."),
}  # fmt: skip


def write(path: Path, section: str, tables: Sequence[Table], before: Sequence[str] = ()) -> None:
    """Write *tables* as the *section* of the page at *path*, after the paragraphs *before*; other sections stay."""
    bodies = _read(path)
    title, about = SECTIONS[section]
    paragraphs = [f"## {title}", about, stamp(), *before, *(table.markdown() for table in tables)]
    bodies[section] = "\n\n".join(paragraphs)
    bodies["left out"] = LEFT_OUT.read_text("utf-8").strip()
    marked = [f"<!-- section: {name} -->\n\n{bodies[name]}\n" for name in (*SECTIONS, "left out") if bodies.get(name)]
    path.write_text("\n".join([HEAD, *marked]), "utf-8")


def _read(path: Path) -> dict[str, str]:
    if not path.exists():
        return {}
    _, *marked = re.split(r"^<!-- section: (.+) -->$", path.read_text("utf-8"), flags=re.M)
    return {name: body.strip() for name, body in zip(marked[::2], marked[1::2], strict=True)}


def stamp() -> str:
    """Return what was run, when, on which commit, machine and versions."""
    packages = ("numpy", "onnxruntime", "tokenizers", "sqlite-vec", "apsw-sqlite3mc")
    versions = [f"agentmem {agentmem.__version__}", f"Python {platform.python_version()}"]
    versions += [f"{name} {_version(name)}" for name in packages]
    return (
        f"`{command()}`, {datetime.now(UTC):%Y-%m-%d %H:%M} UTC, commit {commit()}.  \n"
        f"{_processor()}, {os.cpu_count()} cores, {platform.system()} {platform.machine()}; {', '.join(versions)}; "
        f"encoder {encoder.shared().id}."
    )


def command() -> str:
    """Return the command as it was typed, the folder of the sets as DIR."""
    words = list(sys.argv[1:])
    for place, word in enumerate(words):
        if word.startswith("--data="):
            words[place] = "--data=DIR"
        elif place and words[place - 1] == "--data":
            words[place] = "DIR"
    return shlex.join(["python", "-m", "bench", *words])


def commit() -> str:
    """Return the commit that is checked out, and whether files differ from it."""
    found = _git("rev-parse", "--short", "HEAD")
    if not found:
        return "unknown"
    return f"{found} with uncommitted changes" if _git("status", "--porcelain") else found


def _git(*arguments: str) -> str:
    try:
        done = subprocess.run(["git", "-C", str(ROOT), *arguments], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return ""
    return done.stdout.strip()


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "unknown"


def _processor() -> str:
    try:
        found = re.search(r"^model name\s*: (.+)$", Path("/proc/cpuinfo").read_text("utf-8"), re.M)
    except OSError:
        found = None
    return found[1].strip() if found else platform.processor() or "unknown processor"
