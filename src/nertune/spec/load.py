"""Study files: reading, checking, editing, writing."""

from __future__ import annotations

import copy
import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from nertune.errors import StudyFileError, UserError, Where, closest, raise_all
from nertune.spec.rules import contradiction_problems
from nertune.spec.space import put, space_problems
from nertune.spec.study import StudySpec, sections
from nertune.spec.yaml_lines import KeyPath, YamlTree, dotted, dump_yaml, read_edit, read_yaml

PATH_KEYS = ("data.dir", "data.train", "data.dev", "data.test", "data.tags", "output", "track.aim")
NO_MODEL = "none"  # stands for the model where a command on files was given none
MOST_PASSES = 3  # refused values hide contradictions between keys, which hide nothing
PLAIN = {
    "model_type": "should be a mapping of keys",
    "dict_type": "should be a mapping of keys",
    "list_type": "should be a list",
    "tuple_type": "should be a list",
    "int_from_float": "should be a valid integer",
    "too_short": "should hold at least {min_length} item",
    "string_pattern_mismatch": "should be of letters, digits, '.', '_' and '-', the first a letter or digit",
}


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
    for name in [name for name in sections() if name in values and values[name] is None]:
        del values[name]  # a heading under which nothing stands
    _put_defaults(values, path=tree.path)
    problems = list(tree.problems)
    spec, found = _validate(values, tree=tree)
    problems += found
    if spec is not None:
        of_space = [(("search", "space", key), problem) for key, problem in space_problems(spec)]
        contradictory = [] if of_space else contradiction_problems(spec)
        problems += _placed(of_space, tree=tree) + _rule_problems(spec, tree=tree)
        problems += _placed(contradictory, tree=tree)
    raise_all(problems)
    assert spec is not None
    return resolve_paths(spec, folder=tree.path.parent)


def _validate(values: dict[str, Any], *, tree: YamlTree) -> tuple[StudySpec | None, list[UserError]]:
    """The study and the schema's problems; refused keys are left out, so that the rest can still be looked at."""
    rest, problems = copy.deepcopy(values), list[UserError]()
    for _ in range(MOST_PASSES):
        try:
            return StudySpec.model_validate(rest), problems
        except ValidationError as error:
            problems += _schema_problems(error, values=rest, tree=tree)
            _leave_out(rest, {_key_of(problem["loc"], values=rest) for problem in error.errors()})
    return None, problems


def _leave_out(tree: dict[str, Any], keys: set[KeyPath]) -> None:
    """Remove what was refused, and put something harmless where the schema needs a value."""
    for key in keys:
        _remove(tree, key)
    tree.setdefault("name", "any")
    tree.setdefault("output", ".")
    tree.setdefault("task", "token")
    tree.setdefault("model", {}).setdefault("base", "any")
    data = tree.setdefault("data", {"dir": "."})
    if any(key[:1] in ((), ("data",)) for key in keys):
        data.setdefault("dir", ".")


def _remove(tree: dict[str, Any], key: KeyPath) -> None:
    """Remove a key; of a list with a wrong item, the whole list."""
    for number, part in enumerate(key):
        below = tree.get(str(part))
        if number == len(key) - 1 or not isinstance(below, dict):
            tree.pop(str(part), None)
            return
        tree = below


def study_of_edits(edits: Sequence[str], *, task: str = "token") -> StudySpec:
    """A study without a file, for commands on annotated files: its defaults and the edits, relative to this folder.

    Raises  Problems with every fault of the edits
    """
    values = {"name": "data", "task": task, "data": {"dir": "."}, "model": {"base": NO_MODEL}, "output": "."}
    tree = YamlTree(Path.cwd() / "--set", values=values)
    for edit in edits:
        _apply_edit(tree, edit)
    return read_study(tree)


def resolve_paths(spec: StudySpec, *, folder: Path) -> StudySpec:
    """The study with every path absolute; a hub id stays as it is."""
    tree = spec.model_dump()
    for key in PATH_KEYS:
        section, _, name = key.rpartition(".")
        holder = tree[section] if section else tree
        if holder[name] is not None:
            holder[name] = _each(holder[name], lambda path: _absolute(str(path), folder))
    _change_models(tree, lambda source: _resolve_model(source, folder))
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
            holder[name] = _each(holder[name], lambda path: relative_path(path, folder))
    _change_models(tree, lambda source: relative_path(source, folder) if Path(source).is_absolute() else source)
    if "://" not in tree["storage"]:
        tree["storage"] = relative_path(tree["storage"], folder)
    return dump_yaml(tree)


def relative_path(path: str | Path, folder: Path) -> str:
    """The path from the folder, with `./` where a bare name could be taken for a hub id."""
    short = os.path.relpath(path, folder)
    return short if short.startswith(".") else f"./{short}"


def _each(paths: Any, change: Callable[[Any], Any]) -> Any:
    """The path changed, or every path of a list of them."""
    return [change(path) for path in paths] if isinstance(paths, (list, tuple)) else change(paths)


def _change_models(tree: dict[str, Any], change: Callable[[str], str]) -> None:
    """Replace the model's and the tokenizer's source, searched ones included."""
    for name in ("base", "tokenizer", "checkpoint"):
        if tree["model"][name] is not None:
            tree["model"][name] = change(tree["model"][name])
        searched = tree["search"]["space"].get(f"model.{name}")
        if isinstance(searched, list):
            changed = [change(source) if isinstance(source, str) else source for source in searched]
            tree["search"]["space"][f"model.{name}"] = changed


def _absolute(path: str, folder: Path) -> Path:
    return Path(os.path.normpath(folder / os.path.expanduser(path)))  # noqa: PTH111  # Path's own raises for ~nobody


def _resolve_model(source: str, folder: Path) -> str:
    """A folder's absolute path, or the hub id as it stands (`name` or `owner/name`)."""
    looks_local = source.startswith((".", "/", "~")) or source.count("/") > 1
    return str(_absolute(source, folder)) if looks_local or os.path.exists(_absolute(source, folder)) else source  # noqa: PTH110  # Path's own raises for long names


def _put_defaults(values: dict[str, Any], *, path: Path) -> None:
    """Defaults that depend on the file's own name: the study's name and its output folder."""
    values.setdefault("name", path.stem)
    values.setdefault("output", f"runs/{values['name']}")


def _apply_edit(tree: YamlTree, edit: str) -> None:
    key, mark, text = edit.partition("=")
    key = key.strip()
    if not mark or not key:
        raise StudyFileError(f"--set {edit} has no value", fix="Write for example: --set train.epochs=2")
    prefix = "search.space."  # the searched keys hold dots themselves
    path = ("search", "space", key.removeprefix(prefix)) if key.startswith(prefix) else tuple(key.split("."))
    try:
        put(tree.values, path, read_edit(text, key=path))
    except (IndexError, ValueError):
        raise StudyFileError(f"--set {edit} names an item that the list does not have", fix="The first is 0") from None
    tree.edited.add(tuple(int(part) if path[0] == "stages" and part.isdecimal() else part for part in path))


def _placed(problems: Sequence[tuple[KeyPath, UserError]], *, tree: YamlTree) -> list[UserError]:
    for key, problem in problems:
        problem.where = tree.where(key)
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


def _schema_problems(error: ValidationError, *, values: dict[str, Any], tree: YamlTree) -> list[UserError]:
    """One problem per key, however many alternatives of a union refused it."""
    by_key: dict[KeyPath, list[Any]] = {}
    for problem in error.errors():
        by_key.setdefault(_key_of(problem["loc"], values=values), []).append(problem)
    return [_schema_problem(key, found, tree=tree) for key, found in by_key.items()]


def _key_of(location: KeyPath, *, values: Any) -> KeyPath:
    """The location as far as it is written or known to the schema, without pydantic's names of union branches."""
    key: list[str | int] = []
    for part in location:
        written = part in values if isinstance(values, dict) else isinstance(values, list) and isinstance(part, int)
        if not written and part not in (_section(tuple(map(str, key))).model_fields if len(key) < 2 else ()):
            break
        key.append(part)
        values = values[part] if written else None
    return tuple(key)


def _schema_problem(key: KeyPath, found: list[Any], *, tree: YamlTree) -> UserError:
    name, where = dotted(key), tree.where(key or ("data",))
    first = found[0]
    if first["type"] == "extra_forbidden":
        return StudyFileError(f"{name} is no key of a study file", where=where, fix=_near_keys(key))
    if first["type"] == "missing":
        return StudyFileError(f"{name} is missing", where=where, fix=_described(key))
    if not key:
        return StudyFileError(_plain(first["msg"]), where=where, fix="Write for example: data: {dir: ../data/mine}")
    first_words, *others = dict.fromkeys(_expected(problem) for problem in found)
    expected = " or ".join([first_words, *(words.removeprefix("should be ") for words in others)])
    return StudyFileError(f"{name} is {_shown(first['input'])}, but it {expected}", where=where, fix=_described(key))


def _expected(problem: Any) -> str:
    """What pydantic expected, in the words of a study file."""
    if problem["type"] in PLAIN:
        return PLAIN[problem["type"]].format(**problem.get("ctx", {}))
    return _plain(problem["msg"]).partition(", unable to")[0]


def _plain(message: str) -> str:
    return (
        message.replace("Value error, ", "").replace("Input should be", "should be").replace("String should", "should")
    )


def _shown(value: Any) -> str:
    text = json.dumps(value) if value is None or isinstance(value, bool) else repr(value)
    return text if len(text) <= 60 else text[:57] + "…"


def _near_keys(key: KeyPath) -> str:
    *parents, last = (str(part) for part in key)
    section = _section(tuple(parents))
    known = list(section.model_fields)
    near = closest(last, known)
    if near:
        return f"Did you mean {dotted((*parents, near))}?"
    everywhere = {name: name for name in StudySpec.model_fields}
    everywhere |= {name: f"{field}.{name}" for field, sub in sections().items() for name in sub.model_fields}
    elsewhere = closest(last, everywhere)
    if elsewhere:
        return f"Did you mean {everywhere[elsewhere]}?"
    return f"Known here: {', '.join(known)}"


def _described(key: KeyPath) -> str | None:
    """The manual's line on the key, or on the nearest one above it that the schema names."""
    for end in range(len(key), 0, -1):
        *parents, last = (str(part) for part in key[:end])
        field = _section(tuple(parents)).model_fields.get(last)
        if field is not None and field.description is not None:
            return f"{dotted(key[:end])}: {field.description}"
    return None


def _section(parents: tuple[str, ...]) -> type[BaseModel]:
    """The section that the last of these keys holds; numbers of lists and the user's own names hold what is in them."""
    section: type[BaseModel] = StudySpec
    for name in parents:
        field = section.model_fields.get(name)
        section = (_section_in(field.annotation) if field else None) or section
    return section


def _section_in(annotation: Any) -> type[BaseModel] | None:
    """The section that a key's type has in it: `tuple[StageSpec, ...]`, `dict[str, HeadSpec] | None`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for part in get_args(annotation) if (found := _section_in(part))), None)
