"""The places where annotators differ, with what each of them said."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from nertune.data.examples import Span
from nertune.scores.alignment import Alignment, Labels, Spans, Unit

MISSING, TYPE, BORDER = "missing", "other type", "other border"
LABELS = "other label"  # of texts


@dataclass(frozen=True, slots=True)
class Said:
    """What one annotator said at one place.

    place  file:line of the sentence or text in her file
    marks  (label, words) of each entity there; of a text each label with empty words
    """

    place: str
    marks: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Disagreement:
    """Words, or a text, on which annotators differ.

    kinds  "missing" (somebody marked nothing), "other type", "other border": one or more; of texts "other label"
    start, end  the words of the sentence from `start` (0 is the first) to `end` (excluded); None of a text
    said   by annotator; those who lack the sentence are not in it
    """

    kinds: tuple[str, ...]
    text: str
    document: str | None
    start: int | None
    end: int | None
    said: Mapping[str, Said]


def find_entity_disagreements(alignment: Alignment[Spans]) -> Iterator[Disagreement]:
    """Each stretch of overlapping entities that not all annotators of its sentence marked alike, in order."""
    for unit in alignment.units:
        answers = {number: spans for number, spans in enumerate(unit.answers) if spans is not None}
        if len({frozenset(spans) for spans in answers.values()}) > 1:
            for start, end in _stretches(span for spans in answers.values() for span in spans):
                here = {
                    number: tuple(span for span in spans if start <= span.start < end)
                    for number, spans in answers.items()
                }
                if len({frozenset(spans) for spans in here.values()}) > 1:
                    yield _differing_entities(unit, here, names=alignment.annotators, start=start, end=end)


def find_label_disagreements(alignment: Alignment[Labels]) -> Iterator[Disagreement]:
    """Each text whose labels differ, in order."""
    for unit in alignment.units:
        answers = {number: labels for number, labels in enumerate(unit.answers) if labels is not None}
        if len(set(answers.values())) > 1:
            said = {
                alignment.annotators[number]: Said(str(unit.places[number]), tuple((label, "") for label in labels))
                for number, labels in answers.items()
            }
            yield Disagreement((LABELS,), " | ".join(unit.words), unit.document, None, None, said)


def _stretches(spans: Iterable[Span]) -> Iterator[tuple[int, int]]:
    """First and last word (excluded) of each group of spans that hang together by shared words."""
    start = end = 0
    for span in sorted(set(spans), key=lambda span: (span.start, span.end)):
        if span.start < end:
            end = max(end, span.end)
            continue
        if end:
            yield start, end
        start, end = span.start, span.end
    if end:
        yield start, end


def _differing_entities(
    unit: Unit[Spans], answers: Mapping[int, Spans], *, names: tuple[str, ...], start: int, end: int
) -> Disagreement:
    said = {
        names[number]: Said(
            str(unit.places[number]), tuple((span.label, " ".join(unit.words[span.start : span.end])) for span in spans)
        )
        for number, spans in answers.items()
    }
    text = " ".join(unit.words[start:end])
    return Disagreement(_kinds([*answers.values()]), text, unit.document, start, end, said)


def _kinds(answers: list[Spans]) -> tuple[str, ...]:
    marked = [spans for spans in answers if spans]
    borders = {frozenset((span.start, span.end) for span in spans) for spans in marked}
    types = {frozenset(span.label for span in spans) for spans in marked}
    is_type = len(types) > 1 or (len(borders) == 1 and len({frozenset(spans) for spans in marked}) > 1)
    told = {MISSING: len(marked) < len(answers), TYPE: is_type, BORDER: len(borders) > 1}
    return tuple(kind for kind, is_so in told.items() if is_so)
