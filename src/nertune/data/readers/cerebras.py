"""The CSV of the Cerebras token classifier: word pieces and their labels, a sentence a row.

    tokens,labels
    [CLS] nal ##ox ##one reverses it . [SEP],[CLS] B X X O O O [SEP]

Written by `write_csv_ner.py` of Cerebras's Model Zoo from the word/tag files of BLURB, and read by its
BertTokenClassifierDataProcessor. The first piece of a word has the word's label, the others X; that script cuts
sentences of more than 30 words into several, and leaves out what goes beyond 128 pieces. In the folder of a split lie
several CSV files, `meta.dat` (file and number of rows) and `label2id.json`, the vocabulary
`{"[PAD]": 0, "B": 1, "I": 2, "O": 3, "X": 4, "[CLS]": 5, "[SEP]": 6}`, which the processor looks labels up in. Files
whose labels are these numbers, or that hold whole words without [CLS], X and [SEP], are read as well.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from nertune.data.readers.conll_layout import TAG_NAMES, WORD_NAMES, is_tag
from nertune.data.readers.slots import split_words, unequal_numbers
from nertune.data.readers.tagged_tables import find_columns, head_rows, line_of, read_table
from nertune.data.source import Source, TaggedSentence, listed, quoted

NAMES = {"word": WORD_NAMES - {"text"}, "tag": TAG_NAMES | {"label_ids", "tag_ids"}}
VOCABULARY_FILE = "label2id.json"
VOCABULARY = ("[PAD]", "B", "I", "O", "X", "[CLS]", "[SEP]")
CONTINUED = "X"  # label of each piece of a word but the first
SPECIAL = {"[PAD]", "[CLS]", "[SEP]"}
UNKNOWN = "[UNK]"  # the piece for words that the vocabulary cannot spell
COMMA = ","


def read_cerebras(source: Source) -> Iterator[TaggedSentence]:
    """The sentences of a table of pieces and labels: pieces are joined to words, [CLS], [SEP] and [PAD] left out."""
    reader = _Reader(source)
    for row, places in read_table(source, delimiter=COMMA, names=NAMES):
        pieces, tags = (split_words(row.cells[places[key]]) for key in ("word", "tag"))
        yield from reader.read(pieces, tags=tags, line=line_of(row, places["word"]))


def looks_like_cerebras(source: Source) -> bool:
    """Whether the first row names tokens and labels, and the second has as many labels as pieces."""
    rows = head_rows(source, delimiter=COMMA)
    first, second = next(rows, None), next(rows, None)
    if first is None or second is None:
        return False
    columns, problems = find_columns(source, first=first, names=NAMES)
    if problems or not columns.fit(second):
        return False
    pieces, tags = (split_words(second.cells[columns.places[key]]) for key in ("word", "tag"))
    return len(pieces) == len(tags) > 1 and (_are_ids(tags) or all(is_tag(tag) or tag in VOCABULARY for tag in tags))


@dataclass(frozen=True)
class _Reader:
    """Makes sentences of rows."""

    source: Source

    @cached_property
    def names(self) -> dict[int, str]:
        """Number -> name of each label, by the vocabulary beside the file; without one as the Model Zoo has them."""
        path = self.source.path.with_name(VOCABULARY_FILE)
        return _read_vocabulary(self.source.beside(path)) if path.is_file() else dict(enumerate(VOCABULARY))

    def read(self, pieces: Sequence[str], *, tags: Sequence[str], line: int) -> Iterator[TaggedSentence]:
        if len(pieces) != len(tags):
            unequal_numbers(self.source, line=line, words=pieces, tags=tags)
            return
        named = self._named(tags, line=line) if _are_ids(tags) else tags
        joined = None if named is None else _join(self.source, pieces=pieces, tags=named, line=line)
        if joined == ([], []):
            self.source.notice("empty-sentences", line=line)
        elif joined is not None:
            words, word_tags = joined
            yield TaggedSentence(tuple(map("".join, words)), tuple(word_tags), [line] * len(words))

    def _named(self, ids: Sequence[str], *, line: int) -> list[str] | None:
        """The labels of these numbers; None after the fault that one has no label."""
        numbers = [int(number) for number in ids]
        unknown = next((number for number in numbers if number not in self.names), None)
        if unknown is None:
            return [self.names[number] for number in numbers]
        known = listed([f"{number}: {name}" for number, name in sorted(self.names.items())])
        fix = f'Put the vocabulary beside the file, as {VOCABULARY_FILE}: {{"[PAD]": 0, "B-PER": 1, …}}'
        self.source.fault(f"there is no label {unknown}; the labels are {known}", line=line, fix=fix)
        return None


def _join(
    source: Source, *, pieces: Sequence[str], tags: Sequence[str], line: int
) -> tuple[list[list[str]], list[str]] | None:
    """The pieces of each word, and its tag; None after the fault that a piece has a label that cannot be its own."""
    words: list[list[str]] = []
    word_tags: list[str] = []
    for piece, tag in zip(pieces, tags, strict=True):
        if tag in SPECIAL and piece.casefold() == tag.casefold():
            continue
        if tag in SPECIAL or (tag == CONTINUED and not words):
            _wrong_label(source, piece=piece, tag=tag, line=line)
            return None
        if tag == CONTINUED:
            words[-1].append(piece[2:] if piece.startswith("##") and len(piece) > 2 else piece)
        else:
            words.append([piece])
            word_tags.append(tag)
    n_unknown = sum(UNKNOWN in word for word in words)
    if n_unknown:
        source.notice("unknown-words", line=line, n=n_unknown)
    return words, word_tags


def _wrong_label(source: Source, *, piece: str, tag: str, line: int) -> None:
    what = "continues a word, but none stands before it" if tag == CONTINUED else "is for that piece only"
    source.fault(f"{quoted(piece)} has the label {tag}, which {what}", line=line, fix="Correct the label.")


def _are_ids(tags: Sequence[str]) -> bool:
    return all(tag.isascii() and tag.isdigit() and len(tag) < 10 for tag in tags)


def _read_vocabulary(source: Source) -> dict[int, str]:
    """Number -> name from a JSON object of name -> number.

    Raises   DataError if the file is something else
    """
    try:
        content: Any = json.loads(source.text())
    except (ValueError, RecursionError):
        content = None
    if not isinstance(content, dict) or not all(map(_is_entry, content.items())):
        fix = 'Write for example: {"[PAD]": 0, "B": 1, "I": 2, "O": 3}'
        raise source.problem("this is no vocabulary: a JSON object of labels and their numbers", line=1, fix=fix)
    return {number: name for name, number in content.items()}


def _is_entry(entry: tuple[str, Any]) -> bool:
    """A label that UTF-8 can write (JSON may hold half a surrogate pair), and its number."""
    name, number = entry
    return type(number) is int and name.encode(errors="ignore").decode() == name
