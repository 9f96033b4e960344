"""Whether a model can be trained as a point says: asked before any time is spent."""

from __future__ import annotations

from collections.abc import Callable

from transformers import PreTrainedModel

from nertune.models.build import Base
from nertune.models.heads import find_head, options_of
from nertune.spec.study import StudySpec
from nertune.train.callbacks import load_callbacks
from nertune.train.lora import check_adapters
from nertune.train.optim import check_optimizer
from nertune.train.parts import learning_anywhere


def check_recipe(model: PreTrainedModel, *, base: Base, spec: StudySpec) -> None:
    """Raises  ModelError, HookError: a head, optimizer, layer, package or callback that the point names is not there

    model   built from the base; it is left as it is
    """
    for name in spec.model.heads or ("",):
        find_head(options_of(spec.model, name).head)
    check_optimizer(spec.train.optimizer)
    load_callbacks(spec.train.callbacks)
    for number, settings in enumerate(spec.stage_settings):
        key = _keys_of(spec, number)
        if settings.top_layers is not None:
            base.parts.top(settings.top_layers, key=key("top_layers"))
        if settings.layer_decay != 1:
            base.parts.check_layers(key=key("layer_decay"))
    if spec.train.lora is not None:
        check_adapters(model, lora=spec.train.lora, base=base)


def count_learning(model: PreTrainedModel, *, base: Base, spec: StudySpec) -> int:
    """Parameters that learn in some stage; with adapters, those of the layers that they are added to, at most."""
    levels = learning_anywhere(spec.stage_settings, parts=base.parts)
    named = model.named_parameters()
    return sum(one.numel() for name, one in named if base.parts.level(name) in levels or name in base.missing)


def _keys_of(spec: StudySpec, number: int) -> Callable[[str], str]:
    """Where the value of a key comes from that counts in a stage: `stages.1.top_layers`, or `train.top_layers`."""

    def key(name: str) -> str:
        says = bool(spec.stages) and getattr(spec.stages[number], name) is not None
        return f"stages.{number}.{name}" if says else f"train.{name}"

    return key
