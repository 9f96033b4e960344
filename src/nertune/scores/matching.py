"""Entities of gold and prediction matched one to one, strictly and in part: the four measures of SemEval-2013.

    strict    correct where type and both ends are right
    exact     correct where both ends are right, whatever the type
    partial   correct where both ends are right, half correct where a word is shared, whatever the type
    type      correct where a word is shared and the type is right

Source  Segura-Bedmar, Martínez, Herrero-Zazo 2013, "SemEval-2013 Task 9", task 9.1, with the categories of MUC-5
        (Chinchor and Sundheim 1993)
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from nertune.data.examples import Span
from nertune.scores.rates import rates

Worth = tuple[int, ...]  # of a matched pair; of two matchings the one is better whose sum comes later in order
HALF = 0.5  # what an entity that is found in part counts


@dataclass(frozen=True, slots=True)
class MatchCounts:
    """What became of the entities under one measure. Each gold entity is matched with one predicted one at most.

    incorrect  matched, but with what this measure calls wrong
    partial    matched with some of its words, where the measure knows halves
    missed     gold entities that are matched with none; `spurious`: predicted ones
    """

    correct: int = 0
    incorrect: int = 0
    partial: int = 0
    missed: int = 0
    spurious: int = 0

    def __add__(self, other: MatchCounts) -> MatchCounts:
        return MatchCounts(
            correct=self.correct + other.correct,
            incorrect=self.incorrect + other.incorrect,
            partial=self.partial + other.partial,
            missed=self.missed + other.missed,
            spurious=self.spurious + other.spurious,
        )

    @property
    def possible(self) -> int:
        """Gold entities."""
        return self.correct + self.incorrect + self.partial + self.missed

    @property
    def actual(self) -> int:
        """Predicted entities."""
        return self.correct + self.incorrect + self.partial + self.spurious

    def to_json(self) -> dict[str, Any]:
        """The counts, with precision, recall and F1, in which a partial match counts a half."""
        found = rates(self.correct + HALF * self.partial, found=self.actual, real=self.possible)
        return {**asdict(self), "precision": found.precision, "recall": found.recall, "f1": found.f1}


@dataclass(frozen=True)
class Measure:
    """What a matched pair (gold, predicted) is: correct, half correct, or neither and so incorrect."""

    is_correct: Callable[[Span, Span], bool]
    is_partial: Callable[[Span, Span], bool] = lambda _gold, _predicted: False

    def worth(self, gold: Span, predicted: Span) -> Worth:
        """Credit in halves first, then whole credits, then pairs: so the counts of the best matching are its own."""
        is_correct = self.is_correct(gold, predicted)
        is_partial = not is_correct and self.is_partial(gold, predicted)
        return 2 * is_correct + is_partial, int(is_correct), 1


def same_ends(gold: Span, predicted: Span) -> bool:
    return (gold.start, gold.end) == (predicted.start, predicted.end)


def same_type(gold: Span, predicted: Span) -> bool:
    return gold.label == predicted.label


def share_words(gold: Span, predicted: Span) -> bool:
    return gold.start < predicted.end and predicted.start < gold.end


MEASURES: dict[str, Measure] = {
    "strict": Measure(lambda gold, predicted: same_ends(gold, predicted) and same_type(gold, predicted)),
    "exact": Measure(same_ends),
    "partial": Measure(same_ends, is_partial=share_words),
    "type": Measure(same_type),
}


def count_matches(
    gold: Sequence[Sequence[Span]], predicted: Sequence[Sequence[Span]], *, measure: Measure
) -> MatchCounts:
    """The counts over all sentences, each matched so that most is correct; the order of its spans does not matter.

    Shapes  one item a sentence in both
    """
    total = MatchCounts()
    for true, guessed in zip(gold, predicted, strict=True):
        for ours, theirs in clusters(true, guessed):
            total += _count(ours, theirs, measure=measure)
    return total


def measure_matches(gold: Sequence[Sequence[Span]], predicted: Sequence[Sequence[Span]]) -> dict[str, MatchCounts]:
    """The counts of every measure."""
    return {name: count_matches(gold, predicted, measure=measure) for name, measure in MEASURES.items()}


def pair_entities(gold: Sequence[Span], predicted: Sequence[Span]) -> list[tuple[Span | None, Span | None]]:
    """Each entity of a sentence with the one of the other side that it was most likely meant to be, else with None.

    Of all matchings the one with most equal ends, then most pairs, most equal types, most words in common.
    """
    paired: list[tuple[Span | None, Span | None]] = []
    for ours, theirs in clusters(gold, predicted):
        pairs = match_spans(ours, theirs, worth=_likeness)
        paired += pairs
        paired += [(span, None) for span in ours if span not in [true for true, _ in pairs]]
        paired += [(None, span) for span in theirs if span not in [guessed for _, guessed in pairs]]
    return paired


def _likeness(gold: Span, predicted: Span) -> Worth:
    n_shared = min(gold.end, predicted.end) - max(gold.start, predicted.start)
    return int(same_ends(gold, predicted)), 1, int(same_type(gold, predicted)), n_shared


def _count(gold: Sequence[Span], predicted: Sequence[Span], *, measure: Measure) -> MatchCounts:
    pairs = match_spans(gold, predicted, worth=measure.worth)
    n_correct = sum(measure.is_correct(*pair) for pair in pairs)
    n_partial = sum(not measure.is_correct(*pair) and measure.is_partial(*pair) for pair in pairs)
    return MatchCounts(
        correct=n_correct,
        incorrect=len(pairs) - n_correct - n_partial,
        partial=n_partial,
        missed=len(gold) - len(pairs),
        spurious=len(predicted) - len(pairs),
    )


def clusters(gold: Sequence[Span], predicted: Sequence[Span]) -> Iterator[tuple[list[Span], list[Span]]]:
    """The spans of a sentence in groups that share no word with another group, in order; sorted within."""
    sides: tuple[list[Span], list[Span]] = ([], [])
    end = 0
    for start, _, side, span in sorted(
        (span.start, span.end, side, span) for side, spans in enumerate((gold, predicted)) for span in spans
    ):
        if start >= end and any(sides):
            yield sides
            sides = ([], [])
        sides[side].append(span)
        end = max(end, span.end)
    if any(sides):
        yield sides


# ---- the best matching


def match_spans(
    gold: Sequence[Span], predicted: Sequence[Span], *, worth: Callable[[Span, Span], Worth]
) -> list[tuple[Span, Span]]:
    """Pairs that share a word, each span in one of them at most, whose worths add up to the most.

    worth  of a pair that shares a word: numbers from 0, of which the earlier ones decide; one of them is above 0
    Cost   O(n^3) for n spans, which are those of a cluster: one or two, mostly
    """
    table = [[worth(ours, theirs) if share_words(ours, theirs) else () for theirs in predicted] for ours in gold]
    chosen = assign(_as_numbers(table))
    return [(gold[row], predicted[column]) for row, column in chosen]


def _as_numbers(table: Sequence[Sequence[Worth]]) -> list[list[int]]:
    """Worths as whole numbers, so large that no sum of later ones reaches an earlier one; 0 for none."""
    largest = max((value for row in table for worth in row for value in worth), default=0)
    base = 1 + largest * len(table)

    def number(worth: Worth) -> int:
        total = 0
        for value in worth:
            total = total * base + value
        return total

    return [[number(worth) for worth in row] for row in table]


def assign(weights: Sequence[Sequence[int]]) -> list[tuple[int, int]]:
    """The (row, column) pairs with the greatest sum of weights, each row and column once; pairs of weight 0 left out.

    weights  none below 0, rows of one length
    Source   Kuhn 1955, "The Hungarian method", in the form with shortest augmenting paths: O(rows^2 columns)
    """
    if not weights or not weights[0]:
        return []
    if len(weights) > len(weights[0]):
        return sorted((row, column) for column, row in assign([*zip(*weights, strict=True)]))
    row_of = _augment_all(weights)
    return sorted((row, column) for column, row in row_of.items() if weights[row][column])


def _augment_all(weights: Sequence[Sequence[int]]) -> dict[int, int]:
    """Column -> its row, with every row in it: one row after another is let in, and those before it make room.

    height[row] + depth[column] is never less than the weight of the two, and equal for those assigned: so the sum of
    the assigned weights is the greatest there is.
    """
    height, depth = [max(row) for row in weights], [0] * len(weights[0])
    row_of: dict[int, int] = {}
    for start in range(len(weights)):
        row, column, came_from = start, -1, dict[int, int]()  # column -> the column before it on the way, -1 the start
        gaps = dict.fromkeys(range(len(depth)), (math.inf, -1))  # of columns not reached: lack of weight, column before
        while row >= 0:
            gaps |= {one: min(gap, (height[row] + depth[one] - weights[row][one], column)) for one, gap in gaps.items()}
            step, next_column = min((gap, one) for one, (gap, _) in gaps.items())
            for reached in came_from:
                depth[reached] += int(step)
                height[row_of[reached]] -= int(step)
            height[start] -= int(step)
            gaps = {one: (gap - step, before) for one, (gap, before) in gaps.items()}
            came_from[next_column] = gaps.pop(next_column)[1]
            column, row = next_column, row_of.get(next_column, -1)
        while column >= 0:
            before = came_from[column]
            row_of[column] = start if before < 0 else row_of[before]
            column = before
    return row_of
