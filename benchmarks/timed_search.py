"""`nertune search STUDY --workers 1` with the jobs of `timed_jobs.py` in place of fits.

python benchmarks/timed_search.py STUDY
"""

from __future__ import annotations

import sys
from pathlib import Path

from nertune.execute.executor import JobCode
from nertune.report.progress import open_progress
from nertune.workflows import opening
from nertune.workflows.run_search import search


def no_modelling_code(base: str) -> tuple[str, ...]:
    """No worker needs any."""
    del base
    return ()


opening.JOB_CODE = JobCode(function="timed_jobs:run_job", extra_path=(str(Path(__file__).resolve().parent),))
opening.modelling_code = no_modelling_code
search(Path(sys.argv[1]), progress=open_progress(), workers=1)
