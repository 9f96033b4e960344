"""XML with lines: what is told of it, and what is refused."""

from contextlib import suppress

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nertune.data.source import Source
from nertune.data.xml import MAX_DEPTH, outline, read_nodes
from nertune.errors import DataError
from nertune.spec.study import DataSpec


def nodes(tmp_path, content, **data):
    path = tmp_path / "a.xml"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return list(read_nodes(Source(path, DataSpec(**data))))


def texts(tmp_path, content, **data):
    return [node.text for node in nodes(tmp_path, content, **data)[1:]]


def test_children_of_the_root_come_one_by_one_with_their_lines(tmp_path):
    root, first, second = nodes(tmp_path, '<a x="1">\n<b><c>in</c>\nout</b>\n<d/></a>')
    assert (root.name, root.attributes, root.children) == ("a", {"x": "1"}, ())
    assert (first.name, first.line, first.end_line, first.text) == ("b", 2, 3, "\nout")
    assert (first.children[0].text, first.find("c"), first.find("x")) == ("in", first.children[0], None)
    assert (second.name, second.line) == ("d", 4)


def test_the_text_is_what_stands_in_cdata_when_only_white_space_is_around_it(tmp_path):
    assert texts(tmp_path, "<a><b>\n<![CDATA[1 < 2]]><![CDATA[ & 3]]>\n</b><b>x<![CDATA[y]]></b></a>") == [
        "1 < 2 & 3",
        "xy",
    ]


def test_blank_lines_before_the_declaration_are_read_and_counted(tmp_path):
    root, child = nodes(tmp_path, '\n \n  <?xml version="1.0"?>\n<a>\n<b/></a>')
    assert (root.line, child.line) == (4, 5)


@pytest.mark.parametrize("name", ["ISO-8859-1", "windows-1252", "latin1"])
def test_the_declared_encoding_is_used(tmp_path, name):
    content = f'<?xml version="1.0" encoding="{name}"?><a><b>café</b></a>'.encode("latin-1")
    assert texts(tmp_path, content) == ["café"]


def test_the_study_file_and_marks_outdo_the_declared_encoding(tmp_path):
    content = '<?xml version="1.0" encoding="latin-1"?><a><b>café</b></a>'
    assert texts(tmp_path, content, encoding="utf-8") == ["café"]
    assert texts(tmp_path, b"\xef\xbb\xbf" + content.encode()) == ["café"]
    assert texts(tmp_path, content.encode("utf-16")) == ["café"]
    assert texts(tmp_path, content.replace("latin-1", "utf-16")) == ["café"]


def test_the_fingerprint_is_the_files_own_whatever_is_declared(tmp_path):
    (tmp_path / "a.xml").write_bytes(b'<?xml version="1.0" encoding="latin-1"?><a/>')
    plain, declared = Source(tmp_path / "a.xml"), Source(tmp_path / "a.xml")
    plain.text()
    list(read_nodes(declared))
    assert declared.fingerprint == plain.fingerprint


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('<!DOCTYPE a [<!ENTITY b "ha"><!ENTITY c "&b;&b;">]>\n<a>&c;</a>', r'a\.xml:1: declares the entity "b"'),
        ('<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]>\n<a>&b;</a>', r'a\.xml:1: declares the entity "b"'),
        ('<!DOCTYPE a SYSTEM "x.dtd">\n<a>\n<b>1&nbsp;2</b></a>', r"a\.xml:3: has the entity &nbsp;"),
        ("<a>\n<b>&nbsp;</b></a>", r"a\.xml:2: is not well-formed XML: undefined entity"),
        ("<a>\n<b>1 < 2</b></a>", r"a\.xml:2: .*not well-formed"),
        ("\n<a>\n<b>\x0b</b></a>", r"a\.xml:3: .*not well-formed"),
        ("<a>\n<b>1\n", r"a\.xml:2: the file ends before <b> does"),
        ("<a/><a/>", r"a\.xml:1: .*junk after document element"),
        ('<?xml version="1.0" encoding="klingon"?><a/>', r'a\.xml:1: .*"klingon", which is not known'),
        ('<?xml version="1.0" encoding="unicode_escape"?><a/>', r"a\.xml:1: .*not known"),
        ("<a>" * (MAX_DEPTH + 1), r"a\.xml:1: <a> is nested more than"),
        ("", r"a\.xml: the file is empty"),
        (" \n ", r"no element found"),
    ],
)
def test_what_is_no_safe_xml_is_refused_at_its_line(tmp_path, content, message):
    with pytest.raises(DataError, match=message):
        nodes(tmp_path, content)


def test_a_huge_attribute_and_many_elements_are_read(tmp_path):
    content = f'<a><b c="{"x" * 3_000_000}"/>{"<d/>" * 20_000}</a>'
    _, first, *others = nodes(tmp_path, content)
    assert (len(first.attributes["c"]), len(others)) == (3_000_000, 20_000)


def test_the_outline_names_first_elements_and_never_fails(tmp_path):
    path = tmp_path / "a.xml"
    path.write_text("\n<?xml version='1.0'?><a><b><c/></b><d>&x;", encoding="utf-8")
    assert outline(Source(path)) == [("a",), ("a", "b"), ("a", "b", "c"), ("a", "d")]
    path.write_text("word O\n", encoding="utf-8")
    assert outline(Source(path)) == []


TOKENS = [
    "<a>",
    "</a>",
    "<b x='1'>",
    "</b>",
    "<![CDATA[",
    "]]>",
    "&amp;",
    "&x;",
    "<!DOCTYPE a [",
    "]>",
    "é",
    "\n",
    "\x00",
]
CONTENT = st.binary(max_size=60) | st.lists(st.sampled_from(TOKENS), max_size=20).map(lambda t: "".join(t).encode())


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(content=CONTENT)
def test_any_bytes_are_nodes_or_a_data_error(tmp_path, content):
    with suppress(DataError):
        assert all(node.end_line >= node.line for node in nodes(tmp_path, content)[1:])
    assert isinstance(outline(Source(tmp_path / "a.xml")), list)


@pytest.mark.parametrize("content", ["\n<!-- nothing -->", "\n<!-- nothing -->\n"])
def test_what_ends_too_early_is_told_at_the_last_line(tmp_path, content):
    with pytest.raises(DataError, match=r"a\.xml:2: is not well-formed XML: no element found"):
        nodes(tmp_path, content)
