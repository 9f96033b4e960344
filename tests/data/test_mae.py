"""MAE: tags with places, links between them, and the file that says which tags become which labels."""

from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nertune.data.readers.mae import looks_like_mae, read_mae
from nertune.data.source import Source
from nertune.errors import DataError
from nertune.spec.study import DataSpec

FILES = Path(__file__).parent.parent / "files" / "mae"


def read(path, **data):
    """The documents of a file (one, or none with a fault) and its source."""
    source = Source(path, DataSpec(**data))
    return list(read_mae(source)), source


def write(folder, content):
    path = folder / "a.xml"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def note(text, *tags):
    return f"<Note>\n<TEXT><![CDATA[{text}]]></TEXT>\n<TAGS>\n{''.join(tags)}</TAGS></Note>"


def labels(folder, definition, *, path=FILES / "good.xml", name="tags.yaml"):
    """The labels under a definition, without the DTD beside the file, and the source."""
    (folder / name).write_text(definition, encoding="utf-8")
    copy = write(folder, path.read_bytes())
    documents, source = read(copy, tags=folder / name)
    return [entity.label for document in documents for entity in document.entities], source


def test_tags_with_places_are_entities_and_the_text_begins_after_cdata():
    (document,), _ = read(FILES / "good.xml")
    assert (document.id, document.text[:9], document.where.line, document.is_plain) == ("good", "\nAda took", 4, True)
    assert [(e.id, e.label, e.parts, e.note, e.where.line) for e in document.entities] == [
        ("D0", "DRUG", ((10, 17),), "route=oral", 9),
        ("P0", "PERSON", ((1, 4),), None, 10),
        ("S0", "SYMPTOM", ((28, 32), (36, 40), (51, 55)), "status=present", 11),
        ("S1", "SYMPTOM", ((28, 32),), None, 12),
    ]
    assert document.where_of(28).line == 6


def test_links_are_relations_and_what_has_no_place_or_leads_nowhere_is_counted():
    (document,), source = read(FILES / "good.xml")
    assert [(r.id, r.label, r.arguments) for r in document.relations] == [
        ("H0", "HELPS", (("from", "D0"), ("to", "S0")))
    ]
    assert {kind: [place.where.line for place in places] for kind, places in source.notices.places.items()} == {
        "textless-tags": [13],
        "broken-relations": [15, 16],
    }


def test_wrong_places_are_told_with_their_lines():
    (document,), source = read(FILES / "bad.xml")
    assert document.entities == ()
    assert [fault.where.line for fault in source.faults.shown] == [4, 5]
    assert '<PERSON> has the place "0-3", but start~end is needed' in str(source.faults.shown[0])


def test_offsets_of_java_are_converted(tmp_path):
    path = write(tmp_path, note("😀 Ada", '<X id="X0" spans="3~6" text="Ada"/>'))
    (document,), source = read(path)
    assert [document.text[entity.start : entity.end] for entity in document.entities] == ["Ada"]
    assert source.notices.counts == {"converted-offsets": 1}


@pytest.mark.parametrize(
    ("around", "text", "is_plain"),
    [
        ("<![CDATA[Ada\nBob]]>", "Ada\nBob", True),
        ("\n  <![CDATA[Ada\nBob]]>\n", "Ada\nBob", False),
        ("Ada\nB&#111;b", "Ada\nBob", True),
        ("Ada&#10;Bob", "Ada\nBob", False),
        ("<![CDATA[Ada\r\nBob]]>", "Ada\nBob", True),
    ],
)
def test_the_text_is_the_same_however_it_is_written(tmp_path, around, text, is_plain):
    path = write(tmp_path, f"<Note><TEXT>{around}</TEXT><TAGS><X spans='4~7' text='Bob'/></TAGS></Note>")
    (document,), source = read(path)
    assert (document.text, document.is_plain, source.notices.counts) == (text, is_plain, {})


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("<Note>\n<TAGS/></Note>", r"a\.xml:1: <Note> holds no <TEXT>"),
        ("<Note><TEXT>a</TEXT>\n<TEXT>b</TEXT></Note>", r"a\.xml:2: <Note> holds a second <TEXT>"),
        ("<Note><TEXT>a</TEXT>", r"a\.xml:1: the file ends before <Note> does"),
    ],
)
def test_what_is_no_mae_is_refused(tmp_path, content, message):
    with pytest.raises(DataError, match=message):
        read(write(tmp_path, content))


def test_a_file_without_tags_is_read_and_told(tmp_path):
    (document,), source = read(write(tmp_path, "<Note><TEXT>Ada</TEXT></Note>"))
    assert (document.text, document.entities) == ("Ada", ())
    assert source.notices.counts == {"documents-without-annotation": 1}


@pytest.mark.parametrize(
    ("definition", "wanted"),
    [
        ("{DRUG: true, SYMPTOM: true, PERSON: true}", ["DRUG", "PERSON", "SYMPTOM", "SYMPTOM"]),
        ("{DRUG: Medicine, SYMPTOM: {label: S}, PERSON: false}", ["Medicine", "S", "S"]),
        ("{SYMPTOM: {attribute: status}}", ["SYMPTOM.present", "SYMPTOM"]),
        ("{SYMPTOM: {attribute: status, default: absent}}", ["SYMPTOM.present", "SYMPTOM.absent"]),
        ("{SYMPTOM: {attribute: status, label: S}}", ["S.present", "S"]),
        ("{SYMPTOM: '{status}', DRUG: {label: 'D-{route}-{id}'}}", ["D-oral-D0", "present", "SYMPTOM"]),
        ("[DRUG, PERSON]", ["DRUG", "PERSON"]),
        ('{"tagCategories": [{"name": "DRUG", "infoTypes": ["X"]}, {"name": "ID"}]}', ["DRUG"]),
        ("<!ELEMENT DRUG (#PCDATA)>\n<!ELEMENT HELPS EMPTY>", ["DRUG"]),
    ],
)
def test_the_definition_says_which_tags_and_attributes_become_labels(tmp_path, definition, wanted):
    found, source = labels(tmp_path, definition)
    assert found == wanted
    assert not source.faults


def test_tags_that_the_definition_leaves_out_are_counted_with_the_name_that_may_be_meant(tmp_path):
    _, source = labels(tmp_path, "{PERSON: false, DRGU: true, SYMPTOM: {attribute: status}}")
    assert {kind: [place.detail for place in places] for kind, places in source.notices.places.items()} == {
        "unlisted-tags": ["DRUG (is it DRGU?)", "DRUG (is it DRGU?)"],
        "unread-annotations": ["PERSON"],
        "missing-attributes": ["SYMPTOM has no status"],
        "broken-relations": ['HELPS links "D0" to nothing', 'HELPS names "D0"', 'HELPS names "D1"'],
    }


def test_the_dtd_of_the_task_is_a_definition(tmp_path):
    found, source = labels(tmp_path, (FILES / "note.dtd").read_text(encoding="utf-8"), name="note.dtd")
    assert found == ["DRUG", "SYMPTOM", "SYMPTOM"]
    assert [place.detail for place in source.notices.places["unlisted-tags"]] == ["PERSON"]


@pytest.mark.parametrize(
    ("definition", "message"),
    [
        (
            "\nDRUGS: true",
            r'tags\.yaml:2: "DRUGS" is no tag with a place in the text; note\.dtd .*\n +Did you mean DRUG\?',
        ),
        ("HELPS: true", r'"HELPS" is no tag with a place in the text'),
        ("DRUG: {attribute: rout}", r'"rout" is no attribute of DRUG; note\.dtd .*\n +Did you mean route\?'),
        ("DRUG: '{rout}'", r'"rout" is no attribute of DRUG'),
        (
            "DRUG: true\nSYMPTOM:\n  atribute: status",
            r'tags\.yaml:3: .*option "atribute".*\n +Did you mean attribute\?',
        ),
        ("DRUG: {label: [a]}", r'label of "DRUG" is no plain text'),
        ("DRUG: [route]", r"but true, false, a name or options are read"),
        ("DRUG: true\nDRUG: false", r"tags\.yaml:2: DRUG stands here again"),
        ("just words", r"names no tags"),
        ("tagCategories: 7", r"names no tags"),
        ("{DRUG: ", r"is not YAML"),
        ("[" * 500, r"nested too deep"),
        ("<!ELEMENT HELPS EMPTY>", r"declares no tag with a place in the text"),
    ],
)
def test_a_wrong_definition_is_told_once_with_its_line(tmp_path, definition, message):
    (tmp_path / "note.dtd").write_bytes((FILES / "note.dtd").read_bytes())
    found, source = labels(tmp_path, definition)
    list(read_mae(source.beside(source.path)))
    (fault,) = source.faults.shown
    assert found == []
    with pytest.raises(DataError, match=message):
        raise fault


def test_the_definition_counts_in_the_fingerprint(tmp_path):
    _, first = labels(tmp_path, "DRUG: true")
    _, second = labels(tmp_path, "PERSON: true")
    assert first.fingerprint != second.fingerprint


@pytest.mark.parametrize(
    ("content", "is_one"),
    [
        ("<?xml version='1.0'?>\n<!-- x -->\n<N><TEXT><![CDATA[" + "a " * 40_000, True),
        ("<N><TEXT>a</TEXT><TAGS/></N>", True),
        ("<N><TEXT>a</TEXT></N>", False),
        ("<N><HEAD/><TEXT><![CDATA[a]]></TEXT><TAGS/></N>", False),
        ("<TEXT><![CDATA[a]]></TEXT>", False),
        ("Ada\tO", False),
        ("", False),
    ],
)
def test_a_text_under_the_root_tells_that_it_is_mae(tmp_path, content, is_one):
    assert looks_like_mae(Source(write(tmp_path, content))) is is_one


TAGS = st.builds(
    '<{} {}="{}" text="{}"/>\n'.format,
    st.sampled_from(["A", "B"]),
    st.sampled_from(["id", "spans", "start", "fromID", 'start="0" end']),
    st.text("0123~,- ", max_size=8),
    st.sampled_from(["", "Ad", "é"]),
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(content=st.lists(TAGS, max_size=6).map(lambda tags: note("Ada\né😀", *tags).encode()) | st.binary(max_size=40))
def test_any_bytes_are_a_document_with_entities_inside_it_or_a_data_error(tmp_path, content):
    path = write(tmp_path, content)
    with suppress(DataError):
        (document,), _ = read(path)
        assert all(0 <= s < e <= len(document.text) for entity in document.entities for s, e in entity.parts)
    assert looks_like_mae(Source(path)) in (True, False)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=50)
@given(definition=st.text("DRUG:{}[]ab \n-'\"<!ELMNT#", max_size=40))
def test_any_definition_is_read_or_a_fault(tmp_path, definition):
    found, source = labels(tmp_path, definition)
    assert found == [] or not source.faults
