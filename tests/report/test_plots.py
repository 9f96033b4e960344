"""Plots of statistics: what they say, and that they leave nothing behind."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from itertools import pairwise

import matplotlib
import pytest
from hypothesis import given
from hypothesis import strategies as st
from statistics_records import classes, entities, sentence, several_classes, told_of

from nertune.report.plots import PLOTS, drawing, save_plot
from nertune.report.plots.drawing import percent_of, settings, shown, wrap_evenly
from nertune.report.plots.entity_lengths import length_shares
from nertune.report.plots.lengths import N_BINS, bin_edges, bin_shares

LENGTHS = st.dictionaries(st.integers(0, 30000), st.integers(1, 50), min_size=1, max_size=40)


def title_of(name, told):
    with settings():
        return " ".join(PLOTS[name].draw(told).get_suptitle().split())


@pytest.mark.parametrize(
    ("name", "told", "title"),
    [
        ("lengths", entities(), "Half of the sentences of train have at most 3 words"),
        ("lengths", classes(), "Half of the texts of train have at most 2 words"),
        ("labels", entities(), "67 % of the entities of train are “PER” (2); the rarest label, “LOC”, has 1"),
        ("entity_lengths", entities(), "67 % of the entities of train are one word, none has more than 2"),
        (
            "frequent_entities",
            entities(),
            "The 2 most frequent “PER” entities make 100 % of that type in train; "
            "100 % of its distinct ones stand once",
        ),
        ("unseen", entities(), "50 % of the entities of dev do not stand in train"),
        ("unseen", classes(), "100 % of the words of dev do not stand in train"),
        (
            "together",
            several_classes(),
            "“joy” and “trust” stand together most often: on 2 texts of train; "
            "100 % of those with “trust” have “joy”, too",
        ),
    ],
)
def test_the_title_says_what_is_found(name, told, title):
    assert title_of(name, told) == title


def test_splits_have_the_same_colour_in_every_plot():
    told = entities()
    with settings():
        lines = {line.get_label(): line.get_color() for line in PLOTS["unseen"].draw(told).axes[0].lines}
    assert lines == {"dev": drawing.COLOURS[1]}


@pytest.mark.parametrize("label", ["$x^{", "_hidden", "人物", "שלום", "👩\u200d🔬", "a" * 400, "\x1b[2J\n", "%s{}\\"])
def test_any_label_can_be_drawn(label, tmp_path):
    told = entities(per=label, name=f"{label} {label}")
    for name in ("labels", "frequent_entities"):
        save_plot(name, told, path=tmp_path / "plot.png")
    assert (tmp_path / "plot.png").stat().st_size > 1000


def test_a_letter_that_no_font_has_becomes_a_box(monkeypatch):
    monkeypatch.setattr(drawing, "_FAMILIES", {})
    monkeypatch.setattr(drawing, "_families", lambda: [drawing.FONT])
    assert shown("人 Größe Ж") == "□ Größe Ж"
    assert shown("x" * 50, limit=5) == "xxxx…"


def test_drawing_leaves_settings_and_logging_as_they_were(tmp_path):
    before, level = dict(matplotlib.rcParams), logging.getLogger("matplotlib").level
    save_plot("labels", entities(), path=tmp_path / "a.png")
    assert (dict(matplotlib.rcParams), logging.getLogger("matplotlib").level) == (before, level)


def test_the_users_own_style_changes_no_plot(tmp_path):
    save_plot("labels", entities(), path=tmp_path / "a.png")
    with matplotlib.rc_context({"font.size": 30, "axes.facecolor": "black"}):
        save_plot("labels", entities(), path=tmp_path / "b.png")
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


def test_drawing_says_nothing_and_needs_no_screen_although_fonts_are_looked_up_anew(tmp_path):
    code = (
        "import sys; from pathlib import Path; from statistics_records import entities;"
        "from nertune.report.stats import write_statistics; assert 'matplotlib' not in sys.modules;"
        "write_statistics(entities(per='人'), folder=Path(sys.argv[1]));"
        "assert 'matplotlib.pyplot' not in sys.modules"
    )
    env = {**os.environ, "MPLCONFIGDIR": str(tmp_path / "config"), "PYTHONPATH": os.pathsep.join(sys.path)}
    env.pop("DISPLAY", None)
    told = subprocess.run(
        [sys.executable, "-W", "error", "-c", code, str(tmp_path / "out")], env=env, capture_output=True, text=True
    )
    assert (told.returncode, told.stdout, told.stderr) == (0, "", "")


@given(LENGTHS)
def test_every_length_lies_in_one_bin_or_is_told_as_longer(counts):
    ordered = sorted(counts.items())
    total, longest = sum(counts.values()), ordered[-1][0]
    edges = bin_edges([{"longest": longest, "p99": longest // 2}])
    beyond = sum(n for length, n in ordered if length >= edges[-1])
    assert sum(bin_shares(ordered, edges=edges)) + beyond / total == pytest.approx(1)
    assert edges[0] == 0
    assert edges[-1] > longest // 2
    assert len(edges) <= N_BINS + 2
    assert len({high - low for low, high in pairwise(edges)}) == 1


def test_one_giant_sentence_does_not_flatten_the_others(tmp_path):
    told = told_of("token", train=[*[sentence("a b c")] * 200, sentence(" ".join("w" * 20000))])
    with settings():
        axes = PLOTS["lengths"].draw(told).axes[0]
    assert axes.get_xlim()[1] < 10
    assert axes.get_xlabel() == "length in words (not shown: 1 longer, up to 20,000)"


def test_long_entities_are_one_group():
    assert length_shares({"n": 10, "counts": [[1, 5], [2, 1], [5, 2], [40, 2]]}) == [0.5, 0.1, 0, 0, 0.4]


def test_shares_in_sentences_are_rounded_but_never_to_none_or_all():
    assert [percent_of(share) for share in (0, 0.004, 0.094, 0.5, 0.996, 1)] == [
        "0 %",
        "0.4 %",
        "9.4 %",
        "50 %",
        "99.6 %",
        "100 %",
    ]


def test_titles_are_broken_into_even_lines():
    assert wrap_evenly("one two three four", width=16) == "one two\nthree four"
    assert wrap_evenly("short", width=16) == "short"
