"""Names of documents as a file format or a file system can hold them, each one once."""

from __future__ import annotations

import re

from nertune.data.notices import Notices
from nertune.data.source import quoted
from nertune.errors import Where

LONGEST = 180  # bytes, which leaves room for a number and an ending within a file system's 255


class UniqueNames:
    """Makes the names of one file or folder: `forbidden` characters become `_`, a name taken before gets a number."""

    def __init__(self, *, forbidden: re.Pattern[str], losses: Notices) -> None:
        self._forbidden, self._losses = forbidden, losses
        self._used: dict[str, int] = {}  # the number that the next document of that name gets

    def make(self, id: str, *, where: Where) -> str:
        """The name of a document; one that differs from its id is counted."""
        clean = self._forbidden.sub("_", id).encode("utf-8", "replace")[:LONGEST].decode("utf-8", "ignore") or "_"
        name = clean
        while name.casefold() in self._used:  # macOS takes A.txt and a.txt for one file
            number = self._used[clean.casefold()]
            self._used[clean.casefold()] = number + 1
            name = f"{clean}-{number}"
        self._used[name.casefold()] = 2
        if name != id:
            self._losses.add("changed-names", where, f"{quoted(id)} → {quoted(name)}")
        return name
