"""CoNLL columns: a word a line with its tag, a blank line between sentences; also CoNLL-U (Plus) and UNER's files.

What the columns are is told from the first 64 KB of the file. After that it streams: one sentence is in memory.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby
from operator import itemgetter

from nertune.data import labels
from nertune.data.readers.conll_layout import (
    SEVERAL_IDS,
    Layout,
    Row,
    body_rows,
    columns_of,
    find_layout,
    find_other_border,
    find_other_tags,
    global_columns,
    head_rows,
    is_document_start,
    is_tag,
    split_at_returns,
)
from nertune.data.source import Source, TaggedSentence, quoted
from nertune.errors import DataError

KEY_AND_VALUE = re.compile(r"# ?[^\t =][^\t=]* = ")  # CoNLL-U's `# sent_id = 7`, `# newdoc id = a`
ENDINGS = {".conll", ".conllu", ".conllup", ".iob", ".iob1", ".iob2", ".bio", ".bioes", ".bilou"}
FIRST = "columns"  # key in `Source.found`
MOST = 0.9  # of the lines must have one word, where only blank lines and an O tell of tags
NEW_DOCUMENT = re.compile(r"# ?newdoc(?: id ?=(.*))?")


def read_conll(source: Source) -> Iterator[TaggedSentence]:
    """The sentences of a file in CoNLL columns; by default the word is first and the tag last.

    A sentence belongs to the document that `-DOCSTART-` or `# newdoc` began last: its id, or FILE#1, FILE#2, … counted.
    What stands before the first border is FILE#0 where the first 64 KB show a border; without any the document is None.
    """
    layout, problems = find_layout(source)
    for problem in problems:
        source.faults.add(problem)
    if problems:
        return
    layout = _as_in_first(source, layout=layout)
    if layout.is_guess:
        source.notice("guessed-columns", line=1, detail=f"word: column {layout.word}, tag: column {layout.tags[0]}")
    for place in find_other_tags(source, layout=layout):
        source.notice("other-tag-columns", detail=f"column {place}")
    reader = _Reader(source, layout, _Documents.of(source))
    for first, lines in _runs(source.lines()):
        yield from reader.read(lines, first=first)


def _as_in_first(source: Source, *, layout: Layout) -> Layout:
    """The layout with the columns that the header of the corpus' first file names, where this one has no header."""
    first = source.found.setdefault(FIRST, layout)
    if source.columns or layout.header_line or not isinstance(first, Layout) or not first.header_line:
        return layout
    if (first.usual, first.is_conllu) != (layout.usual, layout.is_conllu) or first.places == layout.places:
        return layout
    source.notice("lacking-headers", line=1, detail=f"word: column {first.word}, tag: column {first.tags[0]}")
    return replace(layout, word=first.word, tags=first.tags, known_tags=first.known_tags)


def looks_like_conll(source: Source) -> bool:
    """Whether most lines have the same number of columns, one of them a tag; or the file is CoNLL-U (Plus).

    Where the file's name says so (ENDINGS), or where blank lines part words and some tag is O, the others may be types.
    """
    if global_columns(source) is not None:
        return True
    layout, problems = find_layout(source)
    if problems:
        return False
    rows = body_rows(source, layout=layout)
    whole = [row for row in rows if len(row) == layout.usual >= layout.n_needed]
    fitting = [row for row in whole if row[layout.word] and not is_tag(row[layout.word])]
    tags = [row[place] for row in fitting for place in layout.tags]
    is_spelt = labels.find_spelling(tags) is not None
    tagged = sum(layout.in_misc or is_spelt or is_tag(tag) for tag in tags)
    if tagged * 2 > len(rows) * len(layout.tags):
        return True
    if source.path.suffix.casefold() in ENDINGS:
        return len(whole) * 2 > len(rows)
    words = [row for row in fitting if " " not in row[layout.word]]
    are_words = len(words) >= MOST * len(rows) > 0 and labels.OUTSIDE in tags
    return are_words and _has_inner_blank(source.head_lines)


def has_other_border(source: Source) -> bool:
    """Whether something else than a tab or blanks stands between words and tags."""
    return find_other_border(head_rows(source, is_tabbed=False)) is not None


def _has_inner_blank(lines: Sequence[str]) -> bool:
    """Whether a blank line stands between others."""
    filled = [number for number, line in enumerate(lines) if line.strip(" \t")]
    return bool(filled) and len(filled) < filled[-1] - filled[0] + 1


def _runs(lines: Iterable[str]) -> Iterator[tuple[int, list[str]]]:
    """The lines between empty ones, with the number of the first."""
    number = 1
    for is_filled, run in groupby(lines, key=bool):
        together = list(run)
        if is_filled:
            yield number, together
        number += len(together)


# ---- sentences


@dataclass
class _Documents:
    """The document that sentences belong to, as the borders are met."""

    stem: str
    current: str | None = None
    n_borders: int = 0

    @classmethod
    def of(cls, source: Source) -> _Documents:
        stem = source.path.stem
        has_borders = any(is_document_start(line) or _new_document(line) for line in source.head_lines)
        return cls(stem, f"{stem}#0" if has_borders else None)

    def begin(self, name: str = "") -> None:
        self.n_borders += 1
        self.current = name or f"{self.stem}#{self.n_borders}"


@dataclass
class _Reader:
    """Makes sentences of lines; what is left out or wrong is told to the source."""

    source: Source
    layout: Layout
    documents: _Documents
    words: list[str] = field(default_factory=list)  # of the sentence that is being read line by line
    cells: list[list[str]] = field(default_factory=list)  # of each word: those of its tags
    lines: list[int] = field(default_factory=list)
    document: str | None = None

    def read(self, lines: Sequence[str], *, first: int) -> Iterator[TaggedSentence]:
        """The sentences of lines without an empty one between them; at once where all are as most lines are."""
        n_comments = self._comments(lines, first=first)
        lines, first = lines[n_comments:], first + n_comments
        found = self.layout.usual_line.findall("\n".join(lines))
        if len(found) == len(lines) > 0 and self.layout.header_line not in range(first, first + len(lines)):
            words, *tags = itemgetter(*self.layout.groups)(list(zip(*found, strict=True)))
            numbers = range(first, first + len(lines))
            yield TaggedSentence(words, self.layout.tags_of(tags), numbers, self.documents.current)
        else:
            yield from self._read_one_by_one(lines, first=first)

    def _comments(self, lines: Sequence[str], *, first: int) -> int:
        """The number of comments that stand before the words."""
        for n_comments, line in enumerate(lines):
            if line[0] != "#" or not _is_comment(line, row=columns_of(line, layout=self.layout), layout=self.layout):
                return n_comments
            self._comment(line, number=first + n_comments)
        return len(lines)

    def _read_one_by_one(self, lines: Sequence[str], *, first: int) -> Iterator[TaggedSentence]:
        for number, line in self._parted(lines, first=first):
            row = columns_of(line, layout=self.layout)
            if row == [""]:
                yield from self._close()
                if is_document_start(line):
                    self.documents.begin()
            elif line[0] == "#" and _is_comment(line, row=row, layout=self.layout):
                self._comment(line, number=number)
            else:
                self._word(row, number=number)
        yield from self._close()

    def _parted(self, lines: Sequence[str], *, first: int) -> Iterator[tuple[int, str]]:
        """The lines with their numbers, without the header; in parts those in which a lone CR ends lines, too."""
        layout = self.layout
        for number, line in enumerate(lines, first):
            parts = split_at_returns(line, is_tabbed=layout.is_tabbed, usual=layout.usual)
            if len(parts) > 1:
                self.source.notice("cr-line-ends", line=number)
            for part in parts[number == layout.header_line :]:
                yield number, part

    def _comment(self, line: str, *, number: int) -> None:
        self.source.notice("comment-lines", line=number)
        if new := _new_document(line):
            self.documents.begin((new[1] or "").strip(" \t"))

    def _word(self, row: Row, *, number: int) -> None:
        layout = self.layout
        if len(row) != layout.usual:
            self.source.notice("unusual-columns", line=number, detail=f"{len(row)} instead of {layout.usual}")
        if layout.id is not None and layout.id < len(row) and SEVERAL_IDS.fullmatch(row[layout.id]):
            self._leave_out(row, number=number)
        elif (fault := _fault(self.source, row=row, line=number, layout=layout)) is not None:
            self.source.faults.add(fault)
        else:
            if not self.words:
                self.document = self.documents.current
            self.words.append(row[layout.word])
            self.cells.append([row[place] for place in layout.tags])
            self.lines.append(number)
            if " " in row[layout.word]:
                self.source.notice("blanks-in-words", line=number, detail=quoted(row[layout.word]))

    def _leave_out(self, row: Row, *, number: int) -> None:
        """Count a row that is no word; the words of a multiword token follow it."""
        cells = [row[place] for place in self.layout.tags if -len(row) <= place < len(row)]
        tags = {tag for cell in cells for tag in self.layout.tags_of([[cell]])} - {labels.OUTSIDE, ""}
        kind = "lost-tags" if tags else "rows-between-words"
        self.source.notice(kind, line=number, detail=" ".join([row[self.layout.id or 0], *sorted(tags)]))

    def _close(self) -> Iterator[TaggedSentence]:
        if self.words:
            tags = self.layout.tags_of(list(zip(*self.cells, strict=True)))
            yield TaggedSentence(tuple(self.words), tags, self.lines, self.document)
        self.words, self.cells, self.lines = [], [], []


def _new_document(line: str) -> re.Match[str] | None:
    return NEW_DOCUMENT.fullmatch(line.rstrip(" \t")) if line.startswith("#") else None


def _is_comment(line: str, *, row: Row, layout: Layout) -> bool:
    """Whether a line that starts with # is a comment: `# key = value`, or nothing in it that could be a tag.

    `#photography<TAB>O` is a word, and so is `# B-MISC`. `# newdoc` is none, unless another line has the tag `newdoc`.
    """
    if KEY_AND_VALUE.match(line) or len(row) < layout.n_needed:
        return True
    tag = row[layout.tags[0]]
    if tag == labels.OUTSIDE or tag in layout.known_tags:
        return line.startswith("# ") and len(row) != layout.usual  # `# we left this out O`
    return len(row) != layout.usual or not labels.has_prefix(tag)


def _fault(source: Source, *, row: Row, line: int, layout: Layout) -> DataError | None:
    """What is wrong with a line of words, if anything."""
    needed = layout.n_needed
    if len(row) >= needed and any(_needs_all_columns(row[place], layout=layout) for place in layout.tags):
        needed = layout.n_needed_by_types
    if len(row) < needed:
        what = "two are needed (word, tag)" if needed == 2 else f"{needed} are needed"
        have = "one column" if len(row) == 1 else f"{len(row)} columns"
        message = f"{have} where {what}; the word is {quoted(row[0])}"
        return source.problem(message, line=line, fix=_add_tag(row[0]))
    word, tags = row[layout.word], [row[place] for place in layout.tags]
    if not word:
        message = f"no word before the tag {quoted(tags[0])}"
        return source.problem(message, line=line, fix="Write it, or delete the line.")
    if all(tags) or layout.in_misc:
        return None
    return source.problem(f"the word {quoted(word)} has no tag", line=line, fix=_add_tag(word))


def _needs_all_columns(tag: str, *, layout: Layout) -> bool:
    return tag != labels.OUTSIDE and (layout.has_bare_types or not labels.has_prefix(tag))


def _add_tag(word: str) -> str:
    return f"Add its tag, for example: {quoted(word)[1:-1]}<TAB>O"
