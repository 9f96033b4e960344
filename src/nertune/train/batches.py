"""Batches: which windows go together, in which order, and as tensors."""

from __future__ import annotations

import dataclasses
import inspect
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from transformers import PreTrainedConfig, PreTrainedModel

from nertune.models.composed import ENTRY, heads_of
from nertune.models.losses import IGNORED
from nertune.tasks.encoded import EncodedSplit, Ints, ranges
from nertune.tasks.token import continuations

Batch = dict[str, Any]  # tensors by name, see `collate`
Flags = npt.NDArray[np.bool_]
# Grouped lengths vary by this share, so that an epoch's batches are not the last one's again. On BC5CDR 0.05 pads 6 %
# and brings 13 % of batch mates together again; 0 pads 3 % for 35 %, 0.1 pads 10 % for 7 %; plain shuffling pads 54 %.
JITTER = 0.05
Pieces = Literal["first", "all", "x", "mean"]
TARGETS = ("labels", "n_items", "begins", "ends")  # of a batch: what the loss looks at; the rest goes into the model


@dataclass(frozen=True)
class Layout:
    """What the batches of a model hold besides pieces.

    pieces  `model.pieces`: which pieces of a word have labels, and whether the model is told which make a word
    edges   whether a window's being its sentence's first or last counts, as it does for a CRF
    """

    pieces: Pieces = "first"
    edges: bool = False


def layout_of(config: PreTrainedConfig) -> Layout:
    """The layout that a model of this config needs."""
    entry = getattr(config, ENTRY)
    pieces: Pieces = entry["pieces"] if entry["task"] == "token" else "first"
    return Layout(pieces, edges=any(head.has_crf for head in heads_of(config)))


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
        layout: Layout = Layout(),  # frozen
    ) -> None:
        self.dataset = labelled_windows(encoded)  # the Trainer asks for its length
        self.batch_size = batch_size
        self.n_parts = -(-batch_size // min(batch_size, device_batch_size or batch_size))
        self.part_size = -(-batch_size // self.n_parts)
        self._order, self._seed, self._epoch, self._skipped = order, seed, 0, 0
        self.encoded, self.layout = encoded, layout

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

    def skip(self, n_batches: int) -> None:
        """Leave so many batches out of each pass, until told otherwise."""
        self._skipped = n_batches

    def __iter__(self) -> Iterator[Batch]:
        for batch in self.batches(self._epoch)[self._skipped :]:
            n_parts = self.n_parts if len(batch) == self.batch_size else -(-len(batch) // self.part_size)
            parts = [collate(self.encoded, part, layout=self.layout) for part in np.array_split(batch, n_parts)]
            n_items = count_items(parts)
            yield from ({**part, "n_items": n_items} for part in parts)

    def batches(self, epoch: int) -> list[Ints]:
        """Window numbers of each batch of an epoch; the shortest first in each, so that parts are of like length."""
        random = np.random.default_rng([self._seed, epoch])
        windows = self.dataset[random.permutation(len(self.dataset))]
        n_rest = len(windows) % self.batch_size
        rest, windows = windows[:n_rest], windows[n_rest:]
        lengths = self.encoded.windows.lengths
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


def count_items(parts: Sequence[Batch]) -> dict[str, int]:
    """What each head's loss of a whole batch is divided by: its labelled positions, times labels where several hold."""
    return {name: sum(int((part["labels"][name] != IGNORED).sum()) for part in parts) for name in parts[0]["labels"]}


def collate(encoded: EncodedSplit, numbers: Sequence[int] | Ints, *, layout: Layout = Layout()) -> Batch:
    """The tensors of some windows, padded to the longest of them.

    Shapes   B windows, T pieces of the longest, L labels of a head
        input_ids, attention_mask  [B, T] int64
        inputs_embeds              [B, T, D] float32, of splits with `states` instead of input_ids
        token_type_ids             [B, T] int64, in splits with piece types only
        first_pieces               [B, T] int64, with `pieces: mean`: the place of the first piece of each piece's word
        begins, ends               [B] bool, with `edges`: whether the window is its sentence's first, last
        labels     of each head by name: [B, T] int64, IGNORED but on first pieces of home words (token; with `pieces:
                   all` and `x` on their later ones, too); [B] int64 (sequence); where several labels hold, one more
                   dimension [L] float32: 1 where the item has the label, else 0, IGNORED where there is no item
    """
    numbers = np.asarray(numbers)
    batch = pad(encoded, numbers, layout=layout)
    rows, homes = home_rows(encoded, numbers)
    if layout.edges:
        windows = encoded.windows
        batch |= {"begins": torch.from_numpy(windows.begins[numbers]), "ends": torch.from_numpy(windows.ends[numbers])}
    shape = batch["attention_mask"].shape
    labels = {name: gold_of(view, homes) for name, view in encoded.views.items()}
    if encoded.task == "token":
        places = Places(rows, encoded.windows.places[homes], encoded.windows.sizes[homes])
        labels = {
            name: _spread(gold, places=places, shape=shape, later=_later(encoded.views[name], layout=layout))
            for name, gold in labels.items()
        }
    return {**batch, "labels": labels}


@dataclass(frozen=True, eq=False)
class Places:
    """Where the words of a batch stand: row, place of the first piece and number of pieces, [H'] each."""

    rows: Ints
    firsts: Ints
    sizes: Ints

    @cached_property
    def later(self) -> tuple[Ints, Ints, Ints]:
        """Word, row and place of every piece but the first of its word."""
        counts = np.maximum(self.sizes.astype(np.int64) - 1, 0)
        words = np.repeat(np.arange(len(counts)), counts)
        places = ranges(self.firsts.astype(np.int64) + 1, counts) if len(words) else np.empty(0, np.int64)
        return words, self.rows[words], places


def _spread(gold: Tensor, *, places: Places, shape: torch.Size, later: Tensor | None) -> Tensor:
    """The labels of words at their pieces; `later` gives, for each label, that of a word's later pieces."""
    spread = torch.full((*shape, *gold.shape[1:]), IGNORED, dtype=gold.dtype)
    spread[torch.from_numpy(places.rows), torch.from_numpy(places.firsts.astype(np.int64))] = gold
    if later is not None and len(places.later[0]):
        words, rows, columns = map(torch.from_numpy, places.later)
        # a word whose label is unknown teaches nothing with its later pieces either
        continued = torch.where(gold == IGNORED, gold, later[gold.clamp(min=0)]) if gold.dim() == 1 else gold @ later
        spread[rows, columns] = continued[words]
    return spread


def _later(view: EncodedSplit, *, layout: Layout) -> Tensor | None:
    """What the later pieces of a word learn; None where they learn nothing.

    Returns  [L] int64, the label id for each label id; where several hold [L, L] float32, which label becomes which
    """
    if layout.pieces not in ("all", "x"):
        return None
    ids = torch.tensor(continuations(view.labels, own_label=layout.pieces == "x"))
    return ids if view.problem == "single_label" else torch.nn.functional.one_hot(ids, len(view.labels)).float()


def pad(encoded: EncodedSplit, numbers: Ints, *, layout: Layout = Layout()) -> Batch:
    """The model's inputs for some windows, as in `collate`."""
    lengths = encoded.windows.lengths[numbers]
    real = np.arange(lengths.max()) < lengths[:, None]
    filled = _pieces if encoded.states is None else _states
    inputs = {**filled(encoded, numbers, real=real), "attention_mask": torch.from_numpy(real.astype(np.int64))}
    if layout.pieces == "mean":
        inputs["first_pieces"] = _first_pieces(encoded, numbers, shape=real.shape)
    return inputs


def _pieces(encoded: EncodedSplit, numbers: Ints, *, real: Flags) -> Batch:
    """The ids of pieces and, where there are several, of their types."""
    windows = encoded.windows
    where = ranges(windows.piece_starts[numbers], windows.lengths[numbers])

    def filled(values: Ints, padding: int) -> Tensor:
        padded = np.full(real.shape, padding, dtype=np.int64)
        padded[real] = values[where]
        return torch.from_numpy(padded)

    inputs = {"input_ids": filled(windows.pieces, encoded.pad_id)}
    return inputs if windows.types is None else {**inputs, "token_type_ids": filled(windows.types, 0)}


def _states(encoded: EncodedSplit, numbers: Ints, *, real: Flags) -> Batch:
    """What the layers that are left out give for the pieces; 0 in padding, where nothing looks."""
    states = encoded.states
    assert states is not None
    where = ranges(states.starts[numbers], encoded.windows.lengths[numbers])
    padded = np.zeros((*real.shape, states.values.shape[1]), dtype=np.float32)
    padded[real] = states.values[where]
    return {"inputs_embeds": torch.from_numpy(padded)}


def _first_pieces(encoded: EncodedSplit, numbers: Ints, *, shape: tuple[int, ...]) -> Tensor:
    """The place of the first piece of each piece's word, where the word is at home; else the piece's own place."""
    rows, homes = home_rows(encoded, numbers)
    places = Places(rows, encoded.windows.places[homes], encoded.windows.sizes[homes])
    firsts = np.tile(np.arange(shape[1]), (shape[0], 1))
    words, of_row, columns = places.later
    firsts[of_row, columns] = places.firsts[words]
    return torch.from_numpy(firsts)


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
    takes_types = "token_type_ids" in inspect.signature(type(model.base_model).forward).parameters
    n_types = getattr(model.config, "type_vocab_size", math.inf)
    if takes_types and n_types > int(types.max()):
        return encoded
    return dataclasses.replace(encoded, windows=dataclasses.replace(encoded.windows, types=None))


def home_rows(encoded: EncodedSplit, numbers: Ints) -> tuple[Ints, Ints]:
    """For each home of some windows, its row in their batch and its index in `Windows.items`, [H'] int64 each."""
    starts = encoded.windows.home_starts
    counts = starts[numbers + 1] - starts[numbers]
    return np.repeat(np.arange(len(numbers)), counts), ranges(starts[numbers], counts)
