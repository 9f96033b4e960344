"""JSON in all its layouts: which items a file holds, on which lines, and what is told of broken ones."""

import json
from itertools import accumulate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from json_values import VALUES
from nertune.data.json_lines import _closed, _parsed, first_items, is_json, open_json
from nertune.data.source import HEAD, Source
from nertune.errors import DataError
from nertune.spec.study import DataSpec

OBJECTS = st.lists(
    st.fixed_dictionaries({"text": st.text(max_size=9)}, optional={"label": VALUES}), min_size=1, max_size=4
)


@pytest.fixture
def read(tmp_path):
    """Reads a text, or bytes: (line, value) of each item, and the faults as they are told."""

    def read(content):
        path = tmp_path / "train.json"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        source = Source(path)
        items = [tuple(item) for item in open_json(source).items]
        return items, [str(fault).removeprefix(str(path)) for fault in source.faults.shown]

    return read


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ('{"text": 1}\n\n{"text": 2}\r\n', [1, 3]),
        ('[\n{"text": 1},\n\n{"text": 2}\n]', [2, 4]),
        ('[{"text": 1}, {"text": 2}]', [1, 1]),
        ('{"version": "1",\n"data": [{"text": 1},\n {"text": 2}]}', [2, 3]),
        ('{\n "text": 1\n}\n{\n "text": 2\n}\n', [1, 4]),
        ('\ufeff{"text": 1}\n\ufeff{"text": 2}', [1, 2]),
        ('[\n{"text": 1}\n]\n[{"text": 2}]', [2, 4]),
    ],
    ids=["lines", "array", "one line", "holder", "in a row", "byte order marks", "arrays in a row"],
)
def test_every_layout_gives_the_same_items_with_their_lines(read, text, lines):
    assert read(text) == ([(lines[0], {"text": 1}), (lines[1], {"text": 2})], [])


@pytest.mark.parametrize("text", ['["a", {"entities": []}]', '["a", {"entities": []}]\n["b", {}]'])
def test_a_pair_that_begins_with_a_text_is_an_item(read, text):
    assert read(text)[0][0] == (1, ["a", {"entities": []}])


def test_what_stands_beside_the_items_is_the_header(tmp_path):
    (tmp_path / "x.json").write_text('{"data": [{"text": "a"}], "label_names": ["x", "y"]}')
    assert open_json(Source(tmp_path / "x.json")).header == {"label_names": ["x", "y"]}


def test_a_task_with_its_annotations_is_one_item_not_a_holder_of_items(read):
    task = {"id": 1, "annotations": [{"result": []}], "data": {"text": "a"}}
    assert read(json.dumps(task, indent=1))[0] == [(1, task)]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"text": "a"},', "not JSON: extra data"),
        ("{'text': 'a'}", "not JSON: expecting property name"),
        ('{"text": None}', "not JSON: expecting value"),
        ('{"text": "a\tb"}', "not JSON: invalid control character"),
        ('{"text": "a", "text": "b"}', 'the key "text" stands twice'),
        (r'{"text": "\ud83d"}', r"\ud83d is half a character"),
        (f'{{"text": {"9" * 5000}}}', "a number has thousands of digits"),
        (f'{{"text": {"[" * 100_000}}}', "stand too deep inside one another"),
    ],
)
def test_a_broken_line_is_told_and_the_others_are_read(read, line, message):
    items, faults = read(f'{{"text": 1}}\n{line}\n{{"text": 3}}\n')
    assert [number for number, _ in items] == [1, 3]
    assert faults[0].startswith(f":2: {message}") or message in faults[0].splitlines()[0]
    assert read(f'{line}\n{{"text": 3}}\n')[0] == [(2, {"text": 3})]


def test_a_line_that_was_cut_off_is_told_as_such_at_the_end_only(read):
    assert ":2: the file ends in the middle of a JSON value" in read('{"text": "a"}\n{"text": "b')[1][0]
    assert ":2: not JSON" in read('{"text": "a"}\n{"text": "b\n{"text": "c"}')[1][0]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('[\n{"text": "a"},\n{"text": "b', ":3: the file ends in the middle"),
        ('[\n{"text": "a"},\n{"text": "b"}', ":3: the file ends before the list does"),
        ('[\n{"text": "a"},\n]', ":3: not JSON"),
        ('[\n{"text": "a"}\n{"text": "b"}]', ":3: not JSON: , or ] is needed"),
        ("hello\nworld\n", ":1: not JSON"),
        ("[" * 100_000, ":1: lists or objects stand too deep"),
    ],
)
def test_a_broken_array_ends_with_the_line_of_the_fault(read, text, message):
    with pytest.raises(DataError, match=r"train\.json") as caught:
        read(text)
    assert message in str(caught.value)


@given(objects=OBJECTS, indent=st.none() | st.integers(0, 2), gaps=st.lists(st.integers(0, 2), min_size=4, max_size=4))
def test_json_that_was_written_is_read_back_with_its_lines(tmp_path_factory, objects, indent, gaps):
    parts = [json.dumps(one if _is_finite(one) else {"text": ""}, indent=indent) for one in objects]
    values = [json.loads(part) for part in parts]
    texts = [part + "\n" * (gap + 1) for part, gap in zip(parts, gaps, strict=False)]
    starts = list(accumulate((text.count("\n") for text in texts), initial=1))
    path = tmp_path_factory.getbasetemp() / "written.json"
    path.write_text("".join(texts), newline="")
    assert [tuple(item) for item in open_json(Source(path)).items] == list(zip(starts, values, strict=False))
    path.write_text(f"[{','.join(texts)}]", newline="")
    assert [tuple(item) for item in open_json(Source(path)).items] == list(zip(starts, values, strict=False))


def _is_finite(value):
    try:
        json.dumps(value, allow_nan=False).encode()
    except ValueError:
        return False
    return True


@given(content=st.binary(max_size=60) | st.text('{}[]",:\\ud8 \n1nultext', max_size=60).map(str.encode))
def test_any_bytes_are_read_or_refused_with_a_data_error(tmp_path_factory, content):
    path = tmp_path_factory.getbasetemp() / "any.json"
    path.write_bytes(content)
    source = Source(path, DataSpec())
    try:
        first_items(source)
        items = list(open_json(source).items)
    except DataError:
        return
    json.dumps([item.value for item in items], ensure_ascii=False).encode()  # every text can be written


def test_a_first_item_longer_than_the_head_is_recognised_by_what_was_seen_of_it(tmp_path):
    path = tmp_path / "long.json"
    path.write_text(json.dumps([{"id": 1, "text": "a" * HEAD, "label": [[0, 1, "X"]]}, {"id": 2}]))
    assert first_items(Source(path))[1][0]["label"] == [[0, 1, "X"]]
    path.write_text(json.dumps({"data": [{"id": 1, "text": "a\\" * (1 << 20), "label": []}]}))
    assert first_items(Source(path))[1] == [{"id": 1, "text": ""}]


@given(objects=OBJECTS, indent=st.none() | st.just(1), data=st.data())
def test_wherever_the_head_is_cut_the_items_before_are_found(objects, indent, data):
    text = json.dumps({"data": objects}, indent=indent)
    cut = data.draw(st.integers(1, len(text)))
    found = _parsed(_closed(text[:cut]))
    items = found.get("data") or []  # the last one may lack something
    assert json.dumps(items[:-1]) == json.dumps(json.loads(text)["data"][: max(len(items) - 1, 0)])


@pytest.mark.parametrize(
    ("name", "text", "is_one"),
    [("x.jsonl", "{'text': 1}", True), ("x.JSON", "[\n{,", True), ("x.txt", "{", False), ("x.json", "Ada\tO", False)],
)
def test_broken_json_is_known_by_its_name_and_beginning(tmp_path, name, text, is_one):
    (tmp_path / name).write_text(text)
    assert is_json(Source(tmp_path / name)) == is_one
