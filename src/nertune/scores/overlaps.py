"""Entities of two annotators matched one to one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from nertune.data.examples import Span


def count_exact(first: Sequence[Span], second: Sequence[Span]) -> Counter[str]:
    """For each type, the entities of one sentence that both have with both ends alike."""
    return Counter(span.label for span in set(first) & set(second))


def count_overlapping(first: Sequence[Span], second: Sequence[Span]) -> Counter[str]:
    """For each type, how many entities of one sentence can be matched: same type, a word in common, one to one.

    As many as can be. It is SemEval-2013's "type" matching ("some overlap between the tagged entity and the gold entity
    is required", types equal), counted in full; its "partial" matching counts a half and does not look at types.

    first, second  entities of one type do not overlap within one annotator
    Source         Segura-Bedmar, Martínez, Herrero-Zazo 2013, "SemEval-2013 Task 9", task 9.1
    """
    if not first or not second:
        return Counter()
    return Counter({label: _match(first, second, label=label) for label in {span.label for span in first}})


def _match(first: Sequence[Span], second: Sequence[Span], *, label: str) -> int:
    """Of two that overlap, the one that ends first meets no other, so that matching them loses nothing."""
    ours = sorted(span for span in first if span.label == label)
    theirs = sorted(span for span in second if span.label == label)
    i = j = n_matched = 0
    while i < len(ours) and j < len(theirs):
        is_match = ours[i].start < theirs[j].end and theirs[j].start < ours[i].end
        n_matched += is_match
        i, j = (i + 1, j + 1) if is_match else (i + 1, j) if ours[i].end <= theirs[j].start else (i, j + 1)
    return n_matched
