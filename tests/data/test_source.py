"""Opening a file: encodings, and what a wrong byte is told with."""

import hashlib
from pathlib import Path

import pytest

from nertune.data.source import decode, open_source, quoted
from nertune.errors import DataError


def test_the_fingerprint_is_of_the_bytes_with_their_mark(tmp_path):
    content = b"\xef\xbb\xbfAda\tB-PER\n"
    (tmp_path / "train.txt").write_bytes(content)
    source = open_source(tmp_path / "train.txt", columns={})
    assert (source.text, source.fingerprint) == ("Ada\tB-PER\n", hashlib.sha256(content).hexdigest())


@pytest.mark.parametrize(("mark", "offset"), [(b"", 8), (b"\xef\xbb\xbf", 11)])
def test_a_wrong_byte_is_named_with_line_offset_and_value(mark, offset):
    with pytest.raises(DataError, match=f'x.txt:2: byte 0xE6 at offset {offset} .*\\(in Latin-1 it would be "æ"\\)'):
        decode(mark + b"a\tO\nbl\xc3\xa6\xe6\tO\n", path=Path("x.txt"))


def test_the_fix_of_a_wrong_byte_can_be_typed():
    with pytest.raises(DataError) as caught:
        decode(b"\xff", path=Path("my data.txt"))
    name = "'my data.txt'"
    assert f"iconv -f LATIN1 -t UTF-8 {name} > converted && mv converted {name}" in str(caught.value)


def test_utf16_is_named():
    with pytest.raises(DataError, match=r"byte order mark of UTF-16(.|\n)*iconv -f UTF-16"):
        decode("Ada\tO\n".encode("utf-16"), path=Path("x.txt"))


@pytest.mark.parametrize("content", [b"", b"\xef\xbb\xbf"])
def test_an_empty_file_is_refused(tmp_path, content):
    (tmp_path / "x.txt").write_bytes(content)
    with pytest.raises(DataError, match="the file is empty"):
        open_source(tmp_path / "x.txt", columns={})


def test_a_missing_file_is_answered_with_the_closest(tmp_path):
    (tmp_path / "train.txt").write_text("x")
    with pytest.raises(DataError, match=r"cannot be read: No such file(.|\n)*Did you mean .*train\.txt\?"):
        open_source(tmp_path / "trian.txt", columns={})


def test_text_in_messages_is_cut_and_cannot_steer_the_terminal():
    assert quoted("a\x1b[31m\u202e") == '"a\\x1b[31m\\u202e"'
    assert quoted("x" * 50, limit=3) == '"xxx…"'
