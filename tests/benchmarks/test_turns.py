"""Sides take turns in folders of their own; the same run serves all who ask for it; late rounds are left out."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from commands import SideError
from rows import Row
from turns import Comparison, Result, Run, Side, compare

Turns = list[tuple[str, int]]


def side(name: str, turns: Turns, **more: object) -> Side:
    def go(seed: int, folder: Path) -> Run:
        assert list(folder.iterdir()) == []
        turns.append((name, seed))
        return Run(50.0)

    return Side(go, **more)


@pytest.fixture
def compared() -> Callable[..., Comparison]:
    return lambda rounds=2, **sides: Comparison("a", rounds, sides, lambda runs: [])


def test_sides_take_turns_with_a_new_seed_each_round(compared: Callable[..., Comparison], tmp_path: Path) -> None:
    turns: Turns = []
    compare([compared(plain=side("plain", turns), nertune=side("nertune", turns))], folder=tmp_path)
    assert turns == [("plain", 42), ("nertune", 42), ("plain", 43), ("nertune", 43)]


def test_round_that_would_end_too_late_is_left_out(compared: Callable[..., Comparison], tmp_path: Path) -> None:
    turns: Turns = []
    (result,) = compare([compared(plain=side("p", turns), nertune=side("n", turns))], folder=tmp_path, limit_s=99)
    assert {name: len(done) for name, done in result.runs.items()} == {"plain": 1, "nertune": 1}


def test_sides_that_do_the_same_are_run_once_a_round(compared: Callable[..., Comparison], tmp_path: Path) -> None:
    turns: Turns = []
    shared = side("plain", turns, same_as=("plain", "grid"))
    both = [compared(plain=shared, nertune=side("full", turns)), compared(plain=shared, nertune=side("half", turns))]
    first, second = compare(both, folder=tmp_path)
    assert turns[:3] == [("plain", 42), ("full", 42), ("half", 42)]
    assert turns.count(("plain", 43)) == 1
    assert [*map(id, first.runs["plain"])] == [*map(id, second.runs["plain"])]


def failing(seed: int, folder: Path) -> Run:
    if seed == 43:
        raise SideError("no memory left")
    return Run(1.0)


def test_comparison_that_fails_keeps_its_whole_rounds_and_the_others_go_on(
    compared: Callable[..., Comparison], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    turns: Turns = []
    bad = compared(rounds=3, plain=side("plain", turns), nertune=Side(failing))
    first, second = compare([bad, compared(rounds=3, good=side("good", turns))], folder=tmp_path)
    assert {name: len(done) for name, done in first.runs.items()} == {"plain": 1, "nertune": 1}
    assert len(second.runs["good"]) == 3
    assert "a: no memory left" in capsys.readouterr().err


def test_runs_that_cannot_be_compared_are_an_error_of_their_rows_alone() -> None:
    def make_rows(runs: object) -> list[Row]:
        raise SideError("2 labels, but 3")

    result = Result(Comparison("a", 1, {}, make_rows), {"plain": [Run(1.0)]})
    assert result.rows() == []
    assert str(result.error) == "2 labels, but 3"
