"""Numbers, durations and foreign text as the terminal shows them."""

from __future__ import annotations

import unicodedata
from datetime import datetime
from fractions import Fraction
from typing import Any


def safe_text(text: object) -> str:
    """Text from data or file names without control characters, which could move the cursor or recolour the screen."""
    return "".join("�" if _moves_the_cursor(letter) else letter for letter in str(text))


def _moves_the_cursor(letter: str) -> bool:
    """Control characters, half surrogates, line and paragraph separators, and marks that turn the reading direction."""
    turns = unicodedata.bidirectional(letter) in ("LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI")
    return turns or unicodedata.category(letter) in ("Cc", "Cs", "Zl", "Zp")


def duration_text(seconds: float | None) -> str:
    """`48s`, `3m12s`, `2h05m`."""
    if seconds is None:
        return "–"
    whole = round(seconds)
    if whole < 60:
        return f"{whole}s" if seconds >= 10 else f"{seconds:.1f}s"
    if whole < 3600:
        return f"{whole // 60}m{whole % 60:02d}s"
    return f"{whole // 3600}h{whole % 3600 // 60:02d}m"


def left_text(done: int, total: int, *, seconds: float) -> str:
    """`about 3m12s left`: when the rest of a work takes as long a piece as what is done, which took so many seconds."""
    return f"about {duration_text(seconds / done * (total - done))} left" if done else "time left unknown"


def size_text(n_bytes: float) -> str:
    """`0.5 GiB`, of little `12 MiB`."""
    return f"{n_bytes / 2**20:.0f} MiB" if n_bytes < 2**30 / 10 else f"{n_bytes / 2**30:.1f} GiB"


def file_size_text(n_bytes: int) -> str:
    """`512 B`, `12.3 KiB`, `86.1 MiB`, `1.3 GiB`."""
    size = float(n_bytes)
    for unit in ("B", "KiB", "MiB"):
        if size < 1000:
            return f"{size:.0f} B" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.1f} GiB"


def moment_text(moment: str) -> str:
    """A time of the record in the local zone: `11-21 10:38`, of another year `2025-11-21`."""
    local = datetime.fromisoformat(moment).astimezone()
    return local.strftime("%m-%d %H:%M" if local.year == datetime.now().year else "%Y-%m-%d")


def score_text(value: float | None) -> str:
    """Four digits behind the point; a dash where there is no finite number."""
    return "–" if value is None else f"{value:.4f}"


def spread_text(mean: float | None, sd: float | None) -> str:
    """`0.8123 ± 0.0105`; the mean alone where nothing has a spread."""
    return score_text(mean) if sd is None else f"{score_text(mean)} ± {score_text(sd)}"


def value_text(value: Any) -> str:
    """A searched value: floats short (`1e-05`, `0.001`), everything else as it is."""
    return format(value, ".6g") if isinstance(value, float) else safe_text(value)


def short_key(key: str) -> str:
    """`train.learning_rate` as a column's heading: `learning rate`."""
    return key.removeprefix("train.").removeprefix("model.").removeprefix("config.").replace("_", " ")


def score_name(name: str) -> str:
    """A score as people write it: `macro F1`."""
    return name.replace("_", " ").replace("f1", "F1")


def share_text(share: float | None) -> str:
    """`1/9`, `2/3`, `0.15`: a share as people say it."""
    if share is None:
        return "–"
    near = Fraction(share).limit_denominator(30)
    return str(near) if abs(near - share) < 1e-4 else format(share, ".3g")


def epoch_text(epoch: float | None) -> str:
    """`3`, or `2.5` when evaluated within epochs."""
    return "–" if epoch is None else format(round(epoch, 2), "g")
