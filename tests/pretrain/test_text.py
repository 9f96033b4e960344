from __future__ import annotations

from pathlib import Path

import pytest

from nertune.errors import DataError
from nertune.pretrain.text import read_text


def test_a_folder_is_read_file_by_file_in_the_order_of_names(tmp_path: Path) -> None:
    (tmp_path / "b.txt").write_bytes(b"two\r\n \r\nthree\n")
    (tmp_path / "a.txt").write_bytes(b"\xef\xbb\xbfone\n")
    (tmp_path / "notes.md").write_bytes(b"not this")
    assert read_text(tmp_path).lines == ("one", "two", "three")


def test_only_newlines_end_a_line(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("one\u2028still one\x0cand still\ntwo", encoding="utf-8")
    assert read_text(path).lines == ("one\u2028still one\x0cand still", "two")


def test_a_wrong_byte_is_named_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(b"fine\nCaf\xe9 Rose\n")
    with pytest.raises(DataError, match=r"a\.txt:2: byte 0xe9 at position 4 is not UTF-8"):
        read_text(path)


def test_a_missing_corpus_is_said(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such file or folder"):
        read_text(tmp_path / "gone")


def test_a_folder_without_text_files_is_said(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no \*\.txt in this folder"):
        read_text(tmp_path)


def test_blank_lines_alone_are_no_corpus(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("\n  \n\n")
    with pytest.raises(DataError, match="no line with text"):
        read_text(tmp_path)


def test_the_fingerprint_changes_with_the_text(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    prints = []
    for content in ("one", "one", "two"):
        path.write_text(content)
        prints.append(read_text(path).fingerprint)
    assert prints[0] == prints[1] != prints[2]
