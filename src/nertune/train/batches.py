"""Batches: which windows go together, in which order, and as tensors."""

from __future__ import annotations

import dataclasses
import inspect
import math
from collections.abc import Iterator, Sequence
from typing import Literal

import numpy as np
import torch
from torch import Tensor
from transformers import PreTrainedModel

from nertune.models.losses import IGNORED
from nertune.tasks.encoded import EncodedSplit, Ints, ranges

Batch = dict[str, Tensor]
# Grouped lengths vary by this share, so that an epoch's batches are not the last one's again. On BC5CDR 0.05 pads 6 %
# and brings 13 % of batch mates together again; 0 pads 3 % for 35 %, 0.1 pads 10 % for 7 %; plain shuffling pads 54 %.
JITTER = 0.05


class TrainBatches:
    """The training batches of one epoch after another, in the form that the Trainer iterates.

    A batch of `batch_size` windows comes as `n_parts` micro-batches of at most `device_batch_size`. The windows that do
    not fill a batch are drawn at random and come last. Order and grouping follow from (seed, epoch) alone.
    Windows without a labelled item teach nothing and are left out.
    """

    def __init__(
        self,
        encoded: EncodedSplit,
        *,
        batch_size: int,
        device_batch_size: int | None,
        order: Literal["grouped", "shuffled"],
        seed: int,
    ) -> None:
        self.dataset = labelled_windows(encoded)  # the Trainer asks for its length
        self.batch_size = batch_size
        self.n_parts = -(-batch_size // min(batch_size, device_batch_size or batch_size))
        self.part_size = -(-batch_size // self.n_parts)
        self._encoded, self._order, self._seed, self._epoch = encoded, order, seed, 0

    @property
    def steps_per_epoch(self) -> int:
        return -(-len(self.dataset) // self.batch_size)

    def __len__(self) -> int:
        """Micro-batches of an epoch: all batches have `n_parts`, but the last, which may be short."""
        full, rest = divmod(len(self.dataset), self.batch_size)
        return full * self.n_parts + -(-rest // self.part_size)

    def set_epoch(self, epoch: int) -> None:
        """Called by the Trainer before each pass."""
        self._epoch = epoch

    def __iter__(self) -> Iterator[Batch]:
        for batch in self.batches(self._epoch):
            n_parts = self.n_parts if len(batch) == self.batch_size else -(-len(batch) // self.part_size)
            for part in np.array_split(batch, n_parts):
                yield collate(self._encoded, part)

    def batches(self, epoch: int) -> list[Ints]:
        """Window numbers of each batch of an epoch; the shortest first in each, so that parts are of like length."""
        random = np.random.default_rng([self._seed, epoch])
        windows = self.dataset[random.permutation(len(self.dataset))]
        n_rest = len(windows) % self.batch_size
        rest, windows = windows[:n_rest], windows[n_rest:]
        lengths = self._encoded.windows.lengths
        if self._order == "grouped":
            windows = windows[
                np.argsort(lengths[windows] * random.uniform(1 - JITTER, 1 + JITTER, len(windows)), kind="stable")
            ]
        full = list(windows.reshape(-1, self.batch_size))
        batches = [full[i] for i in random.permutation(len(full))] + ([rest] if n_rest else [])
        return [batch[np.argsort(lengths[batch], kind="stable")] for batch in batches]


def labelled_windows(encoded: EncodedSplit) -> Ints:
    """The windows with something to learn, [≤ W] int64."""
    starts = encoded.windows.home_starts
    labelled = np.concatenate([[0], np.cumsum(encoded.windows.targets != IGNORED)])
    return np.flatnonzero(labelled[starts[1:]] > labelled[starts[:-1]])


def evaluation_batches(encoded: EncodedSplit, *, max_pieces: int) -> Iterator[Ints]:
    """Window numbers in batches of at most `max_pieces` padded pieces.

    The longest come first, so that memory is short at once or never.
    """
    lengths = encoded.windows.lengths
    order = np.argsort(-lengths, kind="stable")
    start = 0
    while start < len(order):
        size = max(1, max_pieces // max(1, int(lengths[order[start]])))
        yield order[start : start + size]
        start += size


def collate(encoded: EncodedSplit, numbers: Sequence[int] | Ints) -> Batch:
    """The tensors of some windows, padded to the longest of them.

    Shapes   B windows, T pieces of the longest
        input_ids, attention_mask  [B, T] int64
        token_type_ids             [B, T] int64, in splits with piece types only
        labels                     [B, T] int64, IGNORED but on first pieces of home words (token);
                                   [B] int64 (sequence); [B, L] float32, 1 where the text has the label (multi-label)
    """
    numbers = np.asarray(numbers)
    inputs = pad(encoded, numbers)
    rows, homes = home_rows(encoded, numbers)
    labels = gold_of(encoded, homes)
    if encoded.task == "token":
        places = torch.from_numpy(rows), torch.from_numpy(encoded.windows.places[homes].astype(np.int64))
        labels = torch.full(inputs["input_ids"].shape, IGNORED).index_put(places, labels)
    return {**inputs, "labels": labels}


def pad(encoded: EncodedSplit, numbers: Ints) -> Batch:
    """The model's inputs for some windows, as in `collate`."""
    windows = encoded.windows
    lengths = windows.lengths[numbers]
    real = np.arange(lengths.max()) < lengths[:, None]
    where = ranges(windows.piece_starts[numbers], lengths)

    def filled(values: Ints, padding: int) -> Tensor:
        padded = np.full(real.shape, padding, dtype=np.int64)
        padded[real] = values[where]
        return torch.from_numpy(padded)

    inputs = {
        "input_ids": filled(windows.pieces, encoded.pad_id),
        "attention_mask": torch.from_numpy(real.astype(np.int64)),
    }
    return inputs if windows.types is None else {**inputs, "token_type_ids": filled(windows.types, 0)}


def gold_of(encoded: EncodedSplit, homes: Ints) -> Tensor:
    """Gold of some items: label ids [H'] int64, or (multi-label) 1 where the text has the label [H', L] float32."""
    targets = encoded.windows.targets[homes]
    sets = encoded.windows.label_sets
    if sets is None:
        return torch.from_numpy(targets.astype(np.int64))
    return torch.from_numpy(sets.rows(targets, n_labels=len(encoded.labels)))


def readable_by(model: PreTrainedModel, encoded: EncodedSplit) -> EncodedSplit:
    """The split without piece types where the model has no embedding for them."""
    types = encoded.windows.types
    if types is None:
        return encoded
    takes_types = "token_type_ids" in inspect.signature(type(model).forward).parameters
    n_types = getattr(model.config, "type_vocab_size", math.inf)
    if takes_types and n_types > int(types.max()):
        return encoded
    return dataclasses.replace(encoded, windows=dataclasses.replace(encoded.windows, types=None))


def home_rows(encoded: EncodedSplit, numbers: Ints) -> tuple[Ints, Ints]:
    """For each home of some windows, its row in their batch and its index in `Windows.items`, [H'] int64 each."""
    starts = encoded.windows.home_starts
    counts = starts[numbers + 1] - starts[numbers]
    return np.repeat(np.arange(len(numbers)), counts), ranges(starts[numbers], counts)
