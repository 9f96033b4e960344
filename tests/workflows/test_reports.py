"""The report of a study: what it says stands in the record, whatever the data hold."""

from __future__ import annotations

import json
import re
import time
from html.parser import HTMLParser
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from reported_study import complete, failed, record_search, write_seeds, write_token_study

from nertune.analysis.predictions import read_predictions
from nertune.data.examples import SequenceExample, Span
from nertune.errors import StudyConflictError, UserError, Where
from nertune.report.mistakes import mistakes_markdown
from nertune.report.text import score_text
from nertune.results.database import Settlement
from nertune.results.files import read_json
from nertune.results.records import SplitScores
from nertune.spec.load import load_study
from nertune.workflows.run_report import report, report_at_end
from nertune.workflows.told_seeds import told_of_mistakes

SPACE = {"train.learning_rate": [1e-5, 1e-4, 1e-3], "train.batch_size": [8, 16]}
POINTS = [dict(zip(SPACE, values, strict=True)) for values in product(*SPACE.values())]
SCORES = (0.5, 0.6, 0.7, 0.65, 0.8)
HOSTILE = ["<script>alert(1)</script>", "\"'><img src=x>", "שלום", "👩‍🔬", "{{ 7*7 }}", "&amp;", "w" * 10_000]
SENTENCES = [
    [("Ada", "B-PER"), ("met", "O"), ("Bob", "B-PER"), *((word, "O") for word in HOSTILE)],
    [("Oslo", "B-<b>LOC</b>"), ("is", "O"), ("far", "O")],
]
VOID = {"meta", "br", "img", "link", "hr", "input"}


class Checker(HTMLParser):
    """Elements that are closed as they were opened; their names, ids, links and texts."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.names: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.texts: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.append(tag)
        told = dict(attrs)
        self.ids += [told["id"]] if told.get("id") else []
        self.links += [value for name, value in told.items() if value and name in ("href", "src", "xlink:href")]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open[-1:] not in (["style"], ["script"]):
            self.texts.append(data)


def read_page(page: Path) -> Checker:
    checker = Checker()
    checker.feed(page.read_text(encoding="utf-8"))
    assert checker.open == []
    return checker


@pytest.fixture(scope="module")
def reported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of a study with five finished trials, a failed one and three seeds."""
    folder = tmp_path_factory.mktemp("reported")
    path = write_token_study(folder, sentences=SENTENCES, space=SPACE)
    outcomes = [(point, complete(score)) for point, score in zip(POINTS, SCORES, strict=False)]
    spec = record_search(path, [*outcomes, (POINTS[5], failed("oom", "<no memory> & none"))])
    right = [[Span("PER", 0, 1), Span("PER", 2, 3)], [Span("<b>LOC</b>", 0, 1)]]
    wrong = [[Span("PER", 0, 1), Span("<b>LOC</b>", 2, 3), Span("PER", 4, 5)], []]
    write_seeds(spec, {1: right, 2: wrong, 3: [right[0], []]})
    return report(path, tell=lambda line: None)


def numbers_of(told: Any) -> set[str]:
    if isinstance(told, dict):
        return {number for value in told.values() for number in numbers_of(value)}
    if isinstance(told, list):
        return {number for value in told for number in numbers_of(value)}
    return {score_text(told)} if isinstance(told, float) else set()


def test_the_page_is_whole_opens_offline_and_names_everything_once(reported: Path) -> None:
    page = read_page(reported)
    links = [link for link in page.links if not link.startswith("data:image/png;base64,")]  # a plot's own squares
    assert [link for link in links if "//" in link or link.startswith("data:")] == []
    assert len(page.ids) == len({*page.ids})
    for link in links:
        if link.startswith("#"):
            assert link[1:] in page.ids
        else:
            assert (reported.parent / link).is_file(), link
    assert page.names.count("script") == 1


def test_every_score_on_the_page_stands_in_the_record(reported: Path) -> None:
    told = read_json(reported.parent / "report.json")
    summary = read_json(reported.parents[1] / "summary.json")
    known = numbers_of(told) | {score_text(point["sd"]) for point in told["expected_best"]}
    shown = {text for part in read_page(reported).texts for text in re.findall(r"\b0\.\d{4}\b", part)}
    ours = {found for found in shown if not any(found in text for text in told["made"]["study_file"].split())}
    gains = {score_text(abs(told["expected_best"][-1]["mean"] - told["expected_best"][1]["mean"]))}
    assert len(ours) > 20
    assert ours <= known | gains
    assert told["seeds"]["test"]["mean"] == summary["test"]["scores"]["f1"]["mean"]
    assert [row["score"] for row in told["trials"]] == [*sorted(SCORES, reverse=True), None]


def test_texts_and_labels_are_shown_escaped_and_whole(reported: Path) -> None:
    html, shown = reported.read_text(encoding="utf-8"), " ".join(read_page(reported).texts)
    for text in ("<script>alert", "<img", "<b>LOC", "<no memory>"):
        assert text not in html
        assert text in shown
    for word in HOSTILE:
        assert word in shown
    assert "$7*7" not in shown
    assert "49" not in re.findall(r"\{\{ (.*?) \}\}", shown)
    markdown = (reported.parent / "report.md").read_text(encoding="utf-8")
    assert "<b>LOC" not in markdown
    assert "**Bob**" in markdown


def test_the_answer_comes_first_with_its_warnings(reported: Path) -> None:
    shown = " ".join(read_page(reported).texts)
    assert "Trial 4 scored F1 0.8000 on dev" in shown
    assert "The best value of learning rate, 0.001, is the highest that was tried" in shown
    assert "6 trials (11s of work, 1 failed)" in shown
    assert "95 % interval" in shown
    assert "over seeds and 2 sentences" in shown


def test_markdown_and_page_say_the_same_and_every_plot_is_there_in_three_forms(reported: Path) -> None:
    markdown = (reported.parent / "report.md").read_text(encoding="utf-8")
    drawn = {path.stem for path in (reported.parent / "plots").iterdir()}
    assert drawn >= {"heat_map", "slices", "learning_curves", "importance", "expected_best", "seed_scores", "confusion"}
    for name in drawn:
        assert f"(plots/{name}.png)" in markdown
        assert {path.suffix for path in (reported.parent / "plots").glob(f"{name}.*")} == {".png", ".svg", ".pdf"}
    assert "## Where it errs" in markdown
    assert "| 4 | complete | 0.001 | 8 | 0.8000 | 1 |" in markdown


def test_after_the_search_alone_test_is_not_opened(tmp_path: Path) -> None:
    path = write_token_study(tmp_path, sentences=SENTENCES, space=SPACE)
    record_search(path, [(point, complete(score)) for point, score in zip(POINTS, (*SCORES, 0.4), strict=True)])
    (tmp_path / "data" / "test.txt").write_text("this is no CoNLL\x00file\n", encoding="utf-8")
    notes: list[str] = []
    told = read_json(report(path, tell=notes.append).parent / "report.json")
    assert notes == []
    assert [row["split"] for row in told["made"]["splits"]] == ["train", "dev"]
    assert told["next"].startswith("nertune best-and-train")
    assert told["seeds"] == {}


def test_the_next_step_after_a_search_that_was_broken_off_is_to_go_on_with_it(tmp_path: Path) -> None:
    path = write_token_study(tmp_path, sentences=SENTENCES, space=SPACE)
    record_search(path, [(POINTS[0], complete(SCORES[0]))])
    page = report(path, tell=lambda line: None)
    assert read_json(page.parent / "report.json")["next"] == f"nertune search {path}"
    assert "The search is not finished." in (page.parent / "report.md").read_text()


@pytest.mark.parametrize("change", ["edited", "gone"])
def test_data_that_are_no_longer_those_of_the_models_show_no_texts(tmp_path: Path, change: str) -> None:
    path = write_token_study(tmp_path, sentences=SENTENCES, space=SPACE)
    spec = record_search(path, [(POINTS[0], complete(0.5))])
    write_seeds(spec, {1: [[Span("PER", 0, 1)], []]})
    test = tmp_path / "data" / "test.txt"
    if change == "gone":
        test.unlink()
    else:
        test.write_text(test.read_text(encoding="utf-8").replace("met", "saw"), encoding="utf-8")
    notes: list[str] = []
    told = read_json(report(path, tell=notes.append).parent / "report.json")
    assert told["mistakes"] == []
    assert ("test changed since" if change == "edited" else "cannot be read") in notes[0]


def test_data_that_changed_after_the_search_are_told(tmp_path: Path) -> None:
    path = write_token_study(tmp_path, sentences=SENTENCES, space=SPACE)
    record_search(path, [(POINTS[0], complete(0.5))])
    train = tmp_path / "data" / "train.txt"
    train.write_text(train.read_text(encoding="utf-8").replace("met", "saw"), encoding="utf-8")
    shown = " ".join(read_page(report(path, tell=lambda line: None)).texts)
    assert "Train changed since the models were trained" in shown


def test_a_study_without_a_score_has_a_report_too(tmp_path: Path) -> None:
    path = write_token_study(tmp_path, sentences=SENTENCES, space=SPACE)
    record_search(path, [(POINTS[0], failed("diverged", "loss is nan"))])
    shown = " ".join(read_page(report(path, tell=lambda line: None)).texts)
    assert "No trial has a score yet" in shown
    assert "loss is nan" in shown


def test_a_study_file_that_was_edited_since_does_not_change_what_was_run(tmp_path: Path) -> None:
    path = write_token_study(tmp_path, sentences=SENTENCES, space=SPACE)
    record_search(path, [(POINTS[0], complete(0.5))])
    path.write_text(path.read_text(encoding="utf-8") + "train: {epochs: 77}\n", encoding="utf-8")
    told = read_json(report(path, tell=lambda line: None).parent / "report.json")
    assert "epochs: 77" not in told["made"]["study_file"]


@pytest.mark.parametrize("fault", ["gone", "torn", "short"])
def test_with_a_seeds_predictions_missing_there_is_no_interval_that_leaves_it_out(tmp_path: Path, fault: str) -> None:
    path = write_token_study(tmp_path, sentences=SENTENCES, space=SPACE)
    spec = record_search(path, [(POINTS[0], complete(0.5))])
    write_seeds(spec, {seed: [[Span("PER", 0, 1)], []] for seed in (1, 2, 3)})
    file = spec.output / "seed_2" / "test_predictions.jsonl"
    lines = file.read_text(encoding="utf-8").splitlines(keepends=True)
    file.write_text({"gone": "", "torn": lines[0][:40], "short": lines[0]}[fault], encoding="utf-8")
    if fault == "gone":
        file.unlink()
    notes: list[str] = []
    told = read_json(report(path, tell=notes.append).parent / "report.json")
    assert (told["seeds"]["test"]["interval"], told["mistakes"]) == (None, [])
    assert told["seeds"]["dev"]["interval"] is not None
    assert "predictions of test are missing" in notes[0]
    assert "seed_2" in notes[0]


def test_a_torn_summary_is_told_and_a_torn_environment_is_left_out(tmp_path: Path) -> None:
    path = write_token_study(tmp_path, sentences=SENTENCES, space=SPACE)
    spec = record_search(path, [(POINTS[0], complete(0.5))])
    write_seeds(spec, {1: [[Span("PER", 0, 1)], []]})
    (spec.output / "seed_1" / "environment.json").write_text('{"python": "3.', encoding="utf-8")
    assert report(path, tell=lambda line: None).exists()
    (spec.output / "summary.json").write_text('{"seeds": [1', encoding="utf-8")
    with pytest.raises(StudyConflictError, match="is torn"):
        report(path, tell=lambda line: None)


def test_what_no_seed_finds_and_trials_that_learned_nothing_are_told(tmp_path: Path) -> None:
    path = write_token_study(tmp_path, sentences=SENTENCES, space=SPACE)
    spec = record_search(path, [(point, complete(0.25)) for point in POINTS[:5]])
    write_seeds(spec, {1: [[Span("PER", 0, 1)], []]})
    shown = " ".join(read_page(report(path, tell=lambda line: None)).texts)
    assert "5 of 5 trials score exactly 0.2500" in shown
    assert "No seed ever finds “<b>LOC</b>” (1 in gold)" in shown
    assert "How much another seed would differ is not known from one" in shown


def test_the_report_of_a_command_never_spoils_its_end(tmp_path: Path) -> None:
    said: list[str] = []
    report_at_end(tmp_path / "nowhere.yaml", edits=(), tell=said.append)
    assert said[0].startswith("Notice: the report was not written")


def test_a_report_takes_the_place_of_the_last_one(tmp_path: Path) -> None:
    path = write_token_study(tmp_path, sentences=SENTENCES, space=SPACE)
    record_search(path, [(POINTS[0], complete(0.5))])
    page = report(path, tell=lambda line: None)
    (page.parent / "plots" / "old.png").write_bytes(b"")
    assert report(path, tell=lambda line: None) == page
    assert not (page.parent / "plots" / "old.png").exists()
    assert [one.name for one in load_study(path).output.iterdir()] == ["report"]


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_what_is_no_report_is_not_replaced_by_one(tmp_path: Path, kind: str) -> None:
    path = write_token_study(tmp_path, sentences=SENTENCES, space=SPACE)
    spec = record_search(path, [(POINTS[0], complete(0.5))])
    mine = spec.output / "report" if kind == "file" else spec.output / "report" / "thesis.tex"
    mine.parent.mkdir(parents=True, exist_ok=True)
    mine.write_text("mine", encoding="utf-8")
    with pytest.raises(UserError, match="is not nertune's, and is left as it is"):
        report(path, tell=lambda line: None)
    assert mine.read_text(encoding="utf-8") == "mine"
    assert [one.name for one in spec.output.iterdir()] == ["report"]


def test_trials_of_several_fits_have_their_spread(tmp_path: Path) -> None:
    path = write_token_study(tmp_path, sentences=SENTENCES, space=SPACE)
    fits = {f"dev_{number}": SplitScores({"f1": f1}) for number, f1 in ((1, 0.4), (2, 0.6))}
    scores = {"dev": SplitScores({"f1": 0.5}), **fits}
    record_search(path, [(POINTS[0], Settlement("complete", "complete", seconds=2.0, scores=scores))])
    markdown = report(path, tell=lambda line: None).with_name("report.md").read_text(encoding="utf-8")
    assert "| 0.5000 ± 0.1414 | 1 |" in markdown


def test_the_data_are_told_in_numbers(reported: Path) -> None:
    told = {row["split"]: row for row in read_json(reported.parent / "report.json")["made"]["splits"]}
    assert (told["test"]["examples"], told["test"]["words"], told["test"]["labels"]) == (
        2,
        13,
        {"PER": 2, "<b>LOC</b>": 1},
    )
    assert (told["train"]["new_words"], told["test"]["new_words"], told["test"]["new_entities"]) == (None, 0.0, 0.0)


def test_wrong_labels_of_texts_with_several_are_shown_the_surest_first(tmp_path: Path) -> None:
    path = tmp_path / "moods.yaml"
    path.write_text("task: sequence\ndata: {dir: data}\nmodel: {base: owner/model, problem: multi_label}\n")
    gold = (["joy"], ["joy", "fear"], [])
    given = {1: ((0.9, 0.95), (0.8, 0.1), (0.1, 0.2)), 2: ((0.9, 0.7), (0.8, 0.6), (0.1, 0.2))}  # joy, fear
    files = []
    for seed, sure in given.items():
        rows = [
            {
                "id": number,
                "where": f"test.tsv:{number + 2}",
                "gold": real,
                "predicted": [label for label, own in zip(("joy", "fear"), pair, strict=True) if own > 0.5],
                "probabilities": dict(zip(("joy", "fear"), pair, strict=True)),
            }
            for number, (real, pair) in enumerate(zip(gold, sure, strict=True))
        ]
        file = tmp_path / f"{seed}.jsonl"
        file.write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")
        files.append(read_predictions(file))
    texts = [SequenceExample(text, tuple(real), Where(path)) for text, real in zip(("x", "y", "z"), gold, strict=True)]
    told = told_of_mistakes(load_study(path), files={"dev": [], "test": files}, splits={"test": texts})
    shown = [(one["text"], one["gold_label"], one["predicted_label"], one["label"]) for one in told["mistakes"]]
    assert shown == [("x", "joy", "joy + fear", "fear"), ("y", "joy + fear", "joy", "fear")]
    assert [one["probability"] for one in told["mistakes"]] == pytest.approx([0.825, 0.1])
    lines = mistakes_markdown({"task": "sequence", "mistakes": told["mistakes"]})[-1].splitlines()
    assert lines[1] == "2. gold joy + fear, predicted joy with 10.0 % for fear by 1 model (test.tsv:3): y"


def report_of_trials(folder: Path, *, n: int) -> tuple[float, Path]:
    """Seconds of the processor and the page of a study with so many trials."""
    space = {"train.learning_rate": {"low": 1e-6, "high": 1e-2, "log": True}, "train.batch_size": [8, 16, 32]}
    path = write_token_study(folder, sentences=SENTENCES, space=space, more="")
    path.write_text(path.read_text().replace("search: {", f"search: {{sampler: random, trials: {n}, "))
    points = [{"train.learning_rate": 10 ** (-6 + 4 * k / n), "train.batch_size": 8 << k % 3} for k in range(n)]
    record_search(path, [(point, complete(k / (2 * n))) for k, point in enumerate(points)])
    began = time.process_time()
    page = report(path, tell=lambda line: None)
    return time.process_time() - began, page


def test_fifty_times_the_trials_take_far_less_than_fifty_times_as_long_and_a_small_page(tmp_path: Path) -> None:
    report_of_trials(tmp_path / "first", n=10)  # imports and fonts
    few, _ = report_of_trials(tmp_path / "few", n=10)
    many, page = report_of_trials(tmp_path / "many", n=500)
    assert many < 10 * few
    assert page.stat().st_size < 5 * 2**20
    assert len([one for one in read_page(page).ids if one.startswith("trial-")]) == 500


@pytest.mark.slow  # seconds of an idle machine
def test_five_hundred_trials_are_reported_in_ten_seconds(tmp_path: Path) -> None:
    assert report_of_trials(tmp_path, n=500)[0] < 10
