"""What the fits of a point come to."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from nertune.protocols.planned import PlannedFit
from nertune.results.records import FitRecord, Scores, SplitScores, split_of_fit


@dataclass(frozen=True)
class TrialRecord:
    """What a point earned.

    best_epoch, best_step  of one fit its own; of several the mean, the step rounded
    scores                 "dev": of one fit its own; of several the mean, and each by itself as "dev_1", "dev_2", …
    stopped                why the last fit ended, see `FitRecord`
    """

    best_epoch: float
    best_step: int
    scores: Mapping[str, SplitScores]
    stopped: str | None = None


def reduce_fits(planned: Sequence[PlannedFit], records: Sequence[FitRecord]) -> TrialRecord:
    """One record of the fits that were done, each with its dev scores at its own best epoch."""
    found = [record.dev for record in records if record.dev is not None]
    assert len(found) == len(records) <= len(planned)
    single = {
        split_of_fit("dev", fit.number): scores
        for fit, scores in zip(planned, found, strict=False)  # a verdict may have ended the trial
    }
    return TrialRecord(
        best_epoch=statistics.fmean(record.best_epoch for record in records),
        best_step=round(statistics.fmean(record.best_step for record in records)),
        scores=single if planned[0].number is None else {"dev": mean_scores(found), **single},
        stopped=records[-1].stopped,
    )


def mean_scores(found: Sequence[SplitScores]) -> SplitScores:
    """The mean of each score, and of each label's; of a label that only some folds have, over those."""
    labels = dict.fromkeys(label for scores in found for label in scores.labels)
    return SplitScores(
        overall=_means(scores.overall for scores in found),
        labels={label: _means(scores.labels[label] for scores in found if label in scores.labels) for label in labels},
    )


def _means(scores: Iterable[Scores]) -> dict[str, float]:
    values: dict[str, list[float]] = {}
    for one in scores:
        for name, value in one.items():
            values.setdefault(name, []).append(value)
    return {name: statistics.fmean(found) for name, found in values.items()}
