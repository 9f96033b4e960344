"""One saved model, or several whose probabilities are averaged: examples in, predictions out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from nertune.data.examples import Example, SequenceExample, Task
from nertune.data.labels import OUTSIDE
from nertune.models.build import build_model
from nertune.models.heads.head import Head
from nertune.models.losses import IGNORED
from nertune.predict.load import SavedModel, load_models, without_tensors
from nertune.spec.study import StudySpec
from nertune.tasks import TASKS
from nertune.tasks.encoded import EncodedSplit, Gold, HeadLabels, Windows
from nertune.tasks.predictions import Outputs, Predictions
from nertune.train.deciding import average_heads, average_outputs
from nertune.train.optim import Precision
from nertune.train.predict import Pulse, infer, no_pulse, read_outputs


@dataclass(frozen=True, eq=False)
class Answer:
    """Predictions for some examples, in their order, and their encoding: its counts, and what gold is known."""

    predictions: Predictions
    encoded: EncodedSplit


class Ensemble:
    """Saved models on one device. Of several, the probabilities and thresholds are averaged."""

    def __init__(
        self,
        saved: Sequence[SavedModel],
        *,
        device: str,
        precision: Precision = "fp32",
        max_pieces: int | None = None,
    ) -> None:
        self._models = [build_model(one.base, seed=0) for one in saved]
        self.members = [without_tensors(one) for one in saved]
        self.heads = average_heads([one.base.heads for one in saved])
        self._infer_with = partial(infer, device=device, precision=precision, max_pieces=max_pieces)

    @property
    def task(self) -> Task:
        return self.members[0].task

    @property
    def spec(self) -> StudySpec:
        """The fit that the first model comes from."""
        return self.members[0].spec

    @property
    def labels(self) -> tuple[HeadLabels, ...]:
        """What the heads give."""
        return self.members[0].heads

    def predict(self, examples: Sequence[Example], *, pulse: Pulse = no_pulse) -> Answer:
        """Predictions for the examples; their labels count for the loss only."""
        encoded = encode_examples(examples, model=self.members[0])
        said = [self._infer(encoded, number, examples=examples, pulse=pulse) for number in range(len(self.members))]
        outputs = average_outputs(said, heads=self.heads, encoded=encoded)
        return Answer(read_outputs(outputs, encoded=encoded, heads=self.heads), encoded)

    def _infer(
        self, encoded: EncodedSplit, number: int, *, examples: Sequence[Example], pulse: Pulse
    ) -> dict[str, Outputs]:
        """What one model says of the items at home in the first one's windows, in their order."""
        own = self.members[number]
        is_alike = number == 0 or cuts_alike(own, self.members[0])
        split = encoded if is_alike else encode_examples(examples, model=own)
        outputs = self._infer_with(self._models[number], split, pulse=pulse)
        if is_alike:
            return outputs
        return {head.name: _moved(outputs[head.name], head=head, old=split, new=encoded) for head in self.heads}


def open_ensemble(
    source: str, *, device: str, threads: int, precision: Precision = "fp32", max_pieces: int | None = None
) -> Ensemble:
    """The models that a command means, on a device.

    threads     of the CPU, at most; fewer where OMP_NUM_THREADS says so
    precision   bf16: of the products, by autocast
    max_pieces  at a time on the GPU, or on each core; None: what suits it
    Raises      ModelError
    """
    torch.set_num_threads(min(threads, torch.get_num_threads()))
    return Ensemble(load_models(source), device=device, precision=precision, max_pieces=max_pieces)


def cuts_alike(one: SavedModel, other: SavedModel) -> bool:
    """Whether two models see the same pieces in the same windows."""
    cuts = [(each.frame, each.spec.train.truncate, _tokenizer_text(each)) for each in (one, other)]
    return cuts[0] == cuts[1]


def _tokenizer_text(model: SavedModel) -> Any:
    tokenizer = model.tokenizer
    if not tokenizer.is_fast:
        return type(tokenizer).__name__, sorted(tokenizer.get_vocab().items())
    backend = tokenizer.backend_tokenizer
    backend.no_truncation()  # what an earlier call left there; each call sets its own
    backend.no_padding()
    return backend.to_str()


# ---- encoding, in memory


def encode_examples(examples: Sequence[Example], *, model: SavedModel) -> EncodedSplit:
    """The examples as the model reads them; classes that it does not know are no gold."""
    task = model.task
    known = [_with_known_classes(example, heads=model.heads) for example in examples]
    windows, golds, counts = TASKS[task].encode(
        known, heads=model.heads, tokenizer=model.tokenizer, frame=model.frame, spec=model.spec
    )
    views = {
        head.name: EncodedSplit(
            folder=Path(model.source),
            task=task,
            name="",
            labels=head.names,
            windows=_with_gold(windows, gold, head=head, examples=examples),
            n_words=np.array([_n_items(example) for example in examples], dtype=np.int32),
            pad_id=model.tokenizer.pad_token_id or 0,
            counts=counts,
            load_examples=lambda: known,
            kinds=head.kinds if head.name else None,
        )
        for head, gold in zip(model.heads, golds, strict=True)
    }
    first = next(iter(views.values()))
    return first if "" in views else replace(first, labels=(), kinds=None, heads=views)


def _n_items(example: Example) -> int:
    return 1 if isinstance(example, SequenceExample) else len(example.words)


def _with_known_classes(example: Example, *, heads: Sequence[HeadLabels]) -> Example:
    """The text with one class for each head that gives one, as encoding wants it; any, where gold says none."""
    if not isinstance(example, SequenceExample):
        return example
    labels: list[str] = []
    for head in heads:
        own = [label for label in example.labels if label in head.names]
        labels += own if head.problem == "multi_label" or len(own) == 1 else head.names[:1]
    return replace(example, labels=tuple(labels))


def _with_gold(windows: Windows, gold: Gold, *, head: HeadLabels, examples: Sequence[Example]) -> Windows:
    """The windows with a head's gold, IGNORED at texts that have not the one class that the head would give."""
    targets = gold.targets.copy()
    for number, example in enumerate(examples):
        if isinstance(example, SequenceExample) and head.problem == "single_label":
            own = [label for label in example.labels if label in head.names]
            targets[number] = targets[number] if len(own) == 1 else IGNORED
    return replace(windows, targets=targets, label_sets=gold.label_sets)


# ---- several models


def _moved(outputs: Outputs, *, head: Head, old: EncodedSplit, new: EncodedSplit) -> Outputs:
    """What was said of the items of one encoding, for those of another; a word that only this one has is outside."""
    items, wanted = old.windows.items, new.windows.items
    order = np.argsort(items, kind="stable")
    places = np.searchsorted(items[order], wanted).clip(max=max(0, len(items) - 1))
    nothing = np.array([label == OUTSIDE for label in head.labels], dtype=np.float32)
    probabilities = np.tile(nothing, (len(wanted), 1))
    if len(items):
        is_there = items[order][places] == wanted
        probabilities[is_there] = outputs.probabilities[order[places[is_there]]]
    return replace(outputs, probabilities=probabilities)
