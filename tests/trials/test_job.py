"""How many examples a job puts on the device at once."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from nertune.spec.study import TrainSpec
from nertune.trials.job import CPU_PIECES, device_batch_size


def at_once(batch_size, *, pieces=40.0, precision="fp32", device="cpu", threads=1, wanted=None):
    train = TrainSpec(batch_size=batch_size, device_batch_size=wanted)
    return device_batch_size(train, precision=precision, pieces_per_window=pieces, device=device, threads=threads)


def test_what_the_study_says_holds_on_every_device():
    assert at_once(32, wanted=4) == at_once(32, wanted=4, device="cuda:0") == 4
    assert at_once(8, wanted=32) == 8


def test_a_gpu_takes_the_whole_batch():
    assert at_once(256, device="cuda:0") == 256


def test_a_cpu_takes_parts_that_its_caches_hold_and_larger_ones_with_more_threads():
    assert [at_once(size) for size in (8, 16, 32, 64)] == [8, 16, 16, 16]
    assert [at_once(32, threads=threads) for threads in (1, 2, 4)] == [16, 32, 32]


def test_parts_are_larger_in_bf16_whose_values_are_half_as_large():
    assert [at_once(size, precision="bf16") for size in (8, 16, 32, 64)] == [8, 16, 32, 32]


@given(st.integers(1, 512), st.floats(2, 512), st.integers(1, 64), st.sampled_from(["fp32", "bf16"]))
def test_parts_are_within_an_example_of_what_the_caches_hold_and_no_smaller_than_need_be(
    batch_size, pieces, threads, precision
):
    size = at_once(batch_size, pieces=pieces, precision=precision, threads=threads)
    held = CPU_PIECES[precision] * threads
    assert 1 <= size <= batch_size
    assert (size - 1) * pieces < held
    n_parts = -(-batch_size // size)
    assert n_parts == 1 or batch_size * pieces > (n_parts - 1) * held
