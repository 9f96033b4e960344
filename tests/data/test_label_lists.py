"""Numbers instead of labels: where their names are looked for."""

import json

import pytest

from nertune.data.label_lists import LabelNames
from nertune.data.source import Source
from nertune.errors import DataError
from nertune.spec.study import DataSpec

NAMES = {0: "O", 1: "B-PER"}
FEATURES = {"ner_tags": {"feature": {"names": ["O", "B-PER"], "_type": "ClassLabel"}, "_type": "List"}}
FORMS = [
    ["O", "B-PER"],
    {"0": "O", "1": "B-PER"},
    {"O": 0, "B-PER": 1},
    {"id2label": {"0": "O", "1": "B-PER"}},
    {"features": FEATURES},
    {"default": {"features": FEATURES}},
]


def find(folder, *, header=(), data=None):
    return LabelNames(Source(folder / "train.json", data or DataSpec()), "ner_tags", dict(header)).find()


@pytest.mark.parametrize("form", FORMS, ids=str)
def test_a_json_file_beside_the_data_names_them_in_every_usual_form(tmp_path, form):
    name = "dataset_infos.json" if "default" in form else "labels.json"
    (tmp_path / name).write_text(json.dumps(form))
    assert find(tmp_path) == NAMES


@pytest.mark.parametrize("lines", ["O\nB-PER\n", "0 O\n1 B-PER\n", "1\tB-PER\r\n0\tO\r\n", "O\t0\nB-PER\t1\n"])
def test_a_text_file_beside_the_data_names_them_in_order_or_by_number(tmp_path, lines):
    (tmp_path / "label_list.txt").write_text(lines, newline="")
    assert find(tmp_path) == NAMES


def test_names_that_end_in_numbers_are_names(tmp_path):
    (tmp_path / "labels.txt").write_text("grade 0\ngrade 1\n")
    assert find(tmp_path) == {0: "grade 0", 1: "grade 1"}


def test_the_header_comes_first_and_its_other_numbers_are_no_names(tmp_path):
    (tmp_path / "labels.txt").write_text("X\nY\n")
    assert find(tmp_path, header={"label_names": ["O", "B-PER"]}) == NAMES
    assert find(tmp_path, header={"version": 1}) == {0: "X", 1: "Y"}


def test_the_list_counts_in_the_fingerprint(tmp_path):
    (tmp_path / "labels.txt").write_text("O\nB-PER\n")
    source = Source(tmp_path / "train.json")
    LabelNames(source, "ner_tags").find()
    assert len(source.digests) == 1


def test_without_a_list_the_file_to_write_is_named(tmp_path):
    names = LabelNames(Source(tmp_path / "train.json"), "ner_tags")
    with pytest.raises(
        DataError, match=r"train\.json:4: ner_tags holds numbers \(3\)(.|\n)*Write their names to .*labels\.txt"
    ):
        names.needed(3, line=4)


def test_nothing_beside_the_working_directory_names_numbers_of_the_hub(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "labels.txt").write_text("O\nB-PER\n")
    assert find(tmp_path, data=DataSpec(hub="conll2003")) is None
