"""A fit that reads what frozen layers gave is the fit that runs them."""

from __future__ import annotations

import multiprocessing
from dataclasses import replace

import numpy as np
import pytest
import torch

from nertune.models.build import build_model
from nertune.tasks.cache import open_encoded
from nertune.tasks.sample import choose, sample
from nertune.train import learner as learner_module
from nertune.train.frozen import KNOWN_TYPES, Shortcut, cached_states, n_frozen_layers, reach, states_of_some
from nertune.train.predict import infer, no_pulse


@pytest.fixture
def learn_slowly(learn, monkeypatch):
    """`learn` with every layer run in every step."""

    def go(*words, **options):
        with monkeypatch.context() as patch:
            patch.setattr(learner_module, "n_frozen_layers", lambda *_, **__: 0)
            return learn(*words, **options)

    return go


def files(split):
    return sorted(split.folder.glob("states-*"))


def states_of(base, split, spec, n_layers=1, precision="fp32"):
    model = build_model(base, seed=0)
    return cached_states(
        model, split, n_layers, base=base, spec=spec, device="cpu", precision=precision, pulse=no_pulse
    )


@pytest.mark.parametrize("kind", sorted(KNOWN_TYPES))
@pytest.mark.parametrize("n_layers", [1, 3])
def test_every_known_type_says_the_same_without_its_lowest_layers(encode, base_of, kind, n_layers):
    spec, base, _, _, dev = encode("token", base_of(kind), freeze="encoder")
    model = build_model(base, seed=0)
    whole = infer(model, dev, device="cpu", precision="fp32")[""].probabilities
    states = states_of(base, dev, spec, n_layers)
    shortcut = Shortcut(model, base=base, n_layers=n_layers)
    short = infer(model, replace(dev, states=states), device="cpu", precision="fp32")[""].probabilities
    np.testing.assert_allclose(short, whole, atol=1e-5)
    shortcut.undo()
    again = infer(model, dev, device="cpu", precision="fp32")[""].probabilities
    np.testing.assert_array_equal(again, whole)


@pytest.mark.parametrize(
    ("task", "model", "train"),
    [
        ("token", {}, {"freeze": "encoder"}),
        ("token", {"pieces": "mean", "head": "mlp", "hidden": [8]}, {"freeze": "encoder"}),
        ("token", {"crf": True}, {"top_layers": 1}),
        ("token", {}, {"top_layers": 1, "max_pieces": 8, "device_batch_size": 3}),
        ("token", {}, {"top_layers": 1, "lora": {"rank": 2}}),
        ("token", {}, {"top_layers": 1, "layer_decay": 0.5, "weight_decay": 0.1}),
        ("sequence", {}, {"freeze": "encoder"}),
        ("sequence", {"pooling": "mean"}, {"top_layers": 1}),
    ],
)
def test_a_fit_is_that_of_the_whole_model(learn, learn_slowly, task, model, train):
    short, whole = learn(task, model, epochs=2, **train), learn_slowly(task, model, epochs=2, **train)
    assert files(short.train)
    assert files(short.dev)
    assert short.losses == pytest.approx(whole.losses, abs=1e-4)
    assert short.record.dev.overall == pytest.approx(whole.record.dev.overall, abs=1e-6)
    state = short.model.state_dict()
    assert list(state) == list(whole.model.state_dict())
    for name, tensor in whole.model.state_dict().items():
        if not name.endswith("key.bias"):  # softmax does not see it: its gradient is rounding, which Adam makes a step
            torch.testing.assert_close(state[name], tensor, atol=2e-4, rtol=0, msg=name)


def test_a_fit_in_bf16_is_close(learn, learn_slowly):
    options = {"epochs": 1, "freeze": "encoder", "precision": "bf16"}
    short, whole = learn("token", **options), learn_slowly("token", **options)
    assert len(files(short.train)) == 1
    assert short.losses == pytest.approx(whole.losses, abs=0.02)


def test_stages_leave_out_what_learns_in_none_of_them(encode, base_of):
    stages = [{"epochs": 1, "freeze": "encoder"}, {"epochs": 1, "top_layers": 2}]
    spec, base, *_ = encode("token", base_of("bert"), stages=stages)
    assert n_frozen_layers(spec, base=base) == 1


@pytest.mark.parametrize(
    ("model", "train", "n"),
    [
        ({}, {}, 0),
        ({}, {"freeze": "embeddings"}, 0),
        ({}, {"freeze": "encoder"}, 3),
        ({}, {"top_layers": 1}, 2),
        ({"reinit_layers": 2}, {"freeze": "encoder"}, 1),
        ({}, {"top_layers": 1, "lora": {"rank": 2}}, 2),
    ],
)
def test_layers_that_learn_are_run(encode, base_of, model, train, n):
    spec, base, *_ = encode("token", {**base_of("bert"), **model}, **train)
    assert n_frozen_layers(spec, base=base) == n


def test_other_types_are_run_whole(encode, base_of, tmp_path):
    spec, base, *_ = encode("token", base_of("deberta-v2"), freeze="encoder")
    assert n_frozen_layers(spec, base=base) == 0


def test_a_second_fit_computes_nothing(learn, monkeypatch):
    first = learn("token", freeze="encoder", epochs=1)
    monkeypatch.setattr("nertune.train.frozen.reach", None)  # to call it would be an error
    second = learn("token", freeze="encoder", epochs=1)
    assert second.losses == first.losses
    assert second.record.dev == first.record.dev


def test_parts_of_a_split_share_its_file(encode):
    spec, base, _, train, _ = encode("token", freeze="encoder")
    whole = states_of(base, train, spec)
    part = sample(train, percent=50, seed=1)
    fold = choose(part, rows=np.arange(3, 9))
    states = states_of(base, fold, spec)
    assert len(files(train)) == 1
    for window in range(len(fold.windows)):
        length, origin = fold.windows.lengths[window], fold.origin[window]
        ours = states.values[states.starts[window] :][:length]
        np.testing.assert_array_equal(ours, whole.values[whole.starts[origin] :][:length])
        pieces = train.windows.pieces[train.windows.piece_starts[origin] :][:length]
        np.testing.assert_array_equal(fold.windows.pieces[fold.windows.piece_starts[window] :][:length], pieces)


def test_other_weights_layers_and_precisions_have_files_of_their_own(encode):
    spec, base, _, train, _ = encode("token", freeze="encoder")
    name = "bert.embeddings.word_embeddings.weight"
    other = replace(base, tensors={**base.tensors, name: base.tensors[name] + 1})
    for one, n_layers, precision in ((base, 1, "fp32"), (base, 2, "fp32"), (base, 1, "bf16"), (other, 1, "fp32")):
        states_of(one, train, spec, n_layers, precision)
    assert len(files(train)) == 4


@pytest.mark.parametrize("limit", [0.0, 1e-6])
def test_without_room_every_layer_is_run(encode, learn, limit, monkeypatch):
    spec, base, _, train, _ = encode("token", freeze="encoder")
    little = spec.model_copy(update={"execute": spec.execute.model_copy(update={"frozen_cache": limit})})
    assert states_of(base, train, little) is None
    assert files(train) == []
    monkeypatch.setattr("nertune.train.frozen.LEFT_FREE", 2**60)
    assert learn("token", freeze="encoder", epochs=1).losses
    assert files(train) == []


def test_the_limit_counts_what_other_splits_take(encode):
    spec, base, _, train, dev = encode("token", freeze="encoder")
    states_of(base, train, spec)
    taken = files(train)[0].stat().st_size
    gib = (taken + 10) / 2**30
    limited = spec.model_copy(update={"execute": spec.execute.model_copy(update={"frozen_cache": gib})})
    assert states_of(base, dev, limited) is None
    assert states_of(base, train, limited) is not None  # what is there is read


def test_a_computation_that_breaks_leaves_nothing_half(encode):
    spec, base, _, train, _ = encode("token", freeze="encoder")

    def full():
        raise OSError(28, "No space left on device")

    model = build_model(base, seed=0)
    options = {"base": base, "spec": spec, "device": "cpu", "precision": "fp32"}
    with pytest.raises(OSError, match="No space left"):
        cached_states(model, train, 1, pulse=full, **options)
    assert [*files(train), *train.folder.glob("draft-*")] == []
    assert cached_states(model, train, 1, pulse=no_pulse, **options) is not None


def _compute(folder, base, spec, done):
    torch.set_num_threads(1)
    split = open_encoded(folder)
    states = states_of(base, split, spec)
    done.put((float(states.values.sum()), states.values.shape))


@pytest.mark.slow
def test_processes_that_want_it_at_once_get_the_same(encode):
    spec, base, _, train, _ = encode("token", freeze="encoder")
    context = multiprocessing.get_context("spawn")
    done = context.Queue()
    workers = [context.Process(target=_compute, args=(train.folder, base, spec, done)) for _ in range(2)]
    for worker in workers:
        worker.start()
    found = [done.get(timeout=120) for _ in workers]
    for worker in workers:
        worker.join()
    assert found[0] == found[1]
    assert len(files(train)) == 1


def test_some_windows_alone_are_those_of_all(encode):
    spec, base, _, train, _ = encode("token", freeze="encoder")
    whole, model = states_of(base, train, spec), build_model(base, seed=0)
    numbers = np.array([7, 2, 5])
    some = states_of_some(model, train, 1, base=base, numbers=numbers, device="cpu", precision="fp32")
    for number in numbers:
        length = train.windows.lengths[number]
        ours, all_of_it = (one.values[one.starts[number] :][:length] for one in (some, whole))
        np.testing.assert_allclose(ours, all_of_it, atol=1e-5)


def test_layers_are_reached_in_evaluation_mode_and_left_as_they_were(encode):
    _, base, _, train, _ = encode("token", freeze="encoder")
    model = build_model(base, seed=0).train()
    first, second = (
        [states for _, states in reach(model, train, base=base, n_layers=2, device="cpu", precision="fp32")]
        for _ in range(2)
    )
    assert model.training
    assert all(np.array_equal(one, other) for one, other in zip(first, second, strict=True))
    assert not model.base_model.encoder.layer[1]._forward_hooks
