"""`nertune data convert` and `nertune data split`: annotated files written in another format, or in three parts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from nertune.data.audit.findings import counted
from nertune.data.corpus import choose_labels, drawn_splits, faults_of
from nertune.data.documents import Document
from nertune.data.examples import Corpus, Example, Split, TokenExample
from nertune.data.files import SplitFiles
from nertune.data.notices import KINDS, Kind, Notices
from nertune.data.readers import READERS
from nertune.data.reading import find_files, read_items
from nertune.data.rendering import to_documents
from nertune.data.writers import LOSSES, WRITERS, OutFormat
from nertune.data.writers.unheld import count_links
from nertune.errors import UserError, Where, closest, raise_all
from nertune.workflows.annotated import Annotated, find_annotated, read_annotated

USUAL = {"token": "conll", "sequence": "tsv"}


@dataclass(frozen=True)
class Written:
    """One file or folder that was written.

    items     examples or documents, as the format takes them
    entities  None for texts with classes
    """

    path: str
    items: int
    entities: int | None


@dataclass(frozen=True)
class Noticed:
    """A kind of notice or loss, in words, with the first places."""

    kind: str
    severity: str
    count: int
    message: str
    places: tuple[str, ...]
    advice: str


@dataclass(frozen=True)
class ConvertRecord:
    """What a conversion did.

    noticed  what reading met
    losses   what the new format cannot hold
    """

    format: str
    to: str
    unit: str
    written: Mapping[str, Written]
    noticed: tuple[Noticed, ...]
    losses: tuple[Noticed, ...]

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def convert(
    paths: Sequence[Path],
    *,
    to: str,
    target: Path,
    edits: Sequence[str] = (),
    task: str | None = None,
    form: str | None = None,
) -> ConvertRecord:
    """Write annotated files in another format: one split as `target` itself, several as files in it.

    Raises  UserError for a format that is not known or does not hold the task; Problems with every fault of the files
    """
    out = find_writer(to)
    annotated = find_annotated(paths, edits=edits, task=task or (None if _has_study(paths) else out.task), form=form)
    _refuse_other_task(annotated, to=to, out=out)
    losses, notices = Notices(), Notices()
    if out.unit == "documents" and _holds_documents(annotated):
        items: dict[str, Iterator[Any]] = {
            name: _documents(annotated, files, notices=notices) for name, files in annotated.files.items()
        }
        read_as, _ = find_files(next(iter(annotated.files.values())), data=annotated.spec.data, task=out.task)
    else:
        corpus = read_annotated(annotated)
        _count_links(annotated, losses=losses)
        items = {name: _of_split(one, out=out, losses=losses) for name, one in corpus.splits.items()}
        read_as, notices = corpus.format, _notices_of(corpus)
    targets = _targets(list(items), target=target, out=out, files=annotated.files)
    written = {name: _write(items[name], out=out, path=path, losses=losses) for name, path in targets.items()}
    return _record(read_as, to=to, written=written, notices=notices, losses=losses)


def split(
    paths: Sequence[Path],
    *,
    target: Path,
    to: str | None = None,
    edits: Sequence[str] = (),
    task: str | None = None,
    form: str | None = None,
) -> ConvertRecord:
    """Write train, dev and test as files of their own in the folder `target`, as `data.split` draws them.

    Raises  UserError where nothing is to be drawn
    """
    annotated = find_annotated(paths, edits=edits, task=task, form=form)
    if annotated.study is None:
        annotated = _as_train(annotated)
    if not drawn_splits(annotated.spec.data):
        raise UserError("nothing is to be taken out of train", fix="Write for example: --dev 0.1 --test 0.1")
    corpus = read_annotated(annotated)
    name = to or USUAL[corpus.task]
    out = find_writer(name)
    _refuse_other_task(annotated, to=name, out=out)
    losses, written = Notices(), {}
    for part, path in _targets(list(corpus.splits), target=target, out=out, files=annotated.files).items():
        written[part] = _write(
            _of_split(corpus.splits[part], out=out, losses=losses), out=out, path=path, losses=losses
        )
    return _record(corpus.format, to=name, written=written, notices=_notices_of(corpus), losses=losses)


def known_formats() -> dict[str, Any]:
    """The formats that are read, and those that are written, as plain data."""
    return {
        "read": [{"name": name, "tasks": form.tasks, "holds": form.holds} for name, form in READERS.items()],
        "written": [{"name": name, "tasks": (form.task,), "holds": form.holds} for name, form in WRITERS.items()],
    }


def find_writer(name: str) -> OutFormat:
    """The format to write, by its name.

    Raises  UserError with the closest name
    """
    if name in WRITERS:
        return WRITERS[name]
    near = closest(name, WRITERS)
    raise UserError(
        f"no format is written that is named {name}; there are {', '.join(WRITERS)}",
        fix=f"Did you mean --to {near}?" if near else None,
    )


def _holds_documents(annotated: Annotated) -> bool:
    """Whether the files annotate text by characters, so that documents can be written as they are."""
    if drawn_splits(annotated.spec.data):
        return False
    files = next(iter(annotated.files.values()))
    _, _, items = read_items(files, data=annotated.spec.data, task=annotated.spec.task)
    first = next(items, None)
    return first is not None and isinstance(first[1], Document)


def _documents(annotated: Annotated, files: SplitFiles, *, notices: Notices) -> Iterator[Document]:
    """The documents of a split with all that they hold; no word is looked for in them.

    Raises  Problems, when all were read, with every fault of the files
    """
    data = annotated.spec.data
    _, source, items = read_items(files, data=data, task=annotated.spec.task)
    for document in _only_documents(items):
        yield choose_labels(document, data=data, notices=source.notices)
    raise_all(faults_of(source))
    notices.merge(source.notices)


def _only_documents(items: Iterable[tuple[Path, object]]) -> Iterator[Document]:
    return (item for _, item in items if isinstance(item, Document))


def _count_links(annotated: Annotated, *, losses: Notices) -> None:
    """Count what documents hold beside entities, where examples are all that is written."""
    if not _holds_documents(annotated):
        return
    for files in annotated.files.values():
        _, _, items = read_items(files, data=annotated.spec.data, task=annotated.spec.task)
        for document in _only_documents(items):
            count_links(document, losses=losses)


def _of_split(split: Split, *, out: OutFormat, losses: Notices) -> Iterator[Example | Document]:
    if out.unit == "examples":
        return iter(split.examples)
    sentences = (example for example in split.examples if isinstance(example, TokenExample))
    return to_documents(sentences, name=split.name, losses=losses, n_sentences=out.n_sentences)


def _write(items: Iterable[Any], *, out: OutFormat, path: Path, losses: Notices) -> Written:
    n_items, n_entities = 0, 0

    def passing() -> Iterator[Any]:
        nonlocal n_items, n_entities
        for item in items:
            n_items += 1
            n_entities += len(item.entities if isinstance(item, Document) else getattr(item, "spans", ()))
            yield item

    out.write(passing(), target=path, losses=losses)
    return Written(str(path), n_items, n_entities if out.task == "token" else None)


def _targets(names: Sequence[str], *, target: Path, out: OutFormat, files: Mapping[str, SplitFiles]) -> dict[str, Path]:
    """Where each split goes: a single one to the target itself, unless it is a folder of splits already.

    Raises  UserError where that would replace a file that is read, or leave files of another time beside these
    """
    targets = {name: target / f"{Path(name).name}{out.ending}" for name in names}
    if len(names) == 1:
        targets = {names[0]: target}
    read = {path.resolve() for each in files.values() for path in each.paths}
    for path in targets.values():
        if path.resolve() in read:
            message = "this file is read, and would be replaced by what is written"
            raise UserError(message, where=Where(path), fix="Name another place to write to.")
    if len(names) > 1 and target.is_dir() and any(target.iterdir()):
        raise UserError("the folder is not empty", where=Where(target), fix="Name a new folder.")
    return targets


def _has_study(paths: Sequence[Path]) -> bool:
    return len(paths) == 1 and paths[0].suffix in (".yaml", ".yml")


def _as_train(annotated: Annotated) -> Annotated:
    """Files as the train of a study, so that dev and test can be taken out of it."""
    (files,) = annotated.files.values() if len(annotated.files) == 1 else (_joined(annotated.files),)
    data = annotated.spec.data.model_copy(update={"dir": None, "train": files.paths})
    return Annotated(annotated.spec.model_copy(update={"data": data}), Path("--set"), {"train": files})


def _joined(files: Mapping[str, SplitFiles]) -> SplitFiles:
    return SplitFiles("train", tuple(path for each in files.values() for path in each.paths))


def _refuse_other_task(annotated: Annotated, *, to: str, out: OutFormat) -> None:
    task = annotated.spec.task
    if task != out.task:
        fitting = [name for name, form in WRITERS.items() if form.task == task]
        raise UserError(
            f"{to} holds {out.holds}, but these are data of a {task} task", fix=f"--to {' or '.join(fitting)}"
        )


def _notices_of(corpus: Corpus) -> Notices:
    notices = Notices()
    for split in corpus.splits.values():
        notices.merge(split.notices)
    return notices


def _record(form: str, *, to: str, written: Mapping[str, Written], notices: Notices, losses: Notices) -> ConvertRecord:
    return ConvertRecord(
        form, to, WRITERS[to].unit, dict(written), _in_words(notices, kinds=KINDS), _in_words(losses, kinds=LOSSES)
    )


def _in_words(notices: Notices, *, kinds: Mapping[str, Kind]) -> tuple[Noticed, ...]:
    return tuple(
        Noticed(
            name,
            kinds[name].severity,
            n,
            counted(n, kinds[name].says),
            tuple(map(str, notices.places.get(name, []))),
            kinds[name].advice,
        )
        for name, n in notices.counts.items()
        if n
    )
