"""The rows about searches: whole grids, pruned ones, and those that train the upper part of the encoder alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from statistics import mean, median
from typing import Any

from nertune.data.examples import Task
from rows import Goal, Row, compared_scores
from searches import SearchRun, Setting, nertune_side, sides_of
from turns import Comparison, Runs
from works import Form, Inputs, Work, counted

BEST = 5  # settings that the pruned and the full grid should share
TOP = 3  # places of the full grid that the chosen setting should have

CLASSIC_RATES = (1e-3, 1e-4, 1e-5, 1e-6, 3e-3, 3e-4, 3e-5, 3e-6, 5e-3, 5e-4, 5e-5, 5e-6)
SHORT = Form("search", (8, 32), (3e-4, 3e-5), epochs=2, sentences=800, rounds=2)
SEVERAL = Form("search", (8, 32), (3e-4, 1e-4, 3e-5), epochs=4, sentences=800, rounds=3)
CLASSIC = Form("classic grid", (8, 16, 32), CLASSIC_RATES, epochs=4, sentences=800, rounds=1)
QUALITY = Form("one setting, whole data", (16,), (3e-4,), epochs=4, sentences=None, rounds=3)
HEAD = Form("head alone", (16,), (1e-3, 2e-3, 3e-3, 5e-3, 1e-2, 3e-2), epochs=4, sentences=800, rounds=1)
UPPER = Form("upper half", (16,), (1e-4, 2e-4, 3e-4, 5e-4, 1e-3, 2e-3), epochs=4, sentences=800, rounds=1)


def form_comparison(form: Form, inputs: Inputs, *, task: Task) -> Comparison:
    """A search without a goal: what the short form, the full one and the quality rows are made of."""
    name, work = f"{task}, {form.title}", inputs.work(form, task=task)
    rounds = inputs.form(form).rounds
    return Comparison(name, rounds, sides_of(work), lambda runs: [whole_row(name, work, runs)])


def token(inputs: Inputs) -> Comparison:
    """A few cells, nothing pruned."""
    return _whole("token", SEVERAL, inputs, task="token", goal=Goal(5))


def sequence(inputs: Inputs) -> Comparison:
    """The classic grid, nothing pruned."""
    return _whole("sequence", CLASSIC, inputs, task="sequence", goal=Goal(6))


def halving(inputs: Inputs) -> Comparison:
    """The classic grid with successive halving; the plain loop does all of it."""
    full = inputs.work(CLASSIC, task="sequence")
    work = replace(full, pruner="halving")
    own = {"full": nertune_side(full)} if "sequence" in inputs.rows else {}
    return Comparison(
        "halving",
        inputs.form(CLASSIC).rounds,
        {"plain": sides_of(work)["plain"], **own, "nertune": nertune_side(work)},
        lambda runs: [halving_row(work, runs, goal=Goal(15))],
    )


def head(inputs: Inputs) -> Comparison:
    """The head alone learns: what a fit takes once the encoder's output is known."""
    work = inputs.work(HEAD, task=inputs.task, top_layers=0)
    rounds = inputs.form(HEAD).rounds
    return Comparison("head", rounds, sides_of(work), lambda runs: [later_row("head", work, runs, goal=Goal(50))])


def top_layers(inputs: Inputs) -> Comparison:
    """The upper half of the encoder learns."""
    half = inputs.encoder.n_layers // 2
    return _whole("top-layers", UPPER, inputs, task=inputs.task, goal=Goal(8), top_layers=half)


def _whole(
    name: str, form: Form, inputs: Inputs, *, task: Task, goal: Goal, top_layers: int | None = None
) -> Comparison:
    own: dict[str, Any] = {} if top_layers is None else {"top_layers": top_layers}
    work = inputs.work(form, task=task, **own)
    return Comparison(
        name, inputs.form(form).rounds, sides_of(work), lambda runs: [whole_row(name, work, runs, goal=goal)]
    )


# ---- rows


def whole_row(name: str, work: Work, runs: Runs, *, goal: Goal | None = None) -> Row:
    """Whole commands, by cell."""
    plain, nertune = (median(run.wall_s for run in runs[side]) / work.cells for side in ("plain", "nertune"))
    return Row(
        name,
        work=str(work),
        rounds=len(runs["plain"]),
        unit="s/cell",
        plain=plain,
        nertune=nertune,
        figure=plain / nertune,
        goal=goal,
        scores=compared_scores([run.best for run in runs["plain"]], [run.best for run in runs["nertune"]]),
        notes=failures(work, runs),
        details={"cells": work.cells, "cell_difference": mean(map(cell_difference, runs["plain"], runs["nertune"]))},
    )


def later_row(name: str, work: Work, runs: Runs, *, goal: Goal) -> Row:
    """Later cells alone."""
    whole = whole_row(name, work, runs, goal=goal)
    plain, nertune = (median(run.later_s for run in runs[side]) for side in ("plain", "nertune"))
    said = "seconds of a fit by fits at a time, the first fit in each slot left out; "
    return replace(
        whole,
        work=f"{work}, later cells",
        plain=plain,
        nertune=nertune,
        figure=plain / nertune,
        notes=[*whole.notes, f"{said}of the whole command {whole.figure:.2f} times"],
        details={**whole.details, "whole_search": whole.figure},
    )


def halving_row(work: Work, runs: Runs, *, goal: Goal) -> Row:
    """A search that prunes against the whole grid, and where its choice lies there."""
    row = whole_row("halving", work, runs, goal=goal)
    full = {"the plain loop's grid": runs["plain"], "nertune's own grid": runs.get("full", ())}
    compared = {title: agreements(runs["nertune"], with_) for title, with_ in full.items() if with_}
    said = [agreement_text(title, found) for title, found in compared.items()]
    shared = "the plain loop prunes nothing: where it did the same grid for `sequence`, that run serves here, too"
    pruned = [run.pruned for run in runs["nertune"]]
    return replace(
        row,
        notes=[*row.notes, shared, *said],
        details={**row.details, "pruned": pruned, "agreement": compared},
    )


def agreements(pruned: Sequence[SearchRun], full: Sequence[SearchRun]) -> list[dict[str, int]]:
    """Of each round: the place of the pruned search's choice in the full grid, from 1, and how many best they share."""
    return [
        {
            "place": place_of(one.ranked[0], full=all_of_it),
            "best_shared": len({*one.ranked[:BEST]} & {*all_of_it.ranked[:BEST]}),
        }
        for one, all_of_it in zip(pruned, full, strict=True)
    ]


def place_of(setting: Setting, *, full: SearchRun) -> int:
    """From 1; ties share the better place. Behind all others where the full grid has no score of it."""
    score = full.scores.get(setting)
    return len(full.scores) + 1 if score is None else 1 + sum(other > score for other in full.scores.values())


def agreement_text(title: str, found: Sequence[dict[str, int]]) -> str:
    places, shared = ([one[key] for one in found] for key in ("place", "best_shared"))
    is_good = "yes" if max(places) <= TOP else "no"
    return (
        f"the choice is number {told(places)} of {title} (among the best {TOP}: {is_good}); "
        f"of the best {BEST} settings {told(shared)} are the same"
    )


def told(values: Sequence[int]) -> str:
    return ", ".join(map(str, values))


def failures(work: Work, runs: Runs) -> list[str]:
    counts = {side: sum(run.failed for run in done) for side, done in runs.items()}
    return [
        f"{count} of {counted(work.cells * len(runs[side]), 'cell')} of {side} gave no score and ended early"
        for side, count in counts.items()
        if count
    ]


def cell_difference(plain: SearchRun, nertune: SearchRun) -> float:
    shared = plain.scores.keys() & nertune.scores.keys()
    return mean(nertune.scores[setting] - plain.scores[setting] for setting in shared)
