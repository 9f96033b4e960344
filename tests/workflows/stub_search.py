"""A search with stub jobs as a program of its own, so that a test can kill it.

stub_search.py STUDY [keywords of `search` as JSON]
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from nertune.errors import NertuneError
from nertune.execute.executor import JobCode
from nertune.report.progress import open_progress
from nertune.workflows import opening
from nertune.workflows.run_search import search

opening.JOB_CODE = JobCode(function="stub_fits:run_job", extra_path=(str(Path(__file__).parent),))
opening.modelling_code = lambda base: ()
try:
    keywords = json.loads(sys.argv[2]) if len(sys.argv) > 2 else {}
    outcome = search(Path(sys.argv[1]), progress=open_progress(), **keywords)
    print(outcome.best.number)
except NertuneError as error:
    print(f"{type(error).__name__}: {error}", file=sys.stderr)
    sys.exit(error.exit_code)
