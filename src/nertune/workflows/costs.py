"""How many fits a study comes to, and how long they take, told from a few timed steps.

A fit's seconds are sums of what was timed: pieces forward and backward, updates of the weights, pieces of dev scored.
Only searched values that change these are timed; epochs and sizes are arithmetic.
"""

from __future__ import annotations

import json
import math
import statistics
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from nertune.protocols import plan_fits
from nertune.protocols.kfold import averages_folds
from nertune.report.progress import Expected
from nertune.results.database import CellRow
from nertune.search.pruner import Pruner
from nertune.spec.space import apply_point, get_at, grid_points, is_number, some_points
from nertune.spec.study import StudySpec

FIT_S = 0.7  # the Trainer's set-up and the record, whatever the fit's length
STEP_S = 0.002  # the Trainer's own part of a step
MOST_TIMED = 6  # kinds of steps that are timed; of more, some from all over the space
MOST_POINTS = 200  # of a space that are looked at
# Searched keys that change no step's time, by their last part; of those with `dropout` in them, too.
IDLE = {
    "learning_rate",
    "head_learning_rate",
    "layer_decay",
    "head_weight_decay",
    "warmup_ratio",
    "schedule",
    "max_grad_norm",
    "patience",
    "label_smoothing",
    "focal_gamma",
    "balance",
    "beta1",
    "beta2",
    "epsilon",
    "threshold",
}
COUNTED = {"epochs", "max_steps", "evaluate_every", "evaluate_from", "size"}  # they say how often, not how long


@dataclass(frozen=True)
class Size:
    """How much text there is: windows and their pieces."""

    windows: float
    pieces: float

    def __add__(self, other: Size) -> Size:
        return Size(self.windows + other.windows, self.pieces + other.pieces)

    def times(self, share: float) -> Size:
        return Size(self.windows * share, self.pieces * share)


NOTHING = Size(0, 0)


@dataclass(frozen=True)
class Timing:
    """What fits at a point do again and again: `train.probe.WorkTimes`, the mean over the slots.

    point  the searched values that change it
    """

    point: Mapping[str, Any]
    learning: Sequence[float]
    updating: Sequence[float]
    scoring: float
    full: float
    freezing: float = 0.0
    frozen: int = 0
    cache_bytes: float = 0.0
    setup: float = 0.0

    @classmethod
    def of(cls, point: Mapping[str, Any], outcomes: Sequence[Mapping[str, Any]]) -> Timing:
        """The mean of what each slot told."""
        return cls(point, **{name: _mean([outcome[name] for outcome in outcomes]) for name in outcomes[0]})


@dataclass(frozen=True)
class Cost:
    """Jobs that are alike: how many, the fits of each, and the seconds that each takes.

    before   of the seconds, those before the first step
    cache_s  more seconds for the first such jobs, which compute what frozen layers give; `cache` names that, "" is none
    """

    n_fits: int
    seconds: float
    n_jobs: int = 1
    before: float = 0.0
    cache_s: float = 0.0
    cache: str = ""

    def seconds_on(self, n_slots: int) -> float:
        """Of all of them, so many at a time."""
        return self.cache_s + -(-self.n_jobs // n_slots) * self.seconds


class Costs:
    """What jobs of a study take.

    timings  without any, seconds are in a unit of their own
    windows  of each split, by name, as `prepare` tells them
    pieces   of each split
    """

    def __init__(
        self, spec: StudySpec, *, timings: Sequence[Timing], windows: Mapping[str, int], pieces: Mapping[str, int]
    ) -> None:
        self.spec, self.timings = spec, tuple(timings)
        self._sizes = {name: Size(windows[name], pieces[name]) for name in windows}
        self._known: dict[str, Cost] = {}

    @property
    def is_timed(self) -> bool:
        return bool(self.timings)

    def trial_at(self, point: Mapping[str, Any]) -> Cost:
        """The fits of a point under the protocol."""
        key = json.dumps({key: value for key, value in point.items() if not _is_idle(key)}, sort_keys=True)
        if key not in self._known:
            self._known[key] = self.trial(apply_point(self.spec, point))
        return self._known[key]

    def trial(self, point: StudySpec) -> Cost:
        """The same of a point that is a spec already."""
        n_fits = len(plan_fits(point.protocol, seed=point.search.seed))
        train, dev = self._of_a_fit(point)
        return self._cost(point, train=train, dev=dev, n_fits=n_fits)

    def candidate(self, point: StudySpec) -> Cost:
        """A fit of the choosing: with its dev scores on train, or one for each fold."""
        if point.protocol.kfold is not None and not averages_folds(point.protocol):
            return self.trial(point)
        return self._kept(point, scored=self._dev)

    def seed(self, point: StudySpec, *, epochs: int | None = None, has_weights: bool = False) -> Cost:
        """A seed run: on all that there is (for so many epochs), or as a candidate's; of kept weights scores alone."""
        if learns_from_dev(point) and not has_weights:
            whole = self._learned
            fit = self._cost(point, train=whole, dev=NOTHING, epochs=epochs)
            if point.protocol.kfold is not None:  # whose folds were parts of the same
                fit = replace(fit, cache_s=0.0, cache="")
            return self._with_scores(fit, point, scored=self._test)
        return self._kept(point, scored=self._dev + self._test, has_weights=has_weights)

    def finals(self, points: Sequence[StudySpec]) -> list[Cost]:
        """What best-and-train does: the candidates' seeds, those of the chosen one, and those of its other sizes.

        points  any of these may be chosen: the mean counts
        """
        final, size = self.spec.final, self.spec.data.size
        n_seeds = len(final.seeds)
        runs = [self._mean_seed(points, size=None, n_jobs=n_seeds)]
        runs += [self._mean_seed(points, size=other, n_jobs=n_seeds) for other in sorted({*final.sizes} - {size})]
        if final.candidates == 1:
            return runs
        tried = _mean_cost([self.candidate(point) for point in points], n_jobs=n_seeds * final.candidates)
        if not learns_from_dev(self.spec):  # then the weights of the choosing are those of the seeds
            runs = runs[1:]
        return [tried, *runs]

    def fewest_steps(self) -> int:
        """Optimizer steps of a fit at the point that has the fewest."""
        points = (apply_point(self.spec, point) for point in some_points(self.spec, most=MOST_POINTS))
        return min(total_steps(point, self._of_a_fit(point)[0].times(point.data.size / 100)) for point in points)

    @property
    def scored_pieces(self) -> float:
        """Pieces of dev and test, whose predictions a seed run writes."""
        return (self._dev + self._test).pieces

    def cache_bytes(self, points: Sequence[Mapping[str, Any]]) -> float:
        """What the frozen layers of these points give takes on disk."""
        sizes: dict[str, float] = {}
        for point in points:
            cost = self.trial_at(point)
            if cost.cache:
                sizes[cost.cache] = self._nearest(apply_point(self.spec, point)).cache_bytes * self._learned.pieces
        return sum(sizes.values())

    def _mean_seed(self, points: Sequence[StudySpec], *, size: float | None, n_jobs: int) -> Cost:
        sized = [point if size is None else apply_point(point, {"data.size": size}) for point in points]
        return _mean_cost([self.seed(point) for point in sized], n_jobs=n_jobs)

    # ---- sizes

    @property
    def _learned(self) -> Size:
        """Train, with dev where they are learned from together or cut into folds."""
        names = [name for name in self._sizes if name != "test"]
        return sum((self._sizes[name] for name in names), start=NOTHING)

    @property
    def _dev(self) -> Size:
        """What a seed run is scored on beside test: dev, or all folds."""
        return self._learned if self.spec.protocol.kfold is not None else self._sizes.get("dev", NOTHING)

    @property
    def _test(self) -> Size:
        return self._sizes.get("test", NOTHING)

    def _of_a_fit(self, point: StudySpec) -> tuple[Size, Size]:
        """Train and dev of a fit of a trial, before `data.size`."""
        n_folds = point.protocol.kfold
        if n_folds is not None:
            return self._learned.times((n_folds - 1) / n_folds), self._learned.times(1 / n_folds)
        return self._sizes["train"], self._sizes.get("dev", NOTHING)

    # ---- seconds

    def _kept(self, point: StudySpec, *, scored: Size, has_weights: bool = False) -> Cost:
        """A fit that is saved, or one for each fold, and scored by the saved weights."""
        n_fits = len(plan_fits(point.protocol, seed=0)) if averages_folds(point.protocol) else 1
        train, dev = self._of_a_fit(point)
        fits = Cost(n_fits, 0.0) if has_weights else self._cost(point, train=train, dev=dev, n_fits=n_fits)
        fits = replace(fits, cache_s=0.0, cache="")  # the search has computed it
        if n_fits > 1:  # each fold's model is asked about test, and about its own fold
            scored = scored + self._test.times(n_fits - 1)
        return self._with_scores(fits, point, scored=scored)

    def _with_scores(self, cost: Cost, point: StudySpec, *, scored: Size) -> Cost:
        timing = self._nearest(point)
        seconds = cost.n_fits * timing.setup + timing.full * scored.pieces
        return replace(cost, seconds=cost.seconds + seconds)

    def _cost(self, point: StudySpec, *, train: Size, dev: Size, n_fits: int = 1, epochs: int | None = None) -> Cost:
        timing = self._nearest(point)
        before = FIT_S + timing.setup if self.is_timed else 0.0
        seconds = n_fits * (before + steps_seconds(point, timing, train=train, dev=dev, epochs=epochs))
        limit = point.execute.trial_timeout
        return Cost(
            n_fits,
            seconds if limit is None else min(seconds, limit),
            before=before,
            cache_s=timing.freezing * self._learned.pieces,
            cache=_cache_name(timing),
        )

    def _nearest(self, point: StudySpec) -> Timing:
        """The timing of the point that is most like this one."""
        if not self.timings:
            n_stages = len(point.stage_settings)
            return Timing({}, learning=[1.0] * n_stages, updating=[0.0] * n_stages, scoring=1 / 3, full=1 / 3)
        tree = point.model_dump(mode="json")
        return min(self.timings, key=lambda timing: _distance(timing.point, tree))


def steps_seconds(
    point: StudySpec, timing: Timing, *, train: Size, dev: Size = NOTHING, epochs: int | None = None
) -> float:
    """Seconds of one fit's steps and evaluations.

    epochs  end after so many, if that is before the point's own
    """
    train = train.times(point.data.size / 100)
    per_epoch = steps_per_epoch(point, train)
    most = total_steps(point, train)
    left = most if epochs is None else min(most, epochs * per_epoch)
    seconds = 0.0
    for settings, learning, updating in zip(point.stage_settings, timing.learning, timing.updating, strict=True):
        steps = min(left, settings.epochs * per_epoch)
        left -= steps
        every = per_epoch if settings.evaluate_every == "epoch" else settings.evaluate_every
        seconds += steps * (updating + STEP_S) + steps / per_epoch * train.pieces * learning
        n_skipped = max(0, min(steps, math.ceil(settings.evaluate_from * per_epoch)) - 1) // every
        seconds += (math.ceil(steps / every) - n_skipped) * dev.pieces * timing.scoring
    return seconds


def steps_per_epoch(point: StudySpec, train: Size) -> int:
    """Optimizer steps of a pass over so much text."""
    return max(1, math.ceil(train.windows / point.train.batch_size))


def total_steps(point: StudySpec, train: Size) -> int:
    """Optimizer steps of one fit on so much text."""
    most = point.total_epochs * steps_per_epoch(point, train)
    return min(most, point.train.max_steps or most)


class Forecast:
    """What is expected of each cell of a search.

    The first cells that freeze as much, one a slot, compute what the frozen layers give, or wait for it.
    """

    def __init__(
        self, costs: Costs, *, cells: Sequence[CellRow], total: int | None, n_slots: int, pruner: Pruner | None = None
    ) -> None:
        self._costs, self._n_slots, self._pruner = costs, n_slots, pruner or Pruner()
        self._begun: Counter[str] = Counter()
        self._expected: dict[int, Expected] = {}
        points = [cell.point for cell in cells]
        if costs.spec.search.sampler == "grid":
            known = {_text(point) for point in points}
            points += [point for point in grid_points(costs.spec) if _text(point) not in known]
        for number, point in enumerate(points if total is None else points[: max(total, len(cells))]):
            self._expect(number, point)
        drawn = [costs.trial_at(point).seconds for point in some_points(costs.spec, most=MOST_POINTS)]
        self.mean = statistics.fmean(drawn)
        self._total = total

    def of(self, cell: CellRow) -> Expected:
        """Of a cell, whose point may have been drawn just now."""
        return self._expected.get(cell.number) or self._expect(cell.number, cell.point)

    def to_come(self, *, done: Sequence[int] = ()) -> dict[int, float]:
        """Seconds of the cells that are not done, by number, as far as they are to run; of those not drawn the mean."""
        numbers = range(len(self._expected) if self._total is None else self._total)
        known = {number: expected.seconds for number, expected in self._expected.items()}
        left = sorted({*numbers, *known} - {*done})
        return {number: known.get(number, self.mean) * self._pruner.work_left(number) for number in left}

    def _expect(self, number: int, point: Mapping[str, Any]) -> Expected:
        cost = self._costs.trial_at(point)
        cache_s = cost.cache_s if cost.cache and self._begun[cost.cache] < self._n_slots else 0.0
        self._begun[cost.cache] += 1
        epochs = apply_point(self._costs.spec, point).total_epochs
        self._expected[number] = Expected(cost.seconds + cache_s, before=cost.before + cache_s, epochs=epochs)
        return self._expected[number]


def learns_from_dev(spec: StudySpec) -> bool:
    """Whether a seed run has no dev, having learned from it."""
    if spec.protocol.kfold is not None:
        return not averages_folds(spec.protocol)
    return spec.final.train_with_dev


def freezes_layers(spec: StudySpec) -> bool:
    """Whether some point leaves layers as they are in all its stages."""
    points = (apply_point(spec, point) for point in some_points(spec, most=MOST_POINTS))
    return any(
        all(settings.freeze != "none" or settings.top_layers is not None for settings in point.stage_settings)
        for point in points
    )


def points_to_time(spec: StudySpec) -> list[dict[str, Any]]:
    """The different values of what changes a step's time; of many, those that lie far apart first."""
    kinds = [_timed_part(point) for point in some_points(spec, most=MOST_POINTS)]
    found = list({_text(kind): kind for kind in kinds}.values())
    return [found[place] for place in _spread(len(found), most=MOST_TIMED)]


def _spread(n: int, *, most: int) -> Iterator[int]:
    """At most so many of the numbers below n: the first, the last, then those between."""
    places = sorted({round(place * (n - 1) / max(1, min(n, most) - 1)) for place in range(min(n, most))})
    ends = dict.fromkeys([places[0], places[-1]])
    yield from ends
    yield from (place for place in places if place not in ends)


def _timed_part(point: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in point.items() if not _is_idle(key) and _last(key) not in COUNTED}


def _is_idle(key: str) -> bool:
    return _last(key) in IDLE or "dropout" in _last(key)


def _last(key: str) -> str:
    return key.rpartition(".")[2]


def _distance(timed: Mapping[str, Any], tree: Mapping[str, Any]) -> float:
    """How unlike two points are: of numbers the difference of their logarithms, of all else 0 or 1."""
    return sum(_difference(value, get_at(dict(tree), key)) for key, value in timed.items())


def _difference(one: Any, other: Any) -> float:
    if is_number(one) and is_number(other):
        return abs(math.log((abs(one) + 1e-9) / (abs(other) + 1e-9)))
    return float(one != other)


def _cache_name(timing: Timing) -> str:
    """What jobs share: so many layers of the same model."""
    if not timing.frozen:
        return ""
    return _text([timing.frozen, {key: value for key, value in timing.point.items() if key.startswith("model.")}])


def _text(value: Any) -> str:
    return json.dumps(value, sort_keys=True)


def _mean(values: Sequence[Any]) -> Any:
    """Of numbers, or of each place of lists."""
    if isinstance(values[0], (list, tuple)):
        return [statistics.fmean(place) for place in zip(*values, strict=True)]
    return statistics.fmean(values)


def _mean_cost(costs: Sequence[Cost], *, n_jobs: int) -> Cost:
    seconds, cache_s = (statistics.fmean(getattr(cost, name) for cost in costs) for name in ("seconds", "cache_s"))
    return Cost(costs[0].n_fits, seconds, n_jobs, cache_s=cache_s)
