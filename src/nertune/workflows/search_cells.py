"""The cells of a search: how many there are, which one comes next, which go on, and when there are no more."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence

from nertune.analysis.ranking import n_since_best
from nertune.execute.plan import Plan
from nertune.results.database import CellRow
from nertune.results.layout import cell_name
from nertune.results.records import Cut, StepRecord
from nertune.search.pruner import make_pruner
from nertune.search.sampler import Sampler
from nertune.spec.fingerprint import point_id
from nertune.spec.study import StudySpec
from nertune.workflows.costs import Costs
from nertune.workflows.session import Session

FEW_STEPS = 20  # optimizer steps of a fit after which its score still says little of its end


def cells_wanted(spec: StudySpec, sampler: Sampler) -> int | None:
    """How many cells the study comes to; None when only its time limit ends it."""
    bounds = [bound for bound in (sampler.size, spec.search.trials) if bound is not None]
    return min(bounds) if bounds else None


def is_finished(spec: StudySpec, cells: Sequence[CellRow], *, sampler: Sampler, seconds: float) -> bool:
    """Whether nothing is left to run within the study's totals of cells and time, and its patience."""
    if is_cut_short(spec, cells, seconds=seconds):
        return True
    if any(cell.is_open for cell in cells):
        return False
    if spec.search.trials is not None and len(cells) >= spec.search.trials:
        return True
    return sampler.size is not None and sampler.next_point(cells) is None


def is_cut_short(spec: StudySpec, cells: Sequence[CellRow], *, seconds: float) -> bool:
    """Whether no cell may start although there may be some: the time is up, or nothing better came for too long."""
    search = spec.search
    is_late = search.timeout is not None and seconds >= search.timeout
    return is_late or (search.patience is not None and n_since_best(cells, search.objective) >= search.patience)


def most_paused(spec: StudySpec, total: int | None, *, plan: Plan) -> int:
    """Checkpoints of trials that lie on disk at a time, at most: of those that have paused, and of those that run."""
    pruner = make_pruner(spec, total=total)
    return pruner.most_paused + len(plan.slots) if pruner.most_paused else 0


def early_rung_text(spec: StudySpec, costs: Costs) -> str | None:
    """A word of warning where trials are compared when they have hardly begun; None where they have learned some."""
    has_rungs = spec.search.pruner in ("halving", "hyperband")
    has_fits = spec.protocol.repeat is not None or spec.protocol.kfold is not None  # whole fits are compared
    if not has_rungs or has_fits:
        return None
    steps = math.ceil(costs.fewest_steps() * spec.search.rungs[0])
    if steps >= FEW_STEPS:
        return None
    return (
        f"search.pruner: {spec.search.pruner} compares trials after as few as {steps} optimizer steps, "
        "which says little; a later first rung is safer: search.rungs: [1/3, 1]"
    )


class SearchCells:
    """The study's cells as the coordinator takes them: open ones first, then new points while the totals allow.

    on_pruned  called with each cell that ends at a rung
    """

    def __init__(
        self, session: Session, *, sampler: Sampler, on_pruned: Callable[[CellRow], None] = lambda _: None
    ) -> None:
        self._session = session
        self._sampler = sampler
        self._total = cells_wanted(session.spec, sampler)
        self._pruner = make_pruner(session.spec, total=self._total)
        self._on_pruned = on_pruned
        self._last_read: list[CellRow] = []
        self._began = time.monotonic()
        self._before_s = float(session.study.facts.get("search_seconds", 0.0))

    @property
    def seconds(self) -> float:
        """Time of the search so far, over all calls."""
        return self._before_s + time.monotonic() - self._began

    def take(self) -> CellRow | None:
        cells = self._decided(self._cells())
        if self._is_over(cells):
            return None
        return next(filter(_is_waiting, cells), None) or self._add(cells)

    def take_early(self) -> CellRow | None:
        search = self._session.spec.search
        if search.pruner != "none" or search.patience is not None:
            return None
        cells = self._cells()
        return None if self._is_over(cells) else next(filter(_is_waiting, cells), None)

    def look_ahead(self) -> None:
        cells = self._cells()
        if not self._is_over(cells) and not any(map(_is_waiting, cells)):
            self._add(cells)

    def pause_after(self, cell: CellRow) -> float | None:
        """The share of its steps after which the cell pauses next."""
        return self._pruner.pause_after(cell)

    def share_expected(self, cell: CellRow) -> float:
        """Of a whole trial: what is to come of a cell that waits, what runs until its next pause, what was done."""
        n_rungs = len(cell.rungs)
        if not cell.is_open:
            return float(cell.rungs[-1]["share"]) if cell.state == "pruned" else 1.0
        if cell.state == "running":
            return (self.pause_after(cell) or 1.0) - (cell.rungs[-1]["share"] if n_rungs else 0.0)
        return self._pruner.work_left(cell.number, n_rungs=n_rungs, is_decided=cell.state != "paused")

    def judge(self, cell: CellRow, record: StepRecord) -> Cut | None:
        """Why a running cell is not worth going on with after this evaluation."""
        if not self._pruner.needs_curves or record.split != "dev":
            return None
        session = self._session
        name = session.spec.search.objective
        curves = session.database.curves(session.study, "search", split="dev", name=name)
        others = [one for one in self._cells() if one.state == "complete"]
        return self._pruner.judge(cell, others=others, curves=curves)

    def _decided(self, cells: list[CellRow]) -> list[CellRow]:
        """The cells after what there is to decide of those that paused."""
        is_all = self._total is not None and len(cells) >= self._total
        database = self._session.database
        while decisions := self._pruner.decide(cells, is_all=is_all):
            for decision in decisions:
                if decision.pruned is None:
                    database.reopen_cell(decision.cell)
                    continue
                database.prune_cell(decision.cell, message=decision.pruned)
                self._session.folder.forget(cell_name("search", decision.cell.number))
                self._on_pruned(database.cell(decision.cell.id))
            cells = self._cells()
        return cells

    def _is_over(self, cells: Sequence[CellRow]) -> bool:
        return is_cut_short(self._session.spec, cells, seconds=self.seconds)

    def _cells(self) -> list[CellRow]:
        session = self._session
        self._last_read = session.database.cells(session.study, "search", known=self._last_read)
        return self._last_read

    def _add(self, cells: Sequence[CellRow]) -> CellRow | None:
        spec = self._session.spec
        if spec.search.trials is not None and len(cells) >= spec.search.trials:
            return None
        point = self._sampler.next_point(cells)
        if point is None:
            return None
        return self._session.database.add_cell(
            self._session.study,
            stage="search",
            number=len(cells),
            point=point,
            point_id=point_id(spec, point),
            seed=spec.search.seed,
        )


def _is_waiting(cell: CellRow) -> bool:
    return cell.state in ("waiting", "interrupted")
