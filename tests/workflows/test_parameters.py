"""What a run's parameters are, for trackers."""

from nertune.spec.study import StudySpec
from nertune.workflows.run_search import parameters_of


def test_every_setting_of_a_point_is_told_flat():
    spec = StudySpec.model_validate(
        {
            "name": "any",
            "output": ".",
            "task": "token",
            "data": {"dir": "."},
            "model": {"base": "b", "config": {"hidden_dropout_prob": 0.2}, "heads": {"one": {"labels": ["A"]}}},
            "stages": [{"epochs": 2, "freeze": "encoder"}, {"learning_rate": 1e-4}],
            "protocol": {"kfold": 3},
        }
    )
    told = parameters_of(spec, seed=7)
    assert told["model.config.hidden_dropout_prob"] == 0.2
    assert (told["model.heads.one.weight"], told["model.heads.one.labels"]) == (1.0, ["A"])
    assert {key: value for key, value in told.items() if key.startswith("stages.")} == {
        "stages.0.epochs": 2,
        "stages.0.freeze": "encoder",
        "stages.1.learning_rate": 1e-4,
    }
    assert (told["protocol.kfold"], told["train.epochs"], told["seed"]) == (3, 4, 7)
    assert not any(isinstance(value, dict) for value in told.values())
