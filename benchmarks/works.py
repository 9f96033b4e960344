"""Works: which model learns what from which data, and the study file that says so."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml

from nertune.data.examples import Task
from sets import DEMO_DATA, SEARCHED, Encoder, Splits, write_cut

STUDY = "benchmark"  # the name of every study


@dataclass(frozen=True)
class Form:
    """What a work looks like, whatever its task.

    sentences   of each split, at most so many, evenly spread; None: all
    rounds      how often each side does it
    """

    title: str
    batch_sizes: tuple[int, ...]
    learning_rates: tuple[float, ...]
    epochs: int
    sentences: int | None
    rounds: int


@dataclass(frozen=True)
class Work:
    """What both sides do.

    data        folder with the cut data, a file for each split
    top_layers  that learn, with the head; None: everything does
    pruner      of nertune's search; the plain loop has none
    """

    task: Task
    data: Path
    encoder: Encoder
    batch_sizes: tuple[int, ...]
    learning_rates: tuple[float, ...]
    epochs: int
    checkpoints: bool = True  # whether the plain loop saves them
    top_layers: int | None = None
    pruner: str | None = None

    @property
    def cells(self) -> int:
        return math.prod((len(self.batch_sizes), len(self.learning_rates)))

    @property
    def of_plain(self) -> Work:
        """The same, without what the plain loop does not know of."""
        return replace(self, pruner=None)

    @property
    def of_nertune(self) -> Work:
        return replace(self, checkpoints=True)

    @property
    def first(self) -> tuple[int, float]:
        """The first cell's batch size and learning rate."""
        return self.batch_sizes[0], self.learning_rates[0]

    def __str__(self) -> str:
        return f"{self.task}, {counted(self.cells, 'cell')} x {counted(self.epochs, 'epoch')}"


@dataclass(frozen=True)
class Source:
    """Where data lies, and which columns of its tables hold what."""

    folder: Path
    columns: Mapping[str, str] | None = None


@dataclass(frozen=True)
class Inputs:
    """What the command line gives every comparison.

    folder       gets the cut data
    task         of the rows that are of no task by themselves
    changes      of every form, for example {"epochs": 1}
    work_changes of every work that says nothing of its own, for example {"checkpoints": False}
    rows         that were asked for
    predicted    sentences of the row `prediction`
    seeds        of the row `best-and-train`
    """

    folder: Path
    encoder: Encoder
    sources: Mapping[str, Source]
    task: Task = "token"
    changes: Mapping[str, Any] | None = None
    work_changes: Mapping[str, Any] | None = None
    rows: tuple[str, ...] = ()
    predicted: int = 10_000
    seeds: tuple[int, ...] = (1, 2, 3, 4, 5)

    def form(self, form: Form) -> Form:
        return replace(form, **(self.changes or {}))

    def work(self, form: Form, *, task: Task, splits: Splits = SEARCHED, **own: Any) -> Work:
        """The work of a form, its data cut and written."""
        form = self.form(form)
        return Work(
            task=task,
            data=self.data(task, sentences=form.sentences, splits=splits),
            encoder=self.encoder,
            batch_sizes=form.batch_sizes,
            learning_rates=form.learning_rates,
            epochs=form.epochs,
            **{**(self.work_changes or {}), **own},
        )

    def data(self, task: Task, *, sentences: int | None, splits: Splits = SEARCHED) -> Path:
        """The folder of a cut, made when it is first asked for."""
        folder = self.folder / "-".join(["data", task, str(sentences or "all"), *splits])
        if not folder.exists():
            source = self.sources.get(task, Source(DEMO_DATA[task]))
            write_cut(
                source.folder.resolve(),
                task=task,
                columns=source.columns,
                sentences=sentences,
                splits=splits,
                folder=folder,
            )
        return folder


def study_of(work: Work, *, seed: int) -> dict[str, Any]:
    """The study file: the grid, the epochs and the seed of the plain loop; nertune's defaults for everything else."""
    pruner = {} if work.pruner is None else {"pruner": work.pruner}
    return {
        "nertune": 1,
        "name": STUDY,
        "task": work.task,
        "data": {"dir": str(work.data)},
        "model": {"base": work.encoder.model, "tokenizer": work.encoder.tokenizer},
        "train": {"epochs": work.epochs, "top_layers": work.top_layers},
        "search": {
            "seed": seed,
            **pruner,
            "space": {
                "train.batch_size": list(work.batch_sizes),
                "train.learning_rate": list(work.learning_rates),
            },
        },
        "track": {"aim": None},
    }


def write_study(study: Mapping[str, Any], *, folder: Path) -> str:
    """The study's file in this folder, as a command takes it."""
    path = folder / "study.yaml"
    path.write_text(yaml.safe_dump(dict(study), sort_keys=False), encoding="utf-8")
    return str(path)


def counted(n: int, what: str) -> str:
    return f"{n:,} {what}{'s' * (n != 1)}"
