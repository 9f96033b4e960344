"""`nertune import-config`: experiment files of other programs become study files; what became of each key is said."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from nertune.data.files import present_splits
from nertune.errors import Problems, StudyConflictError, StudyFileError, UserError, Where, raise_all
from nertune.report.imports import comment_lines
from nertune.results.files import write_text
from nertune.results.layout import clean_name
from nertune.spec.legacy import IMPORTERS, kind_of
from nertune.spec.legacy.completion import Given, complete, draw_missing_splits
from nertune.spec.legacy.ledger import KeyRecord, Ledger, as_text, tree_of
from nertune.spec.legacy.old_file import ENDINGS, OldFile, read_old_file
from nertune.spec.load import load_study, read_study, relative_path
from nertune.spec.study import DataSpec
from nertune.spec.yaml_lines import YamlTree, dump_yaml

OUTPUT = Path("studies")
LONGEST_NAME = 90  # of the 100 characters that a study's name may have
NOTHING_WRITTEN = "Nothing was written."


@dataclass(frozen=True)
class ImportedStudy:
    """One study file.

    file    that it was made from
    title   of the experiment in it
    keys    what became of each key, paths as the study file has them
    is_new  False: the same study file was there already
    """

    path: Path
    name: str
    file: Path
    kind: str
    title: str
    keys: tuple[KeyRecord, ...]
    is_new: bool


@dataclass(frozen=True)
class PassedOver:
    """A file that holds no experiment of a known kind."""

    file: Path
    reason: str


@dataclass(frozen=True)
class ImportRecord:
    """What an import did.

    refused  what is wrong with the files that gave no study
    """

    studies: tuple[ImportedStudy, ...]
    passed_over: tuple[PassedOver, ...]
    refused: tuple[UserError, ...]

    def to_json(self) -> dict[str, Any]:
        told: dict[str, Any] = as_text({name: [asdict(one) for one in vars(self)[name]] for name in TOLD})
        return {**told, "refused": [error.to_json() for error in self.refused]}


TOLD = ("studies", "passed_over")


@dataclass(frozen=True)
class _Draft:
    """A study that is to be written into a folder."""

    ledger: Ledger
    kind: str
    folder: Path


def import_config(
    path: Path, *, output: Path = OUTPUT, data_dir: Path | None = None, model: str | None = None
) -> ImportRecord:
    """Write a study file for each experiment of a file, or of all files of a folder and its folders.

    output    folder of the study files; folders of the input stay apart in it
    data_dir  folder of the data, whatever the files say
    model     encoder, whatever the files say
    Raises    UserError when nothing could be written; what is wrong with some files of a folder is in the record
    """
    if data_dir is not None and not data_dir.is_dir():
        raise UserError(f"--data-dir {data_dir} is no folder", fix="Give the folder with train, dev and test")
    given = Given(data_dir, model)
    if not path.is_dir():
        drafts = _draft(_known(read_old_file(path)), given=given, folder=output)
        return ImportRecord(tuple(_write(drafts, taken=set())), (), ())
    return _import_folder(path, output=output, given=given)


def _import_folder(folder: Path, *, output: Path, given: Given) -> ImportRecord:
    studies: list[ImportedStudy] = []
    passed_over: list[PassedOver] = []
    refused: list[UserError] = []
    taken: set[Path] = set()
    for file in _files_in(folder, output=output):
        try:
            old = _known(read_old_file(file))
        except UserError as error:
            passed_over.append(PassedOver(file, _reason(error)))
            continue
        try:
            drafts = _draft(old, given=given, folder=output / file.parent.relative_to(folder))
            studies += _write(drafts, taken=taken)
        except UserError as error:
            refused += error.problems if isinstance(error, Problems) else [error]
    if not studies:
        raise_all(refused, ending=NOTHING_WRITTEN)
        raise StudyFileError("holds no experiment file of a known kind", where=Where(folder), fix=_kinds_text())
    return ImportRecord(tuple(studies), tuple(passed_over), tuple(refused))


def _files_in(folder: Path, *, output: Path) -> Iterable[Path]:
    """Files of settings, by path; what an earlier import wrote and hidden folders are left out."""
    for file in sorted(folder.rglob("*")):
        parts = file.relative_to(folder).parts
        is_output = output.absolute() in file.absolute().parents and output.absolute() != folder.absolute()
        if file.suffix in ENDINGS and file.is_file() and not is_output and not any(part[0] == "." for part in parts):
            yield file


def _known(old: OldFile) -> OldFile:
    if kind_of(old.values) is None:
        raise StudyFileError("is of no known kind", where=Where(old.path), fix=_kinds_text())
    return old


def _kinds_text() -> str:
    kinds = "; ".join(f"{name} ({importer.told_by})" for name, importer in IMPORTERS.items())
    return f"Known kinds and what tells them: {kinds}"


def _reason(error: UserError) -> str:
    first = error.problems[0] if isinstance(error, Problems) else error
    return first.message


# ---- a study of an experiment


def _draft(old: OldFile, *, given: Given, folder: Path) -> list[_Draft]:
    """The studies of a file.

    Raises  Problems with every fault of all its experiments
    """
    kind = str(kind_of(old.values))
    ledgers = IMPORTERS[kind].convert(old)
    problems: list[UserError] = []
    for ledger in ledgers:
        complete(ledger, given)
        _complete_splits(ledger)
        problems += ledger.close()
    raise_all(problems, ending=NOTHING_WRITTEN)
    return [_Draft(ledger, kind, folder) for ledger in ledgers]


def _complete_splits(ledger: Ledger) -> None:
    """Draw what a folder that is here lacks; one with two files for a split is left to `nertune check`."""
    folder = ledger.study.get("data.dir")
    if not isinstance(folder, Path) or not folder.is_dir():
        return
    with suppress(UserError):
        found = present_splits(DataSpec(dir=folder))
        if "train" in found:
            draw_missing_splits(ledger, found=found)


def _write(drafts: Iterable[_Draft], *, taken: set[Path]) -> list[ImportedStudy]:
    """Write the studies of one file, or none of them.

    taken   study files of this import, whose names no other one gets; grows
    Raises  Problems where other study files have their names
    """
    made = [_make(draft, path=_free_path(draft, taken=taken)) for draft in drafts]
    problems: list[UserError] = []
    for study, tree in made:
        try:
            _refuse_other(study, tree=tree)
        except UserError as error:
            problems += error.problems if isinstance(error, Problems) else [error]
    raise_all(problems, ending=NOTHING_WRITTEN)
    for study, tree in made:
        if study.is_new:
            write_text(study.path, "\n".join([*_head(study), dump_yaml(tree)]))
    return [study for study, _ in made]


def _free_path(draft: _Draft, *, taken: set[Path]) -> Path:
    """The study file, numbered where another experiment of this import has the name."""
    name = clean_name(draft.ledger.title).lstrip("._-")[:LONGEST_NAME] or "study"
    number = 1
    while (path := draft.folder / f"{name if number == 1 else f'{name}-{number}'}.yaml") in taken:
        number += 1
    taken.add(path)
    return path


def _make(draft: _Draft, *, path: Path) -> tuple[ImportedStudy, dict[str, Any]]:
    """The study, and what its file holds; paths are relative to it."""
    ledger, folder = draft.ledger, path.parent.absolute()

    def shown(place: Path) -> str:
        return relative_path(place.absolute(), folder)

    keys = tuple(replace(one, became=as_text(dict(one.became), shown)) for one in ledger.records)
    study = ImportedStudy(path, path.stem, ledger.old.path, draft.kind, ledger.title, keys, is_new=not path.exists())
    return study, as_text(tree_of({**ledger.study, "name": study.name}), shown)


def _refuse_other(study: ImportedStudy, *, tree: dict[str, Any]) -> None:
    """Raise StudyConflictError if the study file is there and says something else."""
    wanted = read_study(YamlTree(study.path.absolute(), values=copy.deepcopy(tree)))
    if not study.is_new and load_study(study.path) != wanted:
        raise StudyConflictError(
            f"this study file is there already, and says something else than {study.file.name} does",
            where=Where(study.path),
            fix="--output FOLDER   names another folder",
        )


def _head(study: ImportedStudy) -> list[str]:
    """The command that runs it, where it comes from, and what became of each key; no place of this machine."""
    path = study.path.name if study.path.is_absolute() else study.path
    experiment = "" if study.title == study.file.stem else f", experiment {study.title}"
    origin = " ".join(f"{study.file.name}{experiment} ({study.kind})".split())
    keys = [asdict(key) for key in study.keys]
    return [f"# nertune search {path}", f"# Made of {origin}. What became of each key:", *comment_lines(keys)]
