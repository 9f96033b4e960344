"""Each kind of old file: what its keys become."""

import json

import pytest
from legacy_files import EXAMPLES, LEGACY, draft, draft_of, drafts, record, study

from nertune.spec.legacy.completion import Given
from nertune.spec.legacy.ledger import tree_of
from nertune.spec.train_section import TrainSpec

# ---- gene tagging


def gene(tmp_path, more=None, **options):
    """A study of one experiment."""
    base = {"EPOCH_TOP": 2, "EPOCH_END2END": 3, "lr": 1e-3, "lr_finetune": 5e-5}
    return draft_of(tmp_path, "exp.json", json.dumps({"x": {**base, **options, **(more or {})}}))


def test_top_model_and_end_to_end_epochs_become_two_stages():
    first, _ = drafts(EXAMPLES["gene-tagging"], Given(data_dir=LEGACY))
    assert tree_of(first.study)["stages"] == [
        {"epochs": 2, "freeze": "encoder", "learning_rate": 1e-3, "weight_decay": 0.01},
        {"epochs": 3, "learning_rate": 5e-5, "weight_decay": 0.001, "top_layers": 1},
    ]
    assert study(first, "data.size", "train.beta1", "model.head", "model.lower_case") == {
        "model.head": "linear",
        "model.lower_case": True,
        "data.size": 50,
        "train.beta1": 0.85,
    }


def test_one_stage_is_written_into_train(tmp_path):
    top = gene(tmp_path, grad_finetune=False, weight_decay=0.1)
    assert study(top, "train.epochs", "train.learning_rate", "train.freeze", "train.weight_decay") == {
        "train.epochs": 2,
        "train.learning_rate": 1e-3,
        "train.freeze": "encoder",
        "train.weight_decay": 0.1,
    }
    assert record(top, "lr_finetune").note == "no end-to-end training follows"
    end = gene(tmp_path, EPOCH_TOP=0, grad_finetune_layers=5)
    names = ("train.epochs", "train.learning_rate", "train.freeze", "train.top_layers")
    assert study(end, *names) == {"train.epochs": 3, "train.learning_rate": 5e-5, "train.top_layers": 5}


def test_the_only_stage_takes_the_learning_rate_there_is(tmp_path):
    found = study(gene(tmp_path, EPOCH_TOP=0, lr_finetune=None), "train.learning_rate", "train.epochs")
    assert found == {"train.learning_rate": 1e-3, "train.epochs": 3}


@pytest.mark.parametrize(("layers", "found"), [(-1, {"stages.1.freeze": "none"}), (4, {"stages.1.top_layers": 4})])
def test_all_layers_or_the_last_ones_learn_end_to_end(tmp_path, layers, found):
    assert study(gene(tmp_path, grad_finetune_layers=layers), "stages.1.freeze", "stages.1.top_layers") == found


def test_training_end_to_end_from_the_start_freezes_nothing(tmp_path):
    assert gene(tmp_path, grad_e2e=True).study["stages.0.freeze"] == "none"


def test_an_experiment_without_epochs_gets_the_default_and_says_so(tmp_path):
    ledger = gene(tmp_path, EPOCH_TOP=0, EPOCH_END2END=0)
    assert study(ledger, "train.epochs") == {"train.epochs": TrainSpec().epochs}
    (added,) = [record for record in ledger.records if "train.epochs" in record.became]
    assert (added.fate, "default" in added.note) == ("added", True)


@pytest.mark.parametrize(
    ("kind", "found"),
    [
        ("baseline", {"model.head": "linear"}),
        ("ModelsType.SOFTMAX", {"model.head": "mlp", "model.hidden": [500, 250, 125]}),
        ("crf", {"model.head": "mlp", "model.hidden": [500, 250, 125], "model.crf": True}),
    ],
)
def test_model_types_become_heads(tmp_path, kind, found):
    assert study(gene(tmp_path, model_type=kind), "model.head", "model.hidden", "model.crf") == found


@pytest.mark.parametrize(("depth", "hidden"), [(0, []), (1, [500]), (3, [500, 250, 125])])
def test_the_top_model_says_how_many_hidden_layers(tmp_path, depth, hidden):
    assert gene(tmp_path, model_type="crf", xargs={"top_model": depth}).study["model.hidden"] == hidden


def test_experiments_find_their_data_below_one_folder(tmp_path):
    (tmp_path / "Gene" / "bc2gm").mkdir(parents=True)
    assert study(gene(tmp_path, entity_type="Gene", dataset="bc2gm"), "data.dir") == {
        "data.dir": str(tmp_path / "Gene" / "bc2gm")
    }
    assert study(gene(tmp_path, entity_type="Cell", dataset="x"), "data.dir") == {"data.dir": str(tmp_path)}
    second = drafts(EXAMPLES["gene-tagging"])[1]
    assert study(second, "data.dir") == {"data.dir": str(LEGACY / "corpora" / "Gene" / "small")}


def test_what_stands_beside_the_experiments_is_told(tmp_path):
    ledger = draft_of(tmp_path, "exp.json", '{"version": 3, "x": {"EPOCH_TOP": 1, "grad_e2e": true}}')
    assert record(ledger, "/version").fate == "unknown"


# ---- Cerebras


def cerebras(tmp_path, *, rate="1e-5", run="{max_steps: 100}", inputs="{data_dir: a/train}"):
    """A study of a file with these parts."""
    text = f"train_input: {inputs}\noptimizer: {{learning_rate: {rate}}}\nrunconfig: {run}\n"
    return draft_of(tmp_path, "x.yaml", text)


def rates(ledger):
    return [ledger.study.get(f"train.{name}") for name in ("learning_rate", "warmup_ratio", "schedule")]


@pytest.mark.parametrize(
    ("rate", "found"),
    [
        ("1e-5", [1e-5, None, "constant"]),
        ("{scheduler: Linear, initial_learning_rate: 1e-4, end_learning_rate: 0, steps: 9}", [1e-4, None, "linear"]),
        ("[{scheduler: Constant, learning_rate: 3e-5}]", [3e-5, None, "constant"]),
        (
            "[{scheduler: Linear, initial_learning_rate: 0, end_learning_rate: 2e-4, steps: 25},"
            " {scheduler: Constant, learning_rate: 2e-4}]",
            [2e-4, 0.25, "constant"],
        ),
        (
            "[{scheduler: LinearLR, initial_learning_rate: 0.0, end_learning_rate: 2e-4, total_iters: 10},"
            " {scheduler: CosineDecayLR, initial_learning_rate: 2e-4, end_learning_rate: 0, total_iters: 90}]",
            [2e-4, 0.1, "cosine"],
        ),
    ],
)
def test_schedules_become_peak_warm_up_and_shape(tmp_path, rate, found):
    ledger = cerebras(tmp_path, rate=rate)
    assert (rates(ledger), ledger.problems) == (found, [])


@pytest.mark.parametrize(
    "rate", ["[]", "fast", "[{scheduler: Exponential, learning_rate: 1}]", "[{scheduler: Linear, steps: 5}]"]
)
def test_a_schedule_that_is_not_known_is_told(tmp_path, rate):
    (problem,) = cerebras(tmp_path, rate=rate).problems
    assert "x.yaml:2: optimizer.learning_rate" in str(problem)


def test_warm_up_is_a_share_of_all_schedules_where_no_steps_are_told(tmp_path):
    rise = "{scheduler: Linear, initial_learning_rate: 0, end_learning_rate: 1, steps: 10}"
    rate = f"[{rise}, {{scheduler: Linear, initial_learning_rate: 1, steps: 40}}]"
    assert rates(cerebras(tmp_path, rate=rate, run="{seed: 1}")) == [1, 0.2, "linear"]


def test_steps_end_the_fit_and_not_epochs(tmp_path):
    assert study(cerebras(tmp_path), "train.max_steps", "train.epochs") == {
        "train.max_steps": 100,
        "train.epochs": 1000,
    }
    assert cerebras(tmp_path, run="{max_steps: 9, num_epochs: 2}").study["train.epochs"] == 2


def test_splits_side_by_side_are_one_folder_and_others_are_named(tmp_path):
    assert study(draft(EXAMPLES["cerebras"]), "data.dir") == {"data.dir": str(LEGACY / "corpora" / "chem")}
    text = "train_input: {data_dir: a/one}\neval_input: {data_dir: b/two}\nmodel: {}\n"
    path = tmp_path / "x.yaml"
    path.write_text(text)
    found = study(draft(path), "data.train", "data.dev", "data.split.test", "data.split.dev")
    assert found == {
        "data.train": str(tmp_path / "a" / "one"),
        "data.dev": str(tmp_path / "b" / "two"),
        "data.split.test": 0.1,
    }


@pytest.mark.parametrize(
    ("inputs", "task"),
    [
        ("{data_processor: NerDataProcessor}", "token"),
        ("{label_vocab_file: x}", "token"),
        ("{data_processor: Sst2DataProcessor}", "sequence"),
    ],
)
def test_the_data_processor_tells_the_task(tmp_path, inputs, task):
    ledger = cerebras(tmp_path, inputs=inputs)
    assert ledger.study["task"] == task
    assert ("model.pieces" in ledger.study) == (task == "token")


def test_answering_questions_is_no_study(tmp_path):
    ledger = cerebras(tmp_path, inputs="{data_processor: SquadDataProcessor}")
    assert "train_input.data_processor is 'SquadDataProcessor'" in str(ledger.problems[0])


def test_a_checkpoint_of_cerebras_is_no_model_and_a_saved_model_is(tmp_path):
    (tmp_path / "saved").mkdir()
    (tmp_path / "saved" / "config.json").write_text("{}")
    for path, base in (("saved", str(tmp_path / "saved")), ("steps.mdl", None)):
        (tmp_path / "x.yaml").write_text(f"train_input: {{data_dir: a}}\nrunconfig: {{checkpoint_path: {path}}}\n")
        assert study(draft(tmp_path / "x.yaml")).get("model.base") == base


# ---- PyMarlin


def test_the_example_of_pymarlin_as_a_study():
    assert study(draft(EXAMPLES["pymarlin"])) == {
        "nertune": 1,
        "task": "token",
        "data.train": str(LEGACY / "corpora" / "news.tsv"),
        "data.split.dev": 0.1,
        "data.split.test": 0.1,
        "model.base": "people/bert-news",
        "model.tokenizer": "people/bert-news",
        "model.pieces": "all",
        "train.epochs": 2,
        "train.batch_size": 32,
        "train.device_batch_size": 8,
        "train.learning_rate": 3e-5,
        "train.warmup_ratio": 0.1,
        "train.max_grad_norm": 0.5,
        "train.precision": "fp32",
        "train.max_pieces": 64,
        "search.seed": 5,
        "search.space": {},
        "track.tensorboard": True,
    }


@pytest.mark.parametrize("group", ["tmgr", "tmgr: {trainer_args", "trainer", "tr"])
def test_the_trainers_keys_stand_under_any_of_its_names(tmp_path, group):
    end = "}" * (1 + group.count("{"))
    ledger = draft_of(tmp_path, "x.yaml", f"{group}: {{train_batch_size: 4, val_batch_size: 2, epochs: 3{end}\n")
    assert study(ledger, "train.batch_size", "train.epochs") == {"train.batch_size": 4, "train.epochs": 3}


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("clip_grads: false, max_grad_norm: 2", {"train.max_grad_norm": 0}),
        ("clip_grads: true, max_grad_norm: 2", {"train.max_grad_norm": 2}),
        ("max_train_steps_per_epoch: 20, epochs: 3", {"train.max_steps": 60, "train.evaluate_every": 20}),
        ("max_train_steps_per_epoch: null", {}),
        ("backend: ddp-amp", {"train.precision": "auto"}),
        ("backend: sp", {}),
        ("use_gpu: false", {"execute.devices": "cpu"}),
        ("writers: [stdout]", {"track.tensorboard": False}),
    ],
)
def test_options_of_the_trainer(tmp_path, text, found):
    ledger = draft_of(tmp_path, "x.yaml", f"tmgr: {{{text}}}\n")
    others = {"nertune", "task", "data.dir", "model.base", "search.space", "train.epochs"}
    assert {name: value for name, value in study(ledger).items() if name not in others} == found


def test_a_study_of_texts_reads_their_columns(tmp_path):
    text = """\
trainer: {train_batch_size: 8, val_batch_size: 4}
data: {filepath_train: a.csv, filepath_test: b.csv, text_field: tweet, label_field: mood, splitpct: 10, header: 0}
module: {metric: acc}
"""
    path = tmp_path / "x.yaml"
    path.write_text(text)
    ledger = draft(path, Given(model="people/bert"))
    assert tree_of(ledger.study)["data"] == {
        "train": tmp_path / "a.csv",
        "test": tmp_path / "b.csv",
        "split": {"dev": 0.1},
        "columns": {"text": "tweet", "label": "mood"},
        "header": True,
    }
    assert study(ledger, "task", "search.objective") == {"task": "sequence", "search.objective": "accuracy"}


def test_a_list_of_tags_becomes_the_entity_types(tmp_path):
    text = "tmgr: {epochs: 1}\ndata: {labels_list: [B-PER, I-PER, O, B-New-York]}"
    assert draft_of(tmp_path, "x.yaml", text).study["data.labels"] == ["PER", "New-York"]


@pytest.mark.parametrize("line", ["trainRatio: 1.0", "trainRatio: 80", "module: {warmup_steps: 100}"])
def test_shares_outside_0_and_1_are_told(tmp_path, line):
    (problem,) = draft_of(tmp_path, "x.yaml", f"tmgr: {{epochs: 1}}\n{line}\n").problems
    assert "x.yaml:2: " in str(problem)


def test_generating_text_is_no_study(tmp_path):
    ledger = draft_of(tmp_path, "x.yaml", "tmgr: {epochs: 1}\nmodule: {max_length_decoder: 9}")
    assert "generates text" in str(ledger.problems[0])


# ---- functional genomics


def genomics(tmp_path, heads, **training):
    """A study of a file with these heads."""
    model = {"TRANSFORMER_MODEL": "people/bert", "HEADS": heads}
    text = json.dumps({"MODE": "train", "MODEL": model, "DATA": {}, "TRAINING": training})
    return draft_of(tmp_path, "x.json", text)


def test_several_heads_become_heads_with_the_labels_of_the_list_file():
    ledger = draft(EXAMPLES["functional-genomics"])
    assert tree_of(ledger.study)["model"]["heads"] == {
        "people": {"labels": ["PER"]},
        "places": {"problem": "multi_label", "labels": ["LOC"]},
    }
    assert record(ledger, "MODEL.HEADS.link_only.htype").note == "heads for links are not here yet"


def test_the_training_of_functional_genomics():
    names = ("freeze", "balance", "epsilon", "beta1", "beta2", "patience", "epochs")
    assert study(draft(EXAMPLES["functional-genomics"]), *(f"train.{name}" for name in names), "protocol.kfold") == {
        "train.freeze": "encoder",
        "train.balance": 0.5,
        "train.epsilon": 1e-7,
        "train.beta1": 0.8,
        "train.beta2": 0.9,
        "train.patience": 2,
        "train.epochs": 3,
        "protocol.kfold": 2,
    }


def test_labels_that_two_heads_share_are_told_apart(tmp_path):
    found = study(genomics(tmp_path, {"a": ["x", "other"], "b c": {"labels": ["y", "other"], "weight": 2}}))
    assert found["model.heads.a.labels"] == ["x", "a.other"]
    assert (found["model.heads.b_c.labels"], found["model.heads.b_c.weight"]) == (["y", "b_c.other"], 2)


def test_a_single_head_is_the_studys_own(tmp_path):
    ledger = genomics(tmp_path, {"tags": {"htype": "CRF", "num_labels": 5, "schema": "BIOES"}, "link_only": {}})
    found = study(ledger, "model.crf", "data.tagging")
    assert (found, ledger.problems) == ({"model.crf": True, "data.tagging": "bioes"}, [])


def test_heads_whose_labels_no_file_tells_are_joined_and_that_is_told(tmp_path):
    ledger = genomics(tmp_path, {"a": {"htype": "CRF"}, "b": {"htype": "CRF"}})
    assert study(ledger, "model.crf", "model.heads") == {"model.crf": True}
    assert "no file of TAG_LIST_DEFINITIONS was found" in record(ledger, "MODEL.HEADS.a.htype").note


def test_heads_for_links_alone_and_unknown_kinds_are_refused(tmp_path):
    assert "only heads for links" in str(genomics(tmp_path, {"a": {"htype": "link"}}).problems[0])
    assert "MODEL.HEADS.a is of the kind magic" in str(genomics(tmp_path, {"a": {"htype": "magic"}}).problems[0])


def test_the_older_list_of_heads_is_read(tmp_path):
    model = {"TRANSFORMER_MODEL": "people/bert", "LABELS_AND_HEADS": [["a", 3, "multi_label"], ["l", 1, "link"]]}
    ledger = draft_of(tmp_path, "x.json", json.dumps({"MODEL": model, "DATA": {}, "TRAINING": {"K_FOLDS": 1}}))
    assert study(ledger, "model.problem", "protocol.kfold") == {"model.problem": "multi_label"}
    assert record(ledger, "MODEL.LABELS_AND_HEADS").note == "heads for links are not here yet"


def test_pickled_models_and_unknown_optimizers_are_told(tmp_path):
    text = '{"MODEL": {"TYPE": "existing", "PATH": "x.pkl"}, "DATA": {},\n "TRAINING": {"OPTIMIZER_CLASS": "Lion"}}'
    told = "\n".join(map(str, draft_of(tmp_path, "x.json", text).problems))
    assert "MODEL.TYPE is 'existing'; pickled models are not read" in told
    assert "x.json:2: TRAINING.OPTIMIZER_CLASS is 'Lion'; one of these is needed: adamw" in told
