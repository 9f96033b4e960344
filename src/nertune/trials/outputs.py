"""The files of a seed run's folder (design, section 4), in the names that Hugging Face's examples use."""

from __future__ import annotations

import platform
import resource
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from operator import itemgetter
from pathlib import Path
from typing import Any

import torch

import nertune
from nertune.data.examples import Example, SequenceExample, Span, TokenExample
from nertune.data.labels import written_tags
from nertune.results.files import write_json, write_json_lines, write_text
from nertune.results.records import FitRecord, SplitScores
from nertune.spec.load import dump_study
from nertune.tasks.encoded import EncodedSplit
from nertune.tasks.predictions import Predictions, SequencePredictions, TokenPredictions
from nertune.trials.job import Job
from nertune.trials.own_code import hook_digests

PACKAGES = ("torch", "transformers", "tokenizers", "accelerate", "datasets", "safetensors", "numpy", "optuna", "aim")
RESULT_FILES = ("train", "eval", "test", "all")


def results_of_fit(record: FitRecord, *, n_samples: int) -> dict[str, Any]:
    """train_results.json."""
    return {
        "epoch": record.epochs,
        "train_loss": record.train["loss"],
        "train_runtime": record.train["runtime"],
        "train_samples": n_samples,
        "train_samples_per_second": record.train["samples_per_second"],
        "train_steps_per_second": record.train["steps_per_second"],
    }


def results_of_split(
    scores: SplitScores, *, prefix: str, epoch: float, runtime_s: float, n_samples: int
) -> dict[str, Any]:
    """eval_results.json (prefix eval, of dev) or test_results.json (prefix test)."""
    return {
        "epoch": epoch,
        **{f"{prefix}_{name}": value for name, value in scores.overall.items()},
        f"{prefix}_runtime": runtime_s,
        f"{prefix}_samples": n_samples,
        f"{prefix}_samples_per_second": n_samples / runtime_s if runtime_s else None,
        f"{prefix}_labels": {label: dict(values) for label, values in scores.labels.items()},
    }


def write_results(folder: Path, results: Mapping[str, Mapping[str, Any]]) -> None:
    """The results that there are, `all_results.json` last: a folder with it is whole."""
    for part in RESULT_FILES:
        if part in results:
            write_json(folder / f"{part}_results.json", results[part])


def write_spec(job: Job, *, inside: str = "") -> None:
    """spec.yaml: the point and the seed of this fit, itself a study file.

    inside  of the job's folder: the model's own, where there are several
    """
    spec = job.study
    final = spec.final.model_copy(update={"seeds": (job.seed,)})
    target = Path(job.target) if job.target else job.path
    head = f"# One fit of the study {spec.name}, seed {job.seed}.\n"
    written = dump_study(spec.model_copy(update={"final": final}), folder=target / inside)
    write_text(job.path / inside / "spec.yaml", head + written)


def write_environment(job: Job, *, fit: Mapping[str, Any], threads: int, device: str, seconds: float) -> None:
    """environment.json: what made these numbers.

    fit  best epoch and step, and why it ended early, for whoever takes these weights again
    """
    write_json(
        job.path / "environment.json",
        {
            "nertune": {"version": nertune.__version__, "commit": _commit()},
            "packages": {name: found for name in PACKAGES if (found := _version(name))},
            "python": platform.python_version(),
            "platform": platform.platform(),
            "device": _device_name(device),
            "precision": job.precision,
            "threads": threads,
            "seed": job.seed,
            "fit": {**job.marks, **fit},
            "data": dict(job.fingerprints),
            "hooks": hook_digests(job.study),
            "command": job.command,
            "wall_seconds": round(seconds, 3),
            "peak_memory_bytes": _peak_memory(),
            "peak_gpu_memory_bytes": torch.cuda.max_memory_allocated() if device.startswith("cuda") else None,
        },
    )


def write_predictions(folder: Path, predictions: Predictions, *, split: EncodedSplit, prefix: str, study: str) -> None:
    """PREFIX_predictions.jsonl; for test also test_predictions.txt and predict_results_STUDY.txt."""
    if isinstance(predictions, TokenPredictions):
        rows = _token_rows(predictions, split)
        lines, table = _tag_lines(predictions, split)
    else:
        rows = _class_rows(predictions, split)
        lines, table = _class_lines(predictions)
    write_json_lines(folder / f"{prefix}_predictions.jsonl", rows)
    if prefix == "test":
        write_text(folder / "test_predictions.txt", "".join(f"{line}\n" for line in lines))
        write_text(folder / f"predict_results_{study}.txt", table)


def _token_rows(predictions: TokenPredictions, split: EncodedSplit) -> list[dict[str, Any]]:
    rows = []
    for number, example in enumerate(split.examples):
        assert isinstance(example, TokenExample)
        spans, probabilities = predictions.spans[number], predictions.probabilities[number]
        rows.append(
            {
                "id": number,
                **_place(example),
                "n_words": len(example.words),
                "gold": [_entity(span, example.words) for span in example.spans],
                "predicted": [_entity(span, example.words) for span in spans],
                "probabilities": [round(float(probability), 6) for probability in probabilities],
            }
        )
    return rows


def _place(example: Example) -> dict[str, str]:
    """Where an example stands, and in which document where the data have documents."""
    where = {"where": f"{example.where.path.name}:{example.where.line}"}
    return where if example.document is None else {**where, "document": example.document}


def _entity(span: Span, words: Sequence[str]) -> dict[str, Any]:
    return {"label": span.label, "start": span.start, "end": span.end, "text": " ".join(words[span.start : span.end])}


def _tag_lines(predictions: TokenPredictions, split: EncodedSplit) -> tuple[list[str], str]:
    """Predicted tags, a sentence a line; and word, gold tag, predicted tag, a word a line. All in IOB2."""
    lines, table = [], []
    for example, tags in zip(split.examples, predictions.tags, strict=True):
        assert isinstance(example, TokenExample)
        gold = written_tags(example.spans, len(example.words))
        lines.append(" ".join(tags))
        table += [f"{word}\t{right}\t{found}\n" for word, right, found in zip(example.words, gold, tags, strict=True)]
        table.append("\n")
    return lines, "".join(table)


def _class_rows(predictions: SequencePredictions, split: EncodedSplit) -> list[dict[str, Any]]:
    rows = []
    is_single = split.problem == "single_label" and not split.heads
    told: Callable[[tuple[str, ...]], Any] = itemgetter(0) if is_single else list
    for number, example in enumerate(split.examples):
        assert isinstance(example, SequenceExample)
        probabilities = zip(predictions.labels, predictions.probabilities[number].tolist(), strict=True)
        rows.append(
            {
                "id": number,
                **_place(example),
                "gold": told(example.labels),
                "predicted": told(predictions.classes[number]),
                "probabilities": {label: round(value, 6) for label, value in probabilities},
            }
        )
    return rows


def _class_lines(predictions: SequencePredictions) -> tuple[list[str], str]:
    """The classes of a text a line, joined by commas; and the same behind its number."""
    lines = [",".join(classes) for classes in predictions.classes]
    table = "".join(f"{number}\t{line}\n" for number, line in enumerate(lines))
    return lines, f"index\tprediction\n{table}"


def _commit() -> str | None:
    """The commit of a nertune that runs from its own checkout."""
    source = Path(nertune.__file__).parent
    if not (source.parent.parent / ".git").exists():
        return None
    told = subprocess.run(["git", "-C", str(source), "rev-parse", "HEAD"], capture_output=True, text=True, check=False)
    return told.stdout.strip() or None


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _device_name(device: str) -> str:
    if device.startswith("cuda"):
        return torch.cuda.get_device_name(device)
    return f"cpu, {platform.processor() or platform.machine()}"


def _peak_memory() -> int:
    """Of this process since it began, which other fits may share."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
