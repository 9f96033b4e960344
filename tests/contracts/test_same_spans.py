"""The same annotated sentences in every format give the same spans, and each format is recognised as itself."""

from __future__ import annotations

import codecs
import re
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest
import rendered
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from rendered import Files, How, Render, Sentence

from nertune.data.corpus import read_files
from nertune.data.examples import Span
from nertune.data.files import SplitFiles
from nertune.data.notices import KINDS
from nertune.data.reading import find_files
from nertune.spec.study import DataSpec

# ---- words and labels

TRICKY = (
    *("#", "##", "#tag", '"', '""', "'", '"Ada', 'Ada"', ",", ";", "|", "a|b", "\\", "\\n", "\\u0041", "-", "--", "_"),
    *("*", "O", "B-PER", "I-LOC", "-X-", "[CLS]", "[SEP]", "[UNK]", "1", "2", "1-2", "3.1", "NER=B-PER", "T1", "T1:"),
    *("<b>", "</b>", "&amp;", "&", "<", ">", "]]", "{", "}", "[", "]", "[]", "null", "=", "1|t|x", "sep=;", "%", "%s"),
    *("😀", "👩‍⚕️", "🇩🇪", "𝒜da", "Zoë", "Zoe\u0308", "größte", "中文", "ß", "İ", "ﬁ", "שלום", "สวัสดี", "e\u0301"),
    *("a\u200bb", "a\u00adb", "\u200b", "a\ufeffb", "\u200e", "a\u2060", "\u0301", "\ufffd", "\U0010fffd", "\ue000"),
)
ORDINARY = st.text("abcdeÄéñж中😀.,'\"()#&<>-_/\\|:;=0189", min_size=1, max_size=6)
VISIBLE = ORDINARY | st.sampled_from(TRICKY)
# White space that ends neither a line nor a column. A file with many control characters for its length is no text.
INNER_BLANKS = st.sampled_from(
    [
        "New\u00a0York",
        "a\u2028b",
        "a\u2029b",
        "a\x85b",
        "a\x0bb",
        "a\x0cb",
        "a\x1cword-with-a-separator-in-it",
        "a\u3000b",
        "a\u202fb",
    ]
)
WORDS = VISIBLE | INNER_BLANKS
ANYTHING = WORDS | st.sampled_from(["New York", "a\tb", "a\nb", "a\r\nb", "a\rb", "\x00", "\x1b[0m", "\x7f"])

NAMES = ("PER", "LOC", "cell-line", "cell_type", "Größe", "ÄB", "中", "É:1", "x.y/z", "a'b")
LABELS = st.sampled_from([*NAMES, "B", "O", "I-", "-", "B-cell", "E-x", "B-I-x", "entity", "<b>", '"', "#", "_"])
NAMES_OF_ELEMENTS = st.sampled_from(["PER", "LOC", "cell-line", "cell_type", "Größe", "x.y", "TEXT", "TAGS"])
ONE_LABEL = st.just("entity")  # the name that a type without a name has


@st.composite
def sentences(draw, *, words, labels, has_neighbours=True):
    """One sentence or more with entities that do not overlap."""
    types = draw(st.lists(labels, min_size=1, max_size=3))
    return [_annotated(draw, words, types, has_neighbours) for _ in range(draw(st.integers(1, 4)))]


def _annotated(draw, words, types, has_neighbours):
    chosen = draw(st.lists(words, min_size=1, max_size=7))
    spans, place = [], 0
    while place < len(chosen):
        length = draw(st.integers(0, 3))
        end = min(place + length, len(chosen))
        label = draw(st.sampled_from(types))
        touches = any(span.end == place and span.label == label for span in spans)
        if length and (has_neighbours or not touches):
            spans.append(Span(label, place, end))
        place = max(end, place + 1)
    return Sentence(tuple(chosen), tuple(spans))


# ---- formats


AS_USUAL, BLANKS = DataSpec(), DataSpec(words="blanks")


@dataclass(frozen=True)
class Form:
    """A way to write sentences, and what it can hold.

    name            of the format in READERS
    words, labels   that it can hold
    has_neighbours  entities of one type may follow each other at once
    data            what the study file has to say
    shows           whether files with these sentences show what they are
    needs_task      what stands there could as well be something else, for another task
    is_folder       the folder of the files is named, not the first file
    """

    name: str
    render: Render
    words: st.SearchStrategy[str] = WORDS
    labels: st.SearchStrategy[str] = LABELS
    has_neighbours: bool = True
    data: DataSpec = AS_USUAL
    shows: Callable[[Sequence[Sentence]], bool] = bool
    needs_task: bool = False
    is_folder: bool = False


# ---- what formats cannot hold, or files not show


def has_entity(found: Sequence[Sentence]) -> bool:
    """Without any, a task of Label Studio could be about classes, and CoNLL-U have no NER."""
    return any(sentence.spans for sentence in found)


def are_words(found: Sequence[Sentence]) -> bool:
    """Lines that begin with # may be comments, and columns of tags or numbers hold no words; most must be others."""
    words = [word for sentence in found for word in sentence.words]
    return sum(bool(re.match(r"#|[BIESLU](-|$)|O$|[0-9]+$", word)) for word in words) * 2 < len(words)


def have_numbers(found: Sequence[Sentence]) -> bool:
    """The numbers of words are known by a 2 that follows a 1."""
    return are_words(found) and any(len(sentence.words) > 1 for sentence in found)


# The one line `1|t|x O`, or `1|t|x`, is a title of PubTator.
NO_TITLE = WORDS.filter(lambda word: "|t|" not in word)
# `#tag<TAB>PER` is a comment, unless another line has the type PER, too.
NO_COMMENT = WORDS.filter(lambda word: word[0] != "#")
# Bare types are no prefixes: what begins with `B-` would be read as one.
BARE = LABELS.filter(lambda label: not re.match(r"[BIESLU](-|$)", label) and label != "O")
# CDATA ends at `]]>`, and XML has no control characters.
XML_WORDS = VISIBLE.filter(lambda word: "]]>" not in word)
in_lines = partial(Form, "conll", shows=are_words)
by_characters = {"words": VISIBLE, "data": BLANKS}

FORMS = {
    "conll, tabs": in_lines(rendered.columns()),
    "conll, blanks": in_lines(rendered.columns(between=" "), words=NO_TITLE),
    "conll, four columns": in_lines(
        rendered.columns("{word} NN B-NP {tag}", between=" ", head="-DOCSTART- -X- -X- O\n")
    ),
    "conll, tag in the midst": in_lines(rendered.columns("{word} {tag} x"), data=DataSpec(columns={"tag": 1})),
    "conll, IOB1": in_lines(rendered.columns(tags=rendered.iob1)),
    "conll, IO": in_lines(rendered.columns(tags=rendered.io_tags), has_neighbours=False),
    "conll, BIOES": in_lines(rendered.columns(tags=rendered.bioes)),
    "conll, BILOU": in_lines(rendered.columns(tags=rendered.bilou)),
    "conll, bare types": in_lines(
        rendered.columns(tags=rendered.bare_types),
        words=NO_COMMENT,
        labels=BARE,
        has_neighbours=False,
        needs_task=True,
    ),
    "conll, bare prefixes": in_lines(rendered.columns(tags=rendered.bare_prefixes), labels=ONE_LABEL),
    "CoNLL-U": Form("conll", rendered.conllu_misc, shows=lambda found: have_numbers(found) and has_entity(found)),
    "CoNLL-U Plus": Form("conll", rendered.conllu_plus),
    "UNER": Form("conll", rendered.uner, shows=have_numbers),
    "slots": Form("slots", rendered.slots),
    "parallel": Form("parallel", rendered.parallel, words=NO_TITLE),
    "kaggle": Form("kaggle", rendered.kaggle),
    "cerebras": Form("cerebras", rendered.cerebras),
    "cerebras, one type": Form("cerebras", rendered.cerebras_bare, labels=ONE_LABEL),
    "cerebras, numbers": Form("cerebras", rendered.cerebras_ids),
    "tokens": Form("jsonl", rendered.json_tags, words=ANYTHING),
    "tokens, numbers": Form("jsonl", rendered.json_ids, words=ANYTHING),
    "SpERT": Form("jsonl", rendered.spert, words=ANYTHING),
    "GLiNER": Form("jsonl", rendered.gliner, words=ANYTHING),
    "DyGIE": Form("jsonl", rendered.dygie, words=ANYTHING),
    "spaCy 2": Form("jsonl", rendered.spacy2, words=ANYTHING),
    "own": Form("spans", rendered.own, words=WORDS),
    "doccano": Form("spans", rendered.doccano, **by_characters),
    "doccano, relations": Form("spans", rendered.doccano_relations, **by_characters),
    "Prodigy": Form("spans", rendered.prodigy, words=ANYTHING),
    "Label Studio": Form("spans", rendered.label_studio, shows=has_entity, **by_characters),
    "Label Studio, JSON-MIN": Form("spans", rendered.label_studio_min, **by_characters),
    "spaCy": Form("spans", rendered.spacy, **by_characters),
    "brat": Form("brat", rendered.brat, is_folder=True, **by_characters),
    "PubTator": Form("pubtator", rendered.pubtator, **by_characters),
    "BioC, XML": Form("bioc", rendered.bioc_xml, words=XML_WORDS, data=BLANKS),
    "BioC, JSON": Form("bioc", rendered.bioc_json, **by_characters),
    "MAE": Form("mae", rendered.mae, words=XML_WORDS, data=BLANKS, labels=NAMES_OF_ELEMENTS, is_folder=True),
}
ENCODINGS: dict[str, Callable[[str], bytes]] = {
    "utf-8": str.encode,
    "utf-8 with mark": lambda text: codecs.BOM_UTF8 + text.encode(),
    "utf-16 le": lambda text: codecs.BOM_UTF16_LE + text.encode("utf-16-le"),
    "utf-16 be": lambda text: codecs.BOM_UTF16_BE + text.encode("utf-16-be"),
}


@st.composite
def cases(draw, form):
    how = How(end=draw(st.sampled_from(["\n", "\r\n"])), is_plain=draw(st.booleans()))
    found = draw(sentences(words=form.words, labels=form.labels, has_neighbours=form.has_neighbours))
    assume(form.shows(found))
    return found, how, draw(st.sampled_from(sorted(ENCODINGS)))


def written(files: Files, *, how: How, encoding: str, folder: Path, is_folder: bool) -> Path:
    """Where the files lie: the folder, or the first of them."""
    for name, text in files.items():
        (folder / name).write_bytes(ENCODINGS[encoding](text.replace("\n", how.end)))
    return folder if is_folder else folder / next(iter(files))


def spans_in(path: Path, *, data: DataSpec):
    """Words and spans as they are read, without a word of warning."""
    split = read_files({"train": SplitFiles("train", (path,))}, data=data, task="token").splits["train"]
    assert {kind: n for kind, n in split.notices.counts.items() if KINDS[kind].severity != "notice"} == {}
    return [Sentence(example.words, example.spans) for example in split.examples]


def check(form: Form, found: Sequence[Sentence], how: How, encoding: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = written(
            form.render(found, how), how=how, encoding=encoding, folder=Path(folder), is_folder=form.is_folder
        )
        for task in ("token",) if form.needs_task else ("token", None):
            assert find_files(SplitFiles("train", (path,)), data=form.data, task=task)[0] == form.name
        assert spans_in(path, data=form.data) == found
        assert spans_in(path, data=form.data.model_copy(update={"format": form.name})) == found


def check_saved(found: Sequence[Sentence], *, has_numbers: bool) -> None:
    """A folder that `datasets` saves: tags as texts, or as numbers of a `ClassLabel`."""
    import datasets

    tags = [rendered.iob2(sentence) for sentence in found]
    names = sorted({"O", *(tag for one in tags for tag in one)})
    kind = datasets.ClassLabel(names=names) if has_numbers else datasets.Value("string")
    features = datasets.Features(
        {"tokens": datasets.Sequence(datasets.Value("string")), "ner_tags": datasets.Sequence(kind)}
    )
    columns = {"tokens": [list(sentence.words) for sentence in found], "ner_tags": tags}
    with tempfile.TemporaryDirectory() as folder:
        datasets.Dataset.from_dict(columns, features=features).save_to_disk(folder)
        assert find_files(SplitFiles("train", (Path(folder),)), data=AS_USUAL, task=None)[0] == "datasets"
        assert spans_in(Path(folder), data=AS_USUAL) == found


SAVED = st.tuples(sentences(words=ANYTHING, labels=LABELS), st.booleans())


@settings(deadline=None, max_examples=3, suppress_health_check=list(HealthCheck))
@given(case=SAVED)
def test_a_saved_dataset_gives_the_same_spans(case):
    check_saved(case[0], has_numbers=case[1])


@pytest.mark.slow
@settings(deadline=None, max_examples=200, suppress_health_check=list(HealthCheck))
@given(case=SAVED)
def test_hundreds_of_saved_datasets_give_the_same_spans(case):
    check_saved(case[0], has_numbers=case[1])


@pytest.mark.parametrize("name", FORMS)
@settings(deadline=None, max_examples=10, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_every_format_gives_the_same_spans(name, data):
    check(FORMS[name], *data.draw(cases(FORMS[name])))


@pytest.mark.slow
@pytest.mark.parametrize("name", FORMS)
@settings(deadline=None, max_examples=500, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_every_format_gives_the_same_spans_thousands_of_times(name, data):
    check(FORMS[name], *data.draw(cases(FORMS[name])))
