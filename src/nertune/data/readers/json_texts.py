"""JSON with a text an item, or a pair of them, and its class or classes.

Forms, told by the keys of each item:
  plain         {"text": "…", "label": "good"}, {"text": "…", "labels": ["a", "b"]}, {"premise", "hypothesis", "label"};
                numbers are classes by themselves, or by their names where a list of names is found (`label_lists`);
                in a text ("a, b") several labels may stand, as in the cell of a table
  by column     `data.columns: {label: [joy, fear]}`: each key says with 1 or true that the text has this class
  doccano       {"text", "label": ["good"]}
  Prodigy       {"text", "accept": ["good"], "answer"}, or {"text", "label", "answer"}: with one label in the file, what
                was rejected is its opposite, `not LABEL`
  Label Studio  [{"data": {"text"}, "annotations": [{"result": [{"type": "choices", "value": {"choices": ["a"]}}]}]}];
                of several annotations the ground truth is read, else the first; JSON-MIN: {"text", "sentiment": "a"}
  spaCy         {"text", "cats": {"good": 1.0, "bad": 0.0}}, and ["text", {"cats": {…}}]
`data.columns: {text: KEY, label: KEY, pair: KEY}` where the keys have other names.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from nertune.data.json_lines import Json, column_keys, first_items, key_names, open_json, shown
from nertune.data.label_lists import LIST_KEYS, LabelNames, unknown_number
from nertune.data.label_studio import is_task, kind_of, read_results, read_text
from nertune.data.readers.json_tokens import WORD_KEYS, find_tags, is_words
from nertune.data.source import LabelledText, Source, listed, quoted

TEXT_KEYS = ("text", "sentence", "content", "data", "utterance", "review", "tweet")
PAIR_KEYS = {  # first text -> second text
    "sentence1": ("sentence2",),
    "premise": ("hypothesis",),
    "question1": ("question2",),
    "question": ("sentence",),
    "text1": ("text2",),
    "text_a": ("text_b",),
    "sentence_a": ("sentence_b",),
    "text": ("text2", "text_pair", "pair"),
}
LABEL_KEYS = ("label", "labels", "cats", "accept", "category", "categories", "class", "classes", "intent", "sentiment")
DOCUMENT_KEYS = ("document", "document_id", "doc_id", "doc")
COLUMNS = ("text", "label", "pair")
REJECTED, IGNORED = "reject", "ignore"  # Prodigy's answers
YES, NO = {"1", "true", "yes"}, {"0", "false", "no", ""}
BLANKS = " \t\r\n"  # around a label, as in tables
IS_TRUE = 0.5  # least value of a true class in spaCy's `cats`
EXAMPLE = 'Write for example: {"text": "a fine film", "label": "good"}'

Object = dict[str, Json]


@dataclass
class TextForm:
    """How the items of a file are read.

    columns    names of keys by `data.columns`
    header     what stands beside the items in their file
    names      of the numbers of each key
    questions  labels that Prodigy's items ask about
    """

    source: Source
    columns: Mapping[str, tuple[str, ...]]
    header: dict[str, Json] = field(default_factory=dict)
    names: dict[str, LabelNames] = field(default_factory=dict)
    questions: set[str] = field(default_factory=set)
    has_rejected: bool = False


def read_json_texts(source: Source) -> Iterator[LabelledText]:
    """The texts of a JSON file with their classes, one for each item. See above for the forms."""
    columns = key_names(source, known=COLUMNS)
    file = open_json(source)
    form = TextForm(source, columns, dict(file.header))
    has_begun = False
    for line, item in file.items:
        if not has_begun and isinstance(item, dict) and _is_header(item, form=form):
            form.header |= item
            continue
        has_begun = True
        text = read_labelled(item, form=form, line=line)
        if text is not None:
            yield text


def looks_like_json_texts(source: Source) -> bool:
    """Whether one of the first items has a text and a class, or all have a place for classes."""
    header, items = first_items(source)
    columns = column_keys(source, known=COLUMNS)
    form = TextForm(Source(source.path, source.data), columns, dict(header))  # apart: nothing is told
    found = [None if _is_tagged(item) and not columns else _has_class(item, form=form) for item in items]
    return any(found) or (bool(found) and None not in found)


def _has_class(item: Json, *, form: TextForm) -> bool | None:
    """Whether an item has a class; None where it is no text with a place for it."""
    text = read_labelled(item, form=form, line=1)
    return None if text is None else bool(text.labels)


def _is_tagged(item: Json) -> bool:
    """Whether an item has a list of words, and what could be a class of the text is a tag for each of them."""
    words = [item[key] for key in WORD_KEYS if is_words(item.get(key))] if isinstance(item, dict) else []
    return any(len(item[key]) == len(one) for one in words for key in find_tags(item, n_words=len(one)))


def _is_header(item: Object, *, form: TextForm) -> bool:
    """Whether the first line of JSON Lines is no text, but says what the numbers mean."""
    return _text_keys(item, form=form)[0] not in item and any(key in item for key in (*LIST_KEYS, "features"))


# ---- items


def read_labelled(item: Json, *, form: TextForm, line: int) -> LabelledText | None:
    """The text of an item with its classes; None, and a fault or notice, where it is left out."""
    if isinstance(item, list) and len(item) == 2 and isinstance(item[0], str) and isinstance(item[1], dict):
        item = {**item[1], "text": item[0]}  # spaCy's pair
    if not isinstance(item, dict):
        form.source.fault(f"{shown(item)} where an object with a text is needed", line=line, fix=EXAMPLE)
        return None
    if is_task(item):
        return _read_task(item, form=form, line=line)
    keys = [key for key in _text_keys(item, form=form) if key is not None]
    texts = [text for text in map(item.get, keys) if isinstance(text, str)]
    if len(texts) < len(keys):
        message = f"no text is found here ({listed(keys)}); the keys are {listed(list(item))}"
        form.source.fault(message, line=line, fix=_text_fix(item, keys=keys))
        return None
    label_keys = form.columns.get("label") or _label_key(item, but=keys)
    labels = _labels(item, keys=label_keys, but=keys, form=form, line=line)
    if labels is None:
        return None
    is_cell = len(label_keys) == 1 and isinstance(item.get(label_keys[0]), str) and "answer" not in item
    return _make_text(item, texts=texts, labels=labels, is_cell=is_cell, source=form.source, line=line)


def _text_fix(item: Object, *, keys: Sequence[str]) -> str:
    """What to do about an item without a text."""
    if any(isinstance(item.get(key), dict) for key in keys):
        return 'Write an object for each text; from pandas: table.to_json("FILE", orient="records", lines=True)'
    words = [key for key, value in item.items() if isinstance(value, str)]
    if len(words) < 2:
        return EXAMPLE
    text = max(words, key=lambda key: len(str(item[key])))
    label = next(key for key in reversed(words) if key != text)
    return f"Say which keys: data: {{columns: {{text: {quoted(text)}, label: {quoted(label)}}}}}"


def _text_keys(item: Object, *, form: TextForm) -> tuple[str, str | None]:
    """The keys of the text and, of a pair, of the second one."""
    pair = (form.columns.get("pair") or (None,))[0]  # empty where a number was given, for a table
    if form.columns.get("text"):
        return form.columns["text"][0], pair
    for first, seconds in PAIR_KEYS.items() if pair is None else ():
        second = next((key for key in seconds if isinstance(item.get(key), str)), None)
        if second is not None and isinstance(item.get(first), str):
            return first, second
    return next((key for key in TEXT_KEYS if isinstance(item.get(key), str)), TEXT_KEYS[0]), pair


def _make_text(
    item: Object, *, texts: Sequence[str], labels: tuple[str, ...], source: Source, line: int, is_cell: bool = False
) -> LabelledText:
    if not all(text.strip() for text in texts):
        source.notice("empty-texts", line=line)
    names = (item.get(key) for key in DOCUMENT_KEYS)
    return LabelledText(
        texts[0],
        labels,
        line,
        pair=texts[1] if len(texts) > 1 else None,
        document=next((str(name) for name in names if type(name) in (str, int) and name != ""), None),
        is_cell=is_cell,
    )


def _read_task(task: Object, *, form: TextForm, line: int) -> LabelledText | None:
    """The text of Label Studio's task, and what was chosen for it."""
    results = read_results(form.source, task, line=line)
    if results is None:
        return None
    text = read_text(form.source, task, names=form.columns.get("text", TEXT_KEYS), line=line)
    chosen: list[str] = []
    for result in results:
        value = result.get("value") if kind_of(result) == "choices" else None
        if isinstance(value, dict) and isinstance(value.get("choices"), list):
            chosen += [choice for choice in value["choices"] if isinstance(choice, str)]
        else:
            form.source.notice("unread-annotations", line=line, detail=kind_of(result))
    if not chosen:
        form.source.notice("skipped-items", line=line, detail="nothing was chosen")
    if text is None or not chosen:
        return None
    return _make_text(task, texts=[text], labels=tuple(chosen), source=form.source, line=line)


# ---- classes


def _labels(
    item: Object, *, keys: tuple[str, ...], but: Sequence[str], form: TextForm, line: int
) -> tuple[str, ...] | None:
    """The classes of an item; None, and a fault or notice, where it is left out.

    keys  of the label
    but   keys of the texts
    """
    answer = item.get("answer")
    is_question = keys == ("label",) and isinstance(item.get("label"), str)
    if answer == IGNORED or (answer == REJECTED and not is_question):
        form.source.notice("skipped-items", line=line, detail=f"answer: {answer}")
        return None
    if not keys:
        message = f"no label is found here; the keys are {listed(list(item))}"
        likely = [key for key, value in item.items() if key not in but and value in (0, 1)]
        shown = f"[{', '.join(likely)}]" if len(likely) > 1 else "KEY"
        form.source.fault(message, line=line, fix=f"Add it, or say which key: data: {{columns: {{label: {shown}}}}}")
        return None
    if len(keys) > 1:
        return _classes_of_columns(item, keys=keys, source=form.source, line=line)
    if answer is not None and is_question:
        _ask(item["label"], form=form, is_rejected=answer == REJECTED, line=line)
    if answer == REJECTED:
        return (f"not {item['label']}",)
    return _classes(item.get(keys[0]), key=keys[0], form=form, line=line)


def _label_key(item: Object, *, but: Sequence[str]) -> tuple[str, ...]:
    """The key of the label: the first of the usual ones that holds something, else one of Label Studio's choices."""
    keys = sorted((key for key in LABEL_KEYS if key in item and key not in but), key=lambda key: item[key] is None)
    choices = (key for key, value in item.items() if isinstance(value, dict) and "choices" in value)
    return tuple([*keys, *choices][:1])


def _ask(label: str, *, form: TextForm, is_rejected: bool, line: int) -> None:
    """Keep a fault where items ask about several labels and one was rejected: nobody said what is right then."""
    form.questions.add(label)
    form.has_rejected |= is_rejected
    if form.has_rejected and len(form.questions) > 1:
        form.source.fault(
            f"items ask about several labels ({listed(sorted(form.questions))}), and what is rejected has none then",
            line=line,
            fix='Keep what was accepted: grep -v \'"answer": *"reject"\' FILE',
        )


def _classes(value: Json, *, key: str, form: TextForm, line: int) -> tuple[str, ...] | None:
    """The classes that a label says: a text or number, a list of them, or an object with a number for each class."""
    if isinstance(value, dict):
        numbers = {type(one) for one in value.values()} <= {int, float, bool}
        value = [name for name, one in value.items() if one >= IS_TRUE] if numbers else value.get("choices")
    values = value if isinstance(value, list) else [value]
    names = [_class(one, key=key, form=form, line=line, is_listed=value is values) for one in values]
    found = tuple(name for name in names if name is not None)
    return found if len(found) == len(names) else None


def _class(value: Json, *, key: str, form: TextForm, line: int, is_listed: bool) -> str | None:
    """The name of a class, nothing for an empty text that stands alone; None, and a fault, where the value is none."""
    value = int(value) if isinstance(value, float) and value.is_integer() else value
    if type(value) is int:
        names = form.names.setdefault(key, LabelNames(form.source, key, form.header)).find()
        if names is not None and value not in names:
            form.source.faults.add(unknown_number(form.source, value, names=names, line=line))
        return str(value) if names is None else names.get(value)
    name = _plain(value)
    if name is None or (not name.strip(BLANKS) and is_listed):
        what = "missing" if value is None else "empty" if value == "" else shown(value)
        form.source.fault(f"{key} is {what} where a class is needed", line=line, fix="Add it, or delete the item.")
        return None
    return name.strip(BLANKS)


def _plain(value: Json) -> str | None:
    """A text, number, or true or false as it is written; None for anything else."""
    if isinstance(value, bool):
        return str(value).lower()
    is_finite = isinstance(value, int | str) or (isinstance(value, float) and math.isfinite(value))
    return str(value) if is_finite else None


def _classes_of_columns(item: Object, *, keys: tuple[str, ...], source: Source, line: int) -> tuple[str, ...] | None:
    """The keys that say yes; or, where they hold classes themselves, what they hold."""
    cells = {key: _plain(item.get(key)) for key in keys}
    wrong = [key for key, cell in cells.items() if cell is None]
    for key in wrong:
        message = f"{quoted(key)} is {shown(item.get(key))} where a class, or 1 or 0, is needed"
        source.fault(message, line=line, fix="Write 1 where the text has this class, else 0.")
    if wrong:
        return None
    said = {key: str(cell).casefold().removesuffix(".0") for key, cell in cells.items()}
    if set(said.values()) <= YES | NO:
        return tuple(key for key, cell in said.items() if cell in YES)
    return tuple(sorted({cell for cell in cells.values() if cell}))
