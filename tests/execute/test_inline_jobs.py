import threading
from pathlib import Path


def test_inline_jobs_run_in_this_process_on_one_slot_only(drive):
    driver = drive("inline", n_slots=2)
    driver.until("ready")
    assert [slot.index for slot in driver.executor.slots] == [0]
    assert "nertune-inline" in {thread.name for thread in threading.enumerate()}


def test_no_thread_is_left_after_closing(drive):
    driver = drive("inline")
    driver.submit(do="ask_for_ever")
    driver.until("ask")
    driver.executor.close()
    assert "nertune-inline" not in {thread.name for thread in threading.enumerate()}


def test_job_that_tells_faster_than_it_is_read_waits(drive, monkeypatch):
    monkeypatch.setattr("nertune.execute.inline.QUEUE_LIMIT", 10)
    driver = drive("inline")
    assert driver.run(do="count_to", n=500) == {"n": 500}
    assert [event.payload["number"] for event in driver.events if event.kind == "record"] == list(range(500))


def test_slot_is_ready_only_when_the_killed_job_has_ended(drive):
    driver = drive("inline")
    driver.submit(do="wait_for_release")
    name = driver.until("record").payload["file"]
    driver.executor.kill(0)
    assert driver.executor.poll(0.2) == []
    Path(name).touch()
    assert driver.until("ready").job is None
