"""What the numbers of a file's labels mean: a list of names in the file itself, or in a file beside it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from nertune.data.json_lines import Json, read_value
from nertune.data.source import Source
from nertune.errors import DataError, shown_path

# Keys of lists of names, in a header or a JSON file; `stem.txt` and `stem.json` beside the data are looked for, too.
LIST_KEYS = (
    "label_names",
    "label_list",
    "labels",
    "id2label",
    "label2id",
    "tag_names",
    "tags",
    "id2tag",
    "tag2id",
    "ner_tags",
    "classes",
    "names",
)
INFO_FILES = ("dataset_info.json", "dataset_infos.json")  # of `datasets`
INSIDE = ("feature", "sequence", "class_label", "names")  # from a column of `features` to its names
DEEPEST = 6
NUMBER_FIRST = re.compile(r"(\d{1,9})[ \t:,]+(\S.*)")
NUMBER_LAST = re.compile(r"(\S.*?)[ \t:,]+(\d{1,9})")


@dataclass
class LabelNames:
    """The names of one column's label numbers, looked for when the first number is met.

    key     the column
    header  what stands beside the items in their file
    names   where they are known already
    """

    source: Source
    key: str
    header: Mapping[str, Json] = field(default_factory=dict)
    names: Mapping[int, str] | None = None
    _is_sought: bool = False

    def find(self) -> Mapping[int, str] | None:
        """Number -> name; None where nothing says it.

        Raises   DataError if a file of names cannot be read
        """
        if self.names is None and not self._is_sought:
            self._is_sought = True
            self.names = names_under(self.header, key=self.key) or _names_beside(self.source, key=self.key)
        return self.names

    def needed(self, number: int, *, line: int) -> Mapping[int, str]:
        """The same, where numbers alone mean nothing.

        Raises   DataError if there is no list
        """
        names = self.find()
        if names is None:
            folder = _folder(self.source)
            path = "labels.txt in a saved copy" if folder is None else shown_path(folder / "labels.txt")
            raise self.source.problem(
                f"{self.key} holds numbers ({number}), and nothing says which label each number is",
                line=line,
                fix=f"Write their names to {path}, one a line, in the order of the numbers from 0.",
            )
        return names


def unknown_number(source: Source, number: int, *, names: Mapping[int, str], line: int) -> DataError:
    """The problem that a label number is outside the list of names."""
    return source.problem(
        f"label number {number} is not in the list of {len(names)} names ({min(names)} to {max(names)})",
        line=line,
        fix="Correct the number, or add the name to the list.",
    )


def names_in(value: Json, *, key: str) -> Mapping[int, str] | None:
    """The names in a JSON file for the numbers of a column: a list, {"0": name}, {name: 0}, or deeper inside."""
    direct = _direct(value)
    return names_under(value, key=key) if direct is None and isinstance(value, dict) else direct


def names_under(value: Mapping[str, Json], *, key: str) -> Mapping[int, str] | None:
    """The names that stand under one of LIST_KEYS, or in the `features` of `datasets`."""
    for features in _features(value):
        found = _in_feature(features.get(key))
        if found is not None:
            return found
    named = (_direct(value[name]) for name in (f"{key}_names", *LIST_KEYS) if name in value)
    return next((names for names in named if names is not None), None)


def _direct(value: Json) -> Mapping[int, str] | None:
    if isinstance(value, list):
        return dict(enumerate(value)) if value and all(isinstance(name, str) for name in value) else None
    if not isinstance(value, dict) or not value:
        return None
    if all(re.fullmatch(r"\d{1,9}", key) for key in value) and all(isinstance(name, str) for name in value.values()):
        return {int(key): name for key, name in value.items()}
    if all(type(number) is int for number in value.values()):
        return {number: name for name, number in value.items()}
    return None


def _features(value: Mapping[str, Json]) -> Iterator[dict[str, Json]]:
    """`features` of a description, or of the first of several configurations that has them."""
    for inside in (value, *value.values()):
        if isinstance(inside, dict) and isinstance(inside.get("features"), dict):
            yield inside["features"]


def _in_feature(value: Json) -> Mapping[int, str] | None:
    for _ in range(DEEPEST):
        if not isinstance(value, dict):
            break
        value = next((value[key] for key in INSIDE if key in value), None)
        found = _direct(value)
        if found is not None:
            return found
    return None


# ---- files beside the data


def _folder(source: Source) -> Path | None:
    """Where a list would lie: beside the file, or in the folder; nowhere for what comes from the hub."""
    if source.data.hub is not None:
        return None
    return source.path if source.path.is_dir() else source.path.parent


def _names_beside(source: Source, *, key: str) -> Mapping[int, str] | None:
    folder = _folder(source)
    stems = (f"{key}_names", *LIST_KEYS)
    names = [*(f"{stem}.txt" for stem in stems), *(f"{stem}.json" for stem in stems), *INFO_FILES]
    for path in (folder / name for name in names) if folder else ():
        if path != source.path and path.is_file():
            beside = source.beside(path)
            found = names_in(read_value(beside), key=key) if path.suffix == ".json" else _read_list(beside)
            if found is not None:
                return found
    return None


def _read_list(source: Source) -> Mapping[int, str] | None:
    """The names of a text file: one a line in the order of their numbers, or with its number before or after it."""
    lines = [line.strip() for line in source.lines() if line.strip()]
    for pattern, number, name in ((NUMBER_FIRST, 1, 2), (NUMBER_LAST, 2, 1)):
        found = {int(match[number]): match[name] for line in lines if (match := pattern.fullmatch(line))}
        if found and len(found) == len(set(found.values())) == len(lines):
            return found
    return dict(enumerate(lines)) or None
