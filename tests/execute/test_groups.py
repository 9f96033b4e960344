"""Limits of control groups, in a made-up /proc and the folders that it names."""

import pytest

from nertune.execute import groups
from nertune.execute.groups import cores_allowed, memory_left, oom_kill_count

JOB = "/slurm/job_7/step_0"
CONTAINER_2 = ("0::/", [("/", "", "cgroup2 cgroup2 rw")])
JOB_2 = (f"0::{JOB}", [("/", "", "cgroup2 cgroup2 rw")])
CONTAINER_1 = (
    "5:memory:/docker/ab\n4:cpu,cpuacct:/docker/ab\n1:name=systemd:/docker/ab",
    [("/docker/ab", "memory", "cgroup cgroup rw,memory"), ("/docker/ab", "cpu", "cgroup cgroup rw,cpu,cpuacct")],
)
JOB_1 = (
    f"5:memory:{JOB}\n4:cpu,cpuacct:{JOB}\n0::/init.scope",
    [
        ("/", "memory", "cgroup cgroup rw,memory"),
        ("/", "cpu", "cgroup cgroup rw,cpu,cpuacct"),
        ("/", "unified", "cgroup2 cgroup2 rw"),
    ],
)
SYSTEMS = {  # what /proc says, the folder of a limit of memory, that of a quota, the version
    "container, version 2": (*CONTAINER_2, "", "", 2),
    "job, version 2": (*JOB_2, JOB[1:], JOB[1:], 2),
    "limits of a group above, version 2": (*JOB_2, "slurm/job_7", "slurm", 2),
    "container, version 1": (*CONTAINER_1, "memory", "cpu", 1),
    "job, version 1 beside version 2": (*JOB_1, f"memory{JOB}", f"cpu{JOB}", 1),
    "limits of a group above, version 1": (*JOB_1, "memory/slurm/job_7", "cpu/slurm", 1),
}


@pytest.fixture
def write(tmp_path, monkeypatch):
    """Writes a file of the made-up system: its name in the folder, and its text."""
    monkeypatch.setattr(groups, "PROC", tmp_path / "proc")

    def write_file(name, text):
        groups.groups_of.cache_clear()
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)

    yield write_file
    groups.groups_of.cache_clear()


@pytest.fixture(params=SYSTEMS, ids=lambda name: name)
def system(request, write, tmp_path):
    """Writes /proc of one system; says where its limits lie, and their version."""
    own, mounts, *rest = SYSTEMS[request.param]
    write("proc/self/cgroup", own + "\n")
    lines = [
        f"3{n} 25 0:{n} {root} {tmp_path / 'fs' / folder} rw,nosuid shared:9 - {kind}\n"
        for n, (root, folder, kind) in enumerate(mounts)
    ]
    write("proc/self/mountinfo", "22 1 8:1 / / rw,relatime - ext4 /dev/root rw\n" + "".join(lines))
    return rest


def test_a_limit_bounds_the_memory_without_counting_cached_files(system, write):
    memory, _, version = system
    limit, used, cached = {
        1: ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
        2: ("memory.max", "memory.current", "inactive_file"),
    }[version]
    assert memory_left() is None
    write(f"fs/{memory}/{limit}", "900\n")
    write(f"fs/{memory}/{used}", "500\n")
    write(f"fs/{memory}/memory.stat", f"anon 400\n{cached} 100\n")
    assert memory_left() == 500
    write(f"fs/{memory}/{limit}", "max\n")
    assert memory_left() is None


@pytest.mark.parametrize(("quota", "cores"), [(200_000, 2), (250_000, 2), (50_000, 1), (None, None)])
def test_a_quota_bounds_the_cores(system, write, quota, cores):
    _, cpu, version = system
    if version == 2:
        write(f"fs/{cpu}/cpu.max", f"{quota or 'max'} 100000\n")
    else:
        write(f"fs/{cpu}/cpu.cfs_quota_us", f"{quota or -1}\n")
        write(f"fs/{cpu}/cpu.cfs_period_us", "100000\n")
    assert cores_allowed() == cores


def test_the_tightest_of_several_limits_counts(write, tmp_path):
    write("proc/self/cgroup", f"0::{JOB}\n")
    write("proc/self/mountinfo", f"30 25 0:1 / {tmp_path / 'fs'} rw - cgroup2 cgroup2 rw\n")
    for folder, limit, used, quota in [("slurm", 1000, 800, "100000"), ("slurm/job_7", 500, 100, "400000")]:
        write(f"fs/{folder}/memory.max", f"{limit}\n")
        write(f"fs/{folder}/memory.current", f"{used}\n")
        write(f"fs/{folder}/cpu.max", f"{quota} 100000\n")
    assert memory_left() == 200
    assert cores_allowed() == 1


@pytest.mark.parametrize(("version", "file"), [(1, "memory/memory.oom_control"), (2, "memory.events")])
def test_the_kernel_s_kills_are_those_of_the_machine_and_of_our_group(write, tmp_path, version, file):
    kind = "cgroup cgroup rw,memory" if version == 1 else "cgroup2 cgroup2 rw"
    folder = tmp_path / "fs" / ("memory" if version == 1 else "")
    write("proc/self/cgroup", "5:memory:/\n" if version == 1 else "0::/\n")
    write("proc/self/mountinfo", f"30 25 0:1 / {folder} rw - {kind}\n")
    assert oom_kill_count() == 0
    write(f"fs/{file}", "oom 2\noom_kill 3\noom_group_kill 0\n")
    assert oom_kill_count() == 3
    write("proc/vmstat", "nr_free_pages 7\noom_kill 4\n")
    assert oom_kill_count() == 7


def test_where_nothing_is_told_nothing_is_limited(write):
    assert (memory_left(), cores_allowed(), oom_kill_count()) == (None, None, 0)
    write("proc/self/cgroup", "0::/\n")  # version 2, mounted nowhere
    write("proc/self/mountinfo", "22 1 8:1 / / rw,relatime - ext4 /dev/root rw\n")
    assert (memory_left(), cores_allowed(), oom_kill_count()) == (None, None, 0)
