"""What is happening now: a live display on a terminal, plain lines anywhere else; all on standard error."""

from __future__ import annotations

import heapq
import math
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from itertools import repeat
from typing import IO, Any, Protocol, TextIO, cast

from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from nertune.report.tables import point_text
from nertune.report.text import duration_text, epoch_text, safe_text, score_text, share_text
from nertune.results.database import CellRow, Settlement
from nertune.results.layout import cell_name
from nertune.results.records import StepRecord, fit_of_split

REFRESHES_PER_S = 4


@dataclass(frozen=True)
class Expected:
    """What is expected of a cell.

    seconds  of all its fits
    before   of these, those before the first step
    epochs   of one fit
    """

    seconds: float
    before: float = 0.0
    epochs: int = 1

    def until(self, share: float) -> float:
        """Seconds until such a share of its epochs is done."""
        return self.before + share * (self.seconds - self.before)

    def part(self, share: float) -> Expected:
        """What is expected of such a share of it."""
        return replace(self, seconds=self.until(share))


@dataclass
class Fit:
    """A running cell; `started` is monotonic seconds, `last` its newest dev evaluation, seen after `scored_s`."""

    cell: CellRow
    attempt: int
    started: float
    expected: Expected
    last: StepRecord | None = None
    scored_s: float = 0.0


@dataclass
class State:
    """What a display knows.

    expect    what is expected of a cell: of one that runs until its next pause, of one that waits, of one that is done
              until its end; all seconds may be in a unit of their own, unless `is_timed`
    n_fits    fits of one cell
    total     cells in all, None when a time limit ends the search
    done      final cells, those of earlier calls included
    waiting   expected seconds of the cells that are neither done nor running, by number
    typical   expected seconds of a cell that nothing is known of
    measured  seconds of the cells that are done and were not cut short by a fault
    foreseen  what was expected of these
    until     monotonic seconds after which no cell starts
    limit     seconds after which a cell is ended
    """

    title: str
    objective: str
    slots: int
    minimised: bool
    total: int | None
    expect: Callable[[CellRow], Expected]
    n_fits: int = 1
    done: int = 0
    failed: int = 0
    best: tuple[float, str] | None = None
    running: dict[int, Fit] = field(default_factory=dict)
    waiting: dict[int, float] = field(default_factory=dict)
    typical: float = 0.0
    is_timed: bool = False
    measured: float = 0.0
    foreseen: float = 0.0
    until: float = math.inf
    limit: float = math.inf

    def take_score(self, cell: CellRow) -> None:
        value = cell.scores.get("dev", {}).get(self.objective)
        is_ranked = cell.state == "complete"  # what was cut short is not
        if is_ranked and value is not None and (self.best is None or self.is_better(value, self.best[0])):
            self.best = (value, f"seed {cell.seed}" if cell.stage == "final" else cell_name(cell.stage, cell.number))

    def take_seconds(self, cell: CellRow, seconds: float | None) -> None:
        """What a finished cell took: its point says how much was expected, and so how wrong expectations are."""
        if cell.state in ("complete", "pruned") and seconds is not None:
            self.measured += seconds
            self.foreseen += self.expect(cell).seconds

    def seconds_left(self) -> float | None:
        """What is expected of the cells to come, as far as those so far bore it out; None where nothing is known."""
        factor = self._factor()
        if factor is None or (self.total is None and math.isinf(self.until)):
            return None
        now = time.monotonic()
        more = repeat(self.typical) if self.total is None else ()
        waiting = (min(seconds * factor, self.limit) for part in (self.waiting.values(), more) for seconds in part)
        running = [self._left(fit, factor=factor, now=now) for fit in self.running.values()]
        return makespan(waiting, running=running, n_slots=self.slots, until=self.until - now)

    def _factor(self) -> float | None:
        """Measured seconds over expected ones, of finished cells and of what the running ones have evaluated."""
        fits = list(self.running.values())
        measured = self.measured + sum(fit.scored_s for fit in fits)
        foreseen = self.foreseen + sum(fit.expected.until(self._share(fit)) for fit in fits if fit.last)
        if foreseen:
            return measured / foreseen
        now = time.monotonic()  # nothing but the clock says yet that a cell takes longer than expected
        return max([1.0, *((now - fit.started) / fit.expected.seconds for fit in fits)]) if self.is_timed else None

    def _left(self, fit: Fit, *, factor: float, now: float) -> float:
        """Seconds of a running cell: by its own evaluations where it has some."""
        own = fit.scored_s / fit.expected.until(self._share(fit)) if fit.last else factor
        whole = min(fit.expected.seconds * own, self.limit)
        # a cell that takes longer than expected is believed to be nearly done, not done
        return max(whole - (now - fit.started), 0.1 * whole * (1 - self._share(fit)))

    def _share(self, fit: Fit) -> float:
        """Of a cell's epochs that are done."""
        return min(1.0, self.epochs_done(fit) / (fit.expected.epochs * self.n_fits))

    def epochs_done(self, fit: Fit) -> float:
        """Epochs of a cell over all its fits, those that ended early counted whole."""
        if fit.last is None:
            return 0.0
        number = fit_of_split(fit.last.split)
        return fit.last.epoch if number is None else (number - 1) * fit.expected.epochs + fit.last.epoch

    def is_better(self, value: float, best: float) -> bool:
        return value < best if self.minimised else value > best

    def headline(self) -> str:
        total = f"/{self.total}" if self.total is not None else ""
        parts = [f"{self.title}  {self.done}{total} done"]
        if self.failed:
            parts.append(f"{self.failed} failed")
        if self.best:
            parts.append(f"best {self.objective} {score_text(self.best[0])} ({self.best[1]})")
        left = self.seconds_left() if self.done != self.total else None
        if left is not None:
            parts.append(f"about {duration_text(left)} left")
        return " · ".join(parts)


def makespan(
    waiting: Iterable[float], *, running: Sequence[float] = (), n_slots: int, until: float = math.inf
) -> float:
    """Seconds until the last job ends: each goes to the slot that is free first, and none begins at `until`."""
    free = [*running, *(0.0 for _ in range(n_slots - len(running)))]
    heapq.heapify(free)
    end = max(free)
    for seconds in waiting:
        if free[0] >= until:
            break
        end = max(end, free[0] + seconds)
        heapq.heapreplace(free, free[0] + seconds)
    return end


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
        expected = self.state.expect(cell)
        self.state.waiting.pop(cell.number, None)
        self.state.running[cell.number] = Fit(cell, attempt, time.monotonic(), expected)

    def scored(self, cell: CellRow, record: StepRecord) -> None:
        if self.state.n_fits == 1 or fit_of_split(record.split) is not None:  # else it is the sum of a cell's fits
            fit = self.state.running[cell.number]
            fit.last, fit.scored_s = record, time.monotonic() - fit.started

    def ended(self, cell: CellRow, how: Settlement) -> None:
        self.state.running.pop(cell.number, None)
        self.state.waiting.pop(cell.number, None)
        if cell.is_open:
            self.state.waiting[cell.number] = self.state.expect(cell).seconds
            return
        self.state.done += 1
        self.state.failed += cell.state == "failed"
        self.state.take_seconds(cell, cell.seconds if cell.rungs else how.seconds)
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
        if cell.state == "failed" or (cell.is_open and cell.state != "paused"):
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
            done, total = self.state.epochs_done(fit), fit.expected.epochs * self.state.n_fits
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
    if how.attempt == "paused":
        value = score_text(cell.scores.get("dev", {}).get(objective))
        return (
            f"{name}  dev {objective} {value}  after {share_text(how.share)} of its steps  {duration_text(how.seconds)}"
        )
    if how.attempt == "pruned":
        return f"{name}  pruned: {cell.message}"
    again = "  tried again" if cell.state == "waiting" else ""
    return f"{name}  {how.cause or how.attempt}{again}" + (f": {safe_text(how.message)}" if how.message else "")


def _fit_text(cell: CellRow) -> str:
    """`trial-0003  batch size 16, …` in a search, `seed 2` afterwards; candidates and sizes differ by both."""
    name = cell_name(cell.stage, cell.number)
    if cell.stage == "search":
        return f"{name}  {point_text(cell.point)}"
    return f"seed {cell.seed}" if cell.stage == "final" else f"{name}  {point_text(cell.point)}, seed {cell.seed}"
