"""Jobs as plain data: what any executor can ship and a worker can do without asking back."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from nertune.results.layout import CHECKPOINT, MODEL
from nertune.spec.study import StudySpec, TrainSpec

JobKind = Literal["look", "prepare", "measure", "trial", "seed"]
# Pieces at a time whose activations a core's caches hold. MiniLM on batches of 32 BC5CDR sentences, 1,160 pieces, fp32:
# parts of 290 to 580 take 0.8 of the whole batch's time, a sixth of which goes to page faults; parts of 145 take 0.9.
# In bf16 they are half as large, and the whole batch takes 0.91 of two parts.
CPU_PIECES: Mapping[str, int] = {"fp32": 640, "bf16": 1280}


@dataclass(frozen=True)
class Job:
    """One piece of work for a worker process.

    kind               look: what the model and tokenizer are; prepare: encode the data, time a step; measure: time what
                       the fits of a point do again and again; trial: the fits of a point under the protocol; seed: one
                       fit (or one for each fold) that is kept, and scored by its saved weights
    spec               the study (prepare) or a point of it (measure, trial, seed), as JSON with absolute paths
    labels             entity types or classes, sorted: those of the study's train, whatever the job reads
    splits             what may be opened. A trial is never handed "test"
    fingerprints       sha256 of each split's file; another one means that the data changed under the study
    parts              which example of train's file became dev or test, as the record has it; None: none did
    seed               of the fit; of several that differ by it, the first
    precision          fp32 | bf16, fixed for the study; None in the job that finds it
    folder             where the job may write, and nothing else does
    encoded            the study's cache of encoded splits
    device_batch_size  at most so many examples at once; None in the jobs that find out how many suit the device
    resume             folder of what an earlier attempt left (`checkpoint_path`), which this one goes on from
    checkpoint_every   seconds of a fit that are worth a checkpoint; None: none are
    pause_after        share of a trial's steps, or of its fits, after which it is written down and ended
    stop_after_epoch   train and dev are learned from as one: end after so many epochs, the schedule being that of all
    target             where the folder will lie in the end; paths in spec.yaml are relative to it
    weights            a seed folder whose weights are scored as they are, instead of a fit
    keeps_weights      False: scores and predictions only stay in the folder
    saves_model        a trial's weights, at its best epoch, are left in folder/model
    marks              what environment.json is to say of the fit, by which a later call knows it
    tensorboard        write event files to folder/runs
    command            the command line, for environment.json
    """

    id: str
    kind: JobKind
    spec: Mapping[str, Any]
    labels: tuple[str, ...]
    splits: tuple[str, ...]
    fingerprints: Mapping[str, str]
    seed: int
    precision: str | None
    folder: str
    encoded: str
    parts: str | None = None
    device_batch_size: int | None = None
    resume: str | None = None
    checkpoint_every: float | None = None
    pause_after: float | None = None
    stop_after_epoch: int | None = None
    target: str | None = None
    weights: str | None = None
    keeps_weights: bool = True
    saves_model: bool = False
    marks: Mapping[str, str] = field(default_factory=dict)
    tensorboard: bool = False
    command: str = ""

    def to_json(self) -> dict[str, Any]:
        return dict(vars(self))

    @classmethod
    def from_json(cls, told: Mapping[str, Any]) -> Job:
        return cls(**{**told, "labels": tuple(told["labels"]), "splits": tuple(told["splits"])})

    @property
    def checkpoint_path(self) -> Path:
        """What the attempt leaves for the next one, if it is cut off."""
        return self.path / CHECKPOINT

    @property
    def study(self) -> StudySpec:
        return StudySpec.model_validate(self.spec)

    @property
    def path(self) -> Path:
        return Path(self.folder)

    @property
    def model_path(self) -> Path:
        """Where the weights are written."""
        is_whole_folder = self.kind == "seed" and self.keeps_weights
        return self.path if is_whole_folder else self.path / MODEL


def device_batch_size(train: TrainSpec, *, precision: str, pieces_per_window: float, device: str, threads: int) -> int:
    """Examples on the device at once, until memory runs out: as the point says, else what suits the device best.

    A GPU wants the whole batch. A CPU is faster with equal parts of at most about CPU_PIECES pieces a thread.

    precision  "fp32" or "bf16"
    """
    if train.device_batch_size is not None:
        return min(train.batch_size, train.device_batch_size)
    if device != "cpu":
        return train.batch_size
    n_parts = math.ceil(train.batch_size * pieces_per_window / (CPU_PIECES[precision] * threads))
    return math.ceil(train.batch_size / n_parts)
