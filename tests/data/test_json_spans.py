"""JSON with entities by characters: every tool's export gives the same entities, and what does not fit is told."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from json_values import VALUES
from nertune.data.documents import Document, Entity, Relation
from nertune.data.notices import Notices
from nertune.data.readers.json_spans import looks_like_json_spans, read_json_spans
from nertune.data.source import Source
from nertune.data.writers.json_spans import write_json_spans
from nertune.errors import DataError, Where
from nertune.spec.study import DataSpec

FILES = Path(__file__).parent.parent / "files" / "json"
TEXT = "Ada Lovelace met Bo 🎉 in Turin."
ENTITIES = [("PER", ((0, 12),)), ("PER", ((17, 19),)), ("LOC", ((25, 30),))]
WORDS = ((0, 3), (4, 12), (13, 16), (17, 19), (20, 21), (22, 24), (25, 30), (30, 31))
SKIPPED, UTF16, OTHERS = {"skipped-items": 1}, {"converted-offsets": 1}, {"other-annotators": 1}
NOTICES = {
    "own.jsonl": {},
    "doccano.jsonl": UTF16,
    "doccano_relations.jsonl": {},
    "prodigy.jsonl": SKIPPED,
    "label_studio.json": SKIPPED | UTF16 | OTHERS,
    "label_studio_min.json": {"items-without-annotation": 1},
    "spacy.json": {},
    "spacy_classes.json": SKIPPED | UTF16,
}


@pytest.fixture
def read(tmp_path):
    """Reads objects, or a text: the documents and the source that met them."""

    def read(content, **data):
        text = content if isinstance(content, str) else "\n".join(map(json.dumps, content))
        (tmp_path / "train.jsonl").write_text(text)
        source = Source(tmp_path / "train.jsonl", DataSpec(**data))
        return list(read_json_spans(source)), source

    return read


def entities_of(document):
    return [(entity.label, entity.parts) for entity in document.entities]


@pytest.mark.parametrize("name", NOTICES)
def test_every_tool_gives_the_same_entities(name):
    source = Source(FILES / name)
    assert looks_like_json_spans(source)
    first, second = read_json_spans(source)
    assert (first.text, entities_of(first)) == (TEXT, ENTITIES)
    assert (second.text, entities_of(second)) == ("Nobody slept.", [])
    assert source.notices.counts == NOTICES[name]
    assert not source.faults


@pytest.mark.parametrize("name", ["own.jsonl", "doccano_relations.jsonl", "prodigy.jsonl", "label_studio.json"])
def test_relations_are_kept(name):
    document = next(read_json_spans(Source(FILES / name)))
    ((_, head), (_, tail)) = document.relations[0].arguments
    assert (document.relations[0].label, len(document.relations)) == ("met", 1)
    assert [head, tail] == [entity.id for entity in document.entities[:2]]


@pytest.mark.parametrize("name", ["own.jsonl", "prodigy.jsonl"])
def test_stated_words_are_kept(name):
    assert next(read_json_spans(Source(FILES / name))).words == WORDS


WHERE = Where(Path("x"), 1)
OFFSETS = st.lists(st.integers(0, 20), min_size=2, max_size=6, unique=True).map(sorted)
PARTS = OFFSETS.map(lambda offsets: tuple(zip(offsets[::2], offsets[1::2], strict=False)))
NAMES = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=4)


@st.composite
def documents(draw):
    """Documents of 20 characters, with anything that the format can hold."""
    text = draw(st.text(st.sampled_from("ab \n\\🎉é艾\u2028\r"), min_size=20, max_size=20))
    given = draw(st.lists(st.tuples(NAMES, PARTS, st.none() | NAMES), max_size=4))
    entities = [
        Entity(label, parts, WHERE, f"T{number}", " ".join(text[start:end] for start, end in parts), note)
        for number, (label, parts, note) in enumerate(given)
    ]
    relations = [Relation(draw(NAMES), ((draw(NAMES), entity.id),), WHERE, draw(NAMES)) for entity in entities[:2]]
    return Document(draw(NAMES), text, tuple(entities), WHERE, tuple(relations), words=draw(st.none() | PARTS))


@given(document=documents())
def test_what_is_written_is_read_back(tmp_path_factory, document):
    path = tmp_path_factory.getbasetemp() / "own.jsonl"
    write_json_spans([document], target=path, losses=Notices())
    source = Source(path)
    found = next(read_json_spans(source))
    assert (found.id, found.text, found.words) == (document.id, document.text, document.words)
    assert [replace(entity, where=WHERE) for entity in found.entities] == list(document.entities)
    assert [replace(relation, where=WHERE) for relation in found.relations] == list(document.relations)
    assert not source.notices.counts.keys() - {"empty-texts"}


def test_items_carry_their_line_and_a_name(read):
    documents, _ = read('[\n{"text": "a", "entities": []},\n\n{"id": 7, "text": "b", "entities": []}]')
    assert [(document.id, document.where.line) for document in documents] == [("train-1", 2), ("7", 4)]


def test_columns_choose_the_keys(read):
    item = {"body": "Ada", "marks": [[0, 3, "PER"]], "text": "x", "label": []}
    ((document,), source) = read([item], columns={"text": "body", "label": "marks"})
    assert (document.text, entities_of(document)) == ("Ada", [("PER", ((0, 3),))])
    assert looks_like_json_spans(source)


def test_a_span_with_several_labels_is_as_many_entities(read):
    ((document,), _) = read([{"text": "Ada", "label": [{"start": 0, "end": 3, "labels": ["PER", "queen"]}]}])
    assert entities_of(document) == [("PER", ((0, 3),)), ("queen", ((0, 3),))]


def test_offsets_written_as_texts_or_with_a_point_are_whole_numbers(read):
    ((document,), source) = read([{"text": "Ada", "entities": [{"start": "0", "end": 3.0, "label": "PER"}]}])
    assert entities_of(document) == [("PER", ((0, 3),))]
    assert not source.faults


@pytest.mark.parametrize(
    ("span", "kind"),
    [
        ({"start": 0, "end": 99, "label": "X"}, "outside-text"),
        ({"start": -2, "end": 3, "label": "X"}, "outside-text"),
        ({"start": 1, "end": 1, "label": "X"}, "empty-entities"),
        ({"start": 0, "end": 3, "label": "X", "text": "Bob"}, "text-differs"),
        ({"start": 0, "end": 3, "labels": []}, "unread-annotations"),
    ],
)
def test_an_entity_that_does_not_fit_the_text_is_counted(read, span, kind):
    ((document,), source) = read([{"text": "Ada met Bo", "entities": [span]}])
    assert source.notices.counts == {kind: 1}
    assert len(document.entities) == (kind == "text-differs")


@pytest.mark.parametrize(
    ("span", "message"),
    [
        ({"start": True, "end": 3, "label": "X"}, "an entity's offsets are true to 3, not two whole numbers"),
        ({"start": 0.5, "end": 3, "label": "X"}, "an entity's offsets are 0.5 to 3, not"),
        ({"end": 3, "label": "X"}, "an entity's offsets are missing to 3, not"),
        ({"start": "/p[1]/text()[1]", "end": 3, "label": "X"}, 'offsets are "/p[1]/text()[1]" to 3, not'),
        ({"start": 3, "end": 0, "label": "X"}, "an entity ends before it begins: 3 to 0"),
        ({"start": 0, "end": 3}, "an entity's label is missing, not a text"),
        ({"start": 0, "end": 3, "label": None}, "an entity's label is missing, not a text"),
        ([0, 3], "an entity's label is missing"),
        (5, "5 where an entity is needed"),
        ({"parts": [[0, 1, 2]], "label": "X"}, "an entity's offsets are 0 to 1 to 2, not two whole numbers"),
    ],
)
def test_what_is_no_entity_is_a_fault_with_its_line(read, span, message):
    _, source = read([{"text": "Ada", "entities": [[0, 3, "PER"]]}, {"text": "Ada", "entities": [span]}])
    assert "train.jsonl:2: " in str(source.faults.shown[0])
    assert message in str(source.faults.shown[0])


@pytest.mark.parametrize(
    ("text", "span", "found"),
    [
        ("🎉 Ada met Bo", [3, 6, "X"], "Ada"),  # only UTF-16 units make it a word
        ("🎉 Ada met Bo", [2, 5, "X"], "Ada"),
        ("🎉🎉 艾达见到鲍", [3, 5, "X"], "艾达"),  # nothing tells: characters are believed
        ("Ada 🎉", [0, 3, "X"], "Ada"),
    ],
)
def test_offsets_of_doccano_count_utf16_only_where_that_makes_whole_words(read, text, span, found):
    ((document,), _) = read([{"text": text, "label": [span]}])
    assert text[slice(*document.entities[0].parts[0])] == found


def test_our_own_offsets_are_never_converted(read):
    ((document,), source) = read([{"text": "🎉 Ada met Bo", "entities": [{"start": 3, "end": 6, "label": "X"}]}])
    assert document.entities[0].parts == ((3, 6),)
    assert not source.notices.counts


def test_line_ends_in_label_studios_mention_are_those_of_the_text(read):
    value = {"start": 0, "end": 12, "text": "Ada\\nLovelace", "labels": ["PER"]}
    task = {"data": {"text": "Ada\nLovelace"}, "annotations": [{"result": [{"type": "labels", "value": value}]}]}
    _, source = read([task])
    assert not source.notices.counts


def test_tokens_that_are_a_models_pieces_are_no_words(read):
    tokens = [{"text": "[CLS]", "start": 0, "end": 0}, {"text": "Ada", "start": 0, "end": 3}]
    ((document,), source) = read([{"text": "Ada", "spans": [], "tokens": tokens, "answer": "accept"}])
    assert document.words is None
    assert source.notices.counts == {"unused-tokens": 1}


def test_tokens_of_white_space_are_no_words(read):
    tokens = [{"text": "Ada", "start": 0, "end": 3}, {"text": "\n", "start": 3, "end": 4}]
    ((document,), _) = read([{"text": "Ada\n", "spans": [], "tokens": tokens}])
    assert document.words == ((0, 3),)


def test_words_that_overlap_are_a_fault(read):
    _, source = read([{"text": "Ada", "entities": [], "words": [[0, 2], [1, 3]]}])
    assert "words are no pairs of offsets in the order of the text" in str(source.faults.shown[0])


def test_a_relation_without_its_entity_is_counted(read):
    relations = [{"label": "r", "arguments": [["Arg1", "T9"]]}, {"color": "red"}]
    _, source = read([{"text": "Ada", "entities": [], "relations": relations}])
    assert source.notices.counts == {"broken-relations": 1, "unread-annotations": 1}


def test_a_file_without_any_entities_is_told_how_to_name_them(read):
    _, source = read([{"text": "Ada"}, {"text": "Bo"}])
    assert "no item has entities" in str(source.faults.shown[0])


@pytest.mark.parametrize(
    "items",
    [
        [{"text": "Ada", "label": "good"}],
        [{"text": "Ada", "label": []}, {"text": "Bo", "label": ["good"]}],
        [{"text": "Ada", "labels": [0, 1, 0]}],
        [{"text": "Ada", "tokens": ["Ada"], "ner_tags": ["O"]}],
        [{"tokens": ["Ada"], "entities": [{"start": 0, "end": 1, "type": "PER"}]}],
        [{"data": {"text": "Ada"}, "annotations": [{"result": [{"type": "choices", "value": {"choices": ["a"]}}]}]}],
        [{"text": "Ada", "accept": ["good"], "options": [], "answer": "accept"}],
        ["Ada"],
        [],
    ],
)
def test_other_json_is_not_taken_for_entities_by_characters(tmp_path, items):
    (tmp_path / "x.json").write_text(json.dumps(items))
    assert not looks_like_json_spans(Source(tmp_path / "x.json"))


KEYS = ("label", "entities", "spans", "data", "annotations", "relations", "tokens", "words", "answer", "id")
OFFSET = st.integers(-1, 5) | st.just("3") | VALUES
SPAN_KEYS = ("start", "end", "label", "labels", "parts", "text", "id")
SPANS = st.lists(
    st.tuples(OFFSET, OFFSET, st.just("X") | VALUES).map(list)
    | st.dictionaries(st.sampled_from(SPAN_KEYS), OFFSET, max_size=5)
    | st.fixed_dictionaries({"type": st.sampled_from(["labels", "relation"]), "value": VALUES, "labels": VALUES})
    | st.fixed_dictionaries({"head_span": VALUES, "child_span": st.just({"start": 0, "end": 1}), "label": VALUES}),
    max_size=3,
)
RESULTS = st.lists(st.fixed_dictionaries({"result": SPANS | VALUES}), max_size=2) | VALUES
TEXTS = st.just("Ada 🎉\nBo") | VALUES
TASKS = st.fixed_dictionaries({"data": st.dictionaries(st.just("text"), TEXTS), "annotations": RESULTS})
OBJECTS = st.fixed_dictionaries({"text": TEXTS}, optional=dict.fromkeys(KEYS, SPANS | VALUES))
PAIRS = st.tuples(st.just("Ada"), st.dictionaries(st.just("entities"), SPANS | VALUES) | SPANS).map(list)


@given(items=st.lists(OBJECTS | TASKS | PAIRS | VALUES, max_size=3))
def test_any_json_is_read_or_refused_with_a_data_error(tmp_path_factory, items):
    path = tmp_path_factory.getbasetemp() / "spans.json"
    path.write_text(json.dumps(items))
    source = Source(path)
    try:
        looks_like_json_spans(source)
        documents = list(read_json_spans(source))
    except DataError:
        return
    parts = [(document.text, part) for document in documents for entity in document.entities for part in entity.parts]
    assert all(0 <= start < end <= len(text) for text, (start, end) in parts)


def test_numbers_of_columns_are_refused_and_break_no_look_at_the_file(read, tmp_path):
    with pytest.raises(DataError, match="JSON has names, not numbers"):
        read([{"text": "Ada", "entities": []}], columns={"text": 0, "label": -1})
    source = Source(tmp_path / "train.jsonl", DataSpec(columns={"text": 0, "label": -1}))
    assert looks_like_json_spans(source) in (True, False)
