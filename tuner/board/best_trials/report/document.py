"""A study as one HTML file, without a server or other hosts: to mail, keep and print.

It is made from the answers that the tab itself gets, so that both show the same; the tab's own
route and `tuner report` pass these to `report_page`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tuner.board.best_trials.report.html import (
    Html,
    embedded_json,
    facts,
    join,
    seconds_text,
    table,
    tag,
    text,
    value_text,
)
from tuner.board.best_trials.report.scripts import has_plots, scripts, styles

if TYPE_CHECKING:
    from tuner.documents.study_folder.found import (
        AdviceKey,
        ImportanceKey,
        MethodKey,
        MethodName,
        MethodShareKey,
        ShownInsightsKey,
    )

#: The fields of `config.json` about the place where a trial ran.
ENVIRONMENT = (
    *("host", "platform", "gpu", "versions", "command", "environment"),
    *("image", "image_verified", "lock", "files", "data"),
)
#: Maximum number of rows and parameters in the leaderboard, of lines in a list, and of characters
#: of a file.
MOST_ROWS, _MOST_COLUMNS, _MOST_ITEMS, _MOST_FILE = 25, 12, 200, 40_000
#: Maximum number of trials and columns for the plots.
MOST_POINTS, MOST_POINT_COLUMNS = 5_000, 60
_PLOTS = (
    ("progress", "Best so far"),
    ("importance", "Importance"),
    ("parallel", "Parallel coordinates"),
    ("slices", "Effect of each parameter"),
    ("curves", "Learning curves"),
    ("pareto", "Pareto front"),
    ("history", "History"),
)
#: By which method the importance is shown where there are no plots: the first that has any.
_METHODS: Mapping[MethodName, str] = {
    "ped_anova": "PED-ANOVA",
    "fanova": "fANOVA",
    "main_effects": "",
}


@dataclass(frozen=True, kw_only=True)
class Report:
    """The data of a report; everything except the study may be empty.

    Args:
        study: its entry in the answer `studies`.
        trials: the answer `trials`, best first, with up to `MOST_ROWS` rows.
        points: the answer `points` with every column, including `cause` and `reason`.
        curves: the answer `curves` of the best trials.
        insights: the answer `importance`.
        yaml: the part of a spec that runs the best configuration again.
        config: the best trial's `config.json`.
        environment: what the best trial ran in, from its `trial.json`.
        made: the date, for people.
    """

    study: Mapping[str, Any]
    trials: Mapping[str, Any] = field(default_factory=dict)
    points: Mapping[str, Any] = field(default_factory=dict)
    curves: Mapping[str, Any] = field(default_factory=dict)
    insights: Mapping[ShownInsightsKey, Any] = field(default_factory=dict)
    yaml: str = ""
    config: str = ""
    environment: Mapping[str, Any] = field(default_factory=dict)
    made: str = ""


def report_page(report: Report) -> str:
    """Return the page, a complete HTML document in UTF-8."""
    name = report.study.get("study") or "study"
    body = join(
        (
            tag("h1", name),
            _summary(report),
            _best(report),
            _leaderboard(report),
            _advice(report.insights),
            _importance(report.insights),
            *_plots(),
            _failures(report.points),
            _environment(report),
            tag("footer", f"Made by Tuner {report.made} from the files of the study."),
            _data(report),
        )
    )
    head = join(
        (
            Html('<meta charset="utf-8">'),
            Html('<meta name="viewport" content="width=device-width, initial-scale=1">'),
            Html('<meta name="referrer" content="no-referrer">'),
            tag("title", f"{name}: report"),
            styles(),
        )
    )
    return f'<!doctype html>\n<html lang="en">\n<head>{head}</head>\n<body>{body}</body>\n</html>\n'


def _summary(report: Report) -> Html:
    study, best = report.study, _best_row(report)
    counts = _mapping(study.get("counts"))
    states = ", ".join(f"{n} {state}" for state, n in counts.items() if n)
    metric = value_text(study.get("metric") or "objective")
    if best is None:
        headline = tag("p", "No trial is complete yet, so none is the best.", class_="headline")
    else:
        headline = tag(
            "p",
            f"Best {metric}: ",
            tag("strong", value_text(best.get("objective"))),
            f" by {_name(best)}",
            class_="headline",
        )
    trials = tag(
        "p",
        f"{study.get('trials') or 0} trials" + (f": {states}" if states else ""),
        f"; {study.get('state')}" if study.get("state") else "",
        f"; goal: {study.get('goal')} {metric}" if study.get("goal") else "",
        class_="soft",
    )
    return join((headline, trials))


def _best(report: Report) -> Html:
    best = _best_row(report)
    if best is None:
        return Html("")
    params = _mapping(best.get("params"))
    keys = [name for name in _parameters(report) if params.get(name) is not None]
    found = tag(
        "div",
        tag("h3", "Parameters"),
        facts((name, value_text(params[name])) for name in keys[:_MOST_ITEMS]),
        tag("h3", "Trial"),
        facts(
            [
                ("objective", value_text(best.get("objective"))),
                ("duration", seconds_text(best.get("duration_s"))),
                ("started", best.get("started")),
                ("attempts", best.get("attempts")),
                ("run", best.get("run")),
            ]
        ),
    )
    again = tag("div", tag("h3", "To run it again"), tag("pre", text(report.yaml, _MOST_FILE)))
    return _section(
        f"Best: {_name(best)}",
        tag("div", found, again if report.yaml else "", class_="columns"),
    )


def _plots() -> Iterable[Html]:
    if not has_plots():
        yield tag("p", "No plots: the package plotly was not there.", class_="soft")
        return
    for name, label in _PLOTS:
        place = tag("div", "Drawn by the page's script.", data_plot=name)
        yield _section(label, place)


def _leaderboard(report: Report) -> Html:
    rows = [_mapping(row) for row in _sequence(report.trials.get("rows"))][:MOST_ROWS]
    if not rows:
        return Html("")
    names = _parameters(report)[:_MOST_COLUMNS]
    total = report.trials.get("total") or len(rows)
    caption = f"The best {len(rows)} of {total} trials" if total != len(rows) else "All trials"
    heads = ["rank", "trial", str(report.study.get("metric") or "objective"), "state", *names]
    lines = [
        [
            value_text(row.get("rank")),
            row["run"] if row.get("trial") is None and row.get("run") else row.get("trial"),
            value_text(row.get("objective")),
            " ".join(str(row[key]) for key in ("state", "cause") if row.get(key)),
            *(value_text(_mapping(row.get("params")).get(name)) for name in names),
        ]
        for row in rows
    ]
    hidden = len(_parameters(report)) - len(names)
    note = tag("p", f"{hidden} more parameters are in the tab.", class_="soft") if hidden else ""
    whole = tag("div", table(caption, heads, lines), class_="board")
    return _section("Leaderboard", whole, note)


def _importance(insights: Mapping[ShownInsightsKey, Any]) -> Html:
    importance: Mapping[ImportanceKey, Any] = _mapping(insights.get("importance"))
    methods: Mapping[MethodName, Any] = _mapping(importance.get("methods"))
    for key, label in _METHODS.items():
        known: Mapping[MethodKey, Any] = _mapping(methods.get(key))
        listed: Iterable[Mapping[MethodShareKey, Any]] = map(
            _mapping, _sequence(known.get("parameters"))
        )
        shares = [
            (item["name"], float(item["share"]))
            for item in listed
            if item.get("name") and isinstance(item.get("share"), int | float)
        ]
        if shares and not has_plots():
            shares.sort(key=lambda pair: -pair[1])
            method = tag("p", f"Shares by {label}.", class_="soft") if label else ""
            return _section("Importance", method, *(_bar(*pair) for pair in shares[:30]))
    return Html("")


def _bar(name: object, share: float) -> Html:
    width = max(0.0, min(1.0, share))
    bar = tag("i", style=f"width: {width:.1%}")
    return tag(
        "div", tag("span", name), tag("span", bar), tag("span", f"{share:.0%}"), class_="bar"
    )


def _advice(insights: Mapping[ShownInsightsKey, Any]) -> Html:
    listed: Iterable[Mapping[AdviceKey, Any]] = map(_mapping, _sequence(insights.get("advice")))
    found = [str(item["text"]) for item in listed if item.get("text")]
    lines = [tag("li", line) for line in found[:_MOST_ITEMS]]
    return _section("Advice", tag("ul", *lines)) if lines else Html("")


def _failures(points: Mapping[str, Any]) -> Html:
    columns = _mapping(points.get("columns"))
    states, trials = _sequence(points.get("state")), _sequence(points.get("trial"))
    causes, reasons = (_sequence(columns.get(key)) for key in ("cause", "reason"))
    by_cause: dict[str, list[int]] = {}
    for at, state in enumerate(states):
        if str(state).lower().startswith("fail"):
            by_cause.setdefault(str(_at(causes, at) or "not known"), []).append(at)
    rows = [
        [cause, len(found), _numbers(trials, found), _at(reasons, found[0]) or ""]
        for cause, found in sorted(by_cause.items(), key=lambda item: -len(item[1]))
    ]
    if not rows:
        return Html("")
    heads = ["cause", "trials", "which", "what the first said"]
    return _section("Failures", table("Failed trials by cause", heads, rows[:_MOST_ITEMS]))


def _environment(report: Report) -> Html:
    known = facts(
        (key, value_text(value)) for key, value in list(report.environment.items())[:_MOST_ITEMS]
    )
    # Long, and rarely needed: collapsed on the screen, but not on paper.
    config = tag(
        "details",
        tag("summary", "config.json of the best trial"),
        tag("pre", text(report.config, _MOST_FILE)),
    )
    parts = [known] if report.environment else []
    parts += [config] if report.config else []
    return _section("Environment", *parts) if parts else Html("")


def _data(report: Report) -> Html:
    """Return the data of the plots, and the script that draws them."""
    if not has_plots():
        return Html("")
    data = {
        "study": report.study,
        "columns": report.trials.get("columns") or [],
        "points": report.points,
        "curves": report.curves,
        "importance": report.insights,
    }
    return Html(f"{embedded_json('report-data', data)}\n{scripts()}")


def _section(title: str, *children: object) -> Html:
    return tag("section", tag("h2", title), *children)


def _best_row(report: Report) -> Mapping[str, Any] | None:
    rows = _sequence(report.trials.get("rows"))
    first = _mapping(rows[0]) if rows else {}
    return first if first.get("objective") is not None and first.get("rank") == 1 else None


def _parameters(report: Report) -> list[str]:
    """Return the names of the parameters, most important first, varied ones before others."""
    columns = [
        column
        for column in map(_mapping, _sequence(report.trials.get("columns")))
        if column.get("group") == "param"
    ]
    columns.sort(key=lambda column: bool(column.get("constant")))
    names = (str(column.get("key") or "").removeprefix("params.") for column in columns)
    return [name for name in names if name]


def _numbers(trials: Sequence[Any], found: Sequence[int], most: int = 12) -> str:
    listed = ", ".join(str(_at(trials, at)) for at in found[:most])
    return listed + (" …" if len(found) > most else "")


def _name(row: Mapping[str, Any]) -> str:
    return f"trial {row['trial']}" if row.get("trial") is not None else str(row.get("run") or "?")


def _at(values: Sequence[Any], at: int) -> Any:
    return values[at] if at < len(values) else None


def _mapping(value: object) -> Mapping[Any, Any]:
    return value if isinstance(value, Mapping) else {}


def _sequence(value: object) -> Sequence[Any]:
    return value if isinstance(value, Sequence) and not isinstance(value, str | bytes) else []
