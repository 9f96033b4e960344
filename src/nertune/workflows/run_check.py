"""`nertune check`: everything that can be known of a study without training it."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from nertune.data.audit import Summary
from nertune.execute.plan import Plan, available_memory, worker_memory
from nertune.execute.single import run_one
from nertune.protocols import plan_fits
from nertune.protocols.kfold import averages_folds
from nertune.search.sampler import Sampler, make_sampler
from nertune.spec.space import apply_point, dimensions, grid_points
from nertune.spec.study import StudySpec
from nertune.workflows.costs import final_costs, trial_cost
from nertune.workflows.opening import (
    MANY,
    look_at_model,
    open_executor,
    open_study,
    plan_for,
    preparing_job,
    tell_checkpoint,
)
from nertune.workflows.search_cells import cells_wanted
from nertune.workflows.session import identity_of, refuse_conflicts

START_S = 8.0  # imports and the first look at the model, on 2 cores
FOLDER_SPARE = 5 * 2**20  # bytes of a seed folder besides its weights: tokenizer, predictions


@dataclass(frozen=True)
class CheckResult:
    """What `check` found.

    warnings       what will work, but hardly as wanted
    cells          trials of the search; None when only its time limit ends it
    fits_of_trial  fits that a trial consists of
    fits           of the whole search; None when it is not known how many cells there will be
    final_fits     of best-and-train
    seconds        estimated for the whole search; None when it is not known how many cells there will be
    seed_seconds   estimated for best-and-train
    disk_bytes     what the seed folders will take
    """

    spec: StudySpec
    summary: Summary
    model: Mapping[str, Any]
    encoding: Mapping[str, Any]
    plan: Plan
    cells: int | None
    fits_of_trial: int
    fits: int | None
    final_fits: int
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
        tell_checkpoint(model, tell)
        job = preparing_job(opened, kind="prepare", folder=Path(folder), encoded=Path(folder), precision=None)
        told = run_one(executor, job.to_json(), log=Path(folder) / "log", what="preparing the data")
    examples = {split.name: split.examples for split in opened.summary.splits}
    trial = trial_cost(spec, told, examples=examples)
    finals = final_costs(spec, told, examples=examples)
    n_slots = len(plan.slots)
    n_models = len(spec.final.seeds) * (trial.n_fits if averages_folds(spec.protocol) else 1)
    disk = n_models * (model["n_parameters"] * 4 + FOLDER_SPARE)
    factor = _epochs_factor(spec, sampler)
    return CheckResult(
        spec=spec,
        summary=opened.summary,
        model=model,
        encoding=told,
        plan=plan,
        cells=cells,
        fits_of_trial=trial.n_fits,
        fits=None if cells is None else cells * trial.n_fits,
        final_fits=sum(cost.n_jobs * cost.n_fits for cost in finals),
        seconds=None if cells is None else START_S + replace(trial, n_jobs=cells).seconds_on(n_slots) * factor,
        seed_seconds=START_S + sum(cost.seconds_on(n_slots) for cost in finals),
        disk_bytes=disk,
        free_bytes=free_bytes(spec.output),
        memory_bytes=worker_memory(spec.model.base) * len(plan.slots),
        free_memory_bytes=available_memory(),
        warnings=tuple(_warnings(spec, disk=disk)),
    )


def free_bytes(folder: Path) -> int:
    """Free space where the folder is or will be."""
    while not folder.exists():
        folder = folder.parent
    return shutil.disk_usage(folder).free


def _epochs_factor(spec: StudySpec, sampler: Sampler) -> float:
    """Mean epochs of the cells over the epochs as written, when epochs are searched on a grid."""
    if sampler.size is None or not any(key.endswith(".epochs") for key in spec.search.space):
        return 1.0
    epochs = [apply_point(spec, point).total_epochs for point in grid_points(spec)]
    return sum(epochs) / len(epochs) / spec.total_epochs


def _warnings(spec: StudySpec, *, disk: int) -> list[str]:
    warnings = []
    searched = {fit.seed for fit in plan_fits(spec.protocol, seed=spec.search.seed)}
    for seed in sorted(searched & {*spec.final.seeds}):
        warnings.append(
            f"the search's seed {seed} is among final.seeds: that seed's luck chose the setting, "
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
