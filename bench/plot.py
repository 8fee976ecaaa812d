"""One picture of the figures: fraction@k of each memory set, nDCG@10 of the IR sets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from .asking import METHODS
from .scores import CURVE
from .tables import NAMES, share

# Okabe & Ito 2008, told apart by all; ours also by its width.
COLOURS = {"agentmem": "#0072B2", "fts5": "#D55E00", "vector": "#009E73", "rrf": "#9A5B86"}
INK, FAINT = "#333333", "#E3E3E3"
GAP = 0.05  # between labels, as a share of the axis
MARKED = (1, 5, 10, 20)
SETTINGS = {"font.family": "DejaVu Sans", "font.size": 10, "text.color": INK, "axes.edgecolor": "#999999",
            "axes.labelcolor": INK, "xtick.color": INK, "ytick.color": INK, "axes.titlesize": 11}  # fmt: skip


def draw(results: Sequence[Mapping[str, Any]], path: Path) -> None:
    """
    Write the picture to *path*.

    Raises:
        ImportError: matplotlib is not installed.
    """
    pyplot = matplotlib()
    memory = [result for result in results if result["kind"] == "memory"]
    ir = [result for result in results if result["kind"] == "ir"]
    widths = [1.0] * len(memory) + [0.55 + 0.35 * len(ir)] * bool(ir)
    with pyplot.rc_context(SETTINGS):
        figure, axes = pyplot.subplots(
            1, len(widths), figsize=(4.8 * sum(widths), 4.2), dpi=150, width_ratios=widths, squeeze=False,
            layout="constrained",
        )  # fmt: skip
        figure.get_layout_engine().set(wspace=0.06, w_pad=0.08)
        for panel, result in zip(axes[0], memory, strict=False):
            curves(panel, result)
        if ir:
            bars(axes[0][-1], ir)
        figure.savefig(path)
        pyplot.close(figure)


def matplotlib() -> Any:
    """Return matplotlib.pyplot, set to draw into files."""
    try:
        import_module("matplotlib").use("Agg")
    except ModuleNotFoundError as error:
        raise ImportError("a plot needs matplotlib: pip install '.[bench]'") from error
    return import_module("matplotlib.pyplot")


def curves(panel: Any, result: Mapping[str, Any]) -> None:
    """Draw fraction@k of each method, with its name and last value at the end of its line."""
    ends = {}
    for method in reversed(METHODS):
        values = [result["methods"][method][f"fraction@{cut}"] for cut in CURVE]
        ours = method == "agentmem"
        panel.plot(CURVE, values, color=COLOURS[method], linewidth=3 if ours else 1.7, solid_capstyle="round")
        ends[method] = values[-1]
        for cut in MARKED[:-1] if ours else ():
            first = cut == CURVE[0]  # where the line is steep; its label stands beside it
            panel.plot(cut, values[cut - 1], "o", color=COLOURS[method], markersize=5.5)
            panel.annotate(share(values[cut - 1]), (cut, values[cut - 1]), (-7, 0) if first else (0, 7),
                           textcoords="offset points", ha="right" if first else "center", fontsize=9,
                           va="center" if first else "baseline", color=COLOURS[method], fontweight="bold")  # fmt: skip
    for method, height in spread(ends).items():
        name = f"{NAMES[method]} {share(ends[method])}"
        panel.text(CURVE[-1] + 0.6, height, name, color=COLOURS[method], va="center",
                   fontweight="bold" if method == "agentmem" else "normal")  # fmt: skip
    panel.set(xlim=(-2.4, CURVE[-1] + 9.8), ylim=(0, 1), xticks=MARKED, yticks=[0, 0.25, 0.5, 0.75, 1])
    panel.set_yticklabels(["0", ".25", ".50", ".75", "1"])
    panel.grid(axis="y", color=FAINT, linewidth=0.8)
    _title(panel, result["set"], "share of the gold turns in the first k hits")
    panel.set_xlabel("k", loc="left")
    panel.spines["bottom"].set_bounds(1, CURVE[-1])
    _plain(panel)


def bars(panel: Any, results: Sequence[Mapping[str, Any]]) -> None:
    """Draw nDCG@10 of each set and method, with its value above and, at the first set, its name within."""
    width = 0.8 / len(METHODS)
    for place, result in enumerate(results):
        for number, method in enumerate(METHODS):
            value = result["methods"][method]["nDCG@10"]
            at = place + (number - (len(METHODS) - 1) / 2) * width
            ours = method == "agentmem"
            panel.bar(at, value, width * 0.9, color=COLOURS[method], alpha=1 if ours else 0.8)
            panel.text(at, value + 0.012, share(value), ha="center", color=COLOURS[method], fontsize=9,
                       fontweight="bold" if ours else "normal")  # fmt: skip
            if value > 0.25:
                panel.text(at, 0.02, NAMES[method], ha="center", va="bottom", rotation=90, color="white",
                           fontsize=9, fontweight="bold" if ours else "normal")  # fmt: skip
    panel.set(xticks=range(len(results)), ylim=(0, 1), yticks=[])
    panel.set_xticklabels([result["set"] for result in results])
    _title(panel, "documents", "nDCG@10")
    panel.tick_params(axis="x", length=0)
    _plain(panel)
    panel.spines["left"].set_visible(False)


def spread(ends: Mapping[str, float]) -> dict[str, float]:
    """Return heights for labels as near *ends* as can be, in the same order, none closer than GAP to the next."""
    names = sorted(ends, key=lambda name: -ends[name])
    groups: list[list[str]] = []
    for name in names:
        groups.append([name])
        while len(groups) > 1 and _middle(groups[-2], ends) - _middle(groups[-1], ends) < GAP * _apart(groups):
            groups[-2:] = [groups[-2] + groups[-1]]
    return {
        name: _middle(group, ends) + GAP * ((len(group) - 1) / 2 - place)
        for group in groups
        for place, name in enumerate(group)
    }


def _middle(group: Sequence[str], ends: Mapping[str, float]) -> float:
    return sum(ends[name] for name in group) / len(group)


def _apart(groups: Sequence[Sequence[str]]) -> float:
    """How many gaps the middles of the last two groups are apart, at least."""
    return (len(groups[-2]) + len(groups[-1])) / 2


def _title(panel: Any, title: str, about: str) -> None:
    panel.set_title(title, loc="left", fontweight="bold", pad=22)
    panel.text(0, 1.025, about, transform=panel.transAxes, fontsize=9, color="#666666")


def _plain(panel: Any) -> None:
    panel.spines[["top", "right", "left"]].set_visible(False)
    panel.tick_params(axis="y", length=0)
    panel.set_axisbelow(True)


def draw_peers(results: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Draw what a question takes, from p50 to p95, for each peer that answered; a panel for each number of records."""
    pyplot = matplotlib()
    done = [result for result in results if result["p50"] is not None]
    sizes = list(dict.fromkeys(result["items"] for result in done))
    with pyplot.rc_context(SETTINGS):
        figure, axes = pyplot.subplots(
            1, len(sizes), figsize=(5.4 * len(sizes), 2.9), dpi=150, squeeze=False, layout="constrained", sharex=True
        )
        for panel, size in zip(axes[0], sizes, strict=True):
            _times(panel, sorted((r for r in done if r["items"] == size), key=lambda r: -r["p50"]))
            _title(panel, f"{size:,} records", "ms, p50 to p95; filled: words and vectors")
        axes[0][0].set_xlim(min(r["p50"] for r in done) / 4, max(r["p95"] for r in done) * 2)
        figure.savefig(path)
        pyplot.close(figure)


def _times(panel: Any, results: Sequence[Mapping[str, Any]]) -> None:
    for height, result in enumerate(results):
        ours = result["peer"] == "agentmem"
        colour = COLOURS["agentmem"] if ours else INK
        both = "words" in result["searches"]
        panel.plot((result["p50"], result["p95"]), (height, height), color=colour, linewidth=3, alpha=0.35)
        panel.plot(result["p50"], height, "o", color=colour, markersize=8, markerfacecolor=colour if both else "white")
        panel.annotate(f"{result['p50']:,.1f}", (result["p50"], height), (-9, 0), textcoords="offset points",
                       ha="right", va="center", color=colour, fontweight="bold" if ours else "normal")  # fmt: skip
    panel.set(xscale="log", yticks=range(len(results)), ylim=(-0.6, len(results) - 0.4))
    panel.set_yticklabels([result["peer"] for result in results])
    panel.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}" if value >= 1 else f"{value:g}")
    panel.grid(axis="x", color=FAINT, linewidth=0.8)
    _plain(panel)
    panel.spines["bottom"].set_visible(False)


def draw_drift(result: Mapping[str, Any], path: Path) -> None:
    """Write a picture of what each method takes for true after every session: right, and wrong."""
    pyplot = matplotlib()
    colours = dict(zip(result["methods"], ("#0072B2", "#D55E00", "#009E73"), strict=False))
    with pyplot.rc_context(SETTINGS):
        figure, panels = pyplot.subplots(1, 2, figsize=(9.6, 4.2), dpi=150, sharey=True, layout="constrained")
        titles = (
            ("right", ["right"], "of the facts stated so far"),
            ("wrong", ["wrong", "resurrected"], "the rest is missing"),
        )
        for panel, (title, verdicts, about) in zip(panels, titles, strict=True):
            for method, sessions in result["methods"].items():
                shares = [(n, _share(counts, verdicts)) for n, counts in enumerate(sessions, 1) if counts]
                panel.plot(*zip(*shares, strict=True), color=colours[method], label=method,
                           linewidth=2.6 if method == "facts" else 1.4)  # fmt: skip
            _title(panel, title, about)
            _plain(panel)
            panel.set_xlabel("session")
            panel.set_ylim(0, 1)
        panels[1].legend(frameon=False, loc="upper left")
        figure.savefig(path)
        pyplot.close(figure)


def _share(counts: Mapping[str, int], verdicts: Sequence[str]) -> float:
    stated = sum(counts.get(verdict, 0) for verdict in ("right", "wrong", "resurrected", "missing"))
    return sum(counts.get(verdict, 0) for verdict in verdicts) / max(stated, 1)
