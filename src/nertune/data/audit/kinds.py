"""The kinds of findings that an audit adds to those of reading: how grave, what they say, what to do."""

from __future__ import annotations

from nertune.data.notices import KINDS, Kind

TOO_HOPEFUL = "Scores there are too hopeful. Take the texts out of train, or draw the split anew: data.split."

# In order of weight: of two findings that are equally grave, the one whose kind stands first here is told first.
# `{words}` is what the oddity stands in, words or texts; `{examples}` are sentences or texts.
AUDIT_KINDS: dict[str, Kind] = {
    "half-characters": Kind(
        "error",
        "{words} with half a character (a lone surrogate)",
        "No file can hold it and no tokenizer reads it: write the text again from its source.",
    ),
    "lost-entities": Kind(
        "warning",
        "entities with a word that has no piece",
        "They cannot be found whole. Take the characters that vanish out of the data (see vanished-words).",
    ),
    "leakage": Kind("warning", "{examples} that also stand in an earlier split", TOO_HOPEFUL),
    "document-leakage": Kind(
        "warning",
        "documents with parts in two splits",
        "Sentences of one document tell of each other. Draw the split by document: data: {split: {by: document}}.",
    ),
    "conflicting-labels": Kind(
        "warning",
        "{examples} labelled otherwise than the same words elsewhere",
        "Decide on one labelling. Where both are right, no model can be.",
    ),
    "near-leakage": Kind("warning", "{examples} that nearly equal one of an earlier split", TOO_HOPEFUL),
    "lookalike-labels": Kind(
        "warning", "labels like another one misspelt", "Merge them, for example: data: {rename: {OLD: NEW}}."
    ),
    "odd-labels": Kind("warning", "labels with odd characters", "Give them plain names: data: {rename: {OLD: NEW}}."),
    "no-entities": Kind(
        "warning", "splits without an entity", "Look whether this file is annotated, and check data.columns."
    ),
    "imbalance": Kind(
        "warning",
        "labels that nearly all examples have",
        "Choose a score that sees small classes, for example search: {objective: macro_f1}, and add rare ones.",
    ),
    "label-shift": Kind(
        "warning",
        "splits whose labels differ much from those of train",
        "Look whether the file was sorted by label before it was split.",
    ),
    "inconsistent-annotation": Kind(
        "warning",
        "occurrences annotated otherwise than the same words mostly are",
        "Look at each: correct it, or leave it where the meaning differs.",
    ),
    "odd-borders": Kind(
        "warning",
        "entities with punctuation or half a pair of brackets at a border",
        "Look whether the entity is one word too long or too short.",
    ),
    "long-entities": Kind(
        "warning", "entities of more than 20 words", "Look whether an end is missing: a tag B- where I- stands."
    ),
    "whole-sentences": Kind(
        "warning", "entities as long as the whole sentence, of 8 words or more", "Look whether an end is missing."
    ),
    "one-word-sentences": Kind(
        "warning",
        "sentences of one word",
        "More than half are. Look whether an empty line stands after each word, and check data.format.",
    ),
    "vanished-words": Kind(
        "warning",
        "{words} that the tokenizer turns into nothing",
        "They are predicted as O. Take these characters out of the data.",
    ),
    "cut-words": Kind(
        "warning", "words with more pieces than a window holds", "Only their beginning is read. Look what they are."
    ),
    "cut-texts": Kind(
        "warning",
        "texts longer than the model reads",
        "train.truncate says which part is kept; a larger train.max_pieces keeps more where the model allows it.",
    ),
    "window-cuts": Kind(
        "warning",
        "entities whose words are predicted in two windows",
        "A larger train.max_pieces or train.overlap_pieces cuts fewer; so do shorter sentences.",
    ),
    "unknown-pieces": Kind(
        "notice",
        "words of which the tokenizer knows nothing",
        "The model sees the same unknown piece for all of them. Another base model may know these characters.",
    ),
    "beyond-length": Kind(
        "notice", "sentences longer than the model reads at once", "Nothing to do: nertune reads them in windows."
    ),
    "beyond-length-documents": Kind(
        "notice", "documents longer than the model reads at once", "Nothing to do: sentences are read one by one."
    ),
    "mojibake": Kind(
        "warning",
        "{words} that look like UTF-8 read as Latin-1",
        "Write the file again from its source, or undo it: iconv -f UTF-8 -t LATIN1 FILE > correct.",
    ),
    "lost-characters": Kind(
        "warning", "{words} with U+FFFD, a character that was lost", "Write the text again from its source."
    ),
    "control-characters": Kind("warning", "{words} with control characters", "Take them out of the data."),
    "invisible-characters": Kind(
        "warning",
        "{words} with invisible characters",
        "To a model these are other words. Take the characters out of the data.",
    ),
    "private-characters": Kind(
        "warning",
        "{words} with characters of private use",
        "They come from a font, often of a PDF, and mean nothing to a model. Replace them.",
    ),
    "giant-words": Kind("warning", "words longer than 100 characters", "Look whether a blank or tab was lost."),
    "long-addresses": Kind(
        "notice", "web addresses longer than 100 characters", "Nothing to do, if they stay readable."
    ),
    "markup": Kind("notice", "{words} with HTML markup", "Decode or delete it, if it is not what should be learned."),
    "not-composed": Kind(
        "notice",
        "{words} whose letters and marks stand apart (not NFC)",
        "To many models these are other words than the composed ones. Normalise the text to NFC.",
    ),
    "odd-spaces": Kind(
        "notice", "{words} with unusual white space", "Most tokenizers part words there. Write plain blanks."
    ),
    "rare-labels": Kind(
        "notice", "labels with few examples", "Their scores will say little. Add examples, merge or leave out labels."
    ),
    "missing-labels": Kind("notice", "labels without an example", "They are not part of the score there."),
    "near-duplicates": Kind("notice", "{examples} that nearly equal an earlier one", "Nothing to do, if they are few."),
    "duplicates": Kind("notice", "{examples} that repeat an earlier one", "Nothing to do, if they are few."),
    "long-sentences": Kind(
        "notice", "sentences of more than 250 words", "Look whether empty lines are missing between sentences."
    ),
    "joined-entities": Kind(
        "notice",
        "files whose tags cannot part entities that touch",
        "Two entities of one type side by side were read as one: the tags have no B-.",
    ),
}

ALL_KINDS = {**KINDS, **AUDIT_KINDS}
UNKNOWN_KIND = Kind("warning", "unnamed notices", "")


def kind_of(name: str) -> Kind:
    """What is known of a kind of notice or finding."""
    return ALL_KINDS.get(name, UNKNOWN_KIND)


def weight_of(name: str) -> int:
    """The place of a kind among those that are equally grave: reading's own stand first."""
    return list(ALL_KINDS).index(name) if name in ALL_KINDS else len(ALL_KINDS)
