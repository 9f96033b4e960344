"""Optuna's study beside our record: a view for everything that reads Optuna, made from our cells."""

from __future__ import annotations

from collections.abc import Sequence

import optuna
from optuna.storages import RDBStorage

from nertune.results.database import BUSY_TIMEOUT_MS, CellRow, schema_lock, sqlite_path, storage_url
from nertune.search.sampler import direction_of, distribution_of, frozen_trial
from nertune.spec.space import dimensions
from nertune.spec.study import StudySpec


class OptunaView:
    """The study as Optuna keeps it: cells are added by number, when final, so that trial and cell have one number."""

    def __init__(self, spec: StudySpec) -> None:
        self._spec = spec
        self._distributions = {d.key: distribution_of(d) for d in dimensions(spec)}
        options = {"timeout": BUSY_TIMEOUT_MS / 1000} if sqlite_path(spec.storage) else {}
        with schema_lock(spec.storage):
            self._storage = RDBStorage(storage_url(spec.storage), engine_kwargs={"connect_args": options})
        self._study = self._open()

    def show(self, cells: Sequence[CellRow]) -> None:
        """Add the cells that became final; begin anew when the view holds something else (a retried cell, say)."""
        shown = self._study.get_trials(deepcopy=False)
        final = _final_prefix(cells)
        wanted = [self._trial(cell) for cell in final]
        if not _agree(shown, wanted) or self._study.direction != direction_of(self._spec):
            optuna.delete_study(study_name=self._spec.name, storage=self._storage)
            self._study = self._open()
            shown = []
        for trial in wanted[len(shown) :]:
            self._study.add_trial(trial)

    def close(self) -> None:
        self._storage.engine.dispose()

    def _open(self) -> optuna.Study:
        """The study, made where there is none. Nobody else makes it: a study has one writer.

        Optuna's own `load_if_exists` tries to add it and relies on the index of names to refuse: a program that was
        killed while Optuna made its tables leaves them without that index, and every start would add another one.
        """
        name = self._spec.name
        if name in optuna.get_all_study_names(self._storage):
            return optuna.load_study(study_name=name, storage=self._storage)
        return optuna.create_study(study_name=name, storage=self._storage, direction=direction_of(self._spec))

    def _trial(self, cell: CellRow) -> optuna.trial.FrozenTrial:
        return frozen_trial(cell, spec=self._spec, distributions=self._distributions)


def _final_prefix(cells: Sequence[CellRow]) -> list[CellRow]:
    """Cells 0, 1, 2 … up to the first that is still open."""
    prefix: list[CellRow] = []
    for cell in cells:
        if cell.is_open:
            break
        prefix.append(cell)
    return prefix


def _agree(shown: Sequence[optuna.trial.FrozenTrial], wanted: Sequence[optuna.trial.FrozenTrial]) -> bool:
    return len(shown) <= len(wanted) and all(
        (old.state, old.values, old.params, old.distributions, old.intermediate_values)
        == (new.state, new.values, new.params, new.distributions, new.intermediate_values)
        for old, new in zip(shown, wanted, strict=False)
    )
