"""BioC: passages and sentences become one text in which every located annotation is found."""

import json
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nertune.data.readers.bioc import looks_like_bioc, read_bioc
from nertune.data.source import Source
from nertune.errors import DataError
from nertune.spec.study import DataSpec

FILES = Path(__file__).parent.parent / "files" / "bioc"


def read(folder, content, **data):
    """The documents of a file and its source."""
    path = folder / "a.xml"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    source = Source(path, DataSpec(**data))
    return list(read_bioc(source)), source


def collection(*passages, relations=""):
    """One document of (offset, text, annotations); an annotation is (offset, length, mention)."""
    inside = "".join(
        f"<passage><offset>{offset}</offset><text>{text}</text>{''.join(map(annotation, annotations))}</passage>"
        for offset, text, annotations in passages
    )
    return f"<collection><document><id>1</id>{inside}{relations}</document></collection>"


def annotation(told):
    offset, length, mention = told
    location = f'<location offset="{offset}" length="{length}"/>'
    return f'<annotation id="{offset}"><infon key="type">X</infon>{location}<text>{mention}</text></annotation>'


def found(documents):
    return [document.text[entity.start : entity.end] for document in documents for entity in document.entities]


def test_passages_stand_at_their_offsets_and_annotations_in_them():
    source = Source(FILES / "good.xml")
    first, second = read_bioc(source)
    assert first.text == "Aspirin & pain\nLeft and right knee.  No rash."
    assert [(e.id, e.label, e.parts, e.text, e.note, e.where.line) for e in first.entities] == [
        ("T1", "Drug", ((0, 7),), "Aspirin", "MESH:D001241", 11),
        ("T2", "Part", ((15, 19), (30, 34)), "Left knee", "FMA:7", 22),
        ("T3", "Symptom", ((40, 44),), "rash", None, 30),
    ]
    assert (first.id, first.where.line, first.is_plain) == ("1", 10, False)
    assert (second.id, second.text, second.entities, second.where.line) == ("2", "Tea", (), 37)


def test_relations_are_kept_and_what_has_no_place_or_names_nothing_is_counted():
    source = Source(FILES / "good.xml")
    document = next(read_bioc(source))
    assert [(relation.id, relation.label, relation.arguments) for relation in document.relations] == [
        ("R1", "helps", (("drug", "T1"), ("part", "T2"))),
        ("R2", "CID", (("Chemical", "D001241"), ("Disease", "D010146"))),
    ]
    assert {kind: [place.where.line for place in places] for kind, places in source.notices.places.items()} == {
        "textless-tags": [31],
        "broken-relations": [35],
    }


def test_what_is_wrong_is_told_with_its_line():
    source = Source(FILES / "bad.xml")
    list(read_bioc(source))
    told = [str(fault) for fault in source.faults.shown]
    assert [fault.where.line for fault in source.faults.shown] == [7, 4, 5]
    assert "the passage has no offset" in told[0]
    assert (
        'has no infon "type"; it has "kind"\n    Say which one is the label: data: {columns: {label: kind}}' in told[1]
    )
    assert 'Write for example: <location offset="10" length="7"/>' in told[2]


def test_another_infon_can_be_the_label(tmp_path):
    content = (FILES / "bad.xml").read_text(encoding="utf-8").replace('"type"', '"kind"')
    documents, _ = read(tmp_path, content, columns={"label": "kind"})
    assert [entity.label for entity in documents[0].entities] == ["Drug"]


@pytest.mark.parametrize("columns", [{"label": 0}, {"tag": "type"}])
def test_other_columns_are_refused(tmp_path, columns):
    with pytest.raises(DataError, match=r"Write for example: .*columns: \{label: type\}"):
        read(tmp_path, collection((0, "Ada", [])), columns=columns)


@pytest.mark.parametrize(
    ("offsets", "text"),
    [
        ((0, 4), "Ada\nBob"),
        ((0, 6), "Ada\n  Bob"),
        ((0, 3), "Ada\nBob"),
        ((0, 1), "Ada\nBob"),
        ((0, 10**12), "Ada\nBob"),
        ((7, 11), "Ada\nBob"),
    ],
)
def test_passages_are_lines_wherever_they_are_said_to_begin(tmp_path, offsets, text):
    first, second = offsets
    passages = [(first, "Ada", [(first, 3, "Ada")]), (second, "Bob", [(second, 3, "Bob")])]
    documents, source = read(tmp_path, collection(*passages))
    assert (documents[0].text, found(documents)) == (text, ["Ada", "Bob"])
    assert not source.notices.counts


def test_a_passage_that_ends_with_a_line_end_needs_no_other(tmp_path):
    documents, _ = read(tmp_path, collection((0, "Ada\n", []), (4, "Bob", [(4, 3, "Bob")])))
    assert (documents[0].text, found(documents)) == ("Ada\nBob", ["Bob"])


@pytest.mark.parametrize("count", [lambda t: len(t.encode()), lambda t: len(t.encode("utf-16-le")) // 2])
def test_offsets_that_count_bytes_or_utf16_are_converted_in_each_passage(tmp_path, count):
    title, abstract = "Ädä 😀 und Bob", "Bob sah 😀 Ädä."
    start = count(title) + 1
    passages = [
        (0, title, [(count("Ädä 😀 und "), 3, "Bob")]),
        (start, abstract, [(start, 3, "Bob"), (start + count("Bob sah 😀 "), count("Ädä"), "Ädä")]),
    ]
    documents, source = read(tmp_path, collection(*passages))
    assert found(documents) == ["Bob", "Bob", "Ädä"]
    assert source.notices.counts == {"converted-offsets": 2}


def test_an_annotation_may_stand_in_another_passage_than_its_place_or_reach_into_the_next(tmp_path):
    told = [(4, 3, "Bob"), (2, 3, "a B"), (5, 9, "ob")]
    documents, source = read(tmp_path, collection((0, "Ada", told), (4, "Bob", [])))
    assert found(documents) == ["Bob", "a\nB"]
    assert source.notices.counts == {"outside-text": 1}


def test_json_holds_the_same_documents(tmp_path):
    documents = list(read_bioc(Source(FILES / "good.json")))
    assert [(document.id, document.text, document.where.line) for document in documents] == [
        ("1", "Aspirin & pain", 2),
        ("2", "Tea", 7),
    ]
    (entity,) = documents[0].entities
    assert (entity.label, entity.parts, entity.id, entity.note) == ("Drug", ((0, 7),), "T1", "MESH:D001241")


@pytest.mark.parametrize("holder", ["documents", "PubTator3", None])
def test_json_may_be_a_collection_of_either_kind_or_a_document_a_line(tmp_path, holder):
    passage = {
        "offset": 0,
        "text": "Ada",
        "annotations": [{"infons": {"type": "X"}, "locations": [{"offset": 0, "length": 3}]}],
    }
    documents = [{"id": str(number), "passages": [passage]} for number in range(3)]
    lines = [json.dumps({holder: documents})] if holder else [json.dumps(document) for document in documents]
    read_documents, _ = read(tmp_path, "\n".join(lines))
    assert looks_like_bioc(Source(tmp_path / "a.xml"))
    assert [(document.id, found([document])) for document in read_documents] == [(str(n), ["Ada"]) for n in range(3)]


@pytest.mark.parametrize("content", ["<a/>", "<collection/>", '{"passages": 1}', "[1]", '{"documents": [1]}', "Ada\tO"])
def test_what_is_no_bioc_is_refused_and_not_taken_for_it(tmp_path, content):
    with suppress(DataError):
        assert read(tmp_path, content)[1].faults
    assert not looks_like_bioc(Source(tmp_path / "a.xml"))


def test_documents_with_one_id_are_read_both_and_told(tmp_path):
    one = "<document><id>1</id><passage><offset>0</offset><text>Ada</text></passage></document>"
    documents, source = read(tmp_path, f"<collection>{one}\n{one}</collection>")
    assert [document.id for document in documents] == ["1", "1"]
    assert source.notices.places["duplicate-documents"][0].where.line == 2
    assert looks_like_bioc(Source(tmp_path / "a.xml"))


XML = [
    *("<collection>", "<document>", "<passage>", "<sentence>", "<annotation>"),
    *("</annotation>", "</sentence>", "</passage>", "</document>", "</collection>"),
    *("<offset>1</offset>", "<text>Ada é</text>", '<infon key="type">X</infon>', '<location offset="1" length="3"/>'),
]
KEYS = "passages text offset length annotations locations infons type nodes relations id"
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 9) | st.sampled_from(["Ada é", "X"]),
    lambda inside: st.lists(inside, max_size=3) | st.dictionaries(st.sampled_from(KEYS.split()), inside),
    max_leaves=25,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    content=st.lists(st.sampled_from(XML), max_size=20).map("".join)
    | VALUES.map(lambda value: json.dumps({"documents": [{"passages": [value]}]}))
    | st.binary(max_size=30)
)
def test_any_bytes_are_documents_with_entities_inside_them_or_a_data_error(tmp_path, content):
    with suppress(DataError):
        documents, _ = read(tmp_path, content)
        spans = [(d, part) for d in documents for entity in d.entities for part in entity.parts]
        assert all(0 <= start < end <= len(document.text) for document, (start, end) in spans)
    assert looks_like_bioc(Source(tmp_path / "a.xml")) in (True, False)
