"""How much each searched key matters, by Optuna's fANOVA."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence

import optuna

from nertune.analysis.ranking import objective_value, rank
from nertune.results.database import CellRow
from nertune.search.sampler import direction_of, distribution_of, frozen_trial
from nertune.spec.space import dimensions
from nertune.spec.study import StudySpec

FEWEST = 3  # finished trials; from fewer nothing can be told
MANY, TREES, TREES_OF_MANY = 200, 64, 16  # Optuna's number; of many trials each tree knows more, and takes seconds


def importances(spec: StudySpec, cells: Sequence[CellRow]) -> dict[str, float] | None:
    """The share of the variance between finished trials that each key accounts for, the largest first.

    Keys that have one value in all of these trials are left out: after a pruner that may be many.

    Returns  None where fewer than three trials have a score, or all the same one, or fewer than two keys vary
    Source   Hutter, Hoos, Leyton-Brown 2014, "An Efficient Approach for Assessing Hyperparameter Importance"
    """
    finished = rank(cells, spec.search.objective)
    found = {d.key: distribution_of(d) for d in dimensions(spec) if _varies(d.key, finished)}
    scores = {objective_value(cell, spec.search.objective) for cell in finished}
    if len(finished) < FEWEST or len(scores) < 2 or len(found) < 2:
        return None
    from optuna.importance import FanovaImportanceEvaluator, get_param_importances  # imports scikit-learn: 2 s

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(direction=direction_of(spec))
    study.add_trials([frozen_trial(cell, spec=spec, distributions=found) for cell in finished])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a key that never changed
        evaluator = FanovaImportanceEvaluator(n_trees=TREES if len(finished) <= MANY else TREES_OF_MANY, seed=0)
        shares = get_param_importances(study, evaluator=evaluator)
    if not shares or not all(map(math.isfinite, shares.values())) or sum(shares.values()) == 0:
        return None
    return dict(sorted(shares.items(), key=lambda found: (-found[1], found[0])))


def _varies(key: str, cells: Sequence[CellRow]) -> bool:
    return len({str(cell.point[key]) for cell in cells if key in cell.point}) > 1
