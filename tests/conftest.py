"""Shared by all tests: tiny models, tokenizers and corpora, made once in a temporary folder, without any network."""

from __future__ import annotations

import os

# Before torch is imported anywhere: one thread for each test process, and no hub.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("HF_HUB_OFFLINE", "1")

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

import nertune.models.environment  # before a fixture imports transformers
from nertune.data.examples import SequenceExample, Span, Split, TokenExample
from nertune.errors import Where
from nertune.spec.study import StudySpec

# How long an example takes says nothing where several tests share two cores.
settings.register_profile("shared", deadline=None)
settings.load_profile("shared")

PLACES, PEOPLE = ("Oslo", "New York", "Lima", "Cape Town"), ("Ada", "Alan Turing", "Grace Hopper", "Emmy")
SENTENCES = (
    "{person} lives in {place} .",
    "In {place} , {person} met {other} .",
    "{person} likes the museum of {place} and the long walk by the river .",
    "The weather was fine .",
    "{place} is far from {home} , says {person} .",
)
TEXTS = {
    "good": ("a fine film with a clever end", "we loved every minute of {place}", "warm , funny and never dull"),
    "bad": ("a dull film with a stupid end", "we left {place} after ten minutes", "cold , slow and never funny"),
    "mixed": ("fine music , but a dull story", "half of {place} is lovely , half is not"),
}


def sentence(number: int) -> TokenExample:
    """A sentence with its entities, different for each number up to some hundreds."""
    fill = {
        "person": PEOPLE[number % 4],
        "other": PEOPLE[(number // 4) % 4],
        "place": PLACES[(number // 3) % 4],
        "home": PLACES[(number // 7) % 4],
    }
    words: list[str] = []
    spans: list[Span] = []
    for part in SENTENCES[number % 5].split():
        if part[0] == "{":
            name = fill[part[1:-1]].split()
            spans.append(
                Span("PER" if part[1:-1] in {"person", "other"} else "LOC", len(words), len(words) + len(name))
            )
            words.extend(name)
        else:
            words.append(part)
    return TokenExample(tuple(words), tuple(spans), Where(Path("train.txt"), 1 + 20 * number))


def text(number: int) -> SequenceExample:
    """A text with its class."""
    label = list(TEXTS)[number % 3]
    forms = TEXTS[label]
    return SequenceExample(
        forms[(number // 3) % len(forms)].format(place=PLACES[number % 4]),
        (label,),
        Where(Path("train.tsv"), number + 2),
    )


@pytest.fixture(scope="session")
def token_train() -> Split:
    """40 sentences with PER and LOC."""
    return Split("train", tuple(sentence(number) for number in range(40)), "f" * 64)


@pytest.fixture(scope="session")
def token_dev() -> Split:
    """20 other sentences."""
    return Split("dev", tuple(sentence(number) for number in range(101, 121)), "e" * 64)


@pytest.fixture(scope="session")
def sequence_train() -> Split:
    """36 texts of the classes good, bad and mixed."""
    return Split("train", tuple(text(number) for number in range(36)), "d" * 64)


@pytest.fixture(scope="session")
def sequence_dev() -> Split:
    return Split("dev", tuple(text(number) for number in range(50, 65)), "c" * 64)


@pytest.fixture(scope="session")
def lines() -> list[str]:
    """Running text for training tokenizers."""
    sentences = [" ".join(sentence(number).words) for number in range(60)]
    return sentences + [text(number).text for number in range(60)] + ["Springfield", "unbelievable pieces"]


@pytest.fixture(scope="session")
def bert_folder(tmp_path_factory: pytest.TempPathFactory, lines: list[str]) -> Path:
    """A saved masked language model of 2 layers, 32 wide, 64 positions, without a pooler, and a WordPiece tokenizer."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers
    from transformers import BertConfig, BertForMaskedLM, BertTokenizer, set_seed

    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    backend = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    backend.normalizer = normalizers.BertNormalizer(lowercase=False)
    backend.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    backend.train_from_iterator(
        lines, trainers.WordPieceTrainer(vocab_size=220, special_tokens=special, show_progress=False)
    )
    backend.post_processor = processors.TemplateProcessing(
        "[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    folder = tmp_path_factory.mktemp("bert")
    BertTokenizer(vocab=backend.get_vocab(), do_lower_case=False, model_max_length=64).save_pretrained(folder)
    config = BertConfig(
        vocab_size=backend.get_vocab_size(),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=64,
    )
    set_seed(0)
    BertForMaskedLM(config).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def roberta_folder(tmp_path_factory: pytest.TempPathFactory, lines: list[str]) -> Path:
    """A saved RoBERTa of that size; its byte-level BPE tokenizer was saved without add_prefix_space, as on the hub."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import RobertaConfig, RobertaForMaskedLM, RobertaTokenizer, set_seed

    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    backend = Tokenizer(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    backend.train_from_iterator(
        lines,
        trainers.BpeTrainer(vocab_size=400, special_tokens=special, initial_alphabet=alphabet, show_progress=False),
    )
    merges = backend_merges(backend)
    folder = tmp_path_factory.mktemp("roberta")
    RobertaTokenizer(vocab=backend.get_vocab(), merges=merges, model_max_length=64).save_pretrained(folder)
    config = RobertaConfig(
        vocab_size=backend.get_vocab_size(),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=66,  # two of which padding takes
        type_vocab_size=1,
    )
    set_seed(0)
    RobertaForMaskedLM(config).save_pretrained(folder)
    return folder


def backend_merges(backend: Any) -> list[tuple[str, str]]:
    import json

    return [tuple(merge) for merge in json.loads(backend.to_str())["model"]["merges"]]


@pytest.fixture
def study(bert_folder: Path, tmp_path: Path) -> Callable[..., StudySpec]:
    """Makes a point: `study("token", epochs=2)` sets keys of `train`; other sections go in as data=, model=, …"""

    def make(
        task: str = "token",
        *,
        data: dict[str, Any] | None = None,
        model: dict[str, Any] | None = None,
        search: dict[str, Any] | None = None,
        stages: Sequence[dict[str, Any]] = (),
        **train: Any,
    ) -> StudySpec:
        return StudySpec.model_validate(
            {
                "name": "tiny",
                "task": task,
                "data": {"dir": str(tmp_path), **(data or {})},
                "model": {"base": str(bert_folder), **(model or {})},
                "train": {"epochs": 2, "batch_size": 8, "learning_rate": 3e-3, "precision": "fp32", **train},
                "stages": list(stages),
                "search": search or {},
                "output": str(tmp_path / "output"),
            }
        )

    return make


@pytest.fixture(scope="session", autouse=True)
def _ctrl_c() -> None:
    """Ctrl-C means what it means at a terminal, also where a shell started the tests in the background, without it."""
    import signal

    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    """Torch reads OMP_NUM_THREADS when imported; say it again in case something imported it before."""
    import sys

    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(1)


@pytest.fixture(scope="session")
def _frozen() -> list[bool]:
    """Holds an element once this process froze its modules; `gc.get_freeze_count` walks all of them, 0.08 s a call."""
    return []


@pytest.fixture(autouse=True)
def _collects_little(_frozen: list[bool]) -> None:
    """As in a worker, what was imported is no garbage: accelerate collects at the start of each fit, over all of it."""
    import gc
    import sys

    if "transformers.trainer" in sys.modules and not _frozen:
        gc.collect()
        gc.freeze()
        _frozen.append(True)


@pytest.fixture
def nertune(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> Callable[..., tuple[int, str, str]]:
    """`nertune(WORDS)` in a folder of this test: exit code, standard output, standard error."""
    import sys

    from nertune import cli

    monkeypatch.chdir(tmp_path)

    def run(*words: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["nertune", *map(str, words)])
        code = 0
        try:
            cli.main()
        except SystemExit as end:
            code = int(end.code or 0)
        told = capsys.readouterr()
        return code, told.out, told.err

    return run
