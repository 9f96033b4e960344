"""What Weights & Biases is sent is what the record says: read back from what wandb writes without a connection."""

from __future__ import annotations

import json
import os
import signal
import struct
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import psutil
import pytest
from recording import add_epoch, complete, new_cell, new_record, open_fit, wait_until

from nertune.results.database import AttemptRow, Database, Settlement, StudyRow
from nertune.results.layout import StudyFolder
from nertune.spec.study import TrackSpec
from nertune.track import projector as projector_module
from nertune.track.projector import Projector, tracking_problems, wandb_projector

needs_wandb = pytest.mark.skipif(find_spec("wandb") is None, reason="pip install 'nertune[wandb]'")
BLOCK = 32768  # of the file's format, that of LevelDB's log


def records(path: Path) -> Iterator[Any]:
    """The records of a `.wandb` file: pieces with a header of checksum, length and kind (1: whole; 2, 3, 4: parts)."""
    from wandb.proto.wandb_internal_pb2 import Record

    content, place, parts = path.read_bytes(), 7, b""  # the file's own header
    while place + 7 <= len(content):
        if BLOCK - place % BLOCK < 7:
            place += BLOCK - place % BLOCK
            continue
        _, length, kind = struct.unpack("<IHB", content[place : place + 7])
        parts += content[place + 7 : place + 7 + length]
        place += 7 + length
        if kind in (1, 4):
            yield Record.FromString(parts)
            parts = b""


def items(updates: Any) -> dict[str, Any]:
    """Keys, nested ones with slashes, and values."""
    return {"/".join(item.nested_key) or item.key: json.loads(item.value_json) for item in updates}


def read_run(folder: Path) -> dict[str, Any]:
    """One run as `wandb sync` would send it."""
    told: dict[str, Any] = {"config": {}, "history": [], "summary": {}, "exit": None, "files": []}
    (path,) = folder.glob("*.wandb")
    for record in records(path):
        kind = record.WhichOneof("record_type")
        if kind == "run":
            run = record.run
            told |= {"name": run.display_name, "project": run.project, "group": run.run_group, "id": run.run_id}
            told |= {"tags": sorted(run.tags), "stage": run.job_type, "host": run.host}
            told["config"] |= items(run.config.update)
        elif kind == "history":
            told["history"].append(items(record.history.item))
        elif kind == "summary":
            told["summary"] |= items(record.summary.update)
        elif kind == "files":
            told["files"] += [file.path for file in record.files.files]
        elif kind == "exit":
            told["exit"] = record.exit.exit_code
    return told


def read_runs(output: Path) -> dict[str, dict[str, Any]]:
    """The runs in OUTPUT/wandb by name."""
    runs = [read_run(folder) for folder in (output / "wandb").glob("offline-run-*")]
    assert len({run["name"] for run in runs}) == len(runs)
    return {run["name"]: run for run in runs}


def curve(run: dict[str, Any], name: str) -> list[list[float]]:
    """The (step, value, epoch) of a metric."""
    return [[row["step"], row[name], row["epoch"]] for row in run["history"] if name in row]


def projector_of(folder: Path, *, project: str = "mine") -> Projector:
    output = StudyFolder(folder / "out")
    return wandb_projector(project, storage=str(folder / "nertune.db"), study="tiny", folder=output, poll_s=0.05)


def begun_runs(folder: Path) -> int:
    """How many runs a projector has noted as told, some of them not to their ends."""
    path = folder / "out" / "wandb" / "nertune.json"
    state = json.loads(path.read_text()) if path.exists() else {"done": [], "cursors": {}}
    return len(state["done"]) + len(state["cursors"])


def fill_before_the_kill(database: Database, study: StudyRow) -> AttemptRow:
    done = open_fit(database, study, new_cell(database, study), name="trial-0000")
    add_epoch(database, done, epoch=1)
    add_epoch(database, done, epoch=2)
    complete(database, done, dev=0.75)
    running = open_fit(database, study, new_cell(database, study, number=1), name="trial-0001")
    add_epoch(database, running, epoch=1)
    return running


def fill_after_the_kill(database: Database, study: StudyRow, running: AttemptRow) -> None:
    add_epoch(database, running, epoch=2)
    database.close_open_attempts(study)
    again = open_fit(database, study, database.cells(study, "search")[1], name="trial-0001-2")
    database.settle(again, Settlement("failed", "failed", cause="nan", message="loss is nan at step 7", seconds=9.0))
    seed = open_fit(database, study, new_cell(database, study, stage="final", seed=3), name="bert-tiny_8_1e-05_2_3")
    add_epoch(database, seed, epoch=1)
    complete(database, seed, dev=0.75, test=0.5)


def kill(projector: Projector) -> None:
    """Kill the process, and wait until the server that wandb has started has followed it."""
    assert projector.pid is not None
    family = psutil.Process(projector.pid).children(recursive=True)
    os.kill(projector.pid, signal.SIGKILL)
    assert family
    assert psutil.wait_procs(family, timeout=20)[1] == []


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, dict[str, Any]]]:
    """The runs of a record that was followed by two projectors; the first one was killed amid a run."""
    folder = tmp_path_factory.mktemp("sent")
    database, study = new_record(folder)
    running = fill_before_the_kill(database, study)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WANDB_MODE", "offline")
        first = projector_of(folder)
        first.start()
        wait_until(lambda: begun_runs(folder) == 2)
        kill(first)
        fill_after_the_kill(database, study, running)
        second = projector_of(folder)
        second.start()
        assert second.finish(timeout_s=60), second.log.read_text()
        yield read_runs(folder / "out")


@needs_wandb
def test_every_attempt_is_one_run_in_the_studys_group(runs: dict[str, dict[str, Any]]) -> None:
    assert set(runs) == {"trial-0000", "trial-0001", "trial-0001-2", "bert-tiny_8_1e-05_2_3"}
    assert {(run["project"], run["group"]) for run in runs.values()} == {("mine", "tiny")}


@needs_wandb
def test_metrics_are_exactly_those_of_the_record(runs: dict[str, dict[str, Any]]) -> None:
    run = runs["trial-0000"]
    assert curve(run, "train/loss") == [[5, 1.0, 0.5], [15, 0.5, 1.5]]
    assert curve(run, "dev/loss") == [[10, 2.0, 1.0], [20, 1.0, 2.0]]
    assert curve(run, "dev/f1") == [[10, 0.5, 1.0], [20, 1 - 1 / 3, 2.0]]
    assert not any("train/grad_norm" in row for row in run["history"])  # it was not finite


@needs_wandb
def test_a_run_that_a_killed_projector_had_begun_is_told_whole_and_once(runs: dict[str, dict[str, Any]]) -> None:
    run = runs["trial-0001"]
    assert curve(run, "train/loss") == [[5, 1.0, 0.5], [15, 0.5, 1.5]]
    assert curve(run, "dev/f1") == [[10, 0.5, 1.0], [20, 1 - 1 / 3, 2.0]]


@needs_wandb
def test_the_moments_of_a_run_rise_so_that_the_server_leaves_out_what_it_has(runs: dict[str, dict[str, Any]]) -> None:
    for run in runs.values():
        numbers = [row["_step"] for row in run["history"]]
        assert numbers == sorted(set(numbers))


@needs_wandb
def test_config_holds_the_parameters_with_their_types(runs: dict[str, dict[str, Any]]) -> None:
    config = {name: value for name, value in runs["trial-0000"]["config"].items() if name != "_wandb"}
    assert config == {
        "task": "token",
        "train": {"learning_rate": 1e-5, "patience": None},
        "data": {"keep": ["Gene", "Drug"]},
        **{"study": "tiny", "stage": "search", "cell": 0, "attempt": 1, "seed": 42},
    }


@needs_wandb
def test_summary_holds_the_outcome_and_the_scores(runs: dict[str, dict[str, Any]]) -> None:
    told = runs["bert-tiny_8_1e-05_2_3"]["summary"]
    assert told["scores"] == {"dev": {"f1": 0.75}, "test": {"f1": 0.5}}
    assert [told[name] for name in ("state", "seconds", "best_epoch", "best_step")] == ["complete", 63.5, 2.0, 20]


@needs_wandb
@pytest.mark.parametrize(
    ("name", "tags", "state", "code"),
    [
        ("trial-0000", ["search", "tiny"], "complete", 0),
        ("bert-tiny_8_1e-05_2_3", ["best", "tiny"], "complete", 0),
        ("trial-0001", ["failed", "search", "tiny"], "lost", 1),
        ("trial-0001-2", ["failed", "search", "tiny"], "failed", 1),
    ],
)
def test_tags_and_states_are_those_of_the_attempt(
    runs: dict[str, dict[str, Any]], name: str, tags: list[str], state: str, code: int
) -> None:
    run = runs[name]
    assert (run["tags"], run["summary"]["state"], run["exit"]) == (tags, state, code)


@needs_wandb
def test_nothing_is_told_of_the_machine_or_the_program(runs: dict[str, dict[str, Any]]) -> None:
    assert all(run["files"] == [] and run["host"] == "" for run in runs.values())


# ---- without wandb


def test_what_keeps_a_study_from_being_sent_is_told_before_it_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    def lacking(name: str) -> str:
        raise PackageNotFoundError(name)

    monkeypatch.setattr(projector_module, "version", lacking)
    found = tracking_problems(TrackSpec(wandb="team/project"))
    assert "'team/project' is no name of a project" in str(found[0])
    assert "pip install 'nertune[wandb]'" in str(found[1])
    assert tracking_problems(TrackSpec()) == []
