"""PyMarlin: YAML with a group of keys for each part of a program; the groups' names are the program's own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nertune.spec.legacy.ledger import Convert, Ledger, Rule, nothing, settle_all, to, to_file, to_model, to_precision
from nertune.spec.legacy.old_file import OldFile
from nertune.spec.legacy.values import as_it_is, names, number, one_of, text, truth, types_of_tags, whole_number

TRAINER_GROUPS = ("tmgr.trainer_args", "tmgr", "trainer.trainer_args", "trainer", "trainer_args", "tr")
TELLING = {
    *("gpu_batch_size_limit", "train_batch_size", "val_batch_size", "max_train_steps_per_epoch", "clip_grads"),
    *("disable_tqdm", "writers", "reset_optimizers_schedulers"),
}
LEAST_TELLING = 2
SEQUENCE_KEYS = {
    *("text_field", "text_a_col", "text_b_col", "text_col", "label_field", "label_col", "s1_key", "s2_key"),
    "glue_task",
}
GENERATION_KEYS = {"max_length_decoder", "num_beams"}
OPTIMIZERS = {**dict.fromkeys(("adam", "adamw"), "adamw_torch_fused"), "sgd": "sgd", "adafactor": "adafactor"}
SCHEDULES = {"linear": "linear", "cosine": "cosine", "constant": "constant"}
METRICS = {"acc": "accuracy", "accuracy": "accuracy", "f1": "f1", "acc_and_f1": "f1", "mcc": "mcc", "macro_f1": "f1"}

LOGS = nothing("every run is recorded whole")
CHECKPOINTS = nothing("the best epoch is kept")
LABELS = nothing("labels are those of train")
PRIVACY = nothing("differential privacy is not here")
DISTILLATION = nothing("distillation is not here")
SPEED = nothing("about a runtime that is not here")
LENGTH = to("train.max_pieces", whole_number)
RATE = to("train.learning_rate", number)
SEED = to("search.seed", whole_number, note="final.seeds are others")
ROWS_ABOVE = to("data.header", lambda value: value is not False, note="the first row names the columns")


def _backend(ledger: Ledger, key: str) -> None:
    """`sp`, `ddp`, `sp-amp`, `ddp-amp`, `ddp-dp`."""
    if "amp" in str(ledger.value(key)):
        ledger.become(key, {"train.precision": "auto"}, note="whichever of bf16 and fp32 is faster")
    else:
        ledger.drop(key, "execute says where fits run")


def _writers(ledger: Ledger, key: str) -> None:
    found = ledger.read(key, names)
    if found is not None:
        others = ", ".join(name for name in found if name != "tensorboard")
        note = f"{others}: no meaning here, Aim is written in any case" if others else ""
        ledger.become(key, {"track.tensorboard": "tensorboard" in found}, note=note)


def _warmup(ledger: Ledger, key: str) -> None:
    """A share of all steps, or a number of them."""
    value = ledger.read(key, number)
    if value is not None and value < 1:
        ledger.become(key, {"train.warmup_ratio": value})
    elif value is not None:
        ledger.fault(key, "a share of all steps, from 0 to 1, is needed: train.warmup_ratio")


def _labels(ledger: Ledger, key: str) -> None:
    found = ledger.read(key, names)
    if found is not None:
        ledger.become(key, {"data.labels": types_of_tags(found)})


def _use_gpu(ledger: Ledger, key: str) -> None:
    wanted = ledger.read(key, truth)
    if wanted is False:
        ledger.become(key, {"execute.devices": "cpu"})
    elif wanted:
        ledger.drop(key, "a GPU is used where there is one")


TRAINER_RULES: dict[str, Rule] = {
    "epochs": to("train.epochs", whole_number),
    "max_epochs": to("train.epochs", whole_number),
    "max_steps": to("train.max_steps", whole_number),
    "train_batch_size": to("train.batch_size", whole_number),
    "gpu_batch_size_limit": to("train.device_batch_size", whole_number),
    "val_batch_size": nothing("dev is read in batches of like length"),
    "max_val_steps_per_epoch": nothing("dev is always evaluated whole"),
    "seed": SEED,
    "optimizer": to("train.optimizer", one_of(OPTIMIZERS)),
    "weight_decay": to("train.weight_decay", number),
    "scheduler": to("train.schedule", one_of(SCHEDULES)),
    "patience": to("train.patience", whole_number),
    **dict.fromkeys(("max_lr", "lr", "learning_rate"), RATE),
    **dict.fromkeys(("warmup", "warmup_prop", "warmup_ratio", "warmup_steps"), _warmup),
    **dict.fromkeys(("fp16", "amp", "amp_backend_native", "amp_backend_apex"), to_precision),
    "amp_level_apex": SPEED,
    "backend": _backend,
    "use_gpu": _use_gpu,
    "writers": _writers,
    **dict.fromkeys(("disable_tqdm", "log_level"), nothing("--quiet says how much is shown")),
    "reset_optimizers_schedulers": nothing("each fit begins anew"),
    **dict.fromkeys(("stats_args.*", "writer_args.*"), LOGS),
    "checkpointer_args.*": CHECKPOINTS,
    "distributed_training_args.*": nothing("execute says where fits run"),
    "differential_privacy_args.*": PRIVACY,
}
GROUP_RULES: dict[str, Rule] = {
    **dict.fromkeys(("chkp.*", "ckpt.*", "ckp.*", "checkpointer.*"), CHECKPOINTS),
    **dict.fromkeys(("stat.*", "stats.*", "wrt.*", "wrts.*", "writer.*"), LOGS),
    **dict.fromkeys(("dist", "dist.*"), nothing("execute says where fits run")),
    "distill.*": DISTILLATION,
    **dict.fromkeys(("ort", "ortds"), SPEED),
    **dict.fromkeys(
        (f"dp.{key}" for key in ("noise_multiplier", "per_sample_max_grad_norm", "sample_rate", "target_delta")),
        PRIVACY,
    ),
}
# of the other groups and of the top of the file: programs put them where they like
RULES: dict[str, Rule] = {
    **dict.fromkeys(
        ("train_filepath", "filepath_train", "train_file", "train_path", "train_dir"), to_file("data.train")
    ),
    **dict.fromkeys(
        ("val_filepath", "filepath_val", "val_file", "val_path", "val_dir", "dev_file"), to_file("data.dev")
    ),
    **dict.fromkeys(("test_filepath", "filepath_test", "test_file", "test_path", "test_dir"), to_file("data.test")),
    **dict.fromkeys(("data_dir", "data_path"), to_file("data.dir")),
    **dict.fromkeys(("filename", "filepath", "file_name"), to_file("data.train")),
    "file_format": nothing("the format is recognised"),
    "preprocessed_dir": nothing("encoded data are kept in output"),
    "encoding": to("data.encoding", text),
    "header": ROWS_ABOVE,
    **dict.fromkeys(("text_field", "text_a_col", "text_col", "s1_key"), to("data.columns.text", as_it_is)),
    **dict.fromkeys(("text_b_col", "s2_key"), to("data.columns.pair", as_it_is)),
    **dict.fromkeys(("label_field", "label_col"), to("data.columns.label", as_it_is)),
    "labels_list": _labels,
    **dict.fromkeys(("num_labels", "has_labels"), LABELS),
    "glue_task": nothing("the data are those of --data-dir"),
    **dict.fromkeys(("cpu_threads", "process_count"), nothing("data are encoded once, on all cores")),
    **dict.fromkeys(("hf_model", "encoder", "model_name_or_path", "pretrained_model"), to_model("model.base")),
    **dict.fromkeys(("tokenizer", "tokenizer_path", "hf_tokenizer"), to_model("model.tokenizer")),
    **dict.fromkeys(("tokenizer_type", "encoder_key", "model_name"), nothing("the encoder's config says it")),
    **dict.fromkeys(
        ("model_file", "model_config_file", "model_config_path"), nothing("a saved model is read as a whole folder")
    ),
    "model_path": to_model("model.base"),
    **dict.fromkeys(("do_lower_case", "lower_case"), to("model.lower_case", truth)),
    "dropout": to("model.head_dropout", number),
    **dict.fromkeys(("max_seq_length", "max_seq_len", "max_length"), LENGTH),
    "label_all_tokens": to("model.pieces", lambda value: "all" if truth(value) else "first"),
    "pad_label_id": nothing("padding has no label"),
    "metric": to("search.objective", one_of(METRICS)),
    **dict.fromkeys(("max_lr", "lr", "learning_rate"), RATE),
    **dict.fromkeys(("warmup", "warmup_prop", "warmup_ratio", "warmup_steps"), _warmup),
    "weight_decay": to("train.weight_decay", number),
    "optimizer": to("train.optimizer", one_of(OPTIMIZERS)),
    "scheduler": to("train.schedule", one_of(SCHEDULES)),
    **dict.fromkeys(("seed", "random_seed"), SEED),
    **dict.fromkeys(("output_dir", "save_dir"), nothing("results lie in output")),
    **dict.fromkeys(("operation", "tr_backend"), nothing("search, best-and-train and predict are commands")),
    **dict.fromkeys(("deepspeed_ckpt_tag", "deepspeed_config", "deepspeed_transformer_kernel"), SPEED),
    "log_level": nothing("--quiet says how much is shown"),
}


def looks_like_pymarlin(values: Any) -> bool:
    """Whether it has a trainer manager, or a group with the keys of PyMarlin's trainer."""
    if not isinstance(values, dict):
        return False
    groups = [values.get(name) for name in ("trainer", "trainer_args", "tr")]
    found = [TELLING & group.keys() for group in groups if isinstance(group, dict)]
    has_group = any(len(keys) >= LEAST_TELLING for keys in found) or (any(found) and "trainRatio" in values)
    return isinstance(values.get("tmgr"), dict) or has_group


def convert_pymarlin(old: OldFile) -> list[Ledger]:
    """One study."""
    ledger = Ledger(old, title=old.path.stem)
    ledger.study["task"] = _task_of(ledger)
    _settle_model(ledger)
    _settle_clipping(ledger)
    _settle_steps(ledger)
    for group in TRAINER_GROUPS:
        settle_all(ledger, TRAINER_RULES, prefix=f"{group}.")
    settle_all(ledger, GROUP_RULES)
    for group in sorted({key.rpartition(".")[0] for key in ledger.left()}):
        settle_all(ledger, RULES, prefix=f"{group}." if group else "")
    _settle_shares(ledger)
    return [ledger]


def _task_of(ledger: Ledger) -> str:
    """Texts with classes where a key is about a text's columns; else tags of words."""
    leaves = {key.rpartition(".")[2]: ledger.value(key) for key in ledger.left()}
    if GENERATION_KEYS & {*leaves}:
        ledger.refuse("generates text; only the classification of words and of texts becomes a study")
    tags = leaves.get("labels_list")
    if isinstance(tags, list) and any(str(tag)[:2] in ("B-", "I-") for tag in tags):
        return "token"
    return "sequence" if SEQUENCE_KEYS & {*leaves} else "token"


def _settle_model(ledger: Ledger) -> None:
    """`model: bert-base-cased` stands for a whole group; a path that is given comes before the hub's model."""
    if isinstance(ledger.value("model"), str):
        to_model("model.base")(ledger, "model")
    for key in [key for key in ledger.left() if key.endswith("model_path") and ledger.value(key)]:
        to_model("model.base")(ledger, key)
        group = key.rpartition(".")[0]
        name = f"{group}.hf_model" if group else "hf_model"
        settle_all(ledger, {name: nothing(f"{key} says which model")})


def _settle_clipping(ledger: Ledger) -> None:
    """Gradients are clipped to `max_grad_norm`, unless `clip_grads` is false."""
    for group in TRAINER_GROUPS:
        clips, norm = f"{group}.clip_grads", f"{group}.max_grad_norm"
        if ledger.read(clips, truth) is False:
            ledger.become(clips, {"train.max_grad_norm": 0})
            settle_all(ledger, {norm: nothing("clip_grads is false")})
        settle_all(ledger, {norm: to("train.max_grad_norm", number), clips: nothing("train.max_grad_norm says it")})


def _settle_steps(ledger: Ledger) -> None:
    """Epochs that end after some steps: so many in all, and an evaluation after each of them."""
    for group in TRAINER_GROUPS:
        key = f"{group}.max_train_steps_per_epoch"
        steps = ledger.read(key, whole_number)
        epochs = ledger.read(f"{group}.epochs", whole_number) or 1
        if steps is not None:
            ledger.become(key, {"train.max_steps": steps * epochs, "train.evaluate_every": steps})
        settle_all(ledger, {key: nothing("it has no value")})


def _settle_shares(ledger: Ledger) -> None:
    """What is not trained on is dev, and half of it test where no file is test."""
    for key in ledger.left():
        share = SHARES.get(key.rpartition(".")[2])
        rest = ledger.read(key, share) if share else None
        if rest is None:
            continue
        has_test = "data.test" in ledger.study
        parts = {"data.split.dev": rest} if has_test else {"data.split.dev": rest / 2, "data.split.test": rest / 2}
        note = "" if has_test else "half of what is not trained on is test"
        ledger.become(key, {name: round(part, 6) for name, part in parts.items()}, note=note)


def _part(share: float) -> float:
    if not 0 < share < 1:
        raise ValueError("a part of train, neither none nor all of it, is needed")
    return share


SHARES: Mapping[str, Convert] = {
    "trainRatio": lambda value: _part(1 - number(value)),
    "splitpct": lambda value: _part(number(value) / 100),
}
