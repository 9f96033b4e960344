"""Searches against the plain loop: what is read from both sides, and what their rows say."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from searched import TWO_SLOTS, WORK, run_of, written

from grids import halving_row, later_row, whole_row
from nertune.spec.load import load_study
from record import most_at_once
from rows import Goal
from searches import SideError, nertune_side, plain_command, plain_side, read_nertune, read_plain
from works import study_of


@pytest.fixture
def plain_file(tmp_path: Path) -> Path:
    cells = [
        {"batch_size": 8, "learning_rate": 1e-3, "f1": 0.5, "best_epoch": 1.0, "seconds": 9.0},
        {"batch_size": 8, "learning_rate": 1e-4, "f1": 0.7, "best_epoch": 1.0, "seconds": 8.0},
    ]
    return written(tmp_path / "plain.json", {"task": "token", "cells": cells})


def nertune_file(tmp_path: Path, *, first: str) -> Path:
    """Two cells, the first in this state and the second complete."""
    point = {"train.batch_size": 8, "train.learning_rate": 1e-4}
    cells = [
        {"state": first, "point": {**point, "train.learning_rate": 1e-3}, "scores": {}, "seconds": 1.0},
        {"state": "complete", "point": point, "scores": {"dev": {"f1": 0.72, "loss": 0.1}}, "seconds": 4.0},
    ]
    return written(tmp_path / "nertune.json", {"study": "benchmark", "cells": cells})


def test_row_compares_whole_wall_time_and_best_scores(plain_file: Path, tmp_path: Path) -> None:
    plain = read_plain(plain_file, wall_s=40.0, work=WORK)
    nertune = read_nertune(nertune_file(tmp_path, first="failed"), wall_s=10.0, work=WORK)
    row = whole_row("token", WORK, {"plain": [plain], "nertune": [nertune]}, goal=Goal(5))
    assert (row.plain, row.nertune, row.figure, row.is_met) == (20.0, 5.0, 4.0, False)
    assert row.scores is not None
    assert (row.scores.plain.mean, row.scores.nertune.mean) == (0.7, 0.72)
    assert row.details["cell_difference"] == pytest.approx(0.02)  # of the one cell that both finished
    assert row.notes == ["1 of 2 cells of nertune gave no score and ended early"]


def test_median_of_the_rounds_counts() -> None:
    plain, nertune = ([run_of(0.5, 0.4, wall_s=wall) for wall in walls] for walls in ((18, 60, 20), (4, 4, 30)))
    row = whole_row("token", WORK, {"plain": plain, "nertune": nertune})
    assert (row.plain, row.nertune, row.figure) == (10.0, 2.0, 5.0)


def test_side_that_lacks_a_cell_is_an_error(plain_file: Path) -> None:
    with pytest.raises(SideError, match="gave 2 scores where 4 cells were asked for"):
        read_plain(plain_file, wall_s=1.0, work=replace(WORK, batch_sizes=(8, 16)))


def test_pruned_cells_are_no_failures(tmp_path: Path) -> None:
    run = read_nertune(nertune_file(tmp_path, first="pruned"), wall_s=1.0, work=replace(WORK, pruner="halving"))
    assert (run.pruned, run.failed, run.scores, run.seconds) == (1, 0, {(8, 1e-4): 0.72}, (4.0,))


def test_later_cells_leave_the_first_in_each_slot_out() -> None:
    plain = run_of(0.5, 0.4, seconds=(500.0, 100.0, 120.0))
    nertune = run_of(0.5, 0.4, seconds=(30.0, 40.0, 3.0, 5.0, 4.0), record=TWO_SLOTS)
    row = later_row("head", WORK, {"plain": [plain], "nertune": [nertune]}, goal=Goal(50))
    assert (row.plain, row.nertune, row.figure) == (110.0, 2.0, 55.0)


def test_search_without_later_cells_is_told() -> None:
    with pytest.raises(SideError, match="2 cells, 2 at a time: none is a later one"):
        _ = run_of(0.5, 0.4, seconds=(3.0, 4.0), record=TWO_SLOTS).later_s


def test_halving_tells_the_place_of_its_choice_and_the_best_it_shares() -> None:
    grid = (0.1, 0.5, 0.9, 0.8, 0.7, 0.6)
    pruned = replace(run_of(pruned=3), scores={(8, 3.0): 0.81, (8, 4.0): 0.7, (8, 0.0): 0.1})
    work = replace(WORK, learning_rates=tuple(map(float, range(6))), pruner="halving")
    row = halving_row(work, {"plain": [run_of(*grid, wall_s=150)], "nertune": [pruned]}, goal=Goal(15))
    assert row.details["agreement"] == {"the plain loop's grid": [{"place": 2, "best_shared": 2}]}
    assert row.notes[-1].startswith("the choice is number 2 of the plain loop's grid (among the best 3: yes)")
    assert (row.figure, row.is_met, row.details["pruned"]) == (15.0, True, [3])


def test_halving_is_compared_with_nertunes_own_grid_where_there_is_one() -> None:
    grid, choice = [run_of(0.1, 0.2, 0.3, 0.4)], [replace(run_of(), scores={(8, 0.0): 0.1})]
    work = replace(WORK, learning_rates=tuple(map(float, range(4))), pruner="halving")
    row = halving_row(work, {"plain": grid, "full": grid, "nertune": choice}, goal=Goal(15))
    assert "the choice is number 4 of nertune's own grid (among the best 3: no)" in row.notes[-1]


def test_plain_loop_does_the_same_with_and_without_a_pruner() -> None:
    pruned = replace(WORK, pruner="halving")
    assert plain_side(pruned).same_as == plain_side(WORK).same_as
    assert nertune_side(pruned).same_as != nertune_side(WORK).same_as
    assert plain_side(replace(WORK, top_layers=1)).same_as != plain_side(WORK).same_as


def test_study_of_a_work_is_the_same_grid_with_defaults(tmp_path: Path) -> None:
    path = written(tmp_path / "study.yaml", study_of(WORK, seed=43))
    spec = load_study(path)
    assert spec.search.space == {"train.batch_size": [8], "train.learning_rate": [1e-3, 1e-4]}
    assert (spec.search.seed, spec.search.sampler, spec.train.epochs, spec.track.aim) == (43, "grid", 1, None)


def test_pruner_is_named_in_the_study_and_nowhere_else() -> None:
    work = replace(WORK, pruner="halving")
    assert study_of(work, seed=1)["search"]["pruner"] == "halving"
    assert "pruner" not in study_of(WORK, seed=1)["search"]
    assert plain_command(work, batch_sizes=(8,), learning_rates=(1e-3,)) == plain_command(
        WORK, batch_sizes=(8,), learning_rates=(1e-3,)
    )


@pytest.mark.parametrize(
    ("spans", "most"), [([(0.0, 5.0), (0.1, 4.0), (4.0, 9.0), (5.0, 8.0)], 2), ([(0.0, 1.001), (1.0, 2.0)], 1)]
)
def test_fits_at_a_time_are_seen_in_the_record(spans: Any, most: int) -> None:
    assert most_at_once(spans) == most
