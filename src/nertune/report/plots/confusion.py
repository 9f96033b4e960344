"""What is taken for what: a square for each gold label and each predicted one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from nertune.report.grids import count_text
from nertune.report.plots.drawing import new_figure, percent, percent_of, shown
from nertune.report.plots.heat_map import readable_ink

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Record = Mapping[str, Any]
Counts = Mapping[str, Mapping[str, float]]

NOTHING = ""  # no counterpart: missed (predicted), or spurious (gold)
MOST_LABELS = 20
MOST_WRITTEN = 14  # labels, up to which each square has room for its number


def has_confusion(told: Record) -> bool:
    """Whether any gold label stands beside any predicted one."""
    return any(n for row in (told.get("confusion") or {}).values() for n in row.values())


def draw_confusion(told: Record) -> Figure:
    """A line for each gold label, in it how often it was given each label, coloured by share of the line.

    told  `confusion`: gold label -> predicted label -> how often, or the mean over several models; "" stands for
          nothing: what was missed is in its column, what is spurious in its line
    """
    counts: Counts = told["confusion"]
    labels = _ordered(counts)
    drawn = labels[:MOST_LABELS] + [label for label in labels[MOST_LABELS:] if label == NOTHING]
    golds = [label for label in drawn if any(counts.get(label, {}).values())]
    predicted = [label for label in drawn if label != NOTHING or any(row.get(label) for row in counts.values())]
    shares = [[_share(counts, one, other) for other in predicted] for one in golds]
    figure = new_figure(height=2.2 + 0.36 * len(golds), title=_finding(counts))
    axes = figure.subplots()
    image = axes.imshow(shares, cmap="cividis", vmin=0, vmax=1, aspect="auto")
    _name_sides(axes, counts, golds=golds, predicted=predicted)
    if len(predicted) <= MOST_WRITTEN:
        _write(axes, counts, golds=golds, predicted=predicted, image=image)
    n_left_out = len(labels) - len(drawn)
    more = f"; {n_left_out} rarer labels not shown" if n_left_out else ""
    figure.supxlabel(f"predicted (colour: share of the line{more})", fontsize=9)
    figure.colorbar(image, ax=axes, format=percent, shrink=0.8)
    return figure


def _ordered(counts: Counts) -> list[str]:
    """All labels, the most frequent in gold first; nothing last."""
    labels = {*counts, *(label for row in counts.values() for label in row)}
    return sorted(labels, key=lambda label: (label == NOTHING, -sum(counts.get(label, {}).values()), label))


def _share(counts: Counts, gold: str, predicted: str) -> float:
    return counts[gold].get(predicted, 0) / sum(counts[gold].values())


def _name_sides(axes: Axes, counts: Counts, *, golds: Sequence[str], predicted: Sequence[str]) -> None:
    axes.grid(visible=False)
    axes.set_xticks(range(len(predicted)), [_name(label, "missed") for label in predicted], rotation=40, ha="right")
    numbered = [f"{_name(label, 'spurious')} ({count_text(sum(counts[label].values()))})" for label in golds]
    axes.set_yticks(range(len(golds)), numbered)
    axes.set_ylabel("gold (number)")


def _name(label: str, instead: str) -> str:
    return shown(label, limit=18) if label != NOTHING else f"({instead})"


def _write(axes: Axes, counts: Counts, *, golds: Sequence[str], predicted: Sequence[str], image: Any) -> None:
    for row, gold in enumerate(golds):
        for column, label in enumerate(predicted):
            n = counts[gold].get(label, 0)
            if n:
                ink = readable_ink(image, _share(counts, gold, label))
                axes.text(column, row, count_text(n), color=ink, ha="center", va="center", fontsize=8)


def _finding(counts: Counts) -> str:
    """The mistake that is made most often: mistaken, missed or spurious."""
    wrong = sorted(_mistakes(counts), key=lambda found: (-found[0], found[1:]))
    if not wrong:
        return "Every label is right"
    n, gold, predicted = wrong[0]
    if gold == NOTHING:
        return f"Most often, “{shown(predicted)}” is found where nothing is: {count_text(n, 'times')}"
    share = percent_of(n / sum(counts[gold].values()))
    what = "missed" if predicted == NOTHING else f"taken for “{shown(predicted)}”"
    return f"Most often, “{shown(gold)}” is {what}: {count_text(n, 'times')}, {share} of them"


def _mistakes(counts: Counts) -> Iterator[tuple[float, str, str]]:
    for gold, row in counts.items():
        yield from ((n, gold, label) for label, n in row.items() if n and label != gold)
