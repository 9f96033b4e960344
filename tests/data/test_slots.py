"""Tables of sentences and their tags: quotation, numbers of words and tags, headers."""

import csv
import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nertune.data.readers.slots import looks_like_slots, read_slots
from nertune.data.source import Source
from nertune.errors import DataError
from nertune.spec.study import DataSpec

FILES = Path(__file__).parent.parent / "files" / "slots"
WORDS = st.lists(st.text("a\"',;é\u00a0\u2028.", min_size=1, max_size=3), min_size=1, max_size=5)


@pytest.fixture
def source(tmp_path):
    """A file with this text; further arguments go to the `data` section."""

    def make(text, **data):
        path = tmp_path / "train.tsv"
        path.write_bytes(text.encode())
        return Source(path, DataSpec(**data))

    return make


@pytest.fixture
def faults(source):
    """What is told about a file that is wrong, as (line, message)."""

    def told(text, **data):
        opened = source(text, **data)
        list(read_slots(opened))
        return [(fault.where.line, fault.message) for fault in opened.faults.shown]

    return told


def test_words_and_tags_stand_between_blanks():
    sentences = list(read_slots(Source(FILES / "train.tsv")))
    assert [(s.words, s.tags, list(s.lines)) for s in sentences] == [
        (("Ada", "lives", "in", "Turin", "."), ("B-PER", "O", "O", "B-LOC", "O"), [2] * 5),
        (("Grace", "said", '"', "no", '"', "."), ("B-PER", "O", "O", "O", "O", "O"), [3] * 6),
    ]


@pytest.mark.parametrize("header", ["Sentence\tSlot", "sentence\tSLOTS", "text\ttags", "words\tlabels"])
def test_a_header_is_found_whatever_its_case(source, header):
    assert [s.words for s in read_slots(source(f"{header}\nAda slept\tB-PER O\n"))] == [("Ada", "slept")]


def test_a_file_without_header_has_words_and_tags_in_this_order(source):
    assert [s.tags for s in read_slots(source("Ada slept\tB-PER O\nOslo\tB-LOC\n"))] == [("B-PER", "O"), ("B-LOC",)]


@pytest.mark.parametrize("columns", [{"word": "Satz", "tag": "Marken"}, {"word": 1, "tag": "Marken"}])
def test_columns_are_chosen_by_name_or_number(source, columns):
    (sentence,) = read_slots(source("Nr\tSatz\tMarken\n1\tAda slept\tB-PER O\n", columns=columns))
    assert sentence.words == ("Ada", "slept")


def test_a_misspelt_column_is_answered_with_the_closest(source):
    opened = source("Nr\tSatz\tMarken\n1\tAda\tB-PER\n", columns={"word": "Saatz", "tag": "Marken"})
    assert list(read_slots(opened)) == []
    assert "data: {columns: {word: Satz}}" in str(opened.faults.shown[0])


def test_a_cell_may_go_over_several_lines(source):
    opened = source('Sentence\tSlot\n"Ada\nslept"\t"B-PER\nO"\nOslo\tB-LOC\n')
    assert [(s.words, list(s.lines)) for s in read_slots(opened)] == [(("Ada", "slept"), [2, 3]), (("Oslo",), [5])]


def test_a_cell_after_a_long_one_has_its_own_line(source):
    opened = source('Slot\tSentence\n"B-PER\nO"\tAda slept\n')
    assert [list(s.lines) for s in read_slots(opened)] == [[3, 3]]


@pytest.mark.parametrize("columns", [{"word": 0, "tag": 0}, {"word": (0, 1)}, {"text": 0}])
def test_columns_that_contradict_each_other_are_refused(faults, columns):
    ((line, message),) = faults("Sentence\tSlot\nAda\tB-PER\n", columns=columns)
    assert (line, "data.columns" in message) == (None, True)


def test_ordinary_quotation_marks_are_words(source):
    opened = source('Sentence\tSlot\n" Ada "\tO B-PER O\n', quoting="none")
    assert [s.words for s in read_slots(opened)] == [('"', "Ada", '"')]


def test_different_numbers_of_words_and_tags_are_told_with_both(faults):
    assert faults("Sentence\tSlot\nAda slept\tB-PER\nOslo\tB-LOC O\n\nLima\tB-LOC\n") == [
        (2, '2 words but 1 tag; the sentence is "Ada slept"'),
        (3, '1 word but 2 tags; the sentence is "Oslo"'),
    ]


@pytest.mark.parametrize(("row", "message"), [("Ada", "one column where 2"), ("Ada\tO\tx", "3 columns where 2")])
def test_rows_with_other_columns_than_the_header_are_told(faults, row, message):
    ((line, told),) = faults(f"Sentence\tSlot\nOslo\tB-LOC\n{row}\n")
    assert (line, message in told) == (3, True)


def test_a_quotation_mark_that_is_never_closed_is_told_with_its_line(source):
    with pytest.raises(DataError, match=r"train\.tsv:3: the quotation mark before .*\n.*quoting: none"):
        list(read_slots(source('Sentence\tSlot\nOslo\tB-LOC\n"Ada slept\tB-PER O\nLima\tB-LOC\n')))


def test_a_sentence_without_words_is_counted(source):
    opened = source('Sentence\tSlot\nAda\tB-PER\n""\t""\n')
    assert len(list(read_slots(opened))) == 1
    assert opened.notices.counts == {"empty-sentences": 1}


@given(sentences=st.lists(WORDS, min_size=1, max_size=4))
def test_what_pythons_csv_writes_is_read(tmp_path_factory, sentences):
    text = io.StringIO(newline="")
    rows = [("Sentence", "Slot"), *((" ".join(words), " ".join("O" * len(words))) for words in sentences)]
    csv.writer(text, delimiter="\t").writerows(rows)
    path = tmp_path_factory.getbasetemp() / "written.tsv"
    path.write_bytes(text.getvalue().encode())
    assert [list(sentence.words) for sentence in read_slots(Source(path))] == sentences


@pytest.mark.parametrize(
    ("text", "is_slots"),
    [
        ("Sentence\tSlot\nAda slept\tB-PER\n", True),
        ("text\tlabels\nAda slept\tB-PER O\n", True),
        ("text\tlabel\na fine film\tgood\n", False),
        ("text\tlabel\nO\tO\n", False),
        ("word\ttag\nAda\tB-PER\n", False),
        ("Ada slept\tB-PER O\n", False),
        ("Ada slept\tB-PER O\nBo woke early\tB-PER O O\n", True),
        ("Ada slept\tB-PER O\nBo woke early\tB-PER O\n", False),
        ("New York\tB-LOC big\nAda Bo\tB-PER O\n", False),
        ("", False),
    ],
)
def test_only_a_header_and_equal_numbers_are_recognised(source, text, is_slots):
    assert looks_like_slots(source(text)) is is_slots


@given(content=st.binary(max_size=200) | st.text('Sentence\tlo \n"OB-X\r', max_size=60).map(str.encode))
def test_any_bytes_are_read_or_refused_with_a_data_error(tmp_path_factory, content):
    path = tmp_path_factory.getbasetemp() / "any.tsv"
    path.write_bytes(content)
    try:
        looks_like_slots(Source(path))
        sentences = list(read_slots(Source(path)))
    except DataError:
        return
    assert all(len(s.words) == len(s.tags) == len(s.lines) > 0 for s in sentences)


def test_a_header_without_a_place_for_tags_is_told_and_is_no_table_of_slots(source, faults):
    assert not looks_like_slots(source("Ada\nslept\n", header=True))
    assert faults("Ada\nslept\n", header=True) == [
        (1, 'there is no column 1 for tag; the first one is 0, and the header names "Ada"')
    ]
