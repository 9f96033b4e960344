"""Worker processes under kill -9, stops, half messages and lost templates."""

import json
import os
import resource
import select
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest
from driving import HERE, gone_within, is_alive

from nertune.execute import launch, processes
from nertune.execute.executor import JobCode, Slot, WorkerStartError
from nertune.execute.launch import launched_ahead
from nertune.execute.processes import ProcessesExecutor

on_linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")


def start_sleeper(driver, **job):
    """Have a job at work that would sleep for a minute; the pid of its worker."""
    driver.submit(do="sleep", **job)
    return driver.until("record").payload["pid"]


def run_script(text, *arguments):
    """A script, without a main guard, as a process that leads its own session."""
    command = [sys.executable, "-c", textwrap.dedent(text), str(HERE), *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True)


def test_two_hundred_jobs_on_two_slots_all_end_once_in_two_processes(drive):
    driver = drive(n_slots=2)
    jobs = [f"job-{number}" for number in range(200)]
    waiting = list(jobs)
    for slot in (0, 1):
        driver.submit(waiting.pop(), slot=slot)
    ends = []
    while len(ends) < 200:
        ends.append(driver.until("done"))
        if waiting:
            driver.submit(waiting.pop(), slot=ends[-1].slot)
    assert sorted(end.job for end in ends) == sorted(jobs)
    assert len({end.payload["pid"] for end in ends}) == 2


def test_sigkill_of_a_worker_is_told_within_a_second_and_the_slot_works_again(drive):
    driver = drive()
    os.kill(start_sleeper(driver), signal.SIGKILL)
    before = time.monotonic()
    died = driver.until("died")
    assert died.at - before < 1.0
    assert (died.job, died.payload["kind"], died.payload["status"]) == ("a", "lost", -signal.SIGKILL)
    assert driver.run(job_id="b", say=1)["echo"] == 1


def test_outcome_sent_before_the_death_counts(drive):
    driver = drive()
    driver.until("ready")
    driver.submit(say=1)
    assert select.select([driver.executor._seats[0].worker.connection._sock], [], [], 20.0)[0]  # the answer is there
    os.kill(driver.events[0].payload["pid"], signal.SIGKILL)
    time.sleep(0.2)
    assert driver.until("done").job == "a"
    assert driver.until("died").job is None


@pytest.mark.parametrize("end", ["kill", "sigkill", "exit"])
def test_grandchildren_die_with_their_worker(drive, end):
    driver = drive()
    driver.submit(do="have_children", then=end)
    told = driver.until("record").payload
    if end == "kill":
        driver.executor.kill(0)
    elif end == "sigkill":
        os.kill(told["pid"], signal.SIGKILL)
    driver.until("ready")
    assert gone_within([told["pid"], *told["children"]], 1.0)


def test_worker_stopped_in_the_middle_of_a_message_blocks_nobody(drive):
    driver = drive(n_slots=2)
    driver.submit(do="stop_in_message")
    stopped = driver.until("record").payload["pid"]
    assert driver.run(job_id="b", slot=1, say="alive")["echo"] == "alive"
    before = time.monotonic()
    assert driver.executor.poll(0.1) == []
    driver.executor.kill(0)
    driver.until("ready")
    assert driver.run(job_id="c", say="again")["echo"] == "again"
    assert time.monotonic() - before < 5.0
    assert [event.kind for event in driver.events if event.job == "a"] == ["record"]
    assert gone_within([stopped], 1.0)


def test_jobs_larger_than_the_socket_take_do_not_block_the_coordinator(drive):
    driver = drive()
    driver.until("ready")
    os.kill(driver.events[0].payload["pid"], signal.SIGSTOP)
    before = time.monotonic()
    driver.submit(say="x" * 5_000_000)
    assert time.monotonic() - before < 2.0
    os.kill(driver.events[0].payload["pid"], signal.SIGCONT)
    assert len(driver.until("done").payload["echo"]) == 5_000_000


@pytest.mark.parametrize("garbage", ["what?\n", "[1]\n", '{"type": "nonsense", "payload": {}}\n', '{"type": "done"}\n'])
def test_worker_that_sends_garbage_is_replaced(drive, garbage):
    driver = drive()
    driver.submit(do="write_garbage", garbage=garbage)
    died = driver.until("died")
    assert died.job == "a"
    assert "the worker sent" in died.payload["message"]
    assert driver.run(job_id="b", say=1)["echo"] == 1


def test_message_without_end_is_cut_off(drive, monkeypatch):
    monkeypatch.setattr("nertune.execute.wire.MAX_LINE_BYTES", 100_000)
    driver = drive()
    driver.submit(do="write_garbage", garbage="x" * 150_000)
    assert "longer than" in driver.until("died").payload["message"]


def test_worker_that_closed_its_connection_is_replaced(drive):
    driver = drive()
    driver.submit(do="close_descriptors")
    assert driver.until("died").job == "a"
    assert driver.run(job_id="b", say=1)["echo"] == 1


def test_record_of_a_job_that_ended_is_not_taken_for_the_next_one(drive):
    driver = drive()
    driver.run(do="tell_late")
    driver.submit(job_id="b", do="sleep")
    driver.until("record")
    time.sleep(0.4)
    assert driver.executor.poll(0.0) == []


def test_sigkill_of_the_template_replaces_all_workers(drive):
    driver = drive(n_slots=2)
    pids = [start_sleeper(driver, job_id=f"job-{slot}", slot=slot) for slot in (0, 1)]
    os.kill(driver.executor._template.pid, signal.SIGKILL)
    assert {driver.until("died").job, driver.until("died").job} == {"job-0", "job-1"}
    assert [driver.run(job_id=f"new-{slot}", slot=slot, say=slot)["echo"] for slot in (0, 1)] == [0, 1]
    assert gone_within(pids, 1.0)


def test_template_that_stands_still_is_replaced_after_its_limit(drive, monkeypatch):
    monkeypatch.setattr(processes, "FORK_S", 0.2)
    monkeypatch.setattr(processes, "DEATH_S", 0.2)
    driver = drive()
    driver.until("ready")
    os.kill(driver.executor._template.pid, signal.SIGSTOP)
    driver.executor.kill(0)
    assert driver.run(say="after all")["echo"] == "after all"


def test_closing_leaves_no_process(drive):
    driver = drive(n_slots=2)
    driver.submit(do="have_children")
    told = driver.until("record").payload
    template = driver.executor._template.pid
    driver.executor.close()
    assert gone_within([template, told["pid"], *told["children"]], 0.5)


def test_closing_gets_rid_of_a_template_that_stands_still(drive, monkeypatch):
    monkeypatch.setattr(processes, "END_S", 0.1)
    driver = drive()
    pid = start_sleeper(driver)
    os.kill(driver.executor._template.pid, signal.SIGSTOP)
    template = driver.executor._template.pid
    driver.executor.close()
    assert gone_within([template, pid], 1.0)


COORDINATOR = """
    import json, sys
    from pathlib import Path
    from nertune.execute import EXECUTORS
    from nertune.execute.executor import JobCode, Slot

    code = JobCode("stub_jobs:run_job", extra_path=(sys.argv[1],))
    executor = EXECUTORS["processes"]([Slot(0, "cpu", 1)], code=code)
    executor.start()
    executor.submit(0, {"id": "a", **json.loads(sys.argv[2])}, log=Path(sys.argv[3]))
    while True:
        for event in executor.poll(5.0):
            print(json.dumps([event.kind, event.payload, executor._template.pid]), flush=True)
            if event.kind == "done":
                executor.close()
                sys.exit(0)
"""


def test_script_without_main_guard_can_run_jobs(tmp_path):
    process = run_script(COORDINATOR, json.dumps({"say": "hello"}), str(tmp_path / "log"))
    output, _ = process.communicate(timeout=20)
    assert process.returncode == 0
    assert json.loads(output.splitlines()[-1])[1]["echo"] == "hello"


def test_sigkill_of_the_coordinator_leaves_no_process(tmp_path):
    process = run_script(COORDINATOR, json.dumps({"do": "have_children"}), str(tmp_path / "log"))
    process.stdout.readline()
    _, told, template = json.loads(process.stdout.readline())
    pids = [template, told["pid"], *told["children"]]
    assert all(map(is_alive, pids))
    process.kill()
    assert gone_within(pids, 2.0)
    process.communicate()


def test_sigkill_of_the_coordinator_ends_a_template_that_still_imports(tmp_path):
    (tmp_path / "slow_module.py").write_text("import os, time\nprint(1)\ntime.sleep(60)\n")
    script = COORDINATOR.replace("stub_jobs:run_job", "slow_module:run").replace(
        "executor.submit", "print(executor._template.pid, flush=True); executor.submit"
    )
    process = run_script(script.replace("(sys.argv[1],)", f"({str(tmp_path)!r},)"), "{}", str(tmp_path / "log"))
    template = int(process.stdout.readline())
    time.sleep(0.5)
    assert is_alive(template)
    process.kill()
    assert gone_within([template], 2.0)
    process.communicate()


def test_the_first_executor_takes_the_template_that_was_launched_ahead(drive, stubs_ahead):
    with launched_ahead():
        (ahead,) = stubs_ahead
        first = drive()
        assert first.executor._template is ahead
        second = drive()
        assert second.executor._template.pid != ahead.pid
        assert [driver.run(say=1)["echo"] for driver in (first, second)] == [1, 1]
    assert first.run(job_id="b", say=2)["echo"] == 2  # it is the executor's now


@pytest.mark.parametrize(
    "options", [{"function": "jobs_unprepared:run_job"}, {"threads": 2}, {"kind": "inline"}], ids=str
)
def test_a_template_that_was_launched_ahead_in_vain_is_ended(drive, stubs_ahead, options):
    with launched_ahead():
        (ahead,) = stubs_ahead
        drive(**options)
        assert gone_within([ahead.pid], 1.0)


def test_a_template_that_nobody_took_ends_with_the_block(stubs_ahead):
    with launched_ahead():
        (ahead,) = stubs_ahead
        assert is_alive(ahead.pid)
    assert gone_within([ahead.pid], 1.0)


def test_sigkill_of_the_coordinator_ends_a_template_that_was_launched_ahead():
    script = "from nertune.execute import launch\nwith launch.launched_ahead():\n"
    script += "    print(launch._ahead[0].pid, flush=True); input()"
    process = subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    ahead = int(process.stdout.readline())
    assert is_alive(ahead)
    process.kill()
    assert gone_within([ahead], 2.0)
    process.communicate()


@pytest.fixture
def stubs_ahead(monkeypatch):
    """The templates that are launched ahead, for stub jobs."""
    monkeypatch.setattr(launch, "JobCode", lambda: JobCode("stub_jobs:run_job", extra_path=(str(HERE),)))
    return launch._ahead


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_workers_and_template_live_through_what_a_terminal_sends(drive, number):
    driver = drive()
    driver.until("ready")
    for pid in (driver.executor._template.pid, driver.events[0].payload["pid"]):
        os.kill(pid, number)
    time.sleep(0.1)
    assert driver.run()["pid"] == driver.events[0].payload["pid"]


def test_output_of_a_job_goes_to_its_log_also_from_programs_it_runs(drive):
    driver = drive()
    driver.run(do="shout")
    driver.run(job_id="b", say="quiet")
    assert sorted(driver.log.read_text().splitlines()) == ["from a program", "from python", "to stderr"]


def test_log_that_cannot_be_written_is_a_failure_of_the_job(drive, tmp_path):
    driver = drive()
    (tmp_path / "file").touch()
    driver.log = tmp_path / "file" / "log"
    driver.submit()
    assert str(tmp_path / "file") in driver.until("failed").payload["message"]
    driver.log = tmp_path / "log"
    assert driver.run(job_id="b", say=1)["echo"] == 1


def test_threads_and_devices_are_set_before_a_job_starts(drive):
    assert drive().run(do="environment") == {
        "slot": [0, "cpu", 1],
        "OMP_NUM_THREADS": "1",
        "TOKENIZERS_PARALLELISM": "false",
        "CUDA_VISIBLE_DEVICES": "",
    }


def test_worker_sees_its_own_gpu_only(tmp_path, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2,5")
    code = JobCode("stub_jobs:run_job", extra_path=(str(HERE),))
    executor = ProcessesExecutor([Slot(0, "cuda:0", 3), Slot(1, "cuda:1", 3)], code=code)
    executor.start()
    executor.submit(1, {"id": "a", "do": "environment"}, log=tmp_path / "log")
    done = []
    while not done:  # the other worker may become ready before or after
        done = [event for event in executor.poll(5.0) if event.kind == "done"]
    executor.close()
    assert done[0].payload["slot"] == [1, "cuda:0", 3]
    assert done[0].payload["CUDA_VISIBLE_DEVICES"] == "5"


@on_linux
def test_fifty_kills_leak_no_descriptor_anywhere(drive):
    driver = drive(n_slots=2)
    for _slot in range(2):
        driver.until("ready")  # the template holds one more while it makes a worker
    before = driver.run(do="descriptors"), len(list(Path("/proc/self/fd").iterdir()))
    for number in range(50):
        driver.executor.kill(number % 2)
        driver.until("ready")
    after = driver.run(job_id="b", do="descriptors"), len(list(Path("/proc/self/fd").iterdir()))
    assert after == before


def test_machine_that_refuses_to_fork_is_an_error_after_some_tries(drive, monkeypatch):
    monkeypatch.setattr(processes, "FIRST_PAUSE_S", 0.01)
    driver = drive(function="jobs_without_fork:run_job")
    driver.submit()
    with pytest.raises(WorkerStartError, match="fork: Resource temporarily unavailable"):
        driver.until("ready")
    died = [(event.job, event.payload["given_up"]) for event in driver.events]
    assert died == [(None, False)] * (processes.START_TRIES - 1) + [("a", True)]


def test_template_without_descriptors_is_an_error_that_says_so(drive, monkeypatch):
    monkeypatch.setattr(processes, "FIRST_PAUSE_S", 0.01)
    driver = drive(function="jobs_without_descriptors:run_job")
    with pytest.raises(WorkerStartError, match="too many open files"):
        driver.until("ready")


def test_worker_that_cannot_be_prepared_is_an_error_that_says_why(drive, monkeypatch):
    monkeypatch.setattr(processes, "FIRST_PAUSE_S", 0.01)
    driver = drive(function="jobs_unprepared:run_job")
    with pytest.raises(WorkerStartError, match="no GPU answers"):
        driver.until("ready")


def test_template_that_dies_while_importing_is_an_error_with_its_last_words(drive, monkeypatch):
    monkeypatch.setattr(processes, "FIRST_PAUSE_S", 0.01)
    driver = drive(function="jobs_that_crash:run_job")
    with pytest.raises(WorkerStartError, match="about to crash"):
        driver.until("ready")


def test_coordinator_without_descriptors_says_so_and_recovers(drive, monkeypatch):
    monkeypatch.setattr(processes, "FIRST_PAUSE_S", 0.3)
    driver = drive()
    driver.until("ready")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    os.kill(driver.events[0].payload["pid"], signal.SIGKILL)
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))
    try:
        messages = [driver.until("died").payload["message"] for _ in range(2)]
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert "Too many open files" in messages[1]
    assert driver.run(say=1)["echo"] == 1


def test_the_coordinator_never_imports_what_jobs_import():
    modules = subprocess.check_output([sys.executable, "-c", IMPORTS, str(HERE)], text=True, timeout=20).split()
    assert "nertune.execute.processes" in modules
    assert {"stub_jobs", "torch", "transformers", "optuna", "aim"}.isdisjoint(modules)


IMPORTS = """
import sys
import nertune.execute.processes
from nertune.execute.executor import JobCode, Slot
code = JobCode("stub_jobs:run_job", extra_path=(sys.argv[1],))
executor = nertune.execute.processes.ProcessesExecutor([Slot(0, "cpu", 1)], code=code)
executor.start()
executor.poll(5.0)
executor.close()
print(*sys.modules)
"""
