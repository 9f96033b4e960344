"""The model card of a seed run: what the model is for, how good it is and how it was made, with the hub's metadata."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from nertune.report.grids import Grid, count_text, markdown_table, markdown_text
from nertune.report.tables import point_text
from nertune.report.text import epoch_text, score_name, score_text, spread_text, value_text
from nertune.spec.study import StudySpec

Record = Mapping[str, Any]

CARD = "README.md"
PIPELINES = {"token": "token-classification", "sequence": "text-classification"}
METRICS = ("f1", "precision", "recall", "accuracy")  # that the hub knows by these names
SHOWN_KEYS = ("epochs", "batch_size", "learning_rate", "weight_decay", "warmup_ratio", "schedule", "optimizer")
OWN = "EncoderWithHeads"  # models that plain transformers does not know
WHAT = {"token": "marks named entities in sentences", "sequence": "gives texts a class"}


def card_text(spec: StudySpec, *, seed: int, summary: Record, config: Record, made: Record) -> str:
    """The card as Markdown.

    spec     the setting that was refitted: every range has become a value
    summary  of all seeds, as summary.json has it
    config   the model's own config.json; empty where a folder holds no weights
    made     the folder's environment.json
    """
    header = yaml.safe_dump(_metadata(spec, seed=seed, summary=summary), sort_keys=False, allow_unicode=True)
    parts = [
        f"---\n{header}---",
        f"# {markdown_text(spec.name)}, seed {seed}",
        markdown_text(_opening(spec, summary)),
        "## Scores",
        *_scores(spec, seed=seed, summary=summary),
        "## Use",
        _use(spec, config),
        "## Training",
        _training(spec, summary, made=made),
        "## Limits",
        LIMITS,
    ]
    return "\n\n".join(parts) + "\n"


LIMITS = (
    "The scores hold for texts like those of the test split. Texts from elsewhere, of another time or another kind may "
    "fare worse, and labels that the training data lack are never found. The probabilities are not calibrated."
)


# ---- the hub's metadata


def _metadata(spec: StudySpec, *, seed: int, summary: Record) -> dict[str, Any]:
    """The header that the hub reads (huggingface.co/docs/hub/model-cards); the licence is for people to choose."""
    data = spec.data.hub.partition(":")[0] if spec.data.hub else None
    metrics = [name for name in METRICS if name in summary.get("test", {}).get("scores", {})]
    values = {name: summary["test"]["scores"][name]["values"].get(str(seed)) for name in metrics}
    results = {
        "task": {"type": PIPELINES[spec.task]},
        "dataset": {"name": data or spec.name, "type": data or spec.name, "split": "test"},
        "metrics": [
            {"type": name, "value": round(value, 4), "name": f"Test {score_name(name)}"}
            for name, value in values.items()
            if value is not None
        ],
    }
    return {
        "library_name": "transformers",
        "pipeline_tag": PIPELINES[spec.task],
        "tags": ["nertune"],
        **({} if Path(spec.model.base).is_absolute() else {"base_model": spec.model.base}),
        **({"datasets": [data]} if data else {}),
        "metrics": metrics,
        "model-index": [{"name": spec.name, "results": [results]}],
    }


# ---- what people read


def _opening(spec: StudySpec, summary: Record) -> str:
    base = Path(spec.model.base)
    what_base = f"encoder (from a folder {base.name})" if base.is_absolute() else spec.model.base
    labels = list(summary.get("test", {}).get("labels", {}))
    named = f": {', '.join(labels)}" if labels else ""
    what = WHAT[spec.task] if spec.model.problem != "multi_label" else "gives texts any number of labels"
    return f"A fine-tuned {what_base} that {what}{named}."


def _scores(spec: StudySpec, *, seed: int, summary: Record) -> list[str]:
    splits = [split for split in ("dev", "test") if split in summary]
    names = [name for name in (spec.search.objective, *METRICS) if any(_has(summary, split, name) for split in splits)]
    n_seeds = len(summary["seeds"])
    rows = [
        (
            f"{split} {score_name(name)}",
            score_text(found["values"].get(str(seed))),
            spread_text(found["mean"], found["sd"]),
        )
        for split in splits
        for name in dict.fromkeys(names)
        if (found := summary[split]["scores"].get(name))
    ]
    spread = f"± is the standard deviation over {n_seeds} seeds; " if n_seeds > 1 else ""
    note = f"{spread}test was scored once per seed."
    grids = [Grid("All labels", ("score", "this model", "all seeds"), rows, note=note)]
    labels = [
        (
            label,
            *(score_text(own[rate]["values"].get(str(seed))) for rate in ("precision", "recall", "f1")),
            count_text(round(own["support"]["mean"])),
        )
        for label, own in summary.get("test", {}).get("labels", {}).items()
    ]
    if labels:
        grids.append(Grid("Each label, on test", ("label", "precision", "recall", "F1", "in gold"), labels))
    return [markdown_table(grid).rstrip() for grid in grids]


def _has(summary: Record, split: str, name: str) -> bool:
    return name in summary[split]["scores"]


def _use(spec: StudySpec, config: Record) -> str:
    command = "```console\n$ nertune predict FOLDER texts.txt\n```"
    if not config:
        return f"Its weights are those of the folders in it.\n\n{command}"
    if OWN in config.get("architectures", ()):
        return f"Its heads are nertune's own:\n\n{command}"
    options = ', aggregation_strategy="first"' if spec.task == "token" else ""
    options = ", top_k=None" if spec.model.problem == "multi_label" and spec.task == "sequence" else options
    code = (
        "from transformers import pipeline\n\n"
        f'predict = pipeline("{PIPELINES[spec.task]}", "FOLDER"{options})\nprint(predict("A text."))'
    )
    advice = {
        "token": "Each word has the label of its first piece; longer texts than the model takes need nertune.",
        "sequence": "Longer texts than the model takes need nertune.",
    }[spec.task]
    return f"{command}\n\nor with transformers alone. {advice}\n\n```python\n{code}\n```"


def _training(spec: StudySpec, summary: Record, *, made: Record) -> str:
    train = spec.train.model_dump(mode="json")
    best = made.get("fit", {}).get("best_epoch")
    packages = made.get("packages", {})
    rows = [
        ("setting that was searched", point_text(summary["setting"])),
        *((name.replace("_", " "), value_text(train[name])) for name in SHOWN_KEYS),
        ("best epoch", epoch_text(best)),
        ("precision", str(made.get("precision"))),
        ("device", str(made.get("device"))),
        ("made with", ", ".join(f"{name} {packages[name]}" for name in ("torch", "transformers") if name in packages)),
        ("command", str(made.get("command"))),
        *((f"SHA-256 of {name}", digest) for name, digest in made.get("data", {}).items()),
    ]
    table = markdown_table(Grid("How it was made", ("what", "which"), rows, n_texts=2)).rstrip()
    return f"{table}\n\nspec.yaml beside this file has every value: it is a study file of this one fit."
