"""The quick form: options of the command line as the study file they stand for."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from nertune.errors import StudyConflictError, StudyFileError, Where
from nertune.results.files import write_text
from nertune.spec.load import load_study, read_study, relative_path
from nertune.spec.study import default_space
from nertune.spec.yaml_lines import YamlTree

FOLDER = Path("studies")


@dataclass(frozen=True)
class QuickForm:
    """Options of `search` and `best-and-train` without a study file; None: not given. Paths are as typed."""

    task: str | None = None
    data_dir: Path | None = None
    model: str | None = None
    tokenizer: str | None = None
    configuration_name: str | None = None
    name: str | None = None
    output_dir: Path | None = None
    log_dir: Path | None = None
    batch_sizes: tuple[int, ...] = ()
    learning_rates: tuple[float, ...] = ()
    epochs: int | None = None
    sampler: str | None = None
    seeds: tuple[int, ...] = ()

    @property
    def is_given(self) -> bool:
        return any(value not in (None, ()) for value in vars(self).values())


def study_of_quick_form(form: QuickForm, *, trials: int | None, timeout: str | None) -> tuple[Path, bool]:
    """The study file that the options stand for, written to studies/NAME.yaml; whether it is new.

    Raises  StudyFileError for options that are missing or wrong, StudyConflictError when another study has that name
    """
    _check_complete(form)
    path = FOLDER / f"{form.name}.yaml"
    tree = _tree(form, folder=FOLDER.absolute(), trials=trials, timeout=timeout)
    wanted = read_study(YamlTree(path.absolute(), values=yaml.safe_load(yaml.safe_dump(tree))))
    if path.exists():
        if load_study(path) != wanted:
            raise StudyConflictError(
                "this study file holds something else than the options say",
                where=Where(path),
                fix="Give the study another --name, or leave the options out and name the file",
            )
        return path, False
    head = f"# nertune search {path}\n# Written for the options of a quick search; edit it as you like.\n"
    write_text(path, head + yaml.safe_dump(tree, sort_keys=False, allow_unicode=True, width=120))
    return path, True


def _check_complete(form: QuickForm) -> None:
    needed = {
        "--task": (form.task, "token (entities) or sequence (classes)"),
        "--data-dir": (form.data_dir, "the folder with train, dev and test files"),
        "--model": (form.model, "a folder with a saved model, or a hub id"),
        "--name": (form.name, "the study's name"),
    }
    missing = [f"{option} ({what})" for option, (value, what) in needed.items() if value is None]
    if missing:
        raise StudyFileError(
            f"without a study file, these options are needed, too: {', '.join(missing)}",
            fix="nertune search studies/MINE.yaml   takes everything from a file",
        )


def _tree(form: QuickForm, *, folder: Path, trials: int | None, timeout: str | None) -> dict[str, Any]:
    tree: dict[str, Any] = {
        "nertune": 1,
        "name": form.name,
        "task": form.task,
        "data": {"dir": _path(form.data_dir, folder)},
        "model": _given(
            name=form.configuration_name, base=_model(form.model, folder), tokenizer=_model(form.tokenizer, folder)
        ),
    }
    if form.epochs is not None:
        tree["train"] = {"epochs": form.epochs}
    search = _given(sampler=form.sampler, trials=trials, timeout=timeout, space=_space(form))
    if search:
        tree["search"] = search
    if form.seeds:
        tree["final"] = {"seeds": list(form.seeds)}
    tree["output"] = _path(form.output_dir or Path("runs") / str(form.name), folder)
    tree["track"] = {"aim": _path(form.log_dir or Path("logs"), folder)}
    return tree


def _space(form: QuickForm) -> dict[str, Any] | None:
    if not form.batch_sizes and not form.learning_rates:
        return None
    given = {"train.batch_size": list(form.batch_sizes), "train.learning_rate": list(form.learning_rates)}
    return {key: given[key] or values for key, values in default_space().items()}


def _given(**values: Any) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def _path(path: Path | None, folder: Path) -> str | None:
    return None if path is None else relative_path(path.expanduser().absolute(), folder)


def _model(source: str | None, folder: Path) -> str | None:
    """A folder relative to the study file, or the hub id as it was typed."""
    if source is None:
        return None
    path = Path(source).expanduser()
    is_folder = path.exists() or source.startswith((".", "/", "~")) or source.count("/") > 1
    return relative_path(path.absolute(), folder) if is_folder else source
