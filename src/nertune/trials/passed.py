"""What an attempt leaves for the next one: the fits of a trial that are over, and what names the others."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from nertune.results.files import write_text
from nertune.results.records import FitRecord
from nertune.spec.fingerprint import fingerprint, setting_digest
from nertune.trials.job import Job

FITS = "fits.json"
DECIDING = ("nertune", "torch", "transformers")  # packages that decide the bits of a fit


def key_of(job: Job, planned: Mapping[str, Any] | None, *, precision: str, device: str) -> str:
    """Names all that decides a fit, or with None a trial's fits: what another key left is of no use.

    How many examples are on the device at once does not count: after running out of memory they are fewer.
    """
    spec = job.study
    decides = {
        "setting": setting_digest(spec),
        "data": spec.model_dump(mode="json", include={"data"}),
        "objective": spec.search.objective,
        "protocol": spec.protocol.model_dump(mode="json"),
        "splits": dict(job.fingerprints),
        "seed": job.seed,
        "stop_after_epoch": job.stop_after_epoch,
        "precision": precision,
        "device": device.split(":")[0],
        "versions": {name: version(name) for name in DECIDING},
        "fit": planned,
    }
    return fingerprint(decides)[:32]


def write_fits(job: Job, records: Sequence[FitRecord], *, precision: str, device: str) -> None:
    """Keep the fits of a trial that are over."""
    told = {
        "key": key_of(job, None, precision=precision, device=device),
        "fits": [record.to_json() for record in records],
    }
    write_text(job.checkpoint_path / FITS, json.dumps(told))


def read_fits(job: Job, *, precision: str, device: str) -> list[FitRecord]:
    """The fits that an earlier attempt has done; none where their file is missing, torn, or of another trial."""
    try:
        told = json.loads((Path(job.resume or "") / FITS).read_text(encoding="utf-8"))
        if job.resume is None or told["key"] != key_of(job, None, precision=precision, device=device):
            return []
        return [FitRecord.from_json({**fit, "stopped": None}) for fit in told["fits"]]
    except (OSError, ValueError, KeyError, TypeError):
        return []
