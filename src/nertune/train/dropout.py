"""Dropout for CPUs: the same random masks, drawn with a quarter of the random numbers.

torch draws a number for every value that may be dropped, which is up to a tenth of a step of a small encoder. Sixteen
bits are enough to decide, so one number decides four values.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

LANES = 2**16  # values of the 16 bits that decide


def use_cpu_dropout(model: PreTrainedModel) -> None:
    """Let the model drop values this way while it trains; in evaluation, and when saved, it is what it was."""
    for name, module in list(model.named_modules()):
        if type(module) is nn.Dropout and not module.inplace:
            model.set_submodule(name, LaneDropout(module.p).train(module.training))


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
    if dropped == 0:
        return torch.ones_like(values)
    if dropped >= LANES:
        return torch.zeros_like(values)
    n = values.numel()
    numbers = torch.empty(-(-n // 4), dtype=torch.int64).random_(-(2**63), None)  # all 64 bits
    lanes = numbers.view(torch.int16)[:n].view(values.shape)
    least = dropped - LANES // 2
    is_kept = lanes.clamp_(least - 1, least).sub_(least - 1)  # 0 or 1, in the two bytes that a lane has
    factor = LANES / (LANES - dropped)
    if values.dtype == torch.bfloat16:
        return is_kept.mul_(_bits_of(factor)).view(torch.bfloat16)
    return is_kept.to(values.dtype).mul_(factor)


def _bits_of(value: float) -> int:
    """Those of bfloat16, as an int16: integers of two bytes are multiplied and reinterpreted without a copy."""
    return int(torch.tensor(value, dtype=torch.bfloat16).view(torch.int16))
