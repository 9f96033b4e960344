"""What Aim says is what the record says, also after the projector was killed."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest
from recording import (
    add_epoch,
    complete,
    new_cell,
    new_record,
    open_fit,
    projected_steps,
    projector_of,
    read_aim,
    wait_until,
)

from nertune.results.database import Database, Settlement, StudyRow
from nertune.results.files import write_json_lines
from nertune.results.records import SplitScores
from nertune.track.follower import nest
from nertune.track.projector import rebuild


def fill_before_the_kill(database: Database, study: StudyRow) -> None:
    done = open_fit(database, study, new_cell(database, study), name="trial-0000")
    add_epoch(database, done, epoch=1)
    add_epoch(database, done, epoch=2)
    complete(database, done, dev=0.75)
    running = open_fit(database, study, new_cell(database, study, number=1), name="trial-0001")
    add_epoch(database, running, epoch=1)


def fill_after_the_kill(database: Database, study: StudyRow) -> None:
    database.close_open_attempts(study)
    again = open_fit(database, study, database.cells(study, "search")[1], name="trial-0001-2")
    database.settle(again, Settlement("failed", "failed", cause="nan", message="loss is nan at step 7", seconds=9.0))
    seed = open_fit(database, study, new_cell(database, study, stage="final", seed=3), name="bert-tiny_8_1e-05_2_3")
    add_epoch(database, seed, epoch=1)
    complete(database, seed, dev=0.75, test=0.5)
    late = open_fit(database, study, new_cell(database, study, number=2), name="trial-0002")
    add_epoch(database, late, epoch=1)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """Aim's runs of a record that was followed by two projectors; the first one was killed amid a run."""
    folder = tmp_path_factory.mktemp("projected")
    database, study = new_record(folder)
    fill_before_the_kill(database, study)
    projector = projector_of(folder)
    projector.start()
    wait_until(lambda: projected_steps(folder) == 12)
    assert projector.pid is not None
    os.kill(projector.pid, signal.SIGKILL)
    fill_after_the_kill(database, study)
    second = projector_of(folder)
    second.start()
    assert second.finish(timeout_s=60), (folder / "logs" / "aim.log").read_text()
    return read_aim(folder / "aim")


def test_every_attempt_is_one_run_of_the_studys_experiment(runs: dict[str, dict[str, Any]]) -> None:
    names = {"trial-0000", "trial-0001", "trial-0001-2", "bert-tiny_8_1e-05_2_3", "trial-0002"}
    assert set(runs) == names | {"tiny"}  # and one that stands for the study
    assert {run["experiment"] for run in runs.values()} == {"tiny"}


def test_metrics_are_exactly_those_of_the_record(runs: dict[str, dict[str, Any]]) -> None:
    assert runs["trial-0000"]["metrics"] == {
        "train/loss": [[5, 1.0, 0.5], [15, 0.5, 1.5]],
        "dev/loss": [[10, 2.0, 1.0], [20, 1.0, 2.0]],
        "dev/f1": [[10, 0.5, 1.0], [20, 1 - 1 / 3, 2.0]],
        "dev/Gene/label_f1": [[20, 0.75, 2.0]],
    }


def test_a_killed_projector_leaves_no_step_out_and_none_twice(runs: dict[str, dict[str, Any]]) -> None:
    assert runs["trial-0001"]["metrics"] == {
        "train/loss": [[5, 1.0, 0.5]],
        "dev/loss": [[10, 2.0, 1.0]],
        "dev/f1": [[10, 0.5, 1.0]],
    }


def test_parameters_are_those_of_the_record_with_their_types(runs: dict[str, dict[str, Any]]) -> None:
    assert runs["trial-0000"]["parameters"] == {
        "task": "token",
        "train": {"learning_rate": 1e-5, "patience": None},
        "data": {"keep": ["Gene", "Drug"]},
        **{"study": "tiny", "stage": "search", "cell": 0, "attempt": 1, "seed": 42, "state": "complete"},
        **{"seconds": 63.5, "cause": None, "message": None, "best_epoch": 2.0, "best_step": 20},
        "searched": {"train": {"batch_size": 8}},
        "scores": {"dev": {"f1": 0.75}},
    }
    assert runs["trial-0000"]["description"] == "batch size 8"


def test_a_seed_run_tells_its_test_scores(runs: dict[str, dict[str, Any]]) -> None:
    told = runs["bert-tiny_8_1e-05_2_3"]
    assert told["tags"] == ["best", "seed", "tiny"]
    assert told["parameters"]["seed"] == 3
    assert told["parameters"]["scores"] == {"dev": {"f1": 0.75}, "test": {"f1": 0.5}}


def test_a_failed_attempt_tells_why(runs: dict[str, dict[str, Any]]) -> None:
    told = runs["trial-0001-2"]
    assert told["tags"] == ["failed", "search", "tiny"]
    assert [told["parameters"][key] for key in ("state", "cause", "attempt")] == ["failed", "nan", 2]
    assert told["parameters"]["message"] == "loss is nan at step 7"


def test_an_attempt_whose_coordinator_died_is_lost(runs: dict[str, dict[str, Any]]) -> None:
    assert runs["trial-0001"]["parameters"]["state"] == "lost"
    assert runs["trial-0001"]["tags"] == ["failed", "search", "tiny"]


def test_no_run_stays_in_progress_once_nobody_follows(runs: dict[str, dict[str, Any]]) -> None:
    assert [run["is_active"] for run in runs.values()] == [False] * 6
    assert runs["trial-0002"]["parameters"]["state"] == "running"


def test_a_runs_duration_is_that_of_the_fit(runs: dict[str, dict[str, Any]]) -> None:
    assert runs["trial-0000"]["seconds"] == pytest.approx(63.5)


def test_the_study_is_a_run_that_tells_the_best_setting(runs: dict[str, dict[str, Any]]) -> None:
    told = runs["tiny"]
    assert told["tags"] == ["study", "tiny"]
    assert told["description"] == "Best: batch size 8 (trial 0), dev F1 0.7500; " + "; ".join(
        f"{split} F1 of the seeds {mean}" for split, mean in (("dev", "0.7500"), ("test", "0.5000"))
    )
    assert "Best setting: trial 0, dev F1 0.7500 at epoch 2\ntrain.batch_size: 8\n" in told["texts"]["best setting"][-1]
    assert told["parameters"]["best"]["searched"] == {"train": {"batch_size": 8}}
    assert told["parameters"]["stage"] == "study"


def test_the_best_trial_alone_is_tagged_so_among_the_trials(runs: dict[str, dict[str, Any]]) -> None:
    trials = {name: run["tags"] for name, run in runs.items() if "search" in run["tags"]}
    assert [name for name, tags in trials.items() if "best" in tags] == ["trial-0000"]


def test_dotted_keys_become_nested_parameters() -> None:
    flat = {"task": "token", "train.epochs": 4, "model.config.dropout": 0.2, "model.base": "bert"}
    assert nest(flat) == {
        "task": "token",
        "train": {"epochs": 4},
        "model": {"config": {"dropout": 0.2}, "base": "bert"},
    }


@pytest.mark.slow
def test_runs_made_anew_replace_the_old_ones_and_no_others(tmp_path: Path) -> None:
    for name in ("mine", "other"):
        (tmp_path / name).mkdir()
        database, study = new_record(tmp_path / name, study=name)
        attempt = open_fit(database, study, new_cell(database, study), name=f"{name}-0000")
        add_epoch(database, attempt, epoch=1)
        complete(database, attempt, dev=0.5)
        rebuild(tmp_path / "aim", storage=str(tmp_path / name / "nertune.db"))
    rebuild(tmp_path / "aim", storage=str(tmp_path / "mine" / "nertune.db"))
    runs = read_aim(tmp_path / "aim")
    assert {name: run["metrics"]["dev/loss"] for name, run in runs.items() if "search" in run["tags"]} == {
        "mine-0000": [[10, 2.0, 1.0]],
        "other-0000": [[10, 2.0, 1.0]],
    }


@pytest.mark.slow
def test_figures_are_images_also_when_the_runs_are_made_anew_and_a_better_trial_takes_the_tag(tmp_path: Path) -> None:
    database, study = new_record(tmp_path)
    for number, score in enumerate((0.5, 0.75, 0.25, 0.5)):
        point = {"train.batch_size": (8, 16)[number % 2], "train.learning_rate": (1e-5, 1e-4)[number // 2]}
        cell = database.add_cell(study, stage="search", number=number, point=point, point_id=str(number), seed=42)
        complete(database, open_fit(database, study, cell, name=f"trial-{number:04d}"), dev=score)
        if number == 0:
            first = projector_of(tmp_path)
            first.start()
            assert first.finish(timeout_s=60), (tmp_path / "logs" / "aim.log").read_text()
    seed = open_fit(database, study, new_cell(database, study, stage="final", seed=1), name="seed-1")
    write_json_lines(tmp_path / "out" / "seed-1" / "eval_predictions.jsonl", [{"gold": "a", "predicted": "b"}])
    complete(database, seed, dev=0.5)
    second = projector_of(tmp_path)
    second.start()
    assert second.finish(timeout_s=60), (tmp_path / "logs" / "aim.log").read_text()
    told = read_aim(tmp_path / "aim")
    assert ["best" in told[f"trial-{number:04d}"]["tags"] for number in range(4)] == [False, True, False, False]
    assert {name: list(run["images"]) for name, run in told.items() if run["images"]} == {
        "tiny": ["dev/heat map"],
        "seed-1": ["dev/confusion"],
    }
    assert rebuild(tmp_path / "aim", storage=str(tmp_path / "nertune.db")) is None
    anew = read_aim(tmp_path / "aim")
    assert [(name, key) for name in told for key in told[name] if anew[name][key] != told[name][key]] == []


@pytest.mark.slow
def test_a_study_moved_aside_keeps_its_runs_under_its_new_name(tmp_path: Path) -> None:
    database, study = new_record(tmp_path)
    complete(database, open_fit(database, study, new_cell(database, study), name="trial-0000"), dev=0.5)
    rebuild(tmp_path / "aim", storage=str(tmp_path / "nertune.db"))
    database.rename_study(study, name="tiny@1", output=tmp_path / "out@1")
    database.add_study("tiny", task="token", identity={}, spec={}, output=tmp_path / "out")
    projector = projector_of(tmp_path)
    projector.start()
    assert projector.finish(timeout_s=60)
    told = read_aim(tmp_path / "aim")["trial-0000"]
    assert (told["experiment"], told["tags"]) == ("tiny@1", ["best", "search", "tiny@1"])


@pytest.mark.slow
def test_an_aim_folder_deleted_under_the_projector_harms_nobody(tmp_path: Path) -> None:
    database, study = new_record(tmp_path)
    attempt = open_fit(database, study, new_cell(database, study), name="trial-0000")
    add_epoch(database, attempt, epoch=1)
    projector = projector_of(tmp_path)
    projector.start()
    wait_until(lambda: projected_steps(tmp_path) > 0)
    (tmp_path / "aim").rename(tmp_path / "removed")
    complete(database, attempt, dev=0.5)
    started = time.monotonic()
    projector.check()
    projector.finish()
    assert time.monotonic() - started < 6.0
    assert rebuild(tmp_path / "aim", storage=str(tmp_path / "nertune.db")) is None
    assert read_aim(tmp_path / "aim")["trial-0000"]["parameters"]["state"] == "complete"


def pause(database: Database, study: StudyRow, *, epoch: int) -> None:
    cell = database.cells(study, "search")[0]
    attempt = open_fit(database, study, cell, name="trial-0000")
    add_epoch(database, attempt, epoch=epoch)
    scores = {"dev": SplitScores({"f1": 0.5})}
    database.settle(attempt, Settlement("paused", "paused", seconds=2.0, scores=scores, share=1 / 3))


def test_a_trial_that_pauses_and_goes_on_is_one_run(tmp_path: Path) -> None:
    """Paused twice, one of them while nobody followed."""
    database, study = new_record(tmp_path)
    new_cell(database, study)
    first = projector_of(tmp_path)
    first.start()
    pause(database, study, epoch=1)
    wait_until(lambda: projected_steps(tmp_path) == 4)
    pause(database, study, epoch=2)
    assert first.finish(timeout_s=60)
    pause(database, study, epoch=3)
    database.prune_cell(database.cells(study, "search")[0], message="behind 3 of 9")
    second = projector_of(tmp_path)
    second.start()
    assert second.finish(timeout_s=60)
    told = read_aim(tmp_path / "aim")["trial-0000"]
    assert [step for step, *_ in told["metrics"]["dev/f1"]] == [10, 20, 30]
    assert (told["parameters"]["state"], told["is_active"]) == ("pruned", False)
    assert told["parameters"]["message"] == "behind 3 of 9"
