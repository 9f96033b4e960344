"""The command line with stub jobs, as a program of its own, so that a test can kill it: stub_search.py WORDS."""

from __future__ import annotations

import sys
from pathlib import Path

from nertune import cli
from nertune.execute.executor import JobCode
from nertune.workflows import opening

opening.JOB_CODE = JobCode(function="stub_fits:run_job", extra_path=(str(Path(__file__).parent),))
opening.modelling_code = lambda base: ()
sys.argv[0] = "nertune"
cli.main()
