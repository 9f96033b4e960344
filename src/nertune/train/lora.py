"""LoRA: small additions to the encoder's linear layers learn in place of their weights, and end up in them."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator

import torch
from torch import nn
from transformers import PreTrainedModel

from nertune.errors import ModelError
from nertune.models.build import Base
from nertune.spec.study import LoraSpec

PACKAGE = "peft"
MARK = "lora_"  # in the names of the additions' parameters


def add_adapters(model: PreTrainedModel, *, lora: LoraSpec, base: Base, levels: frozenset[int], seed: int) -> None:
    """Give the linear layers on these levels of the encoder their additions, which change nothing at first.

    Layers that are drawn anew learn whole, and get none.

    seed    decides, with a layer's place, how its addition is drawn; no generator is changed
    Raises  ModelError: peft is not installed, or no layer has such a name
    """
    check_adapters(model, lora=lora, base=base)
    names = [name for name, _ in _linear_layers(model, lora=lora, base=base) if base.parts.level(name) in levels]
    if not names:
        return
    from peft import LoraConfig, inject_adapter_in_model

    config = LoraConfig(r=lora.rank, lora_alpha=lora.alpha, lora_dropout=lora.dropout, target_modules=names)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        inject_adapter_in_model(config, model)


def merge_adapters(model: PreTrainedModel) -> None:
    """Add the additions to the weights that they belong to: the model is a plain one again."""
    from peft.tuners.lora import LoraLayer

    for name, module in list(model.named_modules()):
        if isinstance(module, LoraLayer):
            module.merge()
            model.set_submodule(name, module.get_base_layer())
    vars(model).pop("peft_config", None)


def is_adapter(name: str) -> bool:
    """Whether a parameter belongs to an addition."""
    return any(part.startswith(MARK) for part in name.split("."))


def without_adapter(name: str) -> str:
    """The name that a parameter has in a model without additions."""
    return name.replace(".base_layer.", ".")


def check_adapters(model: PreTrainedModel, *, lora: LoraSpec, base: Base) -> None:
    """Raises  ModelError: peft is not installed, or a target names no linear layer of the encoder"""
    if importlib.util.find_spec(PACKAGE) is None:
        raise ModelError(
            f"train.lora needs the package {PACKAGE}, which is not installed", fix="pip install 'nertune[lora]'"
        )
    known = [name for name, _ in _linear_layers(model, lora=LoraSpec(), base=base)]
    for target in lora.targets or ():
        if not any(_ends_with(name, target) for name in known):
            ends = sorted({name.rpartition(".")[2] for name in known})
            raise ModelError(
                f"train.lora.targets has {target!r}, but no linear layer of the encoder has such a name",
                fix=f"train.lora.targets: [{', '.join(ends)}]",
            )


def _linear_layers(model: PreTrainedModel, *, lora: LoraSpec, base: Base) -> Iterator[tuple[str, nn.Linear]]:
    """Those of the encoder that were in its checkpoint, and that the targets name."""
    for name, module in model.named_modules():
        if (
            isinstance(module, nn.Linear)
            and base.parts.level(name) != base.parts.head
            and f"{name}.weight" not in base.missing
            and (lora.targets is None or any(_ends_with(name, target) for target in lora.targets))
        ):
            yield name, module


def _ends_with(name: str, target: str) -> bool:
    return name == target or name.endswith(f".{target}")
