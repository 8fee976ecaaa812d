"""Tables of figures: made once, printed or written as Markdown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich.table import Table as RichTable

from .asking import METHODS
from .scores import CUTS, main_metrics

NAMES = {"agentmem": "agentmem", "fts5": "FTS5", "vector": "vectors", "rrf": "rank-fused"}
STAGES = {
    "encode": "encode the query",
    "index": "look for new records",
    "words": "search by words, meanwhile",
    "vector": "search by meaning",
    "rank": "neighbours, late interaction, ranking",
    "fetch": "fetch",
    "total": "all of a recall, timed by itself",
    "floor": "the bare model and one pass over the signs",
}
MEASURED = (  # of a size, beside the stages
    "vectors", "total / floor", "found of the ten nearest", "of a user with 100 records, p50",
    "after another's write, p50", "open and first recall, ms", "model, one encoding, codes read, ms",
    "peak RSS of a process that recalls, MB", 'the same with index="sql", MB', "remember one / encode it",
    "records per second", "bare encoder per second", "bytes per record",
)  # fmt: skip
OTHERS = ("fts5", "rrf")  # those to which the difference is given


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of text under a title; *bold* names cells by (row, column)."""

    title: str
    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    bold: frozenset[tuple[int, int]] = frozenset()

    def rich(self) -> RichTable:
        """Return it for a terminal."""
        table = RichTable(title=self.title, title_justify="left")
        for number, name in enumerate(self.head):
            table.add_column(name, justify="right" if number else "left")
        for number, row in enumerate(self.rows):
            table.add_row(*(f"[bold]{cell}[/]" if (number, i) in self.bold else cell for i, cell in enumerate(row)))
        return table

    def markdown(self) -> str:
        """Return it for a page."""
        lines = [self.head, ["---", *["---:"] * (len(self.head) - 1)]]
        for number, row in enumerate(self.rows):
            lines.append([f"**{cell}**" if (number, i) in self.bold else cell for i, cell in enumerate(row)])
        return "\n".join([f"**{self.title}**", "", *(f"| {' | '.join(line)} |" for line in lines)])


def of_set(result: Mapping[str, Any]) -> list[Table]:
    """Return a set's tables from `recall.measure`."""
    tables = [_methods(result)]
    if len(result["types"]) > 1:
        tables.append(_types(result))
    return tables


def _methods(result: Mapping[str, Any]) -> Table:
    names = main_metrics(result["kind"])
    if result["kind"] == "memory":
        names = names + [f"{how}@{cut}" for how in ("any", "all") for cut in CUTS]
    title = f"{result['set']}: {result['questions']:,} questions, {result['items']:,} items"
    head = ["", *(f"{NAMES[method]}" for method in METHODS), *(f"ours − {NAMES[method]}" for method in OTHERS)]
    head.insert(2, "95 %")
    rows, bold = [], set()
    for number, name in enumerate(names):
        values = [result["methods"][method][name] for method in METHODS]
        best = max(values)
        bold |= {(number, place + 1 + (place > 0)) for place, value in enumerate(values) if value == best}
        row = [name, *(share(value) for value in values), *(_gap(result["over"][method][name]) for method in OTHERS)]
        row.insert(2, _ends(result["intervals"][name]))
        rows.append(row)
    return Table(title, head, rows, frozenset(bold))


def _types(result: Mapping[str, Any]) -> Table:
    names = main_metrics(result["kind"])
    at = names[-2] if len(names) > 1 else names[0]
    others = [method for method in METHODS if method != "agentmem"]
    head = ["type", "n", *(f"agentmem {name}" for name in names), *(f"{NAMES[method]} {at}" for method in others)]
    rows = [
        [name, str(found["n"])]
        + [share(found["agentmem"][metric]) for metric in names]
        + [share(found[method][at]) for method in others]
        for name, found in result["types"].items()
    ]
    return Table(f"{result['set']}, by type of question", head, rows)


def of_ablation(results: Sequence[Mapping[str, Any]]) -> list[Table]:
    """Return a table for each set with an ablation: the differences, bold where the interval excludes 0."""
    return [_ablation(result) for result in results if "ablation" in result]


def _ablation(result: Mapping[str, Any]) -> Table:
    names = main_metrics(result["kind"])
    rows, bold = [], set()
    for number, (off, found) in enumerate(result["ablation"].items()):
        rows.append([off, *(signed(found[name][0]) for name in names)])
        bold |= {(number, place + 1) for place, name in enumerate(names) if found[name][1] > 0 or found[name][2] < 0}
    title = f"{result['set']}: difference to the whole without a signal, or several"
    return Table(title, ["without", *names], rows, frozenset(bold))


def of_fit(results: Sequence[Mapping[str, Any]]) -> list[Table]:
    """Return the table of halves, and that of the weights."""
    head = ["", "n", "metric", "shipped", "fitted on all", "fitted on it", "fitted on the other half", "other − it"]
    rows = []
    for result in (result for result in results if "halves" in result):
        for half, found in result["halves"].items():
            for metric in main_metrics(result["kind"]) if found["n"] else ():
                ways = [share(found[way][metric]) for way in ("shipped", "all", "seen", "unseen")]
                gap = _gap(found["unseen - seen"][metric])
                rows.append([f"{result['set']}, {half}", str(found["n"]), metric, *ways, gap])
    weights = results[-1]
    parts = [[name, f"{value:.1f}"] for name, value in weights["weights"].items()]
    for by_half in weights["weights by half"].values():
        parts = [[*row, f"{by_half[row[0]]:.2f}"] for row in parts]
    shipped = weights["shipped"]
    parts = [[row[0], f"{shipped[row[0]]:.1f}", *row[1:]] for row in parts]
    halves = [f"fitted on the {half} half" for half in weights["weights by half"]]
    return [
        Table("Fitted on one half, asked on both", head, rows),
        Table("The weights", ["signal", "shipped", "fitted on all", *halves], parts),
    ]


def of_known(results: Sequence[Mapping[str, Any]]) -> list[Table]:
    """Return a table for each pair of memories, and one for each set's reliability."""
    return [_thresholds(result) if "auroc" in result else _reliability(result) for result in results]


def _thresholds(result: Mapping[str, Any]) -> Table:
    names = [
        "unanswerable with a hit", "answered keeping gold", "precision, own", "precision, both", "hits, own",
        "hits, other",
    ]  # fmt: skip
    rows, bold = [], set()
    for number, found in enumerate(result["thresholds"]):
        least = found["threshold"]
        default = least == result["default"]
        cells = [f"{found[name]:,}" if name.startswith("hits") else share(found[name]) for name in names]
        rows.append([f"{least:g}{' LIKELY' if default else ''}", *cells])
        bold |= {(number, place) for place in range(len(names) + 1) if default}
    title = f"{result['set']}, {result['questions']:,} questions, and asked of {result['asked of']}"
    title += f": AUROC {result['auroc']:.3f}"
    head = ["min_score", "other: any", "own: kept", "own: gold", "both: gold", "own: hits", "other: hits"]
    return Table(title, head, rows, frozenset(bold))


def _reliability(result: Mapping[str, Any]) -> Table:
    rows = [
        [f"{one['from']:.1f}–{one['to']:.1f}", f"{one['hits']:,}", share(one["mean score"]), share(one["gold"])]
        for one in result["reliability"]
    ]
    return Table(f"{result['set']}: how often the first ten hits are gold", ["score", "hits", "mean", "gold"], rows)


def of_speed(results: Sequence[Mapping[str, Any]]) -> list[Table]:
    """Return the stages of a recall at each size, and what else was measured."""
    sizes = [f"{result['items']:,}" for result in results]
    stages = [
        [title, *(f"{result['stages'][name][mark]:.2f}" for result in results for mark in ("p50", "p95"))]
        for name, title in STAGES.items()
    ]
    head = ["records", *(f"{size}, {mark}" for size in sizes for mark in ("p50", "p95"))]
    other = [
        ["ranking / encoding", *(share(result["ranking as a share of encoding"]["of medians"]) for result in results)]
    ]
    other += [[name, *(_figure(result[name]) for result in results)] for name in MEASURED]
    tables = {name: None for result in results for name in result["bytes per record by table"]}
    parts = [[name, *(result["bytes per record by table"].get(name, 0) for result in results)] for name in tables]
    other += [[f"bytes per record in {name}", *map(_figure, sizes)] for name, *sizes in parts if any(sizes)]
    return [Table("A recall, ms", head, stages), Table("And more", ["records", *sizes], other)]


def of_peers(results: Sequence[Mapping[str, Any]]) -> list[Table]:
    """Return each peer's figures, a table for each number of records."""
    return [_peers(items, results) for items in dict.fromkeys(result["items"] for result in results)]


def _peers(items: int, results: Sequence[Mapping[str, Any]]) -> Table:
    some = [result for result in results if result["items"] == items]
    ours = next(result["p50"] for result in some if result["peer"] == "agentmem")
    rows = []
    for result in some:
        if result["p50"] is None:
            rows.append([result["peer"], result["note"], *[""] * 8])
            continue
        times = "" if not ours or result["peer"] == "agentmem" else f"{result['p50'] / ours:.1f} ×"
        rows.append([
            result["peer"], "yes" if "words" in result["searches"] else "–",
            *(f"{result[mark]:,.1f}" for mark in ("p50", "p95")), times,
            *(share(result[name]) for name in ("found", "nearest")),
            *(f"{result[name]:,}" for name in ("stored/s", "RSS, MB", "disk, MB")),
        ])  # fmt: skip
    head = ["", "words", "p50, ms", "p95", "to ours", "found", "nearest", "stored/s", "RSS, MB", "disk, MB"]
    return Table(f"{items:,} records", head, rows)


def of_claims(results: Sequence[Mapping[str, Any]]) -> Table:
    """Return precision and recall of extraction on each set."""
    head = ["set", "texts", "traps", "claims", "precision", "recall", "traps fallen into", "time / encoding"]
    rows = [
        [
            *(str(result[name]) for name in ("set", "texts", "traps", "claims")),
            *(share(result[name]) for name in ("precision", "recall")),
            str(result["traps fallen into"]),
            share(result["of encoding"]),
        ]
        for result in results
    ]
    return Table("What texts claim", head, rows)


def of_drift(result: Mapping[str, Any], summary: Mapping[str, Mapping[str, float]]) -> Table:
    """Return what each method takes for true after the last session."""
    names = ("right", "wrong", "resurrected", "missing")
    rows = [[method, *(share(found[name]) for name in names)] for method, found in summary.items()]
    rows[0].append(share(summary["facts"]["lost"]))
    title = f"{result['people']} people, after {result['sessions']} sessions: shares of the facts stated"
    return Table(title, ["", "right now", "wrong now", "of these an old value", "missing", "old values lost"],
                 [[*row, *[""] * (6 - len(row))] for row in rows])  # fmt: skip


def of_packing(result: Mapping[str, Any]) -> Table:
    """Return how many questions find their answer in so many tokens."""
    rows = [
        [budget, share(found["context"]), share(found["whole turns"]), f"{found['tokens']:.0f}"]
        for budget, found in result["budgets"].items()
    ]
    title = f"{result['set']}: {result['questions']} questions with a short answer"
    return Table(title, ["tokens", "answer in context", "in the best whole turns", "tokens used"], rows)


def of_window(result: Mapping[str, Any]) -> Table:
    """Return what came of a long conversation in a small window."""
    head = ["turns", "window, tokens", "over", "early facts", "found", "messages, ms", "recall, ms", "ratio"]
    figures = [f"{result[name]:,}" for name in ("turns", "window", "over", "facts")]
    times = [f"{result[name]:.1f}" for name in ("messages ms", "recall ms", "ratio")]
    return Table("A long conversation", head, [[*figures, share(result["found"]), *times]])


def of_who(result: Mapping[str, Any]) -> Table:
    """Return which ways of naming are taken for one."""
    figures = [f"{result[name]:,}" for name in ("conversations", "ways of naming")]
    wrong = f"{result['of two, joined']} of {result['pairs of two']}"
    head = ["conversations", "ways of naming", "of one, joined", "of two, joined"]
    return Table("Who is who", head, [[*figures, share(result["of one, joined"]), wrong]])


def of_longterm(result: Mapping[str, Any]) -> Table:
    """Return for each variant and kind of question how many found their answer, and stale values beside it."""
    rows = []
    for variant, kinds in result["variants"].items():
        names = ("asked", "answered", "stale", "tokens")
        every = {name: sum(counts.get(name, 0) for counts in kinds.values()) for name in names}
        for kind, counts in [*kinds.items(), ("all", every)]:
            asked = counts["asked"]
            shares = [share(counts.get(name, 0) / asked) for name in ("answered", "stale")]
            rows.append([variant, kind, f"{asked:,}", *shares, f"{counts['tokens'] / asked:.0f}"])
    title = f"{result['people']} people: is the answer in a context of 400 tokens?"
    return Table(title, ["talk", "asked for", "questions", "answered", "stale, unmarked", "tokens"], rows)


def of_poison(results: Sequence[Mapping[str, Any]]) -> Table:
    """Return what was put aside of planted and of harmless texts, by half."""
    kinds = list(results[0]["by kind"])
    figures = ["put aside", "put aside or not in a default context", "real put aside"]
    rows = [
        [
            result["half"], f"{result['attacks']:,}", *(share(result["by kind"][kind]) for kind in kinds),
            *(share(result[name]) for name in figures), f"{result['in the instruction part']:,}", f"{result['real']:,}",
        ]
        for result in results
    ]  # fmt: skip
    head = [
        "half",
        "planted",
        *kinds,
        "all",
        "or kept from context",
        "harmless put aside",
        "outside the tags",
        "harmless",
    ]
    return Table("Texts planted through untrusted sources, and what was put aside", head, rows)


def of_topics(shares: Mapping[str, float]) -> Table:
    """Return which sensitive topics are told."""
    return Table("Sensitive topics that are told", ["topic", "share"], [[name, share(n)] for name, n in shares.items()])


def of_secrets(results: Sequence[Mapping[str, Any]]) -> list[Table]:
    """Return precision and recall of secrets, by half, and recall by kind."""
    kinds = sorted({kind for result in results for kind in result["by kind"]})
    rows = [
        [result["half"], f"{result['true']:,}", f"{result['alike']:,}", *map(share, (result["precision"],
         result["recall"], result["not a trace left"]))]
        for result in results
    ]  # fmt: skip
    by_kind = [[kind, *(share(result["by kind"].get(kind)) for result in results)] for kind in kinds]
    return [
        Table("Secrets", ["half", "true", "look-alikes", "precision", "recall", "found whole"], rows),
        Table("Recall by kind", ["kind", *(result["half"] for result in results)], by_kind),
    ]


def of_half(items: int, results: Sequence[Mapping[str, Any]]) -> Table:
    """Return what is left of a memory in each state."""
    rows = []
    for result in results:
        figures = [f"{result['MB']:,.0f}", f"{result['p50']:.1f}", f"{result['p95']:.1f}", share(result["found"])]
        rows.append([result["state"], *figures, f"{result['seconds']:.0f}" if "seconds" in result else ""])
    return Table(f"{items:,} records", ["", "MB", "p50, ms", "p95", "found", "seconds"], rows)


def _figure(value: Any) -> str:
    return "–" if value is None else value if isinstance(value, str) else f"{value:,}"


def share(value: float | None) -> str:
    """Return .123, or a dash for what there is none of."""
    return "–" if value is None else f"{value:.3f}".removeprefix("0")


def signed(value: float) -> str:
    """Return +.012, −.012 or 0."""
    text = f"{abs(value):.3f}".removeprefix("0")
    return "0" if text == ".000" else ("+" if value > 0 else "−") + text


def _gap(gap: Sequence[float]) -> str:
    middle, low, high = gap
    return f"{signed(middle)} ({signed(low)} to {signed(high)})"


def _ends(ends: Sequence[float]) -> str:
    return f"{share(ends[0])}–{share(ends[1])}"
