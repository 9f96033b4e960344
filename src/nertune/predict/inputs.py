"""Where the text to predict for comes from: a file in any format that is read, a folder, or standard input."""

from __future__ import annotations

import codecs
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby, islice
from pathlib import Path
from typing import IO

from nertune.data.corpus import faults_of
from nertune.data.encodings import known_encoding
from nertune.data.examples import Task
from nertune.data.files import SplitFiles, files_in
from nertune.data.json_lines import first_items, is_json, open_json
from nertune.data.readers import READERS, find_format, recognised
from nertune.data.readers.hub import is_saved
from nertune.data.reading import read_items
from nertune.data.source import HEAD, Source, listed
from nertune.data.xml import is_xml
from nertune.errors import DataError, UserError, Where, closest
from nertune.hooks import is_hook
from nertune.predict.given import Given, given_item, given_lines, given_text
from nertune.predict.plain import PLAIN, find_text, given_json, keys_of, read_plain
from nertune.predict.table import is_table, read_table
from nertune.spec.study import DataSpec

AT_ONCE = 2000  # sentences or texts that are in memory at a time
BLOCK = 1 << 16  # bytes of standard input at a time: what a pipe holds
STANDARD_INPUT = Path("stdin")  # its name in messages
JSON, TABLE, TEXT, WORDS = "json", "table", "text", "words"
TABLES, JSONS = ("tsv", "csv"), ("jsonl", "jsonl-texts", "spans")  # formats that are read here without their labels
OWN = (*PLAIN, TABLE)
FEWEST_WORDS, MOST_ALONE = 2, 0.9  # a sentence has more words than this in the mean; of the lines have one word


def read_path(path: Path, *, data: DataSpec, task: Task, faults: list[UserError]) -> Iterator[list[Given]]:
    """The sentences or texts of a file, or of all files of a folder, AT_ONCE at a time.

    faults  gets what is wrong with single lines of JSON and of annotated files, while the others are read
    Raises  DataError for what cannot be read at all
    """
    given = _read_folder(path, data=data, task=task, faults=faults)
    while batch := list(islice(given, AT_ONCE)):
        yield batch


def read_stream(stream: IO[bytes], *, data: DataSpec, task: Task, faults: list[UserError]) -> Iterator[list[Given]]:
    """The sentences or texts of standard input: those whose lines have arrived, without waiting for more.

    A format that is told (`data.format`) and needs the whole file waits for the end.
    faults  as in `read_path`
    Raises  DataError at a line that cannot be read
    """
    if data.format not in ("auto", *PLAIN):
        yield from _read_whole(stream, data=data, task=task, faults=faults)
        return
    source, read, number = Source(STANDARD_INPUT, data), None, 0
    for lines in _arriving_lines(stream, source=source):
        if read is None:
            form = _form_of_lines(lines) if data.format == "auto" else data.format
            if form is None:
                number += len(lines)
                continue
            read = PLAIN[form].start(source, task)
        chunk = [given for place, line in enumerate(lines, number + 1) for given in read((place, line))]
        number += len(lines)
        if chunk:
            yield chunk
    if read is not None and (rest := read((number + 1, ""))):
        yield rest
    faults += faults_of(source)


def read_texts(texts: Sequence[str], *, data: DataSpec, task: Task) -> Iterator[list[Given]]:
    """Texts of a Python list, AT_ONCE at a time; their places are counted from 1."""
    for begin in range(0, len(texts), AT_ONCE):
        chunk: list[Given] = []
        for number, text in enumerate(texts[begin : begin + AT_ONCE], begin + 1):
            where = Where(Path("text"), number)
            one = [given_text(text, where=where)] if task == "sequence" else given_lines(text, where=where, data=data)
            chunk += one
        yield chunk


def known_forms() -> list[str]:
    """What `--format` may say."""
    return ["auto", *OWN, *READERS]


# ---- files


def _read_folder(path: Path, *, data: DataSpec, task: Task, faults: list[UserError]) -> Iterator[Given]:
    if not path.is_dir() or is_saved(path):
        yield from read_file(path, data=data, task=task, faults=faults)
        return
    inside = files_in(path)
    if not inside:
        raise DataError("the folder holds no file to read", where=Where(path), fix="Name a file, or another folder")
    for file in inside:
        yield from read_file(file, data=data, task=task, faults=faults)


def read_file(path: Path, *, data: DataSpec, task: Task, faults: list[UserError]) -> Iterator[Given]:
    """The sentences or texts of one file, or of a folder that `datasets` saved; none of an empty one."""
    source = Source(path, data)
    if path.is_file() and _is_empty(source):
        return
    form = find_form(source, task=task)
    if form == JSON:
        yield from _read_json(source, task=task, faults=faults)
    elif form == TABLE:
        yield from _read_texts(source, task=task)
    elif form in PLAIN:
        yield from read_plain(source.lines(), form=form, source=source, task=task)
        faults += faults_of(source)
    else:
        yield from _read_annotated(source, form=form, task=task, faults=faults)


def find_form(source: Source, *, task: Task) -> str:
    """How a file is read: a name of PLAIN or READERS, `table`, or the user's own reader.

    Raises  DataError for a name that nobody knows, or a file that cannot be read
    """
    wanted = source.data.format
    if wanted not in known_forms() and not is_hook(wanted):
        near = closest(wanted, known_forms())
        fix = f"Did you mean --format {near}?" if near else None
        raise source.problem(f"no format is named {wanted}; there are {', '.join(known_forms())}", fix=fix)
    if wanted in OWN or wanted in TABLES:
        return TABLE if wanted in TABLES else wanted
    if wanted in ("auto", *JSONS) and not source.path.is_dir() and _is_plain_json(source, task=task):
        return JSON
    return _recognise(source, task=task) if wanted == "auto" else wanted


def _recognise(source: Source, *, task: Task) -> str:
    """The format of a file; plain text where it looks like none."""
    if "text" in source.columns and not source.path.is_dir():
        return TABLE
    found = recognised(source)
    certain = [name for name in found if READERS[name].is_certain]
    if certain:
        return next((name for name in certain if task in READERS[name].tasks), certain[0])
    if is_xml(source) or is_json(source):
        return find_format("auto", source=source, task=task)  # which tells what is wrong
    if is_table(source) or (found and task == "sequence"):
        return TABLE
    source.check_is_text()
    return WORDS if task == "token" and _has_a_word_a_line(source.head_lines) else TEXT


def _is_empty(source: Source) -> bool:
    return source.path.stat().st_size <= HEAD and not source.head.strip("\ufeff \t\r\n")


def _is_plain_json(source: Source, *, task: Task) -> bool:
    """Whether most items of a JSON file have a text or words of their own, as no annotation tool hides them."""
    if not is_json(source):
        return False
    _, items = first_items(source)
    keys = keys_of(source)
    return 2 * sum(find_text(item, keys=keys, task=task) is not None for item in items) > len(items)


def _has_a_word_a_line(lines: Sequence[str]) -> bool:
    """Whether nearly all lines are single words, and empty lines part them into sentences."""
    runs = [len(list(run)) for is_filled, run in groupby(lines, key=lambda line: bool(line.strip())) if is_filled]
    filled = [line for line in lines if line.strip()]
    alone = sum(len(line.split()) == 1 for line in filled)
    return len(runs) > 1 and len(filled) > FEWEST_WORDS * len(runs) and alone >= MOST_ALONE * len(filled)


def _read_json(source: Source, *, task: Task, faults: list[UserError]) -> Iterator[Given]:
    keys = keys_of(source)
    for line, item in open_json(source).items:
        yield from given_json(item, line=line, source=source, task=task, keys=keys)
    faults += faults_of(source)


def _read_texts(source: Source, *, task: Task) -> Iterator[Given]:
    for line, text, pair in read_table(source):
        where = source.where(line)
        if task == "sequence":
            yield given_text(text, where=where, pair=pair)
        else:
            yield from given_lines(text, where=where, data=source.data)


def _read_annotated(source: Source, *, form: str, task: Task, faults: list[UserError]) -> Iterator[Given]:
    """What a reader finds; labels do not count, but a line that it cannot read is a fault."""
    files = SplitFiles(source.path.name, (source.path,))
    _, read, items = read_items(files, data=source.data.model_copy(update={"format": form}), task=None)
    for path, item in items:
        yield from given_item(item, path=path, data=source.data, task=task)
    faults += faults_of(read)


# ---- standard input


def _arriving_lines(stream: IO[bytes], *, source: Source) -> Iterator[list[str]]:
    """The lines that are complete, block by block; the last one when the stream has ended."""
    decoder = codecs.getincrementaldecoder(_encoding(source))(errors="strict")
    rest, n_lines = "", 0
    while True:
        block = _read_available(stream)
        try:
            text = decoder.decode(block, final=not block)
        except UnicodeDecodeError as error:
            line = n_lines + bytes(error.object)[: error.start].count(b"\n") + 1
            fix = "Say what it is, for example --set data.encoding=latin-1"
            raise source.problem(f"not {error.encoding}: {error.reason}", line=line, fix=fix) from None
        *lines, rest = (rest + text).split("\n")
        if not block and rest:
            lines.append(rest)
        if lines:
            n_lines += len(lines)
            yield [line.removesuffix("\r") for line in lines]
        if not block:
            return


def _read_available(stream: IO[bytes]) -> bytes:
    """What has arrived, at least one byte; nothing at the end."""
    read1 = getattr(stream, "read1", stream.read)
    block: bytes = read1(BLOCK)
    return block


def _encoding(source: Source) -> str:
    stated = source.data.encoding
    name = "utf-8" if stated is None else known_encoding(stated)
    if name is None:
        fix = "Write for example: --set data.encoding=latin-1"
        raise source.problem(f"data.encoding: there is no encoding {listed([str(stated)])}", fix=fix)
    return "utf-8-sig" if name == "utf-8" else name


def _form_of_lines(lines: Iterable[str]) -> str | None:
    """JSON Lines where the first line is an object, else text; None where there is nothing yet."""
    first = next((line.strip() for line in lines if line.strip()), None)
    return None if first is None else JSON if first.startswith("{") else TEXT


def _read_whole(stream: IO[bytes], *, data: DataSpec, task: Task, faults: list[UserError]) -> Iterator[list[Given]]:
    with tempfile.TemporaryDirectory(prefix="nertune-") as folder:
        path = Path(folder) / STANDARD_INPUT
        with path.open("wb") as file:
            shutil.copyfileobj(stream, file)
        yield from read_path(path, data=data, task=task, faults=faults)
