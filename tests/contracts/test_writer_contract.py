"""What every writer keeps to: what it wrote is read back equal, or counted; after an error nothing is left."""

import tempfile
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from nertune.data.documents import Document, Entity, Relation
from nertune.data.encodings import is_binary
from nertune.data.examples import SequenceExample, Span, TokenExample
from nertune.data.mapping import to_examples
from nertune.data.notices import Notices
from nertune.data.readers.brat import TRIGGER, read_brat
from nertune.data.readers.cerebras import read_cerebras
from nertune.data.readers.conll import read_conll
from nertune.data.readers.json_spans import read_json_spans
from nertune.data.readers.json_texts import read_json_texts
from nertune.data.readers.json_tokens import read_json_tokens
from nertune.data.readers.pubtator import read_pubtator
from nertune.data.readers.tables import read_tsv
from nertune.data.rendering import to_documents
from nertune.data.source import Source
from nertune.data.store import store_tagged, store_texts
from nertune.data.tagging import read_spans, recognise_tags
from nertune.data.texts import read_texts, recognise_cells
from nertune.data.writers import LOSSES, WRITERS
from nertune.errors import DataError, Where
from nertune.spec.study import DataSpec

PLACE = Where(Path("train.txt"), 1)
BLANKS_RULE = DataSpec(words="blanks")
READERS = {
    "conll": read_conll,
    "jsonl": read_json_tokens,
    "spans": read_json_spans,
    "brat": read_brat,
    "pubtator": read_pubtator,
    "cerebras": read_cerebras,
    "tsv": read_tsv,
    "jsonl-texts": read_json_texts,
}
FILES = {"cerebras": "out.csv"}  # else a folder
TOKEN = [name for name, form in WRITERS.items() if form.task == "token"]
SEQUENCE = [name for name, form in WRITERS.items() if form.task == "sequence"]
DOCUMENTS = [name for name, form in WRITERS.items() if form.unit == "documents"]


# ---- writing and reading


def write(name, items, *, folder):
    """Where the file or folder lies, and what was lost."""
    form, losses, target = WRITERS[name], Notices(), folder / FILES.get(name, "out")
    if form.unit == "documents" and items and isinstance(items[0], TokenExample):
        items = to_documents(items, name="out", losses=losses, n_sentences=form.n_sentences)
    form.write(iter(items), target=target, losses=losses)
    assert losses.counts.keys() <= LOSSES.keys()
    return target, losses


def items_of(name, target):
    """What the reader makes of the file, or of all files of the folder in their order."""
    paths = sorted(target.glob("*.txt")) if target.is_dir() else [target]
    for path in paths:
        source = Source(path)
        yield from READERS[name](source)
        assert not source.faults
        assert not set(source.notices.counts) - {"comment-lines", "blanks-in-words", "empty-texts", "empty-words"}


def examples_of(name, target):
    items = list(items_of(name, target))
    if WRITERS[name].unit == "documents":
        return [e for doc in items for e in to_examples(doc, data=BLANKS_RULE, notices=Notices(), keep_overlaps=True)]
    table = store_tagged((target, item) for item in items)
    return list(read_spans(table, how=recognise_tags(table, scheme=None, separator=None), notices=Notices()))


# ---- what is written

TRAPS = (
    "#",
    "-DOCSTART-",
    "#global.columns=a",
    "O",
    "B-X",
    "[CLS]",
    "a|t|b",
    "\ufeff",
    "\u200b",
    "T1",
    "{",
    "# newdoc",
)
BLANKS = ("\u2028", "\u00a0", "\x85", "\r", "New York", "a\tb", "a\nb", " ", "", "\x1f", "\x0b", "a\r\nb", "\t")
WORDS = st.text("ab1.-#'\"|,é中", min_size=1, max_size=5) | st.sampled_from(TRAPS + BLANKS)
LABELS = st.sampled_from(["PER", "cell-line", "B", "O", "a b", "A|S", "x,y", "é:1", "\t", "entity"])


@st.composite
def sentences(draw, *, words=WORDS, labels=LABELS, documents=("d", "d/e", None)):
    chosen = draw(st.lists(words, min_size=1, max_size=6))
    spans = []
    for label in draw(st.lists(labels, max_size=3, unique=True)):
        start = draw(st.integers(0, len(chosen) - 1))
        spans.append(Span(label, start, draw(st.integers(start + 1, len(chosen)))))
    spans.sort(key=lambda span: (span.start, span.end, span.label))
    return TokenExample(tuple(chosen), tuple(spans), PLACE, draw(st.sampled_from(documents)))


PLAIN = sentences(words=st.text("ab1.-#'|é中", min_size=1, max_size=4), labels=st.sampled_from(["PER", "cell-line"]))


def shapes(examples):
    return Counter((span.start, span.end) for example in examples for span in example.spans)


@pytest.mark.parametrize("name", TOKEN)
@settings(deadline=None)
@given(examples=st.lists(PLAIN, min_size=1, max_size=4))
def test_ordinary_sentences_come_back_equal(name, examples):
    two_types = TokenExample(("Ada", "x"), (Span("PER", 0, 1), Span("cell-line", 1, 2)), PLACE)
    apart = [two_types, *(replace(example, spans=example.spans[:1], document=None) for example in examples)]
    with tempfile.TemporaryDirectory() as folder:
        target, losses = write(name, apart, folder=Path(folder))
        read = examples_of(name, target)
    assert losses.counts.keys() <= {"cut-words"}
    assert [(e.words, e.spans) for e in read] == [(e.words, e.spans) for e in apart]


@pytest.mark.parametrize("name", TOKEN)
@settings(deadline=None)
@given(examples=st.lists(sentences(), min_size=1, max_size=4))
def test_difficult_sentences_come_back_or_are_counted(name, examples):
    with tempfile.TemporaryDirectory() as folder:
        target, losses = write(name, examples, folder=Path(folder))
        assume(not any(is_binary(path.read_bytes()) for path in Path(folder).rglob("*") if path.is_file()))
        read = examples_of(name, target)
    if {"lost-word-borders", "lost-line-breaks"} & losses.counts.keys():
        return
    n_lost = losses.counts["lost-overlaps"]
    assert (shapes(examples) - shapes(read)).total() == n_lost
    assert not shapes(read) - shapes(examples)
    if "changed-words" not in losses.counts:
        assert Counter(e.words for e in read) == Counter(e.words for e in examples)
    if not {"changed-labels", "lost-types"} & losses.counts.keys():
        lost = Counter(s for e in examples for s in e.spans) - Counter(s for e in read for s in e.spans)
        assert lost.total() == n_lost


@st.composite
def documents(draw):
    text = draw(st.text("ab é\U0001f600\n\r\t|.\ufeff", min_size=1, max_size=20))
    offsets = st.integers(0, len(text))
    parts = st.tuples(offsets, offsets).map(sorted).map(tuple).filter(lambda part: text[slice(*part)].strip())
    found = draw(st.lists(st.tuples(st.sampled_from("XY"), parts), max_size=4))
    ids = draw(st.sampled_from([("T1", "T2", "T3", "T4"), ("a", "b", "c", "d"), (None,) * 4]))
    entities = tuple(Entity(label, (part,), PLACE, id=id_) for (label, part), id_ in zip(found, ids, strict=False))
    note = draw(st.none() | st.sampled_from(["D001241", "MESH:1"]))
    entities = tuple(replace(entity, note=note) for entity in entities)
    known = [entity.id for entity in entities if entity.id is not None]
    arguments = st.lists(
        st.tuples(st.sampled_from([TRIGGER, "Arg1", "r"]), st.sampled_from([*known, "gone"])), min_size=1, max_size=3
    )
    relations = tuple(Relation("rel", tuple(pairs), PLACE) for pairs in draw(st.lists(arguments, max_size=2)))
    return Document(draw(st.sampled_from(["d", "D", "d/e", "", ".x", "a b"])), text, entities, PLACE, relations)


def mentions(doc, text):
    """Label, characters without those of line ends, and note of each entity."""
    return sorted(
        (e.label, tuple(i for a, b in e.parts for i in range(a, b) if text[i] not in "\r\n"), e.note or "")
        for e in doc.entities
    )


@pytest.mark.parametrize("name", DOCUMENTS)
@settings(deadline=None)
@given(doc=documents())
def test_documents_keep_text_offsets_and_notes(name, doc):
    with tempfile.TemporaryDirectory() as folder:
        target, losses = write(name, [doc], folder=Path(folder))
        sources = [Source(path) for path in (sorted(target.glob("*.txt")) if target.is_dir() else [target])]
        (read,) = [one for source in sources for one in READERS[name](source)]
        assert not sources[0].faults
    assert mentions(read, doc.text) == mentions(doc, doc.text)
    assert (
        len(read.relations)
        == len(doc.relations) - losses.counts["lost-relations"] - sources[0].notices.counts["broken-relations"]
    )
    if "lost-line-breaks" not in losses.counts:
        assert read.text.rstrip("\n") == doc.text.rstrip("\n")


TEXTS = st.text("ab\"'\t\n\r,|é[]", max_size=8) | st.sampled_from(["", " ", '"', '"a" b', "a\r\nb", "x" * 50])


@pytest.mark.parametrize("name", SEQUENCE)
@pytest.mark.parametrize("several", [False, True])
@settings(deadline=None)
@given(data=st.data())
def test_texts_and_classes_come_back_or_are_counted(name, several, data):
    classes = st.sampled_from(["joy", "fear", "very good", "[a]", "x;y"])
    labels = st.sets(classes, max_size=3).map(sorted) if several else st.tuples(classes)
    pairs = st.text("ab", min_size=1) if data.draw(st.booleans()) else st.none()
    row = st.builds(SequenceExample, TEXTS, labels.map(tuple), st.just(PLACE), pairs)
    examples = data.draw(st.lists(row, min_size=1, max_size=5))
    with tempfile.TemporaryDirectory() as folder:
        target, losses = write(name, examples, folder=Path(folder))
        source = Source(target)
        table = store_texts((target, item) for item in READERS[name](source))
        is_multi = any(len(example.labels) != 1 for example in examples)
        how = recognise_cells(table, problem="multi_label" if is_multi else "single_label", separator="|")
        read = list(read_texts(table, how=how, faults=source.faults))
        assert not source.faults
    if "lost-line-breaks" not in losses.counts and "lost-texts" not in losses.counts:
        assert [(e.text, e.pair, e.labels) for e in read] == [(e.text, e.pair, e.labels) for e in examples]


# ---- files


def first_item(name):
    sentence = TokenExample(("Ada",), (Span("PER", 0, 1),), PLACE, "d")
    text = SequenceExample("fine", ("good",), PLACE)
    doc = Document("d", "Ada", (Entity("PER", ((0, 3),), PLACE),), PLACE)
    return text if WRITERS[name].task == "sequence" else doc if WRITERS[name].unit == "documents" else sentence


def broken_stream(name):
    yield first_item(name)
    raise DataError("the reader met a wrong line")


@pytest.mark.parametrize("name", WRITERS)
def test_after_an_error_nothing_is_left(name, tmp_path):
    with pytest.raises(DataError, match="wrong line"):
        WRITERS[name].write(broken_stream(name), target=tmp_path / "out", losses=Notices())
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", [name for name, form in WRITERS.items() if not form.is_folder and name != "cerebras"])
def test_after_an_error_the_old_file_still_stands(name, tmp_path):
    (tmp_path / "out").write_text("old")
    with pytest.raises(DataError, match="wrong line"):
        WRITERS[name].write(broken_stream(name), target=tmp_path / "out", losses=Notices())
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    assert (tmp_path / "out").read_text() == "old"


@pytest.mark.parametrize("name", WRITERS)
def test_a_place_that_cannot_be_written_is_a_data_error(name, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="cannot be written"):
        WRITERS[name].write(iter([first_item(name)]), target=tmp_path / "file" / "out", losses=Notices())


@pytest.mark.parametrize("name", WRITERS)
def test_half_a_character_is_a_data_error(name, tmp_path):
    item = first_item(name)
    broken = {
        TokenExample: lambda: replace(item, words=("\ud800",)),
        SequenceExample: lambda: replace(item, text="\ud800"),
        Document: lambda: replace(item, text="A\ud800a"),
    }[type(item)]()
    with pytest.raises(DataError, match=r"half a character \(U\+D800\)"):
        WRITERS[name].write(iter([broken]), target=tmp_path / "out", losses=Notices())
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", WRITERS)
def test_a_folder_with_something_in_it_is_not_written_over(name, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine").write_text("")
    with pytest.raises(DataError, match=r"is not empty|cannot be written"):
        WRITERS[name].write(iter([first_item(name)]), target=tmp_path / "out", losses=Notices())
    assert [path.name for path in tmp_path.rglob("*")] == ["out", "mine"]
