"""Conditions on runs: what they mean, and what is said of those that mean nothing."""

from __future__ import annotations

import operator
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nertune.errors import UserError
from nertune.results.conditions import parse_condition

ROWS: list[dict[str, Any]] = [
    {"id": 1, "f1": 0.5, "state": "complete", "cause": None, "train.learning_rate": 1e-5, "study": "2024"},
    {"id": 2, "f1": 0.9, "state": "complete", "test.f1": 0.8, "cause": None, "train.learning_rate": 1e-3, "study": "b"},
    {"id": 3, "state": "failed", "cause": "oom", "train.learning_rate": 1e-4, "model.crf": True, "study": "b"},
]


def chosen(condition: str, rows: list[dict[str, Any]] = ROWS) -> list[int]:
    test = parse_condition(condition, rows=rows)
    return [row["id"] for row in rows if test(row)]


@pytest.mark.parametrize(
    ("condition", "ids"),
    [
        ("f1 > 0.5", [2]),
        ("f1>=.5", [1, 2]),
        ("state == complete", [1, 2]),
        ("state = 'complete' and f1 < 0.8", [1]),
        ("f1 > 0.8 or state == failed", [2, 3]),
        ("not f1 > 0.8", [1, 3]),
        ("not (f1 > 0.8 or state == failed)", [1]),
        ("f1 < 0.8 and state == complete or cause == oom", [1, 3]),
        ("train.learning_rate <= 1e-4", [1, 3]),
        ("learning_rate <= 1e-4", [1, 3]),
        ("cause != oom", [1, 2]),
        ("test.f1 == null", [1, 3]),
        ("test.f1 != null", [2]),
        ("state ~ FAIL", [3]),
        ("crf == true", [3]),
        ("study == 2024", [1]),
        ('state == "no such state"', []),
    ],
)
def test_conditions_choose_runs(condition: str, ids: list[int]) -> None:
    assert chosen(condition) == ids


@pytest.mark.parametrize(
    ("condition", "place", "told"),
    [
        ("f11 > 0.8", 1, "Did you mean f1?"),
        ("f1 > 0.8 and learning_rat < 1", 14, "Did you mean train.learning_rate?"),
        ("f1 >", 5, "the value to compare with is missing"),
        ("f1 > and state == failed", 6, "the value to compare with is missing"),
        ("f1 0.8", 4, "is missing"),
        ("f1 > high", 6, "f1 holds numbers, and high is none"),
        ("state > 3", 9, "state holds words, such as complete, and 3 is none"),
        ("(f1 > 0.8", 10, "a closing parenthesis is missing"),
        ("f1 > 0.8 state == failed", 10, "joined by and, or"),
        ("f1 > 0.8 and", 13, "is missing"),
        ("state == 'x", 10, "' has no meaning here"),
        ("__import__('os').system('true')", 1, "no run has a __import__"),
        ("", 1, "is missing"),
    ],
)
def test_what_means_nothing_is_told_with_its_place(condition: str, place: int, told: str) -> None:
    with pytest.raises(UserError) as error:
        chosen(condition)
    assert f"character {place}: " in str(error.value)
    assert told in str(error.value)


def test_a_key_that_several_settings_end_in_is_asked_for_whole() -> None:
    with pytest.raises(UserError, match=r"may be any of: a\.rate, b\.rate"):
        chosen("rate > 1", [{"id": 1, "a.rate": 1, "b.rate": 2}])


OPERATORS = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge, "==": operator.eq}


@given(
    values=st.lists(st.integers(-3, 3), min_size=1, max_size=6),
    first=st.tuples(st.sampled_from(sorted(OPERATORS)), st.integers(-3, 3)),
    second=st.tuples(st.sampled_from(sorted(OPERATORS)), st.integers(-3, 3)),
    joined=st.sampled_from(["and", "or"]),
)
def test_conditions_agree_with_python(values: list[int], first: Any, second: Any, joined: str) -> None:
    rows = [{"id": place, "x": value} for place, value in enumerate(values)]
    join = all if joined == "and" else any
    expected = [row["id"] for row in rows if join(OPERATORS[name](row["x"], bound) for name, bound in (first, second))]
    assert chosen(f"x {first[0]} {first[1]} {joined} x{second[0]}{second[1]}", rows) == expected


@given(st.text(max_size=30))
def test_any_text_is_a_condition_or_a_users_mistake(text: str) -> None:
    with suppress(UserError):
        chosen(text)
