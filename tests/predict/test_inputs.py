"""What is given to predict for: files of any format with or without labels, folders, standard input."""

from __future__ import annotations

import io
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nertune.errors import DataError
from nertune.predict.given import given_lines
from nertune.predict.inputs import read_path, read_stream
from nertune.spec.study import DataSpec

FILES = Path(__file__).parents[1] / "files"


def read(path, *, task="token", **data):
    """What stands in a file; raises the first fault."""
    return all_of(read_path, path, task=task, data=data)


def all_of(read_source, source, *, task, data):
    faults = []
    found = [one for chunk in read_source(source, data=DataSpec(**data), task=task, faults=faults) for one in chunk]
    for fault in faults:
        raise fault
    return found


def words(found):
    return [list(one.example.words) for one in found]


def texts(found):
    return [one.example.text for one in found]


def stream(content, *, task="token", **data):
    return all_of(read_stream, io.BytesIO(content), task=task, data=data)


def write(tmp_path, name, text):
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return path


# ---- without labels


def test_a_line_of_text_is_a_sentence_cut_into_words(tmp_path):
    found = read(write(tmp_path, "new.txt", "Ada's here.\n\n  50mg of it\r\n"))
    assert words(found) == [["Ada", "'", "s", "here", "."], ["50mg", "of", "it"]]
    assert [one.example.where.line for one in found] == [1, 3]
    assert [one.text[slice(*place)] for one in found for place in one.places] == [
        word for sentence in words(found) for word in sentence
    ]


def test_words_between_blanks_on_request(tmp_path):
    assert words(read(write(tmp_path, "new.txt", "Ada's here.\n"), words="blanks")) == [["Ada's", "here."]]


@given(st.text(max_size=80))
def test_places_cut_the_words_out_of_the_lines_of_a_text(text):
    for one in given_lines(text, where=None, data=DataSpec()):
        assert tuple(one.text[start:end] for start, end in one.places) == one.example.words
        assert text[one.offset : one.offset + len(one.text)] == one.text


def test_a_line_of_text_is_a_text_to_classify(tmp_path):
    found = read(write(tmp_path, "new.txt", "a fine film\n\nso, so\n"), task="sequence")
    assert texts(found) == ["a fine film", "so, so"]


def test_a_word_a_line_is_told_from_text(tmp_path):
    path = write(tmp_path, "new.txt", "Ada\nlives\nhere\n\nBo\nsings\ntoo\n")
    assert words(read(path)) == [["Ada", "lives", "here"], ["Bo", "sings", "too"]]
    assert len(read(path, format="text")) == 6


def test_a_column_of_words_is_named_by_its_number(tmp_path):
    path = write(tmp_path, "new.txt", "1\tAda\n2\tsings\n\n1\tBo\n")
    assert words(read(path, format="words", columns={"word": 1})) == [["Ada", "sings"], ["Bo"]]
    with pytest.raises(DataError, match=r"new.txt:1: there is no column 2"):
        read(path, format="words", columns={"word": 2})


def test_json_lines_hold_texts_or_words_with_an_id_and_labels_do_not_count(tmp_path):
    path = write(
        tmp_path, "new.jsonl", '{"id": 7, "text": "Ada met Bo."}\n\n{"tokens": ["a b", "c"], "tags": ["O", 9]}\n'
    )
    found = read(path)
    assert words(found) == [["Ada", "met", "Bo", "."], ["a b", "c"]]
    assert [(one.id, one.text) for one in found] == [(7, "Ada met Bo."), (None, None)]
    assert texts(read(path, task="sequence")) == ["Ada met Bo.", "a b c"]


def test_a_text_of_several_lines_is_several_sentences_with_their_offsets(tmp_path):
    found = read(write(tmp_path, "new.json", '[{"id": "x", "text": "Ada sings.\\n\\nBo, too."}, {"text": ""}]'))
    assert [(one.id, one.offset, one.text) for one in found] == [
        ("x", 0, "Ada sings."),
        ("x", 12, "Bo, too."),
        (None, 0, ""),
    ]
    assert words(found)[2] == []


def test_pairs_and_named_keys_of_json(tmp_path):
    path = write(tmp_path, "new.jsonl", '{"premise": "It rains.", "hypothesis": "It is wet.", "note": "n"}\n')
    (found,) = read(path, task="sequence")
    assert (found.example.text, found.example.pair) == ("It rains.", "It is wet.")
    assert texts(read(path, task="sequence", columns={"text": "note"})) == ["n"]


def test_json_without_a_text_says_what_to_type(tmp_path):
    with pytest.raises(DataError, match=r"(?s)new.jsonl:2: no text.*--text-column KEY"):
        read(write(tmp_path, "new.jsonl", '{"text": "a"}\n{"body": "b"}\n'), format="json")


@pytest.mark.parametrize(
    ("name", "content", "columns"),
    [
        ("new.csv", 'id,text\n1,"a, b"\n2,c\n', None),
        ("new.tsv", "id\tbody\tnote\n1\ta, b\tx\n2\tc\ty\n", {"text": "body"}),
        ("new.tsv", "1\ta, b\n2\tc\n", {"text": 1}),
        ("new.csv", 'text,label\n"a, b",good\nc,bad\n', None),
        ("new.tsv", "a, b\nc\n", None),
    ],
)
def test_tables_need_no_label(tmp_path, name, content, columns):
    assert texts(read(write(tmp_path, name, content), task="sequence", columns=columns)) == ["a, b", "c"]


def test_a_table_that_does_not_tell_its_text_says_what_to_type(tmp_path):
    path = write(tmp_path, "new.csv", "a,b\n1,2\n1,2\n")
    with pytest.raises(DataError, match=r"(?s)new.csv:1: the columns do not tell.*--text-column NAME"):
        read(path, task="sequence")
    with pytest.raises(DataError, match=r"no column is named \"txt\""):
        read(path, task="sequence", columns={"text": "txt"})


def test_an_empty_file_holds_nothing(tmp_path):
    assert read(write(tmp_path, "new.txt", "\n \n")) == []
    assert read(write(tmp_path, "new.jsonl", "")) == []
    assert stream(b"") == []


# ---- with labels


LABELLED = (
    *("conll/iob2.conll", "brat/good.txt", "pubtator/good.txt", "bioc/good.xml", "mae/good.xml", "slots/train.tsv"),
    *("json/texts.jsonl", "json/label_studio.json", "tsv/tweets.tsv", "kaggle/numbered_rows.csv"),
)


@pytest.mark.parametrize("file", LABELLED)
def test_every_kind_of_annotated_file_is_read_without_its_labels(file):
    for task in ("token", "sequence"):
        found = read(FILES / file, task=task)
        assert found
        assert not any(one.example.spans if task == "token" else one.example.labels for one in found)


def test_the_sentences_of_a_document_know_where_they_stand_in_it():
    text = (FILES / "brat" / "good.txt").read_text(encoding="utf-8")
    found = read(FILES / "brat" / "good.txt")
    assert [text[one.offset : one.offset + len(one.text)] for one in found] == [one.text for one in found]
    assert all(one.example.document for one in found)


def test_a_sequence_model_takes_sentences_of_words_and_whole_documents_as_texts():
    assert texts(read(FILES / "conll" / "iob2.conll", task="sequence"))[0].count(" ")
    assert len(read(FILES / "brat" / "good.txt", task="sequence")) == 1


def test_all_files_of_a_folder_are_read(tmp_path):
    write(tmp_path, "a.txt", "Ada sings.\n")
    write(tmp_path, "b.jsonl", '{"text": "Bo, too."}\n')
    assert [one.text for one in read(tmp_path)] == ["Ada sings.", "Bo, too."]
    (tmp_path / "none").mkdir()
    with pytest.raises(DataError, match="holds no file to read"):
        read(tmp_path / "none")


def test_a_line_that_a_reader_cannot_read_is_kept_as_a_fault_and_the_others_are_given(tmp_path):
    path = write(tmp_path, "new.conll", "Ada B-PER\nsings\n\nBo B-PER\n")
    faults = []
    chunks = read_path(path, data=DataSpec(format="conll"), task="token", faults=faults)
    assert [list(one.example.words) for chunk in chunks for one in chunk] == [["Ada"], ["Bo"]]
    assert [fault.where.line for fault in faults] == [2]


def test_a_format_that_nobody_knows_is_answered_with_the_closest(tmp_path):
    with pytest.raises(DataError, match=r"(?s)no format is named txt.*Did you mean --format text\?"):
        read(write(tmp_path, "new.txt", "a\n"), format="txt")


def test_what_is_no_text_is_refused(tmp_path):
    (tmp_path / "new.bin").write_bytes(bytes(range(256)) * 9)
    with pytest.raises(DataError, match="is no text"):
        read(tmp_path / "new.bin")


def test_json_without_a_text_costs_only_itself_in_a_file_and_on_standard_input(tmp_path):
    content = '{"text": "a"}\n{"body": "b"}\nc\n{"text": "d"}\n'
    faults = []
    path = write(tmp_path, "new.jsonl", content)
    for chunks in (
        read_path(path, data=DataSpec(), task="sequence", faults=faults),
        read_stream(io.BytesIO(content.encode()), data=DataSpec(), task="sequence", faults=faults),
    ):
        assert texts(one for chunk in chunks for one in chunk) == ["a", "d"]
    assert [(fault.where.path.name, fault.where.line) for fault in faults] == [
        ("new.jsonl", 2),
        ("new.jsonl", 3),
        ("stdin", 2),
        ("stdin", 3),
    ]


# ---- standard input


def test_standard_input_is_given_on_as_its_lines_arrive():
    inner, outer = os.pipe()
    with os.fdopen(inner, "rb") as reader, os.fdopen(outer, "wb", buffering=0) as writer:
        chunks = read_stream(reader, data=DataSpec(), task="sequence", faults=[])
        for text in ("one", "two\nthree"):
            writer.write(f"{text}\n".encode())
            assert texts(next(chunks)) == text.split("\n")
        writer.write(b"no line end")
        writer.close()
        assert [texts(chunk) for chunk in chunks] == [["no line end"]]


def test_letters_and_lines_may_be_cut_anywhere_on_their_way():
    class Dribble(io.BytesIO):
        def read1(self, size=-1):
            return super().read1(1)

    chunks = read_stream(Dribble("süß\n\n{x}\n日本".encode()), data=DataSpec(), task="sequence", faults=[])
    found = [one for chunk in chunks for one in chunk]
    assert [(one.example.text, one.example.where.line) for one in found] == [("süß", 1), ("{x}", 3), ("日本", 4)]


def test_json_lines_are_recognised_on_standard_input():
    assert words(stream(b'\n{"id": 1, "text": "Ada sings."}\n')) == [["Ada", "sings", "."]]
    with pytest.raises(DataError, match=r"stdin:2: not JSON"):
        stream(b'{"text": "a"}\nb\n')


def test_a_word_a_line_on_standard_input_ends_with_the_input():
    assert words(stream(b"Ada\nsings\n\nBo", format="words")) == [["Ada", "sings"], ["Bo"]]


def test_another_format_on_standard_input_is_read_as_a_file():
    content = (FILES / "conll" / "iob2.conll").read_bytes()
    assert words(stream(content, format="conll")) == words(read(FILES / "conll" / "iob2.conll"))


def test_a_wrong_byte_on_standard_input_is_told_with_its_line():
    with pytest.raises(DataError, match=r"(?s)stdin:2: not utf-8.*data.encoding=latin-1"):
        stream(b"a\nb\xff\n")
    assert texts(stream(b"b\xfc\n", task="sequence", encoding="latin-1")) == ["bü"]
