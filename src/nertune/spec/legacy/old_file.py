"""A file of another program: JSON or YAML as plain values, with the line of every key."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nertune.errors import StudyFileError, UserError, Where, raise_all
from nertune.spec.yaml_lines import KeyPath, YamlTree, dotted, read_yaml

ENDINGS = (".json", ".yaml", ".yml")
LARGEST = 1 << 20  # bytes; what is larger holds data, not settings
LEVELS_UP = 3  # of folders above the file, in which a path that it names is looked for


@dataclass(frozen=True)
class OldFile:
    """What a file holds; `tree` knows the lines."""

    path: Path
    values: Any
    tree: YamlTree

    def where(self, key: KeyPath) -> Where:
        return self.tree.where(key)

    def find(self, written: str) -> Path | str:
        """The file or folder that a path in the file means.

        It was relative to the folder its program was started in: looked for beside the file, in the folders above it,
        then here. Returns a path, the text as it stands when it names a place on another machine
        """
        if written.startswith("~"):
            return written
        if Path(written).is_absolute():
            return Path(written) if is_there(written) else written
        above = self.path.parent.parents
        tried = [folder / written for folder in (self.path.parent, *above[:LEVELS_UP], Path.cwd())]
        return next((path for path in tried if is_there(path)), tried[0])

    def find_model(self, written: str) -> Path | str:
        """The folder that a model's name means, or the name as it stands: a hub id."""
        found = self.find(written)
        looks_local = written.startswith((".", "/", "~")) or written.count("/") > 1
        return found if looks_local or (isinstance(found, Path) and is_there(found)) else written


def read_old_file(path: Path) -> OldFile:
    """The values of a JSON or YAML file.

    Raises  StudyFileError for a file that is missing, too large or neither, and for keys that stand in it twice
    """
    path = path.absolute()
    if not path.is_file():
        raise StudyFileError("there is no such file", where=Where(path))
    if path.stat().st_size > LARGEST:
        raise StudyFileError("is larger than 1 MiB, which no file of settings is", where=Where(path))
    return _read_json(path) if path.suffix == ".json" else _read_yaml(path)


def _read_yaml(path: Path) -> OldFile:
    tree = read_yaml(path, as_written=set())
    raise_all(tree.problems, ending="Nothing was written.")
    return OldFile(path, tree.values, tree)


def _read_json(path: Path) -> OldFile:
    """JSON's own values; lines where YAML, of which it is nearly a part, can be asked for them."""
    try:
        values = json.loads(path.read_text(encoding="utf-8-sig"))
    except UnicodeDecodeError as error:
        raise StudyFileError(f"byte {error.start} is not UTF-8", where=Where(path)) from None
    except json.JSONDecodeError as error:
        raise StudyFileError(f"is not JSON: {error.msg}", where=Where(path, error.lineno)) from None
    except RecursionError:
        raise StudyFileError("is nested without end", where=Where(path)) from None
    try:
        tree = read_yaml(path, as_written=set())
    except UserError:  # tabs before a key are JSON, and no YAML
        tree = YamlTree(path)
    raise_all(tree.problems, ending="Nothing was written.")
    return OldFile(path, values, tree)


def flat_keys(values: Any, *, at: KeyPath = ()) -> dict[str, tuple[KeyPath, Any]]:
    """Every dotted key below `at` with its path in the file and its value; a list or an empty mapping is a value."""
    if isinstance(values, dict) and values:
        found: dict[str, tuple[KeyPath, Any]] = {}
        for name, value in values.items():
            found |= flat_keys(value, at=(*at, str(name)))
        return found
    return {dotted(at): (at, values)} if at else {}


def is_there(path: Path | str) -> bool:
    """Whether there is such a file or folder; False for what no path can be."""
    return os.path.exists(path)  # noqa: PTH110  # Path's own raises for a name that is too long
