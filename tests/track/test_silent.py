from __future__ import annotations

from pathlib import Path

from nertune.track.projector import Projector, open_tracker
from nertune.track.silent import Silent


def test_a_study_without_an_aim_folder_is_tracked_silently(tmp_path: Path) -> None:
    tracker = open_tracker(None, storage=str(tmp_path / "nertune.db"), study="tiny", log=tmp_path / "aim.log")
    tracker.start()
    tracker.check()
    assert isinstance(tracker, Silent)
    assert tracker.finish() is True
    assert list(tmp_path.iterdir()) == []


def test_a_study_with_an_aim_folder_gets_a_projector(tmp_path: Path) -> None:
    assert isinstance(open_tracker(tmp_path, storage="nertune.db", study="tiny", log=tmp_path / "aim.log"), Projector)
