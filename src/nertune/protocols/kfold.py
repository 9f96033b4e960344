"""Cross-validation: each fold is dev once, and train the other times."""

from __future__ import annotations

from collections.abc import Sequence

from nertune.data.corpus import drawn_splits
from nertune.data.examples import Corpus, Example
from nertune.data.files import present_splits
from nertune.data.splitting import Ints, draw_folds
from nertune.data.store import join_examples
from nertune.protocols.planned import PlannedFit
from nertune.spec.study import ProtocolSpec, SplitSpec, StudySpec


def plan_folds(spec: ProtocolSpec, seed: int) -> tuple[PlannedFit, ...]:
    """A fit for each fold, all with one seed."""
    assert spec.kfold is not None
    return tuple(PlannedFit(seed, number=fold + 1, kind="fold", fold=fold) for fold in range(spec.kfold))


def assign_folds(examples: Sequence[Example], *, n_folds: int, split: SplitSpec | None) -> Ints:
    """The fold (from 0) of each example of train and dev, [N] int64.

    It follows from the examples and `data.split` (seed, by, stratify) alone: every point, worker and machine has it.

    Raises  DataError if there are fewer documents, or different texts, than folds
    """
    return draw_folds(examples, n_folds=n_folds, split=split or SplitSpec())


def splits_to_read(spec: StudySpec, *, splits: Sequence[str]) -> tuple[str, ...]:
    """These splits, without dev where folds take its place and there is none."""
    if spec.protocol.kfold is None or "dev" in {*present_splits(spec.data), *drawn_splits(spec.data)}:
        return tuple(splits)
    return tuple(name for name in splits if name != "dev")


def check_folds(spec: StudySpec, *, corpus: Corpus) -> None:
    """Raise DataError where the corpus cannot be cut into the folds that the study asks for."""
    if spec.protocol.kfold is None:
        return
    learned = [split.examples for name, split in corpus.splits.items() if name != "test"]
    assign_folds(join_examples(learned, task=corpus.task), n_folds=spec.protocol.kfold, split=spec.data.split)


def averages_folds(spec: ProtocolSpec) -> bool:
    """Whether a seed run is a fit for each fold, whose probabilities are averaged."""
    return spec.kfold is not None and spec.final == "average"
