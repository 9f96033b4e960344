"""One affine layer from encoding to labels: the head that transformers itself has for each task."""

from __future__ import annotations

from torch import Tensor
from transformers import AutoModelForSequenceClassification, AutoModelForTokenClassification

from nertune.models.heads.head import Head
from nertune.models.losses import binary_cross_entropies, binary_cross_entropy, cross_entropies, cross_entropy

THRESHOLD = 0.5  # of a label's probability, above which a multi-label text has it


def most_probable(logits: Tensor) -> tuple[Tensor, Tensor]:
    """The label with the greatest softmax probability of each row, and the probabilities.

    Shapes   N rows, L labels
        logits   [N, L] float
    Returns  ids [N] int64, probabilities [N, L] float32
    """
    probabilities = logits.float().softmax(-1)
    return probabilities.argmax(-1), probabilities


def probable(logits: Tensor) -> tuple[Tensor, Tensor]:
    """Which labels have a sigmoid probability above THRESHOLD, and the probabilities.

    Shapes   N rows, L labels
        logits   [N, L] float
    Returns  [N, L] bool, probabilities [N, L] float32
    """
    probabilities = logits.float().sigmoid()
    return probabilities > THRESHOLD, probabilities


LINEAR = Head(
    auto_classes={"token": AutoModelForTokenClassification, "sequence": AutoModelForSequenceClassification},
    loss=cross_entropy,
    item_losses=cross_entropies,
    decode=most_probable,
)
LINEAR_MULTI_LABEL = Head(
    auto_classes={"sequence": AutoModelForSequenceClassification},
    loss=binary_cross_entropy,
    item_losses=binary_cross_entropies,
    decode=probable,
)
