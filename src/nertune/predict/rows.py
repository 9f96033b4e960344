"""Predictions as plain data: one record for each sentence or text, in the order in which they were given."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from nertune.data.examples import SequenceExample, Span, TokenExample
from nertune.data.labels import written_tags
from nertune.errors import shown_path
from nertune.predict.given import Given
from nertune.tasks.encoded import HeadLabels
from nertune.tasks.predictions import Predictions, SequencePredictions, TokenPredictions

DIGITS = 6  # of a probability, as in the files of a seed


def predicted_rows(given: Sequence[Given], predictions: Predictions, *, heads: Sequence[HeadLabels]) -> Iterator[Row]:
    """A record for each sentence or text; see `token_row` and `sequence_row`."""
    if isinstance(predictions, TokenPredictions):
        for one, spans, sure in zip(given, predictions.spans, predictions.probabilities, strict=True):
            yield token_row(one, spans, sure)
    else:
        by_head = {head: predictions.by_head.get(head.name, predictions) for head in heads}
        for number, one in enumerate(given):
            yield sequence_row(one, by_head, number=number)


Row = dict[str, Any]


def token_row(given: Given, spans: Sequence[Span], probabilities: Sequence[float]) -> Row:
    """A sentence.

    words, tags  the latter in IOB2
    entities     label, first word and last word (excluded), text, probability; where `text` is known, also its first
                 character and last one (excluded), counted in `text`, which begins at `offset` of its document
    """
    example = given.example
    assert isinstance(example, TokenExample)
    entities = [
        _entity(span, probability, given=given, words=example.words)
        for span, probability in zip(spans, probabilities, strict=True)
    ]
    running = {} if given.text is None else {"text": given.text, "offset": given.offset}
    tags = written_tags(spans, len(example.words))
    return {**_origin(given), **running, "words": list(example.words), "tags": tags, "entities": entities}


def sequence_row(given: Given, by_head: Mapping[HeadLabels, SequencePredictions], *, number: int) -> Row:
    """A text, or pair of texts.

    label, probability       the class, where there is one
    labels                   the classes, where there may be any number
    probabilities            of all classes
    heads                    all this for each head, where there are several
    """
    example = given.example
    assert isinstance(example, SequenceExample)
    texts = {"text": example.text} | ({} if example.pair is None else {"pair": example.pair})
    said = {head.name: _classes(head, one, number=number) for head, one in by_head.items()}
    return {**_origin(given), **texts, **said.get("", {"heads": said})}


def _origin(given: Given) -> Row:
    where, document = given.example.where, given.example.document
    place = _shown(where.path) if where.line is None else f"{_shown(where.path)}:{where.line}"
    return {
        "where": place,
        **({} if given.id is None else {"id": given.id}),
        **({} if document is None else {"document": document}),
    }


@cache
def _shown(path: Path) -> str:
    """The path as short as it can be, found out once for all lines of a file."""
    return shown_path(path)


def _entity(span: Span, probability: float, *, given: Given, words: Sequence[str]) -> Row:
    own = {"label": span.label, "start": span.start, "end": span.end}
    text = " ".join(words[span.start : span.end])
    if given.text is not None:
        start, end = given.places[span.start][0], given.places[span.end - 1][1]
        own |= {"start_char": start, "end_char": end}
        text = given.text[start:end]
    return {**own, "text": text, "probability": round(float(probability), DIGITS)}


def _classes(head: HeadLabels, predictions: SequencePredictions, *, number: int) -> Row:
    values = predictions.probabilities[number].tolist()
    probabilities = {label: round(value, DIGITS) for label, value in zip(predictions.labels, values, strict=True)}
    chosen = predictions.classes[number]
    if head.problem == "multi_label":
        return {"labels": list(chosen), "probabilities": probabilities}
    (label,) = chosen
    return {"label": label, "probability": probabilities[label], "probabilities": probabilities}
