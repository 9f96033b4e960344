"""`nertune data stats`: lengths, labels, entities and vocabulary of annotated files, as numbers, tables and plots."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from nertune.data.statistics import describe_corpus
from nertune.data.writers.drafts import writing_to
from nertune.workflows.annotated import find_annotated, read_annotated
from nertune.workflows.run_data_check import measure_pieces, model_edit


def stats(
    paths: Sequence[Path],
    *,
    tell: Callable[[str], None],
    edits: Sequence[str] = (),
    task: str | None = None,
    form: str | None = None,
    model: str | None = None,
    output: Path | None = None,
) -> Mapping[str, Any]:
    """The statistics of a corpus as plain data; with a model, lengths in its pieces, too.

    output  a folder for stats.md, its plots and stats.json
    Raises  Problems with every fault of the files
    """
    annotated = find_annotated(paths, edits=[*edits, *model_edit(model)], task=task, form=form)
    corpus = read_annotated(annotated)
    if annotated.model is None:
        tell("Name a model with --model to see lengths in pieces, too.")
    told = describe_corpus(corpus, n_pieces=measure_pieces(annotated, corpus)).to_json()
    if output is not None:
        from nertune.report.stats import write_statistics  # matplotlib is loaded for this alone

        with writing_to(output):
            write_statistics(told, folder=output)
    return told
