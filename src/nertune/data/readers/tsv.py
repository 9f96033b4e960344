"""Tab-separated texts: a header, then a text and its class a line. Quotation marks are ordinary characters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from nertune.data.examples import SequenceExample
from nertune.data.source import (
    Reading,
    Source,
    check_column_keys,
    find_named_column,
    listed,
    missing_column,
    quoted,
)
from nertune.errors import DataError, Where

TEXT_NAMES = {"sentence", "text"}
LABEL_NAMES = {"label", "labels"}
NAMES = {"text": TEXT_NAMES, "label": LABEL_NAMES}


@dataclass(frozen=True)
class Layout:
    """Where text and label stand (numbers from 0, or from -1 backwards), and how many lines the header ends after."""

    text: int
    label: int
    n_columns: int | None  # of the header; None: there is none
    first_line: int

    @cached_property
    def n_needed(self) -> int:
        """The least number of columns a line must have."""
        return max(self.text + 1, self.label + 1, -self.text, -self.label, 2)


def read_tsv(source: Source) -> Reading:
    """The texts of a tab-separated file and their classes.

    The columns are found by the header (sentence or text, label or labels, whatever the case) or by `data.columns`. A
    file whose columns are all given by number needs no header.
    """
    lines = source.lines()
    layout = _find_layout(source, lines=lines)
    if isinstance(layout, list):
        return Reading(problems=layout)
    numbered = enumerate(lines[layout.first_line - 1 :], layout.first_line)
    rows = [(number, line.split("\t")) for number, line in numbered if line.strip(" \t")]
    problems = [
        _fault(source, cells=cells, line=number, layout=layout)
        for number, cells in rows
        if not _is_whole(cells, layout)
    ]
    texts = [
        SequenceExample(cells[layout.text], cells[layout.label].strip(" "), Where(source.path, number))
        for number, cells in rows
        if _is_whole(cells, layout)
    ]
    counts = {
        "lines with more columns than the header": sum(
            len(cells) > (layout.n_columns or len(cells)) for _, cells in rows
        ),
        "empty texts": sum(not example.text.strip() for example in texts),
    }
    return Reading(texts=texts, counts=counts, problems=problems)


def _is_whole(cells: Sequence[str], layout: Layout) -> bool:
    return len(cells) >= layout.n_needed and bool(cells[layout.label].strip(" "))


def _find_layout(source: Source, *, lines: Sequence[str]) -> Layout | list[DataError]:
    problems = check_column_keys(source, known=tuple(NAMES))
    line = next((number for number, line in enumerate(lines, 1) if line.strip(" \t")), None)
    if line is None or problems:
        return problems or Layout(0, 1, None, 1)  # a file of blank lines: no text, which the corpus refuses
    header = lines[line - 1].split("\t")
    places: dict[str, int] = {}
    for key in NAMES:
        place = _find_place(source, key=key, header=header, line=line)
        if isinstance(place, DataError):
            problems.append(place)
        else:
            places[key] = place
    if problems:
        return problems
    if _place_in(header, places["text"]) == _place_in(header, places["label"]):
        return [
            source.problem("text and label are the same column", line=line, fix="data: {columns: {text: 0, label: 1}}")
        ]
    has_header = _has_header(source, header=header, places=places)
    return Layout(places["text"], places["label"], len(header) if has_header else None, line + has_header)


def _find_place(source: Source, *, key: str, header: Sequence[str], line: int) -> int | DataError:
    column = source.columns.get(key)
    if isinstance(column, int):
        return column
    if column is not None:
        place = find_named_column(column, header=header)
        return missing_column(source, key=key, name=column, header=header, line=line) if place is None else place
    found = [place for place, cell in enumerate(header) if cell.strip().casefold() in NAMES[key]]
    if len(found) == 1:
        return found[0]
    names = [cell.strip() for cell in header]
    wanted = " or ".join(sorted(NAMES[key]))
    how_many = "no column is" if not found else f"{len(found)} columns are"
    example = (names[found[0]] if found else names[0] if key == "text" else names[-1])[:40]
    return source.problem(
        f"{how_many} named {wanted}; the columns are {listed(names)}",
        line=line,
        fix=f"Say which: data: {{columns: {{{key}: {quoted(example)}}}}}, or all by number: {{text: 0, label: 1}}",
    )


def _has_header(source: Source, *, header: Sequence[str], places: dict[str, int]) -> bool:
    """Whether the first line is a header: it names a column that was asked for, or numbers point at the usual names."""
    if any(not isinstance(source.columns.get(key), int) for key in NAMES):
        return True
    return any(
        -len(header) <= places[key] < len(header) and header[places[key]].strip().casefold() in NAMES[key]
        for key in NAMES
    )


def _place_in(row: Sequence[str], place: int) -> int:
    return place if place >= 0 else len(row) + place


def _fault(source: Source, *, cells: Sequence[str], line: int, layout: Layout) -> DataError:
    if len(cells) >= layout.n_needed:
        return source.problem(
            f"the text {quoted(cells[layout.text])} has no label", line=line, fix="Add it, or delete the line."
        )
    have = "one column" if len(cells) == 1 else f"{len(cells)} columns"
    message = f"{have} where {layout.n_needed} are needed; the line starts with {quoted(cells[0])}"
    return source.problem(
        message, line=line, fix="Add what is missing after a tab, for example: the text<TAB>its label"
    )
