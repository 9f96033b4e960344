"""The Kaggle table of tagged words: where sentences begin, encodings, quotation, words that are missing."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nertune.data.readers.kaggle import looks_like_kaggle, read_kaggle
from nertune.data.source import Source
from nertune.errors import DataError
from nertune.spec.study import DataSpec

FILES = Path(__file__).parent.parent / "files" / "kaggle"
ENCODINGS = ("utf-8", "latin-1")
HEADER = "Sentence #,Word,POS,Tag\n"


@pytest.fixture
def source(tmp_path):
    """A file with this text; further arguments go to the `data` section."""

    def make(text, **data):
        path = tmp_path / "ner.csv"
        path.write_bytes(text.encode())
        return Source(path, DataSpec(**data), encodings=ENCODINGS)

    return make


def told(opened):
    list(read_kaggle(opened))
    return [(fault.where.line, fault.message) for fault in opened.faults.shown]


def test_a_number_on_the_first_row_begins_a_sentence():
    sentences = list(read_kaggle(Source(FILES / "latin1.csv", encodings=ENCODINGS)))
    assert [(s.words, s.tags, list(s.lines)) for s in sentences] == [
        (("Åse", "said", '"', "no", '"', ","), ("B-PER", "O", "O", "O", "O", "O"), [2, 3, 4, 5, 6, 7]),
        (("Oslo", "sleeps"), ("B-LOC", "O"), [8, 9]),
    ]


def test_a_number_may_stand_on_each_row():
    assert [s.words for s in read_kaggle(Source(FILES / "numbered_rows.csv"))] == [("Ada", "slept"), ("Oslo",)]


@pytest.mark.parametrize(
    ("header", "row", "columns"),
    [
        ("Tag,POS,Word,Sentence #", "B-PER,NNP,Ada,1", {}),
        ("id;sentence_idx;word;tag", "0;1;Ada;B-PER", {}),
        ("Satz,Wort,Marke", "1,Ada,B-PER", {"sentence": "Satz", "word": "Wort", "tag": "Marke"}),
    ],
)
def test_columns_are_found_by_their_names(source, header, row, columns):
    (sentence,) = read_kaggle(source(f"{header}\n{row}\n", columns=columns))
    assert (sentence.words, sentence.tags) == (("Ada",), ("B-PER",))


def test_a_table_without_numbers_of_sentences_is_refused(source):
    assert told(source("Word,Tag\nAda,B-PER\n")) == [
        (1, 'no column is named sent_id or sentence or sentence #; the columns are "Word", "Tag"')
    ]


def test_a_missing_word_is_counted_if_nothing_is_lost(source):
    opened = source(f"{HEADER}1,,NNP,O\n,Ada,NNP,B-PER\n,,,\n")
    assert [(s.words, list(s.lines)) for s in read_kaggle(opened)] == [(("Ada",), [3])]
    assert opened.notices.counts == {"empty-words": 1}


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (",,NNP,B-PER", 'no word before the tag "B-PER"'),
        (",Ada,NNP,", 'the word "Ada" has no tag'),
        (",,,COMMA,O", "5 columns where 4 are needed"),
        (",Ada,B-PER", "3 columns where 4 are needed"),
        (',"Ada"x,NNP,O', 'after a closing quotation mark stands "x,NNP,O", not a comma'),
    ],
)
def test_what_would_lose_or_shift_a_tag_is_told_with_its_line(source, row, message):
    assert told(source(f"{HEADER}1,In,IN,O\n{row}\n,Oslo,NNP,B-LOC\n")) == [(3, message)]


def test_a_quotation_mark_that_is_never_closed_is_told_with_its_line(source):
    with pytest.raises(DataError, match=r"ner\.csv:3: the quotation mark"):
        list(read_kaggle(source(f'{HEADER}1,In,IN,O\n,",IN,O\n')))


def test_blanks_inside_words_are_counted(source):
    opened = source(f"{HEADER}1,New York,NNP,B-LOC\n")
    assert [s.words for s in read_kaggle(opened)] == [("New York",)]
    assert opened.notices.counts == {"blanks-in-words": 1}


def test_other_white_space_is_a_word(source):
    (sentence,) = read_kaggle(source(f"{HEADER}1,\x85,X,O\n,\u00a0,X,O\n,\u2028,X,B-X\n"))
    assert sentence.words == ("\x85", "\u00a0", "\u2028")


@pytest.mark.parametrize("name", ["latin1.csv", "numbered_rows.csv"])
def test_the_test_files_are_recognised(name):
    assert looks_like_kaggle(Source(FILES / name, encodings=ENCODINGS))


@pytest.mark.parametrize(
    "text", ["", "Sentence,Slot\nAda,O\n", "text,label\na,b\n", "word,tag\nAda,O\n", "Ada\tB-PER\n"]
)
def test_other_files_are_not_recognised(source, text):
    assert not looks_like_kaggle(source(text))


@given(rows=st.binary(max_size=200) | st.text('1, \n"OB-X\r;', max_size=60).map(str.encode), has_header=st.booleans())
def test_any_bytes_are_read_or_refused_with_a_data_error(tmp_path_factory, rows, has_header):
    path = tmp_path_factory.getbasetemp() / "any.csv"
    path.write_bytes((HEADER.encode() if has_header else b"") + rows)
    try:
        looks_like_kaggle(Source(path, encodings=ENCODINGS))
        sentences = list(read_kaggle(Source(path, encodings=ENCODINGS)))
    except DataError:
        return
    assert all(len(s.words) == len(s.tags) == len(s.lines) > 0 and all(s.words) for s in sentences)
