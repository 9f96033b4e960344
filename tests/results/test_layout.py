import pytest

from nertune.results.layout import StudyFolder, cell_name, clean_name, seed_folder_name
from nertune.spec.study import StudySpec


def name_of(point=None, *, base="demo/model/mlm", model_name="bert-custom", study="sentiment", **train):
    spec = StudySpec.model_validate(
        {
            "name": study,
            "task": "sequence",
            "data": {"dir": "."},
            "model": {"base": base, "name": model_name},
            "train": {"batch_size": 16, "learning_rate": 0.001, "epochs": 4, **train},
            "output": ".",
        }
    )
    return seed_folder_name(spec, model_type="bert", seed=1, point=point or {}, point_id="0123456789abcdef")


def test_seed_folder_has_the_name_that_users_know():
    assert name_of({"train.batch_size": 16, "train.learning_rate": 0.001}) == "bert-custom-mlm_sentiment_16_0.001_4_1"


def test_small_learning_rates_are_written_short():
    assert name_of(learning_rate=1e-5) == "bert-custom-mlm_sentiment_16_1e-05_4_1"


@pytest.mark.parametrize("key", ["train.weight_decay", "model.config.dropout"])
def test_other_searched_keys_append_a_digest(key):
    assert name_of({"train.batch_size": 16, key: 0.1}) == "bert-custom-mlm_sentiment_16_0.001_4_1-01234567"


@pytest.mark.parametrize(
    ("base", "shown"),
    [
        ("bert-base-cased", "m-bert-base-cased"),
        ("owner/some-model", "m-some-model"),
        ("/a/b c/../m*d|l/", "m-m-d-l"),
        ("/", "m"),
    ],
)
def test_base_is_shown_by_its_last_part(base, shown):
    assert name_of(base=base, model_name="m") == f"{shown}_sentiment_16_0.001_4_1"


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("B-Gene/Protein", "B-Gene-Protein"),
        ("../../etc", "etc"),
        ("a\0b\nc", "a-b-c"),
        ("новости", "x"),
        ("..", "x"),
        ("a_b.c", "a_b.c"),
    ],
)
def test_names_made_from_labels_or_studies_are_cleaned(text, name):
    assert clean_name(text) == name


def test_everything_of_a_study_lies_in_its_folder(tmp_path):
    folder = StudyFolder(tmp_path)
    places = [getattr(folder, name) for name, value in vars(StudyFolder).items() if isinstance(value, property)]
    assert len(places) == len(set(places)) > 8
    assert all(tmp_path in place.parents for place in places)
    assert folder.attempt("trial-0003", 2) == tmp_path / "work" / "trial-0003" / "2"
    assert folder.log("trial-0003", 2) == tmp_path / "logs" / "trial-0003-2.log"


def test_cells_are_called_by_their_stage():
    assert [cell_name(stage, 3) for stage in ("search", "candidate", "final")] == [
        "trial-0003",
        "candidate-0003",
        "seed-0003",
    ]
