"""The two sides of a comparison: each is given one work, runs as a user would run it, and is timed from outside."""

from __future__ import annotations

import json
import math
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from nertune.data.examples import Task
from nertune.errors import NertuneError
from sets import Encoder

PLAIN_LOOP = Path(__file__).resolve().parent / "plain_loop.py"
LAST_LINES = 15  # of a side's own output, shown when it fails


class SideError(NertuneError):
    """A side ended with an error, or did not do all of its work."""


@dataclass(frozen=True)
class Work:
    """One row of the table: what both sides do.

    data       folder with the cut data, one train and one dev file
    rounds     how often each side does it, the first time with seed 42, then 43 and so on
    """

    name: str
    task: Task
    data: Path
    encoder: Encoder
    batch_sizes: tuple[int, ...]
    learning_rates: tuple[float, ...]
    epochs: int
    rounds: int
    checkpoints: bool = True  # whether the plain loop saves them
    top_layers: int | None = None  # that learn, with the head; None: everything does

    @property
    def cells(self) -> int:
        return math.prod((len(self.batch_sizes), len(self.learning_rates)))


@dataclass(frozen=True)
class Run:
    """What one side did in one round.

    wall_s   seconds of the whole command, start-up included
    scores   best dev F1 of each finished cell, by (batch size, learning rate)
    failed   cells without a score, for example because the loss became NaN
    """

    wall_s: float
    scores: dict[tuple[int, float], float]
    failed: int = 0

    @property
    def best(self) -> float:
        return max(self.scores.values())


def run_plain(work: Work, *, seed: int, folder: Path) -> Run:
    """The plain loop, in an empty folder."""
    output = folder / "cells.json"
    command = [sys.executable, str(PLAIN_LOOP), "--task", work.task, "--data", str(work.data)]
    command += ["--model", work.encoder.model, "--epochs", str(work.epochs), "--seed", str(seed)]
    command += ["--tokenizer", work.encoder.tokenizer] if work.encoder.tokenizer else []
    command += ["--batch-sizes", listed(work.batch_sizes), "--learning-rates", listed(work.learning_rates)]
    command += [] if work.checkpoints else ["--without-checkpoints"]
    command += [] if work.top_layers is None else ["--top-layers", str(work.top_layers)]
    wall_s = timed("the plain loop", [*command, "--output", str(output)], folder=folder)
    return read_plain(output, wall_s=wall_s, work=work)


def run_nertune(work: Work, *, seed: int, folder: Path) -> Run:
    """`nertune search` of a study file, in an empty folder."""
    study = folder / "study.yaml"
    study.write_text(yaml.safe_dump(study_of(work, seed=seed), sort_keys=False), encoding="utf-8")
    program = str(Path(sys.executable).with_name("nertune"))
    wall_s = timed("nertune", [program, "search", str(study), "--json"], folder=folder)
    return read_nertune(folder / "stdout.txt", wall_s=wall_s, work=work)


SIDES = {"plain": run_plain, "nertune": run_nertune}


def study_of(work: Work, *, seed: int) -> dict[str, Any]:
    """The study file: the grid, the epochs and the seed of the plain loop; nertune's defaults for everything else."""
    return {
        "nertune": 1,
        "name": "benchmark",
        "task": work.task,
        "data": {"dir": str(work.data)},
        "model": {"base": work.encoder.model, "tokenizer": work.encoder.tokenizer},
        "train": {"epochs": work.epochs, "top_layers": work.top_layers},
        "search": {
            "seed": seed,
            "space": {
                "train.batch_size": list(work.batch_sizes),
                "train.learning_rate": list(work.learning_rates),
            },
        },
        "track": {"aim": None},
    }


def read_plain(path: Path, *, wall_s: float, work: Work) -> Run:
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    scores = {(cell["batch_size"], cell["learning_rate"]): cell["f1"] for cell in cells}
    return complete(Run(wall_s, scores), side="the plain loop", work=work)


def read_nertune(path: Path, *, wall_s: float, work: Work) -> Run:
    """From what `nertune search --json` printed."""
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    done = [cell for cell in cells if cell["state"] == "complete"]
    scores = {setting_of(cell["point"]): cell["scores"]["dev"]["f1"] for cell in done}
    failed = sum(cell["state"] == "failed" for cell in cells)
    return complete(Run(wall_s, scores, failed), side="nertune", work=work)


def setting_of(point: dict[str, Any]) -> tuple[int, float]:
    return point["train.batch_size"], point["train.learning_rate"]


def complete(run: Run, *, side: str, work: Work) -> Run:
    """The run itself, if every cell has its outcome.

    Raises   SideError
    """
    if len(run.scores) + run.failed != work.cells:
        raise SideError(f"{work.name}: {side} gave {len(run.scores)} scores where {work.cells} cells were asked for")
    if not run.scores:
        raise SideError(f"{work.name}: every cell of {side} failed", fix="Choose lower learning rates")
    return run


def timed(side: str, command: Sequence[str], *, folder: Path) -> float:
    """Seconds that the command took; its output goes to stdout.txt and stderr.txt of the folder.

    Raises   SideError with the last lines of its standard error
    """
    errors = folder / "stderr.txt"
    with (folder / "stdout.txt").open("wb") as out, errors.open("wb") as err:
        start = time.perf_counter()
        code = subprocess.run(command, stdout=out, stderr=err, stdin=subprocess.DEVNULL, check=False).returncode
        wall_s = time.perf_counter() - start
    if code != 0:
        told = "\n    ".join(errors.read_text(encoding="utf-8", errors="replace").splitlines()[-LAST_LINES:])
        raise SideError(f"{side} ended with exit code {code}, see {folder}\n    {told}")
    return wall_s


def listed(values: Sequence[float]) -> str:
    return ",".join(map(str, values))
