"""Entities matched one to one: as many as can be."""

from __future__ import annotations

from itertools import combinations, permutations

from hypothesis import given
from hypothesis import strategies as st

from nertune.data.examples import Span
from nertune.data.labels import tags_to_spans
from nertune.scores.overlaps import count_exact, count_overlapping

TAGS = st.lists(st.sampled_from(["O", "B-X", "I-X", "I-X", "B-Y", "I-Y"]), min_size=6, max_size=6)


def can_match(one, other):
    return one.label == other.label and one.start < other.end and other.start < one.end


def most_matched(first, second):
    """The size of the largest set of pairs, by trying all."""
    for n in range(min(len(first), len(second)), 0, -1):
        for chosen in combinations(first, n):
            if any(all(map(can_match, chosen, others)) for others in permutations(second, n)):
                return n
    return 0


@given(TAGS, TAGS)
def test_as_many_are_matched_as_can_be(ours, theirs):
    first, second = tags_to_spans(ours), tags_to_spans(theirs)
    assert count_overlapping(first, second).total() == most_matched(first, second)
    assert count_overlapping(first, second) == count_overlapping(second, first)
    assert not count_exact(first, second) - count_overlapping(first, second)


def test_an_entity_is_matched_with_one_other_only():
    long, parts = [Span("X", 0, 5)], [Span("X", 0, 2), Span("X", 3, 5)]
    assert count_overlapping(long, parts) == {"X": 1}
    assert count_exact(long, parts) == {}


def test_type_and_a_shared_word_are_needed():
    assert count_overlapping([Span("X", 0, 2)], [Span("Y", 0, 2), Span("X", 2, 3)]).total() == 0
    assert count_overlapping([Span("X", 0, 2)], []).total() == 0
