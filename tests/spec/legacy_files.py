"""Experiment files of other programs: those of tests/files/legacy, and small ones written as text."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from nertune.spec.legacy import IMPORTERS, kind_of
from nertune.spec.legacy.completion import Given, complete
from nertune.spec.legacy.ledger import KeyRecord, Ledger, as_text
from nertune.spec.legacy.old_file import read_old_file

LEGACY = Path(__file__).parents[1] / "files" / "legacy"
EXAMPLES = {
    "gene-tagging": LEGACY / "exp_config.json",
    "cerebras": LEGACY / "cerebras.yaml",
    "pymarlin": LEGACY / "pymarlin.yaml",
    "functional-genomics": LEGACY / "functional_genomics.json",
}


def drafts(path: Path, given: Given | None = None) -> list[Ledger]:
    """The studies of a file, completed and closed; what is wrong is in `problems`."""
    old = read_old_file(path)
    found = IMPORTERS[str(kind_of(old.values))].convert(old)
    for ledger in found:
        complete(ledger, given or Given())
        ledger.problems = ledger.close()
    return found


def draft(path: Path, given: Given | None = None) -> Ledger:
    """The only study of a file."""
    (ledger,) = drafts(path, given)
    return ledger


def draft_of(folder: Path, name: str, text: str, given: Given | None = None) -> Ledger:
    """The only study of a file that holds this text."""
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return draft(path, given or Given(data_dir=folder, model="people/bert"))


def study(ledger: Ledger, *names: str) -> dict[str, Any]:
    """These keys of the study, flat; all of them without names."""
    found = {name: value for name, value in ledger.study.items() if not names or name in names}
    told: dict[str, Any] = as_text(found)
    return told


def record(ledger: Ledger, key: str) -> KeyRecord:
    """What became of a key."""
    (found,) = [one for one in ledger.records if one.key == key]
    return found


def fates(ledger: Ledger, fate: str) -> set[str]:
    return {one.key for one in ledger.records if one.fate == fate}
