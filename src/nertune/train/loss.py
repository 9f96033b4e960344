"""The loss of a fit: every head's by its own labels, summed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor
from transformers import PreTrainedModel

from nertune.models.balance import label_weights, positive_weights
from nertune.models.build import Base
from nertune.models.chain_loss import chain_loss
from nertune.models.composed import EncoderWithHeads
from nertune.models.heads.head import Head
from nertune.models.losses import IGNORED, item_loss
from nertune.spec.study import TrainSpec
from nertune.tasks.encoded import EncodedSplit
from nertune.train.batches import Batch, Layout

Logits = Mapping[str, Tensor]  # of each head, by its name


class FitLoss:
    """The training loss of a batch, or of a part of one.

    train   the split that is learned from: by its labels rare ones are weighed
    layout  of the batches
    device  that they are on
    """

    def __init__(
        self, base: Base, *, spec: TrainSpec, train: EncodedSplit, layout: Layout, device: str | torch.device
    ) -> None:
        self._heads = base.heads
        self._weights = {
            head.name: None
            if spec.balance == 0
            else weights_of(train.views[head.name], balance=spec.balance, later=_later_label(head, layout)).to(device)
            for head in base.heads
        }
        self._item_losses = {
            head.name: item_loss(spec, problem=head.problem, weights=self._weights[head.name]) for head in base.heads
        }

    def __call__(self, model: PreTrainedModel, logits: Logits, *, targets: Batch) -> Tensor:
        """Scalar, float32.

        targets  `labels`, `n_items` and, with a CRF, `begins` and `ends` of the batch
        """
        losses = [head.weight * self._of_head(head, model, logits[head.name], targets) for head in self._heads]
        return torch.stack(losses).sum() if len(losses) > 1 else losses[0]

    def _of_head(self, head: Head, model: PreTrainedModel, logits: Tensor, targets: Batch) -> Tensor:
        labels, n_items = targets["labels"][head.name], targets["n_items"][head.name]
        if head.has_crf:
            assert isinstance(model, EncoderWithHeads)
            return chain_loss(
                logits,
                labels,
                n_items=n_items,
                chain=model.chain(head.name),
                begins=targets["begins"],
                ends=targets["ends"],
                weights=self._weights[head.name],
            )
        return self._item_losses[head.name](logits, labels, n_items=n_items)


def split_logits(logits: Tensor, *, heads: Sequence[Head]) -> Logits:
    """The scores of each head, from those of all side by side."""
    if len(heads) == 1:
        return {heads[0].name: logits}
    parts = torch.split(logits, [len(head.labels) for head in heads], dim=-1)
    return {head.name: part for head, part in zip(heads, parts, strict=True)}


def weights_of(view: EncodedSplit, *, balance: float, later: int | None = None) -> Tensor:
    """The weight of each label of a head in the loss, [L] float32: see `models.balance`.

    later  the label that the later pieces of words have, counted as often as there are such pieces
    """
    targets = view.windows.targets
    known = targets[targets != IGNORED]
    sets = view.windows.label_sets
    if sets is not None:
        counts = sets.rows(known, n_labels=len(view.labels)).sum(axis=0).astype(np.int64)
        return positive_weights(counts, n_items=len(known), balance=balance)
    counts = np.bincount(known, minlength=len(view.labels))
    if later is not None:
        counts[later] = int((view.windows.sizes - 1).sum())
    return label_weights(counts, balance=balance)


def _later_label(head: Head, layout: Layout) -> int | None:
    return len(head.labels) - 1 if layout.pieces == "x" else None
