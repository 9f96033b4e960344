"""What is worth knowing about a corpus before it is trained on: sizes, label counts, and findings with their places."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from nertune.data.audit.consistency import ConsistencyCheck
from nertune.data.audit.copies import CopyCheck, DocumentCheck
from nertune.data.audit.entity_checks import EntityCheck
from nertune.data.audit.findings import (
    RARE,
    Finding,
    Scope,
    counted,
    has_failed,
    make_finding,
    scope_of,
    sort_findings,
)
from nertune.data.audit.kinds import ALL_KINDS, kind_of
from nertune.data.audit.label_checks import LabelCheck
from nertune.data.audit.sizes import Sizes, SplitSummary
from nertune.data.audit.word_checks import TextCheck, WordCheck
from nertune.data.examples import Corpus, Example, Split
from nertune.data.notices import KEPT_PLACES, Place
from nertune.errors import Where

__all__ = ["ALL_KINDS", "RARE", "Finding", "SplitSummary", "Summary", "audit", "has_failed", "summarise"]

FEW = 20  # of so many examples one costs as much to fetch by itself as when all go by


@dataclass(frozen=True)
class Summary:
    """A corpus in numbers, and what is worth looking at: the gravest first."""

    task: str
    format: str
    scheme: str | None
    problem: str
    splits: tuple[SplitSummary, ...]
    findings: tuple[Finding, ...]

    def with_findings(self, more: Iterable[Finding]) -> Summary:
        """The same with other findings among its own, for example those of `tasks.audit`."""
        return replace(self, findings=sort_findings([*self.findings, *more]))

    def to_json(self) -> dict[str, Any]:
        return {
            **vars(self),
            "splits": [split.to_json() for split in self.splits],
            "findings": [finding.to_json() for finding in self.findings],
        }


class Check(Protocol):
    """Looks at every example once, then tells what it found."""

    def look(self, example: Example, *, split: str) -> None: ...

    def findings(self) -> Iterator[Finding]: ...


def summarise(corpus: Corpus, *, rare_below: int = RARE) -> Summary:
    """Sizes, labels, what reading noticed, and examples that stand in two splits: what every start of a study tells."""
    scope = scope_of(corpus, rare_below=rare_below, limit=KEPT_PLACES)
    copies = CopyCheck(scope, with_near=False)
    return _summarise(corpus, scope=scope, checks=[LabelCheck(scope), DocumentCheck(scope)], copies=copies)


def audit(corpus: Corpus, *, rare_below: int = RARE, limit: int | None = KEPT_PLACES) -> Summary:
    """All that can be told of a corpus without a tokenizer (`tasks.audit` knows the rest).

    rare_below  a label with fewer examples in train is rare
    limit       places kept of each kind and split; None: all
    """
    scope = scope_of(corpus, rare_below=rare_below, limit=limit)
    checks: list[Check] = [LabelCheck(scope), DocumentCheck(scope)]
    checks += [WordCheck(scope), EntityCheck(scope)] if scope.is_token else [TextCheck(scope)]
    consistency = ConsistencyCheck(scope) if scope.is_token else None
    return _summarise(corpus, scope=scope, checks=checks, copies=CopyCheck(scope), consistency=consistency)


def _summarise(
    corpus: Corpus,
    *,
    scope: Scope,
    checks: Sequence[Check],
    copies: CopyCheck,
    consistency: ConsistencyCheck | None = None,
) -> Summary:
    every: list[Check] = [*checks, copies, *([consistency] if consistency else [])]
    sizes = {name: Sizes() for name in scope.splits}
    for name in scope.splits:
        for example in corpus.splits[name].examples:
            sizes[name].look(example)
            for check in every:
                check.look(example, split=name)
    _look_again(corpus, scope=scope, copies=copies, consistency=consistency)
    told = chain.from_iterable(check.findings() for check in every)
    findings = sort_findings(chain(_noticed(corpus, scope), _without_read_ones(told, corpus)))
    splits = tuple(sizes[name].summary(split, labels=corpus.labels) for name, split in corpus.splits.items())
    return Summary(corpus.task, corpus.format, corpus.scheme, corpus.problem, splits, findings)


def _look_again(corpus: Corpus, *, scope: Scope, copies: CopyCheck, consistency: ConsistencyCheck | None) -> None:
    """The second pass: over all examples, or over those that may be copies of each other."""
    wanted = copies.prepare()
    if consistency is not None:
        consistency.prepare()
    first = 0
    for name in scope.splits:
        examples = corpus.splits[name].examples
        own = wanted[first : first + len(examples)]
        for number, example in enumerate(examples) if consistency else _pick(examples, own):
            if own[number]:
                copies.look_again(example, split=name, number=first + number)
            if consistency is not None:
                consistency.look_again(example, split=name)
        first += len(examples)


def _pick(examples: Sequence[Example], wanted: npt.NDArray[np.bool_]) -> Iterable[tuple[int, Example]]:
    """The wanted examples with their numbers: one by one if they are few, else all as they go by."""
    numbers = np.flatnonzero(wanted).tolist()
    if len(numbers) * FEW < len(examples):
        return ((number, examples[number]) for number in numbers)
    return enumerate(examples) if numbers else ()


def _noticed(corpus: Corpus, scope: Scope) -> Iterator[Finding]:
    """What reading noticed, and what a scheme cannot say; labels that train lacks are told by the label check."""
    for split in corpus.splits.values():
        for kind, n in split.notices.counts.items():
            if n and kind != "unseen-labels":
                places = split.notices.places.get(kind, ())[: scope.limit]
                message = f"{split.name}: {counted(n, kind_of(kind).says)}"
                yield make_finding(kind, split=split.name, count=n, message=message, places=places)
    if corpus.scheme == "io" and corpus.splits and corpus.splits[scope.reference].examples:
        where = Where(corpus.splits[scope.reference].examples[0].where.path)
        message = "the tags have no B- (IO): two entities of one type that touch were read as one"
        yield make_finding("joined-entities", split=None, count=1, message=message, places=[Place(where)])


def _without_read_ones(findings: Iterable[Finding], corpus: Corpus) -> Iterator[Finding]:
    """The findings less those that reading told of the same split."""
    for finding in findings:
        split: Split | None = corpus.splits.get(finding.split or "")
        if split is None or not split.notices.counts[finding.kind] or finding.kind == "unseen-labels":
            yield finding
