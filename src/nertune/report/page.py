"""The report of a study: one self-contained page, the same as Markdown, its plots as files, its figures as JSON."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator, Mapping
from itertools import chain
from pathlib import Path
from typing import Any

from nertune.errors import UserError, Where
from nertune.report.grids import count_text, cut_text, share_text
from nertune.report.mistakes import marked_words, times_text
from nertune.report.plots import FORMATS, STUDY_PLOTS, save_study_plot
from nertune.report.plots.drawing import INK, PALE
from nertune.report.plots.heat_map import square_colours
from nertune.report.sections import SECTIONS, report_markdown
from nertune.report.text import duration_text, safe_text, score_name, score_text, short_key, value_text
from nertune.results.files import replace_folder, write_json, write_text

Record = Mapping[str, Any]

PAGE, MARKDOWN, FIGURES, PLOTS_FOLDER = "index.html", "report.md", "report.json", "plots"
TEMPLATE = "page.html.j2"
THEMED = {INK: "currentColor", PALE: "var(--line)", "#E8E8E8": "var(--grid)"}  # colours that follow light and dark
MOST_LETTERS = 5000  # different ones in labels and values; no text has more


def write_report(told: Record, *, folder: Path) -> Path:
    """Write index.html, report.md, report.json and plots/, all or nothing in place of what was there; the page.

    Raises  UserError where something stands in its place that is no report
    """
    _refuse_foreign(folder)
    new = folder.with_name(f".{folder.name}.{os.getpid()}.tmp")
    shutil.rmtree(new, ignore_errors=True)
    try:
        (new / PLOTS_FOLDER).mkdir(parents=True)
        drawn = [name for name, plot in STUDY_PLOTS.items() if plot.applies(told)]
        letters = _letters(told)
        for name in drawn:
            save_study_plot(name, told, letters=letters, folder=new / PLOTS_FOLDER)
        write_text(new / PAGE, page_html(told, plots={name: _inline(name, new / PLOTS_FOLDER) for name in drawn}))
        write_text(new / MARKDOWN, report_markdown(told, plots={name: f"{PLOTS_FOLDER}/{name}.png" for name in drawn}))
        write_json(new / FIGURES, told)
        replace_folder(new, folder)
    finally:
        shutil.rmtree(new, ignore_errors=True)
    return folder / PAGE


def _refuse_foreign(folder: Path) -> None:
    is_free = not folder.exists() or (folder.is_dir() and ((folder / FIGURES).is_file() or not any(folder.iterdir())))
    if not is_free:
        fix = "Give it another name: the report is written in its place"
        raise UserError("is not nertune's, and is left as it is", where=Where(folder), fix=fix)


def page_html(told: Record, *, plots: Mapping[str, str]) -> str:
    """The page; every text from data is escaped.

    plots  SVG by name
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined
    from markupsafe import Markup

    environment = Environment(
        loader=PackageLoader("nertune.report", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "score": score_text,
        "duration": duration_text,
        "value": value_text,
        "share": share_text,
        "count": count_text,
        "key": short_key,
        "name": score_name,
        "safe_text": safe_text,
        "cut": lambda text: cut_text(safe_text(text), limit=80),
    }
    return environment.get_template(TEMPLATE).render(
        told=told,
        plots={name: Markup(svg) for name, svg in plots.items()},
        shows={name: plot.shows for name, plot in STUDY_PLOTS.items()},
        formats=FORMATS,
        sections=[(section, section.grids(told)) for section in SECTIONS],
        colours=square_colours(told["heat_map"]) if told["heat_map"] else [],
        marked=marked_words,
        times=times_text,
    )


def _inline(name: str, folder: Path) -> str:
    """An SVG for the page: as wide as there is room, in its colours, its names its own, with words for a reader."""
    text = (folder / f"{name}.svg").read_text(encoding="utf-8")
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r'(\bid="|url\(#|href="#)', rf"\g<1>{name}-", text)
    for colour, themed in THEMED.items():
        text = re.sub(re.escape(colour), themed, text, flags=re.IGNORECASE)
    width = re.search(r'viewBox="0 0 ([\d.]+)', text)
    assert width is not None
    head = f'<svg role="img" aria-label="{STUDY_PLOTS[name].shows}" style="max-width:{float(width[1]) * 4 / 3:.0f}px"'
    return re.sub(r'<svg(.*?) width="[^"]*"(.*?) height="[^"]*"', rf"{head}\1\2", text, count=1, flags=re.DOTALL)


def _letters(told: Record) -> str:
    """The letters of all labels and searched values, which plots show."""
    texts = chain(_labels(told), _values(told))
    return "".join(sorted({letter for text in texts for letter in text})[:MOST_LETTERS])


def _labels(told: Record) -> Iterator[str]:
    yield from (row["label"] for row in told["labels"])
    yield from told["confusion"]
    yield from chain.from_iterable(told["confusion"].values())


def _values(told: Record) -> Iterator[str]:
    for key, points in told["slices"].items():
        yield key
        yield from (str(point["value"]) for point in points)
