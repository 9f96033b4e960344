"""Which tags of MAE files become labels: what `data.tags` names, the task's DTD or a YAML file."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from nertune.data.source import Source, listed, quoted
from nertune.errors import DataError, UserError, closest
from nertune.spec.yaml_lines import KeyPath, YamlTree, read_yaml

OPTIONS = ("label", "attribute", "default")
EXAMPLE = "Write for example: {DRUG: true, SYMPTOM: {attribute: status}, DOSE: {label: Dose}, PERSON: false}"
CATEGORIES = "tagCategories"  # of healthcare-deid's configuration: [{name: NAME, infoTypes: […]}, …]
ALWAYS = {"id", "spans", "start", "end", "text"}  # attributes that MAE gives every tag with a place in the text

COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
ELEMENT = re.compile(r"<!ELEMENT\s+([^\s>]+)\s+([^>]*)>")
ATTRIBUTES = re.compile(r"<!ATTLIST\s+([^\s>]+)\s+([^>]*)>")
ATTRIBUTE = re.compile(r"([^\s()|\"'#=]+)\s+(?:CDATA\b|ID\b|IDREFS?\b|NMTOKENS?\b|\(|#)")
PLACEHOLDER = re.compile(r"\{([^{}]*)\}")


@dataclass(frozen=True)
class TagRule:
    """How a tag becomes a label.

    pattern  the label, attributes in braces: `SYMPTOM.{status}`
    default  the value of an attribute that a tag has no value for
    label    of a tag without a value for one of the attributes, if there is no default
    """

    pattern: str
    label: str
    default: str = ""

    @property
    def attributes(self) -> list[str]:
        return PLACEHOLDER.findall(self.pattern)

    def missing(self, attributes: Mapping[str, str]) -> list[str]:
        """The attributes that a tag with these has no value for."""
        return [name for name in self.attributes if not attributes.get(name, "").strip() and not self.default]

    def label_of(self, attributes: Mapping[str, str]) -> str:
        """The label of a tag with these attributes."""
        if self.missing(attributes):
            return self.label
        return PLACEHOLDER.sub(lambda match: attributes.get(match[1], "").strip() or self.default, self.pattern)


@dataclass(frozen=True)
class TagDefinition:
    """The rule of each tag that the file names, None for one left out on purpose; without a file any tag has one."""

    rules: Mapping[str, TagRule | None] | None = None

    def names(self, tag: str) -> bool:
        return self.rules is None or tag in self.rules

    def rule_of(self, tag: str) -> TagRule | None:
        return TagRule(tag, tag) if self.rules is None else self.rules.get(tag)

    def nearest(self, tag: str) -> str | None:
        """A name in the file that may have been meant for this tag."""
        names = {name.casefold(): name for name in self.rules or ()}
        return names.get(closest(tag.casefold(), names) or "")


@dataclass
class _Task:
    """What a DTD declares: the attributes of each tag, and which tags have a place in the text."""

    extents: list[str] = field(default_factory=list)
    attributes: dict[str, set[str]] = field(default_factory=dict)


def read_definition(path: Path, *, source: Source) -> TagDefinition:
    """The definition in a file, whose bytes count in the fingerprint of the source.

    A DTD makes a label of every tag that it declares with a place in the text. In YAML each tag has `true` (its name is
    the label), `false` (left out), another name, or options: `label` is the name, in which `{attribute}` stands for the
    value of an attribute; `attribute: status` is short for the label `TAG.{status}`; `default` is the value of an
    attribute that is missing or empty, without which the tag's name alone is the label. A list of names is a list of
    tags that are `true`; so are the names under `tagCategories`.

    Raises  DataError for a file that is missing or neither, and for names that the only DTD beside the source lacks
    """
    text = source.beside(path).text()
    return _parsed(path, text, source.path.parent)


@lru_cache(maxsize=16)  # a folder of documents asks for each of them
def _parsed(path: Path, text: str, folder: Path) -> TagDefinition:
    if path.suffix == ".dtd" or COMMENT.sub("", text).lstrip().startswith("<!"):
        task = _parse_task(text)
        if not task.extents:
            fix = "One is declared so: <!ELEMENT DRUG ( #PCDATA ) >"
            raise Source(path).problem("declares no tag with a place in the text", fix=fix)
        return TagDefinition({tag: TagRule(tag, tag) for tag in task.extents})
    tree = _read_tree(path)
    rules = dict(_rules(tree))
    _check(rules, tree=tree, folder=folder)
    return TagDefinition(rules)


# ---- DTD


def _parse_task(text: str) -> _Task:
    """What MAE's simplified DTD declares, which is no DTD for an XML parser: types of attributes are missing in it."""
    text, task = COMMENT.sub("", text), _Task()
    for tag, content in ELEMENT.findall(text):
        task.attributes.setdefault(tag, set())
        if "#PCDATA" in content and tag not in task.extents:
            task.extents.append(tag)
    for tag, attributes in ATTRIBUTES.findall(text):
        task.attributes.setdefault(tag, set()).update(ATTRIBUTE.findall(attributes))
    return task


def _task_of(folder: Path) -> tuple[Path, _Task] | None:
    """The DTD of a folder, if there is one only and it can be read."""
    paths = sorted(folder.glob("*.dtd"))
    try:
        return (paths[0], _parse_task(Source(paths[0]).text())) if len(paths) == 1 else None
    except DataError:
        return None


# ---- YAML


def _read_tree(path: Path) -> YamlTree:
    try:
        tree = read_yaml(path, as_written=set())
    except UserError as error:
        raise DataError(error.message, where=error.where, fix=error.fix) from None
    except RecursionError:
        raise Source(path).problem("is nested too deep", fix=EXAMPLE) from None
    for problem in tree.problems:
        raise DataError(problem.message, where=problem.where, fix=problem.fix)
    return tree


def _rules(tree: YamlTree) -> Iterator[tuple[str, TagRule | None]]:
    values = tree.values
    if isinstance(values, dict) and CATEGORIES in values:
        categories = values[CATEGORIES]
        values = (
            [item.get("name") for item in categories if isinstance(item, dict)] if isinstance(categories, list) else []
        )
    if isinstance(values, list):
        values = {name: True for name in values if isinstance(name, str)}
    if not isinstance(values, dict) or not values:
        raise _wrong(tree, (), "names no tags", fix=EXAMPLE)
    for tag, value in values.items():
        if type(value) not in RULES:
            message = f"{quoted(tag)} has {quoted(str(value))}, but true, false, a name or options are read"
            raise _wrong(tree, (tag,), message)
        yield tag, RULES[type(value)](tree, tag, value)


def _named_rule(_: YamlTree, tag: str, value: Any) -> TagRule:
    label = str(value or tag)
    return TagRule(label, tag if PLACEHOLDER.search(label) else label)


def _rule_with_options(tree: YamlTree, tag: str, options: Any) -> TagRule:
    for name, value in options.items():
        if name not in OPTIONS:
            near = closest(name, OPTIONS) or OPTIONS[0]
            message = f"{quoted(tag)} has the option {quoted(name)}, but only {listed(OPTIONS)} are read"
            raise _wrong(tree, (tag, name), message, fix=f"Did you mean {near}?")
        if isinstance(value, dict | list):
            raise _wrong(tree, (tag, name), f"{name} of {quoted(tag)} is no plain text")
    named = _named_rule(tree, tag, options.get("label"))
    attribute, default = options.get("attribute"), options.get("default")
    pattern = f"{named.pattern}.{{{attribute}}}" if attribute is not None else named.pattern
    shown = "" if default is None else str(default).lower() if isinstance(default, bool) else str(default)
    return TagRule(pattern, named.label, shown)


RULES: dict[type, Callable[[YamlTree, str, Any], TagRule | None]] = {
    bool: lambda _, tag, value: TagRule(tag, tag) if value else None,
    type(None): _named_rule,
    str: _named_rule,
    int: _named_rule,
    dict: _rule_with_options,
}


def _check(rules: Mapping[str, TagRule | None], *, tree: YamlTree, folder: Path) -> None:
    """Raise DataError for tags and attributes that the DTD beside the annotated files does not declare."""
    found = _task_of(folder)
    if found is None:
        return
    path, task = found
    for tag, rule in rules.items():
        if tag not in task.extents and (rule is not None or tag not in task.attributes):
            what = "tag with a place in the text"
            raise _unknown(tree, (tag,), what=what, name=tag, known=task.extents, path=path)
        known = task.attributes.get(tag, set()) | ALWAYS
        for name in rule.attributes if rule else []:
            if name not in known:
                raise _unknown(tree, (tag,), what=f"attribute of {tag}", name=name, known=sorted(known), path=path)


def _unknown(tree: YamlTree, key: KeyPath, *, what: str, name: str, known: list[str], path: Path) -> DataError:
    near = closest(name, known)
    fix = f"Did you mean {near}?" if near else None
    return _wrong(tree, key, f"{quoted(name)} is no {what}; {path.name} declares {listed(known)}", fix=fix)


def _wrong(tree: YamlTree, key: KeyPath, message: str, *, fix: str | None = EXAMPLE) -> DataError:
    return DataError(message, where=tree.where(key), fix=fix)
