"""Entity scores: an entity counts when its type and both its ends are right."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from nertune.data.examples import Span
from nertune.results.records import SplitScores
from nertune.scores.rates import Rates, rates


def score_entities(
    gold: Sequence[Sequence[Span]], predicted: Sequence[Sequence[Span]], *, n_words: Sequence[int]
) -> SplitScores:
    """Micro, macro and weighted scores of entities, word accuracy on IOB2 tags, and the scores of every type.

    Spans of one sentence do not overlap. The figures are those of seqeval's default mode on the same spans as IOB2
    tags, tested so; it is not called, because it takes many times as long, once an epoch of every trial.

    Shapes  one item a sentence in all three; n_words counts its words
    """
    right, found, real = _count(gold, predicted)
    by_type = {label: rates(right[label], found=found[label], real=real[label]) for label in sorted({*found, *real})}
    micro = rates(right.total(), found=found.total(), real=real.total())
    overall = {
        "f1": micro.f1,
        "precision": micro.precision,
        "recall": micro.recall,
        "macro_f1": _mean(by_type, dict.fromkeys(by_type, 1)),
        "weighted_f1": _mean(by_type, real),
        "accuracy": _word_accuracy(gold, predicted, n_words=n_words),
    }
    return SplitScores(overall=overall, labels={label: one.to_scores() for label, one in by_type.items()})


def _count(
    gold: Sequence[Sequence[Span]], predicted: Sequence[Sequence[Span]]
) -> tuple[Counter[str], Counter[str], Counter[str]]:
    right: Counter[str] = Counter()
    found: Counter[str] = Counter()
    real: Counter[str] = Counter()
    for true, guessed in zip(gold, predicted, strict=True):
        if true or guessed:
            right.update(span.label for span in set(true) & set(guessed))
            found.update(span.label for span in guessed)
            real.update(span.label for span in true)
    return right, found, real


def _mean(by_type: Mapping[str, Rates], weights: Mapping[str, int]) -> float:
    total = sum(weights.values())
    return sum(one.f1 * weights[label] for label, one in by_type.items()) / total if total else 0.0


def _word_accuracy(
    gold: Sequence[Sequence[Span]], predicted: Sequence[Sequence[Span]], *, n_words: Sequence[int]
) -> float:
    total = sum(n_words)
    wrong = sum(count_wrong_words(true, guessed) for true, guessed in zip(gold, predicted, strict=True))
    return (total - wrong) / total if total else 0.0


def count_wrong_words(gold: Sequence[Span], predicted: Sequence[Span]) -> int:
    """Words whose IOB2 tags differ; those outside all spans are O in both."""
    return len({word for word, _ in set(_tagged(gold)) ^ set(_tagged(predicted))}) if gold or predicted else 0


def _tagged(spans: Iterable[Span]) -> Iterable[tuple[int, str]]:
    for span in spans:
        yield span.start, "B-" + span.label
        yield from ((word, "I-" + span.label) for word in range(span.start + 1, span.end))
