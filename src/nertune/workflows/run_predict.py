"""`nertune predict`: tags or classes for new text, by a saved model or the mean of several."""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from nertune.errors import UserError, raise_all
from nertune.execute.plan import usable_cores
from nertune.imports import uncollected
from nertune.spec.load import study_of_edits
from nertune.spec.study import DataSpec, StudySpec
from nertune.workflows.annotated import FILE_KEYS, check_there
from nertune.workflows.device import find_device

Row = dict[str, Any]
Tell = Callable[[str], None]

STANDARD_INPUT = "-"
ALL_ELSE = "All else was predicted."
# What a model's study says of any text, and so of new text, too. The other keys of `data` are about its own files.
INHERITED = ("words", "sentences")
NEWS_EVERY_S = 10.0


def say_nothing(message: str) -> None:
    """Nobody wants to hear it."""
    del message


def predict(
    model: str | Path,
    source: str | Path | Sequence[str],
    *,
    device: str = "auto",
    precision: Literal["fp32", "bf16"] = "fp32",
    edits: Sequence[str] = (),
    tell: Tell = say_nothing,
) -> Iterator[Row]:
    """A record for each sentence or text, in their order, as they are predicted; see `predict.rows` for what is in it.

    model      folder of a saved model, or of several whose probabilities are averaged; or an id on the hub
    source     a file in any format that is read, or a folder; `-`, standard input; or a list of texts
    device     cpu, cuda, cuda:1 or auto
    precision  fp32, in which test was scored, or bf16
    edits      `data.KEY=VALUE` as `--set` takes them, about reading the source
    tell       is told what was cut, and how far it is
    Raises     UserError: a model that cannot be used, or a file; Problems at the end, with what is wrong with lines
    """
    faults: list[UserError] = []
    for rows in predict_chunks(
        model, source, device=device, precision=precision, edits=edits, tell=tell, faults=faults
    ):
        yield from rows
    raise_all(faults, ending=ALL_ELSE)


def predict_chunks(
    model: str | Path,
    source: str | Path | Sequence[str],
    *,
    device: str = "auto",
    precision: Literal["fp32", "bf16"] = "fp32",
    edits: Sequence[str] = (),
    tell: Tell = say_nothing,
    faults: list[UserError],
    max_pieces: int | None = None,
) -> Iterator[list[Row]]:
    """The same in parts, each as soon as it is there.

    faults      gets what is wrong with single lines
    max_pieces  on the device at a time; None: what suits it
    """
    place = find_device(device)
    asked = reading_edits(edits)
    if _is_path(source):
        check_there([Path(str(source))])
    with uncollected():
        from nertune.predict.ensemble import open_ensemble  # torch is loaded from here on
        from nertune.predict.rows import predicted_rows

    ensemble = open_ensemble(
        str(model), device=place, threads=usable_cores(), precision=precision, max_pieces=max_pieces
    )
    tell_members([one.source for one in ensemble.members], tell)
    data = inherit(ensemble.spec, asked, keys=INHERITED, edits=edits)
    news = _News(tell)
    for given in _read(source, data=data, task=ensemble.task, faults=faults):
        answer = ensemble.predict([one.example for one in given])
        yield list(predicted_rows(given, answer.predictions, heads=ensemble.labels))
        news.add(len(given), counts=answer.encoded.counts)
    news.tell_end()


def reading_edits(edits: Sequence[str]) -> DataSpec:
    """The edits as a section `data`.

    Raises  UserError for keys of other sections, and for those that say what is read
    """
    for edit in edits:
        key = edit.partition("=")[0].strip()
        if not key.startswith("data."):
            raise UserError(f"--set {edit}: the model is trained, so that only keys of data can be set", fix=None)
        if key in FILE_KEYS:
            raise UserError(f"{key} says what is read, but so does the file that is named here", fix=f"Leave {key} out")
    return study_of_edits(edits).data


def inherit(spec: StudySpec, asked: DataSpec, *, keys: Sequence[str], edits: Sequence[str]) -> DataSpec:
    """What was asked for by edits, and where nothing was, these keys as the model's own study has them."""
    edited = {edit.partition("=")[0].strip() for edit in edits}
    return asked.model_copy(update={key: getattr(spec.data, key) for key in keys if f"data.{key}" not in edited})


def tell_members(sources: Sequence[str], tell: Tell) -> None:
    """That several models are averaged, and which."""
    if len(sources) > 1:
        names = [Path(source).name for source in sources]
        if len(set(names)) < len(names):  # the folds of several seeds
            names = [f"{Path(source).parent.name}/{name}" for source, name in zip(sources, names, strict=True)]
        tell(f"Averaging the probabilities of {len(sources)} models: {', '.join(names)}")


def counts_told(counts: Mapping[str, int]) -> list[str]:
    """What encoding met, in words: cut texts, words without a piece."""
    return [f"Notice: {count:,} {kind}" for kind, count in counts.items() if count]


def _is_path(source: object) -> bool:
    return isinstance(source, Path) or (isinstance(source, str) and source != STANDARD_INPUT)


def _read(
    source: str | Path | Sequence[str], *, data: DataSpec, task: Any, faults: list[UserError]
) -> Iterator[list[Any]]:
    from nertune.predict import inputs

    if _is_path(source):
        return inputs.read_path(Path(str(source)), data=data, task=task, faults=faults)
    if isinstance(source, str):
        return inputs.read_stream(sys.stdin.buffer, data=data, task=task, faults=faults)
    return inputs.read_texts(source if isinstance(source, Sequence) else [], data=data, task=task)


class _News:
    """Counts what is done, and now and then tells it."""

    def __init__(self, tell: Tell) -> None:
        self._tell, self._done, self._last = tell, 0, time.monotonic()
        self._counts: Counter[str] = Counter()

    def add(self, n: int, *, counts: Mapping[str, int]) -> None:
        self._done += n
        self._counts.update(counts)
        if time.monotonic() - self._last > NEWS_EVERY_S:
            self._last = time.monotonic()
            self._tell(f"{self._done:,} so far")

    def tell_end(self) -> None:
        if self._done == 0:
            self._tell("Notice: there was no text to predict")
        for line in counts_told(self._counts):
            self._tell(line)
