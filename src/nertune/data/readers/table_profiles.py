"""The first rows of a table, and what its columns look like where no name tells text, label and header apart."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence, Set
from dataclasses import dataclass
from functools import cached_property
from statistics import fmean

from nertune.data.readers.table_names import ID_NAMES, fold
from nertune.data.readers.table_rows import Row
from nertune.data.source import listed, quoted

ANSWERS = (  # ways of saying yes and no, or nothing instead of no; one column keeps to one of them
    ({"1", "1.0"}, {"0", "0.0"}),
    ({"true", "t"}, {"false", "f"}),
    ({"yes", "y"}, {"no", "n"}),
    ({"x", "✓", "✔"}, {"-"}),
    ({"ja", "j", "wahr"}, {"nein", "n", "falsch"}),
    ({"oui", "vrai"}, {"non", "faux"}),
    ({"si", "sí"}, {"no"}),
)
YES = frozenset().union(*(yes for yes, _ in ANSWERS))
NO = frozenset({""}).union(*(no for _, no in ANSWERS))

INTEGER = re.compile(r"[-+]?\d+")
NUMBERS = re.compile(r"[-+]?\d[\d.,;|\s+-]*")  # one, or a list of them
CODE = re.compile(r"[A-Za-z0-9_.:-]+")
NAME_LIKE = re.compile(r"[^\W\d][\w.#/()-]*(?: [\w.#/()-]+){0,2}")
LONGEST_NAME = 40
MOST_ANSWERS = 0.9  # of the cells of a column that says yes or no


@dataclass(frozen=True)
class Profile:
    """What the cells of a column look like, without their outer blanks."""

    n: int
    n_distinct: int
    mean_length: float
    phrases: float  # share of cells of several words
    is_id: bool
    is_numbers: bool  # or lists of them


@dataclass(frozen=True)
class Table:
    """The first rows of a table: the one that names the columns, if any, and those below it."""

    header: Row | None
    body: Sequence[Row]

    @cached_property
    def names(self) -> list[str]:
        return [cell.strip() for cell in self.header.cells] if self.header else []

    @cached_property
    def folded(self) -> list[str]:
        return [fold(name) for name in self.names]

    @cached_property
    def n_columns(self) -> int:
        """As many as the header names, or as most rows have where there is none or where it lacks some."""
        lengths = Counter(len(row.cells) for row in self.body if len(row.cells) > 1)
        usual = min(lengths, key=lambda n: (-lengths[n], n), default=1)
        return max(len(self.names), usual) if not self.names or self.lacks_names else len(self.names)

    @cached_property
    def lacks_names(self) -> bool:
        """Whether most rows go on behind the last column that the header names."""
        n_longer = sum(any(cell.strip() for cell in row.cells[len(self.names) :]) for row in self.body)
        return n_longer * 2 > len(self.body)

    @cached_property
    def first(self) -> Row:
        return self.header or self.body[0]

    def cells(self, place: int) -> list[str]:
        """The cells of a column that rows have, stripped."""
        return [row.cells[place].strip() for row in self.body if place < len(row.cells)]

    @cached_property
    def profiles(self) -> list[Profile]:
        return [_profile(self, place) for place in range(self.n_columns)]

    def shown_columns(self) -> str:
        """The columns as a message lists them: by name, or by number with the first cell."""
        if self.names:
            return listed(self.names)
        cells = [f"{place} ({quoted(cell, limit=20)})" for place, cell in enumerate(self.first.cells[:20])]
        return ", ".join(cells)

    def called(self, place: int) -> str:
        """A column as `data.columns` may call it: by its name, else by its number."""
        at = place % self.n_columns
        name = self.names[at] if at < len(self.names) else ""
        return quoted(name) if name and self.names.count(name) == 1 and len(name) <= LONGEST_NAME else str(at)

    def names_of(self, places: Sequence[int]) -> tuple[str, ...]:
        """Names of label columns; the number where a column has none."""
        names = [*self.names, *[""] * self.n_columns]
        return tuple(names[place % self.n_columns] or str(place) for place in places)


# ---- the header


def looks_like_header(rows: Sequence[Row]) -> bool:
    """Whether the first row's cells are names, above numbers, or above phrases and labels that it does not share.

    A first text that is lost is worse than a header that becomes a text: one more label is seen by everyone.
    """
    if len(rows) < 3 or not is_unlike_others(rows):
        return False
    cells, below = [cell.strip() for cell in rows[0].cells], Table(None, rows[1:])
    profiles = [_profile(below, place) for place in range(len(cells))]
    if any(cell and profile.is_numbers for cell, profile in zip(cells, profiles, strict=True)):
        return True
    text = max(range(len(cells)), key=lambda place: profiles[place].mean_length)
    others = [profile for place, profile in enumerate(profiles) if place != text and profile.n]
    has_few_labels = any(profile.n_distinct * 2 <= profile.n for profile in others)
    if " " in cells[text] or not others:
        return False
    if profiles[text].phrases >= (0.9 if has_few_labels else 0.95):
        return len(rows) > 10 or has_few_labels
    return has_few_labels and len(cells[text]) * 3 < profiles[text].mean_length  # Chinese has no blanks


def is_unlike_others(rows: Sequence[Row]) -> bool:
    """Whether the first row has names only, and no other row has one of its cells in the same column."""
    cells = rows[0].cells
    return _are_names(cells) and not any(
        cell.strip() and cell == other for row in rows[1:] for cell, other in zip(cells, row.cells, strict=False)
    )


def _are_names(cells: Sequence[str]) -> bool:
    """Whether the cells could name columns.

    The first one may be empty, above the numbers of rows, and the last ones, as a spreadsheet has columns to the right.
    """
    names = [cell.strip() for cell in cells]
    while len(names) > 2 and not names[-1]:
        names.pop()
    return len(set(names)) == len(names) and all(
        (NAME_LIKE.fullmatch(name) and len(name) <= LONGEST_NAME) or (place == 0 and not name)
        for place, name in enumerate(names)
    )


# ---- text and label


def may_be_read(table: Table, place: int) -> bool:
    """Whether a column is neither empty nor an id."""
    profile = table.profiles[place]
    name = table.folded[place] if place < len(table.folded) else "text"
    return not profile.is_id and profile.mean_length > 0 and name not in ID_NAMES and not name.endswith("_id")


def guess_text(table: Table, *, free: Sequence[int], is_only: bool) -> int | None:
    """The column with the most different cells, else with the longest, else the only one of phrases.

    Most and longest: twice as many, or as long, as any other. Two columns of different phrases leave a choice: None.
    is_only  all others are known
    """
    if is_only and len(free) == 1:
        return free[0]
    profiles = {place: table.profiles[place] for place in free}
    n_texts = sum(one.n >= 10 and one.phrases >= 0.8 and one.n_distinct >= 0.8 * one.n for one in profiles.values())
    if len(free) < 2 or n_texts > 1:
        return None
    measures: tuple[Callable[[Profile], float], ...] = (
        lambda profile: profile.n_distinct,
        lambda profile: profile.mean_length,
        lambda profile: (profile.phrases >= 0.8) + (profile.phrases > 0.2),
    )
    for measure in measures:
        second, best = sorted(free, key=lambda place: measure(profiles[place]))[-2:]
        if measure(profiles[best]) >= max(2 * measure(profiles[second]), 1):
            return best
    return None


def guess_label(table: Table, *, free: Sequence[int]) -> tuple[int, ...]:
    """The column with few different cells, or all columns where they say yes or no below a name."""
    if len(free) > 1 and table.header and find_yes_no(table, free=free) == tuple(free):
        return tuple(free)
    profiles = {place: table.profiles[place] for place in free}
    likely = [place for place, one in profiles.items() if one.n < 30 or one.n_distinct <= 0.9 * one.n]
    few = [place for place in likely if 1 < profiles[place].n_distinct <= profiles[place].n / 2]
    chosen = likely if len(free) == 1 else few
    return tuple(chosen) if len(chosen) == 1 else ()


def find_yes_no(table: Table, *, free: Sequence[int]) -> tuple[int, ...]:
    """The columns that say yes or no in the way in which most of them do; one cell in ten may be a slip."""
    chosen: tuple[int, ...] = ()
    for yes, no in ANSWERS:
        alike = tuple(place for place in free if _answer(table.cells(place), yes=yes, no=no))
        chosen = max(chosen, alike, key=len)
    return chosen


def _answer(cells: Sequence[str], *, yes: Set[str], no: Set[str]) -> bool:
    said = [cell.casefold() for cell in cells]
    n_slips = sum(one not in yes and one not in no for one in said if one)
    return any(one in yes or one in no for one in said) and n_slips <= (1 - MOST_ANSWERS) * len(said)


def _profile(table: Table, place: int) -> Profile:
    cells = [cell for cell in table.cells(place) if cell]
    if not cells:
        return Profile(0, 0, 0.0, 0.0, is_id=False, is_numbers=False)
    return Profile(
        n=len(cells),
        n_distinct=len(set(cells)),
        mean_length=fmean(map(len, cells)),
        phrases=fmean(" " in cell for cell in cells),
        is_numbers=all(map(NUMBERS.fullmatch, cells)),
        is_id=_are_ids(cells, n_columns=table.n_columns, is_first=place == 0),
    )


def _are_ids(cells: Sequence[str], *, n_columns: int, is_first: bool) -> bool:
    """Whether the cells number or name the rows: all different, and rising numbers, many numbers, or codes."""
    if len(set(cells)) < len(cells):
        return False
    if all(map(INTEGER.fullmatch, cells)):
        keys = [(len(cell), cell) for cell in cells]  # no int(): a number of 5000 digits is none to Python
        return len(cells) >= 10 or ((len(cells) >= 5 or (is_first and n_columns > 2)) and keys == sorted(keys))
    lengths = [len(cell) for cell in cells]
    has_digits = any(char.isdigit() for cell in cells for char in cell)
    is_even = max(lengths) - min(lengths) <= 2
    return len(cells) >= 10 and n_columns > 2 and is_even and has_digits and all(map(CODE.fullmatch, cells))


def say_yes_or_no(table: Table, *, places: Sequence[int]) -> bool:
    """Whether the cells of the label columns are yes or no: nearly all, so that a slip is told and not read."""
    cells = [cell.casefold() for place in places for cell in table.cells(place % table.n_columns) if cell]
    others = [cell for cell in cells if cell not in YES | NO]
    most = MOST_ANSWERS if any(map(NUMBERS.fullmatch, others)) else 0.5  # 0 and 1 may be two of many classes
    return bool(cells) and len(others) <= (1 - most) * len(cells)
