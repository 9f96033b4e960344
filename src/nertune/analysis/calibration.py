"""Whether probabilities mean what they say, and where to cut them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from nertune.scores.rates import rates

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

N_BINS = 10
THRESHOLDS = tuple(round(0.05 * step, 2) for step in range(1, 20))


def calibration(confidence: Sequence[float], is_right: Sequence[bool]) -> dict[str, Any]:
    """The expected calibration error and what it is made of: in ten bins, how sure and how often right.

    confidence  the probability that was given to what was predicted, [N]
    Returns     `ece`, the mean distance of both weighted by the bins' sizes; `bins`, without empty ones: low, high, n,
                confidence, accuracy

    Source  Guo, Pleiss, Sun, Weinberger 2017, "On Calibration of Modern Neural Networks"
    """
    sure, right = np.asarray(confidence, dtype=np.float64), np.asarray(is_right, dtype=np.bool_)
    numbers = np.minimum((sure * N_BINS).astype(np.int64), N_BINS - 1)
    bins = [_bin(number, sure[numbers == number], right[numbers == number]) for number in range(N_BINS)]
    found = [one for one in bins if one["n"]]
    total = sum(one["n"] for one in found)
    distance = sum(one["n"] * abs(one["accuracy"] - one["confidence"]) for one in found)
    return {"ece": distance / total if total else None, "n": total, "bins": found}


def best_thresholds(
    gold: Sequence[Sequence[str]], probabilities: Sequence[Mapping[str, float]], *, used: Mapping[str, float]
) -> list[dict[str, Any]]:
    """Of each label of multi-label predictions: F1 at the threshold that is used, and the one with the best F1.

    used  label -> threshold
    """
    rows = []
    for label, threshold in used.items():
        sure = np.array([own[label] for own in probabilities])
        real = np.array([label in own for own in gold])
        scored = {cut: _f1(sure > cut, real) for cut in sorted({*THRESHOLDS, threshold})}
        best = max(scored, key=lambda cut: (scored[cut], -abs(cut - threshold)))
        rows.append(
            {
                "label": label,
                "support": int(real.sum()),
                "threshold": threshold,
                "f1": scored[threshold],
                "best_threshold": best,
                "best_f1": scored[best],
            }
        )
    return rows


def _bin(number: int, sure: Floats, right: Bools) -> dict[str, Any]:
    low, high = number / N_BINS, (number + 1) / N_BINS
    mean = {"confidence": float(sure.mean()), "accuracy": float(right.mean())} if len(sure) else {}
    return {"low": low, "high": high, "n": len(sure), **mean}


def _f1(found: Bools, real: Bools) -> float:
    return rates(int((found & real).sum()), found=int(found.sum()), real=int(real.sum())).f1
