"""Gene tagging with a top model: `exp_config.json`, an object of named experiments.

A top model on a BERT is trained by itself for EPOCH_TOP epochs, then with the encoder's last layers for EPOCH_END2END.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from nertune.spec.legacy.ledger import KeyRecord, Ledger, Rule, nothing, settle_all, to, to_model
from nertune.spec.legacy.old_file import OldFile
from nertune.spec.legacy.values import number, one_of, truth, whole_number
from nertune.spec.train_section import TrainSpec

TELLING = {
    *("EPOCH_TOP", "EPOCH_END2END", "LOAD_BEST_MODEL", "LOWER_CASE", "MAX_LEN", "grad_finetune", "grad_e2e"),
    *("grad_finetune_layers", "lr_finetune", "wd_finetune", "top_model", "xargs", "model_type", "data_size"),
}
LEAST_TELLING = 2
WIDTHS = [500, 250, 125]
MLP = {"model.head": "mlp", "model.hidden": WIDTHS}
MLP_CRF = {**MLP, "model.crf": True}
HEADS = {"baseline": {"model.head": "linear"}, "softmax": MLP, "fcn": MLP, "crf": MLP_CRF, "fcn_crf": MLP_CRF}
ALL_LAYERS = -1
PLACES = ("DATA_PATH", "entity_type", "dataset")  # data lie in DATA_PATH/entity_type/dataset
OWN_FOLDERS = nothing("results lie in output")

RULES = {
    "LOWER_CASE": to("model.lower_case", truth),
    "LOAD_BEST_MODEL": nothing("the best epoch on dev is always kept"),
    "MAX_LEN": to("train.max_pieces", whole_number, note="longer sentences are read in overlapping windows"),
    "BATCH_SIZE": to("train.batch_size", whole_number),
    "patience": to("train.patience", whole_number),
    "data_size": to("data.size", number),
    "model_name_or_path": to_model("model.base"),
    "seed_value": to("search.seed", whole_number, note="final.seeds are others, which chose nothing"),
    "set_seed": nothing("every fit has a seed"),
    "EXP_NAME": nothing("the study is named after the experiment"),
    **dict.fromkeys(("WORKING_DIR", "CACHE_DIR", "OUTPUT_DIR", "TRAIN_ARGS_FILE", "model_path"), OWN_FOLDERS),
    "add_vocab": nothing("entities are not added to the vocabulary"),
    "xargs.hmask": nothing("attention heads are not masked"),
    "xargs.skip_subset": nothing("has no counterpart; data.train names what is learned from"),
    "xargs.tf": nothing("weights are read as safetensors"),
    "xargs.wt": nothing("train.balance weighs labels by how rare they are"),
    "xargs.beta1_finetune": to("train.beta1", number, note="in every stage"),
}


def looks_like_gene_tagging(values: Any) -> bool:
    """Whether it is an experiment with the keys of this program, or an object of such experiments."""
    return isinstance(values, dict) and (_is_experiment(values) or any(map(_is_experiment, values.values())))


def convert_gene_tagging(old: OldFile) -> list[Ledger]:
    """One study for each named experiment; what stands beside them is no key that is known."""
    if _is_experiment(old.values):
        return [_convert(Ledger(old, title=old.path.stem))]
    drafts = [
        _convert(Ledger(old, title=name, at=(name,))) for name, one in old.values.items() if isinstance(one, dict)
    ]
    drafts[0].records += [
        KeyRecord(f"/{name}", one, "unknown", {}) for name, one in old.values.items() if not isinstance(one, dict)
    ]
    return drafts


def _is_experiment(values: Any) -> bool:
    return isinstance(values, dict) and len(TELLING & values.keys()) >= LEAST_TELLING


def _convert(ledger: Ledger) -> Ledger:
    ledger.study["task"] = "token"
    _settle_head(ledger)
    _settle_data(ledger)
    _settle_epochs(ledger)
    settle_all(ledger, RULES)
    return ledger


# ---- head


def _settle_head(ledger: Ledger) -> None:
    kind = ledger.read("model_type", lambda value: one_of(HEADS)(str(value).rpartition(".")[2]))
    if kind is not None:
        ledger.become("model_type", kind)
    for key in ("top_model", "xargs.top_model"):
        if ledger.value(key) is not None:
            _settle_top_model(ledger, key)


def _settle_top_model(ledger: Ledger, key: str) -> None:
    """How many hidden layers the top model has, or a folder with a trained one."""
    value = ledger.value(key)
    if isinstance(value, str) and not value.strip().isdecimal():
        to_model("model.checkpoint")(ledger, key)
    elif isinstance(value, bool) or ledger.study.get("model.head") == "linear":
        ledger.drop(key, "model_type says which top model it is")
    else:
        _settle_depth(ledger, key)


def _settle_depth(ledger: Ledger, key: str) -> None:
    depth = ledger.read(key, whole_number)
    if depth is not None and not 0 <= depth <= len(WIDTHS):
        ledger.fault(key, f"0 to {len(WIDTHS)} hidden layers are known")
    elif depth is not None:
        ledger.become(key, {"model.hidden": WIDTHS[:depth]})


# ---- data


def _settle_data(ledger: Ledger) -> None:
    """DATA_PATH is the folder of all data; below it entity type and data set tell the experiments apart."""
    parts = {key: str(ledger.value(key)) for key in PLACES if ledger.value(key) is not None}
    below = [parts[key] for key in PLACES[1:] if key in parts]
    ledger.subfolder = Path(*below) if below else None
    for key in parts:
        if "DATA_PATH" in parts:
            ledger.become(key, {"data.dir": ledger.old.find(str(Path(*parts.values())))})
        else:
            ledger.drop(key, "a folder in --data-dir may be called so")


# ---- stages


def _settle_epochs(ledger: Ledger) -> None:
    """The top model by itself, then the encoder, too: two stages, or the keys of `train` where there is one."""
    top, end = (ledger.read(key, whole_number) or 0 for key in ("EPOCH_TOP", "EPOCH_END2END"))
    goes_on = ledger.read("grad_finetune", truth)
    has_end = end > 0 and goes_on is not False
    if top > 0 and has_end:
        _settle_top(ledger, at="stages.0")
        _settle_end(ledger, at="stages.1")
    elif top > 0:
        _settle_top(ledger, at="train")
    elif has_end:
        _settle_end(ledger, at="train")
    else:
        ledger.add("train.epochs", TrainSpec().epochs, "no EPOCH_TOP or EPOCH_END2END above 0: nertune's own default")
    _drop_rest(ledger, has_top=top > 0, has_end=has_end)


def _settle_top(ledger: Ledger, *, at: str) -> None:
    rules = {
        "EPOCH_TOP": to(f"{at}.epochs", whole_number),
        "lr": to(f"{at}.learning_rate", number),
        "weight_decay": to(f"{at}.weight_decay", number),
        "grad_e2e": to(f"{at}.freeze", lambda value: "none" if truth(value) else "encoder"),
    }
    settle_all(ledger, rules)
    ledger.add(f"{at}.freeze", "encoder", "EPOCH_TOP trains the top model by itself")


def _settle_end(ledger: Ledger, *, at: str) -> None:
    rules: dict[str, Rule] = {
        "EPOCH_END2END": to(f"{at}.epochs", whole_number),
        "lr_finetune": to(f"{at}.learning_rate", number),
        "wd_finetune": to(f"{at}.weight_decay", number),
        "grad_finetune": lambda ledger, key: ledger.become(key, {}, note="the encoder learns, in the last of stages"),
    }
    settle_all(ledger, rules)
    for key, name in (("lr", f"{at}.learning_rate"), ("weight_decay", f"{at}.weight_decay")):
        if at == "train" and name not in ledger.study:  # the only stage there is
            settle_all(ledger, {key: to(name, number)})
    layers = ledger.read("grad_finetune_layers", whole_number)
    if layers is not None:
        new = {f"{at}.freeze": "none"} if layers == ALL_LAYERS else {f"{at}.top_layers": layers}
        ledger.become("grad_finetune_layers", new)
    else:
        ledger.add(f"{at}.freeze", "none", "EPOCH_END2END trains the encoder, too")


def _drop_rest(ledger: Ledger, *, has_top: bool, has_end: bool) -> None:
    """What is said of a stage that there is not."""
    no_top, no_end = nothing("EPOCH_TOP gives it no epochs"), nothing("no end-to-end training follows")
    rules: dict[str, Rule] = {}
    if not has_top:
        rules |= dict.fromkeys(("EPOCH_TOP", "lr", "weight_decay", "grad_e2e"), no_top)
    if not has_end:
        names = ("EPOCH_END2END", "lr_finetune", "wd_finetune", "grad_finetune", "grad_finetune_layers")
        rules |= dict.fromkeys((*names, "xargs.beta1_finetune"), no_end)
    settle_all(ledger, rules)
