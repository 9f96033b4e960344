"""Weights of another checkpoint, taken over those of the base where name and shape fit."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers.utils import cached_file

from nertune.errors import ModelError
from nertune.models.layers import POOLER, Parts
from nertune.models.tokenizers import check_source, unreachable

KEY = "model.checkpoint"
# What a checkpoint may be stored in, the first that is there being read; an index names the files of a large one.
WEIGHT_FILES = (
    "model.safetensors",
    "model.safetensors.index.json",
    "pytorch_model.bin",
    "pytorch_model.bin.index.json",
)
OLD_NAMES = {"gamma": "weight", "beta": "bias"}  # of norms, in checkpoints of the first years
COUNTERS = ("position_ids", "token_type_ids")  # buffers of old checkpoints that hold 0, 1, 2, …
MOST_NAMED = 3


@dataclass(frozen=True)
class Taken:
    """What became of a checkpoint's weights. Names are those of the model; of what is left out, the checkpoint's own.

    new       neither in the checkpoint nor in the base: drawn for each fit
    missing   not in the checkpoint: kept from the base
    left_out  in the checkpoint, and of no use: of no such name in the encoder, or of another shape
    """

    source: str
    taken: tuple[str, ...]
    new: tuple[str, ...]
    missing: tuple[str, ...]
    left_out: tuple[str, ...]

    def __str__(self) -> str:
        return (
            f"{self.source}: {len(self.taken)} weights taken; new {_named(self.new)}; "
            f"missing, kept from the base {_named(self.missing)}; left out {_named(self.left_out)}"
        )


def take_checkpoint(
    source: str,
    *,
    tensors: Mapping[str, Tensor],
    shapes: Mapping[str, torch.Size],
    parts: Parts,
    strict: bool,
) -> tuple[dict[str, Tensor], Taken]:
    """The base's tensors with the checkpoint's in place of those of the encoder, float32; and what became of each.

    The checkpoint's names may have any beginning (`bert.`, none, `module.bert.`): the one under which most names fit
    the encoder's. Heads are never taken.

    tensors  of the base, by the model's names
    shapes   of all of the model's tensors, those that the base lacks among them
    strict   refuse a checkpoint that does not fill the encoder (a pooler apart), or has more of it
    Raises   ModelError: nothing to read, nothing that fits, or not what `strict` asks for
    """
    stored = read_checkpoint(source)
    names = {name.removeprefix(parts.encoder): name for name in shapes if parts.level(name) != parts.head}
    beginning = _beginning(stored, names)
    inner = {key: _modern(key.removeprefix(beginning)) for key in stored if key.startswith(beginning)}
    fitting = {
        names[name]: key for key, name in inner.items() if name in names and stored[key].shape == shapes[names[name]]
    }
    if not fitting:
        raise ModelError(
            f"{source} has no weights that fit the encoder by name and shape, out of {len(stored)}",
            fix=f"Name a checkpoint of the same architecture and size at {KEY}, or leave it out",
        )
    of_no_use = [key for key in stored if key not in fitting.values() and not key.endswith(COUNTERS)]
    if strict:
        _check_strict(source, lacking=set(names.values()) - set(fitting), over=set(of_no_use) & set(inner))
    filled = {**tensors, **{name: stored[key].float() for name, key in fitting.items()}}
    return filled, Taken(
        source=source,
        taken=tuple(sorted(fitting)),
        new=tuple(sorted(shapes.keys() - filled.keys())),
        missing=tuple(sorted((set(names.values()) & tensors.keys()) - fitting.keys())),
        left_out=tuple(sorted(of_no_use)),
    )


def read_checkpoint(source: str) -> dict[str, Tensor]:
    """The tensors of a folder or hub id by their stored names, on the CPU: safetensors first, a .bin with weights_only.

    Raises  ModelError
    """
    check_source(source, holds=WEIGHT_FILES, what="weights", key=KEY)
    cause: Exception = OSError("it has no weights")
    for name in WEIGHT_FILES:
        try:
            file = cached_file(source, name, _raise_exceptions_for_missing_entries=False)
        except OSError as error:
            cause = error
            continue
        if file is not None:
            return _read(Path(file), source=source)
    raise unreachable(source, cause=cause, what="weights", key=KEY)


def _read(file: Path, *, source: str) -> dict[str, Tensor]:
    """Of an index, the tensors of all the files that it names."""
    if file.suffix == ".json":
        index: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        parts = sorted(set(index["weight_map"].values()))
        files = [Path(cached_file(source, part)) for part in parts]
        return {name: tensor for part in files for name, tensor in _read(part, source=source).items()}
    try:
        return _load(file)
    except Exception as cause:  # safetensors and pickle have error classes of their own
        raise unreachable(source, cause=cause, what="weights", key=KEY) from cause


def _load(file: Path) -> dict[str, Tensor]:
    if file.suffix == ".safetensors":
        from safetensors.torch import load_file

        loaded: dict[str, Tensor] = load_file(file)
        return loaded
    stored = torch.load(file, map_location="cpu", weights_only=True)
    return {name: tensor for name, tensor in stored.items() if isinstance(tensor, Tensor)}


def _modern(name: str) -> str:
    head, dot, last = name.rpartition(".")
    return f"{head}{dot}{OLD_NAMES.get(last, last)}"


def _beginning(stored: Iterable[str], names: Mapping[str, str]) -> str:
    """What stands before the encoder's own names in most of the stored ones."""
    counts: Counter[str] = Counter()
    for key in stored:
        words = _modern(key).split(".")
        counts.update(
            "".join(f"{word}." for word in words[:i]) for i in range(len(words)) if ".".join(words[i:]) in names
        )
    return counts.most_common(1)[0][0] if counts else ""


def _check_strict(source: str, *, lacking: set[str], over: set[str]) -> None:
    lacking, over = ({name for name in names if POOLER not in name.split(".")} for names in (lacking, over))
    if lacking or over:
        raise ModelError(
            f"{source} does not fit the encoder: {_named(sorted(lacking))} of the encoder's are missing, "
            f"{_named(sorted(over))} of its own fit nothing",
            fix="Name another model.checkpoint, or write model.checkpoint_strict: false",
        )


def _named(names: Iterable[str]) -> str:
    """`3 (a, b, …)`."""
    names = list(names)
    if not names:
        return "0"
    return f"{len(names)} ({', '.join(names[:MOST_NAMED])}{', …' if len(names) > MOST_NAMED else ''})"
