"""`nertune train`: one fit of a study's written values with one seed. No search, no record."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil

from nertune.errors import StudyConflictError, Where
from nertune.execute.executor import Executor
from nertune.execute.single import run_one
from nertune.report.tables import point_text
from nertune.report.text import epoch_text, score_text
from nertune.results.files import read_json, replace_folder
from nertune.results.layout import seed_folder_name
from nertune.results.records import without_nan
from nertune.results.seed_folders import PREFIXES
from nertune.signals import stopped_by_signals
from nertune.spec.load import load_study
from nertune.spec.space import apply_point, get_at
from nertune.spec.study import StudySpec
from nertune.trials.job import Job
from nertune.workflows.costs import Costs
from nertune.workflows.device import AUTO, find_device
from nertune.workflows.disk import check_room, train_needs
from nertune.workflows.opening import (
    Opened,
    device_batch,
    look_at_model,
    open_executor,
    open_study,
    plan_for,
    preparing_job,
    tell_checkpoint,
    tell_encoding,
    tell_findings,
)
from nertune.workflows.run_predict import say_nothing

FOLDER = "train"  # below OUTPUT
RESULTS = "all_results.json"
Tell = Callable[[str], None]


def train(
    study_file: str | Path,
    *,
    seed: int | None = None,
    output: Path | None = None,
    test: bool = False,
    device: str = AUTO,
    fresh: bool = False,
    edits: Sequence[str] = (),
    tell: Tell = say_nothing,
) -> dict[str, Any]:
    """Fit the values as they are written, keep the best epoch on dev, and save model, scores and predictions.

    seed    of the fit; None: the first of `final.seeds`
    output  the model's folder; None: one in OUTPUT/train, named as seed folders are
    test    score test, too. It is not opened otherwise: whoever looks at it while choosing has none any more
    device  cpu, cuda, cuda:1 or auto: as the study says
    fresh   move what lies in the folder to NAME@1, NAME@2, …
    tell    is told each epoch
    Returns the folder, scores by split and name, the best epoch
    Raises  UserError (nothing was started), NoScoreError when loss or gradient was not finite
    """
    began = time.monotonic()
    path, changes = Path(study_file), [*edits, *_edits_of(device)]
    written = load_study(path, edits=changes)
    _tell_left_aside(written, tell)
    splits = ("train", "dev", "test") if test else ("train", "dev")
    opened = open_study(path, edits=[*changes, "protocol=holdout"], splits=splits)
    tell_findings(opened, tell)
    opened = replace(opened, spec=apply_point(opened.spec, {}))
    chosen = opened.spec.final.seeds[0] if seed is None else seed
    if output is not None:
        _refuse_filled(output, fresh=fresh)
    plan = plan_for(opened, n_jobs=1, workers=1)
    with stopped_by_signals("nothing is kept of this fit"), open_executor(opened.spec, plan) as executor:
        facts = look_at_model(executor, opened)
        tell_checkpoint(facts, tell)
        target = (output or _usual_folder(opened.spec, facts, seed=chosen)).absolute()
        _refuse_filled(target, fresh=fresh)
        fit = _fit(executor, opened, facts, seed=chosen, target=target, tell=tell)
    return _told(fit, target=target, seed=chosen, seconds=time.monotonic() - began)


# ---- what is trained


def _edits_of(device: str) -> list[str]:
    """The device as the study would say it; `auto` leaves what it says."""
    if device == AUTO:
        return []
    found = find_device(device)
    return [f"execute.devices={found if found == 'cpu' else f'[{found}]'}"]


def _tell_left_aside(spec: StudySpec, tell: Tell) -> None:
    """That the space and the protocol do not count, and which values do."""
    if spec.search.space:
        tree = spec.model_dump(mode="json")
        values = {key: get_at(tree, key) for key in spec.search.space}
        tell(f"search.space is left aside; the values are those written: {point_text(values)}")
    if spec.protocol.repeat is not None or spec.protocol.kfold is not None:
        tell("protocol is left aside: one fit on train, scored on dev")


def _usual_folder(spec: StudySpec, facts: Mapping[str, Any], *, seed: int) -> Path:
    name = seed_folder_name(spec, model_type=facts["model_type"], seed=seed, point={}, point_id="")
    return spec.output / FOLDER / name


def _refuse_filled(folder: Path, *, fresh: bool) -> None:
    """Raise StudyConflictError for a folder in which something lies, unless it is to be moved aside at the end."""
    if fresh and folder.is_dir():
        return
    if folder.exists() and (folder.is_file() or any(folder.iterdir())):
        what = "a file of this name is there" if folder.is_file() else "the folder is not empty"
        fix = "Name another --output, or add --fresh: the old one is kept under a name with @1"
        raise StudyConflictError(what, where=Where(folder), fix=fix)


# ---- the fit


def _fit(
    executor: Executor, opened: Opened, model: Mapping[str, Any], *, seed: int, target: Path, tell: Tell
) -> dict[str, Any]:
    """Encode, fit, score, and move the finished folder to its place; what was left of it before is gone."""
    work = _work_folder(target)
    log = target.with_name(f"{target.name}.log")
    try:
        folder, encoded = work / "model", work / "encoded"
        folder.mkdir(parents=True)
        preparing = preparing_job(opened, kind="prepare", folder=folder, encoded=encoded, precision=None)
        told = run_one(executor, preparing.to_json(), log=log, what="preparing the data")
        tell_encoding({**told, "changed_hooks": ()}, tell)
        tell(_plan_text(opened.spec, executor, precision=told["precision"], seed=seed))
        costs = Costs(opened.spec, timings=(), windows=told["windows"], pieces=told["pieces"])
        tell(f"{opened.spec.name}: {check_room(train_needs(target, costs, model=model))}")
        job = _job(opened, told, seed=seed, folder=folder, encoded=encoded, target=target, executor=executor)
        epochs = _Epochs(opened.spec, tell)
        outcome = run_one(executor, job.to_json(), log=log, what="the fit", hear=epochs.hear)
        _set_aside(target)
        replace_folder(folder, target)
        log.unlink(missing_ok=True)
        return outcome
    finally:
        shutil.rmtree(work, ignore_errors=True)
        if log.is_file() and not log.stat().st_size:
            log.unlink()


def _job(
    opened: Opened,
    told: Mapping[str, Any],
    *,
    seed: int,
    folder: Path,
    encoded: Path,
    target: Path,
    executor: Executor,
) -> Job:
    preparing = preparing_job(opened, kind="seed", folder=folder, encoded=encoded, precision=told["precision"])
    return replace(
        preparing,
        seed=seed,
        device_batch_size=device_batch(opened.spec, facts=told, executor=executor),
        target=str(target),
        tensorboard=opened.spec.track.tensorboard,
    )


def _plan_text(spec: StudySpec, executor: Executor, *, precision: str, seed: int) -> str:
    slot = executor.slots[0]
    threads = f"{slot.threads} thread{'s' * (slot.threads > 1)}"
    return f"{spec.name}: one fit on {slot.device} ({threads}, {precision}), seed {seed}"


class _Epochs:
    """Tells the dev score of each evaluation."""

    def __init__(self, spec: StudySpec, tell: Tell) -> None:
        self._objective, self._epochs, self._tell = spec.search.objective, spec.total_epochs, tell
        self._has_stages = bool(spec.stages)

    def hear(self, record: Mapping[str, Any]) -> None:
        if record.get("split") == "dev":
            total = "" if self._has_stages else f"/{self._epochs}"
            values = record["values"]
            score = f"dev {self._objective} {score_text(values.get(self._objective))}"
            loss = "" if self._objective == "loss" else f"  dev loss {score_text(values.get('loss'))}"
            self._tell(f"epoch {epoch_text(record['epoch'])}{total}  {score}{loss}")


def _work_folder(target: Path) -> Path:
    """A folder beside the target to work in; those of processes that are gone are removed."""
    for left in target.parent.glob(f".{target.name}.*.part"):
        pid = left.name.split(".")[-2]
        if not (pid.isdecimal() and psutil.pid_exists(int(pid))):
            shutil.rmtree(left, ignore_errors=True)
    return target.with_name(f".{target.name}.{os.getpid()}.part")


def _set_aside(folder: Path) -> None:
    """Move a folder in which something lies to NAME@1, NAME@2, …"""
    if not folder.is_dir() or not any(folder.iterdir()):
        return
    number = 1
    while (aside := folder.with_name(f"{folder.name}@{number}")).exists():
        number += 1
    folder.rename(aside)


# ---- what is told


def _told(outcome: Mapping[str, Any], *, target: Path, seed: int, seconds: float) -> dict[str, Any]:
    results = read_json(target / RESULTS)
    told: dict[str, Any] = without_nan(
        {
            "folder": str(target),
            "seed": seed,
            "best_epoch": outcome["best_epoch"],
            "scores": {split: dict(found["overall"]) for split, found in outcome["scores"].items()},
            "labels": {
                split: results[f"{prefix}_labels"] for split, prefix in PREFIXES.items() if split in outcome["scores"]
            },
            "seconds": round(seconds, 3),
        }
    )
    return told
