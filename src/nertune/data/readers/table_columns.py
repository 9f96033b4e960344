"""Columns of a table of texts: which one holds the text, which one its label, and whether the first row names them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from nertune.data.readers.table_names import (
    SEVERAL_NAMES,
    count_known_names,
    fold,
    is_numbered_label,
    labels_by_name,
    pair_by_name,
    texts_by_name,
)
from nertune.data.readers.table_profiles import (
    Table,
    find_yes_no,
    guess_label,
    guess_text,
    is_unlike_others,
    looks_like_header,
    may_be_read,
    say_yes_or_no,
)
from nertune.data.readers.table_rows import Row
from nertune.data.source import (
    Column,
    Source,
    check_column_keys,
    find_named_column,
    listed,
    missing_column,
    quoted,
)

KEYS = ("text", "pair", "label")

Places = dict[str, tuple[int, ...]]  # what is read -> numbers of its columns; several for label only


@dataclass(frozen=True)
class Layout:
    """Where text, label and the second text stand: numbers from 0, or from -1 backwards.

    label        one column, whose cell is the label; or several of them
    label_names  names of the label columns, for those that hold only yes or no
    is_yes_no    each label column says whether the text has its name as label
    n_columns    that a row has
    header       the row that names the columns; None: there is none
    """

    text: int
    label: tuple[int, ...]
    pair: int | None
    n_columns: int
    header: Row | None
    label_names: tuple[str, ...] | None = None
    is_yes_no: bool = False

    @property
    def places(self) -> tuple[int, ...]:
        """The columns that are read: text, labels, and the second text if there is one."""
        return (self.text, *self.label, *(() if self.pair is None else (self.pair,)))

    @property
    def is_plural(self) -> bool:
        """Whether one column holds the label, and is called `labels`."""
        names = self.header.cells if self.header else []
        (place, *others) = self.label
        return not others and -len(names) <= place < len(names) and fold(names[place]) in SEVERAL_NAMES

    @cached_property
    def n_needed(self) -> int:
        """The least number of columns a row must have: all, where one is counted from the last."""
        return self.n_columns if min(self.places) < 0 else max(self.places) + 1


def find_layout(source: Source, *, rows: Sequence[Row], like: Layout | None = None) -> Layout | None:
    """Where things stand in a table whose first rows these are (never none); None with faults kept in `source`.

    `data.columns` comes first, then names that the header is known by, then what the cells look like, which is noticed.

    like  of the corpus' first table: this one's, too, unless its first row says something else
    """
    if not _check_keys(source):
        return None
    table = None if like is None else _table_like(source, rows=rows, like=like)
    if table is not None and like is not None:
        return _layout_like(source, table=table, like=like)
    has_header, is_guess = _has_header(source, rows=rows, like=like)
    table = Table(rows[0] if has_header else None, rows[1:] if has_header else rows)
    given = _given_places(source, table=table)
    if given is None or not _is_even(source, table=table):
        return None
    named = {**_named_places(table, given=given), **given}
    places = {**_guessed_places(table, known=named), **named}
    if not _is_found(source, table=table, places=places):
        return None
    _tell(source, table=table, places=places, is_guess=is_guess or places.keys() != named.keys())
    return _make_layout(source, table=table, places=places)


# ---- the header


def _has_header(source: Source, *, rows: Sequence[Row], like: Layout | None = None) -> tuple[bool, bool]:
    """Whether the first row names the columns, and whether that was told from the other cells."""
    if source.data.header != "auto":
        return source.data.header, False
    if like is not None and like.header is not None and _folded(rows[0]) & _folded(like.header):
        return True, False
    if any(isinstance(column, str) for key in source.columns for column in _as_tuple(source.columns[key])):
        return True, False
    n_known = count_known_names(rows[0].cells)
    if n_known == 2 or (n_known == 1 and is_unlike_others(rows)):
        return True, False
    is_header = looks_like_header(rows)
    return is_header, is_header


def _folded(row: Row) -> set[str]:
    return {fold(cell) for cell in row.cells} - {""}


# ---- as in the first table of the corpus


def _table_like(source: Source, *, rows: Sequence[Row], like: Layout) -> Table | None:
    """The table with a header if its first row has the first table's names, without one if it names nothing.

    None where the first row contradicts: it has other names, or another number of columns.
    """
    if like.header is not None and _places_by_name(rows[0], like=like) is not None:
        return Table(rows[0], rows[1:])
    n_known = 0 if source.data.header is False else count_known_names(rows[0].cells)
    has_header = n_known == 2 if like.header is None else _has_header(source, rows=rows, like=like)[0]
    table = Table(None, rows)
    if has_header or table.n_columns != like.n_columns:
        return None
    if like.header is not None:
        source.notice("lacking-headers", line=rows[0].line, detail=quoted(rows[0].cells[like.text]))
    return table


def _places_by_name(row: Row, *, like: Layout) -> list[int] | None:
    """The columns of this header that have the names of those that are read of the first table; None if one lacks."""
    assert like.header is not None
    names, known = ([fold(cell) for cell in cells] for cells in (row.cells, like.header.cells))
    if names == known:
        return [*like.places]
    wanted = [known[place] if -len(known) <= place < len(known) else "" for place in like.places]
    is_clear = all(name and known.count(name) == names.count(name) == 1 for name in wanted)
    return [names.index(name) for name in wanted] if is_clear else None


def _layout_like(source: Source, *, table: Table, like: Layout) -> Layout | None:
    if not _is_even(source, table=table):
        return None
    places = _places_by_name(table.header, like=like) if table.header else [*like.places]
    assert places is not None
    text, *labels = places[: 1 + len(like.label)]
    pair = places[-1] if like.pair is not None else None
    read: Places = {"text": (text,), "label": tuple(labels), **({} if pair is None else {"pair": (pair,)})}
    _tell(source, table=table, places=read, is_guess=False)
    return replace(like, text=text, label=tuple(labels), pair=pair, n_columns=table.n_columns, header=table.header)


# ---- data.columns


def _as_tuple(column: Column | tuple[Column, ...]) -> tuple[Column, ...]:
    return column if isinstance(column, tuple) else (column,)


def _check_keys(source: Source) -> bool:
    """Whether `data.columns` can be followed, before the table is looked at; faults are kept where not."""
    problems = check_column_keys(source, known=KEYS)
    names = [column for key in source.columns for column in _as_tuple(source.columns[key]) if isinstance(column, str)]
    if names and source.data.header is False:
        message = f"data.columns names {quoted(names[0])}, but data.header is false"
        problems.append(source.problem(message, fix="Give numbers, for example: data: {columns: {text: 0, label: 1}}"))
    for key in ("text", "pair"):
        if isinstance(source.columns.get(key), tuple):
            fix = "Write for example: data: {columns: {text: title, pair: body}}"
            problems.append(source.problem(f"data.columns.{key} is a list, but it is one column", fix=fix))
    for problem in problems:
        source.faults.add(problem)
    return not problems


def _given_places(source: Source, *, table: Table) -> Places | None:
    """The columns that `data.columns` chooses; None, with faults kept, where one is not there."""
    places: Places = {}
    for key, columns in source.columns.items():
        found = [_find_given(source, table=table, key=key, column=column) for column in _as_tuple(columns)]
        places[key] = tuple(place for place in found if place is not None)
        if len(places[key]) < len(found):
            return None
    return places


def _find_given(source: Source, *, table: Table, key: str, column: Column) -> int | None:
    if isinstance(column, int):
        if -table.n_columns <= column < table.n_columns:
            return column
        message = f"there is no column {column}; a row has {table.n_columns}, and the first one is 0"
        source.fault(message, line=table.first.line, fix=f"data: {{columns: {{{key}: {table.n_columns - 1}}}}}")
        return None
    place = find_named_column(column, header=table.names)
    if place is None:
        source.faults.add(missing_column(source, key=key, name=column, header=table.names, line=table.first.line))
    elif table.names.count(table.names[place]) > 1:
        message = f"{table.names.count(table.names[place])} columns are named {quoted(column)}"
        fix = f"Give the number of the right one, for example: data: {{columns: {{{key}: {place}}}}}"
        source.fault(message, line=table.first.line, fix=fix)
        return None
    return place


def _is_even(source: Source, *, table: Table) -> bool:
    """Whether the header's names stand above the cells that they name; a fault is kept where most rows have more."""
    if not table.names or not table.lacks_names or _all_by_number(source):
        return True
    source.fault(
        f"the header names {len(table.names)} columns, but most rows have {table.n_columns}",
        line=table.first.line,
        fix="Correct the header, or give numbers: data: {columns: {text: 0, label: 1}, header: true}",
    )
    return False


def _all_by_number(source: Source) -> bool:
    given = source.columns
    return {"text", "label"} <= given.keys() and all(
        isinstance(column, int) for key in given for column in _as_tuple(given[key])
    )


# ---- names and cells


def _named_places(table: Table, *, given: Places) -> Places:
    """What the header's names say beyond `given`; a name that two columns could have says nothing."""
    taken = _taken(table, given)
    folded = ["" if place in taken else name for place, name in enumerate(table.folded)]
    texts, labels, pair = texts_by_name(folded), labels_by_name(folded), pair_by_name(folded)
    places: Places = {}
    if "text" not in given and "pair" not in given and pair is not None:
        places |= {"text": pair[:1], "pair": pair[1:]}
    elif "text" not in given and len(texts) == 1:
        places["text"] = (texts[0],)
    if "label" not in given and len(labels) == 1:
        places["label"] = (labels[0],)
    return places


def _guessed_places(table: Table, *, known: Places) -> Places:
    """Text and label where names do not say, if the cells leave one choice."""
    taken = _taken(table, known)
    free = [place for place in range(table.n_columns) if place not in taken and may_be_read(table, place)]
    places: Places = {}
    if "text" not in known and len(texts_by_name(table.folded)) < 2:
        text = guess_text(table, free=free, is_only="label" in known)
        places |= {} if text is None else {"text": (text,)}
        free = [place for place in free if place != text]
    if "label" not in known and len(labels_by_name(table.folded)) < 2 and ("text" in known or places):
        label = guess_label(table, free=free)
        places |= {"label": label} if label else {}
    return places


# ---- what was found


def _is_found(source: Source, *, table: Table, places: Places) -> bool:
    """Whether text and label are found, in different columns; faults are kept where not."""
    missing = [key for key in ("text", "label") if key not in places]
    if missing:
        message = "; ".join(_unclear(table, key=key) for key in missing)
        message += f"; the columns are {table.shown_columns()}"
        source.fault(message, line=table.first.line, fix=_example(table, places=places))
        return False
    all_places = [place % table.n_columns for key in places for place in places[key]]
    if len(set(all_places)) < len(all_places):
        keys = " and ".join(key for key in KEYS if key in places)
        fix = "Write for example: data: {columns: {text: 0, label: 1}}"
        source.fault(f"{keys} are the same column", line=table.first.line, fix=fix)
    return len(set(all_places)) == len(all_places)


def _unclear(table: Table, *, key: str) -> str:
    by_name = {"text": texts_by_name, "label": labels_by_name}[key](table.folded)
    if len(by_name) > 1:
        return f"{len(by_name)} columns could be the {key}: {listed([table.names[place] for place in by_name])}"
    return f"which column is the {key} is not clear"


def _example(table: Table, *, places: Places) -> str:
    """How to say the columns, with those that are known."""
    free = [place for place in range(table.n_columns) if place not in _taken(table, places)]
    text = places["text"][0] if "text" in places else max(free or [0], key=lambda at: table.profiles[at].mean_length)
    label = places["label"] if "label" in places else _likely_label(table, free=[at for at in free if at != text])
    names = ", ".join(table.called(place) for place in label)
    shown = names if len(label) == 1 else f"[{names}]"
    return f"Say which: data: {{columns: {{text: {table.called(text)}, label: {shown}}}}}"


def _likely_label(table: Table, *, free: Sequence[int]) -> tuple[int, ...]:
    """Several columns that say yes or no, or are called `label1`, `label2`; else the one with the least variety."""
    numbered = tuple(place for place in free if place < len(table.folded) and is_numbered_label(table.folded[place]))
    several = max(find_yes_no(table, free=free), numbered, key=len)
    if len(several) > 1:
        return several
    likely = [place for place in free if may_be_read(table, place) and table.profiles[place].n_distinct > 1] or free
    return (min(likely, key=lambda place: (table.profiles[place].n_distinct, -place), default=0),)


def _taken(table: Table, places: Places) -> set[int]:
    return {place % table.n_columns for key in places for place in places[key]}


def _make_layout(source: Source, *, table: Table, places: Places) -> Layout:
    is_list = isinstance(source.columns.get("label"), tuple) or len(places["label"]) > 1
    return Layout(
        text=places["text"][0],
        label=places["label"],
        pair=places["pair"][0] if "pair" in places else None,
        n_columns=table.n_columns,
        header=table.header,
        label_names=table.names_of(places["label"]) if is_list else None,
        is_yes_no=is_list and say_yes_or_no(table, places=places["label"]),
    )


def _tell(source: Source, *, table: Table, places: Places, is_guess: bool) -> None:
    """Notice the columns that were chosen by what their cells look like, and those that are not read."""
    line = table.first.line
    if is_guess:
        chosen = [f"{key}: {', '.join(_told(table, places[key]))}" for key in KEYS if key in places]
        header = f"line {table.header.line} is the header" if table.header else "no header"
        source.notice("guessed-columns", line=line, detail=", ".join([*chosen, header]))
    unread = [place for place in range(table.n_columns) if place not in _taken(table, places)]
    if unread:
        source.notice("unread-columns", line=line, detail=", ".join(_told(table, unread[:20])), n=len(unread))


def _told(table: Table, places: Sequence[int]) -> list[str]:
    called = [table.called(place) for place in places]
    return [f"column {name}" if name.isdecimal() else name for name in called]
