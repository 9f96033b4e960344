"""Tags and spans: the one place where tag schemes are known. Every other room sees spans only.

Schemes are tables. Raw tags of a file are normalised once (L is E, U is S, a bare type is I-TYPE, a bare prefix
gets the type `entity`); what is left are the prefixes B I E S and the tag O, read by conlleval's rules
whatever the scheme.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from itertools import chain

from nertune.data.examples import Example, Span, TokenExample
from nertune.data.store import Examples

OUTSIDE = "O"
NAMELESS = "entity"  # the type in files whose tags are bare: B I O
PREFIXES = {"B": "B", "I": "I", "E": "E", "S": "S", "L": "E", "U": "S"}  # as written -> normalised

# Which prefix may follow which when the type stays the same; the sentence starts after O and ends before O.
LEGAL_PAIRS = {
    "io": frozenset({"OO", "OI", "IO", "II"}),
    "iob1": frozenset({"OO", "OI", "IO", "II", "IB", "BO", "BI", "BB"}),
    "iob2": frozenset({"OO", "OB", "BO", "BB", "BI", "IO", "IB", "II"}),
    "bioes": frozenset({"OO", "OB", "OS", "BI", "BE", "II", "IE", "EO", "EB", "ES", "SO", "SB", "SS"}),
}
LEGAL_PAIRS["bilou"] = LEGAL_PAIRS["bioes"]  # the same scheme in other letters

# How whole files write their tags otherwise: `b-PER`, `B_PER`, `PER-B`, and BMES, whose M is I.
OTHER_SPELLINGS = {
    "small": re.compile(r"(?P<prefix>[bielsu])-(?P<label>.+)"),
    "joined": re.compile(r"(?P<prefix>[BIELSUbielsu])[_:/](?P<label>.+)"),
    "behind": re.compile(r"(?P<label>.+)[-_](?P<prefix>[BIELSU])"),
    "bmes": re.compile(r"(?P<prefix>[BMES])-(?P<label>.+)"),
}

NUMBER = re.compile(r"[(\[]?-?\d+(?:\.\d+)?[)\]]?|[-_*]")  # or what stands in place of one

# Prefixes of the first, inner and last word of a span, and of a span of one word.
WRITTEN = {"iob2": ("B", "I", "I", "B"), "io": ("I", "I", "I", "I"), "bioes": ("B", "I", "E", "S")}


@cache
def split_tag(tag: str) -> tuple[str, str]:
    """Normalised prefix and type of a tag: `L-cell-line` is ("E", "cell-line"), `O` is ("O", "")."""
    if tag == OUTSIDE:
        return OUTSIDE, ""
    prefix, _, label = tag.partition("-")
    if prefix in PREFIXES and label:
        return PREFIXES[prefix], label
    return (PREFIXES[tag], NAMELESS) if tag in PREFIXES else ("I", tag)


@cache
def has_prefix(tag: str) -> bool:
    """Whether a tag other than O says its place in the entity: `B-PER`, `B`; not `PER`, `B-`."""
    return tag in PREFIXES or (tag[:1] in PREFIXES and tag[1:2] == "-" and len(tag) > 2)


def has_bare_types(tags: Iterable[str], *, scheme: str | None = None) -> bool:
    """Whether the tags of a file are types without prefixes (`PER PER O`).

    One tag such as `B-PER` makes all of them prefixed. Under a stated `scheme` of io only `I-PER` does, so that a type
    `B-cell` can be said; under another stated scheme none are bare. Numbers are no types, but label ids, scores or
    references, unless the scheme is stated.
    """
    inside = set(tags) - {OUTSIDE}
    if not inside or scheme not in (None, "io"):
        return False
    if scheme == "io":
        return not any(tag == "I" or tag.startswith("I-") for tag in inside)
    if any(has_prefix(tag) and tag not in PREFIXES for tag in inside):
        return False
    if any(map(str.isdigit, "".join(inside))) and all(map(NUMBER.fullmatch, inside)):
        return False
    return not (inside <= PREFIXES.keys() and inside & {"B", "I"})  # the bare prefixes B I O


def find_spelling(tags: Iterable[str]) -> str | None:
    """The key of OTHER_SPELLINGS in which all tags of a file but O are written; None where they are as they should be.

    Some type must have a tag for its first word and one for its others, or they could be types: `b-cell`, `t-cell`.
    """
    inside = {tag for tag in tags if tag.upper() != OUTSIDE}
    if not inside or all(map(has_prefix, inside)):
        return None
    for name, spelling in OTHER_SPELLINGS.items():
        matches = [spelling.fullmatch(tag) for tag in inside]
        parts = {(match["prefix"].upper(), match["label"]) for match in matches if match}
        if None not in matches and any(
            prefix == "B" and {*"IMEL"} & _of_label(parts, label) for prefix, label in parts
        ):
            return name
    return None


def respell(tag: str, *, spelling: str) -> str:
    """The tag as it would be written here: `PER_B` is `B-PER`; one of another spelling stays as it is."""
    match = OTHER_SPELLINGS[spelling].fullmatch(tag)
    if match is None:
        return tag.upper() if tag.upper() == OUTSIDE else tag
    prefix = match["prefix"].upper()
    return f"{'I' if prefix == 'M' else prefix}-{match['label']}"


def normalise(tags: Sequence[str], *, bare: bool = False) -> list[str]:
    """The tags with prefixes B I E S only. `bare`: the file's tags are types, so that `B-cell` is I-B-cell."""
    return [_normalise_bare(tag) if bare else _normalise_prefixed(tag) for tag in tags]


def recognise_scheme(tag_sequences: Iterable[Sequence[str]]) -> str:
    """The scheme of a file's raw tags: "iob1", "iob2", "io", "bioes" or "bilou".

    Between IOB1 and IOB2, the one that makes fewer tags illegal; IOB2 on a tie.
    """
    return scheme_of_steps(
        Counter(step for tags in tag_sequences for step in zip([OUTSIDE, *tags], [*tags, OUTSIDE], strict=True))
    )


def scheme_of_steps(steps: Mapping[tuple[str, str], int]) -> str:
    """The same from how often each raw tag follows each other one; a sentence begins and ends with O."""
    tags = set(chain.from_iterable(steps)) - {OUTSIDE}
    if not tags:
        return "iob2"
    if has_bare_types(tags):
        return "io"
    letters = {tag[0] for tag in tags if has_prefix(tag)}
    if letters & {"E", "S", "L", "U"}:
        return "bilou" if letters & {"L", "U"} and not letters & {"E", "S"} else "bioes"
    if "B" not in letters:
        return "io"
    return min("iob2", "iob1", key=lambda scheme: _count_illegal(steps, scheme=scheme))


def tags_to_spans(tags: Sequence[str]) -> list[Span]:
    """The entities of normalised tags, by conlleval's rules, in order.

    A span goes on over I and E of its own type, until E or S closes it. Any other tag but O begins a new one, so that
    an I without a beginning is one (a repair, see `count_repairs`).
    """
    spans: list[Span] = []
    label, start, is_open = "", 0, False  # is_open: the last word was B or I
    for position, tag in enumerate(tags):
        if tag == OUTSIDE:
            if is_open:
                spans.append(Span(label, start, position))
                is_open = False
            continue
        prefix, tag_label = split_tag(tag)
        if is_open and (tag_label != label or prefix in "BS"):
            spans.append(Span(label, start, position))
            is_open = False
        if not is_open:
            label, start = tag_label, position
        is_open = prefix in "BI"
        if not is_open:
            spans.append(Span(label, start, position + 1))
    if is_open:
        spans.append(Span(label, start, len(tags)))
    return spans


def spans_to_tags(spans: Iterable[Span], n_words: int, scheme: str = "iob2") -> list[str]:
    """A tag for each of `n_words` words in the scheme iob2, io (written as I- tags) or bioes.

    Raises   ValueError if a span leaves the sentence, is empty or meets another one (a bug of the caller)
    """
    first, inner, last, single = WRITTEN[scheme]
    tags = [OUTSIDE] * n_words
    for span in spans:
        if not 0 <= span.start < span.end <= n_words or any(tag != OUTSIDE for tag in tags[span.start : span.end]):
            raise ValueError(f"{span} is empty, overlaps another span or leaves the sentence of {n_words} words")
        tags[span.start] = f"{first}-{span.label}"
        tags[span.start + 1 : span.end] = [f"{inner}-{span.label}"] * (span.end - span.start - 1)
        tags[span.end - 1] = f"{last if span.end - span.start > 1 else single}-{span.label}"
    return tags


def layers_of_tags(spans: Iterable[Span], n_words: int, scheme: str = "iob2") -> list[list[str]]:
    """The tags of each type by itself, for entities of different types that share words."""
    by_label: dict[str, list[Span]] = {}
    for span in spans:
        by_label.setdefault(span.label, []).append(span)
    return [spans_to_tags(own, n_words, scheme) for own in by_label.values()]


def join_layers(layers: Sequence[Sequence[str]], *, mark: str = "|") -> list[str]:
    """One text for each word: its tags of all layers with the mark between them, O where it has none."""
    return [mark.join(sorted({*word} - {OUTSIDE})) or OUTSIDE for word in zip(*layers, strict=True)]


def written_tags(spans: Sequence[Span], n_words: int) -> list[str]:
    """A tag in IOB2 for each word, `B-PER|I-ORG` where entities overlap."""
    return join_layers([[OUTSIDE] * n_words, *layers_of_tags(spans, n_words)])


def tag_names(labels: Iterable[str], scheme: str = "iob2") -> list[str]:
    """Every tag that these entity types can have in the scheme, O included, sorted: the order of the tag ids."""
    return sorted({OUTSIDE, *(f"{prefix}-{label}" for label in labels for prefix in WRITTEN[scheme])})


def count_repairs(tags: Sequence[str], *, scheme: str) -> int:
    """How many steps from tag to tag the scheme forbids, start and end included; conlleval's rules read them anyway."""
    if tags.count(OUTSIDE) == len(tags):
        return 0
    return len(illegal_steps(tags, scheme=scheme))


def illegal_steps(tags: Sequence[str], *, scheme: str) -> list[int]:
    """The positions that the scheme forbids after the tag before them; `len(tags)` is the end of the sentence."""
    steps = zip([OUTSIDE, *tags], [*tags, OUTSIDE], strict=True)
    return [position for position, (before, tag) in enumerate(steps) if not _is_legal(before, tag, scheme)]


def labels_of(examples: Iterable[Example]) -> Counter[str]:
    """How often each entity type or class stands in the examples."""
    if isinstance(examples, Examples):
        return examples.count_labels()
    counts: Counter[str] = Counter()
    for example in examples:
        if isinstance(example, TokenExample):
            counts.update(span.label for span in example.spans)
        else:
            counts.update(example.labels)
    return counts


def _of_label(parts: Iterable[tuple[str, str]], label: str) -> set[str]:
    return {prefix for prefix, other in parts if other == label}


def _count_illegal(steps: Mapping[tuple[str, str], int], *, scheme: str) -> int:
    return sum(n for (before, tag), n in steps.items() if not _is_legal(before, tag, scheme))


@cache
def _is_legal(before: str, tag: str, scheme: str) -> bool:
    legal = LEGAL_PAIRS[scheme]
    (prefix_before, label_before), (prefix, label) = split_tag(before), split_tag(tag)
    if OUTSIDE in (prefix_before, prefix) or label_before == label:
        return prefix_before + prefix in legal
    return prefix_before + OUTSIDE in legal and OUTSIDE + prefix in legal  # one entity ends, another begins


@cache
def _normalise_prefixed(tag: str) -> str:
    prefix, label = split_tag(tag)
    return tag if tag == OUTSIDE else f"{prefix}-{label}"


@cache
def _normalise_bare(tag: str) -> str:
    return tag if tag == OUTSIDE else f"I-{tag}"
