"""The rows about a search's course besides training: what it costs a trial, and how soon the first step is done."""

from __future__ import annotations

import json
import shutil
import time
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any

from commands import HERE, NERTUNE, script, started, timed, wait_until
from nertune.results.layout import StudyFolder
from rows import Goal, Row
from turns import Comparison, Run, Runs, Side
from works import STUDY, Form, Inputs, Work, counted, study_of, write_study

# ---- overhead: what a trial takes besides its fit

RATES = (1e-3, 1e-4, 1e-5, 1e-6, 3e-3, 3e-4, 3e-5, 3e-6, 5e-3, 5e-4)
MANY = Form("overhead", (8, 16, 32, 64), RATES, epochs=4, sentences=40, rounds=3)
PER_TRIAL_MS, WAIT_MS = Goal(30, at_most=True), Goal(10, at_most=True)


@dataclass(frozen=True)
class OverheadRun(Run):
    """per_trial_ms   of a search, without what the stub slept
    by_clock_ms    the same from the first job's beginning to the last one's: no start-up that would differ
    waits_ms       from the end of each job to the beginning of the next, as the worker sees it
    """

    per_trial_ms: float
    by_clock_ms: float
    waits_ms: tuple[float, ...]


def overhead(inputs: Inputs) -> Comparison:
    """Searches of stub jobs by one worker, with many cells and with one: the difference is what the cells cost."""
    work = inputs.work(MANY, task="token")
    side = Side(lambda seed, folder: run_overhead(work, seed=seed, folder=folder))
    rounds = inputs.form(MANY).rounds
    return Comparison("overhead", rounds, {"nertune": side}, lambda runs: overhead_rows(runs, n=work.cells))


def run_overhead(work: Work, *, seed: int, folder: Path) -> OverheadRun:
    one_s, _ = search_of_stubs(work, seed=seed, trials=1, folder=folder / "one")
    all_s, jobs = search_of_stubs(work, seed=seed, trials=work.cells, folder=folder / "all")
    slept_s = sum(job["slept_s"] for job in jobs) / len(jobs)
    per_trial_s = (all_s - one_s) / (work.cells - 1) - slept_s
    by_clock_s = (jobs[-1]["began"] - jobs[0]["began"]) / (len(jobs) - 1) - slept_s
    waits = (1000 * (after["began"] - job["ended"]) for job, after in pairwise(jobs))
    return OverheadRun(one_s + all_s, 1000 * per_trial_s, 1000 * by_clock_s, tuple(waits))


def search_of_stubs(work: Work, *, seed: int, trials: int, folder: Path) -> tuple[float, list[dict[str, Any]]]:
    """Seconds of the whole command, and what each job noted."""
    folder.mkdir()
    study = study_of(work, seed=seed)
    study["search"]["trials"] = trials
    noted = folder / "jobs.jsonl"
    command = [*script("timed_search.py"), write_study(study, folder=folder)]
    wall_s = timed("the search of stubs", command, folder=folder, environment={"TIMED_JOBS": str(noted)})
    return wall_s, [json.loads(line) for line in noted.read_text(encoding="utf-8").splitlines()]


def overhead_rows(runs: Runs, *, n: int) -> list[Row]:
    done = runs["nertune"]
    rows = (
        ("a trial besides its fit", [run.per_trial_ms for run in done], PER_TRIAL_MS),
        ("a free worker waits", [median(run.waits_ms) for run in done], WAIT_MS),
    )
    longest, by_clock = max(max(run.waits_ms) for run in done), median(run.by_clock_ms for run in done)
    notes = (
        f"from the first job's beginning to the last one's, a trial took {by_clock:.1f} ms besides its fit",
        f"the longest wait of a free worker was {longest:.1f} ms",
    )
    return [
        row_of_nertune(
            "overhead",
            f"{counted(n, 'stub')}, one worker: {what}",
            median(found),
            "ms",
            rounds=len(done),
            goal=goal,
            notes=(note,),
        )
        for (what, found, goal), note in zip(rows, notes, strict=True)
    ]


# ---- start: from the command to the first step of a fit

OPEN = Form("second start", (16,), (3e-4, 1e-4, 3e-5, 1e-5, 3e-6, 1e-6), epochs=1, sentences=800, rounds=3)
START_S = Goal(6, at_most=True)


def start(inputs: Inputs) -> Comparison:
    """A search that was killed after its first cell is begun again."""
    work = inputs.work(OPEN, task=inputs.task)
    side = Side(lambda seed, folder: run_start(work, seed=seed, folder=folder))
    return Comparison("start", inputs.form(OPEN).rounds, {"nertune": side}, lambda runs: [start_row(work, runs)])


def run_start(work: Work, *, seed: int, folder: Path) -> Run:
    shutil.copy(HERE / "first_step.py", folder)  # hooks are imported from the working directory
    study = study_of(work, seed=seed)
    study["train"]["callbacks"] = ["first_step:FirstStep"]
    command = [NERTUNE, "search", write_study(study, folder=folder)]
    trials = StudyFolder(folder / "runs" / STUDY).trials
    first_steps = folder / "first-steps.txt"
    environment = {"FIRST_STEPS": str(first_steps)}
    with started(command, folder=folder, environment=environment) as process:
        wait_until(lambda: has_finished_one(trials), side="the first search", process=process, folder=folder)
    first_steps.unlink()
    began = time.monotonic()
    with started(command, folder=folder, environment=environment) as process:
        wait_until(
            lambda: read_first(first_steps) is not None, side="the second search", process=process, folder=folder
        )
    first = read_first(first_steps)
    assert first is not None
    return Run(first - began)


def has_finished_one(trials: Path) -> bool:
    return trials.exists() and "complete" in trials.read_text(encoding="utf-8")


def read_first(path: Path) -> float | None:
    """The earliest of the noted moments; None before there is one."""
    noted = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    return min(map(float, noted), default=None)


def start_row(work: Work, runs: Runs) -> Row:
    seconds = median(run.wall_s for run in runs["nertune"])
    told = f"{work.task}, second start, to the end of the first step"
    return row_of_nertune("start", told, seconds, "s", rounds=len(runs["nertune"]), goal=START_S)


def row_of_nertune(
    name: str, work: str, figure: float, unit: str, *, rounds: int, goal: Goal, notes: tuple[str, ...] = ()
) -> Row:
    """A row without another side."""
    return Row(
        name,
        work=work,
        rounds=rounds,
        unit=unit,
        plain=None,
        nertune=figure,
        figure=figure,
        figure_unit=unit,
        goal=goal,
        notes=notes,
    )
