"""The Kaggle table of tagged words: `Sentence #,Word,POS,Tag`, the number of a sentence on its first row or on each."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from nertune.data.labels import OUTSIDE
from nertune.data.readers.conll_layout import TAG_NAMES, WORD_NAMES
from nertune.data.readers.table_rows import TAB, Row
from nertune.data.readers.tagged_tables import find_columns, head_rows, line_of, read_table
from nertune.data.source import Source, TaggedSentence, quoted

NAMES = {
    "sentence": {"sentence #", "sentence#", "sentence", "sentence_id", "sentence id", "sentence_idx", "sent_id"},
    "word": WORD_NAMES - {"text"},
    "tag": TAG_NAMES,
}
DELIMITERS = (",", ";", TAB)
WHITE_SPACE = re.compile(r"[ \t\n]")


def read_kaggle(source: Source) -> Iterator[TaggedSentence]:
    """The sentences of a table of words; a row whose sentence cell is filled and new begins one.

    A word that is missing is left out with a notice where its tag is O, else it is a fault.
    """
    sentence = _Sentence()
    for row, places in read_table(source, delimiter=_delimiter(source), names=NAMES):
        number = row.cells[places["sentence"]].strip(" ")
        if number and number != sentence.number:
            yield from sentence.close()
            sentence = _Sentence(number)
        sentence.add(source, row=row, word_at=places["word"], tag_at=places["tag"])
    yield from sentence.close()


def looks_like_kaggle(source: Source) -> bool:
    """Whether the first row names a sentence, a word and a tag, each in a column of its own."""
    first = next(head_rows(source, delimiter=_delimiter(source)), None)
    return first is not None and not find_columns(source, first=first, names=NAMES)[1]


@dataclass
class _Sentence:
    """The rows of one sentence so far."""

    number: str = ""
    words: list[str] = field(default_factory=list)
    tags: list[str] = field(default_factory=list)
    lines: list[int] = field(default_factory=list)

    def add(self, source: Source, *, row: Row, word_at: int, tag_at: int) -> None:
        word, tag, line = row.cells[word_at].strip(" "), row.cells[tag_at].strip(" "), line_of(row, word_at)
        if not word:
            self._note_empty(source, tag=tag, line=line)
            return
        if not tag:
            source.fault(f"the word {quoted(word)} has no tag", line=line, fix="Write its tag, for example: O")
            return
        if WHITE_SPACE.search(word):
            source.notice("blanks-in-words", line=line, detail=quoted(word))
        self.words.append(word)
        self.tags.append(tag)
        self.lines.append(line)

    def close(self) -> Iterator[TaggedSentence]:
        if self.words:
            yield TaggedSentence(tuple(self.words), tuple(self.tags), self.lines)

    @staticmethod
    def _note_empty(source: Source, *, tag: str, line: int) -> None:
        if tag not in ("", OUTSIDE):
            source.fault(f"no word before the tag {quoted(tag)}", line=line, fix="Write it, or delete the row.")
        elif tag:
            source.notice("empty-words", line=line, detail="left out")


def _delimiter(source: Source) -> str:
    """The mark that splits most columns off the first line."""
    first = next((line for line in source.head_lines if line.strip(" \t")), "")
    return max(DELIMITERS, key=first.count)
