import io
import math
import time

import pytest
from rich.console import Console

from cell_rows import make_cell
from nertune.report.progress import Expected, Fit, LiveProgress, PlainProgress, Quiet, State, makespan, open_progress
from nertune.results.database import Settlement
from nertune.results.records import StepRecord

POINT = {"train.batch_size": 8}
DONE = Settlement("complete", "complete", seconds=10.0)


def state(**others):
    usual = {"title": "tiny", "objective": "f1", "slots": 2, "minimised": False, "total": 4}
    return State(**{**usual, "expect": lambda _cell: Expected(10.0, epochs=4), **others})


def waiting(*numbers):
    return dict.fromkeys(numbers, 10.0)


def running(number, *, since, seconds=10.0, epoch=None, before=0.0):
    """A cell of 4 epochs that began so many seconds ago; its newest evaluation came just now."""
    fit = Fit(make_cell(number), 1, time.monotonic() - since, Expected(seconds, before=before, epochs=4))
    if epoch is not None:
        fit.last, fit.scored_s = StepRecord(1, epoch, "dev", {}), since
    return {number: fit}


def tell(progress, stream):
    """A search of three cells: one good, one that is tried again and then fails, one better."""
    progress.begin(state(waiting=waiting(0, 1, 2, 3)))
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
    assert lines[-1].endswith("[tiny  3/4 done · 1 failed · best f1 0.7000 (trial-0002) · about 10s left]")
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


def test_time_left_is_what_is_expected_of_the_cells_to_come_on_all_slots():
    following = state(waiting={2: 20.0, 3: 40.0}, is_timed=True)
    assert following.seconds_left() == 40.0
    following.slots = 1
    assert following.seconds_left() == 60.0


def test_time_left_follows_what_cells_took_and_not_what_was_expected():
    following = state(waiting={2: 20.0, 3: 40.0}, slots=1)
    assert following.seconds_left() is None  # nothing was timed, nothing is done
    for number, seconds in ((0, 25.0), (1, 35.0)):
        following.take_seconds(make_cell(number), seconds)
    assert following.seconds_left() == pytest.approx(3 * 60)


def test_cells_that_a_fault_cut_short_say_nothing_of_the_others():
    following = state(waiting={1: 10.0}, is_timed=True)
    following.take_seconds(make_cell(0, state="failed"), 0.1)
    assert following.seconds_left() == 10.0


def test_elapsed_seconds_of_running_cells_are_not_waited_for_again():
    following = state(waiting=waiting(2), running=running(0, since=4.0), measured=10.0, foreseen=10.0, slots=1)
    assert following.seconds_left() == pytest.approx(6 + 10, abs=0.1)


def test_a_cell_that_takes_longer_than_expected_is_nearly_done():
    following = state(running=running(0, since=50.0), measured=10.0, foreseen=10.0)
    assert following.seconds_left() == pytest.approx(1.0)


def test_the_first_evaluation_says_how_wrong_the_expectation_is():
    following = state(waiting=waiting(1), running=running(0, since=10.0, epoch=1.0), slots=1)
    assert following.seconds_left() == pytest.approx(30 + 40, abs=0.5)


def test_what_comes_before_the_first_step_is_no_part_of_an_epoch():
    fit = running(0, since=7.0, seconds=10.0, before=6.0, epoch=1.0)
    assert state(running=fit, slots=1).seconds_left() == pytest.approx(3.0, abs=0.1)


def test_before_anything_is_evaluated_the_clock_corrects_what_is_expected():
    following = state(waiting=waiting(1), running=running(0, since=20.0), is_timed=True, slots=1)
    assert following.seconds_left() == pytest.approx(2 + 20, abs=0.1)


def test_a_cell_to_be_tried_again_is_waited_for_again(stream):
    progress = PlainProgress(Console(file=stream))
    progress.begin(state(waiting=waiting(0, 1), is_timed=True, slots=1))
    progress.started(make_cell(0, state="running"), attempt=1)
    progress.ended(make_cell(0, state="waiting"), Settlement("lost", "waiting", cause="lost"))
    assert progress.state.seconds_left() == 20.0


def test_no_cell_begins_after_the_time_limit_and_none_outlives_its_own():
    now = time.monotonic()
    following = state(waiting=waiting(0, 1, 2), is_timed=True, slots=1, until=now + 15)
    assert following.seconds_left() == 20.0
    following.limit = 4.0
    assert following.seconds_left() == 12.0
    endless = state(total=None, typical=10.0, is_timed=True, slots=1, until=now + 45)
    assert endless.seconds_left() == 50.0
    assert state(total=None, typical=10.0, is_timed=True).seconds_left() is None


@pytest.mark.parametrize(
    ("jobs", "busy", "n_slots", "seconds"),
    [
        ([], [], 2, 0.0),
        ([5.0, 5.0, 5.0], [], 2, 10.0),
        ([1.0, 2.0, 9.0], [], 2, 10.0),
        ([3.0], [4.0, 2.0], 2, 5.0),
        ([3.0], [4.0], 2, 4.0),
    ],
)
def test_each_job_goes_to_the_slot_that_is_free_first(jobs, busy, n_slots, seconds):
    assert makespan(jobs, running=busy, n_slots=n_slots) == seconds


@pytest.mark.parametrize("n_slots", [1, 2, 5])
def test_slots_never_idle_while_jobs_wait(n_slots):
    jobs = [1.0 + math.sin(number) ** 2 for number in range(40)]
    least = sum(jobs) / n_slots
    assert least <= makespan(jobs, n_slots=n_slots) <= least + max(jobs)
