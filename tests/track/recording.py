"""A small record to follow, and what Aim says of it afterwards."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from nertune.results.database import AttemptRow, CellRow, Database, Settlement, StudyRow, open_database
from nertune.results.records import SplitScores, StepRecord
from nertune.track.projector import Projector, aim_environment, aim_projector

# Aim answers only after a reindex, and is never imported by the process that runs the tests.
READ_AIM = """
import json, sys
from aim import Repo
from aim.sdk.index_manager import RepoIndexManager
from aim.storage.context import Context
repo = Repo.from_path(sys.argv[1])
index = RepoIndexManager.get_index_manager(repo)
for name in repo.list_all_runs():
    index.index(name)
found = []
for run in repo.iter_runs():
    metrics = {}
    for metric in run.metrics():
        steps, (values, epochs) = metric.data.view(("val", "epoch")).items_list()
        context = metric.context.to_dict()
        where = [context[key] for key in ("subset", "label") if key in context]
        metrics["/".join([*where, metric.name])] = sorted(zip(steps, values, epochs))
    told = run.collect_sequence_info(("texts", "images"))
    texts = {
        text["name"]: [one.data for one in run.get_text_sequence(text["name"], Context({})).values.tolist()]
        for text in told["texts"]
    }
    images = {}
    for image in told["images"]:
        steps = run.get_image_sequence(image["name"], Context(image["context"])).values.tolist()
        sizes = [shown.to_pil_image().size for shown in steps if shown is not None]
        images["/".join([*image["context"].values(), image["name"]])] = sizes
    found.append({
        "name": run.name, "experiment": run.experiment, "tags": sorted(run.tags), "parameters": run[...],
        "is_active": run.active, "seconds": run.duration, "metrics": metrics, "description": run.description,
        "texts": texts, "images": images,
    })
print(json.dumps(found))
"""


def new_record(folder: Path, *, study: str = "tiny") -> tuple[Database, StudyRow]:
    database = open_database(str(folder / "nertune.db"))
    return database, database.add_study(study, task="token", identity={}, spec={}, output=folder / "out")


def new_cell(database: Database, study: StudyRow, *, stage: Any = "search", number: int = 0, seed: int = 42) -> CellRow:
    point = {"train.batch_size": 8 + number}
    return database.add_cell(study, stage=stage, number=number, point=point, point_id=f"{stage}{number}", seed=seed)


def open_fit(database: Database, study: StudyRow, cell: CellRow, *, name: str) -> AttemptRow:
    parameters = {"task": "token", "train.learning_rate": 1e-5, "train.patience": None, "data.keep": ["Gene", "Drug"]}
    return database.open_attempt(study, cell, run_name=name, parameters=parameters)


def add_epoch(database: Database, attempt: AttemptRow, *, epoch: int) -> None:
    half = StepRecord(10 * epoch - 5, epoch - 0.5, "train", {"loss": 1 / epoch, "grad_norm": float("nan")})
    whole = StepRecord(10 * epoch, float(epoch), "dev", {"loss": 2 / epoch, "f1": 1 - 1 / (epoch + 1)})
    database.add_steps(attempt.run_id, [half, whole])


def complete(database: Database, attempt: AttemptRow, **scores: float) -> None:
    labels = {"Gene": {"f1": 0.75, "recall": 0.5, "support": 4}}
    found = {split: SplitScores({"f1": value}, labels if split == "dev" else {}) for split, value in scores.items()}
    how = Settlement("complete", "complete", seconds=63.5, best_epoch=2.0, best_step=20, scores=found)
    database.settle(attempt, how)


def projector_of(folder: Path, *, study: str = "tiny", aim: Path | None = None) -> Projector:
    storage = str(folder / "nertune.db")
    log = folder / "logs" / "aim.log"
    return aim_projector(aim or folder / "aim", storage=storage, study=study, log=log, poll_s=0.05)


def wait_until(is_true: Callable[[], object], *, timeout_s: float = 60.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not is_true():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


def projected_steps(folder: Path) -> int:
    """The highest step id that a projector has noted as told."""
    states = [json.loads(path.read_text()) for path in (folder / "aim" / ".aim" / "nertune").glob("*.json")]
    return max((step for state in states for step in state["cursors"].values()), default=0)


def read_aim(folder: Path) -> dict[str, dict[str, Any]]:
    """The Aim runs below a folder by name."""
    command = [sys.executable, "-c", READ_AIM, str(folder)]
    ended = subprocess.run(command, capture_output=True, text=True, env=aim_environment())
    assert ended.returncode == 0, ended.stderr
    runs = json.loads(ended.stdout)
    assert len({run["name"] for run in runs}) == len(runs)
    return {run["name"]: run for run in runs}
