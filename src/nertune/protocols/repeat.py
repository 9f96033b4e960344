"""Repeat: fits that differ by their seed, on the same train and dev."""

from __future__ import annotations

from nertune.protocols.planned import PlannedFit
from nertune.spec.study import ProtocolSpec


def plan_repeats(spec: ProtocolSpec, seed: int) -> tuple[PlannedFit, ...]:
    """Fits with the seeds `seed`, `seed` + 1, …"""
    assert spec.repeat is not None
    return tuple(PlannedFit(seed + place, number=place + 1, kind="repeat") for place in range(spec.repeat))
