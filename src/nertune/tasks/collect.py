"""Windows collected one by one into flat arrays."""

from __future__ import annotations

from array import array
from collections.abc import Sequence

import numpy as np

from nertune.tasks.encoded import Windows


class WindowCollector:
    """Grows the arrays of `Windows`; `array` holds 4 or 8 bytes a number where a list holds 36."""

    def __init__(self) -> None:
        self._pieces, self._piece_starts = array("i"), array("q", [0])
        self._example = array("i")
        self._items, self._places, self._targets = array("q"), array("i"), array("i")
        self._home_starts = array("q", [0])
        self._types = array("b")

    def add(
        self,
        pieces: Sequence[int],
        *,
        example: int,
        items: Sequence[int],
        places: Sequence[int],
        targets: Sequence[int],
        types: Sequence[int] = (),
    ) -> None:
        """One window; see `Windows` for what each part is. Without `types` all are 0."""
        self._pieces.extend(pieces)
        self._piece_starts.append(len(self._pieces))
        self._example.append(example)
        self._items.extend(items)
        self._places.extend(places)
        self._targets.extend(targets)
        self._home_starts.append(len(self._items))
        self._types.frombytes(bytes(types) or bytes(len(pieces)))

    def windows(self) -> Windows:
        types = np.array(self._types, dtype=np.int8)
        return Windows(
            pieces=np.array(self._pieces, dtype=np.int32),
            piece_starts=np.array(self._piece_starts, dtype=np.int64),
            example=np.array(self._example, dtype=np.int32),
            items=np.array(self._items, dtype=np.int64),
            places=np.array(self._places, dtype=np.int32),
            targets=np.array(self._targets, dtype=np.int32),
            home_starts=np.array(self._home_starts, dtype=np.int64),
            types=types if types.any() else None,
        )
