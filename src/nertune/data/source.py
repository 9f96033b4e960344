"""One annotated file as text and lines, and what a reader makes of it."""

from __future__ import annotations

import hashlib
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from nertune.data.examples import SequenceExample
from nertune.errors import DataError, Where, closest, shown_path

BYTE_ORDER_MARK = b"\xef\xbb\xbf"
UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")

Column = str | int


@dataclass(frozen=True)
class Source:
    """The decoded text of one file, with the columns that the study file names.

    columns      what is read -> name or number of its column, for example {"text": "tweet"}
    fingerprint  sha256 (hex) of the file's bytes
    """

    path: Path
    text: str
    columns: Mapping[str, Column] = field(default_factory=dict)
    fingerprint: str = ""

    def lines(self) -> list[str]:
        """The lines without their ends. Only LF and CRLF end one: U+2028, U+0085 or a lone CR may stand in a word."""
        lines = self.text.split("\n")
        return [line.removesuffix("\r") for line in lines] if "\r" in self.text else lines

    def problem(self, message: str, *, line: int | None = None, fix: str | None = None) -> DataError:
        """A `DataError` at a line (from 1) of this file, not raised."""
        return DataError(message, where=Where(self.path, line), fix=fix)


@dataclass(frozen=True, slots=True)
class TaggedSentence:
    """Words with their raw tags, and the line (from 1) of each word."""

    words: tuple[str, ...]
    tags: tuple[str, ...]
    lines: Sequence[int]


@dataclass(frozen=True)
class Reading:
    """What a reader found: tagged sentences (token task) or texts (sequence task), notices by kind, and faults."""

    sentences: Sequence[TaggedSentence] = ()
    texts: Sequence[SequenceExample] = ()
    counts: Mapping[str, int] = field(default_factory=dict)
    problems: Sequence[DataError] = ()


def open_source(path: Path, *, columns: Mapping[str, Column]) -> Source:
    """The file's text; opened once, so that the fingerprint is of the very bytes that were read.

    Raises   DataError if the file is missing, unreadable, empty, or not UTF-8
    """
    content = _read_bytes(path)
    return Source(path, decode(content, path=path), columns, hashlib.sha256(content).hexdigest())


def decode(content: bytes, *, path: Path) -> str:
    """The text of UTF-8 bytes, with or without byte order mark.

    Raises   DataError with line, byte offset (from 0) and value of the first wrong byte
    """
    if content.startswith(UTF16_MARKS):
        raise DataError(
            "the file begins with the byte order mark of UTF-16; UTF-8 is needed",
            where=Where(path, 1),
            fix=_conversion(path, "UTF-16"),
        )
    try:
        return content.removeprefix(BYTE_ORDER_MARK).decode("utf-8")
    except UnicodeDecodeError as error:
        offset = error.start + len(BYTE_ORDER_MARK) * content.startswith(BYTE_ORDER_MARK)
    line = content.count(b"\n", 0, offset) + 1
    guess = quoted(content[offset : offset + 1].decode("latin-1"))
    raise DataError(
        f"byte 0x{content[offset]:02X} at offset {offset} of the file is not UTF-8 (in Latin-1 it would be {guess})",
        where=Where(path, line),
        fix=_conversion(path, "LATIN1"),
    )


def quoted(text: str, *, limit: int = 40) -> str:
    """The text in quotation marks for a message: control characters escaped, long texts cut."""
    shown = "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text[:limit])
    return f'"{shown}{"…" if len(text) > limit else ""}"'


def listed(names: Sequence[str], *, limit: int = 20) -> str:
    """Names for a message, the first `limit` of them."""
    more = f" and {len(names) - limit} more" if len(names) > limit else ""
    return ", ".join(quoted(name) for name in names[:limit]) + more


def check_column_keys(source: Source, *, known: Sequence[str]) -> list[DataError]:
    """Problems of `data.columns` keys that this format does not read."""
    return [
        source.problem(
            f"data.columns names {quoted(key)}, but this format reads {listed(known)}",
            fix=f"Write for example: columns: {{{closest(key, known) or known[0]}: {source.columns[key]}}}",
        )
        for key in source.columns
        if key not in known
    ]


def find_named_column(name: str, *, header: Sequence[str]) -> int | None:
    """The number of the column with this name, first as written, then without regard to case; None if there is none."""
    names = [cell.strip() for cell in header]
    if name in names:
        return names.index(name)
    folded = [cell.casefold() for cell in names]
    return folded.index(name.casefold()) if name.casefold() in folded else None


def missing_column(source: Source, *, key: str, name: str, header: Sequence[str], line: int) -> DataError:
    """The problem that no column of the header has the name that `data.columns` gives."""
    names = [cell.strip() for cell in header]
    return source.problem(
        f"no column is named {quoted(name)}; the columns are {listed(names)}",
        line=line,
        fix=f"Write for example: data: {{columns: {{{key}: {closest(name, names) or names[0]}}}}}",
    )


def _read_bytes(path: Path) -> bytes:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataError(f"the file cannot be read: {error.strerror}", where=Where(path), fix=_file_fix(path)) from None
    if not content.removeprefix(BYTE_ORDER_MARK):
        raise DataError("the file is empty", where=Where(path), fix="Name the file that holds the annotated text.")
    return content


def _file_fix(path: Path) -> str:
    beside = sorted(file.name for file in path.parent.iterdir()) if path.parent.is_dir() else []
    near = closest(path.name, beside)
    return (
        f"Did you mean {shown_path(path.with_name(near))}?"
        if near and near != path.name
        else "Check data in the study file."
    )


def _conversion(path: Path, encoding: str) -> str:
    name = shlex.quote(shown_path(path))
    return f"Convert it, for example: iconv -f {encoding} -t UTF-8 {name} > converted && mv converted {name}"
