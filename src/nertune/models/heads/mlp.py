"""Hidden layers between encoding and labels."""

from __future__ import annotations

from itertools import pairwise

from torch import nn

from nertune.spec.study import HeadOptions

ACTIVATIONS: dict[str, type[nn.Module]] = {"relu": nn.ReLU, "gelu": nn.GELU, "silu": nn.SiLU, "tanh": nn.Tanh}


def build_mlp(n_features: int, n_labels: int, *, dropout: float, options: HeadOptions) -> nn.Module:
    """Hidden layers of the widths `options.hidden`, each after dropout and before the activation; then the labels."""
    activation = ACTIVATIONS[options.activation]
    widths = (n_features, *options.hidden)
    layers: list[nn.Module] = []
    for wide, narrow in pairwise(widths):
        layers += [nn.Dropout(dropout), nn.Linear(wide, narrow), activation()]
    return nn.Sequential(*layers, nn.Dropout(dropout), nn.Linear(widths[-1], n_labels))
