"""Imports that take seconds: those of torch and transformers."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def uncollected() -> Iterator[None]:
    """Import without looking for garbage, which takes a tenth of the time: modules have next to none."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if not gc.get_freeze_count():
            gc.freeze()  # and back: all is of the oldest generation now, else the next allocation would look through it
            gc.unfreeze()
        if was_enabled:
            gc.enable()
