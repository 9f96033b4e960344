"""Weights for rare labels, from how often each occurs in train."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

Counts = npt.NDArray[np.integer]


def label_weights(counts: Counts, *, balance: float) -> Tensor:
    """Of single labels: (N / (K n)) ^ balance for a label with n of the N items, K labels occurring.

    Scaled so that the mean over the items is 1, whatever the balance: the learning rate keeps its meaning. A label that
    never occurs gets 1.

    Shapes  counts [L] items of each label, the result [L] float32
    """
    met = counts > 0
    weights = np.ones(len(counts))
    weights[met] = (counts.sum() / (met.sum() * counts[met])) ** balance
    mean = (weights * counts).sum() / max(1, counts.sum())
    return torch.tensor(np.where(met, weights / (mean or 1), 1.0), dtype=torch.float32)


def positive_weights(counts: Counts, *, n_items: int, balance: float) -> Tensor:
    """Of several labels: (negatives / positives) ^ balance for the items that have the label; 1 where none or all have.

    Shapes  counts [L] items with each label, the result [L] float32
    """
    negatives = n_items - counts
    both = (counts > 0) & (negatives > 0)
    ratios = np.divide(negatives, counts, out=np.ones(len(counts)), where=both)
    return torch.tensor(ratios**balance, dtype=torch.float32)
