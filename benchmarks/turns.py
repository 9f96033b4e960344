"""Comparisons, and how their sides take turns: what disturbs the machine for a while disturbs both."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from nertune.errors import NertuneError
from rows import Row

FIRST_SEED = 42


@dataclass(frozen=True)
class Run:
    """What one side did in one round.

    wall_s   seconds that count; of most sides those of the whole command, start-up included
    """

    wall_s: float

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


Runs = Mapping[str, Sequence[Any]]  # of each side, a run a round


@dataclass(frozen=True)
class Side:
    """One side of a comparison.

    go       given a seed and an empty folder, does the work once
    same_as  sides for which this is equal do the same: with one seed, one run serves them all
    """

    go: Callable[[int, Path], Run]
    same_as: Hashable = None


@dataclass(frozen=True)
class Comparison:
    """One name of `--rows`: a work, the sides that do it, and what comes of it.

    sides      by name, in the order of their turns
    make_rows  of the rounds that all sides ran
    """

    name: str
    rounds: int
    sides: Mapping[str, Side]
    make_rows: Callable[[Runs], list[Row]]


@dataclass
class Result:
    """What became of a comparison: the rounds that all its sides ran, and what ended it early."""

    comparison: Comparison
    runs: dict[str, list[Run]]
    error: NertuneError | None = None

    def rows(self) -> list[Row]:
        """None where no round came to its end, or where what the sides did cannot be compared."""
        if not all(self.runs.values()):
            return []
        try:
            return self.comparison.make_rows(self.runs)
        except NertuneError as error:
            self.error = error
            return []


def compare(comparisons: Sequence[Comparison], *, folder: Path, limit_s: float | None = None) -> list[Result]:
    """The sides of every comparison in turn, round by round; round 1 has seed 42, round 2 seed 43 and so on.

    One whose side fails gets no further round; the others, which may have taken hours, go on.

    limit_s   seconds; after the first round, one that would end later, judged by the one before, is left out
    """
    start = time.monotonic()
    done: dict[tuple[Hashable, int], Run] = {}
    results = [Result(one, {side: [] for side in one.sides}) for one in comparisons]
    for number in range(max(one.rounds for one in comparisons)):
        for place, result in enumerate(results):
            is_over = number >= result.comparison.rounds or result.error is not None
            if is_over or is_too_late(result.runs, start=start, limit_s=limit_s):
                continue
            try:
                runs = run_round(result.comparison, number=number, done=done, folder=folder / f"{place}-{number}")
            except NertuneError as error:
                result.error = error
                print(f"{result.comparison.name}: {error}", file=sys.stderr, flush=True)
            else:
                for name, run in runs.items():
                    result.runs[name].append(run)
    return results


def run_round(
    comparison: Comparison, *, number: int, done: dict[tuple[Hashable, int], Run], folder: Path
) -> dict[str, Run]:
    """Every side once.

    done    runs that sides share, by what they have in common and the round
    Raises  SideError
    """
    folder.mkdir()
    runs = {}
    for name, side in comparison.sides.items():
        key = (side.same_as or (id(comparison), name), number)
        if key not in done:
            done[key] = run_side(side, seed=FIRST_SEED + number, folder=folder / name)
            told = f"{comparison.name}, round {number + 1}: {name} {done[key].wall_s:.1f} s"
            print(told, file=sys.stderr, flush=True)
        runs[name] = done[key]
    return runs


def run_side(side: Side, *, seed: int, folder: Path) -> Run:
    folder.mkdir()
    return side.go(seed, folder)


def is_too_late(runs: Runs, *, start: float, limit_s: float | None) -> bool:
    if limit_s is None or not all(runs.values()):
        return False
    round_s: float = sum(done[-1].wall_s for done in runs.values())
    return time.monotonic() - start + round_s > limit_s
