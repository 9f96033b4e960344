"""`nertune data check`: what is wrong with annotated files, or worth knowing, before a model is trained on them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from nertune.data.audit import ALL_KINDS, Summary, audit, has_failed
from nertune.data.audit.findings import sort_findings
from nertune.data.examples import Corpus
from nertune.data.notices import KEPT_PLACES
from nertune.errors import UserError, closest
from nertune.imports import uncollected
from nertune.workflows.annotated import Annotated, find_annotated, read_annotated


@dataclass(frozen=True)
class DataCheck:
    """What the check found.

    pieces  what the tokenizer makes of the words; None where no model was named
    """

    summary: Summary
    pieces: Any | None

    def has_failed(self, *, strict: bool) -> bool:
        return has_failed(self.summary.findings, strict=strict)

    def to_json(self) -> dict[str, Any]:
        return {**self.summary.to_json(), "pieces": self.pieces.to_json() if self.pieces else None}


def check(
    paths: Sequence[Path],
    *,
    tell: Callable[[str], None],
    edits: Sequence[str] = (),
    task: str | None = None,
    form: str | None = None,
    model: str | None = None,
    rare_below: int = 10,
    listed: str | None = None,
) -> DataCheck:
    """Look at annotated files; with a model, also at what its tokenizer and length make of them.

    rare_below  a label with fewer examples in train is rare
    listed      a kind of finding whose every place is kept, and no other kind is told
    Raises      Problems with every fault of the files
    """
    if listed is not None and listed not in ALL_KINDS:
        near = closest(listed, ALL_KINDS)
        raise UserError(
            f"there is no kind of finding named {listed}",
            fix=f"Did you mean --list {near}?" if near else f"There are: {', '.join(sorted(ALL_KINDS))}",
        )
    annotated = find_annotated(paths, edits=[*edits, *model_edit(model)], task=task, form=form)
    limit = KEPT_PLACES if listed is None else None
    corpus = read_annotated(annotated, limit=limit)
    summary = audit(corpus, rare_below=rare_below, limit=limit)
    found, pieces = look_at_pieces(annotated, corpus, limit=limit)
    findings = sort_findings([*summary.findings, *found])
    if listed is not None:
        findings = tuple(finding for finding in findings if finding.kind == listed)
    if annotated.model is None and listed is None:
        tell("Name a model with --model to see what its tokenizer and length make of the words.")
    return DataCheck(replace(summary, findings=findings), pieces)


def model_edit(model: str | None) -> list[str]:
    return [] if model is None else [f"model.base={model}"]


def look_at_pieces(annotated: Annotated, corpus: Corpus, *, limit: int | None) -> tuple[list[Any], Any | None]:
    """Findings about pieces and windows, and their summary; nothing without a model."""
    if annotated.model is None:
        return [], None
    with uncollected():
        import nertune.models.listing  # noqa: F401  # before transformers is imported
        from nertune.models.build import limit_without_weights  # torch is loaded for this alone
        from nertune.models.tokenizers import load_tokenizer
        from nertune.tasks.audit import audit_pieces
        from nertune.tasks.windows import find_frame

    spec = annotated.spec
    tokenizer = load_tokenizer(annotated.model, task=corpus.task)
    frame = find_frame(tokenizer, train=spec.train, position_limit=limit_without_weights(spec.model.base))
    return audit_pieces(corpus, tokenizer=tokenizer, frame=frame, train=spec.train, limit=limit)


def measure_pieces(annotated: Annotated, corpus: Corpus) -> dict[str, list[int]]:
    """The pieces of every example of each split; nothing without a model."""
    if annotated.model is None:
        return {}
    from nertune.models.tokenizers import load_tokenizer
    from nertune.tasks.align import count_pieces

    tokenizer = load_tokenizer(annotated.model, task=corpus.task)
    return {name: list(count_pieces(split.examples, tokenizer=tokenizer)) for name, split in corpus.splits.items()}
