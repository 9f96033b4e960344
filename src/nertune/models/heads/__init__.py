"""What stands on the encoder: the name `model.head` is looked up here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from nertune.data.examples import Problem
from nertune.errors import ModelError, closest
from nertune.hooks import is_hook, load_hook
from nertune.models.heads.head import BuildHead, Head
from nertune.models.heads.linear import build_linear
from nertune.models.heads.mlp import build_mlp
from nertune.spec.model_section import CRF
from nertune.spec.study import HeadOptions, HeadSpec, ModelSpec

HEADS: dict[str, BuildHead] = {"linear": build_linear, "mlp": build_mlp, CRF: build_linear}


def find_head(name: str) -> BuildHead:
    """The builder of this name; of `package.module:name`, the user's own.

    Raises  ModelError with the closest known name, HookError for one that cannot be imported
    """
    if is_hook(name):
        build: BuildHead = load_hook(name, key="model.head", kind="head")
        return build
    if name not in HEADS:
        near = closest(name, HEADS)
        raise ModelError(
            f"model.head is {name!r}, which is none of {', '.join(HEADS)}, and no package.module:name",
            fix=f"model.head: {near or 'linear'}",
        )
    return HEADS[name]


def make_heads(model: ModelSpec, *, labels: Mapping[str, Sequence[str]]) -> tuple[Head, ...]:
    """The heads of a point, in the order of the study file; the only one has the name "".

    labels  of each head by its name: tags or classes in the order of their ids
    Raises  ModelError for a head that nobody knows
    """
    made = [_make_head(name, options=options_of(model, name), labels=tuple(own)) for name, own in labels.items()]
    for head in made:
        find_head(head.options.head)
    return tuple(made)


def options_of(model: ModelSpec, name: str) -> HeadOptions:
    """The keys of one head: those of `model.heads.NAME`, or of `model` where there is one head."""
    return model.heads[name] if name and model.heads else model


def problem_of(model: ModelSpec, *, name: str = "") -> Problem:
    """What a head of a point learns."""
    return options_of(model, name).learned_problem


def _make_head(name: str, *, options: HeadOptions, labels: tuple[str, ...]) -> Head:
    problem = options.learned_problem
    own = HeadOptions.model_validate(options.model_dump(include=set(HeadOptions.model_fields)))
    return Head(
        name=name,
        labels=labels,
        problem=problem,
        options=own,
        weight=options.weight if isinstance(options, HeadSpec) else 1.0,
        thresholds=(_start_threshold(options),) * len(labels) if problem == "multi_label" else (),
    )


def _start_threshold(options: HeadOptions) -> float:
    """Of every label, until thresholds are tuned."""
    return 0.5 if options.threshold == "tuned" else options.threshold
