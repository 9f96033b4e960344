"""How many fits a study comes to, and about how long they take."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from nertune.protocols import plan_fits
from nertune.spec.study import StudySpec
from nertune.workflows.finals import learns_from_dev

TRAIN_TO_EVALUATION = 3.0  # a training step does about three times the arithmetic of a forward pass
FIT_S = 0.7  # a new model, the Trainer's set-up and the record, whatever the fit's length


@dataclass(frozen=True)
class Cost:
    """Jobs that are alike: how many, the fits of each, and the seconds that each takes."""

    n_fits: int
    seconds: float
    n_jobs: int = 1

    def seconds_on(self, n_slots: int) -> float:
        """Of all of them, so many at a time."""
        return -(-self.n_jobs // n_slots) * self.seconds


def trial_cost(spec: StudySpec, told: Mapping[str, Any], *, examples: Mapping[str, int]) -> Cost:
    """The fits of a point under the protocol."""
    n_fits = len(plan_fits(spec.protocol, seed=spec.search.seed))
    train, dev = float(examples["train"]), float(examples.get("dev", 0))
    if spec.protocol.kfold is not None:
        train, dev = (train + dev) * (n_fits - 1) / n_fits, (train + dev) / n_fits
    return Cost(n_fits, n_fits * fit_seconds(spec, told, train=train, dev=dev))


def final_costs(spec: StudySpec, told: Mapping[str, Any], *, examples: Mapping[str, int]) -> list[Cost]:
    """What best-and-train does: the candidates' seeds, those of the chosen one, and those of its other sizes."""
    n_seeds, n_candidates = len(spec.final.seeds), spec.final.candidates
    others = sorted({*spec.final.sizes} - {spec.data.size})
    sized = [spec.model_copy(update={"data": spec.data.model_copy(update={"size": size})}) for size in others]
    runs = [replace(seed_cost(one, told, examples=examples), n_jobs=n_seeds) for one in (spec, *sized)]
    if n_candidates == 1:
        return runs
    tried = candidate_cost(spec, told, examples=examples)
    if not learns_from_dev(spec):  # then the weights of the choosing are those of the seeds
        runs = runs[1:]
    return [replace(tried, n_jobs=n_seeds * n_candidates), *runs]


def seed_cost(spec: StudySpec, told: Mapping[str, Any], *, examples: Mapping[str, int]) -> Cost:
    """A seed run: a fit on all that there is, or as a candidate's."""
    if not learns_from_dev(spec):
        return candidate_cost(spec, told, examples=examples)
    return Cost(1, fit_seconds(spec, told, train=examples["train"] + examples.get("dev", 0), dev=0))


def candidate_cost(spec: StudySpec, told: Mapping[str, Any], *, examples: Mapping[str, int]) -> Cost:
    """A fit with its dev scores: on train, or one for each fold."""
    if spec.protocol.kfold is not None:
        return trial_cost(spec, told, examples=examples)
    return Cost(1, fit_seconds(spec, told, train=examples["train"], dev=examples.get("dev", 0)))


def fit_seconds(spec: StudySpec, told: Mapping[str, Any], *, train: float, dev: float) -> float:
    """Estimated seconds of one fit on so many examples, from the timed step."""
    step: float = told["step_seconds"][told["precision"]]
    per_example = step / spec.train.batch_size
    work = train * spec.data.size / 100 + dev / TRAIN_TO_EVALUATION
    return FIT_S + per_example * work * spec.total_epochs
