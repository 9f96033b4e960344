"""The loss of a batch, by hand."""

from __future__ import annotations

from math import exp, log, nan

import pytest
import torch

from nertune.models.losses import (
    IGNORED,
    binary_cross_entropies,
    binary_cross_entropy,
    cross_entropies,
    cross_entropy,
    focal,
    item_loss,
)
from nertune.spec.study import TrainSpec

LOGITS = torch.tensor([[[2.0, 0.0], [0.0, 1.0], [5.0, 5.0]]])
LABELS = torch.tensor([[0, 0, IGNORED]])
PARTS = log(1 + exp(-2)), log(1 + exp(1))  # minus log softmax of label 0 at the two labelled positions


def test_three_tokens_by_hand():
    assert cross_entropy(LOGITS, LABELS, n_items=2).item() == pytest.approx(sum(PARTS) / 2)


def test_smoothing_spreads_its_share_over_all_labels():
    others = log(1 + exp(2)), log(1 + exp(-1))
    smoothed = sum(0.9 * own + 0.1 * (own + other) / 2 for own, other in zip(PARTS, others, strict=True)) / 2
    assert cross_entropy(LOGITS, LABELS, n_items=2, smoothing=0.1).item() == pytest.approx(smoothed)


def test_parts_of_a_batch_add_up_to_the_batch():
    torch.manual_seed(0)
    logits, labels = torch.randn(6, 4, 5), torch.randint(0, 5, (6, 4))
    labels[0, 1:] = IGNORED
    n_items = int((labels != IGNORED).sum())
    parts = [cross_entropy(logits[rows], labels[rows], n_items=n_items) for rows in (slice(0, 1), slice(1, 6))]
    assert sum(parts).item() == pytest.approx(cross_entropy(logits, labels, n_items=n_items).item())


def test_logits_in_bf16_give_a_loss_in_float32():
    assert cross_entropy(LOGITS.bfloat16(), LABELS, n_items=2).dtype == torch.float32
    assert binary_cross_entropy(SEVERAL.bfloat16(), CHOSEN, n_items=4).dtype == torch.float32


def test_the_loss_of_each_item_is_nan_without_gold():
    assert cross_entropies(LOGITS[0], LABELS[0]).tolist() == pytest.approx([*PARTS, nan], nan_ok=True)


SEVERAL = torch.tensor([[2.0, 0.0], [-1.0, 3.0]])  # of two texts, two labels each
CHOSEN = torch.tensor([[1.0, 0.0], [1.0, 1.0]])
TEXTS = (log(1 + exp(-2)) + log(2)) / 2, (log(1 + exp(1)) + log(1 + exp(-3))) / 2


def test_two_texts_with_several_labels_by_hand():
    assert binary_cross_entropies(SEVERAL, CHOSEN).tolist() == pytest.approx(TEXTS)
    assert binary_cross_entropy(SEVERAL, CHOSEN, n_items=4).item() == pytest.approx(sum(TEXTS) / 2)
    assert torch.nn.BCEWithLogitsLoss()(SEVERAL, CHOSEN).item() == pytest.approx(sum(TEXTS) / 2)  # transformers' own


def test_smoothing_moves_yes_and_no_towards_each_other():
    smoothed = binary_cross_entropy(SEVERAL[:1, :1], CHOSEN[:1, :1], n_items=1, smoothing=0.2).item()
    assert smoothed == pytest.approx(0.9 * log(1 + exp(-2)) + 0.1 * log(1 + exp(2)))


def test_parts_of_a_batch_of_label_sets_add_up_to_the_batch():
    torch.manual_seed(0)
    logits, labels = torch.randn(6, 5), torch.randint(0, 2, (6, 5)).float()
    parts = [binary_cross_entropy(logits[rows], labels[rows], n_items=30) for rows in (slice(0, 1), slice(1, 6))]
    assert sum(parts).item() == pytest.approx(binary_cross_entropy(logits, labels, n_items=30).item())


RIGHT = exp(-PARTS[0]), exp(-PARTS[1])  # probabilities of label 0 at the two labelled positions


def test_focal_loss_by_hand():
    by_hand = sum((1 - right) ** 2 * part for right, part in zip(RIGHT, PARTS, strict=True)) / 2
    assert focal(LOGITS, LABELS, n_items=2, gamma=2.0).item() == pytest.approx(by_hand)
    assert focal(LOGITS, LABELS, n_items=2, gamma=0.0).item() == pytest.approx(sum(PARTS) / 2)


def test_weights_of_labels_by_hand():
    labels = torch.tensor([[0, 1, IGNORED]])
    weights = torch.tensor([3.0, 0.5])
    by_hand = (3.0 * PARTS[0] + 0.5 * log(1 + exp(-1))) / 2
    assert cross_entropy(LOGITS, labels, n_items=2, weights=weights).item() == pytest.approx(by_hand)
    assert focal(LOGITS, labels, n_items=2, gamma=0.0, weights=weights).item() == pytest.approx(by_hand)


def test_positives_of_several_labels_are_weighed_by_hand():
    positives = torch.tensor([2.0, 5.0])
    by_hand = (2 * log(1 + exp(-2)) + log(2) + 2 * log(1 + exp(1)) + 5 * log(1 + exp(-3))) / 4
    assert binary_cross_entropy(SEVERAL, CHOSEN, n_items=4, weights=positives).item() == pytest.approx(by_hand)


def test_focal_loss_of_several_labels_by_hand():
    wrong = [1 / (1 + exp(2)), 0.5, 1 / (1 + exp(-1)), 1 / (1 + exp(3))]  # of each yes and no
    by_hand = sum(-log(1 - share) * share**2 for share in wrong) / 4
    assert binary_cross_entropy(SEVERAL, CHOSEN, n_items=4, gamma=2.0).item() == pytest.approx(by_hand)


def test_words_without_gold_are_no_part_of_a_loss_of_several_labels():
    blind = torch.full((1, 2), float(IGNORED))
    logits, labels = torch.cat([SEVERAL, torch.ones(1, 2)]), torch.cat([CHOSEN, blind])
    assert binary_cross_entropy(logits, labels, n_items=4) == binary_cross_entropy(SEVERAL, CHOSEN, n_items=4)
    assert binary_cross_entropies(logits, labels).isnan().tolist() == [False, False, True]


def test_the_point_chooses_the_loss():
    options = {"weights": None, "problem": "single_label"}
    plain, turned = (item_loss(TrainSpec(loss=loss), **options) for loss in ("cross_entropy", "focal"))
    assert plain(LOGITS, LABELS, n_items=2) == cross_entropy(LOGITS, LABELS, n_items=2)
    assert turned(LOGITS, LABELS, n_items=2) == focal(LOGITS, LABELS, n_items=2, gamma=2.0)
