"""The audit of a corpus: sizes, and findings that are there when they should be, with their places."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpora import sentence, text_corpus, token_corpus
from nertune.data.audit import ALL_KINDS, Finding, audit, has_failed, summarise
from nertune.data.audit.label_checks import find_lookalikes
from nertune.data.examples import Corpus, SequenceExample, Span, Split, TokenExample
from nertune.data.notices import Notices, Place
from nertune.errors import Where


def found(summary, kind, split=None):
    """The findings of a kind."""
    return [one for one in summary.findings if one.kind == kind and split in (None, one.split)]


def only(summary, kind, split=None):
    (finding,) = found(summary, kind, split)
    return finding


def places(finding):
    return [str(place) for place in finding.places]


def kinds(summary):
    return [finding.kind for finding in summary.findings]


# ---- sizes


def test_sizes_and_labels_are_counted():
    summary = summarise(token_corpus({"train": ["{Ada|PER} in {New York|LOC}", "Hm ."], "dev": ["{Turin|LOC}"]}))
    train, dev = summary.splits
    assert (train.examples, train.words, train.longest, train.entities, train.unlabelled) == (2, 6, 4, 2, 1)
    assert (train.labels, dev.labels) == ({"LOC": 1, "PER": 1}, {"LOC": 1, "PER": 0})
    assert (train.path, train.files, train.documents) == ("train.txt", 1, None)


def test_many_files_are_told_by_their_folder():
    texts = [sentence("a", path=f"/corpus/train/{name}.txt", document=name) for name in ("one", "two", "two")]
    (train,) = summarise(token_corpus({"train": texts})).splits
    assert (train.path, train.files, train.documents) == ("/corpus/train", 2, 2)


def test_both_texts_of_a_pair_have_words_and_labels_may_be_several():
    (train,) = summarise(text_corpus({"train": [("a b\tc", "x,y"), ("d", "")]}, problem="multi_label")).splits
    assert (train.words, train.entities, train.unlabelled, train.labels) == (4, None, 1, {"x": 1, "y": 1})


def test_a_summary_becomes_json():
    told = json.loads(json.dumps(audit(token_corpus({"train": ["{Ada|PER}"], "dev": ["{Ada|PER}"]})).to_json()))
    assert (told["format"], told["scheme"], told["splits"][0]["labels"]) == ("slots", "iob2", {"PER": 1})
    leak = next(finding for finding in told["findings"] if finding["kind"] == "leakage")
    assert leak["places"] == [{"path": "dev.txt", "line": 1, "detail": '= train.txt:1 "Ada"'}]


# ---- copies


def test_a_text_in_two_splits_is_found_with_both_places():
    leak = only(
        summarise(text_corpus({"train": [("a b", "x"), ("c", "y")], "dev": [("c", "y"), ("d", "y")]})), "leakage"
    )
    assert (leak.split, leak.count, places(leak)) == ("dev", 1, ['dev.tsv:1: = train.tsv:2 "c"'])
    assert str(leak) == (
        "1 of the 2 texts of dev (50.0 %) also stands in train, none of them with 8 words or more "
        '(dev.tsv:1: = train.tsv:2 "c")'
    )


def test_leakage_is_told_of_all_pairs_of_files():
    summary = audit(token_corpus({"a": ["one two"], "b": ["one two", "three"], "c": ["three", "one two"]}))
    assert [(one.split, one.count, one.message.split(" also ")[1][:10]) for one in found(summary, "leakage")] == [
        ("c", 2, "stand in b"),
        ("b", 1, "stands in "),
        ("c", 1, "stands in "),
    ]


def test_sentences_that_share_only_part_of_their_words_are_no_leak():
    summary = audit(token_corpus({"train": ["{Ada|PER} slept"], "dev": ["{Ada|PER}"]}))
    assert not {"leakage", "near-leakage", "duplicates"} & set(kinds(summary))


def test_words_that_are_joined_otherwise_are_another_sentence():
    train, dev = (
        TokenExample(("New York",), (), Where(Path("a"), 1)),
        TokenExample(("New", "York"), (), Where(Path("b"), 1)),
    )
    assert "leakage" not in kinds(audit(token_corpus({"train": [train], "dev": [dev]})))


def test_repetitions_within_a_split_count_all_but_the_first():
    repeated = only(audit(token_corpus({"train": ["so it is"] * 3 + ["other"]})), "duplicates")
    assert (repeated.severity, repeated.count) == ("notice", 2)
    assert places(repeated)[1] == 'train.txt:3: = train.txt:1 "so it is"'


def test_many_long_repetitions_are_a_warning():
    repeated = only(audit(token_corpus({"train": ["one two three four five six seven eight"] * 3})), "duplicates")
    assert repeated.severity == "warning"


def test_equal_texts_with_other_labels_are_told_at_the_rarer_labelling():
    rows = [("good", "x"), ("good", "x"), ("good", "y")]
    conflict = only(
        audit(text_corpus({"train": rows, "dev": [("good", "z"), ("new", "x")]})), "conflicting-labels", "dev"
    )
    assert places(conflict) == ['dev.tsv:1: "good" has "z" here, "x" at train.tsv:1']
    conflict = only(audit(token_corpus({"train": ["a {b|X} c", "a b c", "a {b|X} c"]})), "conflicting-labels")
    assert places(conflict) == ['train.txt:2: "a b c" has none here, X (word 2) at train.txt:1']


def test_nearly_equal_texts_in_two_splits_are_a_leak():
    train = "Patients were treated with 10 mg of the drug a day"
    summary = audit(
        token_corpus({"train": [train], "dev": [train.replace("10", "20").upper() + " .", "Other text here"]})
    )
    leak = only(summary, "near-leakage")
    assert (leak.count, leak.split) == (1, "dev")
    assert places(leak)[0].startswith("dev.txt:1: ≈ train.txt:1 ")


def test_an_exact_copy_is_not_told_again_as_a_near_one():
    text = "one two three four five six seven eight nine"
    summary = audit(token_corpus({"train": [text, text + " ."], "dev": [text]}))
    assert (len(found(summary, "leakage")), found(summary, "near-leakage")) == (1, [])
    assert only(summary, "near-duplicates").count == 1


def test_copies_agree_with_comparing_each_with_each():
    texts = [f"{'abc'[n % 3]} {'de'[n % 2]}" for n in range(20)]
    summary = audit(token_corpus({"train": texts[:12], "dev": texts[12:]}))
    assert only(summary, "duplicates", "train").count == sum(texts[n] in texts[:n] for n in range(12))
    assert only(summary, "leakage").count == sum(text in texts[:12] for text in texts[12:])


def test_a_document_in_two_splits_is_a_warning_unless_its_id_may_be_counted():
    def corpus(document):
        train = sentence("a b", line=1, document=document)
        return token_corpus({"train": [train], "dev": [sentence("c d", line=9, path="dev.txt", document=document)]})

    finding = only(audit(corpus("20213012")), "document-leakage")
    assert (finding.severity, places(finding)) == ("warning", ['dev.txt:9: document "20213012", also at train.txt:1'])
    assert only(audit(corpus("doc7")), "document-leakage").severity == "notice"


# ---- labels


def test_labels_that_train_lacks_are_told_with_each_place():
    finding = only(
        summarise(token_corpus({"train": ["{Ada|PER}"], "dev": ["{Bo|PER} in {May|DATE}"]})), "unseen-labels"
    )
    assert finding.message == "dev: 1 entity of types that train lacks: DATE 1"
    assert places(finding) == ['dev.txt:1: DATE: "May"']


def test_train_is_the_measure_even_if_it_stands_last():
    summary = summarise(token_corpus({"dev": ["{May|DATE}"], "train": ["{Ada|PER}"]}))
    assert (only(summary, "unseen-labels").split, [split.name for split in summary.splits]) == ("dev", ["dev", "train"])


def test_rare_labels_are_a_notice_and_those_that_stand_once_a_warning():
    corpus = token_corpus({"train": ["{Ada|PER}"] * 10 + ["{Oslo|LOC}"] * 2})
    rare = only(summarise(corpus), "rare-labels")
    assert (rare.severity, rare.message) == ("notice", "train: 1 label with fewer than 10 examples: LOC 2")
    assert places(rare) == ['train.txt:11: LOC: "Oslo"', 'train.txt:12: LOC: "Oslo"']
    assert found(summarise(corpus, rare_below=2), "rare-labels") == []
    assert only(summarise(token_corpus({"train": ["{Oslo|LOC}"]})), "rare-labels").severity == "warning"


def test_labels_missing_in_dev_are_told_where_they_stand_in_train():
    finding = only(
        summarise(token_corpus({"train": ["{Ada|PER}", "{Oslo|LOC}"], "dev": ["{Ada|PER}"]})), "missing-labels"
    )
    assert (finding.message, places(finding)) == (
        'dev has no example of "LOC"',
        ["train.txt:2: LOC, 1 in train, first here"],
    )


def test_a_split_without_entities_is_told():
    assert only(audit(token_corpus({"train": ["{Ada|PER}"], "test": ["no name"]})), "no-entities").split == "test"


def test_a_class_that_drowns_the_others_is_a_warning():
    balanced = text_corpus({"train": [(f"text {n}", "ab"[n % 2]) for n in range(100)]})
    drowned = text_corpus({"train": [(f"text {n}", "b" if n < 5 else "a") for n in range(100)]})
    assert "imbalance" not in kinds(audit(balanced))
    assert only(audit(drowned), "imbalance").message.startswith(
        'train: 95.0 % of the labels are "a", 19 times as many as "b"'
    )


def test_splits_of_a_file_sorted_by_label_are_told():
    rows = [(f"text {n}", "a" if n < 90 else "b") for n in range(160)]
    shift = only(audit(text_corpus({"train": rows[:100], "dev": rows[100:]})), "label-shift")
    assert '"b" is 100.0 % of dev, 10.0 % of train' in shift.message


def test_labels_that_differ_in_case_or_by_one_letter_look_alike():
    rows = [("{a|Disease}"), ("{b|disease}"), *["{c|Chemical}"] * 40, "{d|Chemcal}", "{e|GENE}", "{f|GENO}"]
    finding = only(audit(token_corpus({"train": rows})), "lookalike-labels")
    assert [place.detail for place in finding.places] == [
        '"Chemcal" instead of "Chemical"?',
        '"disease" instead of "Disease"?',
    ]


def test_a_giant_label_is_not_compared_letter_by_letter():
    giant = "L" * 1_000_000  # whose variants less one letter would fill a terabyte
    assert find_lookalikes({giant: 9, giant.lower(): 1, "PER": 3}) == [(giant.lower(), giant)]


@pytest.mark.parametrize(
    "labels", [("1", "-1"), ("level1", "level2"), ("pos+", "pos-"), ("happy", "angry"), ("A", "B")]
)
def test_labels_that_mean_other_things_do_not_look_alike(labels):
    rows = [("text", labels[0])] * 50 + [("other", labels[1])]
    assert "lookalike-labels" not in kinds(audit(text_corpus({"train": rows})))


def test_odd_label_names_are_told_without_their_control_characters():
    finding = only(audit(text_corpus({"train": [("a", "x\x1b[2J"), ("b", "<b>bad</b>"), ("c", "y ")]})), "odd-labels")
    assert finding.count == 3
    assert "\x1b" not in str(finding)


# ---- words and entities


def test_odd_words_are_told_by_kind_with_word_and_place():
    words = [
        "pro\u00adtein",
        "5\u00a0mg",
        "na\ufffdve",
        "MÃ¼ller",
        "R&amp;D",
        "x" * 101,
        "\u200b",
        "https://x.org/" + "y" * 100,
    ]
    summary = audit(token_corpus({"train": [TokenExample(tuple(words), (), Where(Path("train.txt"), 7))]}))
    for position, kind in enumerate(
        ["invisible-characters", "odd-spaces", "lost-characters", "mojibake", "markup", "giant-words", "empty-words"]
    ):
        finding = only(summary, kind)
        assert finding.count == 1
        assert places(finding)[0].startswith("train.txt:7: ")
        assert f"(word {position + 1})" in places(finding)[0]
    assert only(summary, "long-addresses").severity == "notice"


def test_where_each_word_has_a_line_that_line_is_told():
    corpus = token_corpus({"train": [sentence("all is fi\u00adne", line=10)]}, form="conll")
    assert places(only(audit(corpus), "invisible-characters")) == ['train.txt:12: "fi\\xadne": U+00AD SOFT HYPHEN']
    corpus.splits["train"].notices.add("rows-between-words", Where(Path("train.txt"), 11))
    assert places(only(audit(corpus), "invisible-characters"))[0].startswith('train.txt:10: "fi\\xadne" (word 3)')


def test_a_word_in_two_normal_forms_is_a_warning():
    composed, apart = "\u00e9tude", "e\u0301tude"
    assert only(audit(token_corpus({"train": [apart]})), "not-composed").severity == "notice"
    both = only(audit(token_corpus({"train": [composed, apart]})), "not-composed")
    assert (both.severity, both.count) == ("warning", 1)


def test_texts_are_looked_at_as_well():
    rows = [("a\u200bb", "x"), ("<b>bold</b>", "x"), (" \ufeff", "y"), ("plain\tx\u00ady", "y")]
    summary = audit(text_corpus({"train": rows}))
    assert only(summary, "invisible-characters").count == 2
    assert only(summary, "markup").message == "train: 1 text with HTML markup"
    assert places(only(summary, "empty-texts")) == ['train.tsv:3: " \\ufeff"']


def test_giant_and_single_word_sentences_are_told():
    summary = audit(token_corpus({"train": ["word"] * 15 + ["two words"] * 5 + ["w " * 251]}))
    assert only(summary, "one-word-sentences").message == "train: 15 of 21 sentences have one word"
    assert places(only(summary, "long-sentences")) == ["train.txt:21: 251 words"]


@pytest.mark.parametrize(
    ("text", "detail"),
    [
        ("of {, aspirin|D} and", "begins with ,"),
        ("of {aspirin ,|D} and", "ends with ,"),
        ("of {aspirin )|D} and", "has ( or ) without the other"),
        ("took {aspirin .|D}", "takes in the full stop"),
    ],
)
def test_entities_with_odd_borders_are_told(text, detail):
    assert detail in places(only(audit(token_corpus({"train": [text]})), "odd-borders"))[0]


@pytest.mark.parametrize(
    "text", ["{Ca2 +|D} ions", "{poly ( A )|D} tail", "from {Acme Inc .|ORG}", "{U.S .|LOC}", "{%|U} of"]
)
def test_entities_may_have_signs_and_whole_brackets(text):
    assert "odd-borders" not in kinds(audit(token_corpus({"train": [text]})))


def test_long_entities_and_whole_sentences_are_told():
    summary = audit(token_corpus({"train": [f"{{{'w ' * 20}w|D}} .", f"{{{'w ' * 7}w|D}}", "{w w|D}"]}))
    assert (only(summary, "long-entities").count, only(summary, "whole-sentences").count) == (1, 1)


# ---- annotation that does not agree


def test_words_annotated_otherwise_elsewhere_are_told_at_the_rarer_place():
    texts = [
        "took {aspirin|DRUG} today",
        "{aspirin|DRUG} again",
        "no aspirin here",
        "{Paris|LOC}",
        "{Paris|LOC}",
        "{Paris|PER} .",
    ]
    finding = only(audit(token_corpus({"train": texts})), "inconsistent-annotation")
    assert sorted(places(finding)) == [
        'train.txt:3: "aspirin" (word 2) has no annotation here, DRUG 2 times elsewhere',
        'train.txt:6: "Paris" (word 1) is PER here, LOC 2 times elsewhere',
    ]


def test_an_entity_that_mostly_is_none_is_told_where_it_is_one():
    texts = ["{The|LOC} end", *[f"The text {n}" for n in range(9)]]
    (place,) = places(only(audit(token_corpus({"train": texts})), "inconsistent-annotation"))
    assert place == 'train.txt:1: "The" (word 1) is LOC here, without annotation 9 times elsewhere'


def test_words_within_another_entity_or_a_longer_string_are_not_forgotten():
    texts = ["{cancer|D}", "{breast cancer|D}", "{breast cancer|D} and {lung cancer|D}"]
    assert "inconsistent-annotation" not in kinds(audit(token_corpus({"train": texts})))
    finding = only(audit(token_corpus({"train": [*texts, "of breast cancer"]})), "inconsistent-annotation")
    assert [place.detail[:15] for place in finding.places] == ['"breast cancer"']


def test_a_capital_at_the_beginning_of_a_sentence_is_no_other_word():
    finding = only(
        audit(token_corpus({"train": ["took {aspirin|DRUG}", "Aspirin helps", "she , Aspirin"]})),
        "inconsistent-annotation",
    )
    assert [place.where.line for place in finding.places] == [2]


def test_two_labels_of_one_word_are_one_annotation():
    both = replace(sentence("{Ada|PER}"), spans=(*sentence("{Ada|PER}").spans, *sentence("{Ada|ORG}").spans))
    assert "inconsistent-annotation" not in kinds(
        audit(token_corpus({"train": [both, replace(both, where=Where(Path("t"), 2))]}))
    )


@given(st.lists(st.lists(st.sampled_from(["a", "b", "{a|X}", "{b|X}", "{a|Y}"]), min_size=1, max_size=5), max_size=8))
def test_inconsistent_words_are_those_that_counting_finds(sentences):
    (train,) = token_corpus({"train": [" ".join(["it", *words]) for words in sentences]}).splits.values()
    wanted = 0
    for word in "ab":
        counts = Counter(one for words in sentences for one in words if one == word or one.startswith(f"{{{word}|"))
        bare = counts.pop(word, 0)
        labelled = counts.total()
        wanted += labelled - max(counts.values(), default=0)  # rarer labels
        wanted += bare if bare <= labelled else max(counts.values(), default=0) if labelled <= 5 else 0
    finding = found(audit(Corpus("token", {"train": train}, ("X", "Y"))), "inconsistent-annotation")
    assert sum(one.count for one in finding) == wanted


# ---- what reading noticed


def test_notices_of_reading_are_findings_with_their_places():
    notices = Notices()
    notices.add("repaired-tags", Where(Path("train.txt"), 3), "O → I-PER")
    notices.add("empty-words", Where(Path("train.txt"), 4))
    split = Split("train", (sentence("{Ada|PER} \u200b x"),), "f" * 64, notices)
    summary = audit(Corpus("token", {"train": split}, ("PER",), "iob2", "conll"))
    assert str(only(summary, "repaired-tags")) == "train: 1 tag that the scheme forbids there (train.txt:3: O → I-PER)"
    assert len(found(summary, "empty-words")) == 1, "what reading told is not told again"


def test_tags_that_cannot_part_entities_are_told():
    corpus = token_corpus({"train": ["{Ada|PER} x"]}, scheme="io")
    assert only(audit(corpus), "joined-entities").places == (Place(Where(Path("train.txt"))),)


# ---- all findings


def test_a_finding_is_one_line_with_its_first_places():
    wheres = [Place(Where(Path("a.txt"), line), f"d{line}") for line in range(1, 6)]
    finding = Finding("markup", "notice", None, 9, "message", tuple(wheres))
    assert str(finding) == "message (a.txt:1: d1; a.txt:2, a.txt:3 and 6 more)"
    assert [str(replace(finding, places=()))] == ["message"]


def test_places_without_a_line_are_told_too():
    rows = [SequenceExample("same", (label,), Where(Path("saved"))) for label in "xyz"]
    conflict = only(audit(Corpus("sequence", {"train": Split("train", rows, "f")}, ("x",))), "conflicting-labels")
    assert places(conflict)[0] == 'saved: "same" has "y" here, "x" at saved'


def test_the_gravest_findings_come_first():
    notices = Notices()
    notices.add("comment-lines", Where(Path("train.txt"), 1))
    notices.add("text-differs", Where(Path("train.txt"), 9))
    corpus = token_corpus({"train": ["{Ada|PER}"], "dev": ["{Ada|PER}"]})
    corpus = replace(corpus, splits={**corpus.splits, "train": replace(corpus.splits["train"], notices=notices)})
    severities = [finding.severity for finding in audit(corpus).findings]
    assert severities == sorted(severities, key=["error", "warning", "notice"].index)
    assert severities[0] == "error"


def test_errors_fail_and_warnings_do_when_strict():
    def finding(severity):
        return Finding("leakage", severity, None, 1, "message")

    assert [has_failed([finding(severity)]) for severity in ("error", "warning", "notice")] == [True, False, False]
    assert [has_failed([finding(severity)], strict=True) for severity in ("error", "warning", "notice")] == [
        True,
        True,
        False,
    ]


def test_places_are_kept_up_to_the_limit_and_all_are_counted():
    corpus = token_corpus({"train": ["same words here"] * 30 + ["a\u00adb"] * 30})
    for limit, kept in ((5, 5), (None, 29)):
        finding = next(one for one in audit(corpus, limit=limit).findings if one.kind == "duplicates")
        assert (finding.count, len(finding.places)) == (58, kept if limit else 58)
    assert len(only(audit(corpus, limit=5), "invisible-characters").places) == 5


def test_every_finding_has_a_kind_that_is_known_and_says_what_to_do():
    texts = ["{Ada ,|PER} x\u00ady"] * 3 + ["Ada ,"]
    summary = audit(token_corpus({"train": texts, "dev": ["{May|DATE} x\u00ady", *texts[:1]]}))
    assert len(summary.findings) > 5
    assert all(finding.kind in ALL_KINDS and finding.advice and finding.places for finding in summary.findings)


def test_empty_splits_and_corpora_have_a_summary():
    assert audit(token_corpus({"train": []})).splits[0].examples == 0
    assert audit(text_corpus({"train": [], "dev": []})).splits[1].words == 0


def test_ordinary_data_have_few_findings(token_train, token_dev):
    corpus = Corpus("token", {"train": token_train, "dev": token_dev}, ("LOC", "PER"), "iob2", "conll")
    assert set(kinds(audit(corpus))) <= {"duplicates", "leakage", "near-leakage", "near-duplicates"}


@given(st.lists(st.tuples(st.lists(st.text(max_size=6), max_size=5), st.text(min_size=1, max_size=4)), max_size=6))
def test_any_words_and_labels_are_audited_without_error(rows):
    """Each first word is an entity, whatever its characters are."""
    examples = tuple(
        TokenExample(tuple(words), (Span(label, 0, 1),) if words else (), Where(Path("train.txt"), line))
        for line, (words, label) in enumerate(rows, start=1)
    )
    splits = {name: Split(name, examples, "f" * 64) for name in ("train", "dev")}
    summary = audit(Corpus("token", splits, ()))
    assert json.loads(json.dumps(summary.to_json()))["splits"][1]["examples"] == len(rows)
    assert all("\n" not in str(finding) for finding in summary.findings)


@given(st.lists(st.tuples(st.text(max_size=20), st.text(max_size=4), st.none() | st.text(max_size=9)), max_size=6))
def test_any_texts_are_audited_without_error(rows):
    examples = tuple(
        SequenceExample(text, (label,), Where(Path("train.tsv"), line), pair)
        for line, (text, label, pair) in enumerate(rows, start=1)
    )
    summary = audit(Corpus("sequence", {name: Split(name, examples, "f" * 64) for name in ("train", "dev")}, ()))
    not_blank = sum(bool(example.text.strip() or (example.pair or "").strip()) for example in examples)
    assert sum(one.count for one in found(summary, "leakage")) == not_blank
