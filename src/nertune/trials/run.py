"""What a worker does with a job."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from importlib.metadata import version
from typing import Any, Protocol

import torch

from nertune.models.build import build_model, load_base, position_limit
from nertune.results.files import read_json
from nertune.results.records import FitRecord, SplitScores, StepRecord
from nertune.spec.study import ModelSpec, StudySpec
from nertune.tasks.encoded import EncodedSplit
from nertune.tasks.windows import find_frame
from nertune.train.checkpoints import save_model
from nertune.train.fit import fit
from nertune.train.optim import Precision
from nertune.train.predict import predict, score_predictions
from nertune.train.probe import choose_precision, time_step
from nertune.trials.job import Job, device_batch_size
from nertune.trials.outputs import (
    results_of_fit,
    results_of_split,
    write_environment,
    write_predictions,
    write_results,
    write_spec,
)
from nertune.trials.splits import BOTH, Loaded, load_model, open_splits

PULSE_EVERY_S = 5.0
VERSIONED = ("nertune", "torch", "transformers", "tokenizers", "accelerate", "optuna", "numpy")


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


def prepare_worker(place: Place) -> None:
    """Once in each worker: the threads of its slot."""
    torch.set_num_threads(place.threads)


def run_job(told: dict[str, Any], line: Line, place: Place) -> dict[str, Any]:
    """Do a job and give its outcome; a worker's one entrance."""
    job = Job.from_json(told)
    return JOBS[job.kind](job, line, place)


def look(job: Job, line: Line, place: Place) -> dict[str, Any]:
    """What the model and tokenizer are; nothing is encoded or written."""
    del line, place
    loaded = load_model(job)
    frame = find_frame(loaded.tokenizer, train=job.study.train, position_limit=position_limit(loaded.base))
    return {
        "model_type": loaded.base.config.model_type,
        "n_parameters": build_model(loaded.base, seed=job.seed).num_parameters(),
        "tokenizer": type(loaded.tokenizer).__name__,
        "n_pieces": len(loaded.tokenizer),
        "max_pieces": frame.length,
        "n_labels": len(loaded.label_names),
    }


def prepare(job: Job, line: Line, place: Place) -> dict[str, Any]:
    """Encode the splits into the cache; find the precision and the time of a step, unless they are fixed already."""
    loaded = load_model(job)
    splits = open_splits(job, loaded)
    line.tell(PULSE)
    pieces_per_window = float(splits["train"].windows.lengths.mean())
    precision, seconds = _precision(job, loaded, splits["train"], place, pieces_per_window=pieces_per_window)
    return {
        "model_type": loaded.base.config.model_type,
        "precision": precision,
        "step_seconds": seconds,
        "counts": {name: dict(split.counts) for name, split in splits.items()},
        "windows": {name: len(split.windows) for name, split in splits.items()},
        "pieces": {name: int(split.windows.lengths.sum()) for name, split in splits.items()},
        "pieces_per_window": pieces_per_window,
        "versions": {name: version(name) for name in VERSIONED},
    }


def trial(job: Job, line: Line, place: Place) -> dict[str, Any]:
    """One fit on train, scored on dev at its best epoch."""
    loaded = load_model(job)
    splits = open_splits(job, loaded)
    record, _ = _fit(job, loaded, splits, line, place)
    assert record.dev is not None
    return _outcome(record.best_epoch, record.best_step, {"dev": record.dev})


def seed(job: Job, line: Line, place: Place) -> dict[str, Any]:
    """One fit that is kept, or kept weights, with scores and predictions of the weights as they are saved, in fp32."""
    began = time.monotonic()
    loaded = load_model(job)
    splits = open_splits(job, loaded)
    results = _kept_fit(job) if job.weights else _new_fit(job, loaded, splits, line, place)
    scores = _score_saved(job, splits, results, line, place)
    fit_facts = results.pop("fit")
    seconds = time.monotonic() - began
    write_spec(job)
    write_environment(job, fit=fit_facts, threads=place.threads, device=place.device, seconds=seconds)
    write_results(job.path, {**results, "all": _merged(results)})
    return _outcome(fit_facts["best_epoch"], fit_facts["best_step"], scores)


JOBS: Mapping[str, Callable[[Job, Line, Place], dict[str, Any]]] = {
    "look": look,
    "prepare": prepare,
    "trial": trial,
    "seed": seed,
}
PULSE = {"pulse": True}


def _precision(
    job: Job, loaded: Loaded, train: EncodedSplit, place: Place, *, pieces_per_window: float
) -> tuple[str, dict[str, float]]:
    if job.precision is not None:
        return job.precision, {}
    at_once = device_batch_size(
        job.study.train, pieces_per_window=pieces_per_window, device=place.device, threads=place.threads
    )
    spec = _with_device_batch(job.study, at_once)
    if spec.train.precision == "auto":
        return choose_precision(loaded.base, train=train, spec=spec, device=place.device)
    precision: Precision = spec.train.precision
    seconds = time_step(loaded.base, train=train, spec=spec, precision=precision, device=place.device)
    return precision, {precision: seconds}


def _fit(
    job: Job, loaded: Loaded, splits: Mapping[str, EncodedSplit], line: Line, place: Place
) -> tuple[FitRecord, Any]:
    with_dev = job.stop_after_epoch is not None
    return fit(
        loaded.base,
        train=splits[BOTH if with_dev else "train"],
        dev=None if with_dev else splits["dev"],
        spec=_with_device_batch(job.study, job.device_batch_size),
        seed=job.seed,
        device=place.device,
        precision=_fixed_precision(job),
        folder=job.path,
        tell=lambda record: line.tell(record.to_json()),
        ask=lambda record: line.ask(record.to_json()),
        pulse=Pulse(line),
        stop_after_epoch=job.stop_after_epoch,
        tensorboard=job.tensorboard,
    )


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


def _with_device_batch(spec: StudySpec, size: int | None) -> StudySpec:
    """The point with the device batch that the coordinator, or this device, asks for."""
    return spec.model_copy(update={"train": spec.train.model_copy(update={"device_batch_size": size})})


def _fixed_precision(job: Job) -> Precision:
    return "bf16" if job.precision == "bf16" else "fp32"


def _new_fit(
    job: Job, loaded: Loaded, splits: Mapping[str, EncodedSplit], line: Line, place: Place
) -> dict[str, dict[str, Any]]:
    record, model = _fit(job, loaded, splits, line, place)
    save_model(model, tokenizer=loaded.tokenizer, folder=job.path)
    n_samples = splits[BOTH if job.stop_after_epoch is not None else "train"].n_examples
    return {
        "train": results_of_fit(record, n_samples=n_samples),
        "fit": {"best_epoch": record.best_epoch, "best_step": record.best_step, "stopped": record.stopped},
    }


def _kept_fit(job: Job) -> dict[str, dict[str, Any]]:
    """A fit that was made before, by the choosing or for another test file: its files, which get their scores now."""
    assert job.weights is not None
    shutil.copytree(job.weights, job.path, dirs_exist_ok=True)
    known = read_json(job.path / "environment.json")["fit"]
    facts = {name: known[name] for name in ("best_epoch", "best_step", "stopped")}
    return {"train": read_json(job.path / "train_results.json"), "fit": facts}


def _score_saved(
    job: Job, splits: Mapping[str, EncodedSplit], results: dict[str, dict[str, Any]], line: Line, place: Place
) -> dict[str, SplitScores]:
    """Scores and prediction files of dev and test, from the weights on disk; adds to the results."""
    spec = job.study
    labels = splits["train"].labels
    model_spec = ModelSpec(base=str(job.path), head=spec.model.head, problem=spec.model.problem)
    saved = load_base(model_spec, task=spec.task, labels=labels)
    model = build_model(saved, seed=job.seed)
    scores: dict[str, SplitScores] = {}
    for name, prefix in (("dev", "eval"), ("test", "test")):
        if name not in splits or (name == "dev" and job.stop_after_epoch is not None):
            continue
        predictions = predict(
            model, splits[name], device=place.device, precision="fp32", head=saved.head, pulse=Pulse(line)
        )
        scores[name] = score_predictions(predictions, encoded=splits[name], data=spec.data)
        results[prefix] = results_of_split(
            scores[name],
            prefix=prefix,
            epoch=results["fit"]["best_epoch"],
            runtime_s=predictions.runtime_s,
            n_samples=splits[name].n_examples,
        )
        write_predictions(job.path, predictions, split=splits[name], prefix=prefix, study=spec.name)
        record = StepRecord(results["fit"]["best_step"], results["fit"]["best_epoch"], name, scores[name].overall)
        if name == "test":
            line.tell(record.to_json())
    return scores


def _merged(results: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """all_results.json: train's, dev's and test's in one."""
    return {key: value for part in ("train", "eval", "test") if part in results for key, value in results[part].items()}


def _outcome(best_epoch: float, best_step: int, scores: Mapping[str, SplitScores]) -> dict[str, Any]:
    return {
        "best_epoch": best_epoch,
        "best_step": best_step,
        "scores": {split: asdict(found) for split, found in scores.items()},
    }
