"""Prediction files read back: the gold and the predictions of a split, as a seed run wrote them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, pairwise
from pathlib import Path
from typing import Any, cast

from nertune.data.examples import Problem, Span, Task
from nertune.errors import DataError, Where

Spans = tuple[Span, ...]
Labels = tuple[str, ...]

MADE_BY = "Prediction files are test_predictions.jsonl and eval_predictions.jsonl, which nertune best-and-train writes"


@dataclass(frozen=True)
class Predictions:
    """The lines of a prediction file, one for each sentence (token) or text (sequence).

    problem        sequence: whether texts have one class or any number; token: several where entities overlap
    where          of each line, `test.tsv:20`: file and line of the data
    gold           token: spans; sequence: labels, one or (multi-label) any number
    probabilities  token: one for each predicted entity; sequence: one for each of `labels`
    labels         sequence: every class that was learned, or met; token: entity types in gold or predicted, sorted
    documents      the document of each line, None for one without; None where no line names one
    n_words        words of each sentence; None for texts, and in files of an older nertune
    words          what the entities of each line are in words
    """

    path: Path
    task: Task
    problem: Problem
    where: tuple[str, ...]
    gold: tuple[Spans, ...] | tuple[Labels, ...]
    predicted: tuple[Spans, ...] | tuple[Labels, ...]
    probabilities: tuple[tuple[float, ...], ...]
    labels: Labels
    documents: tuple[str | None, ...] | None = None
    n_words: tuple[int, ...] | None = None
    words: tuple[Mapping[Span, str], ...] = ()

    def __len__(self) -> int:
        return len(self.where)

    @property
    def spans(self) -> tuple[tuple[Spans, ...], tuple[Spans, ...]]:
        """Gold and predicted of a token task."""
        assert self.task == "token"
        return cast(tuple[Spans, ...], self.gold), cast(tuple[Spans, ...], self.predicted)

    @property
    def classes(self) -> tuple[tuple[Labels, ...], tuple[Labels, ...]]:
        """Gold and predicted of a sequence task."""
        assert self.task == "sequence"
        return cast(tuple[Labels, ...], self.gold), cast(tuple[Labels, ...], self.predicted)


def read_predictions(path: Path) -> Predictions:
    """The predictions of a file with one JSON object a line.

    Raises  DataError at the line that is no prediction, or not one of the kind that the first line is
    """
    lines = list(_lines(path))
    if not lines:
        raise DataError("holds no predictions", where=Where(path), fix=MADE_BY)
    is_token = "probabilities" in lines[0].value and isinstance(lines[0].value["probabilities"], list)
    return _token_file(path, lines) if is_token else _class_file(path, lines)


def check_same_texts(files: Sequence[Predictions], *, with_places: bool = True) -> None:
    """Refuse prediction files that are not of the same texts with the same gold.

    with_places  whether the texts must stand in files of the same name, too
    Raises  DataError at the first line that differs from that of the first file, and says how
    """
    first, *others = files
    for other in others:
        for what, ours, theirs in (("task", first.task, other.task), ("problem", first.problem, other.problem)):
            if ours != theirs and not (what == "problem" and first.task == other.task == "token"):
                raise _other_texts(first, other, None, f"the {what} is {theirs}, but {ours}")
        rows = zip(zip(first.where, first.gold, strict=True), zip(other.where, other.gold, strict=True), strict=False)
        for number, ((where, gold), (other_where, other_gold)) in enumerate(rows, start=1):
            if with_places and where != other_where:
                raise _other_texts(first, other, number, f"the text is {other_where}, but {where}")
            if {*gold} != {*other_gold}:
                raise _other_texts(
                    first, other, number, f"the gold of {where} is {_told(other_gold)}, but {_told(gold)}"
                )
        if len(first) != len(other):
            raise _other_texts(first, other, None, f"{len(other)} texts, but {len(first)}")


def _other_texts(first: Predictions, other: Predictions, line: int | None, message: str) -> DataError:
    fix = "Only scores of the same test data can be compared; let both studies name the same data."
    return DataError(f"{message} in {Where(first.path, line)}", where=Where(other.path, line), fix=fix)


def _told(gold: Iterable[object]) -> str:
    said = [f"{one.label} {one.start}-{one.end}" if isinstance(one, Span) else str(one) for one in gold]
    return ", ".join(said) or "nothing"


# ---- lines


@dataclass(frozen=True)
class _Line:
    """An object of the file; `get` raises DataError at its line where a key is missing or of another kind."""

    value: Mapping[str, Any]
    where: Where

    def get(self, key: str, *, kind: type | tuple[type, ...], expected: str) -> Any:
        if key not in self.value:
            raise DataError(f"the line has no {key!r}", where=self.where, fix=MADE_BY)
        found = self.value[key]
        if not isinstance(found, kind) or isinstance(found, bool):
            raise self.wrong(key, expected=expected)
        return found

    def wrong(self, key: str, *, expected: str) -> DataError:
        shown = json.dumps(self.value[key], ensure_ascii=False)[:60]
        return DataError(f"{key!r} is {shown}, but {expected} is expected", where=self.where, fix=MADE_BY)


def _lines(path: Path) -> Iterator[_Line]:
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise DataError(f"cannot be read: {error.strerror}", where=Where(path), fix=MADE_BY) from None
    except UnicodeDecodeError as error:
        n_before = error.object.count(b"\n", 0, error.start)
        raise DataError("is not UTF-8", where=Where(path, n_before + 1), fix=MADE_BY) from None
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            yield _Line(_object(line, where=Where(path, number)), Where(path, number))


def _object(line: str, *, where: Where) -> Mapping[str, Any]:
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        raise DataError("is no JSON; one prediction a line is expected", where=where, fix=MADE_BY) from None
    if not isinstance(value, dict):
        raise DataError("is no JSON object; one prediction a line is expected", where=where, fix=MADE_BY)
    return value


def _wheres(lines: Iterable[_Line]) -> tuple[str, ...]:
    return tuple(line.get("where", kind=str, expected="file:line") for line in lines)


def _documents(lines: Sequence[_Line]) -> tuple[str | None, ...] | None:
    if not any("document" in line.value for line in lines):
        return None
    return tuple(
        line.get("document", kind=str, expected="a name") if line.value.get("document") is not None else None
        for line in lines
    )


# ---- token


def _token_file(path: Path, lines: Sequence[_Line]) -> Predictions:
    gold = tuple(_read_spans(line, "gold") for line in lines)
    predicted = tuple(_read_spans(line, "predicted") for line in lines)
    has_overlap = any(one.end > other.start for spans in chain(gold, predicted) for one, other in _neighbours(spans))
    return Predictions(
        path=path,
        task="token",
        problem="multi_label" if has_overlap else "single_label",
        where=_wheres(lines),
        gold=gold,
        predicted=predicted,
        probabilities=tuple(_span_probabilities(line) for line in lines),
        labels=tuple(sorted({span.label for spans in chain(gold, predicted) for span in spans})),
        documents=_documents(lines),
        n_words=_n_words(lines),
        words=tuple(_read_words(line) for line in lines),
    )


def _neighbours(spans: Spans) -> Iterator[tuple[Span, Span]]:
    return pairwise(sorted(spans, key=lambda span: (span.start, span.end)))


def _read_spans(line: _Line, key: str) -> Spans:
    return tuple(_read_span(one, line, key) for one in line.get(key, kind=list, expected="a list of entities"))


def _read_span(value: Any, line: _Line, key: str) -> Span:
    match value:
        case {"label": str(label), "start": int(start), "end": int(end)} if 0 <= start < end:
            return Span(label, start, end)
    raise line.wrong(key, expected="a list of entities with label, start and end, words from 0,")


def _read_words(line: _Line) -> Mapping[Span, str]:
    entities = [(key, one) for key in ("predicted", "gold") for one in line.value[key]]
    return {_read_span(one, line, key): str(one["text"]) for key, one in entities if "text" in one}


def _span_probabilities(line: _Line) -> tuple[float, ...]:
    found = line.get("probabilities", kind=list, expected="a list")
    if len(found) != len(line.value["predicted"]) or not all(isinstance(one, int | float) for one in found):
        raise line.wrong("probabilities", expected="a number for each predicted entity")
    return tuple(float(one) for one in found)


def _n_words(lines: Sequence[_Line]) -> tuple[int, ...] | None:
    if not all("n_words" in line.value for line in lines):
        return None
    return tuple(line.get("n_words", kind=int, expected="a number of words") for line in lines)


# ---- sequence


def _class_file(path: Path, lines: Sequence[_Line]) -> Predictions:
    is_single = isinstance(lines[0].value.get("gold"), str)
    read: Callable[[_Line, str], Labels] = _read_class if is_single else _read_labels
    gold, predicted = (tuple(read(line, key) for line in lines) for key in ("gold", "predicted"))
    tables = [_class_probabilities(line) for line in lines]
    labels = tuple(dict.fromkeys(chain(tables[0], chain.from_iterable(sorted({*gold, *predicted})))))
    return Predictions(
        path=path,
        task="sequence",
        problem="single_label" if is_single else "multi_label",
        where=_wheres(lines),
        gold=gold,
        predicted=predicted,
        probabilities=tuple(tuple(table.get(label, 0.0) for label in labels) for table in tables),
        labels=labels,
        documents=_documents(lines),
    )


def _read_class(line: _Line, key: str) -> Labels:
    return (line.get(key, kind=str, expected="one class, as in the first line,"),)


def _read_labels(line: _Line, key: str) -> Labels:
    found = line.get(key, kind=list, expected="a list of labels, as in the first line,")
    if not all(isinstance(one, str) for one in found):
        raise line.wrong(key, expected="a list of labels")
    return tuple(found)


def _class_probabilities(line: _Line) -> dict[str, float]:
    found = line.get("probabilities", kind=dict, expected="an object of classes and numbers")
    if not all(isinstance(one, int | float) for one in found.values()):
        raise line.wrong("probabilities", expected="an object of classes and numbers")
    return {label: float(value) for label, value in found.items()}
