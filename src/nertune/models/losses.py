"""Losses: one number for a batch, whose gradients add up over accumulated parts of it."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

IGNORED = -100  # label of a position that the loss skips, as everywhere in transformers


def cross_entropy(logits: Tensor, labels: Tensor, *, n_items: Tensor | int, smoothing: float = 0.0) -> Tensor:
    """Cross-entropy summed over the labelled positions, divided by their number in the whole batch.

    Dividing by the whole batch's number makes the parts of an accumulated batch add up to the gradient of the batch;
    transformers skips that division for BERT's heads.

    Shapes   ... any leading dimensions, L labels
        logits     [..., L] float
        labels     [...]    int64, IGNORED where there is none
        n_items    labelled positions in the batch, all its parts together
        smoothing  share of the target spread evenly over all labels (Szegedy et al. 2016, arXiv:1512.00567)
    Returns  scalar, float32
    """
    flat = logits.reshape(-1, logits.shape[-1]).float()
    total = F.cross_entropy(flat, labels.reshape(-1), ignore_index=IGNORED, reduction="sum", label_smoothing=smoothing)
    return total / n_items


def cross_entropies(logits: Tensor, labels: Tensor) -> Tensor:
    """The cross-entropy of each item, without smoothing.

    Shapes   N items, L labels
        logits  [N, L] float32
        labels  [N]    int64, IGNORED where there is none
    Returns  [N] float64, NaN where there is no label
    """
    losses = F.cross_entropy(logits, labels, ignore_index=IGNORED, reduction="none")
    return torch.where(labels == IGNORED, torch.nan, losses.double())


def binary_cross_entropy(logits: Tensor, labels: Tensor, *, n_items: Tensor | int, smoothing: float = 0.0) -> Tensor:
    """Binary cross-entropy summed over every label of every text, divided by their number in the whole batch.

    So the loss of a text is the mean over the labels, and that of a batch the mean over its texts: transformers' own
    for `multi_label_classification`.

    Shapes   B texts, L labels
        logits     [B, L] float
        labels     [B, L] float, 1 where the text has the label, else 0
        n_items    texts in the batch times labels, all its parts together
        smoothing  share of each target spread evenly over yes and no: 1 becomes 1 - smoothing / 2, 0 smoothing / 2
    Returns  scalar, float32
    """
    targets = labels.float() * (1 - smoothing) + smoothing / 2
    return F.binary_cross_entropy_with_logits(logits.float(), targets, reduction="sum") / n_items


def binary_cross_entropies(logits: Tensor, labels: Tensor) -> Tensor:
    """The binary cross-entropy of each text, the mean over the labels, without smoothing.

    Shapes   as in `binary_cross_entropy`
    Returns  [B] float64
    """
    return F.binary_cross_entropy_with_logits(logits, labels, reduction="none").double().mean(-1)
