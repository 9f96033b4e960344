"""What best-and-train does after `nertune runs rm`, with a tiny real model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from real_study import read_json, write_study, write_token_files

from nertune.report.progress import Quiet
from nertune.workflows import best_and_train, search
from nertune.workflows.removal import plan_removal, remove
from nertune.workflows.run_runs import Record, find_record

INLINE = ("execute.kind=inline", "execute.threads=1")


class Fits(Quiet):
    """A display that counts the fits that ended."""

    n = 0

    def ended(self, cell: Any, how: Any) -> None:
        super().ended(cell, how)
        self.n += 1


@pytest.fixture
def study(tmp_path: Path, bert_folder: Path, token_train: Any, token_dev: Any) -> Path:
    """Searched and refitted with two seeds."""
    splits = {"train": token_train.examples, "dev": token_dev.examples, "test": token_dev.examples}
    write_token_files(tmp_path / "data", splits)
    path = write_study(
        tmp_path / "tiny.yaml",
        task="token",
        model=bert_folder,
        space="{train.learning_rate: [3e-3]}",
        more="final: {seeds: [1, 2]}",
    )
    search(path, progress=Quiet(), edits=INLINE)
    assert refit(path) == 2
    return path


def refit(study: Path) -> int:
    """best-and-train; how many fits it ran."""
    fits = Fits()
    best_and_train(study, progress=fits, edits=INLINE)
    return fits.n


def record_of(study: Path) -> Record:
    return find_record(study=str(study))


def weights(study: Path) -> list[str]:
    return sorted(path.parent.name for path in study.parent.glob("runs/tiny/*/model.safetensors"))


def test_seed_runs_without_weights_are_done_and_those_without_a_folder_are_trained_again(
    study: Path, tmp_path: Path
) -> None:
    output = tmp_path / "runs" / "tiny"
    summary = read_json(output / "summary.json")
    predictions = {path: path.read_bytes() for path in output.glob("*/test_predictions.jsonl")}
    removal = plan_removal(record_of(study))
    assert {item.what for item in removal.items} == {"weights", "cache"}
    remove(removal)
    assert (weights(study), refit(study)) == ([], 0)
    assert read_json(output / "summary.json") == summary
    remove(plan_removal(record_of(study), ["seed-0000"], everything=True))
    assert refit(study) == 1
    assert len(weights(study)) == 1
    assert read_json(output / "summary.json") == summary
    assert {path: path.read_bytes() for path in output.glob("*/test_predictions.jsonl")} == predictions


def test_another_test_file_does_not_count_on_weights_that_are_gone(
    study: Path, tmp_path: Path, token_train: Any
) -> None:
    remove(plan_removal(record_of(study), ["seed-0001"]))
    write_token_files(tmp_path / "data", {"test": token_train.examples[:10]})
    assert refit(study) == 2
    assert len(weights(study)) == 2


def test_a_study_that_was_removed_whole_comes_back(study: Path, tmp_path: Path) -> None:
    summary = read_json(tmp_path / "runs" / "tiny" / "summary.json")
    remove(plan_removal(record_of(study), everything=True))
    assert not (tmp_path / "runs" / "tiny").exists()
    search(study, progress=Quiet(), edits=INLINE)
    assert refit(study) == 2
    assert read_json(tmp_path / "runs" / "tiny" / "summary.json") == summary
