"""A seed run with `protocol: {kfold: …, final: average}`: a model for each fold, whose probabilities are averaged."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from nertune.models.build import build_model, load_saved
from nertune.models.heads.head import Head
from nertune.models.losses import IGNORED
from nertune.protocols import plan_fits
from nertune.protocols.planned import PlannedFit
from nertune.protocols.reduce import reduce_fits
from nertune.results.records import FitRecord, SplitScores, split_of_fit
from nertune.tasks.encoded import EncodedSplit, Ints
from nertune.tasks.predictions import Outputs
from nertune.train.checkpoints import save_model
from nertune.train.deciding import average_heads, average_outputs
from nertune.train.predict import infer, read_outputs, score_predictions
from nertune.trials.fits import Line, Place, Pulse, run_planned
from nertune.trials.job import Job
from nertune.trials.outputs import results_of_fit, write_spec
from nertune.trials.scoring import Results, keep_split
from nertune.trials.splits import Loaded, Splits, fold_splits, folds_of, learned_name


@dataclass(frozen=True, eq=False)
class Said:
    """What the model of one fold says, by the names of its heads.

    dev    of the examples that it did not learn from; `split` are they
    test   None where the job has no test
    """

    heads: tuple[Head, ...]
    split: EncodedSplit
    dev: Mapping[str, Outputs]
    test: Mapping[str, Outputs] | None


def fit_folds(job: Job, loaded: Loaded, splits: Splits, line: Line, place: Place) -> Results:
    """Fit and save a model for each fold, in folders of their own: fold-1, fold-2, …"""
    planned = plan_fits(job.study.protocol, seed=job.seed)
    records: list[FitRecord] = []
    results: list[Mapping[str, Any]] = []
    for one in planned:
        record, model = run_planned(job, loaded.base, splits, line, place, planned=one)
        save_model(model, tokenizer=loaded.tokenizer, folder=job.model_path / one.name)
        write_spec(job, inside=one.name)
        records.append(record)
        results.append(results_of_fit(record, n_samples=_n_learned(job, splits, one)))
    trial = reduce_fits(planned, records)
    fit = {"best_epoch": trial.best_epoch, "best_step": trial.best_step, "stopped": None}
    return {"train": _results_together(results), "fit": fit}


def score_folds(job: Job, splits: Splits, results: Results, line: Line, place: Place) -> dict[str, SplitScores]:
    """Scores and prediction files from the weights on disk, in fp32; adds to the results.

    Dev is train (with dev) out of fold: each example as the model says that did not learn from it. Its scores are of
    all these predictions together; those of each fold by itself are `dev_1`, `dev_2`, …
    Test is what the averaged probabilities say.
    """
    said = [_infer_fold(job, splits, line, place, planned=one) for one in plan_fits(job.study.protocol, seed=job.seed)]
    heads = average_heads([one.heads for one in said])
    whole = splits[learned_name(job)]
    dev = read_outputs(_out_of_fold(said, whole=whole, folds=folds_of(job, whole)), encoded=whole, heads=heads)
    scores = {"dev": keep_split(job, dev, split=whole, name="dev", results=results, line=line)}
    folds = {number: _score_fold(job, one) for number, one in enumerate(said, start=1)}
    results["eval"]["eval_folds"] = {str(number): dict(found.overall) for number, found in folds.items()}
    if "test" in splits:
        parts = [one.test for one in said if one.test is not None]
        outputs = average_outputs(parts, heads=heads, encoded=splits["test"])
        test = read_outputs(outputs, encoded=splits["test"], heads=heads)
        scores["test"] = keep_split(job, test, split=splits["test"], name="test", results=results, line=line)
    return scores | {split_of_fit("dev", number): found for number, found in folds.items()}


def _n_learned(job: Job, splits: Splits, planned: PlannedFit) -> int:
    assert planned.fold is not None
    return fold_splits(job, splits, fold=planned.fold)[0].n_examples


def _results_together(results: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """train_results.json of several fits: the sum of their times, the means of all else."""
    means = {name: statistics.fmean(one[name] for one in results) for name in results[0]}
    total_s = sum(one["train_runtime"] for one in results)
    return {**means, "train_runtime": total_s, "train_samples": round(means["train_samples"])}


def _infer_fold(job: Job, splits: Splits, line: Line, place: Place, *, planned: PlannedFit) -> Said:
    assert planned.fold is not None
    base = load_saved(str(job.model_path / planned.name))
    model = build_model(base, seed=job.seed)
    _, dev = fold_splits(job, splits, fold=planned.fold)

    def say(split: EncodedSplit) -> Mapping[str, Outputs]:
        return infer(model, split, device=place.device, precision="fp32", pulse=Pulse(line))

    return Said(base.heads, dev, say(dev), say(splits["test"]) if "test" in splits else None)


def _score_fold(job: Job, said: Said) -> SplitScores:
    predictions = read_outputs(said.dev, encoded=said.split, heads=said.heads)
    spec = job.study
    return score_predictions(predictions, encoded=said.split, data=spec.data, extra=spec.search.scores)


def _out_of_fold(said: Sequence[Said], *, whole: EncodedSplit, folds: Ints) -> dict[str, Outputs]:
    """What was said of each item by the model of its fold, in the order of the whole split's `Windows.items`."""
    windows = whole.windows
    fold_of_home = folds[np.repeat(windows.example, np.diff(windows.home_starts))]
    return {
        name: _put_together([one.dev[name] for one in said], fold_of_home=fold_of_home, targets=view.windows.targets)
        for name, view in whole.views.items()
    }


def _put_together(parts: Sequence[Outputs], *, fold_of_home: Ints, targets: Ints) -> Outputs:
    """Outputs of parts, each in the order of its own items, as outputs of the whole."""
    first = parts[0]
    decoded = np.empty((len(targets), *first.decoded.shape[1:]), dtype=first.decoded.dtype)
    probabilities = np.empty((len(targets), *first.probabilities.shape[1:]), dtype=np.float32)
    total, n_known = 0.0, 0
    for fold, part in enumerate(parts):
        rows = fold_of_home == fold
        decoded[rows], probabilities[rows] = part.decoded, part.probabilities
        n_own = int((targets[rows] != IGNORED).sum())
        total += part.loss * n_own if n_own else 0.0  # NaN where nothing is labelled
        n_known += n_own
    loss = total / n_known if n_known else float("nan")
    return Outputs(decoded, probabilities, loss=loss, runtime_s=sum(part.runtime_s for part in parts))
