"""The page of the commands, from the command line's own help: `python tests/docs/make_cli.py > docs/cli.md`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from typer.main import get_command
from typer.testing import CliRunner

from nertune.cli import app

WIDTH = 110  # columns of the help texts
HEAD = """\
# The commands

Made from `nertune --help` and its kin by `python tests/docs/make_cli.py > docs/cli.md`.

Results go to standard output, progress and messages to standard error.

| exit code | |
|---|---|
| 0 | done; failed cells, if there are any, are counted and named |
| 1 | a bug of nertune |
| 2 | the input or the data is wrong; nothing was started |
| 3 | the search ended, but no trial gave a finite score |
| 75 | stopped for now, the state is saved: SIGTERM, SIGHUP, a full disk |
| 130 | interrupted by Ctrl-C, the state is saved |
"""


def command_words() -> list[tuple[str, ...]]:
    """The commands, in the order of the help: `("search",)`, `("data", "check")`, …"""
    return [words for words, _ in _walk(get_command(app))]


def command_of(words: tuple[str, ...]) -> Any:
    """The command of these words."""
    return dict(_walk(get_command(app)))[words]


def _walk(group: Any, words: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            if command.invoke_without_command:  # a command of its own, too
                yield (*words, name), command
            yield from _walk(command, (*words, name))
        else:
            yield (*words, name), command


def help_text(*words: str) -> str:
    """What `nertune WORDS --help` prints."""
    result = CliRunner().invoke(app, [*words, "--help"], prog_name="nertune", terminal_width=WIDTH, color=False)
    return re.sub(r" +\n", "\n", result.output).strip()


def make_page() -> str:
    parts = [HEAD, _block("nertune")]
    parts += [f"## nertune {' '.join(words)}\n\n{_block('nertune', *words)}" for words in command_words()]
    return "\n".join(parts)


def _block(*words: str) -> str:
    return f"```text\n$ {' '.join(words)} --help\n{help_text(*words[1:])}\n```\n"


if __name__ == "__main__":
    print(make_page(), end="")
