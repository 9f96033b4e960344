"""The best setting: the file that carries the choice to best-and-train."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nertune.analysis.ranking import objective_value
from nertune.errors import StudyConflictError, Where
from nertune.results.database import CellRow
from nertune.results.files import write_text
from nertune.spec.fingerprint import point_id, setting_digest
from nertune.spec.load import dump_study, load_study
from nertune.spec.space import apply_point, get_at
from nertune.spec.study import StudySpec


@dataclass(frozen=True)
class BestSetting:
    """The setting that best-and-train refits.

    point           searched keys, and any other key of model or train that was edited by hand
    point_id        what the fits are named and found by
    cell            number of the cell it comes from; None after an edit
    edited_by_hand  best.yaml no longer holds what the search wrote
    """

    spec: StudySpec
    point: Mapping[str, Any]
    point_id: str
    cell: int | None
    edited_by_hand: bool


def write_best(spec: StudySpec, cell: CellRow, *, path: Path) -> str:
    """Write the chosen setting as a study file without ranges; its digest, by which an edit is noticed."""
    chosen = apply_point(spec, cell.point)
    score = objective_value(cell, spec.search.objective)
    head = (
        f"# Best setting of the search {spec.name}: {spec.search.objective} {score:.4f} on dev, cell {cell.number}.\n"
        "# best-and-train reads this file. Edit it to refit another setting: that is said, and marked in the results.\n"
    )
    write_text(path, head + dump_study(chosen, folder=path.parent))
    return setting_digest(chosen)


def is_torn(path: Path, written: Mapping[str, Any]) -> bool:
    """Whether best.yaml is only the beginning of what the search wrote: no edit, but a disk that lost the rest."""
    whole, found = written.get("text", "").encode(), path.read_bytes()
    return len(found) < len(whole) and whole.startswith(found)


def read_best(path: Path, *, study: StudySpec, written: Mapping[str, Any]) -> BestSetting:
    """The setting that best.yaml holds.

    written  what the record says of it: `digest`, `cell` and `text`
    Raises   StudyConflictError when the file is missing or torn, holds ranges or another study
    """
    if not path.exists():
        raise StudyConflictError(
            "there is no best setting yet", where=Where(path), fix="nertune search STUDY   finds it"
        )
    if is_torn(path, written):
        raise StudyConflictError(
            "is torn: it ends in the middle of what the search wrote",
            where=Where(path),
            fix="nertune search STUDY   writes it anew",
        )
    chosen = load_study(path)
    if chosen.name != study.name or chosen.task != study.task:
        raise StudyConflictError(f"holds the setting of {chosen.name}, not of {study.name}", where=Where(path))
    if chosen.search.space:
        raise StudyConflictError(
            "holds ranges, where best-and-train needs values", where=Where(path), fix="Write search: {space: {}}"
        )
    edited = setting_digest(chosen) != written.get("digest")
    point = point_of(chosen, study)
    return BestSetting(
        spec=chosen,
        point=point,
        point_id=point_id(chosen, {}),
        cell=None if edited else written.get("cell"),
        edited_by_hand=edited,
    )


def point_of(chosen: StudySpec, study: StudySpec) -> dict[str, Any]:
    """Values of the searched keys, and of whatever else in model and train differs from the study."""
    new, base = chosen.model_dump(mode="json"), study.model_dump(mode="json")
    changed = [
        f"{section}.{name}"
        for section in ("model", "train")
        for name in new[section]
        if new[section][name] != base[section][name] and name != "problem"
    ]
    if new["data"]["size"] != base["data"]["size"]:
        changed.append("data.size")
    in_space = {key for key in study.search.space if not key.startswith("model.config.")}
    keys = [*study.search.space, *(key for key in changed if key not in in_space)]
    if any(key.startswith("model.config.") for key in study.search.space) and "model.config" in keys:
        keys.remove("model.config")
    return {key: get_at(new, key) for key in keys}
