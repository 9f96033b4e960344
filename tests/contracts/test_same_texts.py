"""The same texts and classes in every format are read alike, and each format is recognised as itself."""

from __future__ import annotations

import csv
import io
import json
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from test_same_spans import AS_USUAL, ENCODINGS, INNER_BLANKS, VISIBLE

from nertune.data.corpus import read_files
from nertune.data.files import SplitFiles
from nertune.data.notices import KINDS
from nertune.data.readers.conll_layout import is_tag
from nertune.data.reading import find_files
from nertune.spec.study import DataSpec


@dataclass(frozen=True)
class Row:
    text: str
    labels: tuple[str, ...]
    pair: str | None = None


Render = Callable[[Sequence[Row]], str]

# ---- texts and classes

# Where one of the words of each line is a tag, the lines are CoNLL.
TEXT_WORDS = (VISIBLE | INNER_BLANKS).filter(lambda word: not is_tag(word))
PLAIN = st.lists(TEXT_WORDS, min_size=1, max_size=6).map(" ".join)
TEXTS = PLAIN | st.builds("{}{}{}".format, st.sampled_from(["", " "]), PLAIN, st.sampled_from(["", " ", "  "]))
IN_QUOTES = TEXTS | st.lists(PLAIN, min_size=2, max_size=3).map("\n".join) | st.lists(PLAIN, min_size=2).map("\t".join)
CLASSES = ("good", "bad", "very good", "größte Freude", "a/b", "c-d", "1", "0", "2.5", "-1", "中", "#x", "none")
SEVERAL = ("joy", "fear", "no-one", "ü", "7")


def rows(texts: st.SearchStrategy[str], *, pairs: bool = False, classes: Sequence[str] = CLASSES):
    second = texts if pairs else st.none()
    one = st.builds(Row, texts, st.sampled_from(classes).map(lambda label: (label,)), second)
    return st.lists(one, min_size=1, max_size=8)


def rows_with_several(texts: st.SearchStrategy[str]):
    labels = st.sets(st.sampled_from(SEVERAL), max_size=3).map(lambda chosen: tuple(sorted(chosen)))
    return st.lists(st.builds(Row, texts, labels), min_size=1, max_size=8)


def usual_rows(texts: st.SearchStrategy[str]):
    """Different phrases and two classes: what columns without names are is told from their cells."""
    phrases = st.lists(texts, min_size=8, max_size=12, unique=True).map(
        lambda found: [f"so {text} ." for text in found]
    )
    return phrases.map(lambda found: [Row(text, ("bad" if len(text) % 2 else "good",)) for text in found])


# ---- rendering


def table(
    found: Sequence[Row],
    *,
    names: Sequence[str] | None = ("text", "label"),
    between: str = ",",
    quoting: int = csv.QUOTE_MINIMAL,
    cells: Callable[[Row], Sequence[str]] = lambda row: (row.text, row.labels[0]),
) -> str:
    text = io.StringIO()
    writer = csv.writer(text, delimiter=between, quoting=quoting, lineterminator="\n")
    writer.writerows([*([names] if names else []), *map(cells, found)])
    return text.getvalue()


def lines(found: Sequence[Row], *, names: Sequence[str] | None = ("text", "label")) -> str:
    """Cells with tabs between them, quotation marks as they are."""
    cells = [*([names] if names else []), *((row.text, *row.labels) for row in found)]
    return "".join("\t".join(row) + "\n" for row in cells)


def json_lines(found: Sequence[Row], *, item: Callable[[Row], object]) -> str:
    return "".join(json.dumps(item(row), ensure_ascii=False) + "\n" for row in found)


def json_array(found: Sequence[Row], *, item: Callable[[Row], object]) -> str:
    return json.dumps([item(row) for row in found], indent=2)


def with_pair(row: Row) -> tuple[str, str, str]:
    return row.text, str(row.pair), row.labels[0]


def said(row: Row) -> tuple[str, ...]:
    return row.text, *(str(int(label in row.labels)) for label in SEVERAL)


def label_studio(row: Row) -> object:
    result = {"type": "choices", "from_name": "c", "to_name": "t", "value": {"choices": row.labels}}
    return {"id": 1, "data": {"text": row.text}, "annotations": [{"result": [result]}]}


# ---- formats


@dataclass(frozen=True)
class Form:
    """A way to write texts with their classes.

    name   of the format in READERS
    file   that is written
    rows   that it can hold
    data, problem  what the study file has to say
    shows  whether a file with these rows shows what it is
    """

    name: str
    file: str
    render: Render
    rows: st.SearchStrategy[list[Row]]
    data: DataSpec = AS_USUAL
    problem: str = "auto"
    shows: Callable[[Sequence[Row]], bool] = bool


def has_some(found: Sequence[Row]) -> bool:
    return any(row.labels for row in found)


# A text that begins with a quotation mark could be one that is enclosed by marks.
UNMARKED = TEXTS.filter(lambda text: not text.lstrip(" ").startswith('"'))

PAIRS = ("sentence1", "sentence2", "label")
MANY = {"data": DataSpec(separator="|"), "problem": "multi_label"}

FORMS = {
    "tabs": Form("tsv", "a.tsv", lines, rows(UNMARKED)),
    "tabs, marks are ordinary": Form("tsv", "a.tsv", lines, rows(TEXTS), data=DataSpec(quoting="none")),
    "tabs, all in marks": Form("tsv", "a.tsv", partial(table, between="\t", quoting=csv.QUOTE_ALL), rows(IN_QUOTES)),
    "tabs, in marks where needed": Form("tsv", "a.tsv", partial(table, between="\t"), rows(IN_QUOTES)),
    "tabs, no header": Form("tsv", "a.txt", partial(lines, names=None), usual_rows(PLAIN)),
    "tabs, columns by number": Form(
        "tsv",
        "a.tsv",
        partial(lines, names=None),
        rows(UNMARKED),
        data=DataSpec(header=False, columns={"text": 0, "label": -1}),
    ),
    "commas": Form("csv", "a.csv", table, rows(IN_QUOTES)),
    "commas, all in marks": Form("csv", "a.csv", partial(table, quoting=csv.QUOTE_ALL), rows(IN_QUOTES)),
    "semicolons": Form("csv", "a.csv", partial(table, between=";"), rows(IN_QUOTES)),
    "bars": Form("csv", "a.csv", partial(table, between="|"), rows(IN_QUOTES)),
    "tabs in a CSV": Form("tsv", "a.csv", lines, rows(UNMARKED)),
    "commas, no header": Form("csv", "a.csv", partial(table, names=None), usual_rows(PLAIN)),
    "columns by name": Form(
        "csv",
        "a.csv",
        partial(table, names=("nr", "mood", "tweet"), cells=lambda row: ("7", row.labels[0], row.text)),
        rows(IN_QUOTES),
        data=DataSpec(columns={"text": "tweet", "label": "mood"}),
    ),
    "pairs": Form("csv", "a.csv", partial(table, names=PAIRS, cells=with_pair), rows(IN_QUOTES, pairs=True)),
    "pairs, tabs": Form(
        "tsv", "a.tsv", partial(table, names=PAIRS, cells=with_pair, between="\t"), rows(IN_QUOTES, pairs=True)
    ),
    "several in a cell": Form(
        "csv",
        "a.csv",
        partial(table, cells=lambda row: (row.text, "|".join(row.labels))),
        rows_with_several(IN_QUOTES),
        **MANY,
    ),
    "a column a label": Form(
        "csv",
        "a.csv",
        partial(table, names=("text", *SEVERAL), cells=said),
        rows_with_several(IN_QUOTES),
        data=DataSpec(columns={"text": "text", "label": SEVERAL}),
        problem="multi_label",
    ),
    "JSON Lines": Form(
        "jsonl-texts",
        "a.jsonl",
        partial(json_lines, item=lambda row: {"text": row.text, "label": row.labels[0]}),
        rows(IN_QUOTES),
    ),
    "JSON": Form(
        "jsonl-texts",
        "a.json",
        partial(json_array, item=lambda row: {"sentence": row.text, "label": row.labels[0]}),
        rows(IN_QUOTES),
    ),
    "JSON, pairs": Form(
        "jsonl-texts",
        "a.jsonl",
        partial(json_lines, item=lambda row: {"premise": row.text, "hypothesis": row.pair, "label": row.labels[0]}),
        rows(IN_QUOTES, pairs=True),
    ),
    "JSON, lists": Form(
        "jsonl-texts",
        "a.jsonl",
        partial(json_lines, item=lambda row: {"text": row.text, "labels": row.labels}),
        rows_with_several(IN_QUOTES),
        shows=has_some,
        problem="multi_label",
    ),
    "spaCy": Form(
        "jsonl-texts",
        "a.json",
        partial(json_array, item=lambda row: [row.text, {"cats": {one: float(one in row.labels) for one in SEVERAL}}]),
        rows_with_several(IN_QUOTES),
        problem="multi_label",
    ),
    "Prodigy": Form(
        "jsonl-texts",
        "a.jsonl",
        partial(json_lines, item=lambda row: {"text": row.text, "accept": row.labels, "answer": "accept"}),
        rows_with_several(IN_QUOTES),
        shows=has_some,
        problem="multi_label",
    ),
    "Label Studio": Form("jsonl-texts", "a.json", partial(json_array, item=label_studio), rows(IN_QUOTES)),
    "Label Studio, JSON-MIN": Form(
        "jsonl-texts",
        "a.json",
        partial(json_array, item=lambda row: {"text": row.text, "sentiment": row.labels[0], "annotator": 1}),
        rows(IN_QUOTES),
    ),
}


@st.composite
def cases(draw, form):
    found = draw(form.rows)
    assume(form.shows(found))
    return found, draw(st.sampled_from(["\n", "\r\n"])), draw(st.sampled_from(sorted(ENCODINGS)))


def rows_in(path: Path, *, data: DataSpec, problem: str) -> list[Row]:
    """The texts as they are read, without a word of warning; that a line of a text looks like a row may be told."""
    files = {"train": SplitFiles("train", (path,))}
    split = read_files(files, data=data, task="sequence", problem=problem).splits["train"]
    warnings = {kind for kind, n in split.notices.counts.items() if n and KINDS[kind].severity != "notice"}
    assert warnings <= {"rows-in-quotes"}
    return [Row(example.text, example.labels, example.pair) for example in split.examples]


def check(form: Form, found: Sequence[Row], end: str, encoding: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, form.file)
        path.write_bytes(ENCODINGS[encoding](form.render(found).replace("\n", end)))
        for task in ("sequence", None):
            assert find_files(SplitFiles("train", (path,)), data=form.data, task=task)[0] == form.name
        for name in ("auto", form.name):
            data = form.data.model_copy(update={"format": name})
            assert rows_in(path, data=data, problem=form.problem) == found


def check_saved(found: Sequence[Row], *, has_numbers: bool) -> None:
    """A folder that `datasets` saves: classes as texts, or as numbers of a `ClassLabel`."""
    import datasets

    text, label = datasets.Value("string"), datasets.ClassLabel(names=list(CLASSES))
    kinds = {"premise": text, "hypothesis": text, "label": label if has_numbers else text}
    columns = {
        "premise": [row.text for row in found],
        "hypothesis": [row.pair for row in found],
        "label": [row.labels[0] for row in found],
    }
    with tempfile.TemporaryDirectory() as folder:
        datasets.Dataset.from_dict(columns, features=datasets.Features(kinds)).save_to_disk(folder)
        assert find_files(SplitFiles("train", (Path(folder),)), data=AS_USUAL, task=None)[0] == "datasets"
        assert rows_in(Path(folder), data=AS_USUAL, problem="auto") == found


@settings(deadline=None, max_examples=3, suppress_health_check=list(HealthCheck))
@given(found=rows(IN_QUOTES, pairs=True), has_numbers=st.booleans())
def test_a_saved_dataset_gives_the_same_texts_and_classes(found, has_numbers):
    check_saved(found, has_numbers=has_numbers)


@pytest.mark.parametrize("name", FORMS)
@settings(deadline=None, max_examples=10, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_every_format_gives_the_same_texts_and_classes(name, data):
    check(FORMS[name], *data.draw(cases(FORMS[name])))


@pytest.mark.slow
@pytest.mark.parametrize("name", FORMS)
@settings(deadline=None, max_examples=200, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_every_format_gives_the_same_texts_and_classes_thousands_of_times(name, data):
    check(FORMS[name], *data.draw(cases(FORMS[name])))
