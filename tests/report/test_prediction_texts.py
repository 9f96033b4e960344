"""Predictions as lines for people and pipes."""

from __future__ import annotations

from nertune.report.predictions import text_lines


def test_words_and_tags_stay_in_their_columns():
    row = {"words": ["New York", "", "sings"], "tags": ["B-LOC", "O", "O"]}
    assert text_lines(row) == "New_York\tB-LOC\n_\tO\nsings\tO\n\n"


def test_a_text_has_its_class_its_probability_and_itself():
    row = {"label": "good", "probabilities": {"good": 0.75, "bad": 0.25}, "text": "a\tb\nc", "pair": " d "}
    assert text_lines(row) == "good\t0.7500\ta b c\td\n"


def test_classes_of_several_heads_are_told_with_their_head():
    row = {
        "text": "a",
        "heads": {
            "stance": {"label": "for", "probabilities": {"for": 0.9, "against": 0.1}},
            "topics": {"labels": ["tax", "war"], "probabilities": {"tax": 0.8, "war": 0.7}},
        },
    }
    assert text_lines(row) == "stance=for,topics=tax,topics=war\t0.9000,0.8000,0.7000\ta\n"
