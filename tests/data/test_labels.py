"""Tag schemes: what is recognised, how tags become spans, and the way back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from seqeval.metrics.sequence_labeling import get_entities

from nertune.data.examples import Span
from nertune.data.labels import (
    count_repairs,
    find_spelling,
    has_bare_types,
    normalise,
    recognise_scheme,
    respell,
    spans_to_tags,
    tag_names,
    tags_to_spans,
)

TYPES = ("PER", "cell-line", "B")


@st.composite
def sentences(draw, *, with_neighbours=True):
    """Spans without overlap and the number of words; `with_neighbours`: two of one type may touch."""
    spans, position, last = [], 0, None
    for gap, length, label in draw(
        st.lists(st.tuples(st.integers(0, 2), st.integers(1, 3), st.sampled_from(TYPES)), max_size=5)
    ):
        gap = max(gap, 0 if with_neighbours or label != last else 1)
        spans.append(Span(label, position + gap, position + gap + length))
        position, last = position + gap + length, label
    return spans, position + draw(st.integers(0, 2))


def random_tags(prefixes):
    tags = [f"{prefix}-{label}" for prefix in prefixes for label in ("PER", "LOC", "cell-line")]
    return st.lists(st.sampled_from(["O", *tags]), max_size=12)


@pytest.mark.parametrize("scheme", ["iob2", "bioes"])
@given(sentence=sentences())
def test_spans_survive_the_way_to_tags_and_back(scheme, sentence):
    spans, n_words = sentence
    assert tags_to_spans(spans_to_tags(spans, n_words, scheme)) == spans


@given(sentence=sentences(with_neighbours=False))
def test_spans_that_do_not_touch_survive_io(sentence):
    spans, n_words = sentence
    assert tags_to_spans(spans_to_tags(spans, n_words, "io")) == spans


@given(tags=st.one_of(random_tags("BIES"), random_tags("BI")))
def test_spans_are_those_of_seqeval_in_default_mode(tags):
    assert [(span.label, span.start, span.end - 1) for span in tags_to_spans(tags)] == get_entities(tags)


@given(sentence=sentences())
def test_written_tags_need_no_repair(sentence):
    spans, n_words = sentence
    assert {count_repairs(spans_to_tags(spans, n_words, scheme), scheme=scheme) for scheme in ("iob2", "bioes")} == {0}


@given(sentence=sentences())
def test_bilou_is_read_as_bioes_in_other_letters(sentence):
    spans, n_words = sentence
    letters = {"O": "O", "B": "B", "I": "I", "E": "L", "S": "U"}
    bilou = [letters[tag[0]] + tag[1:] for tag in spans_to_tags(spans, n_words, "bioes")]
    assert tags_to_spans(normalise(bilou)) == spans


@pytest.mark.parametrize(
    ("tags", "scheme"),
    [
        ("B-PER I-PER O B-LOC", "iob2"),
        ("B-PER B-LOC O", "iob2"),
        ("I-PER B-PER O I-LOC", "iob1"),
        ("I-PER I-PER O I-LOC", "io"),
        ("PER PER O LOC", "io"),
        ("B-PER E-PER O S-LOC", "bioes"),
        ("S-PER O", "bioes"),
        ("B-PER L-PER O U-LOC", "bilou"),
        ("B I O B", "iob2"),
        ("O O", "iob2"),
        ("B-cell T-cell O", "iob2"),  # so that T-cell is refused; data.scheme: io says otherwise
    ],
)
def test_the_scheme_is_recognised(tags, scheme):
    assert recognise_scheme([tags.split()]) == scheme


def test_a_few_wrong_tags_do_not_turn_iob2_into_iob1():
    sequences = [["B-PER", "I-PER", "O"], ["B-PER", "O"], ["O", "I-PER"]]
    assert recognise_scheme(sequences) == "iob2"
    assert sum(count_repairs(tags, scheme="iob2") for tags in sequences) == 1


@pytest.mark.parametrize(
    ("tags", "scheme", "repairs"),
    [
        ("O I-X", "iob2", 1),
        ("B-X I-Y I-Y", "iob2", 1),
        ("O I-X B-X", "iob1", 0),
        ("O B-X", "iob1", 1),
        ("I-X I-X O", "io", 0),
        ("B-X O", "bioes", 1),
        ("B-X", "bioes", 1),
        ("S-X E-X", "bioes", 1),
        ("B-X I-X E-X S-X", "bioes", 0),
    ],
)
def test_illegal_tags_are_counted(tags, scheme, repairs):
    assert count_repairs(tags.split(), scheme=scheme) == repairs


def test_a_type_may_hold_a_hyphen():
    assert tags_to_spans(["B-cell-line", "I-cell-line"]) == [Span("cell-line", 0, 2)]


def test_bare_types_are_io_even_when_one_looks_like_a_prefix():
    assert has_bare_types({"PER", "S", "O"})
    assert normalise(["PER", "S", "O"], bare=True) == ["I-PER", "I-S", "O"]
    assert has_bare_types({"B-cell", "T-cell", "O"}, scheme="io")
    assert normalise(["B-cell"], bare=True) == ["I-B-cell"]


@pytest.mark.parametrize(
    ("tags", "spelling", "read"),
    [
        ("b-PER i-PER o b-LOC", "small", "B-PER I-PER O B-LOC"),
        ("B_cell_line I_cell_line O", "joined", "B-cell_line I-cell_line O"),
        ("PER-B PER-I O cell-line-B", "behind", "B-PER I-PER O B-cell-line"),
        ("B-PER M-PER E-PER O S-LOC", "bmes", "B-PER I-PER E-PER O S-LOC"),
    ],
)
def test_tags_of_another_spelling_are_read_when_all_are_spelt_so(tags, spelling, read):
    assert find_spelling(tags.split()) == spelling
    assert " ".join(respell(tag, spelling=spelling) for tag in tags.split()) == read


@pytest.mark.parametrize(
    "tags", ["B-PER b-PER i-PER O", "b-cell t-cell O", "b-cell O", "B-PER I-PER O", "PER O", "B I O", "O", ""]
)
def test_types_and_single_slips_of_the_pen_are_no_other_spelling(tags):
    assert find_spelling(tags.split()) is None


@pytest.mark.parametrize("tags", [{"0", "1", "2"}, {"(1", "1)", "-"}, {"0.98"}])
def test_numbers_are_no_types_unless_the_scheme_is_stated(tags):
    assert not has_bare_types(tags)
    assert has_bare_types(tags, scheme="io")


def test_bare_prefixes_are_entities_of_one_type():
    tags = normalise(["B", "I", "O", "B"], bare=has_bare_types({"B", "I", "O"}))
    assert tags_to_spans(tags) == [Span("entity", 0, 2), Span("entity", 3, 4)]


def test_tag_names_are_all_tags_sorted():
    assert tag_names(["b", "A"]) == ["B-A", "B-b", "I-A", "I-b", "O"]
    assert tag_names(["A"], "io") == ["I-A", "O"]
    assert tag_names(["A"], "bioes") == ["B-A", "E-A", "I-A", "O", "S-A"]


@pytest.mark.parametrize("spans", [[Span("A", 0, 3)], [Span("A", 1, 1)], [Span("A", 0, 2), Span("B", 1, 2)]])
def test_spans_that_cannot_be_written_are_a_bug(spans):
    with pytest.raises(ValueError, match="overlaps another span or leaves the sentence of 2 words"):
        spans_to_tags(spans, 2)
