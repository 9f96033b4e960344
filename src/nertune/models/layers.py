"""The parts of an encoder, found in any architecture: embeddings, layers, what lies above them; and the head on it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from torch import nn
from transformers import PreTrainedModel

from nertune.errors import ModelError

# Children of an encoder, or of what holds its layers, through which the layers' result goes. Other norms beside the
# layers, such as DeBERTa's of relative positions, belong to the embeddings.
ABOVE = frozenset({"pooler", "final_norm", "norm", "ln_f", "final_layer_norm", "final_layernorm"})
POOLER = "pooler"


@dataclass(frozen=True)
class Parts:
    """Which parameters and modules are which part of a model, told by their names.

    encoder    how the encoder's names begin: `bert.`
    layers     how the names of each layer begin, the lowest first; empty where they cannot be told apart
    trouble    why they cannot
    """

    encoder: str
    layers: tuple[str, ...]
    trouble: str | None = None

    def level(self, name: str) -> int:
        """0 for the embeddings, 1 for the lowest layer, …, `above` for pooler and final norm, `head` for the rest.

        Where layers cannot be told apart they are all on level 1.
        """
        if not name.startswith(self.encoder):
            return self.head
        for number, layer in enumerate(self.layers, start=1):
            if f"{name}.".startswith(layer):
                return number
        first, *below = name.removeprefix(self.encoder).split(".")
        if first in ABOVE or (below and below[0] in ABOVE and "embed" not in first):
            return self.above
        return 0 if self.layers or "embed" in first else 1

    @property
    def above(self) -> int:
        return max(1, len(self.layers)) + 1

    @property
    def head(self) -> int:
        return self.above + 1

    def is_pooler(self, name: str) -> bool:
        return self.level(name) == self.above and POOLER in name.split(".")

    def top(self, n: int, *, key: str) -> range:
        """The levels of the last n layers.

        key     of the study file that asks
        Raises  ModelError when the encoder has no such layers
        """
        self.check_layers(key=key)
        if n > len(self.layers):
            raise ModelError(
                f"{key} is {n}, but the encoder has {len(self.layers)} layers only", fix=f"{key}: {len(self.layers)}"
            )
        return range(self.above - n, self.above)

    def check_layers(self, *, key: str) -> None:
        """Raises  ModelError for an encoder without layers of their own"""
        if self.trouble is not None:
            raise ModelError(f"{key} needs layers that can be told apart, but {self.trouble}", fix=f"Leave {key} out")


def find_parts(model: PreTrainedModel) -> Parts:
    """The parts of a model: its layers are the longest list of modules in its encoder."""
    encoder = model.base_model
    prefix = "" if encoder is model else f"{model.base_model_prefix}."
    lists = {name: part for name, part in encoder.named_modules() if isinstance(part, nn.ModuleList)}
    most = max(map(len, lists.values()), default=0)
    longest = [name for name, part in lists.items() if len(part) == most]
    outermost = [name for name in longest if not any(name.startswith(f"{other}.") for other in longest)]
    trouble = _trouble(model, n_found=most, n_lists=len(outermost))
    if trouble is not None:
        return Parts(prefix, (), trouble)
    return Parts(prefix, tuple(f"{prefix}{outermost[0]}.{number}." for number in range(most)))


def names_anew(parts: Parts, names: Iterable[str], *, n_layers: int) -> set[str]:
    """The parameters of the encoder's last layers, and of a pooler with them: what `model.reinit_layers` draws anew.

    Raises  ModelError when the encoder has no such layers
    """
    if n_layers == 0:
        return set()
    levels = parts.top(n_layers, key="model.reinit_layers")
    return {name for name in names if parts.level(name) in levels or parts.is_pooler(name)}


def _trouble(model: PreTrainedModel, *, n_found: int, n_lists: int) -> str | None:
    """Why the longest list is not the encoder's layers one by one; None when it is."""
    kind = model.config.model_type
    wanted = getattr(model.config, "num_hidden_layers", n_found)
    if getattr(model.config, "is_encoder_decoder", False) or n_lists > 1:
        return f"a model of the type {kind!r} has several stacks of them"
    if n_found < wanted:
        return f"a model of the type {kind!r} has the weights of {n_found} for all {wanted}"
    return None if n_found else f"a model of the type {kind!r} has none"
