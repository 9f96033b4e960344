"""One fit: model + encoded fold + point + seed."""

import nertune.models.environment  # noqa: F401  # before transformers is imported anywhere in this room
