"""`nertune data …` as a user types it: what is printed, what is written, exit codes."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from itertools import chain
from pathlib import Path

import pytest

Run = Callable[..., tuple[int, str, str]]

TRAIN = "Ada\tB-PER\nLovelace\tI-PER\nsaw\tO\nOslo\tB-LOC\n\nTurin\tB-LOC\nsleeps\tO\n"
DEV = "Bob\tB-PER\nsaw\tO\nTurin\tB-LOC\n"
TEST = "Ada\tB-PER\nLovelace\tI-PER\nsaw\tO\nOslo\tB-LOC\n"
TEXTS = "".join(f"text number {i}\t{'good' if i % 3 else 'bad'}\n" for i in range(60))


@pytest.fixture
def nertune(nertune: Run) -> Run:
    """`nertune data WORDS`."""
    return partial(nertune, "data")


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    folder = tmp_path / "corpus"
    folder.mkdir()
    for name, text in (("train", TRAIN), ("dev", DEV), ("test", TEST)):
        (folder / f"{name}.conll").write_text(text)
    return folder


def write(name: str, text: str) -> Path:
    path = Path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


# ---- check


def test_check_shows_sizes_labels_and_leakage_with_places(nertune: Run, corpus: Path) -> None:
    code, out, _ = nertune("check", corpus)
    assert code == 0
    assert "Format conll, tags iob2; task token" in out
    assert "leakage" in out
    assert "corpus/test.conll:1" in out
    assert "corpus/train.conll:1" in out


def test_strict_makes_warnings_fail_and_errors_always_do(nertune: Run, corpus: Path) -> None:
    assert nertune("check", corpus, "--strict")[0] == 2
    write("clash/a.ann", "T1\tPER 0 3\tBob\n")
    write("clash/a.txt", "Ada sleeps.")
    code, out, _ = nertune("check", "clash")
    assert code == 2
    assert "text-differs" in out


def test_check_as_json_is_nothing_but_json(nertune: Run, corpus: Path) -> None:
    told = json.loads(nertune("check", corpus, "--json")[1])
    assert [split["name"] for split in told["splits"]] == ["train", "dev", "test"]
    leak = next(finding for finding in told["findings"] if finding["kind"] == "leakage")
    assert leak["places"][0]["line"] == 1
    assert leak["advice"]


def test_list_prints_every_place_of_one_kind(nertune: Run) -> None:
    write("many.conll", "".join(f"word{i}\tO\nnext{i}\tI-X\n\n" for i in range(1500)))
    code, out, _ = nertune("check", "many.conll", "--set", "data.scheme=iob2", "--list", "repaired-tags")
    assert (code, len(out.splitlines())) == (0, 1500)
    assert out.splitlines()[-1].startswith("many.conll:4499: O → I-X")


def test_a_misspelt_kind_is_answered_with_the_closest(nertune: Run, corpus: Path) -> None:
    code, _, err = nertune("check", corpus, "--list", "leekage")
    assert (code, "Did you mean --list leakage?" in err) == (2, True)


def test_a_model_adds_what_its_tokenizer_and_length_make_of_the_words(
    nertune: Run, corpus: Path, bert_folder: Path
) -> None:
    write("corpus/train.conll", TRAIN + "\n" + "Oslo\tB-LOC\n" * 80)
    code, out, err = nertune("check", corpus, "--model", bert_folder)
    assert code == 0
    assert "beyond-length" in out
    assert "--model" not in err
    pieces = json.loads(nertune("check", corpus, "--model", bert_folder, "--json")[1])["pieces"]
    assert pieces["splits"][0]["beyond"] == 1


def test_bad_data_ends_with_all_its_lines_and_exit_2(nertune: Run) -> None:
    write("bad.conll", "Ada\tB-PER\nLovelace\nOslo\tB-LOC\nTurin\n")
    code, out, err = nertune("check", "bad.conll", "--format", "conll")
    assert (code, out) == (2, "")
    assert "bad.conll:2:" in err
    assert "bad.conll:4:" in err
    assert "Traceback" not in err


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["nowhere.txt"], "there is no such file or folder"),
        (["corpus", "--task", "tokn"], "there is no task tokn"),
        (["corpus", "--format", "conl"], "Write for example: data: {format: conll}"),
        (["corpus", "--set", "data.formt=conll"], "Did you mean data.format?"),
        (["corpus", "--task", "sequence"], "the file looks like conll"),
    ],
)
def test_wrong_words_are_answered_with_what_to_type(nertune: Run, corpus: Path, words: list[str], told: str) -> None:
    code, _, err = nertune("check", *words)
    assert (code, told in err) == (2, True)


def test_what_is_not_there_or_in_no_known_format_is_told_with_what_is(nertune: Run, corpus: Path) -> None:
    assert "Did you mean corpus/train.conll?" in nertune("check", "corpus/trian.conll")[2]
    write("notes/a.txt", "Ada sleeps .\n")
    assert 'has a format that is known; it holds "a.txt"' in nertune("check", "notes")[2]
    assert "so do the files that are named here" in nertune("check", "corpus", "--set", "data.train=x.txt")[2]


def test_without_a_study_its_words_are_told_as_options(nertune: Run) -> None:
    Path("latin.conll").write_bytes("Zoë\tB-PER\n".encode("latin-1"))
    code, _, told = nertune("check", "latin.conll")
    assert (code, "data: {encoding: latin-1}" in told) == (2, True)
    assert told.endswith("without a study file, data: {KEY: VALUE} is typed so: --set data.KEY=VALUE\n")
    assert nertune("check", "latin.conll", "--set", "data.encoding=latin-1")[0] == 0


def test_a_study_is_checked_as_its_commands_read_it(nertune: Run) -> None:
    write("all.tsv", "text\tlabel\n" + TEXTS)
    write(
        "s.yaml",
        "task: sequence\ndata: {train: all.tsv, split: {dev: 0.2, test: 0.1}, rename: {bad: poor}}\n"
        "model: {base: nobody/none}\n",
    )
    told = json.loads(nertune("check", "s.yaml", "--set", "model.base=none", "--json")[1])
    assert {split["name"]: split["examples"] for split in told["splits"]} == {"train": 42, "dev": 12, "test": 6}
    assert set(told["splits"][0]["labels"]) == {"good", "poor"}


def test_a_file_of_a_folder_that_is_not_read_is_counted(nertune: Run) -> None:
    write("docs/a.conll", TRAIN)
    write("docs/b.conll", "Ada\nsleeps\n")
    code, out, _ = nertune("check", "docs", "--list", "unread-files")
    assert (code, out.splitlines()) == (0, ["docs/b.conll: looks like something else"])


# ---- stats


def test_stats_are_tables_and_a_page_with_plots(nertune: Run, corpus: Path) -> None:
    code, out, _ = nertune("stats", corpus, "--output", "told")
    assert (code, "Sizes" in out) == (0, True)
    page = Path("told/stats.md").read_text(encoding="utf-8")
    plots = sorted(path.name for path in Path("told").glob("*.png"))
    assert plots
    assert all(f"({name})" in page for name in plots)
    assert json.loads(Path("told/stats.json").read_text(encoding="utf-8"))


# ---- convert


@pytest.mark.parametrize("to", ["conll", "jsonl", "spans", "brat", "pubtator"])
def test_a_round_trip_gives_equal_words_and_entities(nertune: Run, corpus: Path, to: str) -> None:
    assert nertune("convert", corpus / "train.conll", "there", "--to", to)[0] == 0
    edits = ["--set", "data.words=blanks"]
    assert nertune("convert", "there", "back.conll", "--to", "conll", *edits)[0] == 0
    lines = [line for line in Path("back.conll").read_text().splitlines() if line and line[0] != "#"]
    assert lines == [line for line in TRAIN.splitlines() if line]


def test_a_folder_of_splits_becomes_one(nertune: Run, corpus: Path) -> None:
    code, out, _ = nertune("convert", corpus, "out", "--to", "jsonl")
    assert code == 0
    assert sorted(path.name for path in Path("out").iterdir()) == ["dev.jsonl", "test.jsonl", "train.jsonl"]
    assert "conll → jsonl" in out


def test_what_the_format_cannot_hold_is_counted_and_told(nertune: Run) -> None:
    write("a.txt", "left and right knee")
    write("a.ann", "T1\tPART 0 4;15 19\tleft knee\nT2\tPART 9 19\tright knee\nR1\tnear Arg1:T1 Arg2:T2\n")
    told = json.loads(nertune("convert", "a.txt", "out.conll", "--to", "conll", "--json")[1])
    assert {loss["kind"]: loss["count"] for loss in told["losses"]} == {"lost-relations": 1}
    noticed = {notice["kind"]: notice["count"] for notice in told["noticed"]}
    assert noticed == {"discontinuous-entities": 1, "overlapping-entities": 1}
    told = json.loads(nertune("convert", "a.txt", "out", "--to", "brat", "--json")[1])
    assert told["losses"] == []


def test_a_bad_file_leaves_nothing_half_written(nertune: Run) -> None:
    write("bad.jsonl", '{"text": "Ada sleeps", "entities": [{"start": 0, "end": 3, "label": "PER"}]}\n{"text": 7}\n')
    code, _, err = nertune("convert", "bad.jsonl", "out.jsonl", "--to", "spans", "--format", "spans")
    assert (code, "bad.jsonl:2" in err) == (2, True)
    assert sorted(path.name for path in Path().iterdir()) == ["bad.jsonl"]


@pytest.mark.parametrize(
    "words",
    [
        ("convert", "corpus/train.conll", "corpus/../corpus/train.conll", "--to", "conll"),
        ("convert", "corpus", "corpus", "--to", "conll"),
        ("split", "corpus/train.conll", "corpus", "--dev", "0.5"),
    ],
)
def test_what_is_read_is_never_replaced(nertune: Run, corpus: Path, words: tuple[str, ...]) -> None:
    code, _, told = nertune(*words)
    assert (code, (corpus / "train.conll").read_text()) == (2, TRAIN)
    assert "train.conll: this file is read, and would be replaced by what is written" in told


@pytest.mark.parametrize("command", ["stats", "agreement"])
def test_a_place_that_cannot_be_written_to_is_told(nertune: Run, corpus: Path, command: str) -> None:
    output = corpus / "train.conll" / "out"
    code, _, told = nertune(command, corpus / "train.conll", corpus / "test.conll", "--output", output)
    assert (code, "out: cannot be written: " in told) == (2, True)


def test_a_format_of_another_task_is_refused(nertune: Run, corpus: Path) -> None:
    write("t.tsv", "text\tlabel\n" + TEXTS)
    code, _, err = nertune("convert", "t.tsv", "out", "--to", "brat", "--task", "sequence")
    assert (code, "--to tsv or jsonl-texts" in err) == (2, True)
    assert "Did you mean --to brat?" in nertune("convert", corpus, "out", "--to", "bratt")[2]


# ---- split


def test_split_writes_three_files_that_are_the_whole(nertune: Run) -> None:
    write("all.tsv", "text\tlabel\n" + TEXTS)
    assert nertune("split", "all.tsv", "parts", "--dev", 0.1, "--test", 0.2)[0] == 0
    parts = {path.stem: path.read_text().splitlines()[1:] for path in Path("parts").iterdir()}
    assert {name: len(rows) for name, rows in parts.items()} == {"train": 42, "dev": 6, "test": 12}
    assert sorted(chain.from_iterable(parts.values())) == sorted(TEXTS.splitlines())
    assert sum(row.endswith("bad") for row in parts["test"]) == 4


def test_the_same_split_is_drawn_again_and_another_with_another_seed(nertune: Run) -> None:
    write("all.tsv", "text\tlabel\n" + TEXTS)
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        nertune("split", "all.tsv", name, "--dev", 0.2, "--seed", seed)
    files = {name: (Path(name) / "dev.tsv").read_text() for name in "abc"}
    assert files["a"] == files["b"] != files["c"]


def test_a_folder_with_files_of_another_time_is_not_written_to(nertune: Run) -> None:
    write("all.tsv", "text\tlabel\n" + TEXTS)
    nertune("split", "all.tsv", "parts", "--dev", 0.2, "--test", 0.2)
    code, _, err = nertune("split", "all.tsv", "parts", "--dev", 0.2)
    assert (code, "parts: the folder is not empty" in err) == (2, True)


def test_a_split_without_shares_says_what_to_write(nertune: Run) -> None:
    write("all.tsv", "text\tlabel\n" + TEXTS)
    code, _, err = nertune("split", "all.tsv", "parts")
    assert (code, "--dev 0.1 --test 0.1" in err) == (2, True)


# ---- agreement


def test_agreement_of_two_annotators_lists_where_they_differ(nertune: Run) -> None:
    write("ada.conll", TRAIN)
    write("ben.conll", TRAIN.replace("Turin\tB-LOC", "Turin\tO"))
    code, out, _ = nertune("agreement", "ada.conll", "ben.conll", "--output", "told.md")
    assert code == 0
    assert "Cohen" in out
    assert "ada.conll:6" in out
    assert "Turin" in Path("told.md").read_text(encoding="utf-8")
    told = json.loads(nertune("agreement", "ada.conll", "ben.conll", "--json")[1])
    strict = told["pairs"][0]["overall"]["strict"]
    assert (strict["precision"], strict["recall"]) in [(2 / 3, 1.0), (1.0, 2 / 3)]


def test_annotators_in_different_formats_are_compared(nertune: Run) -> None:
    write("ada/notes.conll", TRAIN)
    nertune("convert", "ada/notes.conll", "ben", "--to", "brat")
    code, out, _ = nertune("agreement", "ada", "ben", "--set", "data.words=blanks", "--json")
    assert (code, json.loads(out)["pairs"][0]["overall"]["strict"]["f1"]) == (0, 1.0)


def test_one_annotator_agrees_with_nobody(nertune: Run, corpus: Path) -> None:
    code, _, err = nertune("agreement", corpus / "train.conll")
    assert (code, "needs two annotators or more" in err) == (2, True)


def test_formats_are_listed(nertune: Run) -> None:
    code, out, _ = nertune("formats")
    assert code == 0
    assert all(name in out for name in ("conll", "brat", "pubtator", "bioc", "mae", "kaggle", "cerebras", "datasets"))
