"""The agreement of annotators on the terminal and in Markdown, from its record as JSON."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from nertune.report.grids import (
    Grid,
    count_text,
    cut_text,
    markdown_table,
    markdown_text,
    share_text,
    show_grid,
    show_line,
)
from nertune.report.tables import result_console
from nertune.report.text import score_text

MOST_COLUMNS = 10  # of a confusion table; more categories are shown as their most frequent confusions
SHOWN_CONFUSIONS = 20
SHOWN_PLACES = 3  # of what some annotators lack
SHOWN_DISAGREEMENTS = 20

UNITS = {"token": ("sentences", "words", "entities"), "sequence": ("texts", "texts", "labels")}
UNKNOWN = score_text(None)
PAIRED_BY = {
    "words": "Documents are paired by their words, because their names pair too few.",
    "order": "The files are compared as one running text, because their documents pair too few.",
}
UNDEFINED = (
    "– : not defined. Nobody marked anything there, nothing was judged by all, or all gave one and the same category, "
    "which chance alone explains."
)


def show_agreement(told: Mapping[str, Any], *, n_shown: int | None = SHOWN_DISAGREEMENTS) -> None:
    """Tables, the caveats, and the first disagreements (`n_shown` None: all)."""
    console = result_console()
    for line in _opening(told):
        show_line(console, line)
    console.print()
    grids = _grids(told)
    for grid in grids:
        show_grid(console, grid)
    for line in (*_notes(told, grids), "", _summary(told)):
        show_line(console, line)
    for disagreement in told["disagreements"][:n_shown]:
        for line in _lines_of(disagreement, annotators=told["annotators"]):
            show_line(console, line)
    n_more = 0 if n_shown is None else len(told["disagreements"]) - n_shown
    if n_more > 0:
        show_line(console, f"… and {count_text(n_more)} more.")


def agreement_markdown(told: Mapping[str, Any]) -> str:
    """The same as a Markdown document, with every disagreement."""
    grids = _grids(told)
    parts = [
        "# Agreement of annotators",
        *(markdown_text(line) for line in _opening(told)),
        *(markdown_table(grid).rstrip() for grid in grids),
        *(markdown_text(note) for note in _notes(told, grids)),
        markdown_table(_disagreements(told)).rstrip(),
    ]
    return "\n\n".join(parts) + "\n"


def _opening(told: Mapping[str, Any]) -> Iterator[str]:
    units, items, _ = UNITS[told["task"]]
    sizes = {units: told["units"], items: told["items"]["items"]}
    size = ", ".join(count_text(n, what) for what, n in sizes.items())
    names = ", ".join(told["annotators"])
    outside = "O" if told["task"] == "token" else "without a label"
    yield f"{len(told['annotators'])} annotators ({names}) on {size}."
    yield f"{share_text(told['outside'])} of the answers are {outside}."
    if told["task"] == "token" and told["paired_by"] in PAIRED_BY:
        yield PAIRED_BY[told["paired_by"]]
    for gap in told["gaps"]:
        places = "; ".join(gap["places"][:SHOWN_PLACES])
        what = "compared without it" if gap["is_used"] else "left out"
        more = "; …" if gap["count"] > SHOWN_PLACES else ""
        yield f"{count_text(gap['count'], gap['what'])} not in {', '.join(gap['lacking'])}, {what}: {places}{more}"


def _notes(told: Mapping[str, Any], grids: Sequence[Grid]) -> tuple[str, ...]:
    has_undefined = any(cell == UNKNOWN for grid in grids for row in grid.rows for cell in row)
    return (*told["notes"], *([UNDEFINED] if has_undefined else []))


# ---- tables


def _grids(told: Mapping[str, Any]) -> list[Grid]:
    has_several = len(told["annotators"]) > 2
    return [_pairs(told), _coefficients(told), _labels(told), *_confusion(told, has_several=has_several)]


def _pairs(told: Mapping[str, Any]) -> Grid:
    is_token = told["task"] == "token"
    _, items, marks = UNITS[told["task"]]
    rows = [_pair_row(pair, is_token=is_token) for pair in told["pairs"]]
    if len(rows) > 1:
        partial = ["", "", score_text(told["f1_partial"])] if is_token else []
        kappas = [score_text(told["items"]["cohen"])] + [""] * is_token
        rows.append(("mean", "", "", "", "", score_text(told["f1_strict"]), *partial, *kappas))
    headings = ["pair", f"{marks}, first", "second", "strict P", "R", "F1"]
    headings += ["partial P", "R", "F1", f"kappa, {items}", "marked words"] if is_token else ["kappa"]
    note = "P and R take the first annotator as the truth; F1 and kappa (Cohen) are the same from both sides."
    return Grid("Pairs", tuple(headings), rows, note=note)


def _pair_row(pair: Mapping[str, Any], *, is_token: bool) -> tuple[str, ...]:
    strict, partial = pair["overall"]["strict"], pair["overall"]["partial"]
    scores = [score_text(one[name]) for one in (strict, partial) if one for name in ("precision", "recall", "f1")]
    kappas = [score_text(pair["cohen"])] + ([score_text(pair["cohen_marked"])] if is_token else [])
    counts = [count_text(strict[name]) for name in ("first", "second")]
    return (f"{pair['first']} – {pair['second']}", *counts, *scores, *kappas)


COEFFICIENTS = {
    "observed": "observed",
    "cohen": "Cohen's kappa",
    "fleiss": "Fleiss' kappa",
    "alpha": "Krippendorff's alpha",
    "masi": "alpha (MASI)",
}


def _coefficients(told: Mapping[str, Any]) -> Grid:
    _, items, _ = UNITS[told["task"]]
    kept = [name for name in COEFFICIENTS if name != "masi" or told["items"]["masi"] is not None]
    rows = [(f"all {items}", *_coefficient_cells(told["items"], kept))]
    if told["marked"] is not None:
        rows.append((f"{items} that somebody marked", *_coefficient_cells(told["marked"], kept)))
    note = "Cohen's kappa is the mean over pairs. A word's category is the type of its entity, or O; B and I are one."
    note = note if told["task"] == "token" else "Cohen's kappa is the mean over pairs."
    return Grid("Beyond chance", ("on", "number", *(COEFFICIENTS[name] for name in kept)), rows, note=note)


def _coefficient_cells(found: Mapping[str, Any], names: Sequence[str]) -> tuple[str, ...]:
    return (count_text(found["items"]), *(score_text(found[name]) for name in names))


def _labels(told: Mapping[str, Any]) -> Grid:
    is_token = told["task"] == "token"
    names = ("cohen", "fleiss", "alpha")
    rows = [
        (
            label,
            " / ".join(count_text(n) for n in one["marks"].values()),
            score_text(one["f1_strict"]),
            *([score_text(one["f1_partial"])] if is_token else []),
            *(score_text(one["coefficients"][name]) for name in names),
        )
        for label, one in told["labels"].items()
    ]
    marks = f"{UNITS[told['task']][2]}: {' / '.join(told['annotators'])}"
    headings = ("label", marks, "strict F1", *(["partial F1"] if is_token else []), *(COEFFICIENTS[n] for n in names))
    note = "F1 is the mean over pairs; kappa and alpha tell this label from everything else."
    return Grid("Labels", headings, rows, note=note)


def _confusion(told: Mapping[str, Any], *, has_several: bool) -> list[Grid]:
    """A table of all categories where it is not too wide; else, or too, the most frequent confusions."""
    cells = told["confusion"] if has_several else told["pairs"][0]["confusion"]
    categories = sorted({*cells, *(column for row in cells.values() for column in row)})
    if len(categories) < 2:
        return []
    _, items, _ = UNITS[told["task"]]
    if len(categories) > MOST_COLUMNS:
        return [_top_confusions(told["confusion"], title=f"Confusions of {items}, the most frequent", items=items)]
    first, second = ("one annotator", "another") if has_several else (told["annotators"][0], told["annotators"][1])
    rows = [(row, *(count_text(cells.get(row, {}).get(column, 0)) for column in categories)) for row in categories]
    note = "Summed over pairs, in both directions." if has_several else ""
    title = f"Confusions of {items}: rows as {first} says, columns as {second} says"
    return [Grid(title, ("", *categories), rows, note=note)]


def _top_confusions(cells: Mapping[str, Mapping[str, int]], *, title: str, items: str) -> Grid:
    found = [(n, row, column) for row, columns in cells.items() for column, n in columns.items() if row < column]
    ranked = sorted(found, key=lambda cell: (-cell[0], cell[1:]))[:SHOWN_CONFUSIONS]
    rows = [(row, column, count_text(n)) for n, row, column in ranked]
    return Grid(title, ("one says", "another says", items), rows, n_texts=2)


# ---- disagreements


def _summary(told: Mapping[str, Any]) -> str:
    found = told["disagreements"]
    if not found:
        return "No disagreements."
    kinds = ", ".join(f"{kind} {count_text(n)}" for kind, n in sorted(told["kinds"].items()))
    return f"{count_text(len(found), 'disagreements')}: {kinds}"


def _lines_of(disagreement: Mapping[str, Any], *, annotators: Sequence[str]) -> Iterator[str]:
    yield f"{_position(disagreement)}: {cut_text(disagreement['text'])} ({', '.join(disagreement['kinds'])})"
    width = max(len(name) for name in annotators)
    for name in annotators:
        if name in disagreement["said"]:
            said = disagreement["said"][name]
            yield f"    {name:<{width}}  {_marks(said)}  ({said['place']})"


def _position(disagreement: Mapping[str, Any]) -> str:
    """Place in the first annotator's file; words are counted from 1 here."""
    place: str = next(iter(disagreement["said"].values()))["place"]
    start, end = disagreement["start"], disagreement["end"]
    if start is None:
        return place
    return f"{place}, word {start + 1}" if end == start + 1 else f"{place}, words {start + 1}–{end}"


def _marks(said: Mapping[str, Any]) -> str:
    marks = [f"{label} “{cut_text(text)}”" if text else label for label, text in said["marks"]]
    return ", ".join(marks) or "nothing"


def _disagreements(told: Mapping[str, Any]) -> Grid:
    rows = [
        (
            _position(one),
            cut_text(one["text"]),
            ", ".join(one["kinds"]),
            *(_marks(one["said"][name]) if name in one["said"] else "(lacks it)" for name in told["annotators"]),
        )
        for one in told["disagreements"]
    ]
    headings = ("where", "words", "differs", *told["annotators"])
    return Grid(_summary(told), headings, rows, n_texts=len(headings))
