"""A study as a whole: its headline, its text, and its score over two searched keys."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from recording import complete, new_cell, new_record, open_fit

from nertune.results.database import CellRow
from nertune.track.aim import shown_label_scores
from nertune.track.figures import confusion_png, read_confusion
from nertune.track.overview import headline, heat_map_of, study_text, tell_study

LR, BATCH = "train.learning_rate", "train.batch_size"


def cell(number: int, point: dict[str, Any], score: float | None, *, state: Any = "complete") -> CellRow:
    scores = {"dev": {"f1": score, "loss": score}}
    return CellRow(
        id=number,
        stage="search",
        number=number,
        point=point,
        point_id=str(number),
        seed=42,
        state=state,
        scores=scores,
        best_epoch=1.0,
        best_step=1,
        seconds=1.0,
        attempts=1,
        cause=None,
        message=None,
    )


def test_a_square_holds_the_best_trial_of_its_two_values() -> None:
    trials = [
        cell(0, {LR: 1e-4, BATCH: 8, "train.epochs": 1}, 0.5),
        cell(1, {LR: 1e-4, BATCH: 8, "train.epochs": 2}, 0.7),
        cell(2, {LR: 1e-5, BATCH: 16, "train.epochs": 1}, None, state="failed"),
        cell(3, {LR: 1e-6, BATCH: 16, "train.epochs": 1}, 0.6, state="running"),
    ]
    told = heat_map_of(trials, "f1")
    assert told == {
        "rows": LR,
        "columns": BATCH,
        "row_values": [1e-5, 1e-4],
        "column_values": [8, 16],
        "cells": [[None, None], [0.7, None]],
        "trials": [[None, 2], [1, None]],
        "score": "f1",
        "others": ["train.epochs"],
    }
    worst = heat_map_of(trials, "loss")
    assert worst is not None
    assert worst["trials"][1] == [0, None]


def test_there_is_no_map_of_one_key_or_of_one_value() -> None:
    assert heat_map_of([cell(0, {LR: 1e-4}, 0.5), cell(1, {LR: 1e-5}, 0.5)], "f1") is None
    assert heat_map_of([cell(0, {LR: 1e-4, BATCH: 8}, 0.5), cell(1, {LR: 1e-5, BATCH: 8}, 0.5)], "f1") is None
    assert heat_map_of([], "f1") is None


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([1.1e-6 * 1.7**step for step in range(14)], [1e-6, 2e-6, 5e-6, 1e-5, 2e-5, 5e-5, 1e-4, 2e-4, 5e-4, 1e-3]),
        ([0.1 + 0.01 * step for step in range(21)], [0.1, 0.12, 0.14, 0.16, 0.18, 0.2, 0.22, 0.24, 0.26, 0.28, 0.3]),
    ],
    ids=["over decades", "over a short range"],
)
def test_near_numbers_are_put_together_where_there_are_many(values: list[float], expected: list[float]) -> None:
    trials = [cell(number, {LR: value, BATCH: (8, 16)[number % 2]}, 0.5) for number, value in enumerate(values)]
    told = heat_map_of(trials, "f1")
    assert told is not None
    assert set(told["row_values"]) <= {*expected}
    assert len(told["row_values"]) >= len(expected) - 2


def test_values_of_any_kind_have_their_squares() -> None:
    points = [{"train.freeze": freeze, "model.hidden": hidden} for freeze in ("none", None) for hidden in ([5], [5, 2])]
    told = heat_map_of([cell(number, point, 0.1 * number) for number, point in enumerate(points)], "f1")
    assert told is not None
    assert {*map(str, told["column_values"])} | {*map(str, told["row_values"])} == {"none", "None", "[5]", "[5, 2]"}


def test_the_headline_and_the_text_tell_the_best_setting_and_its_seeds(tmp_path: Path) -> None:
    database, study = new_record(tmp_path)
    assert headline(tell_study(study, database=database)) == "No trial has a score yet"
    for number, score in enumerate((0.5, 0.75)):
        complete(database, open_fit(database, study, new_cell(database, study, number=number), name="x"), dev=score)
    for number, score in enumerate((0.5, 0.7)):
        point = {"train.batch_size": 9}
        added = database.add_cell(study, stage="final", number=number, point=point, point_id="9", seed=number + 1)
        complete(database, open_fit(database, study, added, name=f"seed-{number}"), dev=score, test=0.25)
    told = tell_study(study, database=database)
    assert headline(told) == (
        "Best: batch size 9 (trial 1), dev F1 0.7500; "
        "dev F1 of the seeds 0.6000 ± 0.1414; test F1 of the seeds 0.2500 ± 0.0000"
    )
    assert study_text(told).splitlines() == [
        "Study tiny: trials 2 complete",
        "",
        "Best setting: trial 1, dev F1 0.7500 at epoch 2",
        "train.batch_size: 9",
        "",
        "Refitted with seeds 1, 2: batch size 9",
        "dev F1: 0.6000 ± 0.1414",
        "test F1: 0.2500 ± 0.0000",
    ]
    assert json.loads(json.dumps(told)) == told


def test_of_many_labels_the_f1_of_the_most_frequent_is_told() -> None:
    rows = [
        {"split": "dev", "label": f"L{number}", "name": name, "value": value}
        for number in range(30)
        for name, value in (("f1", 0.5), ("recall", 0.5), ("support", number))
    ]
    rows.append({"split": "test", "label": "L29", "name": "f1", "value": None})
    told = shown_label_scores(rows)
    assert [row["label"] for row in told] == [f"L{number}" for number in range(10, 30)]
    assert {(row["name"], row["split"]) for row in told} == {("f1", "dev")}


def test_predictions_that_cannot_be_read_have_no_figure_and_stop_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert confusion_png(tmp_path, "test") is None
    (tmp_path / "test_predictions.jsonl").write_text('{"gold": "a", "predi')
    assert confusion_png(tmp_path, "test") is None
    assert "JSONDecodeError" in capsys.readouterr().err


ENTITY = {"label": "Gene", "start": 0, "end": 2}


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([("a", "b"), ("a", "a"), ("b", "b")], {"a": {"a": 1, "b": 1}, "b": {"b": 1}}),
        ([(["a"], ["a", "b"]), ([], [])], {"a": {"a": 1}, "": {"b": 1}}),
        ([([ENTITY], [{**ENTITY, "label": "Drug"}]), ([], [])], {"Gene": {"Drug": 1}}),
    ],
    ids=["classes", "several classes", "entities"],
)
def test_predictions_of_each_kind_have_a_confusion(
    rows: list[tuple[Any, Any]], expected: dict[str, dict[str, int]], tmp_path: Path
) -> None:
    path = tmp_path / "test_predictions.jsonl"
    path.write_text("".join(json.dumps({"gold": gold, "predicted": told}) + "\n" for gold, told in rows))
    assert read_confusion(path) == expected
