"""What a seed run keeps of a split: its scores and its predictions."""

from __future__ import annotations

from typing import Any

from nertune.results.records import SplitScores, StepRecord
from nertune.results.seed_folders import PREFIXES
from nertune.tasks.encoded import EncodedSplit
from nertune.tasks.predictions import Predictions
from nertune.train.predict import score_predictions
from nertune.trials.fits import Line
from nertune.trials.job import Job
from nertune.trials.outputs import results_of_split, write_predictions

Results = dict[str, dict[str, Any]]  # by part: train, eval, test; and fit, what environment.json says of it


def keep_split(
    job: Job, predictions: Predictions, *, split: EncodedSplit, name: str, results: Results, line: Line
) -> SplitScores:
    """The scores of a split's predictions, which are written; adds to the results, and tells those of test."""
    prefix, fit = PREFIXES[name], results["fit"]
    scores = score_predictions(predictions, encoded=split, data=job.study.data, extra=job.study.search.scores)
    results[prefix] = results_of_split(
        scores, prefix=prefix, epoch=fit["best_epoch"], runtime_s=predictions.runtime_s, n_samples=split.n_examples
    )
    write_predictions(job.path, predictions, split=split, prefix=prefix, study=job.study.name)
    if name == "test":
        line.tell(StepRecord(fit["best_step"], fit["best_epoch"], name, scores.overall).to_json())
    return scores
