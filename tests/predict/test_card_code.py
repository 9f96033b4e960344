"""What a model card tells people to run says the same as nertune."""

from __future__ import annotations

import re

import pytest

from nertune.report.card import card_text
from nertune.spec.load import load_study
from nertune.workflows import predict

SCORE = {"mean": 0.5, "sd": None, "values": {"1": 0.5}}
SUMMARY = {"setting": {}, "seeds": [1], "test": {"scores": {"f1": SCORE}, "labels": {}}}


def run_code_of_card(trained, text):
    """What the code answers for this text."""
    card = card_text(
        load_study(trained.study),
        seed=1,
        summary=SUMMARY,
        config={"architectures": ["Bert"]},
        made={"precision": "fp32"},
    )
    code = re.search(r"```python\n(.*?)```", card, re.DOTALL)[1]
    names = {}
    exec(code.replace("FOLDER", str(trained.seeds[0])).replace('print(predict("A text."))', ""), names)
    return names["predict"](text)


def test_entities_are_those_of_nertune(tagger):
    sentence = "Ada lives in New York ."
    [ours] = predict(tagger.seeds[0], [sentence])
    theirs = run_code_of_card(tagger, sentence)
    assert len(theirs) > 0
    assert [(one["entity_group"], sentence[one["start"] : one["end"]]) for one in theirs] == [
        (one["label"], one["text"]) for one in ours["entities"]
    ]


def test_the_class_and_its_probability_are_those_of_nertune(classifier):
    [ours] = predict(classifier.seeds[0], ["a fine film"])
    [theirs] = run_code_of_card(classifier, "a fine film")
    assert theirs["label"] == ours["label"]
    assert theirs["score"] == pytest.approx(ours["probability"], abs=1e-4)
