"""PubTator: titles, abstracts and mentions, with whatever stands between them."""

from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nertune.data.readers.pubtator import looks_like_pubtator, read_pubtator
from nertune.data.source import Source
from nertune.errors import DataError

FILES = Path(__file__).parent.parent / "files" / "pubtator"


def read(folder, content):
    """The documents of a file and its source."""
    path = folder / "a.txt"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    source = Source(path)
    return list(read_pubtator(source)), source


def test_documents_end_where_the_next_one_begins_whatever_blank_lines_say():
    documents = list(read_pubtator(Source(FILES / "good.txt")))
    assert [(document.id, document.text, document.where.line) for document in documents] == [
        ("8808605", "Aspirin and | headache\nAspirin helped. Breast and ovarian cancer did not.", 2),
        ("9050866", "No abstract", 10),
        ("7", "\nTea", 12),
    ]
    assert documents[0].where_of(30).line == 3
    assert all(document.is_plain for document in documents)


def test_offsets_run_through_title_and_abstract():
    source = Source(FILES / "good.txt")
    first, second, third = read_pubtator(source)
    entities = [*first.entities, *third.entities]
    assert [(entity.label, entity.text, entity.note, entity.where.line) for entity in entities] == [
        ("Chemical", "Aspirin", "D001241", 4),
        ("Disease", "headache", "D006261", 5),
        ("Composite", "Breast and ovarian cancer", "D001943|D010051", 6),
        ("Food", "Tea", None, 15),
    ]
    assert [document.text[e.start : e.end] for document in (second, third) for e in document.entities] == [
        "abstract",
        "Tea",
    ]
    assert source.notices.counts == {"unread-annotations": 1}


def test_relations_between_concepts_are_kept():
    document = next(read_pubtator(Source(FILES / "good.txt")))
    (relation,) = document.relations
    assert (relation.label, relation.arguments) == ("CID", (("Arg1", "D001241"), ("Arg2", "D006261")))


def test_every_wrong_line_is_told_with_its_place():
    source = Source(FILES / "bad.txt")
    (document,) = read_pubtator(source)
    assert document.entities == ()
    told = [str(fault) for fault in source.faults.shown]
    assert [fault.where.line for fault in source.faults.shown] == [3, 4, 5, 6, 7]
    assert 'begins with "2", but stands under the document "1"' in told[0]
    assert "Write for example: 8808605<TAB>10<TAB>17<TAB>aspirin" in told[1]
    assert "the mention ends before it begins: 5 2" in told[2]
    assert 'begins with "and goes on here"' in told[4]


def test_the_same_id_twice_makes_two_documents_and_a_notice(tmp_path):
    documents, source = read(tmp_path, "1|t|One\n1|a|Text\n1\t0\t3\tOne\tX\n1|t|Two\n1|a|Text\n\n2|a|b\n2|a|c\n")
    assert [document.text for document in documents] == ["One\nText", "Two\nText", "b\nc"]
    assert [str(place) for place in source.notices.places["duplicate-documents"]] == [f"{tmp_path / 'a.txt'}:4: 1"]


def test_a_passage_that_is_not_on_the_next_line_is_not_plain(tmp_path):
    documents, _ = read(tmp_path, "1|t|One\n\n1|a|Text\n1\t4\t8\tText\tX\n")
    assert (documents[0].is_plain, documents[0].where_of(5).line, len(documents[0].entities)) == (False, 1, 1)


def test_offsets_that_count_bytes_are_converted_for_the_document(tmp_path):
    documents, source = read(tmp_path, "1|t|Ädä\n1|a|Töxt é\n1\t6\t11\tTöxt\tX\n\n2|t|Ada\n2\t0\t3\tAda\tX\n")
    assert [document.text[e.start : e.end] for document in documents for e in document.entities] == ["Töxt", "Ada"]
    assert source.notices.counts == {"converted-offsets": 1}


def test_lines_that_end_in_crlf_are_the_same(tmp_path):
    content = (FILES / "good.txt").read_bytes()
    assert read(tmp_path, content.replace(b"\n", b"\r\n"))[0] == read(tmp_path, content)[0]


@pytest.mark.parametrize("content", ["\n\n", "Ada\tO\n", "1\t0\t3\tAda\tX\n"])
def test_a_file_without_a_document_is_refused(tmp_path, content):
    with pytest.raises(DataError, match=r"a\.txt: holds no document"):
        read(tmp_path, content)


@pytest.mark.parametrize(
    ("content", "is_one"),
    [
        ("1|t|One\n", True),
        ("\n\n1|t|One\n1|a|Two\n\n2|t|b\n", True),
        ("1|a|Two\n1\t0\t3\tTwo\tX\n", True),
        ("id|t|text\nword O\n", False),
        ("1|x|One\n", False),
        ("Ada\tB-PER\n", False),
        ("a|t|b\tO\n", False),
        ("a|t|b O\na|t|b O\n", False),
        ('{"tokens": ["1|t|x"], "entities": []}\n', False),
        ("", False),
    ],
)
def test_the_first_lines_tell_what_it_is(tmp_path, content, is_one):
    (tmp_path / "a.txt").write_text(content, encoding="utf-8")
    assert looks_like_pubtator(Source(tmp_path / "a.txt")) is is_one


LINES = [
    "1|t|Ada é",
    "1|a|Bob",
    "2|t|",
    "1\t0\t3\tAda\tX",
    "1\t2\t9\té Bob\tX\tC\tmore",
    "1\tCID\tA\tB",
    "1\t",
    "x",
    "",
    "\r",
    "1\t3\t0\tA\tX",
]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(content=st.binary(max_size=40) | st.lists(st.sampled_from(LINES)).map(lambda lines: "\n".join(lines).encode()))
def test_any_bytes_are_documents_with_entities_inside_them_or_a_data_error(tmp_path, content):
    with suppress(DataError):
        documents, _ = read(tmp_path, content)
        spans = [(d, part) for d in documents for entity in d.entities for part in entity.parts]
        assert all(0 <= start < end <= len(document.text) for document, (start, end) in spans)
    assert looks_like_pubtator(Source(tmp_path / "a.txt")) in (True, False)
