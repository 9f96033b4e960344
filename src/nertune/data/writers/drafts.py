"""Files and folders that are there whole or not at all: written under a temporary name, then renamed."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

from nertune.data.encodings import UTF8_MARK
from nertune.errors import DISK_FULL, DataError, NertuneError, StoppedError, Where

T = TypeVar("T")

BYTE_ORDER_MARK = UTF8_MARK.decode()


class Draft:
    """A UTF-8 file that is being written; line feeds and all other characters go in as they are."""

    def __init__(self, stream: BinaryIO, *, target: Path) -> None:
        self._stream, self._target, self._is_empty = stream, target, True

    def write(self, text: str, *, where: Where | None = None) -> None:
        """Add a text that came from `where`.

        Raises  DataError for half a character (a lone surrogate), which no UTF-8 file can hold; StoppedError when the
                disk is full
        """
        try:
            content = text.encode()
        except UnicodeEncodeError as error:
            raise _half_character(text[error.start], where=where) from None
        if self._is_empty and text.startswith(BYTE_ORDER_MARK):
            content = UTF8_MARK + content  # a reader drops the first one, and the text keeps its own
        self._is_empty = self._is_empty and not text
        _try(lambda: self._stream.write(content), target=self._target)


@contextmanager
def open_draft(target: Path) -> Iterator[Draft]:
    """A file that takes the place of `target` in one step when all went well; after an error nothing is left of it.

    Raises  DataError if there can be no such file
    """
    temporary = _temporary(target)
    _try(lambda: target.parent.mkdir(parents=True, exist_ok=True), target=target)
    stream = _try(lambda: temporary.open("wb"), target=target)
    try:
        yield Draft(stream, target=target)
        _try(stream.close, target=target)
        _try(lambda: temporary.replace(target), target=target)
    finally:
        with suppress(OSError):  # a disk that was full is full again, when the buffer is written
            stream.close()
        temporary.unlink(missing_ok=True)


@contextmanager
def open_folder(target: Path) -> Iterator[Path]:
    """A folder to fill that becomes `target` when all went well; after an error nothing is left of it.

    Raises  DataError if something else is there already: files of another time would be taken for these
    """
    if target.exists() and not (target.is_dir() and not any(target.iterdir())):
        what = (
            "the folder is not empty"
            if target.is_dir()
            else "there is a file of that name, and a folder is to be written"
        )
        raise DataError(what, where=Where(target), fix="Name a new folder.")
    temporary = _temporary(target)
    _try(lambda: temporary.mkdir(parents=True), target=target)
    try:
        yield temporary
        _try(lambda: temporary.replace(target), target=target)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


@contextmanager
def writing_to(target: Path) -> Iterator[None]:
    """Tells what cannot be written there as a user's problem, not as ours.

    Raises  DataError, or StoppedError when the disk is full
    """
    try:
        yield
    except OSError as error:
        raise _unwritable(error, target=target) from None


@contextmanager
def open_spool() -> Iterator[Spool]:
    """A temporary file for what can be written only when all of it was seen."""
    folder = Path(tempfile.gettempdir())
    with writing_to(folder):
        stream = tempfile.TemporaryFile("w+", encoding="ascii", newline="\n")  # noqa: SIM115  # closed below
    try:
        yield Spool(stream)
    finally:
        with suppress(OSError):  # as in `open_draft`
            stream.close()


class Spool:
    """JSON values, one a line: all are added first, then all are read."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def add(self, value: object) -> None:
        _try(lambda: self._stream.write(f"{json.dumps(value)}\n"), target=Path(tempfile.gettempdir()))

    def __iter__(self) -> Iterator[Any]:
        _try(self._stream.flush, target=Path(tempfile.gettempdir()))
        self._stream.seek(0)
        return map(json.loads, self._stream)


def _temporary(target: Path) -> Path:
    return target.with_name(f".{target.name}{_part_ending()}")


def _part_ending() -> str:
    return f".{os.getpid()}.part"


def _final(target: Path) -> Path:
    """A path in a folder that is being filled, by the name that the folder will have; any other path as it is."""
    part = next((parent for parent in target.parents if parent.name.endswith(_part_ending())), None)
    if part is None:
        return target
    return part.with_name(part.name[1:].removesuffix(_part_ending())) / target.relative_to(part)


def _try(action: Callable[[], T], *, target: Path) -> T:
    try:
        return action()
    except OSError as error:
        raise _unwritable(error, target=target) from None


def _unwritable(error: OSError, *, target: Path) -> NertuneError:
    what = f"cannot be written: {error.strerror or error}"
    target = _final(target)
    if error.errno in DISK_FULL:
        return StoppedError(what, where=Where(target), fix="Make room there, then type the same command again.")
    return DataError(what, where=Where(target), fix="Name another place to write to.")


def _half_character(char: str, *, where: Where | None) -> DataError:
    message = f"the text holds half a character (U+{ord(char):04X}), which cannot be written as UTF-8"
    return DataError(message, where=where, fix="Correct the text, then type the same command again.")
