"""A saved model against gold: scores, strict and partial matches, what is taken for what."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

import numpy as np

from nertune.data.examples import Example, SequenceExample, Span, Task, TokenExample
from nertune.data.labels import labels_of
from nertune.models.losses import IGNORED
from nertune.predict.ensemble import Answer, Ensemble
from nertune.results.records import Scores, SplitScores
from nertune.scores.classes import score_classes
from nertune.scores.confusion import (
    Confusion,
    confuse_classes,
    confuse_entities,
    confuse_label_sets,
    confuse_words,
)
from nertune.scores.entities import score_entities
from nertune.scores.heads import join_scores
from nertune.scores.matching import MatchCounts, measure_matches
from nertune.scores.multi_label import score_label_sets
from nertune.tasks.encoded import EncodedSplit, HeadLabels, spans_of
from nertune.tasks.predictions import Predictions, SequencePredictions, TokenPredictions

AT_ONCE = 2000  # examples that are encoded at a time


@dataclass(frozen=True)
class Evaluation:
    """What a saved model, or several together, come to on labelled data.

    scores, labels  as `eval_results.json` has them; `labels` also those that gold has and the model does not know
    matching        SemEval-2013's measures of entities, of all types together; empty of texts
    by_label        the same for the entities of each type by themselves
    confusion       by what is counted: `entities` and `words`, or `texts` (of several heads: by their names)
    unknown         labels of gold that the model does not know, with their counts
    counts          what encoding met
    """

    task: Task
    examples: int
    words: int | None
    scores: Scores
    labels: Mapping[str, Scores]
    matching: Mapping[str, MatchCounts]
    by_label: Mapping[str, Mapping[str, MatchCounts]]
    confusion: Mapping[str, Confusion]
    unknown: Mapping[str, int]
    counts: Mapping[str, int]

    def to_json(self) -> dict[str, Any]:
        own = {name: value for name, value in vars(self).items() if name not in ("matching", "by_label")}
        return {
            **own,
            "matching": _told(self.matching),
            "by_label": {label: _told(found) for label, found in self.by_label.items()},
        }


def evaluate(
    ensemble: Ensemble,
    examples: Sequence[Example],
    *,
    positive_label: str | None = None,
    done: Callable[[int], None] = lambda _n: None,
) -> Evaluation:
    """The scores of the models' predictions against the labels of the examples.

    Labels that the models do not know stay gold, so that they count as missed.

    positive_label  adds `binary_f1` (sequence tasks)
    done            is told how many examples are predicted, now and then
    """
    seen = _Seen(ensemble)
    for begin in range(0, len(examples), AT_ONCE):
        batch = list(examples[begin : begin + AT_ONCE])
        seen.add(batch, ensemble.predict(batch))
        done(begin + len(batch))
    known = {label for head in ensemble.labels for label in head.kinds}
    unknown = {label: n for label, n in sorted(labels_of(examples).items()) if label not in known}
    scores = seen.scores(unknown=unknown, positive_label=positive_label)
    is_token = ensemble.task == "token"
    gold, predicted = seen.all_spans()
    return Evaluation(
        task=ensemble.task,
        examples=len(examples),
        words=sum(seen.n_words) if is_token else None,
        scores=scores.overall,
        labels=scores.labels,
        matching=measure_matches(gold, predicted) if is_token else {},
        by_label=_matches_by_label(gold, predicted) if is_token else {},
        confusion=seen.confusion(),
        unknown=unknown,
        counts=dict(seen.counts),
    )


@dataclass
class _Of:
    """Gold and predictions of one head, for the examples so far; and the sum of its losses."""

    gold: list[tuple[Any, ...]] = field(default_factory=list)
    predicted: list[tuple[Any, ...]] = field(default_factory=list)
    loss: float = 0.0
    n_known: int = 0

    def mean_loss(self) -> float:
        return self.loss / self.n_known if self.n_known else float("nan")


class _Seen:
    """All that was predicted so far, by head."""

    def __init__(self, ensemble: Ensemble) -> None:
        self._task, self._heads = ensemble.task, ensemble.labels
        self._weights = {head.name: head.weight for head in ensemble.heads}
        self._of = {head.name: _Of() for head in self._heads}
        self.n_words: list[int] = []
        self.counts: Counter[str] = Counter()

    def add(self, examples: Sequence[Example], answer: Answer) -> None:
        self.counts.update(answer.encoded.counts)
        self.n_words += [len(example.words) for example in examples if isinstance(example, TokenExample)]
        for head in self._heads:
            of = self._of[head.name]
            said = answer.predictions.by_head.get(head.name, answer.predictions)
            of.gold += [_gold_of(example, head=head) for example in examples]
            of.predicted += map(tuple, _said(said))
            n_known = _n_known(answer.encoded.views[head.name])
            of.loss += said.loss * n_known if n_known else 0.0
            of.n_known += n_known

    def all_spans(self) -> tuple[list[list[Span]], list[list[Span]]]:
        """Gold and predicted entities of each sentence, of all heads together."""
        if self._task == "sequence":
            return [], []
        sides = ([of.gold for of in self._of.values()], [of.predicted for of in self._of.values()])
        gold, predicted = ([list(chain(*same)) for same in zip(*side, strict=True)] for side in sides)
        return gold, predicted

    def scores(self, *, unknown: Mapping[str, int], positive_label: str | None) -> SplitScores:
        found = {head.name: self._score(head, unknown=unknown, positive_label=positive_label) for head in self._heads}
        if "" in found:
            return found[""]
        loss = sum(self._weights[name] * of.mean_loss() for name, of in self._of.items())
        return join_scores(found, loss=loss)

    def confusion(self) -> dict[str, Confusion]:
        if self._task == "token":
            gold, predicted = self.all_spans()
            words = confuse_words(gold, predicted, n_words=self.n_words)
            return {"entities": confuse_entities(gold, predicted), "words": words}
        return {head.name or "texts": _confuse(self._of[head.name], head=head) for head in self._heads}

    def _score(self, head: HeadLabels, *, unknown: Mapping[str, int], positive_label: str | None) -> SplitScores:
        of = self._of[head.name]
        if self._task == "token":
            scores = score_entities(of.gold, of.predicted, n_words=self.n_words)
        else:
            labels = (*head.kinds, *(unknown if not head.name else ()))
            positive = positive_label if positive_label in labels else None
            if head.problem == "multi_label":
                scores = score_label_sets(of.gold, of.predicted, labels=labels, positive_label=positive)
            else:
                scores = score_classes(*_single(of), labels=labels, positive_label=positive)
        return SplitScores({"loss": of.mean_loss(), **scores.overall}, scores.labels)


def _gold_of(example: Example, *, head: HeadLabels) -> tuple[Any, ...]:
    """What the head should have said; the only head of a model also what it does not know."""
    if isinstance(example, SequenceExample):
        return example.labels if not head.name else tuple(label for label in example.labels if label in head.kinds)
    return example.spans if not head.name else spans_of(example.spans, kinds=head.kinds)


def _said(predictions: Predictions) -> Iterable[Sequence[Any]]:
    return predictions.spans if isinstance(predictions, TokenPredictions) else _classes(predictions)


def _classes(predictions: SequencePredictions) -> list[tuple[str, ...]]:
    return predictions.classes


def _n_known(view: EncodedSplit) -> int:
    """Items whose loss is known."""
    return int(np.count_nonzero(view.windows.targets != IGNORED))


def _single(of: _Of) -> tuple[list[str], list[str]]:
    """The one class of each text; a text without one that this head gives is not scored."""
    pairs = [(gold[0], said[0]) for gold, said in zip(of.gold, of.predicted, strict=True) if len(gold) == 1]
    return [gold for gold, _ in pairs], [said for _, said in pairs]


def _confuse(of: _Of, *, head: HeadLabels) -> Confusion:
    if head.problem == "multi_label":
        return confuse_label_sets(of.gold, of.predicted)
    return confuse_classes(*_single(of))


def _matches_by_label(
    gold: Sequence[Sequence[Span]], predicted: Sequence[Sequence[Span]]
) -> dict[str, dict[str, MatchCounts]]:
    labels = sorted({span.label for spans in chain(gold, predicted) for span in spans})
    return {label: measure_matches(_only(gold, label=label), _only(predicted, label=label)) for label in labels}


def _only(sentences: Sequence[Sequence[Span]], *, label: str) -> list[list[Span]]:
    return [[span for span in spans if span.label == label] for spans in sentences]


def _told(matching: Mapping[str, MatchCounts]) -> dict[str, Any]:
    return {name: counts.to_json() for name, counts in matching.items()}
