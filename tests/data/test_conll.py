"""CoNLL columns: what is a word, what is not, and which lines are refused."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nertune.data.readers import read_conll
from nertune.data.source import Source, decode, open_source
from nertune.errors import DataError

FILES = Path(__file__).parent.parent / "files" / "conll"


def read(text, **columns):
    """The (word, tag) pairs of each sentence."""
    reading = read_conll(Source(Path("train.txt"), text, columns))
    assert not reading.problems
    return [list(zip(sentence.words, sentence.tags, strict=True)) for sentence in reading.sentences]


def problems(text, **columns):
    return [str(problem) for problem in read_conll(Source(Path("train.txt"), text, columns)).problems]


def test_word_is_first_and_tag_is_last():
    sentences = read_conll(open_source(FILES / "four_columns.txt", columns={})).sentences
    assert [(s.words, s.tags) for s in sentences] == [
        (("Ada", "saw", "Turin"), ("B-PER", "O", "B-LOC")),
        (("Oslo",), ("B-LOC",)),
    ]
    assert [list(sentence.lines) for sentence in sentences] == [[3, 4, 5], [9]]


def test_a_hashtag_with_a_tag_is_a_word_and_a_key_with_a_value_a_comment():
    reading = read_conll(open_source(FILES / "iob2.conll", columns={}))
    assert [s.words[0] for s in reading.sentences] == ["Ada", "#photography"]
    assert reading.counts["comment lines"] == 1


@pytest.mark.parametrize(
    "comment",
    ["# newdoc", "# text = I live in O", "# id = 7", "#", "# a longer remark ends in O", "#remark", "# newdoc id = a"],
)
def test_comments_are_no_words_and_end_no_sentence(comment):
    assert read(f"Ada\tB-PER\n{comment}\nLovelace\tI-PER\n") == [[("Ada", "B-PER"), ("Lovelace", "I-PER")]]


@pytest.mark.parametrize("line", ["#\tO", "# O", "#1\tB-LOC", "#NLP\tO", "#new B-NEW"])
def test_a_word_may_begin_with_a_hash(line):
    assert len(read(f"Ada\tB-PER\n{line}\n")[0]) == 2


def test_carriage_returns_byte_order_mark_and_blanks_in_blank_lines_are_no_words():
    reading = read_conll(open_source(FILES / "crlf_bom.txt", columns={}))
    assert [(s.words, s.tags) for s in reading.sentences] == [
        (("Ada", "slept"), ("B-PER", "O")),
        (("Oslo",), ("B-LOC",)),
    ]


@pytest.mark.parametrize("char", ["\u2028", "\u2029", "\x85", "\x0b", "\x0c", "\x1c", "\r", "\u00a0", "\u3000"])
def test_only_line_feeds_end_lines_and_only_tabs_and_blanks_end_columns(char):
    assert read(f"a{char}b\tO\n{char}\tB-X\n") == [[(f"a{char}b", "O"), (char, "B-X")]]


def test_columns_are_chosen_by_number_or_name():
    text = (FILES / "header.tsv").read_text()
    wanted = [[("Ada", "B-PER"), ("slept", "O")]]
    assert read(text, word="form", tag="Entity") == wanted
    assert read(text.split("\n", 1)[1], word=1, tag=3) == wanted
    assert read(text, word=1, tag="entity") == wanted


def test_an_empty_column_does_not_shift_the_next():
    assert read("1\tAda\t\tB-PER\n", word=1, tag=3) == [[("Ada", "B-PER")]]


def test_a_usual_header_is_no_word():
    assert read("Word\tPOS\tTag\nAda\tNNP\tB-PER\n") == [[("Ada", "B-PER")]]


def test_a_misspelt_column_is_answered_with_the_closest():
    text = (FILES / "header.tsv").read_text()
    assert problems(text, word="fom", tag="entity") == [
        'train.txt:1: no column is named "fom"; the columns are "id", "form", "pos", "entity"\n'
        "    Write for example: data: {columns: {word: form}}"
    ]
    assert 'data.columns names "words"' in problems(text, words=0)[0]


def test_a_line_without_a_tag_is_a_problem_with_its_line():
    assert problems((FILES / "no_tag.txt").read_text()) == [
        'train.txt:2: one column where two are needed (word, tag); the word is "Springfield"\n'
        "    Add its tag, for example: Springfield<TAB>O"
    ]


def test_a_tag_without_a_word_is_a_problem():
    assert 'train.txt:1: no word before the tag "O"' in problems("\tO\nAda\tB-PER\n")[0]


def test_with_bare_types_a_part_of_speech_does_not_pass_for_a_tag():
    text = "Ada NNP PER\nsaw VBD O\nTurin NNP\nOslo NNP LOC\n"
    assert 'train.txt:3: 2 columns where 3 are needed; the word is "Turin"' in problems(text)[0]


def test_lines_with_an_unusual_number_of_columns_are_counted():
    reading = read_conll(Source(Path("train.txt"), "New York\tB-LOC\nis\tO\nbig\tO\n"))
    assert reading.counts["lines with an unusual number of columns"] == 1


def test_running_text_is_refused_at_once():
    text = "One day\tgood\nThe cat sat down\tbad\nWe all went home early\tgood\nNo\n"
    assert "lines have 3 to 6 columns, few alike" in problems(text)[0]


@given(content=st.binary(max_size=200) | st.text("#\t \nOB-X\r=a\u2028", max_size=60).map(str.encode))
def test_any_bytes_are_read_or_refused_with_a_data_error(content):
    try:
        reading = read_conll(Source(Path("x"), decode(content, path=Path("x"))))
    except DataError:
        return
    assert all(len(sentence.words) == len(sentence.tags) > 0 for sentence in reading.sentences)
