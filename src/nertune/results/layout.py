"""Where results lie: the names of files and folders below OUTPUT (design, section 4)."""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nertune.spec.study import StudySpec

USUAL_KEYS = {"train.batch_size", "train.learning_rate", "train.epochs"}  # those that the folder's name tells


CHECKPOINT = "checkpoint"  # folder, in an attempt's own or in its cell's, of what the next attempt goes on from
MODEL = "model"  # folder, in an attempt's own, of weights that are not those of a seed folder
SIZE = "data.size"
CELL_WORDS = {"search": "trial", "candidate": "candidate", "final": "seed", "size": "size"}


@dataclass(frozen=True)
class StudyFolder:
    """The folder of one study's results."""

    root: Path

    @property
    def lock(self) -> Path:
        return self.root / ".lock"

    @property
    def best(self) -> Path:
        return self.root / "best.yaml"

    @property
    def study(self) -> Path:
        return self.root / "study.yaml"

    @property
    def trials(self) -> Path:
        return self.root / "trials.csv"

    @property
    def summary(self) -> Path:
        return self.root / "summary.json"

    @property
    def sizes(self) -> Path:
        """sizes.csv: the learning curve, a row a fit."""
        return self.root / "sizes.csv"

    @property
    def report(self) -> Path:
        return self.root / "report"

    @property
    def logs(self) -> Path:
        return self.root / "logs"

    @property
    def work(self) -> Path:
        return self.root / "work"

    @property
    def encoded(self) -> Path:
        return self.work / "encoded"

    @property
    def candidates(self) -> Path:
        return self.work / "candidates"

    @property
    def best_trial(self) -> Path:
        """The weights of the best trial, where `search.keep` asks for them."""
        return self.root / "best-trial"

    @property
    def tensorboard(self) -> Path:
        return self.root / "tensorboard"

    def size(self, percent: float) -> Path:
        """Seed folders of fits on a part of train, without weights."""
        return self.root / "sizes" / percent_text(percent)

    def of_run(self, stage: str, name: str, *, point: Mapping[str, Any]) -> Path | None:
        """Where the results of a run lie when it is done; None of a trial, which has no folder."""
        if stage == "search":
            return None
        roots = {"candidate": self.candidates, "size": self.size(point.get(SIZE, 100))}
        return roots.get(stage, self.root) / name

    def attempt(self, cell: str, number: int) -> Path:
        """Where one attempt writes, and nobody else."""
        return self.work / cell / str(number)

    def checkpoint(self, cell: str) -> Path:
        """What the attempts at a cell left for the next one."""
        return self.work / cell / CHECKPOINT

    def forget(self, cell: str) -> None:
        """Remove all that the attempts at a cell left: it has its outcome."""
        shutil.rmtree(self.work / cell, ignore_errors=True)

    def attempts(self, cell: str) -> list[Path]:
        """The folders of a cell's attempts that are still there, in their order."""
        folders = [path for path in (self.work / cell).glob("*") if path.name.isdecimal()]
        return sorted(folders, key=lambda path: int(path.name))

    def log(self, cell: str, number: int) -> Path:
        return self.logs / f"{cell}-{number}.log"


def cell_name(stage: str, number: int) -> str:
    """`trial-0003`, `candidate-0002`, `seed-0001`, `size-0004`: how logs, work folders and runs call a cell."""
    return f"{CELL_WORDS[stage]}-{number:04d}"


def seed_folder_name(spec: StudySpec, *, model_type: str, seed: int, point: Mapping[str, Any], point_id: str) -> str:
    """`MODELNAME-BASE_STUDY_BATCH_LR_EPOCHS_SEED`, and `-xxxxxxxx` of the spec when other keys were searched.

    Of the base, a hub id or folder, the last part is shown; the epochs are those of all stages.

    model_type  stands for `model.name` where there is none
    """
    base, train = spec.model.base, spec.train
    parts = [
        f"{spec.model.name or model_type}-{Path(base).name or base}",
        spec.name,
        str(train.batch_size),
        format(train.learning_rate, "g"),
        str(spec.total_epochs),
        str(seed),
    ]
    name = "_".join(clean_name(part) for part in parts)
    return name if set(point) <= USUAL_KEYS else f"{name}-{point_id[:8]}"


def percent_text(percent: float) -> str:
    """`25`, `12.5`: a size of train in names of folders and in tables."""
    return format(percent, "g")


def clean_name(text: str) -> str:
    """The text as part of a file name: letters, digits, `.`, `_` and `-` stay."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", text).strip("-.") or "x"
