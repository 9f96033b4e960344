"""What the control groups of this process allow: the limits of a container, or of a job under Slurm or systemd.

Linux has two versions of them, often side by side (https://docs.kernel.org/admin-guide/cgroup-v2.html and
cgroup-v1/). A limit counts for all groups below, and is told in the folder of its own group alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

PROC = Path("/proc")


@dataclass(frozen=True)
class Names:
    """How one version calls its files, and in `memory.stat` the cached files that make room when asked."""

    memory_limit: str
    memory_used: str
    cached: str
    oom_kills: str


VERSION_1 = Names("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file", "memory.oom_control")
VERSION_2 = Names("memory.max", "memory.current", "inactive_file", "memory.events")


def memory_left() -> int | None:
    """Bytes until the tightest limit, cached files not counted; None without a limit."""
    left = [
        limit - used + _counts(folder / "memory.stat").get(names.cached, 0)
        for folder, names in groups_of("memory")
        if (limit := _number(folder / names.memory_limit)) is not None
        and (used := _number(folder / names.memory_used)) is not None
    ]
    return min(left, default=None)


def cores_allowed() -> int | None:
    """Cores of the tightest quota, at least 1; None without a quota."""
    quotas = [cores for folder, names in groups_of("cpu") if (cores := _cores(folder, names)) is not None]
    return max(1, int(min(quotas))) if quotas else None


def oom_kill_count() -> int:
    """How often the kernel has killed for memory, in this machine and in our own group; 0 where it does not say."""
    ours = next((_counts(folder / names.oom_kills) for folder, names in groups_of("memory")), {})
    return _counts(PROC / "vmstat").get("oom_kill", 0) + ours.get("oom_kill", 0)


@cache  # asked at every job; no process is moved amid a search
def groups_of(controller: str) -> tuple[tuple[Path, Names], ...]:
    """The folder of our group that has this controller, and of all that it lies in as far as they are shown to us."""
    own = dict(_own_groups())
    names, of = (VERSION_1, controller) if controller in own else (VERSION_2, "")
    found = []
    for root, shown_at in _mounts(of) if of in own else ():
        folder = shown_at / own[of].relative_to(root) if own[of].is_relative_to(root) else shown_at
        found += [(each, names) for each in (folder, *folder.parents) if each.is_relative_to(shown_at)]
    return tuple(found)


def _own_groups() -> Iterator[tuple[str, Path]]:
    """Our group for every controller of version 1, and for "", which is all of version 2."""
    for line in _lines(PROC / "self/cgroup"):
        _, controllers, path = line.split(":", 2)
        yield from ((controller, Path(path)) for controller in controllers.split(","))


def _mounts(controller: str) -> Iterator[tuple[Path, Path]]:
    """Which group is shown in which folder; "" is version 2. In a container it is often the container's own group."""
    for line in _lines(PROC / "self/mountinfo"):
        place, _, kind = line.partition(" - ")
        root, folder = place.split()[3:5]
        system, *_, options = kind.split()
        shown = {"cgroup": options.split(","), "cgroup2": [""]}.get(system, [])
        if controller in shown:
            yield Path(root), Path(folder)


def _cores(folder: Path, names: Names) -> float | None:
    if names is VERSION_2:
        quota, _, period = "".join(_lines(folder / "cpu.max")).partition(" ")
        return int(quota) / int(period) if quota.isdigit() and period.isdigit() else None
    micros, every = _number(folder / "cpu.cfs_quota_us"), _number(folder / "cpu.cfs_period_us")
    return micros / every if micros and every else None


def _number(file: Path) -> int | None:
    """The number that is the whole file; None for a missing file, "max" and -1."""
    text = "".join(_lines(file))
    return int(text) if text.isdigit() else None


def _counts(file: Path) -> dict[str, int]:
    words = " ".join(_lines(file)).split()
    return {name: int(count) for name, count in zip(words[::2], words[1::2], strict=False) if count.isdigit()}


def _lines(file: Path) -> list[str]:
    try:
        return file.read_text(encoding="utf-8").splitlines()
    except OSError:
        return []
