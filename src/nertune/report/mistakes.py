"""Mistakes of a study's models, each in its text, for the page and for Markdown."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nertune.report.grids import count_text, cut_text, markdown_text, share_text
from nertune.report.text import safe_text

Record = Mapping[str, Any]

CONTEXT = 25  # words that are shown before and after a mistake
LONGEST = 300  # characters of a text in Markdown
MARKS = {"": "", "gold": "**", "predicted": "*", "both": "***"}


def marked_words(mistake: Record) -> list[tuple[str, str]]:
    """The words of a sentence in runs of one kind: "", "gold", "predicted", or "both"; of long ones those near it."""
    spans = {kind: mistake[kind] for kind in ("gold", "predicted") if mistake[kind]}
    first = min(start for start, _ in spans.values())
    last = max(end for _, end in spans.values())
    words = mistake["words"]
    begin, end = max(0, first - CONTEXT), min(len(words), last + CONTEXT)
    runs: list[tuple[str, str]] = [("", "…")] if begin else []
    for place in range(begin, end):
        kinds = [kind for kind, (start, stop) in spans.items() if start <= place < stop]
        kind = "both" if len(kinds) == 2 else kinds[0] if kinds else ""
        if runs and runs[-1][0] == kind:
            runs[-1] = (kind, f"{runs[-1][1]} {safe_text(words[place])}")
        else:
            runs.append((kind, safe_text(words[place])))
    return [*runs, *([("", "…")] if end < len(words) else [])]


def mistakes_markdown(told: Record) -> list[str]:
    """A heading, a sentence and a numbered list; nothing where there are no mistakes to show."""
    if not told["mistakes"]:
        return []
    if told["task"] == "token":
        lines = [_entity_line(one, n_models=len(told["seed_rows"])) for one in told["mistakes"]]
        head = [
            "### The most frequent mistakes",
            "Gold is **bold**, what was predicted *italic*, what is both ***both***.",
        ]
    else:
        lines = [_class_line(one) for one in told["mistakes"]]
        head = ["### Sure and wrong", "The texts of which the models were most sure and wrong."]
    return [*head, "\n".join(f"{number}. {line}" for number, line in enumerate(lines, start=1))]


def times_text(one: Record, *, n_models: int) -> str:
    """`4 times over 5 models, at 2 places`: a mistake that stands at several places is shown at one."""
    over = f" over {n_models} models" if n_models > 1 else ""
    return f"{count_text(one['count'], 'times')}{over}, at {count_text(one['places'], 'places')}"


def _entity_line(one: Record, *, n_models: int) -> str:
    sides = [f"{side} {_side(one, side)}" for side in ("gold", "predicted") if one[f"{side}_label"] is not None]
    times = times_text(one, n_models=n_models)
    text = " ".join(f"{MARKS[kind]}{markdown_text(run)}{MARKS[kind]}" for kind, run in marked_words(one))
    return f"{one['kind']}: {', '.join(sides)} ({times}; {markdown_text(one['where'])}): {text}"


def _side(one: Record, side: str) -> str:
    return markdown_text(f"{cut_text(one[f'{side}_label'])} “{cut_text(one[f'{side}_text'])}”")


def _class_line(one: Record) -> str:
    labels = [markdown_text(cut_text(one[f"{side}_label"])) for side in ("gold", "predicted")]
    text = "" if one["text"] is None else f": {markdown_text(cut_text(one['text'], limit=LONGEST))}"
    of = f" for {markdown_text(cut_text(one['label']))}" if one["label"] is not None else ""
    sure = f"{share_text(one['probability'])}{of} by {count_text(one['runs'], 'models')}"
    return f"gold {labels[0]}, predicted {labels[1]} with {sure} ({markdown_text(one['where'])}){text}"
