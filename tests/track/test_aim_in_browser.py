"""Aim's pages as a person sees them, in headless Chromium: they show what the record says."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import suppress
from itertools import pairwise
from pathlib import Path

import pytest
from browser import Browser, find_browser
from recording import add_epoch, complete, new_record, open_fit

from nertune.results.database import Settlement
from nertune.results.files import write_json_lines
from nertune.track.aim_ui import start_server
from nertune.track.aim_views import VIEWS, view_id
from nertune.track.projector import rebuild

PROGRAM = find_browser()
pytestmark = [pytest.mark.slow, pytest.mark.skipif(PROGRAM is None, reason="no Chromium on this machine")]


def fill_record(folder: Path) -> None:
    """Two trials, one more that failed, and a seed run of the better one."""
    database, study = new_record(folder)
    for number, (rate, score) in enumerate(((1e-5, 0.5), (1e-4, 0.75), (1e-3, None))):
        point = {"train.learning_rate": rate, "train.batch_size": (8, 16)[number % 2]}
        cell = database.add_cell(study, stage="search", number=number, point=point, point_id=str(number), seed=42)
        parameters = {"task": "token", **point}
        fit = database.open_attempt(study, cell, run_name=f"trial-{number:04d}", parameters=parameters)
        add_epoch(database, fit, epoch=1)
        add_epoch(database, fit, epoch=2)
        if score is None:
            database.settle(fit, Settlement("failed", "failed", cause="nan", message="loss is nan", seconds=9.0))
        else:
            complete(database, fit, dev=score)
    cell = database.add_cell(study, stage="final", number=0, point={"train.learning_rate": 1e-4}, point_id="1", seed=3)
    fit = open_fit(database, study, cell, name="bert-tiny_3")
    for name in ("eval", "test"):
        rows = [{"gold": "a", "predicted": "b"}, {"gold": "b", "predicted": "b"}]
        write_json_lines(folder / "out" / "bert-tiny_3" / f"{name}_predictions.jsonl", rows)
    complete(database, fit, dev=0.75, test=0.5)
    database.close()


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Aim's UI over the record."""
    folder = tmp_path_factory.mktemp("shown")
    fill_record(folder)
    assert rebuild(folder / "aim", storage=str(folder / "nertune.db")) is None
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = int(free.getsockname()[1])
    with (folder / "ui.log").open("wb") as output:
        server = start_server(folder / "aim", host="127.0.0.1", port=port, output=output)
        deadline = time.monotonic() + 60
        while not is_there(port):
            assert time.monotonic() < deadline, (folder / "ui.log").read_text()
            time.sleep(0.1)
        yield f"http://127.0.0.1:{port}"
        assert server.stdin is not None
        server.stdin.close()
        server.wait(15)


def is_there(port: int) -> bool:
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    assert PROGRAM is not None
    page = Browser(PROGRAM, folder=tmp_path_factory.mktemp("profile"))
    yield page
    page.close()


def test_the_runs_table_has_every_run_with_its_study_and_tags(address: str, browser: Browser) -> None:
    browser.open(f"{address}/runs")
    names = ["trial-0000", "trial-0001", "trial-0002", "bert-tiny_3"]
    shown = browser.wait_for(*names, "failed").splitlines()
    assert [shown.count(name) for name in names] == [1] * 4
    tags = {tag: shown.count(tag) for tag in ("search", "seed", "best", "failed", "study")}
    assert tags == {"search": 3, "seed": 1, "best": 2, "failed": 1, "study": 1}
    assert shown.count("tiny") == 5 + 5 + 1  # the experiment and a tag of each, and the name of the study's own run


def test_the_metric_explorer_opens_on_our_view_with_each_trials_learning_rate(address: str, browser: Browser) -> None:
    browser.open(f"{address}/metrics/{view_id(VIEWS[0], 'app')}")
    shown = browser.wait_for('run.study="tiny"', "COLORS", "Epochs").splitlines()
    legend = shown[shown.index("COLORS") :]
    assert {"0.00001", "0.0001", "0.001"} <= set(legend)
    lines = browser.value("document.querySelectorAll('.LineChart path[id^=\"Line-\"], path.PlotLine').length")
    assert lines == 3


def test_a_runs_page_tells_its_setting_outcome_and_figures(address: str, browser: Browser) -> None:
    browser.open(f"{address}/runs")
    browser.wait_for("bert-tiny_3")
    page = browser.value(
        "[...document.querySelectorAll('a')].find(link => link.innerText == 'bert-tiny_3').getAttribute('href')"
    )
    browser.open(f"{address}{page}")
    upper = browser.wait_for("Run Params", "state", "Description", "learning rate 0.0001")
    browser.scroll_down()
    lower = browser.wait_for("scores.dev.f1", "scores.test.f1")
    lines = [line for line in f"{upper}\n{lower}".splitlines() if line]
    values = dict(reversed(list(pairwise(lines))))  # a key stands before its value; tags come after them
    assert {key: values[key] for key in ("stage", "seed", "state", "study", "scores.dev.f1", "scores.test.f1")} == {
        "stage": '"final"',
        "seed": "3",
        "state": '"complete"',
        "study": '"tiny"',
        "scores.dev.f1": "0.75",
        "scores.test.f1": "0.5",
    }
    browser.open(f"{address}{page}/images")
    browser.wait_for("confusion", 'subset="dev"', 'subset="test"')


def test_our_three_views_are_bookmarks(address: str, browser: Browser) -> None:
    browser.open(f"{address}/bookmarks")
    browser.wait_for(*(view.name for view in VIEWS))
