"""Pruners: which trials are worth going on with, decided from the record alone.

`halving` and `hyperband` never look at who was first: a rung is decided when all its cells have arrived, so that the
outcome does not depend on the number of workers or on their timing (Optuna's successive halving is decided by the
trials that happen to be there: under other timing it chose otherwise in 17 of 30 searches). `median` is Optuna's own.

Jamieson and Talwalkar 2016 (successive halving), Li et al. 2018 (hyperband), Golovin et al. 2017 (the median rule).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice, pairwise

import optuna
from optuna.trial import TrialState, create_trial

from nertune.analysis.ranking import objective_value
from nertune.protocols import plan_fits
from nertune.report.text import score_text, share_text
from nertune.results.database import CellRow, Moment
from nertune.results.records import Cut
from nertune.scores import is_minimised
from nertune.search.sampler import PER, direction_of
from nertune.spec.space import apply_point
from nertune.spec.study import StudySpec

STARTUP_TRIALS = 5  # that run to their end before the median ends any, as in Optuna


@dataclass(frozen=True)
class Decision:
    """What becomes of a paused cell: it goes on, or it is pruned for this reason."""

    cell: CellRow
    pruned: str | None = None


class Pruner:
    """Lets every trial run to its end. Others say when cells pause, what is decided of them, and who is ended."""

    needs_curves = False

    def pause_after(self, cell: CellRow) -> float | None:
        """The share of its steps after which the cell pauses next; None: it runs to its end."""
        del cell
        return None

    def work_left(self, number: int, *, n_rungs: int = 0, is_decided: bool = True) -> float:
        """What is to be expected of a cell with this number, as a share of a whole trial.

        n_rungs     at which it has paused so far
        is_decided  whether it goes on for sure to the next one
        """
        del number, n_rungs, is_decided
        return 1.0

    @property
    def most_paused(self) -> int:
        """Checkpoints of paused cells that lie on disk at a time, at most."""
        return 0

    def decide(self, cells: Sequence[CellRow], *, is_all: bool) -> list[Decision]:
        """What becomes of paused cells by now. `is_all`: no cell follows those that there are."""
        del cells, is_all
        return []

    def judge(self, cell: CellRow, *, others: Sequence[CellRow], curves: Mapping[int, Sequence[Moment]]) -> Cut | None:
        """Why a running cell is ended after its newest evaluation; None: it goes on.

        others  cells that ran to their end
        curves  the objective on dev of all these, by their numbers
        """
        del cell, others, curves
        return None


@dataclass(frozen=True)
class Bracket:
    """Cells that are compared with each other.

    first   number of the first
    size    how many there are
    shares  of their steps, after which they pause to be compared; empty: they run to their end
    """

    first: int
    size: int
    shares: tuple[float, ...]


Brackets = Callable[[], Iterator[Bracket]]


class Halving(Pruner):
    """Successive halving, in one bracket or in several."""

    def __init__(self, spec: StudySpec, *, brackets: Brackets) -> None:
        self._eta, self._rungs, self._objective = spec.search.eta, spec.search.rungs, spec.search.objective
        self._brackets = brackets

    def pause_after(self, cell: CellRow) -> float | None:
        shares = self._shares_of(cell.number)
        return shares[len(cell.rungs)] if len(cell.rungs) < len(shares) else None

    def work_left(self, number: int, *, n_rungs: int = 0, is_decided: bool = True) -> float:
        ends = [0.0, *self._shares_of(number), 1.0][n_rungs:]
        parts = [end - begin for begin, end in pairwise(ends)]
        expected: float = math.fsum(part / self._eta**further for further, part in enumerate(parts))
        return expected if is_decided else expected / self._eta

    @property
    def most_paused(self) -> int:
        """Brackets that follow each other may be under way together, each with its first rung full."""
        begun = islice(self._brackets(), len(self._rungs))
        return sum(math.ceil(bracket.size / self._eta) for bracket in begun if bracket.shares)

    def decide(self, cells: Sequence[CellRow], *, is_all: bool) -> list[Decision]:
        decisions: list[Decision] = []
        for bracket in self._brackets():
            members = [cell for cell in cells if bracket.first <= cell.number < bracket.first + bracket.size]
            if not members:
                break
            decisions += self._climb(bracket, members, size=len(members) if is_all else bracket.size)
        return decisions

    def _shares_of(self, number: int) -> tuple[float, ...]:
        return next((one.shares for one in self._brackets() if number < one.first + one.size), ())

    def _climb(self, bracket: Bracket, members: Sequence[CellRow], *, size: int) -> Iterator[Decision]:
        """Rung by rung, until one that not all have reached."""
        entered, n_entered = list(members), size
        for rung, share in enumerate(bracket.shares):
            n_going_on = math.ceil(n_entered / self._eta)
            standings = self._standings(entered, rung=rung)
            is_decided = len(entered) == n_entered and not any(_is_below(cell, rung) for cell in entered)
            for place, (score, cell) in enumerate(standings):
                if not _waits_at(cell, rung):
                    continue
                if score is None or place >= n_going_on:
                    told = f"{score_text(score)} after {share_text(share)} of its steps"
                    yield Decision(cell, f"{told} is behind {place} of {n_entered} trials; {n_going_on} go on")
                elif is_decided:
                    yield Decision(cell)
            if not is_decided:
                return
            entered = [cell for score, cell in standings[:n_going_on] if score is not None]
            n_entered = len(entered)

    def _standings(self, cells: Sequence[CellRow], *, rung: int) -> list[tuple[float | None, CellRow]]:
        """Who has arrived at a rung, with scores, the best first, ties to the lower number; without a score last."""
        sign = 1 if is_minimised(self._objective) else -1
        arrived = [cell for cell in cells if len(cell.rungs) > rung or cell.state == "complete"]
        scored = [(self._score(cell, rung=rung), cell) for cell in arrived]
        return sorted(scored, key=lambda one: (one[0] is None, sign * (one[0] or 0.0), one[1].number))

    def _score(self, cell: CellRow, *, rung: int) -> float | None:
        """The best until the rung; of a trial that its patience ended before it, the best of all."""
        if len(cell.rungs) <= rung:
            return objective_value(cell, self._objective)
        score: float | None = cell.rungs[rung]["scores"].get(self._objective)
        return score


def _is_below(cell: CellRow, rung: int) -> bool:
    """Whether the cell may still arrive."""
    return cell.is_open and len(cell.rungs) <= rung


def _waits_at(cell: CellRow, rung: int) -> bool:
    return cell.state == "paused" and len(cell.rungs) == rung + 1


def one_bracket(spec: StudySpec, *, total: int | None) -> Iterator[Bracket]:
    """All cells of a study, of which there is a total."""
    assert total is not None, "a rule demands search.trials where the space has no end"
    yield Bracket(0, total, spec.search.rungs[:-1])


def hyperband_brackets(spec: StudySpec, *, total: int | None) -> Iterator[Bracket]:
    """Brackets that begin at the first rung, at the second, … at the last, and so on again.

    Each costs about the same: with three rungs and eta 3 they have 9, 5 and 3 cells. total None: there is no end.
    """
    rungs = spec.search.rungs
    sizes = [math.ceil(len(rungs) / (steps + 1) * spec.search.eta**steps) for steps in range(len(rungs))]
    first = 0
    while True:
        for skipped, size in enumerate(reversed(sizes)):
            if total is not None and first >= total:
                return
            yield Bracket(first, size if total is None else min(size, total - first), rungs[skipped:-1])
            first += size


class Median(Pruner):
    """Ends a trial whose best is below the median of those that ran to their end, at the same share of their epochs."""

    needs_curves = True

    def __init__(self, spec: StudySpec) -> None:
        self._spec = spec
        self._n_fits = len(plan_fits(spec.protocol, seed=spec.search.seed))
        self._pruner = optuna.pruners.MedianPruner(n_startup_trials=STARTUP_TRIALS)

    def judge(self, cell: CellRow, *, others: Sequence[CellRow], curves: Mapping[int, Sequence[Moment]]) -> Cut | None:
        study = optuna.create_study(direction=direction_of(self._spec))
        for other in others:
            values = self._by_share(other, curves)
            if values:
                study.add_trial(create_trial(value=values[max(values)], intermediate_values=values))
        own = self._by_share(cell, curves)
        if not own or not self._pruner.prune(study, create_trial(state=TrialState.RUNNING, intermediate_values=own)):
            return None
        best = min(own.values()) if is_minimised(self._spec.search.objective) else max(own.values())
        share = max(own) / PER
        told = f"{score_text(best)} after {share_text(share)} of its epochs"
        return Cut(share, f"{told} is behind the median of {len(study.trials)} finished trials")

    def _by_share(self, cell: CellRow, curves: Mapping[int, Sequence[Moment]]) -> dict[int, float]:
        """The finite values of a curve by thousandths of the trial."""
        epochs = apply_point(self._spec, cell.point).total_epochs * self._n_fits
        moments = curves.get(cell.number, ())
        return {round(one.epoch / epochs * PER): one.value for one in moments if one.value is not None}


PRUNERS: Mapping[str, Callable[[StudySpec, int | None], Pruner]] = {
    "none": lambda _spec, _total: Pruner(),
    "median": lambda spec, _total: Median(spec),
    "halving": lambda spec, total: Halving(spec, brackets=partial(one_bracket, spec, total=total)),
    "hyperband": lambda spec, total: Halving(spec, brackets=partial(hyperband_brackets, spec, total=total)),
}


def make_pruner(spec: StudySpec, *, total: int | None) -> Pruner:
    """The pruner that the study names; `total` cells come to it, None where only its time limit ends it."""
    return PRUNERS[spec.search.pruner](spec, total)
