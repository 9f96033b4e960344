"""The tracker that tells nobody (`track.aim: null`)."""

from __future__ import annotations


class Silent:
    """Nobody is told; nothing can go wrong."""

    trouble: str | None = None

    def start(self) -> None:
        return

    def check(self) -> None:
        return

    def finish(self, *, timeout_s: float | None = None) -> bool:  # noqa: ARG002 -- the tracker's interface
        return True
