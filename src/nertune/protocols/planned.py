"""One of the fits that earn a point its number."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class PlannedFit:
    """One fit of a point.

    seed    of the fit
    number  from 1, in the order in which the fits run; None for the only one
    kind    what the fits are: "fold" or "repeat"; "" for the only one
    fold    number (from 0) of the fold that is dev; None: dev is the study's own
    """

    seed: int
    number: int | None = None
    kind: str = ""
    fold: int | None = None

    @property
    def name(self) -> str:
        """Of its folder and in messages: `fold-2`."""
        return f"{self.kind}-{self.number}" if self.number is not None else ""

    def to_json(self) -> dict[str, Any]:
        return asdict(self)
