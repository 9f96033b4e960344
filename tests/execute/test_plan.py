import itertools
import os

import psutil
import pytest

from nertune.errors import StudyFileError
from nertune.execute import plan as module
from nertune.execute.plan import available_memory, plan_slots, usable_cores, worker_memory
from nertune.spec.study import ExecuteSpec

PLENTY = 10**13  # bytes


@pytest.fixture
def machine(monkeypatch):
    """Sets what this machine has: cores, bytes of memory, GPUs."""

    def set_up(cores=4, *, memory=PLENTY, gpus=0):
        monkeypatch.setattr(module, "usable_cores", lambda: cores)
        monkeypatch.setattr(module, "available_memory", lambda: memory)
        monkeypatch.setattr(module, "_torch_has_cuda", lambda: gpus > 0)
        monkeypatch.setattr(module, "_count_gpus", lambda: gpus)

    return set_up


def plan(*, n_jobs=100, threads=None, workers=None, **execute):
    return plan_slots(ExecuteSpec(**execute), base="owner/model", n_jobs=n_jobs, threads=threads, workers=workers)


def shape(found):
    """Number of slots, threads of each."""
    return len(found.slots), {slot.threads for slot in found.slots}


def test_threads_of_all_slots_are_never_more_than_the_cores(machine):
    for cores, n_jobs, workers, threads in itertools.product(
        (1, 2, 3, 8), (0, 1, 2, 100), (None, 1, 2, 5), (None, 1, 2)
    ):
        machine(cores)
        slots = plan(n_jobs=n_jobs, workers=workers, threads=threads).slots
        assert slots
        assert sum(slot.threads for slot in slots) <= max(cores, threads or 1)
        assert [slot.index for slot in slots] == list(range(len(slots)))


@pytest.mark.parametrize(
    ("n_jobs", "workers", "expected"),
    [(100, None, (8, {1})), (3, None, (3, {2})), (1, None, (1, {8})), (100, 2, (2, {4})), (100, 99, (8, {1}))],
)
def test_cores_are_shared_by_as_many_fits_as_there_are(machine, n_jobs, workers, expected):
    machine(8)
    assert shape(plan(n_jobs=n_jobs, workers=workers)) == expected


def test_threads_fixed_in_the_record_or_the_study_are_kept(machine):
    machine(8)
    assert shape(plan(threads=3)) == (2, {3})
    assert shape(plan_slots(ExecuteSpec(threads=4), base="m", n_jobs=9, threads=None)) == (2, {4})
    assert shape(plan_slots(ExecuteSpec(threads=4), base="m", n_jobs=9, threads=2)) == (4, {2})


def test_command_line_stands_above_the_study(machine):
    machine(8)
    assert shape(plan_slots(ExecuteSpec(workers=2), base="m", n_jobs=9, threads=None, workers=4)) == (4, {2})


def test_memory_bounds_the_fits_at_a_time_and_the_reason_says_so(machine):
    machine(8, memory=int(2.5 * worker_memory("owner/model")))
    found = plan()
    assert (shape(found), found.reason) == ((2, {4}), "memory for 2 at a time")
    machine(8, memory=0)
    assert shape(plan()) == (1, {8})


def test_reason_says_when_fewer_run_than_were_asked_for(machine):
    machine(2)
    assert [plan(workers=workers).reason for workers in (None, 1, 5)] == ["2 cores", "as asked", "2 cores; 5 asked for"]


def test_small_models_need_less_memory(tmp_path):
    (tmp_path / "model.safetensors").write_bytes(bytes(4_000_000))
    assert worker_memory(str(tmp_path)) < worker_memory("owner/model") / 3


def test_inline_is_one_slot_with_all_cores(machine):
    machine(8)
    assert shape(plan(kind="inline", workers=4)) == (1, {8})
    assert shape(plan_slots(ExecuteSpec(kind="inline", threads=2), base="m", n_jobs=9, threads=None)) == (1, {2})


def test_every_gpu_is_a_slot_and_more_workers_share_them(machine):
    machine(8, gpus=2)
    assert [slot.device for slot in plan().slots] == ["cuda:0", "cuda:1"]
    assert [slot.device for slot in plan(workers=3).slots] == ["cuda:0", "cuda:1", "cuda:0"]
    assert [slot.device for slot in plan(devices=["cuda:1"]).slots] == ["cuda:1"]
    assert {slot.device for slot in plan(devices="cpu").slots} == {"cpu"}


@pytest.mark.parametrize(
    ("gpus", "devices", "message"),
    [
        (0, "cuda", "execute.devices names cuda, but there is no CUDA device here"),
        (0, ["cuda:0"], "execute.devices names cuda:0, but there is no CUDA device here"),
        (1, ["cuda:0", "cuda:3"], "execute.devices names cuda:3, but there is cuda:0 here"),
    ],
)
def test_gpu_that_is_not_there_is_named_with_what_is(machine, gpus, devices, message):
    machine(gpus=gpus)
    with pytest.raises(StudyFileError, match=message) as caught:
        plan(devices=devices)
    assert caught.value.fix.startswith("--set execute.devices=auto")


@pytest.mark.parametrize(("visible", "count"), [("", 0), ("-1", 0), ("0,2", 2), ("3", 1)])
def test_hidden_gpus_are_not_counted(monkeypatch, visible, count):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert module._count_gpus() == count


@pytest.mark.parametrize(("allowed", "cores"), [(2, 2), (9, 6), (None, 6)])
def test_a_quota_bounds_the_cores_that_are_there(monkeypatch, allowed, cores):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(6)), raising=False)
    monkeypatch.setattr(module, "cores_allowed", lambda: allowed)
    assert usable_cores() == cores


@pytest.mark.parametrize(("left", "available"), [(500, 500), (2000, 1000), (None, 1000)])
def test_a_limit_bounds_the_memory_that_is_free(monkeypatch, left, available):
    monkeypatch.setattr(psutil, "virtual_memory", lambda: type("Memory", (), {"available": 1000}))
    monkeypatch.setattr(module, "memory_left", lambda: left)
    assert available_memory() == available
