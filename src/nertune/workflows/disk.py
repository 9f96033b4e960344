"""How much room on disk a command needs: looked at, and said, before its first fit.

A further need is a further `Need` in `search_needs` or `seed_needs`.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nertune.errors import MAKE_ROOM, StoppedError, Where, shown_path
from nertune.protocols.kfold import averages_folds
from nertune.report.text import size_text
from nertune.results.database import sqlite_path
from nertune.results.layout import StudyFolder
from nertune.spec.space import some_points
from nertune.spec.study import StudySpec
from nertune.workflows.costs import MOST_POINTS, Costs

RECORD = 2 * 2**20  # bytes: the database, logs, tables
PARAMETER = 4  # bytes in a file of weights
CHECKPOINT_COPIES = 4  # of what learns: its weights, their two moments, the best so far
TOKENIZER_PIECE = 70  # bytes of a tokenizer's files for each of its pieces
SCORED_PIECE = 60  # bytes of the files of predictions for each piece of dev and test
SEED_FOLDER = 2**18  # bytes of all else in a seed folder
LEFT_FREE = 2**30  # bytes: what frozen layers give is kept only where as much stays free


@dataclass(frozen=True)
class Need:
    """Bytes that a command will write into a folder, and what they are."""

    what: str
    n_bytes: float
    folder: Path


def search_needs(spec: StudySpec, costs: Costs, *, model: Mapping[str, Any], n_paused: int) -> list[Need]:
    """What a search writes besides its encoded data.

    model     as `look` tells it
    n_paused  trials whose checkpoints lie there at a time
    """
    needs = [*_record_needs(spec), Need("frozen layers", _cache_bytes(spec, costs), spec.output)]
    if n_paused:
        size = model["n_learning"] * PARAMETER * CHECKPOINT_COPIES
        needs.append(Need("trials that pause", n_paused * size, spec.output))
    if spec.search.keep == "best":
        needs.append(Need("weights of trials", 2 * weights_bytes(model), spec.output))
    return needs


def seed_needs(spec: StudySpec, costs: Costs, *, model: Mapping[str, Any], n_models: int, n_folders: int) -> list[Need]:
    """What seed runs write.

    model      as `look` tells it
    n_models   that are on disk at a time, of seeds and candidates
    n_folders  of results to come
    """
    folders = _folder_needs(spec.output, costs, model=model, n_models=n_models, n_folders=n_folders)
    return [*_record_needs(spec), *folders]


def train_needs(folder: Path, costs: Costs, *, model: Mapping[str, Any]) -> list[Need]:
    """What a single fit writes."""
    return _folder_needs(folder, costs, model=model, n_models=1, n_folders=1)


def _folder_needs(folder: Path, costs: Costs, *, model: Mapping[str, Any], n_models: int, n_folders: int) -> list[Need]:
    results = costs.scored_pieces * SCORED_PIECE + SEED_FOLDER
    return [
        Need("weights", n_models * weights_bytes(model), folder),
        Need("tokenizers", n_models * model["n_pieces"] * TOKENIZER_PIECE, folder),
        Need("predictions", n_folders * results, folder),
    ]


def final_needs(spec: StudySpec, costs: Costs, *, model: Mapping[str, Any]) -> list[Need]:
    """The folders of all that best-and-train does; its record is that of the search."""
    n_seeds = len(spec.final.seeds)
    n_kept = n_seeds * (1 + (spec.final.candidates if keeps_candidates(spec) else 0))
    n_folders = n_kept + n_seeds * len({*spec.final.sizes} - {spec.data.size})
    n_models = n_kept * models_of_seed(spec)
    return _folder_needs(spec.output, costs, model=model, n_models=n_models, n_folders=n_folders)


def keeps_candidates(spec: StudySpec) -> bool:
    """Whether candidates have folders until the choice is made: not a single one, and not those of folds alone."""
    return spec.final.candidates > 1 and (spec.protocol.kfold is None or averages_folds(spec.protocol))


def models_of_seed(spec: StudySpec) -> int:
    """Models that a seed run leaves."""
    return spec.protocol.kfold or 1 if averages_folds(spec.protocol) else 1


def weights_bytes(model: Mapping[str, Any]) -> int:
    """Of a saved model: every parameter in fp32."""
    return int(model["n_parameters"]) * PARAMETER


def room_text(needs: Sequence[Need]) -> str:
    """`needs about 0.5 GiB in runs/x, 12.0 GiB free`: one part for each file system."""
    parts = (f"{_size_text(place)}, {size_text(free_bytes(place[0].folder))} free" for place in _by_file_system(needs))
    return f"needs {'; '.join(parts)}"


def check_room(needs: Sequence[Need]) -> str:
    """What `room_text` says.

    Raises  StoppedError where there is less room, as on a full disk: what there is so far is saved
    """
    for place in _by_file_system(needs):
        free, most = free_bytes(place[0].folder), max(place, key=lambda need: need.n_bytes)
        if sum(need.n_bytes for need in place) > free:
            raise StoppedError(
                f"the disk is too full: this needs {_size_text(place)}, of it {size_text(most.n_bytes)} for "
                f"{most.what}, and {size_text(free)} is free",
                where=Where(place[0].folder),
                fix=MAKE_ROOM,
            )
    return room_text(needs)


def free_bytes(folder: Path) -> int:
    """Free space where the folder is or will be."""
    return shutil.disk_usage(_existing(folder)).free


def _by_file_system(needs: Sequence[Need]) -> list[list[Need]]:
    """The needs of each file system."""
    found: dict[int, list[Need]] = {}
    for need in needs:
        found.setdefault(_existing(need.folder).stat().st_dev, []).append(need)
    return list(found.values())


def _size_text(place: Sequence[Need]) -> str:
    """Of one file system, told by the first folder that is named."""
    return f"about {size_text(sum(need.n_bytes for need in place))} in {shown_path(place[0].folder)}"


def _record_needs(spec: StudySpec) -> list[Need]:
    """The output folder first, which names its file system."""
    database = sqlite_path(spec.storage)
    needs = [Need("logs and tables", RECORD, spec.output)]
    return needs if database is None else [*needs, Need("the record", RECORD, database.parent)]


def _cache_bytes(spec: StudySpec, costs: Costs) -> float:
    """What frozen layers give, as far as the study and the disk have room: a fit that finds none goes without."""
    wanted = min(costs.cache_bytes(some_points(spec, most=MOST_POINTS)), spec.execute.frozen_cache * 2**30)
    there = sum(file.stat().st_size for file in StudyFolder(spec.output).encoded.glob("*/states-*"))
    return max(0.0, min(wanted - there, free_bytes(spec.output) - LEFT_FREE - 2 * RECORD))


def _existing(folder: Path) -> Path:
    return folder if folder.exists() else _existing(folder.parent)
