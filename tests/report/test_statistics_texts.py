"""The statistics of a corpus on the terminal and as a folder."""

from __future__ import annotations

import json
import re

import pytest
from statistics_records import classes, entities, several_classes, told_of

from nertune.report.plots import PLOTS, drawing
from nertune.report.stats import show_statistics, statistics_markdown, write_statistics


def lines_of(capsys, told):
    show_statistics(told)
    return [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]


def row(lines, title, name):
    """A row of the table with this title."""
    return next(line for line in lines[lines.index(title) :] if line.startswith(f"{name} "))


def test_sizes_are_shown_for_every_split(capsys):
    lines = lines_of(capsys, entities())
    assert lines[0] == "Sentences with entities (format conll, tags iob2): train 3, dev 1."
    assert row(lines, "Sizes", "train") == "train 3 8 8 3 1 50.0 % 33.3 %"


def test_lengths_are_shown_in_words_and_in_the_pieces_that_were_counted(capsys):
    lines = lines_of(capsys, entities(n_pieces={"train": [7, 5, 3]}))
    assert row(lines, "Lengths of sentences", "train, words") == "train, words 2.67 1 3 4 4 4"
    assert row(lines, "Lengths of sentences", "train, pieces") == "train, pieces 5 3 5 7 7 7"
    assert not any(line.startswith("dev, pieces") for line in lines)


def test_labels_entities_and_what_is_new_are_shown(capsys):
    lines = lines_of(capsys, entities())
    assert row(lines, "Entities by type", "PER") == "PER 2 66.7 % 1 50.0 %"
    assert row(lines, "Words of an entity, train", "PER") == "PER 1.50 1 1 2 2 2"
    assert row(lines, "Frequent entities, train", "LOC") == "LOC Oslo (1) 1 100.0 %"
    assert row(lines, "Rare entities, train", "LOC") == "LOC Oslo (train.txt:1) 1 100.0 % 100.0 %"
    assert row(lines, "What does not stand in train", "LOC") == "LOC entities 1 100.0 %"
    assert row(lines, "What does not stand in train", "distinct words") == "distinct words 2 66.7 %"


def test_classes_are_shown_with_the_score_of_a_constant_answer(capsys):
    lines = lines_of(capsys, classes())
    assert row(lines, "Texts by class", "pos") == "pos 2 66.7 % 0 0.0 %"
    assert "Whoever always answers “pos” is right in 66.7 % there." in next(line for line in lines if "always" in line)
    assert not any(line.startswith("Rare") for line in lines)


def test_labels_of_multi_label_texts_are_shown_together_and_as_sets(capsys):
    lines = lines_of(capsys, several_classes())
    assert row(lines, "Labels that stand together, train", "joy") == "joy trust 2 66.7 % 100.0 %"
    assert row(lines, "Sets of labels, train", "joy + trust") == "joy + trust 2 40.0 %"
    assert row(lines, "Sets of labels, train", "(none)") == "(none) 1 20.0 %"
    assert row(lines, "Sizes", "train") == "train 5 6 6 1.20 20.0 %"


@pytest.mark.parametrize("told", [entities(), classes(), several_classes()], ids=["entities", "classes", "several"])
def test_the_folder_has_page_plots_and_json_and_nothing_else(told, tmp_path):
    files = write_statistics(told, folder=tmp_path / "new" / "out")
    assert set(files) == set((tmp_path / "new" / "out").iterdir())
    page = files[0].read_text(encoding="utf-8")
    assert set(re.findall(r"!\[[^]]+\]\((.+)\)", page)) == {path.name for path in files if path.suffix == ".png"}
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in files if path.suffix == ".png")
    assert json.loads((tmp_path / "new" / "out" / "stats.json").read_text(encoding="utf-8")) == told


def test_these_corpora_have_every_plot():
    drawn = {name for told in (entities(), several_classes()) for name, plot in PLOTS.items() if plot.applies(told)}
    assert drawn == set(PLOTS)


@pytest.mark.parametrize(
    "told",
    [told_of("token", train=[]), told_of("sequence", train=[], dev=[]), told_of("sequence", "multi_label", train=[])],
)
def test_a_corpus_without_examples_has_a_page_without_plots(told, capsys, tmp_path):
    show_statistics(told)
    assert [path.name for path in write_statistics(told, folder=tmp_path)] == ["stats.md", "stats.json"]


def test_text_from_data_steers_neither_terminal_nor_markdown(capsys):
    told = entities(per="<b>|\x1b[2J", name="*Ada* `Lovelace`")
    assert "\x1b" not in "".join(lines_of(capsys, told))
    page = statistics_markdown(told)
    assert "<b>" not in page
    assert r"| &lt;b&gt;\|�\[2J | \*Ada\* \`Lovelace\` (1), Bo (1) | 2 | 100.0 % |" in page


def test_letters_that_no_font_has_are_told_on_the_page(monkeypatch):
    monkeypatch.setattr(drawing, "_FAMILIES", {})
    monkeypatch.setattr(drawing, "_families", lambda: [drawing.FONT])
    page = statistics_markdown(entities(per="人物"), plots=["labels"])
    assert "No installed font has 2 letters of the labels and entities (人物): in the plots □ stands" in page
    assert "No installed font" not in statistics_markdown(entities(per="Größe"), plots=["labels"])
