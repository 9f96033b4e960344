"""The plot of what is taken for what."""

from __future__ import annotations

import pytest

from nertune.report.plots.confusion import draw_confusion, has_confusion
from nertune.report.plots.drawing import save_figure, settings

COUNTS = {"Disease": {"Disease": 40, "Gene": 3, "": 12}, "Gene": {"Gene": 30, "Disease": 5}, "": {"Disease": 9}}


def drawn(counts):
    with settings():
        figure = draw_confusion({"confusion": counts})
    return figure, figure.axes[0]


@pytest.mark.parametrize(
    ("counts", "title"),
    [
        (COUNTS, "Most often, “Disease” is missed: 12 times, 22 % of them"),
        ({"a": {"a": 3, "b": 1}}, "Most often, “a” is taken for “b”: 1 time, 25 % of them"),
        ({"a": {"a": 3}, "": {"a": 7}}, "Most often, “a” is found where nothing is: 7 times"),
        ({"a": {"a": 3}, "b": {"b": 2, "a": 0}}, "Every label is right"),
    ],
)
def test_the_title_tells_the_mistake_made_most_often(counts, title):
    assert " ".join(drawn(counts)[0].get_suptitle().split()) == title


def test_lines_are_gold_with_their_numbers_and_columns_are_predicted_nothing_last():
    _, axes = drawn(COUNTS)
    assert [text.get_text() for text in axes.get_yticklabels()] == ["Disease (55)", "Gene (35)", "(spurious) (9)"]
    assert [text.get_text() for text in axes.get_xticklabels()] == ["Disease", "Gene", "(missed)"]
    written = {text.get_position(): text.get_text() for text in axes.texts}
    assert written == {(0, 0): "40", (1, 0): "3", (2, 0): "12", (0, 1): "5", (1, 1): "30", (0, 2): "9"}


def test_a_label_that_is_never_predicted_has_its_empty_column():
    _, axes = drawn({"a": {"a": 3}, "b": {"a": 2}})
    assert [text.get_text() for text in axes.get_xticklabels()] == ["a", "b"]
    assert axes.images[0].get_array().tolist() == [[1, 0], [1, 0]]


def test_means_over_models_keep_their_fractions_and_their_sums():
    figure, axes = drawn({"a": {"a": 2.4, "b": 0.6}, "b": {"b": 1.0}})
    assert [text.get_text() for text in axes.get_yticklabels()] == ["a (3)", "b (1)"]
    assert [text.get_text() for text in axes.texts] == ["2.4", "0.6", "1"]
    assert figure.get_suptitle() == "Most often, “a” is taken for “b”: 0.6 times, 20 % of them"


def test_the_colour_is_the_share_of_the_line():
    _, axes = drawn(COUNTS)
    assert axes.images[0].get_array()[0].tolist() == pytest.approx([40 / 55, 3 / 55, 12 / 55])


def test_of_many_labels_the_rare_ones_are_left_out_and_counted():
    counts = {f"L{number:02d}": {f"L{number:02d}": 100 - number} for number in range(30)}
    figure, axes = drawn(counts)
    assert len(axes.get_yticklabels()) == 20
    assert figure.get_supxlabel() == "predicted (colour: share of the line; 10 rarer labels not shown)"


def test_there_is_a_plot_only_where_something_is_counted():
    assert not has_confusion({})
    assert not has_confusion({"confusion": {"a": {}}})
    assert has_confusion({"confusion": {"": {"a": 1}}})


@pytest.mark.parametrize("label", ["$x^{", "人物", "a" * 400, "\x1b[2J\n"])
def test_any_label_can_be_drawn(label, tmp_path):
    save_figure(drawn({label: {label: 2, "": 1}})[0], tmp_path / "plot.png")
    assert (tmp_path / "plot.png").stat().st_size > 1000
