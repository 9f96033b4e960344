"""Examples become running text, and the text becomes the same examples again."""

from dataclasses import replace
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from nertune.data.documents import Document, Entity
from nertune.data.examples import Span, TokenExample
from nertune.data.mapping import to_examples
from nertune.data.notices import Notices
from nertune.data.rendering import to_documents
from nertune.errors import Where
from nertune.spec.study import DataSpec

PLACE = Where(Path("train.txt"), 1)


def sentence(text, *spans, document=None):
    return TokenExample(tuple(text.split(" ")), tuple(Span(*span) for span in spans), PLACE, document)


def render(*sentences, **options):
    losses = Notices()
    return list(to_documents(sentences, name="x", losses=losses, **options)), losses


def test_sentences_of_a_document_are_its_lines():
    first = sentence("Ada saw Oslo", ("PER", 0, 1), ("LOC", 2, 3), document="d")
    documents, losses = render(first, sentence("New York", ("LOC", 0, 2), document="d"))
    entities = Entity("PER", ((0, 3),), PLACE), Entity("LOC", ((8, 12),), PLACE), Entity("LOC", ((13, 21),), PLACE)
    words = ((0, 3), (4, 7), (8, 12), (13, 16), (17, 21))
    assert documents == [Document("d", "Ada saw Oslo\nNew York", entities, PLACE, words=words)]
    assert not losses.counts


def test_sentences_without_a_document_are_grouped_and_numbered():
    texts = [(doc.id, doc.text) for doc in render(*map(sentence, "abc"), n_sentences=2)[0]]
    assert texts == [("x-000001", "a\nb"), ("x-000002", "c")]
    mixed = [sentence("a"), sentence("b", document="d"), sentence("c")]
    assert [doc.id for doc in render(*mixed, n_sentences=9)[0]] == ["x-000001", "d", "x-000003"]


def test_a_word_without_a_character_is_written_as_a_mark_and_counted():
    documents, losses = render(TokenExample(("a", ""), (Span("X", 1, 2),), PLACE))
    assert (documents[0].text, documents[0].entities[0].parts) == ("a _", ((2, 3),))
    assert [str(place) for place in losses.places["changed-words"]] == ['train.txt:1: "" → "_"']


@st.composite
def examples(draw):
    words = draw(st.lists(st.text("ab1.-\u200b\n \r\u2028", min_size=1, max_size=4), min_size=1, max_size=6))
    cuts = sorted(draw(st.sets(st.integers(0, len(words)), max_size=4)))
    spans = [Span(draw(st.sampled_from("XY")), a, b) for a, b in zip(cuts[::2], cuts[1::2], strict=False)]
    return TokenExample(tuple(words), tuple(spans), PLACE, draw(st.sampled_from([None, "d", "e"])))


@given(sentences=st.lists(examples(), max_size=5), n_sentences=st.integers(1, 3))
def test_rendered_examples_are_read_back_equal(sentences, n_sentences):
    documents, _ = render(*sentences, n_sentences=n_sentences)
    read = [example for doc in documents for example in to_examples(doc, data=DataSpec(), notices=Notices())]
    assert [replace(example, document=None) for example in read] == [replace(s, document=None) for s in sentences]
