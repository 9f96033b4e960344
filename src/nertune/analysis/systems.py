"""What is compared: the predictions of a study's seeds, of one seed run, or of one file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from nertune.analysis.predictions import Predictions, check_same_texts, read_predictions
from nertune.errors import UserError, Where, shown_path
from nertune.results.files import read_json
from nertune.results.layout import StudyFolder
from nertune.results.seed_folders import PREFIXES, predictions_file
from nertune.spec.load import load_study

SplitName = Literal["dev", "test"]
STUDY_SUFFIXES = (".yaml", ".yml")
FILE_SUFFIXES = (".jsonl",)
WHAT = "Name a study file, a study's OUTPUT, a seed's folder, or a file test_predictions.jsonl"


@dataclass(frozen=True)
class System:
    """One setting's predictions of a split, a file for each training seed.

    seeds        of the files, in their order; None for a file that came without its folder
    fingerprint  sha256 of the data file of the split; None where it is not known
    recorded     the scores of each seed as its folder has them; {} where it has none
    objective    what the study was searched for
    sizes        the learning curve, as summary.json has it
    """

    name: str
    path: Path
    files: tuple[Predictions, ...]
    seeds: tuple[int | None, ...]
    fingerprint: str | None = None
    recorded: tuple[Mapping[str, float], ...] = ()
    objective: str | None = None
    sizes: Mapping[str, Any] = field(default_factory=dict)

    def has_seeds_of(self, other: System) -> bool:
        """Whether both have the same known seeds."""
        return None not in self.seeds and set(self.seeds) == set(other.seeds)


def read_system(path: Path, *, split: SplitName = "test") -> System:
    """The predictions that a study file, an OUTPUT, a seed's folder or a prediction file stands for.

    Raises  UserError where there is nothing of the kind, DataError for a file that is no prediction file
    """
    if not path.exists():
        raise UserError("there is no such file or folder", where=Where(path), fix=WHAT)
    if path.is_dir():
        return _of_folder(path, split=split)
    if path.suffix in STUDY_SUFFIXES:
        spec = load_study(path)
        if not StudyFolder(spec.output).summary.is_file():
            raise _without_seeds(spec.name, where=Where(path), study=shown_path(path))
        return _of_output(spec.output, split=split)
    if path.suffix in FILE_SUFFIXES:
        is_of_seed = path in [predictions_file(path.parent, split) for split in PREFIXES]
        name = path.absolute().parent.name if is_of_seed else path.stem
        return System(name, path, (read_predictions(path),), (None,))
    raise UserError("is neither a study file (.yaml) nor a prediction file (.jsonl)", where=Where(path), fix=WHAT)


def check_same_data(systems: Sequence[System]) -> None:
    """Refuse systems that were not scored on the same data.

    Raises  DataError at the first text whose gold differs, UserError where the data files are others
    """
    first = systems[0]
    for system in systems:
        is_same_file = system.fingerprint is not None and system.fingerprint == first.fingerprint
        check_same_texts([first.files[0], *system.files], with_places=not is_same_file)
        if None not in (system.fingerprint, first.fingerprint) and not is_same_file:
            raise UserError(
                f"the data of {system.name} are not those of {first.name}: labels and lines are the same, but the "
                f"file's sha256 is {str(system.fingerprint)[:12]}…, not {str(first.fingerprint)[:12]}…",
                where=Where(system.path),
                fix="Only scores of the same data can be compared; let both studies name the same file",
            )


def _of_folder(folder: Path, *, split: SplitName) -> System:
    if StudyFolder(folder).summary.is_file():
        return _of_output(folder, split=split)
    if predictions_file(folder, split).is_file() or (folder / "environment.json").is_file():
        seed, fingerprint = _environment(folder, split=split)
        file = _read(folder, split=split)
        return System(folder.name, folder, (file,), (seed,), fingerprint, (_recorded(folder, split=split),))
    if StudyFolder(folder).study.is_file() or StudyFolder(folder).best.is_file():
        raise _without_seeds(folder.name, where=Where(folder), study="STUDY")
    raise UserError("holds neither the seeds of a study nor predictions", where=Where(folder), fix=WHAT)


def _of_output(output: Path, *, split: SplitName) -> System:
    summary = _object(StudyFolder(output).summary)
    missing = [key for key in ("study", "folders", "objective") if key not in summary]
    if missing:
        fix = "Run nertune best-and-train again: it writes this file anew, and trains nothing that is there"
        raise UserError(f"has no {missing[0]!r}", where=Where(StudyFolder(output).summary), fix=fix)
    seeds = tuple(int(seed) for seed in summary["folders"])
    folders = [output / name for name in summary["folders"].values()]
    if not folders:
        raise _without_seeds(summary["study"], where=Where(output), study="STUDY")
    return System(
        name=summary["study"],
        path=output,
        files=tuple(_read(folder, split=split) for folder in folders),
        seeds=seeds,
        fingerprint=_environment(folders[0], split=split)[1],
        recorded=tuple(_recorded(folder, split=split) for folder in folders),
        objective=summary["objective"],
        sizes=summary.get("sizes", {}),
    )


def _without_seeds(name: str, *, where: Where, study: str) -> UserError:
    return UserError(f"{name} has no seed runs yet", where=where, fix=f"nertune best-and-train {study}")


def _read(folder: Path, *, split: SplitName) -> Predictions:
    path = predictions_file(folder, split)
    if not path.is_file():
        other: SplitName = "dev" if split == "test" else "test"
        fix = f"--split {other}" if predictions_file(folder, other).is_file() else WHAT
        raise UserError(
            f"the seed's folder holds no predictions of {split}: no {path.name}", where=Where(folder), fix=fix
        )
    return read_predictions(path)


def _environment(folder: Path, *, split: SplitName) -> tuple[int | None, str | None]:
    """Seed and fingerprint of the split's data, as environment.json has them."""
    path = folder / "environment.json"
    told = _object(path) if path.is_file() else {}
    return told.get("seed"), told.get("data", {}).get(split)


def _recorded(folder: Path, *, split: SplitName) -> Mapping[str, float]:
    prefix = PREFIXES[split]
    path = folder / f"{prefix}_results.json"
    told = _object(path) if path.is_file() else {}
    return {name.removeprefix(f"{prefix}_"): value for name, value in told.items() if isinstance(value, float)}


def _object(path: Path) -> Mapping[str, Any]:
    try:
        told = read_json(path)
    except ValueError:  # no JSON, or no UTF-8
        raise UserError("cannot be read as JSON", where=Where(path), fix=WHAT) from None
    if not isinstance(told, dict):
        raise UserError("holds no JSON object", where=Where(path), fix=WHAT)
    return told
