"""Code whose import leaves its template just the three descriptors that its loop needs, and none to receive."""

import os
import resource

three = [os.dup(0) for _ in range(3)]
resource.setrlimit(resource.RLIMIT_NOFILE, (max(three) + 1, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
for fd in three:
    os.close(fd)


def run_job(job, channel, slot):
    return {}
