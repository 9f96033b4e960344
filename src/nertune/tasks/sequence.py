"""Sequence task: one class for every text or pair of texts, or (multi-label) any number of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
from transformers import PreTrainedTokenizerBase

from nertune.data.examples import Example, Problem, SequenceExample
from nertune.errors import DataError, closest
from nertune.results.records import SplitScores
from nertune.scores.classes import score_classes
from nertune.scores.multi_label import score_label_sets
from nertune.spec.study import DataSpec, StudySpec
from nertune.tasks.align import split_pairs
from nertune.tasks.collect import WindowCollector
from nertune.tasks.encoded import EncodedSplit, Gold, HeadLabels, LabelSets, SetNumbers, Windows
from nertune.tasks.predictions import Outputs, Predictions, SequencePredictions
from nertune.tasks.windows import Frame, PairFrame, find_pair_frame, fit_pair

Part = Literal["head", "tail", "both"]
CUT = "texts cut"  # a pair is counted once


def label_names(
    labels: Sequence[str],
    *,
    spec: StudySpec,  # noqa: ARG001  # classes have no scheme
    problem: Problem,  # noqa: ARG001
) -> tuple[str, ...]:
    """The classes, in the order of their ids."""
    return tuple(labels)


def encode(
    examples: Sequence[Example],
    *,
    heads: Sequence[HeadLabels],
    tokenizer: PreTrainedTokenizerBase,
    frame: Frame,
    spec: StudySpec,
) -> tuple[Windows, list[Gold], dict[str, int]]:
    """One window for each text or pair, the gold of each head, and how many were cut.

    Raises  DataError at the line of a text with a class that no head learns, or not with one class where one is learned
    """
    golds = [ClassNumbers(head, among=heads) for head in heads]
    part, collector, n_cut = spec.train.truncate, WindowCollector(n_heads=len(heads)), 0
    pair_frame: PairFrame | None = None  # found at the first pair: not every tokenizer knows pairs
    for number, (example, pieces, second) in enumerate(split_pairs(examples, tokenizer=tokenizer)):
        if example.pair is None:
            ids, types, is_cut = _frame_text(pieces, frame=frame, part=part)
        else:
            pair_frame = pair_frame or find_pair_frame(tokenizer, length=frame.length)
            ids, types, is_cut = _frame_pair(pieces, second, frame=pair_frame, part=part)
        ids = ids or [tokenizer.unk_token_id or 0]  # a model needs one piece
        targets = [[gold.number_of(example)] for gold in golds]
        collector.add(ids, example=number, items=[number], places=[0], sizes=[1], targets=targets, types=types)
        n_cut += is_cut
    found = [Gold(own, gold.label_sets()) for own, gold in zip(collector.targets(), golds, strict=True)]
    return collector.windows(), found, {CUT: n_cut}


class ClassNumbers:
    """Numbers the gold of texts for one head: by its class, or (multi-label) by its set of classes.

    among  all heads: a class that none of them learns is an error
    """

    def __init__(self, head: HeadLabels, *, among: Sequence[HeadLabels]) -> None:
        self._ids = {label: i for i, label in enumerate(head.names)}
        self._known = dict.fromkeys(label for one in among for label in one.names)
        self._sets = SetNumbers() if head.problem == "multi_label" else None
        self._key = f"model.heads.{head.name}" if head.name else "model"

    def number_of(self, example: SequenceExample) -> int:
        """Raises  DataError, see `encode`"""
        for label in example.labels:
            _refuse_unknown(label, example=example, known=self._known)
        own = [label for label in example.labels if label in self._ids]
        if self._sets is not None:
            return self._sets.number_of(self._ids[label] for label in own)
        if len(own) != 1:
            raise DataError(
                f"the text has {len(own)} classes ({', '.join(own)}), where one is learned"
                if own
                else "the text has no class, where one is learned",
                where=example.where,
                fix=f"Give it one class, or write in the study file: {self._key}.problem: multi_label",
            )
        return self._ids[own[0]]

    def label_sets(self) -> LabelSets | None:
        """The sets behind the numbers; None where the numbers are classes."""
        return None if self._sets is None else self._sets.label_sets()


def truncate(pieces: list[int], *, capacity: int, part: Part) -> list[int]:
    """The first or last `capacity` pieces, or half of each (the head has the odd one)."""
    if len(pieces) <= capacity:
        return pieces
    tail = {"head": 0, "tail": capacity, "both": capacity // 2}[part]
    return pieces[: capacity - tail] + pieces[len(pieces) - tail :]


def decode(outputs: Outputs, *, encoded: EncodedSplit) -> SequencePredictions:
    """The classes of every text, and the probability of each class."""
    order = np.argsort(encoded.windows.items)
    decoded, labels = outputs.decoded[order], encoded.labels
    return SequencePredictions(
        classes=[(labels[i],) for i in decoded]
        if encoded.problem == "single_label"
        else [tuple(labels[i] for i in np.flatnonzero(row)) for row in decoded],
        labels=encoded.labels,
        probabilities=outputs.probabilities[order],
        loss=outputs.loss,
        runtime_s=outputs.runtime_s,
    )


def score(predictions: Predictions, *, encoded: EncodedSplit, data: DataSpec) -> SplitScores:
    """Class scores of the predictions against gold."""
    assert isinstance(predictions, SequencePredictions)
    gold, predicted, labels = encoded.gold_classes, predictions.classes, encoded.labels
    positive = data.positive_label if data.positive_label in labels else None  # it may be another head's
    if encoded.problem == "multi_label":
        return score_label_sets(gold, predicted, labels=labels, positive_label=positive)
    return score_classes(_only(gold), _only(predicted), labels=labels, positive_label=positive)


def _only(classes: Sequence[tuple[str, ...]]) -> list[str]:
    return [label for (label,) in classes]


def _frame_text(pieces: list[int], *, frame: Frame, part: Part) -> tuple[list[int], list[int], bool]:
    """Ids, types (none: all 0), and whether something was cut."""
    kept = truncate(pieces, capacity=frame.capacity, part=part)
    return [*frame.prefix, *kept, *frame.suffix], [], len(kept) < len(pieces)


def _frame_pair(
    first: list[int], second: list[int], *, frame: PairFrame, part: Part
) -> tuple[list[int], list[int], bool]:
    """The same for a pair."""
    sizes = fit_pair(len(first), len(second), capacity=frame.capacity)
    kept = [truncate(pieces, capacity=size, part=part) for pieces, size in zip((first, second), sizes, strict=True)]
    return *frame.around(*kept), sum(sizes) < len(first) + len(second)


def _refuse_unknown(label: str, *, example: SequenceExample, known: Mapping[str, object]) -> None:
    if label not in known:
        near = closest(label, known)
        raise DataError(
            f"the class {label!r} is not among those that are learned: {', '.join(known)}",
            where=example.where,
            fix=f"Write {near!r}, or list it in data.labels"
            if near
            else "List it in data.labels, or map it with data.rename",
        )
