"""What a report shows of the seed runs, from summary.json and their predictions: figures as plain data."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from statistics import fmean
from typing import Any

from nertune.analysis.calibration import best_thresholds, calibration
from nertune.analysis.errors import (
    by_entity_length,
    by_seen,
    by_sentence_length,
    count_entities,
    count_kinds,
    find_mistakes,
    frequent_mistakes,
)
from nertune.analysis.intervals import interval_of_seeds, intervals_of_labels
from nertune.analysis.predictions import Predictions, check_same_texts, read_predictions
from nertune.analysis.units import RATES, count_labels, count_units, score_names
from nertune.data.examples import Example, SequenceExample, TokenExample
from nertune.errors import NertuneError
from nertune.results.files import read_json
from nertune.results.layout import StudyFolder
from nertune.results.seed_folders import PREFIXES, predictions_file
from nertune.scores.confusion import confuse_classes, confuse_entities, confuse_label_sets
from nertune.scores.matching import MatchCounts, measure_matches
from nertune.spec.study import StudySpec

Record = Mapping[str, Any]

CONFIG = "config.json"
OF_THRESHOLDS = ("threshold", "f1", "best_threshold", "best_f1")
SAME = 1e-6  # between a recorded score and the same from the predictions
MOST_MISTAKES = 30
MOST_WRONG = 20
NO_LABEL = "no label"
LONGEST_TEXT = 10_000  # characters of a text that is shown


Files = Mapping[str, Sequence[Predictions]]  # of each split, those of the seeds


def told_of_seeds(spec: StudySpec, summary: Record | None, *, files: Files) -> dict[str, Any]:
    """The scores of the seeds with their intervals, of all labels and of each, and the learning curve."""
    if summary is None:
        return {"seeds": {}, "seed_rows": [], "optimism": None, "sizes": [], "labels": []}
    objective = spec.search.objective
    seeds = {
        split: {
            **summary[split]["scores"][objective],
            "interval": _interval(files[split], score=objective, mean=summary[split]["scores"][objective]["mean"]),
        }
        for split in PREFIXES
        if split in summary and objective in summary[split]["scores"]
    }
    scored = "test" if "test" in summary else "dev"
    return {
        "seeds": seeds,
        "seed_rows": _seed_rows(summary),
        "all_scores": {split: summary[split]["scores"] for split in PREFIXES if split in summary},
        "optimism": summary["search"],
        "edited_by_hand": summary["setting_edited_by_hand"],
        "sizes": _sizes(summary, objective),
        "labels": _labels(summary, files[scored], split=scored),
    }


def read_files(folder: StudyFolder, summary: Record | None) -> tuple[Files, list[str]]:
    """The predictions of all seeds by split, and what is missing: with one of them gone there are none of that split.

    Figures of some seeds beside those of all would not agree with one another.
    """
    files: dict[str, list[Predictions]] = {split: [] for split in PREFIXES}
    notes: list[str] = []
    if summary is None:
        return files, notes
    for split in sorted({*PREFIXES} & {*summary}):
        try:
            paths = [predictions_file(folder.root / name, split) for name in summary["folders"].values()]
            found = [read_predictions(path) for path in paths]
            check_same_texts(found)
            files[split] = found
        except NertuneError as error:
            reason = str(error).splitlines()[0]
            notes.append(f"predictions of {split} are missing, so that it has no intervals and no mistakes: {reason}")
    return files, notes


def told_of_mistakes(
    spec: StudySpec,
    *,
    files: Files,
    splits: Mapping[str, Sequence[Example]],
) -> dict[str, Any]:
    """Where the models of the seeds err on test: the keys of `_of_entities` or `_of_classes`; empty without seeds.

    splits  examples of train and test where the data are still what was trained on: without them there are no texts
    """
    empty: dict[str, Any] = {
        "confusion": {},
        "calibration": None,
        "matching": {},
        "groups": {},
        "kinds": {},
        "mistakes": [],
        "thresholds": [],
    }
    if not files["test"]:
        return empty
    found = (_of_entities if spec.task == "token" else _of_classes)(files["test"], splits=splits)
    return {**empty, **found, "thresholds": _thresholds(spec, files["dev"])}


# ---- scores


def _interval(files: Sequence[Predictions], *, score: str, mean: float | None) -> dict[str, Any] | None:
    """The interval and the name of its units; None of a score that predictions alone do not give.

    mean  as it was recorded: that of several heads is another one than that of all their labels together
    """
    if not files or score not in score_names(files[0]):
        return None
    counts = count_units(files, score=score)
    found = interval_of_seeds(counts.counts, counts.score, bounds=counts.bounds)
    if mean is None or abs(found.mean - mean) > SAME:
        return None
    return {**asdict(found), "unit": counts.unit}


def _seed_rows(summary: Record) -> list[dict[str, Any]]:
    """A row a seed: each score of dev and test, and the folder."""
    return [
        {
            "seed": seed,
            "folder": summary["folders"].get(str(seed)),
            **{
                split: {name: found["values"].get(str(seed)) for name, found in summary[split]["scores"].items()}
                for split in PREFIXES
                if split in summary
            },
        }
        for seed in summary["seeds"]
    ]


def _sizes(summary: Record, objective: str) -> list[dict[str, Any]]:
    rows = []
    for found in summary.get("sizes", {}).values():
        row = {"percent": found["percent"], "examples": found["examples"]}
        for split in PREFIXES:
            score = found.get(split, {}).get("scores", {}).get(objective, {})
            row |= {split: score.get("mean"), f"{split}_sd": score.get("sd")}
        rows.append(row)
    return rows


def _labels(summary: Record, files: Sequence[Predictions], *, split: str) -> list[dict[str, Any]]:
    """Mean precision, recall and F1 of each label over the seeds, with the interval of each and F1's values by seed."""
    found = summary.get(split, {}).get("labels", {})
    intervals = intervals_of_labels(count_labels(files)) if files else {}
    rows = []
    for label, scores in found.items():
        own = {rate: [one.low, one.high] for rate, one in intervals.get(label, {}).items() if rate in scores}
        low, high = own.get("f1", (None, None))
        rows.append(
            {
                "label": label,
                **{rate: scores[rate]["mean"] for rate in RATES if rate in scores},
                "sd": scores["f1"]["sd"],
                "support": round(scores["support"]["mean"]),
                "low": low,
                "high": high,
                "intervals": own,
                "values": scores["f1"]["values"],
            }
        )
    return rows


# ---- entities


def _of_entities(files: Sequence[Predictions], *, splits: Mapping[str, Sequence[Example]]) -> dict[str, Any]:
    gold = files[0].spans[0]
    runs = [file.spans[1] for file in files]
    words = [example.words for example in splits.get("test", ()) if isinstance(example, TokenExample)]
    mistakes = [find_mistakes(gold, predicted) for predicted in runs]
    groups = {"words of the entity": by_entity_length(gold, runs)}
    if words:
        groups["words of the sentence"] = by_sentence_length(gold, runs, words=words)
    if words and "train" in splits:
        train = [example for example in splits["train"] if isinstance(example, TokenExample)]
        seen = count_entities((example.words for example in train), (example.spans for example in train))
        groups["the same words and type in train"] = by_seen(gold, runs, words=words, seen=seen)
    pairs = [
        (probability, span in own)
        for file in files
        for own, found, sure in zip(file.spans[0], file.spans[1], file.probabilities, strict=True)
        for span, probability in zip(found, sure, strict=True)
    ]
    return {
        "matching": _matching([measure_matches(gold, predicted) for predicted in runs]),
        "confusion": _mean_confusion([confuse_entities(gold, predicted) for predicted in runs]),
        "groups": groups,
        "kinds": count_kinds(mistakes),
        "mistakes": _with_words(frequent_mistakes(words, mistakes, most=MOST_MISTAKES), words, files[0])
        if words
        else [],
        "calibration": calibration([sure for sure, _ in pairs], [right for _, right in pairs]) if pairs else None,
    }


def _matching(runs: Sequence[Mapping[str, MatchCounts]]) -> dict[str, dict[str, float]]:
    """Every measure's counts and rates, their means over the seeds."""
    told = [{name: counts.to_json() for name, counts in run.items()} for run in runs]
    return {name: {key: fmean(run[name][key] for run in told) for key in told[0][name]} for name in told[0]}


def _mean_confusion(tables: Sequence[Mapping[str, Mapping[str, int]]]) -> dict[str, dict[str, float]]:
    """What is taken for what: the means over the seeds."""
    return {
        row: {column: fmean(table.get(row, {}).get(column, 0) for table in tables) for column in _columns(tables, row)}
        for row in sorted({row for table in tables for row in table})
    }


def _columns(tables: Sequence[Mapping[str, Mapping[str, int]]], row: str) -> list[str]:
    return sorted({column for table in tables for column in table.get(row, {})})


def _with_words(
    mistakes: Sequence[dict[str, Any]], words: Sequence[Sequence[str]], file: Predictions
) -> list[dict[str, Any]]:
    return [
        {**mistake, "words": list(words[mistake["sentence"]]), "where": file.where[mistake["sentence"]]}
        for mistake in mistakes
    ]


# ---- classes


def _of_classes(files: Sequence[Predictions], *, splits: Mapping[str, Sequence[Example]]) -> dict[str, Any]:
    is_single = files[0].problem == "single_label"
    texts = [_text(example) for example in splits.get("test", ()) if isinstance(example, SequenceExample)]
    confuse: Callable[[Predictions], Any] = (
        _confuse_one if is_single else lambda file: confuse_label_sets(*file.classes)
    )
    told: dict[str, Any] = {"confusion": _mean_confusion([confuse(file) for file in files])}
    if is_single:
        sure = [max(own) for file in files for own in file.probabilities]
        right = [one == other for file in files for one, other in zip(*file.classes, strict=True)]
        return {**told, "calibration": calibration(sure, right), "mistakes": _most_sure(files, texts)}
    pairs = [
        (probability, label in own)
        for file in files
        for own, sure in zip(file.classes[0], file.probabilities, strict=True)
        for label, probability in zip(file.labels, sure, strict=True)
    ]
    found = calibration([one for one, _ in pairs], [is_there for _, is_there in pairs])
    return {**told, "calibration": found, "mistakes": _most_sure_of_sets(files, texts)}


def _confuse_one(file: Predictions) -> Any:
    return confuse_classes(*([labels[0] for labels in side] for side in file.classes))


def _text(example: SequenceExample) -> str:
    text = example.text if example.pair is None else f"{example.text} ‖ {example.pair}"
    return text[:LONGEST_TEXT]


Wrong = tuple[float, int, dict[str, Any]]  # how sure over how many models; the text's number; what is told of it


def _most_sure(files: Sequence[Predictions], texts: Sequence[str]) -> list[dict[str, Any]]:
    """The texts where most models were wrong and surest of it: mistakes to learn from, or of the annotation."""
    found: list[Wrong] = []
    for number, labels in enumerate(files[0].classes[0]):
        wrong = [file for file in files if file.classes[1][number] != labels]
        if wrong:
            sure = fmean(max(file.probabilities[number]) for file in wrong)
            predicted = max(wrong, key=lambda file: max(file.probabilities[number])).classes[1][number]
            told = {"gold_label": labels[0], "predicted_label": predicted[0], "label": None, "probability": sure}
            found.append((len(wrong) * sure, number, {**told, "runs": len(wrong)}))
    return _surest(found, files[0], texts)


def _most_sure_of_sets(files: Sequence[Predictions], texts: Sequence[str]) -> list[dict[str, Any]]:
    """The same of texts with any number of labels: the wrong decisions, each about one label of one text."""
    found: list[Wrong] = []
    for number, gold in enumerate(files[0].classes[0]):
        for label in files[0].labels:
            wrong = [file for file in files if (label in file.classes[1][number]) != (label in gold)]
            if wrong:
                given = fmean(file.probabilities[number][file.labels.index(label)] for file in wrong)
                sides = {"gold_label": gold, "predicted_label": wrong[0].classes[1][number]}
                shown = {side: " + ".join(labels) or NO_LABEL for side, labels in sides.items()}
                sure = 1 - given if label in gold else given
                told = {**shown, "label": label, "probability": given, "runs": len(wrong)}
                found.append((len(wrong) * sure, number, told))
    return _surest(found, files[0], texts)


def _surest(found: Sequence[Wrong], file: Predictions, texts: Sequence[str]) -> list[dict[str, Any]]:
    """What is told of the surest ones, with their places and texts."""
    ordered = sorted(found, key=lambda one: (-one[0], one[1]))[:MOST_WRONG]
    return [
        {"where": file.where[number], "text": texts[number] if texts else None, **told} for _, number, told in ordered
    ]


def _thresholds(spec: StudySpec, files: Sequence[Predictions]) -> list[dict[str, Any]]:
    """Of each label of multi-label texts: threshold and F1 on dev, and those of the best one; means over seeds."""
    tables = []
    for file in files:
        if file.task == "sequence" and file.problem == "multi_label":
            used = _used_thresholds(spec, file)
            sure = [dict(zip(file.labels, own, strict=True)) for own in file.probabilities]
            tables.append(best_thresholds(file.classes[0], sure, used=used))
    return [
        {**rows[0], **{name: fmean(row[name] for row in rows) for name in OF_THRESHOLDS}}
        for rows in zip(*tables, strict=True)
    ]


def _used_thresholds(spec: StudySpec, file: Predictions) -> dict[str, float]:
    """Label -> threshold: as the saved model beside the predictions holds them, else as the study says."""
    config = file.path.with_name(CONFIG)
    heads = read_json(config).get("nertune", {}).get("heads", {}).values() if config.exists() else ()
    kept = {
        label: threshold
        for head in heads
        for label, threshold in zip(head["labels"], head.get("thresholds") or (), strict=False)
        if label in file.labels
    }
    usual = 0.5 if spec.model.threshold == "tuned" else spec.model.threshold
    return kept or dict.fromkeys(file.labels, usual)
