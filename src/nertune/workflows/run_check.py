"""`nertune check`: everything that can be known of a study without training it."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from nertune.data.audit import Summary
from nertune.execute.plan import Plan, available_memory, worker_memory
from nertune.execute.single import run_one
from nertune.search.sampler import Sampler, make_sampler
from nertune.spec.space import dimensions, grid_points
from nertune.spec.study import StudySpec
from nertune.workflows.opening import MANY, look_at_model, open_executor, open_study, plan_for, preparing_job
from nertune.workflows.run_search import cells_wanted
from nertune.workflows.session import identity_of, refuse_conflicts

TRAIN_TO_EVALUATION = 3.0  # a training step does about three times the arithmetic of a forward pass
START_S = 8.0  # imports and the first look at the model, on 2 cores
FIT_S = 0.7  # a new model, the Trainer's set-up and the record, whatever the fit's length
FOLDER_SPARE = 5 * 2**20  # bytes of a seed folder besides its weights: tokenizer, predictions


@dataclass(frozen=True)
class CheckResult:
    """What `check` found.

    warnings    what will work, but hardly as wanted
    cells       fits of the search; None when only its time limit ends it
    seconds     estimated for the whole search; None when it is not known how many cells there will be
    disk_bytes  what the seed folders will take
    """

    spec: StudySpec
    summary: Summary
    model: Mapping[str, Any]
    encoding: Mapping[str, Any]
    plan: Plan
    cells: int | None
    seconds: float | None
    seed_seconds: float
    disk_bytes: int
    free_bytes: int
    memory_bytes: float
    free_memory_bytes: int
    warnings: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        told = {key: value for key, value in vars(self).items() if key not in ("spec", "summary", "plan")}
        return {
            "study": self.spec.name,
            "task": self.spec.task,
            "data": self.summary.to_json(),
            **told,
            "slots": [asdict(slot) for slot in self.plan.slots],
        }


def check(
    study_file: Path, *, tell: Callable[[str], None], edits: Sequence[str] = (), workers: int | None = None
) -> CheckResult:
    """Look at study file, data (test included), model, tokenizer, disk and memory; change nothing.

    Raises  the problems as UserError, as many at once as can be
    """
    opened = open_study(study_file, edits=edits, splits=("train", "dev", "test"))
    spec = opened.spec
    known = refuse_conflicts(spec, identity=identity_of(spec, opened.corpus), to_write=False)
    sampler = make_sampler(spec)
    cells = cells_wanted(spec, sampler)
    plan = plan_for(opened, n_jobs=sampler.size or MANY, facts=known.facts if known else None, workers=workers)
    tell("Looking at the model and timing a few steps …")
    with open_executor(spec, plan) as executor, tempfile.TemporaryDirectory(prefix="nertune-") as folder:
        model = look_at_model(executor, opened)
        job = preparing_job(opened, kind="prepare", folder=Path(folder), encoded=Path(folder), precision=None)
        told = run_one(executor, job.to_json(), log=Path(folder) / "log", what="preparing the data")
    examples = {split.name: split.examples for split in opened.summary.splits}
    per_fit = fit_seconds(spec, told, examples=examples)
    waves = None if cells is None else -(-cells // len(plan.slots))
    disk = len(spec.final.seeds) * (model["n_parameters"] * 4 + FOLDER_SPARE)
    return CheckResult(
        spec=spec,
        summary=opened.summary,
        model=model,
        encoding=told,
        plan=plan,
        cells=cells,
        seconds=None if waves is None else START_S + waves * per_fit * _epochs_factor(spec, sampler),
        seed_seconds=START_S + -(-len(spec.final.seeds) // len(plan.slots)) * per_fit,
        disk_bytes=disk,
        free_bytes=free_bytes(spec.output),
        memory_bytes=worker_memory(spec.model.base) * len(plan.slots),
        free_memory_bytes=available_memory(),
        warnings=tuple(_warnings(spec, disk=disk)),
    )


def fit_seconds(spec: StudySpec, told: Mapping[str, Any], *, examples: Mapping[str, int]) -> float:
    """Estimated seconds of one fit, from the timed step."""
    step: float = told["step_seconds"][told["precision"]]
    per_example = step / spec.train.batch_size
    work = examples["train"] + examples.get("dev", 0) / TRAIN_TO_EVALUATION
    return FIT_S + per_example * work * spec.train.epochs


def free_bytes(folder: Path) -> int:
    """Free space where the folder is or will be."""
    while not folder.exists():
        folder = folder.parent
    return shutil.disk_usage(folder).free


def _epochs_factor(spec: StudySpec, sampler: Sampler) -> float:
    """Mean epochs of the cells over the epochs as written, when epochs are searched on a grid."""
    if "train.epochs" not in spec.search.space or sampler.size is None:
        return 1.0
    epochs: list[int] = [point["train.epochs"] for point in grid_points(spec)]
    return sum(epochs) / len(epochs) / spec.train.epochs


def _warnings(spec: StudySpec, *, disk: int) -> list[str]:
    warnings = []
    if spec.search.seed in spec.final.seeds:
        warnings.append(
            f"search.seed {spec.search.seed} is among final.seeds: that seed's luck chose the setting, "
            "so its score is too hopeful"
        )
    if len(spec.final.seeds) < 3:
        warnings.append("fewer than three final.seeds say little about the spread")
    if disk > free_bytes(spec.output):
        warnings.append(f"the seed folders need about {disk / 2**30:.1f} GiB, {spec.output} has less")
    if not os.access(_existing(spec.output), os.W_OK):
        warnings.append(f"{spec.output} cannot be written")
    if not dimensions(spec):
        warnings.append("search.space is empty: the search is a single fit of the values as written")
    return warnings


def _existing(folder: Path) -> Path:
    return folder if folder.exists() else _existing(folder.parent)
