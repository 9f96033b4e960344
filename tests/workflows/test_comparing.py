"""`nertune compare` as a user types it: what is claimed, what is refused, what is written."""

from __future__ import annotations

import csv
import html
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from written_predictions import text_rows, write_rows, write_run

N = 120
GOLD = [("good", "bad", "bad")[n % 3] for n in range(N)]


def said(share, *, seed):
    """Predictions of which this share is right."""
    right = np.random.default_rng(seed).random(N) < share
    return [
        gold if is_right else {"good": "bad", "bad": "good"}[gold] for gold, is_right in zip(GOLD, right, strict=True)
    ]


def runs(share, *, seeds=(1, 2, 3, 4, 5), first=0):
    return {seed: text_rows(GOLD, said(share, seed=first + seed)) for seed in seeds}


@pytest.fixture
def outputs(tmp_path, monkeypatch):
    """Three studies, of which the first is much better than the others."""
    monkeypatch.chdir(tmp_path)
    for name, share, first in (("best", 0.9, 0), ("other", 0.6, 10), ("third", 0.6, 20)):
        write_run(tmp_path / name, runs(share, first=first), study=name)
    return tmp_path


def test_a_clear_difference_is_claimed_with_its_interval_and_both_tests(nertune, outputs):
    code, out, _ = nertune("compare", "best", "other", "--resamples", 2000)
    told = " ".join(out.split())
    assert code == 0
    assert "A is better than B by 0.3" in told
    assert "over texts (randomisation)" in told
    assert "gives p = 0.0625; with 5 seeds it cannot go below 0.0625, so that they alone cannot show" in told
    assert "ignifican" not in told
    assert max(map(len, out.splitlines())) <= 80


def test_no_difference_is_claimed_where_there_is_none_and_pairs_are_corrected(nertune, outputs):
    code, out, _ = nertune("compare", "best", "other", "third", "--json", "--resamples", 2000)
    told = json.loads(out)
    assert code == 0
    assert [(pair["first"], pair["second"], pair["better"]) for pair in told["pairs"]] == [
        ("A", "B", "A"), ("A", "C", "A"), ("B", "C", None),
    ]  # fmt: skip
    assert told["pairs"][0]["p_holm"] == pytest.approx(3 * told["pairs"][0]["p_texts"])
    assert told["pairs"][0]["signed_rank"]["least"] == 0.0625


def test_the_figures_are_those_of_the_predictions_and_do_not_depend_on_the_order_of_seeds(nertune, outputs):
    told = json.loads(nertune("compare", "best", "other", "--json", "--score", "accuracy")[1])
    right = np.array(
        [[gold == one for gold, one in zip(GOLD, said(0.9, seed=seed), strict=True)] for seed in range(1, 6)]
    )
    assert told["scores"]["accuracy"]["A"]["mean"] == pytest.approx(right.mean())
    assert told["scores"]["accuracy"]["A"]["sd"] == pytest.approx(right.mean(axis=1).std(ddof=1))
    write_run(outputs / "turned", dict(reversed(runs(0.6, first=10).items())), study="turned")
    turned = json.loads(nertune("compare", "best", "turned", "--json", "--score", "accuracy")[1])
    for key in ("value", "low", "high", "signed_rank", "won", "lost"):
        assert turned["pairs"][0][key] == pytest.approx(told["pairs"][0][key])


def test_the_same_seed_and_draws_give_the_same_figures(nertune, outputs):
    first, again = (nertune("compare", "best", "other", "--json", "--seed", 3)[1] for _ in range(2))
    assert first == again
    assert first != nertune("compare", "best", "other", "--json", "--seed", 4)[1]


def test_models_that_differ_with_too_few_seeds_are_said_to_be_just_these_models(nertune, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rows = {1: text_rows(GOLD, said(0.95, seed=1)), 2: text_rows(GOLD, said(0.65, seed=2))}
    write_run(tmp_path / "a", rows, study="a")
    write_run(tmp_path / "b", runs(0.5, seeds=(1, 2), first=30), study="b")
    told = " ".join(nertune("compare", "a", "b")[1].split())
    assert "These models of A are ahead of those of B, but it is open whether new ones would be" in told
    assert "with 2 seeds it cannot go below 0.500" in told


def test_one_seed_and_bare_files_are_compared_as_models(nertune, outputs):
    code, out, _ = nertune("compare", "best/tiny_best_1", "other/tiny_other_2/test_predictions.jsonl")
    told = " ".join(out.split())
    assert code == 0
    assert "A tiny_best_1, B tiny_other_2" in told
    assert "One seed of A, B: what is said of it is said of this one trained model" in told


def test_a_study_file_stands_for_its_results(nertune, outputs):
    (outputs / "mood.yaml").write_text("task: sequence\ndata: {dir: data}\nmodel: {base: x}\noutput: best\n")
    code, out, _ = nertune("compare", "mood.yaml", "other", "--json")
    assert code == 0
    assert json.loads(out)["systems"][0]["name"] == "best"


def test_other_test_data_are_refused_with_what_differs_and_where(nertune, outputs):
    gold = [*GOLD[:4], "good" if GOLD[4] == "bad" else "bad", *GOLD[5:]]
    write_run(outputs / "changed", {1: text_rows(gold, GOLD)}, study="changed", sha="b" * 64)
    code, out, err = nertune("compare", "best", "changed")
    assert (code, out) == (2, "")
    assert "changed/tiny_changed_1/test_predictions.jsonl:5: the gold of test.tsv:6 is good, but bad in" in err
    assert "best/tiny_best_1/test_predictions.jsonl:5" in err


def test_other_words_under_the_same_labels_are_refused_by_the_files_fingerprint(nertune, outputs):
    write_run(outputs / "changed", runs(0.6), study="changed", sha="b" * 64)
    code, _, err = nertune("compare", "best", "changed")
    assert code == 2
    assert "changed: the data of changed are not those of best" in err
    assert "sha256 is bbbbbbbbbbbb…, not aaaaaaaaaaaa…" in err


def test_the_same_data_under_another_file_name_are_the_same(nertune, outputs):
    rows = {seed: [{**row, "where": f"moved.tsv:{row['id'] + 2}"} for row in own] for seed, own in runs(0.6).items()}
    write_run(outputs / "moved", rows, study="moved")
    assert nertune("compare", "best", "moved")[0] == 0


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("best",), "1 system is named"),
        (("best", "nothing"), "nothing: there is no such file or folder"),
        (("best", "best"), "the same results were named twice"),
        (("best", "empty"), "empty: holds neither the seeds of a study nor predictions"),
        (("best", "searched"), "searched has no seed runs yet\n    nertune best-and-train"),
        (
            ("best", "other", "--split", "dev"),
            "holds no predictions of dev: no eval_predictions.jsonl\n    --split test",
        ),
        (("best", "broken"), r"broken/summary\.json: cannot be read as JSON"),
        (("best", "old"), r"old/summary\.json: has no 'folders'"),
        (("best", "other", "--split", "train"), "--split train is not among test and dev"),
        (("best", "other", "--score", "f2"), "the score 'f2' cannot be computed .*but f1, precision"),
        (("best", "note.txt"), "note.txt: is neither a study file"),
    ],
)
def test_what_cannot_be_compared_is_refused(nertune, outputs, words, message):
    (outputs / "empty").mkdir()
    (outputs / "searched").mkdir()
    (outputs / "searched" / "best.yaml").write_text("task: token\n")
    (outputs / "note.txt").write_text("x")
    for name, text in (("broken", "{"), ("old", '{"study": "old"}')):
        (outputs / name).mkdir()
        (outputs / name / "summary.json").write_text(text)
    code, out, err = nertune("compare", *words)
    assert (code, out) == (2, "")
    assert re.search(message, err), err


def test_of_a_score_that_is_an_error_the_one_with_less_is_better(nertune, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def rows(share):
        return [
            {**row, "gold": [row["gold"]], "predicted": [row["predicted"]]}
            for row in text_rows(GOLD, said(share, seed=1))
        ]

    write_rows(tmp_path / "poor.jsonl", rows(0.5))
    write_rows(tmp_path / "good.jsonl", rows(0.95))
    _, out, _ = nertune("compare", "poor.jsonl", "good.jsonl", "--score", "hamming_loss")
    assert re.search(r"B is better than A by 0\.4\d+ \[.*\] less hamming loss", " ".join(out.split()))


def test_many_systems_with_long_names_keep_to_80_columns(nertune, outputs):
    names = [f"a-study-with-a-name-that-says-everything-about-it-{number}" for number in range(8)]
    for number, name in enumerate(names):
        write_run(outputs / name, runs(0.6, seeds=(1, 2), first=number), study=name)
    code, out, _ = nertune("compare", *names, "--resamples", 100, "--examples", 1)
    assert code == 0
    assert max(map(len, out.splitlines())) <= 80
    assert "G" in out


def test_learning_curves_are_put_side_by_side(nertune, outputs):
    def curve(small, whole):
        def size(n, mean):
            return {"examples": n, "test": {"scores": {"f1": {"mean": mean, "sd": 0.01, "n": 5}}}}

        return {"10": size(12, small), "100": size(120, whole)}

    for name, means in (("best", (0.5, 0.9)), ("other", (0.25, 0.75))):
        write_run(outputs / name, runs(0.8), study=name, sizes=curve(*means))
    _, out, _ = nertune("compare", "best", "other")
    lines = [" ".join(line.split()) for line in out.splitlines()]
    assert "10 0.5000 ± 0.0100 (12) 0.2500 ± 0.0100 (12)" in lines
    assert "100 0.9000 ± 0.0100 (120) 0.7500 ± 0.0100 (120)" in lines


def test_a_score_that_the_study_recorded_otherwise_is_noted(nertune, outputs):
    write_run(outputs / "heads", runs(0.6), study="heads", recorded={"f1": 0.25})
    _, out, _ = nertune("compare", "best", "heads")
    assert "B's own results have a mean f1 of 0.2500, here it is" in " ".join(out.split())


def test_documents_are_drawn_whole(nertune, outputs):
    for name in ("best", "other"):
        rows = {
            seed: [{**row, "document": f"d{row['id'] // 10}"} for row in own]
            for seed, own in runs(0.7, first=len(name)).items()
        }
        write_run(outputs / name, rows, study=name)
    _, out, _ = nertune("compare", "best", "other")
    assert "120 texts in 12 documents of test" in " ".join(out.split())
    assert "over documents (randomisation)" in " ".join(out.split())


class Cells(HTMLParser):
    """Text of a page, and its tags."""

    def __init__(self):
        super().__init__()
        self.tags, self.text = [], []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)

    def handle_data(self, data):
        self.text.append(data)


def test_all_forms_are_written_and_hold_the_same_figures_and_names_as_they_are(nertune, outputs):
    name = "50% <b>_x_ & |"
    write_run(outputs / "odd", runs(0.6, first=40), study=name)
    code, _, err = nertune("compare", "best", "odd", "--output", "out")
    assert code == 0
    assert "Wrote out/comparison.md" in err
    written = {path.suffix: path.read_text(encoding="utf-8") for path in Path("out").iterdir()}
    assert set(written) == {".md", ".csv", ".tex", ".html", ".json"}
    told = json.loads(written[".json"])
    mean = f"{told['scores']['f1']['A']['mean']:.4f}"
    assert all(mean in written[suffix] for suffix in (".md", ".tex", ".html"))

    rows = list(csv.DictReader(written[".csv"].splitlines()))
    (difference,) = (row for row in rows if row["kind"] == "difference")
    assert (difference["second"], float(difference["value"])) == (name, told["pairs"][0]["value"])

    assert r"50\% \textless{}b\textgreater{}\_x\_ \& \textbar{}" in written[".tex"]
    assert written[".tex"].count(r"\toprule") == written[".tex"].count(r"\end{table}") > 2
    page = Cells()
    page.feed(written[".html"])
    assert not {"b", "script", "link", "img"} & set(page.tags)
    assert name in html.unescape(" ".join(page.text))
    assert r"\_x\_" in written[".md"]


def test_examples_are_shown_with_what_was_said(nertune, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def entity(start, end, text):
        return {"label": "PER", "start": start, "end": end, "text": text}

    row = {"id": 0, "where": "t.conll:1", "n_words": 6, "gold": [entity(0, 2, "Ada Lovelace")]}
    right = {**row, "predicted": row["gold"], "probabilities": [0.9]}
    wrong = {**row, "predicted": [entity(0, 1, "Ada")], "probabilities": [0.9]}
    write_rows(tmp_path / "a.jsonl", [right] * 3)
    write_rows(tmp_path / "b.jsonl", [right, wrong, right])
    _, out, _ = nertune("compare", "a.jsonl", "b.jsonl")
    lines = [" ".join(line.split()) for line in out.splitlines()]
    assert "A PER “Ada Lovelace” (0 wrong)" in lines
    assert "B PER “Ada” (2 wrong)" in lines
    assert "t.conll:1" not in nertune("compare", "a.jsonl", "b.jsonl", "--examples", 0)[1]
