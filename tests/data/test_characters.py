"""Odd characters: found where they are odd, and nowhere else."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nertune.data.characters import compose, find_oddities, is_invisible

ODD = {
    "pro\u00adtein": ("invisible-characters", "U+00AD SOFT HYPHEN"),
    "\ufeffword": ("invisible-characters", "U+FEFF ZERO WIDTH NO-BREAK SPACE"),
    "a\u200bb": ("invisible-characters", "U+200B ZERO WIDTH SPACE"),
    "a\u200db": ("invisible-characters", "U+200D ZERO WIDTH JOINER"),
    "\u202ereversed": ("invisible-characters", "U+202E RIGHT-TO-LEFT OVERRIDE"),
    "5\u00a0mg": ("odd-spaces", "U+00A0 NO-BREAK SPACE"),
    "a\u2028b": ("odd-spaces", "U+2028 LINE SEPARATOR"),
    "\uf0b0C": ("private-characters", "U+F0B0"),
    "na\ufffdve": ("lost-characters", "U+FFFD REPLACEMENT CHARACTER"),
    "a\x00b": ("control-characters", "U+0000 NULL"),
    "it\x92s": ("control-characters", "U+0092"),
    "\ud83d": ("half-characters", "U+D83D"),
    "e\u0301tude": ("not-composed", "letters and their marks stand apart (not NFC)"),
    "MÃ¼ller": ("mojibake", "Ã¼ was ü"),
    "patientâ€™s": ("mojibake", "â€™ was ’"),
    "TNF-Î±": ("mojibake", "Î± was α"),
    "10\u00c2\u00a0mg": ("mojibake", "Â\u00a0 was U+00A0 NO-BREAK SPACE"),
    "R&amp;D": ("markup", "&amp;"),
    "CO<sub>2</sub>": ("markup", "<sub>"),
    "&#945;-synuclein": ("markup", "&#945;"),
    "<br/>": ("markup", "<br/>"),
    '<a href="x">': ("markup", '<a href="x">'),
}


@pytest.mark.parametrize("text", ODD)
def test_odd_characters_are_named(text):
    kind, detail = ODD[text]
    assert find_oddities(text)[kind] == detail


@pytest.mark.parametrize(
    "text",
    [
        "Straße",
        "naïve CAFÉ’S „Spaß“ GROẞ",
        "Ça va, señor? Ærø Åse",
        "می‌خواهم",  # Persian needs its joiners
        "क्‍ष",
        "👩‍🔬 ❤️ 🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f",
        "漢字 ไทย 한국어 ελληνικά русский",
        "p < 0.05 & q > 2; AT&T, a<x>c",
        "http://x.org/?a=1&b=2",
        "two\tcolumns\nand lines",
        "±5 °C ½ ×10⁻³ µg α-β",
    ],
)
def test_ordinary_text_of_many_scripts_has_no_odd_characters(text):
    assert find_oddities(text) == {}


def test_markup_is_only_what_html_knows():
    assert [find_oddities(text) for text in ("a < b > c", "&foo;", "<url>", "<user> & co;")] == [{}] * 4


@pytest.mark.parametrize("text", ["", " ", "\u200b", "\u00a0\t", "\ufe0f", "\u2028\ufeff", "\u3164"])
def test_what_nobody_sees_is_invisible(text):
    assert is_invisible(text)


@given(st.text())
def test_any_text_is_looked_at_without_error(text):
    found = find_oddities(text)
    assert ("not-composed" in found) == (not unicodedata.is_normalized("NFC", text) and not text.isascii())
    assert ("lost-characters" in found) == ("\ufffd" in text)
    assert not (is_invisible(text) and any(char.isalnum() and char not in "\u115f\u1160\u3164\uffa0" for char in text))


@given(st.text(st.characters(categories=("L", "N", "P", "S"), exclude_characters="<&"), max_size=20))
def test_text_that_was_read_as_latin_1_by_mistake_is_noticed(text):
    german = f"{text} für"
    assert "mojibake" in find_oddities(german.encode().decode("latin-1"))


def test_composed_and_decomposed_forms_are_one():
    assert compose("e\u0301") == "é"
