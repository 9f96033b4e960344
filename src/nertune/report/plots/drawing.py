"""What all plots share: canvas, colours that colour-blind readers tell apart, fonts, rows of dots.

Matplotlib is used by its objects only (no pyplot), under settings of our own that are put back, so that a plot looks
the same whatever the user's matplotlibrc says, and nothing of a program that calls us changes.
"""

from __future__ import annotations

import logging
import textwrap
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nertune.report.grids import cut_text
from nertune.report.text import safe_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe and Ito 2008, "Color Universal Design"; markers and lines differ, too, for print without colour.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
MARKERS = ("o", "s", "^", "D", "v", "P")
LINES = ("-", "--", ":", "-.", "-", "--")
INK, PALE = "#222222", "#BBBBBB"

WIDTH = 8.0  # inches
DPI = 150
TITLE_WIDTH = 86  # characters of a title's line
LABEL_WIDTH = 32  # characters of a label or entity beside an axis
MISSING = "□"  # stands for a letter that no font has
FONT = "DejaVu Sans"  # comes with matplotlib: Latin, Greek, Cyrillic, Arabic, Hebrew, Armenian, Georgian

UNDATED: dict[str, dict[str, Any]] = {
    "png": {"Software": None},
    "svg": {"Date": None, "Creator": None},
    "pdf": {"CreationDate": None},
}
STYLE: dict[Any, Any] = {
    "axes.edgecolor": PALE,
    "axes.facecolor": "none",  # a page that is dark shows through
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.labelcolor": INK,
    "axes.labelsize": 9,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlelocation": "left",
    "axes.titlesize": 10,
    "font.family": [FONT],
    "font.size": 9,
    "grid.color": "#E8E8E8",
    "legend.frameon": False,
    "svg.fonttype": "none",  # text stays text: to be read aloud, searched and copied
    "svg.hashsalt": "nertune",
    "text.color": INK,
    "text.parse_math": False,  # a label may hold dollar signs
    "xtick.color": INK,
    "ytick.color": INK,
}


@contextmanager
def settings(letters: str = "") -> Iterator[None]:
    """Our settings while a plot is made, with fonts for these letters where there are any, and nothing on stderr."""
    logger = logging.getLogger("matplotlib")
    level = logger.level
    logger.setLevel(logging.ERROR)  # it tells when it looks through the fonts, or has no folder to remember them
    try:
        import matplotlib

        with matplotlib.rc_context():
            matplotlib.rcdefaults()
            matplotlib.rcParams.update({**STYLE, "font.family": [FONT, *find_fonts(letters).families]})
            yield
    finally:
        logger.setLevel(level)


def new_figure(*, height: float, title: str) -> Figure:
    """A canvas of our width with its finding as title."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(WIDTH, height), dpi=DPI, layout="constrained")
    FigureCanvasAgg(figure)
    figure.suptitle(wrap_evenly(title), x=0.012, horizontalalignment="left", fontsize=11, fontweight="bold")
    return figure


def wrap_evenly(title: str, *, width: int = TITLE_WIDTH) -> str:
    """The title in as few lines as fit, no last one of a single word."""
    n_lines = len(textwrap.wrap(title, width))
    even = next(narrow for narrow in range(1, width + 1) if len(textwrap.wrap(title, narrow)) <= n_lines)
    return textwrap.fill(title, even)


def save_figure(figure: Figure, path: Path, *, kind: str = "png") -> None:
    """Write a PNG, SVG or PDF: equal bytes for equal plots and versions of matplotlib."""
    with warnings.catch_warnings():
        # a letter that turned up between counting and drawing is a box in the plot, no line on stderr
        warnings.filterwarnings("ignore", message="Glyph .* missing from", category=UserWarning)
        figure.savefig(path, format=kind, metadata=UNDATED[kind], facecolor="none" if kind == "svg" else "white")


def split_look(told: Mapping[str, Any], split: str) -> dict[str, Any]:
    """Colour and marker of a split: the same in every plot."""
    number = _number_of(told, split)
    return {"color": COLOURS[number], "marker": MARKERS[number]}


def split_line(told: Mapping[str, Any], split: str) -> dict[str, Any]:
    """Colour and line of a split."""
    number = _number_of(told, split)
    return {"color": COLOURS[number], "linestyle": LINES[number]}


def _number_of(told: Mapping[str, Any], split: str) -> int:
    return [one["name"] for one in told["splits"]].index(split) % len(COLOURS)


@dataclass(frozen=True)
class Row:
    """A line of dots. `values`: for each split its share, None where there is none."""

    label: str
    values: Mapping[str, float | None]


def draw_dots(figure: Figure, rows: Sequence[Row], *, told: Mapping[str, Any], xlabel: str) -> None:
    """A line for each row, from above, on it the share of each split as a dot of its own shape."""
    axes = figure.subplots()
    splits = [one["name"] for one in told["splits"] if any(row.values.get(one["name"]) is not None for row in rows)]
    for number, split in enumerate(splits):
        shift = 0.16 * (number - (len(splits) - 1) / 2)  # equal shares would hide one another
        found = [(row.values.get(split), place + shift) for place, row in enumerate(rows)]
        drawn = [(share, place) for share, place in found if share is not None]
        look = split_look(told, split)
        axes.plot(
            [share for share, _ in drawn],
            [place for _, place in drawn],
            linestyle="",
            label=split,
            clip_on=False,
            **look,
        )
    name_rows(axes, [row.label for row in rows])
    axes.tick_params(axis="y", pad=7)  # room for a dot at 0
    axes.set_xlim(left=0)
    axes.xaxis.set_major_formatter(percent)
    axes.legend(loc="upper left", bbox_to_anchor=(1, 1))
    figure.supxlabel(xlabel, fontsize=9)  # longer than the axis where the labels are long


def name_rows(axes: Axes, labels: Sequence[str], *, places: Sequence[float] | None = None) -> None:
    """The labels beside the axis, the first one above, at 0, 1, 2 … or at these places."""
    at = list(range(len(labels))) if places is None else places
    axes.set_yticks(at, labels)
    axes.set_ylim(at[-1] + 0.6, -0.6)
    axes.tick_params(axis="y", length=0)


def percent(share: float, _: object = None) -> str:
    """`12 %`, `0.5 %`: a tick of an axis of shares, none above all of them."""
    return f"{100 * share:.3g} %" if share <= 1 else ""


def percent_of(share: float) -> str:
    """A share in a sentence: whole percents, but one digit more where it is near none or all."""
    return f"{100 * share:.0f} %" if 0.0995 <= share < 0.9895 or share in (0, 1) else f"{100 * share:.1f} %"


def shown(text: str, *, limit: int = LABEL_WIDTH) -> str:
    """Text from data for a plot: short, one line, a box for each letter that no font here has."""
    short = safe_text(cut_text(text, limit=limit))
    missing = find_fonts(short).missing
    return "".join(MISSING if letter in missing else letter for letter in short)


# ---- fonts


@dataclass(frozen=True)
class Fonts:
    """Families that have what our font lacks, and the letters that none has."""

    families: tuple[str, ...] = ()
    missing: frozenset[str] = frozenset()


def find_fonts(letters: str) -> Fonts:
    """Installed fonts for these letters. New letters are looked for together, because opening fonts takes time."""
    wanted = sorted({letter for letter in letters if ord(letter) > 0x7F and not letter.isspace()})
    _look_up({letter for letter in wanted if letter not in _FAMILIES})
    found = [_FAMILIES[letter] for letter in wanted]
    return Fonts(
        families=tuple(dict.fromkeys(family for family in found if family is not None and family != FONT)),
        missing=frozenset(letter for letter in wanted if _FAMILIES[letter] is None),
    )


_FAMILIES: dict[str, str | None] = {}  # letter -> a family that has it: what was once found stays found


def _look_up(letters: set[str]) -> None:
    for family in _families() if letters else ():
        held = _held(family, letters)
        _FAMILIES.update(dict.fromkeys(held, family))
        letters -= held
        if not letters:
            return
    _FAMILIES.update(dict.fromkeys(letters))


def _families() -> list[str]:
    """Ours first, then families for running text, those without serifs first; no boxes, no coloured pictures."""
    from matplotlib.font_manager import fontManager

    unfit = ("Last Resort", "Color", "STIX", "cmr", "cms", "cmm", "cmt", "cmb", "cme", "DejaVu")
    names = [name for name in fontManager.get_font_names() if not any(part in name for part in unfit)]
    return [FONT, *sorted(names, key=lambda name: ("Sans" not in name, name))]


def _held(family: str, letters: set[str]) -> set[str]:
    """The letters among these that a family has; none of a font that cannot be opened."""
    from matplotlib.font_manager import FontProperties, findfont, get_font

    try:
        font = get_font(findfont(FontProperties(family=[family]), fallback_to_default=False))
    except (OSError, RuntimeError, ValueError):  # a broken or unreadable font file
        return set()
    return {letter for letter in letters if font.get_char_index(ord(letter))}
