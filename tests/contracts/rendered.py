"""Annotated sentences in every format that is read, each written in the few lines that its definition takes.

Nothing of nertune's writers is used, so that a reader and this file are wrong together only where both misread the same
definition. Offsets count characters; lines end in LF here, and whoever writes the files may end them otherwise.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate
from xml.sax.saxutils import escape, quoteattr

from nertune.data.examples import Span

Files = dict[str, str]  # name -> text; the first is the one to name, unless there is a folder to name


@dataclass(frozen=True)
class Sentence:
    words: tuple[str, ...]
    spans: tuple[Span, ...]


@dataclass(frozen=True)
class How:
    """What a tool may do one way or another.

    end       of the lines, when the files are written
    is_plain  no escapes, quotation marks and layout but those that are needed; else as many as there may be
    """

    end: str = "\n"
    is_plain: bool = True


Render = Callable[[Sequence[Sentence], How], Files]


# ---- tags


def iob2(sentence: Sentence) -> list[str]:
    tags = ["O"] * len(sentence.words)
    for span in sentence.spans:
        tags[span.start : span.end] = [f"B-{span.label}"] + [f"I-{span.label}"] * (span.end - span.start - 1)
    return tags


def iob1(sentence: Sentence) -> list[str]:
    """B only where an entity follows another one of its type at once."""
    tags = io_tags(sentence)
    ends = {(span.label, span.end) for span in sentence.spans}
    for span in sentence.spans:
        if (span.label, span.start) in ends:
            tags[span.start] = f"B-{span.label}"
    return tags


def io_tags(sentence: Sentence) -> list[str]:
    return [tag if tag == "O" else f"I-{tag[2:]}" for tag in iob2(sentence)]


def bare_types(sentence: Sentence) -> list[str]:
    return [tag if tag == "O" else tag[2:] for tag in iob2(sentence)]


def bare_prefixes(sentence: Sentence) -> list[str]:
    return [tag[0] for tag in iob2(sentence)]


def bioes(sentence: Sentence, *, last: str = "E", single: str = "S") -> list[str]:
    tags = iob2(sentence)
    for span in sentence.spans:
        tags[span.end - 1] = f"{last if span.end - span.start > 1 else single}-{span.label}"
    return tags


def bilou(sentence: Sentence) -> list[str]:
    return bioes(sentence, last="L", single="U")


# ---- a word a line


def columns(
    row: str = "{word} {tag}", *, tags: Callable[[Sentence], list[str]] = iob2, between: str = "\t", head: str = ""
) -> Render:
    """A word a line; `row` says what stands in its columns."""
    pattern = row.replace(" ", between)

    def render(sentences: Sequence[Sentence], _: How) -> Files:
        lines = [head] if head else []
        for sentence in sentences:
            for number, (word, tag) in enumerate(zip(sentence.words, tags(sentence), strict=True), 1):
                lines.append(pattern.format(word=word, tag=tag, number=number))
            lines.append("")
        return {"train.txt": "\n".join([*lines, ""])}

    return render


def conllu_misc(sentences: Sequence[Sentence], _: How) -> Files:
    blocks = []
    for number, sentence in enumerate(sentences, 1):
        block = [f"# sent_id = {number}", f"# text = {' '.join(sentence.words)}"]
        for at, (word, tag) in enumerate(zip(sentence.words, iob2(sentence), strict=True), 1):
            misc = "_" if tag == "O" else f"NER={tag}" if at % 2 else f"Gloss=x|NER={tag}|SpaceAfter=No"
            block.append(f"{at}\t{word}\t_\tX\t_\t_\t0\troot\t_\t{misc}")
        blocks.append("\n".join([*block, "", ""]))
    return {"train.conllu": "".join(blocks)}


def conllu_plus(sentences: Sequence[Sentence], _: How) -> Files:
    lines = ["# global.columns = ID FORM UPOS NER"]
    for sentence in sentences:
        tags = ["*" if tag == "O" else tag for tag in iob2(sentence)]
        lines += [f"{at}\t{word}\tX\t{tag}" for at, (word, tag) in enumerate(zip(sentence.words, tags, strict=True), 1)]
        lines.append("")
    return {"train.conllup": "\n".join([*lines, ""])}


def uner(sentences: Sequence[Sentence], _: How) -> Files:
    lines = []
    for number, sentence in enumerate(sentences, 1):
        lines += [f"# sent_id = {number}", f"# text = {' '.join(sentence.words)}"]
        pairs = zip(sentence.words, iob2(sentence), strict=True)
        lines += [f"{at}\t{word}\t{tag}\t-\tanna" for at, (word, tag) in enumerate(pairs, 1)]
        lines.append("")
    return {"train.iob2": "\n".join([*lines, ""])}


# ---- a sentence a line, and tables


def slots(sentences: Sequence[Sentence], how: How) -> Files:
    rows = [(" ".join(sentence.words), " ".join(iob2(sentence))) for sentence in sentences]
    return {"train.tsv": table([("Sentence", "Slot"), *rows], delimiter="\t", how=how)}


def parallel(sentences: Sequence[Sentence], _: How) -> Files:
    words = [" ".join(sentence.words) for sentence in sentences]
    tags = [" ".join(iob2(sentence)) for sentence in sentences]
    return {"train.words": "\n".join([*words, ""]), "train.tags": "\n".join([*tags, ""])}


def kaggle(sentences: Sequence[Sentence], how: How) -> Files:
    """The number of a sentence on its first row; where all cells are quoted, on each."""
    rows = [("Sentence #", "Word", "POS", "Tag")]
    for number, sentence in enumerate(sentences, 1):
        for at, (word, tag) in enumerate(zip(sentence.words, iob2(sentence), strict=True)):
            rows.append((f"Sentence: {number}" if at == 0 or not how.is_plain else "", word, "NN", tag))
    return {"train.csv": table(rows, how=how)}


def cerebras(sentences: Sequence[Sentence], how: How, *, tags: Callable[[Sentence], list[str]] = iob2) -> Files:
    rows = [("tokens", "labels"), *(_pieces(sentence, tags(sentence)) for sentence in sentences)]
    return {"train-1.csv": table(rows, how=how)}


def cerebras_bare(sentences: Sequence[Sentence], how: How) -> Files:
    return cerebras(sentences, how, tags=bare_prefixes)


def cerebras_ids(sentences: Sequence[Sentence], how: How) -> Files:
    rows = [_pieces(sentence, iob2(sentence)) for sentence in sentences]
    names = ["[PAD]", *sorted({label for _, labels in rows for label in labels.split(" ")})]
    numbered = [(words, " ".join(str(names.index(one)) for one in labels.split(" "))) for words, labels in rows]
    vocabulary = {name: number for number, name in enumerate(names)}
    return {
        "train-1.csv": table([("tokens", "labels"), *numbered], how=how),
        "label2id.json": json.dumps(vocabulary, ensure_ascii=not how.is_plain),
    }


def _pieces(sentence: Sentence, tags: Sequence[str]) -> tuple[str, str]:
    """Words of more than two characters are cut behind the second one, as a word piece tokenizer might do."""
    pieces, labels = ["[CLS]"], ["[CLS]"]
    for word, tag in zip(sentence.words, tags, strict=True):
        pieces += [word[:2], *([f"##{word[2:]}"] if word[2:] else [])]
        labels += [tag, *(["X"] if word[2:] else [])]
    return " ".join([*pieces, "[SEP]"]), " ".join([*labels, "[SEP]"])


def table(rows: Iterable[Sequence[str]], *, how: How, delimiter: str = ",") -> str:
    text = io.StringIO()
    quoting = csv.QUOTE_MINIMAL if how.is_plain else csv.QUOTE_ALL
    csv.writer(text, delimiter=delimiter, quoting=quoting, lineterminator="\n").writerows(rows)
    return text.getvalue()


# ---- JSON of words


def json_tags(sentences: Sequence[Sentence], how: How) -> Files:
    return _json_lines([{"tokens": one.words, "ner_tags": iob2(one)} for one in sentences], how)


def json_ids(sentences: Sequence[Sentence], how: How) -> Files:
    """Numbers of tags, with their names in one line before the sentences, or in a file beside them."""
    names = ["O", *sorted({tag for one in sentences for tag in iob2(one)} - {"O"})]
    items = [{"tokens": one.words, "ner_tags": [names.index(tag) for tag in iob2(one)]} for one in sentences]
    if how.is_plain:
        return {**_json_lines(items, how), "labels.txt": "\n".join([*names, ""])}
    return {"train.json": _json({"label_names": names, "data": items}, how)}


def spert(sentences: Sequence[Sentence], how: How) -> Files:
    items = [
        {
            "tokens": one.words,
            "entities": [{"type": span.label, "start": span.start, "end": span.end} for span in one.spans],
            "relations": [],
        }
        for one in sentences
    ]
    return {"train.json": _json(items, how)}


def gliner(sentences: Sequence[Sentence], how: How) -> Files:
    items = [
        {"tokenized_text": one.words, "ner": [[span.start, span.end - 1, span.label] for span in one.spans]}
        for one in sentences
    ]
    return {"train.json": _json(items, how)}


def dygie(sentences: Sequence[Sentence], how: How) -> Files:
    starts = accumulate((len(one.words) for one in sentences), initial=0)
    spans = [
        [[start + span.start, start + span.end - 1, span.label] for span in one.spans]
        for start, one in zip(starts, sentences, strict=False)
    ]
    return _json_lines([{"doc_key": "d", "sentences": [one.words for one in sentences], "ner": spans}], how)


def spacy2(sentences: Sequence[Sentence], how: How) -> Files:
    told = [
        {"tokens": [{"orth": word, "ner": tag} for word, tag in zip(one.words, bilou(one), strict=True)]}
        for one in sentences
    ]
    return {"train.json": _json([{"id": 0, "paragraphs": [{"sentences": told}]}], how)}


# ---- texts with entities by characters


@dataclass(frozen=True)
class Text:
    """Sentences as lines of a text: where each word and each entity stands in it."""

    text: str
    words: list[tuple[int, int]]
    entities: list[tuple[int, int, str]]

    def mention(self, start: int, end: int) -> str:
        return self.text[start:end]


def as_text(sentences: Sequence[Sentence], *, end: str = "\n") -> Text:
    text, words, entities = "", [], []
    for sentence in sentences:
        text += end if text else ""
        first = len(words)
        for number, word in enumerate(sentence.words):
            text += " " if number else ""
            words.append((len(text), len(text) + len(word)))
            text += word
        for span in sentence.spans:
            entities.append((words[first + span.start][0], words[first + span.end - 1][1], span.label))
    return Text(text, words, entities)


def own(sentences: Sequence[Sentence], how: How) -> Files:
    """One document; the words are those that it states."""
    one = as_text(sentences)
    entities = [
        {"id": f"T{number}", "label": label, "parts": [[start, end]], "text": one.mention(start, end)}
        for number, (start, end, label) in enumerate(one.entities, 1)
    ]
    return _json_lines([{"id": "d", "text": one.text, "entities": entities, "words": one.words}], how)


def doccano(sentences: Sequence[Sentence], how: How) -> Files:
    texts = [as_text([one]) for one in sentences]
    return _json_lines(
        [{"id": number, "text": one.text, "label": one.entities} for number, one in enumerate(texts)], how
    )


def doccano_relations(sentences: Sequence[Sentence], how: How) -> Files:
    items = []
    for number, one in enumerate(map(as_text, ([sentence] for sentence in sentences))):
        entities = [
            {"id": at, "label": label, "start_offset": start, "end_offset": end}
            for at, (start, end, label) in enumerate(one.entities)
        ]
        items.append({"id": number, "text": one.text, "entities": entities, "relations": []})
    return _json_lines(items, how)


def prodigy(sentences: Sequence[Sentence], how: How) -> Files:
    items = []
    for sentence in sentences:
        one = as_text([sentence])
        tokens = [
            {"text": one.mention(start, end), "start": start, "end": end, "id": number}
            for number, (start, end) in enumerate(one.words)
        ]
        spans = [
            {"start": start, "end": end, "token_start": span.start, "token_end": span.end - 1, "label": label}
            for (start, end, label), span in zip(one.entities, sentence.spans, strict=True)
        ]
        items.append({"text": one.text, "tokens": tokens, "spans": spans, "answer": "accept"})
    return _json_lines(items, how)


def label_studio(sentences: Sequence[Sentence], how: How) -> Files:
    one = as_text(sentences)
    results = [
        {
            "from_name": "label",
            "to_name": "text",
            "type": "labels",
            "value": {
                "start": start,
                "end": end,
                "text": one.mention(start, end),
                "labels": [label],
            },
        }
        for start, end, label in one.entities
    ]
    task = {"id": 1, "data": {"text": one.text}, "annotations": [{"id": 1, "was_cancelled": False, "result": results}]}
    return {"train.json": _json([task], how)}


def label_studio_min(sentences: Sequence[Sentence], how: How) -> Files:
    items = []
    for number, one in enumerate(map(as_text, ([sentence] for sentence in sentences))):
        label = [
            {"start": start, "end": end, "text": one.mention(start, end), "labels": [label]}
            for start, end, label in one.entities
        ]
        items.append({"id": number, "text": one.text, "label": label, "annotator": 1})
    return {"train.json": _json(items, how)}


def spacy(sentences: Sequence[Sentence], how: How) -> Files:
    pairs = [[one.text, {"entities": one.entities}] for one in map(as_text, ([sentence] for sentence in sentences))]
    if how.is_plain:
        return {"train.json": _json(pairs, how)}
    return {"train.json": _json({"classes": ["PER"], "annotations": pairs}, how)}


def brat(sentences: Sequence[Sentence], how: How) -> Files:
    """Each document two sentences."""
    files: Files = {}
    for number, pair in enumerate(_in_pairs(sentences)):
        offsets, lines = as_text(pair, end=how.end), as_text(pair)
        files[f"{number}.txt"] = f"{lines.text}\n"
        files[f"{number}.ann"] = "".join(
            f"T{at}\t{label} {start} {end}\t{offsets.mention(start, end)}\n"
            for at, (start, end, label) in enumerate(offsets.entities, 1)
        )
    return files


def pubtator(sentences: Sequence[Sentence], _: How) -> Files:
    lines = []
    for number, pair in enumerate(_in_pairs(sentences)):
        one = as_text(pair)
        lines += [f"{number}|{letter}|{text}" for letter, text in zip("ta", one.text.split("\n"), strict=False)]
        lines += [f"{number}\t{start}\t{end}\t{one.mention(start, end)}\t{label}" for start, end, label in one.entities]
        lines.append("")
    return {"train.txt": "\n".join([*lines, ""])}


def bioc_xml(sentences: Sequence[Sentence], how: How) -> Files:
    passages = []
    for start, one in _passages(sentences):
        annotations = [
            f'<annotation id="{start}.{at}"><infon key="type">{_xml(label, how)}</infon>'
            f'<location offset="{start + first}" length="{last - first}"/>'
            f"<text>{_xml(one.mention(first, last), how)}</text></annotation>"
            for at, (first, last, label) in enumerate(one.entities)
        ]
        text = f"<offset>{start}</offset><text>{_xml(one.text, how)}</text>"
        passages.append(f"<passage>{text}{''.join(annotations)}</passage>")
    document = f"<document><id>1</id>\n{chr(10).join(passages)}\n</document>"
    return {"train.xml": f"<?xml version='1.0'?>\n<collection><source/>\n{document}\n</collection>\n"}


def bioc_json(sentences: Sequence[Sentence], how: How) -> Files:
    passages = []
    for start, one in _passages(sentences):
        annotations = [
            {
                "id": f"{start}.{at}",
                "infons": {"type": label},
                "text": one.mention(first, last),
                "locations": [{"offset": start + first, "length": last - first}],
            }
            for at, (first, last, label) in enumerate(one.entities)
        ]
        passages.append({"offset": start, "infons": {}, "text": one.text, "annotations": annotations})
    return {"train.json": _json({"source": "", "documents": [{"id": "1", "passages": passages}]}, how)}


def _passages(sentences: Sequence[Sentence]) -> Iterable[tuple[int, Text]]:
    """Each sentence with the offset of its first character; a line end stands between them."""
    texts = [as_text([one]) for one in sentences]
    return zip(accumulate((len(one.text) + 1 for one in texts), initial=0), texts, strict=False)


def mae(sentences: Sequence[Sentence], how: How) -> Files:
    """Each file two sentences; the types of entities are names of elements."""
    files: Files = {}
    for number, pair in enumerate(_in_pairs(sentences)):
        one = as_text(pair)
        tags = [
            f'<{label} id="T{at}" spans="{start}~{end}" text={_attribute(one.mention(start, end), how)} />'
            for at, (start, end, label) in enumerate(one.entities)
        ]
        lines = [
            '<?xml version="1.0"?>',
            "<Note>",
            f"<TEXT><![CDATA[{one.text}]]></TEXT>",
            "<TAGS>",
            *tags,
            "</TAGS>",
            "</Note>",
            "",
        ]
        files[f"{number}.xml"] = "\n".join(lines)
    return files


def _in_pairs(sentences: Sequence[Sentence]) -> list[Sequence[Sentence]]:
    return [sentences[at : at + 2] for at in range(0, len(sentences), 2)]


# ---- JSON and XML


def _json_lines(items: Sequence[object], how: How) -> Files:
    lines = [json.dumps(item, ensure_ascii=not how.is_plain) for item in items]
    return {"train.jsonl": "\n".join([*lines, ""])}


def _json(value: object, how: How) -> str:
    return json.dumps(value, ensure_ascii=not how.is_plain, indent=None if how.is_plain else 1) + "\n"


def _xml(text: str, how: How) -> str:
    return escape(text) if how.is_plain else "".join(f"&#{ord(char)};" for char in text)


def _attribute(text: str, how: How) -> str:
    return quoteattr(text) if how.is_plain else f'"{_xml(text, how)}"'
