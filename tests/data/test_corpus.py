"""Corpora: which files are opened, how labels are chosen, and what is refused."""

import os

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nertune.data.corpus import read_corpus
from nertune.data.examples import Span
from nertune.data.files import find_splits
from nertune.errors import UserError
from nertune.spec.study import DataSpec

NER = {
    "train.txt": "Ada\tB-PER\nLovelace\tI-PER\n\nOslo\tB-LOC\n",
    "dev.txt": "Turin\tB-LOC\n",
    "test.txt": "Ada\tB-PER\n",
}
TEXTS = {
    "train.txt": "text\tlabel\na\tgood\nb\tbad\nc\tgood\n",
    "dev.txt": "text\tlabel\nd\tbad\n",
    "test.txt": "text\tlabel\ne\tgood\n",
}


@pytest.fixture
def folder(tmp_path):
    def write(files):
        for name, text in files.items():
            (tmp_path / name).write_text(text)
        return tmp_path

    return write


def told(folder, *, task, splits=("train", "dev"), **data):
    """The message with which reading the folder is refused."""
    with pytest.raises(UserError) as caught:
        read_corpus(DataSpec(dir=folder, **data), task=task, splits=splits)
    return str(caught.value)


@pytest.mark.parametrize("dev", ["dev.conll", "devel.tsv", "valid.txt", "validation.txt", "dev.a.b"])
def test_the_dev_file_has_one_of_several_names(folder, dev):
    where = folder({"train.txt": "x", dev: "x", "test.iob": "x", ".dev.txt.swp": "x", "test_predictions.txt": "x"})
    found = find_splits(DataSpec(dir=where))
    assert {split: files.paths[0].name for split, files in found.items()} == {
        "train": "train.txt",
        "dev": dev,
        "test": "test.iob",
    }


def test_a_named_file_goes_before_the_folder(folder):
    where = folder({**NER, "dev.old": "x"})
    assert find_splits(DataSpec(dir=where, dev=where / "dev.txt"))["dev"].paths == (where / "dev.txt",)


def test_two_files_for_one_split_are_both_named(folder):
    message = told(folder({**NER, "devel.tsv": "x"}), task="token")
    assert "two files or more could be dev: dev.txt and devel.tsv" in message
    assert "data: {dev: FILE}" in message


def test_every_missing_split_is_told_at_once(folder):
    with pytest.raises(UserError) as caught:
        find_splits(DataSpec(dir=folder({"train.txt": "x"})))
    assert "no file for dev (dev.* or devel.* or valid*.*)" in str(caught.value)
    assert "no file for test (test.*)" in str(caught.value)


def test_a_folder_that_is_not_there_or_a_file_is_told(folder):
    where = folder(NER)
    assert "data.dir is not there" in told(where / "nowhere", task="token")
    assert "data.dir is a file, not a folder" in told(where / "dev.txt", task="token")


def test_train_alone_asks_for_dev(folder):
    with pytest.raises(UserError, match=r"data\.dev is missing"):
        find_splits(DataSpec(train=folder(NER) / "train.txt"))


@pytest.mark.parametrize("test", [None, b"\xff\xff", "pipe"])
def test_train_and_dev_are_read_without_opening_test(folder, test):
    where = folder(NER)
    (where / "test.txt").unlink()
    if test == "pipe":
        os.mkfifo(where / "test.txt")  # opening it would hang for ever
    elif test:
        (where / "test.txt").write_bytes(test)
    assert set(read_corpus(DataSpec(dir=where), task="token").splits) == {"train", "dev"}


def test_words_and_spans_are_read_with_their_places(folder):
    corpus = read_corpus(DataSpec(dir=folder(NER)), task="token")
    first, second = corpus.splits["train"].examples
    assert (first.words, first.spans, first.where.line) == (("Ada", "Lovelace"), (Span("PER", 0, 2),), 1)
    assert (second.where.path.name, second.where.line) == ("train.txt", 4)
    assert (corpus.labels, corpus.scheme, corpus.format) == (("LOC", "PER"), "iob2", "conll")


def test_a_sequence_corpus_has_its_classes_sorted(folder):
    corpus = read_corpus(DataSpec(dir=folder(TEXTS)), task="sequence")
    assert (corpus.labels, corpus.scheme, corpus.format) == (("bad", "good"), None, "tsv")
    assert [example.labels[0] for example in corpus.splits["train"].examples] == ["good", "bad", "good"]


@pytest.mark.parametrize(
    ("scheme", "tags"),
    [("iob1", "I-A B-A O I-A"), ("io", "A A O B"), ("bioes", "B-A E-A O S-B"), ("bilou", "B-A L-A O U-B")],
)
def test_the_scheme_of_train_is_recognised(folder, scheme, tags):
    text = "".join(f"w\t{tag}\n" for tag in tags.split())
    corpus = read_corpus(DataSpec(dir=folder({"train.txt": text, "dev.txt": text})), task="token")
    assert corpus.scheme == scheme
    assert len(corpus.splits["train"].examples[0].spans) == (3 if scheme == "iob1" else 2)
    assert corpus.splits["dev"].notices.counts == {}


def test_a_stated_scheme_is_taken(folder):
    text = "x\tB-cell\ny\tB-cell\nz\tT-cell\n"
    corpus = read_corpus(DataSpec(dir=folder({"train.txt": text, "dev.txt": text}), scheme="io"), task="token")
    assert corpus.labels == ("B-cell", "T-cell")
    assert corpus.splits["train"].examples[0].spans == (Span("B-cell", 0, 2), Span("T-cell", 2, 3))


def test_illegal_tags_are_repaired_and_counted(folder):
    where = folder({**NER, "dev.txt": "to\tO\nTurin\tI-LOC\n"})
    dev = read_corpus(DataSpec(dir=where), task="token").splits["dev"]
    assert (dev.examples[0].spans, dev.notices.counts) == ((Span("LOC", 1, 2),), {"repaired-tags": 1})
    assert [str(place).rpartition("/")[2] for place in dev.notices.places["repaired-tags"]] == ["dev.txt:2: O → I-LOC"]


def test_renamed_types_are_merged_before_keep_drops_the_others(folder):
    where = folder({"train.txt": "a\tB-X\nb\tB-Y\nc\tB-Z\n", "dev.txt": "a\tB-X\n"})
    corpus = read_corpus(DataSpec(dir=where, rename={"X": "W", "Y": "W"}, keep=("W",)), task="token")
    train = corpus.splits["train"]
    assert (corpus.labels, train.examples[0].spans) == (("W",), (Span("W", 0, 1), Span("W", 1, 2)))
    assert train.notices.counts == {"left-out-entities": 1}


def test_a_list_of_new_names_may_hold_types_of_other_corpora(folder):
    corpus = read_corpus(DataSpec(dir=folder(NER), rename={"Gene": "G", "LOC": "PLACE"}), task="token")
    assert corpus.labels == ("PER", "PLACE")


def test_keep_leaves_out_texts_of_other_classes(folder):
    where = folder({**TEXTS, "train.txt": TEXTS["train.txt"] + "f\tugly\n"})
    train = read_corpus(DataSpec(dir=where, keep=("good", "bad")), task="sequence").splits["train"]
    assert (len(train.examples), train.notices.counts) == (3, {"left-out-texts": 1})


def test_a_fixed_list_of_labels_is_the_label_list(folder):
    corpus = read_corpus(DataSpec(dir=folder(NER), labels=("PER", "LOC", "DATE")), task="token")
    assert corpus.labels == ("DATE", "LOC", "PER")


def test_an_entity_type_of_train_outside_the_fixed_list_is_refused(folder):
    message = told(folder(NER), task="token", labels=("PER", "DATE"))
    assert 'train.txt:4: the entity type "LOC" (once in train, first here) is not among the labels' in message


def test_an_entity_type_that_train_lacks_stays_gold_and_is_counted(folder):
    where = folder({**NER, "dev.txt": "May\tB-DATE\nTurin\tB-LOC\n"})
    dev = read_corpus(DataSpec(dir=where), task="token").splits["dev"]
    assert dev.examples[0].spans == (Span("DATE", 0, 1), Span("LOC", 1, 2))
    assert dev.notices.counts == {"unseen-labels": 1}


@pytest.mark.parametrize("split", ["dev", "test"])
def test_a_class_that_train_lacks_is_refused(folder, split):
    where = folder({**TEXTS, f"{split}.txt": "text\tlabel\nx\tgod\ny\tgod\n"})
    message = told(where, task="sequence", splits=("train", "dev", "test"))
    assert f'{split}.txt:2: the class "god" (2 times in {split}, first here) is not among the labels' in message
    assert "rename: {god: good}" in message


def test_one_class_only_is_refused(folder):
    where = folder({"train.txt": "text\tlabel\na\tgood\n", "dev.txt": "text\tlabel\nb\tgood\n"})
    assert 'one class only in train: "good"' in told(where, task="sequence")


def test_a_train_without_entities_is_refused(folder):
    assert "no entity in train: every tag is O" in told(folder({**NER, "train.txt": "a\tO\n"}), task="token")


@pytest.mark.parametrize("text", ["\n \n\t\n", "# only = a comment\n", "-DOCSTART- O\n\n"])
def test_a_file_without_a_sentence_is_refused(folder, text):
    assert "the file holds no sentence" in told(folder({**NER, "dev.txt": text}), task="token")


def test_a_header_alone_is_no_text(folder):
    assert "the file holds no text" in told(folder({**TEXTS, "dev.txt": "text\tlabel\n"}), task="sequence")


def test_problems_of_all_files_are_told_together_and_long_lists_cut(folder):
    where = folder({"train.txt": "Ada\tB-PER\n" + "word\n" * 30, "dev.txt": "word\n"})
    message = told(where, task="token")
    assert message.count("one column where two are needed") == 21
    assert "train.txt:22: and 10 more problems in this file, the next one here" in message
    assert message.endswith("22 problems. Nothing was started.")


def test_a_tag_without_prefix_among_others_is_refused_with_its_line(folder):
    message = told(folder({**NER, "dev.txt": "Turin\tB-LOC\nOslo\tLOC\n"}), task="token")
    assert 'dev.txt:2: the tag "LOC" of "Oslo" is neither O nor a type with a prefix' in message


@pytest.mark.parametrize(
    ("tag", "help_"),
    [
        ("b-LOC", "Did you mean B-LOC?"),
        ("B", "Correct the tag"),
        ("o", "Did you mean O?"),
        ("0", "Did you mean O?"),
        ("x", "Correct the tag"),
    ],
)
def test_a_tag_that_is_none_is_answered_with_the_closest(folder, tag, help_):
    message = told(folder({**NER, "dev.txt": f"Turin\tB-LOC\nOslo\t{tag}\n"}), task="token")
    assert f'dev.txt:2: the tag "{tag}" of "Oslo" is neither O nor a type with a prefix' in message
    assert help_ in message


def test_a_first_line_that_may_be_a_header_is_told_so(folder):
    message = told(folder({**NER, "dev.txt": "Wort\tEtikett\nTurin\tB-LOC\n"}), task="token")
    assert "dev.txt:1: " in message
    assert "if this line names the columns: data: {header: true}" in message


def test_entities_that_a_new_name_makes_alike_are_one_and_counted(folder):
    where = folder({"train.txt": "a\tB-X|B-Y\nb\tI-X|I-Y\nc\tO|I-Y\n\nd\tB-X|B-Z\n\ne\tB-X|B-Y\n"})
    data = DataSpec(train=where / "train.txt", rename={"Y": "X"})
    train = read_corpus(data, task="token", splits=("train",)).splits["train"]
    assert [example.spans for example in train.examples] == [
        (Span("X", 0, 3),),
        (Span("X", 0, 1), Span("Z", 0, 1)),
        (Span("X", 0, 1),),
    ]
    assert train.notices.counts == {"overlapping-entities": 1, "duplicate-entities": 1}


def test_label_numbers_are_no_types(folder):
    message = told(folder({"train.txt": "Ada\t1\nsaw\t0\n", "dev.txt": "Ada\t1\n"}), task="token")
    assert 'train.txt:1: the tag "1" of "Ada" is neither O nor a type with a prefix' in message
    assert (
        'train.txt:2: the tag "0" of "saw" is neither O nor a type with a prefix, such as B-PER\n    Did you' in message
    )


def test_tags_in_another_spelling_are_read_and_counted_at_their_first_place(folder):
    where = folder({"train.txt": "Ada\tb-PER\nKing\ti-PER\nsleeps\to\n\nBo\tb-PER\n", "dev.txt": "Ada\tb-PER\n"})
    train = read_corpus(DataSpec(dir=where), task="token").splits["train"]
    assert [example.spans for example in train.examples] == [(Span("PER", 0, 2),), (Span("PER", 0, 1),)]
    assert train.notices.counts == {"respelt-tags": 4}
    assert [str(place).rpartition("/")[2] for place in train.notices.places["respelt-tags"]] == [
        'train.txt:1: "b-PER" is read as B-PER',
        'train.txt:2: "i-PER" is read as I-PER',
        'train.txt:3: "o" is read as O',
    ]


@pytest.mark.parametrize(
    ("data", "help_"),
    [
        ({"keep": ("PR",)}, "Did you mean PER?"),
        ({"rename": {"LOCC": "PLACE"}}, "Did you mean LOC?"),
        ({"format": "conl"}, "Write for example: data: {format: conll}"),
        ({"format": "tsv"}, "the format is tsv (a text, a tab and its label a line), but the task is token"),
        ({"keep": ("PER",), "columns": {"wrd": 0}}, "columns: {word: 0}"),
    ],
)
def test_misspelt_values_are_answered_with_the_closest(folder, data, help_):
    assert help_ in told(folder(NER), task="token", **data)


def test_the_format_is_told_from_the_content_and_held_against_the_task(folder):
    assert "the file looks like conll (a word a line), but the task is sequence" in told(folder(NER), task="sequence")
    where = folder({"train.txt": '{"text": "Ada slept.", "label": "sleep"}\n'})
    message = told(where, task="token")
    assert "the file looks like jsonl-texts (JSON of texts and classes), but the task is token" in message


def test_the_order_of_the_splits_does_not_matter(folder):
    data = DataSpec(dir=folder(NER))
    assert read_corpus(data, task="token", splits=("dev", "train")) == read_corpus(data, task="token")


CONTENTS = st.text("#\t \nOB-XI\r=a\ufeff", max_size=60).map(str.encode) | st.binary(max_size=40)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=100, deadline=None)
@given(content=CONTENTS, task=st.sampled_from(["token", "sequence"]))
def test_any_files_make_a_corpus_or_a_user_error(tmp_path, content, task):
    for name in ("train.txt", "dev.txt"):
        (tmp_path / name).write_bytes(content)
    try:
        corpus = read_corpus(DataSpec(dir=tmp_path), task=task)
    except UserError:
        return
    assert corpus.labels


# ---- splits taken out of train


def many(n, *, label="B-PER"):
    return "".join(f"word{i}\t{label}\n\n" for i in range(n))


def test_missing_dev_and_test_are_taken_out_of_train(folder):
    data = DataSpec(dir=folder({"train.txt": many(100)}), split={"dev": 0.1, "test": 0.2})
    corpus = read_corpus(data, task="token", splits=("train", "dev", "test"))
    words = [{example.words for example in split.examples} for split in corpus.splits.values()]
    assert [len(each) for each in words] == [70, 10, 20]
    assert len(set.union(*words)) == 100


def test_a_search_has_neither_the_drawn_test_nor_its_sentences_in_train(folder):
    data = DataSpec(dir=folder({"train.txt": many(100)}), split={"dev": 0.1, "test": 0.2})
    whole = read_corpus(data, task="token", splits=("train", "dev", "test"))
    searched = read_corpus(data, task="token", splits=("train", "dev"))
    assert set(searched.splits) == {"train", "dev"}
    assert searched.splits == {name: whole.splits[name] for name in ("train", "dev")}


def test_a_file_goes_before_a_drawn_split(folder):
    data = DataSpec(dir=folder({"train.txt": many(20), "dev.txt": many(3)}), split={"dev": 0.1, "test": 0.25})
    corpus = read_corpus(data, task="token", splits=("train", "dev", "test"))
    assert {name: len(split.examples) for name, split in corpus.splits.items()} == {"train": 15, "dev": 3, "test": 5}


def test_the_recorded_draw_is_taken_whatever_would_be_drawn_now(folder):
    data = DataSpec(dir=folder({"train.txt": many(20)}), split={"dev": 0.5, "seed": 1})
    first = read_corpus(data, task="token")
    other = data.model_copy(update={"split": data.split.model_copy(update={"seed": 2})})
    assert read_corpus(other, task="token").splits != first.splits
    assert read_corpus(other, task="token", parts=first.parts).splits == first.splits


def test_a_recorded_draw_of_other_data_is_refused(folder):
    data = DataSpec(dir=folder({"train.txt": many(20)}), split={"dev": 0.5})
    parts = read_corpus(data, task="token").parts
    folder({"train.txt": many(21)})
    with pytest.raises(UserError, match="drawn from 20 examples, but train has 21 now"):
        read_corpus(data, task="token", parts=parts)


def test_a_missing_dev_is_answered_with_how_to_draw_it(folder):
    message = told(folder({"train.txt": many(9)}), task="token")
    assert "or take it out of train: data: {split: {dev: 0.1}}" in message


# ---- several labels


def test_words_with_several_tags_have_overlapping_entities(folder):
    where = folder({"train.txt": "New\tB-LOC|B-ORG\nYork\tI-LOC|I-ORG\nTimes\tI-ORG\n", "dev.txt": "Oslo\tB-LOC\n"})
    corpus = read_corpus(DataSpec(dir=where), task="token")
    assert corpus.splits["train"].examples[0].spans == (Span("LOC", 0, 2), Span("ORG", 0, 3))
    assert corpus.problem == "multi_label"


def test_two_columns_of_tags_are_two_layers(folder):
    text = "New\tB-LOC\tB-ORG\nYork\tI-LOC\tI-ORG\n\nTimes\tO\tB-ORG\n"
    data = DataSpec(dir=folder({"train.txt": text, "dev.txt": text}), columns={"word": 0, "tag": (1, 2)})
    corpus = read_corpus(data, task="token")
    assert corpus.splits["train"].examples[0].spans == (Span("LOC", 0, 2), Span("ORG", 0, 2))
    one = read_corpus(data.model_copy(update={"columns": {"word": 0, "tag": 2}}), task="token")
    assert (one.labels, one.problem) == (("ORG",), "single_label")


def test_several_classes_of_a_text_are_recognised_on_train(folder):
    train = "text\tlabel\na\tjoy\nb\tjoy, fear\nc\tfear\nd\tanger, joy\ne\tanger\n"
    where = folder({"train.txt": train, "dev.txt": "text\tlabel\nf\tjoy\ng\t\n"})
    corpus = read_corpus(DataSpec(dir=where), task="sequence")
    assert [example.labels for example in corpus.splits["train"].examples][1] == ("fear", "joy")
    assert [example.labels for example in corpus.splits["dev"].examples] == [("joy",), ()]
    assert corpus.problem == "multi_label"


def test_single_label_can_be_said(folder):
    train = "text\tlabel\na\tjoy\nb\tjoy, fear\nc\tfear\n"
    where = folder({"train.txt": train, "dev.txt": "text\tlabel\nf\tjoy\n"})
    corpus = read_corpus(DataSpec(dir=where), task="sequence", problem="single_label")
    assert corpus.labels == ("fear", "joy", "joy, fear")
