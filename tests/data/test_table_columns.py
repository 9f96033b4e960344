"""Which column holds the text and which its label: as `data.columns`, the header or the cells say."""

import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nertune.data.readers.table_columns import find_layout
from nertune.data.readers.table_rows import Row
from nertune.data.source import Source
from nertune.spec.study import DataSpec

WORDS = ["the", "moon", "rose", "over", "a", "cold", "and", "silent", "river", "while", "nobody", "was", "there"]
UTTERANCES = ["play some jazz", "wake me at six please", "is it raining now", "stop", "call my brother back", "louder"]
INTENTS = ["play_music", "set_alarm", "ask_weather", "stop", "call", "set_volume"]


def look(*lines, **data):
    """The source, and the layout of these tab-separated rows."""
    source = Source(Path("train.tsv"), DataSpec(**data))
    return source, find_layout(source, rows=[Row(number, line.split("\t")) for number, line in enumerate(lines, 1)])


def columns(*lines, **data):
    """Numbers of text and label, and whether there is a header."""
    source, layout = look(*lines, **data)
    assert not source.faults
    return layout.text, *layout.label, layout.header is not None


def fault(*lines, **data):
    source, layout = look(*lines, **data)
    assert layout is None
    (problem,) = source.faults.shown
    return str(problem)


def told(*lines, **data):
    source, _ = look(*lines, **data)
    return {kind: places[0].detail for kind, places in source.notices.places.items()}


@pytest.mark.parametrize(
    "header",
    ["sentence\tlabel", "TEXT\tLabels", "Tweet\tsentiment", "utterance\tIntent", "text\tcategory", "Satz\tKlasse"],
)
def test_usual_names_are_known_without_regard_to_case(header):
    assert columns(header, "a\tx") == (0, 1, True)
    assert told(header, "a\tx") == {}


@pytest.mark.parametrize(
    ("header", "places"),
    [
        ("index\tsentence1\tsentence2\tlabel", (1, 2, 3)),
        ("label\tPremise\thypothesis", (1, 2, 0)),
        ("question\tanswer\tlabel", (0, 1, 2)),
        ("Text A\ttext-b\tgold_label", (0, 1, 2)),
    ],
)
def test_two_texts_are_a_pair_where_their_names_say_so(header, places):
    _, layout = look(header, "\t".join("abcd"[: header.count("\t") + 1]))
    assert (layout.text, layout.pair, *layout.label) == places


def test_the_plainest_name_of_a_label_is_the_label():
    assert columns("text\ttopic\tlabel\tlabel_text", "a\tb\tc\td") == (0, 2, True)


def test_columns_that_are_not_read_are_told():
    assert told("id\ttext\tsource\tlabel", "1\ta\tweb\tx") == {"unread-columns": '"id", "source"'}


def test_columns_are_named_or_numbered_and_others_ignored():
    rows = ("id\tmeinung\turteil", "1\tsüß\tja", "2\tsauer\tnein")
    assert columns(*rows, columns={"text": "Meinung", "label": "urteil"}) == (1, 2, True)
    assert columns(*rows[1:], columns={"text": 1, "label": -1}) == (1, -1, False)
    assert columns(*rows, columns={"text": 1, "label": "urteil"}) == (1, 2, True)
    assert columns(*rows, columns={"label": "urteil"}) == (1, 2, True)


def test_a_header_is_no_text_when_columns_are_numbered():
    assert columns("tweet\tlabel", "sweet\tgood", columns={"text": 0, "label": -1}) == (0, -1, True)


@pytest.mark.parametrize("has_header", [True, False])
def test_data_header_is_followed(has_header):
    rows = ("text\tlabel", "a sweet one\tgood", "a sour one\tbad")
    assert columns(*rows, header=has_header)[-1] is has_header


def poems(n=30, *, first_id=0):
    chosen = random.Random(n)
    verses = [" ".join(chosen.sample(WORDS, 5)) for _ in range(n)]
    return [f"{first_id + i}\t{verse}\t{chosen.choice((-1, 0, 1, 2))}" for i, verse in enumerate(verses)]


def test_text_and_label_are_told_from_ids_by_their_cells():
    assert columns(*poems()) == (1, 2, False)
    assert told(*poems()) == {
        "guessed-columns": "text: column 1, label: column 2, no header",
        "unread-columns": "column 0",
    }


def test_unknown_names_above_numbers_are_a_header():
    rows = ["nummer\tvers\turteil", *poems()]
    assert columns(*rows) == (1, 2, True)
    assert told(*rows)["guessed-columns"] == 'text: "vers", label: "urteil", line 1 is the header'


def test_a_lone_word_above_phrases_is_a_header():
    rows = [f"{label}\t{text}" for text, label in zip(UTTERANCES[:3] * 2, INTENTS[:3] * 2, strict=True)]
    assert columns("ziel\täußerung", *rows) == (1, 0, True)
    assert columns(*rows) == (1, 0, False)


@given(st.permutations(list(zip(UTTERANCES, INTENTS, strict=True))), st.integers(2, 6))
def test_no_text_of_a_file_without_header_is_taken_for_one(pairs, n):
    source, layout = look(*(f"{text}\t{label}" for text, label in pairs[:n]))
    assert source.faults or layout.header is None


def test_lists_of_labels_are_labels():
    rows = ["After them ... slowly !\t1, 2", "Altitude !\t1", "All right . Let's go .\t4, 7, 8", "About time !\t8, 1"]
    assert columns(*rows) == (0, 1, False)


def test_several_columns_of_yes_and_no_are_a_label_each():
    source, layout = look("ID\tcomment\tjoy\tfear", "x1\twhat a day\t1\t0", "x2\twho is there\t0\t1")
    assert (layout.text, layout.label, layout.label_names, layout.is_yes_no) == (1, (2, 3), ("joy", "fear"), True)
    assert source.notices.counts == {"guessed-columns": 1, "unread-columns": 1}


@pytest.mark.parametrize("yes_no", ["x ", "X -", "true false", "T F", "y n", "ja nein", "oui non", "1.0 0.0", "1 "])
def test_columns_of_yes_and_no_are_known_in_several_languages(yes_no):
    yes, no = yes_no.split(" ")
    _, layout = look("text\tjoy\tfear", f"what a day\t{yes}\t{no}", f"who is there\t{no}\t{yes}")
    assert (layout.label, layout.label_names, layout.is_yes_no) == ((1, 2), ("joy", "fear"), True)


def test_a_slip_does_not_hide_that_columns_say_yes_and_no():
    rows = [f"{verse} the end\t{number % 2}\t1" for number, verse in enumerate(UTTERANCES * 3)]
    _, layout = look("text\tjoy\tfear", *rows, "the last one\t0\t2")
    assert (layout.label, layout.is_yes_no) == ((1, 2), True)


def test_columns_that_say_yes_in_different_ways_are_proposed_as_far_as_they_are_alike():
    rows = ["what a day\t1\t0\ten", "who is there\t0\t1\tde", "so it is\t1\t1\ten"]
    assert 'columns: {text: "text", label: ["joy", "fear"]}' in fault("text\tjoy\tfear\tlanguage", *rows)


def test_numbered_labels_are_proposed_together():
    rows = ["what a day\tjoy\tfear", "who is there\tfear\t", "so it is\tjoy\ttrust"]
    assert 'columns: {text: "text", label: ["label1", "label_2"]}' in fault("text\tlabel1\tlabel_2", *rows)


def test_empty_columns_at_the_end_do_not_hide_a_header():
    rows = [f"{'ham' if number % 2 else 'spam'}\tfree entry now {number}\t\t" for number in range(20)]
    assert columns("v1\tv2\t\t", *rows) == (1, 0, True)


@pytest.mark.parametrize(
    ("cells", "is_yes_no"),
    [
        ("1 0 0 1", True),
        ("yes No TRUE false", True),
        ("joy fear joy anger", False),
        ("0 1 2 3 4 1", False),
        ("1 0 x 1", True),
    ],
)
def test_a_list_of_label_columns_holds_yes_and_no_or_labels(cells, is_yes_no):
    rows = [f"a text\t{cell}\t" for cell in cells.split()]
    _, layout = look("text\tfirst\tsecond", *rows, columns={"text": 0, "label": ("first", 2)})
    assert (layout.label, layout.label_names, layout.is_yes_no) == ((1, 2), ("first", "second"), is_yes_no)


def test_label_columns_without_a_header_are_called_by_their_numbers():
    _, layout = look("a b\t1\t0", "c d\t0\t1", columns={"text": 0, "label": (1, -1)})
    assert layout.label_names == ("1", "-1")


def test_two_columns_that_could_be_the_text_are_a_problem():
    assert '2 columns could be the text: "text", "sentence"' in fault("text\tsentence\tlabel", "a\tb\tc")


def test_what_is_not_clear_is_told_with_the_line_to_write():
    assert fault("a\tb\tc\td", "x\ty\tz\tw") == (
        "train.tsv:1: which column is the text is not clear; which column is the label is not clear; "
        'the columns are 0 ("a"), 1 ("b"), 2 ("c"), 3 ("d")\n'
        "    Say which: data: {columns: {text: 0, label: 3}}"
    )
    assert 'columns: {text: "text", label: "b"}' in fault("text\ta\tb", "n o\tx\ty", "p q\ty\tx")


def test_ids_are_never_labels():
    rows = [f"{verse}\tk{number:03}" for number, verse in enumerate(verse.split("\t")[1] for verse in poems(40))]
    assert "which column is the label is not clear" in fault("text\tcode", *rows)


def test_a_missing_column_is_told_with_those_that_are_there():
    message = fault("id\ttweet\tsentiment", "1\ta\tb", columns={"text": "twet", "label": "sentiment"})
    assert 'no column is named "twet"; the columns are "id", "tweet", "sentiment"' in message
    assert "Write for example: data: {columns: {text: tweet}}" in message


@pytest.mark.parametrize("number", [2, -3, 99])
def test_a_number_beyond_the_columns_is_a_problem(number):
    assert f"there is no column {number}; a row has 2" in fault("a\tb", "c\td", columns={"text": 0, "label": number})


def test_one_column_cannot_be_both():
    assert "text and label are the same column" in fault("a\tb", columns={"text": 1, "label": -1})


def test_a_name_that_two_columns_have_does_not_choose_one():
    message = fault("text\tlabel\tlabel", "a\tx\ty", columns={"text": "text", "label": "label"})
    assert '2 columns are named "label"' in message
    assert "columns: {label: 1}" in message


def test_a_header_that_lacks_a_name_shifts_no_label():
    rows = ("text\tlabel", "1\ta\tgood", "2\tb\tbad")
    assert "the header names 2 columns, but most rows have 3" in fault(*rows)
    assert columns(*rows, columns={"text": 1, "label": 2}) == (1, 2, True)


@pytest.mark.parametrize(
    ("data", "says"),
    [
        ({"columns": {"text": "a"}, "header": False}, 'data.columns names "a", but data.header is false'),
        ({"columns": {"text": ("a", "b")}}, "data.columns.text is a list, but it is one column"),
        ({"columns": {"tetx": 0}}, 'data.columns names "tetx", but this format reads'),
    ],
)
def test_columns_that_contradict_the_format_are_a_problem(data, says):
    assert says in fault("a\tb", "c\td", **data)


@given(
    st.lists(st.lists(st.text("a1,- \u2028é", max_size=4), min_size=1, max_size=4), min_size=1, max_size=6),
    st.sampled_from([{}, {"text": 0}, {"label": -1}, {"text": "a"}, {"label": (0, 1)}, {"pair": 0, "text": 1}]),
)
def test_any_rows_have_a_layout_or_a_fault(table, columns):
    source = Source(Path("x"), DataSpec(columns=columns))
    layout = find_layout(source, rows=[Row(number, cells) for number, cells in enumerate(table, 1)])
    assert (layout is None) == bool(source.faults)
