"""The commands: each prints a table, and writes JSON with --json FILE."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from agentmem import encoder

from . import fuzz, model, recall, speed

DATA_HELP = """Folder with evaluation sets, each a folder of its own: items.jsonl and questions.jsonl (memory),
or corpus.jsonl and queries.jsonl (IR).  They are not part of agentmem; see bench/README.md."""
console = Console()
progress = Console(stderr=True)


@click.group()
def main() -> None:
    """Measure agentmem."""


@main.command("recall")
@click.option("--data", required=True, type=click.Path(path_type=Path), help=DATA_HELP)
@click.option("--set", "names", multiple=True, help="Only these sets.")
@click.option("--json", "out", type=click.Path(path_type=Path), help="Write the figures here too.")
def recall_command(data: Path, names: tuple[str, ...], out: Path | None) -> None:
    """Measure what is found: fraction, any and all of the gold items, nDCG@10 for IR sets."""
    folders = sorted(f for f in data.iterdir() if _is_set(f)) if data.is_dir() else []
    chosen = [folder for folder in folders if not names or folder.name in names]
    if not chosen:
        raise click.ClickException(f"{data} holds no evaluation set{' of that name' if names else ''}. {DATA_HELP}")
    results = []
    for folder in chosen:
        with progress.status(f"{folder.name} …"):
            results.append(recall.measure(folder))
        _print_set(results[-1])
    _write(out, results)


@main.command("speed")
@click.option("--items", default="10000", help="How many records; several with commas.")
@click.option("--json", "out", type=click.Path(path_type=Path), help="Write the figures here too.")
def speed_command(items: str, out: Path | None) -> None:
    """Measure how fast: stages of a recall, writing, memory, bytes."""
    results = []
    for count in items.split(","):
        with progress.status("") as status:
            results.append(speed.measure(int(count), lambda text: status.update(f"{text} …")))
        _print_speed(results[-1])
    _write(out, results)


@main.command("write")
@click.option("--data", required=True, type=click.Path(path_type=Path, exists=True), help="One memory set's folder.")
@click.option("--rounds", default=3, help="Library and bare encoder in turn, this often.")
@click.option("--json", "out", type=click.Path(path_type=Path), help="Write the figures here too.")
def write_command(data: Path, rounds: int, out: Path | None) -> None:
    """Measure storing a memory set's conversations against the bare encoder on the same texts and cores."""
    results = []
    for number in range(rounds):
        with progress.status(f"round {number + 1} of {rounds} …"):
            results.append(speed.measure_writing(data))
        console.print(results[-1])
    ratios = sorted(result["ratio"] for result in results)
    console.print(f"ratio, median of {rounds}: {ratios[len(ratios) // 2]:.3f}")
    _write(out, results)


@main.command("fuzz")
@click.option("--items", default=10_000, help="How many records.")
@click.option("--queries", default=20_000, help="How many strings are asked.")
@click.option("--json", "out", type=click.Path(path_type=Path), help="Write the figures here too.")
def fuzz_command(items: int, queries: int, out: Path | None) -> None:
    """Ask strings that nobody would think of; each that raises or takes a second fails the run."""
    with progress.status("") as status:
        result = fuzz.measure(items, queries, lambda text: status.update(f"{text} …"))
    console.print(f"{queries:,} queries of {items:,} records: p50 {result['p50']} ms, max {result['max']} ms")
    _write(out, [result])
    if result["failures"]:
        raise click.ClickException("\n".join(result["failures"][:20]))


@main.command("model")
@click.option("--data", required=True, type=click.Path(path_type=Path), help=DATA_HELP)
@click.option("--float32", type=click.Path(path_type=Path), help="The float32 model, from models/build.py --float32.")
@click.option("--json", "out", type=click.Path(path_type=Path), help="Write the figures here too.")
def model_command(data: Path, float32: Path | None, out: Path | None) -> None:
    """Measure the encoder alone: nDCG@10 of its vectors on IR sets, beside the float32 original's."""
    encoders = [encoder.shared()] + ([model.Float32(float32)] if float32 else [])
    results: list[dict[str, Any]] = []
    for folder in sorted(f for f in data.iterdir() if (f / "corpus.jsonl").exists()):
        with progress.status(f"{folder.name} …"):
            results.append({"set": folder.name} | {e.id: model.measure(folder, e) for e in encoders})
        console.print(results[-1])
    if float32:
        results.append({"cosine": model.agreement(*encoders)})
        console.print(results[-1])
    _write(out, results)


def _is_set(folder: Path) -> bool:
    return (folder / "items.jsonl").exists() or (folder / "corpus.jsonl").exists()


def _print_set(result: dict[str, Any]) -> None:
    title = f"{result['set']}: {result['questions']} questions, {result['items']:,} items, {result['seconds']} s"
    first = next(iter(result["methods"].values()))
    if result["kind"] == "ir":
        names = list(first)
    else:
        names = [f"{how}@{cut}" for how in ("fraction", "any", "all") for cut in recall.CUTS]
        names += [name for name in first if name.startswith("type") and name.endswith("@10")]
    table = Table("", *result["methods"], title=title, title_justify="left")
    for name in names:
        values = [scores[name] for scores in result["methods"].values()]
        table.add_row(name, *(f"[bold]{v:.3f}[/]" if v == max(values) else f"{v:.3f}" for v in values))
    console.print(table)


def _print_speed(result: dict[str, Any]) -> None:
    table = Table("", "p50 ms", "p95 ms", title=f"{result['items']:,} records", title_justify="left")
    for name, stage in result["stages"].items():
        table.add_row(name, f"{stage['p50']:.2f}", f"{stage['p95']:.2f}")
    console.print(table)
    for name in ("records per second", "bare encoder per second", "bytes per record", "peak RSS MB"):
        console.print(f"{name}: {result[name]:,}")
    parts = ", ".join(f"{table} {size:,}" for table, size in result["bytes per record by table"].items() if size)
    console.print(f"bytes per record by table: {parts}")


def _write(out: Path | None, results: list[dict[str, Any]]) -> None:
    if out is not None:
        out.write_text(json.dumps(results, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
