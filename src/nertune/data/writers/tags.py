"""Spans as tags of words, IOB2, for the formats that hold tags; what a tag cannot hold is counted."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import cache
from itertools import pairwise

from nertune.data import labels
from nertune.data.examples import Span, TokenExample
from nertune.data.notices import Notices
from nertune.data.source import quoted

WHITE_SPACE = re.compile(r"\s")
MARKS = ("|", ";", ",")  # between the tags of a word that has several, as the readers recognise them


class Tagger:
    """Makes the tags of one file: `B-PER`, and `B-PER|I-ORG` where entities overlap.

    Without a given mark it is the first that no label has had when the first overlap is met; a label that holds it
    later loses it.
    """

    def __init__(self, *, losses: Notices, mark: str | None = None) -> None:
        self._losses = losses
        self._mark = mark
        self._seen: set[str] = set()

    def tags(self, example: TokenExample) -> list[str]:
        """A tag, or several with the mark between them, for each word."""
        if self._mark is None and _overlap(example.spans):
            used = self._seen.union(span.label for span in example.spans)
            self._mark = next((mark for mark in MARKS if not any(mark in label for label in used)), MARKS[0])
        spans = [Span(self._label(span.label, example=example), span.start, span.end) for span in example.spans]
        if not _overlap(spans):
            return labels.spans_to_tags(spans, len(example.words))
        layers = labels.layers_of_tags(self._without_doubles(spans, example=example), len(example.words))
        return labels.join_layers(layers, mark=self._mark or MARKS[0])

    def _label(self, label: str, *, example: TokenExample) -> str:
        clean = clean_label(label, mark=self._mark)
        if clean != label:
            self._losses.add("changed-labels", example.where, f"{quoted(label)} → {quoted(clean)}")
        self._seen.add(clean)
        return clean

    def _without_doubles(self, spans: Iterable[Span], *, example: TokenExample) -> list[Span]:
        """The spans less those that overlap one of the same type, which only a changed label can bring about."""
        kept: list[Span] = []
        for span in spans:
            if any(one.label == span.label and one.start < span.end and span.start < one.end for one in kept):
                mention = " ".join(example.words[span.start : span.end])
                self._losses.add("lost-overlaps", example.where, f"{span.label} {quoted(mention)}")
            else:
                kept.append(span)
        return kept


@cache
def clean_label(label: str, *, mark: str | None = None) -> str:
    """The label as a tag can hold it: not empty, without white space, and not to be taken for several tags."""
    clean = WHITE_SPACE.sub("_", label) or "_"
    for sign in MARKS:
        parts = f"B-{clean}".split(sign)
        if sign == mark or (
            len(parts) > 1 and all(part == labels.OUTSIDE or labels.has_prefix(part) for part in parts)
        ):
            clean = clean.replace(sign, "_")
    return clean


def _overlap(spans: Sequence[Span]) -> bool:
    ordered = sorted(spans, key=lambda span: span.start)
    return any(after.start < before.end for before, after in pairwise(ordered))
