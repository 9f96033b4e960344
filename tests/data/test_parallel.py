"""Parallel files: which file holds the tags, and lines that do not belong together."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nertune.data.readers.parallel import looks_like_parallel, read_parallel, tags_file_of
from nertune.data.source import Source
from nertune.errors import DataError
from nertune.spec.study import DataSpec

FILES = Path(__file__).parent.parent / "files" / "parallel"


@pytest.fixture
def source(tmp_path):
    """A file of words with its file of tags beside it."""

    def make(words, tags):
        (tmp_path / "train.words").write_bytes(words.encode())
        (tmp_path / "train.tags").write_bytes(tags.encode())
        return Source(tmp_path / "train.words")

    return make


def test_words_and_tags_of_one_line_belong_together():
    source = Source(FILES / "train.words")
    assert [(s.words, s.tags, list(s.lines)) for s in read_parallel(source)] == [
        (("Ada", "lives", "in", "Turin"), ("B-PER", "O", "O", "B-LOC"), [1] * 4),
        (("Oslo",), ("B-LOC",), [2]),
    ]
    assert len(source.digests) == 2  # both files decide the fingerprint


@pytest.mark.parametrize(
    ("words", "tags"),
    [
        ("train.words", "train.tags"),
        ("train.words.txt", "train.tags.txt"),
        ("train.words.txt", "train.labels.txt"),
        ("train.in", "train.out"),
        ("seq.in", "seq.out"),
        ("text.txt", "labels.txt"),
        ("text.txt", "tags.txt"),
        ("train.txt", "train.tags"),
        ("train_words.txt", "train_tags.txt"),
        ("Train-Words.txt", "Train-Tags.txt"),
    ],
)
def test_the_file_of_tags_is_found_by_its_name(tmp_path, words, tags):
    for name in (words, tags, "label", "README"):
        (tmp_path / name).touch()
    assert tags_file_of(tmp_path / words) == tmp_path / tags
    assert tags_file_of(tmp_path / tags) is None


@pytest.mark.parametrize("name", ["train.words", "train.conll", "README", "x" * 250 + ".txt"])
def test_without_such_a_file_there_is_none(tmp_path, name):
    assert tags_file_of(tmp_path / name) is None


def test_words_without_a_file_of_tags_are_refused(tmp_path):
    (tmp_path / "train.words").write_text("Ada\n")
    with pytest.raises(DataError, match=r"no file of tags lies beside(.|\n)*train\.words and train\.tags"):
        list(read_parallel(Source(tmp_path / "train.words")))


def test_columns_make_no_sense_here():
    with pytest.raises(DataError, match="parallel files have none"):
        list(read_parallel(Source(FILES / "train.words", DataSpec(columns={"word": 0}))))


def test_different_numbers_of_words_and_tags_are_told_with_both(source):
    opened = source("Ada slept\nOslo\nLima\n", "B-PER\nB-LOC\nB-LOC O\n")
    assert [s.words for s in read_parallel(opened)] == [("Oslo",)]
    assert [(fault.where.line, fault.message) for fault in opened.faults.shown] == [
        (1, '2 words but 1 tag; the sentence is "Ada slept"'),
        (3, '1 word but 2 tags; the sentence is "Lima"'),
    ]


@pytest.mark.parametrize(
    ("words", "tags", "counts"),
    [
        ("Ada\nOslo\n", "O\n", "2 lines of words, but 1 lines of tags"),
        ("Ada\n", "O\n\nO\n", "1 lines of words, but 3 lines of tags"),
    ],
)
def test_different_numbers_of_lines_are_told_with_both(source, words, tags, counts):
    opened = source(words, tags)
    list(read_parallel(opened))
    assert [fault.message for fault in opened.faults.shown] == [f"{counts} in train.tags"]


def test_blank_lines_at_the_end_are_no_sentences(source):
    opened = source("Ada\n", "O\n\n \n")
    assert len(list(read_parallel(opened))) == 1
    assert not opened.faults


def test_a_blank_line_in_both_files_is_counted(source):
    opened = source("Ada\n\nOslo\n", "O\n\nO\n")
    assert [list(s.lines) for s in read_parallel(opened)] == [[1], [3]]
    assert opened.notices.counts == {"empty-sentences": 1}


@pytest.mark.parametrize(
    ("words", "tags", "is_parallel"),
    [
        ("Ada slept\nOslo\n", "B-PER O\nB-LOC\n", True),
        ("Ada slept\nOslo\nLima\n", "B-PER O\nB-LOC\nO O\n", True),
        ("Ada slept\nOslo\n", "B-PER\nB-LOC\n", True),
        ("Ada slept\nOslo\n", "B-PER O\n", True),
        ("a fine film\na dull one\n", "good\nbad\n", False),
        ("good\nbad\n", "1\n0\n", False),
    ],
)
def test_only_files_with_as_many_tags_as_words_are_recognised(source, words, tags, is_parallel):
    assert looks_like_parallel(source(words, tags)) is is_parallel


@given(
    words=st.binary(max_size=60) | st.text("ab \t\n\r", max_size=30).map(str.encode),
    tags=st.binary(max_size=60) | st.text("O \t\n\r", max_size=30).map(str.encode),
)
def test_any_bytes_are_read_or_refused_with_a_data_error(tmp_path_factory, words, tags):
    folder = tmp_path_factory.getbasetemp()
    (folder / "any.words").write_bytes(words)
    (folder / "any.tags").write_bytes(tags)
    try:
        looks_like_parallel(Source(folder / "any.words"))
        sentences = list(read_parallel(Source(folder / "any.words")))
    except DataError:
        return
    assert all(len(s.words) == len(s.tags) == len(s.lines) > 0 for s in sentences)
