"""What every reader keeps to: any bytes are sound items, or a fault with its place; nothing else, and not for ever."""

from __future__ import annotations

import re
import signal
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from types import FrameType

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nertune import cli
from nertune.data.corpus import read_files
from nertune.data.documents import Document
from nertune.data.examples import SequenceExample, TokenExample
from nertune.data.files import SplitFiles
from nertune.data.notices import KINDS
from nertune.data.readers import READERS, recognised
from nertune.data.source import LabelledText, Source, TaggedSentence
from nertune.errors import DataError, Problems, UserError, Where
from nertune.spec.study import DataSpec

FILES = Path(__file__).parent.parent / "files"
TIME_LIMIT_S = 20  # for what takes milliseconds

# The folder of a file names its format, but for JSON; companions, and what nothing recognises, have none.
JSON_FORMATS = {
    "spans": "doccano doccano_relations label_studio label_studio_min own prodigy spacy spacy_classes",
    "jsonl": "dygie gliner spacy2 spert token_ids tokens",
    "jsonl-texts": "texts",
}
COMPANIONS = {"label2id.json", "note.dtd", "train.tags"}
NOT_ANNOTATED = {"hooks", "legacy"}  # other kinds of files
NOT_RECOGNISED = {"pubtator/bad.txt"}  # its third line belongs to no document


def seed_files() -> dict[Path, str]:
    """Each annotated file, and its format."""
    by_stem = {stem: name for name, stems in JSON_FORMATS.items() for stem in stems.split()}
    files = [path for path in sorted(FILES.rglob("*")) if path.is_file() and path.name not in COMPANIONS]
    files = [path for path in files if path.relative_to(FILES).parts[0] not in NOT_ANNOTATED]
    return {
        path: by_stem[path.stem] if path.parent.name == "json" else path.relative_to(FILES).parts[0] for path in files
    }


SEEDS = seed_files()


# ---- recognising


@pytest.mark.parametrize("path", SEEDS, ids=lambda path: str(path.relative_to(FILES)))
def test_each_file_is_recognised_as_what_it_is_and_as_nothing_else(path):
    found = recognised(Source(path))
    certain = [name for name in found if READERS[name].is_certain]
    if path.relative_to(FILES).as_posix() in NOT_RECOGNISED:
        assert found == []
    elif READERS[SEEDS[path]].is_certain:
        assert certain == [SEEDS[path]]
    else:
        assert (certain, found[0]) == ([], SEEDS[path])


def test_every_format_has_a_file():
    assert set(SEEDS.values()) == READERS.keys() - {"datasets"}  # which are folders, see test_hub.py
    assert len(SEEDS) > 40


def test_every_format_is_named_with_what_it_holds(capsys, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["nertune", "data", "formats"])
    with pytest.raises(SystemExit, match=r"^0$"):
        cli.main()
    told = capsys.readouterr().out.partition("Written")[0]
    for name, form in READERS.items():
        assert re.search(rf"^{name} .* {re.escape(form.holds)}$", told, re.MULTILINE)


# ---- what is read


@contextmanager
def time_limit(seconds: float = TIME_LIMIT_S) -> Iterator[None]:
    """Ends what goes on for ever, by the time of this process alone: a machine that does other things is no fault."""

    def end(_: int, __: FrameType | None) -> None:
        raise AssertionError(f"it takes longer than {seconds} s")

    before = signal.signal(signal.SIGPROF, end)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


def is_text(*values: str | None) -> bool:
    """Whether these are texts without halves of characters, which no file of UTF-8 could hold."""
    return all(value is None or (isinstance(value, str) and is_whole(value)) for value in values)


def is_whole(value: str) -> bool:
    return value.encode("utf-8", "ignore").decode() == value


def check_sentence(item: TaggedSentence) -> None:
    assert len(item.words) == len(item.tags) == len(item.lines) > 0
    assert is_text(*item.words, *item.tags, item.document)
    assert all(item.tags)
    assert item.lines[0] > 0
    assert all(before <= line for before, line in pairwise(item.lines))


def check_document(item: Document) -> None:
    assert is_text(item.id, item.text)
    for entity in item.entities:
        assert entity.label
        assert is_text(entity.label, entity.id, entity.note, entity.text)
        offsets = [offset for part in entity.parts for offset in part]
        assert all(start < end for start, end in entity.parts)
        assert 0 <= min(offsets) <= max(offsets) <= len(item.text)
        assert list(entity.parts) == sorted(entity.parts)
        check_where(entity.where)
    if item.words is not None:
        assert all(start < end <= len(item.text) for start, end in item.words)
        assert all(before[1] <= word[0] for before, word in pairwise(item.words))
    for relation in item.relations:
        assert relation.label
        assert is_text(relation.label, relation.id, *(text for pair in relation.arguments for text in pair))
    check_where(item.where)


def check_text(item: LabelledText) -> None:
    assert is_text(item.text, item.pair, item.document, *item.labels)
    assert item.line > 0
    assert not item.is_cell or len(item.labels) == 1


CHECKS = {TaggedSentence: check_sentence, Document: check_document, LabelledText: check_text}


def check_example(example: TokenExample | SequenceExample) -> None:
    check_where(example.where)
    if isinstance(example, SequenceExample):
        assert all(example.labels)
        return
    assert example.words
    assert all(span.label and 0 <= span.start < span.end <= len(example.words) for span in example.spans)
    assert list(example.spans) == sorted(example.spans, key=lambda span: (span.start, span.end, span.label))


def check_where(where: Where | None) -> None:
    """The place is in a file that is there, and in one of its lines or just behind them."""
    assert where is not None
    status = where.path.stat()
    if where.line is not None:
        assert 1 <= where.line <= n_lines(where.path, status.st_mtime_ns, status.st_size)


@lru_cache(maxsize=8)
def n_lines(path: Path, _time: int, _size: int) -> int:
    """The lines of a file at most, and the one behind them; counted once for all places in it."""
    content = path.read_bytes()
    return content.count(b"\n") + content.count(b"\r") + 1


def check_fault(fault: UserError) -> None:
    check_where(fault.where)
    assert fault.message
    assert fault.where.line is not None or WHOLE_FILE.match(fault.message), fault


# What is wrong with a file as a whole, or with what the study file says, has no line.
WHOLE_FILE = re.compile(
    r"data\.|word and tag are both|the (file|format|text of these annotations)\b|(holds|declares) no |no file of tags"
    r"|and \d+ more"
)


def check_source(source: Source) -> None:
    assert source.notices.counts.keys() <= KINDS.keys()
    for places in source.notices.places.values():
        for place in places:
            check_where(place.where)
    for fault in source.faults.shown:
        check_fault(fault)


def check_file(path: Path, *, name: str, data: DataSpec) -> None:
    """Everything that is said above of one file, read by one format and by the one that it looks like."""
    for form in READERS.values():
        with suppress(DataError):
            assert form.recognise(Source(path, data)) in (True, False)
    source = Source(path, data, encodings=READERS[name].encodings)
    try:
        for item in READERS[name].read(source):
            CHECKS[type(item)](item)
    except DataError as fault:
        check_fault(fault)
    check_source(source)
    for form in (name, "auto"):
        for task in READERS[name].tasks:
            check_corpus(path, data=data.model_copy(update={"format": form}), task=task)


def check_corpus(path: Path, *, data: DataSpec, task: str) -> None:
    try:
        corpus = read_files({"train": SplitFiles("train", (path,))}, data=data, task=task)
    except UserError as problem:
        for fault in problem.problems if isinstance(problem, Problems) else [problem]:
            check_fault(fault)
        return
    for example in corpus.splits["train"].examples:
        check_example(example)
    assert corpus.splits["train"].notices.counts.keys() <= KINDS.keys()


# ---- broken files

SCRAPS = (
    *(b"\x00", b"\xff", b"\xc3", b"\xef\xbb\xbf", b"\xff\xfe", b"\r", b"\r\n", b"\n\n", b"\n", b"\t", b" ", b"\x1f"),
    *(b'"', b'""', b"'", b",", b";", b"|", b"[", b"]", b"{", b"}", b":", b"\\", b"\\ud800", b"\\u0000", b"\\n"),
    *(b"null", b"true", b"-1", b"0", b"1", b"99999999999999999999", b"1e999", b"NaN", b"1.5", b"[[", b'{"text": ""}'),
    *(
        b"\xed\xa0\x80",
        "\u2028".encode(),
        "\ufeff".encode(),
        "😀".encode(),
        b"\xa0",
        b"sep=;",
        b"<",
        b">",
        b"&",
        b"&amp;",
    ),
    *(b"&#55296;", b"&#0;", b"]]>", b"<![CDATA[", b"<!--", b"<a/>", b"</document>", b"<!DOCTYPE a [<!ENTITY b 'c'>]>"),
    *(
        b"-DOCSTART-",
        b"# newdoc",
        b"#",
        b"# a = b",
        b"O",
        b"B-",
        b"I-PER",
        b"E",
        b"[CLS]",
        b"X",
        b"#global.columns =\n",
    ),
    *(b"1|t|x", b"1|a|", b"\n1\t0\t1\ta\tX\n", b"T1\tX 0 1\ta\n", b"R1\tX Arg1:T1 Arg2:T1\n", b"*\tE T1 T2\n", b"T1"),
)
COLUMNS = (
    None,
    {"word": 0, "tag": -1},
    {"word": 1, "tag": (1, 2)},
    {"tag": (0, 0, -9)},
    {"word": -9},
    {"tag": 7},
    {"word": "word", "tag": "tag"},
    {"word": "form", "tag": ("outer", "inner")},
    {"word": "tokens", "tag": ("ner_tags", "tags")},
    {"text": 0, "label": -1},
    {"text": "text", "label": "label", "pair": "text"},
    {"text": "sentence", "label": ("joy", "fear")},
    {"text": 1, "label": (0, 2), "pair": 0},
    {"label": "type"},
    {"nothing": 1},
)
SPECS = st.builds(
    DataSpec,
    columns=st.sampled_from(COLUMNS),
    header=st.sampled_from(["auto", True, False]),
    quoting=st.sampled_from(["auto", "csv", "none"]),
    encoding=st.sampled_from(
        [None, None, None, "utf-8", "latin-1", "utf-16", "utf-7", "unicode_escape", "hex", "idna", "none"]
    ),
    separator=st.sampled_from([None, "|", ",", " "]),
    scheme=st.sampled_from([None, "iob1", "iob2", "io", "bioes", "bilou"]),
    words=st.sampled_from(["punctuation", "blanks"]),
    sentences=st.sampled_from(["lines", "documents"]),
    misaligned=st.sampled_from(["widen", "drop"]),
    nested=st.sampled_from(["outermost", "innermost"]),
    discontinuous=st.sampled_from(["join", "split", "drop"]),
    rename=st.sampled_from([{}, {"PER": "LOC"}]),
    keep=st.sampled_from([None, ("PER",)]),
)
AS_IT_IS = st.just(DataSpec())


@st.composite
def mutations(draw, content: bytes) -> bytes:
    """The bytes with some of them, or some lines, changed, left out, repeated or put elsewhere."""
    for _ in range(draw(st.integers(1, 4))):
        pieces: bytes | list[bytes] = content.splitlines(keepends=True) if draw(st.booleans()) else content
        start, end = sorted(draw(st.tuples(*[st.integers(0, len(pieces))] * 2)))
        kind = draw(st.sampled_from(["insert", "delete", "repeat", "move", "cut"]))
        before, inside, after = pieces[:start], pieces[start:end], pieces[end:]
        scrap = draw(st.sampled_from(SCRAPS) | st.binary(min_size=1, max_size=3))
        changed = {
            "insert": [before, [scrap], inside, after],
            "delete": [before, after],
            "repeat": [before, inside, inside, after],
            "move": [inside, before, after],
            "cut": [before],
        }[kind]
        content = b"".join(part if isinstance(part, bytes) else b"".join(part) for part in changed)
    return content


@st.composite
def broken_files(draw, name: str):
    """A file of this format and its companions, one of them broken: name -> bytes; the first is the one to read."""
    path = draw(st.sampled_from([path for path, form in SEEDS.items() if form == name]))
    beside = [one for one in sorted(path.parent.iterdir()) if one.stem == path.stem or one.name in COMPANIONS]
    files = {one.name: one.read_bytes() for one in [path, *(one for one in beside if one != path and one.is_file())]}
    target = draw(st.sampled_from([path.name, *files]))
    files[target] = draw(mutations(files[target]))
    return files


ENDINGS = (".txt", ".tsv", ".csv", ".json", ".jsonl", ".xml", ".conll", ".ann", ".words", "")
ANY_BYTES = st.binary(max_size=60) | st.lists(st.sampled_from(SCRAPS), max_size=12).map(b"".join)
ANY_FILES = st.builds(
    lambda ending, content, beside: {
        f"train{ending}": content,
        "train.tags" if ending == ".words" else "train.ann": beside,
        "label2id.json": beside,
    },
    st.sampled_from(ENDINGS),
    ANY_BYTES,
    ANY_BYTES,
)


def check_files(files: dict[str, bytes], *, name: str, data: DataSpec) -> None:
    with tempfile.TemporaryDirectory() as folder, time_limit():
        for one, content in files.items():
            Path(folder, one).write_bytes(content)
        if (tags := Path(folder, "note.dtd")).is_file():
            data = data.model_copy(update={"tags": tags})
        check_file(Path(folder, next(iter(files))), name=name, data=data)


READ = sorted(READERS.keys() - {"datasets"})
quick = settings(deadline=None, max_examples=12, suppress_health_check=list(HealthCheck))
deep = settings(deadline=None, max_examples=1000, suppress_health_check=list(HealthCheck))


@pytest.mark.parametrize("name", READ)
@quick
@given(data=st.data())
def test_broken_files_are_sound_items_or_faults(name, data):
    check_files(data.draw(broken_files(name)), name=name, data=data.draw(SPECS | AS_IT_IS))


@pytest.mark.parametrize("name", READ)
@quick
@given(files=ANY_FILES, data=SPECS | AS_IT_IS)
def test_any_bytes_are_sound_items_or_faults(name, files, data):
    check_files(files, name=name, data=data)


@pytest.mark.slow
@pytest.mark.parametrize("name", READ)
@deep
@given(data=st.data())
def test_thousands_of_broken_files_are_sound_items_or_faults(name, data):
    check_files(data.draw(broken_files(name)), name=name, data=data.draw(SPECS | AS_IT_IS))


@pytest.mark.slow
@pytest.mark.parametrize("name", READ)
@deep
@given(files=ANY_FILES, data=SPECS | AS_IT_IS)
def test_thousands_of_any_bytes_are_sound_items_or_faults(name, files, data):
    check_files(files, name=name, data=data)


# ---- long files

BULKS = {
    "brackets": b"[",
    "objects": b'{"a":',
    "elements": b"<a>",
    "marks": b'"',
    "cells in marks": b'a,"b\n',
    "commas": b",",
    "tabs": b"\t",
    "blanks": b" ",
    "one word": b"a",
    "empty lines": b"\n",
    "lines of tabs": b"\t\n",
    "comments": b"# a = b\n",
    "titles": b"1|t|x\n",
    "entities": b"T1\tX 0 1\ta\n",
    "words": b"a B-X\n",
    "ends": b"I-X\n",
    "returns": b"a\tO\r",
    "backslashes": b"\\",
    "combining": "\u0301".encode(),
    "flags": "\U0001f1e9".encode(),
}


def check_bulk(folder: Path, *, content: bytes, name: str, limit: float = TIME_LIMIT_S) -> None:
    (folder / "train.txt").write_bytes(content)
    (folder / "train.ann").write_bytes(content)
    with time_limit(limit):
        check_file(folder / "train.txt", name=name, data=DataSpec())


@pytest.mark.parametrize("name", READ)
def test_what_is_repeated_thousands_of_times_is_read_in_no_time(name, tmp_path):
    for content in BULKS.values():
        check_bulk(tmp_path, content=content * 1000, name=name)


@pytest.mark.slow
@pytest.mark.parametrize("bulk", BULKS)
@pytest.mark.parametrize("name", READ)
def test_what_is_repeated_a_hundred_thousand_times_is_read_in_linear_time(name, bulk, tmp_path):
    check_bulk(tmp_path, content=BULKS[bulk] * 100_000, name=name, limit=5 * TIME_LIMIT_S)
