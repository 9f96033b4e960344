"""Cerebras' Model Zoo: YAML with train_input, eval_input, model, optimizer and runconfig, of BERT's fine-tuning."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nertune.spec.legacy.ledger import Ledger, Rule, nothing, settle_all, to, to_betas, to_model, to_precision
from nertune.spec.legacy.old_file import OldFile, is_there
from nertune.spec.legacy.values import number, one_of, text, truth, whole_number

INPUT, DEV, TEST = "train_input", "eval_input", "predict_input"
DATA_DIRS = {"train": f"{INPUT}.data_dir", "dev": f"{DEV}.data_dir", "test": f"{TEST}.data_dir"}
SPLIT_FOLDERS = {"train", "dev", "devel", "val", "valid", "validation", "eval", "test"}
MANY_EPOCHS = 1000  # more than max_steps comes to
OPTIMIZERS = {
    **dict.fromkeys(("adam", "adamw"), "adamw_torch_fused"),
    "sgd": "sgd",
    "adafactor": "adafactor",
    "rmsprop": "rmsprop",
    "adagrad": "adagrad",
}
# what a data processor's or another key's name says of the task; the first that fits counts
TOKEN_WORDS = ("tokenclassifier", "ner")
SEQUENCE_WORDS = ("sst2", "mnli", "classifier")
OTHER_WORDS = ("squad", "qa", "summarization", "bertsum", "mlm", "tfrecords", "dynamicmask")
SEQUENCE_KEYS = ("model.num_cls_classes", "model.cls_dropout_rate", "model.task_dropout", "model.problem_type")
# published encoders, by a part of the name of their vocabulary and their width
ENCODERS = {
    ("google_research_uncased", 768): "bert-base-uncased",
    ("google_research_uncased", 1024): "bert-large-uncased",
    ("pubmed_fulltext", 768): "microsoft/BiomedNLP-BiomedBERT-base-uncased-abstract-fulltext",
}
WIDTHS = {"base": 768, "large": 1024}

SAVED = nothing("the saved encoder says it")
LOGS = nothing("every run is recorded whole")
MACHINE = nothing("about Cerebras' machines")
CHECKPOINTS = nothing("the best epoch is kept")
LOADING = nothing("data are encoded once and mapped")
FROM_DATA = nothing("labels are those of train")
SHAPES = {"linear": "linear", "constant": "constant", "cosine": "cosine", "cosinedecay": "cosine"}
PROBLEMS = {"single_label_classification": "single_label", "multi_label_classification": "multi_label"}

INPUT_RULES: dict[str, Rule] = {
    "batch_size": to("train.batch_size", whole_number),
    "max_sequence_length": to("train.max_pieces", whole_number),
    "do_lower": to("model.lower_case", truth),
    "vocab_file": nothing("the encoder's own tokenizer is used"),
    "label_vocab_file": FROM_DATA,
    "data_processor": nothing("the format is recognised"),
    "max_predictions_per_seq": nothing("about pre-training"),
    "add_special_tokens": nothing("they are always there"),
    **dict.fromkeys(("shuffle", "shuffle_seed", "shuffle_buffer", "repeat"), nothing("train is shuffled by the seed")),
    **dict.fromkeys(("num_workers", "prefetch_factor", "persistent_workers", "drop_last", "buckets"), LOADING),
}
DEV_RULES: dict[str, Rule] = dict.fromkeys(
    (*INPUT_RULES, "micro_batch_size"),
    nothing("dev and test are encoded as train is, and read in batches of like length"),
)
ARCHITECTURE = (
    *("hidden_size", "num_hidden_layers", "num_heads", "filter_size", "max_position_embeddings", "vocab_size"),
    *("encoder_nonlinearity", "pooler_nonlinearity", "layer_norm_epsilon", "position_embedding_type", "use_ffn_bias"),
    *("use_position_embedding", "use_segment_embedding", "share_embedding_weights", "pretrain_params_path"),
    *("type_vocab_size", "initializer_range", "attention_type", "use_vsl", "disable_nsp"),
)
MODEL_RULES: dict[str, Rule] = {
    **dict.fromkeys(ARCHITECTURE, SAVED),
    "dropout_rate": to("model.config.hidden_dropout_prob", number),
    "attention_dropout_rate": to("model.config.attention_probs_dropout_prob", number),
    **dict.fromkeys(
        ("encoder_output_dropout_rate", "cls_dropout_rate", "task_dropout"), to("model.head_dropout", number)
    ),
    "mixed_precision": to_precision,
    "problem_type": to("model.problem", one_of(PROBLEMS)),
    "loss_weight": nothing("the loss is the mean over the words"),
    "include_padding_in_loss": nothing("padding is never in the loss"),
    **dict.fromkeys(("num_classes", "num_cls_classes", "num_labels"), FROM_DATA),
    **dict.fromkeys(("boundary_casting", "fp16_type", "precision_opt_level"), MACHINE),
    **dict.fromkeys(("tf_summary", "compute_eval_metrics"), LOGS),
}
OPTIMIZER_RULES: dict[str, Rule] = {
    "optimizer_type": to("train.optimizer", one_of(OPTIMIZERS)),
    "weight_decay_rate": to("train.weight_decay", number),
    "weight_decay": to("train.weight_decay", number),
    "betas": to_betas,
    "beta1": to("train.beta1", number),
    "beta2": to("train.beta2", number),
    "epsilon": to("train.epsilon", number),
    "eps": to("train.epsilon", number),
    "max_gradient_norm": to("train.max_grad_norm", number),
    "loss_scaling_factor": nothing("bf16 needs no scaled loss"),
    "log_summaries": LOGS,
    "disable_lr_steps_reset": nothing("the schedule counts all steps"),
}
CHECKPOINT_KEYS = (
    *("checkpoint_steps", "save_checkpoints_steps", "keep_checkpoint_max", "max_checkpoints"),
    *("save_initial_checkpoint", "autoload_last_checkpoint", "is_pretrained_checkpoint", "load_checkpoint_states"),
)
LOG_KEYS = ("log_steps", "save_summary_steps", "save_losses", "show_debug_metrics", "logging", "throttle_secs")
MACHINE_KEYS = (
    *("cs_ip", "enable_distributed", "multireplica", "use_cs_grad_accum", "num_csx", "num_wgt_servers"),
    *("num_act_servers", "num_workers_per_csx", "compile_dir", "compile_only", "validate_only", "mount_dirs"),
    *("python_paths", "job_labels", "job_priority", "mgmt_address", "credentials_path", "target_device"),
    *("mode", "debug_args_path", "precision_opt_level"),
)
RUN_RULES: dict[str, Rule] = {
    "max_steps": to("train.max_steps", whole_number),
    "num_epochs": to("train.epochs", whole_number),
    "eval_frequency": to("train.evaluate_every", whole_number),
    "eval_steps": nothing("dev is always evaluated whole"),
    **dict.fromkeys(("seed", "tf_random_seed"), to("search.seed", whole_number, note="final.seeds are others")),
    "model_dir": nothing("results lie in output"),
    "steps_per_epoch": nothing("an epoch is all of train"),
    **dict.fromkeys(CHECKPOINT_KEYS, CHECKPOINTS),
    **dict.fromkeys(LOG_KEYS, LOGS),
    **dict.fromkeys(MACHINE_KEYS, MACHINE),
}


def looks_like_cerebras(values: Any) -> bool:
    """Whether it has the sections of the Model Zoo's first form."""
    return (
        isinstance(values, dict)
        and isinstance(values.get(INPUT), dict)
        and bool(values.keys() & {"model", "optimizer", "runconfig"})
    )


def convert_cerebras(old: OldFile) -> list[Ledger]:
    """One study."""
    ledger = Ledger(old, title=old.path.stem)
    _settle_task(ledger)
    _settle_data(ledger)
    _settle_encoder(ledger)
    _settle_learning_rate(ledger)
    _settle_micro_batch(ledger)
    parts = {f"{INPUT}.": INPUT_RULES, f"{DEV}.": DEV_RULES, f"{TEST}.": DEV_RULES, "model.": MODEL_RULES}
    for prefix, rules in (parts | {"optimizer.": OPTIMIZER_RULES, "runconfig.": RUN_RULES}).items():
        settle_all(ledger, rules, prefix=prefix)
    if "train.max_steps" in ledger.study:
        ledger.add("train.epochs", MANY_EPOCHS, "train.max_steps ends the fit before")
    return [ledger]


# ---- task


def _settle_task(ledger: Ledger) -> None:
    """`token` or `sequence`, by the data processor's name, else by the keys that only one of them has."""
    processor = str(ledger.value(f"{INPUT}.data_processor") or "").casefold()
    if any(word in processor for word in OTHER_WORDS):
        ledger.fault(f"{INPUT}.data_processor", "only the classification of tokens and of texts becomes a study")
    is_sequence = any(word in processor for word in SEQUENCE_WORDS) or any(ledger.value(key) for key in SEQUENCE_KEYS)
    if is_sequence and not any(word in processor for word in TOKEN_WORDS):
        ledger.study["task"] = "sequence"
        return
    ledger.study["task"] = "token"
    ledger.add("model.pieces", "x", "later pieces of a word have the label X in these data")


# ---- data


def _settle_data(ledger: Ledger) -> None:
    """The folder that holds all splits, where their folders stand side by side, else each of them."""
    written = {split: Path(str(ledger.value(key))) for split, key in DATA_DIRS.items() if ledger.value(key)}
    if "train" not in written:
        return
    parents = {path.parent for path in written.values()}
    for split, path in written.items():
        if len(parents) == 1 and all(one.name.casefold() in SPLIT_FOLDERS for one in written.values()):
            study = {"data.dir": ledger.old.find(str(path.parent))}
        elif len({*written.values()}) == 1:
            study = {"data.dir": ledger.old.find(str(path))}
        else:
            study = {f"data.{split}": ledger.old.find(str(path))}
        ledger.become(DATA_DIRS[split], study)


# ---- encoder


def _settle_encoder(ledger: Ledger) -> None:
    """A saved model that the file names, else the published encoder of this vocabulary and width."""
    for key in ("runconfig.checkpoint_path", "runconfig.load_checkpoint", "model.checkpoint_path"):
        path = ledger.value(key)
        if path and isinstance(found := ledger.old.find(str(path)), Path) and is_there(found / "config.json"):
            to_model("model.base")(ledger, key)
        elif path:
            ledger.drop(key, "convert it to a model of transformers, and give that as --model")
    encoder = _published(ledger)
    if encoder is not None:
        ledger.add("model.base", encoder, "the published encoder of this vocabulary and width")


def _published(ledger: Ledger) -> str | None:
    vocabulary = Path(str(ledger.value(f"{INPUT}.vocab_file"))).name.casefold()
    width = ledger.value("model.hidden_size")
    if width is None:
        parts = Path(str(ledger.value("model.pretrain_params_path"))).stem.casefold().split("_")
        width = next((WIDTHS[part] for part in parts if part in WIDTHS), None)
    return next((name for (part, wide), name in ENCODERS.items() if part in vocabulary and wide == width), None)


# ---- optimizer


def _settle_micro_batch(ledger: Ledger) -> None:
    key = f"{INPUT}.micro_batch_size"
    if isinstance(ledger.value(key), int):
        to("train.device_batch_size", whole_number)(ledger, key)
    settle_all(ledger, {key: MACHINE, f"{key}.*": MACHINE})


def _settle_learning_rate(ledger: Ledger) -> None:
    """One number is constant; a list of schedules is a rise from 0, if it begins so, and what comes after."""
    key = "optimizer.learning_rate"
    keys = [name for name in ledger.left() if name == key or name.startswith(f"{key}.")]  # of one schedule, several
    if not keys:
        return
    found = ledger.value(key) if keys == [key] else [{name.rpartition(".")[2]: ledger.value(name) for name in keys}]
    try:
        study = _shape_of(found, total=ledger.value("runconfig.max_steps"))
    except ValueError as error:
        ledger.fault(keys[0], str(error))
        return
    for name in keys:
        ledger.become(name, study)


def _shape_of(schedules: Any, *, total: Any) -> dict[str, Any]:
    """Peak, share of warm-up and schedule.

    total   steps of the fit, None where the file does not say it
    Raises  ValueError with what was expected
    """
    if not isinstance(schedules, list):
        return {"train.learning_rate": number(schedules), "train.schedule": "constant"}
    if not schedules or not all(isinstance(one, dict) for one in schedules):
        raise ValueError("a number or a list of schedules is needed")
    first, *rest = schedules
    rises = _kind(first) == "linear" and _start(first) < _end(first)
    after = rest if rises else schedules
    if len(after) > 1 or (after and _kind(after[0]) not in SHAPES):
        kinds = ", ".join(_kind(one) for one in after)
        raise ValueError(f"after the rise one of these schedules is known: {', '.join(SHAPES)}; found {kinds}")
    study: dict[str, Any] = {"train.learning_rate": _end(first) if rises else _start(after[0])}
    if rises:
        steps = number(total or sum(_steps(one) for one in schedules))
        study["train.warmup_ratio"] = round(_steps(first) / steps, 6) if steps else 0.0
    study["train.schedule"] = SHAPES[_kind(after[0])] if after else "constant"
    return study


def _kind(schedule: Mapping[str, Any]) -> str:
    return text(schedule.get("scheduler", "Constant")).casefold().removesuffix("lr")


def _start(schedule: Mapping[str, Any]) -> float:
    return _first_of(schedule, "initial_learning_rate", "learning_rate", "val", "value")


def _end(schedule: Mapping[str, Any]) -> float:
    return _first_of(schedule, "end_learning_rate", "learning_rate", "val", "value")


def _steps(schedule: Mapping[str, Any]) -> float:
    return _first_of(schedule, "steps", "total_iters", "decay_steps", missing=0)


def _first_of(schedule: Mapping[str, Any], *names: str, missing: float | None = None) -> float:
    found = next((schedule[name] for name in names if schedule.get(name) is not None), missing)
    if found is None:
        raise ValueError(f"a schedule lacks {names[0]}")
    return number(found)
