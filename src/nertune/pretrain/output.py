"""The output folder of a pretraining: built aside, put in place by renaming, recognised when the command comes again.

    OUTPUT/tokenizer/       the tokenizer
    OUTPUT/mlm/             config, weights, and the tokenizer again, so that the folder stands alone
    OUTPUT/pretrain.json    what decided the result (identity) and what came out (record); put in place last
    OUTPUT/.pretrain/       while it is being built; complete once it holds its own pretrain.json

Other things may lie in OUTPUT and are left alone.
"""

from __future__ import annotations

import fcntl
import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from nertune.errors import StudyConflictError, UserError, Where
from nertune.results.files import write_json

NOTE = "pretrain.json"
PARTS = ("tokenizer", "mlm", NOTE)
BUILDING = ".pretrain"
LOCK = ".pretrain.lock"


@contextmanager
def own(output_dir: Path) -> Iterator[None]:
    """Hold the folder against a second pretraining; first finish the renames of one that was killed among them.

    Raises   StudyConflictError if another process holds it, UserError if it cannot be a folder
    """
    if output_dir.exists() and not output_dir.is_dir():
        raise UserError("is a file, but must be a folder", where=Where(output_dir), fix="Name another --output-dir")
    output_dir.mkdir(parents=True, exist_ok=True)
    with (output_dir / LOCK).open("a") as lock:  # the kernel frees it with the process
        _lock(lock.fileno(), output_dir=output_dir)
        if (output_dir / BUILDING / NOTE).exists():
            put_in_place(output_dir)
        yield


@contextmanager
def building(output_dir: Path) -> Iterator[Path]:
    """An empty folder to build in. It is removed when anything goes wrong, and what stood there before stays."""
    folder = output_dir / BUILDING
    shutil.rmtree(folder, ignore_errors=True)  # left by a process that was killed
    folder.mkdir()
    try:
        yield folder
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


def read_note(output_dir: Path) -> dict[str, Any] | None:
    """What an earlier pretraining wrote about itself, or None when there was none or it cannot be read as such."""
    try:
        note = json.loads((output_dir / NOTE).read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return None
    return note if isinstance(note, dict) and {"identity", "record"} <= note.keys() else None


def write_note(folder: Path, *, identity: Mapping[str, Any], record: Mapping[str, Any]) -> None:
    """Write `pretrain.json` in the folder that is being built, which is complete from then on."""
    write_json(folder / NOTE, {"identity": identity, "record": record})


def is_complete(output_dir: Path) -> bool:
    return all((output_dir / part).exists() for part in PARTS)


def refuse_other(output_dir: Path, *, note: Mapping[str, Any] | None, identity: Mapping[str, Any]) -> None:
    """Raise StudyConflictError if the folder holds a model that is not the wanted one, saying what differs."""
    present = [part for part in PARTS if (output_dir / part).exists()]
    if not present:
        return
    if note is None:
        message = f"{present[0]} lies there already and was not made by nertune pretrain"
    elif different := changed_keys(note["identity"], identity):
        message = f"a model made differently lies there already ({', '.join(different)})"
    else:
        return  # the same model with a part missing: made again
    fix = "Name another --output-dir, or add --fresh: the old one is kept under a name with @1"
    raise StudyConflictError(message, where=Where(output_dir), fix=fix)


def changed_keys(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """`steps: 5 there, 10 now` for every key of the identity that differs."""
    keys = [key for key in {**old, **new} if old.get(key) != new.get(key)]
    return ["another corpus" if key == "corpus" else f"{key}: {old.get(key)} there, {new.get(key)} now" for key in keys]


def put_in_place(output_dir: Path) -> None:
    """Rename the finished parts into OUTPUT, the note last; what had their names is set aside, nothing is deleted.

    Can be killed and called again at any point.
    """
    built = output_dir / BUILDING
    _set_aside(output_dir / NOTE)  # first: without its note a half exchanged folder is never taken for a whole one
    for part in PARTS:
        if (built / part).exists():
            _set_aside(output_dir / part)
            (built / part).rename(output_dir / part)
    shutil.rmtree(built, ignore_errors=True)


def _set_aside(path: Path) -> None:
    if not path.exists():
        return
    n = 1
    while (aside := path.with_name(f"{path.name}@{n}")).exists():
        n += 1
    path.rename(aside)


def _lock(descriptor: int, *, output_dir: Path) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        fix = "Wait for it, or name another --output-dir"
        raise StudyConflictError("another nertune pretrain is writing here", where=Where(output_dir), fix=fix) from None
