"""Views of the runs that are there when Aim's UI is opened, as its bookmarks.

Each is made once. What the user changes there stays, and one that was deleted does not come back: Aim keeps a deleted
bookmark's row, which is known by its id.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

NAMES = uuid.UUID("6f1c2a3e-3a44-5f0e-9f43-0d7f6f0c9d5b")  # a name in it is always the same id
MEAN = 0  # in Aim: the line amid a band
STD_DEV = 2  # in Aim: the band


@dataclass(frozen=True)
class View:
    """A state of Aim's metric explorer, by epoch.

    metrics   (name, subset) of what is drawn
    query     which runs
    grouping  `color`, `stroke` and `chart` to what they tell apart
    is_band   one line for each group, the mean, with a band of one standard deviation
    """

    name: str
    description: str
    metrics: Sequence[tuple[str, str]]
    query: str
    grouping: Mapping[str, Sequence[str]]
    is_band: bool = False


VIEWS = (
    View(
        "nertune: trials, dev F1 by learning rate",
        "Every trial's dev F1 over its epochs, coloured by learning rate; a chart for each study",
        metrics=[("f1", "dev")],
        query='run.stage == "search"',
        grouping={"color": ["run.params.train.learning_rate"], "chart": ["run.params.study"]},
    ),
    View(
        "nertune: seeds with a band",
        "Dev F1 of the seeds of each study's best setting: their mean and a band of one standard deviation",
        metrics=[("f1", "dev")],
        query='run.stage == "final"',
        grouping={"color": ["run.params.study"]},
        is_band=True,
    ),
    View(
        "nertune: train against dev loss",
        "Loss of each seed on train and on dev, a chart for each study: where dev rises while train falls, it overfits",
        metrics=[("loss", "train"), ("loss", "dev")],
        query='run.stage == "final"',
        grouping={
            "color": ["run.params.seed"],
            "stroke": ["context.subset"],
            "chart": ["run.params.study"],
        },
    ),
)


def view_id(view: View, part: str) -> str:
    """The id of a view's bookmark (`dashboard`) or of the state that it opens (`app`)."""
    return str(uuid.uuid5(NAMES, f"{part}/{view.name}"))


def add_views(session: Any) -> None:
    """Make those bookmarks that never were.

    session  of the database of Aim's UI, `aim_db`
    """
    from aim.web.api.dashboard_apps.models import ExploreState
    from aim.web.api.dashboards.models import Dashboard

    for view in VIEWS:
        if session.get(Dashboard, view_id(view, "dashboard")) is not None:
            continue
        bookmark, app = Dashboard(view.name, view.description), ExploreState()
        bookmark.uuid, app.uuid = view_id(view, "dashboard"), view_id(view, "app")
        app.type, app.state, app.dashboard_id = "metrics", json.dumps(explorer_state(view)), bookmark.uuid
        session.add_all([bookmark, app])
    session.commit()


def explorer_state(view: View) -> dict[str, Any]:
    """The state of the metric explorer as Aim 3.29 saves it; what is not in it has Aim's own default."""
    grouping = {kind: list(view.grouping.get(kind, ())) for kind in ("color", "stroke", "chart")}
    return {
        "grouping": {
            **grouping,
            "reverseMode": dict.fromkeys(grouping, False),
            "isApplied": dict.fromkeys(grouping, True),
            "persistence": {"color": False, "stroke": False},
            "seed": {"color": 10, "stroke": 10},
            "paletteIndex": 0,
        },
        "chart": {
            "highlightMode": 2,  # the run under the mouse
            "ignoreOutliers": False,
            "zoom": {"active": False, "mode": 1, "history": []},
            "axesScaleType": {"xAxis": "linear", "yAxis": "linear"},
            "axesScaleRange": {"xAxis": {}, "yAxis": {}},
            "smoothing": {
                "algorithm": "EXPONENTIAL_MOVING_AVERAGE",
                "factor": 0.6,
                "curveInterpolation": "curveLinear",
                "isApplied": False,
            },
            "alignmentConfig": {"metric": "", "type": "epoch"},
            "densityType": 500,
            "aggregationConfig": {
                "methods": {"area": STD_DEV, "line": MEAN},
                "isApplied": view.is_band,
                "isEnabled": view.is_band,
            },
            "tooltip": {"appearance": "auto", "display": True, "selectedFields": []},
            "legends": {"display": True, "mode": "pinned"},
            "focusedState": {"key": None, "xValue": None, "yValue": None, "active": False, "chartIndex": None},
        },
        "select": {
            "options": [_option(name, subset) for name, subset in view.metrics],
            "query": view.query,
            "advancedMode": False,
            "advancedQuery": "",
        },
        "table": {
            "resizeMode": "resizable",
            "rowHeight": 28,
            "sortFields": [],
            "hiddenMetrics": [],
            "hiddenColumns": ["hash", "creator"],
            "columnsWidths": {"tags": 300},
            "columnsOrder": {"left": ["run"], "middle": [], "right": []},
            "height": "0.5",
        },
        "liveUpdate": {"delay": 10000, "enabled": False},
    }


def _option(name: str, subset: str) -> dict[str, Any]:
    context = {"subset": subset}
    value = {"option_name": name, "context": context}
    return {"label": f'{name} subset="{subset}"', "group": name, "type": "metrics", "color": "#1C2852", "value": value}
