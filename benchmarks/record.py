"""What the record of a study, searched in a folder of the benchmark, tells besides its scores."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from nertune.results.database import CellRow, Database, StudyRow, open_database
from nertune.results.layout import StudyFolder
from nertune.tasks.cache import META, open_encoded
from works import STUDY

CLOCK_S = 0.01  # by which a start that is told to the millisecond may seem to lie before the end that it waited for


@dataclass(frozen=True)
class Record:
    """How the fits of a search ran.

    slots      fits at a time
    threads    of each
    precision  bf16 or fp32
    pieces     of train, special ones included, padding not
    """

    slots: int
    threads: int
    precision: str
    pieces: int


def read_record(folder: Path) -> Record:
    """From the database and the encoded data of the study in this folder."""
    database = open_database(str(folder / "nertune.db"), must_exist=True)
    try:
        study = database.find_study(STUDY)
        assert study is not None
        slots = most_at_once(spans_of(database, database.cells(study, "search")))
        return Record(slots, study.facts["threads"], study.facts["precision"], count_pieces(output_of(study)))
    finally:
        database.close()


def spans_of(database: Database, cells: Sequence[CellRow]) -> list[tuple[float, float]]:
    """When each attempt at a cell began and ended, seconds."""
    attempts = [attempt for cell in cells for attempt in database.attempts(cell) if attempt["seconds"] is not None]
    begins = [datetime.fromisoformat(attempt["started"]).timestamp() for attempt in attempts]
    return [(begin, begin + attempt["seconds"]) for begin, attempt in zip(begins, attempts, strict=True)]


def most_at_once(spans: Sequence[tuple[float, float]]) -> int:
    return max(sum(begin <= moment < end - CLOCK_S for begin, end in spans) for moment, _ in spans)


def output_of(study: StudyRow) -> StudyFolder:
    return StudyFolder(Path(study.output))


def count_pieces(output: StudyFolder) -> int:
    """The pieces of train in the study's encoded data."""
    splits = [open_encoded(meta.parent) for meta in output.encoded.glob(f"*/{META}")]
    (train,) = (split for split in splits if split.name == "train")
    return int(train.windows.lengths.sum())
