"""Readers: the text of one file -> sentences with tags, or texts with classes. One module for each format."""

from __future__ import annotations

import re
from collections.abc import Callable

from nertune.data.examples import Task
from nertune.data.readers.conll import read_conll
from nertune.data.readers.tsv import LABEL_NAMES, TEXT_NAMES, read_tsv
from nertune.data.source import Reading, Source, listed, quoted
from nertune.errors import closest

Reader = Callable[[Source], Reading]

READERS: dict[str, Reader] = {"conll": read_conll, "tsv": read_tsv}
TASKS: dict[str, tuple[Task, ...]] = {"conll": ("token",), "tsv": ("sequence",)}  # what a format can be read for
HOLDS = {"conll": "a word a line", "tsv": "a text a line"}

LOOKED_AT_LINES = 200  # enough to tell formats apart, quick for any file
TAGGED_LINE = re.compile(r"[^\t ]+[\t ](?:.*[\t ])?(?:O|[BIESLU]-[^\t ]+)[\t ]*")


def find_format(name: str, *, source: Source, task: Task) -> str:
    """The format to read a file with: the one that is named, or for `auto` the one its content shows.

    Raises   DataError if no format has that name, or if it does not fit the task
    """
    if name != "auto" and name not in READERS:
        near = closest(name, [*READERS, "auto"])
        raise source.problem(
            f"no format is named {quoted(name)}; there are {listed(['auto', *READERS])}",
            fix=f"Write for example: data: {{format: {near or 'auto'}}}",
        )
    found = recognise_format(source, task=task) if name == "auto" else name
    if task not in TASKS[found]:
        raise source.problem(
            f"the {'file looks like' if name == 'auto' else 'format is'} {found} ({HOLDS[found]}), "
            f"but the task is {task}",
            fix=f"Write task: {TASKS[found][0]}, or name the right format, for example: format: {_first_format(task)}",
        )
    return found


def recognise_format(source: Source, *, task: Task) -> str:
    """The format that the content shows; where it shows none, the one that the task usually has."""
    lines = [line for line in source.lines()[:LOOKED_AT_LINES] if line.strip(" \t")]
    has_text_header = bool(lines) and _names_a_text(lines[0], task=task)
    tagged = sum(TAGGED_LINE.fullmatch(line) is not None for line in lines)
    if tagged > len(lines) / 2 and not has_text_header:
        return "conll"
    return "tsv" if has_text_header else _first_format(task)


def _names_a_text(header: str, *, task: Task) -> bool:
    """Whether a line names the columns of a table of texts; `text<TAB>label` can head words with tags, too."""
    cells = [cell.strip().casefold() for cell in header.split("\t")]
    if len(cells) < 2 or task == "token":
        return len(cells) > 1 and cells[0] == "sentence"
    return bool(TEXT_NAMES & set(cells) and LABEL_NAMES & set(cells))


def _first_format(task: Task) -> str:
    return next(name for name in READERS if task in TASKS[name])
