"""Functional genomics with several heads on one encoder: JSON with MODE, MODEL, DATA and TRAINING."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from nertune.spec.legacy.ledger import Ledger, Rule, nothing, settle_all, to, to_betas, to_file, to_model
from nertune.spec.legacy.old_file import OldFile, read_old_file
from nertune.spec.legacy.values import number, one_of, truth, whole_number

SECTIONS = ("MODEL", "DATA", "TRAINING")
LINK = "link"
LINKS = (LINK, "links", "relation", "relations")
NO_VALUE = "-"  # of an attribute that an annotator left empty
OLD_FORMS = ("MODEL.LABELS_AND_HEADS", "MODEL.HEAD", "MODEL.LABELS_NAME", "MODEL.NUM_LABELS")
HEAD_KEYS = ("model.head", "model.hidden", "model.crf", "model.problem")
KINDS: dict[str, dict[str, Any]] = {  # of heads: what stands on the encoder
    "single_label": {},
    "multi_label": {"problem": "multi_label"},
    "crf": {"crf": True},
    "nonlin_single_label": {"head": "mlp", "hidden": [500]},
    "nonlin_multi_label": {"head": "mlp", "hidden": [500], "problem": "multi_label"},
}
TAGGINGS = {**dict.fromkeys(("bio", "iob", "iob2"), "iob2"), "io": "io", **dict.fromkeys(("bioes", "bies"), "bioes")}
OPTIMIZERS = {"adamw": "adamw_torch_fused", "adafactor": "adafactor", "sgd": "sgd"}
PIECES = {"first": "first", "average": "mean"}

VERBOSE = nothing("--quiet says how much is shown")
RATE = to("train.learning_rate", number)
TEST_SET = nothing("test is read as train is")

RULES: dict[str, Rule] = {
    "MODE": nothing("search, best-and-train and predict are commands"),
    "VERBOSE": VERBOSE,
    "MODEL.TYPE": nothing("model.base is always a saved model"),
    **dict.fromkeys(("MODEL.TRANSFORMER_CLASS", "MODEL.MODEL_CLASS"), nothing("the encoder's config says it")),
    "MODEL.TRANSFORMER_MODEL": to_model("model.base"),
    "MODEL.TOKENIZER_MODEL": to_model("model.tokenizer"),
    "MODEL.TOKENIZER_KWARGS.do_lower_case": to("model.lower_case", truth),
    "MODEL.MAX_TOKEN_LENGTH": to("train.max_pieces", whole_number),
    "MODEL.DROPOUT": to("model.head_dropout", number),
    "MODEL.COMBINE_LOSSES": nothing("the losses of all heads are summed"),
    "MODEL.TAG_LIST_DEFINITIONS": nothing("each head names its labels"),
    "MODEL.TAG_CATEGORY_DEFINITIONS": nothing("data.tags says which tags of MAE files become labels"),
    "MODEL.VERBOSE": VERBOSE,
    "DATA.PATH": to_file("data.train"),
    "DATA.FILETYPE": nothing("formats are recognised; instead of json_fgeom, name the MAE files it was made of"),
    "DATA.BATCH_SIZE": to("train.batch_size", whole_number),
    "DATA.BALANCE_CLASSES": to("train.balance", number, note="a power of the inverse frequency"),
    "TRAINING.BALANCE_CLASSES": to("train.balance", number, note="a power of the inverse frequency"),
    "DATA.SEP_SENTENCES": to("data.sentences", lambda value: "lines" if truth(value) else "documents"),
    "DATA.VERBOSE": VERBOSE,
    "TEST_DATA.PATH": to_file("data.test"),
    "TEST_DATA.*": TEST_SET,
    "TESTING": nothing("best-and-train scores test"),
    "TESTING.*": nothing("best-and-train scores test"),
    "TRAINING.TRAINED_NAME": nothing("the study has the name of the file"),
    **dict.fromkeys(
        ("TRAINING.OPTIMIZER_CLASS", "TRAINING.OPTIMIZER.CLASS_NAME"), to("train.optimizer", one_of(OPTIMIZERS))
    ),
    **dict.fromkeys(
        ("TRAINING.OPTIMIZER_KWARGS.lr", "TRAINING.OPTIMIZER.LR", "TRAINING.LEARNING_RATE", "TRAINING.LR"), RATE
    ),
    **dict.fromkeys(("TRAINING.OPTIMIZER_KWARGS.eps", "TRAINING.OPTIMIZER.EPS"), to("train.epsilon", number)),
    "TRAINING.OPTIMIZER_KWARGS.betas": to_betas,
    "TRAINING.OPTIMIZER_KWARGS.weight_decay": to("train.weight_decay", number),
    "TRAINING.OPTIMIZER_KWARGS.correct_bias": nothing("AdamW always corrects it"),
    "TRAINING.FULL_FINETUNING": to("train.freeze", lambda value: "none" if truth(value) else "encoder"),
    "TRAINING.EPOCHS": to("train.epochs", whole_number),
    "TRAINING.BATCH_SIZE": to("train.batch_size", whole_number),
    "TRAINING.PATIENCE": to("train.patience", whole_number),
    "TRAINING.SEED": to("search.seed", whole_number, note="final.seeds are others"),
    "TRAINING.MAX_GRAD_NORM": to("train.max_grad_norm", number),
    "TRAINING.DO_FINAL_TRAIN": nothing("best-and-train trains on all folds"),
    "TRAINING.CUSTOM_PS2LS": nothing("each head decides by itself"),
    "TRAINING.VERBOSE": VERBOSE,
}


def looks_like_functional_genomics(values: Any) -> bool:
    """Whether it has the sections of a training; files that only analyse or tag have others."""
    return isinstance(values, dict) and all(isinstance(values.get(name), dict) for name in SECTIONS)


def convert_functional_genomics(old: OldFile) -> list[Ledger]:
    """One study."""
    ledger = Ledger(old, title=old.path.stem)
    ledger.study["task"] = "token"
    if ledger.value("MODEL.TYPE") == "existing":
        ledger.fault("MODEL.TYPE", "pickled models are not read; train from a saved model: pretrained")
    _settle_heads(ledger)
    _settle_folds(ledger)
    _settle_pieces(ledger)
    settle_all(ledger, RULES)
    _settle_keywords(ledger)
    ledger.add("data.sentences", "documents", "an example is a whole abstract")
    return [ledger]


# ---- heads


@dataclass(frozen=True)
class OldHead:
    """One head as the file describes it.

    name    as a study may call it
    key     of the file, below which its options stand
    kind    a key of KINDS, or LINK
    labels  entity types that it learns; empty where no file says which
    """

    name: str
    key: str
    kind: str
    labels: tuple[str, ...]


def _settle_heads(ledger: Ledger) -> None:
    """Several heads become `model.heads`, one becomes the study's own; those for links are not here yet."""
    heads = _read_heads(ledger)
    for head in heads:
        if head.kind == LINK:
            _drop_options(ledger, head, reason="heads for links are not here yet")
        elif head.kind not in KINDS:
            ledger.refuse(f"{head.key} is of the kind {head.kind}; known: {', '.join([*KINDS, LINK])}")
    rest = [head for head in heads if head.kind in KINDS]
    _settle_tagging(ledger, rest)
    if heads and not rest:
        ledger.refuse("has only heads for links, which are not here yet")
    elif len(rest) == 1:
        _settle_options(ledger, rest[0], at="model")
    elif all(head.labels for head in rest):
        for head in _told_apart(rest):
            _settle_options(ledger, head, at=f"model.heads.{head.name}")
    else:
        _join(ledger, rest)
    _settle_old_forms(ledger, has_links=len(rest) < len(heads))


def _read_heads(ledger: Ledger) -> list[OldHead]:
    """The heads, in any of the forms that there were."""
    model = ledger.old.values["MODEL"]
    if isinstance(model.get("HEADS"), dict):
        found = {f"MODEL.HEADS.{name}": (name, options) for name, options in model["HEADS"].items()}
    elif isinstance(model.get("LABELS_AND_HEADS"), list):
        rows = [row for row in model["LABELS_AND_HEADS"] if isinstance(row, list) and len(row) == 3]
        found = {f"MODEL.LABELS_AND_HEADS.{name}": (name, kind) for name, _, kind in rows}
    elif "HEAD" in model:
        found = {"MODEL.HEAD": (model.get("LABELS_NAME", "labels"), model["HEAD"])}
    else:
        found = {}
    labels = _known_labels(ledger)
    return [_read_head(key, str(name), options, labels=labels) for key, (name, options) in found.items()]


def _read_head(key: str, name: str, options: Any, *, labels: Mapping[str, list[str]]) -> OldHead:
    """A head from its options, its kind alone, or its labels alone."""
    if not isinstance(options, dict):
        options = {"labels": options} if isinstance(options, list) else {"htype": options}
    kind = str(options.get("htype") or (LINK if name.startswith(LINK) else "single_label")).casefold()
    known = options.get("labels") or labels.get(name) or []
    return OldHead(
        name=re.sub(r"[^A-Za-z0-9_-]", "_", name),
        key=key,
        kind=LINK if kind in LINKS else kind,
        labels=tuple(dict.fromkeys(str(label) for label in known if label != NO_VALUE)),
    )


def _known_labels(ledger: Ledger) -> dict[str, list[str]]:
    """Labels of each head, from the file that TAG_LIST_DEFINITIONS names; empty where there is none."""
    written = ledger.value("MODEL.TAG_LIST_DEFINITIONS")
    path = ledger.old.find(written) if isinstance(written, str) else None
    if not isinstance(path, Path) or not path.is_file():
        return {}
    values = read_old_file(path).values
    if not isinstance(values, dict) or not all(isinstance(labels, list) for labels in values.values()):
        ledger.fault("MODEL.TAG_LIST_DEFINITIONS", "the file should hold a list of labels for each head")
        return {}
    return values


def _join(ledger: Ledger, heads: Sequence[OldHead]) -> None:
    """One head for all labels, where it is not known which head learns which."""
    if len({head.kind for head in heads}) == 1:
        ledger.study |= {f"model.{name}": value for name, value in KINDS[heads[0].kind].items()}
    for head in heads:
        reason = "one head learns all labels: no file of TAG_LIST_DEFINITIONS was found that tells them apart"
        _drop_options(ledger, head, reason=reason)


def _told_apart(heads: Sequence[OldHead]) -> list[OldHead]:
    """The heads with labels that are their own: `HEAD.LABEL` where several learn a label of the same name."""
    counts = Counter(label for head in heads for label in head.labels)
    return [
        replace(head, labels=tuple(f"{head.name}.{label}" if counts[label] > 1 else label for label in head.labels))
        for head in heads
    ]


def _settle_options(ledger: Ledger, head: OldHead, *, at: str) -> None:
    """What stands on the encoder, and which labels it learns."""
    study = {f"{at}.{name}": value for name, value in KINDS[head.kind].items()}
    if at != "model":
        study[f"{at}.labels"] = [*head.labels]
    ledger.study |= study
    is_shared = any(label.startswith(f"{head.name}.") for label in head.labels)
    note = f"{head.name}.LABEL where another head has the same label" if is_shared else ""
    for key in (head.key, f"{head.key}.htype", f"{head.key}.labels"):
        if key in ledger.left():
            ledger.become(key, study or {"model.head": "linear"}, note=note)
    weight = to(f"{at}.weight", number) if at != "model" else nothing("there is one head")
    settle_all(ledger, {"num_labels": nothing("follows from the labels"), "weight": weight}, prefix=f"{head.key}.")


def _settle_old_forms(ledger: Ledger, *, has_links: bool) -> None:
    """The keys that told all heads together."""
    heads = {name: value for name, value in ledger.study.items() if name.startswith(HEAD_KEYS)}
    for key in [key for key in OLD_FORMS if key in ledger.left()]:
        note = "heads for links are not here yet" if has_links else ""
        ledger.become(key, heads or {"model.head": "linear"}, note=note)


def _drop_options(ledger: Ledger, head: OldHead, *, reason: str) -> None:
    for key in [key for key in ledger.left() if key == head.key or key.startswith(f"{head.key}.")]:
        ledger.drop(key, reason)


def _settle_tagging(ledger: Ledger, heads: Sequence[OldHead]) -> None:
    """The tag scheme of the first head that has one, for all of them; without one, a tag is the label alone."""
    for head in heads:
        for name in ("schema", "schema_func"):
            key = f"{head.key}.{name}"
            if "data.tagging" not in ledger.study:
                settle_all(ledger, {key: to("data.tagging", one_of(TAGGINGS))})
            else:
                settle_all(ledger, {key: nothing("data.tagging is the same for all heads")})
    if heads:
        ledger.add("data.tagging", "io", "without a schema, tags have no B- and I-")


# ---- folds and options


def _settle_folds(ledger: Ledger) -> None:
    key = "TRAINING.K_FOLDS"
    folds = ledger.read(key, whole_number)
    if folds is not None and folds > 1:
        ledger.become(key, {"protocol.kfold": folds})
    elif folds is not None:
        ledger.drop(key, "there is one split")


def _settle_pieces(ledger: Ledger) -> None:
    key = "TRAINING.RECOMBINATION_METHOD"
    if ledger.value(key) in PIECES:
        ledger.become(key, {"model.pieces": PIECES[ledger.value(key)]})
    settle_all(ledger, {key: nothing("a word's tag is read at its first piece")})


def _settle_keywords(ledger: Ledger) -> None:
    """What went into transformers as keywords goes there still."""
    places = {"MODEL.TRANSFORMER_KWARGS.": "model.config", "MODEL.TOKENIZER_KWARGS.": "model.tokenizer_options"}
    for prefix, place in places.items():
        for key in [key for key in ledger.left() if key.startswith(prefix)]:
            to(f"{place}.{key.removeprefix(prefix)}")(ledger, key)
