"""What the commands print at their end, and the same as JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.text import Text

from nertune.errors import shown_path
from nertune.report.findings import finding_lines
from nertune.report.fitted import show_table
from nertune.report.grids import count_text
from nertune.report.tables import (
    cuts_text,
    failures_text,
    labels_table,
    mean_and_sd_text,
    point_text,
    result_console,
    seeds_table,
    sizes_table,
    trials_table,
)
from nertune.report.text import duration_text, safe_text, score_name, score_text, size_text
from nertune.results.database import CellRow
from nertune.results.layout import percent_text
from nertune.results.outcomes import FinalOutcome, SearchOutcome
from nertune.results.records import without_nan
from nertune.spec.study import ProtocolSpec, StudySpec

TOKEN_SCORES = ("f1", "precision", "recall")
SHOWN_LABELS = 12
SEEDS_OF_FOLDS = {
    "refit": "each seed is a model that learned from all of them, so that it has no dev score",
    "average": "each seed is a model for each of them, their probabilities averaged; dev is scored out of fold",
}
SEQUENCE_SCORES = ("f1", "accuracy")


def show_search(outcome: SearchOutcome, *, then: str, again: str) -> None:
    """The ranked table, what failed, the best setting, and what to type next.

    then, again  commands: after a finished search, and to continue one
    """
    console = result_console()
    spec, best = outcome.spec, outcome.best
    pruned, keys = outcome.pruned, list(spec.search.space)
    show_table(console, trials_table(outcome.ranked, keys=keys, objective=spec.search.objective, pruned=pruned))
    console.print()
    if pruned:
        where = f"see cause in {shown_path(outcome.best_file.parent / 'trials.csv')}"
        _say(console, f"{len(pruned)} of {len(outcome.cells)} trials were cut short, {cuts_text(pruned)}; {where}")
        console.print()
    _say_failures(console, outcome.cells)
    done = sum(not cell.is_open for cell in outcome.cells)
    fits = fits_text(spec.protocol)
    of_fits = f" of {fits}" if fits else ""
    _say(console, f"Study         {spec.name}: {done} trials{of_fits} in {duration_text(outcome.seconds)}")
    _say(console, f"Model         {shown_source(spec.model.base)}")
    _say(console, f"Best setting  {point_text(best.point)} (trial {best.number})")
    over = f" (mean ± sd over {fits})" if fits else ""
    score = mean_and_sd_text(best, spec.search.objective)
    _say(console, f"{f'Dev {score_name(spec.search.objective)}':<13} {score}{over}")
    _say(
        console, f"Saved in      {shown_path(outcome.best_file)}, {shown_path(outcome.best_file.parent / 'trials.csv')}"
    )
    if outcome.finished:
        _say(console, f"Next          {then}")
    else:
        _say(console, f"Not finished. Continue with: {again}")


def show_best(outcome: SearchOutcome, *, top: int) -> None:
    """The best settings so far."""
    console = result_console()
    spec = outcome.spec
    if top > 1:
        ranked = outcome.ranked[:top]
        show_table(console, trials_table(ranked, keys=list(spec.search.space), objective=spec.search.objective))
        console.print()
    best = outcome.best
    score = mean_and_sd_text(best, spec.search.objective)
    _say(console, f"{point_text(best.point)}: dev {spec.search.objective} {score} (trial {best.number} of {spec.name})")
    if not outcome.finished:
        _say(console, "The search is not finished.")


def show_final(outcome: FinalOutcome) -> None:
    """The table of the seeds with mean ± sd, the labels, how hopeful the search was, where things are."""
    console = result_console()
    spec, summary = outcome.spec, outcome.summary
    names = TOKEN_SCORES if spec.task == "token" else SEQUENCE_SCORES
    if spec.search.objective not in names:
        names = (spec.search.objective, *names)
    show_table(console, seeds_table(outcome.seeds, names=names))
    console.print()
    if summary.get("test", {}).get("labels"):
        show_table(console, labels_table(summary["test"]["labels"]))
        console.print()
    if summary.get("sizes"):
        show_table(console, sizes_table(summary["sizes"], names=names))
        console.print()
    for cell in outcome.failed:
        of_size = f"{percent_text(cell.point['data.size'])} % of train, " if cell.stage == "size" else ""
        _say(console, f"{of_size}seed {cell.seed}: {cell.cause}, {cell.message}")
    edited = " (edited by hand)" if summary["setting_edited_by_hand"] else ""
    _say(console, f"Setting       {point_text(summary['setting'])}{edited}")
    _say_optimism(console, summary, spec=spec)
    if spec.protocol.kfold is not None:
        _say(console, f"Protocol      {fits_text(spec.protocol)}; {SEEDS_OF_FOLDS[spec.protocol.final]}")
    if len(outcome.seeds) > 1:
        _say(console, f"± is the standard deviation over {len(outcome.seeds)} seeds; test was scored once per seed.")
    curve = "sizes.csv, " if summary.get("sizes") else ""
    _say(console, f"Saved in      {shown_path(outcome.folder)} (summary.json, {curve}a folder for each seed)")
    if spec.track.aim is not None:
        _say(console, f"Look at runs  nertune ui --log-dir {shown_path(spec.track.aim)}")


def show_check(told: Mapping[str, Any]) -> None:
    """Data, model, plan and time."""
    console = result_console()
    data, model, plan = told["data"], told["model"], told["encoding"]
    _say(console, f"Study   {told['study']} ({told['task']})")
    _say(console, f"Data    format {data['format']}" + (f", tags {data['scheme']}" if data["scheme"] else ""))
    for split in data["splits"]:
        labels = _labels_text(split["labels"])
        _say(console, f"        {split['name']:<5} {split['examples']} examples, {split['words']} words: {labels}")
    for line in finding_lines(data["findings"]):
        console.print(line, soft_wrap=True)
    for split, counts in plan["counts"].items():
        for kind, count in counts.items():
            if count:
                _say(console, f"Notice  {split}: {count} {kind}")
    _say(
        console,
        f"Model   {model['model_type']}, {model['n_parameters'] / 1e6:.1f} M parameters, {model['n_labels']} labels",
    )
    _say(
        console,
        f"        {model['tokenizer']}, {model['n_pieces']} pieces; windows of at most {model['max_pieces']} pieces",
    )
    for head in model.get("heads", ()):
        several = ", any number of them at once" if head["problem"] == "multi_label" else ""
        name = f"{head['name']}: " if head["name"] else ""
        _say(console, f"Head    {name}{head['kind']}, {head['n_labels']} labels{several}")
    steps = ", ".join(f"{name} {seconds * 1000:.0f} ms" for name, seconds in plan["step_seconds"].items())
    _say(console, f"Step    {steps}; {plan['precision']} is used")
    slots = told["slots"]
    _say(
        console,
        f"Plan    {_trials_text(told)}, {len(slots)} at a time on {slots[0]['device']}, "
        f"{slots[0]['threads']} thread(s) each",
    )
    _say(console, f"        then {count_text(told['final_fits'], 'fits')} of best-and-train")
    _say(
        console,
        f"Time    search about {duration_text(told['seconds'])}, "
        f"best-and-train about {duration_text(told['seed_seconds'])}",
    )
    memory, free = size_text(told["memory_bytes"]), size_text(told["free_memory_bytes"])
    _say(console, f"Memory  about {memory} of {free} free")
    _say(console, f"Disk    {told['disk_text']}")
    for warning in told["warnings"]:
        _say(console, f"Warning {warning}")
    n_errors = sum(finding["severity"] == "error" for finding in data["findings"])
    if n_errors:
        _say(console, f"It can be run, but {count_text(n_errors, 'findings')} in the data are errors: see above.")
    else:
        _say(console, "Nothing stands in the way.")


def _trials_text(told: Mapping[str, Any]) -> str:
    """`8 trials`, or `8 trials of 5 fits (40 fits)`."""
    trials = "as many trials as its time allows" if told["cells"] is None else count_text(told["cells"], "trials")
    if told["fits_of_trial"] == 1:
        return trials
    every = "" if told["fits"] is None else f" ({count_text(told['fits'], 'fits')})"
    return f"{trials} of {told['fits_of_trial']} fits{every}"


def _labels_text(labels: Mapping[str, int]) -> str:
    """The labels with their counts, the first of many."""
    shown = [f"{label} {count}" for label, count in islice(labels.items(), SHOWN_LABELS)]
    more = [f"and {len(labels) - SHOWN_LABELS} more"] if len(labels) > SHOWN_LABELS else []
    return ", ".join([*shown, *more])


def search_json(outcome: SearchOutcome, *, top: int | None = None) -> dict[str, Any]:
    """The outcome of a search as plain data."""
    spec = outcome.spec
    told: dict[str, Any] = without_nan(
        {
            "study": spec.name,
            "task": spec.task,
            "model": spec.model.base,
            "objective": spec.search.objective,
            "finished": outcome.finished,
            "seconds": outcome.seconds,
            "best": _cell_json(outcome.best),
            "cells": [_cell_json(cell) for cell in (outcome.cells if top is None else outcome.ranked[:top])],
            "best_file": str(outcome.best_file),
        }
    )
    return told


def final_json(outcome: FinalOutcome) -> dict[str, Any]:
    """The outcome of best-and-train as plain data."""
    told: dict[str, Any] = without_nan({**outcome.summary, "output": str(outcome.folder)})
    return told


def fits_text(protocol: ProtocolSpec) -> str:
    """What a trial is a mean of: `5 folds`, `3 repeats`; empty where it is one fit."""
    if protocol.kfold is not None:
        return f"{protocol.kfold} folds"
    return f"{protocol.repeat} repeats" if protocol.repeat is not None else ""


def shown_source(source: str) -> str:
    """A model's folder as short as it can be, a hub id as it is."""
    return shown_path(Path(source)) if Path(source).is_absolute() else source


def _cell_json(cell: CellRow) -> dict[str, Any]:
    told = asdict(cell)
    told.pop("id")
    return told


def _say(console: Console, line: str) -> None:
    console.print(Text(safe_text(line)), soft_wrap=True)


def _say_failures(console: Console, cells: Sequence[CellRow]) -> None:
    failed = [cell for cell in cells if cell.state == "failed"]
    if failed:
        _say(console, f"{len(failed)} of {len(cells)} trials failed:")
        for line in failures_text(failed):
            _say(console, f"  {line}")
        console.print()


def _say_optimism(console: Console, summary: Mapping[str, Any], *, spec: StudySpec) -> None:
    search = summary["search"]
    if search["too_hopeful_by"] is None:
        return
    difference = search["too_hopeful_by"]
    mean = "the mean over the folds of the seeds" if spec.protocol.kfold else "the mean of the seeds"
    _say(
        console,
        f"Search        dev {spec.search.objective} {score_text(search['dev_score'])} in trial {search['trial']}, "
        f"{score_text(search['mean_dev_score_of_seeds'])} in {mean} ({difference:+.4f})",
    )
