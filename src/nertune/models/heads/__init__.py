"""What stands on the encoder: the name `model.head` is looked up here."""

from __future__ import annotations

from nertune.errors import ModelError, closest
from nertune.models.heads.head import Head
from nertune.models.heads.linear import LINEAR

HEADS = {"linear": LINEAR}


def find_head(name: str) -> Head:
    """The head of this name.

    Raises  ModelError with the closest known name
    """
    if name not in HEADS:
        near = closest(name, HEADS)
        raise ModelError(
            f"model.head is {name!r}, which is none of {', '.join(HEADS)}",
            fix=f"model.head: {near or 'linear'}",
        )
    return HEADS[name]
