"""Labels that cannot be right: outside those of train, misspelt in the study file, or too few to learn from."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from nertune.data.examples import Problem, Split, Task
from nertune.data.labels import labels_of
from nertune.data.source import listed, quoted
from nertune.errors import DataError, UserError, Where, closest
from nertune.spec.study import DataSpec


def find_misspelt_labels(data: DataSpec, *, found: Collection[str], where: Where) -> list[UserError]:
    """Names in `data.rename` and `data.keep` that are not among the labels of the files: most likely misspelt."""
    renamed = {data.rename.get(label, label) for label in found}
    faults = [
        _unknown_name("keep", name, known=renamed | set(data.labels or ()), where=where) for name in data.keep or ()
    ]
    faults += [  # a list of new names may serve several corpora, so that only what looks misspelt is a fault
        _unknown_name("rename", name, known=found, where=where) for name in data.rename if closest(name, found)
    ]
    return [fault for fault in faults if fault is not None]


def _unknown_name(key: str, name: str, *, known: Collection[str], where: Where) -> DataError | None:
    if name in known:
        return None
    near = closest(name, known)
    fix = f"Did you mean {near}?" if near else f"Take it out of data.{key}."
    return DataError(
        f"data.{key} has {quoted(name)}; the labels here are {listed(sorted(known))}", where=where, fix=fix
    )


def find_label_faults(
    splits: Mapping[str, Split], *, known: Sequence[str], task: Task, problem: Problem
) -> list[UserError]:
    """Labels outside the `known` ones (of train or `data.labels`), a train with nothing to tell apart, empty splits."""
    faults = [fault for split in splits.values() for fault in _unknown_labels(split, known=known, task=task)]
    train = splits.get("train")
    if train is not None:
        faults += _nothing_to_learn(
            train, task=task, n_needed=2 if (task, problem) == ("sequence", "single_label") else 1
        )
    return faults + [_emptied(split) for split in splits.values() if not split.examples]


def _unknown_labels(split: Split, *, known: Sequence[str], task: Task) -> list[UserError]:
    """One problem for each label outside the list, at its first place. Entity types may be new in dev and test."""
    if task == "token" and split.name != "train":
        return []
    what = "entity type" if task == "token" else "class"
    counts = labels_of(split.examples)
    return [
        DataError(
            f"the {what} {quoted(label)} ({_times(counts[label])} in {split.name}, first here) is not among "
            f"the labels {listed(known)}",
            where=_first_place(split, label),
            fix=f"Add it to train or data.labels, or write for example: data: {{rename: {{{label}: "
            f"{closest(label, known) or next(iter(known), 'NEW')}}}}}",
        )
        for label in sorted(set(counts) - set(known))
    ]


def _times(n: int) -> str:
    return "once" if n == 1 else f"{n} times"


def _first_place(split: Split, label: str) -> Where:
    return next(example.where for example in split.examples if label in labels_of([example]))


def _nothing_to_learn(train: Split, *, task: Task, n_needed: int) -> list[UserError]:
    counts = labels_of(train.examples)
    if not train.examples or len(counts) >= n_needed:
        return []
    path = train.examples[0].where.path
    if task == "token":
        message, fix = "no entity in train: every tag is O", "Check data.columns and data.keep, or annotate train."
    else:
        message, fix = (
            f"one class only in train: {listed(list(counts))}" if counts else "no text in train has a label",
            "Add texts of a second class, or check data.columns.",
        )
    return [DataError(message, where=Where(path), fix=fix)]


def _emptied(split: Split) -> DataError:
    return DataError(f"data.keep leaves no text in {split.name}", fix="Keep more classes, or take data.keep out.")
