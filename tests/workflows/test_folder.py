"""Commands on a folder of studies: one after another, and on after one that fails. Fits are stubs."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from stub_study import HERE, StubStudy
from typer.testing import CliRunner, Result

from nertune import cli
from nertune.errors import InterruptedByUserError, NoScoreError, StoppedError, UserError
from nertune.execute.executor import JobCode
from nertune.report.folders import final_summary, show_folder
from nertune.results.outcomes import FinalOutcome
from nertune.spec.load import study_of_edits
from nertune.workflows import opening, run_search
from nertune.workflows.run_folder import StudyRun, find_studies, run_folder, worst_exit_code

Nertune = Callable[..., Result]
FILES = ["a/good.yaml", "b.yml", "c/blind.yaml", "d.yaml"]
NO_SCORE = "{train.weight_decay: [0.01]}"
INLINE = "execute: {kind: inline, threads: 1}"


def make_studies(folder: Path) -> Path:
    """Four studies: two good ones, one that is refused, one without a score."""
    for name, space in (("a/good", "{}"), ("c/blind", NO_SCORE), ("d", "{}")):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        StubStudy(path.parent, name=path.name, space=space, more=INLINE)
    (folder / "b.yml").write_text("task: token\ndata: {dir: a/data}\nmodel: {base: m}\ntrane: {epochs: 3}\n")
    return folder


@pytest.fixture
def studies(tmp_path: Path) -> Path:
    return make_studies(tmp_path / "studies")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A working directory where fits are stub jobs."""
    folder = tmp_path_factory.mktemp("folder")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(opening, "JOB_CODE", JobCode(function="stub_fits:run_job", extra_path=(str(HERE),)))
        patch.setattr(opening, "modelling_code", lambda base: ())
        patch.setenv("STUB_FAULTS", str(folder))
        patch.chdir(folder)
        yield folder


@pytest.fixture(scope="module")
def searched(place: Path) -> Result:
    """`nertune search studies`, in the folder `place`."""
    make_studies(place / "studies")
    return nertune("search", "studies", "--quiet")


def nertune(*words: object) -> Result:
    return CliRunner().invoke(cli.app, [*map(str, words)])


def test_all_studies_are_run_and_the_last_table_says_what_became_of_them(searched: Result) -> None:
    table = searched.stdout[searched.stdout.index("Searches of studies") :].splitlines()
    rows = {line.split()[0]: line for line in table if line.startswith("studies/")}
    assert searched.exit_code == 2
    assert [*rows] == [f"studies/{name}" for name in FILES]
    assert "done       dev F1 0.7702   studies/a/runs/good" in rows["studies/a/good.yaml"]
    assert "studies/b.yml:4: trane is no key of a study file" in rows["studies/b.yml"]
    assert "no score" in rows["studies/c/blind.yaml"]
    assert searched.stdout.count("Best setting") == 2
    assert "Did you mean train?" in searched.stderr


def test_results_of_an_earlier_search_are_no_studies(searched: Result, place: Path) -> None:
    assert len([*place.rglob("best.yaml")]) == 2
    found = find_studies(place / "studies")
    assert [path.relative_to(place / "studies").as_posix() for path in found] == FILES
    with pytest.raises(UserError, match="holds the results of a study"):
        find_studies(place / "studies" / "runs" / "d")


def test_json_is_a_list_with_each_studys_own_result(searched: Result) -> None:
    told = json.loads(nertune("search", "studies", "--json", "--quiet").stdout)
    assert [(row["state"], row["exit_code"], row["result"] and row["result"]["study"]) for row in told] == [
        ("done", 0, "good"),
        ("refused", 2, None),
        ("no score", 3, None),
        ("done", 0, "d"),
    ]
    assert "trane is no key" in told[1]["cause"]


def test_a_folder_is_checked_as_well(place: Path) -> None:
    folder = make_studies(place / "more")
    (folder / "b.yml").unlink()
    result = nertune("check", "more")
    assert (result.exit_code, result.stdout.count("no file for test")) == (2, 3)
    for data in folder.rglob("data"):
        (data / "test.txt").write_text("Dora\tB-Person\n")
    result = nertune("search", "more", "--dry-run")
    assert (result.exit_code, result.stdout.count("Nothing stands in the way.")) == (0, 3)
    assert not [*folder.rglob("runs")]


def test_a_folder_that_was_not_searched_has_nothing_to_refit(place: Path) -> None:
    for data in make_studies(place / "new").rglob("data"):
        (data / "test.txt").write_text("Dora\tB-Person\n")
    result = nertune("best-and-train", "new")
    assert (result.exit_code, result.stdout.count("has not been searched yet")) == (2, 3)


def test_other_yaml_is_refused_as_such(tmp_path: Path) -> None:
    (tmp_path / "tags.yaml").write_text("DRUG: true\n")
    (one,) = run_folder(tmp_path, run=str, ended=lambda one: None, tell=lambda message: None)
    assert (one.state, one.exit_code) == ("refused", 2)
    assert "tags.yaml: is no study file" in one.cause


def test_the_table_has_the_mean_test_score_of_refitted_studies(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    scores = {"f1": {"mean": 0.91239, "sd": 0.1}}
    outcome = FinalOutcome(study_of_edits([]), (), {"test": {"scores": scores}}, (), tmp_path)
    row = {"file": str(tmp_path / "x.yaml"), "state": "done", "cause": "", "summary": final_summary(outcome)}
    show_folder([row], title="Best settings of x")
    assert f"done   test F1 0.9124   {tmp_path}" in capsys.readouterr().out


def test_the_worst_study_decides_the_exit_code(tmp_path: Path) -> None:
    def codes(*found: int) -> int:
        return worst_exit_code([StudyRun(tmp_path, "done", code) for code in found])

    assert [codes(0, 0), codes(0, 3), codes(3, 2, 0), codes(2, 1, 3)] == [0, 3, 2, 1]


@pytest.mark.parametrize("error", [KeyError("x"), NoScoreError("none"), UserError("wrong")])
def test_the_other_studies_are_run_after_any_failure(studies: Path, error: Exception) -> None:
    def run(path: Path) -> str:
        if path.name == "b.yml":
            raise error
        return path.stem

    runs = run_folder(studies, run=run, ended=lambda one: None, tell=lambda message: None)
    assert [one.outcome for one in runs] == ["good", None, "blind", "d"]
    assert runs[1].cause in runs[1].message


@pytest.mark.parametrize("error", [InterruptedByUserError("x"), StoppedError("x"), KeyboardInterrupt()])
def test_an_interruption_ends_them_all(studies: Path, error: BaseException) -> None:
    ended: list[str] = []

    def run(path: Path) -> None:
        if path.name == "b.yml":
            raise error

    with pytest.raises(type(error)):
        run_folder(studies, run=run, ended=lambda one: ended.append(one.path.stem), tell=lambda message: None)
    assert ended == ["good"]


def test_ctrl_c_says_how_to_go_on(
    studies: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(path: Path, **keywords: object) -> None:
        raise InterruptedByUserError("Interrupted")

    monkeypatch.setattr(run_search, "search", interrupted)
    monkeypatch.setattr(sys, "argv", ["nertune", "search", str(studies)])
    with pytest.raises(SystemExit) as end:
        cli.main()
    told = capsys.readouterr()
    assert (end.value.code, told.out) == (130, "")
    assert f"Continue with: nertune search {studies}" in told.err


def test_a_link_that_leads_back_is_not_followed(studies: Path) -> None:
    (studies / "back").symlink_to(studies)
    assert len(find_studies(studies)) == len(FILES)


def test_a_folder_without_studies_is_refused(tmp_path: Path) -> None:
    (tmp_path / ".hidden").mkdir()
    (tmp_path / ".hidden" / "x.yaml").write_text("task: token")
    with pytest.raises(UserError, match="holds no study file"):
        find_studies(tmp_path)
