"""Files that look like no format: what they are told to be, and whose reader says what is wrong with them."""

import pytest

from nertune.data.readers import find_format
from nertune.data.source import Source
from nertune.errors import DataError
from nertune.spec.study import DataSpec

MENTION = "1|t|Aspirin helps Ada.\n1|a|Bo sleeps.\n1\t0\t7\tAspirin\tDrug\n"


@pytest.fixture
def find(tmp_path):
    """The format that a file is read with; further arguments go to the `data` section."""

    def named(name, content, *, task=None, **data):
        (tmp_path / name).write_bytes(content.encode() if isinstance(content, str) else content)
        return find_format("auto", source=Source(tmp_path / name, DataSpec(**data)), task=task)

    return named


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("x.txt", "", "x.txt: the file is empty"),
        ("x.conll", "\n \n\t\n", "x.conll: the file holds nothing but white space"),
        ("x.conll", b"\x1f\x8b\x08\x00", "x.conll: the file is compressed with gzip\n    Unpack it: gunzip"),
        ("x.conll", "Ada O\n".encode("utf-16-le"), "x.conll: the file looks like UTF-16"),
        ("x.txt", "Zoë is here .\n".encode("latin-1"), "x.txt:1: byte 0xEB at offset 2 of the file is not UTF-8"),
        ("x.xml", "<html><p>Ada</p></html>", "x.xml:1: the file is XML that begins with <html>, but BioC has"),
    ],
)
@pytest.mark.parametrize("task", [None, "token"])
def test_what_holds_no_annotated_text_is_told_as_what_it_is(find, name, content, message, task):
    with pytest.raises(DataError) as caught:
        find(name, content, task=task)
    assert message in str(caught.value)


def test_running_text_is_nothing_unless_a_task_is_named_whose_usual_format_tells_more(find):
    with pytest.raises(DataError, match=r"x\.txt: the format is not recognised\n    Say what it is: --format NAME"):
        find("x.txt", "Ada sleeps .\n")
    assert find("x.txt", "Ada sleeps .\n", task="token") == "conll"


@pytest.mark.parametrize(
    ("name", "content", "format_"),
    [
        ("x.conll", "Ada\nsleeps\n", "conll"),
        ("x.txt", "Ada/B-PER sleeps/O\n", "conll"),
        ("x.json", '{"w": ["Ada"], "t": ["B-PER"]}', "jsonl"),
        ("x.xml", "<?xml version='1.0'?><!DOCTYPE c [<!ENTITY a 'b'>]><collection><document/></collection>", "bioc"),
        ("x.xml", "<Note><TAGS></TAGS></Note>", "mae"),
        ("x.txt", f"Downloaded today\n{MENTION}", "pubtator"),
    ],
)
@pytest.mark.parametrize("task", [None, "token"])
def test_a_broken_file_goes_to_the_reader_that_can_tell_what_is_wrong(find, name, content, format_, task):
    assert find(name, content, task=task) == format_


def test_columns_of_words_and_tags_mean_entities(find):
    assert find("x.txt", "Ada\tB-PER\nsleeps\tO\n", columns={"word": 0, "tag": 9}) == "conll"


def test_xml_is_no_table_of_texts(find):
    with pytest.raises(DataError, match="no texts with classes are read from XML"):
        find("x.xml", "<html><p>Ada sleeps .</p></html>", task="sequence")
