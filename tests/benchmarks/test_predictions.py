"""Prediction: the sentences that are predicted, and how alike the sides' answers are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from commands import SideError
from predictions import PredictionRun, agreement, as_lines, make_row, repeated


def test_sentences_are_taken_in_order_and_again_from_the_start(token_train: Any, token_dev: Any) -> None:
    train, dev = token_train.examples[:2], token_dev.examples[:1]
    assert [*repeated([train, dev], n=5)] == [*train, *dev, *train]


def test_words_are_lines_and_texts_are_lines(token_train: Any, sequence_train: Any) -> None:
    sentence, text = token_train.examples[0], sequence_train.examples[0]
    assert as_lines(iter([sentence])) == "\n".join(sentence.words) + "\n\n"
    assert as_lines(iter([text])) == f"{text.text}\n"


def test_row_tells_the_share_of_equal_tags(tmp_path: Path) -> None:
    (tmp_path / "plain").write_text("Ada\tB-PER\nin\tO\n\nOslo\tB-LOC\nnow\tO\n")
    (tmp_path / "nertune").write_text("Ada\tB-PER\nin\tO\n\nOslo\tB-PER\nnow\tO\n\n")
    runs = {name: [PredictionRun(wall, str(tmp_path / name))] for name, wall in (("plain", 8.0), ("nertune", 2.0))}
    row = make_row(runs, task="token", n=2)
    assert (row.figure, row.is_met, row.notes) == (4.0, True, ["75.000% of the tags are the same"])


def test_bf16_has_a_row_of_its_own_without_a_goal(tmp_path: Path) -> None:
    walls = {"plain": 8.0, "nertune": 2.0, "bf16": 1.0}
    for name in walls:
        (tmp_path / name).write_text("Ada\tB-PER\n")
    runs = {name: [PredictionRun(wall, str(tmp_path / name))] for name, wall in walls.items()}
    row = make_row(runs, task="token", n=1, side="bf16")
    assert (row.name, row.figure, row.goal) == ("prediction, bf16", 8.0, None)


def test_class_is_the_first_of_three_columns(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("good\t0.9000\ta fine film\nbad\t0.8000\ta dull one\n")
    assert PredictionRun(1.0, str(tmp_path / "out")).labels == ["good", "bad"]


def test_missing_predictions_are_an_error() -> None:
    with pytest.raises(SideError, match="3 labels of the plain Trainer, but 2 of nertune"):
        agreement(["O", "O", "O"], ["O", "O"])
