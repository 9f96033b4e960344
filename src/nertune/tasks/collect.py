"""Windows collected one by one into flat arrays."""

from __future__ import annotations

from array import array
from collections.abc import Sequence

import numpy as np

from nertune.tasks.encoded import Ints, Windows


class WindowCollector:
    """Grows the arrays of `Windows`; `array` holds 4 or 8 bytes a number where a list holds 36.

    n_heads  how many targets each item has, one for each head
    """

    def __init__(self, *, n_heads: int) -> None:
        self._pieces, self._piece_starts = array("i"), array("q", [0])
        self._example = array("i")
        self._items, self._places, self._sizes = array("q"), array("i"), array("i")
        self._targets = [array("i") for _ in range(n_heads)]
        self._home_starts = array("q", [0])
        self._types = array("b")

    def add(
        self,
        pieces: Sequence[int],
        *,
        example: int,
        items: Sequence[int],
        places: Sequence[int],
        sizes: Sequence[int],
        targets: Sequence[Sequence[int]],
        types: Sequence[int] = (),
    ) -> None:
        """One window; see `Windows` for each part. `targets` are those of each head; without `types` all are 0."""
        self._pieces.extend(pieces)
        self._piece_starts.append(len(self._pieces))
        self._example.append(example)
        self._items.extend(items)
        self._places.extend(places)
        self._sizes.extend(sizes)
        for kept, new in zip(self._targets, targets, strict=True):
            kept.extend(new)
        self._home_starts.append(len(self._items))
        self._types.frombytes(bytes(types) or bytes(len(pieces)))

    def targets(self) -> list[Ints]:
        """Those of each head, [H] int32."""
        return [np.array(targets, dtype=np.int32) for targets in self._targets]

    def windows(self) -> Windows:
        """The windows, with the targets of the first head."""
        types = np.array(self._types, dtype=np.int8)
        return Windows(
            pieces=np.array(self._pieces, dtype=np.int32),
            piece_starts=np.array(self._piece_starts, dtype=np.int64),
            example=np.array(self._example, dtype=np.int32),
            items=np.array(self._items, dtype=np.int64),
            places=np.array(self._places, dtype=np.int32),
            sizes=np.array(self._sizes, dtype=np.int32),
            targets=np.array(self._targets[0], dtype=np.int32),
            home_starts=np.array(self._home_starts, dtype=np.int64),
            types=types if types.any() else None,
        )
