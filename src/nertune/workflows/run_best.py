"""`nertune best`: the best setting of a search so far, from the record."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from nertune.analysis.ranking import rank, rank_pruned
from nertune.errors import NoScoreError
from nertune.results.database import open_database
from nertune.results.layout import StudyFolder
from nertune.results.outcomes import SearchOutcome
from nertune.search.sampler import make_sampler
from nertune.spec.load import load_study
from nertune.workflows.search_cells import is_finished
from nertune.workflows.session import not_searched


def best(study_file: Path, *, edits: Sequence[str] = ()) -> SearchOutcome:
    """The ranked cells of a study, whether its search is finished or still running; changes nothing.

    Raises  StudyConflictError when there is no record, NoScoreError when no cell has a score yet
    """
    spec = load_study(study_file, edits=edits)
    database = open_database(spec.storage, must_exist=True)
    try:
        study = database.find_study(spec.name)
        if study is None:
            raise not_searched(spec, study_file)
        cells = database.cells(study, "search")
    finally:
        database.close()
    ranked = rank(cells, spec.search.objective)
    if not ranked:
        raise NoScoreError(f"no trial of {spec.name} has a score yet", fix=f"nertune search {study_file}")
    seconds = float(study.facts.get("search_seconds", 0.0))
    return SearchOutcome(
        spec=spec,
        cells=tuple(cells),
        ranked=tuple(ranked),
        pruned=tuple(rank_pruned(cells, spec.search.objective)),
        finished=is_finished(spec, cells, sampler=make_sampler(spec), seconds=seconds),
        seconds=seconds,
        facts=study.facts,
        best_file=StudyFolder(spec.output).best,
    )
