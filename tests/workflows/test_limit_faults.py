"""The system refuses more files, processes or memory."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from stub_study import StubStudy, wait_for

from nertune.execute.groups import VERSION_1, VERSION_2, groups_of

Make = Callable[..., StubStudy]


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
    assert "`ulimit -u`" in told.stderr
    assert study.finish().returncode == 0


@pytest.fixture
def make_group() -> Iterator[Callable[[str], Path]]:
    """Makes a control group with a controller, where one can be made, and removes it in the end."""
    made = []

    def make(controller: str) -> Path:
        parent = next(groups_with(controller), None)
        if parent is None:
            pytest.skip(f"no control group with a limit of {controller} can be made here")
        group = parent / f"nertune-{uuid.uuid4().hex}"
        try:
            group.mkdir()
        except OSError as problem:
            pytest.skip(f"no control group can be made here: {problem}")
        made.append(group)
        return group

    yield make
    for group in made:
        wait_for(lambda group=group: not (group / "cgroup.procs").read_text())
        group.rmdir()


def groups_with(controller: str) -> Iterator[Path]:
    """Groups in which one with this controller can be made: in version 2 those that hand it down."""
    for folder, names in groups_of(controller):
        handed_down = folder / "cgroup.subtree_control"
        if names is VERSION_1 or (handed_down.exists() and controller in handed_down.read_text().split()):
            yield folder


@pytest.fixture
def small_group(make_group: Callable[[str], Path]) -> Path:
    """A control group of 600 MB."""
    group = make_group("memory")
    file = next(group / names.memory_limit for names in (VERSION_1, VERSION_2) if (group / names.memory_limit).exists())
    file.write_text("600M")
    return group


def join(group: Path) -> Callable[[], object]:
    return lambda: (group / "cgroup.procs").write_text(str(os.getpid()))


def test_a_control_group_without_room_for_processes_is_told(
    stub_study: Make, make_group: Callable[[str], Path]
) -> None:
    group = make_group("pids")
    (group / "pids.max").write_text("1")
    study = stub_study()
    told = study.finish(preexec_fn=join(group))
    assert told.returncode == 1
    assert "no worker process can be started" in told.stderr
    assert "pids.max" in told.stderr
    assert study.finish().returncode == 0


def test_the_limit_of_a_control_group_is_what_a_search_may_use(small_group: Path) -> None:
    program = "from nertune.execute.plan import available_memory; print(available_memory())"
    told = subprocess.run(
        [sys.executable, "-c", program], preexec_fn=join(small_group), capture_output=True, text=True, check=True
    )
    assert 0 < int(told.stdout) < 600 * 2**20


def test_a_worker_that_the_kernel_kills_for_memory_gets_half_the_examples(stub_study: Make, small_group: Path) -> None:
    space = "{train.weight_decay: [0.14], train.batch_size: [8, 16]}"
    study = stub_study(space=space, more="train: {device_batch_size: 64}")
    told = study.finish(preexec_fn=join(small_group))
    assert told.returncode == 0, told.stderr
    assert study.trials("state", "attempts") == [("complete", "1"), ("complete", "2")]
    assert "the kernel killed the worker because memory ran out" in told.stderr
