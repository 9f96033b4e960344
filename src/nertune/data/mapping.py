"""From characters to words: documents become examples, and what does not fit is counted where it stands."""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from operator import attrgetter

from nertune.data.documents import Document, Entity, Part
from nertune.data.examples import Span, TokenExample
from nertune.data.notices import Notices
from nertune.data.source import quoted
from nertune.data.words import find_words
from nertune.spec.study import DataSpec


@dataclass(frozen=True, slots=True)
class Mention:
    """An entity, or one part of it under `data.discontinuous: split`, on its way to words.

    part          from its first character to its last
    first, last   its words: `first` (included) to `last` (excluded), counted through the document
    number        of its entity, in the order of the file
    """

    entity: Entity
    part: Part
    first: int
    last: int
    number: int

    @property
    def n_words(self) -> int:
        return self.last - self.first


def to_examples(
    document: Document, *, data: DataSpec, notices: Notices, keep_overlaps: bool = False
) -> Iterator[TokenExample]:
    """The examples of a document: its lines or its whole (`data.sentences`), without those that have no word.

    Words are those that the document states, else those of the rule `data.words`. Entities in parts, inside words,
    or over one another are treated as `data.discontinuous`, `data.misaligned` and `data.nested` say; every entity
    that is changed or left out is counted in `notices`, at its own place. White space at its ends is no change.

    keep_overlaps  for models that give a word several labels: only overlaps of one type are resolved
    Cost           O((words + entities) log entities)
    """
    words = list(document.words) if document.words is not None else find_words(document.text, rule=data.words)
    mentions = list(_place(document, words=words, data=data, notices=notices))
    mentions = _without_duplicates(mentions, words=words, document=document, notices=notices)
    kept = _without_overlaps(mentions, document=document, data=data, notices=notices, keep_overlaps=keep_overlaps)
    spans = sorted((Span(m.entity.label, m.first, m.last) for m in kept), key=attrgetter("start", "end", "label"))
    borders = _line_borders(document, words=words, spans=spans) if data.sentences == "lines" else []
    yield from _cut(document, words=words, spans=spans, borders=borders)


# ---- from characters to words


def _place(document: Document, *, words: Sequence[Part], data: DataSpec, notices: Notices) -> Iterator[Mention]:
    """The mentions that have words; the others are counted."""
    starts, ends = [start for start, _ in words], [end for _, end in words]
    for number, entity in enumerate(document.entities):
        for start, end in _parts(entity, document=document, data=data, notices=notices):
            mention = Mention(entity, (start, end), bisect_right(ends, start), bisect_left(starts, end), number)
            if mention.n_words <= 0:
                notices.add("wordless-entities", entity.where, _shown(mention, document))
                continue
            border = starts[mention.first], ends[mention.last - 1]
            if border[0] >= start and border[1] <= end:
                yield mention
            elif data.misaligned == "widen":
                detail = f"{_shown(mention, document)} → {quoted(document.text[slice(*border)])}"
                notices.add("widened-entities", entity.where, detail)
                yield mention
            else:
                detail = f"{_shown(mention, document)} in {quoted(document.text[slice(*border)])}"
                notices.add("misaligned-entities", entity.where, detail)


def _parts(entity: Entity, *, document: Document, data: DataSpec, notices: Notices) -> list[Part]:
    """The parts to look for words in: one where the entity is whole or joined, several where it is split."""
    inside = [(start, end) for start, end in entity.parts if start >= 0 and end <= len(document.text)]
    if len(inside) < len(entity.parts):
        places = ", ".join(f"{start}-{end}" for start, end in entity.parts)
        detail = f"{entity.label} {places} in a text of {len(document.text)} characters"
        notices.add("outside-text", entity.where, detail)
        return []
    parts = _joined(sorted(part for part in inside if part[0] < part[1]), text=document.text)
    if not parts:
        notices.add("empty-entities", entity.where, entity.label)
    if len(parts) < 2:
        return parts
    mention = " … ".join(document.text[start:end] for start, end in parts)
    notices.add("discontinuous-entities", entity.where, f"{entity.label} {quoted(mention)}")
    if data.discontinuous == "join":
        return [(parts[0][0], parts[-1][1])]
    return parts if data.discontinuous == "split" else []


def _joined(parts: Sequence[Part], *, text: str) -> list[Part]:
    """The parts, those made one that touch or have only white space between them, as brat cuts at line ends."""
    joined: list[Part] = []
    for start, end in parts:
        if joined and not text[joined[-1][1] : start].strip():
            joined[-1] = joined[-1][0], max(end, joined[-1][1])
        else:
            joined.append((start, end))
    return joined


# ---- one label for a word


def _without_duplicates(
    mentions: Sequence[Mention], *, words: Sequence[Part], document: Document, notices: Notices
) -> list[Mention]:
    """The mentions, each once; alike are those of one label and the same characters but for the blanks around them."""
    kept: dict[tuple[str, int, int], Mention] = {}
    for mention in mentions:
        start = max(mention.part[0], words[mention.first][0])
        end = min(mention.part[1], words[mention.last - 1][1])
        first = kept.setdefault((mention.entity.label, start, end), mention)
        if first is not mention:
            notices.add("duplicate-entities", mention.entity.where, _shown(mention, document))
    return list(kept.values())


def _without_overlaps(
    mentions: Sequence[Mention], *, document: Document, data: DataSpec, notices: Notices, keep_overlaps: bool
) -> list[Mention]:
    """Of mentions that share a word the longest (`outermost`) or the shortest, counted in words.

    Between equals the one that begins earlier is kept, then the one that stands earlier in the file.
    """
    sign = -1 if data.nested == "outermost" else 1
    ranked = sorted(mentions, key=lambda mention: (sign * mention.n_words, mention.first, mention.number))
    kept: list[Mention] = []
    lost: list[tuple[Mention, Mention]] = []
    lines: dict[str, list[Mention]] = {}  # the kept ones in the order of the text; one line, or one for each type
    for mention in ranked:
        line = lines.setdefault(mention.entity.label if keep_overlaps else "", [])
        other = _overlapping(mention, line=line)
        if other is None:
            insort(line, mention, key=attrgetter("first"))
            kept.append(mention)
        else:
            lost.append((mention, other))
    for mention, other in sorted(lost, key=lambda pair: (pair[0].number, pair[0].first)):
        detail = f"{_shown(mention, document)} overlaps {_shown(other, document)}"
        notices.add("overlapping-entities", mention.entity.where, detail)
    return kept


def _overlapping(mention: Mention, *, line: Sequence[Mention]) -> Mention | None:
    """One of the mentions on the line, which do not overlap each other, that shares a word with this one."""
    place = bisect_right(line, mention.first, key=attrgetter("first"))
    if place and line[place - 1].last > mention.first:
        return line[place - 1]
    return line[place] if place < len(line) and line[place].first < mention.last else None


# ---- examples


def _line_borders(document: Document, *, words: Sequence[Part], spans: Iterable[Span]) -> list[int]:
    """The words that begin a line, without the first, and without those in whose midst an entity goes on.

    LF ends a line, or CR where there is no LF; inside a word none does.
    """
    text, line_end = document.text, document.line_end
    borders: list[int] = []
    ordered, ahead, reach = list(spans), 0, 0
    for number in range(1, len(words)):
        if text.find(line_end, words[number - 1][1], words[number][0]) < 0:
            continue
        while ahead < len(ordered) and ordered[ahead].start < number:
            reach = max(reach, ordered[ahead].end)
            ahead += 1
        if reach <= number:
            borders.append(number)
    return borders


def _cut(
    document: Document, *, words: Sequence[Part], spans: Sequence[Span], borders: Sequence[int]
) -> Iterator[TokenExample]:
    text, ahead = document.text, 0
    for first, last in zip([0, *borders], [*borders, len(words)], strict=True):
        inside: list[Span] = []
        while ahead < len(spans) and spans[ahead].start < last:
            span = spans[ahead]
            inside.append(Span(span.label, span.start - first, span.end - first))
            ahead += 1
        if first < last:
            chosen = tuple(text[start:end] for start, end in words[first:last])
            yield TokenExample(chosen, tuple(inside), document.where_of(words[first][0]), document.id)


def _shown(mention: Mention, document: Document) -> str:
    return f"{mention.entity.label} {quoted(document.text[slice(*mention.part)])}"
