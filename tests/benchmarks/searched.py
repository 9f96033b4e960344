"""Works, runs and files of searches that nobody ran."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from record import Record
from searches import SearchRun
from sets import Encoder
from works import Work

WORK = Work("token", Path("data"), Encoder("model"), (8,), (1e-3, 1e-4), epochs=1)
TWO_SLOTS = Record(slots=2, threads=1, precision="fp32", pieces=1000)


def run_of(*f1: float, wall_s: float = 10.0, seconds: tuple[float, ...] = (), **more: Any) -> SearchRun:
    """A search of one batch size, whose learning rates are 0, 1, 2 …"""
    return SearchRun(wall_s, {(8, float(rate)): score for rate, score in enumerate(f1)}, seconds=seconds, **more)


def written(path: Path, value: Any) -> Path:
    path.write_text(json.dumps(value), encoding="utf-8")
    return path
