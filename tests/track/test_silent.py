from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from nertune.results.layout import StudyFolder
from nertune.spec.study import TrackSpec
from nertune.track.projector import Projector, Tracker, open_tracker
from nertune.track.several import Several
from nertune.track.silent import Silent


def tracker_of(folder: Path, **track: Any) -> Tracker:
    return open_tracker(TrackSpec(**track), storage=str(folder / "n.db"), study="tiny", folder=StudyFolder(folder))


def test_a_study_that_tells_nobody_is_tracked_silently(tmp_path: Path) -> None:
    tracker = tracker_of(tmp_path, aim=None)
    tracker.start()
    tracker.check()
    assert isinstance(tracker, Silent)
    assert tracker.finish() is True
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("track", "kind"),
    [
        ({"aim": "logs"}, Projector),
        ({"aim": None, "wandb": "project"}, Projector),
        ({"aim": "logs", "wandb": "project"}, Several),
    ],
)
def test_each_that_is_named_is_told(tmp_path: Path, track: dict[str, Any], kind: type) -> None:
    assert isinstance(tracker_of(tmp_path, **track), kind)


def test_wandb_that_the_user_has_switched_off_is_not_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_MODE", "disabled")
    assert isinstance(tracker_of(tmp_path, aim=None, wandb="project"), Silent)


class Failing(Silent):
    """One that cannot tell everything."""

    def __init__(self, trouble: str) -> None:
        self.trouble = trouble
        self.is_finished = False

    def finish(self, *, timeout_s: float | None = None) -> bool:
        self.is_finished = True
        return False


def test_of_several_each_is_finished_and_every_trouble_told() -> None:
    first, second = Failing("no room"), Failing("no network")
    both = Several([first, Silent(), second])
    assert both.finish() is False
    assert (first.is_finished, second.is_finished) == (True, True)
    assert both.trouble == "no room\nno network"
    assert Several([Silent()]).trouble is None
