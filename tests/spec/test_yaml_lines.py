import pytest

from nertune.spec.yaml_lines import read_yaml


@pytest.fixture
def read(tmp_path):
    def read_text(text):
        (tmp_path / "x.yaml").write_text(text, encoding="utf-8")
        return read_yaml(tmp_path / "x.yaml", as_written={("data", "labels")})

    return read_text


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-5", 1e-5),
        ("5E+3", 5e3),
        (".5", 0.5),
        ("1.", 1.0),
        ("007", 7),
        ("010", 10),
        ("08", 8),
        ("-3", -3),
        ("on", "on"),
        ("no", "no"),
        ("Yes", "Yes"),
        ("1:30", "1:30"),
        ("1_000", "1_000"),
        ("0x1F", "0x1F"),
        ("2020-01-01", "2020-01-01"),
        ("true", True),
        ("~", None),
        ("", None),
        ("'1e-5'", "1e-5"),
        ("=", "="),
    ],
)
def test_scalars_are_read_as_people_of_this_field_write_them(read, text, value):
    found = read(f"a: {text}\n").values["a"]
    assert (found, type(found)) == (value, type(value))


def test_labels_are_names_even_when_they_look_like_numbers(read):
    assert read("data: {labels: [007, on, 1e-5, true, 'null', ~]}\n").values["data"]["labels"] == [
        "007",
        "on",
        "1e-5",
        "true",
        "null",
        None,
    ]


def test_every_key_and_item_has_its_line(read):
    tree = read("a:\n  b: 1\n\n  c:\n  - x\n  - y\n")
    lines = {(): 1, ("a",): 1, ("a", "b"): 2, ("a", "c"): 4, ("a", "c", 0): 5, ("a", "c", 1): 6}
    assert tree.lines == lines
    assert tree.where(("a", "none", "at all")).line == 1


def test_byte_order_mark_and_crlf_change_nothing(read):
    tree = read("\ufeffa: 1\r\nb: 2\r\n")
    assert (tree.values, tree.lines[("b",)]) == ({"a": 1, "b": 2}, 2)
