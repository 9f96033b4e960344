"""Tables of texts: which rows are read, as what, and which are refused."""

import csv
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nertune.data.readers.tables import HEAD_LINES, looks_like_csv, looks_like_tsv, read_csv, read_tsv
from nertune.data.source import Source
from nertune.errors import DataError, shown_path
from nertune.spec.study import DataSpec

FILES = Path(__file__).parent.parent / "files"
READERS = {".tsv": read_tsv, ".txt": read_tsv, ".csv": read_csv}
CHARACTERS = st.characters(exclude_categories=["Cs", "Cc"], include_characters="\t\n\r\x85")


@pytest.fixture(scope="module")
def write(tmp_path_factory):
    """Content -> a source for it; the file is overwritten by the next."""
    folder = tmp_path_factory.mktemp("tables")

    def write_file(content, name="train.tsv", **data):
        (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())
        return Source(folder / name, DataSpec(**data))

    return write_file


def read(source):
    """Texts with their labels."""
    texts = [(text.text, *text.labels) for text in READERS[source.path.suffix](source)]
    assert not source.faults
    return texts


def faults(source):
    """What is wrong, without the folder."""
    problems = source.faults.shown
    try:
        list(READERS[source.path.suffix](source))
    except DataError as problem:
        problems = [*problems, problem]
    return [str(problem).removeprefix(f"{shown_path(source.path.parent)}/") for problem in problems]


def places(source, kind):
    return [(place.where.line, place.detail) for place in source.notices.places.get(kind, [])]


def test_quotation_marks_in_a_text_are_ordinary_characters():
    texts = list(read_tsv(Source(FILES / "tsv" / "plain.txt")))
    assert [(text.text, text.labels, text.line, text.is_cell) for text in texts] == [
        ('a "quoted" text', ("good",), 2, True),
        ("another one", ("bad",), 3, True),
    ]


def test_marks_that_only_some_lines_close_are_ordinary(write):
    assert read(write('text\tlabel\n"a\tgood\nb"\tbad\n')) == [('"a', "good"), ('b"', "bad")]


def test_a_table_without_header_loses_no_row_and_tells_its_columns():
    source = Source(FILES / "tsv" / "no_header.tsv")
    texts = read(source)
    assert (len(texts), texts[0], texts[2]) == (
        6,
        ("the snow fell on the roof", "-1"),
        ('"o moon, how pale you are', "0"),
    )
    assert places(source, "guessed-columns") == [(1, "text: column 1, label: column 2, no header")]
    assert places(source, "kept-quotes") == [(5, '""so be it.""')]


def test_enclosed_cells_keep_their_marks_newlines_and_the_line_they_begin_on():
    texts = list(read_csv(Source(FILES / "csv" / "quoted.csv")))
    assert [(text.line, text.text, text.labels) for text in texts] == [
        (2, 'Hello, "world"', ("greeting",)),
        (3, "two lines,\n\none text", ("greeting",)),
        (6, "plain", ("other",)),
    ]


def test_the_file_of_a_spreadsheet_is_read_with_its_semicolons():
    assert read(Source(FILES / "csv" / "excel.csv")) == [("gut, sehr gut", "positiv"), ("nicht; gut", "negativ")]


def test_a_column_for_each_label_gives_the_labels_that_are_one():
    source = Source(FILES / "csv" / "a_column_a_label.csv")
    assert read(source) == [("what a day", "joy"), ("who is there", "fear"), ("a bus",), ("a ride", "fear", "joy")]
    assert not any(text.is_cell for text in read_csv(Source(FILES / "csv" / "a_column_a_label.csv")))


def test_label_columns_that_hold_labels_give_those_that_are_there(write):
    source = write("text\tfirst\tsecond\na b\tjoy\t\nc d\tjoy\tfear\n", columns={"label": ("first", "second")})
    assert read(source) == [("a b", "joy"), ("c d", "fear", "joy")]


def test_a_label_column_that_says_neither_yes_nor_no_is_a_fault(write):
    source = write("text\tjoy\tfear\na\t1\t0\nb\t0\tmaybe\nc\t0\t1\n", columns={"label": ("joy", "fear")})
    (problem,) = faults(source)
    assert 'train.tsv:3: the column "fear" says "maybe" where others say 0 or 1' in problem


def test_a_second_text_is_a_pair(write):
    (text,) = read_tsv(write("premise\thypothesis\tlabel\nIt rains.\tIt is wet.\tyes\n"))
    assert (text.text, text.pair, text.labels) == ("It rains.", "It is wet.", ("yes",))


def test_blank_lines_carriage_returns_and_other_line_separators_change_nothing(write):
    content = "\ufefftext\tlabel\r\na\u2028b\x85c\x00\tgood \r\n\r\n \t \r\nd\re\t bad"
    assert read(write(content)) == [("a\u2028b\x85c\x00", "good"), ("d\re", "bad")]


def test_a_label_cell_is_left_as_it_is_even_when_empty(write):
    assert read(write('text\tlabel\na\t"1, 4\nb\t \nc\t1|2\n')) == [("a", '"1, 4'), ("b", ""), ("c", "1|2")]


def test_a_line_with_too_few_columns_is_a_fault_with_its_line():
    assert faults(Source(FILES / "tsv" / "too_few.tsv")) == [
        'too_few.tsv:3: one column where 2 are needed; the line starts with "lost"\n'
        "    Add what is missing after a tab, for example: the text<TAB>its label"
    ]


def test_a_text_over_two_lines_in_a_table_of_plain_lines_is_told_how_to_read(write):
    problems = faults(write('text\tlabel\nfine\tgood\n"two\nlines" he said\tbad\n"hi" he said\tbad\n'))
    assert "train.tsv:3: one column" in problems[0]
    assert "data: {quoting: csv}" in problems[0]


def test_more_columns_than_the_header_are_noticed_with_the_label_that_is_read(write):
    source = write("text\tlabel\na\tx\tmore\n\ty\nb\tx\t\n")
    assert read(source) == [("a", "x"), ("", "y"), ("b", "x")]
    assert places(source, "extra-columns") == [(2, 'the label is read as "x"')]
    assert places(source, "empty-texts") == [(3, "")]


def test_a_tab_behind_a_mark_shifts_no_label_unless_marks_are_said_to_be_ordinary(write):
    content = 'text\tlabel\n"a\tb"\tgood\n"hi" there\tbad\nplain\tbad\n'
    assert read(write(content, quoting="none"))[0] == ('"a', 'b"')
    (problem,) = faults(write(content))
    assert "train.tsv:2: 3 columns where there should be 2" in problem
    assert "data: {quoting: csv}" in problem


def test_marks_that_enclose_cells_of_a_tab_file_are_told(write):
    source = write('text\tlabel\n"a ""b"""\tgood\nplain\tbad\n')
    assert read(source) == [('a "b"', "good"), ("plain", "bad")]
    assert places(source, "enclosed-cells") == [(1, "")]


def test_a_comma_too_many_shifts_no_label(write):
    (problem,) = faults(write("text,label\nHello, world,good\nfine,bad\n", "train.csv"))
    assert 'train.csv:2: 3 columns where there should be 2; the line starts with "Hello"' in problem
    assert 'stands in quotation marks: "a, b"' in problem


def test_a_mark_that_is_never_closed_swallows_nothing():
    assert faults(Source(FILES / "csv" / "unclosed.csv")) == [
        'unclosed.csv:3: the quotation mark before "never closed,bad" is not closed before the file ends\n'
        "    Close it, or read quotation marks as ordinary characters: data: {quoting: none}"
    ]
    assert read(Source(FILES / "csv" / "unclosed.csv", DataSpec(quoting="none")))[1] == ('"never closed', "bad")


def test_a_mark_that_a_later_text_closes_is_told_by_the_rows_it_swallows(write):
    source = write('text,label\n"Oh no,bad\nfine,good\nyes",good\nx,bad\n', "train.csv")
    assert len(read(source)) == 2
    assert places(source, "rows-in-quotes") == [(2, '"Oh no,bad\\nfine,good\\nyes"')]


def test_a_repeated_header_and_empty_rows_are_left_out_with_a_count(write):
    source = write("text,label\na,x\n,\ntext,label\nb,y\n", "train.csv")
    assert read(source) == [("a", "x"), ("b", "y")]
    assert (places(source, "repeated-headers"), places(source, "empty-rows")) == ([(4, "")], [(3, "")])


def test_a_second_table_with_other_columns_shifts_no_label(write):
    (problem,) = faults(write("text,label\na,x\n\nlabel,text\ny,b\n", "train.csv"))
    assert 'train.csv:4: here begins another table: its columns are "label", "text"' in problem


@pytest.mark.parametrize(
    ("content", "name", "says"),
    [
        ("one text\nand another\n", "train.tsv", "train.tsv:1: no line has a tab"),
        ("text,label\na,b\n", "train.tsv", "If a comma stands between: data: {format: csv}"),
        ("one text\nand another\n", "train.csv", "no line has a comma, semicolon or bar"),
        ('text,label\n"Oh" no,bad\n', "train.csv", 'train.csv:2: after a closing quotation mark stands "no,bad"'),
        ('"text,label\na,b\n', "train.csv", "train.csv:1: the quotation mark before"),
    ],
)
def test_what_is_no_table_is_told_with_its_line(write, content, name, says):
    (problem,) = faults(write(content, name))
    assert says in problem


def test_a_cell_may_be_longer_than_what_is_looked_at(write):
    giant = "long, " * 600_000
    assert read(write(f'text,label\n"{giant}",x\nshort,y\n', "train.csv")) == [(giant, "x"), ("short", "y")]


def test_rows_behind_those_that_are_looked_at_are_read_once(write):
    rows = [(f"text number {number}", "ab"[number % 2]) for number in range(HEAD_LINES + 10)]
    content = "".join(f"{text}\t{label}\n" for text, label in rows)
    assert read(write(content)) == rows


@pytest.mark.parametrize(
    ("name", "content", "is_tsv", "is_csv"),
    [
        ("train.tsv", "text\tlabel\na\tb\n", True, False),
        ("train.txt", "a text, or two\tx\nanother\ty\n", True, False),
        ("train.tsv", "x" * 70_000, True, False),
        ("train.csv", "a,b\nc,d\n", False, True),
        ("train.txt", "text;label\nc;d\n", False, True),
        ("train.txt", "Well, this is prose,\nand so is that, of course.\n", False, False),
        ("train.tsv", "text,label\na,b\n", False, True),
        ("train.csv", "no delimiter\n", False, True),
        ("train.csv", "text,label\n" + '"a, b\tc",d\n' * 9, False, True),
        ("train.txt", "\n\n", False, False),
    ],
)
def test_tables_are_recognised(write, name, content, is_tsv, is_csv):
    assert (looks_like_tsv(write(content, name)), looks_like_csv(write(content, name))) == (is_tsv, is_csv)


@given(
    rows=st.lists(st.tuples(st.text(CHARACTERS), st.text('abc,"; é\u2028', min_size=1)), min_size=1, max_size=8),
    dialect=st.sampled_from(["excel", "excel-tab", "unix"]),
)
def test_texts_that_the_csv_module_writes_are_read_back(write, rows, dialect):
    rows = [(text, label) for text, label in rows if label.strip()] or [("a", "b")]
    path = write("", "train.tsv" if dialect == "excel-tab" else "train.csv").path
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, dialect=dialect).writerows([("text", "label"), *rows])
    source = Source(path, DataSpec(quoting="csv", header=True))
    wanted = [(text.replace("\r\n", "\n"), label.strip(" ")) for text, label in rows]
    assert read(source) == [row for row in wanted if row != ("text", "label")]


@given(
    content=st.binary(max_size=100)
    | st.text('text\tlabel,;|"\n\r\u2028\x00', max_size=80).map(str.encode)
    | st.text('text\tlabel,"\n', max_size=60).map(lambda text: ("text\tlabel\na\tx\n" + text).encode()),
    name=st.sampled_from(["train.tsv", "train.csv"]),
    data=st.fixed_dictionaries(
        {},
        optional={
            "quoting": st.sampled_from(["csv", "none"]),
            "header": st.booleans(),
            "columns": st.sampled_from(
                [{"text": 0, "label": -1}, {"text": "text", "label": "label"}, {"label": (0, 1)}]
            ),
        },
    ),
)
def test_any_bytes_are_read_or_refused_with_a_data_error(write, content, name, data):
    source = write(content, name, **data)
    try:
        looks_like_tsv(source)
        looks_like_csv(source)
        texts = list(READERS[source.path.suffix](source))
    except DataError:
        return
    n_lines = content.count(b"\n") + content.count(b"\r") + 1
    assert len(texts) <= n_lines
    assert [text.line for text in texts] == sorted({text.line for text in texts})
