"""What `nertune status` prints."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.text import Text

from nertune.errors import shown_path
from nertune.report.tables import point_text
from nertune.report.text import duration_text, epoch_text, moment_text, safe_text, score_name, score_text, spread_text

STAGES = {"search": "search", "candidate": "candidates", "final": "seeds", "size": "learning curve"}
UNITS = {"search": "Trials", "candidate": "Candidates", "final": "Seeds", "size": "Sizes"}
STYLES = {"running": "green", "silent": "yellow", "stopped": "yellow"}
TOLD = 11


def status_lines(told: Mapping[str, Any]) -> list[tuple[str, str | None]]:
    """Lines and their styles.

    told  as `workflows.run_status.status` gives it
    """
    lines: list[tuple[str, str | None]] = [
        (_line("Study", f"{told['study']} ({told['task']}), {shown_path(Path(told['folder']))}"), "bold")
    ]
    lines += [(line, STYLES.get(told["state"])) for line in _state_lines(told)]
    lines += [(_line(UNITS[one["stage"]], _counts_text(one)), None) for one in told["stages"]]
    if told["best"]:
        best = told["best"]
        score = f"dev {score_name(told['objective'])} {score_text(best['score'])}"
        lines.append((_line("Best", f"{score}, {point_text(best['setting'])} (trial {best['trial']})"), None))
    if told["test"]:
        lines.append((_line("Test", _test_text(told)), None))
    for place, run in enumerate(told["running"]):
        lines.append((_line("Now" if place == 0 else "", _running_text(run, told)), None))
    if time := _time_text(told):
        lines.append((_line("Time", time), None))
    return lines


def show_status(console: Console, told: Mapping[str, Any]) -> None:
    """The lines; on a terminal those that are too long are cut, in a pipe none is."""
    console.print(draw_status(told, is_cut=console.is_terminal), soft_wrap=not console.is_terminal)


def draw_status(told: Mapping[str, Any], *, is_cut: bool = True) -> RenderableType:
    """The lines to be drawn again and again in place."""
    texts = [Text(safe_text(line), style=style or "") for line, style in status_lines(told)]
    if not is_cut:
        return Text("\n").join(texts)
    for text in texts:
        text.no_wrap, text.overflow = True, "ellipsis"
    return Group(*texts)


def headline(told: Mapping[str, Any]) -> str:
    """The state in one line, for a log: `news: search, 24/48 done, best F1 0.8123, about 52m left`."""
    stage = next((one for one in told["stages"] if one["stage"] == told["stage"]), None)
    parts = [f"{told['study']}: {told['state']}"]
    if stage is not None:
        total = "" if stage["total"] is None else f"/{stage['total']}"
        parts.append(f"{STAGES[stage['stage']]} {stage['done']}{total} done")
        parts += [f"{stage['failed']} failed"] if stage["failed"] else []
    if told["best"]:
        parts.append(f"best dev {score_name(told['objective'])} {score_text(told['best']['score'])}")
    if told.get("seconds_left") is not None:
        parts.append(f"about {duration_text(told['seconds_left'])} left")
    return ", ".join(parts)


def _line(word: str, told: str) -> str:
    return f"{word:<{TOLD}}{told}"


def _state_lines(told: Mapping[str, Any]) -> list[str]:
    holder, state = told["holder"], told["state"]
    if holder is None:
        return [_line("State", IDLE.get(state, state))]
    since = "" if holder["since"] is None else f", since {moment_text(holder['since'])}"
    stage = STAGES[told["stage"]] if told["stage"] and told["running"] else "getting ready"
    who = _line("Running", f"{stage}: process {holder['pid']} on {holder['host']}{since}")
    if state == "stopped":
        return [who, _line("", f"It stands still (Ctrl-Z?). It goes on with: kill -CONT {holder['pid']}")]
    if state == "silent":
        silent = duration_text(holder["seen_seconds"])
        return [who, _line("", f"It has written nothing for {silent}: it may stand still, or its disk be slow")]
    return [who]


IDLE = {
    "unfinished": "not running, not finished; the same command goes on with it",
    "searched": "searched, not running; next: nertune best-and-train",
    "finished": "finished",
    "unknown": "not running; begun by another version of nertune",
}


def _counts_text(stage: Mapping[str, Any]) -> str:
    total = "" if stage["total"] is None else f" of {stage['total']}"
    parts = [f"{stage['done']}{total} done"]
    words = {"pruned": "cut short", "failed": "failed", "running": "running", "paused": "paused", "waiting": "to come"}
    parts += [f"{stage[name]} {word}" for name, word in words.items() if stage[name]]
    return ", ".join(parts)


def _test_text(told: Mapping[str, Any]) -> str:
    found = told["test"]
    seeds = f"{found['n']} seed{'s' * (found['n'] != 1)}"
    return f"{score_name(told['objective'])} {spread_text(found['mean'], found['sd'])} over {seeds}"


def _running_text(run: Mapping[str, Any], told: Mapping[str, Any]) -> str:
    """`trial-0003  epoch 2/4  dev F1 0.7900  1m12s  learning rate 1e-05`."""
    parts = [run["name"]]
    if run["attempt"] > 1:
        parts.append(f"try {run['attempt']}")
    if run["fit"] is not None and run["fits"] > 1:
        parts.append(f"fit {run['fit']}/{run['fits']}")
    if run["epoch"] is not None:
        parts.append(f"epoch {epoch_text(run['epoch'])}/{run['epochs']}")
    if run["score"] is not None:
        parts.append(f"dev {score_name(told['objective'])} {score_text(run['score'])}")
    parts.append(duration_text(run["seconds"]))
    parts.append(point_text(run["setting"]) if told["stage"] == "search" else f"seed {run['seed']}")
    return "  ".join(parts)


def _time_text(told: Mapping[str, Any]) -> str:
    parts = []
    if told.get("search_seconds"):
        parts.append(f"search {duration_text(told['search_seconds'])}")
    holder = told["holder"]
    if holder and holder["seconds"] is not None:
        parts.append(f"this call {duration_text(holder['seconds'])}")
    if told.get("seconds_left") is not None:
        parts.append(f"about {duration_text(told['seconds_left'])} left")
    return ", ".join(parts)
