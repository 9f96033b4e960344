"""A search from the outside: what it leaves, how it continues, what it refuses."""

from __future__ import annotations

import os
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from stub_study import GRID_4, GRID_40, Heard, StubStudy

from nertune.errors import NoScoreError, StoppedError, StudyConflictError
from nertune.execute.processes import ProcessesExecutor
from nertune.results.database import AttemptRow, CellRow, Database
from nertune.results.layout import StudyFolder
from nertune.results.outcomes import SearchOutcome

Make = Callable[..., StubStudy]
Run = Callable[..., SearchOutcome]


def test_every_cell_of_the_grid_runs_once_and_the_best_is_written(stub_study: Make, run_search: Run) -> None:
    study = stub_study(space=GRID_40)
    outcome = run_search(study, workers=2)
    assert len({tuple(cell.point.items()) for cell in outcome.cells}) == 40
    assert outcome.finished
    assert outcome.best.point == {"train.batch_size": 64, "train.learning_rate": 1e-4}
    assert "learning_rate: 0.0001" in (study.output / "best.yaml").read_text()
    assert [row[0] for row in study.trials("number")] == [str(number) for number in range(40)]


def test_a_second_call_runs_nothing_and_says_the_same(stub_study: Make, run_search: Run) -> None:
    study, heard = stub_study(), Heard()
    first = run_search(study)
    second = run_search(study, progress=heard)
    assert heard.outcomes == []
    assert second.ranked == first.ranked


def test_a_widened_grid_keeps_its_finished_cells(stub_study: Make, run_search: Run) -> None:
    study, heard = stub_study(), Heard()
    before = run_search(study).cells
    study.write(space="{train.batch_size: [8, 16], train.learning_rate: [1e-4, 1e-5, 1e-6]}")
    after = run_search(study, progress=heard).cells
    assert after[:4] == before
    assert sorted(number for number, *_ in heard.outcomes) == [4, 5]


@pytest.mark.parametrize(
    ("search", "first"),
    [("", "job"), ("  patience: 9", "outcome"), ("  pruner: halving", "outcome"), ("  pruner: median", "outcome")],
)
def test_the_next_trial_begins_before_an_outcome_is_recorded_that_does_not_decide_it(
    stub_study: Make, run_search: Run, monkeypatch: pytest.MonkeyPatch, search: str, first: str
) -> None:
    done: list[str] = []
    submit, settle = ProcessesExecutor.submit, Database.settle

    def note_submit(executor: ProcessesExecutor, slot: int, job: dict[str, Any], *, log: Path) -> None:
        done.extend(["job"] * (job["kind"] == "trial"))
        submit(executor, slot, job, log=log)

    def note_settle(database: Database, *arguments: Any, **keywords: Any) -> CellRow:
        done.append("outcome")
        return settle(database, *arguments, **keywords)

    monkeypatch.setattr(ProcessesExecutor, "submit", note_submit)
    monkeypatch.setattr(Database, "settle", note_settle)
    run_search(stub_study(search=search), workers=1)
    assert done[0] == "job"
    assert done[1] == first
    assert done.count("job") == done.count("outcome") >= 4


def test_an_outcome_is_recorded_although_the_next_trial_cannot_begin(
    stub_study: Make, run_search: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    study, opened = stub_study(), []
    open_attempt = Database.open_attempt

    def refuse_second(database: Database, *arguments: Any, **keywords: Any) -> AttemptRow:
        opened.append(1)
        if len(opened) == 2:
            raise StoppedError("the disk is full")
        return open_attempt(database, *arguments, **keywords)

    monkeypatch.setattr(Database, "open_attempt", refuse_second)
    with pytest.raises(StoppedError, match="disk is full"):
        run_search(study, workers=1)
    assert [state for _, state in study.trials("number", "state")] == ["complete", "waiting"]
    assert len(run_search(study, workers=1).cells) == 4


def test_a_free_worker_waits_for_no_folder_to_be_removed(
    stub_study: Make, run_search: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[tuple[str, str]] = []
    submit, forget = ProcessesExecutor.submit, StudyFolder.forget

    def note_submit(executor: ProcessesExecutor, slot: int, job: dict[str, Any], *, log: Path) -> None:
        done.append(("job", job["id"].partition(".")[0]))
        submit(executor, slot, job, log=log)

    def note_forget(folder: StudyFolder, cell: str) -> None:
        done.append(("removed", cell))
        forget(folder, cell)

    monkeypatch.setattr(ProcessesExecutor, "submit", note_submit)
    monkeypatch.setattr(StudyFolder, "forget", note_forget)
    study = stub_study()
    run_search(study, workers=1)
    trials = [f"trial-000{number}" for number in range(4)]
    order = [step for step in done if step[1] in trials]
    assert order[0] == ("job", trials[0])
    assert order[1:] == [
        step for before, after in pairwise(trials) for step in (("job", after), ("removed", before))
    ] + [("removed", trials[-1])]
    assert not list((study.output / "work").glob("trial-*"))


def test_what_a_killed_coordinator_left_of_ended_cells_is_removed(stub_study: Make, run_search: Run) -> None:
    study = stub_study()
    run_search(study)
    left = study.output / "work" / "trial-0002" / "1"
    left.mkdir(parents=True)
    (left / "weights").write_bytes(b"large")
    run_search(study)
    assert not left.parent.exists()


def test_trials_is_a_total_over_all_calls(stub_study: Make, run_search: Run) -> None:
    study = stub_study(space=GRID_40)
    assert len(run_search(study, edits=["search.trials=3"]).cells) == 3
    assert len(run_search(study, edits=["search.trials=5"]).cells) == 5


def test_timeout_is_a_total_over_all_calls(stub_study: Make, run_search: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STUB_SECONDS", "0.2")
    study = stub_study(space=GRID_40)
    first = run_search(study, edits=["search.timeout=1.5"], workers=1)
    assert first.finished
    assert 0 < len(first.ranked) < 40
    assert len(run_search(study, edits=["search.timeout=1.5"], workers=1).ranked) == len(first.ranked)


def test_patience_ends_the_search_and_more_of_it_goes_on(stub_study: Make, run_search: Run) -> None:
    study = stub_study(space=GRID_40)
    outcome = run_search(study, edits=["search.patience=3"], workers=1)
    best, n = outcome.ranked[0].number, len(outcome.ranked)
    assert outcome.finished
    assert (n, n < 40) == (best + 4, True)
    assert len(run_search(study, edits=["search.patience=3"], workers=1).ranked) == n
    more = run_search(study, edits=["search.patience=5"], workers=1)
    assert len(more.ranked) == more.ranked[0].number + 6 > n
    assert len(run_search(study).ranked) == 40


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_search_never_opens_the_test_file(stub_study: Make, run_search: Run) -> None:
    study = stub_study()
    os.mkfifo(study.folder / "data" / "test.txt")  # opening it would wait for ever
    assert run_search(study).finished


def test_changed_data_are_refused_until_fresh_moves_the_old_results_aside(stub_study: Make, run_search: Run) -> None:
    study = stub_study()
    run_search(study)
    with (study.folder / "data" / "dev.txt").open("a") as stream:
        stream.write("\nDora\tB-Person\n")
    with pytest.raises(StudyConflictError, match=r"data\.dev(.|\n)*--fresh"):
        run_search(study)
    run_search(study, fresh=True)
    assert (study.output.with_name("s@1") / "trials.csv").exists()
    assert study.trials("state") == [("complete",)] * 4


def test_a_changed_key_is_refused_by_name(stub_study: Make, run_search: Run) -> None:
    study = stub_study()
    run_search(study)
    with pytest.raises(StudyConflictError, match=r"train\.epochs \(4 → 2\)"):
        run_search(study, edits=["train.epochs=2"])


def test_another_studys_folder_is_refused_by_name(stub_study: Make, run_search: Run) -> None:
    study = stub_study()
    run_search(study)
    with pytest.raises(StudyConflictError, match="results of the study s, not of other"):
        run_search(study, edits=["name=other", f"output={study.output}"])


def test_two_studies_share_a_database(stub_study: Make, run_search: Run) -> None:
    first, second = stub_study("a"), stub_study("b")
    database = first.folder.parent / "shared.db"
    for study in (first, second):
        assert run_search(study, edits=[f"storage={database}"]).finished
    assert first.trials() == second.trials()


def test_a_best_setting_edited_by_hand_is_left_as_it_is(stub_study: Make, run_search: Run) -> None:
    study = stub_study()
    run_search(study)
    best = study.output / "best.yaml"
    best.write_text(best.read_text().replace("learning_rate: 0.0001", "learning_rate: 0.0002"))
    study.write(space="{train.batch_size: [8, 16, 64], train.learning_rate: [1e-4, 1e-5]}")
    run_search(study)
    assert "learning_rate: 0.0002" in best.read_text()


def test_tpe_asks_no_point_twice_and_stops_when_a_small_space_is_exhausted(stub_study: Make, run_search: Run) -> None:
    study = stub_study(space=GRID_4, search="  sampler: tpe\n  trials: 20")
    outcome = run_search(study, workers=2)
    assert len(outcome.cells) == 4
    assert outcome.finished


def test_a_search_without_a_finite_score_ends_with_its_own_error(stub_study: Make, run_search: Run) -> None:
    study = stub_study(space="{train.weight_decay: [0.01]}")
    with pytest.raises(NoScoreError, match="--retry-failed"):
        run_search(study)
    assert study.trials("state", "cause")[0][0] == "failed"


def test_the_resolved_study_lies_beside_the_results(stub_study: Make, run_search: Run) -> None:
    study = stub_study()
    run_search(study, edits=["final.candidates=2"])
    assert "candidates: 2" in (study.output / "study.yaml").read_text()


def test_a_read_only_output_folder_is_told_before_anything_starts(stub_study: Make, run_search: Run) -> None:
    target = Path("/proc/nertune-output") if Path("/proc").is_dir() else Path("/nertune-output")
    study = stub_study()
    with pytest.raises(Exception, match=r"output=FOLDER") as told:
        run_search(study, edits=[f"output={target}"])
    assert told.value.exit_code == 2  # type: ignore[attr-defined]
