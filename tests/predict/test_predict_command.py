"""`nertune predict`: what it says is what the seed run said, as lines and as JSON, from files and standard input."""

from __future__ import annotations

import io
import json

import pytest

from nertune.workflows import predict


def rows(out):
    return [json.loads(line) for line in out.splitlines()]


def entities(row):
    return [{key: one[key] for key in ("label", "start", "end", "text")} for one in row["entities"]]


def test_a_tagger_says_of_test_what_its_seed_run_said(tagger, nertune):
    code, out, err = nertune("predict", tagger.seeds[0], tagger.data / "test.txt", "--jsonl", "--device", "cpu")
    expected = tagger.predictions()
    assert (code, err) == (0, "")
    assert [entities(row) for row in rows(out)] == [row["predicted"] for row in expected]
    found = [one["probability"] for row in rows(out) for one in row["entities"]]
    assert found == pytest.approx([value for row in expected for value in row["probabilities"]], abs=1e-5)
    assert any(row["predicted"] != row["gold"] for row in expected) or found


def test_a_classifier_says_of_test_what_its_seed_run_said(classifier, nertune):
    _, out, _ = nertune("predict", classifier.seeds[0], classifier.data / "test.tsv", "--jsonl")
    for row, expected in zip(rows(out), classifier.predictions(), strict=True):
        assert row["label"] == expected["predicted"]
        assert row["probabilities"] == pytest.approx(expected["probabilities"], abs=1e-5)
        assert row["probability"] == max(row["probabilities"].values())


def test_several_labels_are_those_above_the_tuned_thresholds(multi_classifier, nertune):
    _, out, _ = nertune("predict", multi_classifier.seeds[0], multi_classifier.data / "test.tsv", "--jsonl")
    assert [row["labels"] for row in rows(out)] == [row["predicted"] for row in multi_classifier.predictions()]


def test_lines_are_words_with_their_tags_and_an_empty_line_after_each_sentence(tagger, nertune):
    _, out, _ = nertune("predict", tagger.seeds[0], tagger.data / "test.txt")
    lines = (tagger.seeds[0] / "test_predictions.txt").read_text().splitlines()
    blocks = out.removesuffix("\n\n").split("\n\n")
    assert [" ".join(row.split("\t")[1] for row in block.split("\n")) for block in blocks] == lines


def test_lines_are_classes_with_their_probability_and_text(classifier, nertune, tmp_path):
    (tmp_path / "new.jsonl").write_text('{"text": "a\\tfine\\nfilm"}\n')
    _, out, _ = nertune("predict", classifier.seeds[0], "new.jsonl")
    label, probability, text = out.removesuffix("\n").split("\t")
    assert label in ("bad", "good", "mixed")
    assert 1 / 3 < float(probability) <= 1
    assert text == "a fine film"


def test_what_is_predicted_can_be_read_as_annotated_text(tagger, nertune, tmp_path):
    (tmp_path / "new.txt").write_text("Is it Ada, or Alan Turing?\nEmmy is far from Cape Town.\n")
    _, out, _ = nertune("predict", tagger.seeds[0], "new.txt", "--jsonl")
    (tmp_path / "back.jsonl").write_text(out)
    code, out, _ = nertune("data", "convert", "back.jsonl", "back.conll", "--to", "conll")
    assert code == 0
    _, lines, _ = nertune("predict", tagger.seeds[0], "new.txt")
    assert lines.count("\tB-")
    back = (tmp_path / "back.conll").read_text().splitlines(keepends=True)
    assert "".join(line for line in back if not line.startswith("# newdoc")) == lines


def test_standard_input_is_answered(tagger, nertune, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b'{"id": "a", "text": "Ada sings."}\n{"text": ""}\n')))
    _, out, _ = nertune("predict", tagger.seeds[0], "-", "--jsonl")
    assert [(row["where"], row.get("id"), row["words"]) for row in rows(out)] == [
        ("stdin:1", "a", ["Ada", "sings", "."]),
        ("stdin:2", None, []),
    ]


def test_an_empty_file_has_no_predictions(tagger, classifier, nertune, tmp_path):
    (tmp_path / "none.txt").touch()
    for trained in (tagger, classifier):
        assert nertune("predict", trained.folder, "none.txt", "--quiet") == (0, "", "")
    code, out, err = nertune("predict", tagger.folder, "none.txt")
    assert (code, out, err.splitlines()[-1]) == (0, "", "Notice: there was no text to predict")


def test_output_is_there_whole_or_not_at_all(tagger, nertune, tmp_path):
    (tmp_path / "new.txt").write_text("1\tAda\n\n" * 2000 + "2\n")
    words = "--output", "out.txt", "--format", "words", "--set", "data.columns.word=1"
    code, _, err = nertune("predict", tagger.seeds[0], "new.txt", *words)
    assert (code, "new.txt:4001: there is no column 1" in err) == (2, True)
    assert [path.name for path in tmp_path.iterdir()] == ["new.txt"]
    (tmp_path / "new.txt").write_text("Ada sings.\n")
    assert nertune("predict", tagger.seeds[0], "new.txt", "--output", "out.txt") == (0, "", "")
    assert (tmp_path / "out.txt").read_text().startswith("Ada\t")


def test_a_faulty_line_costs_only_itself_and_the_exit_code(tagger, nertune, tmp_path):
    (tmp_path / "new.conll").write_text("Ada B-PER\nsings\n\nBo B-PER\n")
    code, out, err = nertune("predict", tagger.seeds[0], "new.conll", "--format", "conll")
    assert code == 2
    assert [line.split("\t")[0] for line in out.split("\n")] == ["Ada", "", "Bo", "", ""]
    assert "new.conll:2: one column where two are needed" in err
    assert "All else was predicted." in err


def test_cut_texts_and_averaged_models_are_told_on_standard_error(classifier, nertune, tmp_path):
    (tmp_path / "new.txt").write_text("fine film " * 60 + "\nshort\n")
    _, out, err = nertune("predict", classifier.folder, "new.txt")
    assert len(out.splitlines()) == 2
    assert "Averaging the probabilities of 2 models" in err
    assert "Notice: 1 texts cut" in err


def test_words_are_those_of_the_models_own_study_unless_told_otherwise(tagger, nertune, tmp_path):
    (tmp_path / "new.txt").write_text("Ada's\n")
    assert nertune("predict", tagger.seeds[0], "new.txt")[1].count("\n") == 4
    assert nertune("predict", tagger.seeds[0], "new.txt", "--set", "data.words=blanks")[1].count("\n") == 2


def test_from_python_texts_are_given_as_a_list(classifier):
    found = list(predict(classifier.seeds[0], ["a fine film", "cold and slow"], device="cpu"))
    assert [row["text"] for row in found] == ["a fine film", "cold and slow"]
    assert all(sum(row["probabilities"].values()) == pytest.approx(1, abs=1e-5) for row in found)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["predict", "./nowhere", "new.txt"], "there is no such folder"),
        (["predict", "MODEL", "nwe.txt"], "Did you mean new.txt?"),
        (["predict", "MODEL", "new.txt", "--device", "gpu"], "--device gpu is none of cpu, cuda, cuda:1 and auto"),
        (["predict", "MODEL", "new.txt", "--device", "cuda:7"], "--device auto   takes what there is"),
        (["predict", "MODEL", "new.txt", "--set", "train.epochs=2"], "only keys of data can be set"),
        (["predict", "MODEL", "new.txt", "--set", "data.dir=x"], "data.dir says what is read"),
        (["predict", "MODEL", "new.txt", "--output", "new.txt"], "--output is the file that is read"),
        (["evaluate", "MODEL", "nowhere.txt"], "there is no such file or folder"),
        (["evaluate", "MODEL", "new.txt", "--split", "dev"], "there is no split dev here"),
        (["train", "nowhere.yaml"], "there is no such study file"),
    ],
)
def test_a_users_mistake_ends_with_2_and_says_what_to_type(tagger, nertune, tmp_path, words, told):
    (tmp_path / "new.txt").write_text("Ada B-PER\nsings O\n")
    code, out, err = nertune(*[tagger.seeds[0] if word == "MODEL" else word for word in words])
    assert (code, out) == (2, "")
    assert told in err
    assert "Traceback" not in err
