"""Where jobs run: worker processes of this machine, or this process itself."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from nertune.execute.executor import Executor, JobCode, Slot


def open_processes(slots: Sequence[Slot], *, code: JobCode) -> Executor:
    """Warm worker processes, one a slot (`execute.kind: processes`)."""
    from nertune.execute.processes import ProcessesExecutor

    return ProcessesExecutor(slots, code=code)


def open_inline(slots: Sequence[Slot], *, code: JobCode) -> Executor:
    """One thread of this process (`execute.kind: inline`)."""
    from nertune.execute.inline import InlineExecutor
    from nertune.execute.launch import drop_ahead

    drop_ahead()
    return InlineExecutor(slots, code=code)


EXECUTORS: dict[str, Callable[..., Executor]] = {"processes": open_processes, "inline": open_inline}
