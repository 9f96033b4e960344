"""What a worker does with a job."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from functools import partial
from importlib.metadata import version
from typing import Any

import torch

import nertune.models.listing  # noqa: F401  # before transformers is imported
from nertune.models.build import build_model, load_saved, position_limit
from nertune.models.heads.head import Head
from nertune.protocols.kfold import averages_folds
from nertune.results.files import read_json
from nertune.results.records import SplitScores
from nertune.spec.model_section import CRF
from nertune.spec.space import apply_point
from nertune.spec.study import StudySpec
from nertune.tasks.encoded import EncodedSplit
from nertune.tasks.windows import find_frame
from nertune.train.breaks import PAUSED
from nertune.train.checkpoints import save_model
from nertune.train.optim import Precision
from nertune.train.predict import predict
from nertune.train.probe import choose_precision, time_step, time_work
from nertune.train.recipe import check_recipe, count_learning
from nertune.trials.average import fit_folds, score_folds
from nertune.trials.fits import PULSE, Line, Place, Pulse, fixed_precision, run_fit, run_fits, with_device_batch
from nertune.trials.job import Job, device_batch_size
from nertune.trials.outputs import results_of_fit, write_environment, write_results, write_spec
from nertune.trials.scoring import Results, keep_split
from nertune.trials.splits import Loaded, Splits, learned_split, load_model, open_splits

VERSIONED = ("nertune", "torch", "transformers", "tokenizers", "accelerate", "optuna", "numpy")


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
    model = build_model(loaded.base, seed=job.seed)
    n_learning = 0
    for spec in _recipes(job.study):
        check_recipe(model, base=loaded.base, spec=spec)
        n_learning = max(n_learning, count_learning(model, base=loaded.base, spec=spec))
    return {
        "model_type": loaded.base.config.model_type,
        "n_parameters": model.num_parameters(),
        "n_learning": n_learning,
        "checkpoint": None if loaded.base.taken is None else str(loaded.base.taken),
        "tokenizer": type(loaded.tokenizer).__name__,
        "n_pieces": len(loaded.tokenizer),
        "max_pieces": frame.length,
        "n_labels": sum(len(head.labels) for head in loaded.base.heads),
        "heads": [_told(head) for head in loaded.base.heads],
    }


def _told(head: Head) -> dict[str, Any]:
    kind = f"{head.options.head} + crf" if head.options.crf and head.options.head != CRF else head.options.head
    return {"name": head.name, "kind": kind, "problem": head.problem, "n_labels": len(head.labels)}


def prepare(job: Job, line: Line, place: Place) -> dict[str, Any]:
    """Encode the splits into the cache; find the precision and the time of a step, unless they are fixed already."""
    loaded = load_model(job)
    splits = open_splits(job, loaded)
    line.tell(PULSE)
    train = learned_split(job, splits)
    pieces_per_window = float(train.windows.lengths.mean())
    precision, seconds = _precision(job, loaded, train, place, pieces_per_window=pieces_per_window)
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


def measure(job: Job, line: Line, place: Place) -> dict[str, Any]:
    """What the fits of a point take on this slot, as it is while the others are as busy."""
    loaded = load_model(job)
    splits = open_splits(job, loaded)
    line.tell(PULSE)
    train, spec = learned_split(job, splits), with_device_batch(job.study, job.device_batch_size)
    times = time_work(
        loaded.base,
        train=train,
        dev=splits.get("dev", train),
        spec=spec,
        precision=fixed_precision(job),
        device=place.device,
    )
    return asdict(times)


def trial(job: Job, line: Line, place: Place) -> dict[str, Any]:
    """The fits of a point, scored on dev at their best epochs."""
    loaded = load_model(job)
    keep = partial(save_model, tokenizer=loaded.tokenizer, folder=job.model_path) if job.saves_model else None
    record = run_fits(job, loaded.base, open_splits(job, loaded), line, place, keep=keep)
    outcome = _outcome(record.best_epoch, record.best_step, record.scores)
    return {**outcome, "paused": record.stopped == PAUSED}


def seed(job: Job, line: Line, place: Place) -> dict[str, Any]:
    """One fit that is kept, or kept weights, with scores and predictions of the weights as they are saved, in fp32."""
    began = time.monotonic()
    loaded = load_model(job)
    splits = open_splits(job, loaded)
    has_folds = averages_folds(job.study.protocol)
    fit_new, score_saved = (fit_folds, score_folds) if has_folds else (_new_fit, _score_saved)
    results = _kept_fit(job) if job.weights else fit_new(job, loaded, splits, line, place)
    scores = score_saved(job, splits, results, line, place)
    fit_facts = results.pop("fit")
    seconds = time.monotonic() - began
    write_spec(job)
    write_environment(job, fit=fit_facts, threads=place.threads, device=place.device, seconds=seconds)
    shutil.rmtree(job.checkpoint_path, ignore_errors=True)
    if not job.keeps_weights:
        shutil.rmtree(job.model_path)
    write_results(job.path, {**results, "all": _merged(results)})
    return _outcome(fit_facts["best_epoch"], fit_facts["best_step"], scores)


JOBS: Mapping[str, Callable[[Job, Line, Place], dict[str, Any]]] = {
    "look": look,
    "prepare": prepare,
    "measure": measure,
    "trial": trial,
    "seed": seed,
}


def _recipes(spec: StudySpec) -> Iterator[StudySpec]:
    """The study as written, and with each searched head and value of `train` and `stages`; of a range, both ends."""
    yield spec
    for key, raw in spec.search.space.items():
        if key.startswith(("train.", "stages.", "model.head")):
            values = raw if isinstance(raw, list) else [raw["low"], raw["high"]]
            yield from (apply_point(spec, {key: value}) for value in values)


def _precision(
    job: Job, loaded: Loaded, train: EncodedSplit, place: Place, *, pieces_per_window: float
) -> tuple[str, dict[str, float]]:
    if job.precision is not None:
        return job.precision, {}
    spec = job.study

    def time_in(precision: Precision) -> float:
        at_once = device_batch_size(
            spec.train,
            precision=precision,
            pieces_per_window=pieces_per_window,
            device=place.device,
            threads=place.threads,
        )
        own = with_device_batch(spec, at_once)
        return time_step(loaded.base, train=train, spec=own, precision=precision, device=place.device)

    if spec.train.precision == "auto":
        return choose_precision(time_in, device=place.device)
    return spec.train.precision, {spec.train.precision: time_in(spec.train.precision)}


def _new_fit(job: Job, loaded: Loaded, splits: Splits, line: Line, place: Place) -> Results:
    train = learned_split(job, splits)
    dev = splits["dev"] if job.stop_after_epoch is None else None
    record, model = run_fit(job, loaded.base, line, place, train=train, dev=dev)
    save_model(model, tokenizer=loaded.tokenizer, folder=job.model_path)
    return {
        "train": results_of_fit(record, n_samples=train.n_examples),
        "fit": {"best_epoch": record.best_epoch, "best_step": record.best_step, "stopped": record.stopped},
    }


def _kept_fit(job: Job) -> Results:
    """A fit that was made before, by the choosing or for another test file: its files, which get their scores now."""
    assert job.weights is not None
    shutil.copytree(job.weights, job.path, dirs_exist_ok=True)
    known = read_json(job.path / "environment.json")["fit"]
    facts = {name: known[name] for name in ("best_epoch", "best_step", "stopped")}
    return {"train": read_json(job.path / "train_results.json"), "fit": facts}


def _score_saved(job: Job, splits: Splits, results: Results, line: Line, place: Place) -> dict[str, SplitScores]:
    """Scores and prediction files of dev and test, from the weights on disk; adds to the results."""
    saved = load_saved(str(job.model_path))
    model = build_model(saved, seed=job.seed)
    scores: dict[str, SplitScores] = {}
    for name in ("dev", "test"):
        if name not in splits or (name == "dev" and job.stop_after_epoch is not None):
            continue
        predictions = predict(model, splits[name], device=place.device, precision="fp32", pulse=Pulse(line))
        scores[name] = keep_split(job, predictions, split=splits[name], name=name, results=results, line=line)
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
