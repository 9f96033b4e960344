"""What every executor keeps; one class, run for each of EXECUTORS."""

import threading
import time

import pytest

from nertune.execute import EXECUTORS
from nertune.execute.executor import WorkerStartError


@pytest.mark.parametrize("kind", sorted(EXECUTORS))
class TestExecutor:
    def test_records_verdicts_and_outcome_arrive_in_order(self, drive, kind):
        driver = drive(kind)
        outcome = driver.run(do="converse")
        told = [(event.kind, event.job, event.payload) for event in driver.events[1:]]
        assert told == [
            ("record", "a", {"step": 1}),
            ("ask", "a", {"epoch": 1}),
            ("ask", "a", {"epoch": 2}),
            ("record", "a", {"step": 2}),
            ("done", "a", {"verdicts": ["continue", "continue"]}),
        ]
        assert outcome == {"verdicts": ["continue", "continue"]}

    def test_verdict_reaches_the_job_that_asked(self, drive, kind):
        driver = drive(kind)
        driver.submit(do="converse")
        assert driver.until("done", answer="stop").payload == {"verdicts": ["stop", "stop"]}

    def test_a_fresh_worker_is_announced_once_and_prepared_once(self, drive, kind):
        driver = drive(kind)
        before = len(driver.run(do="prepared")["prepared"])
        assert len(driver.run(job_id="b", do="prepared")["prepared"]) == before
        assert [event.kind for event in driver.events] == ["ready", "done", "done"]

    def test_hundred_records_lose_nothing(self, drive, kind):
        driver = drive(kind)
        driver.run(do="count_to", n=100)
        assert [event.payload["number"] for event in driver.events if event.kind == "record"] == list(range(100))

    def test_failed_job_tells_its_fault_and_frees_the_slot(self, drive, kind):
        driver = drive(kind)
        driver.submit(do="fail", how="value")
        fault = driver.until("failed").payload
        assert (fault["kind"], fault["type"], fault["message"]) == ("bug", "builtins.ValueError", "no good")
        assert "stub_jobs.py:" in fault["where"]
        assert driver.run(job_id="b", say="on we go")["echo"] == "on we go"

    def test_failed_job_leaves_its_traceback_in_its_log(self, drive, kind):
        driver = drive(kind)
        driver.submit(do="fail", how="value")
        driver.until("failed")
        assert "ValueError: no good" in driver.log.read_text()

    def test_exit_in_a_job_is_a_failure_not_the_end_of_the_worker(self, drive, kind):
        driver = drive(kind)
        driver.submit(do="fail", how="exit")
        assert driver.until("failed").payload["type"] == "builtins.SystemExit"
        assert driver.run(job_id="b", say=1)["echo"] == 1

    def test_outcome_that_is_not_json_is_a_bug_of_the_job(self, drive, kind):
        driver = drive(kind)
        driver.submit(do="bad_outcome")
        assert "not JSON serializable" in driver.until("failed").payload["message"]

    def test_outcomes_look_alike_everywhere(self, drive, kind):
        assert drive(kind).run(say=(1, {2: float("inf")}))["echo"] == [1, {"2": float("inf")}]

    def test_second_job_on_a_busy_slot_is_refused(self, drive, kind):
        driver = drive(kind)
        driver.submit(do="converse")
        with pytest.raises(ValueError, match="still runs a"):
            driver.submit(job_id="b")

    def test_killed_job_is_heard_no_more_and_its_slot_is_ready_again(self, drive, kind):
        driver = drive(kind)
        driver.submit(do="ask_for_ever")
        driver.until("ask")
        driver.executor.kill(0)
        n_before = len(driver.events)
        driver.until("ready")
        driver.run(job_id="b")
        assert [(event.kind, event.job) for event in driver.events[n_before:]] == [("ready", None), ("done", "b")]

    def test_job_submitted_right_after_a_kill_waits_for_the_fresh_worker(self, drive, kind):
        driver = drive(kind)
        driver.submit(do="ask_for_ever")
        driver.until("ask")
        driver.executor.kill(0)
        assert driver.run(job_id="b", say="next")["echo"] == "next"

    def test_answer_to_a_job_that_is_gone_does_nothing(self, drive, kind):
        driver = drive(kind)
        driver.run()
        driver.executor.answer(0, "stop")
        assert driver.run(job_id="b", do="converse") == {"verdicts": ["continue", "continue"]}

    def test_wake_ends_a_wait_from_another_thread(self, drive, kind):
        driver = drive(kind)
        driver.until("ready")
        threading.Timer(0.05, driver.executor.wake).start()
        before = time.monotonic()
        assert driver.executor.poll(10.0) == []
        assert time.monotonic() - before < 5.0

    @pytest.mark.parametrize("function", ["no_such_module:run", "stub_jobs:no_such_function"])
    def test_code_that_cannot_be_imported_is_an_error_that_names_it(self, drive, kind, function):
        driver = drive(kind, function=function)
        with pytest.raises(WorkerStartError, match=function):
            driver.until("ready")

    def test_closing_twice_is_harmless_even_with_a_job_at_work(self, drive, kind):
        driver = drive(kind)
        driver.submit(do="ask_for_ever")
        driver.until("ask")
        driver.executor.close()
        driver.executor.close()
