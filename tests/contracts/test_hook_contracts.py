"""The tests that users run on code of their own find what is wrong with it.

The examples of `docs/hooks.md` are the files in `tests/files/hooks`, whose own test runs with all others.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from transformers import TrainerCallback, TrainerControl

from nertune.data.documents import Document, Entity
from nertune.data.source import LabelledText, Source, TaggedSentence
from nertune.errors import Where
from nertune.testing import check_callback, check_head, check_reader, check_score

ROOT = Path(__file__).parents[2]


def test_the_examples_on_the_page_are_the_files_that_are_tested() -> None:
    page = (ROOT / "docs" / "hooks.md").read_text(encoding="utf-8")
    shown = dict(re.findall(r"^```py (\S+)\n(.*?)^```$", page, re.MULTILINE | re.DOTALL))
    folder = ROOT / "tests" / "files" / "hooks"
    files = {path.relative_to(folder).as_posix(): path.read_text(encoding="utf-8") for path in folder.rglob("*.py")}
    assert shown == files
    assert len(files) == 5


# ---- heads


class Idle(nn.Module):
    """A head with a layer that nothing goes through."""

    def __init__(self, n_features: int, n_labels: int, *, dropout: float, options: Any) -> None:
        super().__init__()
        self.layer = nn.Linear(n_features, n_labels)
        self.idle = nn.Linear(1, 1)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        return self.layer(features)


def head_of(change: Callable[[torch.Tensor], Any]) -> Callable[..., nn.Module]:
    """A linear head whose scores are changed."""

    class Head(nn.Module):
        def __init__(self, n_features: int, n_labels: int, *, dropout: float, options: Any) -> None:
            super().__init__()
            self.layer = nn.Linear(n_features, n_labels)

        def forward(self, features: torch.Tensor) -> Any:
            return change(self.layer(features))

    return Head


HEADS = {
    "a place depend on other places": head_of(lambda scores: scores - scores.mean(0, keepdim=True)),
    r"the shape \[5\] where \[2, 5\]": head_of(lambda scores: scores.mean(0) if scores.dim() == 2 else scores),
    r"the shape \[2, 7, 4\]": head_of(lambda scores: scores[..., 1:]),
    "float64, not float32": head_of(lambda scores: scores.double()),
    "not finite": head_of(lambda scores: scores / 0),
    "a tuple, not a tensor": head_of(lambda scores: (scores,)),
    "other scores at the second call": head_of(lambda scores: scores + torch.rand(())),
    "no gradient reaches the encoder": head_of(lambda scores: scores.detach().requires_grad_()),
    r"no gradient reaches idle.weight, idle.bias": Idle,
    "a list, not a torch.nn.Module": lambda n_features, n_labels, *, dropout, options: [n_features],
    "cannot be used as a head": lambda n_features, n_labels: nn.Linear(n_features, n_labels),
}


@pytest.mark.parametrize("complaint", HEADS)
def test_a_wrong_head_is_told_what_is_wrong(complaint: str) -> None:
    with pytest.raises(AssertionError, match=complaint):
        check_head(HEADS[complaint])


def test_a_head_is_tried_with_other_widths_too() -> None:
    with pytest.raises(AssertionError, match=r"the shape \[2, 7, 5\] where \[2, 7, 3\]"):
        check_head(lambda n_features, n_labels, *, dropout, options: nn.Linear(n_features, 5), n_labels=3)


# ---- readers

GOOD = "Ada B-PER\nsings O\n\nBob B-PER\n"


def reader_of(make: Callable[[int, str], Any]) -> Callable[[Source], Any]:
    """A reader that gives an item for each line with text."""

    def read(source: Source) -> Any:
        for number, line in enumerate(source.lines(), start=1):
            if line.strip():
                yield make(number, line)

    return read


def entity(start: int, end: int, *, line: int, path: str = "missing.txt") -> Document:
    where = Where(Path(path), line)
    return Document("1", "Ada sings", (Entity("PER", ((start, end),), where),), where)


def read_strictly(source: Source) -> Any:
    for number, line in enumerate(source.lines(), start=1):
        word, tag = line.split() if line else ("-", "O")
        yield TaggedSentence((word,), (tag,), [number])


def read_nothing(source: Source) -> Any:
    yield from ()


def read_with_a_fault(source: Source) -> Any:
    source.fault("odd", line=99)
    yield TaggedSentence(("a",), ("O",), [1])


READERS = {
    "raises ValueError: .* where it should tell source.fault": read_strictly,
    "gives nothing of the good file": read_nothing,
    "a fault is in a line that is not there": read_with_a_fault,
    "gives a str, not": reader_of(lambda number, line: line),
    "differ in number": reader_of(lambda number, line: TaggedSentence((line, line), ("O",), [number])),
    "the line 0|lines begin with 1": reader_of(lambda number, line: TaggedSentence((line,), ("O",), [number - 1])),
    "a tag is empty": reader_of(lambda number, line: TaggedSentence((line,), ("",), [number])),
    "has an empty label": reader_of(lambda number, line: LabelledText(line, ("",), number)),
    "the line 101 is not in the file": reader_of(lambda number, line: LabelledText(line, ("a",), number + 100)),
    "outside its text": reader_of(lambda number, line: entity(3, 99, line=number)),
    "a file that is not there": reader_of(lambda number, line: entity(0, 3, line=number)),
    "cannot be used as a reader": lambda: None,
}


@pytest.mark.parametrize("complaint", READERS)
def test_a_wrong_reader_is_told_what_is_wrong(complaint: str, tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match=complaint):
        check_reader(READERS[complaint], tmp_path, good=GOOD)


def test_a_reader_that_remembers_is_told_so(tmp_path: Path) -> None:
    numbers = iter(range(1, 10**6))
    reader = reader_of(lambda number, line: LabelledText(f"{line}{next(numbers)}", ("a",), number))
    with pytest.raises(AssertionError, match="something else at the second reading"):
        check_reader(reader, tmp_path, good=GOOD)


# ---- scores


def remember(gold: list[Any], predicted: list[Any]) -> float:
    gold.append("seen")
    return 0.0


SCORES = {
    "is no number": lambda gold, predicted: None,
    "gave nan": lambda gold, predicted: float("nan"),
    "raises ZeroDivisionError": lambda gold, predicted: len(predicted) / sum(map(len, predicted)),
    "but 0 where all is right; it is maximised": lambda gold, predicted: float(gold != predicted),
    "changes the labels": remember,
    "cannot be used as a score": lambda gold: 0.0,
}


@pytest.mark.parametrize("complaint", SCORES)
def test_a_wrong_score_is_told_what_is_wrong(complaint: str) -> None:
    with pytest.raises(AssertionError, match=complaint):
        check_score(SCORES[complaint], task="token")


def test_a_score_of_classes_is_given_classes() -> None:
    def accuracy(gold: list[str], predicted: list[str]) -> float:
        assert all(isinstance(label, str) for label in [*gold, *predicted])
        return sum(a == b for a, b in zip(gold, predicted, strict=True)) / max(len(gold), 1)

    check_score(accuracy, task="sequence")


# ---- callbacks


class Returning(TrainerCallback):
    def on_log(self, *_: Any, **__: Any) -> Any:
        return TrainerControl()


class Failing(TrainerCallback):
    def on_evaluate(self, args: Any, state: Any, control: Any, metrics: Any, **_: Any) -> None:
        raise KeyError(metrics["eval_f1"])


class NeedsWords(TrainerCallback):
    def __init__(self, words: str) -> None:
        self.words = words


class Complete(TrainerCallback):
    """Takes what the Trainer gives, and stops as one may."""

    def on_step_end(
        self, args: Any, state: Any, control: TrainerControl, *, model: Any, optimizer: Any, **_: Any
    ) -> TrainerControl:
        assert len(optimizer.param_groups) == 1
        assert next(model.parameters()).requires_grad
        control.should_training_stop = True
        return control


CALLBACKS = {
    "on_log gives a TrainerControl": Returning,
    "on_evaluate raises KeyError: 0.5": Failing,
    "cannot be used as a callback": NeedsWords,
    r"write it as class NAME\(TrainerCallback\)": print,
}


@pytest.mark.parametrize("complaint", CALLBACKS)
def test_a_wrong_callback_is_told_what_is_wrong(complaint: str) -> None:
    with pytest.raises(AssertionError, match=complaint):
        check_callback(CALLBACKS[complaint])


@pytest.mark.parametrize("callback", [Complete, Complete(), NeedsWords("as an instance")])
def test_a_callback_may_be_a_class_or_an_instance_of_it(callback: Any) -> None:
    check_callback(callback)
