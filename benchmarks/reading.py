"""How fast and in how much memory annotated sentences are read and encoded.

python benchmarks/reading.py [--sentences 200000] [--rounds 3] [--json FILE]

A file of tagged sentences is made (20 words each on average, an entity in three of four), then read as a study reads
its train (found, decoded, checked for form, its tags made entities), and encoded with the tokenizer of the encoder in
`sets.py`. Each measurement is a process of its own; imports are not part of the seconds, but of the memory.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from itertools import accumulate
from pathlib import Path
from typing import Any

from sets import default_encoder

SYLLABLES = [first + vowel for first in "bcdfghjklmnprstvz" for vowel in ("a", "e", "i", "o", "u", "in", "or")]
TYPES = ("Chemical", "Disease", "Gene")
MIB = 2**20 if sys.platform == "darwin" else 2**10  # ru_maxrss is in bytes there, in KiB elsewhere


def main() -> int:
    options = _options()
    if options.part:
        print(json.dumps(PARTS[options.part](options)))
        return 0
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "train.conll"
        write_sentences(path, n=options.sentences)
        print(f"{options.sentences:,} sentences, {path.stat().st_size / 2**20:.0f} MiB", flush=True)
        runs = {part: [_measure(part, path=path) for _ in range(options.rounds)] for part in PARTS}
    for part, found in runs.items():
        rate = statistics.median(options.sentences / run["seconds"] for run in found)
        print(f"{part:7} {rate:10,.0f} sentences a second, peak {max(run['peak_mib'] for run in found):,.0f} MiB")
    if options.json:
        options.json.write_text(json.dumps({"sentences": options.sentences, "runs": runs}, indent=2), encoding="utf-8")
    return 0


def write_sentences(path: Path, *, n: int) -> None:
    """Sentences of made-up words whose frequencies fall as those of a language do."""
    chance = random.Random(0)
    words = ["".join(chance.choices(SYLLABLES, k=chance.randint(1, 4))) for _ in range(20_000)]
    weights = list(accumulate(1 / rank for rank in range(1, len(words) + 1)))
    with path.open("w", encoding="utf-8") as stream:
        for _ in range(n):
            sentence = chance.choices(words, cum_weights=weights, k=chance.randint(5, 35))
            tags = ["O"] * len(sentence)
            if chance.random() < 0.75:
                start, kind = chance.randrange(len(sentence)), chance.choice(TYPES)
                tags[start : start + 2] = [f"B-{kind}", f"I-{kind}"][: len(sentence) - start]
            stream.write("".join(f"{word}\t{tag}\n" for word, tag in zip(sentence, tags, strict=True)) + "\n")


def measure_reading(options: argparse.Namespace) -> dict[str, float]:
    """Read and checked for form, as `nertune search` does it."""
    seconds, _ = _read(options.file)
    return {"seconds": seconds, "peak_mib": _peak_mib()}


def measure_encoding(options: argparse.Namespace) -> dict[str, float]:
    """Made into windows of pieces and written to the study's cache; the reading before is not timed."""
    from nertune.models.tokenizers import load_tokenizer
    from nertune.spec.load import study_of_edits
    from nertune.tasks.cache import encode_or_open

    _, corpus = _read(options.file)
    encoder = default_encoder()
    tokenizer = load_tokenizer(encoder.tokenizer or encoder.model, task="token")
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        encode_or_open(
            corpus.splits["train"],
            labels=corpus.labels,
            tokenizer=tokenizer,
            spec=study_of_edits([]),
            position_limit=512,
            folder=Path(folder),
        )
        return {"seconds": time.perf_counter() - began, "peak_mib": _peak_mib()}


PARTS = {"read": measure_reading, "encode": measure_encoding}


def _read(path: Path) -> tuple[float, Any]:
    from nertune.data.corpus import read_corpus
    from nertune.spec.study import DataSpec

    began = time.perf_counter()
    corpus = read_corpus(DataSpec(train=path), task="token", splits=("train",))
    return time.perf_counter() - began, corpus


def _measure(part: str, *, path: Path) -> dict[str, float]:
    command = [sys.executable, __file__, "--part", part, "--file", str(path)]
    told = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    found: dict[str, float] = json.loads(told.splitlines()[-1])
    return found


def _peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / MIB


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sentences", type=int, default=200_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--part", choices=PARTS, help=argparse.SUPPRESS)
    parser.add_argument("--file", type=Path, help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
