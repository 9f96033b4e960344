"""Scores of the user's own for the predictions of a split."""

from __future__ import annotations

from collections.abc import Sequence

from nertune.scores.extra import score_extra_classes, score_extra_entities
from nertune.tasks.encoded import EncodedSplit
from nertune.tasks.predictions import Predictions, TokenPredictions


def score_extra(names: Sequence[str], predictions: Predictions, *, encoded: EncodedSplit) -> dict[str, float]:
    """The scores that `search.scores` names, by the last part of their names; see `scores.extra`."""
    if not names:
        return {}
    if isinstance(predictions, TokenPredictions):
        return score_extra_entities(names, gold=encoded.gold_spans, predicted=predictions.spans)
    return score_extra_classes(names, gold=encoded.gold_classes, predicted=predictions.classes, problem=encoded.problem)
