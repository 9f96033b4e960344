"""Checkpoints: a fitted model as a folder that any transformers program loads."""

from __future__ import annotations

from pathlib import Path

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase, TrainerState, TrainingArguments

TRAINING_ARGS, TRAINER_STATE = "training_args.bin", "trainer_state.json"


def save_model(model: PreTrainedModel, *, tokenizer: PreTrainedTokenizerBase, folder: Path) -> None:
    """Write config.json, model.safetensors and the tokenizer's files, for `AutoModelFor….from_pretrained(folder)`.

    The caller renames the folder when all of it is written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    for weights in folder.glob("*.safetensors"):
        weights.chmod((folder / "config.json").stat().st_mode)  # safetensors writes them for the owner alone


def save_training(args: TrainingArguments, *, state: TrainerState, folder: Path) -> None:
    """Write training_args.bin, which other tools expect and nertune never reads, and trainer_state.json."""
    folder.mkdir(parents=True, exist_ok=True)
    torch.save(args, folder / TRAINING_ARGS)
    state.save_to_json(str(folder / TRAINER_STATE))
