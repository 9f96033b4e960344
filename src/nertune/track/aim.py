"""Aim runs as a view of the record, written by a process of their own: `python -m nertune.track.aim`.

One Aim run for each run of the record (a retried attempt is a run of its own), live while it runs:

    experiment      the study's name
    name            the run's name, for example trial-0003 or the seed folder's name
    description     the searched keys with their values
    parameters      the resolved study, nested at the dots, so that `run.train.learning_rate < 1e-4` searches and
                    `run.train.batch_size` groups; the searched ones alone again below `run.searched`; beside them
                    study, stage, cell, attempt, seed, state, seconds, cause, message, best_epoch, best_step, and the
                    final scores as `run.scores.dev.f1`
    metrics         loss, f1, … by step and epoch, with the context {"subset": "train" | "dev" | "test"}; of several
                    fits of a trial the subsets are train_1, dev_1, train_2, … (see `StepRecord`). Of each label, at the
                    best epoch, label_f1 with the context {"subset": …, "label": …}
    images          of a seed run the confusion of its labels, on dev and on test
    tags            the study's name; search (a trial), candidate, seed, size (one on a part of train); best (the best
                    trial, and the seed runs of the setting); failed (an attempt that failed or was lost)

And one run for the study as a whole, with its name, the stage and tag `study`, the best setting as description and
text, and the heat map of the objective over two searched keys.

An Aim run's hash is made from the study and the run's id, and a value tracked again at its step replaces itself;
so this process can be killed at any moment and started again. What it has done is in `.aim/nertune/`.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import sys
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from io import BytesIO
from pathlib import Path
from typing import Any

from nertune.results.database import OPEN_STATES, Database, StudyRow, open_database
from nertune.results.seed_folders import PREFIXES
from nertune.track.figures import confusion_png, heat_map_png
from nertune.track.follower import FAILED, Follower, Row, follow, nest, run_key, run_order, study_key
from nertune.track.overview import headline, setting_text, study_text

STAGE_TAGS = {"search": ["search"], "candidate": ["candidate"], "final": ["seed", "best"], "size": ["size"]}
OVERVIEW = 0  # in place of a run's id, which begin at 1: the study as a whole
MOST_LABELS = 20  # whose F1 is told: each is a column of the runs table for every split


class AimWriter:
    """One study's runs in one Aim repository. See `follower.Writer`."""

    def __init__(self, study: StudyRow, *, database: Database, repo: Any) -> None:
        self.study = study
        self.database = database
        self.repo = repo

    def begin(self, row: Row, *, facts: Row) -> Any:
        run = open_run(self.repo, run_key(self.study, row["id"]), started=row["started"])
        place_in_study(run, self.study.name, tags=STAGE_TAGS[row["stage"]])
        run.name = row["name"]
        run.description = setting_text(facts["point"])
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
            add_tags(run, ["failed"])
        moment = {"step": facts["best_step"] or 0, "epoch": facts["best_epoch"]}
        for score in shown_label_scores(self.database.label_scores(row["id"])):
            context = {"subset": score["split"], "label": score["label"]}
            run.track(score["value"], name="label_f1", context=context, **moment)
        if row["stage"] == "final" and row["state"] == "complete":
            for split in PREFIXES:
                picture = confusion_png(Path(self.study.output) / row["name"], split)
                show_image(run, picture, name="confusion", context={"subset": split}, **moment)
        close_run(run, repo=self.repo, ended=end_time(row))

    def leave(self, run: Any) -> None:
        run.close()

    def sum_up(self, told: Mapping[str, Any]) -> None:
        """Make or renew the run that stands for the study, and mark its best trial; none before the first outcome."""
        if not set(told["states"]) - set(OPEN_STATES):
            return
        run = open_run(self.repo, run_key(self.study, OVERVIEW), started=self.study.created)
        place_in_study(run, self.study.name, tags=["study"])
        run.name = self.study.name
        run.description = headline(told)
        for key, value in study_parameters(told).items():
            run[key] = value
        self._mark_best(run, told["best"])
        show_text(run, study_text(told), name="best setting")
        if told["best_file"] is not None:
            show_text(run, told["best_file"], name="best.yaml")
        show_image(run, heat_map_png(told), name="heat map", context={"subset": "dev"}, step=0)
        close_run(run, repo=self.repo, ended=told["ended"] and datetime.fromisoformat(told["ended"]))

    def _mark_best(self, overview: Any, best: Mapping[str, Any] | None) -> None:
        """Tag the best trial's run, and no longer the one that was best before."""
        was = overview.get("best_run", None)
        now = None if best is None else run_key(self.study, best["run"])
        if was is not None and was != now and (chunks(self.repo) / was).exists():
            self.repo.request_props(was, False).remove_tag("best")
        if now is not None and (chunks(self.repo) / now).exists():
            add_tags(self.repo.request_props(now, False), ["best"])
        overview["best_run"] = now

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
        writer=AimWriter(study, database=database, repo=repo),
        state_file=state_file,
        known_as=study.name,
        continues=True,
        wait=wait,
    )


def forget(follower: Follower, *, database: Database, repo: Any) -> None:
    """Remove a study's Aim runs and what is known of them. BlockingIOError while Aim's UI holds its index."""
    numbers = [OVERVIEW, *(row["id"] for row in database.runs(follower.study))]
    hashes = [run_key(follower.study, number) for number in numbers]
    done, left = repo.delete_runs([name for name in hashes if (chunks(repo) / name).exists()])
    if not done:
        raise BlockingIOError(f"Aim cannot remove {len(left)} of its runs while its UI is open")
    follower.forget()


def run_parameters(row: Row, *, study: StudyRow, facts: Row) -> dict[str, Any]:
    """What an Aim run says of a run of the record, beside its metrics; top-level keys to values or nested parts."""
    own = {"study": study.name, **{key: row[key] for key in ("stage", "seed", "state", "seconds")}}
    told = {key: value for key, value in facts.items() if key != "point"}
    return {**nest(row["parameters"]), **own, **told, "searched": nest(facts["point"]), "scores": row["scores"] or {}}


def study_parameters(told: Mapping[str, Any]) -> dict[str, Any]:
    """What the run of a study says: `run.best.score`, `run.best.searched.train.learning_rate`, `run.trials.failed`."""
    best = told["best"] and {key: told["best"][key] for key in ("trial", "score", "epoch")}
    own = {"study": told["name"], "stage": "study", "objective": told["objective"], "trials": told["states"]}
    return {**own, "best": best and {**best, "searched": nest(told["best"]["point"])}}


def shown_label_scores(rows: Sequence[Row]) -> list[Row]:
    """The finite F1 of a run's labels, of many labels that of the most frequent."""
    support = {row["label"]: row["value"] or 0 for row in rows if row["name"] == "support"}
    labels = sorted({row["label"] for row in rows}, key=lambda label: (-support.get(label, 0), label))[:MOST_LABELS]
    return [row for row in rows if row["name"] == "f1" and row["label"] in labels and row["value"] is not None]


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

    is_new = not (chunks(repo) / name).exists()
    (chunks(repo) / name).mkdir(parents=True, exist_ok=True)
    type(repo)._all_run_hashes.cache_clear()
    props = repo.request_props(name, False, datetime.fromisoformat(started))
    if is_new:  # Aim leaves the tags of a removed run behind, and gives its number to the next one
        for tag in list(props.tags):
            props.remove_tag(tag)
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


def place_in_study(run: Any, study: str, *, tags: Sequence[str]) -> None:
    """Make the study the run's experiment and first tag, in place of the name that it had before."""
    if run.experiment != study and run.experiment in run.tags:
        run.remove_tag(run.experiment)
    run.experiment = study
    add_tags(run, [study, *tags])


def add_tags(run: Any, tags: Sequence[str]) -> None:
    """Tag a run, or its properties alone."""
    for tag in tags:
        if tag not in run.tags:
            run.add_tag(tag)


def show_text(run: Any, text: str, *, name: str) -> None:
    """The text in place of what was told under the name before."""
    from aim import Text

    run.track(Text(text), name=name, step=0, context={})


def show_image(run: Any, picture: bytes | None, *, name: str, **moment: Any) -> None:
    """A PNG, where there is one, in place of what was told under the name before."""
    from aim import Image
    from PIL.Image import open as open_image

    if picture is not None:
        run.track(Image(open_image(BytesIO(picture)), format="png"), name=name, **moment)


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
                follower.sum_up()
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
        follower.sum_up()
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
