"""Samplers: which point comes next, from the cells there are and nothing else.

A point depends on the sampler's seed, the cell's number and the outcomes known when it is asked, never on what this
process did before: a search that was killed and continued asks the same points as an unbroken one.
"""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState, create_trial

from nertune.analysis.ranking import objective_value
from nertune.errors import StudyFileError, closest
from nertune.results.database import CellRow
from nertune.scores import is_minimised
from nertune.spec.fingerprint import point_id
from nertune.spec.space import Choices, Dimension, dimensions, grid_points, normal_point, on_step, size_of_space
from nertune.spec.study import StudySpec

# Told to a sampler as a bad region, not as a mishap: TPE ignores FAIL and would then spend its trials there.
BAD_REGION = ("nan", "oom", "timeout")
PER = 1000  # Optuna counts moments of a trial in whole steps: thousandths of it
ASKS_BEFORE_ENUMERATION = 32
RANDOM_DRAWS = 1000  # in a space too large to count, where one of the first few is new


class Sampler(Protocol):
    """Chooses the point of the next cell.

    `next_point` sees every cell of the study by number, running ones included, and returns a point that none of them
    has, or None when the space is exhausted. `size` is how many points there are; None when there is no end.
    """

    size: int | None

    def next_point(self, cells: Sequence[CellRow]) -> dict[str, Any] | None: ...


class GridSampler:
    """Every cell of the grid once, in the order of the file."""

    def __init__(self, spec: StudySpec) -> None:
        self._points = [(point_id(spec, point), point) for point in grid_points(spec)]
        self.size: int | None = len(self._points)

    def next_point(self, cells: Sequence[CellRow]) -> dict[str, Any] | None:
        taken = {cell.point_id for cell in cells}
        return next((point for name, point in self._points if name not in taken), None)


class OptunaSampler:
    """Points of an Optuna sampler, asked from an in-memory study that is rebuilt from the cells at each ask."""

    def __init__(self, spec: StudySpec, *, make: Callable[[int], optuna.samplers.BaseSampler]) -> None:
        self._spec = spec
        self._make = make
        self._distributions = {d.key: distribution_of(d) for d in dimensions(spec)}
        self.size = size_of_space(spec)

    def next_point(self, cells: Sequence[CellRow]) -> dict[str, Any] | None:
        taken = {cell.point_id for cell in cells}
        if self.size is not None and len(taken) >= self.size:
            return None
        for attempt in range(ASKS_BEFORE_ENUMERATION):
            point = self._ask(cells, seed=self._seed(len(cells), attempt))
            if point_id(self._spec, point) not in taken:
                return point
        return self._any_untaken(taken, number=len(cells))

    def _ask(self, cells: Sequence[CellRow], *, seed: int) -> dict[str, Any]:
        study = optuna.create_study(direction=direction_of(self._spec), sampler=self._make(seed))
        for cell in cells:
            study.add_trial(frozen_trial(cell, spec=self._spec, distributions=self._distributions))
        return self._drawn(study)

    def _seed(self, number: int, attempt: int) -> int:
        text = f"{self._spec.search.sampler_seed}/{number}/{attempt}"
        return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big")

    def _any_untaken(self, taken: set[str], *, number: int) -> dict[str, Any] | None:
        """A random point of those left: a sampler that is sure of its favourite repeats it for ever."""
        seed = self._seed(number, ASKS_BEFORE_ENUMERATION)
        if self.size is None:
            return self._random_point(taken, seed=seed)
        left = [point for point in grid_points(self._spec) if point_id(self._spec, point) not in taken]
        return random.Random(seed).choice(left) if left else None

    def _random_point(self, taken: set[str], *, seed: int) -> dict[str, Any] | None:
        study = optuna.create_study(sampler=_random(seed))
        for _ in range(RANDOM_DRAWS):
            point = self._drawn(study)
            if point_id(self._spec, point) not in taken:
                return point
        return None

    def _drawn(self, study: optuna.Study) -> dict[str, Any]:
        asked = study.ask(self._distributions).params
        return normal_point(self._spec, {key: file_value(self._spec, key, asked[key]) for key in self._distributions})


def _tpe(seed: int) -> optuna.samplers.BaseSampler:
    # constant_liar: without it, parallel workers are sent to one place
    return optuna.samplers.TPESampler(seed=seed, constant_liar=True)


def _random(seed: int) -> optuna.samplers.BaseSampler:
    return optuna.samplers.RandomSampler(seed=seed)


SAMPLERS: dict[str, Callable[[StudySpec], Sampler]] = {
    "grid": GridSampler,
    "tpe": lambda spec: OptunaSampler(spec, make=_tpe),
    "random": lambda spec: OptunaSampler(spec, make=_random),
}


def make_sampler(spec: StudySpec) -> Sampler:
    """The sampler that the study names.

    Raises  StudyFileError for a name that there is not
    """
    name = spec.search.sampler
    if name not in SAMPLERS:
        near = closest(name, SAMPLERS)
        raise StudyFileError(f"search.sampler: there is no {name}", fix=f"Did you mean {near}?" if near else None)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return SAMPLERS[name](spec)


def direction_of(spec: StudySpec) -> StudyDirection:
    return StudyDirection.MINIMIZE if is_minimised(spec.search.objective) else StudyDirection.MAXIMIZE


def distribution_of(dimension: Dimension) -> BaseDistribution:
    """A dimension as Optuna knows it. Choices that Optuna cannot hold (lists, mappings) go as JSON text."""
    if isinstance(dimension, Choices):
        return CategoricalDistribution([_optuna_choice(value) for value in dimension.values])
    if dimension.integer:
        step = int(dimension.step) if dimension.step else 1
        return IntDistribution(int(dimension.low), int(dimension.high), log=dimension.log, step=step)
    return FloatDistribution(dimension.low, dimension.high, log=dimension.log, step=dimension.step)


def file_value(spec: StudySpec, key: str, value: Any) -> Any:
    """The value of the file for what Optuna chose."""
    raw = spec.search.space[key]
    if isinstance(raw, list):
        return next(item for item in raw if _optuna_choice(item) == value)
    return on_step(value) if raw.get("step") is not None else value


def frozen_trial(cell: CellRow, *, spec: StudySpec, distributions: dict[str, BaseDistribution]) -> FrozenTrial:
    """A cell as an Optuna trial. Cells of a wider, older space keep only what the space of today can hold."""
    params = {
        key: _optuna_choice(_as_listed(spec, key, cell.point[key]))
        for key, distribution in distributions.items()
        if key in cell.point and _holds(distribution, _optuna_choice(_as_listed(spec, key, cell.point[key])))
    }
    objective = spec.search.objective
    value = objective_value(cell, objective)
    state = trial_state(cell, value)
    rungs = {round(rung["share"] * PER): rung["scores"].get(objective) for rung in cell.rungs}
    return create_trial(
        state=state,
        value=value if state == TrialState.COMPLETE else None,
        intermediate_values={step: score for step, score in rungs.items() if score is not None},
        params=params,
        distributions={key: distributions[key] for key in params},
        user_attrs={"nertune:cell": cell.number, **({"nertune:cause": cell.cause} if cell.cause else {})},
    )


def trial_state(cell: CellRow, value: float | None) -> TrialState:
    """Optuna's state for a cell (design, section 5)."""
    if cell.is_open:
        return TrialState.RUNNING
    if cell.state == "complete":
        return TrialState.PRUNED if value is None else TrialState.COMPLETE
    if cell.state == "pruned" or cell.cause in BAD_REGION:
        return TrialState.PRUNED
    return TrialState.FAIL


def _optuna_choice(value: Any) -> Any:
    return value if value is None or isinstance(value, (bool, int, float, str)) else json.dumps(value, sort_keys=True)


def _as_listed(spec: StudySpec, key: str, value: Any) -> Any:
    """The value as the list of the file writes it: 1 there and 1.0 in the record are the same choice."""
    raw = spec.search.space[key]
    return next((item for item in raw if item == value), value) if isinstance(raw, list) else value


def _holds(distribution: BaseDistribution, value: Any) -> bool:
    try:
        return distribution._contains(distribution.to_internal_repr(value))
    except (ValueError, TypeError):
        return False
