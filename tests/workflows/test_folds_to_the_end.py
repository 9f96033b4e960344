"""best-and-train after a search over folds, and the learning curve, on a tiny real model."""

from __future__ import annotations

import csv
import json
import sqlite3
import statistics
from pathlib import Path
from typing import Any

import pytest
from real_study import read_json, write_sequence_files, write_study, write_token_files

from nertune.data.examples import Split
from nertune.report.progress import Quiet
from nertune.results.outcomes import FinalOutcome
from nertune.workflows import best_and_train, search

INLINE = ("execute.kind=inline", "execute.threads=1")
SPACE = "{train.learning_rate: [3e-3, 1e-3]}"
AVERAGE = "protocol: {kfold: 2, final: average}\nfinal: {seeds: [1], sizes: [50, 100]}"
REFIT = "protocol: {kfold: 2}\nfinal: {seeds: [7, 8], candidates: 2, sizes: [40]}"


def finish(path: Path, *edits: str) -> FinalOutcome:
    search(path, progress=Quiet(), edits=[*INLINE, *edits])
    return best_and_train(path, progress=Quiet(), edits=[*INLINE, *edits])


def cells(path: Path, stage: str) -> list[Any]:
    """Point ids, seeds, scores and best epochs of a stage."""
    with sqlite3.connect(path.parent / "nertune.db") as record:
        query = "SELECT point_id, seed, scores, best_epoch FROM nertune_cells WHERE stage = ? ORDER BY number"
        rows = record.execute(query, (stage,)).fetchall()
    record.close()
    return [(point, seed, json.loads(scores), epoch) for point, seed, scores, epoch in rows]


@pytest.fixture(scope="module")
def averaged(
    tmp_path_factory: pytest.TempPathFactory, bert_folder: Path, sequence_train: Split, sequence_dev: Split
) -> tuple[Path, FinalOutcome]:
    """A study of texts whose seeds average two folds: its file and its end."""
    folder = tmp_path_factory.mktemp("averaged")
    splits = {"train": sequence_train.examples, "dev": sequence_dev.examples, "test": sequence_train.examples[3:20]}
    write_sequence_files(folder / "data", splits)
    path = write_study(folder / "mood.yaml", task="sequence", model=bert_folder, more=AVERAGE, space="{}")
    return path, finish(path)


def test_seeds_of_folds_hold_a_model_for_each_and_have_scores_of_dev_and_test(
    averaged: tuple[Path, FinalOutcome],
) -> None:
    _, outcome = averaged
    for row in outcome.seeds:
        folder = Path(row["folder"])
        assert [path.parent.name for path in sorted(folder.glob("*/model.safetensors"))] == ["fold-1", "fold-2"]
        assert read_json(folder / "eval_results.json")["eval_samples"] == 51
        assert row["scores"]["test"]["f1"] == read_json(folder / "test_results.json")["test_f1"]
    assert outcome.summary["protocol"] == {"name": "kfold", "repeat": None, "kfold": 2, "final": "average"}


def test_the_learning_curve_is_in_the_summary_and_a_file_and_keeps_no_weights(
    averaged: tuple[Path, FinalOutcome],
) -> None:
    _, outcome = averaged
    sizes, root = outcome.summary["sizes"], outcome.folder
    assert [(name, size["examples"], size["seeds"]) for name, size in sizes.items()] == [
        ("50", 12, [1]),
        ("100", 26, [1]),
    ]
    assert sizes["100"]["test"] == outcome.summary["test"]
    (folder,) = (root / "sizes" / "50").iterdir()
    assert folder.name == Path(outcome.seeds[0]["folder"]).name
    assert not list((root / "sizes").rglob("*.safetensors"))
    value = read_json(folder / "test_results.json")["test_f1"]
    assert sizes["50"]["test"]["scores"]["f1"]["values"] == {"1": value}
    with (root / "sizes.csv").open() as stream:
        rows = [(row["percent"], row["seed"], float(row["test_f1"])) for row in csv.DictReader(stream)]
    assert rows == [("50", "1", value), ("100", "1", outcome.seeds[0]["scores"]["test"]["f1"])]


def test_running_again_fits_nothing_and_a_lost_size_alone_is_run_again(
    averaged: tuple[Path, FinalOutcome], monkeypatch: pytest.MonkeyPatch
) -> None:
    import shutil

    import nertune.trials.fits

    path, outcome = averaged
    fitted: list[float] = []
    plain = nertune.trials.fits.fit
    monkeypatch.setattr("nertune.trials.fits.fit", lambda *a, **k: fitted.append(k["spec"].data.size) or plain(*a, **k))
    again = best_and_train(path, progress=Quiet(), edits=[*INLINE])
    assert (fitted, again.summary) == ([], outcome.summary)
    shutil.rmtree(next((outcome.folder / "sizes" / "50").iterdir()))
    again = best_and_train(path, progress=Quiet(), edits=[*INLINE])
    assert fitted == [50.0, 50.0]  # a fit for each fold
    assert again.summary == outcome.summary


@pytest.mark.slow
def test_seeds_are_refitted_on_everything_and_candidates_chosen_by_folds(
    tmp_path: Path, bert_folder: Path, token_train: Split
) -> None:
    splits = {"train": token_train.examples[:30], "dev": token_train.examples[30:], "test": token_train.examples[5:15]}
    write_token_files(tmp_path / "data", splits)
    path = write_study(tmp_path / "ents.yaml", task="token", model=bert_folder, more=REFIT, space=SPACE)
    outcome = finish(path)
    found: dict[str, list[float]] = {}
    for point, _, scores, _ in cells(path, "candidate"):
        assert set(scores) == {"dev", "dev_1", "dev_2"}
        found.setdefault(point, []).append(statistics.fmean(scores[split]["f1"] for split in ("dev_1", "dev_2")))
    assert [len(values) for values in found.values()] == [2, 2]
    chosen = max(found, key=lambda point: statistics.fmean(found[point]))
    (epoch,) = [epoch for point, _, _, epoch in cells(path, "search") if point == chosen]
    for row in outcome.seeds:
        results = read_json(Path(row["folder"]) / "all_results.json")
        assert (results["epoch"], results["train_samples"]) == (max(1, round(epoch)), 40)
        assert set(row["scores"]) == {"test"}
    assert outcome.summary["search"]["mean_dev_score_of_seeds"] is None
    assert outcome.summary["sizes"]["40"]["examples"] == 16
