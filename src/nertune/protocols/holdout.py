"""Holdout: one fit on train, scored on dev."""

from __future__ import annotations

from nertune.protocols.planned import PlannedFit
from nertune.spec.study import ProtocolSpec


def plan_holdout(spec: ProtocolSpec, seed: int) -> tuple[PlannedFit, ...]:  # noqa: ARG001  # there is nothing to choose
    """The one fit."""
    return (PlannedFit(seed),)
