"""Tables of texts on the terminal and in Markdown."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from rich.console import Console

from nertune.report.grids import (
    Grid,
    count_text,
    cut_text,
    markdown_table,
    markdown_text,
    number_text,
    share_text,
    show_grid,
)
from nertune.report.text import safe_text

MARKDOWN = MarkdownIt().enable(["table", "strikethrough"])
MARKUP = st.text(st.sampled_from("\\`*_[]()<>|~$#+-=!.:/@& \t\n1ab\"'w"), max_size=20)
HOSTILE = "<script>|[x](y)`*_"


def shown(grid):
    console = Console(file=io.StringIO(), width=80, highlight=False, markup=False, emoji=False)
    show_grid(console, grid)
    return console.file.getvalue()


def rendered(markdown):
    """The visible characters, and the kinds of everything that is no plain text."""
    inline = [token for token in MARKDOWN.parse(markdown) if token.type == "inline"]
    children = [child for token in inline for child in token.children]
    text = "".join(child.content if child.type != "softbreak" else "\n" for child in children)
    return text, {child.type for child in children} - {"text", "softbreak"}


@given(MARKUP)
def test_text_from_data_is_never_markup(text):
    text = f"a{text}b"
    assert rendered(markdown_text(text)) == (safe_text(text), set())


@given(MARKUP.filter(str.strip))
def test_a_paragraph_of_data_begins_no_list_heading_or_rule(text):
    kinds = {token.type for token in MARKDOWN.parse(markdown_text(text.strip()))}
    assert kinds <= {"paragraph_open", "inline", "paragraph_close"}


@given(st.lists(MARKUP, min_size=2, max_size=2))
def test_cells_of_data_stay_in_their_cells(cells):
    markdown = markdown_table(Grid("t", ("a", "b"), [tuple(cells)]))
    kinds = [token.type for token in MARKDOWN.parse(markdown)]
    assert (kinds.count("td_open"), kinds.count("tr_open"), kinds.count("table_open")) == (2, 2, 1)


def test_a_table_has_its_title_headings_and_rows_in_both_forms():
    grid = Grid("Labels", ("label", "n"), [("PER", "1"), (HOSTILE, "20")], note="All of them.")
    assert markdown_table(grid).splitlines() == [
        "### Labels",
        "",
        "| label | n |",
        "|:--|--:|",
        "| PER | 1 |",
        r"| &lt;script&gt;\|\[x\](y)\`\*\_ | 20 |",
        "",
        "All of them.",
    ]
    lines = [line.split() for line in shown(grid).splitlines() if line.strip() and "─" not in line]
    assert lines == [["Labels"], ["label", "n"], ["PER", "1"], [HOSTILE, "20"], ["All", "of", "them."]]


def test_no_text_steers_the_terminal():
    assert "\x1b" not in shown(Grid("t\x1b[2J", ("h\x1b",), [("\x1b[31mred",)], note="\x1b"))


def test_numbers_are_as_exact_as_they_need_to_be():
    assert [count_text(12345), count_text(1, "words"), count_text(2, "words")] == ["12,345", "1 word", "2 words"]
    assert [number_text(value) for value in (3, 3.14159, None, 1234.5)] == ["3", "3.14", "–", "1,234.50"]
    assert cut_text("abcdef", limit=4) == "abc…"


@pytest.mark.parametrize(
    ("share", "text"),
    [(0, "0.0 %"), (0.0001, "< 0.1 %"), (0.123, "12.3 %"), (0.99999, "> 99.9 %"), (1, "100.0 %"), (None, "–")],
)
def test_a_share_is_told_from_nothing_and_from_all(share, text):
    assert share_text(share) == text
