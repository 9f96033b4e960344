"""The table: goals, and scores that differ by more than noise."""

from __future__ import annotations

import pytest

from rows import Goal, Row, compared_scores, difference_of, make_table, notes


@pytest.mark.parametrize(("goal", "met", "missed"), [(Goal(5), 5.0, 4.99), (Goal(30, at_most=True), 30.0, 30.1)])
def test_goal_is_met_at_its_limit(goal: Goal, met: float, missed: float) -> None:
    assert goal.is_met(met)
    assert not goal.is_met(missed)


def test_line_tells_both_sides_and_whether_the_goal_is_met() -> None:
    scores = compared_scores([0.50, 0.54, 0.52], [0.51, 0.55, 0.53])
    row = Row("token", "work", 3, "s/cell", 10.0, 2.0, figure=5.0, goal=Goal(6), scores=scores)
    table = make_table([row])
    cells = [next(iter(column.cells)) for column in table.columns]
    assert cells[:9] == ["token", "work", "3", "10.0", "2.0", "s/cell", "5.00 times", "≥ 6", "no"]
    assert cells[9:] == ["0.5200 ± 0.0200", "0.5300 ± 0.0200", "+0.0100 ± 0.0163"]


def test_line_of_nertune_alone_leaves_the_other_side_empty() -> None:
    row = Row("start", "work", 1, "s", None, 4.0, figure=4.0, figure_unit="s", goal=Goal(6, at_most=True))
    cells = [next(iter(column.cells)) for column in make_table([row]).columns]
    assert cells[3:] == ["", "4.0", "s", "4.00 s", "≤ 6", "yes", "", "", ""]


def test_scores_lower_by_more_than_noise_are_told() -> None:
    far, near = compared_scores([0.8, 0.81], [0.7, 0.71]), compared_scores([0.8, 0.9], [0.79, 0.89])
    rows = [Row(name, "work", 2, "s", 1.0, 1.0, 1.0, scores=it) for name, it in (("far", far), ("near", near))]
    assert [note for note in notes(rows) if "lower" in note] == [
        "far: the F1 of nertune is lower by more than two standard errors"
    ]


def test_one_round_tells_no_noise() -> None:
    assert difference_of([0.5], [0.4]).sd is None
    assert compared_scores([0.5], [0.4]).are_alike is None
