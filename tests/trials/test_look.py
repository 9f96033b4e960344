"""What is found out of a model before anything is done with it."""

from __future__ import annotations

import dataclasses

import pytest

from nertune.errors import ModelError


def test_what_became_of_a_checkpoint_is_told(job, run, bert_folder):
    plain, _ = run(job("look"))
    found, _ = run(job("look", model={"checkpoint": str(bert_folder)}))
    assert plain["checkpoint"] is None
    assert found["checkpoint"].startswith(
        f"{bert_folder}: 37 weights taken; new 2 (classifier.bias, classifier.weight); missing"
    )


@pytest.mark.parametrize(
    ("space", "told"),
    [
        ({"train.optimizer": ["sgd", "adamm"]}, r"train.optimizer is 'adamm'"),
        ({"train.top_layers": {"low": 1, "high": 4}}, r"train.top_layers is 4, but the encoder has 2 layers only"),
        ({"stages.1.top_layers": [1, 3]}, r"stages.1.top_layers is 3"),
    ],
)
def test_a_searched_value_that_the_model_cannot_be_trained_with_is_refused(job, run, space, told):
    looking = job("look", stages=[{"epochs": 1}, {"epochs": 1}])
    looking = dataclasses.replace(looking, spec={**looking.spec, "search": {"space": space}})
    with pytest.raises(ModelError, match=told):
        run(looking)


def test_other_tokenizer_options_and_case_are_another_encoding(job, run, tmp_path):
    models = [{}, {"lower_case": True}, {"tokenizer_options": {"strip_accents": True}}, {}]
    counts = []
    for model in models:
        run(job("prepare", model=model))
        counts.append(sum(1 for path in (tmp_path / "encoded").iterdir() if path.is_dir()))
    assert counts == [2, 4, 6, 6]  # train and dev each; the last finds those of the first


def test_each_precision_is_timed_in_the_parts_that_it_would_take(job, run, monkeypatch):
    taken = {}

    def time_step(*_, spec, precision, **__):
        taken[precision] = spec.train.device_batch_size
        return {"fp32": 2.0, "bf16": 1.0}[precision]

    monkeypatch.setattr("nertune.trials.run.time_step", time_step)
    preparing = job("prepare", batch_size=512, precision="auto")
    told, _ = run(dataclasses.replace(preparing, precision=None))
    assert told["precision"] == "bf16"
    assert told["step_seconds"] == {"fp32": 2.0, "bf16": 1.0}
    assert taken["fp32"] < taken["bf16"] <= 2 * taken["fp32"]
