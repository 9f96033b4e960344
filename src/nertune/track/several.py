"""Several trackers as one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nertune.track.projector import Tracker


class Several:
    """Each is told by itself; what befalls one does not touch the others."""

    def __init__(self, trackers: Sequence[Tracker]) -> None:
        self._trackers = tuple(trackers)

    @property
    def trouble(self) -> str | None:
        return "\n".join(tracker.trouble for tracker in self._trackers if tracker.trouble) or None

    def start(self) -> None:
        for tracker in self._trackers:
            tracker.start()

    def check(self) -> None:
        for tracker in self._trackers:
            tracker.check()

    def finish(self, *, timeout_s: float | None = None) -> bool:
        are_told = [tracker.finish(timeout_s=timeout_s) for tracker in self._trackers]  # each, whatever the others say
        return all(are_told)
