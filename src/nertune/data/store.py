"""Examples in Arrow tables: written to a temporary file as they stream in, mapped, made into objects when asked for.

A split of a million sentences so costs address space and disk, not memory. The file has no name: it is gone with the
process, however and whenever that ends.
"""

from __future__ import annotations

import contextlib
import hashlib
import mmap
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, overload

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from nertune.data.examples import Example, SequenceExample, Span, Task, TokenExample
from nertune.data.source import LabelledText, TaggedSentence
from nertune.errors import StoppedError, Where

AT_ONCE = 2000  # rows that are objects at a time

WORDS = pa.list_(pa.large_string())
PLACE = {"path": pa.string(), "line": pa.int64(), "document": pa.string()}
TOKEN_SCHEMA = pa.schema(
    {
        "words": WORDS,
        "span_label": pa.list_(pa.string()),
        "span_start": pa.list_(pa.int32()),
        "span_end": pa.list_(pa.int32()),
        **PLACE,
    }
)
SEQUENCE_SCHEMA = pa.schema(
    {"text": pa.large_string(), "pair": pa.large_string(), "labels": pa.list_(pa.string()), **PLACE}
)
TAGGED_SCHEMA = pa.schema({"words": WORDS, "tags": pa.list_(pa.int32()), "lines": pa.list_(pa.int64()), **PLACE})
CELL_SCHEMA = SEQUENCE_SCHEMA.append(pa.field("is_cell", pa.bool_()))
SCHEMAS: dict[Task, Any] = {"token": TOKEN_SCHEMA, "sequence": SEQUENCE_SCHEMA}


class Examples(Sequence[Example]):
    """Examples that lie in an Arrow table with the schema of their task."""

    def __init__(self, table: Any, *, task: Task) -> None:
        self.table, self.task = table, task

    def __len__(self) -> int:
        return int(self.table.num_rows)

    def __iter__(self) -> Iterator[Example]:
        for begin in range(0, len(self), AT_ONCE):
            yield from ROWS[self.task](self.table.slice(begin, AT_ONCE))

    @overload
    def __getitem__(self, index: int) -> Example: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[Example]: ...

    def __getitem__(self, index: int | slice) -> Example | Sequence[Example]:
        if isinstance(index, slice):
            start, stop, step = index.indices(len(self))
            if step == 1:
                return Examples(self.table.slice(start, max(0, stop - start)), task=self.task)
            return self.take(np.arange(start, stop, step))
        if not -len(self) <= index < len(self):
            raise IndexError(index)
        return next(ROWS[self.task](self.table.slice(index % len(self), 1)))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and len(self) == len(other) and all(map(_is_equal, self, other))

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"<{len(self)} {self.task} examples>"

    def count_labels(self) -> Counter[str]:
        """How often each entity type or class stands in the examples; no example is made for it."""
        labels, _ = flat(self.table, "span_label" if self.task == "token" else "labels")
        return Counter({one["values"]: one["counts"] for one in labels.value_counts().to_pylist()})

    def has_overlaps(self) -> bool:
        """Whether entities of some sentence share a word; spans are sorted by their first word."""
        if self.task == "sequence":
            return False
        starts, rows = flat(self.table, "span_start")
        ends = flat(self.table, "span_end")[0].to_numpy()
        meets_last = starts.to_numpy()[1:] < ends[:-1]
        meets_last[rows[(rows > 0) & (rows < len(ends))] - 1] = False  # the last one is of another sentence
        return bool(meets_last.any())

    def take(self, rows: npt.NDArray[np.integer]) -> Examples:
        """The examples of these rows, in this order."""
        return Examples(self.table.take(pa.array(rows)), task=self.task)


def _is_equal(one: object, other: object) -> bool:
    return one == other


def store_examples(examples: Iterable[Example], *, task: Task) -> Examples:
    """The examples in a table of their own."""
    columns = _token_columns if task == "token" else _sequence_columns
    return Examples(_store(examples, schema=SCHEMAS[task], columns=columns), task=task)


def digest_examples(examples: Examples) -> str:
    """sha256 (hex) of all that the examples hold, however their table is cut into chunks."""
    digest = hashlib.sha256()
    for begin in range(0, len(examples), AT_ONCE):
        part = examples.table.slice(begin, AT_ONCE).combine_chunks()
        digest.update(part.to_batches()[0].serialize())
    return digest.hexdigest()


def as_stored(examples: Sequence[Example], *, task: Task) -> Examples:
    """The examples in a table, if they are not in one already."""
    return examples if isinstance(examples, Examples) else store_examples(examples, task=task)


def join_examples(parts: Sequence[Sequence[Example]], *, task: Task) -> Examples:
    """The examples of all parts, one after another."""
    return Examples(pa.concat_tables([as_stored(part, task=task).table for part in parts]), task=task)


# ---- tagged sentences, whose scheme is known only when all of them were seen


class Codes(dict[str, int]):
    """A number for each text, in the order of their first use."""

    def __missing__(self, text: str) -> int:
        self[text] = number = len(self)
        return number


@dataclass(frozen=True, eq=False)
class TaggedTable:
    """Sentences with their raw tags as numbers; `tags` are the names, in the order of the numbers."""

    table: Any
    tags: tuple[str, ...]

    def batches(self) -> Iterator[tuple[Any, TagBatch]]:
        """Slices of the table, each with its tags and lines as arrays."""
        for begin in range(0, self.table.num_rows, AT_ONCE):
            part = self.table.slice(begin, AT_ONCE).combine_chunks()
            codes, starts = flat(part, "tags")
            yield part, TagBatch(codes.to_numpy(), starts, flat(part, "lines")[0].to_numpy())


@dataclass(frozen=True, eq=False)
class TagBatch:
    """The tags of some sentences.

    Shapes  N sentences, W words
        codes   [W]    int32  number of each word's tag
        starts  [N+1]  int64  sentence n has codes[starts[n]:starts[n + 1]]
        lines   [W]    int64  line of each word
    """

    codes: npt.NDArray[np.int32]
    starts: npt.NDArray[np.int64]
    lines: npt.NDArray[np.int64]


def store_tagged(sentences: Iterable[tuple[Path, TaggedSentence]]) -> TaggedTable:
    """The sentences as they stream in, each with the path of its file."""
    codes = Codes()

    def columns(rows: Sequence[tuple[Path, TaggedSentence]]) -> dict[str, Any]:
        read = [sentence for _, sentence in rows]
        sizes = [len(sentence.words) for sentence in read]
        return {
            "words": _lists(sizes, [word for sentence in read for word in sentence.words], pa.large_string()),
            "tags": _lists(sizes, [codes[tag] for sentence in read for tag in sentence.tags], pa.int32()),
            "lines": _lists(sizes, [line for sentence in read for line in sentence.lines], pa.int64()),
            "path": [str(path) for path, _ in rows],
            "line": [sentence.lines[0] for sentence in read],
            "document": [sentence.document for sentence in read],
        }

    table = _store(sentences, schema=TAGGED_SCHEMA, columns=columns)
    return TaggedTable(table, tuple(codes))


def with_spans(part: Any, spans: Sequence[Sequence[Span]]) -> Any:
    """A slice of a tagged table as rows of TOKEN_SCHEMA: the spans in place of the tags."""
    return pa.table({**{name: part[name] for name in ("words", *PLACE)}, **_span_columns(spans)}).select(
        TOKEN_SCHEMA.names
    )


def store_tables(parts: Iterable[Any], *, task: Task) -> Examples:
    """Examples from tables of their task's schema, as they stream in."""
    with _Draft(SCHEMAS[task]) as draft:
        for part in parts:
            draft.write(part.cast(SCHEMAS[task]))
        return Examples(draft.table(), task=task)


# ---- texts, whose label cells are understood only when all of train were seen


def store_texts(texts: Iterable[tuple[Path, LabelledText]]) -> Any:
    """A table with CELL_SCHEMA of the texts as they stream in, each with the path of its file."""

    def columns(rows: Sequence[tuple[Path, LabelledText]]) -> dict[str, Any]:
        return {
            "text": [text.text for _, text in rows],
            "pair": [text.pair for _, text in rows],
            "labels": [text.labels for _, text in rows],
            "path": [str(path) for path, _ in rows],
            "line": [text.line for _, text in rows],
            "document": [text.document for _, text in rows],
            "is_cell": [text.is_cell for _, text in rows],
        }

    return _store(texts, schema=CELL_SCHEMA, columns=columns)


def cells(table: Any) -> Iterator[tuple[SequenceExample, bool]]:
    """The rows of such a table, and whether the one label of each is a cell as it was written."""
    for begin in range(0, table.num_rows, AT_ONCE):
        part = table.slice(begin, AT_ONCE)
        yield from zip(_sequence_rows(part), part["is_cell"].to_pylist(), strict=True)


# ---- columns and rows


def flat(table: Any, name: str) -> tuple[Any, npt.NDArray[np.int64]]:
    """The values of a list column as one Arrow array, and where each row's begin, [rows + 1] int64."""
    column = table[name].combine_chunks()
    if isinstance(column, pa.ChunkedArray):
        column = column.chunk(0) if column.num_chunks else pa.array([], column.type)
    starts = column.offsets.to_numpy().astype(np.int64)
    return column.values[int(starts[0]) : int(starts[-1])] if len(starts) else column.values, starts - starts[0]


def _lists(sizes: Sequence[int], values: Sequence[Any], kind: Any) -> Any:
    starts = np.concatenate([[0], np.cumsum(sizes, dtype=np.int64)]).astype(np.int32)
    return pa.ListArray.from_arrays(pa.array(starts), pa.array(values, kind))


def _token_columns(examples: Sequence[Example]) -> dict[str, Any]:
    sentences = [example for example in examples if isinstance(example, TokenExample)]
    sizes = [len(sentence.words) for sentence in sentences]
    words = _lists(sizes, [word for sentence in sentences for word in sentence.words], pa.large_string())
    return {"words": words, **_span_columns([sentence.spans for sentence in sentences]), **_places(sentences)}


def _span_columns(spans: Sequence[Sequence[Span]]) -> dict[str, Any]:
    sizes = [len(each) for each in spans]
    every = [span for each in spans for span in each]
    return {
        "span_label": _lists(sizes, [span.label for span in every], pa.string()),
        "span_start": _lists(sizes, [span.start for span in every], pa.int32()),
        "span_end": _lists(sizes, [span.end for span in every], pa.int32()),
    }


def _sequence_columns(examples: Sequence[Example]) -> dict[str, Any]:
    texts = [example for example in examples if isinstance(example, SequenceExample)]
    own = {
        "text": [example.text for example in texts],
        "pair": [example.pair for example in texts],
        "labels": [example.labels for example in texts],
    }
    return {**own, **_places(texts)}


def _places(examples: Sequence[TokenExample] | Sequence[SequenceExample]) -> dict[str, Any]:
    return {
        "path": [str(example.where.path) for example in examples],
        "line": [example.where.line for example in examples],
        "document": [example.document for example in examples],
    }


def _token_rows(part: Any) -> Iterator[TokenExample]:
    words, starts = _values(part, "words")
    spans = [
        Span(*one)
        for one in zip(*(_values(part, f"span_{name}")[0] for name in ("label", "start", "end")), strict=True)
    ]
    span_starts = flat(part, "span_start")[1].tolist()
    for row, (where, document) in enumerate(_wheres(part)):
        own = tuple(spans[span_starts[row] : span_starts[row + 1]])
        yield TokenExample(tuple(words[starts[row] : starts[row + 1]]), own, where, document)


def _sequence_rows(part: Any) -> Iterator[SequenceExample]:
    columns = (part[name].to_pylist() for name in ("text", "pair", "labels"))
    for text, pair, labels, (where, document) in zip(*columns, _wheres(part), strict=True):
        yield SequenceExample(text, tuple(labels), where, pair, document)


ROWS: Mapping[Task, Callable[[Any], Iterator[Example]]] = {"token": _token_rows, "sequence": _sequence_rows}


def _values(part: Any, name: str) -> tuple[list[Any], list[int]]:
    values, starts = flat(part, name)
    return values.to_pylist(), starts.tolist()


def _wheres(part: Any) -> Iterator[tuple[Where, str | None]]:
    paths: dict[str, Path] = {}
    for name, line, document in zip(*(part[key].to_pylist() for key in PLACE), strict=True):
        yield Where(paths.get(name) or paths.setdefault(name, Path(name)), line), document


# ---- the file


def _store(rows: Iterable[Any], *, schema: Any, columns: Callable[[Sequence[Any]], dict[str, Any]]) -> Any:
    remaining = iter(rows)
    with _Draft(schema) as draft:
        while batch := list(islice(remaining, AT_ONCE)):
            draft.write(pa.table(columns(batch), schema=schema))
        return draft.table()


class _Draft:
    """A temporary Arrow file without a name, written batch by batch, then mapped."""

    def __init__(self, schema: Any) -> None:
        self._schema = schema

    def __enter__(self) -> _Draft:
        self._file = tempfile.TemporaryFile(prefix="nertune-", suffix=".arrow")
        self._writer = pa.ipc.new_file(self._file, self._schema)
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError):  # a full disk was told of when it was written to
            self._file.close()

    def write(self, table: Any) -> None:
        with _full_disk_told():
            self._writer.write_table(table)

    def table(self) -> Any:
        with _full_disk_told():
            self._writer.close()
            self._file.flush()
        mapped = mmap.mmap(self._file.fileno(), 0, access=mmap.ACCESS_READ)
        return pa.ipc.open_file(pa.py_buffer(mapped)).read_all()


@contextlib.contextmanager
def _full_disk_told() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StoppedError(
            f"the data cannot be kept in {tempfile.gettempdir()}: {error.strerror or error}",
            fix="Make room there, or name another folder: export TMPDIR=FOLDER",
        ) from None
