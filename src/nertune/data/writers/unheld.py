"""What several formats cannot hold, counted as it passes by."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TypeVar

from nertune.data.documents import Document
from nertune.data.examples import SequenceExample, TokenExample
from nertune.data.notices import Notices
from nertune.data.source import quoted
from nertune.data.words import find_words

AnyExample = TypeVar("AnyExample", TokenExample, SequenceExample)


def count_links(document: Document, *, losses: Notices) -> None:
    """Count the relations, concepts and notes, before a document becomes examples."""
    for relation in document.relations:
        losses.add("lost-relations", relation.where, relation.label)
    for entity in document.entities:
        if entity.note is not None:
            losses.add("lost-notes", entity.where, f"{entity.label} {quoted(entity.note)}")


def count_split_words(document: Document, *, losses: Notices) -> None:
    """Count the words of its own that a document loses in formats of running text: those that read back as several."""
    if document.words is None:
        return
    found = set(find_words(document.text, rule="punctuation"))
    for start, end in document.words:
        if (start, end) not in found:
            word = document.text[start:end]
            kind = "cut-words" if word.split() == [word] else "lost-word-borders"
            losses.add(kind, document.where_of(start), quoted(word))


def count_documents(examples: Iterable[AnyExample], *, losses: Notices) -> Iterator[AnyExample]:
    """The examples; each document that begins is counted, for formats without documents."""
    before: str | None = None
    for example in examples:
        if example.document is not None and example.document != before:
            losses.add("lost-documents", example.where, quoted(example.document))
        before = example.document
        yield example
