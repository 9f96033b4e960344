"""What the two commands come to, as they print it and as Python callers get it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nertune.results.database import CellRow
from nertune.spec.study import StudySpec


@dataclass(frozen=True)
class SearchOutcome:
    """What a search came to.

    cells      every cell of the study, by number
    ranked     finished ones with a finite score, best first
    pruned     those that were cut short, the ones that ran longest first, of these the best
    finished   nothing is left to run within the study's totals
    seconds    of the search, over all calls
    facts      what the record has fixed: threads, precision
    best_file  best.yaml
    """

    spec: StudySpec
    cells: tuple[CellRow, ...]
    ranked: tuple[CellRow, ...]
    pruned: tuple[CellRow, ...]
    finished: bool
    seconds: float
    facts: Mapping[str, Any]
    best_file: Path

    @property
    def best(self) -> CellRow:
        return self.ranked[0]


@dataclass(frozen=True)
class FinalOutcome:
    """What best-and-train came to.

    seeds    one row a seed: seed, best_epoch, scores {split: {name: value}}, labels, folder
    summary  as summary.json holds it
    failed   seed runs that gave no result
    """

    spec: StudySpec
    seeds: tuple[Mapping[str, Any], ...]
    summary: Mapping[str, Any]
    failed: tuple[CellRow, ...]
    folder: Path
