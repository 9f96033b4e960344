"""An audit in the terminal: everything is there, in words, and nothing in the data moves the cursor."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from corpora import sentence, text_corpus, token_corpus
from nertune.data.audit import audit
from nertune.errors import UserError
from nertune.report import findings as report
from nertune.report.findings import finding_lines, first_different, list_places, show_audit, tables_of

PIECES = {
    "tokenizer": "t",
    "capacity": 62,
    "overlap": 31,
    "splits": [
        {
            "name": "train",
            "pieces": 90,
            "pieces_per_word": 1.5,
            "lengths": {"median": 9.0, "p95": 21.5, "max": 80.0},
            "beyond": 1,
            "words_outside": 4,
            "entities_outside": {"PER": 1, "LOC": 2},
            "entities_cut": {},
            "entities_lost": {"PER": 7},
            "vanished": 0,
            "unknown": 5,
            "pieces_lost": 18,
        }
    ],
}


def place(line, detail="d"):
    return {"path": "train.txt", "line": line, "detail": detail}


def finding(kind="leakage", severity="warning", places=(), count=None, message="something"):
    n = len(places) if count is None else count
    return {"kind": kind, "severity": severity, "message": message, "places": places, "count": n, "advice": "Do this."}


def shown(findings):
    return [line.plain for line in finding_lines(findings)]


def rows(table):
    console = Console(file=io.StringIO(), width=200, markup=False, highlight=False)
    console.print(table)
    return [line.split() for line in console.file.getvalue().splitlines() if line.strip() and "─" not in line]


def test_an_audit_has_tables_of_splits_labels_and_pieces():
    told = audit(token_corpus({"train": ["{Ada|PER} in {Oslo|LOC}", "no"], "dev": ["{Bo|PER}"]})).to_json()
    splits, labels, pieces = (rows(table) for table in tables_of({**told, "pieces": PIECES}))
    assert splits[1:] == [["train", "2", "4", "3", "2", "1", "train.txt"], ["dev", "1", "1", "1", "1", "0", "dev.txt"]]
    assert labels[1:] == [["PER", "1", "50.0", "1", "100.0"], ["LOC", "1", "50.0", "0"]]
    assert pieces[1] == ["train", "90", "1.50", "9", "22", "80", "1", "4", "3", "0", "7", "0", "5"]


def test_texts_have_a_table_without_entities():
    told = audit(text_corpus({"train": [("a b", "x"), ("c", "y")]})).to_json()
    splits, _, pieces = (rows(table) for table in tables_of({**told, "pieces": PIECES}))
    assert splits == [["split", "texts", "words", "longest", "file"], ["train", "2", "3", "2", "train.tsv"]]
    assert pieces[1][-3:] == ["18", "0", "5"]


def test_many_labels_are_summed_up():
    told = audit(text_corpus({"train": [(f"t{n}", f"label{n:02}") for n in range(40)]})).to_json()
    _, labels = (rows(table) for table in tables_of(told))
    assert (len(labels), labels[-1]) == (32, ["(10", "more)", "10", "25.0"])


def test_documents_are_a_column_where_there_are_any():
    told = audit(token_corpus({"train": [sentence("a", document="d1"), sentence("b", document="d1")]})).to_json()
    splits, _ = (rows(table) for table in tables_of(told))
    assert splits[0][1] == "documents"
    assert splits[1][1:3] == ["1", "2"]


def test_findings_are_grouped_with_severity_places_and_advice():
    lines = shown(
        [
            finding(places=[place(1, "a"), place(2, "b"), place(3, "c"), place(4, "d")], count=7, message="m1"),
            finding(places=[place(9, "")], message="m2"),
            finding("comment-lines", "notice", message="m3", count=2),
        ]
    )
    assert lines == [
        "2 warnings, 1 notice",
        "",
        "warning  leakage: m1",
        "         train.txt:1: a",
        "         train.txt:2: b",
        "         train.txt:3: c",
        "         and 4 more",
        "warning  leakage: m2",
        "         train.txt:9",
        "         → Do this.",
        "",
        "notice   comment-lines: m3",
        "         → Do this.",
        "",
        "All places of a kind: nertune data check … --list KIND, for example --list leakage",
    ]


def test_a_corpus_without_findings_is_told_so():
    assert shown([]) == ["Nothing was found that needs a look."]


def test_the_first_places_say_different_things():
    places = [place(1, "x (word 2) y"), place(2, "x (word 5) y"), place(3, "z"), place(4, "w")]
    assert [one["line"] for one in first_different(places, n=3)] == [1, 3, 4]
    assert [one["line"] for one in first_different(places[:2], n=3)] == [1, 2]
    assert first_different([], n=3) == []


def test_all_places_of_a_kind_are_listed_a_line_each():
    findings = [finding(places=[place(n) for n in range(1, 6)]), finding(places=[place(None, "")])]
    assert list_places(findings, "leakage") == [*(f"train.txt:{n}: d" for n in range(1, 6)), "train.txt"]
    assert list_places(findings, "markup") == []


def test_a_kind_that_does_not_exist_is_answered_with_the_nearest():
    with pytest.raises(UserError, match="'leakags'; found here: leakage") as error:
        list_places([finding()], "leakags")
    assert error.value.fix == "Did you mean leakage?"


def test_what_stands_in_the_data_cannot_move_the_cursor_or_be_markup(capsys):
    told = audit(
        token_corpus({"train": ["{[bold]\x1b[2J\u202e|[red]X\x1b]}", "{[bold]\x1b[2J\u202e|[red]X\x1b]}"]})
    ).to_json()
    show_audit(told)
    printed = capsys.readouterr().out
    assert "\x1b" not in printed
    assert "\u202e" not in printed
    assert "[red]X" in printed
    assert all("\x1b" not in line and "\n" not in line for line in list_places(told["findings"], "duplicates"))


def test_severity_is_said_in_words_where_there_is_colour(monkeypatch):
    console = Console(file=io.StringIO(), force_terminal=True, width=100, markup=False, highlight=False)
    monkeypatch.setattr(report, "result_console", lambda: console)
    show_audit(audit(token_corpus({"train": ["{Ada|PER}"], "dev": ["{Ada|PER}"]})).to_json())
    printed = console.file.getvalue()
    assert "\x1b[33mwarning" in printed
    assert printed.startswith("Format slots, tags iob2; task token")
