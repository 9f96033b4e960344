import errno
import math
import os
from pathlib import Path

import pytest

from nertune.results.files import read_json, replace_folder, write_csv, write_json, write_json_lines, write_text


def listed(folder):
    return sorted(path.name for path in folder.iterdir())


def test_text_is_written_as_it_is_with_its_folder(tmp_path):
    write_text(tmp_path / "a" / "b.txt", "ä\nb\r\n")
    assert (tmp_path / "a" / "b.txt").read_bytes() == "ä\nb\r\n".encode()
    assert listed(tmp_path / "a") == ["b.txt"]


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_write_that_fails_leaves_the_old_content_and_no_temporary_file(tmp_path, monkeypatch, step):
    def refuse(*_args):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    write_text(tmp_path / "b.txt", "old")
    monkeypatch.setattr(*{"fsync": (os, "fsync"), "replace": (Path, "replace")}[step], refuse)
    with pytest.raises(OSError, match="No space left"):
        write_text(tmp_path / "b.txt", "new")
    assert (listed(tmp_path), (tmp_path / "b.txt").read_text()) == (["b.txt"], "old")


def test_text_that_is_no_unicode_leaves_the_old_content(tmp_path):
    write_text(tmp_path / "b.txt", "old")
    with pytest.raises(UnicodeEncodeError):
        write_text(tmp_path / "b.txt", "new \ud800")
    assert (listed(tmp_path), (tmp_path / "b.txt").read_text()) == (["b.txt"], "old")


def test_new_content_reaches_the_disk_before_it_takes_its_place(tmp_path, monkeypatch):
    order = []
    fsync, replace = os.fsync, Path.replace
    monkeypatch.setattr(os, "fsync", lambda file: (order.append("fsync"), fsync(file)))
    monkeypatch.setattr(Path, "replace", lambda self, target: (order.append("replace"), replace(self, target)))
    write_text(tmp_path / "b.txt", "new")
    assert order == ["fsync", "replace"]


def test_json_holds_no_nan(tmp_path):
    value = {"a": math.nan, "b": [math.inf, 1.5], "ü": ("x", None)}
    write_json(tmp_path / "a.json", value)
    write_json_lines(tmp_path / "a.jsonl", [value, 1])
    assert read_json(tmp_path / "a.json") == {"a": None, "b": [None, 1.5], "ü": ["x", None]}
    assert (tmp_path / "a.jsonl").read_text() == '{"a": null, "b": [null, 1.5], "ü": ["x", null]}\n1\n'


def test_csv_quotes_what_needs_it_and_leaves_missing_values_empty(tmp_path):
    write_csv(tmp_path / "a.csv", [{"a": 'x, "y"\nz', "b": None}, {"b": 0.5}], columns=["a", "b"])
    assert (tmp_path / "a.csv").read_text() == 'a,b\n"x, ""y""\nz",\n,0.5\n'
    with pytest.raises(ValueError, match="'c'"):
        write_csv(tmp_path / "a.csv", [{"c": 1}], columns=["a", "b"])


@pytest.mark.parametrize("before", [None, "old"])
def test_folder_takes_the_place_of_an_older_one(tmp_path, before):
    write_text(tmp_path / "new" / "x", "new")
    if before:
        write_text(tmp_path / "results" / "place" / "y", before)
    replace_folder(tmp_path / "new", tmp_path / "results" / "place")
    assert (listed(tmp_path), listed(tmp_path / "results"), listed(tmp_path / "results" / "place")) == (
        ["results"],
        ["place"],
        ["x"],
    )
