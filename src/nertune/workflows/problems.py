"""What is wrong with a well-formed study: names that no room knows, labels and data that do not fit its heads."""

from __future__ import annotations

from pathlib import Path

from nertune.data.corpus import problem_among
from nertune.data.examples import Corpus
from nertune.errors import StudyFileError, UserError, Where, closest, shown_path
from nertune.hooks import hook_name
from nertune.scores import OBJECTIVES, is_scored, objectives
from nertune.spec.rules import contradiction_problems
from nertune.spec.study import HeadOptions, StudySpec

CONFIG = "config.json"


def name_problems(spec: StudySpec, *, path: Path) -> list[UserError]:
    """Names in the study that their rooms do not know: the objective, and what depends on it."""
    known = objectives(spec.task, heads=spec.model.heads or (), extra=map(hook_name, spec.search.scores))
    objective = spec.search.objective
    problems: list[UserError] = []
    if objective not in known:
        near = closest(objective, known)
        fix = f"Did you mean {near}?" if near else f"Known for {spec.task} tasks: {', '.join(known)}"
        problems.append(StudyFileError(f"search.objective: there is no score {objective}", where=Where(path), fix=fix))
    if objective == "binary_f1" and spec.data.positive_label is None:
        problems.append(
            StudyFileError(
                "search.objective: binary_f1 needs to know which class is the positive one",
                where=Where(path),
                fix="Add data.positive_label",
            )
        )
    return problems


def score_problems(spec: StudySpec) -> list[UserError]:
    """Scores of the user's own that are called as another one is: results could not tell them apart."""
    taken = [*OBJECTIVES[spec.task], *map(hook_name, spec.search.scores)]
    return [
        StudyFileError(
            f"search.scores: {name} is called {hook_name(name)} in results, and so is another score",
            fix=f"Give the function another name, for example {name}_2",
        )
        for name in dict.fromkeys(spec.search.scores)
        if taken.count(hook_name(name)) > 1
    ]


def base_problems(spec: StudySpec) -> list[UserError]:
    """Searched folders that hold no model: its trials would fail one by one, hours after the start."""
    return [
        StudyFileError(
            f"search.space.model.base: {shown_path(Path(base))} holds no model: there is no {CONFIG} in it",
            fix="Name a folder that transformers or nertune saved, or a hub id",
        )
        for base in spec.search.space.get("model.base", ())
        if Path(base).is_absolute() and not (Path(base) / CONFIG).is_file()
    ]


def label_problems(spec: StudySpec, *, corpus: Corpus) -> list[UserError]:
    """Labels that several heads and the data do not share."""
    heads = spec.model.heads
    if not heads:
        return []
    problems: list[UserError] = []
    for name, head in heads.items():
        for label in [label for label in head.labels if label not in corpus.labels]:
            near = closest(label, corpus.labels)
            fix = f"Did you mean {near}?" if near else f"Train has: {', '.join(corpus.labels)}"
            problems.append(
                StudyFileError(f"model.heads.{name}.labels has {label}, which train does not have", fix=fix)
            )
    left = [label for label in corpus.labels if not any(label in head.labels for head in heads.values())]
    if left:
        problems.append(
            StudyFileError(
                f"model.heads: no head learns {', '.join(left)}, which train has",
                fix="Add them to the labels of a head, or leave them out with data.keep",
            )
        )
    return problems


def with_problems(spec: StudySpec, *, corpus: Corpus) -> StudySpec:
    """The study with what the data show where a `problem` is auto."""
    train = corpus.splits["train"]
    heads = {
        name: head
        if head.problem != "auto"
        else head.model_copy(update={"problem": problem_among(train, kinds=head.labels)})
        for name, head in (spec.model.heads or {}).items()
    }
    problem = corpus.problem if spec.model.problem == "auto" else spec.model.problem
    model = spec.model.model_copy(update={"problem": problem, "heads": heads or None})
    return spec.model_copy(update={"model": model})


def data_problems(spec: StudySpec) -> list[UserError]:
    """What the study asks for and its data do not allow.

    spec  with what the data show where it said auto; as it was written it was found to make sense
    """
    problems = [problem for _, problem in contradiction_problems(spec)]
    objective = spec.search.objective
    head, _, score = objective.rpartition(".")
    heads: dict[str, HeadOptions] = {**(spec.model.heads or {"": spec.model})}
    if not any(is_scored(score, problem=own.learned_problem) for name, own in heads.items() if head in ("", name)):
        several = "several labels" if next(iter(heads.values())).learned_problem == "multi_label" else "one label each"
        problems.append(
            StudyFileError(f"search.objective: {objective} is no score of items with {several}", fix="objective: f1")
        )
    return problems
