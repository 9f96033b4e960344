"""Sentences in a table of two columns (PyMarlin's layout): words with blanks between them, a tab, their tags.

    Sentence<TAB>Slot
    Ada lives in Turin .<TAB>B-PER O O B-LOC O

Quotation marks enclose a cell as in CSV, `"He said ""no"" ."`; with `data.quoting: none` they are ordinary characters.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from nertune.data.readers.conll_layout import TAG_NAMES, WORD_NAMES, is_tag
from nertune.data.readers.table_rows import TAB, Row
from nertune.data.readers.tagged_tables import find_columns, head_rows, line_of, read_table
from nertune.data.source import Source, TaggedSentence, quoted

BLANKS = re.compile(r"[ \t]+")  # between words; a no-break space is part of one
SLOTS = {"slot", "slots"}
NAMES = {
    "word": {"sentence", "sentences", "utterance", "utterances", *WORD_NAMES},
    "tag": {*SLOTS, *TAG_NAMES},
}
USUAL = {"word": 0, "tag": 1}


def read_slots(source: Source) -> Iterator[TaggedSentence]:
    """The sentences of a table of words and tags; columns by the header or `data.columns`, else the first two."""
    for row, places in read_table(source, delimiter=TAB, names=NAMES, usual=USUAL):
        yield from _sentence(source, row=row, word=places["word"], tag=places["tag"])


def looks_like_slots(source: Source) -> bool:
    """Whether the first row names a sentence and its slots; or words and tags, and the second row has as many of both.

    Without a header the first two rows have as many tags as words.
    """
    rows = head_rows(source, delimiter=TAB)
    first, second = next(rows, None), next(rows, None)
    if first is None:
        return False
    columns, problems = find_columns(source, first=first, names=NAMES, usual=USUAL)
    if problems:
        return False
    if columns.n_columns is not None and first.cells[columns.places["tag"]].strip().casefold() in SLOTS:
        return True
    if columns.n_columns is None and len(first.cells) != 2:
        return False
    compared = [second] if columns.n_columns is not None else [first, second]
    return all(row is not None and columns.fit(row) and _has_tags(row, columns.places) for row in compared)


def _has_tags(row: Row, places: Mapping[str, int]) -> bool:
    """Whether a row has several words and as many tags."""
    words, tags = (split_words(row.cells[places[key]]) for key in ("word", "tag"))
    return len(words) == len(tags) > 1 and all(map(is_tag, tags))


def split_words(text: str) -> list[str]:
    """What stands between blanks and tabs."""
    return [word for word in BLANKS.split(text) if word]


def unequal_numbers(source: Source, *, line: int, words: Sequence[str], tags: Sequence[str]) -> None:
    """Keep as a fault that a sentence has not as many tags as words."""
    told = f"{len(words)} word{'s' * (len(words) != 1)} but {len(tags)} tag{'s' * (len(tags) != 1)}"
    message = f"{told}; the sentence is {quoted(' '.join(words))}"
    source.fault(message, line=line, fix="Give each word one tag; blanks stand between words, and between tags.")


def _sentence(source: Source, *, row: Row, word: int, tag: int) -> Iterator[TaggedSentence]:
    first = line_of(row, word)
    found = [split_words(line) for line in row.cells[word].split("\n")]  # a cell in quotation marks may hold line ends
    words = [one for line in found for one in line]
    tags = split_words(row.cells[tag].replace("\n", " "))
    if len(words) != len(tags):
        unequal_numbers(source, line=row.line, words=words, tags=tags)
    elif not words:
        source.notice("empty-sentences", line=row.line)
    else:
        lines = [number for number, line in enumerate(found, first) for _ in line]
        yield TaggedSentence(tuple(words), tuple(tags), lines)
