"""The stories, each readable top to bottom. `from nertune.workflows import search` is the command, from Python."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nertune.workflows.run_best import best
    from nertune.workflows.run_best_and_train import best_and_train
    from nertune.workflows.run_check import check
    from nertune.workflows.run_compare import compare
    from nertune.workflows.run_evaluate import evaluate
    from nertune.workflows.run_predict import predict
    from nertune.workflows.run_pretrain import pretrain
    from nertune.workflows.run_report import report
    from nertune.workflows.run_search import search
    from nertune.workflows.run_train import train
    from nertune.workflows.run_ui import ui

__all__ = [
    "best",
    "best_and_train",
    "check",
    "compare",
    "evaluate",
    "predict",
    "pretrain",
    "report",
    "search",
    "train",
    "ui",
]


def __getattr__(name: str) -> Any:
    """A workflow is imported when it is first asked for. Modules have other names than their functions, or importing
    one would put the module in the function's place."""
    if name in __all__:
        return getattr(import_module(f"nertune.workflows.run_{name}"), name)
    raise AttributeError(f"nertune.workflows has no {name}")
