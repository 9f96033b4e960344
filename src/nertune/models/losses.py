"""Losses: one number for a batch, whose gradients add up over accumulated parts of it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor
from torch.nn import functional as F

from nertune.data.examples import Problem
from nertune.spec.study import TrainSpec

IGNORED = -100  # label of a position that the loss skips, as everywhere in transformers
# logits, labels, n_items -> scalar; shapes as in `cross_entropy` and `binary_cross_entropy`
ItemLoss = Callable[..., Tensor]


def cross_entropy(
    logits: Tensor,
    labels: Tensor,
    *,
    n_items: Tensor | int,
    smoothing: float = 0.0,
    weights: Tensor | None = None,
) -> Tensor:
    """Cross-entropy summed over the labelled positions, divided by their number in the whole batch.

    Dividing by the whole batch's number makes the parts of an accumulated batch add up to the gradient of the batch;
    transformers skips that division for BERT's heads.

    Shapes   ... any leading dimensions, L labels
        logits     [..., L] float
        labels     [...]    int64, IGNORED where there is none
        n_items    labelled positions in the batch, all its parts together
        smoothing  share of the target spread evenly over all labels (Szegedy et al. 2016, arXiv:1512.00567)
        weights    [L] float, of each label's positions; None: 1
    Returns  scalar, float32
    """
    flat = logits.reshape(-1, logits.shape[-1]).float()
    total = F.cross_entropy(
        flat,
        labels.reshape(-1),
        weight=weights,
        ignore_index=IGNORED,
        reduction="sum",
        label_smoothing=smoothing,
    )
    return total / n_items


def focal(
    logits: Tensor,
    labels: Tensor,
    *,
    n_items: Tensor | int,
    gamma: float,
    smoothing: float = 0.0,
    weights: Tensor | None = None,
) -> Tensor:
    """Cross-entropy of each position times (1 - p) ^ gamma, p being the probability of its label.

    Shapes   as in `cross_entropy`
    Source   Lin et al. 2017, arXiv:1708.02002, equation 4
    """
    flat, gold = logits.reshape(-1, logits.shape[-1]).float(), labels.reshape(-1)
    losses = F.cross_entropy(
        flat, gold, weight=weights, ignore_index=IGNORED, reduction="none", label_smoothing=smoothing
    )
    right = flat.softmax(-1).gather(1, gold.clamp(min=0)[:, None])[:, 0]
    return (losses * (1 - right) ** gamma).sum() / n_items


def binary_cross_entropy(
    logits: Tensor,
    labels: Tensor,
    *,
    n_items: Tensor | int,
    smoothing: float = 0.0,
    weights: Tensor | None = None,
    gamma: float = 0.0,
) -> Tensor:
    """Binary cross-entropy summed over every label of every item, divided by their number in the whole batch.

    So the loss of an item is the mean over the labels, and that of a batch the mean over its items: transformers' own
    for `multi_label_classification`.

    Shapes   ... any leading dimensions, L labels
        logits     [..., L] float
        labels     [..., L] float, 1 where the item has the label, else 0; IGNORED everywhere in items without gold
        n_items    labelled items in the batch times labels, all its parts together
        smoothing  share of each target spread evenly over yes and no: 1 becomes 1 - smoothing / 2, 0 smoothing / 2
        weights    [L] float, of the items that have the label; None: 1
        gamma      the focal loss's, as in `focal`: of every yes and no
    Returns  scalar, float32
    """
    known = labels != IGNORED
    targets = labels.float().clamp(min=0)
    smooth = targets * (1 - smoothing) + smoothing / 2
    losses = F.binary_cross_entropy_with_logits(logits.float(), smooth, pos_weight=weights, reduction="none")
    if gamma:
        losses = losses * (logits.float().sigmoid() - targets).abs() ** gamma
    return (losses * known).sum() / n_items


def item_loss(train: TrainSpec, *, problem: Problem, weights: Tensor | None) -> ItemLoss:
    """The loss of single items that a point asks for."""
    smoothing, gamma = train.label_smoothing, train.focal_gamma if train.loss == "focal" else 0.0
    if problem == "multi_label":
        return partial(binary_cross_entropy, gamma=gamma, smoothing=smoothing, weights=weights)
    if train.loss == "focal":
        return partial(focal, gamma=gamma, smoothing=smoothing, weights=weights)
    return partial(cross_entropy, smoothing=smoothing, weights=weights)


def cross_entropies(logits: Tensor, labels: Tensor) -> Tensor:
    """The cross-entropy of each item, without smoothing.

    Shapes   N items, L labels
        logits  [N, L] float32
        labels  [N]    int64, IGNORED where there is none
    Returns  [N] float64, NaN where there is no label
    """
    losses = F.cross_entropy(logits, labels, ignore_index=IGNORED, reduction="none")
    return torch.where(labels == IGNORED, torch.nan, losses.double())


def binary_cross_entropies(logits: Tensor, labels: Tensor) -> Tensor:
    """The binary cross-entropy of each item, the mean over the labels, without smoothing.

    Shapes   as in `binary_cross_entropy`, one leading dimension
    Returns  [N] float64, NaN where there is no gold
    """
    losses = F.binary_cross_entropy_with_logits(logits, labels.clamp(min=0), reduction="none").double().mean(-1)
    return torch.where(labels[:, 0] == IGNORED, torch.nan, losses)
