"""Scores over seeds: mean, spread and every value."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from nertune.results.layout import percent_text
from nertune.results.records import without_nan

SPLITS = ("dev", "test")


def summarise_seeds(seeds: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """`dev` and `test`: each score's mean, sd, min, max, n and values by seed; the same for every label.

    seeds  rows with `seed`, `scores` {split: {name: value}} and `labels` {split: {label: {name: value}}}
    sd is the sample standard deviation (n - 1), None for a single seed.
    """
    return {
        split: _summarise_split(seeds, split=split) for split in SPLITS if any(split in row["scores"] for row in seeds)
    }


def summarise_sizes(rows: Mapping[float, Sequence[Mapping[str, Any]]]) -> dict[str, Any]:
    """The learning curve: by percent of train, rising, the examples that were learned from and what its seeds come to.

    rows  of the seeds of each percent, as `summarise_seeds` takes them, with `examples`
    """
    return {
        percent_text(percent): {
            "percent": percent,
            "examples": rows[percent][0]["examples"] if rows[percent] else None,
            "seeds": [row["seed"] for row in rows[percent]],
            **summarise_seeds(rows[percent]),
        }
        for percent in sorted(rows)
    }


def size_rows(rows: Mapping[float, Sequence[Mapping[str, Any]]]) -> tuple[list[dict[str, Any]], list[str]]:
    """Rows and columns of sizes.csv: one row a percent and seed, every score of dev and test."""
    names = {
        split: sorted({name for own in rows.values() for row in own for name in row["scores"].get(split, {})})
        for split in SPLITS
    }
    columns = ["percent", "examples", "seed", "best_epoch"]
    told = [
        {
            "percent": percent_text(percent),
            **{column: row[column] for column in columns[1:]},
            **{
                f"{split}_{name}": row["scores"].get(split, {}).get(name)
                for split, own in names.items()
                for name in own
            },
        }
        for percent in sorted(rows)
        for row in rows[percent]
    ]
    return told, [*columns, *(f"{split}_{name}" for split, own in names.items() for name in own)]


def spread(values: Mapping[str, float | None]) -> dict[str, Any]:
    """Mean, sd, min, max and n of the finite values, and all of them by seed."""
    found = [value for value in values.values() if value is not None and math.isfinite(value)]
    return {
        "mean": statistics.fmean(found) if found else None,
        "sd": statistics.stdev(found) if len(found) > 1 else None,
        "min": min(found, default=None),
        "max": max(found, default=None),
        "n": len(found),
        "values": without_nan(values),
    }


def _summarise_split(seeds: Sequence[Mapping[str, Any]], *, split: str) -> dict[str, Any]:
    names = list(dict.fromkeys(name for row in seeds for name in row["scores"].get(split, {})))
    labels = list(dict.fromkeys(label for row in seeds for label in row["labels"].get(split, {})))
    return {
        "scores": {
            name: spread({str(row["seed"]): row["scores"].get(split, {}).get(name) for row in seeds}) for name in names
        },
        "labels": {label: _summarise_label(seeds, split=split, label=label) for label in labels},
    }


def _summarise_label(seeds: Sequence[Mapping[str, Any]], *, split: str, label: str) -> dict[str, Any]:
    rows = {str(row["seed"]): row["labels"].get(split, {}).get(label, {}) for row in seeds}
    names = list(dict.fromkeys(name for row in rows.values() for name in row))
    return {name: spread({seed: row.get(name) for seed, row in rows.items()}) for name in names}
