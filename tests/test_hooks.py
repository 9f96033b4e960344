"""Code of the user's own: found in the working directory, checked before it is used, and blamed by file and line."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from nertune.data.corpus import read_corpus
from nertune.data.examples import Corpus, Span, Split, Task, TokenExample
from nertune.data.labels import spans_to_tags
from nertune.errors import HookError, Problems
from nertune.execute import EXECUTORS
from nertune.execute.executor import Event, JobCode, Slot
from nertune.execute.faults import classify
from nertune.hooks import HookKind, hook_digest, load_hook
from nertune.scores.extra import ScoreError, score_extra_classes, score_extra_entities
from nertune.spec.study import DataSpec, StudySpec
from nertune.trials.own_code import hook_digests, named_hooks
from nertune.workflows.opening import name_problems, score_problems

Write = Callable[..., None]
READER = """
from nertune.data.source import {kind}

def read(source):
    for number, line in enumerate(source.lines(), start=1):
        yield {item}
"""
WORDS = "TaggedSentence(tuple(line.split()), ('B-X',) * len(line.split()), [number] * len(line.split()))"
CAPITALS = WORDS.replace("line", "line.upper()")


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Write]:
    """Writes files into the working directory; what was imported from there is forgotten afterwards."""
    monkeypatch.chdir(tmp_path)
    known, path = set(sys.modules), [*sys.path]
    monkeypatch.setattr(sys, "dont_write_bytecode", True)  # a file that is written again at once is read again

    def write(**files: str) -> None:
        for name, content in files.items():
            (tmp_path / name.replace("__", "/")).with_suffix(".py").write_text(content)
            sys.modules.pop(name, None)

    yield write
    for name in set(sys.modules) - known:
        del sys.modules[name]
    sys.path[:] = path


def load(name: str, kind: HookKind = "score") -> Any:
    return load_hook(name, key="search.scores", kind=kind)


# ---- names and modules


def test_a_hook_is_imported_from_the_working_directory_and_its_folders(write: Write, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    write(mine__scores="def f(gold, predicted):\n    return 0.25\n")
    assert load("mine.scores:f")([], []) == 0.25


def test_what_a_hook_imports_later_is_found_beside_it(write: Write) -> None:
    write(
        first_one="def f(gold, predicted):\n    import second_one\n    return second_one.VALUE\n",
        second_one="VALUE = 0.5",
    )
    assert load("first_one:f")([], []) == 0.5


def test_the_working_directory_never_stands_before_installed_packages_for_others(write: Write, tmp_path: Path) -> None:
    write(one_score="def f(gold, predicted): ...")
    load("one_score:f")
    assert sys.path.index(str(tmp_path)) == len(sys.path) - 1


WRONG_NAMES = {
    "scores": "'scores' does not name code of your own",
    "scores:": "'scores:' does not name code of your own",
    "no_such:f": r"the module no_such, which is neither in the working directory .*test_.* nor",
    "no_such.deeper:f": "the module no_such, which",
    "my_scoers:overlap": r"(?s)my_scoers, which .*Did you mean search.scores: my_scores:overlap\?",
    "my_scores.deeper:f": r"(?s)the module my_scores.deeper, which",
    "my_scores:overlop": r"(?s)my_scores.py has no overlop; it has overlap, one.*mean .*: my_scores:overlap\?",
    "my_scores:one": r"(?s)my_scores:one in my_scores.py is one\(gold\), .* as a score.*def one\(gold, predicted\)",
    "my_scores:TABLE": "is a dict, which cannot be used as a score",
    "json:dumps": r"json/__init__.py is dumps\(obj, \*, .*cannot be used as a score",
    "needs_more:f": r"(?s)needs the package no_such_package, which is not installed \(needs_more.py:2\).*pip install",
    "broken:f": r"(?s)importing broken raises ZeroDivisionError: .* \(broken.py:3\).*python -c \"import broken\"",
    "unfinished:f": r"importing unfinished raises SyntaxError: .* \(unfinished.py:2\)",
    "program:f": r"importing program raises SystemExit: 3 \(program.py:2\)",
}


@pytest.mark.parametrize("name", WRONG_NAMES)
def test_a_wrong_name_is_told_with_what_to_type(write: Write, name: str) -> None:
    write(
        my_scores="def overlap(gold, predicted): ...\ndef one(gold): ...\nTABLE = {}\n",
        needs_more="\nimport no_such_package\n",
        broken="\n\n1 / 0\n",
        unfinished="\ndef f(:\n",
        program="\nraise SystemExit(3)\n",
    )
    with pytest.raises(HookError, match=WRONG_NAMES[name]):
        load(name)


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        ("head", "def f(n_features, n_labels, *, dropout, options): ..."),
        ("reader", "def f(source, *, strict=False): ..."),
        ("score", "class f:\n    def __init__(self, gold, predicted): ..."),
        ("callback", "class TrainerCallback: ...\nclass f(TrainerCallback): ..."),
        ("callback", "class TrainerCallback: ...\nf = TrainerCallback()"),
    ],
)
def test_a_hook_of_its_kind_is_taken(write: Write, kind: HookKind, code: str) -> None:
    write(sound=code)
    assert load("sound:f", kind) is sys.modules["sound"].f


@pytest.mark.parametrize("kind", ["head", "reader", "callback"])
def test_a_score_is_none_of_the_other_kinds(write: Write, kind: HookKind) -> None:
    write(one_score="def f(gold, predicted): ...")
    with pytest.raises(HookError, match=f"cannot be used as a {kind}"):
        load("one_score:f", kind)


# ---- which code a study names, and what it was made from


def make_study(**parts: Any) -> StudySpec:
    least = {"name": "s", "task": "token", "data": {"dir": "."}, "model": {"base": "b"}, "output": "out"}
    return StudySpec.model_validate({**least, **parts})


def test_all_hooks_of_a_study_are_named_searched_heads_included() -> None:
    study = make_study(
        data={"dir": ".", "format": "m:reader"},
        model={"base": "b", "heads": {"a": {"head": "m:one", "labels": ["X"]}, "b": {"labels": ["Y"]}}},
        train={"callbacks": ["m:Callback"]},
        search={"scores": ["m:score"], "space": {"model.head": ["linear", "m:two"], "train.epochs": [1]}},
    )
    assert set(named_hooks(study)) == {
        ("m:reader", "data.format", "reader"),
        ("m:one", "model.heads.a.head", "head"),
        ("m:two", "search.space.model.head", "head"),
        ("m:Callback", "train.callbacks", "callback"),
        ("m:score", "search.scores", "score"),
    }
    assert named_hooks(make_study()) == ()


def test_a_digest_is_of_the_modules_file_and_does_not_import_it(write: Write) -> None:
    write(one_score="raise RuntimeError")
    before = hook_digest("one_score:f")
    write(one_score="raise RuntimeError  # changed")
    assert before != hook_digest("one_score:f")
    assert hook_digests(make_study(search={"scores": ["no_such:f"]})) == {"no_such:f": None}


def test_the_objective_may_be_a_score_of_ones_own(tmp_path: Path) -> None:
    study = make_study(search={"scores": ["m.scores:overlap"], "objective": "overlap"})
    assert name_problems(study, path=tmp_path) == []
    heads = {"base": "b", "heads": {"a": {"labels": ["X"]}}}
    study = make_study(model=heads, search={"scores": ["m.scores:overlap"], "objective": "a.overlap"})
    assert name_problems(study, path=tmp_path) == []
    (problem,) = name_problems(make_study(search={"objective": "overlap"}), path=tmp_path)
    assert "there is no score overlap" in str(problem)


def test_scores_that_results_could_not_tell_apart_are_refused() -> None:
    assert score_problems(make_study(search={"scores": ["a:one", "a:two"]})) == []
    same = score_problems(make_study(search={"scores": ["a:one", "b:one", "b:f1"]}))
    assert ["a:one" in str(same[0]), "b:one" in str(same[1]), "b:f1 is called f1" in str(same[2])] == [True] * 3


# ---- scores


def test_a_score_is_given_plain_lists_of_entities(write: Write) -> None:
    write(seen="def told(gold, predicted):\n    told.seen = gold, predicted\n    return 1\n")
    gold, predicted = [(Span("PER", 0, 2),), ()], [[], [Span("LOC", 1, 2)]]
    assert score_extra_entities(["seen:told"], gold=gold, predicted=predicted) == {"told": 1.0}
    assert sys.modules["seen"].told.seen == ([[("PER", 0, 2)], []], [[], [("LOC", 1, 2)]])


def test_a_score_is_given_classes_or_tuples_of_classes(write: Write) -> None:
    write(seen="def told(gold, predicted):\n    told.seen = gold, predicted\n    return 1\n")
    gold, predicted = [("good",), ("bad",)], [("bad",), ("bad",)]
    score_extra_classes(["seen:told"], gold=gold, predicted=predicted, problem="single_label")
    assert sys.modules["seen"].told.seen == (["good", "bad"], ["bad", "bad"])
    score_extra_classes(["seen:told"], gold=[("a", "b")], predicted=[()], problem="multi_label")
    assert sys.modules["seen"].told.seen == ([("a", "b")], [()])


@pytest.mark.parametrize("given", ["None", "True", "'0.5'", "[0.5]", "float('nan')", "float('inf')"])
def test_what_is_no_finite_number_is_no_score(write: Write, given: str) -> None:
    write(odd=f"def f(gold, predicted):\n    return {given}\n")
    with pytest.raises(ScoreError, match=r"search.scores: odd:f gave "):
        score_extra_entities(["odd:f"], gold=[], predicted=[])


def test_an_error_in_a_hook_is_a_bug_at_the_hooks_own_line(write: Write) -> None:
    write(failing="def f(gold, predicted):\n    return [][0]\n")
    with pytest.raises(IndexError) as caught:
        score_extra_entities(["failing:f"], gold=[], predicted=[])
    fault = classify(caught.value)
    assert (fault.kind, fault.type, fault.where) == ("bug", "builtins.IndexError", "failing.py:2")
    assert "return [][0]" in fault.traceback


# ---- readers


def corpus_of(content: str, *, task: Task = "token", form: str = "reader:read") -> Corpus:
    for name in ("train", "dev"):
        Path(f"{name}.txt").write_text(content)
    return read_corpus(DataSpec(dir=Path.cwd(), format=form), task=task)


def test_a_corpus_is_read_by_a_reader_of_ones_own(write: Write) -> None:
    write(reader=READER.format(kind="TaggedSentence", item=WORDS))
    corpus = corpus_of("Ada Bob\nEmmy\n")
    assert [example.words for example in corpus.splits["train"].examples] == [("Ada", "Bob"), ("Emmy",)]
    assert (corpus.format, corpus.labels) == ("reader:read", ("X",))


def test_texts_are_read_by_a_reader_of_ones_own(write: Write) -> None:
    write(reader=READER.format(kind="LabelledText", item="LabelledText(line, (line[0],), number)"))
    corpus = corpus_of("fine\ndull\n", task="sequence")
    assert [example.text for example in corpus.splits["dev"].examples] == ["fine", "dull"]


def test_data_that_another_version_of_a_reader_reads_otherwise_are_other_data(write: Write) -> None:
    prints = []
    for item in (WORDS, CAPITALS, f"{WORDS}  # the same"):
        write(reader=READER.format(kind="TaggedSentence", item=item))
        prints.append(corpus_of("Ada Bob\n").splits["train"].fingerprint)
    assert (prints[0] == prints[2], prints[0] == prints[1]) == (True, False)


WRONG_READERS = {
    "gave a str": "line",
    "gave a sentence of 2 words with 1 tags and 2 lines": WORDS.replace("('B-X',) * len(line.split())", "('B-X',)"),
    r"raises ZeroDivisionError: .* \(reader.py:6\)": "1 / 0",
    r"reads a text with a class here, but the task is token": "LabelledText(line, ('good',), number)",
}


@pytest.mark.parametrize("complaint", WRONG_READERS)
def test_a_wrong_reader_is_told_with_the_file_that_it_reads(write: Write, complaint: str) -> None:
    write(reader=READER.format(kind="TaggedSentence, LabelledText", item=WRONG_READERS[complaint]))
    with pytest.raises(Problems, match=rf"train.txt: reader:read {complaint}"):
        corpus_of("Ada Bob\n")


def test_a_reader_that_is_not_there_is_told_before_any_file(write: Write) -> None:
    with pytest.raises(HookError, match=r"data.format: no_reader:read names the module no_reader"):
        corpus_of("Ada Bob\n", form="no_reader:read")


# ---- workers


def events_of(kind: str, *, hook: str, n_slots: int = 1) -> list[Event]:
    """What an executor tells until all its workers, which use this score, are ready."""
    code = JobCode(function="json:dumps", hooks=((hook, "search.scores", "score"),))
    executor = EXECUTORS[kind]([Slot(number, "cpu", 1) for number in range(n_slots)], code=code)
    events: list[Event] = []
    deadline = time.monotonic() + 30
    try:
        executor.start()
        while len(events) < n_slots and time.monotonic() < deadline:
            events += executor.poll(0.1)
    finally:
        executor.close()
    return events


def test_a_hook_is_imported_once_before_workers_are_forked(write: Write, tmp_path: Path) -> None:
    log = tmp_path / "imports"
    noted = f"import os\nprint(os.getpid(), file=open({str(log)!r}, 'a'))\ndef f(gold, predicted): ...\n"
    write(noted=noted)
    workers = {event.payload["pid"] for event in events_of("processes", hook="noted:f", n_slots=2)}
    (importer,) = log.read_text().split()
    assert len(workers) == 2
    assert int(importer) not in {*workers, os.getpid()}


@pytest.mark.parametrize("kind", ["processes", "inline"])
def test_a_hook_that_cannot_be_used_is_the_users_business_before_any_job(write: Write, kind: str) -> None:
    write(broken="\n1 / 0\n")
    with pytest.raises(HookError, match=r"search.scores: importing broken raises ZeroDivisionError.*broken.py:2"):
        events_of(kind, hook="broken:f")


# ---- a whole study

STUDY = """
task: token
data: {{dir: data, format: mylab.readers:slashed}}
model: {{base: {base}, hidden: [16]}}
train: {{epochs: 2, batch_size: 8, precision: fp32, callbacks: [mylab.callbacks:EpochTimes]}}
search:
  scores: [mylab.scores:all_right]
  objective: all_right
  space: {{model.head: [linear, mylab.heads:gated], train.learning_rate: [3e-3]}}
final: {{seeds: [1]}}
track: {{aim: null}}
"""


def slashed(split: Split) -> str:
    """The sentences as the reader of the example has them."""
    rows = [
        zip(example.words, spans_to_tags(example.spans, len(example.words)), strict=True)
        for example in split.examples
        if isinstance(example, TokenExample)
    ]
    return "".join(" ".join(f"{word}/{tag}" for word, tag in row) + "\n" for row in rows)


@pytest.mark.slow
def test_a_study_of_ones_own_code_goes_from_search_to_test(
    tmp_path: Path, bert_folder: Path, token_train: Split, token_dev: Split
) -> None:
    shutil.copytree(Path(__file__).parent / "files" / "hooks" / "mylab", tmp_path / "mylab")
    (tmp_path / "data").mkdir()
    for name, split in (("train", token_train), ("dev", token_dev), ("test", token_dev)):
        (tmp_path / "data" / f"{name}.txt").write_text(slashed(split))
    (tmp_path / "s.yaml").write_text(STUDY.format(base=bert_folder))
    for command in ("search", "best-and-train"):
        run = subprocess.run(
            [sys.executable, "-P", "-m", "nertune.cli", command, "s.yaml"], cwd=tmp_path, capture_output=True, text=True
        )
        assert run.returncode == 0, run.stderr
    output = tmp_path / "runs" / "s"
    assert "dev_all_right" in (output / "trials.csv").read_text()
    assert 0 <= json.loads((output / "summary.json").read_text())["test"]["scores"]["all_right"]["mean"] <= 1
    (environment,) = output.glob("*/environment.json")
    assert set(json.loads(environment.read_text())["hooks"]) > {"mylab.readers:slashed", "mylab.scores:all_right"}
    assert "epoch 2: " in (output / "logs" / "trial-0001-1.log").read_text()
