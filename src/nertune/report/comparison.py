"""The comparison of systems on the terminal, and as Markdown, CSV, LaTeX and a page of HTML, from its record."""

from __future__ import annotations

import csv
import io
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment
from rich.console import Console

from nertune.report.grids import Grid, count_text, cut_text, markdown_table, markdown_text, show_grid, show_line
from nertune.report.latex import NEEDS, latex_table
from nertune.report.tables import result_console
from nertune.report.text import score_name, score_text, spread_text
from nertune.results.files import write_json, write_text
from nertune.results.layout import percent_text

WIDTH = 80  # columns that tables and sentences on the terminal keep to
NAME_WIDTH = 30
LABEL_WIDTH = 30
SHOWN_LABELS = 30
EXAMPLE_INDENT = 10  # of the further lines of what was said
MOST_COLUMNS = 6  # systems side by side in a table; more are in further tables
FILE = "comparison"
LEAST_SHOWN = 0.0001
FIVE_SEEDS = 0.0625  # the least p of five pairs, known by its four digits
CLEAR = 0.05  # a p up to this tells two systems apart

Record = Mapping[str, Any]


def show_comparison(told: Record) -> None:
    """Tables, what they mean, what can be claimed, and examples."""
    console = result_console()
    _show_text(console, _opening(told))
    console.print()
    for grid in _grids(told):
        note, bare = grid.note, Grid(grid.title, grid.headings, grid.rows, grid.n_texts)
        show_grid(console, bare)
        if note:
            _show_text(console, note)
            console.print()
    for line in (*claims(told), *told["notes"]):
        _show_text(console, line)
    for line in _example_lines(told):
        _show_text(console, line, indent=EXAMPLE_INDENT)


def write_comparison(told: Record, *, folder: Path) -> tuple[Path, ...]:
    """Write comparison.md, .csv, .tex, .html and .json; the files."""
    folder.mkdir(parents=True, exist_ok=True)
    written = {
        "md": comparison_markdown(told),
        "csv": comparison_csv(told),
        "tex": comparison_latex(told),
        "html": comparison_html(told),
    }
    for suffix, text in written.items():
        write_text(folder / f"{FILE}.{suffix}", text)
    write_json(folder / f"{FILE}.json", told)
    return tuple(folder / f"{FILE}.{suffix}" for suffix in (*written, "json"))


def comparison_markdown(told: Record) -> str:
    examples = [*_example_lines(told)]
    parts = [
        "# Comparison",
        markdown_text(_opening(told)),
        *(f"- {markdown_text(line)}" for line in (*claims(told), *told["notes"])),
        *(markdown_table(grid).rstrip() for grid in _grids(told)),
        *(["### Examples", "\n".join(f"    {line}" for line in examples)] if examples else []),
    ]
    return "\n\n".join(parts) + "\n"


def comparison_latex(told: Record) -> str:
    return f"{NEEDS}\n\n" + "\n".join(latex_table(grid) for grid in _grids(told))


COLUMNS = (
    *("kind", "score", "first", "second", "value", "low", "high", "sd", "seeds", "units", "p_texts", "p_holm"),
    *("p_seeds", "least_p_seeds", "won", "lost", "alike"),
)


def comparison_csv(told: Record) -> str:
    """A row for each score of each system (kind `score`) and for each pair (kind `difference`)."""
    names = {one["letter"]: one["name"] for one in told["systems"]}
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=COLUMNS, lineterminator="\n")
    writer.writeheader()
    for score, values in told["scores"].items():
        for letter, one in values.items():
            kept = {key: one[key] for key in ("low", "high", "sd")}
            row = {"kind": "score", "score": score, "first": names[letter], "value": one["mean"], **kept}
            writer.writerow({**row, "seeds": one["n_seeds"], "units": one["n_units"]})
    for pair in told["pairs"]:
        kept = {key: pair[key] for key in ("value", "low", "high", "p_texts", "p_holm", "won", "lost", "alike")}
        ranked = pair["signed_rank"] or {"p": None, "least": None}
        row = {"kind": "difference", "score": told["score"], "first": names[pair["first"]], **kept}
        row |= {"second": names[pair["second"]], "seeds": "/".join(map(str, pair["n_seeds"]))}
        writer.writerow({**row, "units": pair["n_units"], "p_seeds": ranked["p"], "least_p_seeds": ranked["least"]})
    return text.getvalue()


PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Comparison: {{ names }}</title>
<style>
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; margin: .5rem 0; }
th, td { padding: .2rem .8rem .2rem 0; text-align: right; vertical-align: top; }
th { border-bottom: 1px solid currentColor; font-weight: 600; }
.text { text-align: left; }
.note { font-size: .9rem; }
pre { white-space: pre-wrap; }
:root { color-scheme: light dark; }
</style>
</head>
<body>
<h1>Comparison</h1>
<p>{{ opening }}</p>
<ul>
{%- for line in claims %}
<li>{{ line }}</li>
{%- endfor %}
</ul>
{%- for grid in grids %}
<h2>{{ grid.title }}</h2>
<table>
<thead><tr>
{%- for cell in grid.headings %}
<th scope="col"{% if loop.index0 < grid.n_texts %} class="text"{% endif %}>{{ cell }}</th>
{%- endfor %}
</tr></thead>
<tbody>
{%- for row in grid.rows %}
<tr>{% for cell in row %}<td{% if loop.index0 < grid.n_texts %} class="text"{% endif %}>{{ cell }}</td>{% endfor %}</tr>
{%- endfor %}
</tbody>
</table>
{%- if grid.note %}
<p class="note">{{ grid.note }}</p>
{%- endif %}
{%- endfor %}
{%- if examples %}
<h2>Examples</h2>
<pre>{% for line in examples %}{{ line }}
{% endfor %}</pre>
{%- endif %}
</body>
</html>
"""


def comparison_html(told: Record) -> str:
    """One page by itself, without a script or anything from elsewhere; text from data is shown as it stands."""
    return Environment(autoescape=True).from_string(PAGE).render(
        names=", ".join(one["name"] for one in told["systems"]),
        opening=_opening(told),
        claims=[*claims(told), *told["notes"]],
        grids=_grids(told),
        examples=[*_example_lines(told)],
    )  # fmt: skip


# ---- sentences


def _opening(told: Record) -> str:
    texts = count_text(told["texts"], "sentences" if told["task"] == "token" else "texts")
    units = f" in {count_text(told['units'], 'documents')}" if told["unit"] == "documents" else ""
    names = ", ".join(f"{one['letter']} {cut_text(one['name'])}" for one in told["systems"])
    return f"{names}: {score_name(told['score'])} on the same {texts}{units} of {told['split']}."


def claims(told: Record) -> list[str]:
    """A sentence for each pair: what can be said of it, and what its seeds could show at most."""
    return [_claim(pair, told=told) for pair in told["pairs"]]


def _claim(pair: Record, *, told: Record) -> str:
    corrected = ", corrected for all pairs" if len(told["pairs"]) > 1 else ""
    test = f"{p_clause(pair['p_holm'])} over {told['unit']} (randomisation{corrected})"
    return f"{_finding(pair, told=told)}; {test}. {_of_seeds(pair)}"


def _finding(pair: Record, *, told: Record) -> str:
    name, first, second = score_name(told["score"]), pair["first"], pair["second"]
    signed = f"{_pair_name(pair)} is {pair['value']:+.4f} [{pair['low']:+.4f}, {pair['high']:+.4f}]"
    if pair["better"] is not None:
        low, high = sorted((abs(pair["low"]), abs(pair["high"])))
        less = "less " if told["is_minimised"] else ""
        other = second if pair["better"] == first else first
        return (
            f"{pair['better']} is better than {other} by {abs(pair['value']):.4f} [{low:.4f}, {high:.4f}] {less}{name}"
        )
    if pair["p_holm"] > CLEAR:
        return f"{first} and {second} are not told apart: {signed}"
    ahead, behind = (first, second) if (pair["value"] > 0) != told["is_minimised"] else (second, first)
    return f"These models of {ahead} are ahead of those of {behind}, but it is open whether new ones would be: {signed}"


def _of_seeds(pair: Record) -> str:
    ranked = pair["signed_rank"]
    if ranked is not None:
        at_most = f"with {ranked['n_pairs']} seeds it cannot go below {p_text(ranked['least'])}"
        why = ", so that they alone cannot show a difference at 0.05" if ranked["least"] > CLEAR else ""
        return f"Over seeds the signed-rank test gives {p_clause(ranked['p'])}; {at_most}{why}."
    if 1 in pair["n_seeds"]:
        return "With one seed nothing is known of other seeds."
    return "The seeds are not the same, so that there are no pairs of seeds to test."


def p_clause(p: float) -> str:
    """`p = 0.012`, `p < 0.0001`."""
    return f"p {p_text(p)}" if p < LEAST_SHOWN else f"p = {p_text(p)}"


def p_text(p: float) -> str:
    """Three places behind the point; of small ones, and of what few seeds can give, four."""
    if p < LEAST_SHOWN:
        return f"< {LEAST_SHOWN:.4f}"
    return f"{p:.4f}" if p < 0.01 or p == FIVE_SEEDS else f"{p:.3f}"


# ---- tables


def _grids(told: Record) -> list[Grid]:
    grids = [_systems(told), _differences(told), _seeds_and_texts(told)]
    grids += [*_other_scores(told), *_label_scores(told), *_learning_curves(told)]
    return [grid for grid in grids if grid.rows]


def _systems(told: Record) -> Grid:
    values = told["scores"][told["score"]]
    rows = [
        (
            one["letter"],
            cut_text(one["name"], limit=NAME_WIDTH),
            str(one["files"]),
            score_text(values[one["letter"]]["mean"]),
            score_text(values[one["letter"]]["sd"]),
            _range(values[one["letter"]]),
        )
        for one in told["systems"]
    ]
    note = (
        "mean and sd: over seeds. 95 % interval: of the score to expect with new seeds on new "
        f"{told['unit']} like these (of one seed: with this model on new {told['unit']})."
    )
    headings = ("", "name", "seeds", "mean", "sd", "95 % interval")
    return Grid(f"{score_name(told['score'])} on {told['split']}", headings, rows, n_texts=2, note=note)


def _differences(told: Record) -> Grid:
    has_several = len(told["pairs"]) > 1
    rows = [
        (
            _pair_name(pair),
            f"{pair['value']:+.4f}",
            f"{pair['low']:+.4f} to {pair['high']:+.4f}",
            p_text(pair["p_texts"]),
            *([p_text(pair["p_holm"])] if has_several else []),
            pair["better"] or "not clear",
        )
        for pair in told["pairs"]
    ]
    note = (
        "95 % interval: of the difference to expect with new seeds on new "
        f"{told['unit']}, of each pair by itself. p: of {count_text(told['draws'])} times that the two swapped what "
        f"they said of {told['unit']} drawn by lot, the share with a difference as large: it speaks of these models. "
        + ("Holm: the same p, corrected because several pairs are tested. " if has_several else "")
        + "better: the one that is ahead where p is 0.05 or less and the interval leaves out 0."
    )
    headings = ("pair", "difference", "95 % interval", "p", *(["Holm"] if has_several else []), "better")
    return Grid(f"Differences of {score_name(told['score'])}", headings, rows, note=note)


def _seeds_and_texts(told: Record) -> Grid:
    rows = []
    for pair in told["pairs"]:
        ranked = pair["signed_rank"]
        seeds = str(pair["n_seeds"][0]) if pair["is_paired"] else " and ".join(map(str, pair["n_seeds"]))
        tests = ["–", "–"] if ranked is None else [p_text(ranked["p"]), p_text(ranked["least"])]
        counts = [count_text(pair[key]) for key in ("won", "lost", "alike")]
        rows.append((_pair_name(pair), seeds, "yes" if pair["is_paired"] else "no", *tests, *counts))
    what = "sentences" if told["task"] == "token" else "texts"
    note = (
        "p, seeds: Wilcoxon's signed-rank test over pairs of equal seeds, exact, two-sided; least: the smallest p that "
        f"so many seeds can give. won, lost: {what} that the first of the pair got better or worse, by the mean number "
        "of errors of its seeds."
    )
    headings = ("pair", "seeds", "the same", "p, seeds", "least", "won", "lost", "alike")
    return Grid("Seeds and texts", headings, rows, note=note)


def _other_scores(told: Record) -> Iterator[Grid]:
    others = {name: values for name, values in told["scores"].items() if name != told["score"]}
    note = (
        "Means over seeds, for a look: no test was made of them, and testing all until one differs would not be fair."
    )
    for letters in _in_parts(told):
        rows = [
            (score_name(name), *(score_text(values[letter]["mean"]) for letter in letters))
            for name, values in others.items()
        ]
        yield Grid("Other scores", ("score", *letters), rows, note=note)


def _label_scores(told: Record) -> Iterator[Grid]:
    ranked = sorted(told["labels"].items(), key=lambda one: (-one[1]["support"], one[0]))
    n_more = len(ranked) - SHOWN_LABELS
    more = f" {count_text(n_more, 'rarer labels')} are in {FILE}.json." if n_more > 0 else ""
    for letters in _in_parts(told) if len(ranked) > 1 else []:
        rows = [
            (
                cut_text(label, limit=LABEL_WIDTH),
                count_text(one["support"]),
                *(score_text(one["f1"][letter]) for letter in letters),
            )
            for label, one in ranked[:SHOWN_LABELS]
        ]
        yield Grid("F1 by label", ("label", "gold", *letters), rows, note=f"Means over seeds.{more}")


def _learning_curves(told: Record) -> Iterator[Grid]:
    with_sizes = {letter for row in told["sizes"] for letter in row["systems"]}
    for letters in _in_parts(told, most=MOST_COLUMNS // 2):
        kept = [letter for letter in letters if letter in with_sizes]
        rows = [
            (percent_text(row["percent"]), *(_point_text(row["systems"].get(letter)) for letter in kept))
            for row in told["sizes"]
        ]
        note = "Mean ± sd over seeds (number of examples learned from), as the studies' summaries have them."
        title = f"Learning curves: {score_name(told['score'])} on {told['split']} by percent of train"
        if kept:
            yield Grid(title, ("%", *kept), rows, note=note)


def _point_text(point: Record | None) -> str:
    if point is None:
        return "–"
    examples = "" if point["examples"] is None else f" ({count_text(point['examples'])})"
    return f"{spread_text(point['mean'], point['sd'])}{examples}"


def _in_parts(told: Record, *, most: int = MOST_COLUMNS) -> Iterator[list[str]]:
    letters = [one["letter"] for one in told["systems"]]
    yield from (letters[start : start + most] for start in range(0, len(letters), most))


def _pair_name(pair: Record) -> str:
    return f"{pair['first']} - {pair['second']}"


def _range(one: Record) -> str:
    return f"{score_text(one['low'])} to {score_text(one['high'])}"


# ---- examples


def _example_lines(told: Record) -> Iterator[str]:
    for pair in told["pairs"]:
        for key, better, other in (
            ("examples_won", pair["first"], pair["second"]),
            ("examples_lost", pair["second"], pair["first"]),
        ):
            if pair[key]:
                yield f"Where {better} is better than {other} (what most seeds said; mean of errors):"
            for example in pair[key]:
                yield from _example(example, pair=pair)


def _example(example: Record, *, pair: Record) -> Iterator[str]:
    yield f"  {example['where']}"
    yield f"    gold  {_marks(example['gold'])}"
    for key, letter in (("first", pair["first"]), ("second", pair["second"])):
        yield f"    {letter}     {_marks(example[key])}  ({example[f'{key}_errors']:.3g} wrong)"


def _marks(marks: Sequence[Record]) -> str:
    return ", ".join(map(_mark, marks)) or "nothing"


def _mark(mark: Record) -> str:
    if "text" in mark:
        return f"{mark['label']} “{cut_text(mark['text'])}”"
    if "start" in mark:
        return f"{mark['label']} words {mark['start'] + 1}–{mark['end']}"
    return str(mark["label"])


def _show_text(console: Console, text: str, *, indent: int = 0) -> None:
    for line in textwrap.wrap(
        text, WIDTH, subsequent_indent=" " * indent, break_long_words=False, break_on_hyphens=False
    ):
        show_line(console, line)
