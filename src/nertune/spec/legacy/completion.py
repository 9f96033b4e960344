"""What a study needs, beside what the old file says: where the data are, which encoder, which search."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from nertune.spec.legacy.ledger import Ledger
from nertune.spec.legacy.old_file import is_there

DATA_KEYS = ("data.dir", "data.train", "data.dev", "data.test")
SHARE = 0.1  # of train, for a split that the old program did not have


@dataclass(frozen=True)
class Given:
    """What the command line says of every study that is made.

    data_dir  folder with train, dev and test, or with the folders that the old file tells apart
    model     folder of a saved model, or hub id
    """

    data_dir: Path | None = None
    model: str | None = None


def complete(ledger: Ledger, given: Given) -> None:
    """Add what is given and what is missing; a fault is kept where nothing can be added."""
    ledger.study = {"nertune": 1, **ledger.study}
    _complete_data(ledger, given.data_dir)
    _complete_model(ledger, given.model)
    ledger.add("search.space", {}, "one setting: what a search would try stands here")


def _complete_data(ledger: Ledger, data_dir: Path | None) -> None:
    if data_dir is not None:
        ledger.replace(DATA_KEYS, reason="--data-dir says where the data are")
        ledger.study["data.dir"] = _folder_in(data_dir, ledger.subfolder)
        return
    if not any(key in ledger.study for key in DATA_KEYS):
        fix = "Give the folder with train, dev and test: --data-dir FOLDER"
        ledger.refuse(f"{ledger.title} does not say where its data are", fix=fix)
    if "data.train" in ledger.study:
        draw_missing_splits(ledger, found=[key.removeprefix("data.") for key in DATA_KEYS if key in ledger.study])


def draw_missing_splits(ledger: Ledger, *, found: Collection[str]) -> None:
    """Let dev and test be taken out of train, where nothing else is them: best-and-train scores a test set.

    found   splits that there are
    """
    wanted = ("test",) if "protocol.kfold" in ledger.study else ("dev", "test")
    for split in wanted:
        if split not in found:
            ledger.add(f"data.split.{split}", SHARE, f"nothing else is {split}")


def _folder_in(data_dir: Path, subfolder: Path | None) -> Path:
    folder = data_dir.absolute()
    return folder / subfolder if subfolder is not None and is_there(folder / subfolder) else folder


def _complete_model(ledger: Ledger, model: str | None) -> None:
    if model is not None:
        ledger.replace(("model.base", "model.tokenizer"), reason="--model says which encoder")
        path = Path(model).expanduser()
        looks_local = path.exists() or model.startswith((".", "/", "~")) or model.count("/") > 1
        ledger.study["model.base"] = path.absolute() if looks_local else model
    elif "model.base" not in ledger.study:
        fix = "Give the folder of a saved model, or a hub id: --model MODEL"
        ledger.refuse(f"{ledger.title} names no encoder", fix=fix)
