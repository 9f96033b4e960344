"""The optimizer: a stage's settings in the words of transformers, and what each parameter learns by."""

from __future__ import annotations

import importlib.util
import math
from collections.abc import Collection
from fnmatch import fnmatch
from pathlib import Path
from typing import Any, Literal

import torch
from torch import nn
from transformers import TrainingArguments
from transformers.training_args import OptimizerNames

from nertune.data.examples import Problem
from nertune.errors import ModelError, closest
from nertune.models.build import Base
from nertune.spec.study import TrainSpec
from nertune.train.batches import TrainBatches
from nertune.train.stages import Stage

Precision = Literal["fp32", "bf16"]
SCHEDULES = {"linear": "linear", "cosine": "cosine", "constant": "constant_with_warmup"}
RECORDS_PER_EPOCH = 10
LONGEST_INTERVAL = 50  # steps between two records of the training loss, so that a long epoch is no silence
# Optimizers that want more than a name: a package that pip does not know, layers to work on, their own backward pass.
NOT_OFFERED = ("*_xla", "*_npu_*", "adamw_anyprecision", "galore_*", "apollo_*", "*lomo")
PACKAGES = {  # optimizers that come in a package of their own: its name for Python, and for pip
    "*_bnb*": ("bitsandbytes", "bitsandbytes"),
    "adamw_8bit": ("bitsandbytes", "bitsandbytes"),
    "lion_*": ("bitsandbytes", "bitsandbytes"),
    "paged_*": ("bitsandbytes", "bitsandbytes"),
    "ademamix*": ("bitsandbytes", "bitsandbytes"),
    "adamw_torch_?bit": ("torchao", "torchao"),
    "schedule_free_*": ("schedulefree", "schedulefree"),
    "stable_adamw": ("optimi", "torch-optimi"),
    "grokadamw": ("grokadamw", "grokadamw"),
}


def training_arguments(
    stage: Stage,
    *,
    batches: TrainBatches,
    seed: int,
    device: str,
    precision: Precision,
    folder: Path,
    evaluates: bool,
    problem: Problem = "single_label",
) -> TrainingArguments:
    """The arguments of one stage of a fit, in the names of transformers 5.23; epochs and steps are those at its end.

    device     "cpu" or "cuda:0": a process that uses another GPU is shown that one alone (CUDA_VISIBLE_DEVICES)
    evaluates  whether there is a dev split
    """
    if device not in {"cpu", "cuda:0"}:
        raise ValueError(f"device is {device!r}; make another GPU visible alone and call it cuda:0")
    train = stage.train
    ends_inside = stage.end_step < stage.end_epoch * batches.steps_per_epoch
    args = TrainingArguments(
        output_dir=str(folder),
        num_train_epochs=stage.end_epoch,
        max_steps=stage.end_step if ends_inside else -1,
        per_device_train_batch_size=batches.part_size,
        gradient_accumulation_steps=batches.n_parts,
        # For the record: the loss is ours and smooths itself. The Trainer would warn that it cannot for several labels.
        label_smoothing_factor=train.label_smoothing if problem == "single_label" else 0.0,
        save_strategy="no",
        disable_tqdm=True,
        seed=seed,
        use_cpu=device == "cpu",
        bf16=precision == "bf16",
        dataloader_pin_memory=device != "cpu",
        remove_unused_columns=False,
        **_optimizer_options(train),
        **_record_options(stage, steps_per_epoch=batches.steps_per_epoch, evaluates=evaluates),
    )
    if device != "cpu":
        torch.cuda.set_device(args.device)
        args._n_gpu = 1  # else every visible GPU is drawn in through DataParallel
    return args


def _optimizer_options(train: TrainSpec) -> dict[str, Any]:
    return {
        "optim": train.optimizer,
        "learning_rate": train.learning_rate,
        "weight_decay": train.weight_decay,
        "adam_beta1": train.beta1,
        "adam_beta2": train.beta2,
        "adam_epsilon": train.epsilon,
        "max_grad_norm": train.max_grad_norm,
        "warmup_steps": train.warmup_ratio,  # below 1 it is a share of all steps
        "lr_scheduler_type": SCHEDULES[train.schedule],
    }


def _record_options(stage: Stage, *, steps_per_epoch: int, evaluates: bool) -> dict[str, Any]:
    """When to evaluate and to log. The stage's last step is evaluated in any case."""
    train = stage.train
    by_step = evaluates and train.evaluate_every != "epoch"
    first_step = min(stage.first_step + math.ceil(train.evaluate_from * steps_per_epoch), stage.end_step)
    return {
        "eval_delay": first_step if by_step else first_step / steps_per_epoch - 1e-9,  # in steps, or in epochs
        "eval_strategy": "steps" if by_step else "epoch" if evaluates else "no",
        "eval_steps": train.evaluate_every if by_step else None,
        "logging_strategy": "steps",
        "logging_steps": max(1, min(LONGEST_INTERVAL, steps_per_epoch // RECORDS_PER_EPOCH)),
        "logging_nan_inf_filter": False,  # it writes 0.0 where the loss was NaN
        "report_to": "none",
    }


def check_optimizer(name: str) -> None:
    """Raises  ModelError for an optimizer that the Trainer does not know, or whose package is not installed"""
    if name not in (known := known_optimizers()):
        near = closest(name, known)
        raise ModelError(
            f"train.optimizer is {name!r}, which the Trainer does not know"
            if name not in {own.value for own in OptimizerNames}
            else f"train.optimizer is {name!r}, which needs more than a name and is not offered",
            fix=f"train.optimizer: {near}" if near else f"Known are: {', '.join(known)}",
        )
    for pattern, (package, wanted) in PACKAGES.items():
        if fnmatch(name, pattern) and importlib.util.find_spec(package) is None:
            raise ModelError(
                f"train.optimizer: {name} needs the package {wanted}, which is not installed",
                fix=f"pip install {wanted}, or write train.optimizer: adamw_torch_fused",
            )


def known_optimizers() -> list[str]:
    """Every value of `train.optimizer`."""
    return [own.value for own in OptimizerNames if not any(fnmatch(own.value, pattern) for pattern in NOT_OFFERED)]


def parameter_groups(
    model: nn.Module, *, train: TrainSpec, base: Base, decayed: Collection[str]
) -> list[dict[str, Any]]:
    """The parameters that learn, in groups of equal learning rate and weight decay, as optimizers take them.

    Groups at `learning_rate` come first: the rate of the first group is the one that is recorded.

    decayed  names of the parameters that weight decay is for
    Raises   ModelError for `layer_decay` in an encoder whose layers cannot be told apart
    """
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            decay = _weight_decay(name, train=train, base=base) if name in decayed else 0.0
            groups.setdefault((_learning_rate(name, train=train, base=base), decay), []).append(parameter)
    made = [{"params": own, "lr": rate, "weight_decay": decay} for (rate, decay), own in groups.items()]
    return sorted(made, key=lambda group: group["lr"] != train.learning_rate)


def _learning_rate(name: str, *, train: TrainSpec, base: Base) -> float:
    """That of the head also for a new pooler; from the last layer down each layer's is `layer_decay` times the last."""
    level, parts = base.parts.level(name), base.parts
    if _is_of_head(name, base=base):
        return train.learning_rate if train.head_learning_rate is None else train.head_learning_rate
    if train.layer_decay == 1 or level == parts.above:
        return train.learning_rate
    parts.check_layers(key="train.layer_decay")
    return float(train.learning_rate * train.layer_decay ** (len(parts.layers) - level))


def _weight_decay(name: str, *, train: TrainSpec, base: Base) -> float:
    if train.head_weight_decay is not None and _is_of_head(name, base=base):
        return train.head_weight_decay
    return train.weight_decay


def _is_of_head(name: str, *, base: Base) -> bool:
    return base.parts.level(name) == base.parts.head or (base.parts.is_pooler(name) and name in base.missing)
