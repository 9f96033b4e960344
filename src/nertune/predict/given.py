"""What is given to predict for: a sentence or text without labels, and what its characters are where that is known."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from nertune.data.documents import Document, Part
from nertune.data.examples import Example, SequenceExample, Task, TokenExample
from nertune.data.mapping import to_examples
from nertune.data.notices import Notices
from nertune.data.readers import Item
from nertune.data.source import LabelledText, TaggedSentence
from nertune.data.words import find_words
from nertune.errors import Where
from nertune.spec.study import DataSpec

Id = str | int | None


@dataclass(frozen=True, slots=True)
class Given:
    """One sentence or text.

    example  without labels
    text     the running text that the words stand in; None where words were given
    places   of each word in `text`, first character and last (excluded)
    offset   of `text` in its document
    id       as the input names it
    """

    example: Example
    text: str | None = None
    places: tuple[Part, ...] = ()
    offset: int = 0
    id: Id = None


def given_item(item: Item, *, path: Path, data: DataSpec, task: Task) -> Iterator[Given]:
    """What a reader found, its labels left out.

    token     words as they are, of a document or text its lines cut into words
    sequence  texts as they are, of words the sentence, of a document all of its text
    """
    if isinstance(item, TaggedSentence):
        yield given_sentence(item.words, where=Where(path, item.lines[0]), document=item.document, task=task)
    elif isinstance(item, LabelledText):
        where = Where(path, item.line)
        if task == "token":
            yield from given_lines(item.text, where=where, data=data)
        else:
            yield given_text(item.text, where=where, pair=item.pair, document=item.document)
    elif task == "token":
        yield from given_document(item, data=data)
    else:
        yield given_text(item.text, where=item.where, document=item.id)


def given_sentence(
    words: Sequence[str], *, where: Where, task: Task, id: Id = None, document: str | None = None
) -> Given:
    """Words that stand for themselves; to be classified, with blanks between."""
    if task == "sequence":
        return given_text(" ".join(words), where=where, id=id, document=document)
    return Given(TokenExample(tuple(words), (), where, document), id=id)


def given_text(
    text: str, *, where: Where, pair: str | None = None, id: Id = None, document: str | None = None
) -> Given:
    """A text to be classified."""
    return Given(SequenceExample(text, (), where, pair, document), id=id)


def given_lines(text: str, *, where: Where, data: DataSpec, id: Id = None) -> list[Given]:
    """The sentences of a text whose entities are wanted: its lines, cut into words, as a study's data would be.

    A text without a word is one sentence without words, so that each text has one.
    """
    found = [*given_document(Document("", text, (), where), data=data)]
    alone = Given(TokenExample((), (), where), text=text, id=id)
    return [replace(one, id=id, example=replace(one.example, document=None)) for one in found] or [alone]


def given_document(document: Document, *, data: DataSpec) -> Iterator[Given]:
    """The sentences of a document; its entities are left out."""
    words = list(document.words) if document.words is not None else find_words(document.text, rule=data.words)
    bare = replace(document, entities=(), words=tuple(words))
    first = 0
    for example in to_examples(bare, data=data, notices=Notices()):
        places = words[first : first + len(example.words)]
        first += len(places)
        start, end = _whole_lines(document, start=places[0][0], end=places[-1][1])
        inner = tuple((begin - start, stop - start) for begin, stop in places)
        yield Given(example, text=document.text[start:end], places=inner, offset=start)


def _whole_lines(document: Document, *, start: int, end: int) -> tuple[int, int]:
    """Where the lines begin and end in which these characters stand."""
    line_end, text = document.line_end, document.text
    stop = text.find(line_end, end)
    return text.rfind(line_end, 0, start) + 1, len(text) if stop < 0 else stop
