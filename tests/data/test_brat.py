"""brat: texts with annotations beside them, whatever brat or the tools around it write."""

from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nertune.data.readers.brat import EQUIVALENT, TRIGGER, looks_like_brat, read_brat
from nertune.data.source import Source
from nertune.errors import DataError, Where

FILES = Path(__file__).parent.parent / "files" / "brat"


def read(folder, text, annotations):
    """The document of a text with these annotations, and its source."""
    (folder / "a.txt").write_bytes(text if isinstance(text, bytes) else text.encode())
    if annotations is not None:
        (folder / "a.ann").write_bytes(annotations.encode())
    source = Source(folder / "a.txt")
    (document,) = read_brat(source)
    return document, source


def faults(source):
    return [str(fault).split("\n") for fault in source.faults.shown]


def test_entities_have_labels_parts_ids_notes_and_lines():
    (document,) = read_brat(Source(FILES / "good.txt"))
    assert (document.id, document.where, document.is_plain) == ("good", Where(FILES / "good.txt", 1), True)
    assert [(entity.id, entity.label, entity.parts, entity.note) for entity in document.entities] == [
        ("T1", "Person", ((0, 11),), None),
        ("T2", "Drug", ((26, 33),), "RxNorm:1191"),
        ("T3", "Symptom", ((39, 43), (51, 55), (66, 70)), None),
        ("T4", "Symptom", ((39, 43), (60, 70)), None),
        ("T5", "Take", ((12, 16),), None),
    ]
    assert document.entities[2].where == Where(FILES / "good.ann", 3)
    assert document.where_of(70).line == 2


def test_relations_events_and_equivalences_are_kept_and_the_rest_is_counted():
    source = Source(FILES / "good.txt")
    (document,) = read_brat(source)
    assert [(relation.id, relation.label, relation.arguments) for relation in document.relations] == [
        ("E1", "Take", ((TRIGGER, "T5"), ("Who", "T1"), ("What", "T2"))),
        ("R1", "Relieves", (("Arg1", "T2"), ("Arg2", "T4"))),
        (EQUIVALENT, "Equiv", (("", "T3"), ("", "T4"))),
    ]
    assert source.notices.counts == {"unread-annotations": 2}


def test_every_wrong_line_is_told_with_its_place_and_what_a_right_one_looks_like():
    source = Source(FILES / "bad.txt")
    (document,) = read_brat(source)
    assert [entity.id for entity in document.entities] == ["T1"]
    assert [fault.where.line for fault in source.faults.shown] == [2, 3, 4, 5, 6, 7]
    told = faults(source)
    assert "bad.ann:2: is no line as brat writes it" in told[0][0]
    assert told[0][1] == "    Write for example: T1<TAB>Drug 10 17<TAB>aspirin"
    assert 'the id "T1" is taken: line 1 has it, too' in told[1][0]
    assert "T4 ends before it begins" in told[2][0]
    assert told[4][1] == "    Write for example: R1<TAB>Treats Arg1:T1 Arg2:T2"


@pytest.mark.parametrize(
    "line",
    [
        "T1",
        "T1\t",
        "T1\tDrug",
        "T1\tMy Drug 0 3\tAda",
        "T1\tDrug 0 3;\tAda",
        "T1\tDrug 0 99999999999999999999\tAda",
        "T1\tDrug ٠ ٣\tAda",
        "E1\t",
        "E1\tTake",
        "R1\t",
        "R1\tX",
        "R1\tX Arg1:T1 T2",
        "*\tEquiv",
        "*\tEquiv T1",
        "N1\tReference",
        "A1",
        "  T1\tDrug 0 3\tAda",
    ],
)
def test_a_malformed_line_is_a_fault_and_no_annotation(tmp_path, line):
    document, source = read(tmp_path, "Ada", line)
    assert (document.entities, document.relations) == ((), ())
    assert [fault.where for fault in source.faults.shown] == [Where(tmp_path / "a.ann", 1)]


def test_a_text_without_annotations_is_read_and_told(tmp_path):
    document, source = read(tmp_path, "Ada", None)
    assert (document.text, document.entities) == ("Ada", ())
    assert source.notices.counts == {"documents-without-annotation": 1}


@pytest.mark.parametrize("annotations", ["", "\ufeff", "\n \n"])
def test_an_empty_annotation_file_says_that_there_is_nothing(tmp_path, annotations):
    document, source = read(tmp_path, "Ada", annotations)
    assert (document.entities, bool(source.notices.counts), bool(source.faults)) == ((), False, False)


def test_annotations_without_their_text_are_refused(tmp_path):
    (tmp_path / "b.ann").write_text("T1\tPerson 0 3\tAda\n", encoding="utf-8")
    assert looks_like_brat(Source(tmp_path / "b.ann"))
    with pytest.raises(DataError, match=r"the text of these annotations, b\.txt, is not there"):
        list(read_brat(Source(tmp_path / "b.ann")))


def test_the_path_may_be_that_of_the_annotations():
    assert list(read_brat(Source(FILES / "good.ann"))) == list(read_brat(Source(FILES / "good.txt")))


def test_both_files_count_in_the_fingerprint(tmp_path):
    _, first = read(tmp_path, "Ada Bob", "T1\tPerson 0 3\tAda\n")
    _, second = read(tmp_path, "Ada Bob", "T1\tPerson 4 7\tBob\n")
    assert first.fingerprint != second.fingerprint


def test_offsets_hold_in_a_text_with_carriage_returns_that_is_kept_as_it_is(tmp_path):
    document, source = read(tmp_path, "Ada\r\nsaw\r\nBob", "T1\tPerson 0 3\tAda\nT2\tPerson 10 13\tBob\n")
    assert document.text == "Ada\r\nsaw\r\nBob"
    assert [document.text[entity.start : entity.end] for entity in document.entities] == ["Ada", "Bob"]
    assert not source.notices.counts


@pytest.mark.parametrize(
    ("text", "annotations"),
    [
        ("Ada\r\nsaw\r\nBob", "T1\tPerson 0 3\tAda\nT2\tPerson 8 11\tBob\n"),
        ("Ada\nsaw\nBob", "T1\tPerson 0 3\tAda\nT2\tPerson 10 13\tBob\n"),
        ("\ufeffAda saw Bob", "T1\tPerson 1 4\tAda\nT2\tPerson 9 12\tBob\n"),
        ("😀Ada saw Bob", "T1\tPerson 2 5\tAda\nT2\tPerson 10 13\tBob\n"),
    ],
)
def test_offsets_of_tools_that_count_otherwise_are_converted_and_told(tmp_path, text, annotations):
    document, source = read(tmp_path, text, annotations)
    assert [document.text[entity.start : entity.end] for entity in document.entities] == ["Ada", "Bob"]
    assert source.notices.counts == {"converted-offsets": 1}
    assert source.notices.places["converted-offsets"][0].where == Where(tmp_path / "a.ann", 1)


def test_a_mention_that_differs_is_kept_and_one_outside_is_left_out(tmp_path):
    document, source = read(tmp_path, "Ada saw Bob", "T1\tPerson 0 3\tEve\nT2\tPerson 8 12\tBob\nR1\tSaw A:T1 B:T2\n")
    assert [entity.parts for entity in document.entities] == [((0, 3),)]
    assert document.relations == ()
    (place,) = source.notices.places["text-differs"]
    assert (place.where.line, place.detail) == (1, 'Person "Eve", but the text has "Ada"')
    assert source.notices.counts == {"text-differs": 1, "outside-text": 1, "broken-relations": 1}


def test_a_line_end_in_a_mention_is_written_as_a_blank(tmp_path):
    _, source = read(tmp_path, "New\nYork  City\n", "T1\tPlace 0 8\tNew York\nT2\tPlace 0 3;4 14\tNew York City\n")
    assert not source.notices.counts


def test_normalisations_of_events_are_counted(tmp_path):
    _, source = read(tmp_path, "Ada", "T1\tX 0 3\tAda\nE1\tX:T1\nN1\tReference E1 W:1\tada\n")
    assert [str(place) for place in source.notices.places["unread-annotations"]] == [
        f'{tmp_path / "a.ann"}:3: E1 "W:1"'
    ]


def test_texts_are_recognised_by_the_annotations_in_their_folder(tmp_path):
    (tmp_path / "a.txt").write_text("Ada", encoding="utf-8")
    assert not looks_like_brat(Source(tmp_path / "a.txt"))
    (tmp_path / "b.txt").write_text("Bob", encoding="utf-8")
    (tmp_path / "b.ann").write_text("", encoding="utf-8")
    (tmp_path / "c.conll").write_text("Ada\tO", encoding="utf-8")
    assert [path.name for path in sorted(tmp_path.iterdir()) if looks_like_brat(Source(path))] == ["a.txt", "b.txt"]


LINES = [
    "T1\tX 0 3\tAda",
    "T2\tX 1 2;4 9\tb",
    "E1\tX:T1 Y:E1",
    "R1\tX A:E1 B:T9",
    "*\tE T1 T2",
    "N1\tR T1 c",
    "A1\tX T1",
    "#\t",
    "T",
    "\t",
    "\r",
    "é",
]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    text=st.text("Adé😀 \r\n", max_size=12).map(str.encode) | st.binary(max_size=12),
    annotations=st.lists(st.sampled_from(LINES)).map("\n".join) | st.text("TRE1\t ;:09\n*#N", max_size=40),
)
def test_any_files_are_a_document_with_entities_inside_it_or_a_data_error(tmp_path, text, annotations):
    with suppress(DataError):
        document, _ = read(tmp_path, text, annotations)
        assert all(0 <= s < e <= len(document.text) for entity in document.entities for s, e in entity.parts)
        known = {item.id for item in (*document.entities, *document.relations)}
        assert {id_ for relation in document.relations for _, id_ in relation.arguments} <= known
