"""The commands: each prints tables, and writes JSON with --json FILE; most write a section of a page with --results."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.status import Status

from agentmem import encoder

from . import (
    access,
    drift,
    extracting,
    fit,
    fuzz,
    half,
    known,
    longterm,
    merging,
    model,
    mutants,
    packing,
    peers,
    plot,
    poisoning,
    recall,
    redacting,
    results,
    speed,
    tables,
    who,
    window,
)
from .sets import is_memory, is_set

DATA_HELP = """Folder with evaluation sets, each a folder of its own: items.jsonl and questions.jsonl (memory),
or corpus.jsonl and queries.jsonl (IR).  They are not part of agentmem; see bench/README.md."""
console = Console()
progress = Console(stderr=True)

data_option = click.option("--data", required=True, type=click.Path(path_type=Path), help=DATA_HELP)
set_option = click.option("--set", "names", multiple=True, help="Only these sets.")
json_option = click.option("--json", "out", type=click.Path(path_type=Path), help="Write the figures here too.")
page_option = click.option("--results", "page", type=click.Path(path_type=Path), help="Write its section of this page.")


@click.group()
def main() -> None:
    """Measure agentmem."""


@main.command("recall")
@data_option
@set_option
@click.option("--ablation", is_flag=True, help="Also with each signal off.")
@click.option("--plot", "picture", type=click.Path(path_type=Path), help="Draw the figures into this PNG.")
@page_option
@json_option
def recall_command(
    data: Path, names: tuple[str, ...], ablation: bool, picture: Path | None, page: Path | None, out: Path | None
) -> None:
    """Measure what is found: fraction, any and all of the gold items, nDCG@10 for IR sets."""
    folders = _folders(data, names)
    if picture is not None:
        _check_matplotlib()
    measured = []
    with progress.status("") as status:
        for folder in folders:
            measured.append(recall.measure(folder, _told(status), ablation=ablation))
            _print(tables.of_set(measured[-1]))
    _print(tables.of_ablation(measured))
    _write(out, measured)
    before = []
    if picture is not None:
        plot.draw(measured, picture)
        before = [f"![What is found]({os.path.relpath(picture, page.parent)})"] if page is not None else []
    if page is not None:
        shown = [table for result in measured for table in tables.of_set(result)]
        results.write(page, "recall", [*shown, *tables.of_ablation(measured)], before)


@main.command("fit")
@data_option
@set_option
@page_option
@json_option
def fit_command(data: Path, names: tuple[str, ...], page: Path | None, out: Path | None) -> None:
    """Fit the weights of ranking again on one half of every set, ask both halves, and print a fit on all."""
    with progress.status("") as status:
        measured = fit.measure(_folders(data, names), _told(status))
    _print(tables.of_fit(measured))
    console.print("WEIGHTS: Mapping[str, float] = {", highlight=False, markup=False)
    for name, weight in measured[-1]["weights"].items():
        console.print(f'    "{name}": {weight},', highlight=False)
    console.print("}", highlight=False, markup=False)
    _write(out, measured)
    if page is not None:
        results.write(page, "fit", tables.of_fit(measured))


@main.command("known")
@data_option
@set_option
@page_option
@json_option
def known_command(data: Path, names: tuple[str, ...], page: Path | None, out: Path | None) -> None:
    """Measure whether scores tell what a memory does not know: its questions, asked of another memory."""
    folders = [folder for folder in _folders(data, names) if is_memory(folder)]
    if not folders:
        raise click.ClickException(f"{data} holds no memory set. {DATA_HELP}")
    with progress.status("") as status:
        measured = known.measure(folders, _told(status))
    if not any("auroc" in result for result in measured):
        progress.print("There is only one memory, so there is no other to ask.")
    _report("known", tables.of_known(measured), measured, page, out)


@main.command("speed")
@click.option("--items", default="10000", help="How many records; several with commas.")
@page_option
@json_option
def speed_command(items: str, page: Path | None, out: Path | None) -> None:
    """Measure how fast: stages of a recall, writing, memory, bytes."""
    measured = []
    with progress.status("") as status:
        for count in items.split(","):
            measured.append(speed.measure(int(count), _told(status)))
            _print(tables.of_speed(measured[-1:]))
    if len(measured) > 1:
        _print(tables.of_speed(measured))
    _write(out, measured)
    if page is not None:
        results.write(page, "speed", tables.of_speed(measured))


@main.command("peers")
@click.option("--items", default="10000", help="How many records; several with commas.")
@click.option("--plot", "picture", type=click.Path(path_type=Path), help="Draw the times into this PNG.")
@page_option
@json_option
def peers_command(items: str, picture: Path | None, page: Path | None, out: Path | None) -> None:
    """Measure what else one would pick: the same records, vectors and questions.  Needs pip install '.[peers]'."""
    if picture is not None:
        _check_matplotlib()
    measured: list[dict[str, Any]] = []
    with progress.status("") as status:
        for count in items.split(","):
            measured += peers.measure(int(count), _told(status))
            _print(tables.of_peers(measured[-len(peers.PEERS) :]))
    _write(out, measured)
    before = []
    if picture is not None:
        plot.draw_peers(measured, picture)
        before = [f"![Time of a question]({os.path.relpath(picture, page.parent)})"] if page is not None else []
    if page is not None:
        results.write(page, "peers", tables.of_peers(measured), before)


@main.command("claims")
@page_option
@json_option
def claims_command(page: Path | None, out: Path | None) -> None:
    """Measure extraction: precision and recall of what texts claim, on two labelled sets."""
    measured = extracting.measure()
    _report("claims", [tables.of_claims(measured)], measured, page, out)


@main.command("drift")
@click.option("--people", default=20, help="How many are simulated.")
@click.option("--plot", "picture", type=click.Path(path_type=Path), help="Draw the sessions into this PNG.")
@page_option
@json_option
def drift_command(people: int, picture: Path | None, page: Path | None, out: Path | None) -> None:
    """Measure drift: people whose facts change over 50 sessions, and what is then taken for true."""
    if picture is not None:
        _check_matplotlib()
    with progress.status("") as status:
        measured = drift.measure(people, _told(status))
    if picture is not None:
        plot.draw_drift(measured, picture)
    _report("drift", [tables.of_drift(measured, drift.summary(measured))], [measured], page, out)


@main.command("packing")
@data_option
@set_option
@page_option
@json_option
def packing_command(data: Path, names: tuple[str, ...], page: Path | None, out: Path | None) -> None:
    """Measure whether small contexts hold the answer, against whole turns."""
    with progress.status("") as status:
        measured = [packing.measure(folder, _told(status)) for folder in _folders(data, names) if is_memory(folder)]
    _report("packing", [tables.of_packing(result) for result in measured], measured, page, out)


@main.command("window")
@page_option
@json_option
def window_command(page: Path | None, out: Path | None) -> None:
    """Measure a conversation of 2,000 turns in a window of 4,096 tokens."""
    with progress.status("") as status:
        measured = window.measure(_told(status))
    _report("window", [tables.of_window(measured)], [measured], page, out)


@main.command("who")
@page_option
@json_option
def who_command(page: Path | None, out: Path | None) -> None:
    """Measure who is taken for whom, in short conversations with nicknames, relations and namesakes."""
    measured = who.measure()
    _report("who", [tables.of_who(measured)], [measured], page, out)


@main.command("poison")
@click.option("--fit", is_flag=True, help="First fit the weights again, on train and dev, and write them.")
@page_option
@json_option
def poison_command(fit: bool, page: Path | None, out: Path | None) -> None:
    """Measure what is put aside of texts planted through untrusted sources, and of harmless ones."""
    with progress.status("") as status:
        if fit:
            console.print(poisoning.fit())
        measured = poisoning.measure(_told(status))
        about = poisoning.topics()
    _report("poison", [tables.of_poison(measured), tables.of_topics(about)], [*measured, about], page, out)


@main.command("secrets")
@page_option
@json_option
def secrets_command(page: Path | None, out: Path | None) -> None:
    """Measure which secrets are found in texts, and what is taken for one; and what a write pays for it."""
    measured = redacting.measure()
    cost = redacting.cost()
    spent = f"{cost['screen_us']:.0f} µs for secrets and {cost['topics_us']:.0f} for topics of {cost['encode_us']:.0f}"
    console.print(f"of a write, beside encoding: {cost['share']:.2%}, {spent}")
    _report("secrets", tables.of_secrets(measured), [*measured, cost], page, out)


@main.command("longterm")
@click.option("--people", default=10, help="How many are simulated.")
@page_option
@json_option
def longterm_command(people: int, page: Path | None, out: Path | None) -> None:
    """Measure whether answers stand in a context of 400 tokens after 120 sessions, and after a day of 300 turns."""
    with progress.status("") as status:
        measured = longterm.measure(people, _told(status))
    _report("longterm", [tables.of_longterm(measured)], [measured], page, out)


@main.command("half")
@click.option("--items", default=100_000, help="How many records, of which half are forgotten.")
@json_option
def half_command(items: int, out: Path | None) -> None:
    """Forget half of a memory, compact it, and compare size, speed and what is found."""
    with progress.status("") as status:
        measured = half.measure(items, _told(status))
    _print([tables.of_half(items, measured)])
    _write(out, measured)


@main.command("merge")
@click.option("--items", default="20000,100000", help="How many records; several with commas.")
@click.option("--changes", default=5_000, help="How many are changed in each copy.")
@json_option
def merge_command(items: str, changes: int, out: Path | None) -> None:
    """Measure merging two copies of a file that went apart: it must follow what changed, not what there is."""
    measured = []
    with progress.status("") as status:
        for count in items.split(","):
            measured.append(merging.measure(int(count), changes, _told(status)))
            console.print(measured[-1])
    _write(out, measured)


@main.command("mesh")
@click.option("--episodes", default=5_000, help="How many, one in five of them made by hypothesis.")
@click.option("--first", default=0, help="The first seed.")
@json_option
def mesh_command(episodes: int, first: int, out: Path | None) -> None:
    """Let devices do everything to copies of a memory, in any order; in the end all must hold the same."""
    from . import mesh  # hypothesis, which is of the tests

    with progress.status("") as status:
        found = mesh.measure(episodes, first, _told(status))
    console.print(dict(found))
    _write(out, [dict(found)])


@main.command("mutants")
@click.option("--episodes", default=100, help="Of the mesh, at most, for each.")
@click.option("--only", default="", help="Only those whose name has this in it.")
@json_option
def mutants_command(episodes: int, only: str, out: Path | None) -> None:
    """Put faults into merging, one at a time; one that nobody notices fails the run."""
    with progress.status("") as status:
        measured = []
        for result in mutants.measure(episodes, _told(status), only):
            measured.append(result)
            console.print(f"{result['caught by'] or 'NOT CAUGHT':10} {result['seconds']:6.1f} s  {result['fault']}")
    _write(out, measured)
    missed = [result["fault"] for result in measured if not result["caught by"]]
    if missed:
        raise click.ClickException(f"not caught: {', '.join(missed)}")


@main.command("write")
@click.option("--data", required=True, type=click.Path(path_type=Path, exists=True), help="One memory set's folder.")
@click.option("--rounds", default=3, help="Library and bare encoder in turn, this often.")
@json_option
def write_command(data: Path, rounds: int, out: Path | None) -> None:
    """Measure storing a memory set's conversations against the bare encoder on the same texts and cores."""
    measured = []
    for number in range(rounds):
        with progress.status(f"round {number + 1} of {rounds} …"):
            measured.append(speed.measure_writing(data))
        console.print(measured[-1])
    ratios = sorted(result["ratio"] for result in measured)
    console.print(f"ratio, median of {rounds}: {ratios[len(ratios) // 2]:.3f}")
    _write(out, measured)


@main.command("fuzz")
@click.option("--items", default=10_000, help="How many records.")
@click.option("--queries", default=20_000, help="How many strings are asked.")
@json_option
def fuzz_command(items: int, queries: int, out: Path | None) -> None:
    """Ask strings that nobody would think of; each that raises or takes a second fails the run."""
    with progress.status("") as status:
        result = fuzz.measure(items, queries, _told(status))
    console.print(f"{queries:,} queries of {items:,} records: p50 {result['p50']} ms, max {result['max']} ms")
    _write(out, [result])
    if result["failures"]:
        raise click.ClickException("\n".join(result["failures"][:20]))


@main.command("access")
@click.option("--users", default=50, help="How many.")
@click.option("--reads", default=20_000, help="How many.")
@json_option
def access_command(users: int, reads: int, out: Path | None) -> None:
    """Grant, revoke and read at random; each record that is shown or hidden wrongly fails the run."""
    with progress.status("") as status:
        result = access.measure(users, reads, _told(status))
    wrong = result.pop("wrong")
    console.print(result)
    _write(out, [{**result, "wrong": len(wrong)}])
    if wrong:
        raise click.ClickException("\n".join(wrong[:20]))


@main.command("model")
@data_option
@click.option("--float32", type=click.Path(path_type=Path), help="The float32 model, from models/build.py --float32.")
@json_option
def model_command(data: Path, float32: Path | None, out: Path | None) -> None:
    """Measure the encoder alone: nDCG@10 of its vectors on IR sets, beside the float32 original's."""
    encoders = [encoder.shared()] + ([model.Float32(float32)] if float32 else [])
    measured: list[dict[str, Any]] = []
    for folder in sorted(f for f in data.iterdir() if (f / "corpus.jsonl").exists()):
        with progress.status(f"{folder.name} …"):
            measured.append({"set": folder.name} | {e.id: model.measure(folder, e) for e in encoders})
        console.print(measured[-1])
    if float32:
        measured.append({"cosine": model.agreement(*encoders)})
        console.print(measured[-1])
    _write(out, measured)


def _folders(data: Path, names: tuple[str, ...]) -> list[Path]:
    folders = sorted(folder for folder in data.iterdir() if is_set(folder)) if data.is_dir() else []
    chosen = [folder for folder in folders if not names or folder.name in names]
    if not chosen:
        raise click.ClickException(f"{data} holds no evaluation set{' of that name' if names else ''}. {DATA_HELP}")
    return chosen


def _told(status: Status) -> Callable[[str], None]:
    return lambda text: status.update(f"{text} …")


def _report(
    section: str, shown: Sequence[tables.Table], measured: Sequence[Any], page: Path | None, out: Path | None
) -> None:
    """Print tables, and write what was asked for: the figures as JSON, the section of a page."""
    _print(shown)
    _write(out, measured)
    if page is not None:
        results.write(page, section, shown)


def _check_matplotlib() -> None:
    try:
        plot.matplotlib()
    except ImportError as error:
        raise click.ClickException(str(error)) from error


def _print(shown: Sequence[tables.Table]) -> None:
    for table in shown:
        console.print(table.rich())


def _write(out: Path | None, results: Sequence[dict[str, Any]]) -> None:
    if out is not None:
        out.write_text(json.dumps(results, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
