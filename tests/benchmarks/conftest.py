"""The benchmark's modules are scripts beside each other: found as `python benchmarks/run.py` finds them."""

from __future__ import annotations

import sys
from pathlib import Path

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"
sys.path.insert(0, str(BENCHMARKS))
