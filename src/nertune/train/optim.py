"""Training arguments: a point's `train` section in the words of transformers."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import torch
from transformers import TrainingArguments

from nertune.data.examples import Problem
from nertune.spec.study import TrainSpec
from nertune.train.batches import TrainBatches

Precision = Literal["fp32", "bf16"]
SCHEDULES = {"linear": "linear", "cosine": "cosine", "constant": "constant_with_warmup"}
RECORDS_PER_EPOCH = 10
LONGEST_INTERVAL = 50  # steps between two records of the training loss, so that a long epoch is no silence


def training_arguments(
    train: TrainSpec,
    *,
    batches: TrainBatches,
    seed: int,
    device: str,
    precision: Precision,
    folder: Path,
    evaluates: bool,
    problem: Problem = "single_label",
) -> TrainingArguments:
    """The arguments of one fit, in the names of transformers 5.23.

    device     "cpu" or "cuda:0": a process that uses another GPU is shown that one alone (CUDA_VISIBLE_DEVICES)
    evaluates  whether there is a dev split
    """
    if device not in {"cpu", "cuda:0"}:
        raise ValueError(f"device is {device!r}; make another GPU visible alone and call it cuda:0")
    args = TrainingArguments(
        output_dir=str(folder),
        num_train_epochs=train.epochs,
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
        **_record_options(train, steps_per_epoch=batches.steps_per_epoch, evaluates=evaluates),
    )
    if device != "cpu":
        torch.cuda.set_device(args.device)
        args._n_gpu = 1  # else every visible GPU is drawn in through DataParallel
    return args


def _optimizer_options(train: TrainSpec) -> dict[str, Any]:
    return {
        "optim": "adamw_torch_fused",
        "learning_rate": train.learning_rate,
        "weight_decay": train.weight_decay,
        "adam_beta1": train.beta1,
        "adam_beta2": train.beta2,
        "adam_epsilon": train.epsilon,
        "max_grad_norm": train.max_grad_norm,
        "warmup_steps": train.warmup_ratio,  # below 1 it is a share of all steps
        "lr_scheduler_type": SCHEDULES[train.schedule],
    }


def _record_options(train: TrainSpec, *, steps_per_epoch: int, evaluates: bool) -> dict[str, Any]:
    """When to evaluate and to log."""
    by_step = evaluates and train.evaluate_every != "epoch"
    return {
        "eval_strategy": "steps" if by_step else "epoch" if evaluates else "no",
        "eval_steps": train.evaluate_every if by_step else None,
        "logging_strategy": "steps",
        "logging_steps": max(1, min(LONGEST_INTERVAL, steps_per_epoch // RECORDS_PER_EPOCH)),
        "logging_nan_inf_filter": False,  # it writes 0.0 where the loss was NaN
        "report_to": "none",
    }
