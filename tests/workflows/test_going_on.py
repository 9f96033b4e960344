"""Trials and seed runs of a real model that are cut off, or pause, come to what they would have come to."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from real_study import nertune, read_json, write_study, write_token_files

from nertune.report.progress import Quiet
from nertune.results.database import CellRow
from nertune.workflows import best_and_train, search

LONG = "train: {epochs: 12, precision: fp32, batch_size: 4}"
OFTEN = "execute: {workers: 1, threads: 1, checkpoint_every: 0.01}"
INLINE = ("execute.kind=inline", "execute.threads=1")  # in this process, which has imported torch already
ONE = "{train.learning_rate: [1e-3]}"


@pytest.fixture
def folder(tmp_path: Path, token_train: Any, token_dev: Any) -> Path:
    """A folder with data for any number of studies."""
    write_token_files(
        tmp_path / "data",
        {"train": token_train.examples, "dev": token_dev.examples, "test": token_dev.examples},
    )
    return tmp_path


def make(folder: Path, name: str, model: Path, *, space: str = ONE, train: str = LONG, more: str = OFTEN) -> Path:
    path = write_study(folder / f"{name}.yaml", task="token", model=model, space=space, more=more)
    path.write_text(path.read_text().replace("train: {epochs: 2, precision: fp32}", train))
    return path


def kill_at_its_checkpoint(command: str, study: Path, *, root: Path) -> None:
    """Start the command and kill all of it when a fit has written its second checkpoint."""
    words = [sys.executable, "-m", "nertune.cli", command, str(study)]
    process = subprocess.Popen(words, cwd=study.parent, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    seen: set[int] = set()
    deadline = time.monotonic() + 120
    while len(seen) < 2:
        assert process.poll() is None, "the command ended before it could be killed"
        assert time.monotonic() < deadline
        for file in root.glob("work/*/1/checkpoint/fit.pt"):
            seen.add(file.stat().st_mtime_ns)
        time.sleep(0.005)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()


def run(study: Path) -> tuple[CellRow, ...]:
    return search(study, progress=Quiet(), edits=INLINE).cells


def first_steps(folder: Path, *, study: str) -> list[int]:
    """The first recorded training step of each attempt, by their numbers."""
    query = (
        "SELECT MIN(step) FROM nertune_steps JOIN nertune_runs ON run_id = nertune_runs.id "
        "JOIN nertune_studies ON study_id = nertune_studies.id "
        "WHERE split = 'train' AND nertune_studies.name = ? GROUP BY run_id ORDER BY run_id"
    )
    with sqlite3.connect(folder / "nertune.db") as connection:
        return [row[0] for row in connection.execute(query, (study,))]


def test_a_killed_trial_goes_on_from_its_last_epoch_to_the_same_scores(folder: Path, bert_folder: Path) -> None:
    whole, broken = (make(folder, name, bert_folder) for name in ("whole", "broken"))
    kill_at_its_checkpoint("search", broken, root=folder / "runs" / "broken")
    (found,), (expected,) = run(broken), run(whole)
    assert (found.scores, found.best_epoch, found.attempts) == (expected.scores, expected.best_epoch, 2)
    assert first_steps(folder, study="broken")[1] > 10  # of 10 an epoch: what was written was not trained again


@pytest.mark.slow
def test_a_killed_seed_run_goes_on_to_the_same_scores_and_weights(folder: Path, bert_folder: Path) -> None:
    found = {}
    for name in ("whole", "broken"):
        study = make(folder, name, bert_folder, more=f"{OFTEN}\nfinal: {{seeds: [1]}}")
        run(study)
        if name == "broken":
            kill_at_its_checkpoint("best-and-train", study, root=folder / "runs" / name)
        best_and_train(study, progress=Quiet(), edits=INLINE)
        (results,) = (folder / "runs" / name).glob("tiny-*/all_results.json")
        scores = {key: value for key, value in read_json(results).items() if key.endswith(("f1", "loss"))}
        found[name] = scores, (results.parent / "model.safetensors").read_bytes()
        assert not (results.parent / "checkpoint").exists()
    assert found["broken"] == found["whole"]
    assert first_steps(folder, study="broken")[-1] > 10


def test_the_best_trials_weights_are_kept_when_asked_and_give_its_dev_scores(folder: Path, bert_folder: Path) -> None:
    space = "{train.learning_rate: [1e-6, 3e-3, 1e-3]}"
    train = "train: {epochs: 2, precision: fp32}"
    study = make(folder, "kept", bert_folder, space=f"{space}, keep: best", train=train)
    best = max(run(study), key=lambda cell: cell.scores["dev"]["f1"] or 0.0)
    model = folder / "runs" / "kept" / "best-trial"
    told = nertune("evaluate", model, folder / "data" / "dev.txt", "--json", cwd=folder)
    assert told.returncode == 0, told.stderr
    assert json.loads(told.stdout)["scores"]["f1"] == pytest.approx(best.scores["dev"]["f1"])
    assert not [*(folder / "runs" / "kept").glob("work/trial-*")]


@pytest.mark.parametrize("pruner", ["halving", pytest.param("hyperband", marks=pytest.mark.slow)])
def test_trials_that_were_not_cut_have_the_scores_of_a_search_that_cuts_none(
    folder: Path, bert_folder: Path, pruner: str
) -> None:
    space = "{train.learning_rate: [1e-3, 3e-3, 1e-4, 1e-5], train.batch_size: [4, 8]}"
    train = "train: {epochs: 3, precision: fp32}"
    whole = make(folder, "whole", bert_folder, space=space, train=train)
    cut = make(folder, "cut", bert_folder, space=f"{space}, pruner: {pruner}", train=train)
    expected, found = run(whole), run(cut)
    (survivor,) = [cell for cell in found if cell.state == "complete"]
    assert survivor.scores == expected[survivor.number].scores
    assert {cell.state for cell in found} == {"complete", "pruned"}
    assert not [*folder.rglob("*.safetensors")]  # nobody asked for weights
