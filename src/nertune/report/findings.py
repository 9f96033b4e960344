"""An audit as people read it: tables of sizes, labels and pieces, then the findings with their first places."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any

from rich import box
from rich.table import Table
from rich.text import Text

from nertune.data.audit import ALL_KINDS
from nertune.errors import UserError, closest
from nertune.report.tables import result_console
from nertune.report.text import safe_text

SHOWN_PLACES = 3
SHOWN_LABELS = 30
STYLES = {"error": "bold red", "warning": "yellow", "notice": ""}  # beside the word itself, never instead of it
INDENT = " " * 9

WORD_NUMBER = re.compile(r" \(word \d+\)")

Told = Mapping[str, Any]


def show_audit(told: Told) -> None:
    """Sizes, labels, pieces if they were counted, and findings, the gravest first.

    told  `Summary.to_json()`, with `PieceSummary.to_json()` as `pieces` if there is one
    """
    console = result_console()
    console.print(_text(form_text(told)))
    console.print()
    for table in tables_of(told):
        console.print(table)
        console.print()
    for line in finding_lines(told["findings"]):
        console.print(line, soft_wrap=True)


def list_places(findings: Sequence[Told], kind: str) -> list[str]:
    """`FILE:LINE: DETAIL` of all places of one kind, in the order of the findings.

    Raises  UserError if there is no such kind
    """
    if kind not in ALL_KINDS and all(finding["kind"] != kind for finding in findings):
        near = closest(kind, ALL_KINDS)
        found = ", ".join(dict.fromkeys(finding["kind"] for finding in findings)) or "none"
        raise UserError(
            f"no kind of finding is named {kind!r}; found here: {found}",
            fix=f"Did you mean {near}?" if near else f"There are: {', '.join(sorted(ALL_KINDS))}",
        )
    return [place_text(place) for finding in findings if finding["kind"] == kind for place in finding["places"]]


def place_text(place: Told) -> str:
    """`dev.txt:12: what stands there`."""
    where = place["path"] if place["line"] is None else f"{place['path']}:{place['line']}"
    return safe_text(f"{where}: {place['detail']}" if place["detail"] else where)


# ---- tables


def form_text(told: Told) -> str:
    """`Format conll, tags iob2; task token`."""
    scheme = f", tags {told['scheme']}" if told["scheme"] else ""
    unit = "word" if told["task"] == "token" else "text"
    labels = f", several labels a {unit}" if told["problem"] == "multi_label" else ""
    return f"Format {told['format']}{scheme}; task {told['task']}{labels}"


def tables_of(told: Told) -> Iterator[Table]:
    """The tables of an audit: splits, labels, pieces."""
    yield splits_table(told["splits"], is_token=told["task"] == "token")
    yield label_counts_table(told["splits"])
    if told.get("pieces"):
        yield pieces_table(told["pieces"], is_token=told["task"] == "token")


def splits_table(splits: Sequence[Told], *, is_token: bool) -> Table:
    """A row for each split: what it holds, and where it lies."""
    has_documents = any(split["documents"] for split in splits)
    headings = ["sentences", "words", "longest", "entities", "without"] if is_token else ["texts", "words", "longest"]
    keys = ["examples", "words", "longest", "entities", "unlabelled"] if is_token else ["examples", "words", "longest"]
    if has_documents:
        headings, keys = ["documents", *headings], ["documents", *keys]
    table = _table("split", *headings)
    table.add_column("file", overflow="fold")
    for split in splits:
        path = split["path"] if split["files"] < 2 else f"{split['path']} ({split['files']} files)"
        table.add_row(_text(split["name"]), *(_number(split[key]) for key in keys), _text(path))
    return table


def label_counts_table(splits: Sequence[Told]) -> Table:
    """A row for each label, the most frequent first: how often it stands in each split, and its share."""
    table = _table("label")
    totals = [sum(split["labels"].values()) for split in splits]
    for split in splits:
        table.add_column(_text(split["name"]), justify="right")
        table.add_column("%", justify="right")
    labels = sorted(
        {label for split in splits for label in split["labels"]},
        key=lambda label: ([-split["labels"].get(label, 0) for split in splits], label),
    )
    for label in labels[:SHOWN_LABELS]:
        counts = [split["labels"].get(label, 0) for split in splits]
        table.add_row(_text(label), *_with_shares(counts, totals))
    rest = labels[SHOWN_LABELS:]
    if rest:
        counts = [sum(split["labels"].get(label, 0) for label in rest) for split in splits]
        table.add_row(f"({len(rest)} more)", *_with_shares(counts, totals))
    return table


def pieces_table(pieces: Told, *, is_token: bool) -> Table:
    """A row for each split: what the tokenizer and windows of `capacity` pieces make of it."""
    table = _table("split", "pieces", "a word", "median", "95 %", "longest", f"over {pieces['capacity']}")
    for heading in ("words outside", "entities outside", "cut", "lost") if is_token else ("pieces cut",):
        table.add_column(heading, justify="right")
    for heading in ("vanished", "unknown"):
        table.add_column(heading, justify="right")
    for split in pieces["splits"]:
        lengths = [_number(round(split["lengths"][name])) for name in ("median", "p95", "max")]
        by_label = [_number(sum(split[f"entities_{what}"].values())) for what in ("outside", "cut", "lost")]
        windows = [_number(split["words_outside"]), *by_label] if is_token else [_number(split["pieces_lost"])]
        table.add_row(
            _text(split["name"]),
            _number(split["pieces"]),
            f"{split['pieces_per_word']:.2f}",
            *lengths,
            _number(split["beyond"]),
            *windows,
            _number(split["vanished"]),
            _number(split["unknown"]),
        )
    return table


# ---- findings


def finding_lines(findings: Sequence[Told]) -> Iterator[Text]:
    """A head with the numbers of findings, then each kind: messages, first places, advice."""
    if not findings:
        yield Text("Nothing was found that needs a look.")
        return
    counts = {severity: sum(finding["severity"] == severity for finding in findings) for severity in STYLES}
    yield Text(", ".join(_counted(n, severity) for severity, n in counts.items() if n))
    for (severity, kind), group in groupby(findings, key=lambda finding: (finding["severity"], finding["kind"])):
        yield Text()
        yield from _kind_lines(severity, kind, [*group])
    kinds = [finding["kind"] for finding in findings if len(finding["places"]) > SHOWN_PLACES]
    if kinds:
        yield Text()
        yield Text(f"All places of a kind: nertune data check … --list KIND, for example --list {kinds[0]}")


def _kind_lines(severity: str, kind: str, findings: Sequence[Told]) -> Iterator[Text]:
    for finding in findings:
        yield Text.assemble((f"{severity:<8} ", STYLES[severity]), f"{kind}: {safe_text(finding['message'])}")
        shown = first_different(finding["places"], n=SHOWN_PLACES)
        for place in shown:
            yield Text(f"{INDENT}{place_text(place)}")
        if shown and finding["count"] > len(shown) and len(finding["places"]) > 1:
            yield Text(f"{INDENT}and {_number(finding['count'] - len(shown))} more")
    if findings[-1]["advice"]:
        yield Text(f"{INDENT}→ {findings[-1]['advice']}")


def first_different(places: Sequence[Told], *, n: int) -> list[Told]:
    """The first places that say different things; if those are fewer than n, the first of the others too."""
    different: dict[str, Told] = {}
    for place in places:
        if len(different) == n:
            break
        different.setdefault(WORD_NUMBER.sub("", place["detail"]), place)
    shown = [*different.values()]
    rest = [place for place in places[: 2 * n] if all(place is not one for one in shown)]
    return [*shown, *rest[: n - len(shown)]]


def _counted(n: int, what: str) -> str:
    return f"{n} {what}" if n == 1 else f"{n} {what}s"


def _with_shares(counts: Sequence[int], totals: Sequence[int]) -> Iterator[str]:
    for n, total in zip(counts, totals, strict=True):
        yield _number(n)
        yield f"{100 * n / total:.1f}" if n else ""


def _number(value: int | None) -> str:
    return "–" if value is None else str(value)


def _text(text: str) -> Text:
    return Text(safe_text(text))


def _table(first: str, *numbers: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, header_style="")
    table.add_column(first, overflow="fold")
    for heading in numbers:
        table.add_column(heading, justify="right")
    return table
