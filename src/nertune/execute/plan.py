"""How many jobs run at a time, on what, with how many threads."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import psutil

from nertune.errors import StudyFileError
from nertune.execute.executor import Slot
from nertune.execute.groups import cores_allowed, memory_left
from nertune.spec.study import ExecuteSpec

WORKER_BASE = 0.7 * 2**30  # bytes: torch, transformers and the encoded data, of which forks share most
BYTES_PER_PARAMETER = 24  # fp32 weights, gradients, two moments of AdamW, the best epoch's copy, the base's tensors
ACTIVATIONS = 1.5 * 2**30  # bytes: a batch of 32 long sentences through a base-sized encoder
UNKNOWN_PARAMETERS = 125_000_000  # of a hub model that was not looked at yet: about BERT base


@dataclass(frozen=True)
class Plan:
    """Slots, and why there are so many."""

    slots: tuple[Slot, ...]
    reason: str


def plan_slots(
    execute: ExecuteSpec, *, base: str, n_jobs: int, threads: int | None, workers: int | None = None
) -> Plan:
    """The slots of this call.

    base     the model's folder or hub id, whose size decides how many fit in memory
    n_jobs   more slots than jobs would idle
    threads  threads of a slot, if the study's record has fixed them already
    workers  `--workers`, before the study file
    Raises   StudyFileError for a device that is not there
    """
    wanted = workers or (None if execute.workers == "auto" else execute.workers)
    gpus = _gpus(execute)
    if gpus:
        count = min(wanted or len(gpus), max(n_jobs, 1))
        fixed = threads or _threads(execute, count)
        slots = tuple(Slot(index, gpus[index % len(gpus)], fixed) for index in range(count))
        return Plan(slots, f"{len(gpus)} GPU{'s' * (len(gpus) > 1)}")
    cores = usable_cores()
    if execute.kind == "inline":
        return Plan((Slot(0, "cpu", threads or (_fixed_threads(execute) or cores)),), "inline: in this process")
    fixed_threads = threads or _fixed_threads(execute)
    by_cores = max(1, cores // (fixed_threads or 1))
    by_memory = max(1, int(available_memory() // worker_memory(base)))
    count = min(wanted or by_memory, by_cores, max(n_jobs, 1))
    per_slot = fixed_threads or max(1, cores // count)
    reason = _cpu_reason(count, cores=cores, wanted=wanted, by_cores=by_cores, by_memory=by_memory)
    return Plan(tuple(Slot(index, "cpu", per_slot) for index in range(count)), reason)


def _cpu_reason(count: int, *, cores: int, wanted: int | None, by_cores: int, by_memory: int) -> str:
    there = f"{cores} core{'s' * (cores > 1)}"
    if wanted is not None:
        return f"{there}; {wanted} asked for" if by_cores == count < wanted else "as asked"
    return f"memory for {by_memory} at a time" if by_memory < by_cores and count == by_memory else there


def worker_memory(base: str) -> float:
    """Bytes that one fit of this model needs, roughly, from the size of its weights on disk."""
    parameters = _stored_parameters(Path(base)) or UNKNOWN_PARAMETERS
    return WORKER_BASE + parameters * BYTES_PER_PARAMETER + ACTIVATIONS * min(1.0, parameters / UNKNOWN_PARAMETERS)


def available_memory() -> int:
    """Bytes that can be had now, under the limit of the control groups where there is one."""
    available = int(psutil.virtual_memory().available)
    left = memory_left()
    return available if left is None else min(available, left)


def usable_cores() -> int:
    """Cores that this process may use, under the quota of the control groups where there is one."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(cores, cores_allowed() or cores)


def _threads(execute: ExecuteSpec, slots: int) -> int:
    return _fixed_threads(execute) or max(1, usable_cores() // slots)


def _fixed_threads(execute: ExecuteSpec) -> int | None:
    return None if execute.threads == "auto" else execute.threads


def _stored_parameters(folder: Path) -> int | None:
    files = [*folder.glob("*.safetensors")] or [*folder.glob("pytorch_model*.bin")] if folder.is_dir() else []
    return sum(file.stat().st_size for file in files) // 4 or None


def _gpus(execute: ExecuteSpec) -> list[str]:
    """The GPUs to use; none means CPU."""
    if execute.devices == "cpu":
        return []
    found = find_gpus()
    if execute.devices == "auto":
        return found
    wanted = found[:] if execute.devices == "cuda" else [device for device in execute.devices if device != "cpu"]
    missing = [device for device in wanted if device not in found]
    if missing or (execute.devices == "cuda" and not found):
        there = ", ".join(found) or "no CUDA device"
        raise StudyFileError(
            f"execute.devices names {', '.join(missing) or 'cuda'}, but there is {there} here",
            fix="--set execute.devices=auto   takes what there is",
        )
    return wanted


def find_gpus() -> list[str]:
    """The CUDA devices that torch can use, `cuda:0` and on, seen without importing it."""
    return [f"cuda:{number}" for number in range(_count_gpus())] if _torch_has_cuda() else []


def _torch_has_cuda() -> bool:
    """Whether the installed torch is a CUDA build, read from its version file: importing it takes seconds."""
    spec = importlib.util.find_spec("torch")
    locations = spec.submodule_search_locations if spec else None
    if not locations:
        return False
    version = Path(next(iter(locations))) / "version.py"
    return re.search(r"^cuda\b[^=]*= *['\"]", version.read_text(), flags=re.MULTILINE) is not None


def _count_gpus() -> int:
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        return len([part for part in visible.split(",") if part.strip() not in ("", "-1")])
    command = shutil.which("nvidia-smi")
    if command is None:
        return 0
    told = subprocess.run([command, "--list-gpus"], capture_output=True, text=True, check=False)
    return told.stdout.count("GPU ") if told.returncode == 0 else 0
