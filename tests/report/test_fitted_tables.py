"""Tables fit the terminal, and are whole elsewhere."""

from __future__ import annotations

import io

import pytest
from rich.cells import cell_len
from rich.console import Console

from nertune.report.fitted import Column, fit_columns, show_columns

ROWS = 3


def columns() -> list[Column]:
    return [
        Column("id", ["1", "22", "333"]),
        Column("study", ["a" * 40, "b", "c"], rank=1, least=8, is_text=True),
        Column("score", ["0.5000", "–", "0.2500"]),
        Column("folder", ["runs/" + "x" * 60, "", "数据/结果😀"], rank=2, least=12, is_text=True),
    ]


def shown(width: int | None, *, dumb: bool = False, rows: list[Column] | None = None) -> list[str]:
    stream = io.StringIO()
    terminal = {} if width is None else {"width": width, "force_terminal": True}
    environment = {"TERM": "dumb"} if dumb else {"TERM": "xterm"}
    console = Console(file=stream, color_system=None, _environ=environment, **terminal)
    show_columns(console, rows or columns())
    return stream.getvalue().splitlines()


@pytest.mark.parametrize("width", [20, 40, 60, 80, 100, 200])
def test_no_line_is_wider_than_the_terminal(width: int) -> None:
    lines = shown(width)
    assert len(lines) == 2 + ROWS
    assert max(cell_len(line) for line in lines) <= width


def test_what_matters_least_goes_first() -> None:
    names = {
        width: [column.heading for column, _ in fit_columns(columns(), width=width)] for width in (200, 40, 32, 20)
    }
    assert names == {
        200: ["id", "study", "score", "folder"],
        40: ["id", "study", "score", "folder"],
        32: ["id", "study", "score"],
        20: ["id", "score"],
    }


def test_numbers_stand_to_the_right_and_texts_are_cut_with_a_sign() -> None:
    lines = shown(60)
    assert lines[2].startswith("  1  aaaa")
    assert "…" in lines[2]
    assert [line.index(".") for line in (lines[2], lines[4])] == [lines[2].index(".")] * 2


def test_nothing_is_cut_in_a_pipe() -> None:
    text = "\n".join(shown(None))
    assert "a" * 40 in text
    assert "x" * 60 in text


def test_a_dumb_terminal_gets_no_box_characters() -> None:
    assert "─" not in "".join(shown(80, dumb=True))
    assert "---" in "".join(shown(80, dumb=True))


def test_text_of_the_data_is_no_markup_and_moves_no_cursor() -> None:
    [_, _, line] = shown(None, rows=[Column("label", ["[bold red]x[/] :smile: \x1b[31m\u202eabc"], is_text=True)])
    assert line.strip() == "[bold red]x[/] :smile: �[31m�abc"
