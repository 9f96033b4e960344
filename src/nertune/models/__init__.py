"""Modules and weights."""

import nertune.models.environment  # noqa: F401  # before transformers is imported anywhere in this room
