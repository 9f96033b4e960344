"""Losses: one number for a batch, whose gradients add up over accumulated parts of it."""

from __future__ import annotations

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
