"""YAML as plain values with the line of every key: what error messages need."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from nertune.errors import StudyFileError, UserError, Where, raise_all

KeyPath = tuple[str | int, ...]

# Labels are names even when they look like numbers or truth values: `labels: [0, 1]`, `keep: [on]`.
AS_WRITTEN = {("data", "labels"), ("data", "keep"), ("data", "rename"), ("data", "positive_label"), ("name",)}


class _Loader(yaml.SafeLoader):
    """The safe loader with YAML 1.2's scalars: `1e-5` is a number; `on`, `no` and `1:30` are text."""


_Loader.yaml_implicit_resolvers = {}
for _tag, _pattern, _first in (
    ("tag:yaml.org,2002:null", r"(?:~|null|Null|NULL|)", "~nN\0"),
    ("tag:yaml.org,2002:bool", r"(?:true|True|TRUE|false|False|FALSE)", "tTfF"),
    ("tag:yaml.org,2002:int", r"[-+]?[0-9]+", "-+0123456789"),
    ("tag:yaml.org,2002:float", r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?", "-+.0123456789"),
    ("tag:yaml.org,2002:float", r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)", "-+."),
):
    _Loader.add_implicit_resolver(_tag, re.compile(rf"^(?:{_pattern})$"), [*_first.replace("\0", ""), ""])
# YAML 1.1 reads 010 as 8 and stumbles over 08
_Loader.add_constructor("tag:yaml.org,2002:int", lambda _, node: int(node.value))


@dataclass
class YamlTree:
    """Values of one file, the line of each key path, what was wrong on the way, and keys that `--set` wrote."""

    path: Path
    values: Any = None
    lines: dict[KeyPath, int] = field(default_factory=dict)
    problems: list[UserError] = field(default_factory=list)
    edited: set[KeyPath] = field(default_factory=set)

    def where(self, key: KeyPath) -> Where:
        """The line of a key, or of the nearest key above it that was written; `--set` for what stands in no file."""
        if self._is_edited(key):
            return Where(Path("--set"))
        while key and key not in self.lines:
            key = key[:-1]
        return Where(self.path, self.lines.get(key))

    def _is_edited(self, key: KeyPath) -> bool:
        if any(key[: number + 1] in self.edited for number in range(len(key))):
            return True
        return bool(key) and key not in self.lines and any(edit[: len(key)] == key for edit in self.edited)


def read_yaml(path: Path, *, as_written: set[tuple[str, ...]] = AS_WRITTEN) -> YamlTree:
    """The values and line numbers of a YAML file.

    Raises  StudyFileError for a file that is missing, unreadable or not YAML
    """
    text = _read_text(path)
    tree = YamlTree(path)
    try:
        node = yaml.compose(text, Loader=_Loader)
    except yaml.YAMLError as error:
        raise _syntax_error(path, error) from None
    if node is not None:
        try:
            tree.values = _value(node, key=(), tree=tree, as_written=as_written)
        except RecursionError:
            raise StudyFileError(
                "is nested without end: an alias stands inside its own anchor", where=Where(path)
            ) from None
    return tree


def read_edit(text: str, *, key: KeyPath) -> Any:
    """The value that a study file would read at this key, for `--set key=VALUE`; what is no YAML is text."""
    try:
        node = yaml.compose(text, Loader=_Loader)
    except yaml.YAMLError:
        return text
    if node is None:
        return None
    tree = YamlTree(Path("--set"))
    value = _value(node, key=key, tree=tree, as_written=AS_WRITTEN)
    raise_all(tree.problems)
    return value


def _read_text(path: Path) -> str:
    if path.is_dir():
        raise StudyFileError("is a folder where a study file is needed", where=Where(path))
    if not path.exists():
        raise StudyFileError(
            "there is no such study file",
            where=Where(path),
            fix="ls studies/   shows the study files that come with nertune",
        )
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        line = path.read_bytes()[: error.start].count(b"\n") + 1
        raise StudyFileError(
            f"byte {error.start} is not UTF-8", where=Where(path, line), fix="Save the file as UTF-8"
        ) from None
    except OSError as error:
        raise StudyFileError(f"cannot be read: {error.strerror}", where=Where(path)) from None


def _syntax_error(path: Path, error: yaml.YAMLError) -> StudyFileError:
    mark = getattr(error, "problem_mark", None)
    problem = getattr(error, "problem", None) or str(error).splitlines()[0]
    line = mark.line + 1 if mark else None
    return StudyFileError(
        f"is not YAML: {problem}", where=Where(path, line), fix="Check the indentation, the colons and the quotes"
    )


def _value(node: yaml.Node, *, key: KeyPath, tree: YamlTree, as_written: set[tuple[str, ...]]) -> Any:
    tree.lines.setdefault(key, node.start_mark.line + 1)
    if isinstance(node, yaml.MappingNode):
        return _mapping(node, key=key, tree=tree, as_written=as_written)
    if isinstance(node, yaml.SequenceNode):
        return [
            _value(item, key=(*key, number), tree=tree, as_written=as_written) for number, item in enumerate(node.value)
        ]
    if _is_written(key, as_written) and node.tag != "tag:yaml.org,2002:null":
        return node.value
    try:
        return _Loader("").construct_object(node)
    except (yaml.YAMLError, ValueError):
        where = Where(tree.path, node.start_mark.line + 1)
        tree.problems.append(
            StudyFileError(
                f"{dotted(key)} has the tag {node.tag}, which says nothing here", where=where, fix="Remove it"
            )
        )
        return node.value


def _is_written(key: KeyPath, as_written: set[tuple[str, ...]]) -> bool:
    """Whether the values at this key are names, whatever they look like; the labels of each head are."""
    is_head_label = key[:2] == ("model", "heads") and key[3:4] == ("labels",)
    return key[:2] in as_written or (is_head_label and ("data", "labels") in as_written)


def _mapping(
    node: yaml.MappingNode, *, key: KeyPath, tree: YamlTree, as_written: set[tuple[str, ...]]
) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for name_node, value_node in node.value:
        line = name_node.start_mark.line + 1
        if not isinstance(name_node, yaml.ScalarNode):
            tree.problems.append(StudyFileError("a key must be plain text", where=Where(tree.path, line)))
            continue
        name = str(name_node.value)
        if name in values:
            first = tree.lines[(*key, name)]
            tree.problems.append(
                StudyFileError(
                    f"{dotted((*key, name))} stands here again; it was given on line {first}",
                    where=Where(tree.path, line),
                    fix="Remove one of the two",
                )
            )
            continue
        tree.lines[(*key, name)] = line
        values[name] = _value(value_node, key=(*key, name), tree=tree, as_written=as_written)
    return values


def dotted(key: KeyPath) -> str:
    """`train.epochs` for ("train", "epochs")."""
    return ".".join(str(part) for part in key)


class _Dumper(yaml.SafeDumper):
    """Quotes text that this reader or one of YAML 1.1 would take for something else."""


_Dumper.yaml_implicit_resolvers = {
    first: [*yaml.SafeDumper.yaml_implicit_resolvers.get(first, []), *_Loader.yaml_implicit_resolvers.get(first, [])]
    for first in {*yaml.SafeDumper.yaml_implicit_resolvers, *_Loader.yaml_implicit_resolvers}
}


def _represent_text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    # PyYAML writes these line ends raw between single quotes, where they are read as blanks
    style = '"' if any(letter in text for letter in "\x85\u2028\u2029\ufeff") else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _represent_text)


def dump_yaml(values: Any) -> str:
    """YAML that `read_yaml` reads as the same values, mappings in their order."""
    return yaml.dump(values, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120)
