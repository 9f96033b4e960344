"""Texts with any number of labels: a fit learns them, and plain transformers reads the saved model the same way."""

from __future__ import annotations

import warnings
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer, pipeline

from nertune.data.examples import SequenceExample, Split
from nertune.errors import Where
from nertune.models.build import build_model
from nertune.models.losses import binary_cross_entropy
from nertune.spec.study import DataSpec
from nertune.train.batches import collate
from nertune.train.checkpoints import save_model
from nertune.train.predict import score_predictions

TEXTS = {
    ("praise",): ("a fine film with a clever end", "we loved every minute of {place}", "warm , funny and never dull"),
    ("blame",): ("a dull film with a stupid end", "we left {place} after ten minutes", "cold , slow and never funny"),
    ("blame", "praise"): ("fine music , but a dull story", "half of {place} is lovely , half is not"),
    (): ("the museum of {place}", "the river and the weather"),
}
LABELS = ("blame", "praise")
NO_DROPOUT = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}


def marked(number):
    """A text with one label, both or none."""
    labels = list(TEXTS)[number % 4]
    forms = TEXTS[labels]
    text = forms[number // 4 % len(forms)].format(place=("Oslo", "New York", "Lima")[number // 4 % 3])
    return SequenceExample(text, labels, Where(Path("t.tsv"), number + 1))


CORPUS = [
    Split(name, tuple(map(marked, numbers)), "0") for name, numbers in (("train", range(48)), ("dev", range(100, 120)))
]


@pytest.fixture
def several(learn):
    """`several(epochs=3, …)`: a fit on 48 texts, and what it was made of."""

    def go(*, config=None, **options):
        model = {"problem": "multi_label", "config": config or {}}
        return learn("sequence", model, labels=LABELS, corpus=CORPUS, **{"schedule": "linear", **options})

    return go


def test_a_tiny_model_learns_which_labels_a_text_has_none_included(several):
    done = several(epochs=12, batch_size=4, schedule="constant", learning_rate=2e-3)
    assert done.record.dev.overall["accuracy"] > 0.9
    assert () in done.dev.gold_classes
    assert () in done.predict().classes


def test_the_losses_are_transformers_own_of_multi_label_classification(several):
    done = several(epochs=1, learning_rate=1e-12, batch_size=48, config=NO_DROPOUT)
    model = build_model(done.base, seed=1).eval()
    with torch.no_grad():
        batches = [collate(split, range(len(split.windows))) for split in (done.train, done.dev)]
        by_hand = [model(**{**batch, "labels": batch["labels"][""]}).loss.item() for batch in batches]
    assert model.config.problem_type == "multi_label_classification"
    assert [done.losses[0], done.record.dev.overall["loss"]] == pytest.approx(by_hand, rel=1e-5)


def test_equal_seeds_give_equal_weights_and_other_seeds_others(several):
    one, same, other = (several(epochs=2, seed=seed).model.state_dict() for seed in (1, 1, 2))
    assert all(torch.equal(one[name], same[name]) for name in one)
    assert not torch.equal(one["classifier.weight"], other["classifier.weight"])


def test_accumulated_parts_give_the_losses_of_the_whole_batch(several):
    whole = several(epochs=2, batch_size=16, config=NO_DROPOUT)
    parts = several(epochs=2, batch_size=16, device_batch_size=5, config=NO_DROPOUT)
    assert parts.losses == pytest.approx(whole.losses, abs=1e-5)


def test_smoothing_changes_the_training_loss_alone_and_nobody_warns_of_it(several):
    still = {"epochs": 1, "learning_rate": 1e-12, "batch_size": 48, "config": {**NO_DROPOUT, "initializer_range": 0.5}}
    plain = several(**still)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # the Trainer's own smoother would warn that it cannot
        smooth = several(**still, label_smoothing=0.3)
    batch = collate(smooth.train, range(48))
    labels = batch.pop("labels")[""]
    logits = build_model(smooth.base, seed=1)(**batch).logits
    by_hand = binary_cross_entropy(logits, labels, n_items=labels.numel(), smoothing=0.3).item()
    assert smooth.losses[0] == pytest.approx(by_hand, rel=1e-5)
    assert smooth.losses[0] != pytest.approx(plain.losses[0], rel=1e-4)
    assert smooth.record.dev.overall["loss"] == pytest.approx(plain.record.dev.overall["loss"], rel=1e-6)


def test_predictions_do_not_depend_on_how_they_are_batched(several):
    done = several(epochs=6, batch_size=4)
    one, other = (done.predict(max_pieces=n) for n in (1, 10**6))
    assert one.classes == other.classes
    assert one.probabilities == pytest.approx(other.probabilities, abs=1e-5)


def test_the_saved_model_gives_the_same_probabilities_in_plain_transformers(several, tmp_path):
    done = several(epochs=4, batch_size=4)
    save_model(done.model, tokenizer=done.tokenizer, folder=tmp_path / "saved")
    texts = [example.text for example in done.dev.examples]
    plain = AutoModelForSequenceClassification.from_pretrained(tmp_path / "saved").eval()
    batch = AutoTokenizer.from_pretrained(tmp_path / "saved")(texts, padding=True, return_tensors="pt")
    with torch.no_grad():
        probabilities = plain(**batch).logits.sigmoid()
    assert torch.from_numpy(done.predict().probabilities).allclose(probabilities, atol=1e-5)


def test_a_pipeline_of_transformers_gives_each_label_a_probability_of_its_own(several, tmp_path):
    done = several(epochs=4, batch_size=4)
    save_model(done.model, tokenizer=done.tokenizer, folder=tmp_path / "saved")
    classify = pipeline("text-classification", str(tmp_path / "saved"), top_k=None, device="cpu")
    told = {found["label"]: found["score"] for found in classify([done.dev.examples[0].text])[0]}
    assert [told[label] for label in LABELS] == pytest.approx(done.predict().probabilities[0].tolist(), abs=1e-5)


def test_bf16_fits_too(several):
    done = several(epochs=2, precision="bf16")
    assert done.losses[-1] < done.losses[0]
    assert {parameter.dtype for parameter in done.model.parameters()} == {torch.float32}


def test_the_positive_label_reaches_the_scores(several):
    done = several(epochs=1)
    scores = score_predictions(done.predict(), encoded=done.dev, data=DataSpec(positive_label="blame"))
    assert scores.overall["binary_f1"] == scores.labels["blame"]["f1"]
