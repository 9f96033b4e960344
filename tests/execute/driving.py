"""What the tests of executors share: a driver that runs one to its next interesting event, and process watching."""

import os
import time
from pathlib import Path

from nertune.execute import EXECUTORS
from nertune.execute.executor import JobCode, Slot

HERE = Path(__file__).parent
LIMIT_S = 20.0  # far more than any wait here takes; a test that reaches it fails


class Driver:
    """An executor that is running, its events so far, and waits that end."""

    def __init__(self, kind, *, logs, n_slots=1, function="stub_jobs:run_job", threads=1):
        slots = [Slot(index, "cpu", threads) for index in range(n_slots)]
        self.executor = EXECUTORS[kind](slots, code=JobCode(function, extra_path=(str(HERE),)))
        self.log = logs / "job.log"
        self.events = []
        self._n_seen = 0
        self.executor.start()

    def submit(self, job_id="a", *, slot=0, **job):
        self.executor.submit(slot, {"id": job_id, **job}, log=self.log)

    def until(self, kind, *, answer="continue"):
        """The next event of this kind; questions on the way are answered."""
        limit = time.monotonic() + LIMIT_S
        while time.monotonic() < limit:
            while self._n_seen < len(self.events):
                event = self.events[self._n_seen]
                self._n_seen += 1
                if event.kind == "ask":
                    self.executor.answer(event.slot, answer)
                if event.kind == kind:
                    return event
            self.events += self.executor.poll(0.2)
        raise AssertionError(f"no {kind} within {LIMIT_S} s, only {[event.kind for event in self.events]}")

    def run(self, **job):
        """Submit a job and return its outcome."""
        self.submit(**job)
        return self.until("done").payload


def is_alive(pid):
    """Whether the process runs; zombies, which wait for a parent that we are not, do not."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    stat = Path(f"/proc/{pid}/stat")
    try:
        return not stat.exists() or stat.read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def gone_within(pids, seconds):
    """Whether none of the processes is alive, at the latest after so many seconds."""
    limit = time.monotonic() + seconds
    while any(map(is_alive, pids)) and time.monotonic() < limit:
        time.sleep(0.01)
    return not any(map(is_alive, pids))
