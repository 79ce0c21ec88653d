"""Which metric of an earlier study corresponds to this study's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tuner.history.matching.naming import Renames, split_name
from tuner.history.store.records import Goal

#: Names of a study's only metric if nobody has named it.
UNNAMED = ("objective", "value", "mean_test_score", "FinalObjectiveValue")

#: In scikit-learn: the held-out part of each fold is called test there.
_CROSS_VALIDATED = "mean_test_"
_WORDS = {"acc": "accuracy", "epoch": ""}
_SCOPES = {
    **dict.fromkeys(("validation", "valid", "val", "dev", "eval", "evaluation"), "val"),
    **dict.fromkeys(("train", "training"), ""),
    **dict.fromkeys(("hparam", "hparams", "metric", "metrics", "epoch", "scalars"), ""),
}


#: Words that may follow the word for the measured quantity.
_AGGREGATES = frozenset(("mean", "avg", "average", "best", "max", "min", "last", "final", "epoch"))
#: Words for measured quantities, the last word of a name apart from aggregates.
_MEASURED = frozenset(
    (
        *("accuracy", "acc", "loss", "auc", "auroc", "aucpr", "f1", "fbeta", "score", "error"),
        *("err", "rmse", "mse", "mae", "mape", "rmsle", "r2", "precision", "recall", "perplexity"),
        *("ppl", "bleu", "rouge", "iou", "miou", "map", "dice", "reward", "logloss", "nll"),
        *("likelihood", "kappa", "mcc", "top1", "top5", "objective", "metric", "ndcg", "wer"),
        *("specificity", "sensitivity", "fid", "psnr", "ssim", "crossentropy", "entropy"),
    )
)


@dataclass(frozen=True, kw_only=True)
class MetricMatch:
    """The matching metric of the earlier study.

    Attributes:
        name: its name there.
        note: how it was matched, and what to know about it; empty if it is the same in every
            respect.
    """

    name: str
    note: str = ""


def match_metric(
    metrics: Mapping[str, Goal | None],
    metric: str,
    goal: Goal,
    renames: Renames,
    *,
    takes_unnamed: bool,
) -> MetricMatch | str:
    """Return the matching metric there, or in words why there is none.

    Values are oriented by this study's goal: a metric of the same name means the same thing,
    whatever the goal of the earlier study was.

    Args:
        metrics: names there, with their goals if known.
        renames: the user's renames, there to here; None: it is not this one.
        takes_unnamed: whether a metric without a name counts if its goal is unknown.
    """
    declared = [old for old, new in renames.items() if new == metric and old in metrics]
    if declared:
        return _found(declared[0], "declared", metrics, goal)
    left = {name: known for name, known in metrics.items() if name not in renames}
    if metric in left:
        return _found(metric, "", left, goal)
    wanted = plain_metric(metric)
    alike = [name for name in left if plain_metric(name) == wanted]
    if len(alike) == 1:
        return _found(alike[0], "a guess by its name", left, goal)
    if alike:
        return f"{_join(alike)} could all be {metric}: declare one with rename"
    return _unnamed(left, metric, goal, takes_unnamed=takes_unnamed)


def is_metric_name(name: str) -> bool:
    """Whether a name is that of a measurement: `val_f1`, `train/epoch_loss`, `top_5_accuracy`."""
    words = split_name(name)[-1].split("_")
    while len(words) > 1 and (words[-1] in _AGGREGATES or words[-1].isdigit()):
        words.pop()
    return words[-1] in _MEASURED or words[-1].rstrip("0123456789") in _MEASURED


def is_measurement(name: str, value: float) -> bool:
    """Whether a number next to a trial is a measurement; a seed or the number of a fold is not."""
    return is_metric_name(name) or not float(value).is_integer()


def plain_metric(name: str) -> str:
    """Return a metric's name in canonical form: `validation/epoch_acc` is `val_accuracy`."""
    *scope, last = split_name(name)
    words = [_SCOPES.get(part, part) for part in scope]
    if last.startswith(_CROSS_VALIDATED):
        words, last = ["val"], last.removeprefix(_CROSS_VALIDATED)
    first, _, rest = last.partition("_")
    parts = [first, *rest.split("_")] if rest else [first]
    # `epoch_val_acc`: a word before another one may be a scope as well.
    while len(parts) > 1 and parts[0] in _SCOPES:
        words.append(_SCOPES[parts.pop(0)])
    words += [_WORDS.get(part, part) for part in parts]
    return "_".join(dict.fromkeys(word for word in words if word))


def _unnamed(
    metrics: Mapping[str, Goal | None], metric: str, goal: Goal, *, takes_unnamed: bool
) -> MetricMatch | str:
    names = [name for name in metrics if name in UNNAMED]
    if not names:
        known = f"; it has {_join(list(metrics))}" if metrics else ""
        return f"no metric {metric}{known}"
    name = names[0]
    if metrics[name] == goal or (takes_unnamed and metrics[name] is None):
        return MetricMatch(name=name, note=f"{name} there, which says no name (a guess)")
    what = "goal is unknown" if metrics[name] is None else f"goal is to {metrics[name]}"
    return (
        f"no metric {metric}, only one without a name, whose {what}: "
        f"declare it with rename: {{{name}: {metric}}}"
    )


def _found(name: str, how: str, metrics: Mapping[str, Goal | None], goal: Goal) -> MetricMatch:
    parts = [f"{name} there ({how})"] if how else []
    known = metrics[name]
    if known is not None and known != goal:
        parts.append(f"its goal there: {known}")
    return MetricMatch(name=name, note="; ".join(parts))


def _join(names: list[str]) -> str:
    shown = sorted(names)
    more = len(shown) - 8
    return ", ".join(shown if more <= 0 else [*shown[:8], f"… and {more} more"])
