import sqlite3
import subprocess
import sys

import optuna
import pytest

from cell_rows import make_cell
from nertune.results.database import open_database, storage_url
from nertune.search.storage import OptunaView

SPACE = {"train.batch_size": [8, 16, 32]}


@pytest.fixture
def view(make_study):
    """Opens the view of a study; all are closed in the end."""
    opened = []

    def open_view(**search):
        spec = make_study(**{"space": SPACE, **search})
        opened.append(OptunaView(spec))
        return spec, opened[-1]

    yield open_view
    for found in opened:
        found.close()


def batch(number, size, **others):
    return make_cell(number, {"train.batch_size": size}, **others)


def trials(spec):
    """What others see who open the study with Optuna alone."""
    study = optuna.load_study(study_name=spec.name, storage=storage_url(spec.storage))
    return [
        (trial.number, trial.user_attrs["nertune:cell"], trial.state.name, trial.value, trial.params)
        for trial in study.get_trials()
    ]


CELLS = [batch(0, 8, f1=0.5), batch(1, 16, state="failed", cause="nan"), batch(2, 32, state="running")]
SHOWN = [(0, 0, "COMPLETE", 0.5, {"train.batch_size": 8}), (1, 1, "PRUNED", None, {"train.batch_size": 16})]


def test_trials_have_the_numbers_of_their_cells(view):
    spec, shown = view()
    shown.show(CELLS[:1])
    shown.show(CELLS)
    assert trials(spec) == SHOWN
    shown.show([*CELLS[:2], batch(2, 32, f1=0.7)])
    assert trials(spec) == [*SHOWN, (2, 2, "COMPLETE", 0.7, {"train.batch_size": 32})]


def test_cell_that_ended_before_an_earlier_one_waits_for_its_number(view):
    spec, shown = view()
    shown.show([batch(0, 8, state="running"), batch(1, 16, f1=0.5)])
    assert trials(spec) == []
    shown.show([batch(0, 8, f1=0.4), batch(1, 16, f1=0.5)])
    assert [(number, value) for number, _, _, value, _ in trials(spec)] == [(0, 0.4), (1, 0.5)]


def test_continued_search_adds_to_the_view_and_does_not_begin_anew(view, monkeypatch):
    spec, shown = view(
        space={"train.batch_size": [8, 16], "train.learning_rate": {"low": 1e-6, "high": 1.0, "log": True}},
        sampler="tpe",
        trials=9,
    )
    cells = [
        make_cell(number, {"train.batch_size": 8, "train.learning_rate": 10.0**-number}, f1=0.1 * number)
        for number in range(4)
    ]
    shown.show(cells[:3])
    monkeypatch.setattr(optuna, "delete_study", lambda **_: pytest.fail("the view was made anew"))
    OptunaView(spec).show(cells)
    assert [number for number, *_ in trials(spec)] == [0, 1, 2, 3]


def test_cell_that_was_tried_again_is_shown_with_its_new_outcome(view):
    spec, shown = view()
    shown.show(CELLS)
    shown.show([batch(0, 8, f1=0.5), batch(1, 16, state="waiting")])
    assert trials(spec) == SHOWN[:1]
    shown.show([batch(0, 8, f1=0.5), batch(1, 16, f1=0.6)])
    assert [value for *_, value, _ in trials(spec)] == [0.5, 0.6]


def test_widened_grid_is_shown_with_its_new_choices(view):
    _, shown = view()
    shown.show(CELLS)
    spec, wider = view(space={"train.batch_size": [4, 8, 16, 32]})
    wider.show([*CELLS[:2], batch(2, 4, f1=0.7)])
    assert trials(spec) == [*SHOWN, (2, 2, "COMPLETE", 0.7, {"train.batch_size": 4})]


def test_another_objective_is_shown_in_its_own_direction(view):
    view()
    spec, shown = view(objective="loss")
    shown.show([])
    assert optuna.load_study(study_name=spec.name, storage=storage_url(spec.storage)).direction.name == "MINIMIZE"


MAKE_BOTH = """
import sys
from pathlib import Path
from nertune.results.database import open_database
from nertune.search.storage import OptunaView
from nertune.spec.study import StudySpec
name, folder = sys.argv[1:]
places = {"output": folder, "storage": f"{folder}/one.db"}
spec = StudySpec(name=name, task="token", data={"dir": folder}, model={"base": "m"}, **places)
print("ready", flush=True)
sys.stdin.readline()
database = open_database(spec.storage)
database.add_study(name, task="token", identity={}, spec={}, output=Path(folder))
OptunaView(spec).show([])
"""


def test_two_studies_that_create_one_file_together_both_find_their_tables(tmp_path):
    command = [sys.executable, "-c", MAKE_BOTH]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    makers = [subprocess.Popen([*command, name, str(tmp_path)], **pipes) for name in ("a", "b")]
    assert [maker.stdout.readline() for maker in makers] == ["ready\n"] * 2
    for maker in makers:
        maker.stdin.write("\n")
        maker.stdin.flush()
    errors = [maker.communicate()[1] for maker in makers]
    assert [maker.returncode for maker in makers] == [0, 0], errors
    assert {study.name for study in open_database(str(tmp_path / "one.db")).studies()} == {"a", "b"}
    assert {study.study_name for study in optuna.get_all_study_summaries(storage_url(str(tmp_path / "one.db")))} == {
        "a",
        "b",
    }


def test_a_start_that_was_killed_between_optunas_tables_and_their_indexes_does_no_harm(view):
    """Optuna adds the index of names after its table, and asks it whether there is a study of that name."""
    spec, first = view()
    first.close()
    with sqlite3.connect(spec.storage) as connection:
        connection.execute("DELETE FROM study_directions")
        connection.execute("DELETE FROM studies")
        connection.execute("DROP INDEX ix_studies_study_name")
    for _ in range(3):
        _, shown = view()
        shown.show(CELLS)
    assert optuna.get_all_study_names(storage_url(spec.storage)) == [spec.name]
    assert trials(spec) == SHOWN
