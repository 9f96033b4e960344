"""From probabilities to labels: tuned thresholds, averages of several models."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nertune.models.heads.head import Head
from nertune.spec.study import HeadOptions
from nertune.tasks.predictions import Outputs
from nertune.train.deciding import average, average_heads, redecide, tune_thresholds

ITEMS = st.lists(st.tuples(st.integers(1, 10).map(lambda n: n / 10), st.booleans()), min_size=1, max_size=12)


def outputs(probabilities, decoded=None):
    probabilities = np.array(probabilities, np.float32)
    return Outputs(probabilities.argmax(-1) if decoded is None else decoded, probabilities, loss=1.0, runtime_s=0.5)


def f1(gold, said):
    found = gold.sum() + said.sum()
    return 2 * (gold & said).sum() / found if found else 0.0


@given(ITEMS)
def test_a_tuned_threshold_is_as_good_as_any(items):
    sure, gold = np.array([[p] for p, _ in items], np.float32), np.array([[g] for _, g in items])
    (threshold,) = tune_thresholds(outputs(sure), gold=gold)
    assert 0 <= threshold <= 1
    found = f1(gold, sure > np.float32(threshold))
    every = [f1(gold, sure > other) for other in np.arange(-0.05, 1.05, 0.1)]
    assert found >= max(every) - 1e-9 or not gold.any()


def test_a_label_that_never_occurs_keeps_one_half():
    assert tune_thresholds(outputs([[0.9, 0.2], [0.1, 0.8]]), gold=np.array([[True, False]] * 2))[1] == 0.5


def test_the_threshold_lies_half_way_between_the_probabilities_that_it_parts():
    gold = np.array([[True], [False], [False]])
    assert tune_thresholds(outputs([[0.4], [0.2], [0.1]]), gold=gold) == (pytest.approx(0.3),)


def head(labels, *, problem="single_label", thresholds=(), crf=False):
    return Head("", labels, problem, HeadOptions(crf=crf), thresholds=thresholds)


def test_each_label_has_its_own_threshold():
    several = head(("a", "b"), problem="multi_label", thresholds=(0.3, 0.7))
    assert redecide(outputs([[0.5, 0.5], [0.2, 0.8]]), head=several).decoded.tolist() == [[True, False], [False, True]]


def test_models_are_averaged_before_anything_is_decided():
    parts = [outputs([[0.6, 0.4]]), outputs([[0.1, 0.9]])]
    mean = average(parts, head=head(("a", "b")), encoded=None)
    assert mean.probabilities[0].tolist() == pytest.approx([0.35, 0.65])
    assert (mean.decoded.tolist(), mean.loss, mean.runtime_s) == ([1], 1.0, 1.0)
    several = [head(("a", "b"), problem="multi_label", thresholds=own) for own in ((0.2, 0.4), (0.4, 0.8))]
    (joint,) = average_heads([(one,) for one in several])
    assert joint.thresholds == pytest.approx((0.3, 0.6))
    assert average(parts, head=joint, encoded=None).decoded.tolist() == [[True, True]]
