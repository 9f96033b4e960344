"""Agreement as the terminal and Markdown show it, from a record that was JSON."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from nertune.data.examples import SequenceExample, Span, TokenExample
from nertune.errors import Where
from nertune.report.agreement import agreement_markdown, show_agreement
from nertune.scores.agreement import measure_class_agreement, measure_entity_agreement
from nertune.scores.alignment import align_examples, align_texts

WORDS = ("Ada", "Lovelace", "met", "<b>Bo</b>", "\x1b[2J|")


def annotator(name, *sentences):
    return name, [
        TokenExample(WORDS, tuple(spans), Where(Path(f"{name}.conll"), 1 + 6 * number))
        for number, spans in enumerate(sentences)
    ]


def told_of(*annotators):
    return json.loads(json.dumps(measure_entity_agreement(align_examples(annotators)).to_json()))


@pytest.fixture
def two():
    first = annotator("anna", [Span("PER", 0, 2), Span("PER", 3, 5)], [Span("PER", 0, 2)])
    return told_of(first, annotator("ben", [Span("PER", 0, 1)], [Span("PER", 0, 2)]))


def classes(*answers):
    alignment = align_texts(
        [
            (
                name,
                [SequenceExample(str(n), tuple(told.split()), Where(Path(name), n)) for n, told in enumerate(labels)],
            )
            for name, labels in zip("abc", answers, strict=False)
        ]
    )
    return json.loads(json.dumps(measure_class_agreement(alignment).to_json()))


def lines_of(capsys, told, **options):
    show_agreement(told, **options)
    return capsys.readouterr().out.splitlines()


def test_the_terminal_shows_scores_of_pairs_words_and_labels(capsys, two):
    lines = lines_of(capsys, two)
    assert lines[0] == "2 annotators (anna, ben) on 2 sentences, 10 words."
    rows = [line.split() for line in lines]
    assert next(row[:8] for row in rows if row[:1] == ["anna"]) == [
        "anna",
        "–",
        "ben",
        "3",
        "2",
        "0.5000",
        "0.3333",
        "0.4000",
    ]
    assert ["PER", "3", "/", "2", "0.4000", "0.8000"] in [row[:6] for row in rows]
    assert ["PER", "3", "3"] in rows  # of the words that anna marked, ben marked the half
    assert any("Most words are O for everybody" in line for line in lines)


def test_the_terminal_lists_disagreements_with_places_and_what_each_said(capsys, two):
    lines = lines_of(capsys, two)
    start = lines.index("2 disagreements: missing 1, other border 1")
    assert lines[start + 1 : start + 4] == [
        "anna.conll:1, words 1–2: Ada Lovelace (other border)",
        "    anna  PER “Ada Lovelace”  (anna.conll:1)",
        "    ben   PER “Ada”  (ben.conll:1)",
    ]
    assert lines[start + 6] == "    ben   nothing  (ben.conll:1)"


def test_long_lists_are_cut_on_the_terminal_only(capsys, two):
    assert lines_of(capsys, two, n_shown=1)[-1] == "… and 1 more."
    assert agreement_markdown(two).count("anna.conll:1, word") == 2


def test_text_from_data_steers_neither_terminal_nor_markdown(capsys, two):
    assert "\x1b" not in "".join(lines_of(capsys, two))
    markdown = agreement_markdown(two)
    assert "<b>" not in markdown
    assert r"&lt;b&gt;Bo&lt;/b&gt; �\[2J\|" in markdown


def test_markdown_has_a_table_for_each_part(two):
    headings = [line for line in agreement_markdown(two).splitlines() if line.startswith("#")]
    assert headings == [
        "# Agreement of annotators",
        "### Pairs",
        "### Beyond chance",
        "### Labels",
        "### Confusions of words: rows as anna says, columns as ben says",
        "### 2 disagreements: missing 1, other border 1",
    ]


def test_of_three_annotators_the_mean_is_told_and_who_lacks_what(capsys):
    per = [Span("PER", 0, 2)]
    lines = lines_of(capsys, told_of(annotator("a", per, per), annotator("b", per, []), annotator("c", per)))
    assert '1 sentence not in c, compared without it: a.conll:7: "Ada Lovelace met <b>Bo</b> �[2J|"' in [
        line.replace("\\x1b", "�") for line in lines
    ]
    assert any(line.startswith("mean ") for line in lines)
    assert "Confusions of words: rows as one annotator says, columns as another says" in lines


def test_what_is_not_defined_is_a_dash_with_its_reason(capsys):
    lines = lines_of(capsys, told_of(annotator("a", []), annotator("b", [])))
    assert any(line.startswith("– : not defined.") for line in lines)
    assert lines[-1] == "No disagreements."


def test_a_full_table_of_figures_needs_no_such_reason(capsys):
    told = classes(["x", "x", "y"], ["x", "y", "y"])
    assert not any("not defined" in line for line in lines_of(capsys, told))


def test_texts_have_classes_and_no_words(capsys):
    lines = lines_of(capsys, classes(["x", "x", "y"], ["x", "y", "y"]))
    assert lines[0] == "2 annotators (a, b) on 3 texts."
    assert not any("partial" in line or "marked words" in line for line in lines)
    assert lines[-3:] == ["a:1: 1 (other label)", "    a  x  (a:1)", "    b  y  (b:1)"]


def test_many_categories_are_shown_as_their_most_frequent_confusions(capsys):
    labels = [f"c{n:02}" for n in range(12)]
    lines = lines_of(capsys, classes([*labels, "c00", "c00"], [*labels, "c01", "c01"]))
    start = lines.index("Confusions of texts, the most frequent")
    assert lines[start + 3].split() == ["c00", "c01", "2"]
