"""Each annotated file converted to each format: the same spans are read back, or what is lost is counted."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from test_reader_contract import FILES, SEEDS

from nertune.data.corpus import read_files
from nertune.data.examples import Example, SequenceExample, Span, TokenExample
from nertune.data.files import SplitFiles
from nertune.data.labels import NAMELESS
from nertune.data.notices import KINDS
from nertune.data.readers import READERS
from nertune.data.reading import find_files
from nertune.data.writers import LOSSES, WRITERS
from nertune.errors import UserError
from nertune.spec.study import DataSpec
from nertune.workflows.run_data_convert import ConvertRecord, convert

TASK_OF = {path: READERS[name].tasks[0] for path, name in SEEDS.items()}
PAIRS = [
    pytest.param(path, to, id=f"{path.relative_to(FILES).as_posix()} to {to}")
    for path, task in TASK_OF.items()
    for to, form in WRITERS.items()
    if form.task == task
]


def read(path: Path, *, task: str, words: str = "punctuation") -> Sequence[Example]:
    files = {"all": SplitFiles("all", (path,))}
    return list(read_files(files, data=DataSpec(words=words), task=task).splits["all"].examples)


def losses_of(record: ConvertRecord) -> Counter[str]:
    return Counter({loss.kind: loss.count for loss in record.losses})


def without_places(examples: Sequence[Example]) -> list[tuple[object, ...]]:
    """In any order: the files of a folder are read in that of their names."""
    return sorted(
        (one.text, str(one.pair), one.labels) if isinstance(one, SequenceExample) else (one.words, one.spans)
        for one in examples
    )


def in_one_line(examples: Sequence[Example]) -> list[tuple[object, ...]]:
    """All words in a row: what a format keeps that knows no lines."""
    words: list[str] = []
    spans: list[Span] = []
    for one in examples:
        assert isinstance(one, TokenExample)
        spans += [Span(span.label, len(words) + span.start, len(words) + span.end) for span in one.spans]
        words += one.words
    return [(tuple(words), tuple(spans))]


def as_text(examples: Sequence[Example]) -> list[tuple[object, ...]]:
    """Where words were cut at the blanks in them: the text, and that of each entity."""
    return [
        (" ".join(one.words), *((span.label, " ".join(one.words[span.start : span.end])) for span in one.spans))
        for one in examples
        if isinstance(one, TokenExample)
    ]


def with_marks(examples: Sequence[Example]) -> list[Example]:
    """With _ for a blank in a word."""
    return [
        replace(one, words=tuple(re.sub(r"\s", "_", word) for word in one.words))
        for one in examples
        if isinstance(one, TokenExample)
    ]


def nameless(examples: Sequence[Example]) -> list[Example]:
    return [
        replace(one, spans=tuple(replace(span, label=NAMELESS) for span in one.spans))
        for one in examples
        if isinstance(one, TokenExample)
    ]


@pytest.mark.parametrize(("path", "to"), PAIRS)
def test_a_file_is_converted_or_refused_as_a_whole(path, to, tmp_path):
    form, target = WRITERS[to], tmp_path / f"out{WRITERS[to].ending}"
    try:
        before = read(path, task=form.task)
    except UserError:
        with pytest.raises(UserError):
            convert([path], to=to, target=target)
        assert list(tmp_path.iterdir()) == []
        return
    record = convert([path], to=to, target=target)
    losses = losses_of(record)
    assert losses.keys() <= LOSSES.keys()
    assert {one.kind for one in record.noticed} <= KINDS.keys()
    assert find_files(SplitFiles("all", (target,)), data=DataSpec(), task=None)[0] == to
    after = read(target, task=form.task, words="blanks" if losses["cut-words"] else "punctuation")
    check(before, after, losses=losses)


def check(before: Sequence[Example], after: Sequence[Example], *, losses: Counter[str]) -> None:
    """Equal, but for what `losses` count."""
    if losses["lost-types"]:
        before = nameless(before)
    if losses["changed-words"]:
        before = with_marks(before)
    if losses["lost-overlaps"]:
        spans_before, spans_after = (Counter(s for one in all_ for s in one.spans) for all_ in (before, after))
        assert spans_after <= spans_before
        assert (spans_before - spans_after).total() == losses["lost-overlaps"]
        assert [one.words for one in after] == [one.words for one in before]
    elif losses["lost-line-breaks"]:
        assert in_one_line(after) == in_one_line(before)
    elif losses["lost-texts"]:
        assert len(after) == len(before) - losses["lost-texts"]
    elif losses["lost-word-borders"]:
        assert as_text(after) == as_text(before)
    else:
        assert without_places(after) == without_places(before)


def test_most_files_are_converted():
    assert len(PAIRS) > 200
