"""The row about best-and-train: one setting refitted with every seed, test scored, models and predictions kept."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, median

from commands import NERTUNE, SideError, listed, timed
from rows import Goal, Row, compared_scores
from searches import plain_command, setting_of
from sets import ALL
from turns import FIRST_SEED, Comparison, Run, Runs, Side
from works import Form, Inputs, Work, counted, study_of, write_study

# A grid of several cells, of which nertune searches one: a study of a single cell would give it all cores for good.
FORM = Form("best and train", (16,), (3e-4, 1e-4, 3e-5, 1e-5), epochs=4, sentences=800, rounds=1)
GOAL = Goal(4)


@dataclass(frozen=True)
class SeedsRun(Run):
    """test   F1 of each seed at its best epoch, as text: seeds are keys of JSON"""

    test: Mapping[str, float]

    @property
    def mean(self) -> float:
        return fmean(self.test.values())


def best_and_train(inputs: Inputs) -> Comparison:
    work = inputs.work(FORM, task=inputs.task, splits=ALL)

    def seeds_of(seed: int) -> list[int]:
        """Other ones in each round."""
        return [one + (seed - FIRST_SEED) * len(inputs.seeds) for one in inputs.seeds]

    return Comparison(
        "best-and-train",
        inputs.form(FORM).rounds,
        {
            "plain": Side(lambda seed, folder: run_plain(work, seeds=seeds_of(seed), folder=folder)),
            "nertune": Side(lambda seed, folder: run_nertune(work, seeds=seeds_of(seed), folder=folder)),
        },
        lambda runs: [make_row(work, runs, n_seeds=len(inputs.seeds))],
    )


def run_plain(work: Work, *, seeds: Sequence[int], folder: Path) -> SeedsRun:
    """The plain loop over seeds instead of cells."""
    output = folder / "seeds.json"
    command = plain_command(work, batch_sizes=work.batch_sizes[:1], learning_rates=work.learning_rates[:1])
    wall_s = timed("the plain loop", [*command, "--seeds", listed(seeds), "--output", str(output)], folder=folder)
    done = json.loads(output.read_text(encoding="utf-8"))["seeds"]
    return complete(SeedsRun(wall_s, {str(one["seed"]): one["test_f1"] for one in done}), seeds=seeds)


def run_nertune(work: Work, *, seeds: Sequence[int], folder: Path) -> SeedsRun:
    """`nertune best-and-train`; the search before it, of the first cell alone, is not timed."""
    study = write_study({**study_of(work, seed=FIRST_SEED), "final": {"seeds": list(seeds)}}, folder=folder)
    timed("nertune search", [NERTUNE, "search", study, "--trials", "1"], folder=folder)
    wall_s = timed("nertune", [NERTUNE, "best-and-train", study, "--trials", "1", "--json"], folder=folder)
    return read_nertune(folder / "stdout.txt", wall_s=wall_s, work=work, seeds=seeds)


def read_nertune(path: Path, *, wall_s: float, work: Work, seeds: Sequence[int]) -> SeedsRun:
    """From what `nertune best-and-train --json` printed."""
    told = json.loads(path.read_text(encoding="utf-8"))
    if setting_of(told["setting"]) != work.first:
        raise SideError(f"{work}: nertune refitted {told['setting']}, the plain loop {work.first}")
    return complete(SeedsRun(wall_s, told["test"]["scores"]["f1"]["values"]), seeds=seeds)


def complete(run: SeedsRun, *, seeds: Sequence[int]) -> SeedsRun:
    """The run itself, if every seed has its score.

    Raises   SideError
    """
    if sorted(run.test) != sorted(map(str, seeds)):
        raise SideError(f"test scores of the seeds {', '.join(run.test)} where {listed(seeds)} were asked for")
    return run


def make_row(work: Work, runs: Runs, *, n_seeds: int) -> Row:
    plain, nertune = (median(run.wall_s for run in runs[side]) / n_seeds for side in ("plain", "nertune"))
    return Row(
        "best-and-train",
        work=f"{work.task}, {counted(n_seeds, 'seed')} x {counted(work.epochs, 'epoch')}",
        rounds=len(runs["plain"]),
        unit="s/seed",
        plain=plain,
        nertune=nertune,
        figure=plain / nertune,
        goal=GOAL,
        scores=compared_scores(*([score for run in runs[side] for score in run.test.values()] for side in runs)),
        notes=["F1 is that of test, mean ± sd over all seeds"],
    )
