"""The plain text that a model is pretrained on: one file, or a folder of `*.txt`."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from nertune.errors import DataError, Where

BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True)
class PlainText:
    """Lines without their ends and without blank ones, and the sha256 (hex) of all bytes read."""

    lines: tuple[str, ...]
    fingerprint: str


def read_text(corpus: Path) -> PlainText:
    """The lines of a file, or of every `*.txt` directly in a folder, in the order of the names.

    Raises   DataError if nothing is there, if no line has text, or, with file and line, at a byte that is not UTF-8
    """
    digest = hashlib.sha256()
    lines: list[str] = []
    for path in text_files(corpus):
        raw = path.read_bytes()
        digest.update(raw)
        lines += read_lines(raw, path=path)
    if not lines:
        raise DataError(
            "no line with text", where=Where(corpus), fix="Give a UTF-8 file with a sentence or more a line"
        )
    return PlainText(tuple(lines), digest.hexdigest())


def text_files(corpus: Path) -> list[Path]:
    """The file itself, or the `*.txt` of the folder, sorted by name."""
    if corpus.is_file():
        return [corpus]
    if not corpus.is_dir():
        raise DataError("no such file or folder", where=Where(corpus), fix="Give a text file, or a folder of *.txt")
    found = sorted(path for path in corpus.glob("*.txt") if path.is_file())
    if not found:
        raise DataError("no *.txt in this folder", where=Where(corpus), fix="Name the file itself if it ends otherwise")
    return found


def read_lines(raw: bytes, *, path: Path) -> list[str]:
    """The lines that hold more than blanks. Only `\\n` and `\\r\\n` end a line, as in every file nertune reads."""
    rows = raw.removeprefix(BOM).split(b"\n")
    lines = [decode(row, where=Where(path, number)).strip() for number, row in enumerate(rows, start=1)]
    return [line for line in lines if line]


def decode(row: bytes, *, where: Where) -> str:
    try:
        return row.decode("utf-8")
    except UnicodeDecodeError as error:
        byte = row[error.start]
        message = f"byte 0x{byte:02x} at position {error.start + 1} is not UTF-8"
        fix = f"If the file is Latin-1: iconv -f LATIN1 -t UTF-8 {where.path.name} > new.txt"
        raise DataError(message, where=where, fix=fix) from None
