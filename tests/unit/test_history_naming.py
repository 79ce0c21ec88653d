"""Which parameters and metrics of an earlier study are which of this one."""

from __future__ import annotations

import pytest

from tuner.history.matching.metric import MetricMatch, match_metric
from tuner.history.matching.naming import match_names

RATE, SIZE = "train.learning_rate", "train.batch_size"


@pytest.mark.parametrize(
    ("there", "here", "how"),
    [
        ("train.learning_rate", RATE, "same"),
        ("train/learning_rate", RATE, "spelling"),
        ("train_learning_rate", RATE, "spelling"),
        ("Train.Learning-Rate", RATE, "spelling"),
        ("trainLearningRate", RATE, "spelling"),
        ("learning_rate", RATE, "scope"),
        ("learningRate", RATE, "scope"),
        ("optimizer.learning_rate", RATE, "scope"),
        ("hparams/train/learning_rate", RATE, "scope"),
        ("lr", RATE, "abbreviation"),
        ("optim/LR", RATE, "abbreviation"),
        ("bs", SIZE, "abbreviation"),
        ("dropout", "model.dropout_rate", "abbreviation"),
        ("n_layers", "model.layers", "abbreviation"),
        ("num_layers", "layers", "abbreviation"),
        ("learning_rate", "lr", "abbreviation"),
        ("max_units", "units", "meaning"),
        ("units", "model.max_units", "meaning"),
        ("hidden_units", "units", "meaning"),
        ("dense/num_neurons", "model.units", "meaning"),
        ("l2_penalty", "weight_decay", "meaning"),
        ("weight_decay", "optimizer.l2_regularization", "meaning"),
        ("max_dropout", "dropout", "meaning"),
        ("lstm.dropout_prob", "dropout_rate", "meaning"),
        ("optimizer.name", "train.optimizer", "meaning"),
        ("optimizer_type", "opt", "meaning"),
        ("opt_learning_rate", "learning_rate", "meaning"),
        ("initial_lr", RATE, "meaning"),
        ("number_of_filters", "conv.channels", "meaning"),
        ("minibatch_size", SIZE, "meaning"),
        ("n_estimators", "trees", "meaning"),
    ],
)
def test_a_name_is_told_in_many_spellings(there: str, here: str, how: str) -> None:
    matches = match_names([there, "seed"], [here], {})

    assert matches.found[here].source == there
    assert matches.found[here].how == how
    assert matches.found[here].is_guess == (how in ("scope", "abbreviation", "meaning"))
    assert matches.extra == ("seed",)


@pytest.mark.parametrize(
    ("there", "here"),
    [
        (["decoder.layers"], "encoder.layers"),
        (["eval.batch_size"], "train.batch_size"),
        (["learning_rate_decay"], RATE),
        (["momentum"], RATE),
        (["warmup.learning_rate", "final.learning_rate"], "learning_rate"),
        (["learning_rate", "model.learning_rate"], RATE),
        (["min_learning_rate"], RATE),
        (["learning_rate_patience"], RATE),
        (["max_units", "hidden_units"], "units"),
        (["units_1"], "units"),
        (["attention_dropout"], "dropout"),
        (["l1_penalty"], "weight_decay"),
        (["batch_norm"], SIZE),
        (["conv_layers"], "layers"),
    ],
)
def test_what_may_be_something_else_is_not_guessed(there: list[str], here: str) -> None:
    assert match_names(there, [here], {}).found == {}


def test_one_name_there_is_one_parameter_here() -> None:
    matches = match_names(["layers"], ["encoder.layers", "decoder.layers"], {})

    assert matches.found == {}
    assert matches.hints["encoder.layers"] == "perhaps layers: declare it with rename"


def test_a_declared_name_comes_before_one_that_is_the_same() -> None:
    matches = match_names([RATE, "lr0"], [RATE], {"lr0": RATE, "absent": RATE})

    assert (matches.found[RATE].source, matches.found[RATE].how) == ("lr0", "declared")
    assert matches.extra == (RATE,)


def test_a_name_that_is_declared_to_be_none_is_not_guessed() -> None:
    assert match_names(["lr"], [RATE], {"lr": None}).found == {}
    assert match_names([RATE], [RATE], {RATE: None}).found == {}


def test_the_same_name_leaves_nothing_to_guess() -> None:
    matches = match_names([RATE, "lr", "bs"], [RATE, SIZE], {})

    assert {name: match.source for name, match in matches.found.items()} == {RATE: RATE, SIZE: "bs"}
    assert matches.extra == ("lr",)


def test_a_near_name_is_a_hint_and_no_guess() -> None:
    matches = match_names(["min_learning_rate"], ["learning_rate"], {})

    assert matches.found == {}
    assert matches.hints == {"learning_rate": "perhaps min_learning_rate: declare it with rename"}


def test_a_guess_by_words_can_be_vetoed() -> None:
    assert match_names(["max_units"], ["units"], {"max_units": None}).found == {}


def test_a_better_guess_comes_before_one_by_words() -> None:
    matches = match_names(["wd", "l2_penalty"], ["weight_decay"], {})

    assert matches.found["weight_decay"].source == "wd"
    assert matches.extra == ("l2_penalty",)


@pytest.mark.parametrize(
    "there",
    [
        *("validation/epoch_accuracy", "val_acc", "epoch_val_accuracy", "Validation/Accuracy"),
        *("hparam/val_accuracy", "metrics/val_acc", "valid.accuracy", "validation.epoch_acc"),
    ],
)
def test_a_metric_is_told_by_its_name(there: str) -> None:
    match = match_metric(
        {there: None, "loss": None}, "val_accuracy", "maximize", {}, takes_unnamed=False
    )

    assert match == MetricMatch(name=there, note=f"{there} there (a guess by its name)")


@pytest.mark.parametrize("there", ["accuracy", "test_accuracy", "train/epoch_accuracy", "val_loss"])
def test_another_metric_is_none(there: str) -> None:
    match = match_metric({there: None}, "val_accuracy", "maximize", {}, takes_unnamed=False)

    assert match == f"no metric val_accuracy; it has {there}"


def test_the_goal_of_a_metric_of_the_same_name_is_this_studys() -> None:
    known = match_metric({"loss": "maximize"}, "loss", "minimize", {}, takes_unnamed=False)
    unknown = match_metric({"loss": None}, "loss", "minimize", {}, takes_unnamed=False)

    assert known == MetricMatch(name="loss", note="its goal there: maximize")
    assert unknown == MetricMatch(name="loss")


@pytest.mark.parametrize(
    ("goal", "takes_unnamed", "taken"),
    [
        ("maximize", False, True),
        ("minimize", False, False),
        (None, False, False),
        ("maximize", True, True),
        ("minimize", True, False),
        (None, True, True),
    ],
)
def test_a_metric_without_a_name_counts_by_its_goal(
    goal: str | None, takes_unnamed: bool, taken: bool
) -> None:
    metrics = {"objective": goal, "lr_now": None}

    match = match_metric(metrics, "score", "maximize", {}, takes_unnamed=takes_unnamed)  # type: ignore[arg-type]

    assert isinstance(match, MetricMatch) == taken
    assert "a guess" in match.note if isinstance(match, MetricMatch) else "rename" in match


def test_a_declared_metric_comes_first_and_one_declared_away_is_none() -> None:
    metrics = {"objective": None, "score": None}

    renamed = match_metric(
        metrics, "score", "maximize", {"objective": "score"}, takes_unnamed=False
    )
    away = match_metric(metrics, "score", "maximize", {"score": None}, takes_unnamed=False)

    assert renamed == MetricMatch(name="objective", note="objective there (declared)")
    assert isinstance(away, str)


def test_two_metrics_that_could_be_meant_are_none() -> None:
    metrics = {"validation/epoch_accuracy": None, "val_acc": None}

    match = match_metric(metrics, "val_accuracy", "maximize", {}, takes_unnamed=True)

    assert match == (
        "val_acc, validation/epoch_accuracy could all be val_accuracy: declare one with rename"
    )
