"""Token task: a tag for every word, read as entities."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from operator import attrgetter

import numpy as np
import numpy.typing as npt
from transformers import PreTrainedTokenizerBase

from nertune.data.examples import Example, Problem, Span, TokenExample
from nertune.data.labels import OUTSIDE, layers_of_tags, spans_to_tags, split_tag, tag_names, tags_to_spans
from nertune.data.source import quoted
from nertune.errors import DataError
from nertune.models.losses import IGNORED
from nertune.results.records import SplitScores
from nertune.scores.entities import score_entities
from nertune.spec.study import DataSpec, StudySpec
from nertune.tasks.align import Pieces, split_sentences
from nertune.tasks.collect import WindowCollector
from nertune.tasks.encoded import (
    EncodedSplit,
    Gold,
    HeadLabels,
    Ints,
    LabelSets,
    SetNumbers,
    Windows,
    spans_of,
)
from nertune.tasks.predictions import Floats, Outputs, Predictions, TokenPredictions
from nertune.tasks.windows import Frame, Window, cut_windows

SEVERAL, VANISHED, CUT, UNKNOWN = (
    "sentences in several windows",
    "words without a piece",
    "words cut",
    "words of a type that is not learned",
)


LATER = "X"  # label of the later pieces of words, with `pieces: x`


def label_names(labels: Sequence[str], *, spec: StudySpec, problem: Problem) -> tuple[str, ...]:
    """The tags that these entity types can have in the scheme that is learned, in the order of their ids.

    Where a word may have several, being outside of all is no label of its own. With `pieces: x` the later pieces of
    words have the last one.
    """
    tags = tag_names(labels, spec.data.tagging)
    if problem == "multi_label":
        return tuple(tag for tag in tags if tag != OUTSIDE)
    return (*tags, LATER) if spec.model.pieces == "x" else tuple(tags)


def continuations(labels: Sequence[str], *, own_label: bool) -> list[int]:
    """For each label id, the one that the later pieces of a word with it learn: I- of its type.

    own_label  all of them learn LATER, a label of their own
    """
    if own_label:
        return [labels.index(LATER)] * len(labels)
    inner = {tag: f"I-{split_tag(tag)[1]}" for tag in labels if tag != OUTSIDE}
    return [labels.index(inner.get(tag, tag)) for tag in labels]


def encode(
    examples: Sequence[Example],
    *,
    heads: Sequence[HeadLabels],
    tokenizer: PreTrainedTokenizerBase,
    frame: Frame,
    spec: StudySpec,
) -> tuple[Windows, list[Gold], dict[str, int]]:
    """The windows of all sentences, the gold of each head, and counts of what a user wants to know.

    Raises  DataError at a sentence with a word of several types, where a head learns one
    """
    golds = [TagNumbers(head, scheme=spec.data.tagging) for head in heads]
    collector, counts, first_item = WindowCollector(n_heads=len(heads)), Counter[str](), 0
    for number, (sentence, pieces) in enumerate(split_sentences(examples, tokenizer=tokenizer)):
        targets = [gold.targets_of(sentence, is_seen=pieces.sizes > 0) for gold in golds]
        n_windows = _add_sentence(collector, pieces, number=number, first_item=first_item, targets=targets, frame=frame)
        counts[SEVERAL] += n_windows > 1
        counts[VANISHED] += int((pieces.sizes == 0).sum())
        counts[CUT] += int((pieces.sizes > frame.capacity).sum())
        counts[UNKNOWN] += sum(own.count(IGNORED) for own in targets) - len(targets) * int((pieces.sizes == 0).sum())
        first_item += len(sentence.words)
    found = [Gold(own, gold.label_sets()) for own, gold in zip(collector.targets(), golds, strict=True)]
    return collector.windows(), found, {kind: counts[kind] for kind in (SEVERAL, VANISHED, CUT, UNKNOWN)}


class TagNumbers:
    """Numbers the gold of words for one head: by the tag, or (multi-label) by the set of tags."""

    def __init__(self, head: HeadLabels, *, scheme: str) -> None:
        self._head, self._scheme = head, scheme
        self._ids = {tag: i for i, tag in enumerate(head.names)}
        self._sets = SetNumbers() if head.problem == "multi_label" else None

    def targets_of(self, sentence: TokenExample, *, is_seen: npt.NDArray[np.bool_]) -> list[int]:
        """Of each word; IGNORED for one of a type that is not learned.

        is_seen  whether the word has a piece. An entity is tagged over the words that have: without its first word
                 the second one is B-
        Raises   DataError, see `encode`
        """
        # the only head sees all entities, so that those it does not know are counted
        spans = spans_of(sentence.spans, kinds=self._head.kinds) if self._head.name else sentence.spans
        if self._sets is None:
            _refuse_several_types(sentence, spans=spans, head=self._head.name)
        if is_seen.all():
            return self._number(spans, n_words=len(is_seen))
        targets = np.full(len(is_seen), IGNORED, dtype=np.int64)
        targets[is_seen] = self._number(_among_seen(spans, is_seen=is_seen), n_words=int(is_seen.sum()))
        return targets.tolist()

    def _number(self, spans: Sequence[Span], *, n_words: int) -> list[int]:
        if self._sets is None:
            return [self._ids.get(tag, IGNORED) for tag in spans_to_tags(spans, n_words, self._scheme)]
        layers = layers_of_tags(spans, n_words, self._scheme)
        words = zip(*layers, strict=True) if layers else [()] * n_words
        return [self._sets.number_of(self._ids[tag] for tag in word if tag in self._ids) for word in words]

    def label_sets(self) -> LabelSets | None:
        """The sets behind the numbers; None where the numbers are tags."""
        return None if self._sets is None else self._sets.label_sets()


def decode(outputs: Outputs, *, encoded: EncodedSplit) -> TokenPredictions:
    """The entities of every sentence; a word that no window holds is outside of all."""
    layers = _layers(outputs, encoded=encoded)
    starts = np.concatenate([[0], np.cumsum(encoded.n_words)])
    spans: list[list[Span]] = [[] for _ in range(encoded.n_examples)]
    means: list[list[float]] = [[] for _ in range(encoded.n_examples)]
    for names, ids, certainty in layers:
        inside = np.flatnonzero([name != OUTSIDE for name in names])
        # only sentences with an entity cost time
        for number in np.unique(np.searchsorted(starts, np.flatnonzero(np.isin(ids, inside)), side="right") - 1):
            start, end = int(starts[number]), int(starts[number + 1])
            found = tags_to_spans([names[i] for i in ids[start:end]])
            spans[number] += found
            means[number] += _span_means(found, certainty=certainty, start=start)
    if len(layers) > 1:
        _put_in_order(spans, means)
    return TokenPredictions(
        spans=spans, probabilities=means, n_words=encoded.n_words, loss=outputs.loss, runtime_s=outputs.runtime_s
    )


Layer = tuple[Sequence[str], Ints, Floats]


def _layers(outputs: Outputs, *, encoded: EncodedSplit) -> list[Layer]:
    """Names of tags, the number of each word's tag among them, its probability: once, or for each type by itself."""
    items, n_items = encoded.windows.items, int(encoded.n_words.sum())
    if encoded.problem == "single_label":
        ids = outputs.decoded.astype(np.int64)
        certainty = np.take_along_axis(outputs.probabilities, ids[:, None], axis=1)[:, 0]
        outside = encoded.labels.index(OUTSIDE)
        return [(encoded.labels, *_of_all_words(ids, certainty, items, n_items=n_items, outside=outside))]
    layers: list[Layer] = []
    for kind in dict.fromkeys(split_tag(tag)[1] for tag in encoded.labels):
        columns = [i for i, tag in enumerate(encoded.labels) if split_tag(tag)[1] == kind]
        # the most probable of the type's tags that are said; OUTSIDE, the last, where none is
        said = np.where(outputs.decoded[:, columns], outputs.probabilities[:, columns], 0.0)
        chosen = np.where(outputs.decoded[:, columns].any(1), said.argmax(1), len(columns))
        names = [*(encoded.labels[i] for i in columns), OUTSIDE]
        found = _of_all_words(chosen, said.max(1, initial=0.0), items, n_items=n_items, outside=len(columns))
        layers.append((names, *found))
    return layers


def _of_all_words(ids: Ints, certainty: Floats, items: Ints, *, n_items: int, outside: int) -> tuple[Ints, Floats]:
    """The numbers and probabilities of all words, those that are at home nowhere included."""
    every, sure = np.full(n_items, outside, dtype=np.int64), np.ones(n_items, dtype=np.float32)
    every[items], sure[items] = ids, certainty
    return every, sure


def _put_in_order(spans: list[list[Span]], means: list[list[float]]) -> None:
    """The entities of each sentence by their words, whatever type was read first."""
    for number, found in enumerate(spans):
        order = sorted(range(len(found)), key=lambda i: (found[i].start, found[i].end, found[i].label))
        spans[number] = [found[i] for i in order]
        means[number] = [means[number][i] for i in order]


def score(
    predictions: Predictions,
    *,
    encoded: EncodedSplit,
    data: DataSpec,  # noqa: ARG001  # entities have no positive label
) -> SplitScores:
    """Entity scores of the predictions against gold."""
    assert isinstance(predictions, TokenPredictions)
    return score_entities(encoded.gold_spans, predictions.spans, n_words=encoded.n_words.tolist())


def _refuse_several_types(sentence: TokenExample, *, spans: Sequence[Span], head: str) -> None:
    """Refuse a word with several labels: a tag says one."""
    for one, other in pairwise(sorted(spans, key=attrgetter("start"))):
        if other.start < one.end:
            key = f"model.heads.{head}" if head else "model"
            raise DataError(
                f"the word {quoted(sentence.words[other.start])} is both {one.label} and {other.label}, "
                "but this model learns one label for each word",
                where=sentence.where,
                fix=f"Write {key}.problem: multi_label, choose one column of tags, for example "
                f"data.columns: {{word: 0, tag: -1}}, or keep some of the types: data.keep: [{one.label}]",
            )


def _among_seen(spans: Sequence[Span], *, is_seen: npt.NDArray[np.bool_]) -> list[Span]:
    """The entities in the numbers of the words that have a piece; one that has none there is left out."""
    before = np.concatenate([[0], np.cumsum(is_seen)]).tolist()
    moved = [Span(span.label, before[span.start], before[span.end]) for span in spans]
    return [span for span in moved if span.start < span.end]


def _add_sentence(
    collector: WindowCollector,
    pieces: Pieces,
    *,
    number: int,
    first_item: int,
    targets: Sequence[Sequence[int]],
    frame: Frame,
) -> int:
    """The windows of one sentence; returns how many. A word longer than a window keeps its first pieces."""
    starts = np.concatenate([[0], np.cumsum(pieces.sizes)]).tolist()
    sizes = np.minimum(pieces.sizes, frame.capacity).tolist()
    windows = cut_windows(sizes, capacity=frame.capacity, overlap=frame.overlap)
    for window in windows:
        if not window.homes:  # nothing to learn or to predict here
            continue
        ids, places = _fill(window, pieces=pieces, starts=starts, sizes=sizes, frame=frame)
        collector.add(
            ids,
            example=number,
            items=[first_item + word for word in window.homes],
            places=places,
            sizes=[sizes[word] for word in window.homes],
            targets=[[own[word] for word in window.homes] for own in targets],
        )
    return len(windows)


def _fill(
    window: Window, *, pieces: Pieces, starts: Sequence[int], sizes: Sequence[int], frame: Frame
) -> tuple[list[int], list[int]]:
    """The ids of a window, and the place of each home word's first piece in it."""
    ids = list(frame.prefix)
    place_of = {}
    for word in range(window.start, window.end):
        place_of[word] = len(ids)
        ids.extend(pieces.ids[starts[word] : starts[word] + sizes[word]])
    ids.extend(frame.suffix)
    return ids, [place_of[word] for word in window.homes]


def _span_means(spans: Sequence[Span], *, certainty: npt.NDArray[np.float32], start: int) -> list[float]:
    return [float(certainty[start + span.start : start + span.end].mean()) for span in spans]
