import json
import math

import pytest

from cell_rows import make_cell
from nertune.report.results import final_json, search_json, show_best, show_final, show_search
from nertune.results.outcomes import FinalOutcome, SearchOutcome
from nertune.results.summary import summarise_seeds
from nertune.spec.study import StudySpec

POINT = {"train.batch_size": 8, "train.learning_rate": 1e-4}
BEST = make_cell(2, POINT, f1=0.75, best_epoch=3.0, seconds=4.0)
FAILED = make_cell(1, {**POINT, "train.batch_size": 16}, state="failed", cause="nan", message="step 3\x1b")
NEXT = make_cell(3, POINT, f1=0.5, scores={"dev": {"f1": 0.5, "loss": math.nan}})


@pytest.fixture
def spec(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    space = {key: [value] for key, value in POINT.items()}
    values = {
        "name": "tiny",
        "task": "sequence",
        "data": {"dir": "d"},
        "model": {"base": "owner/model"},
        "search": {"space": space},
    }
    return StudySpec.model_validate({**values, "output": str(tmp_path / "runs")})


@pytest.fixture
def outcome(spec):
    def make(*, finished=True):
        file = spec.output / "best.yaml"
        return SearchOutcome(spec, (FAILED, BEST, NEXT), (BEST, NEXT), (), finished, 65.0, {}, file)

    return make


def final(spec, *, by_hand=False):
    scores = {"dev": {"f1": 0.7, "accuracy": 0.8}, "test": {"f1": 0.6, "accuracy": 0.5}}
    seeds = tuple({"seed": seed, "best_epoch": 2.0, "scores": scores, "labels": {}, "folder": "x"} for seed in (1, 2))
    search = {"trial": 2, "dev_score": 0.75, "mean_dev_score_of_seeds": 0.7, "too_hopeful_by": 0.05}
    summary = {**summarise_seeds(seeds), "setting": POINT, "setting_edited_by_hand": by_hand, "search": search}
    failed = (make_cell(3, stage="final", seed=3, state="failed", cause="oom", message="too large\x1b"),)
    return FinalOutcome(spec, seeds, summary, failed, spec.output)


def test_search_ends_with_model_best_setting_score_and_what_to_type(outcome, capsys):
    show_search(outcome(), then="nertune best-and-train tiny.yaml", again="nertune search tiny.yaml")
    told = capsys.readouterr().out
    for words in ("owner/model", "batch size 8, learning rate 0.0001", "0.7500", "best.yaml", "trials.csv", "1m05s"):
        assert words in told
    assert told.rstrip().endswith("nertune best-and-train tiny.yaml")


def test_search_names_its_failures_without_what_could_move_the_cursor(outcome, capsys):
    show_search(outcome(), then="x", again="y")
    told = capsys.readouterr().out
    assert "1 of 3 trials failed" in told
    assert "trial 1 (batch size 16, learning rate 0.0001): nan, step 3�" in told


def test_search_that_is_not_finished_says_how_to_continue(outcome, capsys):
    show_search(outcome(finished=False), then="x", again="nertune search tiny.yaml --workers 2")
    assert capsys.readouterr().out.rstrip().endswith("nertune search tiny.yaml --workers 2")
    show_best(outcome(finished=False), top=1)
    assert "not finished" in capsys.readouterr().out


def test_best_shows_setting_and_score_and_more_when_asked(outcome, capsys):
    show_best(outcome(), top=1)
    one = capsys.readouterr().out
    assert all(words in one for words in ("batch size 8, learning rate 0.0001", "0.7500", "trial 2"))
    show_best(outcome(), top=2)
    assert "0.5000" in capsys.readouterr().out
    assert "0.5000" not in one


def test_search_as_json_is_json_and_holds_every_cell(outcome):
    told = json.loads(json.dumps(search_json(outcome()), allow_nan=False))
    assert [cell["number"] for cell in told["cells"]] == [1, 2, 3]
    assert (told["best"]["number"], told["best"]["point"], told["finished"]) == (2, POINT, True)
    assert told["cells"][2]["scores"]["dev"] == {"f1": 0.5, "loss": None}
    assert [cell["number"] for cell in search_json(outcome(), top=1)["cells"]] == [2]


def test_seeds_end_with_setting_hopefulness_failures_and_place(spec, capsys):
    show_final(final(spec))
    told = capsys.readouterr().out
    for words in (
        "batch size 8, learning rate 0.0001",
        "+0.0500",
        "over 2 seeds",
        "seed 3: oom, too large�",
        "runs",
    ):
        assert words in told
    assert "by hand" not in told


def test_setting_that_was_edited_by_hand_is_marked(spec, capsys):
    show_final(final(spec, by_hand=True))
    assert "edited by hand" in capsys.readouterr().out


def test_seeds_as_json_are_the_summary_and_its_folder(spec):
    outcome = final(spec)
    assert final_json(outcome) == {**outcome.summary, "output": str(spec.output)}
