"""The data of a study's report: the service's answers, and files next to its logs.

The numbers come from the database, so a report can be made of a study whose logs are elsewhere;
what is only in the log root (insights, the environment of a trial) is then left out.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from tuner.board.best_trials.answers.page import encode
from tuner.board.best_trials.report.document import (
    ENVIRONMENT,
    MOST_POINT_COLUMNS,
    MOST_POINTS,
    MOST_ROWS,
    Report,
)
from tuner.cli.reading.importance import order_of, read_importance
from tuner.cli.render.params import ordered
from tuner.cli.render.tables import all_trials
from tuner.documents.document import JsonObject
from tuner.roots import Place
from tuner.settings import Settings
from tuner.tfevents import read_json

if TYPE_CHECKING:
    from tuner.client import ApiClient
    from tuner.documents.importance import Importance
    from tuner.documents.study import StudyStatus
    from tuner.documents.study_folder.found import ShownInsightsKey, SummaryKey, SummaryParameterKey
    from tuner.documents.study_folder.insights import ImportanceByMethod, MethodShare
    from tuner.documents.trial import TrialDetail, TrialRow
    from tuner.service.reading import Reader

    Api = Reader | ApiClient

_PAGE = 1_000
#: Number of curves with names, and of further ones in grey.
_CURVES, _GREY = 5, 20
#: Maximum size of a file from the log root in bytes, and of a trial's error in characters.
_MOST_FILE, _MOST_ERROR = 16 << 20, 300


def read_report(api: Api, settings: Settings, study: str, made: str) -> Report:
    """Return a report of a study.

    Args:
        settings: where the logs are.
        study: its name.
        made: the date, for people.

    Raises:
        NotFoundError: there is no such study.
    """
    status, best = api.status(study), api.best(study, MOST_ROWS, all=True)
    trials = _read_trials(api, study)
    place = Place(settings.log_root, study)
    facts: Mapping[SummaryKey, Any] = _file(place.below("_study"), "study.json")
    importance = read_importance(api, study)
    names = ordered((name for row in trials for name in row["params"]), order_of(importance))
    names = names[:MOST_POINT_COLUMNS]
    config = _config(settings, best)
    return Report(
        study=_study(status, len(trials)),
        trials={
            "total": len(trials),
            "columns": [_column(name, trials, facts) for name in names],
            "rows": [_row(row, at) for at, row in enumerate(best)],
        },
        points=_points(trials, names, _reasons(api, study, trials)),
        curves=_curves(api, study, status, best),
        insights=_file(place.below("_study"), "insights.json") or _insights(importance),
        yaml=_start_with(best),
        config=json.dumps(config, indent=1, ensure_ascii=False) if config else "",
        environment={key: config[key] for key in ENVIRONMENT if config.get(key)},
        made=made,
    )


def _read_trials(api: Api, study: str) -> list[TrialRow]:
    trials: list[TrialRow] = []
    while len(trials) < MOST_POINTS:
        page = api.trials(study, None, _PAGE, len(trials))
        trials += page
        if len(page) < _PAGE:
            break
    return trials[:MOST_POINTS]


def _study(status: StudyStatus, count: int) -> JsonObject:
    metrics = status["metrics"]
    is_single = len(metrics) == 1
    return {
        "study": status["study"],
        "source": "tuner",
        "state": status["state"],
        "goal": metrics[0]["goal"] if is_single else None,
        "metric": metrics[0]["name"] if is_single else None,
        "metrics": metrics,
        "trials": max(count, all_trials(status["counts"])),
        "counts": status["counts"],
        "best": status["best"],
    }


def _row(row: TrialRow, at: int) -> JsonObject:
    is_ranked = row["state"] == "COMPLETE"
    return {
        "trial": row["trial"],
        "objective": row["objective"],
        "cause": row["cause"],
        "params": row["params"],
        "metrics": row["metrics"],
        "attempts": row["attempts"],
        "duration_s": row["duration_s"],
        "started": row["started"],
        "rank": at + 1 if is_ranked else None,
        "state": row["state"].lower(),
        "run": (row["run_dir"] or "").rpartition("/")[2],
    }


def _column(name: str, trials: Sequence[TrialRow], facts: Mapping[SummaryKey, Any]) -> JsonObject:
    """Return what the plots need to know about a parameter."""
    parameters = facts.get("parameters")
    listed = [p for p in parameters if isinstance(p, dict)] if isinstance(parameters, list) else []
    known: Mapping[SummaryParameterKey, Any] = next(
        (p for p in listed if p.get("name") == name), {}
    )
    shown: tuple[SummaryParameterKey, ...] = ("low", "high", "log", "values")
    values = [row["params"][name] for row in trials if name in row["params"]]
    return {
        **{key: known.get(key) for key in shown},
        "key": f"params.{name}",
        "label": name,
        "group": "param",
        "type": _type(values),
        "conditional": len(values) < len(trials),
        "constant": len({json.dumps(value) for value in values}) < 2,
    }


def _type(values: Sequence[Any]) -> str:
    kinds = {type(value) for value in values}
    if kinds == {bool}:
        return "bool"
    if kinds == {int}:
        return "int"
    return "float" if kinds and kinds <= {int, float} else "text"


def _points(
    trials: Sequence[TrialRow], names: Sequence[str], reasons: Mapping[int, str]
) -> JsonObject:
    metrics = list(dict.fromkeys(name for row in trials for name in row["metrics"]))
    columns: dict[str, list[Any]] = {
        "cause": [row["cause"] for row in trials],
        "reason": [reasons.get(row["trial"]) for row in trials],
        "started": [row["started"] for row in trials],
        "duration_s": [row["duration_s"] for row in trials],
    }
    for name in names:
        columns[f"params.{name}"] = [encode(row["params"].get(name)) for row in trials]
    for name in metrics[:MOST_POINT_COLUMNS]:
        columns[f"metrics.{name}"] = [row["metrics"].get(name) for row in trials]
    return {
        "total": len(trials),
        "matching": len(trials),
        "rows": len(trials),
        "trial": [row["trial"] for row in trials],
        "state": [row["state"].lower() for row in trials],
        "objective": [row["objective"] for row in trials],
        "columns": columns,
    }


def _reasons(api: Api, study: str, trials: Sequence[TrialRow]) -> dict[int, str]:
    """Return the error message of the first failed trial of each cause."""
    first: dict[str, int] = {}
    for row in trials:
        if row["state"] == "FAIL":
            first.setdefault(str(row["cause"]), row["trial"])
    said = {trial: str(api.show(study, trial)["error"]) for trial in first.values()}
    return {trial: error.strip()[-_MOST_ERROR:] for trial, error in said.items()}


def _curves(api: Api, study: str, status: StudyStatus, best: Sequence[TrialRow]) -> JsonObject:
    tag = str(status["metrics"][0]["name"])
    drawn = [_curve(api.show(study, row["trial"])) for row in best[: _CURVES + _GREY]]
    found = [curve for curve in drawn if curve["steps"]]
    return {"tags": [tag], "tag": tag, "curves": found[:_CURVES], "grey": found[_CURVES:]}


def _curve(trial: TrialDetail) -> JsonObject:
    reports = [r for r in trial["reports"] if r["attempt"] == trial["attempts"]]
    return {
        "trial": trial["trial"],
        "run": trial["run_dir"] or "",
        "state": trial["state"].lower(),
        "steps": [report["step"] for report in reports],
        "values": [report["value"] for report in reports],
    }


def _insights(importance: Importance | None) -> Mapping[ShownInsightsKey, Any]:
    """Return what the service knows about importance, if the log root has no file of it."""
    if importance is None:
        return {}
    shares: list[MethodShare] = [
        {"name": item["name"], "share": item["share"]} for item in importance["parameters"]
    ]
    found: ImportanceByMethod = {
        "why": importance["why"],
        "methods": {"main_effects": {"why": importance["why"], "parameters": shares}},
    }
    return {"trials": importance["trials"], "importance": found}


def _start_with(best: Sequence[TrialRow]) -> str:
    """Return the lines of a spec that run the best configuration again; JSON is valid YAML."""
    if not best or best[0]["state"] != "COMPLETE":
        return ""
    pairs = [f"{json.dumps(k)}: {json.dumps(v)}" for k, v in best[0]["params"].items()]
    lines = "\n    ".join(pairs) or "{}"
    return f"# in a spec with this search space, to be tried first:\nstart_with:\n  - {lines}\n"


def _config(settings: Settings, best: Sequence[TrialRow]) -> JsonObject:
    if not best or not best[0]["run_dir"]:
        return {}
    return _file(Place(settings.log_root, best[0]["run_dir"]), "config.json")


def _file(place: Place, name: str) -> dict[Any, Any]:
    """Return a JSON object from a file next to the logs; empty if it cannot be read."""
    try:
        found = read_json(place, name, most=_MOST_FILE)
    except OSError:
        return {}
    return found if isinstance(found, dict) else {}
