"""The parts of a study's report and their tables, the same on the page and in Markdown."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from nertune.report.grids import Grid, count_text, markdown_table, markdown_text, number_text, share_text
from nertune.report.mistakes import mistakes_markdown
from nertune.report.plots import STUDY_PLOTS
from nertune.report.tables import point_text
from nertune.report.text import (
    duration_text,
    epoch_text,
    safe_text,
    score_name,
    score_text,
    short_key,
    spread_text,
    value_text,
)
from nertune.report.text import share_text as part_text

Record = Mapping[str, Any]

SHARES = ("new_words", "new_entities")
MOST_PAIRS = 40  # of labels, in the table of what is taken for what
MOST_ROWS = 500  # of a table in Markdown
MATCHING = {
    "strict": "type and both ends",
    "exact": "both ends, whatever the type",
    "partial": "both ends; half, where a word is shared",
    "type": "type, and a word is shared",
}


@dataclass(frozen=True)
class Section:
    """A part of the report.

    name   its anchor
    title  its heading
    plots  names of STUDY_PLOTS, before the tables
    grids  the tables that there is anything for
    texts  sentences before them
    """

    name: str
    title: str
    plots: tuple[str, ...]
    grids: Callable[[Record], list[Grid]]
    texts: Callable[[Record], list[str]]


def report_markdown(told: Record, *, plots: Mapping[str, str]) -> str:
    """The report as Markdown.

    plots  files by name
    """
    parts = [f"# {markdown_text(told['study'])}"]
    for section in SECTIONS:
        found = section.grids(told)
        drawn = [name for name in section.plots if name in plots]
        texts = section.texts(told)
        if found or drawn or texts:
            parts.append(f"## {section.title}")
            parts += [markdown_text(text) for text in texts]
            parts += [f"![{STUDY_PLOTS[name].shows}]({plots[name]})" for name in drawn]
            parts += [markdown_table(_cut(grid)).rstrip() for grid in found]
            parts += mistakes_markdown(told) if section.name == "errors" else []
    parts += ["## Study file", f"```yaml\n{told['made']['study_file'].rstrip()}\n```"]
    return "\n\n".join(parts) + "\n"


def _cut(grid: Grid) -> Grid:
    if len(grid.rows) <= MOST_ROWS:
        return grid
    note = f"The first {MOST_ROWS} of {len(grid.rows):,} rows. {grid.note}".strip()
    return Grid(grid.title, grid.headings, grid.rows[:MOST_ROWS], n_texts=grid.n_texts, note=note)


# ---- the answer


def answer_texts(told: Record) -> list[str]:
    """Best setting, scores with their intervals, what it cost, what is odd, and what to type next."""
    name = score_name(told["objective"])
    best = told["best"]
    if best["trial"] is None:
        return ["No trial has a score yet.", f"Next: {told['next']}"]
    texts = [
        f"Best setting: {safe_text(point_text(best['point']))}. Trial {best['trial']} scored "
        f"{name} {score_text(best['score'])} on dev, after epoch {epoch_text(best['epoch'])}."
    ]
    texts += [seeds_text(told, split=split) for split in ("test", "dev") if split in told["seeds"]]
    if any(found["interval"] for found in told["seeds"].values()):
        texts.append(METHOD if len(told["seed_rows"]) > 1 else METHOD_OF_ONE)
    texts += [cost_text(told), *warning_texts(told), f"Next: {told['next']}"]
    return texts


METHOD = (
    "The 95 % interval is that of the mean score of new training seeds on new texts like these (a single seed may lie "
    "outside): it holds the spread of the seeds and that of a bootstrap over the units named (2,000 samples, the same "
    "for all seeds), with Student's t and Satterthwaite's degrees of freedom. ± is the standard deviation over seeds."
)
METHOD_OF_ONE = (
    "The 95 % interval is that of this one model on new texts like these, by a bootstrap over the units named (2,000 "
    "samples). How much another seed would differ is not known from one."
)


def seeds_text(told: Record, *, split: str) -> str:
    """`Test F1 0.8123 ± 0.0045 over 5 seeds, 95 % interval 0.79 to 0.83 over seeds and 940 sentences: 0.81, …`"""
    found, name = told["seeds"][split], score_name(told["objective"])
    values = ", ".join(score_text(value) for value in found["values"].values())
    seeds = count_text(found["n"], "seeds")
    interval = found.get("interval")
    sure = ""
    if interval:
        what = f"{'seeds and ' if interval['n_seeds'] > 1 else ''}{count_text(interval['n_units'], interval['unit'])}"
        sure = f", 95 % interval {score_text(interval['low'])} to {score_text(interval['high'])} over {what}"
    return f"{split.capitalize()} {name} {spread_text(found['mean'], found['sd'])} over {seeds}{sure}: {values}."


def cost_text(told: Record) -> str:
    names = {"search": "trials", "candidate": "candidate fits", "final": "seed runs", "size": "fits on parts of train"}
    parts = []
    for stage, found in told["cost"]["stages"].items():
        failed = f", {found['failed']} failed" if found["failed"] else ""
        parts.append(f"{count_text(found['runs'], names[stage])} ({duration_text(found['seconds'])} of work{failed})")
    states = told["search"]["states"]
    if states.get("pruned"):
        parts.append(f"{states['pruned']} of the trials were cut short")
    return f"Cost: {'; '.join(parts)}; the search took {duration_text(told['search']['seconds'])}."


def warning_texts(told: Record) -> list[str]:
    """What a reader should know before the numbers are believed."""
    texts = [
        f"The best value of {short_key(edge['key'])}, {value_text(edge['value'])}, is the {edge['side']} that was "
        f"tried: better ones may lie beyond."
        for edge in told["edges"]
    ]
    same, n_scored = told["search"]["same"], told["search"]["n_scored"]
    if same and same["count"] > n_scored / 2:
        texts.append(
            f"{same['count']} of {n_scored} trials score exactly {score_text(same['score'])}: little was learned."
        )
    texts += [f"No seed ever finds “{safe_text(label)}” ({count_text(n)} in gold)." for label, n in _never_found(told)]
    if not told["search"]["finished"]:
        texts.append("The search is not finished.")
    if told.get("edited_by_hand"):
        texts.append("The setting was edited by hand: it is not the one that the search chose.")
    if told["cost"]["failed_seeds"]:
        texts.append(f"Seeds without a result: {', '.join(map(str, told['cost']['failed_seeds']))}.")
    return [*texts, *(f"{note[0].upper()}{note[1:]}" for note in told["notes"])]


def _never_found(told: Record) -> list[tuple[str, int]]:
    """Labels of gold that no model has right once."""
    return [(row["label"], row["support"]) for row in told["labels"] if row["support"] and not row.get("recall")]


# ---- the search


def search_texts(told: Record) -> list[str]:
    texts = []
    if told["importance"] and told["search"]["few_trials"]:
        texts.append("From so few trials, which key matters most is little more than a guess.")
    if told["importance"]:
        n_scored = count_text(told["search"]["n_scored"], "trials")
        texts.append(
            f"Importance: fANOVA (Hutter, Hoos, Leyton-Brown 2014), from {n_scored} that ran to their end; keys that "
            "have one value in all of them are left out."
        )
    if len(told["expected_best"]) > 2:
        texts.append(
            "Expected best: what the best of n trials would score, drawn with replacement from those that were run "
            "(Dodge et al. 2019). Where it still rises steeply at its end, good settings are rare, and more trials are "
            "likely to find better ones; where it is flat, they are not."
        )
    return texts


def search_grids(told: Record) -> list[Grid]:
    return [grid for grid in (_importance(told), _causes(told), trials_grid(told)) if grid.rows]


def trials_grid(told: Record) -> Grid:
    keys = list(dict.fromkeys(key for row in told["trials"] for key in row["point"]))
    headings = (
        "trial",
        "state",
        *map(short_key, keys),
        f"dev {score_name(told['objective'])}",
        "rank",
        "epoch",
        "time",
    )
    rows = [
        (
            str(row["trial"]),
            _state_text(row),
            *(value_text(row["point"].get(key, "–")) for key in keys),
            spread_text(row["score"], row["sd"]),
            str(row["rank"] or "–"),
            epoch_text(row["epoch"]),
            duration_text(row["seconds"]),
        )
        for row in told["trials"]
    ]
    return Grid("All trials", headings, rows, n_texts=2 + len(keys))


def _state_text(row: Record) -> str:
    if row["state"] == "pruned":
        return f"cut after {part_text(row['share'])}"
    return f"{row['state']}: {row['cause']}" if row["state"] == "failed" and row["cause"] else str(row["state"])


def _importance(told: Record) -> Grid:
    rows = [(short_key(key), share_text(share)) for key, share in (told["importance"] or {}).items()]
    return Grid("Importance of the keys", ("key", "share of the difference between trials"), rows)


def _causes(told: Record) -> Grid:
    rows = [
        (row["cause"], safe_text(row["message"] or ""), str(row["count"]), ", ".join(map(str, row["trials"][:20])))
        for row in told["search"]["causes"]
    ]
    return Grid("Failed trials", ("cause", "message of the first", "trials", "numbers"), rows, n_texts=2)


# ---- the seeds


def seeds_texts(told: Record) -> list[str]:
    found = told["optimism"]
    if not found or found["too_hopeful_by"] is None:
        return []
    hopeful, many = found["too_hopeful_by"], "The best of many trials is partly the luckiest one."
    how = f"too hopeful by {hopeful:.4f}. {many}" if hopeful > 0 else f"lower by {-hopeful:.4f}."
    return [
        f"The search's best trial scored {score_text(found['dev_score'])} on dev, the seeds "
        f"{score_text(found['mean_dev_score_of_seeds'])} in the mean: it was {how}"
    ]


def seeds_grids(told: Record) -> list[Grid]:
    return [grid for grid in (_seed_rows(told), _seed_labels(told), _sizes(told)) if grid.rows]


def _seed_rows(told: Record) -> Grid:
    """A line a score, a column a seed."""
    seeds = [str(row["seed"]) for row in told["seed_rows"]]
    rows = [
        (
            f"{split} {score_name(name)}",
            *(score_text(found["values"].get(seed)) for seed in seeds),
            score_text(found["mean"]),
            score_text(found["sd"]),
        )
        for split in ("test", "dev")
        for name, found in told.get("all_scores", {}).get(split, {}).items()
    ]
    return Grid("Every seed", ("score", *(f"seed {seed}" for seed in seeds), "mean", "± sd"), rows)


def _seed_labels(told: Record) -> Grid:
    seeds = [str(row["seed"]) for row in told["seed_rows"]]
    rows = [
        (
            row["label"],
            *(score_text(row["values"].get(seed)) for seed in seeds),
            score_text(row["f1"]),
            score_text(row["sd"]),
        )
        for row in told["labels"]
    ]
    return Grid("F1 of every label and seed", ("label", *(f"seed {seed}" for seed in seeds), "mean", "± sd"), rows)


def _sizes(told: Record) -> Grid:
    rows = [
        (
            f"{row['percent']:g} %",
            count_text(row["examples"] or 0),
            *(spread_text(row[split], row[f"{split}_sd"]) for split in ("dev", "test")),
        )
        for row in told["sizes"]
    ]
    name = score_name(told["objective"])
    return Grid("Learning curve", ("of train", "examples", f"dev {name}", f"test {name}"), rows)


# ---- where it errs


def errors_texts(told: Record) -> list[str]:
    texts = []
    if told["labels"]:
        texts.append("In the brackets behind a score stands its 95 % interval, over seeds and units as above.")
    if told["kinds"]:
        kinds = ", ".join(f"{n:.1f} {kind}" for kind, n in told["kinds"].items())
        texts.append(f"Mistakes of a model on test, in the mean: {kinds}.")
    if told["calibration"]:
        ece = score_text(told["calibration"]["ece"])
        texts.append(f"Expected calibration error (Guo et al. 2017, ten bins): {ece}.")
    return texts


def errors_grids(told: Record) -> list[Grid]:
    groups = [_group(name, rows) for name, rows in told["groups"].items()]
    grids = (_label_rows(told), _matching(told), *groups, _confusion(told), _thresholds(told))
    return [grid for grid in grids if grid.rows]


def _label_rows(told: Record) -> Grid:
    rates = ("precision", "recall", "f1")
    rows = [
        (
            row["label"],
            *(_with_interval(row, rate) for rate in rates),
            score_text(row["sd"]),
            count_text(row["support"]),
        )
        for row in told["labels"]
    ]
    headings = ("label", *map(score_name, rates), "sd of F1 over seeds", "in gold")
    return Grid("Labels", headings, rows)


def _with_interval(row: Record, rate: str) -> str:
    found = row["intervals"].get(rate)
    interval = f" [{found[0]:.3f}, {found[1]:.3f}]" if found else ""
    return f"{score_text(row.get(rate))}{interval}"


def _matching(told: Record) -> Grid:
    rows = [
        (name, MATCHING[name], *(score_text(found[rate]) for rate in ("precision", "recall", "f1")))
        for name, found in told["matching"].items()
    ]
    note = "SemEval-2013 task 9, each entity matched with one of the other side at most; means over the seeds."
    return Grid(
        "Strict and partial matching",
        ("measure", "right are", "precision", "recall", "F1"),
        rows,
        n_texts=2,
        note=note if rows else "",
    )


def _group(name: str, rows: Sequence[Record]) -> Grid:
    found = [
        (row["group"], *(score_text(row[rate]) for rate in ("precision", "recall", "f1")), count_text(row["support"]))
        for row in rows
    ]
    note = "The predictions of all seeds counted together."
    return Grid(f"By {name}", (name, "precision", "recall", "F1", "in gold"), found, note=note)


def _confusion(told: Record) -> Grid:
    found = [
        (n, gold, predicted)
        for gold, row in told["confusion"].items()
        for predicted, n in row.items()
        if gold != predicted and n
    ]
    found.sort(key=lambda one: -one[0])
    digits = 1 if any(n % 1 for n, _, _ in found) else 0
    rows = [
        (gold or "(nothing)", predicted or "(nothing)", f"{n:,.{digits}f}") for n, gold, predicted in found[:MOST_PAIRS]
    ]
    left_out = f" {count_text(len(found) - len(rows), 'rarer pairs')} not shown." if len(found) > len(rows) else ""
    note = f"Means over the seeds.{left_out}"
    return Grid("What is taken for what", ("gold", "predicted", "times"), rows, n_texts=2, note=note)


def _thresholds(told: Record) -> Grid:
    rows = [
        (
            row["label"],
            f"{row['threshold']:.2f}",
            score_text(row["f1"]),
            f"{row['best_threshold']:.2f}",
            score_text(row["best_f1"]),
            count_text(row["support"]),
        )
        for row in told.get("thresholds", ())
    ]
    note = (
        "On dev, in the mean over the seeds' probabilities. Where another threshold is better: model.threshold: tuned"
    )
    headings = ("label", "threshold", "F1", "best threshold", "F1 there", "in gold")
    return Grid("Thresholds", headings, rows, note=note if rows else "")


# ---- how it was made


def made_texts(told: Record) -> list[str]:
    made = told["made"]
    version = (made["nertune"] or {}).get("version")
    commit = (made["nertune"] or {}).get("commit")
    by = f"nertune {version}{f' ({commit[:10]})' if commit else ''}" if version else "nertune"
    texts = [f"Made with {by}; the study was begun {made['created'][:16].replace('T', ' ')} UTC."]
    if made["command"]:
        texts.append(f"Command: {safe_text(made['command'])}")
    return texts


def made_grids(told: Record) -> list[Grid]:
    made = told["made"]
    facts = {
        "task": told["task"],
        "model": told["model"],
        "device": made["device"],
        "precision": made["precision"],
        "threads of a fit": made["threads"],
        "python": made["python"],
        "platform": made["platform"],
        **made["versions"],
    }
    rows = [(name, safe_text(value)) for name, value in facts.items() if value is not None]
    digests = {row["split"]: row["fingerprint"] for row in made["splits"]} or made["data"]
    files = Grid("Data files", ("split", "SHA-256"), list(digests.items()), n_texts=2)
    return [Grid("Made with", ("what", "which"), rows, n_texts=2), *_data(told), files]


def _data(told: Record) -> list[Grid]:
    """Statistics of the splits, where the data are still those that were trained on."""
    unit = "sentences" if told["task"] == "token" else "texts"
    headings = {
        "examples": unit,
        "documents": "documents",
        "words": "words",
        "median_words": "words, median",
        "most_words": "words, most",
        "new_words": "new words",
        "new_entities": "new entities",
    }
    splits = told["made"]["splits"]
    known = [name for name in headings if any(row[name] is not None for row in splits)]
    rows = [
        (
            row["split"],
            ", ".join(f"{label} {n:,}" for label, n in row["labels"].items()),
            *(share_text(row[name]) if name in SHARES else number_text(row[name]) for name in known),
        )
        for row in splits
    ]
    note = "New: what stands nowhere in train; an entity, too, whose words have another type there."
    found = Grid("Data", ("split", "labels", *(headings[name] for name in known)), rows, n_texts=2, note=note)
    return [found] if rows else []


SECTIONS = (
    Section("answer", "The answer", ("seed_scores",), lambda _: [], answer_texts),
    Section(
        "search",
        "The search",
        ("heat_map", "slices", "learning_curves", "importance", "expected_best"),
        search_grids,
        search_texts,
    ),
    Section("seeds", "The seeds", ("sizes",), seeds_grids, seeds_texts),
    Section("errors", "Where it errs", ("label_scores", "confusion", "calibration"), errors_grids, errors_texts),
    Section("made", "How it was made", (), made_grids, made_texts),
)
