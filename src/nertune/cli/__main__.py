"""`python -m nertune.cli` is `nertune`."""

from nertune.cli import main

main()
