"""How fast one thread multiplies matrices of the sizes of a small encoder's layer, while others do the same.

python benchmarks/matrix_rate.py --dtype bf16 --seconds 2

Prints `ready` when it is warm, begins at the first line of its standard input, and prints operations a second.
"""

from __future__ import annotations

import argparse
import sys
import time

import torch
from torch.nn.functional import linear

DTYPES = {"bf16": torch.bfloat16, "fp32": torch.float32}
WIDTH, INNER = 384, 1536  # of MiniLM
PIECES = 512  # rows at a time: about what nertune gives a core
SIZES = ((WIDTH, WIDTH), (WIDTH, WIDTH), (WIDTH, WIDTH), (WIDTH, WIDTH), (WIDTH, INNER), (INNER, WIDTH))  # of a layer
WARM_UP = 20


def main() -> None:
    parser = argparse.ArgumentParser(description="Matrix products a second on one thread.")
    parser.add_argument("--dtype", choices=sorted(DTYPES), required=True)
    parser.add_argument("--seconds", type=float, required=True)
    options = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    pairs = [make_pair(*size, dtype=DTYPES[options.dtype]) for size in SIZES]
    with torch.inference_mode():
        for _ in range(WARM_UP):
            multiply(pairs)
        print("ready", flush=True)
        sys.stdin.readline()
        began, layers = time.perf_counter(), 0
        while time.perf_counter() - began < options.seconds:
            multiply(pairs)
            layers += 1
        seconds = time.perf_counter() - began
    print(layers * sum(2 * PIECES * wide * deep for wide, deep in SIZES) / seconds, flush=True)


def make_pair(wide: int, deep: int, *, dtype: torch.dtype) -> tuple[torch.Tensor, torch.Tensor]:
    """Rows and the weights that they are multiplied with."""
    return torch.randn(PIECES, wide, dtype=dtype), torch.randn(deep, wide, dtype=dtype)


def multiply(pairs: list[tuple[torch.Tensor, torch.Tensor]]) -> None:
    for rows, weights in pairs:
        linear(rows, weights)


if __name__ == "__main__":
    main()
