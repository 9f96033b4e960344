"""Several batches at a time on a CPU, each in a thread of its own.

Threads that share every operation wait for each other at its end, and small ones are not shared at all. Batches of an
evaluation do not depend on each other, and torch lets go of Python's lock while it computes.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import torch

Item = TypeVar("Item")
Result = TypeVar("Result")
MOST_LANES = 8  # more would wait for Python's lock


def in_lanes(
    work: Callable[[Iterable[Item]], Result],
    items: Sequence[Item],
    *,
    pulse: Callable[[], None],
    most: int,
) -> list[Result]:
    """What `work` makes of the items of each lane, which are every n-th; torch's threads are shared out among them.

    What torch knows by thread, such as `inference_mode` and `autocast`, is for `work` to set. An error in one lane ends
    all of them at their next item.

    pulse  called before each item of the first lane, which is run in this thread
    most   lanes, at most
    """
    n_threads = torch.get_num_threads()
    n_lanes = max(1, min(n_threads, most, len(items)))
    is_over = threading.Event()

    def items_of(lane: int) -> Iterator[Item]:
        for item in items[lane::n_lanes]:
            if is_over.is_set():
                return
            if lane == 0:
                pulse()
            yield item

    def run(lane: int) -> Result:
        try:
            return work(items_of(lane))
        except BaseException:
            is_over.set()
            raise

    if n_lanes == 1:
        return [run(0)]
    torch.set_num_threads(n_threads // n_lanes)
    try:
        with ThreadPoolExecutor(n_lanes - 1) as pool:
            others = [pool.submit(run, lane) for lane in range(1, n_lanes)]
            return [run(0), *(other.result() for other in others)]
    finally:
        torch.set_num_threads(n_threads)
