"""How one point earns one number: the fits that it takes, and what their scores come to."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from nertune.protocols.holdout import plan_holdout
from nertune.protocols.kfold import plan_folds
from nertune.protocols.planned import PlannedFit
from nertune.protocols.repeat import plan_repeats
from nertune.spec.study import ProtocolSpec

PlanFits = Callable[[ProtocolSpec, int], tuple[PlannedFit, ...]]  # of the fits of a point, from the search's seed

PROTOCOLS: Mapping[str, PlanFits] = {"holdout": plan_holdout, "repeat": plan_repeats, "kfold": plan_folds}


def protocol_name(spec: ProtocolSpec) -> str:
    """The member of PROTOCOLS that the study names."""
    return next((name for name in ("repeat", "kfold") if getattr(spec, name) is not None), "holdout")


def plan_fits(spec: ProtocolSpec, *, seed: int) -> tuple[PlannedFit, ...]:
    """The fits of a point in the order in which they run; the same for every point."""
    return PROTOCOLS[protocol_name(spec)](spec, seed)
