"""What a word is in running text, script by script."""

import time
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nertune.data.words import find_words


def words(text, rule="punctuation"):
    return [text[start:end] for start, end in find_words(text, rule=rule)]


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("The (50mg) dose wasn't x_y.", ["The", "(", "50mg", ")", "dose", "wasn", "'", "t", "x", "_", "y", "."]),
        ("1.5 €/m² — ½", ["1", ".", "5", "€", "/", "m²", "—", "½"]),
        ("nai\u0308ve Đặng", ["nai\u0308ve", "Đặng"]),
        ("中国語とコーヒー2杯。", ["中", "国", "語", "と", "コ", "ー", "ヒ", "ー", "2", "杯", "。"]),
        ("か\u3099く", ["か\u3099", "く"]),
        ("น้ำ๑๒ abc", ["น้ำ", "๑๒", "abc"]),
        ("한국어를 배워요", ["한국어를", "배워요"]),
        ("हिन्दी में", ["हिन्दी", "में"]),
        ("می\u200cروم شلوم", ["می\u200cروم", "شلوم"]),
        ("co\u00adoperate", ["co\u00adoperate"]),
        ("👩🏽\u200d💻👍🏽 1️⃣", ["👩🏽\u200d💻", "👍🏽", "1️⃣"]),
        ("🇩🇪🇫🇷x", ["🇩🇪", "🇫🇷", "x"]),
        ("\u0600١٢٣", ["\u0600١٢٣"]),
        ("\ufeffOslo\u200f \u200b \x00\u2060", ["Oslo"]),
        ("a\u200bb", ["a", "b"]),
        ("New\u00a0York\u2028x\x85y", ["New", "York", "x", "y"]),
        ("", []),
    ],
)
def test_words_are_runs_of_letters_and_single_other_characters(text, wanted):
    assert words(text) == wanted


def test_blanks_alone_end_words_under_the_rule_of_blanks():
    assert words(" (50mg)\tNew\u00a0York\u2028a\u200bb\r\n中国 \x1f", "blanks") == [
        *("(50mg)", "New", "York", "a\u200bb", "中国", "\x1f")
    ]


@given(
    text=st.text()
    | st.text("aé1 \u0301\u200b\u200c\u200d\u00ad\ufe0f中か\u3099กำ🇩👩🏽\u200d(_\n\u0600\u115f", max_size=30)
)
def test_every_visible_character_stands_in_exactly_one_word(text):
    spans = find_words(text, rule="punctuation")
    covered = [position for start, end in spans for position in range(start, end)]
    assert covered == sorted(set(covered))
    assert all(start < end for start, end in spans)
    lost = set(range(len(text))) - set(covered)
    # marks that Unicode ignores (U+034F, variation selectors) do not show either; some letters of Hangul are fillers
    shown = {i for i in lost if unicodedata.category(text[i]) not in {"Cc", "Cf", "Cn", "Mn", "Zs", "Zl", "Zp", "Lo"}}
    assert not shown
    assert not any(char.isspace() and char not in "\x1c\x1d\x1e\x1f" for i in covered for char in text[i])


@given(text=st.text())
def test_words_between_blanks_are_those_of_split(text):
    separators = dict.fromkeys("\x1c\x1d\x1e\x1f", "x")  # white space for Python, not for Unicode
    assert len(words(text, "blanks")) == len(text.translate(str.maketrans(separators)).split())


@pytest.mark.parametrize(
    "unit",
    [
        "a",
        "\u0301",
        "(",
        "中",
        "\u0e01\u0e34",
        "a\u00ad",
        "\u200b",
        "\u200d",
        "🇩",
        "👩\u200d",
        "\u0600",
        "\u1100",
        "ab ",
    ],
)
def test_degenerate_texts_take_linear_time(unit):
    text = unit * 50_000
    start = time.perf_counter()
    find_words(text, rule="punctuation")
    assert time.perf_counter() - start < 1  # a quadratic search takes a minute
