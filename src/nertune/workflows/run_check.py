"""`nertune check`: everything that can be known of a study without training it."""

from __future__ import annotations

import math
import os
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import chain, repeat
from pathlib import Path
from typing import Any

from nertune.data.audit import Summary
from nertune.errors import StoppedError
from nertune.execute.plan import Plan, available_memory, worker_memory
from nertune.execute.single import run_one
from nertune.protocols import plan_fits
from nertune.report.progress import makespan
from nertune.search.pruner import make_pruner
from nertune.search.sampler import make_sampler
from nertune.spec.space import apply_point, dimensions, size_of_space, some_points
from nertune.spec.study import StudySpec
from nertune.workflows.costs import MOST_POINTS, Costs, Forecast
from nertune.workflows.disk import Need, check_room, final_needs, free_bytes, room_text, search_needs
from nertune.workflows.opening import (
    MANY,
    look_at_model,
    measure,
    open_executor,
    plan_for,
    preparing_job,
    read_data,
    read_study,
    tell_checkpoint,
)
from nertune.workflows.search_cells import cells_wanted, early_rung_text, most_paused
from nertune.workflows.session import identity_of, refuse_conflicts

MEASURE_S = 20.0  # a check takes its time for the steps of every kind that the space has


@dataclass(frozen=True)
class CheckResult:
    """What `check` found.

    warnings       what will work, but hardly as wanted
    cells          trials of the search; None when only its time limit ends it
    fits_of_trial  fits that a trial consists of
    fits           of the whole search; None when it is not known how many cells there will be
    final_fits     of best-and-train
    seconds        estimated for the whole search; None when no step could be timed
    seed_seconds   estimated for best-and-train
    disk           what both will write besides the encoded data
    disk_bytes     all of it
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
    seed_seconds: float | None
    disk: tuple[Need, ...]
    disk_bytes: int
    free_bytes: int
    memory_bytes: float
    free_memory_bytes: int
    warnings: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        told = {key: value for key, value in vars(self).items() if key not in ("spec", "summary", "plan", "disk")}
        return {
            "study": self.spec.name,
            "task": self.spec.task,
            "data": self.summary.to_json(),
            **told,
            "disk": [
                {"what": need.what, "bytes": round(need.n_bytes), "folder": str(need.folder)} for need in self.disk
            ],
            "disk_text": room_text(self.disk),
            "slots": [asdict(slot) for slot in self.plan.slots],
        }


def check(
    study_file: Path, *, tell: Callable[[str], None], edits: Sequence[str] = (), workers: int | None = None
) -> CheckResult:
    """Look at study file, data (test included), model, tokenizer, disk and memory; change nothing.

    Raises  the problems as UserError, as many at once as can be
    """
    began = time.monotonic()
    written = read_study(study_file, edits=edits)
    n_jobs = size_of_space(written.spec) or MANY
    plan = plan_for(written, n_jobs=n_jobs, threads=written.facts.get("threads"), workers=workers)
    with open_executor(written.spec, plan) as executor, tempfile.TemporaryDirectory(prefix="nertune-") as folder:
        opened = read_data(written, splits=("train", "dev", "test"))
        spec = opened.spec
        refuse_conflicts(spec, identity=identity_of(spec, opened.corpus), to_write=False)
        cells = cells_wanted(spec, make_sampler(spec))
        tell("Looking at the model and timing a few steps …")
        model = look_at_model(executor, opened)
        tell_checkpoint(model, tell)
        job = preparing_job(opened, kind="prepare", folder=Path(folder), encoded=Path(folder), precision=None)
        told = run_one(executor, job.to_json(), log=Path(folder) / "log", what="preparing the data")
        start_s = time.monotonic() - began  # what a search does before its first trial, too
        log = Path(folder) / "log"
        timings = measure(executor, opened, told, encoded=Path(folder), log=log, limit_s=MEASURE_S)
    costs = Costs(spec, timings=timings, windows=told["windows"], pieces=told["pieces"])
    finals = costs.finals([apply_point(spec, point) for point in some_points(spec, most=MOST_POINTS)])
    n_fits = len(plan_fits(spec.protocol, seed=spec.search.seed))
    needs = search_needs(spec, costs, model=model, n_paused=most_paused(spec, cells, plan=plan))
    needs += final_needs(spec, costs, model=model)
    return CheckResult(
        spec=spec,
        summary=opened.summary,
        model=model,
        encoding=told,
        plan=plan,
        cells=cells,
        fits_of_trial=n_fits,
        fits=None if cells is None else cells * n_fits,
        final_fits=sum(cost.n_jobs * cost.n_fits for cost in finals),
        seconds=start_s + _search_seconds(costs, cells=cells, n_slots=len(plan.slots)) if timings else None,
        seed_seconds=start_s + sum(cost.seconds_on(len(plan.slots)) for cost in finals) if timings else None,
        disk=tuple(needs),
        disk_bytes=round(sum(need.n_bytes for need in needs)),
        free_bytes=free_bytes(spec.output),
        memory_bytes=worker_memory(spec.model.base) * len(plan.slots),
        free_memory_bytes=available_memory(),
        warnings=tuple(_warnings(spec, costs, needs=needs)),
    )


def _search_seconds(costs: Costs, *, cells: int | None, n_slots: int) -> float:
    """From the first trial to the end of the last."""
    limit = costs.spec.search.timeout
    pruner = make_pruner(costs.spec, total=cells)
    forecast = Forecast(costs, cells=(), total=cells, n_slots=n_slots, pruner=pruner)
    more = repeat(forecast.mean) if cells is None else ()
    until = math.inf if limit is None else limit
    return makespan(chain(forecast.to_come().values(), more), n_slots=n_slots, until=until)


def _warnings(spec: StudySpec, costs: Costs, *, needs: Sequence[Need]) -> list[str]:
    warnings = [text] if (text := early_rung_text(spec, costs)) else []
    searched = {fit.seed for fit in plan_fits(spec.protocol, seed=spec.search.seed)}
    for seed in sorted(searched & {*spec.final.seeds}):
        warnings.append(
            f"the search's seed {seed} is among final.seeds: that seed's luck chose the setting, "
            "so its score is too hopeful"
        )
    if len(spec.final.seeds) < 3:
        warnings.append("fewer than three final.seeds say little about the spread")
    try:
        check_room(needs)
    except StoppedError as error:
        warnings.append(error.message)
    if not os.access(_existing(spec.output), os.W_OK):
        warnings.append(f"{spec.output} cannot be written")
    if not dimensions(spec):
        warnings.append("search.space is empty: the search is a single fit of the values as written")
    return warnings


def _existing(folder: Path) -> Path:
    return folder if folder.exists() else _existing(folder.parent)
