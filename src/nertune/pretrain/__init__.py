"""Plain text -> tokenizer and small encoder."""

import nertune.models.environment  # noqa: F401  # before transformers is imported anywhere in this room
