"""Runs of Weights & Biases as a view of the record, sent by a process of their own: `python -m nertune.track.wandb`.

One run for each run of the record (a retried attempt is a run of its own), live while it runs:

    group       the study's name
    job type    search (a trial), candidate, final (a seed run), size (one on a part of train)
    name        the run's name, for example trial-0003 or the seed folder's name
    tags        the study's name; search, candidate, best or size; failed (an attempt that failed or was lost)
    config      the resolved study, nested at the dots; beside it study, stage, cell, attempt and seed
    metrics     `dev/loss`, `dev/f1`, `train/loss`, … and `epoch`, over `step`: optimizer steps
    summary     state, seconds, cause, message, best_epoch, best_step, and the final scores as `scores.dev.f1`

A run's id is made from the study and the run's number, so a run that a killed process had begun is continued, not
doubled: what is told again has the same number in its history, and the server leaves it out. Without a connection
(WANDB_MODE=offline) such a run is written anew. What was sent is in `OUTPUT/wandb/nertune.json`.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nertune.results.database import Database, StudyRow
from nertune.track.follower import FAILED, TAGS, Follower, Row, follow, nest, run_key, run_order

LONGEST_TAG = 64  # characters, by W&B's rule
OUTCOME = ("state", "seconds")
FACTS_OF_OUTCOME = ("cause", "message", "best_epoch", "best_step")


class WandbWriter:
    """One study's runs in a project. See `follower.Writer`.

    folder  OUTPUT: wandb's own files are in the folder `wandb` there
    """

    def __init__(self, study: StudyRow, *, project: str, folder: Path) -> None:
        self.study = study
        self.project = project
        self.folder = folder

    def begin(self, row: Row, *, facts: Row) -> Any:
        import wandb

        name = run_key(self.study, row["id"])
        for left in (self.folder / "wandb").glob(f"offline-run-*-{name}"):  # half told, by a process that was killed
            shutil.rmtree(left)
        run = wandb.init(
            project=self.project,
            id=name,
            resume="allow",
            reinit="create_new",  # several are open at a time
            dir=str(self.folder),
            name=row["name"],
            group=self.study.name,
            job_type=row["stage"],
            tags=[self.study.name[:LONGEST_TAG], TAGS[row["stage"]]],
            config=run_config(row, study=self.study, facts=facts),
            allow_val_change=True,
        )
        run.define_metric("step")
        run.define_metric("*", step_metric="step")
        return run

    def track(self, run: Any, values: Mapping[str, float], *, step: int, epoch: float, split: str, number: int) -> None:
        told = {f"{split}/{name}": value for name, value in values.items()}
        run.log({**told, "step": step, "epoch": epoch}, step=number)

    def end(self, run: Any, row: Row, *, facts: Row) -> None:
        run.summary.update(run_outcome(row, facts=facts))
        if row["state"] in FAILED:
            run.tags = (*run.tags, "failed")
        run.finish(exit_code=0 if row["state"] == "complete" else 1)

    def leave(self, run: Any) -> None:
        run.finish(exit_code=1)

    def sum_up(self, told: Mapping[str, Any]) -> None:  # noqa: ARG002  # a project has pages for that
        return


def run_config(row: Row, *, study: StudyRow, facts: Row) -> dict[str, Any]:
    """What was decided before a run of the record began."""
    own = {"study": study.name, "stage": row["stage"], "seed": row["seed"]}
    return {**nest(row["parameters"]), **own, "cell": facts["cell"], "attempt": facts["attempt"]}


def run_outcome(row: Row, *, facts: Row) -> dict[str, Any]:
    """What a run of the record came to."""
    told = {name: row[name] for name in OUTCOME} | {name: facts[name] for name in FACTS_OF_OUTCOME}
    return {**{name: value for name, value in told.items() if value is not None}, "scores": row["scores"] or {}}


def open_follower(study: StudyRow, database: Database, *, project: str, folder: Path) -> Follower:
    """What tells a project of a study's runs; another project than before is told all of them."""
    state_file = folder / "wandb" / "nertune.json"
    state_file.parent.mkdir(parents=True, exist_ok=True)
    return Follower(
        study,
        database=database,
        writer=WandbWriter(study, project=project, folder=folder),
        state_file=state_file,
        known_as=project,
        continues=False,  # what wandb had not written when it was killed is lost
    )


def run(order: Mapping[str, Any]) -> int:
    """Follow a study; the exit code."""
    project, folder = order["project"], Path(order["folder"])
    return follow(
        order, open_follower=lambda study, database: open_follower(study, database, project=project, folder=folder)
    )


if __name__ == "__main__":
    run_order(run)
