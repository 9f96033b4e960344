"""Where predictions err: by length, by what train had, and the errors that come again and again."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from nertune.data.examples import Span
from nertune.scores.matching import pair_entities, same_ends, same_type
from nertune.scores.rates import rates

Kind = Literal["missed", "spurious", "wrong type", "wrong ends", "wrong type and ends"]
Spans = Sequence[Sequence[Span]]  # of each sentence

LONG = 6  # words of an entity: from here on lengths are put together
LENGTHS_OF_SENTENCES = (10, 20, 30, 50)  # words up to which sentences are put together


@dataclass(frozen=True)
class Mistake:
    """An entity that was missed, made up or taken for another.

    sentence   its number
    gold       None: there is none
    predicted  None: nothing was found
    """

    sentence: int
    kind: Kind
    gold: Span | None
    predicted: Span | None


def find_mistakes(gold: Spans, predicted: Spans) -> list[Mistake]:
    """Every entity that is not right, each with the one that it was most likely meant to be."""
    return [
        Mistake(number, kind, true, guessed)
        for number, (ours, theirs) in enumerate(zip(gold, predicted, strict=True))
        for true, guessed in pair_entities(ours, theirs)
        if (kind := _kind(true, guessed)) is not None
    ]


def frequent_mistakes(
    words: Sequence[Sequence[str]], runs: Sequence[Sequence[Mistake]], *, most: int
) -> list[dict[str, Any]]:
    """The mistakes that were made most often over all runs, with the place where most runs made them.

    words    of each sentence
    runs     of each model its mistakes
    Returns  kind, gold and predicted label and text, `count` over all runs, `places` it stands at, and of the place
             shown `sentence`, `gold` and `predicted` [start, end], `runs` that made it there
    """
    counts: Counter[Any] = Counter()
    places: dict[Any, Counter[Mistake]] = defaultdict(Counter)
    for mistakes in runs:
        for mistake in mistakes:
            name = _named(mistake, words)
            counts[name] += 1
            places[name][mistake] += 1
    ranked = sorted(counts, key=lambda name: (-counts[name], str(name)))[:most]
    return [_told(name, counts[name], places[name]) for name in ranked]


def count_kinds(runs: Sequence[Sequence[Mistake]]) -> dict[str, float]:
    """How many mistakes of each kind a model makes in the mean."""
    counts = Counter(mistake.kind for mistakes in runs for mistake in mistakes)
    return {kind: counts[kind] / len(runs) for kind in sorted(counts, key=lambda kind: (-counts[kind], kind))}


def by_entity_length(gold: Spans, runs: Sequence[Spans]) -> list[dict[str, Any]]:
    """Strict scores of entities of 1, 2, 3 … words; a prediction counts with its own length."""
    return _grouped(gold, runs, group_of=lambda _number, span: min(span.end - span.start, LONG), name=_length_name)


def by_sentence_length(gold: Spans, runs: Sequence[Spans], *, words: Sequence[Sequence[str]]) -> list[dict[str, Any]]:
    """Strict scores in sentences of up to 10, 20, 30, 50 and of more words."""

    def group_of(number: int, _span: Span) -> int:
        return sum(len(words[number]) > limit for limit in LENGTHS_OF_SENTENCES)

    return _grouped(gold, runs, group_of=group_of, name=_sentence_name)


def by_seen(
    gold: Spans, runs: Sequence[Spans], *, words: Sequence[Sequence[str]], seen: Mapping[tuple[str, str], int]
) -> list[dict[str, Any]]:
    """Strict scores of entities by how often train has the same words with the same type.

    seen  (label, text) -> how often, of train (`count_entities`)
    """

    def group_of(number: int, span: Span) -> int:
        count = seen.get((span.label, text_of(span, words[number])), 0)
        return sum(count >= least for least in (1, 2, 5))

    return _grouped(
        gold, runs, group_of=group_of, name=("never", "once", "2 to 4 times", "5 times or more").__getitem__
    )


def count_entities(words: Iterable[Sequence[str]], spans: Iterable[Sequence[Span]]) -> Counter[tuple[str, str]]:
    """How often each entity stands in some sentences, by label and text."""
    return Counter(
        (span.label, text_of(span, sentence)) for sentence, own in zip(words, spans, strict=True) for span in own
    )


def text_of(span: Span, words: Sequence[str]) -> str:
    return " ".join(words[span.start : span.end])


# ---- groups


def _grouped(
    gold: Spans, runs: Sequence[Spans], *, group_of: Callable[[int, Span], int], name: Callable[[int], str]
) -> list[dict[str, Any]]:
    """Precision, recall and F1 of each group over all runs; `support` is that of gold."""
    real = Counter(group_of(number, span) for number, own in enumerate(gold) for span in own)
    found: Counter[int] = Counter()
    right: Counter[int] = Counter()
    for predicted in runs:
        for number, (ours, theirs) in enumerate(zip(gold, predicted, strict=True)):
            found.update(group_of(number, span) for span in theirs)
            right.update(group_of(number, span) for span in {*ours} & {*theirs})
    return [
        {
            "group": name(group),
            **rates(right[group], found=found[group], real=real[group] * len(runs)).to_scores(),
            "support": real[group],
        }
        for group in sorted({*real, *found})
    ]


def _length_name(length: int) -> str:
    return f"{length} or more" if length == LONG else str(length)


def _sentence_name(group: int) -> str:
    ends = (0, *LENGTHS_OF_SENTENCES)
    return f"{ends[group] + 1} to {ends[group + 1]}" if group < len(LENGTHS_OF_SENTENCES) else f"more than {ends[-1]}"


# ---- kinds of mistakes


def _kind(gold: Span | None, predicted: Span | None) -> Kind | None:
    if gold is None:
        return "spurious"
    if predicted is None:
        return "missed"
    if same_type(gold, predicted):
        return None if same_ends(gold, predicted) else "wrong ends"
    return "wrong type" if same_ends(gold, predicted) else "wrong type and ends"


def _named(mistake: Mistake, words: Sequence[Sequence[str]]) -> tuple[Any, ...]:
    """What makes two mistakes the same: kind, labels and texts."""
    sentence = words[mistake.sentence]
    sides = [
        None if span is None else (span.label, text_of(span, sentence)) for span in (mistake.gold, mistake.predicted)
    ]
    return (mistake.kind, *sides)


def _told(name: tuple[Any, ...], count: int, places: Counter[Mistake]) -> dict[str, Any]:
    shown = min(places, key=lambda mistake: (-places[mistake], mistake.sentence))
    kind, gold, predicted = name
    return {
        "kind": kind,
        "gold_label": gold[0] if gold else None,
        "gold_text": gold[1] if gold else None,
        "predicted_label": predicted[0] if predicted else None,
        "predicted_text": predicted[1] if predicted else None,
        "count": count,
        "places": len(places),
        "sentence": shown.sentence,
        "gold": None if shown.gold is None else [shown.gold.start, shown.gold.end],
        "predicted": None if shown.predicted is None else [shown.predicted.start, shown.predicted.end],
        "runs": places[shown],
    }
