"""One affine layer from encoding to labels: the head that transformers itself has for each task."""

from __future__ import annotations

from torch import nn

from nertune.spec.study import HeadOptions


def build_linear(
    n_features: int,
    n_labels: int,
    *,
    dropout: float,
    options: HeadOptions,  # noqa: ARG001  # there is nothing to choose
) -> nn.Module:
    """Dropout and one affine layer."""
    return nn.Sequential(nn.Dropout(dropout), nn.Linear(n_features, n_labels))
