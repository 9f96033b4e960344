"""Encoding of small corpora."""

from __future__ import annotations

import pytest

from nertune.models.tokenizers import load_tokenizer
from nertune.tasks.cache import encode_or_open


@pytest.fixture(scope="session", params=["wordpiece", "bytes"])
def tokenizer(request, bert_folder, roberta_folder):
    """Each kind of tokenizer in turn, as token tasks load them."""
    return load_tokenizer(str(bert_folder if request.param == "wordpiece" else roberta_folder), task="token")


@pytest.fixture
def encode(study, tmp_path):
    """`encode(split, tokenizer, labels=[...], max_pieces=…)`: encoded in a cache of this test alone."""

    def run(
        split, tokenizer, *, labels=("LOC", "PER"), task="token", data=None, model=None, position_limit=64, **train
    ):
        spec = study(task, data=data, model=model, **train)
        return encode_or_open(
            split,
            labels=labels,
            tokenizer=tokenizer,
            spec=spec,
            position_limit=position_limit,
            folder=tmp_path / "cache",
        )

    return run
