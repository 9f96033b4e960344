"""Faults under a tiny real model: its weights find no room, its memory ends, its loss is not finite."""

from __future__ import annotations

import csv
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from real_study import nertune, read_json, write_study, write_token_files
from small_disk import SmallDisk

pytestmark = pytest.mark.slow
Make = Callable[..., Path]
HUNGRY = """
import torch
from transformers import TrainerCallback

class Hungry(TrainerCallback):
    def on_step_begin(self, args, state, control, **_):
        if args.per_device_train_batch_size > 4:
            torch.empty(2**60)
"""


@pytest.fixture
def real_study(tmp_path: Path, bert_folder: Path, token_train, token_dev) -> Make:
    def make(*, space: str, more: str = "") -> Path:
        splits = {"train": token_train.examples, "dev": token_dev.examples, "test": token_train.examples[5:15]}
        write_token_files(tmp_path / "data", splits)
        return write_study(tmp_path / "ents.yaml", task="token", model=bert_folder, space=space, more=more)

    return make


def rows(study: Path) -> list[tuple[str, str, str]]:
    with (study.parent / "runs" / "ents" / "trials.csv").open() as stream:
        return [(row["state"], row["attempts"], row["cause"].partition(":")[0]) for row in csv.DictReader(stream)]


def refit(study: Path, *, inside: Sequence[str] = ()) -> subprocess.CompletedProcess[str]:
    command = [*inside, sys.executable, "-m", "nertune.cli", "best-and-train", str(study), "--workers", "1"]
    return subprocess.run(command, cwd=study.parent, capture_output=True, text=True, check=False)


def test_weights_that_find_no_room_stop_the_refit_which_goes_on_with_some(real_study: Make) -> None:
    study = real_study(space="{train.learning_rate: [3e-3]}", more="final: {seeds: [1, 2]}")
    with SmallDisk(study.parent / "runs", size="10m") as disk:
        search = [*disk.inside, sys.executable, "-m", "nertune.cli", "search", str(study), "--workers", "1"]
        subprocess.run(search, cwd=study.parent, capture_output=True, check=True)
        disk.fill(but=100_000)
        told = refit(study, inside=disk.inside)
        assert told.returncode == 75, told.stderr
        assert "Make room and give the same command again" in told.stderr
        assert "Traceback" not in told.stderr
        disk.make_room()
        told = refit(study, inside=disk.inside)
        assert told.returncode == 0, told.stderr
        assert read_json(disk.seen / "ents" / "summary.json")["seeds"] == [1, 2]


def test_a_torn_seed_folder_is_fitted_again(real_study: Make) -> None:
    study = real_study(space="{train.learning_rate: [3e-3]}", more="final: {seeds: [1, 2, 3]}")
    assert nertune("search", study, cwd=study.parent).returncode == 0
    assert refit(study).returncode == 0
    summary = study.parent / "runs" / "ents" / "summary.json"
    whole = read_json(summary)
    for number, name in ((1, "all_results.json"), (2, "environment.json")):
        file = next(summary.parent.glob(f"tiny-*_{number}")) / name
        file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    told = refit(study)
    assert told.returncode == 0, told.stderr
    assert read_json(summary)["test"] == whole["test"]


def test_memory_that_ends_and_a_loss_that_is_not_finite_are_told_apart(real_study: Make) -> None:
    study = real_study(space="{train.batch_size: [4, 8], train.learning_rate: [3e-3, 1e30]}")
    study.write_text(
        study.read_text().replace("train: {", "train: {callbacks: [hungry:Hungry], device_batch_size: 8, ")
    )
    (study.parent / "hungry.py").write_text(HUNGRY)
    told = nertune("search", study, "--workers", 1, cwd=study.parent)
    assert told.returncode == 0, told.stderr
    assert rows(study) == [
        ("complete", "1", ""),
        ("failed", "1", "nan"),
        ("complete", "2", ""),
        ("failed", "2", "nan"),
    ]
    assert "tried again with at most 4 examples on the device" in told.stderr
