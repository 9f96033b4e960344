"""`--device`: where a saved model computes, or one fit does."""

from __future__ import annotations

import re

from nertune.errors import UserError, closest
from nertune.execute.plan import find_gpus

AUTO, CPU, CUDA = "auto", "cpu", "cuda"
NUMBERED = re.compile(r"cuda:\d+")


def find_device(wanted: str) -> str:
    """`cpu`, or `cuda:0` and the like: what was asked for, or for `auto` a GPU where there is one.

    Raises  UserError for a name that is none, and for a GPU that is not there
    """
    if wanted not in (AUTO, CPU, CUDA) and not NUMBERED.fullmatch(wanted):
        near = closest(wanted, (AUTO, CPU, CUDA)) or AUTO
        raise UserError(f"--device {wanted} is none of cpu, cuda, cuda:1 and auto", fix=f"--device {near}")
    if wanted == CPU:
        return CPU
    gpus = find_gpus()
    if wanted == AUTO:
        return gpus[0] if gpus else CPU
    if not gpus or (wanted != CUDA and wanted not in gpus):
        there = ", ".join(gpus) or "no CUDA device that torch can use"
        raise UserError(f"--device {wanted}, but there is {there} here", fix="--device auto   takes what there is")
    return gpus[0] if wanted == CUDA else wanted
