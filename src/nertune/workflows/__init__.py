"""The stories, each readable top to bottom. `from nertune.workflows import search` is the command, from Python."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nertune.workflows.best_and_train import best_and_train
    from nertune.workflows.check import check
    from nertune.workflows.pretrain import pretrain
    from nertune.workflows.search import search

__all__ = ["best_and_train", "check", "pretrain", "search"]


def __getattr__(name: str) -> Any:
    """A workflow is imported when it is first asked for: `--help` and `check` take a blink."""
    if name in __all__:
        return getattr(import_module(f"nertune.workflows.{name}"), name)
    raise AttributeError(name)
