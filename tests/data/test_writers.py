"""What each writer writes, to the letter, and what it counts as lost."""

import json
from pathlib import Path

import pytest

from nertune.data.documents import Document, Entity, Relation
from nertune.data.examples import SequenceExample, Span, TokenExample
from nertune.data.notices import Notices
from nertune.data.readers.brat import EQUIVALENT, TRIGGER, read_brat
from nertune.data.readers.cerebras import read_cerebras
from nertune.data.readers.conll import read_conll
from nertune.data.readers.json_spans import read_json_spans
from nertune.data.readers.pubtator import read_pubtator
from nertune.data.source import Source
from nertune.data.writers.brat import write_brat
from nertune.data.writers.cerebras import write_cerebras
from nertune.data.writers.conll import write_conll
from nertune.data.writers.drafts import open_draft, open_folder
from nertune.data.writers.json_spans import write_json_spans
from nertune.data.writers.json_texts import write_json_texts
from nertune.data.writers.json_tokens import write_json_tokens
from nertune.data.writers.pubtator import write_pubtator
from nertune.data.writers.table import write_table
from nertune.data.writers.unheld import count_links
from nertune.errors import DataError, StoppedError, Where

PLACE = Where(Path("train.txt"), 7)


def sentence(text, *spans, document=None):
    return TokenExample(tuple(text.split("~")), tuple(Span(*span) for span in spans), PLACE, document)


def entity(label, *parts, **more):
    return Entity(label, parts, PLACE, **more)


def relation(label, *arguments, id=None):
    return Relation(label, arguments, PLACE, id=id)


def write(writer, *items, target):
    """The text that was written, and what was lost as {kind: [detail]}."""
    losses = Notices()
    writer(iter(items), target=target, losses=losses)
    assert all(place.where == PLACE for places in losses.places.values() for place in places)
    text = target.read_bytes().decode() if target.is_file() else ""
    return text, {kind: [place.detail for place in places] for kind, places in losses.places.items()}


# ---- words and tags


def test_conll_has_a_word_and_its_tag_a_line_and_the_borders_of_documents(tmp_path):
    first = sentence("Ada~Byron~slept", ("PER", 0, 2), document="a 1")
    items = first, sentence("Oslo", ("LOC", 0, 1), document="a 1"), sentence("x", document="b")
    text, losses = write(write_conll, *items, target=tmp_path / "out.conll")
    assert text == ("# newdoc id = a 1\nAda\tB-PER\nByron\tI-PER\nslept\tO\n\nOslo\tB-LOC\n\n# newdoc id = b\nx\tO\n\n")
    assert losses == {}
    assert [item.document for item in read_conll(Source(tmp_path / "out.conll"))] == ["a 1", "a 1", "b"]


def test_conll_changes_words_that_would_be_borders_and_counts_them(tmp_path):
    item = sentence("New York~~-DOCSTART-~#x~a\tb~\u00a0~a\u2028b")
    text, losses = write(write_conll, item, target=tmp_path / "out")
    words = [line.split("\t")[0] for line in text.split("\n")[:-2]]
    assert words == ["New_York", "_", "_DOCSTART-", "#x", "a_b", "\u00a0", "a\u2028b"]
    changed = ['"New York" → "New_York"', '"" → "_"', '"-DOCSTART-" → "_DOCSTART-"', '"a\\tb" → "a_b"']
    assert losses == {"changed-words": changed}


def test_overlapping_entities_are_tags_with_a_mark_between_them(tmp_path):
    item = sentence("New~York~Times", ("LOC", 0, 2), ("ORG", 0, 3))
    assert write(write_conll, item, target=tmp_path / "out") == (
        "New\tB-LOC|B-ORG\nYork\tI-LOC|I-ORG\nTimes\tI-ORG\n\n",
        {},
    )
    text, _ = write(write_json_tokens, item, target=tmp_path / "out")
    assert json.loads(text)["ner_tags"] == [["B-LOC", "B-ORG"], ["I-LOC", "I-ORG"], ["I-ORG"]]


def test_the_mark_between_tags_stands_in_no_label(tmp_path):
    items = sentence("a", ("A|C", 0, 1)), sentence("b", ("X", 0, 1), ("Y", 0, 1))
    assert write(write_conll, *items, target=tmp_path / "out") == ("a\tB-A|C\n\nb\tB-X;B-Y\n\n", {})


def test_labels_that_tags_cannot_hold_are_changed_and_counted(tmp_path):
    item = sentence("a~b", ("very good", 0, 1), ("A|B", 1, 2))
    text, losses = write(write_conll, item, target=tmp_path / "out")
    assert text == "a\tB-very_good\nb\tB-A_B\n\n"
    assert losses == {"changed-labels": ['"very good" → "very_good"', '"A|B" → "A_B"']}


def test_entities_that_only_a_changed_label_makes_alike_are_counted(tmp_path):
    item = sentence("a~b", ("x y", 0, 2), ("x_y", 1, 2))
    text, losses = write(write_conll, item, target=tmp_path / "out")
    assert text == "a\tB-x_y\nb\tI-x_y\n\n"
    assert losses["lost-overlaps"] == ['x_y "b"']


def test_json_lines_of_words_are_plain_lists(tmp_path):
    items = sentence("Ada~“x y”", ("PER", 0, 1), document="d"), sentence("b")
    text, losses = write(write_json_tokens, *items, target=tmp_path / "out.jsonl")
    assert text.splitlines() == [
        '{"doc_id": "d", "tokens": ["Ada", "“x y”"], "ner_tags": ["B-PER", "O"]}',
        '{"tokens": ["b"], "ner_tags": ["O"]}',
    ]
    assert losses == {}


def test_cerebras_has_words_and_bare_labels_of_the_one_type(tmp_path):
    item = sentence('Ada~Byron~"x', ("PER", 0, 2))
    text, losses = write(write_cerebras, item, target=tmp_path / "out.csv")
    assert text == 'tokens,labels\n"[CLS] Ada Byron ""x [SEP]",[CLS] B I O [SEP]\n'
    assert losses == {"lost-types": ['"PER" is written as B and I, which are read as "entity"']}


def test_cerebras_keeps_types_where_there_are_several_and_counts_documents(tmp_path):
    items = sentence("Ada", ("PER", 0, 1), document="d"), sentence("Oslo", ("LOC", 0, 1), document="d")
    text, losses = write(write_cerebras, *items, target=tmp_path / "out.csv")
    assert text.split("\n")[1:3] == ["[CLS] Ada [SEP],[CLS] B-PER [SEP]", "[CLS] Oslo [SEP],[CLS] B-LOC [SEP]"]
    assert losses == {"lost-documents": ['"d"']}


def test_cerebras_keeps_the_longest_of_overlapping_entities(tmp_path):
    item = sentence("New~York~Times", ("LOC", 0, 2), ("ORG", 0, 3))
    text, losses = write(write_cerebras, item, target=tmp_path / "out.csv")
    assert text.split("\n")[1] == "[CLS] New York Times [SEP],[CLS] B I I [SEP]"
    assert losses["lost-overlaps"] == ['LOC "New York"']


def test_a_cerebras_folder_has_rows_vocabulary_and_their_number(tmp_path):
    items = [sentence("Ada", ("entity", 0, 1)), sentence("x")]
    write(write_cerebras, *items, target=tmp_path / "train")
    folder = tmp_path / "train"
    assert sorted(path.name for path in folder.iterdir()) == ["label2id.json", "meta.dat", "train-1.csv"]
    ids = {"[PAD]": 0, "B": 1, "I": 2, "O": 3, "X": 4, "[CLS]": 5, "[SEP]": 6}
    assert json.loads((folder / "label2id.json").read_text()) == ids
    assert (folder / "meta.dat").read_text() == "train-1.csv 2\n"
    assert [one.tags for one in read_cerebras(Source(folder / "train-1.csv"))] == [("B",), ("O",)]


# ---- running text


def test_brat_has_a_text_and_its_annotations(tmp_path):
    entities = entity("LOC", (0, 3), (4, 8), id="T3", note="Q60; Q61"), entity("X y", (9, 12), id="T1")
    relations = (
        relation("in", ("Arg1", "T3"), ("Arg2", "T1"), id="R4"),
        relation("Go", (TRIGGER, "T1"), ("To", "T3"), id="E1"),
        relation("Equiv", ("", "T1"), ("", "E1"), id=EQUIVALENT),
        relation("gone", ("Arg1", "T9"), id="R5"),
        relation("lost too", ("Arg1", "R5"), id="R6"),
    )
    doc = Document("a/b", "New York now", entities, PLACE, relations)
    _, losses = write(write_brat, doc, target=tmp_path / "out")
    assert (tmp_path / "out" / "a_b.txt").read_text() == "New York now"
    assert (tmp_path / "out" / "a_b.ann").read_text() == (
        "T3\tLOC 0 3;4 8\tNew York\nT1\tX_y 9 12\tnow\n"
        "R4\tin Arg1:T3 Arg2:T1\nE1\tGo:T1 To:T3\n*\tEquiv T1 E1\n"
        "N1\tReference T3 Q60\tNew York\nN2\tReference T3 Q61\tNew York\n"
    )
    assert losses == {
        "changed-names": ['"a/b" → "a_b"'],
        "changed-labels": ['"X y" → "X_y"'],
        "lost-relations": ["gone", "lost too"],
    }


def test_brat_gives_new_ids_where_others_are_and_relations_follow(tmp_path):
    doc = Document("d", "a b", (entity("X", (0, 1), id="x"), entity("Y", (2, 3))), PLACE, (relation("r", ("of", "x")),))
    write(write_brat, doc, target=tmp_path / "out")
    assert (tmp_path / "out" / "d.ann").read_text() == "T1\tX 0 1\ta\nT2\tY 2 3\tb\nR1\tr of:T1\n"


def test_brat_cuts_an_entity_at_the_ends_of_lines(tmp_path):
    doc = Document("d", "New\r\nYork", (entity("LOC", (0, 9)),), PLACE)
    write(write_brat, doc, target=tmp_path / "out")
    assert (tmp_path / "out" / "d.txt").read_bytes() == b"New\r\nYork"
    assert (tmp_path / "out" / "d.ann").read_text() == "T1\tLOC 0 3;5 9\tNew York\n"


@pytest.mark.parametrize("writer", [write_brat, write_pubtator])
def test_words_that_read_back_as_several_are_counted(writer, tmp_path):
    doc = Document("d", "New York U.S. x", (), PLACE, words=((0, 8), (9, 13), (14, 15)))
    losses = write(writer, doc, target=tmp_path / "out")[1]
    assert losses == {"lost-word-borders": ['"New York"'], "cut-words": ['"U.S."']}


def test_documents_of_one_name_get_files_of_their_own(tmp_path):
    docs = [Document(id, id, (), PLACE) for id in ("a", "A", "a", "a-2")]
    _, losses = write(write_brat, *docs, target=tmp_path / "out")
    assert sorted(path.stem for path in (tmp_path / "out").glob("*.txt")) == ["A-2", "a", "a-2-2", "a-3"]
    assert len(losses["changed-names"]) == 3


@pytest.mark.parametrize("id", ["", "..", "-x", "x" * 500, "é" * 200, "a\x00/b\n"])
def test_every_id_becomes_a_name_that_a_file_can_have(id, tmp_path):
    write(write_brat, Document(id, "x", (), PLACE), target=tmp_path / "out")
    (name,) = (path.name for path in (tmp_path / "out").glob("*.txt"))
    assert name[0] not in ".-"
    assert len(name.encode()) < 200


def test_a_text_that_begins_with_a_byte_order_mark_keeps_it(tmp_path):
    doc = Document("d", "\ufeffAda", (entity("PER", (1, 4)),), PLACE)
    write(write_brat, doc, target=tmp_path / "out")
    (read,) = read_brat(Source(tmp_path / "out" / "d.txt"))
    assert (read.text, read.entities[0].parts) == ("\ufeffAda", ((1, 4),))


def test_pubtator_has_title_abstract_and_mentions(tmp_path):
    entities = entity("Drug", (6, 11), note="D1"), entity("Y", (0, 5), (12, 15))
    relations = relation("CID", ("Arg1", "D1"), ("Arg2", "D2")), relation("r", ("of", "D1"))
    doc = Document("1|2", "Title\nAd-da\tx|y\nz", entities, PLACE, relations)
    text, losses = write(write_pubtator, doc, target=tmp_path / "out")
    assert text == (
        "1_2|t|Title\n1_2|a|Ad-da x|y z\n"
        "1_2\t6\t11\tAd-da\tDrug\tD1\n1_2\t0\t15\tTitle Ad-da x|y\tY\n1_2\tCID\tD1\tD2\n\n"
    )
    assert losses == {
        "changed-names": ['"1|2" → "1_2"'],
        "lost-line-breaks": ['"1|2"'],
        "joined-parts": ['Y "Title Ad-da x|y"'],
        "lost-relations": ["r"],
    }
    (read,) = read_pubtator(Source(tmp_path / "out"))
    assert [one.parts for one in read.entities] == [((6, 11),), ((0, 15),)]


def test_spans_hold_everything(tmp_path):
    entities = entity("LOC", (0, 3), (4, 8), id="T1", note="Q60"), entity("X", (9, 12), id="T2")
    relations = (relation("r", ("Arg1", "T1"), ("Arg2", "T2"), id="R1"),)
    doc = Document("d", "New York now", entities, PLACE, relations, words=((0, 8), (9, 12)))
    text, losses = write(write_json_spans, doc, target=tmp_path / "out.jsonl")
    assert losses == {}
    assert json.loads(text) == {
        "id": "d",
        "text": "New York now",
        "entities": [
            {"id": "T1", "label": "LOC", "parts": [[0, 3], [4, 8]], "text": "New York", "note": "Q60"},
            {"id": "T2", "label": "X", "parts": [[9, 12]], "text": "now"},
        ],
        "relations": [{"id": "R1", "label": "r", "arguments": [["Arg1", "T1"], ["Arg2", "T2"]]}],
        "words": [[0, 8], [9, 12]],
    }
    (read,) = read_json_spans(Source(tmp_path / "out.jsonl"))
    assert (read.id, read.text, read.words) == (doc.id, doc.text, doc.words)
    assert [(e.id, e.label, e.parts, e.note) for e in read.entities] == [
        (e.id, e.label, e.parts, e.note) for e in entities
    ]
    assert [(r.id, r.label, r.arguments) for r in read.relations] == [(r.id, r.label, r.arguments) for r in relations]


def test_relations_and_notes_are_counted_before_documents_become_examples():
    losses = Notices()
    doc = Document("d", "ab", (entity("X", (0, 1), note="Q1"), entity("Y", (1, 2))), PLACE, (relation("r"),))
    count_links(doc, losses=losses)
    assert losses.counts == {"lost-notes": 1, "lost-relations": 1}


# ---- texts and classes


def text(*labels, words="fine", pair=None, document=None):
    return SequenceExample(words, labels, PLACE, pair, document)


def test_a_table_has_a_header_and_a_text_with_its_class_a_row(tmp_path):
    items = text("good", words='a "fine" film'), text("bad", words="")
    assert write(write_table, *items, target=tmp_path / "out.tsv") == ('text\tlabel\na "fine" film\tgood\n\tbad\n', {})


@pytest.mark.parametrize("words", ["two\nlines", "a\ttab", '"marks"', "a\rb"])
def test_where_one_cell_needs_marks_all_cells_have_them(words, tmp_path):
    written, losses = write(write_table, text("good"), text("bad", words=words), target=tmp_path / "out.tsv")
    enclosed = words.replace('"', '""')
    assert written == f'text\tlabel\n"fine"\t"good"\n"{enclosed}"\t"bad"\n'
    assert losses == {}


def test_a_table_of_pairs_and_of_several_classes_says_so_in_its_header(tmp_path):
    items = text("a", "b|c", pair="x"), text(pair="y"), text("a")
    written, losses = write(write_table, *items, target=tmp_path / "out.tsv")
    assert written == "text1\ttext2\tlabels\nfine\tx\ta;b|c\nfine\ty\t\nfine\t\ta\n"
    assert losses == {}


def test_a_table_counts_what_it_cannot_hold(tmp_path):
    items = text(words=" "), text(" a ", words="x\r\ny\tz"), text("a", "p|q;r,s", document="d")
    written, losses = write(write_table, *items, target=tmp_path / "out.tsv")
    assert written == 'text\tlabels\n"x\ny z"\t"a"\n"fine"\t"a|p_q;r,s"\n'
    assert losses == {
        "lost-texts": [""],
        "lost-line-breaks": ['"x\\r\\ny\\tz"'],
        "changed-labels": ['" a " → "a"', '"p|q;r,s"'],
        "lost-documents": ['"d"'],
    }


def test_json_lines_of_texts_have_one_label_or_a_list(tmp_path):
    one = write(write_json_texts, text("a", pair="x"), text("b", document="d"), target=tmp_path / "out")[0]
    assert one == '{"text": "fine", "text2": "x", "label": "a"}\n{"doc_id": "d", "text": "fine", "label": "b"}\n'
    several = write(write_json_texts, text("a"), text(), target=tmp_path / "out")[0]
    assert several == '{"text": "fine", "labels": ["a"]}\n{"text": "fine", "labels": []}\n'


# ---- files


def test_a_folder_for_the_file_is_made(tmp_path):
    write(write_conll, sentence("a"), target=tmp_path / "new" / "deep" / "out")
    assert (tmp_path / "new" / "deep" / "out").read_text() == "a\tO\n\n"


def test_an_empty_folder_may_be_filled(tmp_path):
    (tmp_path / "out").mkdir()
    write(write_brat, Document("d", "x", (), PLACE), target=tmp_path / "out")
    assert (tmp_path / "out" / "d.txt").exists()


def test_an_interrupt_leaves_nothing(tmp_path):
    with pytest.raises(KeyboardInterrupt), open_draft(tmp_path / "a"):
        raise KeyboardInterrupt
    with pytest.raises(KeyboardInterrupt), open_folder(tmp_path / "b"):
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has a disk that is always full")
def test_a_full_disk_is_told_once_and_leaves_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr("nertune.data.writers.drafts._temporary", lambda target: target)
    (tmp_path / "out").symlink_to("/dev/full")
    with pytest.raises(StoppedError, match=r"out: cannot be written: No space left"):
        write(write_conll, *[sentence("word " * 50)] * 500, target=tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_being_filled_is_told_by_its_own_name(tmp_path):
    with open_folder(tmp_path / "new") as folder:
        (folder / "x" / "y").mkdir(parents=True)
        with pytest.raises(DataError, match=r"/new/x: cannot be written: Is a directory"), open_draft(folder / "x"):
            pass
