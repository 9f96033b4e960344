"""How much a training step costs with a CRF on the softmax head, in times of the step without it.

python benchmarks/crf.py [--batch-sizes 8,16] [--threads 1,2] [--types 3] [--words 128] [--rounds 15] [--json FILE]

A step is forward, backward and AdamW, on the CPU in float32, for the encoder in `sets.py`. Both sides have the same
encoder, head and batch: sentences of `--words` words of one piece each, the least work that an encoder can have with
them, so that the CRF weighs most. They take turns; the ratio is the median over the rounds of one pair each.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from nertune.data.labels import tag_names
from nertune.models.heads.crf import Crf, log_likelihoods, pack_words
from nertune.models.losses import IGNORED, cross_entropy
from sets import default_encoder

WARM_UP = 3  # pairs that are not counted


def main() -> int:
    options = _options()
    tags = tag_names([f"Type{number}" for number in range(options.types)])
    rows = [
        compare(tags, threads=threads, batch_size=batch_size, options=options)
        for threads in options.threads
        for batch_size in options.batch_sizes
    ]
    if options.json:
        told = {"tags": len(tags), "words": options.words, "rounds": options.rounds, "rows": rows}
        options.json.write_text(json.dumps(told, indent=2), encoding="utf-8")
    return 0


def compare(tags: list[str], *, threads: int, batch_size: int, options: argparse.Namespace) -> dict[str, float]:
    """Medians in milliseconds of both sides' steps, and of the CRF's loss and its gradient alone."""
    torch.set_num_threads(threads)
    batch, crf = make_batch(batch_size, n_words=options.words, n_tags=len(tags)), Crf(tags, constrained=True)
    softmax = make_step(tags, batch=batch, crf=None)
    with_crf = make_step(tags, batch=batch, crf=crf)
    pairs = [(timed_ms(softmax), timed_ms(with_crf)) for _ in range(WARM_UP + options.rounds)][WARM_UP:]
    logits = torch.randn(*batch["labels"].shape, len(tags), requires_grad=True)
    alone = [timed_ms(lambda: crf_loss(logits, batch["labels"], crf=crf).backward()) for _ in range(options.rounds)]
    row = {
        "threads": threads,
        "batch_size": batch_size,
        "softmax_ms": statistics.median(pair[0] for pair in pairs),
        "crf_ms": statistics.median(pair[1] for pair in pairs),
        "ratio": statistics.median(pair[1] / pair[0] for pair in pairs),
        "crf_alone_ms": statistics.median(alone),
    }
    show(row, n_tags=len(tags))
    return row


def make_batch(batch_size: int, *, n_words: int, n_tags: int) -> dict[str, Tensor]:
    """Sentences of random pieces and tags between two special pieces without a label."""
    torch.manual_seed(0)
    labels = torch.full((batch_size, n_words + 2), IGNORED)
    labels[:, 1:-1] = torch.randint(n_tags, (batch_size, n_words))
    pieces = torch.randint(1000, 2000, labels.shape)
    return {"input_ids": pieces, "attention_mask": torch.ones_like(pieces), "labels": labels}


def make_step(tags: list[str], *, batch: dict[str, Tensor], crf: Crf | None) -> Callable[[], None]:
    """One training step of a model of its own."""
    from transformers import AutoModelForTokenClassification, logging

    logging.set_verbosity_error()
    model = AutoModelForTokenClassification.from_pretrained(default_encoder().model, num_labels=len(tags)).train()
    learned = [*model.parameters(), *(crf.parameters() if crf else ())]
    optimizer = torch.optim.AdamW(learned, lr=5e-5, fused=True)
    inputs, labels = {name: batch[name] for name in ("input_ids", "attention_mask")}, batch["labels"]
    loss_of = partial(crf_loss, crf=crf) if crf else partial(cross_entropy, n_items=int((labels != IGNORED).sum()))

    def step() -> None:
        optimizer.zero_grad()
        loss_of(model(**inputs).logits, labels).backward()
        optimizer.step()

    return step


def crf_loss(logits: Tensor, labels: Tensor, *, crf: Crf) -> Tensor:
    emissions, tags, mask = pack_words(logits, labels)
    return -log_likelihoods(emissions, tags, chain=crf.chain, mask=mask).sum() / mask.sum()


def timed_ms(step: Callable[[], None]) -> float:
    began = time.perf_counter()
    step()
    return 1000 * (time.perf_counter() - began)


def show(row: dict[str, float], *, n_tags: int) -> None:
    print(
        f"threads {row['threads']}, batch {row['batch_size']:2}, {n_tags} tags: "
        f"softmax {row['softmax_ms']:7.1f} ms, crf {row['crf_ms']:7.1f} ms, ratio {row['ratio']:.3f}; "
        f"the loss of the CRF alone {row['crf_alone_ms']:5.1f} ms",
        flush=True,
    )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batch-sizes", type=_numbers, default=(8, 16), metavar="LIST")
    parser.add_argument("--threads", type=_numbers, default=(1, 2), metavar="LIST")
    parser.add_argument("--types", type=int, default=3, help="entity types, in IOB2: twice as many tags and one")
    parser.add_argument("--words", type=int, default=128, help="of each sentence")
    parser.add_argument("--rounds", type=int, default=15, help="pairs of steps")
    parser.add_argument("--json", type=Path, metavar="FILE")
    return parser.parse_args()


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split(","))


if __name__ == "__main__":
    sys.exit(main())
