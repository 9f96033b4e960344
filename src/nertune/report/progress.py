"""What is happening now: a live display on a terminal, plain lines anywhere else; all on standard error."""

from __future__ import annotations

import statistics
import sys
import time
from contextlib import suppress
from dataclasses import dataclass, field
from typing import IO, Any, Protocol, TextIO, cast

from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from nertune.report.tables import point_text
from nertune.report.text import duration_text, epoch_text, safe_text, score_text
from nertune.results.database import CellRow, Settlement
from nertune.results.layout import cell_name
from nertune.results.records import StepRecord, fit_of_split

REFRESHES_PER_S = 4


@dataclass
class Fit:
    """A running fit; `started` is monotonic seconds, `last` its newest dev evaluation."""

    cell: CellRow
    attempt: int
    started: float
    last: StepRecord | None = None


@dataclass
class State:
    """What a display knows.

    epochs  of one fit
    n_fits  fits of one cell
    total   cells in all, None when a time limit ends the search
    done    final cells, those of earlier calls included
    """

    title: str
    objective: str
    epochs: int
    slots: int
    minimised: bool
    total: int | None
    n_fits: int = 1
    done: int = 0
    failed: int = 0
    best: tuple[float, str] | None = None
    running: dict[int, Fit] = field(default_factory=dict)
    seconds: list[float] = field(default_factory=list)

    def take_score(self, cell: CellRow) -> None:
        value = cell.scores.get("dev", {}).get(self.objective)
        if value is not None and (self.best is None or self.is_better(value, self.best[0])):
            self.best = (value, f"seed {cell.seed}" if cell.stage == "final" else cell_name(cell.stage, cell.number))

    def seconds_left(self) -> float | None:
        """From the mean of the finished fits; None before the first and without a total."""
        if not self.seconds or self.total is None:
            return None
        mean = statistics.fmean(self.seconds)
        now = time.monotonic()
        # a fit that takes longer than the mean is believed to be nearly done, not done
        left = sum(max(mean - (now - fit.started), 0.1 * mean) for fit in self.running.values())
        waiting = self.total - self.done - len(self.running)
        return max(0.0, (waiting * mean + left) / max(1, self.slots))

    def epochs_done(self, record: StepRecord) -> float:
        """Epochs of a cell over all its fits, those that ended early counted whole."""
        number = fit_of_split(record.split)
        return record.epoch if number is None else (number - 1) * self.epochs + record.epoch

    def is_better(self, value: float, best: float) -> bool:
        return value < best if self.minimised else value > best

    def headline(self) -> str:
        total = f"/{self.total}" if self.total is not None else ""
        parts = [f"{self.title}  {self.done}{total} done"]
        if self.failed:
            parts.append(f"{self.failed} failed")
        if self.best:
            parts.append(f"best {self.objective} {score_text(self.best[0])} ({self.best[1]})")
        if self.done != self.total and self.seconds_left() is not None:
            parts.append(f"about {duration_text(self.seconds_left())} left")
        return " · ".join(parts)


class Progress(Protocol):
    """A display of one stage's cells."""

    def begin(self, state: State) -> None: ...

    def say(self, message: str) -> None: ...

    def started(self, cell: CellRow, *, attempt: int) -> None: ...

    def scored(self, cell: CellRow, record: StepRecord) -> None: ...

    def ended(self, cell: CellRow, how: Settlement) -> None: ...

    def tick(self) -> None: ...

    def close(self) -> None: ...


class _Following:
    """Keeps the state that both displays show."""

    state: State

    def begin(self, state: State) -> None:
        self.state = state

    def started(self, cell: CellRow, *, attempt: int) -> None:
        self.state.running[cell.number] = Fit(cell, attempt, time.monotonic())

    def scored(self, cell: CellRow, record: StepRecord) -> None:
        if self.state.n_fits == 1 or fit_of_split(record.split) is not None:  # else it is the sum of a cell's fits
            self.state.running[cell.number].last = record

    def ended(self, cell: CellRow, how: Settlement) -> None:
        self.state.running.pop(cell.number, None)
        if cell.is_open:
            return
        self.state.done += 1
        self.state.failed += cell.state == "failed"
        if cell.state == "complete" and how.seconds is not None:
            self.state.seconds.append(how.seconds)
        self.state.take_score(cell)

    def tick(self) -> None:
        """Nothing to do between events."""

    def close(self) -> None:
        """Nothing is open."""


class PlainProgress(_Following):
    """One line for each finished fit."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def say(self, message: str) -> None:
        self._console.print(_said(message), soft_wrap=True)

    def ended(self, cell: CellRow, how: Settlement) -> None:
        super().ended(cell, how)
        self.say(f"{_outcome_text(cell, how, self.state.objective)}  [{self.state.headline()}]")


class LiveProgress(_Following):
    """A headline and a line for each running fit, redrawn in place."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live: Live | None = None

    def begin(self, state: State) -> None:
        super().begin(state)
        # made here and not before: Live draws once when it is made, and there is nothing to draw without a state
        self._live = Live(
            console=self._console, refresh_per_second=REFRESHES_PER_S, transient=True, get_renderable=self._draw
        )
        self._live.start()

    def say(self, message: str) -> None:
        self._console.print(_said(message), soft_wrap=True)

    def ended(self, cell: CellRow, how: Settlement) -> None:
        super().ended(cell, how)
        if cell.state == "failed" or cell.is_open:
            self.say(_outcome_text(cell, how, self.state.objective))

    def close(self) -> None:
        if self._live is not None:
            self._live.stop()

    def _draw(self) -> Group:
        lines = [Text(self.state.headline(), style="bold", no_wrap=True, overflow="ellipsis")]
        for _, fit in sorted(self.state.running.items()):
            lines.append(Text(self._running_line(fit), no_wrap=True, overflow="ellipsis"))
        return Group(*lines)

    def _running_line(self, fit: Fit) -> str:
        parts = [f"  {_fit_text(fit.cell)}"]
        if fit.attempt > 1:
            parts.append(f"try {fit.attempt}")
        if fit.last is not None:
            done, total = self.state.epochs_done(fit.last), self.state.epochs * self.state.n_fits
            parts.append(f"epoch {epoch_text(done)}/{total}")
            parts.append(f"{self.state.objective} {score_text(fit.last.values.get(self.state.objective))}")
        parts.append(duration_text(time.monotonic() - fit.started))
        return "  ".join(parts)


class Quiet(_Following):
    """Says nothing (`--quiet`)."""

    def say(self, message: str) -> None:
        """Nothing is shown."""


def open_progress(*, quiet: bool = False) -> Progress:
    """The display that fits standard error."""
    console = Console(file=cast(IO[str], MayVanish(sys.stderr)), highlight=False, markup=False, emoji=False)
    if quiet:
        return Quiet()
    return LiveProgress(console) if console.is_terminal and not console.is_dumb_terminal else PlainProgress(console)


class MayVanish:
    """A terminal's stream that may be gone any moment: what cannot be shown any more ends no search."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        with suppress(OSError):
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        with suppress(OSError):
            self._stream.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def _said(message: str) -> Text:
    """A message that may quote the data."""
    return Text("\n".join(safe_text(line) for line in message.split("\n")))


def _outcome_text(cell: CellRow, how: Settlement, objective: str) -> str:
    name = _fit_text(cell)
    if how.attempt == "complete":
        split, told = ("dev", objective) if "dev" in cell.scores else ("test", f"test {objective}")
        value = score_text(cell.scores.get(split, {}).get(objective))
        return f"{name}  {told} {value}  epoch {epoch_text(cell.best_epoch)}  {duration_text(how.seconds)}"
    again = "  tried again" if cell.state == "waiting" else ""
    return f"{name}  {how.cause or how.attempt}{again}" + (f": {safe_text(how.message)}" if how.message else "")


def _fit_text(cell: CellRow) -> str:
    """`trial-0003  batch size 16, …` in a search, `seed 2` afterwards; candidates and sizes differ by both."""
    name = cell_name(cell.stage, cell.number)
    if cell.stage == "search":
        return f"{name}  {point_text(cell.point)}"
    return f"seed {cell.seed}" if cell.stage == "final" else f"{name}  {point_text(cell.point)}, seed {cell.seed}"
