"""Aim runs as a view of the record, written by a process of their own: `python -m nertune.track.aim`.

One Aim run for each run of the record (a retried attempt is a run of its own), live while it runs:

    experiment      the study's name
    name            the run's name, for example trial-0003 or the seed folder's name
    parameters      the resolved study, nested at the dots, so that `run.train.learning_rate < 1e-4` searches and
                    `run.train.batch_size` groups; beside them study, stage, cell, attempt, seed, state, seconds, cause,
                    message, best_epoch, best_step, and the final scores as `run.scores.dev.f1`
    metrics         loss, f1, … by step and epoch, with the context {"subset": "train" | "dev" | "test"}; of several
                    fits of a trial the subsets are train_1, dev_1, train_2, … (see `StepRecord`)
    tags            search (a trial), best (a seed run of the best setting), size (one on a part of train), failed (an
                    attempt that failed or was lost)

An Aim run's hash is made from the study and the run's id, and a value tracked again at its step replaces itself;
so this process can be killed at any moment and started again. What it has done is in `.aim/nertune/`.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import sys
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from nertune.results.database import Database, StudyRow, open_database
from nertune.track.follower import FAILED, TAGS, Follower, Row, follow, nest, run_key, run_order, study_key


class AimWriter:
    """One study's runs in one Aim repository. See `follower.Writer`."""

    def __init__(self, study: StudyRow, *, repo: Any) -> None:
        self.study = study
        self.repo = repo

    def begin(self, row: Row, *, facts: Row) -> Any:
        run = open_run(self.repo, run_key(self.study, row["id"]), started=row["started"])
        run.experiment = self.study.name
        run.name = row["name"]
        add_tag(run, TAGS[row["stage"]])
        self._set_parameters(run, row, facts=facts)
        return run

    def track(
        self,
        run: Any,
        values: Mapping[str, float],
        *,
        step: int,
        epoch: float,
        split: str,
        number: int,  # noqa: ARG002  # a value tracked again at its step replaces itself
    ) -> None:
        run.track(values, step=step, epoch=epoch, context={"subset": split})

    def end(self, run: Any, row: Row, *, facts: Row) -> None:
        self._set_parameters(run, row, facts=facts)
        if row["state"] in FAILED:
            add_tag(run, "failed")
        close_run(run, repo=self.repo, ended=end_time(row))

    def leave(self, run: Any) -> None:
        run.close()

    def _set_parameters(self, run: Any, row: Row, *, facts: Row) -> None:
        for key, value in run_parameters(row, study=self.study, facts=facts).items():
            run[key] = value


def project(study: StudyRow, *, database: Database, repo: Any, wait: bool = True) -> Follower:
    """What tells a repository of a study's runs.

    A study that has another name since is told again as a whole: every run is to say so.
    Raises  BlockingIOError when another process writes this study's Aim runs and `wait` is False
    """
    state_file = Path(repo.path) / "nertune" / f"{study_key(study)}.json"
    state_file.parent.mkdir(parents=True, exist_ok=True)
    return Follower(
        study,
        database=database,
        writer=AimWriter(study, repo=repo),
        state_file=state_file,
        known_as=study.name,
        continues=True,
        wait=wait,
    )


def forget(follower: Follower, *, database: Database, repo: Any) -> None:
    """Remove a study's Aim runs and what is known of them. BlockingIOError while Aim's UI holds its index."""
    hashes = [run_key(follower.study, row["id"]) for row in database.runs(follower.study)]
    done, left = repo.delete_runs([name for name in hashes if (chunks(repo) / name).exists()])
    if not done:
        raise BlockingIOError(f"Aim cannot remove {len(left)} of its runs while its UI is open")
    follower.forget()


def run_parameters(row: Row, *, study: StudyRow, facts: Row) -> dict[str, Any]:
    """What an Aim run says of a run of the record, beside its metrics; top-level keys to values or nested parts."""
    own = {"study": study.name, **{key: row[key] for key in ("stage", "seed", "state", "seconds")}, **facts}
    return {**nest(row["parameters"]), **own, "scores": row["scores"] or {}}


def end_time(row: Row) -> datetime | None:
    """When the run ended by the record, None where it does not say (the coordinator died)."""
    return (
        None if row["seconds"] is None else datetime.fromisoformat(row["started"]) + timedelta(seconds=row["seconds"])
    )


# Aim, translated


def open_repo(folder: Path) -> Any:
    """The Aim repository `folder/.aim`, made when it is missing; several processes may come at once."""
    folder.mkdir(parents=True, exist_ok=True)
    os.chdir(folder)  # what Aim starts imports from the working directory, where a file of the user's may be called aim
    from aim import Repo

    with (folder / ".aim.lock").open("a") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        # Aim writes VERSION last. A whole one is not made again: that opens the index for writing, which the UI does
        return Repo.from_path(str(folder), init=not (folder / ".aim" / "VERSION").exists())


def chunks(repo: Any) -> Path:
    return Path(repo.path) / "meta" / "chunks"


def open_run(repo: Any, name: str, *, started: str) -> Any:
    """The Aim run with this hash, new or continued, with the record's starting time.

    Aim opens a hash of our choice only if its folder exists, and remembers for half a second which do.
    """
    from aim import Run

    (chunks(repo) / name).mkdir(parents=True, exist_ok=True)
    type(repo)._all_run_hashes.cache_clear()
    repo.request_props(name, False, datetime.fromisoformat(started))
    left_locked = (Path(repo.path) / "locks" / f"{name}.softlock").exists()  # by a killed one: the study's lock is ours
    return Run(name, repo=repo, force_resume=left_locked, system_tracking_interval=None, capture_terminal_logs=False)


def close_run(run: Any, *, repo: Any, ended: datetime | None) -> None:
    """Close an Aim run; its duration is then that of the record, not that of the projection."""
    name = run.hash
    run.close()
    if ended is not None:
        repo.request_tree("meta", name, read_only=False).subtree(("meta", "chunks", name))["end_time"] = (
            ended.timestamp()
        )


def add_tag(run: Any, tag: str) -> None:
    if tag not in run.tags:
        run.add_tag(tag)


# the process


def open_follower(study: StudyRow, database: Database, *, folder: Path) -> Follower:
    """What tells the repository in a folder of a study's runs."""
    repo = open_repo(folder)
    follower = project(study, database=database, repo=repo)
    rename_earlier(study, database=database, repo=repo)
    return follower


def rename_earlier(study: StudyRow, *, database: Database, repo: Any) -> None:
    """Tell Aim the new names of studies that `--fresh` has moved aside."""
    for other in database.studies():
        if other.id != study.id and other.name.startswith(f"{study.name}@"):
            with contextlib.suppress(BlockingIOError):
                follower = project(other, database=database, repo=repo, wait=False)
                follower.poll()
                follower.close()


def rebuild_all(order: Mapping[str, Any]) -> int:
    """Make the Aim runs of every study of the record anew; 2 when somebody else holds one of them, or Aim's index."""
    database = open_database(order["storage"], must_exist=True)
    repo = open_repo(Path(order["folder"]))
    for study in database.studies():
        try:
            follower = project(study, database=database, repo=repo, wait=False)
            forget(follower, database=database, repo=repo)
        except BlockingIOError as error:
            print(error, file=sys.stderr)
            return 2
        follower.poll()
        follower.close()
    return 0


def run(order: Mapping[str, Any]) -> int:
    """Follow a study, or make all runs anew; the exit code."""
    if order.get("rebuild"):
        return rebuild_all(order)
    folder = Path(order["folder"])
    return follow(order, open_follower=lambda study, database: open_follower(study, database, folder=folder))


if __name__ == "__main__":
    run_order(run)
