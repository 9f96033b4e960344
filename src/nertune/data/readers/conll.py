"""CoNLL columns: a word a line with its tag, a blank line between sentences."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from nertune.data import labels
from nertune.data.source import (
    Reading,
    Source,
    TaggedSentence,
    check_column_keys,
    find_named_column,
    missing_column,
    quoted,
)
from nertune.errors import DataError

# Tab and U+0020 only: a no-break space is part of a word. Two tabs hold an empty column, many blanks are one border.
BORDER = re.compile(r" *\t *| +")
KEY_AND_VALUE = re.compile(r"# ?[^\t =][^\t=]* = ")  # CoNLL-U's `# sent_id = 7`, `# newdoc id = a`
WORD_NAMES = {"word", "words", "token", "tokens", "form", "text"}
TAG_NAMES = {"tag", "tags", "label", "labels", "ner", "ner_tag", "ner_tags"}
DOCUMENT_START = "-DOCSTART-"

Row = list[str] | None  # the columns of a line; None: not there (a comment, the header); [""]: a blank line


@dataclass(frozen=True)
class Layout:
    """Where word and tag stand (numbers from 0, or from -1 backwards), and the line of the header, if any."""

    word: int = 0
    tag: int = -1
    header_line: int | None = None

    @cached_property
    def n_needed(self) -> int:
        """The least number of columns in which word and tag are two."""
        places = (self.word, self.tag)
        return max([0, *(place + 1 for place in places)]) + max([0, *(-place for place in places)])


def read_conll(source: Source) -> Reading:
    """The sentences of a file in CoNLL columns; by default the word is first and the tag last."""
    lines = source.lines()
    rows: list[Row] = [_columns(line) for line in lines]
    layout, problems = _find_layout(source, lines=lines, rows=rows)
    if problems:
        return Reading(problems=problems)
    if layout.header_line is not None:
        rows[layout.header_line - 1] = None
    usual = _usual_columns(lines, rows=rows)
    n_comments = _blank_out_comments(lines, rows=rows, layout=layout, usual=usual)
    sentences = list(_sentences(rows, layout=layout))
    counts = {
        "comment lines": n_comments,
        "lines with an unusual number of columns": _count_unusual(rows, usual=usual),
    }
    return Reading(sentences, counts=counts, problems=_problems(source, rows=rows, layout=layout, usual=usual))


def _columns(line: str) -> list[str]:
    line = line.rstrip(" \t")
    if line.startswith(DOCUMENT_START) and line[len(DOCUMENT_START) :][:1] in ("", " ", "\t"):
        return [""]  # ends a sentence, as a blank line does
    return BORDER.split(line.lstrip(" ")) if " " in line else line.split("\t")


def _find_layout(source: Source, *, lines: Sequence[str], rows: Sequence[Row]) -> tuple[Layout, list[DataError]]:
    problems = check_column_keys(source, known=("word", "tag"))
    line, header = _first_row(lines, rows=rows)
    places, is_header = {"word": 0, "tag": -1}, _looks_like_header(header)
    if is_header:
        places = {"word": _place(header, names=WORD_NAMES), "tag": _place(header, names=TAG_NAMES)}
    for key in places:
        column = source.columns.get(key)
        place = find_named_column(column, header=header) if isinstance(column, str) else column
        if place is not None:
            places[key] = place
        elif column is not None:
            problems.append(missing_column(source, key=key, name=str(column), header=header, line=line))
    is_header = is_header or any(isinstance(column, str) for column in source.columns.values())
    if places["word"] == places["tag"]:
        problems.append(
            source.problem(f"word and tag are both column {places['word']}", fix="columns: {word: 0, tag: -1}")
        )
    return Layout(places["word"], places["tag"], line if is_header else None), problems


def _first_row(lines: Sequence[str], *, rows: Sequence[Row]) -> tuple[int, list[str]]:
    """The first line, from 1, that is neither blank nor marked with #, and its columns."""
    found = (place for place, row in enumerate(rows) if row and row != [""] and lines[place][0] != "#")
    place = next(found, 0)
    return place + 1, rows[place] or [""]


def _looks_like_header(row: Sequence[str]) -> bool:
    cells = {cell.casefold() for cell in row}
    return row[-1].casefold() in TAG_NAMES and bool(cells & WORD_NAMES)


def _place(header: Sequence[str], *, names: set[str]) -> int:
    return next(place for place, cell in enumerate(header) if cell.casefold() in names)


def _usual_columns(lines: Sequence[str], *, rows: Sequence[Row]) -> int:
    lengths = Counter(
        len(row) for line, row in zip(lines, rows, strict=True) if row and line[:1] != "#" and len(row) > 1
    )
    return lengths.most_common(1)[0][0] if lengths else 2


def _blank_out_comments(lines: Sequence[str], *, rows: list[Row], layout: Layout, usual: int) -> int:
    """Put None for every comment and say how many there were."""
    marked = [place for place, line in enumerate(lines) if line[:1] == "#"]
    if not marked:
        return 0
    tags = _tags([row for line, row in zip(lines, rows, strict=True) if line[:1] != "#"], layout)
    comments = [
        place for place in marked if _is_comment(lines[place], row=rows[place], layout=layout, usual=usual, tags=tags)
    ]
    for place in comments:
        rows[place] = None
    return len(comments)


def _is_comment(line: str, *, row: Row, layout: Layout, usual: int, tags: set[str]) -> bool:
    """Whether a line that starts with # is a comment: `# key = value`, or nothing in it that could be a tag.

    `#photography<TAB>O` is a word. `# newdoc` is none, unless another line has the tag `newdoc`.
    """
    if not row or KEY_AND_VALUE.match(line) or len(row) < layout.n_needed:
        return True
    tag, is_prose = row[layout.tag], line.startswith("# ")
    if tag == labels.OUTSIDE or tag in tags:
        return is_prose and len(row) != usual  # `# we left this out O`
    return is_prose or len(row) != usual or not labels.has_prefix(tag)


def _tags(rows: Sequence[Row], layout: Layout) -> set[str]:
    tag_at, n_needed = layout.tag, layout.n_needed
    return {row[tag_at] for row in rows if row is not None and len(row) >= n_needed}


def _sentences(rows: Sequence[Row], *, layout: Layout) -> Iterator[TaggedSentence]:
    words: list[str] = []
    tags: list[str] = []
    lines: list[int] = []
    word_at, tag_at, n_needed = layout.word, layout.tag, layout.n_needed
    for number, row in enumerate(rows, 1):
        if row is None:
            continue
        if len(row) >= n_needed:
            words.append(row[word_at])
            tags.append(row[tag_at])
            lines.append(number)
        elif row == [""] and words:
            yield TaggedSentence(tuple(words), tuple(tags), lines)
            words, tags, lines = [], [], []
    if words:
        yield TaggedSentence(tuple(words), tuple(tags), lines)


def _count_unusual(rows: Sequence[Row], *, usual: int) -> int:
    return sum(row is not None and len(row) != usual and row != [""] for row in rows)


def _problems(source: Source, *, rows: Sequence[Row], layout: Layout, usual: int) -> list[DataError]:
    used = [(number, row) for number, row in enumerate(rows, 1) if row is not None and row != [""]]
    lengths = Counter(len(row) for _, row in used if len(row) > 1)  # a lone word has lost its tag, which is told below
    if layout.tag < 0 and lengths[usual] < lengths.total() / 2:
        return [_no_table(source, lengths=lengths, line=used[0][0])]
    needed = max(layout.n_needed, usual) if labels.has_bare_types(_tags(rows, layout)) else layout.n_needed
    return [
        problem
        for number, row in used
        if (problem := _fault(source, row=row, line=number, layout=layout, needed=needed)) is not None
    ]


def _fault(source: Source, *, row: Sequence[str], line: int, layout: Layout, needed: int) -> DataError | None:
    """What is wrong with a line of words, if anything.

    needed  columns of a line. In a file of bare types it is the usual number: where the tag was forgotten, the part of
            speech before it would pass for one
    """
    if len(row) < layout.n_needed or (len(row) < needed and row[layout.tag] != labels.OUTSIDE):
        what = "two are needed (word, tag)" if needed == 2 else f"{needed} are needed"
        have = "one column" if len(row) == 1 else f"{len(row)} columns"
        message = f"{have} where {what}; the word is {quoted(row[0])}"
        return source.problem(message, line=line, fix=_add_tag(row[0]))
    word, tag = row[layout.word], row[layout.tag]
    if not word:
        return source.problem(f"no word before the tag {quoted(tag)}", line=line, fix="Write it, or delete the line.")
    return None if tag else source.problem(f"the word {quoted(word)} has no tag", line=line, fix=_add_tag(word))


def _no_table(source: Source, *, lengths: Counter[int], line: int) -> DataError:
    message = (
        f"lines have {min(lengths)} to {max(lengths)} columns, few alike; CoNLL has a word, blanks or a tab, a tag"
    )
    return source.problem(message, line=line, fix="If each line is a text, write task: sequence.")


def _add_tag(word: str) -> str:
    return f"Add its tag, for example: {quoted(word)[1:-1]}<TAB>O"
