"""One annotated file as it streams in: its text and lines, and what its reader noticed or found wrong."""

from __future__ import annotations

import codecs
import hashlib
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from nertune.data.encodings import WIDE, is_binary, known_encoding, marked_encoding, unmarked_encoding, what_else
from nertune.data.notices import Notices
from nertune.errors import DataError, Where, closest, shown_path
from nertune.spec.study import DataSpec

BLOCK = 1 << 20  # bytes read at a time
HEAD = 1 << 16  # bytes that are looked at to recognise a format
LONGEST_HEAD = 1 << 20  # the same where the first lines are longer than that
FEWEST_LINES = 4  # of the head
SHOWN_FAULTS = 20  # of one split; the rest is counted

Column = str | int


@dataclass(frozen=True, slots=True)
class TaggedSentence:
    """Words with their raw tags, and the line (from 1) of each word.

    tags  as the file has them; several tags of one word are joined with `SEVERAL`
    """

    words: tuple[str, ...]
    tags: tuple[str, ...]
    lines: Sequence[int]
    document: str | None = None


@dataclass(frozen=True, slots=True)
class LabelledText:
    """A text and what stands as its label.

    labels   its classes
    line     where it begins, from 1
    pair     the second text of a pair
    is_cell  `labels` is one cell as it was written, in which several labels may stand
    """

    text: str
    labels: tuple[str, ...]
    line: int
    pair: str | None = None
    document: str | None = None
    is_cell: bool = False


PLURAL_LABEL = "plural label"  # key in `Source.found`: whether the column of the label cells is called `labels`
SEVERAL = "\x1f"  # between the tags of one word that come from several columns: no file has it in a tag


@dataclass
class Faults:
    """What is wrong with a split: the first faults, and the number of the others."""

    shown: list[DataError] = field(default_factory=list)
    n_more: int = 0
    next_place: Where | None = None

    def add(self, fault: DataError) -> None:
        if len(self.shown) < SHOWN_FAULTS:
            self.shown.append(fault)
            return
        self.n_more += 1
        self.next_place = self.next_place or fault.where

    def __bool__(self) -> bool:
        return bool(self.shown)


@dataclass
class Source:
    """One annotated file. A reader takes its `lines()` or `text()`, and tells what it meets.

    path       the file; for `datasets` the saved folder, or the name on the hub
    data       the study file's section: columns, quoting, encoding …
    encodings  tried in this order where neither `data.encoding` nor a byte order mark says which
    split      the split that is read, for readers that need its name
    found      what the reader of the corpus' first table found out about it, for its other tables; all sources share it
    """

    path: Path
    data: DataSpec = field(default_factory=DataSpec)
    encodings: tuple[str, ...] = ("utf-8",)
    split: str = ""
    notices: Notices = field(default_factory=Notices)
    faults: Faults = field(default_factory=Faults)
    digests: list[str] = field(default_factory=list)
    found: dict[str, object] = field(default_factory=dict)

    @property
    def columns(self) -> Mapping[str, Column | tuple[Column, ...]]:
        """What is read -> name or number of its column, for example {"text": "tweet"}."""
        return self.data.columns or {}

    def lines(self) -> Iterator[str]:
        """The lines without their ends. LF and CRLF end one; U+2028, U+0085 or a lone CR may stand in a word.

        Where a file has no LF in its first block but CRs, CR ends its lines.
        Raises  DataError if the file cannot be read or decoded, or is empty
        """
        unended: list[str] = []  # the beginning of a line that goes on in the next block
        end = ""
        for text in self._decoded():
            if not end:
                end = "\r" if "\n" not in text and "\r" in text.rstrip("\r") else "\n"
                if end == "\r":
                    self.notice("cr-line-ends", line=1)
            first, *others = text.split(end)
            unended.append(first)
            if others:
                yield "".join(unended).rstrip("\r")
                unended = [others.pop()]
                if end == "\n" and "\r" in text:
                    yield from (line.rstrip("\r") for line in others)
                else:
                    yield from others
        if last := "".join(unended):
            yield last.rstrip("\r")

    def text(self) -> str:
        """All of the text, as it stands.

        Raises  as `lines`
        """
        return "".join(self._decoded())

    def beside(self, path: Path) -> Source:
        """Another file that belongs to this one; what is noticed there is noticed here."""
        return Source(
            path,
            self.data,
            encodings=self.encodings,
            split=self.split,
            notices=self.notices,
            faults=self.faults,
            digests=self.digests,
            found=self.found,
        )

    @property
    def fingerprint(self) -> str:
        """sha256 (hex) of the bytes that were read: of a single file, the file's own."""
        if len(self.digests) == 1:
            return self.digests[0]
        return hashlib.sha256("".join(self.digests).encode()).hexdigest()

    def where(self, line: int | None = None) -> Where:
        return Where(self.path, line)

    def problem(self, message: str, *, line: int | None = None, fix: str | None = None) -> DataError:
        """A `DataError` at a line (from 1) of this file, neither raised nor kept."""
        return DataError(message, where=self.where(line), fix=fix)

    def fault(self, message: str, *, line: int | None = None, fix: str | None = None) -> None:
        """Keep what is wrong with a line, so that all faults of a file are told at once; the reader goes on."""
        self.faults.add(self.problem(message, line=line, fix=fix))

    def notice(self, kind: str, *, line: int | None = None, detail: str = "", n: int = 1) -> None:
        """Count something that is read all the same; `kind` is a key of `notices.KINDS`."""
        self.notices.add(kind, self.where(line), detail, n=n)

    @cached_property
    def encoding(self) -> str:
        """What the bytes are decoded as: what `data.encoding` or the byte order mark says, else UTF-8.

        Raises  DataError for an encoding that Python does not know, or that the first bytes contradict
        """
        marked = marked_encoding(self._head_bytes)
        if self.data.encoding is not None:
            return self._stated_encoding(self.data.encoding, marked=marked)
        if marked is not None:
            return marked
        return "utf-8-sig" if len(self.encodings) == 1 else self._first_that_decodes()

    def check_is_text(self) -> None:
        """Raise DataError for a file that is empty, compressed, in UTF-16 without saying so, or otherwise no text."""
        head, fix = self._head_bytes, "Name the file that holds the annotated text."
        if (what := what_else(head)) is not None:
            fix = f"Unpack it: gunzip {shlex.quote(shown_path(self.path))}" if what.endswith("gzip") else fix
            raise self.problem(f"the file is {what}", fix=fix)
        if self.data.encoding is None and marked_encoding(head) is None and is_binary(head):
            wide = unmarked_encoding(head)
            if wide is None:
                raise self.problem("the file is no text: control characters stand all over it", fix=fix)
            fix = f"Say what it is: data: {{encoding: {wide}}}"
            raise self.problem("the file looks like UTF-16, but does not begin with a byte order mark", fix=fix)
        if not self.head:
            raise self.problem("the file is empty", fix=fix)

    @cached_property
    def head(self) -> str:
        """The first 64 KB, decoded as well as it goes: enough to recognise a format."""
        decoder = codecs.getincrementaldecoder(self.encoding)(errors="replace")
        return decoder.decode(self._head_bytes)

    @cached_property
    def head_lines(self) -> list[str]:
        """The whole lines of `head`, without their ends."""
        end = "\r" if "\n" not in self.head and "\r" in self.head.rstrip("\r") else "\n"
        lines = [line.rstrip("\r") for line in self.head.split(end)]
        is_whole = len(self._head_bytes) % HEAD or not self._head_bytes
        return lines if is_whole or len(lines) == 1 else lines[:-1]

    @cached_property
    def _head_bytes(self) -> bytes:
        try:
            with self.path.open("rb") as stream:
                head = stream.read(HEAD)
                while len(head) < LONGEST_HEAD and head.count(b"\n") + head.count(b"\r") < FEWEST_LINES:
                    more = stream.read(HEAD)
                    if not more:
                        break
                    head += more
        except OSError as error:
            raise self._unreadable(error) from None
        return head

    def _stated_encoding(self, stated: str, *, marked: str | None) -> str:
        name = known_encoding(stated)
        if name is None:
            fix = "Write for example: data: {encoding: latin-1}"
            raise self.problem(f"data.encoding: there is no encoding {quoted(stated)}", fix=fix)
        if marked is not None and name.startswith(marked):
            return marked  # which takes the mark off, as utf-16-le does not
        if name not in WIDE or not self._head_bytes:
            return "utf-8-sig" if name == "utf-8" else name
        found = unmarked_encoding(self._head_bytes)
        if found is None or not found.startswith(name):
            fix = f"Take data.encoding out, or write {name}-le or {name}-be"
            raise self.problem(f"data.encoding is {stated}, but no byte order mark begins the file", fix=fix)
        return found

    def _first_that_decodes(self) -> str:
        for name in self.encodings[:-1]:
            try:
                for _ in self._blocks(name, is_kept=False):
                    pass
            except UnicodeDecodeError:
                continue
            return "utf-8-sig" if name == "utf-8" else name
        self.notice("decoded-otherwise", line=1)
        return self.encodings[-1]

    def _decoded(self) -> Iterator[str]:
        """The text in blocks, decoded strictly; the digest is of the very bytes that were read."""
        self.check_is_text()
        yield from self._blocks(self.encoding, is_kept=True)

    def _blocks(self, encoding: str, *, is_kept: bool) -> Iterator[str]:
        digest, decoder = hashlib.sha256(), codecs.getincrementaldecoder(encoding)(errors="strict")
        n_read, n_lines = 0, 0
        try:
            stream = self.path.open("rb")
        except OSError as error:
            raise self._unreadable(error) from None
        with stream:
            while True:
                try:
                    block = stream.read(BLOCK)
                except OSError as error:
                    raise self._unreadable(error) from None
                digest.update(block)
                n_read += len(block)
                try:
                    text = decoder.decode(block, final=not block)
                except UnicodeDecodeError as error:
                    if not is_kept:
                        raise
                    raise self._wrong_byte(error, n_read=n_read, n_lines=n_lines, encoding=encoding) from None
                if text:
                    yield text
                    n_lines += text.count("\n")
                if not block:
                    break
        if is_kept:
            self.digests.append(digest.hexdigest())

    def _wrong_byte(self, error: UnicodeDecodeError, *, n_read: int, n_lines: int, encoding: str) -> DataError:
        """Line, offset (from 0) and value of the first byte that is not what the file should hold."""
        content = bytes(error.object)
        offset = n_read - len(content) + error.start
        line = n_lines + content[: error.start].decode(encoding, errors="ignore").count("\n") + 1
        name = "UTF-8" if encoding == "utf-8-sig" else encoding
        if error.start >= len(content) or error.reason == "truncated data":  # of UTF-16 and UTF-32
            fix = "Copy or export it again: its end is missing."
            return self.problem(f"the file ends in the middle of a character ({name})", line=line, fix=fix)
        byte = content[error.start]
        if self.data.encoding is not None or encoding.startswith(WIDE):
            message = f"byte 0x{byte:02X} at offset {offset} of the file is not {name}"
            return self.problem(message, line=line, fix="Correct data.encoding, or take it out: null is UTF-8.")
        guess = quoted(bytes([byte]).decode("latin-1"))
        return self.problem(
            f"byte 0x{byte:02X} at offset {offset} of the file is not {name} (in Latin-1 it would be {guess})",
            line=line,
            fix=f"Say what it is, for example: data: {{encoding: latin-1}}, or convert it: {_conversion(self.path)}",
        )

    def _unreadable(self, error: OSError) -> DataError:
        return self.problem(f"the file cannot be read: {error.strerror}", fix=_file_fix(self.path))


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


def _file_fix(path: Path) -> str:
    beside = sorted(file.name for file in path.parent.iterdir()) if path.parent.is_dir() else []
    near = closest(path.name, beside)
    return (
        f"Did you mean {shown_path(path.with_name(near))}?"
        if near and near != path.name
        else "Check data in the study file."
    )


def _conversion(path: Path) -> str:
    name = shlex.quote(shown_path(path))
    return f"iconv -f LATIN1 -t UTF-8 {name} > converted && mv converted {name}"
