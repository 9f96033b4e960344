"""Prediction files are read back as they were written, and what is none is refused with its line."""

from __future__ import annotations

import json

import pytest

from nertune.analysis.predictions import check_same_texts, read_predictions
from nertune.data.examples import Span
from nertune.errors import DataError

TOKEN = {
    "id": 0,
    "where": "test.txt:1",
    "document": "d1",
    "n_words": 4,
    "gold": [{"label": "PER", "start": 0, "end": 2, "text": "Ada L"}],
    "predicted": [{"label": "ORG", "start": 3, "end": 4, "text": "Acme"}],
    "probabilities": [0.5],
}
TEXT = {"id": 0, "where": "t.tsv:2", "gold": "good", "predicted": "bad", "probabilities": {"bad": 0.75, "good": 0.25}}
SEVERAL = {**TEXT, "gold": ["bad", "good"], "predicted": []}


@pytest.fixture
def write(tmp_path):
    """`write(line, …)`: a file of these lines, objects or texts."""

    def write(*lines, name="p.jsonl"):
        told = [line if isinstance(line, str) else json.dumps(line) for line in lines]
        (tmp_path / name).write_text("".join(f"{line}\n" for line in told), encoding="utf-8")
        return tmp_path / name

    return write


def test_entities_are_read_with_their_words_and_documents(write):
    file = read_predictions(write(TOKEN))
    gold, predicted = file.spans
    assert (gold, predicted) == (((Span("PER", 0, 2),),), ((Span("ORG", 3, 4),),))
    assert (file.task, file.labels, file.documents, file.n_words) == ("token", ("ORG", "PER"), ("d1",), (4,))
    assert file.probabilities == ((0.5,),)
    assert file.words[0][Span("PER", 0, 2)] == "Ada L"


def test_a_file_of_an_older_nertune_has_no_documents(write):
    old = {key: value for key, value in TOKEN.items() if key not in ("document", "n_words")}
    file = read_predictions(write(old))
    assert (file.documents, file.n_words) == (None, None)


def test_classes_and_sets_of_labels_are_told_apart(write):
    one, several = read_predictions(write(TEXT)), read_predictions(write(SEVERAL))
    assert (one.problem, one.gold, one.labels, one.probabilities) == (
        "single_label", (("good",),), ("bad", "good"), ((0.75, 0.25),),
    )  # fmt: skip
    assert (several.problem, several.gold, several.predicted) == ("multi_label", (("bad", "good"),), ((),))


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"id": 0,', r"p\.jsonl:2: is no JSON"),
        ("[1]", r"p\.jsonl:2: is no JSON object"),
        ({**TEXT, "gold": None}, r"p\.jsonl:2: 'gold' is null, but one class"),
        ({**TEXT, "where": 3}, r"p\.jsonl:2: 'where' is 3"),
        ({key: value for key, value in TEXT.items() if key != "predicted"}, r"p\.jsonl:2: the line has no 'predicted'"),
    ],
)
def test_a_line_that_is_no_prediction_is_refused(write, line, message):
    with pytest.raises(DataError, match=message):
        read_predictions(write(TEXT, line))


def test_an_entity_that_ends_before_it_begins_is_refused(write):
    wrong = {**TOKEN, "gold": [{"label": "PER", "start": 2, "end": 1}]}
    with pytest.raises(DataError, match=r"p\.jsonl:1: 'gold' is .* start and end"):
        read_predictions(write(wrong))


def test_an_empty_or_missing_file_is_refused(write, tmp_path):
    with pytest.raises(DataError, match="holds no predictions"):
        read_predictions(write())
    with pytest.raises(DataError, match="cannot be read"):
        read_predictions(tmp_path / "none.jsonl")


def test_files_of_other_gold_are_refused_where_they_first_differ(write):
    first = read_predictions(write(TEXT, TEXT))
    other = read_predictions(write(TEXT, {**TEXT, "gold": "bad"}, name="q.jsonl"))
    with pytest.raises(DataError, match=r"q\.jsonl:2: the gold of t\.tsv:2 is bad, but good in .*p\.jsonl:2"):
        check_same_texts([first, other])
    with pytest.raises(DataError, match="1 texts, but 2"):
        check_same_texts([first, read_predictions(write(TEXT, name="q.jsonl"))])
    with pytest.raises(DataError, match="the task is token, but sequence"):
        check_same_texts([first, read_predictions(write(TOKEN, name="q.jsonl"))])
    check_same_texts([first, first])
