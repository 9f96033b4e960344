"""The heat map of a score over two searched keys: what it says, and what is read off its squares."""

from __future__ import annotations

import pytest

from nertune.report.plots.drawing import save_figure, settings
from nertune.report.plots.heat_map import draw_heat_map, has_heat_map


def told_of(cells, *, trials=None, score="f1", rows=(8, 16), columns=(1e-5, 1e-4)):
    numbers = trials or [[row * len(columns) + column for column in range(len(columns))] for row in range(len(rows))]
    keys = {"rows": "train.batch_size", "columns": "train.learning_rate"}
    values = {"row_values": list(rows), "column_values": list(columns)}
    return {"heat_map": {**keys, **values, "cells": cells, "trials": numbers, "score": score}}


def drawn(told):
    with settings():
        figure = draw_heat_map(told)
    return figure, figure.axes[0]


@pytest.mark.parametrize(
    ("told", "title"),
    [
        (told_of([[0.5, 0.75], [None, 0.7]]), "Best: dev F1 0.7500 at batch size 8, learning rate 0.0001 (trial 1)"),
        (
            told_of([[0.5, 0.75], [None, 0.7]], score="loss"),
            "Best: dev loss 0.5000 at batch size 8, learning rate 1e-05 (trial 0)",
        ),
        (
            told_of([[0.5, 0.5], [0.5, 0.5]], trials=[[3, 2], [1, 4]]),
            "Best: dev F1 0.5000 at batch size 16, learning rate 1e-05 (trial 1)",
        ),
    ],
    ids=["the highest score", "the lowest loss", "of equals the first trial"],
)
def test_the_title_tells_the_best_square(told, title):
    assert " ".join(drawn(told)[0].get_suptitle().split()) == title


def test_each_score_is_written_in_its_square_and_nothing_in_the_others():
    _, axes = drawn(told_of([[0.5, 0.75], [None, None]], trials=[[0, 1], [2, None]]))
    assert {text.get_position(): text.get_text() for text in axes.texts} == {(0, 0): "0.500", (1, 0): "0.750"}
    hatched = [patch.get_xy() for patch in axes.patches if patch.get_hatch()]
    assert hatched == [(-0.5, 0.5)]  # trial 2; there is no trial beside it


def test_scores_are_read_on_their_colours():
    """WCAG 2: text needs a contrast of 4.5 to its ground."""
    _, axes = drawn(told_of([[step / 12 for step in range(13)]], rows=(8,), columns=range(13)))
    image = axes.images[0]
    for text in axes.texts:
        ground = luminance(image.cmap(image.norm(text.get_position()[0] / 12)))
        ink = 1.0 if text.get_color() == "white" else 0.0
        light, dark = max(ink, ground), min(ink, ground)
        assert (light + 0.05) / (dark + 0.05) >= 4.5


def luminance(colour):
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in colour[:3]]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_brighter_is_better_also_where_less_is_better():
    def brightness(score):
        image = drawn(told_of([[0.1, 0.9]], rows=(8,), score=score))[1].images[0]
        return [luminance(image.cmap(image.norm(value))) for value in (0.1, 0.9)]

    low, high = brightness("f1")
    assert low < high
    low, high = brightness("loss")
    assert low > high


def test_there_is_a_map_only_where_a_trial_has_a_score(tmp_path):
    assert not has_heat_map({})
    assert not has_heat_map({"heat_map": None})
    assert not has_heat_map(told_of([[None, None], [None, None]]))
    assert has_heat_map(told_of([[None, None], [None, 0.0]]))


def test_any_value_can_be_drawn(tmp_path):
    told = told_of([[0.5, 0.75]], rows=("$x^{ 人",), columns=(None, "a" * 400))
    save_figure(drawn(told)[0], tmp_path / "plot.png")
    assert (tmp_path / "plot.png").stat().st_size > 1000
