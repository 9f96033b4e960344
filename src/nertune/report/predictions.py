"""Predictions as lines: for people and pipes, or as JSON."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from nertune.results.records import without_nan

WHITE_SPACE = re.compile(r"\s+")


def json_line(row: Mapping[str, Any]) -> str:
    """One JSON object a line."""
    return json.dumps(without_nan(row), ensure_ascii=False, allow_nan=False) + "\n"


def text_lines(row: Mapping[str, Any]) -> str:
    """Of a sentence a word, a tab and its tag a line, and an empty line; of a text its class, its probability, itself.

    White space inside a word becomes `_`, inside a text a blank, so that columns stay columns. Of several heads, each
    class is told as HEAD=CLASS.
    """
    if "words" in row:
        pairs = zip(row["words"], row["tags"], strict=True)
        return "".join([*(f"{WHITE_SPACE.sub('_', word) or '_'}\t{tag}\n" for word, tag in pairs), "\n"])
    heads = row.get("heads", {"": row})
    labels = ",".join(f"{name}={label}" if name else label for name, said in heads.items() for label in _labels(said))
    sure = ",".join(f"{said['probabilities'][label]:.4f}" for said in heads.values() for label in _labels(said))
    texts = [WHITE_SPACE.sub(" ", row[name]).strip() for name in ("text", "pair") if name in row]
    return "\t".join([labels, sure, *texts]) + "\n"


def _labels(said: Mapping[str, Any]) -> list[str]:
    found: list[str] = said["labels"] if "labels" in said else [said["label"]]
    return found
