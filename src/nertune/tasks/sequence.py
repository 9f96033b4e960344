"""Sequence task: one class for every text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from transformers import PreTrainedTokenizerBase

from nertune.data.examples import Example, SequenceExample
from nertune.errors import DataError, closest
from nertune.results.records import SplitScores
from nertune.scores.classes import score_classes
from nertune.spec.study import DataSpec, StudySpec
from nertune.tasks.align import split_texts
from nertune.tasks.collect import WindowCollector
from nertune.tasks.encoded import EncodedSplit, Windows
from nertune.tasks.predictions import Outputs, Predictions, SequencePredictions
from nertune.tasks.windows import Frame

CUT = "texts cut"


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
    """One window for each text, and how many texts were cut.

    Raises  DataError at the line of a text whose class is not in `labels`
    """
    texts = [example for example in examples if isinstance(example, SequenceExample)]
    ids = {label: i for i, label in enumerate(labels)}
    collector, n_cut = WindowCollector(), 0
    pieces = split_texts([example.text for example in texts], tokenizer=tokenizer)
    for number, (example, found) in enumerate(zip(texts, pieces, strict=True)):
        kept = truncate(found, capacity=frame.capacity, part=spec.train.truncate)
        n_cut += len(kept) < len(found)
        window = [*frame.prefix, *kept, *frame.suffix] or [tokenizer.unk_token_id or 0]  # a model needs one piece
        collector.add(window, example=number, items=[number], places=[0], targets=[_class_id(example, ids=ids)])
    return collector.windows(), {CUT: n_cut}


def truncate(pieces: list[int], *, capacity: int, part: Literal["head", "tail", "both"]) -> list[int]:
    """The first or last `capacity` pieces, or half of each (the head has the odd one)."""
    if len(pieces) <= capacity:
        return pieces
    tail = {"head": 0, "tail": capacity, "both": capacity // 2}[part]
    return pieces[: capacity - tail] + pieces[len(pieces) - tail :]


def decode(outputs: Outputs, *, encoded: EncodedSplit) -> SequencePredictions:
    """The class of every text, and the probability of each class."""
    order = np.argsort(encoded.windows.items)
    return SequencePredictions(
        classes=[encoded.labels[i] for i in outputs.ids[order]],
        labels=encoded.labels,
        probabilities=outputs.probabilities[order],
        loss=outputs.loss,
        runtime_s=outputs.runtime_s,
    )


def score(predictions: Predictions, *, encoded: EncodedSplit, data: DataSpec) -> SplitScores:
    """Class scores of the predictions against gold."""
    assert isinstance(predictions, SequencePredictions)
    return score_classes(
        encoded.gold_classes, predictions.classes, labels=encoded.labels, positive_label=data.positive_label
    )


def _class_id(example: SequenceExample, *, ids: dict[str, int]) -> int:
    if example.label not in ids:
        near = closest(example.label, ids)
        raise DataError(
            f"the class {example.label!r} is not among those that are learned: {', '.join(ids)}",
            where=example.where,
            fix=f"Write {near!r}, or list it in data.labels"
            if near
            else "List it in data.labels, or map it with data.rename",
        )
    return ids[example.label]
