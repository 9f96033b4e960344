"""Several labels in one cell: which mark stands between them, and which marks belong to a name."""

import json
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nertune.data.multi_label import LISTS, MARKS, find_separator, split_labels

LABELS = st.lists(st.text("abcdé_-", min_size=1, max_size=5), min_size=3, max_size=6, unique=True)
COMPLAINTS = [
    "Credit reporting",
    "Credit reporting, credit repair services, or other personal consumer reports",
    "Checking or savings account",
    "Payday loan, title loan, or personal loan",
    "Payday loan",
    "Money transfer, virtual currency, or money service",
    "Money transfers",
    "Mortgage",
]


def find(*cells):
    return find_separator(dict.fromkeys(cells, 1))


@pytest.mark.parametrize(
    ("cells", "mark"),
    [
        (["1", "4", "7", "1, 4", "8, 1, 2", "2", "4, 1, 7"], ","),
        (["1", "4", "7", "1 4", "7 1", "1 4 7"], " "),
        (["joy|fear", "joy", "anger"], "|"),
        (["joy,", "joy,fear,", "fear,"], ","),
        (["a|b", "joy", "a|b;joy", "anger;joy", "anger"], ";"),
        (["joy;fear", "fear;anger", "joy;anger"], ";"),
        (["joy,fear", "joy", "anger"], ","),
        (["joy, fear", "joy", "anger", ""], ","),
        (["O", "B-PER", "B-ORG", "I-ORG", "B-PER|B-ORG"], "|"),
        (["['joy', 'fear']", "['joy']", "['fear']"], LISTS),
        (["['joy', 'fear']", "['anger', 'trust']", ""], LISTS),
        (['["joy"]', '["fear"]'], LISTS),
        (["['joy' 'fear']", "['anger']"], LISTS),
        (["{'joy', 'fear'}", "set()"], LISTS),
        (["('joy',)", "('joy', 'fear')"], LISTS),
        (["[1, 4]", "[1]", "[]"], LISTS),
        (["[joy, fear]", "[joy]", "[fear]"], ","),
        (["new york; paris, france", "new york", "paris, france"], ";"),
    ],
)
def test_the_mark_of_a_list_is_found(cells, mark):
    assert find(*cells) == mark


@pytest.mark.parametrize(
    "cells",
    [
        ["yes", "no", "yes, please", "no, thanks"],
        ["Paris, France", "Lyon, France", "Berlin, Germany", "Bonn, Germany"],
        ["card_arrival", "Refund_not_showing_up", "reverted_card_payment?"],
        ["very positive", "positive", "negative", "very negative", "neutral"],
        ["Sports|Football", "Sports|Tennis", "Sports", "Politics", "Politics|EU"],
        ["1,0", "1,5", "2,0", "2,5", "3,0"],
        [",", ".", ";", "word", "|"],
        ["-1", "0", "1", "2"],
        ["[A]", "[B]"],
        ["[1]", "[2]"],
        ["(2)", "(3), later"],
        ["{0}", "{1}"],
        COMPLAINTS,
        [""],
        [],
    ],
)
def test_a_mark_in_the_name_of_a_class_separates_nothing(cells):
    assert find(*cells) is None


def test_one_cell_with_a_mark_too_many_does_not_hide_the_others():
    cells = ["|".join(pair) for pair in combinations("abcde", 2)]
    assert find(*"abcde", *cells, "a||b") == "|"
    assert find("a", "b", "a||b", "b|") is None


@pytest.mark.parametrize(
    ("cell", "separator", "labels"),
    [
        ("8, 1, 3", ",", ("1", "3", "8")),
        (" joy|fear |joy|", "|", ("fear", "joy")),
        ("", ",", ()),
        ("[]", ",", ()),
        ('["joy", "fear"]', ",", ("fear", "joy")),
        ("a||b", "||", ("a", "b")),
        ("yes, please", None, ("yes, please",)),
        ("yes, please", "", ("yes, please",)),
    ],
)
def test_labels_are_sorted_stripped_and_each_once(cell, separator, labels):
    assert split_labels(cell, separator=separator) == labels


@given(labels=LABELS, mark=st.sampled_from(MARKS), is_written=st.booleans())
def test_lists_of_labels_that_also_stand_alone_are_always_found_and_split(labels, mark, is_written):
    between = f"{mark} " if is_written else mark
    lists = {between.join(some): tuple(sorted(some)) for n in (1, 2, 3) for some in combinations(labels, n)}
    assert find(*lists) == mark
    assert {cell: split_labels(cell, separator=mark) for cell in lists} == lists


@given(cells=st.lists(st.text(st.characters(exclude_characters="|;, "), max_size=8)))
def test_cells_without_a_mark_are_one_label_each(cells):
    assert find(*cells) is None


@given(cells=st.lists(st.text("ab |;,[]'\"\n"), max_size=12))
def test_any_mark_that_is_found_stands_in_a_cell_and_makes_no_more_labels_than_cells(cells):
    mark = find(*cells)
    if mark is not None:
        assert any(mark in cell for cell in cells)
        assert len({label for cell in cells for label in split_labels(cell, separator=mark)}) <= len(set(cells))


@given(cell=st.text(), separator=st.none() | st.text(max_size=2))
def test_no_label_is_empty_or_told_twice(cell, separator):
    labels = split_labels(cell, separator=separator)
    assert labels == (cell,) if not separator else (list(labels) == sorted(set(labels)) and all(labels))


@pytest.mark.parametrize(
    "cells", [["joy|fear", "anger"], ["joy;fear", "anger;trust"], ["joy,fear", "joy,trust"], ["joy, fear", "joy"]]
)
def test_a_column_of_labels_has_a_list_where_no_label_comes_again(cells):
    assert find_separator(dict.fromkeys(cells, 1), is_plural=True) in ("|", ";", ",")
    assert find(*cells) is None


@pytest.mark.parametrize(
    "cells", [["joy|fear", "joy;anger"], ["joy||fear"], ["Paris, France", "Lyon, France"], ["a b", "c"], COMPLAINTS]
)
def test_marks_that_leave_a_doubt_separate_nothing_in_a_column_of_labels(cells):
    assert find_separator(dict.fromkeys(cells, 1), is_plural=True) is None


@pytest.mark.parametrize(
    ("cell", "labels"),
    [
        ("['Paris, France', \"it's\"]", ("Paris, France", "it's")),
        ('["\\ud83d\\ude00", "\\u00e9", "\\ud83d"]', ("\\ud83d", "é", "😀")),
        ("['a\\\\b', 'c\\'d', '']", ("a\\b", "c'd")),
        ("['fear'\n 'joy']", ("fear", "joy")),
        ("[]", ()),
        ("joy, fear", ("joy, fear",)),
        ("['joy", ("['joy",)),
    ],
)
def test_a_written_list_is_read_as_programs_write_it(cell, labels):
    assert split_labels(cell, separator=LISTS) == labels


@given(
    st.lists(st.text(st.characters(exclude_categories=["Cs"])).map(str.strip).filter(bool), max_size=4),
    st.sampled_from([repr, json.dumps]),
)
def test_lists_that_python_writes_are_read_back(labels, write):
    assert split_labels(write(labels), separator=LISTS) == tuple(sorted(set(labels)))
