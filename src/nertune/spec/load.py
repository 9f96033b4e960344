"""Study files: reading, checking, editing, writing."""

from __future__ import annotations

import copy
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError

from nertune.errors import StudyFileError, UserError, Where, closest, raise_all
from nertune.spec.space import set_at, space_problems
from nertune.spec.study import StudySpec
from nertune.spec.yaml_lines import KeyPath, YamlTree, dotted, read_scalar, read_yaml

PATH_KEYS = ("data.dir", "data.train", "data.dev", "data.test", "output", "track.aim")


def load_study(path: Path, *, edits: Sequence[str] = ()) -> StudySpec:
    """The checked study of a file, with `--set` edits applied first; paths made absolute, relative to the file.

    edits   `key=value`, the key dotted, the value as a study file would hold it
    Raises  Problems with every fault of the file, each with its line
    """
    path = path.absolute()
    tree = read_yaml(path)
    if tree.values is None or not isinstance(tree.values, dict):
        raise StudyFileError("holds no study", where=Where(path), fix="Copy one of the files in studies/ and change it")
    for edit in edits:
        _apply_edit(tree, edit)
    return read_study(tree)


def read_study(tree: YamlTree) -> StudySpec:
    """The checked study of a YAML tree; see `load_study`."""
    values = tree.values
    _put_defaults(values, path=tree.path)
    problems = list(tree.problems)
    spec, found = _validate(values, tree=tree)
    problems += found
    if spec is not None:
        problems += _placed(space_problems(spec), tree=tree)
        problems += _rule_problems(spec, tree=tree)
    raise_all(problems)
    assert spec is not None
    return resolve_paths(spec, folder=tree.path.parent)


def _validate(values: dict[str, Any], *, tree: YamlTree) -> tuple[StudySpec | None, list[UserError]]:
    """The study and the schema's problems; refused keys are left out, so that the rest can still be looked at."""
    try:
        return StudySpec.model_validate(values), []
    except ValidationError as error:
        problems = _schema_problems(error, tree=tree)
        rest = copy.deepcopy(values)
        for key in {_key_of(problem["loc"]) for problem in error.errors()}:
            _remove(rest, key)
        rest.setdefault("task", "token")
        rest.setdefault("data", {"dir": "."})
        rest.setdefault("model", {}).setdefault("base", "any")
    try:
        return StudySpec.model_validate(rest), problems
    except ValidationError:
        return None, problems


def _remove(tree: dict[str, Any], key: KeyPath) -> None:
    for part in key[:-1]:
        tree = tree[str(part)] if isinstance(tree.get(str(part)), dict) else {}
    if key:
        tree.pop(str(key[-1]), None)


def resolve_paths(spec: StudySpec, *, folder: Path) -> StudySpec:
    """The study with every path absolute; a hub id stays as it is."""
    tree = spec.model_dump()
    for key in PATH_KEYS:
        section, _, name = key.rpartition(".")
        holder = tree[section] if section else tree
        if holder[name] is not None:
            holder[name] = _absolute(str(holder[name]), folder)
    for name in ("base", "tokenizer"):
        if tree["model"][name] is not None:
            tree["model"][name] = _resolve_model(tree["model"][name], folder)
    if "://" not in tree["storage"]:
        tree["storage"] = str(_absolute(tree["storage"], folder))
    return StudySpec.model_validate(tree)


def dump_study(spec: StudySpec, *, folder: Path) -> str:
    """The study as YAML for a file in `folder`, every key written, paths relative to it: `load_study` gives it back."""
    tree = spec.model_dump(mode="json")
    for key in PATH_KEYS:
        section, _, name = key.rpartition(".")
        holder = tree[section] if section else tree
        if holder[name] is not None:
            holder[name] = relative_path(holder[name], folder)
    for name in ("base", "tokenizer"):
        if tree["model"][name] is not None and Path(tree["model"][name]).is_absolute():
            tree["model"][name] = relative_path(tree["model"][name], folder)
    if "://" not in tree["storage"]:
        tree["storage"] = relative_path(tree["storage"], folder)
    return yaml.safe_dump(tree, sort_keys=False, allow_unicode=True, width=120)


def relative_path(path: str | Path, folder: Path) -> str:
    """The path from the folder, with `./` where a bare name could be taken for a hub id."""
    short = os.path.relpath(path, folder)
    return short if short.startswith(".") else f"./{short}"


def _absolute(path: str, folder: Path) -> Path:
    return Path(os.path.normpath(folder / Path(path).expanduser()))


def _resolve_model(source: str, folder: Path) -> str:
    """A folder's absolute path, or the hub id as it stands (`name` or `owner/name`)."""
    looks_local = source.startswith((".", "/", "~")) or source.count("/") > 1
    return str(_absolute(source, folder)) if looks_local or _absolute(source, folder).exists() else source


def _put_defaults(values: dict[str, Any], *, path: Path) -> None:
    """Defaults that depend on the file's own name: the study's name and its output folder."""
    values.setdefault("name", path.stem)
    values.setdefault("output", f"runs/{values['name']}")


def _apply_edit(tree: YamlTree, edit: str) -> None:
    key, mark, text = edit.partition("=")
    key = key.strip()
    if not mark or not key:
        raise StudyFileError(f"--set {edit} has no value", fix="Write for example: --set train.epochs=2")
    in_space = key.startswith("search.space.")
    if in_space:  # the searched keys hold dots themselves
        space = tree.values.setdefault("search", {}).setdefault("space", {})
        space[key.removeprefix("search.space.")] = read_scalar(text)
    else:
        set_at(tree.values, key, read_scalar(text))


def _placed(problems: Sequence[tuple[str, UserError]], *, tree: YamlTree) -> list[UserError]:
    for key, problem in problems:
        problem.where = tree.where(("search", "space", key))
    return [problem for _, problem in problems]


def _rule_problems(spec: StudySpec, *, tree: YamlTree) -> list[UserError]:
    """Contradictions between keys, each refused where it is written."""
    problems: list[UserError] = []
    search = spec.search
    if search.sampler != "grid" and search.trials is None and search.timeout is None:
        problems.append(
            StudyFileError(
                f"search.sampler: {search.sampler} would never end",
                where=tree.where(("search", "sampler")),
                fix="Add search.trials (for example 30) or search.timeout (for example 8h)",
            )
        )
    if len(set(spec.final.seeds)) != len(spec.final.seeds):
        problems.append(
            StudyFileError(
                f"final.seeds holds a seed twice: {list(spec.final.seeds)}",
                where=tree.where(("final", "seeds")),
                fix="A seed gives the same fit again, so name each once",
            )
        )
    return problems


def _schema_problems(error: ValidationError, *, tree: YamlTree) -> list[UserError]:
    """One problem per key, however many alternatives of a union refused it."""
    by_key: dict[KeyPath, list[Any]] = {}
    for problem in error.errors():
        by_key.setdefault(_key_of(problem["loc"]), []).append(problem)
    return [_schema_problem(key, found, tree=tree) for key, found in by_key.items()]


def _key_of(location: KeyPath) -> KeyPath:
    """The location without pydantic's names for the branches of a union."""
    key: list[str | int] = []
    model: Any = StudySpec
    for part in location:
        fields = getattr(model, "model_fields", None)
        if fields is not None and part not in fields and model is not StudySpec and not key:
            break
        key.append(part)
        annotation = fields[part].annotation if fields and part in fields else None
        if fields is not None and part not in fields:
            break
        is_section = isinstance(annotation, type) and issubclass(annotation, BaseModel)
        if not is_section:
            break
        model = annotation
    return tuple(key)


def _schema_problem(key: KeyPath, found: list[Any], *, tree: YamlTree) -> UserError:
    name, where = dotted(key), tree.where(key)
    first = found[0]
    if first["type"] == "extra_forbidden":
        return StudyFileError(f"{name} is no key of a study file", where=where, fix=_near_keys(key))
    if first["type"] == "missing":
        return StudyFileError(f"{name} is missing", where=where, fix=_described(key))
    if not key:
        return StudyFileError(_plain(first["msg"]), where=where, fix="Write for example: data: {dir: ../data/mine}")
    expected = " or ".join(dict.fromkeys(_plain(problem["msg"]) for problem in found))
    value = first["input"]
    return StudyFileError(f"{name} is {_shown(value)}, but it {expected}", where=where, fix=_described(key))


def _plain(message: str) -> str:
    return (
        message.replace("Value error, ", "").replace("Input should be", "should be").replace("String should", "should")
    )


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "…"


def _near_keys(key: KeyPath) -> str:
    *parents, last = (str(part) for part in key)
    section = _section(tuple(parents))
    known = list(section.model_fields)
    near = closest(last, known)
    if near:
        return f"Did you mean {dotted((*parents, near))}?"
    everywhere = {name: f"{field}.{name}" for field, sub in _sections().items() for name in sub.model_fields}
    elsewhere = closest(last, everywhere)
    if elsewhere:
        return f"Did you mean {everywhere[elsewhere]}?"
    return f"Known here: {', '.join(known)}"


def _described(key: KeyPath) -> str | None:
    section = _section(tuple(str(part) for part in key[:-1]))
    field = section.model_fields.get(str(key[-1])) if key else None
    if field is None or field.description is None:
        return None
    return f"{dotted(key)}: {field.description}"


def _sections() -> dict[str, type[BaseModel]]:
    return {
        name: field.annotation
        for name, field in StudySpec.model_fields.items()
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel)
    }


def _section(parents: tuple[str, ...]) -> type[BaseModel]:
    return _sections().get(parents[0], StudySpec) if parents else StudySpec
