"""A study as the two commands leave it, written without training: its record, seed folders, predictions and data."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from nertune.results.database import Settlement, open_database
from nertune.results.files import write_json, write_json_lines
from nertune.results.records import SplitScores, StepRecord
from nertune.results.summary import summarise_seeds
from nertune.scores.entities import score_entities
from nertune.spec.load import load_study
from nertune.spec.study import StudySpec
from nertune.workflows.session import identity_of

SEEDS = (1, 2, 3)
Sentence = Sequence[tuple[str, str]]  # words with their IOB2 tags


def write_token_study(folder: Path, *, sentences: Sequence[Sentence], space: Mapping[str, Any], more: str = "") -> Path:
    """The study file, and the same sentences as train, dev and test."""
    (folder / "data").mkdir(parents=True)
    for split in ("train", "dev", "test"):
        blocks = ["\n".join(f"{word}\t{tag}" for word, tag in sentence) for sentence in sentences]
        (folder / "data" / f"{split}.txt").write_text("\n\n".join(blocks) + "\n", encoding="utf-8")
    path = folder / "names.yaml"
    path.write_text(
        f"task: token\ndata: {{dir: data, format: conll}}\nmodel: {{base: owner/model}}\n"
        f"search: {{space: {json.dumps(space)}}}\nfinal: {{seeds: [1, 2, 3]}}\ntrack: {{aim: null}}\n{more}\n",
        encoding="utf-8",
    )
    return path


def record_search(path: Path, outcomes: Sequence[tuple[Mapping[str, Any], Settlement]]) -> StudySpec:
    """A record of these trials, each with two dev evaluations."""
    from nertune.data.corpus import read_corpus

    spec = load_study(path)
    corpus = read_corpus(spec.data, task=spec.task, splits=("train", "dev"))
    database = open_database(spec.storage)
    study = database.add_study(
        spec.name,
        task=spec.task,
        identity=identity_of(spec, corpus),
        spec=spec.model_dump(mode="json"),
        output=spec.output,
    )
    for number, (point, how) in enumerate(outcomes):
        cell = database.add_cell(study, stage="search", number=number, point=point, point_id=f"{number:016x}", seed=42)
        attempt = database.open_attempt(study, cell, run_name=f"trial-{number:04d}", parameters=point)
        if how.scores:
            f1 = how.scores["dev"].overall["f1"]
            steps = [StepRecord(step, step / 10, "dev", {"f1": f1 * step / 20}) for step in (10, 20)]
            database.add_steps(attempt.run_id, steps)
        database.settle(attempt, how)
    database.set_facts(study, search_seconds=61.0, versions={"torch": "2.13.0"}, precision="fp32", threads=1)
    database.close()
    return spec


def complete(f1: float) -> Settlement:
    scores = {"dev": SplitScores({"f1": f1, "loss": 1 - f1})}
    return Settlement("complete", "complete", seconds=2.0, best_epoch=2.0, best_step=20, scores=scores)


def failed(cause: str, message: str) -> Settlement:
    return Settlement("failed", "failed", cause=cause, message=message, seconds=1.0)


def write_seeds(spec: StudySpec, predictions: Mapping[int, Sequence[Sequence[Any]]]) -> dict[str, Any]:
    """Seed folders with these predicted spans of test and dev, and the summary that best-and-train makes of them."""
    from nertune.data.corpus import read_corpus

    corpus = read_corpus(spec.data, task=spec.task, splits=("train", "dev", "test"))
    examples = corpus.splits["test"].examples
    rows = []
    for seed, spans in predictions.items():
        gold = [example.spans for example in examples]
        scores = score_entities(gold, spans, n_words=[len(example.words) for example in examples])
        folder = spec.output / f"seed_{seed}"
        for name in ("test", "eval"):
            write_json_lines(
                folder / f"{name}_predictions.jsonl",
                [
                    {
                        "id": number,
                        "where": f"{name}.txt:{example.where.line}",
                        "gold": [_entity(span, example.words) for span in example.spans],
                        "predicted": [_entity(span, example.words) for span in found],
                        "probabilities": [0.9] * len(found),
                    }
                    for number, (example, found) in enumerate(zip(examples, spans, strict=True))
                ],
            )
        write_json(
            folder / "environment.json",
            {
                "nertune": {"version": "0.1.0", "commit": None},
                "packages": {"torch": "2.13.0"},
                "python": "3.11",
                "platform": "Linux",
                "device": "cpu",
                "command": "nertune best-and-train names.yaml",
                "data": {name: split.fingerprint for name, split in corpus.splits.items()},
            },
        )
        told = {"overall": dict(scores.overall), "labels": {label: dict(own) for label, own in scores.labels.items()}}
        rows.append(
            {
                "seed": seed,
                "scores": {"dev": told["overall"], "test": told["overall"]},
                "labels": {"dev": told["labels"], "test": told["labels"]},
            }
        )
    summary = {
        "setting": {},
        "setting_edited_by_hand": False,
        "search": {"trial": 0, "dev_score": 0.9, "mean_dev_score_of_seeds": 0.85, "too_hopeful_by": 0.05},
        "seeds": list(predictions),
        "failed_seeds": [],
        "folders": {str(seed): f"seed_{seed}" for seed in predictions},
        **summarise_seeds(rows),
    }
    write_json(spec.output / "summary.json", summary)
    return summary


def _entity(span: Any, words: Sequence[str]) -> dict[str, Any]:
    return {"label": span.label, "start": span.start, "end": span.end, "text": " ".join(words[span.start : span.end])}
