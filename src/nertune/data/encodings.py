"""What the first bytes of a file say: how its text is encoded, or that it holds none."""

from __future__ import annotations

import codecs

UTF8_MARK = codecs.BOM_UTF8
MARKS = (  # UTF-32's begins with UTF-16's
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
WIDE = ("utf-16", "utf-32")
# Python's encodings of names on the web; and those that can say half a character, which no other file could hold.
NOT_OF_FILES = ("idna", "punycode", "utf-7", "unicode-escape", "raw-unicode-escape")

# How files begin that are no text. Text may begin with letters such as PAR1, but then no zero byte follows.
SIGNATURES = (
    (b"\x1f\x8b", "compressed with gzip"),
    (b"PK\x03\x04", "a ZIP archive, as .docx and .xlsx are, too"),
    (b"\xfd7zXZ\0", "compressed with xz"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
    (b"\x28\xb5\x2f\xfd", "compressed with Zstandard"),
    (b"BZh", "compressed with bzip2"),
    (b"%PDF-", "a PDF"),
    (b"\x89PNG", "an image"),
    (b"\xff\xd8\xff", "an image"),
    (b"\xd0\xcf\x11\xe0", "an old Word or Excel file"),
    (b"SQLite format 3", "an SQLite database"),
    (b"PAR1", "a Parquet table"),
    (b"ARROW1", "an Arrow table"),
)
CONTROL = bytes({*range(0x20)} - {*b"\t\n\v\f\r\x1b"})  # bytes that stand in no text of an encoding that knows ASCII
MOST_CONTROL = 0.05  # share of them above which nobody calls a file text
FEWEST_CONTROL = 4
IN_EACH_PAIR = 0.3  # least share of byte pairs whose one byte is zero, in UTF-16 of a text with Latin tags


def marked_encoding(head: bytes) -> str | None:
    """The encoding that a byte order mark says; None without one, and for that of UTF-8."""
    return next((name for mark, name in MARKS if head.startswith(mark)), None)


def known_encoding(name: str) -> str | None:
    """Python's name of an encoding; None where there is none, or none that a text file can have."""
    try:
        found = codecs.lookup(name).name
        "a".encode(found).decode(found)  # "hex" is a codec, too, but not of text
    except (LookupError, UnicodeError):
        return None
    return None if found in NOT_OF_FILES else found


def unmarked_encoding(head: bytes) -> str | None:
    """`utf-16-le` or `utf-16-be` where zero bytes show it, and no mark says it."""
    first, second = head[::2].count(0), head[1::2].count(0)
    n_pairs = len(head) // 2
    if n_pairs == 0 or max(first, second) < IN_EACH_PAIR * n_pairs or min(first, second) > MOST_CONTROL * n_pairs:
        return None
    return "utf-16-le" if second > first else "utf-16-be"


def what_else(head: bytes) -> str | None:
    """What a file is that cannot hold text, in a few words; None for one that can."""
    for sign, what in SIGNATURES:
        if head.startswith(sign) and (b"\0" in head or not (sign.isascii() and sign.decode("ascii").isprintable())):
            return what
    return None


def is_binary(head: bytes) -> bool:
    """Whether more control characters stand in it than in a text of an encoding that knows ASCII."""
    n_control = len(head) - len(head.translate(None, CONTROL))
    return n_control >= max(FEWEST_CONTROL, MOST_CONTROL * len(head))
