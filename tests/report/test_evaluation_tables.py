"""The tables of `nertune evaluate`: what they show, and that they keep to 80 columns."""

from __future__ import annotations

import pytest

from nertune.report.evaluation import show_evaluation

RATES = {"precision": 0.5, "recall": 0.25, "f1": 1 / 3}
COUNTS = {"correct": 1, "incorrect": 2, "partial": 3, "missed": 4, "spurious": 123456}


def record(*, labels, confusion):
    """An evaluation of a tagger in which every label has the same scores."""
    matching = {name: {**COUNTS, **RATES} for name in ("strict", "exact", "partial", "type")}
    return {
        "models": ["runs/news/one"],
        "data": "test.txt",
        "split": "test",
        "task": "token",
        "examples": 1,
        "words": 1234,
        "scores": {"loss": None, "f1": 1 / 3, "macro_f1": 0.25},
        "labels": {label: {**RATES, "support": 1000} for label in labels},
        "matching": matching,
        "by_label": dict.fromkeys(labels, matching),
        "confusion": {"entities": confusion},
    }


def test_each_score_and_measure_has_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    show_evaluation(record(labels=["PER"], confusion={"": {"PER": 2}, "PER": {"": 1, "PER": 7}}))
    lines = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert lines[0] == "runs/news/one on test.txt: 1 sentence, 1,234 words."
    for line in (
        "loss –",
        "macro F1 0.2500",
        "PER 1,000 0.5000 0.2500 0.3333 0.3333",
        "strict 1 2 3 4 123,456 0.5000 0.2500 0.3333",
        "PER (missed)",
        "PER 7 1",
        "(spurious) 2 0",
    ):
        assert line in lines


def test_many_labels_are_told_by_their_most_frequent_confusions_in_80_columns(
    capsys: pytest.CaptureFixture[str],
) -> None:
    labels = [f"a-long-type-of-entity-{number}" for number in range(25)]
    confusion = {label: {label: 50, "": number} for number, label in enumerate(labels, 1)}
    show_evaluation(record(labels=labels, confusion=confusion))
    out = capsys.readouterr().out
    assert max(map(len, out.splitlines())) <= 80
    table = out[out.index("Confusions of entities that share a word, the most frequent") :].splitlines()
    assert table[3].split() == [labels[-1], "(missed)", "25"]
    assert sum("(missed)" in line for line in table) == 20


def test_what_nobody_confuses_has_no_table(capsys: pytest.CaptureFixture[str]) -> None:
    show_evaluation(record(labels=["PER"], confusion={"PER": {"PER": 7}}))
    assert "Confusions" not in capsys.readouterr().out
