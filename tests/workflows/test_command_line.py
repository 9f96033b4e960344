"""The command line: what goes where, exit codes, the quick form. Fits are stubs."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from stub_study import HERE, StubStudy

from nertune.execute.executor import JobCode
from nertune.workflows import opening

Make = Callable[..., StubStudy]
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def nertune(nertune: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    """The same, its workers running stub jobs."""
    monkeypatch.setattr(opening, "JOB_CODE", JobCode(function="stub_fits:run_job", extra_path=(str(HERE),)))
    monkeypatch.setattr(opening, "modelling_code", lambda base: ())
    monkeypatch.setenv("STUB_FAULTS", str(tmp_path))
    return nertune


def quick(study: StubStudy, *more: object) -> list[object]:
    words = ["--task", "token", "--data-dir", study.folder / "data", "--model", "nobody/none", "--name", "quick"]
    return [*words, "--learning-rates", "1e-4,1e-5", "--batch-sizes", "8", "--log-dir", "logs", *more]


def test_help_answers_at_once() -> None:
    began = time.monotonic()
    subprocess.run([sys.executable, "-m", "nertune.cli", "--help"], check=True, capture_output=True)
    assert time.monotonic() - began < 2  # 0.25 s on an idle machine


def test_results_go_to_standard_output_and_progress_to_standard_error(stub_study: Make, nertune: Run) -> None:
    code, out, err = nertune("search", stub_study().path)
    assert code == 0
    assert "Best setting  batch size 16, learning rate 0.0001 (trial 2)" in out
    assert "4/4 done" in err
    assert "4/4 done" not in out


def test_json_is_all_there_is_on_standard_output(stub_study: Make, nertune: Run) -> None:
    code, out, _ = nertune("search", stub_study().path, "--json", "--quiet")
    told = json.loads(out)
    assert (code, told["best"]["point"]["train.batch_size"], len(told["cells"])) == (0, 16, 4)


def test_quiet_says_nothing_on_standard_error(stub_study: Make, nertune: Run) -> None:
    assert nertune("search", stub_study().path, "--quiet")[2] == ""


def test_what_to_type_next_repeats_the_edits(stub_study: Make, nertune: Run) -> None:
    _, out, _ = nertune("search", stub_study().path, "--set", "train.epochs=2", "--trials", 2)
    assert "--set train.epochs=2 --set search.trials=2" in out


def test_best_and_dry_run_need_no_new_fit(stub_study: Make, nertune: Run) -> None:
    study = stub_study()
    (study.folder / "data" / "test.txt").write_text("Dora\tB-Person\n")
    _, out, _ = nertune("search", study.path, "--dry-run")
    assert "Plan    4 trials" in out
    assert not study.output.exists()
    assert nertune("best", study.path)[0] == 2
    nertune("search", study.path)
    code, out, _ = nertune("best", study.path, "--top", 2)
    assert (code, "batch size 16, learning rate 0.0001: dev f1 1.00162" in out) == (0, False)
    assert "batch size 16, learning rate 0.0001: dev f1 1.0016 (trial 2 of s)" in out


def test_check_reads_test_and_tells_its_faults_with_their_line(stub_study: Make, nertune: Run) -> None:
    study = stub_study()
    (study.folder / "data" / "test.txt").write_text("Dora\tB-Person\nsings\n")
    code, _, err = nertune("check", study.path)
    assert code == 2
    assert "test.txt:2: " in err
    assert "Nothing was started" in err


def test_the_quick_form_writes_its_study_file_and_finds_it_again(stub_study: Make, nertune: Run) -> None:
    study = stub_study()
    code, out, err = nertune("search", *quick(study))
    assert (code, "Wrote studies/quick.yaml" in err) == (0, True)
    assert "nertune best-and-train studies/quick.yaml" in out
    code, _, err = nertune("search", *quick(study))
    assert (code, "Using studies/quick.yaml" in err) == (0, True)
    code, _, err = nertune("search", *quick(study, "--epochs", 9))
    assert (code, "holds something else than the options say" in err) == (2, True)


def test_the_quick_form_names_what_is_missing(nertune: Run) -> None:
    code, _, err = nertune("search", "--task", "token")
    assert code == 2
    for option in ("--data-dir", "--model", "--name"):
        assert option in err


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["search"], "no study file was named"),
        (["search", "nowhere.yaml"], "there is no such study file"),
        (["search", "x.yaml", "--task", "token"], "were given together"),
        (["best-and-train", "nowhere.yaml"], "there is no such study file"),
        (["search", "--batch-sizes", "8,many"], "is not a list of numbers"),
        (["ui", "--log-dir", "nowhere"], "no Aim runs here"),
        (["ui", "--rebuild"], "needs to know whose record"),
    ],
)
def test_a_users_mistake_ends_with_2_and_no_traceback(nertune: Run, words: list[str], told: str) -> None:
    code, out, err = nertune(*words)
    assert (code, out) == (2, "")
    assert told in err
    assert "Traceback" not in err


def test_a_searched_folder_without_a_model_is_told_before_the_start(stub_study: Make, nertune: Run) -> None:
    study = stub_study(space="{train.learning_rate: [1e-3], model.base: [../none, owner/model]}")
    code, _, err = nertune("search", study.path)
    assert (code, "search.space.model.base: " in err, "holds no model" in err) == (2, True, True)
    assert f"{study.path.name}:" in err
    assert not study.output.exists()


def test_a_search_without_a_finite_score_ends_with_3(stub_study: Make, nertune: Run) -> None:
    assert nertune("search", stub_study(space="{train.weight_decay: [0.01]}").path)[0] == 3


def test_a_bug_keeps_its_traceback_and_ends_with_1(stub_study: Make, nertune: Run) -> None:
    space = "{train.weight_decay: [0.05], train.batch_size: [1, 2, 3]}"
    study = stub_study(space=space)
    code, _, err = nertune("search", study.path, "--workers", 1)
    assert (code, "the first 3 fits all ended in the same error" in err) == (1, True)
    assert "KeyError" in (study.output / "logs" / "trial-0000-1.log").read_text()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["search", "mine.yaml"], "Interrupted\nContinue with: nertune search mine.yaml\n"),
        (["predict", "model", "new.txt"], "Interrupted\n"),
    ],
)
def test_ctrl_c_before_anything_waits_for_it_is_told(
    monkeypatch: pytest.MonkeyPatch, nertune: Run, words: list[str], told: str
) -> None:
    def press(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    for workflow in ("run_search.search", "run_predict.predict_chunks"):
        monkeypatch.setattr(f"nertune.workflows.{workflow}", press)
    assert nertune(*words) == (130, "", told)
