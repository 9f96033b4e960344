"""The bookmarks that Aim's UI is opened with."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from nertune.track.aim_views import VIEWS, explorer_state
from nertune.track.projector import aim_environment

# Aim is never imported by the process that runs the tests.
OPEN_THREE_TIMES = """
import json
import sqlalchemy as sa
from sqlalchemy.orm import Session
from aim.web.api.dashboard_apps.models import ExploreState
from aim.web.api.dashboards.models import Dashboard
from aim.web.api.db import Base
from nertune.track.aim_views import VIEWS, add_views, view_id
engine = sa.create_engine("sqlite://")
Base.metadata.create_all(engine)
for opened in range(3):
    with Session(engine) as session:
        if opened == 1:
            session.get(Dashboard, view_id(VIEWS[0], "dashboard")).is_archived = True  # as the UI deletes
            session.get(ExploreState, view_id(VIEWS[1], "app")).state = "{}"
            session.commit()
        add_views(session)
with Session(engine) as session:
    bookmarks = [(one.name, one.is_archived) for one in session.query(Dashboard)]
    changed = session.get(ExploreState, view_id(VIEWS[1], "app")).state
    linked = [one.dashboard_id == view_id(view, "dashboard") for view in VIEWS
              for one in [session.get(ExploreState, view_id(view, "app"))]]
print(json.dumps([sorted(bookmarks), changed, linked]))
"""


def test_views_are_made_once_what_the_user_changes_stays_and_a_deleted_one_stays_away(tmp_path: Path) -> None:
    command = [sys.executable, "-c", OPEN_THREE_TIMES]
    ended = subprocess.run(command, capture_output=True, text=True, env=aim_environment(), cwd=tmp_path)
    assert ended.returncode == 0, ended.stderr
    bookmarks, changed, linked = json.loads(ended.stdout)
    assert bookmarks == sorted([view.name, view is VIEWS[0]] for view in VIEWS)
    assert changed == "{}"
    assert linked == [True] * len(VIEWS)


@pytest.mark.parametrize("view", VIEWS, ids=lambda view: view.name)
def test_a_view_is_told_on_its_page_of_the_manual(view: object) -> None:
    page = (Path(__file__).parents[2] / "docs" / "explorations.md").read_text(encoding="utf-8")
    state = explorer_state(view)  # type: ignore[arg-type]
    assert f"`{state['select']['query']}`" in page
    for option in state["select"]["options"]:
        assert f"`{option['label']}`" in page
    for key in (key for kind in ("color", "stroke", "chart") for key in state["grouping"][kind]):
        shown = key.replace("run.params.", "run.").replace("context.", "metric.context.")
        assert f"`{shown}`" in page
