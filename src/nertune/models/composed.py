"""Encoders with heads that transformers has not: hidden layers, a CRF, several heads, mean pooling.

A saved one is a folder like any other: config.json is that of the encoder, with an entry `nertune` that names the
heads, and model.safetensors holds the encoder's weights under their usual names. `AutoModel.from_pretrained(folder)`
loads the encoder alone; `EncoderWithHeads.from_pretrained(folder)` loads all of it.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn
from transformers import MODEL_MAPPING, AutoConfig, PreTrainedConfig, PreTrainedModel
from transformers.modeling_outputs import TokenClassifierOutput

from nertune.data.examples import Task
from nertune.models.heads import find_head
from nertune.models.heads.crf import Chain, Crf
from nertune.models.heads.head import Head

ENTRY = "nertune"  # of config.json
VERSION = 1  # of that entry
# What configs call the dropout of their own classifiers, the most telling first.
DROPOUT_KEYS = ("classifier_dropout", "seq_classif_dropout", "hidden_dropout_prob", "hidden_dropout", "dropout")


def heads_entry(heads: tuple[Head, ...], *, task: Task, pieces: str, pooling: str) -> dict[str, Any]:
    """The entry of config.json by which a saved model is built again."""
    return {
        "version": VERSION,
        "task": task,
        "pieces": pieces,
        "pooling": pooling,
        "heads": {head.name: head.to_json() for head in heads},
    }


def heads_of(config: PreTrainedConfig) -> tuple[Head, ...]:
    """The heads that the entry names, in their order."""
    entry: Mapping[str, Any] = getattr(config, ENTRY)
    return tuple(Head.from_json(name, told) for name, told in entry["heads"].items())


class HeadModule(nn.Module):
    """The layers of one head, and its CRF where it has one."""

    def __init__(self, head: Head, *, n_features: int, dropout: float) -> None:
        super().__init__()
        build = find_head(head.options.head)
        self.layers = build(n_features, len(head.labels), dropout=dropout, options=head.options)
        self.crf = Crf(head.labels, constrained=head.options.crf_constraints) if head.has_crf else None

    def forward(self, features: Tensor) -> Tensor:
        """Scores of the labels, [..., features] -> [..., labels]."""
        scores: Tensor = self.layers(features)
        return scores


class EncoderWithHeads(PreTrainedModel):  # type: ignore[misc]  # transformers is untyped here
    """An encoder of any type with the heads that its config's entry `nertune` names.

    `from_pretrained(folder)` makes the subclass for the encoder's type. The forward pass gives, as transformers' own
    classification models do, an output with `logits`: of all heads side by side, in the order of the entry.

    Shapes   B windows, T pieces, L labels of all heads together
        input_ids, attention_mask, token_type_ids  [B, T] int64
        first_pieces   [B, T] int64, with `pieces: mean` only: the place of the first piece of each piece's word
        logits         [B, T, L] float (token), [B, L] float (sequence)
    """

    def __init__(self, config: PreTrainedConfig) -> None:
        super().__init__(config)
        entry = getattr(config, ENTRY)
        self.task: Task = entry["task"]
        self.averages = entry["pieces" if self.task == "token" else "pooling"] == "mean"
        encoder = _make_encoder(config, pooled=self.task == "sequence" and not self.averages)
        setattr(self, self.base_model_prefix, encoder)
        self.heads = nn.ModuleDict(
            {
                module_name(head.name): HeadModule(
                    head, n_features=width_of(config), dropout=_dropout(config, wanted=head.options.head_dropout)
                )
                for head in heads_of(config)
            }
        )
        self.post_init()

    @classmethod
    def from_pretrained(cls, folder: Any, *more: Any, config: Any = None, **options: Any) -> Any:
        """The model saved in a folder, its heads as they were trained."""
        config = config or AutoConfig.from_pretrained(folder)
        if cls is EncoderWithHeads:
            return composed_class(config).from_pretrained(folder, *more, config=config, **options)
        return super().from_pretrained(folder, *more, config=config, **options)

    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        token_type_ids: Tensor | None = None,
        first_pieces: Tensor | None = None,
        **more: Any,
    ) -> TokenClassifierOutput:
        if token_type_ids is not None:
            more["token_type_ids"] = token_type_ids
        encoder: Any = self.base_model
        output = encoder(input_ids=input_ids, attention_mask=attention_mask, **more)
        features = self._features(output, attention_mask=attention_mask, first_pieces=first_pieces)
        return TokenClassifierOutput(logits=torch.cat([head(features) for head in self.heads.values()], dim=-1))

    def chain(self, name: str) -> Chain:
        """The CRF's scores of the head of this name."""
        head = self.heads[module_name(name)]
        assert isinstance(head, HeadModule)
        assert head.crf is not None
        return head.crf.chain

    def _features(self, output: Any, *, attention_mask: Tensor | None, first_pieces: Tensor | None) -> Tensor:
        encodings: Tensor = output.last_hidden_state
        if self.task == "token":
            return encodings if first_pieces is None else mean_of_words(encodings, first_pieces)
        if self.averages:
            return mean_of_pieces(encodings, attention_mask)
        pooled: Tensor | None = getattr(output, "pooler_output", None)
        return encodings[:, 0] if pooled is None else pooled

    def _init_weights(self, module: nn.Module) -> None:
        """A head's own way of drawing its parameters where it has one, the architecture's for all else.

        The small spread by which encoders draw their matrices would leave nothing of a signal after four layers.
        """
        drawn: Any = module
        if any(module is part for head in self.heads.values() for part in _self_drawn(head)):
            drawn.reset_parameters()
        else:
            super()._init_weights(module)


def module_name(head: str) -> str:
    """The name of a head's parameters in the weights."""
    return f"head_{head}" if head else "head"


def mean_of_words(encodings: Tensor, first_pieces: Tensor) -> Tensor:
    """At the first piece of each word, the mean over its pieces.

    Shapes  encodings [B, T, D], first_pieces [B, T] int64, the result [B, T, D]; 0 at later pieces
    """
    places = first_pieces[..., None]
    sums = torch.zeros_like(encodings).scatter_add(1, places.expand_as(encodings), encodings)
    ones = torch.ones_like(places, dtype=encodings.dtype)
    return sums / torch.zeros_like(ones).scatter_add(1, places, ones).clamp(min=1)


def mean_of_pieces(encodings: Tensor, mask: Tensor | None) -> Tensor:
    """The mean over the pieces that are no padding, [B, T, D] and [B, T] -> [B, D]."""
    if mask is None:
        return encodings.mean(1)
    weights = mask[..., None].to(encodings.dtype)
    return (encodings * weights).sum(1) / weights.sum(1).clamp(min=1)


def composed_class(config: PreTrainedConfig) -> type[EncoderWithHeads]:
    """The class for encoders of this config's type.

    Raises  KeyError for a type that transformers has no encoder for
    """
    config_class: Any = type(config)
    return _class_of(config_class)


@cache
def _class_of(config_class: type[PreTrainedConfig]) -> type[EncoderWithHeads]:
    encoder = _encoder_class(config_class)
    # The encoder's own parent knows its prefix, its way of drawing weights and its attention kernels.
    parent = next(above for above in encoder.__mro__[1:] if issubclass(above, PreTrainedModel))
    name = f"{encoder.__name__.removesuffix('Model')}WithHeads"
    return type(name, (EncoderWithHeads, parent), {"config_class": config_class, "__module__": __name__})


def _encoder_class(config_class: type[PreTrainedConfig]) -> type[PreTrainedModel]:
    """Raises  KeyError for a type that transformers has no encoder for"""
    encoder = MODEL_MAPPING[config_class]
    found: type[PreTrainedModel] = encoder[0] if isinstance(encoder, tuple) else encoder
    return found


def _make_encoder(config: PreTrainedConfig, *, pooled: bool) -> PreTrainedModel:
    """The encoder, without a pooler that nobody would read."""
    encoder = _encoder_class(type(config))
    takes_pooler = "add_pooling_layer" in inspect.signature(encoder.__init__).parameters
    return encoder(config, add_pooling_layer=pooled) if takes_pooler else encoder(config)


def width_of(config: PreTrainedConfig) -> int:
    """Features of what the encoder gives for a piece."""
    width = getattr(config, "hidden_size", None) or config.get_text_config().hidden_size
    return int(width)


def _dropout(config: PreTrainedConfig, *, wanted: float | None) -> float:
    if wanted is not None:
        return wanted
    told = (getattr(config, key, None) for key in DROPOUT_KEYS)
    return float(next((value for value in told if isinstance(value, (int, float))), 0.1))


def _self_drawn(head: nn.Module) -> list[nn.Module]:
    """The parts of a head that draw their own parameters: all but a single affine layer, which is drawn as usual."""
    linear = [part for part in head.modules() if isinstance(part, nn.Linear)]
    own = [part for part in head.modules() if hasattr(part, "reset_parameters")]
    return [part for part in own if len(linear) > 1 or part not in linear]
