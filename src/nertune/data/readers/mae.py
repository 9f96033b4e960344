"""MAE XML: a text in CDATA, and tags with places in it or with links between such tags. One file is one document."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from nertune.data.documents import Document, Entity, Part, Relation
from nertune.data.source import Source, quoted
from nertune.data.standoff import keep_known, place_entities
from nertune.data.tag_definition import TagDefinition, read_definition
from nertune.data.xml import Node, outline, read_nodes
from nertune.errors import DataError

TEXT, TAGS = "TEXT", "TAGS"
NOWHERE = (-1, -1)  # of a tag that stands for the whole document, or for what is not said
PLACE = re.compile(r"\s*(-?[0-9]{1,15})\s*~\s*(-?[0-9]{1,15})\s*")
PLACE_ATTRIBUTES = {"id", "spans", "start", "end", "text"}
ARGUMENT = re.compile(r"(.+)ID")  # fromID, toID, agentID


@dataclass
class _Found:
    """What has been read of the tags."""

    source: Source
    definition: TagDefinition
    entities: list[Entity] = field(default_factory=list)
    relations: list[Relation] = field(default_factory=list)


def read_mae(source: Source) -> Iterator[Document]:
    """The one document of a file.

    Tags with a place are entities: all of them, labelled with their names, or what the file `data.tags` makes of them.
    Their other attributes become the note. Tags that link others are relations. Tags without a place are counted.

    Raises  DataError for what is no XML or has no text
    """
    definition = _definition(source)
    if definition is None:
        return
    text, tags = _text_and_tags(source)
    found = _Found(source, definition)
    for tag in tags:
        _read_tag(tag, found=found)
    entities = place_entities(found.entities, text=text.text, source=source)
    ids = [entity.id for entity in entities if entity.id is not None]
    relations = keep_known(found.relations, ids=ids, source=source)
    is_plain = text.end_line - text.text_line == text.text.count("\n")
    where = source.where(text.text_line)
    yield Document(source.path.stem, text.text, tuple(entities), where, relations, is_plain=is_plain)


def looks_like_mae(source: Source) -> bool:
    """Whether it is XML whose root begins with a text, and this is in CDATA or followed by tags."""
    paths = outline(source)
    if len(paths) < 2 or paths[1][1:] != (TEXT,):
        return False
    return (paths[0][0], TAGS) in paths or "<![CDATA[" in source.head


def _definition(source: Source) -> TagDefinition | None:
    """What `data.tags` says; None if that is wrong, which is told once for all files of a folder."""
    if source.data.tags is None:
        return TagDefinition()
    try:
        return read_definition(source.data.tags, source=source)
    except DataError as problem:
        if str(problem) not in map(str, source.faults.shown):
            source.faults.add(problem)
        return None


def _text_and_tags(source: Source) -> tuple[Node, tuple[Node, ...]]:
    nodes = read_nodes(source)
    root = next(nodes)
    children: dict[str, Node] = {}
    for node in nodes:
        if children.setdefault(node.name, node) is not node and node.name in (TEXT, TAGS):
            fix = "Make a file of each document."
            raise source.problem(f"<{root.name}> holds a second <{node.name}>", line=node.line, fix=fix)
    if TEXT not in children:
        fix = f"MAE writes <{root.name}><{TEXT}><![CDATA[…]]></{TEXT}><{TAGS}>…</{TAGS}></{root.name}>"
        raise source.problem(f"<{root.name}> holds no <{TEXT}>", line=root.line, fix=fix)
    if not children[TEXT].text.strip():
        source.notice("empty-texts", line=children[TEXT].line)
    if TAGS not in children:
        source.notice("documents-without-annotation", line=root.line, detail=f"it has no <{TAGS}>")
        return children[TEXT], ()
    return children[TEXT], children[TAGS].children


# ---- tags


def _read_tag(tag: Node, *, found: _Found) -> None:
    attributes, source = tag.attributes, found.source
    arguments = [(match[1], value) for key, value in attributes.items() if (match := ARGUMENT.fullmatch(key))]
    if "spans" in attributes or {"start", "end"} <= attributes.keys():
        _add_entity(tag, found=found)
    elif arguments:
        _add_link(tag, arguments=tuple((role, id_) for role, id_ in arguments if id_), found=found)
    else:
        source.notice("textless-tags", line=tag.line, detail=tag.name)


def _add_link(tag: Node, *, arguments: tuple[tuple[str, str], ...], found: _Found) -> None:
    if len(arguments) < 2:
        detail = f"{tag.name} links {quoted(arguments[0][1])} to nothing" if arguments else f"{tag.name} links nothing"
        found.source.notice("broken-relations", line=tag.line, detail=detail)
        return
    where = found.source.where(tag.line)
    found.relations.append(Relation(tag.name, arguments, where, id=tag.attributes.get("id")))


def _add_entity(tag: Node, *, found: _Found) -> None:
    attributes, source = tag.attributes, found.source
    if not found.definition.names(tag.name):
        near = found.definition.nearest(tag.name)
        source.notice("unlisted-tags", line=tag.line, detail=f"{tag.name}{f' (is it {near}?)' if near else ''}")
        return
    rule, parts = found.definition.rule_of(tag.name), _parts(tag, source=source)
    if rule is None:
        source.notice("unread-annotations", line=tag.line, detail=tag.name)
    if rule is None or not parts:
        return
    for name in rule.missing(attributes):
        source.notice("missing-attributes", line=tag.line, detail=f"{tag.name} has no {name}")
    note = "; ".join(f"{key}={value}" for key, value in attributes.items() if value and key not in PLACE_ATTRIBUTES)
    where, id_, mention = source.where(tag.line), attributes.get("id"), attributes.get("text")
    found.entities.append(
        Entity(rule.label_of(attributes), parts, where, id=id_, text=mention or None, note=note or None)
    )


def _parts(tag: Node, *, source: Source) -> tuple[Part, ...]:
    """The places of a tag; none, with a notice or a fault, where it has none or they are wrong."""
    old = f"{tag.attributes.get('start', '')}~{tag.attributes.get('end', '')}"  # as MAE wrote them before 0.10
    spans = tag.attributes.get("spans", old).strip(" ~")
    matches = [PLACE.fullmatch(place) for place in spans.split(",")]
    parts = tuple((int(match[1]), int(match[2])) for match in matches if match)
    if not spans or parts == (NOWHERE,):
        source.notice("textless-tags", line=tag.line, detail=tag.name)
        return ()
    if len(parts) < len(matches) or any(not 0 <= start <= end for start, end in parts):
        message = f"<{tag.name}> has the place {quoted(spans)}, but start~end is needed"
        source.fault(message, line=tag.line, fix='Write for example: spans="9~20", or spans="17~21,38~48"')
        return ()
    return parts
