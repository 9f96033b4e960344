"""CoNLL columns: what is a word, what is not, which columns are read, and which lines are refused."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nertune.data.readers.conll import looks_like_conll, read_conll
from nertune.data.source import SEVERAL, Source
from nertune.errors import DataError
from nertune.spec.study import DataSpec

FILES = Path(__file__).parent.parent / "files" / "conll"
WORD = st.text("aB#-1é\u00a0\u2028\r.", min_size=1, max_size=4)
SENTENCES = st.lists(
    st.lists(st.tuples(WORD, st.sampled_from(["O", "B-PER", "I-PER"])), min_size=1, max_size=5), min_size=1, max_size=4
)


@pytest.fixture
def source(tmp_path):
    """A file with this text; further arguments go to the `data` section."""

    def make(text, **data):
        path = tmp_path / "train.txt"
        path.write_bytes(text.encode())
        return Source(path, DataSpec(**data))

    return make


@pytest.fixture
def read(source):
    """The (word, tag) pairs of each sentence of a file without faults; keywords are columns."""

    def sentences(text, **columns):
        opened = source(text, columns=columns)
        found = [list(zip(sentence.words, sentence.tags, strict=True)) for sentence in read_conll(opened)]
        assert not opened.faults
        return found

    return sentences


@pytest.fixture
def problems(source):
    """What is told about a file that is wrong; keywords are columns."""

    def told(text, **columns):
        opened = source(text, columns=columns)
        list(read_conll(opened))
        return [str(problem).replace(str(opened.path), "train.txt") for problem in opened.faults.shown]

    return told


def test_word_is_first_and_tag_is_last():
    sentences = list(read_conll(Source(FILES / "four_columns.txt")))
    assert [(s.words, s.tags) for s in sentences] == [
        (("Ada", "saw", "Turin"), ("B-PER", "O", "B-LOC")),
        (("Oslo",), ("B-LOC",)),
    ]
    assert [list(sentence.lines) for sentence in sentences] == [[3, 4, 5], [9]]


def test_a_hashtag_with_a_tag_is_a_word_and_a_key_with_a_value_a_comment():
    source = Source(FILES / "iob2.conll")
    assert [sentence.words[0] for sentence in read_conll(source)] == ["Ada", "#photography"]
    assert source.notices.counts == {"comment-lines": 1}
    assert [str(place.where.line) for place in source.notices.places["comment-lines"]] == ["1"]


def test_a_number_sign_with_a_tag_is_a_word_though_no_other_word_has_that_tag(read):
    assert read("Ada B-PER\n# B-MISC\n1 O\n") == [[("Ada", "B-PER"), ("#", "B-MISC"), ("1", "O")]]


def test_a_column_of_numbers_that_does_not_begin_with_one_counts_no_words(read):
    assert read("2 CD B-NP B-QUANTITY\n") == [[("2", "B-QUANTITY")]]


@pytest.mark.parametrize(
    "comment",
    ["# newdoc", "# text = I live in O", "# id = 7", "#", "# a longer remark ends in O", "#remark", "# newdoc id = a"],
)
@pytest.mark.parametrize("border", ["\t", " "])
def test_comments_are_no_words_and_end_no_sentence(read, comment, border):
    text = f"Ada{border}B-PER\n{comment}\nLovelace{border}I-PER\n"
    assert read(text) == [[("Ada", "B-PER"), ("Lovelace", "I-PER")]]


@pytest.mark.parametrize("line", ["#\tO", "# O", "#1\tB-LOC", "#NLP\tO", "#new B-NEW"])
def test_a_word_may_begin_with_a_hash(read, line):
    assert len(read(f"Ada\tB-PER\n{line}\n")[0]) == 2
    assert len(read(f"{line}\nAda\tB-PER\n")[0]) == 2


@pytest.mark.parametrize("line", ["#Turin\tLOC", "Turin LOC", "# LOC"])
def test_a_type_without_prefix_is_a_tag_if_another_line_has_it(read, line):
    sentences = read(f"Ada\tPER\nOslo\tLOC\nsaw\tO\n{line}\n")
    assert [tag for _, tag in sentences[0]] == ["PER", "LOC", "O", "LOC"]


def test_carriage_returns_byte_order_mark_and_blanks_in_blank_lines_are_no_words():
    assert [(s.words, s.tags) for s in read_conll(Source(FILES / "crlf_bom.txt"))] == [
        (("Ada", "slept"), ("B-PER", "O")),
        (("Oslo",), ("B-LOC",)),
    ]


@pytest.mark.parametrize("char", ["\u2028", "\u2029", "\x85", "\x0b", "\x0c", "\x1c", "\r", "\u00a0", "\u3000"])
def test_only_line_feeds_end_lines_and_only_tabs_and_blanks_end_columns(read, char):
    assert read(f"a{char}b\tO\n{char}\tB-X\n") == [[(f"a{char}b", "O"), (char, "B-X")]]


@pytest.mark.parametrize("border", ["\t", " ", "\tx\t"])
def test_a_lone_carriage_return_between_whole_lines_ends_one_and_is_counted(source, border):
    opened = source("Ada|B-PER\nmet|O\rBo|B-PER\r\rIt|O\nrained|O\n".replace("|", border))
    found = [(sentence.words, sentence.tags, [*sentence.lines]) for sentence in read_conll(opened)]
    assert found == [
        (("Ada", "met", "Bo"), ("B-PER", "O", "B-PER"), [1, 2, 2]),
        (("It", "rained"), ("O", "O"), [2, 3]),
    ]
    assert opened.notices.counts == {"cr-line-ends": 1}


def test_a_file_of_carriage_returns_with_one_line_feed_is_read(read):
    assert read("word\ttag\rAda\tB-PER\rsaw\tO\r\rIt\tO\n") == [[("Ada", "B-PER"), ("saw", "O")], [("It", "O")]]


def test_columns_are_chosen_by_number_or_name(read):
    text = (FILES / "header.tsv").read_text()
    wanted = [[("Ada", "B-PER"), ("slept", "O")]]
    assert read(text, word="form", tag="Entity") == wanted
    assert read(text.split("\n", 1)[1], word=1, tag=3) == wanted
    assert read(text, word=1, tag="entity") == wanted


def test_an_empty_column_does_not_shift_the_next(read):
    assert read("1\tAda\t\tB-PER\n", word=1, tag=3) == [[("Ada", "B-PER")]]


def test_a_usual_header_is_no_word(read):
    assert read("Word\tPOS\tTag\nAda\tNNP\tB-PER\n") == [[("Ada", "B-PER")]]


def test_a_header_says_which_column_comes_first(read):
    assert read("NER\tToken\nB-PER\tAda\nO\tsaw\n") == [[("Ada", "B-PER"), ("saw", "O")]]


def test_a_file_without_header_is_read_by_that_of_the_first_one_and_that_is_told(source, tmp_path):
    first = source("pos\tword\tner\nN\tAda\tB-PER\n")
    assert [(s.words, s.tags) for s in read_conll(first)] == [(("Ada",), ("B-PER",))]
    (tmp_path / "dev.txt").write_text("N\tBo\tB-PER\nV\tsaw\tO\n")
    found = list(read_conll(first.beside(tmp_path / "dev.txt")))
    assert [(s.words, s.tags) for s in found] == [(("Bo", "saw"), ("B-PER", "O"))]
    assert first.notices.counts == {"lacking-headers": 1}


def test_of_two_columns_without_header_the_tag_may_be_the_first_and_that_is_told(source):
    opened = source("B-PER\tAda\nO\tsaw\n\nO\tIt\n")
    assert [(s.words, s.tags) for s in read_conll(opened)] == [(("Ada", "saw"), ("B-PER", "O")), (("It",), ("O",))]
    assert opened.notices.counts == {"guessed-columns": 1}
    assert looks_like_conll(opened)


def test_a_score_behind_the_tag_is_no_type_and_that_is_told(source):
    opened = source("Ada\tNNP\tB-PER\t0.98\nsaw\tVBD\tO\t0.99\n")
    assert [(s.words, s.tags) for s in read_conll(opened)] == [(("Ada", "saw"), ("B-PER", "O"))]
    assert opened.notices.counts == {"guessed-columns": 1}
    assert looks_like_conll(opened)


def test_the_study_file_says_whether_the_first_line_is_a_header(source):
    text = "Word\tTag\nAda\tB-PER\n"
    assert [s.words for s in read_conll(source(text, header=False))] == [("Word", "Ada")]
    assert [s.words for s in read_conll(source(text.replace("Word", "Wort"), header=True))] == [("Ada",)]


def test_a_name_of_a_column_needs_a_header(source):
    opened = source("form\tner\nAda\tB-PER\n", header=False, columns={"tag": "ner"})
    assert list(read_conll(opened)) == []
    assert 'data.columns names "ner", but data.header is false' in str(opened.faults.shown[0])


def test_a_name_where_the_first_line_is_a_word_with_its_tag_is_no_name_of_a_column(problems):
    assert problems("Ada\tB-PER\n", tag="ner") == [
        'train.txt: data.columns names "ner", but the first line holds "Ada", "B-PER": no line names the columns\n'
        "    Write its number, from 0: data: {columns: {tag: 0}}"
    ]


@pytest.mark.parametrize("number", [2, 9, -3])
def test_a_column_that_no_line_has_is_told_once(problems, number):
    assert problems("Ada\tB-PER\nslept\tO\n", word=0, tag=number) == [
        f"train.txt:1: data.columns: tag is column {number}, but the lines have 2 columns, the first of them 0\n"
        "    Write for example: data: {columns: {tag: 1}}"
    ]


def test_a_misspelt_column_is_answered_with_the_closest(problems):
    text = (FILES / "header.tsv").read_text()
    assert problems(text, word="fom", tag="entity") == [
        'train.txt:1: no column is named "fom"; the columns are "id", "form", "pos", "entity"\n'
        "    Write for example: data: {columns: {word: form}}"
    ]
    assert 'data.columns names "words"' in problems(text, words=0)[0]


@pytest.mark.parametrize("columns", [{"word": 1, "tag": 1}, {"word": (0, 1), "tag": 2}, {"word": 0, "tag": (0, 1)}])
def test_columns_that_contradict_each_other_are_refused(problems, columns):
    assert "column" in problems("Ada\tNNP\tB-PER\n", **columns)[0]


def test_a_line_without_a_tag_is_a_problem_with_its_line(problems):
    assert problems((FILES / "no_tag.txt").read_text()) == [
        'train.txt:2: one column where two are needed (word, tag); the word is "Springfield"\n'
        "    Add its tag, for example: Springfield<TAB>O"
    ]


def test_a_forgotten_tag_in_a_file_of_tabs_does_not_make_the_second_word_a_tag(problems):
    text = "Ada\tPER\nslept\tO\nNew York\nOslo\tLOC\n"
    assert 'train.txt:3: one column where two are needed (word, tag); the word is "New York"' in problems(text)[0]


def test_a_tag_without_a_word_is_a_problem(problems):
    assert 'train.txt:1: no word before the tag "O"' in problems("\tO\nAda\tB-PER\n")[0]


@pytest.mark.parametrize(
    ("text", "mark", "fix"),
    [
        ("Ada;B-PER\nslept;O\n", ";", "Put a tab there: tr ';' '\\t' < train.txt > tabs.conll"),
        ("a/b/O\nAda/B-PER\n", "/", "Put a tab there: tr / '\\t' < train.txt"),
        ("Ada/B-PER slept/O\nBo/B-PER ran/O ./O\n", "/", "Write a word, a tab and its tag a line, and an empty line"),
    ],
)
def test_another_mark_between_word_and_tag_is_told_once(problems, text, mark, fix):
    (told,) = problems(text)
    assert told.startswith(f'train.txt:1: between word and tag stands "{mark}", not a tab or blanks\n    {fix}')


def test_an_empty_tag_is_a_problem(problems):
    assert 'train.txt:2: the word "slept" has no tag' in problems("Ada\tB-PER\tx\nslept\t\tx\n", tag=1)[0]


@pytest.mark.parametrize("first", ["Ada NNP PER\nsaw VBD O\n", "saw VBD O\nand CC O\n"])
def test_with_bare_types_a_part_of_speech_does_not_pass_for_a_tag(problems, first):
    assert (
        'train.txt:3: 2 columns where 3 are needed; the word is "Turin"'
        in problems(f"{first}Turin NNP\nOslo NNP LOC\n")[0]
    )


def test_lines_with_an_unusual_number_of_columns_are_counted(source):
    opened = source("New York B-LOC\nis O\nbig O\n")
    assert [s.words for s in read_conll(opened)] == [("New", "is", "big")]
    assert opened.notices.counts == {"unusual-columns": 1}


def test_running_text_is_refused_at_once(problems):
    text = "One day\tgood\nThe cat sat down\tbad\nWe all went home early\tgood\nNo\n"
    assert "lines have 3 to 6 columns, few alike" in problems(text)[0]


# ---- tabs and blanks


def test_in_a_file_of_tabs_a_blank_is_part_of_a_word():
    source = Source(FILES / "blanks_in_words.tsv")
    (sentence,) = read_conll(source)
    assert sentence.words == ("New York", "is", "large", "Cape Town")
    assert source.notices.counts == {"blanks-in-words": 2}
    assert [place.where.line for place in source.notices.places["blanks-in-words"]] == [1, 4]


def test_a_tag_appended_with_a_tab_to_columns_with_blanks_is_a_column_more(read):
    text = "Ada NNP B-NP\tB-PER\nsaw VBD B-VP\tO\n"
    assert read(text) == [[("Ada", "B-PER"), ("saw", "O")]]


def test_a_line_of_blanks_among_tabs_is_read_if_it_is_whole(read):
    assert read("Ada\tB-PER\nsaw O\nOslo\tB-LOC\n") == [[("Ada", "B-PER"), ("saw", "O"), ("Oslo", "B-LOC")]]


@pytest.mark.parametrize("border", ["\t", " ", "   ", " \t ", "\t "])
@pytest.mark.parametrize("end", ["", " ", "\t", " \t\t"])
def test_padding_is_no_part_of_words_and_tags(read, border, end):
    assert read(f"Ada{border}NNP{border}B-PER{end}\r\n \t\r\nsaw{border}VBD{border}O{end}\r\n") == [
        [("Ada", "B-PER")],
        [("saw", "O")],
    ]


@pytest.mark.parametrize("tag", ["B-<b>PER</b>", "B-PER loc", "B-a|B-b", "B-Größe"])
def test_tags_are_kept_as_they_stand(read, tag):
    assert read(f"saw\tO\nAda\t{tag}\n") == [[("saw", "O"), ("Ada", tag)]]


def test_giant_words_and_long_sentences_are_read(read):
    giant = "a" * 300_000
    assert read(f"{giant}\tO\nAda\tB-PER\n") == [[(giant, "O"), ("Ada", "B-PER")]]
    assert len(read("word\tO\n" * 20_000)[0]) == 20_000


@given(sentences=SENTENCES, border=st.sampled_from(["\t", "\tx\t"]))
def test_what_was_written_is_read(tmp_path_factory, sentences, border):
    path = tmp_path_factory.getbasetemp() / "written.conll"
    blocks = ["".join(f"{word}{border}{tag}\n" for word, tag in sentence) for sentence in sentences]
    path.write_bytes("\n".join(["first\tO\n" if border == "\t" else "first\tx\tO\n", *blocks]).encode())
    found = list(read_conll(Source(path)))[1:]
    assert [list(zip(s.words, s.tags, strict=True)) for s in found] == sentences


CELLS = st.sampled_from(["a", "b c", "#a", "1", "2", "1-2", "_", "O", "B-X", "I-X", "PER", "", "\u00a0", "NER=B-X|a=b"])
LINES = st.tuples(st.lists(CELLS, max_size=4), st.sampled_from(["\t", "\t", " ", " \t ", "  "])).map(
    lambda line: line[1].join(line[0])
)


@given(lines=st.lists(LINES, min_size=1, max_size=12), is_numbered=st.booleans())
def test_a_comment_inside_a_sentence_changes_nothing_but_its_reading_line_by_line(tmp_path_factory, lines, is_numbered):
    if is_numbered:
        lines = [f"{number}\t{line}" for number, line in enumerate(lines, 1)]
    found = []
    for text in ("\n".join(lines), "\n# a = b\n".join(lines)):
        path = tmp_path_factory.getbasetemp() / "commented.conll"
        path.write_text(f"{text}\n")
        opened = Source(path)
        sentences = [(s.words, s.tags, s.document) for s in read_conll(opened)]
        notices = {kind: n for kind, n in opened.notices.counts.items() if kind != "comment-lines"}
        found.append((sentences, notices, [fault.message for fault in opened.faults.shown]))
    assert found[0] == found[1]


# ---- several columns of tags


def test_several_columns_of_tags_are_joined(read):
    text = (FILES / "two_layers.tsv").read_text()
    tags = [
        f"{outer}{SEVERAL}{inner}" for outer, inner in [("B-ORG", "O"), ("I-ORG", "O"), ("I-ORG", "B-LOC"), ("O", "O")]
    ]
    for columns in ({"tag": ["outer", "inner"]}, {"tag": [1, 2]}, {"tag": [-2, "inner"], "word": "word"}):
        assert [tag for _, tag in read(text, **columns)[0]] == tags, columns


def test_columns_of_tags_that_are_not_read_are_told(source):
    opened = source("Ada NNP B-NP B-PER\nsaw VBD B-VP O\n")
    list(read_conll(opened))
    assert opened.notices.counts == {"other-tag-columns": 1}
    chosen = source("Ada NNP B-NP B-PER\nsaw VBD B-VP O\n", columns={"tag": 3})
    list(read_conll(chosen))
    assert not chosen.notices.counts


# ---- documents


def test_without_borders_there_is_no_document(source):
    assert [s.document for s in read_conll(source("Ada\tO\n\nAlan\tO\n"))] == [None, None]


@pytest.mark.parametrize("border", ["-DOCSTART-", "-DOCSTART- -X- -X- O", "-DOCSTART-\tO", "# newdoc", "#newdoc"])
def test_borders_begin_documents_that_are_counted(source, border):
    opened = source(f"Ada\tO\n\n{border}\n\nAlan\tO\n\nGrace\tO\n\n{border}\n\nEmmy\tO\n")
    assert [s.document for s in read_conll(opened)] == ["train#0", "train#1", "train#1", "train#2"]


def test_a_document_may_have_an_id(source):
    opened = source("# newdoc id = letter 7 \nAda\tO\n\n# newdoc\nAlan\tO\n")
    assert [s.document for s in read_conll(opened)] == ["letter 7", "train#2"]


def test_a_border_inside_a_sentence_is_the_next_ones(source):
    opened = source("Ada\tB-PER\n# newdoc id = b\nLovelace\tI-PER\n\nAlan\tO\n")
    assert [(len(s.words), s.document) for s in read_conll(opened)] == [(2, "train#0"), (1, "b")]


# ---- CoNLL-U and its kin


def test_columns_that_count_words_are_recognised():
    source = Source(FILES / "annotated.iob2")
    assert [(s.words, s.tags, s.document) for s in read_conll(source)] == [
        (("Ada", "lives", "in", "Turin", "."), ("B-PER", "O", "O", "B-LOC", "O"), "letter"),
        (("She", "sings", "."), ("O", "O", "O"), "letter"),
    ]
    assert source.notices.counts == {"comment-lines": 5}


@pytest.mark.parametrize(
    ("columns", "words"), [({"word": 1, "tag": 2}, ("Ada", "slept")), ({"word": 0, "tag": 2}, ("1", "2"))]
)
def test_chosen_columns_come_before_recognised_ones(source, columns, words):
    (sentence,) = read_conll(source("1\tAda\tB-PER\tx\n2\tslept\tO\tx\n", columns=columns))
    assert sentence.words == words


def test_sentences_of_one_word_are_counted_words_if_their_tags_are_followed_by_something_else(read):
    assert read("1\tAda\tB-PER\t-\tanna\n\n1\tOslo\tO\t-\tanna\n") == [[("Ada", "B-PER")], [("Oslo", "O")]]


def test_numbers_that_count_nothing_are_words(read):
    assert read("1 CD O\n") == [[("1", "O")]]
    assert read("1 CD O\n2 CD O\n2 CD O\n5 CD O\n") == [[("1", "O"), ("2", "O"), ("2", "O"), ("5", "O")]]


def test_conll_u_plus_names_its_columns():
    source = Source(FILES / "plus.conllup")
    assert [(s.words, s.tags, s.document) for s in read_conll(source)] == [
        (("di", "l'", "Aquila"), ("O", "B-LOC", "I-LOC"), "a"),
        (("Ada", "dorme"), ("B-PER", "O"), "b"),
    ]
    assert source.notices.counts == {"comment-lines": 4, "rows-between-words": 2}


def test_a_tag_on_a_multiword_token_is_told(source):
    text = (FILES / "plus.conllup").read_text().replace("1-2\tdell'\t_\t_", "1-2\tdell'\t_\tB-LOC")
    opened = source(text)
    list(read_conll(opened))
    (place,) = opened.notices.places["lost-tags"]
    assert (place.where.line, place.detail) == (4, "1-2 B-LOC")


def test_conll_u_plus_without_tags_lists_its_columns(problems):
    text = "# global.columns = ID FORM UPOS\n1\tAda\tPROPN\n"
    assert 'train.txt:1: no column is known to hold tags; the columns are "ID", "FORM", "UPOS"' in problems(text)[0]
    assert problems(text, tag="UPOS") == []


def test_entities_in_the_last_column_of_conll_u_are_read():
    (sentence,) = read_conll(Source(FILES / "misc.conllu"))
    assert (sentence.words, sentence.tags, sentence.document) == (("Ada", "slept", "."), ("B-PER", "O", "O"), "misc#1")


@pytest.mark.parametrize("columns", [{}, {"word": 1, "tag": 9}])
def test_conll_u_without_entities_is_refused(problems, columns):
    text = (FILES / "misc.conllu").read_text().replace("NER=", "Other=")
    assert "(MISC) holds no NER=TAG" in problems(text, **columns)[0]


# ---- recognition, speed, bytes


@pytest.mark.parametrize("name", sorted(path.name for path in FILES.iterdir()))
def test_the_test_files_are_recognised(name):
    assert looks_like_conll(Source(FILES / name))


@pytest.mark.parametrize(
    "text",
    [
        "Ada\tPER\nBo\tPER\n\nOslo\tLOC\nrains\tO\n",  # types without prefixes, hardly an O
        "Ada\tb-PER\nKing\ti-PER\nrains\to\n",
        "Ada\tB_PER\nKing\tI_PER\n\nOslo\tB_LOC\n",
        "Ada\tB-PER\nsaw O\nBo B-PER\n",  # blanks among tabs
        f"{'x' * 100_000}\tO\nAda\tB-PER\n",
    ],
)
def test_files_that_are_less_usual_are_recognised(source, text):
    assert looks_like_conll(source(text))


def test_the_name_of_a_file_says_what_its_types_do_not(tmp_path):
    for name, is_conll in (("x.conll", True), ("x.txt", False)):
        (tmp_path / name).write_text("Ada\tPER\nBo\tPER\n")
        assert looks_like_conll(Source(tmp_path / name)) is is_conll


def test_a_header_does_not_hide_a_short_file(source):
    assert looks_like_conll(source("word tag\nAda B-PER\n"))


@pytest.mark.parametrize(
    "text",
    [
        "text\tlabel\na fine film\tgood\na dull one\tbad\n",
        "Sentence\tSlot\nAda slept\tB-PER O\nAda saw Grace today\tB-PER O B-PER O\n",
        "Ada met Alan in Turin .\n\nThey went home early that day .\n",
        '{"tokens": ["Ada", "slept"], "tags": ["B-PER", "O"]}\n',
        "T1\tPER 0 3\tAda\nT2\tLOC 10 15\tTurin\n",
        "Sentence #,Word,POS,Tag\n1,Ada,NNP,B-PER\n,slept,VBD,O\n",
        "O O B-PER O\nO O O B-PER\n",
        "",
    ],
)
def test_other_files_are_not_recognised(source, text):
    assert not looks_like_conll(source(text))


def test_no_word_is_held_longer_than_its_sentence(source):
    """A reader that gathered the file would not yield before the fault in the file's last line is met."""
    opened = source("Ada\tB-PER\n\n" * 40_000 + "Springfield\n")
    sentences = read_conll(opened)
    assert next(sentences).words == ("Ada",)
    assert not opened.faults
    assert sum(1 for _ in sentences) == 39_999
    assert [fault.where.line for fault in opened.faults.shown] == [80_001]


@given(content=st.binary(max_size=200) | st.text("#\t \nOB-X\r=a_1.\u2028", max_size=60).map(str.encode))
def test_any_bytes_are_read_or_refused_with_a_data_error(tmp_path_factory, content):
    path = tmp_path_factory.getbasetemp() / "any.conll"
    path.write_bytes(content)
    try:
        looks_like_conll(Source(path))
        sentences = list(read_conll(Source(path)))
    except DataError:
        return
    assert all(len(s.words) == len(s.tags) == len(s.lines) > 0 for s in sentences)


HEADS = ["", "# global.columns = ID FORM NER\n", "# global.columns = NER\n", "word\ttag\n", "1\ta\tO\tx\n2\tb\tO\tx\n"]


@given(
    head=st.sampled_from(HEADS),
    rows=st.text("#\t \nO-B1.2_a=", max_size=60),
    columns=st.dictionaries(
        st.sampled_from(["word", "tag", "x"]),
        st.integers(-4, 4)
        | st.sampled_from(["ID", "tag"])
        | st.lists(st.integers(-4, 4), min_size=1, max_size=2).map(tuple),
        max_size=2,
    ),
    header=st.sampled_from(["auto", True, False]),
)
def test_any_columns_are_read_or_refused_with_a_data_error(tmp_path_factory, head, rows, columns, header):
    path = tmp_path_factory.getbasetemp() / "columns.conll"
    path.write_text(head + rows)
    opened = Source(path, DataSpec(columns=columns, header=header))
    try:
        sentences = list(read_conll(opened))
    except DataError:
        return
    assert all(len(s.words) == len(s.tags) == len(s.lines) > 0 and all(s.words) and all(s.tags) for s in sentences)
