"""Real disks that are full or read-only, under each thing that a search writes."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from small_disk import SmallDisk
from stub_study import PROGRAM, StubStudy, wait_for

Make = Callable[..., StubStudy]
SPACE = "{train.learning_rate: [1e-3, 1e-4, 1e-5, 1e-6]}"
WRITES_MUCH = "{train.weight_decay: [0.0, 0.12, 0.5]}"  # the second cell does
OWN_RECORD = "storage: record/nertune.db"
DONE = ("complete", "1")


def refuse_many_words(told: str, *, names: Path) -> None:
    """One message, which says where there is no room and what to do, and how to go on."""
    assert re.search(rf"^\S*{names}\S*: .*(full|No space left|I/O error)", told, re.MULTILINE), told
    assert told.count("Make room and give the same command again") == 1
    assert "Continue with: nertune search" in told
    assert "Traceback" not in told


def test_a_full_disk_under_the_weights_ends_with_75_and_goes_on_with_room(stub_study: Make) -> None:
    study = stub_study(space=WRITES_MUCH)
    with SmallDisk(study.output / "work", size="500k") as disk:
        told = study.finish(inside=disk.inside)
        assert told.returncode == 75
        refuse_many_words(told.stderr, names=Path("runs/s"))
        disk.enlarge("5m")
        assert study.finish(inside=disk.inside).returncode == 0
    assert study.trials("state", "attempts") == [DONE, ("complete", "2"), DONE]


@pytest.mark.slow
def test_a_full_disk_under_the_record_ends_with_75_and_goes_on_with_room(stub_study: Make) -> None:
    study = stub_study(space=SPACE, more=OWN_RECORD)
    with SmallDisk(study.folder / "record", size="5m") as disk:
        process = study.start(seconds=0.6, inside=disk.inside)
        wait_for((study.output / "trials.csv").exists)
        disk.fill()
        _, told = process.communicate(timeout=60)
        assert process.returncode == 75
        refuse_many_words(told, names=Path("record/nertune.db"))
        disk.make_room()
        assert study.finish(inside=disk.inside).returncode == 0
    assert study.trials("state") == [("complete",)] * 4


@pytest.mark.slow
def test_a_record_that_finds_no_room_at_its_birth_is_made_when_there_is_some(stub_study: Make) -> None:
    study = stub_study(space=SPACE, more=OWN_RECORD)
    with SmallDisk(study.folder / "record", size="16k") as disk:
        told = study.finish(inside=disk.inside)
        assert told.returncode == 75
        refuse_many_words(told.stderr, names=Path("record/nertune.db"))
        disk.enlarge("3m")
        assert study.finish(inside=disk.inside).returncode == 0
    assert study.trials("state", "attempts") == [DONE] * 4


@pytest.mark.slow
def test_a_full_disk_under_the_results_ends_with_75_and_goes_on_with_room(stub_study: Make) -> None:
    study = stub_study(space=SPACE)
    with SmallDisk(study.output, size="3m") as disk:
        process = study.start(seconds=0.6, inside=disk.inside)
        wait_for(lambda: study.n_complete() >= 1)
        disk.fill()
        _, told = process.communicate(timeout=60)
        assert process.returncode == 75
        refuse_many_words(told, names=Path("runs/s"))
        disk.make_room()
        assert study.finish(inside=disk.inside).returncode == 0
        assert (disk.seen / "trials.csv").read_text().count(",complete,") == 4


@pytest.mark.parametrize(("folder", "named"), [("runs/s", "--set output=FOLDER"), ("record", "--set storage=PATH")])
def test_a_read_only_disk_is_told_before_anything_starts(stub_study: Make, folder: str, named: str) -> None:
    study = stub_study(more=OWN_RECORD)
    with SmallDisk(study.folder / folder, size="500k") as disk:
        disk.make_read_only()
        told = study.finish(inside=disk.inside)
    assert told.returncode == 2
    assert "Read-only file system" in told.stderr
    assert named in told.stderr


@pytest.mark.parametrize(
    ("disk_is", "code", "told"), [("full", 75, "the disk is full"), ("read-only", 2, "Read-only file system")]
)
def test_a_report_that_cannot_be_written_is_told(stub_study: Make, disk_is: str, code: int, told: str) -> None:
    study = stub_study()
    study.finish()
    with SmallDisk(study.output, size="500k") as disk:
        disk.fill() if disk_is == "full" else disk.make_read_only()
        words = [*disk.inside, sys.executable, str(PROGRAM), "report", str(study.path)]
        found = subprocess.run(words, capture_output=True, text=True, check=False)
    assert (found.returncode, "Traceback" in found.stderr, told in found.stderr) == (code, False, True)
