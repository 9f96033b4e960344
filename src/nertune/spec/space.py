"""The search space: dimensions of a study, and points in it."""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeGuard

from pydantic import BaseModel, ValidationError

from nertune.errors import StudyFileError, UserError, closest
from nertune.spec.study import HeadSpec, ModelSpec, StageSpec, StudySpec, TrainSpec
from nertune.spec.train_section import LoraSpec

Point = Mapping[str, Any]  # searched key (dotted) -> value

SEARCHABLE_SECTIONS: dict[str, type[BaseModel]] = {"model": ModelSpec, "train": TrainSpec}
NOT_SEARCHABLE = {  # what names results, what the data are, and what is searched key by key
    "model.name",
    "model.problem",
    "model.heads",
    "model.config",
    "model.tokenizer_options",
    "train.callbacks",
}
ALSO_SEARCHABLE = ("data.size", *(f"train.lora.{field}" for field in LoraSpec.model_fields))
OPEN_KEYS = ("model.config", "model.tokenizer_options")  # one key below them is free
NAMED_BELOW = {  # searchable names behind a stage's number and a head's name
    "stages.": tuple(StageSpec.model_fields),
    "model.heads.": tuple(name for name in HeadSpec.model_fields if name not in ("labels", "problem")),
}
FREE_PART = "*"  # in a pattern of keys: a name or number of the user's
COUNTABLE_POINTS = 10_000  # a larger space is treated as endless: counting it would take longer than a fit
EXAMPLE_RANGE = "Write for example: {low: 1e-6, high: 1e-3, log: true}"


@dataclass(frozen=True)
class Choices:
    """A dimension that is a list of values, in the order of the file."""

    key: str
    values: tuple[Any, ...]


@dataclass(frozen=True)
class Range:
    """A dimension from `low` to `high`, both included; `log` samples the logarithm evenly."""

    key: str
    low: float
    high: float
    log: bool = False
    step: float | None = None
    integer: bool = False


Dimension = Choices | Range


def searchable_keys() -> list[str]:
    """Every dotted key that a space may name, without those of `searchable_patterns`."""
    keys = [f"{name}.{field}" for name, section in SEARCHABLE_SECTIONS.items() for field in section.model_fields]
    return [key for key in (*keys, *ALSO_SEARCHABLE) if key not in NOT_SEARCHABLE]


def searchable_patterns() -> list[str]:
    """Keys that a space may name with a name or number of the user's where `*` stands."""
    return [
        *(f"{key}.{FREE_PART}" for key in OPEN_KEYS),
        *(f"{start}{FREE_PART}.{field}" for start, fields in NAMED_BELOW.items() for field in fields),
    ]


def pattern_of(key: str) -> str | None:
    """The searchable pattern that the key is a case of."""
    parts = key.split(".")
    for pattern in searchable_patterns():
        wanted = pattern.split(".")
        if len(wanted) == len(parts) and all(
            want in (FREE_PART, part) for want, part in zip(wanted, parts, strict=True)
        ):
            return pattern
    return None


def dimensions(spec: StudySpec) -> tuple[Dimension, ...]:
    """The dimensions of the study's space, in the order of the file.

    Raises  StudyFileError for a dimension that no search could use
    """
    return tuple(read_dimension(spec, key=key, raw=raw) for key, raw in spec.search.space.items())


def read_dimension(spec: StudySpec, *, key: str, raw: list[Any] | dict[str, Any]) -> Dimension:
    """One entry of `search.space` as a dimension; every value in it is checked by the schema."""
    _check_key(spec, key=key)
    return _read_choices(spec, key=key, values=raw) if isinstance(raw, list) else _read_range(spec, key=key, raw=raw)


def apply_point(spec: StudySpec, point: Point) -> StudySpec:
    """The study with its ranges replaced by values: a spec without a space.

    Raises  pydantic.ValidationError when a value is refused by the schema
    """
    tree = spec.model_dump()
    tree["search"]["space"] = {}
    for key, value in point.items():
        set_at(tree, key, value)
    return StudySpec.model_validate(tree)


def normal_point(spec: StudySpec, point: Point) -> dict[str, Any]:
    """The same point with its values as the schema stores them (1 becomes 1.0 where a float belongs)."""
    resolved = apply_point(spec, point).model_dump(mode="json")
    return {key: get_at(resolved, key) for key in point}


def grid_points(spec: StudySpec) -> Iterator[dict[str, Any]]:
    """Every cell of the grid once, the first key of the file changing slowest.

    Raises  StudyFileError when a dimension is a range without a step
    """
    lists = [_grid_values(dimension) for dimension in dimensions(spec)]
    seen: set[str] = set()
    for values in itertools.product(*lists):
        point = normal_point(spec, dict(zip(spec.search.space, values, strict=True)))
        if repr(point) not in seen:
            seen.add(repr(point))
            yield point


def size_of_space(spec: StudySpec) -> int | None:
    """How many different points there are; None when a range is continuous or there are too many to count."""
    found = dimensions(spec)
    if not all(_is_countable(dimension) for dimension in found):
        return None
    if math.prod(_count_values(dimension) for dimension in found) > COUNTABLE_POINTS:
        return None
    return sum(1 for _ in grid_points(spec))


def some_points(spec: StudySpec, *, most: int) -> list[dict[str, Any]]:
    """Every point of a space that has at most so many; of a larger one so many drawn points, always the same."""
    found = dimensions(spec)
    if all(map(_is_countable, found)) and math.prod(_count_values(dimension) for dimension in found) <= most:
        return list(grid_points(spec))
    draw = random.Random(0)
    return [normal_point(spec, {one.key: _drawn_value(one, draw) for one in found}) for _ in range(most)]


def _drawn_value(dimension: Dimension, draw: random.Random) -> Any:
    if _is_countable(dimension):
        return draw.choice(_grid_values(dimension))
    assert isinstance(dimension, Range)
    low, high = (
        (math.log(dimension.low), math.log(dimension.high)) if dimension.log else (dimension.low, dimension.high)
    )
    value = draw.uniform(low, high)
    value = math.exp(value) if dimension.log else value
    return round(value) if dimension.integer else min(max(value, dimension.low), dimension.high)


def set_at(tree: dict[str, Any], key: str, value: Any) -> None:
    """Put a value at a dotted key, making the mappings on the way."""
    put(tree, key.split("."), value)


def put(tree: dict[str, Any], path: Sequence[str], value: Any) -> None:
    """Put a value at a path of keys, making the mappings on the way."""
    *parents, last = path
    below: Any = tree
    for parent in parents:
        below = _below(below, parent)
    if isinstance(below, list):
        below[int(last)] = value
    else:
        below[last] = value


def _below(tree: Any, part: str) -> Any:
    """What stands at a key of a mapping, made if need be, or at a number of a list.

    Raises  IndexError, ValueError for a number that the list does not have
    """
    if isinstance(tree, (list, tuple)):
        return tree[int(part)]
    if not isinstance(tree.get(part), (dict, list, tuple)):
        tree[part] = {}
    return tree[part]


def get_at(tree: Any, key: str) -> Any:
    """The value at a dotted key (of a list: a number), None where nothing stands."""
    for part in key.split("."):
        if isinstance(tree, Mapping):
            tree = tree.get(part)
        elif isinstance(tree, (list, tuple)) and part.isdecimal() and int(part) < len(tree):
            tree = tree[int(part)]
        else:
            return None
    return tree


def _check_key(spec: StudySpec, *, key: str) -> None:
    known = searchable_keys()
    if key in known:
        return
    name = f"search.space.{key}"
    pattern = pattern_of(key)
    if pattern is not None:
        _check_place(spec, key=key, pattern=pattern, name=name)
        return
    if key in ("search.seed", "final.seeds", "search.sampler_seed"):
        raise StudyFileError(
            f"{name}: a seed is never searched, for the luckiest would win",
            fix="Spread over seeds is measured by best-and-train",
        )
    below = next((names for start, names in NAMED_BELOW.items() if key.startswith(start)), None)
    if below is not None:
        *head, last = key.split(".")
        close = closest(last, below)
        raise StudyFileError(
            f"{name} is no key that can be searched",
            fix=f"Did you mean {'.'.join((*head, close))}?" if close else f"Searchable there: {', '.join(below)}",
        )
    near = _closest_key(key, known)
    fix = f"Did you mean {near}?" if near else f"Searchable are: {', '.join(known)}"
    raise StudyFileError(f"{name} is no key that can be searched", fix=fix)


def _check_place(spec: StudySpec, *, key: str, pattern: str, name: str) -> None:
    """Refuse a stage or head that the study does not have."""
    if pattern.startswith("stages."):
        number = key.split(".")[1]
        if not number.isdecimal() or int(number) >= len(spec.stages):
            there = f"0 to {len(spec.stages) - 1}" if spec.stages else "none"
            raise StudyFileError(
                f"{name} names the stage {number}, but the stages are {there}", fix="The first stage is 0"
            )
    if pattern.startswith("model.heads."):
        head, known = key.split(".")[2], tuple(spec.model.heads or ())
        if head not in known:
            near = closest(head, known)
            raise StudyFileError(
                f"{name} names the head {head}, but the heads are: {', '.join(known) or 'none'}",
                fix=f"Did you mean {near}?" if near else "Add it to model.heads",
            )


def _closest_key(key: str, known: Sequence[str]) -> str | None:
    """The key whose last part is nearest; `lr` and `bs` are what people call `learning_rate` and `batch_size`."""
    by_last = {candidate.rpartition(".")[2]: candidate for candidate in known}
    by_initials = {"".join(word[0] for word in last.split("_")): last for last in by_last if "_" in last}
    last = key.rpartition(".")[2]
    near = by_initials.get(last) or closest(last, by_last)
    return by_last[near] if near else None


def _read_choices(spec: StudySpec, *, key: str, values: list[Any]) -> Choices:
    name = f"search.space.{key}"
    if not values:
        raise StudyFileError(f"{name} is an empty list", fix="Write at least one value, for example [1e-5, 5e-5]")
    for value in values:
        check_value(spec, key=key, value=value, name=name)
    return Choices(key, tuple(values))


def _read_range(spec: StudySpec, *, key: str, raw: dict[str, Any]) -> Range:
    name = f"search.space.{key}"
    for part in raw:
        if part not in ("low", "high", "log", "step"):
            near = closest(part, ("low", "high", "log", "step"))
            raise StudyFileError(
                f"{name} has the unknown key {part}", fix=f"Did you mean {near}?" if near else EXAMPLE_RANGE
            )
    low, high, log, step = raw.get("low"), raw.get("high"), raw.get("log", False), raw.get("step")
    if not (is_number(low) and is_number(high)):
        raise StudyFileError(
            f"{name} needs low and high, both numbers; found low: {low}, high: {high}", fix=EXAMPLE_RANGE
        )
    if not isinstance(log, bool):
        raise StudyFileError(f"{name} has log: {log}, but log is true or false", fix=EXAMPLE_RANGE)
    if low >= high:
        raise StudyFileError(f"{name} has low: {low} and high: {high}, but low must be below high", fix=EXAMPLE_RANGE)
    if log and low <= 0:
        raise StudyFileError(f"{name} has low: {low}, but a log range needs a start above 0", fix=EXAMPLE_RANGE)
    if step is not None and (not is_number(step) or step <= 0 or log):
        raise StudyFileError(
            f"{name} has step: {step}, but a step is a number above 0 and goes without log",
            fix="{low: 1, high: 9, step: 2}",
        )
    for value in (low, high):
        check_value(spec, key=key, value=value, name=name)
    integer = _takes_integers_only(spec, key=key, low=low, high=high)
    if integer and step is not None and step != int(step):
        raise StudyFileError(
            f"{name} has step: {step}, but {key} takes whole numbers only", fix="{low: 1, high: 9, step: 2}"
        )
    return Range(key, low=low, high=high, log=log, step=step, integer=integer)


def check_value(spec: StudySpec, *, key: str, value: Any, name: str) -> None:
    """Raise StudyFileError unless the schema accepts this value at this key."""
    try:
        apply_point(spec, {key: value})
    except ValidationError as error:
        problem = error.errors()[0]["msg"].replace("Input should be", "it should be").replace("Value error, ", "it ")
        raise StudyFileError(f"{name} holds {value!r}, but {problem}") from None


def _takes_integers_only(spec: StudySpec, *, key: str, low: float, high: float) -> bool:
    if isinstance(low, float) or isinstance(high, float):
        return False
    try:
        apply_point(spec, {key: low + 0.5})
    except ValidationError:
        return True
    return False


def _grid_values(dimension: Dimension) -> tuple[Any, ...]:
    if isinstance(dimension, Choices):
        return dimension.values
    if not _is_countable(dimension):
        raise StudyFileError(
            f"search.space.{dimension.key} is a range, but a grid needs a list of values (or a step)",
            fix="Write for example [1e-5, 3e-5, 1e-4], or search.sampler: tpe with search.trials",
        )
    step = dimension.step or 1
    return tuple(on_step(dimension.low + number * step) for number in range(_count_values(dimension)))


def _count_values(dimension: Dimension) -> int:
    """How many values a list or a stepped range has."""
    if isinstance(dimension, Choices):
        return len(dimension.values)
    return math.floor((dimension.high - dimension.low) / (dimension.step or 1) + 1e-9) + 1


def on_step(value: float) -> float:
    """0.3 for 0.1 + 2 × 0.1: however a stepped value was computed, it is the same point."""
    return float(f"{value:.12g}") if isinstance(value, float) else value


def _is_countable(dimension: Dimension) -> bool:
    return isinstance(dimension, Choices) or dimension.step is not None or (dimension.integer and not dimension.log)


def is_number(value: Any) -> TypeGuard[float]:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def space_problems(spec: StudySpec) -> list[tuple[str, UserError]]:
    """Every dimension that cannot be used, with its key."""
    problems: list[tuple[str, UserError]] = []
    for key, raw in spec.search.space.items():
        try:
            dimension = read_dimension(spec, key=key, raw=raw)
            if spec.search.sampler == "grid":
                _grid_values(dimension)
        except UserError as error:
            problems.append((key, error))
    return problems
