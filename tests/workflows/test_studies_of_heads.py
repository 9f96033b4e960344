"""Whole studies of words with several types and of several heads; what their data do not allow; a tiny real model."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from real_study import read_json

from nertune.errors import UserError
from nertune.report.progress import Quiet
from nertune.workflows import best_and_train, search
from nertune.workflows.opening import open_study

INLINE = ("execute.kind=inline", "execute.threads=1")
WORDS = "Ada\tB-PER\nleads\tO\nOslo\tB-ORG|B-LOC\nClub\tI-ORG\n.\tO\n\nOslo\tB-LOC\nis\tO\nfar\tO\n\n"
HEADS = "heads: {people: {labels: [PER]}, rest: {labels: [LOC, ORG]}}"
FLAT = (
    "heads: {people: {labels: [PER], crf: true}, places: {labels: [LOC]}, "
    "groups: {labels: [ORG], head: mlp, hidden: [8]}}"
)


@pytest.fixture
def study(tmp_path: Path, bert_folder: Path) -> Callable[..., Path]:
    """`study("crf: true")`: a study with these keys of `model` on words of which some are a place and a club."""

    def write(model: str, *, search: str = "space: {train.learning_rate: [3e-3]}") -> Path:
        for split in ("train", "dev", "test"):
            (tmp_path / f"{split}.txt").write_text(WORDS * (8 if split == "train" else 2), encoding="utf-8")
        path = tmp_path / "s.yaml"
        path.write_text(
            f"task: token\ndata: {{dir: .}}\nmodel:\n  base: {bert_folder}\n  name: tiny\n  {model}\n"
            f"train: {{epochs: 30, precision: fp32, batch_size: 4, schedule: constant}}\nsearch: {{{search}}}\n"
            "final: {seeds: [1]}\ntrack: {aim: null}\n"
        )
        return path

    return write


def seed_folder(path: Path) -> Path:
    [folder] = (path.parent / "runs" / "s").glob("tiny-*")
    return folder


@pytest.mark.parametrize(("model", "heads"), [("head: linear", []), (HEADS, ["people", "rest"])])
def test_words_of_several_types_go_through_a_whole_study(
    study: Callable[..., Path], model: str, heads: list[str]
) -> None:
    path = study(model)
    search(path, progress=Quiet(), edits=[*INLINE])
    best_and_train(path, progress=Quiet(), edits=[*INLINE])
    folder = seed_folder(path)
    scores = read_json(folder / "test_results.json")
    assert scores["test_f1"] > 0.3  # nothing learned is 0
    assert [name for name in heads if f"test_{name}.f1" in scores] == heads
    assert set(scores["test_labels"]) == {"LOC", "ORG", "PER"}
    gold = [line.split("\t")[1] for line in (folder / "predict_results_s.txt").read_text("utf-8").splitlines() if line]
    assert gold[:5] == ["B-PER", "O", "B-LOC|B-ORG", "I-ORG", "O"]
    entry = read_json(folder / "config.json")["nertune"]["heads"]
    assert {name: head["problem"] for name, head in entry.items()} == (
        {"people": "single_label", "rest": "multi_label"} if heads else {"": "multi_label"}
    )


def test_the_score_of_one_head_can_be_the_objective(study: Callable[..., Path]) -> None:
    path = study(FLAT, search="objective: groups.f1, space: {model.heads.groups.weight: [0.1, 5]}")
    outcome = search(path, progress=Quiet(), edits=[*INLINE])
    best = max(outcome.cells, key=lambda cell: cell.scores["dev"]["groups.f1"])
    assert outcome.best.scores["dev"]["groups.f1"] == best.scores["dev"]["groups.f1"]


@pytest.mark.parametrize(
    ("model", "told"),
    [
        ("crf: true", r"s\.yaml:6: model\.crf is a CRF, which gives each word one label, but words have several"),
        ("pieces: x", r"s\.yaml:6: model\.pieces is x, which needs one label a word"),
        ("heads: {one: {labels: [PER]}}", r"s\.yaml:6: model\.heads: no head learns LOC, ORG, which train has"),
        (
            "heads: {one: {labels: [PER, LOK, LOC, ORG]}}",
            r"s\.yaml:6: model\.heads\.one\.labels has LOK, which train does not have(.|\n)*Did you mean LOC",
        ),
        ("heads: {one: {labels: [PER, LOC, ORG], crf: true}}", r"model\.heads\.one\.crf is a CRF"),
    ],
)
def test_what_the_data_do_not_allow_is_told_at_its_line(study: Callable[..., Path], model: str, told: str) -> None:
    with pytest.raises(UserError, match=told):
        open_study(study(model))


@pytest.mark.parametrize(
    ("objective", "told"),
    [("peple.f1", "Did you mean people.f1"), ("people.mcc", "there is no score people.mcc")],
)
def test_an_objective_that_no_head_has_is_told(study: Callable[..., Path], objective: str, told: str) -> None:
    with pytest.raises(UserError, match=told):
        open_study(study(FLAT, search=f"objective: {objective}"))


def test_a_searched_crf_is_refused_where_words_have_several_types(study: Callable[..., Path]) -> None:
    with pytest.raises(UserError, match=r"model\.crf is a CRF"):
        open_study(study("head: linear", search="space: {model.crf: [false, true]}"))


def test_a_searched_head_that_nobody_knows_is_told_before_the_first_fit(study: Callable[..., Path]) -> None:
    path = study("head: linear", search="space: {model.head: [linear, mpl]}")
    with pytest.raises(UserError, match=r"model\.head is 'mpl'(.|\n)*model\.head: mlp"):
        search(path, progress=Quiet(), edits=[*INLINE])
    assert not (path.parent / "runs").exists()


def test_several_types_are_learned_where_the_study_says_so_although_none_overlap(study: Callable[..., Path]) -> None:
    path = study("problem: multi_label")
    assert open_study(path, edits=["data.keep=[PER]"]).spec.model.problem == "multi_label"
