"""Aim runs as a view of the record, written by a process of their own: `python -m nertune.track.aim`.

One Aim run for each run of the record (a retried attempt is a run of its own), live while it runs:

    experiment      the study's name
    name            the run's name, for example trial-0003 or the seed folder's name
    parameters      the resolved study, nested at the dots, so that `run.train.learning_rate < 1e-4` searches and
                    `run.train.batch_size` groups; beside them study, stage, cell, attempt, seed, state, seconds, cause,
                    message, best_epoch, best_step, and the final scores as `run.scores.dev.f1`
    metrics         loss, f1, … by step and epoch, with the context {"subset": "train" | "dev" | "test"}
    tags            search (a trial), best (a seed run of the best setting), failed (an attempt that failed or was lost)

An Aim run's hash is made from the study and the run's id, and a value tracked again at its step replaces itself;
so this process can be killed at any moment and started again. What it has done is in `.aim/nertune/`.
"""

from __future__ import annotations

import contextlib
import faulthandler
import fcntl
import hashlib
import itertools
import json
import os
import select
import sys
import traceback
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from nertune.results.database import ATTEMPTS, CELLS, Database, StudyRow, open_database
from nertune.results.files import read_json, write_json

STUCK_S = 120.0  # a round that takes longer hangs (Aim on a full disk does): the process ends itself
TAGS = {"search": "search", "candidate": "candidate", "final": "best"}
FAILED = ("failed", "lost")
STEPS_AT_ONCE = 10_000


class Projection:
    """One study's runs in one Aim repository; holds the study's lock there as long as it lives.

    Raises  BlockingIOError when another process writes this study's Aim runs and `wait` is False
    """

    def __init__(self, study: StudyRow, *, database: Database, repo: Any, wait: bool = True) -> None:
        self.study = study
        self.database = database
        self.repo = repo
        self.seen = 0  # the highest run id looked at
        self.open: dict[int, Any] = {}
        self.state_file = Path(repo.path) / "nertune" / f"{study_key(study)}.json"
        self.state_file.parent.mkdir(parents=True, exist_ok=True)
        self._lock = self.state_file.with_suffix(".lock").open("a")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BlockingIOError(f"the study {study.name} is running and writes its Aim runs itself") from None
        self.done, self.cursors = self._load()

    def poll(self) -> None:
        """Project what the record holds by now."""
        for row in self._pending():
            faulthandler.dump_traceback_later(STUCK_S, exit=True)  # a C thread: works while Aim holds the interpreter
            run = self.open.get(row["id"]) or self._begin(row)
            self._track_steps(run, row["id"])
            if row["state"] != "running":
                self._end(run, row)
            self._save()
        faulthandler.cancel_dump_traceback_later()

    def close(self) -> None:
        """Close what is still open, so that no Aim run stays in progress for ever, and free the study."""
        for run in self.open.values():
            run.close()
        self.open.clear()
        self._lock.close()

    def forget(self) -> None:
        """Remove this study's Aim runs and what is known of them. BlockingIOError while Aim's UI holds its index."""
        hashes = [run_hash(self.study, row["id"]) for row in self.database.runs(self.study)]
        done, left = self.repo.delete_runs([name for name in hashes if (chunks(self.repo) / name).exists()])
        if not done:
            raise BlockingIOError(f"Aim cannot remove {len(left)} of its runs while its UI is open")
        self.state_file.unlink(missing_ok=True)
        self.done, self.cursors = self._load()

    def _pending(self) -> list[Mapping[str, Any]]:
        """Runs that are new or were open at the last look; a final state is read before the steps, which precede it."""
        open_rows = self.database.runs(self.study, ids=list(self.open)) if self.open else []
        new_rows = self.database.runs(self.study, after=self.seen)
        self.seen = max((row["id"] for row in new_rows), default=self.seen)
        return [*open_rows, *(row for row in new_rows if row["id"] not in self.done)]

    def _begin(self, row: Mapping[str, Any]) -> Any:
        run = open_run(self.repo, run_hash(self.study, row["id"]), started=row["started"])
        run.experiment = self.study.name
        run.name = row["name"]
        add_tag(run, TAGS[row["stage"]])
        for key, value in run_parameters(row, study=self.study, database=self.database).items():
            run[key] = value
        self.open[row["id"]] = run
        return run

    def _track_steps(self, run: Any, run_id: int) -> None:
        for rows in self._new_steps(run_id):
            for (step, epoch, split), values in itertools.groupby(
                rows, lambda row: (row["step"], row["epoch"], row["split"])
            ):
                finite = {row["name"]: row["value"] for row in values if row["value"] is not None}
                run.track(finite, step=step, epoch=epoch, context={"subset": split})

    def _new_steps(self, run_id: int) -> Iterator[list[Mapping[str, Any]]]:
        while rows := self.database.steps(run_id, after=self.cursors.get(run_id, 0), limit=STEPS_AT_ONCE):
            yield rows
            self.cursors[run_id] = rows[-1]["id"]

    def _end(self, run: Any, row: Mapping[str, Any]) -> None:
        for key, value in run_parameters(row, study=self.study, database=self.database).items():
            run[key] = value
        if row["state"] in FAILED:
            add_tag(run, "failed")
        close_run(run, repo=self.repo, ended=end_time(row))
        del self.open[row["id"]]
        self.cursors.pop(row["id"], None)
        self.done.add(row["id"])

    def _load(self) -> tuple[set[int], dict[int, int]]:
        """What was projected before. Nothing, when the study has another name since: every run is to say so."""
        with contextlib.suppress(FileNotFoundError, ValueError):
            state = read_json(self.state_file)
            if state["study"] == self.study.name:
                return set(state["done"]), {int(run): step for run, step in state["cursors"].items()}
        return set(), {}

    def _save(self) -> None:
        if not self.state_file.parent.is_dir():  # not to be made anew, or it would vouch for runs that are gone
            raise FileNotFoundError(f"the Aim repository {self.repo.path} was removed")
        state = {"study": self.study.name, "done": sorted(self.done), "cursors": self.cursors}
        write_json(self.state_file, state)


def run_parameters(row: Mapping[str, Any], *, study: StudyRow, database: Database) -> dict[str, Any]:
    """What an Aim run says of a run of the record, beside its metrics; top-level keys to values or nested parts."""
    told = attempt_facts(row["attempt_id"], database=database)
    own = {"study": study.name, **{key: row[key] for key in ("stage", "seed", "state", "seconds")}, **told}
    return {**nest(row["parameters"]), **own, "scores": row["scores"] or {}}


def attempt_facts(attempt_id: int, *, database: Database) -> dict[str, Any]:
    """Cell number, number of the attempt, and how it ended; the best epoch only of the cell's last attempt."""
    columns = (CELLS.c.number.label("cell"), CELLS.c.attempts, CELLS.c.best_epoch, CELLS.c.best_step)
    mine = (ATTEMPTS.c.number.label("attempt"), ATTEMPTS.c.cause, ATTEMPTS.c.message)
    query = CELLS.join(ATTEMPTS, ATTEMPTS.c.cell_id == CELLS.c.id).select().with_only_columns(*columns, *mine)
    with database.read() as connection:
        facts = dict(connection.execute(query.where(ATTEMPTS.c.id == attempt_id)).one()._mapping)
    if facts.pop("attempts") != facts["attempt"]:
        facts.update(best_epoch=None, best_step=None)
    return facts


def nest(flat: Mapping[str, Any]) -> dict[str, Any]:
    """`{"train.epochs": 4}` as `{"train": {"epochs": 4}}`: Aim searches and groups by nested parameters only."""
    tree: dict[str, Any] = {}
    for key, value in flat.items():
        *parents, last = key.split(".")
        part = tree
        for parent in parents:
            part = part.setdefault(parent, {})
        part[last] = value
    return tree


def study_key(study: StudyRow) -> str:
    """The study's name for Aim's files: stays when the study is renamed, differs from any other record's."""
    return hashlib.sha256(f"{study.id}/{study.created}".encode()).hexdigest()[:16]


def run_hash(study: StudyRow, run_id: int) -> str:
    """The Aim hash of a run, the same whenever it is projected; 24 hex digits as Aim's own."""
    return hashlib.sha256(f"{study_key(study)}/{run_id}".encode()).hexdigest()[:24]


def end_time(row: Mapping[str, Any]) -> datetime | None:
    """When the run ended by the record, None where it does not say (the coordinator died)."""
    return (
        None if row["seconds"] is None else datetime.fromisoformat(row["started"]) + timedelta(seconds=row["seconds"])
    )


# Aim, translated


def open_repo(folder: Path) -> Any:
    """The Aim repository `folder/.aim`, made when it is missing; several processes may come at once."""
    folder.mkdir(parents=True, exist_ok=True)
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


def follow(order: Mapping[str, Any]) -> int:
    """Project a study until told to finish, then what is left; the exit code."""
    database = open_database(order["storage"], must_exist=True)
    study = database.find_study(order["study"])
    if study is None:
        raise LookupError(f"the record has no study {order['study']!r}")
    faulthandler.dump_traceback_later(STUCK_S, exit=True)
    repo = open_repo(Path(order["folder"]))
    projection = Projection(study, database=database, repo=repo)
    coordinator = os.getppid()
    rename_earlier(study, database=database, repo=repo)
    projection.poll()
    is_last = False
    while not is_last:
        is_last = is_told_to_finish(coordinator, timeout_s=order["poll_s"])
        projection.poll()
    projection.close()
    return 0


def rename_earlier(study: StudyRow, *, database: Database, repo: Any) -> None:
    """Tell Aim the new names of studies that `--fresh` has moved aside."""
    for other in database.studies():
        if other.id != study.id and other.name.startswith(f"{study.name}@"):
            with contextlib.suppress(BlockingIOError):
                projection = Projection(other, database=database, repo=repo, wait=False)
                projection.poll()
                projection.close()


def rebuild_all(order: Mapping[str, Any]) -> int:
    """Make the Aim runs of every study of the record anew; 2 when somebody else holds one of them, or Aim's index."""
    database = open_database(order["storage"], must_exist=True)
    repo = open_repo(Path(order["folder"]))
    for study in database.studies():
        try:
            projection = Projection(study, database=database, repo=repo, wait=False)
            projection.forget()
        except BlockingIOError as error:
            print(error, file=sys.stderr)
            return 2
        projection.poll()
        projection.close()
    return 0


def is_told_to_finish(coordinator: int, *, timeout_s: float) -> bool:
    """Whether standard input has something to say, or ended; or the coordinator is gone while a fork holds the pipe."""
    readable, _, _ = select.select([0], [], [], timeout_s)
    return bool(readable) or os.getppid() != coordinator


def read_line(descriptor: int) -> bytes:
    """The first line, and not a byte more: `select` is to see the rest, which a buffer would hide."""
    line = b""
    while not line.endswith(b"\n") and (byte := os.read(descriptor, 1)):
        line += byte
    return line


def main() -> None:
    """Run one order (a JSON line on standard input) and end at once: Aim's own clean-up may hang for ever."""
    code = 1
    try:
        os.nice(5)  # fits come first
        order = json.loads(read_line(0))
        code = rebuild_all(order) if order.get("rebuild") else follow(order)
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    main()
