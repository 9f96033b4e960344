"""What is taken for what: gold label -> predicted label -> how often."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from nertune.data.examples import Span
from nertune.data.labels import OUTSIDE
from nertune.scores.matching import pair_entities

NOTHING = ""  # what stands in place of a label where an entity has no counterpart
BETWEEN = "+"  # the types of a word that has several: `LOC+PER`

Confusion = Mapping[str, Mapping[str, int]]


def confuse_classes(gold: Iterable[str], predicted: Iterable[str]) -> Confusion:
    """How often a text of each class was called each class."""
    return _tabulated(Counter(zip(gold, predicted, strict=True)))


def confuse_label_sets(gold: Sequence[Sequence[str]], predicted: Sequence[Sequence[str]]) -> Confusion:
    """Of texts with several labels: how often each missing label met each superfluous one, and each label was right.

    Where a text has labels too few only, or too many only, NOTHING stands on the other side.
    """
    counts: Counter[tuple[str, str]] = Counter()
    for true, guessed in zip(gold, predicted, strict=True):
        missing, extra = sorted({*true} - {*guessed}), sorted({*guessed} - {*true})
        counts.update((label, label) for label in {*true} & {*guessed})
        counts.update((one, other) for one in missing or [NOTHING] for other in extra or [NOTHING] if missing or extra)
    return _tabulated(counts)


def confuse_entities(gold: Sequence[Sequence[Span]], predicted: Sequence[Sequence[Span]]) -> Confusion:
    """How often an entity of each type was matched with one of each type (see `pair_entities`), whatever its ends.

    NOTHING as the predicted type: missed; as the gold type: spurious.
    """
    counts: Counter[tuple[str, str]] = Counter()
    for true, guessed in zip(gold, predicted, strict=True):
        counts.update((_label(one), _label(other)) for one, other in pair_entities(true, guessed))
    return _tabulated(counts)


def confuse_words(
    gold: Sequence[Sequence[Span]], predicted: Sequence[Sequence[Span]], *, n_words: Sequence[int]
) -> Confusion:
    """How often a word in an entity of each type, or in none (O), was said to be in one of each; B and I are one."""
    counts: Counter[tuple[str, str]] = Counter()
    for true, guessed in zip(gold, predicted, strict=True):
        ours, theirs = _types(true), _types(guessed)
        counts.update((ours.get(word, OUTSIDE), theirs.get(word, OUTSIDE)) for word in {*ours, *theirs})
    n_outside = sum(n_words) - counts.total()
    return _tabulated(counts + Counter({(OUTSIDE, OUTSIDE): n_outside}))


def _label(span: Span | None) -> str:
    return NOTHING if span is None else span.label


def _types(spans: Sequence[Span]) -> dict[int, str]:
    """The type of each word in an entity; all of them where there are several."""
    types: dict[int, str] = {}
    for span in sorted(spans):
        for word in range(span.start, span.end):
            types[word] = f"{types[word]}{BETWEEN}{span.label}" if word in types else span.label
    return types


def _tabulated(counts: Mapping[tuple[str, str], int]) -> dict[str, dict[str, int]]:
    table: dict[str, dict[str, int]] = {}
    for row, column in sorted(counts):
        table.setdefault(row, {})[column] = counts[row, column]
    return table
