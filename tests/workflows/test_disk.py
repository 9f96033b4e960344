"""Room on disk is looked at, and said, before the first fit."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from stub_study import HERE, Heard, StubStudy

from nertune.errors import StoppedError
from nertune.execute.executor import JobCode
from nertune.results.outcomes import SearchOutcome
from nertune.spec.study import StudySpec
from nertune.train.frozen import LEFT_FREE as LEFT_FREE_BY_FITS
from nertune.workflows import disk, opening
from nertune.workflows.costs import Costs, Timing
from nertune.workflows.disk import LEFT_FREE, RECORD, Need, check_room, final_needs, room_text, search_needs

Make = Callable[..., StubStudy]
Run = Callable[..., SearchOutcome]
MIB, GIB = 2**20, 2**30
MODEL = {"n_parameters": 1_000_000, "n_learning": 600_000, "n_pieces": 1000}


@pytest.fixture
def free(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Make the disk have so many bytes free."""

    def have(n_bytes: float) -> None:
        monkeypatch.setattr(shutil, "disk_usage", lambda _folder: SimpleNamespace(free=int(n_bytes)))

    return have


def study(folder: Path, **sections: Any) -> StudySpec:
    parts = {"name": "s", "task": "token", "data": {"dir": "d"}, "model": {"base": "b"}, "output": folder / "runs"}
    return StudySpec.model_validate({**parts, "storage": str(folder / "nertune.db"), **sections})


def costs(spec: StudySpec, *, cache_bytes: float = 0.0) -> Costs:
    timing = Timing({}, [0.0], [0.0], 0.0, 0.0, frozen=int(cache_bytes > 0), cache_bytes=cache_bytes)
    return Costs(spec, timings=[timing], windows={"train": 10, "dev": 10}, pieces={"train": 1000, "dev": 1000})


def needs_of(spec: StudySpec, expected: Costs, *, n_paused: int = 0) -> list[Need]:
    return search_needs(spec, expected, model=MODEL, n_paused=n_paused)


def needed(needs: list[Need], what: str) -> float:
    return sum(need.n_bytes for need in needs if need.what == what)


def test_a_search_is_refused_before_its_first_fit_and_runs_when_there_is_room(
    stub_study: Make, run_search: Run, free: Callable[[float], None]
) -> None:
    mine, heard = stub_study(), Heard()
    free(3 * MIB)
    with pytest.raises(StoppedError, match=r"runs/s: .*needs about 4 MiB in .*3 MiB is free\n +Make room and") as told:
        run_search(mine, progress=heard)
    assert told.value.exit_code == 75
    assert heard.outcomes == []
    free(12 * GIB)
    assert run_search(mine, progress=heard).finished
    (said,) = (line for line in heard.said if "needs" in line)
    assert said.endswith("runs/s, 12.0 GiB free")


def test_check_says_what_is_needed_and_warns_where_there_is_less(
    stub_study: Make,
    nertune: Callable[..., tuple[int, str, str]],
    free: Callable[[float], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(opening, "JOB_CODE", JobCode(function="stub_fits:run_job", extra_path=(str(HERE),)))
    monkeypatch.setattr(opening, "modelling_code", lambda base: ())
    mine = stub_study()
    (mine.folder / "data" / "test.txt").write_text("Dora\tB-Person\n")
    free(12 * GIB)
    assert "12.0 GiB free" in next(line for line in nertune("check", mine.path)[1].splitlines() if "Disk" in line)
    free(MIB)
    code, out, _ = nertune("check", mine.path, "--json")
    told = json.loads(out)
    assert code == 0
    assert any("the disk is too full" in warning for warning in told["warnings"])
    assert sum(need["bytes"] for need in told["disk"]) == told["disk_bytes"]
    assert {need["what"] for need in told["disk"]} >= {"weights", "predictions", "the record"}


@pytest.mark.parametrize(
    ("sections", "n_models"),
    [
        ({}, 2),
        ({"final": {"seeds": [1, 2], "candidates": 3}}, 8),
        ({"final": {"seeds": [1, 2], "sizes": [10, 50]}}, 2),
        ({"protocol": {"kfold": 5}}, 2),
        ({"protocol": {"kfold": 5}, "final": {"seeds": [1, 2], "candidates": 3}}, 2),
        ({"protocol": {"kfold": 5, "final": "average"}}, 10),
    ],
)
def test_every_model_that_is_on_disk_at_a_time_is_counted(tmp_path: Path, sections: Any, n_models: int) -> None:
    spec = study(tmp_path, **{"final": {"seeds": [1, 2]}, **sections})
    assert needed(final_needs(spec, costs(spec), model=MODEL), "weights") == n_models * 4_000_000


def test_checkpoints_of_trials_that_pause_are_counted_by_what_learns(tmp_path: Path) -> None:
    """Weights, two moments of each, and the best weights so far."""
    spec = study(tmp_path)
    assert needed(needs_of(spec, costs(spec)), "trials that pause") == 0
    assert needed(needs_of(spec, costs(spec), n_paused=5), "trials that pause") == 5 * 4 * 4 * 600_000


@pytest.fixture
def frozen(tmp_path: Path) -> Callable[..., float]:
    """Bytes that a search needs for what its frozen layers give: 200 MiB, if nothing is in the way."""

    def find(**execute: Any) -> float:
        spec = study(tmp_path, execute=execute)
        return needed(needs_of(spec, costs(spec, cache_bytes=200 * MIB / 2000)), "frozen layers")

    return find


def test_what_frozen_layers_give_is_counted_as_far_as_it_will_be_written(
    tmp_path: Path, frozen: Callable[..., float], free: Callable[[float], None]
) -> None:
    free(50 * GIB)
    assert frozen() == 200 * MIB
    assert frozen(frozen_cache=0.1) == pytest.approx(0.1 * GIB)
    assert frozen(frozen_cache=0) == 0
    (tmp_path / "runs" / "work" / "encoded" / "train-1").mkdir(parents=True)
    (tmp_path / "runs" / "work" / "encoded" / "train-1" / "states-1").write_bytes(bytes(MIB))
    assert frozen() == 199 * MIB
    free(GIB + 50 * MIB)  # a search that has no room for it runs all the same
    assert frozen() == 50 * MIB - 2 * RECORD
    assert LEFT_FREE == LEFT_FREE_BY_FITS


def test_each_file_system_is_looked_at_by_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free: Callable[[float], None]
) -> None:
    needs = [Need("weights", 300 * MIB, tmp_path / "a"), Need("the record", 20 * MIB, tmp_path / "b")]
    free(310 * MIB)
    with pytest.raises(StoppedError, match=r"needs about 0\.3 GiB .* of it 0\.3 GiB for weights"):
        check_room(needs)
    monkeypatch.setattr(disk, "_by_file_system", lambda needs: [[need] for need in needs])
    assert check_room(needs) == room_text(needs)
    assert room_text(needs).count("0.3 GiB free") == 2
    free(100 * MIB)
    with pytest.raises(StoppedError, match="weights"):
        check_room(needs)
