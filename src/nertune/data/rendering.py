"""From words to characters: examples become documents, for formats that annotate running text."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby, islice

from nertune.data.documents import Document, Entity, Part
from nertune.data.examples import TokenExample
from nertune.data.notices import Notices

EMPTY = "_"  # in place of a word without a character, which an offset could not point at


def to_documents(
    examples: Iterable[TokenExample], *, name: str, losses: Notices, n_sentences: int = 1
) -> Iterator[Document]:
    """The examples as running text: words joined by one blank, sentences by a line feed.

    Consecutive examples of one document are a document; of those that know none, every `n_sentences` are, and they
    are called `NAME-000001` and on. `Document.words` has the words as they were, so that a format that holds them
    gives equal examples back. A word without a character becomes `_` and is counted.
    """
    for number, sentences in enumerate(_grouped(examples, n_sentences=n_sentences), 1):
        document = sentences[0].document
        yield _render(sentences, id=f"{name}-{number:06}" if document is None else document, losses=losses)


def _grouped(examples: Iterable[TokenExample], *, n_sentences: int) -> Iterator[list[TokenExample]]:
    for document, sentences in groupby(examples, key=lambda example: example.document):
        if document is not None:
            yield list(sentences)
            continue
        while batch := list(islice(sentences, n_sentences)):
            yield batch


def _render(sentences: Sequence[TokenExample], *, id: str, losses: Notices) -> Document:
    lines: list[str] = []
    words: list[Part] = []
    entities: list[Entity] = []
    offset = 0
    for sentence in sentences:
        first = len(words)
        written = [word or EMPTY for word in sentence.words]
        if n_empty := sentence.words.count(""):
            losses.add("changed-words", sentence.where, f'"" → "{EMPTY}"', n=n_empty)
        for word in written:
            words.append((offset, offset + len(word)))
            offset += len(word) + 1  # the blank, or the line feed after the last word
        for span in sentence.spans:
            part = words[first + span.start][0], words[first + span.end - 1][1]
            entities.append(Entity(span.label, (part,), sentence.where))
        lines.append(" ".join(written))
    return Document(id, "\n".join(lines), tuple(entities), sentences[0].where, words=tuple(words))
