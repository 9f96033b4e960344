"""The system refuses more files, processes or memory."""

from __future__ import annotations

import os
import resource
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from stub_study import StubStudy, wait_for

Make = Callable[..., StubStudy]
GROUPS = Path("/sys/fs/cgroup")


def limit(kind: int, most: int) -> Callable[[], None]:
    return lambda: resource.setrlimit(kind, (most, most))


@pytest.mark.parametrize("most", [12, pytest.param(30, marks=pytest.mark.slow)])
def test_too_few_descriptors_are_told_before_anything_starts(stub_study: Make, most: int) -> None:
    study = stub_study()
    told = study.finish(preexec_fn=limit(resource.RLIMIT_NOFILE, most))
    assert told.returncode == 2
    assert f"may open {most} files here" in told.stderr
    assert "ulimit -n 1024" in told.stderr
    assert not study.output.exists()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may have any number of processes")
def test_too_few_processes_are_told_with_the_limit_to_look_at(stub_study: Make) -> None:
    study = stub_study()
    told = study.finish(preexec_fn=limit(resource.RLIMIT_NPROC, 1))
    assert told.returncode == 1
    assert "no worker process can be started" in told.stderr
    assert "`ulimit -u` says how many processes you may have" in told.stderr
    assert study.finish().returncode == 0


@pytest.fixture
def small_group() -> Iterator[Path]:
    """A control group (version 2) of 600 MB beside our own, where memory is handed down to us."""
    own = [line[4:] for line in Path("/proc/self/cgroup").read_text().splitlines() if line.startswith("0::/")]
    parent = (GROUPS / "".join(own)).parent if own != [""] else GROUPS
    handed_down = parent / "cgroup.subtree_control"
    if not handed_down.exists() or "memory" not in handed_down.read_text().split():
        pytest.skip("no control group with a limit of memory can be made here")
    group = parent / f"nertune-{uuid.uuid4().hex}"
    try:
        group.mkdir()
    except OSError:
        pytest.skip("no control group can be made here")
    (group / "memory.max").write_text("600M")
    yield group
    wait_for(lambda: not (group / "cgroup.procs").read_text())
    group.rmdir()


@pytest.mark.skipif(not Path("/proc/self/cgroup").exists(), reason="needs control groups")
def test_a_worker_that_the_kernel_kills_for_memory_gets_half_the_examples(stub_study: Make, small_group: Path) -> None:
    space = "{train.weight_decay: [0.14], train.batch_size: [8, 16]}"
    study = stub_study(space=space, more="train: {device_batch_size: 64}")
    told = study.finish(preexec_fn=lambda: (small_group / "cgroup.procs").write_text(str(os.getpid())))
    assert told.returncode == 0, told.stderr
    assert study.trials("state", "attempts") == [("complete", "1"), ("complete", "2")]
    assert "the kernel killed the worker because memory ran out" in told.stderr
