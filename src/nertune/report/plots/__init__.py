"""Plots of records, one module each, named for what it shows. The numbers come as JSON and are not computed here.

Matplotlib is imported when a plot is drawn, and not before.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nertune.report.plots.calibration import draw_calibration, has_calibration
from nertune.report.plots.confusion import draw_confusion, has_confusion
from nertune.report.plots.drawing import save_figure, settings
from nertune.report.plots.entity_lengths import draw_entity_lengths, has_entities
from nertune.report.plots.expected_best import draw_expected_best, has_expected_best
from nertune.report.plots.frequent_entities import draw_frequent_entities, has_frequent
from nertune.report.plots.heat_map import draw_heat_map, has_heat_map
from nertune.report.plots.importance import draw_importance, has_importance
from nertune.report.plots.label_scores import draw_label_scores, has_label_scores
from nertune.report.plots.labels import draw_labels, has_labels
from nertune.report.plots.learning_curves import draw_learning_curves, has_learning_curves
from nertune.report.plots.lengths import draw_lengths, has_lengths
from nertune.report.plots.seed_scores import draw_seed_scores, has_seed_scores
from nertune.report.plots.sizes import draw_sizes, has_sizes
from nertune.report.plots.slices import draw_slices, has_slices
from nertune.report.plots.together import draw_together, has_together
from nertune.report.plots.unseen import draw_unseen, has_unseen

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Plot:
    """A plot of a record: of the statistics of a corpus, or of a study.

    draw     the record as JSON -> the figure
    applies  whether the record has anything for it to show
    shows    in a few words, for readers who do not see it
    """

    draw: Callable[[Mapping[str, Any]], Figure]
    applies: Callable[[Mapping[str, Any]], bool]
    shows: str


PLOTS = {
    "lengths": Plot(draw_lengths, has_lengths, "Lengths in each split"),
    "labels": Plot(draw_labels, has_labels, "Share of each label in each split"),
    "entity_lengths": Plot(draw_entity_lengths, has_entities, "Words of the entities, by split and type"),
    "frequent_entities": Plot(draw_frequent_entities, has_frequent, "Most frequent entities of each type"),
    "unseen": Plot(draw_unseen, has_unseen, "What does not stand in train"),
    "together": Plot(draw_together, has_together, "Labels that stand together"),
}
STUDY_PLOTS = {
    "heat_map": Plot(draw_heat_map, has_heat_map, "Score over two searched keys"),
    "slices": Plot(draw_slices, has_slices, "Score of every trial, by key"),
    "learning_curves": Plot(draw_learning_curves, has_learning_curves, "Dev score of every trial over its epochs"),
    "importance": Plot(draw_importance, has_importance, "How much each searched key matters"),
    "expected_best": Plot(draw_expected_best, has_expected_best, "Expected best score by number of trials"),
    "seed_scores": Plot(draw_seed_scores, has_seed_scores, "Score of every seed"),
    "sizes": Plot(draw_sizes, has_sizes, "Score by size of train"),
    "label_scores": Plot(draw_label_scores, has_label_scores, "F1 of each label"),
    "confusion": Plot(draw_confusion, has_confusion, "What is taken for what"),
    "calibration": Plot(draw_calibration, has_calibration, "How sure and how often right"),
}
FORMATS = ("png", "svg", "pdf")


def save_plot(name: str, told: Mapping[str, Any], *, path: Path) -> None:
    """Draw one of PLOTS into a PNG file."""
    with settings(drawn_letters(told)):
        save_figure(PLOTS[name].draw(told), path)


def save_study_plot(name: str, told: Mapping[str, Any], *, letters: str, folder: Path) -> None:
    """Draw one of STUDY_PLOTS into files of every format.

    letters  of all texts from data that it may show
    """
    with settings(letters):
        figure = STUDY_PLOTS[name].draw(told)
        figure.draw_without_rendering()
        figure.set_layout_engine("none")  # it stays: finding it anew for each file is half of the work
        for kind in FORMATS:
            save_figure(figure, folder / f"{name}.{kind}", kind=kind)


def drawn_letters(told: Mapping[str, Any]) -> str:
    """The letters of all texts from data that a plot of this record may show."""
    labels = {label for split in told["splits"] for label in split["labels"]}
    found = (one["frequent"] for one in told["splits"][0]["labels"].values())
    letters = {letter for text in (*labels, *(words for most in found for words, _ in most)) for letter in text}
    return "".join(sorted(letters))
