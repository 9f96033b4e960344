"""Best-and-train against the plain loop over seeds."""

from __future__ import annotations

from pathlib import Path

import pytest
from searched import WORK, written

from finals import SeedsRun, best_and_train, make_row, read_nertune
from rows import compared_scores
from searches import SideError
from sets import Encoder
from works import Inputs


def summary(tmp_path: Path, *, rate: float) -> Path:
    setting = {"train.batch_size": 8, "train.learning_rate": rate}
    values = {"1": 0.5, "2": 0.7}
    return written(tmp_path / "told.json", {"setting": setting, "test": {"scores": {"f1": {"values": values}}}})


def test_test_scores_are_read_by_seed(tmp_path: Path) -> None:
    run = read_nertune(summary(tmp_path, rate=1e-3), wall_s=20.0, work=WORK, seeds=[1, 2])
    assert run == SeedsRun(20.0, {"1": 0.5, "2": 0.7})


def test_another_setting_than_the_plain_loops_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SideError, match=r"the plain loop \(8, 0.001\)"):
        read_nertune(summary(tmp_path, rate=1e-4), wall_s=20.0, work=WORK, seeds=[1, 2])


def test_seed_without_a_score_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SideError, match="of the seeds 1, 2 where 1,2,3 were asked for"):
        read_nertune(summary(tmp_path, rate=1e-3), wall_s=20.0, work=WORK, seeds=[1, 2, 3])


def test_row_tells_seconds_a_seed_and_scores_over_all_seeds() -> None:
    runs = {"plain": [SeedsRun(80.0, {"1": 0.5, "2": 0.7})], "nertune": [SeedsRun(20.0, {"1": 0.6, "2": 0.8})]}
    row = make_row(WORK, runs, n_seeds=2)
    assert (row.plain, row.nertune, row.figure, row.is_met) == (40.0, 10.0, 4.0, True)
    assert row.scores == compared_scores([0.5, 0.7], [0.6, 0.8])


def test_each_round_has_seeds_of_its_own_and_the_search_is_of_one_cell(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[list[int]] = []

    def fake(work: object, *, seeds: list[int], folder: Path) -> SeedsRun:
        asked.append(seeds)
        return SeedsRun(1.0, {})

    monkeypatch.setattr("finals.run_plain", fake)
    inputs = Inputs(tmp_path, Encoder("model"), {}, changes={"sentences": 8}, seeds=(1, 2, 3))
    sides = best_and_train(inputs).sides
    for seed in (42, 43):
        sides["plain"].go(seed, tmp_path)
    assert asked == [[1, 2, 3], [4, 5, 6]]
