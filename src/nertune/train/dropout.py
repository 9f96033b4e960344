"""Dropout for CPUs: the same random masks, drawn with a quarter of the random numbers.

torch draws a number for every value that may be dropped, which is up to a tenth of a step of a small encoder. Sixteen
bits are enough to decide, so one number decides four values. And torch's attention falls back to its slowest kernel as
soon as there is dropout in it; the plain formula is faster.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from transformers import AttentionInterface, PreTrainedModel
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import AttentionMaskInterface, sdpa_mask

LANES = 2**16  # values of the 16 bits that decide
ATTENTION = "nertune_cpu"  # a name in transformers' registry; no config.json ever holds it
# Encoders whose attention is softmax(Q Kᵀ · scale) V under a mask, and nothing more.
PLAIN_ATTENTION = frozenset({"bert", "roberta", "xlm-roberta", "camembert", "distilbert", "electra"})


def use_cpu_dropout(model: PreTrainedModel) -> None:
    """Let the model drop values this way while it trains; in evaluation, and when saved, it is what it was."""
    for name, module in list(model.named_modules()):
        if type(module) is nn.Dropout and not module.inplace:
            model.set_submodule(name, LaneDropout(module.p).train(module.training))
    config = model.config
    # A decoder may not see what follows: torch is told so beside the mask, where the plain formula does not look.
    looks_both_ways = not getattr(config, "is_decoder", False)
    if config.model_type in PLAIN_ATTENTION and looks_both_ways and config._attn_implementation == "sdpa":
        model.set_attn_implementation(ATTENTION)


class LaneDropout(nn.Dropout):
    """`nn.Dropout` with the masks of `dropout_mask`."""

    def forward(self, input: Tensor) -> Tensor:
        if not self.training or self.p == 0.0:
            return input
        return input * dropout_mask(input, p=self.p)


def dropout_mask(values: Tensor, *, p: float) -> Tensor:
    """A factor for each value, of its shape and type: 0 with probability p, else what keeps the expectation.

    p is rounded to a multiple of 1/65536, and the factor is that of the rounded one. From torch's CPU generator.
    """
    dropped = round(p * LANES)
    if dropped >= LANES:
        return torch.zeros_like(values)
    n = values.numel()
    numbers = torch.empty(-(-n // 4), dtype=torch.int64).random_(-(2**63), None)  # all 64 bits
    is_kept = numbers.view(torch.int16)[:n].view(values.shape) >= dropped - LANES // 2
    return torch.mul(is_kept, LANES / (LANES - dropped), out=torch.empty_like(values))


def attention(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    *,
    dropout: float = 0.0,
    scaling: float | None = None,
    **more: Any,
) -> tuple[Tensor, Tensor | None]:
    """Attention as transformers calls it: torch's fused kernel, or the plain formula where weights are dropped.

    Shapes   B examples, H heads, T pieces, D features of a head
        query, key, value  [B, H, T, D] float
        attention_mask     [B or 1, 1, T or 1, T] bool, True where a piece may be seen; None: everywhere
        (result)           [B, T, H, D]
    """
    if dropout == 0.0:
        return sdpa_attention_forward(module, query, key, value, attention_mask, dropout=0.0, scaling=scaling, **more)  # type: ignore[no-any-return]
    scores = torch.matmul(query * (scaling or query.shape[-1] ** -0.5), key.transpose(2, 3))
    if attention_mask is not None:
        scores = scores.masked_fill(~attention_mask, torch.finfo(scores.dtype).min)
    weights = scores.softmax(-1)
    weights = weights * dropout_mask(weights, p=dropout)
    return torch.matmul(weights, value).transpose(1, 2).contiguous(), None


AttentionInterface.register(ATTENTION, attention)
AttentionMaskInterface.register(ATTENTION, sdpa_mask)
