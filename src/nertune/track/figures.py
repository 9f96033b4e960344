"""Figures of a record as PNG, for those who show pictures beside runs."""

from __future__ import annotations

import json
import tempfile
import traceback
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from nertune.data.examples import Span
from nertune.report.plots.confusion import draw_confusion, has_confusion
from nertune.report.plots.drawing import save_figure, settings
from nertune.report.plots.heat_map import draw_heat_map, has_heat_map
from nertune.results.seed_folders import predictions_file
from nertune.scores.confusion import Confusion, confuse_classes, confuse_entities, confuse_label_sets

Record = Mapping[str, Any]


def heat_map_png(told: Record) -> bytes | None:
    """The heat map of `{"heat_map": …}`; None where there is nothing to see."""
    return _png(lambda: told, applies=has_heat_map, draw=draw_heat_map)


def confusion_png(folder: Path, split: str) -> bytes | None:
    """What a seed run took for what on dev or test; None where its folder does not say."""
    path = predictions_file(folder, split)
    if not path.is_file():
        return None
    return _png(lambda: {"confusion": read_confusion(path)}, applies=has_confusion, draw=draw_confusion)


def read_confusion(predictions: Path) -> Confusion:
    """Gold label -> predicted label -> how often, of a file of predictions (one JSON object a line)."""
    with predictions.open(encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines]
    gold, predicted = [row["gold"] for row in rows], [row["predicted"] for row in rows]
    if all(isinstance(one, str) for one in (*gold, *predicted)):
        return confuse_classes(gold, predicted)
    if any(isinstance(label, str) for labels in (*gold, *predicted) for label in labels):
        return confuse_label_sets(gold, predicted)
    return confuse_entities(list(map(_spans, gold)), list(map(_spans, predicted)))


def _spans(entities: Iterable[Record]) -> list[Span]:
    return [Span(entity["label"], entity["start"], entity["end"]) for entity in entities]


def _png(
    tell: Callable[[], Record], *, applies: Callable[[Record], bool], draw: Callable[[Record], Any]
) -> bytes | None:
    """The figure, or None where it cannot be drawn: the runs are told all the same, and the reason is in the log."""
    try:
        told = tell()
        if not applies(told):
            return None
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "figure.png"
            with settings(json.dumps(told, ensure_ascii=False)):
                save_figure(draw(told), path)
            return path.read_bytes()
    except Exception:
        traceback.print_exc()
        return None
