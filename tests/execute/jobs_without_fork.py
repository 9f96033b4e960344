"""Code whose import makes its template unable to fork, as a machine without free process numbers does."""

import errno
import os


def refuse():
    raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN))


os.fork = refuse


def run_job(job, channel, slot):
    return {}
