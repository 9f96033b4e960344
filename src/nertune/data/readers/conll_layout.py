"""What the first lines of a CoNLL file show: which columns hold word and tags, what separates them, and a header."""

from __future__ import annotations

import re
import shlex
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise

from nertune.data import labels
from nertune.data.source import (
    SEVERAL,
    Source,
    check_column_keys,
    find_named_column,
    listed,
    missing_column,
    quoted,
)
from nertune.errors import DataError, shown_path

WORD_NAMES = {"word", "words", "token", "tokens", "form", "text"}
TAG_NAMES = {"tag", "tags", "label", "labels", "ner", "ner_tag", "ner_tags", "entity", "ne", "iob", "bio"}
DOCUMENT_START = "-DOCSTART-"

# Tab and U+0020 only: a no-break space is part of a word. Two tabs hold an empty column, many blanks are one border.
BORDER = re.compile(r" *\t *| +")
GLOBAL_COLUMNS = re.compile(r"# ?global\.columns ?=(.*)")  # the first line of a CoNLL-U Plus file
WORD_ID = re.compile(r"[0-9]{1,9}")
SEVERAL_IDS = re.compile(r"[0-9]+[-.][0-9]+")  # a multiword token `3-4`, an empty node `5.1`
NER_IN_MISC = re.compile(r"(?:^|\|)ner=([^|]*)", re.IGNORECASE)  # `NER=B-PER|SpaceAfter=No`; Stanza writes `ner=`
NOTHING = {"_", "*"}  # in CoNLL-U Plus: no annotation, or no part of one
CONLLU_COLUMNS = 10
OTHER_BORDERS = (";", ",", "|", "/", "\\", ":")  # what some tools write where CoNLL has a tab or blanks

Row = list[str]  # the columns of a line; [""]: a blank line
NumberedRow = tuple[int, Row]


@dataclass(frozen=True)
class Layout:
    """How the lines of a file are made.

    word, tags   numbers of their columns, from 0, or from -1 backwards
    header_line  of the line that names the columns; 0: there is none
    usual        number of columns of most lines
    is_tabbed    only tabs separate: a blank belongs to its column
    is_guess     the cells alone say which column the tag is
    id           the column that counts the words of a sentence, if there is one
    is_conllu    `_` and `*` as a tag are O
    in_misc      the tag stands in CoNLL-U's last column, as `NER=B-PER|SpaceAfter=No`
    known_tags   of the first lines: what a line that begins with # may have as a tag, to be a word
    """

    word: int = 0
    tags: tuple[int, ...] = (-1,)
    header_line: int = 0
    usual: int = 2
    is_tabbed: bool = True
    is_guess: bool = False
    id: int | None = None
    is_conllu: bool = False
    in_misc: bool = False
    known_tags: frozenset[str] = frozenset()

    @cached_property
    def n_needed(self) -> int:
        """The least number of columns from which on no tag is the word's column."""
        pairs = [(self.word, tag) for tag in self.tags]
        return max(max(0, *(one + 1 for one in pair)) + max(0, *(-one for one in pair)) for pair in pairs)

    @cached_property
    def n_needed_by_types(self) -> int:
        """The same where a tag has no prefix: if it was forgotten, the part of speech before it would pass for one."""
        return max(self.n_needed, self.usual) if min(self.tags) < 0 else self.n_needed

    @cached_property
    def has_bare_types(self) -> bool:
        return labels.has_bare_types(self.known_tags)

    @cached_property
    def usual_line(self) -> re.Pattern[str]:
        """A line as most are, for `findall` on whole sentences: word and tags are groups, in the order of columns.

        A line that asks for a decision is none: a comment, a border, blanks that may be part of a word.
        """
        if self.usual < self.n_needed:
            return re.compile(r"(?!)")
        cell = r"[^\t\n ]+"
        other = r"[^\t\n]*" if self.is_tabbed else cell
        cells = [f"({cell})" if place in self.places else other for place in range(self.usual)]
        if self.id is not None and self.id not in self.places:
            cells[self.id] = WORD_ID.pattern
        if cells[-1] == other:
            cells[-1] = cell
        border = r" *\t *" if self.is_tabbed else f"(?:{BORDER.pattern})"
        return re.compile(rf"^(?!#|{DOCUMENT_START}){border.join(cells)}[\t ]*$", re.MULTILINE)

    @cached_property
    def groups(self) -> tuple[int, ...]:
        """The groups of `usual_line` that hold the word and each tag, from 0."""
        ordered = sorted(set(self.places))
        return tuple(ordered.index(place) for place in self.places)

    @cached_property
    def places(self) -> tuple[int, ...]:
        """The columns of the word and of each tag, from 0, in lines as most are."""
        return tuple(place if place >= 0 else self.usual + place for place in (self.word, *self.tags))

    def tags_of(self, columns: Sequence[Sequence[str]]) -> tuple[str, ...]:
        """The tag of each word from the cells of the columns of tags."""
        if self.in_misc:
            return tuple(_tag_in_misc(cell) for cell in columns[0])
        if self.is_conllu:
            columns = [[labels.OUTSIDE if cell in NOTHING else cell for cell in cells] for cells in columns]
        return tuple(columns[0]) if len(columns) == 1 else tuple(map(SEVERAL.join, zip(*columns, strict=True)))


def find_layout(source: Source) -> tuple[Layout, list[DataError]]:
    """How the lines are made, and what speaks against reading them so.

    Only tabs separate if at least half of the first lines have the usual number of tabs and no blank in their word:
    `New York<TAB>B-LOC` is one word then. `Ada NNP<TAB>B-PER` on each line is three columns.
    """
    rows = head_rows(source, is_tabbed=True)
    layout, problems = _layout_of(source, rows=rows)
    fitting = [row for _, row in rows if len(row) == layout.usual >= layout.n_needed and " " not in row[layout.word]]
    if len(fitting) * 2 < len(rows) or not fitting:
        rows = head_rows(source, is_tabbed=False)
        layout, problems = _layout_of(source, rows=rows)
        layout = replace(layout, is_tabbed=False)
    if not problems:
        problems = [
            *_other_border(source, rows=rows),
            *_no_table(source, rows=rows, layout=layout),
            *_no_tags(source, rows=rows, layout=layout),
        ]
    return layout, problems


def head_rows(source: Source, *, is_tabbed: bool) -> list[NumberedRow]:
    """The first lines that are neither blank nor marked with #, as columns."""
    lines = source.head_lines
    usual = 0
    if any("\r" in line for line in lines):
        parts = [split_line(part, is_tabbed=is_tabbed) for line in lines for part in line.split("\r")]
        usual = _usual_columns([part for part in parts if part != [""]])
    rows = [
        (number, split_line(part, is_tabbed=is_tabbed))
        for number, line in enumerate(lines, 1)
        for part in split_at_returns(line, is_tabbed=is_tabbed, usual=usual)
        if part[:1] != "#"
    ]
    return [(number, row) for number, row in rows if row != [""]]


def body_rows(source: Source, *, layout: Layout) -> list[Row]:
    """The same below the header, as the layout has them."""
    rows = [
        columns_of(part, layout=layout)
        for number, line in enumerate(source.head_lines, 1)
        for part in split_at_returns(line, is_tabbed=layout.is_tabbed, usual=layout.usual)
        if part[:1] != "#" and number != layout.header_line
    ]
    return [row for row in rows if row != [""]]


def split_at_returns(line: str, *, is_tabbed: bool, usual: int) -> list[str]:
    """The line, or its parts where a lone CR ends lines, too: two are filled, and have the usual number of columns."""
    if "\r" not in line:
        return [line]
    parts = line.split("\r")
    filled = [row for part in parts if (row := split_line(part, is_tabbed=is_tabbed)) != [""]]
    return parts if len(filled) > 1 and all(len(row) == usual and row[0] for row in filled) else [line]


def columns_of(line: str, *, layout: Layout) -> Row:
    """The columns of a line; in a file of tabs one without any is split at blanks if a sound row comes of it."""
    row = split_line(line, is_tabbed=layout.is_tabbed)
    if len(row) == 1 and " " in row[0]:
        by_blanks = split_line(line, is_tabbed=False)
        fits = len(by_blanks) == layout.usual >= layout.n_needed
        if fits and all(is_tag(by_blanks[place]) or by_blanks[place] in layout.known_tags for place in layout.tags):
            return by_blanks
    return row


def split_line(line: str, *, is_tabbed: bool) -> Row:
    """The columns of a line; [""] for a blank one and for `-DOCSTART-`, which ends a sentence as a blank line does."""
    line = line.rstrip(" \t")
    if is_document_start(line):
        return [""]
    if " " not in line:
        return line.split("\t")
    return [cell.strip(" ") for cell in line.split("\t")] if is_tabbed else BORDER.split(line.lstrip(" "))


def is_document_start(line: str) -> bool:
    return line.startswith(DOCUMENT_START) and line[len(DOCUMENT_START) :][:1] in ("", " ", "\t")


def is_tag(cell: str) -> bool:
    """Whether a cell can be nothing else than a tag: O, or with a prefix."""
    return cell == labels.OUTSIDE or labels.has_prefix(cell)


def global_columns(source: Source) -> Row | None:
    """The names of the columns of a CoNLL-U Plus file, None for another."""
    found = (GLOBAL_COLUMNS.fullmatch(line) for line in source.head_lines[:1])
    return next((match[1].split() for match in found if match and match[1].split()), None)


def find_other_tags(source: Source, *, layout: Layout) -> list[int]:
    """The columns that look like tags and are not read, where nothing says which column the tag is."""
    if "tag" in source.columns:
        return []
    rows = [row for line, row in head_rows(source, is_tabbed=layout.is_tabbed) if line != layout.header_line]
    read = {place % layout.usual for place in (layout.word, *layout.tags)}
    return [
        place
        for place in range(layout.usual)
        if place not in read and _are_tags(rows, place) and any(labels.has_prefix(row[place]) for row in rows)
    ]


def _layout_of(source: Source, *, rows: Sequence[NumberedRow]) -> tuple[Layout, list[DataError]]:
    names, problems = global_columns(source), check_column_keys(source, known=("word", "tag"))
    line, first = rows[0] if rows else (1, [""])
    is_header = names is None and _is_header(source, first, below=[row for _, row in rows[1:]])
    header = names or (first if is_header else [])
    body = [row for _, row in rows[is_header:]]
    usual = len(names) if names else _usual_columns(body)
    counts_words = names is None and _counts_words(body)
    guessed = {} if header or counts_words or "tag" in source.columns else _guessed_places(body)
    places = _usual_places(header, rows=body, counts_words=counts_words) | guessed
    places |= _chosen_places(source, header=header, line=1 if names else line, problems=problems)
    problems += _beyond(source, rows=body, line=line)
    word, tags = places["word"][0], places["tag"]
    if word in tags:
        problems.append(source.problem(f"word and tag are both column {word}", fix="columns: {word: 0, tag: -1}"))
    layout = Layout(
        word,
        tags,
        header_line=line if is_header else 0,
        usual=usual,
        is_guess=bool(guessed),
        id=find_named_column("ID", header=header) if names else 0 if counts_words else None,
        is_conllu=names is not None or counts_words,
        in_misc=_is_misc(tags, names=names, usual=usual) and (counts_words or bool(names)) and not _are_tags(body, -1),
        known_tags=frozenset(row[place] for row in body for place in tags if -len(row) <= place < len(row)),
    )
    return layout, problems


def _usual_columns(rows: Sequence[Row]) -> int:
    lengths = Counter(len(row) for row in rows if len(row) > 1)
    return lengths.most_common(1)[0][0] if lengths else 2


def _is_header(source: Source, row: Row, *, below: Sequence[Row]) -> bool:
    """Whether the first row names the columns: it is said, needed, or one cell means words and the last one no tag."""
    if source.data.header != "auto":
        return source.data.header
    if any(isinstance(column, str) for key in source.columns for column in _wanted(source, key)):
        return True
    names = {cell.casefold() for cell in row}
    names_tags = names & TAG_NAMES or _are_tags(below, -1)
    return bool(names & WORD_NAMES and names_tags) and not is_tag(row[-1])


def _usual_places(header: Row, *, rows: Sequence[Row], counts_words: bool) -> dict[str, tuple[int, ...]]:
    """Where word and tag stand if the study file does not say it."""
    word, tag = 0, -1
    if counts_words:  # UNER: number, word, tag, `-`, name of the annotator
        word, tag = 1, 2 if _are_tags(rows, 2) else -1
    names = [name.rpartition(":")[2].strip(" ").casefold() for name in header]  # CoNLL-U Plus may have `PROJECT:NER`
    word = next((place for place, name in enumerate(names) if name in WORD_NAMES), word)
    tag = next((place for place, name in enumerate(names) if name in TAG_NAMES and place != word), tag)
    return {"word": (word,), "tag": (tag,)}


def _guessed_places(rows: Sequence[Row]) -> dict[str, tuple[int, ...]]:
    """Where the tag stands in a file without header whose last column holds none, but one other column does.

    It may be followed by scores, or be the first of two columns, as in MIT's corpora of restaurants and movies.
    """
    usual = _usual_columns(rows)
    whole = [row for row in rows if len(row) == usual]
    tagged = [sum(is_tag(row[place]) for row in whole) * 2 > len(rows) for place in range(usual)]
    places = [place for place, holds in enumerate(tagged) if holds and any(labels.has_prefix(r[place]) for r in whole)]
    if (
        any(row[-1] == labels.OUTSIDE for row in whole)
        or tagged[-1]
        or len(places) != 1
        or (places == [0] and usual > 2)
    ):
        return {}
    return {"tag": (places[0],)} if places[0] else {"word": (1,), "tag": (0,)}


def _chosen_places(source: Source, *, header: Row, line: int, problems: list[DataError]) -> dict[str, tuple[int, ...]]:
    """Where the columns stand that `data.columns` asks for; what cannot be found is added to `problems`."""
    chosen: dict[str, tuple[int, ...]] = {}
    for key in ("word", "tag"):
        wanted = _wanted(source, key)
        if key == "word" and len(wanted) > 1:
            message = f"data.columns has {len(wanted)} columns for {key}"
            problems.append(source.problem(message, fix="Write for example: data: {columns: {word: 0, tag: [1, 2]}}"))
        found = {name: find_named_column(name, header=header) if isinstance(name, str) else name for name in wanted}
        problems += [
            _missing(source, key=key, name=str(name), header=header, line=line)
            for name, place in found.items()
            if place is None
        ]
        if places := tuple(dict.fromkeys(place for place in found.values() if place is not None)):
            chosen[key] = places
    return chosen


def _beyond(source: Source, *, rows: Sequence[Row], line: int) -> list[DataError]:
    """Problems of column numbers in `data.columns` that no line reaches."""
    longest = max(map(len, rows), default=0)
    beyond = {
        key: column
        for key in ("word", "tag")
        for column in _wanted(source, key)
        if longest and isinstance(column, int) and not -longest <= column < longest
    }
    have = "one column" if longest == 1 else f"{longest} columns"
    return [
        source.problem(
            f"data.columns: {key} is column {column}, but the lines have {have}, the first of them 0",
            line=line,
            fix=f"Write for example: data: {{columns: {{{key}: {0 if key == 'word' else longest - 1}}}}}",
        )
        for key, column in beyond.items()
    ]


def _wanted(source: Source, key: str) -> tuple[str | int, ...]:
    """What `data.columns` says of one key: one column or several."""
    column = source.columns.get(key, ())
    return column if isinstance(column, tuple) else (column,)


def _missing(source: Source, *, key: str, name: str, header: Row, line: int) -> DataError:
    if not header or any(map(is_tag, header)):
        why = "data.header is false" if not header else f"the first line holds {listed(header)}"
        message = f"data.columns names {quoted(name)}, but {why}: no line names the columns"
        return source.problem(message, fix=f"Write its number, from 0: data: {{columns: {{{key}: 0}}}}")
    return missing_column(source, key=key, name=name, header=header, line=line)


def _counts_words(rows: Sequence[Row]) -> bool:
    """Whether the first of three columns or more counts the words of each sentence: 1, 2, 3, 1, 2, …"""
    ids = [row[0] for row in rows if not SEVERAL_IDS.fullmatch(row[0])]
    if min(map(len, rows), default=0) < 3 or not all(map(WORD_ID.fullmatch, ids)):
        return False
    numbers = [int(number) for number in ids]
    n_steps = sum(number in (1, before + 1) for before, number in pairwise(numbers))
    is_counted = 2 in numbers or (set(numbers) == {1} and _are_tags(rows, 2) and not _are_tags(rows, -1))
    return is_counted and numbers[0] == 1 and n_steps >= 0.9 * (len(numbers) - 1)


def _is_misc(tags: tuple[int, ...], *, names: Row | None, usual: int) -> bool:
    """Whether the tag is to stand in CoNLL-U's column for everything else."""
    if names:
        return len(tags) == 1 and -len(names) <= tags[0] < len(names) and names[tags[0]].upper() == "MISC"
    return usual == CONLLU_COLUMNS and tags in ((-1,), (usual - 1,))


def _are_tags(rows: Sequence[Row], place: int) -> bool:
    return bool(rows) and all(len(row) > place and is_tag(row[place]) for row in rows)


def _tag_in_misc(cell: str) -> str:
    found = NER_IN_MISC.search(cell)
    return found[1] if found and found[1] and found[1] not in NOTHING else labels.OUTSIDE


# ---- what speaks against a layout


def find_other_border(rows: Sequence[NumberedRow]) -> str | None:
    """The mark before the tag where most cells are a word with its tag, as in `Ada;B-PER` or `Ada/B-PER slept/O`."""
    cells = [cell for _, row in rows for cell in row]
    found = {mark: sum(_ends_with_tag(cell, mark=mark) for cell in cells if mark in cell) for mark in OTHER_BORDERS}
    return next((mark for mark, n_tags in found.items() if n_tags * 2 > len(cells)), None)


def _ends_with_tag(cell: str, *, mark: str) -> bool:
    before, _, tag = cell.rpartition(mark)
    return bool(before) and is_tag(tag)


def _other_border(source: Source, *, rows: Sequence[NumberedRow]) -> list[DataError]:
    mark = find_other_border(rows)
    if mark is None:
        return []
    message, line = f'between word and tag stands "{mark}", not a tab or blanks', rows[0][0]
    if max(len(row) for _, row in rows) > 1:
        fix = f"Write a word, a tab and its tag a line, and an empty line after each sentence: {_example(rows, mark)}"
        return [source.problem(message, line=line, fix=fix)]
    name = shlex.quote(shown_path(source.path))
    fix = f"Put a tab there: tr {shlex.quote(mark)} '\\t' < {name} > tabs.conll, if {mark} stands in no word."
    return [source.problem(message, line=line, fix=fix)]


def _example(rows: Sequence[NumberedRow], mark: str) -> str:
    word, _, tag = next(cell for _, row in rows for cell in row if _ends_with_tag(cell, mark=mark)).rpartition(mark)
    return f"{quoted(word)[1:-1]}<TAB>{tag}"


def _no_table(source: Source, *, rows: Sequence[NumberedRow], layout: Layout) -> list[DataError]:
    lengths = Counter(len(row) for _, row in rows if len(row) > 1)  # a lone word has lost its tag, which is told later
    if min(layout.tags) >= 0 or lengths[layout.usual] * 2 >= lengths.total():
        return []
    message = (
        f"lines have {min(lengths)} to {max(lengths)} columns, few alike; CoNLL has a word, blanks or a tab, a tag"
    )
    return [source.problem(message, line=rows[0][0], fix="If each line is a text, write task: sequence.")]


def _no_tags(source: Source, *, rows: Sequence[NumberedRow], layout: Layout) -> list[DataError]:
    """The problem of a CoNLL-U (Plus) file that has no tags where they should stand."""
    if layout.in_misc and not any(NER_IN_MISC.search(cell) for _, row in rows for cell in row[layout.tags[0] :][:1]):
        message = "the column for everything else (MISC) holds no NER=TAG, and no other one is known to hold tags"
        return [source.problem(message, line=rows[0][0], fix="Say where they are: data: {columns: {word: 1, tag: 4}}")]
    names = global_columns(source)
    if names is None or "tag" in source.columns or layout.tags != (-1,):
        return []
    message = f"no column is known to hold tags; the columns are {listed(names)}"
    return [source.problem(message, line=1, fix=f"Say which: data: {{columns: {{tag: {names[-1]}}}}}")]
