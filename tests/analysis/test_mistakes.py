"""Where models err, counted by hand."""

from __future__ import annotations

from nertune.analysis.errors import (
    by_entity_length,
    by_seen,
    by_sentence_length,
    count_entities,
    count_kinds,
    find_mistakes,
    frequent_mistakes,
)
from nertune.data.examples import Span

WORDS = [["Ada", "saw", "New", "York"], ["Ada", "and", "Bob", "saw", "it"], ["nothing"]]
GOLD = [[Span("PER", 0, 1), Span("LOC", 2, 4)], [Span("PER", 0, 1), Span("PER", 2, 3)], []]
FIRST = [[Span("PER", 0, 1), Span("LOC", 3, 4)], [Span("LOC", 0, 1)], [Span("PER", 0, 1)]]
SECOND = [[Span("LOC", 0, 1), Span("LOC", 2, 4)], [Span("LOC", 0, 1), Span("PER", 2, 3)], []]


def test_every_kind_of_mistake_is_told_apart():
    kinds = [(one.sentence, one.kind) for one in find_mistakes(GOLD, FIRST)]
    assert kinds == [(0, "wrong ends"), (1, "wrong type"), (1, "missed"), (2, "spurious")]
    both = find_mistakes([[Span("PER", 0, 2)]], [[Span("LOC", 1, 2)]])
    assert [one.kind for one in both] == ["wrong type and ends"]


def test_what_is_right_is_no_mistake():
    assert find_mistakes(GOLD, GOLD) == []


def test_the_most_frequent_mistake_of_all_models_comes_first_with_its_place():
    runs = [find_mistakes(GOLD, predicted) for predicted in (FIRST, SECOND)]
    first, *others = frequent_mistakes(WORDS, runs, most=10)
    told = {key: first[key] for key in ("kind", "gold_label", "gold_text", "predicted_label", "count", "places")}
    assert told == {
        "kind": "wrong type",
        "gold_label": "PER",
        "gold_text": "Ada",
        "predicted_label": "LOC",
        "count": 3,
        "places": 2,
    }
    assert (first["sentence"], first["gold"], first["predicted"], first["runs"]) == (1, [0, 1], [0, 1], 2)
    assert {one["kind"] for one in others} == {"wrong ends", "missed", "spurious"}
    assert count_kinds(runs) == {"wrong type": 1.5, "missed": 0.5, "spurious": 0.5, "wrong ends": 0.5}


def test_scores_by_length_hold_every_entity_once():
    rows = {row["group"]: row for row in by_entity_length(GOLD, [FIRST, SECOND])}
    assert {group: row["support"] for group, row in rows.items()} == {"1": 3, "2": 1}
    assert rows["2"]["recall"] == 0.5  # one of two models has New York
    assert rows["1"]["recall"] == 2 / 6  # Ada by the first, Bob by the second
    assert rows["1"]["precision"] == 2 / 7


def test_long_entities_and_long_sentences_are_put_together():
    gold = [[Span("X", 0, 6)], [Span("X", 0, 9)], [Span("X", 0, 1)]]
    words = [["w"] * 10, ["w"] * 11, ["w"] * 51]
    assert [(row["group"], row["support"]) for row in by_entity_length(gold, [gold])] == [("1", 1), ("6 or more", 2)]
    rows = by_sentence_length(gold, [gold], words=words)
    assert [(row["group"], row["f1"]) for row in rows] == [("1 to 10", 1.0), ("11 to 20", 1.0), ("more than 50", 1.0)]


def test_entities_of_train_are_told_from_new_ones_by_words_and_type():
    seen = count_entities([["Ada"], ["Ada"], ["Bob"]], [[Span("PER", 0, 1)], [Span("PER", 0, 1)], [Span("LOC", 0, 1)]])
    rows = by_seen(GOLD, [SECOND], words=WORDS, seen=seen)
    assert [(row["group"], row["support"], row["recall"]) for row in rows] == [
        ("never", 2, 1.0),
        ("2 to 4 times", 2, 0),
    ]
