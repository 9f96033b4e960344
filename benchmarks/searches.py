"""Searches: the plain loop against `nertune search` over one grid. Each runs as a user would run it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

from commands import NERTUNE, SideError, listed, script, timed
from record import Record, read_record
from turns import Run, Side
from works import Work, study_of, write_study

Setting = tuple[int, float]  # batch size, learning rate


@dataclass(frozen=True)
class SearchRun(Run):
    """A whole search.

    scores   best dev F1 of each finished cell, by setting
    seconds  of each finished cell, in the order in which they began
    failed   cells without a score, for example because the loss became NaN
    pruned   cells that were ended early because others were better
    record   how nertune ran its fits; None: the plain loop
    """

    scores: Mapping[Setting, float]
    seconds: tuple[float, ...] = ()
    failed: int = 0
    pruned: int = 0
    record: Record | None = None

    @property
    def best(self) -> float:
        return max(self.scores.values())

    @property
    def ranked(self) -> list[Setting]:
        """Settings, the best first."""
        return sorted(self.scores, key=lambda setting: -self.scores[setting])

    @property
    def slots(self) -> int:
        """Fits at a time."""
        return 1 if self.record is None else self.record.slots

    @property
    def later_s(self) -> float:
        """Wall time of one of the later cells: the first in each slot make what all others find.

        Raises   SideError where there are none
        """
        later = self.seconds[self.slots :]
        if not later:
            raise SideError(
                f"{len(self.seconds)} cells, {self.slots} at a time: none is a later one", fix="Ask for more"
            )
        return median(later) / self.slots

    def to_json(self) -> dict[str, Any]:
        scores = [{"batch_size": size, "learning_rate": rate, "f1": f1} for (size, rate), f1 in self.scores.items()]
        return {**{key: value for key, value in asdict(self).items() if key != "scores"}, "scores": scores}


# ---- the sides


def sides_of(work: Work) -> dict[str, Side]:
    """The plain loop, and nertune; works that a side cannot tell apart are done once."""
    return {"plain": plain_side(work), "nertune": nertune_side(work)}


def plain_side(work: Work) -> Side:
    return Side(lambda seed, folder: run_plain(work, seed=seed, folder=folder), same_as=("plain", work.of_plain))


def nertune_side(work: Work) -> Side:
    return Side(lambda seed, folder: run_nertune(work, seed=seed, folder=folder), same_as=("nertune", work.of_nertune))


def run_plain(work: Work, *, seed: int, folder: Path) -> SearchRun:
    """The plain loop, in an empty folder."""
    output = folder / "cells.json"
    command = plain_command(work, batch_sizes=work.batch_sizes, learning_rates=work.learning_rates)
    wall_s = timed("the plain loop", [*command, "--seed", str(seed), "--output", str(output)], folder=folder)
    return read_plain(output, wall_s=wall_s, work=work)


def plain_command(work: Work, *, batch_sizes: Sequence[int], learning_rates: Sequence[float]) -> list[str]:
    """The script of the plain loop with this work, and without a seed or a file for its results."""
    command = [*script("plain_loop.py"), "--task", work.task, "--data", str(work.data)]
    command += ["--model", work.encoder.model, "--epochs", str(work.epochs)]
    command += ["--tokenizer", work.encoder.tokenizer] if work.encoder.tokenizer else []
    command += ["--batch-sizes", listed(batch_sizes), "--learning-rates", listed(learning_rates)]
    command += [] if work.checkpoints else ["--without-checkpoints"]
    return command + ([] if work.top_layers is None else ["--top-layers", str(work.top_layers)])


def run_nertune(work: Work, *, seed: int, folder: Path) -> SearchRun:
    """`nertune search` of a study file, in an empty folder."""
    study = write_study(study_of(work, seed=seed), folder=folder)
    wall_s = timed("nertune", [NERTUNE, "search", study, "--json"], folder=folder)
    return read_nertune(folder / "stdout.txt", wall_s=wall_s, work=work, record=read_record(folder))


def read_plain(path: Path, *, wall_s: float, work: Work) -> SearchRun:
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    scores = {(cell["batch_size"], cell["learning_rate"]): cell["f1"] for cell in cells}
    run = SearchRun(wall_s, scores, seconds=tuple(cell["seconds"] for cell in cells))
    return complete(run, side="the plain loop", work=work)


def read_nertune(path: Path, *, wall_s: float, work: Work, record: Record | None = None) -> SearchRun:
    """From what `nertune search --json` printed."""
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    done = [cell for cell in cells if cell["state"] == "complete"]
    run = SearchRun(
        wall_s,
        {setting_of(cell["point"]): cell["scores"]["dev"]["f1"] for cell in done},
        seconds=tuple(cell["seconds"] for cell in done),
        failed=sum(cell["state"] == "failed" for cell in cells),
        pruned=sum(cell["state"] == "pruned" for cell in cells),
        record=record,
    )
    return complete(run, side="nertune", work=work)


def setting_of(point: Mapping[str, Any]) -> Setting:
    return point["train.batch_size"], point["train.learning_rate"]


def complete(run: SearchRun, *, side: str, work: Work) -> SearchRun:
    """The run itself, if every cell has its outcome.

    Raises   SideError
    """
    if len(run.scores) + run.failed + run.pruned != work.cells:
        raise SideError(f"{work}: {side} gave {len(run.scores)} scores where {work.cells} cells were asked for")
    if not run.scores:
        raise SideError(f"{work}: every cell of {side} failed", fix="Choose lower learning rates")
    return run
