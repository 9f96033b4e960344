"""Tab-separated texts: how columns are found, and which lines are refused."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nertune.data.readers import read_tsv
from nertune.data.source import Source, decode, open_source
from nertune.errors import DataError

FILES = Path(__file__).parent.parent / "files" / "tsv"


def read(content, **columns):
    reading = read_tsv(Source(Path("train.tsv"), content, columns))
    assert not reading.problems
    return [(example.text, example.label) for example in reading.texts]


def problems(content, **columns):
    return [str(problem) for problem in read_tsv(Source(Path("train.tsv"), content, columns)).problems]


def test_quotation_marks_are_ordinary_characters():
    texts = read_tsv(open_source(FILES / "plain.txt", columns={})).texts
    assert [(t.text, t.label, t.where.line) for t in texts] == [
        ('a "quoted" text', "good", 2),
        ("another one", "bad", 3),
    ]
    assert read('text\tlabel\n"a\tgood\nb"\tbad\n') == [('"a', "good"), ('b"', "bad")]


@pytest.mark.parametrize("header", ["sentence\tlabel", "TEXT\tLabels", "Sentence\tLABEL", "\ufefftext\tlabel"])
def test_header_names_are_found_without_regard_to_case(header):
    assert read(decode(f"{header}\na\tx\n".encode(), path=Path("x"))) == [("a", "x")]


def test_columns_are_named_or_numbered_and_others_ignored():
    text = (FILES / "tweets.tsv").read_text()
    wanted = [("sweet", "positive"), ("sour", "negative")]
    assert read(text, text="tweet", label="Sentiment") == wanted
    assert read(text.split("\n", 1)[1], text=1, label=2) == wanted
    assert read(text, text=1, label="sentiment") == wanted


def test_a_header_is_no_text_when_columns_are_numbered():
    assert read("tweet\tlabel\nsweet\tgood\n", text=0, label=-1) == [("sweet", "good")]


def test_blank_lines_carriage_returns_and_other_line_separators_change_nothing():
    assert read("text\tlabel\r\na\u2028b\x85c\tgood\r\n\r\n \t \r\nd\tbad") == [("a\u2028b\x85c", "good"), ("d", "bad")]


def test_a_line_with_too_few_columns_is_a_problem_with_its_line():
    assert problems((FILES / "too_few.tsv").read_text()) == [
        'train.tsv:3: one column where 2 are needed; the line starts with "lost"\n'
        "    Add what is missing after a tab, for example: the text<TAB>its label"
    ]


def test_a_text_without_a_label_is_a_problem():
    assert 'train.tsv:2: the text "lost" has no label' in problems("text\tlabel\nlost\t \n")[0]


def test_a_missing_column_is_told_with_those_that_are_there():
    text = (FILES / "tweets.tsv").read_text()
    assert 'no column is named sentence or text; the columns are "id", "tweet", "sentiment"' in problems(text)[0]
    assert "Write for example: data: {columns: {text: tweet}}" in problems(text, text="twet", label="sentiment")[0]


def test_two_columns_that_could_be_the_text_are_a_problem():
    assert "2 columns are named sentence or text" in problems("text\tsentence\tlabel\na\tb\tc\n")[0]


def test_one_column_cannot_be_both():
    assert "text and label are the same column" in problems("a\tb\n", text=1, label=-1)[0]


def test_longer_lines_and_empty_texts_are_counted():
    reading = read_tsv(Source(Path("train.tsv"), "text\tlabel\na\tx\tmore\n\ty\n"))
    assert reading.counts == {"lines with more columns than the header": 1, "empty texts": 1}


@given(content=st.binary(max_size=100) | st.text("text\tlabel\n\r\u2028", max_size=60).map(str.encode))
def test_any_bytes_are_read_or_refused_with_a_data_error(content):
    try:
        reading = read_tsv(Source(Path("x"), decode(content, path=Path("x")), {"text": 0, "label": -1}))
    except DataError:
        return
    assert all(example.label for example in reading.texts)
