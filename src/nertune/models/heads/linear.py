"""One affine layer from encoding to labels: the head that transformers itself has for each task."""

from __future__ import annotations

from torch import Tensor
from transformers import AutoModelForSequenceClassification, AutoModelForTokenClassification

from nertune.models.heads.head import Head
from nertune.models.losses import cross_entropy


def most_probable(logits: Tensor) -> tuple[Tensor, Tensor]:
    """The label with the greatest softmax probability of each row, and the probabilities.

    Shapes   N rows, L labels
        logits   [N, L] float
    Returns  ids [N] int64, probabilities [N, L] float32
    """
    probabilities = logits.float().softmax(-1)
    return probabilities.argmax(-1), probabilities


LINEAR = Head(
    auto_classes={"token": AutoModelForTokenClassification, "sequence": AutoModelForSequenceClassification},
    loss=cross_entropy,
    decode=most_probable,
)
