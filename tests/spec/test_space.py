import itertools

import pytest

from nertune.errors import StudyFileError, UserError
from nertune.spec.fingerprint import point_id
from nertune.spec.space import (
    COUNTABLE_POINTS,
    Range,
    apply_point,
    dimensions,
    get_at,
    grid_points,
    searchable_keys,
    size_of_space,
)
from nertune.spec.train_section import LoraSpec


@pytest.fixture
def with_space(load):
    """A study with this space, written in flow style."""

    def make(space, *, sampler="grid"):
        return load(f"search: {{sampler: {sampler}, trials: 9, space: {space}}}\n")

    return make


def test_grid_has_every_cell_once_the_first_key_changing_slowest(with_space):
    spec = with_space("{train.batch_size: [8, 16], train.learning_rate: [1e-3, 1e-4], train.epochs: [1]}")
    values = [tuple(point.values()) for point in grid_points(spec)]
    assert values == list(itertools.product([8, 16], [1e-3, 1e-4], [1]))
    assert size_of_space(spec) == 4


def test_cells_that_resolve_to_the_same_values_are_one(with_space):
    spec = with_space("{train.weight_decay: [0, 0.0, 1, 1.0], train.learning_rate: [1e-5, 0.00001]}")
    assert [tuple(point.values()) for point in grid_points(spec)] == [(0.0, 1e-5), (1.0, 1e-5)]


def test_widened_grid_keeps_the_names_of_its_old_points(with_space):
    old = with_space("{train.batch_size: [8, 16], train.learning_rate: [1e-3]}")
    new = with_space("{train.batch_size: [4, 16, 8], train.learning_rate: [1e-4, 1e-3]}")
    before = {point_id(old, point) for point in grid_points(old)}
    after = {point_id(new, point) for point in grid_points(new)}
    assert before < after
    assert len(after) == 6


@pytest.mark.parametrize(
    ("raw", "values"),
    [
        ("{low: 1, high: 4}", [1, 2, 3, 4]),
        ("{low: 1, high: 8, step: 3}", [1, 4, 7]),
    ],
)
def test_stepped_ranges_of_whole_numbers_can_be_a_grid(with_space, raw, values):
    assert [point["train.epochs"] for point in grid_points(with_space(f"{{train.epochs: {raw}}}"))] == values


def test_steps_do_not_gather_rounding_errors(with_space):
    spec = with_space("{train.weight_decay: {low: 0.1, high: 0.5, step: 0.1}}")
    assert [point["train.weight_decay"] for point in grid_points(spec)] == [0.1, 0.2, 0.3, 0.4, 0.5]


@pytest.mark.parametrize(
    ("space", "size"),
    [
        ("{}", 1),
        ("{train.epochs: {low: 1, high: 4}, train.batch_size: [8, 16, 16]}", 8),
        ("{train.epochs: {low: 1, high: 4}, train.learning_rate: {low: 1e-5, high: 1e-3}}", None),
        ("{train.max_pieces: {low: 8, high: 512}, train.batch_size: {low: 1, high: 64}}", None),
    ],
)
def test_size_is_the_number_of_points_where_they_can_be_counted(with_space, space, size):
    assert size_of_space(with_space(space, sampler="random")) == size
    assert COUNTABLE_POINTS < 505 * 64


def test_range_is_of_whole_numbers_where_the_schema_takes_no_others(with_space):
    decay, epsilon = "{low: 0, high: 1}", "{low: 1, high: 2.5, log: true}"
    space = f"{{train.epochs: {{low: 1, high: 4}}, train.weight_decay: {decay}, train.epsilon: {epsilon}}}"
    assert dimensions(with_space(space, sampler="random")) == (
        Range("train.epochs", 1, 4, integer=True),
        Range("train.weight_decay", 0, 1),
        Range("train.epsilon", 1, 2.5, log=True),
    )


def test_point_is_the_study_with_values_and_without_a_space(with_space):
    spec = with_space("{train.epochs: [1, 2], model.config.dropout: [0.1]}")
    point = apply_point(spec, {"train.epochs": 2, "model.config.dropout": 0.1})
    assert (point.train.epochs, point.model.config, point.search.space) == (2, {"dropout": 0.1}, {})


def test_point_outside_the_schema_is_refused(with_space):
    with pytest.raises(ValueError, match="greater than or equal to 1"):
        apply_point(with_space("{}"), {"train.epochs": 0})


def test_all_of_model_and_train_but_what_names_or_follows_from_the_data_can_be_searched(load):
    sections = load().model_dump(include={"model", "train"})
    every = {f"{section}.{key}" for section, values in sections.items() for key in values}
    by_parts = {"model.heads", "model.config", "model.tokenizer_options"}  # see the next test
    not_values = {"model.name", "model.problem", "train.callbacks"}
    adapters = {f"train.lora.{field}" for field in LoraSpec.model_fields}
    assert set(searchable_keys()) == every - not_values - by_parts | {"data.size"} | adapters


STAGED = """\
  heads: {one: {labels: [A]}, two: {labels: [B]}}
stages:
  - {epochs: 2, freeze: encoder}
  - {epochs: 9, top_layers: 1}
"""


@pytest.mark.parametrize(
    ("key", "values"),
    [
        ("stages.1.learning_rate", "[1e-5, 1e-4]"),
        ("model.heads.two.crf", "[true, false]"),
        ("model.config.hidden_dropout_prob", "[0.1, 0.2]"),
        ("model.tokenizer_options.strip_accents", "[true, false]"),
    ],
)
def test_keys_below_stages_heads_and_open_mappings_are_searched(load, key, values):
    spec = load(f"{STAGED}search: {{space: {{{key}: {values}}}}}\n")
    points = list(grid_points(spec))
    assert [get_at(apply_point(spec, point).model_dump(), key) for point in points] == [
        *points[0].values(),
        *points[1].values(),
    ]
    assert len(points) == 2


@pytest.mark.parametrize(
    ("key", "told"),
    [
        ("stages.2.learning_rate", "the stage 2, but the stages are 0 to 1"),
        ("model.heads.twa.crf", "Did you mean two"),
        ("stages.0.batch_size", "no key that can be searched(.|\n)*Searchable there: epochs"),
        ("model.heads.two.wieght", "Did you mean model.heads.two.weight"),
        ("model.heads.one.labels", "no key that can be searched"),
    ],
)
def test_a_stage_or_head_that_is_not_there_is_told(load, key, told):
    with pytest.raises(UserError, match=told):
        load(f"{STAGED}search: {{space: {{{key}: [1e-5]}}}}\n")


def test_grid_over_a_continuous_range_says_what_to_write(with_space):
    with pytest.raises(StudyFileError, match="a grid needs a list of values") as caught:
        list(grid_points(with_space("{train.learning_rate: {low: 1, high: 2}}", sampler="tpe").model_copy()))
    assert "search.sampler: tpe" in caught.value.fix
