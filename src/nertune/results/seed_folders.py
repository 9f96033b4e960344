"""A finished seed folder: what made it, whether it is whole, its predictions and its weights."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from nertune.results.files import read_json

DONE = "all_results.json"  # a seed folder with it is whole
WEIGHTS = "model.safetensors"
PREFIXES = {"dev": "eval", "test": "test"}  # of the files of a split, as Hugging Face's examples name them
FOLDS = "fold-*"  # folders, in a seed folder, of the models of its folds


def marks_of(folder: Path) -> Mapping[str, Any]:
    """What environment.json says of the fit in a finished seed folder; empty where it is none, or not whole."""
    with suppress(FileNotFoundError, ValueError):  # ValueError: a disk has lost a part of them
        read_json(folder / DONE)
        marks = read_json(folder / "environment.json").get("fit")
        return marks if isinstance(marks, dict) else {}
    return {}


def predictions_file(folder: Path, split: str) -> Path:
    """Where a seed folder has its predictions of dev or test."""
    return folder / f"{PREFIXES[split]}_predictions.jsonl"


def weight_files(folder: Path) -> list[Path]:
    """The files of weights of a seed folder, or of its folds."""
    return sorted(path for path in (folder / WEIGHTS, *folder.glob(f"{FOLDS}/{WEIGHTS}")) if path.is_file())


def has_weights(folder: Path) -> bool:
    """Whether a seed folder, or each of its folds, still has its weights."""
    owners = list(folder.glob(FOLDS)) or [folder]
    return all((owner / WEIGHTS).is_file() for owner in owners)
