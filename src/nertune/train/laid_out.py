"""Weights in the order in which oneDNN multiplies bf16: put into it once, instead of for every product.

An evaluation multiplies all its batches by the same weights. In training they change with every step.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import partial

import torch
from torch import Tensor, nn

# What torch.compile uses, too.
OPERATIONS = ("_reorder_linear_weight", "_linear_pointwise", "_is_mkldnn_bf16_supported")
ROWS = 1024  # that the order suits best; others are right as well


@contextmanager
def laid_out(parts: Iterable[nn.Linear]) -> Iterator[None]:
    """For so long, these parts compute as under autocast to bf16; several threads may use them."""
    changed = [part for part in parts if "forward" not in vars(part)] if _can_be() else []
    for part in changed:
        weight = torch.ops.mkldnn._reorder_linear_weight(part.weight.detach().bfloat16(), ROWS)
        bias = None if part.bias is None else part.bias.detach().bfloat16()
        part.forward = partial(_multiply, weight, bias)  # type: ignore[method-assign]
    try:
        yield
    finally:
        for part in changed:
            del part.forward


def _can_be() -> bool:
    """Whether this torch and this processor have it."""
    if not all(hasattr(torch.ops.mkldnn, name) for name in OPERATIONS):
        return False
    return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


def _multiply(weight: Tensor, bias: Tensor | None, given: Tensor) -> Tensor:
    result: Tensor = torch.ops.mkldnn._linear_pointwise(given.bfloat16(), weight, bias, "none", [], "")
    return result
