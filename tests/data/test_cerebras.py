"""The CSV of the Cerebras token classifier: pieces become words again, numbers become labels."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nertune.data.readers.cerebras import VOCABULARY, looks_like_cerebras, read_cerebras
from nertune.data.source import Source
from nertune.errors import DataError

FILES = Path(__file__).parent.parent / "files" / "cerebras"
WORDS = st.lists(
    st.tuples(st.lists(st.text("ab-", min_size=1, max_size=3), min_size=1, max_size=3), st.sampled_from("BIO")),
    min_size=1,
    max_size=5,
)


@pytest.fixture
def source(tmp_path):
    """A file with these rows under the usual header."""

    def make(rows, vocabulary=None):
        (tmp_path / "train-1.csv").write_bytes(f"tokens,labels\n{rows}".encode())
        if vocabulary is not None:
            (tmp_path / "label2id.json").write_bytes(vocabulary)
        return Source(tmp_path / "train-1.csv")

    return make


@pytest.fixture
def read(source):
    """The (word, tag) pairs of each sentence of a file without faults."""

    def sentences(rows, vocabulary=None):
        opened = source(rows, vocabulary)
        found = [list(zip(s.words, s.tags, strict=True)) for s in read_cerebras(opened)]
        assert not opened.faults
        return found

    return sentences


def test_pieces_are_joined_to_words():
    sentences = list(read_cerebras(Source(FILES / "train-1.csv")))
    assert [(s.words, s.tags, list(s.lines)) for s in sentences] == [
        (("naloxone", "reverses", "it", "."), ("B", "O", "O", "O"), [2] * 4),
        (("p-value", ",", "lithium", "carbonate"), ("O", "O", "B", "I"), [3] * 4),
    ]


def test_numbers_are_labels_of_the_vocabulary_beside_the_file():
    source = Source(FILES / "ids" / "train-1.csv")
    (sentence,) = read_cerebras(source)
    assert list(zip(sentence.words, sentence.tags, strict=True)) == [
        ("Ada", "B-PER"),
        ("lives", "O"),
        ("in", "O"),
        ("Turin", "B-LOC"),
    ]
    assert len(source.digests) == 2  # the vocabulary decides the fingerprint, too


def test_without_a_vocabulary_the_usual_one_is_meant(read):
    assert read("[CLS] nal ##oxone and acetic acid [SEP] [PAD],5 1 4 3 1 2 6 0\n") == [
        [("naloxone", "B"), ("and", "O"), ("acetic", "B"), ("acid", "I")]
    ]


def test_whole_words_are_read_as_they_stand(read):
    assert read("Ada slept,B-PER O\n[CLS] is,O O\n") == [
        [("Ada", "B-PER"), ("slept", "O")],
        [("[CLS]", "O"), ("is", "O")],
    ]


@given(words=WORDS)
def test_words_cut_into_pieces_come_back(tmp_path_factory, words):
    pieces = [piece if place == 0 else f"##{piece}" for parts, _ in words for place, piece in enumerate(parts)]
    labels = [tag if place == 0 else "X" for parts, tag in words for place in range(len(parts))]
    path = tmp_path_factory.getbasetemp() / "cut.csv"
    rows = [" ".join(["[CLS]", *pieces, "[SEP]"]), " ".join(["[CLS]", *labels, "[SEP]"])]
    ids = " ".join(str(VOCABULARY.index(label)) for label in rows[1].split(" "))
    path.write_text(f"tokens,labels\n{rows[0]},{rows[1]}\n{rows[0]},{ids}\n")
    named, numbered = read_cerebras(Source(path))
    assert (named.words, named.tags) == (numbered.words, numbered.tags)
    assert list(zip(named.words, named.tags, strict=True)) == [("".join(parts), tag) for parts, tag in words]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("[CLS] a [SEP],[CLS] O O [SEP]", '3 words but 4 tags; the sentence is "[CLS] a [SEP]"'),
        (
            "[CLS] ##a b [SEP],[CLS] X O [SEP]",
            '"##a" has the label X, which continues a word, but none stands before it',
        ),
        ("[CLS] a b [SEP],[CLS] O [SEP] [SEP]", '"b" has the label [SEP], which is for that piece only'),
        (
            "a b,1 7",
            'there is no label 7; the labels are "0: [PAD]", "1: B", "2: I", "3: O", "4: X", "5: [CLS]", "6: [SEP]"',
        ),
        ("a", "one column where 2 are needed"),
    ],
)
def test_what_does_not_fit_is_told_with_its_line(source, row, message):
    opened = source(f"c d,O O\n{row}\ne f,O O\n")
    assert len(list(read_cerebras(opened))) == 2
    assert [(fault.where.line, fault.message) for fault in opened.faults.shown] == [(3, message)]


@pytest.mark.parametrize(
    "vocabulary",
    [
        b"",
        b"[1]",
        b'{"B": "1"}',
        b'{"B": true}',
        b'{"\\ud800": 1}',
        b"\xff",
        b"[" * 100_000,
        b'{"B": 1' + b"0" * 5000 + b"}",
    ],
)
def test_a_broken_vocabulary_is_refused(source, vocabulary):
    with pytest.raises(DataError, match=r"label2id\.json"):
        list(read_cerebras(source("a b,1 1\n", vocabulary)))


def test_what_was_lost_when_the_file_was_written_is_counted(source):
    opened = source("[CLS] [UNK] x [UNK] [SEP],[CLS] B O I [SEP]\n[CLS] [SEP],[CLS] [SEP]\n")
    assert len(list(read_cerebras(opened))) == 1
    assert opened.notices.counts == {"unknown-words": 2, "empty-sentences": 1}


def test_a_sentence_of_many_pieces_is_read_in_time(read):
    n_pieces = 200_000
    ((word, _),) = read(f"a{' ##b' * n_pieces},B{' X' * n_pieces}\n")[0]
    assert len(word) == n_pieces + 1


@pytest.mark.parametrize(
    ("text", "is_cerebras"),
    [
        ("tokens,labels\n[CLS] a ##b [SEP],[CLS] B X [SEP]\n", True),
        ("tokens,labels\n[CLS] a ##b [SEP],5 1 4 6\n", True),
        ("tokens,labels\n\"['a', 'b']\",\"['O', 'O']\"\n", False),
        ("text,label\na fine film,good\n", False),
        ("Sentence #,Word,POS,Tag\n1,Ada,NNP,B-PER\n", False),
        ("", False),
    ],
)
def test_only_rows_of_pieces_and_labels_are_recognised(tmp_path, text, is_cerebras):
    (tmp_path / "x.csv").write_text(text)
    assert looks_like_cerebras(Source(tmp_path / "x.csv")) is is_cerebras


@given(
    rows=st.binary(max_size=100) | st.text('a#[]SEPCLX 1,\n"OB-\r', max_size=60).map(str.encode),
    has_header=st.booleans(),
)
def test_any_bytes_are_read_or_refused_with_a_data_error(tmp_path_factory, rows, has_header):
    path = tmp_path_factory.getbasetemp() / "any.csv"
    path.write_bytes((b"tokens,labels\n" if has_header else b"") + rows)
    try:
        looks_like_cerebras(Source(path))
        sentences = list(read_cerebras(Source(path)))
    except DataError:
        return
    assert all(len(s.words) == len(s.tags) == len(s.lines) > 0 and all(s.words) for s in sentences)
