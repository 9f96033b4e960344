"""JSON with lists of words: their tags, numbers for tags, and entities that count words."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from json_values import VALUES
from nertune.data.documents import Document
from nertune.data.readers.json_tokens import looks_like_json_tokens, read_json_tokens
from nertune.data.source import SEVERAL, Source
from nertune.errors import DataError
from nertune.spec.study import DataSpec

FILES = Path(__file__).parent.parent / "files" / "json"
WORDS = ("Ada", "Lovelace", "met", "Bo", "🎉", "in", "Turin", ".")
IOB2 = ("B-PER", "I-PER", "O", "B-PER", "O", "O", "B-LOC", "O")
BILOU = ("B-PER", "L-PER", "O", "U-PER", "O", "O", "U-LOC", "O")
ENTITIES = [("PER", "Ada Lovelace"), ("PER", "Bo"), ("LOC", "Turin")]


@pytest.fixture
def read(tmp_path):
    """Reads objects, or a text: the items and the source that met them."""

    def read(content, **data):
        text = content if isinstance(content, str) else "\n".join(map(json.dumps, content))
        (tmp_path / "train.json").write_text(text)
        source = Source(tmp_path / "train.json", DataSpec(**data))
        return list(read_json_tokens(source)), source

    return read


def tags_of(items):
    return [list(zip(item.words, item.tags, strict=True)) for item in items]


@pytest.mark.parametrize(("name", "tags"), [("tokens.jsonl", IOB2), ("token_ids.json", IOB2), ("spacy2.json", BILOU)])
def test_words_and_tags_are_read_from_every_form(name, tags):
    source = Source(FILES / name)
    assert looks_like_json_tokens(source)
    first, second = read_json_tokens(source)
    assert (first.words, first.tags) == (WORDS, tags)
    assert (second.words, second.tags) == (("Nobody", "slept", "."), ("O", "O", "O"))
    assert not source.faults


@pytest.mark.parametrize("name", ["spert.json", "gliner.jsonl", "dygie.jsonl"])
def test_entities_that_count_words_become_documents_with_these_words(name):
    source = Source(FILES / name)
    assert looks_like_json_tokens(source)
    document = next(read_json_tokens(source))
    found = [(entity.label, document.text[entity.start : entity.end]) for entity in document.entities]
    assert found == ENTITIES
    assert tuple(document.text[start:end] for start, end in document.words)[: len(WORDS)] == WORDS


def test_relations_between_entities_that_count_words_are_kept():
    document = next(read_json_tokens(Source(FILES / "spert.json")))
    assert [(one.label, one.arguments) for one in document.relations] == [("met", (("Arg1", "T1"), ("Arg2", "T2")))]


def test_sentences_of_one_document_are_lines_and_words_are_counted_through(read):
    item = {"doc_key": "d", "sentences": [["Ada"], [], ["She", "slept"]], "ner": [[], [], [[1, 1, "PER"]]]}
    ((document,), _) = read([item])
    assert (document.id, document.text) == ("d", "Ada\n\nShe slept")
    assert document.text[document.entities[0].start : document.entities[0].end] == "She"


def test_items_carry_their_line_and_document(read):
    text = '[\n{"tokens": ["a"],\n "tags": ["O"], "doc_id": 7},\n\n{"tokens": ["b", "c"], "tags": ["O", "O"]}\n]'
    items, _ = read(text)
    assert [(list(item.lines), item.document) for item in items] == [([2], "7"), ([5, 5], None)]


def test_a_first_line_that_names_the_numbers_is_no_sentence(read):
    items, _ = read([{"id2label": {"0": "O", "1": "B-PER"}}, {"words": ["Ada"], "labels": [1]}])
    assert tags_of(items) == [[("Ada", "B-PER")]]


def test_columns_choose_keys_and_several_keys_are_joined(read):
    item = {"form": ["Ada"], "fine": ["B-queen"], "coarse": ["B-PER"], "tags": ["O"]}
    assert tags_of(read([item], columns={"word": "form", "tag": "fine"})[0]) == [[("Ada", "B-queen")]]
    items, _ = read([item], columns={"word": "form", "tag": ("fine", "coarse")})
    assert tags_of(items) == [[("Ada", f"B-queen{SEVERAL}B-PER")]]


def test_a_list_of_tags_for_a_word_is_several_and_an_empty_one_none(read):
    items, _ = read([{"tokens": ["Ada", "slept"], "ner_tags": [["B-PER", "B-queen"], []]}])
    assert items[0].tags == (f"B-PER{SEVERAL}B-queen", "O")


def test_a_key_with_one_tag_for_each_word_is_preferred(read):
    items, _ = read([{"tokens": ["Ada", "slept"], "tags": ["science"], "labels": ["B-PER", "O"]}])
    assert items[0].tags == ("B-PER", "O")


@pytest.mark.parametrize(
    ("item", "message"),
    [
        ({"tokens": ["a", "b"], "ner_tags": ["O"]}, "2 words, but 1 tag in ner_tags"),
        ({"tokens": ["a"]}, "ner_tags is missing where a list of tags is needed"),
        ({"tokens": ["a"], "ner_tags": "O"}, 'ner_tags is "O" where a list of tags is needed'),
        ({"tokens": ["a"], "ner_tags": [None]}, "ner_tags holds null where a tag is needed"),
        ({"tokens": ["a"], "ner_tags": [""]}, 'ner_tags holds "" where a tag is needed'),
        ({"tokens": ["a"], "ner_tags": [True]}, "ner_tags holds true where a tag is needed"),
        ({"tokens": ["a"], "ner_tags": [9]}, "label number 9 is not in the list of 2 names (0 to 1)"),
        ({"tokens": ["a", 5], "ner_tags": ["O", "O"]}, "tokens holds 5 where a word is needed"),
        (5, "5 where an object with words and tags is needed"),
    ],
)
def test_what_is_wrong_with_an_item_is_told_with_its_line_and_the_next_is_read(read, tmp_path, item, message):
    (tmp_path / "labels.txt").write_text("O\nB-PER\n")
    good = {"tokens": ["Ada"], "ner_tags": ["B-PER"]}
    items, source = read([good, item, good])
    assert len(items) == 2
    assert f"train.json:2: {message}" in str(source.faults.shown[0])
    assert len(source.faults.shown) == 1


def test_numbers_without_a_list_are_refused_once(read):
    with pytest.raises(DataError, match=r"ner_tags holds numbers \(3\), and nothing says which"):
        read([{"tokens": ["a"], "ner_tags": [3]}] * 2)


def test_keys_that_are_not_found_are_told_with_those_that_are(read):
    with pytest.raises(DataError, match=r'keys are "wordz", "tagz"(.|\n)*columns: \{word: KEY, tag: KEY\}'):
        read([{"wordz": ["a"], "tagz": ["O"]}])


def test_entities_outside_the_words_are_counted_and_left_out(read):
    spans = [
        {"type": "X", "start": 0, "end": 3},
        {"type": "X", "start": 1, "end": 1},
        {"type": "X", "start": True, "end": 1},
    ]
    items, source = read([{"tokens": ["a", "b"], "entities": spans}])
    assert items[0].entities == ()
    assert source.notices.counts == {"outside-text": 1, "empty-entities": 1}
    assert "an entity needs its first word, its last word" in str(source.faults.shown[0])


def test_sentences_without_words_and_unannotated_ones_are_counted(read):
    _, source = read([{"tokens": [], "ner_tags": []}, {"tokens": ["a"], "ner_tags": ["O"]}])
    assert source.notices.counts == {"empty-sentences": 1}
    source = Source(FILES / "spacy2.json")
    assert len(list(read_json_tokens(source))) == 2
    assert source.notices.counts == {"skipped-items": 1}


@pytest.mark.parametrize(
    "item",
    [
        {"text": "Ada", "label": "good"},
        {"text": "Ada", "tokens": ["Ada"], "entities": [{"start": 0, "end": 3, "label": "PER"}]},
        {"text": "Ada", "tokens": [{"text": "Ada", "start": 0, "end": 3}], "spans": []},
        {"tokens": ["Ada"], "label": "good"},
        {"sentences": ["Ada slept."]},
        ["Ada", {"entities": []}],
    ],
)
def test_other_json_is_not_taken_for_words_with_tags(tmp_path, item):
    (tmp_path / "x.json").write_text(json.dumps([item]))
    assert not looks_like_json_tokens(Source(tmp_path / "x.json"))


KEYS = ("tokens", "ner_tags", "entities", "sentences", "ner", "paragraphs", "tokenized_text", "relations", "labels")
NEAR = (
    st.lists(st.sampled_from(["Ada", "", "B-PER", "O"]), max_size=3)
    | st.lists(st.lists(st.sampled_from(["Ada", "O"]), max_size=2), max_size=2)
    | st.lists(st.lists(st.integers(-1, 3) | st.just("PER"), max_size=4), max_size=2)
    | st.lists(
        st.fixed_dictionaries({"start": st.integers(-1, 3), "end": st.integers(-1, 3), "type": VALUES}), max_size=2
    )
    | st.just([{"sentences": [{"tokens": [{"orth": "Ada", "ner": "U-PER"}, {"orth": "\n", "ner": ""}]}]}])
)


@given(items=st.lists(st.dictionaries(st.sampled_from(KEYS), VALUES | NEAR, max_size=4) | VALUES, max_size=3))
def test_any_json_is_read_or_refused_with_a_data_error(tmp_path_factory, items):
    path = tmp_path_factory.mktemp("any") / "any.json"
    path.write_text(json.dumps(items))
    source = Source(path)
    try:
        looks_like_json_tokens(source)
        found = list(read_json_tokens(source))
    except DataError:
        return
    assert all(isinstance(item, Document) or len(item.words) == len(item.tags) == len(item.lines) > 0 for item in found)


def test_a_first_sentence_without_entities_may_have_entities_by_words(read):
    empty, full = {"tokens": ["Ada", "slept"], "ner": []}, {"tokens": ["Ada", "slept"], "ner": [[0, 0, "PER"]]}
    (first, second), source = read([empty, full])
    assert (first.entities, [entity.label for entity in second.entities]) == ((), ["PER"])
    assert not source.faults
