"""Sequence task: one class for every text or pair of texts, or (multi-label) any number of them."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Literal

import numpy as np
from transformers import PreTrainedTokenizerBase

from nertune.data.examples import Example, Problem, SequenceExample
from nertune.errors import DataError, closest
from nertune.models.heads import problem_of
from nertune.results.records import SplitScores
from nertune.scores.classes import score_classes
from nertune.scores.multi_label import score_label_sets
from nertune.spec.study import DataSpec, StudySpec
from nertune.tasks.align import split_pairs
from nertune.tasks.collect import WindowCollector
from nertune.tasks.encoded import EncodedSplit, LabelSets, Windows
from nertune.tasks.predictions import Outputs, Predictions, SequencePredictions
from nertune.tasks.windows import Frame, PairFrame, find_pair_frame, fit_pair

Part = Literal["head", "tail", "both"]
CUT = "texts cut"  # a pair is counted once


def label_names(labels: Sequence[str], *, data: DataSpec) -> tuple[str, ...]:  # noqa: ARG001  # classes have no scheme
    """The classes, in the order of their ids."""
    return tuple(labels)


def encode(
    examples: Sequence[Example],
    *,
    labels: Sequence[str],
    tokenizer: PreTrainedTokenizerBase,
    frame: Frame,
    spec: StudySpec,
) -> tuple[Windows, dict[str, int]]:
    """One window for each text or pair, and how many were cut.

    Raises  DataError at the line of a text with a class that is not in `labels`, or not with one class where one is
            learned
    """
    gold = GoldNumbers(labels, problem=problem_of(spec.model, task="sequence"))
    part, collector, n_cut = spec.train.truncate, WindowCollector(), 0
    pair_frame: PairFrame | None = None  # found at the first pair: not every tokenizer knows pairs
    for number, (example, pieces, second) in enumerate(split_pairs(examples, tokenizer=tokenizer)):
        if example.pair is None:
            ids, types, is_cut = _frame_text(pieces, frame=frame, part=part)
        else:
            pair_frame = pair_frame or find_pair_frame(tokenizer, length=frame.length)
            ids, types, is_cut = _frame_pair(pieces, second, frame=pair_frame, part=part)
        ids = ids or [tokenizer.unk_token_id or 0]  # a model needs one piece
        target = gold.number_of(example)
        collector.add(ids, example=number, items=[number], places=[0], targets=[target], types=types)
        n_cut += is_cut
    return dataclasses.replace(collector.windows(), label_sets=gold.label_sets()), {CUT: n_cut}


class GoldNumbers:
    """Numbers the gold of texts: by its class, or (multi-label) by its set of labels, in the order they are met."""

    def __init__(self, labels: Sequence[str], *, problem: Problem) -> None:
        self._ids = {label: i for i, label in enumerate(labels)}
        self._sets: dict[tuple[int, ...], int] | None = {} if problem == "multi_label" else None

    def number_of(self, example: SequenceExample) -> int:
        """Raises  DataError, see `encode`"""
        ids = [_label_id(label, example=example, ids=self._ids) for label in example.labels]
        if self._sets is not None:
            return self._sets.setdefault(tuple(sorted(set(ids))), len(self._sets))
        if len(ids) != 1:
            raise DataError(
                f"the text has {len(ids)} classes ({', '.join(example.labels)}), where one is learned"
                if ids
                else "the text has no class, where one is learned",
                where=example.where,
                fix="Give it one class, or write in the study file: model: {problem: multi_label}",
            )
        return ids[0]

    def label_sets(self) -> LabelSets | None:
        """The sets behind the numbers; None where the numbers are classes."""
        if self._sets is None:
            return None
        starts = np.cumsum([0, *map(len, self._sets)], dtype=np.int64)
        return LabelSets(np.array([*chain.from_iterable(self._sets)], dtype=np.int32), starts)


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
    if encoded.problem == "multi_label":
        return score_label_sets(gold, predicted, labels=labels, positive_label=data.positive_label)
    return score_classes(_only(gold), _only(predicted), labels=labels, positive_label=data.positive_label)


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


def _label_id(label: str, *, example: SequenceExample, ids: Mapping[str, int]) -> int:
    if label not in ids:
        near = closest(label, ids)
        raise DataError(
            f"the class {label!r} is not among those that are learned: {', '.join(ids)}",
            where=example.where,
            fix=f"Write {near!r}, or list it in data.labels"
            if near
            else "List it in data.labels, or map it with data.rename",
        )
    return ids[label]
