"""Tests of code of your own, for the test file beside it: each raises AssertionError with what is wrong.

`docs/hooks.md` shows how they are called; a hook that passes them works in a study.
"""

from __future__ import annotations

import copy
import math
import random
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import nertune.models.environment  # noqa: F401  # before transformers is imported
from nertune.data.documents import Document
from nertune.data.examples import Task
from nertune.data.source import LabelledText, Source, TaggedSentence
from nertune.errors import DataError, Where
from nertune.hooks import FORMS, HookKind
from nertune.scores.extra import ScoreError, check_number
from nertune.spec.study import DataSpec, HeadOptions

if TYPE_CHECKING:
    from torch import nn

EVENT_VALUES: dict[str, dict[str, Any]] = {
    "on_log": {"logs": {"loss": 0.5, "learning_rate": 1e-5, "grad_norm": 1.0, "epoch": 1.0}},
    "on_evaluate": {"metrics": {"eval_loss": 0.5, "eval_f1": 0.5}},
}
N_BROKEN = 200  # files that a reader is tried on
SCRAPS = (
    b"\x00",
    b"\xff",
    b"\xef\xbb\xbf",
    b"\r",
    b"\n\n",
    b"\t",
    b" ",
    b'"',
    b",",
    b"{",
    b"[",
    b"<",
    b"/",
    b"\\",
    b"0",
)
GOLD: dict[Task, list[Any]] = {
    "token": [[("PER", 0, 1), ("LOC", 3, 5)], [], [("PER", 2, 3)], [("LOC", 0, 2)]],
    "sequence": ["good", "bad", "bad", "mixed"],
}


# ---- heads


def check_head(build: Callable[..., Any], *, n_features: int = 16, n_labels: int = 5) -> None:
    """A head maps [..., n_features] to [..., n_labels], every place by itself; it learns, and can be saved."""
    import torch

    _check_form(build, kind="head")
    head = _build(build, n_features, n_labels)
    head.eval()
    features = torch.randn(2, 7, n_features, generator=torch.Generator().manual_seed(0))
    scores = head(features)
    _check_scores(scores, shape=(2, 7, n_labels))
    _check_scores(head(features[:, 0]), shape=(2, n_labels))
    assert torch.equal(head(features), scores), "the head gives other scores at the second call, in evaluation mode"
    assert torch.allclose(head(features[1:, 3:4]), scores[1:, 3:4], atol=1e-5), (
        "the scores of a place depend on other places, so they would change with what happens to be in its batch"
    )
    _check_learns(head, features)
    other = _build(build, n_features, n_labels)
    other.load_state_dict(head.state_dict())
    assert torch.equal(other.eval()(features), scores), "a head with the saved weights gives other scores"


def _build(build: Callable[..., Any], n_features: int, n_labels: int) -> nn.Module:
    from torch import nn

    head = build(n_features, n_labels, dropout=0.1, options=HeadOptions())
    assert isinstance(head, nn.Module), f"the head is a {type(head).__name__}, not a torch.nn.Module"
    return head


def _check_scores(scores: Any, *, shape: tuple[int, ...]) -> None:
    import torch

    assert isinstance(scores, torch.Tensor), f"the head gives a {type(scores).__name__}, not a tensor"
    assert tuple(scores.shape) == shape, f"the head gives the shape {list(scores.shape)} where {list(shape)} is needed"
    assert scores.dtype == torch.float32, f"the head gives {scores.dtype}, not float32"
    assert bool(scores.isfinite().all()), "the head gives scores that are not finite"


def _check_learns(head: nn.Module, features: Any) -> None:
    """Every parameter, and the encoder below, gets a gradient."""
    features = features.clone().requires_grad_()
    head(features).square().sum().backward()
    assert features.grad is not None, "no gradient reaches the encoder"
    idle = [name for name, one in head.named_parameters() if one.requires_grad and one.grad is None]
    assert not idle, f"no gradient reaches {', '.join(idle)}"
    head.zero_grad()


# ---- readers


def check_reader(
    read: Callable[[Source], Iterator[Any]],
    folder: Path,
    *,
    good: str | bytes,
    name: str = "train.txt",
    data: DataSpec | None = None,
) -> None:
    """A reader gives sound items of a good file, and of a broken one sound items or faults with their lines.

    folder  an empty folder, for example pytest's `tmp_path`
    good    a file as it should be
    name    of the file, for readers that look at it
    data    the section of a study file that the reader needs, for example its `columns`
    """
    _check_form(read, kind="reader")
    content = good if isinstance(good, bytes) else good.encode()
    path = folder / name
    items, faults = _read(read, content, path=path, data=data)
    assert not faults, f"the good file has a fault: {faults[0]}"
    assert items, "the reader gives nothing of the good file"
    assert len({type(item) is LabelledText for item in items}) == 1, "the reader gives texts among sentences"
    again, _ = _read(read, content, path=path, data=data)
    assert again == items, "the reader gives something else at the second reading"
    for broken in _broken(content):
        _read(read, broken, path=path, data=data)


def _read(
    read: Callable[[Source], Iterator[Any]], content: bytes, *, path: Path, data: DataSpec | None
) -> tuple[list[Any], list[DataError]]:
    """The items and faults of a file, each of them looked at."""
    path.write_bytes(content)
    source = Source(path, data or DataSpec())
    try:
        items = list(read(source))
    except DataError as told:
        source.faults.add(told)
        items = []
    except Exception as error:
        raise AssertionError(
            f"the reader raises {type(error).__name__}: {error}, where it should tell source.fault(message, line=…), "
            f"on a file with the content {content!r}"
        ) from error
    n_lines = content.count(b"\n") + content.count(b"\r") + 1
    for item in items:
        check_item(item, n_lines=n_lines)
    for fault in source.faults.shown:
        _check_where(fault.where, n_lines=n_lines)
    return items, source.faults.shown


def check_item(item: Any, *, n_lines: int) -> None:
    """An item of a file with so many lines is sound."""
    if isinstance(item, TaggedSentence):
        _check_sentence(item, n_lines=n_lines)
    elif isinstance(item, LabelledText):
        assert item.text is not None, "a text is None"
        assert all(item.labels), f"a text has an empty label: {item}"
        assert 1 <= item.line <= n_lines, f"the line {item.line} is not in the file: {item}"
        assert not item.is_cell or len(item.labels) == 1, f"a cell is one text: {item}"
    elif isinstance(item, Document):
        _check_document(item, n_lines=n_lines)
    else:
        raise AssertionError(
            f"the reader gives a {type(item).__name__}, not a TaggedSentence, Document or LabelledText"
        )


def _check_sentence(item: TaggedSentence, *, n_lines: int) -> None:
    assert len(item.words) == len(item.tags) == len(item.lines) > 0, f"words, tags and lines differ in number: {item}"
    assert all(item.words), f"a word is empty: {item}"
    assert all(item.tags), f"a tag is empty: {item}"
    assert item.lines[0] >= 1, f"lines begin with 1: {item}"
    assert item.lines[-1] <= n_lines, f"the line {item.lines[-1]} is not in the file: {item}"
    assert all(before <= line for before, line in pairwise(item.lines)), f"the lines go back: {item}"


def _check_document(item: Document, *, n_lines: int) -> None:
    for entity in item.entities:
        assert entity.label, f"an entity has no label: {entity}"
        assert entity.parts, f"an entity has no parts: {entity}"
        assert all(0 <= start < end <= len(item.text) for start, end in entity.parts), f"is outside its text: {entity}"
        assert list(entity.parts) == sorted(entity.parts), f"the parts are not in the order of the text: {entity}"
        _check_where(entity.where, n_lines=n_lines)
    _check_where(item.where, n_lines=n_lines)


def _check_where(where: Where | None, *, n_lines: int) -> None:
    assert where is not None, "a fault has no place: use source.fault or source.problem"
    assert where.path.exists(), f"a fault is in a file that is not there: {where}"
    assert where.line is None or 1 <= where.line <= n_lines, f"a fault is in a line that is not there: {where}"


def _broken(content: bytes) -> Iterator[bytes]:
    """An empty file, no text, and the file with parts of it changed, left out, repeated or moved; always the same."""
    yield from (b"", b"\n", b"\x00\xff", b"x")
    chance = random.Random(0)
    for _ in range(N_BROKEN):
        lines = chance.random() < 0.5
        pieces: list[bytes] = content.splitlines(keepends=True) if lines else [bytes([byte]) for byte in content]
        start, end = sorted(chance.choices(range(len(pieces) + 1), k=2))
        before, inside, after = pieces[:start], pieces[start:end], pieces[end:]
        ways = (before + after, before + 2 * inside + after, inside + before + after, before)
        yield b"".join(chance.choice([*ways, [*before, chance.choice(SCRAPS), *inside, *after]]))


# ---- scores


def check_score(score: Callable[[Any, Any], Any], *, task: Task) -> None:
    """A score is one finite number, the same for the same labels, and greatest where all is right.

    task  whether it is given entities (token) or classes (sequence)
    """
    _check_form(score, kind="score")
    gold = GOLD[task]
    wrong: list[list[Any]] = [[*reversed(gold)], gold[:1] * len(gold)]
    if task == "token":
        wrong.append([[] for _ in gold])
    best = _number(score, gold, gold)
    for predicted in wrong:
        value = _number(score, gold, predicted)
        assert value <= best, (
            f"the score is {value:g} for wrong labels, but {best:g} where all is right; it is maximised"
        )
    if task == "token":
        nothing: list[Any] = [[] for _ in gold]
        _number(score, nothing, nothing)
        _number(score, nothing, gold)
    _number(score, [], [])


def _number(score: Callable[[Any, Any], Any], gold: list[Any], predicted: list[Any]) -> float:
    given = copy.deepcopy((gold, predicted))
    shown = f"for gold {gold} and predicted {predicted}"
    try:
        value = check_number(score(*given), name="the score")
        again = score(*given)
    except ScoreError as error:
        raise AssertionError(f"{error.message}, {shown}") from None
    except Exception as error:
        raise AssertionError(f"the score raises {type(error).__name__}: {error}, {shown}") from error
    assert given == (gold, predicted), f"the score changes the labels that it is given, {shown}"
    assert math.isclose(value, again), f"the score gives {value}, then {again}, {shown}"
    return value


# ---- callbacks


def check_callback(callback: Any) -> None:
    """A callback lives through a fit of two epochs, and gives back nothing, or the control that it was given."""
    from transformers import TrainerControl, TrainerState, TrainingArguments

    _check_form(callback, kind="callback")
    handler = _handler(callback)
    args = TrainingArguments(output_dir="unused", report_to=[], use_cpu=True)
    state, control = TrainerState(max_steps=2, num_train_epochs=2), TrainerControl()
    for event, step in _events():
        state.global_step, state.epoch = step, float(step)
        try:
            given = handler.call_event(event, args, state, control, **EVENT_VALUES.get(event, {}))
        except Exception as error:
            raise AssertionError(f"{event} raises {type(error).__name__}: {error}") from error
        assert given is control, f"{event} gives a {type(given).__name__}; let it give nothing, or its control"


def _handler(callback: Any) -> Any:
    """What calls a Trainer's callbacks, with a model of one layer."""
    from torch import nn
    from torch.optim import AdamW
    from torch.optim.lr_scheduler import ConstantLR
    from transformers.trainer_callback import CallbackHandler

    model = nn.Linear(2, 2)
    optimizer = AdamW(model.parameters())
    return CallbackHandler([callback], model, None, optimizer, ConstantLR(optimizer))


def _events() -> Iterator[tuple[str, int]]:
    """The Trainer's events of a fit of two epochs of one step each, with the steps that are done."""
    yield from (("on_init_end", 0), ("on_train_begin", 0))
    for step in (0, 1):
        yield from ((event, step) for event in ("on_epoch_begin", "on_step_begin", "on_pre_optimizer_step"))
        yield ("on_optimizer_step", step)
        yield from ((event, step + 1) for event in ("on_step_end", "on_log", "on_evaluate", "on_epoch_end"))
    yield ("on_train_end", 2)


def _check_form(found: Any, *, kind: HookKind) -> None:
    form = FORMS[kind]
    assert form.is_met(found), f"this cannot be used as a {kind}; write it as {form.example}"
