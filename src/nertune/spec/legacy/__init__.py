"""Experiment files of other programs -> drafts of studies, and what became of each key. One module for each kind."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from nertune.spec.legacy.cerebras import convert_cerebras, looks_like_cerebras
from nertune.spec.legacy.functional_genomics import convert_functional_genomics, looks_like_functional_genomics
from nertune.spec.legacy.gene_tagging import convert_gene_tagging, looks_like_gene_tagging
from nertune.spec.legacy.ledger import Ledger
from nertune.spec.legacy.old_file import OldFile
from nertune.spec.legacy.pymarlin import convert_pymarlin, looks_like_pymarlin


@dataclass(frozen=True)
class Importer:
    """One member of IMPORTERS.

    convert    a study in the making for each experiment of a file; what is wrong is kept in it
    recognise  whether the values of a file are of this kind
    told_by    the keys by which it is recognised, in a few words
    """

    convert: Callable[[OldFile], list[Ledger]]
    recognise: Callable[[Any], bool]
    told_by: str


IMPORTERS: dict[str, Importer] = {
    "gene-tagging": Importer(
        convert_gene_tagging, looks_like_gene_tagging, "named experiments with EPOCH_TOP, EPOCH_END2END, grad_finetune"
    ),
    "functional-genomics": Importer(
        convert_functional_genomics, looks_like_functional_genomics, "MODEL, DATA and TRAINING"
    ),
    "cerebras": Importer(convert_cerebras, looks_like_cerebras, "train_input with model, optimizer or runconfig"),
    "pymarlin": Importer(
        convert_pymarlin, looks_like_pymarlin, "tmgr or trainer with train_batch_size, gpu_batch_size_limit, writers"
    ),
}


def kind_of(values: Any) -> str | None:
    """The member of IMPORTERS that a file's values are of."""
    return next((name for name, importer in IMPORTERS.items() if importer.recognise(values)), None)
