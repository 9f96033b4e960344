"""The command line: which rows there are, what both sides are given, and one real run of every row that is quick."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import run
from commands import SideError
from nertune.data.corpus import read_corpus
from nertune.spec.study import DataSpec
from rows import Row
from sets import ALL, DEMO_DATA, Encoder, spread_out, write_cut
from turns import Comparison, Run, Side
from works import Inputs

RUN_PY = Path(run.__file__)


def options_of(monkeypatch: pytest.MonkeyPatch, *words: object) -> Any:
    monkeypatch.setattr(sys, "argv", ["run.py", *map(str, words)])
    return run.read_options()


def comparisons_of(options: Any, folder: Path) -> dict[str, Any]:
    made = run.make_comparisons(options, inputs=run.inputs_of(options, folder=folder))
    return {one.name: one for one in made}


def test_every_row_can_be_asked_for_by_name(bert_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    options = options_of(monkeypatch, "--rows", "all", "--model", bert_folder, "--rounds", 7)
    made = comparisons_of(options, tmp_path)
    assert list(made) == list(run.ROWS)
    assert {one.rounds for one in made.values()} == {7}
    assert list(made["halving"].sides) == ["plain", "full", "nertune"]


def test_halving_shares_the_plain_run_of_sequence_and_needs_no_other_grid(
    bert_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    both = comparisons_of(options_of(monkeypatch, "--rows", "sequence,halving", "--model", bert_folder), tmp_path)
    sequence, halving = both["sequence"].sides, both["halving"].sides
    assert halving["plain"].same_as == sequence["plain"].same_as
    assert halving["full"].same_as == sequence["nertune"].same_as != halving["nertune"].same_as
    alone = comparisons_of(options_of(monkeypatch, "--rows", "halving", "--model", bert_folder), tmp_path)
    assert list(alone["halving"].sides) == ["plain", "nertune"]


def test_row_that_is_not_there_is_told_with_those_that_are(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        options_of(monkeypatch, "--rows", "tokens")
    assert "there is no row tokens; there are token, sequence" in capsys.readouterr().err


def test_short_form_has_a_limit_and_rows_have_none(monkeypatch: pytest.MonkeyPatch) -> None:
    assert run.limit_s(options_of(monkeypatch)) == 28 * 60
    assert run.limit_s(options_of(monkeypatch, "--rows", "token")) is None
    assert run.limit_s(options_of(monkeypatch, "--rows", "token", "--minutes", 2)) == 120


def test_short_form_is_both_tasks_and_full_adds_the_quality_rows(
    bert_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    short = comparisons_of(options_of(monkeypatch, "--model", bert_folder), tmp_path)
    assert list(short) == ["token, search", "sequence, search"]
    full = comparisons_of(options_of(monkeypatch, "--full", "--model", bert_folder), tmp_path)
    assert list(full)[2:] == ["token, one setting, whole data", "sequence, one setting, whole data"]


@pytest.mark.parametrize("task", ["token", "sequence"])
def test_cut_data_keeps_examples_spread_over_the_file(task: Any, tmp_path: Path) -> None:
    whole = read_corpus(DataSpec(dir=DEMO_DATA[task]), task=task)
    write_cut(DEMO_DATA[task], task=task, columns=None, sentences=30, folder=tmp_path / "cut")
    cut = read_corpus(DataSpec(dir=tmp_path / "cut"), task=task)
    for name in ("train", "dev"):
        wanted = spread_out(whole.splits[name].examples, n=30)
        assert [without_place(example) for example in cut.splits[name].examples] == list(map(without_place, wanted))
    assert wanted[1] != whole.splits["dev"].examples[1]
    assert {path.stem for path in (tmp_path / "cut").iterdir()} == {"train", "dev"}


def without_place(example: Any) -> Any:
    return replace(example, where=None)


def test_test_is_opened_only_where_it_is_asked_for(tmp_path: Path) -> None:
    inputs = Inputs(tmp_path, Encoder("model"), {})
    searched, refitted = inputs.data("token", sentences=8), inputs.data("token", sentences=8, splits=ALL)
    assert {path.stem for path in searched.iterdir()} == {"train", "dev"}
    assert {path.stem for path in refitted.iterdir()} == {"train", "dev", "test"}
    assert inputs.data("token", sentences=8) == searched


def test_rows_that_came_to_their_end_are_shown_though_another_failed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def row_of(name: str, *, fails: bool) -> Any:
        def go(seed: int, folder: Path) -> Run:
            if fails:
                raise SideError("no memory left")
            return Run(2.0)

        made = [Row(name, "work", 1, "s", None, 2.0, figure=2.0)]
        return lambda inputs: Comparison(name, 1, {"nertune": Side(go)}, lambda runs: made)

    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))  # where the failed side's files are kept
    monkeypatch.setattr(run, "ROWS", {name: row_of(name, fails=name == "bad") for name in ("bad", "good")})
    monkeypatch.setattr(sys, "argv", ["run.py", "--rows", "all", "--model", "m", "--json", str(tmp_path / "rows.json")])
    assert run.main() == 1
    assert [row["name"] for row in json.loads((tmp_path / "rows.json").read_text())] == ["good"]
    assert "bad: no memory left" in capsys.readouterr().err


def run_benchmark(tmp_path: Path, *words: object) -> tuple[str, list[dict[str, Any]]]:
    output = tmp_path / "rows.json"
    command = [sys.executable, str(RUN_PY), *map(str, words), "--json", str(output)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    return done.stdout, json.loads(output.read_text(encoding="utf-8"))


@pytest.mark.slow
def test_benchmark_prints_one_table_with_both_tasks(bert_folder: Path, tmp_path: Path) -> None:
    words = ["--model", bert_folder, "--sentences", 40, "--batch-sizes", 8, "--learning-rates", "1e-3,1e-4"]
    stdout, rows = run_benchmark(tmp_path, *words, "--epochs", 1, "--rounds", 1)
    assert [(row["name"], row["details"]["cells"]) for row in rows] == [("token, search", 2), ("sequence, search", 2)]
    assert all(row["name"] in stdout and len(row["runs"]["nertune"][0]["scores"]) == 2 for row in rows)


@pytest.mark.slow
def test_rows_with_goals_run_from_end_to_end(bert_folder: Path, tmp_path: Path) -> None:
    names = [name for name in run.ROWS if name not in ("sequence", "halving")]
    words = ["--model", bert_folder, "--sentences", 40, "--batch-sizes", 8, "--learning-rates", "1e-3,1e-4,1e-2"]
    words += ["--epochs", 1, "--rounds", 1, "--predicted", 50, "--seeds", "1,2", "--rows", ",".join(names)]
    _, rows = run_benchmark(tmp_path, *words)
    with_goal = [row for row in rows if row["goal"]]
    assert list(dict.fromkeys(row["name"] for row in with_goal)) == names
    assert all(row["is_met"] in (True, False) for row in with_goal)
    assert [row["name"] for row in rows if not row["goal"]] == ["prediction, bf16"]
