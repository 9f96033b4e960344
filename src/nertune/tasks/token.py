"""Token task: a tag for every word, read as entities."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from operator import attrgetter

import numpy as np
import numpy.typing as npt
from transformers import PreTrainedTokenizerBase

from nertune.data.examples import Example, Span, TokenExample
from nertune.data.labels import OUTSIDE, spans_to_tags, tag_names, tags_to_spans
from nertune.data.source import quoted
from nertune.errors import DataError
from nertune.models.losses import IGNORED
from nertune.results.records import SplitScores
from nertune.scores.entities import score_entities
from nertune.spec.study import DataSpec, StudySpec
from nertune.tasks.align import Pieces, split_sentences
from nertune.tasks.collect import WindowCollector
from nertune.tasks.encoded import EncodedSplit, Windows
from nertune.tasks.predictions import Outputs, Predictions, TokenPredictions
from nertune.tasks.windows import Frame, Window, cut_windows

SEVERAL, VANISHED, CUT, UNKNOWN = (
    "sentences in several windows",
    "words without a piece",
    "words cut",
    "words of a type that is not learned",
)


def label_names(labels: Sequence[str], *, data: DataSpec) -> tuple[str, ...]:
    """The tags that these entity types can have in the scheme that is learned, in the order of their ids."""
    return tuple(tag_names(labels, data.tagging))


def encode(
    examples: Sequence[Example],
    *,
    labels: Sequence[str],
    tokenizer: PreTrainedTokenizerBase,
    frame: Frame,
    spec: StudySpec,
) -> tuple[Windows, dict[str, int]]:
    """The windows of all sentences, and counts of what a user wants to know.

    Raises  DataError at a sentence with a word of several types, or when `model.problem` asks for them
    """
    ids = {tag: i for i, tag in enumerate(labels)}
    collector, counts, first_item = WindowCollector(), Counter[str](), 0
    for number, (sentence, pieces) in enumerate(split_sentences(examples, tokenizer=tokenizer)):
        _refuse_several_types(sentence)
        tags = spans_to_tags(sentence.spans, len(sentence.words), spec.data.tagging)
        targets = [ids.get(tag, IGNORED) for tag in tags]
        n_windows = _add_sentence(collector, pieces, number=number, first_item=first_item, targets=targets, frame=frame)
        counts[SEVERAL] += n_windows > 1
        counts[VANISHED] += int((pieces.sizes == 0).sum())
        counts[CUT] += int((pieces.sizes > frame.capacity).sum())
        counts[UNKNOWN] += targets.count(IGNORED)
        first_item += len(sentence.words)
    if spec.model.problem == "multi_label":
        raise DataError(
            "model.problem is multi_label, but the words of a token task have one label each",
            fix="model.problem: single_label",
        )
    return collector.windows(), {kind: counts[kind] for kind in (SEVERAL, VANISHED, CUT, UNKNOWN)}


def decode(outputs: Outputs, *, encoded: EncodedSplit) -> TokenPredictions:
    """The entities of every sentence; a word that no window holds is outside of all."""
    outside = encoded.labels.index(OUTSIDE)
    n_items = int(encoded.n_words.sum())
    ids = np.full(n_items, outside, dtype=np.int64)
    certainty = np.ones(n_items, dtype=np.float32)
    ids[encoded.windows.items] = outputs.decoded
    certainty[encoded.windows.items] = outputs.probabilities
    starts = np.concatenate([[0], np.cumsum(encoded.n_words)])
    spans: list[list[Span]] = [[] for _ in range(encoded.n_examples)]
    inside = np.flatnonzero(ids != outside)
    for number in np.unique(
        np.searchsorted(starts, inside, side="right") - 1
    ):  # only sentences with an entity cost time
        tags = [encoded.labels[i] for i in ids[starts[number] : starts[number + 1]]]
        spans[number] = tags_to_spans(tags)
    means = [
        _span_means(found, certainty=certainty, start=int(start))
        for found, start in zip(spans, starts[:-1], strict=True)
    ]
    return TokenPredictions(
        spans=spans, probabilities=means, n_words=encoded.n_words, loss=outputs.loss, runtime_s=outputs.runtime_s
    )


def score(
    predictions: Predictions,
    *,
    encoded: EncodedSplit,
    data: DataSpec,  # noqa: ARG001  # entities have no positive label
) -> SplitScores:
    """Entity scores of the predictions against gold."""
    assert isinstance(predictions, TokenPredictions)
    return score_entities(encoded.gold_spans, predictions.spans, n_words=encoded.n_words.tolist())


def _refuse_several_types(sentence: TokenExample) -> None:
    """Refuse a word with several labels: a tag says one."""
    for one, other in pairwise(sorted(sentence.spans, key=attrgetter("start"))):
        if other.start < one.end:
            raise DataError(
                f"the word {quoted(sentence.words[other.start])} is both {one.label} and {other.label}, "
                "but a token model learns one label for each word",
                where=sentence.where,
                fix="Choose one column of tags, for example data.columns: {word: 0, tag: -1}, "
                f"or keep some of the types: data.keep: [{one.label}]",
            )


def _add_sentence(
    collector: WindowCollector, pieces: Pieces, *, number: int, first_item: int, targets: Sequence[int], frame: Frame
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
            targets=[targets[word] for word in window.homes],
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
