"""Conditions on rows of the record, as people type them: `f1 > 0.8 and (state == complete or stage == final)`.

KEY OP VALUE, joined by `and`, `or`, `not` and parentheses. OP is one of < <= > >= == != and ~ (contains, whatever the
case); = is ==. VALUE is a number, a word, or text in quotes; `null` is what a row lacks. Nothing here is run as Python.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from nertune.errors import UserError, closest

Row = Mapping[str, Any]
Test = Callable[[Row], bool]

OPERATORS = ("<=", ">=", "==", "!=", "<", ">", "=", "~")
TOKEN = re.compile(
    r"""\s*(?:(?P<op><=|>=|==|!=|<|>|=|~)|(?P<bracket>[()])|(?P<text>"[^"]*"|'[^']*')|(?P<word>[^\s()<>=!~"']+))"""
)
JOINS = ("and", "or", "not")
NAMED = {"null": None, "none": None, "true": True, "false": False}
SHOWN_KEYS = 12
EXAMPLE = 'Write for example: "f1 > 0.8 and state == complete"'


@dataclass(frozen=True)
class Token:
    """A piece of a condition; `place` is its first character, counted from 1."""

    kind: str
    text: str
    place: int


def parse_condition(text: str, *, rows: Sequence[Row]) -> Test:
    """The condition as a function of a row.

    rows    those that it will be asked about: they say which keys there are, and what these hold
    Raises  UserError that names the place of what cannot be understood, and the nearest key that there is
    """
    parser = _Parser(text, rows=rows)
    test = parser.read_or()
    parser.expect_end()
    return test


def find_key(name: str, known: Iterable[str]) -> str | None:
    """The key that a name means: itself, or the only one that ends in it (`learning_rate`); None where there is none.

    Raises  UserError when several end in it
    """
    keys = set(known)
    if name in keys:
        return name
    ending = sorted(key for key in keys if key.endswith(f".{name}"))
    if len(ending) > 1:
        raise UserError(f"{name} may be any of: {', '.join(ending)}", fix="Write it out")
    return ending[0] if ending else None


def unknown_key(name: str, known: Iterable[str]) -> str:
    """What to say of a key that no row has."""
    keys = list(known)
    near = closest(name, keys)
    some = ", ".join([key for key in keys if "." not in key][:SHOWN_KEYS])
    return f"no run has a {name}. " + (f"Did you mean {near}?" if near else f"There are, for example: {some}")


class _Parser:
    def __init__(self, text: str, *, rows: Sequence[Row]) -> None:
        self._text = text
        self._rows = rows
        self._known = list(dict.fromkeys(key for row in rows for key in row))
        self._tokens = _tokens(text)
        self._next = 0

    def read_or(self) -> Test:
        tests = [self._read_and()]
        while self._takes("or"):
            tests.append(self._read_and())
        return tests[0] if len(tests) == 1 else lambda row: any(test(row) for test in tests)

    def expect_end(self) -> None:
        token = self._peek()
        if token is not None:
            raise self._problem(f"{token.text} was not expected here; conditions are joined by and, or", token)

    def _read_and(self) -> Test:
        tests = [self._read_not()]
        while self._takes("and"):
            tests.append(self._read_not())
        return tests[0] if len(tests) == 1 else lambda row: all(test(row) for test in tests)

    def _read_not(self) -> Test:
        if self._takes("not"):
            negated = self._read_not()
            return lambda row: not negated(row)
        if self._takes("("):
            inner = self.read_or()
            if not self._takes(")"):
                raise self._problem("a closing parenthesis is missing", self._peek())
            return inner
        return self._read_comparison()

    def _read_comparison(self) -> Test:
        key = self._take("word", "the name of a score or setting")
        if key.text in JOINS:
            raise self._problem(f"the name of a score or setting is missing before {key.text}", key)
        name = self._key_of(key)
        operator = self._take("op", f"one of {' '.join(OPERATORS)}")
        token = self._peek()
        if token is None or token.kind not in ("word", "text") or (token.kind == "word" and token.text in JOINS):
            raise self._problem("the value to compare with is missing", token)
        self._next += 1
        wanted = token.text[1:-1] if token.kind == "text" else _value(token.text)
        self._check_types(name, operator, wanted, token)
        return _comparison(name, operator.text, wanted)

    def _key_of(self, token: Token) -> str:
        if not self._rows:
            return token.text
        try:
            found = find_key(token.text, self._known)
        except UserError as error:
            raise self._problem(error.message, token) from None
        if found is None:
            raise self._problem(unknown_key(token.text, self._known), token)
        return found

    def _check_types(self, name: str, operator: Token, wanted: Any, token: Token) -> None:
        """Refuse to ask whether a number is above a word: no row could ever answer."""
        found = [value for row in self._rows if (value := row.get(name)) is not None]
        if operator.text not in ("<", "<=", ">", ">=") or not found:
            return
        if all(_is_number(value) for value in found) and not _is_number(wanted):
            raise self._problem(f"{name} holds numbers, and {token.text} is none", token)
        if not any(_is_number(value) for value in found) and not isinstance(wanted, str):
            raise self._problem(f"{name} holds words, such as {found[0]}, and {token.text} is none", token)

    def _peek(self) -> Token | None:
        return self._tokens[self._next] if self._next < len(self._tokens) else None

    def _takes(self, text: str) -> bool:
        token = self._peek()
        found = token is not None and token.text == text and token.kind in ("word", "bracket")
        self._next += found
        return found

    def _take(self, kind: str, what: str) -> Token:
        token = self._peek()
        if token is None or token.kind != kind:
            raise self._problem(f"{what} is missing", token)
        self._next += 1
        return token

    def _problem(self, message: str, token: Token | None) -> UserError:
        return _problem(message, self._text, place=len(self._text) + 1 if token is None else token.place)


def _tokens(text: str) -> list[Token]:
    found: list[Token] = []
    place = 0
    end = len(text.rstrip())
    while place < end:
        match = TOKEN.match(text, place)
        if match is None:
            place += len(text[place:]) - len(text[place:].lstrip())
            raise _problem(f"{text[place]} has no meaning here", text, place=place + 1)
        kind = str(match.lastgroup)
        found.append(Token(kind, match[kind], match.start(kind) + 1))
        place = match.end()
    return found


def _problem(message: str, text: str, *, place: int) -> UserError:
    return UserError(f"--where {text!r}, character {place}: {message}", fix=EXAMPLE)


def _value(word: str) -> Any:
    if word.lower() in NAMED:
        return NAMED[word.lower()]
    try:
        return float(word)
    except ValueError:
        return word


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _comparison(key: str, operator: str, wanted: Any) -> Test:
    if operator in ("==", "="):
        return lambda row: _equals(row.get(key), wanted)
    if operator == "!=":
        return lambda row: not _equals(row.get(key), wanted)
    if operator == "~":
        part = str(_shown(wanted)).casefold()
        return lambda row: row.get(key) is not None and part in str(row[key]).casefold()
    ordered = ORDERS[operator]

    def compare(row: Row) -> bool:
        value = row.get(key)
        if _is_number(value) and _is_number(wanted):
            return ordered(value, wanted)
        return isinstance(value, str) and isinstance(wanted, str) and ordered(value, wanted)

    return compare


ORDERS: Mapping[str, Callable[[Any, Any], bool]] = {
    "<": lambda one, other: one < other,
    "<=": lambda one, other: one <= other,
    ">": lambda one, other: one > other,
    ">=": lambda one, other: one >= other,
}


def _equals(value: Any, wanted: Any) -> bool:
    """A number that was typed may be meant as text: a study may be called 2024."""
    if isinstance(value, str) and _is_number(wanted):
        return bool(_value(value) == wanted)
    if isinstance(value, bool) or isinstance(wanted, bool):
        return value is wanted
    return bool(value == wanted)


def _shown(wanted: Any) -> Any:
    return int(wanted) if isinstance(wanted, float) and wanted.is_integer() else wanted
