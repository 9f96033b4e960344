"""The fits of a job: the only one, or those of a point under the protocol, one after another."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

from nertune.models.build import Base
from nertune.protocols import plan_fits
from nertune.protocols.planned import PlannedFit
from nertune.protocols.reduce import TrialRecord, mean_scores, reduce_fits
from nertune.results.records import FitRecord, StepRecord, split_of_fit
from nertune.spec.study import StudySpec
from nertune.tasks.encoded import EncodedSplit
from nertune.train.breaks import PAUSED, Breaks, part_of
from nertune.train.fit import NonFiniteError, fit
from nertune.train.optim import Precision
from nertune.trials.job import Job
from nertune.trials.passed import key_of, read_fits, write_fits
from nertune.trials.splits import Splits, fold_splits, learned_split

FILE = "fit.pt"  # of a fit's checkpoint, in the folder of that name
PULSE_EVERY_S = 5.0
PULSE = {"pulse": True}


class Line(Protocol):
    """A job's line to the coordinator."""

    def tell(self, record: dict[str, Any]) -> None: ...

    def ask(self, record: dict[str, Any]) -> str: ...


class Place(Protocol):
    """Where a job runs."""

    @property
    def device(self) -> str: ...

    @property
    def threads(self) -> int: ...


def run_fits(
    job: Job, base: Base, splits: Splits, line: Line, place: Place, *, keep: Callable[[Any], None] | None = None
) -> TrialRecord:
    """What the fits of a point come to; a verdict on those that are over ends the others.

    keep  is given the model of the only fit, if that ran to its end

    Fits that an earlier attempt has done are not done again.
    Raises  NonFiniteError, with the fit named
    """
    planned = plan_fits(job.study.protocol, seed=job.seed)
    n_wanted = part_of(len(planned), job.pause_after)  # None: all
    records = read_fits(job, precision=fixed_precision(job), device=place.device)[:n_wanted]
    for one in planned[len(records) : n_wanted]:
        record, model = run_planned(job, base, splits, line, place, planned=one)
        records.append(record)
        if one.number is None:
            if keep is not None and record.stopped in (None, "patience"):
                keep(model)
            break
        write_fits(job, records, precision=fixed_precision(job), device=place.device)
        if line.ask(_so_far(records).to_json()) == "stop":
            return reduce_fits(planned, records)
    if n_wanted is not None:
        records[-1] = replace(records[-1], stopped=PAUSED)
    return reduce_fits(planned, records)


def run_planned(
    job: Job, base: Base, splits: Splits, line: Line, place: Place, *, planned: PlannedFit
) -> tuple[FitRecord, Any]:
    """One fit of a point and its model; of several, its records bear its number."""
    if planned.fold is None:
        train, dev = learned_split(job, splits), splits["dev"]
    else:
        train, dev = fold_splits(job, splits, fold=planned.fold)
    if planned.number is None:
        return run_fit(job, base, line, place, train=train, dev=dev)
    try:
        return run_fit(job, base, FitLine(line, planned.number), place, train=train, dev=dev, planned=planned)
    except NonFiniteError as error:
        error.message = f"{planned.kind} {planned.number}: {error.message}"
        raise


def run_fit(
    job: Job,
    base: Base,
    line: Line,
    place: Place,
    *,
    train: EncodedSplit,
    dev: EncodedSplit | None,
    planned: PlannedFit | None = None,
) -> tuple[FitRecord, Any]:
    """A fit of the job's point, with the job's seed unless the plan says another."""
    planned = planned or PlannedFit(job.seed)
    breaks = _breaks(job, planned, place)
    record, model = fit(
        base,
        train=train,
        dev=dev,
        spec=with_device_batch(job.study, job.device_batch_size),
        seed=planned.seed,
        device=place.device,
        precision=fixed_precision(job),
        folder=job.path / planned.name,
        tell=lambda record: line.tell(record.to_json()),
        ask=lambda record: line.ask(record.to_json()),
        pulse=Pulse(line),
        stop_after_epoch=job.stop_after_epoch,
        tensorboard=job.tensorboard,
        breaks=breaks,
    )
    if record.stopped != PAUSED:
        breaks.file.unlink(missing_ok=True)
    return record, model


def _breaks(job: Job, planned: PlannedFit, place: Place) -> Breaks:
    """Several fits of a trial pause between one and the next. A callback of the user's knows nothing of checkpoints."""
    inside = Path(planned.name) / FILE
    return Breaks(
        file=job.checkpoint_path / inside,
        found=None if job.resume is None else Path(job.resume) / inside,
        key=key_of(job, planned.to_json(), precision=fixed_precision(job), device=place.device),
        pause_after=job.pause_after if planned.number is None else None,
        every_s=None if job.study.train.callbacks else job.checkpoint_every,
    )


class FitLine:
    """The line of one of several fits. Its verdicts are not heeded: points are judged by whole fits."""

    def __init__(self, line: Line, number: int) -> None:
        self._line, self._number = line, number

    def tell(self, record: dict[str, Any]) -> None:
        self._line.tell(record if record == PULSE else self._numbered(record))

    def ask(self, record: dict[str, Any]) -> str:
        self._line.ask(self._numbered(record))
        return "continue"

    def _numbered(self, record: dict[str, Any]) -> dict[str, Any]:
        return {**record, "split": split_of_fit(record["split"], self._number)}


class Pulse:
    """Says now and then that the job is alive, however long an epoch or an evaluation takes."""

    def __init__(self, line: Line) -> None:
        self._line = line
        self._last = time.monotonic()

    def __call__(self) -> None:
        now = time.monotonic()
        if now - self._last > PULSE_EVERY_S:
            self._last = now
            self._line.tell(PULSE)


def with_device_batch(spec: StudySpec, size: int | None) -> StudySpec:
    """The point with the device batch that the coordinator, or this device, asks for."""
    return spec.model_copy(update={"train": spec.train.model_copy(update={"device_batch_size": size})})


def fixed_precision(job: Job) -> Precision:
    return "bf16" if job.precision == "bf16" else "fp32"


def _so_far(records: list[FitRecord]) -> StepRecord:
    """The mean of the fits that are over, as a step of the point's own curve."""
    return StepRecord(
        step=sum(record.steps for record in records),
        epoch=sum(record.epochs for record in records),
        split="dev",
        values=mean_scores([record.dev for record in records if record.dev is not None]).overall,
    )
