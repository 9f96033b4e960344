"""Scores of several heads on one encoder: each head's own, and what they come to together."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import chain

from nertune.results.records import SplitScores


def join_scores(heads: Mapping[str, SplitScores], *, loss: float) -> SplitScores:
    """`f1` and its kin: the mean over the heads that have the score; `NAME.f1`: that of one head; all labels together.

    loss  of all heads together, as they were weighed in training
    """
    names = dict.fromkeys(chain(*(scores.overall for scores in heads.values())))
    overall: dict[str, float] = {}
    for name in names:
        values = [scores.overall[name] for scores in heads.values() if name in scores.overall]
        overall[name] = sum(values) / len(values)
    own = {f"{head}.{name}": value for head, scores in heads.items() for name, value in scores.overall.items()}
    labels = {label: values for scores in heads.values() for label, values in scores.labels.items()}
    return SplitScores(overall={**overall, "loss": loss, **own}, labels=labels)
