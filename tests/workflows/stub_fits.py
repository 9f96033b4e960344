"""Jobs of milliseconds in place of fits: the study's course without torch. The score is a function of the point."""

from __future__ import annotations

import json
import math
import os
import signal
import stat
import time
from pathlib import Path
from typing import Any

HANGS_EARLY = 0.13  # the weight decay of a study that hangs while it is prepared


def run_job(job: dict[str, Any], line: Any, place: Any) -> dict[str, Any]:
    return JOBS[job["kind"]](job, line)


def look(job: dict[str, Any], line: Any) -> dict[str, Any]:
    return {
        "model_type": "stub",
        "n_parameters": 10,
        "n_learning": 10,
        "tokenizer": "Stub",
        "n_pieces": 9,
        "max_pieces": 8,
        "n_labels": 3,
    }


def prepare(job: dict[str, Any], line: Any) -> dict[str, Any]:
    if job["spec"]["train"]["weight_decay"] == HANGS_EARLY:
        hang(job)
    return {
        "model_type": "stub",
        "precision": job["precision"] or "fp32",
        "step_seconds": {"fp32": 0.001},
        "pieces_per_window": 10.0,
        "counts": {},
        "windows": dict.fromkeys(job["splits"], 100),
        "pieces": dict.fromkeys(job["splits"], 1000),
        "versions": {},
    }


def measure(job: dict[str, Any], line: Any) -> dict[str, Any]:
    """What a piece takes when an epoch of 1,000 takes STUB_TIMED_SECONDS."""
    seconds = float(os.environ.get("STUB_TIMED_SECONDS", "0.002")) / 1000  # ValueError where it is no number
    return {
        "learning": [seconds],
        "updating": [0.0],
        "scoring": 0.0,
        "full": 0.0,
        "freezing": 0.0,
        "frozen": 0,
        "cache_bytes": 0,
        "setup": 0.0,
    }


def trial(job: dict[str, Any], line: Any) -> dict[str, Any]:
    train = job["spec"]["train"]
    _misbehave(job, train)
    protocol = job["spec"]["protocol"]
    if job["pause_after"] is not None:
        return _pause(job, line, train)
    n_fits = protocol["kfold"] or protocol["repeat"]
    if n_fits is None:
        return _outcome({"dev": _fit(line, train, split="dev")})
    splits = [f"dev_{number}" for number in range(1, n_fits + 1)]
    fits = {split: _fit(line, train, split=split) + number / 1000 for number, split in enumerate(splits)}
    mean = sum(fits.values()) / n_fits
    line.ask({"step": 2 * n_fits, "epoch": 2.0 * n_fits, "split": "dev", "values": {"f1": mean, "loss": 1.0}})
    return _outcome({"dev": mean, **fits})


def _fit(line: Any, train: dict[str, Any], *, split: str) -> float:
    for epoch in range(1, train["epochs"] + 1 if os.environ.get("STUB_EPOCHS") else 3):
        time.sleep(float(os.environ.get("STUB_SECONDS", "0.002")))
        values = {"f1": score(train, epoch), "loss": 1.0}
        line.ask({"step": epoch, "epoch": float(epoch), "split": split, "values": values})
    return score(train, 2)


def _pause(job: dict[str, Any], line: Any, train: dict[str, Any]) -> dict[str, Any]:
    """A fit of 18 steps until its pause. It goes on where the last attempt wrote that it was."""
    file = Path(job["folder"]) / "checkpoint" / "fit.pt"
    file.parent.mkdir()
    last = round(18 * job["pause_after"])
    for step in range(_steps_done(job) + 1, last + 1):
        time.sleep(float(os.environ.get("STUB_SECONDS", "0.002")) / 9)
        file.write_text(str(step))
    f1 = score(train, 1) + last / 1e6
    line.ask({"step": last, "epoch": last / 9, "split": "dev", "values": {"f1": f1, "loss": 1.0}})
    return {**_outcome({"dev": f1}), "paused": True}


def _steps_done(job: dict[str, Any]) -> int:
    file = Path(job["resume"] or "") / "fit.pt"
    return int(file.read_text()) if job["resume"] and file.exists() else 0


def _outcome(f1: dict[str, float]) -> dict[str, Any]:
    scores = {split: {"overall": {"f1": value, "loss": 1.0}, "labels": {}} for split, value in f1.items()}
    return {"best_epoch": 2.0, "best_step": 2, "scores": scores}


def score(train: dict[str, Any], epoch: int) -> float:
    """Best near a learning rate of 1e-4, better with a larger batch, a little better in the second epoch."""
    distance = abs(math.log10(train["learning_rate"]) + 4)
    return round(1 / (1 + distance) + train["batch_size"] / 10_000 + epoch / 100_000, 9)


def _misbehave(job: dict[str, Any], train: dict[str, Any]) -> None:
    """Faults named by the weight decay, each once per file in STUB_FAULTS, so that a second try goes well."""
    fault = FAULTS.get(train["weight_decay"])
    if fault is None:
        return
    mark = Path(os.environ["STUB_FAULTS"]) / f"{job['id'].split('.')[0]}-{fault.__name__}"
    if fault in LASTING or not mark.exists():
        mark.touch()
        fault(job)


class NotFiniteError(Exception):
    fault_kind = "nan"


def nan(job: dict[str, Any]) -> None:
    raise NotFiniteError("loss is not finite at step 3 (loss: 0.7 before)")


def out_of_memory(job: dict[str, Any]) -> None:
    """An allocation that fails, of more than 8 examples at once."""
    if job["device_batch_size"] > 8:
        bytearray(2**62)


def take_all_memory(job: dict[str, Any]) -> None:
    """2 GB that are written to, for more than 8 examples at once."""
    if job["device_batch_size"] > 8:
        bytearray(b"x") * 2**31


def die(job: dict[str, Any]) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def hang(job: dict[str, Any]) -> None:
    time.sleep(600)


def hang_in_reading(job: dict[str, Any]) -> None:
    """Wait within the kernel for a file's content, as on a network disk that is gone."""
    file = Path(job["folder"]) / "data"
    os.mkfifo(file)
    file.read_bytes()


def stop(job: dict[str, Any]) -> None:
    os.kill(os.getpid(), signal.SIGSTOP)


def stop_in_outcome(job: dict[str, Any]) -> None:
    """Half of a good outcome, then this process stands still; should it ever go on, so does the outcome."""
    outcome = {"type": "done", "job": job["id"], "payload": _outcome({"dev": 1.0})}
    line = json.dumps(outcome).encode() + b"\n"
    socket = next(fd for fd in range(3, 64) if _is_socket(fd))
    os.write(socket, line[:40])
    os.kill(os.getpid(), signal.SIGSTOP)
    os.write(socket, line[40:])


def bug(job: dict[str, Any]) -> None:
    raise KeyError("a name that is not there")


def disk_full(job: dict[str, Any]) -> None:
    raise OSError(28, "No space left on device")


def write_much(job: dict[str, Any]) -> None:
    """Weights of 1 MB into the attempt's folder."""
    (Path(job["folder"]) / "model.safetensors").write_bytes(bytes(1_000_000))


def take_long(job: dict[str, Any]) -> None:
    time.sleep(5)


def _is_socket(fd: int) -> bool:
    try:
        return stat.S_ISSOCK(os.fstat(fd).st_mode)
    except OSError:
        return False


FAULTS = {
    0.01: nan,
    0.02: out_of_memory,
    0.03: die,
    0.04: hang,
    0.05: bug,
    0.06: disk_full,
    0.07: take_long,
    0.08: stop,
    0.09: stop_in_outcome,
    0.11: hang_in_reading,
    0.12: write_much,
    0.14: take_all_memory,
}
LASTING = (nan, out_of_memory, bug, take_long, write_much, take_all_memory)
JOBS = {"look": look, "prepare": prepare, "measure": measure, "trial": trial}
