"""Earlier runs: `history add`, `history list`, `history remove`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from tuner.cli.arguments import Json, settings
from tuner.cli.exit_codes import WRONG
from tuner.cli.printing import print_json, say
from tuner.cli.signals import interruptible
from tuner.errors import NotFoundError, SpecError
from tuner.local import open_history

if TYPE_CHECKING:
    from tuner.documents.history import HistoryRejection, HistoryStudy
    from tuner.history.import_report import ImportReport
    from tuner.history.store.imported import Options

_GOALS = {"max": "maximize", "min": "minimize", "maximize": "maximize", "minimize": "minimize"}


def add(
    paths: Annotated[
        list[str],
        typer.Argument(
            metavar="PATH...",
            help="A folder with runs, a database of Optuna or MLflow (URL or file, #NAME for one "
            "study of it), an Optuna journal, an MLflow server, a CSV file, JSON of W&B runs.",
        ),
    ],
    *,
    metric: Annotated[
        list[str] | None,
        typer.Option("--metric", metavar="NAME", help="The metric's name in the logs; repeatable."),
    ] = None,
    goal: Annotated[
        list[str] | None,
        typer.Option("--goal", metavar="max|min", help="The goal of the metric, one per --metric."),
    ] = None,
    reduce: Annotated[
        str, typer.Option("--reduce", metavar="last|best", help="Which value of the curve counts.")
    ] = "last",
    as_json: Json = False,
) -> None:
    """Import runs of TensorBoard, KerasTuner, Optuna, MLflow, W&B, Neptune, other homes; CSV.

    It reads only what is new or has changed. `tuner history list --rejected` lists the runs that
    it could not use.
    """
    from tuner.cli.render.imports import import_progress, print_report
    from tuner.history.importing import Importer

    options = read_options(metric or [], goal or [], reduce)
    reports: list[ImportReport] = []
    problems: list[str] = []
    config = settings()
    with open_history(config, create=True) as api, interruptible(), import_progress() as bar:
        importer = Importer(api, options, bar, log_root=config.log_root)
        for path in paths:
            try:
                reports.append(importer.add(path))
            except (SpecError, NotFoundError) as exc:
                problems.append(str(exc))
    if as_json:
        totals = {n: sum(getattr(r, n) for r in reports) for n in _TOTALS}
        print_json({**totals, "paths": [report.to_json() for report in reports]})
    else:
        for report in reports:
            print_report(report)
    for problem in problems:
        say(f"tuner: {problem}")
    if problems or any(r.found and r.found == r.rejected for r in reports):
        raise typer.Exit(WRONG)


def list_history(
    *,
    rejected: Annotated[
        bool, typer.Option("--rejected", help="List instead what imports could not use, and why.")
    ] = False,
    as_json: Json = False,
) -> None:
    """List the studies that new ones can learn from: Tuner's own and imported ones."""
    from tuner.cli.render import output

    try:
        with open_history(settings(), create=False) as api:
            refused = api.history_rejected() if rejected else []
            studies = [] if rejected else api.history()
    except NotFoundError:
        refused, studies = [], []
    if as_json:
        print_json(refused or studies)
    elif not (refused or studies):
        what = "nothing was rejected" if rejected else "no history yet; import some with: "
        output.err().print(what + ("" if rejected else "tuner history add PATH"))
    elif rejected:
        _print_rejected(refused)
    else:
        _print_studies(studies)


def remove(
    key: Annotated[str, typer.Argument(metavar="KEY", help="as `tuner history list` shows it")],
    *,
    as_json: Json = False,
) -> None:
    """Forget an imported study; keep the files that it came from."""
    with open_history(settings(), create=False) as api:
        answer = api.remove_history(key)
    if as_json:
        print_json(answer)
    else:
        say(f"{key}: forgotten, with {answer['trials']} runs")


def read_options(metrics: list[str], goals: list[str], reduce: str) -> Options | None:
    """Return what was said about the metric, None for nothing.

    Raises:
        SpecError: an option is wrong.
    """
    from tuner.history.store.imported import Options

    if reduce not in ("last", "best"):
        raise SpecError(f"--reduce: {reduce!r}: must be last or best")
    unknown = [goal for goal in goals if goal not in _GOALS]
    if unknown:
        raise SpecError(f"--goal: {unknown[0]!r}: must be max or min")
    if len(goals) not in (0, len(metrics)):
        raise SpecError(f"--goal: given {len(goals)} times for {len(metrics)} --metric")
    if len(set(metrics)) != len(metrics):
        raise SpecError("--metric: the same name twice")
    if reduce == "best" and not goals:
        raise SpecError("--reduce best: needs --metric NAME and --goal max|min")
    if not metrics:
        return None
    named: Any = tuple(_GOALS[goal] for goal in goals) or (None,) * len(metrics)
    how: Literal["last", "best"] = "best" if reduce == "best" else "last"
    return Options(metrics=tuple(metrics), goals=named, reduce=how)


_TOTALS = ("found", "imported", "unchanged", "rejected")


def _print_studies(rows: list[HistoryStudy]) -> None:
    from rich.markup import escape

    from tuner.cli.render.output import ago, out
    from tuner.cli.render.tables import plain_table

    table = plain_table("study", "kind", ">runs", "metrics", "ended", "from")
    for row in rows:
        metrics = ", ".join(
            f"{metric['name']} {_ARROWS[metric['goal']]}".strip() for metric in row["metrics"][:3]
        )
        more = len(row["metrics"]) - 3
        metrics += f" and {more} more" if more > 0 else ""
        origin = "this database" if row["is_own"] else row["locator"]
        cells = (row["key"], row["kind"], str(row["trials"]), metrics, ago(row["finished"]), origin)
        table.add_row(*map(escape, cells))
    out().print(table)


_ARROWS = {"maximize": "(max)", "minimize": "(min)", None: ""}


def _print_rejected(rows: list[HistoryRejection]) -> None:
    from rich.markup import escape

    from tuner.cli.render.output import out
    from tuner.cli.render.tables import plain_table

    table = plain_table("path", ">count", "reason")
    for row in rows:
        path = row["locator"] if row["path"] == "…" else row["path"]
        table.add_row(*map(escape, (path, str(row["count"]), row["reason"])))
    out().print(table)
