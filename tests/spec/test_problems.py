"""Every way in which a study file can be wrong: what is said, on which line, and what to write instead."""

import errno
import os
from pathlib import Path

import pytest

from nertune.errors import Problems, StudyFileError
from nertune.spec.load import load_study

RANGE = "search: {{sampler: random, trials: 3, space: {{train.learning_rate: {{{}}}}}}}\n"


def problem_of(load, text, **options):
    """The one problem of a study file."""
    with pytest.raises(Problems) as caught:
        load(text, **options)
    assert len(caught.value.problems) == 1, str(caught.value)
    return caught.value.problems[0]


@pytest.mark.parametrize(
    ("text", "message", "fix"),
    [
        ("trian: {}\n", "trian is no key", "Did you mean train?"),
        ("train: {epoch: 3}\n", "train.epoch is no key", "Did you mean train.epochs?"),
        ("learning_rate: 1e-5\n", "learning_rate is no key", "Did you mean train.learning_rate?"),
        ("train: {objective: f1}\n", "train.objective is no key", "Did you mean search.objective?"),
        ("train: {storage: x}\n", "train.storage is no key", "Did you mean storage?"),
        ("train: {qqqq: 1}\n", "train.qqqq is no key", "Known here: epochs, batch_size"),
    ],
)
def test_misspelt_key_is_answered_with_the_closest(load, text, message, fix):
    problem = problem_of(load, text)
    assert str(problem).startswith(f"mine.yaml:5: {message} of a study file\n    {fix}")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("train: {epochs: 0}\n", "train.epochs is 0, but it should be greater than or equal to 1"),
        ("train: {epochs: many}\n", "train.epochs is 'many', but it should be a valid integer"),
        ("train: {schedule: lin}\n", "train.schedule is 'lin', but it should be 'linear', 'cosine' or 'constant'"),
        ("train: {learning_rate: .nan}\n", "train.learning_rate is nan, but it should be a finite number"),
        ("execute: {workers: all}\n", "execute.workers is 'all', but it should be 'auto' or a valid integer"),
        (
            "execute: {hang_after: soon}\n",
            "execute.hang_after is 'soon', but it is not a duration; write for example 90s",
        ),
        ("train: 3\n", "train is 3, but it should be a mapping of keys"),
        (
            "search: {space: {train.epochs: 3}}\n",
            "search.space.train.epochs is 3, but it should be a list or a mapping",
        ),
        ("final: {seeds: []}\n", r"final.seeds is \[\], but it should hold at least 1 item"),
        ("name: my study\n", "name is 'my study', but it should be of letters, digits"),
        ("nertune: 2\n", "nertune is 2, but it should be 1"),
        ("storage: null\n", "storage is null, but it should be a valid string"),
        ("final: {seeds: [3, 4, 3]}\n", r"final.seeds holds a seed twice: \[3, 4, 3\]"),
        ("search: {sampler: tpe}\n", "search.sampler: tpe would never end"),
    ],
)
def test_wrong_value_is_shown_with_what_was_expected(load, text, message):
    with pytest.raises(Problems, match=f"^mine.yaml:5: {message}"):
        load(text)


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        ("data.keep=PER", "data.keep is 'PER', but it should be a list"),
        ("data.rename={PER: ''}", "data.rename is {'PER': ''}, but it gives PER no name"),
        (
            "data.split={dev: 0.5, test: 0.5}",
            "data.split is {'dev': 0.5, 'test': 0.5}, but it leaves nothing for train",
        ),
    ],
)
def test_wrong_value_of_data_is_shown_with_what_was_expected(load, edit, message):
    assert message in str(problem_of(load, "", edits=[edit]))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (RANGE.format("low: 1e-3, high: 1e-5"), "low: 0.001 and high: 1e-05, but low must be below high"),
        (RANGE.format("low: 1e-3, high: 1e-3"), "low must be below high"),
        (RANGE.format("low: 0, high: 1, log: true"), "has low: 0, but a log range needs a start above 0"),
        (RANGE.format("low: -1, high: 1"), "holds -1, but it should be greater than 0"),
        (RANGE.format("low: 1"), "needs low and high, both numbers; found low: 1, high: None"),
        (RANGE.format("low: 1, high: 2, lgo: true"), "has the unknown key lgo"),
        (RANGE.format("low: 1, high: 2, log: 3"), "has log: 3, but log is true or false"),
        (RANGE.format("low: 1, high: 2, step: 1, log: true"), "a step is a number above 0 and goes without log"),
        (
            RANGE.format("low: 1, high: 2").replace("learning_rate", "epochs").replace("2}", "9, step: 0.5}"),
            "whole numbers only",
        ),
        ("search: {space: {train.epochs: []}}\n", "train.epochs is an empty list"),
        (
            "search: {space: {train.epochs: [1, 0]}}\n",
            "train.epochs holds 0, but it should be greater than or equal to 1",
        ),
        ("search: {space: {train.learning_rate: {low: 1, high: 2}}}\n", "is a range, but a grid needs a list"),
        ("search: {space: {train.batchsize: [1]}}\n", "train.batchsize is no key that can be searched"),
        ("search: {space: {data.dir: [a]}}\n", "data.dir is no key that can be searched"),
        ("search: {space: {model.name: [a]}}\n", "model.name is no key that can be searched"),
        ("search: {space: {model.config: [{}]}}\n", "model.config is no key that can be searched"),
        ("search: {space: {search.seed: [1, 2]}}\n", "a seed is never searched"),
    ],
)
def test_dimension_that_no_search_could_use_is_refused(load, text, message):
    with pytest.raises(Problems, match=r"^mine.yaml:5: search.space.*" + message):
        load(text)


def test_searched_key_that_is_misspelt_is_answered_with_the_closest(load):
    assert problem_of(load, "search:\n  space:\n    batch_size: [8]\n").fix == "Did you mean train.batch_size?"


def test_every_problem_of_a_file_is_told_at_once_in_the_order_of_lines(load):
    text = "train:\n  epochs: 0\nfinal:\n  seeds:\n  - 1\n  - x\nsearch:\n  space:\n    train.epochs: []\ntrian: 1\n"
    with pytest.raises(Problems, match=r"4 problems. Nothing was started.$") as caught:
        load(text)
    assert [problem.where.line for problem in caught.value.problems] == [6, 10, 13, 14]


def test_missing_data_is_told_beside_other_problems(load):
    with pytest.raises(Problems) as caught:
        load("trian: 1\n", head="task: token\ndata: {}\nmodel: {base: m}\n")
    assert [problem.message.split()[0] for problem in caught.value.problems] == ["data", "trian"]
    assert [problem.where.line for problem in caught.value.problems] == [2, 4]


def test_wrong_data_folder_is_not_told_as_a_missing_one_too(load):
    assert problem_of(load, "", head="task: token\ndata: {dir: [a]}\nmodel: {base: m}\n").message.startswith(
        "data.dir is"
    )


@pytest.mark.parametrize("key", ["task", "data", "model"])
def test_missing_key_is_named_with_its_meaning(load, key):
    lines = {"task": "task: token\n", "data": "data: {dir: .}\n", "model": "model: {base: m}\n"}
    head = "".join(text for name, text in lines.items() if name != key)
    assert problem_of(load, "", head=head).message == f"{key} is missing"


def test_key_given_twice_names_both_lines(load):
    problem = problem_of(load, "train: {epochs: 1}\ntrain: {epochs: 2}\n")
    assert str(problem) == "mine.yaml:6: train stands here again; it was given on line 5\n    Remove one of the two"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("train: [\n", r"mine.yaml:6: is not YAML: expected the node content"),
        ("  x: 1\n y: 2\n", r"mine.yaml:\d: is not YAML"),
        ("x: \x01\n", "mine.yaml: is not YAML: unacceptable character #x0001: special characters are not allowed\n"),
        ("x: &a [*a]\n", "mine.yaml: is nested without end"),
    ],
)
def test_file_that_is_not_yaml_is_told_with_its_line(load, text, message):
    with pytest.raises(StudyFileError, match=message):
        load(text)


@pytest.mark.parametrize("text", ["train: {epochs: !!python/name:os.system 8}\n", "train: {epochs: !mine 8}\n"])
def test_tags_of_yaml_are_refused_and_nothing_is_called(load, text):
    with pytest.raises(Problems, match=r"mine.yaml:5: train.epochs has the tag .*, which says nothing here"):
        load(text)


def test_key_that_is_no_plain_text_is_refused(load):
    assert problem_of(load, "? [a]\n: 1\n").message == "a key must be plain text"


@pytest.mark.parametrize("text", ["", "# nothing\n", "- a\n", "just text\n"])
def test_file_without_keys_holds_no_study(load, text):
    with pytest.raises(StudyFileError, match=r"mine.yaml: holds no study"):
        load(text, head="")


def test_file_that_is_missing_or_a_folder_is_the_users_error(tmp_path):
    with pytest.raises(StudyFileError, match=r"none.yaml: there is no such study file"):
        load_study(tmp_path / "none.yaml")
    with pytest.raises(StudyFileError, match="is a folder where a study file is needed"):
        load_study(tmp_path)


def test_wrong_encoding_is_told_with_byte_and_line(tmp_path):
    (tmp_path / "mine.yaml").write_bytes("task: token\nname: Müller\n".encode("latin-1"))
    with pytest.raises(StudyFileError, match=r"mine.yaml:2: byte 19 is not UTF-8"):
        load_study(tmp_path / "mine.yaml")


def test_file_that_may_not_be_read_is_the_users_error(load, monkeypatch):
    def refuse(*_args, **_options):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(Path, "read_text", refuse)
    with pytest.raises(StudyFileError, match=r"mine.yaml: cannot be read: Permission denied"):
        load()
