"""What every command on a study does first: read it, read its data, look at its model, before anything is changed."""

from __future__ import annotations

import importlib.util
import json
import resource
import shlex
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from nertune.data.audit import Summary, summarise
from nertune.data.corpus import read_corpus
from nertune.data.examples import Corpus
from nertune.errors import NertuneError, Problems, UserError, Where, raise_all
from nertune.execute import EXECUTORS
from nertune.execute.executor import Executor, JobCode
from nertune.execute.plan import Plan, plan_slots
from nertune.execute.single import run_everywhere, run_one
from nertune.protocols.kfold import check_folds, splits_to_read
from nertune.spec.load import load_study
from nertune.spec.space import apply_point
from nertune.spec.study import StudySpec
from nertune.spec.yaml_lines import dotted, read_yaml
from nertune.track.projector import Tracker, tracking_problems
from nertune.trials.job import Job, device_batch_size
from nertune.trials.own_code import hook_digests, named_hooks
from nertune.workflows.costs import Costs, Timing, freezes_layers, points_to_time
from nertune.workflows.problems import (
    base_problems,
    data_problems,
    label_problems,
    name_problems,
    score_problems,
    with_problems,
)
from nertune.workflows.session import Session, find_recorded

Tell = Callable[[str], None]

FILES, FILES_PER_SLOT = 40, 2  # that the coordinator has open, about twice as many as were counted
MANY = 10**6  # jobs of a space without end
MEASURE_S = 5.0  # after so many seconds no further kind of step is timed
JOB_CODE = JobCode()  # what workers run, by name: this process never imports it (unless `execute.kind: inline`)


@dataclass(frozen=True)
class Written:
    """A study that makes sense as it is written; its data were not read.

    facts  what the record knows of a study of this name
    """

    path: Path
    edits: tuple[str, ...]
    spec: StudySpec
    facts: Mapping[str, Any]


@dataclass(frozen=True)
class Opened(Written):
    """The same with its data, which make sense, too; `spec.model.problem` is what they show."""

    corpus: Corpus
    summary: Summary


def open_study(
    path: Path, *, edits: Sequence[str] = (), splits: Sequence[str] = ("train", "dev"), fresh: bool = False
) -> Opened:
    """`read_study` and `read_data` for those who need no worker, or not yet."""
    return read_data(read_study(path, edits=edits, fresh=fresh), splits=splits)


def read_study(path: Path, *, edits: Sequence[str] = (), fresh: bool = False) -> Written:
    """The study file, checked by itself: enough to start workers, who import for seconds while the data are read.

    fresh   what the record knows does not count
    Raises  Problems with every fault of the study file
    """
    spec = load_study(path, edits=edits)
    with placed(path, edits=edits):
        raise_all(
            [
                *name_problems(spec, path=path),
                *score_problems(spec),
                *base_problems(spec),
                *tracking_problems(spec.track),
            ]
        )
    known = None if fresh else find_recorded(spec)
    return Written(path.absolute(), tuple(edits), spec, known.facts if known else {})


def read_data(written: Written, *, splits: Sequence[str] = ("train", "dev")) -> Opened:
    """The splits that the study may open; those that are drawn, as the record has drawn them.

    Raises  Problems with every fault of the data
    """
    spec, parts = written.spec, written.facts.get("parts")
    with placed(written.path, edits=written.edits):
        needed = splits_to_read(spec, splits=splits)
        corpus = read_corpus(spec.data, task=spec.task, splits=needed, problem=spec.model.data_problem, parts=parts)
        raise_all(label_problems(spec, corpus=corpus))
        resolved = with_problems(spec, corpus=corpus)
        raise_all(data_problems(resolved))
        check_folds(spec, corpus=corpus)
    return Opened(written.path, written.edits, resolved, written.facts, corpus, summarise(corpus))


@contextmanager
def open_executor(spec: StudySpec, plan: Plan) -> Iterator[Executor]:
    """Workers for the plan's slots, ended with the block, however it ends."""
    _refuse_few_files(len(plan.slots))
    preload = (*JOB_CODE.preload, *modelling_code(spec.model.base))
    code = replace(JOB_CODE, preload=preload, hooks=named_hooks(spec))
    executor = EXECUTORS[spec.execute.kind](plan.slots, code=code)
    try:
        executor.start()
        yield executor
    finally:
        executor.close()


def _refuse_few_files(n_slots: int) -> None:
    """Too few descriptors are told before the first thing that lacks one, which could not say why."""
    allowed, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = FILES + FILES_PER_SLOT * n_slots
    if allowed < needed:
        raise UserError(
            f"a program may open {allowed} files here, and {n_slots} fit{'s' * (n_slots > 1)} at a time need {needed}",
            fix="ulimit -n 1024   and the same command again",
        )


def modelling_code(base: str) -> tuple[str, ...]:
    """The transformers module of a local model's type, so that no worker imports it; empty when it is not known."""
    with suppress(OSError, ValueError, AttributeError):
        kind = str(json.loads((Path(base) / "config.json").read_text(encoding="utf-8")).get("model_type")).replace(
            "-", "_"
        )
        package = importlib.util.find_spec("transformers")
        folders = package.submodule_search_locations if package else None
        if any((Path(folder) / "models" / kind / f"modeling_{kind}.py").exists() for folder in folders or ()):
            return (f"transformers.models.{kind}.modeling_{kind}",)
    return ()


def plan_for(study: Written, *, n_jobs: int, threads: int | None = None, workers: int | None = None) -> Plan:
    """The slots of this call.

    n_jobs   of the whole space, not of `--trials`: a first try of one cell must not fix all cores as its threads
    threads  as the study's record has fixed them
    """
    spec = study.spec
    with placed(study.path, edits=study.edits):
        return plan_slots(spec.execute, base=spec.model.base, n_jobs=n_jobs, threads=threads, workers=workers)


@contextmanager
def placed(path: Path, *, edits: Sequence[str]) -> Iterator[None]:
    """Problems that name a key of the study get its line in the study file, as those of the file itself have."""
    try:
        yield
    except UserError as error:
        for problem in error.problems if isinstance(error, Problems) else (error,):
            if problem.where is None:
                problem.where = _line_of(problem, path, edits=edits)
        raise


def _line_of(problem: UserError, path: Path, *, edits: Sequence[str]) -> Where:
    """The line of the longest key that the problem names; `--set` edits have no line."""
    text = f"{problem.message} {problem.fix}"
    tree = read_yaml(path)
    named = [key for key in tree.lines if dotted(key) in text and "." in dotted(key)]
    edited = [edit.partition("=")[0].strip() for edit in edits]
    if not named or any(key in text for key in edited):
        return Where(path)
    return tree.where(max(named, key=len))


def look_at_model(executor: Executor, opened: Opened, *, meanwhile: Iterable[object] = ()) -> dict[str, Any]:
    """What the model and tokenizer are, from a worker; nothing is written.

    meanwhile  gone through until a worker is ready, see `run_one`
    Raises     ModelError for a model or tokenizer that cannot be used
    """
    with tempfile.TemporaryDirectory(prefix="nertune-") as folder, placed(opened.path, edits=opened.edits):
        job = preparing_job(opened, kind="look", folder=Path(folder), encoded=Path(folder), precision=None)
        log, what = Path(folder) / "log", "looking at the model"
        return run_one(executor, job.to_json(), log=log, what=what, meanwhile=meanwhile)


def prepare(executor: Executor, opened: Opened, *, session: Session) -> dict[str, Any]:
    """Encode the data into the study's cache and fix threads and precision in its record, if they are not yet.

    Returns  counts of what encoding met, seconds of a training step, the precision, hooks that are not what they were
    """
    folder = session.folder
    known = session.study.facts
    job = preparing_job(
        opened,
        kind="prepare",
        folder=folder.work / "prepare",
        encoded=folder.encoded,
        precision=known.get("precision"),
    )
    told = run_one(executor, job.to_json(), log=folder.logs / "prepare.log", what="preparing the data")
    if opened.corpus.parts is not None and "parts" not in known:
        session.set_facts(parts=opened.corpus.parts)
    if "precision" not in known:
        session.set_facts(
            threads=executor.slots[0].threads,
            precision=told["precision"],
            model_type=told["model_type"],
            step_seconds=told["step_seconds"],
            pieces_per_window=told["pieces_per_window"],
            versions=told["versions"],
        )
    sizes = {name: {"windows": told["windows"][name], "pieces": told["pieces"][name]} for name in told["windows"]}
    if known.get("sizes", {}) | sizes != known.get("sizes"):
        session.set_facts(sizes={**known.get("sizes", {}), **sizes})  # for who estimates without a worker
    return {**told, "changed_hooks": _note_hooks(session)}


def measured_costs(executor: Executor, opened: Opened, told: Mapping[str, Any], *, session: Session) -> Costs:
    """What the study's jobs take: of those that freeze layers by a few steps that are timed when it begins.

    Their first fits compute what the layers give, and say nothing of the others. All else the first evaluations tell.

    told  of `prepare`
    """
    folder = session.folder
    if "timings" not in session.study.facts and freezes_layers(opened.spec):
        timings = measure(executor, opened, told, encoded=folder.encoded, log=folder.logs / "measure.log")
        session.set_facts(timings=[asdict(timing) for timing in timings])
    return known_costs(opened.spec, told, session=session)


def known_costs(spec: StudySpec, told: Mapping[str, Any], *, session: Session) -> Costs:
    """The same, by what was timed before; by arithmetic alone where nothing was."""
    timings = [Timing(**timing) for timing in session.study.facts.get("timings", ())]
    return Costs(spec, timings=timings, windows=told["windows"], pieces=told["pieces"])


def measure(
    executor: Executor, opened: Opened, told: Mapping[str, Any], *, encoded: Path, log: Path, limit_s: float = MEASURE_S
) -> list[Timing]:
    """A few steps and evaluations of each kind that the space has, timed while every slot is as busy.

    An estimate is no reason to stop: a kind that fails is left out.
    """
    began = time.monotonic()
    timings: list[Timing] = []
    for number, point in enumerate(points_to_time(opened.spec)):
        if timings and time.monotonic() - began > limit_s:
            break
        job = _measuring_job(executor, opened, told, point=point, encoded=encoded, number=number)
        try:
            outcomes = run_everywhere(executor, job.to_json(), log=log, what="timing a few steps")
        except NertuneError as error:
            if error.exit_code != NertuneError.exit_code:  # the user can do something about it
                raise
        else:
            timings.append(Timing.of(point, outcomes))
    return timings


def _measuring_job(
    executor: Executor,
    opened: Opened,
    told: Mapping[str, Any],
    *,
    point: Mapping[str, Any],
    encoded: Path,
    number: int,
) -> Job:
    spec = apply_point(opened.spec, point)
    job = preparing_job(opened, kind="measure", folder=encoded, encoded=encoded, precision=told["precision"])
    return replace(
        job,
        id=f"measure-{number}",
        spec=spec.model_dump(mode="json"),
        splits=tuple(name for name in job.splits if name != "test"),
        device_batch_size=device_batch(spec, facts=told, executor=executor),
    )


def device_batch(point: StudySpec, *, facts: Mapping[str, Any], executor: Executor) -> int:
    """Examples on the device at once before any fault.

    facts  what preparing the study told: its precision, and pieces per window
    """
    slot = executor.slots[0]
    return device_batch_size(
        point.train,
        precision=facts["precision"],
        pieces_per_window=facts["pieces_per_window"],
        device=slot.device,
        threads=slot.threads,
    )


def _note_hooks(session: Session) -> list[str]:
    """Keep what the user's own code was made from when the study began; the hooks whose files have changed since."""
    digests = hook_digests(session.spec)
    begun_with = session.study.facts.get("hooks", {})
    new = {name: digest for name, digest in digests.items() if name not in begun_with}
    if new:
        session.set_facts(hooks={**begun_with, **new})
    return [name for name, digest in digests.items() if begun_with.get(name, digest) != digest]


def preparing_job(opened: Opened, *, kind: Any, folder: Path, encoded: Path, precision: str | None) -> Job:
    return Job(
        id=kind,
        kind=kind,
        spec=opened.spec.model_dump(mode="json"),
        labels=opened.corpus.labels,
        splits=tuple(opened.corpus.splits),
        fingerprints={name: split.fingerprint for name, split in opened.corpus.splits.items()},
        seed=opened.spec.search.seed,
        precision=precision,
        folder=str(folder),
        encoded=str(encoded),
        parts=opened.corpus.parts,
        command=command_line(),
    )


def tell_findings(opened: Opened, tell: Tell) -> None:
    """What is suspicious about the data, said before the time is spent."""
    for finding in opened.summary.findings:
        if finding.severity != "notice":
            tell(f"{finding.severity.capitalize()}: {finding}")


def tell_checkpoint(model: Mapping[str, Any], tell: Tell) -> None:
    """What became of the weights of `model.checkpoint`, as `look_at_model` found it."""
    if model.get("checkpoint"):
        tell(f"model.checkpoint {model['checkpoint']}")


def tell_encoding(told: Mapping[str, Any], tell: Tell) -> None:
    """What encoding met: texts that were cut, words without a piece; and code of the user's own that has changed."""
    for split, counts in told["counts"].items():
        for kind, count in counts.items():
            if count:
                tell(f"Notice: {split}: {count} {kind}")
    for name in told["changed_hooks"]:
        tell(f"Warning: the file of {name} has changed since the study began; what was finished before stays as it is")


def command_line() -> str:
    """The command as it was typed, for the record."""
    return shlex.join(["nertune", *sys.argv[1:]]) if Path(sys.argv[0]).name == "nertune" else shlex.join(sys.argv)


def tell_trouble(tracker: Tracker, tell: Tell) -> None:
    """What the Aim or W&B runs lack, once the tracker has ended; the record lacks nothing."""
    if tracker.trouble:
        tell(f"Notice: {tracker.trouble}")
