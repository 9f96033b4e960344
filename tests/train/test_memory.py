"""A worker does one fit after another: none may leave memory behind."""

from __future__ import annotations

import gc
import resource
import sys
from pathlib import Path

import pytest

WARM_UP, FITS = 20, 100
MIB = 2**20


def resident():
    """Bytes of this process in memory now."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
@pytest.mark.parametrize("options", [{}, {"freeze": "encoder"}, {"lora": {"rank": 2}}])
def test_memory_is_flat_over_a_hundred_fits(run, options):
    for number in range(WARM_UP):
        run("token", seed=number, epochs=1, **options)
    gc.collect()
    before = resident()
    for number in range(FITS):
        run("token", seed=number, epochs=1, **options)
    gc.collect()
    assert resident() - before < 2 * MIB  # the weights of one model are a tenth of a MiB, and would be there 100 times
