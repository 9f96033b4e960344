"""The statistics of a corpus on the terminal, and as a folder with Markdown, plots and JSON."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from nertune.report.grids import (
    Grid,
    count_text,
    cut_text,
    markdown_table,
    markdown_text,
    number_text,
    share_text,
    show_grid,
    show_line,
)
from nertune.report.plots import PLOTS, drawn_letters, save_plot
from nertune.report.plots.drawing import MISSING, find_fonts
from nertune.report.tables import result_console
from nertune.results.files import write_json, write_text

SHOWN_FREQUENT = 5  # entities of each type on one line of a table
SHOWN_RARE = 3
SHOWN_PAIRS = 15
STATISTICS_FILE, PAGE_FILE = "stats.json", "stats.md"

Record = Mapping[str, Any]


def show_statistics(told: Record) -> None:
    """The tables on the terminal."""
    console = result_console()
    show_line(console, _opening(told))
    console.print()
    for grid in _grids(told).values():
        show_grid(console, grid)


def write_statistics(told: Record, *, folder: Path) -> tuple[Path, ...]:
    """Write stats.md with the tables and plots, a PNG for each plot, and stats.json; the files, the page first."""
    folder.mkdir(parents=True, exist_ok=True)
    drawn = [name for name, plot in PLOTS.items() if plot.applies(told)]
    plots = [_write_plot(name, told, folder=folder) for name in drawn]
    write_json(folder / STATISTICS_FILE, told)
    write_text(folder / PAGE_FILE, statistics_markdown(told, plots=drawn))
    return (folder / PAGE_FILE, *plots, folder / STATISTICS_FILE)


def statistics_markdown(told: Record, *, plots: Iterable[str] = ()) -> str:
    """The page: tables, each plot (a file beside it) before the table it belongs to."""
    drawn = set(plots)
    parts = ["# The data in numbers", markdown_text(_opening(told)), *_undrawable(told, has_plots=bool(drawn))]
    grids = _grids(told)
    for name in dict.fromkeys([*grids, *PLOTS]):
        if name in drawn:
            parts.append(f"![{PLOTS[name].shows}]({name}.png)")
        if name in grids:
            parts.append(markdown_table(grids[name]).rstrip())
    return "\n\n".join(parts) + "\n"


def _write_plot(name: str, told: Record, *, folder: Path) -> Path:
    path = folder / f"{name}.png"
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        save_plot(name, told, path=temporary)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    return path


def _opening(told: Record) -> str:
    names = ", ".join(f"{split['name']} {count_text(split['examples'])}" for split in told["splits"])
    kind = "multi-label " if told["problem"] == "multi_label" else ""
    what = "Sentences with entities" if told["task"] == "token" else "Texts with classes"
    scheme = f", tags {told['scheme']}" if told["scheme"] else ""
    return f"{what} ({kind}format {told['format']}{scheme}): {names}."


def _undrawable(told: Record, *, has_plots: bool) -> list[str]:
    missing = sorted(find_fonts(drawn_letters(told)).missing) if has_plots else []
    if not missing:
        return []
    some = markdown_text("".join(missing[:10]))
    n = count_text(len(missing), "letters")
    advice = "install a font that has them, such as Noto Sans"
    return [f"No installed font has {n} of the labels and entities ({some}): in the plots {MISSING} stands; {advice}."]


# ---- tables


def _grids(told: Record) -> dict[str, Grid]:
    """The tables by name; those of a plot's name belong to it."""
    is_token = told["task"] == "token"
    grids = {"sizes": _sizes(told), "lengths": _lengths(told), "labels": _labels(told)}
    if is_token:
        grids |= {"entity_lengths": _entity_lengths(told), "frequent_entities": _frequent(told), "rare": _rare(told)}
    if told["unseen"]:
        grids["unseen"] = _unseen(told)
    if told["problem"] == "multi_label":
        grids |= {"together": _together(told)} | ({} if is_token else {"sets": _label_sets(told)})
    return {name: grid for name, grid in grids.items() if grid.rows}


def _sizes(told: Record) -> Grid:
    is_token = told["task"] == "token"
    units = "sentences" if is_token else "texts"
    columns: dict[str, list[str]] = {"split": [split["name"] for split in told["splits"]]}
    columns[units] = [count_text(split["examples"]) for split in told["splits"]]
    if any(split["documents"] for split in told["splits"]):
        columns["documents"] = [_count_or_dash(split["documents"]) for split in told["splits"]]
    columns["words"] = [count_text(split["words"]) for split in told["splits"]]
    columns["distinct words"] = [count_text(split["word_types"]) for split in told["splits"]]
    if is_token:
        columns["entities"] = [count_text(split["all_labels"]["count"]) for split in told["splits"]]
        columns["a sentence"] = [number_text(split["labels_each"]["mean"]) for split in told["splits"]]
        columns["words in entities"] = [share_text(_share(split["inside"], split["words"])) for split in told["splits"]]
    elif told["problem"] == "multi_label":
        columns["labels a text"] = [number_text(split["labels_each"]["mean"]) for split in told["splits"]]
    if is_token or told["problem"] == "multi_label":
        heading = "without an entity" if is_token else "without a label"
        columns[heading] = [share_text(_share(split["unlabelled"], split["examples"])) for split in told["splits"]]
    note = "" if is_token else "Words are what white space parts."
    return Grid("Sizes", tuple(columns), list(zip(*columns.values(), strict=True)), note=note)


LENGTH_COLUMNS = ("mean", "shortest", "median", "p95", "p99", "longest")


def _lengths(told: Record) -> Grid:
    rows = [
        (f"{split['name']}, {unit}", *(number_text(split[key][name]) for name in LENGTH_COLUMNS))
        for key, unit in {"lengths": "words", "pieces": "pieces", "characters": "characters"}.items()
        for split in told["splits"]
        if split[key] is not None
    ]
    what = "sentences" if told["task"] == "token" else "texts"
    headings = ("split", "mean", "shortest", "median", "95 % have at most", "99 % have at most", "longest")
    return Grid(f"Lengths of {what}", headings, rows)


def _labels(told: Record) -> Grid:
    rows = [
        (label, *(cell for split in told["splits"] for cell in _label_cells(split["labels"].get(label))))
        for label in _ranked(told)
    ]
    headings = ("label", *(heading for split in told["splits"] for heading in (split["name"], "share")))
    what = "Entities by type" if told["task"] == "token" else "Texts by class"
    return Grid(what, headings, rows, note=_balance(told))


def _label_cells(one: Record | None) -> tuple[str, str]:
    return ("0", share_text(0)) if one is None else (count_text(one["count"]), share_text(one["share"]))


def _ranked(told: Record) -> list[str]:
    """The labels of all splits, the most frequent of the first split first."""
    first = told["splits"][0]["labels"]
    labels = {label for split in told["splits"] for label in split["labels"]}
    return sorted(labels, key=lambda label: (-first.get(label, {"count": 0})["count"], label))


def _balance(told: Record) -> str:
    """How uneven the labels of the first split are, and what a constant answer scores on classes."""
    first = told["splits"][0]
    counts = sorted(((one["count"], label) for label, one in first["labels"].items() if one["count"]), reverse=True)
    if len(counts) < 2:
        return ""
    (most, common), (least, rarest) = counts[0], counts[-1]
    times = f"In {first['name']} “{common}” is {most / least:.1f} times as frequent as “{rarest}”."
    if told["task"] == "token" or told["problem"] == "multi_label":
        return times
    return f"{times} Whoever always answers “{common}” is right in {share_text(most / first['examples'])} there."


def _entity_lengths(told: Record) -> Grid:
    rows = [
        (name, *(number_text(one["lengths"][column]) for column in LENGTH_COLUMNS))
        for name, one in _of_first(told)
        if one["count"]
    ]
    title = f"Words of an entity, {told['splits'][0]['name']}"
    return Grid(
        title, ("type", "mean", "shortest", "median", "95 % have at most", "99 % have at most", "longest"), rows
    )


def _of_first(told: Record) -> Iterator[tuple[str, Record]]:
    """Each type of the first split, the most frequent first, and all of them together."""
    first = told["splits"][0]
    yield from ((label, first["labels"][label]) for label in _ranked(told) if label in first["labels"])
    if len(first["labels"]) > 1:
        yield "(all)", first["all_labels"]


def _frequent(told: Record) -> Grid:
    rows = [
        (name, _strings(one["frequent"][:SHOWN_FREQUENT]), count_text(one["distinct"]), _top_share(one))
        for name, one in _of_first(told)
        if one["count"]
    ]
    headings = ("type", "most frequent", "distinct", f"share of the {SHOWN_FREQUENT}")
    return Grid(f"Frequent entities, {told['splits'][0]['name']}", headings, rows, n_texts=2)


def _strings(frequent: Sequence[tuple[str, int]]) -> str:
    return ", ".join(f"{cut_text(words, limit=40)} ({count_text(n)})" for words, n in frequent)


def _top_share(one: Record) -> str:
    return share_text(sum(n for _, n in one["frequent"][:SHOWN_FREQUENT]) / one["count"])


def _rare(told: Record) -> Grid:
    rows = [
        (
            name,
            ", ".join(f"{cut_text(words, limit=40)} ({place})" for words, place in one["rare"][:SHOWN_RARE]),
            count_text(one["once"]),
            share_text(_share(one["once"], one["distinct"])),
            share_text(_share(one["once"], one["count"])),
        )
        for name, one in _of_first(told)
        if one["count"]
    ]
    headings = ("type", "first ones", "stand once", "of the distinct", "of all")
    return Grid(f"Rare entities, {told['splits'][0]['name']}", headings, rows, n_texts=2)


def _unseen(told: Record) -> Grid:
    names = {
        "word_types": "distinct words",
        "words": "words",
        "distinct": "distinct entities",
        "mentions": "entities",
    }
    rows = [
        (name, *(cell for one in told["unseen"] for cell in _part_cells(one[key])))
        for key, name in names.items()
        if any(one[key] for one in told["unseen"])
    ]
    types = {label for one in told["unseen"] for label in one["labels"]}
    rows += [
        (f"{label} entities", *(cell for one in told["unseen"] for cell in _part_cells(one["labels"].get(label))))
        for label in _ranked(told)
        if label in types
    ]
    headings = ("", *(heading for one in told["unseen"] for heading in (one["split"], "share")))
    note = "An entity is known when the same words have the same type there." if told["task"] == "token" else ""
    return Grid(f"What does not stand in {told['unseen'][0]['reference']}", headings, rows, note=note)


def _part_cells(part: Mapping[str, int] | None) -> tuple[str, str]:
    return ("–", "–") if not part else (count_text(part["n"]), share_text(_share(part["n"], part["of"])))


def _together(told: Record) -> Grid:
    """The pairs of labels that stand together most often in the first split."""
    first = told["splits"][0]
    found = [(n, one, other) for one, row in first["together"].items() for other, n in row.items() if one < other and n]
    rows = [
        (one, other, count_text(n), *(share_text(n / first["together"][label][label]) for label in (one, other)))
        for n, one, other in sorted(found, key=lambda pair: (-pair[0], pair[1:]))[:SHOWN_PAIRS]
    ]
    what = "texts" if told["task"] == "sequence" else "words"
    headings = ("label", "and", what, "of the first's", "of the second's")
    return Grid(f"Labels that stand together, {first['name']}", headings, rows, n_texts=2)


def _label_sets(told: Record) -> Grid:
    first = told["splits"][0]
    rows = [(labels or "(none)", count_text(n), share_text(n / first["examples"])) for labels, n in first["label_sets"]]
    return Grid(f"Sets of labels, {first['name']}", ("labels", "texts", "share"), rows)


def _share(n: int | None, total: int | None) -> float | None:
    return n / total if n is not None and total else None


def _count_or_dash(n: int | None) -> str:
    return "–" if n is None else count_text(n)
