"""Model cards: what the hub reads, and what people read."""

from __future__ import annotations

import pytest
from huggingface_hub import ModelCard

from nertune.report.card import card_text

ENVIRONMENT = {
    "precision": "fp32",
    "device": "cpu",
    "command": "nertune best-and-train x.yaml",
    "fit": {"best_epoch": 3.0},
    "packages": {"torch": "2.13.0"},
    "data": {"train": "ab12"},
}
PLAIN = {"architectures": ["BertForTokenClassification"]}


def spread(*values):
    sd = 0.01 if len(values) > 1 else None
    return {"mean": sum(values) / len(values), "sd": sd, "values": {str(n): v for n, v in enumerate(values, start=1)}}


def summary(*, label="PER", n_seeds=2):
    f1 = spread(*[0.81234, 0.79][:n_seeds])
    label_scores = dict.fromkeys(("precision", "recall", "f1"), f1) | {"support": spread(*[7.0] * n_seeds)}
    test = {"scores": {"f1": f1, "loss": spread(*[0.3] * n_seeds)}, "labels": {label: label_scores}}
    return {"setting": {"train.batch_size": 8}, "seeds": [1, 2][:n_seeds], "dev": {**test, "labels": {}}, "test": test}


def read(study, **others):
    given = {"seed": 1, "summary": summary(), "config": PLAIN, "made": ENVIRONMENT, **others}
    return card_text(study, **given)


def test_the_hub_reads_its_task_base_and_results(study):
    card = ModelCard(read(study(model={"base": "owner/encoder"}, data={"dir": None, "hub": "owner/corpus:en"})))
    assert (card.data.pipeline_tag, card.data.base_model) == ("token-classification", "owner/encoder")
    assert card.data.datasets == ["owner/corpus"]
    (result,) = card.data.eval_results
    assert (result.metric_type, result.metric_value, result.dataset_name) == ("f1", 0.8123, "owner/corpus")
    assert (result.task_type, result.dataset_split) == ("token-classification", "test")


def test_a_local_base_is_no_hub_id(study):
    assert "base_model" not in ModelCard(read(study())).data.to_dict()


def test_this_models_score_stands_beside_all_seeds(study):
    text = read(study(), seed=2)
    assert "| test F1 | 0.7900 | 0.8012 ± 0.0100 |" in text
    assert "| PER | 0.7900 | 0.7900 | 0.7900 | 7 |" in text
    assert "over 2 seeds" in text


def test_one_seed_has_no_spread(study):
    assert "| test F1 | 0.8123 | 0.8123 |" in read(study(), summary=summary(n_seeds=1))


@pytest.mark.parametrize(
    ("task", "config", "told"),
    [
        ("token", PLAIN, 'pipeline("token-classification", "FOLDER", aggregation_strategy="first")'),
        ("sequence", {"architectures": ["BertForSequenceClassification"]}, 'pipeline("text-classification", "FOLDER")'),
        ("token", {"architectures": ["EncoderWithHeads"]}, "Its heads are nertune's own"),
        ("token", {}, "Its weights are those of the folders in it"),
    ],
)
def test_how_to_use_it_fits_what_lies_there(study, task, config, told):
    text = read(study(task), config=config)
    assert told in text
    assert ("transformers alone" in text) == (config.get("architectures", [""])[0].startswith("Bert"))
    assert "nertune predict FOLDER" in text


@pytest.mark.parametrize("label", ["<script>x</script>", "a|b", "שלום", "---\nlicense: mine", "l" * 10_000])
def test_labels_with_markup_stay_text(study, label):
    text = read(study(), summary=summary(label=label))
    assert "<script>" not in text
    assert "license" not in ModelCard(text).data.to_dict()
    assert all(
        line.count("|") - line.count("\\|") in (0, 4, 6, 3) for line in text.splitlines() if line.startswith("|")
    )
