import errno
import fcntl
import json
import os
import subprocess
import sys

import pytest

from nertune.errors import StudyConflictError, UserError
from nertune.results.ownership import OutputLock

HOLDER = """
import os, subprocess, sys, time
from pathlib import Path
from nertune.results.ownership import OutputLock
lock = OutputLock(Path(sys.argv[1]))
lock.acquire()
if "program" in sys.argv:
    print(subprocess.Popen(["sleep", "60"], close_fds=False).pid, flush=True)
elif "fork" in sys.argv and os.fork() == 0:
    print(os.getpid(), flush=True)
elif "fork" not in sys.argv:
    print("held", flush=True)
time.sleep(60)
"""


def start_holder(folder, *arguments):
    command = [sys.executable, "-c", HOLDER, str(folder), *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


@pytest.fixture
def holder(tmp_path):
    """Another process that holds the lock on the folder."""
    process = start_holder(tmp_path)
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.communicate()


def test_second_holder_is_refused_and_told_who_holds_it(holder, tmp_path):
    with pytest.raises(StudyConflictError, match=f"process {holder.pid} on .+, since 20") as caught:
        OutputLock(tmp_path).acquire()
    assert f"kill {holder.pid}" in caught.value.fix


def test_lock_of_a_killed_holder_is_free(holder, tmp_path):
    holder.kill()
    holder.wait()
    with OutputLock(tmp_path) as lock:
        assert json.loads(lock.path.read_text())["pid"] == os.getpid()


def test_lock_is_free_after_its_release_and_within_one_process_only_then(tmp_path):
    with OutputLock(tmp_path / "new" / "folder"), pytest.raises(StudyConflictError):
        OutputLock(tmp_path / "new" / "folder").acquire()
    with OutputLock(tmp_path / "new" / "folder") as lock:
        assert lock.path.name == ".lock"


@pytest.mark.parametrize("child", ["program", "fork"])
def test_children_that_outlive_a_killed_holder_do_not_keep_the_lock(tmp_path, child):
    holder = start_holder(tmp_path, child)
    child_pid = int(holder.stdout.readline())
    holder.kill()
    holder.wait()
    try:
        with OutputLock(tmp_path) as lock:
            assert json.loads(lock.path.read_text())["pid"] == os.getpid()
    finally:
        os.kill(child_pid, 9)
        holder.communicate()


def test_folder_that_cannot_be_made_is_the_users_error(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="nothing can be written in the output folder"):
        OutputLock(tmp_path / "file").acquire()


def test_read_only_folder_is_the_users_error(tmp_path, monkeypatch):
    def refuse(*_args):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(UserError, match="Read-only file system") as caught:
        OutputLock(tmp_path).acquire()
    assert "--set output" in caught.value.fix


def test_file_system_without_locks_is_the_users_error(tmp_path, monkeypatch):
    def refuse(*_args):
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", refuse)
    with pytest.raises(UserError, match="knows no locks"):
        OutputLock(tmp_path).acquire()


def test_holder_that_wrote_nothing_yet_is_a_conflict_all_the_same(tmp_path):
    with OutputLock(tmp_path) as lock:
        lock.path.write_text("")
        with pytest.raises(StudyConflictError, match="another nertune is at work"):
            OutputLock(tmp_path).acquire()
