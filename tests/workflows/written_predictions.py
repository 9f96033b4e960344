"""Folders as best-and-train leaves them, as far as a comparison reads them."""

from __future__ import annotations

import json

SHA = "a" * 64


def text_rows(gold, predicted):
    labels = sorted({*gold, *predicted})
    return [
        {
            "id": number,
            "where": f"test.tsv:{number + 2}",
            "gold": true,
            "predicted": said,
            "probabilities": {label: float(label == said) for label in labels},
        }
        for number, (true, said) in enumerate(zip(gold, predicted, strict=True))
    ]


def write_rows(path, rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")
    return path


def write_run(output, runs, *, study="mood", sha=SHA, sizes=None, recorded=None):
    """An OUTPUT of these runs: seed -> rows of the test predictions."""
    for seed, rows in runs.items():
        folder = output / f"tiny_{study}_{seed}"
        write_rows(folder / "test_predictions.jsonl", rows)
        (folder / "environment.json").write_text(json.dumps({"seed": seed, "data": {"test": sha}}))
        (folder / "test_results.json").write_text(json.dumps({f"test_{k}": v for k, v in (recorded or {}).items()}))
    summary = {
        "study": study,
        "objective": "f1",
        "folders": {str(seed): f"tiny_{study}_{seed}" for seed in runs},
        **({"sizes": sizes} if sizes else {}),
    }
    (output / "summary.json").write_text(json.dumps(summary))
    return output
