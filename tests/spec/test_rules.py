"""Keys that do not go together are refused, alone and in the cells of a grid."""

from __future__ import annotations

import pytest

from nertune.errors import UserError
from nertune.spec.rules import contradictions
from nertune.spec.study import StudySpec


def spec_of(**sections):
    least = {"name": "any", "output": ".", "task": "token", "data": {"dir": "."}}
    return StudySpec.model_validate({**least, **sections, "model": {"base": "any", **sections.get("model", {})}})


CRF = {"model": {"crf": True}}


@pytest.mark.parametrize(
    ("sections", "told"),
    [
        ({"task": "sequence", **CRF}, "model.crf is a CRF, which reads words"),
        ({"task": "sequence", "model": {"head": "crf"}}, "model.head is a CRF, which reads words"),
        ({"model": {"crf": True, "pieces": "all"}}, "a chain of words"),
        ({**CRF, "train": {"loss": "focal"}}, "a loss of its own"),
        ({**CRF, "train": {"label_smoothing": 0.1}}, "no use for train.label_smoothing"),
        ({"model": {"crf": True, "problem": "multi_label"}}, "gives each word one label"),
        ({"task": "sequence", "model": {"pieces": "mean"}}, "has no words"),
        ({"model": {"pooling": "mean"}}, "has no texts"),
        ({"model": {"pieces": "x", "problem": "multi_label"}}, "one label a word"),
        ({"model": {"crf": True, "heads": {"one": {"labels": ["A"]}}}}, "says nothing beside model.heads"),
        ({"model": {"threshold": "tuned"}, "final": {"train_with_dev": True}}, "leaves none"),
        ({"model": {"threshold": "tuned"}, "protocol": {"kfold": 3}}, "protocol.final: average"),
        ({"model": {"threshold": "tuned", "problem": "single_label"}}, "is for items with several labels"),
        ({"search": {"pruner": "halving", "sampler": "tpe", "timeout": 60}}, "nothing says how many there are"),
        ({"search": {"pruner": "halving", "patience": 3}}, "counts trials that ran to their end"),
        ({"search": {"keep": "best"}, "protocol": {"repeat": 3}}, "a trial is several fits"),
        (
            {"model": {"heads": {"one": {"labels": ["A"]}, "two": {"labels": ["B", "A"]}}}},
            "model.heads.two.labels has A, which is in the heads one and two",
        ),
        (
            {"stages": [{"epochs": 2}, {"epochs": 1}], "search": {"space": {"train.epochs": [1, 2]}}},
            "search.space.train.epochs says nothing: every stage has epochs of its own",
        ),
    ],
)
def test_what_does_not_go_together_is_told_with_a_way_out(sections, told):
    (found,) = contradictions(spec_of(**sections))
    assert told in str(found.as_problem())


def test_the_usual_settings_go_together():
    assert contradictions(spec_of()) == []
    assert contradictions(spec_of(**CRF)) == []
    assert contradictions(spec_of(model={"heads": {"one": {"labels": ["A"], "crf": True}}})) == []


def test_a_cell_of_the_grid_that_means_nothing_is_told_at_the_key_that_brings_it_in(load):
    text = "train: {loss: focal}\nsearch:\n  space:\n    train.epochs: [1, 2]\n    model.crf: [false, true]\n"
    with pytest.raises(UserError, match=r"mine.yaml:\d+: model.crf has a loss of its own(.|\n)*model.crf: True"):
        load(text)


def test_a_study_of_one_cell_tells_its_contradictions(load):
    with pytest.raises(UserError, match=r"mine.yaml:5: model.crf has a loss of its own"):
        load("  crf: true\ntrain: {loss: focal}\nsearch: {space: {}}\n")


def test_a_contradiction_that_the_search_replaces_is_none(load):
    load("model: {base: m, crf: true}\ntrain: {loss: focal}\nsearch: {space: {model.crf: [false]}}\n", head=HEAD)


HEAD = "name: any\ntask: token\ndata: {dir: .}\n"
