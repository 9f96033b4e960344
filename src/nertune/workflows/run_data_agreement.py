"""`nertune data agreement`: how well annotators of the same documents agree."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from nertune.data.corpus import read_files
from nertune.data.examples import Corpus
from nertune.data.files import SplitFiles
from nertune.data.writers.drafts import writing_to
from nertune.errors import UserError
from nertune.report.agreement import agreement_markdown
from nertune.results.files import write_text
from nertune.scores.agreement import measure_class_agreement, measure_entity_agreement
from nertune.scores.alignment import align_examples, align_texts
from nertune.workflows.annotated import check_there, find_task, study_of_options


def agreement(
    paths: Sequence[Path],
    *,
    edits: Sequence[str] = (),
    task: str | None = None,
    form: str | None = None,
    output: Path | None = None,
) -> dict[str, Any]:
    """Agreement of the annotators, each a file or folder of the same texts in any format; as plain data.

    output  a Markdown file to write, too
    Raises  UserError for fewer than two annotators, or without a common text; Problems with every fault of the files
    """
    check_there(paths)
    if len(paths) < 2:
        raise UserError("agreement needs two annotators or more", fix="nertune data agreement ADA.conll BEN.conll")
    corpora = {name: _read(path, edits=edits, task=task, form=form) for name, path in _named(paths).items()}
    if len({corpus.task for corpus in corpora.values()}) > 1:
        tasks = ", ".join(f"{name}: {corpus.task}" for name, corpus in corpora.items())
        raise UserError(f"the annotators did not do the same task ({tasks})", fix="Say which with --task or --format")
    annotators = [(name, corpus.splits["all"].examples) for name, corpus in corpora.items()]
    if next(iter(corpora.values())).task == "token":
        found = measure_entity_agreement(align_examples(annotators))  # type: ignore[arg-type]
    else:
        found = measure_class_agreement(align_texts(annotators))  # type: ignore[arg-type]
    told = found.to_json()
    if output is not None:
        with writing_to(output):
            write_text(output, agreement_markdown(told))
    return told


def _read(path: Path, *, edits: Sequence[str], task: str | None, form: str | None) -> Corpus:
    files = {"all": SplitFiles("all", (path,))}
    spec = study_of_options(edits, form=form)
    return read_files(
        files, data=spec.data, task=find_task(files, spec=spec, task=task), problem=spec.model.data_problem
    )


def _named(paths: Sequence[Path]) -> dict[str, Path]:
    """Each annotator by the shortest end of the path that tells them apart: `ada/notes.conll` where both have notes."""
    whole = [path.resolve() for path in paths]
    for n_parts in range(1, max(len(path.parts) for path in whole) + 1):
        names = ["/".join(path.parts[-n_parts:]) for path in whole]
        if len(set(names)) == len(names):
            return dict(zip(names, paths, strict=True))
    raise UserError("the same file was named twice", fix="Name one file or folder for each annotator")
