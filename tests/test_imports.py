"""Imports without collections: what was garbage stays garbage, and is found later."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator

import pytest

from nertune.imports import uncollected


class Cycle:
    """Garbage that only a collection finds, once nobody else knows it."""

    def __init__(self) -> None:
        self.itself = self


@pytest.fixture
def collections() -> Iterator[list[int]]:
    """The generations that were collected."""
    seen: list[int] = []

    def note(phase: str, facts: dict[str, int]) -> None:
        if phase == "start":
            seen.append(facts["generation"])

    gc.unfreeze()  # what other tests of this process have frozen
    gc.callbacks.append(note)
    yield seen
    gc.callbacks.remove(note)


def test_nothing_is_collected_meanwhile_nor_at_once_afterwards(collections: list[int]) -> None:
    with uncollected():
        kept = [[number] for number in range(200_000)]  # enough for many collections
    kept.append([0])
    assert collections == []
    assert gc.isenabled()


def test_garbage_of_before_and_of_the_block_is_found_by_the_next_collection() -> None:
    before = Cycle()
    known = [weakref.ref(before)]
    del before
    with uncollected():
        known.append(weakref.ref(Cycle()))
    gc.collect()
    assert [one() for one in known] == [None, None]


def test_who_has_collections_off_or_objects_frozen_keeps_them_so() -> None:
    gc.disable()
    try:
        with uncollected():
            pass
        assert not gc.isenabled()
        gc.freeze()
        n_frozen = gc.get_freeze_count()
        with uncollected():
            kept = [[number] for number in range(1000)]
        assert gc.get_freeze_count() == pytest.approx(n_frozen, abs=50)
        assert len(kept) == 1000
    finally:
        gc.unfreeze()
        gc.enable()
