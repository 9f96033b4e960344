"""Jobs that sleep in place of fits, and note when: what is left of a search's time is the search's own.

A line of the file TIMED_JOBS for each job: when it began and ended, and how long it slept meanwhile (JSON, seconds of
the monotonic clock, which all processes share).
"""

from __future__ import annotations

import json
import math
import os
import time
from typing import Any

EPOCHS = 4
SLEEP_S = 0.005  # of an epoch: short, so that hardly anything is done behind a fit's back


def run_job(job: dict[str, Any], line: Any, place: Any) -> dict[str, Any]:
    del place
    return JOBS[job["kind"]](job, line)


def look(job: dict[str, Any], line: Any) -> dict[str, Any]:
    del job, line
    sizes = {"n_parameters": 10, "n_learning": 10, "n_pieces": 9, "max_pieces": 8, "n_labels": 3}
    return {"model_type": "sleeping", "tokenizer": "Sleeping", **sizes}


def prepare(job: dict[str, Any], line: Any) -> dict[str, Any]:
    del line
    return {
        "model_type": "sleeping",
        "precision": "fp32",
        "step_seconds": {"fp32": SLEEP_S},
        "counts": {},
        "windows": dict.fromkeys(job["splits"], 10),
        "pieces": dict.fromkeys(job["splits"], 100),
        "pieces_per_window": 10.0,
        "versions": {},
    }


def trial(job: dict[str, Any], line: Any) -> dict[str, Any]:
    began, slept_s = time.monotonic(), 0.0
    scores = {"f1": 1 / (1 + abs(math.log10(job["spec"]["train"]["learning_rate"]))), "loss": 1.0}
    for epoch in range(1, EPOCHS + 1):
        fell_asleep = time.monotonic()
        time.sleep(SLEEP_S)
        slept_s += time.monotonic() - fell_asleep
        line.ask({"step": epoch, "epoch": float(epoch), "split": "dev", "values": scores})
    told = {"began": began, "ended": time.monotonic(), "slept_s": slept_s}
    with open(os.environ["TIMED_JOBS"], "a", encoding="utf-8") as stream:  # noqa: PTH123
        stream.write(json.dumps(told) + "\n")
    return {
        "best_epoch": float(EPOCHS),
        "best_step": EPOCHS,
        "scores": {"dev": {"overall": scores, "labels": {}}},
    }


JOBS = {"look": look, "prepare": prepare, "trial": trial}
