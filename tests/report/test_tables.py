import io
from dataclasses import replace

import pytest
from rich.console import Console

from cell_rows import make_cell
from nertune.report.tables import (
    cuts_text,
    failures_text,
    labels_table,
    point_text,
    result_console,
    seeds_table,
    sizes_table,
    trial_rows,
    trials_table,
)

POINT = {"train.batch_size": 8, "train.learning_rate": 1e-5}
BEST = make_cell(4, POINT, f1=0.81234, best_epoch=3.0, seconds=12.34)
WORSE = make_cell(0, {**POINT, "train.batch_size": 16}, f1=0.5, best_epoch=2.5, seconds=None)


def shown(table):
    """The words of each line of a table."""
    console = Console(file=io.StringIO(), width=200, markup=False, highlight=False)
    console.print(table)
    return [line.split() for line in console.file.getvalue().splitlines() if line.strip() and "─" not in line]


def test_trials_are_shown_in_their_order_with_every_searched_value():
    _, *lines = shown(trials_table([BEST, WORSE], keys=list(POINT), objective="f1"))
    assert [sorted(line) for line in lines] == [
        sorted(["1", "0.8123", "8", "1e-05", "3", "12.3", "4"]),
        sorted(["2", "0.5000", "16", "1e-05", "2.5", "–", "0"]),
    ]


def cut(number, *shares, f1):
    rungs = tuple({"share": share, "scores": {"f1": f1}, "seconds": 1.0} for share in shares)
    return make_cell(number, POINT, state="pruned", f1=f1, best_epoch=0.5, seconds=2.0, rungs=rungs)


def test_trials_that_were_cut_stand_behind_the_others_with_where_they_were_cut():
    pruned = [cut(5, 1 / 9, 1 / 3, f1=0.7), cut(6, 1 / 9, f1=0.9)]
    heading, best, *lines = shown(trials_table([BEST], keys=list(POINT), objective="f1", pruned=pruned))
    assert "cut" in heading
    assert best[-1] == "4"
    assert [(line[0], line[1], line[-2], line[-1]) for line in lines] == [
        ("–", "0.7000", "5", "1/3"),
        ("–", "0.9000", "6", "1/9"),
    ]


def test_cuts_are_counted_by_where_they_were():
    cells = [cut(1, 1 / 9, f1=0.1), cut(2, 1 / 9, f1=0.2), cut(3, 1 / 9, 1 / 3, f1=0.3)]
    assert cuts_text(cells) == "2 after 1/9 of their steps, 1 after 1/3"


def test_headings_name_objective_keys_epoch_and_seconds():
    heading = " ".join(shown(trials_table([BEST], keys=list(POINT), objective="f1"))[0])
    assert all(word in heading for word in ("F1", "batch size", "learning rate", "best epoch", "seconds", "trial"))


def test_seeds_end_with_mean_and_spread_of_dev_and_test():
    seeds = [
        {"seed": seed, "best_epoch": 2.0, "scores": {"dev": {"f1": f1}, "test": {"f1": f1 / 2}}}
        for seed, f1 in ((1, 0.5), (2, 0.7))
    ]
    lines = shown(seeds_table(seeds, names=["f1"]))
    assert lines[1:] == [
        ["1", "0.5000", "0.2500", "2"],
        ["2", "0.7000", "0.3500", "2"],
        ["mean", "0.6000", "0.3000"],
        ["±", "sd", "0.1414", "0.0707"],
    ]


def test_single_seed_has_no_spread_and_missing_scores_have_a_dash():
    seeds = [{"seed": 1, "best_epoch": None, "scores": {"test": {"f1": 0.5}}}]
    assert shown(seeds_table(seeds, names=["f1", "accuracy"]))[1:] == [
        ["1", "0.5000", "–", "–"],
        ["mean", "0.5000", "–"],
    ]


def test_seeds_without_dev_have_no_column_for_it():
    with_dev = {"seed": 1, "best_epoch": 2.0, "scores": {"dev": {"f1": 0.25}, "test": {"f1": 0.5}}}
    without = {**with_dev, "scores": {"test": {"f1": 0.5}}}
    headings = [" ".join(shown(seeds_table([seed], names=["f1"]))[0]) for seed in (with_dev, without)]
    assert headings == ["seed dev F1 test F1 best epoch", "seed test F1 best epoch"]


def test_labels_from_data_cannot_move_the_cursor():
    scores = {name: {"mean": 0.5, "sd": None} for name in ("precision", "recall", "f1")}
    lines = shown(labels_table({"PER\x1b[2J": {**scores, "support": {"mean": 7.0}}}))
    assert lines[1][0] == "PER�[2J"
    assert lines[1][-1] == "7"


def test_trials_file_has_a_row_for_each_cell_whatever_became_of_it():
    failed = make_cell(2, POINT, state="failed", cause="oom", message="too large", attempts=2)
    running = make_cell(3, POINT, state="running")
    rows, columns = trial_rows([BEST, failed, running], keys=list(POINT), objective="f1")
    assert columns == ["number", "state", *POINT, "dev_f1", "best_epoch", "seconds", "attempts", "cause"]
    assert [tuple(row.values()) for row in rows] == [
        (4, "complete", 8, 1e-5, 0.81234, 3.0, 12.34, 1, None),
        (2, "failed", 8, 1e-5, None, None, None, 2, "oom: too large"),
        (3, "waiting", 8, 1e-5, None, None, None, 1, None),
    ]


FOLDED = make_cell(
    5,
    POINT,
    scores={"dev": {"f1": 0.6}, "dev_1": {"f1": 0.5}, "dev_2": {"f1": 0.7}},
    best_epoch=1.5,
    seconds=2.0,
)


def test_trials_of_several_fits_show_their_mean_and_sd():
    _, line = shown(trials_table([FOLDED], keys=list(POINT), objective="f1"))
    assert line[1:4] == ["0.6000", "±", "0.1414"]


def test_trials_file_has_the_sd_and_every_fits_value_of_the_objective():
    failed = make_cell(6, POINT, state="failed", cause="nan", message="fold 2: loss")
    rows, columns = trial_rows([failed, FOLDED], keys=[], objective="f1")
    assert columns[2:7] == ["dev_f1", "dev_f1_sd", "dev_f1_1", "dev_f1_2", "best_epoch"]
    assert rows[1]["dev_f1"] == 0.6
    assert [rows[1][name] for name in columns[3:6]] == [pytest.approx(0.02**0.5), 0.5, 0.7]
    assert "dev_f1_sd" not in rows[0]


def test_the_learning_curve_has_a_line_for_each_part_of_train():
    f1 = {"mean": 0.5, "sd": 0.25}
    sizes = {
        "10": {"examples": 42, "seeds": [1, 2], "dev": {"scores": {"f1": f1}}, "test": {"scores": {"f1": f1}}},
        "100": {"examples": None, "seeds": []},
    }
    _, *lines = shown(sizes_table(sizes, names=["f1"]))
    assert lines == [["10", "42", "2", *(["0.5000", "±", "0.2500"] * 2)], ["100", "–", "0", "–", "–"]]


def test_failures_are_named_with_values_and_cause():
    cells = [make_cell(2, POINT, state="failed", cause="nan", message="at step 3\x1b")]
    assert failures_text(cells) == ["trial 2 (batch size 8, learning rate 1e-05): nan, at step 3�"]
    assert point_text({}) == "the values as written"


def test_tables_in_a_pipe_are_neither_wrapped_nor_coloured(capsys):
    keys = [f"model.config.a_setting_with_a_long_name_{number}" for number in range(4)]
    result_console().print(trials_table([make_cell(0, dict.fromkeys(keys, 0.1), f1=0.5)], keys=keys, objective="f1"))
    lines = [line for line in capsys.readouterr().out.splitlines() if line.strip()]
    assert len(lines) == 3
    assert "\x1b" not in "".join(lines)


@pytest.mark.parametrize("n_keys", [2, 4, 6, 12])
def test_many_searched_keys_fit_80_columns_and_scores_stay_whole(n_keys):
    keys = [f"model.config.a_key_{number}" for number in range(n_keys)]
    cells = [replace(FOLDED, point=dict.fromkeys(keys, 0.125), seconds=1234.5)]
    console = Console(file=io.StringIO(), width=80, force_terminal=True, color_system=None)
    console.print(trials_table(cells, keys=keys, objective="f1"))
    lines = console.file.getvalue().splitlines()
    assert max(map(len, lines)) <= 80
    assert " ± " in lines[-1]
    assert "…" not in lines[-1]
