"""The one schema of a study file: every key, its default, its unit and the reason for it.

The descriptions are the manual: `docs/study-file.md` and the JSON Schema for editors are made from them. The sections
`data`, `model` and `train` have modules of their own beside this one.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, Field, model_validator

from nertune.spec.data_section import DataSpec, SplitSpec
from nertune.spec.kinds import Count, Duration, Percent, Rungs, Section
from nertune.spec.model_section import HeadOptions, HeadSpec, ModelSpec
from nertune.spec.train_section import LoraSpec, StageSpec, TrainSpec

__all__ = [
    "DataSpec",
    "HeadOptions",
    "HeadSpec",
    "LoraSpec",
    "ModelSpec",
    "SplitSpec",
    "StageSpec",
    "StudySpec",
    "TrainSpec",
    "sections",
]


def default_space() -> dict[str, list[Any] | dict[str, Any]]:
    """BERT's own recipe: its batch sizes and learning rates."""
    return {"train.batch_size": [16, 32], "train.learning_rate": [1e-5, 2e-5, 3e-5, 5e-5]}


class SearchSpec(Section):
    """Which settings are tried, and what makes one better."""

    sampler: Literal["grid", "tpe", "random"] = Field(
        "grid", description="`grid`: every cell once; `tpe`, `random`: need `trials` or `timeout`"
    )
    trials: Count | None = Field(
        None, description="Total of cells in the study. grid: null is every cell, a number the first so many"
    )
    timeout: Duration | None = Field(
        None, description="Total time of the search over all calls, for example `8h`; no new cell starts after it"
    )
    patience: Count | None = Field(
        None,
        description="The search ends when so many finished cells after the best one, by their numbers, gave no better score; null: never",
    )
    pruner: Literal["none", "median", "halving", "hyperband"] = Field(
        "none",
        description="Which trials are cut short. `none`: none is; `halving`: all pause after the first of `rungs`, one in `eta` goes on to the next; `hyperband`: the same in brackets, for `tpe` and `random`; `median`: one whose best is behind the median of the finished ones",
    )
    rungs: Rungs = Field(
        (1 / 9, 1 / 3, 1.0),
        description="halving and hyperband: the shares of a trial's optimizer steps after which trials are compared, for example `[1/9, 1/3, 1]`; the last is 1. With `protocol`, shares of a trial's fits",
    )
    eta: Annotated[int, Field(ge=2)] = Field(
        3, description="halving and hyperband: one of so many trials goes on from each rung, rounded up"
    )
    keep: Literal["none", "best"] = Field(
        "none",
        description="Weights of trials. `none`: the search keeps scores only; `best`: those of the best trial lie in `OUTPUT/best-trial`, for any transformers program",
    )
    objective: str = Field(
        "f1",
        description="The dev score, at its best epoch, that is maximised (`loss` and `hamming_loss` are minimised); of several heads their mean, or that of one: `NAME.f1`",
    )
    scores: tuple[str, ...] = Field(
        (),
        description="Scores of your own, each `package.module:name`, imported from the working directory; `objective` may be one of the names",
    )
    seed: Annotated[int, Field(ge=0)] = Field(
        42, description="Seed of every trial's fit, so that cells differ by their setting alone"
    )
    sampler_seed: Annotated[int, Field(ge=0)] = Field(0, description="Seed of the sampler (tpe, random)")
    space: dict[str, list[Any] | dict[str, Any]] = Field(
        default_factory=default_space,
        description="Searched keys of `model`, `train` and `stages` (`stages.1.learning_rate`; the first is 0) and `data.size`, each with a list of values or `{low, high, log, step}`. The default is BERT's own recipe",
    )


class ProtocolSpec(Section):
    """How one point earns one number. `protocol: holdout` is a fit on train scored on dev."""

    repeat: Annotated[int, Field(ge=2)] | None = Field(
        None,
        description="So many fits of each point, with the seeds `search.seed`, `search.seed` + 1, …; its score is their mean",
    )
    kfold: Annotated[int, Field(ge=2)] | None = Field(
        None,
        description="Cross-validation: train (and dev, where there is one) is cut into so many folds, by document where documents are known, the shares of the labels alike; each fold is dev once, and a point's score is the mean over them. The folds are the same for every point",
    )
    final: Literal["refit", "average"] = Field(
        "refit",
        description="With `kfold`, for each seed: `refit` on all of train for the mean of the folds' best epochs; `average` the probabilities of one model for each fold",
    )

    @model_validator(mode="before")
    @classmethod
    def _read_word(cls, value: object) -> object:
        return {} if value == "holdout" else value

    @model_validator(mode="after")
    def _is_one(self) -> Self:
        if self.repeat is not None and self.kfold is not None:
            raise ValueError("is repeat or kfold, not both")
        return self


class FinalSpec(Section):
    """What happens to the best setting."""

    seeds: Annotated[tuple[Annotated[int, Field(ge=0)], ...], Field(min_length=1)] = Field(
        (1, 2, 3, 4, 5), description="One refit each. Other seeds than `search.seed`, whose luck chose the setting"
    )
    candidates: Count = Field(
        1,
        description="Refit so many of the best settings on all seeds and choose by mean dev score; the others never see test",
    )
    sizes: tuple[Percent, ...] = Field(
        (),
        description="Learning curve: the best setting is also refitted, on every seed, with so many percent of train, for example `[10, 25, 50, 100]`; the parts are nested, their weights are not kept",
    )
    train_with_dev: bool = Field(
        False,
        description="Refit on train and dev together, for the number of epochs that was best in the search; dev scores are then not reported. With `protocol.kfold`, `refit` does so anyway",
    )


class ExecuteSpec(Section):
    """Where and how jobs run. Nothing here changes what a study is."""

    kind: Literal["processes", "inline"] = Field(
        "processes", description="`processes`: warm worker processes; `inline`: in this process, for debugging"
    )
    workers: Literal["auto"] | Count = Field(
        "auto", description="Fits at a time; `auto`: one for each GPU, or as many as cores and memory carry"
    )
    threads: Literal["auto"] | Count = Field(
        "auto",
        description="CPU threads of one fit, fixed at the study's first start; `auto`: 1 when there are enough fits to fill the cores",
    )
    devices: Literal["auto", "cpu", "cuda"] | tuple[str, ...] = Field(
        "auto", description="`auto`, `cpu`, `cuda`, or a list such as `[cuda:0, cuda:1]`"
    )
    trial_timeout: Duration | None = Field(
        None,
        description="A trial, with all its fits, or a seed run that takes longer is ended and counts as failed; null: no limit",
    )
    hang_after: Duration = Field(
        120.0,
        description="A worker silent for longer than this, and than 20 times the slowest record so far, is replaced",
    )
    checkpoint_every: Duration | None = Field(
        60.0,
        description="A fit is written down at the end of an epoch when so much time has passed; one that is killed goes on from there, to the same scores. null: it begins anew",
    )
    frozen_cache: Annotated[float, Field(ge=0)] = Field(
        8.0,
        description="GiB of disk, in a study's own cache, for what layers that never learn make of the data; it is computed once and shared by all fits that freeze as much. 0: every fit computes it anew",
    )


class TrackSpec(Section):
    """Who else is told."""

    aim: Path | None = Field(
        Path("logs"), description="Folder of the Aim repository (`.aim` is made in it); null: no Aim runs"
    )
    tensorboard: bool = Field(
        False,
        description="TensorBoard event files, in `runs/` of each seed folder and in `OUTPUT/tensorboard/` for trials",
    )
    wandb: str | None = Field(
        None,
        description="Project of Weights & Biases that the runs are sent to, too; needs `pip install nertune[wandb]`. With WANDB_MODE=offline they stay in the folder `wandb` in `OUTPUT`",
    )


class StudySpec(Section):
    """A checked study file, frozen. Paths are absolute once `spec.load` has read it."""

    nertune: Literal[1] = Field(1, description="Version of this file's meaning")
    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=100)] = Field(
        description="Name of the study in records and folders; default: the file's name without its ending"
    )
    task: Literal["token", "sequence"] = Field(
        description="`token`: entities, a tag for each word; `sequence`: a class for each text"
    )
    data: DataSpec
    model: ModelSpec
    train: TrainSpec = TrainSpec()
    stages: tuple[StageSpec, ...] = Field(
        (),
        description="Stages of a fit, one after another, each with keys of its own; the best epoch is one of the last stage. Absent: one stage, as `train` says",
    )
    search: SearchSpec = SearchSpec()
    protocol: ProtocolSpec = ProtocolSpec()
    final: FinalSpec = FinalSpec()
    execute: ExecuteSpec = ExecuteSpec()
    output: Path = Field(
        description="Folder of the results; belongs to one study. Default: `runs/NAME` beside the study file"
    )
    storage: str = Field(
        "nertune.db",
        description="The record: a SQLite file, or a database URL as SQLAlchemy reads it. Default: beside the study file",
    )
    track: TrackSpec = TrackSpec()

    @model_validator(mode="after")
    def _needs_data(self) -> Self:
        if self.data.dir is None and self.data.train is None and self.data.hub is None:
            raise ValueError("data needs dir (a folder with train, dev and test files), or train and dev, or hub")
        return self

    @property
    def stage_settings(self) -> tuple[TrainSpec, ...]:
        """What each stage of a fit does; without `stages` there is one, as `train` says."""
        return tuple(stage.over(self.train) for stage in self.stages) or (self.train,)

    @property
    def total_epochs(self) -> int:
        """Passes over train in all stages of a fit."""
        return sum(settings.epochs for settings in self.stage_settings)


def sections() -> dict[str, type[BaseModel]]:
    """The sections of a study file by name: data, model, train, …"""
    return {
        name: field.annotation
        for name, field in StudySpec.model_fields.items()
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel)
    }
