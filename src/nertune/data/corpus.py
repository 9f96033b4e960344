"""The corpus of a study: its files found, read, renamed, and checked against the labels of train."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from nertune.data import labels
from nertune.data.checks import find_label_faults, find_misspelt_labels
from nertune.data.examples import Corpus, Example, SequenceExample, Span, Split, Task, TokenExample
from nertune.data.readers import READERS, find_format
from nertune.data.source import Reading, Source, TaggedSentence, listed, open_source, quoted
from nertune.errors import DataError, UserError, Where, raise_all
from nertune.spec.study import DataSpec

SPLITS = ("train", "dev", "test")
PATTERNS = {"train": ("train.*",), "dev": ("dev.*", "devel.*", "valid*.*"), "test": ("test.*",)}
SHOWN_PROBLEMS = 20  # of one file

CORRECT_FIRST = "Correct those above, then type the same command again."
UNKNOWN_TYPES = "entities of types that train lacks"


def find_splits(data: DataSpec, *, splits: Sequence[str] = SPLITS) -> dict[str, Path]:
    """The file of each split: the one that the study names, or the one in `data.dir` whose name says so.

    Raises   Problems if a split has no file, or two in the folder
    """
    _check_folder(data, splits=splits)
    problems: list[UserError] = []
    found: dict[str, Path] = {}
    for split in splits:
        named: Path | None = getattr(data, split)
        candidates = [named] if named is not None else _files_in(data.dir, split=split)
        if len(candidates) == 1:
            found[split] = candidates[0]
        else:
            problems.append(_not_one(split, candidates=candidates, folder=data.dir))
    raise_all(problems)
    return found


def read_corpus(data: DataSpec, *, task: Task, splits: Sequence[str] = ("train", "dev")) -> Corpus:
    """The named splits, and no other file is opened; labels are those of `data.labels` or train.

    Without `train` among the splits, scheme and labels are those of the first split named.
    Raises   Problems with every fault of the files, at most 20 of each
    """
    ordered = sorted(splits, key=SPLITS.index)
    paths = find_splits(data, splits=ordered)
    sources = _open_all(paths, columns=data.columns or {})
    form = find_format(data.format, source=sources[ordered[0]], task=task)
    readings = {name: READERS[form](source) for name, source in sources.items()}
    scheme, bare = _recognise(readings[ordered[0]], scheme=data.scheme) if task == "token" else (None, False)
    problems = [problem for name in ordered for problem in _faults(sources[name], readings[name], task=task, bare=bare)]
    raise_all(problems)
    read = {name: _make_split(name, sources[name], readings[name], scheme=scheme, bare=bare) for name in ordered}
    chosen = {name: _keep(_rename(split, data.rename), data.keep) for name, split in read.items()}
    known = tuple(sorted(set(data.labels or labels.labels_of(chosen[ordered[0]].examples))))
    raise_all([*find_misspelt_labels(data, splits=read), *find_label_faults(chosen, known=known, task=task)])
    return Corpus(task, {name: _count_unknown(split, known) for name, split in chosen.items()}, known, scheme, form)


# ---- files


def _check_folder(data: DataSpec, *, splits: Sequence[str]) -> None:
    """Raise DataError, once for all splits, when they are looked for in a folder that is none."""
    folder = data.dir
    if folder is None or folder.is_dir() or all(getattr(data, split) is not None for split in splits):
        return
    what = "a file, not a folder" if folder.exists() else "not there"
    fix = "Name the folder with train, dev and test files: data: {dir: FOLDER}; it is relative to the study file"
    raise DataError(f"data.dir is {what}", where=Where(folder), fix=fix)


def _files_in(folder: Path | None, *, split: str) -> list[Path]:
    if folder is None:
        return []
    return sorted({path for pattern in PATTERNS[split] for path in folder.glob(pattern) if path.is_file()})


def _not_one(split: str, *, candidates: Sequence[Path], folder: Path | None) -> DataError:
    if folder is None:
        return DataError(f"data.{split} is missing", fix=f"Write for example: data: {{{split}: {split}.txt}}")
    fix = f"Name the file in the study file: data: {{{split}: FILE}}"
    if candidates:
        names = " and ".join(path.name for path in candidates)
        return DataError(f"two files or more could be {split}: {names}", where=Where(folder), fix=fix)
    names = " or ".join(PATTERNS[split])
    beside = sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))
    message = f"no file for {split} ({names}) in this folder; it holds {listed(beside) if beside else 'nothing'}"
    return DataError(message, where=Where(folder), fix=fix)


def _open_all(paths: Mapping[str, Path], *, columns: Mapping[str, str | int]) -> dict[str, Source]:
    sources: dict[str, Source] = {}
    problems: list[UserError] = []
    for name, path in paths.items():
        try:
            sources[name] = open_source(path, columns=columns)
        except DataError as problem:
            problems.append(problem)
    raise_all(problems)
    return sources


# ---- from what a reader found to a split


def _recognise(reading: Reading, *, scheme: str | None) -> tuple[str, bool]:
    """The scheme, and whether the tags are types without prefixes."""
    sequences = [sentence.tags for sentence in reading.sentences]
    tags = {tag for sequence in sequences for tag in sequence}
    return scheme or labels.recognise_scheme(sequences), labels.has_bare_types(tags, scheme=scheme) and tags != {
        labels.OUTSIDE
    }


def _faults(source: Source, reading: Reading, *, task: Task, bare: bool) -> list[UserError]:
    problems: list[DataError] = [*reading.problems]
    if task == "token" and not bare:
        problems += _tag_faults(source, reading.sentences)
    if not problems and not reading.sentences and not reading.texts:
        what = "no sentence" if task == "token" else "no text"
        problems.append(source.problem(f"the file holds {what}", fix="Add annotated text, or name another file."))
    problems.sort(key=lambda problem: problem.where.line or 0 if problem.where else 0)
    return [*problems[:SHOWN_PROBLEMS], *_the_rest(source, problems[SHOWN_PROBLEMS:])]


def _the_rest(source: Source, problems: Sequence[DataError]) -> list[DataError]:
    if not problems:
        return []
    line = problems[0].where.line if problems[0].where else None
    return [
        source.problem(
            f"and {len(problems)} more problems in this file, the next one here", line=line, fix=CORRECT_FIRST
        )
    ]


def _tag_faults(source: Source, sentences: Sequence[TaggedSentence]) -> list[DataError]:
    """Tags without a prefix in a file whose tags have one."""
    wrong = {
        tag for sentence in sentences for tag in sentence.tags if tag != labels.OUTSIDE and not labels.has_prefix(tag)
    }
    return [
        source.problem(
            f"the tag {quoted(tag)} of {quoted(word)} is neither O nor a type with a prefix, such as B-PER",
            line=line,
            fix="Correct the tag, or say where word and tag stand, for example: data: {columns: {word: 0, tag: 1}}",
        )
        for sentence in (sentences if wrong else ())
        for word, tag, line in zip(sentence.words, sentence.tags, sentence.lines, strict=True)
        if tag in wrong and tag
    ]


def _make_split(name: str, source: Source, reading: Reading, *, scheme: str | None, bare: bool) -> Split:
    if scheme is None:
        return _with_counts(Split(name, tuple(reading.texts), source.fingerprint), reading.counts)
    examples: list[Example] = []
    n_repaired = 0
    for sentence in reading.sentences:
        tags = labels.normalise(sentence.tags, bare=bare)
        n_repaired += labels.count_repairs(tags, scheme=scheme)
        where = Where(source.path, sentence.lines[0])
        examples.append(TokenExample(sentence.words, tuple(labels.tags_to_spans(tags)), where))
    return _with_counts(
        Split(name, tuple(examples), source.fingerprint), {**reading.counts, "repaired tags": n_repaired}
    )


def _with_counts(split: Split, counts: Mapping[str, int]) -> Split:
    return replace(split, counts={**split.counts, **{kind: n for kind, n in counts.items() if n}})


# ---- data.rename, data.keep


def _rename(split: Split, names: Mapping[str, str]) -> Split:
    if not names:
        return split
    return replace(
        split, examples=tuple(_relabel(example, lambda label: names.get(label, label)) for example in split.examples)
    )


def _relabel(example: Example, new_name: Callable[[str], str]) -> Example:
    if isinstance(example, SequenceExample):
        return replace(example, label=new_name(example.label))
    return replace(example, spans=tuple(Span(new_name(span.label), span.start, span.end) for span in example.spans))


def _keep(split: Split, kept: Sequence[str] | None) -> Split:
    """The split with entities of these types only, or with texts of these classes only; the others are counted."""
    if kept is None:
        return split
    n_left_out = sum(n for label, n in labels.labels_of(split.examples).items() if label not in kept)
    examples: list[Example] = []
    for example in split.examples:
        if isinstance(example, TokenExample):
            examples.append(replace(example, spans=tuple(span for span in example.spans if span.label in kept)))
        elif example.label in kept:
            examples.append(example)
    what = "texts" if len(examples) < len(split.examples) else "entities"
    return _with_counts(replace(split, examples=tuple(examples)), {f"{what} left out by data.keep": n_left_out})


def _count_unknown(split: Split, known: Sequence[str]) -> Split:
    counts = labels.labels_of(split.examples)
    return _with_counts(split, {UNKNOWN_TYPES: sum(n for label, n in counts.items() if label not in known)})
