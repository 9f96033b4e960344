"""A saved model -> predictions."""

import nertune.models.listing  # noqa: F401  # before transformers is imported anywhere in this room
