import io
import time

import pytest
from rich.console import Console

from cell_rows import make_cell
from nertune.report.progress import LiveProgress, PlainProgress, Quiet, State, open_progress
from nertune.results.database import Settlement
from nertune.results.records import StepRecord

POINT = {"train.batch_size": 8}
DONE = Settlement("complete", "complete", seconds=10.0)


def state(**others):
    return State(
        **{"title": "tiny", "objective": "f1", "epochs": 4, "slots": 2, "minimised": False, "total": 4, **others}
    )


def tell(progress, stream):
    """A search of three cells: one good, one that is tried again and then fails, one better."""
    progress.begin(state())
    outcomes = [
        (make_cell(0, POINT, f1=0.5, best_epoch=3.0), DONE),
        (make_cell(1, POINT, state="waiting"), Settlement("lost", "waiting", cause="lost", message="signal 9")),
        (make_cell(1, POINT, state="failed"), Settlement("failed", "failed", cause="nan", message="at step 3\x1b")),
        (make_cell(2, POINT, f1=0.7, best_epoch=4.0), DONE),
    ]
    for cell, how in outcomes:
        progress.started(make_cell(cell.number, POINT, state="running"), attempt=1)
        progress.scored(cell, StepRecord(1, 1.0, "dev", {"f1": 0.25}))
        progress.tick()
        progress.ended(cell, how)
    progress.close()
    return stream.getvalue().splitlines()


@pytest.fixture
def stream():
    return io.StringIO()


def test_without_a_terminal_each_outcome_is_one_plain_line(stream):
    lines = tell(PlainProgress(Console(file=stream, width=40, markup=False, highlight=False)), stream)
    assert [line.split("  [")[0] for line in lines] == [
        "trial-0000  batch size 8  f1 0.5000  epoch 3  10s",
        "trial-0001  batch size 8  lost  tried again: signal 9",
        "trial-0001  batch size 8  nan: at step 3�",
        "trial-0002  batch size 8  f1 0.7000  epoch 4  10s",
    ]
    assert lines[-1].endswith("[tiny  3/4 done · 1 failed · best f1 0.7000 (trial-0002) · about 5.0s left]")
    assert "\x1b" not in stream.getvalue()


def test_messages_from_data_cannot_move_the_cursor(stream):
    PlainProgress(Console(file=stream, markup=False, highlight=False)).say("Notice: odd word x\x1b[2Jy [bold]")
    assert stream.getvalue() == "Notice: odd word x�[2Jy [bold]\n"


def test_live_messages_from_data_cannot_move_the_cursor(stream):
    LiveProgress(Console(file=stream, markup=False, highlight=False)).say("x\x1b[2Jy")
    assert stream.getvalue() == "x�[2Jy\n"


def test_display_shows_running_fits_with_epoch_and_last_score(stream):
    progress = LiveProgress(Console(file=stream, force_terminal=True, width=100, color_system=None))
    progress.begin(state(total=None))
    progress.started(make_cell(3, POINT, state="running"), attempt=2)
    progress.scored(make_cell(3, POINT), StepRecord(5, 2.0, "dev", {"f1": 0.25}))
    progress.close()
    shown = [str(line) for line in progress._draw().renderables]
    assert shown[0] == "tiny  0 done"
    assert shown[1].startswith("  trial-0003  batch size 8  try 2  epoch 2/4  f1 0.2500  ")


def test_display_counts_the_epochs_of_all_fits_of_a_trial(stream):
    progress = LiveProgress(Console(file=stream, force_terminal=True, width=100, color_system=None))
    progress.begin(state(n_fits=3))
    cell = make_cell(3, POINT, state="running")
    progress.started(cell, attempt=1)
    shown = []
    for step, epoch, split in ((9, 4.0, "dev_1"), (9, 4.0, "dev"), (2, 1.0, "dev_2")):
        progress.scored(cell, StepRecord(step, epoch, split, {"f1": 0.25}))
        shown.append(str(progress._draw().renderables[1]).split("  ")[3])
    progress.close()
    assert shown == ["epoch 4/12", "epoch 4/12", "epoch 5/12"]


def test_outcome_of_a_fit_without_dev_is_told_by_its_test_score(stream):
    progress = PlainProgress(Console(file=stream, width=40, markup=False, highlight=False))
    progress.begin(state())
    cell = make_cell(0, POINT, stage="final", seed=3, scores={"test": {"f1": 0.5}}, best_epoch=2.0)
    progress.started(cell, attempt=1)
    progress.ended(cell, DONE)
    assert stream.getvalue().startswith("seed 3  test f1 0.5000  epoch 2  10s")


def test_quiet_says_nothing(capsys, stream):
    progress = open_progress(quiet=True)
    tell(progress, stream)
    progress.say("hello")
    assert capsys.readouterr() == ("", "")
    assert isinstance(progress, Quiet)
    assert progress.state.done == 3


def test_display_is_plain_where_standard_error_is_no_terminal():
    assert isinstance(open_progress(), PlainProgress)


@pytest.mark.parametrize(("term", "kind"), [("xterm", LiveProgress), ("dumb", PlainProgress)])
def test_display_is_live_on_a_terminal_that_can_redraw(monkeypatch, term, kind):
    monkeypatch.setenv("FORCE_COLOR", "1")  # rich takes this for a terminal
    monkeypatch.setenv("TERM", term)
    assert isinstance(open_progress(), kind)


def test_least_loss_is_the_best():
    following = state(objective="loss", minimised=True)
    for number, loss in enumerate((0.5, 0.2, 0.3)):
        following.take_score(make_cell(number, scores={"dev": {"loss": loss}}))
    assert following.best == (0.2, "trial-0001")


def test_time_left_counts_slots_and_what_running_fits_have_done():
    following = state(total=10, done=4, seconds=[10.0, 20.0])
    assert following.seconds_left() == 6 * 15 / 2
    following.running = {0: type("Fit", (), {"started": time.monotonic() - 5})()}
    assert following.seconds_left() == pytest.approx((6 * 15 - 5) / 2, abs=0.1)
    assert (state().seconds_left(), state(total=None, seconds=[1.0]).seconds_left()) == (None, None)
