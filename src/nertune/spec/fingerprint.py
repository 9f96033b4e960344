"""Fingerprints: what decides a result, as a short name that changes with it."""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nertune.spec.space import Point, apply_point
from nertune.spec.study import StudySpec

# design: a study is its resolved file without these, plus the fingerprints of data and model
NOT_IDENTITY = ("execute", "final", "track", "storage", "output")
PATHS = (
    ("data", "dir"),
    ("data", "train"),
    ("data", "dev"),
    ("data", "test"),
    ("data", "tags"),
    ("model", "base"),
    ("model", "tokenizer"),
    ("model", "checkpoint"),
)
# What a point consisted of in the first release. A key that came later counts where it is not at its default, so that
# the cells of older records keep their names.
FIRST_KEYS = {
    "model": {"name", "base", "tokenizer", "head", "config"},
    "train": {
        "epochs",
        "batch_size",
        "device_batch_size",
        "learning_rate",
        "weight_decay",
        "warmup_ratio",
        "schedule",
        "max_grad_norm",
        "patience",
        "evaluate_every",
        "label_smoothing",
        "beta1",
        "beta2",
        "epsilon",
        "batches",
        "precision",
        "max_pieces",
        "overlap_pieces",
        "truncate",
    },
}
READ_AT_ONCE = 1 << 20  # bytes


def fingerprint(value: Any) -> str:
    """sha256 (hex) of a JSON value; the order of keys does not count."""
    text = json.dumps(value, sort_keys=True, ensure_ascii=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def study_identity(spec: StudySpec, *, data: Mapping[str, str]) -> dict[str, Any]:
    """What makes this study this study: a flat mapping from dotted keys to values.

    data    fingerprints of train and dev
    Values of searched keys are left out (they come from the space), and so are the values of the space:
    a widened grid is the same study.
    """
    tree = spec.model_dump(mode="json", exclude=set(NOT_IDENTITY))
    space = tree["search"].pop("space")
    for name in ("trials", "timeout", "patience", "keep"):
        tree["search"].pop(name)
    for section, name in PATHS:
        tree[section].pop(name)
    tree["protocol"].pop("final")  # as the section final: what becomes of the best setting
    if tree["model"]["problem"] != "multi_label":
        tree["model"].pop("problem")  # the usual one, whether it was said or seen
    flat = flatten(tree)
    for key in space:
        flat.pop(key, None)
    flat["search.space"] = sorted(space)
    flat |= {f"model.{name}": digest for name, digest in _model_digests(spec).items() if f"model.{name}" not in space}
    for split, digest in data.items():
        flat[f"data.{split}"] = digest
    return flat


def identity_changes(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """Dotted keys whose values differ, with both values where they are short.

    A key that the older record lacks had its default: the study file knew no such key yet.
    """
    defaults = _defaults()
    changed = []
    for key in sorted({*old, *new}):
        before, now = old.get(key, defaults.get(key)), new.get(key)
        if before != now:
            is_digest = any(isinstance(value, str) and len(value) == 64 for value in (before, now))
            changed.append(key if is_digest else f"{key} ({_shown(before)} → {_shown(now)})")
    return changed


def point_id(spec: StudySpec, point: Point) -> str:
    """16 hex digits that name what a cell trains: equal for points that resolve to the same values."""
    return setting_digest(apply_point(spec, point))[:16]


def setting_digest(spec: StudySpec) -> str:
    """Names the values of model and train by what they hold: a project that was moved to another folder keeps it."""
    setting = spec.model_dump(mode="json", include={"model", "train"})
    setting["model"] |= _model_digests(spec)
    setting["model"].pop("problem")  # follows from the data
    for section, first in FIRST_KEYS.items():
        for name in [name for name, value in setting[section].items() if name not in first]:
            if setting[section][name] == _defaults().get(f"{section}.{name}"):
                del setting[section][name]
    if spec.data.size != 100:
        setting["data.size"] = spec.data.size
    if spec.stages:
        setting["stages"] = spec.model_dump(mode="json", include={"stages"})["stages"]
    return fingerprint(setting)


def _model_digests(spec: StudySpec) -> dict[str, str | None]:
    base, tokenizer, checkpoint = spec.model.base, spec.model.tokenizer or spec.model.base, spec.model.checkpoint
    return {
        "base": fingerprint_model(base),
        "tokenizer": fingerprint_model(tokenizer, weights=False),
        "checkpoint": None if checkpoint is None else fingerprint_model(checkpoint),
    }


def fingerprint_model(source: str, *, weights: bool = True) -> str:
    """A hub id as it stands; for a folder the digest of its JSON and vocabulary files and of its weights' ends.

    Whole weights are not read: gigabytes on every start would cost more than they tell.
    """
    folder = Path(source)
    if not folder.is_dir():
        return source
    counts = (".json", ".txt", ".model", *((".safetensors", ".bin") if weights else ()))
    files = [file for file in sorted(folder.iterdir()) if file.suffix in counts and file.is_file()]
    return _digest(tuple((file, file.stat().st_size, file.stat().st_mtime_ns) for file in files))


@functools.lru_cache(maxsize=64)  # every cell asks for it
def _digest(files: tuple[tuple[Path, int, int], ...]) -> str:
    digest = hashlib.sha256()
    for file, _size, _modified in files:
        content = _ends_of(file) if file.suffix in (".safetensors", ".bin") else file.read_bytes()
        digest.update(file.name.encode() + b"\0" + content)
    return digest.hexdigest()


def _ends_of(file: Path) -> bytes:
    size = file.stat().st_size
    with file.open("rb") as stream:
        head = stream.read(READ_AT_ONCE)
        stream.seek(max(0, size - READ_AT_ONCE))
        return str(size).encode() + head + stream.read()


def flatten(tree: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """A tree of mappings, and of lists of mappings, with dotted keys: `stages.1.learning_rate`."""
    flat: dict[str, Any] = {}
    for key, value in tree.items():
        if isinstance(value, list) and value and all(isinstance(item, Mapping) for item in value):
            value = {str(number): item for number, item in enumerate(value)}
        if isinstance(value, Mapping) and value:
            flat |= flatten(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value
    return flat


@functools.cache
def _defaults() -> dict[str, Any]:
    """Every key of a study file with a plain default, as an identity has it."""
    least = {"name": "any", "output": "any", "task": "token", "data": {"dir": "any"}, "model": {"base": "any"}}
    return flatten(StudySpec.model_validate(least).model_dump(mode="json"))


def _shown(value: Any) -> str:
    text = "absent" if value is None else json.dumps(value)
    return text if len(text) <= 40 else text[:39] + "…"
