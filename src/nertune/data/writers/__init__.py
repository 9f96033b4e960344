"""Writers: examples or documents -> a file or folder in another format, as they stream. One module for each format."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from nertune.data.examples import Task
from nertune.data.notices import Kind
from nertune.data.writers.brat import write_brat
from nertune.data.writers.cerebras import write_cerebras
from nertune.data.writers.conll import write_conll
from nertune.data.writers.json_spans import write_json_spans
from nertune.data.writers.json_texts import write_json_texts
from nertune.data.writers.json_tokens import write_json_tokens
from nertune.data.writers.pubtator import write_pubtator
from nertune.data.writers.table import write_table

# write(items, *, target: Path, losses: Notices): takes the items once, as they come; counts in `losses` by the keys of
# LOSSES what the format cannot hold; leaves a whole file or folder, or after an error nothing at all.
Writer = Callable[..., None]


@dataclass(frozen=True)
class OutFormat:
    """One member of WRITERS.

    write         see `Writer`
    task          what its examples are
    unit          what it takes: examples, or documents (see `rendering.to_documents` and `mapping.to_examples`)
    holds         what stands in such a file, in a few words
    ending        of a file's name, where the writer is to choose it; "": a folder
    has_overlaps  whether entities may overlap in it
    n_sentences   of a document, where the sentences are known but not their documents
    """

    write: Writer
    task: Task
    unit: Literal["examples", "documents"]
    holds: str
    ending: str
    has_overlaps: bool = False
    n_sentences: int = 1

    @property
    def is_folder(self) -> bool:
        """Whether the target is a folder that is new or empty."""
        return not self.ending


WRITERS: dict[str, OutFormat] = {
    "conll": OutFormat(
        write_conll,
        task="token",
        unit="examples",
        holds="a word and its IOB2 tag a line",
        ending=".conll",
        has_overlaps=True,
    ),
    "jsonl": OutFormat(
        write_json_tokens,
        task="token",
        unit="examples",
        holds="JSON Lines of words and tags",
        ending=".jsonl",
        has_overlaps=True,
    ),
    "spans": OutFormat(
        write_json_spans,
        task="token",
        unit="documents",
        holds="JSON Lines of text and entities by characters",
        ending=".jsonl",
        has_overlaps=True,
    ),
    "brat": OutFormat(
        write_brat,
        task="token",
        unit="documents",
        holds="a folder of texts (.txt) and annotations (.ann)",
        ending="",
        has_overlaps=True,
        n_sentences=100,  # as much as a page holds
    ),
    "pubtator": OutFormat(
        write_pubtator,
        task="token",
        unit="documents",
        holds="titles, abstracts and mentions",
        ending=".txt",
        has_overlaps=True,
    ),
    "cerebras": OutFormat(
        write_cerebras,
        task="token",
        unit="examples",
        holds="CSV of words and labels for Cerebras' token classifier",
        ending=".csv",
    ),
    "tsv": OutFormat(
        write_table,
        task="sequence",
        unit="examples",
        holds="a text, or a pair, and its class a row",
        ending=".tsv",
    ),
    "jsonl-texts": OutFormat(
        write_json_texts,
        task="sequence",
        unit="examples",
        holds="JSON Lines of texts and classes",
        ending=".jsonl",
    ),
}

# What writing can lose: kinds as in `notices.KINDS`.
LOSSES: dict[str, Kind] = {
    "changed-words": Kind(
        "warning", "words with characters that the format cannot hold", "Written with _ in their place."
    ),
    "changed-labels": Kind(
        "warning", "labels with characters that the format cannot hold", "Written with _ in their place."
    ),
    "changed-names": Kind("notice", "documents whose id the format cannot hold", "Written under another name."),
    "changed-notes": Kind("notice", "concepts with white space in them", "Written with _ in its place."),
    "lost-word-borders": Kind(
        "warning",
        "words with white space in them",
        "Read back, they are several words; jsonl and spans keep them whole.",
    ),
    "cut-words": Kind("notice", "words that would be read back as several", "Read them so: data: {words: blanks}."),
    "lost-overlaps": Kind(
        "warning",
        "entities left out because they overlap a longer one",
        "conll, jsonl, spans, brat and pubtator hold them.",
    ),
    "joined-parts": Kind(
        "warning", "entities in several parts, written from the first to the last", "brat and spans keep the parts."
    ),
    "lost-relations": Kind("warning", "relations left out", "brat and spans hold them."),
    "lost-notes": Kind(
        "notice", "concepts and other notes of entities left out", "brat, pubtator and spans hold them."
    ),
    "lost-documents": Kind("notice", "documents whose borders are lost", "All formats but cerebras and tsv keep them."),
    "lost-line-breaks": Kind(
        "notice", "line breaks and tabs written otherwise", "Offsets hold; lines of the text do not."
    ),
    "lost-texts": Kind(
        "warning", "texts without a visible character or a label, left out", "They would be an empty row."
    ),
    "lost-types": Kind(
        "notice",
        "entities whose one type is not written",
        "Cerebras' vocabulary is B I O; read back, name it: data: {rename: {entity: TYPE}}.",
    ),
}
