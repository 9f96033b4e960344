"""Contradictions between keys: each is a value that the schema takes, and together they mean nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice

from nertune.errors import StudyFileError, UserError
from nertune.spec.space import Point, apply_point, grid_points
from nertune.spec.study import HeadOptions, StageSpec, StudySpec

ONE_TYPE = "Share the types out among model.heads, keep some with data.keep, or choose one column of tags"
MOST_CELLS = 1000  # of a grid that are looked at one by one


@dataclass(frozen=True)
class Contradiction:
    """Two keys that do not go together.

    key  the dotted key at which it is told
    """

    key: str
    message: str
    fix: str

    def as_problem(self) -> UserError:
        return StudyFileError(f"{self.key} {self.message}", fix=self.fix)


def contradictions(spec: StudySpec) -> list[Contradiction]:
    """What does not go together in a study, its searched values left aside."""
    return [found for rule in RULES for found in rule(spec)]


def searched_contradictions(spec: StudySpec) -> list[tuple[str, Contradiction, Point]]:
    """The first contradiction that each searched key brings in, with the key and the point; grids only."""
    if spec.search.sampler != "grid":
        return []
    known = set(contradictions(spec))
    found: dict[str, tuple[str, Contradiction, Point]] = {}
    for point in islice(grid_points(spec), MOST_CELLS):
        for one in contradictions(apply_point(spec, point)):
            key = next((key for key in point if one.key == key), next(iter(point), one.key))
            if one not in known:
                found.setdefault(key, (key, one, point))
    return list(found.values())


def contradiction_problems(spec: StudySpec) -> list[tuple[tuple[str, ...], UserError]]:
    """Keys that do not go together, as they are written and in every cell of the grid, each with its place."""
    written = [one for one in contradictions(spec) if one.key not in spec.search.space]  # else its values count
    problems = [(tuple(one.key.split(".")), one.as_problem()) for one in written]
    for key, one, point in searched_contradictions(spec):
        problem = one.as_problem()
        problem.message += f" (in the cell {', '.join(f'{name}: {value}' for name, value in point.items())})"
        problems.append((("search", "space", key), problem))
    return problems


def _crf(spec: StudySpec) -> Iterator[Contradiction]:
    for prefix, head in _heads(spec):
        if not head.has_crf:
            continue
        key = f"{prefix}.crf" if head.crf else f"{prefix}.head"
        if spec.task == "sequence":
            yield Contradiction(key, "is a CRF, which reads words, but this is a sequence task", f"{prefix}.crf: false")
        if spec.model.pieces in ("all", "x"):
            yield Contradiction(
                key,
                f"is a CRF, a chain of words, but model.pieces: {spec.model.pieces} teaches their later pieces",
                "model.pieces: first, or mean",
            )
        if spec.train.loss != "cross_entropy":
            yield Contradiction(
                key, f"has a loss of its own, not train.loss: {spec.train.loss}", "train.loss: cross_entropy"
            )
        if spec.train.label_smoothing:
            yield Contradiction(key, "has no use for train.label_smoothing", "train.label_smoothing: 0")
        if head.problem == "multi_label":
            yield Contradiction(
                key,
                f"is a CRF, which gives each word one label, but words have several here ({prefix}.problem)",
                ONE_TYPE,
            )


def _readings(spec: StudySpec) -> Iterator[Contradiction]:
    model = spec.model
    if spec.task == "sequence" and model.pieces != "first":
        yield Contradiction(
            "model.pieces", f"is {model.pieces}, but a sequence task has no words", "model.pooling: mean"
        )
    if spec.task == "token" and model.pooling != "cls":
        yield Contradiction("model.pooling", f"is {model.pooling}, but a token task has no texts", "model.pieces: mean")
    for prefix, head in _heads(spec):
        if model.pieces == "x" and head.problem == "multi_label":
            yield Contradiction(
                "model.pieces",
                f"is x, which needs one label a word, but words have several here ({prefix}.problem)",
                "model.pieces: all",
            )


def _thresholds(spec: StudySpec) -> Iterator[Contradiction]:
    for prefix, head in _heads(spec):
        if head.problem == "single_label" and head.threshold != HeadOptions.model_fields["threshold"].default:
            yield Contradiction(
                f"{prefix}.threshold",
                "is for items with several labels, but they have one here",
                f"{prefix}.threshold: 0.5",
            )


def _labels_once(spec: StudySpec) -> Iterator[Contradiction]:
    owner: dict[str, str] = {}
    for name, head in (spec.model.heads or {}).items():
        for label in head.labels:
            if label in owner:
                what = "twice in one head" if owner[label] == name else f"in the heads {owner[label]} and {name}"
                yield Contradiction(
                    f"model.heads.{name}.labels", f"has {label}, which is {what}", "Name each label once, in one head"
                )
            owner[label] = name


def _searched_beside_stages(spec: StudySpec) -> Iterator[Contradiction]:
    """A key of `train` that is searched, although every stage says its own."""
    for name in StageSpec.model_fields:
        key = f"train.{name}"
        if key in spec.search.space and spec.stages and all(getattr(one, name) is not None for one in spec.stages):
            yield Contradiction(
                f"search.space.{key}", f"says nothing: every stage has {name} of its own", f"Search stages.0.{name}"
            )


def _one_way_of_heads(spec: StudySpec) -> Iterator[Contradiction]:
    """Keys of the one head have no meaning beside several."""
    if not spec.model.heads:
        return
    for name, field in HeadOptions.model_fields.items():
        if name != "problem" and getattr(spec.model, name) != field.default:
            yield Contradiction(
                f"model.{name}",
                "says nothing beside model.heads",
                f"Write it below a head: model.heads: {{NAME: {{{name}: …}}}}",
            )


def _tuned(spec: StudySpec) -> Iterator[Contradiction]:
    refits = spec.protocol.kfold is not None and spec.protocol.final == "refit"
    for prefix, head in _heads(spec):
        if head.threshold != "tuned":
            continue
        if spec.final.train_with_dev:
            yield Contradiction(
                f"{prefix}.threshold",
                "is tuned on dev, but final.train_with_dev leaves none",
                "final.train_with_dev: false",
            )
        if refits:
            yield Contradiction(
                f"{prefix}.threshold", "is tuned on dev, but a refit after kfold has none", "protocol.final: average"
            )


def _lora(spec: StudySpec) -> Iterator[Contradiction]:
    """Adapters learn where the encoder's own weights would."""
    if spec.train.lora is not None and all(
        settings.freeze == "encoder" and settings.top_layers is None for settings in spec.stage_settings
    ):
        yield Contradiction("train.lora", "has nothing to learn where train.freeze is encoder", "train.freeze: none")


def _pruning(spec: StudySpec) -> Iterator[Contradiction]:
    search = spec.search
    if search.pruner == "halving" and search.sampler != "grid" and search.trials is None:
        yield Contradiction(
            "search.pruner",
            "is halving, which compares all trials with each other, but nothing says how many there are",
            "search.trials: 60, or search.pruner: hyperband",
        )
    if search.pruner in ("halving", "hyperband") and search.patience is not None:
        yield Contradiction(
            "search.patience",
            f"counts trials that ran to their end, where search.pruner: {search.pruner} decides which do",
            "search.timeout, or search.pruner: median",
        )
    if search.keep == "best" and (spec.protocol.repeat or spec.protocol.kfold):
        yield Contradiction(
            "search.keep", "is best, but with this protocol a trial is several fits", "search.keep: none"
        )


RULES: tuple[Callable[[StudySpec], Iterator[Contradiction]], ...] = (
    _crf,
    _readings,
    _one_way_of_heads,
    _tuned,
    _thresholds,
    _labels_once,
    _searched_beside_stages,
    _lora,
    _pruning,
)


def _heads(spec: StudySpec) -> list[tuple[str, HeadOptions]]:
    """Each head with the key that it stands at."""
    return [(f"model.heads.{name}", head) for name, head in (spec.model.heads or {}).items()] or [("model", spec.model)]
