"""`nertune report`: what a study found, as one page, as Markdown and as plots, from the record."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, suppress
from pathlib import Path
from types import ModuleType
from typing import Any

from nertune.data.corpus import read_corpus
from nertune.data.examples import Corpus, Example
from nertune.data.statistics import Part, describe_corpus
from nertune.errors import NertuneError, StudyConflictError, Where, shown_path
from nertune.protocols.kfold import splits_to_read
from nertune.report.page import write_report
from nertune.results.database import Database, StudyRow, now, open_snapshot
from nertune.results.files import read_json
from nertune.results.layout import StudyFolder
from nertune.results.records import without_nan
from nertune.scores import is_minimised
from nertune.spec.load import dump_study, load_study
from nertune.spec.study import StudySpec
from nertune.workflows.session import not_searched
from nertune.workflows.told_search import told_of_search
from nertune.workflows.told_seeds import read_files, told_of_mistakes, told_of_seeds

Tell = Callable[[str], None]
Record = Mapping[str, Any]

MOST_LABELS = 30  # in the table of the data
LIBRARIES = (
    "jinja2",
    "scipy.stats",
    "sklearn.ensemble",
    "optuna.importance",  # which needs the two before
    "matplotlib.figure",
    "matplotlib.backends.backend_agg",
    "matplotlib.backends.backend_pdf",
    "matplotlib.backends.backend_svg",
)


def report(study_file: Path, *, edits: Sequence[str] = (), tell: Tell) -> Path:
    """Write the report of a study as far as it has come, into OUTPUT/report; the page.

    Test is read only after best-and-train has scored it: then its texts are shown beside the mistakes.

    Raises  StudyConflictError when there is no record
    """
    written = load_study(study_file / "study.yaml" if study_file.is_dir() else study_file, edits=edits)
    with closing(open_snapshot(written.storage)) as database:
        study = database.find_study(written.name)
        if study is None:
            raise not_searched(written, study_file)
        return _report(_as_run(written, study), study, database, study_file=study_file, tell=tell)


def report_at_end(study_file: Path, *, edits: Sequence[str], tell: Tell) -> None:
    """The report of a command that has done its work, whose end it must not spoil."""
    try:
        page = report(study_file, edits=edits, tell=tell)
    except (NertuneError, OSError, ValueError) as error:
        tell(f"Notice: the report was not written: {error}")
        tell(f"    nertune report {shown_path(study_file)}   tries it again")
    else:
        tell(f"Report        {shown_path(page)}")


def import_libraries() -> Iterator[ModuleType]:
    """Import what is imported when a plot is drawn or keys are weighed, one by one: for who has seconds to spare."""
    for name in LIBRARIES:
        yield importlib.import_module(name)


def _as_run(written: StudySpec, study: StudyRow) -> StudySpec:
    """The study as it was run last: the file may have been edited since. Where things lie is as the file says."""
    run = StudySpec.model_validate(study.spec)
    return run.model_copy(update={"output": written.output, "storage": written.storage, "data": written.data})


def _report(spec: StudySpec, study: StudyRow, database: Database, *, study_file: Path, tell: Tell) -> Path:
    folder = StudyFolder(spec.output)
    summary = _summary(folder)
    made = _made(spec, study, summary)
    corpus, notes = _data(spec, study, summary, trained_on=made["data"])
    files, lacking = read_files(folder, summary)
    notes += lacking
    splits: dict[str, Sequence[Example]] = {} if corpus is None else {n: s.examples for n, s in corpus.splits.items()}
    search = told_of_search(spec, study, database)
    told = {
        "study": spec.name,
        "task": spec.task,
        "problem": spec.model.problem,
        "model": spec.model.base,
        "objective": spec.search.objective,
        "minimised": is_minimised(spec.search.objective),
        "written": now(),
        **search,
        **told_of_seeds(spec, summary, files=files),
        **told_of_mistakes(spec, files=files, splits=splits),
        "cost": _cost(database, study, summary),
        "next": _next(summary, is_searched=search["search"]["finished"], study_file=study_file),
        "made": {**made, "splits": _splits(corpus)},
        "notes": notes,
    }
    for note in notes:
        tell(f"Notice: {note}")
    return write_report(without_nan(told), folder=folder.report)


# ---- what it cost, and how it was made


def _cost(database: Database, study: StudyRow, summary: Record | None) -> dict[str, Any]:
    """Seconds of the fits of each stage, and how many there were and failed."""
    stages = {}
    for stage in ("search", "candidate", "final", "size"):
        cells = database.cells(study, stage)
        if cells:
            stages[stage] = {
                "runs": len(cells),
                "failed": sum(cell.state == "failed" for cell in cells),
                "seconds": sum(cell.seconds or 0.0 for cell in cells),
            }
    return {"stages": stages, "failed_seeds": [] if summary is None else summary["failed_seeds"]}


def _next(summary: Record | None, *, is_searched: bool, study_file: Path) -> str:
    command = "search" if not is_searched else "best-and-train" if summary is None else "ui"
    return f"nertune {command} {shown_path(study_file)}"


def _made(spec: StudySpec, study: StudyRow, summary: Record | None) -> dict[str, Any]:
    """Study file, versions, hardware, command and fingerprints, as the first seed's environment.json has them."""
    environment = _environment(StudyFolder(spec.output), summary)
    searched = {
        split: study.identity[f"data.{split}"] for split in ("train", "dev") if f"data.{split}" in study.identity
    }
    return {
        "study_file": dump_study(spec, folder=spec.output),
        "created": study.created,
        "versions": environment.get("packages") or study.facts.get("versions", {}),
        "nertune": environment.get("nertune"),
        "python": environment.get("python"),
        "platform": environment.get("platform"),
        "device": environment.get("device"),
        "precision": study.facts.get("precision"),
        "threads": study.facts.get("threads"),
        "command": environment.get("command"),
        "data": environment.get("data") or searched,
    }


def _environment(folder: StudyFolder, summary: Record | None) -> Record:
    names = [] if summary is None else summary["folders"].values()
    found = [folder.root / name / "environment.json" for name in names]
    return next((read for path in found if (read := _whole(path))), {})


def _whole(path: Path) -> Record:
    """A JSON object, empty where the file is not there or a disk has lost a part of it."""
    with suppress(OSError, ValueError):
        read = read_json(path)
        return read if isinstance(read, dict) else {}
    return {}


def _summary(folder: StudyFolder) -> Record | None:
    """None before best-and-train.

    Raises  StudyConflictError where it is torn: best-and-train writes it anew without a fit
    """
    if not folder.summary.exists():
        return None
    read = _whole(folder.summary)
    if not {"seeds", "folders", "search"} <= {*read}:
        fix = "nertune best-and-train STUDY   writes it anew; what was trained stays"
        raise StudyConflictError("is torn", where=Where(folder.summary), fix=fix)
    return read


# ---- the data


def _data(
    spec: StudySpec, study: StudyRow, summary: Record | None, *, trained_on: Record
) -> tuple[Corpus | None, list[str]]:
    """The data, where they can be read and are those that were trained on; and what is missing without them."""
    try:
        found = _read(spec, study, with_test=summary is not None)
    except (NertuneError, OSError) as error:
        reason = str(error).splitlines()[0]
        return None, [f"the data cannot be read, so that mistakes and their texts are not shown: {reason}"]
    changed = [name for name, split in found.splits.items() if trained_on.get(name) not in (None, split.fingerprint)]
    if changed:
        return None, [
            f"{' and '.join(changed)} changed since the models were trained: mistakes and their texts are not shown"
        ]
    return found, []


def _read(spec: StudySpec, study: StudyRow, *, with_test: bool) -> Corpus:
    splits = splits_to_read(spec, splits=("train", "dev", "test") if with_test else ("train", "dev"))
    parts = study.facts.get("parts")
    return read_corpus(spec.data, task=spec.task, splits=splits, problem=spec.model.data_problem, parts=parts)


def _splits(corpus: Corpus | None) -> list[dict[str, Any]]:
    """The statistics of each split, as `nertune data stats` has them; words and entities are new that train lacks."""
    if corpus is None:
        return []
    found = describe_corpus(corpus)
    unseen = {one.split: one for one in found.unseen}
    rows = []
    for split in found.splits:
        new = unseen.get(split.name)
        counts = {label: own.count for label, own in split.labels.items() if own.count}
        rows.append(
            {
                "split": split.name,
                "fingerprint": corpus.splits[split.name].fingerprint,
                "labels": dict(sorted(counts.items(), key=lambda one: -one[1])[:MOST_LABELS]),
                "examples": split.examples,
                "documents": split.documents,
                "words": split.words,
                "median_words": split.lengths.median,
                "most_words": split.lengths.longest,
                "new_words": None if new is None else _share(new.words),
                "new_entities": None if new is None or new.mentions is None else _share(new.mentions),
            }
        )
    return rows


def _share(part: Part) -> float | None:
    return part.n / part.of if part.of else None
