"""Batches that run at the same time say what they say one after another."""

from __future__ import annotations

import importlib
import threading
import time

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from nertune.models.build import build_model
from nertune.train.batches import evaluation_batches
from nertune.train.lanes import in_lanes
from nertune.train.predict import infer, no_pulse


@pytest.fixture
def threads():
    """`threads(n)`: so many threads for torch, until the test ends."""
    before = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(before)


@given(st.integers(0, 30), st.integers(1, 9), st.integers(1, 9))
def test_every_item_is_done_once_and_torch_has_its_threads_back(n_items, n_threads, most):
    before = torch.get_num_threads()
    torch.set_num_threads(n_threads)
    try:
        found = in_lanes(list, range(n_items), pulse=no_pulse, most=most)
        assert torch.get_num_threads() == n_threads
    finally:
        torch.set_num_threads(before)
    assert sorted(item for lane in found for item in lane) == list(range(n_items))
    assert len(found) == max(1, min(n_threads, most, n_items))


def test_lanes_are_threads_that_share_those_of_torch_and_the_first_is_this_one(threads):
    threads(6)
    pulses, all_there = [], threading.Barrier(3)

    def work(items):
        all_there.wait(timeout=60)
        return [(threading.get_ident(), torch.get_num_threads()) for _ in items]

    found = in_lanes(work, range(8), pulse=lambda: pulses.append(threading.get_ident()), most=3)
    assert {n for lane in found for _, n in lane} == {2}
    idents = [{ident for ident, _ in lane} for lane in found]
    assert [len(own) for own in idents] == [1, 1, 1]
    assert len(set.union(*idents)) == 3
    assert pulses == [threading.get_ident()] * 3
    assert idents[0] == {threading.get_ident()}


@pytest.mark.parametrize("failing", [0, 1])
def test_an_error_in_one_lane_ends_the_other_at_its_next_item(threads, failing):
    threads(2)
    done = []

    def work(items):
        for item in items:
            if item == failing:
                raise MemoryError("too much")
            time.sleep(0.01)
            done.append(item)

    with pytest.raises(MemoryError, match="too much"):
        in_lanes(work, range(200), pulse=no_pulse, most=2)
    assert len(done) < 50
    assert torch.get_num_threads() == 2


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("task", ["token", "sequence"])
def test_predictions_are_to_the_bit_those_of_one_thread(material, threads, task, precision):
    own = material(task)
    model = build_model(own.base, seed=1)
    assert len(list(evaluation_batches(own.dev, max_pieces=40))) >= 3

    def probabilities():
        return infer(model, own.dev, device="cpu", precision=precision, max_pieces=40)[""].probabilities

    threads(1)
    alone = probabilities()
    threads(3)
    assert np.array_equal(probabilities(), alone)


def test_a_head_of_the_users_own_is_run_by_one_thread(encode, threads, write_module):
    """It may keep something from one call to the next."""
    write_module(
        "keeping",
        "import threading\n"
        "from torch import nn\n"
        "SEEN = set()\n"
        "class Keeping(nn.Linear):\n"
        "    def __init__(self, n_features, n_labels, *, dropout, options):\n"
        "        super().__init__(n_features, n_labels)\n"
        "    def forward(self, features):\n"
        "        SEEN.add(threading.get_ident())\n"
        "        return super().forward(features)\n",
    )
    _, base, _, _, dev = encode("token", {"head": "keeping:Keeping"})
    threads(3)
    infer(build_model(base, seed=1), dev, device="cpu", precision="fp32", max_pieces=16)
    seen = importlib.import_module("keeping").SEEN
    assert seen == {threading.get_ident()}
