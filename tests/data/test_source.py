"""A file as it streams in: encodings, line ends, and what a wrong byte is told with."""

import gzip
import hashlib

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nertune.data.source import BLOCK, Source, quoted
from nertune.errors import DataError
from nertune.spec.study import DataSpec


@pytest.fixture
def source(tmp_path):
    def write(content, *, name="x.txt", encodings=("utf-8",), **data):
        (tmp_path / name).write_bytes(content)
        return Source(tmp_path / name, DataSpec(**data), encodings=encodings)

    return write


def refused(source):
    with pytest.raises(DataError) as caught:
        list(source.lines())
    return str(caught.value)


def test_the_fingerprint_is_of_the_bytes_with_their_mark(source):
    content = b"\xef\xbb\xbfAda\tB-PER\n"
    opened = source(content)
    assert (list(opened.lines()), opened.fingerprint) == (["Ada\tB-PER"], hashlib.sha256(content).hexdigest())


def test_the_fingerprint_of_two_files_changes_with_each(source):
    def fingerprint(one, other):
        first = source(one)
        list(first.lines())
        list(first.beside(source(other, name="y.txt").path).lines())
        return first.fingerprint

    assert (
        len({fingerprint(b"a", b"b"), fingerprint(b"a", b"c"), fingerprint(b"b", b"b"), fingerprint(b"b", b"a")}) == 4
    )


@pytest.mark.parametrize(("mark", "offset"), [(b"", 8), (b"\xef\xbb\xbf", 11)])
def test_a_wrong_byte_is_named_with_line_offset_and_value(source, mark, offset):
    message = refused(source(mark + b"a\tO\nbl\xc3\xa6\xe6\tO\n"))
    assert f'x.txt:2: byte 0xE6 at offset {offset} of the file is not UTF-8 (in Latin-1 it would be "æ")' in message
    assert "data: {encoding: latin-1}" in message


def test_a_wrong_byte_far_into_the_file_has_its_own_line_and_offset(source):
    content = b"0123456\n" * (BLOCK // 8 + 1000) + b"ab\xff"
    assert f"x.txt:{BLOCK // 8 + 1001}: byte 0xFF at offset {len(content) - 1} " in refused(source(content))


def test_a_character_cut_off_by_the_end_is_told(source):
    assert "x.txt:2: " in refused(source(b"a\nb\xc3"))


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32", "utf-8", "utf-8-sig"])
def test_a_byte_order_mark_says_the_encoding(source, encoding):
    assert list(source("Ada\tO\nZoë\tO\n".encode(encoding)).lines()) == ["Ada\tO", "Zoë\tO"]


def test_a_stated_encoding_is_taken(source):
    assert list(source("blåbær".encode("latin-1"), encoding="latin-1").lines()) == ["blåbær"]
    assert list(source("Ж\nЯ".encode("cp1251"), encoding="windows-1251").lines()) == ["Ж", "Я"]


@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.parametrize(
    ("written", "stated"),
    [("utf-16-le", "utf-16-le"), ("utf-16-be", "UTF-16BE"), ("utf-16-be", "utf-16"), ("utf-16-le", "utf-16")],
)
def test_utf16_is_read_with_a_mark_or_without_one_where_it_is_said(source, written, stated, mark):
    content = f"{mark}Ada\tO\nZoë\tO\n".encode(written)
    assert list(source(content, encoding=stated).lines()) == ["Ada\tO", "Zoë\tO"]


def test_utf16_without_a_mark_is_told_with_what_to_write(source):
    message = refused(source("Ada\tO\nZoë\tO\n".encode("utf-16-be")))
    assert "looks like UTF-16" in message
    assert "data: {encoding: utf-16-be}" in message


def test_a_stated_utf16_that_the_bytes_contradict_is_refused(source):
    assert "no byte order mark begins the file" in refused(source(b"Ada\tO\n", encoding="utf-16"))


def test_utf16_that_ends_within_a_character_was_cut_off(source):
    message = refused(source(b"\xff\xfe" + "Ada\tO\n".encode("utf-16-le") + b"a"))
    assert "x.txt:2: the file ends in the middle of a character (utf-16)" in message


def test_a_wrong_byte_in_a_stated_encoding_blames_that(source):
    message = refused(source("Zoë\tO\n".encode(), encoding="ascii"))
    assert "x.txt:1: byte 0xC3 at offset 2 of the file is not ascii\n    Correct data.encoding" in message


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (gzip.compress(b"Ada\tO\n", mtime=0), "compressed with gzip"),
        (b"PK\x03\x04\x14\x00", "a ZIP archive"),
        (b"\x89PNG\r\n\x1a\n\x00", "an image"),
        (b"PAR1\x15\x00", "a Parquet table"),
        (b"\x01\x02\x00\x00\x00\x00\x00\x00x", "no text: control characters"),
        (bytes(range(256)) * 9, "no text: control characters"),
    ],
)
def test_a_file_that_is_no_text_is_told_as_what_it_is(source, content, what):
    assert f"x.txt: the file is {what}" in refused(source(content))


@pytest.mark.parametrize("text", ["PAR1\tB-GENE\n", "BZh\tO\n", "a\x00b\tO\n", "%PDF-\tO\n"])
def test_words_such_as_those_that_begin_other_files_are_text(source, text):
    assert list(source(text.encode()).lines()) == [text.rstrip("\n")]


@pytest.mark.parametrize("name", ["latin-11", "hex", "rot13", "zip", "idna", "utf-7", "unicode_escape", "undefined"])
def test_an_encoding_that_is_none_is_refused(source, name):
    assert "there is no encoding" in refused(source(b"a", encoding=name))


def test_a_second_encoding_is_tried_only_where_the_format_has_one_and_then_told(source):
    opened = source("blåbær".encode("latin-1"), encodings=("utf-8", "latin-1"))
    assert list(opened.lines()) == ["blåbær"]
    assert opened.notices.counts == {"decoded-otherwise": 1}


def test_only_line_feeds_end_a_line(source):
    text = "a\u2028b\u0085c\x0bd\x0ce\x1cf\rg"
    assert list(source(f"{text}\r\nh".encode()).lines()) == [text, "h"]


def test_lone_carriage_returns_end_lines_where_there_is_no_line_feed(source):
    opened = source(b"a\tO\rb\tO\r\rc\tO\r")
    assert list(opened.lines()) == ["a\tO", "b\tO", "", "c\tO"]
    assert opened.notices.counts == {"cr-line-ends": 1}


def test_a_line_end_that_was_written_twice_is_one(source):
    assert list(source(b"a\tO\r\r\n\r\r\nb\tO\r\r\n").lines()) == ["a\tO", "", "b\tO"]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text("ab\n\r\u2028\u0085é", min_size=1))
def test_lines_are_what_splitting_the_whole_text_gives(source, text):
    lines = text.removesuffix("\n").split("\n") if "\n" in text or "\r" not in text.rstrip("\r") else None
    if lines is not None:
        assert list(source(text.encode()).lines()) == [line.rstrip("\r") for line in lines]


@pytest.mark.parametrize("content", [b"", b"\xef\xbb\xbf", b"\xff\xfe"])
def test_an_empty_file_is_refused(source, content):
    assert "the file is empty" in refused(source(content))


def test_a_missing_file_is_answered_with_the_closest(source, tmp_path):
    source(b"x", name="train.txt")
    with pytest.raises(DataError, match=r"cannot be read: No such file(.|\n)*Did you mean .*train\.txt\?"):
        list(Source(tmp_path / "trian.txt").lines())


def test_the_head_is_no_more_than_is_needed(source):
    opened = source(b"line\n" * 100_000)
    assert set(opened.head_lines) == {"line"}
    assert len(opened.head) <= 1 << 16


def test_the_head_goes_on_until_it_holds_some_lines(source):
    opened = source(b"x" * 100_000 + b"\tO\n" + b"line\n" * 50_000)
    assert len(opened.head_lines[0]) == 100_002
    assert set(opened.head_lines[1:]) == {"line"}


def test_text_in_messages_is_cut_and_cannot_steer_the_terminal():
    assert quoted("a\x1b[31m\u202e") == '"a\\x1b[31m\\u202e"'
    assert quoted("x" * 50, limit=3) == '"xxx…"'
