"""Characters that a text seldom means: invisible, lost, decoded wrongly, or markup that was left in."""

from __future__ import annotations

import html
import re
import unicodedata
from functools import cache

LINE_WHITE = frozenset("\t\n\v\f\r")  # control characters that are white space; others look after those
REPLACEMENT = "\ufffd"
JOINERS = frozenset("\u200c\u200d")  # they shape Persian and Indic words and join emoji
VISIBLE_FORMATS = frozenset("\u0600\u0601\u0602\u0603\u0604\u0605\u06dd\u070f\u0890\u0891\u08e2\U000110bd\U000110cd")
INVISIBLE_LETTERS = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0")  # of other categories than Cf

# Kinds by Unicode's general category.
CATEGORIES = {
    "Cc": "control-characters",
    "Cf": "invisible-characters",
    "Co": "private-characters",
    "Cs": "half-characters",
    "Zs": "odd-spaces",
    "Zl": "odd-spaces",
    "Zp": "odd-spaces",
}
UNSEEN = ("invisible-characters", "control-characters")
SELECTORS = frozenset(map(chr, [*range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0)]))  # seen only with a character before
CONTROL_NAMES = {"\x00": "NULL", "\x1b": "ESCAPE", "\x7f": "DELETE", "\x85": "NEXT LINE"}

# UTF-8 read as Latin-1 or Windows-1252: what the first byte of a character became, then the bytes that follow it.
CONTINUATION = "\u0080-\u00bf" + "".join(bytes([byte]).decode("cp1252", "ignore") for byte in range(0x80, 0xC0))
MOJIBAKE = re.compile(f"[ÂÃÄÅÎÏ][{CONTINUATION}]|â[{CONTINUATION}]{{2}}|ð[{CONTINUATION}]{{3}}")
# What such a pair must stand for; "É’" would be a letter of phonetics, "ß“" one of N'Ko: those were meant as they are.
MEANT = re.compile(
    "[\u00a0-\u017f\u0391-\u03c9\u2010-\u203a\u20ac\u2122\u2190-\u21ff\u2200-\u22ff\U0001f300-\U0001faff]"
)

MARKUP = re.compile(
    r"&(?:[A-Za-z][A-Za-z0-9]{1,30}|#[0-9]{1,7}|#[xX][0-9A-Fa-f]{1,6});"
    r"|&(?:amp|lt|gt|quot|apos|nbsp)\b"
    r"|</?(?:a|b|big|br|center|code|div|em|font|h[1-6]|hr|i|img|li|ol|p|pre|q|s|small|span|strike|strong|sub|sup"
    r"|table|td|th|tr|tt|u|ul)(?:\s[^<>]{0,200})?/?>",
    re.IGNORECASE,
)


def find_oddities(text: str) -> dict[str, str]:
    """The odd characters of a word or text: the first of each kind (a key of `audit.kinds`) as a message names it."""
    if text.isascii() and text.isprintable():
        return _markup(text)
    found = _markup(text)
    for char in text:
        kind = _kind_of(char)
        if kind is not None and kind not in found and not (char in JOINERS and _joins(text)):
            found[kind] = name_of(char)
    if (mojibake := _mojibake(text)) is not None:
        found["mojibake"] = mojibake
    if not unicodedata.is_normalized("NFC", text):
        found["not-composed"] = "letters and their marks stand apart (not NFC)"
    return found


def is_invisible(text: str) -> bool:
    """Whether nothing of the text would be seen: it is empty, or only white space and invisible characters."""
    return all(char.isspace() or char in SELECTORS or _kind_of(char) in UNSEEN for char in text)


def compose(text: str) -> str:
    """The text with letters and marks as one character where there is one (NFC)."""
    return unicodedata.normalize("NFC", text)


def name_of(char: str) -> str:
    """`U+00AD SOFT HYPHEN`."""
    name = unicodedata.name(char, CONTROL_NAMES.get(char, ""))
    return f"U+{ord(char):04X} {name}".rstrip()


@cache
def _kind_of(char: str) -> str | None:
    """What is odd about a character by itself."""
    if char in INVISIBLE_LETTERS:
        return "invisible-characters"
    if char == REPLACEMENT:
        return "lost-characters"
    if char in VISIBLE_FORMATS or char == " " or char in LINE_WHITE:
        return None
    if ord(char) & 0xFFFE == 0xFFFE or "\ufdd0" <= char <= "\ufdef":  # no characters, and never will be
        return "control-characters"
    if "\U000e0020" <= char <= "\U000e007f":  # the flags of England, Scotland and Wales
        return None
    return CATEGORIES.get(unicodedata.category(char))


def _joins(text: str) -> bool:
    """Whether every joiner stands between letters of scripts that need it, or after a part of an emoji."""
    return all(
        0 < place < len(text) - 1 and (ord(text[place - 1]) >= 0x590 or text[place - 1] in JOINERS)
        for place, char in enumerate(text)
        if char in JOINERS
    )


def _mojibake(text: str) -> str | None:
    """`Ã¼ was ü`, if characters stand there that are one when read as UTF-8."""
    for match in MOJIBAKE.finditer(text):
        try:
            meant = b"".join(_byte(char) for char in match[0]).decode("utf-8")
        except UnicodeDecodeError:
            continue
        if MEANT.fullmatch(meant):
            return f"{match[0]} was {meant if meant.isprintable() else name_of(meant)}"
    return None


def _byte(char: str) -> bytes:
    return char.encode("latin-1") if char <= "\xff" else char.encode("cp1252")


def _markup(text: str) -> dict[str, str]:
    """The first character reference or tag of HTML."""
    if "&" not in text and "<" not in text:
        return {}
    for match in MARKUP.finditer(text):
        if match[0][0] == "<" or html.unescape(match[0]) != match[0]:
            return {"markup": match[0]}
    return {}
