"""`nertune runs` over a record of many kinds of runs, without a fit."""

from __future__ import annotations

import csv
import io
import json
import re
import shutil
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from rich.cells import cell_len

from nertune.results.database import Database, Settlement, open_database
from nertune.results.files import write_json
from nertune.results.records import SplitScores, StepRecord

Nertune = Callable[..., tuple[int, str, str]]
SPEC = {"search": {"objective": "f1", "space": {"train.learning_rate": [1e-5, 1e-3], "train.batch_size": [8, 16]}}}
LABELS = ("[bold]PER[/bold]", "😀 emoji", "עברית", "a very long label " * 6, "\x1b[31mred\u202e")


def add_run(
    database: Database,
    study: Any,
    number: int,
    *,
    state: str = "complete",
    stage: Any = "search",
    f1: float | None = None,
    test: float | None = None,
    cause: str | None = None,
    message: str | None = None,
    name: str | None = None,
    seed: int = 42,
    is_running: bool = False,
) -> None:
    point = {"train.learning_rate": 10.0 ** -(number % 5), "train.batch_size": 8}
    cell = database.add_cell(study, stage=stage, number=number, point=point, point_id=f"p{number}", seed=seed)
    parameters = {**point, "train.epochs": 3, "model.base": "some/model", "seed": seed}
    attempt = database.open_attempt(study, cell, run_name=name or f"trial-{number:04d}", parameters=parameters)
    if is_running:
        return
    labels = {label: {"precision": 0.5, "recall": 0.25, "f1": f1 or 0.0, "support": 4.0} for label in LABELS}
    scores = {} if f1 is None else {"dev": SplitScores({"f1": f1, "loss": 1 - f1}, labels)}
    if test is not None:
        scores["test"] = SplitScores({"f1": test}, labels)
    steps = [StepRecord(10 * n, float(n), "dev", {"f1": n / 10, "loss": 1.0}) for n in (1, 2)]
    database.add_steps(attempt.run_id, [StepRecord(5, 0.5, "train", {"loss": 2.0}), *steps])
    share = 0.5 if state == "pruned" else None
    how = Settlement(
        state, state, cause=cause, message=message, seconds=12.0, best_epoch=2.0, scores=scores, share=share
    )
    database.settle(attempt, how)


@pytest.fixture
def record(tmp_path: Path) -> Path:
    """Two studies: trials of every state, a seed run with a folder; and one that is called alike."""
    path = tmp_path / "nertune.db"
    database = open_database(str(path))
    study = database.add_study("news", task="token", identity={}, spec=SPEC, output=tmp_path / "runs" / "news")
    add_run(database, study, 0, f1=0.7)
    add_run(database, study, 1, f1=0.9)
    add_run(database, study, 2, state="failed", cause="oom", message="[red]no[/red] memory\n\x1b[2Jsecond line")
    add_run(database, study, 3, state="pruned", f1=0.4, cause="pruned", message="below the median")
    add_run(database, study, 4, is_running=True)
    add_run(database, study, 0, stage="final", f1=0.88, test=0.81, name="bert_news_8_1_3_1", seed=1)
    folder = tmp_path / "runs" / "news" / "bert_news_8_1_3_1"
    folder.mkdir(parents=True)
    (folder / "model.safetensors").write_bytes(bytes(3_000_000))
    write_json(folder / "all_results.json", {})
    write_json(folder / "environment.json", {"fit": {"fit_id": "p0", "weights_id": "w"}})
    other = database.add_study("other", task="sequence", identity={}, spec=SPEC, output=tmp_path / "runs" / "other")
    add_run(database, other, 0, f1=0.2)
    database.close()
    return path


def copy_run(path: Path, *, n: int) -> None:
    """So many more runs like the first one, with their steps, their scores one after another."""
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.row_factory = sqlite3.Row
        for table in ("nertune_cells", "nertune_attempts", "nertune_runs"):
            first = dict(connection.execute(f"SELECT * FROM {table}").fetchone())
            for place in range(2, n + 2):
                own = {"id": place, "number": 1, "name": f"trial-{place - 1:04d}", "point_id": str(place)}
                own |= {"scores": json.dumps({"dev": {"f1": (place - 1) / (n + 1)}})}
                own |= {"cell_id": place, "attempt_id": place}
                if table == "nertune_cells":
                    own["number"] = place - 1
                row = {key: own.get(key, value) for key, value in first.items()}
                marks = ", ".join("?" * len(row))
                connection.execute(f"INSERT INTO {table} VALUES ({marks})", tuple(row.values()))
        connection.execute(
            "INSERT INTO nertune_steps (run_id, step, epoch, split, name, value) "
            "SELECT r.id, s.step, s.epoch, s.split, s.name, s.value FROM nertune_runs r, nertune_steps s WHERE r.id > 1"
        )


def listed(nertune: Nertune, *words: object) -> list[tuple[str, str]]:
    code, out, err = nertune("runs", "--json", *words)
    assert (code, err) == (0, "")
    return [(row["study"], row["name"]) for row in json.loads(out)]


def test_the_newest_run_comes_first(nertune: Nertune, record: Path) -> None:
    assert [name for _, name in listed(nertune, "--study", "news")] == [
        "seed-0000",
        "trial-0004",
        "trial-0003",
        "trial-0002",
        "trial-0001",
        "trial-0000",
    ]
    assert listed(nertune)[0] == ("other", "trial-0000")


def test_runs_are_chosen_sorted_and_limited(nertune: Nertune, record: Path) -> None:
    assert listed(nertune, "--where", "f1 > 0.8", "--sort", "f1") == [("news", "seed-0000"), ("news", "trial-0001")]
    assert listed(nertune, "--where", "cause == oom") == [("news", "trial-0002")]
    assert listed(nertune, "--where", "study == other or test.f1 > 0.8") == [
        ("other", "trial-0000"),
        ("news", "seed-0000"),
    ]
    by_score = listed(nertune, "--study", "news", "--sort", "-f1")
    assert [name for _, name in by_score] == [
        "trial-0001",
        "seed-0000",
        "trial-0000",
        "trial-0003",
        "trial-0004",  # without a score, the newest first
        "trial-0002",
    ]
    assert listed(nertune, "--sort", "-f1", "--limit", 1) == [("news", "trial-0001")]


def test_a_run_whose_coordinator_died_is_lost(nertune: Nertune, record: Path) -> None:
    assert listed(nertune, "--where", "state == lost") == [("news", "trial-0004")]


def test_earlier_attempts_are_shown_on_request(nertune: Nertune, record: Path) -> None:
    database = open_database(str(record))
    study = database.studies()[0]
    cell = database.cells(study, "search")[2]
    database.reopen_cell(cell)
    attempt = database.open_attempt(study, cell, run_name="trial-0002", parameters={})
    database.settle(attempt, Settlement("complete", "complete", seconds=1.0))
    database.close()
    assert len(listed(nertune, "--study", "news", "--where", "number == 2")) == 1
    rows = json.loads(nertune("runs", "--json", "--all", "--where", "number == 2")[1])
    assert [(row["attempt"], row["state"], row["cause"]) for row in rows] == [
        (2, "complete", None),
        (1, "failed", "oom"),
    ]


@pytest.mark.parametrize("width", [50, 80, 120])
def test_the_table_fits_the_terminal(
    nertune: Nertune, record: Path, monkeypatch: pytest.MonkeyPatch, width: int
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.setenv("FORCE_COLOR", "1")  # as on a terminal
    monkeypatch.setenv("NO_COLOR", "1")
    code, out, _ = nertune("runs", "--sort", "id")
    assert not re.search(r"\x1b\[3[0-9]", out)  # bold and dim are no colours
    lines = [re.sub(r"\x1b\[[0-9;]*m", "", line) for line in out.splitlines() if "nertune runs show ID" not in line]
    assert (code, len(lines)) == (0, 10)
    assert max(cell_len(line) for line in lines) <= width
    assert "0.9000" in out


def test_a_pipe_gets_everything(nertune: Nertune, record: Path) -> None:
    _, out, _ = nertune("runs", "--study", "news")
    assert "runs/news/bert_news_8_1_3_1" in out
    assert "failed, oom" in out
    assert "\x1b" not in out
    assert "…" not in out


def test_csv_has_settings_and_scores_in_columns(nertune: Nertune, record: Path) -> None:
    rows = list(csv.DictReader(io.StringIO(nertune("runs", "--csv", "--sort", "id")[1])))
    assert len(rows) == 7
    assert (rows[5]["name"], rows[5]["dev_f1"], rows[5]["test_f1"], rows[5]["train.batch_size"]) == (
        "seed-0000",
        "0.88",
        "0.81",
        "8",
    )
    assert rows[2]["message"].startswith("[red]no[/red]")


def test_show_tells_all_of_a_run(nertune: Nertune, record: Path) -> None:
    code, out, _ = nertune("runs", "show", "bert_news_8_1_3_1")
    assert code == 0
    for told in (
        "6, seed-0000 of news",
        "learning rate 1",
        "0.8100",
        "model.safetensors",
        "2.9 MiB",
        "[bold]PER[/bold]",
    ):
        assert told in out
    assert "train loss" in out
    assert "\x1b" not in out
    assert "\u202e" not in out
    told = json.loads(nertune("runs", "show", "6", "--json")[1])
    assert [row["f1"] for row in told["curve"]] == [0.1, 0.2]
    assert (told["curve"][0]["train_loss"], told["labels"]["test"][LABELS[2]]["f1"]) == (2.0, 0.88)
    assert told["setting"]["train.batch_size"] == 8
    assert "train.batch_size" not in told["parameters"]


def test_a_failed_run_tells_its_cause_and_message(nertune: Nertune, record: Path) -> None:
    _, out, _ = nertune("runs", "show", "3")
    assert "State      failed, oom" in out
    assert "Message    [red]no[/red] memory\n           �[2Jsecond line" in out


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--where", "f11 > 0.8"), "Did you mean f1?"),
        (("--sort", "f11"), "Did you mean f1?"),
        (("--study", "newz"), "Did you mean news?"),
        (("show", "99"), "there is no run 99"),
        (("show", "trial-0000"), "2 runs are called trial-0000"),
        (("show", "trial-000"), "Did you mean trial-000"),
        (("news.yaml",), "nertune runs --study news.yaml"),
        (("--json", "--csv"), "were given together"),
        (("--study", "news", "rm"), "stand behind its name"),
        (("--storage", "nowhere.db"), "there is no record here"),
        (("rm",), "which runs?"),
        (("rm", "6"), "nobody can be asked here"),
    ],
)
def test_a_mistake_ends_with_2_and_says_what_to_type(
    nertune: Nertune, record: Path, words: tuple[str, ...], told: str
) -> None:
    code, _, err = nertune("runs", *words)
    assert (code, told in err, "Traceback" in err) == (2, True, False), err


def test_without_a_record_it_is_said_where_one_was_looked_for(nertune: Nertune) -> None:
    code, _, err = nertune("runs")
    assert (code, "neither nertune.db nor studies/nertune.db" in err) == (2, True)


def test_an_empty_record_has_no_runs(nertune: Nertune, tmp_path: Path) -> None:
    open_database(str(tmp_path / "nertune.db")).close()
    code, out, _ = nertune("runs", "--where", "f1 > 0.8", "--sort", "f1")
    assert (code, out) == (0, "No runs in nertune.db: nertune search STUDY makes some\n")
    assert nertune("runs", "--studies")[1] == "No studies in nertune.db: nertune search STUDY begins one\n"
    assert json.loads(nertune("runs", "--json")[1]) == []


def test_the_record_of_the_quick_form_is_found(nertune: Nertune, record: Path, tmp_path: Path) -> None:
    (tmp_path / "studies").mkdir()
    record.rename(tmp_path / "studies" / "nertune.db")
    assert len(listed(nertune)) == 7


def test_500_runs_are_listed_at_once(nertune: Nertune, tmp_path: Path) -> None:
    database = open_database(str(tmp_path / "nertune.db"))
    study = database.add_study("many", task="token", identity={}, spec=SPEC, output=tmp_path / "runs" / "many")
    add_run(database, study, 0, f1=0.0)
    database.close()
    copy_run(tmp_path / "nertune.db", n=499)
    began = time.monotonic()
    code, out, _ = nertune("runs", "--where", "f1 >= 0.5 and batch_size == 8", "--sort", "-f1")
    assert time.monotonic() - began < 2
    assert (code, out.splitlines()[2].split()[1]) == (0, "trial-0499")
    assert "250 of 500 runs" in out


# ---- rm


def test_rm_takes_the_weights_and_leaves_the_record(nertune: Nertune, record: Path, tmp_path: Path) -> None:
    folder = tmp_path / "runs" / "news" / "bert_news_8_1_3_1"
    _, out, _ = nertune("runs", "rm", "6", "--dry-run")
    assert "2.9 MiB" in out
    assert (folder / "model.safetensors").exists()
    code, out, _ = nertune("runs", "rm", "seed-0000", "--yes")
    assert (code, "Removed 1 file" in out) == (0, True)
    assert sorted(path.name for path in folder.iterdir()) == ["all_results.json", "environment.json"]
    assert ("news", "seed-0000") in listed(nertune)
    assert "There is nothing to remove" in nertune("runs", "rm", "6", "--yes")[1]


def test_rm_everything_takes_folder_and_log_and_leaves_the_database(
    nertune: Nertune, record: Path, tmp_path: Path
) -> None:
    output = tmp_path / "runs" / "news"
    (output / "logs").mkdir()
    for name in ("seed-0000-1.log", "trial-0000-1.log"):
        (output / "logs" / name).write_text("log")
    told = json.loads(nertune("runs", "rm", "--where", "stage == final", "--everything", "--yes", "--json")[1])
    assert (told["removed"], len(told["items"]), told["bytes"] > 3_000_000) == (True, 2, True)
    assert sorted(path.name for path in output.rglob("*") if path.is_file()) == [".lock", "trial-0000-1.log"]
    [row] = [row for row in json.loads(nertune("runs", "--json")[1]) if row["name"] == "seed-0000"]
    assert (row["folder"], row["scores"]["test"]["f1"]) == (None, 0.81)


def test_rm_of_a_whole_study_leaves_what_is_not_nertunes(nertune: Nertune, record: Path, tmp_path: Path) -> None:
    output = tmp_path / "runs" / "news"
    (output / "my notes").mkdir()
    (output / "my notes" / "x.txt").write_text("mine")
    (output / "linked").symlink_to(tmp_path)
    (output / "work" / "encoded").mkdir(parents=True)
    (output / "trials.csv").write_text("number\n")
    assert nertune("runs", "rm", "--study", "news", "--everything", "--yes")[0] == 0
    assert sorted(path.name for path in output.iterdir()) == [".lock", "linked", "my notes"]
    assert len(listed(nertune, "--study", "news")) == 6
    (output / "linked").unlink()
    (output / "my notes" / "x.txt").unlink()
    (output / "my notes").rmdir()
    (output / "summary.json").write_text("{}")
    assert nertune("runs", "rm", "--study", "news", "--everything", "--yes")[0] == 0
    assert not output.exists()


def test_rm_says_what_is_not_finished_and_leaves_it(nertune: Nertune, record: Path, tmp_path: Path) -> None:
    checkpoint = tmp_path / "runs" / "news" / "work" / "trial-0004" / "checkpoint"
    checkpoint.mkdir(parents=True)
    (checkpoint / "fit.pt").write_bytes(bytes(1000))
    code, out, _ = nertune("runs", "rm", "trial-0004", "--everything", "--yes")
    assert (code, "Left as they are, since their study may go on from them: 1 unfinished run" in out) == (0, True)
    assert (checkpoint / "fit.pt").exists()


def test_rm_asks_and_heeds_a_no(
    nertune: Nertune, record: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", _Answers("n\n"))
    code, out, _ = nertune("runs", "rm", "6")
    assert (code, "Nothing was removed." in out) == (0, True)
    assert (tmp_path / "runs/news/bert_news_8_1_3_1/model.safetensors").exists()


class _Answers(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_rm_leaves_alone_what_another_record_speaks_for(
    nertune: Nertune, record: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = "task: token\nname: news\ndata: {dir: data}\nmodel: {base: owner/model}\n"
    (tmp_path / "runs" / "news" / "study.yaml").write_text(f"{words}storage: ../../nertune.db\noutput: .\n")
    copy = tmp_path / "copy"
    copy.mkdir()
    shutil.copy(record, copy / "nertune.db")
    (copy / "news.yaml").write_text(words)
    weights = [folder / "runs/news/bert_news_8_1_3_1/model.safetensors" for folder in (tmp_path, copy)]
    shutil.copytree(weights[0].parent, weights[1].parent)
    monkeypatch.chdir(copy)
    code, _, err = nertune("runs", "rm", "6", "--yes")
    assert (code, "this record is a copy" in err, "--study STUDY.yaml" in err) == (2, True, True)
    assert nertune("runs", "rm", "6", "--study", "news.yaml", "--yes")[0] == 0
    assert [path.exists() for path in weights] == [True, False]
    monkeypatch.chdir(tmp_path)
    assert nertune("runs", "rm", "6", "--yes")[0] == 0
    assert not weights[0].exists()
