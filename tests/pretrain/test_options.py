from __future__ import annotations

from dataclasses import replace

import pytest

from nertune.pretrain.options import PretrainOptions, option_helps, option_problems

WRONG = {
    "vocabulary_size": 31,
    "layers": 0,
    "width": 0,
    "heads": 0,
    "intermediate": 0,
    "max_pieces": 7,
    "steps": 0,
    "batch_size": 0,
    "learning_rate": 0.0,
    "mask_share": 1.0,
    "dropout": 1.0,
    "seed": -1,
    "threads": 0,
}


def test_the_defaults_are_without_a_problem() -> None:
    assert option_problems(PretrainOptions()) == []


@pytest.mark.parametrize("name", WRONG)
def test_each_option_out_of_its_range_is_named_with_its_flag(name: str) -> None:
    problems = option_problems(replace(PretrainOptions(), **{name: WRONG[name]}))
    assert [problem.message.split()[0] for problem in problems] == [name]
    assert "--" + name.replace("_", "-") in str(problems[0].fix)


def test_all_wrong_options_are_told_at_once() -> None:
    assert len(option_problems(PretrainOptions(**WRONG))) == len(WRONG)


def test_a_width_that_the_heads_do_not_divide_is_answered_with_one_that_they_do() -> None:
    (problem,) = option_problems(PretrainOptions(width=130, heads=4))
    assert str(problem) == "width is 130, which 4 heads do not divide\n    Write for example: --width 128 --heads 4"


def test_every_option_has_a_help_and_every_number_its_limits() -> None:
    assert option_helps().keys() == {*WRONG, "lower_case"}
    assert all(len(text) > 10 for text in option_helps().values())
