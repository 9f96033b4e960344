"""Predictions do not depend on how they were batched, and their loss is the plain mean."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from nertune.models.losses import IGNORED
from nertune.spec.study import DataSpec
from nertune.tasks.predictions import SequencePredictions, TokenPredictions
from nertune.train.batches import collate
from nertune.train.predict import predict, score_predictions


def flat(predictions):
    """Everything that was predicted, as one list of answers and one of probabilities."""
    if isinstance(predictions, TokenPredictions):
        return predictions.spans, [value for each in predictions.probabilities for value in each]
    return predictions.classes, predictions.probabilities.ravel().tolist()


@pytest.mark.parametrize("task", ["token", "sequence"])
def test_predictions_are_in_the_order_of_the_examples_however_they_are_batched(run, material, task):
    model, dev = run(task, epochs=4).model, material(task).dev
    first, *others = (flat(predict(model, dev, device="cpu", precision="fp32", max_pieces=n)) for n in (1, 50, 10**6))
    for other in others:
        assert other[0] == first[0]
        assert other[1] == pytest.approx(first[1], abs=1e-5)


def test_the_loss_is_the_mean_over_labelled_words(run, material):
    model, dev = run(epochs=1).model, material().dev
    batch = collate(dev, range(len(dev.windows)))
    labels = batch.pop("labels")[""]
    with torch.no_grad():
        by_hand = F.cross_entropy(model(**batch).logits.flatten(0, 1), labels.flatten(), ignore_index=IGNORED).item()
    predictions = predict(model, dev, device="cpu", precision="fp32")
    assert score_predictions(predictions, encoded=dev, data=DataSpec()).overall["loss"] == pytest.approx(
        by_hand, rel=1e-5
    )


def test_words_of_unknown_types_are_predicted_but_not_in_the_loss(run, material):
    model, dev = run(epochs=1).model, material().dev
    unknown = np.full_like(dev.windows.targets, IGNORED)
    blind = dataclasses.replace(dev, windows=dataclasses.replace(dev.windows, targets=unknown))
    predictions = predict(model, blind, device="cpu", precision="fp32")
    assert np.isnan(predictions.loss)
    assert predictions.spans == predict(model, dev, device="cpu", precision="fp32").spans


def test_an_entity_has_the_softmax_probability_of_its_words(run, material):
    model, dev = run(epochs=4).model, material().dev
    predictions = predict(model, dev, device="cpu", precision="fp32")
    number = next(i for i, spans in enumerate(predictions.spans) if spans)
    span = predictions.spans[number][0]
    window = int(np.flatnonzero(dev.windows.example == number)[0])
    with torch.no_grad():
        probabilities = (
            model(**{k: v for k, v in collate(dev, [window]).items() if k != "labels"})
            .logits[0]
            .softmax(-1)
            .max(-1)
            .values
        )
    places = dev.windows.places[dev.windows.home_starts[window] :][span.start : span.end]
    assert predictions.probabilities[number][0] == pytest.approx(probabilities[places.tolist()].mean().item(), rel=1e-4)


def test_class_probabilities_are_of_every_class_and_sum_to_one(run, material):
    predictions = predict(run("sequence", epochs=1).model, material("sequence").dev, device="cpu", precision="fp32")
    assert isinstance(predictions, SequencePredictions)
    assert predictions.probabilities.shape == (15, 3)
    assert predictions.probabilities.sum(1) == pytest.approx(np.ones(15), rel=1e-5)
    assert [(predictions.labels[i],) for i in predictions.probabilities.argmax(1)] == predictions.classes


def test_a_split_without_a_window_is_predicted_outside(material, run):
    own = material().dev
    none = np.empty(0, np.int32)
    windows = dataclasses.replace(
        own.windows,
        pieces=none,
        piece_starts=np.zeros(1, np.int64),
        example=none,
        items=none.astype(np.int64),
        places=none,
        sizes=none,
        targets=none,
        home_starts=np.zeros(1, np.int64),
    )
    predictions = predict(
        run(epochs=1).model, dataclasses.replace(own, windows=windows), device="cpu", precision="fp32"
    )
    assert not any(predictions.spans)


def test_the_positive_class_reaches_the_scores(material, run):
    dev = material("sequence").dev
    predictions = predict(run("sequence", epochs=1).model, dev, device="cpu", precision="fp32")
    scores = score_predictions(predictions, encoded=dev, data=DataSpec(positive_label="good"))
    assert scores.overall["binary_f1"] == scores.labels["good"]["f1"]
