"""Jobs of milliseconds for the tests of the executors; imported by template processes under this name."""

import os
import signal
import stat
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path


def run_job(job, channel, slot):
    return ACTIONS[job.get("do", "echo")](job, channel, slot)


def echo(job, channel, slot):
    return {"echo": job.get("say"), "pid": os.getpid()}


def converse(job, channel, slot):
    channel.tell({"step": 1})
    verdicts = [channel.ask({"epoch": epoch}) for epoch in (1, 2)]
    channel.tell({"step": 2})
    return {"verdicts": verdicts}


def count_to(job, channel, slot):
    for number in range(job["n"]):
        channel.tell({"number": number})
    return {"n": job["n"]}


def sleep(job, channel, slot):
    channel.tell({"pid": os.getpid()})
    time.sleep(60)
    return {}


def ask_for_ever(job, channel, slot):
    while True:
        channel.ask({})


def have_children(job, channel, slot):
    program = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    fork = os.fork()
    if fork == 0:
        time.sleep(60)
    channel.tell({"pid": os.getpid(), "children": [program.pid, fork]})
    if job.get("then") == "exit":
        os._exit(3)
    time.sleep(60)
    return {}


def stop_in_message(job, channel, slot):
    """Half a message on the socket, then this process stands still, as under SIGSTOP by hand."""
    channel.tell({"pid": os.getpid()})
    socket_fd = next(fd for fd in range(3, 64) if _is_socket(fd))
    os.write(socket_fd, b'{"type": "done", "job": "')
    os.kill(os.getpid(), signal.SIGSTOP)
    return {}


def write_garbage(job, channel, slot):
    os.write(next(fd for fd in range(3, 64) if _is_socket(fd)), job["garbage"].encode())
    time.sleep(60)
    return {}


def close_descriptors(job, channel, slot):
    os.closerange(3, 64)
    return {}


def tell_late(job, channel, slot):
    def late():
        time.sleep(0.2)
        channel.tell({"late": True})

    threading.Thread(target=late).start()
    return {}


def shout(job, channel, slot):
    print("from python")
    subprocess.run(["echo", "from a program"], check=True)
    print("to stderr", file=sys.stderr)
    return {}


def fail(job, channel, slot):
    errors = {"value": ValueError("no good"), "memory": MemoryError(), "exit": SystemExit(4)}
    raise errors[job["how"]]


def wait_for_release(job, channel, slot):
    """Until the file is there, deaf to the coordinator."""
    file = Path(tempfile.mkdtemp()) / "released"
    channel.tell({"file": str(file)})
    while not file.exists():
        time.sleep(0.01)
    channel.tell({})
    return {}


def bad_outcome(job, channel, slot):
    return {"not": object()}


def environment(job, channel, slot):
    names = ("OMP_NUM_THREADS", "TOKENIZERS_PARALLELISM", "CUDA_VISIBLE_DEVICES")
    return {"slot": [slot.index, slot.device, slot.threads], **{name: os.environ.get(name) for name in names}}


def descriptors(job, channel, slot):
    return {who: len(list(Path(f"/proc/{who}/fd").iterdir())) for who in ("self", os.getppid())}


def prepared(job, channel, slot):
    return {"prepared": list(PREPARED)}


PREPARED = []


def prepare_worker(slot):
    PREPARED.append(slot.index)


def _is_socket(fd):
    try:
        return stat.S_ISSOCK(os.fstat(fd).st_mode)
    except OSError:
        return False


ACTIONS = {
    action.__name__: action
    for action in (
        echo,
        converse,
        count_to,
        sleep,
        ask_for_ever,
        have_children,
        stop_in_message,
        write_garbage,
        close_descriptors,
        tell_late,
        wait_for_release,
        shout,
        fail,
        bad_outcome,
        environment,
        descriptors,
        prepared,
    )
}
