"""What offsets count, told by the mentions, and which relations hold."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nertune.data.documents import Entity, Relation
from nertune.data.source import Source
from nertune.data.standoff import keep_known, place_entities
from nertune.errors import Where

WHERE = Where(Path("a.ann"), 3)
COUNTERS = {
    "characters": len,
    "UTF-16 units": lambda text: len(text.encode("utf-16-le")) // 2,
    "UTF-8 bytes": lambda text: len(text.encode()),
    "CRLF as one": lambda text: len(text.replace("\r\n", "\n")),
    "LF as two": lambda text: len(text.replace("\n", "\r\n")),
    "a mark before it": lambda text: len(text) + 1,
}


def place(text, *mentions):
    """Placed (parts, mention) pairs and the counts of notices."""
    source = Source(Path("a.ann"))
    entities = [Entity("X", parts, WHERE, text=mention) for parts, mention in mentions]
    placed = place_entities(entities, text=text, source=source)
    return [(entity.parts, entity.text) for entity in placed], dict(source.notices.counts)


@given(data=st.data(), counter=st.sampled_from(sorted(COUNTERS)))
def test_whatever_offsets_count_the_mentions_are_found(data, counter):
    pieces = st.lists(st.sampled_from(["a", "b", "é", "中", "😀", "\n" if counter == "LF as two" else "\r\n", " "]))
    text = "".join(data.draw(pieces)) + "end of it"
    count = COUNTERS[counter]
    borders = [place for place in range(len(text) + 1) if text[place - 1 : place + 1] != "\r\n"]
    spans = st.tuples(st.sampled_from(borders), st.sampled_from(borders)).filter(
        lambda span: text[slice(*span)].strip()
    )
    told = [((len(text) - 9, len(text) - 6)), (len(text) - 2, len(text)), *data.draw(st.lists(spans, max_size=6))]
    mentions = [(((count(text[:start]), count(text[:end])),), text[start:end]) for start, end in told]
    placed, counts = place(text, *mentions)
    assert [" ".join(text[start:end].split()) for ((start, end),), _ in placed] == [
        " ".join(text[start:end].split()) for start, end in told
    ]
    assert counts.keys() <= {"converted-offsets"}


def test_one_mention_that_was_moved_by_hand_moves_no_other():
    placed, counts = place("Ada saw Bob", (((0, 3),), "Ada"), (((7, 10),), "Bob"))
    assert placed == [(((0, 3),), "Ada"), (((7, 10),), "Bob")]
    assert counts == {"text-differs": 1}


def test_one_mention_alone_is_no_proof_that_offsets_begin_at_1():
    assert place("Ada saw Bob", (((9, 12),), "Bob")) == ([], {"outside-text": 1})
    assert place("Ada saw Bob", (((1, 4),), "Ada")) == ([(((1, 4),), "Ada")], {"text-differs": 1})


def test_a_few_mentions_that_differ_do_not_hide_that_offsets_count_bytes():
    text = "é " + "word " * 20
    mentions = [(((3 + 5 * n, 7 + 5 * n),), "word") for n in range(19)]
    placed, counts = place(text, *mentions, (((98, 102),), "werd"))
    assert placed[0] == (((2, 6),), "word")
    assert counts == {"converted-offsets": 1, "text-differs": 1}


@pytest.mark.parametrize("mention", ["left ... knee", "left knee", "left...knee", "left and right knee", "left\tknee"])
def test_parts_may_be_joined_as_any_tool_does(mention):
    assert place("left and right knee", (((0, 4), (15, 19)), mention)) == ([(((0, 4), (15, 19)), mention)], {})


def test_an_entity_without_mention_or_with_parts_in_any_order_is_kept():
    assert place("left and right knee", (((15, 19), (0, 4), (5, 5)), None)) == ([(((0, 4), (15, 19)), None)], {})


def test_what_is_outside_the_text_or_empty_is_left_out_and_counted():
    placed, counts = place("Ada", (((0, 4),), "Ada?"), (((1, 1),), None), (((0, 1), (2, 9)), None))
    assert (placed, counts) == ([], {"outside-text": 2, "empty-entities": 1})


def test_a_relation_falls_with_what_it_names():
    source = Source(Path("a.ann"))
    relations = [
        Relation("good", (("a", "T1"), ("b", "E1")), WHERE, id="R1"),
        Relation("event", (("trigger", "T1"),), WHERE, id="E1"),
        Relation("names a lost one", (("a", "R3"),), WHERE, id="R4"),
        Relation("lost", (("a", "T1"), ("b", "T9")), WHERE, id="R3"),
    ]
    assert [relation.label for relation in keep_known(relations, ids=["T1"], source=source)] == ["good", "event"]
    assert [str(place) for place in source.notices.places["broken-relations"]] == [
        'a.ann:3: names a lost one names "R3"',
        'a.ann:3: lost names "T9"',
    ]


def test_relations_that_name_each_other_are_kept():
    circle = [Relation("r", (("a", "R2"),), WHERE, id="R1"), Relation("r", (("a", "R1"),), WHERE, id="R2")]
    assert keep_known(circle, ids=[], source=Source(Path("a.ann"))) == tuple(circle)
