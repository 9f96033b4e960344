"""What the `nertune data` commands work on: the splits of a study file, of a folder, or of files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from nertune.data.corpus import drawn_splits, read_corpus, read_files
from nertune.data.examples import Corpus, Task
from nertune.data.files import SPLITS, SplitFiles, name_of_split, present_splits, splits_in
from nertune.data.notices import KEPT_PLACES
from nertune.data.readers import named_format
from nertune.data.readers.hub import hub_task
from nertune.data.reading import find_files
from nertune.data.source import Source
from nertune.errors import DataError, UserError, Where, closest, shown_path
from nertune.spec.load import NO_MODEL, load_study, study_of_edits
from nertune.spec.study import StudySpec

FILE_KEYS = ("data.dir", "data.train", "data.dev", "data.test", "data.hub")
STUDY_ENDINGS = (".yaml", ".yml")


@dataclass(frozen=True)
class Annotated:
    """Annotated files and how to read them.

    spec   of the study file, or of the options alone
    study  the study file, if there is one
    files  of each split; of a study, those that it can open
    """

    spec: StudySpec
    study: Path | None
    files: Mapping[str, SplitFiles]

    @property
    def model(self) -> str | None:
        """Folder or hub id of the tokenizer, where one was named."""
        model = self.spec.model
        return None if model.base == NO_MODEL else model.tokenizer or model.base


def find_annotated(
    paths: Sequence[Path], *, edits: Sequence[str] = (), task: str | None = None, form: str | None = None
) -> Annotated:
    """What the paths of a command line mean: one study file; one folder; or files, each a split of its own.

    edits   `data.KEY=VALUE` as `--set` takes them
    task    of files; None: what their format is for
    form    the format of files; None: recognised
    Raises  UserError: a path that is not there, options that contradict a study file, a format that no reader knows
    """
    check_there(paths)
    if len(paths) == 1 and paths[0].suffix in STUDY_ENDINGS and paths[0].is_file():
        if task or form:
            raise UserError("a study file says its task and format itself", fix="Change it there, or with --set")
        spec = load_study(paths[0], edits=edits)
        return Annotated(spec, paths[0].absolute(), present_splits(spec.data))
    _refuse_other_files(edits)
    spec = study_of_options(edits, form=form)
    files = _files_of_folder(paths[0]) if len(paths) == 1 and paths[0].is_dir() else _files_by_name(paths)
    return Annotated(spec.model_copy(update={"task": find_task(files, spec=spec, task=task)}), None, files)


def read_annotated(annotated: Annotated, *, limit: int | None = KEPT_PLACES) -> Corpus:
    """All splits; of a study as its commands read them, of files as they stand there.

    limit   places kept of each kind of notice; None: all
    Raises  Problems with every fault of the files
    """
    spec = annotated.spec
    if annotated.study is None:
        return read_files(annotated.files, data=spec.data, task=spec.task, problem=spec.model.data_problem, limit=limit)
    names = [name for name in SPLITS if name in annotated.files or name in drawn_splits(spec.data)]
    return read_corpus(spec.data, task=spec.task, splits=names, problem=spec.model.data_problem, limit=limit)


def study_of_options(edits: Sequence[str], *, form: str | None) -> StudySpec:
    """What stands for a study where files are named without one."""
    return study_of_edits([*edits, *([f"data.format={form}"] if form else [])])


def find_task(files: Mapping[str, SplitFiles], *, spec: StudySpec, task: str | None) -> Task:
    """The task that was named, or the one that the format of the first split is for."""
    known = get_args(Task)
    if task is not None and task not in known:
        raise UserError(f"there is no task {task}", fix=f"Write --task {' or --task '.join(known)}")
    if task is not None:
        return "sequence" if task == "sequence" else "token"
    first = next(iter(files.values()))
    name, paths = find_files(first, data=spec.data, task=None)
    if name != "datasets":
        return named_format(name).tasks[0]
    return hub_task(Source(paths[0], spec.data, split=first.name)) or "token"


def check_there(paths: Sequence[Path]) -> None:
    """Raise DataError for a path that is not there."""
    for path in paths:
        if not path.exists():
            beside = sorted(one.name for one in path.parent.iterdir()) if path.parent.is_dir() else []
            near = closest(path.name, beside)
            fix = f"Did you mean {shown_path(path.with_name(near))}?" if near else "Check the path"
            raise DataError("there is no such file or folder", where=Where(path), fix=fix)


def _refuse_other_files(edits: Sequence[str]) -> None:
    """Raise UserError for an edit that says what is read where paths say it."""
    for edit in edits:
        key = edit.partition("=")[0].strip()
        if key in FILE_KEYS:
            fix = f"Leave {key} out; several files may be named: nertune data check train.conll dev.conll"
            raise UserError(f"{key} says what is read, but so do the files that are named here", fix=fix)


def _files_of_folder(folder: Path) -> dict[str, SplitFiles]:
    return splits_in(folder) or {folder.resolve().name: SplitFiles(folder.resolve().name, (folder,))}


def _files_by_name(paths: Sequence[Path]) -> dict[str, SplitFiles]:
    """Each path as a split that is called as its name says; by its whole path where two would be called alike."""
    names = [name_of_split(path) for path in paths]
    called = [name if names.count(name) == 1 else str(path) for name, path in zip(names, paths, strict=True)]
    return {name: SplitFiles(name, (path,)) for name, path in zip(called, paths, strict=True)}
