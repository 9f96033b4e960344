import math

from cell_rows import make_cell
from nertune.analysis.ranking import n_since_best, rank


def test_cells_since_the_best_are_the_finished_ones_with_higher_numbers():
    cells = [
        make_cell(0, f1=0.5),
        make_cell(1, f1=0.7),
        make_cell(2, f1=0.7),
        make_cell(3, state="failed"),
        make_cell(4, state="running"),
        make_cell(5, f1=0.1),
    ]
    assert n_since_best(cells, "f1") == 3
    assert n_since_best(cells, "loss") == 5  # no score at all so far
    assert n_since_best([], "f1") == 0


def test_ties_go_to_the_lower_number_and_only_finished_finite_scores_are_ranked():
    cells = [
        make_cell(0, f1=math.nan),
        make_cell(1, f1=0.5),
        make_cell(2, f1=0.7),
        make_cell(3, f1=0.7),
        make_cell(4, f1=math.inf),
        make_cell(5, state="pruned", f1=0.9),
        make_cell(6, state="failed"),
        make_cell(7, state="running", f1=0.9),
        make_cell(8, scores={"dev": {"f1": None}}),
    ]
    assert [cell.number for cell in rank(cells, "f1")] == [2, 3, 1]
    assert [cell.number for cell in rank(cells[::-1], "f1")] == [2, 3, 1]


def test_less_loss_is_better():
    cells = [make_cell(number, scores={"dev": {"loss": loss}}) for number, loss in enumerate((0.3, 0.1, 0.2, 0.1))]
    assert [cell.number for cell in rank(cells, "loss")] == [1, 3, 2, 0]
