"""JSON with texts and classes: how text and label are found, and which items are refused or left out."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from json_values import VALUES
from nertune.data.readers.json_texts import looks_like_json_texts, read_json_texts
from nertune.data.source import LabelledText, Source
from nertune.errors import DataError
from nertune.spec.study import DataSpec

FILES = Path(__file__).parent.parent / "files" / "json"


@pytest.fixture
def read(tmp_path):
    """Reads objects, or a text: the texts and the source that met them."""

    def read(content, **data):
        text = content if isinstance(content, str) else "\n".join(map(json.dumps, content))
        (tmp_path / "train.jsonl").write_text(text)
        source = Source(tmp_path / "train.jsonl", DataSpec(**data))
        return list(read_json_texts(source)), source

    return read


def labels_of(texts):
    return [text.labels for text in texts]


def task(*results):
    return {"data": {"text": "a"}, "annotations": [{"result": list(results)}]}


def choice(*names):
    return {"type": "choices", "value": {"choices": list(names)}}


def test_items_carry_their_line():
    texts = list(read_json_texts(Source(FILES / "texts.jsonl")))
    assert [(text.text, text.labels, text.line) for text in texts] == [
        ("a fine film", ("good",), 1),
        ("a dull film", ("bad",), 3),
    ]


@pytest.mark.parametrize(
    ("item", "labels"),
    [
        ({"text": "a", "label": "good"}, ("good",)),
        ({"text": "a", "label": ["good"]}, ("good",)),
        ({"text": "a", "labels": ["x", "y"]}, ("x", "y")),
        ({"text": "a", "labels": []}, ()),
        ({"text": "a", "label": 0}, ("0",)),
        ({"text": "a", "label": -1.0}, ("-1",)),
        ({"text": "a", "label": 4.5}, ("4.5",)),
        ({"text": "a", "label": True}, ("true",)),
        ({"text": "a", "label": None, "category": "news"}, ("news",)),
        ({"text": "a", "cats": {"good": 1.0, "bad": 0.0}}, ("good",)),
        (["a", {"cats": {"x": True, "y": True, "z": False}}], ("x", "y")),
        ({"text": "a", "options": [{"id": "x"}], "accept": ["x"], "answer": "accept"}, ("x",)),
        ({"text": "a", "topic": {"choices": ["x", "y"]}}, ("x", "y")),
        ({"text": "a", "sentiment": "good", "id": 1}, ("good",)),
        (task(choice("good")), ("good",)),
        (task(choice("x", "y")), ("x", "y")),
    ],
)
def test_classes_are_read_from_every_form(read, item, labels):
    texts, source = read([item])
    assert [(text.text, text.labels, text.line) for text in texts] == [("a", labels, 1)]
    assert looks_like_json_texts(source)
    assert not source.faults


@pytest.mark.parametrize("keys", ["sentence1 sentence2", "premise hypothesis", "question sentence", "text text2"])
def test_pairs_are_found_by_the_usual_keys(read, keys):
    first, second = keys.split()
    texts, _ = read([{first: "a", second: "b", "label": "same"}])
    assert [(text.text, text.pair) for text in texts] == [("a", "b")]


def test_columns_choose_the_keys(read):
    item = {"text": "x", "label": "x", "tweet": "a", "reply": "b", "mood": "good"}
    texts, _ = read([item], columns={"text": "tweet", "pair": "reply", "label": "mood"})
    assert texts == [LabelledText("a", ("good",), 1, pair="b", is_cell=True)]


def test_several_keys_say_yes_or_no_or_a_class_each(read):
    columns = {"text": "tweet", "label": ("joy", "fear")}
    assert labels_of(read([{"tweet": "a", "joy": 1, "fear": False}], columns=columns)[0]) == [("joy",)]
    assert labels_of(read([{"tweet": "a", "joy": "high", "fear": "low"}], columns=columns)[0]) == [("high", "low")]


def test_numbers_have_the_names_of_a_list_beside_the_file(read, tmp_path):
    (tmp_path / "labels.txt").write_text("bad\ngood\n")
    texts, source = read([{"text": "a", "label": 1}, {"text": "b", "label": 2}])
    assert labels_of(texts) == [("good",)]
    assert "train.jsonl:2: label number 2 is not in the list of 2 names" in str(source.faults.shown[0])


def test_a_first_line_that_names_the_numbers_is_no_text(read):
    texts, source = read([{"label_names": ["bad", "good"]}, {"text": "a", "label": 1}])
    assert labels_of(texts) == [("good",)]
    assert not source.faults


@pytest.mark.parametrize(
    ("item", "is_cell"),
    [
        ({"text": "a", "label": "x, y"}, True),
        ({"text": "a", "label": ""}, True),
        ({"text": "a", "label": ["x, y"]}, False),
        ({"text": "a", "label": 3}, False),
        ({"text": "a", "label": "x", "answer": "accept"}, False),
    ],
)
def test_a_label_that_is_a_text_is_a_cell_in_which_several_may_stand(read, item, is_cell):
    assert [text.is_cell for text in read([item])[0]] == [is_cell]


def test_blanks_around_a_class_are_no_part_of_it(read):
    assert labels_of(read([{"text": "a", "label": " x "}, {"text": "b", "labels": ["y\n", " z"]}])[0]) == [
        ("x",),
        ("y", "z"),
    ]


@pytest.mark.parametrize(
    ("item", "fix"),
    [
        ({"Bemerkung": "what a day", "Code": "good"}, 'columns: {text: "Bemerkung", label: "Code"}'),
        ({"text": "a", "joy": 1, "fear": 0}, "columns: {label: [joy, fear]}"),
        ({"text": {"0": "a"}, "label": {"0": "x"}}, 'orient="records"'),
    ],
)
def test_keys_of_other_names_are_told_with_what_to_write(read, item, fix):
    _, source = read([item])
    assert fix in str(source.faults.shown[0])


@pytest.mark.parametrize(
    ("item", "message"),
    [
        ({"text": "b"}, 'no label is found here; the keys are "text"'),
        ({"text": "b", "label": None}, "label is missing where a class is needed"),
        ({"text": "b", "label": [""]}, "label is empty where a class is needed"),
        ({"text": "b", "label": [["x"]]}, "label is a list where a class is needed"),
        ({"text": ["b"], "label": "x"}, 'no text is found here ("text"); the keys are "text", "label"'),
        ("b", '"b" where an object with a text is needed'),
        ({"data": {"a": "x", "b": "y"}, "annotations": [{"result": [choice("x")]}]}, 'the keys of data are "a", "b"'),
    ],
)
def test_what_is_wrong_with_an_item_is_told_with_its_line_and_the_next_is_read(read, item, message):
    good = {"text": "a", "label": "good"}
    texts, source = read([good, item, good])
    assert [text.line for text in texts] == [1, 3]
    assert "train.jsonl:2: " in str(source.faults.shown[0])
    assert message in str(source.faults.shown[0])


def test_not_a_number_is_no_class(read):
    _, source = read('{"text": "a", "label": NaN}')
    assert "label is NaN where a class is needed" in str(source.faults.shown[0])


def test_what_was_rejected_in_a_question_about_one_label_is_its_opposite(read):
    items = [{"text": "a", "label": "SPAM", "answer": answer} for answer in ("accept", "reject", "ignore")]
    texts, source = read(items)
    assert labels_of(texts) == [("SPAM",), ("not SPAM",)]
    assert source.notices.counts == {"skipped-items": 1}


def test_what_was_rejected_among_several_labels_is_a_fault(read):
    _, source = read([{"text": "a", "label": "X", "answer": "reject"}, {"text": "a", "label": "Y", "answer": "accept"}])
    assert 'train.jsonl:2: items ask about several labels ("X", "Y")' in str(source.faults.shown[0])


def test_tasks_without_a_choice_are_counted_and_left_out(read):
    texts, source = read([task(), task({"type": "rating", "value": {"rating": 3}}, choice("good"))])
    assert labels_of(texts) == [("good",)]
    assert source.notices.counts == {"skipped-items": 1, "unread-annotations": 1}


def test_empty_texts_are_counted(read):
    assert read([{"text": " ", "label": "x"}])[1].notices.counts == {"empty-texts": 1}


@pytest.mark.parametrize(
    "items",
    [
        [{"text": "Ada", "label": [[0, 3, "PER"]]}],
        [{"text": "Ada slept", "tokens": ["Ada", "slept"], "labels": ["B-PER", "O"]}],
        [{"tokens": ["Ada"], "ner_tags": ["O"]}],
        [{"text": "Ada"}],
        ["Ada"],
        [],
    ],
)
def test_other_json_is_not_taken_for_texts_with_classes(tmp_path, items):
    (tmp_path / "x.json").write_text(json.dumps(items))
    assert not looks_like_json_texts(Source(tmp_path / "x.json"))


def test_column_numbers_are_no_keys_when_a_file_is_looked_at(tmp_path):
    (tmp_path / "x.json").write_text('[{"text": "a", "label": "x"}]')
    data = DataSpec(columns={"text": 0, "pair": 1, "label": 2})
    assert looks_like_json_texts(Source(tmp_path / "x.json", data))


KEYS = ("label", "labels", "cats", "accept", "answer", "options", "data", "annotations", "sentence2", "tokens", "doc")
CHOSEN = [{"result": [choice("x")]}]
NEAR = st.sampled_from(["x", "reject", "ignore", 10**400, ["x", 1], {"x": 1.0}, {"choices": ["x"]}, CHOSEN]) | VALUES
ITEMS = st.fixed_dictionaries({}, optional={"text": st.just("a") | VALUES} | dict.fromkeys(KEYS, NEAR))
PAIRS = st.tuples(st.just("a"), NEAR).map(list)


@given(items=st.lists(ITEMS | PAIRS | VALUES, max_size=3), several=st.booleans())
def test_any_json_is_read_or_refused_with_a_data_error(tmp_path_factory, items, several):
    path = tmp_path_factory.getbasetemp() / "texts.json"
    path.write_text(json.dumps(items))
    source = Source(path, DataSpec(columns={"label": ("label", "labels")} if several else None))
    try:
        looks_like_json_texts(source)
        texts = list(read_json_texts(source))
    except DataError:
        return
    assert all(all(text.labels) for text in texts)
