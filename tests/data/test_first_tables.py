"""What was found on a corpus' first table holds for its others, unless their first row says something else."""

import pytest

from nertune.data.corpus import read_corpus, read_files
from nertune.data.files import SplitFiles
from nertune.errors import Problems
from nertune.spec.study import DataSpec

VERSES = [
    ("the moon rose over the river", "calm"),
    ("nobody was there, nobody", "sad"),
    ("a cold and silent sea", "calm"),
]
PLAIN = "".join(f"{verse} {number}\t{label}\n" for number in range(9) for verse, label in VERSES)
NAMED = "Bemerkung\tCode\n" + PLAIN
ENCLOSED = "text\tlabel\n" + "".join(f'"a ""b"" {number}"\t"{label}"\n' for number in range(9) for _, label in VERSES)
COMMAS = PLAIN.replace(",", ";").replace("\t", ",")


@pytest.fixture
def read(tmp_path):
    """Two files -> the texts of the second with their labels, and what was noticed there."""

    def read_dev(train, dev, *, names=("train.tsv", "dev.tsv"), **data):
        for name, content in zip(names, (train, dev), strict=True):
            (tmp_path / name).write_text(content)
        split = read_corpus(DataSpec(dir=tmp_path, **data), task="sequence").splits["dev"]
        return [(example.text, *example.labels) for example in split.examples], dict(split.notices.counts)

    return read_dev


@pytest.mark.parametrize(
    ("train", "dev"),
    [
        (NAMED, "Bemerkung\tCode\nstill\tsad\n"),
        (NAMED, "Code\tBemerkung\nsad\tstill\n"),
        (NAMED, " code \tBEMERKUNG\nsad\tstill\n"),
        (PLAIN, "still\tsad\n"),
        (PLAIN, "label\ttext\nsad\tstill\n"),
        ("text\tlabel\n" + PLAIN, "tweet\tclass\nstill\tsad\n"),
        ("text\tlabel\n" + PLAIN, '"text"\t"label"\n"still"\t"sad"\n'),
    ],
)
def test_a_single_row_is_read_as_train_is(read, train, dev):
    assert read(train, dev)[0] == [("still", "sad")]


def test_columns_that_train_does_not_have_are_not_read_and_told(read):
    assert read(NAMED, "Nr\tCode\tBemerkung\n1\tsad\tstill\n") == ([("still", "sad")], {"unread-columns": 1})


def test_a_header_that_only_train_has_is_told(read):
    assert read(NAMED, "still\tsad\nsea\tcalm\n") == ([("still", "sad"), ("sea", "calm")], {"lacking-headers": 1})


def test_a_column_that_train_names_and_dev_does_not_is_a_fault_where_nothing_else_says_it(read):
    with pytest.raises(Problems, match=r"dev.tsv:1: .*the label is not clear; the columns are \"Bemerkung\", \"Kode\""):
        read(NAMED, "Bemerkung\tKode\nstill\tsad\n")


def test_label_columns_are_found_by_their_names(read):
    train = "text\tjoy\tfear\na b\t1\t0\nc d\t0\t1\ne f\t1\t1\n"
    assert read(train, "fear\ttext\tjoy\n\tx y\t1\n\tv w\t\n")[0] == [("x y", "joy"), ("v w",)]


def test_quotation_marks_are_what_they_are_on_train(read):
    ordinary = NAMED + '"tis the sea\tcalm\n'
    assert read(ordinary, 'Bemerkung\tCode\n"still"\tsad\n"sea"\tcalm\n')[0] == [('"still"', "sad"), ('"sea"', "calm")]
    with pytest.raises(Problems, match=r'dev.tsv:3: after a closing quotation mark stands "said he'):
        read(ENCLOSED, 'text\tlabel\n"still"\tsad\n"sea" said he\tcalm\n')


def test_marks_of_a_dev_that_encloses_nothing_are_ordinary(read):
    assert read(ENCLOSED, 'text\tlabel\n"sea" said he\tcalm\n')[0] == [('"sea" said he', "calm")]


@pytest.mark.parametrize(
    ("train", "dev", "texts"),
    [
        (COMMAS, "a; b,sad\nc; d,calm\n", [("a; b", "sad"), ("c; d", "calm")]),
        (COMMAS, "still;sad\nsea;calm\n", [("still", "sad"), ("sea", "calm")]),
        ("text,label\n" + COMMAS, "label;text\nsad;still, so still\n", [("still, so still", "sad")]),
    ],
)
def test_the_delimiter_is_that_of_train_if_it_stands_in_the_first_row(read, train, dev, texts):
    assert read(train, dev, names=("train.csv", "dev.csv"))[0] == texts


def test_tabs_and_commas_may_be_mixed_within_a_corpus(read):
    assert read(NAMED, 'Bemerkung,Code\n"still, so",sad\n', names=("train.tsv", "dev.csv"))[0] == [("still, so", "sad")]


def test_the_files_of_one_split_are_read_alike(tmp_path):
    for name, content in {"a.tsv": NAMED, "b.tsv": "Code\tBemerkung\nsad\tstill\n"}.items():
        (tmp_path / name).write_text(content)
    files = {"train": SplitFiles("train", (tmp_path / "a.tsv", tmp_path / "b.tsv"))}
    examples = read_files(files, data=DataSpec(), task="sequence").splits["train"].examples
    assert (examples[-1].text, examples[-1].labels) == ("still", ("sad",))


def test_dev_is_read_as_train_is_and_test_is_not_opened(read, tmp_path):
    (tmp_path / "test.tsv").write_bytes(b"\xff\xfe\x00")
    assert read(NAMED, "Bemerkung\tCode\nstill\tsad\n")[0] == [("still", "sad")]
