"""`nertune evaluate`: the scores of a saved model, or of several together, on labelled data."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from nertune.data.corpus import drawn_splits, read_corpus, read_files
from nertune.data.examples import Corpus, Split
from nertune.data.files import SPLITS
from nertune.data.labels import labels_of
from nertune.data.source import listed
from nertune.errors import UserError, closest, shown_path
from nertune.execute.plan import usable_cores
from nertune.imports import uncollected
from nertune.report.text import left_text
from nertune.results.records import without_nan
from nertune.spec.study import DataSpec, StudySpec
from nertune.workflows.annotated import Annotated, check_there, find_annotated
from nertune.workflows.device import find_device
from nertune.workflows.run_predict import NEWS_EVERY_S, counts_told, inherit, reading_edits, say_nothing, tell_members
from nertune.workflows.session import find_recorded

# How annotation becomes examples: as in the model's own study, where the data come without one.
INHERITED = ("words", "sentences", "misaligned", "nested", "discontinuous", "positive_label")
CHOOSING = ("data.rename", "data.keep", "data.labels")
USUAL = "test"  # of several splits
SHOWN_UNKNOWN = 5  # labels that a message renames


def evaluate(
    model: str | Path,
    data: str | Path,
    *,
    device: str = "auto",
    precision: Literal["fp32", "bf16"] = "fp32",
    edits: Sequence[str] = (),
    form: str | None = None,
    split: str | None = None,
    max_pieces: int | None = None,
    tell: Callable[[str], None] = say_nothing,
) -> dict[str, Any]:
    """Scores, strict and partial matches and confusions as plain data; see `predict.evaluate.Evaluation`.

    model      folder of a saved model, or of several whose probabilities are averaged; or an id on the hub
    data       a study file, a folder or an annotated file
    precision  fp32, in which test was scored, or bf16
    edits      `data.KEY=VALUE` as `--set` takes them
    form       the format of files; None: recognised
    split      of several; None: test
    Raises     UserError: a model or data that cannot be used, or that do not belong together
    """
    place = find_device(device)
    reading_edits(edits)
    check_there([Path(data)])
    with uncollected():
        from nertune.predict.ensemble import open_ensemble  # torch is loaded from here on
        from nertune.predict.evaluate import evaluate as evaluate_on

    ensemble = open_ensemble(
        str(model), device=place, threads=usable_cores(), precision=precision, max_pieces=max_pieces
    )
    tell_members([one.source for one in ensemble.members], tell)
    is_multi = any(head.problem == "multi_label" for head in ensemble.heads) or len(ensemble.heads) > 1
    problem = "multi_label" if is_multi else "single_label"
    annotated = _find_data(Path(data), spec=ensemble.spec, task=ensemble.task, edits=edits, form=form, problem=problem)
    chosen = _read_split(annotated, split=split, own=ensemble.spec, edits=edits, tell=tell)
    _tell_learned(chosen.name, own=ensemble.spec, tell=tell)
    positive = annotated.spec.data.positive_label
    found = evaluate_on(
        ensemble, chosen.examples, positive_label=positive, done=_news(tell, total=len(chosen.examples))
    )
    _tell_unknown(found.unknown, [kind for head in ensemble.labels for kind in head.kinds], tell)
    for line in counts_told(found.counts):
        tell(line)
    told: dict[str, Any] = without_nan(
        {
            "models": [one.source for one in ensemble.members],
            "data": shown_path(Path(data)),
            "split": chosen.name,
            "device": place,
            "precision": precision,
            **found.to_json(),
        }
    )
    return told


# ---- the data


def _find_data(
    path: Path, *, spec: StudySpec, task: str, edits: Sequence[str], form: str | None, problem: str
) -> Annotated:
    """The data as their study says, or as the model's study says where they come without one."""
    if path.suffix in (".yaml", ".yml") and path.is_file():
        annotated = find_annotated([path], edits=edits, form=form)
        if annotated.spec.task != task:
            raise UserError(
                f"{shown_path(path)} is a {annotated.spec.task} study, but the model is for {task} tasks",
                fix="Name data for this model",
            )
        return annotated
    annotated = find_annotated([path], edits=[*edits, f"model.problem={problem}"], task=task, form=form)
    data = inherit(spec, annotated.spec.data, keys=INHERITED, edits=edits)
    return replace(annotated, spec=annotated.spec.model_copy(update={"data": data}))


def _read_split(
    annotated: Annotated, *, split: str | None, own: StudySpec, edits: Sequence[str], tell: Callable[[str], None]
) -> Split:
    """The split that is scored, its labels renamed and chosen as in the model's own study, unless edits say how."""
    name = _choose_split(annotated, wanted=split)
    chosen = _read(annotated, split=name).splits[name]
    is_told = any(edit.partition("=")[0].strip() in CHOOSING for edit in edits)
    if annotated.study is not None or is_told:
        return chosen
    changes = _as_trained(own.data, found=labels_of(chosen.examples))
    if not changes:
        return chosen
    tell(f"As in the model's study: {', '.join(f'data.{key}={_shown(value)}' for key, value in changes.items())}")
    data = annotated.spec.data.model_copy(update=changes)
    changed = replace(annotated, spec=annotated.spec.model_copy(update={"data": data}))
    return _read(changed, split=name).splits[name]


def _choose_split(annotated: Annotated, *, wanted: str | None) -> str:
    drawn = drawn_splits(annotated.spec.data) if annotated.study is not None else ()
    there = [*annotated.files, *(name for name in drawn if name not in annotated.files)]
    if wanted is not None and wanted not in there:
        raise UserError(f"there is no split {wanted} here, but {listed(there)}", fix=f"--split {there[-1]}")
    if wanted is None and len(there) > 1 and USUAL not in there:
        raise UserError(f"several splits are here: {listed(there)}", fix=f"--split {there[-1]}")
    return wanted or (USUAL if USUAL in there else there[0])


def _read(annotated: Annotated, *, split: str) -> Corpus:
    """The split, and train where there is one, which shows how tags and label cells are to be read."""
    spec = annotated.spec
    if annotated.study is None:
        files = {name: files for name, files in annotated.files.items() if name in ("train", split)}
        return read_files(files, data=spec.data, task=spec.task, problem=spec.model.data_problem)
    names = [name for name in SPLITS if name == split or (name == "train" and name in annotated.files)]
    known = find_recorded(spec) if drawn_splits(spec.data) else None
    parts = known.facts.get("parts") if known else None
    return read_corpus(spec.data, task=spec.task, splits=names, problem=spec.model.data_problem, parts=parts)


def _as_trained(own: DataSpec, *, found: Mapping[str, int]) -> dict[str, Any]:
    """What of `data.rename` and `data.keep` of the model's study these labels need."""
    rename = {old: new for old, new in own.rename.items() if old in found}
    names = {rename.get(label, label) for label in found}
    keep = None if own.keep is None else tuple(label for label in own.keep if label in names)
    return ({"rename": rename} if rename else {}) | ({"keep": keep} if keep and set(keep) < names else {})


def _shown(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{old}: {new}" for old, new in value.items()) + "}"
    return f"[{', '.join(value)}]"


# ---- telling


def _tell_learned(split: str, *, own: StudySpec, tell: Callable[[str], None]) -> None:
    """That scores are no estimate where the models learned from this split, if it is of their own data."""
    how = "final.train_with_dev" if own.final.train_with_dev else "protocol.kfold" if own.protocol.kfold else None
    if split == "train" or (split == "dev" and how is not None):
        by = "" if split == "train" else f" ({how})"
        tell(f"Warning: the models learned from {split} of their own study{by}, where scores are far too hopeful")


def _tell_unknown(unknown: Mapping[str, int], known: Sequence[str], tell: Callable[[str], None]) -> None:
    if not unknown:
        return
    names = ", ".join(f"{label} {n:,}" for label, n in unknown.items())
    only = known[0] if len(known) == 1 else None
    pairs = ", ".join(f"{label}: {closest(label, known) or only or 'NAME'}" for label in [*unknown][:SHOWN_UNKNOWN])
    keep = f"[{only or 'NAME'}]"
    tell(f"Warning: labels that the model does not know, which count as missed: {names}")
    tell(f"    Rename them to what it knows: --set 'data.rename={{{pairs}}}', or keep some: --set 'data.keep={keep}'")


def _news(tell: Callable[[str], None], *, total: int) -> Callable[[int], None]:
    """Tells now and then how many examples are done, and how long the others may take."""
    began = last = time.monotonic()

    def done(n: int) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last > NEWS_EVERY_S:
            last = now
            tell(f"{n:,} of {total:,}, {left_text(n, total, seconds=now - began)}")

    return done
